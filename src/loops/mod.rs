//! The staged scalar program between formulas and machines.

pub mod build;
pub mod builder;
pub mod dce;
pub mod math;
pub mod program;
