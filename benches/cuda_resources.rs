//! What the pair kernels of the documented problems take of a multiprocessor, by NVRTC's assembler: no device is needed, and no
//! time is measured.
//!
//! `cargo bench --bench cuda_resources`. A cell is registers of a thread / bytes spilled / bytes of shared memory of a block.

#![allow(
    clippy::print_stdout,
    unreachable_pub,
    reason = "a bench prints its table and shares a list with tests"
)]

#[path = "../tests/common/device_problems.rs"]
mod device_problems;

use genred::Error;
use genred::cuda::nvrtc::{Arch, Nvrtc};

const ARCHS: [u32; 4] = [75, 80, 90, 100];

fn main() -> Result<(), Error> {
    let nvrtc = Nvrtc::find(None)?;
    println!("NVRTC {}: registers / bytes spilled / bytes of shared memory\n", nvrtc.version());
    println!("| problem | {} |", ARCHS.map(|arch| format!("sm_{arch}")).join(" | "));
    println!("|---|{}", "---|".repeat(ARCHS.len()));
    for problem in device_problems::problems() {
        let (source, options) = problem.source()?;
        let mut cells = Vec::new();
        for arch in ARCHS {
            let kernels = nvrtc.resources(&source, Arch::from_number(arch), &options)?;
            let pair = kernels.iter().find(|k| k.kernel == "genred_pair");
            cells.push(
                pair.map_or("-".into(), |k| {
                    format!("{} / {} / {}", k.registers, k.spilled, k.shared)
                }),
            );
        }
        println!("| {} | {} |", problem.name, cells.join(" | "));
    }
    Ok(())
}
