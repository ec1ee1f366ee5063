//! The one IR between formulas and machines: scalar SSA, staged by how often each value changes.
//!
//! A [`Program`] says *what* is computed for one row, one column point, one pair; which axis runs along vector
//! lanes, how many rows and columns a register tile holds and how long a column tile is, are the
//! [`Schedule`](crate::schedule::Schedule)'s. Every engine executes the same scalar operations in the same order with
//! the same fused multiply-adds, so results agree bit for bit; the interpreter ([`cpu::interpret`](crate::cpu::interpret))
//! is the meaning of a program made executable. [`verify`](super::verify) checks every rule stated here.
//!
//! Memory is named by [`Array`]s in [`Space`]s; a space is an array of scalar slots whose meaning of "one slot"
//! depends on the space (a scalar for `Param`, one scalar a row for `Row`, ...). The launcher owns all of it.

use crate::dtype::Float;
use crate::reduce::Family;
use crate::schedule::Cost;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            /// As an index into the program's table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A scalar SSA value: an index into [`Program::values`].
    Value,
    /// An index into [`Program::arrays`].
    ArrayId,
    /// A counted loop: an index into [`Program::loops`].
    LoopId
}

/// Where an [`Array`] lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// One scalar a call.
    Param,
    /// One scalar a row.
    Row,
    /// One scalar a column point.
    Col,
    /// One accumulator scalar a row: lives as long as the reduction of that row.
    State,
    /// A second accumulator of the same row, read by `merge` only; slots parallel `State`.
    Other,
    /// One scalar a row, written by `finish`.
    Out,
    /// One scalar a (row, column) pair of the current chunk: carries values from one pass to the next.
    Tile,
    /// Scratch of one pair (or row, column point, call, in those stages) while it is evaluated: long vectors.
    Temp,
}

impl Space {
    /// The number that stands for where an argument's values are in kernels on disk; 0 if the formula does not use it.
    pub(crate) fn argument_number(space: Option<Space>) -> u32 {
        match space {
            None => 0,
            Some(Space::Param) => 1,
            Some(Space::Row) => 2,
            Some(_) => 3,
        }
    }

    /// Where an argument's values are, by that number; `None` if there is no such number.
    pub(crate) fn of_argument(number: u32) -> Option<Option<Space>> {
        match number {
            0 => Some(None),
            1 => Some(Some(Space::Param)),
            2 => Some(Some(Space::Row)),
            3 => Some(Some(Space::Col)),
            _ => None,
        }
    }
}

/// A named run of slots in a space.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Printed name, unique in the program.
    pub name: String,
    /// Where it lives.
    pub space: Space,
    /// First slot within the space.
    pub base: u32,
    /// Number of slots.
    pub len: u32,
}

/// An affine slot index `offset + sum(stride * loop)`, in range for every iteration (checked by `verify`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Index {
    /// Constant part.
    pub offset: u32,
    /// Loop counters with their strides; each loop at most once, all enclosing the use.
    pub terms: Vec<(LoopId, u32)>,
}

/// Type of a scalar value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A float of the program's [`Float`] type.
    Float,
    /// A two's-complement integer of the same width (i32 beside f32, i64 beside f64).
    Int,
    /// A truth value (a lane mask in vector code).
    Mask,
}

/// How often a value changes, as a set of axes; the union over its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Axes {
    /// Differs from row to row.
    pub row: bool,
    /// Differs from column point to column point.
    pub col: bool,
    /// Differs between the partial accumulators of one row, which exist when columns run along lanes.
    pub partial: bool,
    /// Differs over the component loop of a pass ([`Pass::components`]).
    pub component: bool,
}

impl Axes {
    /// The union of two sets.
    pub fn union(self, other: Axes) -> Axes {
        Axes {
            row: self.row | other.row,
            col: self.col | other.col,
            partial: self.partial | other.partial,
            component: self.component | other.component,
        }
    }
}

