//! Each rule, broken once in an otherwise valid program.

use super::*;
use crate::dtype::Float;
use crate::loops::builder::{Builder, Functions, Sharing};
use crate::loops::program::{Array, Binary, Carried, Compare, Function, Shift, Start, Unary};

fn at(offset: u32) -> Index {
    Index { offset, terms: Vec::new() }
}

fn of(id: LoopId) -> Index {
    Index { offset: 0, terms: vec![(id, 1)] }
}

/// The parts of [`valid`] that tests break.
struct Parts {
    program: Program,
    row: ArrayId,
    col: ArrayId,
    doubled: ArrayId,
    sum: ArrayId,
    tile: ArrayId,
    temp: ArrayId,
    out: ArrayId,
    /// The loop over the scratch array in the first pass.
    d: LoopId,
    /// The component loop of the second pass.
    e: LoopId,
}

/// A program with every structure: scratch, a carried loop, a tile, components, a chunk pass with an exit, merge, finish.
fn valid() -> Parts {
    let mut b = Builder::new(Float::F32, true, Functions::Intrinsic);
    let param = b.array("g", Space::Param, 2);
    let row = b.array("x", Space::Row, 3);
    let col = b.array("y", Space::Col, 3);
    let doubled = b.array("r", Space::Row, 1);
    let value = b.load(row, at(0));
    let value = b.add(value, value);
    b.store(doubled, at(0), value);
    b.program().row = b.take_block(Sharing::Fresh);

    let sum = b.array("sum", Space::State, 2);
    let long = b.array("long", Space::State, 4);
    b.program().identity = vec![0.0; 6];
    let tile = b.array("f", Space::Tile, 1);
    let temp = b.array("t", Space::Temp, 3);
    let d = b.begin_loop(3);
    let (x, y) = (b.load(row, of(d)), b.load(col, of(d)));
    let difference = b.sub(x, y);
    b.store(temp, of(d), difference);
    b.end_loop(d, &[]);
    let zero = b.float(0.0);
    let k = b.begin_loop(3);
    let axes = Axes { row: true, col: true, ..Axes::default() };
    let running = b.carry(k, zero, axes);
    let t = b.load(temp, of(k));
    let next = b.mul_add(t, t, running);
    let f = b.end_loop(k, &[next])[0];
    b.store(tile, at(0), f);
    let pair = b.take_block(Sharing::Kept);
    let mut first = b.accumulator(sum, at(0), Start::Zero);
    first.next = b.add(first.param, f);
    let mut second = b.accumulator(sum, at(1), Start::State);
    second.next = b.binary(Binary::Max, f, second.param);
    let step = b.take_block(Sharing::Fresh);
    b.pass(Over::Columns, None, pair, step, vec![first, second], None);

    let e = b.component_loop(4);
    b.enter_components(Some(e));
    let (f, c) = (b.load(tile, at(0)), b.counter(e));
    let term = b.mul(f, c);
    let pair = b.take_block(Sharing::Kept);
    let mut sums = b.accumulator(long, of(e), Start::State);
    sums.next = b.add(sums.param, term);
    let step = b.take_block(Sharing::Fresh);
    b.enter_components(None);
    b.pass(Over::Columns, Some(e), pair, step, vec![sums], None);

    let (s, g) = (b.load(sum, at(1)), b.load(param, at(0)));
    let exit = b.compare(Compare::Lt, g, s);
    let halved = b.mul(s, g);
    b.store(sum, at(1), halved);
    let block = b.take_block(Sharing::Fresh);
    b.pass(Over::Chunk, None, block, Vec::new(), Vec::new(), Some(exit));

    let other = Array { name: "sum'".into(), space: Space::Other, base: 0, len: 2 };
    b.program().arrays.push(other);
    let other = ArrayId(b.program().arrays.len() as u32 - 1);
    let (own, theirs) = (b.load(sum, at(0)), b.load(other, at(0)));
    let both = b.add(own, theirs);
    b.store(sum, at(0), both);
    b.program().merge = b.take_block(Sharing::Fresh);

    let out = b.array("out", Space::Out, 1);
    let result = b.load(sum, at(0));
    let result = b.call(Function::Log, vec![result]);
    b.store(out, at(0), result);
    b.program().finish = b.take_block(Sharing::Fresh);
    Parts { program: b.finish(), row, col, doubled, sum, tile, temp, out, d, e }
}

