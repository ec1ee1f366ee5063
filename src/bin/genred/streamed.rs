//! `genred reduce --memory`: files are read in pieces and results written as they come.

use crate::bar::Bar;
use crate::console::{CANCELLED, Failure};
use crate::input::Stored;
use crate::output::Pending;
use genred::npy::{Reader, Writer};
use genred::reduce::Outputs;
use genred::{Cancel, Kernel, Pieces, Stream};
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A call on files under a budget.
pub(crate) struct Streamed<'a, T> {
    kernel: &'a Kernel<T>,
    stream: Stream<'a, T>,
    budget: usize,
}

/// What a call under a budget took.
pub(crate) struct Memory {
    budget: usize,
    least: usize,
    pieces: Pieces,
}

impl Memory {
    /// As a JSON object.
    pub(crate) fn json(&self, rows: usize) -> String {
        let Memory { budget, least, pieces } = self;
        let (bytes, columns) = (pieces.bytes(), pieces.columns());
        let passes = rows.div_ceil(pieces.rows());
        let rows = pieces.rows();
        format!(
            "{{\"budget\": {budget}, \"least\": {least}, \"bytes\": {bytes}, \"piece_rows\": {rows}, \
             \"piece_columns\": {columns}, \"passes\": {passes}}}"
        )
    }
}

impl<'a, T: Stored> Streamed<'a, T> {
    /// Open the file of every argument.
    ///
    /// # Errors
    /// If a file cannot be read in pieces.
    pub(crate) fn open(
        kernel: &'a Kernel<T>,
        paths: &[PathBuf],
        budget: usize,
    ) -> Result<Streamed<'a, T>, Failure> {
        let mut stream = kernel.stream().memory_budget(budget);
        for path in paths {
            stream = stream.input(Reader::open(path)?);
        }
        Ok(Streamed { kernel, stream, budget })
    }

    /// Rows of the result, and points that are reduced over.
    ///
    /// # Errors
    /// If arguments do not fit the aliases.
    pub(crate) fn shape(&self) -> Result<(usize, usize), genred::Error> {
        self.stream.shape()
    }

    /// Reduce to files of a shape; Ctrl-C stops it, a second one at once.
    ///
    /// # Errors
    /// If the budget is too small, a file cannot be read or written, or it was stopped; there is no output file then.
    pub(crate) fn write(self, shape: &[usize], outputs: &[PathBuf]) -> Result<Memory, Failure> {
        let Streamed { kernel, stream, budget } = self;
        let (least, pieces) = (stream.least_budget()?, stream.pieces()?);
        let stopped = Arc::new(AtomicBool::new(false));
        let cannot = |error| Failure::new(format!("cannot watch for Ctrl-C: {error}"));
        flag::register_conditional_shutdown(SIGINT, CANCELLED.into(), Arc::clone(&stopped))
            .map_err(cannot)?;
        flag::register(SIGINT, Arc::clone(&stopped)).map_err(cannot)?;

        let mut files =
            outputs.iter().map(|path| Pending::create(path)).collect::<Result<Vec<_>, _>>()?;
        let writing = |path: &Path, error: std::io::Error| {
            Failure::new(format!("cannot write {}: {error}", path.display()))
        };
        let bar = Bar::new();
        let stream = stream.progress(|progress| bar.show(progress)).cancel(&Cancel::from(stopped));
        let begin = |error| writing(&outputs[0], error);
        let called = match (kernel.reduction().outputs(), files.as_mut_slice()) {
            (Outputs::Values, [values, ..]) => {
                stream.call_into(&mut Writer::new(values.file(), shape).map_err(begin)?)
            }
            (Outputs::Indices, [indices, ..]) => {
                stream.call_indices_into(&mut Writer::new(indices.file(), shape).map_err(begin)?)
            }
            (Outputs::Both, [values, indices, ..]) => {
                let mut values = Writer::new(values.file(), shape).map_err(begin)?;
                let begin = |error| writing(&outputs[1], error);
                let mut indices = Writer::new(indices.file(), shape).map_err(begin)?;
                stream.call_both_into(&mut values, &mut indices)
            }
            (_, _) => return Err(Failure::new("there is no output file")),
        };
        drop(bar);
        called?;
        files.iter_mut().try_for_each(|file| file.fill(|_| Ok(())))?;
        Pending::publish(files)?;
        Ok(Memory { budget, least, pieces })
    }
}
