//! The bounds against a plain float32 evaluation, which is a correct engine.

use super::super::{Matrix, scalar};
use super::*;
use crate::dtype::{DType, Float};
use crate::eval::nodes::Arithmetic;
use crate::formula::op::Op;
use crate::formula::{Category, typing};
use crate::reduce::Reduction;
use proptest::prelude::*;

/// Float32 with one rounding an operation; functions are rounded from float64.
#[derive(Clone, Copy)]
struct Single;

impl Arithmetic for Single {
    type Value = f32;

    fn exact(&self, value: f64) -> f32 {
        value as f32
    }

    fn apply(&self, op: &Op, x: &[f32]) -> f32 {
        let f = x[0];
        match op {
            Op::Mod => f - x[1] * ((f - x[2]) / x[1]).floor(),
            Op::Rsqrt if f != 0.0 => 1.0 / f.sqrt(),
            Op::XLogX if f != 0.0 => f * f.ln(),
            Op::SinXDivX if f != 0.0 => f.sin() / f,
            Op::Pow(m) if *m < 0 => 1.0 / f.powi(-*m),
            Op::Pow(m) => f.powi(*m),
            Op::Round(d) if *d > 0 => (f * 10f32.powi(*d)).round() / 10f32.powi(*d),
            Op::Round(d) if *d < 0 => (f / 10f32.powi(-*d)).round() * 10f32.powi(-*d),
            op => {
                let wide: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
                scalar::apply(op, &wide) as f32
            }
        }
    }

    fn sum(&self, terms: &[f32]) -> f32 {
        terms[1..].iter().fold(terms[0], |sum, term| sum + term)
    }

    fn extremum(&self, op: &Op, terms: &[f32]) -> f32 {
        let wide: Vec<f64> = terms.iter().map(|t| f64::from(*t)).collect();
        scalar::Plain.extremum(op, &wide) as f32
    }

    fn is_true(&self, value: f32) -> bool {
        value != 0.0
    }

    fn one_hot(&self, f: f32, k: usize) -> f32 {
        if (f + 0.5).trunc() == k as f32 { 1.0 } else { 0.0 }
    }

    fn soft_min(&self, terms: &[f32], g: f32) -> f32 {
        let least = terms.iter().copied().fold(f32::NAN, f32::min);
        least - g * terms.iter().map(|a| ((least - a) / g).exp()).sum::<f32>().ln()
    }
}

/// Every operation, over results of others so that intervals are wide.
const FORMULAS: &[&str] = &[
    "-(x*y)",
    "Abs(x - y*y)",
    "Exp(x*y)",
    "Exp(-3*x*y)",
    "Log(x*y)",
    "Sin(x*y)",
    "Cos(x + y/3)",
    "Asin(x*y)",
    "Acos(x*0.3)",
    "Atan(x/y)",
    "Sqrt(x*x + y)",
    "Rsqrt(x - y/7)",
    "Inv(x - y)",
    "Square(x - y/3)",
    "XLogX(x*y)",
    "SinXDivX(x*y)",
    "Sign(x - y)",
    "Step(x*y - 1)",
    "ReLU(x*y - 1)",
    "Floor(x*y)",
    "Round(x*y, 0)",
    "Round(x, 2)",
    "Round(x*y, -1)",
    "Pow(x/3, 5)",
    "Pow(x - y, -3)",
    "x + y*0.1",
    "x - 1/y",
    "x*y*0.7",
    "x/(y*y)",
    "Powf(x*x, y)",
    "Powf(x, 2*y)",
    "Atan2(x*y, x - y)",
    "x*y == y*x",
    "x != y",
    "x*y < y",
    "x/3 <= y",
    "IfElse(x*y, x, y/3)",
    "Clamp(x*y, x/3, y)",
    "Clamp(x/3, -1, 1)",
    "Mod(x*y, y/3, 0)",
    "Mod(x, 3, 1)",
    "Sum(x*y)",
    "x | y",
    "SqDist(x, y)",
    "Norm2(x - y)",
    "Normalize(x*y)",
    "Max(x*y)",
    "Min(x/y)",
    "ArgMax(x*y)",
    "ArgMin(x - y)",
    "OneHot(x[0]*y[1], 4)",
    "MatVecMult(TensorProd(x, y), x/3)",
    "VecMatMult(y, TensorProd(x, x))",
    "Concat(x*y, x[1])",
    "WeightedSqNorm(TensorProd(x, y), x - y)",
    "Exp(-Norm2(x - y)/(y[0]*y[0]))",
    "1/(1 + SqDist(x, y))",
    "SoftDTW_SqDist(x, y/3, 0.5)",
    "Grad(SoftDTW_SqDist(x, y, 2), x, 1)",
    "ComplexMult(Concat(x, y[0]), Concat(y, x[0]))",
    "ComplexSquareAbs(Concat(x*y, x[0]))",
    "TensorDot(TensorProd(x, y), TensorProd(y, x), [3, 3], [3, 3], [1], [0])",
    "Kron(x, TensorProd(x, y), [3], [9])",
    "Log(1 + Square(ReLU(x[0]*x + y)*y[1]))",
];

