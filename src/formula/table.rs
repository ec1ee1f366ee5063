//! THE table of operations: everything a user can write, read by the typer, by messages, by the documentation and by tests.

use super::op::Op;
use super::typing::{Calculus, Complex, Rule};
use std::fmt::Write;

/// Kind of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// An expression.
    Expr,
    /// An integer literal.
    Int,
    /// A list of integer literals, `[2, 3]`, `(2, 3)` or `Ind(2, 3)`.
    List,
    /// A variable: an alias or an inline `Var`.
    Variable,
}

/// How typed nodes are made of a call.
#[derive(Clone, Debug)]
pub enum Build {
    /// One element-wise node.
    Elementwise(Op),
    /// One node of dim 1 over the components.
    Reduce(Op),
    /// Element-wise, with one integer argument at the end.
    WithInt(fn(i32) -> Op),
    /// A rule of the typer.
    Rule(Rule),
    /// A rule on real and imaginary parts.
    Complex(Complex),
    /// A rule of differentiation.
    Calculus(Calculus),
}

/// An operation as users write it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The name, and others that mean the same.
    pub names: &'static [&'static str],
    /// What the arguments are called below.
    pub call: &'static str,
    /// Its arguments; the last may be repeated if `variadic`.
    pub args: &'static [Arg],
    /// How many arguments may be left out at the end.
    pub optional: usize,
    /// Whether the last argument may be repeated.
    pub variadic: bool,
    /// Dims: operands to result.
    pub dims: &'static str,
    /// The value, special cases included.
    pub meaning: &'static str,
    /// The derivative by each operand, conventions included; empty where it follows from the meaning.
    pub derivative: &'static str,
    /// A formula that uses it over [`EXAMPLE_ALIASES`].
    pub example: &'static str,
    /// How it is typed.
    pub build: Build,
}

impl Row {
    /// The name that is printed.
    pub fn name(&self) -> &'static str {
        self.names[0]
    }

    /// One of its names with what the arguments are called; those without arguments are a name alone.
    pub fn written(&self, name: &str) -> String {
        if self.args.is_empty() { name.to_owned() } else { format!("{name}({})", self.call) }
    }
}

/// The aliases of every row's example.
pub const EXAMPLE_ALIASES: [&str; 12] = [
    "x = Vi(3)",
    "y = Vj(3)",
    "u = Vi(3)",
    "s = Pm(1)",
    "b = Vj(1)",
    "c = Vi(2)",
    "d = Vj(2)",
    "m = Pm(6)",
    "k = Pm(9)",
    "w = Vi(4)",
    "z = Vj(4)",
    "e = Vi(1)",
];

const I: Arg = Arg::Int;
const E: Arg = Arg::Expr;
const L: Arg = Arg::List;
const V: Arg = Arg::Variable;

const SAME: &str = "D -> D";
const BROADCAST: &str = "D, D or 1 -> D";
const STEP: &str = "0";

const fn row(
    call: (&'static [&'static str], &'static str, &'static [Arg]),
    dims: &'static str,
    meaning: &'static str,
    derivative: &'static str,
    example: &'static str,
    build: Build,
) -> Row {
    let (names, call, args) = call;
    Row {
        names,
        call,
        args,
        optional: 0,
        variadic: false,
        dims,
        meaning,
        derivative,
        example,
        build,
    }
}

const fn variadic(mut row: Row) -> Row {
    row.variadic = true;
    row
}

const fn optional(mut row: Row) -> Row {
    row.optional = 1;
    row
}

/// An element-wise function of one operand.
const fn unary(
    names: &'static [&'static str],
    meaning: &'static str,
    derivative: &'static str,
    example: &'static str,
    op: Op,
) -> Row {
    row((names, "f", &[E]), SAME, meaning, derivative, example, Build::Elementwise(op))
}

/// An element-wise function of two operands.
const fn binary(
    names: &'static [&'static str],
    meaning: &'static str,
    derivative: &'static str,
    example: &'static str,
    op: Op,
) -> Row {
    row((names, "f, g", &[E, E]), BROADCAST, meaning, derivative, example, Build::Elementwise(op))
}

use Build::{Elementwise, Reduce, Rule as By, WithInt};

