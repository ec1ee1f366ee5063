//! The oracle: what a reduction of a formula *means*, computed the obvious way.
//!
//! Every operation and every reduction is written out here once more, in float64, with the platform's functions, one pair
//! after another, from the language's definition alone. Nothing is shared with the lowering: this module imports the typed
//! formula and the names of the reductions and never `loops`, `schedule`, `cpu` or `cuda`, so that a mistake there cannot
//! hide here. Memory is linear in M + N: no pair is stored.
//!
//! * [`reduce`] is the oracle itself; as an engine (`--backend eval`) it is slow, and parallel over rows.
//! * [`bound::reduce`] computes beside every value an interval that every correct engine's value lies in.
//!
//! Literals are rounded once to the compute type that is asked for, and inputs are expected to be values of that type;
//! everything else is float64 whatever the compute type is.

pub mod bound;
mod nodes;
mod reduction;
mod scalar;
#[cfg(test)]
mod tests;
mod warping;

use crate::dtype::Float;
use crate::formula::{Category, Formula, NodeId};
use crate::reduce::{Family, Reduction};
use nodes::{Arithmetic, Nodes};
use rayon::prelude::*;

/// A row-major array that owns its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<T> {
    /// Number of points.
    pub rows: usize,
    /// Components of a point.
    pub dim: usize,
    /// `rows * dim` numbers, row after row.
    pub values: Vec<T>,
}

impl<T> Matrix<T> {
    /// An array of `rows` points of `dim` components.
    ///
    /// # Panics
    /// If there are not `rows * dim` values.
    pub fn new(rows: usize, dim: usize, values: Vec<T>) -> Self {
        assert_eq!(Some(values.len()), rows.checked_mul(dim), "a {rows} x {dim} matrix");
        Self { rows, dim, values }
    }

    /// The components of a point.
    ///
    /// # Panics
    /// If there is no such point.
    pub fn row(&self, row: usize) -> &[T] {
        &self.values[row * self.dim..][..self.dim]
    }
}

/// What is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// F, and for weighted reductions the weight as second root.
    pub formula: &'a Formula,
    /// The category of the output's rows, `I` or `J`; the other one is reduced.
    pub rows: Category,
    /// What is done with F.
    pub reduction: Reduction,
    /// The type that literals are rounded to.
    pub float: Float,
    /// The arguments of the call by position; a parameter is one row.
    pub inputs: &'a [Matrix<f64>],
    /// Number of i-points.
    pub m: usize,
    /// Number of j-points.
    pub n: usize,
}

impl Task<'_> {
    /// Rows of the output.
    pub fn output_rows(&self) -> usize {
        if self.rows == Category::I { self.m } else { self.n }
    }

    /// Points that are reduced over.
    pub fn columns(&self) -> usize {
        if self.rows == Category::I { self.n } else { self.m }
    }

    /// Components of an output row.
    pub fn output_dim(&self) -> usize {
        let weight = (self.formula.roots.len() > 1).then(|| self.formula.root_dim(1));
        self.reduction.output_dim(self.formula.root_dim(0), weight) as usize
    }

    fn root(&self) -> NodeId {
        self.formula.roots[0]
    }

    fn weight(&self) -> Option<NodeId> {
        self.formula.roots.get(1).copied()
    }

    /// The nodes of this task with everything that is constant over the call already known.
    ///
    /// # Panics
    /// If an argument does not have the shape that the formula says: whoever makes a task has checked the arguments.
    fn nodes<'a, A: Arithmetic>(&'a self, arithmetic: A, numbers: Numbers<'a>) -> Nodes<'a, A> {
        assert_eq!(self.inputs.len(), self.formula.variables.len(), "number of arguments");
        for (input, variable) in self.inputs.iter().zip(&self.formula.variables) {
            let rows = match variable.category {
                Category::I => self.m,
                Category::J => self.n,
                Category::Param => 1,
            };
            let shape = (rows, variable.dim as usize);
            assert_eq!((input.rows, input.dim), shape, "argument `{}`", variable.name);
        }
        Nodes::new(self, arithmetic, numbers)
    }
}

/// The numbers that rows and columns have in the formula (`IndexI`, `IndexJ`) and in results, where a task is a part of another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers<'a> {
    /// The number of the first row; the others follow.
    pub first_row: usize,
    /// The number of each column; without them they are numbered from 0.
    pub columns: Option<&'a [usize]>,
}

impl Numbers<'_> {
    fn row(&self, row: usize) -> usize {
        self.first_row + row
    }

    fn column(&self, column: usize) -> usize {
        match self.columns {
            None => column,
            Some(numbers) => numbers.get(column).copied().unwrap_or(column),
        }
    }
}

/// What a reduction gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// One row an output row; for index reductions the values that the indices point at.
    pub values: Matrix<f64>,
    /// For selections the same for indices; -1 where there is no such point.
    pub indices: Option<Matrix<i64>>,
}

/// Reduce a formula over all pairs.
///
/// # Panics
/// If an argument does not have the shape that the formula says.
pub fn reduce(task: &Task<'_>) -> Outcome {
    reduce_numbered(task, Numbers::default())
}

/// The same for a part of a task, with the numbers that its rows and columns have there.
///
/// # Panics
/// As [`reduce`], and if columns are numbered, but not all.
pub fn reduce_numbered(task: &Task<'_>, numbers: Numbers<'_>) -> Outcome {
    let nodes = task.nodes(scalar::Plain, numbers);
    let (rows, dim) = (task.output_rows(), task.output_dim());
    let results: Vec<(Vec<f64>, Vec<i64>)> = (0..rows)
        .into_par_iter()
        .map_with(nodes, |nodes, row| {
            nodes.enter_row(row);
            reduction::row(task, nodes)
        })
        .collect();
    let (values, indices): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let is_selection = task.reduction.family() == Family::Selection;
    Outcome {
        values: Matrix::new(rows, dim, values.concat()),
        indices: is_selection.then(|| Matrix::new(rows, dim, indices.concat())),
    }
}

/// F at one pair: output row `row`, column `column`.
///
/// # Panics
/// If there is no such pair, or an argument does not have the shape that the formula says.
pub fn pair(task: &Task<'_>, row: usize, column: usize) -> Vec<f64> {
    let mut nodes = task.nodes(scalar::Plain, Numbers::default());
    nodes.enter_row(row);
    nodes.enter_column(column);
    nodes.value(task.root()).to_vec()
}
