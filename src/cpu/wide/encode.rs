//! Machine instructions to bytes.

mod codes;
mod general;

use super::ir::{Condition, Extent, Op};
use super::isa::{Class, Isa, Level};
use super::machine::{Base, Machine, Memory, Operand};
use super::regalloc::Allocated;
use crate::cpu::Refused;
use crate::dtype::Float;
use codes::Form;
use iced_x86::{Code, Encoder, Instruction, MemoryOperand, Register};
use std::collections::HashMap;

/// Alignment of functions, loop heads and the constant pool.
const ALIGNMENT: usize = 64;
/// A jump further than this is padded for, not aligned.
const LOOP_ALIGNMENT: usize = 32;

/// The constants of a blob.
#[derive(Default)]
struct Pool {
    places: HashMap<Entry, usize>,
    bytes: Vec<u8>,
}

/// A constant: a scalar for all lanes, or a whole vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Scalar(u64),
    Vector(u64),
    Lanes(u32),
}

/// A blob being written: stage functions, then the pool.
pub(super) struct Blob {
    isa: Isa,
    bytes: Vec<u8>,
    pool: Pool,
    /// Displacements to constants: where they are, where the instruction ends, what they refer to.
    constants: Vec<(usize, usize, usize)>,
}

impl Blob {
    pub(super) fn new(isa: Isa) -> Blob {
        Blob { isa, bytes: Vec::new(), pool: Pool::default(), constants: Vec::new() }
    }

    /// Bytes of what is finished now.
    pub(super) fn len(&self) -> usize {
        self.bytes.len().next_multiple_of(ALIGNMENT) + self.pool.bytes.len()
    }

    /// Append a function; its offset.
    ///
    /// # Errors
    /// When an instruction cannot be encoded: a defect of this engine, which another one makes good.
    pub(super) fn function(&mut self, allocated: &Allocated) -> Result<u32, Refused> {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0xcc);
        let offset = self.bytes.len();
        let mut writer = Writer {
            isa: self.isa,
            saved: general::saved(allocated.written),
            encoder: Encoder::new(64),
            bytes: std::mem::take(&mut self.bytes),
            pool: &mut self.pool,
            constants: &mut self.constants,
            labels: HashMap::new(),
            jumps: Vec::new(),
        };
        let written = writer.all(allocated);
        self.bytes = writer.bytes;
        written.map_err(|e| Refused::Cannot(format!("the encoder refused an instruction: {e}")))?;
        Ok(offset as u32)
    }

    /// The finished bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0xcc);
        let pool = self.bytes.len();
        for (at, end, place) in &self.constants {
            let distance = (pool + place) as i64 - *end as i64;
            let distance = i32::try_from(distance).expect("code is limited to a few MiB");
            self.bytes[*at..*at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.bytes.extend(self.pool.bytes);
        self.bytes
    }
}

impl Pool {
    fn place(&mut self, isa: Isa, entry: Entry) -> usize {
        if let Some(place) = self.places.get(&entry) {
            return *place;
        }
        let size = isa.float.bytes();
        let lane = |bits: u64| bits.to_le_bytes().into_iter().take(size);
        let bytes: Vec<u8> = match entry {
            Entry::Scalar(bits) => lane(bits).collect(),
            Entry::Vector(bits) => (0..isa.lanes()).flat_map(|_| lane(bits)).collect(),
            Entry::Lanes(first) => {
                (0..isa.lanes() as u64).flat_map(|k| lane(u64::from(first) + k)).collect()
            }
        };
        let place = self.bytes.len().next_multiple_of(bytes.len());
        self.bytes.resize(place, 0);
        self.bytes.extend(bytes);
        self.places.insert(entry, place);
        place
    }
}

/// What iced says of an instruction that it does not take.
type Encoded<T = ()> = Result<T, iced_x86::IcedError>;

/// The encoder of one function.
struct Writer<'a> {
    isa: Isa,
    saved: Vec<Register>,
    encoder: Encoder,
    bytes: Vec<u8>,
    pool: &'a mut Pool,
    constants: &'a mut Vec<(usize, usize, usize)>,
    labels: HashMap<u32, usize>,
    /// Displacements of jumps: where they are, and to which label.
    jumps: Vec<(usize, u32)>,
}

