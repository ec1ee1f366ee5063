//! Programs that need more registers of a class than there are: they spill, and still do what the interpreter does.

use super::super::isa::{Class, Isa, Level};
use super::super::machine::{Base, Machine};
use super::super::stages::{self, Source};
use super::super::{Avx2, Avx512, regalloc};
use super::isas;
use crate::cpu::code::Native;
use crate::cpu::interpret::{Interpreter, Scalar};
use crate::cpu::layout::Layout;
use crate::cpu::memory::Buffer;
use crate::cpu::stages::{Pairs, Stages};
use crate::cpu::target::Target;
use crate::cpu::{Emitter, Entry};
use crate::dtype::Float;
use crate::loops::build::Lowered;
use crate::loops::builder::{Builder, Functions, Sharing};
use crate::loops::program::{ArrayId, Axes, Binary, Compare, Index, Over, Space, Start, Value};
use crate::schedule::{Lanes, Schedule};

/// Values that are alive at the same time: more than any class has registers.
const ALIVE: u32 = 40;

/// A sum over columns of what `pair` makes of the slots of a row and a column.
fn program(
    float: Float,
    slots: u32,
    pair: impl FnOnce(&mut Builder, [ArrayId; 2]) -> Value,
) -> Lowered {
    let mut b = Builder::new(float, true, Functions::Expanded);
    let x = b.array("x", Space::Row, slots);
    let y = b.array("y", Space::Col, slots);
    let sum = b.array("sum", Space::State, 1);
    b.program().identity.push(0.0);
    let value = pair(&mut b, [x, y]);
    let block = b.take_block(Sharing::Kept);
    let mut accumulator = b.accumulator(sum, slot(0), Start::State);
    accumulator.next = b.add(accumulator.param, value);
    let step = b.take_block(Sharing::Fresh);
    b.pass(Over::Columns, None, block, step, vec![accumulator], None);
    Lowered { program: b.finish(), inputs: Vec::new(), indices: Vec::new(), keep: None }
}

fn slot(offset: u32) -> Index {
    Index { offset, terms: Vec::new() }
}

/// Products that are all needed again after the last of them is known.
fn many_vectors(float: Float) -> Lowered {
    program(float, ALIVE, |b, [x, y]| {
        let products: Vec<Value> = (0..ALIVE)
            .map(|k| {
                let (x, y) = (b.load(x, slot(k)), b.load(y, slot(k)));
                b.mul(x, y)
            })
            .collect();
        let mut sum = products[0];
        for product in &products[1..] {
            sum = b.add(sum, *product);
        }
        let mut rest = sum;
        for product in products.iter().rev() {
            rest = b.mul_sub_from(*product, sum, rest);
        }
        rest
    })
}

/// The same with comparisons.
fn many_masks(float: Float) -> Lowered {
    program(float, ALIVE, |b, [x, y]| {
        let masks: Vec<Value> = (0..ALIVE)
            .map(|k| {
                let (x, y) = (b.load(x, slot(k)), b.load(y, slot(k)));
                b.compare(Compare::Lt, x, y)
            })
            .collect();
        let mut all = masks[0];
        for mask in &masks[1..] {
            all = b.binary(Binary::Xor, all, *mask);
        }
        let one = b.float(1.0);
        let mut count = b.float(0.0);
        for (k, mask) in masks.iter().enumerate().rev() {
            let both = b.binary(Binary::Xor, all, *mask);
            let (more, less) = (b.add(count, one), b.load(x, slot(k as u32)));
            count = b.select(both, more, less);
        }
        count
    })
}

/// Pointers that advance at different speeds in the same loop.
fn many_pointers(float: Float) -> Lowered {
    const SPEEDS: u32 = 20;
    program(float, 2 * SPEEDS, |b, [_, y]| {
        let zero = b.float(0.0);
        let id = b.begin_loop(2);
        let axes = Axes { row: true, col: true, ..Axes::default() };
        let mut sum = b.carry(id, zero, axes);
        for speed in 1..=SPEEDS {
            let index = Index { offset: SPEEDS - speed, terms: vec![(id, speed)] };
            let value = b.load(y, index);
            sum = b.mul_add(value, value, sum);
        }
        b.end_loop(id, &[sum])[0]
    })
}

