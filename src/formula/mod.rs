//! Typed formulas: a hash-consed DAG of operations on fixed-length vectors.

mod complex;
pub mod grad;
mod graph;
mod indices;
pub mod number;
pub mod op;
mod print;
mod simplify;
mod special;
mod structure;
pub mod table;
mod tensor;
pub mod typing;

pub use crate::alias::{Category, Variable};
use crate::span::Span;
use op::Op;

/// An index into [`Formula::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As an index into the node table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How often a node's value changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variability {
    /// Known at compile time.
    Const,
    /// Once a call.
    Param,
    /// With i only.
    I,
    /// With j only.
    J,
    /// With both.
    Pair,
}

impl Variability {
    /// The least variability that covers both.
    pub fn union(self, other: Variability) -> Variability {
        use Variability::{I, J, Pair};
        match (self, other) {
            (I, J) | (J, I) => Pair,
            (a, b) => a.max(b),
        }
    }
}

/// A typed operation. Equal nodes are stored once.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it computes; carries its integer parameters.
    pub op: Op,
    /// Operands, earlier in the table.
    pub args: Vec<NodeId>,
    /// Length of the value, at least 1.
    pub dim: u32,
    /// How often it changes.
    pub variability: Variability,
    /// The place in the text that made it (the first of several equal ones).
    pub span: Span,
}

/// A formula after typing: operands precede their users; several roots share one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// The formula, then (for weighted reductions) the weight.
    pub roots: Vec<NodeId>,
    /// Pairs where this is 0 take no part: comparisons of indices, their products (and) and sums (or).
    pub keep: Option<NodeId>,
    /// Arguments of the call in positional order.
    pub variables: Vec<Variable>,
}

impl Formula {
    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The names of the variables, for a key that tells apart kernels whose messages differ.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.variables.iter().map(|v| v.name.as_str()).collect();
        names.join(",")
    }

    /// For every node whether some of these nodes is computed from it, themselves included.
    pub fn needed(&self, by: &[NodeId]) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for node in by {
            needed[node.index()] = true;
        }
        // Operands come first, so one pass from the end finds everything.
        for k in (0..self.nodes.len()).rev() {
            if needed[k] {
                for arg in &self.nodes[k].args {
                    needed[arg.index()] = true;
                }
            }
        }
        needed
    }

    /// Length of root `k`.
    pub fn root_dim(&self, k: usize) -> u32 {
        self.node(self.roots[k]).dim
    }
}
