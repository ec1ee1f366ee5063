//! Compiled kernels: arguments are checked here, once, before any pointer is formed.
//!
//! ```
//! use genred::kernel::Kernel;
//! use genred::{View, generic_sum};
//! let kernel: Kernel<f64> = generic_sum("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let x = View::new(&[1.0, 2.0], 2, 1)?;
//! // From any thread, as often as you like.
//! let call = || kernel.call(&[x, x]);
//! let (a, b) = rayon::join(call, call);
//! assert_eq!((a?.as_slice(), b?.as_slice()), (&[3.0, 6.0][..], &[3.0, 6.0][..]));
//! # Ok::<(), genred::Error>(())
//! ```

use crate::array::Array;
use crate::cache::{Cache, Origin};
use crate::compile::{self, Choice};
use crate::cpu::launch::{Job, Selection, Threads};
use crate::dtype::Element;
use crate::engine::{Compiled, Plan};
use crate::error::{Error, ErrorKind};
use crate::genred::Pool;
use crate::launch::{Indices, Out};
use crate::ranges::Ranges;
use crate::reduce::{Outputs, Reduction};
use crate::schedule::{self, Lanes};
use crate::view::{View, ViewMut};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

mod batch;
mod check;
mod device;
mod notes;
mod passing;
mod prepare;

pub(crate) use check::Extent;
pub use device::DeviceTimes;
pub use notes::{Stage, Stats};
pub(crate) use passing::Passing;

/// Code that is made when first needed, or why it cannot be.
type Later = OnceLock<Result<(Arc<Compiled>, Origin), Error>>;

/// What equal requests of a process share.
#[derive(Debug)]
pub(crate) struct Inner {
    plan: Plan,
    choice: Choice,
    by_rows: Arc<Compiled>,
    by_columns: Later,
    on_device: [Later; 2],
    /// Whether numbers of rows or columns are computed with.
    numbered: bool,
    /// Whether something is summed.
    sums: bool,
    selections: Vec<Selection>,
}

impl Inner {
    pub(crate) fn new(plan: Plan, choice: Choice, by_rows: Arc<Compiled>) -> Inner {
        let numbered = plan.formula.largest_index(0, 0).is_some();
        let (by_columns, on_device) = (OnceLock::new(), Default::default());
        let dim = plan.formula.root_dim(0);
        let selections: Vec<Selection> =
            plan.parts().filter_map(|part| Selection::of(part, dim)).collect();
        let sums = selections.len() < plan.parts().count();
        Inner { plan, choice, by_rows, by_columns, on_device, numbered, sums, selections }
    }
}

/// A compiled reduction: call it on arrays as often as you like, from any thread. Cloning is cheap; the code is freed with the
/// last clone.
///
/// ```
/// use genred::{View, generic_sum};
/// let count = generic_sum::<f64>("1", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y) = ([0.0; 2], [0.0; 5]);
/// let a = count.call(&[View::new(&x, 2, 1)?, View::new(&y, 5, 1)?])?;
/// assert_eq!(a.as_slice(), [5.0, 5.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Kernel<T> {
    inner: Arc<Inner>,
    cache: Cache,
    pool: Pool,
    origin: Origin,
    build_time: Duration,
    element: PhantomData<fn(T)>,
}

/// Which pairs of a call take part.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over<'a> {
    All,
    /// Those of some blocks.
    Blocks(&'a Ranges),
}

