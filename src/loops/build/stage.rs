//! Lowering of formula nodes within one block of one stage.
//!
//! Short vectors (dim <= [`UNROLL`]) are one SSA value a component. Long ones are never unrolled: their components are
//! computed on demand at a symbolic index inside a counted loop, or stored to a `Temp` array first when an operation
//! cannot be computed component by component or would be computed more than once at a high price. Nothing recurses:
//! nodes are visited in table order, in which operands come first.

use super::{scalar, tensor};
use crate::formula::op::Op;
use crate::formula::{Category, Formula, NodeId, Variability};
use crate::loops::builder::{Builder, Sharing};
use crate::loops::program::{
    ArrayId, Axes, Binary, Compare, Index, LoopId, Space, Stmt, Unary, Value,
};
use std::collections::{BTreeSet, HashMap};

/// Longest vector that is unrolled.
pub(super) const UNROLL: u32 = 16;

/// A formula being lowered, block by block.
pub(super) struct Lowering<'f> {
    pub(super) b: Builder,
    pub(super) formula: &'f Formula,
    rows: Category,
    /// Whole nodes in memory: variables and nodes that an earlier stage or pass stored.
    arrays: HashMap<NodeId, ArrayId>,
    /// Whole nodes that this block has stored.
    temps: HashMap<NodeId, ArrayId>,
    /// Components of short nodes in this block.
    small: HashMap<NodeId, Vec<Value>>,
    /// Indices of pairs: the slots of the row and of the column, whose sum they are.
    numbers: HashMap<NodeId, (ArrayId, ArrayId)>,
    /// How many operands and roots refer to a node.
    uses: Vec<u32>,
    /// The node at which the program became too large.
    full_at: Option<NodeId>,
}

impl Index {
    /// A constant slot.
    pub(super) fn at(offset: u32) -> Index {
        Index { offset, terms: Vec::new() }
    }

    /// The counter of a loop.
    pub(super) fn of(id: LoopId) -> Index {
        Index { offset: 0, terms: vec![(id, 1)] }
    }

    pub(super) fn plus(&self, offset: u32) -> Index {
        Index { offset: self.offset + offset, terms: self.terms.clone() }
    }

    pub(super) fn times(&self, factor: u32) -> Index {
        Index {
            offset: self.offset * factor,
            terms: self.terms.iter().map(|(l, s)| (*l, s * factor)).collect(),
        }
    }

    pub(super) fn and(&self, other: &Index) -> Index {
        let mut sum = self.plus(other.offset);
        sum.terms.extend(&other.terms);
        sum
    }
}

impl<'f> Lowering<'f> {
    pub(super) fn new(b: Builder, formula: &'f Formula, rows: Category) -> Self {
        let mut uses = vec![0; formula.nodes.len()];
        let operands = formula.nodes.iter().flat_map(|n| &n.args);
        for id in operands.chain(&formula.roots) {
            uses[id.index()] += 1;
        }
        Self {
            b,
            formula,
            rows,
            arrays: HashMap::new(),
            temps: HashMap::new(),
            small: HashMap::new(),
            numbers: HashMap::new(),
            uses,
            full_at: None,
        }
    }

    /// The node at which the program became too large, if it did: it is of no use then.
    pub(super) fn full_at(&self) -> Option<NodeId> {
        let root = self.formula.roots[0];
        self.full_at.or_else(|| self.b.is_full().then_some(root))
    }

    pub(super) fn dim(&self, node: NodeId) -> u32 {
        self.formula.node(node).dim
    }

    /// The axes a node varies over.
    pub(super) fn axes(&self, node: NodeId) -> Axes {
        let (row, col) = match self.formula.node(node).variability {
            Variability::Const | Variability::Param => (false, false),
            Variability::I => (self.rows == Category::I, self.rows != Category::I),
            Variability::J => (self.rows == Category::J, self.rows != Category::J),
            Variability::Pair => (true, true),
        };
        Axes { row, col, ..Axes::default() }
    }

    /// Declare that `array` holds the node from the next block on.
    pub(super) fn held(&mut self, node: NodeId, array: ArrayId) {
        self.arrays.insert(node, array);
    }

    /// Declare that a node is the sum of a row's and a column's slot.
    pub(super) fn numbered(&mut self, node: NodeId, slots: (ArrayId, ArrayId)) {
        self.numbers.insert(node, slots);
    }

    /// Forget that a node is held: the array's contents are no longer available to later blocks.
    pub(super) fn released(&mut self, node: NodeId) {
        self.arrays.remove(&node);
    }

