//! From a seed of the result back to a variable.

use super::no_derivative;
use crate::formula::NodeId;
use crate::formula::graph::{Built, Graph, Refusal};
use crate::formula::op::Op;
use crate::formula::tensor::Product;

impl Graph {
    /// The adjoint of the derivative of f by the variable node v, applied to the seed e of f's dim; zero if v does not occur.
    pub(in crate::formula) fn grad(&mut self, f: NodeId, v: NodeId, e: NodeId) -> Built {
        let position = self.position(v).expect("a variable was checked for");
        let depends = self.dependents(f, position)?;
        let mut adjoints: Vec<Option<NodeId>> = vec![None; depends.len()];
        adjoints[f.index()] = Some(e);
        for k in (0..depends.len()).rev() {
            let node = NodeId(k as u32);
            let (Some(seed), true) = (adjoints[k], depends[k]) else { continue };
            if node == v {
                return Ok(seed);
            }
            let args = self.get(node).args.clone();
            for (j, arg) in args.iter().enumerate() {
                if !depends[arg.index()] {
                    continue;
                }
                let Some(more) = self.adjoint(node, j, seed)? else { continue };
                if self.is_zero(more) {
                    continue;
                }
                let known = &mut adjoints[arg.index()];
                *known = Some(match *known {
                    Some(known) => self.add(known, more)?,
                    None => more,
                });
            }
        }
        self.integer(0, self.dim(v))
    }

    /// What the seed of a node adds to the seed of its operand `k`; `None` for nothing.
    fn adjoint(&mut self, node: NodeId, k: usize, e: NodeId) -> Result<Option<NodeId>, Refusal> {
        let (op, args) = self.parts_of(node);
        let (op, args) = (op.clone(), args.to_vec());
        self.step(args.len())?;
        let arg = args[k];
        let dim = self.dim(arg);
        Ok(Some(match &op {
            Op::Sum => self.repeated(e, dim)?,
            Op::Broadcast => self.reduced(Op::Sum, e)?,
            Op::Scalprod => self.times(e, args[1 - k])?,
            Op::Extract { start } => self.insert(e, *start, dim)?,
            Op::Insert { start } => self.extract(e, *start, dim)?,
            Op::Concat => {
                let start = args[..k].iter().map(|a| self.dim(*a)).sum();
                self.extract(e, start, dim)?
            }
            Op::Gather { start, axes } => self.scatter(e, *start, axes, dim)?,
            Op::Max | Op::Min => {
                let selected = self.selected(&op, arg)?;
                self.mul(e, selected)?
            }
            Op::ArgMax | Op::ArgMin | Op::OneHot => return Ok(None),
            Op::SoftDtw => {
                let slope = self.soft_dtw_slope(node, k)?;
                self.mul(e, slope)?
            }
            Op::SoftDtwGradient => return Err(no_derivative(&op)),
            _ => {
                if let Some(product) = self.bilinear(node) {
                    let product = if k == 0 { product } else { product.swapped() };
                    return self.seeded(e, args[1 - k], &product).map(Some);
                }
                return self.elementwise_adjoint(node, k, e);
            }
        }))
    }

    fn seeded(&mut self, e: NodeId, other: NodeId, product: &Product) -> Built {
        self.contract(e, other, &product.adjoint_first())
    }

    fn elementwise_adjoint(
        &mut self,
        node: NodeId,
        k: usize,
        e: NodeId,
    ) -> Result<Option<NodeId>, Refusal> {
        let arg = self.get(node).args[k];
        let slope = self.slope(node, k)?;
        let repeats = self.dim(arg) < self.dim(node);
        if let (super::slope::Slope::Times(factor), true) = (&slope, repeats)
            && self.dim(*factor) == self.dim(e)
        {
            return self.scalar_product(*factor, e).map(Some);
        }
        match self.along(&slope, e)? {
            Some(all) if repeats => self.reduced(Op::Sum, all).map(Some),
            all => Ok(all),
        }
    }
}
