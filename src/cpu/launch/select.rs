//! Selections: values that reach a row's threshold go to its list, the others are never looked at.
//!
//! The kernel stops after a chunk in which some value is at most its row's threshold, with the chunk's values in the tile and, a row,
//! the least of them; the threshold is a little below the worst value that the list keeps, so that equal values do not stop it.
//!
//! Rows that have seen nothing would stop it after every chunk, so they begin with an *opening*: all chunks of a tile, up to a number,
//! are evaluated before any is searched. The `k`-th of their minima is a bound on the `k` smallest values, and few values are within
//! it. Without `k` chunks in a tile, as with long points, there is none.

use super::lists::{Lists, MISSING};
use super::search::{self, Chunk};
use super::sweep::Sweep;
use super::{Out, Pieces, Selection};
use crate::cpu::layout::Layout;
use crate::cpu::memory::{Buffer, Pool};
use crate::cpu::stages::Pairs;
use crate::dtype::{Element, Real};
use crate::reduce::Preference;
use crate::schedule::Lanes;
use std::any::Any;
use std::ops::Range;

/// Most chunks of an opening, and most bytes of their values: a part of a level-2 cache (bench: P4-D3-K10).
const OPENING_CHUNKS: usize = 32;
const OPENING_BYTES: usize = 512 * 1024;

/// Memory of openings, which kernels share: each would keep a good part of a cache for every thread.
fn openings<C: Real>() -> &'static Pool<Buffer<C>> {
    static OF_F32: Pool<Buffer<f32>> = Pool::new();
    static OF_F64: Pool<Buffer<f64>> = Pool::new();
    let all: [&dyn Any; 2] = [&OF_F32, &OF_F64];
    all.into_iter().find_map(<dyn Any>::downcast_ref).expect("kernels compute in one of the two")
}

/// Free the memory of openings that no call uses now.
pub(super) fn release<C: Real>() {
    openings::<C>().clear();
}

/// Chunks of an opening whose values take so many bytes each.
fn opening_chunks(bytes: usize) -> usize {
    OPENING_CHUNKS.min(OPENING_BYTES / bytes)
}

/// Elements that an opening takes.
pub(super) fn opening_len(layout: &Layout) -> usize {
    if layout.schedule.lanes == Lanes::Columns {
        return 0;
    }
    let tile = layout.tile_len();
    let chunks = opening_chunks(tile * layout.float.bytes());
    chunks * (tile + layout.pair_state_len())
}

/// A unit of a group of rows whose values are selected.
pub(super) struct Selecting<'a, 's, T, C> {
    pub(super) sweep: &'a Sweep<'s, T, C>,
    /// Rows of the group.
    pub(super) rows: Range<usize>,
    pub(super) unit: usize,
}

/// Where results begin: columns of the values and of the indices.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) values: usize,
    pub(super) indices: usize,
}

/// A chunk that some row may have a hit in.
struct Hit<'a, C> {
    tile: &'a [C],
    /// The accumulators of selections as the kernel left them; none if they are the present ones.
    seen: Option<&'a [C]>,
    /// Number of columns, and of the first among all.
    count: usize,
    first: i64,
}

/// The accumulators that a selection has of each component, one after another.
const PER_COMPONENT: usize = 3;

