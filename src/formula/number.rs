//! Exact literals: rationals of any size, rounded once to the compute type.

use crate::dtype::Float;
use crate::limits;
use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::fmt;

/// Why a literal is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub message: &'static str,
    /// Whether it is a number, but beyond a limit.
    pub is_limit: bool,
}

impl Malformed {
    const fn limit(message: &'static str) -> Self {
        Self { message, is_limit: true }
    }

    const fn syntax(message: &'static str) -> Self {
        Self { message, is_limit: false }
    }
}

const OUT_OF_RANGE: Malformed = Malformed::limit("the exponent is out of range");

/// An exact rational constant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(BigRational);

impl Number {
    /// An integer.
    pub fn integer(value: i64) -> Self {
        Number(BigRational::from_integer(value.into()))
    }

    /// `p / q`; `None` if q is 0.
    pub fn ratio(p: &Number, q: &Number) -> Option<Self> {
        (!q.0.is_zero()).then(|| Number(&p.0 / &q.0))
    }

    /// The exact value of a float; `None` unless finite.
    pub fn from_f64(value: f64) -> Option<Self> {
        BigRational::from_float(value).map(Number)
    }

    /// A literal: decimal digits with optional `_`, point and exponent, or `0x`, `0o`, `0b` integers.
    ///
    /// # Errors
    /// What is wrong with it: malformed, too many digits, or beyond the range of float64.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        if digits.len() > limits::LITERAL_DIGITS {
            return Err(Malformed::limit("the literal has more than 400 digits"));
        }
        let radix = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => 16,
            Some("0o") => 8,
            Some("0b") => 2,
            _ => 10,
        };
        if radix != 10 {
            let value = BigInt::parse_bytes(&digits.as_bytes()[2..], radix)
                .ok_or(Malformed::syntax("malformed integer literal"))?;
            return Number(BigRational::from_integer(value)).in_range();
        }
        let (mantissa, exponent) = match digits.find(['e', 'E']) {
            Some(k) => (&digits[..k], digits[k + 1..].parse::<i32>().map_err(|_| OUT_OF_RANGE)?),
            None => (digits.as_str(), 0),
        };
        if exponent.abs() > 2 * limits::LITERAL_DIGITS as i32 {
            return Err(OUT_OF_RANGE);
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let value =
            BigInt::parse_bytes(all.as_bytes(), 10).ok_or(Malformed::syntax("malformed number"))?;
        let shift = exponent - fraction.len() as i32;
        let power = BigInt::from(10).pow(shift.unsigned_abs());
        let value = if shift >= 0 {
            BigRational::from_integer(value * power)
        } else {
            BigRational::new(value, power)
        };
        Number(value).in_range()
    }

    /// Refuse what float64 cannot hold, or what has grown beyond any reasonable literal.
    ///
    /// # Errors
    /// A limit.
    pub fn in_range(self) -> Result<Self, Malformed> {
        if self.bits() > limits::CONSTANT_BITS {
            return Err(Malformed::limit("the constant has too many digits"));
        }
        if !self.to_f64().is_finite() {
            return Err(Malformed::limit("the constant is beyond the range of float64"));
        }
        Ok(self)
    }

    /// Bits of the numerator or of the denominator, whichever has more.
    pub fn bits(&self) -> u64 {
        self.0.numer().bits().max(self.0.denom().bits())
    }

    /// Its value as an integer, if it is one that fits.
    pub fn as_integer(&self) -> Option<i64> {
        if self.0.is_integer() { self.0.numer().to_i64() } else { None }
    }

    /// Whether it is an integer of any size.
    pub fn is_integer(&self) -> bool {
        self.0.is_integer()
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// -self.
    pub fn neg(&self) -> Self {
        Number(-&self.0)
    }

    /// self + other.
    pub fn add(&self, other: &Number) -> Self {
        Number(&self.0 + &other.0)
    }

    /// self - other.
    pub fn sub(&self, other: &Number) -> Self {
        Number(&self.0 - &other.0)
    }

    /// self * other.
    pub fn mul(&self, other: &Number) -> Self {
        Number(&self.0 * &other.0)
    }

    /// self to an integer power; `None` for 0 to a negative one, and where it has more bits than a constant may have.
    pub fn pow(&self, exponent: i32) -> Option<Self> {
        // n bits to the power m have more than m(n - 1).
        let least = self.bits().saturating_sub(1).saturating_mul(exponent.unsigned_abs().into());
        let fits = least <= limits::CONSTANT_BITS && (exponent >= 0 || !self.0.is_zero());
        fits.then(|| Number(self.0.pow(exponent)))
    }

    /// Nearest float64, ties to even; infinite beyond the range.
    pub fn to_f64(&self) -> f64 {
        self.rounded(53, -1074, 1024)
    }

    /// Nearest float32, ties to even, as a float64; infinite beyond the range.
    pub fn to_f32(&self) -> f64 {
        self.rounded(24, -149, 128)
    }

    /// Rounded once to the compute type.
    pub fn to_f64_for(&self, float: Float) -> f64 {
        match float {
            Float::F32 => self.to_f32(),
            Float::F64 => self.to_f64(),
        }
    }

    /// Round to `precision` bits with a least exponent `least` of the last bit and magnitudes below 2^`limit`.
    fn rounded(&self, precision: i64, least: i64, limit: i64) -> f64 {
        let numer = self.0.numer().abs();
        let denom = self.0.denom();
        if numer.is_zero() {
            return 0.0;
        }
        // 2^(e-1) < value < 2^(e+1), so the quotient below has precision or precision + 1 bits.
        let e = numer.bits() as i64 - denom.bits() as i64;
        let mut last = (e - precision).max(least);
        let divide = |last: i64| {
            let shifted = |x: &BigInt, by: i64| if by > 0 { x << by as u64 } else { x.clone() };
            let (n, d) = (shifted(&numer, -last), shifted(denom, last));
            let quotient = &n / &d;
            let rest = n - &quotient * &d;
            (quotient, rest, d)
        };
        let (mut quotient, mut rest, mut d) = divide(last);
        if quotient.bits() as i64 > precision {
            last += 1;
            (quotient, rest, d) = divide(last);
        }
        let doubled: BigInt = rest << 1u32;
        let odd = quotient.bit(0);
        if doubled > d || (doubled == d && odd) {
            quotient += BigInt::one();
        }
        if quotient.bits() as i64 + last > limit {
            return if self.0.is_negative() { f64::NEG_INFINITY } else { f64::INFINITY };
        }
        let magnitude = scaled(quotient.to_u64().expect("at most 54 bits"), last);
        if self.0.numer().sign() == Sign::Minus { -magnitude } else { magnitude }
    }
}

