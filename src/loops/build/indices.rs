//! Numbers of points in programs, and the condition on them that pairs must meet.
//!
//! A sum of multiples of both numbers is the sum of two slots that the launcher packs, one for the row and one for the column; the call has
//! checked that all of it is exact in the compute type, so comparisons with 0 are those of the integers.

use super::IndexInput;
use super::stage::Lowering;
use crate::formula::op::Op;
use crate::formula::{Category, NodeId};
use crate::loops::program::{ArrayId, Binary, Compare, Index, Space, Value};
use std::collections::HashMap;

/// Declare the slots of every index that the roots or the condition need.
pub(super) fn declare(l: &mut Lowering<'_>, rows: Category) -> Vec<IndexInput> {
    let formula = l.formula;
    let roots: Vec<NodeId> = formula.roots.iter().copied().chain(formula.keep).collect();
    let needed = formula.needed(&roots);
    let mut inputs: Vec<IndexInput> = Vec::new();
    let mut known = HashMap::new();
    for (k, node) in formula.nodes.iter().enumerate().filter(|(k, _)| needed[*k]) {
        let Op::Index { i, j, offset } = node.op else { continue };
        let (row, column) = if rows == Category::I { (i, j) } else { (j, i) };
        let mut slot = |space: Space, factor: i64, offset: i64| {
            *known.entry((space, factor, offset)).or_insert_with(|| {
                let name = if space == Space::Row { "row" } else { "column" };
                let array = l.b.array(format!("{name}{}", inputs.len()), space, 1);
                inputs.push(IndexInput { array, factor, offset });
                array
            })
        };
        let id = NodeId(k as u32);
        match (row, column) {
            (row, 0) => {
                let array = slot(Space::Row, row, offset);
                l.held(id, array);
            }
            (0, column) => {
                let array = slot(Space::Col, column, offset);
                l.held(id, array);
            }
            _ => {
                let pair = (slot(Space::Row, row, offset), slot(Space::Col, column, 0));
                l.numbered(id, pair);
            }
        }
    }
    inputs
}

impl Lowering<'_> {
    /// Whether the current pair takes part; `None` if all pairs do.
    pub(super) fn kept(&mut self) -> Option<Value> {
        let formula = self.formula;
        let keep = formula.keep?;
        let needed = formula.needed(&[keep]);
        let zero = self.b.float(0.0);
        let mut masks: HashMap<NodeId, Value> = HashMap::new();
        for (k, node) in formula.nodes.iter().enumerate().filter(|(k, _)| needed[*k]) {
            let mask = |arg: usize| masks[&node.args[arg]];
            let compare = match &node.op {
                Op::Equal => Compare::Eq,
                Op::NotEqual => Compare::Ne,
                Op::LessThan => Compare::Lt,
                Op::LessOrEqual => Compare::Le,
                Op::Square => {
                    masks.insert(NodeId(k as u32), mask(0));
                    continue;
                }
                Op::Mul | Op::Add => {
                    let join = if node.op == Op::Mul { Binary::And } else { Binary::Or };
                    let (a, b) = (mask(0), mask(1));
                    masks.insert(NodeId(k as u32), self.b.binary(join, a, b));
                    continue;
                }
                Op::Constant(number) => {
                    let value = self.b.float(if number.is_zero() { 0.0 } else { 1.0 });
                    masks.insert(NodeId(k as u32), self.b.compare(Compare::Ne, value, zero));
                    continue;
                }
                _ => continue,
            };
            let form = self.value_at(node.args[0], &Index::at(0));
            masks.insert(NodeId(k as u32), self.b.compare(compare, form, zero));
        }
        Some(masks[&keep])
    }
}

/// The term of a pair that takes part. That of another is -0, which changes no sum, not even one of -0.
pub(super) fn term_of_kept(l: &mut Lowering<'_>, kept: Option<Value>, term: Value) -> Value {
    let Some(kept) = kept else { return term };
    let nothing = l.b.float(-0.0);
    l.b.select(kept, term, nothing)
}

/// Carry the mask of a pair over to later passes, as a number.
pub(super) fn stored_mask(l: &mut Lowering<'_>, mask: Value) -> ArrayId {
    let tile = l.b.array("kept", Space::Tile, 1);
    let (one, zero) = (l.b.float(1.0), l.b.float(0.0));
    let number = l.b.select(mask, one, zero);
    l.b.store(tile, Index::at(0), number);
    tile
}

/// The mask that was carried over.
pub(super) fn loaded_mask(l: &mut Lowering<'_>, tile: ArrayId) -> Value {
    let (number, zero) = (l.b.load(tile, Index::at(0)), l.b.float(0.0));
    l.b.compare(Compare::Lt, zero, number)
}

/// The value of a pair that takes part; that of another is NaN, which no selection takes.
pub(super) fn selectable(l: &mut Lowering<'_>, kept: Option<Value>, value: Value) -> Value {
    let Some(kept) = kept else { return value };
    let nothing = l.b.float(f64::NAN);
    l.b.select(kept, value, nothing)
}
