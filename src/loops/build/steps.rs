//! The passes of each reduction family, with identity, merge and finish.

use super::indices::{loaded_mask, stored_mask, term_of_kept};
use super::selection::{self, Offer, Selected};
use super::stage::Lowering;
use super::{Scheme, Source};
use crate::dtype::Float;
use crate::formula::NodeId;
use crate::formula::op::Op;
use crate::loops::build::scalar::is_elementwise;
use crate::loops::builder::Sharing;
use crate::loops::program::{
    Accumulator, ArrayId, Binary, Compare, Function, Index, Inst, Over, Space, Start, Stmt, Unary,
    Value,
};
use crate::reduce::{Family, Preference, Reduction};
use std::collections::BTreeSet;

/// Outputs with at most this many components are accumulated in the registers of the pass that computes them; longer ones in
/// a pass of their own over tiles of the pair values (bench: engines, `b in R^10`).
pub(super) const FUSED: u32 = 4;

/// Accumulators of a sum of vectors.
struct Sums {
    /// What is summed; `None` for the factor alone.
    root: Option<NodeId>,
    dim: u32,
    sum: ArrayId,
    /// Kahan's compensation.
    lost: Option<ArrayId>,
    start: Start,
}

/// The passes, with the factor that is taken out of a sum.
pub(super) fn emit(l: &mut Lowering<'_>, source: &Source<'_>, factor: Option<f64>) {
    match source.reductions[0].family() {
        Family::Sum => sum(l, source, factor),
        Family::Exponential => exponential(l, source),
        Family::Selection => selection::alone(l, source),
    }
}

fn sums(l: &mut Lowering<'_>, source: &Source<'_>, name: &str, root: Option<NodeId>) -> Sums {
    let dim = root.map_or(1, |root| l.dim(root));
    let sum = l.b.array(name, Space::State, dim);
    let lost = (source.scheme == Scheme::Kahan)
        .then(|| l.b.array(format!("{name}_lost"), Space::State, dim));
    let start = if source.scheme == Scheme::Block { Start::Zero } else { Start::State };
    let slots = dim * if lost.is_some() { 2 } else { 1 };
    l.b.program().identity.extend((0..slots).map(|_| 0.0));
    Sums { root, dim, sum, lost, start }
}

