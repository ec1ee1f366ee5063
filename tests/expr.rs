//! Formulas built in Rust: every operation, the same trees as texts, the same results.

use genred::expr::{Expr, index_i, index_j, pm, ratio, vi, vj, zero};
use genred::formula::table::{self, EXAMPLE_ALIASES};
use genred::formula::typing;
use genred::{Axis, Genred, Kernel, Reduction, View};
use std::collections::BTreeSet;

/// For every row of the table its example, built with methods and operators.
fn examples() -> Vec<(&'static str, Expr)> {
    let (x, y, u, s, b) = (vi("x", 3), vj("y", 3), vi("u", 3), pm("s", 1), vj("b", 1));
    let (c, d, m, k) = (vi("c", 2), vj("d", 2), pm("m", 6), pm("k", 9));
    let (w, z, e) = (vi("w", 4), vj("z", 4), vi("e", 1));
    let exp = |f: Expr| f.exp();
    vec![
        ("IntCst", 3 * &x),
        ("RatCst", ratio(1, 3) * &x),
        ("IntInv", Expr::call("IntInv", [Expr::from(-2)]) * &x),
        ("IndexI", index_i().not_equal(index_j()) * &x),
        ("IndexJ", (index_i() - index_j()).if_else(&x, &y)),
        ("Zero", zero(3)),
        ("Var", Expr::call("Var", [12, 3, 1].map(Expr::from)) * &x),
        ("Vi", &x * &y),
        ("Vj", &y * &x),
        ("Pm", &s * &x),
        ("Minus", -&x),
        ("Abs", (&x - &y).abs()),
        ("Exp", (&x - &y).exp()),
        ("Log", (1 + &x * &x).log()),
        ("Sin", (&x * &y).sin()),
        ("Cos", (&x * &y).cos()),
        ("Sqrt", (&x * &x + &y * &y).sqrt()),
        ("Rsqrt", (&x * &x + &y * &y).rsqrt()),
        ("Inv", x.inv()),
        ("Square", (&x - &y).square()),
        ("XLogX", x.abs().xlogx()),
        ("SinXDivX", (&x - &y).sin_x_div_x()),
        ("Asin", x.sin().asin()),
        ("Acos", x.sin().acos()),
        ("Atan", (&x * &y).atan()),
        ("Sign", (&x - &y).sign() * &x),
        ("Step", (&x - &y).step() * &x),
        ("ReLU", (&x - &y).relu()),
        ("Floor", (3 * &x).floor() * &x),
        ("Round", x.round(2) * &x),
        ("Pow", x.powi(3)),
        ("ClampInt", (&x * &y).clamp_int(-1, 2)),
        ("DiffClampInt", (&x * &y).diff_clamp_int(-1, 2) * &x),
        ("Add", &x + &b),
        ("Subtract", &x - &y),
        ("Mult", &x * &b),
        ("Divide", &x / &y),
        ("Powf", x.abs().powf(&s)),
        ("Atan2", x.atan2(&y)),
        ("Equal", x.equal(&y)),
        ("NotEqual", x.not_equal(&y)),
        ("LessThan", y.greater_than(&x)),
        ("LessOrEqual", y.greater_or_equal(&x)),
        ("IfElse", (&x - &y).if_else(&x, y.square())),
        ("Clamp", x.clamp(&s, &y)),
        ("Mod", x.modulo(&y, &s)),
        ("Sum", (&x * &y).sum()),
        ("SumT", e.sum_t(3) * &y),
        ("Scalprod", &x | &y),
        ("SqNorm2", (&x - &y).sq_norm2()),
        ("Norm2", (&x - &y).norm2()),
        ("Normalize", (&x - &y).normalize()),
        ("SqDist", x.sq_dist(&y)),
        ("WeightedSqNorm", w.weighted_sq_norm(&c)),
        ("WeightedSqDist", s.weighted_sq_dist(&x, &y)),
        ("SqNormIso", s.sq_norm_iso(&x)),
        ("SqNormDiag", y.sq_norm_diag(&x)),
        ("SymSqNorm", w.sym_sq_norm(&d)),
        ("Max", (&x * &y).max()),
        ("Min", (&x * &y).min()),
        ("ArgMax", (&x + &y).arg_max()),
        ("ArgMin", (&x + &y).arg_min()),
        ("Elem", x.at(0) * &y),
        ("ElemT", e.elem_t(3, 1) + &y),
        ("Extract", x.slice(1..3) * &d),
        ("ExtractT", c.extract_t(1, 3) * &y),
        ("Concat", x.concat(&d).concat(&b)),
        ("OneHot", x.arg_max().one_hot(3) * &y),
        ("MatVecMult", m.mat_vec_mult(&d)),
        ("VecMatMult", d.vec_mat_mult(&m)),
        ("TensorProd", x.tensor_prod(&d)),
        ("TensorDot", m.tensor_dot(&d, [&[3, 2], &[2]], [&[1], &[0]], &[])),
        ("Kron", m.kron(&d, &[2, 3], &[2, 1])),
        ("Ind", m.tensor_dot(&d, [&[3, 2], &[2]], [&[1], &[0]], &[0])),
        ("Real2Complex", x.real_to_complex()),
        ("Imag2Complex", x.imag_to_complex()),
        ("ComplexReal", w.complex_real()),
        ("ComplexImag", w.complex_imag()),
        ("Conj", w.conj()),
        ("ComplexAbs", w.complex_abs()),
        ("ComplexSquareAbs", w.complex_square_abs()),
        ("ComplexAngle", w.complex_angle()),
        ("ComplexAdd", w.complex_add(&d)),
        ("ComplexSubtract", w.complex_subtract(&d)),
        ("ComplexMult", w.complex_mult(&z)),
        ("ComplexDivide", w.complex_divide(&z)),
        ("ComplexExp", w.complex_exp()),
        ("ComplexExp1j", x.complex_exp1j()),
        ("ComplexSum", w.complex_sum()),
        ("ComplexSumT", d.complex_sum_t(4) * &w),
        ("ComplexRealScal", b.complex_real_scal(&w)),
        ("BSpline", k.b_spline(&e, 2)),
        ("SoftDTW_SqDist", x.soft_dtw_sq_dist(&z, &s)),
        ("Grad", x.sq_dist(&y).grad(&x, &e)),
        ("GradMatrix", (&x * &y).grad_matrix(&x)),
        ("Diff", x.sq_dist(&y).diff(&x, &u)),
        ("Divergence", (x.sq_dist(&y) * &x).divergence(&x)),
        ("Laplacian", exp(-x.sq_dist(&y)).laplacian(&x)),
        ("TraceOperator", (&x * &y).trace_operator(&x)),
        ("AdjointOperator", (&x * &y).adjoint_operator(&x, &u)),
        ("SumLinOperator", (&x * &y).sum_lin_operator(&x)),
        ("Factorize", ((&x - &y).exp() + (&x - &y).sin()).factorize(&x - &y)),
        ("AutoFactorize", ((&x - &y).exp() + (&x - &y).sin()).auto_factorize()),
    ]
}