/// How often a class is spilled in the pair stage, whose program has no scratch of its own.
fn spills(lowered: &Lowered, schedule: Schedule, isa: Isa, class: Class) -> usize {
    assert_eq!(lowered.program.slots(Space::Temp), 0);
    let source = Source { program: &lowered.program, schedule: &schedule, isa };
    let function = stages::function(source, Entry::Pair).expect("it is selected");
    let allocated = regalloc::allocate(&function.expect("it is there"), isa, 0).expect("it fits");
    let stored = allocated.code.iter().filter(|machine| match machine {
        Machine::Store { class: c, to, .. } => *c == class && to.base == Base::Scratch,
        _ => false,
    });
    stored.count()
}

fn schedules() -> [Schedule; 3] {
    let rows = Schedule { lanes: Lanes::Rows, mr: 1, nr: 1, components: 1, chunk: 64, tile: 128 };
    [rows, Schedule { mr: 2, nr: 3, ..rows }, Schedule { lanes: Lanes::Columns, ..rows }]
}

/// A program spills, and the machine, if it has the instructions, computes what the interpreter does.
fn check(make: fn(Float) -> Lowered, class: impl Fn(Isa) -> Class) {
    for isa in isas() {
        let lowered = make(isa.float);
        for schedule in schedules() {
            let spilled = spills(&lowered, schedule, isa, class(isa));
            assert!(spilled > 0, "{isa:?}, {schedule}: nothing is spilled");
            match isa.float {
                Float::F32 => run::<f32>(&lowered, schedule, isa),
                Float::F64 => run::<f64>(&lowered, schedule, isa),
            }
        }
    }
}

fn run<T: Scalar>(lowered: &Lowered, schedule: Schedule, isa: Isa) {
    let host = Target::host();
    let engine: Option<Box<dyn Emitter>> = match isa.level {
        Level::Avx2 => Avx2::on(host).map(|e| Box::new(e) as Box<dyn Emitter>),
        Level::Avx512 => Avx512::on(host).map(|e| Box::new(e) as Box<dyn Emitter>),
    };
    let Some(engine) = engine else { return };
    let code = engine.emit(&lowered.program, &schedule).expect("the engine takes it");
    let layout = Layout::of(lowered, schedule, &code);
    let native = Native::<T>::load(&code, layout.clone()).expect("executable memory");
    let interpreter = Interpreter::new(lowered, schedule, code.width).expect("it is verified");
    // Numbers in [-1, 1) without a pattern that the program could share.
    let mut seed = 1u64;
    let mut filled = |len: usize| {
        let mut buffer = Buffer::<T>::default();
        buffer.resize(len);
        for value in buffer.as_mut_slice() {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            *value = T::from_f64((seed >> 40) as f64 / (1u64 << 23) as f64 - 1.0);
        }
        buffer
    };
    let (row, col) = (filled(layout.row_len()), filled(layout.col_len()));
    let mut sums = [&native as &dyn Stages<T>, &interpreter].map(|stages| {
        let mut state = filled(layout.pair_state_len());
        state.as_mut_slice().fill(T::from_f64(0.0));
        let (mut tile, mut scratch) = (filled(layout.tile_len()), filled(layout.scratch));
        let done = stages.pair(Pairs {
            param: &[],
            row: row.as_slice(),
            col: col.as_slice(),
            state: state.as_mut_slice(),
            tile: tile.as_mut_slice(),
            scratch: scratch.as_mut_slice(),
            columns: 0..101,
        });
        assert_eq!((done.columns, done.hit), (101, false));
        state
    });
    let [found, expected] = &mut sums;
    let bits = |sums: &mut Buffer<T>| -> Vec<u64> {
        sums.as_mut_slice().iter().map(|v| v.to_f64().to_bits()).collect()
    };
    let (found, expected) = (bits(found), bits(expected));
    assert!(expected.iter().any(|v| f64::from_bits(*v) != 0.0), "{isa:?}: nothing was added");
    assert_eq!(found, expected, "{isa:?}, {schedule}");
}

#[test]
fn vectors_are_spilled() {
    check(many_vectors, |_| Class::Vector);
}

#[test]
fn masks_are_spilled() {
    check(many_masks, Isa::mask_class);
}

#[test]
fn pointers_are_spilled() {
    check(many_pointers, |_| Class::General);
}
