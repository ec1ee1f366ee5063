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
    let expected_row = bounds.indices.as_ref().map_or(&[][..], |indices| indices.row(row));
    if found.len() != expected_row.len() {
        return Err(format!(
            "row {row}: {} indices instead of {}",
            found.len(),
            expected_row.len()
        ));
    }
    let mut unknown = 0;
    for (slot, (index, expected)) in found.iter().zip(expected_row).enumerate() {
        let error = |why: &str| {
            Err(format!("row {row} slot {slot}: index {index} instead of {expected}: {why}"))
        };
        let others = found.iter().skip(slot % components).step_by(components);
        if *index >= 0 && others.filter(|other| *other == index).count() > 1 {
            return error("it appears twice");
        }
        if found[..=slot] == expected_row[..=slot] {
            continue;
        }
        let bounded = bounds.values.row(row)[slot];
        if bounded.is_unknown() {
            unknown += 1;
            continue;
        }
        let at = |column: usize| pair(task, row, column)[slot % components];
        // Columns of which less is known may have taken slots before this one.
        let earlier = |column: usize| {
            let mut same = found[..slot].iter().skip(slot % components).step_by(components);
            same.any(|index| usize::try_from(*index) == Ok(column))
        };
        let column = match usize::try_from(*index) {
            Ok(column) if column < task.columns() => column,
            Ok(_) => return error("no such column"),
            // Columns of which nothing is known may be NaN: they take no slot.
            Err(_) => {
                let is_left = |column| {
                    let value = at(column);
                    !value.is_unknown() && !value.is_nan() && !earlier(column)
                };
                if (0..task.columns()).any(is_left) {
                    return error("no such column");
                }
                unknown += 1;
                continue;
            }
        };
        let value = at(column);
        if value.is_unknown() {
            unknown += 1;
            continue;
        }
        if bounded.is_exact() && value.is_exact() {
            let ties = |column| at(column).is_exact() && at(column).value == value.value;
            if value.value != bounded.value || (0..column).any(|c| ties(c) && !earlier(c)) {
                return error("an exact tie goes to the lowest index");
            }
            continue;
        }
        if value.low > bounded.high || value.high < bounded.low {
            return error("its value is not within the bound");
        }
    }
    Ok(unknown)
}

#[cfg(test)]
mod tests {
    use super::super::{Tree, reduce};
    use super::*;
    use crate::dtype::Float;
    use crate::eval::Matrix;
    use crate::formula::{Category, typing};
    use crate::reduce::Reduction;

    /// What is said of indices of the `k` least values of a formula of `y`.
    fn said(formula: &str, k: u32, y: &[f64], found: &[i64]) -> Result<usize, String> {
        let formula = typing::formula(formula, None, &["y = Vj(1)"]).expect("a formula");
        let inputs = [Matrix::new(y.len(), 1, y.to_vec())];
        let task = Task {
            formula: &formula,
            rows: Category::I,
            reduction: Reduction::ArgKMin(k),
            float: Float::F32,
            inputs: &inputs,
            m: 1,
            n: y.len(),
        };
        check_indices(&task, &reduce(&task, Tree::sequential(y.len())), 0, found)
    }

    #[test]
    fn wrong_indices_are_named() {
        let y = [3.0, 1.0, 1.0, 2.0];
        assert_eq!(said("y", 2, &y, &[1, 2]), Ok(0));
        for (found, why) in [
            (&[2, 1][..], " slot 0: index 2 instead of 1: an exact tie goes to the lowest index"),
            (&[1, 1], " slot 0: index 1 instead of 1: it appears twice"),
            (&[1, 3], " slot 1: index 3 instead of 2: an exact tie goes to the lowest index"),
            (&[1, -1], " slot 1: index -1 instead of 2: no such column"),
            (&[1, 4], " slot 1: index 4 instead of 2: no such column"),
            (&[1], ": 1 indices instead of 2"),
        ] {
            assert_eq!(said("y", 2, &y, found), Err(format!("row 0{why}")));
        }
        assert_eq!(said("y", 2, &[1.0], &[0, -1]), Ok(0));
        assert!(said("y", 2, &[1.0], &[0, 0]).is_err());
        assert!(said("y/3", 1, &[1.0, 2.0], &[1]).is_err_and(|why| why.contains("not within")));
    }

    #[test]
    fn columns_of_which_nothing_is_known_may_come_first() {
        // The square root of the largest float32, whose square overflows or not.
        let root = f64::from(f32::MAX).sqrt();
        let y = [root, f64::INFINITY, root, f64::INFINITY];
        for found in [[1, 3], [0, 1], [0, 2], [1, 2]] {
            assert_eq!(said("-(y*y)", 2, &y, &found).err(), None, "{found:?}");
        }
        assert!(said("-(y*y)", 2, &y, &[3, 1]).is_err());
        assert!(said("-(y*y)", 2, &y, &[0, 3]).is_err());
        // Nor do they need a slot: float32 overflows near the first one, and what then came of it could be NaN.
        let y = [f64::from(f32::MAX).ln(), 200.0, 300.0];
        assert_eq!(said("Exp(y)", 3, &y, &[1, 2, -1]), Ok(2));
        assert!(said("Exp(y)", 3, &y, &[1, -1, 2]).is_err());
        assert!(said("Exp(y)", 3, &y, &[0, 1, -1]).is_err());
        // What is NaN for the oracle may be a number: the root of something that is nearly 0.
        let (root, y) = ("Powf(y*y - 2, 0.5)", [f64::INFINITY, f64::from(2f32.sqrt())]);
        assert_eq!(said(root, 2, &y, &[0, -1]), Ok(0));
        assert_eq!(said(root, 2, &y, &[0, 1]), Ok(1));
        assert_eq!(said(root, 2, &y, &[1, 0]), Ok(1));
        assert!(said(root, 2, &y, &[1, -1]).is_err());
    }
}
