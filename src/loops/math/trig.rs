//! Sine and cosine of every finite argument: multiples of pi/2 are taken away, then polynomials on an octant.
//!
//! Up to [`NEAR`] they are taken away in three words (Cody and Waite). Beyond, the argument is multiplied by those digits of
//! 2/pi that matter for its size (Payne and Hanek); that code is skipped where no argument is so large.

use super::coefficients::{
    COS_F32, COS_F64, HALF_PI_F32, HALF_PI_F64, SIN_F32, SIN_F64, TWO_OVER_PI_F32, TWO_OVER_PI_F64,
};
use super::{choose, flip_sign, is, polynomial, product_error, sign_bit, two_sum};
use crate::loops::builder::Builder;
use crate::loops::program::{Binary, Compare, Index, Shift, Unary, Value};

/// Largest magnitude, float32 and float64, whose multiple of pi/2 is found by one rounded product.
const NEAR: (f64, f64) = (131_072.0, 1_073_741_824.0);

pub(super) fn sin(b: &mut Builder, x: Value) -> Value {
    let sign = sign_bit(b, x);
    let magnitude = b.abs(x);
    let (value, turned) = octants(b, magnitude, 0);
    let sign = b.binary(Binary::Xor, sign, turned);
    flip_sign(b, value, sign)
}

pub(super) fn cos(b: &mut Builder, x: Value) -> Value {
    let magnitude = b.abs(x);
    let (value, sign) = octants(b, magnitude, 1);
    flip_sign(b, value, sign)
}

/// sin(x + ahead * pi/2) for x >= 0, as a value and the sign bit that it is yet to be flipped by. NaN for NaN and infinity.
fn octants(b: &mut Builder, x: Value, ahead: i64) -> (Value, Value) {
    let near = b.float(choose(b, NEAR.0, NEAR.1));
    let is_far = b.compare(Compare::Lt, near, x);
    let zero = b.float(0.0);
    let bounded = b.select(is_far, zero, x);
    let two_over_pi = b.float(std::f64::consts::FRAC_2_PI);
    let scaled = b.mul(bounded, two_over_pi);
    let n = b.unary(Unary::Nearest, scaled);
    let r = reduce(b, bounded, n);
    let [r, n] = b.rarely(is_far, [r, n], |b| reduce_far(b, x));
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
    (value, b.shift(Shift::Left, half_turn, choose(b, 30, 62)))
}

/// x - n*pi/2, accurate to the last bits of the result for x up to [`NEAR`].
fn reduce(b: &mut Builder, x: Value, n: Value) -> Value {
    let words = choose(b, HALF_PI_F32, HALF_PI_F64);
    let [w0, w1, w2] = [0, 1, 2].map(|k| b.float(words[k]));
    // Exact: a multiple of the last bit of w0, and below 2.
    let r = if b.has_fma() {
        b.mul_sub_from(n, w0, x)
    } else {
        let product = b.mul(n, w0);
        let error = product_error(b, n, w0, product);
        let r = b.sub(x, product);
        b.sub(r, error)
    };
    // The second product in two words, so that its rounding does not show when r is small.
    let product = b.mul(n, w1);
    let error = product_error(b, n, w1, product);
    let next = b.sub(r, product);
    let lost = {
        let taken = b.sub(r, next);
        b.sub(taken, product)
    };
    let lost = b.sub(lost, error);
    let lost = b.mul_sub_from(n, w2, lost);
    b.add(next, lost)
}

/// Digits of 2/pi that an argument is multiplied by: the first makes the quadrant, the others suffice for full accuracy at
/// arguments as near to a multiple of pi/2 as they come (2^-29 in float32, 2^-61 in float64).
const WINDOW: u32 = 5;

/// x - n*pi/2 with n mod 4, for any finite x beyond [`NEAR`].
///
/// x = m * 2^(digit*j), m below 2^(2*digit) and an integer unless j = 0, so digits of 2/pi before the j-th contribute
/// multiples of 4 quadrants.
fn reduce_far(b: &mut Builder, x: Value) -> [Value; 2] {
    let (digits, digit) = choose(b, (&TWO_OVER_PI_F32[..], 23), (&TWO_OVER_PI_F64[..], 52));
    let table = b.table("two_over_pi", digits);
    let (m, w) = {
        let init: Vec<Value> =
            (0..WINDOW).map(|k| b.load(table, Index { offset: k, terms: Vec::new() })).collect();
        let axes = b.def(x).axes;
        let j = b.begin_loop(digits.len() as u32 - WINDOW);
        let m = b.carry(j, x, axes);
        let w: Vec<Value> = init.into_iter().map(|w| b.carry(j, w, axes)).collect();
        let bound = b.float(2f64.powi(2 * digit));
        let is_beyond = b.compare(Compare::Le, bound, m);
        let scale = b.float(2f64.powi(-digit));
        let scaled = b.mul(m, scale);
        let mut next = vec![b.select(is_beyond, scaled, m)];
        for (k, w) in (1..).zip(w) {
            let ahead = b.load(table, Index { offset: k, terms: vec![(j, 1)] });
            next.push(b.select(is_beyond, ahead, w));
        }
        let mut results = b.end_loop(j, &next);
        let w = results.split_off(1);
        (results[0], w)
    };
    // m * 2/pi in exact pieces, p[k] + e[k] of them at the place of digit k.
    let (mut p, mut e) = (Vec::new(), Vec::new());
    for (k, w) in (0..).zip(w) {
        let place = b.float(2f64.powi(-digit * k));
        let m = b.mul(m, place);
        let product = b.mul(m, w);
        e.push(product_error(b, m, w, product));
        p.push(product);
    }
    // Pieces of 4 quadrants and more are dropped where they occur: in p[0], and in e[0] + p[1].
    let (carry, v) = two_sum(b, e[0], p[1]);
    let (first, second) = (within_turn(b, p[0]), within_turn(b, carry));
    let (h, a) = two_sum(b, first, second);
    let (s, c) = two_sum(b, v, e[1]);
    let (s, d) = two_sum(b, s, p[2]);
    let (h, f) = two_sum(b, h, s);
    let n = b.unary(Unary::Nearest, h);
    let h = b.sub(h, n);
    // What is left may cancel h, so it is summed in two words.
    let (mut rest, mut tail) = (a, p[4]);
    tail = b.add(tail, e[3]);
    for term in [c, d, f, e[2], p[3]] {
        let (sum, error) = two_sum(b, rest, term);
        tail = b.add(tail, error);
        rest = sum;
    }
    let (h, rest) = two_sum(b, h, rest);
    let rest = b.add(rest, tail);
    let (high, low) = two_sum(b, h, rest);
    // Quadrants to radians.
    let words = choose(b, HALF_PI_F32, HALF_PI_F64);
    let (w0, w1) = (b.float(words[0]), b.float(words[1]));
    let r = b.mul(high, w0);
    let error = product_error(b, high, w0, r);
    let error = b.mul_add(high, w1, error);
    let error = b.mul_add(low, w0, error);
    [b.add(r, error), n]
}

/// A number of quadrants less the nearest multiple of 4; exact.
fn within_turn(b: &mut Builder, quadrants: Value) -> Value {
    let (quarter, four) = (b.float(0.25), b.float(4.0));
    let turns = b.mul(quadrants, quarter);
    let turns = b.unary(Unary::Nearest, turns);
    b.mul_sub_from(turns, four, quadrants)
}
