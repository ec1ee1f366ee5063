//! Reductions inside the text, as in `Sum_Reduction(Exp(-SqDist(x, y)), 0)`.

use super::{Calculus, Typed, Typer, finish};
use crate::alias;
use crate::error::{Error, ErrorKind};
use crate::formula::graph::Graph;
use crate::formula::table::{self, Build, Row};
use crate::formula::{Category, Formula, NodeId};
use crate::span::Span;
use crate::syntax::{AstId, parse_as};

/// How the names of reductions end inside a text.
const SUFFIX: &str = "_Reduction";

/// Names with the suffix, by the arguments that they take.
const NAMES: &[(&str, Shape)] = &[
    ("Sum_Reduction", Shape::Plain),
    ("Min_Reduction", Shape::Plain),
    ("Max_Reduction", Shape::Plain),
    ("ArgMin_Reduction", Shape::Plain),
    ("ArgMax_Reduction", Shape::Plain),
    ("Min_ArgMin_Reduction", Shape::Plain),
    ("MinArgMin_Reduction", Shape::Plain),
    ("Max_ArgMax_Reduction", Shape::Plain),
    ("MaxArgMax_Reduction", Shape::Plain),
    ("Max_SumShiftExp_Reduction", Shape::Plain),
    ("LogSumExp_Reduction", Shape::Plain),
    ("Max_SumShiftExpWeight_Reduction", Shape::Weighted),
    ("LogSumExpWeight_Reduction", Shape::Weighted),
    ("SumSoftMaxWeight_Reduction", Shape::Weighted),
    ("SoftMax_Reduction", Shape::Weighted),
    ("KMin_Reduction", Shape::WithK),
    ("ArgKMin_Reduction", Shape::WithK),
    ("KMin_ArgKMin_Reduction", Shape::WithK),
    ("KMinArgKMin_Reduction", Shape::WithK),
    ("Zero_Reduction", Shape::Zero),
];

/// The arguments of a reduction; t is 0 for results with a row for every i, 1 for every j.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// (f, t)
    Plain,
    /// (f, t, weight)
    Weighted,
    /// (f, k, t)
    WithK,
    /// (dim, t)
    Zero,
}

impl Shape {
    fn text(self) -> &'static str {
        match self {
            Shape::Plain => "f, t",
            Shape::Weighted => "f, t, g",
            Shape::WithK => "f, K, t",
            Shape::Zero => "dim, t",
        }
    }
}

/// Whether a name is one of a reduction.
pub(super) fn is_name(name: &str) -> bool {
    shape(name).is_some()
}

/// All names of reductions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

fn shape(name: &str) -> Option<Shape> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape)
}

/// A reduction as a text states it.
#[derive(Clone, Debug, PartialEq)]
pub struct LowLevel {
    /// Its name, as `Reduction::from_name` knows it.
    pub reduction: String,
    /// How many values a K-reduction keeps, unchecked.
    pub k: Option<u32>,
    /// The category of the result's rows.
    pub rows: Category,
    /// The formula and, for weighted reductions, the weight.
    pub formula: Formula,
}

/// A typed reduction within a text.
pub(super) struct Reduced {
    name: &'static str,
    k: Option<u32>,
    rows: Category,
    roots: Vec<NodeId>,
}

/// Parse and type a text that may state its reduction; `None` if it is a plain formula.
///
/// ```
/// use genred::formula::Category;
/// use genred::formula::typing::low_level;
/// let text = "Sum_Reduction(SqDist(Var(0,3,0), Var(1,3,1)), 1)";
/// let stated = low_level(text, &[])?.expect("a reduction");
/// assert_eq!((stated.reduction.as_str(), stated.rows), ("Sum", Category::J));
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// `Syntax`, `Shape` or `Limit`, with the place in the alias or the formula.
pub fn low_level(text: &str, aliases: &[&str]) -> Result<Option<LowLevel>, Error> {
    let mut graph = Graph::new(alias::place(aliases, table::is_reserved)?);
    let ast = parse_as("formula", text)?;
    let mut typer = Typer::new("formula", text, &ast, &mut graph);
    typer.run()?;
    let Typed::Reduced(k) = typer.typed[ast.root().index()] else { return Ok(None) };
    let reduced = typer.reduced.swap_remove(k);
    let formula = finish(graph, &reduced.roots, None)?;
    Ok(Some(LowLevel {
        reduction: reduced.name.to_owned(),
        k: reduced.k,
        rows: reduced.rows,
        formula,
    }))
}

