//! Views that can be written to.

use super::{Layout, describe};
use crate::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Write access to the rows of a result, of any stride; no two elements share an address.
///
/// ```
/// use genred::ViewMut;
/// let mut padded = [0.0f32; 8];
/// let out = ViewMut::strided(&mut padded, 2, 3, 4)?;
/// assert_eq!((out.rows(), out.dim(), out.row_stride()), (2, 3, 4));
/// # Ok::<(), genred::Error>(())
/// ```
pub struct ViewMut<'a, T> {
    pub(super) pointer: NonNull<T>,
    pub(super) layout: Layout,
    pub(super) lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: a mutable view gives exclusive access to its elements, exactly as the `&mut [T]` that it stands for.
unsafe impl<T: Send> Send for ViewMut<'_, T> {}
// SAFETY: through a shared reference to a mutable view nothing can be written and only its shape can be read.
unsafe impl<T: Sync> Sync for ViewMut<'_, T> {}

impl<'a, T: Copy + 'static> ViewMut<'a, T> {
    /// Rows that lie one after another in a slice of exactly `rows * dim` elements.
    ///
    /// ```
    /// use genred::ViewMut;
    /// let mut data = [0.0f32; 6];
    /// assert!(ViewMut::new(&mut data, 3, 2).is_ok());
    /// assert!(ViewMut::new(&mut data, 2, 2).is_err());
    /// ```
    ///
    /// # Errors
    /// If the slice has any other length.
    pub fn new(data: &'a mut [T], rows: usize, dim: usize) -> Result<Self, Error> {
        let layout = Layout::exact(data.len(), rows, dim)?;
        Ok(Self::over(data, layout))
    }

    /// Rows that begin `row_stride` elements apart.
    ///
    /// ```
    /// use genred::ViewMut;
    /// let mut padded = [0.0f32; 6];
    /// ViewMut::strided(&mut padded, 2, 2, 3)?.set(1, 1, 5.0)?;
    /// assert_eq!(padded, [0.0, 0.0, 0.0, 0.0, 5.0, 0.0]);
    /// assert!(ViewMut::strided(&mut padded, 3, 2, 1).is_err(), "rows overlap");
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a row would end outside the slice, or rows overlap.
    pub fn strided(
        data: &'a mut [T],
        rows: usize,
        dim: usize,
        row_stride: usize,
    ) -> Result<Self, Error> {
        Self::with_strides(data, rows, dim, row_stride, 1)
    }

    /// Rows that begin `row_stride` elements apart, of components that lie `column_stride` elements apart.
    ///
    /// # Errors
    /// If an element would lie outside the slice, or two at the same place.
    ///
    /// ```
    /// let mut data = [0.0f32; 6];
    /// assert!(genred::ViewMut::with_strides(&mut data, 3, 2, 1, 3).is_ok());
    /// assert!(genred::ViewMut::with_strides(&mut data, 3, 2, 1, 1).is_err());
    /// ```
    pub fn with_strides(
        data: &'a mut [T],
        rows: usize,
        dim: usize,
        row_stride: usize,
        column_stride: usize,
    ) -> Result<Self, Error> {
        let layout = Layout::checked(data.len(), rows, dim, row_stride, column_stride)?;
        if !layout.injective() {
            return Err(Error::shape(format!(
                "a {rows} x {dim} array with strides ({row_stride}, {column_stride}) overlaps itself: \
                 it cannot be written to"
            )));
        }
        Ok(Self::over(data, layout))
    }

    fn over(data: &'a mut [T], layout: Layout) -> Self {
        Self { pointer: NonNull::from(data).cast(), layout, lifetime: PhantomData }
    }

    /// Replace one element.
    ///
    /// ```
    /// let mut data = [0.0f32; 4];
    /// let mut out = genred::ViewMut::new(&mut data, 2, 2)?;
    /// out.set(1, 0, 5.0)?;
    /// assert!(out.set(2, 0, 5.0).is_err());
    /// assert_eq!(data, [0.0, 0.0, 5.0, 0.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// If it lies outside the view.
    pub fn set(&mut self, row: usize, component: usize, value: T) -> Result<(), Error> {
        let Some(offset) = self.layout.offset(row, component) else {
            let Layout { rows, dim, .. } = self.layout;
            return Err(Error::shape(format!(
                "element ({row}, {component}) is outside an array of {rows} x {dim}"
            )));
        };
        // SAFETY: the element is inside the view, so by the module's invariant inside the memory that is borrowed
        // exclusively for 'a.
        unsafe { self.pointer.offset(offset).write(value) };
        Ok(())
    }
}

