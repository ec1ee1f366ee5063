//! Calls on arrays that do not fit into memory: rows and columns are read in pieces, under a stated budget.
//!
//! The accumulators of some rows stay in memory while all columns pass by, a piece at a time; then their results go to a [`Sink`], and the
//! next rows follow. Pieces of columns begin and end at tiles, and the tree in which tiles are merged depends on tile numbers only, so the
//! result has the bits of a call on the whole arrays, whatever the budget. On CUDA devices accumulators wait in device memory, and what a
//! block of threads sees depends on the shape of the whole reduction only: the bits are those of the call on devices.
//!
//! ```
//! use genred::{Chunks, View, generic_sum};
//! let kde = generic_sum::<f64>("Exp(-SqDist(x, y))", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let y: Vec<f64> = (0..30_000).map(|k| f64::from(k) / 1e4).collect();
//! let (x, whole) = (View::new(&[0.5, 2.0], 2, 1)?, View::new(&y, 30_000, 1)?);
//! let pieces = Chunks::new(30_000, 1, || y.chunks(1_000).map(|piece| Ok(piece.to_vec())));
//! let a = kde.stream().input(x).input(pieces).memory_budget(4 << 20).call()?;
//! assert_eq!(a, kde.call(&[x, whole])?, "bit for bit");
//! # Ok::<(), genred::Error>(())
//! ```

mod budget;
mod cancel;
mod run;
mod sink;
mod source;

pub use budget::Pieces;
pub use cancel::{Cancel, Progress};
pub use sink::{Sink, Sinks};
pub use source::{Chunks, Source};

use crate::array::Array;
use crate::dtype::Element;
use crate::error::Error;
use crate::kernel::Kernel;
use crate::limits;
use crate::reduce::Outputs;
use crate::several::{Place, Reduced, Several};
use run::{Run, Wanted};
use std::fmt;
use std::marker::PhantomData;

/// A call on [`Source`]s: what is read, how much memory that may take, where results go.
///
/// ```
/// use genred::npy::{Reader, Writer};
/// use genred::{View, generic_sum};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("y.npy");
/// # let y: Vec<f32> = (0..60_000).map(|k| k as f32 / 1e4).collect();
/// # Writer::new(std::fs::File::create(&path)?, &[20_000, 3])?.write(&y)?;
/// let kde = generic_sum::<f32>("Exp(-SqDist(x, y))", "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)"])?;
/// let x = [0.25f32, 0.5, 1.0];
/// let x = View::new(&x, 1, 3)?;
/// let a = kde.stream().input(x).input(Reader::open(&path)?).memory_budget(4 << 20).call()?;
/// assert_eq!(a, kde.call(&[x, View::new(&y, 20_000, 3)?])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Several::stream`] makes one of several reductions, which it has as `K`.
pub struct Stream<'a, T, K = Kernel<T>> {
    kernel: &'a Kernel<T>,
    places: Vec<Place>,
    inputs: Vec<Box<dyn Source<T> + 'a>>,
    budget: usize,
    progress: Option<Box<dyn FnMut(Progress) + 'a>>,
    cancel: Cancel,
    of: PhantomData<fn(K)>,
}

impl<T, K> fmt::Debug for Stream<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Stream");
        shown.field("inputs", &self.inputs.len()).field("budget", &self.budget);
        shown.finish_non_exhaustive()
    }
}

impl<T: Element> Kernel<T> {
    /// Begin a call on arrays that are read in pieces.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = ([1.0, 2.0], [3.0, 4.0]);
    /// let a = sum.stream().input(View::new(&x, 2, 1)?).input(View::new(&y, 2, 1)?).call()?;
    /// assert_eq!(a.as_slice(), [7.0, 14.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn stream(&self) -> Stream<'_, T> {
        Stream::new(self, vec![Place::only(self)])
    }
}

impl<T: Element> Several<T> {
    /// Begin a call on arrays that are read in pieces: of all reductions, in one pass.
    ///
    /// ```
    /// use genred::{Chunks, Genred, Reduced, Reduction, View};
    /// let both = Genred::<f64>::logsumexp("-SqDist(x, y)")
    ///     .output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::ArgMax])?;
    /// let x = [0.0, 5.0];
    /// let y = Chunks::new(3_000, 1, || (0..3).map(|k| Ok(vec![f64::from(k); 1_000])));
    /// let results = both.stream().input(View::new(&x, 2, 1)?).input(y).call()?;
    /// let [Reduced::Values(_), Reduced::Indices(nearest)] = &results[..] else { unreachable!() };
    /// assert_eq!(nearest.as_slice(), [0, 2_000]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn stream(&self) -> Stream<'_, T, Several<T>> {
        Stream::new(&self.kernel, self.places.clone())
    }
}

