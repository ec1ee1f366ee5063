//! What the passes of a program read and where: all that a tiling is chosen from, and that decides where arrays live.

use crate::loops::program::{
    ArrayId, Index, Inst, LoopId, Over, Pass, Program, Space, Stmt, Value,
};
use crate::reduce::Family;
use std::collections::{BTreeMap, BTreeSet};

/// How the passes read an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// At constant slots.
    pub(super) fixed: bool,
    /// At the slot of the current component, and nowhere else within a pass over components.
    pub(super) component: bool,
    /// In contractions, at slots that the loop counts through.
    pub(super) contracted: bool,
    /// At slots that change in any other way.
    pub(super) scattered: bool,
}

/// A run of slots that a contraction reads: `offset + stride * counter` of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Operand {
    pub(super) array: ArrayId,
    pub(super) offset: u32,
    pub(super) stride: u32,
}

/// A loop of a pair stage that only computes: it may run for all pairs of a thread in lock-step, with its operands staged in
/// shared memory.
#[derive(Clone, Debug)]
pub(super) struct Contraction {
    pub(super) id: LoopId,
    pub(super) count: u32,
    /// What it reads of rows and columns.
    pub(super) operands: Vec<Operand>,
}

/// The long output of a program whose components can be divided among blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Components {
    /// Components of the longest pass; 0 without one.
    pub(super) count: u32,
    /// Whether blocks may take some of the components each.
    pub(super) divisible: bool,
    /// Accumulators, and tiles of selections, with a slot a component.
    pub(super) arrays: BTreeSet<ArrayId>,
    /// Loops over components, those of passes included.
    pub(super) loops: BTreeSet<LoopId>,
}

/// See the module documentation.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    pub(super) reads: BTreeMap<ArrayId, Reads>,
    /// For each pass its contractions, in order.
    pub(super) contractions: Vec<Vec<Contraction>>,
    pub(super) components: Components,
    /// Scalar operations of one pair, loops counted with their iterations; without those of passes over components.
    pub(super) operations: u64,
    /// Whether some pair stage has scratch or loops that are no contractions.
    pub(super) has_scratch: bool,
    /// Whether a chunk is a whole tile: nothing is carried from pass to pass.
    pub(super) is_single: bool,
}

impl Survey {
    pub(super) fn of(program: &Program, family: Family) -> Survey {
        let contractions: Vec<_> =
            program.passes.iter().map(|pass| contractions(program, pass)).collect();
        let mut survey = Survey {
            reads: BTreeMap::new(),
            components: components(program, family),
            operations: 0,
            has_scratch: false,
            is_single: program.slots(Space::Tile) == 0
                && matches!(program.passes.as_slice(), [p] if p.over == Over::Columns && p.components.is_none()),
            contractions,
        };
        for k in 0..program.passes.len() {
            survey.pass(program, k);
        }
        survey
    }

    /// The longest contraction, 0 without one.
    pub(super) fn depth(&self) -> u32 {
        self.contractions.iter().flatten().map(|c| c.count).max().unwrap_or(0)
    }

    pub(super) fn is_contraction(&self, pass: usize, id: LoopId) -> bool {
        self.contractions[pass].iter().any(|c| c.id == id)
    }

    fn pass(&mut self, program: &Program, number: usize) {
        let pass = &program.passes[number];
        let mut open: Vec<(u64, bool, &[Stmt])> =
            vec![(1, false, &pass.pair), (1, false, &pass.step)];
        while let Some((times, contracted, block)) = open.pop() {
            for stmt in block {
                match stmt {
                    Stmt::Let(value) => match &program.value(*value).inst {
                        Inst::Load(array, index) => {
                            self.read(program, pass, *array, index, contracted);
                        }
                        Inst::Float(_) | Inst::Int(_) | Inst::Counter(_) => {}
                        _ if pass.components.is_none() => {
                            self.operations = self.operations.saturating_add(times)
                        }
                        _ => {}
                    },
                    Stmt::Store(array, ..) => {
                        self.has_scratch |= program.arrays[array.index()].space == Space::Temp;
                    }
                    Stmt::Loop(id) => {
                        let inner = &program.loops[id.index()];
                        let is_contraction = self.is_contraction(number, *id);
                        self.has_scratch |= pass.over == Over::Columns && !is_contraction;
                        let times = times.saturating_mul(u64::from(inner.count));
                        open.push((times, is_contraction, &inner.body));
                    }
                }
            }
        }
    }

    fn read(
        &mut self,
        program: &Program,
        pass: &Pass,
        array: ArrayId,
        index: &Index,
        contracted: bool,
    ) {
        let reads = self.reads.entry(array).or_default();
        if index.terms.is_empty() {
            reads.fixed = true;
        } else if contracted && program.arrays[array.index()].space != Space::Param {
            reads.contracted = true;
        } else if pass.components.is_some_and(|id| is_of(index, id)) {
            reads.component = true;
        } else {
            reads.scattered = true;
        }
    }
}

