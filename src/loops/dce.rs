//! Removal of values that nothing uses. Loads, arithmetic and whole loops without effect go; stores stay.

use super::program::{Inst, Program, Stmt, Value};

/// Remove unused computations from every block.
pub fn eliminate(program: &mut Program) {
    let mut used = vec![false; program.values.len()];
    for pass in &program.passes {
        for accumulator in &pass.accumulators {
            used[accumulator.next.index()] = true;
        }
        if let Some(value) = pass.exit_if_any {
            used[value.index()] = true;
        }
    }
    let mut blocks = Vec::new();
    blocks.push(&mut program.finish);
    blocks.push(&mut program.merge);
    for pass in program.passes.iter_mut().rev() {
        blocks.push(&mut pass.step);
        blocks.push(&mut pass.pair);
    }
    blocks.extend([&mut program.col, &mut program.row, &mut program.param]);
    let (values, loops) = (&program.values, &mut program.loops);
    for block in blocks {
        sweep(block, values, loops, &mut used);
    }
}

/// Walk a block backwards, keeping what is used. Loops nest at most a few levels deep (one a vector dimension).
fn sweep(
    block: &mut Vec<Stmt>,
    values: &[super::program::ValueDef],
    loops: &mut [super::program::Loop],
    used: &mut [bool],
) {
    let mut kept = Vec::with_capacity(block.len());
    for stmt in std::mem::take(block).into_iter().rev() {
        let keep = match &stmt {
            Stmt::Let(value) => used[value.index()],
            Stmt::Store(_, _, value) => {
                used[value.index()] = true;
                true
            }
            Stmt::Loop(id) => {
                // Carried values may feed each other and what the body stores, so they stay or go together.
                let results_used = loops[id.index()].carried.iter().any(|c| used[c.result.index()]);
                if !results_used && !has_stores(&loops[id.index()].body, loops) {
                    loops[id.index()].carried.clear();
                }
                for c in &loops[id.index()].carried {
                    used[c.next.index()] = true;
                    used[c.init.index()] = true;
                }
                let mut body = std::mem::take(&mut loops[id.index()].body);
                sweep(&mut body, values, loops, used);
                let keep = !body.is_empty() || !loops[id.index()].carried.is_empty();
                loops[id.index()].body = body;
                keep
            }
        };
        if keep {
            if let Stmt::Let(value) = &stmt {
                for operand in operands(&values[value.index()].inst) {
                    used[operand.index()] = true;
                }
            }
            kept.push(stmt);
        }
    }
    kept.reverse();
    *block = kept;
}

/// Whether statements or the loops in them write memory.
fn has_stores(block: &[Stmt], loops: &[super::program::Loop]) -> bool {
    let mut open = vec![block];
    while let Some(block) = open.pop() {
        for stmt in block {
            match stmt {
                Stmt::Let(_) => {}
                Stmt::Store(..) => return true,
                Stmt::Loop(id) => open.push(&loops[id.index()].body),
            }
        }
    }
    false
}

/// The values an instruction reads.
pub fn operands(inst: &Inst) -> Vec<Value> {
    match inst {
        Inst::Float(_) | Inst::Int(_) | Inst::Load(..) | Inst::Counter(_) | Inst::Bound => {
            Vec::new()
        }
        Inst::Unary(_, a) | Inst::Shift(_, a, _) => vec![*a],
        Inst::Binary(_, a, b) | Inst::Compare(_, a, b) => vec![*a, *b],
        Inst::Fma(a, b, c) | Inst::FmaNeg(a, b, c) | Inst::Select(a, b, c) => vec![*a, *b, *c],
        Inst::Call(_, args) => args.clone(),
    }
}
