//! Target `compile`: texts all the way down to machine code.

use crate::text::{self, Text};
use genred::cache::{Cache, Mode, Options};
use genred::{Accumulate, Genred, Reduction, Stage};

/// K of the K-reductions, by turns; the last one is too large.
const KS: [u32; 4] = [2, 3, 1, 1025];
const SCHEMES: [Accumulate; 5] = [
    Accumulate::Auto,
    Accumulate::Direct,
    Accumulate::Block,
    Accumulate::Kahan,
    Accumulate::Double,
];

/// The first byte chooses reduction and scheme, the rest is text; a kernel or an error, never a panic, and every stage prints.
pub fn run(data: &[u8]) {
    let Some((head, rest)) = data.split_first() else { return };
    let text = text::decoded(rest);
    let text = Text::split(&text);
    let choice = usize::from(*head);
    let reductions = Reduction::all(KS[choice % KS.len()]);
    let reduction = reductions[choice % reductions.len()];
    let scheme = SCHEMES[choice / reductions.len() % SCHEMES.len()];
    let mut builder = Genred::<f32>::reduction(reduction, text.formula)
        .cache(&Cache::open(Options::new().mode(Mode::Off)))
        .output(text.output)
        .aliases(text.aliases.iter().copied());
    if scheme != Accumulate::Auto {
        builder = builder.accumulate(scheme);
    }
    if reduction == Reduction::SumSoftMaxWeight {
        builder = builder.weight(text.formula);
    }
    match builder.compile() {
        Ok(kernel) => {
            for stage in [Stage::Parse, Stage::Typed, Stage::Schedule] {
                assert!(!kernel.explain(stage).is_empty());
            }
            assert!(kernel.stats().code_bytes <= genred::limits::CODE_BYTES);
        }
        Err(error) => text.check(&error),
    }
}
