//! Complex operations: arguments of even dim, and what they are on real and imaginary parts.

use super::Typer;
use crate::error::{Error, ErrorKind};
use crate::formula::NodeId;
use crate::formula::op::Op;
use crate::span::Span;
use crate::syntax::AstId;

/// Operations on interleaved complex vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the operation of its table row")]
pub enum Complex {
    FromReal,
    FromImaginary,
    Real,
    Imaginary,
    Conjugate,
    Abs,
    SquareAbs,
    Angle,
    Add,
    Subtract,
    Mult,
    Divide,
    Exp,
    Exp1j,
    Sum,
    SumT,
    RealScal,
}

impl Typer<'_> {
    pub(super) fn complex(
        &mut self,
        rule: Complex,
        name: &str,
        args: &[AstId],
        span: Span,
    ) -> Result<NodeId, Error> {
        let what = format!("`{name}`");
        let f = self.node_of(args[0])?;
        match rule {
            Complex::FromReal => self.make(span, |g| g.real_to_complex(f)),
            Complex::FromImaginary => self.make(span, |g| g.imaginary_to_complex(f)),
            Complex::Exp1j => self.make(span, |g| g.complex_phase(f)),
            Complex::RealScal => self.real_times_complex(&what, args, span),
            Complex::SumT => {
                self.need_dim(&what, args[0], 2)?;
                let dim = self.dim_argument(args[1])?;
                if !dim.is_multiple_of(2) {
                    let message = format!("the real dim of a complex vector is even, not {dim}");
                    return Err(self.error(ErrorKind::Shape, self.span(args[1]), message));
                }
                self.make(span, |g| g.complex_repeated(f, dim))
            }
            Complex::Add | Complex::Subtract | Complex::Mult | Complex::Divide => {
                self.check_complex(&what, args)?;
                let second = self.node_of(args[1])?;
                let (df, dg) = (self.dim(f), self.dim(second));
                if df != dg && df != 2 && dg != 2 {
                    let needs = "equal dims, or dim 2 to repeat";
                    return Err(self.mismatch(&what, (args[0], df), (args[1], dg), needs));
                }
                self.make(span, |g| match rule {
                    Complex::Add => g.complex_sum_of(&Op::Add, f, second),
                    Complex::Subtract => g.complex_sum_of(&Op::Sub, f, second),
                    Complex::Mult => g.complex_product(f, second),
                    _ => g.complex_quotient(f, second),
                })
            }
            _ => {
                self.check_complex(&what, args)?;
                self.make(span, |g| match rule {
                    Complex::Real => Ok(g.parts(f)?.0),
                    Complex::Imaginary => Ok(g.parts(f)?.1),
                    Complex::Conjugate => g.conjugate(f),
                    Complex::SquareAbs => g.complex_square_abs(f),
                    Complex::Abs => {
                        let square = g.complex_square_abs(f)?;
                        g.map(Op::Sqrt, &[square])
                    }
                    Complex::Angle => {
                        let (re, im) = g.parts(f)?;
                        g.map(Op::Atan2, &[im, re])
                    }
                    Complex::Exp => g.complex_exp(f),
                    _ => g.complex_total(f),
                })
            }
        }
    }

    fn check_complex(&self, what: &str, args: &[AstId]) -> Result<(), Error> {
        for arg in args {
            let dim = self.dim(self.node_of(*arg)?);
            if !dim.is_multiple_of(2) {
                let message = format!(
                    "{what} needs complex operands, of even dim: `{}` has dim {dim}",
                    self.written(*arg)
                );
                let error = self.error(ErrorKind::Shape, self.span(*arg), message);
                return Err(error
                    .labelled(format!("dim {dim}"))
                    .help("Real2Complex(f) makes a real vector complex"));
            }
        }
        Ok(())
    }

    /// A real number times a complex vector, in either order.
    fn real_times_complex(
        &mut self,
        what: &str,
        args: &[AstId],
        span: Span,
    ) -> Result<NodeId, Error> {
        let (f, g) = (self.node_of(args[0])?, self.node_of(args[1])?);
        let (df, dg) = (self.dim(f), self.dim(g));
        match (df, dg) {
            (1, d) | (d, 1) if d % 2 == 0 => self.make(span, |graph| graph.mul(f, g)),
            _ => {
                let needs = "a real number of dim 1 and a complex vector of even dim";
                Err(self.mismatch(what, (args[0], df), (args[1], dg), needs))
            }
        }
    }
}
