//! Every operation on one number, on every float16: what is stored is the float16 nearest to a value that float32 allows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod suite;

use genred::formula::table::{self, Arg, Build};
use genred::{Backend, DType, Float, Reduction};
use half::f16;
use suite::{Call, Engine, Layout, Problem, bounds, check};

/// Formulas of one number: each operation of the table that takes an expression and integers, with several integers.
fn formulas() -> Vec<String> {
    let mut formulas = vec!["x".to_owned()];
    for row in table::TABLE {
        let Some((Arg::Expr, integers)) = row.args.split_first() else { continue };
        if !integers.iter().all(|arg| *arg == Arg::Int) {
            continue;
        }
        let name = row.name();
        match integers.len() {
            0 => formulas.push(format!("{name}(x)")),
            1 => formulas.extend([-2, 0, 1, 3].map(|n| format!("{name}(x, {n})"))),
            _ => formulas.extend([(-2, 1), (0, 3)].map(|(n, m)| format!("{name}(x, {n}, {m})"))),
        }
    }
    formulas
}

#[test]
fn every_float16_through_every_operation() {
    let (backends, lacking) = suite::backends();
    assert!(backends.contains(&Backend::Clif), "{lacking:?} are lacking");
    let aliases = ["x = Vi(1)"];
    let mut tested = Vec::new();
    for formula in formulas() {
        let problem = Problem::new(Reduction::Sum, &formula, &aliases);
        // Operations on longer vectors, and integers that an operation does not take.
        let Ok(typed) = problem.typed() else { continue };
        if typed.root_dim(0) != 1 {
            continue;
        }
        let call = Call::filled(&typed, 1 << 16, 1, |_, row, _| {
            f16::from_bits(u16::try_from(row).unwrap()).to_f64()
        });
        let bounds = bounds(&problem, &call, Float::F32);
        for backend in backends.iter().filter(|b| **b != Backend::Eval) {
            let kernel = Engine { backend: *backend, dtype: DType::F16 }.compile(&problem).unwrap();
            let found = kernel.run(&call, Layout::Packed).unwrap();
            let tally = check(&problem, &call, DType::F16, &bounds, &found)
                .unwrap_or_else(|why| panic!("{formula} by {}: {why}", backend.name()));
            assert_eq!(tally.checked + tally.unknown, 1 << 16, "{formula}");
            // Near 88.7 float32 may overflow or not.
            let unknown = if formula == "Exp(x)" { 33 } else { 0 };
            assert_eq!(tally.unknown, unknown, "{formula}");
        }
        tested.push(formula);
    }
    let all = |row: &&table::Row| matches!(row.build, Build::Elementwise(_)) && row.args.len() == 1;
    for row in table::TABLE.iter().filter(all) {
        let formula = format!("{}(x)", row.name());
        assert!(tested.contains(&formula), "{formula} is not tested");
    }
}
