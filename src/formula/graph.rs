//! Typed nodes under construction: equal nodes are shared, constants fold, dims are set; nothing of the text is known here.
//!
//! Every constructor keeps what [`simplify`](super::simplify) says about values. None recurses to a depth that the input
//! decides, so formulas of any shape are safe.

use super::number::Number;
use super::op::Op;
use super::{Category, Formula, Node, NodeId, Variability, Variable};
use crate::error::ErrorKind;
use crate::limits;
use crate::span::Span;
use std::collections::HashMap;

/// Nodes of the table before unused ones are dropped, as a multiple of [`limits::NODES`]: derivatives leave many behind.
const TABLE_NODES: usize = 8 * limits::NODES;

/// Why a node cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A constant zero divides.
    DivisionByZero,
    /// The dim is beyond the limit.
    Dim(u64),
    /// There are too many different nodes.
    Nodes,
    /// There are too many arguments.
    Aliases,
    /// Making it takes too many steps.
    Steps,
    /// An operation that has no derivative.
    NoDerivative(&'static str),
    /// A multiple of an index, or what is added to one, is beyond the limit.
    Index,
    /// A formula is not linear in the variable that it is taken as a linear map of.
    NotLinear,
}

impl Refusal {
    /// The kind of error that it is where it comes from a text.
    pub(super) fn kind(self) -> ErrorKind {
        match self {
            Refusal::DivisionByZero | Refusal::NoDerivative(_) | Refusal::NotLinear => {
                ErrorKind::Syntax
            }
            Refusal::Dim(_)
            | Refusal::Nodes
            | Refusal::Aliases
            | Refusal::Steps
            | Refusal::Index => ErrorKind::Limit,
        }
    }

    /// The message of that error.
    pub(super) fn message(self) -> String {
        match self {
            Refusal::DivisionByZero => "division by zero".into(),
            Refusal::Dim(dim) => {
                format!("an expression of dim {dim}; at most {} is accepted", limits::DIM)
            }
            Refusal::Nodes => {
                format!("the formula has more than {} different parts", limits::NODES)
            }
            Refusal::Aliases => {
                format!("the derivative needs more arguments than the {} accepted", limits::ALIASES)
            }
            Refusal::Steps => {
                let steps = limits::TYPING_STEPS;
                format!("the formula takes more than {steps} steps to be written out")
            }
            Refusal::Index => {
                format!("indices are multiplied by and added to at most {}", limits::INDEX_FACTOR)
            }
            Refusal::NoDerivative(what) => format!("{what} has no derivative"),
            Refusal::NotLinear => "the formula is not linear in the variable".into(),
        }
    }
}

/// A node, or why not.
pub(crate) type Built = Result<NodeId, Refusal>;

/// The table of nodes.
#[derive(Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    known: HashMap<(Op, Vec<NodeId>, u32), NodeId>,
    /// Arguments of the call by position; `None` where none is known yet.
    pub(super) variables: Vec<Option<Variable>>,
    /// The place in the text that new nodes are attributed to.
    pub(super) at: Span,
    /// How many simplifications are inside one another.
    pub(super) depth: u32,
    /// Steps made so far.
    steps: u64,
}

impl Graph {
    /// An empty table over the arguments of a call.
    pub(super) fn new(variables: Vec<Option<Variable>>) -> Self {
        Self { variables, ..Self::default() }
    }

    /// The table of a finished formula, to be added to.
    pub(super) fn of(formula: &Formula) -> Self {
        let mut graph = Self::new(formula.variables.iter().cloned().map(Some).collect());
        graph.nodes.clone_from(&formula.nodes);
        for (k, node) in formula.nodes.iter().enumerate() {
            graph.known.insert((node.op.clone(), node.args.clone(), node.dim), NodeId(k as u32));
        }
        graph
    }

