//! The pair kernel: a block's rows and accumulators in registers, its columns tile by tile in shared memory.

use super::lists::{self, Names};
use super::scope::{Places, Scope};
use super::text::Text;
use super::{Source, passes, scalar};
use crate::cuda::survey::Operand;
use crate::loops::program::{ArrayId, Index, LoopId, Space};

/// Longest array that is kept in registers, loops over it unrolled, counted with the rows.
const UNROLLED: u32 = 160;

/// An operand of the contraction being emitted, in shared memory.
pub(super) struct Staged {
    pub(super) operand: Operand,
    /// First element.
    pub(super) first: u32,
    /// Elements of one step.
    pub(super) width: u32,
}

/// Slots as the sweep sees them: at row `r` and column `k` of the thread.
pub(super) struct PairPlaces<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) staged: Vec<Staged>,
}

impl PairPlaces<'_> {
    fn staged(&self, id: ArrayId, index: &Index) -> Option<&Staged> {
        let [(_, stride)] = index.terms[..] else { return None };
        let operand = Operand { array: id, offset: index.offset, stride };
        self.staged.iter().find(|s| s.operand == operand)
    }

    /// The slot among those that a block keeps of an array with a slot a component.
    fn local(&self, scope: &Scope<'_>, id: ArrayId, index: &Index) -> String {
        let components = &self.source.survey.components;
        match index.terms.first() {
            Some((of, _)) if self.source.is_divided() && components.arrays.contains(&id) => {
                format!("e{}", of.0)
            }
            _ => scope.index(index, 0),
        }
    }
}

/// A slot number as a factor.
fn factor(slot: String) -> String {
    if slot.contains(' ') { format!("({slot})") } else { slot }
}

impl Places for PairPlaces<'_> {
    fn place(&self, scope: &Scope<'_>, id: ArrayId, index: &Index) -> String {
        let source = self.source;
        let array = &source.program.arrays[id.index()];
        let name = source.name(id);
        let item = if array.space == Space::Row { "row_of(r)" } else { "c" };
        if let Some(Staged { first, width, .. }) = self.staged(id, index) {
            return format!("staged[{first} + {width} * t + {item}]");
        }
        match array.space {
            Space::Param => format!("param[{}]", scope.index(index, array.base)),
            Space::Row if source.placement.row_registers.contains(&id) => {
                format!("{name}[{}][r]", scope.index(index, 0))
            }
            Space::Row => {
                format!("row[at({}, a.row_stride, row0 + {item})]", scope.index(index, array.base))
            }
            Space::Col => match source.placement.residents.get(&id) {
                Some(resident) if resident.windowed => {
                    format!("tile[({} + e{}) * TILE + c]", resident.first, index.terms[0].0.0)
                }
                Some(resident) => {
                    format!("tile[{} * TILE + c]", factor(scope.index(index, resident.first)))
                }
                None => {
                    format!("col[at({}, a.col_stride, c0 + c)]", scope.index(index, array.base))
                }
            },
            Space::State => format!("{name}[{}][r]", self.local(scope, id, index)),
            Space::Tile => format!("{name}[{}][k][r]", self.local(scope, id, index)),
            Space::Temp => format!("{name}[{}]", scope.index(index, 0)),
            Space::Other | Space::Out => unreachable!("passes have no `{name}`"),
        }
    }

    fn open_loop(&self, scope: &mut Scope<'_>, id: LoopId) -> bool {
        let source = self.source;
        if !source.survey.components.loops.contains(&id) {
            return false;
        }
        let count = source.program.loops[id.index()].count;
        let window = source.window(count);
        let counter = if source.is_divided() { format!("e{}", id.0) } else { scope.counter(id) };
        if window * source.tiling.rows <= UNROLLED {
            scope.text.unrolled(&counter, window);
        } else {
            scope.text.rolled(&counter, window);
        }
        if source.is_divided() {
            let global = scope.counter(id);
            scope.text.line(format!(
                "[[maybe_unused]] const int {global} = min(component0 + {counter}, {});",
                count - 1
            ));
        }
        true
    }
}

/// The variables of a thread besides its lists: name with shape, array.
fn row_variables(source: &Source<'_>) -> Vec<(String, ArrayId)> {
    let arrays = source.placement.row_registers.iter();
    arrays.map(|id| (source.name(*id).to_owned(), *id)).collect()
}

fn state_variables(source: &Source<'_>) -> Vec<(String, ArrayId)> {
    source.arrays(Space::State).map(|id| (source.name(id).to_owned(), id)).collect()
}

