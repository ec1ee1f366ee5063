//! Random well-formed programs that use every operation, space and structure, with results that are the same for every engine.
//!
//! Where the program's documentation leaves a result open, the generator guards the operation: a float's bits are taken only
//! where it is no NaN (whose sign and payload engines may choose), exponents are clamped, conversions are in range or selected
//! away. Shared by `tests/` and `fuzz/`.

use super::choices::Choices;
use genred::Float;
use genred::loops::build::Lowered;
use genred::loops::builder::{Builder, Functions, Sharing};
use genred::loops::program::{
    Accumulator, Array, ArrayId, Axes, Binary, Compare, Index, LoopId, Over, Shift, Space, Start,
    Stmt, Type, Unary, Value,
};
use genred::schedule::{LANES_OVER_COLUMNS, Lanes, Schedule};

/// A schedule that engines of up to 16 lanes accept.
pub fn schedule(choices: &mut Choices<'_>) -> Schedule {
    let lanes = choices.pick(&[Lanes::Rows, Lanes::Columns]);
    let components = choices.within(1, 4);
    match lanes {
        Lanes::Rows => {
            let chunk = choices.pick(&[1, 2, 3, 5, 8, 16, 64]);
            Schedule {
                lanes,
                mr: choices.within(1, 4),
                nr: choices.within(1, 4),
                components,
                chunk,
                tile: chunk * choices.within(1, 3),
            }
        }
        Lanes::Columns => {
            let chunk = LANES_OVER_COLUMNS as u32 * choices.within(1, 2);
            let tile = chunk * choices.within(1, 2);
            Schedule { lanes, mr: choices.pick(&[1, 2, 4]), nr: 1, components, chunk, tile }
        }
    }
}

/// A program over `float`.
pub fn program(choices: &mut Choices<'_>, float: Float) -> Lowered {
    let fma = choices.chance(70);
    let mut g = Generator {
        b: Builder::new(float, fma, Functions::Expanded),
        choices,
        float,
        readable: Vec::new(),
        scopes: vec![Scope::default()],
        open: Vec::new(),
        axes: Axes::default(),
        memory: Memory::Usable,
        arrays: 0,
    };
    g.whole();
    let has_dead_code = g.choices.chance(30);
    let mut program = g.b.finish();
    if !has_dead_code {
        genred::loops::dce::eliminate(&mut program);
    }
    Lowered { program, inputs: Vec::new(), indices: Vec::new(), keep: None }
}

/// Longest array and loop: beyond the limit up to which vectors are unrolled.
const LONG: u32 = 21;

/// The values that code in a block may use.
#[derive(Clone, Default)]
struct Scope {
    floats: Vec<Value>,
    ints: Vec<Value>,
    masks: Vec<Value>,
}

/// Whether the block being made may touch memory and have loops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Usable,
    /// In code that may be skipped.
    Readable,
    /// In `step`.
    Absent,
}

struct Generator<'c, 'a> {
    b: Builder,
    choices: &'c mut Choices<'a>,
    float: Float,
    /// Arrays that the block may load from.
    readable: Vec<ArrayId>,
    scopes: Vec<Scope>,
    open: Vec<(LoopId, u32)>,
    /// All axes of the stage.
    axes: Axes,
    memory: Memory,
    arrays: u32,
}

impl Generator<'_, '_> {
    fn whole(&mut self) {
        let mut inputs = Vec::new();
        for space in [Space::Param, Space::Row, Space::Col] {
            for _ in 0..self.choices.within(1, 2) {
                let array = self.new_array(space);
                inputs.push((space, array));
            }
        }
        let of = |spaces: &[Space]| -> Vec<ArrayId> {
            inputs.iter().filter(|i| spaces.contains(&i.0)).map(|i| i.1).collect()
        };
        let (params, mut rows, mut cols) =
            (of(&[Space::Param]), of(&[Space::Row]), of(&[Space::Col]));
        let mut known = params.clone();
        let (block, stored) = self.straight(Space::Param, &params, Axes::default());
        self.b.program().param = block;
        known.extend(stored);
        let row = Axes { row: true, ..Axes::default() };
        let (block, stored) = self.straight(Space::Row, &[&known[..], &rows[..]].concat(), row);
        self.b.program().row = block;
        rows.extend(stored);
        let col = Axes { col: true, ..Axes::default() };
        let (block, stored) = self.straight(Space::Col, &[&known[..], &cols[..]].concat(), col);
        self.b.program().col = block;
        cols.extend(stored);

        let mut states = Vec::new();
        for _ in 0..self.choices.within(1, 3) {
            let array = self.new_array(Space::State);
            states.push(array);
            for _ in 0..self.b.array_len(array) {
                let identity = self.constant();
                self.b.program().identity.push(identity);
            }
        }
        let pair = [&known[..], &rows[..], &cols[..]].concat();
        let chunk = [&known[..], &rows[..]].concat();
        let mut tiles = Vec::new();
        for _ in 0..self.choices.within(1, 4) {
            match self.choices.below(5) {
                0 | 1 => self.columns_pass(&pair, &states, &mut tiles),
                2 | 3 => self.component_pass(&pair, &states, &mut tiles),
                _ => self.chunk_pass(&chunk, &states),
            }
        }
        self.merge(&states);
        let full = Axes { row: true, partial: true, ..Axes::default() };
        let readable = [&chunk[..], &states[..]].concat();
        let (block, _) = self.straight(Space::Out, &readable, full);
        self.b.program().finish = block;
    }

