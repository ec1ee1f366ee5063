//! Well-typed formulas, grown from the dim that is wanted downwards over the table of operations.

use super::Choices;
use super::tree::Tree;
use genred::alias::{Category, Variable};
use genred::formula::table::{self, Arg, Build, Row};
use genred::formula::typing::{Calculus, Complex, Rule};
use genred::syntax::ast::Operator;
use genred::syntax::{AstId, Expr};

/// Largest dim of a part.
pub const DIM: usize = 9;
/// Most parts of a formula, but for leaves that complete it.
pub const NODES: usize = 24;
/// Deepest nesting.
pub const DEPTH: usize = 8;
/// Deepest nesting of what is differentiated: derivatives are several times larger.
const CALCULUS_DEPTH: usize = 3;

/// A formula and what it is over.
#[derive(Clone, Debug)]
pub struct Grown {
    /// The text.
    pub formula: String,
    /// Its dim.
    pub dim: usize,
    /// Names of the operations in it.
    pub operations: Vec<&'static str>,
}

/// Variables: up to three of each category, named by category and number.
pub fn variables(choices: &mut Choices<'_>) -> Vec<Variable> {
    let mut all = Vec::new();
    for (category, prefix, least) in
        [(Category::I, 'x', 1), (Category::J, 'y', 1), (Category::Param, 'p', 0)]
    {
        for k in 0..within(choices, least, 3) {
            let dim = choices.pick(&[1, 3, 2, 1, 4, 9, 5]);
            all.push(Variable { name: format!("{prefix}{k}"), category, dim });
        }
    }
    all
}

/// A variable as an alias.
pub fn alias(variable: &Variable) -> String {
    format!("{} = {}({})", variable.name, variable.category.text(), variable.dim)
}

/// A formula of dim `dim` over some variables.
pub fn grow(choices: &mut Choices<'_>, variables: &[Variable], dim: usize) -> Grown {
    let tree = Tree::default();
    let mut growth =
        Growth { choices, variables, tree, left: NODES, operations: Vec::new(), calls: Vec::new() };
    growth.calls = table::TABLE.iter().collect();
    growth.expr(dim, DEPTH);
    let Growth { tree, operations, .. } = growth;
    Grown { formula: tree.finish().to_string(), dim, operations }
}

fn within(choices: &mut Choices<'_>, low: usize, high: usize) -> usize {
    low + choices.index(high - low + 1)
}

struct Growth<'a, 'c> {
    choices: &'a mut Choices<'c>,
    variables: &'a [Variable],
    tree: Tree,
    /// Parts that may still be made.
    left: usize,
    operations: Vec<&'static str>,
    calls: Vec<&'static Row>,
}

const ELEMENTWISE: [Operator; 5] =
    [Operator::Plus, Operator::Minus, Operator::Star, Operator::Plus, Operator::Slash];
const COMPARISONS: [Operator; 6] = [
    Operator::Less,
    Operator::LessEqual,
    Operator::Greater,
    Operator::GreaterEqual,
    Operator::Equal,
    Operator::NotEqual,
];

impl Growth<'_, '_> {
    fn expr(&mut self, dim: usize, depth: usize) -> AstId {
        if depth == 0 || self.left == 0 || self.choices.is_empty() {
            return self.leaf(dim);
        }
        self.left -= 1;
        let deeper = depth - 1;
        match self.choices.index(16) {
            0 | 1 => self.leaf(dim),
            2 => {
                let f = self.expr(dim, deeper);
                self.push(Expr::Neg(f))
            }
            3 => {
                let operator = self.choices.pick(&COMPARISONS);
                self.binary(operator, dim, deeper)
            }
            4 => {
                let base = self.expr(dim, deeper);
                let exponent = match self.choices.index(4) {
                    0 => self.literal("0.5"),
                    1 => self.expr(1, deeper.min(1)),
                    _ => self.integer(-4, 4),
                };
                self.push(Expr::Binary(Operator::Power, base, exponent))
            }
            5 if dim == 1 => {
                let inner = within(self.choices, 1, DIM);
                let f = self.expr(inner, deeper);
                let g = self.same_or_one(inner, deeper);
                self.push(Expr::Binary(Operator::Bar, f, g))
            }
            5 | 6 => self.part(dim, deeper),
            7 | 8 => {
                let operator = self.choices.pick(&ELEMENTWISE);
                self.binary(operator, dim, deeper)
            }
            _ => self.call(dim, deeper),
        }
    }

