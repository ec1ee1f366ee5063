//! Whether what is asked for can be had of a typed formula.

use super::{Axis, Genred};
use crate::alias::{self, Role};
use crate::dtype::{Element, Float};
use crate::error::{Error, ErrorKind};
use crate::formula::{Category, Formula};
use crate::loops::build::Scheme;
use crate::reduce::{Accumulate, Family, Reduction, Weight};
use crate::span::Span;

impl<T: Element> Genred<T> {
    /// Check the demands of one of the reductions that are asked for. A weight is for those that take one.
    pub(super) fn check_reduction(
        &self,
        reduction: Reduction,
        asked: &[Reduction],
        formula: &Formula,
    ) -> Result<(), Error> {
        let (name, dim) = (reduction.name(), formula.root_dim(0));
        let is_used = asked.iter().any(|other| other.weight() != Weight::Refused);
        match (reduction.weight(), &self.weight) {
            _ if self.stated.is_some() => {}
            (Weight::Required, None) => {
                return Err(Error::usage(format!("`{name}` needs a weight formula")));
            }
            (Weight::Refused, Some(weight)) if !is_used => {
                let message = format!("`{name}` takes no weight formula");
                let at = whole(weight);
                return Err(Error::at(ErrorKind::Usage, "weight", weight, at, message));
            }
            _ => {}
        }
        if reduction.family() == Family::Exponential && dim != 1 {
            let message = format!("`{name}` needs a formula of dim 1; this one has dim {dim}");
            let at = whole(&self.formula);
            return Err(Error::at(ErrorKind::Shape, "formula", &self.formula, at, message));
        }
        if let Some(k) = reduction.k()
            && !(1..=crate::limits::K as u32).contains(&k)
        {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("K of `{name}` must be from 1 to {}, not {k}", crate::limits::K),
            ));
        }
        Ok(())
    }

    /// Check the declared output, that of the first reduction; gives the category of the result's rows.
    pub(super) fn check_output(&self, formula: &Formula) -> Result<Category, Error> {
        let (name, dim) = (self.reduction.name(), formula.root_dim(0));
        let weight = (formula.roots.len() > 1).then(|| formula.root_dim(1));
        let result = self.reduction.output_dim(dim, weight);
        let declared = self.output.as_deref().map(|text| alias::parse(text, Role::Output));
        let Some(declared) = declared.transpose()? else {
            return match self.axis {
                Some(Axis::I) => Ok(Category::J),
                Some(Axis::J) => Ok(Category::I),
                None => Err(Error::usage("neither an output nor an axis is given").help(
                    "`.output(\"a = Vi(1)\")` gives a result row for every i, `Vj` for every j",
                )),
            };
        };
        let text = self.output.as_deref().unwrap_or_default();
        if declared.dim != result {
            let message = format!(
                "the output is declared with dim {}, but {name} of this formula has dim {result}",
                declared.dim
            );
            return Err(Error::at(ErrorKind::Shape, "output", text, whole(text), message));
        }
        let rows = declared.category;
        if self.axis.is_some_and(|axis| (axis == Axis::J) != (rows == Category::I)) {
            let message =
                format!("the output has {} rows, but the axis given leaves the other", rows.text());
            return Err(Error::at(ErrorKind::Usage, "output", text, whole(text), message));
        }
        Ok(rows)
    }
}

fn whole(text: &str) -> Span {
    Span::new(0, text.len() as u32)
}

/// The accumulation scheme of an option, and the type to compute in.
pub(super) fn scheme(
    accumulate: Accumulate,
    reduction: Reduction,
    float: Float,
) -> Result<(Scheme, Float), Error> {
    if reduction.family() == Family::Selection && accumulate != Accumulate::Auto {
        let message = format!(
            "`{}` does not accumulate sums, so it takes no accumulation scheme",
            reduction.name()
        );
        return Err(Error::usage(message));
    }
    Ok(match accumulate {
        Accumulate::Auto | Accumulate::Block => (Scheme::Block, float),
        Accumulate::Direct => (Scheme::Direct, float),
        Accumulate::Kahan => (Scheme::Kahan, float),
        Accumulate::Double => (Scheme::Block, Float::F64),
    })
}
