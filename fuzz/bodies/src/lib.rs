//! What the fuzz targets do with their bytes.
//!
//! Each target is a function of bytes that panics on a defect: libFuzzer calls it with bytes of its own, a test of the crate with
//! those of `fuzz/regressions` and with seeded random ones. Structured targets read their bytes as [`Choices`].

pub mod ast;
pub mod choices;
pub mod compile;
pub mod dictionary;
pub mod formula;
#[cfg(unix)]
pub mod guard;
pub mod parse;
pub mod roundtrip;
pub mod shapes;
pub mod text;

pub use choices::Choices;

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
    Target { name: "shapes", run: shapes::run },
];
