//! The kernels around the pair kernel: parameters, packing with the row and column stages, merging, results.

use super::Source;
use super::lists;
use super::scope::{Places, Scope};
use crate::loops::program::{ArrayId, Index, Inst, Program, Space, Stmt};
use std::collections::BTreeSet;

/// Threads of a block of these kernels.
pub(in crate::cuda) const THREADS: u32 = 256;

/// Slots in global memory, and scratch of the thread.
struct Global<'a>(&'a Source<'a>);

impl Places for Global<'_> {
    fn place(&self, scope: &Scope<'_>, id: ArrayId, index: &Index) -> String {
        let array = &self.0.program.arrays[id.index()];
        let slot = scope.index(index, array.base);
        match array.space {
            Space::Param => format!("param[{slot}]"),
            Space::Row => format!("row[at({slot}, a.row_stride, i)]"),
            Space::Col => format!("col[at({slot}, a.col_stride, i)]"),
            Space::State => format!("state[at({slot}, a.row_stride, i)]"),
            Space::Other => format!("other[at({slot}, a.row_stride, i)]"),
            Space::Out => format!("out[i * {} + {slot}]", self.0.out_dim()),
            Space::Temp => format!("{}[{}]", self.0.name(id), scope.index(index, 0)),
            Space::Tile => unreachable!("only passes have tiles"),
        }
    }

    fn store(&self, scope: &Scope<'_>, id: ArrayId, index: &Index, value: &str) -> String {
        let place = self.place(scope, id, index);
        match self.0.program.arrays[id.index()].space {
            Space::Out => format!("{place} = narrow({value});"),
            _ => format!("{place} = {value};"),
        }
    }
}

/// The arrays that a block reads or writes.
pub(super) fn arrays_in(program: &Program, block: &[Stmt]) -> BTreeSet<ArrayId> {
    let mut found = BTreeSet::new();
    let mut open = vec![block];
    while let Some(block) = open.pop() {
        for stmt in block {
            match stmt {
                Stmt::Let(value) => {
                    if let Inst::Load(array, _) = &program.value(*value).inst {
                        found.insert(*array);
                    }
                }
                Stmt::Store(array, ..) => {
                    found.insert(*array);
                }
                Stmt::Loop(id) => open.push(&program.loops[id.index()].body),
            }
        }
    }
    found
}

/// Declare the scratch that a block uses.
pub(super) fn declare_scratch(source: &Source<'_>, scope: &mut Scope<'_>, block: &[Stmt]) {
    for id in arrays_in(source.program, block) {
        let array = &source.program.arrays[id.index()];
        if array.space == Space::Temp {
            scope.text.line(format!("real {}[{}];", source.name(id), array.len));
        }
    }
}

/// Declare pointers to the spaces that a block touches.
fn declare_spaces(
    source: &Source<'_>,
    scope: &mut Scope<'_>,
    block: &[Stmt],
    spaces: &[(Space, &str)],
) {
    let used: BTreeSet<Space> = arrays_in(source.program, block)
        .iter()
        .map(|id| source.program.arrays[id.index()].space)
        .collect();
    for (space, declaration) in spaces {
        if used.contains(space) {
            scope.text.line(*declaration);
        }
    }
}

/// Inputs of a space: read from the caller's arrays, whatever their strides and type, to slots.
fn pack(source: &Source<'_>, scope: &mut Scope<'_>, space: Space, to: impl Fn(&str) -> String) {
    for (k, input) in source.inputs.iter().enumerate() {
        let Some(id) = input else { continue };
        let array = &source.program.arrays[id.index()];
        if array.space != space {
            continue;
        }
        let text = &mut scope.text;
        text.open("");
        text.line(format!("const Input in = a.inputs[{k}];  // {}", source.name(*id)));
        let from = if space == Space::Param { "" } else { "from * in.row_stride + " };
        text.counted("d", array.len);
        let slot = if array.base == 0 { "d".into() } else { format!("{} + d", array.base) };
        text.line(format!("{} = widen(in.data[{from}d * in.column_stride]);", to(&slot)));
        text.close();
        text.close();
    }
}

/// Once a call: one thread computes the parameter slots.
pub(super) fn param(source: &Source<'_>) -> String {
    let mut scope = Scope::new(source.program);
    scope.text.open("extern \"C\" __global__ void genred_param(const Args a)");
    scope.text.line("real* const param = a.param;");
    pack(source, &mut scope, Space::Param, |slot| format!("param[{slot}]"));
    declare_scratch(source, &mut scope, &source.program.param);
    scope.block(&source.program.param, &Global(source));
    scope.text.close();
    scope.text.finish()
}

