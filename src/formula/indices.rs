//! Exact integers made of the numbers of points: sums and multiples of `IndexI`, `IndexJ` and integers, and conditions on them.

use super::graph::{Built, Graph, Refusal};
use super::op::Op;
use super::{Formula, NodeId};
use crate::limits;

/// `i*IndexI + j*IndexJ + offset`.
#[derive(Clone, Copy)]
struct Form {
    i: i64,
    j: i64,
    offset: i64,
}

impl Form {
    /// `self * factor + other`, if it is within the limit.
    fn times_plus(self, factor: i64, other: Form) -> Result<Form, Refusal> {
        let one = |a: i64, b: i64| {
            let sum = a.checked_mul(factor).and_then(|product| product.checked_add(b));
            sum.filter(|sum| sum.abs() <= limits::INDEX_FACTOR).ok_or(Refusal::Index)
        };
        Ok(Form {
            i: one(self.i, other.i)?,
            j: one(self.j, other.j)?,
            offset: one(self.offset, other.offset)?,
        })
    }
}

impl Graph {
    /// The number of the point i, or of the point j.
    pub(super) fn index(&mut self, of_i: bool) -> Built {
        let (i, j) = if of_i { (1, 0) } else { (0, 1) };
        self.form(Form { i, j, offset: 0 })
    }

    fn form(&mut self, form: Form) -> Built {
        match form {
            Form { i: 0, j: 0, offset } => self.integer(offset, 1),
            Form { i, j, offset } => self.node(Op::Index { i, j, offset }, Vec::new(), 1),
        }
    }

    /// The form that a node is; constants are some, too.
    fn form_of(&self, node: NodeId) -> Option<Form> {
        match &self.get(node).op {
            Op::Index { i, j, offset } => Some(Form { i: *i, j: *j, offset: *offset }),
            Op::Constant(number) => number.as_integer().map(|offset| Form { i: 0, j: 0, offset }),
            _ => None,
        }
    }

    /// What `op` makes of indices and integers; `None` if it has other operands, or is not exact.
    pub(super) fn indexed(&mut self, op: &Op, args: &[NodeId]) -> Result<Option<NodeId>, Refusal> {
        if !args.iter().any(|arg| matches!(self.get(*arg).op, Op::Index { .. })) {
            return Ok(None);
        }
        let forms: Option<Vec<Form>> = args.iter().map(|arg| self.form_of(*arg)).collect();
        let Some(forms) = forms else { return Ok(None) };
        let zero = Form { i: 0, j: 0, offset: 0 };
        let form = match (op, forms.as_slice()) {
            (Op::Neg, [f]) => f.times_plus(-1, zero)?,
            (Op::Add, [f, g]) => f.times_plus(1, *g)?,
            (Op::Sub, [f, g]) => g.times_plus(-1, *f)?,
            (Op::Mul, [f, Form { i: 0, j: 0, offset }])
            | (Op::Mul, [Form { i: 0, j: 0, offset }, f]) => f.times_plus(*offset, zero)?,
            (Op::Equal | Op::NotEqual | Op::LessThan | Op::LessOrEqual, [f, g]) => {
                return self.compared(op, g.times_plus(-1, *f)?, args).map(Some);
            }
            _ => return Ok(None),
        };
        self.form(form).map(Some)
    }

    /// A comparison of a form with 0.
    fn compared(&mut self, op: &Op, form: Form, args: &[NodeId]) -> Built {
        let Form { i, j, offset } = form;
        if i == 0 && j == 0 {
            let holds = match op {
                Op::Equal => offset == 0,
                Op::NotEqual => offset != 0,
                Op::LessThan => offset < 0,
                _ => offset <= 0,
            };
            return self.integer(i64::from(holds), 1);
        }
        let (form, zero) = (self.form(form)?, self.integer(0, 1)?);
        debug_assert_eq!(args.len(), 2, "comparisons have two operands");
        self.node(op.clone(), vec![form, zero], 1)
    }

    /// How many different nodes a node is made of, itself included.
    pub(super) fn size(&self, node: NodeId) -> usize {
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if seen.insert(node) {
                open.extend(self.parts_of(node).1);
            }
        }
        seen.len()
    }

    /// The first node of a condition that is not made of comparisons of indices, `*` and `+`.
    pub(super) fn not_a_condition(&self, keep: NodeId) -> Option<NodeId> {
        let mut open = vec![keep];
        let mut seen = std::collections::HashSet::new();
        while let Some(node) = open.pop() {
            if !seen.insert(node) {
                continue;
            }
            let (op, args) = self.parts_of(node);
            match op {
                Op::Mul | Op::Add | Op::Square => open.extend(args),
                // Gathered repetitions.
                Op::Constant(number)
                    if number.as_integer().is_some_and(|n| (0..=limits::EXPONENT).contains(&n)) => {
                }
                Op::Equal | Op::NotEqual | Op::LessThan | Op::LessOrEqual
                    if matches!(self.get(args[0]).op, Op::Index { .. })
                        && self.is_zero(args[1]) => {}
                _ => return Some(node),
            }
        }
        None
    }
}

impl Formula {
    /// The largest magnitude that a sum or multiple of indices has with `m` points i and `n` points j, the parts that it is made of
    /// included; `None` if there is no index.
    pub fn largest_index(&self, m: usize, n: usize) -> Option<u128> {
        let last = |points: usize| points.saturating_sub(1) as u128;
        let size = |op: &Op| match op {
            Op::Index { i, j, offset } => {
                let [i, j, offset] = [i, j, offset].map(|n| u128::from(n.unsigned_abs()));
                Some(i * last(m) + j * last(n) + offset)
            }
            _ => None,
        };
        self.nodes.iter().filter_map(|node| size(&node.op)).max()
    }
}
