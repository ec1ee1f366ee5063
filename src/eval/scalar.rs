//! Operations on float64 numbers, as the language defines them at every value.

use super::nodes::Arithmetic;
use crate::formula::op::Op;

/// Float64, evaluated as written.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Arithmetic for Plain {
    type Value = f64;

    fn exact(&self, value: f64) -> f64 {
        value
    }

    fn apply(&self, op: &Op, operands: &[f64]) -> f64 {
        apply(op, operands)
    }

    fn sum(&self, terms: &[f64]) -> f64 {
        terms[1..].iter().fold(terms[0], |sum, term| sum + term)
    }

    fn extremum(&self, op: &Op, terms: &[f64]) -> f64 {
        let at = extremum(op, terms);
        if matches!(op, Op::ArgMax | Op::ArgMin) { at as f64 } else { terms[at] }
    }

    fn one_hot(&self, f: f64, k: usize) -> f64 {
        truth((f + 0.5).trunc() == k as f64)
    }

    fn is_true(&self, value: f64) -> bool {
        value != 0.0
    }

    fn soft_min(&self, terms: &[f64], g: f64) -> f64 {
        let least = terms[extremum(&Op::Min, terms)];
        least - g * terms.iter().map(|a| ((least - a) / g).exp()).sum::<f64>().ln()
    }
}

/// An element-wise operation.
pub(super) fn apply(op: &Op, operands: &[f64]) -> f64 {
    let f = operands[0];
    let (g, h) = (operands.get(1).copied(), operands.get(2).copied());
    let (g, h) = (g.unwrap_or(f64::NAN), h.unwrap_or(f64::NAN));
    match op {
        Op::Neg => -f,
        Op::Abs => f.abs(),
        Op::Exp => f.exp(),
        Op::Exp2 => f.exp2(),
        Op::Log => f.ln(),
        Op::Sin => f.sin(),
        Op::Cos => f.cos(),
        Op::Asin => f.asin(),
        Op::Acos => f.acos(),
        Op::Atan => f.atan(),
        Op::Sqrt => f.sqrt(),
        Op::Rsqrt if f == 0.0 => 0.0,
        Op::Rsqrt => 1.0 / f.sqrt(),
        Op::Inv => 1.0 / f,
        Op::Square => f * f,
        Op::XLogX if f == 0.0 => 0.0,
        Op::XLogX => f * f.ln(),
        Op::SinXDivX if f == 0.0 => 1.0,
        Op::SinXDivX => f.sin() / f,
        Op::Sign if f < 0.0 => -1.0,
        Op::Sign => truth(f > 0.0),
        Op::Step => truth(f >= 0.0 || f.is_nan()),
        Op::ReLU if f < 0.0 => 0.0,
        Op::ReLU => f,
        Op::Floor => f.floor(),
        Op::Round(digits) => round(f, *digits),
        Op::Pow(exponent) => f.powi(*exponent),
        Op::Add => f + g,
        Op::Sub => f - g,
        Op::Mul => f * g,
        Op::Div => f / g,
        Op::Powf => f.powf(g),
        Op::Atan2 => f.atan2(g),
        Op::Equal => truth(f == g),
        Op::NotEqual => truth(f != g),
        Op::LessThan => truth(f < g),
        Op::LessOrEqual => truth(f <= g),
        Op::IfElse if f >= 0.0 => g,
        Op::IfElse => h,
        Op::Clamp if f < g => g,
        Op::Clamp if f > h => h,
        Op::Clamp => f,
        Op::Mod => f - g * ((f - h) / g).floor(),
        _ => unreachable!("{op:?} is not element-wise"),
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Half away from zero, to `digits` decimals; for negative ones to a multiple of a power of ten.
fn round(f: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits.abs());
    match digits {
        0 => f.round(),
        1.. => (f * scale).round() / scale,
        _ => (f / scale).round() * scale,
    }
}

/// The first index of the largest or smallest term that is not NaN; 0 if all are.
fn extremum(op: &Op, terms: &[f64]) -> usize {
    let largest = matches!(op, Op::Max | Op::ArgMax);
    let mut best = None;
    for (k, term) in terms.iter().enumerate().filter(|(_, term)| !term.is_nan()) {
        let is_better = match best {
            None => true,
            Some(best) if largest => *term > terms[best],
            Some(best) => *term < terms[best],
        };
        if is_better {
            best = Some(k);
        }
    }
    best.unwrap_or(0)
}
