//! Arrays of a call: what is not an array of the right kind is refused here by name; rows and dims are the crate's to check.

use crate::errors::{self, Class};
use genred::formula::{Category, Variable};
use genred::{BatchView, DType, Element, View};
use half::f16;
use numpy::ndarray::{ArrayViewD, Ix1, Ix2};
use numpy::{
    PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods, dtype as dtype_of,
};
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

/// An argument on its way: the array, and what it is for.
pub(crate) struct Given<'a, 'py> {
    pub(crate) array: Bound<'py, PyUntypedArray>,
    pub(crate) variable: &'a Variable,
}

/// `x = Vi(3)`.
fn declared(variable: &Variable) -> String {
    format!("`{} = {}({})`", variable.name, variable.category.text(), variable.dim)
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

/// The arrays of a call, one for each variable.
pub(crate) fn given<'a, 'py>(
    args: &Bound<'py, PyTuple>,
    variables: &'a [Variable],
) -> PyResult<Vec<Given<'a, 'py>>> {
    if args.len() != variables.len() {
        let names: Vec<String> = variables.iter().map(declared).collect();
        let message = format!(
            "{} arrays are given, but the formula has {}: {}",
            args.len(),
            variables.len(),
            names.join(", ")
        );
        return Err(errors::error(args.py(), Class::Shape, &message, ""));
    }
    let pairs = args.iter().zip(variables);
    pairs.map(|(arg, variable)| Ok(Given { array: array(&arg, variable)?, variable })).collect()
}

/// A NumPy array: the argument itself, or what it lends by DLPack. Nothing is copied.
fn array<'py>(
    arg: &Bound<'py, PyAny>,
    variable: &Variable,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = arg.py();
    let mine = if arg.cast::<PyUntypedArray>().is_ok() {
        arg.clone()
    } else if arg.hasattr(intern!(py, "__dlpack__"))? {
        static FROM_DLPACK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let lend = FROM_DLPACK.import(py, "numpy", "from_dlpack")?;
        lend.call1((arg,)).map_err(|error| not_lent(arg, variable, error))?
    } else {
        let message = format!(
            "`{}` is a {}, but {} needs an array",
            variable.name,
            type_name(arg),
            declared(variable)
        );
        return Err(errors::error(
            py,
            Class::DType,
            &message,
            "`numpy.asarray(..., dtype=...)` makes one",
        ));
    };
    let array = mine.cast_into::<PyUntypedArray>().map_err(PyErr::from)?;
    // Not a plain array: its class may say that some of its numbers do not count.
    if !array.is_exact_instance_of::<PyUntypedArray>() && array.hasattr(intern!(py, "mask"))? {
        let message = format!("`{}` is a masked array, and masks are not looked at", variable.name);
        return Err(errors::error(
            py,
            Class::DType,
            &message,
            "`.filled(...)` makes a plain array",
        ));
    }
    Ok(array)
}

/// Why a tensor cannot be used: what its library or NumPy says, with the name of the argument.
fn not_lent(arg: &Bound<'_, PyAny>, variable: &Variable, error: PyErr) -> PyErr {
    let py = arg.py();
    if !error.is_instance_of::<PyException>(py) {
        return error;
    }
    let name = &variable.name;
    let message = format!("`{name}` is a {} that is not lent: {}", type_name(arg), error.value(py));
    let help =
        "tensors on the CPU of float16, float32 or float64 are, without a graph of gradients";
    let refused = errors::error(py, Class::DType, &message, help);
    refused.set_cause(py, Some(error));
    refused
}

/// The dtype that all arrays of a call have.
pub(crate) fn dtype(py: Python<'_>, given: &[Given<'_, '_>]) -> PyResult<DType> {
    let Some(first) = given.first() else {
        let message = "a formula without arguments has no dtype to be computed in";
        return Err(errors::error(py, Class::Usage, message, ""));
    };
    let dtype = first.array.dtype();
    // By how often they are used: equal descriptors are found by their addresses.
    let known = if dtype.is_equiv_to(&dtype_of::<f32>(py)) {
        DType::F32
    } else if dtype.is_equiv_to(&dtype_of::<f64>(py)) {
        DType::F64
    } else if dtype.is_equiv_to(&dtype_of::<f16>(py)) {
        DType::F16
    } else {
        let message = format!("`{}` is an array of {dtype}", first.variable.name);
        let help = "arrays are float16, float32 or float64, in the machine's byte order";
        return Err(errors::error(py, Class::DType, &message, help));
    };
    Ok(known)
}

