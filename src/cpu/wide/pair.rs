//! The pair stage: chunks of columns, the passes over each, and the loops of a pass.

use super::interleave::{Instance, Shape};
use super::invariant::{Around, Levels, written};
use super::ir::{Condition, Op, Region, Virtual};
use super::isa::Class;
use super::places::{Advance, Key, Places};
use super::select::Select;
use super::stages::{Columns, Source};
use crate::loops::program::{LoopId, Over, Pass, Space, Start, Stmt, Value};
use crate::schedule::{LANES_OVER_COLUMNS, Lanes};

/// The address behind the last column of the chunk at hand, in the first slot.
#[derive(Clone, Copy)]
struct Chunk {
    end: Virtual,
}

struct Pair<'a> {
    source: Source<'a>,
    select: Select<'a>,
    /// Key of the packed column tile without loops.
    columns: Key,
}

/// Select the pair stage.
pub(super) fn select(source: Source<'_>) -> Select<'_> {
    let mut select = Select::new(source.program, source.isa, source.schedule.lanes, source.rows());
    if source.schedule.lanes == Lanes::Columns {
        let group = source.schedule.mr as usize * source.isa.lanes();
        if !LANES_OVER_COLUMNS.is_multiple_of(group) {
            let message =
                format!("{group} lanes over columns: they must divide {LANES_OVER_COLUMNS} evenly");
            select.refusal = Some(message);
            return select;
        }
    }
    let columns = source.open(&mut select);
    let passes = &source.program.passes;
    let blocks: Vec<&[Stmt]> = passes.iter().map(|p| p.pair.as_slice()).collect();
    select.written = written(source.program, &blocks);
    for accumulator in passes.iter().flat_map(|p| &p.accumulators) {
        select.written[accumulator.array.index()] = true;
    }
    let key = Key { space: Space::Col, terms: Vec::new() };
    let mut pair = Pair { source, select, columns: key };
    pair.chunks(&columns);
    pair.select
}

impl<'a> Pair<'a> {
    fn general(&mut self, op: Op, args: &[Virtual]) -> Virtual {
        self.select.f.emit(Class::General, op, args)
    }

    fn size(&self) -> usize {
        self.source.program.float.bytes()
    }

    /// Lanes of a vector group along columns, with lanes over columns.
    fn group(&self) -> usize {
        self.source.schedule.mr as usize * self.source.isa.lanes()
    }

    fn chunks(&mut self, args: &Columns) {
        let source = self.source;
        let chunk = source.schedule.chunk;
        let size = self.size() as i32;
        let base = self.select.places.pointer(&self.columns).expect("columns are no scratch");
        let ahead = self.general(Op::Scaled(size), &[args.first]);
        let columns = self.general(Op::Index(1), &[base, ahead]);
        let mark = self.select.places.open_nothing();
        self.select.places.follow(self.columns.clone(), columns);
        let left = self.general(Op::Copy, &[args.count]);
        let zero = self.select.immediate(0);
        self.select.f.effect(Op::Test, &[zero, left]);
        let (again, guard) = (Condition::NotEqual, Some(Condition::Below));
        let region = self.select.f.enter(Region::Loop { again, guard });
        let count = self.general(Op::AtMost(chunk), &[left]);
        let bytes = self.general(Op::Scaled(size), &[count]);
        let end = self.general(Op::Index(1), &[columns, bytes]);
        let chunk_at_hand = Chunk { end };
        for pass in &source.program.passes {
            match pass.over {
                Over::Columns => self.columns_pass(pass, chunk_at_hand),
                Over::Chunk => self.chunk_pass(pass, args, left, count),
            }
        }
        self.select.f.define(columns, Op::Offset(chunk as i32 * size), &[columns]);
        self.select.f.define(left, Op::Difference, &[left, count]);
        self.select.f.effect(Op::TestConstant(0), &[left]);
        self.select.f.leave(region);
        self.select.places.close(&mark);
        self.select.f.effect(Op::Return(0), &[args.count]);
    }

    /// Run `body` once, or with lanes over columns once for each group of lanes; its argument is the byte offset of the group.
    fn lane_groups(&mut self, keys: &[Key], body: impl FnOnce(&mut Self, Option<Virtual>)) {
        if self.source.schedule.lanes == Lanes::Rows {
            return body(self, None);
        }
        let (group, size) = (self.group(), self.size());
        let mut advance = self.select.places.open_nothing();
        let by = (group * size) as i32;
        let select = &mut self.select;
        select.places.open_cursor(&mut select.f, keys, Space::State, None, by, &mut advance);
        let zero = self.select.immediate(0);
        let ahead = self.general(Op::Copy, &[zero]);
        if group == LANES_OVER_COLUMNS {
            body(self, Some(ahead));
        } else {
            let again = Condition::Below;
            let region = self.select.f.enter(Region::Loop { again, guard: None });
            body(self, Some(ahead));
            Places::step(&mut self.select.f, &advance);
            self.select.f.define(ahead, Op::Offset(by), &[ahead]);
            let all = (LANES_OVER_COLUMNS * size) as i32;
            self.select.f.effect(Op::TestConstant(all), &[ahead]);
            self.select.f.leave(region);
        }
        self.select.places.close(&advance);
    }

    fn levels(&mut self, pass: &'a Pass, bound: &[Value], depth: u32) {
        let blocks: [&[Stmt]; 2] = [&pass.pair, &pass.step];
        let written = written(self.source.program, &blocks);
        let lanes = self.source.schedule.lanes;
        let around = Around { written: &written, lanes, depth };
        self.select.levels = Some(Levels::of(self.source.program, &blocks, bound, &around));
    }

    fn chunk_pass(&mut self, pass: &'a Pass, args: &Columns, left: Virtual, count: Virtual) {
        self.levels(pass, &[], 0);
        self.select.shape = self.source.rows();
        let zero = self.select.immediate(0);
        let hits = self.general(Op::Copy, &[zero]);
        let keys = self.select.keys(&[&pass.pair]);
        self.lane_groups(&keys, |this, _| {
            this.select.forget(&pass.pair);
            this.select.block(&pass.pair, 0, None);
            let Some(exit) = pass.exit_if_any else { return };
            let any = this.select.any(exit);
            this.select.f.define(hits, Op::Index(1), &[hits, any]);
        });
        if pass.exit_if_any.is_some() {
            self.select.f.effect(Op::TestConstant(0), &[hits]);
            let region = self.select.f.enter(Region::Exit { when: Condition::NotEqual });
            let before = self.general(Op::Difference, &[args.count, left]);
            let done = self.general(Op::Index(1), &[before, count]);
            self.select.f.effect(Op::Return(1), &[done]);
            self.select.f.leave(region);
        }
    }

    fn columns_pass(&mut self, pass: &'a Pass, chunk: Chunk) {
        let bound: Vec<Value> = pass.accumulators.iter().map(|a| a.param).collect();
        self.levels(pass, &bound, 1);
        let Some(id) = pass.components else {
            return self.component_group(pass, 1, chunk);
        };
        let total = self.source.program.loops[id.index()].count;
        let group = self.source.schedule.components.min(total);
        let main = total - total % group;
        self.component_loop(pass, id, 0..main, group, chunk);
        if main < total {
            self.component_loop(pass, id, main..total, total - main, chunk);
        }
    }

    /// The pass for a range of components, `group` at a time.
    fn component_loop(
        &mut self,
        pass: &'a Pass,
        id: LoopId,
        range: std::ops::Range<u32>,
        group: u32,
        chunk: Chunk,
    ) {
        self.select.component = Some(id);
        self.select.open.push(id);
        let keys = self.pass_keys(pass);
        let select = &mut self.select;
        let advance = select.places.open_loop(&mut select.f, &keys, id, group);
        if range.start > 0 {
            select.places.start_at(&mut select.f, &keys, id, range.start);
        }
        let start = self.select.immediate(range.start);
        let counter = self.general(Op::Copy, &[start]);
        self.select.counters.insert(id, counter);
        let again = Condition::Below;
        let region = self.select.f.enter(Region::Loop { again, guard: None });
        self.component_group(pass, group as usize, chunk);
        Places::step(&mut self.select.f, &advance);
        self.select.f.define(counter, Op::Offset(group as i32), &[counter]);
        self.select.f.effect(Op::TestConstant(range.end as i32), &[counter]);
        self.select.f.leave(region);
        self.select.counters.remove(&id);
        self.select.places.close(&advance);
        self.select.open.pop();
        self.select.component = None;
    }

    /// Keys of all that a pass addresses.
    fn pass_keys(&self, pass: &Pass) -> Vec<Key> {
        let mut keys = self.select.keys(&[&pass.pair, &pass.step]);
        for a in &pass.accumulators {
            let space = self.source.program.arrays[a.array.index()].space;
            let key = Key::of(space, &a.index, &self.select.open);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// All columns of the chunk for one group of components.
    fn component_group(&mut self, pass: &'a Pass, components: usize, chunk: Chunk) {
        let shape = Shape { components, ..self.source.rows() };
        let keys = self.pass_keys(pass);
        self.lane_groups(&keys, |this, group| {
            this.select.shape = shape;
            this.start_accumulators(pass);
            let hoisted = this.select.hoist(&pass.pair, 0);
            let more = this.select.hoist(&pass.step, 0);
            match group {
                None => this.over_rows(pass, &keys, chunk, shape),
                Some(ahead) => this.over_columns(pass, &keys, chunk, ahead),
            }
            this.select.lower(hoisted);
            this.select.lower(more);
            this.end_accumulators(pass);
        });
        self.select.shape = self.source.rows();
    }

    fn start_accumulators(&mut self, pass: &Pass) {
        self.select.bound = 0;
        for a in &pass.accumulators {
            let registers = self.select.fresh(a.param);
            self.select.bound += registers.len();
            self.select.bind(a.param, registers);
            for at in self.select.instances(a.param).instances() {
                let start = match a.start {
                    Start::Zero => self.select.float(0.0),
                    Start::State => self.select.load_now(a.array, &a.index, at),
                };
                let to = self.select.at(a.param, at);
                self.select.f.define(to, Op::Copy, &[start]);
            }
        }
    }

    fn end_accumulators(&mut self, pass: &Pass) {
        for a in &pass.accumulators {
            for at in self.select.instances(a.param).instances() {
                let mut value = self.select.at(a.param, at);
                if a.start == Start::Zero {
                    let before = self.select.load_now(a.array, &a.index, at);
                    value = self.select.f.emit(Class::Vector, Op::Add, &[before, value]);
                }
                self.select.put(a.array, &a.index, at, value);
            }
        }
        self.select.bound = 0;
    }

    /// Let what a column adds go to the accumulators' own registers where that is possible.
    fn unite_accumulators(&mut self, pass: &Pass) {
        for a in &pass.accumulators {
            let ends = pass.accumulators.iter().map(|other| other.next);
            self.select.unite(&pass.step, ends, a.param, a.next);
        }
    }

    /// The cursor whose address is that of the current column in the first slot.
    fn column_cursor(&mut self, advance: &mut Advance, ahead: Option<Virtual>, by: i32) -> Virtual {
        let select = &mut self.select;
        let key = std::slice::from_ref(&self.columns);
        select.places.open_cursor(&mut select.f, key, Space::Col, ahead, by, advance);
        select.places.pointer(&self.columns).expect("columns are no scratch")
    }

    /// Open the pointers that follow the columns; the first is [`Pair::column_cursor`].
    fn cursors(
        &mut self,
        keys: &[Key],
        ahead: Option<Virtual>,
        by: (usize, usize),
    ) -> (Advance, Virtual) {
        let mut advance = self.select.places.open_nothing();
        let cursor = self.column_cursor(&mut advance, ahead, by.0 as i32);
        let others: Vec<Key> = keys.iter().filter(|k| **k != self.columns).cloned().collect();
        let select = &mut self.select;
        for (space, by) in [(Space::Col, by.0), (Space::Tile, by.1)] {
            select.places.open_cursor(
                &mut select.f,
                &others,
                space,
                ahead,
                by as i32,
                &mut advance,
            );
        }
        (advance, cursor)
    }

    /// Columns one after another, `nr` at a time.
    fn over_rows(&mut self, pass: &'a Pass, keys: &[Key], chunk: Chunk, shape: Shape) {
        let (nr, size) = (self.source.schedule.nr as usize, self.size());
        let rows = self.source.schedule.mr as usize * self.source.isa.bytes();
        let below = Condition::Below;
        let (advance, cursor) = self.cursors(keys, None, (size, rows));
        self.unite_accumulators(pass);
        for points in if nr > 1 { vec![nr, 1] } else { vec![1] } {
            let back = ((points - 1) * size) as i32;
            let limit = self.general(Op::Offset(-back), &[chunk.end]);
            self.select.f.effect(Op::Test, &[cursor, limit]);
            let region = self.select.f.enter(Region::Loop { again: below, guard: Some(below) });
            self.select.shape = Shape { points, ..shape };
            self.select.forget(&pass.pair);
            let mut step = |select: &mut Select<'a>, point: usize| {
                select.shape.points = 1;
                select.step(pass, point);
                select.shape.points = points;
            };
            self.select.block(&pass.pair, 1, Some(&mut step));
            Places::step(&mut self.select.f, &advance.times(points));
            self.select.f.effect(Op::Test, &[cursor, limit]);
            self.select.f.leave(region);
        }
        self.select.divide(pass.accumulators.iter().map(|a| a.next));
        self.select.places.close(&advance);
        self.select.shape = shape;
    }

    /// Vectors of columns from the group's first lane on; the last one is masked.
    fn over_columns(&mut self, pass: &'a Pass, keys: &[Key], chunk: Chunk, ahead: Virtual) {
        let (size, group) = (self.size(), self.group());
        let by = LANES_OVER_COLUMNS * size;
        let (advance, cursor) = self.cursors(keys, Some(ahead), (by, by));
        // The last column at which a whole group begins is before this.
        let back = ((group - 1) * size) as i32;
        let limit = self.general(Op::Offset(-back), &[chunk.end]);
        let below = Condition::Below;
        self.unite_accumulators(pass);
        self.select.f.effect(Op::Test, &[cursor, limit]);
        let region = self.select.f.enter(Region::Loop { again: below, guard: Some(below) });
        self.select.forget(&pass.pair);
        self.select.block(&pass.pair, 1, None);
        self.select.step(pass, 0);
        Places::step(&mut self.select.f, &advance);
        self.select.f.effect(Op::Test, &[cursor, limit]);
        self.select.f.leave(region);
        self.select.divide(pass.accumulators.iter().map(|a| a.next));
        self.select.f.effect(Op::Test, &[cursor, chunk.end]);
        let region = self.select.f.enter(Region::Branch { when: below });
        let bytes = self.general(Op::Difference, &[chunk.end, cursor]);
        let left = self.general(Op::Right(size.ilog2() as u8), &[bytes]);
        self.select.forget(&pass.pair);
        self.select.block(&pass.pair, 1, None);
        self.select.masked_step(pass, left);
        self.select.f.leave(region);
        self.select.places.close(&advance);
    }
}

impl<'a> Select<'a> {
    /// One column's update of the accumulators.
    fn step(&mut self, pass: &'a Pass, point: usize) {
        self.step_block(&pass.step, point);
        let moves = pass.accumulators.iter().flat_map(|a| {
            let instances = self.instances(a.param).instances();
            instances.map(|at| (self.at(a.param, at), self.at(a.next, Instance { point, ..at })))
        });
        let moves = moves.collect();
        self.moves(moves);
    }

    /// The same, but lanes whose column is not among the next `left` ones keep their accumulators.
    fn masked_step(&mut self, pass: &'a Pass, left: Virtual) {
        self.step_block(&pass.step, 0);
        let width = self.isa.lanes();
        let masks: Vec<Virtual> =
            (0..self.shape.lanes).map(|lane| self.below(left, lane * width)).collect();
        let mut moves = Vec::new();
        for a in &pass.accumulators {
            for at in self.instances(a.param).instances() {
                let (new, old) = (self.at(a.next, at), self.at(a.param, at));
                let kept = self.f.emit(Class::Vector, Op::Blend, &[masks[at.lane], new, old]);
                moves.push((old, kept));
            }
        }
        self.moves(moves);
    }
}
