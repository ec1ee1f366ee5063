//! Random reductions on every engine of the machine, against each other bit for bit and against the oracle's bounds: the fuzz
//! target `differential` from seeds, in a release build.
//!
//! `cargo bench --bench differential -- [--cases N] [--seed S] [--threads T]` prints what was compared, and every case that
//! disagrees as the code that makes it again; it fails if there is one. Case k of a seed is the same on every machine.

#![allow(clippy::print_stdout, reason = "it prints counts")]

use genred_fuzz_bodies::differential::{self, Verdict};
use genred_fuzz_bodies::{Choices, agreement};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Cases between two lines about the progress.
const REPORT: u64 = 50_000;

#[derive(Default)]
struct Counts {
    started: AtomicU64,
    done: AtomicU64,
    accepted: AtomicU64,
    compared: AtomicU64,
    unknown: AtomicU64,
    mismatches: AtomicU64,
}

impl Counts {
    fn line(&self, start: Instant) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!(
            "{} cases, {} accepted, {} results compared ({} of them unknown to the oracle), {} mismatches, {} s",
            of(&self.done),
            of(&self.accepted),
            of(&self.compared),
            of(&self.unknown),
            of(&self.mismatches),
            start.elapsed().as_secs()
        )
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str, usual: u64| -> u64 {
        let value = args.iter().position(|a| a == name).and_then(|k| args.get(k + 1));
        value.map_or(usual, |value| value.parse().expect("an option's value is a number"))
    };
    let (cases, seed) = (option("--cases", 2_000), option("--seed", 1));
    let threads = option("--threads", 1);
    let (counts, start) = (Counts::default(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = counts.started.fetch_add(1, Ordering::Relaxed);
                    if number >= cases {
                        break;
                    }
                    one(seed, number, &counts);
                    let done = counts.done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(REPORT) {
                        println!("{}", counts.line(start));
                    }
                }
            });
        }
    });
    println!("{}", counts.line(start));
    ExitCode::from(u8::from(counts.mismatches.into_inner() > 0))
}

/// Check one case; what disagrees panics with the case as code, which the panic hook prints.
fn one(seed: u64, number: u64, counts: &Counts) {
    let case = differential::case(&mut Choices::from_seed(seed << 32 ^ number));
    match catch_unwind(AssertUnwindSafe(|| agreement::check(&case))) {
        Ok(Verdict::Refused) => {}
        Ok(Verdict::Agreed { results, unknown, .. }) => {
            counts.accepted.fetch_add(1, Ordering::Relaxed);
            counts.compared.fetch_add(results as u64, Ordering::Relaxed);
            counts.unknown.fetch_add(unknown as u64, Ordering::Relaxed);
        }
        Err(_) => {
            counts.mismatches.fetch_add(1, Ordering::Relaxed);
            println!("case {number} of seed {seed} disagrees");
        }
    }
}
