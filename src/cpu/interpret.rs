//! A kernel that interprets its program: what native engines must agree with bit for bit.
//!
//! One scalar at a time, in the order that [`program`](crate::loops::program) and the layouts that [`cpu`](super) state, with
//! nothing clever about it. Where the program's documentation leaves a result open (a float that is no small integer to
//! [`Unary::FloatToInt`], an exponent out of range of [`Binary::ScaleExp2`]), the interpreter gives [`Garbage`] of the
//! caller's choice: a program whose results depend on it is wrong.

mod scalar;

use super::layout::Layout;
use super::stages::{Done, Pairs, Stages};
use crate::loops::build::Lowered;
use crate::loops::program::{
    Accumulator, Binary, Index, Inst, LoopId, Over, Pass, Program, Shift, Space, Start, Stmt,
    Unary, Value,
};
use crate::loops::verify::{Defect, verify_expanded};
use crate::schedule::{LANES_OVER_COLUMNS, Lanes, Schedule};
pub use scalar::Scalar;
use std::ops::Range;

/// What operations give outside of their domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// 0.
    Zero,
    /// All bits set: -1 as an integer, NaN as a float.
    Ones,
}

/// The interpreter of one program under one schedule.
#[derive(Clone, Debug)]
pub struct Interpreter {
    program: Program,
    layout: Layout,
    garbage: Garbage,
}

impl Interpreter {
    /// A kernel of `width` lanes a vector: only the size of blocks depends on it, never a result.
    ///
    /// # Errors
    /// When the program breaks a rule.
    pub fn new(lowered: &Lowered, schedule: Schedule, width: u32) -> Result<Interpreter, Defect> {
        verify_expanded(&lowered.program)?;
        let layout = Layout::new(lowered, schedule, width, 0);
        Ok(Interpreter { program: lowered.program.clone(), layout, garbage: Garbage::Zero })
    }

    /// The same kernel with other garbage.
    pub fn with_garbage(self, garbage: Garbage) -> Interpreter {
        Interpreter { garbage, ..self }
    }

    /// A run of a stage that has no loops of its own: `block` at `memory`.
    fn straight<T: Scalar>(&self, block: &[Stmt], memory: Memory<'_, T>) {
        Machine::new(self, memory).block(block);
    }
}

impl<T: Scalar> Stages<T> for Interpreter {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn param(&self, param: &mut [T], _scratch: &mut [T]) {
        let memory = Memory { param: Span::of_mut(param), ..Memory::default() };
        self.straight(&self.program.param, memory);
    }

    fn row(&self, param: &[T], row: &mut [T], _scratch: &mut [T]) {
        let block = self.layout.block();
        for lane in 0..block {
            let memory = Memory {
                param: Span::of(param),
                row: Span::of_mut(row).at(lane, block),
                ..Memory::default()
            };
            self.straight(&self.program.row, memory);
        }
    }

    fn col(&self, param: &[T], col: &mut [T], columns: Range<usize>, _scratch: &mut [T]) {
        for column in columns {
            let memory = Memory {
                param: Span::of(param),
                col: Span::of_mut(col).at(column, self.layout.schedule.column_stride()),
                ..Memory::default()
            };
            self.straight(&self.program.col, memory);
        }
    }

    fn pair(&self, pairs: Pairs<'_, T>) -> Done {
        let chunk = self.layout.schedule.chunk as usize;
        let Range { start, end } = pairs.columns;
        let memory = Memory {
            param: Span::of(pairs.param),
            row: Span::of(pairs.row),
            col: Span::of(pairs.col),
            state: Span::of_mut(pairs.state),
            tile: Span::of_mut(pairs.tile),
            ..Memory::default()
        };
        let mut pair = Pair { layout: &self.layout, machine: Machine::new(self, memory) };
        for first in (start..end).step_by(chunk) {
            let columns = first..end.min(first + chunk);
            for pass in &self.program.passes {
                match pass.over {
                    Over::Columns => pair.columns_pass(pass, columns.clone()),
                    Over::Chunk => {
                        if pair.chunk_pass(pass) {
                            return Done { columns: columns.end - start, hit: true };
                        }
                    }
                }
            }
        }
        Done { columns: end - start, hit: false }
    }

