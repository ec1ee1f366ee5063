//! From a tree to a typed DAG: names resolved, dims checked, sugar removed, equal nodes shared.

use super::number::Number;
use super::op::Op;
use super::simplify::{self, Simple};
use super::table::{self, Arg, Build, Row};
use super::{Category, Formula, Node, NodeId, Variability, Variable};
use crate::alias;
use crate::error::{Error, ErrorKind};
use crate::limits;
use crate::span::Span;
use crate::syntax::ast::Operator;
use crate::syntax::{Ast, AstId, Expr, parse};
use std::collections::HashMap;

mod rules;

/// Parse and type a formula, and for weighted reductions its weight, over a list of aliases.
///
/// ```
/// let formula = genred::formula::typing::formula("SqDist(x, y)", None, &["x = Vi(3)", "y = Vj(3)"]).unwrap();
/// assert_eq!(formula.root_dim(0), 1);
/// ```
///
/// # Errors
/// `Syntax`, `Shape` or `Limit`, with the place in the alias or the formula.
pub fn formula(formula: &str, weight: Option<&str>, aliases: &[&str]) -> Result<Formula, Error> {
    let mut scope =
        Scope { variables: alias::place(aliases, table::is_reserved)?, ..Scope::default() };
    let mut roots = Vec::new();
    for text in std::iter::once(formula).chain(weight) {
        let ast = parse(text)?;
        let mut typer = Typer {
            text,
            ast: &ast,
            scope: &mut scope,
            typed: Vec::with_capacity(ast.exprs.len()),
        };
        roots.push(typer.run()?);
    }
    let gap = scope.variables.iter().position(Option::is_none);
    if let Some(k) = gap {
        let message =
            format!("no alias or inline variable has position {k}, but a later one is used");
        return Err(Error::new(ErrorKind::Syntax, message));
    }
    Ok(Formula {
        nodes: scope.nodes,
        roots,
        variables: scope.variables.into_iter().flatten().collect(),
    })
}

/// What a formula and its weight share.
#[derive(Default)]
struct Scope {
    nodes: Vec<Node>,
    known: HashMap<(Op, Vec<NodeId>, u32), NodeId>,
    variables: Vec<Option<Variable>>,
}

/// The typed meaning of an expression.
#[derive(Clone, Copy)]
enum Typed {
    Node(NodeId),
    /// An integer list, which is only an argument.
    List,
}

struct Typer<'a> {
    text: &'a str,
    ast: &'a Ast,
    scope: &'a mut Scope,
    typed: Vec<Typed>,
}

