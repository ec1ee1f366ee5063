//! What is left out costs nothing: time by the part of the pairs that takes part, as blocks.
//!
//! `cargo bench --bench sparse`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints and fails by panicking"
)]

use genred::{Genred, Kernel, Ranges, Reduction, View};
use std::time::{Duration, Instant};

const POINTS: usize = 32_768;

fn main() {
    let x: Vec<f32> = (0..POINTS * 3).map(|k| (k * 7_919 % 10_007) as f32 / 10_007.0).collect();
    let args = [View::new(&x, POINTS, 3).unwrap(), View::new(&x, POINTS, 3).unwrap()];
    println!(
        "{POINTS} x {POINTS} pairs of D=3, float32, one thread: seconds, and the part of the dense call's"
    );
    for (name, reduction, formula) in [
        ("gaussian, Sum", Reduction::Sum, "Exp(-SqDist(x, y))"),
        ("gaussian, LogSumExp", Reduction::LogSumExp, "-SqDist(x, y)"),
        ("nearest, ArgMin", Reduction::ArgMin, "SqDist(x, y)"),
    ] {
        let kernel = Genred::<f32>::reduction(reduction, formula)
            .output("a = Vi(1)")
            .aliases(["x = Vi(3)", "y = Vj(3)"])
            .single_threaded()
            .compile()
            .unwrap();
        let dense = best(|| drop(kernel.call(&args).unwrap()));
        println!("{name}: dense {:.4}", dense.as_secs_f64());
        for clusters in [16, 128] {
            for (part, keeps) in [("all", 8), ("half", 4), ("eighth", 1)] {
                blocks(&kernel, &args, clusters, keeps, part, dense);
            }
        }
        conditions(&args, (reduction, formula), dense);
    }
}

/// Conditions on the numbers of points: a triangle, bands, all but the diagonal.
fn conditions(args: &[View<'_, f32>], (reduction, formula): (Reduction, &str), dense: Duration) {
    let band = |width: usize| format!("(IndexI - IndexJ < {width}) * (IndexJ - IndexI < {width})");
    for (name, condition) in [
        ("all but the diagonal", "IndexI != IndexJ".to_owned()),
        ("triangle", "IndexI < IndexJ".to_owned()),
        ("band of 8191", band(4_096)),
        ("band of 2047", band(1_024)),
        ("band of 511", band(256)),
    ] {
        let kernel = Genred::<f32>::reduction(reduction, formula)
            .keep(condition)
            .output("a = Vi(1)")
            .aliases(["x = Vi(3)", "y = Vj(3)"])
            .single_threaded()
            .compile()
            .unwrap();
        let time = best(|| drop(kernel.call(args).unwrap()));
        let ratio = time.as_secs_f64() / dense.as_secs_f64();
        println!("  {name:31}  {:.4}  {ratio:.2}", time.as_secs_f64());
    }
}

/// Clusters of equal sizes; of eight columns' clusters `keeps` are kept.
fn blocks(
    kernel: &Kernel<f32>,
    args: &[View<'_, f32>],
    clusters: usize,
    keeps: usize,
    part: &str,
    dense: Duration,
) {
    let offsets: Vec<usize> = (0..=clusters).map(|c| c * POINTS / clusters).collect();
    let keep: Vec<bool> =
        (0..clusters * clusters).map(|k| (k / clusters * 3 + k % clusters) % 8 < keeps).collect();
    let ranges = Ranges::from_mask(&keep, &offsets, &offsets).unwrap();
    let ranged = kernel.with_ranges(&ranges);
    let time = best(|| drop(ranged.call(args).unwrap()));
    let ratio = time.as_secs_f64() / dense.as_secs_f64();
    println!(
        "  {clusters:3} x {clusters:3} blocks, {part:6} kept  {:.4}  {ratio:.2}",
        time.as_secs_f64()
    );
}

fn best(mut call: impl FnMut()) -> Duration {
    let time = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        call();
        start.elapsed()
    };
    (0..5).map(|_| time(&mut call)).min().unwrap()
}
