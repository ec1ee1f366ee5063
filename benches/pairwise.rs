//! The documented problems on every CPU engine, beside a straightforward scalar Rust loop, one thread, in one run.
//!
//! `cargo bench --bench pairwise [-- filter]`. Each cell is the least time a pair of several interleaved repeats, in ns; in
//! brackets how many times faster than the loop it is. `compile` is from strings to a callable kernel, `call` the time of one
//! call at M = N = 10.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use genred::cache::{Cache, Mode, Options};
use genred::{Backend, Genred, Reduction, View};
use std::time::{Duration, Instant};

struct Problem {
    name: &'static str,
    reduction: Reduction,
    formula: &'static str,
    output: &'static str,
    aliases: &'static [&'static str],
    rows: usize,
    columns: usize,
}

const GAUSS: &str = "Exp(-SqNorm2(x - y))";

fn problems() -> Vec<Problem> {
    let p = |name, reduction, formula, output, aliases, rows, columns| Problem {
        name,
        reduction,
        formula,
        output,
        aliases,
        rows,
        columns,
    };
    let d3: &[&str] = &["x = Vi(3)", "y = Vj(3)"];
    let d100: &[&str] = &["x = Vi(100)", "y = Vj(100)"];
    use Reduction::{ArgKMin, ArgMin, LogSumExp, Sum};
    vec![
        p("gaussian D=3", Sum, GAUSS, "a = Vi(1)", d3, 2_000, 10_000),
        p(
            "gaussian D=3, weighted",
            Sum,
            "Exp(-SqNorm2(x - y)) * b",
            "a = Vi(1)",
            &["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"],
            2_000,
            10_000,
        ),
        p(
            "logsumexp D=3",
            LogSumExp,
            "-(g * SqNorm2(x - y)) + b",
            "a = Vi(1)",
            &["x = Vi(3)", "y = Vj(3)", "g = Pm(1)", "b = Vj(1)"],
            2_000,
            10_000,
        ),
        p("argmin D=100", ArgMin, "SqDist(x, y)", "a = Vi(1)", d100, 500, 4_000),
        p("argkmin D=3 K=3", ArgKMin(3), "SqDist(x, y)", "a = Vi(3)", d3, 2_000, 20_000),
        p("argkmin D=3 K=10", ArgKMin(10), "SqDist(x, y)", "a = Vi(10)", d3, 2_000, 20_000),
        p(
            "gaussian * b, b in R^10",
            Sum,
            "Exp(-SqNorm2(x - y)) * b",
            "a = Vi(10)",
            &["x = Vi(3)", "y = Vj(3)", "b = Vj(10)"],
            1_000,
            5_000,
        ),
        p("(x|y) D=64", Sum, "x | y", "a = Vi(1)", &["x = Vi(64)", "y = Vj(64)"], 1_000, 4_000),
        p("exp(-norm) D=3", Sum, "Exp(-Norm2(x - y))", "a = Vi(1)", d3, 2_000, 10_000),
        p("1/(1+sqdist) D=3", Sum, "1 / (1 + SqDist(x, y))", "a = Vi(1)", d3, 2_000, 10_000),
        p("sqrt(sqdist) D=3", Sum, "Sqrt(SqDist(x, y))", "a = Vi(1)", d3, 2_000, 10_000),
        p(
            "gradient, by Grad",
            Sum,
            "Grad(Exp(-SqDist(x, y)), x, e)",
            "a = Vi(3)",
            &["x = Vi(3)", "y = Vj(3)", "e = Vi(1)"],
            2_000,
            10_000,
        ),
        p(
            "gradient, by hand",
            Sum,
            "-2 * e * (x - y) * Exp(-SqDist(x, y))",
            "a = Vi(3)",
            &["x = Vi(3)", "y = Vj(3)", "e = Vi(1)"],
            2_000,
            10_000,
        ),
        p("few rows: gaussian D=3", Sum, GAUSS, "a = Vi(1)", d3, 5, 1_000_000),
    ]
}

