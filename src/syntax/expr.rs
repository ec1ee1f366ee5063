//! The expression parser: operator precedence with explicit stacks.

use super::ast::{Ast, AstId, COMPARISON, Expr, NEGATION, Operator};
use super::token::{Kind, Token, tokens};
use crate::error::{Error, ErrorKind, quoted};
use crate::limits;
use crate::span::Span;

/// Something that waits on the stack for its right operand or its closing bracket.
enum Pending {
    Neg(Span),
    Binary(Operator, Span),
    /// `(`: a group, or a list once a comma is seen.
    Group(Span, Vec<AstId>),
    Call(String, Span, Vec<AstId>),
    /// `f[` with the start of a slice once a colon is seen.
    Index(AstId, Span, Option<AstId>),
    List(Span, Vec<AstId>),
}

struct Parser<'t> {
    label: &'static str,
    text: &'t str,
    tokens: Vec<Token>,
    ast: Ast,
    operands: Vec<AstId>,
    pending: Vec<Pending>,
    depth: usize,
}

/// Parse a formula.
///
/// # Errors
/// `Syntax` with the place of the first thing that cannot be part of a formula; `Limit` for over-long or over-nested text.
pub fn parse(text: &str) -> Result<Ast, Error> {
    parse_as("formula", text)
}

/// Parse a text that messages call `label`.
///
/// # Errors
/// Like [`parse`].
pub fn parse_as(label: &'static str, text: &str) -> Result<Ast, Error> {
    let tokens = tokens(label, text)?;
    let ast = Ast { exprs: Vec::new(), spans: Vec::new() };
    let mut parser =
        Parser { label, text, tokens, ast, operands: Vec::new(), pending: Vec::new(), depth: 0 };
    parser.run()?;
    Ok(parser.ast)
}

