//! Stage functions over virtual registers: the loops around the scalar program. The pair stage is in [`pair`](super::pair).

use super::interleave::Shape;
use super::invariant::{Around, Levels, written};
use super::ir::{Condition, Function, Op, Region, Virtual};
use super::isa::{Class, Isa};
use super::pair;
use super::places::{Place, Places};
use super::select::Select;
use crate::cpu::{Args, Entry, Refused};
use crate::loops::program::{Program, Space, Stmt};
use crate::schedule::{LANES_OVER_COLUMNS, Lanes, Schedule};
use std::mem::offset_of;

/// What a stage function is made from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) program: &'a Program,
    pub(super) schedule: &'a Schedule,
    pub(super) isa: Isa,
}

/// The fields of `Args` that are no places.
pub(super) struct Columns {
    pub(super) first: Virtual,
    pub(super) count: Virtual,
}

/// The stage's function; `None` where the program's stage is empty.
///
/// # Errors
/// When the program is refused.
pub(super) fn function(source: Source<'_>, entry: Entry) -> Result<Option<Function>, Refused> {
    let program = source.program;
    let block = match entry {
        Entry::Param => &program.param,
        Entry::Row => &program.row,
        Entry::Col => &program.col,
        Entry::Merge => &program.merge,
        Entry::Finish => &program.finish,
        Entry::Pair => return finished(pair::select(source)),
    };
    if block.is_empty() {
        return Ok(None);
    }
    finished(match entry {
        Entry::Param => source.straight(block, Shape::ONE),
        Entry::Col => source.columns(block),
        _ => source.straight(block, source.rows()),
    })
}

fn finished(select: Select<'_>) -> Result<Option<Function>, Refused> {
    match select.refusal {
        Some(why) => Err(Refused::Cannot(why)),
        None if select.places.is_too_far => {
            Err(Refused::Limit("a slot is more than 2 GiB away".into()))
        }
        None => Ok(Some(select.f)),
    }
}

/// Instances of a block in scratch memory.
pub(super) fn temp_instances(schedule: &Schedule) -> usize {
    (schedule.mr * schedule.nr * schedule.components) as usize
}

impl<'a> Source<'a> {
    /// The shape of a block of rows.
    pub(super) fn rows(self) -> Shape {
        Shape { lanes: self.schedule.mr as usize, ..Shape::ONE }
    }

    /// All lanes of a block of rows, or one call.
    fn straight(self, block: &'a [Stmt], shape: Shape) -> Select<'a> {
        let mut select = Select::new(self.program, self.isa, Lanes::Rows, shape);
        self.open(&mut select);
        let around =
            Around { written: &written(self.program, &[block]), lanes: Lanes::Rows, depth: 0 };
        select.levels = Some(Levels::of(self.program, &[block], &[], &around));
        select.written.clone_from_slice(around.written);
        select.block(block, 0, None);
        let none = select.immediate(0);
        select.f.effect(Op::Return(0), &[none]);
        select
    }

    /// The column stage: columns along lanes, a vector at a time.
    fn columns(self, block: &'a [Stmt]) -> Select<'a> {
        let size = self.program.float.bytes();
        let mut select = Select::new(self.program, self.isa, Lanes::Columns, Shape::ONE);
        let Columns { first, count } = self.open(&mut select);
        let around =
            Around { written: &written(self.program, &[block]), lanes: Lanes::Columns, depth: 1 };
        select.levels = Some(Levels::of(self.program, &[block], &[], &around));
        select.written.clone_from_slice(around.written);
        let hoisted = select.hoist(block, 0);
        let ahead = select.f.emit(Class::General, Op::Scaled(size as i32), &[first]);
        let mut advance = select.places.open_nothing();
        let keys = select.keys(&[block]);
        let by = self.isa.bytes() as i32;
        select.places.open_cursor(&mut select.f, &keys, Space::Col, Some(ahead), by, &mut advance);
        let zero = select.immediate(0);
        let column = select.f.emit(Class::General, Op::Copy, &[zero]);
        select.f.effect(Op::Test, &[column, count]);
        let below = Condition::Below;
        let region = select.f.enter(Region::Loop { again: below, guard: Some(below) });
        select.block(block, 1, None);
        Places::step(&mut select.f, &advance);
        select.f.define(column, Op::Offset(self.isa.lanes() as i32), &[column]);
        select.f.effect(Op::Test, &[column, count]);
        select.f.leave(region);
        select.places.close(&advance);
        select.lower(hoisted);
        select.f.effect(Op::Return(0), &[zero]);
        select
    }

    /// Load the arguments and declare the places of all spaces.
    pub(super) fn open(self, select: &mut Select<'a>) -> Columns {
        let lanes = select.lanes;
        let size = self.program.float.bytes();
        let rows = self.schedule.mr as usize * self.isa.bytes();
        let column_stride = self.schedule.column_stride() * size;
        let chunk = self.schedule.chunk as usize;
        let by_rows = lanes == Lanes::Rows;
        let vector = Some(self.isa.bytes());
        let place = |slot, lane, point| Place { slot, lane, point };
        let pick = |rows: Place, columns: Place| if by_rows { rows } else { columns };
        let layouts = [
            (Space::Param, offset_of!(Args, param), place(size, None, 0)),
            (
                Space::Row,
                offset_of!(Args, row),
                place(rows, if by_rows { vector } else { None }, 0),
            ),
            (Space::Out, offset_of!(Args, out), place(rows, vector, 0)),
            (
                Space::State,
                offset_of!(Args, state),
                pick(place(rows, vector, 0), place(LANES_OVER_COLUMNS * size, vector, 0)),
            ),
            (Space::Other, offset_of!(Args, other), place(rows, vector, 0)),
            (
                Space::Col,
                offset_of!(Args, col),
                pick(place(column_stride, None, size), place(column_stride, vector, 0)),
            ),
            (
                Space::Tile,
                offset_of!(Args, tile),
                pick(place(chunk * rows, vector, rows), place(chunk * size, vector, 0)),
            ),
        ];
        let mut argument =
            |offset: usize| select.f.emit(Class::General, Op::Argument(offset as u32), &[]);
        let bases: Vec<Virtual> = layouts.iter().map(|(_, offset, _)| argument(*offset)).collect();
        let first = argument(offset_of!(Args, first));
        let count = argument(offset_of!(Args, count));
        select.f.effect(Op::Scratch(offset_of!(Args, temp) as u32), &[]);
        for ((space, _, place), base) in layouts.into_iter().zip(bases) {
            select.places.declare(space, Some(base), place);
        }
        // Scratch holds every instance of a slot side by side.
        let slot = temp_instances(self.schedule) * self.isa.bytes();
        select.places.declare(Space::Temp, None, place(slot, vector, 0));
        Columns { first, count }
    }
}
