//! One scalar operation as a C++ expression.

use crate::dtype::Float;
use crate::loops::program::{Binary, Compare, Function, Inst, Shift, Type, Unary, Value};

/// The C++ type of values.
pub(super) fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Float => "real",
        Type::Int => "bits",
        Type::Mask => "bool",
    }
}

/// A float constant, exactly.
pub(super) fn float(value: f64, float: Float) -> String {
    if value.is_nan() {
        return "NOT_A_NUMBER".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF".into() } else { "-INF".into() };
    }
    // The shortest decimal that reads back as the same number.
    match float {
        Float::F32 => format!("{:?}f", value as f32),
        Float::F64 => format!("{value:?}"),
    }
}

/// An integer constant.
pub(super) fn int(value: i64, float: Float) -> String {
    match float {
        Float::F32 if value == i64::from(i32::MIN) => "SIGN_BIT".into(),
        Float::F64 if value == i64::MIN => "SIGN_BIT".into(),
        Float::F32 => format!("{value}"),
        Float::F64 => format!("{value}LL"),
    }
}

/// The name of a C function of the compute type.
fn function(name: &str, float: Float) -> String {
    match float {
        Float::F32 => format!("{name}f"),
        Float::F64 => name.into(),
    }
}

/// A computed value; `name` names its operands. Constants, loads and bound values are the caller's.
pub(super) fn expression(
    inst: &Inst,
    ty: Type,
    of: Float,
    name: impl Fn(Value) -> String,
) -> String {
    let call = |f: &str, args: &[Value]| {
        let args: Vec<String> = args.iter().map(|a| name(*a)).collect();
        format!("{}({})", function(f, of), args.join(", "))
    };
    match inst {
        Inst::Unary(op, a) => {
            let x = name(*a);
            match op {
                Unary::Neg => negated(&x),
                Unary::Abs => call("fabs", &[*a]),
                Unary::Sqrt => call("sqrt", &[*a]),
                Unary::Floor => call("floor", &[*a]),
                Unary::Nearest => call("rint", &[*a]),
                Unary::ToBits => format!("AS_BITS({x})"),
                Unary::FromBits => format!("FROM_BITS({x})"),
                Unary::IntToFloat => format!("(real){x}"),
                Unary::FloatToInt => format!("(bits){x}"),
            }
        }
        Inst::Binary(op, a, b) => {
            let (x, y) = (name(*a), name(*b));
            let bitwise = |symbol: &str| match ty {
                // `bool` operands would be promoted to int.
                Type::Mask if symbol == "^" => format!("{x} != {y}"),
                Type::Mask => format!("{x} {symbol}{symbol} {y}"),
                _ => format!("{x} {symbol} {y}"),
            };
            match op {
                Binary::Add => format!("{x} + {y}"),
                Binary::Sub => format!("{x} - {y}"),
                Binary::Mul => format!("{x} * {y}"),
                Binary::Div => format!("{x} / {y}"),
                Binary::Min => format!("{x} < {y} ? {x} : {y}"),
                Binary::Max => format!("{x} > {y} ? {x} : {y}"),
                Binary::IntAdd => format!("(bits)((unsigned_bits){x} + (unsigned_bits){y})"),
                Binary::IntSub => format!("(bits)((unsigned_bits){x} - (unsigned_bits){y})"),
                Binary::And => bitwise("&"),
                Binary::Or => bitwise("|"),
                Binary::Xor => bitwise("^"),
                Binary::ScaleExp2 => format!("{}({x}, (int){y})", function("ldexp", of)),
            }
        }
        Inst::Shift(op, a, by) => {
            let x = name(*a);
            match op {
                Shift::Left => format!("(bits)((unsigned_bits){x} << {by})"),
                Shift::RightLogical => format!("(bits)((unsigned_bits){x} >> {by})"),
                Shift::RightArithmetic => format!("{x} >> {by}"),
            }
        }
        Inst::Fma(a, b, c) => call("fma", &[*a, *b, *c]),
        Inst::FmaNeg(a, b, c) => {
            let (x, y, z) = (negated(&name(*a)), name(*b), name(*c));
            format!("{}({x}, {y}, {z})", function("fma", of))
        }
        Inst::Compare(op, a, b) => {
            let (x, y) = (name(*a), name(*b));
            match op {
                Compare::Eq => format!("{x} == {y}"),
                Compare::Ne => format!("{x} != {y}"),
                Compare::Lt => format!("{x} < {y}"),
                Compare::Le => format!("{x} <= {y}"),
                Compare::Unordered => format!("{x} != {x} || {y} != {y}"),
            }
        }
        Inst::Select(mask, a, b) => format!("{} ? {} : {}", name(*mask), name(*a), name(*b)),
        Inst::Call(f, args) => call(function_name(*f), args),
        Inst::Float(_) | Inst::Int(_) | Inst::Load(..) | Inst::Counter(_) | Inst::Bound => {
            unreachable!("{inst:?} is named, not computed")
        }
    }
}

/// With the sign bit flipped; two signs in a row would be a decrement.
fn negated(x: &str) -> String {
    if x.starts_with('-') { format!("-({x})") } else { format!("-{x}") }
}

fn function_name(f: Function) -> &'static str {
    match f {
        Function::Exp => "exp",
        Function::Exp2 => "exp2",
        Function::Log => "log",
        Function::Sin => "sin",
        Function::Cos => "cos",
        Function::Asin => "asin",
        Function::Acos => "acos",
        Function::Atan => "atan",
        Function::Atan2 => "atan2",
        Function::Pow => "pow",
    }
}
