//! Operations whose dims or meaning need more than a broadcast; most are written in terms of simpler ones.

use super::Typer;
use crate::alias::inline_name;
use crate::error::{Error, ErrorKind};
use crate::formula::graph::Refusal;
use crate::formula::number::Number;
use crate::formula::op::Op;
use crate::formula::tensor::Product;
use crate::formula::{Category, NodeId, Variable};
use crate::limits;
use crate::span::Span;
use crate::syntax::AstId;

/// Operations whose typing is more than a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the operation of its table row")]
pub enum Rule {
    IntCst,
    RatCst,
    IntInv,
    Zero,
    IndexI,
    IndexJ,
    Var,
    ClampInt,
    DiffClampInt,
    SumT,
    Scalprod,
    SqNorm2,
    Norm2,
    Normalize,
    SqDist,
    WeightedSqNorm,
    WeightedSqDist,
    SqNormIso,
    SqNormDiag,
    SymSqNorm,
    Elem,
    ElemT,
    Extract,
    ExtractT,
    Concat,
    OneHot,
    MatVecMult,
    VecMatMult,
    TensorProd,
    TensorDot,
    Kron,
    Ind,
    BSpline,
    SoftDtw,
    Identity,
}

impl Typer<'_> {
    pub(super) fn rule(
        &mut self,
        rule: Rule,
        name: &str,
        args: &[AstId],
        span: Span,
    ) -> Result<NodeId, Error> {
        let what = format!("`{name}`");
        match rule {
            Rule::IntCst => {
                let f = self.node_of(args[0])?;
                match self.graph.constant(f).is_some_and(Number::is_integer) {
                    true => Ok(f),
                    false => self.int(args[0]).and(Ok(f)),
                }
            }
            Rule::RatCst => self.quotient(args[0], args[1], span),
            Rule::IntInv => {
                let one = self.make(span, |g| g.integer(1, 1))?;
                let n = self.node_of(args[0])?;
                if self.graph.is_zero(n) {
                    let message = "the denominator is zero";
                    return Err(self.error(ErrorKind::Syntax, self.span(args[0]), message));
                }
                self.make(span, |g| g.div(one, n))
            }
            Rule::Zero => {
                let dim = self.dim_argument(args[0])?;
                self.make(span, |g| g.integer(0, dim))
            }
            Rule::IndexI => self.make(span, |g| g.index(true)),
            Rule::IndexJ => self.make(span, |g| g.index(false)),
            Rule::Var => self.variable(name, args, span),
            Rule::Identity => self.node_of(args[0]),
            Rule::ClampInt => {
                let nodes = self.nodes_of(args)?;
                self.make(span, |g| g.map(Op::Clamp, &nodes))
            }
            Rule::DiffClampInt => {
                let nodes = self.nodes_of(args)?;
                self.make(span, |g| {
                    let below = g.map(Op::LessThan, &[nodes[0], nodes[1]])?;
                    let above = g.map(Op::LessThan, &[nodes[2], nodes[0]])?;
                    let outside = g.add(below, above)?;
                    let zero = g.integer(0, 1)?;
                    g.map(Op::LessOrEqual, &[outside, zero])
                })
            }
            Rule::SumT => {
                self.need_dim(&what, args[0], 1)?;
                let dim = self.dim_argument(args[1])?;
                let f = self.node_of(args[0])?;
                self.make(span, |g| g.repeated(f, dim))
            }
            Rule::Scalprod => self.scalar_product(&what, args[0], args[1], span),
            Rule::SqNorm2 => {
                let f = self.node_of(args[0])?;
                self.make(span, |g| g.square_norm(f))
            }
            Rule::Norm2 => {
                let f = self.node_of(args[0])?;
                self.make(span, |g| {
                    let square = g.square_norm(f)?;
                    g.map(Op::Sqrt, &[square])
                })
            }
            Rule::Normalize => {
                let f = self.node_of(args[0])?;
                self.make(span, |g| {
                    let square = g.square_norm(f)?;
                    let inverse = g.map(Op::Rsqrt, &[square])?;
                    g.mul(inverse, f)
                })
            }
            Rule::SqDist => {
                let difference = self.difference(&what, args, span)?;
                self.make(span, |g| g.square_norm(difference))
            }
            Rule::WeightedSqNorm | Rule::SqNormIso | Rule::SqNormDiag | Rule::SymSqNorm => {
                let f = self.node_of(args[1])?;
                self.weighted_norm(rule, &what, args[0], (args[1], f), span)
            }
            Rule::WeightedSqDist => {
                let difference = self.difference(&what, &args[1..], span)?;
                self.weighted_norm(rule, &what, args[0], (args[1], difference), span)
            }
            Rule::Elem => {
                let start = self.int(args[1])?;
                self.extract(args[0], (args[1], start), (args[1], 1), span)
            }
            Rule::Extract => {
                let (start, dim) = (self.int(args[1])?, self.int(args[2])?);
                self.extract(args[0], (args[1], start), (args[2], dim), span)
            }
            Rule::ElemT => {
                self.need_dim(&what, args[0], 1)?;
                self.insert(args[0], args[2], args[1], span)
            }
            Rule::ExtractT => self.insert(args[0], args[1], args[2], span),
            Rule::Concat => {
                let nodes = self.nodes_of(args)?;
                self.make(span, |g| g.concat(&nodes))
            }
            Rule::OneHot => {
                self.need_dim(&what, args[0], 1)?;
                let dim = self.dim_argument(args[1])?;
                let f = self.node_of(args[0])?;
                self.make(span, |g| g.one_hot(f, dim))
            }
            Rule::MatVecMult | Rule::VecMatMult | Rule::TensorProd => {
                self.matrix_product(rule, &what, args[0], args[1], span)
            }
            Rule::TensorDot | Rule::Kron => self.tensor_product(rule, &what, args, span),
            Rule::Ind => unreachable!("`Ind` makes a list, which `call` returns"),
            Rule::BSpline => self.b_spline(&what, args, span),
            Rule::SoftDtw => {
                self.need_dim(&what, args[2], 1)?;
                let nodes = self.nodes_of(args)?;
                let cells = u64::from(self.dim(nodes[0])) * u64::from(self.dim(nodes[1]));
                // The gradient holds a value a cell and one more.
                if cells >= limits::DIM as u64 {
                    return Err(self.refused(Refusal::Dim(cells + 1), span));
                }
                self.make(span, |g| g.node(Op::SoftDtw, nodes, 1))
            }
        }
    }

    /// f - g, for operations on differences.
    fn difference(&mut self, what: &str, args: &[AstId], span: Span) -> Result<NodeId, Error> {
        self.check_broadcast(what, args)?;
        let nodes = self.nodes_of(args)?;
        self.make(span, |g| g.sub(nodes[0], nodes[1]))
    }

    fn b_spline(&mut self, what: &str, args: &[AstId], span: Span) -> Result<NodeId, Error> {
        self.need_dim(what, args[1], 1)?;
        let (knots, x, degree) =
            (self.node_of(args[0])?, self.node_of(args[1])?, self.int(args[2])?);
        let n = self.dim(knots);
        if degree < 0 {
            let message = format!("the degree must be at least 0, not {degree}");
            return Err(self.error(ErrorKind::Shape, self.span(args[2]), message));
        }
        let Some(degree) = u32::try_from(degree).ok().filter(|k| *k <= n.saturating_sub(2)) else {
            let message = format!(
                "{what} of degree {degree} needs at least {} knots",
                degree.saturating_add(2)
            );
            let error = self.error(ErrorKind::Shape, self.span(args[0]), message);
            return Err(error.labelled(format!("dim {n}")));
        };
        if n < 2 {
            let message = format!("{what} needs at least 2 knots");
            let error = self.error(ErrorKind::Shape, self.span(args[0]), message);
            return Err(error.labelled(format!("dim {n}")));
        }
        self.make(span, |g| g.b_spline(knots, x, degree))
    }

    /// A dim given as an integer argument.
    pub(super) fn dim_argument(&self, id: AstId) -> Result<u32, Error> {
        let value = self.int(id)?;
        if value < 1 {
            return Err(self.error(
                ErrorKind::Shape,
                self.span(id),
                format!("the dim must be at least 1, not {value}"),
            ));
        }
        u32::try_from(value).ok().filter(|v| *v as usize <= limits::DIM).ok_or_else(|| {
            let message = format!("the dim is {value}; at most {} is accepted", limits::DIM);
            self.error(ErrorKind::Limit, self.span(id), message)
        })
    }

    pub(super) fn need_dim(&self, what: &str, id: AstId, dim: u32) -> Result<(), Error> {
        let found = self.dim(self.node_of(id)?);
        if found == dim {
            return Ok(());
        }
        let message =
            format!("{what} needs an operand of dim {dim}: `{}` has dim {found}", self.written(id));
        Err(self.error(ErrorKind::Shape, self.span(id), message).labelled(format!("dim {found}")))
    }

    /// An inline variable: `Var(k, dim, category)` or `Vi(k, dim)`.
    fn variable(&mut self, name: &str, args: &[AstId], span: Span) -> Result<NodeId, Error> {
        let category = match args.get(2) {
            None => Category::of(name),
            Some(id) => u64::try_from(self.int(*id)?).ok().and_then(Category::from_number),
        };
        let Some(category) = category else {
            let at = args.get(2).map_or(span, |id| self.span(*id));
            return Err(self.error(
                ErrorKind::Syntax,
                at,
                "the category is 0 for i, 1 for j or 2 for a parameter",
            ));
        };
        let position = self.int(args[0])?;
        let position =
            usize::try_from(position).ok().filter(|p| *p < limits::ALIASES).ok_or_else(|| {
                let message =
                    format!("the position {position} is not from 0 to {}", limits::ALIASES - 1);
                self.error(ErrorKind::Limit, self.span(args[0]), message)
            })?;
        let dim = self.dim_argument(args[1])?;
        if self.graph.variables.len() <= position {
            self.graph.variables.resize(position + 1, None);
        }
        match &self.graph.variables[position] {
            Some(known) if known.category == category && known.dim == dim => {}
            Some(known) => {
                let message = format!(
                    "argument {position} is `{}` = {}({}), not {}({dim})",
                    known.name,
                    known.category.text(),
                    known.dim,
                    category.text()
                );
                return Err(self.error(ErrorKind::Shape, span, message));
            }
            None => {
                let name = inline_name(position as u32, dim, category);
                self.graph.variables[position] = Some(Variable { name, category, dim });
            }
        }
        self.make(span, |g| g.variable(position as u32))
    }

    /// `f | g`; a dim-1 operand multiplies the sum of the other.
    pub(super) fn scalar_product(
        &mut self,
        what: &str,
        f: AstId,
        g: AstId,
        span: Span,
    ) -> Result<NodeId, Error> {
        let (a, b) = (self.node_of(f)?, self.node_of(g)?);
        let (da, db) = (self.dim(a), self.dim(b));
        if da != db && da != 1 && db != 1 {
            return Err(self.mismatch(what, (f, da), (g, db), "equal dims, or dim 1"));
        }
        self.make(span, |graph| graph.scalar_product(a, b))
    }

    fn weighted_norm(
        &mut self,
        rule: Rule,
        what: &str,
        s: AstId,
        (written, f): (AstId, NodeId),
        span: Span,
    ) -> Result<NodeId, Error> {
        let weight = self.node_of(s)?;
        let (ds, d) = (self.dim(weight), self.dim(f));
        let full = d.checked_mul(d);
        let any = matches!(rule, Rule::WeightedSqNorm | Rule::WeightedSqDist);
        if ds == 1 && (any || rule == Rule::SqNormIso || d == 1) {
            return self.make(span, |g| {
                let norm = g.square_norm(f)?;
                g.mul(weight, norm)
            });
        }
        if ds == d && (any || rule == Rule::SqNormDiag) {
            return self.make(span, |g| {
                let scaled = g.mul(weight, f)?;
                g.scalar_product(scaled, f)
            });
        }
        if Some(ds) == full && (any || rule == Rule::SymSqNorm) {
            return self.make(span, |g| {
                let product = g.contract(weight, f, &Product::mat_vec(d, d))?;
                g.scalar_product(f, product)
            });
        }
        let wanted = match rule {
            Rule::SqNormIso => "a weight of dim 1".to_owned(),
            Rule::SqNormDiag => format!("a weight of dim {d}"),
            Rule::SymSqNorm => format!("a weight of dim {d}*{d}"),
            _ => format!("a weight of dim 1, {d} or {d}*{d}"),
        };
        Err(self.mismatch(what, (s, ds), (written, d), &wanted))
    }

    /// Components `start .. start + dim`.
    pub(super) fn extract(
        &mut self,
        f: AstId,
        (start_at, start): (AstId, i64),
        (dim_at, dim): (AstId, i64),
        span: Span,
    ) -> Result<NodeId, Error> {
        let node = self.node_of(f)?;
        let length = i64::from(self.dim(node));
        let outside = |at: AstId, message: String| {
            let error = self.error(ErrorKind::Shape, self.span(at), message);
            error.and_at(self.span(f), format!("dim {length}"))
        };
        if start < 0 || start >= length {
            return Err(outside(
                start_at,
                format!("component {start} of `{}`, which has dim {length}", self.written(f)),
            ));
        }
        if dim < 1 {
            return Err(outside(
                dim_at,
                format!("a part of {dim} components; at least 1 is needed"),
            ));
        }
        if start.saturating_add(dim) > length {
            let message = format!(
                "components {start} to {} of `{}`, which has dim {length}",
                start.saturating_add(dim) - 1,
                self.written(f)
            );
            return Err(outside(dim_at, message));
        }
        self.make(span, |g| g.extract(node, start as u32, dim as u32))
    }

    /// `f` at `start` in `size` zeros.
    fn insert(
        &mut self,
        f: AstId,
        start_at: AstId,
        size_at: AstId,
        span: Span,
    ) -> Result<NodeId, Error> {
        let node = self.node_of(f)?;
        let (length, start) = (i64::from(self.dim(node)), self.int(start_at)?);
        let size = self.dim_argument(size_at)?;
        if start < 0 || start.saturating_add(length) > i64::from(size) {
            let message = format!(
                "`{}` has dim {length} and does not fit at {start} in {size} components",
                self.written(f)
            );
            let error = self.error(ErrorKind::Shape, self.span(start_at), message);
            return Err(error.and_at(self.span(f), format!("dim {length}")));
        }
        self.make(span, |g| g.insert(node, start as u32, size))
    }

    fn matrix_product(
        &mut self,
        rule: Rule,
        what: &str,
        f: AstId,
        g: AstId,
        span: Span,
    ) -> Result<NodeId, Error> {
        let (a, b) = (self.node_of(f)?, self.node_of(g)?);
        let (da, db) = (self.dim(a), self.dim(b));
        let needs = "the vector's dim to divide the matrix's";
        let product = match rule {
            Rule::MatVecMult if da % db == 0 => Product::mat_vec(da / db, db),
            Rule::VecMatMult if db % da == 0 => Product::vec_mat(da, db / da),
            Rule::TensorProd => Product::outer(da, db),
            _ => return Err(self.mismatch(what, (f, da), (g, db), needs)),
        };
        self.make(span, |graph| graph.contract(a, b, &product))
    }
}
