//! Arrays on a device, and the bytes of arrays of the host.

use crate::cuda::device::Device;
use crate::cuda::driver::{Memory, Stream};
use crate::dtype::Element;
use crate::error::Error;
use crate::view::View;
use std::marker::PhantomData;
use std::sync::Arc;

/// The bytes of numbers.
pub(super) fn bytes_of<T: Element>(numbers: &[T]) -> &[u8] {
    // SAFETY: elements are plain numbers without padding; the length is that of the same memory.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// Copy elements `first ..` of a view, counted row after row, to bytes.
pub(super) fn gather<T: Element>(view: &View<'_, T>, first: usize, to: &mut [u8]) {
    let count = to.len() / size_of::<T>();
    if let Some(all) = view.as_slice() {
        to.copy_from_slice(bytes_of(&all[first..first + count]));
        return;
    }
    let dim = view.dim().max(1);
    for (n, to) in to.chunks_exact_mut(size_of::<T>()).enumerate() {
        let (row, component) = ((first + n) / dim, (first + n) % dim);
        let value = view.get(row, component).expect("the view has these elements");
        to.copy_from_slice(bytes_of(&[value]));
    }
}

/// Numbers that were copied from a device.
pub(super) fn numbers<T: Copy>(bytes: &[u8]) -> impl Iterator<Item = T> {
    bytes.chunks_exact(size_of::<T>()).map(|bytes| {
        // SAFETY: as many bytes as the number has; reading needs no alignment, and any bytes are a number of the types that
        // devices give, floats and integers.
        unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
    })
}

/// An array in a device's memory, row-major.
#[derive(Debug)]
pub struct DeviceArray<T> {
    memory: Memory,
    device: Arc<Device>,
    rows: usize,
    dim: usize,
    element: PhantomData<fn(T)>,
}

/// Access to an array on a device: `rows` points of `dim` components of any stride.
#[derive(Clone, Copy, Debug)]
pub struct DeviceView<'a, T> {
    pub(super) address: u64,
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) row_stride: isize,
    pub(super) column_stride: isize,
    /// Number of the device, if it is known.
    pub(super) on: Option<usize>,
    lifetime: PhantomData<&'a [T]>,
}

/// Write access to a row-major array on a device.
#[derive(Debug)]
pub struct DeviceViewMut<'a, T> {
    pub(super) address: u64,
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) on: Option<usize>,
    lifetime: PhantomData<&'a mut [T]>,
}

impl<T: Copy + 'static> DeviceArray<T> {
    /// An array of undefined contents; all bytes are numbers.
    ///
    /// # Errors
    /// `Device` if memory does not suffice.
    pub fn new(device: &Arc<Device>, rows: usize, dim: usize) -> Result<DeviceArray<T>, Error> {
        let bytes = rows.checked_mul(dim).and_then(|n| n.checked_mul(size_of::<T>()));
        let bytes = bytes.ok_or_else(|| {
            Error::shape(format!("a {rows} x {dim} array is larger than the address space"))
        })?;
        let memory = Memory::new(device, bytes)?;
        Ok(DeviceArray { memory, device: Arc::clone(device), rows, dim, element: PhantomData })
    }

    /// Its numbers, row after row.
    ///
    /// # Errors
    /// `Device` if the device fails, also in work that was queued before.
    pub fn download(&self) -> Result<Vec<T>, Error> {
        let mut bytes = vec![0u8; self.rows * self.dim * size_of::<T>()];
        let stream = Stream::new(&self.device)?;
        // SAFETY: the array has these bytes, and the stream is waited for before `bytes` is touched.
        let queued = unsafe { stream.download(&mut bytes, self.memory.address()) };
        stream.synchronize().and(queued)?;
        Ok(numbers(&bytes).collect())
    }

    /// Access for a kernel.
    pub fn view(&self) -> DeviceView<'_, T> {
        DeviceView {
            address: self.memory.address(),
            rows: self.rows,
            dim: self.dim,
            row_stride: self.dim.cast_signed(),
            column_stride: 1,
            on: Some(self.device.info().ordinal),
            lifetime: PhantomData,
        }
    }

    /// Write access for a kernel.
    pub fn view_mut(&mut self) -> DeviceViewMut<'_, T> {
        DeviceViewMut {
            address: self.memory.address(),
            rows: self.rows,
            dim: self.dim,
            on: Some(self.device.info().ordinal),
            lifetime: PhantomData,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Where its memory is, for other CUDA libraries: a `CUdeviceptr` of the device's primary context.
    pub fn address(&self) -> u64 {
        self.memory.address()
    }
}

impl<T: Element> DeviceArray<T> {
    /// A copy of an array of the host.
    ///
    /// # Errors
    /// `Device` if memory does not suffice or the copy fails.
    pub fn upload(device: &Arc<Device>, from: &View<'_, T>) -> Result<DeviceArray<T>, Error> {
        let array = DeviceArray::new(device, from.rows(), from.dim())?;
        let mut bytes = vec![0u8; from.rows() * from.dim() * size_of::<T>()];
        gather(from, 0, &mut bytes);
        let stream = Stream::new(device)?;
        // SAFETY: the array has these bytes, and the stream is waited for before they are dropped.
        let queued = unsafe { stream.upload(array.memory.address(), &bytes) };
        stream.synchronize().and(queued)?;
        Ok(array)
    }
}

impl<'a, T> DeviceView<'a, T> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Access to memory of another owner, a slice of another CUDA library for instance: strides are in elements.
    ///
    /// # Safety
    /// Every element must lie in memory of the device that the kernel is on, allocated in its primary context, and stay there
    /// unchanged until the work of the call is done.
    pub unsafe fn from_raw(
        address: u64,
        rows: usize,
        dim: usize,
        row_stride: isize,
        column_stride: isize,
    ) -> DeviceView<'a, T> {
        DeviceView {
            address,
            rows,
            dim,
            row_stride,
            column_stride,
            on: None,
            lifetime: PhantomData,
        }
    }
}

impl<'a, T> DeviceViewMut<'a, T> {
    /// Write access to `rows * dim` elements of another owner.
    ///
    /// # Safety
    /// As for [`DeviceView::from_raw`]; besides nothing else may use the memory until the work of the call is done.
    pub unsafe fn from_raw(address: u64, rows: usize, dim: usize) -> DeviceViewMut<'a, T> {
        DeviceViewMut { address, rows, dim, on: None, lifetime: PhantomData }
    }
}
