//! `genred reduce --memory`: files are read in pieces and results written as they come.

use crate::bar::Bar;
use crate::called::shape_of;
use crate::console::{CANCELLED, Failure};
use crate::input::Stored;
use crate::output::Pending;
use genred::npy::{Number, Reader, Writer};
use genred::reduce::Outputs;
use genred::{Cancel, Pieces, Several, Sinks, Stream};
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A call on files under a budget.
pub(crate) struct Streamed<'a, T> {
    several: &'a Several<T>,
    stream: Stream<'a, T, Several<T>>,
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
        several: &'a Several<T>,
        paths: &[PathBuf],
        budget: usize,
    ) -> Result<Streamed<'a, T>, Failure> {
        let mut stream = several.stream().memory_budget(budget);
        for path in paths {
            stream = stream.input(Reader::open(path)?);
        }
        Ok(Streamed { several, stream, budget })
    }

    /// Rows of the result, and points that are reduced over.
    ///
    /// # Errors
    /// If arguments do not fit the aliases.
    pub(crate) fn shape(&self) -> Result<(usize, usize), genred::Error> {
        self.stream.shape()
    }

    /// Reduce to files; Ctrl-C stops it, a second one at once.
    ///
    /// # Errors
    /// If the budget is too small, a file cannot be read or written, or it was stopped; there is no output file then.
    pub(crate) fn write(self, outputs: &[PathBuf]) -> Result<Memory, Failure> {
        let Streamed { several, stream, budget } = self;
        let (rows, _) = stream.shape()?;
        let (least, pieces) = (stream.least_budget()?, stream.pieces()?);
        let stopped = Arc::new(AtomicBool::new(false));
        let cannot = |error| Failure::new(format!("cannot watch for Ctrl-C: {error}"));
        flag::register_conditional_shutdown(SIGINT, CANCELLED.into(), Arc::clone(&stopped))
            .map_err(cannot)?;
        flag::register(SIGINT, Arc::clone(&stopped)).map_err(cannot)?;

        let mut files =
            outputs.iter().map(|path| Pending::create(path)).collect::<Result<Vec<_>, _>>()?;
        let mut results = Vec::new();
        let mut open = files.iter_mut().zip(outputs);
        for (reduction, dim) in several.reductions().zip(several.dims()) {
            let shape = shape_of(reduction, dim, rows);
            let outputs = reduction.outputs();
            let values = begin(&mut open, outputs != Outputs::Indices, &shape)?;
            results.push((values, begin(&mut open, outputs != Outputs::Values, &shape)?));
        }
        let mut writers: Vec<_> =
            results.iter_mut().map(|(v, k)| (v.as_mut(), k.as_mut())).collect();
        let sinks = writers.iter_mut().map(|writers| match writers {
            (Some(values), Some(indices)) => Sinks::Both(values, indices),
            (Some(values), None) => Sinks::Values(values),
            (None, Some(indices)) => Sinks::Indices(indices),
            (None, None) => unreachable!("every reduction gives something"),
        });
        let sinks = sinks.collect();
        let bar = Bar::new();
        let stream = stream.progress(|progress| bar.show(progress)).cancel(&Cancel::from(stopped));
        let called = stream.call_into(sinks);
        drop(bar);
        called?;
        files.iter_mut().try_for_each(|file| file.fill(|_| Ok(())))?;
        Pending::publish(files)?;
        Ok(Memory { budget, least, pieces })
    }
}

/// The next file with the head of an array of numbers of a kind, if it is wanted.
fn begin<'f, N: Number>(
    files: &mut impl Iterator<Item = (&'f mut Pending, &'f PathBuf)>,
    wanted: bool,
    shape: &[usize],
) -> Result<Option<Writer<&'f mut BufWriter<File>, N>>, Failure> {
    if !wanted {
        return Ok(None);
    }
    let (file, path) = files.next().ok_or_else(|| Failure::new("there is no output file"))?;
    let cannot = |error| Failure::new(format!("cannot write {}: {error}", path.display()));
    Writer::new(file.file(), shape).map(Some).map_err(cannot)
}
