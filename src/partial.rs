//! Partial results: what some of the columns contribute to every row. Made anywhere, joined in any order, finished once.
//!
//! This is the way to distribute a reduction and to run one whose columns do not fit in memory: the joined result has the same bits as a
//! single call over all columns, whatever the pieces were, because pieces begin and end at tiles
//! ([`column_step`](Kernel::column_step)) and the tree in which tiles are merged is fixed.

use crate::array::Array;
use crate::cpu::launch::Partial as Accumulators;
use crate::dtype::{Element, Float, Real};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::kernel::{Kernel, Shape};
use crate::launch::{Indices, Out};
use crate::reduce::Outputs;
use crate::view::{View, ViewMut};
use crate::wire::{Reader, Writer};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// Accumulators of all rows for some columns of a reduction.
///
/// ```
/// use genred::{View, generic_sum};
/// let sum = generic_sum::<f64>("y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y): (_, Vec<f64>) = ([0.0], (0..10_000).map(f64::from).collect());
/// let (x, y) = (View::new(&x, 1, 1)?, View::new(&y, 10_000, 1)?);
/// let step = sum.column_step(1, 10_000);
/// let mut all = sum.partial(&[x, y.rows_between(step, 10_000)?], step, 10_000)?;
/// let first = sum.partial(&[x, y.rows_between(0, step)?], 0, 10_000)?;
/// sum.join(&mut all, &first)?;
/// assert_eq!(sum.finish(&all)?, sum.call(&[x, y])?);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Partial<T> {
    accumulators: Accumulated,
    shape: Shape,
    /// Disjoint, not adjacent, sorted.
    columns: Vec<(usize, usize)>,
    /// Digest of everything that gives the accumulators their meaning.
    kernel: [u8; 32],
    element: PhantomData<fn(T)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Accumulated {
    F32(Accumulators<f32>),
    F64(Accumulators<f64>),
}

impl<T> Partial<T> {
    /// Rows of the result.
    pub fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Columns of the whole reduction.
    pub fn total_columns(&self) -> usize {
        self.shape.columns
    }

    /// The columns seen so far: disjoint ranges `(first, end)`, ascending.
    pub fn columns(&self) -> &[(usize, usize)] {
        &self.columns
    }

    /// Whether every column has been seen.
    pub fn is_complete(&self) -> bool {
        self.shape.columns == 0 || self.columns == [(0, self.shape.columns)]
    }
}

impl<T: Element> Kernel<T> {
    /// The number of columns of a tile: pieces of a reduction of this shape begin at multiples of it.
    pub fn column_step(&self, rows: usize, total_columns: usize) -> usize {
        let shape = Shape { rows, columns: total_columns };
        let layout = self.compiled_for(shape).and_then(|c| c.engine.layout());
        layout.map_or(1, |layout| layout.schedule.tile as usize)
    }

