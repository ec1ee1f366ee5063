//! The four documented examples, run as documented: shapes, values against the oracle, and the printed results.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod suite;

use genred::{
    Array, Float, Kernel, Reduction, View, generic_argkmin, generic_argmin, generic_logsumexp,
    generic_sum,
};
use suite::{Argument, Call, Compiled, Layout, Problem, bounds, check, uniform};

/// Rows and columns: enough for several blocks and tiles, few enough for the oracle, which is slow without optimisation.
const M: usize = 150;
const N: usize = 3_000;
/// The same in dimension 100.
const FEW_ROWS: usize = 40;
const FEW_COLUMNS: usize = 600;

/// Points in the unit cube, as the examples draw them.
fn points(m: usize, n: usize, problem: &Problem) -> Call {
    Call::filled(&problem.typed().unwrap(), m, n, |k, r, c| {
        f64::from(uniform(7, k as u64, (r * 1_000 + c) as u64) * 0.5 + 0.5)
    })
}

/// Check a kernel against the oracle's bounds; gives what `call` returns.
fn checked(kernel: &Kernel<f32>, problem: &Problem, call: &Call) -> Array<f32> {
    let found = kernel.run(call, Layout::Packed).unwrap();
    let bounds = bounds(problem, call, Float::F32);
    let tally = check(problem, call, genred::DType::F32, &bounds, &found).unwrap();
    assert_eq!(tally.unknown, 0);
    assert!(tally.checked >= bounds.values.values.len());
    let arguments: Vec<Argument<f32>> =
        call.inputs.iter().map(|matrix| Argument::new(matrix, Layout::Packed)).collect();
    let views: Vec<View<'_, f32>> = arguments.iter().map(Argument::view).collect();
    kernel.call(&views).unwrap()
}

#[test]
fn kernel_density_in_three_dimensions() {
    let aliases = ["x = Vi(3)", "y = Vj(3)"];
    let problem = Problem::new(Reduction::Sum, "Exp(-SqNorm2(x - y))", &aliases);
    let kernel = generic_sum("Exp(-SqNorm2(x - y))", "a = Vi(1)", &aliases).unwrap();
    let a = checked(&kernel, &problem, &points(M, N, &problem));
    assert_eq!((a.rows(), a.dim()), (M, 1));
    // The mean of exp(-|x - y|^2) over the cube is about 0.6.
    assert!(a.as_slice().iter().all(|v| (0.2..1.0).contains(&(v / N as f32))), "{a}");
}

#[test]
fn log_likelihood_of_a_gaussian_mixture() {
    let aliases = ["x = Vi(3)", "y = Vj(3)", "g = Pm(1)", "b = Vj(1)"];
    let formula = "(-(g * SqNorm2(x - y))) + b";
    let problem = Problem::new(Reduction::LogSumExp, formula, &aliases);
    let kernel = generic_logsumexp(formula, "a = Vi(1)", &aliases).unwrap();
    let a = checked(&kernel, &problem, &points(M, N, &problem));
    assert_eq!((a.rows(), a.dim()), (M, 1));
    // Terms lie between -3g and 1, so their log-sum-exp around log N.
    let log_n = (N as f32).ln();
    assert!(a.as_slice().iter().all(|v| (log_n - 3.0..log_n + 1.0).contains(v)), "{a}");
}

#[test]
fn nearest_neighbour_in_dimension_100() {
    let aliases = ["x = Vi(100)", "y = Vj(100)"];
    let problem = Problem::new(Reduction::ArgMin, "SqDist(x, y)", &aliases);
    let kernel = generic_argmin("SqDist(x, y)", "a = Vi(1)", &aliases).unwrap();
    let mut call = points(FEW_ROWS, FEW_COLUMNS, &problem);
    // Row k is column 7k, moved a little: its nearest neighbour is known.
    for k in 0..FEW_ROWS {
        let (x, y) = call.inputs.split_at_mut(1);
        for (c, x) in x[0].values[k * 100..(k + 1) * 100].iter_mut().enumerate() {
            *x = f64::from((y[0].row(7 * k)[c] + 0.01) as f32);
        }
    }
    let a = checked(&kernel, &problem, &call);
    assert_eq!((a.rows(), a.dim()), (FEW_ROWS, 1));
    let nearest: Vec<f32> = (0..FEW_ROWS).map(|k| 7.0 * k as f32).collect();
    assert_eq!(a.as_slice(), nearest);
    let text = a.to_string();
    assert!(
        text.starts_with("[[0.],\n [7.],\n [14.],\n ...,\n") && text.ends_with(" [273.]]"),
        "{text}"
    );
}

#[test]
fn three_nearest_neighbours_in_dimension_100() {
    let aliases = ["x = Vi(100)", "y = Vj(100)"];
    let problem = Problem::new(Reduction::ArgKMin(3), "SqDist(x, y)", &aliases);
    let kernel = generic_argkmin("SqDist(x, y)", "a = Vi(3)", &aliases).unwrap();
    let a = checked(&kernel, &problem, &points(FEW_ROWS, FEW_COLUMNS, &problem));
    assert_eq!((a.rows(), a.dim()), (FEW_ROWS, 3));
    for row in 0..FEW_ROWS {
        let [p, q, r] = [a.row(row)[0], a.row(row)[1], a.row(row)[2]];
        assert!(p != q && q != r && p != r, "three different columns: {p} {q} {r}");
    }
}

/// `[[8761.], ...]`: indices in the dtype print as the documentation shows them, integers as integers.
#[test]
fn indices_print_as_documented() {
    let aliases = ["x = Vi(1)", "y = Vj(1)"];
    let kernel = generic_argmin::<f32>("SqDist(x, y)", "a = Vi(1)", &aliases).unwrap();
    let y: Vec<f32> = (0..10_000).map(|j| j as f32).collect();
    let x = [8760.75f32, 2.0, 9999.0];
    let views = [View::new(&x, 3, 1).unwrap(), View::new(&y, 10_000, 1).unwrap()];
    assert_eq!(kernel.call(&views).unwrap().to_string(), "[[8761.],\n [2.],\n [9999.]]");
    assert_eq!(kernel.call_indices(&views).unwrap().to_string(), "[[8761],\n [2],\n [9999]]");
    let kernel = generic_argkmin::<f32>("SqDist(x, y)", "a = Vi(2)", &aliases).unwrap();
    assert_eq!(
        kernel.call(&views).unwrap().to_string(),
        "[[8761., 8760.],\n [2., 1.],\n [9999., 9998.]]"
    );
}
