//! Every native engine against the interpreter, bit for bit: on random programs, and on lowered formulas.

mod common;

use common::choices::Choices;
use common::compare::compare;
use common::{formulas, programs};
use genred::cpu::Emitter;
use genred::cpu::clif::Clif;
use genred::cpu::code::Native;
use genred::cpu::interpret::{Garbage, Interpreter, Scalar};
use genred::cpu::layout::Layout;
use genred::dtype::Real;
use genred::formula::Category;
use genred::loops::build::{Lowered, Scheme};
use genred::loops::verify::verify_expanded;
use genred::schedule::Schedule;
use genred::{Float, Reduction};

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
    assert_none(&failures, cases as usize);
}

/// Every formula with every reduction it can have, as (name, program).
fn formula_programs(choices: &mut Choices<'_>) -> Vec<(String, Lowered)> {
    let mut programs = Vec::new();
    let mut add = |text: &str, weight: Option<&str>, reduction: Reduction, scheme: Scheme| {
        let float = choices.pick(&[Float::F32, Float::F64]);
        let rows = choices.pick(&[Category::I, Category::J]);
        let fma = choices.chance(70);
        let lowered = formulas::lowered(text, weight, reduction, scheme, rows, float, fma);
        let name = format!(
            "{} of {text}, weight {weight:?}, {scheme:?}, rows {rows:?}, {float}, fma {fma}",
            reduction.name()
        );
        programs.push((name, lowered));
    };
    for text in formulas::FORMULAS {
        for reduction in formulas::PLAIN {
            for scheme in formulas::SCHEMES {
                if *reduction == Reduction::Sum || *scheme == Scheme::Direct {
                    add(text, None, *reduction, *scheme);
                }
            }
        }
    }
    for (text, weight) in formulas::WEIGHTED {
        for reduction in formulas::EXPONENTIAL {
            for scheme in formulas::SCHEMES {
                if weight.is_some() || *reduction != Reduction::SumSoftMaxWeight {
                    add(text, *weight, *reduction, *scheme);
                }
            }
        }
    }
    programs
}

fn assert_none(failures: &[String], of: usize) {
    let shown = failures[..failures.len().min(10)].join("\n");
    assert!(failures.is_empty(), "{} of {of} programs differ:\n{shown}", failures.len());
}

#[test]
fn formulas_run_alike() {
    let mut choices = Choices::from_seed(1);
    let programs = formula_programs(&mut choices);
    let mut failures = Vec::new();
    for (name, lowered) in &programs {
        for _ in 0..2 {
            let schedule = programs::schedule(&mut choices);
            let found = match lowered.program.float {
                Float::F32 => difference::<f32>(lowered, schedule, &mut choices),
                Float::F64 => difference::<f64>(lowered, schedule, &mut choices),
            };
            failures.extend(found.map(|text| format!("{name}, {schedule}: {text}")));
        }
    }
    assert_none(&failures, programs.len());
}

/// Results that the program's documentation leaves open must not reach memory.
#[test]
fn formulas_do_not_depend_on_garbage() {
    fn difference<T: Real + Scalar>(
        lowered: &Lowered,
        schedule: Schedule,
        choices: &mut Choices<'_>,
    ) -> Option<String> {
        let kernel = || Interpreter::new(lowered, schedule, 1).expect("the program is verified");
        let (zero, ones) = (kernel(), kernel().with_garbage(Garbage::Ones));
        compare::<T>(&zero, &ones, choices).err().map(|difference| difference.to_string())
    }
    let mut choices = Choices::from_seed(2);
    let programs = formula_programs(&mut choices);
    let mut failures = Vec::new();
    for (name, lowered) in &programs {
        let schedule = programs::schedule(&mut choices);
        let found = match lowered.program.float {
            Float::F32 => difference::<f32>(lowered, schedule, &mut choices),
            Float::F64 => difference::<f64>(lowered, schedule, &mut choices),
        };
        failures.extend(found.map(|text| format!("{name}, {schedule}: {text}")));
    }
    assert_none(&failures, programs.len());
}
