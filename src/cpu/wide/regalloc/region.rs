//! Registers at the borders of regions.

use super::super::ir::{Extent, Home, Region, RegionId, Virtual};
use super::super::isa::{Class, R11};
use super::super::machine::{Base, Machine, Memory};
use super::Allocator;

/// A region being emitted, and the registers that its end must have like its beginning.
pub(super) struct Frame {
    /// Position of its last item.
    pub(super) end: u32,
    /// Occupants at the beginning: class, register, value, and whether its slot held it too.
    held: Vec<(Class, u8, Virtual, bool)>,
    head: u32,
    exit: u32,
}

impl Allocator<'_> {
    fn label(&mut self) -> u32 {
        self.labels += 1;
        self.labels - 1
    }

    pub(super) fn enter(&mut self, id: RegionId) {
        self.locked = [0; 3];
        let region = self.f.regions[id.index()];
        if matches!(region, Region::Loop { .. }) {
            for class in [Class::General, Class::Mask, Class::Vector] {
                self.choose(id, class);
            }
        }
        for k in 0..self.live.regions[id.index()].redefined.len() {
            let v = self.live.regions[id.index()].redefined[k];
            let at = &mut self.at[v.index()];
            if at.register.is_some() {
                // From the second iteration on the slot is out of date.
                at.stored = false;
            }
        }
        let (head, exit) = (self.label(), self.label());
        let mut held = Vec::new();
        for class in Class::ALL {
            for (register, v) in self.files[class as usize].iter().enumerate() {
                if let Some(v) = v {
                    held.push((class, register as u8, *v, self.at[v.index()].stored));
                }
            }
        }
        let end = self.live.regions[id.index()].end;
        self.frames.push(Frame { end, held, head, exit });
        match region {
            Region::Loop { guard, .. } => {
                if let Some(when) = guard {
                    self.code.push(Machine::JumpUnless { label: exit, when });
                }
                self.code.push(Machine::Label { label: head, is_loop: true });
            }
            Region::Branch { when } | Region::Exit { when } => {
                self.code.push(Machine::JumpUnless { label: exit, when });
            }
        }
    }

    /// Choose what is in the registers of a class throughout a loop.
    fn choose(&mut self, id: RegionId, class: Class) {
        let needs = &self.live.regions[id.index()];
        let mut ranked: Vec<(u32, Virtual)> = needs
            .outer
            .iter()
            .filter(|(v, _)| self.f.classes[v.index()] == class)
            .map(|(v, weight)| (*weight, *v))
            .collect();
        let count = self.isa.registers(class).len();
        let room = count.saturating_sub(needs.pressure[class as usize]);
        let end = needs.end;
        // Carried values are read and written.
        for (weight, v) in &mut ranked {
            if self.f.homes[v.index()].is_none() {
                *weight = weight.saturating_mul(2);
            }
        }
        ranked.sort_by_key(|(weight, v)| (std::cmp::Reverse(*weight), *v));
        let room = if ranked.len() > room { room.saturating_sub(1) } else { room };
        let mut chosen: Vec<Virtual> = ranked.iter().take(room).map(|(_, v)| *v).collect();
        // What only lives through the loop stays if there is room left.
        let mut spare = room.saturating_sub(chosen.len());
        for register in 0..32 {
            let Some(v) = self.files[class as usize][register] else { continue };
            let ranked = ranked.iter().any(|(_, r)| *r == v);
            let through = !ranked && self.live.is_used_beyond(v, end);
            if through && spare > 0 {
                chosen.push(v);
                spare -= 1;
            }
        }
        for register in 0..32 {
            if let Some(v) = self.files[class as usize][register]
                && !chosen.contains(&v)
            {
                self.evict(v);
            }
        }
        for v in chosen {
            self.locked = [0; 3];
            self.bring(v);
        }
        self.locked = [0; 3];
    }

    pub(super) fn leave(&mut self, id: RegionId) {
        self.locked = [0; 3];
        let Some(frame) = self.frames.pop() else { return };
        let region = self.f.regions[id.index()];
        let returns = matches!(region, Region::Exit { .. });
        if !returns {
            self.restore(id, &frame);
        }
        for class in Class::ALL {
            for register in 0..32 {
                if let Some(v) = self.files[class as usize][register] {
                    self.vacate(v);
                }
            }
        }
        for (_, register, v, stored) in &frame.held {
            self.occupy(*v, *register);
            self.at[v.index()].stored = *stored;
        }
        if let Region::Loop { again, .. } = region {
            self.code.push(Machine::Jump { label: frame.head, when: again });
        }
        self.code.push(Machine::Label { label: frame.exit, is_loop: false });
        for (_, _, v, _) in &frame.held {
            if !self.is_live(*v) {
                self.release(*v);
            }
        }
    }

    /// Bring the registers to what they were at the beginning of the region.
    fn restore(&mut self, id: RegionId, frame: &Frame) {
        let held = |v: Virtual| frame.held.iter().any(|(_, _, h, _)| *h == v);
        // Values that live in memory there.
        for k in 0..self.live.regions[id.index()].redefined.len() {
            let v = self.live.regions[id.index()].redefined[k];
            if !held(v) && self.register(v).is_some() {
                self.keep(v);
            }
        }
        let mut moves: Vec<(Class, u8, u8)> = Vec::new();
        let mut loads: Vec<(Class, u8, Virtual)> = Vec::new();
        for (class, register, v, _) in &frame.held {
            if !self.is_needed(*v) {
                continue;
            }
            match self.register(*v) {
                Some(now) if now == *register => {}
                Some(now) => moves.push((*class, *register, now)),
                None => loads.push((*class, *register, *v)),
            }
        }
        self.parallel(&mut moves, frame);
        // General registers first: they are the bases of others.
        loads.sort_by_key(|(class, ..)| *class != Class::General);
        self.settle(frame);
        for (class, register, v) in loads {
            self.reload(class, register, v);
        }
    }

    /// The occupants that have been brought to their places are there now; what else was in registers is gone.
    fn settle(&mut self, frame: &Frame) {
        let placed: Vec<(u8, Virtual)> = frame
            .held
            .iter()
            .filter(|(_, _, v, _)| self.at[v.index()].register.is_some())
            .map(|(_, register, v, _)| (*register, *v))
            .collect();
        for class in Class::ALL {
            for register in 0..32 {
                if let Some(v) = self.files[class as usize][register] {
                    self.vacate(v);
                }
            }
        }
        for (register, v) in placed {
            self.occupy(v, register);
        }
    }

    /// Where a value can be read from memory, when every register may be taken.
    fn memory_at_border(&mut self, v: Virtual) -> Option<Memory> {
        if let Some(Home::Memory(address, extent)) = self.home(v)
            && let Some(base) = address.base
            && self.register(base).is_none()
        {
            let from = self.memory(base)?;
            self.load(Class::General, R11, from);
            let base = Base::Register(R11);
            return Some(Memory { base, offset: address.offset, extent });
        }
        self.memory(v)
    }

    fn reload(&mut self, class: Class, register: u8, v: Virtual) {
        if let Some(Home::Immediate(value)) = self.home(v) {
            self.code.push(Machine::Immediate { dst: register, value });
        } else {
            let Some(from) = self.memory_at_border(v) else {
                self.failure = Some("a value is neither in a register nor in memory");
                return;
            };
            self.load(class, register, from);
        }
        self.occupy(v, register);
    }

    /// Moves that happen at once.
    fn parallel(&mut self, moves: &mut Vec<(Class, u8, u8)>, frame: &Frame) {
        while !moves.is_empty() {
            let free = moves.iter().position(|(class, dst, _)| {
                !moves.iter().any(|(c, _, src)| c == class && src == dst)
            });
            if let Some(k) = free {
                let (class, dst, src) = moves.swap_remove(k);
                self.code.push(Machine::Move { class, dst, src });
                continue;
            }
            // Only cycles are left: set one register of a cycle aside.
            let (class, _, src) = moves[0];
            let aside = self.isa.registers(class).iter().copied().find(|r| {
                !frame.held.iter().any(|(c, held, ..)| *c == class && held == r)
                    && !moves.iter().any(|(c, dst, src)| *c == class && (dst == r || src == r))
                    && !self.holds_needed(class, *r, frame)
            });
            match aside {
                Some(aside) => {
                    self.code.push(Machine::Move { class, dst: aside, src });
                    for (c, _, s) in moves.iter_mut() {
                        if *c == class && *s == src {
                            *s = aside;
                        }
                    }
                }
                None => self.exchange(moves),
            }
        }
    }

    /// Whether a register holds a value that is to stay in one.
    fn holds_needed(&self, class: Class, register: u8, frame: &Frame) -> bool {
        self.files[class as usize][register as usize]
            .is_some_and(|v| frame.held.iter().any(|(_, _, held, _)| *held == v))
    }

    /// Break a cycle through memory.
    fn exchange(&mut self, moves: &mut Vec<(Class, u8, u8)>) {
        let (class, dst, src) = moves.swap_remove(0);
        let kind = usize::from(class != Class::Vector);
        let offset = self.free[kind].pop().unwrap_or_else(|| {
            let offset = self.scratch;
            self.scratch += 64;
            offset as i32
        });
        let slot = Memory { base: Base::Scratch, offset, extent: Extent::Whole };
        self.code.push(Machine::Store { class, src, to: slot, extent: Extent::Whole });
        self.parallel_rest(moves, class, src, dst);
        self.code.push(Machine::Load { class, dst, from: slot });
        self.free[kind].push(offset);
    }

    /// The other moves of a cycle whose register `src` has been saved, in an order that ends with the one from `dst`.
    fn parallel_rest(&mut self, moves: &mut Vec<(Class, u8, u8)>, class: Class, src: u8, dst: u8) {
        let mut hole = src;
        while hole != dst {
            let Some(k) = moves.iter().position(|(c, d, _)| *c == class && *d == hole) else {
                return;
            };
            let (_, d, s) = moves.swap_remove(k);
            self.code.push(Machine::Move { class, dst: d, src: s });
            hole = s;
        }
    }
}
