//! The value suite: every case of tests/values/*.toml on the oracle and on every engine.
//!
//! The oracle must give the expected numbers; engines must stay within the oracle's bounds (and be as near to numbers that a case
//! lists), at the case's own sizes and around every edge of lanes, blocks, chunks and tiles, with packed, row-strided and
//! column-strided arguments. Components of which the bound says nothing are counted and printed, not compared. A sample of the
//! cases runs over other schedules and from the disk cache too.
#![allow(clippy::print_stdout, reason = "a suite says what it did not compare")]

#[path = "../suite/mod.rs"]
mod suite;

mod cases;
mod disk;
mod schedules;

use cases::Case;
use genred::formula::Formula;
use genred::{Backend, Float};
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use suite::{Call, LAYOUTS, Tally};

/// Rows and columns of the output side: everything small; blocks of rows +-1; chunks of columns +-1 with lanes over rows and
/// (few rows, at least 256 columns) over columns.
const SIZES: &[(usize, usize)] = &[
    (0, 0),
    (0, 1),
    (0, 3),
    (1, 0),
    (3, 0),
    (1, 1),
    (1, 2),
    (1, 3),
    (2, 1),
    (2, 2),
    (2, 3),
    (3, 1),
    (3, 2),
    (3, 3),
    (4, 5),
    (7, 5),
    (8, 5),
    (9, 5),
    (15, 4),
    (16, 4),
    (17, 4),
    (31, 2),
    (32, 2),
    (33, 2),
    (3, 63),
    (3, 64),
    (3, 65),
    (2, 127),
    (2, 129),
    (33, 64),
    (34, 65),
    (2, 255),
    (2, 256),
    (2, 257),
    (33, 257),
    (257, 3),
];

/// Edges of tiles and of longer chunks, for every [`SELDOM`]-th of the cases that are cheap enough.
const LONG: &[(usize, usize)] = &[
    (2, 2_047),
    (2, 2_048),
    (2, 2_049),
    (33, 1_023),
    (33, 1_025),
    (1, 4_095),
    (1, 4_096),
    (1, 4_097),
    (17, 4_097),
    (33, 513),
    (2, 8_193),
];

/// Sizes at which arguments are irregular numbers, so that rounding, and with it the bound, matters.
const SCATTERED: &[(usize, usize)] = &[(37, 70), (3, 300), (130, 9)];

/// One in so many cheap cases is tried at the longest sizes.
const SELDOM: usize = 5;

/// One in so many cases, and the first of every reduction, is tried over other schedules and from disk.
const SAMPLE: usize = 9;

/// Argument components up to which a case is tried at the longest sizes, and beyond which only at [`FEW`] pairs.
const CHEAP: u32 = 8;
const COSTLY: u32 = 40;
const FEW: usize = 1_000;

/// How arguments of some sizes are filled.
type Rule = fn(&Formula, usize, usize) -> Call;

static CHECKED: AtomicUsize = AtomicUsize::new(0);
static UNKNOWN: AtomicUsize = AtomicUsize::new(0);

