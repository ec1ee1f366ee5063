//! Soft dynamic time warping, cell by cell.

use super::nodes::Arithmetic;
use crate::formula::op::Op;

/// A cell: the value of the recursion, and how its soft minimum depends on its predecessors and on g.
struct Cell<V> {
    value: V,
    /// The predecessors with their weights.
    before: Vec<(usize, V)>,
    slope: V,
}

/// All cells of two sequences.
pub(super) struct Warping<A: Arithmetic> {
    arithmetic: A,
    cells: Vec<Cell<A::Value>>,
}

impl<A: Arithmetic> Warping<A> {
    /// r(i, j) = (x_i - y_j)^2 + softmin of the predecessors that exist.
    pub(super) fn new(arithmetic: A, x: &[A::Value], y: &[A::Value], g: A::Value) -> Self {
        let mut warping = Self { arithmetic, cells: Vec::new() };
        let m = y.len();
        for (i, x) in x.iter().enumerate() {
            for (j, y) in y.iter().enumerate() {
                let difference = arithmetic.apply(&Op::Sub, &[*x, *y]);
                let cost = arithmetic.apply(&Op::Square, &[difference]);
                let k = i * m + j;
                let mut before = Vec::new();
                if i > 0 && j > 0 {
                    before.push(k - m - 1);
                }
                if i > 0 {
                    before.push(k - m);
                }
                if j > 0 {
                    before.push(k - 1);
                }
                warping.cell(cost, &before, g);
            }
        }
        warping
    }

    fn cell(&mut self, cost: A::Value, before: &[usize], g: A::Value) {
        let a = self.arithmetic;
        let zero = a.exact(0.0);
        let cell = match before {
            [] => Cell { value: cost, before: Vec::new(), slope: zero },
            [one] => Cell {
                value: a.apply(&Op::Add, &[cost, self.cells[*one].value]),
                before: vec![(*one, a.exact(1.0))],
                slope: zero,
            },
            _ => {
                let values: Vec<A::Value> = before.iter().map(|k| self.cells[*k].value).collect();
                let least = a.extremum(&Op::Min, &values);
                let scaled: Vec<A::Value> = values
                    .iter()
                    .map(|v| a.apply(&Op::Div, &[a.apply(&Op::Sub, &[least, *v]), g]))
                    .collect();
                let shares: Vec<A::Value> =
                    scaled.iter().map(|t| a.apply(&Op::Exp, &[*t])).collect();
                let sum = a.sum(&shares);
                let log = a.apply(&Op::Log, &[sum]);
                let soft = a.soft_min(&values, g);
                let weights: Vec<A::Value> =
                    shares.iter().map(|share| a.apply(&Op::Div, &[*share, sum])).collect();
                let mut slopes = vec![a.apply(&Op::Neg, &[log])];
                slopes
                    .extend(weights.iter().zip(&scaled).map(|(w, t)| a.apply(&Op::Mul, &[*w, *t])));
                Cell {
                    value: a.apply(&Op::Add, &[cost, soft]),
                    before: before.iter().copied().zip(weights).collect(),
                    slope: a.sum(&slopes),
                }
            }
        };
        self.cells.push(cell);
    }

    /// The value of the last cell.
    pub(super) fn value(&self) -> A::Value {
        self.cells[self.cells.len() - 1].value
    }

    /// The derivative of that by each cell's cost, then by g.
    pub(super) fn gradient(&self) -> Vec<A::Value> {
        let a = self.arithmetic;
        let last = self.cells.len() - 1;
        let mut terms: Vec<Vec<A::Value>> = self.cells.iter().map(|_| Vec::new()).collect();
        terms[last].push(a.exact(1.0));
        let mut shares = vec![a.exact(0.0); self.cells.len()];
        for k in (0..=last).rev() {
            shares[k] = a.sum(&terms[k]);
            for (before, weight) in &self.cells[k].before {
                terms[*before].push(a.apply(&Op::Mul, &[shares[k], *weight]));
            }
        }
        let by_g: Vec<A::Value> = self
            .cells
            .iter()
            .zip(&shares)
            .map(|(cell, share)| a.apply(&Op::Mul, &[*share, cell.slope]))
            .collect();
        shares.push(a.sum(&by_g));
        shares
    }
}
