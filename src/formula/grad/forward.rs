//! From a change of a variable to the change of the result.

use super::no_derivative;
use crate::formula::NodeId;
use crate::formula::graph::{Built, Graph, Refusal};
use crate::formula::op::Op;

impl Graph {
    /// The derivative of f by the variable node v in the direction u, of v's dim; zero if v does not occur.
    pub(in crate::formula) fn diff(&mut self, f: NodeId, v: NodeId, u: NodeId) -> Built {
        let position = self.position(v).expect("a variable was checked for");
        let depends = self.dependents(f, position)?;
        let needed = self.ancestors(f)?;
        let mut changes: Vec<Option<NodeId>> = vec![None; depends.len()];
        for k in 0..depends.len() {
            let node = NodeId(k as u32);
            if node == v {
                changes[k] = Some(u);
            } else if depends[k] && needed[k] {
                changes[k] = self.change(node, &changes)?;
            }
        }
        match changes[f.index()] {
            Some(change) => Ok(change),
            None => self.integer(0, self.dim(f)),
        }
    }

    /// For every node up to `f`: whether f is computed from it.
    fn ancestors(&mut self, f: NodeId) -> Result<Vec<bool>, Refusal> {
        self.step_walk(f)?;
        let mut needed = vec![false; f.index() + 1];
        needed[f.index()] = true;
        for k in (0..=f.index()).rev() {
            if needed[k] {
                for arg in &self.get(NodeId(k as u32)).args {
                    needed[arg.index()] = true;
                }
            }
        }
        Ok(needed)
    }

    /// The change of a node from those of its operands; `None` for none.
    fn change(
        &mut self,
        node: NodeId,
        changes: &[Option<NodeId>],
    ) -> Result<Option<NodeId>, Refusal> {
        let args = self.get(node).args.clone();
        if self.get(node).op == Op::Concat {
            let mut parts = Vec::with_capacity(args.len());
            for arg in &args {
                parts.push(match changes[arg.index()] {
                    Some(change) => change,
                    None => self.integer(0, self.dim(*arg))?,
                });
            }
            return self.concat(&parts).map(Some);
        }
        let mut sum: Option<NodeId> = None;
        for (k, arg) in args.iter().enumerate() {
            let Some(change) = changes[arg.index()] else { continue };
            let Some(more) = self.carried(node, k, change)? else { continue };
            sum = Some(match sum {
                Some(sum) => self.add(sum, more)?,
                None => more,
            });
        }
        Ok(sum.filter(|sum| !self.is_zero(*sum)))
    }

    /// What the change of operand `k` adds to the change of a node; `None` for nothing.
    fn carried(&mut self, node: NodeId, k: usize, t: NodeId) -> Result<Option<NodeId>, Refusal> {
        let (op, args) = self.parts_of(node);
        let (op, args) = (op.clone(), args.to_vec());
        self.step(args.len())?;
        let dim = self.dim(node);
        Ok(Some(match &op {
            Op::Sum => self.reduced(Op::Sum, t)?,
            Op::Broadcast => self.repeated(t, dim)?,
            Op::Extract { start } => self.extract(t, *start, dim)?,
            Op::Insert { start } => self.insert(t, *start, dim)?,
            Op::Gather { start, axes } => self.gather(t, *start, axes)?,
            Op::Max | Op::Min => {
                let selected = self.selected(&op, args[k])?;
                self.scalar_product(selected, t)?
            }
            Op::ArgMax | Op::ArgMin | Op::OneHot => return Ok(None),
            Op::SoftDtw => {
                let slope = self.soft_dtw_slope(node, k)?;
                self.scalar_product(slope, t)?
            }
            Op::SoftDtwGradient => return Err(no_derivative(&op)),
            _ => {
                if let Some(product) = self.bilinear(node) {
                    let (f, g) = if k == 0 { (t, args[1]) } else { (args[0], t) };
                    return self.contract(f, g, &product).map(Some);
                }
                let slope = self.slope(node, k)?;
                match self.along(&slope, t)? {
                    Some(change) => self.repeated(change, dim)?,
                    None => return Ok(None),
                }
            }
        }))
    }
}
