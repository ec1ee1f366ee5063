//! Integer lists, and the products of tensors whose sizes they give.

use super::{Rule, Typed, Typer};
use crate::error::{Error, ErrorKind};
use crate::formula::NodeId;
use crate::formula::op::Axis;
use crate::formula::tensor::Product;
use crate::limits;
use crate::span::Span;
use crate::syntax::AstId;

impl Typer<'_> {
    pub(super) fn list(&mut self, items: &[AstId]) -> Result<Typed, Error> {
        let list = items.iter().map(|item| self.int(*item)).collect::<Result<Vec<i64>, Error>>()?;
        self.lists.push(list);
        Ok(Typed::List(self.lists.len() - 1))
    }

    /// A list argument; an integer is a list of one.
    pub(super) fn list_of(&self, id: AstId) -> Result<Vec<i64>, Error> {
        if let Typed::List(list) = self.typed[id.index()] {
            return Ok(self.lists[list].clone());
        }
        self.int(id).map(|value| vec![value]).map_err(|_| {
            let message = format!("expected a list of integers, found `{}`", self.written(id));
            self.error(ErrorKind::Syntax, self.span(id), message)
                .help("lists are written [2, 3], (2, 3) or Ind(2, 3)")
        })
    }

    /// The axis sizes of an operand, whose product is its dim.
    fn sizes(&self, what: &str, operand: AstId, list: AstId) -> Result<Vec<u32>, Error> {
        let dim = self.dim(self.node_of(operand)?);
        let sizes = self.list_of(list)?;
        if sizes.len() > limits::AXES {
            let message = format!("{} axes; at most {} are accepted", sizes.len(), limits::AXES);
            return Err(self.error(ErrorKind::Limit, self.span(list), message));
        }
        let product = sizes
            .iter()
            .try_fold(1i64, |product, size| product.checked_mul(*size).filter(|_| *size >= 1));
        if product == Some(i64::from(dim)) {
            // Their product is a dim, so each is.
            return Ok(sizes.iter().map(|size| *size as u32).collect());
        }
        let message = format!(
            "{what}: the product of {} must be the dim of `{}`, {dim}",
            self.written(list),
            self.written(operand)
        );
        let error = self.error(ErrorKind::Shape, self.span(list), message);
        Err(error.and_at(self.span(operand), format!("dim {dim}")))
    }

    /// Distinct indices below `count`.
    fn indices(&self, list: AstId, count: usize, of: &str) -> Result<Vec<usize>, Error> {
        let mut seen = vec![false; count];
        let mut indices = Vec::new();
        for value in self.list_of(list)? {
            let index = usize::try_from(value).ok().filter(|k| *k < count);
            let Some(index) = index else {
                let message = format!("axis {value} of {of}, which has {count}");
                return Err(self.error(ErrorKind::Shape, self.span(list), message));
            };
            if std::mem::replace(&mut seen[index], true) {
                let message = format!("axis {value} of {of} is given twice");
                return Err(self.error(ErrorKind::Shape, self.span(list), message));
            }
            indices.push(index);
        }
        Ok(indices)
    }

    pub(super) fn tensor_product(
        &mut self,
        rule: Rule,
        what: &str,
        args: &[AstId],
        span: Span,
    ) -> Result<NodeId, Error> {
        let (f, g) = (self.node_of(args[0])?, self.node_of(args[1])?);
        let sizes_f = self.sizes(what, args[0], args[2])?;
        let sizes_g = self.sizes(what, args[1], args[3])?;
        let product = if rule == Rule::Kron {
            if sizes_f.len() != sizes_g.len() {
                let message = format!("{what} needs as many sizes for both operands");
                let error = self.error(ErrorKind::Shape, self.span(args[2]), message);
                return Err(error
                    .labelled(counted(sizes_f.len(), "size", "sizes"))
                    .and_at(self.span(args[3]), counted(sizes_g.len(), "size", "sizes")));
            }
            let (own, other) = (axes(&sizes_f, true), axes(&sizes_g, false));
            // Each axis of the result is one of f and, faster, one of g.
            let kept = own.into_iter().zip(other).flat_map(|(a, b)| [a, b]).collect();
            Product { kept, summed: Vec::new() }
        } else {
            self.tensor_dot(what, args, &sizes_f, &sizes_g)?
        };
        self.make(span, |graph| graph.contract(f, g, &product))
    }

    fn tensor_dot(
        &self,
        what: &str,
        args: &[AstId],
        sizes_f: &[u32],
        sizes_g: &[u32],
    ) -> Result<Product, Error> {
        let of_f = self.indices(args[4], sizes_f.len(), "the first operand")?;
        let of_g = self.indices(args[5], sizes_g.len(), "the second operand")?;
        if of_f.len() != of_g.len() {
            let message = format!("{what} pairs axes, so it needs as many of both operands");
            let error = self.error(ErrorKind::Shape, self.span(args[4]), message);
            return Err(error
                .labelled(counted(of_f.len(), "axis", "axes"))
                .and_at(self.span(args[5]), counted(of_g.len(), "axis", "axes")));
        }
        let (own, other) = (axes(sizes_f, true), axes(sizes_g, false));
        let mut summed = Vec::new();
        for (a, b) in of_f.iter().zip(&of_g) {
            if own[*a].len != other[*b].len {
                let message = format!("{what} pairs axes of different sizes");
                let error = self.error(ErrorKind::Shape, self.span(args[4]), message);
                return Err(error
                    .labelled(format!("axis {a} has size {}", own[*a].len))
                    .and_at(self.span(args[5]), format!("axis {b} has size {}", other[*b].len)));
            }
            summed.push(Axis { g: other[*b].g, ..own[*a] });
        }
        let left = own.iter().enumerate().filter(|(k, _)| !of_f.contains(k));
        let right = other.iter().enumerate().filter(|(k, _)| !of_g.contains(k));
        let kept: Vec<Axis> = left.chain(right).map(|(_, axis)| *axis).collect();
        let Some(permutation) = args.get(6) else { return Ok(Product { kept, summed }) };
        let places = self.indices(*permutation, kept.len(), "the result")?;
        if places.len() != kept.len() {
            let message =
                format!("the result has {} to place", counted(kept.len(), "axis", "axes"));
            let error = self.error(ErrorKind::Shape, self.span(*permutation), message);
            return Err(error.labelled(counted(places.len(), "place", "places")));
        }
        let mut placed = kept.clone();
        for (axis, place) in kept.iter().zip(places) {
            placed[place] = *axis;
        }
        Ok(Product { kept: placed, summed })
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The axes of a row-major tensor that is the first or the second operand.
fn axes(sizes: &[u32], is_first: bool) -> Vec<Axis> {
    let mut step = 1;
    let mut axes: Vec<Axis> = Vec::with_capacity(sizes.len());
    for size in sizes.iter().rev() {
        let (f, g) = if is_first { (step, 0) } else { (0, step) };
        axes.push(Axis { len: *size, f, g });
        step *= size;
    }
    axes.reverse();
    axes
}
