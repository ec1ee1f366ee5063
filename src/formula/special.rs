//! Special functions that are written in simpler operations.

use super::NodeId;
use super::graph::{Built, Graph};
use super::op::Op;

impl Graph {
    /// The B-spline basis of a degree over sorted knots at x (dim 1), by the recursion of Cox and de Boor:
    /// `B_i^0 = [t_i <= x < t_(i+1)]`, `B_i^q = w_i^q B_i^(q-1) + (1 - w_(i+1)^q) B_(i+1)^(q-1)` with
    /// `w_i^q = (x - t_i) / (t_(i+q) - t_i)`, or 0 where that divides by zero.
    pub(super) fn b_spline(&mut self, knots: NodeId, x: NodeId, degree: u32) -> Built {
        let n = self.dim(knots);
        let (left, right) = (self.extract(knots, 0, n - 1)?, self.extract(knots, 1, n - 1)?);
        let (from, until) =
            (self.map(Op::LessOrEqual, &[left, x])?, self.map(Op::LessThan, &[x, right])?);
        let mut basis = self.mul(from, until)?;
        for q in 1..=degree {
            // Of w_0 .. w_(count-1), the last count - 1 serve as w_(i+1).
            let count = n - q;
            let (left, right) = (self.extract(knots, 0, count)?, self.extract(knots, q, count)?);
            let (below, width) = (self.sub(left, x)?, self.sub(left, right)?);
            // A quotient that is not used must not divide by zero either: its derivative would be NaN.
            let (zero, one) = (self.integer(0, 1)?, self.integer(1, 1)?);
            let divisor = self.if_else(width, one, width)?;
            let quotient = self.div(below, divisor)?;
            let weight = self.if_else(width, zero, quotient)?;
            let (rising, next) =
                (self.extract(weight, 0, count - 1)?, self.extract(weight, 1, count - 1)?);
            let falling = self.sub(one, next)?;
            let (first, second) =
                (self.extract(basis, 0, count - 1)?, self.extract(basis, 1, count - 1)?);
            let (a, b) = (self.mul(rising, first)?, self.mul(falling, second)?);
            basis = self.add(a, b)?;
        }
        Ok(basis)
    }

    /// The derivative of sin(f)/f: 0 at 0. Near 0, where `(cos f - sin(f)/f) / f` cancels, its series.
    pub(super) fn sin_x_div_x_slope(&mut self, f: NodeId) -> Built {
        let (zero, one) = (self.integer(0, 1)?, self.integer(1, 1)?);
        // Both sides are evaluated at arguments at which they and their derivatives are finite.
        let magnitude = self.map(Op::Abs, &[f])?;
        let is_far = self.sub(magnitude, one)?;
        let (far, near) = (self.if_else(is_far, f, one)?, self.if_else(is_far, zero, f)?);
        let (cos, quotient) = (self.map(Op::Cos, &[far])?, self.map(Op::SinXDivX, &[far])?);
        let difference = self.sub(cos, quotient)?;
        let far = self.div(difference, far)?;
        // Sum over k >= 1 of (-1)^k 2k/(2k+1)! f^(2k-1); the first omitted term is below 2^-60 at 1.
        let square = self.map(Op::Square, &[near])?;
        let mut series = zero;
        for k in (1..=9i64).rev() {
            let factorial: i64 = (1..=2 * k + 1).product();
            let (p, q) = (
                self.integer(if k % 2 == 0 { 2 * k } else { -2 * k }, 1)?,
                self.integer(factorial, 1)?,
            );
            let coefficient = self.div(p, q)?;
            let higher = self.mul(square, series)?;
            series = self.add(coefficient, higher)?;
        }
        let near = self.mul(near, series)?;
        self.if_else(is_far, far, near)
    }
}
