//! Register allocation: one pass over the structured code.
//!
//! Within straight code a register is taken from the value whose next use is farthest (values that can be read from memory
//! first). On entry to a loop its carried values and invariants are ranked by use, and as many are kept in registers as the
//! loop's own values leave; the others are read from memory where they are used: their home, or a spill slot. At the end of a
//! loop the registers are brought back to what they were at its beginning.

mod instruction;
mod live;
mod region;

use super::ir::{Extent, Function, Home, Item, Virtual};
use super::isa::{Class, Isa};
use super::machine::{Base, Machine, Memory};
use crate::cpu::Refused;
use live::{Live, NEVER};
use region::Frame;

/// The allocated function.
pub(super) struct Allocated {
    pub(super) code: Vec<Machine>,
    /// Bytes of scratch memory it uses, from the first on.
    pub(super) scratch: usize,
    /// General registers that are written, a bit each.
    pub(super) written: u16,
}

/// Where a value is.
#[derive(Clone, Copy, Default)]
struct Location {
    register: Option<u8>,
    slot: Option<i32>,
    /// Whether the slot holds the value.
    stored: bool,
    /// The register it was in last.
    last: Option<u8>,
}

struct Allocator<'a> {
    f: &'a Function,
    isa: Isa,
    live: Live,
    code: Vec<Machine>,
    /// Occupants of the registers of each class.
    files: [[Option<Virtual>; 32]; 3],
    /// Registers in use by the current instruction, a bit each.
    locked: [u32; 3],
    at: Vec<Location>,
    frames: Vec<Frame>,
    /// Freed slots of vectors, and of others.
    free: [Vec<i32>; 2],
    scratch: usize,
    written: u16,
    position: u32,
    labels: u32,
    failure: Option<&'static str>,
}

/// Allocate the registers of a function, with spill slots behind `scratch` bytes of scratch memory.
///
/// # Errors
/// When scratch memory would exceed 2 GiB.
pub(super) fn allocate(f: &Function, isa: Isa, scratch: usize) -> Result<Allocated, Refused> {
    let mut allocator = Allocator {
        f,
        isa,
        live: Live::of(f),
        code: Vec::with_capacity(f.items.len() + f.items.len() / 2),
        files: [[None; 32]; 3],
        locked: [0; 3],
        at: vec![Location::default(); f.classes.len()],
        frames: Vec::new(),
        free: [Vec::new(), Vec::new()],
        scratch: scratch.next_multiple_of(64),
        written: 0,
        position: 0,
        labels: 0,
        failure: None,
    };
    for (k, item) in f.items.iter().enumerate() {
        allocator.position = k as u32;
        match item {
            Item::Inst(inst) => allocator.instruction(inst),
            Item::Enter(id) => allocator.enter(*id),
            Item::Leave(id) => allocator.leave(*id),
        }
    }
    if let Some(failure) = allocator.failure {
        return Err(Refused::Cannot(failure.to_owned()));
    }
    let Allocator { code, scratch, written, .. } = allocator;
    Ok(Allocated { code, scratch, written })
}

