//! Inverse sine, cosine and tangent.

use super::coefficients::{ASIN_F32, ASIN_F64, ATAN_F32, ATAN_F64, HALF_PI_F32, HALF_PI_F64};
use super::{choose, flip_sign, is, polynomial, sign_bit};
use crate::loops::builder::Builder;
use crate::loops::program::{Binary, Compare, Unary, Value};

/// `t + t^3 P(t^2)`.
fn odd(b: &mut Builder, t: Value, z: Value, coefficients: &[f64]) -> Value {
    let p = polynomial(b, z, coefficients);
    let cube = b.mul(z, t);
    b.mul_add(cube, p, t)
}

/// For the magnitude: the small argument t, asin(t), and whether the magnitude is above 1/2 (then t = sqrt((1-|x|)/2)).
fn arcs(b: &mut Builder, magnitude: Value) -> (Value, Value) {
    let (half, one) = (b.float(0.5), b.float(1.0));
    let large = b.compare(Compare::Lt, half, magnitude);
    let complement = b.sub(one, magnitude);
    let halved = b.mul(complement, half);
    let root = b.unary(Unary::Sqrt, halved);
    let t = b.select(large, root, magnitude);
    let square = b.mul(magnitude, magnitude);
    let z = b.select(large, halved, square);
    let arc = odd(b, t, z, choose(b, ASIN_F32, ASIN_F64));
    (large, arc)
}

/// pi/2 in two words.
fn half_pi(b: &mut Builder) -> (Value, Value) {
    let words = choose(b, HALF_PI_F32, HALF_PI_F64);
    (b.float(words[0]), b.float(words[1]))
}

/// asin(x): NaN outside [-1, 1].
pub(super) fn asin(b: &mut Builder, x: Value) -> Value {
    let magnitude = b.abs(x);
    let (large, arc) = arcs(b, magnitude);
    // pi/2 - 2 arc
    let (pi_high, pi_low) = half_pi(b);
    let two = b.float(2.0);
    let rest = b.mul_sub_from(two, arc, pi_low);
    let upper = b.add(pi_high, rest);
    let value = b.select(large, upper, arc);
    let sign = sign_bit(b, x);
    flip_sign(b, value, sign)
}

/// acos(x): NaN outside [-1, 1].
pub(super) fn acos(b: &mut Builder, x: Value) -> Value {
    let magnitude = b.abs(x);
    let (large, arc) = arcs(b, magnitude);
    let (pi_high, pi_low) = half_pi(b);
    let sign = sign_bit(b, x);
    // |x| <= 1/2: pi/2 - asin(x).
    let signed = flip_sign(b, arc, sign);
    let middle = b.sub(pi_low, signed);
    let middle = b.add(pi_high, middle);
    // x > 1/2: 2 arc; x < -1/2: pi - 2 arc.
    let doubled = b.add(arc, arc);
    let (zero, two) = (b.float(0.0), b.float(2.0));
    let low = b.mul(two, pi_low);
    let rest = b.sub(low, doubled);
    let high = b.mul(two, pi_high);
    let beyond = b.add(high, rest);
    let negative = b.compare(Compare::Lt, x, zero);
    let outer = b.select(negative, beyond, doubled);
    b.select(large, outer, middle)
}

/// atan(x).
pub(super) fn atan(b: &mut Builder, x: Value) -> Value {
    let magnitude = b.abs(x);
    let one = b.float(1.0);
    // Above 1: pi/2 - atan(1/x).
    let large = b.compare(Compare::Lt, one, magnitude);
    let numerator = b.select(large, one, magnitude);
    let denominator = b.select(large, magnitude, one);
    let value = arc_of_ratio(b, numerator, denominator, large);
    let sign = sign_bit(b, x);
    flip_sign(b, value, sign)
}

