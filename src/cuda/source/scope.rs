//! Statements as text: values become constants, loops become loops, and slots become whatever the current function says.

use super::scalar;
use super::text::Text;
use crate::loops::program::{ArrayId, Index, Inst, LoopId, Program, Stmt, Value};
use std::slice;

/// Where the slots of arrays are in the function being emitted.
pub(super) trait Places {
    /// The slot as something that can be read and assigned to; `index` is its number within the array, as text.
    fn place(&self, scope: &Scope<'_>, array: ArrayId, index: &Index) -> String;

    /// The statement that writes a slot.
    fn store(&self, scope: &Scope<'_>, array: ArrayId, index: &Index, value: &str) -> String {
        format!("{} = {value};", self.place(scope, array, index))
    }

    /// Emit the head of a loop instead of the plain one; true if that was done.
    fn open_loop(&self, _scope: &mut Scope<'_>, _id: LoopId) -> bool {
        false
    }
}

/// The names in one function, and its text.
pub(super) struct Scope<'p> {
    pub(super) program: &'p Program,
    pub(super) text: Text,
    names: Vec<Option<String>>,
}

enum Work<'p> {
    Rest(slice::Iter<'p, Stmt>),
    Close(LoopId),
}

impl<'p> Scope<'p> {
    pub(super) fn new(program: &'p Program) -> Scope<'p> {
        Scope { program, text: Text::default(), names: vec![None; program.values.len()] }
    }

    /// The text of a value that has been defined.
    pub(super) fn name(&self, value: Value) -> String {
        self.names[value.index()].clone().unwrap_or_else(|| format!("v{}", value.0))
    }

    /// Refer to a value by this text from now on.
    pub(super) fn call(&mut self, value: Value, name: impl Into<String>) {
        self.names[value.index()] = Some(name.into());
    }

    /// The counter of a loop.
    pub(super) fn counter(&self, id: LoopId) -> String {
        format!("d{}", id.0)
    }

    /// An index as text, `plus` added to it.
    pub(super) fn index(&self, index: &Index, plus: u32) -> String {
        let mut parts = Vec::new();
        let offset = u64::from(index.offset) + u64::from(plus);
        for (id, stride) in &index.terms {
            let counter = self.counter(*id);
            parts.push(match stride {
                1 => counter,
                _ => format!("{stride} * {counter}"),
            });
        }
        if offset > 0 || parts.is_empty() {
            parts.push(offset.to_string());
        }
        parts.join(" + ")
    }

    /// Define a value: a line of text, or just a name where there is nothing to compute.
    pub(super) fn define(&mut self, value: Value, places: &dyn Places) {
        let program = self.program;
        let def = program.value(value);
        let float = program.float;
        let text = match &def.inst {
            Inst::Float(c) => return self.call(value, scalar::float(*c, float)),
            Inst::Int(c) => return self.call(value, scalar::int(*c, float)),
            Inst::Counter(id) => return self.call(value, format!("(real)({})", self.counter(*id))),
            Inst::Bound => return,
            Inst::Load(array, index) => places.place(self, *array, index),
            inst => scalar::expression(inst, def.ty, float, |v| self.name(v)),
        };
        match &self.names[value.index()] {
            // A variable that was declared before.
            Some(name) => self.text.line(format!("{name} = {text};")),
            None => {
                let ty = scalar::type_name(def.ty);
                self.text.line(format!("const {ty} v{} = {text};", value.0));
            }
        }
    }

    /// Emit a block with everything in it.
    pub(super) fn block(&mut self, stmts: &'p [Stmt], places: &dyn Places) {
        let program = self.program;
        let mut work = vec![Work::Rest(stmts.iter())];
        while let Some(top) = work.last_mut() {
            match top {
                Work::Rest(rest) => match rest.next() {
                    None => {
                        work.pop();
                    }
                    Some(Stmt::Let(value)) => self.define(*value, places),
                    Some(Stmt::Store(array, index, value)) => {
                        let line = places.store(self, *array, index, &self.name(*value));
                        self.text.line(line);
                    }
                    Some(Stmt::Loop(id)) => {
                        self.open(*id, places);
                        work.push(Work::Close(*id));
                        work.push(Work::Rest(program.loops[id.index()].body.iter()));
                    }
                },
                Work::Close(id) => {
                    let id = *id;
                    work.pop();
                    self.close(id);
                }
            }
        }
    }

    fn open(&mut self, id: LoopId, places: &dyn Places) {
        let program = self.program;
        let body = &program.loops[id.index()];
        for carried in &body.carried {
            let ty = scalar::type_name(program.value(carried.param).ty);
            let init = self.name(carried.init);
            self.text.line(format!("{ty} v{} = {init};", carried.param.0));
        }
        if !places.open_loop(self, id) {
            self.text.counted(&self.counter(id), body.count);
        }
    }

    fn close(&mut self, id: LoopId) {
        let body = &self.program.loops[id.index()];
        self.step(&body.carried.iter().map(|c| (c.param, c.next)).collect::<Vec<_>>());
        self.text.close();
        for carried in &body.carried {
            let name = self.name(carried.param);
            self.call(carried.result, name);
        }
    }

    /// Assign to variables their next values, all at once.
    pub(super) fn step(&mut self, variables: &[(Value, Value)]) {
        let is_variable = |v: &Value| variables.iter().any(|(variable, _)| variable == v);
        let crossed = variables.len() > 1 && variables.iter().any(|(_, next)| is_variable(next));
        let mut lines = Vec::new();
        for (variable, next) in variables {
            let (to, from) = (self.name(*variable), self.name(*next));
            if crossed {
                let ty = scalar::type_name(self.program.value(*variable).ty);
                self.text.line(format!("const {ty} n{} = {from};", variable.0));
                lines.push(format!("{to} = n{};", variable.0));
            } else if variable != next {
                lines.push(format!("{to} = {from};"));
            }
        }
        lines.iter().for_each(|line| self.text.line(line));
    }
}
