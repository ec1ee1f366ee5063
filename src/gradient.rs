//! Derivatives of whole reductions: [`Kernel::grad`] from a seed of the result to a variable, [`Kernel::diff`] from a change of a
//! variable to the result. Each is a reduction of its own, compiled and called like any other.
//!
//! ```
//! use genred::{View, generic_logsumexp};
//! let soft = generic_logsumexp::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let args = [View::new(&[0.0], 1, 1)?, View::new(&[1.0, 3.0], 2, 1)?];
//! let one = View::new(&[1.0], 1, 1)?;
//! // At x = 0 all y have the same weight: the slope is their mean.
//! assert_eq!(soft.grad("x")?.call(&args, one)?.as_slice(), [2.0]);
//! assert_eq!(soft.diff("x")?.call(&args, one)?.as_slice(), [2.0]);
//! # Ok::<(), genred::Error>(())
//! ```

use crate::alias::Category;
use crate::array::Array;
use crate::dtype::Element;
use crate::engine::Plan;
use crate::error::{Error, ErrorKind};
use crate::formula::grad::{Derivative, Direction, Extra, Outer, at_selected, derivative};
use crate::kernel::{Kernel, Over};
use crate::loops::build::Scheme;
use crate::reduce::Reduction;
use crate::view::View;

/// The gradient of a reduction by one variable.
///
/// For a reduction with result a, call it with the arguments of the reduction and a seed e shaped like a: it gives the gradient of
/// the sum of `e * a` by the variable, shaped like the variable.
///
/// ```
/// use genred::{View, generic_sum};
/// let energy = generic_sum::<f64>("SqDist(x, y)", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y, e) = ([1.0, 2.0], [0.0, 5.0], [1.0, 1.0]);
/// let args = [View::new(&x, 2, 1)?, View::new(&y, 2, 1)?];
/// let by_x = energy.grad("x")?.call(&args, View::new(&e, 2, 1)?)?;
/// assert_eq!(by_x.as_slice(), [2.0 * (1.0 - 0.0) + 2.0 * (1.0 - 5.0), 2.0 * 2.0 + 2.0 * -3.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradient<T> {
    forward: Kernel<T>,
    variable: usize,
    how: How<T>,
}

#[derive(Clone, Debug)]
enum How<T> {
    /// A sum over pairs.
    Pairs(Pairs<T>),
    /// One pair a row and kept value: for each component of F a sum over that pair.
    Selected(Vec<Kernel<T>>),
    /// Indices do not change with the variable.
    Zero,
}

/// The derivative of a reduction by one variable in the direction of a change of it.
///
/// ```
/// use genred::{View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y, u) = ([1.0], [2.0, 3.0], [0.0, 10.0]);
/// let args = [View::new(&x, 1, 1)?, View::new(&y, 2, 1)?];
/// assert_eq!(sum.diff("y")?.call(&args, View::new(&u, 2, 1)?)?.as_slice(), [10.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tangent<T> {
    forward: Kernel<T>,
    pairs: Pairs<T>,
}

/// A derivative that is a sum over pairs, with what else it needs.
#[derive(Clone, Debug)]
struct Pairs<T> {
    kernel: Kernel<T>,
    extra: Vec<Extra>,
    /// For softmax means the log of the sum of exponentials.
    log_sum: Option<Kernel<T>>,
}

impl<T: Element> Kernel<T> {
    /// The gradient by the variable of a name. Sum, LogSumExp, SumSoftMaxWeight, Min, Max and KMin have one; index reductions
    /// have a zero one.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let energy = generic_sum::<f64>("SqDist(x, y)", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = (View::new(&[1.0, 2.0], 2, 1)?, View::new(&[0.0, 5.0], 2, 1)?);
    /// // Of the sum of all results: the seed is a number for each.
    /// let by_x = energy.grad("x")?.call(&[x, y], View::new(&[1.0, 1.0], 2, 1)?)?;
    /// assert_eq!(by_x.as_slice(), [-6.0, -2.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` if there is no such variable, or no derivative; `Limit` if the derivative is too large.
    pub fn grad(&self, name: &str) -> Result<Gradient<T>, Error> {
        let variable = self.variable(name)?;
        let plan = self.plan();
        let how = match plan.reduction {
            Reduction::ArgMin | Reduction::ArgMax | Reduction::ArgKMin(_) => How::Zero,
            Reduction::Min
            | Reduction::Max
            | Reduction::KMin(_)
            | Reduction::MinArgMin
            | Reduction::MaxArgMax
            | Reduction::KMinArgKMin(_) => {
                let components = 0..plan.formula.root_dim(0);
                let kernels = components.map(|component| {
                    let formula =
                        at_selected(&plan.formula, plan.rows, component, variable as u32)?;
                    self.sibling(self.derived(formula, plan.rows))
                });
                How::Selected(kernels.collect::<Result<_, Error>>()?)
            }
            _ => How::Pairs(self.pairs(variable, Direction::Adjoint)?),
        };
        Ok(Gradient { forward: self.clone(), variable, how })
    }

