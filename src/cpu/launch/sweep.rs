//! Row groups against the tiles of a panel.

use super::super::layout::Layout;
use super::super::memory::{Buffer, Pool};
use super::super::stages::{Pairs, Stages};
use super::select::{self, At, Selecting};
use super::tree::Place;
use super::worker::Worker;
use super::{
    CACHED_PANEL_BYTES, Group, Job, MANY_GROUPS, Out, PANEL_BYTES, Selection, WAITING_BYTES,
    WAITING_HEIGHTS,
};
use crate::dtype::{Element, Real};
use crate::schedule::Lanes;
use std::ops::Range;

/// Everything the tasks of a call share.
#[derive(Clone, Copy)]
pub(super) struct Sweep<'a, T, C> {
    pub(super) stages: &'a dyn Stages<C>,
    pub(super) layout: &'a Layout,
    pub(super) job: &'a Job<'a, T>,
    pub(super) param: &'a [C],
    /// Packed column tiles, from `first_tile` on.
    pub(super) panel: &'a [C],
    pub(super) first_tile: usize,
    /// Rows of a group: whole blocks.
    pub(super) group_rows: usize,
    pub(super) workers: &'a Pool<Worker<C>>,
    pub(super) rows: &'a Pool<Buffer<C>>,
    pub(super) groups: &'a Pool<Group<C>>,
    /// Whether to fork at all.
    pub(super) parallel: bool,
    /// How often the columns of a group are halved for other threads.
    pub(super) splits: u32,
}