    pub(super) fn is_held(&self, node: NodeId) -> bool {
        self.arrays.contains_key(&node)
    }

    /// End the block; its values are gone unless a `step` that follows in the same pass keeps them.
    pub(super) fn end_block(&mut self, sharing: Sharing) -> Vec<Stmt> {
        if sharing == Sharing::Fresh {
            self.small.clear();
            self.temps.clear();
        }
        self.b.take_block(sharing)
    }

    /// All components of a short node, or of any node stored in an array of at most [`UNROLL`] slots.
    pub(super) fn components(&mut self, node: NodeId) -> Vec<Value> {
        self.ensure(&[node]);
        (0..self.dim(node)).map(|k| self.at(node, k)).collect()
    }

    /// Store a whole node to an array: straight, where it would be stored whole to a `Temp` array first.
    pub(super) fn store(&mut self, node: NodeId, array: ArrayId) {
        if self.is_available(node) || self.dim(node) <= UNROLL || !self.wants_temp(node) {
            self.ensure(&[node]);
            self.store_at(node, array, 0);
            return;
        }
        let formula = self.formula;
        self.ensure(&formula.node(node).args);
        if !self.is_full(node) {
            self.materialise(node, array);
        }
    }

    /// Make every target available: its components known, stored, or computable on demand.
    pub(super) fn ensure(&mut self, targets: &[NodeId]) {
        if self.full_at.is_some() {
            return;
        }
        let mut needed = BTreeSet::new();
        let mut stack: Vec<NodeId> = targets.to_vec();
        while let Some(node) = stack.pop() {
            if !self.is_available(node) && needed.insert(node) {
                stack.extend(&self.formula.node(node).args);
            }
        }
        for node in needed {
            if self.full_at.is_some() {
                return;
            }
            if self.dim(node) <= UNROLL {
                let values = self.unrolled(node);
                self.small.insert(node, values);
            } else if self.wants_temp(node) {
                let array = self.b.array(format!("w{}", node.0), Space::Temp, self.dim(node));
                let axes = self.axes(node);
                self.b.temp_axes(array, axes);
                self.materialise(node, array);
            }
            self.is_full(node);
        }
    }

    fn is_available(&self, node: NodeId) -> bool {
        self.arrays.contains_key(&node)
            || self.temps.contains_key(&node)
            || self.small.contains_key(&node)
    }

    fn wants_temp(&self, node: NodeId) -> bool {
        let op = &self.formula.node(node).op;
        match op {
            Op::Concat
            | Op::Insert { .. }
            | Op::MatVecMult
            | Op::VecMatMult
            | Op::TensorProd
            | Op::Contract { .. }
            | Op::SoftDtwGradient => true,
            Op::Gather { axes, .. } => axes.len() > 1,
            _ => self.uses[node.index()] > 1 && scalar::is_costly(op),
        }
    }

    /// Store a long node whose operands are available to an array, where the rest of this block finds it.
    fn materialise(&mut self, node: NodeId, array: ArrayId) {
        let formula = self.formula;
        let args = &formula.node(node).args;
        if matches!(formula.node(node).op, Op::TensorProd | Op::Contract { .. } | Op::Gather { .. })
        {
            args.iter().for_each(|arg| self.addressable(*arg));
        }
        match &formula.node(node).op {
            Op::SoftDtwGradient => {
                for (k, value) in (0..).zip(self.soft_dtw_gradient(args)) {
                    self.b.store(array, Index::at(k), value);
                }
            }
            Op::Gather { start, axes } if axes.len() > 1 => {
                self.permute(args[0], *start, axes, array);
            }
            Op::Contract { kept, summed } => {
                self.contract((args[0], args[1]), kept, summed, array);
            }
            Op::Concat => {
                let mut offset = 0;
                for arg in args {
                    self.store_at(*arg, array, offset);
                    offset += self.dim(*arg);
                }
            }
            Op::Insert { start } => {
                let after = start + self.dim(args[0]);
                let zero = self.b.float(0.0);
                self.fill(array, 0, *start, zero);
                self.store_at(args[0], array, *start);
                self.fill(array, after, self.dim(node) - after, zero);
            }
            Op::TensorProd => {
                let inner = self.dim(args[1]);
                let k = self.b.begin_loop(self.dim(args[0]));
                let l = self.b.begin_loop(inner);
                let f = self.value_at(args[0], &Index::of(k));
                let g = self.value_at(args[1], &Index::of(l));
                let product = self.b.mul(f, g);
                let index = Index::of(k).times(inner).and(&Index::of(l));
                self.b.store(array, index, product);
                self.b.end_loop(l, &[]);
                self.b.end_loop(k, &[]);
            }
            _ => {
                let d = self.b.begin_loop(self.dim(node));
                let value = self.compute_at(node, &Index::of(d));
                self.b.store(array, Index::of(d), value);
                self.b.end_loop(d, &[]);
            }
        }
        self.temps.insert(node, array);
    }