#[test]
fn every_operation_is_a_method_or_an_operator() {
    let built = examples();
    let names: BTreeSet<&str> = built.iter().map(|(name, _)| *name).collect();
    let rows: BTreeSet<&str> = table::TABLE.iter().map(table::Row::name).collect();
    assert_eq!(names, rows);
    for (name, expr) in built {
        let row = table::find(name).expect("a row");
        let typed = |text: &str| {
            let formula = typing::formula(text, None, &EXAMPLE_ALIASES);
            formula.unwrap_or_else(|e| panic!("{text}\n{e}")).text()
        };
        assert_eq!(typed(&expr.to_string()), typed(row.example), "{name}");
        let ast = genred::syntax::parse(&expr.to_string()).expect("what is printed is parsed");
        assert_eq!(ast.exprs, expr.ast().exprs, "{name}");
        for alias in expr.aliases() {
            assert!(EXAMPLE_ALIASES.contains(&alias.as_str()), "{name}: {alias}");
        }
    }
}

#[test]
fn operators_take_numbers_on_either_side() {
    let x = vi("x", 3);
    let text = |f: Expr| f.to_string();
    assert_eq!(text(2 * &x + 1), "2 * x + 1");
    assert_eq!(text(0.1 / &x - 1e300), "0.1 / x - 1e300");
    assert_eq!(text(-3 * &x), "-3 * x");
    assert_eq!(text(&x * -0.5), "x * -0.5");
    assert_eq!(text(1 - &x.pow(-2)), "1 - x**-2");
    assert_eq!(text((-&x).pow(2)), "(-x)**2");
    assert_eq!(text(Expr::from(i64::MIN) * &x), "-9223372036854775808 * x");
    assert_eq!(text(&x | (&x + 1.0)), "x | x + 1.0");
    assert_eq!(text(x.clone() * (x.clone() + x.clone())), "x * (x + x)");
    assert_eq!(text(x.sum() | 2), "Sum(x) | 2");
    // A number is the very decimal that it prints as.
    let exact = |text: &str| typing::formula(text, None, &["x = Vi(3)"]).unwrap().text();
    assert_eq!(exact(&text(&x * 0.1)), exact("x*(1/10)"));
}

