//! Instruction selection: scalar instructions to vector instructions over virtual registers, one for each instance in the
//! register tile, with the counted loops of the program.
//!
//! A value that varies along lanes has one vector an instance along the lane axis; any other value is one vector with all
//! lanes alike. Constants, and what is loaded from memory that the block does not write, become homes: no instruction loads
//! them, register allocation decides where they are read.

mod exponential;
mod instruction;
mod range;

use super::interleave::{self, Instance, Piece, Shape};
use super::invariant::Levels;
use super::ir::{Address, Condition, Extent, Function, Home, Op, Region, Virtual};
use super::isa::{Class, Isa, Level};
use super::places::{Key, Places};
use crate::loops::dce::operands;
use crate::loops::program::{
    ArrayId, Axes, Carried, Index, Inst, LoopId, Program, Space, Stmt, Type, Unary, Value,
};
use crate::schedule::Lanes;
use std::collections::HashMap;

/// The vectors of a value, as far as they have been made.
#[derive(Clone, Default)]
struct Vectors {
    shape: Option<Shape>,
    registers: Vec<Option<Virtual>>,
}

/// Steps that run once all instances of a point have been emitted.
pub(super) type AfterPoint<'s, 'a> = &'s mut dyn FnMut(&mut Select<'a>, usize);

/// The selection of one stage function.
pub(super) struct Select<'a> {
    pub(super) f: Function,
    pub(super) program: &'a Program,
    pub(super) isa: Isa,
    /// The axis along vector lanes in this stage.
    pub(super) lanes: Lanes,
    pub(super) shape: Shape,
    pub(super) places: Places,
    pub(super) levels: Option<Levels>,
    /// For each array whether anything in the function writes it.
    pub(super) written: Vec<bool>,
    /// The component loop of the pass, if any.
    pub(super) component: Option<LoopId>,
    /// Open loops, outermost first, the component loop among them.
    pub(super) open: Vec<LoopId>,
    /// Their counters.
    pub(super) counters: HashMap<LoopId, Virtual>,
    /// Vectors that live throughout the current block besides its own values: accumulators.
    pub(super) bound: usize,
    /// Why the program cannot be emitted, if it cannot.
    pub(super) refusal: Option<String>,
    values: Vec<Vectors>,
    /// Values that were computed ahead of the loops they stand in.
    hoisted: Vec<bool>,
    /// Values whose register is that of a value bound by the enclosing structure.
    targets: HashMap<Value, Value>,
    constants: HashMap<Home, Virtual>,
    /// Clamps that need not be computed, with what they clamp.
    clamps: HashMap<Value, Value>,
}

impl<'a> Select<'a> {
    pub(super) fn new(program: &'a Program, isa: Isa, lanes: Lanes, shape: Shape) -> Self {
        Select {
            f: Function::default(),
            program,
            isa,
            lanes,
            shape,
            places: Places::default(),
            levels: None,
            written: vec![false; program.arrays.len()],
            component: None,
            open: Vec::new(),
            counters: HashMap::new(),
            bound: 0,
            refusal: None,
            values: vec![Vectors::default(); program.values.len()],
            hoisted: vec![false; program.values.len()],
            targets: HashMap::new(),
            constants: HashMap::new(),
            clamps: match isa.level {
                Level::Avx2 => HashMap::new(),
                Level::Avx512 => exponential::needless_clamps(program),
            },
        }
    }

    /// The instances of a value that varies over some axes.
    pub(super) fn extent(&self, axes: Axes) -> Shape {
        let (lane, point) = match self.lanes {
            Lanes::Rows => (axes.row, axes.col),
            // One row: only its partial accumulators differ by lane, and what is made of them.
            Lanes::Columns => (axes.col || axes.partial, axes.row),
        };
        let pick = |varies: bool, n: usize| if varies { n } else { 1 };
        Shape {
            lanes: pick(lane, self.shape.lanes),
            points: pick(point, self.shape.points),
            components: pick(axes.component, self.shape.components),
        }
    }

    /// The instances of a value.
    pub(super) fn instances(&self, value: Value) -> Shape {
        self.extent(self.program.value(value).axes)
    }

    /// The class of registers that hold a value.
    pub(super) fn class(&self, value: Value) -> Class {
        match self.program.value(value).ty {
            Type::Float | Type::Int => Class::Vector,
            Type::Mask => self.isa.mask_class(),
        }
    }

