//! The largest error of every one-argument function over all 2^32 float32 arguments, with float64 as the truth.
//!
//! `cargo bench --bench exhaustive [-- FUNCTION ...] [--stride N]` prints a table and fails where an error is larger than
//! tests/ulp.toml allows, or where two engines differ in a bit. A function takes some minutes on two cores; with a stride, every
//! N-th bit pattern is taken, from one that differs between parts, so that an odd stride meets every pattern of low bits.
//! tests/ulp-exhaustive.txt is the table of a whole run.

#![allow(clippy::print_stdout, reason = "it prints a table")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::functions::{self, SCHEDULE, is_binary};
use genred::Float;
use genred::cpu::code::Native;
use genred::cpu::layout::Layout;
use genred::cpu::{Emitter, emitters};
use genred::loops::program::Function;
use rayon::prelude::*;

/// Arguments of one task.
const PART: u32 = 1 << 20;

/// The largest error, and the argument it is at.
fn worst(function: Function, fma: bool, stride: u32) -> (f64, f32) {
    let lowered = functions::program(function, Float::F32, fma);
    let kernel = |engine: Box<dyn Emitter>| {
        let code = engine.emit(&lowered.program, &SCHEDULE).expect("the program is emitted");
        let layout = Layout::of(&lowered, SCHEDULE, &code);
        (engine, Native::<f32>::load(&code, layout).expect("executable memory"))
    };
    let kernels: Vec<_> = emitters().into_iter().rev().map(kernel).collect();
    let ((_, first_kernel), others) = kernels.split_first().expect("an engine");
    let part = |part: u32| {
        let first = part * PART;
        let args: Vec<[f32; 2]> = { first + part % stride..=first + (PART - 1) }
            .step_by(stride as usize)
            .map(|bits| [f32::from_bits(bits), 0.0])
            .collect();
        let results = functions::evaluate(first_kernel, &args);
        for (engine, kernel) in others {
            let same =
                |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            let found = functions::evaluate(kernel, &args);
            let differs = results.iter().zip(&found).position(|pair| !same(pair));
            if let Some(k) = differs {
                let ([x, _], expected, found) = (args[k], results[k], found[k]);
                panic!("{function:?}({x:?}): {expected:?} by clif, {found:?} by {}", engine.name());
            }
        }
        let errors = args.iter().zip(results).map(|([x, _], result)| {
            let truth = functions::double(function, f64::from(*x), 0.0);
            let error = functions::error_single(truth, result);
            (if error.is_nan() { f64::INFINITY } else { error }, *x)
        });
        errors.fold((0.0, 0.0), larger)
    };
    (0..u32::MAX / PART + 1).into_par_iter().map(part).reduce(|| (0.0, 0.0), larger)
}

fn larger(a: (f64, f32), b: (f64, f32)) -> (f64, f32) {
    if b.0 > a.0 { b } else { a }
}

fn named(function: Function) -> String {
    format!("{function:?}").to_lowercase()
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut wanted, mut stride) = (Vec::new(), 1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--stride" => {
                let number = args.next().and_then(|text| text.parse().ok());
                stride =
                    number.filter(|n| (1..=PART).contains(n)).expect("a stride from 1 to 2^20");
            }
            // Cargo's own.
            "--bench" => {}
            name => wanted.push(name.to_owned()),
        }
    }
    let known = |name: &String| functions::ALL.iter().any(|f| named(*f) == *name && !is_binary(*f));
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        panic!("`{unknown}` is not a function of one argument");
    }
    let text = include_str!("../tests/ulp.toml");
    let table: toml::Table = text.parse().expect("tests/ulp.toml is a table");
    let mut exceeded = false;
    let names: Vec<&str> = emitters().iter().rev().map(|engine| engine.name()).collect();
    match stride {
        1 => println!("all 2^32 arguments, the same bits by {}", names.join(", ")),
        _ => println!("every {stride}. of 2^32 arguments, the same bits by {}", names.join(", ")),
    }
    println!("{:10} {:>9} {:>9}  worst argument", "function", "ulp", "allowed");
    for function in functions::ALL.into_iter().filter(|f| !is_binary(*f)) {
        let name = named(function);
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        for (kind, fma) in [("f32_fma", true), ("f32", false)] {
            let allowed = table[&name][kind]["allowed"].as_float().expect("a bound is a number");
            let (ulp, at) = worst(function, fma, stride);
            exceeded |= ulp > allowed;
            println!("{name:6}{:4} {ulp:9.4} {allowed:9.1}  {at:?}", if fma { " fma" } else { "" });
        }
    }
    assert!(!exceeded, "an error is larger than tests/ulp.toml allows");
}
