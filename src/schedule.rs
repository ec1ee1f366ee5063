//! How a [`Program`](crate::loops::program::Program) is laid over a machine: chosen from the formula's cost, the target and
//! the shape class, never from the data.

use std::fmt;

/// The axis that runs along vector lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// Each lane owns a row; columns are broadcast one after another. For many rows.
    Rows,
    /// Each lane owns every [`LANES_OVER_COLUMNS`]-th column of one row; partial accumulators are merged at the end.
    /// For few rows.
    Columns,
}

/// Virtual lanes of a row's partial accumulators with [`Lanes::Columns`], the same on every engine and dtype, so that
/// the accumulation tree does not depend on the vector width.
pub const LANES_OVER_COLUMNS: usize = 64;

/// Columns beyond [`Schedule::tile`] that pad each slot of a packed column tile, so that slots do not map to the same
/// cache sets.
pub const COLUMN_PAD: usize = 16;

/// A schedule. Results do not depend on `mr`, `nr` or `components`; they do on `lanes` and, for the block scheme, `chunk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// What runs along lanes.
    pub lanes: Lanes,
    /// Vectors along the lane axis in the register tile.
    pub mr: u32,
    /// Columns (with [`Lanes::Rows`]) evaluated together in the register tile; 1 with [`Lanes::Columns`].
    pub nr: u32,
    /// Components evaluated together in passes over components.
    pub components: u32,
    /// Columns a chunk: the unit of passes, flushes and exits. With [`Lanes::Columns`] a multiple of
    /// [`LANES_OVER_COLUMNS`].
    pub chunk: u32,
    /// Columns of a packed column tile, a multiple of `chunk`.
    pub tile: u32,
}

impl Schedule {
    /// Distance between the slots of a packed column tile, in elements.
    pub fn column_stride(&self) -> usize {
        self.tile as usize + COLUMN_PAD
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes = match self.lanes {
            Lanes::Rows => "rows",
            Lanes::Columns => "columns",
        };
        let Schedule { mr, nr, components, chunk, tile, .. } = *self;
        write!(f, "lanes={lanes} mr={mr} nr={nr} components={components} chunk={chunk} tile={tile}")
    }
}
