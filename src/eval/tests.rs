//! The language's edge values (Appendix C of its reference), and the oracle against direct loops.

use super::*;
use crate::formula::typing;
use crate::reduce::Reduction;
use proptest::prelude::*;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// One argument: `rows` points.
fn points(rows: &[&[f64]]) -> Matrix<f64> {
    Matrix::new(rows.len(), rows.first().map_or(0, |r| r.len()), rows.concat())
}

/// A reduction over j with one row i = 0 of F and the weight given as j-points: `f` and `g` in formulas.
fn over_j(reduction: Reduction, f: &[&[f64]], g: Option<&[&[f64]]>) -> Outcome {
    let columns = [Some(f), g].into_iter().flatten();
    let inputs: Vec<Matrix<f64>> = columns
        .map(|rows| match rows.is_empty() {
            true => Matrix::new(0, 1, Vec::new()),
            false => points(rows),
        })
        .collect();
    let aliases: Vec<String> =
        inputs.iter().zip(["f", "g"]).map(|(x, name)| format!("{name} = Vj({})", x.dim)).collect();
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    let formula = typing::formula("f", g.map(|_| "g"), &aliases).unwrap();
    reduce(&Task {
        formula: &formula,
        rows: Category::I,
        reduction,
        float: Float::F64,
        inputs: &inputs,
        m: 1,
        n: f.len(),
    })
}

/// Values over a column of numbers.
fn values(reduction: Reduction, f: &[f64]) -> Vec<f64> {
    let rows: Vec<&[f64]> = f.iter().map(std::slice::from_ref).collect();
    over_j(reduction, &rows, None).values.values
}

/// Indices over a column of numbers.
fn indices(reduction: Reduction, f: &[f64]) -> Vec<i64> {
    let rows: Vec<&[f64]> = f.iter().map(std::slice::from_ref).collect();
    over_j(reduction, &rows, None).indices.unwrap().values
}

/// A formula of parameters `x`, `y` at one pair, as the oracle has it and as bounded.
fn at_in(float: Float, text: &str, x: &[f64], y: &[f64]) -> Vec<f64> {
    let aliases = [format!("x = Pm({})", x.len()), format!("y = Pm({})", y.len())];
    let formula = typing::formula(text, None, &[&aliases[0], &aliases[1]]).unwrap();
    let inputs = [points(&[x]), points(&[y])];
    let task = Task {
        formula: &formula,
        rows: Category::I,
        reduction: Reduction::Sum,
        float,
        inputs: &inputs,
        m: 1,
        n: 1,
    };
    let plain = pair(&task, 0, 0);
    for (bounded, plain) in bound::pair(&task, 0, 0).iter().zip(&plain) {
        assert!(bounded.allows(*plain), "{text}: {plain} is not in {bounded:?}");
    }
    plain
}

fn at(text: &str, x: &[f64], y: &[f64]) -> Vec<f64> {
    at_in(Float::F64, text, x, y)
}

/// Equal numbers, NaN equal to NaN, zeros with their sign.
#[track_caller]
fn same(found: &[f64], wanted: &[f64]) {
    let bits = |v: &[f64]| v.iter().map(|x| if x.is_nan() { 1 } else { x.to_bits() }).collect();
    let (a, b): (Vec<u64>, Vec<u64>) = (bits(found), bits(wanted));
    assert_eq!(a, b, "found {found:?}, wanted {wanted:?}");
}

