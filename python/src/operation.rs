//! The one class: a reduction that is compiled for the dtype of the arrays it is first called with.

use crate::errors::{self, Class};
use crate::gradient::Gradient;
use crate::kernels::{All, Stored};
use crate::options::{self, Sums};
use crate::ranges::{self, Over};
use crate::results::{self, Columns};
use crate::{arguments, solve, threads};
use genred::alias;
use genred::formula::{Category, Formula, Variable, typing};
use genred::reduce::Outputs;
use genred::{
    Axis, Backend, BatchView, DType, Error, Genred, Kernel, Ranges, Reduction, Stage, View,
};
use half::f16;
use pyo3::exceptions::PyDeprecationWarning;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A reduction over pairs; `genred.numpy.Genred` documents it.
#[pyclass(subclass, frozen, module = "genred._native")]
#[derive(Debug)]
pub(crate) struct Operation {
    formula: String,
    weight: Option<String>,
    aliases: Vec<String>,
    reduction: Reduction,
    output: Option<String>,
    axis: Option<Axis>,
    /// Conditions that a pair must meet to take part.
    keep: Vec<String>,
    sums: Sums,
    pub(crate) variables: Vec<Variable>,
    columns: Columns,
    /// Whether the result has a row for every i.
    rows_are_i: bool,
    kernels: All,
    /// What another process needs to make the same operation.
    asked: Asked,
}

/// Options as they were given.
#[derive(Debug)]
struct Asked {
    reduction_op: String,
    axis: i64,
    opt_arg: Option<i64>,
    dtype_acc: String,
    use_double_acc: bool,
    sum_scheme: String,
}

/// What `keep` is given as.
#[derive(FromPyObject)]
enum Conditions {
    One(String),
    All(Vec<String>),
}

impl Conditions {
    fn into_vec(self) -> Vec<String> {
        match self {
            Conditions::One(condition) => vec![condition],
            Conditions::All(conditions) => conditions,
        }
    }
}

impl Operation {
    fn request<T: genred::Element>(&self) -> Genred<T> {
        let mut request = Genred::reduction(self.reduction, self.formula.as_str())
            .aliases(self.aliases.iter().map(String::as_str));
        if let Some(weight) = &self.weight {
            request = request.weight(weight.as_str());
        }
        if let Some(output) = &self.output {
            request = request.output(output.as_str());
        }
        if let Some(axis) = self.axis {
            request = request.axis(axis);
        }
        self.keep.iter().fold(request, |request, condition| request.keep(condition.as_str()))
    }

    /// The kernel for a dtype.
    pub(crate) fn kernel<T: Stored>(
        &self,
        py: Python<'_>,
        backend: Backend,
    ) -> PyResult<&Kernel<T>> {
        let kernels = T::of(&self.kernels);
        if let Some(kernel) = kernels.ready(backend) {
            return Ok(kernel);
        }
        let accumulate = self.sums.of(py, T::DTYPE)?;
        let request = || self.request::<T>().accumulate(accumulate);
        py.detach(|| kernels.compile(backend, request)).map_err(|e| errors::of(py, &e))
    }