impl<'a, T: Element, K> Stream<'a, T, K> {
    fn new(kernel: &'a Kernel<T>, places: Vec<Place>) -> Stream<'a, T, K> {
        Stream {
            kernel,
            places,
            inputs: Vec::new(),
            budget: limits::STREAM_BYTES,
            progress: None,
            cancel: Cancel::new(),
            of: PhantomData,
        }
    }

    /// The next argument, in the order of the aliases.
    ///
    /// ```
    /// use genred::{Array, View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y * g", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "g = Pm(1)"])?;
    /// let (x, y) = (View::new(&[2.0], 1, 1)?, Array::from_vec(2, 1, vec![1.0, 5.0])?);
    /// let a = sum.stream().input(x).input(&y).input(View::vector(&[10.0])).call()?;
    /// assert_eq!(a.as_slice(), [120.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn input(mut self, source: impl Source<T> + 'a) -> Self {
        self.inputs.push(Box::new(source));
        self
    }

    /// Bytes that arrays, packed columns, accumulators and results may take together, on devices too; 1 GiB if nothing is said.
    ///
    /// Sources that lie in memory anyway do not count, nor does the array that [`call`](Stream::call) returns. A kernel for devices keeps
    /// also to [`Genred::device_memory`](crate::Genred::device_memory), or to most of what is free there.
    ///
    /// ```
    /// use genred::{ErrorKind, View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// let error = sum.stream().input(x).input(x).memory_budget(1).call().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Limit);
    /// assert!(error.to_string().contains("this reduction needs at least"));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Say now and then how far it is, on the calling thread: several times a second if tiles are that fast. A device may still be at
    /// work on the last piece that is told.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// let mut pairs = 0;
    /// sum.stream().input(x).input(x).progress(|now| pairs = now.pairs()).call()?;
    /// assert_eq!(pairs, 4);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn progress(mut self, report: impl FnMut(Progress) + 'a) -> Self {
        self.progress = Some(Box::new(report));
        self
    }

    /// Stop with an error soon after this token is used.
    ///
    /// ```
    /// use genred::{Cancel, View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, cancel) = (View::new(&[1.0, 2.0], 2, 1)?, Cancel::new());
    /// let call = || sum.stream().input(x).input(x).cancel(&cancel).call();
    /// assert!(call().is_ok());
    /// cancel.cancel();
    /// assert!(call().unwrap_err().is_cancelled());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Rows of the result and points that are reduced over.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let call = sum.stream().input(View::new(&[0.0; 5], 5, 1)?).input(View::new(&[0.0; 3], 3, 1)?);
    /// assert_eq!(call.shape()?, (5, 3));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if arguments do not fit the aliases, naming them.
    pub fn shape(&self) -> Result<(usize, usize), Error> {
        let shape = source::check(self.kernel, &self.inputs)?;
        Ok((shape.rows, shape.columns))
    }

    /// The least [budget](Stream::memory_budget) that will do.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// let call = || sum.stream().input(x).input(x);
    /// let least = call().least_budget()?;
    /// assert!(call().memory_budget(least - 1).call().is_err());
    /// assert_eq!(call().memory_budget(least).call()?.as_slice(), [3.0, 6.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if arguments do not fit the aliases; `Device` for the interpreter, which cannot work in pieces, and if a device fails.
    pub fn least_budget(&self) -> Result<usize, Error> {
        Run::least(self.kernel, &self.inputs)
    }

    /// How rows and columns are divided under the budget.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let points = vec![0.0; 1_000_000];
    /// let x = View::new(&points, 1_000_000, 1)?;
    /// let pieces = |budget| sum.stream().input(x).input(x).memory_budget(budget).pieces();
    /// assert!(pieces(1 << 20)?.rows() < pieces(1 << 24)?.rows());
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`least_budget`](Stream::least_budget), and `Limit` if the budget is too small, or `Device` if the device's memory is.
    pub fn pieces(&self) -> Result<Pieces, Error> {
        Run::divided(self.kernel, &self.inputs, self.budget)
    }

    /// Write every reduction's result to its sinks; `in_dtype`: indices as values.
    fn run(self, sinks: Vec<Sinks<'_, T>>, in_dtype: bool) -> Result<(), Error> {
        let Stream { kernel, places, inputs, budget, progress, cancel, .. } = self;
        let wanted = Wanted { places, sinks, in_dtype };
        Run::new(kernel, inputs, budget)?.until_done(wanted, progress, &cancel)
    }
}