/// The value that a block computes with an instruction.
fn find(program: &Program, wanted: impl Fn(&Inst) -> bool) -> Value {
    let k = program.values.iter().position(|v| wanted(&v.inst)).expect("the program has one");
    Value(k as u32)
}

/// Break a valid program and return the defect.
#[track_caller]
fn broken(breaking: impl FnOnce(&mut Parts)) -> String {
    let mut parts = valid();
    assert_eq!(verify(&parts.program), Ok(()), "the program is valid before it is broken");
    breaking(&mut parts);
    verify(&parts.program).expect_err("the program is broken").to_string()
}

/// A load with the axes that its slot has.
fn load(p: &mut Parts, array: ArrayId, index: Index) -> Value {
    let space = p.program.arrays[array.index()].space;
    let row = !matches!(space, Space::Param | Space::Col);
    let col = matches!(space, Space::Col | Space::Tile);
    let partial = matches!(space, Space::State | Space::Other);
    let component = index.terms.iter().any(|t| t.0 == p.e);
    let axes = Axes { row, col, partial, component };
    push(p, Inst::Load(array, index), Type::Float, axes)
}

fn push(p: &mut Parts, inst: Inst, ty: Type, axes: Axes) -> Value {
    p.program.values.push(ValueDef { inst, ty, axes });
    Value(p.program.values.len() as u32 - 1)
}

fn constant(p: &mut Parts, c: f64) -> Value {
    push(p, Inst::Float(c), Type::Float, Axes::default())
}

#[test]
fn a_valid_program_is_accepted() {
    let parts = valid();
    assert_eq!(verify(&parts.program), Ok(()));
    let defect = verify_expanded(&parts.program).expect_err("it has a call");
    assert!(defect.message.contains("not expanded"), "{defect}");
}

/// Add a loop that no stage has.
fn unused(p: &mut Parts, stmt: Stmt) {
    let skip_unless = None;
    p.program.loops.push(Loop { count: 2, carried: vec![], body: vec![stmt], skip_unless });
}

#[test]
fn tables() {
    let defects = [
        broken(|p| p.program.arrays[0].name = "y".into()),
        broken(|p| p.program.arrays[0].len = 0),
        broken(|p| p.program.arrays[0].base = u32::MAX),
        broken(|p| p.program.arrays[p.doubled.index()].base = 2),
        broken(|p| p.program.identity.push(0.0)),
        broken(|p| p.program.identity[1] = 1e300),
        broken(|p| p.program.arrays[p.out.index() - 1].len = 7),
        broken(|p| p.program.loops[0].count = 0),
        broken(|p| p.program.loops[0].count = LOOP_COUNT),
        // Of nothing that is used.
        broken(|p| _ = push(p, Inst::Unary(Unary::Neg, Value(900)), Type::Float, Axes::default())),
        broken(|p| {
            let skip_unless = Some(Value(901));
            p.program.loops.push(Loop { count: 2, carried: vec![], body: vec![], skip_unless });
        }),
        broken(|p| unused(p, Stmt::Store(p.out, at(0), Value(902)))),
        broken(|p| unused(p, Stmt::Let(Value(903)))),
    ];
    let expected = [
        "two arrays are named `y`",
        "`g` has no slots",
        "`g` ends beyond any slot",
        "`x` and `r` overlap",
        "7 identities for 6 state slots",
        "1e300 is no f32",
        "other accumulators have slots beyond state",
        "a loop of 0 iterations",
        "a loop of 1048576 iterations",
        "there is no value %900",
        "there is no value %901",
        "there is no value %902",
        "there is no value %903",
    ];
    for (defect, expected) in defects.iter().zip(expected) {
        assert_eq!(*defect, format!("program: {expected}"));
    }
}

