//! The cases of tests/values/*.toml: what they say, and what the oracle must make of it.

use crate::suite::{Call, Found, Problem, rounded, same_bits};
use genred::eval::bound::Bounds;
use genred::eval::{self, Matrix, Outcome};
use genred::reduce::Outputs;
use genred::{DType, Float, Reduction};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) reduction: String,
    pub(crate) axis: u8,
    k: Option<u32>,
    formula: String,
    weight: Option<String>,
    aliases: Vec<String>,
    /// Rows of every argument, in place of the conformance rule.
    pub(crate) inputs: Option<Vec<Vec<Vec<f64>>>>,
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

/// Roundings that an engine's number may be from an expected one of which the bounds say nothing.
const UNKNOWN: f64 = 16.0;

impl Case {
    pub(crate) fn problem(&self) -> Result<Problem, String> {
        Ok(Problem {
            reduction: Reduction::from_name(&self.reduction, self.k)?,
            formula: self.formula.clone(),
            weight: self.weight.clone(),
            aliases: self.aliases.clone(),
            axis: self.axis,
        })
    }

    pub(crate) fn call(&self, problem: &Problem) -> Result<Call, String> {
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

    pub(crate) fn holds_for(&self, dtype: DType) -> bool {
        self.dtypes.as_ref().is_none_or(|names| names.iter().any(|name| name == dtype.name()))
    }

    /// The oracle against the expected numbers.
    pub(crate) fn on_oracle(&self) -> Result<(), String> {
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

    /// What an engine found against the expected numbers: equal where the bounds are exact, else as near as they are wide.
    pub(crate) fn compare(
        &self,
        dtype: DType,
        bounds: &Bounds,
        found: &Found,
    ) -> Result<(), String> {
        if let (Some(expected), Some(found)) = (&self.values, &found.values) {
            let bounds = bounds.values.values.iter().map(|bounded| bounded.stored(dtype));
            for (at, ((expected, found), bounded)) in
                expected.concat().into_iter().zip(found).zip(bounds).enumerate()
            {
                let expected = rounded(dtype, expected);
                let slack = match bounded.is_unknown() {
                    true => UNKNOWN * epsilon(dtype) * expected.abs(),
                    false => bounded.high - bounded.low,
                };
                let is_near = (found - expected).abs() <= slack && !bounded.is_exact();
                if !is_near && !same_bits(&[*found], &[expected]) {
                    return Err(format!("component {at}: {found:e}, expected {expected:e}"));
                }
            }
        }
        match (&self.indices, &found.indices) {
            (Some(expected), Some(found)) if *found != expected.concat() => {
                Err(format!("indices {found:?}, expected {expected:?}"))
            }
            _ => Ok(()),
        }
    }
}

fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => half::f16::EPSILON.to_f64(),
        DType::F32 => f32::EPSILON.into(),
        DType::F64 => f64::EPSILON,
    }
}

fn compare_all(found: &Matrix<f64>, expected: &[Vec<f64>]) -> Result<(), String> {
    let expected = expected.concat();
    let equal = |(a, b): (&f64, &f64)| {
        let near = (a - b).abs() <= TOLERANCE * b.abs() && *b != 0.0;
        same_bits(&[*a], &[*b]) || near
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

/// Every case, with the name of its file.
pub(crate) fn cases() -> Vec<(String, Case)> {
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
