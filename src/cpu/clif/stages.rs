//! Stage functions: the loops around the scalar program.

use super::access;
use super::lower::{Lower, Place, Shape};
use crate::cpu::{Args, Entry};
use crate::loops::program::{
    Inst, LoopId, Over, Pass, Program, Space, Start, Stmt, Value as Scalar,
};
use crate::schedule::{LANES_OVER_COLUMNS, Lanes, Schedule};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, Function, InstBuilder, Value, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use std::mem::offset_of;

/// Vectors of row values that are kept in registers over a column loop; more would only spill (16 registers on x86-64).
const HOISTED_VECTORS: usize = 6;

pub(super) fn emit(
    program: &Program,
    schedule: &Schedule,
    entry: Entry,
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) {
    let mut builder = FunctionBuilder::new(function, context);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_block(block);
    let args = builder.block_params(block)[0];
    Stage { f: &mut builder, program, schedule, args }.emit(entry);
    builder.finalize(config);
}

struct Stage<'a, 'f> {
    f: &'a mut FunctionBuilder<'f>,
    program: &'a Program,
    schedule: &'a Schedule,
    args: Value,
}

impl<'f> Stage<'_, 'f> {
    fn argument(&mut self, offset: usize) -> Value {
        let offset = i32::try_from(offset).expect("Args is small");
        self.f.ins().load(types::I64, access(), self.args, offset)
    }

    fn emit(mut self, entry: Entry) {
        match entry {
            Entry::Param => {
                let one = Shape { lanes: 1, points: 1, components: 1 };
                self.straight(&self.program.param, Lanes::Rows, one);
            }
            Entry::Row => self.rows(&self.program.row),
            Entry::Merge => self.rows(&self.program.merge),
            Entry::Finish => self.rows(&self.program.finish),
            Entry::Col => self.columns(),
            Entry::Pair => {
                let zero = self.f.ins().iconst(types::I64, 0);
                let done = self.f.declare_var(types::I64);
                self.f.def_var(done, zero);
                Pair::new(self, done).emit();
                return;
            }
        }
        let zero = self.f.ins().iconst(types::I64, 0);
        self.f.ins().return_(&[zero]);
    }

    /// All lanes of a block of rows.
    fn rows(&mut self, block: &[Stmt]) {
        let shape = Shape { lanes: self.schedule.mr as usize, points: 1, components: 1 };
        self.straight(block, Lanes::Rows, shape);
    }

    fn straight(&mut self, block: &[Stmt], lanes: Lanes, shape: Shape) {
        let places = self.places(lanes);
        let temp = self.argument(offset_of!(Args, temp));
        let mut lower = Lower::new(self.f, self.program, lanes, shape, temp);
        lower.places = places;
        lower.block(block);
    }

    /// The places of all spaces for a block of rows along lanes.
    fn places(&mut self, lanes: Lanes) -> std::collections::HashMap<Space, Place> {
        let size = self.program.float.bytes();
        let rows = self.schedule.mr as usize * super::VECTOR_BYTES;
        let column_stride = self.schedule.column_stride() * size;
        let chunk = self.schedule.chunk as usize;
        let vector = Some(super::VECTOR_BYTES);
        let mut places = std::collections::HashMap::new();
        let by_rows = lanes == Lanes::Rows;
        let over_columns = LANES_OVER_COLUMNS * size;
        let pick = |on_rows: (usize, Option<usize>, usize),
                    on_columns: (usize, Option<usize>, usize)| {
            if by_rows { on_rows } else { on_columns }
        };
        let layouts = [
            (Space::Param, offset_of!(Args, param), (size, None, 0)),
            (Space::Row, offset_of!(Args, row), pick((rows, vector, 0), (rows, None, 0))),
            (Space::Out, offset_of!(Args, out), (rows, vector, 0)),
            (
                Space::State,
                offset_of!(Args, state),
                pick((rows, vector, 0), (over_columns, vector, 0)),
            ),
            (Space::Other, offset_of!(Args, other), (rows, vector, 0)),
            (
                Space::Col,
                offset_of!(Args, col),
                pick((column_stride, None, size), (column_stride, vector, 0)),
            ),
            (
                Space::Tile,
                offset_of!(Args, tile),
                pick((chunk * rows, vector, rows), (chunk * size, vector, 0)),
            ),
        ];
        for (space, offset, (slot, lane, point)) in layouts {
            let address = self.argument(offset);
            places.insert(space, Place { address, slot, lane, point });
        }
        places
    }

    /// The column stage: columns along lanes, a vector at a time.
    fn columns(&mut self) {
        let size = self.program.float.bytes() as i64;
        let step = super::width(self.program) as i64;
        let first = self.argument(offset_of!(Args, first));
        let count = self.argument(offset_of!(Args, count));
        let temp = self.argument(offset_of!(Args, temp));
        let places = self.places(Lanes::Columns);
        let column = self.f.declare_var(types::I64);
        let zero = self.f.ins().iconst(types::I64, 0);
        self.f.def_var(column, zero);
        let (head, body, after) = blocks(self.f);
        self.f.ins().jump(head, &[]);
        self.f.switch_to_block(head);
        let now = self.f.use_var(column);
        let more = self.f.ins().icmp(IntCC::UnsignedLessThan, now, count);
        self.f.ins().brif(more, body, &[], after, &[]);
        self.f.switch_to_block(body);
        self.f.seal_block(body);
        let at = self.f.ins().iadd(first, now);
        let bytes = self.f.ins().imul_imm_s(at, size);
        let address = self.f.ins().iadd(places[&Space::Col].address, bytes);
        let shape = Shape { lanes: 1, points: 1, components: 1 };
        let mut lower = Lower::new(self.f, self.program, Lanes::Columns, shape, temp);
        lower.places = places;
        lower.places.get_mut(&Space::Col).expect("every space has a place").address = address;
        lower.block(&self.program.col);
        let next = self.f.ins().iadd_imm_s(now, step);
        self.f.def_var(column, next);
        self.f.ins().jump(head, &[]);
        self.f.seal_block(head);
        self.f.seal_block(after);
        self.f.switch_to_block(after);
    }
}