    /// Give a value its vectors.
    pub(super) fn bind(&mut self, value: Value, registers: Vec<Virtual>) {
        let shape = self.instances(value);
        let registers = registers.into_iter().map(Some).collect();
        self.values[value.index()] = Vectors { shape: Some(shape), registers };
    }

    /// The vectors of a bound value.
    pub(super) fn vectors(&self, value: Value) -> Vec<Virtual> {
        let made = self.values[value.index()].registers.iter();
        made.map(|r| r.expect("all instances of a bound value have vectors")).collect()
    }

    /// The vector of a value at an instance of the register tile.
    pub(super) fn at(&self, value: Value, at: Instance) -> Virtual {
        let vectors = &self.values[value.index()];
        let shape = vectors.shape.expect("a verified program defines values before their use");
        vectors.registers[shape.position(at)].expect("instances are emitted in program order")
    }

    /// Fresh registers for the instances of a value.
    pub(super) fn fresh(&mut self, value: Value) -> Vec<Virtual> {
        let (count, class) = (self.instances(value).count(), self.class(value));
        (0..count).map(|_| self.f.fresh(class)).collect()
    }

    /// Let `next` be computed into the registers of `param`, if nothing reads `param` afterwards; `ends` are the values that are
    /// read when the block is over.
    pub(super) fn unite(
        &mut self,
        block: &[Stmt],
        ends: impl Iterator<Item = Value>,
        param: Value,
        next: Value,
    ) {
        let Some(defined) =
            block.iter().position(|s| matches!(s, Stmt::Let(value) if *value == next))
        else {
            return;
        };
        let shares = self.sharing(block, param);
        let like = self.instances(next) == self.instances(param);
        let free = !self.targets.contains_key(&next) && !self.hoisted[next.index()];
        if !(like && free) || ends.into_iter().any(|end| shares.contains(&end)) {
            return;
        }
        // Readers with more instances than `param` would still come after the first one of `next`.
        let same = |this: &Self, v: Value| this.instances(v) == this.instances(param);
        let allowed = block[..=defined].iter().all(|stmt| match stmt {
            Stmt::Let(v) => {
                let read = operands(&self.program.value(*v).inst);
                same(self, *v) || !read.iter().any(|v| shares.contains(v))
            }
            _ => !self.reads(std::slice::from_ref(stmt), &shares),
        });
        if allowed && !self.reads(&block[defined + 1..], &shares) {
            self.targets.insert(next, param);
        }
    }

    /// A value and those that are in its register because they are its bits.
    fn sharing(&self, block: &[Stmt], value: Value) -> Vec<Value> {
        let mut shares = vec![value];
        let mut open: Vec<(&[Stmt], usize)> = vec![(block, 0)];
        while let Some((block, from)) = open.pop() {
            for (k, stmt) in block.iter().enumerate().skip(from) {
                match stmt {
                    Stmt::Let(v) => {
                        if self.shared(*v).is_some_and(|of| shares.contains(&of)) {
                            shares.push(*v);
                        }
                    }
                    Stmt::Store(..) => {}
                    Stmt::Loop(id) => {
                        open.push((block, k + 1));
                        open.push((&self.program.loops[id.index()].body, 0));
                        break;
                    }
                }
            }
        }
        shares
    }

    /// Let values be computed into registers of their own again.
    pub(super) fn divide(&mut self, next: impl Iterator<Item = Value>) {
        for value in next {
            self.targets.remove(&value);
        }
    }

    /// Whether statements read one of some values.
    fn reads(&self, block: &[Stmt], values: &[Value]) -> bool {
        let mut open = vec![block];
        while let Some(block) = open.pop() {
            for stmt in block {
                let found = match stmt {
                    Stmt::Let(v) => {
                        let read = operands(&self.program.value(*v).inst);
                        read.iter().any(|v| values.contains(v))
                    }
                    Stmt::Store(_, _, v) => values.contains(v),
                    Stmt::Loop(id) => {
                        let inner = &self.program.loops[id.index()];
                        open.push(&inner.body);
                        let carried = inner.carried.iter().flat_map(|c| [c.init, c.next]);
                        carried.into_iter().any(|v| values.contains(&v))
                    }
                };
                if found {
                    return true;
                }
            }
        }
        false
    }

