//! Two kernels of one program side by side: the same memory before every stage, the same bits after it.

use super::choices::Choices;
use genred::cpu::layout::Layout;
use genred::cpu::stages::{Done, Pairs, Stages};
use genred::dtype::Real;
use genred::schedule::Lanes;
use std::fmt::{self, Write as _};
use std::ops::Range;

/// Elements on either side of each slice that nothing may touch, a multiple of 64 bytes.
const GUARD: usize = 64;

/// A slice that begins at a multiple of 64 bytes, with a guard before and behind it.
struct Slice<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Real> Slice<T> {
    fn new(len: usize, mut value: impl FnMut() -> T) -> Slice<T> {
        let mut memory = vec![guard::<T>(); len + 3 * GUARD];
        let start = GUARD + memory.as_ptr().align_offset(64);
        memory[start..][..len].fill_with(&mut value);
        Slice { memory, start, len }
    }

    /// A copy with the same alignment.
    fn copy(&self) -> Slice<T> {
        let mut elements = self.read().iter();
        Slice::new(self.len, || *elements.next().expect("the copy is as long"))
    }

    fn read(&self) -> &[T] {
        &self.memory[self.start..][..self.len]
    }

    fn write(&mut self) -> &mut [T] {
        &mut self.memory[self.start..][..self.len]
    }

    fn is_guarded(&self) -> bool {
        let (before, behind) = (&self.memory[..self.start], &self.memory[self.start + self.len..]);
        before.iter().chain(behind).all(|v| *v == guard())
    }
}

fn guard<T: Real>() -> T {
    T::from_f64(12_345.0)
}

/// How the kernels differ.
pub struct Difference(String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Same bits, or both NaN: engines may choose a NaN's sign and payload.
fn is_same<T: Real>(a: T, b: T) -> bool {
    let (a, b) = (a.to_f64(), b.to_f64());
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

fn check<T: Real>(
    stage: &str,
    slot_len: usize,
    expected: &Slice<T>,
    got: &Slice<T>,
    is_compared: impl Fn(usize) -> bool,
) -> Result<(), Difference> {
    if !got.is_guarded() {
        return Err(Difference(format!("{stage} wrote outside of its memory")));
    }
    let mut text = String::new();
    let pairs = expected.read().iter().zip(got.read()).enumerate();
    let wrong = pairs.filter(|(k, (a, b))| is_compared(*k) && !is_same(**a, **b));
    let mut count = 0;
    for (k, (a, b)) in wrong {
        count += 1;
        if count <= 4 {
            let (slot, at) = (k / slot_len.max(1), k % slot_len.max(1));
            let _ = write!(text, "\n  slot {slot} at {at}: {a:?} expected, {b:?} found");
        }
    }
    if count == 0 { Ok(()) } else { Err(Difference(format!("{stage}: {count} differ{text}"))) }
}

/// Run all stages of both kernels on random memory; `engine` must do what `reference` does.
///
/// # Errors
/// The first stage after which memory differs.
pub fn compare<T: Real>(
    reference: &dyn Stages<T>,
    engine: &dyn Stages<T>,
    choices: &mut Choices<'_>,
) -> Result<(), Difference> {
    let layout = engine.layout().clone();
    let tame = choices.chance(50);
    let random = |len: usize, choices: &mut Choices<'_>| {
        Slice::<T>::new(len, || {
            let value = if tame { 4.0 * choices.fraction() } else { choices.number() };
            T::from_f64(value)
        })
    };
    let mut scratch = Slice::<T>::new(layout.scratch, || T::NAN);
    let all = |_: usize| true;

    let mut param = random(layout.slots.param as usize, choices);
    let mut found = param.copy();
    reference.param(param.write(), &mut []);
    engine.param(found.write(), scratch.write());
    check("param", 1, &param, &found, all)?;

    let mut row = random(layout.row_len(), choices);
    let mut found = row.copy();
    reference.row(param.read(), row.write(), &mut []);
    engine.row(param.read(), found.write(), scratch.write());
    check("row", layout.block(), &row, &found, all)?;

    let (tile_columns, stride) = (layout.schedule.tile as usize, layout.schedule.column_stride());
    let mut col = random(layout.col_len(), choices);
    let from = if tile_columns > 64 && choices.chance(30) { 64 } else { 0 };
    let to = choices.within(from as u32 + 1, tile_columns as u32) as usize;
    let mut found = col.copy();
    reference.col(param.read(), col.write(), from..to, &mut []);
    engine.col(param.read(), found.write(), from..to, scratch.write());
    // Beyond the last column, up to a whole vector, an engine may write what it likes.
    let garbage = to..to.next_multiple_of(layout.width as usize);
    check("col", stride, &col, &found, |k| !garbage.contains(&(k % stride)))?;
    reference.col(param.read(), col.write(), 0..tile_columns, &mut []);

    let kernels = [reference, engine];
    let memory = Inputs { param: &param, row: &row, col: &col };
    pair(kernels, &layout, &memory, &mut scratch, choices)?;

    let mut state = random(layout.state_len(), choices);
    let other = random(layout.state_len(), choices);
    let mut found = state.copy();
    reference.merge(state.write(), other.read(), &mut []);
    engine.merge(found.write(), other.read(), scratch.write());
    check("merge", layout.block(), &state, &found, all)?;

    let mut out = random(layout.out_len(), choices);
    let mut found = out.copy();
    reference.finish(param.read(), row.read(), state.read(), out.write(), &mut []);
    engine.finish(param.read(), row.read(), state.read(), found.write(), scratch.write());
    check("finish", layout.block(), &out, &found, all)?;
    if !scratch.is_guarded() {
        return Err(Difference("scratch is too small".into()));
    }
    let inputs = [&param, &row, &col, &other];
    let is_whole = inputs.iter().all(|input| input.is_guarded());
    if is_whole { Ok(()) } else { Err(Difference("a stage wrote outside of its memory".into())) }
}

struct Inputs<'a, T> {
    param: &'a Slice<T>,
    row: &'a Slice<T>,
    col: &'a Slice<T>,
}

