//! Time and memory of the worst formulas within the limits: each compiles in a process of its own, so that memory is its own.
//!
//! `cargo bench --bench bombs` prints a line a formula, and fails if one takes longer or more than the stated bounds.
//! `cargo bench --bench bombs -- NAME` runs those whose names contain NAME.

#![allow(clippy::print_stdout, reason = "a report")]

#[allow(dead_code, unreachable_pub, reason = "the tests of limits use the rest")]
#[path = "../tests/common/bombs.rs"]
mod bombs;

use genred::cache::{Cache, Mode, Options};
use genred::{Axis, Genred};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Bounds of anything that is accepted, and of anything that is refused.
const SECONDS: f64 = 1.0;
const MEBIBYTES: u64 = 512;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [flag, number] = &args[..]
        && flag == "--one"
    {
        one(number.parse().expect("the number of a formula"));
        return ExitCode::SUCCESS;
    }
    let mut beyond = 0;
    println!("{:<32} {:>8} {:>8}  outcome", "formula", "ms", "MiB");
    for (k, bomb) in bombs::all().iter().enumerate() {
        if args.first().is_some_and(|wanted| !bomb.name.contains(wanted.as_str())) {
            continue;
        }
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program).args(["--one", &k.to_string()]).output();
        let output = output.expect("this program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut fields = text.split('\t');
        let seconds: Option<f64> = fields.next().and_then(|f| f.parse().ok());
        let mebibytes: Option<u64> = fields.next().and_then(|f| f.parse().ok());
        let outcome = fields.next().unwrap_or("died").trim_end().to_owned();
        let (seconds, mebibytes) = (seconds.unwrap_or(f64::INFINITY), mebibytes.unwrap_or(0));
        let over = !output.status.success() || seconds > SECONDS || mebibytes > MEBIBYTES;
        beyond += usize::from(over);
        let mark = if over { "  <-- beyond the bounds" } else { "" };
        println!("{:<32} {:>8.1} {mebibytes:>8}  {outcome}{mark}", bomb.name, 1e3 * seconds);
    }
    println!("{beyond} beyond {SECONDS} s or {MEBIBYTES} MiB");
    if beyond == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Compile one formula, and print time, memory and outcome.
fn one(k: usize) {
    let bomb = bombs::all().swap_remove(k);
    let cache = Cache::open(Options::new().mode(Mode::Off));
    let start = Instant::now();
    let result = Genred::<f32>::reduction(bomb.reduction, bomb.formula)
        .aliases(bomb.aliases)
        .axis(Axis::J)
        .cache(&cache)
        .compile();
    let seconds = start.elapsed().as_secs_f64();
    let outcome = match result {
        Ok(kernel) => {
            let stats = kernel.stats();
            format!("{}, {} bytes of code", stats.engine, stats.code_bytes)
        }
        Err(error) => {
            let text = error.to_string();
            format!("{:?}: {}", error.kind(), text.lines().next().unwrap_or_default())
        }
    };
    println!("{seconds}\t{}\t{outcome}", peak());
}

/// Most memory that this process has had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
