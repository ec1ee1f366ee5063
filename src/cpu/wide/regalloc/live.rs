//! Where virtual registers are used, and what each region needs.

use super::super::ir::{Function, Home, Item, Region, RegionId, Virtual};
use super::super::isa::Class;

/// No position.
pub(super) const NEVER: u32 = u32::MAX;

/// How much more a use counts for every loop around it.
const LOOP_WEIGHT: u32 = 8;

/// What a region needs.
#[derive(Default)]
pub(super) struct Needs {
    /// Position of its last item.
    pub(super) end: u32,
    /// Registers from outside that it uses or defines, with the number of uses.
    pub(super) outer: Vec<(Virtual, u32)>,
    /// Those that it defines.
    pub(super) redefined: Vec<Virtual>,
    /// Most registers of each class that its own values take at once.
    pub(super) pressure: [usize; 3],
}

/// Uses of every virtual register.
pub(super) struct Live {
    starts: Vec<u32>,
    positions: Vec<u32>,
    /// First use not yet passed.
    cursors: Vec<u32>,
    pub(super) regions: Vec<Needs>,
}

/// A region that is being scanned.
struct Open {
    enter: u32,
    /// Registers used or defined, each once, with their uses.
    touched: Vec<Virtual>,
    weights: Vec<u32>,
    /// What [`Scan::slots`] held of them before.
    previous: Vec<u32>,
    defined: Vec<Virtual>,
}

struct Scan<'a> {
    f: &'a Function,
    uses: Vec<(Virtual, u32)>,
    first: Vec<u32>,
    last_definition: Vec<u32>,
    last_use: Vec<u32>,
    /// Index + 1 in the innermost region's `touched`, valid if that entry is the register.
    slots: Vec<u32>,
    open: Vec<Open>,
    regions: Vec<Needs>,
}

impl Live {
    /// Scan a function.
    pub(super) fn of(f: &Function) -> Live {
        let count = f.classes.len();
        let mut scan = Scan {
            f,
            uses: Vec::with_capacity(f.items.len() * 3),
            first: vec![NEVER; count],
            last_definition: vec![NEVER; count],
            last_use: vec![NEVER; count],
            slots: vec![0; count],
            open: vec![Open::at(0)],
            regions: f.regions.iter().map(|_| Needs::default()).collect(),
        };
        for (k, item) in f.items.iter().enumerate() {
            scan.item(item, k as u32);
        }
        let Scan { uses, regions, .. } = scan;
        let mut starts = vec![0u32; count + 1];
        for (v, _) in &uses {
            starts[v.index() + 1] += 1;
        }
        for k in 0..count {
            starts[k + 1] += starts[k];
        }
        let mut positions = vec![0u32; uses.len()];
        let mut fill = starts.clone();
        for (v, at) in uses {
            positions[fill[v.index()] as usize] = at;
            fill[v.index()] += 1;
        }
        let cursors = starts[..count].to_vec();
        Live { starts, positions, cursors, regions }
    }

    /// The next use at or after a position.
    pub(super) fn from(&mut self, v: Virtual, position: u32) -> u32 {
        let end = self.starts[v.index() + 1];
        let cursor = &mut self.cursors[v.index()];
        while *cursor < end && self.positions[*cursor as usize] < position {
            *cursor += 1;
        }
        if *cursor < end { self.positions[*cursor as usize] } else { NEVER }
    }

    /// The next use after a position. The cursor must not pass uses at the position itself.
    pub(super) fn after(&mut self, v: Virtual, position: u32) -> u32 {
        self.from(v, position);
        let end = self.starts[v.index() + 1];
        let mut k = self.cursors[v.index()];
        while k < end && self.positions[k as usize] <= position {
            k += 1;
        }
        if k < end { self.positions[k as usize] } else { NEVER }
    }

    /// Whether there is a use after a later position.
    pub(super) fn is_used_beyond(&self, v: Virtual, position: u32) -> bool {
        let (start, end) = (self.starts[v.index()], self.starts[v.index() + 1]);
        self.positions[start as usize..end as usize].last().is_some_and(|last| *last > position)
    }
}

impl Open {
    fn at(enter: u32) -> Open {
        Open {
            enter,
            touched: Vec::new(),
            weights: Vec::new(),
            previous: Vec::new(),
            defined: Vec::new(),
        }
    }
}

