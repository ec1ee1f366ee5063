//! Where results go, rows in order.

use crate::npy::{Number, Writer};
use crate::reduce::Outputs;
use std::fmt;
use std::io;

/// What takes the numbers of a result, row after row from the first to the last.
///
/// Vectors grow, `.npy` [writers](Writer) write; a closure does what it likes:
///
/// ```
/// use genred::{View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y) = ([1.0, 2.0], [3.0, 4.0]);
/// let mut total = 0.0;
/// let add = |values: &[f64]| {
///     total += values.iter().sum::<f64>();
///     Ok(())
/// };
/// sum.stream().input(View::new(&x, 2, 1)?).input(View::new(&y, 2, 1)?).call_into(add)?;
/// assert_eq!(total, 21.0);
/// # Ok::<(), genred::Error>(())
/// ```
pub trait Sink<N> {
    /// Take the next numbers: whole rows.
    ///
    /// ```
    /// use genred::Sink;
    /// let mut numbers = vec![1.0];
    /// (&mut numbers).write(&[2.0, 3.0])?;
    /// assert_eq!(numbers, [1.0, 2.0, 3.0]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Of writing; the call then ends.
    fn write(&mut self, numbers: &[N]) -> io::Result<()>;
}

/// Where the result of one of [several](crate::Several::stream) reductions goes.
///
/// ```
/// use genred::{Genred, Reduction, Sinks, View};
/// let both = Genred::<f64>::reduction(Reduction::Max, "x * y")
///     .output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
///     .compile_with(&[Reduction::MinArgMin])?;
/// let (x, y) = (View::new(&[2.0], 1, 1)?, View::new(&[3.0, 1.0], 2, 1)?);
/// let (mut most, mut least, mut at) = (Vec::new(), Vec::new(), Vec::new());
/// let (mut most, mut least, mut at) = (&mut most, &mut least, &mut at);
/// let sinks = vec![Sinks::Values(&mut most), Sinks::Both(&mut least, &mut at)];
/// both.stream().input(x).input(y).call_into(sinks)?;
/// assert_eq!((most.as_slice(), least.as_slice(), at.as_slice()), (&[6.0][..], &[2.0][..], &[1][..]));
/// # Ok::<(), genred::Error>(())
/// ```
pub enum Sinks<'s, T> {
    /// Values.
    Values(&'s mut dyn Sink<T>),
    /// Exact indices.
    Indices(&'s mut dyn Sink<i64>),
    /// Values and exact indices of a reduction that gives both.
    Both(&'s mut dyn Sink<T>, &'s mut dyn Sink<i64>),
}

impl<T> Sinks<'_, T> {
    /// What they take.
    pub(super) fn outputs(&self) -> Outputs {
        match self {
            Sinks::Values(_) => Outputs::Values,
            Sinks::Indices(_) => Outputs::Indices,
            Sinks::Both(..) => Outputs::Both,
        }
    }
}

impl<T> fmt::Debug for Sinks<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sinks::{:?}", self.outputs())
    }
}

impl<N, F: FnMut(&[N]) -> io::Result<()>> Sink<N> for F {
    fn write(&mut self, numbers: &[N]) -> io::Result<()> {
        self(numbers)
    }
}

impl<N: Clone> Sink<N> for &mut Vec<N> {
    fn write(&mut self, numbers: &[N]) -> io::Result<()> {
        self.extend_from_slice(numbers);
        Ok(())
    }
}

impl<W: io::Write, N: Number> Sink<N> for &mut Writer<W, N> {
    fn write(&mut self, numbers: &[N]) -> io::Result<()> {
        Writer::write(self, numbers)
    }
}
