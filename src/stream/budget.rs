//! How a budget of memory is divided between rows and columns.

use super::source::Source;
use crate::alias::Category;
use crate::dtype::Element;
use crate::error::{Error, ErrorKind};
use crate::kernel::{Kernel, Shape};
use crate::launch::Needs;
use crate::several::Widths;

/// Most bytes of packed columns: more would leave the caches for nothing (as `PANEL_BYTES` of the launcher).
const PACKED: usize = 16 << 20;
/// The part of a budget that columns may have where rows could use it as well.
const COLUMNS_PART: usize = 4;

/// How a call divides its rows and columns under a budget.
///
/// ```
/// use genred::{View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y) = ([1.0, 2.0], [3.0, 4.0]);
/// let call = sum.stream().input(View::new(&x, 2, 1)?).input(View::new(&y, 2, 1)?);
/// let pieces = call.memory_budget(1 << 20).pieces()?;
/// assert!(pieces.rows() >= 2 && pieces.columns() >= 2 && pieces.bytes() <= 1 << 20);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    pub(super) rows: usize,
    /// Whole tiles.
    pub(super) columns: usize,
    /// Columns of a tile.
    pub(super) tile: usize,
    pub(super) bytes: usize,
}

impl Pieces {
    /// Most rows that are in memory at once; every such pass over the rows reads all columns.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let points = vec![0.0; 1_000_000];
    /// let x = View::new(&points, 1_000_000, 1)?;
    /// // A million results do not fit into a megabyte: several passes.
    /// let pieces = sum.stream().input(x).input(x).memory_budget(1 << 20).pieces()?;
    /// assert!(pieces.rows() < 100_000);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Most columns that are in memory at once.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let points = vec![0.0; 1_000_000];
    /// let x = View::new(&points, 1_000_000, 1)?;
    /// let pieces = sum.stream().input(x).input(x).memory_budget(1 << 20).pieces()?;
    /// assert!(pieces.columns() < 100_000);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes that this takes, of the budget.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let points = vec![0.0; 1_000_000];
    /// let x = View::new(&points, 1_000_000, 1)?;
    /// let pieces = sum.stream().input(x).input(x).memory_budget(1 << 20).pieces()?;
    /// assert!(pieces.bytes() > 1 << 18 && pieces.bytes() <= 1 << 20);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a call takes of each row and column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Division {
    shape: Shape,
    needs: Needs,
    /// Bytes of a row: its arguments, accumulators and results.
    row: usize,
    /// Bytes of a column: its arguments, as they are and packed.
    column: usize,
}

impl Division {
    /// What a call on sources takes, whether values or indices or both are asked for.
    pub(super) fn new<'s, T: Element>(
        kernel: &Kernel<T>,
        sources: impl Iterator<Item = &'s (dyn Source<T> + 's)>,
        shape: Shape,
    ) -> Result<Division, Error> {
        let mut needs = kernel.needs(shape)?;
        let mut read = [0, 0];
        for (source, variable) in sources.zip(&kernel.plan().formula.variables) {
            if source.resident().is_some() {
                continue;
            }
            let bytes = source.dim() * size_of::<T>();
            match variable.category {
                Category::Param => needs.fixed += bytes,
                category => read[usize::from(category != kernel.plan().rows)] += bytes,
            }
        }
        let all = Widths::of(kernel);
        let results = all.values * size_of::<T>() + all.indices * size_of::<i64>();
        // Results that stand beside each other are copied apart.
        let copies = if kernel.plan().beside.is_empty() { 1 } else { 2 };
        let row = read[0] + needs.row + copies * results;
        Ok(Division { shape, needs, row, column: read[1] + needs.column })
    }

    fn bytes(&self, rows: usize, columns: usize) -> usize {
        let (rows, columns) = (rows.saturating_mul(self.row), columns.saturating_mul(self.column));
        rows.saturating_add(columns).saturating_add(self.needs.fixed)
    }

    /// The smallest pieces: a group of rows against a tile of columns.
    fn smallest(&self) -> (usize, usize) {
        let Needs { group_rows, tile, .. } = self.needs;
        (self.shape.rows.min(group_rows), self.shape.columns.min(tile))
    }

    /// The least budget that will do.
    pub(super) fn least(&self) -> usize {
        let (rows, columns) = self.smallest();
        self.bytes(rows, columns)
    }

    /// Pieces within a budget.
    ///
    /// # Errors
    /// `Limit` if there are none, naming the least budget.
    pub(super) fn within(&self, budget: usize) -> Result<Pieces, Error> {
        let (least, (rows, columns)) = (self.least(), self.smallest());
        if budget < least {
            let message = format!(
                "a memory budget of {budget} bytes is too small: this reduction needs at least {least}"
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let Needs { fixed, group_rows, tile, most_rows, limit, .. } = self.needs;
        if limit < least {
            let message = format!(
                "out of device memory: this reduction needs at least {least} bytes, of host and device together, and calls may take {limit} of the device"
            );
            return Err(Error::new(ErrorKind::Device, message));
        }
        let budget = budget.min(limit);
        let rest = budget - fixed;
        let free = rest - rows * self.row;
        let share = (rest / COLUMNS_PART).min(free).min(PACKED / self.needs.column * self.column);
        let tiles = (share / self.column / tile).max(1);
        let columns = if columns < tile { columns } else { tiles * tile };
        let columns = columns.min(self.shape.columns.next_multiple_of(tile));
        let fitting = (rest - columns.min(self.shape.columns) * self.column) / self.row.max(1);
        let most = (fitting / group_rows * group_rows).clamp(rows, most_rows.max(group_rows));
        // Passes of about equal size.
        let passes = self.shape.rows.div_ceil(most.max(1)).max(1);
        let even = self.shape.rows.div_ceil(passes).next_multiple_of(group_rows);
        let rows = even.min(most).max(1);
        let bytes = self.bytes(rows.min(self.shape.rows), columns.min(self.shape.columns));
        Ok(Pieces { rows, columns: columns.max(1), tile, bytes })
    }
}

/// A buffer of numbers, or an error that says what it was for.
pub(super) fn no_memory(rows: usize, dim: usize) -> Error {
    Error::new(ErrorKind::Limit, format!("no memory for {rows} x {dim} numbers"))
}
