//! Programs as text: what `explain` shows and goldens pin.
//!
//! A line a value or store. Constants, counters and loads are written where they are used, unless the block also writes the
//! array; a value that is used once, by a store, an accumulator or the next round of a loop in its own block, is written there,
//! and so is a comparison that is used once. Values are numbered in the order in which they are printed. A `step` reads as it
//! runs, from top to bottom: what another accumulator was before the column has a name of its own.

use super::dce::operands;
use super::program::{
    Accumulator, ArrayId, Binary, Compare, Function, Index, Inst, LoopId, Over, Pass, Program,
    Shift, Space, Start, Stmt, Unary, Value,
};
use crate::dtype::Float;
use crate::schedule::Schedule;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

impl Program {
    /// The program as text, below the schedule that it runs under if there is one.
    pub fn text(&self, schedule: Option<&Schedule>) -> String {
        let mut text = String::new();
        if let Some(schedule) = schedule {
            let _ = writeln!(text, "schedule {schedule}");
        }
        Printer::new(self, text).program()
    }
}

/// Width of the column of stage names.
const LABEL: usize = 8;

struct Printer<'p> {
    program: &'p Program,
    text: String,
    /// How often a value is used anywhere.
    uses: Vec<u32>,
    /// Names of values, and the text of those that are written where they are used.
    names: HashMap<Value, String>,
    loops: HashMap<LoopId, String>,
    /// Arrays that the current block writes.
    written: HashSet<ArrayId>,
    /// Accumulators of the current pass.
    parameters: HashSet<Value>,
    /// What the next line begins with.
    label: &'static str,
    depth: usize,
    values: u32,
    carried: u32,
}

impl<'p> Printer<'p> {
    fn new(program: &'p Program, text: String) -> Self {
        Self {
            program,
            text,
            uses: uses(program),
            names: HashMap::new(),
            loops: HashMap::new(),
            written: HashSet::new(),
            parameters: HashSet::new(),
            label: "",
            depth: 0,
            values: 0,
            carried: 0,
        }
    }

    fn program(mut self) -> String {
        let program = self.program;
        self.header();
        self.stage("param", &program.param);
        self.stage("row", &program.row);
        self.stage("col", &program.col);
        for pass in &program.passes {
            self.pass(pass);
        }
        self.stage("merge", &program.merge);
        self.stage("finish", &program.finish);
        self.text
    }

    fn header(&mut self) {
        let program = self.program;
        let mut line = format!("program {}", program.float);
        if program.fma {
            line += " fma";
        }
        let mut computed = HashSet::new();
        for block in [&program.param, &program.row, &program.col] {
            stores(program, block, &mut computed);
        }
        for (title, space) in [("rows", Space::Row), ("cols", Space::Col), ("params", Space::Param)]
        {
            let inputs = self.arrays(space, |id| !computed.contains(&id));
            if !inputs.is_empty() {
                let _ = write!(line, "  {title} {inputs}");
            }
        }
        let _ = writeln!(self.text, "{line}");
        let mut slot = 0;
        for array in program.arrays.iter().filter(|a| a.space == Space::State) {
            let (name, len) = (&array.name, array.len);
            let identity = program.identity.get(slot..slot + len as usize).unwrap_or_default();
            slot += len as usize;
            let alike = identity.windows(2).all(|w| w[0].to_bits() == w[1].to_bits());
            let shown = if alike { &identity[..identity.len().min(1)] } else { identity };
            let shown: Vec<String> = shown.iter().map(|c| float(program.float, *c)).collect();
            let _ = writeln!(self.text, "{:LABEL$}{name}[{len}] = {}", "state", shown.join(", "));
        }
        for (label, space) in [("tile", Space::Tile), ("scratch", Space::Temp)] {
            let arrays = self.arrays(space, |_| true);
            if !arrays.is_empty() {
                let _ = writeln!(self.text, "{label:LABEL$}{arrays}");
            }
        }
    }

    /// The arrays of a space that fulfil a condition, with their lengths.
    fn arrays(&self, space: Space, is_shown: impl Fn(ArrayId) -> bool) -> String {
        let arrays = self.program.arrays.iter().enumerate();
        let shown = arrays.filter(|(k, a)| a.space == space && is_shown(ArrayId(*k as u32)));
        let shown: Vec<String> = shown.map(|(_, a)| format!("{}[{}]", a.name, a.len)).collect();
        shown.join(" ")
    }

