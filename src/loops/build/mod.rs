//! From a typed formula and a reduction to a staged [`Program`].
//!
//! Everything that does not depend on the pair is hoisted to the stage where it first can be computed and stored there,
//! whole node by whole node; [`steps`] then makes the passes of the reduction.

mod exp2;
mod factor;
mod indices;
mod scalar;
mod selection;
mod soft_dtw;
mod stage;
mod steps;
mod tensor;

use super::builder::{Builder, Functions, Sharing};
use super::keep::Keep;
use super::program::{ArrayId, Program, Space};
use crate::dtype::Float;
use crate::formula::op::Op;
use crate::formula::{Category, Formula, NodeId, Variability};
use crate::limits;
use crate::reduce::{Family, Reduction};
use crate::span::Span;
use stage::Lowering;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// How the terms of a sum are accumulated within a leaf of the merge tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// One accumulator.
    Direct,
    /// A temporary accumulator a chunk.
    Block,
    /// Compensated.
    Kahan,
}

impl Scheme {
    /// The name in keys and printed schedules.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Direct => "direct",
            Scheme::Block => "block",
            Scheme::Kahan => "kahan",
        }
    }
}

/// What is lowered.
pub struct Source<'a> {
    /// The typed formula; its roots are F and, for weighted reductions, the weight.
    pub formula: &'a Formula,
    /// The category of the output's rows; the other one is reduced.
    pub rows: Category,
    /// What is done with F: one reduction; or several, sums or exponentials first, then at most one selection for either preference.
    pub reductions: &'a [Reduction],
    /// How sums are accumulated.
    pub scheme: Scheme,
    /// Compute type.
    pub float: Float,
    /// Whether the target has fused multiply-add.
    pub fma: bool,
    /// Whether transcendental functions are expanded.
    pub functions: Functions,
}

/// A program and where its inputs go.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The program.
    pub program: Program,
    /// For each variable of the formula the array it is packed into; `None` if it is not used.
    pub inputs: Vec<Option<ArrayId>>,
    /// Numbers of rows and columns that are packed beside them.
    pub indices: Vec<IndexInput>,
    /// The pairs that take part, where it is not all of them. The program leaves out the others by itself; where a condition holds for
    /// none of the pairs at hand, the accumulators need not even be touched.
    pub keep: Option<Keep>,
}

/// An array of one slot that is packed with `factor * number + offset`, exactly, for the number of a row or column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexInput {
    /// In the space `Row` or `Col`.
    pub array: ArrayId,
    /// Times the number.
    pub factor: i64,
    /// What is added.
    pub offset: i64,
}

/// A formula whose program would be larger than [`limits::PROGRAM_INSTRUCTIONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The part of the formula at which the limit was passed; empty if no text says it.
    pub span: Span,
    /// Whether that part stands in the weight only.
    pub in_weight: bool,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the program of the formula has more than {} instructions",
            limits::PROGRAM_INSTRUCTIONS
        )
    }
}

/// Lower a reduction of a formula.
///
/// # Errors
/// Where its program would be too large.
pub fn build(source: &Source<'_>) -> Result<Lowered, TooLarge> {
    let (formula, factor) = match source.reductions[0].family() {
        Family::Sum => factor::taken_out(source.formula, source.reductions.len() > 1),
        _ => (Cow::Borrowed(source.formula), None),
    };
    let formula: Cow<'_, Formula> = exp2::rewritten(&formula);
    let mut lowering = Lowering::new(
        Builder::new(source.float, source.fma, source.functions),
        &formula,
        source.rows,
    );
    let inputs = declare_inputs(&mut lowering, source.rows);
    let indices = indices::declare(&mut lowering, source.rows);
    hoist(&mut lowering, source.rows);
    steps::emit(&mut lowering, source, factor);
    if let Some(node) = lowering.full_at() {
        let own = lowering.formula.needed(&lowering.formula.roots[..1]);
        let span = lowering.formula.node(node).span;
        return Err(TooLarge { span, in_weight: !own[node.index()] });
    }
    let mut program = lowering.b.finish();
    super::dce::eliminate(&mut program);
    debug_assert_eq!(super::verify::verify(&program), Ok(()), "lowering keeps the program's rules");
    Ok(Lowered { program, inputs, indices, keep: Keep::of(source.formula, source.rows) })
}

