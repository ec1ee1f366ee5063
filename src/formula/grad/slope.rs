//! What an element-wise operation does to a small change of one operand, component by component.
//!
//! The conventions at special points are the language's: `Sqrt`, `Rsqrt`, `Abs`, `SinXDivX` have slope 0 at 0, `Asin` and
//! `Acos` at 1 and -1, `ReLU` has 1 at 0.

use crate::formula::NodeId;
use crate::formula::graph::{Built, Graph, Refusal};
use crate::formula::number::Number;
use crate::formula::op::Op;

/// The derivative of one component of a node by the matching component of an operand.
pub(super) enum Slope {
    /// 0.
    Zero,
    /// 1.
    One,
    /// -1.
    MinusOne,
    /// This node.
    Times(NodeId),
    /// A constant times this node.
    Scaled(Number, NodeId),
    /// 1 over this node.
    Over(NodeId),
    /// 1 where every condition is (true: `>= 0`, false: not) so, else 0. A change is selected, not multiplied: elsewhere it may
    /// be infinite or NaN.
    Where(Vec<(NodeId, bool)>),
}

impl Graph {
    /// The slope of an element-wise node by operand `k`.
    pub(super) fn slope(&mut self, node: NodeId, k: usize) -> Result<Slope, Refusal> {
        let (op, args) = self.parts_of(node);
        let (op, args) = (op.clone(), args.to_vec());
        let f = args[0];
        let minus = |node| Slope::Scaled(Number::integer(-1), node);
        let half = |p| Number::ratio(&Number::integer(p), &Number::integer(2)).expect("2 is not 0");
        Ok(match (op, k) {
            (Op::Add, _) | (Op::Sub | Op::Mod, 0) => Slope::One,
            (Op::Neg, _) | (Op::Sub, _) => Slope::MinusOne,
            (Op::Mul, k) => Slope::Times(args[1 - k]),
            (Op::Div, 0) => Slope::Over(args[1]),
            (Op::Div, _) => minus(self.div(node, args[1])?),
            (Op::Abs, _) => Slope::Times(self.map(Op::Sign, &[f])?),
            (Op::Exp, _) => Slope::Times(node),
            (Op::Log, _) => Slope::Over(f),
            (Op::Sin, _) => Slope::Times(self.map(Op::Cos, &[f])?),
            (Op::Cos, _) => minus(self.map(Op::Sin, &[f])?),
            (Op::Asin, _) => Slope::Times(self.inverse_cofunction(f)?),
            (Op::Acos, _) => minus(self.inverse_cofunction(f)?),
            (Op::Atan, _) => {
                let (one, square) = (self.integer(1, 1)?, self.map(Op::Square, &[f])?);
                Slope::Over(self.add(one, square)?)
            }
            (Op::Sqrt, _) => Slope::Scaled(half(1), self.map(Op::Rsqrt, &[f])?),
            (Op::Rsqrt, _) => Slope::Scaled(half(-1), self.map(Op::Pow(3), &[node])?),
            (Op::Inv, _) => minus(self.map(Op::Square, &[node])?),
            (Op::Square, _) => Slope::Scaled(Number::integer(2), f),
            (Op::XLogX, _) => {
                let (one, log) = (self.integer(1, 1)?, self.map(Op::Log, &[f])?);
                Slope::Times(self.add(log, one)?)
            }
            (Op::SinXDivX, _) => Slope::Times(self.sin_x_div_x_slope(f)?),
            (Op::ReLU, _) => Slope::Times(self.map(Op::Step, &[f])?),
            (Op::Pow(m), _) => {
                Slope::Scaled(Number::integer(m.into()), self.map(Op::Pow(m - 1), &[f])?)
            }
            (Op::Powf, 0) => {
                let one = self.integer(1, 1)?;
                let lower = self.sub(args[1], one)?;
                let power = self.map(Op::Powf, &[f, lower])?;
                Slope::Times(self.mul(args[1], power)?)
            }
            (Op::Powf, _) => {
                let log = self.map(Op::Log, &[f])?;
                Slope::Times(self.mul(log, node)?)
            }
            (Op::Atan2, k) => {
                let (a, b) = (self.map(Op::Square, &[f])?, self.map(Op::Square, &[args[1]])?);
                let norm = self.add(a, b)?;
                let quotient = self.div(args[1 - k], norm)?;
                if k == 0 { Slope::Times(quotient) } else { minus(quotient) }
            }
            (Op::Mod, 1) => {
                let offset = self.sub(f, args[2])?;
                let quotient = self.div(offset, args[1])?;
                minus(self.map(Op::Floor, &[quotient])?)
            }
            (Op::IfElse, 1) => Slope::Where(vec![(f, true)]),
            (Op::IfElse, 2) => Slope::Where(vec![(f, false)]),
            (Op::Clamp, k) => {
                // A negated comparison is >= 0 where the test fails.
                let below = self.map(Op::LessThan, &[f, args[1]])?;
                let above = self.map(Op::LessThan, &[args[2], f])?;
                let (inside, inner) = (self.neg(below)?, self.neg(above)?);
                Slope::Where(match k {
                    0 => vec![(inside, true), (inner, true)],
                    1 => vec![(inside, false)],
                    _ => vec![(inside, true), (inner, false)],
                })
            }
            _ => Slope::Zero,
        })
    }

