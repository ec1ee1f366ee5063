//! Reductions: what is accumulated over the reduced axis, and what comes out.

/// A reduction over the columns of each row. `K` counts the smallest values that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Sum of F. Output: D.
    Sum,
    /// log of the sum of exp(F) (times the weight). Output: 1, or the weight's dim.
    LogSumExp,
    /// Mean of the weight under exp(F). Output: the weight's dim.
    SumSoftMaxWeight,
    /// The raw pair (m, s): m = max F, s = sum of exp(F - m) (times the weight). Output: 1 + 1, or 1 + the weight's dim.
    MaxSumShiftExp,
    /// Smallest F. Output: D.
    Min,
    /// Largest F. Output: D.
    Max,
    /// Index of the smallest F. Output: D indices.
    ArgMin,
    /// Index of the largest F. Output: D indices.
    ArgMax,
    /// Smallest F and its index. Outputs: D values, D indices.
    MinArgMin,
    /// Largest F and its index. Outputs: D values, D indices.
    MaxArgMax,
    /// The K smallest F, ascending. Output: K x D.
    KMin(u32),
    /// Their indices. Output: K x D indices.
    ArgKMin(u32),
    /// Both. Outputs: K x D values, K x D indices.
    KMinArgKMin(u32),
}

/// How sums are accumulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Accumulate {
    /// [`Accumulate::Block`].
    #[default]
    Auto,
    /// One accumulator, added to term by term.
    Direct,
    /// A temporary accumulator is flushed into the main one every few hundred terms.
    Block,
    /// Compensated (Kahan) summation.
    Kahan,
    /// Everything is computed and accumulated in float64 and rounded once at the end.
    Double,
}
