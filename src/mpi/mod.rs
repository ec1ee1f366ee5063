//! Reductions over the ranks of an MPI job (feature `mpi`): every rank has some of the rows and some of the columns.
//!
//! The rows of the whole reduction are those of rank 0, then those of rank 1, and so on; so are the columns. [`reduce`] gives each rank the
//! results of its own rows, with the bits that one process computes from all of them. A rank keeps its rows and their accumulators;
//! the columns pass by in pieces of a few megabytes, gathered by all ranks at once, so none ever holds all of them.
//!
//! Before any column moves the ranks compare kernels, shapes and parameters. Whatever is wrong on one of them is the same error on all, and
//! none waits for another. [`run`] does the same for the rest of a program: a rank that fails ends the job.
//!
//! ```
//! use genred::{Error, View, generic_sum};
//! genred::mpi::run(|world| {
//!     let kde = generic_sum::<f64>("Exp(-SqDist(x, y))", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//!     // This rank's points. Everywhere else there may be other numbers of them, or none.
//!     let (x, y) = ([0.5, 1.0], [0.25, 0.5, 0.75]);
//!     let args = [View::new(&x, 2, 1)?, View::new(&y, 3, 1)?];
//!     let a = genred::mpi::reduce(world, &kde, &args)?;
//!     assert_eq!(a.rows(), 2);
//!     # if genred::mpi::rsmpi::traits::Communicator::size(world) == 1 {
//!     #     assert_eq!(a, kde.call(&args)?);
//!     # }
//!     Ok::<(), Error>(())
//! })?;
//! # Ok::<(), Error>(())
//! ```

mod call;
mod columns;
mod ranks;

/// The crate `mpi` that communicators are of.
pub use ::mpi as rsmpi;

use crate::array::Array;
use crate::dtype::Element;
use crate::error::Error;
use crate::kernel::Kernel;
use crate::reduce::Outputs;
use crate::view::View;
use ::mpi::Threading;
use ::mpi::topology::{Communicator, SimpleCommunicator};
use call::{Call, Results, Wanted};
use ranks::Ranks;
use std::fmt::Display;

/// Start MPI, do the work of this rank, and end the job with a message if it fails.
///
/// A rank that only returned, by an error or a panic, would wait at MPI's end for the others, and they for it. Here an error or a panic of
/// `work` is printed with the number of the rank, and all ranks end with an exit status that is not zero. A rank that is killed, or calls
/// [`std::process::exit`], is for the launcher to notice: `mpirun` does, `srun` does with `--kill-on-bad-exit`.
///
/// Programs that start MPI themselves see to that themselves; the functions of this module work with any communicator.
///
/// ```
/// use genred::mpi::rsmpi::traits::Communicator;
/// genred::mpi::run(|world| {
///     assert!(world.rank() < world.size());
///     Ok::<(), std::io::Error>(())
/// })?;
/// assert!(genred::mpi::run(|_| Ok::<(), std::io::Error>(())).is_err(), "MPI starts once");
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// `Usage` if MPI was started before in this process.
pub fn run<E: Display>(
    work: impl FnOnce(&SimpleCommunicator) -> Result<(), E>,
) -> Result<(), Error> {
    // Kernels have threads, but only this one talks to MPI.
    let (universe, _) = ::mpi::initialize_with_threading(Threading::Funneled)
        .ok_or_else(|| Error::usage("MPI has been started before, and starts once in a process"))?;
    let world = universe.world();
    let ranks = Ranks::new(&world);
    match work(&world) {
        Ok(()) => Ok(()),
        Err(error) => ranks.abort(&format!("failed: {error}")),
    }
}

