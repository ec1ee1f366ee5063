//! Several reductions of one formula: one pass beside calls of their own, one thread, in one run.
//!
//! `cargo bench --bench several`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints and fails by panicking"
)]

use genred::{Genred, Reduction, View};
use std::time::{Duration, Instant};

use Reduction::{ArgMax, ArgMin, LogSumExp, Max, Min, Sum};

/// Rounds; the least time of each counts.
const ROUNDS: usize = 9;

fn main() {
    println!(
        "ns a pair, float32, one thread: one pass, calls of their own, and the part of their time that the pass takes"
    );
    let sets: [&[Reduction]; 4] =
        [&[LogSumExp, ArgMax], &[LogSumExp, ArgMin], &[Sum, Max], &[ArgMin, ArgMax]];
    for dim in [3, 100] {
        for reductions in sets {
            row(dim, "-SqDist(x, y)", reductions);
        }
        row(dim, "Exp(-SqDist(x, y))", &[Sum, Min, Max]);
    }
}

fn row(dim: usize, formula: &str, reductions: &[Reduction]) {
    let (m, n) = if dim < 10 { (4_096, 8_192) } else { (2_048, 4_096) };
    let some = |len: usize, step: usize| -> Vec<f32> {
        (0..len).map(|k| (k * step % 10_007) as f32 / 10_007.0).collect()
    };
    let (x, y) = (some(m * dim, 7_919), some(n * dim, 3_571));
    let args = [View::new(&x, m, dim).unwrap(), View::new(&y, n, dim).unwrap()];
    let genred = |reduction: Reduction| {
        Genred::<f32>::reduction(reduction, formula)
            .output("a = Vi(1)")
            .aliases([format!("x = Vi({dim})"), format!("y = Vj({dim})")])
            .single_threaded()
    };
    let together = genred(reductions[0]).compile_with(&reductions[1..]).unwrap();
    let alone: Vec<_> = reductions.iter().map(|r| genred(*r).compile().unwrap()).collect();
    let (mut pass, mut calls) = (Duration::MAX, vec![Duration::MAX; alone.len()]);
    for _ in 0..ROUNDS {
        pass = pass.min(time(|| drop(together.call(&args).unwrap())));
        for (kernel, best) in alone.iter().zip(&mut calls) {
            *best = (*best).min(time(|| drop(kernel.call(&args).unwrap())));
        }
    }
    let per_pair = |time: Duration| time.as_secs_f64() * 1e9 / (m * n) as f64;
    let all: Duration = calls.iter().sum();
    let names: Vec<&str> = reductions.iter().map(|r| r.name()).collect();
    let each: Vec<String> = calls.iter().map(|time| format!("{:.4}", per_pair(*time))).collect();
    println!(
        "D={dim:<3} {formula:18}  {:20}  {:.4}  {:24}  {:.2}",
        names.join(" + "),
        per_pair(pass),
        each.join(" + "),
        pass.as_secs_f64() / all.as_secs_f64()
    );
}

fn time(call: impl FnOnce()) -> Duration {
    let start = Instant::now();
    call();
    start.elapsed()
}