/// Once a row and once a column: inputs to slots, then the stages that compute further slots from them. Items beyond the last
/// repeat it, so that nothing is ever computed on garbage.
pub(super) fn prepare(source: &Source<'_>) -> String {
    let program = source.program;
    let mut scope = Scope::new(program);
    let head = format!(
        "extern \"C\" __global__ void __launch_bounds__({THREADS}) genred_prepare(const Args a)"
    );
    scope.text.open(head);
    scope
        .text
        .line(format!("const long long i = (long long)blockIdx.x * {THREADS} + threadIdx.x;"));
    let halves = [
        (Space::Row, "row", "rows", &program.row, "if (a.axis + blockIdx.y == 0)"),
        (Space::Col, "col", "columns", &program.col, "else"),
    ];
    for (space, name, count, block, head) in halves {
        scope.text.open(head);
        scope.text.line(format!("if (i >= a.{name}_stride) {{ return; }}"));
        if program.slots(space) > 0 {
            scope.text.line(format!("real* const {name} = a.{name};"));
            let has_input =
                source.inputs.iter().flatten().any(|id| program.arrays[id.index()].space == space);
            if has_input {
                scope
                    .text
                    .line(format!("const long long from = i < a.{count} ? i : a.{count} - 1;"));
            }
            pack(source, &mut scope, space, |slot| {
                format!("{name}[at({slot}, a.{name}_stride, i)]")
            });
            let param = [(Space::Param, "const real* const param = a.param;")];
            declare_spaces(source, &mut scope, block, &param);
            declare_scratch(source, &mut scope, block);
            scope.block(block, &Global(source));
        }
        scope.text.close();
    }
    scope.text.close();
    scope.text.finish()
}

fn open_over_rows(scope: &mut Scope<'_>, name: &str) {
    let head =
        format!("extern \"C\" __global__ void __launch_bounds__({THREADS}) {name}(const Args a)");
    scope.text.open(head);
    scope
        .text
        .line(format!("const long long i = (long long)blockIdx.x * {THREADS} + threadIdx.x;"));
    scope.text.line("if (i >= a.rows) { return; }");
}

/// Partial accumulators p, p + n, p + 2n, ... of `a.parts` become partial p, for p below n = gridDim.y. Launched until one is left:
/// the order depends on the number of partials only.
pub(super) fn merge(source: &Source<'_>) -> String {
    let program = source.program;
    let mut scope = Scope::new(program);
    open_over_rows(&mut scope, "genred_merge");
    let slots = source.partial_slots();
    if source.kept.is_some() {
        lists::merge(source, &mut scope);
        scope.text.close();
        return scope.text.finish();
    }
    scope.text.line("const long long p = blockIdx.y;");
    if !program.merge.is_empty() {
        scope.text.line(format!("real* const state = a.partial + p * {slots} * a.row_stride;"));
        scope.text.open("for (long long q = p + gridDim.y; q < a.parts; q += gridDim.y)");
        let other = format!("const real* const other = a.partial + q * {slots} * a.row_stride;");
        declare_spaces(source, &mut scope, &program.merge, &[(Space::Other, &other)]);
        declare_scratch(source, &mut scope, &program.merge);
        scope.block(&program.merge, &Global(source));
        scope.text.close();
    }
    scope.text.close();
    scope.text.finish()
}

/// Accumulators to results, in the caller's type.
pub(super) fn finish(source: &Source<'_>) -> String {
    let program = source.program;
    let mut scope = Scope::new(program);
    open_over_rows(&mut scope, "genred_finish");
    if source.kept.is_some() {
        lists::finish(source, &mut scope);
        scope.text.close();
        return scope.text.finish();
    }
    let spaces = [
        (Space::Param, "const real* const param = a.param;"),
        (Space::Row, "const real* const row = a.row;"),
        (Space::State, "const real* const state = a.partial;"),
        (Space::Out, "stored* const out = a.values;"),
    ];
    declare_spaces(source, &mut scope, &program.finish, &spaces);
    declare_scratch(source, &mut scope, &program.finish);
    scope.block(&program.finish, &Global(source));
    scope.text.close();
    scope.text.finish()
}
