//! Reductions over all pairs of points, compiled from a formula string.

#[doc(hidden)]
pub mod alias;
pub mod array;
pub mod cache;
pub mod dtype;
pub mod error;
#[doc(hidden)]
pub mod limits;
#[doc(hidden)]
pub mod span;

#[doc(hidden)]
pub mod cpu;
#[doc(hidden)]
pub mod formula;
#[doc(hidden)]
pub mod loops;
pub mod reduce;
#[doc(hidden)]
pub mod schedule;
#[doc(hidden)]
pub mod syntax;

pub mod view;

pub use array::Array;
pub use cache::Cache;
pub use dtype::{DType, Element, Float};
pub use error::{Error, ErrorKind};
pub use reduce::{Accumulate, Reduction};
pub use view::{View, ViewMut};