#[test]
fn functions_at_their_edges() {
    same(&at("Sign(x)", &[0.0, NAN, -0.0, -3.0, INF], &[0.0]), &[0.0, 0.0, 0.0, -1.0, 1.0]);
    same(&at("Step(x)", &[0.0, -0.0, NAN, -1e-300], &[0.0]), &[1.0, 1.0, 1.0, 0.0]);
    same(&at("Rsqrt(x)", &[0.0, -0.0, 4.0, -1.0, INF], &[0.0]), &[0.0, 0.0, 0.5, NAN, 0.0]);
    same(&at("Sqrt(x)", &[4.0, -1.0, INF], &[0.0]), &[2.0, NAN, INF]);
    same(&at("XLogX(x)", &[0.0, -0.0, -1.0, INF, 1.0], &[0.0]), &[0.0, 0.0, NAN, INF, 0.0]);
    same(&at("SinXDivX(x)", &[0.0, -0.0, INF, -INF], &[0.0]), &[1.0, 1.0, NAN, NAN]);
    same(&at("Inv(x)", &[0.0, -0.0, INF], &[0.0]), &[INF, -INF, 0.0]);
    same(&at("Log(x)", &[0.0, -1.0, 1.0, INF], &[0.0]), &[-INF, NAN, 0.0, INF]);
    same(&at("Pow(x, 0)", &[NAN, 2.0], &[0.0]), &[1.0, 1.0]);
    same(&at("Pow(x, -1)", &[0.0, 4.0], &[0.0]), &[INF, 0.25]);
    same(
        &at("Powf(x, y)", &[NAN, 0.0, -8.0, -2.0], &[0.0, 0.0, 1.0 / 3.0, 3.0]),
        &[1.0, 1.0, NAN, -8.0],
    );
    same(&at("ReLU(x)", &[NAN, -0.0, -1.0, 2.0], &[0.0]), &[NAN, -0.0, 0.0, 2.0]);
    same(&at("Asin(x) + Acos(x)", &[1.5, -1.5], &[0.0]), &[NAN, NAN]);
    same(&at("Abs(x)", &[NAN, -0.0, -2.0], &[0.0]), &[NAN, 0.0, 2.0]);
    same(&at("Floor(x)", &[-0.5, 2.5, -2.0], &[0.0]), &[-1.0, 2.0, -2.0]);
    same(&at("Atan2(x, y)", &[0.0, -0.0, 0.0], &[1.0, 1.0, 0.0]), &[0.0, -0.0, 0.0]);
}

#[test]
fn rounding_and_remainders() {
    same(&at("Round(x, 0)", &[2.5, -0.5, 0.49999999999999994], &[0.0]), &[3.0, -1.0, 0.0]);
    same(&at("Round(x, 1)", &[0.35], &[0.0]), &[0.4]);
    same(&at("Round(x, -1)", &[25.0, 15.0, -15.0, 14.0], &[0.0]), &[30.0, 20.0, -20.0, 10.0]);
    same(
        &at("Mod(x, y, 0)", &[5.5, 5.5, -1.0, -1.0, 1.0], &[3.0, -3.0, 3.0, -3.0, 0.0]),
        &[2.5, -0.5, 2.0, -1.0, NAN],
    );
    same(&at("Mod(x, 3, 1)", &[-3.0, 3.0], &[0.0]), &[3.0, 3.0]);
}

#[test]
fn choices() {
    same(&at("IfElse(x, 7, 9)", &[0.0, -0.0, NAN, -1.0, 1.0], &[0.0]), &[7.0, 7.0, 9.0, 9.0, 7.0]);
    same(&at("Clamp(x, 1, 0)", &[0.0, 2.0, 1.0, NAN], &[0.0]), &[1.0, 0.0, 0.0, NAN]);
    same(&at("ClampInt(x, -1, 2)", &[-5.0, 0.5, 5.0, NAN], &[0.0]), &[-1.0, 0.5, 2.0, NAN]);
    same(
        &at("DiffClampInt(x, -1, 2)", &[-1.0, 2.0, 2.5, NAN, -9.0], &[0.0]),
        &[1.0, 1.0, 0.0, 1.0, 0.0],
    );
    same(&at("x == y", &[1.0, NAN, 0.0], &[1.0, NAN, -0.0]), &[1.0, 0.0, 1.0]);
    same(&at("x != y", &[1.0, NAN, 0.0], &[1.0, NAN, -0.0]), &[0.0, 1.0, 0.0]);
    same(&at("x < y", &[1.0, NAN, -1.0], &[1.0, 1.0, NAN]), &[0.0, 0.0, 0.0]);
    same(&at("x >= y", &[1.0, NAN, 2.0], &[1.0, 1.0, 1.0]), &[1.0, 0.0, 1.0]);
}

#[test]
fn extrema_within_vectors_ignore_nan() {
    // KeOps gives NaN for a NaN in front; the rule here does not depend on the place.
    same(&at("Max(x)", &[NAN, 1.0, 2.0], &[0.0]), &[2.0]);
    same(&at("Max(x)", &[1.0, NAN, 0.0], &[0.0]), &[1.0]);
    same(&at("Min(x)", &[1.0, NAN, 0.0], &[0.0]), &[0.0]);
    same(&at("Min(x)", &[NAN, NAN], &[0.0]), &[NAN]);
    same(&at("ArgMax(x)", &[1.0, 1.0, 0.0], &[0.0]), &[0.0]);
    same(&at("ArgMin(x)", &[NAN, 2.0, -1.0, -1.0], &[0.0]), &[2.0]);
    same(&at("ArgMin(x)", &[NAN, NAN], &[0.0]), &[0.0]);
    same(&at("ArgMax(x)", &[NAN, -INF], &[0.0]), &[1.0]);
}