/// `m * 2^e` exactly; the product is representable. Two steps so that no intermediate factor underflows.
fn scaled(m: u64, e: i64) -> f64 {
    let power = |e: i64| f64::from_bits(((e + 1023) as u64) << 52);
    let mut value = m as f64;
    let mut e = e;
    while e < -1000 {
        value *= power(-1000 + 60);
        e += 1000 - 60;
    }
    while e > 1000 {
        value *= power(1000);
        e -= 1000;
    }
    value * power(e)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_integer() {
            write!(f, "{}", self.0.numer())
        } else {
            write!(f, "{}/{}", self.0.numer(), self.0.denom())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_round_once() {
        for text in [
            "0.1",
            "1e-310",
            "4.9e-324",
            "2.4e-324",
            "1.7976931348623157e308",
            "3.14159265358979",
            "123456789012345678901",
        ] {
            let number = Number::parse(text).expect("a literal");
            assert_eq!(number.to_f64(), text.parse::<f64>().expect("a float"), "{text}");
            assert_eq!(number.to_f32() as f32, text.parse::<f32>().expect("a float"), "{text}");
        }
        assert_eq!(Number::parse("0x1f").expect("hex").as_integer(), Some(31));
        assert_eq!(Number::parse("1_000").expect("underscores").as_integer(), Some(1000));
        assert!(Number::parse("1e400").is_err());
        assert!(Number::parse(&"9".repeat(401)).is_err());
        // A double rounding through float64 would give 1 + 2^-23 here.
        let tie = Number::parse("1.00000005960464477539062500001").expect("a literal");
        assert_eq!(tie.to_f32() as f32, 1.0f32 + f32::EPSILON);
    }
}
