//! The operations of typed formulas, and the one table of everything a user can write.

use super::number::Number;

/// A typed operation. Unless said otherwise an operation is *element-wise*: operands have equal dims or dim 1, which is
/// repeated, and the result has the larger dim. Semantics at special values: the table's rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Argument of the call by position; no operands.
    Variable(u32),
    /// The same exact constant in every component; no operands, any dim.
    Constant(Number),

    /// -f.
    Neg,
    /// |f|.
    Abs,
    /// e^f.
    Exp,
    /// 2^f. Not written by users: the lowering makes it of products under `Exp`.
    Exp2,
    /// Natural logarithm; -inf at 0, NaN below.
    Log,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Inverse sine; NaN outside [-1, 1].
    Asin,
    /// Inverse cosine; NaN outside [-1, 1].
    Acos,
    /// Inverse tangent.
    Atan,
    /// Square root; NaN below 0.
    Sqrt,
    /// 1/sqrt(f); **0 at 0**, NaN below 0.
    Rsqrt,
    /// 1/f.
    Inv,
    /// f*f.
    Square,
    /// f*log(f); 0 at 0, NaN below.
    XLogX,
    /// sin(f)/f; 1 at 0.
    SinXDivX,
    /// -1, 0 or 1; 0 at 0 and for NaN.
    Sign,
    /// 0 if f < 0, else 1 (also for NaN).
    Step,
    /// 0 if f < 0, else f.
    ReLU,
    /// Largest integer not above.
    Floor,
    /// Round half away from zero to this many decimals.
    Round(i32),
    /// f to a constant integer power; 1 for power 0, even of NaN.
    Pow(i32),

    /// f + g.
    Add,
    /// f - g.
    Sub,
    /// f * g.
    Mul,
    /// f / g.
    Div,
    /// f^g; 1 for g = 0; NaN for negative f and non-integer g.
    Powf,
    /// Angle of the point (g, f).
    Atan2,
    /// 1 if f == g else 0.
    Equal,
    /// 1 if f != g (or NaN) else 0.
    NotEqual,
    /// 1 if f < g else 0.
    LessThan,
    /// 1 if f <= g else 0.
    LessOrEqual,
    /// f >= 0 ? a : b; NaN gives b.
    IfElse,
    /// f < a ? a : (f > b ? b : f).
    Clamp,
    /// f - n*floor((f - o)/n).
    Mod,

    /// Sum of the components: dim 1. One operand.
    Sum,
    /// Sum of products of components: dim 1. Operands of equal dims.
    Scalprod,
    /// Largest component, NaN ignored unless all are: dim 1.
    Max,
    /// Smallest component, NaN ignored unless all are: dim 1.
    Min,
    /// First index of the largest component, NaN ignored (0 if all are): dim 1.
    ArgMax,
    /// First index of the smallest component, NaN ignored (0 if all are): dim 1.
    ArgMin,

    /// Repeat a dim-1 operand to the node's dim.
    Broadcast,
    /// Components `start .. start + node.dim` of the operand.
    Extract {
        /// First component.
        start: u32,
    },
    /// The operand placed at `start` in zeros of the node's dim.
    Insert {
        /// Where its first component goes.
        start: u32,
    },
    /// All operands one after another.
    Concat,
    /// 1 at trunc(f + 0.5), zeros elsewhere; all zeros when out of range. Operand of dim 1.
    OneHot,

    /// Row-major matrix (first operand, node.dim rows) times vector (second operand).
    MatVecMult,
    /// Vector (first operand) times row-major matrix (second operand, node.dim columns).
    VecMatMult,
    /// All products of components, the first operand's index slower.
    TensorProd,
}
