//! Formulas that cost as much as their length allows: long ones, wide ones, and such that grow while they are compiled.

use genred::formula::table::{Arg, Build, Row};
use genred::{Accumulate, Reduction, limits};

/// A formula of a number of terms, and all that its kernel depends on.
pub(crate) struct Bomb {
    pub(crate) name: String,
    make: Box<dyn Fn(usize) -> String>,
    /// The most terms that a text has room for.
    pub(crate) most: usize,
    /// Whether it is the weight, of `x|y`.
    pub(crate) is_weight: bool,
    pub(crate) aliases: Vec<String>,
    pub(crate) reduction: Reduction,
    pub(crate) accumulate: Accumulate,
}

impl Bomb {
    /// A formula that does not grow.
    fn fixed(name: impl Into<String>, formula: impl Into<String>, aliases: &[&str]) -> Bomb {
        let formula = formula.into();
        Self::new(name, aliases, move |_| formula.clone())
    }

    fn new(
        name: impl Into<String>,
        aliases: &[&str],
        make: impl Fn(usize) -> String + 'static,
    ) -> Bomb {
        let full = make(usize::MAX);
        let most = (0..17).map(|k| 1 << k).find(|terms| make(*terms) == full);
        Bomb {
            name: name.into(),
            make: Box::new(make),
            most: most.unwrap_or(1 << 17),
            is_weight: false,
            aliases: aliases.iter().map(|a| (*a).to_owned()).collect(),
            reduction: Reduction::Sum,
            accumulate: Accumulate::Auto,
        }
    }

    /// The text with this many terms.
    pub(crate) fn text(&self, terms: usize) -> String {
        (self.make)(terms)
    }

    fn reduced(mut self, reduction: Reduction) -> Bomb {
        self.name += &format!(" {}", reduction.name());
        self.reduction = reduction;
        self.is_weight = reduction == Reduction::SumSoftMaxWeight;
        self
    }

    fn accumulated(mut self, accumulate: Accumulate) -> Bomb {
        self.name += &format!(" {accumulate:?}").to_lowercase();
        self.accumulate = accumulate;
        self
    }
}

const SCALARS: [&str; 3] = ["x = Vi(1)", "y = Vj(1)", "p = Pm(1)"];
const DIM_2: [&str; 2] = ["x = Vi(2)", "y = Vj(2)"];
const DIM_3: [&str; 2] = ["x = Vi(3)", "y = Vj(3)"];
const DIM_16: [&str; 2] = ["x = Vi(16)", "y = Vj(16)"];
const DIM_17: [&str; 2] = ["x = Vi(17)", "y = Vj(17)"];
const DIM_18: [&str; 2] = ["x = Vi(18)", "y = Vj(18)"];
const DIM_256: [&str; 2] = ["x = Vi(256)", "y = Vj(256)"];
const DIM_65536: [&str; 2] = ["x = Vi(65536)", "y = Vj(65536)"];

/// At most `terms` terms, joined, as far as they fit a text with some more around them; `term` gets their number.
fn many(join: &str, terms: usize, term: impl Fn(usize) -> String) -> String {
    let mut text = term(0);
    for k in 1..terms {
        let next = term(k);
        if text.len() + join.len() + next.len() + 200 > limits::FORMULA_BYTES {
            break;
        }
        text += join;
        text += &next;
    }
    text
}

/// A formula in itself, `terms` times or as often as nesting and length allow; `around` gets the number of the level.
fn nested(inner: &str, terms: usize, around: impl Fn(String, usize) -> String) -> String {
    let mut text = inner.to_owned();
    for k in 0..terms.min(limits::NESTING - 2) {
        let next = around(text.clone(), k);
        if next.len() > limits::FORMULA_BYTES {
            break;
        }
        text = next;
    }
    text
}

fn list(items: impl IntoIterator<Item = usize>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(","))
}

/// All bombs; `table` is the table of operations.
pub(crate) fn all(table: &'static [Row]) -> Vec<Bomb> {
    [texts(), constants(), derivatives(), vectors(), tensors(), sizes(), functions(table)]
        .into_iter()
        .flatten()
        .collect()
}

