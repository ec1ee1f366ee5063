//! The values of all nodes of a formula at one pair, over any arithmetic.

use super::warping::Warping;
use super::{Numbers, Task};
use crate::formula::op::{Axis, Op};
use crate::formula::{Category, NodeId, Variability};

/// What numbers are: plain float64, or intervals.
pub(super) trait Arithmetic: Copy + Send + Sync {
    /// A number.
    type Value: Copy + Send + Sync;
    /// A number that is known exactly.
    fn exact(&self, value: f64) -> Self::Value;
    /// An element-wise operation on one component of each operand.
    fn apply(&self, op: &Op, operands: &[Self::Value]) -> Self::Value;
    /// The sum of some terms, at least one, in any order.
    fn sum(&self, terms: &[Self::Value]) -> Self::Value;
    /// The largest or smallest term, NaN ignored unless all are NaN, or its first index: `op` is `Max`, `Min`, `ArgMax` or
    /// `ArgMin`.
    fn extremum(&self, op: &Op, terms: &[Self::Value]) -> Self::Value;
    /// Component `k` of `OneHot`: 1 if `k` is trunc(f + 0.5), else 0.
    fn one_hot(&self, f: Self::Value, k: usize) -> Self::Value;
    /// Whether a number that is known exactly is not 0.
    fn is_true(&self, value: Self::Value) -> bool;
    /// The smallest term, softened: m - g*log(sum of exp((m - a)/g)) over terms a, m their minimum.
    fn soft_min(&self, terms: &[Self::Value], g: Self::Value) -> Self::Value;
}

/// The values of all needed nodes: those of the call, of the current row and of the current column.
#[derive(Clone)]
pub(super) struct Nodes<'a, A: Arithmetic> {
    task: &'a Task<'a>,
    arithmetic: A,
    numbers: Numbers<'a>,
    /// Where each node's components begin.
    offsets: Vec<usize>,
    values: Vec<A::Value>,
    /// The needed nodes that change with the row only, and with the column.
    of_row: Vec<NodeId>,
    of_column: Vec<NodeId>,
    row: usize,
    column: usize,
}

impl<'a, A: Arithmetic> Nodes<'a, A> {
    /// The nodes of a task, those that do not change within a call evaluated.
    pub(super) fn new(task: &'a Task<'a>, arithmetic: A, numbers: Numbers<'a>) -> Self {
        let formula = task.formula;
        let roots: Vec<NodeId> = formula.roots.iter().copied().chain(formula.keep).collect();
        let needed = formula.needed(&roots);
        let mut offsets = Vec::with_capacity(formula.nodes.len());
        let mut size = 0;
        for (node, needed) in formula.nodes.iter().zip(&needed) {
            offsets.push(size);
            size += if *needed { node.dim as usize } else { 0 };
        }
        let rows = if task.rows == Category::I { Variability::I } else { Variability::J };
        let (mut of_call, mut of_row, mut of_column) = (Vec::new(), Vec::new(), Vec::new());
        for (k, node) in formula.nodes.iter().enumerate().filter(|(k, _)| needed[*k]) {
            let list = match node.variability {
                Variability::Const | Variability::Param => &mut of_call,
                variability if variability == rows => &mut of_row,
                _ => &mut of_column,
            };
            list.push(NodeId(k as u32));
        }
        let values = vec![arithmetic.exact(0.0); size];
        let mut nodes = Self {
            task,
            arithmetic,
            numbers,
            offsets,
            values,
            of_row,
            of_column,
            row: 0,
            column: 0,
        };
        of_call.iter().for_each(|id| nodes.evaluate(*id));
        nodes
    }

    /// The arithmetic.
    pub(super) fn arithmetic(&self) -> A {
        self.arithmetic
    }

    /// Go to an output row.
    pub(super) fn enter_row(&mut self, row: usize) {
        self.row = row;
        for k in 0..self.of_row.len() {
            self.evaluate(self.of_row[k]);
        }
    }

    /// Go to a column of the current row; gives whether the pair takes part.
    pub(super) fn enter_column(&mut self, column: usize) -> bool {
        self.column = column;
        for k in 0..self.of_column.len() {
            self.evaluate(self.of_column[k]);
        }
        self.task.formula.keep.is_none_or(|keep| self.arithmetic.is_true(self.value(keep)[0]))
    }

    /// The components of a node at the current place.
    pub(super) fn value(&self, id: NodeId) -> &[A::Value] {
        &self.values[self.offsets[id.index()]..][..self.task.formula.node(id).dim as usize]
    }

