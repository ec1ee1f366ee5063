//! Which pairs of a job take part, where the formula has a condition.

use super::Job;
use super::sweep::Sweep;
use crate::dtype::{Element, Real};
use crate::loops::keep::Holds;
use std::ops::Range;

impl<T: Element, C: Real> Sweep<'_, T, C> {
    /// The node of a tile and those after it none of whose pairs with some rows takes part: its height.
    pub(super) fn left_out(&self, rows: &Range<usize>, tile: usize, end: usize) -> Option<u32> {
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

    /// How many columns the pairs of a row that take part have, up to `most`.
    pub(super) fn seen(&self, row: usize, most: usize) -> usize {
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
}
