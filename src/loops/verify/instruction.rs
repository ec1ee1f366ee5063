//! Rules of single instructions: types, axes, constants, and the memory they touch.

use super::{Checked, Stage, Verifier, range, rule};
use crate::dtype::Float;
use crate::loops::program::{
    Array, ArrayId, Axes, Binary, Compare, Function, Index, Inst, LoopId, Space, Type, Unary, Value,
};

impl<'p> Verifier<'p> {
    /// Check the instruction that defines a value, and that its type and axes are those of the instruction.
    pub(super) fn computes(&mut self, value: Value) -> Checked {
        let def = self.def(value)?;
        let (ty, axes) = match &def.inst {
            Inst::Float(c) => {
                self.representable(*c)?;
                (Type::Float, Axes::default())
            }
            Inst::Int(c) => {
                let fits = self.program.float == Float::F64 || i32::try_from(*c).is_ok();
                rule!(fits, "the integer {c} does not fit");
                (Type::Int, Axes::default())
            }
            Inst::Load(array, index) => {
                let (least, exact) = self.load(*array, index)?;
                let fits =
                    if exact { def.axes == least } else { def.axes.union(least) == def.axes };
                rule!(fits, "it varies over {:?} but the slot over {least:?}", def.axes);
                (Type::Float, def.axes)
            }
            Inst::Counter(id) => {
                rule!(self.open.contains(id), "the counter of loop {} outside of it", id.0);
                (Type::Float, self.component_axes(Some(*id)))
            }
            Inst::Unary(op, a) => {
                let (from, to) = unary_types(*op);
                (to, self.used_as(*a, from)?.axes)
            }
            Inst::Binary(op, a, b) => {
                let ty = self.binary_type(*op, *a)?;
                (ty, self.used_as(*a, ty)?.axes.union(self.used_as(*b, ty)?.axes))
            }
            Inst::Shift(_, a, bits) => {
                let width = 8 * self.program.float.bytes();
                let fits = (1..width).contains(&usize::from(*bits));
                rule!(fits, "a shift by {bits} of {width} bits");
                (Type::Int, self.used_as(*a, Type::Int)?.axes)
            }
            Inst::Fma(a, b, c) | Inst::FmaNeg(a, b, c) => {
                rule!(self.program.fma, "a fused multiply-add in a program without");
                (Type::Float, self.all_as(&[*a, *b, *c], Type::Float)?)
            }
            Inst::Compare(Compare::Eq | Compare::Ne | Compare::Lt, a, b)
            | Inst::Compare(Compare::Le | Compare::Unordered, a, b) => {
                (Type::Mask, self.all_as(&[*a, *b], Type::Float)?)
            }
            Inst::Select(mask, a, b) => {
                let mask = self.used_as(*mask, Type::Mask)?.axes;
                let ty = self.used(*a)?.ty;
                rule!(ty != Type::Mask, "masks are selected");
                (ty, mask.union(self.all_as(&[*a, *b], ty)?))
            }
            Inst::Call(function, args) => {
                let arity = match function {
                    Function::Atan2 | Function::Pow => 2,
                    _ => 1,
                };
                rule!(args.len() == arity, "{function:?} of {} arguments", args.len());
                (Type::Float, self.all_as(args, Type::Float)?)
            }
            Inst::Bound => return Err("a bound value is computed".into()),
        };
        rule!(def.ty == ty, "it is declared {:?} but is {ty:?}", def.ty);
        rule!(def.axes == axes, "it is declared to vary over {:?}, not {axes:?}", def.axes);
        self.within_stage(axes)
    }

    fn all_as(&self, values: &[Value], ty: Type) -> Checked<Axes> {
        values
            .iter()
            .try_fold(Axes::default(), |axes, value| Ok(axes.union(self.used_as(*value, ty)?.axes)))
    }

    fn binary_type(&self, op: Binary, a: Value) -> Checked<Type> {
        Ok(match op {
            Binary::IntAdd | Binary::IntSub => Type::Int,
            Binary::And | Binary::Or | Binary::Xor => {
                let ty = self.used(a)?.ty;
                rule!(ty != Type::Float, "a bit operation on floats");
                ty
            }
            Binary::Add
            | Binary::Sub
            | Binary::Mul
            | Binary::Div
            | Binary::Min
            | Binary::Max
            | Binary::ScaleExp2 => Type::Float,
        })
    }

    /// Whether a constant is a value of the program's type (NaN is).
    pub(super) fn representable(&self, c: f64) -> Checked {
        let same = self.program.float == Float::F64 || c.is_nan() || f64::from(c as f32) == c;
        rule!(same, "{c:e} is no {}", self.program.float);
        Ok(())
    }

    /// Whether values of the stage may vary like this.
    pub(super) fn within_stage(&self, axes: Axes) -> Checked {
        let mut allowed = self.stage.axes();
        allowed.component = self.component.is_some();
        rule!(axes.union(allowed) == allowed, "it varies over {axes:?}, beyond its stage");
        Ok(())
    }

