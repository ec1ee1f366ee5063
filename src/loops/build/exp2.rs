//! `Exp` of a scaled pair value becomes `Exp2` with log2(e) folded into the scale, which is hoisted.
//!
//! The argument is a rounded product anyway, so its relative error stays one of the same size; what is saved is the
//! two-term range reduction.

use crate::formula::number::Number;
use crate::formula::op::Op;
use crate::formula::{Formula, Node, NodeId, Variability};
use std::borrow::Cow;

/// log2(e), correctly rounded to float64.
const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// The formula with every suitable `Exp` rewritten.
pub(super) fn rewritten(formula: &Formula) -> Cow<'_, Formula> {
    if !formula
        .nodes
        .iter()
        .any(|n| matches!(n.op, Op::Exp) && scale_of(formula, n.args[0]).is_some())
    {
        return Cow::Borrowed(formula);
    }
    let mut nodes: Vec<Node> = Vec::with_capacity(formula.nodes.len() + 8);
    // Where each old node went.
    let mut moved: Vec<NodeId> = Vec::with_capacity(formula.nodes.len());
    for node in &formula.nodes {
        let mut new = node.clone();
        for arg in &mut new.args {
            *arg = moved[arg.index()];
        }
        if let (Op::Exp, Some(scale)) =
            (&node.op, scale_of(formula, node.args.first().copied().unwrap_or(NodeId(0))))
        {
            let log2e = if scale.negated { -LOG2_E } else { LOG2_E };
            let number = Number::from_f64(log2e).expect("log2(e) is finite");
            let mut factor =
                push(&mut nodes, Op::Constant(number), Vec::new(), 1, Variability::Const, node);
            if let Some(c) = scale.factor {
                let variability = formula.node(c).variability;
                let c = moved[c.index()];
                factor = push(&mut nodes, Op::Mul, vec![c, factor], 1, variability, node);
            }
            let rest = moved[scale.rest.index()];
            let product =
                push(&mut nodes, Op::Mul, vec![rest, factor], node.dim, node.variability, node);
            new.op = Op::Exp2;
            new.args = vec![product];
        }
        nodes.push(new);
        moved.push(NodeId(nodes.len() as u32 - 1));
    }
    let roots = formula.roots.iter().map(|r| moved[r.index()]).collect();
    let keep = formula.keep.map(|keep| moved[keep.index()]);
    Cow::Owned(Formula { nodes, roots, keep, variables: formula.variables.clone() })
}

fn push(
    nodes: &mut Vec<Node>,
    op: Op,
    args: Vec<NodeId>,
    dim: u32,
    variability: Variability,
    like: &Node,
) -> NodeId {
    nodes.push(Node { op, args, dim, variability, span: like.span });
    NodeId(nodes.len() as u32 - 1)
}

/// `±factor * rest` with a scalar factor that does not depend on the pair.
struct Scale {
    negated: bool,
    factor: Option<NodeId>,
    rest: NodeId,
}

fn scale_of(formula: &Formula, argument: NodeId) -> Option<Scale> {
    if formula.node(argument).variability != Variability::Pair {
        return None;
    }
    let mut scale = Scale { negated: false, factor: None, rest: argument };
    loop {
        let node = formula.node(scale.rest);
        let is_factor = |id: NodeId| {
            let n = formula.node(id);
            n.dim == 1 && matches!(n.variability, Variability::Const | Variability::Param)
        };
        match node.op {
            Op::Neg => {
                scale.negated = !scale.negated;
                scale.rest = node.args[0];
            }
            Op::Mul
                if scale.factor.is_none()
                    && (is_factor(node.args[0]) || is_factor(node.args[1])) =>
            {
                let (factor, rest) = if is_factor(node.args[0]) {
                    (node.args[0], node.args[1])
                } else {
                    (node.args[1], node.args[0])
                };
                scale.factor = Some(factor);
                scale.rest = rest;
            }
            _ => break,
        }
    }
    // A factor like (-g) is worth unwrapping to keep one hoisted product.
    let changed = scale.negated || scale.factor.is_some();
    (changed && formula.node(scale.rest).variability == Variability::Pair).then_some(scale)
}
