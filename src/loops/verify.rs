//! Whether a [`Program`] keeps the rules that its documentation states, so that every engine may rely on them.
//!
//! Verification never panics and never recurses deeper than [`LOOP_DEPTH`], whatever the program: it is what stands between
//! arbitrary programs and the emitters. It is linear in the size of the program and runs before every emission.
//!
//! Beyond the types, scopes and ranges of [`program`](super::program) it states what makes the order of evaluation
//! immaterial, so that an engine may evaluate several columns and several components of a pass at once:
//!
//! * `step` only computes: it reads no memory, writes none and has no loops.
//! * State is written by chunk passes, `merge` and accumulators only; a pass does not read the arrays that it accumulates in.
//! * A pass over components accumulates in a slot of its own for every component, and writes a tile array in one place, at
//!   slots of its own for every component, which it does not read.
//! * A loop that engines may skip writes nothing and changes what it carries only where its mask holds.
//! * Scratch, tiles, computed `Param`, `Row` and `Col` arrays are read only where all of the slots that a read may touch have
//!   been written, by statements whose loops have ended; `finish` writes every `Out` slot.

mod instruction;
mod stage;
mod written;

#[cfg(test)]
mod tests;

use super::dce::operands;
use super::program::{
    Accumulator, ArrayId, Axes, Index, Inst, Loop, LoopId, Over, Pass, Program, Space, Stmt, Type,
    Value, ValueDef,
};
use stage::Stage;
use std::collections::{HashMap, HashSet};
use std::fmt;
use written::Written;

/// Deepest nesting of loops, the component loop included.
pub const LOOP_DEPTH: usize = 8;

/// Iterations of a loop stay below this, so that counters are exact in every float type.
pub const LOOP_COUNT: u32 = 1 << 20;

/// A rule that a program breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// What is wrong.
    pub message: String,
    /// The stage, and the value or statement in it.
    pub place: String,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for Defect {}

/// Check every rule for programs of any engine.
///
/// # Errors
/// The first defect found.
pub fn verify(program: &Program) -> Result<(), Defect> {
    let mut verifier = Verifier::new(program);
    verifier.program().map_err(|message| Defect { message, place: verifier.place() })
}

/// [`verify`], and that no [`Inst::Call`] is left: CPU engines have no instructions for those.
///
/// # Errors
/// The first defect found.
pub fn verify_expanded(program: &Program) -> Result<(), Defect> {
    verify(program)?;
    let call = program.values.iter().position(|v| matches!(v.inst, Inst::Call(..)));
    match call {
        None => Ok(()),
        Some(k) => Err(Defect {
            message: "a transcendental function is not expanded".into(),
            place: format!("%{k}"),
        }),
    }
}

/// What is wrong, without its place.
type Checked<T = ()> = Result<T, String>;

/// Fail with a formatted message unless a condition holds.
macro_rules! rule {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}
use rule;

struct Verifier<'p> {
    program: &'p Program,
    stage: Stage,
    /// The pass being checked.
    pass: usize,
    /// The value or statement being checked.
    at: Option<String>,
    /// Whether a value may be used here.
    available: Vec<bool>,
    /// Whether a value has been defined anywhere before.
    defined: Vec<bool>,
    /// Whether a loop has been used anywhere before.
    used_loops: Vec<bool>,
    /// The loops around the current statement, the component loop first.
    open: Vec<LoopId>,
    component: Option<LoopId>,
    /// How many of the loops around the current statement may be skipped.
    skipped: usize,
    /// Whether some statement writes the array; otherwise the launcher fills it.
    computed: Vec<bool>,
    written: Written,
    /// The axes of what was stored to each scratch array of this block.
    temp_axes: HashMap<ArrayId, Axes>,
    /// Tile arrays that the current component pass writes or reads.
    tiles_written: HashSet<ArrayId>,
    tiles_read: HashSet<ArrayId>,
    /// State arrays that the current pass accumulates in.
    accumulated: HashSet<ArrayId>,
}

impl<'p> Verifier<'p> {
    fn new(program: &'p Program) -> Self {
        Self {
            program,
            stage: Stage::Tables,
            pass: 0,
            at: None,
            available: vec![false; program.values.len()],
            defined: vec![false; program.values.len()],
            used_loops: vec![false; program.loops.len()],
            open: Vec::new(),
            component: None,
            skipped: 0,
            computed: computed(program),
            written: Written::default(),
            temp_axes: HashMap::new(),
            tiles_written: HashSet::new(),
            tiles_read: HashSet::new(),
            accumulated: HashSet::new(),
        }
    }

