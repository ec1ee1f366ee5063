//! Symbolic derivatives against differences of the oracle's values, and against one another.

use genred::eval::{self, Matrix, Task};
use genred::formula::table::{self, EXAMPLE_ALIASES};
use genred::formula::{Category, Formula, typing};
use genred::{Float, Reduction};

/// A repeatable sequence of numbers in (0, 1).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 11) as f64 + 0.5) / 9007199254740992.0
    }

    /// Numbers with both signs, away from 0 and from one another's integers, where functions jump.
    fn vector(&mut self, dim: usize) -> Vec<f64> {
        (0..dim)
            .map(|_| {
                let magnitude = 0.15 + 0.8 * self.next();
                if self.next() < 0.4 { -magnitude } else { magnitude }
            })
            .collect()
    }
}

/// Where formulas over [`EXAMPLE_ALIASES`] and further arguments are evaluated.
#[derive(Clone)]
struct Point {
    values: Vec<Vec<f64>>,
}

impl Point {
    /// Values of a formula's arguments, the example aliases first; knots (`k`) ascend.
    fn random(formula: &Formula, numbers: &mut Numbers) -> Point {
        let mut values: Vec<Vec<f64>> =
            formula.variables.iter().map(|v| numbers.vector(v.dim as usize)).collect();
        let knots = position("k");
        values[knots] = (0..9).map(|k| -1.2 + 0.3 * f64::from(k) + 0.1 * numbers.next()).collect();
        values[position("s")][0] = values[position("s")][0].abs();
        Point { values }
    }

    fn with(&self, more: &[Vec<f64>]) -> Point {
        let mut point = self.clone();
        point.values.extend_from_slice(more);
        point
    }

    fn evaluate(&self, formula: &Formula) -> Vec<f64> {
        let inputs: Vec<Matrix<f64>> =
            self.values.iter().map(|v| Matrix::new(1, v.len(), v.clone())).collect();
        let task = Task {
            formula,
            rows: Category::I,
            reduction: Reduction::Sum,
            float: Float::F64,
            inputs: &inputs[..formula.variables.len()],
            m: 1,
            n: 1,
        };
        eval::pair(&task, 0, 0)
    }

    fn at(&self, text: &str) -> Vec<f64> {
        self.evaluate(&typed(text))
    }
}

fn position(name: &str) -> usize {
    let named = |alias: &&str| alias.starts_with(&format!("{name} ="));
    EXAMPLE_ALIASES.iter().position(named).expect("an alias")
}

#[track_caller]
fn typed(text: &str) -> Formula {
    typing::formula(text, None, &EXAMPLE_ALIASES).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

/// The names of the aliases that a formula uses.
fn used(text: &str) -> Vec<&'static str> {
    let parsed = genred::syntax::parse(text).expect("a formula");
    let names = EXAMPLE_ALIASES.iter().map(|alias| &alias[..1]);
    names
        .filter(|name| {
            parsed.exprs.iter().any(|e| *e == genred::syntax::Expr::Name((*name).to_owned()))
        })
        .collect()
}

/// The derivative of `f` in direction `u` of the argument at `at`, by a rule of five points; `None` where two step sizes do not
/// agree: the function jumps or bends in between.
fn difference(f: &Formula, point: &Point, at: usize, u: &[f64]) -> Option<Vec<f64>> {
    let by_step = |step: f64| -> Vec<f64> {
        let moved = |steps: f64| {
            let mut point = point.clone();
            point.values[at].iter_mut().zip(u).for_each(|(x, u)| *x += steps * step * u);
            point.evaluate(f)
        };
        let (a, b, c, d) = (moved(-2.0), moved(-1.0), moved(1.0), moved(2.0));
        (0..a.len()).map(|k| (a[k] - d[k] + 8.0 * (c[k] - b[k])) / (12.0 * step)).collect()
    };
    let (coarse, fine) = (by_step(1e-3), by_step(4e-4));
    let agree = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * (1.0 + a.abs());
    coarse.iter().zip(&fine).all(agree).then_some(fine)
}