    /// The directional derivative by the variable of a name, of Sum, LogSumExp or SumSoftMaxWeight.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let energy = generic_sum::<f64>("SqDist(x, y)", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = (View::new(&[1.0, 2.0], 2, 1)?, View::new(&[0.0, 5.0], 2, 1)?);
    /// // By how much the results change if only the first x moves.
    /// let change = energy.diff("x")?.call(&[x, y], View::new(&[1.0, 0.0], 2, 1)?)?;
    /// assert_eq!(change.as_slice(), [-6.0, 0.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`grad`](Kernel::grad).
    pub fn diff(&self, name: &str) -> Result<Tangent<T>, Error> {
        let variable = self.variable(name)?;
        let pairs = self.pairs(variable, Direction::Tangent)?;
        Ok(Tangent { forward: self.clone(), pairs })
    }

    /// The position of an argument.
    pub(crate) fn variable(&self, name: &str) -> Result<usize, Error> {
        let variables = &self.plan().formula.variables;
        variables.iter().position(|v| v.name == name).ok_or_else(|| {
            let names = self.plan().formula.names().replace(',', ", ");
            Error::usage(format!("no argument is named `{name}`"))
                .help(format!("the arguments are {names}"))
        })
    }

    fn pairs(&self, variable: usize, direction: Direction) -> Result<Pairs<T>, Error> {
        let plan = self.plan();
        let outer = match plan.reduction {
            Reduction::Sum => Outer::Sum,
            Reduction::LogSumExp => Outer::LogSumExp,
            Reduction::SumSoftMaxWeight => Outer::SumSoftMax,
            other => {
                let message = format!("`{}` has no derivative of this kind", other.name());
                return Err(Error::new(ErrorKind::Usage, message));
            }
        };
        let Derivative { formula, rows, extra } =
            derivative(&plan.formula, outer, plan.rows, variable as u32, direction)?;
        let kernel = self.sibling(self.derived(formula, rows))?;
        let log_sum = if extra.contains(&Extra::LogSum) {
            let mut formula = plan.formula.clone();
            formula.roots.truncate(1);
            let plan = Plan { reduction: Reduction::LogSumExp, ..self.derived(formula, plan.rows) };
            Some(self.sibling(plan)?)
        } else {
            None
        };
        Ok(Pairs { kernel, extra, log_sum })
    }

    /// The plan of a sum of a derived formula, with this kernel's precision.
    fn derived(&self, formula: crate::formula::Formula, rows: Category) -> Plan {
        let Plan { text, scheme, float, stored, .. } = self.plan();
        let scheme = if *scheme == Scheme::Kahan { Scheme::Kahan } else { Scheme::Block };
        Plan {
            text: text.clone(),
            formula,
            rows,
            reduction: Reduction::Sum,
            beside: Vec::new(),
            scheme,
            float: *float,
            stored: *stored,
        }
    }
}

