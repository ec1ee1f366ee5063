//! Which values of a block do not change in the loops around them, so that they can be computed ahead.
//!
//! A value's *level* is the number of loops that it depends on, counted from the outside: it may be computed just inside the
//! `level`-th. Only values are moved; stores and loops stay where they are.

use crate::loops::dce::operands;
use crate::loops::program::{Inst, LoopId, Program, Space, Stmt, Value, ValueDef};
use crate::schedule::Lanes;
use std::collections::HashMap;

/// Levels of the values of a stage or pass.
pub(super) struct Levels {
    levels: Vec<u32>,
}

/// How a block is surrounded.
pub(super) struct Around<'a> {
    /// For each array whether the block writes it; what is read from such a one stays in place.
    pub(super) written: &'a [bool],
    /// The axis along lanes.
    pub(super) lanes: Lanes,
    /// The loops inside which the block is: 1 if it is run for every column, else 0.
    pub(super) depth: u32,
}

impl Levels {
    /// The levels of all values in `blocks`, which follow one another.
    pub(super) fn of(
        program: &Program,
        blocks: &[&[Stmt]],
        bound: &[Value],
        around: &Around<'_>,
    ) -> Levels {
        let mut levels = Levels { levels: vec![0; program.values.len()] };
        for value in bound {
            levels.levels[value.index()] = around.depth;
        }
        let mut depths = HashMap::new();
        for block in blocks {
            levels.block(program, block, around, (around.depth, 0), &mut depths);
        }
        levels
    }

    /// The level of a value.
    pub(super) fn level(&self, value: Value) -> u32 {
        self.levels[value.index()]
    }

    /// `least` is the level above which nothing is worth moving. Loops nest at most a few levels deep (`verify` bounds them).
    fn block(
        &mut self,
        program: &Program,
        block: &[Stmt],
        around: &Around<'_>,
        (depth, least): (u32, u32),
        depths: &mut HashMap<LoopId, u32>,
    ) {
        for stmt in block {
            match stmt {
                Stmt::Let(value) => {
                    let level = self.of_inst(program, *value, around, depth, depths);
                    let inst = &program.value(*value).inst;
                    let free = matches!(inst, Inst::Float(_) | Inst::Int(_));
                    self.levels[value.index()] = if free { level } else { level.max(least) };
                }
                Stmt::Store(..) => {}
                Stmt::Loop(id) => {
                    let inner = &program.loops[id.index()];
                    depths.insert(*id, depth + 1);
                    for carried in &inner.carried {
                        self.levels[carried.param.index()] = depth + 1;
                        self.levels[carried.result.index()] = depth;
                    }
                    // What is rarely needed is not computed ahead.
                    let rare = inner.skip_unless.is_some();
                    let least = if rare { depth + 1 } else { least };
                    self.block(program, &inner.body, around, (depth + 1, least), depths);
                }
            }
        }
    }

    fn of_inst(
        &self,
        program: &Program,
        value: Value,
        around: &Around<'_>,
        depth: u32,
        depths: &HashMap<LoopId, u32>,
    ) -> u32 {
        let def = program.value(value);
        if def.axes.col && around.lanes == Lanes::Rows {
            // Ahead of the columns there are no points to vary over, but inside of them loops may be left.
            return self.operand_level(program, def, around, depth, depths).max(around.depth);
        }
        self.operand_level(program, def, around, depth, depths)
    }

    fn operand_level(
        &self,
        program: &Program,
        def: &ValueDef,
        around: &Around<'_>,
        depth: u32,
        depths: &HashMap<LoopId, u32>,
    ) -> u32 {
        let of_loop = |id: &LoopId| depths.get(id).copied().unwrap_or(0);
        match &def.inst {
            Inst::Load(array, index) => {
                let space = program.arrays[array.index()].space;
                if space == Space::Temp || around.written[array.index()] {
                    return depth;
                }
                let moving = matches!(space, Space::Col | Space::Tile);
                let base = if moving { around.depth } else { 0 };
                index.terms.iter().map(|(id, _)| of_loop(id)).max().unwrap_or(0).max(base)
            }
            Inst::Counter(id) => of_loop(id),
            inst => operands(inst).iter().map(|v| self.level(*v)).max().unwrap_or(0),
        }
    }
}

/// For each array whether blocks store to it, loops included.
pub(super) fn written(program: &Program, blocks: &[&[Stmt]]) -> Vec<bool> {
    let mut written = vec![false; program.arrays.len()];
    let mut open: Vec<&[Stmt]> = blocks.to_vec();
    while let Some(block) = open.pop() {
        for stmt in block {
            match stmt {
                Stmt::Let(_) => {}
                Stmt::Store(array, ..) => written[array.index()] = true,
                Stmt::Loop(id) => open.push(&program.loops[id.index()].body),
            }
        }
    }
    written
}
