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
                let skip_unless = loops[id.index()].skip_unless;
                let mut body = std::mem::take(&mut loops[id.index()].body);
                sweep(&mut body, values, loops, used);
                let keep = !body.is_empty() || !loops[id.index()].carried.is_empty();
                loops[id.index()].body = body;
                if let (true, Some(mask)) = (keep, skip_unless) {
                    used[mask.index()] = true;
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Float;
    use crate::loops::builder::{Builder, Functions, Sharing};
    use crate::loops::program::{Axes, Index, Inst, Space};

    /// A finish stage that loads, carries a value around a loop that stores it or not, and never uses what comes out.
    fn program(stores: bool) -> Program {
        let mut b = Builder::new(Float::F32, true, Functions::Expanded);
        let param = b.array("g", Space::Param, 2);
        let out = b.array("out", Space::Out, 3);
        let at = |offset| Index { offset, terms: Vec::new() };
        let unused = b.load(param, at(1));
        b.mul(unused, unused);
        let init = b.load(param, at(0));
        let d = b.begin_loop(3);
        let running = b.carry(d, init, Axes::default());
        let next = b.add(running, running);
        if stores {
            b.store(out, Index { offset: 0, terms: vec![(d, 1)] }, running);
        }
        b.end_loop(d, &[next]);
        b.program().finish = b.take_block(Sharing::Fresh);
        let mut program = b.finish();
        eliminate(&mut program);
        program
    }

    #[test]
    fn what_a_loop_stores_is_still_carried_to_it() {
        let kept = program(true);
        assert_eq!(crate::loops::verify::verify(&kept), Ok(()));
        // The load of the initial value and the loop; the other load and its square are gone.
        assert_eq!(kept.finish.len(), 2);
        let Stmt::Let(value) = kept.finish[0] else { panic!("a load") };
        assert!(matches!(&kept.value(value).inst, Inst::Load(_, index) if index.offset == 0));
        assert_eq!(kept.loops[0].carried.len(), 1);
    }

    #[test]
    fn loops_without_effect_go() {
        assert_eq!(program(false).finish, Vec::new());
    }
}
