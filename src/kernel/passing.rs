//! A call whose columns pass by in pieces: what [`Stream`](crate::Stream) and calls over MPI stand on.

use super::{Kernel, Shape};
use crate::cpu::launch::{Job, Needs, Out, Waiting};
use crate::dtype::Element;
use crate::engine::{Compiled, Engine};
use crate::error::Error;
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
}

impl<T: Element> Kernel<T> {
    /// Bytes that a call of a shape takes besides its arrays.
    pub(crate) fn needs(&self, shape: Shape) -> Result<Needs, Error> {
        let threads = self.job(&[], shape, 0).threads.count();
        match &self.compiled_for(shape)?.engine {
            Engine::F32(launcher) => Ok(launcher.needs(shape.columns, self.selection(), threads)),
            Engine::F64(launcher) => Ok(launcher.needs(shape.columns, self.selection(), threads)),
            engine => Err(engine.layout().expect_err("it has no layout")),
        }
    }
}

impl<'k, T: Element> Passing<'k, T> {
    /// For rows of a reduction of a shape; rows are given by [`begin`](Passing::begin).
    pub(crate) fn new(kernel: &'k Kernel<T>, shape: Shape) -> Result<Passing<'k, T>, Error> {
        let compiled = kernel.compiled_for(shape)?;
        let waiting = match &compiled.engine {
            Engine::F32(_) => Accumulators::F32(Waiting::default()),
            Engine::F64(_) => Accumulators::F64(Waiting::default()),
            engine => return Err(engine.layout().expect_err("it has no layout")),
        };
        let passing = Passing { kernel, compiled, columns: shape.columns, rows: 0..0, waiting };
        // What earlier calls left is in no budget.
        passing.release();
        Ok(passing)
    }

    /// Begin with other rows, given by their numbers in the whole reduction.
    pub(crate) fn begin(&mut self, rows: Range<usize>) {
        self.rows = rows;
        let job = job(self.kernel, &self.rows, &[], 0..0);
        match (&self.compiled.engine, &mut self.waiting) {
            (Engine::F32(launcher), Accumulators::F32(waiting)) => launcher.begin(&job, waiting),
            (Engine::F64(launcher), Accumulators::F64(waiting)) => launcher.begin(&job, waiting),
            _ => unreachable!("accumulators are of the engine's type"),
        }
    }

    /// Accumulate the columns that follow those seen; `args` hold them and the rows. Ends early once `cancel` is set.
    pub(crate) fn more(
        &mut self,
        args: &[View<'_, T>],
        columns: Range<usize>,
        cancel: Option<&AtomicBool>,
    ) {
        let job = Job { cancel, ..job(self.kernel, &self.rows, args, columns) };
        match (&self.compiled.engine, &mut self.waiting) {
            (Engine::F32(launcher), Accumulators::F32(waiting)) => launcher.more(&job, waiting),
            (Engine::F64(launcher), Accumulators::F64(waiting)) => launcher.more(&job, waiting),
            _ => unreachable!("accumulators are of the engine's type"),
        }
    }

    /// Results of the rows, which have seen all columns; `args` hold the rows, and any columns.
    pub(crate) fn finish(&mut self, args: &[View<'_, T>], out: Out<'_, T>) {
        let job = job(self.kernel, &self.rows, args, 0..self.columns);
        match (&self.compiled.engine, &mut self.waiting) {
            (Engine::F32(launcher), Accumulators::F32(waiting)) => {
                launcher.finish_waiting(&job, waiting, out);
            }
            (Engine::F64(launcher), Accumulators::F64(waiting)) => {
                launcher.finish_waiting(&job, waiting, out);
            }
            _ => unreachable!("accumulators are of the engine's type"),
        }
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
            _ => {}
        }
    }
}

impl<T> Drop for Passing<'_, T> {
    /// A kernel that lives on keeps nothing of a call that had a budget.
    fn drop(&mut self) {
        self.release();
    }
}
