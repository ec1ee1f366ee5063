//! A kernel density as a heat map: at every pixel the sum of a Gaussian around each of 5000 points.
//!
//! `cargo run --release --example density` writes `density.png`.

#![allow(clippy::print_stdout, reason = "examples say what they found")]

mod picture;

use genred::{View, generic_sum};
use picture::random::Random;
use picture::{Outcome, Picture, heat};
use std::path::Path;

const POINTS: usize = 5_000;

fn main() -> Outcome<()> {
    let mass = draw(&picture::path("density.png"))?;
    println!("the density over the picture sums to {mass:.4}");
    Ok(())
}

/// Draw; gives the integral of the density over the picture, which is nearly all of it.
pub(crate) fn draw(path: &Path) -> Outcome<f64> {
    let points = spirals(POINTS);
    let mut picture = Picture::new([400, 400], [-1.6; 2], [1.6; 2])?;
    let centres = picture.centres();
    let pixels = centres.len() / 2;

    // The formula is the normal density of standard deviation s, divided by the number of points n.
    let formula = "Exp(-SqDist(x, y) / (2 * s**2)) / (2 * 3.14159265358979 * s**2 * n)";
    let aliases = ["x = Vi(2)", "y = Vj(2)", "s = Pm(1)", "n = Pm(1)"];
    let density = generic_sum::<f32>(formula, "a = Vi(1)", &aliases)?.call(&[
        View::new(&centres, pixels, 2)?,
        View::new(&points, POINTS, 2)?,
        View::vector(&[0.04]),
        View::vector(&[POINTS as f32]),
    ])?;

    let values = density.as_slice();
    let highest = values.iter().copied().fold(0.0, f32::max);
    picture.fill(|k| heat((values[k] / highest).sqrt()));
    picture.save(path)?;
    let pixel = (3.2f64 / 400.0).powi(2);
    Ok(values.iter().map(|v| f64::from(*v) * pixel).sum())
}

/// Points along two arms of a spiral.
fn spirals(len: usize) -> Vec<f32> {
    let mut random = Random::new(1);
    let noise = random.normal(2 * len);
    let mut points = Vec::with_capacity(2 * len);
    for (k, noise) in noise.chunks_exact(2).enumerate() {
        let along = random.uniform().sqrt() as f32;
        let angle = 9.0 * along + if k % 2 == 0 { 0.0 } else { std::f32::consts::PI };
        points.push(1.3 * along * angle.cos() + 0.05 * noise[0]);
        points.push(1.3 * along * angle.sin() + 0.05 * noise[1]);
    }
    points
}
