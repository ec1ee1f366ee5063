//! Machine instructions over physical registers: what register allocation makes and encoding reads.

use super::ir::{Condition, Extent, Op};
use super::isa::Class;

/// What a memory operand is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// A general register.
    Register(u8),
    /// The scratch memory.
    Scratch,
    /// A float or integer in all lanes, by its bits.
    Constant(u64),
    /// The numbers of the lanes from this one on.
    Lanes(u32),
}

/// A memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) base: Base,
    pub(super) offset: i32,
    pub(super) extent: Extent,
}

/// An operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    None,
    Register(u8),
    Memory(Memory),
}

impl Operand {
    /// The register that must be here.
    pub(super) fn register(self) -> u8 {
        match self {
            Operand::Register(register) => register,
            // Allocation puts memory only where an operation takes it; the encoder's own check refuses anything else.
            Operand::None | Operand::Memory(_) => u8::MAX,
        }
    }
}

/// A machine instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Machine {
    /// An operation; `dst` is the flags' or no register where it has no result. `Fma` has `dst` among its operands.
    Op { op: Op, dst: u8, args: [Operand; 3] },
    /// A register from memory.
    Load { class: Class, dst: u8, from: Memory },
    /// A register to memory.
    Store { class: Class, src: u8, to: Memory, extent: Extent },
    /// A register to a register of the same class.
    Move { class: Class, dst: u8, src: u8 },
    /// A vector of zeros.
    Zero { dst: u8 },
    /// A constant to a general register; leaves the flags.
    Immediate { dst: u8, value: u32 },
    /// A place to jump to; loops begin at some.
    Label { label: u32, is_loop: bool },
    /// A jump.
    Jump { label: u32, when: Condition },
    /// A jump when the condition does not hold.
    JumpUnless { label: u32, when: Condition },
}
