//! `IndexI`, `IndexJ` and conditions on them, against the oracle on points that carry their numbers and on the kept columns of each row.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/kept.rs"]
mod kept;

use genred::eval::{self, Matrix, Task};
use genred::formula::{Category, typing};
use genred::{Accumulate, Array, Backend, Element, Float, Genred, Ranges, Reduction, View};
use kept::{ALIASES, FORMULA, Points, REDUCTIONS, agree, compile};
use std::sync::Arc;

const ENGINES: [Backend; 4] = [Backend::Clif, Backend::Avx2, Backend::Avx512, Backend::Eval];

type Pair = fn(usize, usize) -> bool;
/// Conditions as text and as code.
const CONDITIONS: [(&str, Pair); 7] = [
    ("IndexI != IndexJ", |i, j| i != j),
    ("IndexI < IndexJ", |i, j| i < j),
    ("IndexI - IndexJ >= 0", |i, j| i >= j),
    ("(IndexI - IndexJ < 3) * (IndexJ - IndexI <= 2)", |i, j| i < j + 3 && j <= i + 2),
    ("(3*IndexI == IndexJ) + (IndexJ > 70)", |i, j| 3 * i == j || j > 70),
    ("IndexI > 20", |i, _| i > 20),
    ("IndexJ < 0", |_, _| false),
];

/// Multiples of 1/8 in [-1, 1], so that values of F and their sums are exact in float32.
fn points<T: Element>(count: usize, seed: usize) -> Vec<T> {
    let value = |k: usize| ((k * 7_919 + seed * 104_729 + k * k % 13) % 17) as f64 / 8.0 - 1.0;
    (0..count * 2).map(|k| T::from_f64(value(k))).collect()
}

fn genred<T: Element>(reduction: Reduction, rows: Category, conditions: &[&str]) -> Genred<T> {
    let genred = kept::genred(reduction, rows);
    conditions.iter().fold(genred, |genred, condition| genred.keep(*condition))
}

fn compare<T: Element>((m, n): (usize, usize), conditions: &[(&str, Pair)], engines: &[Backend]) {
    let (x, y, g) = (points::<T>(m, 1), points::<T>(n, 2), [T::from_f64(kept::G)]);
    let points = Points { x: &points::<f64>(m, 1), y: &points::<f64>(n, 2) };
    let args = [View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap(), View::vector(&g)];
    // Blocks in which conditions hold partly, too.
    let ranges = Ranges::from_mask(
        &[true, false, true, false, true, true],
        &[0, m / 3, m],
        &[0, n / 4, n / 2, n],
    )
    .unwrap();
    let in_block = |i: usize, j: usize| match i < m / 3 {
        true => j < n / 4 || j >= n / 2,
        false => j >= n / 4,
    };
    for (text, keeps) in conditions {
        for rows in [Category::I, Category::J] {
            for (reduction, backend) in
                REDUCTIONS.iter().flat_map(|r| engines.iter().map(move |e| (*r, *e)))
            {
                let Some(kernel) = compile::<T>(genred(reduction, rows, &[text]), backend) else {
                    continue;
                };
                let has_indices = reduction.family() == genred::reduce::Family::Selection;
                let run = |ranged: bool| -> (Array<T>, Option<Array<i64>>) {
                    let blocks = kernel.with_ranges(&ranges);
                    match (has_indices, ranged) {
                        (true, false) => {
                            let (values, indices) = kernel.call_both(&args).unwrap();
                            (values, Some(indices))
                        }
                        (true, true) => {
                            let (values, indices) = blocks.call_both(&args).unwrap();
                            (values, Some(indices))
                        }
                        (false, false) => (kernel.call(&args).unwrap(), None),
                        (false, true) => (blocks.call(&args).unwrap(), None),
                    }
                };
                for ranged in [false, true] {
                    let keeps = |i: usize, j: usize| keeps(i, j) && (!ranged || in_block(i, j));
                    let place =
                        format!("{text}: {reduction:?} {rows:?} {backend:?} ranged {ranged}");
                    points.check((reduction, rows), &run(ranged), keeps, &place);
                }
            }
        }
    }
}

#[test]
fn conditions_leave_pairs_out_in_every_reduction_on_every_engine() {
    compare::<f32>((33, 90), &CONDITIONS, &ENGINES);
    compare::<f64>((37, 21), &CONDITIONS[3..5], &ENGINES);
}

