//! Linear systems of kernels against dense matrices that are built and factored here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use genred::{Backend, ErrorKind, Genred, Kernel, KernelSolve, Preconditioner, View, generic_sum};
use half::f16;
use std::sync::Arc;

const GAUSS: [&str; 3] = ["x = Vi(2)", "y = Vj(2)", "b = Vj(1)"];

fn numbers(len: usize, seed: u32) -> Vec<f64> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 24) * 2.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The square matrix of a function of two indices.
fn dense(n: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..n * n).map(|k| entry(k / n, k % n)).collect()
}

/// The solution of `matrix x = b` by Cholesky's decomposition, as textbooks write it.
fn cholesky_solution(mut matrix: Vec<f64>, b: &[f64]) -> Vec<f64> {
    let n = b.len();
    for j in 0..n {
        for k in 0..j {
            for i in j..n {
                matrix[i * n + j] -= matrix[i * n + k] * matrix[j * n + k];
            }
        }
        let root = matrix[j * n + j].sqrt();
        assert!(root > 0.0, "the matrix of the test is not positive definite");
        (j..n).for_each(|i| matrix[i * n + j] /= root);
    }
    let mut x = b.to_vec();
    for i in 0..n {
        (0..i).for_each(|k| x[i] -= matrix[i * n + k] * x[k]);
        x[i] /= matrix[i * n + i];
    }
    for i in (0..n).rev() {
        (i + 1..n).for_each(|k| x[i] -= matrix[k * n + i] * x[k]);
        x[i] /= matrix[i * n + i];
    }
    x
}

fn sq_dist(points: &[f64], i: usize, j: usize) -> f64 {
    let (a, b) = (&points[2 * i..2 * i + 2], &points[2 * j..2 * j + 2]);
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
}

/// The norm of `a - b` relative to that of b.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (difference / b.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

fn column(values: &[f64], k: usize, dim: usize) -> Vec<f64> {
    values.iter().skip(k).step_by(dim).copied().collect()
}

#[test]
fn ridge_regression_on_1000_points_is_what_cholesky_gives() {
    let n = 1_000;
    let (points, targets) = (numbers(2 * n, 1), numbers(3 * n, 2));
    let aliases = ["x = Vi(2)", "y = Vj(2)", "b = Vj(3)"];
    let kernel = generic_sum::<f64>("Exp(-4 * SqDist(x, y)) * b", "a = Vi(3)", &aliases).unwrap();
    let x = View::new(&points, n, 2).unwrap();
    let args = [x, x, View::new(&targets, n, 3).unwrap()];
    let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(0.01).eps(1e-11);
    let solution = |preconditioner| {
        let solution = solve.clone().precondition(preconditioner).call(&args).unwrap();
        assert!(solution.converged() && solution.residual() <= 1e-11);
        solution
    };
    let plain = solution(Preconditioner::None);
    let jacobi = solution(Preconditioner::Jacobi);
    let nystrom = solution(Preconditioner::Nystrom(100));
    for k in 0..3 {
        let diagonal = |i, j| if i == j { 0.01 } else { 0.0 };
        let matrix = dense(n, |i, j| (-4.0 * sq_dist(&points, i, j)).exp() + diagonal(i, j));
        let expected = cholesky_solution(matrix, &column(&targets, k, 3));
        for found in [&plain, &jacobi, &nystrom] {
            let error = distance(&column(found.values().as_slice(), k, 3), &expected);
            assert!(error < 1e-8, "component {k}: {error:e}");
        }
    }
    // A constant diagonal changes nothing; a good approximation of K saves nearly everything.
    assert!(plain.iterations().abs_diff(jacobi.iterations()) < 10);
    assert!(nystrom.iterations() * 5 < plain.iterations(), "{}", nystrom.iterations());
}

