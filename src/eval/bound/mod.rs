//! A running error bound: beside every value an interval that the value of every correct engine lies in.
//!
//! The interval of an operation contains what the operation gives anywhere in its operands' intervals, widened by the
//! roundings that a correct engine may make: one for an arithmetic operation (none where the result is exact), a stated number
//! of ulp for a function. A sum of n terms is widened by h*u*S, h the height of the summation tree and S the sum of
//! magnitudes, so that fused multiply-adds and any order of summation within that height are correct.
//!
//! Where an operation jumps within the operands' intervals (`Floor`, `Step`, comparisons, ...), or the compute type may or may
//! not overflow, the result is *unknown*, and so is all that is made of it. Tests skip such components and count them.
//!
//! The intervals bound the distance of engine and oracle: in float64, where the oracle makes roundings of the same size, both
//! are counted.

mod elementwise;
mod indices;
mod interval;
mod reduction;
#[cfg(test)]
mod tests;

use super::nodes::Nodes;
use super::{Matrix, Numbers, Task};
use crate::reduce::Accumulate;
pub use indices::check_indices;
pub use interval::Bounded;
use interval::Rounding;
use rayon::prelude::*;

/// How an engine accumulates over the columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tree {
    /// Most additions that a term goes through on its way to the result, and 2 more for compensated sums in place of them.
    pub height: f64,
    /// Most changes of the base of exponents (one a chunk and one a merge) that a term goes through.
    pub rescales: f64,
}

impl Tree {
    /// The tree of an engine that adds one column after another.
    pub fn sequential(columns: usize) -> Self {
        Self { height: columns as f64, rescales: columns as f64 }
    }

    /// A tree that covers every schedule that is chosen: chunks of at least 64 and at most 2,048 columns, over 64 partial sums of a
    /// row or none, flushed into sums of at most 4,096 columns, which are merged pairwise. A chunk adds its columns in one accumulator,
    /// at most 256 of them; so does the direct scheme a tile. Compensated sums come to 2 additions, and 1 more for each merge,
    /// compensated too.
    pub fn of(scheme: Accumulate, columns: usize) -> Self {
        let columns = columns as f64;
        let merges = 7.0 + (columns / 64.0).max(1.0).log2();
        let chunks = (columns / 64.0).ceil().min(64.0);
        let height = match scheme {
            Accumulate::Direct => columns.min(4_096.0) + merges,
            Accumulate::Kahan => 4.0,
            Accumulate::Auto | Accumulate::Block | Accumulate::Double => {
                columns.min(256.0) + chunks + merges
            }
        };
        Self { height, rescales: chunks + merges }
    }
}

/// Values with their bounds: for selections the values whose indices are asked for.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// One row an output row; the layout is that of [`super::Outcome::values`].
    pub values: Matrix<Bounded>,
    /// For selections the oracle's indices: an engine may have others whose values are within the bounds.
    pub indices: Option<Matrix<i64>>,
}

/// Reduce a formula over all pairs, with bounds for an engine that computes in `task.float` and accumulates by `tree`.
///
/// # Panics
/// If an argument does not have the shape that the formula says.
pub fn reduce(task: &Task<'_>, tree: Tree) -> Bounds {
    let nodes = task.nodes(Rounding::of(task.float), Numbers::default());
    let (rows, dim) = (task.output_rows(), task.output_dim());
    let results: Vec<(Vec<Bounded>, Vec<i64>)> = (0..rows)
        .into_par_iter()
        .map_with(nodes, |nodes, row| {
            nodes.enter_row(row);
            reduction::row(task, nodes, tree)
        })
        .collect();
    let (values, indices): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let indices = indices.concat();
    Bounds {
        values: Matrix::new(rows, dim, values.concat()),
        indices: (task.reduction.family() == crate::reduce::Family::Selection)
            .then(|| Matrix::new(rows, dim, indices)),
    }
}

/// F at one pair: output row `row`, column `column`.
///
/// # Panics
/// If there is no such pair, or an argument does not have the shape that the formula says.
pub fn pair(task: &Task<'_>, row: usize, column: usize) -> Vec<Bounded> {
    let mut nodes: Nodes<'_, Rounding> = task.nodes(Rounding::of(task.float), Numbers::default());
    nodes.enter_row(row);
    nodes.enter_column(column);
    nodes.value(task.root()).to_vec()
}
