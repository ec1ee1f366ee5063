//! What a solve returns.

use crate::array::Array;

/// The solution of a linear system, with how it was reached.
///
/// ```
/// use genred::{KernelSolve, View, generic_sum};
/// let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"];
/// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &aliases)?;
/// let x = View::new(&[0.0, 1.0, 3.0], 3, 1)?;
/// let solution = KernelSolve::new(&kernel, "b")?.alpha(1.0).call(&[x, x, x])?;
/// assert_eq!((solution.values().rows(), solution.systems()), (3, 1));
/// assert_eq!(solution.history(0).len(), 1 + solution.iterations());
/// assert_eq!(solution.history(0).last(), Some(&solution.residual()));
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Solution<T> {
    pub(super) values: Array<T>,
    /// For each system the relative residual before the first iteration and after each; the last one was computed from the values.
    pub(super) histories: Vec<Vec<f64>>,
    /// What the residuals should have come down to.
    pub(super) eps: f64,
}

impl<T> Solution<T> {
    /// The solution a, shaped like b.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// let solution = KernelSolve::new(&kernel, "b")?.alpha(1.0).call(&[x, x, b])?;
    /// assert_eq!(solution.values()[(0, 0)], 3.0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn values(&self) -> &Array<T> {
        &self.values
    }

    /// The solution a itself.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// let solution = KernelSolve::new(&kernel, "b")?.alpha(1.0).call(&[x, x, b])?;
    /// assert_eq!(solution.into_values().into_vec(), [3.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn into_values(self) -> Array<T> {
        self.values
    }

    /// Number of systems that were solved side by side: one a component of b, or a single one if the kernel mixes them.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// let solution = KernelSolve::new(&kernel, "b")?.alpha(1.0).call(&[x, x, b])?;
    /// assert_eq!(solution.systems(), 1);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn systems(&self) -> usize {
        self.histories.len()
    }

    /// The norm of `b - (alpha I + K) a` relative to that of b, computed from the [values](Solution::values): the largest of all
    /// systems.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// let solution = KernelSolve::new(&kernel, "b")?.alpha(1.0).call(&[x, x, b])?;
    /// assert!(solution.residual() <= 1e-6);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn residual(&self) -> f64 {
        self.histories.iter().filter_map(|history| history.last().copied()).fold(0.0, f64::max)
    }

    /// Iterations of the system that took the most.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// let solution = KernelSolve::new(&kernel, "b")?.alpha(1.0).call(&[x, x, b])?;
    /// assert_eq!(solution.iterations(), 1);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn iterations(&self) -> usize {
        self.histories.iter().map(|history| history.len() - 1).max().unwrap_or(0)
    }

    /// The relative residuals of a system: before the first iteration, after each, and at the end as it was computed from the values.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// let solution = KernelSolve::new(&kernel, "b")?.alpha(1.0).call(&[x, x, b])?;
    /// assert_eq!(solution.history(0)[0], 1.0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such system, as indexing does.
    pub fn history(&self, system: usize) -> &[f64] {
        &self.histories[system]
    }

    /// Whether every residual is as small as it should be.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// let solution = KernelSolve::new(&kernel, "b")?.alpha(1.0).call(&[x, x, b])?;
    /// assert!(solution.converged());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn converged(&self) -> bool {
        self.worst().is_none()
    }

    /// The system with the largest residual that is too large.
    pub(super) fn worst(&self) -> Option<usize> {
        let last = |system: &usize| self.histories[*system].last().copied().unwrap_or(0.0);
        let small = |system: &usize| last(system) <= self.eps;
        let too_large = (0..self.histories.len()).filter(|system| !small(system));
        too_large.max_by(|a, b| last(a).total_cmp(&last(b)))
    }
}
