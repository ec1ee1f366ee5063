//! What may be simplified while nodes are made.
//!
//! `0*f`, `f - f` and `0/f` are zeros by definition of the language (so NaN and infinities in f are lost), and so are the zeros
//! around a part that is placed in them. Constant factors are gathered exactly and rounded once. Everything else here keeps
//! every value: signs move, layouts move outwards, but no rounding step is added, removed or reordered.

use super::NodeId;
use super::graph::{Built, Graph, Refusal};
use super::number::Number;
use super::op::Op;

/// Simplifications inside simplifications stop here; what follows is made as it stands.
const DEPTH: u32 = 16;

/// Operations on vectors of at most this many joined parts are done part by part.
const PARTS: usize = 4;

/// Constant factors are gathered while the product's magnitude stays within 2^±100, where no compute type overflows.
const GATHERED: std::ops::RangeInclusive<f64> = 7.888609052210118e-31..=1.2676506002282294e30;

impl Graph {
    /// The node that `op` over these operands (of equal dims, or dim 1) is instead, if it is another one.
    pub(super) fn simplified(
        &mut self,
        op: &Op,
        args: &[NodeId],
    ) -> Result<Option<NodeId>, Refusal> {
        self.step(2)?;
        if let Some(node) = self.folded(op, args)? {
            return Ok(Some(node));
        }
        if let Some(node) = self.indexed(op, args)? {
            return Ok(Some(node));
        }
        if self.depth >= DEPTH {
            return Ok(None);
        }
        self.depth += 1;
        let simple = self.by_operation(op, args);
        let simple = match simple {
            Ok(None) => self.by_layout(op, args),
            found => found,
        };
        self.depth -= 1;
        simple
    }

    /// The exact value of an operation on constants.
    fn folded(&mut self, op: &Op, args: &[NodeId]) -> Result<Option<NodeId>, Refusal> {
        let bits = |graph: &Graph, arg: NodeId| graph.constant(arg).map(Number::bits);
        let Some(first) = args.first().and_then(|arg| bits(self, *arg)) else { return Ok(None) };
        let second = args.get(1).and_then(|arg| bits(self, *arg));
        self.step_numbers(first, second.unwrap_or(first))?;
        let all: Option<Vec<&Number>> = args.iter().map(|a| self.constant(*a)).collect();
        let Some(args) = all else { return Ok(None) };
        let value = match op {
            Op::Neg => Some(args[0].neg()),
            Op::Square => Some(args[0].mul(args[0])),
            Op::Add => Some(args[0].add(args[1])),
            Op::Sub => Some(args[0].sub(args[1])),
            Op::Mul => Some(args[0].mul(args[1])),
            Op::Div => Some(Number::ratio(args[0], args[1]).ok_or(Refusal::DivisionByZero)?),
            Op::Pow(m) => args[0].pow(*m),
            _ => None,
        };
        value.and_then(|value| value.in_range().ok()).map(|value| self.number(value, 1)).transpose()
    }

    fn by_operation(&mut self, op: &Op, args: &[NodeId]) -> Result<Option<NodeId>, Refusal> {
        match op {
            Op::Neg => self.negated(args[0]),
            Op::Abs | Op::Square => match self.parts_of(args[0]) {
                (Op::Neg, &[inner]) => self.map(op.clone(), &[inner]).map(Some),
                (Op::Insert { start }, &[part]) => {
                    let (start, dim) = (*start, self.dim(args[0]));
                    let part = self.map(op.clone(), &[part])?;
                    self.insert(part, start, dim).map(Some)
                }
                _ => Ok(None),
            },
            Op::Add => self.total(args[0], args[1]),
            Op::Sub => self.difference(args[0], args[1]),
            Op::Mul => self.product(args[0], args[1]),
            Op::Div => self.quotient(args[0], args[1]),
            Op::Pow(0) => self.integer(1, 1).map(Some),
            Op::Pow(1) => Ok(Some(args[0])),
            Op::Pow(2) => self.map(Op::Square, args).map(Some),
            Op::IfElse if args[1] == args[2] => Ok(Some(args[1])),
            Op::IfElse => self.choice(args[0], args[1], args[2]),
            _ => Ok(None),
        }
    }

