//! A Gaussian mixture, fitted by expectation maximisation: both steps are reductions over all pairs of points and components.
//!
//! `cargo run --release --example mixture` writes `mixture.png`: the background shows the responsibilities, by mixing the colours of the
//! components in their proportion.

#![allow(clippy::print_stdout, reason = "examples say what they found")]

mod picture;

use genred::{Genred, Reduction, View, generic_logsumexp, generic_sum};
use picture::random::Random;
use picture::{BLUE, GREEN, ORANGE, Outcome, Picture, Rgb, pale};
use std::path::Path;

const POINTS: usize = 1_500;
const COLOURS: [Rgb; 3] = [BLUE, ORANGE, GREEN];

/// The logarithm of the density of component j at the point i, times its share: `l` is the logarithm of the share over the square root of
/// the determinant, `p` the inverse covariance, `m` the mean.
const LOG_TERM: &str = "l - WeightedSqNorm(p, x - m) / 2";

/// Mean, covariance and share of each component, row after row.
#[derive(Clone, Debug)]
struct Mixture {
    means: Vec<f32>,
    covariances: Vec<f32>,
    shares: Vec<f32>,
}

fn main() -> Outcome<()> {
    let likelihoods = draw(&picture::path("mixture.png"))?;
    let (first, last) = (likelihoods[0], likelihoods[likelihoods.len() - 1]);
    let rounds = likelihoods.len();
    println!("the mean log-likelihood rose from {first:.4} to {last:.4} in {rounds} rounds");
    Ok(())
}

/// Draw; gives the mean log-likelihood in each round of the fit.
pub(crate) fn draw(path: &Path) -> Outcome<Vec<f64>> {
    let points = blobs(POINTS);
    let mut mixture = Mixture {
        means: vec![-0.5, 0.0, 0.5, 0.0, 0.0, 0.5],
        covariances: [0.3, 0.0, 0.0, 0.3].repeat(3),
        shares: vec![1.0 / 3.0; 3],
    };

    let components = ["m = Vj(2)", "p = Vj(4)", "l = Vj(1)"];
    let log_density = generic_logsumexp::<f32>(
        LOG_TERM,
        "a = Vi(1)",
        &["x = Vi(2)", components[0], components[1], components[2]],
    )?;
    // For every component the sum over the points of responsibility times (1, x, x x'): the result has rows j.
    let moments = generic_sum::<f32>(
        &format!("Exp({LOG_TERM} - d) * Concat(1, x, TensorProd(x, x))"),
        "a = Vj(7)",
        &["x = Vi(2)", components[0], components[1], components[2], "d = Vi(1)"],
    )?;
    let x = View::new(&points, POINTS, 2)?;
    let mut likelihoods = Vec::new();
    for _ in 0..60 {
        let (precisions, logs) = mixture.precisions();
        let means = mixture.means.clone();
        let (m, p, l) =
            (View::new(&means, 3, 2)?, View::new(&precisions, 3, 4)?, View::new(&logs, 3, 1)?);
        let density = log_density.call(&[x, m, p, l])?;
        let sum: f64 = density.as_slice().iter().copied().map(f64::from).sum();
        likelihoods.push(sum / POINTS as f64);
        let moments = moments.call(&[x, m, p, l, density.view()])?;
        (0..3).for_each(|k| mixture.update(k, moments.row(k)));
    }

    // A softmax mean of the colours: the sum of responsibility times colour, at every pixel.
    let colour = Genred::<f32>::reduction(Reduction::SumSoftMaxWeight, LOG_TERM)
        .weight("c")
        .output("a = Vi(3)")
        .alias("x = Vi(2)")
        .aliases(components)
        .alias("c = Vj(3)")
        .compile()?;
    let mut picture = Picture::new([400, 400], [-1.6; 2], [1.6; 2])?;
    let centres = picture.centres();
    let (precisions, logs) = mixture.precisions();
    let colours = COLOURS.concat();
    let (m, p) = (View::new(&mixture.means, 3, 2)?, View::new(&precisions, 3, 4)?);
    let (l, c) = (View::new(&logs, 3, 1)?, View::new(&colours, 3, 3)?);
    let pixels = View::new(&centres, centres.len() / 2, 2)?;
    let background = colour.call(&[pixels, m, p, l, c])?;
    picture.fill(|k| {
        let row = background.row(k);
        pale([row[0], row[1], row[2]], 0.3)
    });
    let of_points = colour.call(&[x, m, p, l, c])?;
    for (k, point) in points.chunks_exact(2).enumerate() {
        let row = of_points.row(k);
        picture.dot(point, 1.8, [row[0], row[1], row[2]]);
    }
    for k in 0..3 {
        picture.line(&mixture.ellipse(k), 2.0, [0.1; 3], 0.8);
    }
    picture.save(path)?;
    Ok(likelihoods)
}

impl Mixture {
    /// The inverse of every covariance, and `l` of [`LOG_TERM`].
    fn precisions(&self) -> (Vec<f32>, Vec<f32>) {
        let mut inverses = Vec::new();
        let mut logs = Vec::new();
        for (c, share) in self.covariances.chunks_exact(4).zip(&self.shares) {
            let determinant = c[0] * c[3] - c[1] * c[2];
            inverses.extend([c[3], -c[1], -c[2], c[0]].map(|entry| entry / determinant));
            logs.push((share / determinant.sqrt()).ln() - std::f32::consts::TAU.ln());
        }
        (inverses, logs)
    }

    /// Take over the moments of a component.
    fn update(&mut self, k: usize, moments: &[f32]) {
        let mass = moments[0];
        let (x, y) = (moments[1] / mass, moments[2] / mass);
        self.means[2 * k..2 * k + 2].copy_from_slice(&[x, y]);
        let products = [x * x, x * y, y * x, y * y];
        for (c, product) in products.into_iter().enumerate() {
            self.covariances[4 * k + c] = moments[3 + c] / mass - product;
        }
        self.shares[k] = mass / POINTS as f32;
    }

    /// Two standard deviations around the mean of a component.
    fn ellipse(&self, k: usize) -> Vec<f32> {
        let c = &self.covariances[4 * k..4 * k + 4];
        // A root of the covariance, by Cholesky.
        let a = c[0].sqrt();
        let b = c[1] / a;
        let d = (c[3] - b * b).sqrt();
        let point = |n: u16| {
            let (sin, cos) = (f32::from(n) * std::f32::consts::TAU / 100.0).sin_cos();
            let [x, y] = [self.means[2 * k], self.means[2 * k + 1]];
            [x + 2.0 * a * cos, y + 2.0 * (b * cos + d * sin)]
        };
        (0..=100).flat_map(point).collect()
    }
}

/// Points from three stretched normal distributions.
fn blobs(len: usize) -> Vec<f32> {
    const FROM: [[f32; 6]; 3] = [
        [-0.7, -0.4, 0.30, 0.15, 0.00, 0.15],
        [0.6, -0.5, 0.15, -0.15, 0.00, 0.35],
        [0.1, 0.8, 0.45, 0.00, 0.00, 0.15],
    ];
    let noise = Random::new(2).normal(2 * len);
    let point = |(k, z): (usize, &[f32])| {
        let [x, y, a, b, c, d] = FROM[k % 3];
        [x + a * z[0] + c * z[1], y + b * z[0] + d * z[1]]
    };
    noise.chunks_exact(2).enumerate().flat_map(point).collect()
}
