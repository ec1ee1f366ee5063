//! What several test binaries share.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod choices;
pub mod compare;
pub mod formulas;
pub mod programs;
