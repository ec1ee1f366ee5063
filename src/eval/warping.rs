//! Soft dynamic time warping: the cheapest way to walk through two sequences together, softened.

use super::nodes::Arithmetic;
use crate::formula::op::Op;

/// The predecessors of cell (i, j): (i-1, j-1), (i-1, j) and (i, j-1), where they exist, as row-major places.
fn predecessors(i: usize, j: usize, width: usize) -> Vec<usize> {
    [(1, 1), (1, 0), (0, 1)]
        .into_iter()
        .filter(|(di, dj)| i >= *di && j >= *dj)
        .map(|(di, dj)| (i - di) * width + j - dj)
        .collect()
}

/// r(i, j) = (x_i - y_j)^2 + softmin of the predecessors' r; the first cell has none.
pub(super) fn costs<A: Arithmetic>(
    arithmetic: &A,
    x: &[A::Value],
    y: &[A::Value],
    g: A::Value,
) -> Vec<A::Value> {
    let mut costs: Vec<A::Value> = Vec::with_capacity(x.len() * y.len());
    for (i, xi) in x.iter().enumerate() {
        for (j, yj) in y.iter().enumerate() {
            let difference = arithmetic.apply(&Op::Sub, &[*xi, *yj]);
            let own = arithmetic.apply(&Op::Square, &[difference]);
            let before: Vec<A::Value> =
                predecessors(i, j, y.len()).into_iter().map(|k| costs[k]).collect();
            costs.push(match before.is_empty() {
                true => own,
                false => arithmetic.apply(&Op::Add, &[own, arithmetic.soft_min(&before, g)]),
            });
        }
    }
    costs
}

/// The derivative of the last cell's cost by each cell's own (x_i - y_j)^2, then by g.
///
/// A softmin s of terms a has the derivatives w = exp((s - a)/g) by them and (s - sum of w*a)/g by g.
pub(super) fn gradient<A: Arithmetic>(
    arithmetic: &A,
    x: &[A::Value],
    y: &[A::Value],
    g: A::Value,
) -> Vec<A::Value> {
    let apply = |op: Op, operands: &[A::Value]| arithmetic.apply(&op, operands);
    let costs = costs(arithmetic, x, y, g);
    let mut by_cell = vec![arithmetic.exact(0.0); costs.len()];
    *by_cell.last_mut().expect("sequences have at least one component") = arithmetic.exact(1.0);
    let mut by_g = arithmetic.exact(0.0);
    // A cell's derivative is complete when all cells after it have passed theirs on.
    for cell in (0..costs.len()).rev() {
        let before = predecessors(cell / y.len(), cell % y.len(), y.len());
        if before.is_empty() {
            continue;
        }
        let terms: Vec<A::Value> = before.iter().map(|k| costs[*k]).collect();
        let soft = arithmetic.soft_min(&terms, g);
        let mut weighted = Vec::with_capacity(before.len());
        for k in before {
            let exponent = apply(Op::Div, &[apply(Op::Sub, &[soft, costs[k]]), g]);
            let weight = apply(Op::Exp, &[exponent]);
            weighted.push(apply(Op::Mul, &[weight, costs[k]]));
            let passed = apply(Op::Mul, &[by_cell[cell], weight]);
            by_cell[k] = apply(Op::Add, &[by_cell[k], passed]);
        }
        let rest = apply(Op::Sub, &[soft, arithmetic.sum(&weighted)]);
        let passed = apply(Op::Mul, &[by_cell[cell], apply(Op::Div, &[rest, g])]);
        by_g = apply(Op::Add, &[by_g, passed]);
    }
    by_cell.push(by_g);
    by_cell
}
