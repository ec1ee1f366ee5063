//! Random arguments, and results against the oracle's bounds.

use crate::cases::Case;
use crate::common::choices::Choices;
use genred::cuda::launch::{Call, Indices, Launcher, Out};
use genred::eval::bound::{self, Bounded, Tree};
use genred::eval::{Matrix, Task};
use genred::formula::{Category, Formula};
use genred::reduce::Family;
use genred::{DType, Element, Error, View, ViewMut};
use half::f16;

/// The arguments of a call, in the dtype and as the oracle reads them.
pub struct Arguments<T> {
    /// Numbers of each argument, row-major.
    pub data: Vec<Vec<T>>,
    /// Rows and dim of each.
    pub shapes: Vec<(usize, usize)>,
    /// Rows of the result.
    pub rows: usize,
    /// Columns that are reduced.
    pub columns: usize,
}

impl<T: Element> Arguments<T> {
    /// Ordinary numbers, some of them small integers so that values are equal now and then.
    pub fn random(case: &Case, formula: &Formula, rows: usize, columns: usize, choices: &mut Choices<'_>) -> Self {
        let items = |category| match (category, case.rows) {
            (Category::Param, _) => 1,
            (category, of) if category == of => rows,
            _ => columns,
        };
        let shapes: Vec<(usize, usize)> =
            formula.variables.iter().map(|v| (items(v.category), v.dim as usize)).collect();
        let data = shapes
            .iter()
            .map(|(rows, dim)| {
                let integers = choices.chance(20);
                let number = |_| {
                    let x = 2.0 * choices.fraction();
                    T::from_f64(if integers { (2.0 * x).round() } else { x })
                };
                (0..rows * dim).map(number).collect()
            })
            .collect();
        Arguments { data, shapes, rows, columns }
    }

    /// Views of all arguments.
    pub fn views(&self) -> Vec<View<'_, T>> {
        let views = self.data.iter().zip(&self.shapes);
        views.map(|(data, (rows, dim))| View::new(data, *rows, *dim).expect("a whole array")).collect()
    }

    /// The arguments of the oracle with some of the rows only.
    fn matrices(&self, case: &Case, formula: &Formula, rows: &[usize]) -> Vec<Matrix<f64>> {
        let parts = self.data.iter().zip(&self.shapes).zip(&formula.variables);
        parts
            .map(|((data, (count, dim)), variable)| {
                let all: Vec<usize> = (0..*count).collect();
                let taken = if variable.category == case.rows { rows } else { &all };
                let numbers = taken.iter().flat_map(|r| &data[r * dim..(r + 1) * dim]);
                Matrix::new(taken.len(), *dim, numbers.map(|x| x.to_f64()).collect())
            })
            .collect()
    }
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub values: Vec<f64>,
    pub indices: Vec<i64>,
}

impl Found {
    /// The same bits; NaN equals NaN.
    pub fn is_same(&self, other: &Found) -> bool {
        let bits = |v: &[f64]| -> Vec<u64> { v.iter().map(|x| if x.is_nan() { 1 } else { x.to_bits() }).collect() };
        bits(&self.values) == bits(&other.values) && self.indices == other.indices
    }
}

/// Run a call on arrays of the host.
pub fn run<T: Element>(
    case: &Case,
    launcher: &Launcher,
    arguments: &Arguments<T>,
) -> Result<Found, Error> {
    let dim = launcher.layout().out as usize;
    let rows = arguments.rows;
    let mut values = vec![T::default(); rows * dim];
    let mut indices = vec![0i64; rows * dim];
    let selects = case.reduction.family() == Family::Selection;
    let views = arguments.views();
    let call = Call { inputs: &views, rows, columns: arguments.columns };
    let exact = Indices::Exact(ViewMut::new(&mut indices, rows, dim)?);
    let out = Out {
        values: Some(ViewMut::new(&mut values, rows, dim)?),
        indices: selects.then_some(exact),
    };
    launcher.run(&call, out)?;
    Ok(Found { values: values.iter().map(|x| x.to_f64()).collect(), indices })
}