    /// Make sure that components can be had at an index that uses open loops: those of a short vector are stored.
    pub(super) fn addressable(&mut self, node: NodeId) {
        let is_stored = self.arrays.contains_key(&node) || self.temps.contains_key(&node);
        let is_constant = matches!(self.formula.node(node).op, Op::Constant(_));
        if !is_stored && !is_constant && (2..=UNROLL).contains(&self.dim(node)) {
            let name = format!("t{}", node.0);
            let array = self.b.array(name, Space::Temp, self.dim(node));
            let axes = self.axes(node);
            self.b.temp_axes(array, axes);
            self.store_at(node, array, 0);
            self.temps.insert(node, array);
        }
    }

    /// Copy a whole node into `array` from slot `offset` on.
    fn store_at(&mut self, node: NodeId, array: ArrayId, offset: u32) {
        if self.dim(node) <= UNROLL {
            for k in 0..self.dim(node) {
                let value = self.at(node, k);
                self.b.store(array, Index::at(offset + k), value);
            }
        } else {
            let d = self.b.begin_loop(self.dim(node));
            let value = self.value_at(node, &Index::of(d));
            self.b.store(array, Index::of(d).plus(offset), value);
            self.b.end_loop(d, &[]);
        }
    }

    pub(super) fn fill(&mut self, array: ArrayId, start: u32, count: u32, value: Value) {
        if count > 0 {
            let d = self.b.begin_loop(count);
            self.b.store(array, Index::of(d).plus(start), value);
            self.b.end_loop(d, &[]);
        }
    }

    /// Component `k` of an ensured node.
    fn at(&mut self, node: NodeId, k: u32) -> Value {
        self.value_at(node, &Index::at(k))
    }

    /// All components of a short node, from ensured operands.
    fn unrolled(&mut self, node: NodeId) -> Vec<Value> {
        if self.formula.node(node).op == Op::SoftDtwGradient {
            return self.soft_dtw_gradient(&self.formula.node(node).args);
        }
        let dim = self.dim(node);
        (0..dim).map(|k| self.value_at(node, &Index::at(k))).collect()
    }

    /// One component of an ensured node at an index that may use open loops.
    pub(super) fn value_at(&mut self, node: NodeId, index: &Index) -> Value {
        self.leaf(node, index).unwrap_or_else(|| self.compute_at(node, index))
    }

    /// The component if it is known or stored.
    fn leaf(&mut self, node: NodeId, index: &Index) -> Option<Value> {
        if let (Some(values), true) = (self.small.get(&node), index.terms.is_empty()) {
            return Some(values[index.offset as usize]);
        }
        if let Some(array) = self.temps.get(&node).or_else(|| self.arrays.get(&node)) {
            return Some(self.b.load(*array, index.clone()));
        }
        if let Some((row, column)) = self.numbers.get(&node).copied() {
            let (row, column) = (self.b.load(row, Index::at(0)), self.b.load(column, Index::at(0)));
            return Some(self.b.add(row, column));
        }
        if let Op::Constant(number) = &self.formula.node(node).op {
            let value = number.to_f64_for(self.b.float_type());
            return Some(self.b.float(value));
        }
        None
    }

    /// Whether the program is too large to go on: what is made from now on need not mean anything.
    pub(super) fn is_full(&mut self, node: NodeId) -> bool {
        if self.full_at.is_none() && self.b.is_full() {
            self.full_at = Some(node);
        }
        self.full_at.is_some()
    }

    /// Compute one component, and on the way those components of operands that are neither known nor stored.
    fn compute_at(&mut self, node: NodeId, index: &Index) -> Value {
        if self.is_full(node) {
            return self.b.float(0.0);
        }
        let root = (node, index.clone());
        let mut known: HashMap<(NodeId, Index), Value> = HashMap::new();
        let mut stack = vec![root.clone()];
        while let Some(key) = stack.last().cloned() {
            if known.contains_key(&key) {
                stack.pop();
                continue;
            }
            if key != root
                && let Some(value) = self.leaf(key.0, &key.1)
            {
                known.insert(key, value);
                stack.pop();
                continue;
            }
            if self.is_full(key.0) {
                return self.b.float(0.0);
            }
            let operands = self.operands(key.0, &key.1);
            let missing: Vec<_> =
                operands.iter().filter(|k| !known.contains_key(k)).cloned().collect();
            if missing.is_empty() {
                let values: Vec<Value> = operands.iter().map(|k| known[k]).collect();
                let value = self.combine(key.0, &key.1, &values);
                known.insert(key, value);
                stack.pop();
            } else {
                stack.extend(missing);
            }
        }
        known[&root]
    }

