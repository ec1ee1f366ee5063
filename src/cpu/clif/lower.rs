//! Scalar instructions to vector instructions, one for each instance in the register tile.
//!
//! A value that varies along lanes has one vector an instance along the lane axis; any other value is one splat vector for
//! all of them. Instances of the same scalar instruction are emitted side by side, so that their dependency chains interleave.

use super::{access, width};
use crate::dtype::Float;
use crate::loops::program::{
    ArrayId, Axes, Binary, Compare, Index, Inst, LoopId, Program, Shift, Space, Stmt, Type, Unary,
    Value as Scalar,
};
use crate::schedule::{Lanes, Schedule};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{self, Type as IrType};
use cranelift_codegen::ir::{self, ConstantData, InstBuilder, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use std::collections::{HashMap, HashSet};

/// Scratch of one kernel call.
pub(super) fn temp_bytes(program: &Program, schedule: &Schedule) -> usize {
    let instances = (schedule.mr * schedule.nr * schedule.components) as usize;
    program.slots(Space::Temp) as usize * instances * super::VECTOR_BYTES
}

/// Instances of the register tile along its three axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Vectors along the lane axis.
    pub(super) lanes: usize,
    /// Points of the other axis.
    pub(super) points: usize,
    /// Components.
    pub(super) components: usize,
}

/// Instances of one value: along lanes, points, components.
type Extent = (usize, usize, usize);

/// Where the stage being emitted finds a space: an address and the layout from there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) address: Value,
    /// Bytes from slot to slot.
    pub(super) slot: usize,
    /// Bytes from vector to vector along lanes; `None`: one scalar for all lanes.
    pub(super) lane: Option<usize>,
    /// Bytes from point to point along the other axis.
    pub(super) point: usize,
}

/// The lowering of one stage function.
pub(super) struct Lower<'a, 'f> {
    pub(super) f: &'a mut FunctionBuilder<'f>,
    pub(super) program: &'a Program,
    /// The axis along vector lanes in this stage.
    pub(super) lanes: Lanes,
    pub(super) shape: Shape,
    pub(super) places: HashMap<Space, Place>,
    /// Counters of open loops, and of the component loop.
    pub(super) counters: HashMap<LoopId, Value>,
    /// The component loop of the pass, if any.
    pub(super) component: Option<LoopId>,
    /// Vectors of each scalar value, with the extents they were made with.
    values: HashMap<Scalar, (Extent, Vec<Value>)>,
    /// Values that were computed ahead of a loop and are not computed again in it.
    pub(super) hoisted: HashSet<Scalar>,
    /// The point of the register tile that a `step` block is being emitted for.
    pub(super) point: usize,
    /// Scratch: [slot][instance][lane].
    pub(super) temp: Value,
}

impl<'a, 'f> Lower<'a, 'f> {
    pub(super) fn new(
        f: &'a mut FunctionBuilder<'f>,
        program: &'a Program,
        lanes: Lanes,
        shape: Shape,
        temp: Value,
    ) -> Self {
        Self {
            f,
            program,
            lanes,
            shape,
            places: HashMap::new(),
            counters: HashMap::new(),
            component: None,
            values: HashMap::new(),
            hoisted: HashSet::new(),
            point: 0,
            temp,
        }
    }

    pub(super) fn float_type(&self) -> IrType {
        match self.program.float {
            Float::F32 => types::F32X4,
            Float::F64 => types::F64X2,
        }
    }

    fn int_type(&self) -> IrType {
        match self.program.float {
            Float::F32 => types::I32X4,
            Float::F64 => types::I64X2,
        }
    }

    fn int_lane(&self) -> IrType {
        match self.program.float {
            Float::F32 => types::I32,
            Float::F64 => types::I64,
        }
    }

    fn float_lane(&self) -> IrType {
        match self.program.float {
            Float::F32 => types::F32,
            Float::F64 => types::F64,
        }
    }

    pub(super) fn vector_type(&self, ty: Type) -> IrType {
        match ty {
            Type::Float => self.float_type(),
            Type::Int | Type::Mask => self.int_type(),
        }
    }