#[test]
fn one_hot_truncates() {
    same(&at("OneHot(x, 3)", &[1.49], &[0.0]), &[0.0, 1.0, 0.0]);
    same(&at("OneHot(x, 3)", &[1.5], &[0.0]), &[0.0, 0.0, 1.0]);
    same(&at("OneHot(x, 2)", &[0.49], &[0.0]), &[1.0, 0.0]);
    same(&at("OneHot(x, 2)", &[-0.9], &[0.0]), &[1.0, 0.0]);
    for outside in [3.0, -2.0, NAN, INF, -INF, 1e300] {
        same(&at("OneHot(x, 3)", &[outside], &[0.0]), &[0.0; 3]);
    }
}

#[test]
fn structure_and_small_matrices_are_row_major() {
    let six = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    same(&at("MatVecMult(x, y)", &six, &[1.0, 10.0]), &[10.0, 32.0, 54.0]);
    same(&at("VecMatMult(y, x)", &six, &[1.0, 10.0]), &[30.0, 41.0, 52.0]);
    same(
        &at("TensorProd(x, y)", &[1.0, 10.0], &[1.0, 10.0, 100.0]),
        &[1.0, 10.0, 100.0, 10.0, 100.0, 1000.0],
    );
    same(&at("Concat(x, y, x[1])", &[1.0, 2.0], &[3.0]), &[1.0, 2.0, 3.0, 2.0]);
    same(&at("ExtractT(x, 1, 4)", &[1.0, 2.0], &[3.0]), &[0.0, 1.0, 2.0, 0.0]);
    same(&at("ElemT(y, 3, 2) + Elem(x, 0)", &[1.0, 2.0], &[3.0]), &[1.0, 1.0, 4.0]);
    same(&at("Extract(x, 1, 2)", &six, &[0.0]), &[1.0, 2.0]);
    same(&at("x | y", &[1.0, 2.0], &[3.0, 4.0]), &[11.0]);
    same(&at("x | y", &[1.0, 2.0], &[3.0]), &[9.0]);
    same(&at("WeightedSqNorm(x, y)", &[1.0, 2.0, 3.0, 4.0], &[1.0, 10.0]), &[451.0]);
    same(&at("Normalize(x)", &[0.0, 0.0], &[0.0]), &[0.0, 0.0]);
    same(&at("SumT(y, 3)", &[0.0], &[2.0]), &[2.0; 3]);
}

#[test]
fn literals_round_once_to_the_compute_type() {
    same(&at_in(Float::F64, "x*0.1", &[1.0], &[0.0]), &[0.1]);
    same(&at_in(Float::F32, "x*0.1", &[1.0], &[0.0]), &[f64::from(0.1f32)]);
    same(&at_in(Float::F64, "x*(1/3)", &[1.0], &[0.0]), &[1.0 / 3.0]);
    same(&at_in(Float::F64, "x*16777217", &[1.0], &[0.0]), &[16_777_217.0]);
    same(&at_in(Float::F32, "x*16777217", &[1.0], &[0.0]), &[16_777_216.0]);
}

#[test]
fn selections_ignore_nan_and_take_the_first_of_equals() {
    let f = [-2.0, NAN, -1.0, -3.0, -3.0, -1.0];
    assert_eq!(indices(Reduction::ArgMin, &f), [3]);
    same(&values(Reduction::Max, &f), &[-1.0]);
    assert_eq!(indices(Reduction::ArgMax, &f), [2]);
    same(&values(Reduction::MinArgMin, &f), &[-3.0]);
    assert_eq!(indices(Reduction::MaxArgMax, &f), [2]);
    let f = [2.0, NAN, 1.0];
    same(&values(Reduction::KMin(4), &f), &[1.0, 2.0, INF, INF]);
    assert_eq!(indices(Reduction::ArgKMin(4), &f), [2, 0, -1, -1], "-1: no such point");
    assert_eq!(indices(Reduction::ArgKMin(3), &[2.0, 1.0, 1.0, 2.0, 1.0]), [1, 2, 4]);
    // +inf is a value like others; what is missing has index -1.
    assert_eq!(indices(Reduction::ArgKMin(3), &[INF, NAN, INF]), [0, 2, -1]);
    assert_eq!(indices(Reduction::ArgMin, &[NAN, INF]), [1]);
    assert_eq!(indices(Reduction::ArgMin, &[0.0, -0.0]), [0], "zeros are equal");
    same(&values(Reduction::Min, &[NAN, NAN]), &[NAN]);
    assert_eq!(indices(Reduction::ArgMax, &[NAN, NAN]), [-1]);
    assert_eq!(indices(Reduction::KMinArgKMin(2), &[NAN]), [-1, -1]);
    same(&values(Reduction::KMinArgKMin(2), &[NAN]), &[NAN, INF]);
}

