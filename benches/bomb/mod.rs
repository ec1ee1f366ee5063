//! Formulas that cost as much as their length allows: long ones, wide ones, and such that grow while they are compiled.

use genred::formula::table::{Arg, Build, Row};
use genred::{Accumulate, Reduction, limits};

/// A formula and all that its kernel depends on.
pub(crate) struct Bomb {
    pub(crate) name: String,
    pub(crate) formula: String,
    pub(crate) weight: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) reduction: Reduction,
    pub(crate) accumulate: Accumulate,
}

impl Bomb {
    fn new(name: impl Into<String>, formula: impl Into<String>, aliases: &[&str]) -> Bomb {
        Bomb {
            name: name.into(),
            formula: formula.into(),
            weight: None,
            aliases: aliases.iter().map(|a| (*a).to_owned()).collect(),
            reduction: Reduction::Sum,
            accumulate: Accumulate::Auto,
        }
    }

    fn reduced(mut self, reduction: Reduction) -> Bomb {
        self.name = format!("{} {}", self.name, reduction.name());
        self.reduction = reduction;
        self
    }

    fn accumulated(mut self, accumulate: Accumulate) -> Bomb {
        self.name = format!("{} {accumulate:?}", self.name).to_lowercase();
        self.accumulate = accumulate;
        self
    }
}

const SCALARS: [&str; 3] = ["x = Vi(1)", "y = Vj(1)", "p = Pm(1)"];
const DIM_3: [&str; 2] = ["x = Vi(3)", "y = Vj(3)"];
const DIM_16: [&str; 2] = ["x = Vi(16)", "y = Vj(16)"];
const DIM_17: [&str; 2] = ["x = Vi(17)", "y = Vj(17)"];

/// Terms that fit the text, joined; `term` gets their number.
fn many(join: &str, count: usize, term: impl Fn(usize) -> String) -> String {
    let mut text = term(0);
    for k in 1..count {
        let next = term(k);
        if text.len() + join.len() + next.len() + 64 > limits::FORMULA_BYTES {
            break;
        }
        text += join;
        text += &next;
    }
    text
}

/// All bombs; `table` is the table of operations.
pub(crate) fn all(table: &[Row]) -> Vec<Bomb> {
    let mut bombs = Vec::new();
    bombs.extend(texts());
    bombs.extend(constants());
    bombs.extend(derivatives());
    bombs.extend(vectors());
    bombs.extend(tensors());
    bombs.extend(sizes());
    bombs.extend(functions(table));
    bombs
}

/// As many operands, brackets and arguments as fit.
fn texts() -> Vec<Bomb> {
    let aliases: Vec<String> = (0..256).map(|k| format!("v{k} = Vi({})", 1 + k % 3)).collect();
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    vec![
        Bomb::new("sum of the same", many("+", 1 << 20, |_| "x".into()), &SCALARS),
        Bomb::new(
            "sum of constants",
            "x+".to_owned() + &many("+", 1 << 20, |k| k.to_string()),
            &SCALARS,
        ),
        Bomb::new("minus signs", "-".repeat(65_000) + "x", &SCALARS),
        Bomb::new("powers", "x**".repeat(21_000) + "2", &SCALARS),
        Bomb::new("brackets", "(".repeat(256) + "x" + &")".repeat(256), &SCALARS),
        Bomb::new("arguments", format!("Concat({})", many(",", 1 << 20, |_| "x".into())), &SCALARS),
        Bomb::new("differences", many("+", 1 << 20, |k| format!("Abs(x-{k}*y)")), &SCALARS),
        Bomb::new(
            "aliases",
            many("+", 1 << 20, |k| format!("SqNorm2(v{})*{k}", k % 256)),
            &aliases,
        ),
        Bomb::new(
            "long names",
            "x",
            &[&("x".repeat(60_000) + " = Vi(1)"), "x = Vi(1)", "y = Vj(1)"],
        ),
        Bomb::new("comparisons", many("+", 1 << 20, |k| format!("IfElse(x-{k},y,x)")), &SCALARS),
    ]
}