/// One-operand operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// Flip the sign bit. Float.
    Neg,
    /// Clear the sign bit. Float.
    Abs,
    /// Correctly rounded square root. Float.
    Sqrt,
    /// Largest integral value not above. Float; exact for all magnitudes, keeps NaN, infinities and -0.
    Floor,
    /// Nearest integral value, ties to even. Float; exact for all magnitudes, keeps NaN, infinities and -0.
    Nearest,
    /// Reinterpret the bits: Float to Int.
    ToBits,
    /// Reinterpret the bits: Int to Float.
    FromBits,
    /// Int to Float. For f32 any i32, rounded to nearest even; for f64 the operand must lie in [-2^51, 2^51].
    IntToFloat,
    /// Float to Int, truncating. The operand must be in [-2^31+1, 2^31-1] for f32, [-2^51, 2^51] for f64;
    /// otherwise (NaN included) the result is unspecified but the same kind of garbage may differ between engines,
    /// so lowering must select it away.
    FloatToInt,
}

/// Two-operand operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// Float addition.
    Add,
    /// Float subtraction.
    Sub,
    /// Float multiplication.
    Mul,
    /// Float division.
    Div,
    /// `a < b ? a : b`: the second operand when either is NaN or both are zeros. Float.
    Min,
    /// `a > b ? a : b`: the second operand when either is NaN or both are zeros. Float.
    Max,
    /// Wrapping integer addition.
    IntAdd,
    /// Wrapping integer subtraction.
    IntSub,
    /// Bitwise and. Int with Int, or Mask with Mask.
    And,
    /// Bitwise or. Int with Int, or Mask with Mask.
    Or,
    /// Bitwise exclusive or. Int with Int, or Mask with Mask.
    Xor,
    /// `a * 2^n` rounded once. `a` is a float with 2^-4 <= |a| <= 2^4, or NaN; `n` is a float holding an integer in
    /// [-252, 254] for f32, [-2044, 2046] for f64, or, only where `a` is NaN, anything. Overflow gives infinity, underflow is
    /// gradual.
    ScaleExp2,
}

/// Shifts by a constant. Int.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shift {
    /// Towards the high bits.
    Left,
    /// Towards the low bits, zero filled.
    RightLogical,
    /// Towards the low bits, sign filled.
    RightArithmetic,
}

/// Ordered float comparisons; false when an operand is NaN, except `Ne` and `Unordered`, which are then true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Equal.
    Eq,
    /// Not equal, or unordered.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// At least one operand is NaN.
    Unordered,
}

/// Transcendental functions: expanded by `loops::math` for CPU engines, intrinsics for CUDA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// e^x.
    Exp,
    /// 2^x.
    Exp2,
    /// Natural logarithm.
    Log,
    /// Sine, radians.
    Sin,
    /// Cosine, radians.
    Cos,
    /// Inverse sine.
    Asin,
    /// Inverse cosine.
    Acos,
    /// Inverse tangent.
    Atan,
    /// Angle of the point (second operand, first operand).
    Atan2,
    /// First operand to the power of the second.
    Pow,
}

/// A scalar operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Inst {
    /// A float constant, already rounded to the program's type (stored widened, exactly).
    Float(f64),
    /// An integer constant, within the program's integer width.
    Int(i64),
    /// A slot of an array.
    Load(ArrayId, Index),
    /// The counter of an enclosing loop, as a Float (counts are below 2^20).
    Counter(LoopId),
    /// One operand.
    Unary(Unary, Value),
    /// Two operands.
    Binary(Binary, Value, Value),
    /// Shift by a constant number of bits, 1 to width - 1.
    Shift(Shift, Value, u8),
    /// `a * b + c` rounded once. Only in programs for targets with hardware FMA ([`Program::fma`]).
    Fma(Value, Value, Value),
    /// `-(a * b) + c` rounded once. Only in programs for targets with hardware FMA.
    FmaNeg(Value, Value, Value),
    /// Float comparison: Mask.
    Compare(Compare, Value, Value),
    /// `mask ? a : b`; a and b both Float or both Int.
    Select(Value, Value, Value),
    /// A transcendental function; absent after `math::expand`.
    Call(Function, Vec<Value>),
    /// Loop parameter, loop result or accumulator parameter: defined by the enclosing structure, not computed.
    Bound,
}