/// Append the passes that add `factor * root` to each of the sums, for every column; beside a sum, components of the last root
/// can be selected.
fn summing_passes(
    l: &mut Lowering<'_>,
    outputs: &[Sums],
    beside: &[Selected],
    factor: impl Fn(&mut Lowering<'_>) -> Option<Value>,
) {
    let (short, long): (Vec<&Sums>, Vec<&Sums>) = outputs.iter().partition(|s| s.dim <= FUSED);
    let kept = l.kept();
    let kept_tile = kept.filter(|_| !long.is_empty()).map(|kept| stored_mask(l, kept));
    let scale = factor(l);
    let tile = match scale {
        Some(scale) if !long.is_empty() => {
            let tile = l.b.array("factor", Space::Tile, 1);
            l.b.store(tile, Index::at(0), scale);
            Some(tile)
        }
        _ => None,
    };
    let offered = (!beside.is_empty()).then(|| *l.formula.roots.last().expect("there is a root"));
    let mut held = Vec::new();
    for output in &long {
        let mut leaves: BTreeSet<NodeId> = BTreeSet::new();
        for root in output.root.into_iter().chain(offered) {
            leaves.extend(tile_leaves(l, root));
        }
        for leaf in leaves {
            let array = l.b.array(format!("l{}", leaf.0), Space::Tile, l.dim(leaf));
            l.store(leaf, array);
            held.push((leaf, array));
        }
    }
    let mut terms = Vec::new();
    for output in &short {
        let values = match output.root {
            Some(root) => l.components(root).into_iter().map(Some).collect(),
            None => vec![None],
        };
        for (k, value) in values.into_iter().enumerate() {
            terms.push((*output, Index::at(k as u32), value));
        }
    }
    let mut offers = Vec::new();
    let offered_now = offered.filter(|_| !short.is_empty()).map(|root| l.components(root));
    for selected in beside {
        for (k, value) in offered_now.iter().flatten().enumerate() {
            offers.push(selected.hold(l, &Index::at(k as u32), *value, kept));
        }
    }
    // Products are made here so that they do not depend on the accumulators.
    let terms: Vec<_> = terms
        .into_iter()
        .map(|(output, index, value)| {
            let term = scaled(l, scale, value);
            (output, index, term_of_kept(l, kept, term))
        })
        .collect();
    let pair = l.end_block(Sharing::Kept);
    let mut accumulators: Vec<Accumulator> = terms
        .iter()
        .flat_map(|(output, index, term)| accumulate(l, output, index, *term, kept))
        .collect();
    accumulators.extend(offers.iter().map(|offer| offer.accumulate(l)));
    let step = l.end_block(Sharing::Fresh);
    if !(pair.is_empty() && step.is_empty()) {
        l.b.pass(Over::Columns, None, pair, step, accumulators, None);
    }
    for (leaf, array) in &held {
        l.held(*leaf, *array);
    }
    for output in long {
        let root = output.root.expect("the factor alone has dim 1");
        let e = l.b.component_loop(output.dim);
        l.b.enter_components(Some(e));
        let value = l.value_at(root, &Index::of(e));
        let scale = tile.map(|tile| l.b.load(tile, Index::at(0)));
        let term = scaled(l, scale, Some(value));
        let kept = kept_tile.map(|tile| loaded_mask(l, tile));
        let term = term_of_kept(l, kept, term);
        let value = offered.map_or(value, |root| l.value_at(root, &Index::of(e)));
        let offers: Vec<Offer> =
            beside.iter().map(|selected| selected.hold(l, &Index::of(e), value, kept)).collect();
        let pair = l.end_block(Sharing::Kept);
        let mut accumulators = accumulate(l, output, &Index::of(e), term, kept);
        accumulators.extend(offers.iter().map(|offer| offer.accumulate(l)));
        let step = l.end_block(Sharing::Fresh);
        l.b.enter_components(None);
        l.b.pass(Over::Columns, Some(e), pair, step, accumulators, None);
    }
    for (leaf, _) in held {
        l.released(leaf);
    }
}

fn scaled(l: &mut Lowering<'_>, scale: Option<Value>, value: Option<Value>) -> Value {
    match (scale, value) {
        (Some(s), Some(v)) => l.b.mul(s, v),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => l.b.float(1.0),
    }
}

/// The nodes that a component pass reads from the tile: what F's components are made of and cannot be computed there.
pub(super) fn tile_leaves(l: &Lowering<'_>, root: NodeId) -> Vec<NodeId> {
    let mut leaves = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        if !seen.insert(id) || l.is_held(id) {
            continue;
        }
        let node = l.formula.node(id);
        let is_part = is_elementwise(&node.op) && node.dim > 1
            || matches!(node.op, Op::Broadcast | Op::Extract { .. });
        if matches!(node.op, Op::Constant(_)) {
            continue;
        }
        if is_part {
            stack.extend(&node.args);
        } else {
            leaves.insert(id);
        }
    }
    leaves.into_iter().collect()
}

/// Add a term to the running sum of a slot, by the scheme.
fn accumulate(
    l: &mut Lowering<'_>,
    output: &Sums,
    index: &Index,
    term: Value,
    kept: Option<Value>,
) -> Vec<Accumulator> {
    let mut sum = l.b.accumulator(output.sum, index.clone(), output.start);
    let Some(lost) = output.lost else {
        sum.next = match l.b.def(term).inst {
            Inst::Binary(Binary::Mul, a, b) => l.b.mul_add(a, b, sum.param),
            _ => l.b.add(sum.param, term),
        };
        return vec![sum];
    };
    let mut compensation = l.b.accumulator(lost, index.clone(), Start::State);
    (sum.next, compensation.next) = compensated(l, sum.param, compensation.param, term);
    if let Some(kept) = kept {
        // Adding nothing may move a part of the sum to what it lost.
        sum.next = l.b.select(kept, sum.next, sum.param);
        compensation.next = l.b.select(kept, compensation.next, compensation.param);
    }
    vec![sum, compensation]
}