    /// A number of the program's type.
    fn constant(&mut self) -> f64 {
        let value = self.choices.number();
        match self.float {
            Float::F32 => f64::from(value as f32),
            Float::F64 => value,
        }
    }

    fn new_array(&mut self, space: Space) -> ArrayId {
        let long = self.choices.chance(25);
        let len = if long { self.choices.within(17, LONG) } else { self.choices.within(1, 4) };
        self.named_array(space, len)
    }

    fn named_array(&mut self, space: Space, len: u32) -> ArrayId {
        self.arrays += 1;
        let name = format!("{}{}", format!("{space:?}").to_lowercase(), self.arrays);
        self.b.array(name, space, len)
    }

    /// A stage that computes and then stores whole new arrays of `space`.
    fn straight(
        &mut self,
        space: Space,
        readable: &[ArrayId],
        axes: Axes,
    ) -> (Vec<Stmt>, Vec<ArrayId>) {
        let mut stored = Vec::new();
        self.begin(readable, axes);
        let least = u32::from(space == Space::Out);
        for _ in 0..self.choices.within(least, 2) {
            self.statements(12);
            let array = self.new_array(space);
            self.fill(array);
            stored.push(array);
        }
        (self.b.take_block(Sharing::Fresh), stored)
    }

    fn begin(&mut self, readable: &[ArrayId], axes: Axes) {
        self.readable = readable.to_vec();
        self.scopes = vec![Scope::default()];
        self.axes = axes;
        self.memory = Memory::Usable;
    }

    fn columns_pass(&mut self, pair: &[ArrayId], states: &[ArrayId], tiles: &mut Vec<ArrayId>) {
        let all = Axes { row: true, col: true, partial: true, component: false };
        let (accumulated, read): (Vec<ArrayId>, Vec<ArrayId>) =
            states.iter().partition(|_| self.choices.chance(70));
        self.begin(&[pair, &read[..], &tiles[..]].concat(), all);
        self.statements(25);
        for _ in 0..self.choices.below(3) {
            let array = self.new_array(Space::Tile);
            self.fill(array);
            tiles.push(array);
            self.readable.push(array);
            self.statements(8);
        }
        let pair = self.b.take_block(Sharing::Kept);
        let mut accumulators = Vec::new();
        for array in accumulated {
            for slot in 0..self.b.array_len(array) {
                if accumulators.len() < 6 && self.choices.chance(80) {
                    let index = Index { offset: slot, terms: Vec::new() };
                    accumulators.push(self.accumulator(array, index));
                }
            }
        }
        let step = self.step(&mut accumulators);
        self.b.pass(Over::Columns, None, pair, step, accumulators, None);
    }

