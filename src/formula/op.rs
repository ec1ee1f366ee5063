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
    /// `i*IndexI + j*IndexJ + offset`, exactly, not both factors 0: no operands, dim 1. Sums and multiples of indices and integers are
    /// gathered here, so that a comparison of two is one of an exact integer with 0.
    Index {
        /// Times the number of the point i.
        i: i64,
        /// Times the number of the point j.
        j: i64,
        /// What is added.
        offset: i64,
    },

    /// -f.
    Neg,
    /// |f|.
    Abs,
    /// e^f.
    Exp,
    /// 2^f. Not written by users: the lowering makes it of scaled arguments of `Exp`.
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
    /// All operands one after another; at least two, none itself a `Concat`.
    Concat,
    /// Component `[i, j, ..]`, row-major over the axes' lengths, is component `start + i*step_i + j*step_j + ..` of the operand.
    /// Either a permutation of all components, or one axis; no component is taken twice.
    Gather {
        /// The first component that is taken.
        start: u32,
        /// Lengths and steps, slowest first.
        axes: Vec<Stride>,
    },
    /// 1 at trunc(f + 0.5), zeros elsewhere; all zeros when out of range. Operand of dim 1.
    OneHot,

    /// Row-major matrix (first operand, node.dim rows) times vector (second operand).
    MatVecMult,
    /// Vector (first operand) times row-major matrix (second operand, node.dim columns).
    VecMatMult,
    /// All products of components, the first operand's index slower.
    TensorProd,
    /// Component `[o, ..]`, row-major over the kept axes, is the sum over all summed axes of products of a component of the
    /// first and a component of the second operand; each axis says how far a step along it goes in both.
    Contract {
        /// Axes of the result, slowest first.
        kept: Vec<Axis>,
        /// Axes that are summed over, slowest first.
        summed: Vec<Axis>,
    },

    /// Soft dynamic time warping of two sequences (first and second operand) with softness g (third, dim 1): dim 1.
    /// The value of the last cell of r(i, j) = (x_i - y_j)^2 + softmin of r(i-1, j-1), r(i-1, j), r(i, j-1), where
    /// softmin(a) = m - g*log(sum of exp((m - a)/g)), m = min a, over the predecessors that exist.
    SoftDtw,
    /// Its derivative by each cell's (x_i - y_j)^2, row-major, then its derivative by g: dim n*m + 1. Same operands.
    SoftDtwGradient,
}

/// One axis of a [`Op::Gather`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stride {
    /// Steps along the axis.
    pub len: u32,
    /// Components from one to the next.
    pub step: u32,
}

/// One axis of a [`Op::Contract`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// Steps along the axis.
    pub len: u32,
    /// Components of the first operand from one step to the next; 0 if it does not have the axis.
    pub f: u32,
    /// Components of the second operand from one step to the next; 0 if it does not have the axis.
    pub g: u32,
}

impl Op {
    /// Whether the order of its two operands does not matter.
    pub(super) fn is_symmetric(&self) -> bool {
        matches!(self, Op::Add | Op::Mul | Op::Equal | Op::NotEqual | Op::Scalprod)
    }
}
