//! Small powers of two, and signs, in front of a sum: `-2 * Exp(..) * (x - y)` is summed without its `-2`, which the finished sum is
//! multiplied by. That is exact, and saves a product for each pair; gradients of squared distances have such a factor.
//!
//! Other factors stay where they are: taking them out would change what overflows.

use crate::formula::op::Op;
use crate::formula::{Formula, Node, NodeId, Variability};
use std::borrow::Cow;

/// How deep a product is looked into.
const DEPTH: u32 = 8;
/// The largest factor taken out: terms that small factors keep from underflow are about as small as float numbers get.
const LARGEST: f64 = 8.0;

/// The formula with its first root replaced by what is summed, and the factor of the sum if one is taken out. If the root as it was
/// is needed `beside` that, it comes after all others.
pub(super) fn taken_out(formula: &Formula, beside: bool) -> (Cow<'_, Formula>, Option<f64>) {
    let root = formula.roots[0];
    let mut nodes = Cow::Borrowed(&formula.nodes[..]);
    let (factor, summed) = without(&mut nodes, root, DEPTH);
    if factor == 1.0 || factor.abs() > LARGEST {
        return (Cow::Borrowed(formula), None);
    }
    let mut roots = formula.roots.clone();
    roots[0] = summed;
    roots.extend(beside.then_some(root));
    let Formula { keep, variables, .. } = formula;
    let (keep, variables) = (*keep, variables.clone());
    (Cow::Owned(Formula { nodes: nodes.into_owned(), roots, keep, variables }), Some(factor))
}

/// The factor of a node, and the node without it.
fn without(nodes: &mut Cow<'_, [Node]>, id: NodeId, depth: u32) -> (f64, NodeId) {
    let node = &nodes[id.index()];
    if depth == 0 || node.variability != Variability::Pair {
        return (1.0, id);
    }
    match (&node.op, &node.args[..]) {
        (Op::Neg, &[of]) => {
            let (factor, rest) = without(nodes, of, depth - 1);
            (-factor, rest)
        }
        (Op::Mul, &[a, b]) => {
            for (c, rest) in [(a, b), (b, a)] {
                if let Op::Constant(number) = &nodes[c.index()].op
                    && nodes[rest.index()].dim == node.dim
                    && is_power(number.to_f64())
                {
                    let own = number.to_f64();
                    let (factor, rest) = without(nodes, rest, depth - 1);
                    return (own * factor, rest);
                }
            }
            let node = node.clone();
            let (of_a, a) = without(nodes, a, depth - 1);
            let (of_b, b) = without(nodes, b, depth - 1);
            if of_a * of_b == 1.0 {
                return (1.0, id);
            }
            nodes.to_mut().push(Node { args: vec![a, b], ..node });
            (of_a * of_b, NodeId(nodes.len() as u32 - 1))
        }
        _ => (1.0, id),
    }
}

/// Whether a product with this is exact but for underflow and overflow, and at least as large.
fn is_power(c: f64) -> bool {
    [1.0, 2.0, 4.0, 8.0].contains(&c.abs())
}
