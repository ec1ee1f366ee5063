//! Operations on intervals.

use super::interval::{Bounded, Rounding, grid, lower, upper};
use crate::eval::nodes::Arithmetic;
use crate::eval::scalar;
use crate::formula::op::Op;

/// Roundings that the error of exp and log amounts to: 2 ulp, of at most two units each.
const EXP_LOG: f64 = 4.0;
/// The same for other functions: 4 ulp.
const FUNCTION: f64 = 8.0;
/// Relative error of an exponential's argument beyond what the formula says: log2(e) and its product with a scale may be
/// folded into it.
const EXP_ARGUMENT: f64 = 3.0;
/// Beyond these arguments (float32, float64) sine and cosine may be NaN: numbers are coarse against a period.
const PERIODS: (f64, f64) = (1_048_576.0, 1_073_741_824.0);

impl Arithmetic for Rounding {
    type Value = Bounded;

    fn exact(&self, value: f64) -> Bounded {
        Bounded::exact(value)
    }

    fn apply(&self, op: &Op, x: &[Bounded]) -> Bounded {
        let [f, g, h] = [0, 1, 2].map(|k| x.get(k).copied().unwrap_or(x[0]));
        match op {
            Op::Neg => Bounded { value: -f.value, low: -f.high, high: -f.low },
            Op::Abs => absolute(f),
            Op::Exp | Op::Exp2 => self.exponential(op, f),
            Op::Log => self.monotone(op, f, EXP_LOG),
            Op::Asin | Op::Acos | Op::Atan => self.monotone(op, f, FUNCTION),
            Op::Sqrt => self.monotone(op, f, 1.0),
            Op::Sin | Op::Cos => self.periodic(op, f, 1.0, FUNCTION),
            Op::SinXDivX => self.periodic(op, f, 0.5, FUNCTION + 1.0),
            Op::Rsqrt if f.is_exact() && f.value == 0.0 => Bounded::exact(0.0),
            Op::Rsqrt if f.low <= 0.0 && f.high >= 0.0 => Bounded::unknown(f.value),
            Op::Rsqrt => self.monotone(op, f, 2.0),
            Op::Inv => self.quotient(Bounded::exact(1.0), f),
            Op::Square => self.square(f),
            Op::XLogX => self.x_log_x(f),
            Op::Sign => jump(op, f, |low, high| low > 0.0 || high < 0.0),
            Op::Step => jump(op, f, |low, high| low >= 0.0 || high < 0.0),
            Op::Floor if f.is_nan() || f.is_unknown() => Bounded { value: f.value.floor(), ..f },
            Op::Floor => whole(f.value.floor(), f.low.floor(), f.high.floor()),
            Op::Round(digits) => self.decimals(f, *digits),
            // Of -0 it is -0.
            Op::ReLU if f.low < 0.0 && f.high >= 0.0 => {
                self.monotone(op, f, 0.0).with_either_zero()
            }
            Op::ReLU => self.monotone(op, f, 0.0),
            Op::Pow(exponent) => self.integer_power(f, *exponent),
            Op::Add => self.total(f, g),
            Op::Sub => self.total(f, Bounded { value: -g.value, low: -g.high, high: -g.low }),
            Op::Mul => self.product(f, g),
            Op::Div => self.quotient(f, g),
            Op::Powf => self.power(f, g),
            Op::Atan2 => self.angle(f, g),
            Op::Equal | Op::NotEqual | Op::LessThan | Op::LessOrEqual => comparison(op, f, g),
            Op::IfElse => match decided(f, |f| f >= 0.0) {
                Some(true) => g,
                Some(false) => h,
                None => Bounded::unknown(scalar::apply(op, &[f.value, g.value, h.value])),
            },
            Op::Clamp => clamp(f, g, h),
            Op::Mod => self.modulo(f, g, h),
            _ => unreachable!("{op:?} is not element-wise"),
        }
    }

    fn sum(&self, terms: &[Bounded]) -> Bounded {
        let mut sum = Sum::default();
        terms.iter().for_each(|term| sum.add(*term));
        let value = terms[1..].iter().fold(terms[0].value, |sum, term| sum + term.value);
        sum.bounded(self, value, (terms.len() - 1) as f64)
    }

