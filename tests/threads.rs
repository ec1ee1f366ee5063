//! The same bits on any number of threads: rows divided, columns split and merged, panels in turn.

#![allow(clippy::print_stdout, reason = "a suite says what it lacks")]

mod suite;

use genred::cache::{Cache, Mode, Options};
use genred::reduce::Outputs;
use genred::{Accumulate, Axis, Backend, Genred, Kernel, Reduction, View};
use genred_fuzz_bodies::Choices;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;

const THREADS: [usize; 4] = [1, 2, 3, 8];

/// Shapes that are divided in different ways: by rows, by columns, both; across several tiles and an odd rest. Calls of fewer than
/// 2^17 pairs stay on one thread, so all are larger.
const SHAPES: [(usize, usize); 6] =
    [(1, 300_001), (3, 70_003), (31, 20_000), (33, 9_001), (700, 1_237), (5_001, 67)];

type Case = (&'static str, Option<&'static str>, &'static [&'static str], Reduction, Accumulate);

const XY: &[&str] = &["x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "c = Vj(6)"];

const CASES: [Case; 14] = [
    ("Exp(-SqNorm2(x - y))*b", None, XY, Reduction::Sum, Accumulate::Block),
    ("Exp(-SqNorm2(x - y))*b", None, XY, Reduction::Sum, Accumulate::Direct),
    ("Exp(-SqNorm2(x - y))*b", None, XY, Reduction::Sum, Accumulate::Kahan),
    ("Exp(-SqNorm2(x - y))*b", None, XY, Reduction::Sum, Accumulate::Double),
    ("Exp(-SqNorm2(x - y))*c", None, XY, Reduction::Sum, Accumulate::Auto),
    ("x | y", None, XY, Reduction::LogSumExp, Accumulate::Auto),
    ("(x | y)*4", Some("c"), XY, Reduction::LogSumExp, Accumulate::Kahan),
    ("-SqDist(x, y)", Some("y"), XY, Reduction::SumSoftMaxWeight, Accumulate::Auto),
    ("SqDist(x, y)", None, XY, Reduction::MaxSumShiftExp, Accumulate::Direct),
    ("x - y", None, XY, Reduction::MinArgMin, Accumulate::Auto),
    ("SqDist(x, y)", None, XY, Reduction::ArgMin, Accumulate::Auto),
    ("Floor(4*(x | y))", None, XY, Reduction::MaxArgMax, Accumulate::Auto),
    ("Floor(4*SqDist(x, y))", None, XY, Reduction::KMinArgKMin(5), Accumulate::Auto),
    ("x*y", None, XY, Reduction::ArgKMin(2), Accumulate::Auto),
];

fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut choices = Choices::from_seed(seed);
    (0..len).map(|_| 2.0 * choices.fraction() as f32).collect()
}

fn pools() -> Vec<Arc<ThreadPool>> {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
    THREADS.map(|threads| Arc::new(pool(threads).expect("threads"))).into()
}

/// Bits of every result that the reduction gives.
fn results(kernel: &Kernel<f32>, views: &[View<'_, f32>]) -> (Vec<u32>, Vec<i64>) {
    let values = kernel.call(views).expect("a fitting call");
    let values = values.as_slice().iter().map(|v| v.to_bits()).collect();
    if kernel.reduction().outputs() == Outputs::Values {
        return (values, Vec::new());
    }
    (values, kernel.call_indices(views).expect("an index reduction").into_vec())
}

/// Compare all pools on one case and shape.
fn check(case: &Case, (m, n): (usize, usize), pools: &[Arc<ThreadPool>], backend: Backend) {
    let (formula, weight, aliases, reduction, accumulate) = *case;
    let build = || {
        let builder = Genred::<f32>::reduction(reduction, formula)
            .aliases(aliases.iter().copied())
            .axis(Axis::J)
            .accumulate(accumulate)
            .backend(backend)
            .cache(&Cache::open(Options::new().mode(Mode::Off)));
        match weight {
            Some(weight) => builder.weight(weight),
            None => builder,
        }
    };
    let x = numbers(1, m * 3);
    let (y, b, c) = (numbers(2, n * 3), numbers(3, n), numbers(4, n * 6));
    let views = [
        View::new(&x, m, 3).expect("x"),
        View::new(&y, n, 3).expect("y"),
        View::new(&b, n, 1).expect("b"),
        View::new(&c, n, 6).expect("c"),
    ];
    let alone = build().single_threaded().compile().expect("a formula of the list");
    let expected = results(&alone, &views);
    for (threads, pool) in THREADS.iter().zip(pools) {
        let kernel = build().pool(Arc::clone(pool)).compile().expect("a formula of the list");
        // Twice: the second call finds the buffers of the first.
        for _ in 0..2 {
            let found = results(&kernel, &views);
            assert!(found == expected, "{threads} threads: {case:?} with {m} x {n}");
        }
        let current = build().compile().expect("a formula of the list");
        let found = pool.install(|| results(&current, &views));
        assert!(found == expected, "in a pool of {threads}: {case:?} with {m} x {n}");
    }
}

#[test]
fn results_have_the_same_bits_on_any_number_of_threads() {
    let pools = pools();
    for case in &CASES {
        for shape in SHAPES {
            check(case, shape, &pools, Backend::Auto);
        }
    }
}

#[test]
fn every_engine_divides_work_alike() {
    let pools = pools();
    let (backends, lacking) = suite::backends();
    if !lacking.is_empty() {
        println!("this machine has no {}", lacking.join(", "));
    }
    for backend in backends.into_iter().filter(|backend| *backend != Backend::Eval) {
        check(&CASES[0], (5, 70_003), &pools, backend);
        check(&CASES[10], (5, 70_003), &pools, backend);
        check(&CASES[5], (700, 1_237), &pools, backend);
    }
}

/// Columns beyond what is packed at once (64 MiB) are taken in turns.
#[test]
fn panels_in_turn_give_the_same_bits() {
    let (m, n, dim) = (9, 200_000, 100);
    let (x, y) = (numbers(5, m * dim), numbers(6, n * dim));
    let views = [View::new(&x, m, dim).expect("x"), View::new(&y, n, dim).expect("y")];
    for reduction in [Reduction::Sum, Reduction::ArgKMin(3)] {
        let build = || {
            Genred::<f32>::reduction(reduction, "SqDist(x, y)")
                .aliases(["x = Vi(100)", "y = Vj(100)"])
                .axis(Axis::J)
                .cache(&Cache::open(Options::new().mode(Mode::Off)))
        };
        let alone = build().single_threaded().compile().expect("a formula");
        let expected = results(&alone, &views);
        for pool in pools() {
            let kernel = build().pool(pool).compile().expect("a formula");
            assert!(results(&kernel, &views) == expected, "{reduction:?}");
        }
    }
}