/// Whether an index is a loop's counter and nothing else.
pub(super) fn is_of(index: &Index, id: LoopId) -> bool {
    index.offset == 0 && index.terms == [(id, 1)]
}

/// The loops of a pair stage that only compute, if the stage keeps nothing in scratch.
fn contractions(program: &Program, pass: &Pass) -> Vec<Contraction> {
    if pass.over == Over::Chunk || pass.components.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for stmt in &pass.pair {
        match stmt {
            Stmt::Loop(id) => match contraction(program, *id) {
                Some(contraction) => found.push(contraction),
                None => return Vec::new(),
            },
            Stmt::Let(value) if reads_scratch(program, *value) => return Vec::new(),
            Stmt::Store(array, ..) if program.arrays[array.index()].space == Space::Temp => {
                return Vec::new();
            }
            _ => {}
        }
    }
    found
}

fn reads_scratch(program: &Program, value: Value) -> bool {
    match &program.value(value).inst {
        Inst::Load(array, _) => program.arrays[array.index()].space == Space::Temp,
        _ => false,
    }
}

fn contraction(program: &Program, id: LoopId) -> Option<Contraction> {
    let body = &program.loops[id.index()];
    // Carried values are kept for every pair, so they must vary with it.
    if !body.carried.iter().all(|c| program.value(c.param).axes.row) {
        return None;
    }
    let mut operands = BTreeSet::new();
    for stmt in &body.body {
        let Stmt::Let(value) = stmt else { return None };
        let Inst::Load(array, index) = &program.value(*value).inst else { continue };
        match program.arrays[array.index()].space {
            Space::Param => {}
            Space::Row | Space::Col => match index.terms[..] {
                [] => {}
                [(of, stride)] if of == id => {
                    operands.insert(Operand { array: *array, offset: index.offset, stride });
                }
                _ => return None,
            },
            _ => return None,
        }
    }
    Some(Contraction { id, count: body.count, operands: operands.into_iter().collect() })
}

/// The long output, and whether every other use of its accumulators is a loop over its components that does nothing else.
fn components(program: &Program, family: Family) -> Components {
    let mut found = Components { divisible: true, ..Components::default() };
    for pass in &program.passes {
        let Some(id) = pass.components else { continue };
        let count = program.loops[id.index()].count;
        found.divisible &= found.count == 0 || found.count == count;
        found.count = found.count.max(count);
        found.loops.insert(id);
        for accumulator in &pass.accumulators {
            let whole = program.arrays[accumulator.array.index()].len == count;
            found.divisible &= whole && is_of(&accumulator.index, id);
            found.arrays.insert(accumulator.array);
        }
    }
    if found.count == 0 {
        return Components::default();
    }
    if family == Family::Selection {
        found.arrays.extend(selection_arrays(program, found.count));
    }
    for pass in &program.passes {
        let mut open: Vec<(Option<LoopId>, &[Stmt])> = vec![(pass.components, &pass.pair)];
        while let Some((around, block)) = open.pop() {
            for stmt in block {
                match stmt {
                    Stmt::Loop(id) => {
                        // A loop inside another over components would be counted twice.
                        open.push((
                            around.is_none().then_some(*id),
                            &program.loops[id.index()].body,
                        ));
                    }
                    Stmt::Let(value) => {
                        if let Inst::Load(array, index) = &program.value(*value).inst {
                            found.touch(program, around, *array, index);
                        }
                    }
                    Stmt::Store(array, index, _) => found.touch(program, around, *array, index),
                }
            }
        }
    }
    let loops = found.loops.clone();
    found.divisible &= loops.iter().all(|id| found.only_touches_components(program, *id, family));
    found
}

/// The threshold and the values that a selection keeps for each component.
fn selection_arrays(program: &Program, count: u32) -> Vec<ArrayId> {
    let ids = (0..program.arrays.len() as u32).map(ArrayId);
    ids.filter(|id| {
        let array = &program.arrays[id.index()];
        let first = array.base == 0 && matches!(array.space, Space::State | Space::Tile);
        first && array.len == count
    })
    .collect()
}

impl Components {
    fn touch(&mut self, program: &Program, around: Option<LoopId>, array: ArrayId, index: &Index) {
        if !self.arrays.contains(&array) {
            return;
        }
        match around {
            Some(id) if is_of(index, id) && program.loops[id.index()].count == self.count => {
                self.loops.insert(id);
            }
            _ => self.divisible = false,
        }
    }

    /// Whether running a loop for some of the components leaves everything else as it is.
    fn only_touches_components(&self, program: &Program, id: LoopId, family: Family) -> bool {
        let body = &program.loops[id.index()];
        // What a selection carries is whether any component has a candidate: right for any part of them.
        let carries = !body.carried.is_empty() && family != Family::Selection;
        let stores_elsewhere = body.body.iter().any(|stmt| match stmt {
            Stmt::Let(_) => false,
            Stmt::Store(array, ..) => !self.arrays.contains(array),
            Stmt::Loop(_) => true,
        });
        !carries && !stores_elsewhere
    }
}
