//! Syntax trees built from code.

use genred::span::Span;
use genred::syntax::{Ast, AstId, Expr};

/// A tree builder: expressions are pushed in the order in which the parser makes them.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    exprs: Vec<Expr>,
}

impl Tree {
    /// Add an expression whose operands are there already.
    pub fn push(&mut self, expr: Expr) -> AstId {
        self.exprs.push(expr);
        AstId(self.exprs.len() as u32 - 1)
    }

    /// The expressions so far.
    pub fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.exprs.is_empty()
    }

    /// The tree; places are unknown.
    pub fn finish(self) -> Ast {
        let spans = vec![Span::default(); self.exprs.len()];
        Ast { exprs: self.exprs, spans }
    }
}
