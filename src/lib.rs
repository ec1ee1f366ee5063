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

mod compile;
#[doc(hidden)]
pub mod cpu;
mod engine;
#[doc(hidden)]
pub mod eval;
#[doc(hidden)]
pub mod formula;
#[doc(hidden)]
pub mod loops;
pub mod reduce;
#[doc(hidden)]
pub mod schedule;
#[doc(hidden)]
pub mod syntax;

pub mod expr;
pub mod generic;
pub mod genred;
pub mod gradient;
pub mod kernel;
pub mod partial;
pub mod view;

pub use array::Array;
pub use cache::{Cache, Origin};
pub use dtype::{DType, Element, Float};
pub use error::{Error, ErrorKind};
pub use generic::{generic_argkmin, generic_argmin, generic_logsumexp, generic_sum, k_of_output};
pub use genred::{Axis, Backend, Genred};
pub use gradient::{Gradient, Tangent};
pub use kernel::{Kernel, Stage, Stats};
pub use partial::Partial;
pub use reduce::{Accumulate, Reduction};
pub use view::{View, ViewMut};
