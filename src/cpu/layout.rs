//! What the launcher must know of a kernel: where its inputs go and how much memory its stages use.

use super::Code;
use crate::dtype::Float;
use crate::loops::build::Lowered;
use crate::loops::keep::Keep;
use crate::loops::program::Space;
use crate::schedule::{LANES_OVER_COLUMNS, Lanes, Schedule};

/// Where a variable of the formula is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// `Param`, `Row` or `Col`.
    pub space: Space,
    /// First slot.
    pub base: u32,
    /// Number of slots: the variable's dim.
    pub dim: u32,
}

/// A slot that holds `factor * number + offset` for the number of a row or column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexSlot {
    /// `Row` or `Col`.
    pub space: Space,
    /// The slot.
    pub base: u32,
    /// Times the number.
    pub factor: i64,
    /// What is added.
    pub offset: i64,
}

/// Slots of each space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Scalars a call.
    pub param: u32,
    /// Scalars a row.
    pub row: u32,
    /// Scalars a column point.
    pub col: u32,
    /// Accumulators a row.
    pub state: u32,
    /// Results a row.
    pub out: u32,
    /// Scalars a pair of the current chunk.
    pub tile: u32,
}

/// The memory of a kernel; stored with its code, so that a cached kernel runs without lowering its formula again.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Compute type.
    pub float: Float,
    /// How the program is laid over the machine.
    pub schedule: Schedule,
    /// Lanes of a vector.
    pub width: u32,
    /// Engine scratch, in elements of the compute type.
    pub scratch: usize,
    /// Slots of each space.
    pub slots: Slots,
    /// Identity of each `State` slot.
    pub identity: Vec<f64>,
    /// For each variable of the formula where it is packed; `None` if it is not used.
    pub inputs: Vec<Option<Input>>,
    /// Numbers of rows and columns that are packed beside them.
    pub indices: Vec<IndexSlot>,
    /// The pairs that take part, where it is not all of them.
    pub keep: Option<Keep>,
}

impl Layout {
    /// The layout of a lowered formula on an engine with `width` lanes that wants `temp_bytes` of scratch.
    pub fn new(lowered: &Lowered, schedule: Schedule, width: u32, temp_bytes: usize) -> Layout {
        let program = &lowered.program;
        let inputs = lowered.inputs.iter().map(|input| {
            input.map(|array| {
                let array = &program.arrays[array.index()];
                Input { space: array.space, base: array.base, dim: array.len }
            })
        });
        let indices = lowered.indices.iter().map(|index| {
            let array = &program.arrays[index.array.index()];
            let (factor, offset) = (index.factor, index.offset);
            IndexSlot { space: array.space, base: array.base, factor, offset }
        });
        Layout {
            float: program.float,
            schedule,
            width,
            scratch: temp_bytes.div_ceil(program.float.bytes()),
            slots: Slots {
                param: program.slots(Space::Param),
                row: program.slots(Space::Row),
                col: program.slots(Space::Col),
                state: program.slots(Space::State),
                out: program.slots(Space::Out),
                tile: program.slots(Space::Tile),
            },
            identity: program.identity.clone(),
            inputs: inputs.collect(),
            indices: indices.collect(),
            keep: lowered.keep.clone(),
        }
    }

    /// The layout of emitted code.
    pub fn of(lowered: &Lowered, schedule: Schedule, code: &Code) -> Layout {
        Layout::new(lowered, schedule, code.width, code.temp_bytes)
    }

    /// Rows of a block, `mr * W`.
    pub fn block(&self) -> usize {
        self.schedule.mr as usize * self.width as usize
    }

    /// Elements of the `Row` slots of a block.
    pub fn row_len(&self) -> usize {
        self.slots.row as usize * self.block()
    }

    /// Elements of the `Row` slots that `pair` reads: with lanes over columns lane 0 only, from the row's own lane on.
    pub fn pair_row_len(&self) -> usize {
        match self.schedule.lanes {
            Lanes::Rows => self.row_len(),
            Lanes::Columns => self.row_len().saturating_sub(self.block().saturating_sub(1)),
        }
    }

    /// Elements of a packed column tile.
    pub fn col_len(&self) -> usize {
        self.slots.col as usize * self.schedule.column_stride()
    }

    /// Elements of the `State` slots of a block, as `merge` and `finish` see them.
    pub fn state_len(&self) -> usize {
        self.slots.state as usize * self.block()
    }

    /// Elements of the `State` slots that `pair` works on.
    pub fn pair_state_len(&self) -> usize {
        match self.schedule.lanes {
            Lanes::Rows => self.state_len(),
            Lanes::Columns => self.slots.state as usize * LANES_OVER_COLUMNS,
        }
    }

    /// Elements of the `Out` slots of a block.
    pub fn out_len(&self) -> usize {
        self.slots.out as usize * self.block()
    }

    /// Elements of the `Tile` slots of a chunk.
    pub fn tile_len(&self) -> usize {
        let slots = self.slots.tile as usize * self.schedule.chunk as usize;
        match self.schedule.lanes {
            Lanes::Rows => slots * self.block(),
            Lanes::Columns => slots,
        }
    }
}
