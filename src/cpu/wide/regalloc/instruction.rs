//! Registers of one instruction.

use super::super::ir::{Extent, Home, Inst, Op, Virtual};
use super::super::isa::{Class, Level};
use super::super::machine::{Base, Machine, Memory, Operand};
use super::{Allocator, NEVER};

/// Operands that may be read from memory, the preferred one first.
fn foldable(op: Op) -> &'static [usize] {
    match op {
        Op::Add | Op::Mul | Op::IntAdd | Op::And | Op::Or | Op::Xor => &[1, 0],
        Op::Sub | Op::Div | Op::Min | Op::Max | Op::Scale | Op::IntSub => &[1],
        Op::Compare(_) | Op::Greater | Op::Blend | Op::Test | Op::Difference => &[1],
        Op::Sqrt | Op::Round(_) | Op::IntToFloat | Op::FloatToInt => &[0],
        Op::Fma { .. } => &[1, 0, 2],
        _ => &[],
    }
}

impl Allocator<'_> {
    pub(super) fn instruction(&mut self, inst: &Inst) {
        self.locked = [0; 3];
        if let Some(dst) = inst.dst
            && !self.is_live(dst)
        {
            // Nothing uses the result.
            self.release_dead(inst);
            self.release(dst);
            return;
        }
        match inst.op {
            Op::Copy => self.copy(inst),
            Op::Load(extent) => self.load_element(inst, extent),
            Op::Store(extent) => self.store_element(inst, extent),
            Op::Fma { .. } => self.fma(inst),
            _ => self.operation(inst),
        }
    }

    /// Whether an operand's register is free for the result.
    fn dies(&mut self, inst: &Inst, v: Virtual) -> bool {
        inst.dst == Some(v) || !self.is_live(v)
    }

    fn release_dead(&mut self, inst: &Inst) {
        let base = inst.address.and_then(|a| a.base);
        for v in inst.operands().chain(base) {
            if !self.is_live(v) && inst.dst != Some(v) {
                self.release(v);
            }
        }
        // Bases of homes that were read.
        for v in inst.operands() {
            if let Some(Home::Memory(address, _)) = self.home(v)
                && let Some(base) = address.base
                && !self.is_live(base)
            {
                self.release(base);
            }
        }
    }

    /// A register for the result, which from now on is there only.
    fn result(&mut self, inst: &Inst, preferred: Option<u8>) -> u8 {
        let Some(dst) = inst.dst else { return 0 };
        let class = self.class(dst);
        let preferred = preferred.or(self.at[dst.index()].last);
        self.vacate(dst);
        let register = self.take(class, preferred);
        self.place(dst, register);
        register
    }

    /// Note that a value was computed into a register.
    fn place(&mut self, dst: Virtual, register: u8) {
        if self.class(dst) == Class::General {
            self.forget_homes(dst);
        }
        self.vacate(dst);
        self.occupy(dst, register);
        self.at[dst.index()].stored = false;
    }

    /// A pointer changes: what was loaded through it is not what its homes hold any more.
    fn forget_homes(&mut self, base: Virtual) {
        for register in 0..32 {
            let Some(v) = self.files[Class::Vector as usize][register] else { continue };
            if let Some(Home::Memory(address, _)) = self.home(v)
                && address.base == Some(base)
            {
                self.vacate(v);
            }
        }
    }

    /// Whether an operand that is not in a register can stay in memory.
    fn folds(&mut self, v: Virtual) -> bool {
        let class = self.class(v);
        if class == Class::Mask || self.register(v).is_some() {
            return false;
        }
        match self.home(v) {
            Some(Home::Memory(_, Extent::Splat)) => self.isa.level == Level::Avx512,
            Some(Home::Immediate(_)) => false,
            Some(_) => true,
            None => self.at[v.index()].stored,
        }
    }

    /// Whether an operand should be loaded because it is used again while there is room. Broadcasts are not: within an instruction
    /// they cost nothing, on their own they take the place of one (bench: P3, Zen 4).
    fn wants_register(&mut self, v: Virtual) -> bool {
        let class = self.class(v);
        if matches!(self.home(v), Some(Home::Memory(_, Extent::Splat))) {
            return false;
        }
        let end = self.frames.last().map_or(NEVER, |frame| frame.end);
        self.live.after(v, self.position) < end && self.unoccupied(class) > 0
    }

    /// The operand that stays in memory, other than `tied`.
    fn folded(&mut self, inst: &Inst, tied: Option<usize>) -> Option<usize> {
        for k in foldable(inst.op) {
            let Some(v) = inst.args[*k] else { continue };
            let once = inst.operands().filter(|other| *other == v).count() == 1;
            if Some(*k) != tied && once && self.folds(v) && !self.wants_register(v) {
                return Some(*k);
            }
        }
        None
    }

    /// Bring all operands to where they are read, the `folded` one in memory and others in registers.
    fn operands(
        &mut self,
        inst: &Inst,
        folded: Option<usize>,
        skipped: Option<usize>,
    ) -> [Operand; 3] {
        // Registers that are there already must not be taken for the others.
        for (k, v) in inst.args.iter().enumerate() {
            if let (Some(v), true) = (v, Some(k) != skipped)
                && let Some(register) = self.register(*v)
            {
                self.lock(self.class(*v), register);
            }
        }
        let mut args = [Operand::None; 3];
        for (k, v) in inst.args.iter().enumerate() {
            let Some(v) = *v else { continue };
            if Some(k) == skipped {
                continue;
            }
            args[k] = match (Some(k) == folded).then(|| self.memory(v)).flatten() {
                Some(memory) => Operand::Memory(memory),
                None => {
                    let register = self.bring(v);
                    self.lock(self.class(v), register);
                    Operand::Register(register)
                }
            };
        }
        args
    }

    /// Unlock what the instruction reads for the last time, so that its result can go there.
    fn unlock_dead(&mut self, inst: &Inst) {
        for v in inst.operands() {
            if self.dies(inst, v)
                && let Some(register) = self.register(v)
            {
                let class = self.class(v);
                self.locked[class as usize] &= !(1 << register);
                if inst.dst != Some(v) {
                    // Its slot may still be read from: that is freed once the instruction is there.
                    self.vacate(v);
                }
            }
        }
    }

    fn operation(&mut self, inst: &Inst) {
        let folded = self.folded(inst, None);
        let args = self.operands(inst, folded, None);
        let general = inst.dst.is_some_and(|dst| self.class(dst) == Class::General);
        let dst = if general {
            // Two-operand instructions: the result must not overwrite what is still read.
            if let (Some(dst), Some(first)) = (inst.dst, inst.args[0])
                && dst == first
                && let Some(register) = self.register(dst)
            {
                self.locked[Class::General as usize] &= !(1 << register);
            }
            self.result(inst, None)
        } else {
            self.unlock_dead(inst);
            self.result(inst, None)
        };
        self.code.push(Machine::Op { op: inst.op, dst, args });
        self.release_dead(inst);
    }

    fn copy(&mut self, inst: &Inst) {
        let (Some(dst), Some(src)) = (inst.dst, inst.args[0]) else { return };
        let class = self.class(dst);
        let renamed = self.home(src).is_none() && !self.is_live(src);
        if let (Some(register), true) = (self.register(src), renamed) {
            self.release(src);
            self.place(dst, register);
            return;
        }
        match self.register(src) {
            Some(register) => {
                self.lock(class, register);
                let to = self.result(inst, None);
                self.code.push(Machine::Move { class, dst: to, src: register });
            }
            None => {
                if let Some(Home::Immediate(value)) = self.home(src) {
                    let to = self.result(inst, None);
                    self.code.push(Machine::Immediate { dst: to, value });
                    return;
                }
                let Some(from) = self.memory(src) else {
                    self.failure = Some("a value is neither in a register nor in memory");
                    return;
                };
                let to = self.result(inst, None);
                self.load(class, to, from);
            }
        }
        self.release_dead(inst);
    }

    fn element(&mut self, inst: &Inst, extent: Extent) -> Memory {
        let (base, offset) = match inst.address {
            Some(address) => (self.base(address.base), address.offset),
            None => (Base::Scratch, 0),
        };
        Memory { base, offset, extent }
    }

    fn load_element(&mut self, inst: &Inst, extent: Extent) {
        let from = self.element(inst, extent);
        let dst = self.result(inst, None);
        self.code.push(Machine::Load { class: Class::Vector, dst, from });
        self.release_dead(inst);
    }

    fn store_element(&mut self, inst: &Inst, extent: Extent) {
        let args = self.operands(inst, None, None);
        let to = self.element(inst, extent);
        let src = args[0].register();
        self.code.push(Machine::Store { class: Class::Vector, src, to, extent });
        self.release_dead(inst);
    }

    /// The result of a fused multiply-add is one of its operands' registers.
    fn fma(&mut self, inst: &Inst) {
        let tied = self.tied(inst);
        let in_place = inst.args[tied].is_some_and(|v| {
            self.dies(inst, v) && (self.register(v).is_some() || inst.dst == Some(v))
        });
        let folded = self.folded(inst, Some(tied));
        if in_place {
            let args = self.operands(inst, folded, None);
            let register = args[tied].register();
            self.unlock_dead(inst);
            let dst = self.result(inst, Some(register));
            if dst != register {
                self.code.push(Machine::Move { class: Class::Vector, dst, src: register });
            }
            let mut args = args;
            args[tied] = Operand::Register(dst);
            self.code.push(Machine::Op { op: inst.op, dst, args });
            self.release_dead(inst);
            return;
        }
        // A copy of the operand becomes the result.
        let mut args = self.operands(inst, folded, Some(tied));
        let Some(source) = inst.args[tied] else { return };
        let copied = match self.register(source) {
            Some(register) => {
                self.lock(Class::Vector, register);
                Operand::Register(register)
            }
            None => match self.memory(source) {
                Some(memory) => Operand::Memory(memory),
                None => {
                    self.failure = Some("a value is neither in a register nor in memory");
                    return;
                }
            },
        };
        let dst = self.result(inst, None);
        match copied {
            Operand::Register(src) => {
                self.code.push(Machine::Move { class: Class::Vector, dst, src });
            }
            Operand::Memory(from) => self.load(Class::Vector, dst, from),
            Operand::None => {}
        }
        args[tied] = Operand::Register(dst);
        self.code.push(Machine::Op { op: inst.op, dst, args });
        self.release_dead(inst);
    }

    /// The operand whose register becomes the result's.
    fn tied(&mut self, inst: &Inst) -> usize {
        let order = [2, 0, 1];
        let arg = |k: usize| inst.args[k];
        for k in order {
            if inst.dst.is_some() && arg(k) == inst.dst {
                return k;
            }
        }
        let wanted = inst.dst.and_then(|dst| self.at[dst.index()].last);
        let mut dying = None;
        for k in order {
            let Some(v) = arg(k) else { continue };
            if self.register(v).is_some() && self.dies(inst, v) {
                if self.register(v) == wanted {
                    return k;
                }
                dying = dying.or(Some(k));
            }
        }
        if let Some(k) = dying {
            return k;
        }
        // What has to be loaded anyway can be loaded there.
        let unloaded = order.into_iter().find(|k| {
            arg(*k).is_some_and(|v| self.register(v).is_none()) && {
                let twice = (0..3).filter(|other| arg(*other) == arg(*k)).count() > 1;
                !twice
            }
        });
        unloaded.unwrap_or(0)
    }
}