#[test]
fn values_are_computed_once_before_their_use() {
    let defect = broken(|p| p.program.row.insert(1, Stmt::Let(Value(0))));
    assert_eq!(defect, "row, %0: %0 is defined twice");
    let defect = broken(|p| p.program.row.swap(0, 1));
    assert_eq!(defect, "row, %1: %0 is used where it is not defined");
    // Out of the loop that computes it.
    let defect = broken(|p| {
        let inner = find(&p.program, |i| matches!(i, Inst::Binary(Binary::Sub, ..)));
        p.program.passes[0].pair.insert(1, Stmt::Store(p.tile, at(0), inner));
    });
    assert!(defect.contains("is used where it is not defined"), "{defect}");
    // From one stage to the next.
    let defect = broken(|p| p.program.col.push(Stmt::Store(p.col, at(0), Value(0))));
    assert_eq!(defect, "col, a store of %0: %0 is used where it is not defined");
    let defect = broken(|p| p.program.row.push(Stmt::Let(Value(9999))));
    assert_eq!(defect, "row, %9999: there is no value %9999");
    let defect = broken(|p| {
        let bound = p.program.passes[0].accumulators[0].param;
        p.program.passes[0].step.insert(0, Stmt::Let(bound));
    });
    assert!(defect.contains("a bound value is computed"), "{defect}");
}

#[test]
fn types() {
    let defect = broken(|p| p.program.values[1].ty = Type::Int);
    assert_eq!(defect, "row, %1: it is declared Int but is Float");
    let defect =
        broken(|p| p.program.values[1].inst = Inst::Binary(Binary::Xor, Value(0), Value(0)));
    assert_eq!(defect, "row, %1: a bit operation on floats");
    let defect =
        broken(|p| p.program.values[1].inst = Inst::Binary(Binary::IntAdd, Value(0), Value(0)));
    assert_eq!(defect, "row, %1: %0 is Float, not Int");
    let defect = broken(|p| p.program.values[1].inst = Inst::Unary(Unary::FromBits, Value(0)));
    assert_eq!(defect, "row, %1: %0 is Float, not Int");
    let defect = broken(|p| p.program.passes[2].exit_if_any = Some(p.sum_value()));
    assert_eq!(defect, format!("chunk of pass 2: %{} is Float, not Mask", valid().sum_value().0));
    let defect = broken(|p| {
        let axes = Axes::default();
        let one = constant(p, 1.0);
        let mask = push(p, Inst::Compare(Compare::Eq, one, one), Type::Mask, axes);
        let chosen = push(p, Inst::Select(mask, mask, mask), Type::Mask, axes);
        p.program.param.extend([one, mask, chosen].map(Stmt::Let));
    });
    assert!(defect.contains("masks are selected"), "{defect}");
    for (bits, width) in [(0, 32), (32, 32)] {
        let defect = broken(|p| {
            let int = push(p, Inst::Int(1), Type::Int, Axes::default());
            let shift = Inst::Shift(Shift::Left, int, bits);
            let shift = push(p, shift, Type::Int, Axes::default());
            p.program.param.extend([int, shift].map(Stmt::Let));
        });
        assert!(defect.contains(&format!("a shift by {bits} of {width} bits")), "{defect}");
    }
}

#[test]
fn constants_and_instructions_of_the_type() {
    let defect = broken(|p| {
        let c = constant(p, 0.1);
        p.program.param.push(Stmt::Let(c));
    });
    assert!(defect.contains("1e-1 is no f32"), "{defect}");
    let defect = broken(|p| {
        let c = push(p, Inst::Int(1 << 40), Type::Int, Axes::default());
        p.program.param.push(Stmt::Let(c));
    });
    assert!(defect.contains("the integer 1099511627776 does not fit"), "{defect}");
    let defect = broken(|p| p.program.fma = false);
    assert!(defect.contains("a fused multiply-add in a program without"), "{defect}");
    let defect = broken(|p| {
        let call = find(&p.program, |i| matches!(i, Inst::Call(..)));
        let inst = &mut p.program.values[call.index()].inst;
        let Inst::Call(Function::Log, args) = inst else { panic!("the call is a logarithm") };
        *inst = Inst::Call(Function::Pow, args.clone());
    });
    assert!(defect.contains("Pow of 1 arguments"), "{defect}");
}

