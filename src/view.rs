//! Views: where the numbers of a call lie. A pointer, rows, dim and two signed strides, checked once.
//!
//! ```
//! use genred::{View, ViewMut, generic_sum};
//! let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! // Two columns of a table are the arguments, the third takes the result.
//! let mut table = [1.0, 10.0, 0.0, 2.0, 20.0, 0.0];
//! let copy = table;
//! let column = |c: usize| View::strided(&copy[c..], 2, 1, 3);
//! sum.call_into(&[column(0)?, column(1)?], ViewMut::strided(&mut table[2..], 2, 1, 3)?)?;
//! assert_eq!((table[2], table[5]), (30.0, 60.0));
//! # Ok::<(), genred::Error>(())
//! ```
//!
//! # Invariant
//!
//! Every element `(r, c)` with `r < rows` and `c < dim` lies inside the memory that the view was made from, which is
//! borrowed for `'a`. The constructors establish it with checked arithmetic, or take it over from an array type that
//! guarantees the same, so engines may read through [`View::as_ptr`] and the strides without checking again. Elements
//! of a [`ViewMut`] lie besides at distinct addresses, so rows may be written from different threads.
//!
//! Fields are private and there is no unchecked constructor: this is what makes "no read outside a view" a property of
//! this module.

use crate::dtype::Element;
use crate::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Where the elements of a view lie relative to its pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    rows: usize,
    dim: usize,
    row_stride: isize,
    column_stride: isize,
}

impl Layout {
    fn contiguous(self) -> bool {
        let columns = self.dim <= 1 || self.column_stride == 1;
        let rows = self.rows <= 1 || self.row_stride == self.dim.cast_signed();
        self.rows == 0 || self.dim == 0 || (columns && rows)
    }

    /// Offset of an element, or `None` if it is outside the shape.
    fn offset(self, row: usize, component: usize) -> Option<isize> {
        let inside = row < self.rows && component < self.dim;
        // No overflow: the element lies in an allocation, so its offset fits.
        inside.then(|| {
            row.cast_signed() * self.row_stride + component.cast_signed() * self.column_stride
        })
    }

    /// A layout over a slice of `len` elements with the first element at index 0.
    fn checked(
        len: usize,
        rows: usize,
        dim: usize,
        row_stride: usize,
        column_stride: usize,
    ) -> Result<Self, Error> {
        let too_large =
            || Error::shape(format!("a {rows} x {dim} array is larger than the address space"));
        let elements = rows.checked_mul(dim).ok_or_else(too_large)?;
        if elements > 0 {
            let last = (rows - 1)
                .checked_mul(row_stride)
                .zip((dim - 1).checked_mul(column_stride))
                .and_then(|(r, c)| r.checked_add(c))
                .ok_or_else(too_large)?;
            if last >= len {
                return Err(Error::shape(format!(
                    "the last element of a {rows} x {dim} array with strides ({row_stride}, {column_stride}) \
                     is number {last}, but the slice has {len} elements"
                )));
            }
        }
        // A stride of an axis with one element (or of an empty array) is never used: any value will do.
        let signed = |stride: usize| isize::try_from(stride).unwrap_or(0);
        let (row_stride, column_stride) = (signed(row_stride), signed(column_stride));
        Ok(Self { rows, dim, row_stride, column_stride })
    }

    /// A row-major layout over a slice of exactly `rows * dim` elements.
    fn exact(len: usize, rows: usize, dim: usize) -> Result<Self, Error> {
        if rows.checked_mul(dim) != Some(len) {
            return Err(Error::shape(format!(
                "a {rows} x {dim} array needs a slice of {rows}*{dim} elements, not of {len}"
            )));
        }
        Self::checked(len, rows, dim, dim, 1)
    }

    /// Whether no two elements share an address: sufficient, and necessary up to exotic interleavings.
    fn injective(self) -> bool {
        let axis = |extent: usize, stride: isize| (stride.unsigned_abs(), extent.saturating_sub(1));
        let a = axis(self.rows, self.row_stride);
        let b = axis(self.dim, self.column_stride);
        let (inner, outer) = if a.0 <= b.0 { (a, b) } else { (b, a) };
        let span = inner.0.saturating_mul(inner.1);
        self.rows == 0
            || self.dim == 0
            || ((inner.1 == 0 || inner.0 > 0) && (outer.1 == 0 || outer.0 > span))
    }
}

