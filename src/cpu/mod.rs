//! Native CPU engines: a verified [`Program`] and a [`Schedule`] in, position-independent machine code out.
//!
//! # The kernel interface
//!
//! An engine emits one blob with up to six functions, one a stage, each `extern "C" fn(*const Args) -> u64` (System V ABI on
//! x86-64 everywhere). `T` is the program's float type; `W` the engine's lanes of `T` in a vector.
//!
//! A *block* is `B = mr * W` lanes. Layouts, in elements of `T` (`s` is a slot of the space):
//!
//! | space | `Lanes::Rows` | `Lanes::Columns` |
//! |---|---|---|
//! | `Param` | `param[s]` | same |
//! | `Row`, `Out` | `row[s * B + lane]`: a block of rows | same; `pair` gets `row` already advanced to its one row and reads lane 0 |
//! | `Col` | `col[s * column_stride + c]` | same |
//! | `State`, `Other` | `state[s * B + lane]` | in `pair`: `state[s * L + l]`, `L = LANES_OVER_COLUMNS`; in `merge`, `finish`: `state[s * B + lane]` |
//! | `Tile` | `tile[(s * chunk + c) * B + lane]`, `c` within the chunk | `tile[s * chunk + c]` |
//! | `Temp` | private to the engine, `temp_bytes` of it | same |
//!
//! * `param` computes once and stores scalars. `row`, `merge` and `finish` run over all `B` lanes of a block.
//! * `col` runs over columns `first .. first + count` of the packed tile; it may compute (and write) garbage up to the
//!   next multiple of `W`, never beyond `column_stride`. `first` is a multiple of 64.
//! * `pair` runs the passes for each chunk of columns `first .. first + count` (`first` is a multiple of `chunk`, the last
//!   chunk may be partial). It returns `done << 1 | hit`: `done` counts the columns consumed from `first`; `hit` is 1 if an
//!   `exit_if_any` ended it, after which the launcher looks at `Tile` and calls again with `first + done`.
//!   With `Lanes::Columns`, column `c` belongs to virtual lane `c % L`; lanes beyond the last column keep their
//!   accumulators unchanged, and columns may be read (not used) up to the next multiple of `L`, within the padded tile.
//! * Pointers are 64-byte aligned except `row` with `Lanes::Columns`, for speed: no instruction needs it. `first` and `count` are
//!   checked by the launcher.

#![deny(clippy::disallowed_methods)]

pub mod artifact;
pub mod check;
pub mod clif;
pub mod code;
pub mod interpret;
pub mod launch;
pub mod layout;
mod memory;
mod pack;
pub mod stages;
pub mod target;
#[cfg(target_arch = "x86_64")]
pub mod wide;

use crate::dtype::Float;
use crate::loops::program::Program;
use crate::schedule::{Registers, Schedule};

/// What a kernel function reads and writes: pointers to `T`, see the module documentation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `Param` slots.
    pub param: *mut u8,
    /// `Row` slots of a block.
    pub row: *mut u8,
    /// `Col` slots of a packed tile.
    pub col: *mut u8,
    /// `State` slots of a block.
    pub state: *mut u8,
    /// `Other` slots of a block.
    pub other: *mut u8,
    /// `Out` slots of a block.
    pub out: *mut u8,
    /// `Tile` slots of a chunk.
    pub tile: *mut u8,
    /// Engine scratch.
    pub temp: *mut u8,
    /// First column.
    pub first: u64,
    /// Number of columns.
    pub count: u64,
}

/// Version of [`Args`] and of the layouts; part of the cache entry.
pub const ARGS_ABI: u32 = 1;

/// The stage functions of a kernel, in the order of their offsets in [`Code::entries`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Once a call.
    Param,
    /// Once a row.
    Row,
    /// Once a column point.
    Col,
    /// Once a pair.
    Pair,
    /// Merge two blocks of accumulators.
    Merge,
    /// Accumulators to results.
    Finish,
}

/// Machine code of one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    /// Position-independent code and constants; no relocations.
    pub bytes: Vec<u8>,
    /// Byte offset of each [`Entry`]'s function; `None` where the program's stage is empty.
    pub entries: [Option<u32>; 6],
    /// Scratch the kernel needs in [`Args::temp`], in bytes.
    pub temp_bytes: usize,
    /// Lanes `W` of a vector.
    pub width: u32,
}

/// Why an engine did not emit a program: shown to the user, never swallowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A bound of [`limits`](crate::limits) is exceeded.
    Limit(String),
    /// The engine cannot do it.
    Cannot(String),
}

impl Refused {
    /// The reason as a sentence.
    pub fn why(&self) -> &str {
        match self {
            Refused::Limit(why) | Refused::Cannot(why) => why,
        }
    }
}

/// A native code generator.
pub trait Emitter: Send + Sync {
    /// Engine name as shown by `explain` and `--stats`: `clif`, `avx2`, `avx512`.
    fn name(&self) -> &'static str;
    /// The vector registers that schedules are chosen for.
    fn registers(&self, float: Float) -> Registers;
    /// Emit a verified program. Never panics; may refuse.
    fn emit(&self, program: &Program, schedule: &Schedule) -> Result<Code, Refused>;
}

/// The native engines of this machine, best first.
pub fn emitters() -> Vec<Box<dyn Emitter>> {
    let mut all: Vec<Box<dyn Emitter>> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        use wide::{Avx2, Avx512};
        let target = target::Target::host();
        all.extend(Avx512::on(target).map(|engine| Box::new(engine) as Box<dyn Emitter>));
        all.extend(Avx2::on(target).map(|engine| Box::new(engine) as Box<dyn Emitter>));
    }
    all.push(Box::new(clif::Clif));
    all
}
