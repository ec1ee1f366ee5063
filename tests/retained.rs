//! What kernels keep between calls: a program may hold hundreds of them. Alone in a process, whose resident memory is measured.

#![cfg(target_os = "linux")]

use genred::cache::{Cache, Mode, Options};
use genred::{Genred, Kernel, Reduction, View};

const KERNELS: usize = 64;
/// Of each kernel, for a few packed tiles and the code.
const KIBIBYTES: usize = 256;

fn resident_kibibytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux says it");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Selections search several chunks of columns at once at first; that memory is not each kernel's own.
#[test]
fn selections_keep_little_memory() {
    let (x, y) = (vec![0.5f32; 64 * 3], vec![0.25f32; 4_096 * 3]);
    let views = [View::new(&x, 64, 3).expect("x"), View::new(&y, 4_096, 3).expect("y")];
    let called = |n: usize| -> Kernel<f32> {
        let kernel = Genred::reduction(Reduction::ArgKMin(3), format!("SqDist(x, y) + {n}"))
            .output("a = Vi(3)")
            .aliases(["x = Vi(3)", "y = Vj(3)"])
            .single_threaded()
            .cache(&Cache::open(Options::new().mode(Mode::Off)))
            .compile()
            .expect("a formula");
        kernel.call(&views).expect("a fitting call");
        kernel
    };
    // What a process does once is not counted.
    let first = called(0);
    let before = resident_kibibytes();
    let kernels: Vec<Kernel<f32>> = (1..=KERNELS).map(called).collect();
    let grown = resident_kibibytes().saturating_sub(before);
    assert!(grown < KERNELS * KIBIBYTES, "{KERNELS} kernels keep {grown} KiB");
    drop((first, kernels));
}