fn blocks(f: &mut FunctionBuilder<'_>) -> (Block, Block, Block) {
    (f.create_block(), f.create_block(), f.create_block())
}

/// The pair stage.
struct Pair<'a, 'f> {
    lower: Lower<'a, 'f>,
    program: &'a Program,
    schedule: &'a Schedule,
    first: Value,
    count: Value,
    /// Columns finished, from `first`.
    done: Variable,
    /// Whether any lane asked to leave after the current pass.
    hits: Variable,
}

impl<'a, 'f> Pair<'a, 'f> {
    fn new(mut stage: Stage<'a, 'f>, done: Variable) -> Self {
        let schedule = stage.schedule;
        let first = stage.argument(offset_of!(Args, first));
        let count = stage.argument(offset_of!(Args, count));
        let temp = stage.argument(offset_of!(Args, temp));
        let places = stage.places(schedule.lanes);
        let shape = Shape { lanes: schedule.mr as usize, points: 1, components: 1 };
        let Stage { f, program, .. } = stage;
        let hits = f.declare_var(types::I64);
        let mut lower = Lower::new(f, program, schedule.lanes, shape, temp);
        lower.places = places;
        Pair { lower, program, schedule, first, count, done, hits }
    }

    fn emit(mut self) {
        let (head, body, end) = blocks(self.lower.f);
        let f = &mut *self.lower.f;
        f.ins().jump(head, &[]);
        f.switch_to_block(head);
        let done = f.use_var(self.done);
        let more = f.ins().icmp(IntCC::UnsignedLessThan, done, self.count);
        f.ins().brif(more, body, &[], end, &[]);
        f.switch_to_block(body);
        f.seal_block(body);
        let left = f.ins().isub(self.count, done);
        let chunk = f.ins().iconst(types::I64, i64::from(self.schedule.chunk));
        let n = f.ins().umin(left, chunk);
        let next = f.ins().iadd(done, n);
        let at = f.ins().iadd(self.first, done);
        let bytes = f.ins().imul_imm_s(at, self.program.float.bytes() as i64);
        let columns = f.ins().iadd(self.lower.places[&Space::Col].address, bytes);
        for pass in &self.program.passes {
            match pass.over {
                Over::Columns => self.columns_pass(pass, n, columns),
                Over::Chunk => self.chunk_pass(pass, next),
            }
        }
        let f = &mut *self.lower.f;
        f.def_var(self.done, next);
        f.ins().jump(head, &[]);
        f.seal_block(head);
        f.seal_block(end);
        f.switch_to_block(end);
        let done = f.use_var(self.done);
        let result = f.ins().ishl_imm_u(done, 1);
        f.ins().return_(&[result]);
    }

