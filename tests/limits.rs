//! Bounds on texts and arrays: what is just within is accepted, one more is refused with an error of kind `Limit`.

use genred::alias::{self, Role};
use genred::cache::{Cache, Mode, Options};
use genred::formula::typing;
use genred::{Axis, Error, ErrorKind, Genred, Reduction, View, limits, syntax};

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| {
        assert!(!error.to_string().is_empty());
        error.kind()
    })
}

const LIMIT: Option<ErrorKind> = Some(ErrorKind::Limit);

/// The outcome of typing a formula of `x = Vi(..)` and `y = Vj(1)`.
fn typed(formula: &str, dim: usize) -> Option<ErrorKind> {
    let x = format!("x = Vi({dim})");
    kind(typing::formula(formula, None, &[&x, "y = Vj(1)"]))
}

/// The outcome of compiling it.
fn compiled(formula: &str, dim: usize, reduction: Reduction) -> Option<ErrorKind> {
    let builder = Genred::<f32>::reduction(reduction, formula)
        .aliases([format!("x = Vi({dim})"), "y = Vj(1)".into()])
        .axis(Axis::J)
        .cache(&Cache::open(Options::new().mode(Mode::Off)));
    kind(builder.compile())
}

#[test]
fn bytes_of_a_formula() {
    let of = |bytes: usize| format!("x{}", " ".repeat(bytes - 1));
    assert_eq!(typed(&of(limits::FORMULA_BYTES), 1), None);
    assert_eq!(typed(&of(limits::FORMULA_BYTES + 1), 1), LIMIT);
}

#[test]
fn bytes_of_an_alias() {
    let of = |bytes: usize| {
        let alias = "x = Vi(3)";
        alias::parse(&(alias.to_owned() + &" ".repeat(bytes - alias.len())), Role::Input)
    };
    assert_eq!(kind(of(limits::FORMULA_BYTES)), None);
    assert_eq!(kind(of(limits::FORMULA_BYTES + 1)), LIMIT);
}

#[test]
fn nesting() {
    for (open, close) in [("(", ")"), ("Exp(", ")"), ("[", "]")] {
        let of = |depth: usize| syntax::parse(&(open.repeat(depth) + "1" + &close.repeat(depth)));
        assert_eq!(kind(of(limits::NESTING)), None, "{open}");
        assert_eq!(kind(of(limits::NESTING + 1)), LIMIT, "{open}");
    }
    // Operators do not nest: they need no closing.
    assert_eq!(typed(&("-".repeat(60_000) + "x"), 1), None);
    assert_eq!(typed(&("x**".repeat(20_000) + "2"), 1), LIMIT, "many nodes, no deep recursion");
}

#[test]
fn nodes_of_a_formula() {
    // `x`, then a literal and an addition for each term.
    let of = |nodes: usize, tail: &str| {
        let terms: String = (2..).take((nodes - 1) / 2).map(|k| format!("+{k}")).collect();
        format!("{tail}(x{terms})")
    };
    let odd = limits::NODES - 1;
    assert_eq!(odd % 2, 1);
    assert_eq!(typed(&of(odd, "Exp"), 1), None);
    assert_eq!(typed(&of(odd, "1+Exp"), 1), LIMIT);
    let formula = typing::formula(&of(odd, "Exp"), None, &["x = Vi(1)"]).expect("within");
    assert_eq!(formula.nodes.len(), limits::NODES);
}

#[test]
fn number_of_aliases() {
    let of = |count: usize| {
        let aliases: Vec<String> = (0..count).map(|k| format!("x{k} = Vi(1)")).collect();
        let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
        typing::formula("x0", None, &aliases)
    };
    assert_eq!(kind(of(limits::ALIASES)), None);
    assert_eq!(kind(of(limits::ALIASES + 1)), LIMIT);
    let inline = |count: usize| {
        let all: Vec<String> = (0..count).map(|k| format!("Var({k}, 1, 0)")).collect();
        typing::formula(&all.join("+"), None, &[])
    };
    assert_eq!(kind(inline(limits::ALIASES)), None);
    assert_eq!(kind(inline(limits::ALIASES + 1)), LIMIT);
}