    fn push(&mut self, expr: Expr) -> AstId {
        self.tree.push(expr)
    }

    fn literal(&mut self, text: &str) -> AstId {
        self.push(Expr::Number(text.to_owned()))
    }

    fn integer(&mut self, low: i64, high: i64) -> AstId {
        let value = low + self.choices.index((high - low + 1) as usize) as i64;
        let number = self.literal(&value.unsigned_abs().to_string());
        if value < 0 { self.push(Expr::Neg(number)) } else { number }
    }

    fn exactly(&mut self, value: usize) -> AstId {
        self.literal(&value.to_string())
    }

    /// Something of a dim that needs no operands: a variable, a part of one, or constants.
    fn leaf(&mut self, dim: usize) -> AstId {
        let variables = self.variables;
        let fitting: Vec<&Variable> = variables.iter().filter(|v| v.dim as usize == dim).collect();
        let longer: Vec<&Variable> = variables.iter().filter(|v| v.dim as usize > dim).collect();
        if dim == 1 && self.choices.chance(16) {
            let text = self.choices.pick(&["1", "2", "0.5", "3", "1e-3", "7/4", "0"]);
            return match text.split_once('/') {
                Some((p, q)) => {
                    let (p, q) = (self.literal(p), self.literal(q));
                    self.push(Expr::Binary(Operator::Slash, p, q))
                }
                None => self.literal(text),
            };
        }
        if dim == 1 && self.choices.chance(10) {
            let index = self.choices.pick(&["IndexI", "IndexJ"]);
            self.operations.push(index);
            return self.push(Expr::Name(index.to_owned()));
        }
        if !fitting.is_empty() {
            let variable = self.choices.pick(&fitting);
            return self.variable(variable);
        }
        if !longer.is_empty() {
            let variable = self.choices.pick(&longer);
            let start = self.choices.index(variable.dim as usize - dim + 1);
            let base = self.variable(variable);
            return self.slice(base, start, dim);
        }
        let one = self.leaf(1);
        let dim = self.exactly(dim);
        self.named("SumT", vec![one, dim])
    }

    fn variable(&mut self, variable: &Variable) -> AstId {
        self.push(Expr::Name(variable.name.clone()))
    }

    fn slice(&mut self, base: AstId, start: usize, dim: usize) -> AstId {
        let from = self.exactly(start);
        if dim == 1 {
            return self.push(Expr::Index(base, from));
        }
        let to = self.exactly(start + dim);
        self.push(Expr::Slice(base, from, to))
    }

    /// `f[k]` or `f[a:b]` of something longer.
    fn part(&mut self, dim: usize, depth: usize) -> AstId {
        let inner = within(self.choices, dim, DIM.max(dim));
        let start = self.choices.index(inner - dim + 1);
        let base = self.expr(inner, depth);
        self.slice(base, start, dim)
    }

    fn same_or_one(&mut self, dim: usize, depth: usize) -> AstId {
        let dim = if self.choices.chance(33) { 1 } else { dim };
        self.expr(dim, depth)
    }

    fn binary(&mut self, operator: Operator, dim: usize, depth: usize) -> AstId {
        let short = self.choices.index(4);
        let f = self.expr(if short == 2 { 1 } else { dim }, depth);
        let g = self.expr(if short == 3 { 1 } else { dim }, depth);
        self.push(Expr::Binary(operator, f, g))
    }

    fn named(&mut self, name: &'static str, args: Vec<AstId>) -> AstId {
        self.operations.push(name);
        self.push(Expr::Call(name.to_owned(), args))
    }