impl Case {
    /// The engines that compute in `float`, at the case's own sizes and then, unless arguments are given, at all others.
    fn on_engines(&self, number: usize, float: Float) -> Result<(), String> {
        let problem = self.problem()?;
        let mut kernels = Vec::new();
        for engine in suite::engines(float) {
            if self.holds_for(engine.dtype) {
                kernels.push((engine, engine.compile(&problem)?));
            }
        }
        let own = self.call(&problem)?;
        for (engine, _) in &kernels {
            if !own.fits(engine.dtype) {
                return Err(format!("{} cannot hold the inputs: name the `dtypes`", engine.dtype));
            }
        }
        let bounds = suite::bounds(&problem, &own, float);
        let mut tally = Tally::default();
        for (engine, kernel) in &kernels {
            for layout in LAYOUTS {
                let found = kernel.run(&own, layout)?;
                let checked = suite::check(&problem, &own, engine.dtype, &bounds, &found);
                let compared = self.compare(engine.dtype, &bounds, &found).and(checked);
                tally.add(compared.map_err(|why| format!("{} {layout:?}: {why}", engine.name()))?);
            }
        }
        // A bound that says nothing at all would make the case vacuous, even if indices, which may be right by chance, are.
        if tally.unknown > 0 && tally.checked <= tally.unknown {
            return Err(format!("the bound knows only {tally:?}"));
        }
        if self.inputs.is_none() {
            // The oracle as an engine has no tiles.
            kernels.retain(|(engine, _)| engine.backend != Backend::Eval);
            let components = own.formula.variables.iter().map(|v| v.dim).sum::<u32>();
            let far = components <= CHEAP && number.is_multiple_of(SELDOM);
            let long = if far { LONG } else { &[] };
            let by_rule = SIZES.iter().chain(long).map(|size| (*size, Call::conformance as Rule));
            let scattered = SCATTERED.iter().map(|size| (*size, Call::scattered as Rule));
            for (k, ((rows, columns), rule)) in by_rule.chain(scattered).enumerate() {
                if components > COSTLY && rows * columns > FEW {
                    continue;
                }
                let (m, n) = if self.axis == 1 { (rows, columns) } else { (columns, rows) };
                let call = rule(&own.formula, m, n);
                let bounds = suite::bounds(&problem, &call, float);
                for (e, (engine, kernel)) in kernels.iter().enumerate() {
                    if !call.fits(engine.dtype) {
                        continue;
                    }
                    let layout = LAYOUTS[(k + e) % LAYOUTS.len()];
                    let found = kernel.run(&call, layout)?;
                    let checked = suite::check(&problem, &call, engine.dtype, &bounds, &found);
                    tally.add(checked.map_err(|why| {
                        format!("{} {layout:?}, {rows} x {columns}: {why}", engine.name())
                    })?);
                }
            }
        }
        CHECKED.fetch_add(tally.checked, Ordering::Relaxed);
        UNKNOWN.fetch_add(tally.unknown, Ordering::Relaxed);
        Ok(())
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let (mut trials, mut seen) = (Vec::new(), BTreeSet::new());
    for (number, (file, case)) in cases::cases().into_iter().enumerate() {
        let name = |engine: &str| format!("{file}::{}::{engine}", case.name);
        let trial = |engine: &str, run: Box<dyn FnOnce() -> Result<(), String> + Send>| {
            Trial::test(name(engine), move || run().map_err(Failed::from))
        };
        let oracle = case.clone();
        trials.push(trial("eval", Box::new(move || oracle.on_oracle())));
        for float in [Float::F64, Float::F32] {
            let case = case.clone();
            trials.push(trial(float.name(), Box::new(move || case.on_engines(number, float))));
        }
        if case.inputs.is_some() {
            continue;
        }
        let is_first = seen.insert(case.reduction.clone());
        if !is_first && !number.is_multiple_of(SAMPLE) {
            continue;
        }
        for float in [Float::F64, Float::F32] {
            let (a, b) = (case.clone(), case.clone());
            let name = |what: &str| format!("{what}::{}", float.name());
            trials.push(trial(&name("schedules"), Box::new(move || schedules::agree(&a, float))));
            trials.push(trial(&name("disk"), Box::new(move || disk::gives_the_same(&b, float))));
        }
    }
    let (there, lacking) = suite::backends();
    let names: Vec<&str> = there.iter().map(|backend| backend.name()).collect();
    println!("engines: {}; not on this machine: {lacking:?}", names.join(", "));
    let conclusion = libtest_mimic::run(&arguments, trials);
    let (checked, unknown) = (CHECKED.load(Ordering::Relaxed), UNKNOWN.load(Ordering::Relaxed));
    println!(
        "components compared with the oracle's bounds: {checked}; skipped as unknown: {unknown}"
    );
    let stats = suite::no_files().stats();
    let differ = stats.rejected(genred::cache::Reason::Recompiled);
    if suite::no_files().path().is_some() {
        let disk = stats.disk_hits;
        println!("kernels: {disk} read from disk, {differ} of them unlike what was compiled again");
    }
    assert_eq!(differ, 0, "kernels that compile to other bytes");
    conclusion.exit();
}