fn numbers() -> impl Strategy<Value = [f32; 3]> {
    let number = prop_oneof![
        12 => -6.0..6.0f32,
        6 => (-4i8..5).prop_map(f32::from),
        1 => prop_oneof![Just(-0.0), Just(1e-40), Just(-1e-30), Just(3e20), Just(-2e38)],
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ];
    [number.clone(), number.clone(), number]
}

fn wide(rows: &[[f32; 3]]) -> Matrix<f64> {
    Matrix::new(rows.len(), 3, rows.iter().flatten().map(|v| f64::from(*v)).collect())
}

#[test]
fn every_operation_is_bounded_at_a_pair() {
    for text in FORMULAS {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let formula = typing::formula(text, None, &["x = Vi(3)", "y = Vj(3)"]).unwrap();
        let (known, all) = (std::cell::Cell::new(0u32), std::cell::Cell::new(0u32));
        let outcome = runner.run(&(numbers(), numbers()), |(x, y)| {
            let inputs = [wide(&[x]), wide(&[y])];
            let task = Task {
                formula: &formula,
                rows: Category::I,
                reduction: Reduction::Sum,
                float: Float::F32,
                inputs: &inputs,
                m: 1,
                n: 1,
            };
            let mut single = task.nodes(Single, Numbers::default());
            single.enter_row(0);
            single.enter_column(0);
            let bounds = pair(&task, 0, 0);
            for (found, bounded) in single.value(task.root()).iter().zip(&bounds) {
                prop_assert!(
                    bounded.allows(f64::from(*found)),
                    "{}: {} {:?}",
                    text,
                    found,
                    bounded
                );
                prop_assert!(bounded.allows(bounded.value), "{bounded:?}");
                known.set(known.get() + u32::from(!bounded.is_unknown()));
                all.set(all.get() + 1);
            }
            Ok(())
        });
        outcome.unwrap();
        // An equality of rounded products is known for about half of the numbers.
        assert!(
            known.get() * 5 > all.get() * 2,
            "{text}: {} of {} are known",
            known.get(),
            all.get()
        );
    }
}

#[test]
fn small_integers_are_exact() {
    let formula = "Floor((x*y + x - 2*y)/2) + (x*y == 6) + Mod(x*3, y, 0) + OneHot(x[0]*y[0], 3)";
    let formula = typing::formula(formula, None, &["x = Vi(3)", "y = Vj(3)"]).unwrap();
    let inputs = [wide(&[[1.0, 2.0, -3.0]]), wide(&[[2.0, 3.0, 4.0], [1.0, 1.0, 7.0]])];
    for float in [Float::F32, Float::F64] {
        let task = Task {
            formula: &formula,
            rows: Category::I,
            reduction: Reduction::Sum,
            float,
            inputs: &inputs,
            m: 1,
            n: 2,
        };
        for bounded in reduce(&task, Tree::sequential(2)).values.values {
            assert!(bounded.is_exact(), "{bounded:?}");
        }
    }
}

