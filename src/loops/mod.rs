//! The staged scalar program between formulas and machines.

#![deny(clippy::disallowed_methods)]

pub mod build;
pub mod builder;
pub mod dce;
pub mod keep;
pub mod math;
mod print;
pub mod program;
pub mod verify;