/// Titles of the table's parts, with the first operation of each.
pub const SECTIONS: &[(&str, &str)] = &[
    ("Constants and variables", "IntCst"),
    ("Functions of each component", "Minus"),
    ("Component by component", "Add"),
    ("Sums, norms, extrema", "Sum"),
    ("Parts", "Elem"),
    ("Matrices and tensors, row-major", "MatVecMult"),
    ("Complex numbers, interleaved (re, im, re, im, ...)", "Real2Complex"),
    ("Special functions", "BSpline"),
    ("Derivatives", "Grad"),
];

/// Every operation, by section of the language.
pub static TABLE: &[Row] = &[
    row((&["IntCst"], "n", &[E]), "-> 1", "the integer n", "0", "IntCst(3)*x", By(Rule::IntCst)),
    row(
        (&["RatCst"], "p, q", &[I, I]),
        "-> 1",
        "p/q exactly; q must not be 0",
        "0",
        "RatCst(1, 3)*x",
        By(Rule::RatCst),
    ),
    row(
        (&["IntInv"], "n", &[I]),
        "-> 1",
        "1/n exactly; n must not be 0",
        "0",
        "IntInv(-2)*x",
        By(Rule::IntInv),
    ),
    row((&["Zero"], "d", &[I]), "-> d", "d zeros", "0", "Zero(3)", By(Rule::Zero)),
    row(
        (&["IndexI"], "", &[]),
        "-> 1",
        "the number of the point i, from 0, an exact integer; sums, integer multiples and comparisons of indices are exact",
        "0",
        "(IndexI != IndexJ)*x",
        By(Rule::IndexI),
    ),
    row(
        (&["IndexJ"], "", &[]),
        "-> 1",
        "the number of the point j, from 0",
        "0",
        "IfElse(IndexI - IndexJ, x, y)",
        By(Rule::IndexJ),
    ),
    row(
        (&["Var"], "k, d, c", &[I, I, I]),
        "-> d",
        "argument k of the call, of dim d and category c: 0 for i, 1 for j, 2 for a parameter",
        "",
        "Var(12, 3, 1)*x",
        By(Rule::Var),
    ),
    row(
        (&["Vi", "Vx"], "k, d", &[I, I]),
        "-> d",
        "argument k of the call, one row for every i",
        "",
        "Vi(0, 3)*y",
        By(Rule::Var),
    ),
    row(
        (&["Vj", "Vy"], "k, d", &[I, I]),
        "-> d",
        "argument k of the call, one row for every j",
        "",
        "Vj(1, 3)*x",
        By(Rule::Var),
    ),
    row(
        (&["Pm"], "k, d", &[I, I]),
        "-> d",
        "argument k of the call, a parameter",
        "",
        "Pm(3, 1)*x",
        By(Rule::Var),
    ),
    unary(&["Minus"], "-f, also written so", "-1", "Minus(x)", Op::Neg),
    unary(&["Abs"], "absolute value", "Sign(f)", "Abs(x - y)", Op::Abs),
    unary(&["Exp"], "e^f", "Exp(f)", "Exp(x - y)", Op::Exp),
    unary(&["Log"], "natural logarithm; -inf at 0, NaN below", "1/f", "Log(1 + x*x)", Op::Log),
    unary(&["Sin"], "sine", "Cos(f)", "Sin(x*y)", Op::Sin),
    unary(&["Cos"], "cosine", "-Sin(f)", "Cos(x*y)", Op::Cos),
    unary(
        &["Sqrt"],
        "square root; NaN below 0",
        "Rsqrt(f)/2, so 0 at 0",
        "Sqrt(x*x + y*y)",
        Op::Sqrt,
    ),
    unary(
        &["Rsqrt"],
        "1/sqrt(f); 0 at 0, NaN below",
        "-Rsqrt(f)^3/2, so 0 at 0",
        "Rsqrt(x*x + y*y)",
        Op::Rsqrt,
    ),
    unary(&["Inv"], "1/f", "-1/f^2", "Inv(x)", Op::Inv),
    unary(&["Square"], "f*f, also written f**2", "2*f", "Square(x - y)", Op::Square),
    unary(
        &["XLogX"],
        "f*log(f); 0 at 0, NaN below",
        "Log(f) + 1, so -inf at 0",
        "XLogX(Abs(x))",
        Op::XLogX,
    ),
    unary(
        &["SinXDivX"],
        "sin(f)/f; 1 at 0",
        "(Cos(f) - SinXDivX(f))/f, 0 at 0",
        "SinXDivX(x - y)",
        Op::SinXDivX,
    ),
    unary(
        &["Asin"],
        "inverse sine; NaN outside [-1, 1]",
        "Rsqrt(1 - f^2), so 0 at -1 and 1",
        "Asin(Sin(x))",
        Op::Asin,
    ),
    unary(
        &["Acos"],
        "inverse cosine; NaN outside [-1, 1]",
        "-Rsqrt(1 - f^2), so 0 at -1 and 1",
        "Acos(Sin(x))",
        Op::Acos,
    ),
    unary(&["Atan"], "inverse tangent", "1/(1 + f^2)", "Atan(x*y)", Op::Atan),
    unary(&["Sign"], "-1, 0 or 1; 0 for NaN", STEP, "Sign(x - y)*x", Op::Sign),
    unary(&["Step"], "0 if f < 0, else 1 (also for NaN)", STEP, "Step(x - y)*x", Op::Step),
    unary(&["ReLU"], "0 if f < 0, else f", "Step(f), so 1 at 0", "ReLU(x - y)", Op::ReLU),
    unary(&["Floor"], "largest integer not above f", STEP, "Floor(3*x)*x", Op::Floor),
    optional(row(
        (&["Round"], "f, d", &[E, I]),
        SAME,
        "f to d decimals, half away from zero; d is 0 if absent and may be negative",
        STEP,
        "Round(x, 2)*x",
        WithInt(Op::Round),
    )),
    row(
        (&["Pow"], "f, m", &[E, I]),
        SAME,
        "f to the integer m, also written f**m; 1 for m = 0",
        "m*Pow(f, m-1)",
        "Pow(x, 3)",
        WithInt(Op::Pow),
    ),
    row(
        (&["ClampInt"], "f, a, b", &[E, I, I]),
        SAME,
        "Clamp(f, a, b) with integers a, b",
        "1 on [a, b], else 0",
        "ClampInt(x*y, -1, 2)",
        By(Rule::ClampInt),
    ),
    row(
        (&["DiffClampInt"], "f, a, b", &[E, I, I]),
        SAME,
        "1 on [a, b] and for NaN, else 0",
        STEP,
        "DiffClampInt(x*y, -1, 2)*x",
        By(Rule::DiffClampInt),
    ),
    binary(&["Add"], "f + g", "1; 1", "Add(x, b)", Op::Add),
    binary(&["Subtract"], "f - g", "1; -1", "Subtract(x, y)", Op::Sub),
    binary(&["Mult"], "f * g", "g; f", "Mult(x, b)", Op::Mul),
    binary(&["Divide"], "f / g", "1/g; -f/g^2", "Divide(x, y)", Op::Div),
    binary(
        &["Powf"],
        "f^g, also written f**g; 1 for g = 0, NaN for f < 0 and g not an integer",
        "g*Powf(f, g-1); Log(f)*Powf(f, g)",
        "Powf(Abs(x), s)",
        Op::Powf,
    ),
    binary(
        &["Atan2"],
        "angle of the point (g, f)",
        "g/(f^2 + g^2); -f/(f^2 + g^2)",
        "Atan2(x, y)",
        Op::Atan2,
    ),
    binary(&["Equal"], "1 if f == g, else 0, also written f == g", STEP, "Equal(x, y)", Op::Equal),
    binary(
        &["NotEqual"],
        "1 if f != g or one is NaN, else 0, also written f != g",
        STEP,
        "NotEqual(x, y)",
        Op::NotEqual,
    ),
    binary(
        &["LessThan"],
        "1 if f < g, else 0, also written f < g or g > f",
        STEP,
        "LessThan(x, y)",
        Op::LessThan,
    ),
    binary(
        &["LessOrEqual"],
        "1 if f <= g, else 0, also written f <= g or g >= f",
        STEP,
        "LessOrEqual(x, y)",
        Op::LessOrEqual,
    ),
    row(
        (&["IfElse"], "f, a, b", &[E, E, E]),
        BROADCAST,
        "a where f >= 0, else b (also for NaN)",
        "0; 1 where a is taken; 1 where b is",
        "IfElse(x - y, x, Square(y))",
        Elementwise(Op::IfElse),
    ),
    row(
        (&["Clamp"], "f, a, b", &[E, E, E]),
        BROADCAST,
        "a if f < a, else b if f > b, else f",
        "1 where it is taken, for each",
        "Clamp(x, s, y)",
        Elementwise(Op::Clamp),
    ),
    row(
        (&["Mod"], "f, n, o", &[E, E, E]),
        BROADCAST,
        "f - n*floor((f - o)/n); NaN for n = 0",
        "1; -floor((f - o)/n); 0",
        "Mod(x, y, s)",
        Elementwise(Op::Mod),
    ),
    row((&["Sum"], "f", &[E]), "D -> 1", "sum of the components", "1", "Sum(x*y)", Reduce(Op::Sum)),
    row(
        (&["SumT"], "f, d", &[E, I]),
        "1 -> d",
        "f repeated d times",
        "1",
        "SumT(e, 3)*y",
        By(Rule::SumT),
    ),
    row(
        (&["Scalprod"], "f, g", &[E, E]),
        "D, D or 1 -> 1",
        "scalar product, also written f | g; with a dim 1 operand f*Sum(g)",
        "g; f",
        "Scalprod(x, y)",
        By(Rule::Scalprod),
    ),
    row(
        (&["SqNorm2"], "f", &[E]),
        "D -> 1",
        "sum of squares",
        "2*f",
        "SqNorm2(x - y)",
        By(Rule::SqNorm2),
    ),
    row(
        (&["Norm2"], "f", &[E]),
        "D -> 1",
        "Euclidean norm",
        "f*Rsqrt(f|f), so 0 at 0",
        "Norm2(x - y)",
        By(Rule::Norm2),
    ),
    row(
        (&["Normalize"], "f", &[E]),
        SAME,
        "f*Rsqrt(f|f); zero stays zero",
        "",
        "Normalize(x - y)",
        By(Rule::Normalize),
    ),
    row(
        (&["SqDist"], "f, g", &[E, E]),
        "D, D or 1 -> 1",
        "squared Euclidean distance",
        "2*(f - g); 2*(g - f)",
        "SqDist(x, y)",
        By(Rule::SqDist),
    ),
    row(
        (&["WeightedSqNorm"], "s, f", &[E, E]),
        "1, D or D*D; D -> 1",
        "s*(f|f), the sum of s_k f_k^2, or f'sf with a row-major matrix, by the dim of s",
        "",
        "WeightedSqNorm(w, c)",
        By(Rule::WeightedSqNorm),
    ),
    row(
        (&["WeightedSqDist"], "s, f, g", &[E, E, E]),
        "1, D or D*D; D; D -> 1",
        "WeightedSqNorm(s, f - g)",
        "",
        "WeightedSqDist(s, x, y)",
        By(Rule::WeightedSqDist),
    ),
    row(
        (&["SqNormIso"], "s, f", &[E, E]),
        "1, D -> 1",
        "s*(f|f)",
        "",
        "SqNormIso(s, x)",
        By(Rule::SqNormIso),
    ),
    row(
        (&["SqNormDiag"], "s, f", &[E, E]),
        "D, D -> 1",
        "sum of s_k f_k^2",
        "",
        "SqNormDiag(y, x)",
        By(Rule::SqNormDiag),
    ),
    row(
        (&["SymSqNorm"], "s, f", &[E, E]),
        "D*D, D -> 1",
        "f'sf with a row-major matrix",
        "",
        "SymSqNorm(w, d)",
        By(Rule::SymSqNorm),
    ),
    row(
        (&["Max"], "f", &[E]),
        "D -> 1",
        "largest component; NaN is ignored unless all are NaN",
        "1 at the first largest component",
        "Max(x*y)",
        Reduce(Op::Max),
    ),
    row(
        (&["Min"], "f", &[E]),
        "D -> 1",
        "smallest component; NaN is ignored unless all are NaN",
        "1 at the first smallest component",
        "Min(x*y)",
        Reduce(Op::Min),
    ),
    row(
        (&["ArgMax"], "f", &[E]),
        "D -> 1",
        "first index of the largest component",
        STEP,
        "ArgMax(x + y)",
        Reduce(Op::ArgMax),
    ),
    row(
        (&["ArgMin"], "f", &[E]),
        "D -> 1",
        "first index of the smallest component",
        STEP,
        "ArgMin(x + y)",
        Reduce(Op::ArgMin),
    ),
    row(
        (&["Elem"], "f, m", &[E, I]),
        "D -> 1",
        "component m, also written f[m]",
        "",
        "Elem(x, 0)*y",
        By(Rule::Elem),
    ),
    row(
        (&["ElemT"], "f, n, m", &[E, I, I]),
        "1 -> n",
        "f at position m of n zeros",
        "",
        "ElemT(e, 3, 1) + y",
        By(Rule::ElemT),
    ),
    row(
        (&["Extract"], "f, s, d", &[E, I, I]),
        "D -> d",
        "components s to s+d-1, also written f[s:s+d]",
        "",
        "Extract(x, 1, 2)*d",
        By(Rule::Extract),
    ),
    row(
        (&["ExtractT"], "f, s, n", &[E, I, I]),
        "D -> n",
        "f placed at s in n zeros",
        "",
        "ExtractT(c, 1, 3)*y",
        By(Rule::ExtractT),
    ),
    variadic(row(
        (&["Concat"], "f, g, ...", &[E, E]),
        "D, E, ... -> D+E+...",
        "one after another",
        "",
        "Concat(x, d, b)",
        By(Rule::Concat),
    )),
    row(
        (&["OneHot"], "f, d", &[E, I]),
        "1 -> d",
        "1 at trunc(f + 0.5), zeros elsewhere; all zeros where that is out of range",
        STEP,
        "OneHot(ArgMax(x), 3)*y",
        By(Rule::OneHot),
    ),
    row(
        (&["MatVecMult"], "f, g", &[E, E]),
        "n*p, p -> n",
        "matrix times vector",
        "TensorProd(e, g); VecMatMult(e, f)",
        "MatVecMult(m, d)",
        By(Rule::MatVecMult),
    ),
    row(
        (&["VecMatMult"], "f, g", &[E, E]),
        "n, n*p -> p",
        "vector times matrix",
        "MatVecMult(g, e); TensorProd(f, e)",
        "VecMatMult(d, m)",
        By(Rule::VecMatMult),
    ),
    row(
        (&["TensorProd"], "f, g", &[E, E]),
        "D, E -> D*E",
        "all products f_k g_l",
        "MatVecMult(e, g); VecMatMult(f, e)",
        "TensorProd(x, d)",
        By(Rule::TensorProd),
    ),
    optional(row(
        (&["TensorDot"], "f, g, df, dg, cf, cg, p", &[E, E, L, L, L, L, L]),
        "products of the sizes in df, dg -> kept axes",
        "axis cf[k] of f is summed against axis cg[k] of g; the axes of f that are left, then those of g, are the result's, \
         the q-th at place p[q]",
        "",
        "TensorDot(m, d, [3, 2], [2], [1], [0])",
        By(Rule::TensorDot),
    )),
    row(
        (&["Kron"], "f, g, df, dg", &[E, E, L, L]),
        "products of the sizes in df, dg -> their product",
        "Kronecker product of tensors of as many axes",
        "",
        "Kron(m, d, [2, 3], [2, 1])",
        By(Rule::Kron),
    ),
    optional(variadic(row(
        (&["Ind"], "n, ...", &[I]),
        "a list",
        "[n, ...], where a list is an argument",
        "",
        "TensorDot(m, d, Ind(3, 2), Ind(2), Ind(1), Ind(0))",
        By(Rule::Ind),
    ))),
    row(
        (&["Real2Complex"], "f", &[E]),
        "D -> 2D",
        "f + 0i",
        "",
        "Real2Complex(x)",
        Build::Complex(Complex::FromReal),
    ),
    row(
        (&["Imag2Complex"], "f", &[E]),
        "D -> 2D",
        "0 + fi",
        "",
        "Imag2Complex(x)",
        Build::Complex(Complex::FromImaginary),
    ),
    row(
        (&["ComplexReal"], "f", &[E]),
        "2D -> D",
        "real parts",
        "",
        "ComplexReal(w)",
        Build::Complex(Complex::Real),
    ),
    row(
        (&["ComplexImag"], "f", &[E]),
        "2D -> D",
        "imaginary parts",
        "",
        "ComplexImag(w)",
        Build::Complex(Complex::Imaginary),
    ),
    row(
        (&["Conj"], "f", &[E]),
        "2D -> 2D",
        "conjugate",
        "",
        "Conj(w)",
        Build::Complex(Complex::Conjugate),
    ),
    row(
        (&["ComplexAbs"], "f", &[E]),
        "2D -> D",
        "modulus",
        "0 at 0",
        "ComplexAbs(w)",
        Build::Complex(Complex::Abs),
    ),
    row(
        (&["ComplexSquareAbs"], "f", &[E]),
        "2D -> D",
        "squared modulus",
        "",
        "ComplexSquareAbs(w)",
        Build::Complex(Complex::SquareAbs),
    ),
    row(
        (&["ComplexAngle"], "f", &[E]),
        "2D -> D",
        "argument, from -pi to pi",
        "",
        "ComplexAngle(w)",
        Build::Complex(Complex::Angle),
    ),
    row(
        (&["ComplexAdd"], "f, g", &[E, E]),
        "2D, 2D or 2 -> 2D",
        "f + g",
        "",
        "ComplexAdd(w, d)",
        Build::Complex(Complex::Add),
    ),
    row(
        (&["ComplexSubtract"], "f, g", &[E, E]),
        "2D, 2D or 2 -> 2D",
        "f - g",
        "",
        "ComplexSubtract(w, d)",
        Build::Complex(Complex::Subtract),
    ),
    row(
        (&["ComplexMult", "ComplexScal"], "f, g", &[E, E]),
        "2D, 2D or 2 -> 2D",
        "f * g",
        "",
        "ComplexMult(w, z)",
        Build::Complex(Complex::Mult),
    ),
    row(
        (&["ComplexDivide"], "f, g", &[E, E]),
        "2D, 2D or 2 -> 2D",
        "f * Conj(g) / |g|^2; NaN for g = 0",
        "",
        "ComplexDivide(w, z)",
        Build::Complex(Complex::Divide),
    ),
    row(
        (&["ComplexExp"], "f", &[E]),
        "2D -> 2D",
        "e^f",
        "",
        "ComplexExp(w)",
        Build::Complex(Complex::Exp),
    ),
    row(
        (&["ComplexExp1j"], "f", &[E]),
        "D -> 2D",
        "e^(if) of a real f",
        "",
        "ComplexExp1j(x)",
        Build::Complex(Complex::Exp1j),
    ),
    row(
        (&["ComplexSum"], "f", &[E]),
        "2D -> 2",
        "sum of the complex numbers",
        "",
        "ComplexSum(w)",
        Build::Complex(Complex::Sum),
    ),
    row(
        (&["ComplexSumT"], "f, d", &[E, I]),
        "2 -> d",
        "f repeated to the (even) real dim d",
        "",
        "ComplexSumT(d, 4)*w",
        Build::Complex(Complex::SumT),
    ),
    row(
        (&["ComplexRealScal"], "f, g", &[E, E]),
        "1, 2D in either order -> 2D",
        "a real number times complex ones",
        "",
        "ComplexRealScal(b, w)",
        Build::Complex(Complex::RealScal),
    ),
    row(
        (&["BSpline"], "t, x, k", &[E, E, I]),
        "n, 1 -> n-k-1",
        "values at x of the B-splines of degree k over sorted knots t",
        "",
        "BSpline(k, e, 2)",
        By(Rule::BSpline),
    ),
    row(
        (&["SoftDTW_SqDist"], "x, y, g", &[E, E, E]),
        "n, m, 1 -> 1",
        "soft dynamic time warping of x and y with softness g",
        "by the backward recursion; no second derivative",
        "SoftDTW_SqDist(x, z, s)",
        By(Rule::SoftDtw),
    ),
    row(
        (&["Grad"], "f, v, e", &[E, V, E]),
        "D, V, D -> V",
        "the adjoint of the derivative of f by the variable v, applied to the seed e",
        "",
        "Grad(SqDist(x, y), x, e)",
        Build::Calculus(Calculus::Grad),
    ),
    row(
        (&["GradMatrix"], "f, v", &[E, V]),
        "D, V -> D*V",
        "the Jacobian, row-major",
        "",
        "GradMatrix(x*y, x)",
        Build::Calculus(Calculus::GradMatrix),
    ),
    row(
        (&["Diff"], "f, v, u", &[E, V, E]),
        "D, V, V -> D",
        "the derivative of f by v in the direction u",
        "",
        "Diff(SqDist(x, y), x, u)",
        Build::Calculus(Calculus::Diff),
    ),
    row(
        (&["Divergence"], "f, v", &[E, V]),
        "V, V -> 1",
        "the trace of the Jacobian",
        "",
        "Divergence(SqDist(x, y)*x, x)",
        Build::Calculus(Calculus::Divergence),
    ),
    row(
        (&["Laplacian"], "f, v", &[E, V]),
        "1, V -> 1",
        "Divergence(Grad(f, v, 1), v)",
        "",
        "Laplacian(Exp(-SqDist(x, y)), x)",
        Build::Calculus(Calculus::Laplacian),
    ),
    row(
        (&["TraceOperator"], "f, v", &[E, V]),
        "V, V -> 1",
        "the trace of f as a linear map of v",
        "",
        "TraceOperator(x*y, x)",
        Build::Calculus(Calculus::Trace),
    ),
    row(
        (&["AdjointOperator"], "f, v, u", &[E, V, E]),
        "D, V, D -> V",
        "the adjoint of f as a linear map of v, applied to u",
        "",
        "AdjointOperator(x*y, x, u)",
        Build::Calculus(Calculus::Adjoint),
    ),
    row(
        (&["SumLinOperator"], "f, v", &[E, V]),
        "D, V -> 1",
        "the sum of all entries of f as a linear map of v",
        "",
        "SumLinOperator(x*y, x)",
        Build::Calculus(Calculus::SumLin),
    ),
    row(
        (&["Factorize"], "f, g", &[E, E]),
        "D, E -> D",
        "f (repeated parts are always computed once)",
        "",
        "Factorize(Exp(x - y) + Sin(x - y), x - y)",
        By(Rule::Identity),
    ),
    row(
        (&["AutoFactorize"], "f", &[E]),
        SAME,
        "f (repeated parts are always computed once)",
        "",
        "AutoFactorize(Exp(x - y) + Sin(x - y))",
        By(Rule::Identity),
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

/// Names longer than this are not compared with others.
const COMPARED: usize = 40;

/// The candidate nearest to a wrong name, if any is near.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > COMPARED {
        return None;
    }
    let folded = name.to_ascii_lowercase();
    candidates
        .map(|known| (strsim::damerau_levenshtein(&folded, &known.to_ascii_lowercase()), known))
        .min()
        .filter(|(distance, known)| *distance * 3 <= known.len())
        .map(|(_, known)| known)
}

