//! What a kernel costs when it is compiled, found on disk and found in memory; medians, one thread.
//!
//! `cargo bench --bench cache`. The first table is the cache alone: bytes in, bytes out. A verified hit opens, reads and
//! checks a whole entry. The second goes from strings to a callable kernel, the third does so in a process that has just
//! started.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use genred::cache::key::{Fields, Key, Kind};
use genred::cache::{Cache, Compiled, Mode, Options};
use genred::{Genred, Kernel, Origin};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Says to this program that it is the process that has just started.
const FRESH: &str = "GENRED_BENCH_FRESH";

/// Short, of some length, and one whose code has more than 16 KiB.
const FORMULAS: [(&str, &str); 3] = [
    ("gaussian", "Exp(-SqNorm2(x - y))"),
    ("gradient", "2*(x - y)*Exp(-SqNorm2(x - y))*b"),
    ("powers", "Sum(Powf(Abs(Concat(x, y)), Concat(y, x)) * Sin(Concat(x, x)))"),
];

fn main() {
    if let Some(dir) = std::env::var_os(FRESH) {
        return fresh(Path::new(&dir));
    }
    let temp = tempfile::tempdir().expect("a temporary directory");
    entries(temp.path());
    kernels(temp.path());
    processes(temp.path());
}

/// The median of many repeats of `run` in microseconds, after `prepare`, which is not counted.
fn median(repeats: usize, mut prepare: impl FnMut(usize), mut run: impl FnMut(usize)) -> f64 {
    let mut times: Vec<Duration> = (0..repeats)
        .map(|n| {
            prepare(n);
            let start = Instant::now();
            run(n);
            start.elapsed()
        })
        .collect();
    times.sort();
    times[repeats / 2].as_secs_f64() * 1e6
}

fn key(n: usize) -> Key {
    let formula = format!("a formula of an ordinary length, number {n}");
    Key::new(&Fields {
        engine: "0.1.0",
        epoch: 1,
        source: "00112233445566778899aabbccddeeff",
        generator: "cranelift 0.135.2",
        formula: &formula,
        reduction: "Sum",
        k: 0,
        rows: "i",
        dtype: "float32",
        accumulator: "f32",
        scheme: "block",
        schedule: "lanes=rows",
        back_end: "avx512",
        kind: Kind::Native,
        arch: 62,
        os: "linux",
        abi: "sysv64",
        features: 0,
        argument_abi: 1,
        device: "",
        options: "",
    })
}

fn options(dir: &Path) -> Options {
    Options::new().dir(dir).mode(Mode::ReadWrite).max_size(1 << 40)
}

fn entries(temp: &Path) {
    println!("{:<10} {:>10} {:>14} {:>10}", "code", "miss us", "verified hit us", "store us");
    for kib in [1, 4, 16, 64, 256] {
        let cache = Cache::open(options(&temp.join(format!("entries {kib}"))));
        let compiled = Compiled { code: vec![0x5a; kib << 10], compile_ns: 0 };
        const KEYS: usize = 500;
        let keys: Vec<Key> = (0..KEYS).map(key).collect();
        let store = median(KEYS, |_| {}, |n| cache.store(&keys[n], &compiled));
        let hit = median(4 * KEYS, |_| {}, |n| assert!(cache.load(&keys[n % KEYS], 0).is_ok()));
        let absent: Vec<Key> = (KEYS..2 * KEYS).map(key).collect();
        let miss = median(4 * KEYS, |_| {}, |n| assert!(cache.load(&absent[n % KEYS], 0).is_err()));
        println!("{:<10} {miss:>10.1} {hit:>15.1} {store:>10.1}", format!("{kib} KiB"));
    }
}

fn compile(cache: &Cache, formula: &str) -> Kernel<f32> {
    Genred::<f32>::sum(formula)
        .axis(genred::Axis::J)
        .aliases(["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"])
        .cache(cache)
        .compile()
        .expect("a formula that every engine takes")
}

fn kernels(temp: &Path) {
    println!("\nfrom strings to a callable kernel");
    println!(
        "{:<10} {:>12} {:>12} {:>12} {:>12}",
        "formula", "code bytes", "compiled us", "disk hit us", "memory us"
    );
    for (name, formula) in FORMULAS {
        let dir = temp.join("kernels");
        let off = Cache::open(Options::new().mode(Mode::Off));
        let compiled = median(
            50,
            |_| off.clear_memory(),
            |_| assert_eq!(compile(&off, formula).origin(), Origin::Compiled),
        );
        let cache = Cache::open(options(&dir));
        let bytes = compile(&cache, formula).stats().code_bytes;
        let disk = median(
            1000,
            |_| cache.clear_memory(),
            |_| assert_eq!(compile(&cache, formula).origin(), Origin::Disk),
        );
        let memory =
            median(1000, |_| {}, |_| assert_eq!(compile(&cache, formula).origin(), Origin::Memory));
        println!("{name:<10} {bytes:>12} {compiled:>12.1} {disk:>12.1} {memory:>12.2}");
    }
}

/// Open the cache and find every kernel, as a program does that has just started.
fn fresh(dir: &Path) {
    let start = Instant::now();
    let cache = Cache::open(options(dir));
    let opened = start.elapsed();
    let start = Instant::now();
    let origin = compile(&cache, FORMULAS[0].1).origin();
    println!("{} {} {}", opened.as_nanos(), start.elapsed().as_nanos(), origin.name());
}

fn processes(temp: &Path) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..50 {
        let this = std::env::current_exe().expect("this program");
        let out = Command::new(this).env(FRESH, temp.join("kernels")).output().expect("it starts");
        let out = String::from_utf8(out.stdout).expect("text");
        let words: Vec<&str> = out.split_whitespace().collect();
        assert_eq!(words[2], "disk");
        for (list, word) in times.iter_mut().zip(&words) {
            list.push(word.parse::<u64>().expect("a time"));
        }
    }
    let [opened, first] = times.map(|mut list| {
        list.sort_unstable();
        list[list.len() / 2] as f64 / 1e3
    });
    println!("\nin a process that has just started, with a warm cache");
    println!("{:<28} {opened:>10.1}", "cache opened, us");
    println!("{:<28} {first:>10.1}", "first kernel callable, us");
}
