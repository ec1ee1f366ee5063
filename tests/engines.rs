//! Every native engine against the interpreter, bit for bit: on random programs, and on lowered formulas.

mod common;

use common::choices::Choices;
use common::compare::compare;
use common::programs;
use genred::Float;
use genred::cpu::Emitter;
use genred::cpu::clif::Clif;
use genred::cpu::code::Native;
use genred::cpu::interpret::{Interpreter, Scalar};
use genred::cpu::layout::Layout;
use genred::dtype::Real;
use genred::loops::build::Lowered;
use genred::loops::verify::verify_expanded;
use genred::schedule::Schedule;

/// The engines of this machine.
fn engines() -> Vec<Box<dyn Emitter>> {
    vec![Box::new(Clif)]
}

/// Compare all engines on one program; the text of the first difference.
fn difference<T: Real + Scalar>(
    lowered: &Lowered,
    schedule: Schedule,
    choices: &mut Choices<'_>,
) -> Option<String> {
    if let Err(defect) = verify_expanded(&lowered.program) {
        return Some(format!("the program is refused: {defect}"));
    }
    for engine in engines() {
        let code = match engine.emit(&lowered.program, &schedule) {
            Ok(code) => code,
            Err(refused) => return Some(format!("{} refuses: {}", engine.name(), refused.0)),
        };
        let layout = Layout::of(lowered, schedule, &code);
        let native = Native::<T>::load(&code, layout).expect("executable memory");
        let reference =
            Interpreter::new(lowered, schedule, code.width).expect("the program was verified");
        if let Err(difference) = compare::<T>(&reference, &native, choices) {
            return Some(format!("{}: {difference}", engine.name()));
        }
    }
    None
}

#[test]
fn random_programs_run_alike() {
    let cases: u64 =
        std::env::var("GENRED_CASES").map_or(1500, |n| n.parse().expect("a number of cases"));
    let first: u64 =
        std::env::var("GENRED_FIRST_CASE").map_or(0, |n| n.parse().expect("a number of a case"));
    let mut failures = Vec::new();
    for seed in first..first + cases {
        let mut choices = Choices::from_seed(seed);
        let float = choices.pick(&[Float::F32, Float::F64]);
        let lowered = programs::program(&mut choices, float);
        let schedule = programs::schedule(&mut choices);
        let found = match float {
            Float::F32 => difference::<f32>(&lowered, schedule, &mut choices),
            Float::F64 => difference::<f64>(&lowered, schedule, &mut choices),
        };
        if let Some(difference) = found {
            failures.push(format!("case {seed}, {float}, {schedule}: {difference}"));
        }
    }
    let shown = failures.len().min(10);
    assert!(
        failures.is_empty(),
        "{} of {cases} programs differ:\n{}",
        failures.len(),
        failures[..shown].join("\n")
    );
}
