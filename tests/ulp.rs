//! The error of each transcendental function in units in the last place, against tests/ulp.toml.
//!
//! Arguments are sampled densely: every 4093rd float32, random ones where each function is interesting, its edges, and for sine
//! and cosine the floats nearest to multiples of pi/2. Every CPU engine of the machine is run, and gives the same bits. `cargo bench
//! --bench exhaustive` takes every float32.

mod common;

use common::functions::{self, Exact, SCHEDULE, is_binary};
use genred::Float;
use genred::cpu::code::Native;
use genred::cpu::emitters;
use genred::cpu::interpret::{Interpreter, Scalar};
use genred::cpu::layout::Layout;
use genred::cpu::stages::Stages;
use genred::loops::program::Function;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Mutex;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ulp.toml");

/// What the table says of one function in one type, with or without fused multiply-add.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Bound {
    allowed: f64,
    measured: f64,
}

type Table = BTreeMap<String, BTreeMap<String, Bound>>;

/// A largest error and where it is.
#[derive(Clone, Copy, Debug)]
struct Worst {
    ulp: f64,
    at: [f64; 2],
}

impl Worst {
    const NONE: Worst = Worst { ulp: 0.0, at: [0.0; 2] };

    fn see(&mut self, ulp: f64, at: [f64; 2]) {
        // NaN, where a number is expected, is the worst of all.
        if ulp > self.ulp || ulp.is_nan() {
            *self = Worst { ulp: if ulp.is_nan() { f64::INFINITY } else { ulp }, at };
        }
    }
}

/// A function by every engine, which must all do what the first does at all arguments, and the interpreter at some.
fn evaluate<T: Scalar>(function: Function, fma: bool, args: &[[T; 2]]) -> Vec<T> {
    let lowered = functions::program(function, T::FLOAT, fma);
    let same = |[args, expected, found]: [&[T]; 3], by: &str| {
        for ((args, expected), found) in args.chunks(2).zip(expected).zip(found) {
            let (expected, found) = (expected.to_f64(), found.to_f64());
            let is_same = expected.to_bits() == found.to_bits();
            let is_nan = expected.is_nan() && found.is_nan();
            assert!(is_same || is_nan, "{function:?} of {args:?}: {expected:?}, {found:?} {by}");
        }
    };
    let mut results: Option<Vec<T>> = None;
    for engine in emitters() {
        let code = engine.emit(&lowered.program, &SCHEDULE).expect("the program is emitted");
        let layout = Layout::of(&lowered, SCHEDULE, &code);
        let native = Native::<T>::load(&code, layout).expect("executable memory");
        let found = functions::evaluate(&native, args);
        let Some(results) = &results else {
            let interpreter =
                Interpreter::new(&lowered, SCHEDULE, code.width).expect("the program is valid");
            let (some, by_engine): (Vec<_>, Vec<_>) =
                args.iter().zip(&found).step_by(97).map(|(a, r)| (*a, *r)).unzip();
            let expected = functions::evaluate(&interpreter as &dyn Stages<T>, &some);
            same([some.as_flattened(), &expected, &by_engine], engine.name());
            results = Some(found);
            continue;
        };
        same([args.as_flattened(), results, &found], engine.name());
    }
    results.expect("there is an engine")
}

/// The largest error in float32, with float64 as the truth.
fn single(function: Function, fma: bool) -> Worst {
    let mut args: Vec<[f32; 2]> = functions::arguments(function, Float::F32, 300_000, 32)
        .into_iter()
        .chain(functions::edges(function, Float::F32))
        .map(|[x, y]| [x as f32, y as f32])
        .collect();
    if !is_binary(function) {
        args.extend((0..=u32::MAX).step_by(4093).map(|bits| [f32::from_bits(bits), 0.0]));
    }
    if matches!(function, Function::Sin | Function::Cos) {
        let hard = common::hard::arguments(24, -23..104);
        args.extend(hard.into_iter().map(|x| [x as f32, 0.0]));
    }
    let results = evaluate(function, fma, &args);
    let mut worst = Worst::NONE;
    for ([x, y], result) in args.iter().zip(results) {
        let at = [f64::from(*x), f64::from(*y)];
        let truth = functions::double(function, at[0], at[1]);
        worst.see(functions::error_single(truth, result), at);
    }
    worst
}

