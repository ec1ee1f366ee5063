//! General registers: addresses, counters, and what surrounds a function.

use super::super::ir::Op;
use super::super::isa::{RAX, RDI};
use super::super::machine::Operand;
use super::{Encoded, Writer, numbered};
use iced_x86::{Code, Instruction, MemoryOperand, Register};

/// Registers that a function must leave as they were.
const SAVED: [u8; 6] = [3, 5, 12, 13, 14, 15];

/// A general register, 64 bits.
pub(super) fn register(number: u8) -> Encoded<Register> {
    numbered(Register::RAX, number, 16)
}

/// Those of the written registers that must be saved.
pub(super) fn saved(written: u16) -> Vec<Register> {
    SAVED.iter().filter(|r| written >> **r & 1 == 1).filter_map(|r| register(*r).ok()).collect()
}

/// Fill up to a multiple of the alignment with instructions that do nothing.
pub(super) fn pad(bytes: &mut Vec<u8>, alignment: usize) {
    const NOPS: [&[u8]; 9] = [
        &[0x90],
        &[0x66, 0x90],
        &[0x0f, 0x1f, 0x00],
        &[0x0f, 0x1f, 0x40, 0x00],
        &[0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
        &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
        &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    ];
    let mut rest = bytes.len().next_multiple_of(alignment) - bytes.len();
    while rest > 0 {
        let nop = NOPS[rest.min(NOPS.len()) - 1];
        bytes.extend_from_slice(nop);
        rest -= nop.len();
    }
}

impl Writer<'_> {
    pub(super) fn prologue(&mut self) -> Encoded {
        for k in 0..self.saved.len() {
            self.put(&Instruction::with1(Code::Push_r64, self.saved[k])?, None)?;
        }
        Ok(())
    }

    fn epilogue(&mut self) -> Encoded {
        self.put(&Instruction::with(Code::VEX_Vzeroupper), None)?;
        for k in (0..self.saved.len()).rev() {
            self.put(&Instruction::with1(Code::Pop_r64, self.saved[k])?, None)?;
        }
        self.put(&Instruction::with(Code::Retnq), None)
    }

    /// An operation on general registers.
    pub(super) fn general(&mut self, op: Op, dst: u8, args: &[Operand; 3]) -> Encoded {
        let a = |this: &Self| this.general_operand(args[0]);
        match op {
            Op::Argument(offset) => {
                let dst = register(dst)?;
                self.load_general(dst, Register::RDI, i64::from(offset))
            }
            Op::Scratch(offset) => {
                self.load_general(Register::RDI, Register::RDI, i64::from(offset))
            }
            Op::ScratchAddress => {
                let (dst, src) = (register(dst)?, register(RDI)?);
                self.put(&Instruction::with2(Code::Mov_r64_rm64, dst, src)?, None)
            }
            Op::Offset(offset) => {
                let memory = MemoryOperand::with_base_displ(a(self)?, i64::from(offset));
                self.address(dst, memory)
            }
            Op::Index(scale) => {
                let b = self.general_operand(args[1])?;
                let memory = MemoryOperand::with_base_index_scale(a(self)?, b, u32::from(scale));
                self.address(dst, memory)
            }
            Op::Difference => {
                let (dst, first) = (register(dst)?, a(self)?);
                if dst != first {
                    self.put(&Instruction::with2(Code::Mov_r64_rm64, dst, first)?, None)?;
                }
                self.with_operand(Code::Sub_r64_rm64, dst, args[1])
            }
            Op::Scaled(factor) => {
                let (dst, first) = (register(dst)?, a(self)?);
                let code = Code::Imul_r64_rm64_imm32;
                self.put(&Instruction::with3(code, dst, first, factor)?, None)
            }
            Op::Right(bits) => {
                let (dst, first) = (register(dst)?, a(self)?);
                if dst != first {
                    self.put(&Instruction::with2(Code::Mov_r64_rm64, dst, first)?, None)?;
                }
                let bits = u32::from(bits);
                self.put(&Instruction::with2(Code::Shr_rm64_imm8, dst, bits)?, None)
            }
            Op::AtMost(limit) => {
                let (dst, first) = (register(dst)?, a(self)?);
                let low = dst.full_register32();
                self.put(&Instruction::with2(Code::Mov_r32_imm32, low, limit)?, None)?;
                self.put(&Instruction::with2(Code::Cmp_r64_rm64, first, dst)?, None)?;
                self.put(&Instruction::with2(Code::Cmovb_r64_rm64, dst, first)?, None)
            }
            Op::Test => {
                let first = a(self)?;
                self.with_operand(Code::Cmp_r64_rm64, first, args[1])
            }
            Op::TestConstant(constant) => {
                let first = a(self)?;
                self.put(&Instruction::with2(Code::Cmp_rm64_imm32, first, constant)?, None)
            }
            Op::Return(bit) => {
                let first = a(self)?;
                let memory = MemoryOperand::with_base_index_scale_displ_size(
                    first,
                    first,
                    1,
                    i64::from(bit),
                    1,
                );
                self.address(RAX, memory)?;
                self.epilogue()
            }
            // Everything else was a vector operation.
            _ => Instruction::with1(Code::INVALID, Register::None).map(|_| ()),
        }
    }

    fn general_operand(&self, operand: Operand) -> Encoded<Register> {
        register(operand.register())
    }

    fn load_general(&mut self, dst: Register, base: Register, offset: i64) -> Encoded {
        let memory = MemoryOperand::with_base_displ(base, offset);
        self.put(&Instruction::with2(Code::Mov_r64_rm64, dst, memory)?, None)
    }

    fn address(&mut self, dst: u8, memory: MemoryOperand) -> Encoded {
        let dst = register(dst)?;
        self.put(&Instruction::with2(Code::Lea_r64_m, dst, memory)?, None)
    }

    fn with_operand(&mut self, code: Code, first: Register, operand: Operand) -> Encoded {
        match &operand {
            Operand::Memory(memory) => {
                let (memory, _, _) = self.memory(memory)?;
                self.put(&Instruction::with2(code, first, memory)?, None)
            }
            _ => {
                let second = self.general_operand(operand)?;
                self.put(&Instruction::with2(code, first, second)?, None)
            }
        }
    }
}
