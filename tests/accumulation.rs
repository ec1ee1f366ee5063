//! Every accumulation scheme keeps what it promises: within its own error bound, and on infinities what the others say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod suite;

use genred::dtype::Real;
use genred::eval::bound::{self, Tree};
use genred::{Accumulate, Element, Float, Kernel, Reduction, View};
use suite::{Call, Compiled, Layout, Problem, check, uniform};

const SCHEMES: [Accumulate; 4] =
    [Accumulate::Direct, Accumulate::Block, Accumulate::Kahan, Accumulate::Double];

/// Lanes over rows and over columns, through several tiles.
const SIZES: [(usize, usize); 3] = [(33, 4_500), (2, 20_000), (40, 65)];

fn kernel<T: Element>(problem: &Problem, scheme: Accumulate) -> Kernel<T> {
    problem.builder::<T>().accumulate(scheme).compile().unwrap()
}

fn within_bounds<T: Element>(problem: &Problem, scheme: Accumulate, call: &Call) {
    let float = match scheme {
        Accumulate::Double => Float::F64,
        _ => T::DTYPE.compute(),
    };
    let task = problem.task(call, float);
    let bounds = bound::reduce(&task, Tree::of(scheme, task.columns()));
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
    let bounds = bound::reduce(&task, Tree::of(Accumulate::Direct, task.columns()));
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

/// How the terms of a statistical case are spread.
#[derive(Clone, Copy)]
enum Spread {
    Signed,
    Positive,
    /// Over six orders of magnitude.
    Wide,
}

/// Integers of so few bits that a product of two is exact, times a power of two if they are wide.
fn integers(spread: Spread, bits: u32, count: usize, seed: u64) -> Vec<i64> {
    let one = |at: u64| {
        let high = (f64::from(uniform(seed, 0, at)) * f64::from(1 << 23)) as i64;
        let low = (f64::from(uniform(seed, 1, at)) * f64::from(1 << 23)) as i64;
        let integer = ((high << 24) + low) >> (47 - bits);
        match spread {
            Spread::Signed => integer,
            Spread::Positive => integer.abs(),
            Spread::Wide => integer << ((uniform(seed, 2, at) + 1.0) * 10.0) as u32,
        }
    };
    (0..count as u64).map(one).collect()
}

/// Additions that a term of a sum goes through. With lanes over rows: in a chunk of 256 columns, or with the direct scheme in a tile of
/// 4,096. With lanes over columns a row has 64 partial sums in chunks of 2,048, which are added pairwise in the end, as tiles are.
fn height(scheme: Accumulate, rows: usize, columns: usize) -> f64 {
    let tile = columns.min(4_096);
    let within = match (rows < 32 && columns >= 256, scheme) {
        (false, Accumulate::Direct) => tile,
        (false, _) => tile.min(256) + tile.div_ceil(256),
        (true, Accumulate::Direct) => tile.div_ceil(64) + 6,
        (true, _) => tile.min(2_048).div_ceil(64) + tile.div_ceil(2_048) + 6,
    };
    within as f64 + f64::from(columns.div_ceil(4_096).next_power_of_two().ilog2())
}

/// Errors of sums of random exact terms, a row each, over sqrt(h) u S, with h the height by `judge`; the sums are known as
/// integers. In order of size.
fn errors<T: Real>(scheme: Accumulate, judge: Accumulate, rows: usize) -> Vec<f64> {
    const CASES: usize = 10_000;
    let problem = Problem::new(Reduction::Sum, "Max(x * y)", &["x = Vi(2)", "y = Vj(2)"]);
    let kernel = kernel::<T>(&problem, scheme);
    let (bits, unit) = match T::DTYPE.compute() {
        Float::F32 => (12, f64::from(f32::EPSILON) / 2.0),
        Float::F64 => (26, f64::EPSILON / 2.0),
    };
    let mut errors = Vec::with_capacity(CASES);
    for seed in 0..CASES.div_ceil(rows) as u64 {
        let spread = [Spread::Signed, Spread::Positive, Spread::Wide][seed as usize % 3];
        let columns = 10f32.powf(2.1 + 2.1 * uniform(seed, 3, 0)) as usize;
        let (x, y) = (
            integers(spread, bits, 2 * rows, 2 * seed),
            integers(spread, bits, 2 * columns, 2 * seed + 1),
        );
        let typed =
            |values: &[i64]| values.iter().map(|v| T::from_f64(*v as f64)).collect::<Vec<T>>();
        let (a, b) = (typed(&x), typed(&y));
        let views = [View::new(&a, rows, 2).unwrap(), View::new(&b, columns, 2).unwrap()];
        let sums = kernel.call(&views).unwrap().into_vec();
        for (x, found) in x.chunks_exact(2).zip(sums) {
            let (mut sum, mut magnitudes) = (0i128, 0i128);
            for y in y.chunks_exact(2) {
                let term =
                    (i128::from(x[0]) * i128::from(y[0])).max(i128::from(x[1]) * i128::from(y[1]));
                (sum, magnitudes) = (sum + term, magnitudes + term.abs());
            }
            let error = (found.to_f64() as i128 - sum).abs() as f64;
            errors.push(
                error / (height(judge, rows, columns).sqrt() * unit * magnitudes.max(1) as f64),
            );
        }
    }
    errors.sort_by(f64::total_cmp);
    errors
}

/// Roundings of random terms cancel: errors grow by the square root of the height of the tree, not by the height, which is what the
/// bounds above allow (Higham and Mary, A new approach to probabilistic rounding error analysis, 2019).
#[test]
fn errors_of_random_sums_grow_by_square_roots() {
    fn all<T: Real>() {
        let percentile = |scheme, judge, rows| {
            let errors = errors::<T>(scheme, judge, rows);
            errors[errors.len() * 99 / 100]
        };
        for rows in [40, 20] {
            for scheme in [Accumulate::Direct, Accumulate::Block] {
                let found = percentile(scheme, scheme, rows);
                assert!(found < 1.0, "{} {scheme:?} {rows}: {found}", T::DTYPE);
            }
        }
        // A higher tree than is claimed shows.
        let found = percentile(Accumulate::Direct, Accumulate::Block, 40);
        assert!(found > 1.0, "{}: {found}", T::DTYPE);
    }
    all::<f32>();
    all::<f64>();
}
