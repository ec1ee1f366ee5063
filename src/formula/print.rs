//! Typed formulas as text: for people, and without alias names as the canonical text that identifies compiled kernels.

use super::op::{Axis, Op};
use super::{Formula, Node, Variability};
use std::fmt::Write;

impl Formula {
    /// A line a node, `%n = op operands : variability[dim]`.
    pub fn text(&self) -> String {
        self.lines(|position| self.variables[position as usize].name.clone())
    }

    /// The same with variables as position, category and dim, so that renamed aliases give equal text.
    pub fn canonical_text(&self) -> String {
        let mut text = String::new();
        for (k, v) in self.variables.iter().enumerate() {
            let _ = writeln!(text, "argument {k} = {}({})", v.category.text(), v.dim);
        }
        text + &self.lines(|position| format!("argument {position}"))
    }

    fn lines(&self, name: impl Fn(u32) -> String) -> String {
        let mut text = String::new();
        for (k, node) in self.nodes.iter().enumerate() {
            let _ = writeln!(
                text,
                "%{k} = {} : {}[{}]",
                head(node, &name),
                variability(node.variability),
                node.dim
            );
        }
        for (k, root) in self.roots.iter().enumerate() {
            let _ = writeln!(text, "{} %{}", if k == 0 { "formula" } else { "weight" }, root.0);
        }
        if let Some(keep) = self.keep {
            let _ = writeln!(text, "keep %{}", keep.0);
        }
        text
    }
}

fn variability(v: Variability) -> &'static str {
    match v {
        Variability::Const => "const",
        Variability::Param => "param",
        Variability::I => "i",
        Variability::J => "j",
        Variability::Pair => "pair",
    }
}

fn head(node: &Node, name: impl Fn(u32) -> String) -> String {
    let mut text = match &node.op {
        Op::Variable(position) => return name(*position),
        Op::Constant(number) => return number.to_string(),
        Op::Index { i, j, offset } => return format!("Index[{i} i, {j} j, {offset}]"),
        Op::Round(digits) => format!("Round[{digits}]"),
        Op::Pow(exponent) => format!("Pow[{exponent}]"),
        Op::Extract { start } => format!("Extract[{start}]"),
        Op::Insert { start } => format!("Insert[{start}]"),
        Op::Gather { start, axes } => {
            let axes: Vec<String> = axes.iter().map(|a| format!("{}:{}", a.len, a.step)).collect();
            format!("Gather[{start}; {}]", axes.join(", "))
        }
        Op::Contract { kept, summed } => {
            let text = |axes: &[Axis]| -> String {
                let axes: Vec<String> =
                    axes.iter().map(|a| format!("{}:{}:{}", a.len, a.f, a.g)).collect();
                axes.join(", ")
            };
            format!("Contract[{}; {}]", text(kept), text(summed))
        }
        op => format!("{op:?}"),
    };
    for (k, arg) in node.args.iter().enumerate() {
        let _ = write!(text, "{} %{}", if k == 0 { "" } else { "," }, arg.0);
    }
    text
}
