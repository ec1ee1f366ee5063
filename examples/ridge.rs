//! Kernel ridge regression: a curve through noisy samples, by one linear system that is never written down.
//!
//! `cargo run --release --example ridge` writes `ridge.png`: samples grey, the function they were made from dashed, the regression blue.

#![allow(clippy::print_stdout, reason = "examples say what they found")]

mod picture;

use genred::{KernelSolve, Preconditioner, View, generic_sum};
use picture::random::Random;
use picture::{BLUE, GREY, Outcome, Picture, RED, pale};
use std::path::Path;

const SAMPLES: usize = 1_000;
const NOISE: f64 = 0.25;

/// What came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    pub(crate) iterations: usize,
    /// Of the linear system.
    pub(crate) residual: f64,
    /// Root of the mean squared difference between the curve and the function that the samples were made from.
    pub(crate) error: f64,
}

fn main() -> Outcome<()> {
    let Fit { iterations, residual, error } = draw(&picture::path("ridge.png"))?;
    println!("residual {residual:.1e} after {iterations} iterations");
    println!("the curve is {error:.3} from the truth; the noise of a sample is {NOISE}");
    Ok(())
}

/// Draw the samples and the curve.
pub(crate) fn draw(path: &Path) -> Outcome<Fit> {
    let mut random = Random::new(7);
    let noise = random.normal(SAMPLES);
    let times: Vec<f64> = (0..SAMPLES).map(|_| random.uniform()).collect();
    let values: Vec<f64> =
        times.iter().zip(&noise).map(|(t, z)| truth(*t) + NOISE * f64::from(*z)).collect();
    let (x, b) = (View::new(&times, SAMPLES, 1)?, View::new(&values, SAMPLES, 1)?);

    let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)", "s = Pm(1)"];
    let kernel = generic_sum::<f64>("Exp(-SqDist(x, y) / s**2) * b", "a = Vi(1)", &aliases)?;
    let width = View::vector(&[0.08]);
    let solve =
        KernelSolve::new(&kernel, "b")?.alpha(1.0).precondition(Preconditioner::Nystrom(30));
    let solution = solve.call(&[x, x, b, width])?;

    // The kernel of the system gives the curve as well, at other points.
    let at: Vec<f64> = (0..=600).map(|k| f64::from(k) / 600.0).collect();
    let curve = kernel.call(&[View::new(&at, 601, 1)?, x, solution.values().view(), width])?;

    let mut picture = Picture::new([600, 340], [-0.02, -1.9], [1.02, 2.1])?;
    for (t, value) in times.iter().zip(&values) {
        picture.dot(&[*t as f32, *value as f32], 1.6, pale(GREY, 0.6));
    }
    let along = |values: &dyn Fn(usize) -> f64, part: std::ops::Range<usize>| -> Vec<f32> {
        part.flat_map(|k| [at[k] as f32, values(k) as f32]).collect()
    };
    for dash in (0..600).step_by(15) {
        picture.line(&along(&|k| truth(at[k]), dash..dash + 9), 2.0, RED, 1.0);
    }
    picture.line(&along(&|k| curve[(k, 0)], 0..601), 2.4, BLUE, 1.0);
    picture.save(path)?;
    let squares = at.iter().enumerate().map(|(k, t)| (curve[(k, 0)] - truth(*t)).powi(2));
    Ok(Fit {
        iterations: solution.iterations(),
        residual: solution.residual(),
        error: (squares.sum::<f64>() / at.len() as f64).sqrt(),
    })
}

/// The function that the samples are taken from.
fn truth(t: f64) -> f64 {
    (14.0 * t * t).sin() + 0.4 * (3.0 * t).cos()
}
