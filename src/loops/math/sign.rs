//! What is known of a value's sign from how it is computed: clamps that cannot act are left out.

use crate::loops::program::{Binary, Inst, Unary, Value, ValueDef};

/// Operations that a proof may look at; a sum of squares has two for each component.
const STEPS: usize = 64;

/// Whether the value is proven to be at least -0, or NaN.
pub(crate) fn is_non_negative(values: &[ValueDef], value: Value) -> bool {
    let mut open = vec![value];
    for _ in 0..STEPS {
        let Some(value) = open.pop() else { return true };
        match values[value.index()].inst {
            Inst::Float(c) if c >= 0.0 => {}
            Inst::Unary(Unary::Abs | Unary::Sqrt, _) => {}
            Inst::Binary(Binary::Mul, x, y) if x == y => {}
            Inst::Binary(Binary::Add | Binary::Mul, x, y) => open.extend([x, y]),
            Inst::Fma(x, y, sum) if x == y => open.push(sum),
            _ => return false,
        }
    }
    false
}

/// Whether the value is proven to be at most +0, or NaN.
pub(crate) fn is_non_positive(values: &[ValueDef], value: Value) -> bool {
    let constant = |v: Value| matches!(values[v.index()].inst, Inst::Float(c) if c <= 0.0);
    match values[value.index()].inst {
        Inst::Float(c) => c <= 0.0,
        Inst::Unary(Unary::Neg, a) => is_non_negative(values, a),
        Inst::Binary(Binary::Mul, a, c) => {
            (constant(c) && is_non_negative(values, a))
                || (constant(a) && is_non_negative(values, c))
        }
        _ => false,
    }
}
