//! Row groups against the tiles of a panel.

use super::super::layout::{Input, Layout};
use super::super::memory::{Buffer, Pool};
use super::super::pack;
use super::super::stages::{Pairs, Stages};
use super::select::{self, At, Selecting};
use super::tree::Place;
use super::{
    CACHED_PANEL_BYTES, Group, Job, MANY_GROUPS, Out, PANEL_BYTES, Selection, WAITING_BYTES,
    WAITING_HEIGHTS, Worker,
};
use crate::dtype::{Element, Real};
use crate::loops::keep::Holds;
use crate::loops::program::Space;
use crate::schedule::{LANES_OVER_COLUMNS, Lanes};
use crate::view::View;
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

    /// Pack tiles into the front of `panel` and run the column stage on them.
    pub(super) fn pack(&self, tiles: Range<usize>, panel: &mut [C]) {
        let len = self.layout.col_len();
        if len == 0 {
            return;
        }
        if tiles.len() > 1 && self.parallel {
            let half = tiles.len() / 2;
            let mid = tiles.start + half;
            let (left, right) = panel.split_at_mut(half * len);
            let (a, b) = (tiles.start..mid, mid..tiles.end);
            rayon::join(|| self.pack(a, left), || self.pack(b, right));
            return;
        }
        let mut worker = self.workers.take();
        worker.scratch.resize(self.layout.scratch);
        for (tile, slots) in tiles.zip(panel.chunks_exact_mut(len)) {
            let columns = self.columns_of(tile);
            for (view, input) in self.job.inputs.iter().zip(&self.layout.inputs) {
                if let Some(input) = input.filter(|i| i.space == Space::Col) {
                    self.pack_columns(view, input, columns.clone(), slots);
                }
            }
            self.pack_numbers(columns.clone(), slots);
            let scratch = worker.scratch.as_mut_slice();
            self.stages.col(self.param, slots, 0..columns.len(), scratch);
        }
        self.workers.give(worker);
    }

    /// Pack one input's points of a tile.
    fn pack_columns(
        &self,
        view: &View<'_, T>,
        input: Input,
        places: Range<usize>,
        slots: &mut [C],
    ) {
        let stride = self.layout.schedule.column_stride();
        let Some(pieces) = self.job.pieces else {
            return pack::points(view, input, places.start, places.len(), slots, stride);
        };
        for (at, columns) in pieces.columns(places) {
            pack::points(view, input, columns.start, columns.len(), &mut slots[at..], stride);
        }
    }

    /// Pack the numbers of a tile's columns.
    fn pack_numbers(&self, places: Range<usize>, slots: &mut [C]) {
        let stride = self.layout.schedule.column_stride();
        for index in self.layout.indices.iter().filter(|index| index.space == Space::Col) {
            let slot = &mut slots[index.base as usize * stride..];
            for (value, place) in slot.iter_mut().zip(places.clone()) {
                *value = pack::number(index, self.column_number(place));
            }
        }
    }

    /// The number among all columns of the column at a place of the job's.
    fn column_number(&self, place: usize) -> usize {
        match self.job.pieces {
            Some(pieces) => pieces.column(place),
            None => self.job.first + place,
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

    /// Pack the blocks of a group and run the row stage on them.
    fn pack_rows(&self, rows: Range<usize>, row: &mut Buffer<C>) {
        let (block, len) = (self.layout.block(), self.layout.row_len());
        row.resize(rows.len().div_ceil(block) * len);
        if len == 0 {
            return;
        }
        let mut worker = self.workers.take();
        worker.scratch.resize(self.layout.scratch);
        for (b, slots) in row.as_mut_slice().chunks_exact_mut(len).enumerate() {
            let first = rows.start + b * block;
            let count = block.min(rows.end - first);
            for (view, input) in self.job.inputs.iter().zip(&self.layout.inputs) {
                if let Some(input) = input.filter(|i| i.space == Space::Row) {
                    pack::points(view, input, first, count, slots, block);
                    pack::pad_rows(input, count, slots, block);
                }
            }
            for index in self.layout.indices.iter().filter(|index| index.space == Space::Row) {
                let lanes = &mut slots[index.base as usize * block..][..block];
                for (lane, value) in lanes.iter_mut().enumerate() {
                    let row = self.job.first_row + first + lane.min(count - 1);
                    *value = pack::number(index, row);
                }
            }
            self.stages.row(self.param, slots, worker.scratch.as_mut_slice());
        }
        self.workers.give(worker);
    }

    /// The node of a tile and those after it none of whose pairs with some rows takes part: its height.
    fn left_out(&self, rows: &Range<usize>, tile: usize, end: usize) -> Option<u32> {
        self.layout.keep.as_ref()?;
        let nothing = |height: u32| {
            let columns =
                self.columns_of(tile).start..self.columns_of(tile + (1 << height) - 1).end;
            self.holds(rows, columns) == Holds::None
        };
        let fits = |height: u32| tile.is_multiple_of(1 << height) && tile + (1 << height) <= end;
        let largest = (0..usize::BITS - 1).take_while(|height| fits(*height)).last()?;
        (0..=largest).rev().find(|height| nothing(*height))
    }

    /// For how many pairs of rows and columns of the job the condition holds; neither is empty.
    fn holds(&self, rows: &Range<usize>, columns: Range<usize>) -> Holds {
        let Some(keep) = &self.layout.keep else { return Holds::All };
        let first = self.job.first_row;
        let rows = first + rows.start..first + rows.end;
        let Some(pieces) = self.job.pieces else {
            return keep
                .holds(&rows, &(self.job.first + columns.start..self.job.first + columns.end));
        };
        let mut all = pieces.columns(columns).map(|(_, columns)| keep.holds(&rows, &columns));
        let Some(known) = all.next() else { return Holds::None };
        if all.all(|holds| holds == known) { known } else { Holds::Some }
    }

    /// The columns of a tile, counted from its first, around all pairs of a unit that take part: whole chunks.
    pub(super) fn kept_columns(
        &self,
        unit: usize,
        rows: &Range<usize>,
        tile: usize,
    ) -> Range<usize> {
        let columns = self.columns_of(tile);
        let all = 0..columns.len();
        let first = rows.start + unit * self.unit_rows();
        let rows = first..rows.end.min(first + self.unit_rows());
        match self.holds(&rows, columns.clone()) {
            Holds::All => return all,
            Holds::None => return 0..0,
            Holds::Some => {}
        }
        let chunk = self.layout.schedule.chunk as usize;
        let chunks = || all.clone().step_by(chunk).map(|at| at..columns.len().min(at + chunk));
        let some = |at: &Range<usize>| {
            let columns = columns.start + at.start..columns.start + at.end;
            self.holds(&rows, columns) != Holds::None
        };
        let first = chunks().find(some);
        let last = chunks().rev().find(some);
        first.zip(last).map_or(0..0, |(first, last)| first.start..last.end)
    }

    /// Accumulators of nothing, for tiles none of whose pairs takes part.
    fn nothing(&self, rows: usize, place: Place, group: &mut Group<C>, worker: &mut Worker<C>) {
        let units = self.units(rows);
        let node = group.tree.open(place, units * self.layout.pair_state_len());
        self.identity(node, units);
        group.tree.settle(&mut |state, other| worker.merge(self, state, other));
    }

    /// How many columns the pairs of a row that take part have, up to `most`.
    fn seen(&self, row: usize, most: usize) -> usize {
        let Job { columns, pieces, first, first_row, .. } = *self.job;
        let Some(keep) = &self.layout.keep else { return columns.min(most) };
        let count = |columns| keep.count(first_row + row, columns, most);
        match pieces {
            None => count(first..first + columns),
            Some(pieces) => {
                pieces.columns(0..columns).map(|(_, c)| count(c)).sum::<usize>().min(most)
            }
        }
    }

    /// Rows of a unit.
    fn unit_rows(&self) -> usize {
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

impl<C: Real> Worker<C> {
    pub(super) fn prepare(&mut self, layout: &Layout) {
        self.scratch.resize(layout.scratch);
        self.tile.resize(layout.tile_len());
        self.state.resize(layout.state_len().max(layout.pair_state_len()));
        self.other.resize(layout.state_len());
    }

    /// Merge the accumulators of whole units.
    fn merge<T: Element>(&mut self, sweep: &Sweep<'_, T, C>, state: &mut [C], other: &[C]) {
        let layout = sweep.layout;
        let len = layout.pair_state_len();
        if len == 0 {
            return;
        }
        for (state, other) in state.chunks_exact_mut(len).zip(other.chunks_exact(len)) {
            match layout.schedule.lanes {
                Lanes::Rows => sweep.stages.merge(state, other, self.scratch.as_mut_slice()),
                Lanes::Columns => {
                    let block = layout.block();
                    for lane in (0..LANES_OVER_COLUMNS).step_by(block) {
                        take_lanes(self.state.as_mut_slice(), block, state, lane..lane + block);
                        take_lanes(self.other.as_mut_slice(), block, other, lane..lane + block);
                        self.merge_taken(sweep, state, lane..lane + block);
                    }
                }
            }
        }
    }

    /// Merge the virtual lanes of one row into lane 0: lane l with lane l + 32, then 16, ... 1.
    fn fold_lanes<T: Element>(&mut self, sweep: &Sweep<'_, T, C>, state: &mut [C]) {
        let block = sweep.layout.block();
        let mut half = LANES_OVER_COLUMNS / 2;
        while half > 0 {
            for lane in (0..half).step_by(block) {
                let to = lane..lane + block.min(half);
                take_lanes(self.state.as_mut_slice(), block, state, to.clone());
                let from = to.start + half..to.end + half;
                take_lanes(self.other.as_mut_slice(), block, state, from);
                self.merge_taken(sweep, state, to);
            }
            half /= 2;
        }
    }

    /// Merge the lanes taken to `self.state` and `self.other`, and put them back into a row's `state`.
    fn merge_taken<T: Element>(
        &mut self,
        sweep: &Sweep<'_, T, C>,
        state: &mut [C],
        lanes: Range<usize>,
    ) {
        let block = sweep.layout.block();
        let (own, theirs) = (self.state.as_mut_slice(), self.other.as_slice());
        sweep.stages.merge(own, theirs, self.scratch.as_mut_slice());
        for (to, from) in state.chunks_exact_mut(LANES_OVER_COLUMNS).zip(own.chunks_exact(block)) {
            to[lanes.clone()].copy_from_slice(&from[..lanes.len()]);
        }
    }

    /// The accumulators of block `b` of the group, one lane a row, into `self.state`.
    fn block_state<T: Element>(
        &mut self,
        sweep: &Sweep<'_, T, C>,
        states: &mut [C],
        b: usize,
        count: usize,
    ) {
        let layout = sweep.layout;
        let (block, slots) = (layout.block(), layout.slots.state as usize);
        match layout.schedule.lanes {
            Lanes::Rows => {
                let len = layout.state_len();
                self.state.as_mut_slice()[..len].copy_from_slice(&states[b * len..][..len]);
            }
            Lanes::Columns => {
                let len = layout.pair_state_len();
                let first = b * block;
                for r in first..first + count {
                    self.fold_lanes(sweep, &mut states[r * len..][..len]);
                }
                let state = self.state.as_mut_slice();
                for lane in 0..block {
                    let row = (first + lane.min(count - 1)) * len;
                    for s in 0..slots {
                        state[s * block + lane] = states[row + s * LANES_OVER_COLUMNS];
                    }
                }
            }
        }
    }
}

/// Copy virtual lanes of one row's accumulators to the front of a block.
fn take_lanes<C: Real>(to: &mut [C], block: usize, state: &[C], lanes: Range<usize>) {
    for (to, from) in to.chunks_exact_mut(block).zip(state.chunks_exact(LANES_OVER_COLUMNS)) {
        to[..lanes.len()].copy_from_slice(&from[lanes.clone()]);
    }
}