impl<T: Element, C: Real> Sweep<'_, T, C> {
    /// The tiles of the job's columns, numbered among those of the whole reduction.
    pub(super) fn tiles_of_job(&self) -> Range<usize> {
        let size = self.layout.schedule.tile as usize;
        self.job.first / size..(self.job.first + self.job.columns).div_ceil(size)
    }

    /// Tiles that are packed at once.
    pub(super) fn held_tiles(&self, threads: usize) -> usize {
        let groups = self.job.rows.div_ceil(self.group_rows);
        let bytes = if groups < MANY_GROUPS { CACHED_PANEL_BYTES * threads } else { PANEL_BYTES };
        let tile = self.layout.col_len() * self.layout.float.bytes();
        // Threads that share few rows divide the tiles among them.
        (bytes / tile.max(1)).max(threads)
    }

    /// Rows whose accumulators wait between panels: as many whole groups as fit into the memory for that.
    pub(super) fn waiting_rows(&self) -> usize {
        let size = self.layout.float.bytes();
        let kept = |s: &Selection| s.dim * s.k * (size + size_of::<i64>());
        let mut row = self.job.selections.iter().map(kept).sum::<usize>();
        if self.job.sums {
            // Nodes of about as many heights wait at the same time.
            row += self.layout.pair_state_len() * size / self.unit_rows() * WAITING_HEIGHTS;
        }
        let groups = WAITING_BYTES / row.max(1) / self.group_rows;
        groups.max(1) * self.group_rows
    }

    /// Accumulate rows over tiles, `held` at a time; `waiting` then has every group.
    pub(super) fn panels(
        &self,
        rows: Range<usize>,
        tiles: Range<usize>,
        held: usize,
        panel: &mut Buffer<C>,
        waiting: &mut Vec<Group<C>>,
    ) {
        self.begin(rows.clone(), waiting);
        self.more(rows, tiles, held, panel, waiting);
    }

    /// Groups of `rows` that have seen no column.
    pub(super) fn begin(&self, rows: Range<usize>, waiting: &mut Vec<Group<C>>) {
        waiting.resize_with(rows.len().div_ceil(self.group_rows), Group::default);
        for (g, group) in waiting.iter_mut().enumerate() {
            let first = rows.start + g * self.group_rows;
            self.clear(group, first..rows.end.min(first + self.group_rows));
        }
    }

    /// Go on accumulating in groups that have seen other tiles, `held` tiles at a time.
    pub(super) fn more(
        &self,
        rows: Range<usize>,
        tiles: Range<usize>,
        held: usize,
        panel: &mut Buffer<C>,
        waiting: &mut [Group<C>],
    ) {
        panel.resize(held.min(tiles.len()) * self.layout.col_len());
        for start in tiles.clone().step_by(held) {
            let range = start..tiles.end.min(start + held);
            self.pack(range.clone(), panel.as_mut_slice());
            let here = Sweep { panel: panel.as_slice(), first_tile: start, ..*self };
            here.partly(rows.clone(), range, waiting);
        }
    }

    /// The columns of a tile, counted from the job's first.
    pub(super) fn columns_of(&self, tile: usize) -> Range<usize> {
        let size = self.layout.schedule.tile as usize;
        let start = tile * size - self.job.first;
        start..self.job.columns.min(start + size)
    }

    /// Where `rows` divide into two halves of whole groups; `None` if they are one.
    fn middle(&self, rows: &Range<usize>) -> Option<usize> {
        let groups = rows.len().div_ceil(self.group_rows);
        (groups > 1).then(|| rows.start + groups.div_ceil(2) * self.group_rows)
    }

    fn fork(&self, left: impl FnOnce() + Send, right: impl FnOnce() + Send) {
        if self.parallel {
            rayon::join(left, right);
        } else {
            left();
            right();
        }
    }

    /// Rows over all their tiles, to results.
    pub(super) fn whole(&self, rows: Range<usize>, tiles: Range<usize>, out: Out<'_, T>) {
        if let Some(mid) = self.middle(&rows) {
            let (first, second) = out.split_rows(mid - rows.start);
            let (a, b) = (rows.start..mid, mid..rows.end);
            let right = tiles.clone();
            return self.fork(|| self.whole(a, tiles, first), || self.whole(b, right, second));
        }
        let mut group = self.groups.take();
        self.clear(&mut group, rows.clone());
        self.tiles(rows.clone(), tiles, &mut group, self.splits);
        self.finish(rows, &mut group, out);
        self.groups.give(group);
    }

    /// Rows over the tiles of one panel of several.
    pub(super) fn partly(&self, rows: Range<usize>, tiles: Range<usize>, groups: &mut [Group<C>]) {
        match self.middle(&rows) {
            Some(mid) => {
                let (a, b) = (rows.start..mid, mid..rows.end);
                let (left, right) = groups.split_at_mut(a.len() / self.group_rows);
                let others = tiles.clone();
                self.fork(|| self.partly(a, tiles, left), || self.partly(b, others, right));
            }
            None if self.job.is_cancelled() => {}
            None => self.tiles(rows, tiles, &mut groups[0], self.splits),
        }
    }

    /// Results of groups that have seen every panel.
    pub(super) fn finish_all(&self, rows: Range<usize>, groups: &mut [Group<C>], out: Out<'_, T>) {
        match self.middle(&rows) {
            Some(mid) => {
                let (a, b) = (rows.start..mid, mid..rows.end);
                let (left, right) = groups.split_at_mut(a.len() / self.group_rows);
                let (first, second) = out.split_rows(a.len());
                self.fork(|| self.finish_all(a, left, first), || self.finish_all(b, right, second));
            }
            None => self.finish(rows, &mut groups[0], out),
        }
    }

    /// Forget everything that a group has accumulated.
    pub(super) fn clear(&self, group: &mut Group<C>, rows: Range<usize>) {
        group.tree.clear();
        for (lists, selection) in group.lists.iter_mut().zip(self.job.selections) {
            lists.clear(rows.len(), *selection);
        }
    }

    /// Accumulate a group over tiles, which are divided for other threads.
    fn tiles(&self, rows: Range<usize>, tiles: Range<usize>, group: &mut Group<C>, splits: u32) {
        let mut row = self.rows.take();
        self.pack_rows(rows.clone(), &mut row);
        self.divided(rows, tiles, row.as_slice(), group, splits);
        self.rows.give(row);
    }

    /// Accumulate packed rows over tiles, halving them `splits` times at whole subtrees of the merge tree.
    fn divided(
        &self,
        rows: Range<usize>,
        tiles: Range<usize>,
        row: &[C],
        group: &mut Group<C>,
        splits: u32,
    ) {
        if splits == 0 || tiles.len() < 2 {
            return self.one_after_another(rows, tiles, row, group);
        }
        // The largest node boundary inside: the highest bit in which the first and the last tile differ.
        let last = tiles.end - 1;
        let bit = (tiles.start ^ last).ilog2();
        let mid = last >> bit << bit;
        let (a, b) = (tiles.start..mid, mid..tiles.end);
        let mut right = self.groups.take();
        self.clear(&mut right, rows.clone());
        let others = rows.clone();
        self.fork(
            || self.divided(rows, a, row, group, splits - 1),
            || self.divided(others, b, row, &mut right, splits - 1),
        );
        let mut worker = self.workers.take();
        worker.prepare(self.layout);
        group.tree.append(&right.tree, &mut |state, other| worker.merge(self, state, other));
        let pairs = group.lists.iter_mut().zip(&right.lists);
        pairs.take(self.job.selections.len()).for_each(|(lists, others)| lists.join(others));
        self.workers.give(worker);
        self.groups.give(right);
    }

    fn one_after_another(
        &self,
        rows: Range<usize>,
        tiles: Range<usize>,
        row: &[C],
        group: &mut Group<C>,
    ) {
        let mut worker = self.workers.take();
        worker.prepare(self.layout);
        let len = self.layout.col_len();
        let mut tile = tiles.start;
        while tile < tiles.end {
            if let Some(height) = self.left_out(&rows, tile, tiles.end) {
                if self.job.sums {
                    let place = Place { first: tile as u64, height };
                    self.nothing(rows.len(), place, group, &mut worker);
                }
                tile += 1 << height;
                continue;
            }
            let col = &self.panel[(tile - self.first_tile) * len..][..len];
            self.tile(rows.clone(), tile, col, row, group, &mut worker);
            tile += 1;
        }
        self.workers.give(worker);
    }

    /// Accumulators of nothing, for tiles none of whose pairs takes part.
    fn nothing(&self, rows: usize, place: Place, group: &mut Group<C>, worker: &mut Worker<C>) {
        let units = self.units(rows);
        let node = group.tree.open(place, units * self.layout.pair_state_len());
        self.identity(node, units);
        group.tree.settle(&mut |state, other| worker.merge(self, state, other));
    }

    /// Rows of a unit.
    pub(super) fn unit_rows(&self) -> usize {
        match self.layout.schedule.lanes {
            Lanes::Rows => self.layout.block(),
            Lanes::Columns => 1,
        }
    }

    /// How many times `pair` runs for a group: blocks, or rows with lanes over columns.
    pub(super) fn units(&self, rows: usize) -> usize {
        rows.div_ceil(self.unit_rows())
    }

    /// The `Row` slots that `pair` reads for a unit.
    pub(super) fn unit_row<'r>(&self, row: &'r [C], unit: usize) -> &'r [C] {
        let (block, len) = (self.layout.block(), self.layout.row_len());
        match self.layout.schedule.lanes {
            Lanes::Rows => &row[unit * len..][..len],
            Lanes::Columns if len == 0 => &[],
            Lanes::Columns => &row[unit / block * len + unit % block..],
        }
    }

    /// The rows of a group against a tile.
    fn tile(
        &self,
        rows: Range<usize>,
        tile: usize,
        col: &[C],
        row: &[C],
        group: &mut Group<C>,
        worker: &mut Worker<C>,
    ) {
        let (units, len) = (self.units(rows.len()), self.layout.pair_state_len());
        let Group { tree, lists } = group;
        let mut node = self.job.sums.then(|| {
            let node = tree.open(Place { first: tile as u64, height: 0 }, units * len);
            self.identity(node, units);
            node
        });
        for unit in 0..units {
            let columns = self.kept_columns(unit, &rows, tile);
            if columns.is_empty() {
                continue;
            }
            let state = match &mut node {
                Some(node) => &mut node[unit * len..][..len],
                None => &mut worker.state.as_mut_slice()[..len],
            };
            let pairs = Pairs {
                param: self.param,
                row: self.unit_row(row, unit),
                col,
                state,
                tile: worker.tile.as_mut_slice(),
                scratch: worker.scratch.as_mut_slice(),
                columns,
            };
            if self.job.selections.is_empty() {
                self.stages.pair(pairs);
            } else {
                let selecting = Selecting { sweep: self, rows: rows.clone(), unit };
                let first = self.columns_of(tile).start;
                selecting.run(pairs, first, lists);
            }
        }
        if self.job.sums {
            tree.settle(&mut |state, other| worker.merge(self, state, other));
        }
    }

    /// Accumulators that have seen nothing.
    fn identity(&self, states: &mut [C], units: usize) {
        let slots = self.layout.slots.state as usize;
        if slots == 0 {
            return;
        }
        let lanes = states.len() / units / slots;
        for (k, slot) in states.chunks_exact_mut(lanes).enumerate() {
            slot.fill(C::from_f64(self.layout.identity[k % slots]));
        }
    }

    /// Accumulators or lists to results.
    fn finish(&self, rows: Range<usize>, group: &mut Group<C>, mut out: Out<'_, T>) {
        let mut values = 0;
        if self.job.sums {
            self.finish_sums(rows.clone(), group, &mut out);
            values = self.layout.slots.out as usize;
        }
        let seen = |row: usize, most: usize| self.seen(rows.start + row, most);
        let mut at = At { values, indices: 0 };
        for (lists, selection) in group.lists.iter().zip(self.job.selections) {
            select::finish(rows.len(), seen, self.job.pieces, lists, (&mut out, at), *selection);
            at.values += selection.dim * selection.k;
            at.indices += selection.dim * selection.k;
        }
    }

    fn finish_sums(&self, rows: Range<usize>, group: &mut Group<C>, out: &mut Out<'_, T>) {
        let mut worker = self.workers.take();
        worker.prepare(self.layout);
        let mut row = self.rows.take();
        self.pack_rows(rows.clone(), &mut row);
        if group.tree.is_empty() {
            let units = self.units(rows.len());
            let node = group
                .tree
                .open(Place { first: 0, height: 0 }, units * self.layout.pair_state_len());
            self.identity(node, units);
        }
        let states = group.tree.fold(&mut |state, other| worker.merge(self, state, other));
        let (block, slots) = (self.layout.block(), self.layout.slots.state as usize);
        for b in 0..rows.len().div_ceil(block) {
            let first = b * block;
            let count = block.min(rows.len() - first);
            worker.block_state(self, states, b, count);
            let row_len = self.layout.row_len();
            let Worker { state, out: results, scratch, .. } = &mut worker;
            results.resize(self.layout.out_len());
            self.stages.finish(
                self.param,
                &row.as_slice()[b * row_len..][..row_len],
                &state.as_slice()[..slots * block],
                results.as_mut_slice(),
                scratch.as_mut_slice(),
            );
            for (s, values) in results.as_slice().chunks_exact(block).enumerate() {
                for (lane, value) in values[..count].iter().enumerate() {
                    out.set_value(first + lane, s, value.store());
                }
            }
        }
        self.rows.give(row);
        self.workers.give(worker);
    }
}