impl Parser<'_> {
    fn error(&self, span: Span, message: impl Into<String>) -> Error {
        Error::at(ErrorKind::Syntax, self.label, self.text, span, message)
    }

    fn word(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    fn push(&mut self, expr: Expr, span: Span) -> AstId {
        self.ast.exprs.push(expr);
        self.ast.spans.push(span);
        AstId(self.ast.exprs.len() as u32 - 1)
    }

    fn span(&self, id: AstId) -> Span {
        self.ast.spans[id.index()]
    }

    fn open(&mut self, pending: Pending, span: Span) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > limits::NESTING {
            let message = format!("brackets nest deeper than {} levels", limits::NESTING);
            return Err(Error::at(ErrorKind::Limit, self.label, self.text, span, message));
        }
        self.pending.push(pending);
        Ok(())
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut k = 0;
        let mut wants_operand = true;
        while k < self.tokens.len() {
            let token = self.tokens[k];
            k += 1;
            if wants_operand {
                let next = self.tokens.get(k).map(|t| t.kind);
                wants_operand = self.operand(token, next, &mut k)?;
            } else {
                wants_operand = self.operator(token)?;
            }
        }
        let end = Span::new(self.text.len() as u32, self.text.len() as u32);
        if wants_operand {
            let message = if self.tokens.is_empty() {
                "the formula is empty"
            } else {
                "the formula ends where an operand is expected"
            };
            return Err(self.error(end, message));
        }
        self.reduce(0)?;
        match self.pending.last() {
            None => Ok(()),
            Some(Pending::Group(open, _) | Pending::Call(_, open, _)) => {
                Err(self.error(*open, "this parenthesis is never closed"))
            }
            Some(Pending::Index(_, open, _) | Pending::List(open, _)) => {
                Err(self.error(*open, "this bracket is never closed"))
            }
            Some(Pending::Neg(at) | Pending::Binary(_, at)) => {
                Err(self.error(*at, "an operand is missing"))
            }
        }
    }

    /// Take a token where an operand may begin; returns whether one is still wanted.
    fn operand(&mut self, token: Token, next: Option<Kind>, k: &mut usize) -> Result<bool, Error> {
        let span = token.span;
        match token.kind {
            Kind::Number => {
                let text = self.word(span).to_owned();
                let id = self.push(Expr::Number(text), span);
                self.operands.push(id);
                Ok(false)
            }
            Kind::Name => {
                let name = self.word(span).to_owned();
                if name == "not" && matches!(next, Some(Kind::Name | Kind::Number)) {
                    return Err(self
                        .error(span, "`not` is not an operator of the formula language")
                        .help("1 - f negates a 0/1 value"));
                }
                if next == Some(Kind::Mark("(")) {
                    let open = self.tokens[*k].span;
                    *k += 1;
                    self.open(Pending::Call(name, span.to(open), Vec::new()), span)?;
                    return Ok(true);
                }
                let id = self.push(Expr::Name(name), span);
                self.operands.push(id);
                Ok(false)
            }
            Kind::Mark("-") => {
                self.pending.push(Pending::Neg(span));
                Ok(true)
            }
            Kind::Mark("+") => Ok(true),
            Kind::Mark("(") => self.open(Pending::Group(span, Vec::new()), span).map(|()| true),
            Kind::Mark("[") => self.open(Pending::List(span, Vec::new()), span).map(|()| true),
            Kind::Mark(")") if matches!(self.pending.last(), Some(Pending::Group(_, items)) if items.is_empty()) =>
            {
                // `()`, an empty list.
                let Some(Pending::Group(open, items)) = self.pending.pop() else {
                    return Err(self.error(span, "empty parentheses"));
                };
                self.depth -= 1;
                let id = self.push(Expr::List(items), open.to(span));
                self.operands.push(id);
                Ok(false)
            }
            // `f()`, `[]` and trailing commas.
            Kind::Mark(")") if self.closes_early(true) => self.close(token),
            Kind::Mark("]") if self.closes_early(false) => self.close(token),
            Kind::Mark("~") => {
                Err(self.error(span, "`~` is not an operator of the formula language"))
            }
            Kind::Mark("]" | ":") if matches!(self.pending.last(), Some(Pending::Index(..))) => {
                Err(self
                    .error(span, "an index or both ends of a slice are expected")
                    .help("components are written x[k], x[a:b] with b not included"))
            }
            _ => {
                let word = self.word(span);
                Err(self.error(span, format!("expected an operand, found `{}`", quoted(word))))
            }
        }
    }

    /// Whether the innermost open bracket may close without another operand.
    fn closes_early(&self, round: bool) -> bool {
        match self.pending.last() {
            Some(Pending::Call(..)) => round,
            Some(Pending::Group(_, items)) => round && !items.is_empty(),
            Some(Pending::List(..)) => !round,
            _ => false,
        }
    }

    /// Take a token after a complete operand; returns whether another operand is wanted.
    fn operator(&mut self, token: Token) -> Result<bool, Error> {
        let span = token.span;
        let Kind::Mark(mark) = token.kind else {
            let word = self.word(span);
            let error = self.error(span, format!("expected an operator, found `{}`", quoted(word)));
            return Err(match word {
                "and" => error.help("multiply 0/1 values instead: f * g"),
                "or" => error.help("add 0/1 values instead: f + g > 0"),
                "if" | "else" => {
                    error.help("use IfElse(condition, a, b): a where the condition is >= 0")
                }
                _ => error,
            });
        };
        if let Some(operator) = Operator::of(mark) {
            let precedence = operator.precedence();
            self.reduce(precedence + u8::from(operator == Operator::Power))?;
            if precedence == COMPARISON {
                // A comparison that is still open to the left would be a chain; reduce() has just closed it.
                if let Some(left) = self.operands.last()
                    && self.is_bare_comparison(*left)
                {
                    return Err(self
                        .error(span, "comparisons do not chain")
                        .help("combine them: (a < b) * (b < c)"));
                }
            }
            self.pending.push(Pending::Binary(operator, span));
            return Ok(true);
        }
        match mark {
            "," => {
                self.reduce(0)?;
                let id = self.operands.pop();
                match (self.pending.last_mut(), id) {
                    (
                        Some(
                            Pending::Call(_, _, items)
                            | Pending::Group(_, items)
                            | Pending::List(_, items),
                        ),
                        Some(id),
                    ) => {
                        items.push(id);
                        Ok(true)
                    }
                    _ => Err(self.error(span, "a comma is only allowed between arguments")),
                }
            }
            ":" => {
                self.reduce(0)?;
                let id = self.operands.pop();
                match (self.pending.last_mut(), id) {
                    (Some(Pending::Index(_, _, start @ None)), Some(id)) => {
                        *start = Some(id);
                        Ok(true)
                    }
                    _ => Err(self.error(span, "a colon is only allowed once, in x[a:b]")),
                }
            }
            "[" => {
                // Indexing binds tighter than every operator, so its operand is the last one.
                let base =
                    self.operands.pop().ok_or_else(|| self.error(span, "nothing to index"))?;
                self.open(Pending::Index(base, span, None), span).map(|()| true)
            }
            ")" | "]" => self.close(token),
            "=" => Err(self.error(span, "`=` is not an operator").help("equality is written `==`")),
            "%" => Err(self
                .error(span, "`%` is not an operator of the formula language")
                .help("use Mod(f, n, offset)")),
            "//" => Err(self
                .error(span, "`//` is not an operator of the formula language")
                .help("use Floor(f / g)")),
            "@" => Err(self
                .error(span, "`@` is not an operator of the formula language")
                .help("use MatVecMult(A, b) or f | g")),
            _ => {
                let word = self.word(span);
                let error =
                    self.error(span, format!("expected an operator, found `{}`", quoted(word)));
                Err(match word {
                    "#" => error.help("formulas have no comments"),
                    "." => error.help("names have no attributes, and numbers need a digit"),
                    _ => error,
                })
            }
        }
    }

    /// Whether an operand is a comparison written without parentheses around it.
    fn is_bare_comparison(&self, id: AstId) -> bool {
        let Expr::Binary(op, left, _) = &self.ast.exprs[id.index()] else { return false };
        op.precedence() == COMPARISON && self.span(id).start == self.span(*left).start
    }

    /// Close the innermost bracket; an operand is complete afterwards.
    fn close(&mut self, token: Token) -> Result<bool, Error> {
        self.reduce(0)?;
        let round = token.kind == Kind::Mark(")");
        let matches = match self.pending.last() {
            Some(Pending::Group(..) | Pending::Call(..)) => round,
            Some(Pending::Index(..) | Pending::List(..)) => !round,
            _ => false,
        };
        let pending = if matches { self.pending.pop() } else { None };
        let Some(pending) = pending else {
            let word = self.word(token.span);
            return Err(self.error(token.span, format!("`{word}` closes nothing")));
        };
        self.depth -= 1;
        let id = match pending {
            Pending::Group(open, items) if items.is_empty() => {
                let id = self
                    .operands
                    .pop()
                    .ok_or_else(|| self.error(token.span, "empty parentheses"))?;
                // The group's span covers its parentheses, so carets do too and a bare comparison can be told from a group.
                self.ast.spans[id.index()] = open.to(token.span);
                id
            }
            Pending::Group(open, items) | Pending::List(open, items) => {
                let items = self.last_item(items, open);
                self.push(Expr::List(items), open.to(token.span))
            }
            Pending::Call(name, at, items) => {
                let items = self.last_item(items, at);
                self.push(Expr::Call(name, items), at.to(token.span))
            }
            Pending::Index(base, _, start) => {
                let end = self
                    .operands
                    .pop()
                    .ok_or_else(|| self.error(token.span, "an index is missing"))?;
                let span = self.span(base).to(token.span);
                let expr = match start {
                    None => Expr::Index(base, end),
                    Some(start) => Expr::Slice(base, start, end),
                };
                self.push(expr, span)
            }
            Pending::Neg(at) | Pending::Binary(_, at) => {
                return Err(self.error(at, "an operand is missing"));
            }
        };
        self.operands.push(id);
        Ok(false)
    }

    /// Add the operand that was completed since the last comma, if any.
    fn last_item(&mut self, mut items: Vec<AstId>, open: Span) -> Vec<AstId> {
        if let Some(id) = self.operands.last()
            && self.span(*id).start >= open.end
        {
            items.extend(self.operands.pop());
        }
        items
    }

    /// Build the expressions of pending operators that bind at least as tightly as `precedence`.
    fn reduce(&mut self, precedence: u8) -> Result<(), Error> {
        loop {
            match self.pending.last() {
                Some(Pending::Neg(at)) if NEGATION >= precedence => {
                    let at = *at;
                    self.pending.pop();
                    let f = self
                        .operands
                        .pop()
                        .ok_or_else(|| self.error(at, "an operand is missing"))?;
                    let span = at.to(self.span(f));
                    let id = self.push(Expr::Neg(f), span);
                    self.operands.push(id);
                }
                Some(Pending::Binary(operator, at)) if operator.precedence() >= precedence => {
                    let (operator, at) = (*operator, *at);
                    self.pending.pop();
                    let (g, f) = (self.operands.pop(), self.operands.pop());
                    let (Some(f), Some(g)) = (f, g) else {
                        return Err(self.error(at, "an operand is missing"));
                    };
                    let span = self.span(f).to(self.span(g));
                    let id = self.push(Expr::Binary(operator, f, g), span);
                    self.operands.push(id);
                }
                _ => return Ok(()),
            }
        }
    }
}
