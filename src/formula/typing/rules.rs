//! Operations whose dims or meaning need more than a broadcast; most are written in terms of simpler ones.

use super::Typer;
use crate::alias::inline_name;
use crate::error::{Error, ErrorKind};
use crate::formula::number::Number;
use crate::formula::op::Op;
use crate::formula::table::Rule;
use crate::formula::{Category, NodeId, Variable};
use crate::limits;
use crate::span::Span;
use crate::syntax::AstId;

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
                let n = self.int(args[0])?;
                self.number(Number::integer(n), 1, span)
            }
            Rule::RatCst => {
                self.ratio((args[0], self.int(args[0])?), (args[1], self.int(args[1])?), span)
            }
            Rule::IntInv => self.ratio((args[0], 1), (args[0], self.int(args[0])?), span),
            Rule::Zero => {
                let dim = self.dim_argument(args[0])?;
                self.number(Number::integer(0), dim, span)
            }
            Rule::Var => self.variable(name, args, span),
            Rule::Identity => self.node_of(args[0]),
            Rule::ClampInt => {
                let nodes = self.nodes_of(args)?;
                self.map(Op::Clamp, &nodes, span)
            }
            Rule::DiffClampInt => {
                let nodes = self.nodes_of(args)?;
                let below = self.map(Op::LessThan, &[nodes[0], nodes[1]], span)?;
                let above = self.map(Op::LessThan, &[nodes[2], nodes[0]], span)?;
                let outside = self.map(Op::Add, &[below, above], span)?;
                let zero = self.number(Number::integer(0), 1, span)?;
                self.map(Op::LessOrEqual, &[outside, zero], span)
            }
            Rule::SumT => {
                self.need_dim(&what, args[0], 1)?;
                let dim = self.dim_argument(args[1])?;
                let f = self.node_of(args[0])?;
                self.repeated(f, dim, span)
            }
            Rule::Scalprod => self.scalar_product(&what, args[0], args[1], span),
            Rule::SqNorm2 => {
                let f = self.node_of(args[0])?;
                self.square_norm(f, span)
            }
            Rule::Norm2 => {
                let f = self.node_of(args[0])?;
                let square = self.square_norm(f, span)?;
                self.map(Op::Sqrt, &[square], span)
            }
            Rule::Normalize => {
                let f = self.node_of(args[0])?;
                let square = self.square_norm(f, span)?;
                let inverse = self.map(Op::Rsqrt, &[square], span)?;
                self.map(Op::Mul, &[inverse, f], span)
            }
            Rule::SqDist => {
                self.check_broadcast(&what, args)?;
                let nodes = self.nodes_of(args)?;
                let difference = self.map(Op::Sub, &nodes, span)?;
                self.square_norm(difference, span)
            }
            Rule::WeightedSqNorm | Rule::SqNormIso | Rule::SqNormDiag | Rule::SymSqNorm => {
                let f = self.node_of(args[1])?;
                self.weighted_norm(rule, &what, args[0], (args[1], f), span)
            }
            Rule::WeightedSqDist => {
                self.check_broadcast(&what, &args[1..])?;
                let nodes = self.nodes_of(&args[1..])?;
                let difference = self.map(Op::Sub, &nodes, span)?;
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
                let dim = nodes.iter().map(|n| self.dim(*n)).fold(0, u32::saturating_add);
                self.node(Op::Concat, nodes, dim, span)
            }
            Rule::OneHot => {
                self.need_dim(&what, args[0], 1)?;
                let dim = self.dim_argument(args[1])?;
                let f = self.node_of(args[0])?;
                self.node(Op::OneHot, vec![f], dim, span)
            }
            Rule::MatVecMult => {
                self.matrix_product(Op::MatVecMult, &what, args[0], args[1], args, span)
            }
            Rule::VecMatMult => {
                self.matrix_product(Op::VecMatMult, &what, args[1], args[0], args, span)
            }
            Rule::TensorProd => {
                let nodes = self.nodes_of(args)?;
                let dim = self.dim(nodes[0]).saturating_mul(self.dim(nodes[1]));
                self.node(Op::TensorProd, nodes, dim, span)
            }
        }
    }

    fn ratio(&mut self, p: (AstId, i64), q: (AstId, i64), span: Span) -> Result<NodeId, Error> {
        let (n, d) = (Number::integer(p.1), Number::integer(q.1));
        let number = Number::ratio(&n, &d).ok_or_else(|| {
            self.error(ErrorKind::Syntax, self.span(q.0), "the denominator is zero")
        })?;
        self.number(number, 1, span)
    }

    /// A dim given as an integer argument.
    fn dim_argument(&self, id: AstId) -> Result<u32, Error> {
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

    fn need_dim(&self, what: &str, id: AstId, dim: u32) -> Result<(), Error> {
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
        if self.scope.variables.len() <= position {
            self.scope.variables.resize(position + 1, None);
        }
        match &self.scope.variables[position] {
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
                self.scope.variables[position] = Some(Variable { name, category, dim });
            }
        }
        self.node(Op::Variable(position as u32), Vec::new(), dim, span)
    }

    fn square_norm(&mut self, f: NodeId, span: Span) -> Result<NodeId, Error> {
        let square = self.map(Op::Square, &[f], span)?;
        self.reduced(Op::Sum, square, span)
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
        if a == b {
            return self.square_norm(a, span);
        }
        if da == db && da > 1 && self.constant(a).is_none() && self.constant(b).is_none() {
            return self.node(Op::Scalprod, vec![a, b], 1, span);
        }
        if da == 1 || db == 1 {
            let (a, b) = (self.reduced(Op::Sum, a, span)?, self.reduced(Op::Sum, b, span)?);
            return self.map(Op::Mul, &[a, b], span);
        }
        let product = self.map(Op::Mul, &[a, b], span)?;
        self.reduced(Op::Sum, product, span)
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
            let norm = self.square_norm(f, span)?;
            return self.map(Op::Mul, &[weight, norm], span);
        }
        if ds == d && (any || rule == Rule::SqNormDiag) {
            let scaled = self.map(Op::Mul, &[weight, f], span)?;
            return self.node(Op::Scalprod, vec![scaled, f], 1, span);
        }
        if Some(ds) == full && (any || rule == Rule::SymSqNorm) {
            let product = self.node(Op::MatVecMult, vec![weight, f], d, span)?;
            return self.node(Op::Scalprod, vec![f, product], 1, span);
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
        if dim == length {
            return Ok(node);
        }
        if let Some(number) = self.constant(node).cloned() {
            return self.number(number, dim as u32, span);
        }
        self.node(Op::Extract { start: start as u32 }, vec![node], dim as u32, span)
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
        if length == i64::from(size) {
            return Ok(node);
        }
        self.node(Op::Insert { start: start as u32 }, vec![node], size, span)
    }

    fn matrix_product(
        &mut self,
        op: Op,
        what: &str,
        matrix: AstId,
        vector: AstId,
        args: &[AstId],
        span: Span,
    ) -> Result<NodeId, Error> {
        let (m, v) = (self.dim(self.node_of(matrix)?), self.dim(self.node_of(vector)?));
        if m % v != 0 {
            return Err(self.mismatch(
                what,
                (matrix, m),
                (vector, v),
                "the vector's dim to divide the matrix's",
            ));
        }
        let nodes = self.nodes_of(args)?;
        self.node(op, nodes, m / v, span)
    }
}