/// The loop that a user would write: for every pair the formula, in f32 or f64, by the standard library.
fn scalar(problem: &Problem, args: &[Vec<f32>]) -> Option<Vec<f32>> {
    let sqdist = |i: usize, j: usize, d: usize| {
        (0..d).map(|k| (args[0][i * d + k] - args[1][j * d + k]).powi(2)).sum::<f32>()
    };
    let n = problem.columns;
    let row = |i: usize| -> Option<Vec<f32>> {
        Some(match problem.name {
            "gaussian D=3" | "few rows: gaussian D=3" => {
                vec![(0..n).map(|j| (-sqdist(i, j, 3)).exp()).sum()]
            }
            "gaussian D=3, weighted" => {
                vec![(0..n).map(|j| (-sqdist(i, j, 3)).exp() * args[2][j]).sum()]
            }
            "logsumexp D=3" => {
                let f = |j: usize| -(args[2][0] * sqdist(i, j, 3)) + args[3][j];
                let m = (0..n).map(f).fold(f32::NEG_INFINITY, f32::max);
                vec![m + (0..n).map(|j| (f(j) - m).exp()).sum::<f32>().ln()]
            }
            "argmin D=100" => {
                let (mut best, mut at) = (f32::INFINITY, 0);
                for j in 0..n {
                    let d = sqdist(i, j, 100);
                    if d < best {
                        (best, at) = (d, j);
                    }
                }
                vec![at as f32]
            }
            "(x|y) D=64" => vec![
                (0..n)
                    .map(|j| {
                        (0..64).map(|k| args[0][i * 64 + k] * args[1][j * 64 + k]).sum::<f32>()
                    })
                    .sum(),
            ],
            "exp(-norm) D=3" => vec![(0..n).map(|j| (-sqdist(i, j, 3).sqrt()).exp()).sum()],
            "1/(1+sqdist) D=3" => vec![(0..n).map(|j| 1.0 / (1.0 + sqdist(i, j, 3))).sum()],
            "sqrt(sqdist) D=3" => vec![(0..n).map(|j| sqdist(i, j, 3).sqrt()).sum()],
            "gaussian * b, b in R^10" => {
                let mut a = vec![0.0; 10];
                for j in 0..n {
                    let e = (-sqdist(i, j, 3)).exp();
                    for k in 0..10 {
                        a[k] += e * args[2][j * 10 + k];
                    }
                }
                a
            }
            _ => return None,
        })
    };
    (0..problem.rows).map(row).collect::<Option<Vec<_>>>().map(|rows| rows.concat())
}

/// Numbers in [0, 1) from a linear congruential generator.
fn uniform(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..len).map(|_| next()).collect()
}

fn least(times: &[Duration]) -> f64 {
    times.iter().min().expect("some repeats").as_secs_f64()
}

const ENGINES: [(&str, Backend); 3] =
    [("clif", Backend::Clif), ("avx2", Backend::Avx2), ("avx512", Backend::Avx512)];
const REPEATS: usize = 5;

fn dims(problem: &Problem) -> Vec<(bool, usize)> {
    let dim = |alias: &str| {
        alias[alias.find('(').expect("an alias") + 1..alias.len() - 1].parse().expect("a dim")
    };
    problem.aliases.iter().map(|a| (a.contains("Pm"), dim(a))).collect()
}

