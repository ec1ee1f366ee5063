//! The two instruction sets, for one float type.

use crate::dtype::Float;

/// Vector instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// AVX2 and FMA: 256 bits, 16 registers, masks in vector registers.
    Avx2,
    /// AVX-512 F, DQ, VL, BW: 512 bits, 32 registers, mask registers, broadcast memory operands.
    Avx512,
}

/// An instruction set over one float type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Isa {
    pub(super) level: Level,
    pub(super) float: Float,
}

/// Kinds of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// Floats, integers, and masks where there are no mask registers.
    Vector,
    /// Lane masks.
    Mask,
    /// Addresses and counters.
    General,
}

impl Class {
    /// All classes, in the order of their numbers.
    pub(super) const ALL: [Class; 3] = [Class::Vector, Class::Mask, Class::General];
}

/// The register that holds the arguments on entry and the scratch address afterwards.
pub(super) const RDI: u8 = 7;
/// The register that returns.
pub(super) const RAX: u8 = 0;
/// A register that holds an address for one instruction, where no other is free.
pub(super) const R11: u8 = 11;
/// General registers in the order in which they are given out: those that need not be saved first. The scratch address stays in
/// `rdi`, and `r11` is kept for addresses, so they are not among them.
const GENERAL: [u8; 13] = [0, 1, 2, 6, 8, 9, 10, 3, 5, 12, 13, 14, 15];
/// k0 cannot select lanes.
const MASKS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];
const VECTORS: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 30, 31,
];

impl Isa {
    /// Bytes of a vector.
    pub(super) fn bytes(self) -> usize {
        match self.level {
            Level::Avx2 => 32,
            Level::Avx512 => 64,
        }
    }

    /// Lanes of a vector.
    pub(super) fn lanes(self) -> usize {
        self.bytes() / self.float.bytes()
    }

    /// Where masks are held.
    pub(super) fn mask_class(self) -> Class {
        match self.level {
            Level::Avx2 => Class::Vector,
            Level::Avx512 => Class::Mask,
        }
    }

    /// Registers that may be given out, in order of preference.
    pub(super) fn registers(self, class: Class) -> &'static [u8] {
        match (class, self.level) {
            (Class::Vector, Level::Avx2) => &VECTORS[..16],
            (Class::Vector, Level::Avx512) => &VECTORS,
            (Class::Mask, _) => &MASKS,
            (Class::General, _) => &GENERAL,
        }
    }

    /// The largest number of instances that are carried through a block at the same time.
    pub(super) fn vectors(self) -> usize {
        self.registers(Class::Vector).len()
    }
}
