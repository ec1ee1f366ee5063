//! The loop over pieces: some rows against all columns, then the next rows.

use super::budget::{Division, Pieces, no_memory};
use super::cancel::{Cancel, Progress};
use super::sink::Sinks;
use super::source::{self, Source};
use crate::alias::Category;
use crate::dtype::Element;
use crate::error::{Error, ErrorKind};
use crate::kernel::{Kernel, Passing, Shape};
use crate::launch::{Indices, Out};
use crate::reduce::Outputs;
use crate::several::{Place, Widths, cut};
use crate::view::{View, ViewMut};
use std::ops::Range;
use std::time::{Duration, Instant};

/// What is asked for, and where it goes.
pub(super) struct Wanted<'s, T> {
    /// Where each result is among all.
    pub(super) places: Vec<Place>,
    /// One for each place.
    pub(super) sinks: Vec<Sinks<'s, T>>,
    /// Whether values are the indices of the one reduction, in the dtype.
    pub(super) in_dtype: bool,
}

/// An argument with the rows of it that are in memory.
struct Argument<'a, T> {
    source: Box<dyn Source<T> + 'a>,
    name: String,
    axis: Axis,
    /// What was read, unless all of it lies in memory anyway.
    read: Vec<T>,
    held: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Rows,
    Columns,
    Param,
}

/// A call on sources that have been checked.
pub(super) struct Run<'a, T> {
    kernel: &'a Kernel<T>,
    arguments: Vec<Argument<'a, T>>,
    shape: Shape,
    budget: usize,
}

/// How long a piece of columns should take, so that progress is seen and a token is noticed.
const PIECE: Duration = Duration::from_millis(100);
/// Pairs of the first piece.
const FIRST_PAIRS: usize = 1 << 26;

impl<'a, T: Element> Run<'a, T> {
    /// Check sources against the aliases.
    pub(super) fn new(
        kernel: &'a Kernel<T>,
        sources: Vec<Box<dyn Source<T> + 'a>>,
        budget: usize,
    ) -> Result<Run<'a, T>, Error> {
        let shape = source::check(kernel, &sources)?;
        let plan = kernel.plan();
        let argument = |(source, variable): (_, &crate::alias::Variable)| Argument {
            source,
            name: variable.name.clone(),
            axis: match variable.category {
                Category::Param => Axis::Param,
                category if category == plan.rows => Axis::Rows,
                _ => Axis::Columns,
            },
            read: Vec::new(),
            held: 0..0,
        };
        let arguments = sources.into_iter().zip(&plan.formula.variables).map(argument).collect();
        Ok(Run { kernel, arguments, shape, budget })
    }

    /// The least budget that will do for whatever may be asked for.
    pub(super) fn least(
        kernel: &Kernel<T>,
        sources: &[Box<dyn Source<T> + 'a>],
    ) -> Result<usize, Error> {
        let shape = source::check(kernel, sources)?;
        Ok(Division::new(kernel, sources.iter().map(|s| &**s), shape)?.least())
    }

    /// How a budget divides rows and columns.
    pub(super) fn divided(
        kernel: &Kernel<T>,
        sources: &[Box<dyn Source<T> + 'a>],
        budget: usize,
    ) -> Result<Pieces, Error> {
        let shape = source::check(kernel, sources)?;
        Division::new(kernel, sources.iter().map(|s| &**s), shape)?.within(budget)
    }

    /// Reduce, and write every row of the result.
    pub(super) fn until_done(
        mut self,
        mut wanted: Wanted<'_, T>,
        mut report: Option<Box<dyn FnMut(Progress) + 'a>>,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        if wanted.in_dtype {
            self.kernel.check_index_range(self.shape)?;
        }
        let pieces = self.pieces()?;
        let Shape { rows: all, columns } = self.shape;
        let pairs = |rows: usize, columns: usize| (rows as u64).saturating_mul(columns as u64);
        let mut progress = Progress { pairs: 0, total: pairs(all, columns) };
        let mut tell = |progress: Progress| {
            if cancel.is_cancelled() {
                let Progress { pairs, total } = progress;
                let message = format!("cancelled after {pairs} of {total} pairs");
                return Err(Error::new(ErrorKind::Cancelled, message));
            }
            if let Some(report) = &mut report {
                report(progress);
            }
            Ok(())
        };
        tell(progress)?;
        self.hold(Axis::Param, 0..1)?;
        let mut passing =
            Passing::new(self.kernel, self.kernel.chosen_for(self.shape)?, self.shape)?;
        for first in (0..all).step_by(pieces.rows) {
            let rows = first..all.min(first + pieces.rows);
            self.hold(Axis::Rows, rows.clone())?;
            passing.begin(rows.clone())?;
            let mut at = 0;
            let mut wide = piece(FIRST_PAIRS, rows.len(), pieces);
            while at < columns {
                let end = columns.min(at + wide);
                let start = Instant::now();
                self.hold(Axis::Columns, at..end)?;
                passing.more(&self.views()?, at..end, Some(cancel.flag()))?;
                progress.pairs = pairs(first, columns).saturating_add(pairs(rows.len(), end));
                tell(progress)?;
                let rate = pairs(rows.len(), end - at) as f64 / start.elapsed().as_secs_f64();
                wide = piece((rate * PIECE.as_secs_f64()) as usize, rows.len(), pieces);
                at = end;
            }
            self.hold(Axis::Columns, 0..0)?;
            self.finish(&mut passing, rows, &mut wanted)?;
        }
        Ok(())
    }

    fn pieces(&self) -> Result<Pieces, Error> {
        let sources = self.arguments.iter().map(|argument| &*argument.source);
        Division::new(self.kernel, sources, self.shape)?.within(self.budget)
    }

    /// Have these rows of the arguments of an axis in memory, and no others.
    fn hold(&mut self, axis: Axis, rows: Range<usize>) -> Result<(), Error> {
        for argument in self.arguments.iter_mut().filter(|argument| argument.axis == axis) {
            argument.hold(rows.clone())?;
        }
        Ok(())
    }

    /// The arguments, as far as they are in memory.
    fn views(&self) -> Result<Vec<View<'_, T>>, Error> {
        self.arguments.iter().map(Argument::view).collect()
    }

    fn finish(
        &self,
        passing: &mut Passing<'_, T>,
        rows: Range<usize>,
        wanted: &mut Wanted<'_, T>,
    ) -> Result<(), Error> {
        let (count, all) = (rows.len(), Widths::of(self.kernel));
        let Wanted { places, sinks, in_dtype } = wanted;
        let takes = |other: Outputs| sinks.iter().any(|sinks| sinks.outputs() != other);
        let mut values = Vec::new();
        let mut indices = Vec::new();
        let out = if *in_dtype {
            let view = zeros(&mut values, count, all.values)?;
            Out { values: None, indices: Some(Indices::InDtype(view)) }
        } else {
            let (has_values, has_indices) = (takes(Outputs::Indices), takes(Outputs::Values));
            let view = has_values.then(|| zeros(&mut values, count, all.values)).transpose()?;
            let exact = has_indices.then(|| zeros(&mut indices, count, all.indices)).transpose()?;
            Out { values: view, indices: exact.map(Indices::Exact) }
        };
        passing.finish(&self.views()?, out)?;
        for (place, sinks) in places.iter().zip(sinks) {
            let values = || cut(&values, all.values, place.values, place.dim);
            let indices = || cut(&indices, all.indices, place.indices, place.dim);
            let written = match sinks {
                Sinks::Values(sink) => sink.write(&values()),
                Sinks::Indices(sink) => sink.write(&indices()),
                Sinks::Both(first, second) => {
                    first.write(&values()).and_then(|()| second.write(&indices()))
                }
            };
            written.map_err(|error| {
                let message = format!("rows {rows:?} of the result cannot be written: {error}");
                Error::new(ErrorKind::Io, message)
            })?;
        }
        Ok(())
    }
}

