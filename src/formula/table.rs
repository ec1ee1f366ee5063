//! THE table of operations: everything a user can write, read by the typer, by messages, by the documentation and by tests.

use super::op::Op;

/// Kind of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// An expression.
    Expr,
    /// An integer literal.
    Int,
}

/// How typed nodes are made of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Build {
    /// One element-wise node.
    Elementwise(Op),
    /// One node of dim 1 over the components.
    Reduce(Op),
    /// Element-wise, with one integer argument at the end.
    WithInt(fn(i32) -> Op),
    /// Anything else: a rule of the typer.
    Rule(Rule),
}

/// Operations whose typing is more than a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the operation of its table row")]
pub enum Rule {
    IntCst,
    RatCst,
    IntInv,
    Zero,
    Var,
    ClampInt,
    DiffClampInt,
    SumT,
    Scalprod,
    SqNorm2,
    Norm2,
    Normalize,
    SqDist,
    WeightedSqNorm,
    WeightedSqDist,
    SqNormIso,
    SqNormDiag,
    SymSqNorm,
    Elem,
    ElemT,
    Extract,
    ExtractT,
    Concat,
    OneHot,
    MatVecMult,
    VecMatMult,
    TensorProd,
    Identity,
}

/// An operation as users write it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The name, and others that mean the same.
    pub names: &'static [&'static str],
    /// Its arguments; the last may be left out if `optional`, or be repeated if `variadic`.
    pub args: &'static [Arg],
    /// How many arguments may be left out at the end.
    pub optional: usize,
    /// Whether the last argument may be repeated.
    pub variadic: bool,
    /// Dims: operands to result.
    pub dims: &'static str,
    /// The value, special cases included.
    pub meaning: &'static str,
    /// How it is typed.
    pub build: Build,
}

impl Row {
    /// The name that is printed.
    pub fn name(&self) -> &'static str {
        self.names[0]
    }
}

const E1: &[Arg] = &[Arg::Expr];
const E2: &[Arg] = &[Arg::Expr, Arg::Expr];
const E3: &[Arg] = &[Arg::Expr, Arg::Expr, Arg::Expr];
const I1: &[Arg] = &[Arg::Int];
const I2: &[Arg] = &[Arg::Int, Arg::Int];
const I3: &[Arg] = &[Arg::Int, Arg::Int, Arg::Int];
const EI: &[Arg] = &[Arg::Expr, Arg::Int];
const EII: &[Arg] = &[Arg::Expr, Arg::Int, Arg::Int];

const SAME: &str = "D -> D";
const BROADCAST: &str = "D, D or 1 -> D";

const fn row(
    names: &'static [&'static str],
    args: &'static [Arg],
    dims: &'static str,
    meaning: &'static str,
    build: Build,
) -> Row {
    Row { names, args, optional: 0, variadic: false, dims, meaning, build }
}

const fn variadic(mut row: Row) -> Row {
    row.variadic = true;
    row
}

const fn optional(mut row: Row) -> Row {
    row.optional = 1;
    row
}

use Build::{Elementwise, Reduce, WithInt};
const fn rule(rule: Rule) -> Build {
    Build::Rule(rule)
}