impl<T: Element, C: Real> Selecting<'_, '_, T, C> {
    /// Run the kernel over columns of a tile whose first column is `first_column`, and offer what it finds to the lists.
    pub(super) fn run(&self, pairs: Pairs<'_, C>, first_column: usize, lists: &mut [Lists<C>; 2]) {
        let Pairs { param, row, col, state, tile, scratch, columns } = pairs;
        let chunk = self.sweep.layout.schedule.chunk as usize;
        let own = state.len() - self.own_len();
        self.thresholds(lists, &mut state[own..]);
        let number = |at: usize| (self.sweep.job.first + first_column + at) as i64;
        let mut run = |state: &mut [C], tile: &mut [C], columns: Range<usize>| {
            self.sweep.stages.pair(Pairs { param, row, col, state, tile, scratch, columns })
        };
        let mut at = columns.start;
        let chunks = self.chunks_to_open(&state[own..], columns.len(), tile.len());
        if chunks > 0 {
            let len = tile.len() + self.own_len();
            let mut opening = openings::<C>().take();
            opening.resize(chunks * len);
            for held in opening.as_mut_slice().chunks_exact_mut(len) {
                let (tile, seen) = held.split_at_mut(tile.len());
                run(state, tile, at..at + chunk);
                seen.copy_from_slice(&state[own..]);
                at += chunk;
            }
            let held = opening.as_slice().chunks_exact(len).map(|held| held.split_at(tile.len()));
            self.bound(&mut state[own..], held.clone().map(|(_, seen)| seen));
            for (n, (tile, seen)) in held.enumerate() {
                let first = number(columns.start + n * chunk);
                let hit = Hit { tile, seen: Some(seen), count: chunk, first };
                self.search(&hit, &mut state[own..], lists);
            }
            openings::<C>().give(opening);
        }
        while at < columns.end {
            let done = run(state, tile, at..columns.end);
            at += done.columns;
            if done.hit {
                let count = (done.columns - 1) % chunk + 1;
                let hit = Hit { tile, seen: None, count, first: number(at - count) };
                self.search(&hit, &mut state[own..], lists);
            }
        }
    }

    fn by_rows(&self) -> bool {
        self.sweep.layout.schedule.lanes == Lanes::Rows
    }

    /// Lanes of a unit.
    fn lanes(&self) -> usize {
        let layout = self.sweep.layout;
        layout.pair_state_len() / layout.slots.state as usize
    }

    /// The first row of the unit.
    fn first_row(&self) -> usize {
        if self.by_rows() { self.unit * self.lanes() } else { self.unit }
    }

    /// Elements of the accumulators of selections, the last ones of a unit.
    fn own_len(&self) -> usize {
        let dims = self.sweep.job.selections.iter().map(|selection| selection.dim);
        PER_COMPONENT * dims.sum::<usize>() * self.lanes()
    }

    /// Each selection with where its accumulators begin: thresholds, chunk minima and minima seen of all components.
    fn selections(&self) -> impl Iterator<Item = (Selection, usize)> {
        let lanes = self.lanes();
        let all = self.sweep.job.selections.iter();
        all.scan(0, move |at, selection| {
            let here = *at;
            *at += PER_COMPONENT * selection.dim * lanes;
            Some((*selection, here))
        })
    }

    /// Chunks of the unit's opening, whose values take `tile` elements each; none if most of its lists are full, or if there are too
    /// few for a bound.
    fn chunks_to_open(&self, own: &[C], columns: usize, tile: usize) -> usize {
        let most = self.sweep.job.selections.iter().map(|selection| selection.k).max().unwrap_or(0);
        let chunks = columns / self.sweep.layout.schedule.chunk as usize;
        let chunks = chunks.min(opening_chunks(tile * size_of::<C>()));
        if !self.by_rows() || chunks < most || most > search::MOST_K {
            return 0;
        }
        let limits = self
            .selections()
            .flat_map(|(selection, at)| &own[at..][..selection.dim * self.lanes()]);
        let (open, full) = limits.fold((0, 0), |(open, full), limit| match *limit {
            limit if limit == C::INFINITY => (open + 1, full),
            limit if limit < C::INFINITY => (open, full + 1),
            _ => (open, full),
        });
        if open > full { chunks } else { 0 }
    }

