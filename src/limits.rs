//! Every bound of the crate. Input beyond one of them is refused with an error of kind `Limit` that names it.

/// Bytes of formula text, and of one alias.
pub const FORMULA_BYTES: usize = 64 * 1024;
/// Nesting of parentheses and calls.
pub const NESTING: usize = 256;
/// Typed nodes after common-subexpression elimination.
pub const NODES: usize = 4_096;
/// Steps of typing, simplification and differentiation, whether or not nodes come of them: about a tenth of a microsecond each.
pub const TYPING_STEPS: u64 = 2_000_000;
/// Bits of the numerator and of the denominator of a constant.
pub const CONSTANT_BITS: u64 = 8_192;
/// Aliases of one formula, inline variables included.
pub const ALIASES: usize = 256;
/// Dim of any expression.
pub const DIM: usize = 65_536;
/// Axes of a tensor in `TensorDot` and `Kron`.
pub const AXES: usize = 64;
/// K of the K-reductions.
pub const K: usize = 1_024;
/// Rank of the Nystrom preconditioner of a linear solve.
pub const NYSTROM_RANK: usize = 4_096;
/// Absolute value of a literal integer exponent.
pub const EXPONENT: i64 = 64;
/// Digits of a literal.
pub const LITERAL_DIGITS: usize = 400;
/// Scalar instructions of a lowered program, loops counted once and each loop as [`LOOP_INSTRUCTIONS`].
pub const PROGRAM_INSTRUCTIONS: usize = 200_000;
/// What a loop counts for: about as many instructions cost as much to emit.
pub const LOOP_INSTRUCTIONS: usize = 32;
/// Bytes of machine code of one kernel.
pub const CODE_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that any of a kernel's memories may span (packed arguments of a tile, intermediate values, states): offsets in code are
/// 32-bit.
pub const SPACE_BYTES: u64 = i32::MAX as u64;
/// Bytes of one entry of the kernel cache; also what a reader is ready to read.
pub const CACHE_ENTRY_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of memory of a call on arrays that are read in pieces, when nothing else is asked for.
pub const STREAM_BYTES: usize = 1 << 30;
/// Bytes that the kernel cache may take on disk when nothing else is asked for.
pub const CACHE_BYTES: u64 = 512 * 1024 * 1024;
/// Kernels that the memory tier keeps alive.
pub const MEMORY_KERNELS: usize = 512;
/// Bytes of code and text that the memory tier keeps alive.
pub const MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Factor of an index in a formula, and integer that is added to one: with as many points as memory holds, no integer overflows.
pub const INDEX_FACTOR: i64 = 1 << 31;
/// Parts of a condition on indices.
pub const CONDITION: usize = 64;