    fn extremum(&self, op: &Op, terms: &[Bounded]) -> Bounded {
        let values: Vec<f64> = terms.iter().map(|t| t.value).collect();
        let value = scalar::Plain.extremum(op, &values);
        if terms.iter().any(Bounded::is_unknown) {
            return Bounded::unknown(value);
        }
        let largest = matches!(op, Op::Max | Op::ArgMax);
        let numbers = || terms.iter().filter(|t| !t.is_nan());
        if matches!(op, Op::ArgMax | Op::ArgMin) {
            let best = terms[value as usize];
            // The chosen one is better than all before it and as good as all after it, wherever they lie.
            let certain = terms.iter().enumerate().all(|(k, t)| {
                let (t, best) = if largest { (t.high, best.low) } else { (-t.low, -best.high) };
                t.is_nan() || k == value as usize || t < best || (t == best && k > value as usize)
            });
            return if certain { Bounded::exact(value) } else { Bounded::unknown(value) };
        }
        let end = |of: fn(&Bounded) -> f64| {
            let ends = numbers().map(of);
            if largest { ends.fold(f64::NAN, f64::max) } else { ends.fold(f64::NAN, f64::min) }
        };
        let result = Bounded { value, low: end(|t| t.low), high: end(|t| t.high) };
        // Zeros of both signs are equal: which of them is taken is left open.
        let zeros = |minus: bool| {
            let has = |end: f64| end == 0.0 && end.is_sign_negative() == minus;
            numbers().any(|t| has(t.low) || has(t.high) || (t.low < 0.0 && t.high > 0.0))
        };
        if zeros(true) && zeros(false) { result.with_either_zero() } else { result }
    }

    fn is_true(&self, value: Bounded) -> bool {
        debug_assert!(value.is_exact(), "conditions are on integers");
        value.value != 0.0
    }

    fn one_hot(&self, f: Bounded, k: usize) -> Bounded {
        let value = scalar::Plain.one_hot(f.value, k);
        let shifted = self.total(f, Bounded::exact(0.5));
        if shifted.is_nan() {
            return Bounded::exact(0.0);
        }
        let (first, last) = (shifted.low.trunc(), shifted.high.trunc());
        let position = k as f64;
        if first == last || position < first || position > last {
            return Bounded::exact(value);
        }
        Bounded::unknown(value)
    }

    /// Softmin rises with every term (by no more than the term) and falls with g.
    fn soft_min(&self, terms: &[Bounded], g: Bounded) -> Bounded {
        let at = |ends: Vec<f64>, g: f64| scalar::Plain.soft_min(&ends, g);
        let value = at(terms.iter().map(|t| t.value).collect(), g.value);
        let all = terms.iter().chain([&g]);
        if g.low <= 0.0 || all.clone().any(|x| !x.is_finite()) {
            return Bounded::unknown(value);
        }
        let low = at(terms.iter().map(|t| t.low).collect(), g.high);
        let high = at(terms.iter().map(|t| t.high).collect(), g.low);
        // Differences, quotients and exponentials are rounded relative to terms of at most these sizes.
        let size: f64 = all.map(Bounded::magnitude).sum();
        let slack = (FUNCTION + EXP_LOG) * self.unit * size;
        self.round(Bounded { value, low: low - slack, high: high + slack }, 1.0)
    }
}

impl Rounding {
    /// A function that is monotone and continuous where it is defined, and propagates NaN.
    fn monotone(&self, op: &Op, f: Bounded, roundings: f64) -> Bounded {
        let at = |x: f64| scalar::apply(op, &[x]);
        if f.is_nan() || f.is_unknown() {
            return f;
        }
        let ends = [at(f.low), at(f.high)];
        let same_side = (f.low > 0.0) == (f.high > 0.0);
        match ends.map(f64::is_nan) {
            [true, true] if same_side => return Bounded::exact(f64::NAN),
            [false, false] => {}
            _ => return Bounded::unknown(at(f.value)),
        }
        self.round(Bounded::hull(at(f.value), ends), roundings)
    }

    fn exponential(&self, op: &Op, f: Bounded) -> Bounded {
        let mut f = f;
        if f.is_finite() {
            f.low -= EXP_ARGUMENT * self.unit * f.low.abs();
            f.high += EXP_ARGUMENT * self.unit * f.high.abs();
        }
        self.monotone(op, f, EXP_LOG)
    }

    /// A bounded function with derivatives of at most `slope`.
    fn periodic(&self, op: &Op, f: Bounded, slope: f64, roundings: f64) -> Bounded {
        let value = scalar::apply(op, &[f.value]);
        if f.is_exact() && value.is_nan() {
            return Bounded::exact(value);
        }
        let limit = if self.bits == 24 { PERIODS.0 } else { PERIODS.1 };
        if f.is_unknown() || f.magnitude() > limit {
            return Bounded::unknown(value);
        }
        let error = slope * f.error();
        let ends = if error == 0.0 { [value; 2] } else { [value - error, value + error] };
        self.round(Bounded { value, low: ends[0], high: ends[1] }, roundings)
    }