/// Exact arithmetic on long numbers.
fn constants() -> Vec<Bomb> {
    // A rational of about 8,000 bits.
    let long = many("+", 390, |k| format!("1/{}", 1_000_003 + 2 * k));
    let shorter = many("+", 190, |k| format!("1/{}", 1_000_003 + 2 * k));
    vec![
        Bomb::new(
            "fractions",
            "x*(".to_owned() + &many("+", 1 << 20, |k| format!("1/{}", k + 2)) + ")",
            &SCALARS,
        ),
        Bomb::new(
            "long fraction and more",
            format!("x*({long}+{})", many("+", 13_000, |_| "1/3".into())),
            &SCALARS,
        ),
        Bomb::new(
            "shorter fraction and more",
            format!("x*({shorter}+{})", many("+", 14_000, |_| "1/3".into())),
            &SCALARS,
        ),
        Bomb::new(
            "fractions of their own",
            many("+", 1 << 20, |k| format!("x*1e-300*1e-{}", 300 + k % 400)),
            &SCALARS,
        ),
        Bomb::new(
            "small literals",
            many("+", 1 << 20, |k| format!("x*1e-{}", 100 + k % 700)),
            &SCALARS,
        ),
        Bomb::new(
            "long literals",
            many("+", 1 << 20, |k| format!("x*0.{}{k:04}", "1".repeat(390))),
            &SCALARS,
        ),
        Bomb::new(
            "products of literals",
            "x*".to_owned() + &many("*", 1 << 20, |k| format!("1.{k}")),
            &SCALARS,
        ),
        Bomb::new(
            "powers of constants",
            "x*1.5".to_owned() + &"**3".repeat(2) + &"**64**64".repeat(100),
            &SCALARS,
        ),
    ]
}

/// Derivatives in derivatives, and Jacobians.
fn derivatives() -> Vec<Bomb> {
    let nested = |depth: usize, formula: &str, of: &str, seed: &str| {
        let mut text = formula.to_owned();
        for _ in 0..depth {
            text = format!("Grad({text},{of},{seed})");
        }
        text
    };
    let mut bombs = Vec::new();
    for depth in [4, 6, 8, 10, 12, 16, 24, 40, 100, 200] {
        bombs.push(Bomb::new(
            format!("grad {depth}"),
            nested(depth, "Exp(-x*x*y)*Sin(x)", "x", "1"),
            &SCALARS,
        ));
    }
    for depth in [3, 5, 7] {
        let gradient = nested(depth, "Exp(-SqDist(x,y))", "x", "y");
        let once = gradient.replace("Grad(Exp", "(Exp").replacen(",x,y)", ")", 1);
        bombs.push(Bomb::new(format!("grad vectors {depth}"), once, &DIM_3));
        let text = nested(depth, "Sqrt(SqDist(x,y)*Log(1+SqNorm2(x)))/(1+Norm2(x|y))", "x", "1");
        bombs.push(Bomb::new(format!("grad quotient {depth}"), text, &SCALARS));
    }
    let laplacian = "Laplacian(Exp(-SqDist(x,y))*Sin(x|y),x)";
    for dim in [16, 64, 256, 1000, 4000] {
        let (x, y) = (format!("x = Vi({dim})"), format!("y = Vj({dim})"));
        let aliases = [x.as_str(), y.as_str()];
        bombs.push(Bomb::new(format!("laplacian {dim}"), laplacian, &aliases));
        bombs.push(Bomb::new(
            format!("jacobian {dim}"),
            "SqNorm2(GradMatrix(Exp(x*y),x))",
            &aliases,
        ));
        bombs.push(Bomb::new(
            format!("divergence {dim}"),
            "Divergence(Exp(-SqDist(x,y))*Sin(x),x)",
            &aliases,
        ));
    }
    let linear = "+Divergence(x+y,x)".repeat(3_000);
    let late = many("+", 4_000, |k| format!("Abs(x-{k})"));
    bombs.push(Bomb::new(
        "many divergences",
        format!("SqNorm2({late}){linear}"),
        &["x = Vi(4000)", "y = Vj(4000)"],
    ));
    bombs.push(Bomb::new(
        "many gradients",
        many("+", 1 << 20, |k| format!("Grad(Sin(x*{k}),x,1)")),
        &SCALARS,
    ));
    let parts = many(",", 2_000, |k| format!("x*{k}"));
    bombs.push(Bomb::new(
        "gradients of parts",
        format!("Grad(Concat({parts}),x,Concat({parts}))"),
        &SCALARS,
    ));
    bombs.push(Bomb::new(
        "gradient of soft-DTW",
        "Grad(SoftDTW_SqDist(x,y,p),x,1)|x",
        &["x = Vi(100)", "y = Vj(100)", "p = Pm(1)"],
    ));
    bombs.push(Bomb::new(
        "gradient of long soft-DTW",
        "Grad(SoftDTW_SqDist(x,y,p),x,1)|x",
        &["x = Vi(256)", "y = Vj(256)", "p = Pm(1)"],
    ));
    for dim in [20, 30, 40, 50, 60] {
        let (x, y) = (format!("x = Vi({dim})"), format!("y = Vj({dim})"));
        let name = format!("gradient of soft-DTW {dim}");
        bombs.push(Bomb::new(name, "Grad(SoftDTW_SqDist(x,y,p),x,1)|x", &[&x, &y, "p = Pm(1)"]));
    }
    bombs
}

