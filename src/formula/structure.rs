//! Nodes that arrange components, or make one of many.

use super::NodeId;
use super::graph::{Built, Graph, Refusal};
use super::number::Number;
use super::op::{Op, Stride};

impl Graph {
    /// Components `start .. start + dim`, which exist.
    pub(super) fn extract(&mut self, f: NodeId, start: u32, dim: u32) -> Built {
        let (mut f, mut start) = (f, start);
        loop {
            if self.dim(f) == dim {
                return Ok(f);
            }
            let (op, args) = self.parts_of(f);
            match op {
                Op::Constant(number) => {
                    let number = number.clone();
                    return self.number(number, dim);
                }
                Op::Broadcast => {
                    let value = args[0];
                    return self.repeated(value, dim);
                }
                Op::Extract { start: inner } => {
                    start += inner;
                    f = args[0];
                }
                Op::Insert { start: at } => {
                    let (part, at) = (args[0], *at);
                    let end = at + self.dim(part);
                    if start + dim <= at || end <= start {
                        return self.integer(0, dim);
                    }
                    if start < at || end < start + dim {
                        break;
                    }
                    start -= at;
                    f = part;
                }
                Op::Concat => {
                    let mut inside = None;
                    let mut offset = 0;
                    for arg in args {
                        let end = offset + self.dim(*arg);
                        if offset <= start && start + dim <= end {
                            inside = Some((*arg, start - offset));
                        }
                        offset = end;
                    }
                    let walked = args.len();
                    self.step(walked)?;
                    let Some((part, at)) = inside else { break };
                    (f, start) = (part, at);
                }
                _ => break,
            }
        }
        self.node(Op::Extract { start }, vec![f], dim.into())
    }

    /// `f` at `start` in `size` zeros, where it fits.
    pub(super) fn insert(&mut self, f: NodeId, start: u32, size: u32) -> Built {
        if self.dim(f) == size {
            return Ok(f);
        }
        if self.is_zero(f) {
            return self.integer(0, size);
        }
        let (f, start) = match self.placed(f) {
            Some((part, inner)) => (part, start + inner),
            None => (f, start),
        };
        self.node(Op::Insert { start }, vec![f], size.into())
    }

    /// One after another.
    pub(super) fn concat(&mut self, args: &[NodeId]) -> Built {
        let mut parts: Vec<NodeId> = Vec::with_capacity(args.len());
        for arg in args {
            match self.parts_of(*arg) {
                (Op::Concat, inner) => {
                    let inner = inner.to_vec();
                    for part in inner {
                        self.append(&mut parts, part)?;
                    }
                }
                _ => self.append(&mut parts, *arg)?,
            }
        }
        if let [one] = parts[..] {
            return Ok(one);
        }
        let dim = parts.iter().map(|a| u64::from(self.dim(*a))).sum();
        self.node(Op::Concat, parts, dim)
    }

    /// Put a part behind others, in one piece with the last where they were one before.
    fn append(&mut self, parts: &mut Vec<NodeId>, part: NodeId) -> Result<(), Refusal> {
        let Some(&last) = parts.last() else {
            parts.push(part);
            return Ok(());
        };
        let dim = u64::from(self.dim(last)) + u64::from(self.dim(part));
        let whole = match (self.get(last).op.clone(), self.get(part).op.clone()) {
            (Op::Constant(a), Op::Constant(b)) if a == b => {
                self.node(Op::Constant(a), Vec::new(), dim)?
            }
            (Op::Extract { start: a }, Op::Extract { start: b })
                if a + self.dim(last) == b && self.get(last).args == self.get(part).args =>
            {
                let f = self.get(last).args[0];
                // Both lie in f, so their dims add up to at most its.
                self.extract(f, a, dim as u32)?
            }
            _ => {
                parts.push(part);
                return Ok(());
            }
        };
        parts.pop();
        parts.push(whole);
        Ok(())
    }

