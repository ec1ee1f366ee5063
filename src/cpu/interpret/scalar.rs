//! The semantics of each operation on one number.

use crate::dtype::Real;
use crate::loops::program::Compare;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A float type that programs compute in, with the integers of its width as sign-extended `i64`.
pub trait Scalar:
    Real
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// `self * b + c` rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// Without its sign bit.
    fn abs(self) -> Self;
    /// Correctly rounded square root.
    fn sqrt(self) -> Self;
    /// Largest integral value not above.
    fn floor(self) -> Self;
    /// Nearest integral value, ties to even.
    fn nearest(self) -> Self;
    /// The bits as an integer.
    fn to_bits(self) -> i64;
    /// A float of these bits.
    fn from_bits(bits: i64) -> Self;
    /// The integer rounded to nearest.
    fn from_int(int: i64) -> Self;
    /// Whether [`Scalar::from_int`] is defined for an integer.
    fn is_convertible(int: i64) -> bool;
    /// The integer by truncation; `None` where that is not defined.
    fn to_int(self) -> Option<i64>;
    /// `self * 2^n` rounded once; `None` where that is not defined.
    fn scale_exp2(self, n: Self) -> Option<Self>;
    /// The low bits of an integer, sign-extended.
    fn wrap(int: i64) -> i64;
    /// The low bits of an integer, zero-extended.
    fn unsigned(int: i64) -> u64;
}

/// A comparison.
pub(super) fn compare<T: Scalar>(op: Compare, a: T, b: T) -> bool {
    match op {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Unordered => a.partial_cmp(&b).is_none(),
    }
}

/// Whether a first operand and an exponent are in the domain of `ScaleExp2`.
fn is_scalable(a: f64, n: f64, least: f64, most: f64) -> bool {
    (0.0625..=16.0).contains(&a.abs()) && n.floor() == n && (least..=most).contains(&n)
}

impl Scalar for f32 {
    fn mul_add(self, b: Self, c: Self) -> Self {
        f32::mul_add(self, b, c)
    }
    fn abs(self) -> Self {
        f32::abs(self)
    }
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    fn floor(self) -> Self {
        f32::floor(self)
    }
    fn nearest(self) -> Self {
        f32::round_ties_even(self)
    }
    fn to_bits(self) -> i64 {
        i64::from(f32::to_bits(self) as i32)
    }
    fn from_bits(bits: i64) -> Self {
        f32::from_bits(bits as u32)
    }
    fn from_int(int: i64) -> Self {
        int as f32
    }
    fn is_convertible(int: i64) -> bool {
        i32::try_from(int).is_ok()
    }
    fn to_int(self) -> Option<i64> {
        // The bounds are floats: -2^31+1 and 2^31-1 lie between them and the next ones.
        (-2_147_483_520.0..=2_147_483_520.0).contains(&self).then_some(self as i64)
    }
    fn scale_exp2(self, n: Self) -> Option<Self> {
        if self.is_nan() {
            return Some(self);
        }
        // Exact in float64, so the conversion is the one rounding.
        let exact = |n: f32| f64::from(self) * 2f64.powi(n as i32);
        is_scalable(self.into(), n.into(), -252.0, 254.0).then(|| exact(n) as f32)
    }
    fn wrap(int: i64) -> i64 {
        i64::from(int as i32)
    }
    fn unsigned(int: i64) -> u64 {
        u64::from(int as u32)
    }
}

impl Scalar for f64 {
    fn mul_add(self, b: Self, c: Self) -> Self {
        f64::mul_add(self, b, c)
    }
    fn abs(self) -> Self {
        f64::abs(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn floor(self) -> Self {
        f64::floor(self)
    }
    fn nearest(self) -> Self {
        f64::round_ties_even(self)
    }
    fn to_bits(self) -> i64 {
        f64::to_bits(self) as i64
    }
    fn from_bits(bits: i64) -> Self {
        f64::from_bits(bits as u64)
    }
    fn from_int(int: i64) -> Self {
        int as f64
    }
    fn is_convertible(int: i64) -> bool {
        int.unsigned_abs() <= 1 << 51
    }
    fn to_int(self) -> Option<i64> {
        (self.abs() <= 2_251_799_813_685_248.0).then_some(self as i64)
    }
    fn scale_exp2(self, n: Self) -> Option<Self> {
        if self.is_nan() {
            return Some(self);
        }
        // The first product is exact unless the result is 0 or infinite anyway; the second is the one rounding.
        let in_halves = |n: i32| self * 2f64.powi(n >> 1) * 2f64.powi(n - (n >> 1));
        is_scalable(self, n, -2044.0, 2046.0).then(|| in_halves(n as i32))
    }
    fn wrap(int: i64) -> i64 {
        int
    }
    fn unsigned(int: i64) -> u64 {
        int as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_rounds_once() {
        // 1.5 + 2^-23 ulps below the least normal number: the tie is broken by the last bit, which two roundings would lose.
        let a = f32::from_bits(f32::to_bits(1.5) + 1);
        let least = f32::from_bits(1);
        assert_eq!(a.scale_exp2(-150.0), Some(least));
        assert_eq!(1.5f32.scale_exp2(-150.0), Some(least));
        assert_eq!(0.75f32.scale_exp2(-149.0), Some(least));
        assert_eq!(1.0f32.scale_exp2(-150.0), Some(0.0));
        assert_eq!(1.0f32.scale_exp2(128.0), Some(f32::INFINITY));
        assert_eq!(0.5f32.scale_exp2(128.0), Some(2f32.powi(127)));
        assert_eq!((-1.0f64).scale_exp2(-1074.0), Some(-f64::from_bits(1)));
        assert_eq!(1.0f64.scale_exp2(-1075.0), Some(0.0));
        assert_eq!(1.0f64.scale_exp2(1024.0), Some(f64::INFINITY));
        assert_eq!(16.0f64.scale_exp2(-2044.0), Some(0.0));
        assert_eq!(1.0f64.scale_exp2(0.5), None);
        assert_eq!(32.0f64.scale_exp2(1.0), None);
        assert!(f64::NAN.scale_exp2(1e300).is_some_and(f64::is_nan));
    }

    #[test]
    fn integers_have_the_width_of_the_float() {
        assert_eq!(<f32 as Scalar>::to_bits(-0.0), i64::from(i32::MIN));
        assert_eq!(<f32 as Scalar>::wrap(i64::from(i32::MAX) + 1), i64::from(i32::MIN));
        assert_eq!(<f32 as Scalar>::unsigned(-1), 0xffff_ffff);
        assert_eq!(<f32 as Scalar>::to_int(-2.9), Some(-2));
        assert_eq!(<f32 as Scalar>::to_int(2_147_483_648.0), None);
        assert_eq!(<f64 as Scalar>::to_int(f64::NAN), None);
        assert_eq!(<f32 as Scalar>::from_int(16_777_217), 16_777_216.0);
        assert!(!<f64 as Scalar>::is_convertible((1 << 51) + 1));
    }
}
