//! Arguments against aliases.

use super::{Kernel, Shape};
use crate::alias::{Category, Variable};
use crate::dtype::{Element, Float};
use crate::error::{Error, ErrorKind};
use crate::view::View;

/// What is checked of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    /// Whether it has one axis only, and so is a parameter.
    pub(crate) is_vector: bool,
}

impl Extent {
    fn of<T>(view: &View<'_, T>) -> Extent {
        Extent { rows: view.rows(), dim: view.dim(), is_vector: view.is_vector() }
    }
}

impl<T: Element> Kernel<T> {
    /// Check arguments against the aliases; gives the shape of the call.
    pub(crate) fn check(&self, args: &[View<'_, T>]) -> Result<Shape, Error> {
        self.check_extents(args.iter().map(Extent::of))
    }

    /// The same for arguments of which only the extents are known.
    pub(crate) fn check_extents(
        &self,
        args: impl ExactSizeIterator<Item = Extent>,
    ) -> Result<Shape, Error> {
        let plan = &self.inner.plan;
        let variables = &plan.formula.variables;
        if args.len() != variables.len() {
            let names: Vec<&str> = variables.iter().map(|v| v.name.as_str()).collect();
            return Err(Error::shape(format!(
                "{} arguments are given, but the formula has {}: {}",
                args.len(),
                variables.len(),
                names.join(", ")
            )));
        }
        let mut known: [Option<(usize, &Variable)>; 2] = [None, None];
        for (view, variable) in args.zip(variables) {
            check_argument(view, variable)?;
            let axis = match variable.category {
                Category::I => 0,
                Category::J => 1,
                Category::Param => continue,
            };
            match known[axis] {
                None => known[axis] = Some((view.rows, variable)),
                Some((rows, first)) if rows != view.rows => {
                    return Err(Error::shape(format!(
                        "`{}` has {rows} rows, but `{}` has {}: all {} arguments have one row for every {}",
                        first.name,
                        variable.name,
                        view.rows,
                        variable.category.text(),
                        if axis == 0 { "i" } else { "j" },
                    )));
                }
                Some(_) => {}
            }
        }
        let [i, j] = known.map(|axis| axis.map_or(1, |(rows, _)| rows));
        let shape = match plan.rows {
            Category::J => Shape { rows: j, columns: i },
            _ => Shape { rows: i, columns: j },
        };
        self.check_numbers(shape)?;
        Ok(shape)
    }

    /// Refuse to compute with numbers of points that the compute type does not hold exactly.
    pub(crate) fn check_numbers(&self, shape: Shape) -> Result<(), Error> {
        if !self.inner.numbered {
            return Ok(());
        }
        let plan = &self.inner.plan;
        let (m, n) = match plan.rows {
            Category::J => (shape.columns, shape.rows),
            _ => (shape.rows, shape.columns),
        };
        let (most, next) = match plan.float {
            Float::F32 => (1u128 << 24, "float64 arrays, or `Accumulate::Double` for sums, hold"),
            Float::F64 => (1u128 << 53, "nothing holds"),
        };
        match plan.formula.largest_index(m, n) {
            Some(largest) if largest > most => Err(Error::new(
                ErrorKind::Range,
                format!(
                    "with {m} points i and {n} points j an index form of the formula reaches {largest}, \
                     but {} holds integers exactly up to {most} only",
                    plan.float.name()
                ),
            )
            .help(format!("{next} more"))),
            _ => Ok(()),
        }
    }
}

fn check_argument(view: Extent, variable: &Variable) -> Result<(), Error> {
    let Variable { name, category, dim } = variable;
    let declared = format!("`{name} = {}({dim})`", category.text());
    if *category != Category::Param && view.is_vector {
        return Err(Error::shape(format!(
            "`{name}` is a one-dimensional array of {} numbers, but {declared} needs rows of {dim}",
            view.dim
        ))
        .help("`View::new(&data, rows, dim)` makes rows of a slice"));
    }
    if view.dim != *dim as usize {
        return Err(Error::shape(format!(
            "`{name}` has dim {}, but the alias is {declared}",
            view.dim
        )));
    }
    if *category == Category::Param && view.rows != 1 {
        return Err(Error::shape(format!(
            "`{name}` has {} rows, but {declared} is one vector for the whole call",
            view.rows
        )));
    }
    Ok(())
}
