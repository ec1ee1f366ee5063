//! What the launcher must know of a CUBIN: its arguments and the memory it works in.

use super::tiling::{Kept, Tiling};
use crate::dtype::{DType, Float};
use crate::loops::build::Lowered;
use crate::loops::program::Space;

/// An array of the caller that a kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// `Param`, `Row` or `Col`.
    pub space: Space,
    /// Number of components: the variable's dim.
    pub dim: u32,
}

/// The memory of a kernel; stored with its code, so that a cached kernel runs without lowering its formula again.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Compute type.
    pub float: Float,
    /// Type of the caller's arrays.
    pub stored: DType,
    /// How the program is laid over the device.
    pub tiling: Tiling,
    /// What is kept of each row, for selections.
    pub kept: Option<Kept>,
    /// Slots a call.
    pub param: u32,
    /// Slots a row.
    pub row: u32,
    /// Slots a column.
    pub col: u32,
    /// Slots of a row's partial accumulator.
    pub partial: u64,
    /// Components of an output row.
    pub out: u64,
    /// Parts that the components of a long output are divided into.
    pub parts: u32,
    /// For each variable of the formula what is read of it; `None` if it is not used.
    pub inputs: Vec<Option<Input>>,
}

impl Layout {
    /// The layout of a lowered formula.
    pub(super) fn of(
        lowered: &Lowered,
        tiling: Tiling,
        kept: Option<Kept>,
        stored: DType,
        (parts, partial): (u32, u64),
    ) -> Layout {
        let program = &lowered.program;
        let inputs = lowered.inputs.iter().map(|input| {
            input.map(|id| {
                let array = &program.arrays[id.index()];
                Input { space: array.space, dim: array.len }
            })
        });
        Layout {
            float: program.float,
            stored,
            tiling,
            kept,
            param: program.slots(Space::Param),
            row: program.slots(Space::Row),
            col: program.slots(Space::Col),
            partial,
            out: if kept.is_some() { partial } else { u64::from(program.slots(Space::Out)) },
            parts,
            inputs: inputs.collect(),
        }
    }
}
