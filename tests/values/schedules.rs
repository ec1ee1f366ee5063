//! Schedules other than the one that is chosen: within the oracle's bounds, and with the same bits where only the register tile
//! differs.

use crate::cases::Case;
use crate::suite::{self, Argument, Call, Found, LAYOUTS, Problem};
use genred::cpu::code::Native;
use genred::cpu::launch::{Indices, Job, Launcher, Out, Selection, Threads};
use genred::cpu::layout::Layout;
use genred::cpu::target::Target;
use genred::cpu::{Emitter, emitters};
use genred::dtype::Real;
use genred::loops::build::{self, Lowered, Scheme, Source};
use genred::loops::builder::Functions;
use genred::reduce::Family;
use genred::schedule::{self, LANES_OVER_COLUMNS, Lanes, Schedule};
use genred::{Backend, Float, View, ViewMut};

/// Rows and columns of the output side: tails of blocks, chunks and tiles, of either shape class.
const SIZES: [(usize, usize); 3] = [(37, 70), (3, 300), (33, 1_030)];

/// A case by every native engine.
pub(crate) fn agree(case: &Case, float: Float) -> Result<(), String> {
    match float {
        Float::F32 => over::<f32>(case),
        Float::F64 => over::<f64>(case),
    }
}

fn over<T: Real>(case: &Case) -> Result<(), String> {
    let problem = case.problem()?;
    let formula = problem.typed()?;
    let source = Source {
        formula: &formula,
        rows: problem.rows(),
        reductions: &[problem.reduction],
        scheme: Scheme::Block,
        float: T::FLOAT,
        fma: Target::host().fma,
        functions: Functions::Expanded,
    };
    let lowered = build::build(&source).map_err(|e| e.to_string())?;
    let cost = lowered.program.cost(problem.reduction.family());
    let calls: Vec<_> = SIZES
        .iter()
        .map(|(rows, columns)| {
            let (m, n) = if case.axis == 1 { (*rows, *columns) } else { (*columns, *rows) };
            let call = Call::scattered(&formula, m, n);
            let bounds = suite::bounds(&problem, &call, T::FLOAT);
            (call, bounds)
        })
        .collect();
    for emitter in emitters() {
        let kernel = kernel_of::<T>(&problem, emitter.name())?;
        for lanes in [Lanes::Rows, Lanes::Columns] {
            let chosen = Schedule::choose(cost, emitter.registers(T::FLOAT), lanes);
            let kernels = |schedules: Vec<Schedule>| -> Result<Vec<_>, String> {
                schedules.into_iter().map(|s| launcher::<T>(&*emitter, &lowered, s)).collect()
            };
            let default = launcher::<T>(&*emitter, &lowered, chosen)?;
            let (same, others) = (kernels(tiles(chosen))?, kernels(cuts(chosen))?);
            for (n, (call, bounds)) in calls.iter().enumerate() {
                let expected = run(&default, &problem, call, n);
                let place = |launcher: &Launcher<T>| {
                    let (schedule, (m, n)) = (launcher.layout().schedule, (call.m, call.n));
                    format!("{} {} {schedule}, {m} x {n}", emitter.name(), T::FLOAT)
                };
                // What is tested here is what users run.
                if lanes == schedule::lanes(SIZES[n].0, SIZES[n].1) {
                    let found = kernel.run(call, suite::Layout::Packed)?;
                    if !found.has_bits_of(&expected) {
                        return Err(format!("{} is not the default", place(&default)));
                    }
                }
                for launcher in &same {
                    if !run(launcher, &problem, call, n).has_bits_of(&expected) {
                        return Err(format!("{}: unlike {chosen}", place(launcher)));
                    }
                }
                for launcher in others.iter().chain([&default]) {
                    let found = run(launcher, &problem, call, n);
                    suite::check(&problem, call, T::DTYPE, bounds, &found)
                        .map_err(|why| format!("{}: {why}", place(launcher)))?;
                }
            }
        }
    }
    Ok(())
}

/// Schedules that differ from `chosen` in the register tile alone.
fn tiles(chosen: Schedule) -> Vec<Schedule> {
    let tile = |mr, nr, components| match chosen.lanes {
        Lanes::Rows => Schedule { mr, nr, components, ..chosen },
        Lanes::Columns => Schedule { mr, components, ..chosen },
    };
    vec![tile(1, 1, 1), tile(2, 3, 2), tile(4, 2, 7)]
}

/// Schedules that cut columns otherwise, into no smaller chunks than the bounds' tree has.
fn cuts(chosen: Schedule) -> Vec<Schedule> {
    let least = LANES_OVER_COLUMNS as u32;
    let cut = |chunk, tiles| Schedule { chunk, tile: chunk * tiles, ..chosen };
    vec![cut(least, 1), cut(2 * least, 3), cut(8 * least, 1)]
}

fn kernel_of<T: Real>(problem: &Problem, engine: &str) -> Result<Box<dyn suite::Compiled>, String> {
    let backends = [Backend::Clif, Backend::Avx2, Backend::Avx512];
    let backend = backends.into_iter().find(|backend| backend.name() == engine);
    let backend = backend.ok_or_else(|| format!("{engine} has no back end"))?;
    suite::Engine { backend, dtype: T::DTYPE }.compile(problem)
}

fn launcher<T: Real>(
    emitter: &dyn Emitter,
    lowered: &Lowered,
    schedule: Schedule,
) -> Result<Launcher<T>, String> {
    let refused = |why: &str| format!("{} {schedule}: {why}", emitter.name());
    let code = emitter.emit(&lowered.program, &schedule).map_err(|e| refused(e.why()))?;
    let layout = Layout::of(lowered, schedule, &code);
    let native = Native::<T>::load(&code, layout).map_err(|e| refused(e.why()))?;
    Ok(Launcher::new(Box::new(native)))
}

/// A call, with arguments in some layout.
fn run<T: Real>(launcher: &Launcher<T>, problem: &Problem, call: &Call, layout: usize) -> Found {
    let layout = LAYOUTS[layout % LAYOUTS.len()];
    let arguments: Vec<Argument<T>> =
        call.inputs.iter().map(|matrix| Argument::new(matrix, layout)).collect();
    let views: Vec<View<'_, T>> = arguments.iter().map(Argument::view).collect();
    let task = problem.task(call, T::FLOAT);
    let (rows, dim) = (task.output_rows(), task.output_dim());
    let selects = problem.reduction.family() == Family::Selection;
    let (mut values, mut indices) = (vec![T::NAN; rows * dim], vec![-7; rows * dim]);
    let view = ViewMut::new(&mut values, rows, dim).expect("an array of the result's shape");
    let indices_view = ViewMut::new(&mut indices, rows, dim).expect("an array of the same shape");
    let selection = Selection::of(problem.reduction, task.formula.root_dim(0));
    let job = Job {
        inputs: &views,
        rows,
        columns: task.columns(),
        first: 0,
        first_row: 0,
        pieces: None,
        sums: !selects,
        selections: selection.as_slice(),
        threads: Threads::Current,
        cancel: None,
    };
    let indices_out = selects.then_some(Indices::Exact(indices_view));
    launcher.run(&job, Out { values: Some(view), indices: indices_out });
    let values = values.into_iter().map(T::to_f64).collect();
    Found { values: Some(values), indices: selects.then_some(indices) }
}
