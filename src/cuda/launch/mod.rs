//! Calls of a kernel: host arrays copied in panels within a memory budget, or arrays that are on the device.
//!
//! A call packs rows and columns into slots, sweeps all segments of a panel of columns in one launch, goes on with the next panel
//! where the accumulators were left, merges the segments in a fixed order and finishes. All of it is queued on one stream. Which
//! columns a thread sees, and in which order, depends on the shape only ([`panels`]). The columns of a call may also come in pieces
//! ([`waiting`]), which are panels of another making.

mod arrays;
mod panels;
mod resident;
mod sweep;
mod waiting;
mod workspace;

pub use crate::launch::{Indices, Out};
pub use arrays::{DeviceArray, DeviceView, DeviceViewMut};
pub use resident::DeviceCall;
pub use waiting::Waiting;

use super::artifact::Cubin;
use super::device::Device;
use super::driver::{Handle, Module};
use super::layout::Layout;
use crate::dtype::Element;
use crate::error::{Error, ErrorKind};
use crate::view::View;
use panels::{Needs, Panels, Segments};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use sweep::{Inputs, Plan, Sweep};
use workspace::Workspace;

/// What is computed: arrays whose shapes have been checked against the kernel's formula.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a, T> {
    /// One view a variable, in positional order.
    pub inputs: &'a [View<'a, T>],
    /// Output rows.
    pub rows: usize,
    /// Columns that are reduced over.
    pub columns: usize,
}

/// The kernels of a CUBIN on one device.
#[derive(Debug)]
struct Loaded {
    workspaces: Mutex<Vec<Workspace>>,
    param: Option<Handle>,
    prepare: Handle,
    pair: Handle,
    merge: Handle,
    finish: Handle,
    device: Arc<Device>,
    /// Owns the kernels above.
    _module: Module,
}

/// A kernel ready to be called, on one device or several of one kind.
#[derive(Debug)]
pub struct Launcher {
    layout: Layout,
    devices: Vec<Loaded>,
    budget: Option<u64>,
}

/// Part of the free memory that calls take where no budget is given, in percent.
const TAKEN_PERCENT: u64 = 85;
/// Workspaces that are kept for the next calls.
const KEPT: usize = 16;

impl Loaded {
    fn new(device: &Arc<Device>, cubin: &Cubin) -> Result<Loaded, Error> {
        let module = Module::load(device, &cubin.bytes)?;
        let param =
            (cubin.layout.param > 0).then(|| module.function("genred_param")).transpose()?;
        Ok(Loaded {
            workspaces: Mutex::new(Vec::new()),
            param,
            prepare: module.function("genred_prepare")?,
            pair: module.function("genred_pair")?,
            merge: module.function("genred_merge")?,
            finish: module.function("genred_finish")?,
            device: Arc::clone(device),
            _module: module,
        })
    }

    fn take(&self, inputs: usize) -> Result<Workspace, Error> {
        let kept = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.map_or_else(|| Workspace::new(&self.device, inputs), Ok)
    }

    /// Bytes of device memory that are kept for further calls.
    fn kept(&self) -> u64 {
        let kept = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(Workspace::held).sum()
    }

    /// Free them.
    fn release(&self) {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Bytes of the device's memory that calls may take besides the `held` ones, where no budget is given.
    fn free(&self, held: u64) -> Result<u64, Error> {
        Ok((self.device.free_memory()? as u64 + held) / 100 * TAKEN_PERCENT)
    }

    fn give(&self, workspace: Workspace) {
        let mut kept = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(workspace);
        }
    }
}

impl Launcher {
    /// A launcher of a compiled kernel on devices that take it.
    ///
    /// # Errors
    /// `Device` if a device refuses the kernel, `Usage` if no device is given.
    pub fn new(devices: &[Arc<Device>], cubin: &Cubin) -> Result<Launcher, Error> {
        if devices.is_empty() {
            return Err(Error::usage("no device is given"));
        }
        let devices = devices.iter().map(|d| Loaded::new(d, cubin)).collect::<Result<_, _>>()?;
        Ok(Launcher { layout: cubin.layout.clone(), devices, budget: None })
    }

    /// Let each call use at most so many bytes of each device's memory; by default most of what is free.
    pub fn with_budget(mut self, bytes: u64) -> Launcher {
        self.budget = Some(bytes);
        self
    }

    /// The device that arrays of calls on a device have to be on: the first one.
    pub fn device(&self) -> &Arc<Device> {
        &self.devices[0].device
    }

    /// Free the memory that is kept for further calls.
    pub fn release(&self) {
        self.devices.iter().for_each(Loaded::release);
    }

