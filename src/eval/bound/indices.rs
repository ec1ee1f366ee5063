//! Indices that an engine may find where several columns are as good as the oracle's.

use super::{Bounds, Task, pair};

/// Whether a row of a selection's indices is right: the oracle's, or columns whose values are as good within the bounds. Exact ties go
/// to the lowest index, and no two slots of a component share a column. Gives the number of indices of which nothing is known.
///
/// # Errors
/// What is wrong with them.
///
/// # Panics
/// If the bounds are not those of this task.
pub fn check_indices(
    task: &Task<'_>,
    bounds: &Bounds,
    row: usize,
    found: &[i64],
) -> Result<usize, String> {
    let components = task.formula.root_dim(0) as usize;
    let expected = bounds.indices.as_ref().map_or(&[][..], |indices| indices.row(row));
    if found.len() != expected.len() {
        return Err(format!("row {row}: {} indices instead of {}", found.len(), expected.len()));
    }
    let mut unknown = 0;
    for (slot, (index, expected)) in found.iter().zip(expected).enumerate() {
        let error = |why: &str| {
            Err(format!("row {row} slot {slot}: index {index} instead of {expected}: {why}"))
        };
        let others = found.iter().skip(slot % components).step_by(components);
        if *index >= 0 && others.filter(|other| *other == index).count() > 1 {
            return error("it appears twice");
        }
        if index == expected {
            continue;
        }
        let bounded = bounds.values.row(row)[slot];
        if bounded.is_unknown() {
            unknown += 1;
            continue;
        }
        let column = match usize::try_from(*index) {
            Ok(column) if *expected >= 0 && column < task.columns() => column,
            _ => return error("no such column"),
        };
        let value = pair(task, row, column)[slot % components];
        if bounded.is_exact() && value.is_exact() {
            return error("an exact tie goes to the lowest index");
        }
        if !value.is_unknown() && (value.low > bounded.high || value.high < bounded.low) {
            return error("its value is not within the bound");
        }
    }
    Ok(unknown)
}