    fn place(&self) -> String {
        let stage = match self.stage {
            Stage::Pair | Stage::Step | Stage::Chunk => {
                format!("{} of pass {}", self.stage.name(), self.pass)
            }
            stage => stage.name().to_owned(),
        };
        match &self.at {
            Some(at) => format!("{stage}, {at}"),
            None => stage,
        }
    }

    fn program(&mut self) -> Checked {
        self.arrays()?;
        let program = self.program;
        for definition in &program.loops {
            rule!(
                (1..LOOP_COUNT).contains(&definition.count),
                "a loop of {} iterations",
                definition.count
            );
        }
        self.tables()?;
        self.straight(Stage::Param, &program.param)?;
        self.straight(Stage::Row, &program.row)?;
        self.straight(Stage::Col, &program.col)?;
        for (k, pass) in program.passes.iter().enumerate() {
            self.pass = k;
            match pass.over {
                Over::Columns => self.columns_pass(pass)?,
                Over::Chunk => self.chunk_pass(pass)?,
            }
        }
        self.straight(Stage::Merge, &program.merge)?;
        self.straight(Stage::Finish, &program.finish)?;
        self.at = None;
        for (k, array) in program.arrays.iter().enumerate() {
            let whole = self.written.covers(ArrayId(k as u32), 0, u64::from(array.len));
            rule!(array.space != Space::Out || whole, "some of `{}` is never written", array.name);
        }
        Ok(())
    }

    /// Values and loops that no stage uses may stay, but name no value that is not there: engines count the uses of all.
    fn tables(&self) -> Checked {
        let program = self.program;
        let operands = program.values.iter().flat_map(|def| operands(&def.inst));
        let of_loops = program.loops.iter().flat_map(|definition| {
            let carried = definition.carried.iter();
            let carried = carried.flat_map(|c| [c.init, c.param, c.next, c.result]);
            let named = definition.body.iter().filter_map(|stmt| match stmt {
                Stmt::Let(value) | Stmt::Store(_, _, value) => Some(*value),
                Stmt::Loop(_) => None,
            });
            carried.chain(definition.skip_unless).chain(named)
        });
        operands.chain(of_loops).try_for_each(|value| self.def(value).map(drop))
    }

    fn arrays(&mut self) -> Checked {
        let program = self.program;
        let mut names = HashSet::new();
        let mut slots: Vec<(Space, u64, u64, &str)> = Vec::new();
        for array in &program.arrays {
            rule!(names.insert(&array.name), "two arrays are named `{}`", array.name);
            rule!(array.len > 0, "`{}` has no slots", array.name);
            let (first, end) =
                (u64::from(array.base), u64::from(array.base) + u64::from(array.len));
            rule!(end <= u64::from(u32::MAX), "`{}` ends beyond any slot", array.name);
            slots.push((array.space, first, end, &array.name));
        }
        slots.sort_unstable();
        for pair in slots.windows(2) {
            let ((space, _, end, name), (next_space, next, _, other)) = (pair[0], pair[1]);
            rule!(space != next_space || end <= next, "`{name}` and `{other}` overlap");
        }
        let state = program.slots(Space::State);
        rule!(
            program.identity.len() == state as usize,
            "{} identities for {state} state slots",
            program.identity.len()
        );
        for identity in &program.identity {
            self.representable(*identity)?;
        }
        rule!(program.slots(Space::Other) <= state, "other accumulators have slots beyond state");
        Ok(())
    }

