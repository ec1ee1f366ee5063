//! What may be simplified while nodes are made: exact folding of constants, and identities that keep every value.
//!
//! `0*f`, `f - f` and `0/f` become zeros by definition of the language (so NaN and infinities in f are lost); nothing else
//! changes a result, not even by rounding.

use super::number::Number;
use super::op::Op;

/// What an element-wise node reduces to.
pub(super) enum Simple {
    /// A constant in every component.
    Constant(Number),
    /// Operand `k`, repeated if it is shorter than the result.
    Operand(usize),
    /// Minus operand `k`.
    Negated(usize),
    /// Another operation on one operand.
    Unary(Op, usize),
    /// Operand 0 times a constant that is a power of two, so exact.
    Times(Number),
}

/// Why a node cannot be.
pub(super) struct DivisionByZero;

/// Simplify `op` over operands of which some are constants; `same` if operands 0 and 1 are one node.
pub(super) fn elementwise(
    op: &Op,
    args: &[Option<&Number>],
    same: bool,
) -> Result<Option<Simple>, DivisionByZero> {
    let zero = |k: usize| args[k].is_some_and(Number::is_zero);
    let one = |k: usize| args[k].is_some_and(|n| n.as_integer() == Some(1));
    if let Some(value) = folded(op, args)? {
        return Ok(value.in_range().ok().map(Simple::Constant));
    }
    Ok(match op {
        Op::Add if zero(0) => Some(Simple::Operand(1)),
        Op::Add | Op::Sub if zero(1) => Some(Simple::Operand(0)),
        Op::Sub if zero(0) => Some(Simple::Negated(1)),
        Op::Sub if same => Some(Simple::Constant(Number::integer(0))),
        Op::Mul if zero(0) || zero(1) => Some(Simple::Constant(Number::integer(0))),
        Op::Mul if one(0) => Some(Simple::Operand(1)),
        Op::Mul | Op::Div if one(1) => Some(Simple::Operand(0)),
        Op::Mul if same => Some(Simple::Unary(Op::Square, 0)),
        Op::Div if zero(1) => return Err(DivisionByZero),
        Op::Div if zero(0) => Some(Simple::Constant(Number::integer(0))),
        Op::Div => args[1].and_then(power_of_two_inverse).map(Simple::Times),
        Op::Pow(0) => Some(Simple::Constant(Number::integer(1))),
        Op::Pow(1) => Some(Simple::Operand(0)),
        Op::Pow(2) => Some(Simple::Unary(Op::Square, 0)),
        _ => None,
    })
}

/// The exact value of an operation on constants.
fn folded(op: &Op, args: &[Option<&Number>]) -> Result<Option<Number>, DivisionByZero> {
    let all: Option<Vec<&Number>> = args.iter().copied().collect();
    let Some(args) = all else { return Ok(None) };
    Ok(match op {
        Op::Neg => Some(args[0].neg()),
        Op::Square => Some(args[0].mul(args[0])),
        Op::Add => Some(args[0].add(args[1])),
        Op::Sub => Some(args[0].sub(args[1])),
        Op::Mul => Some(args[0].mul(args[1])),
        Op::Div => Some(Number::ratio(args[0], args[1]).ok_or(DivisionByZero)?),
        Op::Pow(m) => args[0].pow(*m),
        _ => None,
    })
}

/// 1/n if n is a power of two from 2^-60 to 2^60.
fn power_of_two_inverse(n: &Number) -> Option<Number> {
    let value = n.to_f64();
    let exact = Number::from_f64(value).as_ref() == Some(n);
    let is_power =
        value.to_bits() << 12 == 0 && (2f64.powi(-60)..=2f64.powi(60)).contains(&value.abs());
    (exact && is_power).then(|| Number::ratio(&Number::integer(1), n)).flatten()
}
