//! The native half of the Python package `genred`: options are read, arrays borrowed and results lent back; everything else is the
//! crate's. The Python half (`package/genred`) documents what is here.
//!
//! # Invariant
//!
//! An array is borrowed through rust-numpy before a view of it is made, and stays borrowed until the call is over, so no array is
//! read after it was freed or while another call of this package writes into it. The interpreter is released while a kernel is
//! compiled and while it runs.

mod arguments;
mod errors;
mod gradient;
mod kernels;
mod operation;
mod options;
mod ranges;
mod results;
mod solve;
mod threads;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::gradient::Gradient;
    #[pymodule_export]
    use super::operation::Operation;
    #[pymodule_export]
    use super::options::{dims_of, largest_formula};
    #[pymodule_export]
    use super::threads::{after_fork, set_threads, threads};

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