impl Allocator<'_> {
    fn class(&self, v: Virtual) -> Class {
        self.f.classes[v.index()]
    }

    fn home(&self, v: Virtual) -> Option<Home> {
        self.f.homes[v.index()]
    }

    fn register(&self, v: Virtual) -> Option<u8> {
        self.at[v.index()].register
    }

    /// Whether a value is used after the current position.
    fn is_live(&mut self, v: Virtual) -> bool {
        self.live.after(v, self.position) != NEVER
    }

    fn lock(&mut self, class: Class, register: u8) {
        self.locked[class as usize] |= 1 << register;
    }

    fn is_locked(&self, class: Class, register: u8) -> bool {
        self.locked[class as usize] >> register & 1 == 1
    }

    /// Put a value into a register that is free.
    fn occupy(&mut self, v: Virtual, register: u8) {
        let class = self.class(v);
        self.files[class as usize][register as usize] = Some(v);
        let at = &mut self.at[v.index()];
        at.register = Some(register);
        at.last = Some(register);
        if class == Class::General {
            self.written |= 1 << register;
        }
    }

    /// Take a value out of its register without keeping it.
    fn vacate(&mut self, v: Virtual) {
        if let Some(register) = self.at[v.index()].register.take() {
            self.files[self.class(v) as usize][register as usize] = None;
        }
    }

    /// Free all that a value has that is not used any more.
    fn release(&mut self, v: Virtual) {
        self.vacate(v);
        let class = self.class(v);
        let at = &mut self.at[v.index()];
        if let Some(slot) = at.slot.take() {
            at.stored = false;
            self.free[usize::from(class != Class::Vector)].push(slot);
        }
    }

    /// The number of registers of a class that hold nothing.
    fn unoccupied(&self, class: Class) -> usize {
        let file = &self.files[class as usize];
        let empty = |r: &&u8| file[**r as usize].is_none();
        self.isa.registers(class).iter().filter(empty).count()
    }

    /// A register of a class, taken from another value if need be.
    fn take(&mut self, class: Class, preferred: Option<u8>) -> u8 {
        let usable = |this: &Self, r: u8| {
            this.files[class as usize][r as usize].is_none() && !this.is_locked(class, r)
        };
        if let Some(register) = preferred
            && usable(self, register)
        {
            return register;
        }
        let registers = self.isa.registers(class);
        if let Some(register) = registers.iter().find(|r| usable(self, **r)) {
            return *register;
        }
        let mut best: Option<(u64, Virtual, u8)> = None;
        for register in registers {
            let Some(v) = self.files[class as usize][*register as usize] else { continue };
            if self.is_locked(class, *register) {
                continue;
            }
            let next = self.live.after(v, self.position);
            let mut distance = 2 * u64::from(next - self.position);
            if self.home(v).is_none() && !self.at[v.index()].stored {
                // It costs a store as well.
                distance /= 2;
            }
            if best.is_none_or(|(most, ..)| distance > most) {
                best = Some((distance, v, *register));
            }
        }
        let Some((_, v, register)) = best else {
            self.failure = Some("an instruction needs more registers than there are");
            return 0;
        };
        self.evict(v);
        register
    }

    /// Take a value out of its register; it can be read from memory afterwards.
    fn evict(&mut self, v: Virtual) {
        self.keep(v);
        self.vacate(v);
    }

    /// Make sure that memory holds a value which is in a register.
    fn keep(&mut self, v: Virtual) {
        let stored = self.at[v.index()].stored || self.home(v).is_some();
        if stored || !self.is_needed(v) {
            return;
        }
        let class = self.class(v);
        let to = self.slot(v);
        let Some(src) = self.register(v) else {
            self.failure = Some("a value is neither in a register nor in memory");
            return;
        };
        self.code.push(Machine::Store { class, src, to, extent: Extent::Whole });
        self.at[v.index()].stored = true;
    }

    /// Whether a value is used at the current position or after it.
    fn is_needed(&mut self, v: Virtual) -> bool {
        self.live.from(v, self.position) != NEVER
    }

    /// The spill slot of a value.
    fn slot(&mut self, v: Virtual) -> Memory {
        let class = self.class(v);
        let offset = match self.at[v.index()].slot {
            Some(offset) => offset,
            None => {
                let kind = usize::from(class != Class::Vector);
                let offset = self.free[kind].pop().unwrap_or_else(|| {
                    let offset = self.scratch;
                    self.scratch += if kind == 0 { self.isa.bytes() } else { 8 };
                    if kind == 1 {
                        // Keep vectors aligned.
                        let rest = self.scratch.next_multiple_of(64);
                        self.free[1].extend((self.scratch..rest).step_by(8).map(|k| k as i32));
                        self.scratch = rest;
                    }
                    i32::try_from(offset).unwrap_or_else(|_| {
                        self.failure = Some("scratch memory exceeds 2 GiB");
                        0
                    })
                });
                self.at[v.index()].slot = Some(offset);
                offset
            }
        };
        Memory { base: Base::Scratch, offset, extent: Extent::Whole }
    }

    /// Where a value can be read from memory; the base of its home is brought into a register and locked.
    fn memory(&mut self, v: Virtual) -> Option<Memory> {
        match self.home(v) {
            Some(Home::Constant(bits)) => {
                Some(Memory { base: Base::Constant(bits), offset: 0, extent: Extent::Splat })
            }
            Some(Home::Lanes(first)) => {
                Some(Memory { base: Base::Lanes(first), offset: 0, extent: Extent::Whole })
            }
            Some(Home::Memory(address, extent)) => {
                let base = self.base(address.base);
                Some(Memory { base, offset: address.offset, extent })
            }
            Some(Home::Immediate(_)) => None,
            None if self.at[v.index()].stored => Some(self.slot(v)),
            None => None,
        }
    }

    /// The base of an address, in a register.
    fn base(&mut self, base: Option<Virtual>) -> Base {
        match base {
            Some(base) => {
                let register = self.bring(base);
                self.lock(Class::General, register);
                Base::Register(register)
            }
            None => Base::Scratch,
        }
    }

    /// A value's register, loaded if need be.
    fn bring(&mut self, v: Virtual) -> u8 {
        if let Some(register) = self.register(v) {
            return register;
        }
        let class = self.class(v);
        let preferred = self.at[v.index()].last;
        if let Some(Home::Immediate(value)) = self.home(v) {
            let dst = self.take(class, preferred);
            self.code.push(Machine::Immediate { dst, value });
            self.occupy(v, dst);
            return dst;
        }
        let Some(from) = self.memory(v) else {
            self.failure = Some("a value is neither in a register nor in memory");
            return 0;
        };
        let dst = self.take(class, preferred);
        self.load(class, dst, from);
        self.occupy(v, dst);
        dst
    }

    fn load(&mut self, class: Class, dst: u8, from: Memory) {
        self.code.push(match from.base {
            Base::Constant(0) => Machine::Zero { dst },
            _ => Machine::Load { class, dst, from },
        });
    }
}