    fn merge(&self, state: &mut [T], other: &[T], _scratch: &mut [T]) {
        let block = self.layout.block();
        for lane in 0..block {
            let memory = Memory {
                state: Span::of_mut(state).at(lane, block),
                other: Span::of(other).at(lane, block),
                ..Memory::default()
            };
            self.straight(&self.program.merge, memory);
        }
    }

    fn finish(&self, param: &[T], row: &[T], state: &[T], out: &mut [T], _scratch: &mut [T]) {
        let block = self.layout.block();
        for lane in 0..block {
            let memory = Memory {
                param: Span::of(param),
                row: Span::of(row).at(lane, block),
                state: Span::of(state).at(lane, block),
                out: Span::of_mut(out).at(lane, block),
                ..Memory::default()
            };
            self.straight(&self.program.finish, memory);
        }
    }
}

/// The pair stage over a block of rows.
struct Pair<'a, T> {
    layout: &'a Layout,
    machine: Machine<'a, T>,
}

impl<T: Scalar> Pair<'_, T> {
    /// Lanes that have accumulators of their own.
    fn lanes(&self) -> usize {
        match self.layout.schedule.lanes {
            Lanes::Rows => self.layout.block(),
            Lanes::Columns => LANES_OVER_COLUMNS,
        }
    }

    /// Whether a lane handles a column.
    fn owns(&self, lane: usize, column: usize) -> bool {
        self.layout.schedule.lanes == Lanes::Rows || column % LANES_OVER_COLUMNS == lane
    }

    /// Go to a lane's row and accumulators.
    fn at_lane(&mut self, lane: usize) {
        let (block, lanes) = (self.layout.block(), self.lanes());
        let row = if self.layout.schedule.lanes == Lanes::Rows { lane } else { 0 };
        self.machine.memory.row.go(row, block);
        self.machine.memory.state.go(lane, lanes);
    }

    /// Go to a column, the `k`-th of its chunk.
    fn at_column(&mut self, lane: usize, column: usize, k: usize) {
        let Schedule { chunk, lanes, .. } = self.layout.schedule;
        self.machine.memory.col.go(column, self.layout.schedule.column_stride());
        let (chunk, block) = (chunk as usize, self.layout.block());
        match lanes {
            Lanes::Rows => self.machine.memory.tile.go(k * block + lane, chunk * block),
            Lanes::Columns => self.machine.memory.tile.go(k, chunk),
        }
    }

    fn columns_pass(&mut self, pass: &Pass, columns: Range<usize>) {
        let components = match pass.components {
            Some(id) => self.machine.program.loops[id.index()].count,
            None => 1,
        };
        for component in 0..components {
            if let Some(id) = pass.components {
                self.machine.counters[id.index()] = component;
            }
            for lane in 0..self.lanes() {
                self.at_lane(lane);
                self.accumulate(pass, lane, columns.clone());
            }
        }
    }

    /// A lane's columns of the chunk, one after another.
    fn accumulate(&mut self, pass: &Pass, lane: usize, columns: Range<usize>) {
        let slot = |machine: &Machine<'_, T>, a: &Accumulator| {
            let array = &machine.program.arrays[a.array.index()];
            array.base as usize + machine.index(&a.index)
        };
        let mut running: Vec<T> = Vec::with_capacity(pass.accumulators.len());
        for a in &pass.accumulators {
            running.push(match a.start {
                Start::State => self.machine.memory.state.load(slot(&self.machine, a)),
                Start::Zero => T::from_f64(0.0),
            });
        }
        for (k, column) in columns.enumerate() {
            if !self.owns(lane, column) {
                continue;
            }
            self.at_column(lane, column, k);
            self.machine.block(&pass.pair);
            for (a, value) in pass.accumulators.iter().zip(&running) {
                self.machine.set(a.param, Datum::Float(*value));
            }
            self.machine.block(&pass.step);
            for (a, value) in pass.accumulators.iter().zip(&mut running) {
                *value = self.machine.float(a.next);
            }
        }
        for (a, value) in pass.accumulators.iter().zip(running) {
            let slot = slot(&self.machine, a);
            let result = match a.start {
                Start::State => value,
                Start::Zero => self.machine.memory.state.load(slot) + value,
            };
            self.machine.memory.state.store(slot, result);
        }
    }

    /// Every lane once; whether any asks to leave.
    fn chunk_pass(&mut self, pass: &Pass) -> bool {
        let mut leave = false;
        for lane in 0..self.lanes() {
            self.at_lane(lane);
            self.machine.block(&pass.pair);
            leave |= pass.exit_if_any.is_some_and(|exit| self.machine.mask(exit));
        }
        leave
    }
}

