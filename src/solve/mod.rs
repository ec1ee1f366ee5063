//! Linear systems of kernels: `(alpha I + K) a = b`, where K is a sum over pairs that is linear in one argument.
//!
//! K is never stored: [conjugate gradients](conjugate) need only its product with a vector, which is one call of the kernel. What they
//! claim is checked before it is returned: the residual of a [`Solution`] is computed from the numbers that are returned, not carried
//! along by the iteration. Vectors are kept in float64 and every sum runs in one fixed order, so a solution has the same bits for any
//! number of threads.
//!
//! ```
//! use genred::{KernelSolve, View, generic_sum};
//! // Values 1, 2, 4 at the points 0, 1, 2, interpolated.
//! let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
//! let (x, b) = (View::new(&[0.0, 1.0, 2.0], 3, 1)?, View::new(&[1.0, 2.0, 4.0], 3, 1)?);
//! let a = KernelSolve::new(&kernel, "b")?.eps(1e-10).call(&[x, x, b])?.into_values();
//! let at_the_points = kernel.call(&[x, x, a.view()])?;
//! assert!((at_the_points[(2, 0)] - 4.0).abs() < 1e-8);
//! # Ok::<(), genred::Error>(())
//! ```

mod conjugate;
mod factor;
mod gradient;
mod operator;
mod precondition;
mod solution;

pub use gradient::SolveGradient;
pub use solution::Solution;

use crate::alias::Category;
use crate::dtype::{DType, Element};
use crate::error::{Error, ErrorKind, quoted};
use crate::formula::grad::{Coupling, coupling};
use crate::kernel::Kernel;
use crate::limits;
use crate::reduce::Reduction;
use crate::span::Span;
use crate::view::View;
use operator::Operator;

/// What makes conjugate gradients need fewer iterations.
///
/// ```
/// use genred::{KernelSolve, Preconditioner, View, generic_sum};
/// let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
/// let points: Vec<f64> = (0..200).map(|k| f64::from(k) / 50.0).collect();
/// let x = View::new(&points, 200, 1)?;
/// let solve = KernelSolve::new(&kernel, "b")?.alpha(1e-3);
/// let plain = solve.call(&[x, x, x])?.iterations();
/// assert!(solve.precondition(Preconditioner::Nystrom(20)).call(&[x, x, x])?.iterations() < plain);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Preconditioner {
    /// Nothing.
    #[default]
    None,
    /// Division by the diagonal: for kernels whose diagonal varies much.
    Jacobi,
    /// The inverse of `alpha I` plus an approximation of K of this rank, from as many of its columns (a partial Cholesky decomposition
    /// with the largest pivots): for smooth kernels, where it may save most of the iterations. Needs a positive alpha, and memory for
    /// rank times the rows.
    Nystrom(usize),
}

/// A solver of `(alpha I + K) a = b` by conjugate gradients.
///
/// The kernel is a Sum whose formula is linear in the argument named, which stands for the vector: a call of the kernel is `K b`. K must be
/// symmetric and `alpha I + K` positive definite, so rows and columns are usually the same points, given twice. The components of b are
/// right-hand sides of their own if the formula multiplies each by a number of its own (they share the calls of the kernel, and each
/// converges for itself); otherwise, as for kernels whose values are matrices, all of b is one vector.
///
/// ```
/// use genred::{KernelSolve, View, generic_sum};
/// // Kernel ridge regression on six points of a line, three targets at once.
/// let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(3)"];
/// let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(3)", &aliases)?;
/// let points = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5];
/// let targets: Vec<f64> = points.iter().flat_map(|x: &f64| [x.sin(), x.cos(), 1.0]).collect();
/// let (x, b) = (View::new(&points, 6, 1)?, View::new(&targets, 6, 3)?);
///
/// let solution = KernelSolve::new(&kernel, "b")?.alpha(0.1).call(&[x, x, b])?;
/// assert!(solution.residual() <= 1e-6);
/// // The same kernel predicts, at the points or anywhere else.
/// let fitted = kernel.call(&[x, x, solution.values().view()])?;
/// let (alpha, a) = (0.1, solution.values());
/// assert!((fitted[(3, 0)] + alpha * a[(3, 0)] - targets[9]).abs() < 1e-5);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KernelSolve<T> {
    kernel: Kernel<T>,
    /// The position of b.
    vector: usize,
    coupling: Coupling,
    alpha: f64,
    eps: f64,
    max_iterations: usize,
    preconditioner: Preconditioner,
}