/// As many operands, brackets and arguments as fit.
fn texts() -> Vec<Bomb> {
    let aliases: Vec<String> = (0..256).map(|k| format!("v{k} = Vi({})", 1 + k % 3)).collect();
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    let long_name = "x".repeat(60_000) + " = Vi(1)";
    vec![
        Bomb::new("sum of the same", &SCALARS, |n| many("+", n, |_| "x".into())),
        Bomb::new("sum of constants", &SCALARS, |n| {
            format!("x+{}", many("+", n, |k| k.to_string()))
        }),
        Bomb::new("minus signs", &SCALARS, |n| "-".repeat(n.min(65_000)) + "x"),
        Bomb::new("powers", &SCALARS, |n| "x**".repeat(n.min(21_000)) + "2"),
        Bomb::new("brackets", &SCALARS, |n| nested("x", n, |f, _| format!("({f})"))),
        Bomb::new("functions in functions", &SCALARS, |n| {
            nested("x", n, |f, _| format!("Exp({f})"))
        }),
        Bomb::new("arguments", &SCALARS, |n| format!("Concat({})", many(",", n, |_| "x".into()))),
        Bomb::new("differences", &SCALARS, |n| many("+", n, |k| format!("Abs(x-{k}*y)"))),
        Bomb::new("aliases", &aliases, |n| many("+", n, |k| format!("SqNorm2(v{})*{k}", k % 256))),
        Bomb::fixed("long names", "x", &[&long_name, "x = Vi(1)", "y = Vj(1)"]),
        Bomb::new("choices", &SCALARS, |n| many("+", n, |k| format!("IfElse(x-{k},y,x)"))),
    ]
}

/// Exact arithmetic on long numbers.
fn constants() -> Vec<Bomb> {
    // Rationals of about 8,000 and of about 4,000 bits.
    let fraction = |terms: usize| many("+", terms, |k| format!("1/{}", 1_000_003 + 2 * k));
    let (long, shorter) = (fraction(390), fraction(190));
    vec![
        Bomb::new("fractions", &SCALARS, |n| {
            format!("x*({})", many("+", n, |k| format!("1/{}", k + 2)))
        }),
        Bomb::new("long fraction and thirds", &SCALARS, move |n| {
            format!("x*({long}+{})", many("+", n.min(13_000), |_| "1/3".into()))
        }),
        Bomb::new("shorter fraction and thirds", &SCALARS, move |n| {
            format!("x*({shorter}+{})", many("+", n.min(14_000), |_| "1/3".into()))
        }),
        Bomb::new("fractions of their own", &SCALARS, |n| {
            many("+", n, |k| format!("x*1e-300*1e-{}", 300 + k % 400))
        }),
        Bomb::new("small literals", &SCALARS, |n| {
            many("+", n, |k| format!("x*1e-{}", 100 + k % 700))
        }),
        Bomb::new("sum of small literals", &SCALARS, |n| {
            many("+", n, |k| format!("1e-{}", 100 + k % 700))
        }),
        Bomb::new("long literals", &SCALARS, |n| {
            many("+", n, |k| format!("x*0.{}{k:04}", "1".repeat(390)))
        }),
        Bomb::new("products of literals", &SCALARS, |n| {
            format!("x*{}", many("*", n, |k| format!("1.{k}")))
        }),
        Bomb::new("powers of constants", &SCALARS, |n| {
            nested("1.5", n, |f, _| format!("({f})**2"))
        }),
    ]
}

/// Derivatives in derivatives, and Jacobians.
fn derivatives() -> Vec<Bomb> {
    let gradients = |f: &'static str| move |n| nested(f, n, |f, _| format!("Grad({f},x,1)"));
    let mut bombs = vec![
        Bomb::new("grad", &SCALARS, gradients("Exp(-x*x*y)*Sin(x)")),
        Bomb::new("grad of quotients", &SCALARS, gradients("Sqrt(x*Log(1+x*y))/(1+Abs(x-y))")),
        Bomb::new("grad of powers", &SCALARS, gradients("Powf(x,y*x)*Atan2(x,y)")),
        Bomb::new("grad of vectors", &DIM_3, |n| {
            nested("Exp(-SqDist(x,y))*Sin(x|y)", n, |f, _| format!("(Grad({f},x,1)|y)"))
        }),
        Bomb::new("many gradients", &SCALARS, |n| {
            many("+", n, |k| format!("Grad(Sin(x*{k}),x,1)"))
        }),
        Bomb::new("gradients of parts", &SCALARS, |n| {
            let parts = many(",", n.min(2_000), |k| format!("x*{k}"));
            format!("Grad(Concat({parts}),x,Concat({parts}))")
        }),
        // Walks over many nodes that make no new ones.
        Bomb::new("many divergences", &["x = Vi(4000)", "y = Vj(4000)"], |n| {
            let nodes = many("+", 2_000, |k| format!("Abs(x-{k})"));
            format!("SqNorm2({nodes}){}", "+Divergence(x+y,x)".repeat(n.min(1_500)))
        }),
        Bomb::new("many linear maps", &SCALARS, |n| {
            let nodes = many("+", 2_000, |k| format!("Abs(x-{k})"));
            format!("{nodes}{}", "+SumLinOperator(x*y,x)".repeat(n.min(2_000)))
        }),
    ];
    for (name, f) in [
        ("laplacian", "Laplacian(Exp(-SqDist(x,y))*Sin(x|y),x)"),
        ("jacobian", "SqNorm2(GradMatrix(Exp(x*y),x))"),
        ("divergence", "Divergence(Exp(-SqDist(x,y))*Sin(x),x)"),
        ("gradient of soft-DTW", "Grad(SoftDTW_SqDist(x,y,x[0]),x,1)|x"),
    ] {
        for dim in [16, 50, 64, 100, 150, 200, 255, 256, 1_000, 4_000] {
            let (x, y) = (format!("x = Vi({dim})"), format!("y = Vj({dim})"));
            bombs.push(Bomb::fixed(format!("{name} {dim}"), f, &[&x, &y]));
        }
    }
    bombs
}