    /// An operation of the table that can give the dim; a leaf if the one that is drawn cannot.
    fn call(&mut self, dim: usize, depth: usize) -> AstId {
        let row = self.calls[self.choices.index(self.calls.len())];
        let name = self.choices.pick(row.names);
        match &row.build {
            Build::Elementwise(_) => {
                // At least one operand has the dim; which one is drawn.
                let long = self.choices.index(row.args.len());
                let args = (0..row.args.len()).map(|k| {
                    if k == long { self.expr(dim, depth) } else { self.same_or_one(dim, depth) }
                });
                let args = args.collect();
                self.named(name, args)
            }
            Build::Reduce(_) if dim == 1 => {
                let inner = within(self.choices, 1, DIM);
                let f = self.expr(inner, depth);
                self.named(name, vec![f])
            }
            Build::WithInt(_) => {
                let f = self.expr(dim, depth);
                let n = self.integer(-3, 5);
                self.named(name, vec![f, n])
            }
            Build::Rule(rule) => {
                let args = self.rule(row, *rule, dim, depth);
                self.named_or_leaf(name, args, dim)
            }
            Build::Complex(rule) => {
                let args = self.complex(*rule, dim, depth);
                self.named_or_leaf(name, args, dim)
            }
            Build::Calculus(rule) => {
                let args = self.calculus(*rule, dim, depth.min(CALCULUS_DEPTH));
                self.named_or_leaf(name, args, dim)
            }
            Build::Reduce(_) => self.leaf(dim),
        }
    }

    fn named_or_leaf(&mut self, name: &'static str, args: Option<Vec<AstId>>, dim: usize) -> AstId {
        match args {
            Some(args) => self.named(name, args),
            None => self.leaf(dim),
        }
    }

    /// An expression of a dim drawn from a few.
    fn any(&mut self, depth: usize) -> (AstId, usize) {
        let dim = within(self.choices, 1, 4);
        (self.expr(dim, depth), dim)
    }

    fn list(&mut self, items: &[usize]) -> AstId {
        let items = items.iter().map(|item| self.exactly(*item)).collect();
        if self.choices.chance(20) {
            return self.named("Ind", items);
        }
        self.push(Expr::List(items))
    }

    /// The arguments of an operation on complex numbers, whose real dims are even.
    fn complex(&mut self, rule: Complex, dim: usize, depth: usize) -> Option<Vec<AstId>> {
        let even = dim.is_multiple_of(2);
        Some(match rule {
            Complex::FromReal | Complex::FromImaginary | Complex::Exp1j if even => {
                vec![self.expr(dim / 2, depth)]
            }
            Complex::Real
            | Complex::Imaginary
            | Complex::Abs
            | Complex::SquareAbs
            | Complex::Angle => {
                vec![self.expr(2 * dim, depth)]
            }
            Complex::Conjugate | Complex::Exp if even => vec![self.expr(dim, depth)],
            Complex::Add | Complex::Subtract | Complex::Mult | Complex::Divide if even => {
                let short = self.choices.below(4);
                let f = self.expr(if short == 2 { 2 } else { dim }, depth);
                vec![f, self.expr(if short == 3 { 2 } else { dim }, depth)]
            }
            Complex::Sum if dim == 2 => {
                let inner = within(self.choices, 1, 4);
                vec![self.expr(2 * inner, depth)]
            }
            Complex::SumT if even => vec![self.expr(2, depth), self.exactly(dim)],
            Complex::RealScal if even => {
                let (f, g) = (self.expr(1, depth), self.expr(dim, depth));
                if self.choices.chance(50) { vec![f, g] } else { vec![g, f] }
            }
            _ => return None,
        })
    }

