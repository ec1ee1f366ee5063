//! Arrays with leading batch dimensions: the arguments of many calls of one shape, and their results.
//!
//! ```
//! use genred::batch::{BatchArray, BatchView};
//! let sum = genred::generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let (x, y) = ([1.0, 2.0, 3.0], [1.0, 10.0]);
//! // Three batch elements of one row each against the same two columns.
//! let a: BatchArray<f64> = sum.call_batch(&[BatchView::new(&x, &[3, 1, 1])?, BatchView::new(&y, &[2, 1])?])?;
//! assert_eq!((a.shape(), a.as_slice()), (&[3, 1, 1][..], &[11.0, 22.0, 33.0][..]));
//! # Ok::<(), genred::Error>(())
//! ```

use crate::dtype::Element;
use crate::error::Error;
use crate::view::View;

/// An argument of a batched call: an array of shape `[.., rows, dim]`, or `[.., dim]` for a parameter. What comes before are batch
/// dimensions, which are broadcast as NumPy does: aligned at the right, those of length 1 or absent are repeated.
///
/// ```
/// use genred::{BatchView, View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// // Two batch elements of two rows; one y for both.
/// let (x, y) = ([1.0, 2.0, 10.0, 20.0], [1.0, 1.0, 1.0]);
/// let a = sum.call_batch(&[BatchView::new(&x, &[2, 2, 1])?, BatchView::new(&y, &[3, 1])?])?;
/// assert_eq!((a.shape(), a.as_slice()), (&[2, 2, 1][..], &[3.0, 6.0, 30.0, 60.0][..]));
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchView<'a, T> {
    source: Source<'a, T>,
    shape: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Source<'a, T> {
    /// Everything, row-major.
    Slice(&'a [T]),
    /// One element, for every batch.
    One(View<'a, T>),
    #[cfg(feature = "ndarray")]
    Array(ndarray::ArrayViewD<'a, T>),
}

impl<'a, T: Element> BatchView<'a, T> {
    /// A row-major array of this shape.
    ///
    /// ```
    /// use genred::BatchView;
    /// let x = [0.0f32; 24];
    /// // Two batch elements of four points in space.
    /// assert_eq!(BatchView::new(&x, &[2, 4, 3])?.shape(), [2, 4, 3]);
    /// assert!(BatchView::new(&x, &[2, 4, 4]).is_err());
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if the slice has another length.
    pub fn new(data: &'a [T], shape: &[usize]) -> Result<Self, Error> {
        let len = shape.iter().try_fold(1usize, |len, n| len.checked_mul(*n));
        if len != Some(data.len()) {
            let message =
                format!("an array of shape {shape:?} is not one of {} numbers", data.len());
            return Err(Error::shape(message));
        }
        Ok(BatchView { source: Source::Slice(data), shape: shape.to_vec() })
    }

    /// The lengths of all axes, batch dimensions first.
    ///
    /// ```
    /// // A view is an argument without batch dimensions.
    /// let x = genred::View::new(&[0.0f32; 6], 2, 3)?;
    /// assert_eq!(genred::BatchView::from(x).shape(), [2, 3]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Batch dimensions, if all but this many axes are.
    pub(crate) fn batch(&self, inner: usize) -> Option<&[usize]> {
        self.shape.len().checked_sub(inner).map(|batch| &self.shape[..batch])
    }

    /// One batch element by its number in row-major order; with two inner axes its rows, with one its vector. There is such an element.
    pub(crate) fn element(&self, inner: usize, number: usize) -> Result<View<'a, T>, Error> {
        let batch = self.shape.len() - inner;
        match &self.source {
            Source::One(view) => Ok(*view),
            Source::Slice(data) => {
                let len: usize = self.shape[batch..].iter().product();
                let data = &data[number * len..][..len];
                match self.shape[batch..] {
                    [rows, dim] => View::new(data, rows, dim),
                    _ => Ok(View::vector(data)),
                }
            }
            #[cfg(feature = "ndarray")]
            Source::Array(array) => {
                let mut element = array.clone();
                for place in places(&self.shape[..batch], number) {
                    element = element.index_axis_move(ndarray::Axis(0), place);
                }
                let wrong = |error: ndarray::ShapeError| Error::shape(error.to_string());
                if inner == 2 {
                    let rows = element.into_dimensionality::<ndarray::Ix2>().map_err(wrong)?;
                    return Ok(rows.into());
                }
                let vector = element.into_dimensionality::<ndarray::Ix1>().map_err(wrong)?;
                Ok(vector.into())
            }
        }
    }
}

/// The same element for every batch.
impl<'a, T: Element> From<View<'a, T>> for BatchView<'a, T> {
    fn from(view: View<'a, T>) -> Self {
        let rows = (!view.is_vector()).then_some(view.rows());
        let shape = rows.into_iter().chain([view.dim()]).collect();
        BatchView { source: Source::One(view), shape }
    }
}