#[test]
fn the_residual_of_10000_points_is_what_a_plain_loop_gives() {
    let n = 10_000;
    let (points, targets) = (numbers(2 * n, 3), numbers(n, 4));
    let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &GAUSS).unwrap();
    let x = View::new(&points, n, 2).unwrap();
    let args = [x, x, View::new(&targets, n, 1).unwrap()];
    let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(1.0);
    let solution = solve.precondition(Preconditioner::Nystrom(50)).call(&args).unwrap();
    let a = solution.values().as_slice();
    let mut left = 0.0;
    for i in 0..n {
        let product: f64 = (0..n).map(|j| (-sq_dist(&points, i, j)).exp() * a[j]).sum();
        left += (targets[i] - a[i] - product).powi(2);
    }
    let norm: f64 = targets.iter().map(|b| b * b).sum();
    let expected = (left / norm).sqrt();
    assert!(expected <= 1e-6);
    assert!((solution.residual() - expected).abs() < 1e-4 * expected, "{expected:e}");
    let history = solution.history(0);
    assert_eq!((history[0], history.last()), (1.0, Some(&solution.residual())));
    assert_eq!(history.len(), solution.iterations() + 1);
}

/// Kernels that scale each component by itself, and kernels that mix components.
#[test]
fn components_apart_and_mixed_are_what_dense_systems_give() {
    let n = 60;
    let (points, targets) = (numbers(2 * n, 5), numbers(2 * n, 6));
    let coordinate = |i: usize, c: usize| points[2 * i + c];
    let apart = |i: usize, j: usize, c: usize, e: usize| {
        let diagonal = if i == j { 0.5 } else { 0.0 };
        let gauss = (-(coordinate(i, c) - coordinate(j, c)).powi(2)).exp();
        if c == e { (1.0 + c as f64) * gauss + diagonal } else { 0.0 }
    };
    let mixed = |i: usize, j: usize, c: usize, e: usize| {
        let diagonal = if (i, c) == (j, e) { 0.5 } else { 0.0 };
        let gauss = (-sq_dist(&points, i, j)).exp();
        gauss * (if c == e { 1.5 } else { 0.5 }) + diagonal
    };
    type Entry<'a> = &'a dyn Fn(usize, usize, usize, usize) -> f64;
    let cases: [(&str, usize, Entry<'_>); 2] = [
        ("Exp(-Square(x - y)) * Concat(1, 2) * b", 2, &apart),
        ("Exp(-SqDist(x, y)) * (b + Sum(b) / 2)", 1, &mixed),
    ];
    for (formula, systems, entry) in cases {
        let matrix = dense(2 * n, |p, q| entry(p / 2, q / 2, p % 2, q % 2));
        let expected = cholesky_solution(matrix, &targets);
        for (output, aliases) in [
            ("a = Vi(2)", ["x = Vi(2)", "y = Vj(2)", "b = Vj(2)"]),
            ("a = Vj(2)", ["x = Vi(2)", "y = Vj(2)", "b = Vi(2)"]),
        ] {
            let kernel = generic_sum::<f64>(formula, output, &aliases).unwrap();
            let x = View::new(&points, n, 2).unwrap();
            let args = [x, x, View::new(&targets, n, 2).unwrap()];
            let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(0.5).eps(1e-12);
            for preconditioner in
                [Preconditioner::None, Preconditioner::Jacobi, Preconditioner::Nystrom(20)]
            {
                let solution = solve.clone().precondition(preconditioner).call(&args).unwrap();
                assert_eq!(solution.systems(), systems, "{formula}");
                let error = distance(solution.values().as_slice(), &expected);
                assert!(error < 1e-10, "{formula}, {output}, {preconditioner:?}: {error:e}");
            }
        }
    }
}

#[test]
fn a_diagonal_of_many_sizes_is_what_jacobi_is_for() {
    let n = 200;
    let points = numbers(2 * n, 7);
    let scales: Vec<f64> = (0..n).map(|k| 10f64.powf(k as f64 / 50.0)).collect();
    let aliases = ["x = Vi(2)", "y = Vj(2)", "b = Vj(1)", "s = Vi(1)", "t = Vj(1)"];
    let formula = "s * t * Exp(-40 * SqDist(x, y)) * b";
    let kernel = generic_sum::<f64>(formula, "a = Vi(1)", &aliases).unwrap();
    let (x, s) = (View::new(&points, n, 2).unwrap(), View::new(&scales, n, 1).unwrap());
    let b = numbers(n, 8);
    let args = [x, x, View::new(&b, n, 1).unwrap(), s, s];
    let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(1.0).eps(1e-10);
    let jacobi = solve.precondition(Preconditioner::Jacobi);
    let (plain, quick) = (
        jacobi.clone().precondition(Preconditioner::None).max_iterations(10_000).call(&args),
        jacobi.call(&args).unwrap(),
    );
    let matrix = dense(n, |i, j| {
        let diagonal = if i == j { 1.0 } else { 0.0 };
        scales[i] * scales[j] * (-40.0 * sq_dist(&points, i, j)).exp() + diagonal
    });
    let expected = cholesky_solution(matrix, &b);
    assert!(distance(quick.values().as_slice(), &expected) < 1e-6);
    let plain = plain.map_or(10_000, |solution| solution.iterations());
    assert!(quick.iterations() * 3 < plain, "{} and {plain}", quick.iterations());
}

/// Conditions on the numbers of points, and values made of them, hold for the parts of K that preconditioners look at.
#[test]
fn numbers_of_points_are_kept() {
    let n = 150;
    let (points, b) = (numbers(2 * n, 17), numbers(n, 18));
    let x = View::new(&points, n, 2).unwrap();
    let args = [x, x, View::new(&b, n, 1).unwrap()];
    let gauss = |i, j| (-sq_dist(&points, i, j)).exp();
    let apart = |i: usize, j: usize| if i == j { 0.0 } else { gauss(i, j) };
    let band = |i: usize, j: usize| if i.abs_diff(j) < 20 { gauss(i, j) } else { 0.0 };
    let toeplitz = |i: usize, j: usize| (-(i.abs_diff(j) as f64).powi(2) / 50.0).exp();
    type Entry<'a> = &'a dyn Fn(usize, usize) -> f64;
    let cases: [(&str, f64, Entry<'_>); 3] = [
        ("(IndexI != IndexJ) * Exp(-SqDist(x, y)) * b", 60.0, &apart),
        ("(IndexI - IndexJ < 20) * (IndexJ - IndexI < 20) * Exp(-SqDist(x, y)) * b", 30.0, &band),
        ("Exp(-Square(IndexI - IndexJ) / 50) * b", 0.01, &toeplitz),
    ];
    for (formula, alpha, entry) in cases {
        let kernel = generic_sum::<f64>(formula, "a = Vi(1)", &GAUSS).unwrap();
        let matrix = dense(n, |i, j| entry(i, j) + if i == j { alpha } else { 0.0 });
        let expected = cholesky_solution(matrix, &b);
        let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(alpha).eps(1e-12);
        let solved = |preconditioner| {
            let solution = solve.clone().precondition(preconditioner).call(&args).unwrap();
            let error = distance(solution.values().as_slice(), &expected);
            assert!(error < 1e-9, "{formula}, {preconditioner:?}: {error:e}");
            solution.iterations()
        };
        let plain = solved(Preconditioner::None);
        assert!(plain.abs_diff(solved(Preconditioner::Jacobi)) < 5, "the diagonal is constant");
        let all = solved(Preconditioner::Nystrom(n));
        // The last matrix is positive definite: all of its columns give its inverse.
        assert!(alpha > 1.0 || (all <= 5 && plain > 20), "{all} and {plain} iterations");
    }
}

#[test]
fn float32_is_solved_to_what_it_holds_and_says_so_beyond() {
    let n = 500;
    let (points, targets) = (numbers(2 * n, 9), numbers(n, 10));
    let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<f32>>();
    let (points, targets) = (narrow(&points), narrow(&targets));
    let kernel = generic_sum::<f32>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &GAUSS).unwrap();
    let x = View::new(&points, n, 2).unwrap();
    let args = [x, x, View::new(&targets, n, 1).unwrap()];
    let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(0.1);
    let solution = solve.call(&args).unwrap();
    // The residual is that of the float32 numbers returned.
    let (points, a): (Vec<f64>, Vec<f64>) = (
        points.iter().copied().map(f64::from).collect(),
        solution.values().as_slice().iter().copied().map(f64::from).collect(),
    );
    let left = |i: usize| {
        let product: f64 = (0..n).map(|j| (-sq_dist(&points, i, j)).exp() * a[j]).sum();
        f64::from(targets[i]) - 0.1 * a[i] - product
    };
    let norm: f64 = targets.iter().map(|b| f64::from(*b).powi(2)).sum();
    let expected = ((0..n).map(|i| left(i).powi(2)).sum::<f64>() / norm).sqrt();
    assert!(expected < 1.2e-4);
    assert!((solution.residual() - expected).abs() < 2e-5, "{expected:e}");

    let strict = solve.eps(1e-12);
    let error = strict.call(&args).unwrap_err();
    assert!(error.is_unsolved());
    assert!(error.to_string().contains("float32 resolves no more"), "{error}");
    let reached = strict.attempt(&args).unwrap();
    assert!(!reached.converged() && reached.residual() < 1e-4, "{}", reached.residual());
}

#[test]
fn bits_do_not_depend_on_threads_strides_or_the_scale_of_b() {
    let n = 300;
    let (points, targets) = (numbers(2 * n, 11), numbers(n, 12));
    let kernel = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let genred = Genred::<f64>::sum("Exp(-SqDist(x, y)) * b").output("a = Vi(1)");
        genred.aliases(GAUSS).pool(Arc::new(pool)).compile().unwrap()
    };
    let solved = |kernel: &Kernel<f64>, x: View<'_, f64>, b: &[f64]| {
        let solve = KernelSolve::new(kernel, "b").unwrap().alpha(0.1);
        let solve = solve.precondition(Preconditioner::Nystrom(10));
        solve.call(&[x, x, View::new(b, n, 1).unwrap()]).unwrap()
    };
    let x = View::new(&points, n, 2).unwrap();
    let one = solved(&kernel(1), x, &targets);
    assert_eq!(one, solved(&kernel(3), x, &targets));
    let turned: Vec<f64> = (0..2 * n).map(|k| points[k % n * 2 + k / n]).collect();
    let columns = View::with_strides(&turned, n, 2, 1, n).unwrap();
    assert_eq!(one, solved(&kernel(2), columns, &targets));
    for scale in [2f64.powi(900), 2f64.powi(-900)] {
        let scaled: Vec<f64> = targets.iter().map(|b| b * scale).collect();
        let other = solved(&kernel(2), x, &scaled);
        assert_eq!(one.history(0), other.history(0));
        let pairs = one.values().as_slice().iter().zip(other.values().as_slice());
        pairs.for_each(|(a, b)| assert_eq!(a * scale, *b));
    }
}