    /// Forget the vectors of a block's values, because it is emitted anew.
    pub(super) fn forget(&mut self, block: &[Stmt]) {
        let program = self.program;
        let mut open = vec![block];
        while let Some(block) = open.pop() {
            for stmt in block {
                match stmt {
                    Stmt::Let(value) if !self.hoisted[value.index()] => {
                        self.values[value.index()] = Vectors::default();
                    }
                    Stmt::Loop(id) => open.push(&program.loops[id.index()].body),
                    _ => {}
                }
            }
        }
    }

    /// Emit those values of a block that do not depend on what changes at levels above `level`; returns them.
    pub(super) fn hoist(&mut self, block: &[Stmt], level: u32) -> Vec<Value> {
        let program = self.program;
        let mut ahead = Vec::new();
        // Blocks with the position to go on from, innermost last: program order.
        let mut open: Vec<(&[Stmt], usize)> = vec![(block, 0)];
        while let Some((block, from)) = open.pop() {
            for (k, stmt) in block.iter().enumerate().skip(from) {
                match stmt {
                    Stmt::Let(value) => {
                        let low = self.levels.as_ref().is_some_and(|l| l.level(*value) <= level);
                        if low && !self.hoisted[value.index()] {
                            self.values[value.index()] = Vectors::default();
                            for at in self.instances(*value).instances() {
                                self.define(*value, at);
                            }
                            self.hoisted[value.index()] = true;
                            ahead.push(*value);
                        }
                    }
                    Stmt::Store(..) => {}
                    Stmt::Loop(id) => {
                        open.push((block, k + 1));
                        open.push((&program.loops[id.index()].body, 0));
                        break;
                    }
                }
            }
        }
        ahead
    }

    /// The loops are left that hoisted values were moved ahead of.
    pub(super) fn lower(&mut self, hoisted: Vec<Value>) {
        for value in hoisted {
            self.hoisted[value.index()] = false;
        }
    }

    /// Emit a block at the number of loops around it.
    pub(super) fn block(
        &mut self,
        block: &'a [Stmt],
        level: u32,
        mut after_point: Option<AfterPoint<'_, 'a>>,
    ) {
        let is_loop = |s: &&Stmt| matches!(s, Stmt::Loop(_));
        let mut rest = block;
        loop {
            let end = rest.iter().position(|s| is_loop(&s)).unwrap_or(rest.len());
            let (segment, tail) = rest.split_at(end);
            let last = tail.is_empty();
            self.segment(segment, 0, if last { after_point.take() } else { None });
            let Some((Stmt::Loop(id), tail)) = tail.split_first() else { break };
            self.counted_loop(*id, level + 1);
            rest = tail;
        }
    }

    /// Emit the block of a step for one point.
    pub(super) fn step_block(&mut self, block: &'a [Stmt], point: usize) {
        self.forget(block);
        self.segment(block, point, None);
    }

    /// Emit statements without loops, group by group, from a point on.
    fn segment(
        &mut self,
        segment: &'a [Stmt],
        first: usize,
        mut after_point: Option<AfterPoint<'_, 'a>>,
    ) {
        let stmts: Vec<&Stmt> = segment.iter().filter(|s| !self.is_ahead(s)).collect();
        let shape = self.shape;
        let pieces = self.pieces(&stmts);
        let sunk = interleave::sunk(&pieces);
        let stmts: Vec<&Stmt> = sunk.iter().map(|k| stmts[*k]).collect();
        let pieces = interleave::reordered(pieces, &sunk);
        let left = self.isa.vectors().saturating_sub(self.bound);
        let chains = interleave::chains(self.isa.vectors());
        let order = interleave::order(&pieces, shape, chains, left);
        let from_first = |at: Instance| Instance { point: first + at.point, ..at };
        let instances: Vec<Instance> = shape.instances().map(from_first).collect();
        let mut stored: Vec<Vec<bool>> = pieces.iter().map(|_| Vec::new()).collect();
        let (mut start, mut point) = (0, 0);
        for end in &order.ends {
            for (g, group) in instances.chunks(order.group).enumerate() {
                for k in start..*end {
                    for at in group {
                        self.statement(stmts[k], &pieces[k], &mut stored[k], *at);
                    }
                }
                let done = (g * order.group + group.len()) / (shape.lanes * shape.components);
                if let (Some(after), true) = (&mut after_point, *end == stmts.len()) {
                    while point < done {
                        after(self, point);
                        point += 1;
                    }
                }
            }
            start = *end;
        }
    }

