//! Machine code against the memory that the launcher gives it: every slice of just the length that the layout says, its first or
//! its last byte beside an unmapped page. The launcher aligns slices, but no instruction needs that: ends are exact.

use crate::common::formulas;
use genred::Reduction;
use genred::cpu::code::Native;
use genred::cpu::layout::Layout;
use genred::cpu::stages::{Pairs, Stages};
use genred::cpu::target::Target;
use genred::cpu::{Emitter, Refused, emitters};
use genred::dtype::{Float, Real};
use genred::formula::Category;
use genred::loops::build::{Lowered, Scheme};
use genred::loops::verify::verify_expanded;
use genred::schedule::{Lanes, Schedule};
use genred_fuzz_bodies::common::programs;
use genred_fuzz_bodies::guard::{Flush, Guarded};
use genred_fuzz_bodies::{Choices, program};

/// What became of a program on an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ran,
    /// Beyond a limit of the engine, or of this test: it would touch more memory than is filled in reasonable time.
    TooLarge,
}

fn of_name(engine: &str) -> Box<dyn Emitter> {
    emitters().into_iter().find(|e| e.name() == engine).expect("an engine")
}

/// The programs of formulas.
pub(crate) fn formulas(engine: &str) {
    let engine = of_name(engine);
    let mut choices = Choices::from_seed(9);
    let mut ran = 0;
    for text in formulas::FORMULAS {
        for reduction in formulas::PLAIN {
            let float = choices.pick(&[Float::F32, Float::F64]);
            let rows = choices.pick(&[Category::I, Category::J]);
            let scheme = match reduction {
                Reduction::Sum => choices.pick(&[Scheme::Direct, Scheme::Block, Scheme::Kahan]),
                _ => Scheme::Direct,
            };
            let fma = Target::host().fma;
            let lowered = formulas::lowered(text, None, *reduction, scheme, rows, float, fma);
            for _ in 0..2 {
                let schedule = programs::schedule(&mut choices);
                let outcome = run(&*engine, &lowered, schedule, &mut choices);
                assert_eq!(outcome, Outcome::Ran, "{text}, {schedule}");
                ran += 1;
            }
        }
    }
    assert_eq!(ran, 2 * formulas::FORMULAS.len() * formulas::PLAIN.len());
}

/// Programs that the fuzz target `program` makes and damages, where the verifier accepts them.
pub(crate) fn damaged(engine: &str) {
    let engine = of_name(engine);
    let (mut ran, mut large) = (0, 0);
    for seed in 0..3_000 {
        let mut choices = Choices::from_seed(2 << 32 | seed);
        let (lowered, schedule) = program::damaged(&mut choices);
        if verify_expanded(&lowered.program).is_err() {
            continue;
        }
        match run(&*engine, &lowered, schedule, &mut choices) {
            Outcome::Ran => ran += 1,
            Outcome::TooLarge => large += 1,
        }
    }
    // Many programs, few of them left out.
    assert!(ran > 300 && large * 10 < ran, "{ran} programs ran, {large} were too large");
}

/// Every stage of a program, each slice at the front of its pages and at their end.
fn run(
    engine: &dyn Emitter,
    lowered: &Lowered,
    schedule: Schedule,
    choices: &mut Choices<'_>,
) -> Outcome {
    let code = match engine.emit(&lowered.program, &schedule) {
        Ok(code) => code,
        Err(Refused::Limit(_)) => return Outcome::TooLarge,
        Err(Refused::Cannot(why)) => panic!("{} refuses: {why}", engine.name()),
    };
    let layout = Layout::of(lowered, schedule, &code);
    if program::is_large(&layout) {
        return Outcome::TooLarge;
    }
    for flush in Flush::ALL {
        match layout.float {
            Float::F32 => stages(&Native::<f32>::load(&code, layout.clone()), flush, choices),
            Float::F64 => stages(&Native::<f64>::load(&code, layout.clone()), flush, choices),
        }
    }
    Outcome::Ran
}

fn stages<T: Real>(native: &Result<Native<T>, Refused>, flush: Flush, choices: &mut Choices<'_>) {
    let native = native.as_ref().expect("executable memory");
    let (layout, schedule) = (native.layout(), native.layout().schedule);
    let mut memory = |len: usize| {
        let values: Vec<T> = (0..len).map(|_| T::from_f64(choices.fraction())).collect();
        Guarded::new(&values, flush)
    };
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
    // With lanes over columns `pair` gets the row of one lane, the last one here.
    let lane = match schedule.lanes {
        Lanes::Rows => 0,
        Lanes::Columns => layout.block() - 1,
    };
    let chunk = schedule.chunk as usize;
    for first in (0..columns).step_by(chunk) {
        for end in [first + 1, first + chunk, columns] {
            native.pair(Pairs {
                param: param.as_slice(),
                row: row.as_slice().get(lane..).unwrap_or_default(),
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