    /// The arguments of a differential operation.
    fn calculus(&mut self, rule: Calculus, dim: usize, depth: usize) -> Option<Vec<AstId>> {
        let scalar = dim == 1;
        let variables = self.variables;
        let of_dim = |wanted: &dyn Fn(usize) -> bool| -> Vec<&Variable> {
            variables.iter().filter(|v| wanted(v.dim as usize)).collect()
        };
        let fitting = match rule {
            Calculus::Grad | Calculus::Adjoint => of_dim(&|v| v == dim),
            Calculus::GradMatrix => of_dim(&|v| dim.is_multiple_of(v)),
            Calculus::Diff => of_dim(&|_| true),
            // Each component is differentiated on its own.
            _ if scalar => of_dim(&|v| v <= 4),
            _ => return None,
        };
        if fitting.is_empty() {
            return None;
        }
        let variable = self.choices.pick(&fitting);
        let size = variable.dim as usize;
        Some(match rule {
            Calculus::Grad => {
                let (f, of) = self.any(depth);
                vec![f, self.variable(variable), self.expr(of, depth)]
            }
            Calculus::GradMatrix => {
                vec![self.expr(dim / size, depth), self.variable(variable)]
            }
            Calculus::Diff => {
                let f = self.expr(dim, depth);
                vec![f, self.variable(variable), self.expr(size, depth)]
            }
            Calculus::Divergence => vec![self.expr(size, depth), self.variable(variable)],
            Calculus::Laplacian => vec![self.expr(1, depth), self.variable(variable)],
            Calculus::Trace | Calculus::SumLin => {
                vec![self.linear(variable), self.variable(variable)]
            }
            Calculus::Adjoint => {
                let f = self.linear(variable);
                vec![f, self.variable(variable), self.expr(size, depth)]
            }
        })
    }

    /// A linear map of a variable to its own dim.
    fn linear(&mut self, variable: &Variable) -> AstId {
        let variables = self.variables;
        let others: Vec<&Variable> = variables
            .iter()
            .filter(|v| v.name != variable.name && (v.dim == 1 || v.dim == variable.dim))
            .collect();
        let factor = match others.is_empty() {
            true => self.integer(1, 5),
            false => {
                let other = self.choices.pick(&others);
                self.variable(other)
            }
        };
        let v = self.variable(variable);
        let map = self.push(Expr::Binary(Operator::Star, factor, v));
        if self.choices.chance(50) {
            return map;
        }
        let v = self.variable(variable);
        self.push(Expr::Binary(Operator::Minus, map, v))
    }

