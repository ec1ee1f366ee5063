//! Element-wise operations of the formula language as scalar instructions, special values included.

use crate::dtype::Float;
use crate::formula::op::Op;
use crate::loops::builder::Builder;
use crate::loops::program::{Binary, Compare, Function, Unary, Value};

/// Whether `op` maps components to components, so that one of them can be computed alone.
pub(super) fn is_elementwise(op: &Op) -> bool {
    use Op::{
        Abs, Acos, Add, Asin, Atan, Atan2, Clamp, Cos, Div, Equal, Exp, Exp2, Floor, IfElse, Inv,
        LessOrEqual, LessThan, Log, Mod, Mul, Neg, NotEqual, Pow, Powf, ReLU, Round, Rsqrt, Sign,
        Sin, SinXDivX, Sqrt, Square, Step, Sub, XLogX,
    };
    matches!(
        op,
        Neg | Abs
            | Exp
            | Exp2
            | Log
            | Sin
            | Cos
            | Asin
            | Acos
            | Atan
            | Sqrt
            | Rsqrt
            | Inv
            | Square
            | XLogX
            | SinXDivX
            | Sign
            | Step
            | ReLU
            | Floor
            | Round(_)
            | Pow(_)
            | Add
            | Sub
            | Mul
            | Div
            | Powf
            | Atan2
            | Equal
            | NotEqual
            | LessThan
            | LessOrEqual
            | IfElse
            | Clamp
            | Mod
    )
}

/// Whether computing it twice costs more than storing and loading it.
pub(super) fn is_costly(op: &Op) -> bool {
    use Op::{
        Acos, Asin, Atan, Atan2, Cos, Div, Exp, Exp2, Inv, Log, Mod, Pow, Powf, Rsqrt, Sin,
        SinXDivX, Sqrt, XLogX,
    };
    matches!(
        op,
        Exp | Exp2
            | Log
            | Sin
            | Cos
            | Asin
            | Acos
            | Atan
            | Sqrt
            | Rsqrt
            | Inv
            | XLogX
            | SinXDivX
            | Div
            | Powf
            | Atan2
            | Mod
            | Pow(_)
    )
}

/// Emit one component of an element-wise operation on the matching components of its operands.
pub(super) fn emit(b: &mut Builder, op: &Op, args: &[Value]) -> Value {
    let f = args[0];
    match op {
        Op::Neg => b.neg(f),
        Op::Abs => b.abs(f),
        Op::Exp => b.call(Function::Exp, vec![f]),
        Op::Exp2 => b.call(Function::Exp2, vec![f]),
        Op::Log => b.call(Function::Log, vec![f]),
        Op::Sin => b.call(Function::Sin, vec![f]),
        Op::Cos => b.call(Function::Cos, vec![f]),
        Op::Asin => b.call(Function::Asin, vec![f]),
        Op::Acos => b.call(Function::Acos, vec![f]),
        Op::Atan => b.call(Function::Atan, vec![f]),
        Op::Sqrt => b.unary(Unary::Sqrt, f),
        Op::Rsqrt => {
            let root = b.unary(Unary::Sqrt, f);
            let one = b.float(1.0);
            let inverse = b.div(one, root);
            where_zero(b, f, 0.0, inverse)
        }
        Op::Inv => {
            let one = b.float(1.0);
            b.div(one, f)
        }
        Op::Square => b.mul(f, f),
        Op::XLogX => {
            let log = b.call(Function::Log, vec![f]);
            let product = b.mul(f, log);
            where_zero(b, f, 0.0, product)
        }
        Op::SinXDivX => {
            let sin = b.call(Function::Sin, vec![f]);
            let quotient = b.div(sin, f);
            where_zero(b, f, 1.0, quotient)
        }
        Op::Sign => {
            let (zero, one, minus_one) = (b.float(0.0), b.float(1.0), b.float(-1.0));
            let negative = b.compare(Compare::Lt, f, zero);
            let positive = b.compare(Compare::Lt, zero, f);
            let rest = b.select(negative, minus_one, zero);
            b.select(positive, one, rest)
        }
        Op::Step => {
            let (zero, one) = (b.float(0.0), b.float(1.0));
            let negative = b.compare(Compare::Lt, f, zero);
            b.select(negative, zero, one)
        }
        Op::ReLU => {
            let zero = b.float(0.0);
            let negative = b.compare(Compare::Lt, f, zero);
            b.select(negative, zero, f)
        }
        Op::Floor => b.unary(Unary::Floor, f),
        Op::Round(digits) => round(b, f, *digits),
        Op::Pow(exponent) => pow_int(b, f, *exponent),
        Op::Add => b.add(f, args[1]),
        Op::Sub => b.sub(f, args[1]),
        Op::Mul => b.mul(f, args[1]),
        Op::Div => b.div(f, args[1]),
        Op::Powf => b.call(Function::Pow, vec![f, args[1]]),
        Op::Atan2 => b.call(Function::Atan2, vec![f, args[1]]),
        Op::Equal => truth(b, Compare::Eq, f, args[1]),
        Op::NotEqual => truth(b, Compare::Ne, f, args[1]),
        Op::LessThan => truth(b, Compare::Lt, f, args[1]),
        Op::LessOrEqual => truth(b, Compare::Le, f, args[1]),
        Op::IfElse => {
            let zero = b.float(0.0);
            let take = b.compare(Compare::Le, zero, f);
            b.select(take, args[1], args[2])
        }
        Op::Clamp => {
            let below = b.compare(Compare::Lt, f, args[1]);
            let above = b.compare(Compare::Lt, args[2], f);
            let upper = b.select(above, args[2], f);
            b.select(below, args[1], upper)
        }
        Op::Mod => {
            let offset = b.sub(f, args[2]);
            let quotient = b.div(offset, args[1]);
            let whole = b.unary(Unary::Floor, quotient);
            let multiple = b.mul(args[1], whole);
            b.sub(f, multiple)
        }
        _ => unreachable!("`emit` is called for element-wise operations only: {op:?}"),
    }
}