/// Every name of an operation.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|row| row.names.iter().copied())
}

/// The title of the section that a row begins, if it does.
fn title(row: &Row) -> Option<&'static str> {
    SECTIONS.iter().find(|(_, first)| *first == row.name()).map(|(title, _)| *title)
}

/// Bounds of the error of transcendental functions in units in the last place, float32 and float64: what `tests/ulp.toml` allows,
/// which `tests/ulp.rs` measures against arbitrary precision. Arithmetic and square roots are rounded correctly.
pub const ULP: &[(&str, f64, f64)] = &[
    ("Exp", 1.3, 1.3),
    ("Log", 1.0, 1.0),
    ("Sin", 1.8, 1.8),
    ("Cos", 1.8, 1.6),
    ("Asin", 2.7, 2.3),
    ("Acos", 1.3, 1.3),
    ("Atan", 2.1, 2.2),
    ("Powf", 1.5, 1.4),
    ("Atan2", 2.1, 1.9),
];

/// The table as Markdown, as the README shows it.
pub fn markdown() -> String {
    let mut text = String::new();
    let cell = |text: &str| text.replace('|', "\\|");
    for row in TABLE {
        if let Some(title) = title(row) {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = write!(
                text,
                "{gap}**{title}**\n\n| operation | dims | value | derivative | ulp |\n|---|---|---|---|---|\n"
            );
        }
        let names: Vec<String> =
            row.names.iter().map(|n| format!("`{}`", row.written(n))).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            names.join(", "),
            row.dims,
            cell(row.meaning),
            cell(row.derivative),
            ulp(row)
        );
    }
    text
}

/// The bounds of an operation's own rounding, float32 and float64; empty where it is that of arithmetic.
fn ulp(row: &Row) -> String {
    let bounds = ULP.iter().find(|(name, ..)| *name == row.name());
    bounds.map_or_else(String::new, |(_, f32, f64)| format!("{f32}, {f64}"))
}

/// The table as text, as `genred ops` shows it.
pub fn text() -> String {
    let mut text = String::new();
    for row in TABLE {
        if let Some(title) = title(row) {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{title}");
        }
        let call = row.written(row.name());
        let _ = writeln!(text, "  {call:<36} {:<22} {}", row.dims, row.meaning);
        for name in &row.names[1..] {
            let _ = writeln!(text, "  {name:<36} = {}", row.name());
        }
    }
    text
}
