//! Optimal transport between two clouds of points by Sinkhorn's iteration, in the log domain: each half step is one LogSumExp.
//!
//! `cargo run --release --example transport` writes `transport.png`: every point of the disc, coloured by its height, is joined to the point that most of it is sent to.

#![allow(clippy::print_stdout, reason = "examples say what they found")]

mod picture;

use genred::{Genred, Reduction, View, generic_logsumexp};
use picture::random::Random;
use picture::{BLUE, GREEN, GREY, ORANGE, Outcome, Picture, Rgb};
use std::collections::BTreeSet;
use std::path::Path;

const POINTS: usize = 160;

/// The logarithm of the plan, times the number of points: f and g are the potentials, e is the blur.
const LOG_PLAN: &str = "(f + g - SqDist(x, y)) / e";

/// What came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transport {
    /// By how much the plan takes too much or too little from a point at most, relative to what it should.
    pub(crate) error: f64,
    /// How many different points are reached.
    pub(crate) reached: usize,
}

fn main() -> Outcome<()> {
    let Transport { error, reached } = draw(&picture::path("transport.png"))?;
    println!(
        "marginals are right to {error:.1e}; {reached} of {POINTS} points get most of another"
    );
    Ok(())
}

/// Draw the plan between a disc and a ring.
pub(crate) fn draw(path: &Path) -> Outcome<Transport> {
    let (from, to) = (disc(POINTS), moons(POINTS));
    let (x, y) = (View::new(&from, POINTS, 2)?, View::new(&to, POINTS, 2)?);
    let points = ["x = Vi(2)", "y = Vj(2)"];

    // The potential of each side makes the plan right for its points: minus e times the log of the mean of exp((other - cost) / e).
    let over_j = "(g - SqDist(x, y)) / e";
    let over_i = "(f - SqDist(x, y)) / e";
    let of_x = generic_logsumexp::<f64>(
        over_j,
        "a = Vi(1)",
        &[points[0], points[1], "g = Vj(1)", "e = Pm(1)"],
    )?;
    let of_y = generic_logsumexp::<f64>(
        over_i,
        "a = Vj(1)",
        &[points[0], points[1], "f = Vi(1)", "e = Pm(1)"],
    )?;
    let (mut f, mut g) = (vec![0.0; POINTS], vec![0.0; POINTS]);
    let mut blur = 1.0;
    loop {
        let e = [blur];
        for _ in 0..100 {
            let sums = of_x.call(&[x, y, View::new(&g, POINTS, 1)?, View::vector(&e)])?;
            potential(&mut f, sums.as_slice(), blur);
            let sums = of_y.call(&[x, y, View::new(&f, POINTS, 1)?, View::vector(&e)])?;
            potential(&mut g, sums.as_slice(), blur);
        }
        // Less blur each time: large steps first.
        if blur < 1e-3 {
            break;
        }
        blur *= 0.7;
    }

    let e = [blur];
    let plan = [points[0], points[1], "f = Vi(1)", "g = Vj(1)", "e = Pm(1)"];
    let args = [x, y, View::new(&f, POINTS, 1)?, View::new(&g, POINTS, 1)?, View::vector(&e)];
    let matching = Genred::<f64>::argmax(LOG_PLAN).output("k = Vi(1)").aliases(plan).compile()?;
    let matching = matching.call_indices(&args)?;
    let masses = Genred::<f64>::reduction(Reduction::LogSumExp, LOG_PLAN);
    let masses = masses.output("a = Vi(1)").aliases(plan).compile()?.call(&args)?;
    let off = |log: &f64| (log.exp() / POINTS as f64 - 1.0).abs();
    let error = masses.as_slice().iter().map(off).fold(0.0, f64::max);

    let mut picture = Picture::new([600, 340], [-1.9, -1.0], [2.0, 1.21])?;
    let narrow = |point: &[f64]| [point[0] as f32, point[1] as f32];
    let pairs: Vec<(&[f64], &[f64], Rgb)> = from
        .chunks_exact(2)
        .enumerate()
        .map(|(k, start)| {
            let there = matching[(k, 0)] as usize;
            (start, &to[2 * there..2 * there + 2], by_height(start[1]))
        })
        .collect();
    for (start, end, colour) in &pairs {
        picture.line(&[narrow(start), narrow(end)].concat(), 1.0, *colour, 0.55);
    }
    // Points that share what they receive with a neighbour may be nobody's largest share.
    to.chunks_exact(2).for_each(|point| picture.dot(&narrow(point), 3.0, GREY));
    for (start, end, colour) in &pairs {
        picture.dot(&narrow(start), 3.0, *colour);
        picture.dot(&narrow(end), 3.0, *colour);
    }
    picture.save(path)?;
    let reached: BTreeSet<i64> = matching.as_slice().iter().copied().collect();
    Ok(Transport { error, reached: reached.len() })
}

/// Blue at the bottom of the disc, green in the middle, orange at the top.
fn by_height(height: f64) -> Rgb {
    let place = ((height - 0.1) / 0.6).clamp(-1.0, 1.0) as f32;
    let (from, to, share) =
        if place < 0.0 { (BLUE, GREEN, place + 1.0) } else { (GREEN, ORANGE, place) };
    std::array::from_fn(|c| from[c] * (1.0 - share) + to[c] * share)
}

fn potential(potential: &mut [f64], log_sums: &[f64], blur: f64) {
    for (value, sum) in potential.iter_mut().zip(log_sums) {
        *value = -blur * (sum - (POINTS as f64).ln());
    }
}

fn disc(len: usize) -> Vec<f64> {
    let mut random = Random::new(5);
    let mut point = || {
        let (radius, angle) = (0.6 * random.uniform().sqrt(), random.uniform());
        let (sin, cos) = (std::f64::consts::TAU * angle).sin_cos();
        [-1.1 + radius * cos, 0.1 + radius * sin]
    };
    (0..len).flat_map(|_| point()).collect()
}

fn moons(len: usize) -> Vec<f64> {
    let mut random = Random::new(6);
    let mut point = |k: usize| {
        let (sin, cos) = (std::f64::consts::PI * random.uniform()).sin_cos();
        let radius = 0.55 + 0.15 * random.uniform();
        match k % 2 {
            0 => [0.8 + radius * cos, 0.25 + radius * sin],
            _ => [1.2 + radius * cos, -0.05 - radius * sin],
        }
    };
    (0..len).flat_map(&mut point).collect()
}
