//! Several reductions of one formula in one pass: the formula is evaluated once for each pair.
//!
//! ```
//! use genred::{Genred, Reduction, View};
//! let range = Genred::<f64>::min("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
//!     .compile_with(&[Reduction::Max, Reduction::Sum])?;
//! let results = range.call(&[View::new(&[2.0], 1, 1)?, View::new(&[1.0, -3.0], 2, 1)?])?;
//! let values: Vec<f64> = results.iter().filter_map(|one| Some(one.values()?[(0, 0)])).collect();
//! assert_eq!(values, [-6.0, 2.0, -4.0]);
//! # Ok::<(), genred::Error>(())
//! ```

use crate::array::Array;
use crate::dtype::Element;
use crate::error::Error;
use crate::genred::Genred;
use crate::kernel::{Kernel, Over, Stage, Stats, allocate};
use crate::launch::{Indices, Out};
use crate::reduce::{Accumulate, Family, Outputs, Reduction, parts};
use crate::view::{View, ViewMut};
use std::borrow::Cow;

/// The result of one reduction of [`several`](Several).
///
/// ```
/// use genred::{Genred, Reduced, Reduction, View};
/// let range = Genred::<f64>::min("y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
///     .compile_with(&[Reduction::ArgMax])?;
/// let results = range.call(&[View::new(&[0.0], 1, 1)?, View::new(&[3.0, -1.0], 2, 1)?])?;
/// assert!(matches!(&results[0], Reduced::Values(least) if least[(0, 0)] == -1.0));
/// assert!(matches!(&results[1], Reduced::Indices(largest) if largest[(0, 0)] == 0));
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Reduced<T> {
    /// Values, as [`Kernel::call`] gives them.
    Values(Array<T>),
    /// Indices, as [`Kernel::call_indices`] gives them.
    Indices(Array<i64>),
    /// Values and indices, as [`Kernel::call_both`] gives them.
    Both(Array<T>, Array<i64>),
}

impl<T> Reduced<T> {
    /// What a reduction gives of both, which are made only if it does.
    pub(crate) fn of(
        outputs: Outputs,
        values: impl FnOnce() -> Result<Array<T>, Error>,
        indices: impl FnOnce() -> Result<Array<i64>, Error>,
    ) -> Result<Reduced<T>, Error> {
        Ok(match outputs {
            Outputs::Values => Reduced::Values(values()?),
            Outputs::Indices => Reduced::Indices(indices()?),
            Outputs::Both => Reduced::Both(values()?, indices()?),
        })
    }

    /// The values, of all reductions but those that give indices only.
    ///
    /// ```
    /// use genred::{Array, Reduced};
    /// let both = Reduced::Both(Array::from_vec(1, 1, vec![0.5])?, Array::from_vec(1, 1, vec![7])?);
    /// assert_eq!(both.values().map(|values| values[(0, 0)]), Some(0.5));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn values(&self) -> Option<&Array<T>> {
        match self {
            Reduced::Values(values) | Reduced::Both(values, _) => Some(values),
            Reduced::Indices(_) => None,
        }
    }

    /// The indices, where there are any.
    ///
    /// ```
    /// use genred::{Array, Reduced};
    /// let both = Reduced::Both(Array::from_vec(1, 1, vec![0.5])?, Array::from_vec(1, 1, vec![7])?);
    /// assert_eq!(both.indices().map(|indices| indices[(0, 0)]), Some(7));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn indices(&self) -> Option<&Array<i64>> {
        match self {
            Reduced::Indices(indices) | Reduced::Both(_, indices) => Some(indices),
            Reduced::Values(_) => None,
        }
    }
}

/// Several reductions of one formula, compiled into one kernel: see [`Genred::compile_with`]. Cloning is cheap.
///
/// ```
/// use genred::{Genred, Reduction, Several, View};
/// let range: Several<f64> = Genred::min("y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
///     .compile_with(&[Reduction::Max])?;
/// let results = range.call(&[View::new(&[0.0], 1, 1)?, View::new(&[3.0, -1.0], 2, 1)?])?;
/// let values: Vec<f64> = results.iter().filter_map(|one| Some(one.values()?[(0, 0)])).collect();
/// assert_eq!(values, [-1.0, 3.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Several<T> {
    /// Computes [`parts`]; their results stand beside each other.
    pub(crate) kernel: Kernel<T>,
    pub(crate) places: Vec<Place>,
}

/// Where the result of a reduction is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) reduction: Reduction,
    /// Columns of its result.
    pub(crate) dim: usize,
    /// The first of them among the values, and among the indices.
    pub(crate) values: usize,
    pub(crate) indices: usize,
}

/// Columns of the values and of the indices of everything that a kernel computes in one pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widths {
    pub(crate) values: usize,
    pub(crate) indices: usize,
}

