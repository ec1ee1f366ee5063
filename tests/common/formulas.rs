//! Formulas that between them use every operation of the language, short and long vectors, and every reduction.

use genred::Float;
use genred::Reduction;
use genred::formula::{Category, typing};
use genred::loops::build::{self, Lowered, Scheme, Source};
use genred::loops::builder::Functions;

/// Aliases of all formulas below: short and long vectors of every category, an inline scale.
pub const ALIASES: &[&str] = &[
    "x = Vi(3)",
    "y = Vj(3)",
    "g = Pm(1)",
    "b = Vj(5)",
    "u = Vi(20)",
    "v = Vj(20)",
    "w = Pm(20)",
    "s = Vi(1)",
    "t = Vj(1)",
    "m = Vj(60)",
];

/// Formulas of any dim, for sums and selections.
pub const FORMULAS: &[&str] = &[
    "Exp(-SqNorm2(x - y))",
    "Exp(-g*SqNorm2(x - y))*b",
    "Exp(-SqDist(u, v)*g)*v",
    "SqDist(x, y)",
    "SqDist(u, v)",
    "WeightedSqDist(w, u, v)",
    "WeightedSqNorm(g, x - y)",
    "(x | y)*u",
    "x + y*2 - 1/2*x",
    "Concat(x, y, Exp(x*y))",
    "Concat(u, v)",
    "Sum(u*v)*Concat(x, y)",
    "MatVecMult(m, u)",
    "VecMatMult(x, m)",
    "TensorProd(x, y)",
    "TensorProd(u, y)",
    "Sin(s*t) + Cos(s - t)",
    "Log(Abs(x) + 1) - Log(Square(y))",
    "Asin(Clamp(s, -1, 1))*Acos(t) + Atan(s*t)",
    "Atan2(x, y)",
    "Powf(Abs(s), t)",
    "Pow(s - t, 3) + Pow(t, -2)",
    "Sqrt(Abs(x - y)) + Rsqrt(Square(x))",
    "XLogX(Abs(x)) - SinXDivX(y)",
    "Sign(x - y)*Step(y) + ReLU(x)",
    "Floor(x*3) + Round(y, 0) + Round(x, 2) - Round(y, -1)",
    "Mod(x, 3, 0) + Mod(y, -2, 1)",
    "(x == y) + (x < y) + (x <= y) + (x != y)",
    "IfElse(x, y, s)",
    "Clamp(x, s, t)",
    "ClampInt(s, -1, 2)*DiffClampInt(t, 0, 1)",
    "Max(u)*Min(v) + Max(x - y)",
    "ArgMax(u - v)*ArgMin(x)",
    "OneHot(s, 7) + OneHot(t, 7)",
    "OneHot(s, 30)*u[3]",
    "ElemT(s*t, 5, 2) + ElemT(s, 5, 0)",
    "ExtractT(x, 4, 40)*t",
    "Extract(m, 7, 23)*s",
    "u[2:9] + v[11:18]",
    "Normalize(x) - Normalize(u)[1:4]",
    "Norm2(u - v)",
    "Inv(1 + SqDist(u, v))*Exp(u)",
    "Exp(s)*Exp(-t)*g",
    "IntCst(2)",
    "g*w",
    "Exp(u - v) + Exp(u - v)*Exp(u - v)",
    "Sum(Exp(Concat(u, v)*g))",
    "Sqrt(Sum(Square(m - t)))",
    // Beyond 5,000 instructions another register allocator is used.
    "Sum(Powf(Abs(Concat(x, y, x)), Concat(y, x, y)))",
];

/// Formulas of dim 1 with weights, for the exponential reductions.
pub const WEIGHTED: &[(&str, Option<&str>)] = &[
    ("-SqDist(x, y)", None),
    ("(u | v)*g", Some("t")),
    ("s*t", Some("b")),
    ("s - 2*t", Some("v*s")),
    ("Log(Abs(s*t))", Some("Concat(y, Exp(-Abs(y)))")),
];

/// A reduction of one of the formulas, lowered.
pub fn lowered(
    text: &str,
    weight: Option<&str>,
    reduction: Reduction,
    scheme: Scheme,
    rows: Category,
    float: Float,
    fma: bool,
) -> Lowered {
    let formula = typing::formula(text, weight, ALIASES)
        .unwrap_or_else(|e| panic!("`{text}` is well-formed: {e}"));
    let functions = Functions::Expanded;
    build::build(&Source {
        formula: &formula,
        rows,
        reductions: &[reduction],
        scheme,
        float,
        fma,
        functions,
    })
    .expect("a program within its limit")
}

/// Every reduction that takes no weight and needs no dim.
pub const PLAIN: &[Reduction] =
    &[Reduction::Sum, Reduction::Min, Reduction::Max, Reduction::ArgMin, Reduction::KMinArgKMin(3)];

/// The reductions over exponentials.
pub const EXPONENTIAL: &[Reduction] =
    &[Reduction::LogSumExp, Reduction::MaxSumShiftExp, Reduction::SumSoftMaxWeight];

/// Every scheme of sums.
pub const SCHEMES: &[Scheme] = &[Scheme::Direct, Scheme::Block, Scheme::Kahan];
