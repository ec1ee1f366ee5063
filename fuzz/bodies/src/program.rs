//! Target `program`: programs, whole and damaged, through the verifier, every engine and the interpreter.

use crate::Choices;
use crate::common::{compare, mutate, programs};
use genred::cpu::code::Native;
use genred::cpu::interpret::{Interpreter, Scalar};
use genred::cpu::layout::Layout;
use genred::cpu::{Refused, emitters};
use genred::cuda::{Math, Request};
use genred::dtype::{DType, Real};
use genred::loops::build::Lowered;
use genred::loops::verify::verify_expanded;
use genred::schedule::{Lanes, Schedule};
use genred::{Float, Reduction};

/// What became of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the verifier accepts it.
    pub is_verified: bool,
    /// Engines that ran it and were compared with the interpreter.
    pub ran: u32,
    /// Engines that refused it for a limit, or would touch too much memory.
    pub too_large: u32,
    /// Whether the CUDA engine made a source of it.
    pub has_source: bool,
}

/// A verified program is emitted without panic and does what the interpreter does, bit for bit; a damaged one is refused, or it
/// is emitted and stays within its memory.
pub fn run(data: &[u8]) {
    check(data);
}

/// The same, and what was found.
pub fn check(data: &[u8]) -> Outcome {
    let mut choices = Choices::from_bytes(data);
    let float = choices.pick(&[Float::F32, Float::F64]);
    let is_damaged = choices.chance(40);
    let mut lowered = programs::program(&mut choices, float);
    let schedule = programs::schedule(&mut choices);
    if is_damaged {
        damage(&mut lowered, &mut choices);
    }
    let has_source = has_source(&lowered, &mut choices);
    let mut outcome = Outcome { has_source, ..Outcome::default() };
    if let Err(defect) = verify_expanded(&lowered.program) {
        assert!(is_damaged, "the generator made a malformed program: {defect}");
        for engine in emitters() {
            let emitted = engine.emit(&lowered.program, &schedule);
            assert!(emitted.is_err(), "a refused program was emitted by {}", engine.name());
        }
        return outcome;
    }
    outcome.is_verified = true;
    // The mutation may have changed the type.
    match lowered.program.float {
        Float::F32 => execute::<f32>(&lowered, schedule, is_damaged, &mut choices, &mut outcome),
        Float::F64 => execute::<f64>(&lowered, schedule, is_damaged, &mut choices, &mut outcome),
    }
    outcome
}

/// A program with something changed, which the verifier may or may not accept, and a schedule.
pub fn damaged(choices: &mut Choices<'_>) -> (Lowered, Schedule) {
    let float = choices.pick(&[Float::F32, Float::F64]);
    let mut lowered = programs::program(choices, float);
    let schedule = programs::schedule(choices);
    damage(&mut lowered, choices);
    (lowered, schedule)
}

fn damage(lowered: &mut Lowered, choices: &mut Choices<'_>) {
    for _ in 0..choices.within(1, 4) {
        mutate::mutate(&mut lowered.program, choices);
    }
}

/// Whether arrays are of a size that is legal, and slow to fill with random numbers.
pub fn is_large(layout: &Layout) -> bool {
    let arrays = [layout.row_len(), layout.col_len(), layout.pair_state_len(), layout.tile_len()];
    arrays.into_iter().sum::<usize>() + layout.slots.param as usize + layout.scratch > 1 << 20
}

/// Whether the program is one that the CUDA engine makes a source of; it never panics.
fn has_source(lowered: &Lowered, choices: &mut Choices<'_>) -> bool {
    let request = Request {
        reduction: choices.pick(&Reduction::all(3)),
        dim: choices.within(1, 3),
        stored: choices.pick(&[DType::F16, DType::F32, DType::F64]),
        lanes: choices.pick(&[Lanes::Rows, Lanes::Columns]),
        math: choices.pick(&[Math::Accurate, Math::Fast]),
    };
    request.emit(lowered).is_ok()
}

/// Parts of a difference that are a defect of any program, also of one that reads values that its generator guards.
const MEMORY: [&str; 2] = ["wrote outside of its memory", "scratch is too small"];

fn execute<T: Real + Scalar>(
    lowered: &Lowered,
    schedule: Schedule,
    is_damaged: bool,
    choices: &mut Choices<'_>,
    outcome: &mut Outcome,
) {
    // The widest last: the bytes of regressions are used up in this order.
    for engine in emitters().into_iter().rev() {
        let code = match engine.emit(&lowered.program, &schedule) {
            Ok(code) => code,
            Err(Refused::Limit(_)) => {
                outcome.too_large += 1;
                continue;
            }
            // With debug assertions, which fuzzing and tests have, this is also what Cranelift's verifier finds, in any stage.
            Err(Refused::Cannot(why)) => {
                panic!("{} refuses a verified program on {schedule}: {why}", engine.name())
            }
        };
        let layout = Layout::of(lowered, schedule, &code);
        if is_large(&layout) {
            outcome.too_large += 1;
            continue;
        }
        outcome.ran += 1;
        let native = Native::<T>::load(&code, layout).expect("executable memory");
        let reference =
            Interpreter::new(lowered, schedule, code.width).expect("the program was verified");
        if let Err(difference) = compare::compare::<T>(&reference, &native, choices) {
            let text = difference.to_string();
            let counts = !is_damaged || MEMORY.iter().any(|part| text.contains(part));
            assert!(!counts, "{} on {schedule}: {text}", engine.name());
        }
    }
}