#[test]
fn a_formula_is_compiled_with_its_aliases() {
    let (x, y, g) = (vi("x", 2), vj("y", 2), pm("g", 1));
    let formula = (-&g * (&x - &y).sq_norm2()).exp() * &y;
    assert_eq!(formula.aliases(), ["g = Pm(1)", "x = Vi(2)", "y = Vj(2)"]);
    let (gs, xs, ys) = ([0.5f64], [0.0, 1.0, 2.0, -1.0], [1.0, 1.0, 0.5, 0.0, -1.0, 2.0]);
    let views = || -> Vec<View<'_, f64>> {
        vec![
            View::new(&gs, 1, 1).unwrap(),
            View::new(&xs, 2, 2).unwrap(),
            View::new(&ys, 3, 2).unwrap(),
        ]
    };
    let by_text = |text: &str, axis: Axis| {
        Genred::<f64>::sum(text).aliases(["g = Pm(1)", "x = Vi(2)", "y = Vj(2)"]).axis(axis)
    };
    let text = "Exp(-g*SqNorm2(x - y))*y";
    for (built, axis) in [(formula.sum_over_j(), Axis::J), (formula.sum_over_i(), Axis::I)] {
        let (built, text) = (built.compile().unwrap(), by_text(text, axis).compile().unwrap());
        assert_eq!(built.call(&views()).unwrap(), text.call(&views()).unwrap());
    }
    let weighted: Kernel<f64> = x.sq_dist(&y).softmax_over_j(&(&y * &g)).compile().unwrap();
    let by_text = Genred::<f64>::reduction(Reduction::SumSoftMaxWeight, "SqDist(x, y)")
        .weight("y*g")
        .aliases(["x = Vi(2)", "y = Vj(2)", "g = Pm(1)"])
        .axis(Axis::J)
        .compile()
        .unwrap();
    let [g, x, y] = [0, 1, 2].map(|k| views()[k]);
    assert_eq!(weighted.call(&[x, y, g]).unwrap(), by_text.call(&[x, y, g]).unwrap());
}

#[test]
fn mistakes_are_those_of_texts() {
    let twice = vi("x", 3) + vj("x", 3);
    let error = twice.sum_over_j::<f32>().compile().map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("the name `x` is given twice"), "{error}");
    let dims = vi("x", 3) + vj("y", 2);
    let error = dims.sum_over_j::<f32>().compile().map(|_| ()).unwrap_err();
    assert!(error.is_shape() && error.to_string().contains("x + y"), "{error}");
    let name = vi("Exp", 3).exp();
    assert!(name.sum_over_j::<f32>().compile().map(|_| ()).unwrap_err().is_syntax());
    let infinite = vi("x", 3) * f64::INFINITY;
    assert!(infinite.sum_over_j::<f32>().compile().map(|_| ()).unwrap_err().is_syntax());
}

/// Long formulas need no stack, to be built, printed or dropped.
#[test]
fn long_formulas() {
    let run = || {
        let x = vi("x", 1);
        let mut sum = x.clone();
        for _ in 0..2_000 {
            sum = sum + &x;
        }
        let sum: Kernel<f64> = sum.sum_over_j().compile().unwrap();
        assert_eq!(sum.call(&[View::new(&[0.5], 1, 1).unwrap()]).unwrap()[(0, 0)], 1000.5);
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap();
}