    fn component_pass(&mut self, pair: &[ArrayId], states: &[ArrayId], tiles: &mut Vec<ArrayId>) {
        let all = Axes { row: true, col: true, partial: true, component: true };
        let lens: Vec<u32> = states.iter().map(|s| self.b.array_len(*s)).collect();
        let (target, len) = {
            let k = self.choices.below(states.len() as u32) as usize;
            (states[k], lens[k])
        };
        let stride = if len > 3 && self.choices.chance(30) { 2 } else { 1 };
        let count = len.div_ceil(stride);
        let e = self.b.component_loop(count);
        let read: Vec<ArrayId> =
            states.iter().copied().filter(|s| *s != target && self.choices.chance(50)).collect();
        self.begin(&[pair, &read[..], &tiles[..]].concat(), all);
        self.b.enter_components(Some(e));
        self.open.push((e, count));
        self.statements(25);
        if self.choices.chance(40) {
            let inner = self.choices.within(1, 3);
            let array = self.named_array(Space::Tile, count * inner);
            if inner == 1 {
                let value = self.float();
                self.b.store(array, Index { offset: 0, terms: vec![(e, 1)] }, value);
            } else {
                let d = self.enter_loop(inner);
                let value = self.float();
                self.b.store(array, Index { offset: 0, terms: vec![(e, inner), (d, 1)] }, value);
                self.leave_loop(d, &[]);
            }
            tiles.push(array);
        }
        let pair = self.b.take_block(Sharing::Kept);
        let mut accumulators = Vec::new();
        if self.choices.chance(90) {
            let index = Index { offset: 0, terms: vec![(e, stride)] };
            accumulators.push(self.accumulator(target, index));
        }
        if stride == 2 && len % 2 == 0 {
            let index = Index { offset: 1, terms: vec![(e, stride)] };
            accumulators.push(self.accumulator(target, index));
        }
        let step = self.step(&mut accumulators);
        self.open.pop();
        self.b.enter_components(None);
        self.b.pass(Over::Columns, Some(e), pair, step, accumulators, None);
    }

    fn accumulator(&mut self, array: ArrayId, index: Index) -> Accumulator {
        let start = self.choices.pick(&[Start::State, Start::Zero]);
        let accumulator = self.b.accumulator(array, index, start);
        self.scope().floats.push(accumulator.param);
        accumulator
    }

    /// The `step` block, which may use everything that `pair` has computed.
    fn step(&mut self, accumulators: &mut [Accumulator]) -> Vec<Stmt> {
        self.memory = Memory::Absent;
        for accumulator in accumulators {
            self.statements(3);
            accumulator.next = match self.choices.below(8) {
                0 => self.float(),
                1 => accumulator.param,
                2 => {
                    let value = self.float();
                    self.b.binary(Binary::Min, value, accumulator.param)
                }
                3 => {
                    let (f, g) = (self.float(), self.float());
                    self.b.mul_add(f, g, accumulator.param)
                }
                _ => {
                    let value = self.float();
                    self.b.add(accumulator.param, value)
                }
            };
        }
        self.b.take_block(Sharing::Fresh)
    }

    fn chunk_pass(&mut self, readable: &[ArrayId], states: &[ArrayId]) {
        let full = Axes { row: true, partial: true, ..Axes::default() };
        self.begin(&[readable, states].concat(), full);
        self.statements(15);
        for array in states {
            if self.choices.chance(50) {
                self.write(*array);
                self.statements(3);
            }
        }
        let exit = self.choices.chance(60).then(|| self.mask());
        let block = self.b.take_block(Sharing::Fresh);
        self.b.pass(Over::Chunk, None, block, Vec::new(), Vec::new(), exit);
    }

    fn merge(&mut self, states: &[ArrayId]) {
        let mut readable = states.to_vec();
        for state in states {
            let arrays = &mut self.b.program().arrays;
            let array = arrays[state.index()].clone();
            let mirror = Array { name: format!("{}'", array.name), space: Space::Other, ..array };
            arrays.push(mirror);
            readable.push(ArrayId(arrays.len() as u32 - 1));
        }
        let full = Axes { row: true, partial: true, ..Axes::default() };
        self.begin(&readable, full);
        if self.choices.chance(80) {
            for array in states {
                self.statements(6);
                self.write(*array);
            }
        }
        self.b.program().merge = self.b.take_block(Sharing::Fresh);
    }

    /// Store to every slot.
    fn fill(&mut self, array: ArrayId) {
        let len = self.b.array_len(array);
        if len <= 4 {
            for slot in 0..len {
                let value = self.float();
                self.b.store(array, Index { offset: slot, terms: Vec::new() }, value);
            }
        } else {
            let d = self.enter_loop(len);
            self.statements(3);
            let value = self.float();
            self.b.store(array, Index { offset: 0, terms: vec![(d, 1)] }, value);
            self.leave_loop(d, &[]);
        }
    }

    /// Store to some slots, also in an order that overwrites.
    fn write(&mut self, array: ArrayId) {
        let len = self.b.array_len(array);
        if self.choices.chance(50) {
            let offset = self.choices.below(len);
            let value = self.float();
            self.b.store(array, Index { offset, terms: Vec::new() }, value);
        } else {
            let d = self.enter_loop(len);
            let value = self.float();
            let stride = self.choices.below(2);
            self.b.store(array, Index { offset: 0, terms: vec![(d, stride)] }, value);
            self.leave_loop(d, &[]);
        }
    }

