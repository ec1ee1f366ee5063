//! Whether a formula is, by its structure, a linear map of one of its variables.

use crate::formula::NodeId;
use crate::formula::graph::{Graph, Refusal};
use crate::formula::op::Op;

/// How a node depends on the variable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dependence {
    /// Always zero: both of the others.
    Zero,
    /// Not at all.
    Free,
    /// Linearly.
    Linear,
    /// In any other way.
    Other,
}

impl Graph {
    /// Whether f is a linear map of the variable node v.
    pub(in crate::formula) fn is_linear(&mut self, f: NodeId, v: NodeId) -> Result<bool, Refusal> {
        self.step_walk(f)?;
        let mut known: Vec<Dependence> = Vec::with_capacity(f.index() + 1);
        for k in 0..=f.index() {
            let node = NodeId(k as u32);
            known.push(if node == v { Dependence::Linear } else { self.dependence(node, &known) });
        }
        Ok(matches!(known[f.index()], Dependence::Linear | Dependence::Zero))
    }

    fn dependence(&self, node: NodeId, known: &[Dependence]) -> Dependence {
        use Dependence::{Free, Linear, Other, Zero};
        let (op, args) = self.parts_of(node);
        let of = |k: usize| known[args[k].index()];
        let all = |allowed: &[Dependence], from: usize| {
            args[from..].iter().all(|a| allowed.contains(&known[a.index()]))
        };
        if self.is_zero(node) {
            return Zero;
        }
        if all(&[Free, Zero], 0) {
            return Free;
        }
        let linear = match op {
            Op::Neg
            | Op::Sum
            | Op::Broadcast
            | Op::Extract { .. }
            | Op::Insert { .. }
            | Op::Gather { .. }
            | Op::Concat
            | Op::Add
            | Op::Sub => all(&[Linear, Zero], 0),
            Op::Mul
            | Op::Scalprod
            | Op::MatVecMult
            | Op::VecMatMult
            | Op::TensorProd
            | Op::Contract { .. } => {
                matches!((of(0), of(1)), (Linear, Free) | (Free, Linear))
            }
            Op::Div => of(0) == Linear && of(1) == Free,
            Op::IfElse => matches!(of(0), Free | Zero) && all(&[Linear, Zero], 1),
            _ => false,
        };
        if linear { Linear } else { Other }
    }
}