#[test]
fn nothing_to_solve_is_solved() {
    let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(2)"];
    let kernel = generic_sum::<f64>("Exp(-Abs(x - y)) * b", "a = Vi(2)", &aliases).unwrap();
    let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(1.0);
    let solve = solve.precondition(Preconditioner::Jacobi);
    let empty = View::new(&[], 0, 1).unwrap();
    let solution = solve.call(&[empty, empty, View::new(&[], 0, 2).unwrap()]).unwrap();
    assert_eq!((solution.values().rows(), solution.iterations()), (0, 0));
    // One component is zero, the other is not.
    let x = View::new(&[0.0, 1.0], 2, 1).unwrap();
    let solution = solve.call(&[x, x, View::new(&[0.0, 1.0, 0.0, 2.0], 2, 2).unwrap()]).unwrap();
    assert_eq!(solution.history(0), [0.0]);
    assert_eq!((solution.values()[(0, 0)], solution.values()[(1, 0)]), (0.0, 0.0));
    let k = (-1.0f64).exp();
    let expected = (4.0 - k) / (4.0 - k * k);
    assert!((solution.values()[(1, 1)] - expected).abs() < 1e-6);
}

fn refused<T: genred::Element>(formula: &str, output: &str, aliases: &[&str]) -> String {
    let kernel = generic_sum::<T>(formula, output, aliases).unwrap();
    KernelSolve::new(&kernel, "b").unwrap_err().to_string()
}

