//! A classifier by the nearest neighbours: every pixel takes the class that most of its 9 nearest points have.
//!
//! `cargo run --release --example neighbours` writes `neighbours.png`.

#![allow(clippy::print_stdout, reason = "examples say what they found")]

mod picture;

use genred::{Kernel, View, generic_argkmin};
use picture::random::Random;
use picture::{BLUE, GREEN, ORANGE, Outcome, Picture, Rgb, pale};
use std::path::Path;

const POINTS: usize = 900;
const NEIGHBOURS: usize = 9;
const COLOURS: [Rgb; 3] = [BLUE, ORANGE, GREEN];

fn main() -> Outcome<()> {
    let right = draw(&picture::path("neighbours.png"))?;
    println!("{:.1} % of 3000 other points are classified as they were made", 100.0 * right);
    Ok(())
}

/// Draw; gives the share of points besides those learnt from that is classified as it was made.
pub(crate) fn draw(path: &Path) -> Outcome<f64> {
    let aliases = ["x = Vi(2)", "y = Vj(2)"];
    let nearest =
        generic_argkmin::<f32>("SqDist(x, y)", &format!("k = Vi({NEIGHBOURS})"), &aliases)?;
    let points = arms(POINTS, 3);
    let mut picture = Picture::new([400, 400], [-1.6; 2], [1.6; 2])?;
    let votes = votes(&nearest, &picture.centres(), &points)?;
    picture.fill(|k| pale(COLOURS[winner(votes[k])], 0.15 + 0.3 * certainty(votes[k])));
    for (k, point) in points.chunks_exact(2).enumerate() {
        picture.dot(point, 2.0, COLOURS[k % 3]);
    }
    picture.save(path)?;

    let others = arms(3_000, 4);
    let right = self::votes(&nearest, &others, &points)?;
    let right = right.into_iter().enumerate().filter(|(k, votes)| winner(*votes) == k % 3);
    Ok(right.count() as f64 / 3_000.0)
}

/// For every place how many of the nearest points are of each class.
fn votes(nearest: &Kernel<f32>, places: &[f32], points: &[f32]) -> Outcome<Vec<[usize; 3]>> {
    let x = View::new(places, places.len() / 2, 2)?;
    let indices = nearest.call_indices(&[x, View::new(points, points.len() / 2, 2)?])?;
    let count = |row: &[i64]| {
        let mut votes = [0; 3];
        row.iter().for_each(|index| votes[*index as usize % 3] += 1);
        votes
    };
    Ok((0..indices.rows()).map(|r| count(indices.row(r))).collect())
}

fn winner(votes: [usize; 3]) -> usize {
    (1..3).fold(0, |best, class| if votes[class] > votes[best] { class } else { best })
}

/// From 0, where the classes are even, to 1.
fn certainty(votes: [usize; 3]) -> f32 {
    let share = votes[winner(votes)] as f32 / NEIGHBOURS as f32;
    (share * 3.0 - 1.0) / 2.0
}

/// Points along three arms of a spiral; point k is of class k modulo 3.
fn arms(len: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let noise = random.normal(2 * len);
    let mut points = Vec::with_capacity(2 * len);
    for (k, noise) in noise.chunks_exact(2).enumerate() {
        let along = 0.1 + 0.9 * random.uniform().sqrt() as f32;
        let angle = 4.0 * along + (k % 3) as f32 * std::f32::consts::TAU / 3.0;
        points.push(1.35 * along * angle.cos() + 0.1 * noise[0]);
        points.push(1.35 * along * angle.sin() + 0.1 * noise[1]);
    }
    points
}