impl Typer<'_> {
    pub(super) fn misplaced_reduction(&self, id: AstId) -> Error {
        let message = format!("a reduction is not an expression: `{}`", self.written(id));
        self.error(ErrorKind::Syntax, self.span(id), message)
            .help("here only the formula is written; its reduction is chosen beside it")
    }

    /// A call of a reduction.
    pub(super) fn reduction(
        &mut self,
        name: &str,
        args: &[AstId],
        span: Span,
    ) -> Result<Typed, Error> {
        let (name, shape) =
            NAMES.iter().copied().find(|(known, _)| *known == name).expect("names were checked");
        let count = shape.text().split(',').count();
        if args.len() != count {
            let message = format!("`{name}` takes {count} arguments, not {}", args.len());
            let help = format!("{name}({}) with t = 0 for rows i, 1 for rows j", shape.text());
            return Err(self.error(ErrorKind::Syntax, span, message).help(help));
        }
        let base = name.strip_suffix(SUFFIX).unwrap_or(name);
        let mut reduced = Reduced { name: base, k: None, rows: Category::I, roots: Vec::new() };
        match shape {
            Shape::Zero => {
                let dim = self.dim_argument(args[0])?;
                reduced.name = "Sum";
                reduced.roots.push(self.make(span, |g| g.integer(0, dim))?);
                reduced.rows = self.rows(args[1])?;
            }
            Shape::Plain | Shape::Weighted => {
                reduced.roots.push(self.node_of(args[0])?);
                reduced.rows = self.rows(args[1])?;
                if let Some(weight) = args.get(2) {
                    reduced.roots.push(self.node_of(*weight)?);
                }
            }
            Shape::WithK => {
                reduced.roots.push(self.node_of(args[0])?);
                let k = self.int(args[1])?;
                reduced.k = Some(u32::try_from(k).unwrap_or(0));
                reduced.rows = self.rows(args[2])?;
            }
        }
        self.reduced.push(reduced);
        Ok(Typed::Reduced(self.reduced.len() - 1))
    }

    /// The category of the result's rows that a tag stands for.
    fn rows(&self, tag: AstId) -> Result<Category, Error> {
        match self.int(tag)? {
            0 => Ok(Category::I),
            1 => Ok(Category::J),
            _ => {
                let message = "the rows of the result are 0 for i or 1 for j";
                Err(self.error(ErrorKind::Syntax, self.span(tag), message))
            }
        }
    }

    /// `Grad` or `Diff` of a sum over one axis: again one. `None` if the operand is a formula.
    pub(super) fn differentiated(
        &mut self,
        row: &Row,
        args: &[AstId],
        span: Span,
    ) -> Result<Option<Typed>, Error> {
        let (Build::Calculus(rule @ (Calculus::Grad | Calculus::Diff)), Some(first)) =
            (&row.build, args.first())
        else {
            return Ok(None);
        };
        let Typed::Reduced(k) = self.typed[first.index()] else { return Ok(None) };
        if self.reduced[k].name != "Sum" {
            let message = "only a `Sum_Reduction` is differentiated within a formula";
            return Err(self.error(ErrorKind::Syntax, self.span(*first), message));
        }
        self.check_count(row, row.name(), args, span)?;
        self.check_variable(args[1])?;
        let (mut rows, f) = (self.reduced[k].rows, self.reduced[k].roots[0]);
        // From here on the sum stands for its formula.
        self.typed[first.index()] = Typed::Node(f);
        if *rule == Calculus::Grad {
            let position = self.graph.position(self.node_of(args[1])?).expect("just checked");
            rows = match self.graph.category(position) {
                Some(Category::J) => Category::J,
                _ => Category::I,
            };
        }
        let node = self.calculus(*rule, row.name(), args, span)?;
        self.reduced.push(Reduced { name: "Sum", k: None, rows, roots: vec![node] });
        Ok(Some(Typed::Reduced(self.reduced.len() - 1)))
    }
}