#[test]
fn zeros_keep_their_sign() {
    let at = |f: &str, x: f64| {
        let formula = typing::formula(f, None, &["x = Vi(1)", "y = Vj(1)"]).expect("a formula");
        let inputs = [Matrix::new(1, 1, vec![x]), Matrix::new(1, 1, vec![1.0])];
        let task = Task {
            formula: &formula,
            rows: Category::I,
            reduction: Reduction::Sum,
            float: Float::F64,
            inputs: &inputs,
            m: 1,
            n: 1,
        };
        pair(&task, 0, 0)[0]
    };
    // A product of a number that is not exact and a zero.
    let quotient = at("y / (Exp(x) * (x - x*y))", 0.3);
    assert!(quotient.is_exact() && quotient.value == f64::INFINITY, "{quotient:?}");
    let quotient = at("y / (Exp(x) * (-(x - x*y)))", 0.3);
    assert!(quotient.is_exact() && quotient.value == f64::NEG_INFINITY, "{quotient:?}");
    // A sum of zeros of sign minus may have begun with either, and so may what is made of it.
    for f in [
        "y / Sum(Concat(x, x*y))",
        "y / (2 * Sum(Concat(x, x*y)))",
        "y / (x + Sum(Concat(x, x*y)))",
    ] {
        assert!(at(f, -0.0).is_unknown(), "{f}: {:?}", at(f, -0.0));
    }
    // Engines are held to a sign that is certain.
    for (f, x, zero) in
        [("Abs(x)", -0.0, 0.0), ("Sin(x)", -0.0, -0.0), ("ReLU(x)", -0.0, -0.0), ("-x", 0.0, -0.0)]
    {
        let bounded = at(f, x);
        assert!(bounded.allows(zero) && !bounded.allows(-zero), "{f}: {bounded:?}");
    }
    for f in ["Sum(Concat(x, x*y))", "Max(Concat(x, -x))", "Min(Concat(x, -x))"] {
        let bounded = at(f, -0.0);
        assert!(bounded.allows(0.0) && bounded.allows(-0.0), "{f}: {bounded:?}");
    }
}

#[test]
fn products_beyond_the_largest_number_cancel_infinities_or_not() {
    let formula = typing::formula("x | y", None, &["x = Vi(2)", "y = Vj(2)"]).expect("a formula");
    let at = |x: [f64; 2], y: [f64; 2]| {
        let inputs = [Matrix::new(1, 2, x.to_vec()), Matrix::new(1, 2, y.to_vec())];
        let task = Task {
            formula: &formula,
            rows: Category::I,
            reduction: Reduction::Sum,
            float: Float::F32,
            inputs: &inputs,
            m: 1,
            n: 1,
        };
        pair(&task, 0, 0)[0]
    };
    // -inf, and 1e60, which is infinite in float32 unless it is added before it is rounded.
    assert!(at([f64::NEG_INFINITY, 1e30], [1.0, 1e30]).is_unknown());
    assert!(at([f64::NAN, 1e30], [1.0, 1e30]).is_nan());
    assert!(at([f64::INFINITY, 1e30], [1.0, 1e30]).is_exact());
}

