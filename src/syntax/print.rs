//! Canonical text: the fewest parentheses that parse back to the same tree.

use super::ast::{Ast, AstId, COMPARISON, Expr, NEGATION, Operator};
use std::fmt;

/// Precedence of what needs no parentheses.
const ATOM: u8 = 7;

/// What is still to be written.
enum Piece<'a> {
    Text(&'a str),
    /// An expression, in parentheses if it binds less tightly than this.
    Expr(AstId, u8),
}

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pieces = vec![Piece::Expr(self.root(), 0)];
        while let Some(piece) = pieces.pop() {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Expr(id, least) => {
                    let expr = &self.exprs[id.index()];
                    if precedence(expr) < least {
                        pieces.push(Piece::Text(")"));
                        f.write_str("(")?;
                    }
                    let first = pieces.len();
                    parts(expr, &mut pieces);
                    // The last one pushed is written next.
                    pieces[first..].reverse();
                }
            }
        }
        Ok(())
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

/// What an expression is written as, in order.
fn parts<'a>(expr: &'a Expr, pieces: &mut Vec<Piece<'a>>) {
    use Piece::Text;
    match expr {
        Expr::Number(text) | Expr::Name(text) => pieces.push(Text(text)),
        Expr::Neg(f) => pieces.extend([Text("-"), Piece::Expr(*f, NEGATION)]),
        Expr::Binary(Operator::Power, f, g) => {
            pieces.extend([Piece::Expr(*f, ATOM), Text("**"), Piece::Expr(*g, NEGATION)]);
        }
        Expr::Binary(op, f, g) => {
            let p = op.precedence();
            let left = p + u8::from(p == COMPARISON);
            let op = [Text(" "), Text(op.text()), Text(" ")];
            pieces.push(Piece::Expr(*f, left));
            pieces.extend(op);
            pieces.push(Piece::Expr(*g, p + 1));
        }
        Expr::Call(name, args) => {
            pieces.extend([Text(name), Text("(")]);
            list(args, pieces);
            pieces.push(Text(")"));
        }
        Expr::Index(f, k) => {
            let k = Piece::Expr(*k, 0);
            pieces.extend([Piece::Expr(*f, ATOM), Text("["), k, Text("]")]);
        }
        Expr::Slice(f, a, b) => {
            pieces.extend([Piece::Expr(*f, ATOM), Text("["), Piece::Expr(*a, 0), Text(":")]);
            pieces.extend([Piece::Expr(*b, 0), Text("]")]);
        }
        Expr::List(items) => {
            pieces.push(Text("["));
            list(items, pieces);
            pieces.push(Text("]"));
        }
    }
}

fn list(items: &[AstId], pieces: &mut Vec<Piece<'_>>) {
    for (k, item) in items.iter().enumerate() {
        if k > 0 {
            pieces.push(Piece::Text(", "));
        }
        pieces.push(Piece::Expr(*item, 0));
    }
}

fn precedence(expr: &Expr) -> u8 {
    match expr {
        Expr::Neg(_) => NEGATION,
        Expr::Binary(op, _, _) => op.precedence(),
        _ => ATOM,
    }
}

#[cfg(test)]
mod tests {
    use crate::syntax::parse;

    #[track_caller]
    fn prints(text: &str, canonical: &str) {
        let ast = parse(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        assert_eq!(ast.to_string(), canonical);
        let again = parse(canonical).unwrap_or_else(|e| panic!("{canonical}\n{e}"));
        assert_eq!(again.exprs, ast.exprs, "{text}");
    }

    #[test]
    fn parentheses_are_the_fewest() {
        prints("((x))", "x");
        prints("x+(y*u)", "x + y * u");
        prints("(x+y)*u", "(x + y) * u");
        prints("x-(y-u)", "x - (y - u)");
        prints("(x-y)-u", "x - y - u");
        prints("x|(y|u)", "x | (y | u)");
        prints("-(x**2)", "-x**2");
        prints("(-x)**2", "(-x)**2");
        prints("x**-(y**u)", "x**-y**u");
        prints("(x**y)**u", "(x**y)**u");
        prints("x**(y*u)", "x**(y * u)");
        prints("(x<y)<(y<u)", "(x < y) < (y < u)");
        prints("-(x+y)[0]", "-(x + y)[0]");
        prints("(-x)[0:1+1]", "(-x)[0:1 + 1]");
        prints("- -x", "--x");
        prints("x/(y*u)/-u", "x / (y * u) / -u");
        prints("F( (2,3), [], (), (4,), x )", "F([2, 3], [], [], [4], x)");
        prints(".5 * 1e3", ".5 * 1e3");
    }
}
