//! Construction of programs: infers types and axes, shares equal values within their scope, folds only what is exact.

use super::program::{
    Accumulator, Array, ArrayId, Axes, Binary, Carried, Compare, Function, Index, Inst, Loop,
    LoopId, Over, Pass, Program, Shift, Space, Start, Stmt, Type, Unary, Value, ValueDef,
};
use crate::dtype::Float;
use crate::limits;
use std::collections::{HashMap, HashSet};

/// Key of a pure value: its operation with operands, float constants by bits.
#[derive(PartialEq, Eq, Hash, Clone)]
struct Key(Inst2);

/// A hashable mirror of the pure part of [`Inst`].
#[derive(PartialEq, Eq, Hash, Clone)]
enum Inst2 {
    Float(u64),
    Int(i64),
    Load(ArrayId, u32, Vec<(LoopId, u32)>),
    Counter(LoopId),
    Unary(Unary, Value),
    Binary(Binary, Value, Value),
    Shift(Shift, Value, u8),
    Fma(bool, Value, Value, Value),
    Compare(Compare, Value, Value),
    Select(Value, Value, Value),
    Call(Function, Vec<Value>),
}

/// A block under construction and the values that later code in it may share.
#[derive(Default)]
struct Scope {
    stmts: Vec<Stmt>,
    known: HashMap<Key, Value>,
}

/// Builds one [`Program`], a stage at a time.
///
/// Statements go to the innermost open block. A value may be shared with any code in its own or an inner block, never outside:
/// the builder keeps one table of known values a block.
pub struct Builder {
    program: Program,
    scopes: Vec<Scope>,
    /// The component loop of the pass under construction, if any.
    component: Option<LoopId>,
    functions: Functions,
    sizes: HashMap<Space, u32>,
    names: HashSet<String>,
    tables: Vec<(ArrayId, Vec<f64>)>,
    temp_axes: HashMap<ArrayId, Axes>,
    /// Stores made so far.
    stores: usize,
}

impl Builder {
    /// A builder of a program that computes in `float`, with fused multiply-adds if the target has them.
    pub fn new(float: Float, fma: bool, functions: Functions) -> Self {
        let program = Program {
            float,
            fma,
            values: Vec::new(),
            arrays: Vec::new(),
            loops: Vec::new(),
            param: Vec::new(),
            row: Vec::new(),
            col: Vec::new(),
            passes: Vec::new(),
            identity: Vec::new(),
            merge: Vec::new(),
            finish: Vec::new(),
        };
        Self {
            program,
            scopes: vec![Scope::default()],
            component: None,
            functions,
            sizes: HashMap::new(),
            names: HashSet::new(),
            tables: Vec::new(),
            temp_axes: HashMap::new(),
            stores: 0,
        }
    }

    /// The compute type.
    pub fn float_type(&self) -> Float {
        self.program.float
    }

    /// Values made so far: the measure of a program's size.
    pub fn len(&self) -> usize {
        self.program.values.len()
    }

    /// Whether no value has been made.
    pub fn is_empty(&self) -> bool {
        self.program.values.is_empty()
    }

    /// Whether the program is larger than [`limits::PROGRAM_INSTRUCTIONS`]: whoever builds it stops early, and throws it away.
    pub fn is_full(&self) -> bool {
        let loops = self.program.loops.len() * limits::LOOP_INSTRUCTIONS;
        self.program.values.len() + self.stores + loops > limits::PROGRAM_INSTRUCTIONS
    }

    /// The definitions of all values so far.
    pub(super) fn values(&self) -> &[ValueDef] {
        &self.program.values
    }

    /// The definition of a value.
    pub fn def(&self, value: Value) -> &ValueDef {
        &self.program.values[value.index()]
    }

    /// A new array of `len` slots behind the others of its space. A name that is taken gets underscores.
    pub fn array(&mut self, name: impl Into<String>, space: Space, len: u32) -> ArrayId {
        let base = self.sizes.entry(space).or_insert(0);
        let mut name = name.into();
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        let array = Array { name, space, base: *base, len };
        *base += len;
        self.program.arrays.push(array);
        ArrayId(self.program.arrays.len() as u32 - 1)
    }

    /// The number of slots of an array.
    pub fn array_len(&self, array: ArrayId) -> u32 {
        self.program.arrays[array.index()].len
    }

