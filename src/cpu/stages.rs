//! The safe face of an engine: a kernel's stages over slices whose lengths are checked before any code runs.

use super::layout::Layout;
use std::fmt;
use std::ops::Range;

/// What `pair` did before it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Columns consumed, counted from the start of the range.
    pub columns: usize,
    /// Whether an `exit_if_any` ended it after these columns; the tile then holds the values of the last chunk.
    pub hit: bool,
}

/// The memory of one call of the pair stage: one block of rows (one row with lanes over columns) against columns of a packed
/// tile. Layouts are those of the [`cpu`](super) module.
#[derive(Debug)]
pub struct Pairs<'a, T> {
    /// `Param` slots.
    pub param: &'a [T],
    /// `Row` slots of the block; with lanes over columns already advanced to the row.
    pub row: &'a [T],
    /// `Col` slots of the tile.
    pub col: &'a [T],
    /// `State` slots of the block (of the row's virtual lanes, with lanes over columns).
    pub state: &'a mut [T],
    /// `Tile` slots of one chunk.
    pub tile: &'a mut [T],
    /// As many elements as [`Layout::scratch`] says.
    pub scratch: &'a mut [T],
    /// Columns within the tile; the start is a multiple of the chunk.
    pub columns: Range<usize>,
}

/// A kernel that can be run: native code, or the interpreter of its program.
///
/// Every method panics if a slice is shorter than the layout says: a defect of the launcher, never of the user's input.
pub trait Stages<T>: Send + Sync + fmt::Debug {
    /// What the stages expect in memory.
    fn layout(&self) -> &Layout;
    /// Once a call: computes `Param` slots from others.
    fn param(&self, param: &mut [T], scratch: &mut [T]);
    /// Once a block of rows: computes `Row` slots from others.
    fn row(&self, param: &[T], row: &mut [T], scratch: &mut [T]);
    /// Once a column point of a packed tile: computes `Col` slots from others. The start is a multiple of 64.
    fn col(&self, param: &[T], col: &mut [T], columns: Range<usize>, scratch: &mut [T]);
    /// Chunks of columns against a block of rows.
    fn pair(&self, pairs: Pairs<'_, T>) -> Done;
    /// `state` becomes the merge of `state` and `other`, for a block of lanes.
    fn merge(&self, state: &mut [T], other: &[T], scratch: &mut [T]);
    /// Accumulators to results, for a block of rows.
    fn finish(&self, param: &[T], row: &[T], state: &[T], out: &mut [T], scratch: &mut [T]);
}