    /// Components taken along axes, slowest first: a permutation, or one axis.
    pub(super) fn gather(&mut self, f: NodeId, start: u32, axes: &[Stride]) -> Built {
        let mut merged: Vec<Stride> = Vec::new();
        for axis in axes.iter().filter(|a| a.len > 1) {
            match merged.last_mut() {
                Some(last) if last.step == axis.len * axis.step => {
                    *last = Stride { len: last.len * axis.len, step: axis.step };
                }
                _ => merged.push(*axis),
            }
        }
        let dim: u32 = merged.iter().map(|a| a.len).product();
        if let Some(value) = self.repeats(f)? {
            return self.repeated(value, dim);
        }
        match merged[..] {
            [] => return self.extract(f, start, 1),
            [Stride { len, step: 1 }] => return self.extract(f, start, len),
            [Stride { len, step }] => {
                // Every step-th component of interleaved vectors is one of them.
                if let (Op::Gather { axes, .. }, &[vectors]) = self.parts_of(f)
                    && *axes == [Stride { len, step: 1 }, Stride { len: step, step: len }]
                    && start < step
                {
                    return self.extract(vectors, start * len, len);
                }
            }
            _ => {
                // A permutation and then the one that undoes it.
                if let (Op::Gather { axes, .. }, &[original]) = self.parts_of(f)
                    && axes.len() > 1
                    && inverse(axes) == merged
                {
                    return Ok(original);
                }
            }
        }
        self.node(Op::Gather { start, axes: merged }, vec![f], dim.into())
    }

    /// `gather` taken back: components go to where they came from in `size` zeros.
    pub(super) fn scatter(&mut self, f: NodeId, start: u32, axes: &[Stride], size: u32) -> Built {
        match axes {
            [Stride { len, step }] => {
                // Component k goes to start + k*step: row `start % step` of the transposed matrix, of step rows.
                let (columns, row, column) = (size.div_ceil(*step), start % step, start / step);
                if columns * step != size || column + len > columns {
                    let parts: Result<Vec<NodeId>, Refusal> = (0..*len)
                        .map(|k| {
                            let part = self.extract(f, k, 1)?;
                            self.insert(part, start + k * step, size)
                        })
                        .collect();
                    let mut sum = self.integer(0, size)?;
                    for part in parts? {
                        sum = self.add(sum, part)?;
                    }
                    return Ok(sum);
                }
                let rows = self.insert(f, row * columns + column, size)?;
                self.transposed(rows, *step, columns)
            }
            _ => self.gather(f, 0, &inverse(axes)),
        }
    }

    /// The transposed of a row-major matrix.
    pub(super) fn transposed(&mut self, f: NodeId, rows: u32, columns: u32) -> Built {
        let axes = [Stride { len: columns, step: 1 }, Stride { len: rows, step: columns }];
        self.gather(f, 0, &axes)
    }

    /// 1 at the rounded value of f, which has dim 1.
    pub(super) fn one_hot(&mut self, f: NodeId, dim: u32) -> Built {
        self.node(Op::OneHot, vec![f], dim.into())
    }

    /// An operation from components to a scalar; the identity where there is one component.
    pub(super) fn reduced(&mut self, op: Op, f: NodeId) -> Built {
        let dim = self.dim(f);
        if let Some(value) = self.repeats(f)? {
            return match op {
                Op::Sum => {
                    let dim = self.integer(dim.into(), 1)?;
                    self.mul(dim, value)
                }
                Op::Max | Op::Min => Ok(value),
                _ => self.integer(0, 1),
            };
        }
        if op != Op::Sum {
            return self.node(op, vec![f], 1);
        }
        // Signs and scalars out of the vector; a chain of products is followed, not recursed into.
        let mut f = f;
        let mut factors = Vec::new();
        let mut negated = false;
        loop {
            match self.parts_of(f) {
                (Op::Insert { .. }, &[part]) => f = part,
                (Op::Neg, &[inner]) => {
                    negated = !negated;
                    f = inner;
                }
                (Op::Mul, &[a, b]) if self.pulls_out(a, b, b) => {
                    factors.push(a);
                    f = b;
                }
                (Op::Mul, &[a, b]) if self.pulls_out(b, a, a) => {
                    factors.push(b);
                    f = a;
                }
                _ => break,
            }
        }
        let sum = match self.repeats(f)? {
            Some(value) => {
                let dim = self.integer(self.dim(f).into(), 1)?;
                self.mul(dim, value)?
            }
            None => self.node(Op::Sum, vec![f], 1)?,
        };
        self.scaled(sum, negated, &factors)
    }

