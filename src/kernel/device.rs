//! Calls on arrays that are in a device's memory already.

use super::{Extent, Kernel, Shape};
use crate::compile;
use crate::cuda::floor::PairWork;
use crate::cuda::launch::{DeviceArray, DeviceCall, DeviceView, DeviceViewMut};
use crate::cuda::{Device, Launcher};
use crate::dtype::Element;
use crate::engine::{Compiled, Engine};
use crate::error::Error;
use crate::reduce::Outputs;
use crate::schedule;
use std::sync::Arc;

/// What calls on a device took: [`Kernel::time_on_device`].
///
/// ```no_run
/// # use genred::{Kernel, device::{DeviceArray, DeviceTimes}};
/// # fn show(kernel: &Kernel<f32>, x: &DeviceArray<f32>) -> Result<(), genred::Error> {
/// let DeviceTimes { milliseconds, floor, .. } = kernel.time_on_device(&[x.view(), x.view()], 10)?;
/// assert!(milliseconds.iter().all(|time| f64::from(*time) >= floor));
/// # Ok::<(), genred::Error>(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceTimes {
    /// Milliseconds of each call, by the device's own events.
    pub milliseconds: Vec<f32>,
    /// Milliseconds below which the operations of all pairs cannot stay at the device's highest clock.
    pub floor: f64,
    /// Sums, products and fused ones of a pair.
    pub ffma: u64,
    /// Functions, divisions and roots of a pair.
    pub mufu: u64,
}

impl<T: Element> Kernel<T> {
    /// The device that arrays of calls on a device have to be on.
    ///
    /// ```
    /// use genred::{Backend, Genred};
    /// let sum = Genred::<f32>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// assert!(sum.backend(Backend::Cpu).compile()?.device().is_err());
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if the kernel was not compiled for [`Backend::Cuda`](crate::Backend::Cuda).
    pub fn device(&self) -> Result<Arc<Device>, Error> {
        launcher(&self.inner.by_rows).map(|launcher| Arc::clone(launcher.device()))
    }

