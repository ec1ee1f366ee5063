//! Calls of kernels, of one reduction or of several, as `reduce` makes them.

use crate::console::Failure;
use crate::input::Stored;
use genred::reduce::Outputs;
use genred::{Array, Error, Kernel, Reduced, Reduction, Several, Stats, View, ViewMut};
use std::time::Instant;

/// The content of an output file.
pub(crate) struct Output<T> {
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Numbers<T>,
}

/// Row after row.
pub(crate) enum Numbers<T> {
    Values(Vec<T>),
    Indices(Vec<i64>),
}

/// What `reduce` does with a kernel.
pub(crate) trait Called<T: Stored> {
    /// As [`Kernel::shape`].
    fn shape(&self, args: &[View<'_, T>]) -> Result<(usize, usize), Error>;

    /// As [`Kernel::prepare`].
    fn prepare(&self, rows: usize, columns: usize) -> Result<Stats, Error>;

    /// Call it several times; gives the results and the median of the seconds.
    fn call(
        &self,
        args: &[View<'_, T>],
        rows: usize,
        repeat: u32,
    ) -> Result<(Vec<Output<T>>, f64), Failure>;
}

impl<T: Stored> Called<T> for Kernel<T> {
    fn shape(&self, args: &[View<'_, T>]) -> Result<(usize, usize), Error> {
        self.shape(args)
    }

    fn prepare(&self, rows: usize, columns: usize) -> Result<Stats, Error> {
        self.prepare(rows, columns)
    }

    fn call(
        &self,
        args: &[View<'_, T>],
        rows: usize,
        repeat: u32,
    ) -> Result<(Vec<Output<T>>, f64), Failure> {
        let dim = self.dim();
        let shape = shape_of(self.reduction(), dim, rows);
        Ok(match self.reduction().outputs() {
            Outputs::Values => {
                let mut values = zeros(rows, dim)?;
                let ((), seconds) =
                    timed(repeat, || self.call_into(args, ViewMut::new(&mut values, rows, dim)?))?;
                (vec![Output::values(shape, values)], seconds)
            }
            Outputs::Indices => {
                let (indices, seconds) = timed(repeat, || self.call_indices(args))?;
                (vec![Output::indices(shape, indices)], seconds)
            }
            Outputs::Both => {
                let ((values, indices), seconds) = timed(repeat, || self.call_both(args))?;
                let values = Output::values(shape.clone(), values.into_vec());
                (vec![values, Output::indices(shape, indices)], seconds)
            }
        })
    }
}

impl<T: Stored> Called<T> for Several<T> {
    fn shape(&self, args: &[View<'_, T>]) -> Result<(usize, usize), Error> {
        self.shape(args)
    }

    fn prepare(&self, rows: usize, columns: usize) -> Result<Stats, Error> {
        self.prepare(rows, columns)
    }

    fn call(
        &self,
        args: &[View<'_, T>],
        rows: usize,
        repeat: u32,
    ) -> Result<(Vec<Output<T>>, f64), Failure> {
        let (results, seconds) = timed(repeat, || self.call(args))?;
        let mut outputs = Vec::new();
        for (reduction, result) in self.reductions().zip(results) {
            let shape = |dim| shape_of(reduction, dim, rows);
            let (values, indices) = match result {
                Reduced::Values(values) => (Some(values), None),
                Reduced::Indices(indices) => (None, Some(indices)),
                Reduced::Both(values, indices) => (Some(values), Some(indices)),
            };
            outputs
                .extend(values.map(|array| Output::values(shape(array.dim()), array.into_vec())));
            outputs.extend(indices.map(|array| Output::indices(shape(array.dim()), array)));
        }
        Ok((outputs, seconds))
    }
}

impl<T> Output<T> {
    fn values(shape: Vec<usize>, values: Vec<T>) -> Output<T> {
        Output { shape, numbers: Numbers::Values(values) }
    }

    fn indices(shape: Vec<usize>, indices: Array<i64>) -> Output<T> {
        Output { shape, numbers: Numbers::Indices(indices.into_vec()) }
    }
}

/// The shape of a result's file.
pub(crate) fn shape_of(reduction: Reduction, dim: usize, rows: usize) -> Vec<usize> {
    match reduction.k().map(|k| k as usize) {
        None => vec![rows, dim],
        Some(k) if dim == k => vec![rows, k],
        Some(k) => vec![rows, k, dim / k],
    }
}

/// Call several times; gives the last result and the median of the seconds.
fn timed<R>(repeat: u32, mut call: impl FnMut() -> Result<R, Error>) -> Result<(R, f64), Failure> {
    let mut one = || {
        let start = Instant::now();
        let result = call()?;
        Ok::<_, Failure>((result, start.elapsed().as_secs_f64()))
    };
    let (mut result, seconds) = one()?;
    let mut all = vec![seconds];
    for _ in 1..repeat {
        let (next, seconds) = one()?;
        result = next;
        all.push(seconds);
    }
    Ok((result, median(all)))
}

fn zeros<T: Default + Clone>(rows: usize, dim: usize) -> Result<Vec<T>, Failure> {
    let mut values = Vec::new();
    let len = rows.checked_mul(dim).filter(|len| values.try_reserve_exact(*len).is_ok());
    let message = || Failure::new(format!("no memory for a result of {rows} x {dim}"));
    values.resize(len.ok_or_else(message)?, T::default());
    Ok(values)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    if seconds.len() % 2 == 1 {
        seconds[middle]
    } else {
        (seconds[middle - 1] + seconds[middle]) / 2.0
    }
}