    /// Run `body` once, or with lanes over columns once for each group of lanes (its first lane is the argument).
    fn lane_groups(&mut self, body: impl Fn(&mut Self, Option<Value>)) {
        if self.schedule.lanes == Lanes::Rows {
            return body(self, None);
        }
        let group = (self.schedule.mr as usize * self.lower.width()) as i64;
        let f = &mut *self.lower.f;
        let lane = f.declare_var(types::I64);
        let zero = f.ins().iconst(types::I64, 0);
        f.def_var(lane, zero);
        let (head, after) = (f.create_block(), f.create_block());
        f.ins().jump(head, &[]);
        f.switch_to_block(head);
        let now = f.use_var(lane);
        let state = self.lower.places[&Space::State];
        let bytes = f.ins().imul_imm_s(now, self.program.float.bytes() as i64);
        let address = f.ins().iadd(state.address, bytes);
        self.lower.places.insert(Space::State, Place { address, ..state });
        body(self, Some(now));
        self.lower.places.insert(Space::State, state);
        let f = &mut *self.lower.f;
        let next = f.ins().iadd_imm_s(now, group);
        f.def_var(lane, next);
        let again = f.ins().icmp_imm_s(IntCC::UnsignedLessThan, next, LANES_OVER_COLUMNS as i64);
        f.ins().brif(again, head, &[], after, &[]);
        f.seal_block(head);
        f.seal_block(after);
        f.switch_to_block(after);
    }

    fn chunk_pass(&mut self, pass: &Pass, next: Value) {
        let none = self.lower.f.ins().iconst(types::I64, 0);
        self.lower.f.def_var(self.hits, none);
        self.lane_groups(|this, _| {
            this.lower.shape = Shape { lanes: this.schedule.mr as usize, points: 1, components: 1 };
            this.lower.block(&pass.pair);
            let Some(exit) = pass.exit_if_any else { return };
            let any = this.lower.any(exit);
            let f = &mut *this.lower.f;
            let hit = f.ins().uextend(types::I64, any);
            let others = f.use_var(this.hits);
            let hits = f.ins().bor(others, hit);
            f.def_var(this.hits, hits);
        });
        if pass.exit_if_any.is_some() {
            let f = &mut *self.lower.f;
            let hits = f.use_var(self.hits);
            let (leave, stay) = (f.create_block(), f.create_block());
            f.ins().brif(hits, leave, &[], stay, &[]);
            f.switch_to_block(leave);
            f.seal_block(leave);
            let result = f.ins().ishl_imm_u(next, 1);
            let result = f.ins().bor_imm_u(result, 1);
            f.ins().return_(&[result]);
            f.switch_to_block(stay);
            f.seal_block(stay);
        }
    }

    fn columns_pass(&mut self, pass: &Pass, n: Value, columns: Value) {
        let Some(id) = pass.components else {
            return self.component_group(pass, 1, n, columns);
        };
        let total = self.program.loops[id.index()].count;
        let group = self.schedule.components.min(total);
        let main = total - total % group;
        self.component_loop(pass, id, 0, main, group, n, columns);
        if main < total {
            self.component_loop(pass, id, main, total, 1, n, columns);
        }
    }

    /// The pass for components `from..to`, `group` at a time.
    #[expect(clippy::too_many_arguments, reason = "the bounds of one loop")]
    fn component_loop(
        &mut self,
        pass: &Pass,
        id: LoopId,
        from: u32,
        to: u32,
        group: u32,
        n: Value,
        columns: Value,
    ) {
        let f = &mut *self.lower.f;
        let component = f.declare_var(types::I64);
        let start = f.ins().iconst(types::I64, i64::from(from));
        f.def_var(component, start);
        let (head, after) = (f.create_block(), f.create_block());
        f.ins().jump(head, &[]);
        f.switch_to_block(head);
        let now = f.use_var(component);
        self.lower.counters.insert(id, now);
        self.lower.component = Some(id);
        self.component_group(pass, group as usize, n, columns);
        self.lower.component = None;
        self.lower.counters.remove(&id);
        let f = &mut *self.lower.f;
        let next = f.ins().iadd_imm_s(now, i64::from(group));
        f.def_var(component, next);
        let again = f.ins().icmp_imm_s(IntCC::UnsignedLessThan, next, i64::from(to));
        f.ins().brif(again, head, &[], after, &[]);
        f.seal_block(head);
        f.seal_block(after);
        f.switch_to_block(after);
    }