    /// Begin a block: its first line has the label.
    fn begin(&mut self, label: &'static str, block: &[Stmt]) {
        self.label = label;
        self.written.clear();
        stores(self.program, block, &mut self.written);
    }

    fn stage(&mut self, label: &'static str, block: &'p [Stmt]) {
        self.begin(label, block);
        self.block(block, &HashSet::new());
    }

    fn pass(&mut self, pass: &'p Pass) {
        self.begin(if pass.over == Over::Chunk { "chunk" } else { "pair" }, &pass.pair);
        let depth = self.depth;
        if let Some(id) = pass.components {
            self.enter("component", id, Vec::new());
        }
        let exits: HashSet<Value> = pass.exit_if_any.into_iter().collect();
        self.block(&pass.pair, &exits);
        if let Some(exit) = pass.exit_if_any {
            let exit = self.operand(exit);
            self.line(&format!("exit if {exit} for any row"));
        }
        self.label = "step";
        let slots: Vec<String> = pass.accumulators.iter().map(|a| self.slot_of(a)).collect();
        for (accumulator, slot) in pass.accumulators.iter().zip(&slots) {
            self.names.insert(accumulator.param, slot.clone());
        }
        self.parameters = pass.accumulators.iter().map(|a| a.param).collect();
        let keeps_order = |a: &&Accumulator| {
            let inst = self.program.values.get(a.next.index()).map(|def| &def.inst);
            let used = inst.map(operands).unwrap_or_default();
            used.iter().all(|v| *v == a.param || !self.parameters.contains(v))
        };
        let folded = pass.accumulators.iter().filter(keeps_order).map(|a| a.next).collect();
        self.block(&pass.step, &folded);
        for accumulator in &pass.accumulators {
            let next = accumulator.next;
            if next != accumulator.param && self.parameters.contains(&next) {
                let name = self.named(&self.operand(next));
                self.names.insert(next, name);
            }
        }
        for (accumulator, slot) in pass.accumulators.iter().zip(&slots) {
            let next = self.operand(accumulator.next);
            self.line(&format!("{slot} <- {next}"));
        }
        self.parameters.clear();
        self.label = "flush";
        for accumulator in pass.accumulators.iter().filter(|a| a.start == Start::Zero) {
            let whole = self.slot(accumulator.array, &accumulator.index);
            let part = self.slot_of(accumulator);
            self.line(&format!("{whole} <- add {whole}, {part}"));
        }
        self.depth = depth;
    }

    /// The name of an accumulator: its slot, or what is added to that at the end of the chunk.
    fn slot_of(&self, accumulator: &Accumulator) -> String {
        let slot = self.slot(accumulator.array, &accumulator.index);
        match accumulator.start {
            Start::State => slot,
            Start::Zero => format!("part.{slot}"),
        }
    }

    /// Statements; `later` are values that a line after the block writes out.
    fn block(&mut self, block: &'p [Stmt], later: &HashSet<Value>) {
        let mut folded = later.clone();
        folded.extend(block.iter().filter_map(|stmt| match stmt {
            Stmt::Store(_, _, value) => Some(*value),
            _ => None,
        }));
        for stmt in block {
            match stmt {
                Stmt::Let(value) => self.value(*value, folded.contains(value)),
                Stmt::Store(array, index, value) => {
                    let (slot, value) = (self.slot(*array, index), self.operand(*value));
                    self.line(&format!("{slot} <- {value}"));
                }
                Stmt::Loop(id) => self.counted_loop(*id),
            }
        }
    }

    fn value(&mut self, value: Value, is_folded: bool) {
        let Some(def) = self.program.values.get(value.index()) else { return };
        let text = self.inst(&def.inst);
        let once = self.uses[value.index()] == 1;
        let name = match &def.inst {
            Inst::Float(_) | Inst::Int(_) | Inst::Counter(_) => text,
            Inst::Load(array, _) if !self.written.contains(array) => text,
            Inst::Compare(..) if once && !is_folded => format!("({text})"),
            Inst::Load(..) => self.named(&text),
            _ if once && is_folded => text,
            _ => self.named(&text),
        };
        self.names.insert(value, name);
    }

