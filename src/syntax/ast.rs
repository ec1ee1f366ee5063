//! The tree as a flat arena in which operands precede the expressions that use them.

use crate::span::Span;

/// An index into [`Ast::exprs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AstId(pub u32);

impl AstId {
    /// As an index into the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A two-operand operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `|`, the scalar product
    Bar,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Star,
    /// `/`
    Slash,
    /// `**`
    Power,
}

impl Operator {
    /// The operator of a mark.
    pub fn of(mark: &str) -> Option<Operator> {
        use Operator::{
            Bar, Equal, Greater, GreaterEqual, Less, LessEqual, Minus, NotEqual, Plus, Power,
            Slash, Star,
        };
        let all = [
            Less,
            LessEqual,
            Greater,
            GreaterEqual,
            Equal,
            NotEqual,
            Bar,
            Plus,
            Minus,
            Star,
            Slash,
            Power,
        ];
        all.into_iter().find(|op| op.text() == mark)
    }

    /// As written.
    pub fn text(self) -> &'static str {
        match self {
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Bar => "|",
            Operator::Plus => "+",
            Operator::Minus => "-",
            Operator::Star => "*",
            Operator::Slash => "/",
            Operator::Power => "**",
        }
    }

    /// Loosest 1 to tightest 6; unary minus is [`NEGATION`].
    pub fn precedence(self) -> u8 {
        match self {
            Operator::Bar => 2,
            Operator::Plus | Operator::Minus => 3,
            Operator::Star | Operator::Slash => 4,
            Operator::Power => 6,
            _ => COMPARISON,
        }
    }
}

/// Precedence of comparisons, which do not chain.
pub const COMPARISON: u8 = 1;
/// Precedence of unary minus.
pub const NEGATION: u8 = 5;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A literal as written.
    Number(String),
    /// A name without arguments.
    Name(String),
    /// `-f`.
    Neg(AstId),
    /// `f op g`.
    Binary(Operator, AstId, AstId),
    /// `Name(arguments)`.
    Call(String, Vec<AstId>),
    /// `f[k]`.
    Index(AstId, AstId),
    /// `f[a:b]`.
    Slice(AstId, AstId, AstId),
    /// `[2, 3]` or `(2, 3)`: integers only.
    List(Vec<AstId>),
}

/// A parsed formula.
#[derive(Clone, Debug, PartialEq)]
pub struct Ast {
    /// Operands before users; the last is the whole formula.
    pub exprs: Vec<Expr>,
    /// The place of each.
    pub spans: Vec<Span>,
}

impl Ast {
    /// The whole formula.
    pub fn root(&self) -> AstId {
        AstId(self.exprs.len() as u32 - 1)
    }

    /// The operands of an expression, in order.
    pub fn operands(expr: &Expr) -> Vec<AstId> {
        match expr {
            Expr::Number(_) | Expr::Name(_) => Vec::new(),
            Expr::Neg(f) => vec![*f],
            Expr::Binary(_, f, g) | Expr::Index(f, g) => vec![*f, *g],
            Expr::Slice(f, a, b) => vec![*f, *a, *b],
            Expr::Call(_, args) | Expr::List(args) => args.clone(),
        }
    }
}
