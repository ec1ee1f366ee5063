//! The staged scalar program between formulas and machines.

pub mod builder;
pub mod program;
