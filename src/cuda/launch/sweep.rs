//! The launches of one call.

use super::arrays::DeviceView;
use super::panels::{Panels, Segments};
use super::workspace::{Buffer, Workspace};
use super::{Launcher, Loaded, Out, too_large};
use crate::cuda::driver::{Handle, Stream};
use crate::cuda::layout::Layout;
use crate::cuda::source::THREADS;
use crate::dtype::Element;
use crate::error::Error;
use crate::loops::program::Space;
use crate::view::View;
use std::ops::Range;

/// Partial accumulators that one thread merges.
const MERGED: u64 = 16;

/// Where the caller's arrays are.
pub(super) enum Inputs<'a, T> {
    Host(&'a [View<'a, T>]),
    /// On the device, with the stream to work on.
    Device(&'a [DeviceView<'a, T>], &'a Stream),
}

/// How a call is divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) segments: Segments,
    pub(super) panels: Panels,
    /// Columns of the whole reduction.
    pub(super) total: u64,
    /// Bytes of device memory that may be held.
    pub(super) budget: u64,
}

/// The fields of the kernels' arguments, in order.
#[derive(Clone, Copy, Default)]
struct Arguments {
    param: u64,
    row: u64,
    row_stride: u64,
    rows: u64,
    col: u64,
    col_stride: u64,
    columns: u64,
    panel: u64,
    total: u64,
    segment: u64,
    partial: u64,
    partial_index: u64,
    parts: u64,
    axis: u64,
    values: u64,
    indices: u64,
}

impl Arguments {
    fn words(&self) -> [u64; 16] {
        let Arguments {
            param,
            row,
            row_stride,
            rows,
            col,
            col_stride,
            columns,
            panel,
            total,
            segment,
            partial,
            partial_index,
            parts,
            axis,
            values,
            indices,
        } = *self;
        [
            param,
            row,
            row_stride,
            rows,
            col,
            col_stride,
            columns,
            panel,
            total,
            segment,
            partial,
            partial_index,
            parts,
            axis,
            values,
            indices,
        ]
    }
}

/// One call on one device: [`Sweep::rows`] for each panel of rows, or its steps where columns come in pieces; then one of the
/// finishing functions.
pub(super) struct Sweep<'s, T> {
    launcher: &'s Launcher,
    loaded: &'s Loaded,
    workspace: &'s mut Workspace,
    inputs: Inputs<'s, T>,
    segments: Segments,
    pub(super) panels: Panels,
    /// Number of the first column that the arrays have.
    pub(super) first_column: u64,
    arguments: Arguments,
    /// Address and strides of each input, as the kernels see them.
    views: Vec<[u64; 3]>,
    /// Whether the parameter slots have been computed.
    has_param: bool,
    /// Columns that are packed, if they stay for all panels of rows.
    packed: bool,
}

