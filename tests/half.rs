//! Every operation on one number, on every float16: what is stored is the float16 nearest to a value that float32 allows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod suite;

use genred::formula::table::{self, Arg};
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

/// What [`formulas`] has that is not tested here: it takes or gives more than one number, or the integers do not suit the operation.
const LEFT_OUT: &[&str] = &[
    "IntCst(x)",
    "SumT(x, -2)",
    "SumT(x, 0)",
    "SumT(x, 3)",
    "Elem(x, -2)",
    "Elem(x, 1)",
    "Elem(x, 3)",
    "ElemT(x, -2, 1)",
    "ElemT(x, 0, 3)",
    "Extract(x, -2, 1)",
    "Extract(x, 0, 3)",
    "ExtractT(x, -2, 1)",
    "ExtractT(x, 0, 3)",
    "OneHot(x, -2)",
    "OneHot(x, 0)",
    "OneHot(x, 3)",
    "Real2Complex(x)",
    "Imag2Complex(x)",
    "ComplexReal(x)",
    "ComplexImag(x)",
    "Conj(x)",
    "ComplexAbs(x)",
    "ComplexSquareAbs(x)",
    "ComplexAngle(x)",
    "ComplexExp(x)",
    "ComplexExp1j(x)",
    "ComplexSum(x)",
    "ComplexSumT(x, -2)",
    "ComplexSumT(x, 0)",
    "ComplexSumT(x, 1)",
    "ComplexSumT(x, 3)",
];

#[test]
fn every_float16_through_every_operation() {
    let (backends, lacking) = suite::backends();
    assert!(backends.contains(&Backend::Clif), "{lacking:?} are lacking");
    let aliases = ["x = Vi(1)"];
    let (tested, left_out): (Vec<String>, Vec<String>) = formulas().into_iter().partition(|f| {
        let typed = Problem::new(Reduction::Sum, f, &aliases).typed();
        typed.is_ok_and(|typed| typed.root_dim(0) == 1)
    });
    assert_eq!(left_out, LEFT_OUT);
    // Whatever takes each number to another is among what is tested.
    let is_elementwise = |row: &&table::Row| {
        row.dims == "D -> D" && row.args[1..].iter().all(|arg| *arg == Arg::Int)
    };
    let elementwise: Vec<_> =
        table::TABLE.iter().filter(is_elementwise).map(table::Row::name).collect();
    for name in ["Exp", "Pow", "Round", "ClampInt", "DiffClampInt"] {
        assert!(elementwise.contains(&name), "{name} is not found in the table");
    }
    for name in elementwise {
        let call = format!("{name}(x");
        assert!(tested.iter().any(|f| f.starts_with(&call)), "{name} is not tested");
    }
    for formula in tested {
        let problem = Problem::new(Reduction::Sum, &formula, &aliases);
        let typed = problem.typed().unwrap();
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
    }
}
