//! Transcendental functions as sequences of the program's own operations, the same on every CPU engine.
//!
//! Error bounds, as `tests/ulp.rs` measures them against arbitrary precision with fused multiply-add (ulp, float32 / float64):
//! `tests/ulp.toml`. Infinities, NaN, signed zeros and subnormal arguments and results are exact where IEEE 754 says what they
//! are. Sine and cosine are as good at every finite argument: those far from 0 take code that engines skip where there are none.

mod coefficients;
mod exp;
mod inverse;
mod log;
mod pow;
pub(crate) mod sign;
mod trig;

use super::builder::Builder;
use super::program::{Binary, Compare, Function, Unary, Value};
use crate::dtype::Float;

/// Emit a function in terms of simple operations.
pub(super) fn expand(b: &mut Builder, function: Function, args: &[Value]) -> Value {
    match function {
        Function::Exp => exp::exp(b, args[0], None),
        Function::Exp2 => exp::exp2(b, args[0]),
        Function::Log => log::log(b, args[0]),
        Function::Sin => trig::sin(b, args[0]),
        Function::Cos => trig::cos(b, args[0]),
        Function::Asin => inverse::asin(b, args[0]),
        Function::Acos => inverse::acos(b, args[0]),
        Function::Atan => inverse::atan(b, args[0]),
        Function::Atan2 => inverse::atan2(b, args[0], args[1]),
        Function::Pow => pow::pow(b, args[0], args[1]),
    }
}

/// `c0 + x*(c1 + x*(c2 + ...))`.
fn polynomial(b: &mut Builder, x: Value, coefficients: &[f64]) -> Value {
    let (last, rest) = coefficients.split_last().expect("a polynomial has coefficients");
    let mut sum = b.float(*last);
    for c in rest.iter().rev() {
        let c = b.float(*c);
        sum = b.mul_add(sum, x, c);
    }
    sum
}

/// The constants of the compute type.
fn choose<T>(b: &Builder, f32: T, f64: T) -> T {
    match b.float_type() {
        Float::F32 => f32,
        Float::F64 => f64,
    }
}

/// `x` limited to `[low, high]`, where low <= 0 <= high; NaN stays NaN.
fn clamp(b: &mut Builder, x: Value, low: f64, high: f64) -> Value {
    let (above, below) =
        (sign::is_non_negative(b.values(), x), sign::is_non_positive(b.values(), x));
    let mut x = x;
    if !above {
        let low = b.float(low);
        x = b.binary(Binary::Max, low, x);
    }
    if !below {
        let high = b.float(high);
        x = b.binary(Binary::Min, high, x);
    }
    x
}

/// The sign bit of a float, as an integer.
fn sign_bit(b: &mut Builder, x: Value) -> Value {
    let mask = b.int(choose(b, i64::from(i32::MIN), i64::MIN));
    let bits = b.unary(Unary::ToBits, x);
    b.binary(Binary::And, bits, mask)
}

/// `x` with its sign flipped where the sign bit `sign` is set.
fn flip_sign(b: &mut Builder, x: Value, sign: Value) -> Value {
    let bits = b.unary(Unary::ToBits, x);
    let bits = b.binary(Binary::Xor, bits, sign);
    b.unary(Unary::FromBits, bits)
}

fn is(b: &mut Builder, compare: Compare, x: Value, c: f64) -> Value {
    let c = b.float(c);
    b.compare(compare, x, c)
}

/// The rounding error of `x * y = product`.
fn product_error(b: &mut Builder, x: Value, y: Value, product: Value) -> Value {
    if b.has_fma() {
        let negated = b.neg(product);
        return b.mul_add(x, y, negated);
    }
    // Dekker's splitting: halves whose products are exact.
    let factor = choose(b, 4_097.0, 134_217_729.0);
    let split = |b: &mut Builder, x: Value| {
        let c = b.float(factor);
        let big = b.mul(c, x);
        let rest = b.sub(big, x);
        let high = b.sub(big, rest);
        let low = b.sub(x, high);
        (high, low)
    };
    let ((xh, xl), (yh, yl)) = (split(b, x), split(b, y));
    let hh = b.mul(xh, yh);
    let e = b.sub(hh, product);
    let hl = b.mul(xh, yl);
    let e = b.add(e, hl);
    let lh = b.mul(xl, yh);
    let e = b.add(e, lh);
    let ll = b.mul(xl, yl);
    b.add(e, ll)
}

/// The rounded sum and its exact error.
fn two_sum(b: &mut Builder, x: Value, y: Value) -> (Value, Value) {
    let sum = b.add(x, y);
    let y_part = b.sub(sum, x);
    let x_part = b.sub(sum, y_part);
    let x_error = b.sub(x, x_part);
    let y_error = b.sub(y, y_part);
    (sum, b.add(x_error, y_error))
}