    fn evaluate(&mut self, id: NodeId) {
        let node = self.task.formula.node(id);
        if matches!(node.op, Op::SoftDtw | Op::SoftDtwGradient) {
            let operand = |a: usize| self.value(node.args[a]);
            let g = operand(2)[0];
            let warping = Warping::new(self.arithmetic, operand(0), operand(1), g);
            let all = match node.op {
                Op::SoftDtw => vec![warping.value()],
                _ => warping.gradient(),
            };
            self.values[self.offsets[id.index()]..][..all.len()].copy_from_slice(&all);
            return;
        }
        for k in 0..self.task.formula.node(id).dim as usize {
            let value = self.component(id, k);
            self.values[self.offsets[id.index()] + k] = value;
        }
    }

    /// Component `k` of a node whose operands are known.
    fn component(&self, id: NodeId, k: usize) -> A::Value {
        let node = self.task.formula.node(id);
        let operand = |a: usize| self.value(node.args[a]);
        // An operand of dim 1 is repeated.
        let at = |a: usize| if operand(a).len() == 1 { operand(a)[0] } else { operand(a)[k] };
        let times = |f, g| self.arithmetic.apply(&Op::Mul, &[f, g]);
        let sum = |terms: Vec<A::Value>| self.arithmetic.sum(&terms);
        match &node.op {
            Op::Variable(position) => {
                let input = &self.task.inputs[*position as usize];
                let point = match self.task.formula.variables[*position as usize].category {
                    Category::Param => 0,
                    category if category == self.task.rows => self.row,
                    _ => self.column,
                };
                self.arithmetic.exact(input.row(point)[k])
            }
            Op::Index { i, j, offset } => {
                let (row, column) = (self.numbers.row(self.row), self.numbers.column(self.column));
                let by_i = self.task.rows == Category::I;
                let (of_i, of_j) = if by_i { (row, column) } else { (column, row) };
                // The number of a point that this node does not depend on counts for nothing.
                let times = |factor: i64, number: usize| i128::from(factor) * number as i128;
                let sum = times(*i, of_i) + times(*j, of_j) + i128::from(*offset);
                self.arithmetic.exact(sum as f64)
            }
            Op::Constant(number) => self.arithmetic.exact(number.to_f64_for(self.task.float)),
            Op::Sum => self.arithmetic.sum(operand(0)),
            Op::Scalprod => {
                sum(operand(0).iter().zip(operand(1)).map(|(f, g)| times(*f, *g)).collect())
            }
            Op::Max | Op::Min | Op::ArgMax | Op::ArgMin => {
                self.arithmetic.extremum(&node.op, operand(0))
            }
            Op::Broadcast => operand(0)[0],
            Op::Extract { start } => operand(0)[*start as usize + k],
            Op::Insert { start } => {
                let inside = k.checked_sub(*start as usize).and_then(|k| operand(0).get(k));
                inside.copied().unwrap_or_else(|| self.arithmetic.exact(0.0))
            }
            Op::Concat => {
                let (mut part, mut k) = (0, k);
                while k >= operand(part).len() {
                    k -= operand(part).len();
                    part += 1;
                }
                operand(part)[k]
            }
            Op::OneHot => self.arithmetic.one_hot(operand(0)[0], k),
            Op::MatVecMult => {
                let (matrix, vector) = (operand(0), operand(1));
                let row = &matrix[k * vector.len()..][..vector.len()];
                sum(row.iter().zip(vector).map(|(a, b)| times(*a, *b)).collect())
            }
            Op::VecMatMult => {
                let (vector, matrix) = (operand(0), operand(1));
                let width = node.dim as usize;
                sum((0..vector.len()).map(|l| times(vector[l], matrix[l * width + k])).collect())
            }
            Op::Gather { start, axes } => {
                let steps = axes.iter().map(|a| (a.len, a.step));
                operand(0)[*start as usize + place(k, steps)]
            }
            Op::Contract { kept, summed } => {
                let of_f = |axes: &[Axis], k| place(k, axes.iter().map(|a| (a.len, a.f)));
                let of_g = |axes: &[Axis], k| place(k, axes.iter().map(|a| (a.len, a.g)));
                let (f, g) = (of_f(kept, k), of_g(kept, k));
                let count = summed.iter().map(|a| a.len as usize).product();
                let term =
                    |l| times(operand(0)[f + of_f(summed, l)], operand(1)[g + of_g(summed, l)]);
                sum((0..count).map(term).collect())
            }
            Op::TensorProd => {
                let width = operand(1).len();
                times(operand(0)[k / width], operand(1)[k % width])
            }
            op => {
                // At most three operands; no allocation for the operations that pairs are made of.
                let [f, g, h] = [0, 1, 2].map(|a| if a < node.args.len() { at(a) } else { at(0) });
                self.arithmetic.apply(op, &[f, g, h][..node.args.len()])
            }
        }
    }
}

/// How far component `k`, row-major over axes of these lengths, is along their steps.
fn place(k: usize, axes: impl DoubleEndedIterator<Item = (u32, u32)>) -> usize {
    let (mut rest, mut place) = (k, 0);
    for (len, step) in axes.rev() {
        place += rest % len as usize * step as usize;
        rest /= len as usize;
    }
    place
}