#[cfg(feature = "ndarray")]
impl<'a, T: Element> From<ndarray::ArrayViewD<'a, T>> for BatchView<'a, T> {
    /// Of any strides.
    fn from(array: ndarray::ArrayViewD<'a, T>) -> Self {
        let shape = array.shape().to_vec();
        BatchView { source: Source::Array(array), shape }
    }
}

/// The results of a batched call: a row-major array of shape `[.., rows, dim]`.
///
/// ```
/// use genred::{BatchView, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// // One x in each of two batch elements, three y for both.
/// let a = sum.call_batch(&[BatchView::new(&[1.0, 2.0], &[2, 1, 1])?, BatchView::new(&[1.0, 2.0, 3.0], &[3, 1])?])?;
/// assert_eq!((a.shape(), a.as_slice()), (&[2, 1, 1][..], &[6.0, 12.0][..]));
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BatchArray<T> {
    shape: Vec<usize>,
    data: Vec<T>,
}

impl<T> BatchArray<T> {
    pub(crate) fn new(shape: Vec<usize>, data: Vec<T>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len(), "one number a place");
        BatchArray { shape, data }
    }

    /// The lengths of all axes: batch dimensions, rows, dim.
    ///
    /// ```
    /// use genred::{BatchView, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// // 3 x 1 batch elements of x against 2 of y: 3 x 2 results of one row.
    /// let a = sum.call_batch(&[BatchView::new(&[1.0; 3], &[3, 1, 1, 1])?, BatchView::new(&[1.0; 8], &[2, 4, 1])?])?;
    /// assert_eq!(a.shape(), [3, 2, 1, 1]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All numbers, batch element after batch element, row after row.
    ///
    /// ```
    /// use genred::{BatchView, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let a = sum.call_batch(&[BatchView::new(&[1.0, 2.0], &[2, 1, 1])?, BatchView::new(&[3.0, 4.0], &[2, 1])?])?;
    /// assert_eq!(a.as_slice(), [7.0, 14.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// The numbers themselves.
    ///
    /// ```
    /// use genred::{BatchView, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let a = sum.call_batch(&[BatchView::new(&[1.0, 2.0], &[2, 1, 1])?, BatchView::new(&[3.0, 4.0], &[2, 1])?])?;
    /// assert_eq!(a.into_vec(), vec![7.0, 14.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }
}

#[cfg(feature = "ndarray")]
impl<T> From<BatchArray<T>> for ndarray::ArrayD<T> {
    /// Without copying.
    fn from(array: BatchArray<T>) -> Self {
        ndarray::ArrayD::from_shape_vec(array.shape, array.data)
            .expect("there is one number for each place by construction")
    }
}

/// The place along each axis of the element with a number in row-major order.
pub(crate) fn places(shape: &[usize], number: usize) -> Vec<usize> {
    let mut rest = number;
    let mut places = vec![0; shape.len()];
    for (place, n) in places.iter_mut().zip(shape).rev() {
        *place = rest % n;
        rest /= n;
    }
    places
}
