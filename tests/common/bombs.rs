//! The worst formulas within the limits: small texts that ask for as much work as they can.

use genred::Reduction;

/// One of them.
pub struct Bomb {
    /// What is large about it.
    pub name: &'static str,
    /// F.
    pub formula: String,
    /// The arguments.
    pub aliases: Vec<String>,
    /// What is done with F.
    pub reduction: Reduction,
}

/// `count` copies of a piece, made by number.
fn repeat(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

/// `open` and `close` around `core`, `depth` times.
fn nested(depth: usize, open: &str, core: &str, close: &str) -> String {
    open.repeat(depth) + core + &close.repeat(depth)
}

fn xy(dim: u32) -> Vec<String> {
    vec![format!("x = Vi({dim})"), format!("y = Vj({dim})")]
}

/// All of them.
pub fn all() -> Vec<Bomb> {
    let mut all = Vec::new();
    let mut add = |name, formula: String, aliases: Vec<String>, reduction| {
        assert!(formula.len() <= genred::limits::FORMULA_BYTES, "{name}: {}", formula.len());
        all.push(Bomb { name, formula, aliases, reduction });
    };
    // Texts.
    add("minus signs", "-".repeat(65_535) + "x", xy(1), Reduction::Sum);
    add("powers to the right", repeat(21_000, |_| "x**".into()) + "x", xy(1), Reduction::Sum);
    add("brackets", nested(256, "(", "x", ")"), xy(1), Reduction::Sum);
    add("calls", nested(255, "Exp(", "x - y", ")"), xy(1), Reduction::Sum);
    add("indices", "x".to_owned() + &"[0]".repeat(21_000), xy(2), Reduction::Sum);
    add("a comma list", format!("Concat({}x)", "x,".repeat(32_000)), xy(1), Reduction::Sum);
    add("one long name", "n".repeat(65_536), xy(1), Reduction::Sum);
    // Numbers.
    add(
        "powers of small rationals",
        repeat(3_000, |_| "((3**-64)**64)**64+".into()) + "x",
        xy(1),
        Reduction::Sum,
    );
    add(
        "sums of rationals",
        repeat(4_000, |k| format!("1/{}+", 100_003 + 2 * k)) + "x",
        xy(1),
        Reduction::Sum,
    );
    add(
        "long literals",
        repeat(160, |k| format!("{}.{k}*", "9".repeat(200)) + &"7".repeat(195) + "+") + "x",
        xy(1),
        Reduction::Sum,
    );
    // Many nodes.
    add(
        "a chain of sums",
        "x".to_owned() + &repeat(2_047, |k| format!("+y*{k}")),
        xy(1),
        Reduction::Sum,
    );
    for (name, dim) in [
        ("exponentials, dim 1", 1),
        ("exponentials, dim 16", 16),
        ("exponentials, dim 17", 17),
        ("exponentials, dim 65536", 65_536),
    ] {
        let text = repeat(900, |k| format!("Exp(x*{k}-y)+")) + "x";
        add(name, text, xy(dim), Reduction::Sum);
    }
    for (name, dim) in [("powers, dim 1", 1), ("powers, dim 16", 16), ("powers, dim 65536", 65_536)]
    {
        let text = repeat(900, |k| format!("Powf(x+{k},y)+")) + "x";
        add(name, text, xy(dim), Reduction::Sum);
    }
    for (name, dim) in [("sines of sums, dim 16", 16), ("sines of sums, dim 1000", 1_000)] {
        let text = repeat(1_000, |k| format!("Sin(Sum(x*{k}*y))+")) + "1";
        add(name, text, xy(dim), Reduction::Sum);
    }
    add(
        "argmin of many functions",
        repeat(700, |k| format!("Atan2(Sin(x+{k}),Cos(y-{k}))+")) + "x",
        xy(1),
        Reduction::ArgKMin(1_024),
    );
    add(
        "logsumexp of many functions",
        repeat(700, |k| format!("Log(Abs(x-{k}*y))+")) + "x",
        xy(1),
        Reduction::LogSumExp,
    );
    // Long vectors.
    add("dim 65536", "Exp(x - y)*x".into(), xy(65_536), Reduction::Sum);
    add("kmin of dim 65536", "x - y".into(), xy(65_536), Reduction::KMinArgKMin(8));
    add(
        "a concatenation of parts",
        format!("Concat({}x)", repeat(3_000, |k| format!("y[{k}:{}]*x,", k + 4))),
        vec!["x = Vi(4)".into(), "y = Vj(65536)".into()],
        Reduction::Sum,
    );
    add(
        "256 arguments of dim 65536",
        repeat(256, |k| format!("Sum(Var({k},65536,{}))+", k % 2)) + "1",
        Vec::new(),
        Reduction::Sum,
    );
    add(
        "a product of matrices",
        "MatVecMult(x, y) | MatVecMult(x, y)".into(),
        vec!["x = Vi(65536)".into(), "y = Vj(256)".into()],
        Reduction::Sum,
    );
    let axes = |size: &str, count: usize| format!("[{}]", vec![size; count].join(","));
    let range = |from: usize, to: usize| {
        let items: Vec<String> = (from..to).map(|k| k.to_string()).collect();
        format!("[{}]", items.join(","))
    };
    add(
        "tensors of 16 axes",
        format!(
            "TensorDot(x, y, {}, {}, {}, {})",
            axes("2", 16),
            axes("2", 16),
            range(0, 8),
            range(8, 16)
        ),
        xy(65_536),
        Reduction::Sum,
    );
    add(
        "a permutation of 16 axes",
        format!(
            "TensorDot(x, y, {}, [1], [], [], [15,14,13,12,11,10,9,8,7,6,5,4,3,2,1,0,16])",
            axes("2", 16)
        ),
        vec!["x = Vi(65536)".into(), "y = Vj(1)".into()],
        Reduction::Sum,
    );
    add("splines of degree 40", "BSpline(y, x[0], 40)".into(), xy(300), Reduction::Sum);
    add(
        "splines over 65536 knots",
        "BSpline(y, x, 3)".into(),
        vec!["x = Vi(1)".into(), "y = Vj(65536)".into()],
        Reduction::Sum,
    );
    add("time warping", "SoftDTW_SqDist(x, y, x[0])".into(), xy(255), Reduction::Sum);
    add("long time warping", "SoftDTW_SqDist(x, y[0:1], x[0])".into(), xy(32_000), Reduction::Sum);
    // Derivatives.
    add(
        "a gradient of 100 derivatives",
        nested(100, "Grad(", "Exp(x*y)", ",x,1)"),
        xy(1),
        Reduction::Sum,
    );
    add(
        "many laplacians",
        nested(6, "Laplacian(", "Exp(-SqDist(x, y))", ",x)"),
        xy(3),
        Reduction::Sum,
    );
    add(
        "the laplacian of dim 300",
        "Laplacian(Exp(-SqDist(x, y)), x)".into(),
        xy(300),
        Reduction::Sum,
    );
    add("a jacobian of 65536", "GradMatrix(Exp(x*y), x)".into(), xy(256), Reduction::Sum);
    add(
        "gradients of many functions",
        format!("Grad({}x,x,x)", repeat(300, |k| format!("Exp(x*{k}-y)*Sin(x)+"))),
        xy(3),
        Reduction::Sum,
    );
    all
}

/// Texts of hostile aliases, with a formula that makes the message about them.
pub fn aliases() -> (String, Vec<String>) {
    let name = |k: usize| format!("{}{k}", "a".repeat(60_000));
    ("b".repeat(39), (0..256).map(|k| format!("{} = Vi(1)", name(k))).collect())
}
