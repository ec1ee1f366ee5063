//! Target `program`: programs, whole and damaged, through the verifier, every engine and the interpreter.

use crate::Choices;
use crate::common::{compare, mutate, programs};
use genred::Float;
use genred::cpu::clif;
use genred::cpu::code::Native;
use genred::cpu::emitters;
use genred::cpu::interpret::{Interpreter, Scalar};
use genred::cpu::layout::Layout;
use genred::dtype::Real;
use genred::loops::build::Lowered;
use genred::loops::verify::verify_expanded;
use genred::schedule::Schedule;

/// A verified program is emitted without panic and does what the interpreter does, bit for bit; a damaged one is refused, or it
/// is emitted and stays within its memory.
pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let float = choices.pick(&[Float::F32, Float::F64]);
    let is_damaged = choices.chance(40);
    let mut lowered = programs::program(&mut choices, float);
    let schedule = programs::schedule(&mut choices);
    if is_damaged {
        for _ in 0..choices.within(1, 4) {
            mutate::mutate(&mut lowered.program, &mut choices);
        }
        let verified = verify_expanded(&lowered.program);
        for engine in emitters() {
            let emitted = engine.emit(&lowered.program, &schedule);
            assert!(emitted.is_err() || verified.is_ok(), "a refused program was emitted");
        }
        if verified.is_err() {
            return;
        }
    } else {
        verify_expanded(&lowered.program).expect("the generator makes well-formed programs");
        assert!(clif::text(&lowered.program, &schedule).is_ok());
    }
    // The mutation may have changed the type.
    match lowered.program.float {
        Float::F32 => execute::<f32>(&lowered, schedule, is_damaged, &mut choices),
        Float::F64 => execute::<f64>(&lowered, schedule, is_damaged, &mut choices),
    }
}

/// Parts of a difference that are a defect of any program, also of one that reads values that its generator guards.
const MEMORY: [&str; 2] = ["wrote behind its memory", "scratch is too small"];

fn execute<T: Real + Scalar>(
    lowered: &Lowered,
    schedule: Schedule,
    is_damaged: bool,
    choices: &mut Choices<'_>,
) {
    // The widest last: the bytes of regressions are used up in this order.
    for engine in emitters().into_iter().rev() {
        let Ok(code) = engine.emit(&lowered.program, &schedule) else { continue };
        let layout = Layout::of(lowered, schedule, &code);
        // Large arrays are legal, and slow to fill with random numbers.
        if layout.row_len() + layout.col_len() + layout.pair_state_len() + layout.tile_len()
            > 1 << 20
        {
            continue;
        }
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
