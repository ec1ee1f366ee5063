//! From text to typed formulas: grammar, literals, aliases, identities, limits, and no panic on any text.

use genred::formula::table::{self, EXAMPLE_ALIASES};
use genred::formula::typing::{self, low_level};
use genred::formula::{Category, Formula};
use genred::syntax::ast::{AstId, Operator};
use genred::syntax::{Ast, Expr, parse};
use genred::{Error, limits};
use proptest::prelude::*;

/// The aliases of the reference's list of strings.
const ALIASES: [&str; 7] =
    ["x = Vi(3)", "y = Vj(3)", "u = Vi(3)", "s = Pm(1)", "b = Vj(1)", "c = Vi(2)", "m = Pm(6)"];

fn typed(text: &str) -> Formula {
    typing::formula(text, None, &ALIASES).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

/// Two texts mean the same typed formula.
#[track_caller]
fn same(a: &str, b: &str) {
    assert_eq!(typed(a).text(), typed(b).text(), "{a} and {b}");
}

#[track_caller]
fn has_dim(text: &str, dim: u32) {
    assert_eq!(typed(text).root_dim(0), dim, "{text}");
}

#[test]
fn precedence_is_pythons() {
    let tree = |text: &str| parse(text).unwrap_or_else(|e| panic!("{text}\n{e}")).exprs;
    for (text, meant, other) in [
        ("x|y+u", "x|(y+u)", "(x|y)+u"),
        ("x|y*2", "x|(y*2)", "(x|y)*2"),
        ("x|y<u", "(x|y)<u", "x|(y<u)"),
        ("-x|y", "(-x)|y", "-(x|y)"),
        ("-x**2", "-(x**2)", "(-x)**2"),
        ("-2**2*x", "(-(2**2))*x", "-((2**2)*x)"),
        ("x**2**3", "x**(2**3)", "(x**2)**3"),
        ("x|y|u", "(x|y)|u", "x|(y|u)"),
        ("x/y/u", "(x/y)/u", "x/(y/u)"),
        ("x-y-u", "(x-y)-u", "x-(y-u)"),
        ("x/y*u", "(x/y)*u", "x/(y*u)"),
        ("x-y+u", "(x-y)+u", "x-(y+u)"),
        ("x+y*u", "x+(y*u)", "(x+y)*u"),
        ("x**-y*u", "(x**(-y))*u", "x**(-(y*u))"),
        ("x**-y**2", "x**(-(y**2))", "(x**(-y))**2"),
        ("-x*y", "(-x)*y", "-(x*y)"),
        ("x*-y+u", "(x*(-y))+u", "x*(-(y+u))"),
        ("x--y", "x-(-y)", "-(x-y)"),
        ("x+-y", "x+(-y)", "-(x+y)"),
        ("x<y+u", "x<(y+u)", "(x<y)+u"),
        ("-x[0]", "-(x[0])", "(-x)[0]"),
        ("x**y[0]", "x**(y[0])", "(x**y)[0]"),
        ("+x*+y", "x*y", "x+y"),
        ("x == y | u", "x == (y | u)", "(x == y) | u"),
    ] {
        assert_eq!(tree(text), tree(meant), "{text}");
        assert_ne!(tree(text), tree(other), "{text}");
    }
    assert_eq!(tree(" x\n+\t( y ) "), tree("x+y"));
    assert_eq!(tree("F(x, y,)"), tree("F(x, y)"));
}

#[test]
fn what_keops_refuses_and_we_accept() {
    same("x == y", "Equal(x, y)");
    same("x != y", "NotEqual(x, y)");
    same("x > y", "LessThan(y, x)");
    same("x >= y", "LessOrEqual(y, x)");
    same("x*0.5", "RatCst(1, 2)*x");
    same("1/2*x", "RatCst(1, 2)*x");
    same("1e3*x", "IntCst(1000)*x");
    same("x**0.5", "Sqrt(x)");
    same("x**-0.5", "Rsqrt(x)");
    same("x**s", "Powf(x, s)");
    same("2**x", "Powf(2, x)");
    same("x**2.0", "Square(x)");
    same("x**2", "Square(x)");
    same("x**-1", "Pow(x, -1)");
    same("x**0", "SumT(1, 3)");
    same("x**1", "x");
    same("+x", "x");
    same("1 + 1", "2");
    has_dim("1", 1);
    has_dim("Exp(1)", 1);
    same("Clamp(x, 0, 1)", "ClampInt(x, 0, 1)");
    has_dim("Mod(x, 2, 0)", 3);
    has_dim("IfElse(x, 1, 0)", 3);
    has_dim("Powf(x, 2)", 3);
    has_dim("NotEqual(x, 1)", 3);
    has_dim("Grad(SqDist(x, y), x, 1)", 3);
    same("Grad(SqDist(x, y), x, 1)", "Grad(SqDist(x, y), x, IntCst(1))");
    for zero in ["0/x", "0*x", "x - x", "x*0"] {
        same(zero, "Zero(3)");
    }
    has_dim("Concat(x, y, u)", 9);
    same("Round(x)", "Round(x, 0)");
    same("TensorDot(m, c, Ind(2,3), Ind(2), Ind(0), Ind(0))", "VecMatMult(c, m)");
    same("TensorDot(m, c, (3, 2), 2, (1,), [0,])", "MatVecMult(m, c)");
    same("TensorDot(x, y, [3], [3], (), [])", "TensorProd(x, y)");
    same("ComplexScal(c, c)", "ComplexMult(c, c)");
    same("Diff(MatVecMult(m, c), c, c)", "MatVecMult(m, c)");
    same("RatCst(1, 2) + 1", "3/2");
    same("IntInv(-2)", "-1/2");
    same("Vi(0, 3) + Vj(1, 3)", "x + y");
    same("Vx(0, 3) + Vy(1, 3)", "x + y");
    same("Square(Pm(3, 1))", "Square(s)");
    same("Var(0, 3, 0)*Var(3, 1, 2)", "x*s");
    same("x[1]", "Elem(x, 1)");
    same("x[0:2]", "Extract(x, 0, 2)");
    same("x[1 + 1]", "Elem(x, 2)");
    same("m[1:4][1]", "m[2]");
    same("Factorize(Exp(x - y) + Sin(x - y), x - y)", "Exp(x - y) + Sin(x - y)");
    same("AutoFactorize(x)", "x");
    // No words are reserved but the names of operations.
    for name in ["lambda", "and", "if", "not", "sum", "Sum_Reduction", "LogSumExp", "_", "x1"] {
        let alias = format!("{name} = Vi(3)");
        typing::formula(&format!("2*{name}"), None, &[&alias]).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn aliases_take_many_forms() {
    let variables = |aliases: &[&str]| -> Vec<(String, Category, u32)> {
        let formula = typing::formula("1", None, aliases).unwrap_or_else(|e| panic!("{e}"));
        formula.variables.into_iter().map(|v| (v.name, v.category, v.dim)).collect()
    };
    let (i, j, p) = (Category::I, Category::J, Category::Param);
    let x = |name: &str, category, dim| (name.to_owned(), category, dim);
    assert_eq!(variables(&["x=Vi(3)", " y = Vj ( 2 ) "]), [x("x", i, 3), x("y", j, 2)]);
    assert_eq!(variables(&["x = Vx(3)", "y = Vy(2)"]), [x("x", i, 3), x("y", j, 2)]);
    assert_eq!(variables(&["y = Vj(1, 3)", "x = Vi(0, 2)"]), [x("x", i, 2), x("y", j, 3)]);
    assert_eq!(variables(&["Vi(3)", "Pm(1, 2)"]), [x("Var(0,3,0)", i, 3), x("Var(1,2,2)", p, 2)]);
    assert_eq!(variables(&["Var(0, 3, 1)"]), [x("Var(0,3,1)", j, 3)]);
    assert_eq!(variables(&["x\n=\tVi(3)"]), [x("x", i, 3)]);
    // An inline variable after the aliases adds an argument.
    let formula = typing::formula("x*Var(1, 3, 1)", None, &["x = Vi(3)"]).unwrap();
    assert_eq!(formula.variables.len(), 2);
}

#[test]
fn literals_are_exact() {
    same("0.1 + 0.2", "3/10");
    same("1/3 + 1/6", "0.5");
    same("2*3*x", "6*x");
    same("x*2*3", "6*x");
    same("x*1/2", "0.5*x");
    same("0x10 + 0b11 + 0o7", "26");
    same("1_000", "1000");
    same(".5e1", "5.");
    same("-2**2*x", "-4*x");
    same("(1 - 0.9 - 0.1)*x", "Zero(3)");
    same("2**0.5", "Sqrt(2)");
    same("10**-2", "0.01");
    same("IntCst(12345678901234567890)", "12345678901234567890");
    // Constants gather only as far as every compute type can hold them.
    assert_ne!(typed("x*1e25*1e25").text(), typed("1e50*x").text());
}

#[test]
fn identities_keep_values() {
    same("x + 0", "x");
    same("0 - x", "-x");
    same("--x", "x");
    same("x + x", "2*x");
    same("x - -y", "x + y");
    same("x*x", "Square(x)");
    same("1*x", "x");
    same("-1*x", "-x");
    same("x/1", "x");
    same("x/4", "0.25*x");
    same("(x | x)", "SqNorm2(x)");
    same("Norm2(x)", "Sqrt(SqNorm2(x))");
    same("(x | s)", "s*Sum(x)");
    same("SumT(s, 3)*x", "s*x");
    same("Sum(SumT(s, 3))", "3*s");
    same("Sum(ElemT(b, 5, 2))", "b");
    same("Conj(Conj(c))", "c");
    same("ComplexReal(Real2Complex(x))", "x");
    same("ComplexImag(Imag2Complex(x))", "x");
    same("Concat(x[0], x[1:3])", "x");
    same("Concat(x, Concat(y, u))", "Concat(x, y, u)");
    same("ElemT(b, 3, 1)*x", "ElemT(b*x[1], 3, 1)");
    same("ElemT(b, 3, 1) + ElemT(s, 3, 1)", "ElemT(b + s, 3, 1)");
    same("ElemT(b, 2, 0) + ElemT(s, 2, 1)", "Concat(b, s)");
    same("TensorProd(s, x)", "s*x");
    same("MatVecMult(x, b)", "x*b");
    same("MatVecMult(x, y)", "(x | y)");
    same("Kron(x, c, [3], [2])", "TensorProd(x, c)");
    same("Laplacian(SqDist(x, y), x)", "6");
    same("Grad(SqDist(x, y), x, 1)", "2*(x - y)");
    same("GradMatrix(MatVecMult(m, c), c)", "m");
    has_dim("GradMatrix(x, x)", 9);
    same("TraceOperator(2*x, x)", "6");
    same("Grad(Sum(y), x, 1)", "Zero(3)");
    same("Diff(y, x, u)", "Zero(3)");
    // Equal parts are shared, in either order.
    assert_eq!(typed("x*y + y*x").nodes.len(), typed("2*(x*y)").nodes.len());
    // Nothing is left of what the result does not need.
    assert!(!typed("Elem(x, 2)").text().contains("= 2"));
}

/// The gradient of the Gaussian does no more than the formula that one would write.
#[test]
fn the_gradient_of_a_gaussian_is_as_short_as_by_hand() {
    let aliases = ["x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "g = Pm(1)", "e = Vi(2)", "f = Vi(1)"];
    for (grad, by_hand) in [
        ("Grad(Exp(-SqNorm2(x - y)), x, f)", "-2*Exp(-SqNorm2(x - y))*f*(x - y)"),
        ("Grad(Exp(-g*SqDist(x, y))*b, x, e)", "-2*g*(Exp(-g*SqDist(x, y))*(b | e))*(x - y)"),
        ("Grad(Exp(-g*SqDist(x, y))*b, y, e)", "2*g*(Exp(-g*SqDist(x, y))*(b | e))*(x - y)"),
    ] {
        let cost = |text: &str| -> u32 {
            let formula = typing::formula(text, None, &aliases).unwrap();
            let pairs = formula.nodes.iter();
            pairs
                .filter(|n| n.variability == genred::formula::Variability::Pair)
                .map(|n| n.dim)
                .sum()
        };
        let (found, wanted) = (cost(grad), cost(by_hand));
        assert!(
            found <= wanted + 1,
            "{grad}: {found} scalars a pair, by hand {wanted}\n{}",
            typing::formula(grad, None, &aliases).unwrap().text()
        );
    }
}

#[test]
fn every_example_is_typed() {
    for row in table::TABLE {
        let formula = typing::formula(row.example, None, &EXAMPLE_ALIASES);
        formula.unwrap_or_else(|e| panic!("{}\n{e}", row.example));
        let open = if row.args.is_empty() { "" } else { "(" };
        let is_used = |name: &&str| row.example.contains(&format!("{name}{open}"));
        assert!(row.names.iter().any(is_used), "{} is not used", row.name());
    }
    for (title, first) in table::SECTIONS {
        assert!(table::find(first).is_some(), "{title} begins with {first}");
    }
    let (markdown, text) = (table::markdown(), table::text());
    let written = |name: &str| table::find(name).unwrap().written(name);
    for name in table::names() {
        assert!(markdown.contains(&format!("`{}", written(name))), "{name}");
        assert!(text.contains(&format!("  {name}")), "{name}");
    }
}

#[test]
fn reductions_inside_the_text() {
    let stated = |text: &str| {
        low_level(text, &ALIASES).unwrap_or_else(|e| panic!("{text}\n{e}")).expect("a reduction")
    };
    let sum = stated("Sum_Reduction(SqDist(x, y)*b, 1)");
    assert_eq!((sum.reduction.as_str(), sum.k, sum.rows), ("Sum", None, Category::J));
    assert_eq!(sum.formula.text(), typed("SqDist(x, y)*b").text());
    let nearest = stated("ArgKMin_Reduction(SqDist(x, y), 3, 0)");
    assert_eq!((nearest.k, nearest.rows), (Some(3), Category::I));
    let weighted = stated("Max_SumShiftExpWeight_Reduction(SqDist(x, y), 0, y)");
    assert_eq!(weighted.formula.roots.len(), 2);
    assert_eq!(stated("Zero_Reduction(4, 1)").formula.root_dim(0), 4);
    // The gradient of a sum is a sum with rows of the variable.
    let gradient = stated("Grad(Sum_Reduction(SqDist(x, y)*b, 0), y, b)");
    assert_eq!(gradient.rows, Category::J);
    assert_eq!(gradient.formula.text(), typed("Grad(SqDist(x, y)*b, y, b)").text());
    let by_parameter = stated("Grad(Sum_Reduction(SqDist(x, y)*s, 1), s, b)");
    assert_eq!(by_parameter.rows, Category::I);
    let tangent = stated("Diff(Sum_Reduction(SqDist(x, y), 1), y, y)");
    assert_eq!(tangent.rows, Category::J);
    assert_eq!(tangent.formula.text(), typed("Diff(SqDist(x, y), y, y)").text());
    assert!(low_level("SqDist(x, y)", &ALIASES).unwrap().is_none());
    // Every name is one that reductions know.
    for name in ["Min_ArgMin", "MinArgMin", "Max_ArgMax", "LogSumExp", "Max_SumShiftExp"] {
        let known = stated(&format!("{name}_Reduction(SqDist(x, y), 0)"));
        genred::Reduction::from_name(&known.reduction, known.k).expect("a known reduction");
    }
}

fn is_limit(result: Result<Formula, Error>) -> bool {
    result.is_err_and(|e| e.is_limit())
}

#[test]
fn limits_hold_at_their_ends() {
    let one = |text: &str| typing::formula(text, None, &["x = Vi(1)"]);
    let nested = |n: usize| format!("{}x{}", "(".repeat(n), ")".repeat(n));
    assert!(one(&nested(limits::NESTING)).is_ok());
    assert!(is_limit(one(&nested(limits::NESTING + 1))));
    let called = |n: usize| format!("{}x{}", "Exp(".repeat(n), ")".repeat(n));
    assert!(one(&called(limits::NESTING)).is_ok());
    assert!(is_limit(one(&called(limits::NESTING + 1))));
    let padded = |n: usize| " ".repeat(n - 1) + "x";
    assert!(one(&padded(limits::FORMULA_BYTES)).is_ok());
    assert!(is_limit(one(&padded(limits::FORMULA_BYTES + 1))));
    // One node for x, one for each power and, after the first, one for each sum.
    let terms = |n: usize| {
        let powers: Vec<String> = (0..n).map(|k| format!("Powf(x,{k}.5)")).collect();
        powers.join("+")
    };
    assert!(one(&terms(1365)).is_ok());
    assert!(is_limit(one(&terms(1400))));
    let dim = |d: usize| typing::formula("x", None, &[&format!("x = Vi({d})")]);
    assert!(dim(limits::DIM).is_ok());
    assert!(is_limit(dim(limits::DIM + 1)));
    let power = |m: i64| one(&format!("x**{m}"));
    assert!(power(limits::EXPONENT).is_ok() && power(-limits::EXPONENT).is_ok());
    assert!(is_limit(power(limits::EXPONENT + 1)) && is_limit(power(-limits::EXPONENT - 1)));
    let digits = |n: usize| one(&format!("x*0.{}", "3".repeat(n)));
    assert!(digits(limits::LITERAL_DIGITS - 2).is_ok());
    assert!(is_limit(digits(limits::LITERAL_DIGITS)));
    let many = |n: usize| {
        let aliases: Vec<String> = (0..n).map(|k| format!("x{k} = Vi(1)")).collect();
        let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
        typing::formula("x0", None, &aliases)
    };
    assert!(many(limits::ALIASES).is_ok());
    assert!(is_limit(many(limits::ALIASES + 1)));
    let axes = |n: usize| {
        let sizes = vec!["1"; n].join(",");
        one(&format!("Kron(x, x, [{sizes}], [{sizes}])"))
    };
    assert!(axes(limits::AXES).is_ok());
    assert!(is_limit(axes(limits::AXES + 1)));
}

/// Texts that are as long as they may be, in every direction in which a parser or a walk could recurse.
#[test]
fn long_texts_need_no_stack() {
    let n = 12_000;
    let texts = [
        format!("x{}", "+x".repeat(n)),
        format!("x{}", "**x".repeat(n)),
        format!("{}x", "-".repeat(n)),
        format!("x{}", "[0]".repeat(n)),
        format!("x{}", "|x".repeat(n)),
        format!("x{}", "*1e29*1e29".repeat(n / 6)),
        format!("2*({}x{})", "1e20*(".repeat(250), ")".repeat(250)),
        format!("Grad(x{}, x, 1)", "*1e20*b".repeat(n / 8)),
        format!("Sum(u{})", "*Exp(b)*b".repeat(300)),
        "(".repeat(n),
        "[".repeat(n),
        "Exp(".repeat(n / 4),
        format!("Concat({})", vec!["x"; n].join(",")),
        format!("Ind({})", vec!["1"; n].join(",")),
    ];
    let run = move || {
        for text in texts {
            let short: String = text.chars().take(30).collect();
            if let Ok(ast) = parse(&text) {
                assert_eq!(
                    parse(&ast.to_string()).map(|a| a.exprs).ok(),
                    Some(ast.exprs),
                    "{short}"
                );
            }
            let aliases = ["x = Vi(1)", "b = Vj(1)", "u = Vi(3)"];
            if let Err(error) = typing::formula(&text, None, &aliases) {
                assert!(error.to_string().len() < 2_000, "{short}");
            }
        }
    };
    // Far less stack than the smallest default.
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(run).expect("a thread");
    thread.join().expect("no panic");
}

/// A message about a text is rendered, and points into it.
fn sound(text: &str, error: &Error) {
    let _ = error.to_string();
    if let Some(span) = error.span() {
        assert!(span.start <= span.end && span.end <= text.len(), "{text:?}: {span:?}");
        assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{text:?}");
    }
}

/// Pieces that formulas are made of, and some that they are not.
fn piece() -> impl Strategy<Value = String> {
    let names: Vec<&'static str> = table::names().collect();
    let marks = [
        "+",
        "-",
        "*",
        "/",
        "**",
        "(",
        ")",
        "[",
        "]",
        ",",
        ":",
        "|",
        "<",
        "<=",
        ">",
        "==",
        "!=",
        "=",
        "%",
        "//",
        "@",
        "~",
        "#",
        ".",
        " ",
        "\n",
        "and",
        "not",
        "0",
        "1",
        "2",
        "3",
        "-1",
        "0.5",
        "1e9",
        "0x1f",
        "1e400",
        "é",
        "\u{0}",
        "x",
        "y",
        "s",
        "b",
        "c",
        "m",
        "w",
        "[2, 3]",
        "Sum_Reduction(",
    ];
    prop_oneof![
        3 => proptest::sample::select(marks.to_vec()).prop_map(str::to_owned),
        1 => proptest::sample::select(names).prop_map(|name| format!("{name}(")),
    ]
}

/// A valid formula with a few pieces inserted, removed or repeated.
fn mutated() -> impl Strategy<Value = String> {
    let examples: Vec<&'static str> = table::TABLE.iter().map(|row| row.example).collect();
    let edits = proptest::collection::vec((any::<(u16, u8, u8)>(), piece()), 1..5);
    (proptest::sample::select(examples), edits).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for ((at, count, kind), piece) in edits {
            let at = usize::from(at) % (chars.len() + 1);
            let end = (at + usize::from(count) % 8).min(chars.len());
            match kind % 3 {
                0 => drop(chars.drain(at..end)),
                1 => drop(chars.splice(at..at, piece.chars())),
                _ => {
                    let again: Vec<char> = chars[at..end].to_vec();
                    chars.splice(at..at, again);
                }
            }
        }
        chars.into_iter().collect()
    })
}

/// Any tree: operands before users.
fn tree() -> impl Strategy<Value = Ast> {
    let step = (any::<u8>(), any::<(u16, u16, u16)>(), 0usize..8);
    proptest::collection::vec(step, 1..40).prop_map(|steps| {
        let mut exprs: Vec<Expr> = Vec::new();
        // Each expression is used once, so that the tree has one root: unused ones wait on a stack.
        let mut unused: Vec<AstId> = Vec::new();
        let operators = ["<", "<=", ">", ">=", "==", "!=", "|", "+", "-", "*", "/", "**"];
        for (kind, (a, _, _), name) in steps {
            let take = |unused: &mut Vec<AstId>| unused.pop();
            let number = |exprs: &mut Vec<Expr>| {
                exprs.push(Expr::Number(a.to_string()));
                AstId(exprs.len() as u32 - 1)
            };
            let expr = match (kind % 8, unused.len()) {
                (0 | 1, _) | (_, 0) => match kind % 2 {
                    0 => Expr::Number(format!("{a}.5e-3")),
                    _ => Expr::Name(format!("v{name}")),
                },
                (2, _) => Expr::Neg(take(&mut unused).expect("one")),
                (3, _) => {
                    let args = unused.split_off(unused.len().saturating_sub(1 + name % 3));
                    Expr::Call(format!("F{name}"), args)
                }
                (4, _) => {
                    let f = take(&mut unused).expect("one");
                    // The operand must come right before its index in a parsed tree, which it does not here; the shape is
                    // what is compared.
                    let k = number(&mut exprs);
                    Expr::Index(f, k)
                }
                (_, 1) => Expr::Neg(take(&mut unused).expect("one")),
                _ => {
                    let g = take(&mut unused).expect("two");
                    let f = take(&mut unused).expect("two");
                    let op = Operator::of(operators[usize::from(a) % operators.len()]);
                    Expr::Binary(op.expect("an operator"), f, g)
                }
            };
            exprs.push(expr);
            unused.push(AstId(exprs.len() as u32 - 1));
        }
        if unused.len() > 1 {
            exprs.push(Expr::Call("All".into(), unused));
        }
        let spans = vec![genred::span::Span::default(); exprs.len()];
        Ast { exprs, spans }
    })
}

/// A tree as nested text with every parenthesis.
fn nested(ast: &Ast) -> String {
    let mut texts: Vec<String> = Vec::new();
    for expr in &ast.exprs {
        let operands: Vec<&str> =
            Ast::operands(expr).iter().map(|id| texts[id.index()].as_str()).collect();
        texts.push(match expr {
            Expr::Number(text) | Expr::Name(text) => text.clone(),
            Expr::Binary(op, ..) => format!("({} {} {})", operands[0], op.text(), operands[1]),
            other => {
                let kind = format!("{other:?}");
                let kind = kind.split(['(', ' ']).next().unwrap_or_default().to_owned();
                let name = if let Expr::Call(name, _) = other { name } else { "" };
                format!("{kind} {name}({})", operands.join(", "))
            }
        });
    }
    texts.pop().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        if let Err(error) = parse(&text) {
            sound(&text, &error);
        }
        if let Err(error) = typing::formula("1", None, &[&text]) {
            sound(&text, &error);
        }
    }

    #[test]
    fn any_pieces_are_typed_or_refused(pieces in proptest::collection::vec(piece(), 0..25)) {
        let text = pieces.concat();
        if let Err(error) = low_level(&text, &EXAMPLE_ALIASES) {
            sound(&text, &error);
        }
        if let Err(error) = typing::formula("1", None, &[&format!("x = {text}"), &text]) {
            let _ = error.to_string();
        }
    }

    #[test]
    fn mutated_formulas_are_typed_or_refused(text in mutated()) {
        match typing::formula(&text, None, &EXAMPLE_ALIASES) {
            Err(error) => sound(&text, &error),
            Ok(formula) => {
                // What is accepted is accepted again as it is printed, and means the same.
                let printed = parse(&text).expect("it was parsed").to_string();
                let again = typing::formula(&printed, None, &EXAMPLE_ALIASES);
                prop_assert_eq!(again.map(|f| f.canonical_text()).ok(), Some(formula.canonical_text()));
            }
        }
    }

    #[test]
    fn trees_print_back(ast in tree()) {
        let text = ast.to_string();
        let again = parse(&text);
        prop_assert!(again.is_ok(), "{}\n{}", text, again.unwrap_err());
        let again = again.unwrap();
        prop_assert_eq!(nested(&again), nested(&ast), "{}", text);
        prop_assert_eq!(again.to_string(), text);
    }
}
