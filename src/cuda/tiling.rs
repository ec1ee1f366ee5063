//! How a program is laid over a grid of thread blocks: the CUDA counterpart of the CPU's [`Schedule`](crate::schedule::Schedule).
//!
//! A thread owns `rows` rows in registers and evaluates `columns` columns for them at once. A block has `row_threads` x
//! `column_threads` threads; those of one row divide the columns among them and give partial accumulators that are merged at
//! the end in a fixed order, like the column segments of different blocks. Chosen from the program and the shape class, never
//! from the data or the device, so that results have the same bits on every device.

use super::survey::Survey;
use crate::dtype::Float;
use crate::loops::program::{Program, Space};
use crate::reduce::Family;
use crate::schedule::Lanes;
use std::fmt;

/// A tiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Rows of a thread.
    pub rows: u32,
    /// Columns that a thread evaluates together.
    pub columns: u32,
    /// Threads of a block that have rows of their own.
    pub row_threads: u32,
    /// Threads of a block that share rows and divide columns.
    pub column_threads: u32,
    /// Columns of a tile in shared memory, a multiple of `columns * column_threads`; equal to it in contractions.
    pub tile: u32,
    /// Steps of a contraction that are staged in shared memory at once.
    pub depth: u32,
    /// Components of a long output that a block accumulates; the others are other blocks'. 0 without a long output.
    pub components: u32,
    /// Blocks that a multiprocessor should hold at least: bounds the registers of a thread.
    pub blocks: u32,
}

/// What a selection keeps of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Components of F, each selected on its own.
    pub dim: u32,
    /// Values kept.
    pub k: u32,
    /// Whether values were negated, so that the largest come first.
    pub negated: bool,
}

/// Registers of a thread beyond what the compiler needs for addresses and temporaries.
const REGISTERS: u32 = 104;
/// The same where a multiprocessor has half as many threads.
const MANY_REGISTERS: u32 = 192;
/// Bytes of shared memory for a tile of columns: several blocks share a multiprocessor.
const TILE_BYTES: u32 = 20 * 1024;
/// Columns of a tile where memory allows.
const TILE_COLUMNS: u32 = 256;
/// Bytes of shared memory for the operands of a contraction.
const STAGED_BYTES: u32 = 24 * 1024;
/// Most steps of a contraction staged at once: they are unrolled.
const MOST_STAGED: u32 = 8;
/// Components of a float32 output that a thread accumulates in registers.
const WINDOW: u32 = 32;
/// Slots that leave no room whatever else there is.
const TOO_MANY: u32 = 1 << 20;
/// Longest output that is not divided.
const WHOLE: u32 = 16;

impl Tiling {
    /// The tiling of a program for a shape class; `kept` for selections.
    pub fn choose(program: &Program, family: Family, kept: Option<Kept>, lanes: Lanes) -> Tiling {
        let survey = Survey::of(program, family);
        let words = match program.float {
            Float::F32 => 1,
            Float::F64 => 2,
        };
        let depth = depth(&survey, words);
        let mut tiling = match lanes {
            Lanes::Columns => Tiling {
                rows: 1,
                columns: 4,
                row_threads: 4,
                column_threads: 64,
                tile: 0,
                depth,
                components: 0,
                blocks: 2,
            },
            Lanes::Rows if depth > 0 => contraction(program, &survey, words, depth),
            Lanes::Rows => simple(program, &survey, kept, words),
        };
        tiling.components = components(&survey, words);
        if survey.has_scratch {
            (tiling.rows, tiling.columns) = (1, 1);
        }
        let step = tiling.columns * tiling.column_threads;
        let column_bytes = resident(&survey, program, tiling.components)
            .saturating_mul(program.float.bytes() as u32);
        let most = (TILE_BYTES / column_bytes.max(1)).max(1);
        let wanted = (most.min(TILE_COLUMNS.max(2 * step)) / step).max(1);
        tiling.tile = if depth > 0 { step } else { step << wanted.ilog2() };
        tiling
    }

    /// Threads of a block.
    pub fn threads(&self) -> u32 {
        self.row_threads * self.column_threads
    }

    /// Rows of a block.
    pub fn block_rows(&self) -> u32 {
        self.rows * self.row_threads
    }

    /// Whether this can be a tiling at all: what decoded bytes are asked.
    pub fn is_sound(&self) -> bool {
        let Tiling { rows, columns, row_threads, column_threads, tile, blocks, .. } = *self;
        let sizes = [rows, columns, row_threads, column_threads, tile, blocks];
        let small = sizes.iter().all(|n| (1..=1 << 16).contains(n));
        small
            && u64::from(row_threads) * u64::from(column_threads) <= 1024
            && u64::from(tile) % (u64::from(columns) * u64::from(column_threads)) == 0
    }
}

/// Steps of contractions staged at once: a divisor of the longest one's count where there is a good one.
fn depth(survey: &Survey, words: u32) -> u32 {
    let count = survey.depth();
    let operands = survey.contractions.iter().flatten().map(|c| c.operands.len()).max();
    let step_bytes = operands.map_or(0, |n| 512 * words * n as u32);
    // The accumulators of a long output leave fewer registers for what is fetched ahead.
    let unrolled = if survey.components.count > 0 { MOST_STAGED / 2 } else { MOST_STAGED };
    let most = (STAGED_BYTES / step_bytes.max(1)).clamp(1, unrolled);
    let good = (most.div_ceil(3)..=most).rev().find(|d| count.is_multiple_of(*d));
    if count == 0 { 0 } else { good.unwrap_or(most.min(8)) }
}

