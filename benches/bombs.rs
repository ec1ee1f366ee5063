//! What the costliest formulas take to compile, or to be refused: time and peak memory, each in a process of its own.
//!
//! `cargo bench --bench bombs [-- WORD ...]` prints a table of the bombs whose names have one of the words, and fails where one
//! takes longer than [`SECONDS`] or more memory than [`MEBIBYTES`], or ends in anything but code or an error of kind `Limit`: a bomb
//! that is refused for another reason says nothing about what it costs. Each bomb is made as large as it is accepted, and as large
//! as its text can be.

#![allow(clippy::print_stdout, reason = "it prints a table")]

mod bomb;

use bomb::Bomb;
use genred::cache::{Cache, Mode, Options};
use genred::formula::{Category, table, typing};
use genred::loops::build::{self, Scheme, Source};
use genred::loops::builder::Functions;
use genred::{Axis, Backend, Element, Error, ErrorKind, Float, Genred};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Time within which every formula is compiled or refused.
const SECONDS: f64 = 1.0;
/// Memory of a process that does it.
const MEBIBYTES: f64 = 512.0;
/// Time after which a process is ended, by the clock: other programs may take most of the machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Engines that every bomb meets, each in both types that kernels compute in.
const ENGINES: [Backend; 3] = [Backend::Clif, Backend::Avx2, Backend::Avx512];
const DTYPES: [&str; 2] = ["float32", "float64"];
/// What a process says of an outcome that is code or an error of kind `Limit`.
const EXPECTED: &str = "expected";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let bombs = bomb::all(table::TABLE);
    if let [one, number, terms, engine, dtype] = &args[..]
        && one == "one"
    {
        let bomb = &bombs[number.parse::<usize>().expect("a number")];
        let terms = terms.parse().expect("a number of terms");
        alone(bomb, terms, Backend::from_name(engine).expect("an engine"), dtype);
        return ExitCode::SUCCESS;
    }
    let here = Backend::cpu_engines();
    let (engines, lacking): (Vec<Backend>, Vec<Backend>) =
        ENGINES.into_iter().partition(|engine| here.contains(&engine.name()));
    for engine in lacking {
        println!("not run: this machine has no engine `{}`", engine.name());
    }
    if peak_mebibytes().is_none() {
        println!("not measured: this system does not say how much memory a process has held");
    }
    println!(
        "{:28} {:>6} {:7} {:8} {:>7} {:>5}  outcome",
        "bomb", "terms", "engine", "dtype", "ms", "MiB"
    );
    let (mut all, mut exceeded, mut wrong) = (Vec::new(), 0, 0);
    for (number, bomb) in bombs.iter().enumerate() {
        if !args.is_empty() && !args.iter().any(|word| bomb.name.contains(word.as_str())) {
            continue;
        }
        let accepted = accepted(bomb);
        let mut runs = Vec::new();
        if accepted > 0 {
            runs.extend(engines.iter().flat_map(|e| DTYPES.iter().map(|d| (accepted, *e, *d))));
        }
        if accepted < bomb.most {
            runs.push((bomb.most, ENGINES[0], DTYPES[0]));
        }
        for (terms, engine, dtype) in runs {
            let run = apart(number, terms, engine, dtype);
            println!("{:28} {terms:6} {:7} {dtype:8} {run}", bomb.name, engine.name());
            exceeded += usize::from(run.exceeds());
            wrong += usize::from(run.ending != Ending::Expected);
            all.push(run);
        }
    }
    let worst = all.iter().map(|run| run.seconds).fold(0.0, f64::max) * 1e3;
    let most = all.iter().filter_map(|run| run.mebibytes).reduce(f64::max);
    let most = most.map_or("memory not measured".to_owned(), |most| format!("{most:.0} MiB"));
    println!(
        "{} runs; worst: {worst:.0} ms, {most}; {exceeded} exceed {SECONDS} s or {MEBIBYTES} MiB, {wrong} end in neither code nor \
         an error of kind Limit",
        all.len()
    );
    ExitCode::from(u8::from(all.is_empty() || exceeded > 0 || wrong > 0))
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// With code, or an error of kind `Limit`.
    Expected,
    /// With another error, or before it could say anything.
    Other,
}