    /// Extent of a value's instances: (lanes, points, components).
    fn extent(&self, axes: Axes) -> Extent {
        let (lane, point) = match self.lanes {
            Lanes::Rows => (axes.row, axes.col),
            // One row: only its partial accumulators differ by lane, and what is made of them.
            Lanes::Columns => (axes.col || axes.partial, axes.row),
        };
        let pick = |varies: bool, n: usize| if varies { n } else { 1 };
        let Shape { lanes, points, components } = self.shape;
        (pick(lane, lanes), pick(point, points), pick(axes.component, components))
    }

    pub(super) fn instances(&self, axes: Axes) -> usize {
        let (l, p, c) = self.extent(axes);
        l * p * c
    }

    /// Give a bound value its vectors.
    pub(super) fn bind(&mut self, scalar: Scalar, vectors: Vec<Value>) {
        let extent = self.extent(self.program.value(scalar).axes);
        self.values.insert(scalar, (extent, vectors));
    }

    /// The vector of a value at an instance of the register tile.
    pub(super) fn instance(
        &self,
        scalar: Scalar,
        lane: usize,
        point: usize,
        component: usize,
    ) -> Value {
        let ((l, p, c), vectors) = &self.values[&scalar];
        let at = |k: usize, n: usize| if n == 1 { 0 } else { k };
        vectors[(at(component, *c) * p + at(point + self.point, *p)) * l + at(lane, *l)]
    }

