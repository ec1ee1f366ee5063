//! What the targets share with the crate's tests.

#[path = "../../../tests/common/choices.rs"]
pub mod choices;
#[path = "../../../tests/common/compare.rs"]
pub mod compare;
#[path = "../../../tests/common/programs.rs"]
pub mod programs;