    fn scaled(&mut self, f: NodeId, negated: bool, factors: &[NodeId]) -> Built {
        let mut product = if negated { self.neg(f)? } else { f };
        for factor in factors {
            product = self.mul(*factor, product)?;
        }
        Ok(product)
    }

    /// Whether a factor of a vector is better applied once, to its scalar product with another (or itself): where that keeps
    /// nothing from being computed less often.
    fn pulls_out(&self, scalar: NodeId, vector: NodeId, other: NodeId) -> bool {
        let joint = self.joint(&[scalar, vector, other]);
        self.dim(scalar) == 1
            && self.dim(vector) > 1
            && (self.constant(scalar).is_some() || joint == self.variability(scalar))
    }

    /// Sum of products of components; an operand of dim 1 multiplies the sum of the other.
    pub(super) fn scalar_product(&mut self, f: NodeId, g: NodeId) -> Built {
        if f == g {
            return self.square_norm(f);
        }
        for (a, b) in [(f, g), (g, f)] {
            if let Some(value) = self.repeats(a)? {
                let sum = self.reduced(Op::Sum, b)?;
                let dim = if self.dim(b) == 1 { self.dim(a) } else { 1 };
                let product = self.mul(value, sum)?;
                let dim = self.number(Number::integer(dim.into()), 1)?;
                return self.mul(dim, product);
            }
        }
        let mut pair = [f, g];
        let mut factors = Vec::new();
        // Scalars out of both operands; a chain of products is followed, not recursed into.
        for k in 0..2 {
            while let (Op::Mul, &[a, b]) = self.parts_of(pair[k]) {
                if self.pulls_out(a, b, pair[1 - k]) {
                    factors.push(a);
                    pair[k] = b;
                } else if self.pulls_out(b, a, pair[1 - k]) {
                    factors.push(b);
                    pair[k] = a;
                } else {
                    break;
                }
            }
        }
        let [mut f, mut g] = pair;
        let mut negated = false;
        for operand in [&mut f, &mut g] {
            if let (Op::Neg, &[inner]) = self.parts_of(*operand) {
                *operand = inner;
                negated = !negated;
            }
        }
        for (placed, other) in [(f, g), (g, f)] {
            if let Some((part, start)) = self.placed(placed) {
                let other = self.extract(other, start, self.dim(part))?;
                (f, g) = (part, other);
                break;
            }
        }
        let repeats = self.repeats(f)?.is_some() || self.repeats(g)?.is_some();
        let product = match f == g {
            true => self.square_norm(f)?,
            _ if repeats => self.scalar_product(f, g)?,
            _ => self.node(Op::Scalprod, vec![f, g], 1)?,
        };
        self.scaled(product, negated, &factors)
    }

    /// Sum of squares.
    pub(super) fn square_norm(&mut self, f: NodeId) -> Built {
        let square = self.map(Op::Square, &[f])?;
        self.reduced(Op::Sum, square)
    }
}

/// The axes of the permutation that undoes one.
fn inverse(axes: &[Stride]) -> Vec<Stride> {
    let mut placed = Vec::with_capacity(axes.len());
    let mut step = 1;
    for axis in axes.iter().rev() {
        placed.push((axis.step, Stride { len: axis.len, step }));
        step *= axis.len;
    }
    placed.sort_by_key(|(source, _)| std::cmp::Reverse(*source));
    placed.into_iter().map(|(_, axis)| axis).collect()
}
