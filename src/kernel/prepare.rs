//! What a call would do, asked before it is made.

use super::{Kernel, Shape, Stats};
use crate::dtype::Element;
use crate::error::Error;
use crate::schedule::{self, Lanes};
use crate::view::View;

impl<T: Element> Kernel<T> {
    /// The rows and columns of a call with these arguments: rows of the result, points that are reduced over.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let kde = generic_sum::<f32>("Exp(-SqNorm2(x - y))", "a = Vj(1)", &["x = Vi(3)", "y = Vj(3)"])?;
    /// let (x, y) = ([0.0; 6], [0.0; 15]);
    /// assert_eq!(kde.shape(&[View::new(&x, 2, 3)?, View::new(&y, 5, 3)?])?, (5, 2));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if arguments do not fit the aliases, naming them.
    pub fn shape(&self, args: &[View<'_, T>]) -> Result<(usize, usize), Error> {
        self.check(args).map(|shape| (shape.rows, shape.columns))
    }

    /// Compile now what the first call with so many rows and columns would compile, and say how that code was made.
    ///
    /// ```
    /// let count = genred::generic_sum::<f64>("1", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// assert!(count.prepare(5, 1_000_000)?.code_bytes > 0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Device` if no engine takes the formula.
    pub fn prepare(&self, rows: usize, columns: usize) -> Result<Stats, Error> {
        let shape = Shape { rows, columns };
        let compiled = self.compiled_for(shape)?;
        let by_columns = match (schedule::lanes(rows, columns), self.inner.by_columns.get()) {
            (Lanes::Columns, Some(Ok((_, origin)))) => Some(*origin),
            _ => None,
        };
        Ok(self.stats_of(compiled, by_columns.unwrap_or(self.origin)))
    }
}
