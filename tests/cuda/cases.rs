//! Cases of the CUDA engine: formulas with reductions, dtypes and shape classes, and their sources.

use crate::common::choices::Choices;
use crate::common::formulas;
use genred::cuda::{Emitted, Math, Request};
use genred::formula::{Category, Formula, typing};
use genred::loops::build::{self, Lowered, Scheme, Source};
use genred::loops::builder::Functions;
use genred::reduce::Family;
use genred::schedule::Lanes;
use genred::{DType, Float, Reduction};

/// Aliases besides those of [`formulas`]: long enough for contractions and divided outputs.
const WIDE_ALIASES: &[&str] = &["p = Vi(100)", "q = Vj(100)", "c = Vj(64)", "h = Vj(70)", "k = Vi(37)", "l = Vj(37)"];

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
    /// F.
    pub text: &'static str,
    /// The weight.
    pub weight: Option<&'static str>,
    /// What is done with F.
    pub reduction: Reduction,
    /// How sums are accumulated.
    pub scheme: Scheme,
    /// The category of the output's rows.
    pub rows: Category,
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
    /// All aliases.
    pub fn aliases() -> Vec<&'static str> {
        formulas::ALIASES.iter().chain(WIDE_ALIASES).copied().collect()
    }

    /// The typed formula.
    pub fn formula(&self) -> Formula {
        typing::formula(self.text, self.weight, &Case::aliases())
            .unwrap_or_else(|e| panic!("`{}` is well-formed: {e}", self.text))
    }

    /// The program, with functions as intrinsics.
    pub fn lowered(&self, formula: &Formula) -> Lowered {
        build::build(&Source {
            formula,
            rows: self.rows,
            reduction: self.reduction,
            scheme: self.scheme,
            float: self.float,
            fma: true,
            functions: Functions::Intrinsic,
        })
    }

    /// What its source is made from.
    pub fn request(&self, formula: &Formula) -> Request {
        Request {
            reduction: self.reduction,
            dim: formula.root_dim(0),
            stored: self.stored,
            lanes: self.lanes,
            math: self.math,
        }
    }

    /// The source; the text of the refusal if there is none.
    pub fn emit(&self) -> Result<Emitted, String> {
        let formula = self.formula();
        self.request(&formula).emit(&self.lowered(&formula)).map_err(|e| e.to_string())
    }

    /// What it is, on a line.
    pub fn name(&self) -> String {
        let Case { text, weight, reduction, scheme, rows, stored, float, lanes, math } = self;
        let k = reduction.k().map_or(String::new(), |k| format!(" K={k}"));
        let weight = weight.map_or(String::new(), |w| format!(" weight {w}"));
        format!(
            "{}{k} of {text}{weight}, {scheme:?}, rows {rows:?}, {stored} in {float}, lanes {lanes:?}, {math:?}",
            reduction.name()
        )
    }
}

/// Every formula with every kind of reduction; dtypes, schemes and shape classes as the dice fall.
pub fn cases(choices: &mut Choices<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |choices: &mut Choices<'_>, text, weight, reduction: Reduction| {
        let (stored, float) = choices.pick(&[
            (DType::F16, Float::F32),
            (DType::F32, Float::F32),
            (DType::F32, Float::F32),
            (DType::F32, Float::F64),
            (DType::F64, Float::F64),
        ]);
        let scheme = match reduction.family() {
            Family::Selection => Scheme::Direct,
            _ => choices.pick(&[Scheme::Block, Scheme::Block, Scheme::Direct, Scheme::Kahan]),
        };
        let rows = choices.pick(&[Category::I, Category::J]);
        let lanes = choices.pick(&[Lanes::Rows, Lanes::Rows, Lanes::Columns]);
        let math = Math::Accurate;
        cases.push(Case { text, weight, reduction, scheme, rows, stored, float, lanes, math });
    };
    let plain = [
        Reduction::Sum,
        Reduction::Min,
        Reduction::MaxArgMax,
        Reduction::ArgMin,
        Reduction::KMinArgKMin(3),
    ];
    for text in formulas::FORMULAS.iter().chain(WIDE) {
        for reduction in plain {
            add(choices, *text, None, reduction);
        }
    }
    for (text, weight) in formulas::WEIGHTED.iter().chain(WIDE_WEIGHTED) {
        for reduction in formulas::EXPONENTIAL {
            if weight.is_some() || *reduction != Reduction::SumSoftMaxWeight {
                add(choices, *text, *weight, *reduction);
            }
        }
    }
    for k in [1, 10, 40] {
        add(choices, "SqDist(x, y)", None, Reduction::ArgKMin(k));
        add(choices, "SqDist(k, l)", None, Reduction::KMin(k));
    }
    cases
}