impl<T: Element> Stream<'_, T> {
    /// The result, as [`Kernel::call`] gives it.
    ///
    /// ```
    /// use genred::{Chunks, View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let y = Chunks::new(4, 1, || [vec![1.0], vec![2.0, 3.0, 4.0]].into_iter().map(Ok));
    /// let a = sum.stream().input(View::new(&[1.0, 10.0], 2, 1)?).input(y).call()?;
    /// assert_eq!(a.as_slice(), [10.0, 100.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`call_into`](Stream::call_into), and `Limit` if there is no memory for the result.
    pub fn call(self) -> Result<Array<T>, Error> {
        let (dim, (rows, _)) = (self.kernel.dim(), self.shape()?);
        let mut values = room(rows, dim)?;
        self.call_into(&mut values)?;
        Array::from_vec(rows, dim, values)
    }

    /// Exact indices, as [`Kernel::call_indices`] gives them.
    ///
    /// ```
    /// use genred::{Chunks, View, generic_argmin};
    /// let nearest = generic_argmin::<f32>("SqDist(x, y)", "k = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let y = Chunks::new(4, 1, || [vec![1.0], vec![2.0, 3.0, 4.0]].into_iter().map(Ok));
    /// let k = nearest.stream().input(View::new(&[2.9, 0.0], 2, 1)?).input(y).call_indices()?;
    /// assert_eq!(k.as_slice(), [2, 0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`call`](Stream::call), and `Usage` if the reduction gives no indices.
    pub fn call_indices(self) -> Result<Array<i64>, Error> {
        let (dim, (rows, _)) = (self.kernel.dim(), self.shape()?);
        let mut indices = room(rows, dim)?;
        self.call_indices_into(&mut indices)?;
        Array::from_vec(rows, dim, indices)
    }

    /// Write the result to a sink, rows in order: values, or for index reductions the indices in the dtype.
    ///
    /// ```
    /// use genred::npy::Writer;
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// let mut file = Writer::new(Vec::new(), &[2, 1])?;
    /// sum.stream().input(x).input(x).call_into(&mut file)?;
    /// assert!(file.is_whole() && file.into_inner().ends_with(&6f64.to_le_bytes()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if arguments do not fit the aliases, naming them; `Range` if the dtype cannot hold every index exactly; `Limit` if the budget
    /// is too small, naming the least that will do; `Device` for the interpreter, which cannot work in pieces, and if a device fails or has
    /// too little memory; `Io` if a source cannot be read or the sink cannot be written; `Cancelled`.
    pub fn call_into(self, mut sink: impl Sink<T>) -> Result<(), Error> {
        let in_dtype = self.kernel.reduction().outputs() == Outputs::Indices;
        self.run(vec![Sinks::Values(&mut sink)], in_dtype)
    }

    /// Write exact indices to a sink.
    ///
    /// ```
    /// use genred::{View, generic_argmin};
    /// let nearest = generic_argmin::<f32>("SqDist(x, y)", "k = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = (View::new(&[2.9, 0.0], 2, 1)?, View::new(&[1.0, 3.0], 2, 1)?);
    /// let mut indices = Vec::new();
    /// nearest.stream().input(x).input(y).call_indices_into(&mut indices)?;
    /// assert_eq!(indices, [1, 0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`call_into`](Stream::call_into), and `Usage` if the reduction gives no indices.
    pub fn call_indices_into(self, mut sink: impl Sink<i64>) -> Result<(), Error> {
        self.kernel.check_gives_indices()?;
        self.run(vec![Sinks::Indices(&mut sink)], false)
    }

    /// Write values and exact indices of a selection to two sinks, in one pass.
    ///
    /// ```
    /// use genred::{Genred, Reduction, View};
    /// let nearest = Genred::<f32>::reduction(Reduction::MinArgMin, "SqDist(x, y)")
    ///     .output("a = Vi(1)").alias("x = Vi(1)").alias("y = Vj(1)").compile()?;
    /// let (x, y) = ([2.0f32], [5.0f32, 1.0]);
    /// let (mut values, mut indices) = (Vec::new(), Vec::new());
    /// let call = nearest.stream().input(View::new(&x, 1, 1)?).input(View::new(&y, 2, 1)?);
    /// call.call_both_into(&mut values, &mut indices)?;
    /// assert_eq!((values, indices), (vec![1.0], vec![1]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`call_into`](Stream::call_into), and `Usage` if the reduction is not a selection.
    pub fn call_both_into(
        self,
        mut values: impl Sink<T>,
        mut indices: impl Sink<i64>,
    ) -> Result<(), Error> {
        self.kernel.check_gives_both()?;
        self.run(vec![Sinks::Both(&mut values, &mut indices)], false)
    }
}