/// Rows that are compared: evaluating all would take the oracle too long.
fn sampled(rows: usize, choices: &mut Choices<'_>) -> Vec<usize> {
    let mut taken: Vec<usize> = [0, rows / 2, rows.saturating_sub(1)].into_iter().filter(|r| *r < rows).collect();
    taken.extend((0..3.min(rows)).map(|_| choices.below(rows as u32) as usize));
    taken.sort_unstable();
    taken.dedup();
    taken
}

/// Compare with the oracle; the text of the first difference, or the number of components of which something is known.
pub fn compare<T: Element>(
    case: &Case,
    arguments: &Arguments<T>,
    found: &Found,
    choices: &mut Choices<'_>,
) -> Result<usize, String> {
    let formula = case.formula();
    let rows = sampled(arguments.rows, choices);
    let inputs = arguments.matrices(case, &formula, &rows);
    let (m, n) = match case.rows {
        Category::I => (rows.len(), arguments.columns),
        _ => (arguments.columns, rows.len()),
    };
    let task = Task { formula: &formula, rows: case.rows, reduction: case.reduction, float: case.float, inputs: &inputs, m, n };
    // Partial sums of threads, segments and chunks add a few roundings to those of the terms.
    let height = arguments.columns as f64 + 80.0;
    let bounds = bound::reduce(&task, Tree { height, rescales: height });
    let dim = task.output_dim();
    let mut known = 0;
    for (k, row) in rows.iter().enumerate() {
        let mut taken: Vec<Vec<i64>> = vec![Vec::new(); formula.root_dim(0) as usize];
        for d in 0..dim {
            let bounded = bounds.values.values[k * dim + d].stored(case.float, T::DTYPE);
            let value = found.values[row * dim + d];
            let place = || format!("row {row} component {d}");
            if !bounded.allows(value) {
                return Err(format!("{}: {value:?} is not in {bounded:?}", place()));
            }
            known += usize::from(!bounded.is_unknown());
            if case.reduction.family() != Family::Selection {
                continue;
            }
            let index = found.indices[row * dim + d];
            let component = d % taken.len();
            let others = &mut taken[component];
            if index < -1 || index >= arguments.columns as i64 || index >= 0 && others.contains(&index) {
                return Err(format!("{}: index {index} after {others:?}", place()));
            }
            others.push(index);
            let wanted = bounds.indices.as_ref().map(|i| i.values[k * dim + d]);
            if wanted == Some(index) || bounded.is_unknown() {
                continue;
            }
            // Another index is right if F there may be what was found.
            let there = if index < 0 { None } else { Some(bound::pair(&task, k, index as usize)[component]) };
            let may_be = |b: Bounded| b.is_unknown() || b.stored(case.float, T::DTYPE).allows(value);
            if !there.is_some_and(may_be) {
                return Err(format!("{}: index {index} ({there:?}) where {wanted:?} is expected", place()));
            }
        }
    }
    Ok(known)
}

/// The functions above for a dtype that is known at run time.
pub fn check(
    case: &Case,
    launcher: &Launcher,
    rows: usize,
    columns: usize,
    choices: &mut Choices<'_>,
) -> Result<usize, String> {
    fn with<T: Element>(
        case: &Case,
        launcher: &Launcher,
        rows: usize,
        columns: usize,
        choices: &mut Choices<'_>,
    ) -> Result<usize, String> {
        let arguments = Arguments::<T>::random(case, &case.formula(), rows, columns, choices);
        let found = run(case, launcher, &arguments).map_err(|e| e.to_string())?;
        compare(case, &arguments, &found, choices)
    }
    match case.stored {
        DType::F16 => with::<f16>(case, launcher, rows, columns, choices),
        DType::F32 => with::<f32>(case, launcher, rows, columns, choices),
        DType::F64 => with::<f64>(case, launcher, rows, columns, choices),
    }
}