    fn is_ahead(&self, stmt: &Stmt) -> bool {
        matches!(stmt, Stmt::Let(value) if self.hoisted[value.index()])
    }

    fn pieces(&self, stmts: &[&Stmt]) -> Vec<Piece> {
        let mut position = HashMap::new();
        let mut pieces: Vec<Piece> = Vec::with_capacity(stmts.len());
        for (k, stmt) in stmts.iter().enumerate() {
            let reads = |values: &[Value]| {
                values.iter().filter_map(|v| position.get(v).copied()).collect::<Vec<usize>>()
            };
            let piece = match stmt {
                Stmt::Let(value) => {
                    let inst = &self.program.value(*value).inst;
                    let (supplied, fixed) = match inst {
                        Inst::Float(_) | Inst::Int(_) => (true, false),
                        Inst::Load(array, _) => (self.is_home(*array), !self.is_home(*array)),
                        _ => (self.clamps.contains_key(value), false),
                    };
                    let reads = reads(&operands(inst));
                    position.insert(*value, k);
                    let held = !(supplied || self.targets.contains_key(value));
                    Piece { shape: self.instances(*value), reads, held, leaves: false, fixed }
                }
                Stmt::Store(array, index, value) => Piece {
                    shape: self.stored_instances(*array, index, *value),
                    reads: reads(&[*value]),
                    held: false,
                    leaves: false,
                    fixed: true,
                },
                Stmt::Loop(_) => unreachable!("segments end at loops"),
            };
            pieces.push(piece);
        }
        // What nothing in the segment reads was computed for later.
        let mut read = vec![false; pieces.len()];
        pieces.iter().flat_map(|p| &p.reads).for_each(|k| read[*k] = true);
        for (piece, read) in pieces.iter_mut().zip(read) {
            piece.leaves = !read;
        }
        self.keep_before_overwriting(stmts, &mut pieces);
        pieces
    }

    /// Let what is computed into the register of a bound value wait for those who read that value.
    fn keep_before_overwriting(&self, stmts: &[&Stmt], pieces: &mut [Piece]) {
        if self.targets.is_empty() {
            return;
        }
        // The bound value whose register each value is in.
        let mut within: HashMap<Value, Value> =
            self.targets.values().map(|param| (*param, *param)).collect();
        let mut readers: HashMap<Value, Vec<usize>> = HashMap::new();
        for (k, stmt) in stmts.iter().enumerate() {
            let read = match stmt {
                Stmt::Let(value) => {
                    if let Some(param) = self.shared(*value).and_then(|of| within.get(&of)) {
                        within.insert(*value, *param);
                    }
                    if let Some(earlier) = self.targets.get(value).and_then(|p| readers.get(p)) {
                        pieces[k].reads.extend(earlier);
                    }
                    operands(&self.program.value(*value).inst)
                }
                Stmt::Store(_, _, value) => vec![*value],
                Stmt::Loop(_) => unreachable!("segments end at loops"),
            };
            for param in read.iter().filter_map(|v| within.get(v)) {
                readers.entry(*param).or_default().push(k);
            }
        }
    }

    /// The value whose register another one is in, because it is its bits.
    fn shared(&self, value: Value) -> Option<Value> {
        match &self.program.value(value).inst {
            Inst::Unary(Unary::ToBits | Unary::FromBits, a) => Some(*a),
            _ => self.clamps.get(&value).copied(),
        }
    }

    fn statement(&mut self, stmt: &Stmt, piece: &Piece, stored: &mut Vec<bool>, at: Instance) {
        match stmt {
            Stmt::Let(value) => {
                let vectors = &self.values[value.index()];
                let made =
                    vectors.shape.is_some_and(|s| vectors.registers[s.position(at)].is_some());
                if !made {
                    self.define(*value, at);
                }
            }
            Stmt::Store(array, index, value) => {
                stored.resize(piece.shape.count(), false);
                let position = piece.shape.position(at);
                if !std::mem::replace(&mut stored[position], true) {
                    self.store(*array, index, *value, at);
                }
            }
            Stmt::Loop(_) => unreachable!("segments end at loops"),
        }
    }

