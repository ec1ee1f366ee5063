use super::*;
use crate::formula::{Category, typing};
use crate::loops::build::{self, Scheme, Source};
use crate::loops::builder::{Builder, Functions, Sharing};
use crate::reduce::Reduction;
use crate::schedule::Lanes;

fn program(text: &str, aliases: &[&str], reduction: Reduction, float: Float) -> Program {
    let formula = typing::formula(text, None, aliases).expect("the formula is well-formed");
    let source = Source {
        formula: &formula,
        rows: Category::I,
        reductions: &[reduction],
        scheme: Scheme::Block,
        float,
        fma: float == Float::F32,
        functions: Functions::Intrinsic,
    };
    build::build(&source).expect("a program within its limit").program
}

#[test]
fn hoisting_shows() {
    let aliases = ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"];
    let program = program("Exp(-g*SqNorm2(x - y))*b", &aliases, Reduction::Sum, Float::F32);
    let schedule =
        Schedule { lanes: Lanes::Rows, mr: 4, nr: 1, components: 4, chunk: 256, tile: 1024 };
    let expected = "\
schedule lanes=rows mr=4 nr=1 components=4 chunk=256 tile=1024
program f32 fma  rows x[3]  cols y[3] b[1]  params g[1]
state   sum[1] = 0
param   t0 = neg g[0]
        p9[0] <- mul t0, 1.442695
pair    t1 = sub x[0], y[0]
        t2 = sub x[1], y[1]
        t3 = sub x[2], y[2]
        t4 = mul t1, t1
        t5 = fma t2, t2, t4
        t6 = fma t3, t3, t5
        t7 = mul t6, p9[0]
        t8 = exp2 t7
step    part.sum[0] <- fma t8, b[0], part.sum[0]
flush   sum[0] <- add sum[0], part.sum[0]
merge   t9 = sum[0]
        sum[0] <- add t9, sum'[0]
finish  out[0] <- sum[0]
";
    assert_eq!(program.text(Some(&schedule)), expected);
}

#[test]
fn loops_tiles_and_exits_show() {
    let program =
        program("SqDist(x, y)", &["x = Vi(100)", "y = Vj(100)"], Reduction::ArgMin, Float::F64);
    let expected = "\
program f64  rows x[100]  cols y[100]
state   threshold[1] = inf
state   chunk_min[1] = inf
state   seen_min[1] = inf
tile    f[1]
pair    for d0 in 0..100 with s0 = 0
          t0 = sub x[d0], y[d0]
          t1 = mul t0, t0
          s0 <- add t1, s0
        f[0] <- s0
step    chunk_min[0] <- min s0, chunk_min[0]
chunk   t2 = chunk_min[0]
        seen_min[0] <- t2
        chunk_min[0] <- inf
        t3 = select (le t2, threshold[0]), 1, 0
        exit if lt 0, t3 for any row
";
    assert_eq!(program.text(None), expected);
}

#[test]
fn components_show() {
    let aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(20)"];
    let program = program("(x*y)*b", &aliases, Reduction::Sum, Float::F32);
    let expected = "\
program f32 fma  rows x[1]  cols y[1] b[20]
state   sum[20] = 0
tile    l2[1]
pair    l2[0] <- mul x[0], y[0]
pair    for e in 0..20
step      part.sum[e] <- fma l2[0], b[e], part.sum[e]
flush     sum[e] <- add sum[e], part.sum[e]
merge   for d1 in 0..20
          t0 = sum[d1]
          sum[d1] <- add t0, sum'[d1]
finish  for d2 in 0..20
          out[d2] <- sum[d2]
";
    assert_eq!(program.text(None), expected);
}

/// Accumulators that exchange their values: the text must not read as if both became the same.
#[test]
fn accumulators_change_together() {
    let mut b = Builder::new(Float::F32, true, Functions::Expanded);
    let state = b.array("s", Space::State, 3);
    b.program().identity = vec![1.0, 2.0, f64::NAN];
    let at = |offset| Index { offset, terms: Vec::new() };
    let [mut first, mut second, mut third] =
        [0, 1, 2].map(|k| b.accumulator(state, at(k), Start::State));
    (first.next, second.next) = (second.param, first.param);
    third.next = b.add(third.param, first.param);
    let step = b.take_block(Sharing::Fresh);
    b.pass(Over::Columns, None, Vec::new(), step, vec![first, second, third], None);
    let expected = "\
program f32 fma
state   s[3] = 1, 2, nan
step    t0 = add s[2], s[0]
        t1 = s[1]
        t2 = s[0]
        s[0] <- t1
        s[1] <- t2
        s[2] <- t0
";
    assert_eq!(b.finish().text(None), expected);
}

#[test]
fn constants_read_back_as_what_they_are() {
    for c in [0.1f32, 1.0, -0.0, f32::MIN_POSITIVE, 16_777_216.0, f32::INFINITY, 1e-45] {
        let text = float(Float::F32, f64::from(c));
        assert_eq!(text.parse::<f32>().expect("a number").to_bits(), c.to_bits(), "{text}");
    }
    assert_eq!(float(Float::F64, 0.1), "0.1");
    assert_eq!(float(Float::F64, f64::NAN), "nan");
    assert_eq!(integer(Float::F32, i64::from(i32::MIN)), "0x80000000");
    assert_eq!(integer(Float::F64, -1), "-1");
}

#[test]
fn alias_names_that_are_taken_are_told_apart() {
    let program = program("out*y", &["out = Vi(1)", "y = Vj(1)"], Reduction::Sum, Float::F64);
    assert!(program.text(None).contains("rows out[1]"), "{}", program.text(None));
    assert!(program.text(None).contains("finish  out_[0] <- sum[0]"), "{}", program.text(None));
}