#[test]
fn axes() {
    let row = Axes { row: true, ..Axes::default() };
    let defect = broken(|p| p.program.values[1].axes = Axes::default());
    assert!(defect.contains("row, %1: it is declared to vary over"), "{defect}");
    let defect = broken(|p| p.program.values[0].axes = row.union(Axes { col: true, ..row }));
    assert!(defect.contains("but the slot over"), "{defect}");
    // The carried value begins as a constant but goes on over rows and columns.
    let defect = broken(|p| {
        let carried = p.program.loops[1].carried[0].clone();
        p.program.values[carried.param.index()].axes = Axes::default();
        p.program.values[carried.next.index()].axes = Axes { row: true, col: true, ..row };
    });
    assert!(defect.contains("goes on with axes it does not have"), "{defect}");
    let defect = broken(|p| {
        let result = p.program.loops[1].carried[0].result;
        p.program.values[result.index()].axes = row;
    });
    assert!(defect.contains("is not like the value it results from"), "{defect}");
    let defect = broken(|p| {
        let temp = find(&p.program, |i| matches!(i, Inst::Load(a, _) if *a == p.temp));
        p.program.values[temp.index()].axes = row;
    });
    assert!(defect.contains("but the slot over"), "{defect}");
    let defect = broken(|p| {
        let param = p.program.passes[0].accumulators[0].param;
        p.program.values[param.index()].axes.partial = false;
    });
    assert!(defect.contains("an accumulator varies over"), "{defect}");
}

#[test]
fn spaces() {
    type Stage = fn(&mut Program) -> &mut Vec<Stmt>;
    let reads: [(&str, Stage, &[&str]); 7] = [
        ("param", |p| &mut p.param, &["x", "y", "sum", "f", "sum'", "out"]),
        ("row", |p| &mut p.row, &["y", "sum", "f", "sum'", "out"]),
        ("col", |p| &mut p.col, &["x", "sum", "f", "sum'", "out"]),
        ("pair", |p| &mut p.passes[0].pair, &["sum'", "out"]),
        ("chunk", |p| &mut p.passes[2].pair, &["y", "f", "sum'", "out"]),
        ("merge", |p| &mut p.merge, &["g", "x", "y", "f", "out"]),
        ("finish", |p| &mut p.finish, &["y", "f", "sum'", "out"]),
    ];
    let writes: [&[&str]; 7] = [
        &["x", "y", "sum", "f", "sum'", "out"],
        &["g", "y", "sum", "f", "sum'", "out"],
        &["g", "x", "sum", "f", "sum'", "out"],
        &["g", "x", "y", "sum", "sum'", "out"],
        &["g", "x", "y", "f", "sum'", "out"],
        &["g", "x", "y", "f", "sum'", "out"],
        &["g", "x", "y", "sum", "f", "sum'"],
    ];
    for ((stage, block, unreadable), unwritable) in reads.into_iter().zip(writes) {
        let named = |p: &Parts, name: &str| {
            let k = p.program.arrays.iter().position(|a| a.name == name).expect("it has the array");
            ArrayId(k as u32)
        };
        for name in unreadable {
            let defect = broken(|p| {
                let value = load(p, named(p, name), at(0));
                block(&mut p.program).push(Stmt::Let(value));
            });
            assert!(defect.contains(&format!("is read in `{stage}`")), "{defect}");
            assert!(defect.contains(&format!("`{name}` (")), "{defect}");
        }
        for name in unwritable {
            let defect = broken(|p| {
                // An array of its own: writing an input would make its reads wrong too.
                let like = p.program.arrays[named(p, name).index()].clone();
                let base = p.program.slots(like.space);
                p.program.arrays.push(Array { name: "own".into(), base, len: 1, ..like });
                p.program.identity.resize(p.program.slots(Space::State) as usize, 0.0);
                let array = ArrayId(p.program.arrays.len() as u32 - 1);
                let value = constant(p, 0.0);
                block(&mut p.program).extend([Stmt::Let(value), Stmt::Store(array, at(0), value)]);
            });
            assert!(defect.contains(&format!("is written in `{stage}`")), "{name}: {defect}");
        }
    }
}

#[test]
fn indices() {
    let defect = broken(|p| p.program.values[0].inst = Inst::Load(p.row, at(3)));
    assert_eq!(defect, "row, %0: slot 3 of `x`, which has 3");
    let defect = broken(|p| p.program.loops[p.d.index()].count = 4);
    assert!(defect.contains("slot 3 of `x`, which has 3"), "{defect}");
    let defect = broken(|p| p.program.values[0].inst = Inst::Load(p.row, of(p.d)));
    assert_eq!(defect, "row, %0: an index uses loop 0 outside of it");
    let defect = broken(|p| {
        let twice = Index { offset: 0, terms: vec![(p.d, 1), (p.d, 0)] };
        let x = find(&p.program, |i| matches!(i, Inst::Load(_, index) if !index.terms.is_empty()));
        p.program.values[x.index()].inst = Inst::Load(p.row, twice);
    });
    assert!(defect.contains("an index uses loop 0 twice"), "{defect}");
    let defect = broken(|p| {
        let counter = push(p, Inst::Counter(p.d), Type::Float, Axes::default());
        p.program.finish.push(Stmt::Let(counter));
    });
    assert!(defect.contains("the counter of loop 0 outside of it"), "{defect}");
    let defect = broken(|p| p.program.passes[1].accumulators[0].index.offset = 1);
    assert!(defect.contains("slot 4 of `long`, which has 4"), "{defect}");
}

