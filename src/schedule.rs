//! How a [`Program`](crate::loops::program::Program) is laid over a machine: chosen from the formula's cost, the target and
//! the shape class, never from the data.

use crate::reduce::Family;
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

/// The registers that an engine works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registers {
    /// Bytes of a vector.
    pub bytes: u32,
    /// Vector registers.
    pub count: u32,
}

/// What a program costs: all that a schedule is chosen from besides the engine and the shape class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cost {
    /// How the reduction accumulates.
    pub family: Family,
    /// Bytes of one packed column point.
    pub column_bytes: u32,
    /// Values that a pair carries from pass to pass.
    pub tile_slots: u32,
    /// Scalars of the column point that one pair reads: high for contractions, which gain by register tiles of several columns.
    pub column_loads: u32,
    /// Components of the longest pass over components; 0 without one.
    pub components: u32,
    /// Scalar values of the whole program: long ones have parallelism of their own, and a tile multiplies their code.
    pub values: u32,
    /// Values that the longest pass computes for each pair, those of inner loops left aside.
    pub computed: u32,
}

/// Rows below which lanes run over columns, given enough of those: a block of rows would be mostly padding.
const FEW_ROWS: usize = 32;
/// Columns from which lanes over columns pay.
const MANY_COLUMNS: usize = 256;
/// Column scalars a pair from which several columns are evaluated together (bench: engines, D = 4 ... 100).
const CONTRACTION: u32 = 8;
/// Components from which the rest of a division into groups does not matter.
const LONG_VECTOR: u32 = 32;
/// Values of a program from which it is evaluated for one vector at a time: the gradient of `SoftDTW_SqDist` of dims 20 then compiles
/// in 5 ms instead of 35 (`genred reduce --stats json`).
const LONG_PROGRAM: u32 = 2_000;
/// Values a pair up to which a processor with many registers overlaps small tiles better than it runs large ones: slow units, such as
/// that of square roots, work beside the others, and nothing is spilled (bench: P1 to P6 and longer formulas, AVX-512).
const SHORT: u32 = 32;
/// Bytes of a packed column tile: half of a small level-2 cache, so that row blocks sweep it from there.
const TILE_BYTES: u32 = 128 * 1024;

/// The shape class of a call.
pub fn lanes(rows: usize, columns: usize) -> Lanes {
    if rows < FEW_ROWS && columns >= MANY_COLUMNS { Lanes::Columns } else { Lanes::Rows }
}

impl Schedule {
    /// The schedule of a program of some cost on an engine's registers for a shape class.
    pub fn choose(cost: Cost, registers: Registers, lanes: Lanes) -> Schedule {
        let contraction = cost.column_loads >= CONTRACTION;
        // Several columns share the loads of rows, and their chains run side by side (bench: engines, sweep).
        let (mr, nr) = match (lanes, registers.count >= 32, registers.bytes) {
            _ if cost.values > LONG_PROGRAM => (1, 1),
            (Lanes::Columns, _, _) => (4, 1),
            (Lanes::Rows, true, _) if contraction => (4, 4),
            (Lanes::Rows, true, _) if cost.family == Family::Selection => (4, 4),
            (Lanes::Rows, true, _) if cost.computed > SHORT => (4, 4),
            (Lanes::Rows, true, _) if cost.family == Family::Exponential => (1, 3),
            // Two vectors share what is read of a long one.
            (Lanes::Rows, true, _) if cost.components >= LONG_VECTOR => (2, 2),
            (Lanes::Rows, true, _) => (1, 2),
            (Lanes::Rows, false, 32..) if contraction && cost.tile_slots <= 1 => (2, 6),
            (Lanes::Rows, false, 32..) => (2, 4),
            (Lanes::Rows, false, _) if contraction => (2, 4),
            (Lanes::Rows, false, _) => (4, 1),
        };
        // A tile is a chunk at least, and has to stay in cache.
        let fits = |chunk: u32| chunk.saturating_mul(cost.column_bytes) <= 2 * TILE_BYTES;
        let chunk = match (lanes, cost.family) {
            (Lanes::Columns, _) => 2_048,
            (Lanes::Rows, Family::Sum) if cost.tile_slots == 0 => 256,
            // Six columns and four divide it.
            (Lanes::Rows, Family::Selection) if contraction => {
                [96, 48].into_iter().find(|chunk| fits(*chunk)).unwrap_or(24)
            }
            // One rescaling for twice as many pairs (bench: P2).
            (Lanes::Rows, Family::Exponential) if cost.tile_slots <= 1 && fits(128) => 128,
            (Lanes::Rows, _) => 64,
        };
        let most = (TILE_BYTES / cost.column_bytes.max(1)).max(1);
        let tile = (1u32 << most.ilog2()).clamp(chunk, 4_096) / chunk * chunk;
        let components = match cost.values > LONG_PROGRAM {
            true => 1,
            false => Schedule::components(cost.components),
        };
        Schedule { lanes, mr, nr, components, chunk, tile }
    }

    /// Components evaluated together: as many as leave registers for the pair's values (bench: engines, vector10), or a
    /// number that leaves no rest.
    fn components(all: u32) -> u32 {
        let even = [5, 4, 3].into_iter().find(|group| all.is_multiple_of(*group));
        if all >= LONG_VECTOR { 5 } else { even.unwrap_or(4) }
    }

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