impl Scan<'_> {
    fn item(&mut self, item: &Item, position: u32) {
        match item {
            Item::Inst(inst) => {
                for v in inst.operands() {
                    self.read(v, position);
                }
                if let Some(base) = inst.address.and_then(|a| a.base) {
                    self.read(base, position);
                }
                if let Some(v) = inst.dst {
                    self.define(v, position);
                }
            }
            Item::Enter(_) => self.open.push(Open::at(position)),
            Item::Leave(id) => self.leave(*id, position),
        }
    }

    fn read(&mut self, v: Virtual, position: u32) {
        self.use_at(v, position, 1);
        if let Some(Home::Memory(address, _)) = self.f.homes[v.index()]
            && let Some(base) = address.base
        {
            self.use_at(base, position, 1);
        }
    }

    fn use_at(&mut self, v: Virtual, position: u32, weight: u32) {
        self.uses.push((v, position));
        self.last_use[v.index()] = position;
        if self.f.homes[v.index()].is_some() && self.first[v.index()] == NEVER {
            self.first[v.index()] = position;
        }
        self.touch(v, weight);
    }

    fn define(&mut self, v: Virtual, position: u32) {
        if self.first[v.index()] == NEVER {
            self.first[v.index()] = position;
        }
        self.last_definition[v.index()] = position;
        self.touch(v, 1);
        let open = self.open.last_mut().expect("the outermost region stays open");
        open.defined.push(v);
    }

    fn touch(&mut self, v: Virtual, weight: u32) {
        let open = self.open.last_mut().expect("the outermost region stays open");
        let slot = self.slots[v.index()] as usize;
        if slot > 0 && open.touched.get(slot - 1) == Some(&v) {
            open.weights[slot - 1] = open.weights[slot - 1].saturating_add(weight);
            return;
        }
        open.touched.push(v);
        open.weights.push(weight);
        open.previous.push(slot as u32);
        self.slots[v.index()] = open.touched.len() as u32;
    }

    /// Whether a register has its value before a region that begins at `enter`, in all its iterations.
    fn is_outer(&self, v: Virtual, enter: u32) -> bool {
        match self.f.homes[v.index()] {
            None => self.first[v.index()] < enter,
            Some(Home::Memory(address, _)) => address.base.is_none_or(|base| {
                self.first[base.index()] < enter && self.last_definition[base.index()] < enter
            }),
            Some(_) => true,
        }
    }

    fn leave(&mut self, id: RegionId, position: u32) {
        let open = self.open.pop().expect("regions are bracketed");
        let is_loop = matches!(self.f.regions[id.index()], Region::Loop { .. });
        let factor = if is_loop { LOOP_WEIGHT } else { 1 };
        let mut needs = Needs { end: position, ..Needs::default() };
        let length = (position - open.enter) as usize;
        let mut change = vec![[0i32; 3]; length + 2];
        for (v, weight) in open.touched.iter().zip(&open.weights) {
            if self.is_outer(*v, open.enter) {
                needs.outer.push((*v, *weight));
            } else {
                let class = self.f.classes[v.index()] as usize;
                let start = (self.first[v.index()].max(open.enter) - open.enter) as usize;
                let last = self.last_use[v.index()];
                let end = if last == NEVER { start + 1 } else { (last - open.enter) as usize };
                change[start][class] += 1;
                change[end.max(start + 1)][class] -= 1;
            }
        }
        let mut now = [0i32; 3];
        for step in &change {
            for class in Class::ALL {
                let k = class as usize;
                now[k] += step[k];
                needs.pressure[k] = needs.pressure[k].max(now[k] as usize);
            }
        }
        for (v, slot) in open.touched.iter().zip(&open.previous) {
            self.slots[v.index()] = *slot;
        }
        for v in &open.defined {
            if self.first[v.index()] < open.enter && !needs.redefined.contains(v) {
                needs.redefined.push(*v);
            }
        }
        let outer = std::mem::take(&mut needs.outer);
        for (v, weight) in &outer {
            if is_loop {
                self.use_at(*v, position, weight.saturating_mul(factor));
            } else {
                self.touch(*v, *weight);
            }
        }
        // What the region defines anew, the region around it defines as well.
        let around = self.open.last_mut().expect("the outermost region stays open");
        around.defined.extend(&needs.redefined);
        needs.outer = outer;
        self.regions[id.index()] = needs;
    }
}