#[test]
fn loops() {
    let defect = broken(|p| p.program.finish.push(Stmt::Loop(p.d)));
    assert_eq!(defect, "finish, loop 0: loop 0 is used twice");
    let defect = broken(|p| p.program.finish.push(Stmt::Loop(LoopId(77))));
    assert_eq!(defect, "finish, loop 77: there is no loop 77");
    // A loop in itself, however it is reached.
    let defect = broken(|p| p.program.loops[0].body.push(Stmt::Loop(LoopId(0))));
    assert!(defect.contains("loop 0 is used twice"), "{defect}");
    let defect = broken(|p| {
        let first = p.program.loops.len() as u32;
        for k in 0..=LOOP_DEPTH as u32 {
            let body = vec![Stmt::Loop(LoopId(first + k + 1))];
            p.program.loops.push(Loop { count: 2, carried: Vec::new(), body, skip_unless: None });
        }
        p.program.finish.push(Stmt::Loop(LoopId(first)));
    });
    assert!(defect.contains(&format!("loops nest deeper than {LOOP_DEPTH}")), "{defect}");
    let defect = broken(|p| p.program.passes[0].step.push(Stmt::Loop(p.d)));
    assert!(defect.contains("a loop in `step`"), "{defect}");
    let defect = broken(|p| {
        let one = constant(p, 1.0);
        let mask = Inst::Compare(Compare::Eq, one, one);
        let mask = push(p, mask, Type::Mask, Axes::default());
        let param = push(p, Inst::Bound, Type::Mask, Axes::default());
        let result = push(p, Inst::Bound, Type::Mask, Axes::default());
        let carried = vec![Carried { init: mask, param, next: param, result }];
        p.program.loops.push(Loop { count: 2, carried, body: Vec::new(), skip_unless: None });
        let id = LoopId(p.program.loops.len() as u32 - 1);
        p.program.finish.extend([Stmt::Let(one), Stmt::Let(mask), Stmt::Loop(id)]);
    });
    assert!(defect.contains("a mask is carried around a loop"), "{defect}");
    let defect = broken(|p| {
        let int = push(p, Inst::Int(0), Type::Int, Axes::default());
        p.program.loops[1].body.push(Stmt::Let(int));
        p.program.loops[1].carried[0].next = int;
    });
    assert!(defect.contains("goes on as Int"), "{defect}");
    let defect = broken(|p| {
        let result = p.program.loops[1].carried[0].result;
        p.program.loops[1].body.insert(0, Stmt::Store(p.temp, at(0), result));
    });
    assert!(defect.contains("is used where it is not defined"), "{defect}");
    let defect = broken(|p| {
        let body = vec![Stmt::Let(find(&p.program, |i| matches!(i, Inst::Counter(_))))];
        p.program.loops[p.e.index()].body = body;
    });
    assert!(defect.contains("the component loop has a body of its own"), "{defect}");
}

