//! Results: arrays that NumPy owns from here on, or numbers written into the caller's.

use crate::arguments::tuple;
use crate::errors::{self, Class};
use genred::{Array, BatchArray, Element, ViewMut};
use numpy::ndarray::{Array2, Array3, ArrayD, ArrayViewMutD, Ix2};
use numpy::{
    BorrowError, PyArray2, PyArray3, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods,
    PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The last axes of a result: `(dim)`, or `(k, dim)` for the K values of each component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    Plain(usize),
    Kept { k: usize, dim: usize },
}

impl Columns {
    /// For a formula of dim `dim` of which `k` values are kept, if the reduction keeps several.
    pub(crate) fn of(result: usize, k: Option<u32>) -> Columns {
        match k {
            Some(k) if result > k as usize => {
                Columns::Kept { k: k as usize, dim: result / k as usize }
            }
            _ => Columns::Plain(result),
        }
    }

    pub(crate) fn shape(self, rows: usize) -> Vec<usize> {
        self.shape_after(&[rows])
    }

    /// The shape of a result whose axes before these are known.
    fn shape_after(self, axes: &[usize]) -> Vec<usize> {
        match self {
            Columns::Plain(dim) => [axes, &[dim]].concat(),
            Columns::Kept { k, dim } => [axes, &[k, dim]].concat(),
        }
    }
}

/// The results of a batch as NumPy's own, or copied to the caller's.
pub(crate) fn deliver<'py, T: numpy::Element + Copy>(
    py: Python<'py>,
    array: BatchArray<T>,
    columns: Columns,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match out {
        None => {
            let array = ArrayD::from_shape_vec(shape_of(&array, columns), array.into_vec());
            let array = array.expect("there is one number for each place");
            Ok(PyArrayDyn::from_owned_array(py, array).into_any())
        }
        Some(out) => {
            copy(&mut borrow_for(out, &array, columns)?, array.as_slice());
            Ok(out.clone())
        }
    }
}

/// Borrow `out` for the results of a batch.
pub(crate) fn borrow_for<'py, T: numpy::Element>(
    out: &Bound<'py, PyAny>,
    array: &BatchArray<T>,
    columns: Columns,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    borrow(out, &shape_of(array, columns))
}

fn shape_of<T>(array: &BatchArray<T>, columns: Columns) -> Vec<usize> {
    let (_, axes) = array.shape().split_last().expect("the last axis is the dim");
    columns.shape_after(axes)
}

/// The array as NumPy's own; the numbers are not copied.
pub(crate) fn lend<T: numpy::Element>(
    py: Python<'_>,
    array: Array<T>,
    columns: Columns,
) -> Bound<'_, PyAny> {
    match columns {
        Columns::Plain(_) => PyArray2::from_owned_array(py, Array2::from(array)).into_any(),
        Columns::Kept { k, dim } => {
            let shape = (array.rows(), k, dim);
            let array = Array3::from_shape_vec(shape, array.into_vec());
            let array = array.expect("a row has k * dim numbers");
            PyArray3::from_owned_array(py, array).into_any()
        }
    }
}

/// The two members of an `out` for values and indices.
pub(crate) fn both<'py>(
    out: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let pair = out.cast::<PyTuple>().ok().filter(|tuple| tuple.len() == 2);
    let Some(pair) = pair else {
        let message = "the reduction gives values and indices, so `out` is a tuple of two arrays";
        return Err(errors::error(out.py(), Class::Usage, message, ""));
    };
    Ok((pair.get_item(0)?, pair.get_item(1)?))
}

/// Borrow `out` for writing, if it has the result's dtype and shape.
pub(crate) fn borrow<'py, T: numpy::Element>(
    out: &Bound<'py, PyAny>,
    shape: &[usize],
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    let py = out.py();
    let refuse = |class, message: String| Err(errors::error(py, class, &message, ""));
    let wanted = dtype::<T>(py);
    let Ok(typed) = out.cast::<PyArrayDyn<T>>() else {
        let given = match out.cast::<PyUntypedArray>() {
            Ok(array) => format!("an array of {}", array.dtype()),
            Err(_) => format!("a {}", out.get_type().name()?),
        };
        return refuse(
            Class::DType,
            format!("`out` is {given}, but the result is an array of {wanted}"),
        );
    };
    if typed.shape() != shape {
        let message = format!(
            "`out` has shape {}, but the result has {}",
            tuple(typed.shape()),
            tuple(shape)
        );
        return refuse(Class::Shape, message);
    }
    let size = wanted.itemsize().cast_signed();
    let strides = typed.strides();
    if !typed.is_aligned()
        || strides.iter().any(|stride| stride % size != 0)
        || repeats(shape, strides)
    {
        let message =
            "the numbers of `out` share addresses or do not lie at multiples of their size";
        return refuse(Class::Shape, message.to_owned());
    }
    match typed.try_readwrite() {
        Ok(array) => Ok(array),
        Err(BorrowError::NotWriteable) => refuse(Class::Usage, "`out` is not writeable".to_owned()),
        Err(_) => refuse(
            Class::Usage,
            "`out` shares memory with an argument of this or another call".to_owned(),
        ),
    }
}

/// Whether two elements may share an address.
fn repeats(shape: &[usize], strides: &[isize]) -> bool {
    let mut axes: Vec<(usize, usize)> =
        strides.iter().map(|s| s.unsigned_abs()).zip(shape.iter().copied()).collect();
    axes.sort_unstable();
    let mut covered = 0usize;
    for (stride, extent) in axes {
        if extent > 1 {
            if stride <= covered {
                return true;
            }
            covered = covered.saturating_add(stride.saturating_mul(extent - 1));
        }
    }
    false
}

/// The rows of `out` as the crate writes them.
pub(crate) fn view_mut<'a, T: Element>(
    py: Python<'_>,
    out: ArrayViewMutD<'a, T>,
    columns: Columns,
) -> PyResult<ViewMut<'a, T>> {
    let rows = out.shape()[0];
    let dim: usize = out.shape()[1..].iter().product();
    let flat = match columns {
        Columns::Plain(_) => Ok(out.into_dimensionality::<Ix2>().expect("its shape was checked")),
        Columns::Kept { .. } => out.into_shape_with_order((rows, dim)),
    };
    match flat {
        Ok(flat) => Ok(flat.into()),
        Err(_) => {
            let message = "`out` of a K-reduction with several components must be C-contiguous";
            Err(errors::error(py, Class::Shape, message, ""))
        }
    }
}

/// Copy a result that the crate gives as an array of its own.
pub(crate) fn copy<T: numpy::Element + Copy>(out: &mut PyReadwriteArrayDyn<'_, T>, numbers: &[T]) {
    out.as_array_mut().iter_mut().zip(numbers).for_each(|(to, from)| *to = *from);
}