    /// Print a line that names a value.
    fn named(&mut self, text: &str) -> String {
        let name = format!("t{}", self.values);
        self.values += 1;
        self.line(&format!("{name} = {text}"));
        name
    }

    fn counted_loop(&mut self, id: LoopId) {
        let Some(definition) = self.program.loops.get(id.index()) else { return };
        if self.loops.contains_key(&id) {
            return self.line("loop again");
        }
        let mut starts = Vec::new();
        for carried in &definition.carried {
            let name = format!("s{}", self.carried);
            self.carried += 1;
            starts.push(format!("{name} = {}", self.operand(carried.init)));
            self.names.insert(carried.param, name.clone());
            self.names.insert(carried.result, name);
        }
        self.enter("d", id, starts);
        let nexts = definition.carried.iter().map(|c| c.next).collect();
        self.block(&definition.body, &nexts);
        let nexts: Vec<String> = definition
            .carried
            .iter()
            .filter(|c| c.next != c.param)
            .map(|c| format!("{} <- {}", self.operand(c.param), self.operand(c.next)))
            .collect();
        if !nexts.is_empty() {
            self.line(&nexts.join(", "));
        }
        self.depth -= 1;
    }

    fn enter(&mut self, name: &str, id: LoopId, starts: Vec<String>) {
        let count = self.program.loops.get(id.index()).map_or(0, |l| l.count);
        let name = match name {
            "component" => "e".to_owned(),
            other => format!("{other}{}", self.loops.len()),
        };
        let with = if starts.is_empty() { "" } else { " with " };
        let only = self.program.loops.get(id.index()).and_then(|l| l.skip_unless);
        let only = only.map(|mask| format!(" if any {}", self.operand(mask))).unwrap_or_default();
        self.line(&format!("for {name} in 0..{count}{only}{with}{}", starts.join(", ")));
        self.loops.insert(id, name);
        self.depth += 1;
    }

    fn line(&mut self, line: &str) {
        let (label, indent) = (std::mem::take(&mut self.label), 2 * self.depth);
        let _ = writeln!(self.text, "{label:LABEL$}{:indent$}{line}", "");
    }

    fn operand(&self, value: Value) -> String {
        self.names.get(&value).cloned().unwrap_or_else(|| format!("%{}", value.0))
    }

    fn slot(&self, array: ArrayId, index: &Index) -> String {
        let name = self.program.arrays.get(array.index()).map_or("?", |a| &a.name);
        let mut terms: Vec<String> = Vec::new();
        for (id, stride) in &index.terms {
            let counter = self.counter(*id);
            terms.push(if *stride == 1 { counter } else { format!("{stride}*{counter}") });
        }
        if index.offset > 0 || terms.is_empty() {
            terms.push(index.offset.to_string());
        }
        format!("{name}[{}]", terms.join(" + "))
    }

    fn counter(&self, id: LoopId) -> String {
        self.loops.get(&id).cloned().unwrap_or_else(|| "?".to_owned())
    }

    fn inst(&self, inst: &Inst) -> String {
        let name = match inst {
            Inst::Float(c) => return float(self.program.float, *c),
            Inst::Int(c) => return integer(self.program.float, *c),
            Inst::Load(array, index) => return self.slot(*array, index),
            Inst::Counter(id) => return self.counter(*id),
            Inst::Shift(op, a, bits) => {
                return format!("{} {}, {bits}", shift(*op), self.operand(*a));
            }
            Inst::Unary(op, _) => unary(*op),
            Inst::Binary(op, ..) => binary(*op),
            Inst::Fma(..) => "fma",
            Inst::FmaNeg(..) => "fnma",
            Inst::Compare(op, ..) => compare(*op),
            Inst::Select(..) => "select",
            Inst::Call(f, _) => function(*f),
            Inst::Bound => "bound",
        };
        let operands: Vec<String> = operands(inst).into_iter().map(|v| self.operand(v)).collect();
        format!("{name} {}", operands.join(", "))
    }
}

