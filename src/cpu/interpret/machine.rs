//! The evaluation of statements at one place in memory.

use super::scalar::{self, Scalar};
use super::{Garbage, Interpreter};
use crate::loops::program::{
    Binary, Index, Inst, LoopId, Program, Shift, Space, Stmt, Unary, Value,
};

/// A space as one evaluation sees it: slot `s` is element `s * stride + offset`.
pub(super) struct Span<'a, T> {
    elements: Elements<'a, T>,
    offset: usize,
    stride: usize,
}

enum Elements<'a, T> {
    Read(&'a [T]),
    Write(&'a mut [T]),
}

impl<'a, T: Copy> Span<'a, T> {
    pub(super) fn of(elements: &'a [T]) -> Self {
        Span { elements: Elements::Read(elements), offset: 0, stride: 1 }
    }

    pub(super) fn of_mut(elements: &'a mut [T]) -> Self {
        Span { elements: Elements::Write(elements), offset: 0, stride: 1 }
    }

    pub(super) fn at(self, offset: usize, stride: usize) -> Self {
        Span { offset, stride, ..self }
    }

    pub(super) fn go(&mut self, offset: usize, stride: usize) {
        (self.offset, self.stride) = (offset, stride);
    }

    pub(super) fn load(&self, slot: usize) -> T {
        let at = slot * self.stride + self.offset;
        match &self.elements {
            Elements::Read(elements) => elements[at],
            Elements::Write(elements) => elements[at],
        }
    }

    pub(super) fn store(&mut self, slot: usize, value: T) {
        match &mut self.elements {
            Elements::Read(_) => unreachable!("a verified program writes what its stage may write"),
            Elements::Write(elements) => elements[slot * self.stride + self.offset] = value,
        }
    }
}

/// All spaces of a stage; those it may not touch are empty.
pub(super) struct Memory<'a, T> {
    pub(super) param: Span<'a, T>,
    pub(super) row: Span<'a, T>,
    pub(super) col: Span<'a, T>,
    pub(super) state: Span<'a, T>,
    pub(super) other: Span<'a, T>,
    pub(super) out: Span<'a, T>,
    pub(super) tile: Span<'a, T>,
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
pub(super) enum Datum<T> {
    Float(T),
    Int(i64),
    Mask(bool),
}

/// The evaluation of statements at one place in memory.
pub(super) struct Machine<'a, T> {
    pub(super) program: &'a Program,
    garbage: Garbage,
    pub(super) memory: Memory<'a, T>,
    temp: Vec<T>,
    values: Vec<Option<Datum<T>>>,
    pub(super) counters: Vec<u32>,
}

impl<'a, T: Scalar> Machine<'a, T> {
    pub(super) fn new(interpreter: &'a Interpreter, memory: Memory<'a, T>) -> Self {
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

    pub(super) fn block(&mut self, block: &[Stmt]) {
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
    pub(super) fn index(&self, index: &Index) -> usize {
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

    pub(super) fn set(&mut self, value: Value, datum: Datum<T>) {
        self.values[value.index()] = Some(datum);
    }

    fn datum(&self, value: Value) -> Datum<T> {
        self.values[value.index()].expect("a verified program computes values before their use")
    }

    pub(super) fn float(&self, value: Value) -> T {
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

    pub(super) fn mask(&self, value: Value) -> bool {
        match self.datum(value) {
            Datum::Mask(value) => value,
            other => unreachable!("a verified program has types: {value:?} is {other:?}"),
        }
    }
}