    /// Emit one instance of a value.
    fn define(&mut self, value: Value, at: Instance) {
        let shape = self.instances(value);
        let position = shape.position(at);
        let target = self.targets.get(&value).map(|param| self.at(*param, at));
        let made = self.instruction(value, at, target);
        let vectors = &mut self.values[value.index()];
        if vectors.shape.is_none() {
            *vectors = Vectors { shape: Some(shape), registers: vec![None; shape.count()] };
        }
        vectors.registers[position] = Some(made);
    }

    /// Whether what is loaded from an array needs no instruction.
    fn is_home(&self, array: ArrayId) -> bool {
        let space = self.program.arrays[array.index()].space;
        space != Space::Temp && !self.written[array.index()]
    }

    /// A register that can be read from memory; equal ones are shared.
    pub(super) fn home(&mut self, home: Home) -> Virtual {
        let class = if matches!(home, Home::Immediate(_)) { Class::General } else { Class::Vector };
        let f = &mut self.f;
        *self.constants.entry(home).or_insert_with(|| f.home(class, home))
    }

    /// A general register with a constant.
    pub(super) fn immediate(&mut self, value: u32) -> Virtual {
        self.home(Home::Immediate(value))
    }

    /// Where a slot is at an instance, and how much of it that is.
    fn slot(&mut self, array: ArrayId, index: &Index, at: Instance) -> (Address, Extent) {
        let array = &self.program.arrays[array.index()];
        let place = self.places.strides(array.space);
        let key = Key::of(array.space, index, &self.open);
        let ahead = match self.component {
            Some(id) => u64::from(key.stride(id).unwrap_or(0)) * at.component as u64,
            None => 0,
        };
        let slots = u64::from(array.base) + u64::from(index.offset) + ahead;
        let instance = match array.space {
            Space::Temp => self.shape.position(at) * self.isa.bytes(),
            _ => at.lane * place.lane.unwrap_or(0) + at.point * place.point,
        };
        let offset = slots.checked_mul(place.slot as u64).map(|slots| slots + instance as u64);
        let offset = match offset.map(i32::try_from) {
            Some(Ok(offset)) => offset,
            _ => {
                let message = format!("`{}` reaches beyond 2 GiB", array.name);
                self.refusal.get_or_insert(message);
                0
            }
        };
        let extent = if place.lane.is_some() { Extent::Whole } else { Extent::Splat };
        (self.places.address(&key, offset), extent)
    }

    /// Load an instance of a slot.
    pub(super) fn load(&mut self, array: ArrayId, index: &Index, at: Instance) -> Virtual {
        let (address, extent) = self.slot(array, index, at);
        if self.is_home(array) {
            return self.home(Home::Memory(address, extent));
        }
        self.f.load(address, extent)
    }

    /// Load an instance of a slot that the pass accumulates in.
    pub(super) fn load_now(&mut self, array: ArrayId, index: &Index, at: Instance) -> Virtual {
        let (address, extent) = self.slot(array, index, at);
        self.f.load(address, extent)
    }

    /// Write a register to an instance of a slot.
    pub(super) fn put(&mut self, array: ArrayId, index: &Index, at: Instance, register: Virtual) {
        let (address, extent) = self.slot(array, index, at);
        self.f.store(address, extent, register);
    }

    /// A store writes every instance that the space distinguishes, also of a value that does not vary along it.
    fn stored_instances(&self, array: ArrayId, index: &Index, value: Value) -> Shape {
        let mut axes = self.program.value(value).axes;
        match self.program.arrays[array.index()].space {
            Space::Param => {}
            Space::Row | Space::Out => axes.row = true,
            Space::State | Space::Other => (axes.row, axes.partial) = (true, true),
            Space::Col => axes.col = true,
            Space::Tile => (axes.row, axes.col) = (true, true),
            Space::Temp => (axes.row, axes.col, axes.component) = (true, true, true),
        }
        axes.component |= index.terms.iter().any(|(id, _)| Some(*id) == self.component);
        self.extent(axes)
    }

    fn store(&mut self, array: ArrayId, index: &Index, value: Value, at: Instance) {
        let register = self.at(value, at);
        self.put(array, index, at, register);
    }

