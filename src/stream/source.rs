//! Where arguments come from, a range of rows at a time.

use crate::array::Array;
use crate::dtype::Element;
use crate::error::Error;
use crate::kernel::{Extent, Kernel, Shape};
use crate::npy::Reader;
use crate::view::View;
use std::io;
use std::ops::Range;

/// An argument whose rows are read in ranges: ascending ones, and from the first row again for further passes.
///
/// [`View`]s and [arrays](Array) lie in memory, a [`Reader`] reads a `.npy` file, [`Chunks`] are rows that an iterator gives. Anything else
/// that can copy some of its rows implements three functions:
///
/// ```
/// use genred::{Source, View, generic_sum};
/// use std::ops::Range;
/// /// A grid on [0, 1], computed when needed.
/// struct Grid(usize);
/// impl Source<f64> for Grid {
///     fn rows(&self) -> usize { self.0 }
///     fn dim(&self) -> usize { 1 }
///     fn read(&mut self, rows: Range<usize>, into: &mut [f64]) -> std::io::Result<()> {
///         into.iter_mut().zip(rows).for_each(|(to, k)| *to = (k as f64 + 0.5) / self.0 as f64);
///         Ok(())
///     }
/// }
/// let integral = generic_sum::<f64>("x * Square(y)", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let x = [1.0 / 1e6];
/// let a = integral.stream().input(View::new(&x, 1, 1)?).input(Grid(1_000_000)).call()?;
/// assert!((a[(0, 0)] - 1.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), genred::Error>(())
/// ```
pub trait Source<T> {
    /// Number of points.
    ///
    /// ```
    /// use genred::{Chunks, Source};
    /// let chunks = Chunks::new(4, 2, || (0..4).map(|k| Ok(vec![f64::from(k); 2])));
    /// assert_eq!(chunks.rows(), 4);
    /// ```
    fn rows(&self) -> usize;

    /// Number of components of each point.
    ///
    /// ```
    /// use genred::{Chunks, Source};
    /// let chunks = Chunks::new(4, 2, || (0..4).map(|k| Ok(vec![f64::from(k); 2])));
    /// assert_eq!(chunks.dim(), 2);
    /// ```
    fn dim(&self) -> usize;

    /// Copy rows to a slice of as many numbers, one row after another.
    ///
    /// ```
    /// use genred::{Chunks, Source};
    /// let mut chunks = Chunks::new(4, 1, || (0..4).map(|k| Ok(vec![f64::from(k)])));
    /// let mut middle = [0.0; 2];
    /// chunks.read(1..3, &mut middle)?;
    /// assert_eq!(middle, [1.0, 2.0]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Of reading; the call then ends.
    fn read(&mut self, rows: Range<usize>, into: &mut [T]) -> io::Result<()>;

    /// Whether this is a one-dimensional array, for a parameter.
    ///
    /// ```
    /// use genred::{Source, View};
    /// assert!(Source::is_vector(&View::vector(&[0.5])));
    /// ```
    fn is_vector(&self) -> bool {
        false
    }

    /// Everything, if it lies in memory anyway: then nothing is copied.
    ///
    /// ```
    /// use genred::{Array, Chunks, Source};
    /// let array = Array::from_vec(2, 1, vec![1.0, 2.0])?;
    /// assert!((&array).resident().is_some());
    /// assert!(Chunks::new(2, 1, || [Ok(vec![1.0, 2.0])].into_iter()).resident().is_none());
    /// # Ok::<(), genred::Error>(())
    /// ```
    fn resident(&self) -> Option<View<'_, T>> {
        None
    }
}

/// Copy rows of a view.
fn copy<T: Element>(view: &View<'_, T>, rows: Range<usize>, into: &mut [T]) -> io::Result<()> {
    let place = |n: usize| (rows.start + n / view.dim(), n % view.dim());
    for (n, to) in into.iter_mut().enumerate() {
        let (row, component) = place(n);
        *to = view.get(row, component).ok_or(io::ErrorKind::UnexpectedEof)?;
    }
    Ok(())
}

impl<T: Element> Source<T> for View<'_, T> {
    fn rows(&self) -> usize {
        View::rows(self)
    }
    fn dim(&self) -> usize {
        View::dim(self)
    }
    fn read(&mut self, rows: Range<usize>, into: &mut [T]) -> io::Result<()> {
        copy(self, rows, into)
    }
    fn is_vector(&self) -> bool {
        View::is_vector(self)
    }
    fn resident(&self) -> Option<View<'_, T>> {
        Some(*self)
    }
}

impl<T: Element> Source<T> for &Array<T> {
    fn rows(&self) -> usize {
        Array::rows(self)
    }
    fn dim(&self) -> usize {
        Array::dim(self)
    }
    fn read(&mut self, rows: Range<usize>, into: &mut [T]) -> io::Result<()> {
        copy(&self.view(), rows, into)
    }
    fn resident(&self) -> Option<View<'_, T>> {
        Some(self.view())
    }
}

