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
fn instructions_of_a_program() {
    // 16 exponentials a term, each of the same number of instructions: refused from some number of terms on.
    let of = |terms: usize| {
        let terms: Vec<String> = (0..terms).map(|k| format!("Sum(Exp(x*{k}+y))")).collect();
        terms.join("+")
    };
    assert_eq!(compiled(&of(200), 16, Reduction::Sum), None);
    let text = of(600);
    assert_eq!(typed(&text, 16), None, "its nodes are within the limit");
    let builder = Genred::<f64>::sum(text.as_str())
        .aliases(["x = Vi(16)", "y = Vj(1)"])
        .axis(Axis::J)
        .cache(&Cache::open(Options::new().mode(Mode::Off)));
    let error = builder.compile().expect_err("too many instructions");
    assert_eq!(error.kind(), ErrorKind::Limit);
    let limit = limits::PROGRAM_INSTRUCTIONS.to_string();
    assert!(error.to_string().contains(&limit), "{error}");
    // The place is a part of the formula, neither the first nor all of it.
    let place = error.span().expect("a place in the formula");
    assert!(place.start > text.len() / 10 && place.end <= text.len(), "{place:?}");
    assert!(place.len() < text.len(), "{place:?}");
}

#[test]
fn instructions_of_a_program_that_grows_while_it_is_lowered() {
    // 2^16 components, each a chain of operations that is computed anew, in 2^10 nests of loops.
    let chain = (0..60).fold("x".to_owned(), |chain, _| format!("({chain}+x)*x"));
    let twos = format!("[{}]", ["2"; 8].join(","));
    let kron = format!("SqNorm2(Kron({chain},{chain}*x,{twos},{twos}))");
    assert_eq!(typed(&kron, 256), None);
    assert_eq!(compiled(&kron, 256, Reduction::Sum), LIMIT);
    // 255^2 cells, written out backwards.
    let soft = "Grad(SoftDTW_SqDist(x, x, y), x, 1) | x";
    assert_eq!(compiled(soft, 100, Reduction::Sum), None);
    assert_eq!(compiled(soft, 255, Reduction::Sum), LIMIT);
}

#[test]
fn a_weight_that_is_too_large_is_named() {
    let terms: Vec<String> = (0..600).map(|k| format!("Sum(Exp(x*{k}+y))")).collect();
    let builder = Genred::<f64>::reduction(Reduction::SumSoftMaxWeight, "y")
        .weight(terms.join("+"))
        .aliases(["x = Vi(16)", "y = Vj(1)"])
        .axis(Axis::J)
        .cache(&Cache::open(Options::new().mode(Mode::Off)));
    let error = builder.compile().expect_err("too many instructions");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("in its weight"), "{error}");
}

#[test]
fn steps_of_typing() {
    // Walks over many nodes that make no new ones.
    let nodes: Vec<String> = (0..1_000).map(|k| format!("Abs(x-{k})")).collect();
    let of = |times: usize| nodes.join("+") + &"+Divergence(x+x,x)".repeat(times);
    assert_eq!(typed(&of(1), 100), None);
    assert_eq!(typed(&of(500), 1_000), LIMIT);
    // Sums of fractions whose denominators grow.
    let of = |terms: u64| {
        let terms: Vec<String> = (2..terms).map(|k| format!("1/{k}")).collect();
        format!("x*({})", terms.join("+"))
    };
    assert_eq!(typed(&of(500), 1), None);
    assert_eq!(typed(&of(7_000), 1), LIMIT);
}