/// Read access to the rows of an argument, of any stride: `rows` points of `dim` components.
///
/// A view made from a one-dimensional array is a *vector*: it can be given for a parameter (`Pm`) only, because as an
/// argument of category `Vi` or `Vj` it could mean one point or many.
///
/// ```
/// use genred::View;
/// let data = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0];
/// let points = View::new(&data, 2, 3)?;
/// assert_eq!((points.rows(), points.dim()), (2, 3));
/// assert_eq!(points.get(1, 0), Some(3.0));
/// assert!(View::new(&data, 2, 4).is_err());
/// # Ok::<(), genred::Error>(())
/// ```
pub struct View<'a, T> {
    pointer: NonNull<T>,
    layout: Layout,
    vector: bool,
    lifetime: PhantomData<&'a [T]>,
}

// Not derived: a view is `Copy` whatever `T` is.
impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

// SAFETY: a view gives shared access only, exactly as the `&[T]` that it stands for.
unsafe impl<T: Sync> Send for View<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<'_, T> {}

impl<'a, T: Element> View<'a, T> {
    fn over(data: &'a [T], layout: Layout, vector: bool) -> Self {
        let pointer = NonNull::from(data).cast();
        Self { pointer, layout, vector, lifetime: PhantomData }
    }

    /// Rows that lie one after another in a slice of exactly `rows * dim` elements.
    ///
    /// # Errors
    /// If the slice has any other length.
    ///
    /// ```
    /// let data = [1.0f64; 6];
    /// assert!(genred::View::new(&data, 3, 2).is_ok());
    /// assert!(genred::View::new(&data, 2, 2).is_err());
    /// ```
    pub fn new(data: &'a [T], rows: usize, dim: usize) -> Result<Self, Error> {
        Ok(Self::over(data, Layout::exact(data.len(), rows, dim)?, false))
    }

    /// Rows that begin `row_stride` elements apart; they may overlap, as windows of a series do.
    ///
    /// # Errors
    /// If a row would end outside the slice.
    ///
    /// ```
    /// let series = [0.0f32, 1.0, 2.0, 3.0, 4.0];
    /// let windows = genred::View::strided(&series, 3, 3, 1)?;
    /// assert_eq!(windows.get(2, 0), Some(2.0));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn strided(
        data: &'a [T],
        rows: usize,
        dim: usize,
        row_stride: usize,
    ) -> Result<Self, Error> {
        Self::with_strides(data, rows, dim, row_stride, 1)
    }

    /// Rows that begin `row_stride` elements apart, of components that lie `column_stride` elements apart.
    ///
    /// A column-major (Fortran) array has strides `(1, rows)`.
    ///
    /// # Errors
    /// If an element would lie outside the slice.
    ///
    /// ```
    /// let columns = [1.0f32, 2.0, 10.0, 20.0];
    /// let points = genred::View::with_strides(&columns, 2, 2, 1, 2)?;
    /// assert_eq!(points.get(0, 1), Some(10.0));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn with_strides(
        data: &'a [T],
        rows: usize,
        dim: usize,
        row_stride: usize,
        column_stride: usize,
    ) -> Result<Self, Error> {
        let layout = Layout::checked(data.len(), rows, dim, row_stride, column_stride)?;
        Ok(Self::over(data, layout, false))
    }

    /// A vector of `data.len()` components: the value of a parameter.
    ///
    /// ```
    /// let sigma = genred::View::vector(&[0.5f32]);
    /// assert!(sigma.is_vector());
    /// assert_eq!((sigma.rows(), sigma.dim()), (1, 1));
    /// ```
    pub fn vector(data: &'a [T]) -> Self {
        let dim = data.len();
        let layout = Layout { rows: 1, dim, row_stride: 0, column_stride: 1 };
        Self::over(data, layout, true)
    }

    /// The rows `first .. end`, without copying.
    ///
    /// # Errors
    /// If they are not rows of the view.
    ///
    /// ```
    /// let data = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0];
    /// let tail = genred::View::new(&data, 3, 2)?.rows_between(1, 3)?;
    /// assert_eq!((tail.rows(), tail.get(0, 0)), (2, Some(2.0)));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn rows_between(&self, first: usize, end: usize) -> Result<View<'a, T>, Error> {
        if first > end || end > self.layout.rows || self.vector {
            let rows = self.layout.rows;
            return Err(Error::shape(format!("rows {first}..{end} of a view of {rows}")));
        }
        let layout = Layout { rows: end - first, ..self.layout };
        let pointer = match self.layout.offset(first, 0) {
            // SAFETY: that element lies inside the view, so by the module's invariant inside the borrowed memory.
            Some(offset) => unsafe { self.pointer.offset(offset) },
            None => self.pointer,
        };
        Ok(View { pointer, layout, ..*self })
    }

    /// One element, or `None` outside the view.
    ///
    /// ```
    /// let points = genred::View::new(&[1.0f32, 2.0, 3.0, 4.0], 2, 2)?;
    /// assert_eq!((points.get(1, 0), points.get(2, 0)), (Some(3.0), None));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn get(&self, row: usize, component: usize) -> Option<T> {
        let offset = self.layout.offset(row, component)?;
        // SAFETY: the element is inside the view, so by the module's invariant inside the borrowed memory.
        Some(unsafe { self.pointer.offset(offset).read() })
    }

    /// Everything, row after row, if there are no gaps.
    pub(crate) fn as_slice(&self) -> Option<&'a [T]> {
        let Layout { rows, dim, .. } = self.layout;
        if rows == 0 || dim == 0 {
            return Some(&[]);
        }
        // SAFETY: the elements of a contiguous view are exactly these, each inside the borrowed memory by the module's invariant.
        self.layout
            .contiguous()
            .then(|| unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), rows * dim) })
    }

    /// One row, if its components are adjacent.
    pub(crate) fn row(&self, row: usize) -> Option<&'a [T]> {
        let Layout { rows, dim, row_stride, column_stride } = self.layout;
        if row >= rows || (dim > 1 && column_stride != 1) {
            return None;
        }
        let start = row.cast_signed() * row_stride;
        // SAFETY: these are exactly the elements of a row of the view, inside the borrowed memory by the module's invariant.
        Some(unsafe { std::slice::from_raw_parts(self.pointer.as_ptr().offset(start), dim) })
    }
}