    /// All columns of the chunk for one group of components.
    fn component_group(&mut self, pass: &Pass, components: usize, n: Value, columns: Value) {
        let lanes = self.schedule.mr as usize;
        self.lane_groups(|this, group| {
            this.lower.shape = Shape { lanes, points: 1, components };
            let accumulators: Vec<Vec<Variable>> =
                pass.accumulators.iter().map(|a| this.lower.variables(a.param)).collect();
            for (a, variables) in pass.accumulators.iter().zip(&accumulators) {
                let start: Vec<Value> = match a.start {
                    Start::Zero => {
                        (0..variables.len()).map(|_| this.lower.float_constant(0.0)).collect()
                    }
                    Start::State => this.lower.load_accumulator(a.array, &a.index),
                };
                for (variable, value) in variables.iter().zip(start) {
                    this.lower.f.def_var(*variable, value);
                }
            }
            this.hoist(pass);
            match group {
                None => this.over_rows(pass, &accumulators, n, columns, components),
                Some(lane) => this.over_columns(pass, &accumulators, n, columns, lane),
            }
            this.lower.hoisted.clear();
            for (a, variables) in pass.accumulators.iter().zip(&accumulators) {
                let mut values: Vec<Value> =
                    variables.iter().map(|v| this.lower.f.use_var(*v)).collect();
                if a.start == Start::Zero {
                    let before = this.lower.load_accumulator(a.array, &a.index);
                    for (value, before) in values.iter_mut().zip(before) {
                        *value = this.lower.f.ins().fadd(before, *value);
                    }
                }
                this.lower.store_accumulator(a.array, &a.index, &values);
            }
        });
    }

    /// Load what every column uses once, as far as registers allow.
    fn hoist(&mut self, pass: &Pass) {
        let mut vectors = 0;
        for stmt in &pass.pair {
            let Stmt::Let(value) = stmt else { continue };
            let def = self.program.value(*value);
            let Inst::Load(array, index) = &def.inst else { continue };
            let fixed = match self.program.arrays[array.index()].space {
                Space::Row | Space::Param | Space::State => index.terms.is_empty(),
                _ => false,
            };
            vectors += self.lower.instances(def.axes);
            if fixed && vectors <= HOISTED_VECTORS {
                self.lower.define(*value);
                self.lower.hoisted.insert(*value);
            }
        }
    }

    /// Columns one after another, `nr` at a time.
    fn over_rows(
        &mut self,
        pass: &Pass,
        accumulators: &[Vec<Variable>],
        n: Value,
        columns: Value,
        components: usize,
    ) {
        let nr = self.schedule.nr as usize;
        let column = self.lower.f.declare_var(types::I64);
        let zero = self.lower.f.ins().iconst(types::I64, 0);
        self.lower.f.def_var(column, zero);
        for points in if nr > 1 { vec![nr, 1] } else { vec![1] } {
            let (head, body, after) = blocks(self.lower.f);
            let f = &mut *self.lower.f;
            f.ins().jump(head, &[]);
            f.switch_to_block(head);
            let now = f.use_var(column);
            let last = f.ins().iadd_imm_s(now, points as i64);
            let fits = f.ins().icmp(IntCC::UnsignedLessThanOrEqual, last, n);
            f.ins().brif(fits, body, &[], after, &[]);
            f.switch_to_block(body);
            f.seal_block(body);
            self.at_column(now, columns, |this| {
                this.lower.shape.points = points;
                this.lower.block(&pass.pair);
                this.lower.shape.points = 1;
                for point in 0..points {
                    this.lower.point = point;
                    this.step(pass, accumulators, None);
                }
                this.lower.point = 0;
            });
            let f = &mut *self.lower.f;
            f.def_var(column, last);
            f.ins().jump(head, &[]);
            f.seal_block(head);
            f.seal_block(after);
            f.switch_to_block(after);
        }
        self.lower.shape = Shape { lanes: self.schedule.mr as usize, points: 1, components };
    }