/// Every operation, by section of the language.
pub static TABLE: &[Row] = &[
    row(&["IntCst"], I1, "-> 1", "the integer n", rule(Rule::IntCst)),
    row(&["RatCst"], I2, "-> 1", "p/q exactly; q must not be 0", rule(Rule::RatCst)),
    row(&["IntInv"], I1, "-> 1", "1/n exactly; n must not be 0", rule(Rule::IntInv)),
    row(&["Zero"], I1, "-> d", "d zeros", rule(Rule::Zero)),
    row(
        &["Var"],
        I3,
        "-> d",
        "Var(k, d, c): argument k of the call, dim d, category c (0 i, 1 j, 2 parameter)",
        rule(Rule::Var),
    ),
    row(
        &["Vi", "Vx"],
        I2,
        "-> d",
        "Vi(k, d): argument k of the call, one row for every i",
        rule(Rule::Var),
    ),
    row(
        &["Vj", "Vy"],
        I2,
        "-> d",
        "Vj(k, d): argument k of the call, one row for every j",
        rule(Rule::Var),
    ),
    row(&["Pm"], I2, "-> d", "Pm(k, d): argument k of the call, a parameter", rule(Rule::Var)),
    row(&["Minus"], E1, SAME, "-f", Elementwise(Op::Neg)),
    row(&["Abs"], E1, SAME, "absolute value", Elementwise(Op::Abs)),
    row(&["Exp"], E1, SAME, "e^f", Elementwise(Op::Exp)),
    row(&["Log"], E1, SAME, "natural logarithm; -inf at 0, NaN below", Elementwise(Op::Log)),
    row(&["Sin"], E1, SAME, "sine", Elementwise(Op::Sin)),
    row(&["Cos"], E1, SAME, "cosine", Elementwise(Op::Cos)),
    row(&["Sqrt"], E1, SAME, "square root; NaN below 0", Elementwise(Op::Sqrt)),
    row(&["Rsqrt"], E1, SAME, "1/sqrt(f); 0 at 0, NaN below", Elementwise(Op::Rsqrt)),
    row(&["Inv"], E1, SAME, "1/f", Elementwise(Op::Inv)),
    row(&["Square"], E1, SAME, "f*f", Elementwise(Op::Square)),
    row(&["XLogX"], E1, SAME, "f*log(f); 0 at 0, NaN below", Elementwise(Op::XLogX)),
    row(&["SinXDivX"], E1, SAME, "sin(f)/f; 1 at 0", Elementwise(Op::SinXDivX)),
    row(&["Asin"], E1, SAME, "inverse sine; NaN outside [-1, 1]", Elementwise(Op::Asin)),
    row(&["Acos"], E1, SAME, "inverse cosine; NaN outside [-1, 1]", Elementwise(Op::Acos)),
    row(&["Atan"], E1, SAME, "inverse tangent", Elementwise(Op::Atan)),
    row(&["Sign"], E1, SAME, "-1, 0 or 1; 0 for NaN", Elementwise(Op::Sign)),
    row(&["Step"], E1, SAME, "0 if f < 0, else 1 (also for NaN)", Elementwise(Op::Step)),
    row(&["ReLU"], E1, SAME, "0 if f < 0, else f", Elementwise(Op::ReLU)),
    row(&["Floor"], E1, SAME, "largest integer not above f", Elementwise(Op::Floor)),
    optional(row(
        &["Round"],
        EI,
        SAME,
        "Round(f, d): to d decimals, half away from zero; d is 0 if absent, may be negative",
        WithInt(Op::Round),
    )),
    row(&["Pow"], EI, SAME, "Pow(f, m): f to the integer m; 1 for m = 0", WithInt(Op::Pow)),
    row(&["ClampInt"], EII, SAME, "ClampInt(f, a, b) with integers a, b", rule(Rule::ClampInt)),
    row(&["DiffClampInt"], EII, SAME, "1 on [a, b] and for NaN, else 0", rule(Rule::DiffClampInt)),
    row(&["Add"], E2, BROADCAST, "f + g", Elementwise(Op::Add)),
    row(&["Subtract"], E2, BROADCAST, "f - g", Elementwise(Op::Sub)),
    row(&["Mult"], E2, BROADCAST, "f * g, component by component", Elementwise(Op::Mul)),
    row(&["Divide"], E2, BROADCAST, "f / g, component by component", Elementwise(Op::Div)),
    row(
        &["Powf"],
        E2,
        BROADCAST,
        "f^g; 1 for g = 0, NaN for f < 0 and g not an integer",
        Elementwise(Op::Powf),
    ),
    row(&["Atan2"], E2, BROADCAST, "angle of the point (g, f)", Elementwise(Op::Atan2)),
    row(&["Equal"], E2, BROADCAST, "1 if f == g, else 0", Elementwise(Op::Equal)),
    row(
        &["NotEqual"],
        E2,
        BROADCAST,
        "1 if f != g or one is NaN, else 0",
        Elementwise(Op::NotEqual),
    ),
    row(&["LessThan"], E2, BROADCAST, "1 if f < g, else 0", Elementwise(Op::LessThan)),
    row(&["LessOrEqual"], E2, BROADCAST, "1 if f <= g, else 0", Elementwise(Op::LessOrEqual)),
    row(
        &["IfElse"],
        E3,
        BROADCAST,
        "IfElse(f, a, b): a where f >= 0, else b (also for NaN)",
        Elementwise(Op::IfElse),
    ),
    row(
        &["Clamp"],
        E3,
        BROADCAST,
        "Clamp(f, a, b): a if f < a, else b if f > b, else f",
        Elementwise(Op::Clamp),
    ),
    row(&["Mod"], E3, BROADCAST, "Mod(f, n, o): f - n*floor((f - o)/n)", Elementwise(Op::Mod)),
    row(&["Sum"], E1, "D -> 1", "sum of the components", Reduce(Op::Sum)),
    row(&["SumT"], EI, "1 -> d", "SumT(f, d): f repeated d times", rule(Rule::SumT)),
    row(
        &["Scalprod"],
        E2,
        "D, D or 1 -> 1",
        "scalar product, also written f | g",
        rule(Rule::Scalprod),
    ),
    row(&["SqNorm2"], E1, "D -> 1", "sum of squares", rule(Rule::SqNorm2)),
    row(&["Norm2"], E1, "D -> 1", "Euclidean norm", rule(Rule::Norm2)),
    row(&["Normalize"], E1, SAME, "f / |f|; zero stays zero", rule(Rule::Normalize)),
    row(&["SqDist"], E2, "D, D or 1 -> 1", "squared Euclidean distance", rule(Rule::SqDist)),
    row(
        &["WeightedSqNorm"],
        E2,
        "1, D or D*D; D -> 1",
        "s*|f|^2, sum of S_k f_k^2, or f'Sf (row-major)",
        rule(Rule::WeightedSqNorm),
    ),
    row(
        &["WeightedSqDist"],
        E3,
        "1, D or D*D; D; D -> 1",
        "WeightedSqNorm(S, f - g)",
        rule(Rule::WeightedSqDist),
    ),
    row(&["SqNormIso"], E2, "1, D -> 1", "s*|f|^2", rule(Rule::SqNormIso)),
    row(&["SqNormDiag"], E2, "D, D -> 1", "sum of S_k f_k^2", rule(Rule::SqNormDiag)),
    row(&["SymSqNorm"], E2, "D*D, D -> 1", "f'Sf, row-major", rule(Rule::SymSqNorm)),
    row(
        &["Max"],
        E1,
        "D -> 1",
        "largest component; NaN is ignored unless all are NaN",
        Reduce(Op::Max),
    ),
    row(
        &["Min"],
        E1,
        "D -> 1",
        "smallest component; NaN is ignored unless all are NaN",
        Reduce(Op::Min),
    ),
    row(&["ArgMax"], E1, "D -> 1", "first index of the largest component", Reduce(Op::ArgMax)),
    row(&["ArgMin"], E1, "D -> 1", "first index of the smallest component", Reduce(Op::ArgMin)),
    row(&["Elem"], EI, "D -> 1", "Elem(f, m): component m, also written f[m]", rule(Rule::Elem)),
    row(&["ElemT"], EII, "1 -> n", "ElemT(f, n, m): f at position m of n zeros", rule(Rule::ElemT)),
    row(
        &["Extract"],
        EII,
        "D -> d",
        "Extract(f, s, d): components s to s+d-1, also written f[s:s+d]",
        rule(Rule::Extract),
    ),
    row(
        &["ExtractT"],
        EII,
        "D -> n",
        "ExtractT(f, s, n): f placed at s in n zeros",
        rule(Rule::ExtractT),
    ),
    variadic(row(&["Concat"], E2, "D, E, ... -> D+E+...", "one after another", rule(Rule::Concat))),
    row(
        &["OneHot"],
        EI,
        "1 -> d",
        "OneHot(f, d): 1 at trunc(f + 0.5), zeros elsewhere",
        rule(Rule::OneHot),
    ),
    row(
        &["MatVecMult"],
        E2,
        "n*p, p -> n",
        "matrix (row-major) times vector",
        rule(Rule::MatVecMult),
    ),
    row(
        &["VecMatMult"],
        E2,
        "n, n*p -> p",
        "vector times matrix (row-major)",
        rule(Rule::VecMatMult),
    ),
    row(
        &["TensorProd"],
        E2,
        "D, E -> D*E",
        "all products f_k g_l, row-major",
        rule(Rule::TensorProd),
    ),
    row(
        &["Factorize"],
        E2,
        SAME,
        "Factorize(f, g): f (repeated parts are always computed once)",
        rule(Rule::Identity),
    ),
    row(
        &["AutoFactorize"],
        E1,
        SAME,
        "f (repeated parts are always computed once)",
        rule(Rule::Identity),
    ),
];

/// The row of a name.
pub fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.names.contains(&name))
}

/// Whether a name belongs to an operation, so that an alias may not have it.
pub fn is_reserved(name: &str) -> bool {
    find(name).is_some()
}

/// The known name nearest to a wrong one, if any is near.
pub fn nearest<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known = TABLE.iter().flat_map(|row| row.names.iter().copied());
    let folded = name.to_ascii_lowercase();
    known
        .chain(others)
        .map(|known| (strsim::damerau_levenshtein(&folded, &known.to_ascii_lowercase()), known))
        .min()
        .filter(|(distance, known)| *distance * 3 <= known.len().max(3))
        .map(|(_, known)| known)
}

/// The table as Markdown, as the README shows it.
pub fn markdown() -> String {
    let mut text = String::from("| operation | dims | value |\n|---|---|---|\n");
    for row in TABLE {
        let names: Vec<String> = row.names.iter().map(|n| format!("`{n}`")).collect();
        let meaning = row.meaning.replace('|', "\\|");
        text += &format!("| {} | {} | {meaning} |\n", names.join(", "), row.dims);
    }
    text
}
