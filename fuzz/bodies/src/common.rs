//! What the targets share with the crate's tests.

#[cfg(unix)]
#[path = "../../../tests/cache/mod.rs"]
pub(crate) mod cache;
#[path = "../../../src/bin/genred/soak/choices.rs"]
pub mod choices;
#[path = "../../../tests/common/compare.rs"]
pub mod compare;
#[path = "../../../tests/common/mutate.rs"]
pub mod mutate;
#[path = "../../../tests/common/programs.rs"]
pub mod programs;