    /// The components of operands that one component of a node is computed from; empty for operations that walk over their
    /// operands themselves.
    fn operands(&self, node: NodeId, index: &Index) -> Vec<(NodeId, Index)> {
        let n = self.formula.node(node);
        match &n.op {
            op if scalar::is_elementwise(op) => {
                let component =
                    |arg: &NodeId| if self.dim(*arg) == 1 { Index::at(0) } else { index.clone() };
                n.args.iter().map(|arg| (*arg, component(arg))).collect()
            }
            Op::Broadcast | Op::OneHot => vec![(n.args[0], Index::at(0))],
            Op::Extract { start } => vec![(n.args[0], index.plus(*start))],
            Op::Gather { start, axes } => {
                vec![(n.args[0], tensor::gathered(index, *start, axes))]
            }
            Op::Insert { start } => {
                let k = index.offset;
                let inside = k >= *start && k < start + self.dim(n.args[0]);
                if inside { vec![(n.args[0], Index::at(k - start))] } else { Vec::new() }
            }
            Op::Concat => {
                let mut k = index.offset;
                for arg in &n.args {
                    if k < self.dim(*arg) {
                        return vec![(*arg, Index::at(k))];
                    }
                    k -= self.dim(*arg);
                }
                unreachable!("a component index is below the node's dim")
            }
            Op::TensorProd => {
                let inner = self.dim(n.args[1]);
                vec![
                    (n.args[0], Index::at(index.offset / inner)),
                    (n.args[1], Index::at(index.offset % inner)),
                ]
            }
            _ => Vec::new(),
        }
    }

    /// One component from the components of operands that [`Lowering::operands`] named.
    fn combine(&mut self, node: NodeId, index: &Index, values: &[Value]) -> Value {
        let formula = self.formula;
        let n = formula.node(node);
        match &n.op {
            op if scalar::is_elementwise(op) => scalar::emit(&mut self.b, op, values),
            Op::Broadcast | Op::Extract { .. } | Op::Gather { .. } | Op::Concat => values[0],
            Op::Contract { kept, summed } => {
                self.contracted((n.args[0], n.args[1]), kept, summed, index.offset)
            }
            Op::Insert { .. } => values.first().copied().unwrap_or_else(|| self.b.float(0.0)),
            Op::TensorProd => self.b.mul(values[0], values[1]),
            Op::OneHot => self.one_hot(values[0], index),
            Op::Sum => match self.product(n.args[0]) {
                Some((f, g)) => {
                    self.dot(f, &Index::at(0), 1, g, &Index::at(0), 1, self.dim(n.args[0]))
                }
                None => self.sum(n.args[0]),
            },
            Op::Scalprod => self.dot(
                n.args[0],
                &Index::at(0),
                1,
                n.args[1],
                &Index::at(0),
                1,
                self.dim(n.args[0]),
            ),
            Op::MatVecMult => {
                let inner = self.dim(n.args[1]);
                self.dot(n.args[0], &index.times(inner), 1, n.args[1], &Index::at(0), 1, inner)
            }
            Op::VecMatMult => {
                self.dot(n.args[0], &Index::at(0), 1, n.args[1], index, n.dim, self.dim(n.args[0]))
            }
            Op::Max | Op::Min | Op::ArgMax | Op::ArgMin => self.extremum(&n.op, n.args[0]),
            Op::SoftDtw => self.soft_dtw(&n.args),
            op => unreachable!("{op:?} is a leaf"),
        }
    }

    /// The factors of a node that is a product of components.
    fn product(&self, node: NodeId) -> Option<(NodeId, NodeId)> {
        let n = self.formula.node(node);
        match n.op {
            Op::Square => Some((n.args[0], n.args[0])),
            Op::Mul => Some((n.args[0], n.args[1])),
            _ => None,
        }
    }

    fn stepped(&self, node: NodeId, start: &Index, step: u32, k: &Index) -> Index {
        if self.dim(node) == 1 { Index::at(0) } else { start.and(&k.times(step)) }
    }

