//! Gradients of solutions.
//!
//! With `A = alpha I + K` and a seed e of the solution `a = A^-1 b`, let c solve the system with e as its right-hand side. Then c is the
//! gradient by b, and that by anything else that K depends on is the gradient of `-c'Ka` at fixed c and a: one more solve, and a gradient of
//! the kernel.

use super::KernelSolve;
use crate::array::Array;
use crate::dtype::Element;
use crate::error::Error;
use crate::gradient::Gradient;
use crate::view::View;

/// The gradient of a solution by one argument.
///
/// ```
/// use genred::{KernelSolve, View, generic_sum};
/// let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)", "g = Pm(1)"];
/// let kernel = generic_sum::<f64>("Exp(-g * SqDist(x, y)) * b", "a = Vi(1)", &aliases)?;
/// let solve = KernelSolve::new(&kernel, "b")?.alpha(0.5).eps(1e-12);
/// let (x, b, g) = ([0.0, 1.0], [1.0, 3.0], [2.0]);
/// let x = View::new(&x, 2, 1)?;
/// let args = [x, x, View::new(&b, 2, 1)?, View::vector(&g)];
/// let solution = solve.call(&args)?;
/// // How the sum of the solution changes with g.
/// let ones = View::new(&[1.0, 1.0], 2, 1)?;
/// let by_g = solve.grad("g")?.call(&args, solution.values().view(), ones)?;
/// // By hand: the sum is 4 / (1.5 + k) with k = exp(-g).
/// let k = (-2.0f64).exp();
/// assert!((by_g[(0, 0)] - 4.0 * k / (1.5 + k).powi(2)).abs() < 1e-9);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SolveGradient<T> {
    solve: KernelSolve<T>,
    /// The gradient of the kernel; `None` by the right-hand side.
    of_kernel: Option<Gradient<T>>,
}

impl<T: Element> KernelSolve<T> {
    /// The gradient of the solution by the argument of a name; that by alpha is minus the scalar product of the solution and the
    /// gradient by b.
    ///
    /// Points that are given for i and for j have a gradient by each: their own is the sum.
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"])?;
    /// let solve = KernelSolve::new(&kernel, "b")?.alpha(1.0).eps(1e-12);
    /// let (x, b) = (View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?);
    /// let solution = solve.call(&[x, x, b])?;
    /// // (1 + 1) a = b.
    /// let by_b = solve.grad("b")?.call(&[x, x, b], solution.values().view(), View::new(&[1.0], 1, 1)?)?;
    /// assert_eq!((solution.values()[(0, 0)], by_b[(0, 0)]), (3.0, 0.5));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if there is no such argument; `Limit` if the derivative is too large.
    pub fn grad(&self, name: &str) -> Result<SolveGradient<T>, Error> {
        let by_vector = self.kernel.variable(name)? == self.vector;
        let of_kernel = if by_vector { None } else { Some(self.kernel.grad(name)?) };
        Ok(SolveGradient { solve: self.clone(), of_kernel })
    }
}

impl<T: Element> SolveGradient<T> {
    /// The gradient for a seed shaped like the solution, which is what [`KernelSolve::call`] gave for these arguments; it is shaped like
    /// the argument (a parameter: one row).
    ///
    /// ```
    /// use genred::{KernelSolve, View, generic_sum};
    /// let kernel = generic_sum::<f64>("g * Exp(-Abs(x - y)) * b", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "b = Vj(1)", "g = Pm(1)"])?;
    /// let solve = KernelSolve::new(&kernel, "b")?.alpha(1.0).eps(1e-12);
    /// let args = [View::new(&[0.0], 1, 1)?, View::new(&[0.0], 1, 1)?, View::new(&[6.0], 1, 1)?, View::vector(&[2.0])];
    /// let solution = solve.call(&args)?;
    /// // a = b / (1 + g), so its slope by g is -b / (1 + g)^2.
    /// let by_g = solve.grad("g")?.call(&args, solution.values().view(), View::new(&[1.0], 1, 1)?)?;
    /// assert!((by_g[(0, 0)] + 6.0 / 9.0).abs() < 1e-12);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`KernelSolve::call`]; `Shape` too if the solution or the seed does not fit.
    pub fn call(
        &self,
        args: &[View<'_, T>],
        solution: View<'_, T>,
        seed: View<'_, T>,
    ) -> Result<Array<T>, Error> {
        let kernel = &self.solve.kernel;
        let wanted = (kernel.check(args)?.rows, kernel.dim());
        for (what, view) in [("solution", solution), ("seed", seed)] {
            if (view.rows(), view.dim()) != wanted {
                return Err(Error::shape(format!(
                    "the {what} is {} x {}, but the right-hand side is {} x {}",
                    view.rows(),
                    view.dim(),
                    wanted.0,
                    wanted.1
                )));
            }
        }
        let mut with: Vec<View<'_, T>> = args.to_vec();
        with[self.solve.vector] = seed;
        let mut adjoint = self.solve.call(&with)?.into_values();
        let Some(of_kernel) = &self.of_kernel else { return Ok(adjoint) };
        for value in adjoint.as_mut_slice() {
            *value = T::from_f64(-value.to_f64());
        }
        with[self.solve.vector] = solution;
        of_kernel.call(&with, adjoint.view())
    }
}