impl<T> View<'_, T> {
    /// Number of points.
    ///
    /// ```
    /// let points = genred::View::new(&[0.0f32; 6], 2, 3)?;
    /// assert_eq!(points.rows(), 2);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// Number of components of each point.
    ///
    /// ```
    /// let points = genred::View::new(&[0.0f32; 6], 2, 3)?;
    /// assert_eq!(points.dim(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn dim(&self) -> usize {
        self.layout.dim
    }

    /// Whether the view was made from a one-dimensional array, and so is a parameter.
    ///
    /// ```
    /// use genred::View;
    /// assert!(View::vector(&[1.0f32, 2.0]).is_vector());
    /// assert!(!View::new(&[1.0f32, 2.0], 1, 2)?.is_vector());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn is_vector(&self) -> bool {
        self.vector
    }

    /// Whether the elements lie row after row without gaps.
    ///
    /// ```
    /// use genred::View;
    /// let data = [0.0f32; 6];
    /// assert!(View::new(&data, 3, 2)?.is_contiguous());
    /// assert!(!View::strided(&data, 2, 2, 3)?.is_contiguous());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn is_contiguous(&self) -> bool {
        self.layout.contiguous()
    }

    /// Address of the first element: valid for reads at every in-shape combination of the strides, dangling if the
    /// view is empty.
    ///
    /// ```
    /// let data = [1.0f32, 2.0];
    /// assert_eq!(genred::View::new(&data, 2, 1)?.as_ptr(), data.as_ptr());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn as_ptr(&self) -> *const T {
        self.pointer.as_ptr()
    }

    /// Elements from a row to the next; negative if rows are stored backwards.
    ///
    /// ```
    /// let windows = genred::View::strided(&[0.0f32; 5], 3, 3, 1)?;
    /// assert_eq!(windows.row_stride(), 1);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn row_stride(&self) -> isize {
        self.layout.row_stride
    }

    /// Elements from a component to the next.
    ///
    /// ```
    /// let by_columns = genred::View::with_strides(&[0.0f32; 6], 3, 2, 1, 3)?;
    /// assert_eq!(by_columns.column_stride(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn column_stride(&self) -> isize {
        self.layout.column_stride
    }
}

impl<T: fmt::Debug> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("View", self.layout, f)
    }
}

fn describe(name: &str, layout: Layout, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Layout { rows, dim, row_stride, column_stride } = layout;
    write!(f, "{name} {{ {rows} x {dim}, strides ({row_stride}, {column_stride}) }}")
}

impl<'a, T: Element> From<&'a [T]> for View<'a, T> {
    /// A [vector](View::vector).
    fn from(data: &'a [T]) -> Self {
        View::vector(data)
    }
}

impl<'a, T: Element, const D: usize> From<&'a [T; D]> for View<'a, T> {
    /// A [vector](View::vector).
    fn from(data: &'a [T; D]) -> Self {
        View::vector(data)
    }
}

#[cfg(feature = "ndarray")]
mod arrays;
#[cfg(test)]
mod tests;
mod writable;

pub use writable::ViewMut;
