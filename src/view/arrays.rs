//! Views of ndarray arrays, of any stride.
//!
//! ndarray guarantees of its views what [`View`] promises: every in-shape element lies inside the memory borrowed for
//! `'a`, and the elements of a mutable view are distinct.

use super::{Layout, View, ViewMut};
use crate::dtype::Element;
use ndarray::{ArrayBase, ArrayView1, ArrayView2, ArrayViewMut2, Data, DataMut, Ix1, Ix2};
use std::marker::PhantomData;
use std::ptr::NonNull;

fn layout(shape: &[usize], strides: &[isize]) -> Layout {
    Layout { rows: shape[0], dim: shape[1], row_stride: strides[0], column_stride: strides[1] }
}

/// ndarray's pointers are never null, even of empty arrays.
fn pointer<T>(address: *const T) -> NonNull<T> {
    NonNull::new(address.cast_mut()).unwrap_or_else(NonNull::dangling)
}

impl<'a, T: Element> From<ArrayView2<'a, T>> for View<'a, T> {
    fn from(array: ArrayView2<'a, T>) -> Self {
        let layout = layout(array.shape(), array.strides());
        View { pointer: pointer(array.as_ptr()), layout, vector: false, lifetime: PhantomData }
    }
}

impl<'a, T: Element> From<ArrayView1<'a, T>> for View<'a, T> {
    /// A [vector](View::vector).
    fn from(array: ArrayView1<'a, T>) -> Self {
        let layout = layout(&[1, array.len()], &[0, array.strides()[0]]);
        View { pointer: pointer(array.as_ptr()), layout, vector: true, lifetime: PhantomData }
    }
}

impl<'a, T: Element> From<ArrayViewMut2<'a, T>> for ViewMut<'a, T> {
    fn from(mut array: ArrayViewMut2<'a, T>) -> Self {
        let layout = layout(array.shape(), array.strides());
        ViewMut { pointer: pointer(array.as_mut_ptr()), layout, lifetime: PhantomData }
    }
}

impl<'a, T: Element, S: Data<Elem = T>> From<&'a ArrayBase<S, Ix2>> for View<'a, T> {
    fn from(array: &'a ArrayBase<S, Ix2>) -> Self {
        array.view().into()
    }
}

impl<'a, T: Element, S: Data<Elem = T>> From<&'a ArrayBase<S, Ix1>> for View<'a, T> {
    /// A [vector](View::vector).
    fn from(array: &'a ArrayBase<S, Ix1>) -> Self {
        array.view().into()
    }
}

impl<'a, T: Element, S: DataMut<Elem = T>> From<&'a mut ArrayBase<S, Ix2>> for ViewMut<'a, T> {
    fn from(array: &'a mut ArrayBase<S, Ix2>) -> Self {
        array.view_mut().into()
    }
}
