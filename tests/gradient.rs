//! Derivatives of reductions against central differences of the oracle.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use genred::{Backend, Genred, Kernel, Reduction, View};

const M: usize = 5;
const N: usize = 7;
const ALIASES: [&str; 5] = ["x = Vi(3)", "y = Vj(3)", "g = Pm(1)", "b = Vj(2)", "p = Vi(2)"];
const DIMS: [usize; 5] = [3, 3, 1, 2, 2];
const ROWS: [usize; 5] = [M, N, 1, N, M];
/// Step of the central differences: their error is about the cube root of the unit roundoff, squared.
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-7;

struct Case {
    reduction: Reduction,
    formula: &'static str,
    weight: Option<&'static str>,
    dim: u32,
}

fn cases() -> Vec<Case> {
    let gauss = "Exp(-g * SqDist(x, y)) * (b + p)";
    let scalar = "-g * SqDist(x, y) + (b | p)";
    let vector = "g * (x - y) * Sum(b)";
    let case = |reduction, formula, weight, dim| Case { reduction, formula, weight, dim };
    vec![
        case(Reduction::Sum, gauss, None, 2),
        case(Reduction::Sum, "Sqrt(1 + SqNorm2(x - y)) / (2 + Cos(g * b[0]))", None, 1),
        case(Reduction::LogSumExp, scalar, None, 1),
        case(Reduction::LogSumExp, scalar, Some("Exp(b + p)"), 2),
        case(Reduction::SumSoftMaxWeight, scalar, Some("b * g + p"), 2),
        case(Reduction::Min, vector, None, 3),
        case(Reduction::Max, vector, None, 3),
        case(Reduction::KMin(2), vector, None, 6),
        case(Reduction::MinArgMin, scalar, None, 1),
    ]
}

fn kernel(case: &Case, output: &str, backend: Backend) -> Kernel<f64> {
    let mut genred = Genred::<f64>::reduction(case.reduction, case.formula)
        .output(format!("a = {output}({})", case.dim))
        .aliases(ALIASES)
        .backend(backend);
    if let Some(weight) = case.weight {
        genred = genred.weight(weight);
    }
    genred.compile().unwrap()
}

fn numbers(len: usize, seed: u32) -> Vec<f64> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 24) * 2.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn data() -> Vec<Vec<f64>> {
    let mut data: Vec<Vec<f64>> =
        DIMS.iter().zip(ROWS).zip(1..).map(|((d, r), k)| numbers(d * r, k)).collect();
    data[2] = vec![0.7];
    data
}

fn views(data: &[Vec<f64>]) -> Vec<View<'_, f64>> {
    data.iter().zip(DIMS).map(|(v, dim)| View::new(v, v.len() / dim, dim).unwrap()).collect()
}

/// The sum of seed * result, of the oracle.
fn energy(oracle: &Kernel<f64>, data: &[Vec<f64>], seed: &[f64]) -> f64 {
    let result = oracle.call(&views(data)).unwrap();
    result.as_slice().iter().zip(seed).map(|(a, e)| a * e).sum()
}

#[test]
fn gradients_agree_with_central_differences() {
    for case in cases() {
        for (output, rows) in [("Vi", M), ("Vj", N)] {
            let kernel = kernel(&case, output, Backend::Auto);
            let oracle = self::kernel(&case, output, Backend::Eval);
            let seed = numbers(rows * case.dim as usize, 99);
            let seed_view = View::new(&seed, rows, case.dim as usize).unwrap();
            let base = data();
            for (k, alias) in ALIASES.iter().enumerate() {
                let name = &alias[..1];
                let gradient = kernel.grad(name).unwrap().call(&views(&base), seed_view).unwrap();
                assert_eq!((gradient.rows(), gradient.dim()), (ROWS[k], DIMS[k]));
                for n in 0..base[k].len() {
                    let at = |delta: f64| {
                        let mut moved = base.clone();
                        moved[k][n] += delta;
                        energy(&oracle, &moved, &seed)
                    };
                    let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    let got = gradient.as_slice()[n];
                    let scale = 1.0 + expected.abs();
                    assert!(
                        (got - expected).abs() <= TOLERANCE * scale,
                        "{:?} of {} by {name}[{n}], {output}: {got} instead of {expected}",
                        case.reduction,
                        case.formula
                    );
                }
            }
        }
    }
}

#[test]
fn directional_derivatives_agree_with_central_differences() {
    for case in cases().into_iter().take(5) {
        let kernel = kernel(&case, "Vi", Backend::Auto);
        let oracle = self::kernel(&case, "Vi", Backend::Eval);
        let base = data();
        for (k, alias) in ALIASES.iter().enumerate() {
            let name = &alias[..1];
            let change = numbers(base[k].len(), 7);
            let view = View::new(&change, ROWS[k], DIMS[k]).unwrap();
            let tangent = kernel.diff(name).unwrap().call(&views(&base), view).unwrap();
            let at = |step: f64| {
                let mut moved = base.clone();
                moved[k].iter_mut().zip(&change).for_each(|(v, c)| *v += step * c);
                oracle.call(&views(&moved)).unwrap()
            };
            let (after, before) = (at(STEP), at(-STEP));
            for (n, got) in tangent.as_slice().iter().enumerate() {
                let expected = (after.as_slice()[n] - before.as_slice()[n]) / (2.0 * STEP);
                let scale = 1.0 + expected.abs();
                assert!((got - expected).abs() <= TOLERANCE * scale, "{} by {name}", case.formula);
            }
        }
    }
}

#[test]
fn index_reductions_have_zero_gradients() {
    let case = Case { reduction: Reduction::ArgMin, formula: "SqDist(x, y)", weight: None, dim: 1 };
    let kernel = kernel(&case, "Vi", Backend::Auto);
    let (data, seed) = (data(), [1.0; M]);
    let gradient = kernel.grad("y").unwrap();
    let zero = gradient.call(&views(&data), View::new(&seed, M, 1).unwrap()).unwrap();
    assert_eq!(zero.as_slice(), [0.0; N * 3]);
}

#[test]
fn wrong_names_and_seeds_are_refused() {
    let case = &cases()[0];
    let kernel = kernel(case, "Vi", Backend::Auto);
    assert!(kernel.grad("q").unwrap_err().to_string().contains("the arguments are x, y, g, b, p"));
    let (data, seed) = (data(), [1.0; M]);
    let wrong = View::new(&seed, M, 1).unwrap();
    let error = kernel.grad("x").unwrap().call(&views(&data), wrong).unwrap_err();
    assert!(error.is_shape() && error.to_string().contains("5 x 1"));
}