impl Widths {
    pub(crate) fn of<T: Element>(kernel: &Kernel<T>) -> Widths {
        let plan = kernel.plan();
        let selected = plan.parts().filter(|part| part.family() == Family::Selection);
        Widths {
            values: plan.parts().map(|part| plan.dim_of(part)).sum(),
            indices: selected.map(|part| plan.dim_of(part)).sum(),
        }
    }
}

impl<T: Element> From<Kernel<T>> for Several<T> {
    /// One reduction where several are expected.
    fn from(kernel: Kernel<T>) -> Several<T> {
        let places = vec![Place::only(&kernel)];
        Several { kernel, places }
    }
}

impl<T: Element> Genred<T> {
    /// Compile this reduction together with `others` of the same formula: the formula is evaluated once for each pair, and every result
    /// has the bits of a call of its own. The declared output is that of the first; a weight is for those that take one.
    ///
    /// ```
    /// use genred::{Genred, Reduced, Reduction, View};
    /// let both = Genred::<f64>::logsumexp("-SqDist(x, y)")
    ///     .output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::ArgMax])?;
    /// let (x, y) = ([0.0, 5.0], [1.0, 2.0, 5.0]);
    /// let results = both.call(&[View::new(&x, 2, 1)?, View::new(&y, 3, 1)?])?;
    /// let [Reduced::Values(sums), Reduced::Indices(nearest)] = &results[..] else { unreachable!() };
    /// assert!((sums[(0, 0)] - ((-1f64).exp() + (-4f64).exp() + (-25f64).exp()).ln()).abs() < 1e-15);
    /// assert_eq!(nearest.as_slice(), [0, 2]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`compile`](Genred::compile) for each of the reductions; `Usage` if `Sum` and one of exponentials are both asked for, which
    /// are not accumulated in the same pieces, and for a selection beside `Accumulate::Double`; `Device` with a CUDA device.
    pub fn compile_with(self, others: &[Reduction]) -> Result<Several<T>, Error> {
        let asked: Vec<Reduction> =
            std::iter::once(self.reduction).chain(others.iter().copied()).collect();
        self.check_together(&asked)?;
        let parts = parts(&asked);
        let kernel = self.compiled(&asked, &parts)?;
        let places = asked.iter().map(|reduction| Place::of(*reduction, &parts, &kernel)).collect();
        Ok(Several { kernel, places })
    }

    fn check_together(&self, asked: &[Reduction]) -> Result<(), Error> {
        if self.stated.is_some() && asked.len() > 1 {
            let message = "a text that states its own reduction has no others beside it";
            return Err(Error::usage(message).help("`Genred::reduction` takes a formula"));
        }
        let of = |family| asked.iter().find(|reduction| reduction.family() == family);
        if let (Some(sum), Some(other)) = (of(Family::Sum), of(Family::Exponential)) {
            let (sum, other) = (sum.name(), other.name());
            let message = format!("`{sum}` and `{other}` are not computed in one pass");
            return Err(Error::usage(message).help(
                "they are accumulated in pieces of different lengths: compile one kernel for each",
            ));
        }
        match of(Family::Selection) {
            Some(selection) if self.accumulate == Accumulate::Double && asked.len() > 1 => {
                let name = selection.name();
                let message = format!(
                    "`{name}` compares values of the dtype, but with `Accumulate::Double` the formula is computed in float64"
                );
                Err(Error::usage(message).help("compile one kernel for each"))
            }
            _ => Ok(()),
        }
    }
}

impl Place {
    /// The result of a kernel of one reduction.
    pub(crate) fn only<T: Element>(kernel: &Kernel<T>) -> Place {
        Place { reduction: kernel.reduction(), dim: kernel.dim(), values: 0, indices: 0 }
    }

    fn of<T: Element>(reduction: Reduction, parts: &[Reduction], kernel: &Kernel<T>) -> Place {
        let plan = kernel.plan();
        let selects = |part: &Reduction| part.family() == Family::Selection;
        let gives = |part: &&Reduction| match reduction.family() {
            Family::Selection => selects(part) && part.preference() == reduction.preference(),
            _ => **part == reduction,
        };
        let before = parts.iter().take_while(|part| !gives(part));
        let (mut values, mut indices) = (0, 0);
        for part in before {
            values += plan.dim_of(*part);
            indices += if selects(part) { plan.dim_of(*part) } else { 0 };
        }
        Place { reduction, dim: plan.dim_of(reduction), values, indices }
    }
}

