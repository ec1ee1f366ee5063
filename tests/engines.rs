//! Every native engine against the interpreter, bit for bit: on random programs, and on lowered formulas.

mod common;

use common::choices::Choices;
use common::compare::compare;
use common::{formulas, mutate, programs};
use genred::cpu::code::Native;
use genred::cpu::emitters;
use genred::cpu::interpret::{Garbage, Interpreter, Scalar};
use genred::cpu::layout::Layout;
use genred::formula::Category;
use genred::loops::build::{Lowered, Scheme};
use genred::loops::program::Inst;
use genred::loops::verify::verify_expanded;
use genred::schedule::Schedule;
use genred::{Float, Reduction};
use std::collections::{BTreeMap, BTreeSet};

/// Compare all engines on one program; the text of the first difference.
fn difference<T: Scalar>(
    lowered: &Lowered,
    schedule: Schedule,
    choices: &mut Choices<'_>,
) -> Option<String> {
    if let Err(defect) = verify_expanded(&lowered.program) {
        return Some(format!("the program is refused: {defect}"));
    }
    for engine in emitters() {
        let code = match engine.emit(&lowered.program, &schedule) {
            Ok(code) => code,
            Err(refused) => return Some(format!("{} refuses: {}", engine.name(), refused.why())),
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
    fn difference<T: Scalar>(
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

/// Whatever the program, verification ends without a panic; and what it accepts, every engine emits or refuses.
#[test]
fn damaged_programs_are_refused_or_emitted() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..4000 {
        let mut choices = Choices::from_seed(1 << 32 | seed);
        let float = choices.pick(&[Float::F32, Float::F64]);
        let mut program = programs::program(&mut choices, float).program;
        for _ in 0..choices.within(1, 3) {
            mutate::mutate(&mut program, &mut choices);
        }
        let schedule = programs::schedule(&mut choices);
        if verify_expanded(&program).is_err() {
            refused += 1;
            continue;
        }
        accepted += 1;
        assert!(program.text(Some(&schedule)).starts_with("schedule lanes="));
        for engine in emitters() {
            if let Err(why) = engine.emit(&program, &schedule) {
                assert!(
                    why.why().contains("bytes"),
                    "case {seed}: {} refuses: {}",
                    engine.name(),
                    why.why()
                );
            }
        }
    }
    // Both happen often enough for the test to mean something.
    assert!(accepted > 400 && refused > 400, "{accepted} accepted, {refused} refused");
}

/// The generator makes every operation, space and structure, each often enough to meet the others.
#[test]
fn random_programs_use_everything() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let cases = 400;
    for seed in 0..cases {
        let mut choices = Choices::from_seed(seed);
        let float = choices.pick(&[Float::F32, Float::F64]);
        let program = programs::program(&mut choices, float).program;
        let schedule = programs::schedule(&mut choices);
        let mut features = BTreeSet::new();
        features.insert(format!("{:?}", schedule.lanes));
        for def in &program.values {
            features.insert(match &def.inst {
                Inst::Unary(op, _) => format!("{op:?}"),
                Inst::Binary(op, ..) => format!("{op:?} {:?}", def.ty),
                Inst::Shift(op, ..) => format!("{op:?}"),
                Inst::Compare(op, ..) => format!("{op:?}"),
                Inst::Select(..) => format!("Select {:?}", def.ty),
                Inst::Load(array, index) => {
                    let space = program.arrays[array.index()].space;
                    let kind = if index.terms.is_empty() { "fixed" } else { "moving" };
                    format!("load {space:?} {kind}")
                }
                Inst::Float(_) => "Float".into(),
                Inst::Int(_) => "Int".into(),
                Inst::Counter(_) => "Counter".into(),
                Inst::Fma(..) => "Fma".into(),
                Inst::FmaNeg(..) => "FmaNeg".into(),
                Inst::Call(..) | Inst::Bound => continue,
            });
        }
        for pass in &program.passes {
            features.insert(format!("pass {:?} {}", pass.over, pass.components.is_some()));
            features.extend(pass.accumulators.iter().map(|a| format!("{:?}", a.start)));
            features.extend(pass.exit_if_any.map(|_| "exit".to_owned()));
        }
        features.extend(program.loops.iter().map(|l| match l.skip_unless {
            Some(_) => "rare".to_owned(),
            None => format!("carried {}", l.carried.len()),
        }));
        for feature in features {
            *seen.entry(feature).or_default() += 1;
        }
    }
    let spaces = ["Param", "Row", "Col", "State", "Other", "Tile", "Temp"];
    let mut expected: Vec<String> = spaces
        .iter()
        .flat_map(|s| [format!("load {s} fixed"), format!("load {s} moving")])
        .collect();
    let others = "Rows|Columns|Neg|Abs|Sqrt|Floor|Nearest|ToBits|FromBits|IntToFloat|FloatToInt|\
        Add Float|Sub Float|Mul Float|Div Float|Min Float|Max Float|ScaleExp2 Float|IntAdd Int|\
        IntSub Int|And Int|Or Int|Xor Int|And Mask|Or Mask|Xor Mask|Left|RightLogical|\
        RightArithmetic|Eq|Ne|Lt|Le|Unordered|Select Float|Select Int|Float|Int|Counter|Fma|FmaNeg|\
        pass Columns false|pass Columns true|pass Chunk false|exit|State|Zero|carried 0|carried 1|\
        carried 2|carried 3|rare";
    expected.extend(others.split('|').map(str::to_owned));
    for feature in &expected {
        let count = seen.get(feature).copied().unwrap_or(0);
        assert!(count >= cases as u32 / 50, "`{feature}` in {count} of {cases} programs");
    }
    let unexpected: Vec<&String> = seen.keys().filter(|f| !expected.contains(f)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}