    /// The nodes that the roots and the condition need, as a formula.
    pub(super) fn finish(self, roots: &[NodeId], keep: Option<NodeId>) -> Result<Formula, Refusal> {
        // Operands first, in the order in which a walk from the roots meets them: the text of a formula does not depend on
        // the order in which its nodes came to be.
        let mut nodes: Vec<Node> = Vec::new();
        let mut moved: Vec<Option<NodeId>> = vec![None; self.nodes.len()];
        let mut open: Vec<(NodeId, usize)> = Vec::new();
        for root in roots.iter().chain(&keep) {
            open.push((*root, 0));
            while let Some((id, done)) = open.pop() {
                let node = &self.nodes[id.index()];
                if moved[id.index()].is_some() {
                    continue;
                }
                if let Some(arg) = node.args.get(done) {
                    open.push((id, done + 1));
                    open.push((*arg, 0));
                    continue;
                }
                let mut node = node.clone();
                for arg in &mut node.args {
                    *arg = moved[arg.index()].expect("operands come first");
                }
                moved[id.index()] = Some(NodeId(nodes.len() as u32));
                nodes.push(node);
            }
        }
        if nodes.len() > limits::NODES {
            return Err(Refusal::Nodes);
        }
        let place = |root: &NodeId| moved[root.index()].expect("every root was met");
        let (roots, keep) = (roots.iter().map(place).collect(), keep.as_ref().map(place));
        let variables = self.variables.into_iter().flatten().collect();
        Ok(Formula { nodes, roots, keep, variables })
    }

    /// Count steps that are about to be made, so that no text keeps the typer busy for long: [`limits::NODES`] bounds what comes
    /// of them only.
    pub(super) fn step(&mut self, steps: usize) -> Result<(), Refusal> {
        self.steps += steps as u64;
        if self.steps > limits::TYPING_STEPS { Err(Refusal::Steps) } else { Ok(()) }
    }

    /// Count what exact arithmetic on two numbers takes: the square of their bits, for their greatest common divisor.
    pub(super) fn step_numbers(&mut self, f: u64, g: u64) -> Result<(), Refusal> {
        self.step(((f + g).pow(2) >> 11) as usize)
    }

    pub(super) fn get(&self, node: NodeId) -> &Node {
        &self.nodes[node.index()]
    }

    /// The operation and operands of a node.
    pub(super) fn parts_of(&self, node: NodeId) -> (&Op, &[NodeId]) {
        let node = self.get(node);
        (&node.op, &node.args)
    }

    pub(super) fn dim(&self, node: NodeId) -> u32 {
        self.get(node).dim
    }

    pub(super) fn variability(&self, node: NodeId) -> Variability {
        self.get(node).variability
    }

    /// The value of a constant node.
    pub(super) fn constant(&self, node: NodeId) -> Option<&Number> {
        match &self.get(node).op {
            Op::Constant(number) => Some(number),
            _ => None,
        }
    }

    /// Whether a node is a constant zero.
    pub(super) fn is_zero(&self, node: NodeId) -> bool {
        self.constant(node).is_some_and(Number::is_zero)
    }

    /// The position of a node that is an argument of the call.
    pub(super) fn position(&self, node: NodeId) -> Option<u32> {
        match self.get(node).op {
            Op::Variable(position) => Some(position),
            _ => None,
        }
    }