/// Kahan's step: the new sum and what it lost. An infinite sum has lost nothing that it could get back: the difference, infinite
/// or NaN, would turn it into NaN with the next term.
fn compensated(l: &mut Lowering<'_>, sum: Value, lost: Value, term: Value) -> (Value, Value) {
    let corrected = l.b.sub(term, lost);
    let next = l.b.add(sum, corrected);
    let rounded = l.b.sub(next, sum);
    let lost = l.b.sub(rounded, corrected);
    let magnitude = l.b.unary(Unary::Abs, lost);
    let (infinite, zero) = (l.b.float(f64::INFINITY), l.b.float(0.0));
    let finite = l.b.compare(Compare::Lt, magnitude, infinite);
    (next, l.b.select(finite, lost, zero))
}

/// Run `body` for each component of a state array, as a loop when it is long.
fn for_components(l: &mut Lowering<'_>, dim: u32, mut body: impl FnMut(&mut Lowering<'_>, &Index)) {
    if dim <= super::stage::UNROLL {
        (0..dim).for_each(|k| body(l, &Index::at(k)));
    } else {
        let d = l.b.begin_loop(dim);
        body(l, &Index::of(d));
        l.b.end_loop(d, &[]);
    }
}

/// `State = State * own + Other * others` for the slots of a sum; scales of `None` are 1.
fn merge_sums(l: &mut Lowering<'_>, output: &Sums, scales: Option<(Value, Value)>) {
    let other = mirror(l, output.sum);
    let other_lost = output.lost.map(|lost| mirror(l, lost));
    for_components(l, output.dim, |l, index| {
        let load = |l: &mut Lowering<'_>, array, scale: Option<Value>| {
            let value = l.b.load(array, index.clone());
            match scale {
                Some(scale) => l.b.mul(value, scale),
                None => value,
            }
        };
        let own = load(l, output.sum, scales.map(|s| s.0));
        let theirs = load(l, other, scales.map(|s| s.1));
        let sum = match (output.lost, other_lost) {
            (Some(lost), Some(other_lost)) => {
                let own_lost = load(l, lost, scales.map(|s| s.0));
                let their_lost = load(l, other_lost, scales.map(|s| s.1));
                let term = l.b.sub(theirs, their_lost);
                let (sum, new_lost) = compensated(l, own, own_lost, term);
                l.b.store(lost, index.clone(), new_lost);
                sum
            }
            _ => l.b.add(own, theirs),
        };
        l.b.store(output.sum, index.clone(), sum);
    });
}

/// The `Other` array that parallels a `State` array; arrays are mirrored in order so that slots agree.
fn mirror(l: &mut Lowering<'_>, state: ArrayId) -> ArrayId {
    let array = l.b.program().arrays[state.index()].clone();
    let arrays = &mut l.b.program().arrays;
    arrays.push(crate::loops::program::Array {
        name: format!("{}'", array.name),
        space: Space::Other,
        ..array
    });
    ArrayId(arrays.len() as u32 - 1)
}

fn sum(l: &mut Lowering<'_>, source: &Source<'_>, factor: Option<f64>) {
    let root = l.formula.roots[0];
    let outputs = [sums(l, source, "sum", Some(root))];
    let selected = selection::declare(l, source);
    summing_passes(l, &outputs, &selected, |_| None);
    selection::leave(l, &selected);
    merge_sums(l, &outputs[0], None);
    let merge = l.end_block(Sharing::Fresh);
    let out = l.b.array("out", Space::Out, outputs[0].dim);
    for_components(l, outputs[0].dim, |l, index| {
        let mut value = l.b.load(outputs[0].sum, index.clone());
        if let Some(factor) = factor {
            // A sum of nothing is 0, not -0.
            let (factor, zero) = (l.b.float(factor), l.b.float(0.0));
            value = l.b.mul_add(value, factor, zero);
        }
        l.b.store(out, index.clone(), value);
    });
    finish(l, merge);
}