    fn negated(&mut self, f: NodeId) -> Result<Option<NodeId>, Refusal> {
        let (op, args) = self.parts_of(f);
        match (op, args) {
            (Op::Neg, &[inner]) => Ok(Some(inner)),
            (Op::Insert { start }, &[part]) => {
                let (start, dim) = (*start, self.dim(f));
                let part = self.neg(part)?;
                self.insert(part, start, dim).map(Some)
            }
            // The sign goes into the factor that is cheaper to change.
            (Op::Mul, &[a, b]) if self.constant(a).is_some() || self.dim(a) < self.dim(b) => {
                let a = self.neg(a)?;
                self.mul(a, b).map(Some)
            }
            (Op::Mul, &[a, b]) if self.dim(b) < self.dim(a) => {
                let b = self.neg(b)?;
                self.mul(a, b).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What a node is minus of.
    fn minus_of(&self, f: NodeId) -> Option<NodeId> {
        match self.parts_of(f) {
            (Op::Neg, args) => Some(args[0]),
            _ => None,
        }
    }

    fn total(&mut self, f: NodeId, g: NodeId) -> Result<Option<NodeId>, Refusal> {
        if self.is_zero(f) {
            return Ok(Some(g));
        }
        if self.is_zero(g) {
            return Ok(Some(f));
        }
        if f == g {
            let two = self.integer(2, 1)?;
            return self.mul(two, f).map(Some);
        }
        if let Some(minus) = self.minus_of(g) {
            return self.sub(f, minus).map(Some);
        }
        if let Some(minus) = self.minus_of(f) {
            return self.sub(g, minus).map(Some);
        }
        self.joined(f, g)
    }

    /// The sum of two parts that are placed in zeros at the same place, or side by side.
    fn joined(&mut self, f: NodeId, g: NodeId) -> Result<Option<NodeId>, Refusal> {
        let (Some((a, i)), Some((b, j))) = (self.placed(f), self.placed(g)) else {
            return Ok(None);
        };
        let dim = self.dim(f);
        if self.dim(g) != dim {
            return Ok(None);
        }
        let (part, start) = if i == j && self.dim(a) == self.dim(b) {
            (self.add(a, b)?, i)
        } else if i + self.dim(a) == j {
            (self.concat(&[a, b])?, i)
        } else if j + self.dim(b) == i {
            (self.concat(&[b, a])?, j)
        } else {
            return Ok(None);
        };
        self.insert(part, start, dim).map(Some)
    }

    fn difference(&mut self, f: NodeId, g: NodeId) -> Result<Option<NodeId>, Refusal> {
        if self.is_zero(g) {
            return Ok(Some(f));
        }
        if self.is_zero(f) {
            return self.neg(g).map(Some);
        }
        if f == g {
            return self.integer(0, 1).map(Some);
        }
        match self.minus_of(g) {
            Some(minus) => self.add(f, minus).map(Some),
            None => Ok(None),
        }
    }

    fn product(&mut self, f: NodeId, g: NodeId) -> Result<Option<NodeId>, Refusal> {
        if self.is_zero(f) || self.is_zero(g) {
            return self.integer(0, 1).map(Some);
        }
        if f == g {
            return self.map(Op::Square, &[f]).map(Some);
        }
        match (self.constant(f).cloned(), self.constant(g).cloned()) {
            (Some(number), _) => return self.multiple(&number, f, g),
            (_, Some(number)) => {
                let node = self.multiple(&number, g, f)?;
                return node.map_or_else(|| self.mul(g, f), Ok).map(Some);
            }
            _ => {}
        }
        if let (Some(a), Some(b)) = (self.minus_of(f), self.minus_of(g)) {
            return self.mul(a, b).map(Some);
        }
        for (placed, other) in [(f, g), (g, f)] {
            if let Some((part, start)) = self.placed(placed) {
                let other = self.matching(other, start, self.dim(part))?;
                let part = self.mul(part, other)?;
                return self.insert(part, start, self.dim(placed)).map(Some);
            }
            // A constant out of a factor of a scalar product, unless that factor is computed less often.
            if let (Op::Mul, &[c, inner]) = self.parts_of(placed)
                && self.constant(c).is_some()
                && self.dim(inner) == 1
                && self.dim(other) == 1
                && self.variability(inner) == self.joint(&[inner, other])
            {
                let product = self.mul(inner, other)?;
                return self.mul(c, product).map(Some);
            }
        }
        Ok(None)
    }

    /// A constant times f; `None` if that is all there is to say.
    fn multiple(
        &mut self,
        number: &Number,
        c: NodeId,
        f: NodeId,
    ) -> Result<Option<NodeId>, Refusal> {
        match number.as_integer() {
            Some(1) => return Ok(Some(f)),
            Some(-1) => return self.neg(f).map(Some),
            _ => {}
        }
        let (op, args) = self.parts_of(f);
        match (op, args) {
            (Op::Neg, &[inner]) => {
                let minus = self.number(number.neg(), 1)?;
                self.mul(minus, inner).map(Some)
            }
            // A scalar is cheaper to multiply than a vector.
            (Op::Mul, &[a, b]) if self.constant(a).is_none() && self.dim(a) < self.dim(b) => {
                let a = self.mul(c, a)?;
                self.mul(a, b).map(Some)
            }
            (Op::Mul, &[a, b]) if self.dim(b) < self.dim(a) => {
                let b = self.mul(c, b)?;
                self.mul(b, a).map(Some)
            }
            (Op::Mul, &[a, b]) => {
                let Some(inner) = self.constant(a).cloned() else { return Ok(None) };
                self.step_numbers(number.bits(), inner.bits())?;
                let both = number.mul(&inner);
                if !GATHERED.contains(&both.to_f64().abs()) {
                    return Ok(None);
                }
                let both = self.number(both, 1)?;
                self.mul(both, b).map(Some)
            }
            (Op::Insert { start }, &[part]) => {
                let (start, dim) = (*start, self.dim(f));
                let part = self.mul(c, part)?;
                self.insert(part, start, dim).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn quotient(&mut self, f: NodeId, g: NodeId) -> Result<Option<NodeId>, Refusal> {
        if self.is_zero(g) {
            return Err(Refusal::DivisionByZero);
        }
        if self.is_zero(f) {
            return self.integer(0, 1).map(Some);
        }
        if let Some(number) = self.constant(g) {
            if number.as_integer() == Some(1) {
                return Ok(Some(f));
            }
            if let Some(inverse) = power_of_two_inverse(number) {
                let inverse = self.number(inverse, 1)?;
                return self.mul(inverse, f).map(Some);
            }
        }
        if let Some((part, start)) = self.placed(f) {
            let other = self.matching(g, start, self.dim(part))?;
            let part = self.div(part, other)?;
            return self.insert(part, start, self.dim(f)).map(Some);
        }
        Ok(None)
    }

    /// `condition >= 0 ? f : g` where one side is zero and the other placed in zeros.
    fn choice(
        &mut self,
        condition: NodeId,
        f: NodeId,
        g: NodeId,
    ) -> Result<Option<NodeId>, Refusal> {
        let (zero, placed) = match (self.is_zero(f), self.is_zero(g)) {
            (true, false) => (f, g),
            (false, true) => (g, f),
            _ => return Ok(None),
        };
        let Some((part, start)) = self.placed(placed) else { return Ok(None) };
        let condition = self.matching(condition, start, self.dim(part))?;
        let part = match zero == f {
            true => self.if_else(condition, zero, part)?,
            false => self.if_else(condition, part, zero)?,
        };
        self.insert(part, start, self.dim(placed)).map(Some)
    }

    /// The part that a node places in zeros, and where.
    pub(super) fn placed(&self, node: NodeId) -> Option<(NodeId, u32)> {
        match self.parts_of(node) {
            (Op::Insert { start }, args) => Some((args[0], *start)),
            _ => None,
        }
    }

    /// The components of an operand that stand against a placed part; all of it if it is repeated.
    fn matching(&mut self, f: NodeId, start: u32, dim: u32) -> Built {
        if self.dim(f) == 1 { Ok(f) } else { self.extract(f, start, dim) }
    }

    /// Move what only arranges components outside of what is done to each of them.
    fn by_layout(&mut self, op: &Op, args: &[NodeId]) -> Result<Option<NodeId>, Refusal> {
        let long: Vec<NodeId> = args.iter().copied().filter(|a| self.dim(*a) > 1).collect();
        let Some(first) = long.first().copied() else { return Ok(None) };
        let shape = |node: NodeId| -> Vec<u32> {
            self.get(node).args.iter().map(|a| self.dim(*a)).collect()
        };
        let (layout, parts) = (self.get(first).op.clone(), shape(first));
        let same = long.iter().all(|a| self.get(*a).op == layout && shape(*a) == parts);
        let is_permutation = |axes: &[super::op::Stride]| axes.len() > 1;
        let applies = match &layout {
            Op::Concat => parts.len() <= PARTS,
            Op::Gather { axes, .. } => is_permutation(axes),
            _ => false,
        };
        if !same || !applies {
            return Ok(None);
        }
        let mut made = Vec::with_capacity(parts.len());
        for (k, dim) in parts.iter().enumerate() {
            let operands: Vec<NodeId> = args
                .iter()
                .map(|a| if self.dim(*a) > 1 { self.get(*a).args[k] } else { *a })
                .collect();
            let part = self.map(op.clone(), &operands)?;
            made.push(self.repeated(part, *dim)?);
        }
        match layout {
            Op::Gather { start, axes } => self.gather(made[0], start, &axes).map(Some),
            _ => self.concat(&made).map(Some),
        }
    }
}

/// 1/n if n is a power of two from 2^-60 to 2^60.
fn power_of_two_inverse(n: &Number) -> Option<Number> {
    let value = n.to_f64();
    let exact = Number::from_f64(value).as_ref() == Some(n);
    let is_power =
        value.to_bits() << 12 == 0 && (2f64.powi(-60)..=2f64.powi(60)).contains(&value.abs());
    (exact && is_power).then(|| Number::ratio(&Number::integer(1), n)).flatten()
}