/// `f == 0 ? at_zero : otherwise`.
fn where_zero(b: &mut Builder, f: Value, at_zero: f64, otherwise: Value) -> Value {
    let zero = b.float(0.0);
    let value = b.float(at_zero);
    let is_zero = b.compare(Compare::Eq, f, zero);
    b.select(is_zero, value, otherwise)
}

/// A comparison as 1 or 0.
fn truth(b: &mut Builder, compare: Compare, f: Value, g: Value) -> Value {
    let mask = b.compare(compare, f, g);
    let (one, zero) = (b.float(1.0), b.float(0.0));
    b.select(mask, one, zero)
}

/// Integer power by repeated squaring; at most 12 multiplications for |exponent| <= 64.
fn pow_int(b: &mut Builder, f: Value, exponent: i32) -> Value {
    let mut rest = exponent.unsigned_abs();
    let mut power = f;
    let mut product = None;
    while rest > 0 {
        if rest & 1 == 1 {
            product = Some(match product {
                None => power,
                Some(p) => b.mul(p, power),
            });
        }
        rest >>= 1;
        if rest > 0 {
            power = b.mul(power, power);
        }
    }
    let one = b.float(1.0);
    match product {
        None => one,
        Some(p) if exponent < 0 => b.div(one, p),
        Some(p) => p,
    }
}

/// Half away from zero, to `digits` decimals. `|x| - floor|x|` is exact, so the tie is seen exactly.
fn round(b: &mut Builder, f: Value, digits: i32) -> Value {
    let scale = b.float(10f64.powi(digits.abs()));
    let scaled = match digits {
        0 => f,
        1.. => b.mul(f, scale),
        _ => b.div(f, scale),
    };
    let magnitude = b.abs(scaled);
    let whole = b.unary(Unary::Floor, magnitude);
    let rest = b.sub(magnitude, whole);
    let (half, one) = (b.float(0.5), b.float(1.0));
    let up = b.compare(Compare::Le, half, rest);
    let next = b.add(whole, one);
    let rounded = b.select(up, next, whole);
    let signed = copy_sign(b, rounded, scaled);
    match digits {
        0 => signed,
        1.. => b.div(signed, scale),
        _ => b.mul(signed, scale),
    }
}

/// The magnitude of a non-negative `magnitude` with the sign of `sign`.
fn copy_sign(b: &mut Builder, magnitude: Value, sign: Value) -> Value {
    let sign_bit = match b.float_type() {
        Float::F32 => i64::from(i32::MIN),
        Float::F64 => i64::MIN,
    };
    let mask = b.int(sign_bit);
    let bits = b.unary(Unary::ToBits, sign);
    let sign = b.binary(Binary::And, bits, mask);
    let bits = b.unary(Unary::ToBits, magnitude);
    let joined = b.binary(Binary::Or, bits, sign);
    b.unary(Unary::FromBits, joined)
}
