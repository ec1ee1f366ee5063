//! Natural logarithm, as one float and as an unevaluated sum of two.
//!
//! x = 2^e m with m from sqrt(1/2) to sqrt(2); log(m) = 2s + s^3 R(s^2) with s = (m - 1)/(m + 1).

use super::coefficients::{LN2_F32, LN2_F64, LOG_F32, LOG_F64, LOG_WIDE_F32, LOG_WIDE_F64};
use super::{choose, is, polynomial, product_error, two_sum};
use crate::loops::builder::Builder;
use crate::loops::program::{Binary, Compare, Shift, Unary, Value};

/// Exponent (as a float) and significand in [sqrt(1/2), sqrt(2)) of a positive finite x, subnormal ones included.
fn split(b: &mut Builder, x: Value) -> (Value, Value) {
    let (least, scale, digits, mantissa_bits, half_root) = choose(
        b,
        (f64::from(f32::MIN_POSITIVE), 2f64.powi(23), 23.0, 23, 0x3f35_04f3i64),
        (f64::MIN_POSITIVE, 2f64.powi(52), 52.0, 52, 0x3fe6_a09e_667f_3bcdi64),
    );
    let tiny = is(b, Compare::Lt, x, least);
    let scale = b.float(scale);
    let scaled = b.mul(x, scale);
    let x = b.select(tiny, scaled, x);
    let (digits, zero) = (b.float(digits), b.float(0.0));
    let bias = b.select(tiny, digits, zero);
    let bits = b.unary(Unary::ToBits, x);
    let origin = b.int(half_root);
    let offset = b.binary(Binary::IntSub, bits, origin);
    let exponent = b.shift(Shift::RightArithmetic, offset, mantissa_bits);
    let shifted = b.shift(Shift::Left, exponent, mantissa_bits);
    let m = b.binary(Binary::IntSub, bits, shifted);
    let m = b.unary(Unary::FromBits, m);
    let e = b.unary(Unary::IntToFloat, exponent);
    (b.sub(e, bias), m)
}

/// log(x): -inf at 0, NaN below.
pub(super) fn log(b: &mut Builder, x: Value) -> Value {
    let (e, m) = split(b, x);
    let (one, two, half) = (b.float(1.0), b.float(2.0), b.float(0.5));
    let f = b.sub(m, one);
    let denominator = b.add(f, two);
    let s = b.div(f, denominator);
    let z = b.mul(s, s);
    let r = polynomial(b, z, choose(b, LOG_F32, LOG_F64));
    let r = b.mul(r, z);
    // log(1+f) = f - (f^2/2 - s*(f^2/2 + z*R)): the leading term is exact.
    let square = b.mul(f, f);
    let square = b.mul(square, half);
    let ln2 = choose(b, LN2_F32, LN2_F64);
    let (head, rest) = (b.float(ln2[0]), b.float(ln2[1]));
    let sum = b.add(square, r);
    let small = b.mul(e, rest);
    let small = b.mul_add(s, sum, small);
    let small = b.sub(square, small);
    let small = b.sub(small, f);
    let large = b.mul(e, head);
    let log = b.sub(large, small);
    special(b, x, log)
}

/// Put in the values at zero, infinity, NaN and below zero.
fn special(b: &mut Builder, x: Value, log: Value) -> Value {
    let top = is(b, Compare::Eq, x, f64::INFINITY);
    let log = b.select(top, x, log);
    let zero = is(b, Compare::Eq, x, 0.0);
    let bottom = b.float(f64::NEG_INFINITY);
    let log = b.select(zero, bottom, log);
    let nan = b.float(f64::NAN);
    let valid = {
        let zero = b.float(0.0);
        b.compare(Compare::Le, zero, x)
    };
    b.select(valid, log, nan)
}

/// log(x) of a positive finite x as `high + low`, with about 8 (float32) or 10 (float64) more bits than the type.
pub(super) fn log_two_words(b: &mut Builder, x: Value) -> (Value, Value) {
    let (e, m) = split(b, x);
    let (one, two) = (b.float(1.0), b.float(2.0));
    let f = b.sub(m, one);
    // s = f / (2 + f) in two words; 2 + f = m + 1 in two words.
    let d = b.add(m, one);
    let d_low = {
        let back = b.sub(d, one);
        b.sub(m, back)
    };
    let s = b.div(f, d);
    let product = b.mul(s, d);
    let error = product_error(b, s, d, product);
    let rest = b.sub(f, product);
    let rest = b.sub(rest, error);
    let rest = b.mul_sub_from(s, d_low, rest);
    let s_low = b.div(rest, d);
    // z = s^2, and the first term 2/3 z s of the series, in two words.
    let z = b.mul(s, s);
    let z_error = product_error(b, s, s, z);
    let cross = b.mul(s, s_low);
    let z_low = b.mul_add(two, cross, z_error);
    let coefficients = choose(b, LOG_WIDE_F32, LOG_WIDE_F64);
    let tail = polynomial(b, z, &coefficients[1..]);
    let third = coefficients[0];
    let (third_high, third_low) = match b.float_type() {
        crate::dtype::Float::F32 => (f64::from(third as f32), third - f64::from(third as f32)),
        // 2/3 minus its nearest float64.
        crate::dtype::Float::F64 => (2.0 / 3.0, 3.700_743_415_417_188e-17),
    };
    let (third, third_low) = (b.float(third_high), b.float(third_low));
    // q = z*(2/3) + z^2*tail, two words.
    let q = b.mul(z, third);
    let q_error = product_error(b, z, third, q);
    let q_low = b.mul_add(z, third_low, q_error);
    let q_low = b.mul_add(z_low, third, q_low);
    let square = b.mul(z, z);
    let q_low = b.mul_add(square, tail, q_low);
    // log(m) = 2s + s*q.
    let sq = b.mul(s, q);
    let sq_error = product_error(b, s, q, sq);
    let sq_low = b.mul_add(s, q_low, sq_error);
    let sq_low = b.mul_add(s_low, q, sq_low);
    let doubled = b.mul(two, s);
    let (high, low) = two_sum(b, doubled, sq);
    let low = b.add(low, sq_low);
    let low = b.mul_add(two, s_low, low);
    // + e * ln(2), whose head product is exact.
    let ln2 = choose(b, LN2_F32, LN2_F64);
    let (head, rest) = (b.float(ln2[0]), b.float(ln2[1]));
    let large = b.mul(e, head);
    let (sum, error) = two_sum(b, large, high);
    let low = b.add(low, error);
    let low = b.mul_add(e, rest, low);
    let high = b.add(sum, low);
    let back = b.sub(high, sum);
    (high, b.sub(low, back))
}
