//! The pairs that take part, as KeOps' six arrays say it.

use crate::errors::{self, Class};
use genred::{Array, Element, Error, Kernel, RangeArrays, Ranged, Ranges, View, ViewMut};
use numpy::PyReadonlyArrayDyn;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PySequence, PySequenceMethods};

const NAMES: [&str; 6] =
    ["ranges_i", "slices_i", "redranges_j", "ranges_j", "slices_j", "redranges_i"];

/// The ranges of a call with so many points i and j.
pub(crate) fn read(given: &Bound<'_, PyAny>, m: usize, n: usize) -> PyResult<Ranges> {
    let py = given.py();
    let refuse = |message: &str| errors::error(py, Class::Usage, message, "");
    let six = given.cast::<PySequence>().ok().filter(|six| six.len().is_ok_and(|len| len == 6));
    let Some(six) = six else {
        return Err(refuse(&format!("`ranges` are six arrays: {}", NAMES.join(", "))));
    };
    let arrays: Vec<Bound<'_, PyAny>> =
        (0..6).map(|k| integers(&six.get_item(k)?, NAMES[k], k)).collect::<PyResult<_>>()?;
    let borrowed: Vec<PyReadonlyArrayDyn<'_, i64>> =
        arrays.iter().map(|array| array.extract()).collect::<PyResult<_>>()?;
    let slices: Vec<&[i64]> = borrowed
        .iter()
        .map(|array| array.as_slice().map_err(|e| refuse(&e.to_string())))
        .collect::<PyResult<_>>()?;
    let pairs = |k: usize| slices[k].as_chunks::<2>().0;
    let arrays = RangeArrays {
        ranges_i: pairs(0),
        slices_i: slices[1],
        redranges_j: pairs(2),
        ranges_j: pairs(3),
        slices_j: slices[4],
        redranges_i: pairs(5),
    };
    Ranges::from_arrays(m, n, &arrays).map_err(|e| errors::of(py, &e))
}

/// One of the six as int64, row after row.
fn integers<'py>(given: &Bound<'py, PyAny>, name: &str, k: usize) -> PyResult<Bound<'py, PyAny>> {
    static AS_ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = given.py();
    let numpy = AS_ARRAY.import(py, "numpy", "asarray")?;
    let array = numpy.call1((given,))?;
    let kind: String =
        array.getattr(intern!(py, "dtype"))?.getattr(intern!(py, "kind"))?.extract()?;
    let shape: Vec<usize> = array.getattr(intern!(py, "shape"))?.extract()?;
    let wanted = if k % 3 == 1 { shape.len() == 1 } else { shape.len() == 2 && shape[1] == 2 };
    let empty = shape.iter().product::<usize>() == 0;
    if !(wanted || empty) || !(kind == "i" || kind == "u" || empty) {
        let message = format!(
            "`{name}` is an array of integers of shape {}",
            if k % 3 == 1 { "(clusters,)" } else { "(ranges, 2)" }
        );
        return Err(errors::error(py, Class::Shape, &message, ""));
    }
    let options = PyDict::new(py);
    options.set_item("dtype", "int64")?;
    options.set_item("order", "C")?;
    numpy.call((array,), Some(&options))
}

/// What a call goes over: all pairs, or blocks of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over<'k, T> {
    All(&'k Kernel<T>),
    Blocks(Ranged<'k, T>),
}

impl<T: Element> Over<'_, T> {
    pub(crate) fn call(&self, args: &[View<'_, T>]) -> Result<Array<T>, Error> {
        match self {
            Over::All(kernel) => kernel.call(args),
            Over::Blocks(blocks) => blocks.call(args),
        }
    }

    pub(crate) fn call_into(&self, args: &[View<'_, T>], out: ViewMut<'_, T>) -> Result<(), Error> {
        match self {
            Over::All(kernel) => kernel.call_into(args, out),
            Over::Blocks(blocks) => blocks.call_into(args, out),
        }
    }

    pub(crate) fn call_indices(&self, args: &[View<'_, T>]) -> Result<Array<i64>, Error> {
        match self {
            Over::All(kernel) => kernel.call_indices(args),
            Over::Blocks(blocks) => blocks.call_indices(args),
        }
    }

    pub(crate) fn call_both(&self, args: &[View<'_, T>]) -> Result<(Array<T>, Array<i64>), Error> {
        match self {
            Over::All(kernel) => kernel.call_both(args),
            Over::Blocks(blocks) => blocks.call_both(args),
        }
    }
}
