//! Memory beside views: every array touches an unmapped page, so that a read or a write outside of it ends the process.
//!
//! Each trial runs in a process of its own, so that a crash is a failure with a name and not the end of the run.

#![allow(clippy::print_stdout, reason = "children say what they read")]

mod common;

use common::choices::Choices;
use common::{formulas, programs};
use genred::cache::{Cache, Mode, Options};
use genred::cpu::code::Native;
use genred::cpu::layout::Layout;
use genred::cpu::stages::{Pairs, Stages};
use genred::cpu::target::Target;
use genred::cpu::{Emitter, emitters};
use genred::dtype::{Float, Real};
use genred::formula::{Category, typing};
use genred::loops::build::{Lowered, Scheme};
use genred::schedule::Schedule;
use genred::{Accumulate, Axis, Backend, Element, Genred, Kernel, Reduction, View, ViewMut};
use genred_fuzz_bodies::guard::{Flush, Guarded};
use half::f16;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode};

/// The argument that makes this program run one trial's body itself.
const CHILD: &str = "--child";

const BACKENDS: [Backend; 4] = [Backend::Clif, Backend::Avx2, Backend::Avx512, Backend::Eval];
const DTYPES: [&str; 3] = ["float16", "float32", "float64"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, body] = &args[..]
        && flag == CHILD
    {
        child(body);
        return ExitCode::SUCCESS;
    }
    let mut trials = vec![
        Trial::test("reading_before_an_array_is_seen", || dies("read_before")),
        Trial::test("reading_behind_an_array_is_seen", || dies("read_behind")),
        Trial::test("writing_behind_an_array_is_seen", || dies("write_behind")),
    ];
    for backend in BACKENDS.into_iter().filter(|b| is_here(*b)) {
        for dtype in DTYPES {
            let body = format!("calls {} {dtype}", backend.name());
            let name = format!("calls_stay_inside_their_arrays::{}::{dtype}", backend.name());
            trials.push(Trial::test(name, move || lives(&body)));
        }
    }
    for engine in emitters() {
        let body = format!("stages {}", engine.name());
        let name = format!("stages_stay_inside_their_memory::{}", engine.name());
        trials.push(Trial::test(name, move || lives(&body)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn run(body: &str) -> Result<std::process::Output, Failed> {
    let program = std::env::current_exe()?;
    Ok(Command::new(program).args([CHILD, body]).output()?)
}

/// The body ends well.
fn lives(body: &str) -> Result<(), Failed> {
    let output = run(body)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}\n{text}", output.status, String::from_utf8_lossy(&output.stdout)).into())
}

/// The body is ended by the memory protection.
fn dies(body: &str) -> Result<(), Failed> {
    use std::os::unix::process::ExitStatusExt;
    let status = run(body)?.status;
    match status.signal() {
        Some(7 | 10 | 11) => Ok(()),
        _ => Err(format!("{body} was to end by a memory fault: {status}").into()),
    }
}

fn child(body: &str) {
    let words: Vec<&str> = body.split(' ').collect();
    match words[..] {
        ["read_before"] => println!("{}", outside(Flush::Front, -1)),
        ["read_behind"] => println!("{}", outside(Flush::Back, 5)),
        ["write_behind"] => {
            let mut memory = Guarded::new(&[1.0f32; 5], Flush::Back);
            // SAFETY: none: this is the fault that the test is about.
            unsafe { std::ptr::write_volatile(memory.as_mut_slice().as_mut_ptr().add(5), 2.0) };
        }
        ["calls", backend, "float16"] => calls::<f16>(of_name(backend)),
        ["calls", backend, "float32"] => calls::<f32>(of_name(backend)),
        ["calls", backend, "float64"] => calls::<f64>(of_name(backend)),
        ["stages", engine] => stages(engine),
        _ => panic!("no body `{body}`"),
    }
}

fn outside(flush: Flush, offset: isize) -> f32 {
    let memory = Guarded::new(&[1.0f32; 5], flush);
    // SAFETY: none: this is the fault that the test is about.
    unsafe { std::ptr::read_volatile(memory.as_slice().as_ptr().offset(offset)) }
}

fn of_name(name: &str) -> Backend {
    Backend::from_name(name).expect("a back end")
}

fn is_here(backend: Backend) -> bool {
    let kernel = Genred::<f32>::sum("x").alias("x = Vi(1)").axis(Axis::J).backend(backend);
    kernel.cache(&no_cache()).compile().is_ok()
}

fn no_cache() -> Cache {
    Cache::open(Options::new().mode(Mode::Off))
}

/// Formulas with what they are reduced by: short and long vectors, parameters, every family, both layouts of sums.
const CASES: &[(&str, &[&str], Reduction)] = &[
    (
        "Exp(-g*SqNorm2(x - y))*b",
        &["x = Vi(3)", "y = Vj(3)", "g = Pm(1)", "b = Vj(1)"],
        Reduction::Sum,
    ),
    ("Exp(-SqDist(x, y))*b", &["x = Vi(2)", "y = Vj(2)", "b = Vj(11)"], Reduction::Sum),
    ("x | y", &["x = Vi(37)", "y = Vj(37)"], Reduction::LogSumExp),
    ("SqDist(x, y)", &["x = Vi(5)", "y = Vj(5)"], Reduction::ArgKMin(3)),
    ("x - y*p", &["x = Vi(3)", "y = Vj(1)", "p = Pm(3)"], Reduction::MaxArgMax),
    ("MatVecMult(m, y)", &["m = Vi(6)", "y = Vj(2)"], Reduction::Min),
];

/// Numbers of rows and columns around blocks, chunks and tiles.
const SHAPES: &[(usize, usize)] = &[
    (0, 0),
    (0, 3),
    (3, 0),
    (1, 1),
    (2, 7),
    (15, 16),
    (17, 33),
    (64, 65),
    (129, 257),
    (2, 2_049),
    (3, 4_097),
];

/// How a matrix lies in memory: strides from rows and dim, in elements.
type Strides = fn(usize, usize) -> (usize, usize);
const LAYOUTS: [Strides; 5] =
    [|_, d| (d, 1), |_, d| (d + 3, 1), |r, _| (1, r.max(1)), |_, d| (2 * d, 2), |_, _| (0, 1)];

fn calls<T: Element>(backend: Backend) {
    let mut count = 0;
    for (formula, aliases, reduction) in CASES {
        let typed = typing::formula(formula, None, aliases).expect("a formula of the list");
        let accumulate = match reduction {
            Reduction::Sum => Accumulate::Kahan,
            _ => Accumulate::Auto,
        };
        let kernel = Genred::<T>::reduction(*reduction, *formula)
            .aliases(aliases.iter().copied())
            .axis(Axis::J)
            .accumulate(accumulate)
            .backend(backend)
            .cache(&no_cache());
        let kernel = kernel.compile().expect("a formula of the list");
        for (m, n) in SHAPES {
            // The interpreter takes seconds for the larger ones, and float16 does not hold every index of the widest.
            let slow = backend == Backend::Eval && m * n > 3_000;
            let wide = *n as u64 > T::DTYPE.largest_exact_index();
            if slow || (wide && matches!(reduction, Reduction::ArgKMin(_))) {
                continue;
            }
            for layout in &LAYOUTS {
                for flush in Flush::ALL {
                    let arrays: Vec<Strided<T>> = { typed.variables.iter() }
                        .map(|v| {
                            let rows = match v.category {
                                Category::I => *m,
                                Category::J => *n,
                                Category::Param => 1,
                            };
                            Strided::new(rows, v.dim as usize, layout(rows, v.dim as usize), flush)
                        })
                        .collect();
                    call(&kernel, &arrays, *m, *layout, flush);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 100, "only {count} calls");
}

/// A matrix in guarded memory.
struct Strided<T> {
    memory: Guarded<T>,
    rows: usize,
    dim: usize,
    strides: (usize, usize),
}

fn extent(rows: usize, dim: usize, strides: (usize, usize)) -> usize {
    match rows * dim {
        0 => 0,
        _ => (rows - 1) * strides.0 + (dim - 1) * strides.1 + 1,
    }
}

impl<T: Element> Strided<T> {
    fn new(rows: usize, dim: usize, strides: (usize, usize), flush: Flush) -> Self {
        let value = |k: usize| T::from_f64(((k * 37) % 64) as f64 / 32.0 - 1.0);
        let values: Vec<T> = (0..extent(rows, dim, strides)).map(value).collect();
        Strided { memory: Guarded::new(&values, flush), rows, dim, strides }
    }

    fn view(&self) -> View<'_, T> {
        let (row, column) = self.strides;
        View::with_strides(self.memory.as_slice(), self.rows, self.dim, row, column)
            .expect("the memory has just the right size")
    }

    fn packed(&self) -> Vec<T> {
        let view = self.view();
        let all = (0..self.rows).flat_map(|r| (0..self.dim).map(move |k| (r, k)));
        all.map(|(r, k)| view.get(r, k).expect("inside")).collect()
    }
}

fn call<T: Element>(
    kernel: &Kernel<T>,
    arrays: &[Strided<T>],
    rows: usize,
    layout: fn(usize, usize) -> (usize, usize),
    flush: Flush,
) {
    let views: Vec<View<'_, T>> = arrays.iter().map(Strided::view).collect();
    let packed: Vec<Vec<T>> = arrays.iter().map(Strided::packed).collect();
    let copies: Vec<View<'_, T>> = arrays
        .iter()
        .zip(&packed)
        .map(|(a, packed)| View::new(packed, a.rows, a.dim).expect("packed"))
        .collect();
    let is_index = kernel.call_indices(&views).is_ok();
    let expected = kernel.call(&copies).expect("a fitting call");
    if is_index {
        let indices = kernel.call_indices(&views).expect("an index reduction");
        assert_eq!(indices, kernel.call_indices(&copies).expect("an index reduction"));
    }
    let dim = kernel.dim();
    let strides = match layout(rows, dim) {
        // Outputs may not overlap.
        (0, _) => (dim, 1),
        strides => strides,
    };
    let len = extent(rows, dim, strides);
    let mut out = Guarded::new(&vec![T::from_f64(0.5); len], flush);
    let target = ViewMut::with_strides(out.as_mut_slice(), rows, dim, strides.0, strides.1);
    kernel.call_into(&views, target.expect("a fitting output")).expect("a fitting call");
    let written = View::with_strides(out.as_slice(), rows, dim, strides.0, strides.1);
    let written = written.expect("a fitting output");
    for r in 0..rows {
        for k in 0..dim {
            let (a, b) = (written.get(r, k).expect("inside"), expected[(r, k)]);
            assert_eq!(a.to_f64().to_bits(), b.to_f64().to_bits(), "row {r}, component {k}");
        }
    }
}

/// Machine code against the memory that the launcher gives it: of exactly the lengths that the layout says.
fn stages(engine: &str) {
    let engine = { emitters().into_iter() }.find(|e| e.name() == engine).expect("an engine");
    let mut choices = Choices::from_seed(9);
    for text in formulas::FORMULAS {
        for reduction in formulas::PLAIN {
            let float = choices.pick(&[Float::F32, Float::F64]);
            let rows = choices.pick(&[Category::I, Category::J]);
            let scheme = match reduction {
                Reduction::Sum => choices.pick(&[Scheme::Direct, Scheme::Block, Scheme::Kahan]),
                _ => Scheme::Direct,
            };
            let lowered =
                formulas::lowered(text, None, *reduction, scheme, rows, float, engine_has_fma());
            for _ in 0..2 {
                let schedule = programs::schedule(&mut choices);
                match float {
                    Float::F32 => run_stages::<f32>(&*engine, &lowered, schedule, &mut choices),
                    Float::F64 => run_stages::<f64>(&*engine, &lowered, schedule, &mut choices),
                }
            }
        }
    }
}

fn engine_has_fma() -> bool {
    Target::host().fma
}

/// Numbers at a multiple of 64 bytes, as near to an unmapped page as that allows.
fn numbers<T: Real>(len: usize, choices: &mut Choices<'_>) -> Guarded<T> {
    let whole = len.next_multiple_of(64 / size_of::<T>());
    let values: Vec<T> = (0..whole).map(|_| T::from_f64(choices.fraction())).collect();
    Guarded::new(&values, choices.pick(&Flush::ALL))
}

fn run_stages<T: Real>(
    engine: &dyn Emitter,
    lowered: &Lowered,
    schedule: Schedule,
    choices: &mut Choices<'_>,
) {
    let Ok(code) = engine.emit(&lowered.program, &schedule) else { return };
    let layout = Layout::of(lowered, schedule, &code);
    let native = Native::<T>::load(&code, layout.clone()).expect("executable memory");
    let mut memory = |len: usize| numbers::<T>(len, choices);
    let mut param = memory(layout.slots.param as usize);
    let (mut row, mut col) = (memory(layout.row_len()), memory(layout.col_len()));
    let (mut state, other) = (memory(layout.state_len()), memory(layout.state_len()));
    let (mut out, mut tile) = (memory(layout.out_len()), memory(layout.tile_len()));
    let mut pair_state = memory(layout.pair_state_len());
    let mut scratch = memory(layout.scratch);
    let scratch = scratch.as_mut_slice();
    native.param(param.as_mut_slice(), scratch);
    native.row(param.as_slice(), row.as_mut_slice(), scratch);
    let columns = schedule.tile as usize;
    for end in [1, columns.div_ceil(2), columns] {
        native.col(param.as_slice(), col.as_mut_slice(), 0..end, scratch);
    }
    let chunk = schedule.chunk as usize;
    for first in (0..columns).step_by(chunk) {
        for end in [first + 1, first + chunk, columns] {
            native.pair(Pairs {
                param: param.as_slice(),
                row: row.as_slice(),
                col: col.as_slice(),
                state: pair_state.as_mut_slice(),
                tile: tile.as_mut_slice(),
                scratch: &mut *scratch,
                columns: first..end,
            });
        }
    }
    native.merge(state.as_mut_slice(), other.as_slice(), scratch);
    native.finish(param.as_slice(), row.as_slice(), state.as_slice(), out.as_mut_slice(), scratch);
}
