//! The math-friendly front: one function for each of the four documented reductions, thin over [`Genred`].
//!
//! ```
//! use genred::generic::{generic_argmin, generic_sum};
//! let aliases = ["x = Vi(1)", "y = Vj(1)"];
//! let (x, y) = (genred::View::new(&[0.0], 1, 1)?, genred::View::new(&[3.0, 1.0], 2, 1)?);
//! assert_eq!(generic_sum::<f64>("SqDist(x, y)", "a = Vi(1)", &aliases)?.call(&[x, y])?[(0, 0)], 10.0);
//! assert_eq!(generic_argmin::<f64>("SqDist(x, y)", "k = Vi(1)", &aliases)?.call_indices(&[x, y])?[(0, 0)], 1);
//! # Ok::<(), genred::Error>(())
//! ```

use crate::alias::{self, Role};
use crate::dtype::Element;
use crate::error::Error;
use crate::formula::typing;
use crate::genred::Genred;
use crate::kernel::Kernel;

/// `a_i = sum_j F(x_i, y_j, p)`.
///
/// ```
/// use genred::{View, generic_sum};
/// let kde = generic_sum::<f32>("Exp(-SqNorm2(x - y))", "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)"])?;
/// let (x, y) = (vec![0.5f32; 10 * 3], vec![0.5f32; 20 * 3]);
/// let a = kde.call(&[View::new(&x, 10, 3)?, View::new(&y, 20, 3)?])?;
/// assert_eq!((a.rows(), a.dim()), (10, 1));
/// assert_eq!(a[(0, 0)], 20.0);
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// See [`Genred::compile`].
pub fn generic_sum<T: Element>(
    formula: &str,
    output: &str,
    aliases: &[&str],
) -> Result<Kernel<T>, Error> {
    Genred::sum(formula).output(output).aliases(aliases.iter().copied()).compile()
}

/// `a_i = log sum_j exp F(x_i, y_j, p)`, without overflow; F has dim 1.
///
/// ```
/// use genred::{View, generic_logsumexp};
/// let lse = generic_logsumexp::<f64>("x - y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let a = lse.call(&[View::new(&[1000.0], 1, 1)?, View::new(&[0.0, 0.0], 2, 1)?])?;
/// assert_eq!(a[(0, 0)], 1000.0 + 2f64.ln());
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// See [`Genred::compile`].
pub fn generic_logsumexp<T: Element>(
    formula: &str,
    output: &str,
    aliases: &[&str],
) -> Result<Kernel<T>, Error> {
    Genred::logsumexp(formula).output(output).aliases(aliases.iter().copied()).compile()
}

/// `a_i = argmin_j F(x_i, y_j, p)`: indices of columns, the lowest of equal ones.
///
/// ```
/// use genred::{View, generic_argmin};
/// let nearest = generic_argmin::<f32>("SqDist(x, y)", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y) = ([0.9f32, 0.1], [0.0f32, 1.0, 1.0]);
/// let (x, y) = (View::new(&x, 2, 1)?, View::new(&y, 3, 1)?);
/// assert_eq!(nearest.call_indices(&[x, y])?.as_slice(), [1, 0]);
/// assert_eq!(nearest.call(&[x, y])?.to_string(), "[[1.],\n [0.]]");
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// See [`Genred::compile`].
pub fn generic_argmin<T: Element>(
    formula: &str,
    output: &str,
    aliases: &[&str],
) -> Result<Kernel<T>, Error> {
    Genred::argmin(formula).output(output).aliases(aliases.iter().copied()).compile()
}

/// The indices of the K smallest `F(x_i, y_j, p)` over j, ascending by value; K is the output's dim, `a = Vi(3)`, divided by the
/// formula's.
///
/// ```
/// use genred::{View, generic_argkmin};
/// let knn = generic_argkmin::<f32>("SqDist(x, y)", "a = Vi(2)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y) = ([0.9f32], [5.0f32, 1.0, 0.0]);
/// let a = knn.call_indices(&[View::new(&x, 1, 1)?, View::new(&y, 3, 1)?])?;
/// assert_eq!(a.as_slice(), [1, 2]);
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// See [`Genred::compile`]; besides, the output's dim must be a multiple of the formula's.
pub fn generic_argkmin<T: Element>(
    formula: &str,
    output: &str,
    aliases: &[&str],
) -> Result<Kernel<T>, Error> {
    let k = k_of_output(formula, output, aliases)?;
    Genred::argkmin(k, formula).output(output).aliases(aliases.iter().copied()).compile()
}

/// The K that an output declares for a K-reduction of a formula: its dim divided by the formula's.
///
/// ```
/// assert_eq!(genred::k_of_output("SqDist(x, y)", "a = Vi(3)", &["x = Vi(9)", "y = Vj(9)"])?, 3);
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// If a text is wrong, or the output's dim is not a multiple of the formula's.
pub fn k_of_output(formula: &str, output: &str, aliases: &[&str]) -> Result<u32, Error> {
    let dim = typing::formula(formula, None, aliases)?.root_dim(0);
    let declared = alias::parse(output, Role::Output)?.dim;
    if declared % dim != 0 {
        return Err(Error::shape(format!(
            "the output has dim {declared}, which is not a multiple of the formula's dim {dim}"
        ))
        .help("the output of a K-reduction has dim K times the formula's dim"));
    }
    Ok(declared / dim)
}
