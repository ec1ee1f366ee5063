//! Vector instructions over virtual registers, in structured regions: what selection makes and register allocation reads.
//!
//! A [`Function`] is a flat list of items in which regions are bracketed. A virtual register is either a *home* (it can be read
//! from memory at any time while it is used, so it never needs a spill slot) or defined by instructions; registers that are
//! defined in a region are used outside of it only if they were defined before it as well (loop-carried values, counters).

use super::isa::Class;
use crate::loops::program::{Compare, Shift};

/// A virtual register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Virtual(pub(super) u32);

impl Virtual {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An index into [`Function::regions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegionId(pub(super) u32);

impl RegionId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A byte address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    /// A general register; `None`: the scratch memory.
    pub(super) base: Option<Virtual>,
    /// Distance from there.
    pub(super) offset: i32,
}

/// How much a memory operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    /// A vector.
    Whole,
    /// One scalar for all lanes.
    Splat,
}

/// Memory that holds a virtual register's value wherever it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Home {
    /// A float or integer in all lanes, by its bits.
    Constant(u64),
    /// The numbers of the lanes, from this one on, as integers.
    Lanes(u32),
    /// Elements that nothing writes while the register is used.
    Memory(Address, Extent),
    /// A general register with a constant.
    Immediate(u32),
}

/// Rounding to integral values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Nearest,
    Floor,
    Truncate,
}

/// Conditions after [`Op::Test`], unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Below,
    NotEqual,
}

/// An operation. Operands are `args` of the instruction, in the order named here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Float arithmetic on two operands.
    Add,
    Sub,
    Mul,
    Div,
    /// The second operand where unordered or equal.
    Min,
    Max,
    /// `a * b + c`, or `-(a * b) + c`.
    Fma {
        negated: bool,
    },
    Sqrt,
    Round(Rounding),
    /// `a * 2^b`: AVX-512.
    Scale,
    /// Integer arithmetic.
    IntAdd,
    IntSub,
    /// Bits of vectors.
    And,
    Or,
    Xor,
    Shift(Shift, u8),
    IntToFloat,
    /// Truncating.
    FloatToInt,
    /// Floats to a mask.
    Compare(Compare),
    /// Signed integers to a mask: `a > b`.
    Greater,
    /// `mask ? a : b`, operands mask, a, b.
    Blend,
    /// Bits of mask registers.
    MaskAnd,
    MaskOr,
    MaskXor,
    /// A general register: non-zero if any lane of the mask is set.
    Any,
    /// A general register as a float in all lanes.
    SplatFloat,
    /// A general register as an integer in all lanes.
    SplatInt,
    /// A vector from memory.
    Load(Extent),
    /// A vector to memory: all of it, or lane 0.
    Store(Extent),
    /// A register of any class.
    Copy,
    /// General: a field of `Args`, by its offset; only before `Scratch`.
    Argument(u32),
    /// From here on the scratch memory can be used, and `Args` cannot.
    Scratch(u32),
    /// General: the address of the scratch memory.
    ScratchAddress,
    /// General: `a + offset`.
    Offset(i32),
    /// General: `a + b * scale`, scale a power of two up to 8.
    Index(u8),
    /// General: `a - b`.
    Difference,
    /// General: `a * factor`.
    Scaled(i32),
    /// General: `a >> bits`, unsigned.
    Right(u8),
    /// General: the smaller of `a` and a constant, unsigned.
    AtMost(u32),
    /// Sets flags from `a` and `b`.
    Test,
    /// Sets flags from `a` and a constant.
    TestConstant(i32),
    /// Returns `a * 2 + bit`.
    Return(u8),
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inst {
    pub(super) op: Op,
    pub(super) dst: Option<Virtual>,
    pub(super) args: [Option<Virtual>; 3],
    /// Of `Load` and `Store`.
    pub(super) address: Option<Address>,
}

impl Inst {
    /// The operands that there are.
    pub(super) fn operands(&self) -> impl Iterator<Item = Virtual> + '_ {
        self.args.iter().flatten().copied()
    }
}

/// A place in a function.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Inst(Inst),
    Enter(RegionId),
    Leave(RegionId),
}

/// What a region does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// Runs again while the condition holds after its last item, which sets flags; with a guard the item before it sets flags
    /// too, and the region is skipped unless the condition holds.
    Loop { again: Condition, guard: Option<Condition> },
    /// Runs if the condition holds after the item before it.
    Branch { when: Condition },
    /// Like a branch, but ends the function.
    Exit { when: Condition },
}

/// A stage function over virtual registers.
#[derive(Default)]
pub(super) struct Function {
    pub(super) items: Vec<Item>,
    pub(super) regions: Vec<Region>,
    pub(super) classes: Vec<Class>,
    pub(super) homes: Vec<Option<Home>>,
}

impl Function {
    /// A register without a definition yet.
    pub(super) fn fresh(&mut self, class: Class) -> Virtual {
        self.classes.push(class);
        self.homes.push(None);
        Virtual(self.classes.len() as u32 - 1)
    }

    /// A register that can be read from memory.
    pub(super) fn home(&mut self, class: Class, home: Home) -> Virtual {
        let register = self.fresh(class);
        self.homes[register.index()] = Some(home);
        register
    }

    /// Append an instruction that defines `dst`.
    pub(super) fn define(&mut self, dst: Virtual, op: Op, args: &[Virtual]) {
        self.push(op, Some(dst), args, None);
    }

    /// Append an instruction with a result.
    pub(super) fn emit(&mut self, class: Class, op: Op, args: &[Virtual]) -> Virtual {
        let dst = self.fresh(class);
        self.define(dst, op, args);
        dst
    }

    /// Append an instruction without a result.
    pub(super) fn effect(&mut self, op: Op, args: &[Virtual]) {
        self.push(op, None, args, None);
    }

    /// Append a load.
    pub(super) fn load(&mut self, address: Address, extent: Extent) -> Virtual {
        let dst = self.fresh(Class::Vector);
        self.push(Op::Load(extent), Some(dst), &[], Some(address));
        dst
    }

    /// Append a store.
    pub(super) fn store(&mut self, address: Address, extent: Extent, value: Virtual) {
        self.push(Op::Store(extent), None, &[value], Some(address));
    }

    fn push(
        &mut self,
        op: Op,
        dst: Option<Virtual>,
        operands: &[Virtual],
        address: Option<Address>,
    ) {
        let mut args = [None; 3];
        for (arg, operand) in args.iter_mut().zip(operands) {
            *arg = Some(*operand);
        }
        self.items.push(Item::Inst(Inst { op, dst, args, address }));
    }

    /// Open a region.
    pub(super) fn enter(&mut self, region: Region) -> RegionId {
        self.regions.push(region);
        let id = RegionId(self.regions.len() as u32 - 1);
        self.items.push(Item::Enter(id));
        id
    }

    /// Close a region.
    pub(super) fn leave(&mut self, id: RegionId) {
        self.items.push(Item::Leave(id));
    }
}