    fn component_axes(&self, id: Option<LoopId>) -> Axes {
        Axes { component: id.is_some() && id == self.component, ..Axes::default() }
    }

    pub(super) fn array(&self, id: ArrayId) -> Checked<&'p Array> {
        let program = self.program;
        program.arrays.get(id.index()).ok_or_else(|| format!("there is no array {}", id.0))
    }

    /// Check an index of an array: loops, and range over all their iterations.
    pub(super) fn in_range(&self, id: ArrayId, index: &Index) -> Checked {
        let array = self.array(id)?;
        for (k, (term, _)) in index.terms.iter().enumerate() {
            rule!(self.open.contains(term), "an index uses loop {} outside of it", term.0);
            let repeated = index.terms[..k].iter().any(|(other, _)| other == term);
            rule!(!repeated, "an index uses loop {} twice", term.0);
        }
        let (_, end) = range(self.program, index).ok_or("an index uses no loop of the program")?;
        rule!(
            end <= u64::from(array.len),
            "slot {} of `{}`, which has {}",
            end - 1,
            array.name,
            array.len
        );
        Ok(())
    }

    fn index_axes(&self, index: &Index) -> Axes {
        let varies = index.terms.iter().any(|(id, _)| Some(*id) == self.component);
        Axes { component: varies, ..Axes::default() }
    }

    /// Check a load; the axes its value has, exactly or (`false`) at least.
    fn load(&mut self, id: ArrayId, index: &Index) -> Checked<(Axes, bool)> {
        let array = self.array(id)?;
        let (name, space) = (&array.name, array.space);
        rule!(self.stage.reads(space), "`{name}` ({space:?}) is read in `{}`", self.stage.name());
        self.in_range(id, index)?;
        rule!(!self.accumulated.contains(&id), "`{name}` is read in the pass that accumulates it");
        let must_be_written = match space {
            Space::Temp | Space::Tile => true,
            Space::Param | Space::Row | Space::Col => self.computed[id.index()],
            Space::State | Space::Other | Space::Out => false,
        };
        if must_be_written {
            let (first, end) = range(self.program, index).ok_or("no such loop")?;
            let is_written = self.written.covers(id, first, end);
            rule!(is_written, "`{name}` is read where it may not have been written");
        }
        if space == Space::Tile && self.component.is_some() {
            rule!(!self.tiles_written.contains(&id), "components read and write `{name}`");
            self.tiles_read.insert(id);
        }
        let none = Axes::default();
        let axes = match space {
            Space::Param => none,
            Space::Row | Space::Out => Axes { row: true, ..none },
            Space::State | Space::Other => Axes { row: true, partial: true, ..none },
            Space::Col => Axes { col: true, ..none },
            Space::Tile => Axes { row: true, col: true, ..none },
            Space::Temp => self.temp_axes.get(&id).copied().unwrap_or_default(),
        };
        Ok((axes.union(self.index_axes(index)), space != Space::Temp))
    }

    pub(super) fn store(&mut self, id: ArrayId, index: &Index, value: Value) -> Checked {
        let array = self.array(id)?;
        let (name, space) = (&array.name, array.space);
        let stage = self.stage;
        rule!(stage.writes(space), "`{name}` ({space:?}) is written in `{}`", stage.name());
        rule!(self.skipped == 0, "`{name}` is written in a loop that may be skipped");
        self.in_range(id, index)?;
        let def = self.used_as(value, Type::Float)?;
        if space == Space::Temp {
            let known = self.temp_axes.entry(id).or_default();
            *known = known.union(def.axes);
        }
        if let (Stage::Pair, Space::Tile, Some(component)) = (stage, space, self.component) {
            rule!(self.tiles_written.insert(id), "components write `{name}` in two places");
            rule!(!self.tiles_read.contains(&id), "components read and write `{name}`");
            let stride = index.terms.iter().find(|(id, _)| *id == component).map_or(0, |t| t.1);
            let others = Index {
                offset: 0,
                terms: index.terms.iter().filter(|(id, _)| *id != component).copied().collect(),
            };
            let (_, span) = range(self.program, &others).ok_or("no such loop")?;
            rule!(u64::from(stride) >= span, "components write the same slots of `{name}`");
        }
        self.written.store(self.program, id, index, &self.open);
        Ok(())
    }
}

/// Operand and result type.
fn unary_types(op: Unary) -> (Type, Type) {
    match op {
        Unary::Neg | Unary::Abs | Unary::Sqrt | Unary::Floor | Unary::Nearest => {
            (Type::Float, Type::Float)
        }
        Unary::ToBits | Unary::FloatToInt => (Type::Float, Type::Int),
        Unary::FromBits | Unary::IntToFloat => (Type::Int, Type::Float),
    }
}