#[test]
fn loops_that_may_be_skipped_change_nothing_elsewhere() {
    /// A finish stage with values that are different where the sum is negative; (mask, made).
    fn rare(p: &mut Parts) -> (Value, Value) {
        let (state, none) = (Axes { row: true, partial: true, ..Axes::default() }, Axes::default());
        let zero = constant(p, 0.0);
        let sum = load(p, p.sum, at(0));
        let mask = push(p, Inst::Compare(Compare::Lt, sum, zero), Type::Mask, state);
        let made = push(p, Inst::Binary(Binary::Add, sum, sum), Type::Float, state);
        let param = push(p, Inst::Bound, Type::Float, state);
        let next = push(p, Inst::Select(mask, made, param), Type::Float, state);
        let result = push(p, Inst::Bound, Type::Float, state);
        let carried = vec![Carried { init: zero, param, next, result }];
        let body = vec![Stmt::Let(made), Stmt::Let(next)];
        p.program.loops.push(Loop { count: 1, carried, body, skip_unless: Some(mask) });
        let id = LoopId(p.program.loops.len() as u32 - 1);
        p.program.finish.extend([zero, sum, mask].map(Stmt::Let));
        p.program.finish.push(Stmt::Loop(id));
        assert_eq!(none, p.program.value(zero).axes);
        (mask, made)
    }
    let mut parts = valid();
    rare(&mut parts);
    assert_eq!(verify(&parts.program), Ok(()));
    let last = |p: &mut Parts| p.program.loops.last_mut().cloned().expect("the loop");
    let defect = broken(|p| {
        let (_, made) = rare(p);
        let k = p.program.loops.len() - 1;
        p.program.loops[k].carried[0].next = made;
    });
    assert!(defect.contains("changes in a loop that may be skipped"), "{defect}");
    let defect = broken(|p| {
        let (mask, _) = rare(p);
        let Loop { carried, .. } = last(p);
        let swapped = Inst::Select(mask, carried[0].param, carried[0].param);
        p.program.values[carried[0].next.index()].inst = swapped.clone();
        let Inst::Select(_, a, _) = swapped else { panic!("a selection") };
        p.program.values[carried[0].next.index()].inst = Inst::Select(mask, a, carried[0].init);
    });
    assert!(defect.contains("changes in a loop that may be skipped"), "{defect}");
    let defect = broken(|p| {
        let (_, made) = rare(p);
        let k = p.program.loops.len() - 1;
        p.program.loops[k].body.push(Stmt::Store(p.out, at(0), made));
    });
    assert!(defect.contains("`out` is written in a loop that may be skipped"), "{defect}");
    let defect = broken(|p| {
        let (_, made) = rare(p);
        let k = p.program.loops.len() - 1;
        p.program.loops[k].skip_unless = Some(made);
    });
    assert!(defect.contains("is used where it is not defined"), "{defect}");
    let defect = broken(|p| {
        rare(p);
        let Loop { carried, .. } = last(p);
        let k = p.program.loops.len() - 1;
        p.program.loops[k].skip_unless = Some(carried[0].init);
    });
    assert!(defect.contains("is Float, not Mask"), "{defect}");
}

#[test]
fn memory_is_written_before_it_is_read() {
    // The scratch array is filled by a loop that leaves out slots.
    let defect = broken(|p| {
        let store = p.program.loops[0].body.last_mut().expect("the body ends with a store");
        let Stmt::Store(_, index, _) = store else { panic!("the body ends with a store") };
        *index = Index { offset: 0, terms: Vec::new() };
    });
    assert!(defect.contains("`t` is read where it may not have been written"), "{defect}");
    // The loop that fills it is still running.
    let defect = broken(|p| {
        let value = load(p, p.temp, of(p.d));
        p.program.values[value.index()].axes = Axes { row: true, col: true, ..Axes::default() };
        p.program.loops[0].body.push(Stmt::Let(value));
    });
    assert!(defect.contains("`t` is read where it may not have been written"), "{defect}");
    // Scratch of one stage or pass is gone in the next.
    let defect = broken(|p| {
        let value = load(p, p.temp, at(0));
        p.program.values[value.index()].axes = Axes::default();
        p.program.finish.push(Stmt::Let(value));
    });
    assert!(defect.contains("`t` is read where it may not have been written"), "{defect}");
    let defect = broken(|p| p.program.passes.swap(0, 1));
    assert!(defect.contains("`f` is read where it may not have been written"), "{defect}");
    // The row stage computes `r`, so it is no input.
    let defect = broken(|p| {
        let value = load(p, p.doubled, at(0));
        p.program.row.insert(0, Stmt::Let(value));
    });
    assert!(defect.contains("`r` is read where it may not have been written"), "{defect}");
    let defect = broken(|p| {
        p.program.finish.pop();
    });
    assert_eq!(defect, "finish: some of `out` is never written");
}

