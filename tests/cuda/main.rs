//! The CUDA engine without a device: its sources, compiled for this machine with the device language emulated, run through a
//! driver that emulates the real one, and compared with the oracle. Everything but NVRTC and the hardware is the real thing.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod check;
mod shim;

use common::choices::Choices;
use genred::cuda::{Cubin, Emitted, Launcher};
use genred::schedule::Lanes;
use shim::Shim;

/// Sources that are compiled together.
const BATCH: usize = 24;

/// Shapes that a case is run with: tails of tiles and blocks, several segments, few rows, nothing.
fn shapes(lanes: Lanes) -> &'static [(usize, usize)] {
    match lanes {
        Lanes::Rows => &[(1, 1), (2, 0), (33, 257), (70, 1300), (1100, 300)],
        Lanes::Columns => &[(1, 0), (3, 300), (31, 511), (5, 2600)],
    }
}

#[test]
fn cases_agree_with_the_oracle() {
    let mut choices = Choices::from_seed(7);
    let all = cases::cases(&mut choices);
    let shim = Shim::new();
    let device = shim.device(0);
    let mut failures = Vec::new();
    let (mut checked, mut known) = (0, 0);
    for batch in all.chunks(BATCH) {
        let emitted: Vec<Emitted> = batch
            .iter()
            .map(|case| case.emit().unwrap_or_else(|why| panic!("{}: {why}", case.name())))
            .collect();
        let cubins: Vec<Cubin> = shim::compile(&emitted);
        for (case, cubin) in batch.iter().zip(&cubins) {
            let launcher = Launcher::new(std::slice::from_ref(&device), cubin).expect("a whole kernel");
            for (rows, columns) in shapes(case.lanes) {
                checked += 1;
                match check::check(case, &launcher, *rows, *columns, &mut choices) {
                    Ok(n) => known += n,
                    Err(why) => failures.push(format!("{}, {rows} x {columns}: {why}", case.name())),
                }
            }
        }
    }
    let shown = failures[..failures.len().min(60)].join("\n");
    assert!(failures.is_empty(), "{} of {checked} differ:\n{shown}", failures.len());
    assert!(known > checked, "only {known} numbers were compared in {checked} calls");
}
