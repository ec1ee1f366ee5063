//! Differential operations: their dims are checked here, the derivatives are made by [`grad`](crate::formula::grad).

use super::Typer;
use crate::error::{Error, ErrorKind};
use crate::formula::NodeId;
use crate::formula::graph::Refusal;
use crate::span::Span;
use crate::syntax::AstId;

/// Operations that differentiate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the operation of its table row")]
pub enum Calculus {
    Grad,
    GradMatrix,
    Diff,
    Divergence,
    Laplacian,
    Trace,
    Adjoint,
    SumLin,
}

impl Typer<'_> {
    pub(super) fn calculus(
        &mut self,
        rule: Calculus,
        name: &str,
        args: &[AstId],
        span: Span,
    ) -> Result<NodeId, Error> {
        let what = format!("`{name}`");
        let (f, v) = (self.node_of(args[0])?, self.node_of(args[1])?);
        // What a third argument must be shaped like, or the formula itself.
        match rule {
            Calculus::Grad | Calculus::Adjoint => {
                self.check_dim(&what, "a seed of the formula's dim", args[0], args[2])?;
            }
            Calculus::Diff => {
                self.check_dim(&what, "a direction of the variable's dim", args[1], args[2])?;
            }
            Calculus::Divergence | Calculus::Trace => {
                self.check_dim(&what, "a formula of the variable's dim", args[1], args[0])?;
            }
            Calculus::Laplacian => self.need_dim(&what, args[0], 1)?,
            Calculus::GradMatrix | Calculus::SumLin => {}
        }
        let is_map = matches!(rule, Calculus::Trace | Calculus::Adjoint | Calculus::SumLin);
        let mut is_linear = true;
        if is_map {
            let walked = self.graph.is_linear(f, v);
            is_linear = walked.map_err(|refusal| self.refused(refusal, span))?;
        }
        if !is_linear {
            let message = format!(
                "{what} needs a linear map: `{}` is not linear in `{}`",
                self.written(args[0]),
                self.written(args[1])
            );
            return Err(self.error(Refusal::NotLinear.kind(), self.span(args[0]), message));
        }
        let third = args.get(2).map(|id| self.node_of(*id)).transpose()?.unwrap_or(v);
        self.make(span, |g| match rule {
            Calculus::Grad | Calculus::Adjoint => g.grad(f, v, third),
            Calculus::GradMatrix => g.grad_matrix(f, v),
            Calculus::Diff => g.diff(f, v, third),
            Calculus::Divergence | Calculus::Trace => g.divergence(f, v),
            Calculus::Laplacian => g.laplacian(f, v),
            Calculus::SumLin => g.sum_of_entries(f, v),
        })
    }

    /// Check that an argument has the dim of another.
    fn check_dim(&self, what: &str, needs: &str, like: AstId, id: AstId) -> Result<(), Error> {
        let (wanted, found) = (self.dim(self.node_of(like)?), self.dim(self.node_of(id)?));
        if wanted == found {
            return Ok(());
        }
        let message =
            format!("{what} needs {needs}, {wanted}: `{}` has dim {found}", self.written(id));
        let error = self.error(ErrorKind::Shape, self.span(id), message);
        Err(error.labelled(format!("dim {found}")).and_at(self.span(like), format!("dim {wanted}")))
    }
}