fn finish(l: &mut Lowering<'_>, merge: Vec<Stmt>) {
    let finish = l.end_block(Sharing::Fresh);
    let program = l.b.program();
    program.merge = merge;
    program.finish = finish;
}

/// The finite value that exponents are taken relative to: m, or the finite value next to it while m is infinite. Then exp(F - base)
/// is infinite for F = +inf only and 0 for F = -inf, so that finite terms never overflow beside an infinite one.
fn base(l: &mut Lowering<'_>, m: Value) -> Value {
    let largest = match l.b.float_type() {
        Float::F32 => f64::from(f32::MAX),
        Float::F64 => f64::MAX,
    };
    let (low, high) = (l.b.float(-largest), l.b.float(largest));
    let m = l.b.binary(Binary::Max, m, low);
    l.b.binary(Binary::Min, m, high)
}

/// exp(old base - new base), the factor that carries sums over to a new base: at most 1.
fn rescale(l: &mut Lowering<'_>, m_old: Value, base_new: Value) -> Value {
    let base_old = base(l, m_old);
    let shift = l.b.sub(base_old, base_new);
    l.b.call(Function::Exp, vec![shift])
}

fn exponential(l: &mut Lowering<'_>, source: &Source<'_>) {
    let root = l.formula.roots[0];
    let weight = l.formula.roots.get(1).copied();
    let has = |preference| selection::all(source).any(|kept| kept == preference);
    let mut value = l.components(root)[0];
    // Of a negation, such as -SqNorm2(x - y), the operand is kept: what is least of it is largest of F.
    let free = l.formula.keep.is_none() && selection::all(source).next().is_none();
    let operand = match l.b.def(value).inst {
        Inst::Unary(Unary::Neg, operand) if free => Some(operand),
        _ => None,
    };
    let m = l.b.array("max", Space::State, 1);
    l.b.program().identity.push(f64::NEG_INFINITY);
    let (name, extreme, unseen) = match operand {
        Some(_) => ("chunk_min", Binary::Min, f64::INFINITY),
        None => ("chunk_max", Binary::Max, f64::NEG_INFINITY),
    };
    // Selections of the largest have it already.
    let chunk_extreme = (!has(Preference::Largest)).then(|| {
        l.b.program().identity.push(unseen);
        l.b.array(name, Space::State, 1)
    });
    let shift = l.b.array("base", Space::State, 1);
    l.b.program().identity.push(0.0);
    let mut outputs = Vec::new();
    if source.reductions.contains(&Reduction::SumSoftMaxWeight) {
        outputs.push(sums(l, source, "norm", None));
    }
    outputs.push(sums(l, source, "sum", weight));
    let selected = selection::declare(l, source);

    // F of every column of the chunk, or the operand, and the largest F.
    let kept = l.kept();
    let offers: Vec<Offer> =
        selected.iter().map(|selected| selected.hold(l, &Index::at(0), value, kept)).collect();
    if let Some(kept) = kept {
        let nothing = l.b.float(f64::NEG_INFINITY);
        value = l.b.select(kept, value, nothing);
    }
    // Selected values are F already, or its negation; of pairs left out they are other ones.
    let shared = selected.first().filter(|_| kept.is_none());
    let (tile, negated) = match shared {
        Some(selected) => (selected.tile, selected.negates()),
        None => {
            let tile = l.b.array("f", Space::Tile, 1);
            value = operand.unwrap_or(value);
            l.b.store(tile, Index::at(0), value);
            (tile, operand.is_some())
        }
    };
    let pair = l.end_block(Sharing::Kept);
    let mut accumulators = Vec::new();
    if let Some(array) = chunk_extreme {
        let mut seen = l.b.accumulator(array, Index::at(0), Start::State);
        seen.next = l.b.binary(extreme, value, seen.param);
        accumulators.push(seen);
    }
    accumulators.extend(offers.iter().map(|offer| offer.accumulate(l)));
    let step = l.end_block(Sharing::Fresh);
    l.b.pass(Over::Columns, None, pair, step, accumulators, None);

    // One rescale a chunk.
    let old = l.b.load(m, Index::at(0));
    let seen = match chunk_extreme {
        Some(array) => {
            let seen = l.b.load(array, Index::at(0));
            if operand.is_some() { l.b.neg(seen) } else { seen }
        }
        None => selection::largest(l, &selected),
    };
    let new = l.b.binary(Binary::Max, seen, old);
    let base_new = base(l, new);
    let factor = rescale(l, old, base_new);
    let unseen = l.b.float(unseen);
    l.b.store(m, Index::at(0), new);
    l.b.store(shift, Index::at(0), base_new);
    if let Some(array) = chunk_extreme {
        l.b.store(array, Index::at(0), unseen);
    }
    for array in outputs.iter().flat_map(|o| [Some(o.sum), o.lost]).flatten() {
        let dim = l.b.array_len(array);
        for_components(l, dim, |l, index| {
            let value = l.b.load(array, index.clone());
            let value = l.b.mul(value, factor);
            l.b.store(array, index.clone(), value);
        });
    }
    let block = l.end_block(Sharing::Fresh);
    l.b.pass(Over::Chunk, None, block, Vec::new(), Vec::new(), None);

    // exp(F - base), times the weight, summed.
    summing_passes(l, &outputs, &[], |l| {
        let value = l.b.load(tile, Index::at(0));
        let base = l.b.load(shift, Index::at(0));
        let difference = if negated { l.b.add(value, base) } else { l.b.sub(value, base) };
        // One product instead of Exp's two-word reduction: its error, at most |t| e^t half ulps, is below that of the largest term.
        // Of a negated difference the product is the same to the bit.
        let log2_e = std::f64::consts::LOG2_E;
        let log2_e = l.b.float(if negated { -log2_e } else { log2_e });
        let exponent = l.b.mul(difference, log2_e);
        Some(l.b.call(Function::Exp2, vec![exponent]))
    });

    selection::leave(l, &selected);

    let other_max = mirror(l, m);
    let (own, theirs) = (l.b.load(m, Index::at(0)), l.b.load(other_max, Index::at(0)));
    let joint = l.b.binary(Binary::Max, own, theirs);
    let base_new = base(l, joint);
    let scales = (rescale(l, own, base_new), rescale(l, theirs, base_new));
    l.b.store(m, Index::at(0), joint);
    l.b.store(shift, Index::at(0), base_new);
    for output in &outputs {
        merge_sums(l, output, Some(scales));
    }
    let merge = l.end_block(Sharing::Fresh);
    for (n, reduction) in source.reductions.iter().enumerate() {
        if reduction.family() == Family::Exponential {
            let name = if n == 0 { "out".to_owned() } else { format!("out{n}") };
            finish_exponential(l, *reduction, name, [m, shift], &outputs);
        }
    }
    finish(l, merge);
}

fn finish_exponential(
    l: &mut Lowering<'_>,
    reduction: Reduction,
    name: String,
    [m, shift]: [ArrayId; 2],
    outputs: &[Sums],
) {
    let sums = outputs.last().expect("there is always a sum");
    let first = u32::from(reduction == Reduction::MaxSumShiftExp);
    let out = l.b.array(name, Space::Out, sums.dim + first);
    let base = l.b.load(shift, Index::at(0));
    let largest = l.b.load(m, Index::at(0));
    if reduction == Reduction::MaxSumShiftExp {
        l.b.store(out, Index::at(0), largest);
    }
    let norm = l.b.load(outputs[0].sum, Index::at(0));
    for_components(l, sums.dim, |l, index| {
        let sum = l.b.load(sums.sum, index.clone());
        let value = match reduction {
            Reduction::LogSumExp => {
                let log = l.b.call(Function::Log, vec![sum]);
                l.b.add(base, log)
            }
            Reduction::SumSoftMaxWeight => l.b.div(sum, norm),
            _ => sum,
        };
        let slot = Index { offset: index.offset + first, terms: index.terms.clone() };
        l.b.store(out, slot, value);
    });
}
