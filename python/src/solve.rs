//! Linear systems: one call of the crate's solver.

use crate::arguments::{self, Given};
use crate::errors;
use crate::kernels::Stored;
use crate::operation::{Operation, released};
use crate::results::{self, Columns};
use genred::{Backend, KernelSolve, Preconditioner};
use pyo3::prelude::*;

/// What a solve is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) vector: &'a str,
    pub(crate) alpha: f64,
    pub(crate) eps: Option<f64>,
    pub(crate) max_iterations: Option<usize>,
    pub(crate) rank: Option<usize>,
}

/// The solution, the largest relative residual and the number of iterations.
pub(crate) fn call<'py, T: Stored>(
    operation: &Operation,
    py: Python<'py>,
    given: &[Given<'_, 'py>],
    settings: Settings<'_>,
) -> PyResult<(Bound<'py, PyAny>, f64, usize)> {
    let kernel = operation.kernel::<T>(py, Backend::Auto)?;
    let borrowed = arguments::borrow::<T>(given)?;
    let views = arguments::views(py, &borrowed, given)?;
    let solve = KernelSolve::new(kernel, settings.vector).map_err(|e| errors::of(py, &e))?;
    let mut solve = solve.alpha(settings.alpha);
    if let Some(eps) = settings.eps {
        solve = solve.eps(eps);
    }
    if let Some(iterations) = settings.max_iterations {
        solve = solve.max_iterations(iterations);
    }
    if let Some(rank) = settings.rank {
        solve = solve.precondition(Preconditioner::Nystrom(rank));
    }
    let solution = released(py, || solve.call(&views))?;
    let (residual, iterations) = (solution.residual(), solution.iterations());
    let dim = kernel.dim();
    Ok((results::lend(py, solution.into_values(), Columns::Plain(dim)), residual, iterations))
}
