//! Numbers with an interval that every correct engine's number lies in, and the rounding that widens intervals.

use crate::dtype::{DType, Float};
use half::f16;

/// A number of the oracle, and the interval that a correct engine's number lies in.
///
/// The interval is one of: finite; a single infinity or NaN, which an engine must give too; or *unknown*, where a correct
/// engine may give anything (the operation jumps within what rounding can do to its operands).
#[derive(Clone, Copy, Debug)]
pub struct Bounded {
    /// What the oracle computed; the infinity of its sign where the compute type certainly overflows.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Bounded {
    /// A number that every engine must have, NaN and infinities included.
    pub fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// A number of which nothing can be said.
    pub fn unknown(value: f64) -> Self {
        Self { value, low: f64::NEG_INFINITY, high: f64::INFINITY }
    }

    pub(super) fn hull(value: f64, ends: [f64; 2]) -> Self {
        let [a, b] = ends;
        if a.is_nan() || b.is_nan() || value.is_nan() {
            return Self::unknown(value);
        }
        Self { value, low: lower(lower(a, b), value), high: upper(upper(a, b), value) }
    }

    /// Whether every engine must have this very number. A zero of either sign is not one: dividing by it gives either infinity.
    pub fn is_exact(&self) -> bool {
        (self.low == self.high && !self.is_either_zero()) || self.is_nan()
    }

    /// Zero, of a sign that depends on how a sum was begun.
    pub(super) const EITHER_ZERO: Bounded = Bounded { value: 0.0, low: -0.0, high: 0.0 };

    /// Whether it is a zero of a sign that engines may differ in.
    pub(super) fn is_either_zero(&self) -> bool {
        let is_zero = self.low == 0.0 && self.high == 0.0;
        is_zero && self.low.is_sign_negative() != self.high.is_sign_negative()
    }

    /// Whether it is NaN on every engine.
    pub fn is_nan(&self) -> bool {
        self.low.is_nan()
    }

    /// Whether nothing can be said of it.
    pub fn is_unknown(&self) -> bool {
        self.low != self.high && (self.low.is_infinite() || self.high.is_infinite())
    }

    pub(super) fn is_finite(&self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }

    /// Largest distance of a correct engine's number from the value: infinite if unknown, 0 for infinities and NaN.
    pub fn error(&self) -> f64 {
        if self.is_exact() { 0.0 } else { (self.high - self.value).max(self.value - self.low) }
    }

    /// Largest magnitude.
    pub(super) fn magnitude(&self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// Whether a correct engine may give this number; anything is allowed where nothing is known. At an end that is a zero the
    /// sign of zero counts: -0 lies below +0.
    pub fn allows(&self, number: f64) -> bool {
        let within = || self.low.total_cmp(&number).is_le() && number.total_cmp(&self.high).is_le();
        self.is_unknown() || (self.is_nan() && number.is_nan()) || within()
    }

    /// The same where a zero at an end may have either sign.
    pub(super) fn with_either_zero(self) -> Self {
        let low = if self.low == 0.0 { -0.0 } else { self.low };
        let high = if self.high == 0.0 { 0.0 } else { self.high };
        Self { low, high, ..self }
    }

    /// After the one rounding to the type of the result, which keeps order.
    pub fn stored(self, dtype: DType) -> Self {
        let round = |x: f64| match dtype {
            DType::F16 => f16::from_f64(x).to_f64(),
            DType::F32 => f64::from(x as f32),
            DType::F64 => x,
        };
        if self.is_unknown() {
            return self;
        }
        Self { value: round(self.value), low: round(self.low), high: round(self.high) }
    }
}

/// The smaller number, -0 below +0.
pub(super) fn lower(a: f64, b: f64) -> f64 {
    if a.total_cmp(&b).is_lt() { a } else { b }
}

/// The larger number, +0 above -0.
pub(super) fn upper(a: f64, b: f64) -> f64 {
    if a.total_cmp(&b).is_gt() { a } else { b }
}

/// What one rounding can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounding {
    /// Relative error of one rounding of the engine and one of the oracle's.
    pub(super) unit: f64,
    /// Absolute error where the result is subnormal.
    pub(super) tiny: f64,
    /// Smallest normal number.
    pub(super) normal: f64,
    /// Largest finite number.
    pub(super) largest: f64,
    /// Bits of the significand.
    pub(super) bits: i32,
    /// The type is float64, in which the oracle's own roundings are not negligible.
    is_double: bool,
}

/// Multiple of the largest finite number from which on a result overflows however it is computed.
const CERTAINLY_BEYOND: f64 = 4.0;

/// Unit roundoff of float64, in which the oracle computes.
const ORACLE_UNIT: f64 = f64::EPSILON / 2.0;

impl Rounding {
    /// A type with `bits` of significand, and its smallest and largest positive numbers.
    fn new(bits: i32, tiny: f64, largest: f64) -> Self {
        Self {
            unit: 2f64.powi(-bits) + ORACLE_UNIT,
            tiny,
            normal: tiny * 2f64.powi(bits - 1),
            largest,
            bits,
            is_double: bits == 53,
        }
    }

    pub(super) fn of(float: Float) -> Self {
        match float {
            Float::F32 => Self::new(24, 2f64.powi(-149), f64::from(f32::MAX)),
            Float::F64 => Self::new(53, f64::from_bits(1), f64::MAX),
        }
    }

    /// The interval after `count` roundings, each relative to the number. Signs and zeros survive rounding. Beyond the largest
    /// finite number lies infinity, if that is certain.
    pub(super) fn round(&self, x: Bounded, count: f64) -> Bounded {
        if x.is_nan() || x.is_unknown() || (x.is_exact() && x.low.is_infinite()) {
            return x;
        }
        let away = |end: f64| count * (self.unit * end.abs() + self.tiny);
        let mut low = x.low - away(x.low);
        let mut high = x.high + away(x.high);
        if x.low >= 0.0 {
            low = if x.low == 0.0 { x.low } else { low.max(0.0) };
        }
        if x.high <= 0.0 {
            high = if x.high == 0.0 { x.high } else { high.min(-0.0) };
        }
        // Within a factor of the limit a fused multiply-add may still come back.
        if low > CERTAINLY_BEYOND * self.largest {
            return Bounded::exact(f64::INFINITY);
        }
        if high < -CERTAINLY_BEYOND * self.largest {
            return Bounded::exact(f64::NEG_INFINITY);
        }
        if low < -self.largest || high > self.largest {
            return Bounded::unknown(x.value);
        }
        Bounded { value: x.value, low, high }
    }

    /// Whether the compute type has this very number.
    pub(super) fn holds(&self, number: f64) -> bool {
        self.is_double || f64::from(number as f32) == number
    }

    /// Whether a sum of numbers, all multiples of 2^`grid`, is exact in any order of summation, given the sum of their
    /// magnitudes.
    pub(super) fn sums_exactly(&self, grid: i32, magnitudes: f64) -> bool {
        magnitudes <= 2f64.powi((grid + self.bits).min(1023))
    }
}

/// The exponent of the lowest set bit: the finest power of two that a finite number is a multiple of; large for 0.
pub(super) fn grid(number: f64) -> i32 {
    if number == 0.0 {
        return 2000;
    }
    let bits = number.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let significand = bits & ((1 << 52) - 1);
    if exponent == 0 {
        return -1074 + significand.trailing_zeros() as i32;
    }
    exponent - 1075 + (significand | 1 << 52).trailing_zeros() as i32
}
