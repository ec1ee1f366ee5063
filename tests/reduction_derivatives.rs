//! Derivatives of whole reductions, which are sums again, against differences of the oracle's results.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use genred::eval::{self, Matrix, Task};
use genred::formula::grad::{self, Direction, Extra, Outer};
use genred::formula::{Category, Formula, typing};
use genred::{Float, Reduction};

const ALIASES: [&str; 5] = ["x = Vi(2)", "y = Vj(2)", "s = Pm(1)", "b = Vj(3)", "p = Pm(2)"];
const M: usize = 3;
const N: usize = 5;

fn rows_of(category: Category) -> usize {
    match category {
        Category::I => M,
        Category::J => N,
        Category::Param => 1,
    }
}

/// Numbers between -1 and 1 that look random.
fn numbers(rows: usize, dim: usize, seed: u64) -> Matrix<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0
    };
    Matrix::new(rows, dim, (0..rows * dim).map(|_| next()).collect())
}

fn reduce(
    formula: &Formula,
    reduction: Reduction,
    rows: Category,
    inputs: &[Matrix<f64>],
) -> Matrix<f64> {
    let task = Task { formula, rows, reduction, float: Float::F64, inputs, m: M, n: N };
    eval::reduce(&task).values
}

fn dot(a: &Matrix<f64>, b: &Matrix<f64>) -> f64 {
    assert_eq!((a.rows, a.dim), (b.rows, b.dim));
    a.values.iter().zip(&b.values).map(|(a, b)| a * b).sum()
}

/// The derivative of `f` along `u` of one argument, by five points.
fn difference(
    f: impl Fn(&[Matrix<f64>]) -> Matrix<f64>,
    inputs: &[Matrix<f64>],
    at: usize,
    u: &Matrix<f64>,
) -> Matrix<f64> {
    const STEP: f64 = 1e-3;
    let moved = |steps: f64| {
        let mut inputs = inputs.to_vec();
        inputs[at].values.iter_mut().zip(&u.values).for_each(|(x, u)| *x += steps * STEP * u);
        f(&inputs)
    };
    let (a, b, c, d) = (moved(-2.0), moved(-1.0), moved(1.0), moved(2.0));
    let rule =
        |k: usize| (a.values[k] - d.values[k] + 8.0 * (c.values[k] - b.values[k])) / (12.0 * STEP);
    Matrix::new(a.rows, a.dim, (0..a.values.len()).map(rule).collect())
}

fn check(formula: &str, weight: Option<&str>, outer: Outer, reduction: Reduction) {
    let typed = typing::formula(formula, weight, &ALIASES).unwrap_or_else(|e| panic!("{e}"));
    let inputs: Vec<Matrix<f64>> = typed
        .variables
        .iter()
        .enumerate()
        .map(|(k, v)| numbers(rows_of(v.category), v.dim as usize, 3 + k as u64))
        .collect();
    let without_weight = typing::formula(formula, None, &ALIASES).unwrap();
    for rows in [Category::I, Category::J] {
        let result = reduce(&typed, reduction, rows, &inputs);
        let log_sum = (outer == Outer::SumSoftMax)
            .then(|| reduce(&without_weight, Reduction::LogSumExp, rows, &inputs));
        let seed = numbers(result.rows, result.dim, 77);
        for (at, variable) in typed.variables.iter().enumerate() {
            let what =
                format!("{formula}, {weight:?}, {outer:?}, rows {rows:?}, by {}", variable.name);
            let change = numbers(inputs[at].rows, inputs[at].dim, 99);
            let expected = difference(|x| reduce(&typed, reduction, rows, x), &inputs, at, &change);
            let arguments = |extra: &[Extra]| -> Vec<Matrix<f64>> {
                let more = extra.iter().map(|extra| match extra {
                    Extra::Seed => seed.clone(),
                    Extra::Change => change.clone(),
                    Extra::Result => result.clone(),
                    Extra::LogSum => log_sum.clone().expect("asked for by softmax means only"),
                });
                inputs.iter().cloned().chain(more).collect()
            };
            let tangent =
                grad::derivative(&typed, outer, rows, at as u32, Direction::Tangent).unwrap();
            assert_eq!(tangent.rows, rows);
            let found = reduce(&tangent.formula, Reduction::Sum, rows, &arguments(&tangent.extra));
            for (f, e) in found.values.iter().zip(&expected.values) {
                assert!((f - e).abs() < 1e-9 * (1.0 + e.abs()), "{what}: {f}, wanted {e}");
            }
            let adjoint =
                grad::derivative(&typed, outer, rows, at as u32, Direction::Adjoint).unwrap();
            let gradient =
                reduce(&adjoint.formula, Reduction::Sum, adjoint.rows, &arguments(&adjoint.extra));
            let gradient = match variable.category {
                Category::Param => {
                    let total =
                        |k: usize| (0..gradient.rows).map(|row| gradient.row(row)[k]).sum::<f64>();
                    Matrix::new(1, gradient.dim, (0..gradient.dim).map(total).collect())
                }
                category => {
                    assert_eq!(adjoint.rows, category);
                    gradient
                }
            };
            let (a, b) = (dot(&gradient, &change), dot(&seed, &expected));
            assert!((a - b).abs() < 1e-8 * (1.0 + b.abs()), "{what}: {a}, wanted {b}");
        }
    }
}