    /// The values of a call whose arrays are on the [device](Kernel::device); they stay there. Nothing is copied, and of several devices
    /// the first does the work.
    ///
    /// ```no_run
    /// use genred::device::DeviceArray;
    /// use genred::{Backend, Genred, View};
    /// let kde = Genred::<f32>::sum("Exp(-SqDist(x, y))").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .backend(Backend::Cuda).compile()?;
    /// let device = kde.device()?;
    /// let x = DeviceArray::upload(&device, &View::new(&[0.0, 1.0], 2, 1)?)?;
    /// let a = kde.call_on_device(&[x.view(), x.view()])?;
    /// assert!((a.download()?[0] - 1.0 - (-1.0f32).exp()).abs() < 1e-6);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if the kernel does not run on a device, an array is on another one, or the reduction gives indices only; `Shape` if
    /// arguments do not fit the aliases; `Device` if the device fails or its memory does not suffice.
    pub fn call_on_device(&self, args: &[DeviceView<'_, T>]) -> Result<DeviceArray<T>, Error> {
        if self.reduction().outputs() == Outputs::Indices {
            let message = format!("`{}` gives indices, not values", self.reduction().name());
            return Err(Error::usage(message).help("`call_indices_on_device` returns them"));
        }
        let (launcher, shape) = self.launcher_for(args)?;
        let mut values = DeviceArray::new(launcher.device(), shape.rows, self.dim())?;
        launcher.run_on_device(&call(args, shape, Some(values.view_mut()), None))?;
        Ok(values)
    }

    /// The exact indices of such a call; -1 where there is no such column.
    ///
    /// ```no_run
    /// use genred::device::DeviceArray;
    /// use genred::{Backend, Genred, View};
    /// let nearest = Genred::<f32>::argmin("SqDist(x, y)").output("k = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .backend(Backend::Cuda).compile()?;
    /// let x = DeviceArray::upload(&nearest.device()?, &View::new(&[0.0, 1.0], 2, 1)?)?;
    /// let k = nearest.call_indices_on_device(&[x.view(), x.view()])?;
    /// assert_eq!(k.download()?, [0, 1]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if the reduction gives no indices; otherwise as [`call_on_device`](Kernel::call_on_device).
    pub fn call_indices_on_device(
        &self,
        args: &[DeviceView<'_, T>],
    ) -> Result<DeviceArray<i64>, Error> {
        self.check_gives_indices()?;
        let (launcher, shape) = self.launcher_for(args)?;
        let mut indices = DeviceArray::new(launcher.device(), shape.rows, self.dim())?;
        launcher.run_on_device(&call(args, shape, None, Some(indices.view_mut())))?;
        Ok(indices)
    }

    /// Queue such a call on a stream of the caller's (a `CUstream` of the device's primary context as a number, 0 for the default
    /// one), into arrays of the caller's; returns before it is done. Allocates nothing once buffers have grown.
    ///
    /// ```no_run
    /// use genred::device::DeviceArray;
    /// use genred::{Backend, Genred, View};
    /// let sum = Genred::<f32>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .backend(Backend::Cuda).compile()?;
    /// let x = DeviceArray::upload(&sum.device()?, &View::new(&[1.0, 2.0], 2, 1)?)?;
    /// let mut a = DeviceArray::new(&sum.device()?, 2, 1)?;
    /// // SAFETY: the default stream lives as long as the device, and `download` waits for it.
    /// unsafe { sum.queue_on_device(&[x.view(), x.view()], Some(a.view_mut()), None, 0)? };
    /// assert_eq!(a.download()?, [3.0, 6.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call_on_device`](Kernel::call_on_device), besides if an output array has not the result's shape. What the device fails at
    /// may only show when the stream is waited for.
    ///
    /// # Safety
    /// The stream must be alive, and all arrays must stay until it has done the work; nothing else may write to them until then, and
    /// nothing else may use the output arrays.
    pub unsafe fn queue_on_device(
        &self,
        args: &[DeviceView<'_, T>],
        values: Option<DeviceViewMut<'_, T>>,
        indices: Option<DeviceViewMut<'_, i64>>,
        stream: usize,
    ) -> Result<(), Error> {
        let (launcher, shape) = self.launcher_for(args)?;
        // SAFETY: the caller vouches for the stream and the arrays.
        unsafe { launcher.queue(&call(args, shape, values, indices), stream) }
    }

    /// Call on arrays on the device so many times in a row, and say how long each call took there.
    ///
    /// ```no_run
    /// # use genred::{Kernel, device::DeviceArray};
    /// # fn show(kernel: &Kernel<f32>, x: &DeviceArray<f32>, y: &DeviceArray<f32>) -> Result<(), genred::Error> {
    /// let times = kernel.time_on_device(&[x.view(), y.view()], 10)?;
    /// println!("{:?} ms, at least {} ms", times.milliseconds, times.floor);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`call_on_device`](Kernel::call_on_device).
    pub fn time_on_device(
        &self,
        args: &[DeviceView<'_, T>],
        times: usize,
    ) -> Result<DeviceTimes, Error> {
        let (launcher, shape) = self.launcher_for(args)?;
        let work: PairWork = compile::device::work(&self.inner.plan)?;
        let (rows, dim, device) = (shape.rows, self.dim(), launcher.device());
        let selects = self.reduction().outputs() != Outputs::Values;
        let mut indices = selects.then(|| DeviceArray::new(device, rows, dim)).transpose()?;
        let wants_values = self.reduction().outputs() != Outputs::Indices;
        let mut values = wants_values.then(|| DeviceArray::new(device, rows, dim)).transpose()?;
        let (values, indices) = (
            values.as_mut().map(DeviceArray::view_mut),
            indices.as_mut().map(DeviceArray::view_mut),
        );
        let milliseconds = launcher.time_on_device(&call(args, shape, values, indices), times)?;
        let pairs = rows as f64 * shape.columns as f64;
        let floor = work.milliseconds(pairs, device.info());
        Ok(DeviceTimes { milliseconds, floor, ffma: work.ffma, mufu: work.mufu })
    }

    /// The launcher and the shape of a call on arrays on a device, which are checked against the aliases.
    fn launcher_for(&self, args: &[DeviceView<'_, T>]) -> Result<(&Launcher, Shape), Error> {
        launcher(&self.inner.by_rows)?;
        let extent = |view: &DeviceView<'_, T>| Extent {
            rows: view.rows(),
            dim: view.dim(),
            is_vector: false,
        };
        let shape = self.check_extents(args.iter().map(extent))?;
        let lanes = schedule::lanes(shape.rows, shape.columns);
        Ok((launcher(self.compiled(lanes)?)?, shape))
    }
}

fn launcher(compiled: &Compiled) -> Result<&Launcher, Error> {
    match &compiled.engine {
        Engine::Cuda(launcher) => Ok(launcher),
        _ => {
            let engine = &compiled.notes.engine;
            let message = format!("this kernel runs on `{engine}`, not on a device");
            Err(Error::usage(message).help("`.backend(Backend::Cuda)` compiles it for one"))
        }
    }
}

fn call<'a, T>(
    inputs: &'a [DeviceView<'a, T>],
    shape: Shape,
    values: Option<DeviceViewMut<'a, T>>,
    indices: Option<DeviceViewMut<'a, i64>>,
) -> DeviceCall<'a, T> {
    DeviceCall { inputs, rows: shape.rows, columns: shape.columns, values, indices }
}
