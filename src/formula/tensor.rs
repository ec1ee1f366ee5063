//! Products of vectors, matrices and tensors (all row-major), each in the simplest operation that computes it.

use super::NodeId;
use super::graph::{Built, Graph};
use super::op::{Axis, Op, Stride};

/// A product of two operands as a contraction: what is kept, slowest axis first, and what is summed over.
pub(super) struct Product {
    pub(super) kept: Vec<Axis>,
    pub(super) summed: Vec<Axis>,
}

impl Product {
    /// A row-major matrix times a vector of this dim.
    pub(super) fn mat_vec(rows: u32, columns: u32) -> Self {
        Self {
            kept: vec![Axis { len: rows, f: columns, g: 0 }],
            summed: vec![Axis { len: columns, f: 1, g: 1 }],
        }
    }

    /// A vector times a row-major matrix.
    pub(super) fn vec_mat(rows: u32, columns: u32) -> Self {
        Self {
            kept: vec![Axis { len: columns, f: 0, g: 1 }],
            summed: vec![Axis { len: rows, f: 1, g: columns }],
        }
    }

    /// All products of components.
    pub(super) fn outer(f: u32, g: u32) -> Self {
        Self {
            kept: vec![Axis { len: f, f: 1, g: 0 }, Axis { len: g, f: 0, g: 1 }],
            summed: Vec::new(),
        }
    }

    /// The bilinear operation of a node, if it is one.
    pub(super) fn of(op: &Op, f: u32, g: u32) -> Option<Self> {
        Some(match op {
            Op::Scalprod => Self { kept: Vec::new(), summed: vec![Axis { len: f, f: 1, g: 1 }] },
            Op::MatVecMult => Self::mat_vec(f / g, g),
            Op::VecMatMult => Self::vec_mat(f, g / f),
            Op::TensorProd => Self::outer(f, g),
            Op::Contract { kept, summed } => Self { kept: kept.clone(), summed: summed.clone() },
            _ => return None,
        })
    }

    /// The product that takes a seed of the result and the second operand to the adjoint of the first.
    pub(super) fn adjoint_first(&self) -> Self {
        // Steps of the kept axes in the result.
        let mut steps = vec![1; self.kept.len()];
        for k in (1..self.kept.len()).rev() {
            steps[k - 1] = steps[k] * self.kept[k].len;
        }
        let kept = self.kept.iter().zip(&steps).map(|(axis, step)| (*axis, *step));
        let all = kept.chain(self.summed.iter().map(|axis| (*axis, 0)));
        // Those that the first operand has, slowest first, are its components; the others are summed over.
        let (mut own, rest): (Vec<_>, Vec<_>) =
            all.partition(|(axis, _)| axis.f > 0 || axis.len == 1);
        own.sort_by_key(|(axis, _)| std::cmp::Reverse(axis.f));
        let seeded = |(axis, step): (Axis, u32)| Axis { len: axis.len, f: step, g: axis.g };
        Self {
            kept: own.into_iter().map(seeded).collect(),
            summed: rest.into_iter().map(seeded).collect(),
        }
    }

    /// The same product with its operands exchanged.
    pub(super) fn swapped(&self) -> Self {
        let swap = |axes: &[Axis]| -> Vec<Axis> {
            axes.iter().map(|a| Axis { len: a.len, f: a.g, g: a.f }).collect()
        };
        Self { kept: swap(&self.kept), summed: swap(&self.summed) }
    }
}

/// Without axes of length 1, neighbours that step as one merged.
fn merged(axes: &[Axis]) -> Vec<Axis> {
    let mut merged: Vec<Axis> = Vec::with_capacity(axes.len());
    for axis in axes.iter().filter(|a| a.len > 1) {
        match merged.last_mut() {
            Some(last) if last.f == axis.len * axis.f && last.g == axis.len * axis.g => {
                *last = Axis { len: last.len * axis.len, ..*axis };
            }
            _ => merged.push(*axis),
        }
    }
    merged
}

impl Graph {
    /// A product of two nodes.
    pub(super) fn contract(&mut self, f: NodeId, g: NodeId, product: &Product) -> Built {
        let (kept, summed) = (merged(&product.kept), merged(&product.summed));
        let dim: u64 = kept.iter().map(|a| u64::from(a.len)).product();
        if self.is_zero(f) || self.is_zero(g) {
            let zero =
                self.node(Op::Constant(super::number::Number::integer(0)), Vec::new(), dim)?;
            return Ok(zero);
        }
        let pair = |a: &Axis| (a.f, a.g);
        match (&kept[..], &summed[..]) {
            ([], []) => return self.mul(f, g),
            ([a], []) if a.f.max(a.g) == 1 => return self.mul(f, g),
            ([a, b], []) if pair(a) == (1, 0) && pair(b) == (0, 1) => return self.outer(f, g),
            ([a, b], []) if pair(a) == (0, 1) && pair(b) == (1, 0) => return self.outer(g, f),
            ([], [a]) if pair(a) == (1, 1) => return self.scalar_product(f, g),
            ([a], [b]) if pair(b) == (1, 1) && pair(a) == (b.len, 0) => {
                return self.mat_vec(f, g, dim);
            }
            ([a], [b]) if pair(b) == (1, 1) && pair(a) == (0, b.len) => {
                return self.mat_vec(g, f, dim);
            }
            ([a], [b]) if pair(a) == (0, 1) && pair(b) == (1, a.len) => {
                return self.vec_mat(f, g, dim);
            }
            ([a], [b]) if pair(a) == (1, 0) && pair(b) == (a.len, 1) => {
                return self.vec_mat(g, f, dim);
            }
            _ => {}
        }
        self.node(Op::Contract { kept, summed }, vec![f, g], dim)
    }

    fn mat_vec(&mut self, matrix: NodeId, vector: NodeId, rows: u64) -> Built {
        if let Some((part, start)) = self.placed(vector)
            && self.dim(part) == 1
        {
            let columns = self.dim(vector);
            let axes = [Stride { len: self.dim(matrix) / columns, step: columns }];
            let column = self.gather(matrix, start, &axes)?;
            return self.mul(part, column);
        }
        self.node(Op::MatVecMult, vec![matrix, vector], rows)
    }

    fn vec_mat(&mut self, vector: NodeId, matrix: NodeId, columns: u64) -> Built {
        if let Some((part, start)) = self.placed(vector)
            && self.dim(part) == 1
        {
            // The matrix has this many columns, so they fit.
            let columns = columns as u32;
            let row = self.extract(matrix, start * columns, columns)?;
            return self.mul(part, row);
        }
        self.node(Op::VecMatMult, vec![vector, matrix], columns)
    }

    fn outer(&mut self, f: NodeId, g: NodeId) -> Built {
        let dim = u64::from(self.dim(f)) * u64::from(self.dim(g));
        if let Some((part, start)) = self.placed(f)
            && dim <= crate::limits::DIM as u64
        {
            let inner = self.dim(g);
            let product = self.contract(part, g, &Product::outer(self.dim(part), inner))?;
            return self.insert(product, start * inner, dim as u32);
        }
        self.node(Op::TensorProd, vec![f, g], dim)
    }
}
