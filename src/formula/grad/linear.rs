//! Whether a formula is, by its structure, a linear map of one of its variables, and how it couples the components.

use crate::formula::graph::{Graph, Refusal};
use crate::formula::op::Op;
use crate::formula::{Formula, NodeId};

/// What a linear formula does with the components of its variable; each case is one of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coupling {
    /// All components are multiplied by the same number.
    Same,
    /// Each component is multiplied by a number of its own.
    Apart,
    /// Components of the result may depend on any component.
    Mixed,
}

/// How a formula acts on the argument at a position; `None` if it is not, by its structure, a linear map of it.
///
/// ```
/// use genred::formula::grad::{Coupling, coupling};
/// use genred::formula::typing;
/// let aliases = ["x = Vi(2)", "y = Vj(2)", "b = Vj(2)"];
/// let of = |text| typing::formula(text, None, &aliases).map(|f| coupling(&f, 2));
/// assert_eq!(of("Exp(-SqDist(x, y)) * b")?, Some(Coupling::Same));
/// assert_eq!(of("Exp(-Square(x - y)) * b")?, Some(Coupling::Apart));
/// assert_eq!(of("(x - y | b) * (x - y)")?, Some(Coupling::Mixed));
/// assert_eq!(of("Exp(b)")?, None);
/// # Ok::<(), genred::Error>(())
/// ```
pub fn coupling(formula: &Formula, variable: u32) -> Option<Coupling> {
    let mut graph = Graph::of(formula);
    let (f, v) = (formula.roots[0], graph.variable(variable).ok()?);
    let linear = v <= f && graph.is_linear(f, v).ok()?;
    linear.then(|| graph.coupling(f, v))
}

/// How a node depends on the variable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dependence {
    /// Always zero: both of the others.
    Zero,
    /// Not at all.
    Free,
    /// Linearly.
    Linear,
    /// In any other way.
    Other,
}

impl Graph {
    /// Whether f is a linear map of the variable node v.
    pub(in crate::formula) fn is_linear(&mut self, f: NodeId, v: NodeId) -> Result<bool, Refusal> {
        self.step_walk(f)?;
        let mut known: Vec<Dependence> = Vec::with_capacity(f.index() + 1);
        for k in 0..=f.index() {
            let node = NodeId(k as u32);
            known.push(if node == v { Dependence::Linear } else { self.dependence(node, &known) });
        }
        Ok(matches!(known[f.index()], Dependence::Linear | Dependence::Zero))
    }

    fn dependence(&self, node: NodeId, known: &[Dependence]) -> Dependence {
        use Dependence::{Free, Linear, Other, Zero};
        let (op, args) = self.parts_of(node);
        let of = |k: usize| known[args[k].index()];
        let all = |allowed: &[Dependence], from: usize| {
            args[from..].iter().all(|a| allowed.contains(&known[a.index()]))
        };
        if self.is_zero(node) {
            return Zero;
        }
        if all(&[Free, Zero], 0) {
            return Free;
        }
        let linear = match op {
            Op::Neg
            | Op::Sum
            | Op::Broadcast
            | Op::Extract { .. }
            | Op::Insert { .. }
            | Op::Gather { .. }
            | Op::Concat
            | Op::Add
            | Op::Sub => all(&[Linear, Zero], 0),
            Op::Mul
            | Op::Scalprod
            | Op::MatVecMult
            | Op::VecMatMult
            | Op::TensorProd
            | Op::Contract { .. } => {
                matches!((of(0), of(1)), (Linear, Free) | (Free, Linear))
            }
            Op::Div => of(0) == Linear && of(1) == Free,
            Op::IfElse => matches!(of(0), Free | Zero) && all(&[Linear, Zero], 1),
            _ => false,
        };
        if linear { Linear } else { Other }
    }

    /// How the linear map f of v couples the components of v.
    fn coupling(&self, f: NodeId, v: NodeId) -> Coupling {
        use Coupling::{Apart, Mixed, Same};
        if self.dim(f) == 1 && self.dim(v) == 1 {
            return Same;
        }
        // `None`: v is not in it.
        let mut known: Vec<Option<Coupling>> = Vec::with_capacity(f.index() + 1);
        for k in 0..=f.index() {
            let node = NodeId(k as u32);
            let (op, args) = self.parts_of(node);
            let own = args.iter().filter_map(|a| known[a.index()]).max();
            // A factor without v is the same for all components if it is one number, or a constant.
            let uniform = |a: &NodeId| self.dim(*a) == 1 || self.constant(*a).is_some();
            let factors = || args.iter().filter(|a| known[a.index()].is_none()).all(uniform);
            known.push(match (op, own) {
                _ if node == v => Some(Same),
                (_, None) => None,
                _ if self.dim(node) != self.dim(v) => Some(Mixed),
                (Op::Neg, own) => own,
                (Op::Add | Op::Sub, own) if args.iter().all(|a| known[a.index()].is_some()) => own,
                (Op::Mul | Op::Div | Op::IfElse, own) => {
                    own.max(Some(if factors() { Same } else { Apart }))
                }
                _ => Some(Mixed),
            });
        }
        known[f.index()].unwrap_or(Same)
    }
}
