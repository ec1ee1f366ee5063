//! The CUDA engine.

mod source;
mod survey;
pub mod tiling;

pub use source::ARGS_ABI;
use crate::dtype::DType;
use crate::loops::build::Lowered;
use crate::reduce::{Family, Preference, Reduction};
use crate::schedule::Lanes;
use tiling::{Kept, Tiling};

/// What a selection keeps, for a formula of dim `dim`.
pub fn kept(reduction: Reduction, dim: u32) -> Option<Kept> {
    (reduction.family() == Family::Selection).then(|| Kept {
        dim,
        k: reduction.k().unwrap_or(1),
        negated: reduction.preference() == Preference::Largest,
    })
}

/// Source text.
///
/// # Errors
/// Why not.
pub fn text(
    lowered: &Lowered,
    reduction: Reduction,
    dim: u32,
    stored: DType,
    lanes: Lanes,
) -> Result<String, String> {
    let kept = kept(reduction, dim);
    let tiling = Tiling::choose(&lowered.program, reduction.family(), kept, lanes);
    source::emit(lowered, &tiling, reduction.family(), kept, stored)
}