#[test]
fn bits_of_a_constant() {
    let number = |text: &str| genred::formula::number::Number::parse(text).expect("a literal");
    let half = number("0.5");
    let most = limits::CONSTANT_BITS as i32;
    // 2^n has n + 1 bits.
    let power = |n: i32| (0..n).fold(number("1"), |product, _| product.mul(&half));
    assert!(power(most - 1).in_range().is_ok());
    assert!(power(most).in_range().is_err());
    // What certainly has more is not computed.
    assert!(half.pow(most).is_some());
    assert!(half.pow(most + 1).is_none());
    assert!(power(most - 1).pow(1_000_000_000).is_none());
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

/// Packed columns of wide arguments: with as many as there is memory for a kernel is made, with more it is refused.
#[test]
fn bytes_of_a_space() {
    let of = |count: usize| {
        let names: Vec<String> = (0..count).map(|k| format!("y{k}")).collect();
        let aliases = names.iter().map(|name| format!("{name} = Vj({})", limits::DIM));
        let formula = format!("x*(Sum({}))", names.join(")+Sum("));
        Genred::<f64>::sum(formula)
            .alias("x = Vi(1)")
            .aliases(aliases)
            .axis(Axis::J)
            .cache(&Cache::open(Options::new().mode(Mode::Off)))
            .compile()
    };
    assert_eq!(kind(of(1)), None);
    let error = of(250).expect_err("more than 2 GiB");
    assert!(error.is_limit(), "{error}");
    let named = format!("bytes; at most {} are accepted", limits::SPACE_BYTES);
    assert!(error.to_string().contains(&named), "{error}");
}

/// A derivative takes the seed besides the reduction's own arguments.
#[test]
fn aliases_of_a_derivative() {
    use genred::formula::Category;
    use genred::formula::grad::{Direction, Outer, derivative};
    let of = |count: usize| {
        let aliases: Vec<String> = (0..count).map(|k| format!("x{k} = Vi(1)")).collect();
        let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
        let f = typing::formula("x0*x1", None, &aliases).expect("within the limit");
        derivative(&f, Outer::Sum, Category::I, 0, Direction::Adjoint)
    };
    assert_eq!(kind(of(limits::ALIASES - 1)), None);
    let error = of(limits::ALIASES).expect_err("one argument too many");
    assert!(error.is_limit(), "{error}");
    assert!(error.to_string().contains("more arguments than the 256 accepted"), "{error}");
}

#[test]
fn axes_of_a_tensor() {
    let of = |count: usize, formula: &str| {
        let ones = format!("[{}]", vec!["1"; count].join(","));
        typed(&formula.replace("ONES", &ones), 1)
    };
    for formula in [
        "Kron(x, y, ONES, ONES)",
        "TensorDot(x, y, ONES, [1], [], [])",
        "TensorDot(x, y, [1], ONES, [], [])",
        "TensorDot(x, y, ONES, ONES, [], [])",
        "TensorDot(x, y, ONES, ONES, [1, 2], [3, 0])",
    ] {
        assert_eq!(of(limits::AXES, formula), None, "{formula}");
        assert_eq!(of(limits::AXES + 1, formula), LIMIT, "{formula}");
    }
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
    // The point counts as one.
    let of = |digits: usize| format!("x*0.{}", "1".repeat(digits - 2));
    assert_eq!(typed(&of(limits::LITERAL_DIGITS), 1), None);
    assert_eq!(typed(&of(limits::LITERAL_DIGITS + 1), 1), LIMIT);
    for text in ["1e309", "1e99999999999999999999", "1e-801"] {
        assert!(typed(&format!("x*{text}"), 1).is_some(), "{text}");
    }
    assert_eq!(typed("x*1e308", 1), None);
    assert_eq!(typed("x*1e-400", 1), None, "a literal below the least number is 0");
}

/// Different parts of a condition: its comparisons, and the products that join them.
#[test]
fn parts_of_a_condition() {
    let of = |count: usize| {
        let all: Vec<String> = (0..count).map(|k| format!("(IndexI > IndexJ + {k})")).collect();
        Genred::<f64>::sum("x")
            .keep(all.join(" * "))
            .aliases(["x = Vi(1)", "y = Vj(1)"])
            .axis(Axis::J)
            .cache(&Cache::open(Options::new().mode(Mode::Off)))
            .compile()
    };
    let error = of(1_000).expect_err("far more than the limit");
    assert!(error.is_limit(), "{error}");
    assert!(error.to_string().contains(&format!("at most {}", limits::CONDITION)), "{error}");
    let most = (1..1_000).take_while(|count| of(*count).is_ok()).count();
    let error = of(most + 1).expect_err("one comparison more").to_string();
    let parts = error.split("has ").nth(1).and_then(|rest| rest.split(' ').next());
    let parts: usize = parts.and_then(|parts| parts.parse().ok()).expect("a number of parts");
    // A comparison brings itself and a product.
    assert!((limits::CONDITION + 1..=limits::CONDITION + 2).contains(&parts), "{error}");
}

/// Machine code of programs that are within their own limit: the longest that fits a kernel, and one store more.
#[test]
fn bytes_of_code() {
    use genred::cpu::{Refused, emitters};
    use genred::loops::builder::{Builder, Functions, Sharing};
    use genred::loops::program::{Index, Space};
    use genred::schedule::{Lanes, Schedule};
    // Stores of a constant for a row: as few different values and as much code as there may be.
    let program = |stores: usize| {
        let mut b = Builder::new(genred::Float::F64, true, Functions::Expanded);
        let array = b.array("r", Space::Row, 1);
        let zero = b.float(0.0);
        for _ in 0..stores {
            b.store(array, Index { offset: 0, terms: Vec::new() }, zero);
        }
        b.program().row = b.take_block(Sharing::Fresh);
        b.finish()
    };
    let schedule =
        Schedule { lanes: Lanes::Rows, mr: 16, nr: 1, components: 1, chunk: 64, tile: 64 };
    // Code is padded to a multiple of this, so as many stores more lengthen it by a multiple of what they take.
    const ALIGNMENT: usize = 64;
    // From so many on all are encoded alike.
    const FEW: usize = 1_000;
    for engine in emitters() {
        let name = engine.name();
        let bytes = |stores: usize| engine.emit(&program(stores), &schedule).map(|c| c.bytes.len());
        let few = |stores: usize| bytes(stores).expect("small enough");
        let step = few(FEW + ALIGNMENT) - few(FEW);
        assert!(step >= ALIGNMENT * 16 * 4, "{name}: {step} bytes for {ALIGNMENT} stores");
        let fitting = (FEW..FEW + ALIGNMENT).map(|stores| {
            let (of_few, steps) = (few(stores), (limits::CODE_BYTES - few(stores)) / step);
            (stores + steps * ALIGNMENT, of_few + steps * step)
        });
        let (most, expected) = fitting.max().expect("some");
        assert!(expected > limits::CODE_BYTES - 2 * step / ALIGNMENT, "{name}: {expected}");
        assert_eq!(bytes(most), Ok(expected), "{name}");
        match bytes(most + 1) {
            Err(Refused::Limit(why)) => {
                assert!(why.contains(&limits::CODE_BYTES.to_string()), "{why}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn every_limit_has_a_test() {
    // Limits, and the test of each: a file and a function in it.
    let tests: &[(&str, &str, &str)] = &[
        ("FORMULA_BYTES", "tests/limits.rs", "bytes_of_a_formula"),
        ("NESTING", "tests/limits.rs", "nesting"),
        ("NODES", "tests/limits.rs", "nodes_of_a_formula"),
        ("TYPING_STEPS", "src/formula/graph.rs", "steps_are_counted_up_to_the_limit"),
        ("CONSTANT_BITS", "tests/limits.rs", "bits_of_a_constant"),
        ("ALIASES", "tests/limits.rs", "number_of_aliases"),
        ("DIM", "tests/limits.rs", "dim"),
        ("AXES", "tests/limits.rs", "axes_of_a_tensor"),
        ("K", "tests/limits.rs", "k"),
        ("NYSTROM_RANK", "tests/solve.rs", "settings_and_shapes_are_checked"),
        ("EXPONENT", "tests/limits.rs", "exponents"),
        ("LITERAL_DIGITS", "tests/limits.rs", "digits_of_a_literal"),
        ("PROGRAM_INSTRUCTIONS", "src/cpu/check.rs", "programs_that_are_too_long_are_refused"),
        ("LOOP_INSTRUCTIONS", "src/cpu/check.rs", "programs_that_are_too_long_are_refused"),
        ("CODE_BYTES", "tests/limits.rs", "bytes_of_code"),
        ("SPACE_BYTES", "src/cpu/check.rs", "programs_that_span_too_much_memory_are_refused"),
        (
            "CACHE_ENTRY_BYTES",
            "tests/cache_bytes.rs",
            "the_largest_entry_is_stored_and_one_byte_more_is_not",
        ),
        ("STREAM_BYTES", "tests/stream.rs", "the_default_budget"),
        ("CACHE_BYTES", "tests/cache_faults.rs", "the_default_bound_of_a_directory"),
        ("MEMORY_KERNELS", "src/cache/tests.rs", "what_is_kept_unless_asked_is_what_limits_say"),
        ("MEMORY_BYTES", "src/cache/tests.rs", "what_is_kept_unless_asked_is_what_limits_say"),
        ("INDEX_FACTOR", "tests/indices.rs", "factors_of_an_index"),
        ("CONDITION", "tests/limits.rs", "parts_of_a_condition"),
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a file of the list");
    let source = read("src/limits.rs");
    let names: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
        .collect();
    assert_eq!(names, tests.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for (name, file, test) in tests {
        match body(&read(file), test) {
            None => wrong.push(format!("{name}: {file} has no test `{test}`")),
            Some(body) if !names_limit(&body, name) => {
                wrong.push(format!("{name}: `{test}` in {file} does not name it"));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The lines of a test between its braces.
fn body(source: &str, test: &str) -> Option<String> {
    let mut lines = source.lines().skip_while(|line| line.trim() != "#[test]");
    let first = lines.find(|line| line.trim() == format!("fn {test}() {{"))?;
    let indent = &first[..first.len() - first.trim_start().len()];
    let end = format!("{indent}}}");
    Some(lines.take_while(|line| *line != end).collect::<Vec<_>>().join("\n"))
}

fn names_limit(body: &str, name: &str) -> bool {
    let word = format!("limits::{name}");
    let is_whole = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    body.match_indices(&word).any(|(at, _)| is_whole(&body[at + word.len()..]))
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