#[test]
fn jumps_within_rounding_are_unknown() {
    let at = |text: &str, x: f32| {
        let formula = typing::formula(text, None, &["x = Pm(1)"]).unwrap();
        let task = Task {
            formula: &formula,
            rows: Category::I,
            reduction: Reduction::Sum,
            float: Float::F32,
            inputs: &[Matrix::new(1, 1, vec![f64::from(x)])],
            m: 1,
            n: 1,
        };
        pair(&task, 0, 0)[0]
    };
    for text in [
        "Floor(x/3*3)",
        "Step(x/3*3 - 1)",
        "Sign(x/3*3 - 1)",
        "x/3*3 == 1",
        "x/3*3 < 1",
        "IfElse(x/3*3 - 1, 5, 6)",
        "Round(x/3*3 - 0.5, 0)",
        "OneHot(x/3*1.5, 2)[0]",
        "Mod(x/3*3, 1, 0)",
        "Rsqrt(x/3*3 - 1)",
        "Sqrt(x/3*3 - 1)",
        "Inv(x/3*3 - 1)",
        "ArgMax(Concat(x/3*3, 1))",
        "Sin(x*1e30)",
    ] {
        assert!(at(text, 1.0).is_unknown(), "{text}: {:?}", at(text, 1.0));
        assert_eq!(at(text, 1.0).error(), f64::INFINITY);
        assert!(
            !at(text, 0.875).is_unknown() || text.starts_with("Sqrt") || text.starts_with("Sin")
        );
    }
    // Overflow: certain, uncertain, none.
    assert_eq!(at("Exp(x)", 200.0).low, f64::INFINITY);
    assert!(at("Exp(x)", 89.0).is_unknown());
    assert!(at("Exp(x)", 80.0).error() < 1e-4 * 80f64.exp());
    assert!(at("Exp(x)", -120.0).high < 1e-44);
}

#[test]
fn results_are_rounded_to_their_type() {
    let near = |value: f64| Bounded { value, low: value * 0.999_999, high: value * 1.000_001 };
    let third = near(1.0 / 3.0).stored(DType::F16);
    assert!(third.allows(half::f16::from_f64(1.0 / 3.0).to_f64()));
    assert!(third.error() < 1e-3 && !third.allows(1.0 / 3.0), "only numbers of the type");
    assert_eq!(Bounded::exact(0.1).stored(DType::F32).low, f64::from(0.1f32));
    assert_eq!(near(0.1).stored(DType::F64).error(), near(0.1).error());
    assert_eq!(Bounded::exact(1e6).stored(DType::F16).low, f64::INFINITY);
    assert!(near(65_519.99).stored(DType::F16).is_unknown(), "it may overflow or not");
}

/// Reductions of x | y in float32, one column after another.
fn sequential(reduction: Reduction, f: &[f32], g: &[f32]) -> Vec<f32> {
    let largest = f.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let base = largest.clamp(-f32::MAX, f32::MAX);
    let (mut norm, mut sum, mut direct) = (0f32, 0f32, 0f32);
    for (f, g) in f.iter().zip(g) {
        let e = (f - base).exp();
        norm += e;
        sum += e * g;
        direct += f;
    }
    match reduction {
        Reduction::Sum => vec![direct],
        Reduction::LogSumExp => vec![base + sum.ln()],
        Reduction::SumSoftMaxWeight => vec![sum / norm],
        Reduction::MaxSumShiftExp => vec![largest, sum],
        Reduction::Min => vec![f.iter().copied().fold(f32::NAN, f32::min)],
        _ => {
            let mut sorted: Vec<f32> = f.iter().copied().filter(|f| !f.is_nan()).collect();
            sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
            if sorted.is_empty() {
                sorted.resize(f.len(), f32::NAN);
            }
            sorted.resize(sorted.len().max(3), f32::INFINITY);
            sorted.truncate(3);
            sorted
        }
    }
}