/// Blocks like those of a matrix product: operands are read from shared memory once for several rows or columns.
fn contraction(program: &Program, survey: &Survey, words: u32, depth: u32) -> Tiling {
    // What is read besides operands takes registers of its own, and so do the accumulators of a long output.
    let has_others =
        [Space::Row, Space::Col].iter().any(|space| slots_read(program, survey, *space) > 0);
    Tiling {
        rows: 4,
        columns: if has_others || survey.components.count > 0 { 4 } else { 8 / words },
        row_threads: 16,
        column_threads: 16,
        tile: 0,
        depth,
        components: 0,
        blocks: if survey.components.count > 0 { 1 } else { 2 },
    }
}

/// Rows in registers, columns broadcast from shared memory to the whole block.
fn simple(program: &Program, survey: &Survey, kept: Option<Kept>, words: u32) -> Tiling {
    let tile_slots = program.slots(Space::Tile);
    let columns = if survey.is_single || survey.components.count > 0 { 4 } else { 8 / words };
    let rows = program.slots(Space::Row);
    let window = components(survey, words);
    let long = survey.components.arrays.iter().map(|a| program.arrays[a.index()].len);
    let long = long.fold(0, u32::saturating_add);
    let short = program.slots(Space::State).saturating_sub(long).min(TOO_MANY);
    let lists = kept.map_or(0, |kept| if kept.k == 1 { 2 * kept.dim.min(WINDOW) } else { 0 });
    let a_row = rows.min(WINDOW) + 2 * short + window + tile_slots.min(WINDOW) * columns + lists;
    let shared = shared(program, survey, window);
    // Long outputs that leave a thread only two rows get the registers of twice as many.
    let fits = |budget: u32| {
        let mut sides = [8, 4, 2].into_iter();
        sides.find(|n| n * (a_row + shared) * words <= budget).unwrap_or(1)
    };
    let is_large = window > WHOLE || window > 0 && fits(REGISTERS) < 4 && fits(MANY_REGISTERS) >= 4;
    let (budget, blocks) = if is_large { (MANY_REGISTERS, 2) } else { (REGISTERS, 4) };
    let rows = fits(budget);
    // The compiler loads the slots of all columns first, so they take registers too.
    let loaded = slots_read(program, survey, Space::Col).min(TOO_MANY);
    let leaves = |n: &u32| (rows * (a_row + n * shared) + n * loaded) * words <= budget;
    let columns = match survey.is_single || window > 0 {
        true => [columns, 2].into_iter().find(leaves).unwrap_or(1),
        false => columns,
    };
    Tiling {
        rows,
        columns,
        row_threads: 128,
        column_threads: 1,
        tile: 0,
        depth: 0,
        components: 0,
        blocks,
    }
}

/// Components of a block: all, unless dividing them costs less than keeping their accumulators in memory.
fn components(survey: &Survey, words: u32) -> u32 {
    let count = survey.components.count;
    let window = WINDOW / words;
    if count <= WHOLE || !survey.components.divisible {
        return count;
    }
    // Every part evaluates the pair stage again; accumulators in memory cost about four operations a pair and component.
    let parts = u64::from(count.div_ceil(window));
    let again = (parts - 1).saturating_mul(survey.operations);
    if again > 4 * u64::from(count) { count } else { window }
}

/// Slots of rows or columns that a pair reads one by one.
fn slots_read(program: &Program, survey: &Survey, space: Space) -> u32 {
    let arrays = survey.reads.iter().map(|(id, reads)| (&program.arrays[id.index()], reads));
    let read = arrays.filter(|(array, reads)| array.space == space && reads.fixed);
    read.map(|(array, _)| array.len).fold(0, u32::saturating_add)
}

/// Registers for the components of a difference that both the distance and the output are made of: the compiler keeps most of
/// them for each pair from one pass to the next, unless there are few.
fn shared(program: &Program, survey: &Survey, window: u32) -> u32 {
    let is_shared = survey.reads.iter().any(|(id, reads)| {
        let of_columns = program.arrays[id.index()].space == Space::Col;
        of_columns && reads.fixed && reads.component
    });
    if is_shared && window > 4 { window * 3 / 4 } else { 0 }
}

/// Column slots that a tile holds, roughly: what is staged by contractions is not.
fn resident(survey: &Survey, program: &Program, window: u32) -> u32 {
    let arrays = survey.reads.iter().filter(|(a, _)| program.arrays[a.index()].space == Space::Col);
    arrays
        .map(|(array, reads)| {
            let len = program.arrays[array.index()].len;
            match (reads.fixed || reads.scattered, reads.component) {
                (true, _) => len,
                (false, true) => len.min(window),
                (false, false) => 0,
            }
        })
        .fold(0, u32::saturating_add)
}

impl fmt::Display for Tiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tiling { rows, columns, row_threads, column_threads, tile, depth, components, blocks } =
            *self;
        write!(
            f,
            "rows={rows} columns={columns} threads={row_threads}x{column_threads} tile={tile} depth={depth} \
             components={components} blocks={blocks}"
        )
    }
}