#[test]
fn few_rows_with_lanes_over_columns_leave_pairs_out() {
    compare::<f32>((5, 300), &CONDITIONS[..5], &ENGINES[..3]);
}

/// Rows and columns of several groups and tiles, so that whole ones are left out.
#[test]
fn tiles_that_are_left_out_change_no_bit() {
    let (m, n) = (1_100, 13_000);
    let (x, y, g) = (points::<f32>(m, 3), points::<f32>(n, 4), [0.37f32]);
    let args = [View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap(), View::vector(&g)];
    for (condition, same) in [
        ("5 * IndexI < IndexJ", "5 * u < v"),
        (
            "(IndexJ - 9*IndexI < 40) * (9*IndexI - IndexJ < 300)",
            "(v - 9*u < 40) * (9*u - v < 300)",
        ),
    ] {
        for rows in ["a = Vi", "a = Vj"] {
            // Numbers as data: the same mask, with nothing left out.
            let number = |count: usize| (0..count).map(|k| k as f32).collect::<Vec<f32>>();
            let (u, v) = (number(m), number(n));
            let with_numbers = [
                args[0],
                args[1],
                args[2],
                View::new(&u, m, 1).unwrap(),
                View::new(&v, n, 1).unwrap(),
            ];
            for (reduction, masked) in [
                (Reduction::Sum, format!("IfElse(({same}) - 1, {FORMULA}, 0)")),
                (Reduction::LogSumExp, format!("{FORMULA} + Log({same})")),
                (Reduction::KMinArgKMin(2), format!("IfElse(({same}) - 1, {FORMULA}, 1e30)")),
            ] {
                let dim = reduction.output_dim(1, None);
                let build = |formula: &str| {
                    Genred::<f32>::reduction(reduction, formula)
                        .output(format!("{rows}({dim})"))
                        .aliases(ALIASES)
                };
                let kept = build(FORMULA).keep(condition).compile().unwrap();
                let dense = build(&masked).aliases(["u = Vi(1)", "v = Vj(1)"]).compile().unwrap();
                let place = format!("{condition}, {rows}, {reduction:?}");
                if reduction == Reduction::Sum || reduction == Reduction::LogSumExp {
                    let found = kept.call(&args).unwrap();
                    let expected = dense.call(&with_numbers).unwrap();
                    let pairs = found.as_slice().iter().zip(expected.as_slice());
                    for (r, (found, expected)) in pairs.enumerate() {
                        assert!(agree(f64::from(*found), f64::from(*expected)), "{place} row {r}");
                    }
                    for threads in [1, 3] {
                        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                        let pooled = build(FORMULA).keep(condition).pool(Arc::new(pool.unwrap()));
                        assert_eq!(
                            pooled.compile().unwrap().call(&args).unwrap(),
                            found,
                            "{place}"
                        );
                    }
                    for backend in [Backend::Clif, Backend::Avx2] {
                        let kernel = compile(build(FORMULA).keep(condition), backend);
                        if let Some(kernel) = kernel {
                            assert_eq!(kernel.call(&args).unwrap(), found, "{place} {backend:?}");
                        }
                    }
                } else {
                    let (values, indices) = kept.call_both(&args).unwrap();
                    let (expected, at) = dense.call_both(&with_numbers).unwrap();
                    for r in 0..values.rows() {
                        for k in 0..2 {
                            // Left out, a pair has no index; as data it is very far.
                            let far = expected[(r, k)] == 1e30;
                            let value = if far { f32::INFINITY } else { expected[(r, k)] };
                            assert_eq!(values[(r, k)], value, "{place} row {r}");
                            let at = if far { -1 } else { at[(r, k)] };
                            assert_eq!(indices[(r, k)], at, "{place} row {r}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn nearest_neighbours_of_other_points_match_brute_force() {
    let n = 1_000;
    let x: Vec<f32> = (0..n * 3).map(|k| ((k * 7_919 + k * k % 101) % 5_003) as f32).collect();
    let view = View::new(&x, n, 3).unwrap();
    let nearest =
        Genred::<f32>::argmin("SqDist(x, y)").keep("IndexI != IndexJ").output("k = Vi(1)");
    let nearest = nearest.aliases(["x = Vi(3)", "y = Vj(3)"]).compile().unwrap();
    let found = nearest.call_indices(&[view, view]).unwrap();
    for i in 0..n {
        let distance = |j: usize| -> i64 {
            (0..3).map(|c| (x[i * 3 + c] as i64 - x[j * 3 + c] as i64).pow(2)).sum()
        };
        let least = (0..n).filter(|j| *j != i).map(distance).min().unwrap();
        let j = usize::try_from(found[(i, 0)]).unwrap();
        assert!(j != i && j < n, "row {i}");
        // float32 rounds distances above 2^24: the one that is found is as near up to that.
        assert!(distance(j) <= least + least / (1 << 22), "row {i}: {} and {least}", distance(j));
    }
}

/// F with indices against F with the numbers as data.
#[test]
fn indices_are_the_numbers_of_points_in_any_formula() {
    let pairs = [
        ("IfElse(IndexI - IndexJ, x[0], y[1])", "IfElse(u - v, x[0], y[1])"),
        ("(IndexI - 2*IndexJ + 3 < 5) * x[1] + IndexJ", "(u - 2*v + 3 < 5) * x[1] + v"),
        ("Concat(IndexI * IndexJ, Abs(IndexI - IndexJ) * x)", "Concat(u * v, Abs(u - v) * x)"),
        ("Exp(-Square(IndexI - IndexJ) / 50) * y", "Exp(-Square(u - v) / 50) * y"),
        ("IndexI + 1", "u + 1"),
        ("(IndexI == IndexI) + (IndexJ - IndexJ) * x[0]", "1 + 0 * x[0]"),
        ("Mod(IndexI + IndexJ, 3, 0) * g", "Mod(u + v, 3, 0) * g"),
        ("IndexI / 2 <= IndexJ", "u / 2 <= v"),
    ];
    let (m, n) = (40, 70);
    let (x, y) = (points::<f32>(m, 5), points::<f32>(n, 6));
    let wide = [
        Matrix::new(m, 2, points::<f64>(m, 5)),
        Matrix::new(n, 2, points::<f64>(n, 6)),
        Matrix::new(1, 1, vec![0.5]),
        Matrix::new(m, 1, (0..m).map(|k| k as f64).collect()),
        Matrix::new(n, 1, (0..n).map(|k| k as f64).collect()),
    ];
    let args =
        [View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap(), View::vector(&[0.5f32])];
    for (text, same) in pairs {
        let aliases = [&ALIASES[..], &["u = Vi(1)", "v = Vj(1)"]].concat();
        let formula = typing::formula(same, None, &aliases).unwrap();
        for rows in [Category::I, Category::J] {
            let task = Task {
                formula: &formula,
                rows,
                reduction: Reduction::Sum,
                float: Float::F32,
                inputs: &wide,
                m,
                n,
            };
            let expected = eval::reduce(&task).values;
            for backend in ENGINES {
                let vector = if rows == Category::I { "Vi" } else { "Vj" };
                let genred = Genred::<f32>::sum(text)
                    .output(format!("a = {vector}({})", formula.root_dim(0)))
                    .aliases(ALIASES);
                let Some(kernel) = compile(genred, backend) else { continue };
                let found = kernel.call(&args).unwrap();
                for (found, expected) in found.as_slice().iter().zip(&expected.values) {
                    let found = f64::from(*found);
                    let near = (found - expected).abs() <= 2e-5 * expected.abs().max(1.0);
                    assert!(near, "{text} {rows:?} {backend:?}: {found}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn factors_of_an_index() {
    let most = genred::limits::INDEX_FACTOR;
    let of = |formula: String| {
        let genred = Genred::<f64>::sum(formula).output("a = Vi(1)");
        genred.aliases(["x = Vi(1)", "y = Vj(1)"]).compile()
    };
    for (formula, number) in [("IndexI * N", most), ("IndexI + N", most), ("IndexJ - N", most)] {
        let with = |number: i64| of(formula.replace('N', &number.to_string()));
        assert!(with(number).is_ok(), "{formula} with {number}");
        let error = with(number + 1).expect_err("one more");
        assert!(error.is_limit() && error.to_string().contains(&most.to_string()), "{error}");
    }
}

/// Comparisons next to 2^24, where float32 stops to hold every integer.
#[test]
fn indices_are_exact_up_to_the_limit_and_refused_beyond() {
    let build = |formula: &str| {
        Genred::<f32>::sum(formula).output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"])
    };
    let x = [0.0f32; 4];
    let args = [View::new(&x, 4, 1).unwrap(), View::new(&x, 4, 1).unwrap()];
    let far = "IndexI + IndexJ + 16777210";
    let count = |text: &str| build(text).compile().unwrap().call(&args).unwrap().into_vec();
    assert_eq!(count(&format!("{far} >= 16777213")), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(count(&format!("{far} == 16777216")), [0.0, 0.0, 0.0, 1.0]);
    let error = build("IndexI + IndexJ + 16777211").compile().unwrap().call(&args).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("reaches 16777217, but f32") && text.contains("Double"), "{text}");
    let double = build("IndexI + IndexJ + 16777211 == 16777217").accumulate(Accumulate::Double);
    assert_eq!(double.compile().unwrap().call(&args).unwrap().as_slice(), [0.0, 0.0, 0.0, 1.0]);
    let error = build("IndexI * 3000000000").compile().unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("2147483648"), "{error}");
    let kept = build("x").keep("IndexI + 16777216 != IndexJ").compile().unwrap();
    assert!(kept.call(&args).is_err(), "conditions are as exact");
}

/// Rows and columns that come in pieces have their numbers in the whole, and tiles are left out by these.
#[test]
fn streams_number_the_points_of_the_whole() {
    let (m, n) = (900, 9_500);
    let band = "(IndexJ - 9*IndexI < 40) * (9*IndexI - IndexJ < 300)";
    let in_band = |i: usize, j: usize| j < 9 * i + 40 && 9 * i < j + 300;
    let points_of = |m, n| (points::<f32>(m, 10), points::<f32>(n, 11), [kept::G as f32]);
    let (x, y, g) = points_of(m, n);
    let args = [View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap(), View::vector(&g)];
    let exact = Points { x: &points::<f64>(m, 10), y: &points::<f64>(n, 11) };
    let bits =
        |array: &Array<f32>| -> Vec<u32> { array.as_slice().iter().map(|v| v.to_bits()).collect() };
    for rows in [Category::I, Category::J] {
        for reduction in REDUCTIONS {
            let kernel = genred::<f32>(reduction, rows, &[band]).compile().unwrap();
            let stream = || kernel.stream().input(args[0]).input(args[1]).input(args[2]);
            let least = stream().least_budget().unwrap();
            let stream = || stream().memory_budget(least);
            let (pieces, (rows_of, columns_of)) =
                (stream().pieces().unwrap(), kernel.shape(&args).unwrap());
            assert!(
                pieces.rows() < rows_of && (rows == Category::J || pieces.columns() < columns_of),
                "{pieces:?}"
            );
            let place = format!("{reduction:?} {rows:?} in pieces");
            let found = if reduction.family() == genred::reduce::Family::Selection {
                let (mut values, mut indices) = (Vec::new(), Vec::new());
                stream().call_both_into(&mut values, &mut indices).unwrap();
                let dim = kernel.dim();
                let values = Array::from_vec(rows_of, dim, values).unwrap();
                let indices = Array::from_vec(rows_of, dim, indices).unwrap();
                let (whole, at) = kernel.call_both(&args).unwrap();
                assert_eq!((bits(&values), &indices), (bits(&whole), &at), "{place}");
                (values, Some(indices))
            } else {
                let values = stream().call().unwrap();
                assert_eq!(bits(&values), bits(&kernel.call(&args).unwrap()), "{place}");
                (values, None)
            };
            exact.check((reduction, rows), &found, in_band, &place);
        }
        // Numbers as values, and a condition under which most pieces hold nothing.
        for (formula, condition) in [
            ("x[0] * IndexJ + y[1] * IndexI", "IndexI < IndexJ"),
            ("IndexI * IndexJ", "IndexJ < 5"),
            ("IndexI - 2*IndexJ", "IndexI >= 850"),
        ] {
            let vector = if rows == Category::I { "a = Vi(1)" } else { "a = Vj(1)" };
            let sum = Genred::<f32>::sum(formula).output(vector).aliases(ALIASES);
            let kernel = sum.keep(condition).compile().unwrap();
            let stream = || kernel.stream().input(args[0]).input(args[1]).input(args[2]);
            let least = stream().least_budget().unwrap();
            let found = stream().memory_budget(least).call().unwrap();
            let whole = kernel.call(&args).unwrap();
            assert_eq!(bits(&found), bits(&whole), "{formula} for {condition}");
            assert!(whole.as_slice().iter().any(|value| *value != 0.0), "{formula}");
        }
    }
    // Too large to count exactly is refused as in memory.
    let count =
        Genred::<f32>::sum("IndexI + IndexJ + 16777200 > 0").output("a = Vi(1)").aliases(ALIASES);
    let kernel = count.compile().unwrap();
    let call = kernel.stream().input(args[0]).input(args[1]).input(args[2]);
    let (streamed, whole) = (call.call().unwrap_err(), kernel.call(&args).unwrap_err());
    assert_eq!(streamed.to_string(), whole.to_string());
}

#[test]
fn pieces_and_derivatives_keep_what_the_call_keeps() {
    let (m, n) = (40, 9_000);
    let (x, y, g) = (points::<f64>(m, 8), points::<f64>(n, 9), [0.5]);
    let args = [View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap(), View::vector(&g)];
    for reduction in [Reduction::Sum, Reduction::LogSumExp, Reduction::KMin(3)] {
        let kernel = genred::<f64>(reduction, Category::I, &["200*IndexI < IndexJ"]).compile();
        let kernel = kernel.unwrap();
        let whole = kernel.call(&args).unwrap();
        let step = kernel.column_step(m, n);
        assert!(step < n / 2, "the test needs pieces");
        let piece = |first: usize, end: usize| {
            let part = [args[0], args[1].rows_between(first, end).unwrap(), args[2]];
            kernel.partial(&part, first, n).unwrap()
        };
        let mut all = piece(step, n);
        kernel.join(&mut all, &piece(0, step)).unwrap();
        assert_eq!(kernel.finish(&all).unwrap(), whole, "{reduction:?}");
    }
    // By the mask as data.
    let (few, seed) = (60, vec![1.0; 40]);
    let args = [args[0], args[1].rows_between(0, few).unwrap(), args[2]];
    let number = |count: usize| (0..count).map(|k| k as f64).collect::<Vec<f64>>();
    let (u, v) = (number(m), number(few));
    let more =
        [args[0], args[1], args[2], View::new(&u, m, 1).unwrap(), View::new(&v, few, 1).unwrap()];
    let seed = View::new(&seed, m, 1).unwrap();
    for (reduction, masked) in [
        (Reduction::Sum, format!("(u < v) * ({FORMULA})")),
        (Reduction::LogSumExp, format!("{FORMULA} + Log(u < v)")),
        (Reduction::Min, format!("{FORMULA} + 1000 * (u >= v)")),
    ] {
        let kept = genred::<f64>(reduction, Category::I, &["IndexI < IndexJ"]).compile().unwrap();
        let dense = Genred::<f64>::reduction(reduction, masked).output("a = Vi(1)");
        let dense = dense.aliases(ALIASES).aliases(["u = Vi(1)", "v = Vj(1)"]).compile().unwrap();
        for name in ["x", "y", "g"] {
            let found = kept.grad(name).unwrap().call(&args, seed).unwrap();
            let expected = dense.grad(name).unwrap().call(&more, seed).unwrap();
            for (found, expected) in found.as_slice().iter().zip(expected.as_slice()) {
                assert!((found - expected).abs() <= 1e-10, "{reduction:?} by {name}");
            }
        }
    }
    // An index has no derivative of its own.
    let sum = Genred::<f64>::sum("IndexI * x[0] * y[1]").output("a = Vi(1)").aliases(ALIASES);
    let by_x = sum.compile().unwrap().grad("x").unwrap().call(&args, seed).unwrap();
    let total: f64 = (0..few).map(|j| y[j * 2 + 1]).sum();
    for i in 0..m {
        assert_eq!(by_x.row(i), [i as f64 * total, 0.0]);
    }
}

#[test]
fn what_is_no_condition_is_refused_with_its_place() {
    let refused = |condition: &str, says: &str| {
        let genred = genred::<f32>(Reduction::Sum, Category::I, &[condition]);
        let text = genred.compile().unwrap_err().to_string();
        assert!(text.contains(says) && text.contains("condition: "), "{text}");
    };
    refused("x[0] < y[0]", "a condition compares");
    refused("IndexI", "a condition compares");
    refused("IndexI < 2.5", "a condition compares");
    refused("IndexI <", "expected");
    let alias = Genred::<f32>::sum("x").output("a = Vi(1)").alias("IndexI = Vi(1)").compile();
    assert!(alias.unwrap_err().to_string().contains("IndexI"));
    let stated = Genred::<f32>::stated("Sum_Reduction(x * y, 0)", &["x = Vi(1)", "y = Vj(1)"]);
    assert!(stated.unwrap().keep("IndexI < IndexJ").compile().is_err());
}