impl<T: Element> Source<T> for Reader<T> {
    fn rows(&self) -> usize {
        Reader::rows(self)
    }
    fn dim(&self) -> usize {
        Reader::dim(self)
    }
    fn read(&mut self, rows: Range<usize>, into: &mut [T]) -> io::Result<()> {
        Reader::read(self, rows, into)
    }
    fn is_vector(&self) -> bool {
        Reader::is_vector(self)
    }
}

impl<T, S: Source<T> + ?Sized> Source<T> for &mut S {
    fn rows(&self) -> usize {
        (**self).rows()
    }
    fn dim(&self) -> usize {
        (**self).dim()
    }
    fn read(&mut self, rows: Range<usize>, into: &mut [T]) -> io::Result<()> {
        (**self).read(rows, into)
    }
    fn is_vector(&self) -> bool {
        (**self).is_vector()
    }
    fn resident(&self) -> Option<View<'_, T>> {
        (**self).resident()
    }
}

/// Rows that an iterator gives some at a time; it is begun again for every pass over them.
///
/// ```
/// use genred::{Chunks, View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// // Ten chunks of 100 rows, as a decoder might give them.
/// let y = Chunks::new(1_000, 1, || (0..10).map(|k| Ok(vec![f64::from(k); 100])));
/// let x = [2.0];
/// let a = sum.stream().input(View::new(&x, 1, 1)?).input(y).call()?;
/// assert_eq!(a.as_slice(), [2.0 * 100.0 * 45.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Debug)]
pub struct Chunks<T, I, F> {
    rows: usize,
    dim: usize,
    begin: F,
    chunks: I,
    /// The chunk that was read last, and how many of its numbers were used.
    chunk: Vec<T>,
    used: usize,
    /// The row that comes next.
    next: usize,
}

impl<T, I: Iterator<Item = io::Result<Vec<T>>>, F: FnMut() -> I> Chunks<T, I, F> {
    /// Rows of `dim` numbers each; `begin` makes the iterator, whose chunks are `rows` rows together. A chunk may end within a row.
    ///
    /// ```
    /// use genred::{Chunks, Source};
    /// // Chunks need not end with a row.
    /// let mut chunks = Chunks::new(2, 3, || [Ok(vec![1.0; 4]), Ok(vec![2.0; 2])].into_iter());
    /// let mut last = [0.0; 3];
    /// chunks.read(1..2, &mut last)?;
    /// assert_eq!(last, [1.0, 2.0, 2.0]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(rows: usize, dim: usize, mut begin: F) -> Self {
        let chunks = begin();
        Chunks { rows, dim, begin, chunks, chunk: Vec::new(), used: 0, next: 0 }
    }

    /// The next numbers, at most as many as asked for; at least one.
    fn some(&mut self, most: usize) -> io::Result<&[T]> {
        while self.used == self.chunk.len() {
            let message = || format!("the chunks end before row {} of {}", self.next, self.rows);
            let end = || io::Error::new(io::ErrorKind::UnexpectedEof, message());
            self.chunk = self.chunks.next().ok_or_else(end)??;
            self.used = 0;
        }
        let first = self.used;
        self.used = self.chunk.len().min(first.saturating_add(most));
        Ok(&self.chunk[first..self.used])
    }
}

impl<T: Element, I: Iterator<Item = io::Result<Vec<T>>>, F: FnMut() -> I> Source<T>
    for Chunks<T, I, F>
{
    fn rows(&self) -> usize {
        self.rows
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn read(&mut self, rows: Range<usize>, into: &mut [T]) -> io::Result<()> {
        if rows.start < self.next {
            self.chunks = (self.begin)();
            (self.chunk, self.used, self.next) = (Vec::new(), 0, 0);
        }
        let mut skipped = (rows.start - self.next) * self.dim;
        while skipped > 0 {
            skipped -= self.some(skipped)?.len();
        }
        self.next = rows.start;
        let mut at = 0;
        while at < into.len() {
            let some = self.some(into.len() - at)?;
            into[at..at + some.len()].copy_from_slice(some);
            at += some.len();
        }
        self.next = rows.end;
        Ok(())
    }
}

/// Check sources against the aliases; gives the shape of the call.
pub(super) fn check<T: Element>(
    kernel: &Kernel<T>,
    sources: &[Box<dyn Source<T> + '_>],
) -> Result<Shape, Error> {
    let extents = sources.iter().map(|source| Extent {
        rows: source.rows(),
        dim: source.dim(),
        is_vector: source.is_vector(),
    });
    kernel.check_extents(extents)
}
