//! A kernel that interprets its program: what native engines must agree with bit for bit.
//!
//! One scalar at a time, in the order that [`program`](crate::loops::program) and the layouts that [`cpu`](super) state, with
//! nothing clever about it. Where the program's documentation leaves a result open (a float that is no small integer to
//! [`Unary::FloatToInt`](crate::loops::program::Unary::FloatToInt), an exponent out of range of [`Binary::ScaleExp2`](crate::loops::program::Binary::ScaleExp2)), the interpreter gives [`Garbage`] of the
//! caller's choice: a program whose results depend on it is wrong.

mod machine;
mod scalar;

use super::layout::Layout;
use super::stages::{Done, Pairs, Stages};
use crate::loops::build::Lowered;
use crate::loops::program::{Accumulator, Over, Pass, Program, Start, Stmt};
use crate::loops::verify::{Defect, verify_expanded};
use crate::schedule::{LANES_OVER_COLUMNS, Lanes, Schedule};
use machine::{Datum, Machine, Memory, Span};
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