/// A value's definition.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueDef {
    /// The operation that computes it.
    pub inst: Inst,
    /// Its type.
    pub ty: Type,
    /// The axes it varies over.
    pub axes: Axes,
}

/// A structured statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// Compute a value here. Each value is computed by exactly one `Let` before any use, in the same or an enclosing block.
    Let(Value),
    /// Write a value to a slot.
    Store(ArrayId, Index, Value),
    /// Run a body a constant number of times.
    Loop(LoopId),
}

/// A counted loop `for id in 0..count`.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// Iterations: at least 1, below 2^20.
    pub count: u32,
    /// Values carried around the loop, in order.
    pub carried: Vec<Carried>,
    /// What runs each iteration.
    pub body: Vec<Stmt>,
    /// A Mask without which the loop has no effect: every carried value goes on as `Select(mask, .., param)` and the body
    /// stores nothing. An engine may skip the loop where the mask holds for none of the pairs (rows, columns) it has at hand;
    /// it need not.
    pub skip_unless: Option<Value>,
}

/// One loop-carried scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// Value before the first iteration (defined outside).
    pub init: Value,
    /// The value during an iteration ([`Inst::Bound`]); Float or Int.
    pub param: Value,
    /// The value for the next iteration (defined in the body or outside).
    pub next: Value,
    /// The value after the last iteration ([`Inst::Bound`]).
    pub result: Value,
}

/// What a pass does with the columns of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Runs its statements for every column of the chunk, in order.
    Columns,
    /// Runs its statements once a chunk.
    Chunk,
}

/// One pass over a chunk of columns, for one block of rows. Passes run in order for each chunk.
///
/// `pair` is independent of the accumulators and may be evaluated for several columns at once; `step` uses the accumulator
/// parameters and runs column by column in increasing order.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// Every column, or once.
    pub over: Over,
    /// The pass is repeated for every component `0..count` of a long output vector (a loop with no body and nothing
    /// carried of its own; [`Axes::component`]). The engine may run several components at once, so each of them writes tile
    /// slots of its own. Only in `Over::Columns` passes.
    pub components: Option<LoopId>,
    /// Statements that do not depend on accumulators.
    pub pair: Vec<Stmt>,
    /// Statements that do. They only compute: no loops, no loads, no stores. Empty if every accumulator's `next` is defined in
    /// `pair`.
    pub step: Vec<Stmt>,
    /// Accumulators, kept in registers during the pass: no two share a slot, and the pass does not read their arrays.
    pub accumulators: Vec<Accumulator>,
    /// Leave the kernel after this pass if this Mask holds for any row of the block (with lanes over columns: any
    /// virtual lane of the row); only in `Over::Chunk` passes.
    pub exit_if_any: Option<Value>,
}

/// A state slot that a pass updates.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulator {
    /// A `State` array and the slot in it: fixed, or in a pass over components a slot of its own for each of them.
    pub array: ArrayId,
    /// Slot.
    pub index: Index,
    /// What the parameter is at the start of the pass.
    pub start: Start,
    /// The running value ([`Inst::Bound`]).
    pub param: Value,
    /// The value after a column.
    pub next: Value,
}

/// How an accumulator begins and ends a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Begins as the slot's content; the final value replaces it.
    State,
    /// Begins as +0; the final value is added to the slot (`slot = slot + value`): the block scheme.
    Zero,
}