#[test]
fn kernels_without_a_linear_system_are_refused() {
    let line = ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"];
    let error = refused::<f64>("Exp(b * (x - y))", "a = Vi(1)", &line);
    assert!(error.contains("not linear in `b`") && error.contains("^^^"), "{error}");
    let error = refused::<f64>("Exp(x - y)", "a = Vi(1)", &line);
    assert!(error.contains("not linear in `b`"), "{error}");
    let error = refused::<f64>("x * b", "a = Vj(1)", &line);
    assert!(error.contains("`b = Vj(1)` is not summed over"), "{error}");
    let error =
        refused::<f64>("(x - y) * b", "a = Vi(2)", &["x = Vi(2)", "y = Vj(2)", "b = Vj(1)"]);
    assert!(error.contains("the result has dim 2, but `b` has dim 1"), "{error}");
    let error = refused::<f16>("x * y * b", "a = Vi(1)", &line);
    assert!(error.contains("float16"), "{error}");
    let kernel = Genred::<f64>::max("x * y * b").output("a = Vi(1)").aliases(line);
    let error = KernelSolve::new(&kernel.compile().unwrap(), "b").unwrap_err();
    assert!(error.to_string().contains("`Max` is not linear"), "{error}");
    let kernel = generic_sum::<f64>("x * y * b", "a = Vi(1)", &line).unwrap();
    let error = KernelSolve::new(&kernel, "c").unwrap_err();
    assert!(error.to_string().contains("the arguments are x, y, b"), "{error}");
}

