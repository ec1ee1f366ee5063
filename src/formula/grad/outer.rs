//! Derivatives of reductions: each is again a Sum, of a formula with a few more arguments.
//!
//! With `l = log sum exp(F)` the derivative of a LogSumExp is the sum of `exp(F - l)` times that of F, so it is the derivative of
//! the sum of `exp(F - l) * g` at a fixed l; likewise that of a softmax mean o is the one of the sum of `exp(F - l) * (g - o)` at
//! fixed l and o. So one formula, differentiated by one variable, serves every reduction of sums.

use crate::alias::{Category, Variable, inline_name};
use crate::error::{Error, ErrorKind};
use crate::formula::graph::{Built, Graph, Refusal};
use crate::formula::op::Op;
use crate::formula::{Formula, NodeId};
use crate::limits;

/// What a reduction does with the formula (and the weight).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outer {
    /// The sum of F.
    Sum,
    /// log of the sum of exp(F), or of exp(F) times the weight.
    LogSumExp,
    /// Mean of the weight under exp(F).
    SumSoftMax,
}

/// An argument that the derivative of a reduction takes besides those of the reduction, with rows like its result's unless said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// The seed: one value for each of the result.
    Seed,
    /// The change of the variable, shaped like it.
    Change,
    /// The result.
    Result,
    /// log of the sum of exp(F), one value a row.
    LogSum,
}

/// Which derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a seed of the result to the variable.
    Adjoint,
    /// From a change of the variable to the result.
    Tangent,
}

/// The derivative of a reduction by one variable: the Sum of `formula` over the axis that `rows` is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivative {
    /// What is summed.
    pub formula: Formula,
    /// The category of the rows of the sum. For the adjoint by a parameter these are the reduction's own, to be summed too.
    pub rows: Category,
    /// The arguments after the reduction's own, in order.
    pub extra: Vec<Extra>,
}

/// The derivative of a reduction of `formula` (roots: F, then the weight if there is one), whose result has rows of the category
/// `rows`, by the argument at position `variable`.
///
/// ```
/// use genred::formula::grad::{Direction, Outer, derivative};
/// use genred::formula::{Category, typing};
/// let f = typing::formula("SqDist(x, y)", None, &["x = Vi(3)", "y = Vj(3)"])?;
/// let by_y = derivative(&f, Outer::Sum, Category::I, 1, Direction::Adjoint)?;
/// assert_eq!((by_y.rows, by_y.formula.root_dim(0)), (Category::J, 3));
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// `Limit` if the derivative has too many parts; `Usage` if some operation of the formula has none.
pub fn derivative(
    formula: &Formula,
    outer: Outer,
    rows: Category,
    variable: u32,
    direction: Direction,
) -> Result<Derivative, Error> {
    let mut sum = Summand { graph: Graph::of(formula), rows, extra: Vec::new() };
    let derivative = sum.derivative(formula, outer, variable, direction);
    let Summand { graph, extra, .. } = sum;
    let root = derivative.map_err(refused)?;
    let own = formula.variables[variable as usize].category;
    let rows = match (direction, own) {
        (Direction::Adjoint, Category::I | Category::J) => own,
        _ => rows,
    };
    let formula = graph.finish(&[root], formula.keep).map_err(refused)?;
    Ok(Derivative { formula, rows, extra })
}

struct Summand {
    graph: Graph,
    rows: Category,
    extra: Vec<Extra>,
}

impl Summand {
    /// A further argument.
    fn argument(&mut self, extra: Extra, category: Category, dim: u32) -> Built {
        let position = self.graph.variables.len();
        if position >= limits::ALIASES {
            return Err(Refusal::Aliases);
        }
        self.extra.push(extra);
        let name = inline_name(position as u32, dim, category);
        self.graph.variables.push(Some(Variable { name, category, dim }));
        self.graph.variable(position as u32)
    }