#[track_caller]
fn close(found: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let scale = wanted.iter().fold(1.0f64, |scale, w| scale.max(w.abs()));
    for (f, w) in found.iter().zip(wanted) {
        assert!((f - w).abs() <= tolerance * scale, "{what}: found {found:?}, wanted {wanted:?}");
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `Diff` against differences, and `Grad` against `Diff`: they are adjoint.
fn check(text: &str, seed: u64) {
    let mut numbers = Numbers(seed);
    let f = typed(text);
    let dim = f.root_dim(0) as usize;
    for name in used(text) {
        let at = position(name);
        let width = f.variables[at].dim as usize;
        let extra = f.variables.len();
        let diff = typed(&format!("Diff({text}, {name}, Var({extra}, {width}, 2))"));
        let grad = typed(&format!("Grad({text}, {name}, Var({extra}, {dim}, 2))"));
        let mut compared = 0;
        for _ in 0..20 {
            let point = Point::random(&f, &mut numbers);
            let (u, e) = (numbers.vector(width), numbers.vector(dim));
            let Some(expected) = difference(&f, &point, at, &u) else { continue };
            compared += 1;
            let forward = point.with(std::slice::from_ref(&u)).evaluate(&diff);
            close(&forward, &expected, 2e-8, &format!("Diff({text}, {name})"));
            let backward = point.with(std::slice::from_ref(&e)).evaluate(&grad);
            assert_eq!(backward.len(), width);
            let (a, b) = (dot(&e, &forward), dot(&backward, &u));
            let scale = e.iter().zip(&forward).map(|(a, b)| (a * b).abs()).sum::<f64>();
            assert!((a - b).abs() <= 1e-11 * (1.0 + scale), "{text} by {name}: {a} and {b}");
        }
        assert!(compared >= 3, "{text} by {name}: smooth at {compared} of 20 points");
    }
}

#[test]
fn every_operation_is_differentiated() {
    for row in table::TABLE {
        check(row.example, 1);
    }
}

#[test]
fn derivatives_are_differentiated() {
    for row in table::TABLE {
        let text = row.example;
        if row.name() == "SoftDTW_SqDist" {
            continue;
        }
        let dim = typed(text).root_dim(0);
        for name in used(text).into_iter().take(2) {
            let seed = (0..dim).map(|k| format!("{}", 1 + k)).collect::<Vec<_>>().join(", ");
            let seed = if dim == 1 { seed } else { format!("Concat({seed})") };
            check(&format!("Grad({text}, {name}, {seed})"), 2);
        }
    }
    let error =
        typing::formula("Grad(Grad(SoftDTW_SqDist(x, z, s), x, 1), x, u)", None, &EXAMPLE_ALIASES);
    assert!(error.unwrap_err().to_string().contains("SoftDTW_SqDist has no derivative"));
}

/// Compositions in which operands are repeated, shared, sparse and rearranged.
const COMPOSED: &[&str] = &[
    "Exp(-s*SqDist(x, y))*x",
    "Exp(-s*SqDist(x, y))*b*w",
    "Powf(Abs(x) + 1, s) + Powf(s, x)",
    "Powf(Abs(s), x)",
    "Atan2(x, s)*Atan2(b, x)",
    "IfElse(x - y, MatVecMult(m, d)*x, s)",
    "IfElse(s, x, y*s) + IfElse(x, b, s)",
    "Clamp(x, b, y) + Clamp(s, x, b)",
    "Mod(s, x, b)*Mod(x, s, y)",
    "(x | s)*(x | y)*(x | x)",
    "Normalize(x*s)*Norm2(y)",
    "x[0]*x[1:3] + x[2]*y[0:2]",
    "ElemT(x[1]*s, 5, 3)*Concat(x, c) + ExtractT(x*y, 1, 5)",
    "Concat(x*s, x, x[0])*Concat(w, x)",
    "MatVecMult(m, c) * VecMatMult(c, TensorProd(c, x))",
    "TensorDot(TensorProd(x, c), TensorProd(d, w), [3, 2], [2, 4], [1], [0], [1, 0])",
    "TensorDot(TensorProd(x, w), TensorProd(y, c), [3, 2, 2], [3, 2], [0, 2], [0, 1])",
    "Kron(m, w, [3, 2], [2, 2])",
    "ComplexMult(ComplexExp(w), Conj(z)) + ComplexDivide(w, d)",
    "ComplexAbs(ComplexSubtract(w, c))*ComplexAngle(z)",
    "ComplexSum(ComplexMult(w, ComplexExp1j(c)))",
    "ComplexRealScal(s, ComplexSumT(c, 4))*w",
    "ComplexReal(w)*ComplexImag(ComplexMult(w, w))",
    "Real2Complex(x*y)*Imag2Complex(Exp(x)) + TensorProd(x, c)",
    "Max(x*y)*Min(x + s)",
    "OneHot(ArgMax(x), 3)*x*x",
    "Sum(Exp(Concat(x, y)*s))*SumT(s, 4)",
    "BSpline(k, s*b, 3)*Sum(x)",
    "SoftDTW_SqDist(x*s, Exp(z), s*b*b)",
    "SoftDTW_SqDist(x, b, s) + SoftDTW_SqDist(b, x*b, s)",
    "Grad(Exp(-s*SqDist(x, y)), x, e)*s",
    "Divergence(Exp(-s*SqDist(x, y))*x, x)",
    "Laplacian(Exp(-s*SqDist(x, y)), x)",
    "GradMatrix(x*Sum(x*y), x)",
    "GradMatrix(Exp(s)*TensorProd(x, y), s)",
    "TraceOperator((x | y)*y + 2*x, x)",
    "AdjointOperator(MatVecMult(m, c), m, u)*Concat(x, x)",
    "SumLinOperator(VecMatMult(c, m), m)",
    "1/(1 + x**2)**1.5 + x**-2 + 2**x",
    "XLogX(x*x)/Sqrt(1 + Exp(x))*Rsqrt(1 + x*x)",
    "SinXDivX(3*x)*SinXDivX(x/100)",
    "Asin(x/2) - Acos(y/2)*Atan(x)",
];

#[test]
fn compositions_are_differentiated() {
    for (k, text) in COMPOSED.iter().enumerate() {
        check(text, 100 + k as u64);
    }
}

#[test]
fn the_jacobian_is_the_matrix_of_derivatives() {
    let mut numbers = Numbers(7);
    for (text, name) in [
        ("MatVecMult(m, c)", "m"),
        ("MatVecMult(m, c)", "c"),
        ("Exp(x*s)", "s"),
        ("x*Sum(x*y)", "x"),
        ("Sum(x*y)", "x"),
        ("ComplexMult(w, d)", "d"),
    ] {
        let f = typed(text);
        let at = position(name);
        let (rows, columns) = (f.root_dim(0) as usize, f.variables[at].dim as usize);
        let point = Point::random(&f, &mut numbers);
        let matrix = point.at(&format!("GradMatrix({text}, {name})"));
        for l in 0..columns {
            let mut unit = vec![0.0; columns];
            unit[l] = 1.0;
            let column = difference(&f, &point, at, &unit).expect("a smooth function");
            let found: Vec<f64> = (0..rows).map(|k| matrix[k * columns + l]).collect();
            close(&found, &column, 1e-9, text);
        }
        if rows == columns {
            let trace: f64 = (0..rows).map(|k| matrix[k * columns + k]).sum();
            close(&point.at(&format!("Divergence({text}, {name})")), &[trace], 1e-12, text);
        }
    }
}

/// Values that derivatives have where functions have a kink or a pole, by convention.
#[test]
fn special_points_follow_the_conventions() {
    let aliases = ["x = Pm(1)", "y = Pm(2)", "a = Pm(1)", "b = Pm(1)"];
    let at = |text: &str, x: f64, y: [f64; 2], a: f64, b: f64| {
        let formula =
            typing::formula(text, None, &aliases).unwrap_or_else(|e| panic!("{text}\n{e}"));
        let point = Point { values: vec![vec![x], y.to_vec(), vec![a], vec![b]] };
        point.evaluate(&formula)
    };
    let slope = |f: &str, x: f64| at(&format!("Grad({f}, x, 1)"), x, [0.0; 2], 0.0, 0.0)[0];
    for (f, x, wanted) in [
        ("Sqrt(x)", 0.0, 0.0),
        ("Rsqrt(x)", 0.0, 0.0),
        ("Norm2(x)", 0.0, 0.0),
        ("Abs(x)", 0.0, 0.0),
        ("ReLU(x)", 0.0, 1.0),
        ("ReLU(x)", -1.0, 0.0),
        ("XLogX(x)", 0.0, f64::NEG_INFINITY),
        ("Asin(x)", 1.0, 0.0),
        ("Acos(x)", -1.0, 0.0),
        ("SinXDivX(x)", 0.0, 0.0),
        ("SinXDivX(x)", -0.0, 0.0),
        ("Step(x)", 0.0, 0.0),
        ("Sign(x)", 0.0, 0.0),
        ("Floor(x)", 2.0, 0.0),
        ("Round(x, 1)", 2.0, 0.0),
        ("Pow(x, 0)", 2.0, 0.0),
        ("Pow(x, 3)", 2.0, 12.0),
        ("Powf(x, 3)", -2.0, 12.0),
        ("ClampInt(x, -1, 2)", 2.0, 1.0),
        ("ClampInt(x, -1, 2)", 2.5, 0.0),
        ("ClampInt(x, -1, 2)", f64::NAN, 1.0),
        ("DiffClampInt(x, -1, 2)*x", 1.0, 1.0),
        ("Mod(x, 3, 1)", -3.0, 1.0),
        ("x*x", 3.0, 6.0),
        // The series and the closed form of SinXDivX' meet at 1.
        ("SinXDivX(x)", 1e-8, -1e-8 / 3.0),
    ] {
        let found = slope(f, x);
        assert!(
            found == wanted || (found - wanted).abs() < 1e-15 * wanted.abs(),
            "{f} at {x}: {found}"
        );
    }
    assert!(slope("Sqrt(x)", -1.0).is_nan());
    let both_sides = [1.0 - 1e-12, 1.0 + 1e-12].map(|x| slope("SinXDivX(x)", x));
    assert!((both_sides[0] - both_sides[1]).abs() < 1e-11, "{both_sides:?}");
    // The second derivative at 0 is -1/3.
    let second = at("Grad(Grad(SinXDivX(x), x, 1), x, 1)", 0.0, [0.0; 2], 0.0, 0.0)[0];
    assert!((second + 1.0 / 3.0).abs() < 1e-15, "{second}");
    // A clamp whose bounds are out of order, and one whose bounds are equal: whatever test fires has all of the seed.
    let clamp = |x, a, b| {
        ["x", "a", "b"].map(|v| at(&format!("Grad(Clamp(x, a, b), {v}, 1)"), x, [0.0; 2], a, b)[0])
    };
    assert_eq!(clamp(0.5, 0.0, 1.0), [1.0, 0.0, 0.0]);
    assert_eq!(clamp(-0.5, 0.0, 1.0), [0.0, 1.0, 0.0]);
    assert_eq!(clamp(1.5, 0.0, 1.0), [0.0, 0.0, 1.0]);
    assert_eq!(clamp(0.5, 1.0, 0.0), [0.0, 1.0, 0.0]);
    assert_eq!(clamp(2.0, 1.0, 0.0), [0.0, 0.0, 1.0]);
    assert_eq!(clamp(1.0, 1.0, 1.0), [1.0, 0.0, 0.0]);
    // Branches that mix components: the seed is masked, not the result.
    let mixed = "Grad(IfElse(y, Sum(y)*y, 2*y), y, 1)";
    assert!(typing::formula(mixed, None, &aliases).unwrap_err().is_shape());
    let mixed = "Grad(IfElse(y, Sum(y)*y, 2*y), y, Concat(1, 1))";
    // f = (s*y0, 2*y1) for y = (1, -3): df/dy0 = s + y0 = -1, df/dy1 = y0 + 2 = 3.
    assert_eq!(at(mixed, 0.0, [1.0, -3.0], 0.0, 0.0), [-1.0, 3.0]);
    // Contributions to a repeated operand are summed.
    let powf = at("Grad(Powf(x, y), x, Concat(1, 1))", 2.0, [2.0, 3.0], 0.0, 0.0);
    assert_eq!(powf, [4.0 + 12.0]);
    let angle = at("Grad(Atan2(x, y), x, Concat(1, 1))", 0.0, [1.0, 2.0], 0.0, 0.0);
    assert_eq!(angle, [1.5]);
    // Ties go to the first extremal component.
    assert_eq!(at("Grad(Max(y), y, 1)", 0.0, [2.0, 2.0], 0.0, 0.0), [1.0, 0.0]);
    assert_eq!(at("Grad(Min(y), y, 1)", 0.0, [f64::NAN, 2.0], 0.0, 0.0), [0.0, 1.0]);
}

#[test]
fn values_that_the_reference_states() {
    let at = |text: &str, x: &[f64], y: &[f64], g: f64| {
        let aliases =
            [format!("x = Pm({})", x.len()), format!("y = Pm({})", y.len()), "g = Pm(1)".into()];
        let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
        let formula = typing::formula(text, None, &aliases).unwrap();
        Point { values: vec![x.to_vec(), y.to_vec(), vec![g]] }.evaluate(&formula)
    };
    let (x, y) = ([1.0, 2.0, 4.0], [0.0, 1.0, 3.0, 3.0]);
    close(&at("SoftDTW_SqDist(x, y, g)", &x, &y, 0.5), &[2.682734009723146], 1e-14, "SoftDTW");
    close(
        &at("Grad(SoftDTW_SqDist(x, y, g), x, 1)", &x, &y, 0.5),
        &[1.99838411, -1.24331054, 2.46946068],
        1e-8,
        "its gradient",
    );
    let knots = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    assert_eq!(at("BSpline(x, g, 2)", &knots, &y, 2.5), [0.125, 0.75, 0.125]);
    assert_eq!(at("BSpline(x, g, 1)", &knots, &y, 5.0), [0.0; 4]);
    assert!(at("BSpline(x, g, 1)", &knots, &y, f64::NAN).iter().all(|b| b.is_nan()));
    // Repeated knots divide by nothing, and neither do derivatives.
    let repeated = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    close(&at("BSpline(x, g, 2)", &repeated, &y, 0.5), &[0.25, 0.5, 0.25], 1e-15, "Bernstein");
    close(
        &at("Diff(BSpline(x, g, 2), g, 1)", &repeated, &y, 0.5),
        &[-1.0, 0.0, 1.0],
        1e-15,
        "their derivatives",
    );
    let (c, d) = ([1.0, 2.0], [3.0, -1.0]);
    assert_eq!(at("ComplexMult(x, y)", &c, &d, 0.0), [5.0, 5.0]);
    close(&at("ComplexDivide(x, y)", &c, &d, 0.0), &[0.1, 0.7], 1e-15, "ComplexDivide");
    assert!(at("ComplexDivide(x, y)", &c, &[0.0, 0.0], 0.0).iter().all(|z| z.is_nan()));
    close(&at("ComplexAngle(x)", &c, &d, 0.0), &[1.1071487177940904], 1e-15, "ComplexAngle");
    close(&at("ComplexAbs(x)", &c, &d, 0.0), &[2.23606797749979], 1e-15, "ComplexAbs");
    close(
        &at("ComplexExp(x)", &c, &d, 0.0),
        &[-1.1312043837568135, 2.4717266720048188],
        1e-15,
        "ComplexExp",
    );
    close(
        &at("ComplexExp1j(x)", &c, &d, 0.0),
        &[0.5403023058681398, 0.8414709848078965, -0.4161468365471424, 0.9092974268256817],
        1e-15,
        "ComplexExp1j",
    );
    let six = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    assert_eq!(at("MatVecMult(x, y)", &six, &[1.0, 10.0], 0.0), [10.0, 32.0, 54.0]);
    assert_eq!(at("VecMatMult(y, x)", &six, &[1.0, 10.0], 0.0), [30.0, 41.0, 52.0]);
    assert_eq!(
        at("TensorProd(x, y)", &[1.0, 10.0], &[1.0, 10.0, 100.0], 0.0),
        [1.0, 10.0, 100.0, 10.0, 100.0, 1000.0]
    );
    // By definition: axis q of the kept ones goes to place perm[q].
    let tensor = at("TensorDot(x, y, [2, 3], [2, 3], [], [], [2, 0, 3, 1])", &six, &six, 0.0);
    assert_eq!(tensor.len(), 36);
    for (k, value) in tensor.iter().enumerate() {
        // Result sizes: kept (f: 2, 3; g: 2, 3) placed at 2, 0, 3, 1 gives [3, 3, 2, 2].
        let (a, b, c, d) = (k / 12, k / 4 % 3, k / 2 % 2, k % 2);
        assert_eq!(*value, six[c * 3 + a] * six[d * 3 + b], "component {k}");
    }
}