    /// A float constant, rounded to the compute type.
    pub fn float(&mut self, value: f64) -> Value {
        let value = match self.program.float {
            Float::F32 => f64::from(value as f32),
            Float::F64 => value,
        };
        self.share(Inst2::Float(value.to_bits()), Inst::Float(value), Type::Float, Axes::default())
    }

    /// An integer constant.
    pub fn int(&mut self, value: i64) -> Value {
        self.share(Inst2::Int(value), Inst::Int(value), Type::Int, Axes::default())
    }

    /// A slot of an array.
    pub fn load(&mut self, array: ArrayId, index: Index) -> Value {
        let mut axes = match self.program.arrays[array.index()].space {
            Space::Param => Axes::default(),
            Space::Row | Space::Out => Axes { row: true, ..Axes::default() },
            Space::State | Space::Other => Axes { row: true, partial: true, ..Axes::default() },
            Space::Col => Axes { col: true, ..Axes::default() },
            Space::Tile => Axes { row: true, col: true, ..Axes::default() },
            Space::Temp => self.temp_axes.get(&array).copied().unwrap_or_default(),
        };
        axes.component |= index.terms.iter().any(|(l, _)| Some(*l) == self.component);
        let space = self.program.arrays[array.index()].space;
        let inst = Inst::Load(array, index.clone());
        if matches!(space, Space::Temp | Space::State) {
            // Written while the block runs, so never shared.
            return self.push(inst, Type::Float, axes);
        }
        self.share(Inst2::Load(array, index.offset, index.terms), inst, Type::Float, axes)
    }

    /// The counter of an open loop (or of the pass's component loop) as a float.
    pub fn counter(&mut self, id: LoopId) -> Value {
        let axes = Axes { component: Some(id) == self.component, ..Axes::default() };
        self.share(Inst2::Counter(id), Inst::Counter(id), Type::Float, axes)
    }

    /// A one-operand operation.
    pub fn unary(&mut self, op: Unary, a: Value) -> Value {
        let ty = match op {
            Unary::ToBits | Unary::FloatToInt => Type::Int,
            _ => Type::Float,
        };
        if let (Inst::Float(c), Unary::Neg | Unary::Abs) = (&self.def(a).inst, op) {
            let c = if op == Unary::Neg { -*c } else { c.abs() };
            return self.float(c);
        }
        if let (Inst::Unary(Unary::Neg, inner), Unary::Neg) = (&self.def(a).inst, op) {
            return *inner;
        }
        let axes = self.def(a).axes;
        self.share(Inst2::Unary(op, a), Inst::Unary(op, a), ty, axes)
    }