fn bench<T: genred::Element>(problem: &Problem, with_loop: bool) {
    let data: Vec<Vec<T>> = problem
        .aliases
        .iter()
        .zip(dims(problem))
        .enumerate()
        .map(|(k, (alias, (param, dim)))| {
            let rows = if param {
                1
            } else if alias.contains("Vi") {
                problem.rows
            } else {
                problem.columns
            };
            uniform(rows * dim, k as u64 + 1).into_iter().map(T::from_f64).collect()
        })
        .collect();
    let views: Vec<View<'_, T>> = data
        .iter()
        .zip(dims(problem))
        .map(|(d, (_, dim))| View::new(d, d.len() / dim, dim).expect("a view"))
        .collect();
    let pairs = (problem.rows * problem.columns) as f64;
    let kernels: Vec<_> = ENGINES
        .iter()
        .filter_map(|(_, backend)| {
            Genred::<T>::reduction(problem.reduction, problem.formula)
                .output(problem.output)
                .aliases(problem.aliases.iter().copied())
                .backend(*backend)
                .cache(&Cache::open(Options::new().mode(Mode::Off)))
                .single_threaded()
                .compile()
                .ok()
        })
        .collect();
    let mut out = vec![T::default(); problem.rows * kernels[0].dim()];
    let mut times = vec![Vec::new(); kernels.len()];
    let mut loop_times = Vec::new();
    let plain: Vec<Vec<f32>> =
        data.iter().map(|d| d.iter().map(|v| v.to_f32()).collect()).collect();
    for _ in 0..REPEATS {
        for (kernel, times) in kernels.iter().zip(&mut times) {
            let start = Instant::now();
            let view = genred::ViewMut::new(&mut out, problem.rows, kernel.dim()).expect("a view");
            kernel.call_into(&views, view).expect("a call");
            times.push(start.elapsed());
        }
        if with_loop {
            let start = Instant::now();
            if std::hint::black_box(scalar(problem, std::hint::black_box(&plain))).is_some() {
                loop_times.push(start.elapsed());
            }
        }
    }
    print!("{:26} {:8}", problem.name, T::DTYPE.name());
    let looped = (!loop_times.is_empty()).then(|| least(&loop_times));
    for times in &times {
        let t = least(times);
        print!("  {:8.3}", t / pairs * 1e9);
        match looped {
            Some(l) => print!(" [{:5.1}]", l / t),
            None => print!(" [     ]"),
        }
    }
    match looped {
        Some(l) => println!("  {:8.3}", l / pairs * 1e9),
        None => println!(),
    }
}

fn latency() {
    println!("\n{:26} {:8}  {:>12} {:>12}", "M = N = 10", "", "compile us", "call us");
    for problem in problems() {
        let build = || {
            Genred::<f32>::reduction(problem.reduction, problem.formula)
                .output(problem.output)
                .aliases(problem.aliases.iter().copied())
                .cache(&Cache::open(Options::new().mode(Mode::Off)))
                .compile()
                .expect("a kernel")
        };
        let compile: Vec<Duration> = (0..5)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(build());
                start.elapsed()
            })
            .collect();
        let kernel = build();
        let data: Vec<Vec<f32>> = dims(&problem)
            .iter()
            .map(|(param, dim)| vec![0.5; if *param { *dim } else { 10 * dim }])
            .collect();
        let views: Vec<View<'_, f32>> = data
            .iter()
            .zip(dims(&problem))
            .map(|(d, (_, dim))| View::new(d, d.len() / dim, dim).expect("a view"))
            .collect();
        let mut out = vec![0.0; 10 * kernel.dim()];
        let mut call = || {
            let view = genred::ViewMut::new(&mut out, 10, kernel.dim()).expect("a view");
            kernel.call_into(&views, view).expect("a call");
        };
        call();
        let calls: Vec<Duration> = (0..20)
            .map(|_| {
                let start = Instant::now();
                (0..100).for_each(|_| call());
                start.elapsed() / 100
            })
            .collect();
        let micro = |times: &[Duration]| least(times) * 1e6;
        println!(
            "{:26} {:8}  {:12.0} {:12.2}",
            problem.name,
            "float32",
            micro(&compile),
            micro(&calls)
        );
    }
}

fn main() {
    let filter: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    print!("{:26} {:8}", "ns a pair, one thread", "");
    for (name, _) in ENGINES {
        print!("  {name:>16}");
    }
    println!("  {:>8}", "loop f32");
    for problem in problems() {
        if filter.iter().all(|f| problem.name.contains(f.as_str())) {
            bench::<f32>(&problem, true);
            bench::<f64>(&problem, false);
        }
    }
    latency();
}