/// Iterations that a solve makes when nothing else is asked for.
const MAX_ITERATIONS: usize = 1_000;

impl<T: Element> KernelSolve<T> {
    /// A solver for a kernel; `vector` names the argument that it is linear in.
    ///
    /// Without other settings alpha is 1e-10, eps 1e-6 (1e-4 for float32), and at most 1000 iterations are made, without a
    /// preconditioner.
    ///
    /// ```
    /// use genred::{KernelSolve, generic_sum};
    /// let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"];
    /// let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * Square(b)", "a = Vi(1)", &aliases)?;
    /// let error = KernelSolve::new(&kernel, "b").unwrap_err();
    /// assert!(error.to_string().starts_with("the formula is not linear in `b`"));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if there is no such argument, the formula is not linear in it, the reduction is not a Sum, or the dtype is float16;
    /// `Shape` if a product with the kernel is not shaped like the vector.
    pub fn new(kernel: &Kernel<T>, vector: &str) -> Result<Self, Error> {
        let position = kernel.variable(vector)?;
        let plan = kernel.plan();
        let b = &plan.formula.variables[position];
        if kernel.reduction() != Reduction::Sum {
            let name = kernel.reduction().name();
            return Err(Error::usage(format!("`{name}` is not linear; `KernelSolve` needs a Sum")));
        }
        if T::DTYPE == DType::F16 {
            let message = "float16 cannot hold the vectors of an iterative solve";
            return Err(Error::usage(message).help("use float32 or float64"));
        }
        let reduced = if plan.rows == Category::I { Category::J } else { Category::I };
        if b.category != reduced {
            return Err(Error::usage(format!(
                "`{vector} = {}({})` is not summed over: the vector of a solve must be {}({1}), for the result has {} rows",
                b.category.text(),
                b.dim,
                reduced.text(),
                plan.rows.text(),
            )));
        }
        if kernel.dim() != b.dim as usize {
            return Err(Error::shape(format!(
                "the result has dim {}, but `{vector}` has dim {}: the matrix of the solve is not square",
                kernel.dim(),
                b.dim
            )));
        }
        let Some(coupling) = coupling(&plan.formula, position as u32) else {
            let message = format!("the formula is not linear in `{}`", quoted(vector));
            let whole = Span::new(0, plan.text.len() as u32);
            return Err(Error::at(ErrorKind::Usage, "formula", &plan.text, whole, message));
        };
        Ok(KernelSolve {
            kernel: kernel.clone(),
            vector: position,
            coupling,
            alpha: 1e-10,
            eps: if T::DTYPE == DType::F64 { 1e-6 } else { 1e-4 },
            max_iterations: MAX_ITERATIONS,
            preconditioner: Preconditioner::None,
        })
    }

    /// What is added to the diagonal of K.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// // One point: (alpha + 1) a = b.
    /// assert_eq!(KernelSolve::new(&kernel, "b")?.alpha(2.0).call(&[x, x, b])?.values()[(0, 0)], 2.0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// How small the Euclidean norm of `b - (alpha I + K) a` must be, relative to that of b, for each right-hand side.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let points: Vec<f64> = (0..50).map(|k| f64::from(k) / 10.0).collect();
    /// let x = View::new(&points, 50, 1)?;
    /// let solve = KernelSolve::new(&kernel, "b")?.alpha(0.01);
    /// let (rough, fine) = (solve.clone().eps(1e-2).call(&[x, x, x])?, solve.eps(1e-10).call(&[x, x, x])?);
    /// assert!(fine.residual() <= 1e-10 && rough.iterations() < fine.iterations());
    /// # Ok::<(), genred::Error>(())
    /// ```
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// How many iterations are made at most.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let points: Vec<f64> = (0..50).map(|k| f64::from(k) / 10.0).collect();
    /// let x = View::new(&points, 50, 1)?;
    /// let solve = KernelSolve::new(&kernel, "b")?.alpha(0.01).max_iterations(2);
    /// assert!(solve.call(&[x, x, x]).unwrap_err().is_unsolved());
    /// # Ok::<(), genred::Error>(())
    /// ```
    #[must_use]
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// What makes fewer iterations necessary.
    ///
    /// ```
    /// use genred::{KernelSolve, Preconditioner, View, generic_sum};
    /// let kernel =
    ///     generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let points: Vec<f64> = (0..500).map(|k| f64::from(k) * 0.01).collect();
    /// let x = View::new(&points, 500, 1)?;
    /// let solve = KernelSolve::new(&kernel, "b")?.alpha(1e-3);
    /// let plain = solve.call(&[x, x, x])?;
    /// let quick = solve.precondition(Preconditioner::Nystrom(30)).call(&[x, x, x])?;
    /// assert!(quick.iterations() * 4 < plain.iterations());
    /// # Ok::<(), genred::Error>(())
    /// ```
    #[must_use]
    pub fn precondition(mut self, preconditioner: Preconditioner) -> Self {
        self.preconditioner = preconditioner;
        self
    }