#[test]
fn dim() {
    let (most, more) = (limits::DIM, limits::DIM + 1);
    assert_eq!(typed("x", most), None);
    assert_eq!(typed("x", more), LIMIT);
    assert_eq!(typed(&format!("SumT(x, {most})"), 1), None);
    assert_eq!(typed(&format!("SumT(x, {more})"), 1), LIMIT);
    assert_eq!(typed("Concat(x, x)", most / 2), None);
    assert_eq!(typed("Concat(x, x, y)", most / 2), LIMIT);
    assert_eq!(typed("TensorProd(x, x)", 256), None);
    assert_eq!(typed("TensorProd(x, x)", 257), LIMIT);
    assert_eq!(typed("GradMatrix(x*x, x)", 257), LIMIT);
    let output = |dim: usize| alias::parse(&format!("a = Vi({dim})"), Role::Output);
    assert_eq!(kind(output(most)), None);
    assert_eq!(kind(output(more)), LIMIT);
    // Beyond any integer type.
    assert_eq!(typed("SumT(x, 99999999999999999999999999)", 1).map(|_| ()), Some(()));
    assert_eq!(kind(alias::parse("x = Vi(99999999999999999999)", Role::Input)), LIMIT);
}

#[test]
fn axes_of_a_tensor() {
    let of = |count: usize| {
        let ones = vec!["1"; count].join(",");
        typed(&format!("Kron(x, y, [{ones}], [{ones}])"), 1)
    };
    assert_eq!(of(limits::AXES), None);
    assert_eq!(of(limits::AXES + 1), LIMIT);
}

#[test]
fn k() {
    let of = |k: u32| compiled("x*y", 1, Reduction::ArgKMin(k));
    assert_eq!(of(limits::K as u32), None);
    assert_eq!(of(limits::K as u32 + 1), LIMIT);
    assert_eq!(of(u32::MAX), LIMIT);
    assert_eq!(of(0), LIMIT);
    // As many results as there may be.
    let kernel = Genred::<f32>::kmin(limits::K as u32, "x*y")
        .aliases(["x = Vi(1)", "y = Vj(1)"])
        .axis(Axis::J);
    let kernel = kernel.cache(&Cache::open(Options::new().mode(Mode::Off))).compile();
    let (x, y) = ([1.0f32], [3.0f32, 1.0, 2.0]);
    let views = [View::new(&x, 1, 1).expect("x"), View::new(&y, 3, 1).expect("y")];
    let least = kernel.expect("within").call(&views).expect("a call").into_vec();
    assert_eq!(least.len(), limits::K);
    assert_eq!(least[..4], [1.0, 2.0, 3.0, f32::INFINITY]);
}

#[test]
fn exponents() {
    let most = limits::EXPONENT;
    for text in [format!("x**{most}"), format!("x**-{most}"), format!("Pow(x, {most})")] {
        assert_eq!(typed(&text, 1), None, "{text}");
    }
    let more = most + 1;
    for text in [format!("x**{more}"), format!("x**-{more}"), format!("Pow(x, {more})")] {
        assert_eq!(typed(&text, 1), LIMIT, "{text}");
    }
}

#[test]
fn digits_of_a_literal() {
    let of = |digits: usize| format!("x*0.{}", "1".repeat(digits - 2));
    assert_eq!(typed(&of(limits::LITERAL_DIGITS), 1), None);
    assert_eq!(typed(&of(limits::LITERAL_DIGITS + 2), 1), LIMIT);
    for text in ["1e309", "1e99999999999999999999", "1e-801"] {
        assert!(typed(&format!("x*{text}"), 1).is_some(), "{text}");
    }
    assert_eq!(typed("x*1e308", 1), None);
    assert_eq!(typed("x*1e-400", 1), None, "a literal below the least number is 0");
}

#[test]
fn sizes_beyond_the_address_space() {
    let data = [1.0f32; 4];
    for (rows, dim, row, column) in [
        (usize::MAX, usize::MAX, 1, 1),
        (usize::MAX, 1, usize::MAX, 1),
        (2, 2, usize::MAX, usize::MAX),
        (1 << 63, 2, 0, 0),
        (2, 1, usize::MAX / 2, 1),
    ] {
        let view = View::with_strides(&data, rows, dim, row, column);
        assert_eq!(kind(view), Some(ErrorKind::Shape), "{rows} x {dim}, {row}, {column}");
    }
    // A stride of 0 makes many rows of few numbers: a result of so many rows cannot be.
    let sum = Genred::<f32>::sum("x").aliases(["x = Vi(1)"]).axis(Axis::J).compile();
    let rows = View::with_strides(&data, 1 << 60, 1, 0, 1).expect("one number, many times");
    assert_eq!(kind(sum.expect("a formula").call(&[rows])), Some(ErrorKind::Shape));
}