/// Vectors that are computed component by component, again for each use.
fn vectors() -> Vec<Bomb> {
    let mut bombs = Vec::new();
    // Each maximum walks over a longer chain.
    for (name, aliases) in [("chains 16", DIM_16), ("chains 17", DIM_17)] {
        for links in [50, 100, 200, 400, 800] {
            let mut chain = "x".to_owned();
            let mut text = String::new();
            for k in 0..links {
                chain = if k % 100 == 0 && k > 0 { chain } else { format!("{chain}*y") };
                let next = format!("+Max({chain}+{k})");
                if text.len() + next.len() > 65_000 {
                    break;
                }
                text += &next;
            }
            bombs.push(Bomb::new(format!("{name} {links}"), &text[1..], &aliases));
        }
    }
    let sums = |count: usize| many("+", count, |k| format!("Sum(Exp(x*{k}+y))"));
    for count in [10, 20, 40, 80, 160, 320, 640, 1300] {
        bombs.push(Bomb::new(format!("sums of exponentials {count}"), sums(count), &DIM_16));
    }
    bombs.push(Bomb::new("sums of long exponentials", sums(1 << 20), &DIM_17));
    bombs.push(Bomb::new(
        "powers of vectors",
        many("+", 1 << 20, |k| format!("(x+{k})**63")),
        &DIM_16,
    ));
    let parts = many(",", 1 << 20, |k| format!("Exp(x*{k})"));
    bombs.push(Bomb::new("concat of exponentials", format!("SqNorm2(Concat({parts}))"), &SCALARS));
    bombs.push(Bomb::new("output of exponentials", format!("Concat({parts})"), &SCALARS));
    let parts = many(",", 1 << 20, |k| format!("x*{k}"));
    bombs.push(Bomb::new("concat of long vectors", format!("SqNorm2(Concat({parts}))"), &DIM_17));
    bombs.push(Bomb::new("output of long vectors", format!("Concat({parts})"), &DIM_17));
    bombs.push(Bomb::new(
        "elements",
        many("+", 1 << 20, |k| format!("Exp(x[{k}])")),
        &["x = Vi(65536)", "y = Vj(1)"],
    ));
    bombs.push(Bomb::new(
        "slices",
        many("+", 1 << 20, |k| format!("SqNorm2(x[{k}:{}])", k + 20)),
        &["x = Vi(65536)", "y = Vj(1)"],
    ));
    bombs.push(Bomb::new(
        "one-hot",
        many("+", 1 << 20, |k| format!("OneHot(y+{k},17)|x")),
        &["x = Vi(17)", "y = Vj(1)"],
    ));
    bombs.push(Bomb::new(
        "soft-DTW",
        many("+", 1 << 20, |k| format!("SoftDTW_SqDist(x,y+{k},p)")),
        &["x = Vi(256)", "y = Vj(256)", "p = Pm(1)"],
    ));
    bombs
}

