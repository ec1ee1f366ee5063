//! Target `differential`: random reductions of random formulas, in every way in which their code comes about.

use crate::Choices;
use crate::common::compare::compare;
use crate::common::programs;
use crate::differential::{self, Case, Verdict};
use genred::cache::{Cache, Mode, Options};
use genred::cpu::code::Native;
use genred::cpu::interpret::{Garbage, Interpreter, Scalar};
use genred::cpu::layout::Layout;
use genred::cpu::{Refused, emitters};
use genred::dtype::Real;
use genred::formula::typing;
use genred::loops::build::{self, Lowered, Scheme, Source};
use genred::loops::builder::Functions;
use genred::{Accumulate, Float};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Bytes of the cache that kernels go through: few, so that they are evicted.
const CACHE_BYTES: u64 = 8 << 20;

/// libFuzzer's entry.
pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    check(&differential::case(&mut choices));
}

/// Panics where engines disagree with each other or with the oracle, with the case as code: as a call does it, and for some cases from
/// disk as well, or as a program on a schedule that would not be chosen.
pub fn check(case: &Case) -> Verdict {
    let _shown = Shown(case);
    let fresh = differential::check(case);
    if case.seed % 16 == 5 {
        let stored = || {
            Cache::open(Options::new().dir(folder()).mode(Mode::ReadWrite).max_size(CACHE_BYTES))
        };
        // The second handle has nothing in memory.
        for _ in 0..2 {
            let found = differential::check_in(case, &stored(), 0);
            assert_eq!(found, fresh, "from disk\n{case}");
        }
    }
    if case.seed.is_multiple_of(4) {
        on_any_schedule(case);
    }
    fresh
}

/// Prints the case if an engine panics, or a check of its own.
struct Shown<'a>(&'a Case);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// A directory of this process, which goes with it.
fn folder() -> &'static std::path::Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().expect("a directory for temporary files")).path()
}

/// The program of a case on a schedule that might never be chosen, on data of its own: every engine does what the interpreter does,
/// and the interpreter does not depend on results that the program's documentation leaves open.
fn on_any_schedule(case: &Case) {
    let mut choices = Choices::from_seed(case.seed ^ 1 << 32);
    let Some(lowered) = lowered(case, &mut choices) else { return };
    match case.float() {
        Float::F32 => agree::<f32>(case, &lowered, &mut choices),
        Float::F64 => agree::<f64>(case, &lowered, &mut choices),
    }
}

/// `None` for what is refused or too large.
fn lowered(case: &Case, choices: &mut Choices<'_>) -> Option<Lowered> {
    let aliases: Vec<&str> = case.aliases.iter().map(String::as_str).collect();
    let formula = typing::formula(&case.formula, case.weight.as_deref(), &aliases).ok()?;
    let scheme = match case.accumulate {
        Accumulate::Auto | Accumulate::Block | Accumulate::Double => Scheme::Block,
        Accumulate::Direct => Scheme::Direct,
        Accumulate::Kahan => Scheme::Kahan,
    };
    let source = Source {
        formula: &formula,
        rows: case.rows(),
        reductions: &[case.reduction],
        scheme,
        float: case.float(),
        fma: choices.chance(70),
        functions: Functions::Expanded,
    };
    build::build(&source).ok()
}

fn agree<T: Real + Scalar>(case: &Case, lowered: &Lowered, choices: &mut Choices<'_>) {
    let schedule = programs::schedule(choices);
    let interpreter =
        |width| Interpreter::new(lowered, schedule, width).expect("lowered programs are verified");
    let ones = interpreter(1).with_garbage(Garbage::Ones);
    if let Err(difference) = compare::<T>(&interpreter(1), &ones, choices) {
        panic!("{schedule} depends on what is left open: {difference}\n{case}");
    }
    for engine in emitters() {
        let code = match engine.emit(&lowered.program, &schedule) {
            Ok(code) => code,
            Err(Refused::Limit(_)) => continue,
            Err(refused) => panic!("{} refuses: {}\n{case}", engine.name(), refused.why()),
        };
        let layout = Layout::of(lowered, schedule, &code);
        let native = Native::<T>::load(&code, layout).expect("executable memory");
        if let Err(difference) = compare::<T>(&interpreter(code.width), &native, choices) {
            panic!("{} on {schedule}: {difference}\n{case}", engine.name());
        }
    }
}