    fn def(&self, value: Value) -> Checked<&'p ValueDef> {
        let program = self.program;
        program.values.get(value.index()).ok_or_else(|| format!("there is no value %{}", value.0))
    }

    fn loop_of(&self, id: LoopId) -> Checked<&'p Loop> {
        let program = self.program;
        program.loops.get(id.index()).ok_or_else(|| format!("there is no loop {}", id.0))
    }

    /// A value that is used here.
    fn used(&self, value: Value) -> Checked<&'p ValueDef> {
        let def = self.def(value)?;
        rule!(self.available[value.index()], "%{} is used where it is not defined", value.0);
        Ok(def)
    }

    /// A value of a required type that is used here.
    fn used_as(&self, value: Value, ty: Type) -> Checked<&'p ValueDef> {
        let def = self.used(value)?;
        rule!(def.ty == ty, "%{} is {:?}, not {ty:?}", value.0, def.ty);
        Ok(def)
    }

    /// Make a value available until the end of `scope`.
    fn define(&mut self, value: Value, scope: &mut Vec<Value>) -> Checked {
        self.def(value)?;
        rule!(!self.defined[value.index()], "%{} is defined twice", value.0);
        self.defined[value.index()] = true;
        self.available[value.index()] = true;
        scope.push(value);
        Ok(())
    }

    /// Define a value of the enclosing structure.
    fn define_bound(&mut self, value: Value, scope: &mut Vec<Value>) -> Checked<&'p ValueDef> {
        let def = self.def(value)?;
        rule!(def.inst == Inst::Bound, "%{} is computed, not bound", value.0);
        self.within_stage(def.axes)?;
        self.define(value, scope)?;
        Ok(def)
    }

    fn end(&mut self, scope: Vec<Value>) {
        for value in scope {
            self.available[value.index()] = false;
        }
    }

    fn straight(&mut self, stage: Stage, block: &'p [Stmt]) -> Checked {
        self.begin(stage);
        let mut scope = Vec::new();
        self.block(block, &mut scope)?;
        self.end(scope);
        Ok(())
    }

    fn begin(&mut self, stage: Stage) {
        self.stage = stage;
        self.at = None;
        self.temp_axes.clear();
        self.written.forget_scratch();
    }

    fn columns_pass(&mut self, pass: &'p Pass) -> Checked {
        self.begin(Stage::Pair);
        self.component = pass.components;
        rule!(pass.exit_if_any.is_none(), "only chunk passes may exit");
        if let Some(id) = pass.components {
            let definition = self.enter(id)?;
            let bare = definition.body.is_empty()
                && definition.carried.is_empty()
                && definition.skip_unless.is_none();
            rule!(bare, "the component loop has a body of its own");
        }
        self.accumulated = pass.accumulators.iter().map(|a| a.array).collect();
        let mut scope = Vec::new();
        self.block(&pass.pair, &mut scope)?;
        self.stage = Stage::Step;
        self.at = None;
        for accumulator in &pass.accumulators {
            self.accumulator(accumulator, &mut scope)?;
        }
        self.slots_differ(&pass.accumulators)?;
        self.block(&pass.step, &mut scope)?;
        self.at = None;
        for accumulator in &pass.accumulators {
            self.used_as(accumulator.next, Type::Float)?;
        }
        self.end(scope);
        if pass.components.is_some() {
            self.leave();
        }
        self.accumulated.clear();
        self.tiles_written.clear();
        self.tiles_read.clear();
        self.component = None;
        Ok(())
    }

    fn accumulator(&mut self, accumulator: &Accumulator, scope: &mut Vec<Value>) -> Checked {
        let array = self.array(accumulator.array)?;
        rule!(array.space == Space::State, "`{}` is accumulated in but is no state", array.name);
        self.in_range(accumulator.array, &accumulator.index)?;
        let terms = &accumulator.index.terms;
        match self.component {
            None => rule!(terms.is_empty(), "an accumulator's slot may not change in its pass"),
            Some(id) => rule!(
                terms.len() == 1 && terms[0].0 == id && terms[0].1 > 0,
                "components share an accumulator of `{}`",
                array.name
            ),
        }
        let component = self.component.is_some();
        let def = self.define_bound(accumulator.param, scope)?;
        rule!(def.ty == Type::Float, "an accumulator is {:?}", def.ty);
        let axes = Axes { row: true, partial: true, col: false, component };
        rule!(def.axes == axes, "an accumulator varies over {:?}, not {axes:?}", def.axes);
        Ok(())
    }

    /// No two accumulators of a pass meet in a slot.
    fn slots_differ(&self, accumulators: &[Accumulator]) -> Checked {
        let count = match self.component {
            Some(id) => self.loop_of(id)?.count,
            None => 1,
        };
        let mut taken = HashSet::new();
        for accumulator in accumulators {
            let base = u64::from(self.array(accumulator.array)?.base);
            let stride = accumulator.index.terms.first().map_or(0, |(_, stride)| *stride);
            for k in 0..u64::from(count) {
                let slot = base + u64::from(accumulator.index.offset) + k * u64::from(stride);
                rule!(taken.insert(slot), "two accumulators share state slot {slot}");
            }
        }
        Ok(())
    }

    fn chunk_pass(&mut self, pass: &'p Pass) -> Checked {
        self.begin(Stage::Chunk);
        let plain =
            pass.components.is_none() && pass.step.is_empty() && pass.accumulators.is_empty();
        rule!(plain, "a chunk pass has components, accumulators or steps");
        let mut scope = Vec::new();
        self.block(&pass.pair, &mut scope)?;
        self.at = None;
        if let Some(exit) = pass.exit_if_any {
            self.used_as(exit, Type::Mask)?;
        }
        self.end(scope);
        Ok(())
    }

    /// Open a loop.
    fn enter(&mut self, id: LoopId) -> Checked<&'p Loop> {
        let definition = self.loop_of(id)?;
        rule!(!self.used_loops[id.index()], "loop {} is used twice", id.0);
        rule!(self.open.len() < LOOP_DEPTH, "loops nest deeper than {LOOP_DEPTH}");
        self.used_loops[id.index()] = true;
        self.open.push(id);
        Ok(definition)
    }

    fn leave(&mut self) {
        let id = self.open.pop().expect("a loop is left after it was entered");
        self.written.left(self.program, id);
    }

    fn block(&mut self, block: &'p [Stmt], scope: &mut Vec<Value>) -> Checked {
        for stmt in block {
            match stmt {
                Stmt::Let(value) => {
                    self.at = Some(format!("%{}", value.0));
                    self.computes(*value)?;
                    self.define(*value, scope)?;
                }
                Stmt::Store(array, index, value) => {
                    self.at = Some(format!("a store of %{}", value.0));
                    self.store(*array, index, *value)?;
                }
                Stmt::Loop(id) => {
                    self.at = Some(format!("loop {}", id.0));
                    self.counted_loop(*id, scope)?;
                }
            }
        }
        Ok(())
    }

    fn counted_loop(&mut self, id: LoopId, scope: &mut Vec<Value>) -> Checked {
        rule!(self.stage != Stage::Step, "a loop in `step`");
        let mut inner = Vec::new();
        let definition = self.loop_of(id)?;
        if let Some(mask) = definition.skip_unless {
            self.used_as(mask, Type::Mask)?;
            for carried in &definition.carried {
                let next = &self.def(carried.next)?.inst;
                let keeps =
                    matches!(next, Inst::Select(m, _, p) if *m == mask && *p == carried.param);
                rule!(keeps, "%{} changes in a loop that may be skipped", carried.param.0);
            }
            self.skipped += 1;
        }
        for carried in &definition.carried {
            let init = self.used(carried.init)?;
            rule!(init.ty != Type::Mask, "a mask is carried around a loop");
            let param = self.define_bound(carried.param, &mut inner)?;
            rule!(init.ty == param.ty, "%{} begins as {:?}", carried.param.0, init.ty);
            let wider = param.axes.union(init.axes) == param.axes;
            rule!(wider, "%{} begins with axes it does not have", carried.param.0);
        }
        self.enter(id)?;
        self.block(&definition.body, &mut inner)?;
        self.at = Some(format!("loop {}", id.0));
        for carried in &definition.carried {
            let (next, param) = (self.used(carried.next)?, self.def(carried.param)?);
            rule!(next.ty == param.ty, "%{} goes on as {:?}", carried.param.0, next.ty);
            let wider = param.axes.union(next.axes) == param.axes;
            rule!(wider, "%{} goes on with axes it does not have", carried.param.0);
        }
        self.leave();
        self.skipped -= usize::from(definition.skip_unless.is_some());
        self.end(inner);
        for carried in &definition.carried {
            let param = self.def(carried.param)?;
            let result = self.define_bound(carried.result, scope)?;
            let same = result.ty == param.ty && result.axes == param.axes;
            rule!(same, "%{} is not like the value it results from", carried.result.0);
        }
        Ok(())
    }
}

/// Which arrays some statement writes.
fn computed(program: &Program) -> Vec<bool> {
    let mut computed = vec![false; program.arrays.len()];
    for stmt in program.statements() {
        if let Stmt::Store(array, ..) = stmt
            && let Some(computed) = computed.get_mut(array.index())
        {
            *computed = true;
        }
    }
    computed
}

/// Range of the slots of an index, from the first to beyond the last.
fn range(program: &Program, index: &Index) -> Option<(u64, u64)> {
    let mut last = u64::from(index.offset);
    for (id, stride) in &index.terms {
        let count = program.loops.get(id.index())?.count;
        last += u64::from(*stride) * u64::from(count.saturating_sub(1));
    }
    Some((u64::from(index.offset), last + 1))
}
