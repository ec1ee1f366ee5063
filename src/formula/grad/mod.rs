//! Symbolic differentiation of typed formulas.
//!
//! [`reverse`] carries a seed of the result back to a variable (the adjoint of the derivative, `Grad`); [`forward`] carries a
//! change of a variable to the result (the derivative itself, `Diff`). Both share one table of slopes ([`slope`]) for
//! element-wise operations; all others are linear or bilinear, so their rules are exact. A dim-1 operand that was repeated gets
//! the sum of what its copies get. Walks follow the node table, so nothing recurses.

mod forward;
mod linear;
mod outer;
mod reverse;
mod slope;

pub use linear::{Coupling, coupling};
pub use outer::{Derivative, Direction, Extra, Outer, at_selected, derivative};

use super::NodeId;
use super::graph::{Built, Graph, Refusal};
use super::op::Op;
use super::tensor::Product;

impl Graph {
    /// For every node up to `f`: whether it depends on the argument at this position.
    fn dependents(&mut self, f: NodeId, position: u32) -> Result<Vec<bool>, Refusal> {
        self.step_walk(f)?;
        let mut depends: Vec<bool> = Vec::with_capacity(f.index() + 1);
        for k in 0..=f.index() {
            let (op, args) = self.parts_of(NodeId(k as u32));
            let own = *op == Op::Variable(position);
            depends.push(own || args.iter().any(|a| depends[a.index()]));
        }
        Ok(depends)
    }

    /// Count a walk over the nodes up to `f`, whose steps are short.
    fn step_walk(&mut self, f: NodeId) -> Result<(), Refusal> {
        self.step(f.index() / 8)
    }

    /// 1 in one component of `dim`.
    fn unit(&mut self, k: u32, dim: u32) -> Built {
        let one = self.integer(1, 1)?;
        self.insert(one, k, dim)
    }

    /// The Jacobian, row-major: component `k * dim v + l` is the derivative of component k of f by component l of v.
    pub(super) fn grad_matrix(&mut self, f: NodeId, v: NodeId) -> Built {
        let (rows, columns) = (self.dim(f), self.dim(v));
        let mut parts = Vec::new();
        // A row a component by the adjoint, or a column a component by the derivative where those are far fewer.
        if rows <= 2 * columns {
            for k in 0..rows {
                let seed = self.unit(k, rows)?;
                parts.push(self.grad(f, v, seed)?);
            }
            self.concat(&parts)
        } else {
            for l in 0..columns {
                let change = self.unit(l, columns)?;
                parts.push(self.diff(f, v, change)?);
            }
            let transposed = self.concat(&parts)?;
            self.transposed(transposed, columns, rows)
        }
    }

    /// The trace of the Jacobian.
    pub(super) fn divergence(&mut self, f: NodeId, v: NodeId) -> Built {
        let dim = self.dim(v);
        let mut trace = self.integer(0, 1)?;
        for k in 0..dim {
            let change = self.unit(k, dim)?;
            let column = self.diff(f, v, change)?;
            let component = self.extract(column, k, 1)?;
            trace = self.add(trace, component)?;
        }
        Ok(trace)
    }

    /// The divergence of the gradient of a formula of dim 1.
    pub(super) fn laplacian(&mut self, f: NodeId, v: NodeId) -> Built {
        let one = self.integer(1, 1)?;
        let gradient = self.grad(f, v, one)?;
        self.divergence(gradient, v)
    }

    /// The sum of all entries of f as a linear map of v.
    pub(super) fn sum_of_entries(&mut self, f: NodeId, v: NodeId) -> Built {
        let ones = self.integer(1, self.dim(v))?;
        let image = self.diff(f, v, ones)?;
        self.reduced(Op::Sum, image)
    }

    /// The bilinear operation of a node.
    fn bilinear(&self, node: NodeId) -> Option<Product> {
        match self.parts_of(node) {
            (op, &[f, g]) => Product::of(op, self.dim(f), self.dim(g)),
            _ => None,
        }
    }

    /// Where the largest or smallest component of f is: 1 there, 0 elsewhere.
    fn selected(&mut self, op: &Op, f: NodeId) -> Built {
        let index = if *op == Op::Max { Op::ArgMax } else { Op::ArgMin };
        let index = self.reduced(index, f)?;
        self.one_hot(index, self.dim(f))
    }

    /// The derivative of a `SoftDtw` node by operand `k`, of that operand's dim.
    fn soft_dtw_slope(&mut self, node: NodeId, k: usize) -> Built {
        let args = self.get(node).args.clone();
        let (n, m) = (self.dim(args[0]), self.dim(args[1]));
        let cells = n * m;
        let all = self.node(Op::SoftDtwGradient, args.clone(), u64::from(cells) + 1)?;
        if k == 2 {
            return self.extract(all, cells, 1);
        }
        let weights = self.extract(all, 0, cells)?;
        // Twice the differences x_i - y_j, weighted and summed over the other sequence.
        let (rows, columns) = (self.integer(1, n)?, self.integer(1, m)?);
        let x = self.contract(args[0], columns, &Product::outer(n, m))?;
        let y = self.contract(rows, args[1], &Product::outer(n, m))?;
        let difference = self.sub(x, y)?;
        let weighted = self.mul(weights, difference)?;
        let (sum, factor) = match k {
            0 => (self.contract(weighted, columns, &Product::mat_vec(n, m))?, 2),
            _ => (self.contract(rows, weighted, &Product::vec_mat(n, m))?, -2),
        };
        let factor = self.integer(factor, 1)?;
        self.mul(factor, sum)
    }
}

/// The refusal of an operation without a derivative.
fn no_derivative(op: &Op) -> Refusal {
    match op {
        Op::SoftDtwGradient => Refusal::NoDerivative("the gradient of SoftDTW_SqDist"),
        _ => Refusal::NoDerivative("this operation"),
    }
}
