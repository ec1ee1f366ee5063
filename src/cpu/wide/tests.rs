//! The encoder against a decoder, and programs that need more registers than there are.

mod encodings;
mod general;
mod spills;

use super::isa::{Isa, Level};
use crate::dtype::Float;

/// Both widths over both float types.
fn isas() -> impl Iterator<Item = Isa> {
    [Level::Avx2, Level::Avx512]
        .into_iter()
        .flat_map(|level| [Float::F32, Float::F64].map(|float| Isa { level, float }))
}