    /// A two-operand operation.
    pub fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        let ty = match op {
            Binary::IntAdd | Binary::IntSub => Type::Int,
            Binary::And | Binary::Or | Binary::Xor => self.def(a).ty,
            _ => Type::Float,
        };
        if op == Binary::Mul {
            // x*1 is exact for every x; so is the order of operands.
            for (one, other) in [(a, b), (b, a)] {
                if self.def(one).inst == Inst::Float(1.0) {
                    return other;
                }
                if self.def(one).inst == Inst::Float(-1.0) {
                    return self.unary(Unary::Neg, other);
                }
            }
        }
        let axes = self.def(a).axes.union(self.def(b).axes);
        self.share(Inst2::Binary(op, a, b), Inst::Binary(op, a, b), ty, axes)
    }

    /// `a + b`.
    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Add, a, b)
    }

    /// `a - b`.
    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Sub, a, b)
    }

    /// `a * b`.
    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Mul, a, b)
    }

    /// `a / b`.
    pub fn div(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Div, a, b)
    }

    /// `-a`.
    pub fn neg(&mut self, a: Value) -> Value {
        self.unary(Unary::Neg, a)
    }

    /// `|a|`.
    pub fn abs(&mut self, a: Value) -> Value {
        self.unary(Unary::Abs, a)
    }

    /// A shift by a constant.
    pub fn shift(&mut self, op: Shift, a: Value, bits: u8) -> Value {
        let axes = self.def(a).axes;
        self.share(Inst2::Shift(op, a, bits), Inst::Shift(op, a, bits), Type::Int, axes)
    }

    /// `a * b + c`, fused where the target has FMA, otherwise rounded twice.
    pub fn mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        if !self.program.fma {
            let product = self.mul(a, b);
            return self.add(product, c);
        }
        let axes = self.def(a).axes.union(self.def(b).axes).union(self.def(c).axes);
        self.share(Inst2::Fma(false, a, b, c), Inst::Fma(a, b, c), Type::Float, axes)
    }

    /// `c - a * b`, fused where the target has FMA, otherwise rounded twice.
    pub fn mul_sub_from(&mut self, a: Value, b: Value, c: Value) -> Value {
        if !self.program.fma {
            let product = self.mul(a, b);
            return self.sub(c, product);
        }
        let axes = self.def(a).axes.union(self.def(b).axes).union(self.def(c).axes);
        self.share(Inst2::Fma(true, a, b, c), Inst::FmaNeg(a, b, c), Type::Float, axes)
    }

    /// Whether fused multiply-adds may be used.
    pub fn has_fma(&self) -> bool {
        self.program.fma
    }

    /// A comparison.
    pub fn compare(&mut self, op: Compare, a: Value, b: Value) -> Value {
        let axes = self.def(a).axes.union(self.def(b).axes);
        self.share(Inst2::Compare(op, a, b), Inst::Compare(op, a, b), Type::Mask, axes)
    }

    /// `mask ? a : b`.
    pub fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        if a == b {
            return a;
        }
        let ty = self.def(a).ty;
        let axes = self.def(mask).axes.union(self.def(a).axes).union(self.def(b).axes);
        self.share(Inst2::Select(mask, a, b), Inst::Select(mask, a, b), ty, axes)
    }

    /// A transcendental function: one intrinsic, or the operations it consists of.
    pub fn call(&mut self, function: Function, args: Vec<Value>) -> Value {
        if self.functions == Functions::Expanded {
            return super::math::expand(self, function, &args);
        }
        let axes = args.iter().fold(Axes::default(), |axes, a| axes.union(self.def(*a).axes));
        self.share(
            Inst2::Call(function, args.clone()),
            Inst::Call(function, args),
            Type::Float,
            axes,
        )
    }

    /// A value that the enclosing structure defines.
    pub fn bound(&mut self, ty: Type, axes: Axes) -> Value {
        self.program.values.push(ValueDef { inst: Inst::Bound, ty, axes });
        Value(self.program.values.len() as u32 - 1)
    }

    /// Write a value to a slot.
    pub fn store(&mut self, array: ArrayId, index: Index, value: Value) {
        if self.program.arrays[array.index()].space == Space::Temp {
            let axes = self.def(value).axes;
            let known = self.temp_axes.entry(array).or_default();
            *known = known.union(axes);
        }
        self.stores += 1;
        self.block().stmts.push(Stmt::Store(array, index, value));
    }

    /// Announce the axes of a `Temp` array before anything is loaded from it.
    pub fn temp_axes(&mut self, array: ArrayId, axes: Axes) {
        self.temp_axes.insert(array, axes);
    }

    /// Open a counted loop; statements go to its body until [`Builder::end_loop`].
    pub fn begin_loop(&mut self, count: u32) -> LoopId {
        let id = self.component_loop(count);
        self.scopes.push(Scope::default());
        id
    }

    /// Carry a scalar around an open loop: the value during an iteration.
    pub fn carry(&mut self, id: LoopId, init: Value, axes: Axes) -> Value {
        let ty = self.def(init).ty;
        let param = self.bound(ty, axes);
        let result = self.bound(ty, axes);
        self.program.loops[id.index()].carried.push(Carried { init, param, next: param, result });
        param
    }

    /// Close a loop with the next value of each carried scalar; returns their results.
    pub fn end_loop(&mut self, id: LoopId, next: &[Value]) -> Vec<Value> {
        let scope = self.scopes.pop().expect("a loop is open");
        let body = &mut self.program.loops[id.index()];
        body.body = scope.stmts;
        for (carried, next) in body.carried.iter_mut().zip(next) {
            carried.next = *next;
        }
        let results = body.carried.iter().map(|c| c.result).collect();
        self.block().stmts.push(Stmt::Loop(id));
        results
    }

    /// A loop that only counts the components of a pass; open it with [`Builder::enter_components`].
    pub fn component_loop(&mut self, count: u32) -> LoopId {
        let (carried, body, skip_unless) = (Vec::new(), Vec::new(), None);
        self.program.loops.push(Loop { count, carried, body, skip_unless });
        LoopId(self.program.loops.len() as u32 - 1)
    }

    /// What `make` gives where `mask` holds, and `usual` elsewhere; for masks that hold so rarely that engines should test
    /// for it.
    pub fn rarely<const N: usize>(
        &mut self,
        mask: Value,
        usual: [Value; N],
        make: impl FnOnce(&mut Builder) -> [Value; N],
    ) -> [Value; N] {
        let id = self.begin_loop(1);
        self.program.loops[id.index()].skip_unless = Some(mask);
        let made = make(self);
        let mut next = usual;
        for (next, made) in next.iter_mut().zip(made) {
            let (own, others) = (self.def(*next).axes, self.def(made).axes);
            let axes = self.def(mask).axes.union(own).union(others);
            let param = self.carry(id, *next, axes);
            *next = self.select(mask, made, param);
        }
        let results = self.end_loop(id, &next);
        std::array::from_fn(|k| results[k])
    }

    /// A `Param` array of constants that the program fills itself.
    pub fn table(&mut self, name: &str, constants: &[f64]) -> ArrayId {
        if let Some((id, _)) = self.tables.iter().find(|(_, known)| known == constants) {
            return *id;
        }
        let id = self.array(name, Space::Param, constants.len() as u32);
        self.tables.push((id, constants.to_vec()));
        id
    }

    /// Values made from now on vary with `id` if they use it.
    pub fn enter_components(&mut self, id: Option<LoopId>) {
        self.component = id;
    }

    /// Take the statements made since the last call: a finished stage, `pair` or `step` block. What the next block may
    /// share begins empty unless `keep` says that it runs after this one in the same pass.
    pub fn take_block(&mut self, keep: Sharing) -> Vec<Stmt> {
        let scope = self.block();
        let stmts = std::mem::take(&mut scope.stmts);
        if keep == Sharing::Fresh {
            scope.known.clear();
        }
        stmts
    }

    /// Append a finished pass.
    pub fn pass(
        &mut self,
        over: Over,
        components: Option<LoopId>,
        pair: Vec<Stmt>,
        step: Vec<Stmt>,
        accumulators: Vec<Accumulator>,
        exit_if_any: Option<Value>,
    ) {
        self.program.passes.push(Pass { over, components, pair, step, accumulators, exit_if_any });
    }

    /// An accumulator parameter with its slot; set `next` before the pass is appended.
    pub fn accumulator(&mut self, array: ArrayId, index: Index, start: Start) -> Accumulator {
        let component = index.terms.iter().any(|(l, _)| Some(*l) == self.component);
        let param =
            self.bound(Type::Float, Axes { row: true, partial: true, col: false, component });
        Accumulator { array, index, start, param, next: param }
    }

    /// The program itself, to set its stages.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The finished program.
    pub fn finish(mut self) -> Program {
        let param = std::mem::take(&mut self.program.param);
        self.scopes = vec![Scope::default()];
        for (array, constants) in std::mem::take(&mut self.tables) {
            for (slot, constant) in constants.into_iter().enumerate() {
                let value = self.float(constant);
                self.store(array, Index { offset: slot as u32, terms: Vec::new() }, value);
            }
        }
        self.program.param = self.take_block(Sharing::Fresh);
        self.program.param.extend(param);
        self.program
    }

    fn block(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("the outermost scope is never popped")
    }

    fn push(&mut self, inst: Inst, ty: Type, axes: Axes) -> Value {
        self.program.values.push(ValueDef { inst, ty, axes });
        let value = Value(self.program.values.len() as u32 - 1);
        self.block().stmts.push(Stmt::Let(value));
        value
    }

    fn share(&mut self, key: Inst2, inst: Inst, ty: Type, axes: Axes) -> Value {
        let key = Key(key);
        for scope in self.scopes.iter().rev() {
            if let Some(value) = scope.known.get(&key) {
                return *value;
            }
        }
        let value = self.push(inst, ty, axes);
        self.block().known.insert(key, value);
        value
    }
}

/// What becomes of transcendental functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Functions {
    /// They stay as intrinsics, for targets that have them and for reading.
    Intrinsic,
    /// They are replaced by simple operations ([`math`](super::math)).
    Expanded,
}

/// What a block may share with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Nothing.
    Fresh,
    /// All its values: they run one after the other in the same pass.
    Kept,
}
