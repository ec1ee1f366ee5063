//! Packing the columns of a panel and the rows of a group, with the stages that run once for each.

use super::super::layout::Input;
use super::super::memory::Buffer;
use super::super::pack;
use super::sweep::Sweep;
use crate::dtype::{Element, Real};
use crate::loops::program::Space;
use crate::view::View;
use std::ops::Range;

impl<T: Element, C: Real> Sweep<'_, T, C> {
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

    /// Pack the blocks of a group and run the row stage on them.
    pub(super) fn pack_rows(&self, rows: Range<usize>, row: &mut Buffer<C>) {
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
}