    /// Keys of everything that blocks address, as far as loops are open.
    pub(super) fn keys(&self, blocks: &[&[Stmt]]) -> Vec<Key> {
        let program = self.program;
        let mut keys: Vec<Key> = Vec::new();
        let mut open: Vec<&[Stmt]> = blocks.to_vec();
        while let Some(block) = open.pop() {
            for stmt in block {
                let (array, index) = match stmt {
                    Stmt::Let(value) => match &program.value(*value).inst {
                        Inst::Load(array, index) => (array, index),
                        _ => continue,
                    },
                    Stmt::Store(array, index, _) => (array, index),
                    Stmt::Loop(id) => {
                        open.push(&program.loops[id.index()].body);
                        continue;
                    }
                };
                let key = Key::of(program.arrays[array.index()].space, index, &self.open);
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys
    }

    /// A general register that is not 0 if a mask holds in any lane of any instance.
    pub(super) fn any(&mut self, mask: Value) -> Virtual {
        let (class, masks) = (self.class(mask), self.vectors(mask));
        let any = masks.into_iter().reduce(|a, b| self.f.emit(class, Op::MaskOr, &[a, b]));
        self.f.emit(Class::General, Op::Any, &[any.expect("a value has instances")])
    }

    /// A counted loop of the program, whose body has `level` loops around it.
    fn counted_loop(&mut self, id: LoopId, level: u32) {
        let program = self.program;
        let definition = &program.loops[id.index()];
        let hoisted = self.hoist(&definition.body, level - 1);
        self.forget(&definition.body);
        for c in &definition.carried {
            let registers = self.fresh(c.param);
            self.bind(c.param, registers);
            self.assign(c, c.init);
        }
        for c in &definition.carried {
            let ends = definition.carried.iter().map(|other| other.next);
            self.unite(&definition.body, ends, c.param, c.next);
        }
        let branch = definition.skip_unless.map(|mask| {
            let any = self.any(mask);
            self.f.effect(Op::TestConstant(0), &[any]);
            self.f.enter(Region::Branch { when: Condition::NotEqual })
        });
        let bound = self.bound;
        self.bound +=
            definition.carried.iter().map(|c| self.instances(c.param).count()).sum::<usize>();
        self.open.push(id);
        let keys = self.keys(&[&definition.body]);
        let advance = self.places.open_loop(&mut self.f, &keys, id, 1);
        let zero = self.immediate(0);
        let counter = self.f.emit(Class::General, Op::Copy, &[zero]);
        self.counters.insert(id, counter);
        let region = self.f.enter(Region::Loop { again: Condition::Below, guard: None });
        self.block(&definition.body, level, None);
        self.carry(&definition.carried);
        Places::step(&mut self.f, &advance);
        self.f.define(counter, Op::Offset(1), &[counter]);
        self.f.effect(Op::TestConstant(definition.count as i32), &[counter]);
        self.f.leave(region);
        if let Some(branch) = branch {
            self.f.leave(branch);
        }
        self.counters.remove(&id);
        self.places.close(&advance);
        self.open.pop();
        self.bound = bound;
        self.divide(definition.carried.iter().map(|c| c.next));
        for c in &definition.carried {
            let registers = self.vectors(c.param);
            self.bind(c.result, registers);
        }
        self.lower(hoisted);
    }

    /// Copy the instances of `source`, which may vary over fewer axes, to the registers of a carried value.
    fn assign(&mut self, carried: &Carried, source: Value) {
        let instances = self.instances(carried.param).instances();
        let moves = instances.map(|at| (self.at(carried.param, at), self.at(source, at))).collect();
        self.moves(moves);
    }

    /// Bring carried values to the next iteration.
    fn carry(&mut self, carried: &[Carried]) {
        let moves = carried.iter().flat_map(|c| {
            let instances = self.instances(c.param).instances();
            instances.map(|at| (self.at(c.param, at), self.at(c.next, at)))
        });
        let moves = moves.collect();
        self.moves(moves);
    }

    /// Copies `(to, from)` that happen at once.
    pub(super) fn moves(&mut self, mut moves: Vec<(Virtual, Virtual)>) {
        moves.retain(|(to, from)| to != from);
        let written: Vec<Virtual> = moves.iter().map(|(to, _)| *to).collect();
        for (_, from) in &mut moves {
            if written.contains(from) {
                let class = self.f.classes[from.index()];
                *from = self.f.emit(class, Op::Copy, &[*from]);
            }
        }
        for (to, from) in moves {
            self.f.define(to, Op::Copy, &[from]);
        }
    }
}