/// A space as one evaluation sees it: slot `s` is element `s * stride + offset`.
struct Span<'a, T> {
    elements: Elements<'a, T>,
    offset: usize,
    stride: usize,
}

enum Elements<'a, T> {
    Read(&'a [T]),
    Write(&'a mut [T]),
}

impl<'a, T: Copy> Span<'a, T> {
    fn of(elements: &'a [T]) -> Self {
        Span { elements: Elements::Read(elements), offset: 0, stride: 1 }
    }

    fn of_mut(elements: &'a mut [T]) -> Self {
        Span { elements: Elements::Write(elements), offset: 0, stride: 1 }
    }

    fn at(self, offset: usize, stride: usize) -> Self {
        Span { offset, stride, ..self }
    }

    fn go(&mut self, offset: usize, stride: usize) {
        (self.offset, self.stride) = (offset, stride);
    }

    fn load(&self, slot: usize) -> T {
        let at = slot * self.stride + self.offset;
        match &self.elements {
            Elements::Read(elements) => elements[at],
            Elements::Write(elements) => elements[at],
        }
    }

    fn store(&mut self, slot: usize, value: T) {
        match &mut self.elements {
            Elements::Read(_) => unreachable!("a verified program writes what its stage may write"),
            Elements::Write(elements) => elements[slot * self.stride + self.offset] = value,
        }
    }
}

/// All spaces of a stage; those it may not touch are empty.
struct Memory<'a, T> {
    param: Span<'a, T>,
    row: Span<'a, T>,
    col: Span<'a, T>,
    state: Span<'a, T>,
    other: Span<'a, T>,
    out: Span<'a, T>,
    tile: Span<'a, T>,
}

impl<T: Copy> Default for Memory<'_, T> {
    fn default() -> Self {
        let none = || Span::of(&[]);
        Memory {
            param: none(),
            row: none(),
            col: none(),
            state: none(),
            other: none(),
            out: none(),
            tile: none(),
        }
    }
}

/// A scalar value during evaluation.
#[derive(Clone, Copy, Debug)]
enum Datum<T> {
    Float(T),
    Int(i64),
    Mask(bool),
}

/// The evaluation of statements at one place in memory.
struct Machine<'a, T> {
    program: &'a Program,
    garbage: Garbage,
    memory: Memory<'a, T>,
    temp: Vec<T>,
    values: Vec<Option<Datum<T>>>,
    counters: Vec<u32>,
}

impl<'a, T: Scalar> Machine<'a, T> {
    fn new(interpreter: &'a Interpreter, memory: Memory<'a, T>) -> Self {
        let Interpreter { program, garbage, .. } = interpreter;
        assert_eq!(program.float, T::FLOAT, "an interpreter runs on its program's type");
        Machine {
            program,
            garbage: *garbage,
            memory,
            temp: vec![T::from_f64(f64::NAN); program.slots(Space::Temp) as usize],
            values: vec![None; program.values.len()],
            counters: vec![0; program.loops.len()],
        }
    }

    fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::Let(value) => {
                    let datum = self.compute(*value);
                    self.set(*value, datum);
                }
                Stmt::Store(array, index, value) => {
                    let array = &self.program.arrays[array.index()];
                    let slot = array.base as usize + self.index(index);
                    let value = self.float(*value);
                    match self.space(array.space) {
                        Some(span) => span.store(slot, value),
                        None => self.temp[slot] = value,
                    }
                }
                Stmt::Loop(id) => self.counted_loop(*id),
            }
        }
    }

    fn counted_loop(&mut self, id: LoopId) {
        let definition = &self.program.loops[id.index()];
        let mut carried: Vec<Datum<T>> =
            definition.carried.iter().map(|c| self.datum(c.init)).collect();
        let is_skipped = definition.skip_unless.is_some_and(|mask| !self.mask(mask));
        for iteration in 0..if is_skipped { 0 } else { definition.count } {
            self.counters[id.index()] = iteration;
            for (c, datum) in definition.carried.iter().zip(&carried) {
                self.set(c.param, *datum);
            }
            self.block(&definition.body);
            carried = definition.carried.iter().map(|c| self.datum(c.next)).collect();
        }
        for (c, datum) in definition.carried.iter().zip(carried) {
            self.set(c.result, datum);
        }
    }

    fn compute(&mut self, value: Value) -> Datum<T> {
        match &self.program.value(value).inst {
            Inst::Float(c) => Datum::Float(T::from_f64(*c)),
            Inst::Int(c) => Datum::Int(*c),
            Inst::Load(array, index) => {
                let array = &self.program.arrays[array.index()];
                let slot = array.base as usize + self.index(index);
                Datum::Float(match self.space(array.space) {
                    Some(span) => span.load(slot),
                    None => self.temp[slot],
                })
            }
            Inst::Counter(id) => Datum::Float(T::from_f64(f64::from(self.counters[id.index()]))),
            Inst::Unary(op, a) => self.unary(*op, *a),
            Inst::Binary(op, a, b) => self.binary(*op, *a, *b),
            Inst::Shift(op, a, bits) => {
                let a = self.int(*a);
                Datum::Int(match op {
                    Shift::Left => T::wrap(a << bits),
                    Shift::RightLogical => T::wrap((T::unsigned(a) >> bits) as i64),
                    Shift::RightArithmetic => a >> bits,
                })
            }
            Inst::Fma(a, b, c) => {
                Datum::Float(self.float(*a).mul_add(self.float(*b), self.float(*c)))
            }
            Inst::FmaNeg(a, b, c) => {
                Datum::Float((-self.float(*a)).mul_add(self.float(*b), self.float(*c)))
            }
            Inst::Compare(op, a, b) => {
                Datum::Mask(scalar::compare(*op, self.float(*a), self.float(*b)))
            }
            Inst::Select(mask, a, b) => {
                let chosen = if self.mask(*mask) { *a } else { *b };
                self.datum(chosen)
            }
            Inst::Call(..) | Inst::Bound => {
                unreachable!("a verified program computes no calls and no bound values")
            }
        }
    }

    fn unary(&self, op: Unary, a: Value) -> Datum<T> {
        match op {
            Unary::Neg => Datum::Float(-self.float(a)),
            Unary::Abs => Datum::Float(self.float(a).abs()),
            Unary::Sqrt => Datum::Float(self.float(a).sqrt()),
            Unary::Floor => Datum::Float(self.float(a).floor()),
            Unary::Nearest => Datum::Float(self.float(a).nearest()),
            Unary::ToBits => Datum::Int(self.float(a).to_bits()),
            Unary::FromBits => Datum::Float(T::from_bits(self.int(a))),
            Unary::IntToFloat => {
                let a = self.int(a);
                Datum::Float(if T::is_convertible(a) {
                    T::from_int(a)
                } else {
                    self.garbage_float()
                })
            }
            Unary::FloatToInt => Datum::Int(match self.float(a).to_int() {
                Some(int) => int,
                None => self.garbage_int(),
            }),
        }
    }

    fn binary(&self, op: Binary, a: Value, b: Value) -> Datum<T> {
        let floats = || (self.float(a), self.float(b));
        let ints = || (self.int(a), self.int(b));
        match op {
            Binary::Add => Datum::Float(self.float(a) + self.float(b)),
            Binary::Sub => Datum::Float(self.float(a) - self.float(b)),
            Binary::Mul => Datum::Float(self.float(a) * self.float(b)),
            Binary::Div => Datum::Float(self.float(a) / self.float(b)),
            Binary::Min => {
                let (a, b) = floats();
                Datum::Float(if a < b { a } else { b })
            }
            Binary::Max => {
                let (a, b) = floats();
                Datum::Float(if a > b { a } else { b })
            }
            Binary::ScaleExp2 => {
                let (a, n) = floats();
                Datum::Float(a.scale_exp2(n).unwrap_or_else(|| self.garbage_float()))
            }
            Binary::IntAdd => {
                let (a, b) = ints();
                Datum::Int(T::wrap(a.wrapping_add(b)))
            }
            Binary::IntSub => {
                let (a, b) = ints();
                Datum::Int(T::wrap(a.wrapping_sub(b)))
            }
            Binary::And => self.bits(a, b, |a, b| a & b),
            Binary::Or => self.bits(a, b, |a, b| a | b),
            Binary::Xor => self.bits(a, b, |a, b| a ^ b),
        }
    }

    /// A bit operation on integers or masks.
    fn bits(&self, a: Value, b: Value, op: impl Fn(i64, i64) -> i64) -> Datum<T> {
        match (self.datum(a), self.datum(b)) {
            (Datum::Mask(a), Datum::Mask(b)) => {
                Datum::Mask(op(i64::from(a), i64::from(b)) & 1 == 1)
            }
            _ => Datum::Int(op(self.int(a), self.int(b))),
        }
    }

    fn garbage_int(&self) -> i64 {
        match self.garbage {
            Garbage::Zero => 0,
            Garbage::Ones => -1,
        }
    }

    fn garbage_float(&self) -> T {
        match self.garbage {
            Garbage::Zero => T::from_f64(0.0),
            Garbage::Ones => T::from_f64(f64::NAN),
        }
    }

    /// A slot within its array, at the current iteration of every loop.
    fn index(&self, index: &Index) -> usize {
        let terms = index.terms.iter();
        let moved = terms.map(|(id, stride)| *stride as usize * self.counters[id.index()] as usize);
        index.offset as usize + moved.sum::<usize>()
    }

    /// The span of a space; `None` for scratch.
    fn space(&mut self, space: Space) -> Option<&mut Span<'a, T>> {
        match space {
            Space::Param => Some(&mut self.memory.param),
            Space::Row => Some(&mut self.memory.row),
            Space::Col => Some(&mut self.memory.col),
            Space::State => Some(&mut self.memory.state),
            Space::Other => Some(&mut self.memory.other),
            Space::Out => Some(&mut self.memory.out),
            Space::Tile => Some(&mut self.memory.tile),
            Space::Temp => None,
        }
    }

    fn set(&mut self, value: Value, datum: Datum<T>) {
        self.values[value.index()] = Some(datum);
    }

    fn datum(&self, value: Value) -> Datum<T> {
        self.values[value.index()].expect("a verified program computes values before their use")
    }

    fn float(&self, value: Value) -> T {
        match self.datum(value) {
            Datum::Float(value) => value,
            other => unreachable!("a verified program has types: {value:?} is {other:?}"),
        }
    }

    fn int(&self, value: Value) -> i64 {
        match self.datum(value) {
            Datum::Int(value) => value,
            other => unreachable!("a verified program has types: {value:?} is {other:?}"),
        }
    }

    fn mask(&self, value: Value) -> bool {
        match self.datum(value) {
            Datum::Mask(value) => value,
            other => unreachable!("a verified program has types: {value:?} is {other:?}"),
        }
    }
}
