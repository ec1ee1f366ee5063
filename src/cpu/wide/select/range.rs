//! Bounds of values where they follow from the instructions alone.

use crate::loops::math::sign::{is_non_negative, is_non_positive};
use crate::loops::program::{Binary, Inst, Program, Unary, Value};

/// How far back instructions are looked at.
const DEPTH: u32 = 6;

/// Bounds `(low, high)` that a value keeps if it is not NaN; infinite where none is known.
fn bounds(program: &Program, value: Value, depth: u32) -> (f64, f64) {
    let low = if is_non_negative(&program.values, value) { 0.0 } else { f64::NEG_INFINITY };
    let high = if is_non_positive(&program.values, value) { 0.0 } else { f64::INFINITY };
    let unknown = (low, high);
    if depth == 0 {
        return unknown;
    }
    let of = |v: &Value| bounds(program, *v, depth - 1);
    match &program.value(value).inst {
        Inst::Float(c) => (*c, *c),
        // If one operand is NaN, the second is the result, which may be the one without bounds.
        Inst::Binary(Binary::Max, a, b) => {
            let ((al, ah), (bl, bh)) = (of(a), of(b));
            let low = if known(program, *a) { al.max(bl) } else { bl };
            (low, ah.max(bh))
        }
        Inst::Binary(Binary::Min, a, b) => {
            let ((al, ah), (bl, bh)) = (of(a), of(b));
            let high = if known(program, *a) { ah.min(bh) } else { bh };
            (al.min(bl), high)
        }
        Inst::Binary(Binary::Mul, a, b) => {
            let ((al, ah), (bl, bh)) = (of(a), of(b));
            if [al, ah, bl, bh].iter().any(|x| x.is_infinite()) {
                return unknown;
            }
            let products = [al * bl, al * bh, ah * bl, ah * bh];
            let low = products.iter().copied().fold(f64::INFINITY, f64::min);
            let high = products.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, high)
        }
        Inst::Unary(Unary::Nearest | Unary::Floor, a) => {
            let (low, high) = of(a);
            (low.floor(), high.ceil())
        }
        _ => unknown,
    }
}

/// Whether a value is a constant that is not NaN.
fn known(program: &Program, value: Value) -> bool {
    matches!(program.value(value).inst, Inst::Float(c) if !c.is_nan())
}

/// Exponents beyond this are not told from infinity: small enough that float32 arithmetic cannot have rounded one up to it.
const FINITE: f64 = 1e30;

/// Whether a value is finite or NaN.
pub(super) fn is_finite_or_nan(program: &Program, value: Value) -> bool {
    let (low, high) = bounds(program, value, DEPTH);
    low > -FINITE && high < FINITE
}