#[test]
fn k_smallest_come_k_first_then_component() {
    let outcome = over_j(Reduction::KMinArgKMin(2), &[&[3.0, 1.0], &[1.0, 2.0], &[2.0, 0.0]], None);
    same(&outcome.values.values, &[1.0, 0.0, 2.0, 1.0]);
    assert_eq!(outcome.indices.unwrap().values, [1, 2, 2, 0]);
}

#[test]
fn empty_axes() {
    same(&values(Reduction::Sum, &[]), &[0.0]);
    same(&values(Reduction::Min, &[]), &[INF]);
    same(&values(Reduction::Max, &[]), &[-INF]);
    same(&values(Reduction::KMin(2), &[]), &[INF, INF]);
    same(&values(Reduction::LogSumExp, &[]), &[-INF]);
    same(&values(Reduction::MaxSumShiftExp, &[]), &[-INF, 0.0]);
    let softmax = over_j(Reduction::SumSoftMaxWeight, &[], Some(&[]));
    same(&softmax.values.values, &[NAN]);
    assert_eq!(indices(Reduction::ArgMin, &[]), [-1]);
    assert_eq!(indices(Reduction::ArgMax, &[]), [-1]);
    assert_eq!(indices(Reduction::ArgKMin(2), &[]), [-1, -1]);
}

#[test]
fn log_sum_exp_with_infinities() {
    let of = |f: &[f64]| values(Reduction::LogSumExp, f);
    same(&of(&[-INF, 0.0, 0.0]), &[2f64.ln()]);
    same(&of(&[-INF, -INF]), &[-INF]);
    same(&of(&[INF, 1.0, INF]), &[INF]);
    same(&of(&[INF, -INF]), &[INF]);
    same(&of(&[0.0, NAN]), &[NAN]);
    same(&of(&[INF, NAN]), &[NAN]);
    same(&of(&[1000.0, 1000.0]), &[1000.0 + 2f64.ln()]);
    same(&values(Reduction::MaxSumShiftExp, &[-INF, 3.0, 3.0]), &[3.0, 2.0]);
}

#[test]
fn exponential_reductions_with_weights() {
    let (f, g): (&[&[f64]], &[&[f64]]) = (&[&[0.0], &[1.0]], &[&[1.0, 2.0], &[3.0, 4.0]]);
    let of = |reduction| over_j(reduction, f, Some(g)).values.values;
    same(&of(Reduction::LogSumExp), &[2.2142833003627604, 2.5551419846181966]);
    same(&of(Reduction::SumSoftMaxWeight), &[2.4621171572600096, 3.4621171572600096]);
    same(&of(Reduction::MaxSumShiftExp), &[1.0, 3.3678794411714423, 4.735758882342885]);
    let negative = over_j(Reduction::LogSumExp, f, Some(&[&[1.0], &[-1.0]]));
    same(&negative.values.values, &[NAN]);
    let nothing = over_j(Reduction::LogSumExp, f, Some(&[&[0.0], &[0.0]]));
    same(&nothing.values.values, &[-INF]);
}

/// Two clouds and what is done with them.
fn clouds() -> impl Strategy<Value = (Vec<[f64; 2]>, Vec<[f64; 2]>)> {
    let number = prop_oneof![
        8 => -4.0..4.0f64,
        2 => (-3i32..4).prop_map(f64::from),
        1 => prop_oneof![Just(0.0), Just(-0.0), Just(1e-310), Just(1e30)],
    ];
    let cloud = |most| prop::collection::vec([number.clone(), number.clone()], 0..most);
    (cloud(6), cloud(12))
}

fn run(
    text: &str,
    reduction: Reduction,
    rows: Category,
    x: &[[f64; 2]],
    y: &[[f64; 2]],
) -> Outcome {
    let formula = typing::formula(text, None, &["x = Vi(2)", "y = Vj(2)"]).unwrap();
    let inputs = [Matrix::new(x.len(), 2, x.concat()), Matrix::new(y.len(), 2, y.concat())];
    reduce(&Task {
        formula: &formula,
        rows,
        reduction,
        float: Float::F64,
        inputs: &inputs,
        m: x.len(),
        n: y.len(),
    })
}

