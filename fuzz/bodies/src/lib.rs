//! What the fuzz targets do with their bytes.
//!
//! Each target is a function of bytes that panics on a defect: libFuzzer calls it with bytes of its own, a test of the crate with
//! those of `fuzz/regressions` and with seeded random ones. Structured targets read their bytes as [`Choices`].

pub mod agreement;
pub mod ast;
#[cfg(unix)]
pub mod cache_ops;
pub mod common;
pub mod compile;
pub mod dictionary;
#[cfg(unix)]
pub mod entry;
#[cfg(unix)]
pub mod guard;
pub mod parse;
pub mod program;
pub mod roundtrip;
pub mod shapes;
pub mod text;

// What `genred soak` does as well: random formulas, and their check on all engines.
#[path = "../../../src/bin/genred/soak/differential.rs"]
pub mod differential;
#[path = "../../../src/bin/genred/soak/formula.rs"]
pub mod formula;
#[path = "../../../src/bin/genred/soak/tree.rs"]
pub mod tree;

pub use common::choices::Choices;

/// A fuzz target: a name and what it does.
pub struct Target {
    /// The name of the libFuzzer binary and of its folder below `fuzz/regressions`.
    pub name: &'static str,
    /// Panics on a defect.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "parse", run: parse::run },
    Target { name: "roundtrip", run: roundtrip::run },
    Target { name: "compile", run: compile::run },
    Target { name: "differential", run: agreement::run },
    Target { name: "program", run: program::run },
    #[cfg(unix)]
    Target { name: "entry", run: entry::run },
    #[cfg(unix)]
    Target { name: "cache_ops", run: cache_ops::run },
    Target { name: "shapes", run: shapes::run },
];

/// `len` bytes that look random and depend on the seed only.
pub fn seeded(seed: u64, len: usize) -> Vec<u8> {
    let mut choices = Choices::from_seed(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend(choices.bits().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