impl Typer<'_> {
    fn run(&mut self) -> Result<NodeId, Error> {
        for k in 0..self.ast.exprs.len() {
            let id = AstId(k as u32);
            let typed = self.expr(id)?;
            self.typed.push(typed);
        }
        self.node_of(self.ast.root())
    }

    fn span(&self, id: AstId) -> Span {
        self.ast.spans[id.index()]
    }

    fn error(&self, kind: ErrorKind, span: Span, message: impl Into<String>) -> Error {
        Error::at(kind, "formula", self.text, span, message)
    }

    fn written(&self, id: AstId) -> String {
        let text = &self.text[self.span(id).range()];
        match text.char_indices().nth(40) {
            Some((k, _)) => format!("{}...", &text[..k]),
            None => text.to_owned(),
        }
    }

    fn node_of(&self, id: AstId) -> Result<NodeId, Error> {
        match self.typed[id.index()] {
            Typed::Node(node) => Ok(node),
            Typed::List => Err(self.error(
                ErrorKind::Syntax,
                self.span(id),
                "a list of integers is not an expression",
            )),
        }
    }

    fn dim(&self, node: NodeId) -> u32 {
        self.scope.nodes[node.index()].dim
    }

    fn constant(&self, node: NodeId) -> Option<&Number> {
        match &self.scope.nodes[node.index()].op {
            Op::Constant(number) => Some(number),
            _ => None,
        }
    }

    /// Make a node, or find the equal one.
    fn node(&mut self, op: Op, args: Vec<NodeId>, dim: u32, span: Span) -> Result<NodeId, Error> {
        if dim as usize > limits::DIM {
            let message =
                format!("an expression of dim {dim}; at most {} is accepted", limits::DIM);
            return Err(self.error(ErrorKind::Limit, span, message));
        }
        let key = (op, args, dim);
        if let Some(node) = self.scope.known.get(&key) {
            return Ok(*node);
        }
        if self.scope.nodes.len() >= limits::NODES {
            let message = format!("the formula has more than {} different parts", limits::NODES);
            return Err(self.error(ErrorKind::Limit, span, message));
        }
        let (op, args, dim) = key.clone();
        let variability = match &op {
            Op::Variable(position) => {
                match self.scope.variables[*position as usize].as_ref().map(|v| v.category) {
                    Some(Category::I) => Variability::I,
                    Some(Category::J) => Variability::J,
                    _ => Variability::Param,
                }
            }
            _ => args
                .iter()
                .map(|a| self.scope.nodes[a.index()].variability)
                .fold(Variability::Const, Variability::union),
        };
        let node = NodeId(self.scope.nodes.len() as u32);
        self.scope.nodes.push(Node { op, args, dim, variability, span });
        self.scope.known.insert(key, node);
        Ok(node)
    }

    fn number(&mut self, number: Number, dim: u32, span: Span) -> Result<NodeId, Error> {
        self.node(Op::Constant(number), Vec::new(), dim, span)
    }

    fn repeated(&mut self, node: NodeId, dim: u32, span: Span) -> Result<NodeId, Error> {
        match (self.dim(node), self.constant(node).cloned()) {
            (own, _) if own == dim => Ok(node),
            (_, Some(number)) => self.number(number, dim, span),
            _ => self.node(Op::Broadcast, vec![node], dim, span),
        }
    }

    /// An element-wise node whose dims are known to fit.
    fn map(&mut self, op: Op, args: &[NodeId], span: Span) -> Result<NodeId, Error> {
        let dim = args.iter().map(|a| self.dim(*a)).max().unwrap_or(1);
        let constants: Vec<Option<Number>> =
            args.iter().map(|a| self.constant(*a).cloned()).collect();
        let constants: Vec<Option<&Number>> = constants.iter().map(Option::as_ref).collect();
        let same = args.len() == 2 && args[0] == args[1];
        let simple = simplify::elementwise(&op, &constants, same)
            .map_err(|_| self.error(ErrorKind::Syntax, span, "division by zero"))?;
        match simple {
            Some(Simple::Constant(number)) => self.number(number, dim, span),
            Some(Simple::Operand(k)) => self.repeated(args[k], dim, span),
            Some(Simple::Negated(k)) => {
                let node = self.map(Op::Neg, &[args[k]], span)?;
                self.repeated(node, dim, span)
            }
            Some(Simple::Unary(op, k)) => self.map(op, &[args[k]], span),
            Some(Simple::Times(number)) => {
                let factor = self.number(number, 1, span)?;
                self.node(Op::Mul, vec![args[0], factor], dim, span)
            }
            None => {
                let inner = &self.scope.nodes[args[0].index()];
                if op == Op::Neg && inner.op == Op::Neg {
                    return Ok(inner.args[0]);
                }
                self.node(op, args.to_vec(), dim, span)
            }
        }
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
                    let kind =
                        if why.contains("digits") { ErrorKind::Limit } else { ErrorKind::Syntax };
                    self.error(kind, span, why)
                })?;
                self.number(number, 1, span)?
            }
            Expr::Name(name) => self.name(name, span)?,
            Expr::Neg(f) => {
                let f = self.node_of(*f)?;
                self.map(Op::Neg, &[f], span)?
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
            Expr::List(items) => {
                for item in items {
                    self.int(*item)?;
                }
                return Ok(Typed::List);
            }
            Expr::Call(name, args) => self.call(name, args, span)?,
        };
        Ok(Typed::Node(node))
    }

    fn name(&mut self, name: &str, span: Span) -> Result<NodeId, Error> {
        let position =
            self.scope.variables.iter().position(|v| v.as_ref().is_some_and(|v| v.name == name));
        if let Some(position) = position {
            let dim = self.scope.variables[position].as_ref().map_or(1, |v| v.dim);
            return self.node(Op::Variable(position as u32), Vec::new(), dim, span);
        }
        let error = self.error(ErrorKind::Syntax, span, format!("unknown name `{name}`"));
        if table::is_reserved(name) {
            return Err(error
                .help(format!("`{name}` is an operation and needs its arguments in parentheses")));
        }
        let names: Vec<&str> =
            self.scope.variables.iter().flatten().map(|v| v.name.as_str()).collect();
        let near = names.iter().min_by_key(|known| strsim::damerau_levenshtein(name, known));
        Err(match near {
            Some(near) if strsim::damerau_levenshtein(name, near) * 3 <= near.len().max(3) => {
                error.help(format!("did you mean `{near}`?"))
            }
            _ if names.is_empty() => error.help("no aliases are given"),
            _ => error.help(format!("the aliases are {}", names.join(", "))),
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
        match operator {
            Operator::Plus => self.map(Op::Add, &[a, b], span),
            Operator::Minus => self.map(Op::Sub, &[a, b], span),
            Operator::Star => self.map(Op::Mul, &[a, b], span),
            Operator::Slash => self.map(Op::Div, &[a, b], span),
            Operator::Less => self.map(Op::LessThan, &[a, b], span),
            Operator::LessEqual => self.map(Op::LessOrEqual, &[a, b], span),
            Operator::Greater => self.map(Op::LessThan, &[b, a], span),
            Operator::GreaterEqual => self.map(Op::LessOrEqual, &[b, a], span),
            Operator::Equal => self.map(Op::Equal, &[a, b], span),
            Operator::NotEqual => self.map(Op::NotEqual, &[a, b], span),
            Operator::Power | Operator::Bar => self.power(a, b, self.span(g), span),
        }
    }

    /// `f ** g`: 2 is Square, integers Pow, one half Sqrt, minus one half Rsqrt, all else Powf.
    fn power(&mut self, f: NodeId, g: NodeId, at: Span, span: Span) -> Result<NodeId, Error> {
        let half = Number::ratio(&Number::integer(1), &Number::integer(2));
        match self.constant(g).cloned() {
            Some(n) if n.as_integer().is_some() && self.dim(g) == 1 => {
                let m = self.exponent(n.as_integer().unwrap_or(0), at)?;
                self.map(Op::Pow(m), &[f], span)
            }
            Some(n) if Some(&n) == half.as_ref() => self.map(Op::Sqrt, &[f], span),
            Some(n) if Some(n.neg()) == half => self.map(Op::Rsqrt, &[f], span),
            _ => self.map(Op::Powf, &[f, g], span),
        }
    }

    fn exponent(&self, m: i64, at: Span) -> Result<i32, Error> {
        if m.abs() > limits::EXPONENT {
            let message = format!("the integer exponent {m} is beyond {}", limits::EXPONENT);
            return Err(self
                .error(ErrorKind::Limit, at, message)
                .help("Powf(f, g) takes any exponent"));
        }
        Ok(m as i32)
    }

    /// The integer that a constant argument stands for.
    fn int(&self, id: AstId) -> Result<i64, Error> {
        let value =
            self.node_of(id).ok().and_then(|node| self.constant(node)).and_then(Number::as_integer);
        value.ok_or_else(|| {
            let message = format!("expected an integer literal, found `{}`", self.written(id));
            self.error(ErrorKind::Syntax, self.span(id), message)
        })
    }

    fn call(&mut self, name: &str, args: &[AstId], span: Span) -> Result<NodeId, Error> {
        let Some(row) = table::find(name) else {
            let at = Span::new(span.start, span.start + name.len() as u32);
            let error = self.error(ErrorKind::Syntax, at, format!("unknown operation `{name}`"));
            let aliases = self.scope.variables.iter().flatten().any(|v| v.name == name);
            return Err(match table::nearest(name, std::iter::empty()) {
                _ if aliases => {
                    error.help(format!("`{name}` is an alias; write `{name} * (...)` to multiply"))
                }
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("the operations are listed by `genred ops`"),
            });
        };
        self.check_count(row, name, args, span)?;
        for (k, arg) in args.iter().enumerate() {
            match row.args[k.min(row.args.len() - 1)] {
                Arg::Expr => drop(self.node_of(*arg)?),
                Arg::Int => drop(self.int(*arg)?),
            }
        }
        match &row.build {
            Build::Elementwise(op) => {
                self.check_broadcast(&format!("`{name}`"), args)?;
                let nodes = self.nodes_of(args)?;
                self.map(op.clone(), &nodes, span)
            }
            Build::Reduce(op) => {
                let f = self.node_of(args[0])?;
                self.reduced(op.clone(), f, span)
            }
            Build::WithInt(make) => {
                let f = self.node_of(args[0])?;
                let n = args.get(1).map_or(Ok(0), |n| self.int(*n))?;
                let at = args.get(1).map_or(span, |n| self.span(*n));
                let op = make(self.exponent(n, at)?);
                self.map(op, &[f], span)
            }
            Build::Rule(rule) => self.rule(*rule, name, args, span),
        }
    }

    fn nodes_of(&self, args: &[AstId]) -> Result<Vec<NodeId>, Error> {
        args.iter().map(|a| self.node_of(*a)).collect()
    }

    /// An operation from components to a scalar; the identity where there is one component.
    fn reduced(&mut self, op: Op, f: NodeId, span: Span) -> Result<NodeId, Error> {
        match (self.dim(f), &op) {
            (1, Op::Sum | Op::Max | Op::Min) => Ok(f),
            (1, _) => self.number(Number::integer(0), 1, span),
            (dim, Op::Sum) if self.constant(f).is_some() => {
                let number = self.constant(f).map(|n| n.mul(&Number::integer(i64::from(dim))));
                self.number(number.unwrap_or_else(|| Number::integer(0)), 1, span)
            }
            _ => self.node(op, vec![f], 1, span),
        }
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
        Err(self.error(ErrorKind::Syntax, span, message).help(row.meaning))
    }
}
