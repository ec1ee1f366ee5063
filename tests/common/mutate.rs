//! Random damage to programs, for what must hold of any program whatever.

use super::choices::Choices;
use genred::Float;
use genred::loops::program::{
    ArrayId, Axes, Binary, Compare, Function, Index, Inst, LoopId, Over, Program, Shift, Space,
    Start, Stmt, Type, Unary, Value,
};

/// Change one thing about a program.
pub fn mutate(program: &mut Program, choices: &mut Choices<'_>) {
    let values = program.values.len() as u32;
    let value = |choices: &mut Choices<'_>| Value(choices.below(values + 1));
    match choices.below(16) {
        0 => program.float = choices.pick(&[Float::F32, Float::F64]),
        1 => program.fma = !program.fma,
        2 | 3 => {
            let inst = inst(program, choices);
            let k = choices.below(values) as usize;
            if let Some(def) = program.values.get_mut(k) {
                def.inst = inst;
            }
        }
        4 => {
            let k = choices.below(values) as usize;
            let ty = choices.pick(&[Type::Float, Type::Int, Type::Mask]);
            if let Some(def) = program.values.get_mut(k) {
                def.ty = ty;
            }
        }
        5 => {
            let mut bit = || choices.chance(50);
            let axes = Axes { row: bit(), col: bit(), partial: bit(), component: bit() };
            let k = choices.below(values) as usize;
            if let Some(def) = program.values.get_mut(k) {
                def.axes = axes;
            }
        }
        6 => {
            let k = choices.below(program.arrays.len() as u32) as usize;
            let space = choices.pick(&[
                Space::Param,
                Space::Row,
                Space::Col,
                Space::State,
                Space::Other,
                Space::Out,
                Space::Tile,
                Space::Temp,
            ]);
            let number = number(choices);
            if let Some(array) = program.arrays.get_mut(k) {
                match choices.below(4) {
                    0 => array.space = space,
                    1 => array.base = number,
                    2 => array.len = number,
                    _ => array.name.clear(),
                }
            }
        }
        7 => {
            let k = choices.below(program.loops.len() as u32) as usize;
            let (count, value) = (number(choices), value(choices));
            if let Some(definition) = program.loops.get_mut(k) {
                if choices.chance(20) {
                    definition.skip_unless = choices.chance(70).then_some(value);
                    return;
                }
                match definition.carried.first_mut() {
                    Some(carried) if choices.chance(70) => match choices.below(4) {
                        0 => carried.init = value,
                        1 => carried.param = value,
                        2 => carried.next = value,
                        _ => carried.result = value,
                    },
                    _ => definition.count = count,
                }
            }
        }
        8 => {
            let k = choices.below(program.identity.len() as u32) as usize;
            let number = choices.number();
            match program.identity.get_mut(k) {
                Some(identity) => *identity = number,
                None => program.identity.push(number),
            }
        }
        9 | 10 => pass(program, choices),
        _ => statements(program, choices),
    }
}

fn number(choices: &mut Choices<'_>) -> u32 {
    let small = choices.below(70);
    choices.pick(&[small, 0, 1, u32::MAX, 1 << 20, 1 << 31])
}

fn index(program: &Program, choices: &mut Choices<'_>) -> Index {
    let mut terms = Vec::new();
    for _ in 0..choices.below(3) {
        let id = LoopId(choices.below(program.loops.len() as u32 + 1));
        terms.push((id, choices.below(4)));
    }
    Index { offset: choices.below(6), terms }
}

fn inst(program: &Program, choices: &mut Choices<'_>) -> Inst {
    let values = program.values.len() as u32;
    let array = ArrayId(choices.below(program.arrays.len() as u32 + 1));
    let mut value = || Value(choices.below(values + 1));
    let (a, b, c) = (value(), value(), value());
    match choices.below(12) {
        0 => Inst::Float(choices.number()),
        1 => Inst::Int(choices.bits() as i64),
        2 => Inst::Load(array, index(program, choices)),
        3 => Inst::Counter(LoopId(choices.below(program.loops.len() as u32 + 1))),
        4 => Inst::Unary(choices.pick(&[Unary::Neg, Unary::ToBits, Unary::FloatToInt]), a),
        5 => Inst::Binary(choices.pick(&[Binary::Add, Binary::And, Binary::ScaleExp2]), a, b),
        6 => Inst::Shift(Shift::Left, a, choices.below(256) as u8),
        7 => Inst::Fma(a, b, c),
        8 => Inst::Compare(Compare::Unordered, a, b),
        9 => Inst::Select(a, b, c),
        10 => Inst::Call(choices.pick(&[Function::Exp, Function::Pow]), vec![a]),
        _ => Inst::Bound,
    }
}

fn pass(program: &mut Program, choices: &mut Choices<'_>) {
    let value = Value(choices.below(program.values.len() as u32 + 1));
    let id = LoopId(choices.below(program.loops.len() as u32 + 1));
    let array = ArrayId(choices.below(program.arrays.len() as u32 + 1));
    let index = index(program, choices);
    let k = choices.below(program.passes.len() as u32) as usize;
    let Some(pass) = program.passes.get_mut(k) else { return };
    match choices.below(9) {
        0 => pass.over = choices.pick(&[Over::Columns, Over::Chunk]),
        1 => pass.components = Some(id),
        2 => pass.components = None,
        3 => pass.exit_if_any = Some(value),
        4 => pass.step = std::mem::take(&mut pass.pair),
        _ => {
            if let Some(accumulator) = pass.accumulators.first_mut() {
                match choices.below(5) {
                    0 => accumulator.array = array,
                    1 => accumulator.index = index,
                    2 => accumulator.start = choices.pick(&[Start::State, Start::Zero]),
                    3 => accumulator.param = value,
                    _ => accumulator.next = value,
                }
            }
        }
    }
}

/// Move, repeat, drop or make up a statement.
fn statements(program: &mut Program, choices: &mut Choices<'_>) {
    let new = match choices.below(3) {
        0 => Stmt::Let(Value(choices.below(program.values.len() as u32 + 1))),
        1 => {
            let array = ArrayId(choices.below(program.arrays.len() as u32 + 1));
            let index = index(program, choices);
            Stmt::Store(array, index, Value(choices.below(program.values.len() as u32 + 1)))
        }
        _ => Stmt::Loop(LoopId(choices.below(program.loops.len() as u32 + 1))),
    };
    let mut blocks: Vec<&mut Vec<Stmt>> = vec![
        &mut program.param,
        &mut program.row,
        &mut program.col,
        &mut program.merge,
        &mut program.finish,
    ];
    blocks.extend(program.passes.iter_mut().flat_map(|p| [&mut p.pair, &mut p.step]));
    blocks.extend(program.loops.iter_mut().map(|l| &mut l.body));
    let from = choices.below(blocks.len() as u32) as usize;
    let to = choices.below(blocks.len() as u32) as usize;
    let moved = {
        let block = &mut blocks[from];
        let k = choices.below(block.len() as u32) as usize;
        match choices.below(3) {
            _ if block.is_empty() => None,
            0 => Some(block.remove(k)),
            1 => Some(block[k].clone()),
            _ => None,
        }
    };
    let stmt = moved.unwrap_or(new);
    if choices.chance(80) {
        let block = &mut blocks[if choices.chance(50) { from } else { to }];
        let k = choices.below(block.len() as u32 + 1) as usize;
        block.insert(k, stmt);
    }
}
