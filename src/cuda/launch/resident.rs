//! Calls on arrays that are on the device already: nothing is copied, and work may be queued on a stream of the caller's.

use super::arrays::{DeviceView, DeviceViewMut};
use super::sweep::Inputs;
use super::workspace::Workspace;
use super::{Launcher, Loaded};
use crate::cuda::driver::{Event, Stream};
use crate::dtype::Element;
use crate::error::Error;
use crate::loops::program::Space;

/// A call on arrays of the device.
#[derive(Debug)]
pub struct DeviceCall<'a, T> {
    /// One view a variable, in positional order.
    pub inputs: &'a [DeviceView<'a, T>],
    /// Output rows.
    pub rows: usize,
    /// Columns that are reduced over.
    pub columns: usize,
    /// Values, if wanted; always for reductions that are no selections.
    pub values: Option<DeviceViewMut<'a, T>>,
    /// Indices, if wanted.
    pub indices: Option<DeviceViewMut<'a, i64>>,
}

impl Launcher {
    /// Queue a call on arrays of the first device, on a stream of the caller's (a `CUstream` of the primary context as a number, 0
    /// for the default stream); returns before it is done. Allocates nothing once buffers have grown.
    ///
    /// # Errors
    /// As [`run`](Launcher::run); failures of the device may only show when the stream is waited for.
    ///
    /// # Safety
    /// `stream` must be a live stream of the device's primary context, and the arrays must stay until it has done the work.
    pub unsafe fn queue<T: Element>(
        &self,
        call: &DeviceCall<'_, T>,
        stream: usize,
    ) -> Result<(), Error> {
        let loaded = &self.devices[0];
        // SAFETY: the caller vouches for the stream.
        let stream = unsafe { Stream::borrowed(&loaded.device, stream) };
        self.queue_on(loaded, call, &stream)
    }

    /// Run a call on arrays of the first device, to its end.
    ///
    /// # Errors
    /// As [`run`](Launcher::run).
    pub fn run_on_device<T: Element>(&self, call: &DeviceCall<'_, T>) -> Result<(), Error> {
        let stream = Stream::new(&self.devices[0].device)?;
        let queued = self.queue_on(&self.devices[0], call, &stream);
        stream.synchronize().and(queued)
    }

    /// The same, and the milliseconds that the device took for each of `times` calls in a row.
    ///
    /// # Errors
    /// As [`run`](Launcher::run).
    pub fn time_on_device<T: Element>(
        &self,
        call: &DeviceCall<'_, T>,
        times: usize,
    ) -> Result<Vec<f32>, Error> {
        let device = &self.devices[0].device;
        let stream = Stream::new(device)?;
        let events = (0..=times).map(|_| Event::timed(device)).collect::<Result<Vec<_>, _>>()?;
        let queue = || {
            events[0].record(&stream)?;
            for event in &events[1..] {
                self.queue_on(&self.devices[0], call, &stream)?;
                event.record(&stream)?;
            }
            Ok(())
        };
        let queued: Result<(), Error> = queue();
        stream.synchronize().and(queued)?;
        events.windows(2).map(|pair| pair[1].milliseconds_since(&pair[0])).collect()
    }

    fn queue_on<T: Element>(
        &self,
        loaded: &Loaded,
        call: &DeviceCall<'_, T>,
        stream: &Stream,
    ) -> Result<(), Error> {
        self.check::<T>(call.inputs.len())?;
        self.check_device_call(call)?;
        let mut workspace = loaded.take(self.layout.inputs.len())?;
        // The workspace's last call may still be running on another stream.
        stream.wait(&workspace.done)?;
        let queued = self.queue_in(loaded, &mut workspace, call, stream);
        let recorded = workspace.done.record(stream);
        let all = queued.and(recorded);
        if all.is_ok() {
            loaded.give(workspace);
        } else {
            // The workspace goes, and what was queued before the error may be using it.
            let _ = stream.synchronize();
        }
        all
    }

    fn queue_in<T: Element>(
        &self,
        loaded: &Loaded,
        workspace: &mut Workspace,
        call: &DeviceCall<'_, T>,
        stream: &Stream,
    ) -> Result<(), Error> {
        let inputs = Inputs::Device(call.inputs, stream);
        let shape = [call.rows, call.columns];
        let mut sweep = self.sweep(loaded, workspace, inputs, shape, call.rows)?;
        let mut at = 0;
        while at < call.rows {
            let end = call.rows.min(at + sweep.panels.rows as usize);
            sweep.rows(at..end)?;
            let element = |address: u64, bytes: usize| {
                if address == 0 { 0 } else { address + at as u64 * self.layout.out * bytes as u64 }
            };
            let values = element(call.values.as_ref().map_or(0, |v| v.address), size_of::<T>());
            let indices = element(call.indices.as_ref().map_or(0, |v| v.address), size_of::<i64>());
            sweep.finish(values, indices)?;
            at = end;
        }
        Ok(())
    }

    fn check_device_call<T>(&self, call: &DeviceCall<'_, T>) -> Result<(), Error> {
        let here = self.device().info().ordinal;
        let elsewhere = |what: String, on: Option<usize>| match on {
            Some(other) if other != here => Err(Error::usage(format!(
                "{what} is on device {other}, but the kernel runs on device {here}"
            ))),
            _ => Ok(()),
        };
        for (k, (view, input)) in call.inputs.iter().zip(&self.layout.inputs).enumerate() {
            let Some(input) = input else { continue };
            elsewhere(format!("argument {k}"), view.on)?;
            let rows = match input.space {
                Space::Param => 1,
                Space::Row => call.rows,
                _ => call.columns,
            };
            if (view.rows, view.dim) != (rows, input.dim as usize) {
                return Err(Error::shape(format!(
                    "argument {k} is {} x {}, but the kernel takes {rows} x {}",
                    view.rows, view.dim, input.dim
                )));
            }
        }
        let outputs = [call.values.as_ref().map(|v| v.on), call.indices.as_ref().map(|v| v.on)];
        outputs
            .into_iter()
            .flatten()
            .try_for_each(|on| elsewhere("the output array".into(), on))?;
        let values = call.values.as_ref().map(|v| (v.rows, v.dim));
        let indices = call.indices.as_ref().map(|v| (v.rows, v.dim));
        let result = (call.rows, usize::try_from(self.layout.out).unwrap_or(usize::MAX));
        for shape in [values, indices].into_iter().flatten() {
            if shape != result {
                let (rows, dim) = shape;
                return Err(Error::shape(format!(
                    "the output array is {rows} x {dim}, but the result is {} x {}",
                    result.0, result.1
                )));
            }
        }
        match (self.layout.kept, values, indices) {
            (None, None, _) => {
                Err(Error::usage("the reduction gives values, but no array for them is given"))
            }
            (None, _, Some(_)) => Err(Error::usage("the reduction gives no indices")),
            _ => Ok(()),
        }
    }
}