    /// The kernel's layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes of each device's memory that a call of this shape uses if it may; with less it works in panels.
    pub fn workspace_bytes(&self, rows: usize, columns: usize) -> u64 {
        let (own, segments) = (self.share(rows) as u64, self.segments([rows, columns]));
        let needs = Needs::of(&self.layout, self.partials(segments), true);
        needs.bytes(own, (columns as u64).next_multiple_of(self.layout.tiling.tile.into()))
    }

    /// How the columns of a reduction of a shape are divided, on however many devices.
    fn segments(&self, [rows, columns]: [usize; 2]) -> Segments {
        panels::segments(&self.layout, rows as u64, columns as u64)
    }

    /// Rows of a device: whole blocks.
    fn share(&self, rows: usize) -> usize {
        rows.div_ceil(self.devices.len()).next_multiple_of(self.layout.tiling.block_rows() as usize)
    }

    /// Partial accumulators of a row.
    fn partials(&self, segments: Segments) -> u64 {
        segments.count * u64::from(self.layout.tiling.column_threads)
    }

    /// Run a call on arrays of the host; several devices share the rows.
    ///
    /// # Errors
    /// `Device` if a device fails or its memory does not suffice even for the smallest panels.
    pub fn run<T: Element>(&self, call: &Call<'_, T>, out: Out<'_, T>) -> Result<(), Error> {
        self.check::<T>(call.inputs.len())?;
        let each = self.share(call.rows);
        let mut parts = Vec::new();
        let (mut first, mut rest) = (0, out);
        for device in &self.devices {
            let end = call.rows.min(first + each);
            let (part, others) = rest.split_rows(end - first);
            if first < end {
                parts.push((device, first..end, part));
            }
            (first, rest) = (end, others);
        }
        if let [_] = parts.as_slice() {
            let (device, rows, out) = parts.remove(0);
            return self.run_on(device, call, rows, out);
        }
        std::thread::scope(|scope| {
            let running: Vec<_> = parts
                .into_iter()
                .map(|(device, rows, out)| {
                    scope.spawn(move || self.run_on(device, call, rows, out))
                })
                .collect();
            running.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })
    }

    fn run_on<T: Element>(
        &self,
        loaded: &Loaded,
        call: &Call<'_, T>,
        rows: Range<usize>,
        mut out: Out<'_, T>,
    ) -> Result<(), Error> {
        let mut workspace = loaded.take(self.layout.inputs.len())?;
        let shape = [call.rows, call.columns];
        let inputs = Inputs::Host(call.inputs);
        let mut sweep = self.sweep(loaded, &mut workspace, inputs, shape, rows.len())?;
        let wants = (out.values.is_some(), out.indices.is_some());
        let first = rows.start;
        let mut at = rows.start;
        while at < rows.end {
            let end = rows.end.min(at + sweep.panels.rows as usize);
            sweep.rows(at..end)?;
            sweep.finish_on_host(wants)?;
            sweep.collect(at - first, &mut out)?;
            at = end;
        }
        loaded.give(workspace);
        Ok(())
    }

    /// Panels and buffers of a call of some rows and columns, `own` rows of it on this device: how columns are divided does not depend
    /// on how rows are.
    fn sweep<'s, T: Element>(
        &'s self,
        loaded: &'s Loaded,
        workspace: &'s mut Workspace,
        inputs: Inputs<'s, T>,
        shape: [usize; 2],
        own: usize,
    ) -> Result<Sweep<'s, T>, Error> {
        let (own, columns, segments) = (own as u64, shape[1] as u64, self.segments(shape));
        let copied = matches!(inputs, Inputs::Host(_));
        let needs = Needs::of(&self.layout, self.partials(segments), copied);
        let held = workspace.held();
        let (block, tile) = (self.layout.tiling.block_rows(), self.layout.tiling.tile);
        let all = Panels {
            rows: own.next_multiple_of(block.into()),
            columns: columns.next_multiple_of(tile.into()),
        };
        let budget = match self.budget {
            Some(budget) => budget,
            // A call that fits where an earlier one did need not ask the driver.
            None if needs.bytes(all.rows, all.columns) <= held => held,
            None => loaded.free(held)?,
        };
        let panels = panels::panels(&self.layout, needs, own, columns, budget)?;
        let plan = Plan { segments, panels, total: columns, budget };
        Sweep::new(self, loaded, workspace, inputs, plan)
    }

    fn check<T: Element>(&self, inputs: usize) -> Result<(), Error> {
        let Layout { stored, inputs: wanted, .. } = &self.layout;
        if T::DTYPE != *stored || inputs != wanted.len() {
            return Err(Error::usage(format!(
                "the kernel takes {} arrays of {stored}, not {inputs} of {}",
                wanted.len(),
                T::DTYPE
            )));
        }
        Ok(())
    }
}

/// An error that says that a number is too large for a launch.
fn too_large(what: &str) -> Error {
    Error::new(ErrorKind::Device, format!("{what} are more than a kernel launch can have"))
}
