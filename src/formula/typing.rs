//! From a tree to a typed DAG: names resolved, dims checked, sugar removed, equal nodes shared.
//!
//! Expressions are typed in arena order, in which operands come first; what they mean as nodes is the
//! [`graph`](super::graph)'s, what users may write is the [`table`]'s.

mod calculus;
mod complex;
mod reduction;
mod rules;
mod tensor;

pub use calculus::Calculus;
pub use complex::Complex;
pub use reduction::{LowLevel, low_level};
pub use rules::Rule;

use super::graph::{Built, Graph, Refusal};
use super::number::Number;
use super::op::Op;
use super::table::{self, Arg, Build, Row};
use super::{Formula, NodeId};
use crate::alias;
use crate::error::{Error, ErrorKind, quoted};
use crate::limits;
use crate::span::Span;
use crate::syntax::ast::Operator;
use crate::syntax::{Ast, AstId, Expr, parse_as};
use reduction::Reduced;

/// Parse and type a formula, and for weighted reductions its weight, over a list of aliases.
///
/// ```
/// let formula = genred::formula::typing::formula("SqDist(x, y)", None, &["x = Vi(3)", "y = Vj(3)"])?;
/// assert_eq!(formula.root_dim(0), 1);
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// `Syntax`, `Shape` or `Limit`, with the place in the alias or the formula.
pub fn formula(formula: &str, weight: Option<&str>, aliases: &[&str]) -> Result<Formula, Error> {
    kept(formula, weight, &[], aliases)
}

/// The same with conditions, all of which a pair must meet to take part: comparisons of sums and multiples of `IndexI`, `IndexJ` and
/// integers, joined by `*` (and) and `+` (or).
///
/// ```
/// use genred::formula::typing::kept;
/// assert!(kept("SqDist(x, y)", None, &["IndexI != IndexJ"], &["x = Vi(3)", "y = Vj(3)"])?.keep.is_some());
/// assert!(kept("SqDist(x, y)", None, &["x[0] < y[0]"], &["x = Vi(3)", "y = Vj(3)"]).is_err());
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// `Syntax`, `Shape` or `Limit`, with the place in the alias, the formula or the condition.
pub fn kept(
    formula: &str,
    weight: Option<&str>,
    conditions: &[&str],
    aliases: &[&str],
) -> Result<Formula, Error> {
    let mut graph = Graph::new(alias::place(aliases, table::is_reserved)?);
    let mut roots = Vec::new();
    for (label, text) in [("formula", Some(formula)), ("weight", weight)] {
        let Some(text) = text else { continue };
        let ast = parse_as(label, text)?;
        let mut typer = Typer::new(label, text, &ast, &mut graph);
        typer.run()?;
        roots.push(typer.node_of(ast.root())?);
    }
    let keep = condition(&mut graph, conditions)?;
    finish(graph, &roots, keep)
}

/// The node of the conditions that a pair must meet, all of them.
fn condition(graph: &mut Graph, texts: &[&str]) -> Result<Option<NodeId>, Error> {
    let mut all: Option<NodeId> = None;
    for text in texts {
        let ast = parse_as("condition", text)?;
        let mut typer = Typer::new("condition", text, &ast, graph);
        typer.run()?;
        let (node, whole) = (typer.node_of(ast.root())?, typer.span(ast.root()));
        if let Some(wrong) = typer.graph.not_a_condition(node) {
            let span = typer.graph.get(wrong).span;
            let span = if span.range().is_empty() { whole } else { span };
            let message =
                "a condition compares sums and multiples of `IndexI`, `IndexJ` and integers";
            return Err(typer.error(ErrorKind::Syntax, span, message).help(
                "join comparisons by `*` for and, by `+` for or; `IfElse` takes any condition in the formula",
            ));
        }
        all = Some(match all {
            None => node,
            Some(all) if all == node => all,
            Some(all) => typer.make(whole, |g| g.mul(all, node))?,
        });
    }
    let parts = |keep: NodeId| graph.size(keep);
    match all.map(parts) {
        Some(parts) if parts > limits::CONDITION => Err(Error::new(
            ErrorKind::Limit,
            format!(
                "the condition has {parts} different parts; at most {} are accepted",
                limits::CONDITION
            ),
        )),
        _ => Ok(all),
    }
}