/// atan(numerator/denominator) for 0 <= numerator <= denominator, or pi/2 minus it where `complement` holds.
fn arc_of_ratio(b: &mut Builder, numerator: Value, denominator: Value, complement: Value) -> Value {
    // Above tan(pi/8): atan(q) = pi/4 + atan((q - 1)/(q + 1)), with one division in all.
    let tan_eighth = b.float(std::f64::consts::SQRT_2 - 1.0);
    let bound = b.mul(denominator, tan_eighth);
    let middle = b.compare(Compare::Lt, bound, numerator);
    let difference = b.sub(numerator, denominator);
    let sum = b.add(numerator, denominator);
    let top = b.select(middle, difference, numerator);
    let bottom = b.select(middle, sum, denominator);
    let t = b.div(top, bottom);
    let z = b.mul(t, t);
    let p = polynomial(b, z, choose(b, ATAN_F32, ATAN_F64));
    let cube = b.mul(z, t);
    let tail = b.mul(cube, p);
    let (pi_high, pi_low) = half_pi(b);
    let (half, zero) = (b.float(0.5), b.float(0.0));
    let (quarter, quarter_low) = (b.mul(pi_high, half), b.mul(pi_low, half));
    let base = b.select(middle, quarter, zero);
    let base_low = b.select(middle, quarter_low, zero);
    // arc = base + t + tail; its complement pi/2 - base - t - tail, each from the small terms up.
    let small = b.add(base_low, tail);
    let arc_small = b.add(small, t);
    let arc = b.add(base, arc_small);
    let rest_low = b.sub(pi_low, base_low);
    let rest = b.sub(pi_high, base);
    let away = b.add(t, tail);
    let away = b.sub(rest_low, away);
    let other = b.add(rest, away);
    b.select(complement, other, arc)
}

/// The angle of the point (x, y), with IEEE's values at zeros and infinities.
pub(super) fn atan2(b: &mut Builder, y: Value, x: Value) -> Value {
    let (ay, ax) = (b.abs(y), b.abs(x));
    let steep = b.compare(Compare::Lt, ax, ay);
    let small = b.select(steep, ax, ay);
    let large = b.select(steep, ay, ax);
    // 0/0 is 0 and inf/inf is 1; both operands are brought to a safe size elsewhere so that the sums do not overflow.
    let (zero, one) = (b.float(0.0), b.float(1.0));
    let both_zero = b.compare(Compare::Eq, large, zero);
    let huge = b.float(choose(b, 2f64.powi(126), 2f64.powi(1022)));
    let is_huge = b.compare(Compare::Lt, huge, large);
    let quarter = b.float(0.25);
    let (small_scaled, large_scaled) = (b.mul(small, quarter), b.mul(large, quarter));
    let small_safe = b.select(is_huge, small_scaled, small);
    let large_safe = b.select(is_huge, large_scaled, large);
    let infinite = is(b, Compare::Eq, large, f64::INFINITY);
    let both_infinite = is(b, Compare::Eq, small, f64::INFINITY);
    let at_infinity = b.select(both_infinite, one, zero);
    let numerator = b.select(infinite, at_infinity, small_safe);
    let denominator = b.select(infinite, one, large_safe);
    let denominator = b.select(both_zero, one, denominator);
    let arc = arc_of_ratio(b, numerator, denominator, steep);
    // Left half plane (x < 0 or x = -0): pi - arc.
    let x_sign = sign_bit(b, x);
    let signed_one = flip_sign(b, one, x_sign);
    let left = b.compare(Compare::Lt, signed_one, zero);
    let (pi_high, pi_low) = half_pi(b);
    let two = b.float(2.0);
    let (pi_high, pi_low) = (b.mul(two, pi_high), b.mul(two, pi_low));
    let rest = b.sub(pi_low, arc);
    let mirrored = b.add(pi_high, rest);
    let value = b.select(left, mirrored, arc);
    let y_sign = sign_bit(b, y);
    let value = flip_sign(b, value, y_sign);
    let unordered = b.compare(Compare::Unordered, x, y);
    let nan = b.binary(Binary::Add, x, y);
    b.select(unordered, nan, value)
}