    /// Emit statements.
    pub(super) fn block(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            match stmt {
                Stmt::Let(value) => self.define(*value),
                Stmt::Store(array, index, value) => {
                    let array = &self.program.arrays[array.index()];
                    let (space, base) = (array.space, array.base);
                    self.store(space, base, index, *value);
                }
                Stmt::Loop(id) => self.counted_loop(*id),
            }
        }
    }

    pub(super) fn define(&mut self, value: Scalar) {
        if self.hoisted.contains(&value) {
            return;
        }
        let def = self.program.value(value);
        let (l, p, c) = self.extent(def.axes);
        let mut vectors = Vec::with_capacity(l * p * c);
        for component in 0..c {
            for point in 0..p {
                for lane in 0..l {
                    vectors.push(self.inst(&def.inst, lane, point, component));
                }
            }
        }
        self.values.insert(value, ((l, p, c), vectors));
    }

    /// The byte offset that loop counters add to a slot's address; constant and run-time parts.
    fn slot_offset(
        &mut self,
        index: &Index,
        stride: usize,
        component: usize,
    ) -> (i32, Option<Value>) {
        let mut constant = index.offset as usize * stride;
        let mut dynamic: Option<Value> = None;
        for (id, factor) in &index.terms {
            let bytes = *factor as usize * stride;
            if Some(*id) == self.component {
                constant += component * bytes;
            }
            let counter = self.counters[id];
            let term = self.f.ins().imul_imm_s(counter, bytes as i64);
            dynamic = Some(match dynamic {
                None => term,
                Some(sum) => self.f.ins().iadd(sum, term),
            });
        }
        (i32::try_from(constant).expect("slots of a tile span less than 2 GiB"), dynamic)
    }

    /// The address and constant offset of a slot at an instance.
    fn address(
        &mut self,
        space: Space,
        base: u32,
        index: &Index,
        at: (usize, usize, usize),
    ) -> (Value, i32, bool) {
        let (lane, point, component) = at;
        if space == Space::Temp {
            let Shape { lanes, points, components } = self.shape;
            let all = lanes * points * components;
            let instance = (component * points + point) * lanes + lane;
            let (slot, dynamic) = self.slot_offset(index, all * super::VECTOR_BYTES, component);
            let first = (base as usize * all + instance) * super::VECTOR_BYTES;
            let address = self.offset_by(self.temp, dynamic);
            return (address, slot + i32::try_from(first).expect("scratch is small"), true);
        }
        let place = self.places[&space];
        let (slot, dynamic) = self.slot_offset(index, place.slot, component);
        let address = self.offset_by(place.address, dynamic);
        let rest =
            base as usize * place.slot + lane * place.lane.unwrap_or(0) + point * place.point;
        (
            address,
            slot + i32::try_from(rest).expect("slots of a tile span less than 2 GiB"),
            place.lane.is_some(),
        )
    }

    fn offset_by(&mut self, address: Value, dynamic: Option<Value>) -> Value {
        match dynamic {
            Some(offset) => self.f.ins().iadd(address, offset),
            None => address,
        }
    }

    fn load(&mut self, space: Space, base: u32, index: &Index, at: (usize, usize, usize)) -> Value {
        let (address, offset, vector) = self.address(space, base, index, at);
        if vector {
            let ty = self.float_type();
            return self.f.ins().load(ty, access(), address, offset);
        }
        let (lane, ty) = (self.float_lane(), self.float_type());
        let scalar = self.f.ins().load(lane, access(), address, offset);
        self.f.ins().splat(ty, scalar)
    }

    fn store(&mut self, space: Space, base: u32, index: &Index, value: Scalar) {
        // A store writes every instance that the space distinguishes, also of a value that does not vary along it.
        let mut axes = self.program.value(value).axes;
        match space {
            Space::Param => {}
            Space::Row | Space::Out => axes.row = true,
            Space::State | Space::Other => (axes.row, axes.partial) = (true, true),
            Space::Col => axes.col = true,
            Space::Tile => (axes.row, axes.col) = (true, true),
            Space::Temp => (axes.row, axes.col, axes.component) = (true, true, true),
        }
        axes.component |= index.terms.iter().any(|(id, _)| Some(*id) == self.component);
        let (l, p, c) = self.extent(axes);
        for component in 0..c {
            for point in 0..p {
                for lane in 0..l {
                    let vector = self.instance(value, lane, point, component);
                    let (address, offset, wide) =
                        self.address(space, base, index, (lane, point, component));
                    let stored = if wide { vector } else { self.f.ins().extractlane(vector, 0u8) };
                    self.f.ins().store(access(), stored, address, offset);
                }
            }
        }
    }

    /// The instances of an accumulator's slot.
    pub(super) fn load_accumulator(&mut self, array: ArrayId, index: &Index) -> Vec<Value> {
        self.accumulator_instances(index)
            .into_iter()
            .map(|at| self.load_state(array, index, at))
            .collect()
    }

    fn load_state(&mut self, array: ArrayId, index: &Index, at: Extent) -> Value {
        let array = &self.program.arrays[array.index()];
        self.load(array.space, array.base, index, at)
    }

    /// Write them back.
    pub(super) fn store_accumulator(&mut self, array: ArrayId, index: &Index, values: &[Value]) {
        let array = &self.program.arrays[array.index()];
        for (at, value) in self.accumulator_instances(index).into_iter().zip(values) {
            let (address, offset, _) = self.address(array.space, array.base, index, at);
            self.f.ins().store(access(), *value, address, offset);
        }
    }

    /// Accumulators have one instance a lane vector and component, in the order of [`Lower::variables`].
    fn accumulator_instances(&self, index: &Index) -> Vec<Extent> {
        let varies = index.terms.iter().any(|(id, _)| Some(*id) == self.component);
        let components = if varies { self.shape.components } else { 1 };
        (0..components).flat_map(|c| (0..self.shape.lanes).map(move |l| (l, 0, c))).collect()
    }

    /// A vector with every lane the same bits.
    fn constant(&mut self, ty: IrType, lane: &[u8]) -> Value {
        let bytes: Vec<u8> = lane.iter().copied().cycle().take(super::VECTOR_BYTES).collect();
        let constant = self.f.func.dfg.constants.insert(ConstantData::from(bytes));
        self.f.ins().vconst(ty, constant)
    }

    pub(super) fn float_constant(&mut self, value: f64) -> Value {
        let ty = self.float_type();
        match self.program.float {
            Float::F32 => self.constant(ty, &(value as f32).to_le_bytes()),
            Float::F64 => self.constant(ty, &value.to_le_bytes()),
        }
    }

    fn int_constant(&mut self, value: i64) -> Value {
        let ty = self.int_type();
        match self.program.float {
            Float::F32 => self.constant(ty, &(value as i32).to_le_bytes()),
            Float::F64 => self.constant(ty, &value.to_le_bytes()),
        }
    }

    fn as_int(&mut self, v: Value) -> Value {
        let ty = self.int_type();
        self.recast(v, ty)
    }

    fn as_float(&mut self, v: Value) -> Value {
        let ty = self.float_type();
        self.recast(v, ty)
    }

    fn recast(&mut self, v: Value, ty: IrType) -> Value {
        if self.f.func.dfg.value_type(v) == ty {
            return v;
        }
        let flags = ir::MemFlagsData::new().with_endianness(ir::Endianness::Little);
        self.f.ins().bitcast(ty, flags, v)
    }

    /// One vector of a scalar instruction.
    fn inst(&mut self, inst: &Inst, lane: usize, point: usize, component: usize) -> Value {
        let arg = |this: &Self, v: &Scalar| this.instance(*v, lane, point, component);
        match inst {
            Inst::Float(c) => self.float_constant(*c),
            Inst::Int(c) => self.int_constant(*c),
            Inst::Load(array, index) => {
                let array = &self.program.arrays[array.index()];
                self.load(array.space, array.base, index, (lane, point, component))
            }
            Inst::Counter(id) => self.counter(*id, component),
            Inst::Unary(op, a) => {
                let a = arg(self, a);
                self.unary(*op, a)
            }
            Inst::Binary(op, a, b) => {
                let (a, b) = (arg(self, a), arg(self, b));
                self.binary(*op, a, b)
            }
            Inst::Shift(op, a, bits) => {
                let a = arg(self, a);
                let bits = self.f.ins().iconst(types::I32, i64::from(*bits));
                match op {
                    Shift::Left => self.f.ins().ishl(a, bits),
                    Shift::RightLogical => self.f.ins().ushr(a, bits),
                    Shift::RightArithmetic => self.f.ins().sshr(a, bits),
                }
            }
            Inst::Fma(a, b, c) => {
                let (a, b, c) = (arg(self, a), arg(self, b), arg(self, c));
                self.f.ins().fma(a, b, c)
            }
            Inst::FmaNeg(a, b, c) => {
                let (a, b, c) = (arg(self, a), arg(self, b), arg(self, c));
                let a = self.f.ins().fneg(a);
                self.f.ins().fma(a, b, c)
            }
            Inst::Compare(op, a, b) => {
                let (a, b) = (arg(self, a), arg(self, b));
                self.compare(*op, a, b)
            }
            Inst::Select(mask, a, b) => {
                let (mask, a, b) = (arg(self, mask), arg(self, a), arg(self, b));
                self.select(mask, a, b)
            }
            Inst::Call(..) => unreachable!("functions are expanded in programs for CPU engines"),
            Inst::Bound => unreachable!("bound values are defined by their structure"),
        }
    }

    fn compare(&mut self, op: Compare, a: Value, b: Value) -> Value {
        let condition = match op {
            Compare::Eq => FloatCC::Equal,
            Compare::Ne => FloatCC::NotEqual,
            Compare::Lt => FloatCC::LessThan,
            Compare::Le => FloatCC::LessThanOrEqual,
            // Two comparisons that every instruction set has, instead of one that some lack.
            Compare::Unordered => {
                let x = self.f.ins().fcmp(FloatCC::NotEqual, a, a);
                let y = self.f.ins().fcmp(FloatCC::NotEqual, b, b);
                return self.f.ins().bor(x, y);
            }
        };
        self.f.ins().fcmp(condition, a, b)
    }

    pub(super) fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        let ty = self.f.func.dfg.value_type(a);
        let mask = self.recast(mask, ty);
        self.f.ins().bitselect(mask, a, b)
    }

    fn counter(&mut self, id: LoopId, component: usize) -> Value {
        let counter = self.counters[&id];
        let counter = if Some(id) == self.component {
            self.f.ins().iadd_imm_s(counter, component as i64)
        } else {
            counter
        };
        let (lane, ty) = (self.float_lane(), self.float_type());
        let scalar = self.f.ins().fcvt_from_sint(lane, counter);
        self.f.ins().splat(ty, scalar)
    }

    fn unary(&mut self, op: Unary, a: Value) -> Value {
        match op {
            Unary::Neg => self.f.ins().fneg(a),
            Unary::Abs => self.f.ins().fabs(a),
            Unary::Sqrt => self.f.ins().sqrt(a),
            Unary::Floor => self.f.ins().floor(a),
            Unary::Nearest => self.f.ins().nearest(a),
            Unary::ToBits => self.as_int(a),
            Unary::FromBits => self.as_float(a),
            Unary::IntToFloat => match self.program.float {
                Float::F32 => self.f.ins().fcvt_from_sint(types::F32X4, a),
                Float::F64 => {
                    // |a| <= 2^51: add it to the bits of 1.5*2^52 and subtract that as a float; both are exact.
                    let bits = self.int_constant(MAGIC_F64.to_bits() as i64);
                    let sum = self.f.ins().iadd(a, bits);
                    let sum = self.as_float(sum);
                    let magic = self.float_constant(MAGIC_F64);
                    self.f.ins().fsub(sum, magic)
                }
            },
            Unary::FloatToInt => match self.program.float {
                Float::F32 => self.f.ins().fcvt_to_sint_sat(types::I32X4, a),
                Float::F64 => {
                    let whole = self.f.ins().trunc(a);
                    self.integral_to_int(whole)
                }
            },
        }
    }

    /// The integer of a float that holds a small one (|n| <= 2^22 for f32, 2^51 for f64).
    fn integral_to_int(&mut self, n: Value) -> Value {
        let magic = match self.program.float {
            Float::F32 => f64::from(MAGIC_F32),
            Float::F64 => MAGIC_F64,
        };
        let bits = match self.program.float {
            Float::F32 => i64::from(MAGIC_F32.to_bits() as i32),
            Float::F64 => MAGIC_F64.to_bits() as i64,
        };
        let magic = self.float_constant(magic);
        let sum = self.f.ins().fadd(n, magic);
        let sum = self.as_int(sum);
        let bits = self.int_constant(bits);
        self.f.ins().isub(sum, bits)
    }

    fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        match op {
            Binary::Add => self.f.ins().fadd(a, b),
            Binary::Sub => self.f.ins().fsub(a, b),
            Binary::Mul => self.f.ins().fmul(a, b),
            Binary::Div => self.f.ins().fdiv(a, b),
            Binary::Min => {
                let less = self.f.ins().fcmp(FloatCC::LessThan, a, b);
                self.select(less, a, b)
            }
            Binary::Max => {
                let more = self.f.ins().fcmp(FloatCC::LessThan, b, a);
                self.select(more, a, b)
            }
            Binary::IntAdd => self.f.ins().iadd(a, b),
            Binary::IntSub => self.f.ins().isub(a, b),
            Binary::And => self.f.ins().band(a, b),
            Binary::Or => self.f.ins().bor(a, b),
            Binary::Xor => self.f.ins().bxor(a, b),
            Binary::ScaleExp2 => self.scale(a, b),
        }
    }

    /// `a * 2^n` by two powers of two: the first product is exact, the second rounds once.
    fn scale(&mut self, a: Value, n: Value) -> Value {
        let (magic, bias, digits) = match self.program.float {
            Float::F32 => (f64::from(MAGIC_F32), 127.0, 23),
            Float::F64 => (MAGIC_F64, 1023.0, 52),
        };
        // With twice the bias added the low bits hold a positive integer, whose halves, rounded down and up, are the exponent fields.
        let origin = self.float_constant(magic + 2.0 * bias);
        let sum = self.f.ins().fadd(n, origin);
        let sum = self.as_int(sum);
        let one = self.f.ins().iconst(types::I32, 1);
        let half = self.f.ins().ushr(sum, one);
        let rest = self.f.ins().isub(sum, half);
        let digits = self.f.ins().iconst(types::I32, digits);
        let mut product = a;
        for exponent in [half, rest] {
            let bits = self.f.ins().ishl(exponent, digits);
            let power = self.as_float(bits);
            product = self.f.ins().fmul(product, power);
        }
        product
    }

    /// Variables that hold the instances of a value across blocks.
    pub(super) fn variables(&mut self, scalar: Scalar) -> Vec<Variable> {
        let def = self.program.value(scalar);
        let (count, ty) = (self.instances(def.axes), self.vector_type(def.ty));
        (0..count).map(|_| self.f.declare_var(ty)).collect()
    }

    /// Set variables of `target`'s shape to the instances of `source`, which may vary over fewer axes.
    pub(super) fn assign(&mut self, variables: &[Variable], target: Scalar, source: Scalar) {
        let (l, p, c) = self.extent(self.program.value(target).axes);
        let mut k = 0;
        for component in 0..c {
            for point in 0..p {
                for lane in 0..l {
                    let vector = self.instance(source, lane, point, component);
                    self.f.def_var(variables[k], vector);
                    k += 1;
                }
            }
        }
    }

    fn read(&mut self, variables: &[Variable]) -> Vec<Value> {
        variables.iter().map(|v| self.f.use_var(*v)).collect()
    }

    fn counted_loop(&mut self, id: LoopId) {
        let program = self.program;
        let definition = &program.loops[id.index()];
        let carried: Vec<Vec<Variable>> =
            definition.carried.iter().map(|c| self.variables(c.param)).collect();
        for (c, variables) in definition.carried.iter().zip(&carried) {
            self.assign(variables, c.param, c.init);
        }
        let counter = self.f.declare_var(types::I64);
        let zero = self.f.ins().iconst(types::I64, 0);
        self.f.def_var(counter, zero);
        let (body, after) = (self.f.create_block(), self.f.create_block());
        match definition.skip_unless {
            Some(mask) => {
                let any = self.any(mask);
                self.f.ins().brif(any, body, &[], after, &[]);
            }
            None => {
                self.f.ins().jump(body, &[]);
            }
        }
        self.f.switch_to_block(body);
        let now = self.f.use_var(counter);
        self.counters.insert(id, now);
        for (c, variables) in definition.carried.iter().zip(&carried) {
            let vectors = self.read(variables);
            self.bind(c.param, vectors);
        }
        self.block(&definition.body);
        // `next` may be another carried value's parameter, so all are read before any is written.
        for (c, variables) in definition.carried.iter().zip(&carried) {
            self.assign(variables, c.param, c.next);
        }
        let next = self.f.ins().iadd_imm_s(now, 1);
        self.f.def_var(counter, next);
        let again =
            self.f.ins().icmp_imm_s(IntCC::UnsignedLessThan, next, i64::from(definition.count));
        self.f.ins().brif(again, body, &[], after, &[]);
        self.f.seal_block(body);
        self.f.seal_block(after);
        self.f.switch_to_block(after);
        self.counters.remove(&id);
        for (c, variables) in definition.carried.iter().zip(&carried) {
            let vectors = self.read(variables);
            self.bind(c.result, vectors);
        }
    }

    /// Whether a mask holds in any lane of any instance.
    pub(super) fn any(&mut self, mask: Scalar) -> Value {
        let (first, rest) = {
            let (_, vectors) = &self.values[&mask];
            let (first, rest) = vectors.split_first().expect("a value has an instance");
            (*first, rest.to_vec())
        };
        let any = rest.into_iter().fold(first, |any, mask| self.f.ins().bor(any, mask));
        self.f.ins().vany_true(any)
    }

    /// Lanes of a vector.
    pub(super) fn width(&self) -> usize {
        width(self.program) as usize
    }

    /// A mask of the lanes of vector `lane` whose column is below `limit`, `column` being that of its first lane.
    pub(super) fn below(&mut self, column: Value, limit: Value, lane: usize) -> Value {
        let ty = self.int_lane();
        let narrow = |this: &mut Self, v: Value| {
            if ty == types::I32 { this.f.ins().ireduce(types::I32, v) } else { v }
        };
        let ahead = (lane * self.width()) as i64;
        let first = self.f.ins().iadd_imm_s(column, ahead);
        let (first, limit) = (narrow(self, first), narrow(self, limit));
        let vector = self.int_type();
        let first = self.f.ins().splat(vector, first);
        let limit = self.f.ins().splat(vector, limit);
        let bytes: Vec<u8> = match self.program.float {
            Float::F32 => (0..4i32).flat_map(i32::to_le_bytes).collect(),
            Float::F64 => (0..2i64).flat_map(i64::to_le_bytes).collect(),
        };
        let constant = self.f.func.dfg.constants.insert(ConstantData::from(bytes));
        let steps = self.f.ins().vconst(vector, constant);
        let columns = self.f.ins().iadd(first, steps);
        self.f.ins().icmp(IntCC::SignedLessThan, columns, limit)
    }
}

/// 1.5 * 2^23: adding it to a small integer leaves that integer in the low bits.
const MAGIC_F32: f32 = 12_582_912.0;
/// 1.5 * 2^52, likewise.
const MAGIC_F64: f64 = 6_755_399_441_055_744.0;