    fn enter_loop(&mut self, count: u32) -> LoopId {
        let id = self.b.begin_loop(count);
        self.open.push((id, count));
        self.scopes.push(Scope::default());
        id
    }

    fn leave_loop(&mut self, id: LoopId, next: &[Value]) -> Vec<Value> {
        self.scopes.pop();
        self.open.pop();
        self.b.end_loop(id, next)
    }

    fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("a block is open")
    }

    /// Up to `most` statements.
    fn statements(&mut self, most: u32) {
        for _ in 0..self.choices.below(most + 1) {
            match self.choices.below(20) {
                0 if self.memory == Memory::Usable && self.open.len() < 3 => {
                    if self.choices.chance(70) {
                        self.counted_loop();
                    } else {
                        self.rare_block();
                    }
                }
                1 if self.memory == Memory::Usable => self.scratch(),
                2 | 3 => {
                    let value = self.new_int();
                    self.scope().ints.push(value);
                }
                4 | 5 => {
                    let value = self.new_mask();
                    self.scope().masks.push(value);
                }
                _ => {
                    let value = self.new_float();
                    self.scope().floats.push(value);
                }
            }
        }
    }

    /// A loop that carries some values.
    fn counted_loop(&mut self) {
        let inits: Vec<Value> = (0..self.choices.below(4))
            .map(|_| if self.choices.chance(25) { self.int() } else { self.float() })
            .collect();
        let count = self.choices.pick(&[1, 2, 3, 17]);
        let id = self.enter_loop(count);
        let mut params = Vec::new();
        for init in inits {
            let axes = if self.choices.chance(50) { self.b.def(init).axes } else { self.axes };
            let axes = axes.union(self.b.def(init).axes);
            let param = self.b.carry(id, init, axes);
            params.push(param);
            self.know(param);
        }
        self.statements(8);
        let nexts: Vec<Value> = params.iter().map(|p| self.next_of(*p)).collect();
        for result in self.leave_loop(id, &nexts) {
            self.know(result);
        }
    }

    /// Values that are computed where a mask holds, which may be nowhere, and others elsewhere.
    fn rare_block(&mut self) {
        // Nothing is written where the code may be skipped.
        let memory = std::mem::replace(&mut self.memory, Memory::Readable);
        let (mask, usual) = (self.mask(), [self.float(), self.int_value()]);
        let id = self.enter_loop(1);
        self.b.program().loops[id.index()].skip_unless = Some(mask);
        self.statements(8);
        let made = [self.float(), self.int_value()];
        let next = [0, 1].map(|k| {
            let (own, others) = (self.b.def(usual[k]).axes, self.b.def(made[k]).axes);
            let axes = self.b.def(mask).axes.union(own).union(others);
            let param = self.b.carry(id, usual[k], axes);
            self.b.select(mask, made[k], param)
        });
        self.memory = memory;
        for result in self.leave_loop(id, &next) {
            self.know(result);
        }
    }

    fn int_value(&mut self) -> Value {
        if self.choices.chance(50) { self.int() } else { self.new_int() }
    }

    fn know(&mut self, value: Value) {
        match self.b.def(value).ty {
            Type::Float => self.scope().floats.push(value),
            Type::Int => self.scope().ints.push(value),
            Type::Mask => self.scope().masks.push(value),
        }
    }

    /// A value of the type of a carried one that varies over no other axes.
    fn next_of(&mut self, param: Value) -> Value {
        let (ty, axes) = (self.b.def(param).ty, self.b.def(param).axes);
        let value = if ty == Type::Int { self.new_int() } else { self.new_float() };
        if self.b.def(value).axes.union(axes) == axes {
            return value;
        }
        let all = self.scopes.iter().flat_map(|s| s.floats.iter().chain(&s.ints));
        let fitting: Vec<Value> = all
            .copied()
            .filter(|v| self.b.def(*v).ty == ty && self.b.def(*v).axes.union(axes) == axes)
            .collect();
        self.choices.pick(&fitting)
    }

    /// A new scratch array, filled.
    fn scratch(&mut self) {
        if self.open.len() >= 3 {
            return;
        }
        let array = self.new_array(Space::Temp);
        self.b.temp_axes(array, self.axes);
        self.fill(array);
        self.readable.push(array);
    }

    fn float(&mut self) -> Value {
        let known: Vec<Value> = self.scopes.iter().flat_map(|s| s.floats.clone()).collect();
        if known.is_empty() || self.choices.chance(30) {
            return self.leaf();
        }
        let recent = self.choices.within(1, 8).min(known.len() as u32);
        let k = known.len() - 1 - self.choices.below(recent) as usize;
        if self.choices.chance(50) { known[k] } else { self.choices.pick(&known) }
    }

    fn int(&mut self) -> Value {
        let known: Vec<Value> = self.scopes.iter().flat_map(|s| s.ints.clone()).collect();
        if known.is_empty() { self.new_int() } else { self.choices.pick(&known) }
    }

    fn mask(&mut self) -> Value {
        let known: Vec<Value> = self.scopes.iter().flat_map(|s| s.masks.clone()).collect();
        if known.is_empty() || self.choices.chance(30) {
            self.comparison()
        } else {
            self.choices.pick(&known)
        }
    }

    /// A load, a constant or a counter.
    fn leaf(&mut self) -> Value {
        if self.memory != Memory::Absent && self.choices.chance(75) && !self.readable.is_empty() {
            let array = self.choices.pick(&self.readable);
            let index = self.index(self.b.array_len(array));
            return self.b.load(array, index);
        }
        if !self.open.is_empty() && self.choices.chance(40) {
            let (id, _) = self.choices.pick(&self.open);
            return self.b.counter(id);
        }
        let constant = self.constant();
        self.b.float(constant)
    }

    /// Any index below `len`.
    fn index(&mut self, len: u32) -> Index {
        let mut terms = Vec::new();
        let mut rest = len - 1;
        for (id, count) in self.open.clone() {
            if self.choices.chance(60) {
                let most = if count == 1 { 3 } else { rest / (count - 1) };
                let stride = self.choices.within(0, most.min(3));
                rest -= stride * (count - 1);
                terms.push((id, stride));
            }
        }
        Index { offset: self.choices.within(0, rest), terms }
    }

    fn new_float(&mut self) -> Value {
        match self.choices.below(24) {
            0 => {
                let op = self.choices.pick(&[Unary::Neg, Unary::Abs]);
                let a = self.float();
                self.b.unary(op, a)
            }
            1 => {
                let op = self.choices.pick(&[Unary::Sqrt, Unary::Floor, Unary::Nearest]);
                let a = self.float();
                self.b.unary(op, a)
            }
            2 => {
                let a = self.int();
                self.b.unary(Unary::FromBits, a)
            }
            3 => {
                let a = self.int();
                let a = match self.float {
                    Float::F32 => a,
                    // Into [-2^51, 2^51).
                    Float::F64 => self.b.shift(Shift::RightArithmetic, a, 12),
                };
                self.b.unary(Unary::IntToFloat, a)
            }
            4 => self.scaled(),
            5 | 6 => {
                let (mask, a, b) = (self.mask(), self.float(), self.float());
                self.b.select(mask, a, b)
            }
            7..=9 => {
                let (a, b, c) = (self.float(), self.float(), self.float());
                self.b.mul_add(a, b, c)
            }
            10 => {
                let (a, b, c) = (self.float(), self.float(), self.float());
                self.b.mul_sub_from(a, b, c)
            }
            11 | 12 => {
                let op = self.choices.pick(&[Binary::Min, Binary::Max]);
                let (a, b) = (self.float(), self.float());
                self.b.binary(op, a, b)
            }
            13 => {
                let (a, b) = (self.float(), self.float());
                self.b.div(a, b)
            }
            14..=16 => self.leaf(),
            _ => {
                let op = self.choices.pick(&[Binary::Add, Binary::Sub, Binary::Mul]);
                let (a, b) = (self.float(), self.float());
                self.b.binary(op, a, b)
            }
        }
    }

    fn new_int(&mut self) -> Value {
        let known: Vec<Value> = self.scopes.iter().flat_map(|s| s.ints.clone()).collect();
        let width = 8 * self.float.bytes() as u32;
        let op = self.choices.below(if known.is_empty() { 4 } else { 8 });
        match op {
            0 => {
                let bits = self.choices.bits() as i64;
                let wide = self.choices.pick(&[bits, bits >> 40, i64::MIN, i64::MAX, -1]);
                self.b.int(match self.float {
                    Float::F32 => wide >> 32,
                    Float::F64 => wide,
                })
            }
            1 => {
                let a = self.number();
                self.b.unary(Unary::ToBits, a)
            }
            2 => {
                let bound = self.conversion_bound();
                let (a, low, high) = (self.float(), self.b.float(-bound), self.b.float(bound));
                // In this order a NaN becomes the bound.
                let a = self.b.binary(Binary::Max, a, low);
                let a = self.b.binary(Binary::Min, a, high);
                self.b.unary(Unary::FloatToInt, a)
            }
            3 => {
                // Converted whatever it is, and selected away where that means nothing.
                let bound = self.conversion_bound();
                let (a, bound, other) = (self.float(), self.b.float(bound), self.b.int(7));
                let size = self.b.abs(a);
                let fits = self.b.compare(Compare::Le, size, bound);
                let int = self.b.unary(Unary::FloatToInt, a);
                self.b.select(fits, int, other)
            }
            4 => {
                let op =
                    self.choices.pick(&[Shift::Left, Shift::RightLogical, Shift::RightArithmetic]);
                let bits = self.choices.within(1, width - 1);
                let a = self.choices.pick(&known);
                self.b.shift(op, a, bits as u8)
            }
            5 => {
                let (mask, a, b) =
                    (self.mask(), self.choices.pick(&known), self.choices.pick(&known));
                self.b.select(mask, a, b)
            }
            _ => {
                let ops = [Binary::IntAdd, Binary::IntSub, Binary::And, Binary::Or, Binary::Xor];
                let op = self.choices.pick(&ops);
                let (a, b) = (self.choices.pick(&known), self.choices.pick(&known));
                self.b.binary(op, a, b)
            }
        }
    }

    /// A magnitude up to which floats convert to integers.
    fn conversion_bound(&mut self) -> f64 {
        match self.float {
            Float::F32 => self.choices.pick(&[100.0, 4_194_304.0, 2_147_483_520.0]),
            Float::F64 => self.choices.pick(&[100.0, 2_147_483_648.0, 2f64.powi(51)]),
        }
    }

    fn new_mask(&mut self) -> Value {
        if self.choices.chance(60) {
            return self.comparison();
        }
        let op = self.choices.pick(&[Binary::And, Binary::Or, Binary::Xor]);
        let (a, b) = (self.mask(), self.mask());
        self.b.binary(op, a, b)
    }

    fn comparison(&mut self) -> Value {
        let ops = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Unordered];
        let op = self.choices.pick(&ops);
        let (a, b) = (self.float(), self.float());
        self.b.compare(op, a, b)
    }

    /// A float that is no NaN.
    fn number(&mut self) -> Value {
        let (a, other) = (self.float(), self.b.float(1.5));
        let is_nan = self.b.compare(Compare::Unordered, a, a);
        self.b.select(is_nan, other, a)
    }

    /// A `ScaleExp2` in its domain.
    fn scaled(&mut self) -> Value {
        let (fraction, one, sign, least, most) = match self.float {
            Float::F32 => (0x007f_ffff, 0x3f80_0000, i64::from(i32::MIN), -252.0, 254.0),
            Float::F64 => (0x000f_ffff_ffff_ffff, 0x3ff0_0000_0000_0000, i64::MIN, -2044.0, 2046.0),
        };
        // The sign and fraction of some number with an exponent near 0.
        let a = self.number();
        let bits = self.b.unary(Unary::ToBits, a);
        let keep = self.b.int(fraction | sign);
        let bits = self.b.binary(Binary::And, bits, keep);
        let exponent = self.b.int(one);
        let bits = self.b.binary(Binary::Or, bits, exponent);
        let a = self.b.unary(Unary::FromBits, bits);
        let factor = self.choices.pick(&[0.0625, 0.5, 1.0, 8.0]);
        let factor = self.b.float(factor);
        let a = self.b.mul(a, factor);
        let (n, size) = (self.float(), self.choices.pick(&[1.0, 100.0]));
        let size = self.b.float(size);
        let n = self.b.mul(n, size);
        let (least, most) = (self.b.float(least), self.b.float(most));
        let n = self.b.binary(Binary::Max, n, least);
        let n = self.b.binary(Binary::Min, n, most);
        let n = self.b.unary(Unary::Nearest, n);
        if self.choices.chance(30) {
            // NaN, with any exponent.
            let (mask, nan, any) = (self.mask(), self.b.float(f64::NAN), self.float());
            let a = self.b.select(mask, nan, a);
            let n = self.b.select(mask, any, n);
            return self.b.binary(Binary::ScaleExp2, a, n);
        }
        self.b.binary(Binary::ScaleExp2, a, n)
    }
}
