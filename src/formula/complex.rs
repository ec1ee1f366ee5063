//! Complex vectors, interleaved (re, im, re, im, ..): every complex operation is one on real and imaginary parts.

use super::NodeId;
use super::graph::{Built, Graph, Refusal};
use super::op::{Op, Stride};

/// Real and imaginary parts, of equal dims.
pub(super) type Parts = (NodeId, NodeId);

impl Graph {
    /// The parts of a vector of even dim.
    pub(super) fn parts(&mut self, f: NodeId) -> Result<Parts, Refusal> {
        let axes = [Stride { len: self.dim(f) / 2, step: 2 }];
        Ok((self.gather(f, 0, &axes)?, self.gather(f, 1, &axes)?))
    }

    /// The complex vector with these parts; one of dim 1 is repeated.
    pub(super) fn complex(&mut self, (re, im): Parts) -> Built {
        let dim = self.dim(re).max(self.dim(im));
        // The parts of one vector, as they were.
        let source = |node: NodeId, k: u32| match self.parts_of(node) {
            (Op::Gather { start, axes }, &[f]) if *start == k => {
                (*axes == [Stride { len: dim, step: 2 }]).then_some(f)
            }
            (Op::Extract { start }, &[f]) if *start == k && dim == 1 => Some(f),
            _ => None,
        };
        if let (Some(f), Some(g)) = (source(re, 0), source(im, 1))
            && f == g
            && self.dim(f) == 2 * dim
        {
            return Ok(f);
        }
        let (re, im) = (self.repeated(re, dim)?, self.repeated(im, dim)?);
        let both = self.concat(&[re, im])?;
        self.gather(both, 0, &[Stride { len: dim, step: 1 }, Stride { len: 2, step: dim }])
    }

    pub(super) fn real_to_complex(&mut self, f: NodeId) -> Built {
        let zero = self.integer(0, 1)?;
        self.complex((f, zero))
    }

    pub(super) fn imaginary_to_complex(&mut self, f: NodeId) -> Built {
        let zero = self.integer(0, 1)?;
        self.complex((zero, f))
    }

    pub(super) fn conjugate(&mut self, f: NodeId) -> Built {
        let (re, im) = self.parts(f)?;
        let im = self.neg(im)?;
        self.complex((re, im))
    }

    pub(super) fn complex_square_abs(&mut self, f: NodeId) -> Built {
        let (re, im) = self.parts(f)?;
        let (re, im) = (self.map(Op::Square, &[re])?, self.map(Op::Square, &[im])?);
        self.add(re, im)
    }

    /// Add or subtract, part by part if one operand is a single number.
    pub(super) fn complex_sum_of(&mut self, op: &Op, f: NodeId, g: NodeId) -> Built {
        if self.dim(f) == self.dim(g) {
            return self.map(op.clone(), &[f, g]);
        }
        let ((a, b), (c, d)) = (self.parts(f)?, self.parts(g)?);
        let parts = (self.map(op.clone(), &[a, c])?, self.map(op.clone(), &[b, d])?);
        self.complex(parts)
    }

    pub(super) fn complex_product(&mut self, f: NodeId, g: NodeId) -> Built {
        let ((a, b), (c, d)) = (self.parts(f)?, self.parts(g)?);
        let (ac, bd, ad, bc) = (self.mul(a, c)?, self.mul(b, d)?, self.mul(a, d)?, self.mul(b, c)?);
        let parts = (self.sub(ac, bd)?, self.add(ad, bc)?);
        self.complex(parts)
    }

    /// f * conj(g) / |g|^2.
    pub(super) fn complex_quotient(&mut self, f: NodeId, g: NodeId) -> Built {
        let ((a, b), (c, d)) = (self.parts(f)?, self.parts(g)?);
        let (ac, bd, ad, bc) = (self.mul(a, c)?, self.mul(b, d)?, self.mul(a, d)?, self.mul(b, c)?);
        let (re, im) = (self.add(ac, bd)?, self.sub(bc, ad)?);
        let scale = self.complex_square_abs(g)?;
        let parts = (self.div(re, scale)?, self.div(im, scale)?);
        self.complex(parts)
    }

    /// cos f + i sin f for a real f.
    pub(super) fn complex_phase(&mut self, f: NodeId) -> Built {
        let parts = (self.map(Op::Cos, &[f])?, self.map(Op::Sin, &[f])?);
        self.complex(parts)
    }

    pub(super) fn complex_exp(&mut self, f: NodeId) -> Built {
        let (re, im) = self.parts(f)?;
        let (scale, cos, sin) =
            (self.map(Op::Exp, &[re])?, self.map(Op::Cos, &[im])?, self.map(Op::Sin, &[im])?);
        let parts = (self.mul(scale, cos)?, self.mul(scale, sin)?);
        self.complex(parts)
    }

    pub(super) fn complex_total(&mut self, f: NodeId) -> Built {
        let (re, im) = self.parts(f)?;
        let parts = (self.reduced(Op::Sum, re)?, self.reduced(Op::Sum, im)?);
        self.complex(parts)
    }

    /// One complex number repeated to a real dim.
    pub(super) fn complex_repeated(&mut self, f: NodeId, dim: u32) -> Built {
        let (re, im) = self.parts(f)?;
        let parts = (self.repeated(re, dim / 2)?, self.repeated(im, dim / 2)?);
        self.complex(parts)
    }
}