/// The formula of a finished table, all of whose arguments must be known.
fn finish(graph: Graph, roots: &[NodeId], keep: Option<NodeId>) -> Result<Formula, Error> {
    if let Some(k) = graph.variables.iter().position(Option::is_none) {
        let message =
            format!("no alias or inline variable has position {k}, but a later one is used");
        return Err(Error::new(ErrorKind::Syntax, message));
    }
    graph.finish(roots, keep).map_err(|refusal| Error::new(refusal.kind(), refusal.message()))
}

/// The typed meaning of an expression.
#[derive(Clone, Copy)]
enum Typed {
    Node(NodeId),
    /// An integer list, which is only an argument.
    List(usize),
    /// A low-level reduction, which is only a whole text or the operand of a derivative.
    Reduced(usize),
}

struct Typer<'a> {
    label: &'static str,
    text: &'a str,
    ast: &'a Ast,
    graph: &'a mut Graph,
    typed: Vec<Typed>,
    lists: Vec<Vec<i64>>,
    reduced: Vec<Reduced>,
}

impl<'a> Typer<'a> {
    fn new(label: &'static str, text: &'a str, ast: &'a Ast, graph: &'a mut Graph) -> Self {
        let typed = Vec::with_capacity(ast.exprs.len());
        Self { label, text, ast, graph, typed, lists: Vec::new(), reduced: Vec::new() }
    }

    fn run(&mut self) -> Result<(), Error> {
        // What does not exist is reported before what does not fit.
        for (expr, span) in self.ast.exprs.iter().zip(&self.ast.spans) {
            if let Expr::Call(name, _) = expr {
                self.check_known(name, *span)?;
            }
        }
        for k in 0..self.ast.exprs.len() {
            let typed = self.expr(AstId(k as u32))?;
            self.typed.push(typed);
        }
        Ok(())
    }

    fn span(&self, id: AstId) -> Span {
        self.ast.spans[id.index()]
    }

    fn error(&self, kind: ErrorKind, span: Span, message: impl Into<String>) -> Error {
        Error::at(kind, self.label, self.text, span, message)
    }

    fn written(&self, id: AstId) -> String {
        quoted(&self.text[self.span(id).range()])
    }

    fn node_of(&self, id: AstId) -> Result<NodeId, Error> {
        match self.typed[id.index()] {
            Typed::Node(node) => Ok(node),
            Typed::List(_) => Err(self.error(
                ErrorKind::Syntax,
                self.span(id),
                "a list of integers is not an expression",
            )),
            Typed::Reduced(_) => Err(self.misplaced_reduction(id)),
        }
    }

    fn nodes_of(&self, args: &[AstId]) -> Result<Vec<NodeId>, Error> {
        args.iter().map(|a| self.node_of(*a)).collect()
    }

    fn dim(&self, node: NodeId) -> u32 {
        self.graph.dim(node)
    }

    /// Make nodes at a place of the text.
    fn make(
        &mut self,
        span: Span,
        build: impl FnOnce(&mut Graph) -> Built,
    ) -> Result<NodeId, Error> {
        self.graph.at = span;
        build(self.graph).map_err(|refusal| self.refused(refusal, span))
    }

    fn refused(&self, refusal: Refusal, span: Span) -> Error {
        self.error(refusal.kind(), span, refusal.message())
    }

