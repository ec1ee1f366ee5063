//! Reductions over all pairs of points, `a_i = Reduce_j F(x_i, y_j, p)`, compiled from a formula string in about a millisecond,
//! without a toolchain and without ever building the M x N matrix.
//!
//! ```
//! use genred::{View, generic_sum};
//! // A Gaussian kernel density: for every point x_i the sum over all y_j.
//! let kde = generic_sum::<f32>("Exp(-g * SqDist(x, y))", "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)", "g = Pm(1)"])?;
//! let (x, y) = (vec![0.25f32; 100 * 3], vec![0.75f32; 200 * 3]);
//! let a = kde.call(&[View::new(&x, 100, 3)?, View::new(&y, 200, 3)?, View::vector(&[2.0])])?;
//! assert!((a[(0, 0)] - 200.0 * (-1.5f32).exp()).abs() < 1e-3);
//! # Ok::<(), genred::Error>(())
//! ```
//!
//! [`generic_sum`], [`generic_logsumexp`], [`generic_argmin`] and [`generic_argkmin`] cover the common reductions; [`Genred`] builds any
//! [`Reduction`] with every option. A [`Kernel`] is called on [`View`]s: slices with a shape and strides, or ndarray views.
//! [`Kernel::grad`] and [`Kernel::diff`] differentiate a whole reduction; [`Kernel::partial`] computes it in pieces, anywhere; [`KernelSolve`]
//! solves the linear system of one that is linear in an argument. A mistake is an
//! [`Error`] that shows the place and names the alias and the dims.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | one reduction of a formula | [`generic_sum`] and its siblings; [`Genred`] with every [`Reduction`] and option |
//! | the language of formulas | the table of operations in the README, or `genred ops`; [`expr`] builds formulas in Rust |
//! | arrays | [`View`], [`ViewMut`], [`Array`]; ndarray arrays become views by `into` |
//! | many problems of one shape | [`Kernel::call_batch`] |
//! | some of the pairs only | [`Genred::keep`] for conditions on indices, [`Ranges`] and [`cluster`] for blocks |
//! | derivatives | [`Kernel::grad`], [`Kernel::diff`]; `Grad(..)` inside formulas |
//! | arrays larger than memory | [`Kernel::stream`], [`npy`] |
//! | pieces of a result, made anywhere | [`Kernel::partial`] |
//! | points on the ranks of an MPI job | the module `mpi`, with the feature of that name |
//! | linear systems | [`KernelSolve`] |
//! | NVIDIA devices, or a particular CPU engine | [`Backend`] |
//! | what was compiled, and for what | [`Kernel::explain`], [`Kernel::stats`] |
//! | kernels that outlive the process | [`cache`] |
//!
//! # Mistakes
//!
//! ```
//! let mistake = genred::generic_sum::<f32>("Expp(x)", "a = Vi(1)", &["x = Vi(1)"]);
//! let error = mistake.expect_err("there is no such operation");
//! assert_eq!(error.kind(), genred::ErrorKind::Syntax);
//! assert_eq!(
//!     error.to_string(),
//!     "unknown operation `Expp`\n  formula: Expp(x)\n           ^^^^\n  help: did you mean `Exp`?"
//! );
//! ```
//!
//! No formula, array or file makes it panic: a call gives the result, or says why not.
//!
//! # Features and variables
//!
//! The feature `ndarray` (on by default) converts between views and ndarray arrays, `cli` (on by default) builds the tool `genred`; a library that
//! needs neither turns default features off. The feature `mpi` (off by default) distributes reductions, and needs an MPI library and libclang to build. `GENRED_CPU` names the one CPU engine to use, `GENRED_CACHE` and its like are in [`cache`],
//! `RAYON_NUM_THREADS` bounds the threads; `genred doctor` prints what is set and what it leads to.
//! A program with more rights than its user (set-user-ID, for one) reads none of the variables of `genred`.
//!
//! # The way down
//!
//! A formula is parsed into a flat tree (`syntax`) and typed into a graph of operations on vectors of known length, each with how
//! often it changes: never, once a call, with the row, with the column, with the pair (`formula`). For a reduction (`reduce`) it is
//! lowered to one small scalar program, staged by how often each value changes (`loops`). A schedule lays the program over a
//! machine: what runs along vector lanes, how many rows and columns a register tile holds (`schedule`). Three native engines emit it:
//! Cranelift with 128-bit vectors everywhere, an emitter of our own with 256 and 512 bits on x86-64 (`cpu`). The code is kept in memory
//! and on disk ([`cache`]), and a call packs its arrays into tiles and sweeps groups of rows over them in parallel (`cpu::launch`).
//! The file `compile.rs` names each step in order; [`Kernel::explain`] shows what each made of a formula.
//!
//! `eval` is the definition of what formulas mean: an interpreter in float64 that shares no code with the lowering. Every engine is
//! tested against it, and all engines agree with each other bit for bit.
//!
//! # What always holds
//!
//! * Parsing touches no file and no clock, never recurses, and never panics, whatever the text.
//! * Every input is checked before a pointer is formed; nothing outside a view is ever read.
//! * A row's result depends on its own inputs, the columns and the shape class alone: not on the number of threads, on other rows, or
//!   on how the arrays are laid out.
//! * A compile or a call never fails because of the cache.
//! * Nothing silently changes the accuracy of an algorithm: squared distances are sums of squared differences.

#![allow(rustdoc::private_intra_doc_links, reason = "hidden modules name their own parts")]

#[doc(hidden)]
pub mod alias;
pub mod array;
pub mod cache;
pub mod cluster;
pub mod dtype;
pub mod error;
#[doc(hidden)]
pub mod limits;
#[doc(hidden)]
pub mod span;

mod compile;
#[doc(hidden)]
pub mod cpu;
#[doc(hidden)]
pub mod cuda;
/// Devices, and arrays on them: what [`Kernel::call_on_device`] takes. Not yet measured on hardware.
///
/// ```no_run
/// println!("{}", genred::device::available()?);
/// # Ok::<(), genred::Error>(())
/// ```
pub mod device {
    pub use crate::cuda::launch::{DeviceArray, DeviceView, DeviceViewMut};
    pub use crate::cuda::nvrtc::{Arch, Version};
    pub use crate::cuda::{Device, DeviceInfo, Driver, available};
    pub use crate::kernel::DeviceTimes;
}
mod engine;
mod environment;
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

pub mod batch;
pub mod expr;
pub mod generic;
pub mod genred;
pub mod gradient;
pub mod kernel;
#[doc(hidden)]
mod launch;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod npy;

pub mod partial;
pub mod ranges;
pub mod several;
pub mod solve;
pub mod stream;
pub mod view;
mod wire;

pub use array::Array;
pub use batch::{BatchArray, BatchView};
pub use cache::{Cache, Origin};
pub use dtype::{DType, Element, Float};
pub use error::{Error, ErrorKind};
pub use generic::{generic_argkmin, generic_argmin, generic_logsumexp, generic_sum, k_of_output};
pub use genred::{Axis, Backend, Genred};
pub use gradient::{Gradient, Tangent};
pub use kernel::{Kernel, Stage, Stats};
pub use partial::Partial;
pub use ranges::{RangeArrays, Ranged, RangedGradient, Ranges};
pub use reduce::{Accumulate, Reduction};
pub use several::{Reduced, Several};
pub use solve::{KernelSolve, Preconditioner, Solution};
pub use stream::{Cancel, Chunks, Pieces, Progress, Sink, Sinks, Source, Stream};
pub use view::{View, ViewMut};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