/// How often each value is used.
fn uses(program: &Program) -> Vec<u32> {
    let mut uses = vec![0; program.values.len()];
    let mut used = |value: Value| {
        if let Some(count) = uses.get_mut(value.index()) {
            *count += 1;
        }
    };
    let straight = [&program.param, &program.row, &program.col, &program.merge, &program.finish];
    let passes = program.passes.iter().flat_map(|p| [&p.pair, &p.step]);
    let bodies = program.loops.iter().map(|l| &l.body);
    for stmt in straight.into_iter().chain(passes).chain(bodies).flatten() {
        match stmt {
            Stmt::Let(value) => {
                let inst = program.values.get(value.index()).map(|def| &def.inst);
                inst.map(operands).unwrap_or_default().into_iter().for_each(&mut used);
            }
            Stmt::Store(_, _, value) => used(*value),
            Stmt::Loop(_) => {}
        }
    }
    program.loops.iter().filter_map(|l| l.skip_unless).for_each(&mut used);
    for carried in program.loops.iter().flat_map(|l| &l.carried) {
        used(carried.init);
        used(carried.next);
    }
    for pass in &program.passes {
        pass.accumulators.iter().for_each(|a| used(a.next));
        pass.exit_if_any.into_iter().for_each(&mut used);
    }
    uses
}

/// The arrays that a block and the loops in it write.
fn stores(program: &Program, block: &[Stmt], arrays: &mut HashSet<ArrayId>) {
    let mut open = vec![block];
    let mut seen = HashSet::new();
    while let Some(block) = open.pop() {
        for stmt in block {
            match stmt {
                Stmt::Let(_) => {}
                Stmt::Store(array, ..) => {
                    arrays.insert(*array);
                }
                Stmt::Loop(id) => {
                    if let (true, Some(l)) = (seen.insert(*id), program.loops.get(id.index())) {
                        open.push(&l.body);
                    }
                }
            }
        }
    }
}

/// The shortest decimal that reads back as the same number of the type.
fn float(ty: Float, c: f64) -> String {
    let text = match ty {
        Float::F32 => format!("{:?}", c as f32),
        Float::F64 => format!("{c:?}"),
    };
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if c.is_nan() { "nan".to_owned() } else { text.to_owned() }
}

/// Small integers in decimal, others as the bits they stand for.
fn integer(ty: Float, c: i64) -> String {
    match ty {
        _ if c.unsigned_abs() < 4096 => c.to_string(),
        Float::F32 => format!("{:#x}", c as u32),
        Float::F64 => format!("{:#x}", c as u64),
    }
}

fn unary(op: Unary) -> &'static str {
    match op {
        Unary::Neg => "neg",
        Unary::Abs => "abs",
        Unary::Sqrt => "sqrt",
        Unary::Floor => "floor",
        Unary::Nearest => "nearest",
        Unary::ToBits => "to_bits",
        Unary::FromBits => "from_bits",
        Unary::IntToFloat => "int_to_float",
        Unary::FloatToInt => "float_to_int",
    }
}

fn binary(op: Binary) -> &'static str {
    match op {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Min => "min",
        Binary::Max => "max",
        Binary::IntAdd => "int_add",
        Binary::IntSub => "int_sub",
        Binary::And => "and",
        Binary::Or => "or",
        Binary::Xor => "xor",
        Binary::ScaleExp2 => "scale_exp2",
    }
}

fn shift(op: Shift) -> &'static str {
    match op {
        Shift::Left => "shift_left",
        Shift::RightLogical => "shift_right",
        Shift::RightArithmetic => "shift_right_signed",
    }
}

fn compare(op: Compare) -> &'static str {
    match op {
        Compare::Eq => "eq",
        Compare::Ne => "ne",
        Compare::Lt => "lt",
        Compare::Le => "le",
        Compare::Unordered => "unordered",
    }
}

fn function(f: Function) -> &'static str {
    match f {
        Function::Exp => "exp",
        Function::Exp2 => "exp2",
        Function::Log => "log",
        Function::Sin => "sin",
        Function::Cos => "cos",
        Function::Asin => "asin",
        Function::Acos => "acos",
        Function::Atan => "atan",
        Function::Atan2 => "atan2",
        Function::Pow => "pow",
    }
}

#[cfg(test)]
mod tests;