    /// Set the thresholds of a block (of all lanes of a row, with lanes over columns), and the minima to nothing.
    fn thresholds(&self, lists: &[Lists<C>; 2], own: &mut [C]) {
        own.fill(C::INFINITY);
        let (lanes, first_row) = (self.lanes(), self.first_row());
        for ((Selection { dim, .. }, at), lists) in self.selections().zip(lists) {
            for (d, slot) in own[at..].chunks_exact_mut(lanes).take(dim).enumerate() {
                if !self.by_rows() {
                    slot.fill(lists.threshold(first_row * dim + d));
                    continue;
                }
                for (r, lane) in slot.iter_mut().enumerate() {
                    let is_row = first_row + r < self.rows.len();
                    // Nothing reaches NaN, so lanes without a row never stop the kernel.
                    *lane =
                        if is_row { lists.threshold((first_row + r) * dim + d) } else { C::NAN };
                }
            }
        }
    }

    /// Lower the thresholds of an opening to what the minima of its chunks say.
    fn bound<'c>(&self, own: &mut [C], seen: impl Iterator<Item = &'c [C]> + Clone)
    where
        C: 'c,
    {
        let lanes = self.lanes();
        for (Selection { dim, k, .. }, at) in self.selections() {
            let seen = |d: usize| {
                let from = at + (2 * dim + d) * lanes;
                seen.clone().map(move |seen| &seen[from..][..lanes])
            };
            for (d, limits) in own[at..].chunks_exact_mut(lanes).take(dim).enumerate() {
                search::bound(limits, seen(d), k);
            }
        }
    }

    /// Offer the values of a chunk.
    fn search(&self, hit: &Hit<'_, C>, own: &mut [C], lists: &mut [Lists<C>; 2]) {
        let (lanes, first_row) = (self.lanes(), self.first_row());
        let per_pair = if self.by_rows() { lanes } else { 1 };
        let per_component = self.sweep.layout.schedule.chunk as usize * per_pair;
        let mut values = hit.tile.chunks_exact(per_component);
        for ((Selection { dim, .. }, at), lists) in self.selections().zip(lists) {
            let (limits, rest) = own[at..].split_at_mut(dim * lanes);
            let least = hit.seen.map_or(&rest[dim * lanes..], |seen| &seen[at + 2 * dim * lanes..]);
            let components = limits.chunks_exact_mut(lanes).zip(least.chunks_exact(lanes));
            for (d, ((limits, least), values)) in components.zip(values.by_ref()).enumerate() {
                let chunk = Chunk { values, lanes: per_pair, count: hit.count, first: hit.first };
                let list = |r: usize| (first_row + r) * dim + d;
                if self.by_rows() {
                    chunk.rows(limits, least, lists, list);
                } else {
                    let mut limit = limits[0];
                    chunk.row(0, &mut limit, lists, list(0));
                    limits.fill(limit);
                }
            }
        }
    }
}

/// Lists to results, from some columns of `out` on. Where none of the columns that `seen` counts for a row had a number, the slots
/// that they would have filled are NaN. With pieces the lists have places, which are in the order of the columns.
pub(super) fn finish<T: Element, C: Real>(
    rows: usize,
    seen: impl Fn(usize, usize) -> usize,
    pieces: Option<Pieces<'_>>,
    lists: &Lists<C>,
    (out, at): (&mut Out<'_, T>, At),
    selection: Selection,
) {
    let Selection { dim, preference, .. } = selection;
    for r in 0..rows {
        for d in 0..dim {
            let (values, indices) = lists.list(r * dim + d);
            let any_number = indices.first().is_some_and(|index| *index != MISSING);
            let columns = if any_number { 0 } else { seen(r, values.len()) };
            for (k, (value, index)) in values.iter().zip(indices).enumerate() {
                let value = match preference {
                    _ if k < columns && !any_number => C::NAN,
                    Preference::Smallest => *value,
                    Preference::Largest => value.negated(),
                };
                out.set_value(r, at.values + k * dim + d, value.store());
                let column = |pieces: Pieces<'_>| match usize::try_from(*index) {
                    Ok(place) => pieces.column(place) as i64,
                    Err(_) => MISSING,
                };
                out.set_index(r, at.indices + k * dim + d, pieces.map_or(*index, column));
            }
        }
    }
}
