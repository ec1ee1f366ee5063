//! Formulas built in Rust: the language of the texts with operators and methods.
//!
//! An [`Expr`] is the tree that its text would be parsed to, so everything that holds for texts holds for it, and it prints as
//! one. Operands are copied into it: a formula takes as much memory as its text.
//!
//! ```
//! use genred::expr::{vi, vj};
//! use genred::{Kernel, View};
//!
//! let (x, y) = (vi("x", 1), vj("y", 1));
//! let kde: Kernel<f64> = (-(x - y).sq_norm2()).exp().sum_over_j().compile()?;
//! let (x, y) = ([0.0], [0.0, 0.0]);
//! let a = kde.call(&[View::new(&x, 1, 1)?, View::new(&y, 2, 1)?])?;
//! assert_eq!(a[(0, 0)], 2.0);
//! # Ok::<(), genred::Error>(())
//! ```

mod methods;
mod operators;

use crate::formula::Category;
use crate::genred::{Axis, Genred};
use crate::reduce::Reduction;
use crate::syntax::{Ast, AstId, Expr as Node};
use std::fmt;

/// A formula, or a part of one.
///
/// ```
/// use genred::expr::{pm, vi, vj};
/// let (x, y, g) = (vi("x", 3), vj("y", 3), pm("g", 1));
/// let f = (-g * (&x - &y).sq_norm2()).exp() * x.at(0);
/// assert_eq!(f.to_string(), "Exp(-g * SqNorm2(x - y)) * x[0]");
/// assert_eq!(f.aliases(), ["g = Pm(1)", "x = Vi(3)", "y = Vj(3)"]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Operands before users, the whole expression last.
    nodes: Vec<Node>,
    /// The aliases that it uses, in the order of their first use.
    variables: Vec<Variable>,
}

#[derive(Clone, Debug, PartialEq)]
struct Variable {
    name: String,
    category: Category,
    dim: u32,
}

/// An argument with a row for every i: the alias `name = Vi(dim)`.
///
/// ```
/// let x = genred::expr::vi("x", 3);
/// assert_eq!((x.to_string(), x.aliases()), ("x".to_owned(), vec!["x = Vi(3)".to_owned()]));
/// ```
pub fn vi(name: &str, dim: u32) -> Expr {
    Expr::variable(name, Category::I, dim)
}

/// An argument with a row for every j: the alias `name = Vj(dim)`.
///
/// ```
/// use genred::expr::{vi, vj};
/// assert_eq!((vi("x", 3) - vj("y", 3)).aliases(), ["x = Vi(3)", "y = Vj(3)"]);
/// ```
pub fn vj(name: &str, dim: u32) -> Expr {
    Expr::variable(name, Category::J, dim)
}

/// A parameter: the alias `name = Pm(dim)`.
///
/// ```
/// use genred::expr::{pm, vj};
/// let f = vj("y", 3) * pm("g", 1);
/// assert_eq!((f.to_string().as_str(), &f.aliases()[1]), ("y * g", &"g = Pm(1)".to_owned()));
/// ```
pub fn pm(name: &str, dim: u32) -> Expr {
    Expr::variable(name, Category::Param, dim)
}

/// The number of the point i, from 0: `IndexI`.
///
/// ```
/// use genred::expr::{index_i, index_j, vi, vj};
/// let others = (vi("x", 3) - vj("y", 3)).sq_norm2() * index_i().not_equal(index_j());
/// assert_eq!(others.to_string(), "SqNorm2(x - y) * NotEqual(IndexI, IndexJ)");
/// assert_eq!(others.aliases(), ["x = Vi(3)", "y = Vj(3)"]);
/// ```
pub fn index_i() -> Expr {
    Expr::leaf(Node::Name("IndexI".to_owned()))
}

/// The number of the point j, from 0: `IndexJ`.
///
/// ```
/// use genred::expr::{index_j, vi};
/// use genred::{Kernel, View};
/// // 0 + 1 + 2, for three points j of no other use.
/// let sum: Kernel<f64> = (vi("x", 1) + genred::expr::vj("y", 1) * 0 + index_j()).sum_over_j().compile()?;
/// let a = sum.call(&[View::new(&[0.0], 1, 1)?, View::new(&[9.0, 9.0, 9.0], 3, 1)?])?;
/// assert_eq!(a.as_slice(), [3.0]);
/// # Ok::<(), genred::Error>(())
/// ```
pub fn index_j() -> Expr {
    Expr::leaf(Node::Name("IndexJ".to_owned()))
}

/// The fraction p/q, exactly.
///
/// ```
/// use genred::expr::{ratio, vi};
/// assert_eq!((vi("x", 1) * ratio(1, 3)).to_string(), "x * RatCst(1, 3)");
/// ```
pub fn ratio(p: i64, q: i64) -> Expr {
    Expr::call("RatCst", [Expr::from(p), Expr::from(q)])
}

/// Zeros.
///
/// ```
/// use genred::expr::{vi, zero};
/// assert_eq!(vi("x", 2).concat(zero(3)).to_string(), "Concat(x, Zero(3))");
/// ```
pub fn zero(dim: u32) -> Expr {
    Expr::call("Zero", [Expr::from(dim)])
}

impl Expr {
    fn leaf(node: Node) -> Expr {
        Expr { nodes: vec![node], variables: Vec::new() }
    }

    fn variable(name: &str, category: Category, dim: u32) -> Expr {
        let variable = Variable { name: name.to_owned(), category, dim };
        Expr { nodes: vec![Node::Name(name.to_owned())], variables: vec![variable] }
    }