    /// The arguments of an operation whose typing is more than a broadcast; `None` if it cannot give the dim.
    fn rule(&mut self, row: &Row, rule: Rule, dim: usize, depth: usize) -> Option<Vec<AstId>> {
        let scalar = dim == 1;
        let inner = within(self.choices, 1, DIM);
        Some(match rule {
            Rule::IntCst if scalar => vec![self.integer(-9, 9)],
            Rule::IntInv if scalar => vec![self.integer(1, 9)],
            Rule::RatCst if scalar => vec![self.integer(-9, 9), self.integer(1, 9)],
            Rule::Zero => vec![self.exactly(dim)],
            Rule::Var => return self.inline(row, dim),
            Rule::ClampInt | Rule::DiffClampInt => {
                vec![self.expr(dim, depth), self.integer(-3, 1), self.integer(-1, 4)]
            }
            Rule::SumT => vec![self.expr(1, depth), self.exactly(dim)],
            Rule::Scalprod | Rule::SqDist if scalar => {
                vec![self.expr(inner, depth), self.same_or_one(inner, depth)]
            }
            Rule::SqNorm2 | Rule::Norm2 if scalar => vec![self.expr(inner, depth)],
            Rule::Normalize => vec![self.expr(dim, depth)],
            Rule::WeightedSqNorm
            | Rule::WeightedSqDist
            | Rule::SqNormIso
            | Rule::SqNormDiag
            | Rule::SymSqNorm
                if scalar =>
            {
                let inner = inner.min(3);
                let weight = match rule {
                    Rule::SqNormIso => 1,
                    Rule::SqNormDiag => inner,
                    Rule::SymSqNorm => inner * inner,
                    _ => self.choices.pick(&[1, inner, inner * inner]),
                };
                let mut args = vec![self.expr(weight, depth), self.expr(inner, depth)];
                if rule == Rule::WeightedSqDist {
                    args.push(self.same_or_one(inner, depth));
                }
                args
            }
            Rule::Elem if scalar => {
                let at = self.choices.index(inner);
                vec![self.expr(inner, depth), self.exactly(at)]
            }
            Rule::ElemT => {
                let at = self.choices.index(dim);
                vec![self.expr(1, depth), self.exactly(dim), self.exactly(at)]
            }
            Rule::Extract => {
                let inner = inner.max(dim);
                let start = self.choices.index(inner - dim + 1);
                vec![self.expr(inner, depth), self.exactly(start), self.exactly(dim)]
            }
            Rule::ExtractT => {
                let inner = inner.min(dim);
                let start = self.choices.index(dim - inner + 1);
                vec![self.expr(inner, depth), self.exactly(start), self.exactly(dim)]
            }
            Rule::Concat if dim > 1 => {
                let first = within(self.choices, 1, dim - 1);
                let mut args = vec![self.expr(first, depth)];
                if dim - first > 1 && self.choices.chance(50) {
                    args.push(self.expr(1, depth));
                    args.push(self.expr(dim - first - 1, depth));
                } else {
                    args.push(self.expr(dim - first, depth));
                }
                args
            }
            Rule::OneHot => vec![self.expr(1, depth), self.exactly(dim)],
            Rule::MatVecMult | Rule::VecMatMult => {
                let other = within(self.choices, 1, 3);
                let (matrix, vector) = (dim * other, other);
                if rule == Rule::MatVecMult {
                    vec![self.expr(matrix, depth), self.expr(vector, depth)]
                } else {
                    vec![self.expr(vector, depth), self.expr(matrix, depth)]
                }
            }
            Rule::TensorProd => {
                let divisors: Vec<usize> = (1..=dim).filter(|d| dim.is_multiple_of(*d)).collect();
                let first = self.choices.pick(&divisors);
                vec![self.expr(first, depth), self.expr(dim / first, depth)]
            }
            Rule::Identity => {
                let args = row.args.iter().map(|kind| {
                    debug_assert_eq!(*kind, Arg::Expr);
                    self.expr(dim, depth)
                });
                args.collect()
            }
            Rule::BSpline => {
                // n - k - 1 values of degree k over n knots.
                let degree = self.choices.index(3);
                vec![
                    self.expr(dim + degree + 1, depth.min(1)),
                    self.expr(1, depth),
                    self.exactly(degree),
                ]
            }
            Rule::SoftDtw if scalar => {
                let (n, m) = (within(self.choices, 1, 4), within(self.choices, 1, 4));
                vec![self.expr(n, depth), self.expr(m, depth), self.expr(1, depth)]
            }
            Rule::Kron => {
                let divisors: Vec<usize> = (1..=dim).filter(|d| dim.is_multiple_of(*d)).collect();
                let first = self.choices.pick(&divisors);
                let (f, g) = (self.expr(first, depth), self.expr(dim / first, depth));
                vec![f, g, self.list(&[first]), self.list(&[dim / first])]
            }
            Rule::TensorDot => {
                // dim x p by p: axis 1 of the first against the only one of the second.
                let p = within(self.choices, 1, 3);
                let (f, g) = (self.expr(dim * p, depth), self.expr(p, depth));
                let sizes = (self.list(&[dim, p]), self.list(&[p]));
                let mut args = vec![f, g, sizes.0, sizes.1, self.list(&[1]), self.list(&[0])];
                if self.choices.chance(30) {
                    args.push(self.list(&[0]));
                }
                args
            }
            _ => return None,
        })
    }

    /// `Var(k, d, c)` or `Vi(k, d)` of an argument that there is.
    fn inline(&mut self, row: &Row, dim: usize) -> Option<Vec<AstId>> {
        let category = Category::of(row.name());
        let fitting: Vec<usize> = (0..self.variables.len())
            .filter(|k| {
                let variable = &self.variables[*k];
                variable.dim as usize == dim && category.is_none_or(|c| c == variable.category)
            })
            .collect();
        if fitting.is_empty() {
            return None;
        }
        let position = self.choices.pick(&fitting);
        let mut args = vec![self.exactly(position), self.exactly(dim)];
        if category.is_none() {
            args.push(self.exactly(self.variables[position].category as usize));
        }
        Some(args)
    }
}
