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
///
/// ```no_run
/// use genred::View;
/// use genred::device::{Device, DeviceArray};
/// let x = DeviceArray::upload(&Device::first()?, &View::new(&[1.0, 2.0], 2, 1)?)?;
/// assert_eq!(x.download()?, [1.0, 2.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Debug)]
pub struct DeviceArray<T> {
    memory: Memory,
    device: Arc<Device>,
    rows: usize,
    dim: usize,
    element: PhantomData<fn(T)>,
}

/// Access to an array on a device: `rows` points of `dim` components of any stride.
///
/// ```no_run
/// # fn show(x: &genred::device::DeviceArray<f32>) {
/// let view: genred::device::DeviceView<'_, f32> = x.view();
/// assert_eq!((view.rows(), view.dim()), (x.rows(), x.dim()));
/// # }
/// ```
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
///
/// ```no_run
/// # use genred::{Kernel, device::{DeviceArray, DeviceViewMut}};
/// # fn show(kernel: &Kernel<f32>, x: &DeviceArray<f32>, a: &mut DeviceArray<f32>) -> Result<(), genred::Error> {
/// let out: DeviceViewMut<'_, f32> = a.view_mut();
/// // SAFETY: the default stream lives as long as the device; `a` is read by `download` only, which waits.
/// unsafe { kernel.queue_on_device(&[x.view(), x.view()], Some(out), None, 0)? };
/// println!("{:?}", a.download()?);
/// # Ok::<(), genred::Error>(())
/// # }
/// ```
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
    /// ```no_run
    /// use genred::device::{Device, DeviceArray};
    /// let a = DeviceArray::<f32>::new(&Device::first()?, 1_000, 3)?;
    /// assert_eq!((a.rows(), a.dim()), (1_000, 3));
    /// # Ok::<(), genred::Error>(())
    /// ```
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
    /// ```no_run
    /// use genred::View;
    /// use genred::device::{Device, DeviceArray};
    /// let x = DeviceArray::upload(&Device::first()?, &View::new(&[1.0f64; 6], 2, 3)?)?;
    /// assert_eq!(x.download()?, [1.0; 6]);
    /// # Ok::<(), genred::Error>(())
    /// ```
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
    ///
    /// ```no_run
    /// # use genred::{Kernel, device::DeviceArray};
    /// # fn show(kernel: &Kernel<f32>, x: &DeviceArray<f32>, y: &DeviceArray<f32>) -> Result<(), genred::Error> {
    /// let a = kernel.call_on_device(&[x.view(), y.view()])?;
    /// assert_eq!(a.rows(), x.rows());
    /// # Ok::<(), genred::Error>(())
    /// # }
    /// ```
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
    ///
    /// ```no_run
    /// # use genred::{Kernel, device::DeviceArray};
    /// # fn show(kernel: &Kernel<f32>, x: &DeviceArray<f32>) -> Result<(), genred::Error> {
    /// let mut a = DeviceArray::new(&kernel.device()?, x.rows(), kernel.dim())?;
    /// // SAFETY: the default stream lives as long as the device; `a` is read by `download` only, which waits.
    /// unsafe { kernel.queue_on_device(&[x.view(), x.view()], Some(a.view_mut()), None, 0)? };
    /// assert_eq!(a.download()?.len(), x.rows() * kernel.dim());
    /// # Ok::<(), genred::Error>(())
    /// # }
    /// ```
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
    ///
    /// ```no_run
    /// use genred::device::{Device, DeviceArray};
    /// assert_eq!(DeviceArray::<f32>::new(&Device::first()?, 5, 3)?.rows(), 5);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Components of a row.
    ///
    /// ```no_run
    /// use genred::device::{Device, DeviceArray};
    /// assert_eq!(DeviceArray::<f32>::new(&Device::first()?, 5, 3)?.dim(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Where its memory is, for other CUDA libraries: a `CUdeviceptr` of the device's primary context.
    ///
    /// ```no_run
    /// use genred::device::{Device, DeviceArray};
    /// assert_ne!(DeviceArray::<f32>::new(&Device::first()?, 5, 3)?.address(), 0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn address(&self) -> u64 {
        self.memory.address()
    }
}

impl<T: Element> DeviceArray<T> {
    /// A copy of an array of the host.
    ///
    /// ```no_run
    /// use genred::View;
    /// use genred::device::{Device, DeviceArray};
    /// let x = [1.0f32, 2.0, 3.0, 4.0];
    /// // Any strides: the second column.
    /// let x = DeviceArray::upload(&Device::first()?, &View::strided(&x[1..], 2, 1, 2)?)?;
    /// assert_eq!(x.download()?, [2.0, 4.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
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
    ///
    /// ```no_run
    /// # fn show(x: &genred::device::DeviceArray<f32>) {
    /// assert_eq!(x.view().rows(), x.rows());
    /// # }
    /// ```
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Components of a row.
    ///
    /// ```no_run
    /// # fn show(x: &genred::device::DeviceArray<f32>) {
    /// assert_eq!(x.view().dim(), x.dim());
    /// # }
    /// ```
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Access to memory of another owner, a slice of another CUDA library for instance: strides are in elements.
    ///
    /// ```no_run
    /// use genred::device::DeviceView;
    /// # fn show(x: &genred::device::DeviceArray<f32>) {
    /// // Every second row.
    /// // SAFETY: all of these elements are elements of `x`.
    /// let some: DeviceView<'_, f32> = unsafe { DeviceView::from_raw(x.address(), x.rows() / 2, x.dim(), 2 * x.dim() as isize, 1) };
    /// assert_eq!(some.rows(), x.rows() / 2);
    /// # }
    /// ```
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
    /// ```no_run
    /// use genred::device::DeviceViewMut;
    /// # fn show(kernel: &genred::Kernel<f32>, x: genred::device::DeviceView<'_, f32>, address: u64, stream: usize) -> Result<(), genred::Error> {
    /// // SAFETY: the caller has room for the result there, alive until `stream` has done the work.
    /// unsafe {
    ///     let out = DeviceViewMut::from_raw(address, x.rows(), kernel.dim());
    ///     kernel.queue_on_device(&[x, x], Some(out), None, stream)?;
    /// }
    /// # Ok::<(), genred::Error>(())
    /// # }
    /// ```
    ///
    /// # Safety
    /// As for [`DeviceView::from_raw`]; besides nothing else may use the memory until the work of the call is done.
    pub unsafe fn from_raw(address: u64, rows: usize, dim: usize) -> DeviceViewMut<'a, T> {
        DeviceViewMut { address, rows, dim, on: None, lifetime: PhantomData }
    }
}