    fn derivative(
        &mut self,
        formula: &Formula,
        outer: Outer,
        variable: u32,
        direction: Direction,
    ) -> Built {
        let f = formula.roots[0];
        let weight = formula.roots.get(1).copied();
        let rows = self.rows;
        let summand = match outer {
            Outer::Sum => f,
            Outer::LogSumExp => {
                let dim = weight.map_or(1, |g| self.graph.dim(g));
                let result = self.argument(Extra::Result, rows, dim)?;
                let shifted = self.graph.sub(f, result)?;
                let share = self.graph.map(Op::Exp, &[shifted])?;
                weight.map_or(Ok(share), |g| self.graph.mul(share, g))?
            }
            Outer::SumSoftMax => {
                let weight = weight.expect("a softmax mean has a weight");
                let result = self.argument(Extra::Result, rows, self.graph.dim(weight))?;
                let log_sum = self.argument(Extra::LogSum, rows, 1)?;
                let shifted = self.graph.sub(f, log_sum)?;
                let share = self.graph.map(Op::Exp, &[shifted])?;
                let deviation = self.graph.sub(weight, result)?;
                self.graph.mul(share, deviation)?
            }
        };
        let v = self.graph.variable(variable)?;
        match direction {
            Direction::Adjoint => {
                let seed = self.argument(Extra::Seed, rows, self.graph.dim(summand))?;
                self.graph.grad(summand, v, seed)
            }
            Direction::Tangent => {
                let own = &formula.variables[variable as usize];
                let change = self.argument(Extra::Change, own.category, own.dim)?;
                self.graph.diff(summand, v, change)
            }
        }
    }
}

/// The gradient of one component of F where a selection (Min, Max, KMin) found it: a formula of rows only, whose arguments of the
/// reduced category have been gathered to one row for each row of the result. Its last argument is the seed, of dim 1.
///
/// # Errors
/// `Limit` if the derivative has too many parts; `Usage` if some operation of the formula has none.
pub fn at_selected(
    formula: &Formula,
    rows: Category,
    component: u32,
    variable: u32,
) -> Result<Formula, Error> {
    let mut sum = Summand::gathered(formula, rows);
    let root = sum.selected(formula, component, variable).map_err(refused)?;
    sum.graph.finish(&[root], None).map_err(refused)
}

impl Summand {
    /// Nothing yet, over the arguments of a formula, all of which have rows of one category.
    fn gathered(formula: &Formula, rows: Category) -> Summand {
        let gathered = formula.variables.iter().cloned().map(|mut v| {
            if v.category != Category::Param {
                v.category = rows;
            }
            Some(v)
        });
        Summand { graph: Graph::new(gathered.collect()), rows, extra: Vec::new() }
    }

    /// The nodes that some roots of a formula need, made anew over these arguments.
    fn moved(&mut self, formula: &Formula, roots: &[NodeId]) -> Result<Vec<NodeId>, Refusal> {
        let mut moved: Vec<NodeId> = Vec::with_capacity(formula.nodes.len());
        let needed = formula.needed(roots);
        for (node, needed) in formula.nodes.iter().zip(needed) {
            if !needed {
                // What only a weight or a condition is made of: the pairs are known.
                moved.push(NodeId(0));
                continue;
            }
            if matches!(node.op, Op::Index { .. }) {
                // Gathered points have other numbers.
                let what = "a selection whose formula has `IndexI` or `IndexJ`";
                return Err(Refusal::NoDerivative(what));
            }
            let args = node.args.iter().map(|a| moved[a.index()]).collect();
            moved.push(self.graph.node(node.op.clone(), args, node.dim.into())?);
        }
        Ok(moved)
    }

    fn selected(&mut self, formula: &Formula, component: u32, variable: u32) -> Built {
        let moved = self.moved(formula, &formula.roots[..1])?;
        let f = self.graph.extract(moved[formula.roots[0].index()], component, 1)?;
        let v = self.graph.variable(variable)?;
        let seed = self.argument(Extra::Seed, self.rows, 1)?;
        self.graph.grad(f, v, seed)
    }
}

fn refused(refusal: Refusal) -> Error {
    let kind = match refusal {
        Refusal::NoDerivative(_) => ErrorKind::Usage,
        _ => refusal.kind(),
    };
    Error::new(kind, refusal.message())
}