/// The results of this rank's rows, reduced over the columns of all ranks: values, or for index reductions the indices in the dtype.
///
/// `args` are in the order of the aliases: this rank's points for arguments of rows and of columns, and the same values on every rank for
/// parameters. All ranks of the communicator call this at the same time with equal kernels. Numbers of rows and columns may differ, and be 0.
/// Indices, `IndexI` and `IndexJ` count the points of all ranks.
///
/// If the formula has no argument of rows, the result's one row is on every rank; if it has none of columns, there is one column, as in any call.
///
/// ```
/// use genred::{Error, Reduction, Genred, View};
/// genred::mpi::run(|world| {
///     // The mean of numbers that lie on all ranks, weighted.
///     let mean = Genred::<f64>::reduction(Reduction::SumSoftMaxWeight, "w").weight("y")
///         .output("a = Vi(1)").aliases(["w = Vj(1)", "y = Vj(1)"]).compile()?;
///     let (w, y) = ([0.0, 0.0], [1.0, 3.0]);
///     let a = genred::mpi::reduce(world, &mean, &[View::new(&w, 2, 1)?, View::new(&y, 2, 1)?])?;
///     assert_eq!(a.as_slice(), [2.0]);
///     Ok::<(), Error>(())
/// })?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// The same on every rank. That of the first rank that has one, with its number: `Shape` if its arguments do not fit the aliases, naming them,
/// `Limit` or `Shape` if it has no memory, `Device` if its engine is not one of the CPU. `Usage` if kernels or parameters are not equal. `Range` if
/// the dtype cannot hold every index exactly.
///
/// # Panics
/// Not by itself; but a panic on one rank, of a thread pool that cannot start for example, ends the job with a message.
pub fn reduce<T: Element>(
    communicator: &dyn Communicator,
    kernel: &Kernel<T>,
    args: &[View<'_, T>],
) -> Result<Array<T>, Error> {
    let index_reduction = kernel.reduction().outputs() == Outputs::Indices;
    let wanted = if index_reduction { Wanted::InDtype } else { Wanted::Values };
    let Results { rows, values, .. } = Call { kernel, args, wanted }.run(communicator)?;
    Array::from_vec(rows, kernel.dim(), values)
}

/// Exact indices of an index reduction among the columns of all ranks, for this rank's rows; see [`reduce`] and [`Kernel::call_indices`].
///
/// ```
/// use genred::{Error, View, generic_argmin};
/// genred::mpi::run(|world| {
///     let nearest = generic_argmin::<f32>("SqDist(x, y)", "k = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
///     let (x, y) = ([4.0], [1.0, 5.0]);
///     let args = [View::new(&x, 1, 1)?, View::new(&y, 2, 1)?];
///     assert_eq!(genred::mpi::reduce_indices(world, &nearest, &args)?.as_slice(), [1]);
///     Ok::<(), Error>(())
/// })?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// As [`reduce`], and `Usage` if the reduction gives no indices.
pub fn reduce_indices<T: Element>(
    communicator: &dyn Communicator,
    kernel: &Kernel<T>,
    args: &[View<'_, T>],
) -> Result<Array<i64>, Error> {
    let call = Call { kernel, args, wanted: Wanted::Indices };
    let Results { rows, indices, .. } = call.run(communicator)?;
    Array::from_vec(rows, kernel.dim(), indices)
}

/// Values and exact indices of a selection, for this rank's rows; see [`reduce`] and [`Kernel::call_both`].
///
/// ```
/// use genred::{Error, Genred, Reduction, View};
/// genred::mpi::run(|world| {
///     let nearest = Genred::<f32>::reduction(Reduction::MinArgMin, "SqDist(x, y)")
///         .output("a = Vi(1)").alias("x = Vi(1)").alias("y = Vj(1)").compile()?;
///     let (x, y) = ([4.0], [1.0, 5.0]);
///     let args = [View::new(&x, 1, 1)?, View::new(&y, 2, 1)?];
///     let (values, indices) = genred::mpi::reduce_both(world, &nearest, &args)?;
///     assert_eq!((values[(0, 0)], indices[(0, 0)]), (1.0, 1));
///     Ok::<(), Error>(())
/// })?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// As [`reduce`], and `Usage` if the reduction is not a selection.
pub fn reduce_both<T: Element>(
    communicator: &dyn Communicator,
    kernel: &Kernel<T>,
    args: &[View<'_, T>],
) -> Result<(Array<T>, Array<i64>), Error> {
    let call = Call { kernel, args, wanted: Wanted::Both };
    let Results { rows, values, indices } = call.run(communicator)?;
    let values = Array::from_vec(rows, kernel.dim(), values)?;
    Ok((values, Array::from_vec(rows, kernel.dim(), indices)?))
}
