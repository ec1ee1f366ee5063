//! Trees of any kind, whether they mean anything or not.

use crate::Choices;
use crate::tree::Tree;
use genred::syntax::ast::Operator;
use genred::syntax::{Ast, AstId, Expr};

const OPERATORS: [Operator; 12] = [
    Operator::Less,
    Operator::LessEqual,
    Operator::Greater,
    Operator::GreaterEqual,
    Operator::Equal,
    Operator::NotEqual,
    Operator::Bar,
    Operator::Plus,
    Operator::Minus,
    Operator::Star,
    Operator::Slash,
    Operator::Power,
];
const NAMES: [&str; 8] = ["x", "y", "_", "Exp", "SqDist", "Vi", "and", "x_1E5"];
const NUMBERS: [&str; 9] = ["0", "1", "42", "1_000", "0x1f", "0b10", "2.5", ".5e-3", "1E+9"];

/// A tree of up to some hundred expressions, `depth` levels deep at most.
pub fn arbitrary(choices: &mut Choices<'_>, depth: usize) -> Ast {
    let mut tree = Tree::default();
    grow(&mut tree, choices, depth);
    tree.finish()
}

fn grow(tree: &mut Tree, choices: &mut Choices<'_>, depth: usize) -> AstId {
    let kind = if depth == 0 || choices.is_empty() { 0 } else { choices.index(10) };
    let expr = match kind {
        0 | 1 => Expr::Name(choices.pick(&NAMES).to_owned()),
        2 => Expr::Number(choices.pick(&NUMBERS).to_owned()),
        3 => Expr::Neg(grow(tree, choices, depth - 1)),
        4 => Expr::Index(grow(tree, choices, depth - 1), grow(tree, choices, depth - 1)),
        5 => {
            let base = grow(tree, choices, depth - 1);
            let start = grow(tree, choices, depth - 1);
            Expr::Slice(base, start, grow(tree, choices, depth - 1))
        }
        6 => {
            let name = choices.pick(&NAMES).to_owned();
            Expr::Call(name, some(tree, choices, depth - 1))
        }
        7 => Expr::List(some(tree, choices, depth - 1)),
        _ => {
            let operator = choices.pick(&OPERATORS);
            let left = grow(tree, choices, depth - 1);
            Expr::Binary(operator, left, grow(tree, choices, depth - 1))
        }
    };
    tree.push(expr)
}

fn some(tree: &mut Tree, choices: &mut Choices<'_>, depth: usize) -> Vec<AstId> {
    (0..choices.index(4)).map(|_| grow(tree, choices, depth)).collect()
}