/// A lowered reduction: see the module documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Compute type.
    pub float: Float,
    /// Whether [`Inst::Fma`] may occur: the target has hardware FMA.
    pub fma: bool,
    /// All scalar values.
    pub values: Vec<ValueDef>,
    /// All arrays.
    pub arrays: Vec<Array>,
    /// All loops.
    pub loops: Vec<Loop>,
    /// Once a call: reads and writes `Param`.
    pub param: Vec<Stmt>,
    /// Once a row: reads `Param`, `Row`; writes `Row`.
    pub row: Vec<Stmt>,
    /// Once a column point: reads `Param`, `Col`; writes `Col`.
    pub col: Vec<Stmt>,
    /// The pair stage with its accumulator steps.
    pub passes: Vec<Pass>,
    /// Identity of each `State` slot, in slot order.
    pub identity: Vec<f64>,
    /// Once a row for two partial accumulators: reads `State`, `Other`; writes `State`. Empty when merging is the launcher's
    /// (selection reductions).
    pub merge: Vec<Stmt>,
    /// Once a row: reads `Param`, `Row`, `State`; writes `Out`.
    pub finish: Vec<Stmt>,
}

impl Program {
    /// What a schedule is chosen from.
    pub fn cost(&self, family: Family) -> Cost {
        let over = self.passes.iter().filter_map(|pass| pass.components);
        let components = over.map(|id| self.loops[id.index()].count);
        let loads = self.passes.iter().map(|pass| self.column_loads(&pass.pair)).max();
        let over_columns = self.passes.iter().filter(|pass| pass.over == Over::Columns);
        Cost {
            family,
            column_bytes: self.slots(Space::Col) * self.float.bytes() as u32,
            tile_slots: self.slots(Space::Tile),
            column_loads: loads.unwrap_or(0),
            components: components.max().unwrap_or(0),
            values: u32::try_from(self.values.len()).unwrap_or(u32::MAX),
            computed: over_columns.map(|pass| self.computed(pass)).max().unwrap_or(0),
        }
    }

    /// Values of one pair that are computed: not those that are loaded, nor those of inner loops.
    fn computed(&self, pass: &Pass) -> u32 {
        let count = pass.pair.iter().filter(|stmt| match stmt {
            Stmt::Let(v) => {
                !matches!(self.value(*v).inst, Inst::Load(..) | Inst::Float(_) | Inst::Int(_))
            }
            _ => false,
        });
        u32::try_from(count.count()).unwrap_or(u32::MAX)
    }

    /// The statements of every stage, pass and loop.
    pub(crate) fn statements(&self) -> impl Iterator<Item = &Stmt> {
        let stages = [&self.param, &self.row, &self.col, &self.merge, &self.finish];
        let passes = self.passes.iter().flat_map(|pass| [&pass.pair, &pass.step]);
        let bodies = self.loops.iter().map(|l| &l.body);
        stages.into_iter().chain(passes).chain(bodies).flatten()
    }

    /// Column scalars that a block reads, loops counted with their iterations.
    fn column_loads(&self, block: &[Stmt]) -> u32 {
        let mut loads = 0u32;
        let mut open: Vec<(u32, &[Stmt])> = vec![(1, block)];
        while let Some((times, block)) = open.pop() {
            for stmt in block {
                match stmt {
                    Stmt::Let(value) => {
                        if let Inst::Load(array, _) = &self.value(*value).inst
                            && self.arrays[array.index()].space == Space::Col
                        {
                            loads = loads.saturating_add(times);
                        }
                    }
                    Stmt::Store(..) => {}
                    Stmt::Loop(id) => {
                        let inner = &self.loops[id.index()];
                        open.push((times.saturating_mul(inner.count), &inner.body));
                    }
                }
            }
        }
        loads
    }

    /// Number of slots in a space.
    pub fn slots(&self, space: Space) -> u32 {
        self.arrays.iter().filter(|a| a.space == space).map(|a| a.base + a.len).max().unwrap_or(0)
    }

    /// The definition of a value.
    pub fn value(&self, value: Value) -> &ValueDef {
        &self.values[value.index()]
    }
}
