//! The passes over a chunk of columns: loops over the columns `k` and rows `r` of a thread around the program's statements.

use super::lists::{self, Names};
use super::pair::{PairPlaces, Staged};
use super::placement::staged_width;
use super::scope::{Places, Scope};
use super::segments::{self, Segment};
use super::stages::{arrays_in, declare_scratch};
use super::{Source, scalar};
use crate::dtype::Float;
use crate::loops::program::{
    Accumulator, Binary, Inst, LoopId, Over, Pass, Space, Start, Stmt, Value,
};

/// The body of the sweep over one tile.
///
/// # Errors
/// Why the program cannot be run on a device.
pub(super) fn emit<'p>(
    source: &Source<'p>,
    scope: &mut Scope<'p>,
    names: Option<&Names>,
) -> Result<(), String> {
    let program = source.program;
    let single = source.survey.is_single;
    if single {
        begin_accumulators(source, scope, &program.passes[0]);
    }
    scope.text.line("#pragma unroll 1");
    scope.text.open("for (int j = 0; j < left; j += N * COLUMN_THREADS)");
    for id in source.arrays(Space::Tile) {
        let declaration = format!("real {}[{}][N][ROWS];", source.name(id), source.slots_kept(id));
        scope.text.line(declaration);
    }
    for (number, pass) in program.passes.iter().enumerate() {
        match pass.over {
            Over::Chunk => chunk(source, scope, pass, names)?,
            Over::Columns if single => columns(source, scope, number, pass),
            Over::Columns => {
                let places = PairPlaces { source, staged: Vec::new() };
                if let Some(id) = pass.components
                    && !places.open_loop(scope, id)
                {
                    unreachable!("the survey knows the loops of passes");
                }
                scope.text.open("");
                begin_accumulators(source, scope, pass);
                columns(source, scope, number, pass);
                end_accumulators(source, scope, pass);
                scope.text.close();
                if pass.components.is_some() {
                    scope.text.close();
                }
            }
        }
    }
    scope.text.close();
    if single {
        end_accumulators(source, scope, &program.passes[0]);
    }
    Ok(())
}

/// The running values of a pass, for each row.
fn begin_accumulators(source: &Source<'_>, scope: &mut Scope<'_>, pass: &Pass) {
    if pass.accumulators.is_empty() {
        return;
    }
    let places = PairPlaces { source, staged: Vec::new() };
    let names: Vec<String> =
        pass.accumulators.iter().map(|a| format!("v{}[ROWS]", a.param.0)).collect();
    scope.text.line(format!("real {};", names.join(", ")));
    scope.text.unrolled("r", "ROWS");
    for accumulator in &pass.accumulators {
        let Accumulator { array, index, start, param, .. } = accumulator;
        scope.call(*param, format!("v{}[r]", param.0));
        let from = match start {
            Start::State => places.place(scope, *array, index),
            Start::Zero => "0".into(),
        };
        scope.text.line(format!("v{}[r] = {from};", param.0));
    }
    scope.text.close();
}

fn end_accumulators(source: &Source<'_>, scope: &mut Scope<'_>, pass: &Pass) {
    if pass.accumulators.is_empty() {
        return;
    }
    let places = PairPlaces { source, staged: Vec::new() };
    scope.text.unrolled("r", "ROWS");
    for Accumulator { array, index, start, param, .. } in &pass.accumulators {
        let to = places.place(scope, *array, index);
        let line = match start {
            Start::State => format!("{to} = v{}[r];", param.0),
            Start::Zero => format!("{to} = {to} + v{}[r];", param.0),
        };
        scope.text.line(line);
    }
    scope.text.close();
}

/// The statements of a pass over columns, for the columns of a thread.
fn columns<'p>(source: &Source<'p>, scope: &mut Scope<'p>, number: usize, pass: &'p Pass) {
    let program = source.program;
    let segments = segments::cut(&source.survey, number, pass);
    for value in segments::crossing(program, pass, &segments) {
        let def = program.value(value);
        let (shape, name) = match (def.axes.col, def.axes.row || def.axes.partial) {
            (true, true) => ("[N][ROWS]", format!("v{}[k][r]", value.0)),
            (true, false) => ("[N]", format!("v{}[k]", value.0)),
            (false, true) => ("[ROWS]", format!("v{}[r]", value.0)),
            (false, false) => ("", format!("v{}", value.0)),
        };
        scope.text.line(format!("{} v{}{shape};", scalar::type_name(def.ty), value.0));
        scope.call(value, name);
    }
    let last = segments.len() - 1;
    for (n, segment) in segments.into_iter().enumerate() {
        match segment {
            Segment::Straight(range) => {
                let stepping = (n == last).then_some(pass);
                straight(source, scope, &pass.pair[range], stepping);
            }
            Segment::Contraction(id) => contraction(source, scope, id),
        }
    }
}

