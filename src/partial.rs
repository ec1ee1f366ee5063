//! Partial results: what some of the columns contribute to every row. Made anywhere, joined in any order, finished once.
//!
//! This is the way to distribute a reduction and to run one whose columns do not fit in memory: the joined result has the same bits as a
//! single call over all columns, whatever the pieces were, because pieces begin and end at tiles
//! ([`column_step`](Kernel::column_step)) and the tree in which tiles are merged is fixed.
//!
//! ```
//! use genred::{View, generic_sum};
//! let sum = generic_sum::<f32>("Exp(-SqDist(x, y))", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let y: Vec<f32> = (0..20_000).map(|k| k as f32 / 1e4).collect();
//! let (x, y) = (View::new(&[0.5, 1.0], 2, 1)?, View::new(&y, 20_000, 1)?);
//! let step = sum.column_step(2, 20_000);
//! let mut all = sum.partial(&[x, y.rows_between(step, 20_000)?], step, 20_000)?;
//! sum.join(&mut all, &sum.partial(&[x, y.rows_between(0, step)?], 0, 20_000)?)?;
//! assert_eq!(sum.finish(&all)?, sum.call(&[x, y])?, "bit for bit");
//! # Ok::<(), genred::Error>(())
//! ```

mod bytes;

use crate::array::Array;
use crate::cpu::launch::Partial as Accumulators;
use crate::dtype::Element;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::kernel::{Kernel, Shape};
use crate::launch::{Indices, Out};
use crate::reduce::Outputs;
use crate::view::{View, ViewMut};
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
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let part = sum.partial(&[View::new(&[1.0, 2.0], 2, 1)?, View::new(&[3.0], 1, 1)?], 0, 1)?;
    /// assert_eq!(part.rows(), 2);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Columns of the whole reduction.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, step) = (View::new(&[1.0], 1, 1)?, sum.column_step(1, 1_000_000));
    /// let y = vec![1.0; step];
    /// let part = sum.partial(&[x, View::new(&y, step, 1)?], 0, 1_000_000)?;
    /// assert_eq!(part.total_columns(), 1_000_000);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn total_columns(&self) -> usize {
        self.shape.columns
    }

    /// The columns seen so far: disjoint ranges `(first, end)`, ascending.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, step) = (View::new(&[1.0], 1, 1)?, sum.column_step(1, 1_000_000));
    /// let y = vec![1.0; step];
    /// let part = sum.partial(&[x, View::new(&y, step, 1)?], step, 1_000_000)?;
    /// assert_eq!(part.columns(), [(step, 2 * step)]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn columns(&self) -> &[(usize, usize)] {
        &self.columns
    }

    /// Whether every column has been seen.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// assert!(sum.partial(&[x, x], 0, 2)?.is_complete());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn is_complete(&self) -> bool {
        self.shape.columns == 0 || self.columns == [(0, self.shape.columns)]
    }
}

impl<T: Element> Kernel<T> {
    /// The number of columns of a tile: pieces of a reduction of this shape begin at multiples of it.
    ///
    /// ```
    /// let sum = genred::generic_sum::<f32>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let step = sum.column_step(1_000, 1_000_000);
    /// // Four machines, each with as many whole tiles.
    /// let tiles = 1_000_000usize.div_ceil(step);
    /// let cuts: Vec<usize> = (0..=4).map(|k| (tiles * k / 4 * step).min(1_000_000)).collect();
    /// assert!(cuts[0] == 0 && cuts[4] == 1_000_000 && cuts.is_sorted());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn column_step(&self, rows: usize, total_columns: usize) -> usize {
        let shape = Shape { rows, columns: total_columns };
        let layout = self.compiled_for(shape).and_then(|c| c.engine.layout());
        layout.map_or(1, |layout| layout.schedule.tile as usize)
    }

    /// What the columns `first .. first + n` of `total` contribute; `args` hold these n columns (and all rows).
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, step) = (View::new(&[1.0], 1, 1)?, sum.column_step(1, 100_000));
    /// let y = vec![1.0; 100_000];
    /// let y = View::new(&y, 100_000, 1)?;
    /// let part = sum.partial(&[x, y.rows_between(0, step)?], 0, 100_000)?;
    /// assert!(!part.is_complete());
    /// // Pieces begin at tiles.
    /// let error = sum.partial(&[x, y.rows_between(1, step)?], 1, 100_000).unwrap_err();
    /// assert!(error.to_string().contains("do not begin and end at multiples of"));
    /// # Ok::<(), genred::Error>(())
    /// ```
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
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, step) = (View::new(&[1.0], 1, 1)?, sum.column_step(1, 100_000));
    /// let y: Vec<f64> = (0..100_000).map(f64::from).collect();
    /// let y = View::new(&y, 100_000, 1)?;
    /// let mut last = sum.partial(&[x, y.rows_between(step, 100_000)?], step, 100_000)?;
    /// sum.join(&mut last, &sum.partial(&[x, y.rows_between(0, step)?], 0, 100_000)?)?;
    /// assert_eq!(last.columns(), [(0, 100_000)]);
    /// # Ok::<(), genred::Error>(())
    /// ```
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
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// assert_eq!(sum.finish(&sum.partial(&[x, x], 0, 2)?)?.as_slice(), [3.0, 6.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
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
    /// ```
    /// use genred::{View, generic_argmin};
    /// let nearest = generic_argmin::<f32>("SqDist(x, y)", "k = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = (View::new(&[2.0], 1, 1)?, View::new(&[9.0, 1.0], 2, 1)?);
    /// let part = nearest.partial(&[x, y], 0, 2)?;
    /// assert_eq!(nearest.finish_indices(&part)?.as_slice(), [1]);
    /// # Ok::<(), genred::Error>(())
    /// ```
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
}

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