/// The pair kernel and the function that it is made of.
pub(super) fn emit(source: &Source<'_>) -> Result<String, String> {
    let names = source.kept.map(|_| Names::of(source)).transpose()?;
    let mut scope = Scope::new(source.program);
    let (mut parameters, mut arguments) = (Vec::new(), Vec::new());
    for (ty, name) in [
        ("const Args&", "a"),
        ("const real* __restrict__", "param"),
        ("const real* __restrict__", "row"),
        ("const real* __restrict__", "col"),
        ("const real*", "tile"),
        ("real*", "staged"),
        ("const long long", "row0"),
        ("const int", "component0"),
        ("const long long", "c0"),
        ("const int", "first_column"),
        ("const int", "left"),
    ] {
        parameters.push(format!("{ty} {name}"));
    }
    for (name, id) in row_variables(source) {
        let len = source.program.arrays[id.index()].len;
        parameters.push(format!("const real (&{name})[{len}][ROWS]"));
        arguments.push(name);
    }
    for (name, id) in state_variables(source) {
        parameters.push(format!("real (&{name})[{}][ROWS]", source.slots_kept(id)));
        arguments.push(name);
    }
    if let Some(kept) = source.kept {
        for (ty, name, shape) in lists::declarations(source, kept) {
            parameters.push(format!("{ty} (&{name}){shape}"));
            arguments.push(name);
        }
    }
    let text = &mut scope.text;
    text.line(
        "// The first `left` columns of a tile against all rows of the block, N at once a thread.",
    );
    text.line("template <int N>");
    text.open(format!(
        "__device__ __forceinline__ void sweep(\n    {})",
        parameters.join(",\n    ")
    ));
    passes::emit(source, &mut scope, names.as_ref())?;
    scope.text.close();
    scope.text.line("");
    kernel(source, &mut scope, &arguments, names.as_ref());
    Ok(scope.text.finish())
}

fn kernel(source: &Source<'_>, scope: &mut Scope<'_>, variables: &[String], names: Option<&Names>) {
    let (placement, tiling) = (&source.placement, &source.tiling);
    let text = &mut scope.text;
    text.open(format!(
        "extern \"C\" __global__ void __launch_bounds__(THREADS, {}) genred_pair(const Args a)",
        tiling.blocks
    ));
    if placement.resident_slots > 0 {
        text.line(format!(
            "__shared__ __align__(16) real tile[{} * TILE];",
            placement.resident_slots
        ));
    }
    if placement.staged > 0 {
        text.line(format!("__shared__ __align__(16) real staged[{}];", placement.staged));
    }
    text.line("// The block's segment of the columns, and what of it lies in this panel.");
    text.line("const long long first = (long long)blockIdx.y * a.segment;");
    text.line("const long long last = first + a.segment < a.total ? first + a.segment : a.total;");
    text.line("const bool resumed = first < a.panel;");
    text.line("const long long from = resumed ? 0 : first - a.panel;");
    text.line("const long long to = last - a.panel < a.columns ? last - a.panel : a.columns;");
    text.line("if (from >= to && (resumed || a.total > 0)) { return; }");
    text.line("const long long row0 = (long long)blockIdx.x * (ROW_THREADS * ROWS);");
    text.line(format!("const int component0 = (int)blockIdx.z * {};", tiling.components));
    text.line("const long long part = (long long)blockIdx.y * COLUMN_THREADS + threadIdx.x % COLUMN_THREADS;");
    text.line(format!(
        "real* const partial = a.partial + part * {} * a.row_stride;",
        source.partial_slots()
    ));
    if source.kept.is_some() {
        text.line(format!(
            "long long* const partial_index = a.partial_index + part * {} * a.row_stride;",
            source.partial_slots()
        ));
    }
    load_rows(source, text);
    begin(source, text, names);
    text.open("for (long long c0 = from; c0 < to; c0 += TILE)");
    if placement.resident_slots > 0 {
        text.line("__syncthreads();");
        load_tile(source, text);
        text.line("__syncthreads();");
    }
    let tile = if placement.resident_slots > 0 { "tile" } else { "nullptr" };
    let staged = if placement.staged > 0 { "staged" } else { "nullptr" };
    text.line("const int first_column = (int)(a.panel + c0 - first);");
    let call = |columns: &str, left: &str| {
        let fixed = format!(
            "a, a.param, a.row, a.col, {tile}, {staged}, row0, component0, c0, first_column, {left}"
        );
        let all: Vec<&str> =
            std::iter::once(fixed.as_str()).chain(variables.iter().map(String::as_str)).collect();
        format!("sweep<{columns}>({});", all.join(", "))
    };
    if tiling.columns == 1 {
        text.line("const int left = to - c0 < TILE ? (int)(to - c0) : TILE;");
        text.line(call("1", "left"));
    } else {
        text.open("if (to - c0 >= TILE)");
        text.line(call("COLUMNS", "TILE"));
        text.close_with(" else {");
        text.line(format!("    {}", call("1", "(int)(to - c0)")));
        text.line("}");
    }
    text.close();
    end(source, text);
    text.close();
}

/// Rows to registers.
fn load_rows(source: &Source<'_>, text: &mut Text) {
    for (name, id) in row_variables(source) {
        let array = &source.program.arrays[id.index()];
        text.line(format!("real {name}[{}][ROWS];", array.len));
        text.unrolled("s", array.len);
        text.unrolled("r", "ROWS");
        let slot = if array.base == 0 { "s".into() } else { format!("{} + s", array.base) };
        text.line(format!("{name}[s][r] = a.row[at({slot}, a.row_stride, row0 + row_of(r))];"));
        text.close();
        text.close();
    }
}

