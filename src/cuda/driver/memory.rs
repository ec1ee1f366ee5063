//! Memory: of a device, and of the host for a device to copy from.

use super::{Functions, device_error};
use crate::cuda::device::Device;
use crate::error::Error;
use std::ptr;
use std::sync::Arc;

/// Memory on a device.
#[derive(Debug)]
pub(in crate::cuda) struct Memory {
    device: Arc<Device>,
    address: u64,
    bytes: usize,
}

impl Memory {
    pub(in crate::cuda) fn new(device: &Arc<Device>, bytes: usize) -> Result<Memory, Error> {
        let mut address = 0;
        // SAFETY: the pointer is valid.
        let alloc = |f: &Functions| unsafe { (f.memory_alloc)(&mut address, bytes.max(1)) };
        device.call(&format!("allocating {bytes} bytes on the device"), alloc)?;
        Ok(Memory { device: Arc::clone(device), address, bytes })
    }

    pub(in crate::cuda) fn address(&self) -> u64 {
        self.address
    }

    pub(in crate::cuda) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` and freed once; whoever drops it has waited for the work that uses it.
        let _ = self.device.call("freeing memory", |f| unsafe { (f.memory_free)(self.address) });
    }
}

/// Memory of the host that a device copies from and to on its own.
#[derive(Debug)]
pub(in crate::cuda) struct Pinned {
    device: Arc<Device>,
    data: ptr::NonNull<u8>,
    bytes: usize,
}

// SAFETY: it is owned memory like a Vec's.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    pub(in crate::cuda) fn new(device: &Arc<Device>, bytes: usize) -> Result<Pinned, Error> {
        let bytes = bytes.max(1);
        let mut data = ptr::null_mut();
        // SAFETY: the pointer is valid.
        let alloc = |f: &Functions| unsafe { (f.pinned_alloc)(&mut data, bytes, 0) };
        device.call(&format!("allocating {bytes} bytes of pinned memory"), alloc)?;
        let data = ptr::NonNull::new(data.cast::<u8>());
        let data = data.ok_or_else(|| device_error("CUDA gave no pinned memory"))?;
        // SAFETY: `bytes` bytes were allocated; they are made initialised before anybody can read them.
        unsafe { data.as_ptr().write_bytes(0, bytes) };
        Ok(Pinned { device: Arc::clone(device), data, bytes })
    }

    pub(in crate::cuda) fn as_slice(&self) -> &[u8] {
        // SAFETY: allocated with this length and initialised.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.bytes) }
    }

    pub(in crate::cuda) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let data = self.data.as_ptr().cast();
        // SAFETY: allocated by `new` and freed once; copies have been waited for.
        let _ = self.device.call("freeing pinned memory", |f| unsafe { (f.pinned_free)(data) });
    }
}