    fn call<'py, T: Stored>(
        &self,
        py: Python<'py>,
        given: &[arguments::Given<'_, 'py>],
        backend: Backend,
        ranges: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let all = self.kernel::<T>(py, backend)?;
        let borrowed = arguments::borrow::<T>(given)?;
        if ranges.is_none() && arguments::in_batches(given) {
            return self.call_batch(py, all, &arguments::batch_views(&borrowed), out);
        }
        let views = arguments::views(py, &borrowed, given)?;
        let shape = || match all.shape(&views) {
            Ok((rows, _)) => Ok(self.columns.shape(rows)),
            Err(error) => Err(errors::of(py, &error)),
        };
        let ranges = ranges.map(|ranges| self.ranges(all, &views, ranges)).transpose()?;
        let kernel = match &ranges {
            None => Over::All(all),
            Some(ranges) => Over::Blocks(all.with_ranges(ranges)),
        };
        match (self.reduction.outputs(), out) {
            (Outputs::Values, None) => {
                let values = released(py, || kernel.call(&views))?;
                Ok(results::lend(py, values, self.columns))
            }
            (Outputs::Values, Some(out)) => {
                let mut array = results::borrow::<T>(out, &shape()?)?;
                let into = results::view_mut(py, array.as_array_mut(), self.columns)?;
                released(py, || kernel.call_into(&views, into))?;
                Ok(out.clone())
            }
            (Outputs::Indices, None) => {
                let indices = released(py, || kernel.call_indices(&views))?;
                Ok(results::lend(py, indices, self.columns))
            }
            (Outputs::Indices, Some(out)) => {
                let mut into = results::borrow::<i64>(out, &shape()?)?;
                let indices = released(py, || kernel.call_indices(&views))?;
                results::copy(&mut into, indices.as_slice());
                Ok(out.clone())
            }
            (Outputs::Both, None) => {
                let (values, indices) = released(py, || kernel.call_both(&views))?;
                let values = results::lend(py, values, self.columns);
                let indices = results::lend(py, indices, self.columns);
                Ok(PyTuple::new(py, [values, indices])?.into_any())
            }
            (Outputs::Both, Some(out)) => {
                let (first, second) = results::both(out)?;
                let mut into = results::borrow::<T>(&first, &shape()?)?;
                let mut places = results::borrow::<i64>(&second, &shape()?)?;
                let (values, indices) = released(py, || kernel.call_both(&views))?;
                results::copy(&mut into, values.as_slice());
                results::copy(&mut places, indices.as_slice());
                Ok(out.clone())
            }
        }
    }

    /// A call with batch dimensions.
    fn call_batch<'py, T: Stored>(
        &self,
        py: Python<'py>,
        kernel: &Kernel<T>,
        args: &[BatchView<'_, T>],
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.reduction.outputs() {
            Outputs::Values => {
                let values = released(py, || kernel.call_batch(args))?;
                results::deliver(py, values, self.columns, out)
            }
            Outputs::Indices => {
                let indices = released(py, || kernel.call_batch_indices(args))?;
                results::deliver(py, indices, self.columns, out)
            }
            Outputs::Both => {
                let outs = out.map(results::both).transpose()?;
                let (values, indices) = released(py, || kernel.call_batch_both(args))?;
                let (Some(out), Some((first, second))) = (out, outs) else {
                    let values = results::deliver(py, values, self.columns, None)?;
                    let indices = results::deliver(py, indices, self.columns, None)?;
                    return Ok(PyTuple::new(py, [values, indices])?.into_any());
                };
                // Neither is written before both are known to fit.
                let mut into = results::borrow_for(&first, &values, self.columns)?;
                let mut places = results::borrow_for(&second, &indices, self.columns)?;
                results::copy(&mut into, values.as_slice());
                results::copy(&mut places, indices.as_slice());
                Ok(out.clone())
            }
        }
    }

    /// Category and dim of the result, which a seed of a gradient is shaped like.
    pub(crate) fn seed(&self) -> (Category, u32) {
        let dim = match self.columns {
            Columns::Plain(dim) => dim,
            Columns::Kept { k, dim } => k * dim,
        };
        (if self.rows_are_i { Category::I } else { Category::J }, dim as u32)
    }

    /// The ranges of a call, which KeOps gives without the numbers of points.
    pub(crate) fn ranges<T: Stored>(
        &self,
        kernel: &Kernel<T>,
        views: &[View<'_, T>],
        ranges: &Bound<'_, PyAny>,
    ) -> PyResult<Ranges> {
        let (rows, columns) = kernel.shape(views).map_err(|e| errors::of(ranges.py(), &e))?;
        let (m, n) = if self.rows_are_i { (rows, columns) } else { (columns, rows) };
        ranges::read(ranges, m, n)
    }

    /// Do something with the kernel for a dtype that is given by name.
    fn with_dtype(
        &self,
        py: Python<'_>,
        dtype: &str,
        backend: &str,
        stage: Option<Stage>,
    ) -> PyResult<String> {
        fn describe<T: Stored>(
            operation: &Operation,
            py: Python<'_>,
            backend: Backend,
            stage: Option<Stage>,
        ) -> PyResult<String> {
            let kernel = operation.kernel::<T>(py, backend)?;
            Ok(stage.map_or_else(|| kernel.stats().engine, |stage| kernel.explain(stage)))
        }
        let backend = options::backend(py, backend)?;
        match dtype {
            "float16" => describe::<f16>(self, py, backend, stage),
            "float32" => describe::<f32>(self, py, backend, stage),
            "float64" => describe::<f64>(self, py, backend, stage),
            other => {
                let message = format!("`dtype` is `{other}`");
                let help = "it is \"float16\", \"float32\" or \"float64\"";
                Err(errors::error(py, Class::Usage, &message, help))
            }
        }
    }
}

