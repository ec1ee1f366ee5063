//! Sine and cosine: multiples of pi/2 are taken away in four words (Cody and Waite), then polynomials on an octant.

use super::coefficients::{COS_F32, COS_F64, HALF_PI_F32, HALF_PI_F64, SIN_F32, SIN_F64};
use super::{choose, flip_sign, is, polynomial, product_error};
use crate::loops::builder::Builder;
use crate::loops::program::{Binary, Compare, Shift, Unary, Value};

/// Largest magnitude of an argument, float32 and float64: beyond it the spacing of floats is coarse against a period and the
/// result is NaN.
pub const SIN_LIMIT: (f64, f64) = (1_048_576.0, 1_073_741_824.0);

pub(super) fn sin(b: &mut Builder, x: Value) -> Value {
    octants(b, x, 0)
}

pub(super) fn cos(b: &mut Builder, x: Value) -> Value {
    octants(b, x, 1)
}

/// sin(x + ahead * pi/2).
fn octants(b: &mut Builder, x: Value, ahead: i64) -> Value {
    let magnitude = b.abs(x);
    let limit = choose(b, SIN_LIMIT.0, SIN_LIMIT.1);
    let valid = is(b, Compare::Le, magnitude, limit);
    let zero = b.float(0.0);
    let bounded = b.select(valid, x, zero);
    let two_over_pi = b.float(std::f64::consts::FRAC_2_PI);
    let scaled = b.mul(bounded, two_over_pi);
    let n = b.unary(Unary::Nearest, scaled);
    let r = reduce(b, bounded, n);
    let z = b.mul(r, r);
    let sin = {
        let p = polynomial(b, z, choose(b, SIN_F32, SIN_F64));
        let cube = b.mul(z, r);
        b.mul_add(cube, p, r)
    };
    let cos = {
        let p = polynomial(b, z, choose(b, COS_F32, COS_F64));
        let (half, one) = (b.float(0.5), b.float(1.0));
        let square = b.mul(z, z);
        let high = b.mul_sub_from(half, z, one);
        b.mul_add(square, p, high)
    };
    let quadrant = b.unary(Unary::FloatToInt, n);
    let ahead = b.int(ahead);
    let quadrant = b.binary(Binary::IntAdd, quadrant, ahead);
    let odd = {
        let one = b.int(1);
        let bit = b.binary(Binary::And, quadrant, one);
        let bit = b.unary(Unary::IntToFloat, bit);
        is(b, Compare::Ne, bit, 0.0)
    };
    let value = b.select(odd, cos, sin);
    let two = b.int(2);
    let half_turn = b.binary(Binary::And, quadrant, two);
    let sign = b.shift(Shift::Left, half_turn, choose(b, 30, 62));
    let value = flip_sign(b, value, sign);
    // Beyond the limit, and for infinities, x - x is no longer meant: say NaN.
    let nan = b.float(f64::NAN);
    b.select(valid, value, nan)
}

/// x - n*pi/2, accurate to the last bits of r for |n| up to the limit.
fn reduce(b: &mut Builder, x: Value, n: Value) -> Value {
    let words = choose(b, HALF_PI_F32, HALF_PI_F64);
    if b.has_fma() {
        let w0 = b.float(words[0]);
        // Exact: x and n*w0 agree in their leading bits.
        let r = b.mul_sub_from(n, w0, x);
        // The second product in two words, so that its rounding does not show when r is small.
        let w1 = b.float(words[1]);
        let product = b.mul(n, w1);
        let error = product_error(b, n, w1, product);
        let next = b.sub(r, product);
        let lost = {
            let taken = b.sub(r, next);
            b.sub(taken, product)
        };
        let lost = b.sub(lost, error);
        let w2 = b.float(words[2]);
        let lost = b.mul_sub_from(n, w2, lost);
        return b.add(next, lost);
    }
    let mut r = x;
    let mut lost = b.float(0.0);
    for word in &words[..3] {
        let word = b.float(*word);
        let product = b.mul(n, word);
        let error = product_error(b, n, word, product);
        let next = b.sub(r, product);
        let taken = b.sub(r, next);
        let rounding = b.sub(taken, product);
        lost = b.add(lost, rounding);
        lost = b.sub(lost, error);
        r = next;
    }
    b.add(r, lost)
}