fn unsolved(formula: &str, alpha: f64, points: [&[f64]; 2], b: &[f64]) -> genred::Error {
    let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"];
    let kernel = generic_sum::<f64>(formula, "a = Vi(1)", &aliases).unwrap();
    let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(alpha);
    let view = |data| View::new(data, 3, 1).unwrap();
    let args = [view(points[0]), view(points[1]), view(b)];
    let error = solve.call(&args).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsolved, "{error}");
    error
}

#[test]
fn systems_that_cannot_be_solved_say_why() {
    let (x, b) = ([0.0, 1.0, 2.0], [1.0, -2.0, 1.0]);
    // Minus the squared distance is positive on vectors that sum to zero; the distance itself is negative there.
    let error = unsolved("Abs(x - y) * b", 0.0, [&x, &x], &b).to_string();
    assert!(error.contains("not positive definite") && error.contains("iteration 1"), "{error}");
    assert!(error.contains("is -"), "the value: {error}");
    let error = unsolved("Exp(-Abs(x - y)) * b", 1.0, [&x, &[5.0, 1.0, 0.0]], &b).to_string();
    assert!(error.contains("K is not symmetric"), "{error}");
    let error = unsolved("Log(x + y) * b", 1.0, [&x, &x], &b).to_string();
    assert!(error.contains("-inf in row 0, component 0, iteration 1"), "{error}");
    let error = unsolved("Exp(-Abs(x - y)) * b", 1.0, [&x, &x], &[1.0, f64::NAN, 0.0]);
    assert!(error.to_string().contains("`b` is NaN in row 1, component 0"), "{error}");
    let error = unsolved("1e-300 * Exp(-Abs(x - y)) * b", 0.0, [&x, &x], &[1e300, 1.0, 1.0]);
    assert!(error.to_string().contains("beyond float64"), "{error}");
}

