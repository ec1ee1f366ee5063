//! A call whose columns pass by in pieces: what [`Stream`](crate::Stream) and calls over MPI stand on.

use super::{Kernel, Shape};
use crate::cpu::launch::{Job, Waiting};
use crate::cuda;
use crate::dtype::Element;
use crate::engine::{Compiled, Engine, device_call};
use crate::error::Error;
use crate::launch::{Needs, Out};
use crate::view::View;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// Accumulators of some rows of a reduction, for the columns seen so far.
pub(crate) struct Passing<'k, T> {
    kernel: &'k Kernel<T>,
    compiled: &'k Compiled,
    /// Columns of the whole reduction.
    columns: usize,
    /// Which of its rows these are.
    rows: Range<usize>,
    waiting: Accumulators,
}

enum Accumulators {
    F32(Waiting<f32>),
    F64(Waiting<f64>),
    Cuda(cuda::launch::Waiting),
}

impl<T: Element> Kernel<T> {
    /// Bytes that a call of a shape in pieces takes besides its arrays.
    pub(crate) fn needs(&self, shape: Shape) -> Result<Needs, Error> {
        let job = self.job(&[], shape, 0);
        match &self.chosen_for(shape)?.engine {
            Engine::F32(launcher) => Ok(launcher.needs(&job)),
            Engine::F64(launcher) => Ok(launcher.needs(&job)),
            Engine::Cuda(launcher) => launcher.needs(shape.rows, shape.columns),
            Engine::Eval => Err(no_pieces()),
        }
    }
}

fn no_pieces() -> Error {
    Engine::Eval.layout().expect_err("the interpreter has no layout")
}

impl<'k, T: Element> Passing<'k, T> {
    /// For rows of a reduction of a shape by some code of the kernel's; rows are given by [`begin`](Passing::begin).
    pub(crate) fn new(
        kernel: &'k Kernel<T>,
        compiled: &'k Compiled,
        shape: Shape,
    ) -> Result<Passing<'k, T>, Error> {
        let Shape { rows, columns } = shape;
        let waiting = match &compiled.engine {
            Engine::F32(_) => Accumulators::F32(Waiting::default()),
            Engine::F64(_) => Accumulators::F64(Waiting::default()),
            Engine::Cuda(launcher) => Accumulators::Cuda(launcher.waiting(rows, columns)),
            Engine::Eval => return Err(no_pieces()),
        };
        let passing = Passing { kernel, compiled, columns, rows: 0..0, waiting };
        // What earlier calls left is in no budget.
        passing.release();
        Ok(passing)
    }

    /// Begin with other rows, given by their numbers in the whole reduction.
    ///
    /// # Errors
    /// `Device` if a device fails; CPU engines do not.
    pub(crate) fn begin(&mut self, rows: Range<usize>) -> Result<(), Error> {
        self.rows = rows;
        let job = job(self.kernel, &self.rows, &[], 0..0);
        match (&self.compiled.engine, &mut self.waiting) {
            (Engine::F32(launcher), Accumulators::F32(waiting)) => launcher.begin(&job, waiting),
            (Engine::F64(launcher), Accumulators::F64(waiting)) => launcher.begin(&job, waiting),
            (Engine::Cuda(launcher), Accumulators::Cuda(waiting)) => {
                return launcher.begin(job.rows, waiting);
            }
            _ => unreachable!("accumulators are of the engine's type"),
        }
        Ok(())
    }

    /// Accumulate the columns that follow those seen; `args` hold them and the rows. Ends early once `cancel` is set; a device may
    /// still be at work on the last piece.
    ///
    /// # Errors
    /// As [`begin`](Passing::begin).
    pub(crate) fn more(
        &mut self,
        args: &[View<'_, T>],
        columns: Range<usize>,
        cancel: Option<&AtomicBool>,
    ) -> Result<(), Error> {
        let job = Job { cancel, ..job(self.kernel, &self.rows, args, columns) };
        match (&self.compiled.engine, &mut self.waiting) {
            (Engine::F32(launcher), Accumulators::F32(waiting)) => launcher.more(&job, waiting),
            (Engine::F64(launcher), Accumulators::F64(waiting)) => launcher.more(&job, waiting),
            (Engine::Cuda(launcher), Accumulators::Cuda(waiting)) => {
                return launcher.more(&device_call(&job), job.first, waiting);
            }
            _ => unreachable!("accumulators are of the engine's type"),
        }
        Ok(())
    }

    /// Results of the rows, which have seen all columns; `args` hold the rows, and any columns.
    ///
    /// # Errors
    /// As [`begin`](Passing::begin).
    pub(crate) fn finish(&mut self, args: &[View<'_, T>], out: Out<'_, T>) -> Result<(), Error> {
        let job = job(self.kernel, &self.rows, args, 0..self.columns);
        match (&self.compiled.engine, &mut self.waiting) {
            (Engine::F32(launcher), Accumulators::F32(waiting)) => {
                launcher.finish_waiting(&job, waiting, out);
            }
            (Engine::F64(launcher), Accumulators::F64(waiting)) => {
                launcher.finish_waiting(&job, waiting, out);
            }
            (Engine::Cuda(launcher), Accumulators::Cuda(waiting)) => {
                return launcher.finish_waiting(&device_call(&job), waiting, out);
            }
            _ => unreachable!("accumulators are of the engine's type"),
        }
        Ok(())
    }
}

/// A call on some rows and columns of a reduction.
fn job<'a, T: Element>(
    kernel: &'a Kernel<T>,
    rows: &Range<usize>,
    args: &'a [View<'a, T>],
    columns: Range<usize>,
) -> Job<'a, T> {
    let shape = Shape { rows: rows.len(), columns: columns.len() };
    Job { first_row: rows.start, ..kernel.job(args, shape, columns.start) }
}

impl<T> Passing<'_, T> {
    /// Free the memory that the kernel keeps for further calls.
    fn release(&self) {
        match &self.compiled.engine {
            Engine::F32(launcher) => launcher.release(),
            Engine::F64(launcher) => launcher.release(),
            Engine::Cuda(launcher) => launcher.release(),
            Engine::Eval => {}
        }
    }
}

impl<T> Drop for Passing<'_, T> {
    /// A kernel that lives on keeps nothing of a call that had a budget.
    fn drop(&mut self) {
        self.release();
    }
}