impl<'a, T> ViewMut<'a, T> {
    /// The rows before `at`, and the others.
    pub(crate) fn split_rows(self, at: usize) -> (ViewMut<'a, T>, ViewMut<'a, T>) {
        let at = at.min(self.layout.rows);
        let first = Layout { rows: at, ..self.layout };
        let second = Layout { rows: self.layout.rows - at, ..self.layout };
        let pointer = if second.rows == 0 {
            self.pointer
        } else {
            // SAFETY: the first element of row `at` lies inside the view's memory by the module's invariant. The halves share no
            // element, and `self` is gone.
            unsafe { self.pointer.offset(at.cast_signed() * self.layout.row_stride) }
        };
        (
            ViewMut { pointer: self.pointer, layout: first, lifetime: PhantomData },
            ViewMut { pointer, layout: second, lifetime: PhantomData },
        )
    }

    /// Number of points.
    ///
    /// ```
    /// let mut data = [0.0f32; 6];
    /// assert_eq!(genred::ViewMut::new(&mut data, 2, 3)?.rows(), 2);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// Number of components of each point.
    ///
    /// ```
    /// let mut data = [0.0f32; 6];
    /// assert_eq!(genred::ViewMut::new(&mut data, 2, 3)?.dim(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn dim(&self) -> usize {
        self.layout.dim
    }

    /// Whether the elements lie row after row without gaps.
    ///
    /// ```
    /// use genred::ViewMut;
    /// let mut data = [0.0f32; 6];
    /// assert!(ViewMut::new(&mut data, 3, 2)?.is_contiguous());
    /// assert!(!ViewMut::strided(&mut data, 2, 2, 3)?.is_contiguous());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn is_contiguous(&self) -> bool {
        self.layout.contiguous()
    }

    /// Address of the first element: valid for reads and writes at every in-shape combination of the strides, dangling
    /// if the view is empty.
    ///
    /// ```
    /// let mut data = [1.0f32, 2.0];
    /// let address = data.as_ptr().cast_mut();
    /// assert_eq!(genred::ViewMut::new(&mut data, 2, 1)?.as_mut_ptr(), address);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.pointer.as_ptr()
    }

    /// Elements from a row to the next; negative if rows are stored backwards.
    ///
    /// ```
    /// let mut data = [0.0f32; 8];
    /// assert_eq!(genred::ViewMut::strided(&mut data, 2, 3, 4)?.row_stride(), 4);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn row_stride(&self) -> isize {
        self.layout.row_stride
    }

    /// Elements from a component to the next.
    ///
    /// ```
    /// let mut data = [0.0f32; 6];
    /// assert_eq!(genred::ViewMut::with_strides(&mut data, 3, 2, 1, 3)?.column_stride(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn column_stride(&self) -> isize {
        self.layout.column_stride
    }

    /// The same rows for a shorter time.
    ///
    /// ```
    /// use genred::{View, ViewMut, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (mut data, x) = ([0.0; 2], View::new(&[1.0, 2.0], 2, 1)?);
    /// let mut out = ViewMut::new(&mut data, 2, 1)?;
    /// sum.call_into(&[x, x], out.reborrow())?;
    /// // It can be used again.
    /// out.set(0, 0, -1.0)?;
    /// assert_eq!(data, [-1.0, 6.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn reborrow(&mut self) -> ViewMut<'_, T> {
        ViewMut { pointer: self.pointer, layout: self.layout, lifetime: PhantomData }
    }
}

impl<T: fmt::Debug> fmt::Debug for ViewMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("ViewMut", self.layout, f)
    }
}