    /// What the columns `first .. first + n` of `total` contribute; `args` hold these n columns (and all rows).
    ///
    /// # Errors
    /// `Shape` as for [`call`](Kernel::call), and if the columns do not begin and end at multiples of
    /// [`column_step`](Kernel::column_step) (the end of all columns is fine too).
    pub fn partial(
        &self,
        args: &[View<'_, T>],
        first: usize,
        total: usize,
    ) -> Result<Partial<T>, Error> {
        let Shape { rows, columns } = self.check(args)?;
        let shape = Shape { rows, columns: total };
        self.check_numbers(shape)?;
        let step = self.column_step(rows, total);
        let end = first.checked_add(columns).filter(|end| *end <= total).ok_or_else(|| {
            let message = format!(
                "columns {first} and {columns} more are beyond the {total} of the reduction"
            );
            Error::shape(message)
        })?;
        if !first.is_multiple_of(step) || !(end.is_multiple_of(step) || end == total) {
            return Err(Error::shape(format!(
                "columns {first}..{end} of {total} do not begin and end at multiples of {step}"
            ))
            .help("`Kernel::column_step` tells where a reduction may be cut"));
        }
        let compiled = self.compiled_for(shape)?;
        let job = self.job(args, Shape { rows, columns }, first);
        let accumulators = match &compiled.engine {
            Engine::F32(launcher) => Accumulated::F32(launcher.partial(&job)),
            Engine::F64(launcher) => Accumulated::F64(launcher.partial(&job)),
            Engine::Cuda(_) | Engine::Eval => {
                return Err(compiled.engine.layout().expect_err("it has no layout"));
            }
        };
        let columns = if columns == 0 { Vec::new() } else { vec![(first, end)] };
        let kernel = self.meaning(shape)?;
        Ok(Partial { accumulators, shape, columns, kernel, element: PhantomData })
    }

    /// Add what other columns contribute.
    ///
    /// # Errors
    /// `Shape` if the two are not of one reduction and shape, or share a column; nothing is changed then.
    pub fn join(&self, partial: &mut Partial<T>, other: &Partial<T>) -> Result<(), Error> {
        for one in [&*partial, other] {
            self.check_partial(one)?;
        }
        if partial.shape != other.shape {
            return Err(Error::shape(format!(
                "partial results of {} x {} and {} x {} pairs are not of one reduction",
                partial.shape.rows, partial.shape.columns, other.shape.rows, other.shape.columns
            )));
        }
        let columns = united(&partial.columns, &other.columns)?;
        let selection = self.selection();
        match (
            &self.compiled_for(partial.shape)?.engine,
            &mut partial.accumulators,
            &other.accumulators,
        ) {
            (Engine::F32(launcher), Accumulated::F32(a), Accumulated::F32(b)) => {
                launcher.join(a, b, selection);
            }
            (Engine::F64(launcher), Accumulated::F64(a), Accumulated::F64(b)) => {
                launcher.join(a, b, selection);
            }
            _ => return Err(foreign()),
        }
        partial.columns = columns;
        Ok(())
    }

    /// The result, as [`call`](Kernel::call) gives it.
    ///
    /// # Errors
    /// `Shape` if columns are missing; `Range` if the dtype cannot hold every index exactly.
    pub fn finish(&self, partial: &Partial<T>) -> Result<Array<T>, Error> {
        self.check_complete(partial)?;
        let (rows, dim) = (partial.shape.rows, self.dim());
        let mut data = vec![T::default(); rows * dim];
        let view = ViewMut::new(&mut data, rows, dim)?;
        let out = if self.reduction().outputs() == Outputs::Indices {
            self.check_index_range(partial.shape)?;
            Out { values: None, indices: Some(Indices::InDtype(view)) }
        } else {
            Out { values: Some(view), indices: None }
        };
        self.finish_into(partial, out)?;
        Array::from_vec(rows, dim, data)
    }

    /// Exact indices, as [`call_indices`](Kernel::call_indices) gives them.
    ///
    /// # Errors
    /// `Shape` if columns are missing; `Usage` if the reduction gives no indices.
    pub fn finish_indices(&self, partial: &Partial<T>) -> Result<Array<i64>, Error> {
        self.check_complete(partial)?;
        self.check_gives_indices()?;
        let (rows, dim) = (partial.shape.rows, self.dim());
        let mut data = vec![0; rows * dim];
        let indices = Indices::Exact(ViewMut::new(&mut data, rows, dim)?);
        self.finish_into(partial, Out { values: None, indices: Some(indices) })?;
        Array::from_vec(rows, dim, data)
    }

    fn finish_into(&self, partial: &Partial<T>, out: Out<'_, T>) -> Result<(), Error> {
        let selection = self.selection();
        let shape = (partial.shape.rows, partial.shape.columns);
        match (&self.compiled_for(partial.shape)?.engine, &partial.accumulators) {
            (Engine::F32(launcher), Accumulated::F32(a)) => {
                launcher.finish(a, shape, selection, out)
            }
            (Engine::F64(launcher), Accumulated::F64(a)) => {
                launcher.finish(a, shape, selection, out)
            }
            _ => return Err(foreign()),
        }
        Ok(())
    }

    fn check_partial(&self, partial: &Partial<T>) -> Result<(), Error> {
        if partial.kernel == self.meaning(partial.shape)? { Ok(()) } else { Err(foreign()) }
    }

    fn check_complete(&self, partial: &Partial<T>) -> Result<(), Error> {
        self.check_partial(partial)?;
        if partial.is_complete() {
            return Ok(());
        }
        let start = match partial.columns.first() {
            Some((0, end)) => *end,
            _ => 0,
        };
        let total = partial.shape.columns;
        Err(Error::shape(format!("column {start} of {total} has not been seen"))
            .help("join the partial results of all columns before finishing"))
    }

    /// Digest of the reduction and of how its columns are accumulated, the same on every engine.
    pub(crate) fn meaning(&self, shape: Shape) -> Result<[u8; 32], Error> {
        let layout = self.compiled_for(shape)?.engine.layout()?;
        let crate::schedule::Schedule { lanes, chunk, tile, .. } = layout.schedule;
        let plan = self.plan();
        let text = format!(
            "{}|{:?}|{:?}|{:?}|{:?}|{}|{lanes:?}|{chunk}|{tile}",
            plan.formula.canonical_text(),
            plan.rows,
            plan.reduction,
            plan.scheme,
            plan.float,
            T::DTYPE,
        );
        Ok(*blake3::hash(text.as_bytes()).as_bytes())
    }

    /// A partial result as bytes: versioned, little endian, with a digest at the end.
    ///
    /// ```
    /// # use genred::{View, generic_sum};
    /// let sum = generic_sum::<f32>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = ([1.0f32, 2.0], [3.0f32, 4.0]);
    /// let part = sum.partial(&[View::new(&x, 2, 1)?, View::new(&y, 2, 1)?], 0, 2)?;
    /// let bytes = sum.partial_to_bytes(&part);
    /// assert_eq!(sum.finish(&sum.partial_from_bytes(&bytes)?)?.as_slice(), [7.0, 14.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn partial_to_bytes(&self, partial: &Partial<T>) -> Vec<u8> {
        let mut w = Writer(MAGIC.to_vec());
        w.0.extend(partial.kernel);
        for number in [partial.shape.rows, partial.shape.columns, partial.columns.len()] {
            w.u64(number as u64);
        }
        for (first, end) in &partial.columns {
            w.u64(*first as u64);
            w.u64(*end as u64);
        }
        match &partial.accumulators {
            Accumulated::F32(a) => write(a, &mut w),
            Accumulated::F64(a) => write(a, &mut w),
        }
        let digest = blake3::hash(&w.0);
        w.0.extend(digest.as_bytes());
        w.0
    }