/// Vectors that are computed component by component, again for each use.
fn vectors() -> Vec<Bomb> {
    let mut bombs = Vec::new();
    for (dim, aliases) in [(1, &SCALARS[..]), (16, &DIM_16), (17, &DIM_17)] {
        // Each maximum walks over a longer chain.
        bombs.push(Bomb::new(format!("chains {dim}"), aliases, |n| {
            let chain = |k: usize| format!("x{}", "*y".repeat(k));
            many("+", n, |k| format!("Max({}+{k})", chain(k)))
        }));
        bombs.push(Bomb::new(format!("long chain {dim}"), aliases, |n| {
            format!("x{}", "*y+x".repeat(n.min(12_000)))
        }));
        bombs.push(Bomb::new(format!("output of exponentials {dim}"), aliases, |n| {
            many("+", n, |k| format!("Exp(x*{k}+y)"))
        }));
        bombs.push(Bomb::new(format!("output of powers {dim}"), aliases, |n| {
            many("+", n, |k| format!("Powf(x+{k},y)"))
        }));
        bombs.push(Bomb::new(format!("sums of exponentials {dim}"), aliases, |n| {
            many("+", n, |k| format!("Sum(Exp(x*{k}+y))"))
        }));
        bombs.push(Bomb::new(format!("exponentials of rows {dim}"), aliases, |n| {
            many("+", n, |k| format!("Sum(Exp(x*{k}))*{k}"))
        }));
        bombs.push(Bomb::new(format!("powers of vectors {dim}"), aliases, |n| {
            many("+", n, |k| format!("Sum((x*y+{k})**63)"))
        }));
        bombs.push(Bomb::new(format!("concat {dim}"), aliases, |n| {
            format!("SqNorm2(Concat({}))", many(",", n, |k| format!("x*{k}*y")))
        }));
        bombs.push(Bomb::new(format!("output concat {dim}"), aliases, |n| {
            format!("Concat({})", many(",", n, |k| format!("Exp(x*{k}*y)")))
        }));
    }
    let wide = ["x = Vi(65536)", "y = Vj(1)"];
    bombs.push(Bomb::new("elements", &wide, |n| many("+", n, |k| format!("Exp(x[{k}]*y)"))));
    bombs.push(Bomb::new("slices", &wide, |n| {
        many("+", n, |k| format!("SqNorm2(x[{k}:{}]*y)", k + 20))
    }));
    bombs.push(Bomb::new("one-hot", &["x = Vi(17)", "y = Vj(1)"], |n| {
        many("+", n, |k| format!("OneHot(y+{k},17)|x"))
    }));
    bombs.push(Bomb::new("soft-DTW", &["x = Vi(255)", "y = Vj(255)"], |n| {
        many("+", n, |k| format!("SoftDTW_SqDist(x,y+{k},x[0])"))
    }));
    bombs
}