    fn square(&self, f: Bounded) -> Bounded {
        let magnitudes = absolute(f);
        if f.is_nan() || f.is_unknown() || !f.is_finite() {
            return magnitudes;
        }
        self.multiplied(
            f,
            f,
            f.value * f.value,
            [magnitudes.low * magnitudes.low, magnitudes.high * magnitudes.high],
        )
    }

    /// A product of finite numbers: exact where float64 is and the compute type holds it.
    fn multiplied(&self, f: Bounded, g: Bounded, value: f64, ends: [f64; 2]) -> Bounded {
        if !value.is_finite() {
            return Bounded::unknown(value);
        }
        if f.is_either_zero() || g.is_either_zero() {
            return Bounded { value, ..Bounded::EITHER_ZERO };
        }
        let result = Bounded::hull(value, ends);
        let exact = f.is_exact() && g.is_exact() && self.holds(value);
        let product_is_exact = f.value.mul_add(g.value, -value) == 0.0
            && (value == 0.0 || value.abs() >= f64::MIN_POSITIVE / f64::EPSILON);
        if exact && product_is_exact {
            return Bounded::exact(value);
        }
        self.round(result, 1.0)
    }

    fn product(&self, f: Bounded, g: Bounded) -> Bounded {
        let value = f.value * g.value;
        if f.is_nan() || g.is_nan() {
            return Bounded::exact(f64::NAN);
        }
        if f.is_unknown() || g.is_unknown() {
            return Bounded::unknown(value);
        }
        if !(f.is_finite() && g.is_finite()) {
            let signed = |x: Bounded| x.is_exact() || x.low > 0.0 || x.high < 0.0;
            let certain = signed(f) && signed(g);
            return if certain { Bounded::exact(value) } else { Bounded::unknown(value) };
        }
        let corners = [f.low * g.low, f.low * g.high, f.high * g.low, f.high * g.high];
        self.multiplied(f, g, value, ends(corners))
    }

    fn total(&self, f: Bounded, g: Bounded) -> Bounded {
        let value = f.value + g.value;
        if f.is_nan() || g.is_nan() {
            return Bounded::exact(f64::NAN);
        }
        if f.is_unknown() || g.is_unknown() {
            return Bounded::unknown(value);
        }
        if !(f.is_finite() && g.is_finite()) {
            return Bounded::exact(value);
        }
        if !value.is_finite() {
            return Bounded::unknown(value);
        }
        if value == 0.0 && (f.is_either_zero() || g.is_either_zero()) {
            return Bounded { value, ..Bounded::EITHER_ZERO };
        }
        let is_exact = f.is_exact() && g.is_exact() && two_sum_error(f.value, g.value) == 0.0;
        if is_exact && self.holds(value) {
            return Bounded::exact(value);
        }
        self.round(Bounded::hull(value, [f.low + g.low, f.high + g.high]), 1.0)
    }

    fn quotient(&self, f: Bounded, g: Bounded) -> Bounded {
        let value = f.value / g.value;
        if f.is_nan() || g.is_nan() {
            return Bounded::exact(f64::NAN);
        }
        if f.is_unknown() || g.is_unknown() {
            return Bounded::unknown(value);
        }
        let signed = |x: Bounded| x.low > 0.0 || x.high < 0.0;
        if g.is_either_zero() {
            return Bounded::unknown(value);
        }
        if f.is_either_zero() && signed(g) && g.is_finite() {
            return Bounded { value, ..Bounded::EITHER_ZERO };
        }
        if !(f.is_finite() && g.is_finite()) || (g.is_exact() && g.value == 0.0) {
            let certain = (f.is_exact() || signed(f)) && (g.is_exact() || signed(g));
            return if certain { Bounded::exact(value) } else { Bounded::unknown(value) };
        }
        if !signed(g) || !value.is_finite() {
            return Bounded::unknown(value);
        }
        let exact = f.is_exact() && g.is_exact() && self.holds(value);
        if exact && value.mul_add(g.value, -f.value) == 0.0 && value.abs() >= self.normal {
            return Bounded::exact(value);
        }
        let corners = [f.low / g.low, f.low / g.high, f.high / g.low, f.high / g.high];
        self.round(Bounded::hull(value, ends(corners)), 1.0)
    }

