//! From text to an abstract syntax tree: tokens, an explicit-stack parser, a flat arena, canonical printing.
//!
//! Knows nothing of dims or of which operations exist. Total on every input, linear time, never recurses.

pub mod ast;
mod expr;
mod print;
pub mod token;

pub use ast::{Ast, AstId, Expr};
pub use expr::{parse, parse_as};