impl<T: Element> Pairs<T> {
    /// The sum, with `given` as seed or change.
    fn call(
        &self,
        forward: &Kernel<T>,
        args: &[View<'_, T>],
        given: View<'_, T>,
        over: Over<'_>,
    ) -> Result<Array<T>, Error> {
        let wants = |extra: Extra| self.extra.contains(&extra);
        let result =
            if wants(Extra::Result) { Some(forward.values_over(args, over)?) } else { None };
        let log_sum = self.log_sum.as_ref().map(|kernel| kernel.values_over(args, over));
        let log_sum = log_sum.transpose()?;
        let mut all = args.to_vec();
        for extra in &self.extra {
            all.push(match extra {
                Extra::Seed | Extra::Change => given,
                Extra::Result => result.as_ref().expect("it was made").view(),
                Extra::LogSum => log_sum.as_ref().expect("it was made").view(),
            });
        }
        self.kernel.values_over(&all, over)
    }
}

impl<T: Element> Tangent<T> {
    /// The change of the result for a change of the variable, shaped like it.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * Square(y)", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let args = [View::new(&[1.0], 1, 1)?, View::new(&[2.0, 3.0], 2, 1)?];
    /// // 2 * 2 * 10 + 2 * 3 * 1.
    /// let change = sum.diff("y")?.call(&args, View::new(&[10.0, 1.0], 2, 1)?)?;
    /// assert_eq!(change.as_slice(), [46.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if an argument or the change does not fit.
    pub fn call(&self, args: &[View<'_, T>], change: View<'_, T>) -> Result<Array<T>, Error> {
        self.forward.check(args)?;
        self.pairs.call(&self.forward, args, change, Over::All)
    }
}

impl<T: Element> Gradient<T> {
    /// The gradient for a seed that is shaped like the reduction's result; it is shaped like the variable (a parameter: one row).
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * Square(y)", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let args = [View::new(&[1.0, 10.0], 2, 1)?, View::new(&[2.0, 3.0], 2, 1)?];
    /// let by_y = sum.grad("y")?.call(&args, View::new(&[1.0, 1.0], 2, 1)?)?;
    /// assert_eq!(by_y.as_slice(), [2.0 * 2.0 * 11.0, 2.0 * 3.0 * 11.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if an argument or the seed does not fit.
    pub fn call(&self, args: &[View<'_, T>], seed: View<'_, T>) -> Result<Array<T>, Error> {
        self.call_over(args, seed, Over::All)
    }

    pub(crate) fn call_over(
        &self,
        args: &[View<'_, T>],
        seed: View<'_, T>,
        over: Over<'_>,
    ) -> Result<Array<T>, Error> {
        let shape = self.forward.check_over(args, over)?;
        let (rows, dim) = (shape.rows, self.forward.dim());
        if (seed.rows(), seed.dim()) != (rows, dim) {
            return Err(Error::shape(format!(
                "the seed is {} x {}, but the result of the reduction is {rows} x {dim}",
                seed.rows(),
                seed.dim()
            )));
        }
        let variable = &self.forward.plan().formula.variables[self.variable];
        match &self.how {
            How::Zero => {
                let (rows, dim) = (args[self.variable].rows(), variable.dim as usize);
                Array::from_vec(rows, dim, vec![T::default(); rows * dim])
            }
            How::Pairs(pairs) => {
                let each = pairs.call(&self.forward, args, seed, over)?;
                if variable.category == Category::Param { total(&each) } else { Ok(each) }
            }
            How::Selected(kernels) => self.selected(kernels, args, seed, over),
        }
    }

    /// Differentiate F where the selection found its values, and add up what belongs to the same row of the variable.
    fn selected(
        &self,
        kernels: &[Kernel<T>],
        args: &[View<'_, T>],
        seed: View<'_, T>,
        over: Over<'_>,
    ) -> Result<Array<T>, Error> {
        let plan = self.forward.plan();
        // Where the selection finds its values, also if it returns values only.
        let (_, indices) = self.forward.both_over(args, over)?;
        let variable = &plan.formula.variables[self.variable];
        let (rows, dim) = (args[self.variable].rows(), variable.dim as usize);
        let mut sums = vec![0.0f64; rows * dim];
        for slot in 0..indices.dim() {
            let kernel = &kernels[slot % kernels.len()];
            // Rows with no value there have no gradient.
            let found: Vec<(usize, usize)> = (0..indices.rows())
                .filter_map(|r| Some((r, usize::try_from(indices[(r, slot)]).ok()?)))
                .collect();
            if found.is_empty() {
                continue;
            }
            let mut gathered: Vec<(Vec<T>, usize)> = Vec::new();
            for (view, v) in args.iter().zip(&plan.formula.variables) {
                let pick = |(row, column): &(usize, usize)| match v.category {
                    Category::Param => 0,
                    category if category == plan.rows => *row,
                    _ => *column,
                };
                let rows: Vec<usize> = match v.category {
                    Category::Param => vec![0],
                    _ => found.iter().map(pick).collect(),
                };
                let component =
                    |r: usize, c: usize| view.get(r, c).expect("arguments were checked");
                let dim = view.dim();
                let numbers = rows.iter().flat_map(|r| (0..dim).map(|c| component(*r, c)));
                gathered.push((numbers.collect(), dim));
            }
            let seeds = found.iter().map(|(row, _)| seed.get(*row, slot).expect("it was checked"));
            gathered.push((seeds.collect(), 1));
            let views: Vec<View<'_, T>> = gathered
                .iter()
                .map(|(numbers, dim)| View::new(numbers, numbers.len() / dim, *dim))
                .collect::<Result<_, Error>>()?;
            let gradients = kernel.call(&views)?;
            for (n, (row, column)) in found.iter().enumerate() {
                let to = match variable.category {
                    Category::Param => 0,
                    category if category == plan.rows => *row,
                    _ => *column,
                };
                for c in 0..dim {
                    sums[to * dim + c] += gradients[(n, c)].to_f64();
                }
            }
        }
        Array::from_vec(rows, dim, sums.into_iter().map(T::from_f64).collect())
    }
}

/// The sum of all rows, as one row.
fn total<T: Element>(each: &Array<T>) -> Result<Array<T>, Error> {
    let mut sums = vec![0.0f64; each.dim()];
    for r in 0..each.rows() {
        for (sum, value) in sums.iter_mut().zip(each.row(r)) {
            *sum += value.to_f64();
        }
    }
    Array::from_vec(1, each.dim(), sums.into_iter().map(T::from_f64).collect())
}