#[test]
fn sums() {
    check("Exp(-s*SqDist(x, y))*b + p[0]", None, Outer::Sum, Reduction::Sum);
    check("x*y*p", None, Outer::Sum, Reduction::Sum);
    check("Sum(b)", None, Outer::Sum, Reduction::Sum);
}

#[test]
fn logarithms_of_sums_of_exponentials() {
    check("-SqDist(x*p, y)*s", None, Outer::LogSumExp, Reduction::LogSumExp);
    check("(x | y)*s", Some("Exp(b)"), Outer::LogSumExp, Reduction::LogSumExp);
    check("(x | y)", Some("Exp(b*s + p[1]*x[0])"), Outer::LogSumExp, Reduction::LogSumExp);
}

#[test]
fn softmax_means() {
    check("-SqDist(x*p, y)*s", Some("b"), Outer::SumSoftMax, Reduction::SumSoftMaxWeight);
    check("(x | y)", Some("x*y*p"), Outer::SumSoftMax, Reduction::SumSoftMaxWeight);
}

/// A smallest value has the gradient of the term that it is, at the point where it is found.
#[test]
fn smallest_values() {
    let formula = typing::formula("Exp(-s*SqDist(x, y))*b", None, &ALIASES).unwrap();
    let inputs: Vec<Matrix<f64>> = formula
        .variables
        .iter()
        .enumerate()
        .map(|(k, v)| numbers(rows_of(v.category), v.dim as usize, 3 + k as u64))
        .collect();
    let task = Task {
        formula: &formula,
        rows: Category::I,
        reduction: Reduction::MinArgMin,
        float: Float::F64,
        inputs: &inputs,
        m: M,
        n: N,
    };
    let found = eval::reduce(&task).indices.unwrap();
    for component in 0..3 {
        // The j-points of the smallest values, one for each row.
        let gathered: Vec<Matrix<f64>> = inputs
            .iter()
            .zip(&formula.variables)
            .map(|(input, v)| match v.category {
                Category::J => {
                    let points = (0..M).map(|i| input.row(found.row(i)[component] as usize));
                    Matrix::new(M, input.dim, points.collect::<Vec<_>>().concat())
                }
                _ => input.clone(),
            })
            .collect();
        for (at, variable) in formula.variables.iter().enumerate() {
            let gradient =
                grad::at_selected(&formula, Category::I, component as u32, at as u32).unwrap();
            let mut arguments = gathered.clone();
            arguments.push(Matrix::new(M, 1, vec![1.0; M]));
            let task = Task {
                formula: &gradient,
                rows: Category::I,
                reduction: Reduction::Sum,
                float: Float::F64,
                inputs: &arguments,
                m: M,
                n: 1,
            };
            let gradient = eval::reduce(&task).values;
            for i in 0..M {
                let mut change = Matrix::new(
                    gathered[at].rows,
                    gathered[at].dim,
                    vec![0.0; gathered[at].values.len()],
                );
                let row = if variable.category == Category::Param { 0 } else { i };
                for k in 0..change.dim {
                    change.values.fill(0.0);
                    change.values[row * gathered[at].dim + k] = 1.0;
                    let at_pair = |x: &[Matrix<f64>]| {
                        let point = |k: usize| match formula.variables[k].category {
                            Category::Param => x[k].clone(),
                            _ => Matrix::new(1, x[k].dim, x[k].row(i).to_vec()),
                        };
                        let inputs: Vec<Matrix<f64>> = (0..x.len()).map(point).collect();
                        let task = Task {
                            formula: &formula,
                            rows: Category::I,
                            reduction: Reduction::Sum,
                            float: Float::F64,
                            inputs: &inputs,
                            m: 1,
                            n: 1,
                        };
                        Matrix::new(1, 1, vec![eval::pair(&task, 0, 0)[component]])
                    };
                    let expected = difference(at_pair, &gathered, at, &change).values[0];
                    let found = gradient.row(i)[k];
                    let close = (found - expected).abs() < 1e-9 * (1.0 + expected.abs());
                    assert!(close, "by {}, row {i}: {found}, wanted {expected}", variable.name);
                }
            }
        }
    }
}