/// Numbers on both sides of zero round to a zero of either sign, and a quotient by it is either infinity.
#[test]
fn zeros_of_numbers_around_zero_have_no_sign() {
    let rounding = Rounding::of(Float::F32);
    let around = Bounded { value: 1e-9, low: -1e-7, high: 1e-7 };
    for digits in [-2, 0, 2] {
        let rounded = rounding.apply(&Op::Round(digits), &[around]);
        assert!(rounded.is_either_zero(), "{digits}: {rounded:?}");
        let inverse = rounding.apply(&Op::Inv, &[rounded]);
        assert!(inverse.allows(f64::INFINITY) && inverse.allows(f64::NEG_INFINITY));
    }
    let floor = rounding.apply(&Op::Floor, &[Bounded::EITHER_ZERO]);
    assert!(floor.is_either_zero(), "{floor:?}");
    let product = rounding.apply(&Op::Mul, &[Bounded::exact(0.0), around]);
    assert!(product.is_either_zero(), "{product:?}");
    // -0 to an odd power is -0.
    let exponent = Bounded { value: 4.1, low: 4.0, high: 5.0 };
    let power = rounding.apply(&Op::Powf, &[Bounded::exact(-0.0), exponent]);
    assert!(power.is_either_zero(), "{power:?}");
}

/// F - max F may overflow to an infinite difference; its exponential is 0, and the largest term is still 1.
#[test]
fn differences_of_exponents_may_overflow() {
    let formula = typing::formula("y", None, &["y = Vj(1)"]).unwrap();
    let y = Matrix::new(3, 1, vec![f64::MAX, -f64::MAX, -1.0]);
    let task = Task {
        formula: &formula,
        rows: Category::I,
        reduction: Reduction::MaxSumShiftExp,
        float: Float::F64,
        inputs: &[y],
        m: 1,
        n: 3,
    };
    let bounds = reduce(&task, Tree::sequential(3));
    assert!(bounds.values.values[1].allows(1.0), "{:?}", bounds.values.values[1]);
}

/// The first two weights overflow relative to the first F, which engines begin with, though not relative to the largest.
#[test]
fn weights_that_overflow_before_the_largest_is_seen_are_unknown() {
    let formula = typing::formula("y[0]", Some("y[1]"), &["y = Vj(2)"]).unwrap();
    let weight = f64::MAX / 1.5;
    let task = Task {
        formula: &formula,
        rows: Category::I,
        reduction: Reduction::SumSoftMaxWeight,
        float: Float::F64,
        inputs: &[Matrix::new(3, 2, vec![0.0, weight, 0.0, weight, 800.0, weight])],
        m: 1,
        n: 3,
    };
    let bounds = reduce(&task, Tree::sequential(3));
    assert_eq!(bounds.values.values[0].value, weight);
    assert!(bounds.values.values[0].allows(f64::INFINITY), "{:?}", bounds.values.values[0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reduction_is_bounded(x in numbers(), y in prop::collection::vec(numbers(), 1..20)) {
        let f: Vec<f32> = y.iter().map(|y| x[0]*y[0] + x[1]*y[1] + x[2]*y[2]).collect();
        let g: Vec<f32> = y.iter().map(|y| y[0]).collect();
        let ones = vec![1f32; y.len()];
        let inputs = [wide(&[x]), wide(&y)];
        for (reduction, weight) in [
            (Reduction::Sum, None),
            (Reduction::LogSumExp, None),
            (Reduction::LogSumExp, Some("y[0]")),
            (Reduction::SumSoftMaxWeight, Some("y[0]")),
            (Reduction::MaxSumShiftExp, None),
            (Reduction::MaxSumShiftExp, Some("y[0]")),
            (Reduction::Min, None),
            (Reduction::KMin(3), None),
        ] {
            let formula = typing::formula("x | y", weight, &["x = Vi(3)", "y = Vj(3)"]).unwrap();
            let task = Task {
                formula: &formula,
                rows: Category::I,
                reduction,
                float: Float::F32,
                inputs: &inputs,
                m: 1,
                n: y.len(),
            };
            let bounds = reduce(&task, Tree { height: y.len() as f64, rescales: 0.0 });
            let weights = if weight.is_some() { &g } else { &ones };
            let found = sequential(reduction, &f, weights);
            for (found, bounded) in found.iter().zip(&bounds.values.values) {
                prop_assert!(
                    bounded.allows(f64::from(*found)), "{:?} {:?}: {} {:?}", reduction, weight, found, bounded
                );
            }
        }
    }
}