/// The largest error in float64, with arbitrary precision as the truth.
fn double(function: Function, fma: bool) -> Worst {
    let mut exact = Exact::new();
    let mut args = functions::arguments(function, Float::F64, 8_000, 64);
    args.extend(functions::edges(function, Float::F64));
    if matches!(function, Function::Sin | Function::Cos) {
        args.extend(common::hard::arguments(53, -52..971).into_iter().map(|x| [x, 0.0]));
    }
    let results = evaluate(function, fma, &args);
    let mut worst = Worst::NONE;
    for ([x, y], result) in args.iter().zip(results) {
        worst.see(exact.error(function, *x, *y, result), [*x, *y]);
    }
    worst
}

#[test]
fn errors_are_as_stated() {
    let mut jobs = Vec::new();
    for function in functions::ALL {
        for float in [Float::F32, Float::F64] {
            for fma in [true, false] {
                jobs.push((function, float, fma));
            }
        }
    }
    let (jobs, found) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    let work = || {
        while let Some((function, float, fma)) = {
            let mut jobs = jobs.lock().expect("no job panics with the lock");
            jobs.pop()
        } {
            let worst = match float {
                Float::F32 => single(function, fma),
                Float::F64 => double(function, fma),
            };
            let name = format!("{function:?}").to_lowercase();
            let kind = format!("{float}{}", if fma { "_fma" } else { "" });
            found.lock().expect("no job panics with the lock").push((name, kind, worst));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let found = found.into_inner().expect("no job panics with the lock");
    let text = std::fs::read_to_string(TABLE).unwrap_or_default();
    let mut table: Table = toml::from_str(&text).expect("the table is a table");
    if std::env::var_os("UPDATE_ULP").is_some() {
        for (name, kind, worst) in found {
            let measured = (worst.ulp * 1000.0).ceil() / 1000.0;
            let kinds = table.entry(name).or_default();
            let bound = kinds.entry(kind).or_insert(Bound { allowed: 0.0, measured });
            bound.measured = measured;
            if bound.allowed < measured || bound.allowed > 2.0 * measured {
                bound.allowed = (measured * 1.15 * 10.0).ceil() / 10.0;
            }
        }
        let head: String = text
            .lines()
            .take_while(|l| l.starts_with('#'))
            .fold(String::new(), |head, line| head + line + "\n");
        let body = toml::to_string(&table).expect("the table is a table");
        std::fs::write(TABLE, format!("{head}\n{body}")).expect("the table can be written");
        return;
    }
    assert_eq!(found.len(), table.values().map(BTreeMap::len).sum::<usize>(), "rows of the table");
    for (name, kind, worst) in found {
        let Bound { allowed, measured } = table[&name][&kind];
        let Worst { ulp, at } = worst;
        assert!(ulp <= allowed, "{name} {kind}: {ulp} ulp at {at:?}, {allowed} are allowed");
        assert!(allowed <= 2.0 * ulp, "{name} {kind}: {allowed} ulp are allowed, {ulp} needed");
        let is_noted = (measured - ulp).abs() <= 0.0011;
        assert!(
            is_noted,
            "{name} {kind}: {ulp} ulp measured, {measured} noted; run with UPDATE_ULP=1"
        );
    }
}

/// Where IEEE 754 and C say what a function is at special arguments, it is that, sign of zero included.
#[test]
fn special_values() {
    fn check<T: Scalar>(values: &[f64]) {
        for function in functions::ALL {
            let seconds = if is_binary(function) { values } else { &[0.0] };
            let args: Vec<[T; 2]> = values
                .iter()
                .flat_map(|x| seconds.iter().map(|y| [T::from_f64(*x), T::from_f64(*y)]))
                .collect();
            for fma in [true, false] {
                let results = evaluate(function, fma, &args);
                for ([x, y], result) in args.iter().zip(results) {
                    let (x, y, result) = (x.to_f64(), y.to_f64(), result.to_f64());
                    let truth = T::from_f64(functions::double(function, x, y)).to_f64();
                    let is_right = if truth.is_nan() {
                        result.is_nan()
                    } else if truth == 0.0 || truth.is_infinite() || truth.abs() == 1.0 {
                        result.to_bits() == truth.to_bits()
                    } else {
                        // Other values are the business of the test above.
                        result.is_finite() && (result - truth).abs() <= 1e-6 * truth.abs()
                    };
                    let float = T::FLOAT;
                    assert!(
                        is_right,
                        "{function:?} of ({x}, {y}) in {float}: {result}, not {truth}"
                    );
                }
            }
        }
    }
    let common = [0.0, 1.0, 2.0, 3.0, 0.5, 1.5, 0.999, 255.0, 1e9, 3e30, f64::INFINITY, f64::NAN];
    let single = [f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE), 2f64.powi(-149)];
    let double = [f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1), 2f64.powi(53) - 1.0];
    let signed = |values: &[f64]| -> Vec<f64> {
        common.iter().chain(values).flat_map(|v| [*v, -*v]).collect()
    };
    check::<f32>(&signed(&single));
    check::<f64>(&signed(&double));
}

