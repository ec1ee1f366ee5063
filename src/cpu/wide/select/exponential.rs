//! Exponentials without the clamp that other instruction sets need.
//!
//! `2^x` is lowered as `p(r) * 2^n` with `c = min(high, max(low, x))`, `n = nearest(c)`, `r = c - n`. AVX-512's scaling takes any
//! exponent: with `n = nearest(x)` and `r = x - n` the result has the same bits. Within the bounds nothing changes. Beyond them
//! |r| is at most 1/2 and `p(r)` from 1/2 to below 2, so that the result is 0 or infinite as it is at the bound; for infinite x,
//! `r` and `p(r)` are NaN, which the instruction scales to 0 by -inf and to infinity by +inf; for NaN it gives NaN.

use crate::dtype::Float;
use crate::loops::dce::operands;
use crate::loops::math::sign::{is_non_negative, is_non_positive};
use crate::loops::program::{Binary, Inst, Program, Stmt, Unary, Value};
use std::collections::HashMap;

/// The clamps that need not be computed, with what they clamp.
pub(super) fn needless_clamps(program: &Program) -> HashMap<Value, Value> {
    let uses = uses(program);
    let mut needless = HashMap::new();
    for def in &program.values {
        if let Inst::Binary(Binary::ScaleExp2, p, n) = def.inst
            && let Some((clamps, x)) = clamp(program, &uses, p, n)
        {
            needless.extend(clamps.into_iter().map(|clamp| (clamp, x)));
        }
    }
    needless
}

/// The clamps and the argument of an exponential, if their values have no other uses. A bound that the argument's sign makes
/// needless is not there in the first place.
fn clamp(program: &Program, uses: &[u32], p: Value, n: Value) -> Option<(Vec<Value>, Value)> {
    let inst = |v: Value| &program.value(v).inst;
    let used = |v: Value, times: u32| (uses[v.index()] == times).then_some(());
    let (least, most) = match program.float {
        Float::F32 => (-151.0, 129.0),
        Float::F64 => (-1076.0, 1025.0),
    };
    let is_low = |v: Value| matches!(inst(v), Inst::Float(c) if *c <= least && c.fract() == 0.0);
    let is_high = |v: Value| matches!(inst(v), Inst::Float(c) if *c >= most && c.fract() == 0.0);
    let Inst::Unary(Unary::Nearest, clamped) = *inst(n) else { return None };
    let (clamps, x) = match *inst(clamped) {
        Inst::Binary(Binary::Min, high, inner) if is_high(high) => match *inst(inner) {
            Inst::Binary(Binary::Max, low, x) if is_low(low) => {
                used(inner, 1)?;
                (vec![inner, clamped], x)
            }
            _ if is_non_negative(&program.values, inner) => (vec![clamped], inner),
            _ => return None,
        },
        Inst::Binary(Binary::Max, low, x) if is_low(low) && is_non_positive(&program.values, x) => {
            (vec![clamped], x)
        }
        _ => return None,
    };
    let (r, terms) = polynomial(program, uses, p)?;
    let rest = matches!(*inst(r), Inst::Binary(Binary::Sub, a, b) if a == clamped && b == n);
    used(clamped, 2)?;
    used(n, 2)?;
    used(r, terms)?;
    rest.then_some((clamps, x))
}

/// The argument of a polynomial by Horner's rule whose constant term is 1 and which is in `[1/2, 2)` where the argument is at
/// most 1/2, and its degree, if the intermediate values have no other uses.
fn polynomial(program: &Program, uses: &[u32], p: Value) -> Option<(Value, u32)> {
    let inst = |v: Value| &program.value(v).inst;
    let mut constants = Vec::new();
    let mut argument = None;
    let mut now = p;
    let highest = loop {
        match *inst(now) {
            Inst::Float(c) if !constants.is_empty() => break c,
            Inst::Fma(a, r, c) => {
                let Inst::Float(c) = *inst(c) else { return None };
                if uses[now.index()] != 1 || argument.is_some_and(|known| known != r) {
                    return None;
                }
                argument = Some(r);
                constants.push(c);
                now = a;
            }
            _ => return None,
        }
    };
    let (mut low, mut high) = (highest, highest);
    for c in constants.iter().rev() {
        let reach = 0.5 * f64::max(low.abs(), high.abs());
        (low, high) = (c - reach, c + reach);
    }
    let degree = constants.len() as u32;
    (constants[0] == 1.0 && low >= 0.5 && high < 1.99).then_some((argument?, degree))
}

/// How often each value is read.
fn uses(program: &Program) -> Vec<u32> {
    let mut uses = vec![0u32; program.values.len()];
    let mut read = |v: Value| uses[v.index()] = uses[v.index()].saturating_add(1);
    program.values.iter().for_each(|def| operands(&def.inst).into_iter().for_each(&mut read));
    for inner in &program.loops {
        inner.carried.iter().flat_map(|c| [c.init, c.next]).for_each(&mut read);
        inner.skip_unless.into_iter().for_each(&mut read);
    }
    for pass in &program.passes {
        pass.accumulators.iter().map(|a| a.next).for_each(&mut read);
        pass.exit_if_any.into_iter().for_each(&mut read);
    }
    let stages = [&program.param, &program.row, &program.col, &program.merge, &program.finish];
    let passes = program.passes.iter().flat_map(|p| [&p.pair, &p.step]);
    let bodies = program.loops.iter().map(|l| &l.body);
    for stmt in stages.into_iter().chain(passes).chain(bodies).flatten() {
        if let Stmt::Store(_, _, v) = stmt {
            read(*v);
        }
    }
    uses
}
