//! Kernels of the CUDA engine: formulas with reductions, dtypes and shape classes, and their sources.

use crate::common::choices::Choices;
use crate::common::formulas;
use crate::suite::{Call, Found, Problem, Tally};
use genred::cuda::{Emitted, Math, Request};
use genred::eval::bound::{self, Tree};
use genred::formula::Formula;
use genred::loops::build::{self, Lowered, Scheme, Source};
use genred::loops::builder::Functions;
use genred::reduce::Family;
use genred::schedule::Lanes;
use genred::{DType, Float, Reduction};

/// Aliases besides those of [`formulas`]: long enough for contractions and divided outputs.
const WIDE_ALIASES: &[&str] =
    &["p = Vi(100)", "q = Vj(100)", "c = Vj(64)", "h = Vj(70)", "k = Vi(37)", "l = Vj(37)"];

/// Formulas over them.
const WIDE: &[&str] = &[
    "SqDist(p, q)",
    "Exp(-SqDist(k, l))",
    "Exp(-SqDist(x, y))*c",
    "Exp(-g*SqDist(x, y))*h",
    "Exp(-SqDist(k, l)/20)*c",
    "(k | l) + Sum(p)*Max(q)",
    "Sum(Abs(k - l))*Sqrt(SqDist(p, q))",
    "x[0]*c + h[1:65]",
    "(u - v)*Exp(-SqDist(x, y))",
    "Log(1 + Square(k - l))",
];

/// Formulas of dim 1 with long weights.
const WIDE_WEIGHTED: &[(&str, Option<&str>)] =
    &[("(k | l)/6", Some("c")), ("-SqDist(x, y)", Some("c*s")), ("-SqDist(p, q)/50", None)];

/// One kernel.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is computed.
    pub problem: Problem,
    /// How sums are accumulated.
    pub scheme: Scheme,
    /// Type of the arrays.
    pub stored: DType,
    /// Compute type.
    pub float: Float,
    /// The shape class.
    pub lanes: Lanes,
    /// How exact it is.
    pub math: Math,
}

impl Case {
    /// A problem in a dtype as it is compiled by default.
    pub fn new(problem: Problem, stored: DType, lanes: Lanes) -> Case {
        let (float, math) = (stored.compute(), Math::Accurate);
        Case { problem, scheme: Scheme::Block, stored, float, lanes, math }
    }

    /// The typed formula.
    pub fn formula(&self) -> Formula {
        self.problem
            .typed()
            .unwrap_or_else(|e| panic!("`{}` is well-formed: {e}", self.problem.formula))
    }

    /// The program, with functions as intrinsics.
    pub fn lowered(&self, formula: &Formula) -> Lowered {
        build::build(&Source {
            formula,
            rows: self.problem.rows(),
            reductions: &[self.problem.reduction],
            scheme: self.scheme,
            float: self.float,
            fma: true,
            functions: Functions::Intrinsic,
        })
        .expect("a program within its limit")
    }

    /// What its source is made from.
    pub fn request(&self, formula: &Formula) -> Request {
        Request {
            reduction: self.problem.reduction,
            dim: formula.root_dim(0),
            stored: self.stored,
            lanes: self.lanes,
            math: self.math,
        }
    }

    /// The source.
    ///
    /// # Errors
    /// The text of the refusal.
    pub fn emit(&self) -> Result<Emitted, String> {
        let formula = self.formula();
        self.request(&formula)
            .emit(&self.lowered(&formula))
            .map_err(|e| format!("{}: {e}", self.name()))
    }

    /// What it is, on a line.
    pub fn name(&self) -> String {
        let Case { problem, scheme, stored, float, lanes, math } = self;
        let k = problem.reduction.k().map_or(String::new(), |k| format!(" K={k}"));
        let weight = problem.weight.as_ref().map_or(String::new(), |w| format!(" weight {w}"));
        let (name, text, rows) =
            (problem.reduction.name(), &problem.formula, problem.rows().text());
        format!(
            "{name}{k} of {text}{weight}, {scheme:?}, {rows}, {stored} in {float}, lanes {lanes:?}, {math:?}"
        )
    }

    /// Rows and columns of the output side as numbers of i- and j-points.
    pub fn sides(&self, rows: usize, columns: usize) -> (usize, usize) {
        if self.problem.axis == 1 { (rows, columns) } else { (columns, rows) }
    }

    /// Compare with the oracle.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, call: &Call, found: &Found) -> Result<Tally, String> {
        let task = self.problem.task(call, self.float);
        // Partial sums of threads, segments and chunks add a few roundings to those of the terms.
        let height = task.columns() as f64 + 80.0;
        let bounds = bound::reduce(&task, Tree { height, rescales: height });
        crate::suite::check(&self.problem, call, self.stored, &bounds, found)
    }
}

/// Every formula with every kind of reduction; dtypes, schemes and shape classes as the dice fall.
pub fn cases(choices: &mut Choices<'_>) -> Vec<Case> {
    let aliases: Vec<&str> = formulas::ALIASES.iter().chain(WIDE_ALIASES).copied().collect();
    let mut cases = Vec::new();
    let mut add = |choices: &mut Choices<'_>,
                   text: &str,
                   weight: Option<&str>,
                   reduction: Reduction| {
        let mut problem = Problem::new(reduction, text, &aliases);
        problem.weight = weight.map(str::to_owned);
        problem.axis = choices.pick(&[0, 1]);
        let stored = choices.pick(&[DType::F16, DType::F32, DType::F32, DType::F64]);
        let mut case =
            Case::new(problem, stored, choices.pick(&[Lanes::Rows, Lanes::Rows, Lanes::Columns]));
        if reduction.family() != Family::Selection {
            case.scheme =
                choices.pick(&[Scheme::Block, Scheme::Block, Scheme::Direct, Scheme::Kahan]);
        }
        cases.push(case);
    };
    let selections = [
        Reduction::Min,
        Reduction::MaxArgMax,
        Reduction::ArgMin,
        Reduction::KMinArgKMin(3),
        Reduction::ArgKMin(7),
    ];
    for text in formulas::FORMULAS.iter().chain(WIDE) {
        add(choices, text, None, Reduction::Sum);
        for _ in 0..2 {
            let selection = choices.pick(&selections);
            add(choices, text, None, selection);
        }
    }
    for (text, weight) in formulas::WEIGHTED.iter().chain(WIDE_WEIGHTED) {
        for reduction in formulas::EXPONENTIAL {
            if weight.is_some() || *reduction != Reduction::SumSoftMaxWeight {
                add(choices, text, *weight, *reduction);
            }
        }
    }
    for k in [1, 10, 40] {
        add(choices, "SqDist(x, y)", None, Reduction::ArgKMin(k));
        add(choices, "SqDist(k, l)", None, Reduction::KMin(k));
    }
    cases
}
