//! What the costliest formulas take to compile, or to be refused: time and peak memory, each in a process of its own.
//!
//! `cargo bench --bench bombs [-- WORD ...]` prints a table of the bombs whose name has one of the words, and fails where a
//! formula takes longer than [`SECONDS`] or more memory than [`MEBIBYTES`].

#![allow(clippy::print_stdout, reason = "it prints a table")]

mod bomb;

use bomb::Bomb;
use genred::cache::{Cache, Mode, Options};
use genred::formula::table;
use genred::{Backend, Element, Error, Genred};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Time within which every formula is compiled or refused.
const SECONDS: f64 = 1.0;
/// Memory of a process that does it.
const MEBIBYTES: f64 = 512.0;
/// Time after which a process is ended.
const PATIENCE: Duration = Duration::from_secs(20);
/// Engines and dtypes that every bomb meets.
const ENGINES: [Backend; 3] = [Backend::Clif, Backend::Avx2, Backend::Avx512];
const DTYPES: [&str; 2] = ["float32", "float64"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let bombs = bomb::all(table::TABLE);
    if let [one, number, engine, dtype] = &args[..]
        && one == "one"
    {
        let bomb = &bombs[number.parse::<usize>().expect("a number")];
        alone(bomb, Backend::from_name(engine).expect("an engine"), dtype);
        return ExitCode::SUCCESS;
    }
    if args == ["list"] {
        bombs.iter().for_each(|bomb| println!("{}", bomb.name));
        return ExitCode::SUCCESS;
    }
    println!("{:28} {:7} {:8} {:>8} {:>6}  outcome", "bomb", "engine", "dtype", "ms", "MiB");
    let mut exceeded = false;
    for (number, bomb) in bombs.iter().enumerate() {
        if !args.is_empty() && !args.iter().any(|word| bomb.name.contains(word.as_str())) {
            continue;
        }
        for engine in ENGINES {
            for dtype in &DTYPES {
                exceeded |= apart(number, &bomb.name, engine, dtype);
            }
        }
    }
    println!("most: {SECONDS} s, {MEBIBYTES} MiB");
    ExitCode::from(u8::from(exceeded))
}

/// Run one bomb in a process of its own; whether it exceeds a bound.
fn apart(number: usize, name: &str, engine: Backend, dtype: &str) -> bool {
    let exe = std::env::current_exe().expect("the bench knows its own path");
    let number = number.to_string();
    let mut child = Command::new(exe);
    child.args(["one", &number, engine.name(), dtype]).stdout(Stdio::piped());
    let mut child = child.spawn().expect("the bench starts itself");
    let started = Instant::now();
    while child.try_wait().expect("a child to wait for").is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().expect("a child to end");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().expect("the output of the child");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.trim().splitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse::<f64>().ok());
    let (seconds, mebibytes) = (number(), number());
    let (Some(seconds), Some(mebibytes), Some(outcome)) = (seconds, mebibytes, words.next()) else {
        println!("{name:28} {:7} {dtype:8} died: {}", engine.name(), output.status);
        return true;
    };
    let (ms, engine) = (seconds * 1e3, engine.name());
    let exceeds = seconds > SECONDS || mebibytes > MEBIBYTES;
    let mark = if exceeds { "EXCEEDS " } else { "" };
    println!("{name:28} {engine:7} {dtype:8} {ms:8.1} {mebibytes:6.0}  {mark}{outcome}");
    exceeds
}

/// What a process of its own does: prints seconds, mebibytes and what became of the formula.
fn alone(bomb: &Bomb, engine: Backend, dtype: &str) {
    let start = (Instant::now(), cpu_seconds());
    let outcome = match dtype {
        "float16" => compiled::<half::f16>(bomb, engine),
        "float32" => compiled::<f32>(bomb, engine),
        _ => compiled::<f64>(bomb, engine),
    };
    let outcome = match outcome {
        Ok(bytes) => format!("{bytes} bytes of code"),
        Err(error) => {
            let message = error.to_string();
            let first = message.lines().next().unwrap_or_default();
            format!("{:?}: {}", error.kind(), first.chars().take(100).collect::<String>())
        }
    };
    let seconds = match (start.1, cpu_seconds()) {
        (Some(before), Some(after)) => after - before,
        _ => start.0.elapsed().as_secs_f64(),
    };
    println!("{seconds} {} {outcome}", peak_mebibytes());
}

fn compiled<T: Element>(bomb: &Bomb, engine: Backend) -> Result<usize, Error> {
    let mut genred = Genred::<T>::reduction(bomb.reduction, bomb.formula.as_str())
        .aliases(bomb.aliases.iter().map(String::as_str))
        .axis(genred::Axis::J)
        .accumulate(bomb.accumulate)
        .backend(engine)
        .cache(&Cache::open(Options::new().mode(Mode::Off)));
    if let Some(weight) = &bomb.weight {
        genred = genred.weight(weight.as_str());
    }
    Ok(genred.compile()?.stats().code_bytes)
}

/// Seconds that this thread has run, which other programs of the machine do not lengthen.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds * 1e-9)
}

/// The most memory that this process has held, where the system says it.
fn peak_mebibytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) / 1024.0
}