    /// Sum over k of `f[f0 + k*df] * g[g0 + k*dg]`, a chain of fused multiply-adds.
    #[expect(clippy::too_many_arguments, reason = "two operands, each with start and step")]
    fn dot(
        &mut self,
        f: NodeId,
        f0: &Index,
        df: u32,
        g: NodeId,
        g0: &Index,
        dg: u32,
        count: u32,
    ) -> Value {
        let term = |this: &mut Self, k: &Index| {
            let a = this.stepped(f, f0, df, k);
            let a = this.value_at(f, &a);
            let b = this.stepped(g, g0, dg, k);
            (a, this.value_at(g, &b))
        };
        if count <= UNROLL {
            let (a, b) = term(self, &Index::at(0));
            let mut sum = self.b.mul(a, b);
            for k in 1..count {
                let (a, b) = term(self, &Index::at(k));
                sum = self.b.mul_add(a, b, sum);
            }
            return sum;
        }
        let axes = self.axes(f).union(self.axes(g));
        self.accumulated(count, axes, |this, k, sum| {
            let (a, b) = term(this, k);
            this.b.mul_add(a, b, sum)
        })
    }

    fn sum(&mut self, f: NodeId) -> Value {
        let count = self.dim(f);
        if count <= UNROLL {
            let mut sum = self.at(f, 0);
            for k in 1..count {
                let term = self.at(f, k);
                sum = self.b.add(sum, term);
            }
            return sum;
        }
        let axes = self.axes(f);
        self.accumulated(count, axes, |this, k, sum| {
            let term = this.value_at(f, k);
            this.b.add(sum, term)
        })
    }

    /// A counted loop around one running value that begins at zero.
    fn accumulated(
        &mut self,
        count: u32,
        axes: Axes,
        mut next: impl FnMut(&mut Self, &Index, Value) -> Value,
    ) -> Value {
        let zero = self.b.float(0.0);
        let d = self.b.begin_loop(count);
        let running = self.b.carry(d, zero, axes);
        let value = next(self, &Index::of(d), running);
        self.b.end_loop(d, &[value])[0]
    }

    /// The extremal component or its first index; NaN is ignored unless all are NaN.
    fn extremum(&mut self, op: &Op, f: NodeId) -> Value {
        let largest = matches!(op, Op::Max | Op::ArgMax);
        let wants_index = matches!(op, Op::ArgMax | Op::ArgMin);
        let better = |b: &mut Builder, value: Value, best: Value| {
            let closer = if largest {
                b.compare(Compare::Lt, best, value)
            } else {
                b.compare(Compare::Lt, value, best)
            };
            let best_is_nan = b.compare(Compare::Unordered, best, best);
            let value_is_number = b.compare(Compare::Eq, value, value);
            let first_number = b.binary(Binary::And, best_is_nan, value_is_number);
            b.binary(Binary::Or, closer, first_number)
        };
        let (mut best, mut at) = (self.at(f, 0), self.b.float(0.0));
        let count = self.dim(f);
        if count <= UNROLL {
            for k in 1..count {
                let value = self.at(f, k);
                let take = better(&mut self.b, value, best);
                let index = self.b.float(f64::from(k));
                at = self.b.select(take, index, at);
                best = self.b.select(take, value, best);
            }
        } else {
            let axes = self.axes(f);
            let d = self.b.begin_loop(count);
            let (running, running_at) = (self.b.carry(d, best, axes), self.b.carry(d, at, axes));
            let value = self.value_at(f, &Index::of(d));
            let take = better(&mut self.b, value, running);
            let index = self.b.counter(d);
            let next_at = self.b.select(take, index, running_at);
            let next = self.b.select(take, value, running);
            let results = self.b.end_loop(d, &[next, next_at]);
            (best, at) = (results[0], results[1]);
        }
        if wants_index { at } else { best }
    }

    /// 1 where the index equals trunc(f + 0.5).
    fn one_hot(&mut self, f: Value, index: &Index) -> Value {
        let b = &mut self.b;
        let half = b.float(0.5);
        let shifted = b.add(f, half);
        let magnitude = b.abs(shifted);
        let whole = b.unary(Unary::Floor, magnitude);
        let negated = b.neg(whole);
        let (zero, one) = (b.float(0.0), b.float(1.0));
        let negative = b.compare(Compare::Lt, shifted, zero);
        let truncated = b.select(negative, negated, whole);
        let mut position = b.float(f64::from(index.offset));
        for (id, stride) in &index.terms {
            let (counter, stride) = (b.counter(*id), b.float(f64::from(*stride)));
            let term = b.mul(counter, stride);
            position = b.add(position, term);
        }
        let hit = b.compare(Compare::Eq, truncated, position);
        b.select(hit, one, zero)
    }
}
