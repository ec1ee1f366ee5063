//! A call whose columns come in pieces, in order: accumulators wait for the next piece.
//!
//! Unlike [partial results](super::Partial) they stay as the engine has them, so a piece costs nothing but its own columns.
//! Pieces begin and end at tiles; the result has the bits of one call.

use super::select::opening_len;
use super::{Group, Job, Launcher, Out, Workspace};
use crate::dtype::{Element, Real};
use crate::launch::Needs;
use crate::schedule::{LANES_OVER_COLUMNS, Lanes};

/// Accumulators of rows between pieces of columns.
#[derive(Debug)]
pub struct Waiting<C> {
    groups: Vec<Group<C>>,
    group_rows: usize,
}

impl<C> Default for Waiting<C> {
    fn default() -> Self {
        Waiting { groups: Vec::new(), group_rows: 1 }
    }
}

/// Most rows of a pass: so few that a tile of columns against them takes some tenths of a second, so many that reading the columns
/// once more for the next rows takes none of it.
const MOST_ROWS: usize = 1 << 18;

impl<C: Real> Launcher<C> {
    /// What a call over the columns of a job takes.
    pub fn needs<T: Element>(&self, job: &Job<'_, T>) -> Needs {
        let (columns, threads) = (job.columns, job.threads.count());
        let layout = self.layout();
        let (size, tile) = (size_of::<C>(), layout.schedule.tile as usize);
        let lanes = match layout.schedule.lanes {
            Lanes::Rows => 1,
            Lanes::Columns => LANES_OVER_COLUMNS,
        };
        // One node of each height, and the leaf that is being made.
        let heights = columns.div_ceil(tile).max(1).ilog2() as usize + 2;
        let sums = layout.slots.state as usize * lanes * size * heights;
        let kept: usize = job.selections.iter().map(|selection| selection.dim * selection.k).sum();
        let row = if job.sums { sums } else { 0 } + kept * (size + size_of::<i64>());
        let group_rows = self.group_rows(usize::MAX, threads);
        let opening = if kept == 0 { 0 } else { opening_len(layout) };
        // A thread that waits for others to take part in a group may begin another one.
        let packed_rows = 2 * (group_rows / layout.block()) * layout.row_len();
        let worker = packed_rows
            + layout.tile_len()
            + opening
            + 2 * layout.state_len()
            + layout.pair_state_len()
            + layout.out_len()
            + layout.scratch;
        // Threads that share a group accumulate in groups of their own.
        let fixed = threads * (worker * size + 2 * group_rows * row);
        let column = layout.col_len() * size / tile + 1;
        let limit = usize::MAX;
        Needs { row, column, fixed, group_rows, tile, most_rows: MOST_ROWS, limit }
    }

    /// Accumulators of the job's rows that have seen no column.
    pub fn begin<T: Element>(&self, job: &Job<'_, T>, waiting: &mut Waiting<C>) {
        // Pieces may be shared by fewer threads, which changes nothing.
        waiting.group_rows = self.group_rows(job.rows, job.threads.count());
        let sweep = self.sweep_in(waiting.group_rows, job, &[], 1);
        sweep.begin(0..job.rows, &mut waiting.groups);
    }

    /// Accumulate the job's columns, which follow those seen before.
    pub fn more<T: Element>(&self, job: &Job<'_, T>, waiting: &mut Waiting<C>) {
        if job.rows == 0 || job.columns == 0 {
            return;
        }
        job.on_threads(|threads| {
            let mut workspace = self.workspaces.take();
            let Workspace { param, panel, .. } = &mut workspace;
            self.prepare_param(job, param);
            let sweep = self.sweep_in(waiting.group_rows, job, param.as_slice(), threads);
            let (tiles, held) = (sweep.tiles_of_job(), sweep.held_tiles(threads));
            sweep.more(0..job.rows, tiles, held, panel, &mut waiting.groups);
            self.workspaces.give(workspace);
        });
    }

    /// Results of the job's rows, which have seen every one of its columns; of the inputs only rows and parameters are read.
    pub fn finish_waiting<T: Element>(
        &self,
        job: &Job<'_, T>,
        waiting: &mut Waiting<C>,
        out: Out<'_, T>,
    ) {
        if job.rows == 0 {
            return;
        }
        job.on_threads(|threads| {
            let mut workspace = self.workspaces.take();
            self.prepare_param(job, &mut workspace.param);
            let param = workspace.param.as_slice();
            let sweep = self.sweep_in(waiting.group_rows, job, param, threads);
            sweep.finish_all(0..job.rows, &mut waiting.groups, out);
            self.workspaces.give(workspace);
        });
    }
}