/// Products of tensors with many axes.
fn tensors() -> Vec<Bomb> {
    let list = |of: &str, count: usize| format!("[{}]", vec![of; count].join(","));
    let range = |from: usize, to: usize| {
        format!("[{}]", (from..to).map(|k| k.to_string()).collect::<Vec<_>>().join(","))
    };
    let mut bombs = Vec::new();
    for summed in [2, 4, 6, 8, 12, 16] {
        let (twos, paired) = (list("2", 16), range(0, summed));
        let text = format!("TensorDot(x,y,{twos},{twos},{paired},{paired})");
        // What fits a result of at most 2^16 components.
        let own = (16 + 2 * summed).min(32) / 2;
        let twos = if own < 16 { list("2", 8 + summed / 2) } else { twos };
        let fitting = format!("TensorDot(x,y,{twos},{twos},{paired},{paired})");
        let size = 1usize << if own < 16 { 8 + summed / 2 } else { 16 };
        let (x, y) = (format!("x = Vi({size})"), format!("y = Vj({size})"));
        bombs.push(Bomb::new(
            format!("tensor dot {summed}"),
            format!("SqNorm2({fitting})"),
            &[&x, &y],
        ));
        bombs.push(Bomb::new(
            format!("wide tensor dot {summed}"),
            text,
            &["x = Vi(65536)", "y = Vj(65536)"],
        ));
    }
    let mut wide = String::from("x");
    for _ in 0..60 {
        wide = format!("({wide}+y)*y");
    }
    let twos = list("2", 8);
    bombs.push(Bomb::new(
        "tensor dot of chains",
        format!("SqNorm2(TensorDot({wide},{wide}*y,{twos},{twos},[],[]))"),
        &["x = Vi(256)", "y = Vj(256)"],
    ));
    bombs.push(Bomb::new(
        "kron",
        format!("SqNorm2(Kron(x,y,{twos},{twos}))"),
        &["x = Vi(256)", "y = Vj(256)"],
    ));
    bombs.push(Bomb::new(
        "kron of chains",
        format!("SqNorm2(Kron({wide},{wide}*y,{twos},{twos}))"),
        &["x = Vi(256)", "y = Vj(256)"],
    ));
    bombs.push(Bomb::new(
        "krons",
        many("+", 1 << 20, |k| format!("SqNorm2(Kron(x+{k},y,{twos},{twos}))")),
        &["x = Vi(256)", "y = Vj(256)"],
    ));
    bombs.push(Bomb::new(
        "matrix products",
        many("+", 1 << 20, |k| format!("SqNorm2(MatVecMult(x+{k},y))")),
        &["x = Vi(256)", "y = Vj(16)"],
    ));
    let mut transposed = "x".to_owned();
    for _ in 0..8 {
        transposed = format!(
            "TensorDot(Concat({transposed},{transposed}*2,{transposed}*3,{transposed}*4),1,[2,2],[1],[],[],[1,0])"
        );
        if transposed.len() > 10_000 {
            break;
        }
    }
    bombs.push(Bomb::new("transposed parts", format!("Exp(-{transposed})"), &SCALARS));
    bombs
}

/// Large dims and many results.
fn sizes() -> Vec<Bomb> {
    let wide = ["x = Vi(65536)", "y = Vj(65536)"];
    let squares = "SqDist(x,y)";
    let mut bombs = vec![
        Bomb::new("wide", squares, &wide),
        Bomb::new("wide", squares, &wide).reduced(Reduction::KMin(1_024)),
        Bomb::new("wide output", "x*y", &wide),
        Bomb::new("wide output", "Exp(x*y)", &wide).accumulated(Accumulate::Kahan),
        Bomb::new("wide output", "Exp(x*y)", &wide).reduced(Reduction::Min),
        Bomb::new("wide output", "x*y", &wide).reduced(Reduction::ArgKMin(1_024)),
    ];
    let mut weighted = Bomb::new("wide weight", "x|y", &wide).reduced(Reduction::SumSoftMaxWeight);
    weighted.weight = Some("Exp(y*x)".into());
    bombs.push(weighted);
    let mut weighted =
        Bomb::new("weight of parts", "x|y", &DIM_3).reduced(Reduction::SumSoftMaxWeight);
    weighted.weight = Some(format!("Concat({})", many(",", 1 << 20, |k| format!("Exp(x*{k})"))));
    bombs.push(weighted);
    let all: Vec<String> =
        (0..256).map(|k| format!("v{k} = {}(65536)", ["Vi", "Vj", "Pm"][k % 3])).collect();
    let aliases: Vec<&str> = all.iter().map(String::as_str).collect();
    bombs.push(Bomb::new("wide aliases", many("+", 256, |k| format!("v{k}")), &aliases));
    bombs
}

/// As many calls of every operation as make different nodes, on scalars and on the longest vectors that are written out.
fn functions(table: &[Row]) -> Vec<Bomb> {
    let mut bombs = Vec::new();
    for row in table {
        let is_plain = matches!(
            row.build,
            Build::Elementwise(_) | Build::Reduce(_) | Build::WithInt(_) | Build::Complex(_)
        );
        let takes = row.args.iter().all(|arg| matches!(arg, Arg::Expr | Arg::Int));
        if !(is_plain && takes) {
            continue;
        }
        let call = |k: usize| {
            let args: Vec<String> = row
                .args
                .iter()
                .enumerate()
                .map(|(n, arg)| match (arg, n) {
                    (Arg::Int, _) => "4".to_owned(),
                    (_, 0) => format!("x+{k}"),
                    (_, n) => format!("y*{n}"),
                })
                .collect();
            format!("{}({})", row.name(), args.join(","))
        };
        let text = many("+", 1 << 20, call);
        bombs.push(Bomb::new(format!("{} 16", row.name()), text.as_str(), &DIM_16));
        bombs.push(Bomb::new(format!("{} 1", row.name()), text.as_str(), &SCALARS));
        let text = many("+", 1 << 20, |k| format!("Sum({})", call(k)));
        bombs.push(Bomb::new(format!("{} 17", row.name()), text, &DIM_17));
    }
    bombs
}
