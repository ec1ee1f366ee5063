//! Target `parse`: any bytes through tokens, tree, aliases and types.

use crate::text::{self, Text};
use genred::alias::{self, Role};
use genred::formula::{Formula, typing};
use genred::limits;
use genred::syntax::{self, Ast};

/// No panic, no recursion; places are in the text and on character boundaries; typed formulas are within the limits.
pub fn run(data: &[u8]) {
    let text = text::decoded(data);
    let text = Text::split(&text);
    match syntax::parse(text.formula) {
        Ok(ast) => check_tree(text.formula, &ast),
        Err(error) => text.check(&error),
    }
    if let Err(error) = alias::parse(text.output, Role::Output) {
        text.check(&error);
    }
    match typing::formula(text.formula, None, &text.aliases) {
        Ok(formula) => check_types(text.formula, &formula),
        Err(error) => text.check(&error),
    }
}

/// Operands precede users and lie within them; places are places of the text.
pub fn check_tree(text: &str, ast: &Ast) {
    assert_eq!(ast.exprs.len(), ast.spans.len());
    for (k, (expr, span)) in ast.exprs.iter().zip(&ast.spans).enumerate() {
        let part = text.get(span.range()).expect("a place in the text, on character boundaries");
        assert!(!part.is_empty(), "expression {k} has no text");
        for operand in Ast::operands(expr) {
            assert!(operand.index() < k, "operand {} of {k} does not precede it", operand.0);
            let inner = ast.spans[operand.index()];
            let inside = span.start <= inner.start && inner.end <= span.end;
            assert!(inside, "operand {} at {inner:?} is outside of {k} at {span:?}", operand.0);
        }
    }
}

/// Operands precede users; dims and counts are within the limits; the canonical text does not depend on names.
pub fn check_types(text: &str, formula: &Formula) {
    assert!(formula.nodes.len() <= limits::NODES);
    assert!(formula.variables.len() <= limits::ALIASES);
    for (k, node) in formula.nodes.iter().enumerate() {
        assert!((1..=limits::DIM).contains(&(node.dim as usize)), "node {k} has dim {}", node.dim);
        assert!(node.args.iter().all(|arg| arg.index() < k), "node {k} uses a later one");
        assert!(text.get(node.span.range()).is_some(), "node {k} is at no place of the text");
    }
    for root in &formula.roots {
        assert!(root.index() < formula.nodes.len());
    }
    let renamed = {
        let mut other = formula.clone();
        for (k, variable) in other.variables.iter_mut().enumerate() {
            variable.name = format!("other{k}");
        }
        other
    };
    assert_eq!(formula.canonical_text(), renamed.canonical_text());
    assert!(!formula.text().is_empty());
}