/// Statements for every pair, then the accumulators' step.
fn straight<'p>(
    source: &Source<'p>,
    scope: &mut Scope<'p>,
    stmts: &'p [Stmt],
    stepping: Option<&'p Pass>,
) {
    let steps = stepping.filter(|pass| !pass.accumulators.is_empty());
    if stmts.is_empty() && steps.is_none() {
        return;
    }
    let places = PairPlaces { source, staged: Vec::new() };
    open_columns(scope);
    let scratch = stmts.iter().any(|s| matches!(s, Stmt::Loop(_)))
        || arrays_in(source.program, stmts)
            .iter()
            .any(|id| source.program.arrays[id.index()].space == Space::Temp);
    // What is the same for all rows is computed once, unless the order of statements matters.
    let is_shared =
        |stmt: &Stmt| !scratch && matches!(stmt, Stmt::Let(v) if !varies_by_row(source, *v));
    for stmt in stmts.iter().filter(|s| is_shared(s)) {
        scope.block(std::slice::from_ref(stmt), &places);
    }
    scope.text.unrolled("r", "ROWS");
    declare_scratch(source, scope, stmts);
    if scratch {
        scope.block(stmts, &places);
    } else {
        for stmt in stmts.iter().filter(|s| !is_shared(s)) {
            scope.block(std::slice::from_ref(stmt), &places);
        }
    }
    if let Some(pass) = steps {
        scope.text.open(source.guard());
        for stmt in &pass.step {
            step(source, scope, pass, stmt, &places);
        }
        let next: Vec<(Value, Value)> =
            pass.accumulators.iter().map(|a| (a.param, a.next)).collect();
        scope.step(&next);
        scope.text.close();
    }
    scope.text.close();
    scope.text.close();
}

fn varies_by_row(source: &Source<'_>, value: Value) -> bool {
    let axes = source.program.value(value).axes;
    axes.row || axes.partial
}

fn open_columns(scope: &mut Scope<'_>) {
    scope.text.unrolled("k", "N");
    scope.text.line("[[maybe_unused]] const int c = j + column_of<N>(k);");
}

/// A statement of a step. A running minimum or maximum is the hardware's: it differs from the program's only in the sign of
/// zero, as the running value is never NaN.
fn step<'p>(
    source: &Source<'p>,
    scope: &mut Scope<'p>,
    pass: &Pass,
    stmt: &'p Stmt,
    places: &dyn Places,
) {
    if let Stmt::Let(value) = stmt
        && let Inst::Binary(op @ (Binary::Min | Binary::Max), a, b) =
            &source.program.value(*value).inst
        && pass.accumulators.iter().any(|acc| acc.next == *value && acc.param == *b)
    {
        let name = match (op, source.program.float) {
            (Binary::Min, Float::F32) => "fminf",
            (Binary::Min, Float::F64) => "fmin",
            (_, Float::F32) => "fmaxf",
            (_, Float::F64) => "fmax",
        };
        let line =
            format!("const real v{} = {name}({}, {});", value.0, scope.name(*a), scope.name(*b));
        scope.text.line(line);
        return;
    }
    scope.block(std::slice::from_ref(stmt), places);
}

/// A loop for all pairs of a thread, its operands staged a few steps at a time; the next ones are fetched meanwhile.
fn contraction<'p>(source: &Source<'p>, scope: &mut Scope<'p>, id: LoopId) {
    let (program, tiling) = (source.program, &source.tiling);
    let body = &program.loops[id.index()];
    let (count, depth) = (body.count, tiling.depth);
    let operands = source.survey.contractions.iter().flatten().find(|c| c.id == id);
    let operands = operands.map(|c| c.operands.clone()).unwrap_or_default();
    let mut staged = Vec::new();
    let mut first = 0;
    for operand in operands {
        let width = staged_width(program, tiling, operand.array);
        staged.push(Staged { operand, first, width });
        first += depth * width;
    }
    for carried in &body.carried {
        let ty = scalar::type_name(program.value(carried.param).ty);
        scope.text.line(format!("{ty} v{}[N][ROWS];", carried.param.0));
        scope.call(carried.param, format!("v{}[k][r]", carried.param.0));
    }
    if !body.carried.is_empty() {
        scope.text.unrolled("k", "N");
        scope.text.unrolled("r", "ROWS");
        for carried in &body.carried {
            let line = format!("v{}[k][r] = {};", carried.param.0, scope.name(carried.init));
            scope.text.line(line);
        }
        scope.text.close();
        scope.text.close();
    }
    let places = PairPlaces { source, staged };
    scope.text.open("");
    for (k, Staged { width, .. }) in places.staged.iter().enumerate() {
        let each = (depth * width).div_ceil(tiling.threads());
        scope.text.line(format!("real ahead{k}[{each}];"));
    }
    let counter = scope.counter(id);
    fetch(source, scope, &places.staged, "0", count);
    scope.text.line("#pragma unroll 1");
    scope.text.open(format!("for (int begin = 0; begin < {count}; begin += {depth})"));
    if !places.staged.is_empty() {
        scope.text.line("__syncthreads();");
        for (k, Staged { first, width, .. }) in places.staged.iter().enumerate() {
            copy(source, scope, depth * width, |t, n| {
                let to = if *first == 0 { t.into() } else { format!("{first} + {t}") };
                format!("staged[{to}] = ahead{k}[{n}];")
            });
        }
        scope.text.line("__syncthreads();");
        scope.text.open(format!("if (begin + {depth} < {count})"));
        fetch(source, scope, &places.staged, &format!("begin + {depth}"), count);
        scope.text.close();
    }
    let whole = count.is_multiple_of(depth);
    if !whole {
        scope.text.open(format!("if (begin + {depth} <= {count})"));
    }
    scope.text.unrolled("t", depth);
    steps(source, scope, id, &counter, &places);
    scope.text.close();
    if !whole {
        scope.text.close_with(" else {");
        scope.text.rolled("t", format!("{count} - begin"));
        steps(source, scope, id, &counter, &places);
        scope.text.close();
        scope.text.line("}");
    }
    scope.text.close();
    scope.text.close();
    for carried in &body.carried {
        let name = scope.name(carried.param);
        scope.call(carried.result, name);
    }
}

