//! What a kernel runs on: native code behind a launcher, or the oracle.

use crate::alias::Category;
use crate::cpu::artifact::Notes;
use crate::cpu::launch::{Job, Launcher, Pieces};
use crate::cpu::layout::Layout;
use crate::cuda;
use crate::dtype::{DType, Element, Float};
use crate::error::{Error, ErrorKind};
use crate::eval::{self, Matrix, Numbers, Outcome, Task};
use crate::formula::Formula;
use crate::launch::{Indices, Out};
use crate::loops::build::Scheme;
use crate::reduce::Reduction;
use crate::view::{View, ViewMut};

/// Everything that the code of a kernel depends on besides the shape class.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The formula as given.
    pub(crate) text: String,
    pub(crate) formula: Formula,
    /// The category of the output's rows.
    pub(crate) rows: Category,
    /// The reduction, or the first of several parts.
    pub(crate) reduction: Reduction,
    /// Parts that the same pass computes, as [`parts`](crate::reduce::parts) orders them.
    pub(crate) beside: Vec<Reduction>,
    pub(crate) scheme: Scheme,
    /// What is computed and accumulated in.
    pub(crate) float: Float,
    /// Type of the arrays: CUDA kernels read it as it is, CPU kernels take what was packed.
    pub(crate) stored: DType,
}

impl Plan {
    /// Everything that is computed of the formula.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Reduction> {
        std::iter::once(self.reduction).chain(self.beside.iter().copied())
    }

    /// Columns of a part's result.
    pub(crate) fn dim_of(&self, part: Reduction) -> usize {
        let weight = (self.formula.roots.len() > 1).then(|| self.formula.root_dim(1));
        part.output_dim(self.formula.root_dim(0), weight) as usize
    }
}

/// A launcher of either compute type, one of devices, or the oracle.
#[derive(Debug)]
pub(crate) enum Engine {
    F32(Launcher<f32>),
    F64(Launcher<f64>),
    Cuda(cuda::Launcher),
    Eval,
}

/// Code of one shape class, ready to be called.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) engine: Engine,
    pub(crate) notes: Notes,
    /// Bytes of machine code.
    pub(crate) bytes: usize,
}

impl Engine {
    pub(crate) fn run<T: Element>(
        &self,
        plan: &Plan,
        job: &Job<'_, T>,
        out: Out<'_, T>,
    ) -> Result<(), Error> {
        match self {
            Engine::F32(launcher) => launcher.run(job, out),
            Engine::F64(launcher) => launcher.run(job, out),
            Engine::Cuda(launcher) => on_device(launcher, job, out)?,
            Engine::Eval => evaluate(plan, job, out)?,
        }
        Ok(())
    }

    /// The layout of native code.
    ///
    /// # Errors
    /// `Device` for CUDA devices and the oracle, which have none.
    pub(crate) fn layout(&self) -> Result<&Layout, Error> {
        match self {
            Engine::F32(launcher) => Ok(launcher.layout()),
            Engine::F64(launcher) => Ok(launcher.layout()),
            Engine::Cuda(_) => Err(Error::new(
                ErrorKind::Device,
                "kernels of CUDA devices have no native code and no partial results",
            )
            .help("a CPU engine has both: backend `cpu`")),
            Engine::Eval => Err(Error::new(
                ErrorKind::Device,
                "the interpreter (backend eval) has no native code and no partial results",
            )),
        }
    }
}

/// A job as CUDA launchers take it.
pub(crate) fn device_call<'a, T>(job: &Job<'a, T>) -> cuda::launch::Call<'a, T> {
    cuda::launch::Call { inputs: job.inputs, rows: job.rows, columns: job.columns }
}

/// A call on CUDA devices.
fn on_device<T: Element>(
    launcher: &cuda::Launcher,
    job: &Job<'_, T>,
    out: Out<'_, T>,
) -> Result<(), Error> {
    if job.pieces.is_some() {
        let message = "the CUDA engine computes all pairs, not blocks of them";
        return Err(Error::new(ErrorKind::Device, message).help("a CPU engine does: backend `cpu`"));
    }
    launcher.run(&device_call(job), out)
}

/// A call on the oracle.
fn evaluate<T: Element>(plan: &Plan, job: &Job<'_, T>, out: Out<'_, T>) -> Result<(), Error> {
    let widened = |view: &View<'_, T>| {
        let (rows, dim) = (view.rows(), view.dim());
        let value = |n: usize| view.get(n / dim, n % dim).map_or(f64::NAN, T::to_f64);
        Matrix::new(rows, dim, (0..rows * dim).map(value).collect())
    };
    // The oracle knows of no pieces: it is given the columns that take part, one after another.
    let gathered = |view: &View<'_, T>, pieces: Pieces<'_>| {
        let dim = view.dim();
        let number =
            |n: usize| view.get(pieces.column(n / dim), n % dim).map_or(f64::NAN, T::to_f64);
        Matrix::new(job.columns, dim, (0..job.columns * dim).map(number).collect())
    };
    let of_columns = |category| category != plan.rows && category != Category::Param;
    let inputs =
        job.inputs.iter().zip(&plan.formula.variables).map(|(view, variable)| match job.pieces {
            Some(pieces) if of_columns(variable.category) => gathered(view, pieces),
            _ => widened(view),
        });
    let inputs: Vec<Matrix<f64>> = inputs.collect();
    let by_i = plan.rows == Category::I;
    let (m, n) = if by_i { (job.rows, job.columns) } else { (job.columns, job.rows) };
    let columns: Option<Vec<usize>> =
        job.pieces.map(|pieces| (0..job.columns).map(|place| pieces.column(place)).collect());
    let numbers = Numbers { first_row: job.first_row, columns: columns.as_deref() };
    let mut out = out;
    // Results of several parts stand beside each other.
    let mut at = (0, 0);
    for reduction in plan.parts() {
        let task = Task {
            formula: &plan.formula,
            rows: plan.rows,
            reduction,
            float: plan.float,
            inputs: &inputs,
            m,
            n,
        };
        let mut outcome = eval::reduce_numbered(&task, numbers);
        if let (Some(pieces), Some(indices)) = (job.pieces, &mut outcome.indices) {
            for index in &mut indices.values {
                *index = usize::try_from(*index).map_or(-1, |place| pieces.column(place) as i64);
            }
        }
        write(&outcome, &mut out, at)?;
        at.0 += outcome.values.dim;
        at.1 += outcome.indices.map_or(0, |indices| indices.dim);
    }
    Ok(())
}

/// Write results from some columns of the values and of the indices on.
fn write<T: Element>(
    outcome: &Outcome,
    out: &mut Out<'_, T>,
    at: (usize, usize),
) -> Result<(), Error> {
    if let Some(view) = &mut out.values {
        fill(view, &outcome.values, at.0, |v| T::from_f64(*v))?;
    }
    match (&mut out.indices, &outcome.indices) {
        (Some(Indices::Exact(view)), Some(indices)) => fill(view, indices, at.1, |i| *i),
        (Some(Indices::InDtype(view)), Some(indices)) => {
            fill(view, indices, at.1, |i| T::from_f64(*i as f64))
        }
        _ => Ok(()),
    }
}

fn fill<V, T: Copy + 'static>(
    view: &mut ViewMut<'_, T>,
    matrix: &Matrix<V>,
    at: usize,
    convert: impl Fn(&V) -> T,
) -> Result<(), Error> {
    for (n, value) in matrix.values.iter().enumerate() {
        view.set(n / matrix.dim, at + n % matrix.dim, convert(value))?;
    }
    Ok(())
}