impl Writer<'_> {
    fn all(&mut self, allocated: &Allocated) -> Encoded {
        self.prologue()?;
        for machine in &allocated.code {
            self.machine(machine)?;
        }
        for (at, label) in std::mem::take(&mut self.jumps) {
            let target = self.labels.get(&label).copied().unwrap_or_default();
            let distance = (target as i64 - (at as i64 + 4)) as i32;
            self.bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        Ok(())
    }

    /// Append an instruction; `place` is the constant that its memory operand refers to.
    fn put(&mut self, instruction: &Instruction, place: Option<usize>) -> Encoded {
        self.encoder.encode(instruction, 0)?;
        let start = self.bytes.len();
        let mut buffer = self.encoder.take_buffer();
        self.bytes.extend_from_slice(&buffer);
        if let Some(place) = place {
            let offset = self.encoder.get_constant_offsets().displacement_offset();
            self.constants.push((start + offset, self.bytes.len(), place));
        }
        buffer.clear();
        self.encoder.set_buffer(buffer);
        Ok(())
    }

    fn vector(&self, register: u8) -> Encoded<Register> {
        let first = match self.isa.level {
            Level::Avx2 => Register::YMM0,
            Level::Avx512 => Register::ZMM0,
        };
        numbered(first, register, 32)
    }

    fn lane(&self, register: u8) -> Encoded<Register> {
        numbered(Register::XMM0, register, 32)
    }

    fn register(&self, class: Class, register: u8) -> Encoded<Register> {
        match class {
            Class::Vector => self.vector(register),
            Class::Mask => numbered(Register::K0, register, 8),
            Class::General => general::register(register),
        }
    }

    /// The operand of an instruction; whether it is broadcast, and the constant that it refers to.
    fn memory(&mut self, memory: &Memory) -> Encoded<(MemoryOperand, bool, Option<usize>)> {
        let splat = memory.extent == Extent::Splat;
        let entry = match memory.base {
            Base::Register(register) => {
                let base = general::register(register)?;
                let operand = MemoryOperand::with_base_displ(base, i64::from(memory.offset));
                return Ok((operand, splat, None));
            }
            Base::Scratch => {
                let offset = i64::from(memory.offset);
                return Ok((MemoryOperand::with_base_displ(Register::RDI, offset), splat, None));
            }
            Base::Constant(bits) if self.isa.level == Level::Avx512 => Entry::Scalar(bits),
            Base::Constant(bits) => Entry::Vector(bits),
            Base::Lanes(first) => Entry::Lanes(first),
        };
        let place = self.pool.place(self.isa, entry);
        let broadcast = matches!(entry, Entry::Scalar(_));
        Ok((MemoryOperand::with_base_displ(Register::RIP, 0), broadcast, Some(place)))
    }

    /// An instruction `code dst, first.., last [, immediate]` whose last vector operand may be in memory.
    fn vector_op(
        &mut self,
        code: Code,
        dst: Register,
        first: &[Register],
        last: Operand,
        immediate: Option<u8>,
    ) -> Encoded {
        let mut place = None;
        let mut broadcast = false;
        let memory = match &last {
            Operand::Memory(memory) => {
                let (operand, splat, constant) = self.memory(memory)?;
                (broadcast, place) = (splat, constant);
                Some(operand)
            }
            _ => None,
        };
        let register = match memory {
            None => self.vector(last.register())?,
            Some(_) => Register::None,
        };
        let imm = immediate.map(u32::from);
        let mut instruction = match (first, memory, imm) {
            ([], None, None) => Instruction::with2(code, dst, register),
            ([], None, Some(imm)) => Instruction::with3(code, dst, register, imm),
            ([], Some(m), None) => Instruction::with2(code, dst, m),
            ([], Some(m), Some(imm)) => Instruction::with3(code, dst, m, imm),
            ([a], None, None) => Instruction::with3(code, dst, *a, register),
            ([a], None, Some(imm)) => Instruction::with4(code, dst, *a, register, imm),
            ([a], Some(m), None) => Instruction::with3(code, dst, *a, m),
            ([a], Some(m), Some(imm)) => Instruction::with4(code, dst, *a, m, imm),
            // The last register of a blend follows the memory operand.
            ([a, mask, ..], None, _) => Instruction::with4(code, dst, *a, register, *mask),
            ([a, mask, ..], Some(m), _) => Instruction::with4(code, dst, *a, m, *mask),
        }?;
        if broadcast && self.isa.level == Level::Avx512 {
            instruction.set_is_broadcast(true);
        }
        self.put(&instruction, place)
    }

    fn machine(&mut self, machine: &Machine) -> Encoded {
        match machine {
            Machine::Op { op, dst, args } => self.op(*op, *dst, args),
            Machine::Load { class, dst, from } => self.load(*class, *dst, from),
            Machine::Store { class, src, to, extent } => self.store(*class, *src, to, *extent),
            Machine::Move { class, dst, src } => {
                let code = match class {
                    Class::Vector => codes::copy(self.isa),
                    Class::Mask => Code::VEX_Kmovw_kr_km16,
                    Class::General => Code::Mov_r64_rm64,
                };
                let (dst, src) = (self.register(*class, *dst)?, self.register(*class, *src)?);
                self.put(&Instruction::with2(code, dst, src)?, None)
            }
            Machine::Zero { dst } => self.zero(*dst),
            Machine::Immediate { dst, value } => {
                // A 32-bit move clears the upper half and leaves the flags.
                let dst = general::register(*dst)?.full_register32();
                self.put(&Instruction::with2(Code::Mov_r32_imm32, dst, *value)?, None)
            }
            Machine::Label { label, is_loop } => {
                if *is_loop {
                    general::pad(&mut self.bytes, LOOP_ALIGNMENT);
                }
                self.labels.insert(*label, self.bytes.len());
                Ok(())
            }
            Machine::Jump { label, when } => {
                let opcode = match when {
                    Condition::Below => 0x82,
                    Condition::NotEqual => 0x85,
                };
                self.jump(opcode, *label);
                Ok(())
            }
            Machine::JumpUnless { label, when } => {
                let opcode = match when {
                    Condition::Below => 0x83,
                    Condition::NotEqual => 0x84,
                };
                self.jump(opcode, *label);
                Ok(())
            }
        }
    }

    /// A conditional jump with a 32-bit displacement.
    fn jump(&mut self, opcode: u8, label: u32) {
        self.bytes.extend_from_slice(&[0x0f, opcode]);
        self.jumps.push((self.bytes.len(), label));
        self.bytes.extend_from_slice(&[0; 4]);
    }

    fn zero(&mut self, dst: u8) -> Encoded {
        if dst < 16 {
            let dst = self.lane(dst)?;
            let code = Code::VEX_Vxorps_xmm_xmm_xmmm128;
            return self.put(&Instruction::with3(code, dst, dst, dst)?, None);
        }
        let dst = self.vector(dst)?;
        let code = Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32;
        self.put(&Instruction::with3(code, dst, dst, dst)?, None)
    }

    fn load(&mut self, class: Class, dst: u8, from: &Memory) -> Encoded {
        let (memory, splat, place) = self.memory(from)?;
        let code = match class {
            Class::Vector if splat => {
                // AVX2 constants are whole vectors.
                match from.base {
                    Base::Constant(_) if self.isa.level == Level::Avx2 => codes::load(self.isa),
                    _ => codes::broadcast(self.isa),
                }
            }
            Class::Vector => codes::load(self.isa),
            Class::Mask => Code::VEX_Kmovw_kr_km16,
            Class::General => Code::Mov_r64_rm64,
        };
        let dst = self.register(class, dst)?;
        self.put(&Instruction::with2(code, dst, memory)?, place)
    }

    fn store(&mut self, class: Class, src: u8, to: &Memory, extent: Extent) -> Encoded {
        let (memory, _, _) = self.memory(to)?;
        let (code, src) = match class {
            Class::Vector if extent == Extent::Splat => {
                (codes::store_scalar(self.isa), self.lane(src)?)
            }
            Class::Vector => (codes::store(self.isa), self.vector(src)?),
            Class::Mask => (Code::VEX_Kmovw_m16_kr, self.register(class, src)?),
            Class::General => (Code::Mov_rm64_r64, general::register(src)?),
        };
        self.put(&Instruction::with2(code, memory, src)?, None)
    }

    fn op(&mut self, op: Op, dst: u8, args: &[Operand; 3]) -> Encoded {
        let isa = self.isa;
        if let Some(code) = codes::binary(isa, op) {
            // Only commutative operations have memory in the first place.
            let (first, last) = match args {
                [Operand::Memory(_), Operand::Register(b), _] => (*b, args[0]),
                _ => (args[0].register(), args[1]),
            };
            let (dst, first) = (self.vector(dst)?, self.vector(first)?);
            return self.vector_op(code, dst, &[first], last, None);
        }
        if let Some((code, immediate)) = codes::unary(isa, op) {
            let dst = self.vector(dst)?;
            return self.vector_op(code, dst, &[], args[0], immediate);
        }
        match op {
            Op::Fma { negated } => self.fma(negated, dst, args),
            Op::Compare(compare) => {
                let (dst, a) = (self.mask(dst)?, self.vector(args[0].register())?);
                let immediate = Some(codes::predicate(compare));
                self.vector_op(codes::compare(isa), dst, &[a], args[1], immediate)
            }
            Op::Greater => {
                let (dst, a) = (self.mask(dst)?, self.vector(args[0].register())?);
                self.vector_op(codes::greater(isa), dst, &[a], args[1], None)
            }
            Op::Blend => self.blend(dst, args),
            Op::MaskAnd | Op::MaskOr | Op::MaskXor => self.mask_op(op, dst, args),
            Op::Any => {
                let mask = self.mask(args[0].register())?;
                let dst = general::register(dst)?.full_register32();
                self.put(&Instruction::with2(codes::signs(isa), dst, mask)?, None)
            }
            Op::SplatFloat | Op::SplatInt => self.splat(op, dst, args[0].register()),
            _ => self.general(op, dst, args),
        }
    }

    /// A register that holds a mask.
    fn mask(&self, register: u8) -> Encoded<Register> {
        self.register(self.isa.mask_class(), register)
    }

    fn mask_op(&mut self, op: Op, dst: u8, args: &[Operand; 3]) -> Encoded {
        let code = match (op, self.isa.level) {
            (Op::MaskAnd, Level::Avx2) => Code::VEX_Vandps_ymm_ymm_ymmm256,
            (Op::MaskOr, Level::Avx2) => Code::VEX_Vorps_ymm_ymm_ymmm256,
            (_, Level::Avx2) => Code::VEX_Vxorps_ymm_ymm_ymmm256,
            (Op::MaskAnd, Level::Avx512) => Code::VEX_Kandw_kr_kr_kr,
            (Op::MaskOr, Level::Avx512) => Code::VEX_Korw_kr_kr_kr,
            (_, Level::Avx512) => Code::VEX_Kxorw_kr_kr_kr,
        };
        let (dst, a, b) =
            (self.mask(dst)?, self.mask(args[0].register())?, self.mask(args[1].register())?);
        self.put(&Instruction::with3(code, dst, a, b)?, None)
    }

    /// `mask ? a : b`, operands mask, a, b.
    fn blend(&mut self, dst: u8, args: &[Operand; 3]) -> Encoded {
        let (code, mask) = (codes::blend(self.isa), self.mask(args[0].register())?);
        let (dst, otherwise) = (self.vector(dst)?, self.vector(args[2].register())?);
        if self.isa.level == Level::Avx2 {
            return self.vector_op(code, dst, &[otherwise, mask], args[1], None);
        }
        let (operand, place, broadcast) = match &args[1] {
            Operand::Memory(memory) => {
                let (operand, splat, place) = self.memory(memory)?;
                (Some(operand), place, splat)
            }
            _ => (None, None, false),
        };
        let mut instruction = match operand {
            Some(memory) => Instruction::with3(code, dst, otherwise, memory)?,
            None => Instruction::with3(code, dst, otherwise, self.vector(args[1].register())?)?,
        };
        instruction.set_op_mask(mask);
        instruction.set_is_broadcast(broadcast);
        self.put(&instruction, place)
    }

    fn fma(&mut self, negated: bool, dst: u8, args: &[Operand; 3]) -> Encoded {
        let here = Operand::Register(dst);
        let [a, b, c] = *args;
        let is_memory = |operand: Operand| matches!(operand, Operand::Memory(_));
        let (form, second, last) = if c == here && a == here {
            (Form::F231, a, b)
        } else if c == here {
            if is_memory(a) { (Form::F231, b, a) } else { (Form::F231, a, b) }
        } else {
            let other = if a == here { b } else { a };
            if is_memory(other) { (Form::F132, c, other) } else { (Form::F213, other, c) }
        };
        let code = codes::fma(self.isa, negated, form);
        let (dst, second) = (self.vector(dst)?, self.vector(second.register())?);
        self.vector_op(code, dst, &[second], last, None)
    }

    fn splat(&mut self, op: Op, dst: u8, src: u8) -> Encoded {
        let (lane, vector) = (self.lane(dst)?, self.vector(dst)?);
        let src = general::register(src)?;
        if op == Op::SplatFloat {
            let code = codes::float_to_lane(self.isa);
            self.put(&Instruction::with3(code, lane, lane, src)?, None)?;
        } else {
            let narrow = self.isa.float == Float::F32;
            let src = if narrow { src.full_register32() } else { src };
            let code = codes::integer_to_lane(self.isa);
            self.put(&Instruction::with2(code, lane, src)?, None)?;
        }
        let code = codes::broadcast_register(self.isa);
        self.put(&Instruction::with2(code, vector, lane)?, None)
    }
}

/// A register of a file, by its number.
fn numbered(first: Register, number: u8, count: u8) -> Encoded<Register> {
    if number < count {
        return Ok(first + u32::from(number));
    }
    // An instruction without its register: iced says so in its own words.
    Instruction::with1(Code::Push_r64, Register::None).map(|_| Register::None)
}