impl<T: Element> Several<T> {
    /// The result of each reduction, in the order in which they were asked for.
    ///
    /// ```
    /// use genred::{Genred, Reduction, View};
    /// let nearest = Genred::<f64>::sum("SqDist(x, y)").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::KMinArgKMin(2)])?;
    /// let results = nearest.call(&[View::new(&[0.0], 1, 1)?, View::new(&[3.0, 1.0, 2.0], 3, 1)?])?;
    /// assert_eq!(results[0].values().map(|sum| sum[(0, 0)]), Some(14.0));
    /// assert_eq!(results[1].indices().map(|indices| indices.as_slice()), Some(&[1, 2][..]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if arguments do not fit the aliases, naming them.
    pub fn call(&self, args: &[View<'_, T>]) -> Result<Vec<Reduced<T>>, Error> {
        let shape = self.kernel.check(args)?;
        self.results(shape.rows, |out| self.kernel.run(args, shape, Over::All, out))
    }

    /// The results of so many rows, which `compute` writes beside each other.
    pub(crate) fn results(
        &self,
        rows: usize,
        compute: impl FnOnce(Out<'_, T>) -> Result<(), Error>,
    ) -> Result<Vec<Reduced<T>>, Error> {
        let all = Widths::of(&self.kernel);
        let (mut values, mut indices) = (allocate(rows, all.values)?, allocate(rows, all.indices)?);
        let exact = match all.indices {
            0 => None,
            _ => Some(Indices::Exact(ViewMut::new(&mut indices, rows, all.indices)?)),
        };
        compute(Out {
            values: Some(ViewMut::new(&mut values, rows, all.values)?),
            indices: exact,
        })?;
        let result = |place: &Place| {
            let values = || {
                let kept = cut(&values, all.values, place.values, place.dim);
                Array::from_vec(rows, place.dim, kept.into_owned())
            };
            let indices = || {
                let kept = cut(&indices, all.indices, place.indices, place.dim);
                Array::from_vec(rows, place.dim, kept.into_owned())
            };
            Reduced::of(place.reduction.outputs(), values, indices)
        };
        self.places.iter().map(result).collect()
    }

    /// The reductions, in the order of the results.
    ///
    /// ```
    /// use genred::{Genred, Reduction};
    /// let two = Genred::<f64>::min("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::Max])?;
    /// assert!(two.reductions().eq([Reduction::Min, Reduction::Max]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn reductions(&self) -> impl Iterator<Item = Reduction> {
        self.places.iter().map(|place| place.reduction)
    }

    /// Columns of each result, in the same order.
    ///
    /// ```
    /// # use genred::{Genred, Reduction};
    /// let both = Genred::<f64>::sum("x * y").output("a = Vi(2)").aliases(["x = Vi(2)", "y = Vj(2)"])
    ///     .compile_with(&[Reduction::KMin(3)])?;
    /// assert!(both.dims().eq([2, 6]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn dims(&self) -> impl Iterator<Item = usize> {
        self.places.iter().map(|place| place.dim)
    }

    /// As [`Kernel::shape`].
    ///
    /// ```
    /// use genred::{Genred, Reduction, View};
    /// let two = Genred::<f64>::min("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::Max])?;
    /// assert_eq!(two.shape(&[View::new(&[0.0; 5], 5, 1)?, View::new(&[0.0; 3], 3, 1)?])?, (5, 3));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn shape(&self, args: &[View<'_, T>]) -> Result<(usize, usize), Error> {
        self.kernel.shape(args)
    }

    /// As [`Kernel::prepare`].
    ///
    /// ```
    /// use genred::{Genred, Reduction};
    /// let two = Genred::<f64>::min("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::Max])?;
    /// assert!(two.prepare(5, 1_000_000)?.code_bytes > 0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn prepare(&self, rows: usize, columns: usize) -> Result<Stats, Error> {
        self.kernel.prepare(rows, columns)
    }

    /// As [`Kernel::stats`].
    ///
    /// ```
    /// use genred::{Backend, Genred, Reduction};
    /// let two = Genred::<f64>::min("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .backend(Backend::Clif).compile_with(&[Reduction::Max])?;
    /// assert_eq!(two.stats().engine, "clif");
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.kernel.stats()
    }

    /// As [`Kernel::explain`].
    ///
    /// ```
    /// use genred::{Genred, Reduction, Stage};
    /// let two = Genred::<f64>::min("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::Max])?;
    /// // One formula for both.
    /// assert_eq!(two.explain(Stage::Parse).matches('*').count(), 1);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn explain(&self, stage: Stage) -> String {
        self.kernel.explain(stage)
    }
}

/// Some columns of rows of `all` columns. Those of a selection that keeps more than is asked for begin with what is.
pub(crate) fn cut<V: Copy>(data: &[V], all: usize, first: usize, dim: usize) -> Cow<'_, [V]> {
    if dim == all {
        return Cow::Borrowed(data);
    }
    data.chunks_exact(all.max(1)).flat_map(|row| &row[first..][..dim]).copied().collect()
}