    /// Decreasing to -1/e at 1/e, then increasing.
    fn x_log_x(&self, f: Bounded) -> Bounded {
        let at = |x: f64| scalar::apply(&Op::XLogX, &[x]);
        if f.is_nan() || f.is_unknown() {
            return f;
        }
        let value = at(f.value);
        if f.high < 0.0 {
            return Bounded::exact(f64::NAN);
        }
        if f.low < 0.0 {
            return Bounded::unknown(value);
        }
        let mut result = Bounded::hull(value, [at(f.low), at(f.high)]);
        let least = (-1f64).exp();
        if f.low < least && least < f.high {
            result.low = -least;
        }
        self.round(result, EXP_LOG + 1.0)
    }

    fn decimals(&self, f: Bounded, digits: i32) -> Bounded {
        let value = scalar::apply(&Op::Round(digits), &[f.value]);
        if f.is_nan() || f.is_unknown() {
            return Bounded { value, ..f };
        }
        let power = 10f64.powi(digits.abs());
        let held = self.holds(power) && digits.abs() <= 22;
        let scale =
            if held { Bounded::exact(power) } else { self.round(Bounded::exact(power), 1.0) };
        let scaled = match digits {
            0 => f,
            1.. => self.product(f, scale),
            _ => self.quotient(f, scale),
        };
        if scaled.is_unknown() {
            return Bounded::unknown(value);
        }
        let whole = whole(scaled.value.round(), scaled.low.round(), scaled.high.round());
        match digits {
            0 => whole,
            1.. => self.quotient(whole, scale),
            _ => self.product(whole, scale),
        }
    }

    /// By repeated multiplication, one division at the end for negative exponents.
    fn integer_power(&self, f: Bounded, exponent: i32) -> Bounded {
        let value = scalar::apply(&Op::Pow(exponent), &[f.value]);
        if exponent == 0 {
            return Bounded::exact(1.0);
        }
        if f.is_nan() || f.is_unknown() {
            return Bounded { value, ..f };
        }
        if !f.is_finite() {
            return Bounded::exact(value);
        }
        let count = exponent.abs();
        let even = count % 2 == 0;
        let base = if even { absolute(f) } else { f };
        let ends = [base.low.powi(count), base.high.powi(count)];
        let magnitude = f.value.powi(count);
        if !magnitude.is_finite() {
            return Bounded::unknown(value);
        }
        // A product of few significant bits is exact at every step.
        let grid = if f.value == 0.0 { 0 } else { grid(f.value) };
        let significand = f.value.abs() * 2f64.powi(-grid.clamp(-1000, 1000));
        let exact = f.is_exact()
            && grid.abs() <= 1000
            && significand.powi(count) <= 2f64.powi(self.bits)
            && (magnitude == 0.0 || magnitude.abs() >= self.normal)
            && magnitude.abs() <= self.largest;
        let power = if exact {
            Bounded::exact(magnitude)
        } else {
            self.round(Bounded::hull(magnitude, ends), f64::from(count))
        };
        if exponent > 0 {
            return power;
        }
        // Below the normal numbers the power has lost its relative accuracy, but for an exact zero.
        if power.low.abs().min(power.high.abs()) < self.normal && !power.is_exact() {
            return Bounded::unknown(value);
        }
        self.quotient(Bounded::exact(1.0), power)
    }

    fn power(&self, f: Bounded, g: Bounded) -> Bounded {
        let at = |x: f64, y: f64| x.powf(y);
        let value = at(f.value, g.value);
        let is = |x: Bounded, number: f64| x.is_exact() && x.value == number;
        if is(g, 0.0) || is(f, 1.0) {
            return Bounded::exact(1.0);
        }
        if f.is_exact() && g.is_exact() {
            let special = !f.value.is_finite() || !g.value.is_finite() || f.value == 0.0;
            if special || value.is_nan() {
                return Bounded::exact(value);
            }
        }
        if f.is_unknown() || g.is_unknown() || !(f.is_finite() && g.is_finite()) {
            return Bounded::unknown(value);
        }
        if f.high < 0.0 && g.is_exact() {
            let ends = [at(f.low, g.value), at(f.high, g.value)];
            return match value.is_nan() {
                true => Bounded::exact(f64::NAN),
                false => self.round(Bounded::hull(value, ends), FUNCTION),
            };
        }
        if f.low < 0.0 || (f.low == 0.0 && g.low <= 0.0) {
            return Bounded::unknown(value);
        }
        let corners = [at(f.low, g.low), at(f.low, g.high), at(f.high, g.low), at(f.high, g.high)];
        let mut hull = Bounded::hull(value, ends(corners));
        // Some exponent may be odd.
        if f.low == 0.0 && f.low.is_sign_negative() && !g.is_exact() {
            hull.low = -0.0;
        }
        self.round(hull, FUNCTION)
    }

