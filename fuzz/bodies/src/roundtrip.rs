//! Target `roundtrip`: a tree is printed and parsed back to itself.

use crate::{Choices, ast, parse};
use genred::syntax;

/// Levels of a tree: each prints at most two brackets, and the parser takes 256.
const DEPTH: usize = 100;

/// What is printed is the canonical text: it parses to the same tree, which prints the same.
pub fn run(data: &[u8]) {
    let tree = ast::arbitrary(&mut Choices::from_bytes(data), DEPTH);
    let text = tree.to_string();
    let parsed = match syntax::parse(&text) {
        Ok(parsed) => parsed,
        // The only reason that a printed tree may be refused for.
        Err(error) => {
            assert!(error.is_limit(), "a printed tree is refused: {error}");
            return;
        }
    };
    assert_eq!(parsed.exprs, tree.exprs, "another tree: {text}");
    assert_eq!(parsed.to_string(), text, "the canonical text is no fixed point");
    parse::check_tree(&text, &parsed);
}
