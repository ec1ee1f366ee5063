//! Selections: values that reach a row's threshold go to its list, the others are never looked at.
//!
//! The kernel stops after a chunk in which some value is at most its row's threshold, with the chunk's values in the tile and, a row,
//! the least of them; the threshold is a little below the worst value that the list keeps, so that equal values do not stop it.

use super::lists::{Lists, MISSING};
use super::sweep::Sweep;
use super::{Out, Pieces, Selection};
use crate::cpu::stages::Pairs;
use crate::dtype::{Element, Real};
use crate::reduce::Preference;
use crate::schedule::Lanes;
use std::ops::Range;

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

/// Rows with a hit in a chunk, as a part of all, up to which each is searched alone: beyond, it is faster to search column after
/// column with all rows side by side (bench: pairwise, argkmin).
const FEW: usize = 2;
/// Rows that are tested for hits at once.
const GROUP: usize = 8;

/// The values of one component of a chunk.
struct Chunk<'a, C> {
    /// `values[c * lanes + lane]`.
    values: &'a [C],
    lanes: usize,
    /// Number of columns, and of the first among all.
    count: usize,
    first: i64,
}

impl<T: Element, C: Real> Selecting<'_, '_, T, C> {
    /// Run the kernel over columns of a tile whose first column is `first_column`, and offer what it finds to the lists.
    pub(super) fn run(&self, pairs: Pairs<'_, C>, first_column: usize, lists: &mut [Lists<C>; 2]) {
        let Pairs { param, row, col, state, tile, scratch, columns } = pairs;
        let layout = self.sweep.layout;
        let selections = self.sweep.job.selections;
        let chunk = layout.schedule.chunk as usize;
        let lanes = layout.pair_state_len() / layout.slots.state as usize;
        let per_pair = if self.by_rows() { lanes } else { 1 };
        let first_row = if self.by_rows() { self.unit * lanes } else { self.unit };
        // The last slots are those of selections: threshold, chunk minimum and minimum seen of each.
        let own: usize = selections.iter().map(|selection| 3 * selection.dim).sum();
        let own = state.len() - own * lanes;
        for (n, selection) in selections.iter().enumerate() {
            let slots = 3 * selection.dim * lanes;
            let state = &mut state[own + n * slots..][..slots];
            self.thresholds(first_row, lanes, &lists[n], *selection, state);
        }
        let mut at = columns.start;
        while at < columns.end {
            let done = self.sweep.stages.pair(Pairs {
                param,
                row,
                col,
                state,
                tile,
                scratch,
                columns: at..columns.end,
            });
            at += done.columns;
            if !done.hit {
                continue;
            }
            let count = (done.columns - 1) % chunk + 1;
            let first = (self.sweep.job.first + first_column + at - count) as i64;
            for (n, Selection { dim, .. }) in selections.iter().enumerate() {
                let slots = 3 * dim * lanes;
                let state = &mut state[own + n * slots..][..slots];
                let (limits, rest) = state.split_at_mut(dim * lanes);
                let least = &rest[dim * lanes..];
                let lists = &mut lists[n];
                for d in 0..*dim {
                    let values = &tile[(n * dim + d) * chunk * per_pair..];
                    let chunk = Chunk { values, lanes: per_pair, count, first };
                    let limits = &mut limits[d * lanes..][..lanes];
                    let list = |r: usize| (first_row + r) * dim + d;
                    if self.by_rows() {
                        chunk.rows(limits, &least[d * lanes..][..lanes], lists, list);
                    } else {
                        let mut limit = limits[0];
                        chunk.row(0, &mut limit, lists, list(0));
                        limits.fill(limit);
                    }
                }
            }
        }
    }

    fn by_rows(&self) -> bool {
        self.sweep.layout.schedule.lanes == Lanes::Rows
    }

    /// Set the thresholds of a block (of all lanes of a row, with lanes over columns), and the minima to nothing.
    fn thresholds(
        &self,
        first_row: usize,
        lanes: usize,
        lists: &Lists<C>,
        Selection { dim, .. }: Selection,
        state: &mut [C],
    ) {
        state.fill(C::INFINITY);
        for (d, slot) in state.chunks_exact_mut(lanes).take(dim).enumerate() {
            if self.by_rows() {
                for (r, lane) in slot.iter_mut().enumerate() {
                    let is_row = first_row + r < self.rows.len();
                    // Nothing reaches NaN, so lanes without a row never stop the kernel.
                    *lane =
                        if is_row { lists.threshold((first_row + r) * dim + d) } else { C::NAN };
                }
            } else {
                slot.fill(lists.threshold(first_row * dim + d));
            }
        }
    }
}

impl<C: Real> Chunk<'_, C> {
    /// Offer the values of every row that has a hit.
    fn rows(
        &self,
        limits: &mut [C],
        least: &[C],
        lists: &mut Lists<C>,
        list: impl Fn(usize) -> usize,
    ) {
        let hits = least.iter().zip(&*limits).filter(|(least, limit)| least <= limit).count();
        if hits * FEW <= limits.len() {
            let (groups, rest) = least.as_chunks::<GROUP>();
            for (g, least) in groups.iter().enumerate() {
                let first = g * GROUP;
                let now = &limits[first..first + GROUP];
                // A byte for each row, so that a whole group without a hit costs a single test.
                let mut hit =
                    u64::from_le_bytes(std::array::from_fn(|k| u8::from(least[k] <= now[k])));
                while hit != 0 {
                    let r = first + hit.trailing_zeros() as usize / 8;
                    self.row(r, &mut limits[r], lists, list(r));
                    hit &= hit - 1;
                }
            }
            for r in limits.len() - rest.len()..limits.len() {
                if least[r] <= limits[r] {
                    self.row(r, &mut limits[r], lists, list(r));
                }
            }
            return;
        }
        for (c, values) in self.values.chunks_exact(self.lanes).take(self.count).enumerate() {
            let pairs = values.iter().zip(&*limits);
            if !pairs.fold(false, |any, (value, limit)| any | (value <= limit)) {
                continue;
            }
            for (r, value) in values.iter().enumerate() {
                if *value <= limits[r] {
                    lists.offer(list(r), *value, self.first + c as i64);
                    limits[r] = lists.threshold(list(r));
                }
            }
        }
    }

    /// Offer the values of one row.
    fn row(&self, lane: usize, limit: &mut C, lists: &mut Lists<C>, list: usize) {
        for (c, values) in self.values.chunks_exact(self.lanes).take(self.count).enumerate() {
            let value = values[lane];
            if value <= *limit {
                lists.offer(list, value, self.first + c as i64);
                *limit = lists.threshold(list);
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