    /// The angle over a box is extremal at its corners, unless the box meets the cut along the negative axis.
    fn angle(&self, f: Bounded, g: Bounded) -> Bounded {
        let value = f.value.atan2(g.value);
        if f.is_nan() || g.is_nan() {
            return Bounded::exact(f64::NAN);
        }
        let meets_cut = f.low <= 0.0 && f.high >= 0.0 && g.low <= 0.0;
        let both_exact = f.is_exact() && g.is_exact();
        if f.is_unknown() || g.is_unknown() || (meets_cut && !both_exact) {
            return Bounded::unknown(value);
        }
        let corners =
            [f.low.atan2(g.low), f.low.atan2(g.high), f.high.atan2(g.low), f.high.atan2(g.high)];
        self.round(Bounded::hull(value, ends(corners)), FUNCTION)
    }

    fn modulo(&self, f: Bounded, n: Bounded, offset: Bounded) -> Bounded {
        let value = scalar::apply(&Op::Mod, &[f.value, n.value, offset.value]);
        let whole = self.apply(&Op::Floor, &[self.quotient(self.apply(&Op::Sub, &[f, offset]), n)]);
        let result = self.apply(&Op::Sub, &[f, self.product(n, whole)]);
        Bounded { value: if result.is_exact() { result.value } else { value }, ..result }
    }
}

/// A sum of intervals under way, with what its rounding error depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    low: f64,
    high: f64,
    /// Sum of the largest magnitudes.
    magnitudes: f64,
    /// All terms are multiples of two to this power, if they are exact.
    grid: Option<i32>,
    /// The terms that are not finite, summed.
    beyond: f64,
    any_beyond: bool,
    any_nan: bool,
    any_unknown: bool,
    /// Whether some term is not -0. A sum of nothing else is -0, or +0 where summation began with that.
    any_else: bool,
    count: f64,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            low: 0.0,
            high: 0.0,
            magnitudes: 0.0,
            grid: Some(grid(0.0)),
            beyond: 0.0,
            any_beyond: false,
            any_nan: false,
            any_unknown: false,
            any_else: false,
            count: 0.0,
        }
    }
}

impl Sum {
    pub(super) fn add(&mut self, term: Bounded) {
        self.count += 1.0;
        let zero = term.low == 0.0 && term.high == 0.0;
        self.any_else |= !(zero && (term.low.is_sign_negative() || term.high.is_sign_negative()));
        if term.is_unknown() {
            self.any_unknown = true;
        } else if !term.is_finite() {
            self.any_beyond = true;
            self.any_nan |= term.is_nan();
            self.beyond += term.value;
        } else {
            self.low += term.low;
            self.high += term.high;
            self.magnitudes += term.magnitude();
            let own = (term.low == term.high).then(|| grid(term.value));
            self.grid = self.grid.zip(own).map(|(a, b)| a.min(b));
        }
    }

    /// The sum whose value is `value`, after at most `height` additions of every term.
    pub(super) fn bounded(&self, rounding: &Rounding, value: f64, height: f64) -> Bounded {
        if self.any_nan {
            return Bounded::exact(f64::NAN);
        }
        // Infinities of both signs cancel to NaN, unless one is a product that a fused multiply-add never rounds to infinity.
        if self.any_unknown || self.beyond.is_nan() {
            return Bounded::unknown(value);
        }
        if self.magnitudes > rounding.largest / 2.0 {
            return Bounded::unknown(value);
        }
        if self.any_beyond {
            return Bounded::exact(self.beyond);
        }
        if !self.any_else && self.count > 0.0 {
            return Bounded { value, ..Bounded::EITHER_ZERO };
        }
        if self.grid.is_some_and(|grid| rounding.sums_exactly(grid, self.magnitudes)) {
            return Bounded::exact(self.low);
        }
        // The ends are sums in float64 themselves.
        let unit = height * rounding.unit * SECOND_ORDER + self.count * f64::EPSILON;
        let slack = unit * self.magnitudes;
        let (mut low, mut high) = (self.low - slack, self.high + slack);
        if self.low >= 0.0 {
            low = low.max(0.0);
        }
        if self.high <= 0.0 {
            high = high.min(0.0);
        }
        Bounded { value, low: low.min(value), high: high.max(value) }.with_either_zero()
    }
}

