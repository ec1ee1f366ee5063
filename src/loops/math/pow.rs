//! x^y as exp(y log x) with the logarithm and the product in two words.

use super::log::log_two_words;
use super::{choose, exp, flip_sign, is, product_error};
use crate::loops::builder::Builder;
use crate::loops::program::{Binary, Compare, Unary, Value};

/// x^y: 1 for y = 0 and for x = 1 even with NaN; NaN for negative x and y not an integer; IEEE's values at zeros and infinities.
pub(super) fn pow(b: &mut Builder, x: Value, y: Value) -> Value {
    let magnitude = b.abs(x);
    let (zero, one, infinity, nan) =
        (b.float(0.0), b.float(1.0), b.float(f64::INFINITY), b.float(f64::NAN));
    let is_zero = b.compare(Compare::Eq, magnitude, zero);
    let is_infinite = b.compare(Compare::Eq, magnitude, infinity);
    let edge = b.binary(Binary::Or, is_zero, is_infinite);
    let safe = b.select(edge, one, magnitude);
    // Beyond this the result has over- or underflowed for every x but 1; it keeps the products finite.
    let big = b.float(choose(b, 2f64.powi(40), 2f64.powi(80)));
    let y_bounded = {
        let low = b.neg(big);
        let y = b.binary(Binary::Max, low, y);
        b.binary(Binary::Min, big, y)
    };
    let (high, low) = log_two_words(b, safe);
    let product = b.mul(y_bounded, high);
    let error = product_error(b, y_bounded, high, product);
    let extra = b.mul_add(y_bounded, low, error);
    // Where the product is beyond exp's range the correction is meaningless (and may be huge).
    let inside = {
        let size = b.abs(product);
        is(b, Compare::Lt, size, 1000.0)
    };
    let extra = b.select(inside, extra, zero);
    let power = exp::exp(b, product, Some(extra));
    // x = 0 or infinite: 0 or infinity by the sign of y.
    let y_negative = b.compare(Compare::Lt, y, zero);
    let at_zero = b.select(y_negative, infinity, zero);
    let at_infinity = b.select(y_negative, zero, infinity);
    let power = b.select(is_zero, at_zero, power);
    let power = b.select(is_infinite, at_infinity, power);
    // Negative x (or -0): the sign of odd integers, NaN for fractions.
    let whole = b.unary(Unary::Floor, y);
    let is_integer = b.compare(Compare::Eq, whole, y);
    let half = b.float(0.5);
    let halved = b.mul(y, half);
    let half_whole = b.unary(Unary::Floor, halved);
    let is_uneven = b.compare(Compare::Ne, half_whole, halved);
    let is_odd = b.binary(Binary::And, is_integer, is_uneven);
    let x_sign = super::sign_bit(b, x);
    let none = b.int(0);
    let sign = b.select(is_odd, x_sign, none);
    let power = flip_sign(b, power, sign);
    let negative = b.compare(Compare::Lt, x, zero);
    let proper = b.select(is_integer, power, nan);
    // An infinite y is an (even) integer to Floor, so -1 to +-inf comes out as 1; -inf to a fraction is infinite or 0.
    let fraction = b.select(is_infinite, power, proper);
    let power = b.select(negative, fraction, power);
    // |x| = 1 to an infinite power.
    let unordered = b.compare(Compare::Unordered, x, y);
    let power = b.select(unordered, nan, power);
    let x_is_one = b.compare(Compare::Eq, x, one);
    let y_is_zero = b.compare(Compare::Eq, y, zero);
    let trivial = b.binary(Binary::Or, x_is_one, y_is_zero);
    b.select(trivial, one, power)
}
