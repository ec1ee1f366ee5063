//! Selections: values go to the tile; the kernel stops at the end of a chunk in which some value is at most the row's threshold, and
//! the launcher inserts it. Largest-first reductions negate, so that smaller is always better.
//!
//! Their slots of state are those of the launcher, the last ones of a row; their slots of the tile are its first ones.

use super::Source;
use super::indices::{loaded_mask, selectable, stored_mask};
use super::stage::Lowering;
use super::steps::{FUSED, tile_leaves};
use crate::loops::builder::Sharing;
use crate::loops::program::{
    Accumulator, ArrayId, Binary, Compare, Index, Over, Space, Start, Value,
};
use crate::reduce::{Family, Preference};

/// One selection of the components of F.
pub(super) struct Selected {
    preference: Preference,
    dim: u32,
    /// The worst value that the launcher's list keeps, about.
    threshold: ArrayId,
    chunk_min: ArrayId,
    seen: ArrayId,
    /// The values.
    pub(super) tile: ArrayId,
}

/// A value that has been stored for a selection.
pub(super) struct Offer {
    chunk_min: ArrayId,
    index: Index,
    value: Value,
}

impl Selected {
    /// Whether the values are negated.
    pub(super) fn negates(&self) -> bool {
        self.preference == Preference::Largest
    }

    /// Store the value of a component.
    pub(super) fn hold(
        &self,
        l: &mut Lowering<'_>,
        index: &Index,
        value: Value,
        kept: Option<Value>,
    ) -> Offer {
        let value = if self.negates() { l.b.neg(value) } else { value };
        let value = selectable(l, kept, value);
        l.b.store(self.tile, index.clone(), value);
        Offer { chunk_min: self.chunk_min, index: index.clone(), value }
    }
}

impl Offer {
    /// Let it lower the chunk's minimum.
    pub(super) fn accumulate(&self, l: &mut Lowering<'_>) -> Accumulator {
        let mut least = l.b.accumulator(self.chunk_min, self.index.clone(), Start::State);
        least.next = l.b.binary(Binary::Min, self.value, least.param);
        least
    }
}

/// The preferences of what is selected, in order.
pub(super) fn all<'s>(source: &'s Source<'_>) -> impl Iterator<Item = Preference> + 's {
    let all = source.reductions.iter().filter(|r| r.family() == Family::Selection);
    all.map(|reduction| reduction.preference())
}

/// The arrays of all selections of F.
pub(super) fn declare(l: &mut Lowering<'_>, source: &Source<'_>) -> Vec<Selected> {
    let dim = l.dim(l.formula.roots[0]);
    let declare = |preference: Preference| {
        let suffix = match preference {
            _ if source.reductions.len() == 1 => "",
            Preference::Smallest => "_least",
            Preference::Largest => "_most",
        };
        let mut array = |name: &str, space| l.b.array(format!("{name}{suffix}"), space, dim);
        let selected = Selected {
            preference,
            dim,
            threshold: array("threshold", Space::State),
            chunk_min: array("chunk_min", Space::State),
            seen: array("seen_min", Space::State),
            tile: array("f", Space::Tile),
        };
        l.b.program().identity.extend((0..3 * dim).map(|_| f64::INFINITY));
        selected
    };
    all(source).map(declare).collect()
}

/// The passes where nothing but selections is made of F.
pub(super) fn alone(l: &mut Lowering<'_>, source: &Source<'_>) {
    let root = l.formula.roots[0];
    let dim = l.dim(root);
    let selected = declare(l, source);
    if dim <= FUSED {
        let values = l.components(root);
        let kept = l.kept();
        let mut offers = Vec::new();
        for selected in &selected {
            for (k, value) in values.iter().enumerate() {
                offers.push(selected.hold(l, &Index::at(k as u32), *value, kept));
            }
        }
        let pair = l.end_block(Sharing::Kept);
        let least = offers.iter().map(|offer| offer.accumulate(l)).collect();
        let step = l.end_block(Sharing::Fresh);
        l.b.pass(Over::Columns, None, pair, step, least, None);
    } else {
        let leaves = tile_leaves(l, root);
        let mut held = Vec::new();
        for leaf in leaves {
            let array = l.b.array(format!("l{}", leaf.0), Space::Tile, l.dim(leaf));
            l.store(leaf, array);
            held.push((leaf, array));
        }
        let kept = l.kept().map(|kept| stored_mask(l, kept));
        let pair = l.end_block(Sharing::Fresh);
        if !pair.is_empty() {
            l.b.pass(Over::Columns, None, pair, Vec::new(), Vec::new(), None);
        }
        for (leaf, array) in &held {
            l.held(*leaf, *array);
        }
        let e = l.b.component_loop(dim);
        l.b.enter_components(Some(e));
        let value = l.value_at(root, &Index::of(e));
        let kept = kept.map(|tile| loaded_mask(l, tile));
        let offers: Vec<Offer> =
            selected.iter().map(|s| s.hold(l, &Index::of(e), value, kept)).collect();
        let pair = l.end_block(Sharing::Kept);
        let least = offers.iter().map(|offer| offer.accumulate(l)).collect();
        let step = l.end_block(Sharing::Fresh);
        l.b.enter_components(None);
        l.b.pass(Over::Columns, Some(e), pair, step, least, None);
    }
    leave(l, &selected);
}

/// The largest F of the chunk so far, where one of the selections is of the largest.
pub(super) fn largest(l: &mut Lowering<'_>, selected: &[Selected]) -> Value {
    let largest = selected.iter().find(|selected| selected.negates());
    let largest = largest.expect("the caller has asked for the largest");
    let negated = l.b.load(largest.chunk_min, Index::at(0));
    l.b.neg(negated)
}

/// The pass that leaves the kernel where some value reaches its threshold, last of a chunk.
pub(super) fn leave(l: &mut Lowering<'_>, selected: &[Selected]) {
    let mut hits = Vec::new();
    for one in selected {
        hits.push(chunk_hit(l, one.dim, [one.threshold, one.chunk_min, one.seen]));
    }
    let Some(hit) = hits.into_iter().reduce(|a, b| l.b.binary(Binary::Or, a, b)) else { return };
    let block = l.end_block(Sharing::Fresh);
    l.b.pass(Over::Chunk, None, block, Vec::new(), Vec::new(), Some(hit));
}

/// Whether any component's chunk minimum reaches its threshold; resets the minima.
fn chunk_hit(l: &mut Lowering<'_>, dim: u32, [threshold, chunk_min, seen]: [ArrayId; 3]) -> Value {
    let (one, zero, infinity) = (l.b.float(1.0), l.b.float(0.0), l.b.float(f64::INFINITY));
    let test = |l: &mut Lowering<'_>, index: &Index, hit: Value| {
        let least = l.b.load(chunk_min, index.clone());
        let limit = l.b.load(threshold, index.clone());
        l.b.store(seen, index.clone(), least);
        l.b.store(chunk_min, index.clone(), infinity);
        let reached = l.b.compare(Compare::Le, least, limit);
        l.b.select(reached, one, hit)
    };
    let hit = if dim <= super::stage::UNROLL {
        (0..dim).fold(zero, |hit, k| test(l, &Index::at(k), hit))
    } else {
        let d = l.b.begin_loop(dim);
        let axes = crate::loops::program::Axes { row: true, partial: true, ..Default::default() };
        let running = l.b.carry(d, zero, axes);
        let next = test(l, &Index::of(d), running);
        l.b.end_loop(d, &[next])[0]
    };
    l.b.compare(Compare::Lt, zero, hit)
}