/// Borrow every array for reading.
pub(crate) fn borrow<'py, T: Element + numpy::Element>(
    given: &[Given<'_, 'py>],
) -> PyResult<Vec<PyReadonlyArrayDyn<'py, T>>> {
    let one = |argument: &Given<'_, 'py>| {
        let Given { array, variable } = argument;
        let py = array.py();
        let refuse = |class, message: String, help: &str| errors::error(py, class, &message, help);
        let Ok(typed) = array.as_any().cast::<PyArrayDyn<T>>() else {
            let first = &given[0].variable.name;
            return Err(refuse(
                Class::DType,
                format!(
                    "`{}` is an array of {}, but `{first}` is one of {}",
                    variable.name,
                    array.dtype(),
                    T::DTYPE
                ),
                "all arrays of a call have one dtype; `.astype(...)` converts",
            ));
        };
        let size = size_of::<T>().cast_signed();
        if !typed.is_aligned() || typed.strides().iter().any(|stride| stride % size != 0) {
            return Err(refuse(
                Class::Shape,
                format!("the numbers of `{}` do not lie at multiples of their size", variable.name),
                "`.copy()` makes an array that does",
            ));
        }
        typed.try_readonly().map_err(|_| {
            refuse(
                Class::Usage,
                format!("`{}` is being written to by another call", variable.name),
                "",
            )
        })
    };
    given.iter().map(one).collect()
}

/// Whether this is a call of batches. A matrix for a parameter does not make it one: that is more often a mistake.
pub(crate) fn in_batches(given: &[Given<'_, '_>]) -> bool {
    given.iter().any(|Given { array, .. }| array.ndim() > 2)
}

/// The borrowed arrays with their batch dimensions. A parameter of no axes is one number.
pub(crate) fn batch_views<'a, T: Element + numpy::Element>(
    borrowed: &'a [PyReadonlyArrayDyn<'_, T>],
) -> Vec<BatchView<'a, T>> {
    let one = |array: &'a PyReadonlyArrayDyn<'_, T>| {
        let array = array.as_array();
        match array.ndim() {
            0 => array.into_shape_with_order(vec![1]).expect("one number is in any order").into(),
            _ => array.into(),
        }
    };
    borrowed.iter().map(one).collect()
}

/// The views of borrowed arrays.
pub(crate) fn views<'a, T: Element + numpy::Element>(
    py: Python<'_>,
    borrowed: &'a [PyReadonlyArrayDyn<'_, T>],
    given: &[Given<'_, '_>],
) -> PyResult<Vec<View<'a, T>>> {
    let pairs = borrowed.iter().zip(given);
    pairs.map(|(array, given)| view(py, array.as_array(), given.variable)).collect()
}

/// The view of a borrowed array.
pub(crate) fn view<'a, T: Element>(
    py: Python<'_>,
    array: ArrayViewD<'a, T>,
    variable: &Variable,
) -> PyResult<View<'a, T>> {
    let name = &variable.name;
    let shape = array.shape().to_vec();
    let refuse = |class, message: String, help: &str| errors::error(py, class, &message, help);
    let parameter = variable.category == Category::Param;
    match shape.len() {
        2 => Ok(array.into_dimensionality::<Ix2>().expect("it has two axes").into()),
        1 if parameter => Ok(array.into_dimensionality::<Ix1>().expect("it has one axis").into()),
        0 if parameter => {
            Ok(array.into_shape_with_order(1).expect("one number is in any order").into())
        }
        0 | 1 => Err(refuse(
            Class::Shape,
            format!(
                "`{name}` has shape {}, but {} needs one row of {} for every {}",
                tuple(&shape),
                declared(variable),
                numbers(variable.dim),
                if variable.category == Category::I { "i" } else { "j" }
            ),
            &format!("`{name}.reshape(-1, {})` makes rows", variable.dim),
        )),
        _ => Err(refuse(
            Class::Missing,
            format!(
                "`{name}` has shape {}: gradients, ranges and solves take no batch dimensions yet",
                tuple(&shape),
            ),
            "call it for each element of the batch",
        )),
    }
}

fn numbers(dim: u32) -> String {
    if dim == 1 { "one number".to_owned() } else { format!("{dim} numbers") }
}

/// A shape as Python writes it.
pub(crate) fn tuple(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("({}{})", sizes.join(", "), if shape.len() == 1 { "," } else { "" })
}
