//! What a call returns: a row-major array that owns its numbers.
//!
//! ```
//! use genred::{Array, View, generic_sum};
//! let sum = generic_sum::<f32>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let x = View::new(&[1.0, 2.0], 2, 1)?;
//! let a: Array<f32> = sum.call(&[x, x])?;
//! // A result can be an argument.
//! assert_eq!(sum.call(&[a.view(), x])?.into_vec(), [9.0, 18.0]);
//! # Ok::<(), genred::Error>(())
//! ```

use crate::dtype::Element;
use crate::error::Error;
use crate::view::View;
use std::fmt;
use std::ops::Index;

/// A result of `rows` points of `dim` components each, row after row.
///
/// ```
/// let a = genred::Array::from_vec(2, 3, vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!((a.rows(), a.dim()), (2, 3));
/// assert_eq!(a.row(1), [4.0, 5.0, 6.0]);
/// assert_eq!(a[(0, 2)], 3.0);
/// assert_eq!(a.to_string(), "[[1., 2., 3.],\n [4., 5., 6.]]");
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T> {
    rows: usize,
    dim: usize,
    data: Vec<T>,
}

impl<T> Array<T> {
    /// An array of the given numbers, row after row.
    ///
    /// ```
    /// let a = genred::Array::from_vec(2, 2, vec![1, 2, 3, 4])?;
    /// assert_eq!(a.row(1), [3, 4]);
    /// assert!(genred::Array::from_vec(2, 2, vec![1, 2, 3]).is_err_and(|error| error.is_shape()));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// If their number is not `rows * dim`.
    pub fn from_vec(rows: usize, dim: usize, data: Vec<T>) -> Result<Self, Error> {
        if rows.checked_mul(dim) != Some(data.len()) {
            return Err(Error::shape(format!(
                "a {rows} x {dim} array needs {rows}*{dim} elements, not {}",
                data.len()
            )));
        }
        Ok(Self { rows, dim, data })
    }

    /// Number of points.
    ///
    /// ```
    /// let a = genred::Array::from_vec(2, 3, vec![0.0f32; 6])?;
    /// assert_eq!(a.rows(), 2);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of components of each point.
    ///
    /// ```
    /// let a = genred::Array::from_vec(2, 3, vec![0.0f32; 6])?;
    /// assert_eq!(a.dim(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All numbers, row after row.
    ///
    /// ```
    /// let a = genred::Array::from_vec(2, 2, vec![1.0, 2.0, 3.0, 4.0])?;
    /// assert_eq!(a.as_slice().iter().sum::<f64>(), 10.0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// All numbers, row after row.
    ///
    /// ```
    /// let mut a = genred::Array::from_vec(2, 1, vec![1.0f64, 4.0])?;
    /// a.as_mut_slice().iter_mut().for_each(|value| *value = value.sqrt());
    /// assert_eq!(a[(1, 0)], 2.0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The numbers of one row.
    ///
    /// ```
    /// let a = genred::Array::from_vec(2, 2, vec![1.0, 2.0, 3.0, 4.0])?;
    /// assert_eq!(a.row(0), [1.0, 2.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `row` is not below [`rows`](Self::rows), as indexing does.
    pub fn row(&self, row: usize) -> &[T] {
        assert!(row < self.rows, "row {row} of an array of {} rows", self.rows);
        &self.data[row * self.dim..(row + 1) * self.dim]
    }

    /// The numbers themselves, row after row.
    ///
    /// ```
    /// let a = genred::Array::from_vec(2, 1, vec![1.0, 4.0])?;
    /// assert_eq!(a.into_vec(), vec![1.0, 4.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }
}

impl<T: Element> Array<T> {
    /// As an argument of another call.
    ///
    /// ```
    /// let a = genred::Array::from_vec(2, 1, vec![1.0f64, 2.0])?;
    /// assert_eq!(a.view().get(1, 0), Some(2.0));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn view(&self) -> View<'_, T> {
        View::new(&self.data, self.rows, self.dim)
            .expect("the length is rows * dim by construction")
    }
}

impl<T> Index<(usize, usize)> for Array<T> {
    type Output = T;

    fn index(&self, (row, component): (usize, usize)) -> &T {
        &self.row(row)[component]
    }
}

