//! A [`Program`] and a [`Tiling`] as CUDA C++.
//!
//! One source has up to five kernels. `genred_param` computes the parameter slots, `genred_prepare` packs rows and columns into
//! slots and runs their stages, `genred_pair` sweeps rows over columns and leaves partial accumulators, `genred_merge` joins
//! those in a fixed order, `genred_finish` makes results of them. No kernel uses atomics, and which thread does what depends on
//! shapes only, so results are deterministic.
//!
//! Slots of rows and columns lie in global memory as `slot * stride + item`; both are padded to whole blocks and tiles with
//! copies of the last item, so that no kernel but the first ever asks whether an item exists before it reads.

mod lists;
mod pair;
mod passes;
mod placement;
mod prelude;
mod scalar;
mod scope;
mod segments;
mod stages;
mod text;

pub(super) use stages::THREADS;

use super::survey::Survey;
use super::tiling::{Kept, Tiling};
use crate::dtype::DType;
use crate::loops::build::Lowered;
use crate::loops::program::{ArrayId, Program, Space};
use crate::reduce::Family;
use placement::Placement;
use std::fmt::Write as _;

/// Bytes of a thread's own memory that a kernel may need; more would be refused by devices or fill their memory.
const PRIVATE_BYTES: u64 = 32 * 1024;
/// Bytes of a kernel's arguments.
const ARGUMENT_BYTES: usize = 4_000;

/// Everything that the parts of a source are emitted from.
pub(super) struct Source<'a> {
    program: &'a Program,
    inputs: &'a [Option<ArrayId>],
    survey: Survey,
    placement: Placement,
    tiling: Tiling,
    kept: Option<Kept>,
    names: Vec<String>,
}

/// The kernels of a program as one source text, the parts that the components of a long output are divided into, and the slots of a
/// partial accumulator.
///
/// # Errors
/// Why the program cannot be run on a device; shown to the user.
pub(super) fn emit(
    lowered: &Lowered,
    tiling: &Tiling,
    family: Family,
    kept: Option<Kept>,
    stored: DType,
) -> Result<(String, u32, u64), String> {
    let program = &lowered.program;
    let survey = Survey::of(program, family);
    let placement = Placement::of(program, &survey, tiling)?;
    let source = Source {
        program,
        inputs: &lowered.inputs,
        survey,
        placement,
        tiling: *tiling,
        kept,
        names: names(program),
    };
    source.check()?;
    let pairs = pair::emit(&source)?;
    let mut out = String::new();
    let _ = writeln!(out, "// {tiling}");
    out += &prelude::text(stored, program.float);
    if kept.is_some() {
        out += prelude::BELOW;
        out += lists::ORDER;
    }
    out += &source.constants();
    out += &source.arguments();
    let mut kernels = Vec::new();
    if program.slots(Space::Param) > 0 {
        kernels.push(stages::param(&source));
    }
    kernels.extend([
        stages::prepare(&source),
        pairs,
        stages::merge(&source),
        stages::finish(&source),
    ]);
    out += &kernels.join("\n");
    Ok((out, source.placement.parts, source.partial_slots()))
}

/// A name for each array that is an identifier and no other array's.
fn names(program: &Program) -> Vec<String> {
    let prefix = |space| match space {
        Space::Param => "p",
        Space::Row => "x",
        Space::Col => "y",
        Space::State => "s",
        Space::Other => "o",
        Space::Out => "a",
        Space::Tile => "w",
        Space::Temp => "m",
    };
    let is_plain = |name: &str| name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    let name = |(k, array): (usize, &crate::loops::program::Array)| {
        let prefix = prefix(array.space);
        if is_plain(&array.name) {
            format!("{prefix}_{}", array.name)
        } else {
            format!("{prefix}{k}")
        }
    };
    program.arrays.iter().enumerate().map(name).collect()
}