/// The pair stage over a few ranges of columns, going on after exits as a launcher does.
fn pair<T: Real>(
    kernels: [&dyn Stages<T>; 2],
    layout: &Layout,
    memory: &Inputs<'_, T>,
    scratch: &mut Slice<T>,
    choices: &mut Choices<'_>,
) -> Result<(), Difference> {
    let (chunk, tile_columns) = (layout.schedule.chunk as usize, layout.schedule.tile as usize);
    let by_rows = layout.schedule.lanes == Lanes::Rows;
    let state_lanes = layout.pair_state_len() / (layout.slots.state as usize).max(1);
    // States begin as the identity does, in some lanes as anything.
    let wild = choices.chance(50);
    let mut k = 0;
    let mut state = Slice::<T>::new(layout.pair_state_len(), || {
        let slot = k / state_lanes.max(1);
        k += 1;
        let value = if wild { choices.number() } else { layout.identity[slot] };
        T::from_f64(value)
    });
    let mut tile = Slice::<T>::new(layout.tile_len(), || T::from_f64(choices.number()));
    let start = chunk * choices.below((tile_columns / chunk) as u32) as usize;
    let end = choices.within(start as u32 + 1, tile_columns as u32) as usize;
    let row = if by_rows { 0 } else { choices.below(layout.block() as u32) as usize };
    let mut at = start;
    let mut engine_state = state.copy();
    let mut engine_tile = tile.copy();
    while at < end {
        let columns = at..end;
        let expected = call(kernels[0], memory, row, &mut state, &mut tile, &mut [], &columns);
        let scratch = scratch.write();
        let found =
            call(kernels[1], memory, row, &mut engine_state, &mut engine_tile, scratch, &columns);
        let place = format!("pair over columns {columns:?} of row {row}");
        if expected != found {
            let message = format!("{place} returned {found:?} where {expected:?} is expected");
            return Err(Difference(message));
        }
        check(&place, state_lanes, &state, &engine_state, |_| true)?;
        // What tiles hold of columns that are not there is nobody's business.
        let seen = (expected.columns - 1) % chunk + 1;
        let per_column = if by_rows { layout.block() } else { 1 };
        let is_seen = |k: usize| k / per_column % chunk < seen;
        check(&format!("{place}, tile"), chunk * per_column, &tile, &engine_tile, is_seen)?;
        engine_tile = tile.copy();
        at += expected.columns;
    }
    Ok(())
}

fn call<T: Real>(
    kernel: &dyn Stages<T>,
    memory: &Inputs<'_, T>,
    row: usize,
    state: &mut Slice<T>,
    tile: &mut Slice<T>,
    scratch: &mut [T],
    columns: &Range<usize>,
) -> Done {
    kernel.pair(Pairs {
        param: memory.param.read(),
        row: memory.row.read().get(row..).unwrap_or_default(),
        col: memory.col.read(),
        state: state.write(),
        tile: tile.write(),
        scratch,
        columns: columns.clone(),
    })
}