/// Equal up to rounding of a few operations on terms of total size `size`.
fn close(found: f64, wanted: f64, size: f64) -> bool {
    found == wanted
        || (found.is_nan() && wanted.is_nan())
        || (found - wanted).abs() <= 1e-14 * (size + wanted.abs())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_direct_loops((x, y) in clouds()) {
        let found = run("Exp(-SqNorm2(x - y))", Reduction::Sum, Category::I, &x, &y);
        for (p, found) in x.iter().zip(&found.values.values) {
            let mut sum = 0.0;
            for q in &y {
                sum += (-((p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2))).exp();
            }
            prop_assert!(close(*found, sum, y.len() as f64), "{found} {sum}");
        }
    }

    #[test]
    fn log_sum_exp_is_the_log_of_a_sum((x, y) in clouds()) {
        let found = run("x | y", Reduction::LogSumExp, Category::J, &x, &y);
        for (q, found) in y.iter().zip(&found.values.values) {
            let terms: Vec<f64> = x.iter().map(|p| p[0] * q[0] + p[1] * q[1]).collect();
            let direct = terms.iter().map(|t| t.exp()).sum::<f64>().ln();
            let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // Where the direct way overflows or underflows, the largest term is all there is.
            let wanted = if largest.abs() > 600.0 { largest } else { direct };
            prop_assert!(close(*found, wanted, 1.0 + largest.abs()), "{found} {wanted}");
        }
    }

    #[test]
    fn the_k_smallest_are_the_first_of_a_stable_sort((x, y) in clouds(), k in 1u32..5) {
        let outcome = run("SqDist(x, y)", Reduction::KMinArgKMin(k), Category::I, &x, &y);
        let (values, indices) = (outcome.values, outcome.indices.unwrap());
        for (i, p) in x.iter().enumerate() {
            let distance =
                |q: &[f64; 2]| (p[0] - q[0]) * (p[0] - q[0]) + (p[1] - q[1]) * (p[1] - q[1]);
            let mut sorted: Vec<(f64, i64)> =
                y.iter().zip(0..).map(|(q, j)| (distance(q), j)).collect();
            sorted.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap());
            sorted.resize(k as usize, (INF, -1));
            let found: Vec<(f64, i64)> =
                values.row(i).iter().copied().zip(indices.row(i).iter().copied()).collect();
            prop_assert_eq!(found, sorted);
        }
    }

    #[test]
    fn swapping_the_roles_swaps_the_axes((x, y) in clouds()) {
        for reduction in [Reduction::Sum, Reduction::Min, Reduction::LogSumExp] {
            let there = run("x[0]*y[1] - x[1]", reduction, Category::I, &x, &y);
            let back = run("y[0]*x[1] - y[1]", reduction, Category::J, &y, &x);
            prop_assert_eq!(format!("{there:?}"), format!("{back:?}"));
        }
    }

    #[test]
    fn bounds_contain_a_float32_evaluation((x, y) in clouds()) {
        let narrow = |cloud: &[[f64; 2]]| -> Vec<[f64; 2]> {
            cloud.iter().map(|p| p.map(|v| f64::from(v as f32))).collect()
        };
        let (x, y) = (narrow(&x), narrow(&y));
        let formula = typing::formula("Exp(-SqDist(x, y)*0.3)*y[1]", None, &["x = Vi(2)", "y = Vj(2)"]);
        let formula = formula.unwrap();
        let inputs = [Matrix::new(x.len(), 2, x.concat()), Matrix::new(y.len(), 2, y.concat())];
        let task = Task {
            formula: &formula,
            rows: Category::I,
            reduction: Reduction::Sum,
            float: Float::F32,
            inputs: &inputs,
            m: x.len(),
            n: y.len(),
        };
        let bounds = bound::reduce(&task, bound::Tree::sequential(y.len()));
        for (p, bounded) in x.iter().zip(&bounds.values.values) {
            let mut sum = 0f32;
            for q in &y {
                let [a, b] = [0, 1].map(|k| p[k] as f32 - q[k] as f32);
                sum += (-(a * a + b * b) * 0.3).exp() * q[1] as f32;
            }
            prop_assert!(bounded.allows(f64::from(sum)), "{sum} {bounded:?}");
            // Not vacuous: terms are at most 4 in size or underflow, or the whole is unknown.
            let terms: f64 = y.iter().map(|q| q[1].abs()).sum();
            prop_assert!(bounded.is_unknown() == (terms > 1e38) , "{bounded:?}");
        }
    }
}
