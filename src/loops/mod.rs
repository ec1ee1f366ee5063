//! The staged scalar program between formulas and machines.

pub mod program;
