//! e^x and 2^x: nearest integer exponent, exact or two-word reduction, polynomial, scaling.

use super::coefficients::{EXP_F32, EXP_F64, EXP2_F32, EXP2_F64, LN2_F32, LN2_F64};
use super::{choose, clamp, polynomial};
use crate::loops::builder::Builder;
use crate::loops::program::{Binary, Unary, Value};

/// e^(x + extra), where `extra` is a correction much smaller than x.
pub(super) fn exp(b: &mut Builder, x: Value, extra: Option<Value>) -> Value {
    // Outside, the result is 0 or infinite whatever the polynomial gives.
    let (low, high) = choose(b, (-104.0, 89.0), (-746.0, 710.0));
    let x = clamp(b, x, low, high);
    let log2_e = b.float(std::f64::consts::LOG2_E);
    let scaled = b.mul(x, log2_e);
    let n = b.unary(Unary::Nearest, scaled);
    let ln2 = choose(b, LN2_F32, LN2_F64);
    let (head, rest) = (b.float(ln2[0]), b.float(ln2[1]));
    let r = b.mul_sub_from(n, head, x);
    let mut r = b.mul_sub_from(n, rest, r);
    if let Some(extra) = extra {
        r = b.add(r, extra);
    }
    finish(b, r, n, choose(b, EXP_F32, EXP_F64))
}

/// 2^x.
pub(super) fn exp2(b: &mut Builder, x: Value) -> Value {
    let (low, high) = choose(b, (-151.0, 129.0), (-1076.0, 1025.0));
    let x = clamp(b, x, low, high);
    let n = b.unary(Unary::Nearest, x);
    let r = b.sub(x, n);
    finish(b, r, n, choose(b, EXP2_F32, EXP2_F64))
}

/// `(1 + r*P(r)) * 2^n`.
fn finish(b: &mut Builder, r: Value, n: Value, coefficients: &[f64]) -> Value {
    let p = polynomial(b, r, coefficients);
    let one = b.float(1.0);
    let p = b.mul_add(p, r, one);
    b.binary(Binary::ScaleExp2, p, n)
}