/// Rows and columns of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl<T: Element> Kernel<T> {
    pub(crate) fn new(
        inner: Arc<Inner>,
        cache: Cache,
        pool: Pool,
        origin: Origin,
        build_time: Duration,
    ) -> Self {
        Kernel { inner, cache, pool, origin, build_time, element: PhantomData }
    }

    /// A kernel of another plan with this one's options.
    pub(crate) fn sibling(&self, plan: Plan) -> Result<Kernel<T>, Error> {
        let start = Instant::now();
        let choice = self.inner.choice.clone();
        let (by_rows, origin) = compile::obtain(&plan, &choice, Lanes::Rows, &self.cache)?;
        let inner = Arc::new(Inner::new(plan, choice, by_rows));
        let (cache, pool) = (self.cache.clone(), self.pool.clone());
        Ok(Kernel::new(inner, cache, pool, origin, start.elapsed()))
    }

    /// The result: values, or for index reductions the indices in the dtype (-1: no such column).
    ///
    /// The result has one row for every row of the output's category, and the output's dim; K-reductions give K times the
    /// formula's dim, the k-th smallest of each component together. Reductions that give values and indices return the values
    /// here; see [`call_both`](Kernel::call_both).
    ///
    /// ```
    /// use genred::{View, ViewMut, generic_sum};
    /// let sum = generic_sum::<f32>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = (View::new(&[1.0, 2.0], 2, 1)?, View::new(&[10.0, 20.0, 30.0], 3, 1)?);
    /// assert_eq!(sum.call(&[x, y])?.as_slice(), [60.0, 120.0]);
    /// // The same into an array of yours.
    /// let mut a = [0.0; 2];
    /// sum.call_into(&[x, y], ViewMut::new(&mut a, 2, 1)?)?;
    /// assert_eq!(a, [60.0, 120.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if arguments do not fit the aliases, naming them; `Range` if the dtype cannot hold every index exactly.
    pub fn call(&self, args: &[View<'_, T>]) -> Result<Array<T>, Error> {
        self.values_over(args, Over::All)
    }

    pub(crate) fn values_over(
        &self,
        args: &[View<'_, T>],
        over: Over<'_>,
    ) -> Result<Array<T>, Error> {
        let shape = self.check_over(args, over)?;
        let dim = self.dim();
        let mut data = allocate(shape.rows, dim)?;
        self.run_into(args, shape, over, ViewMut::new(&mut data, shape.rows, dim)?)?;
        Array::from_vec(shape.rows, dim, data)
    }

    /// The same into an array of the caller; allocates nothing once buffers have grown to the largest shape seen.
    ///
    /// ```
    /// use genred::{View, ViewMut, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// // Into the second column of an array of two.
    /// let mut table = [0.0; 4];
    /// sum.call_into(&[x, x], ViewMut::strided(&mut table[1..], 2, 1, 2)?)?;
    /// assert_eq!(table, [0.0, 3.0, 0.0, 6.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call`](Kernel::call); besides if `out` has not the result's shape. `out` is then unchanged.
    pub fn call_into<'o>(
        &self,
        args: &[View<'_, T>],
        out: impl Into<ViewMut<'o, T>>,
    ) -> Result<(), Error> {
        self.write_over(args, out.into(), Over::All)
    }

    pub(crate) fn write_over(
        &self,
        args: &[View<'_, T>],
        out: ViewMut<'_, T>,
        over: Over<'_>,
    ) -> Result<(), Error> {
        let shape = self.check_over(args, over)?;
        if (out.rows(), out.dim()) != (shape.rows, self.dim()) {
            return Err(Error::shape(format!(
                "the output array is {} x {}, but the result is {} x {}",
                out.rows(),
                out.dim(),
                shape.rows,
                self.dim()
            )));
        }
        self.run_into(args, shape, over, out)
    }

    /// The exact indices of an index reduction; -1 where there is no such column.
    ///
    /// ```
    /// use genred::{View, generic_argkmin};
    /// let nearest = generic_argkmin::<f32>("SqDist(x, y)", "k = Vi(3)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let k = nearest.call_indices(&[View::new(&[2.0], 1, 1)?, View::new(&[9.0, 1.0], 2, 1)?])?;
    /// assert_eq!(k.as_slice(), [1, 0, -1]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if the reduction gives no indices; `Shape` as for [`call`](Kernel::call).
    pub fn call_indices(&self, args: &[View<'_, T>]) -> Result<Array<i64>, Error> {
        self.indices_over(args, Over::All)
    }

    pub(crate) fn indices_over(
        &self,
        args: &[View<'_, T>],
        over: Over<'_>,
    ) -> Result<Array<i64>, Error> {
        let shape = self.check_over(args, over)?;
        self.check_gives_indices()?;
        let dim = self.dim();
        let mut data = allocate(shape.rows, dim)?;
        let indices = Indices::Exact(ViewMut::new(&mut data, shape.rows, dim)?);
        self.run(args, shape, over, Out { values: None, indices: Some(indices) })?;
        Array::from_vec(shape.rows, dim, data)
    }

    /// Values and exact indices of a selection, in one pass.
    ///
    /// ```
    /// use genred::{Genred, Reduction, View};
    /// let nearest = Genred::<f32>::reduction(Reduction::MinArgMin, "SqDist(x, y)")
    ///     .output("a = Vi(1)").alias("x = Vi(1)").alias("y = Vj(1)").compile()?;
    /// let (x, y) = ([2.0f32], [5.0f32, 1.0]);
    /// let (values, indices) = nearest.call_both(&[View::new(&x, 1, 1)?, View::new(&y, 2, 1)?])?;
    /// assert_eq!((values[(0, 0)], indices[(0, 0)]), (1.0, 1));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if the reduction is not a selection; `Shape` as for [`call`](Kernel::call).
    pub fn call_both(&self, args: &[View<'_, T>]) -> Result<(Array<T>, Array<i64>), Error> {
        self.both_over(args, Over::All)
    }

    pub(crate) fn both_over(
        &self,
        args: &[View<'_, T>],
        over: Over<'_>,
    ) -> Result<(Array<T>, Array<i64>), Error> {
        let shape = self.check_over(args, over)?;
        self.check_gives_both()?;
        let dim = self.dim();
        let (mut values, mut indices) = (allocate(shape.rows, dim)?, allocate(shape.rows, dim)?);
        let out = Out {
            values: Some(ViewMut::new(&mut values, shape.rows, dim)?),
            indices: Some(Indices::Exact(ViewMut::new(&mut indices, shape.rows, dim)?)),
        };
        self.run(args, shape, over, out)?;
        let values = Array::from_vec(shape.rows, dim, values)?;
        Ok((values, Array::from_vec(shape.rows, dim, indices)?))
    }

    /// Columns of the result.
    ///
    /// ```
    /// let three = genred::generic_argkmin::<f32>("SqDist(x, y)", "k = Vi(3)", &["x = Vi(2)", "y = Vj(2)"])?;
    /// assert_eq!(three.dim(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn dim(&self) -> usize {
        self.inner.plan.dim_of(self.reduction())
    }

    /// The reduction.
    ///
    /// ```
    /// use genred::{Reduction, generic_argkmin};
    /// let three = generic_argkmin::<f32>("SqDist(x, y)", "k = Vi(3)", &["x = Vi(2)", "y = Vj(2)"])?;
    /// assert_eq!(three.reduction(), Reduction::ArgKMin(3));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn reduction(&self) -> Reduction {
        self.inner.plan.reduction
    }

    /// Number of arguments of a call.
    ///
    /// ```
    /// let sum = genred::generic_sum::<f32>("g * x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "g = Pm(1)"])?;
    /// assert_eq!(sum.arguments(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn arguments(&self) -> usize {
        self.inner.plan.formula.variables.len()
    }

    /// Where the code came from.
    ///
    /// ```
    /// use genred::{Origin, generic_sum};
    /// let compile = || generic_sum::<f32>("x * y + 1", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"]);
    /// let first = compile()?;
    /// assert_eq!(compile()?.origin(), Origin::Memory);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// How the kernel was made.
    ///
    /// ```
    /// let sum = genred::generic_sum::<f32>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let stats = sum.stats();
    /// assert!(stats.code_bytes > 0 && stats.origin == sum.origin());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.stats_of(&self.inner.by_rows, self.origin)
    }

    fn stats_of(&self, compiled: &Compiled, origin: Origin) -> Stats {
        Stats {
            engine: compiled.notes.engine.clone(),
            origin,
            build_time: self.build_time,
            code_bytes: compiled.bytes,
            refusals: compiled.notes.refusals.clone(),
        }
    }

    /// What a stage of the compiler made of the formula, as text.
    ///
    /// ```
    /// use genred::{Stage, generic_sum};
    /// let kde = generic_sum::<f32>("Exp(-SqNorm2(x - y))", "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)"])?;
    /// assert!(kde.explain(Stage::Typed).contains("Exp"));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn explain(&self, stage: Stage) -> String {
        let Inner { plan, choice, by_rows, .. } = &*self.inner;
        compile::explain(plan, choice, by_rows, stage)
    }

    pub(crate) fn selection(&self) -> Option<Selection> {
        self.inner.selections.first().copied()
    }

    fn run_into(
        &self,
        args: &[View<'_, T>],
        shape: Shape,
        over: Over<'_>,
        out: ViewMut<'_, T>,
    ) -> Result<(), Error> {
        if self.reduction().outputs() != Outputs::Indices {
            return self.run(args, shape, over, Out { values: Some(out), indices: None });
        }
        self.check_index_range(shape)?;
        self.run(args, shape, over, Out { values: None, indices: Some(Indices::InDtype(out)) })
    }

    pub(crate) fn check_gives_indices(&self) -> Result<(), Error> {
        if self.reduction().outputs() == Outputs::Values {
            let name = self.reduction().name();
            return Err(Error::usage(format!("`{name}` gives values, not indices")));
        }
        Ok(())
    }

    pub(crate) fn check_gives_both(&self) -> Result<(), Error> {
        if self.selection().is_none() {
            let name = self.reduction().name();
            return Err(Error::usage(format!("`{name}` gives values only")));
        }
        Ok(())
    }

    /// Refuse to round indices to a dtype that cannot hold them.
    pub(crate) fn check_index_range(&self, shape: Shape) -> Result<(), Error> {
        let largest = T::DTYPE.largest_exact_index();
        if shape.columns as u64 > largest + 1 {
            let message = format!(
                "{} cannot hold every index of {} columns exactly (up to {largest} it can)",
                T::DTYPE,
                shape.columns
            );
            return Err(
                Error::new(ErrorKind::Range, message).help("`call_indices` returns exact integers")
            );
        }
        Ok(())
    }

    pub(crate) fn run(
        &self,
        args: &[View<'_, T>],
        shape: Shape,
        over: Over<'_>,
        out: Out<'_, T>,
    ) -> Result<(), Error> {
        if let Over::Blocks(ranges) = over {
            return self.run_blocks(args, shape, ranges, out);
        }
        self.chosen_for(shape)?.engine.run(&self.inner.plan, &self.job(args, shape, 0), out)
    }

    /// A call over columns of which the first has number `first` in the whole reduction.
    pub(crate) fn job<'a>(
        &'a self,
        args: &'a [View<'a, T>],
        shape: Shape,
        first: usize,
    ) -> Job<'a, T> {
        Job {
            inputs: args,
            rows: shape.rows,
            columns: shape.columns,
            first,
            first_row: 0,
            pieces: None,
            sums: self.inner.sums,
            selections: &self.inner.selections,
            threads: match &self.pool {
                Pool::Current => Threads::Current,
                Pool::One => Threads::One,
                Pool::Own(pool) => Threads::Own(pool),
            },
            cancel: None,
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.inner.plan
    }

    /// The code that a call of a shape runs on: of a device where back end `auto` takes one.
    pub(crate) fn chosen_for(&self, shape: Shape) -> Result<&Compiled, Error> {
        match self.device_for(shape) {
            Ok((compiled, _)) => Ok(compiled),
            Err(_) => self.compiled_for(shape),
        }
    }

    /// The code for calls of a shape.
    pub(crate) fn compiled_for(&self, shape: Shape) -> Result<&Compiled, Error> {
        self.compiled(schedule::lanes(shape.rows, shape.columns))
    }

    /// The code of a shape class, compiled when first needed.
    fn compiled(&self, lanes: Lanes) -> Result<&Compiled, Error> {
        let inner = &*self.inner;
        match lanes {
            Lanes::Rows => Ok(&inner.by_rows),
            Lanes::Columns => {
                let make = || compile::obtain(&inner.plan, &inner.choice, lanes, &self.cache);
                let made = inner.by_columns.get_or_init(make);
                made.as_ref().map(|(compiled, _)| &**compiled).map_err(Error::clone)
            }
        }
    }
}

/// A result of `rows * dim` zeros.
pub(crate) fn allocate<T: Copy + Default>(rows: usize, dim: usize) -> Result<Vec<T>, Error> {
    let len = rows.checked_mul(dim).filter(|len| len.checked_mul(size_of::<T>()).is_some());
    let mut data = Vec::new();
    let len = len
        .filter(|len| data.try_reserve_exact(*len).is_ok())
        .ok_or_else(|| Error::shape(format!("no memory for a result of {rows} x {dim}")))?;
    data.resize(len, T::default());
    Ok(data)
}
