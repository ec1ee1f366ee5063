//! The usual reductions by name.

use super::Genred;
use crate::dtype::Element;
use crate::reduce::Reduction;

impl<T: Element> Genred<T> {
    /// The sum over the reduced axis.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let a = sum.call(&[View::new(&[2.0], 1, 1)?, View::new(&[1.0, 5.0], 2, 1)?])?;
    /// assert_eq!(a.as_slice(), [12.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn sum(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::Sum, formula)
    }

    /// The logarithm of the sum of exponentials, without overflow; `formula` has dim 1.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let sum = Genred::<f64>::logsumexp("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// // exp(1000) is beyond float64.
    /// let a = sum.call(&[View::new(&[1000.0], 1, 1)?, View::new(&[1.0, 1.0], 2, 1)?])?;
    /// assert!((a[(0, 0)] - (1000.0 + 2f64.ln())).abs() < 1e-12);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn logsumexp(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::LogSumExp, formula)
    }

    /// The smallest value of each component.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let least = Genred::<f64>::min("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let a = least.call(&[View::new(&[2.0, -1.0], 2, 1)?, View::new(&[1.0, 5.0], 2, 1)?])?;
    /// assert_eq!(a.as_slice(), [2.0, -5.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn min(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::Min, formula)
    }

    /// The largest value of each component.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let largest = Genred::<f64>::max("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let a = largest.call(&[View::new(&[2.0, -1.0], 2, 1)?, View::new(&[1.0, 5.0], 2, 1)?])?;
    /// assert_eq!(a.as_slice(), [10.0, -1.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn max(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::Max, formula)
    }

    /// The index of the smallest value of each component; the lowest of equal ones.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let nearest = Genred::<f32>::argmin("SqDist(x, y)").output("k = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let k = nearest.call_indices(&[View::new(&[2.0], 1, 1)?, View::new(&[9.0, 1.0, 3.0], 3, 1)?])?;
    /// assert_eq!(k.as_slice(), [1]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn argmin(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::ArgMin, formula)
    }

    /// The index of the largest value of each component; the lowest of equal ones.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let farthest = Genred::<f32>::argmax("SqDist(x, y)").output("k = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let k = farthest.call_indices(&[View::new(&[2.0], 1, 1)?, View::new(&[9.0, 1.0, 3.0], 3, 1)?])?;
    /// assert_eq!(k.as_slice(), [0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn argmax(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::ArgMax, formula)
    }

    /// The `k` smallest values of each component, ascending.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let two = Genred::<f32>::kmin(2, "SqDist(x, y)").output("a = Vi(2)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let a = two.call(&[View::new(&[2.0], 1, 1)?, View::new(&[9.0, 0.0, 3.0], 3, 1)?])?;
    /// assert_eq!(a.as_slice(), [1.0, 4.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn kmin(k: u32, formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::KMin(k), formula)
    }

    /// The indices of the `k` smallest values of each component.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let two = Genred::<f32>::argkmin(2, "SqDist(x, y)").output("k = Vi(2)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let k = two.call_indices(&[View::new(&[2.0], 1, 1)?, View::new(&[9.0, 0.0, 3.0], 3, 1)?])?;
    /// assert_eq!(k.as_slice(), [2, 1]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn argkmin(k: u32, formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::ArgKMin(k), formula)
    }
}
