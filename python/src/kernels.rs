//! The compiled kernels of one operation: at most one for each dtype and back end, compiled when first called.

use crate::gradient::ByType;
use genred::{Backend, Element, Error, Genred, Gradient, Kernel};
use half::f16;
use std::sync::OnceLock;

const BACKENDS: usize = Backend::ALL.len();

/// Kernels for arrays of `T`, by back end.
#[derive(Debug, Default)]
pub(crate) struct Kernels<T>([OnceLock<Kernel<T>>; BACKENDS]);

/// Kernels for every dtype.
#[derive(Debug, Default)]
pub(crate) struct All {
    f16: Kernels<f16>,
    f32: Kernels<f32>,
    f64: Kernels<f64>,
}

/// An element type of NumPy arrays that kernels take.
pub(crate) trait Stored: Element + numpy::Element {
    /// The kernels for it.
    fn of(all: &All) -> &Kernels<Self>;
    /// A gradient for it.
    fn gradient(all: &ByType) -> &OnceLock<Gradient<Self>>;
}

impl Stored for f16 {
    fn of(all: &All) -> &Kernels<f16> {
        &all.f16
    }

    fn gradient(all: &ByType) -> &OnceLock<Gradient<f16>> {
        &all.f16
    }
}

impl Stored for f32 {
    fn of(all: &All) -> &Kernels<f32> {
        &all.f32
    }

    fn gradient(all: &ByType) -> &OnceLock<Gradient<f32>> {
        &all.f32
    }
}

impl Stored for f64 {
    fn of(all: &All) -> &Kernels<f64> {
        &all.f64
    }

    fn gradient(all: &ByType) -> &OnceLock<Gradient<f64>> {
        &all.f64
    }
}

impl<T: Element> Kernels<T> {
    fn slot(&self, backend: Backend) -> &OnceLock<Kernel<T>> {
        &self.0[backend as usize]
    }

    /// The kernel, if it is compiled.
    pub(crate) fn ready(&self, backend: Backend) -> Option<&Kernel<T>> {
        self.slot(backend).get()
    }

    /// Compile, or wait for the thread that does: the crate's cache compiles equal requests once.
    pub(crate) fn compile(
        &self,
        backend: Backend,
        request: impl FnOnce() -> Genred<T>,
    ) -> Result<&Kernel<T>, Error> {
        let kernel = request().backend(backend).compile()?;
        Ok(self.slot(backend).get_or_init(|| kernel))
    }
}