/// One step of a contraction for all pairs.
fn steps<'p>(
    source: &Source<'p>,
    scope: &mut Scope<'p>,
    id: LoopId,
    counter: &str,
    places: &PairPlaces<'_>,
) {
    let body = &source.program.loops[id.index()];
    scope.text.line(format!("[[maybe_unused]] const int {counter} = begin + t;"));
    open_columns(scope);
    for stmt in &body.body {
        if matches!(stmt, Stmt::Let(v) if !varies_by_row(source, *v)) {
            scope.block(std::slice::from_ref(stmt), places);
        }
    }
    scope.text.unrolled("r", "ROWS");
    for stmt in &body.body {
        if !matches!(stmt, Stmt::Let(v) if !varies_by_row(source, *v)) {
            scope.block(std::slice::from_ref(stmt), places);
        }
    }
    scope.step(&body.carried.iter().map(|c| (c.param, c.next)).collect::<Vec<_>>());
    scope.text.close();
    scope.text.close();
}

/// Operands of the steps from `d` on to registers; beyond the last step they repeat it.
fn fetch(source: &Source<'_>, scope: &mut Scope<'_>, staged: &[Staged], d: &str, count: u32) {
    let depth = source.tiling.depth;
    for (k, Staged { operand, width, .. }) in staged.iter().enumerate() {
        let array = &source.program.arrays[operand.array.index()];
        let slot = array.base + operand.offset;
        copy(source, scope, depth * width, |t, n| {
            let step = format!("{d} + {t} / {width}");
            let step = if count.is_multiple_of(depth) {
                step
            } else {
                format!("min({step}, {})", count - 1)
            };
            let slot = match (slot, operand.stride) {
                (0, 1) => step,
                (_, 1) => format!("{slot} + {step}"),
                (_, stride) => format!("{slot} + {stride} * ({step})"),
            };
            let from = match array.space {
                Space::Row => format!("row[at({slot}, a.row_stride, row0 + {t} % {width})]"),
                _ => format!("col[at({slot}, a.col_stride, c0 + {t} % {width})]"),
            };
            format!("ahead{k}[{n}] = {from};")
        });
    }
}

/// A statement for all of `elements`, divided among the threads of the block; `n` counts those of a thread.
fn copy(
    source: &Source<'_>,
    scope: &mut Scope<'_>,
    elements: u32,
    line: impl Fn(&str, &str) -> String,
) {
    let threads = source.tiling.threads();
    scope.text.unrolled("n", elements.div_ceil(threads));
    scope.text.line("const int t = (int)threadIdx.x + n * THREADS;");
    let line = line("t", "n");
    if elements.is_multiple_of(threads) {
        scope.text.line(line);
    } else {
        scope.text.line(format!("if (t < {elements}) {{ {line} }}"));
    }
    scope.text.close();
}

/// A pass once a chunk, for every row of a thread.
fn chunk<'p>(
    source: &Source<'p>,
    scope: &mut Scope<'p>,
    pass: &'p Pass,
    names: Option<&Names>,
) -> Result<(), String> {
    let places = PairPlaces { source, staged: Vec::new() };
    let exits = pass.exit_if_any.is_some();
    if exits {
        scope.text.line("bool hit = false;");
    }
    scope.text.unrolled("r", "ROWS");
    declare_scratch(source, scope, &pass.pair);
    scope.block(&pass.pair, &places);
    if let Some(value) = pass.exit_if_any {
        let line = format!("hit = hit || {};", scope.name(value));
        scope.text.line(line);
    }
    scope.text.close();
    match (exits, source.kept, names) {
        (false, ..) => {}
        (true, Some(kept), Some(names)) => {
            scope.text.open("if (hit)");
            lists::offer(source, &mut scope.text, kept, names);
            scope.text.close();
        }
        (true, ..) => return Err("only selections may stop at a chunk".into()),
    }
    Ok(())
}
