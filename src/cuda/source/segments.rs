//! A pair stage with contractions, cut at them: what is between runs pair by pair, contractions run for all pairs of a thread
//! in lock-step.

use crate::cuda::survey::Survey;
use crate::loops::dce::operands;
use crate::loops::program::{Inst, LoopId, Pass, Program, Stmt, Value};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// A part of a pair stage.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    /// Statements of the stage.
    Straight(Range<usize>),
    /// A loop.
    Contraction(LoopId),
}

/// The parts of a pass's pair stage, the last one straight.
pub(super) fn cut(survey: &Survey, number: usize, pass: &Pass) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut first = 0;
    for (k, stmt) in pass.pair.iter().enumerate() {
        if let Stmt::Loop(id) = stmt
            && survey.is_contraction(number, *id)
        {
            segments.push(Segment::Straight(first..k));
            segments.push(Segment::Contraction(*id));
            first = k + 1;
        }
    }
    segments.push(Segment::Straight(first..pass.pair.len()));
    segments
}

/// Values that are computed in one part and used in another: they are kept for every pair.
pub(super) fn crossing(program: &Program, pass: &Pass, segments: &[Segment]) -> BTreeSet<Value> {
    let mut home: HashMap<Value, usize> = HashMap::new();
    let mut crossing = BTreeSet::new();
    for (n, segment) in segments.iter().enumerate() {
        let Segment::Straight(range) = segment else { continue };
        for stmt in &pass.pair[range.clone()] {
            if let Stmt::Let(value) = stmt {
                let is_named = matches!(
                    program.value(*value).inst,
                    Inst::Float(_) | Inst::Int(_) | Inst::Counter(_)
                );
                if !is_named {
                    home.insert(*value, n);
                }
            }
        }
    }
    let mut used = |value: Value, n: usize| {
        if home.get(&value).is_some_and(|home| *home != n) {
            crossing.insert(value);
        }
    };
    let last = segments.len() - 1;
    for (n, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Straight(range) => {
                for stmt in &pass.pair[range.clone()] {
                    uses(program, stmt, |value| used(value, n));
                }
            }
            Segment::Contraction(id) => {
                let body = &program.loops[id.index()];
                for stmt in &body.body {
                    uses(program, stmt, |value| used(value, n));
                }
                for carried in &body.carried {
                    used(carried.init, n);
                    used(carried.next, n);
                }
            }
        }
    }
    for stmt in &pass.step {
        uses(program, stmt, |value| used(value, last));
    }
    for accumulator in &pass.accumulators {
        used(accumulator.next, last);
    }
    crossing
}

fn uses(program: &Program, stmt: &Stmt, mut used: impl FnMut(Value)) {
    match stmt {
        Stmt::Let(value) => operands(&program.value(*value).inst).into_iter().for_each(used),
        Stmt::Store(_, _, value) => used(*value),
        Stmt::Loop(_) => {}
    }
}