/// Run without the interpreter.
pub(crate) fn released<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> PyResult<R> {
    py.detach(|| threads::run(work)).map_err(|e| errors::of(py, &e))
}

#[pymethods]
impl Operation {
    #[new]
    #[pyo3(signature = (formula, aliases, reduction_op="Sum", axis=0, dtype=None, opt_arg=None, formula2=None, cuda_type=None,
        dtype_acc="auto", use_double_acc=false, sum_scheme="auto", enable_chunks=true, rec_multVar_highdim=None,
        use_fast_math=true, *, output=None, keep=None))]
    #[expect(clippy::too_many_arguments, reason = "KeOps' keywords")]
    #[expect(non_snake_case, reason = "KeOps' keyword")]
    fn new(
        py: Python<'_>,
        formula: String,
        aliases: Vec<String>,
        reduction_op: &str,
        axis: i64,
        dtype: Option<&Bound<'_, PyAny>>,
        opt_arg: Option<i64>,
        formula2: Option<String>,
        cuda_type: Option<&Bound<'_, PyAny>>,
        dtype_acc: &str,
        use_double_acc: bool,
        sum_scheme: &str,
        enable_chunks: bool,
        rec_multVar_highdim: Option<bool>,
        use_fast_math: bool,
        output: Option<String>,
        keep: Option<Conditions>,
    ) -> PyResult<Operation> {
        // They tune KeOps' code for GPUs and change no result.
        let _ = (enable_chunks, rec_multVar_highdim, use_fast_math);
        if dtype.is_some() || cuda_type.is_some() {
            let category = py.get_type::<PyDeprecationWarning>();
            let text =
                c"`dtype` and `cuda_type` are ignored: kernels compute in the dtype of the arrays";
            PyErr::warn(py, &category, text, 1)?;
        }
        let names: Vec<&str> = aliases.iter().map(String::as_str).collect();
        let asked = Asked {
            reduction_op: reduction_op.to_owned(),
            axis,
            opt_arg,
            dtype_acc: dtype_acc.to_owned(),
            use_double_acc,
            sum_scheme: sum_scheme.to_owned(),
        };
        // An output without `opt_arg` says how many values are kept.
        let opt_arg = match (&output, opt_arg) {
            (Some(output), None) if reduction_op == "ArgKMin" => {
                let k = genred::k_of_output(&formula, output, &names);
                Some(i64::from(k.map_err(|e| errors::of(py, &e))?))
            }
            _ => opt_arg,
        };
        let reduction = reduction(py, reduction_op, opt_arg, formula2.is_some())?;
        let sums = Sums::read(py, reduction, dtype_acc, use_double_acc, sum_scheme)?;
        let typed = typing::formula(&formula, formula2.as_deref(), &names);
        let Formula { variables, .. } = typed.map_err(|e| errors::of(py, &e))?;
        let axis = if output.is_some() { None } else { Some(options::axis(py, axis)?) };
        let mut operation = Operation {
            formula,
            weight: formula2,
            aliases,
            reduction,
            output,
            axis,
            keep: keep.map_or_else(Vec::new, Conditions::into_vec),
            sums,
            variables,
            columns: Columns::Plain(0),
            rows_are_i: true,
            kernels: All::default(),
            asked,
        };
        // The interpreter needs no code: this only checks everything that does not depend on arrays.
        let checked = operation.request::<f64>().backend(Backend::Eval).compile();
        let checked = checked.map_err(|e| errors::of(py, &e))?;
        operation.rows_are_i = match (&operation.output, operation.axis) {
            (Some(output), _) => {
                let output = alias::parse(output, alias::Role::Output);
                output.map_err(|e| errors::of(py, &e))?.category == Category::I
            }
            (None, axis) => axis == Some(Axis::J),
        };
        operation.columns = Columns::of(checked.dim(), reduction.k());
        Ok(operation)
    }

    #[pyo3(signature = (*args, backend="auto", device_id=-1, ranges=None, out=None))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        backend: &str,
        device_id: i64,
        ranges: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // There is one processor to run on.
        let _ = device_id;
        let backend = options::backend(py, backend)?;
        let given = arguments::given(args, &self.variables)?;
        match arguments::dtype(py, &given)? {
            DType::F16 => self.call::<f16>(py, &given, backend, ranges, out),
            DType::F32 => self.call::<f32>(py, &given, backend, ranges, out),
            DType::F64 => self.call::<f64>(py, &given, backend, ranges, out),
        }
    }

    fn grad(slf: Bound<'_, Self>, name: &str) -> PyResult<Gradient> {
        Gradient::new(slf, name)
    }

    /// What `genred.numpy.KernelSolve` calls: the solution, its residual and the number of iterations.
    #[pyo3(signature = (vector, args, alpha, eps, max_iterations, rank))]
    #[expect(clippy::too_many_arguments, reason = "the options of a solve")]
    fn solve<'py>(
        &self,
        py: Python<'py>,
        vector: &str,
        args: &Bound<'py, PyTuple>,
        alpha: f64,
        eps: Option<f64>,
        max_iterations: Option<usize>,
        rank: Option<usize>,
    ) -> PyResult<(Bound<'py, PyAny>, f64, usize)> {
        let settings = solve::Settings { vector, alpha, eps, max_iterations, rank };
        let given = arguments::given(args, &self.variables)?;
        match arguments::dtype(py, &given)? {
            DType::F16 => solve::call::<f16>(self, py, &given, settings),
            DType::F32 => solve::call::<f32>(self, py, &given, settings),
            DType::F64 => solve::call::<f64>(self, py, &given, settings),
        }
    }

    #[pyo3(signature = (stage="program", dtype="float32", backend="auto"))]
    fn explain(&self, py: Python<'_>, stage: &str, dtype: &str, backend: &str) -> PyResult<String> {
        let Some(known) = Stage::ALL.into_iter().find(|known| known.name() == stage) else {
            let names: Vec<&str> = Stage::ALL.into_iter().map(Stage::name).collect();
            let message = format!("`stage` is `{stage}`");
            let help = format!("it is one of {}", names.join(", "));
            return Err(errors::error(py, Class::Usage, &message, &help));
        };
        self.with_dtype(py, dtype, backend, Some(known))
    }

    #[pyo3(signature = (dtype="float32", backend="auto"))]
    fn engine(&self, py: Python<'_>, dtype: &str, backend: &str) -> PyResult<String> {
        self.with_dtype(py, dtype, backend, None)
    }

    /// For copies, and for other processes: texts and options; code is compiled or found again.
    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let Asked { reduction_op, axis, opt_arg, dtype_acc, use_double_acc, sum_scheme } =
            &self.asked;
        let texts = (self.formula.as_str(), self.aliases.clone(), reduction_op.as_str(), *axis)
            .into_pyobject(py)?;
        let options = PyDict::new(py);
        options.set_item("opt_arg", opt_arg)?;
        options.set_item("formula2", self.weight.as_deref())?;
        options.set_item("dtype_acc", dtype_acc)?;
        options.set_item("use_double_acc", use_double_acc)?;
        options.set_item("sum_scheme", sum_scheme)?;
        options.set_item("output", self.output.as_deref())?;
        options.set_item("keep", self.keep.clone())?;
        Ok((texts, options))
    }

    #[getter]
    fn formula(&self) -> &str {
        &self.formula
    }

    #[getter]
    fn formula2(&self) -> Option<&str> {
        self.weight.as_deref()
    }

    #[getter]
    fn aliases(&self) -> Vec<&str> {
        self.aliases.iter().map(String::as_str).collect()
    }

    #[getter]
    fn keep(&self) -> Vec<&str> {
        self.keep.iter().map(String::as_str).collect()
    }

    #[getter]
    fn reduction_op(&self) -> &'static str {
        self.reduction.name()
    }
}

/// The reduction of KeOps' name and `opt_arg`.
fn reduction(
    py: Python<'_>,
    name: &str,
    opt_arg: Option<i64>,
    weighted: bool,
) -> PyResult<Reduction> {
    let usage = |message: &str| errors::error(py, Class::Usage, message, "");
    // KeOps takes 0 for none.
    let k = match opt_arg.filter(|k| *k != 0).map(u32::try_from).transpose() {
        Ok(k) => k,
        Err(_) => {
            return Err(usage(
                "`opt_arg` is K, the number of values to keep: a small positive number",
            ));
        }
    };
    let reduction = Reduction::from_name(name, k).map_err(|message| usage(&message))?;
    if name.ends_with("Weight") && !weighted {
        return Err(usage(&format!("`{name}` needs a weight: `formula2`")));
    }
    Ok(reduction)
}