    /// The partial result of such bytes, made by an equal kernel on any machine.
    ///
    /// # Errors
    /// `Usage` if the bytes are damaged or of another reduction.
    pub fn partial_from_bytes(&self, bytes: &[u8]) -> Result<Partial<T>, Error> {
        let damaged = || Error::usage("these bytes are not a partial result, or are damaged");
        let (body, digest) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
        if blake3::hash(body).as_bytes() != digest {
            return Err(damaged());
        }
        let mut r = Reader(body.strip_prefix(MAGIC.as_slice()).ok_or_else(damaged)?);
        let kernel = r.bytes::<32>().ok_or_else(damaged)?;
        let shape = read_shape(&mut r).ok_or_else(damaged)?;
        let columns = read_ranges(&mut r, shape.columns).ok_or_else(damaged)?;
        let accumulators = match self.plan().float {
            Float::F32 => read(&mut r).map(Accumulated::F32),
            Float::F64 => read(&mut r).map(Accumulated::F64),
        };
        let accumulators = accumulators.filter(|_| r.0.is_empty()).ok_or_else(damaged)?;
        let partial = Partial { accumulators, shape, columns, kernel, element: PhantomData };
        self.check_partial(&partial)?;
        if !self.fits(&partial)? {
            return Err(damaged());
        }
        Ok(partial)
    }

