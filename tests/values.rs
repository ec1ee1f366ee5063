//! The value suite: every case of tests/values/*.toml on the oracle and on every engine.
//!
//! The oracle must give the expected numbers; engines must stay within the oracle's bounds, at the case's own sizes and around
//! every edge of lanes, blocks, chunks and tiles, with packed, row-strided and column-strided arguments. Components of which the
//! bound says nothing are counted and printed, not compared.
#![allow(clippy::print_stdout, reason = "a suite says what it did not compare")]

mod suite;

use genred::eval::{self, Matrix, Outcome};
use genred::formula::Formula;
use genred::reduce::Outputs;
use genred::{Backend, DType, Float, Reduction};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use suite::{Call, LAYOUTS, Problem, Tally};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    reduction: String,
    axis: u8,
    k: Option<u32>,
    formula: String,
    weight: Option<String>,
    aliases: Vec<String>,
    /// Rows of every argument, in place of the conformance rule.
    inputs: Option<Vec<Vec<Vec<f64>>>>,
    /// Dtypes that the expected numbers hold for, by name; all if absent.
    dtypes: Option<Vec<String>>,
    /// Values, then indices.
    #[serde(default)]
    expect: Vec<Expected>,
    /// Every number of the results, in place of `expect`.
    values: Option<Vec<Vec<f64>>>,
    indices: Option<Vec<Vec<i64>>>,
    #[expect(dead_code, reason = "for readers of the file")]
    note: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    shape: [usize; 2],
    sum: f64,
    first: f64,
    last: f64,
}

/// Sizes of the conformance cases.
const SIZE: (usize, usize) = (5, 7);

/// Relative tolerance of the oracle against expected numbers.
const TOLERANCE: f64 = 1e-12;

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

/// Argument components up to which a case is tried at the longest sizes, and beyond which only at [`FEW`] pairs.
const CHEAP: u32 = 8;
const COSTLY: u32 = 40;
const FEW: usize = 1_000;

/// How arguments of some sizes are filled.
type Rule = fn(&Formula, usize, usize) -> Call;

static CHECKED: AtomicUsize = AtomicUsize::new(0);
static UNKNOWN: AtomicUsize = AtomicUsize::new(0);

impl Case {
    fn problem(&self) -> Result<Problem, String> {
        Ok(Problem {
            reduction: Reduction::from_name(&self.reduction, self.k)?,
            formula: self.formula.clone(),
            weight: self.weight.clone(),
            aliases: self.aliases.clone(),
            axis: self.axis,
        })
    }

    fn call(&self, problem: &Problem) -> Result<Call, String> {
        let formula = problem.typed()?;
        let Some(inputs) = &self.inputs else {
            return Ok(Call::conformance(&formula, SIZE.0, SIZE.1));
        };
        let rows_of = |category| {
            let mut all = formula.variables.iter().zip(inputs);
            all.find(|(v, _)| v.category == category).map_or(1, |(_, rows)| rows.len())
        };
        let (m, n) = (rows_of(genred::formula::Category::I), rows_of(genred::formula::Category::J));
        let inputs = formula.variables.iter().zip(inputs);
        let inputs = inputs.map(|(v, rows)| Matrix::new(rows.len(), v.dim as usize, rows.concat()));
        Ok(Call { inputs: inputs.collect(), formula: formula.clone(), m, n })
    }

    fn holds_for(&self, dtype: DType) -> bool {
        self.dtypes.as_ref().is_none_or(|names| names.iter().any(|name| name == dtype.name()))
    }

    /// The oracle against the expected numbers.
    fn on_oracle(&self) -> Result<(), String> {
        let problem = self.problem()?;
        let call = self.call(&problem)?;
        let Outcome { values, indices } = eval::reduce(&problem.task(&call, Float::F64));
        let floats = indices
            .iter()
            .map(|m| Matrix::new(m.rows, m.dim, m.values.iter().map(|k| *k as f64).collect()));
        let outputs: Vec<Matrix<f64>> = match problem.reduction.outputs() {
            Outputs::Values => vec![values.clone()],
            Outputs::Indices => floats.collect(),
            Outputs::Both => std::iter::once(values.clone()).chain(floats).collect(),
        };
        if let Some(expected) = &self.values {
            compare_all(&values, expected)?;
        }
        if let Some(expected) = &self.indices {
            let found = indices.ok_or("there are no indices")?;
            if found.values != expected.concat() {
                return Err(format!("found {:?}, expected {expected:?}", found.values));
            }
        }
        if self.values.is_some() || self.indices.is_some() {
            return Ok(());
        }
        if outputs.len() != self.expect.len() || outputs.is_empty() {
            return Err(format!("{} outputs, {} expected", outputs.len(), self.expect.len()));
        }
        outputs.iter().zip(&self.expect).try_for_each(|(found, expected)| expected.compare(found))
    }

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
                tally.add(checked.map_err(|why| format!("{} {layout:?}: {why}", engine.name()))?);
            }
        }
        if self.inputs.is_none() {
            // A bound that says nothing at all would make the case vacuous.
            if tally.checked < tally.unknown {
                return Err(format!("the bound knows only {tally:?}"));
            }
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

fn compare_all(found: &Matrix<f64>, expected: &[Vec<f64>]) -> Result<(), String> {
    let expected = expected.concat();
    let equal = |(a, b): (&f64, &f64)| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * b.abs()
    };
    if found.values.len() != expected.len() || !found.values.iter().zip(&expected).all(equal) {
        return Err(format!("found {:?}, expected {expected:?}", found.values));
    }
    Ok(())
}

impl Expected {
    fn compare(&self, found: &Matrix<f64>) -> Result<(), String> {
        if [found.rows, found.dim] != self.shape {
            return Err(format!("shape {} x {}, expected {:?}", found.rows, found.dim, self.shape));
        }
        let sum: f64 = found.values.iter().sum();
        let size: f64 = found.values.iter().map(|v| v.abs()).sum();
        let (first, last) = (found.values[0], found.values[found.values.len() - 1]);
        for (what, found, expected, size) in [
            ("sum", sum, self.sum, size),
            ("first entry", first, self.first, first.abs()),
            ("last entry", last, self.last, last.abs()),
        ] {
            let equal = (found.is_nan() && expected.is_nan())
                || (found - expected).abs() <= TOLERANCE * size;
            if !equal {
                return Err(format!("{what} {found:?}, expected {expected:?}"));
            }
        }
        Ok(())
    }
}

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/values");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("tests/values exists")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let file: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let stem = path.file_stem().expect("a file name").to_string_lossy().into_owned();
        cases.extend(file.case.into_iter().map(|case| (stem.clone(), case)));
    }
    cases
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (number, (file, case)) in cases().into_iter().enumerate() {
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