#[test]
fn the_order_of_evaluation_is_immaterial() {
    let defect = broken(|p| {
        let value = load(p, p.row, at(0));
        p.program.passes[0].step.push(Stmt::Let(value));
    });
    assert!(defect.contains("`x` (Row) is read in `step`"), "{defect}");
    let defect = broken(|p| {
        let value = p.program.passes[0].accumulators[0].next;
        p.program.passes[0].step.push(Stmt::Store(p.tile, at(0), value));
    });
    assert!(defect.contains("`f` (Tile) is written in `step`"), "{defect}");
    let defect = broken(|p| {
        let value = load(p, p.sum, at(0));
        p.program.passes[0].pair.push(Stmt::Let(value));
    });
    assert!(defect.contains("`sum` is read in the pass that accumulates it"), "{defect}");
    let defect = broken(|p| p.program.passes[0].accumulators[1].index.offset = 0);
    assert!(defect.contains("two accumulators share state slot 0"), "{defect}");
    let defect = broken(|p| p.program.passes[1].accumulators[0].index.terms[0].1 = 0);
    assert!(defect.contains("components share an accumulator of `long`"), "{defect}");
    let defect = broken(|p| p.program.passes[1].accumulators[0].index = at(0));
    assert!(defect.contains("components share an accumulator of `long`"), "{defect}");
    let defect = broken(|p| p.program.passes[0].accumulators[0].array = p.tile);
    assert!(defect.contains("`f` is accumulated in but is no state"), "{defect}");
    let defect = broken(|p| {
        let param = p.program.passes[0].accumulators[0].param;
        p.program.passes[0].pair.push(Stmt::Store(p.tile, at(0), param));
    });
    assert!(defect.contains("is used where it is not defined"), "{defect}");
    let defect =
        broken(|p| p.program.passes[2].accumulators = p.program.passes[0].accumulators.clone());
    assert!(defect.contains("a chunk pass has components, accumulators or steps"), "{defect}");
    let defect = broken(|p| {
        let exit = find(&p.program, |i| matches!(i, Inst::Compare(..)));
        p.program.passes[0].exit_if_any = Some(exit);
    });
    assert!(defect.contains("only chunk passes may exit"), "{defect}");
}

#[test]
fn components_keep_to_their_own_tile_slots() {
    let store = |p: &mut Parts, index: Index| {
        let value = p.program.passes[1].pair.last().cloned();
        let Some(Stmt::Let(value)) = value else { panic!("the pass ends with its term") };
        p.program.arrays.push(Array { name: "own".into(), space: Space::Tile, base: 1, len: 8 });
        let own = ArrayId(p.program.arrays.len() as u32 - 1);
        p.program.passes[1].pair.push(Stmt::Store(own, index, value));
        own
    };
    let mut parts = valid();
    let e = parts.e;
    store(&mut parts, Index { offset: 1, terms: vec![(e, 2)] });
    assert_eq!(verify(&parts.program), Ok(()));
    let defect = broken(|p| {
        store(p, at(0));
    });
    assert!(defect.contains("components write the same slots of `own`"), "{defect}");
    let defect = broken(|p| {
        let own = store(p, of(p.e));
        let again = p.program.passes[1].pair.last().cloned().expect("the store");
        let Stmt::Store(_, index, value) = again else { panic!("it ends with a store") };
        p.program.passes[1].pair.push(Stmt::Store(own, index, value));
    });
    assert!(defect.contains("components write `own` in two places"), "{defect}");
    let defect = broken(|p| {
        let Some(Stmt::Let(value)) = p.program.passes[1].pair.last().cloned() else {
            panic!("the pass ends with its term")
        };
        p.program.arrays[p.tile.index()].len = 4;
        let (tile, first) = (p.tile, p.tile_value());
        p.program.passes[0].pair.extend((1..4).map(|k| Stmt::Store(tile, at(k), first)));
        p.program.passes[1].pair.push(Stmt::Store(p.tile, of(p.e), value));
    });
    assert!(defect.contains("components read and write `f`"), "{defect}");
}

impl Parts {
    /// What the first pass stores to the tile.
    fn tile_value(&self) -> Value {
        let stored = self.program.passes[0].pair.iter().find_map(|stmt| match stmt {
            Stmt::Store(array, _, value) if *array == self.tile => Some(*value),
            _ => None,
        });
        stored.expect("the pass stores to the tile")
    }

    /// The load of the state slot in the chunk pass.
    fn sum_value(&self) -> Value {
        find(&self.program, |i| *i == Inst::Load(self.sum, at(1)))
    }
}