/// Products of tensors with many axes.
fn tensors() -> Vec<Bomb> {
    let twos = |count: usize| list(vec![2; count]);
    let mut bombs = Vec::new();
    // As many axes of two components as a result or an operand may have, some of them summed over.
    for summed in [0, 1, 2, 3, 4, 6, 8, 12, 16] {
        let axes = (8 + summed / 2).min(16);
        let (sizes, paired) = (twos(axes), list(0..summed.min(axes)));
        // Every other axis, so that none can be joined with its neighbour.
        let apart = list((0..axes).rev().take(summed));
        let (x, y) = (format!("x = Vi({})", 1 << axes), format!("y = Vj({})", 1 << axes));
        for (name, pairs) in [("", &paired), (" apart", &apart)] {
            let product = format!("TensorDot(x,y,{sizes},{sizes},{paired},{pairs})");
            bombs.push(Bomb::fixed(
                format!("tensor dot {summed}{name}"),
                format!("SqNorm2({product})"),
                &[&x, &y],
            ));
        }
    }
    let sizes = twos(8);
    let (kron, dot) = (sizes.clone(), sizes.clone());
    bombs.push(Bomb::fixed("kron", format!("SqNorm2(Kron(x,y,{sizes},{sizes}))"), &DIM_256));
    bombs.push(Bomb::fixed("output kron", format!("Kron(x,y,{sizes},{sizes})"), &DIM_256));
    bombs.push(Bomb::new("kron of chains", &DIM_256, move |n| {
        let chain = nested("x", n.min(200), |f, _| format!("({f}+y)*y"));
        format!("SqNorm2(Kron({chain},{chain}*y,{kron},{kron}))")
    }));
    bombs.push(Bomb::new("tensor dot of chains", &DIM_256, move |n| {
        let chain = nested("x", n.min(200), |f, _| format!("({f}+y)*y"));
        format!("SqNorm2(TensorDot({chain},{chain}*y,{dot},{dot},[0,2],[1,3]))")
    }));
    let kron = twos(5);
    bombs.push(Bomb::new("krons", &["x = Vi(32)", "y = Vj(32)"], move |n| {
        many("+", n, |k| format!("SqNorm2(Kron(x+{k},y,{kron},{kron}))"))
    }));
    bombs.push(Bomb::new("matrix products", &["x = Vi(256)", "y = Vj(16)"], |n| {
        many("+", n, |k| format!("SqNorm2(MatVecMult(x+{k},y))"))
    }));
    // Parts within permutations of parts: simplification looks into each.
    bombs.push(Bomb::new("transposed parts", &SCALARS, |n| {
        let inner = nested("Concat(x,y)", n.min(4), |f, level| {
            let rows = 2 << level;
            format!("TensorDot(Concat({f},{f}*2),1,[2,{rows}],[1],[],[],[1,0,2])")
        });
        many("+", 40, |_| format!("Exp(-{inner})"))
    }));
    bombs
}

/// Large dims and many results.
fn sizes() -> Vec<Bomb> {
    let wide = |name: &str, f: &str| Bomb::fixed(name, f, &DIM_65536);
    let parts = |n: usize| format!("Concat({})", many(",", n, |k| format!("Exp(x*{k})")));
    let kinds = ["Vi", "Vj", "Pm"];
    let all: Vec<String> = (0..256).map(|k| format!("v{k} = {}(65536)", kinds[k % 3])).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    vec![
        wide("wide", "SqDist(x,y)"),
        wide("wide", "SqDist(x,y)").reduced(Reduction::KMin(1_024)),
        wide("wide", "SqDist(x,y)").reduced(Reduction::LogSumExp),
        wide("wide output", "x*y"),
        wide("wide output", "Exp(x*y)").accumulated(Accumulate::Kahan),
        wide("wide output", "Exp(x*y)").reduced(Reduction::Min),
        wide("wide output", "x*y").reduced(Reduction::ArgKMin(1_024)),
        wide("wide weight", "Exp(y*x)").reduced(Reduction::SumSoftMaxWeight),
        Bomb::new("weight of parts", &DIM_3, parts).reduced(Reduction::SumSoftMaxWeight),
        Bomb::new("wide aliases", &all, |n| many("+", n.min(256), |k| format!("v{k}"))),
    ]
}

/// As many calls of every operation as make different nodes, on scalars and on the longest vectors that are written out.
fn functions(table: &'static [Row]) -> Vec<Bomb> {
    let mut bombs = Vec::new();
    for row in table {
        let is_plain = matches!(
            row.build,
            Build::Elementwise(_) | Build::Reduce(_) | Build::WithInt(_) | Build::Complex(_)
        );
        if !is_plain || row.args.iter().any(|arg| matches!(arg, Arg::List | Arg::Variable)) {
            continue;
        }
        let call = move |k: usize| {
            let args = row.args.iter().enumerate().map(|(n, arg)| match (arg, n) {
                (Arg::Int, _) => "4".to_owned(),
                // One number beside complex ones: real, or complex.
                (_, 0) if row.names[0] == "ComplexRealScal" => format!("(x[0]+{k}*y[0])"),
                (_, 0) if row.names[0] == "ComplexSumT" => format!("((x+{k}*y)[0:2])"),
                (_, 0) => format!("x+{k}*y"),
                (_, n) => format!("y*{n}"),
            });
            format!("{}({})", row.names[0], args.collect::<Vec<_>>().join(","))
        };
        // Real and imaginary parts alternate.
        let dims = match row.build {
            Build::Complex(_) => [(2, &DIM_2[..]), (16, &DIM_16), (18, &DIM_18)],
            _ => [(1, &SCALARS[..]), (16, &DIM_16), (17, &DIM_17)],
        };
        for (dim, aliases) in dims {
            bombs.push(Bomb::new(format!("{} {dim}", row.names[0]), aliases, move |n| {
                many("+", n, |k| format!("Sum({})", call(k)))
            }));
        }
    }
    bombs
}