    /// The solution for the arguments of the kernel, with b where the kernel takes the vector.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0, 1.0], 2, 1)?, View::new(&[1.0, 2.0], 2, 1)?);
    /// let a = KernelSolve::new(&kernel, "b")?.alpha(0.5).eps(1e-12).call(&[x, x, b])?.into_values();
    /// // (alpha I + K) a is b.
    /// let product = kernel.call(&[x, x, a.view()])?;
    /// assert!((0.5 * a[(1, 0)] + product[(1, 0)] - 2.0).abs() < 1e-11);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if the arguments do not fit, or there are not as many rows as columns; `Usage` for settings that make no sense;
    /// `Range` if b is not finite, or a result is beyond the dtype; `Unsolved` if K has a value that is not finite, the system is not
    /// positive definite or not symmetric, or eps was not reached. Messages name the iteration and the value.
    pub fn call(&self, args: &[View<'_, T>]) -> Result<Solution<T>, Error> {
        let (operator, solution) = self.run(args)?;
        match solution.worst() {
            Some(system) => Err(conjugate::unsolved(&operator, &solution, system)),
            None => Ok(solution),
        }
    }

    /// As [`call`](KernelSolve::call), but what was reached is returned even if it is not eps: ask
    /// [`residual`](Solution::residual).
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let points: Vec<f64> = (0..50).map(|k| f64::from(k) / 10.0).collect();
    /// let x = View::new(&points, 50, 1)?;
    /// let reached = KernelSolve::new(&kernel, "b")?.alpha(0.01).max_iterations(2).attempt(&[x, x, x])?;
    /// assert!(!reached.converged() && reached.iterations() == 2);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call`](KernelSolve::call), but for eps.
    pub fn attempt(&self, args: &[View<'_, T>]) -> Result<Solution<T>, Error> {
        self.run(args).map(|(_, solution)| solution)
    }

    fn run<'a>(&'a self, args: &[View<'a, T>]) -> Result<(Operator<'a, T>, Solution<T>), Error> {
        self.check_settings()?;
        let operator = Operator::new(self, args)?;
        let inverses = precondition::of(&operator, self)?;
        let solution = conjugate::solve(&operator, &inverses)?;
        Ok((operator, solution))
    }

    fn check_settings(&self) -> Result<(), Error> {
        let KernelSolve { alpha, eps, .. } = self;
        if !alpha.is_finite() {
            return Err(Error::usage(format!("alpha must be finite, not {alpha}")));
        }
        if !(*eps > 0.0 && *eps < 1.0) {
            return Err(Error::usage(format!("eps must be between 0 and 1, not {eps}")));
        }
        if let Preconditioner::Nystrom(rank) = self.preconditioner {
            if !(1..=limits::NYSTROM_RANK).contains(&rank) {
                let most = limits::NYSTROM_RANK;
                let message = format!("the rank of Nystrom must be from 1 to {most}, not {rank}");
                return Err(Error::new(ErrorKind::Limit, message));
            }
            if *alpha <= 0.0 {
                let message = format!("Nystrom needs a positive alpha, not {alpha}");
                return Err(Error::usage(message));
            }
        }
        Ok(())
    }
}