    /// Any operation by its name, with all its arguments.
    ///
    /// ```
    /// use genred::expr::{Expr, vi};
    /// let x = vi("x", 3);
    /// assert_eq!(Expr::call("Pow", [x, 3.into()]).to_string(), "Pow(x, 3)");
    /// ```
    pub fn call(name: &str, args: impl IntoIterator<Item = Expr>) -> Expr {
        Self::join(args, |args| Node::Call(name.to_owned(), args))
    }

    /// A list of integers, as an argument.
    fn list(items: &[i64]) -> Expr {
        Self::join(items.iter().map(|item| Expr::from(*item)), Node::List)
    }

    /// One expression of several.
    fn join(
        operands: impl IntoIterator<Item = Expr>,
        node: impl FnOnce(Vec<AstId>) -> Node,
    ) -> Expr {
        let mut joined = Expr { nodes: Vec::new(), variables: Vec::new() };
        let mut ids = Vec::new();
        for operand in operands {
            ids.push(joined.append(operand));
        }
        joined.nodes.push(node(ids));
        joined
    }

    /// Take over the nodes of an operand; gives its place.
    fn append(&mut self, operand: Expr) -> AstId {
        for variable in operand.variables {
            if !self.variables.contains(&variable) {
                self.variables.push(variable);
            }
        }
        if self.nodes.is_empty() {
            self.nodes = operand.nodes;
        } else {
            let offset = self.nodes.len() as u32;
            self.nodes.extend(operand.nodes.into_iter().map(|node| moved(node, offset)));
        }
        AstId(self.nodes.len() as u32 - 1)
    }

    /// The aliases of the variables that the formula uses, in the order of their first use: the arguments of a call.
    ///
    /// ```
    /// use genred::expr::{vi, vj};
    /// let (x, y) = (vi("x", 3), vj("y", 3));
    /// assert_eq!(((&y - &x) * &y).aliases(), ["y = Vj(3)", "x = Vi(3)"]);
    /// ```
    pub fn aliases(&self) -> Vec<String> {
        let alias = |v: &Variable| format!("{} = {}({})", v.name, v.category.text(), v.dim);
        self.variables.iter().map(alias).collect()
    }

    /// The tree, without places in a text; of a module that is not for users.
    #[doc(hidden)]
    pub fn ast(&self) -> Ast {
        let spans = vec![crate::span::Span::default(); self.nodes.len()];
        Ast { exprs: self.nodes.clone(), spans }
    }

    /// A reduction of the formula over an axis, to be compiled; options may be set before.
    ///
    /// ```
    /// use genred::expr::{vi, vj};
    /// use genred::{Axis, Kernel, Reduction, View};
    /// let distance = vi("x", 1).sq_dist(vj("y", 1));
    /// let nearest: Kernel<f32> = distance.reduce(Reduction::ArgMin, Axis::J).compile()?;
    /// let indices = nearest.call_indices(&[View::new(&[2.0], 1, 1)?, View::new(&[5.0, 1.0], 2, 1)?])?;
    /// assert_eq!(indices[(0, 0)], 1);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn reduce<T>(&self, reduction: Reduction, over: Axis) -> Genred<T>
    where
        T: crate::dtype::Element,
    {
        Genred::reduction(reduction, self.to_string()).aliases(self.aliases()).axis(over)
    }

    /// The same for reductions with a weight.
    ///
    /// ```
    /// use genred::expr::{vi, vj};
    /// use genred::{Axis, Kernel, Reduction, View};
    /// let f = -vi("x", 1).sq_dist(vj("y", 1));
    /// // ln(3 exp(-0) + 5 exp(-0)).
    /// let sum: Kernel<f64> = f.reduce_weighted(Reduction::LogSumExp, &vj("b", 1), Axis::J).compile()?;
    /// let y = View::new(&[1.0, 1.0], 2, 1)?;
    /// let a = sum.call(&[View::new(&[1.0], 1, 1)?, y, View::new(&[3.0, 5.0], 2, 1)?])?;
    /// assert!((a[(0, 0)] - 8f64.ln()).abs() < 1e-15);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn reduce_weighted<T>(&self, reduction: Reduction, weight: &Expr, over: Axis) -> Genred<T>
    where
        T: crate::dtype::Element,
    {
        let mut both = self.clone();
        both.append(weight.clone());
        Genred::reduction(reduction, self.to_string())
            .weight(weight.to_string())
            .aliases(both.aliases())
            .axis(over)
    }
}

/// A node whose operands have moved.
fn moved(mut node: Node, offset: u32) -> Node {
    let shift = |id: &mut AstId| id.0 += offset;
    match &mut node {
        Node::Number(_) | Node::Name(_) => {}
        Node::Neg(f) => shift(f),
        Node::Binary(_, f, g) | Node::Index(f, g) => [f, g].into_iter().for_each(shift),
        Node::Slice(f, a, b) => [f, a, b].into_iter().for_each(shift),
        Node::Call(_, args) | Node::List(args) => args.iter_mut().for_each(shift),
    }
    node
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ast().fmt(f)
    }
}

impl From<Expr> for String {
    fn from(formula: Expr) -> String {
        formula.to_string()
    }
}

impl From<&Expr> for Expr {
    fn from(expr: &Expr) -> Expr {
        expr.clone()
    }
}

/// The number exactly as Rust prints it: the shortest decimal that is nearest to it.
impl From<f64> for Expr {
    fn from(value: f64) -> Expr {
        let magnitude = Expr::leaf(Node::Number(format!("{:?}", value.abs())));
        if value.is_sign_negative() { -magnitude } else { magnitude }
    }
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl From<$int> for Expr {
            fn from(value: $int) -> Expr {
                let value = i128::from(value);
                let magnitude = Expr::leaf(Node::Number(value.unsigned_abs().to_string()));
                if value < 0 { -magnitude } else { magnitude }
            }
        }
    )*};
}

integers!(i32, i64, u32);
