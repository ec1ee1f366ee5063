//! Queues of work, and points in them.

use super::{Functions, Handle, NON_BLOCKING, NULL, WITHOUT_TIMING};
use crate::cuda::device::Device;
use crate::error::Error;
use std::ffi::{c_uint, c_void};
use std::ptr;
use std::sync::Arc;

/// A queue of work of a device: of this crate's, or of somebody else's.
#[derive(Debug)]
pub(in crate::cuda) struct Stream {
    device: Arc<Device>,
    handle: Handle,
    owned: bool,
}

impl Stream {
    pub(in crate::cuda) fn new(device: &Arc<Device>) -> Result<Stream, Error> {
        let mut handle = NULL;
        // SAFETY: the pointer is valid.
        let create = |f: &Functions| unsafe { (f.stream_create)(&mut handle, NON_BLOCKING) };
        device.call("making a stream", create)?;
        Ok(Stream { device: Arc::clone(device), handle, owned: true })
    }

    /// A stream of somebody else's: a `CUstream` as a number, 0 for the default one.
    ///
    /// # Safety
    /// It must be a stream of the device's primary context that lives as long as the value.
    pub(in crate::cuda) unsafe fn borrowed(device: &Arc<Device>, stream: usize) -> Stream {
        Stream { device: Arc::clone(device), handle: Handle(stream as *mut c_void), owned: false }
    }

    pub(in crate::cuda) fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: the stream is alive.
        self.device.call("running a kernel", |f| unsafe { (f.stream_synchronize)(self.handle) })
    }

    /// Queue a copy to the device.
    ///
    /// # Safety
    /// `from` must stay as it is until the stream has done this, and `to .. to + from.len()` must be memory of the device.
    pub(in crate::cuda) unsafe fn upload(&self, to: u64, from: &[u8]) -> Result<(), Error> {
        let (data, len) = (from.as_ptr().cast(), from.len());
        // SAFETY: the caller vouches for both ends.
        self.device
            .call("copying to the device", |f| unsafe { (f.upload)(to, data, len, self.handle) })
    }

    /// Queue a copy from the device.
    ///
    /// # Safety
    /// `to` must not be touched until the stream has done this, and `from .. from + to.len()` must be memory of the device.
    pub(in crate::cuda) unsafe fn download(&self, to: &mut [u8], from: u64) -> Result<(), Error> {
        let (data, len) = (to.as_mut_ptr().cast(), to.len());
        // SAFETY: the caller vouches for both ends.
        self.device.call("copying from the device", |f| unsafe {
            (f.download)(data, from, len, self.handle)
        })
    }

    /// Let what is queued from now on wait for an event.
    pub(in crate::cuda) fn wait(&self, event: &Event) -> Result<(), Error> {
        // SAFETY: both are alive; the driver keeps the event's state that is waited for.
        self.device
            .call("ordering streams", |f| unsafe { (f.stream_wait)(self.handle, event.handle, 0) })
    }

    /// Queue a kernel.
    ///
    /// # Safety
    /// `arguments` must be what the kernel takes: its pointers must be memory of the device that is large enough.
    pub(in crate::cuda) unsafe fn launch(
        &self,
        function: Handle,
        grid: [u32; 3],
        threads: u32,
        arguments: &[u64],
    ) -> Result<(), Error> {
        // The kernel has one parameter, a structure of 8-byte fields; the driver copies it before it returns.
        let mut parameters = [arguments.as_ptr().cast_mut().cast::<c_void>()];
        let [x, y, z] = grid;
        self.device.call("starting a kernel", |f| {
            // SAFETY: the function is alive with its module; the caller vouches for the arguments.
            unsafe {
                (f.launch)(
                    function,
                    x,
                    y,
                    z,
                    threads,
                    1,
                    1,
                    0,
                    self.handle,
                    parameters.as_mut_ptr(),
                    ptr::null_mut(),
                )
            }
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: made by `new` and destroyed once; the driver finishes queued work first.
            let _ = self
                .device
                .call("destroying a stream", |f| unsafe { (f.stream_destroy)(self.handle) });
        }
    }
}

/// A point in a stream.
#[derive(Debug)]
pub(in crate::cuda) struct Event {
    device: Arc<Device>,
    handle: Handle,
}

impl Event {
    /// An event that only orders work.
    pub(in crate::cuda) fn new(device: &Arc<Device>) -> Result<Event, Error> {
        Event::with(device, WITHOUT_TIMING)
    }

    /// An event whose time can be asked for.
    pub(in crate::cuda) fn timed(device: &Arc<Device>) -> Result<Event, Error> {
        Event::with(device, 0)
    }

    fn with(device: &Arc<Device>, flags: c_uint) -> Result<Event, Error> {
        let mut handle = NULL;
        // SAFETY: the pointer is valid.
        device.call("making an event", |f| unsafe { (f.event_create)(&mut handle, flags) })?;
        Ok(Event { device: Arc::clone(device), handle })
    }

    pub(in crate::cuda) fn record(&self, stream: &Stream) -> Result<(), Error> {
        // SAFETY: both are alive.
        self.device
            .call("recording an event", |f| unsafe { (f.event_record)(self.handle, stream.handle) })
    }

    pub(in crate::cuda) fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: the event is alive.
        self.device
            .call("waiting for the device", |f| unsafe { (f.event_synchronize)(self.handle) })
    }

    /// Milliseconds from an earlier event, both reached.
    pub(in crate::cuda) fn milliseconds_since(&self, start: &Event) -> Result<f32, Error> {
        let mut milliseconds = 0.0;
        // SAFETY: both are alive and were made with timing.
        let elapsed = |f: &Functions| unsafe {
            (f.event_elapsed)(&mut milliseconds, start.handle, self.handle)
        };
        self.device.call("reading a time", elapsed)?;
        Ok(milliseconds)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made by `with` and destroyed once.
        let _ =
            self.device.call("destroying an event", |f| unsafe { (f.event_destroy)(self.handle) });
    }
}