impl<T: Element> Stream<'_, T, Several<T>> {
    /// The results, as [`Several::call`] gives them.
    ///
    /// # Errors
    /// As for [`Stream::call`].
    ///
    /// ```
    /// use genred::{Genred, Reduced, Reduction, View};
    ///
    /// let both = Genred::<f64>::sum("x * y")
    ///     .output("a = Vi(1)")
    ///     .aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::ArgMax])?;
    /// let (x, y) = ([1.0, -1.0], [2.0, 3.0]);
    /// let call = both.stream().input(View::new(&x, 2, 1)?).input(View::new(&y, 2, 1)?);
    /// let results = call.call()?;
    /// let [Reduced::Values(sums), Reduced::Indices(most)] = &results[..] else { unreachable!() };
    /// assert_eq!((sums.as_slice(), most.as_slice()), (&[5.0, -5.0][..], &[1, 0][..]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn call(self) -> Result<Vec<Reduced<T>>, Error> {
        let (rows, _) = self.shape()?;
        let places = self.places.clone();
        let mut values: Vec<Vec<T>> = Vec::new();
        let mut indices: Vec<Vec<i64>> = Vec::new();
        for Place { reduction, dim, .. } in &places {
            let outputs = reduction.outputs();
            let dims = |wanted: bool| if wanted { *dim } else { 0 };
            values.push(room(rows, dims(outputs != Outputs::Indices))?);
            indices.push(room(rows, dims(outputs != Outputs::Values))?);
        }
        let mut to: Vec<_> = values.iter_mut().zip(&mut indices).collect();
        let sinks = to.iter_mut().zip(&places).map(|((values, indices), place)| {
            match place.reduction.outputs() {
                Outputs::Values => Sinks::Values(values),
                Outputs::Indices => Sinks::Indices(indices),
                Outputs::Both => Sinks::Both(values, indices),
            }
        });
        let sinks = sinks.collect();
        self.run(sinks, false)?;
        let result = |((values, indices), place): ((_, _), &Place)| {
            let dim = place.dim;
            let values = || Array::from_vec(rows, dim, values);
            let indices = || Array::from_vec(rows, dim, indices);
            Reduced::of(place.reduction.outputs(), values, indices)
        };
        values.into_iter().zip(indices).zip(&places).map(result).collect()
    }

    /// Write the result of each reduction to sinks, rows in order.
    ///
    /// ```
    /// use genred::{Genred, Reduction, Sinks, View};
    /// let both = Genred::<f64>::logsumexp("-SqDist(x, y)")
    ///     .output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    ///     .compile_with(&[Reduction::ArgMax])?;
    /// let (x, y) = ([0.0, 5.0], [1.0, 2.0, 5.0]);
    /// let call = both.stream().input(View::new(&x, 2, 1)?).input(View::new(&y, 3, 1)?);
    /// let (mut sums, mut nearest) = (Vec::new(), Vec::new());
    /// call.call_into(vec![Sinks::Values(&mut &mut sums), Sinks::Indices(&mut &mut nearest)])?;
    /// assert_eq!((sums.len(), nearest), (2, vec![0, 2]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if the sinks are not those that the reductions need; otherwise as for [`Stream::call_into`].
    pub fn call_into(self, sinks: Vec<Sinks<'_, T>>) -> Result<(), Error> {
        let given: Vec<Outputs> = sinks.iter().map(Sinks::outputs).collect();
        let wanted: Vec<Outputs> = self.places.iter().map(|p| p.reduction.outputs()).collect();
        if given != wanted {
            let names: Vec<String> =
                self.places.iter().map(|p| format!("`{}`", p.reduction.name())).collect();
            let message =
                format!("{} give {wanted:?}, but the sinks take {given:?}", names.join(", "));
            return Err(Error::usage(message));
        }
        self.run(sinks, false)
    }
}

/// An empty vector with room for `rows * dim` numbers.
fn room<N>(rows: usize, dim: usize) -> Result<Vec<N>, Error> {
    let mut numbers = Vec::new();
    let reserved = rows.checked_mul(dim).is_some_and(|len| numbers.try_reserve_exact(len).is_ok());
    if reserved { Ok(numbers) } else { Err(budget::no_memory(rows, dim)) }
}
