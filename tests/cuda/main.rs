//! The CUDA engine without a device: its sources, compiled for this machine with the device language emulated, run through a
//! driver that emulates the real one, and compared with the oracle. Everything but NVRTC and the hardware is the real thing.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::undocumented_unsafe_blocks,
    clippy::match_bool,
    reason = "parts of a test and of a driver that emulates the real one"
)]
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../suite/mod.rs"]
mod suite;

mod backend;
mod cases;
mod kernels;
mod launch;
mod nvrtc;
mod run;
mod shim;

use cases::Case;
use common::choices::Choices;
use genred::cuda::{Cubin, Emitted, Launcher};
use genred::schedule::Lanes;
use shim::Shim;
use suite::{Call, LAYOUTS, Tally};

/// Sources that are compiled together.
const BATCH: usize = 24;

/// Shapes that a case is run with: tails of tiles and blocks, several segments, few rows, nothing.
fn shapes(lanes: Lanes) -> &'static [(usize, usize)] {
    match lanes {
        Lanes::Rows => &[(1, 1), (2, 0), (33, 257), (3, 1300), (1030, 5), (150, 40)],
        Lanes::Columns => &[(1, 0), (3, 300), (9, 511), (2, 2600)],
    }
}

/// Emit and compile cases, a few in each shared object.
fn compiled(cases: &[Case]) -> impl Iterator<Item = (&Case, Cubin)> {
    cases.chunks(BATCH).flat_map(|batch| {
        let emitted: Vec<Emitted> =
            batch.iter().map(|c| c.emit().unwrap_or_else(|why| panic!("{why}"))).collect();
        batch.iter().zip(shim::compile(&emitted))
    })
}

fn assert_none(failures: &[String], of: usize) {
    let shown = failures[..failures.len().min(20)].join("\n");
    assert!(failures.is_empty(), "{} of {of} differ:\n{shown}", failures.len());
}

#[test]
fn formulas_agree_with_the_oracle() {
    let mut choices = Choices::from_seed(7);
    let all = cases::cases(&mut choices);
    let shim = Shim::new();
    let device = shim.device(0);
    let mut failures = Vec::new();
    let (mut calls, mut tally) = (0, Tally::default());
    for (case, cubin) in compiled(&all) {
        let launcher =
            Launcher::new(std::slice::from_ref(&device), &cubin).expect("a whole kernel");
        let formula = case.formula();
        for (k, (rows, columns)) in shapes(case.lanes).iter().enumerate() {
            let (m, n) = case.sides(*rows, *columns);
            let call = match k % 3 {
                0 => Call::conformance(&formula, m, n),
                _ => Call::seeded(&formula, m, n, choices.bits()),
            };
            // float16 holds the plain numbers, not the seeded ones.
            let call = match call.fits(case.stored) {
                true => call,
                false => Call::conformance(&formula, m, n),
            };
            calls += 1;
            shim.order(k as i32 % 3);
            let layout = LAYOUTS[k % LAYOUTS.len()];
            let name = format!("{}, {rows} x {columns}", case.name());
            let found =
                run::run(&launcher, case.problem.rows(), &call, layout).map_err(|e| e.to_string());
            match found.clone().and_then(|found| case.check(&call, &found)) {
                Ok(checked) => tally.add(checked),
                Err(why) => failures.push(format!("{name}: {why}")),
            }
            // A tile at a time, then two: the same bits.
            let pieces = (rows.div_ceil(1 + k % 2), 1 + k % 2);
            let streamed =
                run::run_in_pieces(&launcher, case.problem.rows(), &call, layout, pieces);
            match (&found, streamed.map_err(|e| e.to_string())) {
                (Ok(found), Ok(streamed)) if run::bits(found) == run::bits(&streamed) => {}
                (_, Err(why)) => failures.push(format!("{name} in pieces: {why}")),
                (_, Ok(_)) => failures.push(format!("{name} in pieces: other bits")),
            }
        }
    }
    assert_none(&failures, 2 * calls);
    assert!(tally.checked > 10 * tally.unknown, "{tally:?} in {calls} calls");
}
