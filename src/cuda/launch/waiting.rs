//! A call whose columns come in pieces, in order: accumulators wait on the devices for the next piece.
//!
//! Pieces are panels like those of one call, and segments are those of the whole reduction, so the result has the bits of one call.
//! A piece may still be under way while the caller reads the next one.

use super::panels::{self, Panels};
use super::sweep::{Inputs, Plan, Sweep};
use super::workspace::{PINNED, Workspace};
use super::{Call, Launcher};
use crate::dtype::Element;
use crate::error::Error;
use crate::launch::{Needs, Out};
use std::ops::Range;

/// Most rows of a pass: they fill any device.
const MOST_ROWS: usize = 1 << 21;

/// Accumulators of rows on the devices between pieces of columns.
#[derive(Debug)]
pub struct Waiting {
    /// Rows and columns of the whole reduction.
    shape: [usize; 2],
    /// For each device its rows of those that wait.
    parts: Vec<(Range<usize>, Workspace)>,
}

impl Launcher {
    /// What a call of a shape takes of the memory of the host and of all devices.
    ///
    /// # Errors
    /// `Device` if a device fails.
    pub fn needs(&self, rows: usize, columns: usize) -> Result<Needs, Error> {
        let (block, tile) = (self.layout.tiling.block_rows(), self.layout.tiling.tile);
        let segments = self.segments([rows, columns]);
        let each = panels::Needs::of(&self.layout, self.partials(segments), true);
        let count = self.devices.len();
        // Rows and columns of a device are whole blocks and tiles.
        let padding = each.bytes(block.into(), tile.into());
        let whole = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut limit = u64::MAX;
        for loaded in &self.devices {
            limit = limit.min(self.budget.map_or_else(|| loaded.free(loaded.kept()), Ok)?);
        }
        Ok(Needs {
            row: whole(each.row),
            column: whole(each.column).saturating_mul(count).max(1),
            fixed: whole(padding).saturating_add(PINNED).saturating_mul(count),
            group_rows: block as usize * count,
            tile: tile as usize,
            most_rows: MOST_ROWS,
            limit: whole(limit),
        })
    }

    /// Accumulators for rows of a reduction of a shape; rows are given by [`begin`](Launcher::begin).
    pub fn waiting(&self, rows: usize, columns: usize) -> Waiting {
        Waiting { shape: [rows, columns], parts: Vec::new() }
    }

    /// Accumulators of so many rows, that have seen no column.
    ///
    /// # Errors
    /// `Device` if a device fails.
    pub fn begin(&self, rows: usize, waiting: &mut Waiting) -> Result<(), Error> {
        let each = self.share(rows).max(1);
        let mut kept = std::mem::take(&mut waiting.parts).into_iter().map(|(_, kept)| kept);
        for (loaded, first) in self.devices.iter().zip((0..rows).step_by(each)) {
            let workspace = match kept.next() {
                Some(workspace) => workspace,
                None => Workspace::new(&loaded.device, self.layout.inputs.len())?,
            };
            waiting.parts.push((first..rows.min(first + each), workspace));
        }
        Ok(())
    }

    /// Accumulate columns that follow those seen, `first` the first one: whole tiles, but for the last ones of all.
    ///
    /// # Errors
    /// `Device` if a device fails, also at the piece before, or its memory does not suffice.
    pub fn more<T: Element>(
        &self,
        call: &Call<'_, T>,
        first: usize,
        waiting: &mut Waiting,
    ) -> Result<(), Error> {
        self.check::<T>(call.inputs.len())?;
        for k in 0..waiting.parts.len() {
            waiting.parts[k].1.done.synchronize()?;
            let rows = waiting.parts[k].0.clone();
            let mut sweep = self.resumed(k, call, waiting)?;
            if first == 0 {
                sweep.begin(rows)?;
            }
            sweep.first_column = first as u64;
            sweep.panel(first as u64)?;
            let workspace = &waiting.parts[k].1;
            workspace.done.record(&workspace.stream)?;
        }
        Ok(())
    }

    /// Results of the rows, which have seen all columns; the inputs of the call hold the rows.
    ///
    /// # Errors
    /// `Device` if a device fails.
    pub fn finish_waiting<T: Element>(
        &self,
        call: &Call<'_, T>,
        waiting: &mut Waiting,
        mut out: Out<'_, T>,
    ) -> Result<(), Error> {
        if waiting.shape[1] == 0 {
            self.more(&Call { columns: 0, ..*call }, 0, waiting)?;
        }
        let wants = (out.values.is_some(), out.indices.is_some());
        for k in 0..waiting.parts.len() {
            let first = waiting.parts[k].0.start;
            let mut sweep = self.resumed(k, &Call { columns: 0, ..*call }, waiting)?;
            sweep.merge()?;
            sweep.finish_on_host(wants)?;
            sweep.collect(first, &mut out)?;
        }
        Ok(())
    }

    /// The rows of a device where they were left, against the columns of a call.
    fn resumed<'s, T: Element>(
        &'s self,
        part: usize,
        call: &Call<'s, T>,
        waiting: &'s mut Waiting,
    ) -> Result<Sweep<'s, T>, Error> {
        let (rows, workspace) = &mut waiting.parts[part];
        let tiling = &self.layout.tiling;
        let panels = Panels {
            rows: (rows.len() as u64).next_multiple_of(tiling.block_rows().into()),
            columns: (call.columns as u64).next_multiple_of(tiling.tile.into()),
        };
        // The caller keeps to a budget by the size of pieces; what waits must not be dropped for it here.
        let (segments, budget) = (self.segments(waiting.shape), u64::MAX);
        let plan = Plan { segments, panels, total: waiting.shape[1] as u64, budget };
        let inputs = Inputs::Host(call.inputs);
        let mut sweep = Sweep::new(self, &self.devices[part], workspace, inputs, plan)?;
        sweep.resume(rows.len());
        Ok(sweep)
    }
}
