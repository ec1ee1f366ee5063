//! Where the arrays that passes read live on the device.

use crate::cuda::survey::{Contraction, Survey};
use crate::cuda::tiling::Tiling;
use crate::loops::program::{Array, ArrayId, Program, Space};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of shared memory of a block that need no opt-in on any device.
const SHARED_BYTES: u64 = 48 * 1024;
/// Bytes of a tile of columns in shared memory; arrays beyond stay in global memory.
const RESIDENT_BYTES: u64 = 22 * 1024;
/// Row slots of a thread in registers; arrays beyond stay in global memory.
const ROW_REGISTERS: u64 = 128;

/// The part of an array of column slots that is in shared memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident {
    /// First slot within the tile.
    pub(super) first: u32,
    /// Number of slots.
    pub(super) slots: u32,
    /// Whether these are the slots of the block's components rather than all.
    pub(super) windowed: bool,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) row_registers: BTreeSet<ArrayId>,
    pub(super) residents: BTreeMap<ArrayId, Resident>,
    /// Slots of a column in shared memory.
    pub(super) resident_slots: u32,
    /// Parts that the components of a long output are divided into.
    pub(super) parts: u32,
    /// Elements of shared memory for the operands of one contraction.
    pub(super) staged: u32,
}

impl Placement {
    /// The places of a program's arrays.
    ///
    /// # Errors
    /// Text, if shared memory does not suffice.
    pub(super) fn of(
        program: &Program,
        survey: &Survey,
        tiling: &Tiling,
    ) -> Result<Placement, String> {
        let parts = survey.components.count.div_ceil(tiling.components.max(1)).max(1);
        let mut placement = Placement {
            row_registers: BTreeSet::new(),
            residents: BTreeMap::new(),
            resident_slots: 0,
            parts,
            staged: 0,
        };
        let bytes = program.float.bytes() as u64;
        let column_bytes = u64::from(tiling.tile) * bytes;
        let mut registers = 0;
        for (id, reads) in &survey.reads {
            let Array { space, len, .. } = program.arrays[id.index()];
            match space {
                Space::Row
                    if reads.fixed
                        && !reads.scattered
                        && !reads.component
                        && (registers + u64::from(len)) * u64::from(tiling.rows)
                            <= ROW_REGISTERS =>
                {
                    registers += u64::from(len);
                    placement.row_registers.insert(*id);
                }
                Space::Col if reads.fixed || reads.scattered || reads.component => {
                    let windowed = parts > 1 && !reads.fixed && !reads.scattered;
                    let slots = if windowed { len.min(tiling.components) } else { len };
                    let first = placement.resident_slots;
                    if (u64::from(first) + u64::from(slots)) * column_bytes <= RESIDENT_BYTES {
                        placement.residents.insert(*id, Resident { first, slots, windowed });
                        placement.resident_slots += slots;
                    }
                }
                _ => {}
            }
        }
        let contractions = survey.contractions.iter().flatten();
        placement.staged =
            contractions.map(|c| staged_elements(program, tiling, c)).max().unwrap_or(0);
        let all = u64::from(placement.resident_slots) * column_bytes
            + u64::from(placement.staged) * bytes;
        if all > SHARED_BYTES {
            return Err(format!(
                "{all} bytes of shared memory are needed, {SHARED_BYTES} are there"
            ));
        }
        Ok(placement)
    }
}

/// Elements of shared memory of one step of an operand.
pub(super) fn staged_width(program: &Program, tiling: &Tiling, array: ArrayId) -> u32 {
    match program.arrays[array.index()].space {
        Space::Row => tiling.block_rows(),
        _ => tiling.tile,
    }
}

fn staged_elements(program: &Program, tiling: &Tiling, contraction: &Contraction) -> u32 {
    let widths = contraction.operands.iter().map(|o| staged_width(program, tiling, o.array));
    widths.fold(0, u32::saturating_add).saturating_mul(tiling.depth)
}