impl Source<'_> {
    fn name(&self, id: ArrayId) -> &str {
        &self.names[id.index()]
    }

    /// Components of an output row.
    fn out_dim(&self) -> u32 {
        self.program.slots(Space::Out)
    }

    /// Whether blocks take some of the components of a long output each.
    fn is_divided(&self) -> bool {
        self.placement.parts > 1
    }

    /// How many of `count` components a block has.
    fn window(&self, count: u32) -> u32 {
        if self.is_divided() { self.tiling.components.min(count) } else { count }
    }

    /// The component that local component `e` of a block is, of `count`.
    fn component(&self, count: u32) -> String {
        if self.is_divided() { format!("min(component0 + e, {})", count - 1) } else { "e".into() }
    }

    /// Slots of an array that a block keeps.
    fn slots_kept(&self, id: ArrayId) -> u32 {
        let len = self.program.arrays[id.index()].len;
        if self.survey.components.arrays.contains(&id) { self.window(len) } else { len }
    }

    /// The head of what is done for columns that exist: of the last ones, evaluated one a thread, some threads have none.
    fn guard(&self) -> &'static str {
        match (self.tiling.column_threads, self.tiling.columns) {
            (1, _) => "",
            (_, 1) => "if (c < left)",
            _ => "if (N > 1 || c < left)",
        }
    }

    /// Slots of a partial accumulator in global memory: for selections the values kept. What every part of a divided output has is there
    /// once for each, behind all: a block that goes on must not find what another one of the same launch has left.
    fn partial_slots(&self) -> u64 {
        match self.kept {
            Some(Kept { dim, k, .. }) => u64::from(dim) * u64::from(k),
            None => {
                let shared = self.shared_states().map(|id| self.program.arrays[id.index()].len);
                let again =
                    u64::from(self.placement.parts - 1) * shared.map(u64::from).sum::<u64>();
                u64::from(self.program.slots(Space::State)) + again
            }
        }
    }

    /// Accumulators that every part of a divided output has.
    fn shared_states(&self) -> impl Iterator<Item = ArrayId> {
        self.arrays(Space::State).filter(|id| !self.survey.components.arrays.contains(id))
    }

    fn arrays(&self, space: Space) -> impl Iterator<Item = ArrayId> {
        let arrays = self.program.arrays.iter().enumerate();
        arrays.filter(move |(_, a)| a.space == space).map(|(k, _)| ArrayId(k as u32))
    }

    fn check(&self) -> Result<(), String> {
        let arguments = 8 * (FIELDS.len() + 3 * self.inputs.len());
        if arguments > ARGUMENT_BYTES {
            return Err(format!(
                "{} arrays are more than a kernel's arguments have room for",
                self.inputs.len()
            ));
        }
        let pairs = u64::from(self.tiling.rows) * u64::from(self.tiling.columns);
        let slots = |space, of: u64| self.arrays(space).map(move |id| (id, of));
        let arrays = slots(Space::State, u64::from(self.tiling.rows))
            .chain(slots(Space::Tile, pairs))
            .chain(slots(Space::Temp, 1));
        let own: u64 = arrays.map(|(id, of)| u64::from(self.slots_kept(id)) * of).sum();
        let own = own * self.program.float.bytes() as u64;
        let lists = self.kept.map_or(0, |kept| {
            let index = self.program.float.bytes() as u64 + 4;
            index
                * u64::from(self.tiling.rows)
                * u64::from(self.window(kept.dim))
                * u64::from(kept.k)
        });
        if own + lists > PRIVATE_BYTES {
            let all = own + lists;
            return Err(format!(
                "a thread would need {all} bytes of its own, at most {PRIVATE_BYTES} are allowed"
            ));
        }
        Ok(())
    }

    fn constants(&self) -> String {
        let Tiling { rows, columns, row_threads, column_threads, tile, .. } = self.tiling;
        // Runs of rows and columns that lie together, so that they are read by one wide load.
        let row_run = rows.min(4);
        format!(
            "enum {{\n    ROWS = {rows},  // of a thread\n    COLUMNS = {columns},  // that a thread evaluates together\n    \
             ROW_THREADS = {row_threads},\n    COLUMN_THREADS = {column_threads},\n    \
             THREADS = ROW_THREADS * COLUMN_THREADS,\n    TILE = {tile},  // columns in shared memory\n}};\n\n\
             // The r-th row of this thread, within its block.\n\
             __device__ __forceinline__ int row_of(int r) {{\n    \
             return r / {row_run} * (ROW_THREADS * {row_run}) + (int)threadIdx.x / COLUMN_THREADS * {row_run} + r % {row_run};\n}}\n\n\
             // The k-th of N columns of this thread, within those that its block evaluates together.\n\
             template <int N>\n__device__ __forceinline__ int column_of(int k) {{\n    \
             const int run = N < 4 ? N : 4;\n    \
             return k / run * (COLUMN_THREADS * run) + (int)threadIdx.x % COLUMN_THREADS * run + k % run;\n}}\n\n",
        )
    }

    fn arguments(&self) -> String {
        let mut out = String::from(
            "struct Input {\n    const stored* data;\n    long long row_stride, column_stride;\n};\n\n",
        );
        out += "struct Args {\n";
        for (ty, name, meaning) in FIELDS {
            let _ = writeln!(out, "    {ty} {name};  // {meaning}");
        }
        if !self.inputs.is_empty() {
            let _ = writeln!(out, "    Input inputs[{}];", self.inputs.len());
        }
        out += "};\n\n";
        out
    }
}

/// Version of the kernels' arguments, names and meaning.
pub const ARGS_ABI: u32 = 1;

/// The arguments of every kernel, 8 bytes each, inputs behind them: what [`Launcher`](super::launch::Launcher) fills in.
const FIELDS: [(&str, &str, &str); 16] = [
    ("real*", "param", "parameter slots"),
    ("real*", "row", "row slots"),
    ("long long", "row_stride", "rows, whole blocks"),
    ("long long", "rows", "rows"),
    ("real*", "col", "column slots of the panel"),
    ("long long", "col_stride", "columns of the panel, whole tiles"),
    ("long long", "columns", "columns of the panel"),
    ("long long", "panel", "number of its first column"),
    ("long long", "total", "columns of all panels"),
    ("long long", "segment", "columns of a block"),
    ("real*", "partial", "partial accumulators"),
    ("long long*", "partial_index", "column numbers of kept values"),
    ("long long", "parts", "partial accumulators of a row"),
    ("long long", "axis", "first axis to prepare: 0 rows, 1 columns"),
    ("stored*", "values", "results"),
    ("long long*", "indices", "column numbers of results"),
];