fn over_slots(source: &Source<'_>, text: &mut Text, slots: u32, body: impl FnOnce(&mut Text)) {
    if slots * source.tiling.rows <= UNROLLED {
        text.unrolled("e", slots);
    } else {
        text.rolled("e", slots);
    }
    text.unrolled("r", "ROWS");
    body(text);
    text.close();
    text.close();
}

/// The slot in global memory of local slot `e` of a state array.
fn partial_slot(source: &Source<'_>, id: ArrayId) -> String {
    let array = &source.program.arrays[id.index()];
    let divided = source.survey.components.arrays.contains(&id);
    let slot = if divided { source.component(array.len) } else { "e".into() };
    if source.is_divided() && !divided {
        let len = |id: ArrayId| source.program.arrays[id.index()].len;
        let before: u32 = source.shared_states().take_while(|other| *other != id).map(len).sum();
        let all: u32 = source.shared_states().map(len).sum();
        let again = source.program.slots(Space::State) + before;
        return format!(
            "(blockIdx.z == 0 ? {} : {again} + ((int)blockIdx.z - 1) * {all}) + e",
            array.base
        );
    }
    if array.base == 0 { slot } else { format!("{} + {slot}", array.base) }
}

/// Accumulators begin as the identity, or where an earlier panel left them.
fn begin(source: &Source<'_>, text: &mut Text, names: Option<&Names>) {
    let float = source.program.float;
    for (name, id) in state_variables(source) {
        let slots = source.slots_kept(id);
        text.line(format!("real {name}[{slots}][ROWS];"));
        let array = &source.program.arrays[id.index()];
        let identities = &source.program.identity[array.base as usize..][..array.len as usize];
        let same = identities.iter().all(|i| i.to_bits() == identities[0].to_bits());
        over_slots(source, text, slots, |text| {
            let identity = scalar::float(identities[0], float);
            text.line(format!("{name}[e][r] = {identity};"));
        });
        if !same {
            for (e, identity) in identities.iter().enumerate() {
                text.unrolled("r", "ROWS");
                text.line(format!("{name}[{e}][r] = {};", scalar::float(*identity, float)));
                text.close();
            }
        }
    }
    if let (Some(kept), Some(names)) = (source.kept, names) {
        for (ty, name, shape) in lists::declarations(source, kept) {
            text.line(format!("{ty} {name}{shape};"));
        }
        lists::begin(source, text, kept, names);
        return;
    }
    if source.arrays(Space::State).next().is_none() {
        return;
    }
    text.open("if (resumed)");
    for (name, id) in state_variables(source) {
        let slot = partial_slot(source, id);
        over_slots(source, text, source.slots_kept(id), |text| {
            text.line(format!(
                "{name}[e][r] = partial[at({slot}, a.row_stride, row0 + row_of(r))];"
            ));
        });
    }
    text.close();
}

/// The next columns to shared memory.
fn load_tile(source: &Source<'_>, text: &mut Text) {
    // Arrays that follow each other in both places are loaded as one.
    let mut runs: Vec<(u32, u32, u32, Option<u32>)> = Vec::new();
    let mut residents: Vec<_> = source.placement.residents.iter().collect();
    residents.sort_by_key(|(_, resident)| resident.first);
    for (id, resident) in residents {
        let array = &source.program.arrays[id.index()];
        match runs.last_mut() {
            Some((first, base, slots, None))
                if !resident.windowed
                    && *first + *slots == resident.first
                    && *base + *slots == array.base =>
            {
                *slots += resident.slots;
            }
            _ => {
                let window = resident.windowed.then_some(array.len);
                runs.push((resident.first, array.base, resident.slots, window));
            }
        }
    }
    for (first, base, slots, window) in runs {
        text.open(format!("for (int t = (int)threadIdx.x; t < {slots} * TILE; t += THREADS)"));
        let slot = match window {
            None => "t / TILE".into(),
            Some(len) => format!("min(component0 + t / TILE, {})", len - 1),
        };
        let from = if base == 0 { slot } else { format!("{base} + {slot}") };
        let to = if first == 0 { "t".into() } else { format!("{first} * TILE + t") };
        text.line(format!("tile[{to}] = a.col[at({from}, a.col_stride, c0 + t % TILE)];"));
        text.close();
    }
}

/// Accumulators to global memory. What every part of a divided output has is merged and finished as the first one has it.
fn end(source: &Source<'_>, text: &mut Text) {
    if let Some(kept) = source.kept {
        lists::end(source, text, kept);
        return;
    }
    for (name, id) in state_variables(source) {
        let array = &source.program.arrays[id.index()];
        let slot = partial_slot(source, id);
        let divided = source.is_divided() && source.survey.components.arrays.contains(&id);
        let guard =
            if divided { format!("if (component0 + e < {}) ", array.len) } else { String::new() };
        over_slots(source, text, source.slots_kept(id), |text| {
            text.line(format!(
                "{guard}{{ partial[at({slot}, a.row_stride, row0 + row_of(r))] = {name}[e][r]; }}"
            ));
        });
    }
}