    /// Make a node exactly as said, or find the equal one.
    pub(super) fn node(&mut self, op: Op, args: Vec<NodeId>, dim: u64) -> Built {
        self.step(2 + args.len())?;
        let Some(dim) = u32::try_from(dim).ok().filter(|dim| *dim as usize <= limits::DIM) else {
            return Err(Refusal::Dim(dim));
        };
        let mut key = (op, args, dim);
        if let Some(node) = self.known.get(&key) {
            return Ok(*node);
        }
        if key.0.is_symmetric() {
            key.1.reverse();
            if let Some(node) = self.known.get(&key) {
                return Ok(*node);
            }
            key.1.reverse();
        }
        if self.nodes.len() >= TABLE_NODES {
            return Err(Refusal::Nodes);
        }
        let (op, args, dim) = key.clone();
        let variability = match &op {
            Op::Variable(position) => match self.category(*position) {
                Some(Category::I) => Variability::I,
                Some(Category::J) => Variability::J,
                _ => Variability::Param,
            },
            Op::Index { j: 0, .. } => Variability::I,
            Op::Index { i: 0, .. } => Variability::J,
            Op::Index { .. } => Variability::Pair,
            _ => self.joint(&args),
        };
        let node = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { op, args, dim, variability, span: self.at });
        self.known.insert(key, node);
        Ok(node)
    }

    /// The variability of something made of these nodes.
    pub(super) fn joint(&self, args: &[NodeId]) -> Variability {
        args.iter().map(|a| self.variability(*a)).fold(Variability::Const, Variability::union)
    }

    /// The category of an argument of the call.
    pub(super) fn category(&self, position: u32) -> Option<Category> {
        self.variables.get(position as usize)?.as_ref().map(|v| v.category)
    }

    /// An argument of the call that is known.
    pub(super) fn variable(&mut self, position: u32) -> Built {
        let dim = self.variables[position as usize].as_ref().map_or(1, |v| v.dim);
        self.node(Op::Variable(position), Vec::new(), dim.into())
    }

    /// A constant in every component.
    pub(super) fn number(&mut self, number: Number, dim: u32) -> Built {
        self.node(Op::Constant(number), Vec::new(), dim.into())
    }

    /// An integer in every component.
    pub(super) fn integer(&mut self, value: i64, dim: u32) -> Built {
        self.number(Number::integer(value), dim)
    }

    /// A node of dim 1 repeated; any node of that dim already.
    pub(super) fn repeated(&mut self, node: NodeId, dim: u32) -> Built {
        match (self.dim(node), self.constant(node).cloned()) {
            (own, _) if own == dim => Ok(node),
            (_, Some(number)) => self.number(number, dim),
            _ => self.node(Op::Broadcast, vec![node], dim.into()),
        }
    }

    /// The dim-1 node of which this one repeats the value, if there is one.
    pub(super) fn repeats(&mut self, node: NodeId) -> Result<Option<NodeId>, Refusal> {
        if self.dim(node) == 1 {
            return Ok(Some(node));
        }
        match self.parts_of(node) {
            (Op::Broadcast, args) => Ok(Some(args[0])),
            (Op::Constant(number), _) => {
                let number = number.clone();
                self.number(number, 1).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Component by component; dims are equal or 1.
    pub(super) fn map(&mut self, op: Op, args: &[NodeId]) -> Built {
        let dim = args.iter().map(|a| self.dim(*a)).max().unwrap_or(1);
        // An element-wise operation repeats operands of dim 1 itself.
        let mut short = Vec::with_capacity(args.len());
        for arg in args {
            short.push(self.repeats(*arg)?.unwrap_or(*arg));
        }
        let own = short.iter().map(|a| self.dim(*a)).max().unwrap_or(1);
        let node = match self.simplified(&op, &short)? {
            Some(node) => node,
            None => self.node(op, short, own.into())?,
        };
        self.repeated(node, dim)
    }

    pub(super) fn neg(&mut self, f: NodeId) -> Built {
        self.map(Op::Neg, &[f])
    }

    pub(super) fn add(&mut self, f: NodeId, g: NodeId) -> Built {
        self.map(Op::Add, &[f, g])
    }

    pub(super) fn sub(&mut self, f: NodeId, g: NodeId) -> Built {
        self.map(Op::Sub, &[f, g])
    }

    pub(super) fn mul(&mut self, f: NodeId, g: NodeId) -> Built {
        self.map(Op::Mul, &[f, g])
    }

    pub(super) fn div(&mut self, f: NodeId, g: NodeId) -> Built {
        self.map(Op::Div, &[f, g])
    }

    /// f where `condition >= 0`, else g.
    pub(super) fn if_else(&mut self, condition: NodeId, f: NodeId, g: NodeId) -> Built {
        self.map(Op::IfElse, &[condition, f, g])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_up_to_the_limit() {
        let mut graph = Graph::new(Vec::new());
        assert_eq!(graph.step(limits::TYPING_STEPS as usize - 1), Ok(()));
        assert_eq!(graph.step(1), Ok(()));
        assert_eq!(graph.step(1), Err(Refusal::Steps));
    }
}