/// Makes up for products of roundings: (1 + u)^h - 1 against h*u.
pub(super) const SECOND_ORDER: f64 = 1.02;

fn ends(corners: [f64; 4]) -> [f64; 2] {
    if corners.iter().any(|c| c.is_nan()) {
        return [f64::NAN; 2];
    }
    [
        corners.iter().copied().fold(f64::INFINITY, lower),
        corners.iter().copied().fold(f64::NEG_INFINITY, upper),
    ]
}

/// What rounding takes from a + b.
fn two_sum_error(a: f64, b: f64) -> f64 {
    let sum = a + b;
    let virtual_b = sum - a;
    (a - (sum - virtual_b)) + (b - virtual_b)
}

fn absolute(f: Bounded) -> Bounded {
    let value = f.value.abs();
    if f.is_nan() || f.is_unknown() {
        return Bounded { value, ..f };
    }
    let meets_zero = f.low <= 0.0 && f.high >= 0.0;
    let low = if meets_zero { 0.0 } else { f.low.abs().min(f.high.abs()) };
    Bounded { value, low, high: f.magnitude() }
}

/// A piecewise constant function, known where both ends are on the same piece.
fn jump(op: &Op, f: Bounded, same: impl Fn(f64, f64) -> bool) -> Bounded {
    let value = scalar::apply(op, &[f.value]);
    if f.is_exact() || (!f.is_unknown() && same(f.low, f.high)) {
        return Bounded::exact(value);
    }
    Bounded::unknown(value)
}

/// An integer, if both ends of an interval are rounded to it.
fn whole(value: f64, low: f64, high: f64) -> Bounded {
    if low != high {
        return Bounded::unknown(value);
    }
    if low.is_sign_negative() != high.is_sign_negative() {
        return Bounded { value, ..Bounded::EITHER_ZERO };
    }
    Bounded::exact(low)
}

/// A condition on a number, if all of the interval agrees; NaN has its own answer.
fn decided(f: Bounded, holds: impl Fn(f64) -> bool) -> Option<bool> {
    if f.is_unknown() {
        return None;
    }
    let (low, high) = (holds(f.low), holds(f.high));
    (low == high).then_some(low)
}

/// Whether f < g (or f <= g, `equal`) everywhere, nowhere, or it depends.
fn is_less(f: Bounded, g: Bounded, equal: bool) -> Option<bool> {
    if f.is_nan() || g.is_nan() {
        return Some(false);
    }
    if f.is_unknown() || g.is_unknown() {
        return None;
    }
    let less = |a: f64, b: f64| if equal { a <= b } else { a < b };
    match (less(f.high, g.low), less(f.low, g.high)) {
        (true, _) => Some(true),
        (_, false) => Some(false),
        _ => None,
    }
}

fn comparison(op: &Op, f: Bounded, g: Bounded) -> Bounded {
    let value = scalar::apply(op, &[f.value, g.value]);
    let known = match op {
        Op::LessThan => is_less(f, g, false),
        Op::LessOrEqual => is_less(f, g, true),
        // Equal numbers are certain only if both are.
        _ if f.is_exact() && g.is_exact() => Some(true),
        _ => {
            is_less(f, g, true).zip(is_less(g, f, true)).filter(|(a, b)| !(*a && *b)).map(|_| true)
        }
    };
    if known.is_some() { Bounded::exact(value) } else { Bounded::unknown(value) }
}

fn clamp(f: Bounded, a: Bounded, b: Bounded) -> Bounded {
    let value = scalar::apply(&Op::Clamp, &[f.value, a.value, b.value]);
    match (is_less(f, a, false), is_less(b, f, false)) {
        (Some(true), _) => a,
        (Some(false), Some(true)) => b,
        (Some(false), Some(false)) => f,
        (Some(false), None) if !f.is_unknown() && !b.is_unknown() => {
            Bounded { value, low: f.low.min(b.low), high: f.high.min(b.high) }.with_either_zero()
        }
        // Monotone in all three while the bounds are in order.
        (None, _) if is_less(a, b, true) == Some(true) && !f.is_unknown() => Bounded {
            value,
            low: f.low.max(a.low).min(b.low),
            high: f.high.max(a.high).min(b.high),
        }
        .with_either_zero(),
        _ => Bounded::unknown(value),
    }
}
