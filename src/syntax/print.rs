//! Canonical text: the fewest parentheses that parse back to the same tree.

use super::ast::{Ast, COMPARISON, Expr, NEGATION, Operator};
use std::fmt;

/// Precedence of what needs no parentheses.
const ATOM: u8 = 7;

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Operands precede users, so each text is made from finished ones; shared parts cannot occur in a parsed tree.
        let mut texts: Vec<String> = Vec::with_capacity(self.exprs.len());
        for expr in &self.exprs {
            let operand = |id: super::AstId, least: u8| {
                let text = &texts[id.index()];
                if precedence(&self.exprs[id.index()]) < least {
                    format!("({text})")
                } else {
                    text.clone()
                }
            };
            let list = |ids: &[super::AstId]| {
                let items: Vec<&str> = ids.iter().map(|id| texts[id.index()].as_str()).collect();
                items.join(", ")
            };
            texts.push(match expr {
                Expr::Number(text) | Expr::Name(text) => text.clone(),
                Expr::Neg(g) => format!("-{}", operand(*g, NEGATION)),
                Expr::Binary(op @ Operator::Power, g, h) => {
                    format!("{}{}{}", operand(*g, ATOM), op.text(), operand(*h, NEGATION))
                }
                Expr::Binary(op, g, h) => {
                    let p = op.precedence();
                    let left = p + u8::from(p == COMPARISON);
                    format!("{} {} {}", operand(*g, left), op.text(), operand(*h, p + 1))
                }
                Expr::Call(name, args) => format!("{name}({})", list(args)),
                Expr::Index(g, k) => format!("{}[{}]", operand(*g, ATOM), texts[k.index()]),
                Expr::Slice(g, a, b) => {
                    format!("{}[{}:{}]", operand(*g, ATOM), texts[a.index()], texts[b.index()])
                }
                Expr::List(items) => format!("[{}]", list(items)),
            });
        }
        f.write_str(texts.last().map_or("", String::as_str))
    }
}

impl Ast {
    /// A line an expression: `%n = kind operands @ first..end`, places in bytes of the formula.
    pub fn tree(&self) -> String {
        let mut text = String::new();
        for (k, (expr, span)) in self.exprs.iter().zip(&self.spans).enumerate() {
            let kind = match expr {
                Expr::Number(literal) => format!("number {literal}"),
                Expr::Name(name) => format!("name {name}"),
                Expr::Neg(_) => "neg".to_owned(),
                Expr::Binary(op, ..) => format!("`{}`", op.text()),
                Expr::Call(name, _) => format!("call {name}"),
                Expr::Index(..) => "index".to_owned(),
                Expr::Slice(..) => "slice".to_owned(),
                Expr::List(_) => "list".to_owned(),
            };
            let operands: Vec<String> =
                Ast::operands(expr).iter().map(|id| format!(" %{}", id.0)).collect();
            let (operands, start, end) = (operands.concat(), span.start, span.end);
            text += &format!("%{k} = {kind}{operands} @ {start}..{end}\n");
        }
        text
    }
}

fn precedence(expr: &Expr) -> u8 {
    match expr {
        Expr::Neg(_) => NEGATION,
        Expr::Binary(op, _, _) => op.precedence(),
        _ => ATOM,
    }
}