/// Columns of about so many pairs: whole tiles.
fn piece(pairs: usize, rows: usize, pieces: Pieces) -> usize {
    let tiles = pairs / rows.max(1) / pieces.tile;
    (tiles.max(1).saturating_mul(pieces.tile)).min(pieces.columns)
}

/// Make a vector `rows * dim` zeros, to be written through a view.
fn zeros<N: Copy + Default + 'static>(
    numbers: &mut Vec<N>,
    rows: usize,
    dim: usize,
) -> Result<ViewMut<'_, N>, Error> {
    resize(numbers, rows, dim)?;
    ViewMut::new(numbers, rows, dim)
}

fn resize<N: Copy + Default>(numbers: &mut Vec<N>, rows: usize, dim: usize) -> Result<(), Error> {
    let len = rows.checked_mul(dim).ok_or_else(|| no_memory(rows, dim))?;
    numbers
        .try_reserve_exact(len.saturating_sub(numbers.len()))
        .map_err(|_| no_memory(rows, dim))?;
    numbers.resize(len, N::default());
    Ok(())
}

impl<T: Element> Argument<'_, T> {
    fn hold(&mut self, rows: Range<usize>) -> Result<(), Error> {
        if self.source.resident().is_none() {
            resize(&mut self.read, rows.len(), self.source.dim())?;
            if !rows.is_empty() {
                self.source.read(rows.clone(), &mut self.read).map_err(|error| {
                    let message =
                        format!("rows {rows:?} of `{}` cannot be read: {error}", self.name);
                    Error::new(ErrorKind::Io, message)
                })?;
            }
        }
        self.held = rows;
        Ok(())
    }

    fn view(&self) -> Result<View<'_, T>, Error> {
        match self.source.resident() {
            Some(view) if self.axis == Axis::Param => Ok(view),
            Some(view) => view.rows_between(self.held.start, self.held.end),
            None => View::new(&self.read, self.held.len(), self.source.dim()),
        }
    }
}
