//! Gradients of whole reductions by one argument.

use crate::arguments;
use crate::errors::{self, Class};
use crate::kernels::Stored;
use crate::operation::{Operation, released};
use crate::results::{self, Columns};
use genred::formula::{Category, Variable};
use genred::{Backend, DType};
use half::f16;
use numpy::{PyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::OnceLock;

/// The gradient of an operation by the argument of a name; `genred.numpy.Genred.grad` documents it.
#[pyclass(frozen, module = "genred._native")]
#[derive(Debug)]
pub(crate) struct Gradient {
    operation: Py<Operation>,
    name: String,
    /// Arguments of the operation, and the seed.
    variables: Vec<Variable>,
    compiled: ByType,
}

/// Compiled when first called with arrays of a dtype.
#[derive(Debug, Default)]
pub(crate) struct ByType {
    pub(crate) f16: OnceLock<genred::Gradient<f16>>,
    pub(crate) f32: OnceLock<genred::Gradient<f32>>,
    pub(crate) f64: OnceLock<genred::Gradient<f64>>,
}

impl Gradient {
    pub(crate) fn new(operation: Bound<'_, Operation>, name: &str) -> PyResult<Gradient> {
        let py = operation.py();
        let Operation { variables, .. } = operation.get();
        if !variables.iter().any(|variable| variable.name == name) {
            let names: Vec<&str> = variables.iter().map(|v| v.name.as_str()).collect();
            let help = format!("the arguments are {}", names.join(", "));
            let message = format!("no argument is named `{name}`");
            return Err(errors::error(py, Class::Usage, &message, &help));
        }
        let mut variables = variables.clone();
        let (category, dim) = operation.get().seed();
        variables.push(Variable { name: "seed".to_owned(), category, dim });
        Ok(Gradient {
            operation: operation.unbind(),
            name: name.to_owned(),
            variables,
            compiled: ByType::default(),
        })
    }

    fn call<'py, T: Stored>(
        &self,
        py: Python<'py>,
        given: &[arguments::Given<'_, 'py>],
        ranges: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let operation = self.operation.get();
        let kernel = operation.kernel::<T>(py, Backend::Auto)?;
        let slot = T::gradient(&self.compiled);
        let gradient = match slot.get() {
            Some(gradient) => gradient,
            None => {
                let made = released(py, || kernel.grad(&self.name))?;
                slot.get_or_init(|| made)
            }
        };
        let borrowed = arguments::borrow::<T>(given)?;
        let mut views = arguments::views(py, &borrowed, given)?;
        let seed = views.pop().expect("the last argument is the seed");
        let result = match ranges {
            None => released(py, || gradient.call(&views, seed))?,
            Some(ranges) => {
                let ranges = operation.ranges(kernel, &views, ranges)?;
                released(py, || gradient.with_ranges(&ranges).call(&views, seed))?
            }
        };
        // Shaped like the argument: a parameter has one axis or two.
        let by = given.iter().find(|given| given.variable.name == self.name);
        let by = by.expect("the name was checked");
        if by.variable.category == Category::Param && by.array.ndim() < 2 {
            return Ok(PyArray1::from_vec(py, result.into_vec()).into_any());
        }
        let dim = result.dim();
        Ok(results::lend(py, result, Columns::Plain(dim)))
    }
}

#[pymethods]
impl Gradient {
    #[pyo3(signature = (*args, ranges=None))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        ranges: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given = arguments::given(args, &self.variables)?;
        match arguments::dtype(py, &given)? {
            DType::F16 => self.call::<f16>(py, &given, ranges),
            DType::F32 => self.call::<f32>(py, &given, ranges),
            DType::F64 => self.call::<f64>(py, &given, ranges),
        }
    }

    #[getter]
    fn name(&self) -> &str {
        &self.name
    }
}