    /// Check that dims are equal or 1, naming the operands that are not.
    fn check_broadcast(&self, what: &str, args: &[AstId]) -> Result<(), Error> {
        let mut longest: Option<(AstId, u32)> = None;
        for arg in args {
            let dim = self.dim(self.node_of(*arg)?);
            match longest {
                _ if dim == 1 => {}
                None => longest = Some((*arg, dim)),
                Some((_, known)) if known == dim => {}
                Some(first) => {
                    return Err(self.mismatch(
                        what,
                        first,
                        (*arg, dim),
                        "equal dims, or dim 1 to repeat",
                    ));
                }
            }
        }
        Ok(())
    }

    fn mismatch(&self, what: &str, f: (AstId, u32), g: (AstId, u32), needs: &str) -> Error {
        let (a, b) = (self.written(f.0), self.written(g.0));
        self.error(
            ErrorKind::Shape,
            self.span(f.0),
            format!("{what} needs {needs}: `{a}` has dim {}, `{b}` has dim {}", f.1, g.1),
        )
        .labelled(format!("dim {}", f.1))
        .and_at(self.span(g.0), format!("dim {}", g.1))
    }

    fn expr(&mut self, id: AstId) -> Result<Typed, Error> {
        let span = self.span(id);
        let ast = self.ast;
        let node = match &ast.exprs[id.index()] {
            Expr::Number(text) => {
                let number = Number::parse(text).map_err(|why| {
                    let kind = if why.is_limit { ErrorKind::Limit } else { ErrorKind::Syntax };
                    self.error(kind, span, why.message)
                })?;
                self.make(span, |g| g.number(number, 1))?
            }
            Expr::Name(name) => self.name(name, span)?,
            Expr::Neg(f) => {
                let f = self.node_of(*f)?;
                self.make(span, |g| g.neg(f))?
            }
            Expr::Binary(operator, f, g) => self.binary(*operator, *f, *g, span)?,
            Expr::Index(f, k) => {
                let start = self.int(*k)?;
                self.extract(*f, (*k, start), (*k, 1), span)?
            }
            Expr::Slice(f, a, b) => {
                let (start, end) = (self.int(*a)?, self.int(*b)?);
                self.extract(*f, (*a, start), (*b, end.saturating_sub(start)), span)?
            }
            Expr::List(items) => return self.list(items),
            Expr::Call(name, args) => return self.call(name, args, span),
        };
        Ok(Typed::Node(node))
    }