    /// 1/sqrt(1 - f^2), 0 where f^2 is 1.
    fn inverse_cofunction(&mut self, f: NodeId) -> Built {
        let (one, square) = (self.integer(1, 1)?, self.map(Op::Square, &[f])?);
        let rest = self.sub(one, square)?;
        self.map(Op::Rsqrt, &[rest])
    }

    /// A change times a slope; `None` if that is zero.
    pub(super) fn along(&mut self, slope: &Slope, e: NodeId) -> Result<Option<NodeId>, Refusal> {
        Ok(Some(match slope {
            Slope::Zero => return Ok(None),
            Slope::One => e,
            Slope::MinusOne => self.neg(e)?,
            Slope::Times(factor) => self.times(*factor, e)?,
            Slope::Scaled(number, factor) => {
                let number = self.number(number.clone(), 1)?;
                let product = self.times(*factor, e)?;
                self.mul(number, product)?
            }
            Slope::Over(divisor) => self.div(e, *divisor)?,
            Slope::Where(conditions) => {
                let zero = self.integer(0, 1)?;
                let mut selected = e;
                for (condition, holds) in conditions {
                    selected = match holds {
                        true => self.if_else(*condition, selected, zero)?,
                        false => self.if_else(*condition, zero, selected)?,
                    };
                }
                selected
            }
        }))
    }

    /// A product in which constants come last and scalars are multiplied before the vector is.
    pub(super) fn times(&mut self, factor: NodeId, e: NodeId) -> Built {
        let mut e = e;
        let mut constants = Vec::new();
        while let (Op::Mul, &[c, rest]) = self.parts_of(e)
            && self.constant(c).is_some()
        {
            constants.push(c);
            e = rest;
        }
        let mut product = self.times_plain(factor, e)?;
        for c in constants {
            product = self.mul(c, product)?;
        }
        Ok(product)
    }

    fn times_plain(&mut self, factor: NodeId, e: NodeId) -> Built {
        if self.dim(factor) == 1
            && let (Op::Mul, &[a, b]) = self.parts_of(e)
        {
            if self.dim(a) == 1 && self.dim(b) > 1 {
                let scalar = self.mul(factor, a)?;
                return self.mul(scalar, b);
            }
            if self.dim(b) == 1 && self.dim(a) > 1 {
                let scalar = self.mul(factor, b)?;
                return self.mul(scalar, a);
            }
        }
        self.mul(factor, e)
    }
}