#[test]
fn settings_and_shapes_are_checked() {
    let kernel = generic_sum::<f64>("Exp(-SqDist(x, y)) * b", "a = Vi(1)", &GAUSS).unwrap();
    let points = numbers(20, 13);
    let (x, y) = (View::new(&points, 10, 2).unwrap(), View::new(&points[..18], 9, 2).unwrap());
    let (b, c) = (View::new(&points[..10], 10, 1).unwrap(), View::new(&points[..9], 9, 1).unwrap());
    let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(0.1);
    let error = solve.call(&[x, y, c]).unwrap_err();
    assert!(error.is_shape() && error.to_string().contains("10 rows i and 9 rows j"), "{error}");
    assert!(solve.call(&[x, x, c]).unwrap_err().is_shape());
    let most = genred::limits::NYSTROM_RANK;
    let beyond = format!("from 1 to {most}, not {}", most + 1);
    for (solve, message) in [
        (solve.clone().alpha(f64::NAN), "alpha must be finite"),
        (solve.clone().eps(0.0), "eps must be between 0 and 1"),
        (solve.clone().eps(f64::NAN), "eps must be between 0 and 1"),
        (solve.clone().precondition(Preconditioner::Nystrom(0)), "from 1 to 4096, not 0"),
        (solve.clone().precondition(Preconditioner::Nystrom(most + 1)), &*beyond),
        (solve.clone().precondition(Preconditioner::Nystrom(5)).alpha(0.0), "positive alpha"),
    ] {
        let error = solve.call(&[x, x, b]).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    // A rank beyond the number of points is all of them.
    let exact = solve.clone().precondition(Preconditioner::Nystrom(most)).call(&[x, x, b]).unwrap();
    assert!(exact.iterations() <= 2, "{}", exact.iterations());
    let short = solve.max_iterations(2);
    let error = short.call(&[x, x, b]).unwrap_err();
    assert!(error.to_string().contains("after 2 iterations"), "{error}");
    let reached = short.attempt(&[x, x, b]).unwrap();
    assert!(reached.iterations() == 2 && !reached.converged());
    let seed = View::new(&points[..10], 10, 1).unwrap();
    let error = short.grad("x").unwrap().call(&[x, x, b], c, seed).unwrap_err();
    assert!(error.to_string().contains("the solution is 9 x 1"), "{error}");
}

/// Against central differences of dense solutions, in every number of every argument.
#[test]
fn gradients_are_those_of_the_dense_solution() {
    let (n, alpha) = (7, 0.5);
    let aliases = ["x = Vi(2)", "y = Vj(2)", "b = Vj(1)", "g = Pm(1)"];
    let formula = "Exp(-g * SqDist(x, y)) * b";
    let base = [numbers(2 * n, 14), numbers(2 * n, 14), numbers(n, 15), vec![1.5]];
    let seed = numbers(n, 16);
    // The product of the seed with the solution. Points for i and for j may differ by a step, so the matrix is not symmetric and
    // needs an elimination.
    let value = |data: &[Vec<f64>; 4]| -> f64 {
        let [x, y, b, g] = data;
        let entry = |i: usize, j: usize| {
            let square = (x[2 * i] - y[2 * j]).powi(2) + (x[2 * i + 1] - y[2 * j + 1]).powi(2);
            (-g[0] * square).exp() + if i == j { alpha } else { 0.0 }
        };
        let (mut matrix, mut right) = (dense(n, entry), b.clone());
        for k in 0..n {
            for i in k + 1..n {
                let factor = matrix[i * n + k] / matrix[k * n + k];
                (k..n).for_each(|j| matrix[i * n + j] -= factor * matrix[k * n + j]);
                right[i] -= factor * right[k];
            }
        }
        for i in (0..n).rev() {
            (i + 1..n).for_each(|j| right[i] -= matrix[i * n + j] * right[j]);
            right[i] /= matrix[i * n + i];
        }
        right.iter().zip(&seed).map(|(a, e)| a * e).sum()
    };
    for backend in [Backend::Auto, Backend::Eval] {
        let genred = Genred::<f64>::sum(formula).output("a = Vi(1)").aliases(aliases);
        let kernel = genred.backend(backend).compile().unwrap();
        let solve = KernelSolve::new(&kernel, "b").unwrap().alpha(alpha).eps(1e-13);
        let view = |k: usize, dim: usize| View::new(&base[k], base[k].len() / dim, dim).unwrap();
        let args = [view(0, 2), view(1, 2), view(2, 1), View::vector(&base[3])];
        let solution = solve.call(&args).unwrap();
        for (k, alias) in aliases.iter().enumerate() {
            let gradient = solve.grad(&alias[..1]).unwrap();
            let seed = View::new(&seed, n, 1).unwrap();
            let found = gradient.call(&args, solution.values().view(), seed).unwrap();
            assert_eq!(found.as_slice().len(), base[k].len());
            for (place, found) in found.as_slice().iter().enumerate() {
                let at = |step: f64| {
                    let mut moved = base.clone();
                    moved[k][place] += step;
                    value(&moved)
                };
                let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((found - expected).abs() < 1e-7, "{alias}[{place}]: {found}, {expected}");
            }
        }
    }
}