    fn name(&mut self, name: &str, span: Span) -> Result<NodeId, Error> {
        let mut variables = self.graph.variables.iter();
        if let Some(position) = variables.position(|v| v.as_ref().is_some_and(|v| v.name == name)) {
            return self.make(span, |g| g.variable(position as u32));
        }
        if let Some(Row { build: Build::Rule(rule @ (Rule::IndexI | Rule::IndexJ)), .. }) =
            table::find(name)
        {
            return self.rule(*rule, name, &[], span);
        }
        let message = format!("unknown name `{}`", quoted(name));
        let error = self.error(ErrorKind::Syntax, span, message);
        if table::is_reserved(name) {
            return Err(error
                .help(format!("`{name}` is an operation and needs its arguments in parentheses")));
        }
        let names: Vec<&str> =
            self.graph.variables.iter().flatten().map(|v| v.name.as_str()).collect();
        Err(match table::nearest(name, names.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{}`?", quoted(near))),
            None if names.is_empty() => error.help("no aliases are given"),
            None => {
                let shown: Vec<String> = names.iter().take(10).map(|n| quoted(n)).collect();
                let more = if names.len() > shown.len() { ", ..." } else { "" };
                error.help(format!("the aliases are {}{more}", shown.join(", ")))
            }
        })
    }

    fn binary(
        &mut self,
        operator: Operator,
        f: AstId,
        g: AstId,
        span: Span,
    ) -> Result<NodeId, Error> {
        let (a, b) = (self.node_of(f)?, self.node_of(g)?);
        let what = format!("`{}`", operator.text());
        if operator == Operator::Bar {
            return self.scalar_product(&what, f, g, span);
        }
        self.check_broadcast(&what, &[f, g])?;
        let (op, args) = match operator {
            Operator::Plus => (Op::Add, [a, b]),
            Operator::Minus => (Op::Sub, [a, b]),
            Operator::Star => (Op::Mul, [a, b]),
            Operator::Slash => return self.quotient(f, g, span),
            Operator::Less => (Op::LessThan, [a, b]),
            Operator::LessEqual => (Op::LessOrEqual, [a, b]),
            Operator::Greater => (Op::LessThan, [b, a]),
            Operator::GreaterEqual => (Op::LessOrEqual, [b, a]),
            Operator::Equal => (Op::Equal, [a, b]),
            Operator::NotEqual => (Op::NotEqual, [a, b]),
            Operator::Power | Operator::Bar => return self.power(a, b, self.span(g), span),
        };
        self.make(span, |graph| graph.map(op, &args))
    }

    /// `f / g`, whose divisor is pointed at if it is zero.
    fn quotient(&mut self, f: AstId, g: AstId, span: Span) -> Result<NodeId, Error> {
        let (a, b) = (self.node_of(f)?, self.node_of(g)?);
        if self.graph.is_zero(b) {
            return Err(self.refused(Refusal::DivisionByZero, self.span(g)));
        }
        self.make(span, |graph| graph.div(a, b))
    }

    /// `f ** g`: 2 is Square, integers Pow, one half Sqrt, minus one half Rsqrt, all else Powf.
    fn power(&mut self, f: NodeId, g: NodeId, at: Span, span: Span) -> Result<NodeId, Error> {
        let half = Number::ratio(&Number::integer(1), &Number::integer(2));
        let (op, args) = match self.graph.constant(g).cloned() {
            Some(n) if n.is_integer() && self.dim(g) == 1 => {
                (Op::Pow(self.exponent(&n, at)?), vec![f])
            }
            Some(n) if Some(&n) == half.as_ref() => (Op::Sqrt, vec![f]),
            Some(n) if Some(n.neg()) == half => (Op::Rsqrt, vec![f]),
            _ => (Op::Powf, vec![f, g]),
        };
        self.make(span, |graph| graph.map(op, &args))
    }

    fn exponent(&self, m: &Number, at: Span) -> Result<i32, Error> {
        let within = m.as_integer().filter(|m| m.abs() <= limits::EXPONENT);
        within.map(|m| m as i32).ok_or_else(|| {
            let message =
                format!("the exponent {} is beyond {}", quoted(&m.to_string()), limits::EXPONENT);
            self.error(ErrorKind::Limit, at, message).help("Powf(f, g) takes any exponent")
        })
    }

    fn decimals(&self, digits: i64, at: Span) -> Result<i32, Error> {
        if digits.abs() > limits::EXPONENT {
            let message = format!("{digits} decimals are beyond {}", limits::EXPONENT);
            return Err(self.error(ErrorKind::Limit, at, message));
        }
        Ok(digits as i32)
    }

    /// The integer that a constant argument stands for.
    fn int(&self, id: AstId) -> Result<i64, Error> {
        let node = match self.typed[id.index()] {
            Typed::Node(node) => self.graph.constant(node),
            _ => None,
        };
        if let Some(value) = node.and_then(Number::as_integer) {
            return Ok(value);
        }
        let kind = match node.is_some_and(Number::is_integer) {
            true => ErrorKind::Limit,
            false => ErrorKind::Syntax,
        };
        let message = match kind {
            ErrorKind::Limit => format!("the integer `{}` is too large", self.written(id)),
            _ => format!("expected an integer literal, found `{}`", self.written(id)),
        };
        Err(self.error(kind, self.span(id), message))
    }

    fn check_known(&self, name: &str, span: Span) -> Result<(), Error> {
        if table::find(name).is_some() || reduction::is_name(name) {
            return Ok(());
        }
        let at = Span::new(span.start, span.start + name.len() as u32);
        let message = format!("unknown operation `{}`", quoted(name));
        let error = self.error(ErrorKind::Syntax, at, message);
        let is_alias = self.graph.variables.iter().flatten().any(|v| v.name == name);
        Err(match table::nearest(name, table::names().chain(reduction::names())) {
            _ if is_alias => {
                error.help(format!("`{name}` is an alias; write `{name} * (...)` to multiply"))
            }
            _ if reduction::is_name(&format!("{name}_Reduction")) => {
                error.help(format!("`{name}` is a reduction, which is chosen beside the formula"))
            }
            _ if name == "not" => error.help("1 - f negates a 0/1 value"),
            _ if name.starts_with("Greater") => error.help("write f > g, or exchange the operands"),
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("the operations are listed by `genred ops`"),
        })
    }

    fn call(&mut self, name: &str, args: &[AstId], span: Span) -> Result<Typed, Error> {
        let Some(row) = table::find(name) else {
            return self.reduction(name, args, span);
        };
        if let Some(reduced) = self.differentiated(row, args, span)? {
            return Ok(reduced);
        }
        self.check_count(row, name, args, span)?;
        for (k, arg) in args.iter().enumerate() {
            match row.args[k.min(row.args.len() - 1)] {
                Arg::Expr => drop(self.node_of(*arg)?),
                Arg::Int => drop(self.int(*arg)?),
                Arg::List => drop(self.list_of(*arg)?),
                Arg::Variable => self.check_variable(*arg)?,
            }
        }
        let node = match &row.build {
            Build::Elementwise(Op::Div) => {
                self.check_broadcast(&format!("`{name}`"), args)?;
                self.quotient(args[0], args[1], span)?
            }
            Build::Elementwise(op) => {
                self.check_broadcast(&format!("`{name}`"), args)?;
                let nodes = self.nodes_of(args)?;
                self.make(span, |g| g.map(op.clone(), &nodes))?
            }
            Build::Reduce(op) => {
                let f = self.node_of(args[0])?;
                self.make(span, |g| g.reduced(op.clone(), f))?
            }
            Build::WithInt(make) => {
                let f = self.node_of(args[0])?;
                let n = args.get(1).map_or(Ok(0), |n| self.int(*n))?;
                let at = args.get(1).map_or(span, |n| self.span(*n));
                let op = match make(0) {
                    Op::Round(_) => make(self.decimals(n, at)?),
                    _ => make(self.exponent(&Number::integer(n), at)?),
                };
                self.make(span, |g| g.map(op, &[f]))?
            }
            Build::Rule(Rule::Ind) => return self.list(args),
            Build::Rule(rule) => self.rule(*rule, name, args, span)?,
            Build::Complex(rule) => self.complex(*rule, name, args, span)?,
            Build::Calculus(rule) => self.calculus(*rule, name, args, span)?,
        };
        Ok(Typed::Node(node))
    }

    fn check_count(&self, row: &Row, name: &str, args: &[AstId], span: Span) -> Result<(), Error> {
        let (least, most) = (row.args.len() - row.optional, row.args.len());
        if args.len() >= least && (row.variadic || args.len() <= most) {
            return Ok(());
        }
        let wanted = match (row.optional, row.variadic) {
            (_, true) => format!("at least {least}"),
            (0, _) => format!("{least}"),
            _ => format!("{least} to {most}"),
        };
        let plural = if wanted == "1" { "" } else { "s" };
        let message = format!("`{name}` takes {wanted} argument{plural}, not {}", args.len());
        let help = format!("{name}({}): {}", row.call, row.meaning);
        Err(self.error(ErrorKind::Syntax, span, message).help(help))
    }

    fn check_variable(&self, id: AstId) -> Result<(), Error> {
        if self.graph.position(self.node_of(id)?).is_some() {
            return Ok(());
        }
        let message = format!("expected a variable, found `{}`", self.written(id));
        Err(self
            .error(ErrorKind::Syntax, self.span(id), message)
            .help("derivatives are taken by an alias or an inline `Var(position, dim, category)`"))
    }
}