/// Rows and components shown before and after the dots of a long array.
const SHOWN_ENDS: usize = 3;
/// Longest axis that is shown whole.
const SHOWN_WHOLE: usize = 8;

/// The items of an axis in brackets, with dots in the middle of a long one.
fn bracketed(
    f: &mut fmt::Formatter<'_>,
    len: usize,
    separator: &str,
    mut item: impl FnMut(&mut fmt::Formatter<'_>, usize) -> fmt::Result,
) -> fmt::Result {
    f.write_str("[")?;
    let mut k = 0;
    while k < len {
        if k > 0 {
            f.write_str(separator)?;
        }
        if len > SHOWN_WHOLE && k == SHOWN_ENDS {
            f.write_str("...")?;
            k = len - SHOWN_ENDS;
            continue;
        }
        item(f, k)?;
        k += 1;
    }
    f.write_str("]")
}

/// As NumPy prints arrays: a point after whole numbers, dots in the middle of long ones.
impl<T: Element + fmt::Display + fmt::LowerExp> fmt::Display for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bracketed(f, self.rows, ",\n ", |f, r| {
            bracketed(f, self.dim, ", ", |f, c| {
                let value = self[(r, c)];
                let wide = value.to_f64();
                if wide.is_nan() {
                    return f.write_str("nan");
                }
                let magnitude = wide.abs();
                if magnitude != 0.0 && wide.is_finite() && !(1e-4..1e16).contains(&magnitude) {
                    return write!(f, "{value:e}");
                }
                let whole = wide.is_finite() && magnitude.trunc() == magnitude;
                write!(f, "{value}{}", if whole { "." } else { "" })
            })
        })
    }
}

/// As NumPy prints arrays of integers.
impl fmt::Display for Array<i64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bracketed(f, self.rows, ",\n ", |f, r| {
            bracketed(f, self.dim, ", ", |f, c| write!(f, "{}", self[(r, c)]))
        })
    }
}

impl<'a, T: Element> From<&'a Array<T>> for View<'a, T> {
    fn from(array: &'a Array<T>) -> Self {
        array.view()
    }
}

#[cfg(feature = "ndarray")]
impl<T> From<Array<T>> for ndarray::Array2<T> {
    /// Without copying.
    fn from(array: Array<T>) -> Self {
        let shape = (array.rows, array.dim);
        ndarray::Array2::from_shape_vec(shape, array.data)
            .expect("the length is rows * dim by construction")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked() {
        assert!(Array::from_vec(2, 2, vec![0.0f32; 3]).unwrap_err().is_shape());
        assert!(
            Array::from_vec(1 << 32, 1 << 32, Vec::<f32>::new()).is_err(),
            "the product wraps to 0"
        );
        assert!(Array::from_vec(0, 7, Vec::<f32>::new()).is_ok());
    }

    #[test]
    fn arrays_print_as_numpy_does() {
        let indices = Array::from_vec(3, 1, vec![8761.0f32, 3.0, -1.0]).unwrap();
        assert_eq!(indices.to_string(), "[[8761.],\n [3.],\n [-1.]]");
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.1, 1.5e-7, 2e300];
        let tiny = Array::from_vec(1, 1, vec![1e-7f32]).unwrap();
        assert_eq!(tiny.to_string(), "[[1e-7]]");
        let odd = Array::from_vec(1, 7, values.to_vec()).unwrap();
        assert_eq!(odd.to_string(), "[[nan, inf, -inf, -0., 0.1, 1.5e-7, 2e300]]");
        let exact = Array::from_vec(1, 2, vec![16_777_217i64, -1]).unwrap();
        assert_eq!(exact.to_string(), "[[16777217, -1]]");
        let long = Array::from_vec(100, 1, (0..100).collect::<Vec<i64>>()).unwrap();
        assert_eq!(long.to_string(), "[[0],\n [1],\n [2],\n ...,\n [97],\n [98],\n [99]]");
        assert_eq!(Array::from_vec(0, 3, Vec::<f32>::new()).unwrap().to_string(), "[]");
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn ndarray_takes_the_numbers_over() {
        let data = vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        let address = data.as_ptr();
        let array: ndarray::Array2<f32> = Array::from_vec(3, 2, data).unwrap().into();
        assert_eq!(array.shape(), [3, 2]);
        assert_eq!(array[[2, 0]], 5.0);
        assert_eq!(array.as_ptr(), address);
    }
}