/// What became of a bomb in a process of its own.
struct Run {
    seconds: f64,
    /// `None` where the system does not say it.
    mebibytes: Option<f64>,
    ending: Ending,
    outcome: String,
}

impl Run {
    fn exceeds(&self) -> bool {
        self.seconds > SECONDS || self.mebibytes.is_some_and(|most| most > MEBIBYTES)
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = self.mebibytes.map_or("?".to_owned(), |most| format!("{most:.0}"));
        write!(f, "{:7.1} {memory:>5}  ", self.seconds * 1e3)?;
        f.write_str(if self.exceeds() { "EXCEEDS " } else { "" })?;
        f.write_str(if self.ending == Ending::Other { "WRONG " } else { "" })?;
        f.write_str(&self.outcome)
    }
}

/// The most terms with which a bomb is accepted; 0 if it is not.
fn accepted(bomb: &Bomb) -> usize {
    let is_accepted = |terms: usize| {
        let text = bomb.text(terms);
        let (f, weight) =
            if bomb.is_weight { ("x|y", Some(text.as_str())) } else { (&*text, None) };
        let aliases: Vec<&str> = bomb.aliases.iter().map(String::as_str).collect();
        let Ok(formula) = typing::formula(f, weight, &aliases) else { return false };
        let lowered = build::build(&Source {
            formula: &formula,
            rows: Category::I,
            reductions: &[bomb.reduction],
            scheme: Scheme::Block,
            float: Float::F64,
            fma: true,
            functions: Functions::Expanded,
        });
        lowered.is_ok()
    };
    if is_accepted(bomb.most) {
        return bomb.most;
    }
    let (mut within, mut beyond) = (0, bomb.most);
    while beyond - within > 1 {
        let middle = within.midpoint(beyond);
        if is_accepted(middle) { within = middle } else { beyond = middle }
    }
    within
}

/// Run one bomb in a process of its own.
fn apart(number: usize, terms: usize, engine: Backend, dtype: &str) -> Run {
    let exe = std::env::current_exe().expect("the bench knows its own path");
    let mut child = Command::new(exe);
    child.args(["one", &number.to_string(), &terms.to_string(), engine.name(), dtype]);
    let mut child = child.stdout(Stdio::piped()).spawn().expect("the bench starts itself");
    let started = Instant::now();
    while child.try_wait().expect("a child to wait for").is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().expect("a child to end");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().expect("the output of the child");
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.trim().splitn(4, ' ').collect();
    let [seconds, mebibytes, ending, outcome] = words[..] else {
        let outcome = format!("ended: {}", output.status);
        let (seconds, ending) = (f64::INFINITY, Ending::Other);
        return Run { seconds, mebibytes: None, ending, outcome };
    };
    Run {
        seconds: seconds.parse().expect("seconds"),
        mebibytes: mebibytes.parse().ok(),
        ending: if ending == EXPECTED { Ending::Expected } else { Ending::Other },
        outcome: outcome.to_owned(),
    }
}

/// What a process of its own does: prints seconds, mebibytes if known, whether the outcome is one of the expected, and the outcome.
fn alone(bomb: &Bomb, terms: usize, engine: Backend, dtype: &str) {
    let start = (Instant::now(), cpu_seconds());
    let outcome = match dtype {
        "float32" => compiled::<f32>(bomb, terms, engine),
        _ => compiled::<f64>(bomb, terms, engine),
    };
    let is_expected = outcome.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Limit);
    let ending = if is_expected { EXPECTED } else { "other" };
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
    let mebibytes = peak_mebibytes().map_or("?".to_owned(), |most| most.to_string());
    println!("{seconds} {mebibytes} {ending} {outcome}");
}

fn compiled<T: Element>(bomb: &Bomb, terms: usize, engine: Backend) -> Result<usize, Error> {
    let text = bomb.text(terms);
    let mut genred =
        Genred::<T>::reduction(bomb.reduction, if bomb.is_weight { "x|y" } else { &text })
            .aliases(bomb.aliases.iter().map(String::as_str))
            .axis(Axis::J)
            .accumulate(bomb.accumulate)
            .backend(engine)
            .cache(&Cache::open(Options::new().mode(Mode::Off)));
    if bomb.is_weight {
        genred = genred.weight(text.as_str());
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
fn peak_mebibytes() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes / 1024.0)
}
