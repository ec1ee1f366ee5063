//! Every accumulation scheme keeps what it promises: within its own error bound, and on infinities what the others say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod suite;

use genred::eval::bound::{self, Tree};
use genred::{Accumulate, Element, Float, Kernel, Reduction, View};
use suite::{Call, Compiled, Layout, Problem, check};

const SCHEMES: [Accumulate; 4] =
    [Accumulate::Direct, Accumulate::Block, Accumulate::Kahan, Accumulate::Double];

/// Lanes over rows and over columns, through several tiles.
const SIZES: [(usize, usize); 3] = [(33, 4_500), (2, 20_000), (40, 65)];

fn kernel<T: Element>(problem: &Problem, scheme: Accumulate) -> Kernel<T> {
    problem.builder::<T>().accumulate(scheme).compile().unwrap()
}

/// Additions that a term goes through: within a tile of at most 4,096 columns in one accumulator, in blocks of 256 or
/// compensated (in place of all: 2, and 1 more for each merge, compensated too); then the merges of tiles.
fn tree(scheme: Accumulate, columns: usize) -> Tree {
    let general = suite::tree(columns);
    let merges = 7.0 + (columns as f64 / 64.0).max(1.0).log2();
    let height = match scheme {
        Accumulate::Direct => columns.min(4_096) as f64 + merges,
        Accumulate::Kahan => 4.0,
        _ => general.height,
    };
    Tree { height, rescales: general.rescales }
}

fn within_bounds<T: Element>(problem: &Problem, scheme: Accumulate, call: &Call) {
    let float = match scheme {
        Accumulate::Double => Float::F64,
        _ => T::DTYPE.compute(),
    };
    let task = problem.task(call, float);
    let bounds = bound::reduce(&task, tree(scheme, task.columns()));
    let found = kernel::<T>(problem, scheme).run(call, Layout::Packed).unwrap();
    let tally = check(problem, call, T::DTYPE, &bounds, &found)
        .unwrap_or_else(|why| panic!("{scheme:?} {} {}: {why}", T::DTYPE, problem.formula));
    assert!(tally.checked > 0 && tally.unknown == 0, "{tally:?}");
}

#[test]
fn schemes_are_as_accurate_as_they_promise() {
    let aliases: &[&str] = &["x = Vi(2)", "y = Vj(2)", "b = Vj(2)"];
    for problem in [
        Problem::new(Reduction::Sum, "x * y + 1", aliases),
        Problem::new(Reduction::Sum, "Exp(-SqDist(x, y)) * b[0]", aliases),
        Problem::new(Reduction::LogSumExp, "4 * (x | y)", aliases),
        Problem::new(Reduction::SumSoftMaxWeight, "x | y", aliases).weighted("b + 2"),
    ] {
        for (m, n) in SIZES {
            let call = Call::scattered(&problem.typed().unwrap(), m, n);
            for scheme in SCHEMES {
                within_bounds::<f32>(&problem, scheme, &call);
            }
            within_bounds::<f64>(&problem, Accumulate::Kahan, &call);
        }
    }
}

/// Sums of a million equal numbers, whose roundings all go one way; worst and mean relative error of each scheme.
fn equal_terms(scheme: Accumulate, rows: usize) -> (f64, f64) {
    const COUNT: usize = 1_000_000;
    let problem = Problem::new(Reduction::Sum, "y", &["x = Vi(1)", "y = Vj(1)"]);
    let kernel = kernel::<f32>(&problem, scheme);
    let x = vec![0f32; rows];
    let errors = CONSTANTS.map(|constant| {
        let y = vec![constant; COUNT];
        let views = [View::new(&x, rows, 1).unwrap(), View::new(&y, COUNT, 1).unwrap()];
        let sums = kernel.call(&views).unwrap().into_vec();
        assert!(sums.iter().all(|v| *v == sums[0]), "equal rows have equal sums");
        relative_error(sums[0], constant, COUNT)
    });
    (errors.iter().copied().fold(0.0, f64::max), errors.iter().sum::<f64>() / errors.len() as f64)
}

const CONSTANTS: [f32; 8] = [0.1, 0.3, 0.7, 1.1, 1.0 / 3.0, 2.0 / 7.0, 0.9, 0.123_456];

fn relative_error(sum: f32, constant: f32, count: usize) -> f64 {
    let exact = f64::from(constant) * count as f64;
    (f64::from(sum) - exact).abs() / exact
}

/// The original's block sum: blocks of the square root of the number of columns, added one after another.
fn original_block_sum(constant: f32, count: usize) -> f32 {
    let block = count.isqrt();
    let mut sum = 0f32;
    for first in (0..count).step_by(block) {
        sum += (first..count.min(first + block)).fold(0f32, |partial, _| partial + constant);
    }
    sum
}

#[test]
fn a_million_equal_terms() {
    let original =
        CONSTANTS.map(|c| relative_error(original_block_sum(c, 1_000_000), c, 1_000_000));
    let original = original.iter().sum::<f64>() / original.len() as f64;
    for rows in [1, 33] {
        // One rounding of the result is 6e-8 at most.
        for scheme in [Accumulate::Kahan, Accumulate::Double] {
            let (worst, _) = equal_terms(scheme, rows);
            assert!(worst <= 6e-8, "{scheme:?} {rows}: {worst:e}");
        }
        for scheme in [Accumulate::Auto, Accumulate::Block] {
            let (worst, mean) = equal_terms(scheme, rows);
            assert!(mean <= original && worst <= 4e-6, "{rows}: {mean:e}, {original:e}; {worst:e}");
        }
        // The original's direct sum of tenths is 1e-2 off.
        let (worst, _) = equal_terms(Accumulate::Direct, rows);
        assert!(worst <= 1e-3, "{rows}: {worst:e}");
    }
}

/// Check all schemes on one call.
fn agree<T: Element>(problem: &Problem, call: &Call) {
    let task = problem.task(call, T::DTYPE.compute());
    let bounds = bound::reduce(&task, tree(Accumulate::Direct, task.columns()));
    for scheme in SCHEMES {
        let found = kernel::<T>(problem, scheme).run(call, Layout::Packed).unwrap();
        check(problem, call, T::DTYPE, &bounds, &found).unwrap_or_else(|why| {
            panic!("{:?} {scheme:?} {} of {:?}: {why}", problem.reduction, T::DTYPE, call.inputs[1])
        });
    }
}

#[test]
fn schemes_agree_on_infinities_and_nan() {
    const INF: f64 = f64::INFINITY;
    let columns: [&[f64]; 6] = [
        &[1.0, INF, 2.0, 3.0],
        &[-INF, 1.0, 2.0, -INF],
        &[INF, 1.0, -INF, 2.0],
        &[1.0, f64::NAN, 2.0, 3.0],
        &[-INF, -INF, -INF, -INF],
        &[],
    ];
    for reduction in [Reduction::Sum, Reduction::LogSumExp] {
        let problem = Problem::new(reduction, "y + x", &["x = Vi(1)", "y = Vj(1)"]);
        let formula = problem.typed().unwrap();
        for column in columns {
            // Alone, and first and last of a long axis of ordinary numbers.
            for padding in [0, 300] {
                let front = column.len();
                let call = Call::filled(&formula, 40, front + padding, |k, r, _| match k {
                    0 => 0.0,
                    _ if padding > 0 && r >= padding => column[r - padding],
                    _ => column.get(r).copied().unwrap_or(0.5),
                });
                agree::<f32>(&problem, &call);
                agree::<f64>(&problem, &call);
            }
        }
    }
}