/// The arguments that sine and cosine are hardest at are what they are known to be.
#[test]
fn the_hardest_arguments_are_found() {
    let hardest = 6_381_956_970_095_103.0 * 2f64.powi(797);
    let doubles = common::hard::arguments(53, 797..798);
    assert!(doubles.contains(&hardest), "{doubles:?}");
    let cos = Exact::new().value(Function::Cos, hardest, 0.0).to_f64();
    assert!((cos + 4.687_165_924_254_628e-19).abs() < 1e-33, "{cos:e}");
}

#[test]
fn the_documented_bounds_are_those_allowed() {
    let text = std::fs::read_to_string(TABLE).expect("tests/ulp.toml");
    let table: Table = toml::from_str(&text).expect("the table is a table");
    for (operation, f32, f64) in genred::formula::table::ULP {
        let function = match *operation {
            "Powf" => "pow".to_owned(),
            name => name.to_lowercase(),
        };
        let largest = |dtype: &str| {
            let rows = table[&function].iter().filter(|(name, _)| name.starts_with(dtype));
            rows.map(|(_, bound)| bound.allowed).fold(0.0, f64::max)
        };
        assert_eq!((*f32, *f64), (largest("f32"), largest("f64")), "{operation}");
    }
}

/// The committed table of `cargo bench --bench exhaustive` is within the bounds, and above what samples of its arguments show.
#[test]
fn exhaustive_errors_are_as_stated() {
    let text = std::fs::read_to_string(TABLE).expect("tests/ulp.toml");
    let table: Table = toml::from_str(&text).expect("the table is a table");
    let (mut rows, mut is_all) = (0, false);
    for line in include_str!("ulp-exhaustive.txt").lines() {
        is_all = line.starts_with("all ") || is_all && !line.starts_with("every ");
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, kind, ulp) = match words[..] {
            [name, "fma", ulp, ..] => (name, "f32_fma", ulp),
            [name, ulp, ..] => (name, "f32", ulp),
            _ => continue,
        };
        let (Some(kinds), Ok(ulp)) = (table.get(name), ulp.parse::<f64>()) else { continue };
        let Bound { allowed, measured } = kinds[kind];
        assert!(ulp <= allowed, "{name} {kind}: {ulp} ulp, {allowed} are allowed");
        // Samples have none but the arguments of a whole run; both numbers are rounded.
        let is_more = !is_all || measured <= ulp + 0.0011;
        assert!(is_more, "{name} {kind}: {measured} by samples, {ulp} by all");
        rows += 1;
    }
    let unary = functions::ALL.iter().filter(|f| !is_binary(**f)).count();
    assert_eq!(rows, 2 * unary, "a row with and one without fused multiply-add for each function");
}