impl<'s, T: Element> Sweep<'s, T> {
    pub(super) fn new(
        launcher: &'s Launcher,
        loaded: &'s Loaded,
        workspace: &'s mut Workspace,
        inputs: Inputs<'s, T>,
        plan: Plan,
    ) -> Result<Sweep<'s, T>, Error> {
        let Plan { segments, panels, total, .. } = plan;
        let layout = &launcher.layout;
        let (float, stored) = (layout.float.bytes() as u64, layout.stored.bytes() as u64);
        let partials = launcher.partials(segments) * layout.partial * panels.rows;
        let copied = matches!(inputs, Inputs::Host(_));
        let device = &loaded.device;
        let index = if layout.kept.is_some() { 8 } else { 0 };
        let results = if copied { panels.rows * layout.out } else { 0 };
        let sizes = [
            u64::from(layout.param) * float,
            u64::from(layout.row) * float * panels.rows,
            u64::from(layout.col) * float * panels.columns,
            partials * float,
            partials * index,
            results * stored,
            results * index,
        ];
        let raw: Vec<u64> = layout
            .inputs
            .iter()
            .map(|input| {
                let items = |space| match space {
                    Space::Param => 1,
                    Space::Row => panels.rows,
                    _ => panels.columns,
                };
                input.filter(|_| copied).map_or(0, |i| u64::from(i.dim) * items(i.space) * stored)
            })
            .collect();
        let w = &mut *workspace;
        let own = [
            &mut w.param,
            &mut w.row,
            &mut w.col,
            &mut w.partial,
            &mut w.partial_index,
            &mut w.values,
            &mut w.indices,
        ];
        let mut buffers: Vec<_> = own.into_iter().chain(&mut w.raw).collect();
        let sizes: Vec<u64> = sizes.into_iter().chain(raw).collect();
        if buffers.iter().zip(&sizes).any(|(buffer, bytes)| buffer.bytes() < *bytes) {
            w.done.synchronize()?;
            w.stream.synchronize()?;
            // What earlier calls of other shapes have left may not be kept at the price of the budget.
            let grown =
                buffers.iter().zip(&sizes).map(|(buffer, bytes)| buffer.bytes().max(*bytes));
            if grown.fold(0, u64::saturating_add) > plan.budget {
                buffers.iter_mut().for_each(|buffer| **buffer = Buffer::default());
            }
            for (buffer, bytes) in buffers.iter_mut().zip(sizes) {
                buffer.reserve(device, bytes)?;
            }
        }
        let views = layout
            .inputs
            .iter()
            .enumerate()
            .map(|(k, input)| match (&inputs, input) {
                (_, None) => [0; 3],
                (Inputs::Host(_), Some(input)) => [w.raw[k].address(), u64::from(input.dim), 1],
                (Inputs::Device(views, _), Some(_)) => {
                    let view = &views[k];
                    [view.address, view.row_stride as u64, view.column_stride as u64]
                }
            })
            .collect();
        let arguments = Arguments {
            param: w.param.address(),
            row: w.row.address(),
            col: w.col.address(),
            partial: w.partial.address(),
            partial_index: w.partial_index.address(),
            total,
            segment: segments.columns,
            ..Arguments::default()
        };
        Ok(Sweep {
            launcher,
            loaded,
            workspace,
            inputs,
            segments,
            panels,
            first_column: 0,
            arguments,
            views,
            has_param: false,
            packed: false,
        })
    }

    /// Queue everything for a panel of rows up to its merged accumulators.
    pub(super) fn rows(&mut self, rows: Range<usize>) -> Result<(), Error> {
        self.begin(rows)?;
        let mut first = 0;
        loop {
            first += self.panel(first)?;
            if first >= self.arguments.total {
                break;
            }
        }
        self.merge()
    }

    /// Work on so many rows, the accumulators of which are there.
    pub(super) fn resume(&mut self, rows: usize) {
        let block = self.launcher.layout.tiling.block_rows();
        self.arguments.rows = rows as u64;
        self.arguments.row_stride = self.arguments.rows.next_multiple_of(block.into());
    }

    /// Queue what the first panel of columns needs of a panel of rows.
    pub(super) fn begin(&mut self, rows: Range<usize>) -> Result<(), Error> {
        self.resume(rows.len());
        if !self.has_param {
            self.provide(Space::Param, 0, 1)?;
            if let Some(param) = self.loaded.param {
                self.launch(param, [1, 1, 1], 1)?;
            }
            self.has_param = true;
        }
        self.provide(Space::Row, rows.start, rows.len())
    }

    /// Queue the panel of columns that begins with this one; says how many it has.
    pub(super) fn panel(&mut self, first: u64) -> Result<u64, Error> {
        let Layout { tiling, parts, .. } = &self.launcher.layout;
        let blocks = self.arguments.row_stride / u64::from(tiling.block_rows());
        let total = self.arguments.total;
        let columns = self.panels.columns.min(total - first);
        self.arguments.panel = first;
        self.arguments.columns = columns;
        self.arguments.col_stride = columns.next_multiple_of(tiling.tile.into());
        let whole = columns == total;
        let pack = columns > 0 && !(whole && self.packed);
        if pack {
            self.provide(Space::Col, (first - self.first_column) as usize, columns as usize)?;
            self.packed = whole;
        }
        self.prepare(first == 0, pack)?;
        let grid = [blocks, self.segments.count, (*parts).into()];
        self.launch(self.loaded.pair, grid, tiling.threads())?;
        Ok(columns)
    }

    /// Pack rows, columns or both.
    fn prepare(&mut self, rows: bool, columns: bool) -> Result<(), Error> {
        let layout = &self.launcher.layout;
        let rows = rows && layout.row > 0;
        let columns = columns && layout.col > 0;
        let row_items = if rows { self.arguments.row_stride } else { 0 };
        let col_items = if columns { self.arguments.col_stride } else { 0 };
        if !rows && !columns {
            return Ok(());
        }
        self.arguments.axis = u64::from(!rows);
        let axes = u64::from(rows) + u64::from(columns);
        self.launch(
            self.loaded.prepare,
            [row_items.max(col_items).div_ceil(THREADS.into()), axes, 1],
            THREADS,
        )
    }

    /// Queue the merging of the accumulators of all segments.
    pub(super) fn merge(&mut self) -> Result<(), Error> {
        let mut parts = self.launcher.partials(self.segments);
        while parts > 1 {
            let left = parts.div_ceil(MERGED);
            self.arguments.parts = parts;
            self.launch(
                self.loaded.merge,
                [self.arguments.rows.div_ceil(THREADS.into()), left, 1],
                THREADS,
            )?;
            parts = left;
        }
        Ok(())
    }

    /// Queue the results of the current rows, to arrays on the device.
    pub(super) fn finish(&mut self, values: u64, indices: u64) -> Result<(), Error> {
        self.arguments.values = values;
        self.arguments.indices = indices;
        self.launch(
            self.loaded.finish,
            [self.arguments.rows.div_ceil(THREADS.into()), 1, 1],
            THREADS,
        )
    }

    /// The same, to the workspace's own arrays.
    pub(super) fn finish_on_host(&mut self, (values, indices): (bool, bool)) -> Result<(), Error> {
        let address = |wanted: bool, buffer: u64| if wanted { buffer } else { 0 };
        let values = address(values, self.workspace.values.address());
        let indices = address(indices, self.workspace.indices.address());
        self.finish(values, indices)
    }

    /// Copy the results of the current rows to rows `first ..` of the caller's arrays.
    pub(super) fn collect(&mut self, first: usize, out: &mut Out<'_, T>) -> Result<(), Error> {
        let dim = usize::try_from(self.launcher.layout.out).unwrap_or(usize::MAX);
        let (values, indices) = (self.workspace.values.address(), self.workspace.indices.address());
        if out.values.is_some() {
            // SAFETY: the buffer has room for the results of a panel of rows.
            unsafe {
                self.download(values, dim, |row, k, value| out.set_value(first + row, k, value))?
            };
        }
        if out.indices.is_some() {
            // SAFETY: as above.
            unsafe {
                self.download(indices, dim, |row, k, index| out.set_index(first + row, k, index))?
            };
        }
        Ok(())
    }

    /// Hand out the numbers of the current rows, with row and component.
    ///
    /// # Safety
    /// `from` must be memory of the device with `dim` numbers for each of the rows.
    unsafe fn download<V: Copy>(
        &mut self,
        from: u64,
        dim: usize,
        mut set: impl FnMut(usize, usize, V),
    ) -> Result<(), Error> {
        let take = |n: usize, value| set(n / dim, n % dim, value);
        // SAFETY: the caller vouches for the memory.
        unsafe { self.workspace.download(from, self.arguments.rows as usize * dim, take) }
    }

    /// Bring items `first .. first + count` of the inputs of a space to where the kernels look for them.
    fn provide(&mut self, space: Space, first: usize, count: usize) -> Result<(), Error> {
        for k in 0..self.views.len() {
            let Some(input) = self.launcher.layout.inputs[k].filter(|i| i.space == space) else {
                continue;
            };
            match &self.inputs {
                Inputs::Host(views) => {
                    let address = self.workspace.raw[k].address();
                    debug_assert_eq!(views[k].dim(), input.dim as usize);
                    // SAFETY: the buffer has room for a panel of items of this dim.
                    unsafe { self.workspace.upload(&views[k], first, count, address)? };
                }
                Inputs::Device(views, _) => {
                    let view = &views[k];
                    let bytes = first as isize * view.row_stride * size_of::<T>() as isize;
                    self.views[k][0] = view.address.wrapping_add_signed(bytes as i64);
                }
            }
        }
        Ok(())
    }

    fn launch(&self, kernel: Handle, grid: [u64; 3], threads: u32) -> Result<(), Error> {
        const MOST: [u64; 3] = [(1 << 31) - 1, 65_535, 65_535];
        let fits = grid.iter().zip(MOST).all(|(n, most)| *n <= most);
        if !fits {
            return Err(too_large("blocks"));
        }
        let grid = grid.map(|n| n as u32);
        let mut words = self.arguments.words().to_vec();
        words.extend(self.views.iter().flatten());
        let stream = match &self.inputs {
            Inputs::Host(_) => &self.workspace.stream,
            Inputs::Device(_, stream) => stream,
        };
        // SAFETY: the arguments name this workspace's buffers, which have room for the panels in them, and the caller's arrays,
        // whose shapes have been checked.
        unsafe { stream.launch(kernel, grid, threads, &words) }
    }
}