    /// Whether the accumulators have the lengths that this kernel works with.
    fn fits(&self, partial: &Partial<T>) -> Result<bool, Error> {
        let engine = &self.compiled_for(partial.shape)?.engine;
        let (rows, selection) = (partial.shape.rows, self.selection());
        Ok(match (engine, &partial.accumulators) {
            (Engine::F32(launcher), Accumulated::F32(a)) => launcher.fits(a, rows, selection),
            (Engine::F64(launcher), Accumulated::F64(a)) => launcher.fits(a, rows, selection),
            _ => false,
        })
    }
}

/// First bytes of a serialised partial result; the digit is the format's version.
const MAGIC: [u8; 8] = *b"genredP1";

fn foreign() -> Error {
    Error::new(ErrorKind::Usage, "the partial result is of another reduction")
}

/// The union of two sets of columns.
fn united(a: &[(usize, usize)], b: &[(usize, usize)]) -> Result<Vec<(usize, usize)>, Error> {
    let mut all: Vec<(usize, usize)> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (first, end) in all {
        match joined.last_mut() {
            Some((_, last)) if first < *last => {
                return Err(Error::shape(format!("column {first} is in both partial results")));
            }
            Some((_, last)) if first == *last => *last = end,
            _ => joined.push((first, end)),
        }
    }
    Ok(joined)
}

fn write<C: Real>(accumulators: &Accumulators<C>, w: &mut Writer) {
    let floats = |values: &[C], w: &mut Writer| {
        w.u64(values.len() as u64);
        values.iter().for_each(|v| w.u64(v.to_f64().to_bits()));
    };
    match accumulators {
        Accumulators::Sums(nodes) => {
            w.u64(0);
            w.u64(nodes.len() as u64);
            for (first, (height, states)) in nodes {
                w.u64(*first);
                w.u64(u64::from(*height));
                floats(states, w);
            }
        }
        Accumulators::Selected(values, indices) => {
            w.u64(1);
            floats(values, w);
            indices.iter().for_each(|i| w.u64(i.cast_unsigned()));
        }
    }
}

fn length(r: &mut Reader<'_>) -> Option<usize> {
    // Each counted thing takes at least 8 bytes, so a larger count is a lie.
    usize::try_from(r.u64()?).ok().filter(|n| *n <= r.0.len() / 8)
}

fn read_shape(r: &mut Reader<'_>) -> Option<Shape> {
    let mut size = || usize::try_from(r.u64()?).ok();
    Some(Shape { rows: size()?, columns: size()? })
}

fn read_ranges(r: &mut Reader<'_>, total: usize) -> Option<Vec<(usize, usize)>> {
    let count = length(r)?;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let (first, end) = (r.u64()? as usize, r.u64()? as usize);
        let after = ranges.last().is_none_or(|(_, last)| first > *last);
        if first >= end || end > total || !after {
            return None;
        }
        ranges.push((first, end));
    }
    Some(ranges)
}

fn read<C: Real>(r: &mut Reader<'_>) -> Option<Accumulators<C>> {
    let floats = |r: &mut Reader<'_>| -> Option<Vec<C>> {
        let count = length(r)?;
        (0..count).map(|_| Some(C::from_f64(f64::from_bits(r.u64()?)))).collect()
    };
    match r.u64()? {
        0 => {
            let mut nodes = BTreeMap::new();
            for _ in 0..length(r)? {
                let first = r.u64()?;
                let height = u32::try_from(r.u64()?).ok().filter(|h| *h < 64)?;
                nodes.insert(first, (height, floats(r)?));
            }
            Some(Accumulators::Sums(nodes))
        }
        1 => {
            let values = floats(r)?;
            let indices = (0..values.len()).map(|_| r.i64());
            Some(Accumulators::Selected(values, indices.collect::<Option<_>>()?))
        }
        _ => None,
    }
}
