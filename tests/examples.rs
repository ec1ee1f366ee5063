//! The examples: what they find is right, and the pictures of the documentation are what they draw.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the examples' own `main`")]
#![allow(clippy::duplicate_mod, reason = "each example is a program of its own")]

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

#[path = "../examples/density.rs"]
mod density;
#[path = "../examples/mixture.rs"]
mod mixture;
#[path = "../examples/neighbours.rs"]
mod neighbours;
#[path = "../examples/ridge.rs"]
mod ridge;
#[path = "../examples/transport.rs"]
mod transport;

/// Most bytes of a committed picture.
const LARGEST: u64 = 100_000;

/// Width, height and bytes.
fn decoded(path: &Path) -> (u32, u32, Vec<u8>) {
    let file = BufReader::new(File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    (info.width, info.height, bytes)
}

/// Draw into a folder of its own, and compare with the committed picture: functions of the platform may differ in the last place, so
/// a few pixels may differ by a step of their colour.
fn drawn<T>(name: &str, draw: impl FnOnce(&Path) -> Result<T, Box<dyn std::error::Error>>) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let found = draw(&path).unwrap();
    let committed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/pictures").join(name);
    assert!(fs::metadata(&committed).unwrap().len() < LARGEST, "{name} is too large");
    let ((width, height, now), (w, h, then)) = (decoded(&path), decoded(&committed));
    assert_eq!((width, height, now.len()), (w, h, then.len()), "{name}");
    let difference: u64 = now.iter().zip(&then).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = difference as f64 / now.len() as f64;
    assert!(mean < 0.2, "{name} is {mean} from the committed picture: draw it anew");
    found
}

#[test]
fn a_density_sums_to_one() {
    let mass = drawn("density.png", density::draw);
    assert!((mass - 1.0).abs() < 1e-3, "{mass}");
}

#[test]
fn expectation_maximisation_never_lowers_the_likelihood() {
    let likelihoods = drawn("mixture.png", mixture::draw);
    assert!(likelihoods.windows(2).all(|w| w[1] >= w[0] - 1e-5), "{likelihoods:?}");
    // The blobs are far apart: the best mixture is about the one they were drawn from.
    let last = likelihoods[likelihoods.len() - 1];
    assert!((-1.02..-0.99).contains(&last), "{last}");
}

#[test]
fn neighbours_tell_the_arms_apart() {
    let right = drawn("neighbours.png", neighbours::draw);
    assert!(right > 0.98, "{right}");
}

#[test]
fn a_transport_plan_has_the_right_marginals() {
    let transport = drawn("transport.png", transport::draw);
    assert!(transport.error < 0.02, "{transport:?}");
    assert!(transport.reached > 130, "{transport:?}");
}

#[test]
fn a_ridge_regression_is_nearer_to_the_truth_than_the_samples() {
    let fit = drawn("ridge.png", ridge::draw);
    assert!(fit.residual <= 1e-6 && fit.iterations < 20, "{fit:?}");
    assert!(fit.error < 0.06, "{fit:?}");
}
