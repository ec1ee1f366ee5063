//! Reductions over all pairs of points, compiled from a formula string.

pub mod dtype;
#[doc(hidden)]
pub mod limits;
#[doc(hidden)]
pub mod span;

#[doc(hidden)]
pub mod cpu;
pub mod error;
#[doc(hidden)]
pub mod formula;
#[doc(hidden)]
pub mod loops;
#[doc(hidden)]
pub mod reduce;
#[doc(hidden)]
pub mod schedule;

pub use dtype::{DType, Element, Float};
pub use reduce::{Accumulate, Reduction};