/// The space of the values that vary like this; `None` for pairs.
fn space(variability: Variability, rows: Category) -> Option<Space> {
    match variability {
        Variability::Const | Variability::Param => Some(Space::Param),
        Variability::I => Some(if rows == Category::I { Space::Row } else { Space::Col }),
        Variability::J => Some(if rows == Category::J { Space::Row } else { Space::Col }),
        Variability::Pair => None,
    }
}

fn declare_inputs(l: &mut Lowering<'_>, rows: Category) -> Vec<Option<ArrayId>> {
    let formula = l.formula;
    let needed = formula.needed(&formula.roots);
    let mut inputs = vec![None; formula.variables.len()];
    for (k, node) in formula.nodes.iter().enumerate() {
        let Op::Variable(position) = node.op else { continue };
        if needed[k] {
            let variable = &formula.variables[position as usize];
            let space =
                space(node.variability, rows).expect("a variable does not vary with the pair");
            let array = l.b.array(printed_name(&variable.name, position), space, variable.dim);
            l.held(NodeId(k as u32), array);
            inputs[position as usize] = Some(array);
        }
    }
    inputs
}

/// The alias, or for an inline variable its position.
fn printed_name(name: &str, position: u32) -> String {
    let is_alias = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_alias { name.to_owned() } else { format!("v{position}") }
}

/// Store every node that a later stage uses, in the stage where it first can be computed.
fn hoist(l: &mut Lowering<'_>, rows: Category) {
    let formula = l.formula;
    let needed = formula.needed(&formula.roots);
    let stage_of = |id: NodeId| space(formula.node(id).variability, rows);
    let mut hoisted: BTreeMap<Space, Vec<NodeId>> = BTreeMap::new();
    let mut wanted = vec![false; formula.nodes.len()];
    for root in &formula.roots {
        wanted[root.index()] = stage_of(*root).is_some();
    }
    for (k, node) in formula.nodes.iter().enumerate() {
        if needed[k] {
            let stage = space(node.variability, rows);
            for arg in &node.args {
                wanted[arg.index()] |= stage_of(*arg) != stage;
            }
        }
    }
    for (k, wanted) in wanted.iter().enumerate() {
        let id = NodeId(k as u32);
        if *wanted && !is_trivial(formula, id) {
            hoisted
                .entry(stage_of(id).expect("only earlier stages are hoisted"))
                .or_default()
                .push(id);
        }
    }
    for stage in [Space::Param, Space::Row, Space::Col] {
        let nodes = hoisted.remove(&stage).unwrap_or_default();
        let prefix = match stage {
            Space::Param => "p",
            Space::Row => "r",
            _ => "c",
        };
        let mut stored = Vec::new();
        for node in nodes {
            let array = l.b.array(format!("{prefix}{}", node.0), stage, l.dim(node));
            l.store(node, array);
            stored.push((node, array));
        }
        let block = l.end_block(Sharing::Fresh);
        for (node, array) in stored {
            l.held(node, array);
        }
        let program = l.b.program();
        match stage {
            Space::Param => program.param = block,
            Space::Row => program.row = block,
            _ => program.col = block,
        }
    }
}

/// Whether a node costs nothing where it is used: an input, a constant, or a part of one.
fn is_trivial(formula: &Formula, mut id: NodeId) -> bool {
    loop {
        let node = formula.node(id);
        match node.op {
            Op::Variable(_) | Op::Constant(_) | Op::Index { .. } => return true,
            Op::Extract { .. } | Op::Broadcast => id = node.args[0],
            Op::Gather { ref axes, .. } if axes.len() == 1 => id = node.args[0],
            _ => return false,
        }
    }
}