    /// Vectors of columns from the group's first lane on; the last one is masked.
    fn over_columns(
        &mut self,
        pass: &Pass,
        accumulators: &[Vec<Variable>],
        n: Value,
        columns: Value,
        lane: Value,
    ) {
        let width = (self.schedule.mr as usize * self.lower.width()) as i64;
        let column = self.lower.f.declare_var(types::I64);
        self.lower.f.def_var(column, lane);
        let (head, body, rest) = blocks(self.lower.f);
        let (tail, after) = (self.lower.f.create_block(), self.lower.f.create_block());
        let f = &mut *self.lower.f;
        f.ins().jump(head, &[]);
        f.switch_to_block(head);
        let now = f.use_var(column);
        let last = f.ins().iadd_imm_s(now, width);
        let fits = f.ins().icmp(IntCC::UnsignedLessThanOrEqual, last, n);
        f.ins().brif(fits, body, &[], rest, &[]);
        f.switch_to_block(body);
        f.seal_block(body);
        self.at_column(now, columns, |this| {
            this.lower.block(&pass.pair);
            this.step(pass, accumulators, None);
        });
        let f = &mut *self.lower.f;
        let next = f.ins().iadd_imm_s(now, LANES_OVER_COLUMNS as i64);
        f.def_var(column, next);
        f.ins().jump(head, &[]);
        f.seal_block(head);
        f.switch_to_block(rest);
        f.seal_block(rest);
        let some = f.ins().icmp(IntCC::UnsignedLessThan, now, n);
        f.ins().brif(some, tail, &[], after, &[]);
        f.switch_to_block(tail);
        f.seal_block(tail);
        self.at_column(now, columns, |this| {
            this.lower.block(&pass.pair);
            this.step(pass, accumulators, Some((now, n)));
        });
        let f = &mut *self.lower.f;
        f.ins().jump(after, &[]);
        f.seal_block(after);
        f.switch_to_block(after);
    }

    /// Emit `body` with columns and tile addressed from column `now` of the chunk.
    fn at_column(&mut self, now: Value, columns: Value, body: impl FnOnce(&mut Self)) {
        let size = self.program.float.bytes();
        let (col, tile) = (self.lower.places[&Space::Col], self.lower.places[&Space::Tile]);
        let per_column = match self.schedule.lanes {
            Lanes::Rows => tile.point,
            Lanes::Columns => size,
        };
        let f = &mut *self.lower.f;
        let bytes = f.ins().imul_imm_s(now, size as i64);
        let address = f.ins().iadd(columns, bytes);
        let bytes = f.ins().imul_imm_s(now, per_column as i64);
        let tile_address = f.ins().iadd(tile.address, bytes);
        self.lower.places.insert(Space::Col, Place { address, ..col });
        self.lower.places.insert(Space::Tile, Place { address: tile_address, ..tile });
        body(self);
        self.lower.places.insert(Space::Col, col);
        self.lower.places.insert(Space::Tile, tile);
    }

    /// One column's update of the accumulators; lanes at or beyond the limit keep theirs.
    fn step(&mut self, pass: &Pass, accumulators: &[Vec<Variable>], limit: Option<(Value, Value)>) {
        for (a, variables) in pass.accumulators.iter().zip(accumulators) {
            let vectors = variables.iter().map(|v| self.lower.f.use_var(*v)).collect();
            self.lower.bind(a.param, vectors);
        }
        self.lower.block(&pass.step);
        let next: Vec<Scalar> = pass.accumulators.iter().map(|a| a.next).collect();
        for ((a, variables), next) in pass.accumulators.iter().zip(accumulators).zip(next) {
            let Some((column, limit)) = limit else {
                self.lower.assign(variables, a.param, next);
                continue;
            };
            let lanes = self.schedule.mr as usize;
            for (k, variable) in variables.iter().enumerate() {
                let (lane, component) = (k % lanes, k / lanes);
                let mask = self.lower.below(column, limit, lane);
                let new = self.lower.instance(next, lane, 0, component);
                let old = self.lower.instance(a.param, lane, 0, component);
                let kept = self.lower.select(mask, new, old);
                self.lower.f.def_var(*variable, kept);
            }
        }
    }
}
