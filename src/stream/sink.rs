//! Where results go, rows in order.

use crate::npy::{Number, Writer};
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
