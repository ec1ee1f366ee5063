//! Every reduction against the obvious loops: values, indices, shapes and dtypes of what is written.

use crate::{Folder, npy};
use std::fs;

const ROWS: usize = 5;
const COLUMNS: usize = 7;
const DIM: usize = 3;

/// Numbers between -1 and 1 that repeat nowhere.
fn numbers(len: usize, seed: u32) -> Vec<f64> {
    (0..len).map(|k| ((k as f64 + f64::from(seed)) * 0.754_877_666).fract() * 2.0 - 1.0).collect()
}

struct Points {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Points {
    fn new() -> Points {
        Points { x: numbers(ROWS * DIM, 3), y: numbers(COLUMNS * DIM, 101) }
    }

    fn x(&self, i: usize) -> &[f64] {
        &self.x[i * DIM..(i + 1) * DIM]
    }

    fn y(&self, j: usize) -> &[f64] {
        &self.y[j * DIM..(j + 1) * DIM]
    }

    fn sqdist(&self, i: usize, j: usize) -> f64 {
        self.x(i).iter().zip(self.y(j)).map(|(x, y)| (x - y).powi(2)).sum()
    }

    /// A folder with x.npy and y.npy.
    fn folder(&self) -> Folder {
        let folder = Folder::new();
        fs::write(folder.path("x.npy"), npy::file("<f8", &[ROWS, DIM], &self.x)).unwrap();
        fs::write(folder.path("y.npy"), npy::file("<f8", &[COLUMNS, DIM], &self.y)).unwrap();
        folder
    }
}

const X_AND_Y: [&str; 6] = ["x = Vi(3)", "y = Vj(3)", "--in", "x.npy", "--in", "y.npy"];

fn reduce(folder: &Folder, before: &[&str], outs: &[&str], more: &[&str]) -> Vec<npy::Array> {
    let mut args = vec!["reduce"];
    args.extend(before);
    args.extend(X_AND_Y);
    for out in outs {
        args.extend(["--out", out]);
    }
    args.extend(more);
    assert_eq!(folder.ok(&args), "");
    outs.iter().map(|out| npy::read(&folder.path(out))).collect()
}

fn assert_close(what: &str, array: &npy::Array, shape: &[usize], expected: &[f64]) {
    assert_eq!((array.descr.as_str(), array.shape.as_slice()), ("<f8", shape), "{what}");
    assert_eq!(array.numbers.len(), expected.len(), "{what}");
    for (got, expected) in array.numbers.iter().zip(expected) {
        let close = (got - expected).abs() <= 1e-12 * expected.abs().max(1.0);
        assert!(close, "{what}: {got} instead of {expected}");
    }
}

fn assert_indices(what: &str, array: &npy::Array, shape: &[usize], expected: &[f64]) {
    assert_eq!((array.descr.as_str(), array.shape.as_slice()), ("<i8", shape), "{what}");
    assert_eq!(array.numbers, expected, "{what}");
}

/// The positions of a list in the order of its numbers.
fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    order
}

#[test]
fn sums_over_either_axis() {
    let points = Points::new();
    let folder = points.folder();
    let product = |i: usize, j: usize, c: usize| points.x(i)[c] * points.y(j)[c];
    let over_j: Vec<f64> = (0..ROWS)
        .flat_map(|i| (0..DIM).map(move |c| (i, c)))
        .map(|(i, c)| (0..COLUMNS).map(|j| product(i, j, c)).sum())
        .collect();
    let over_i: Vec<f64> = (0..COLUMNS)
        .flat_map(|j| (0..DIM).map(move |c| (j, c)))
        .map(|(j, c)| (0..ROWS).map(|i| product(i, j, c)).sum())
        .collect();
    for scheme in ["auto", "direct", "block", "kahan", "double"] {
        let more = ["--accumulate", scheme];
        let a = reduce(&folder, &["Sum", "x*y", "a = Vi(3)"], &["a.npy"], &more);
        assert_close(scheme, &a[0], &[ROWS, DIM], &over_j);
        let a = reduce(&folder, &["Sum", "x*y", "a = Vj(3)"], &["a.npy"], &more);
        assert_close(scheme, &a[0], &[COLUMNS, DIM], &over_i);
    }
}

#[test]
fn exponential_reductions_with_and_without_weight() {
    let points = Points::new();
    let folder = points.folder();
    let terms: Vec<Vec<f64>> =
        (0..ROWS).map(|i| (0..COLUMNS).map(|j| points.sqdist(i, j)).collect()).collect();
    let most = |i: usize| terms[i].iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Sum of exp(F - shift) times component c of y, or times 1.
    let sum = |i: usize, shift: f64, c: Option<usize>| -> f64 {
        let weight = |j: usize| c.map_or(1.0, |c| points.y(j)[c].abs());
        (0..COLUMNS).map(|j| (terms[i][j] - shift).exp() * weight(j)).sum()
    };
    let each = |row: &dyn Fn(usize) -> Vec<f64>| (0..ROWS).flat_map(row).collect::<Vec<f64>>();
    let weights = |i: usize, shift: f64| (0..DIM).map(move |c| (i, shift, Some(c)));
    let weight = ["--weight", "Abs(y)"];
    let formula = "SqDist(x, y)";
    let check = |name: &str, output: &str, more: &[&str], dim: usize, expected: Vec<f64>| {
        let a = reduce(&folder, &[name, formula, output], &["a.npy"], more);
        assert_close(name, &a[0], &[ROWS, dim], &expected);
    };
    check("LogSumExp", "a = Vi(1)", &[], 1, each(&|i| vec![sum(i, 0.0, None).ln()]));
    check(
        "LogSumExp",
        "a = Vi(3)",
        &weight,
        3,
        each(&|i| weights(i, 0.0).map(|(i, shift, c)| sum(i, shift, c).ln()).collect()),
    );
    check(
        "SumSoftMaxWeight",
        "a = Vi(3)",
        &weight,
        3,
        each(&|i| {
            weights(i, 0.0).map(|(i, shift, c)| sum(i, shift, c) / sum(i, 0.0, None)).collect()
        }),
    );
    check("Max_SumShiftExp", "a = Vi(2)", &[], 2, each(&|i| vec![most(i), sum(i, most(i), None)]));
    check(
        "Max_SumShiftExp",
        "a = Vi(4)",
        &weight,
        4,
        each(&|i| {
            let sums = weights(i, most(i)).map(|(i, shift, c)| sum(i, shift, c));
            std::iter::once(most(i)).chain(sums).collect()
        }),
    );
}

#[test]
fn extrema_and_their_indices() {
    let points = Points::new();
    let folder = points.folder();
    let (mut least, mut least_at, mut most, mut most_at) = (vec![], vec![], vec![], vec![]);
    for i in 0..ROWS {
        for c in 0..DIM {
            let values: Vec<f64> = (0..COLUMNS).map(|j| points.x(i)[c] - points.y(j)[c]).collect();
            let order = ascending(&values);
            let (first, last) = (order[0], order[COLUMNS - 1]);
            least.push(values[first]);
            least_at.push(first as f64);
            most.push(values[last]);
            most_at.push(last as f64);
        }
    }
    let one = |name: &str| reduce(&folder, &[name, "x - y", "a = Vi(3)"], &["a.npy"], &[]);
    let two = |name: &str| reduce(&folder, &[name, "x - y", "a = Vi(3)"], &["a.npy", "k.npy"], &[]);
    let shape = [ROWS, DIM];
    assert_close("Min", &one("Min")[0], &shape, &least);
    assert_close("Max", &one("Max")[0], &shape, &most);
    assert_indices("ArgMin", &one("ArgMin")[0], &shape, &least_at);
    assert_indices("ArgMax", &one("ArgMax")[0], &shape, &most_at);
    for (name, values, indices) in [
        ("Min_ArgMin", &least, &least_at),
        ("MinArgMin", &least, &least_at),
        ("Max_ArgMax", &most, &most_at),
    ] {
        let both = two(name);
        assert_close(name, &both[0], &shape, values);
        assert_indices(name, &both[1], &shape, indices);
    }
}

#[test]
fn k_smallest_of_a_scalar() {
    let points = Points::new();
    let folder = points.folder();
    let (mut values, mut indices) = (vec![], vec![]);
    for i in 0..ROWS {
        let row: Vec<f64> = (0..COLUMNS).map(|j| points.sqdist(i, j)).collect();
        for j in &ascending(&row)[..2] {
            values.push(row[*j]);
            indices.push(*j as f64);
        }
    }
    // K from the output's dim and from --k must mean the same.
    for more in [&[][..], &["--k", "2"]] {
        let before = |name| [name, "SqDist(x, y)", "a = Vi(2)"];
        let shape = [ROWS, 2];
        let a = reduce(&folder, &before("KMin"), &["a.npy"], more);
        assert_close("KMin", &a[0], &shape, &values);
        let a = reduce(&folder, &before("ArgKMin"), &["a.npy"], more);
        assert_indices("ArgKMin", &a[0], &shape, &indices);
        let a = reduce(&folder, &before("KMin_ArgKMin"), &["a.npy", "k.npy"], more);
        assert_close("KMin_ArgKMin", &a[0], &shape, &values);
        assert_indices("KMin_ArgKMin", &a[1], &shape, &indices);
    }
    let one = reduce(&folder, &["ArgKMin", "SqDist(x, y)", "a = Vi(1)"], &["a.npy"], &[]);
    let nearest: Vec<f64> = indices.iter().step_by(2).copied().collect();
    assert_indices("K = 1", &one[0], &[ROWS, 1], &nearest);
}

#[test]
fn k_smallest_of_a_vector_and_more_than_there_are() {
    let points = Points::new();
    let folder = points.folder();
    let k = COLUMNS + 1;
    let (mut values, mut indices) = (vec![0.0; ROWS * k * DIM], vec![-1.0; ROWS * k * DIM]);
    for i in 0..ROWS {
        for c in 0..DIM {
            let row: Vec<f64> = (0..COLUMNS).map(|j| points.x(i)[c] - points.y(j)[c]).collect();
            for (rank, j) in ascending(&row).iter().enumerate() {
                values[(i * k + rank) * DIM + c] = row[*j];
                indices[(i * k + rank) * DIM + c] = *j as f64;
            }
            values[(i * k + COLUMNS) * DIM + c] = f64::INFINITY;
        }
    }
    for more in [&[][..], &["--k", "8"]] {
        let a =
            reduce(&folder, &["KMin_ArgKMin", "x - y", "a = Vi(24)"], &["a.npy", "k.npy"], more);
        assert_eq!(a[0].shape, [ROWS, k, DIM]);
        for (got, expected) in a[0].numbers.iter().zip(&values) {
            assert!(got == expected || (got - expected).abs() < 1e-12, "{got} {expected}");
        }
        assert_indices("KMin_ArgKMin", &a[1], &[ROWS, k, DIM], &indices);
    }
}

#[test]
fn results_do_not_depend_on_threads_or_repeats() {
    let points = Points::new();
    let folder = points.folder();
    let mut files = Vec::new();
    for more in [&["--threads", "1"][..], &["--threads", "3", "--repeat", "4"], &[]] {
        reduce(&folder, &["Sum", "Exp(-SqDist(x, y))*x", "a = Vi(3)"], &["a.npy"], more);
        files.push(fs::read(folder.path("a.npy")).unwrap());
    }
    assert_eq!(files[0], files[1]);
    assert_eq!(files[0], files[2]);
}

#[test]
fn back_ends_of_this_build_agree_and_others_say_so() {
    let points = Points::new();
    let folder = points.folder();
    let before = ["Sum", "Exp(-SqDist(x, y))", "a = Vi(1)"];
    let expected: Vec<f64> =
        (0..ROWS).map(|i| (0..COLUMNS).map(|j| (-points.sqdist(i, j)).exp()).sum()).collect();
    let mut ran = 0;
    for name in ["auto", "cpu", "clif", "wide", "eval", "cuda"] {
        let mut args = vec!["reduce"];
        args.extend(before);
        args.extend(X_AND_Y);
        args.extend(["--out", "a.npy", "--backend", name]);
        let result = folder.run(&args);
        if result.success {
            ran += 1;
            let a = npy::read(&folder.path("a.npy"));
            assert_close(name, &a, &[ROWS, 1], &expected);
            fs::remove_file(folder.path("a.npy")).unwrap();
        } else {
            assert!(!["auto", "cpu", "clif"].contains(&name), "{}", result.stderr);
            let said = result.stderr.to_lowercase();
            assert!(said.contains(name), "{said}");
            assert_eq!(folder.names(), ["x.npy", "y.npy"]);
        }
    }
    assert!(ran >= 3);
}

#[test]
fn stats_are_one_line_of_json() {
    let points = Points::new();
    let folder = points.folder();
    for (output, rows, columns) in [("a = Vi(1)", ROWS, COLUMNS), ("a = Vj(1)", COLUMNS, ROWS)] {
        let mut args = vec!["reduce", "ArgMin", "SqDist(x, y)", output];
        args.extend(X_AND_Y);
        args.extend(["--out", "a.npy", "--stats", "json", "--repeat", "4"]);
        let line = folder.ok(&args);
        assert_eq!(line.matches('\n').count(), 1);
        let stats: serde_json::Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<&str> = stats.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [
            "rows",
            "columns",
            "dtype",
            "engine",
            "refusals",
            "origin",
            "compile_s",
            "load_s",
            "run_s",
            "pairs_per_s",
        ];
        expected.sort_unstable();
        let mut keys = keys;
        keys.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(
            (stats["rows"].as_u64(), stats["columns"].as_u64()),
            (Some(rows as u64), Some(columns as u64))
        );
        assert_eq!(stats["dtype"], "float64");
        let engine = stats["engine"].as_str().unwrap();
        assert!(genred::Backend::from_name(engine).is_some(), "{line}");
        assert!(["compiled", "memory", "disk"].contains(&stats["origin"].as_str().unwrap()));
        let number = |name: &str| stats[name].as_f64().unwrap();
        assert!(number("run_s") > 0.0 && number("compile_s") + number("load_s") > 0.0, "{line}");
        let rate = (rows * columns) as f64 / number("run_s");
        assert!((number("pairs_per_s") / rate - 1.0).abs() < 0.01, "{line}");
    }
}

#[test]
fn several_reductions_write_what_each_writes_alone() {
    let folder = Points::new().folder();
    let formula = "-SqDist(x, y)";
    let together = ["LogSumExp", formula, "a = Vi(1)"];
    let also = ["--also", "ArgMax", "--also", "KMin_ArgKMin(2)", "--also", "Min"];
    let outs = ["a.npy", "k.npy", "v.npy", "i.npy", "m.npy"];
    reduce(&folder, &together, &outs, &also);
    let pieces = ["pa.npy", "pk.npy", "pv.npy", "pi.npy", "pm.npy"];
    reduce(&folder, &together, &pieces, &[&also[..], &["--memory", "64M"]].concat());
    for (out, piece) in outs.iter().zip(pieces) {
        let [out, piece] = [*out, piece].map(|name| fs::read(folder.path(name)).unwrap());
        assert!(out == piece, "in pieces");
    }
    for (reduction, dim, outs) in [
        ("LogSumExp", 1, &["a.npy"][..]),
        ("ArgMax", 1, &["k.npy"]),
        ("KMin_ArgKMin", 2, &["v.npy", "i.npy"]),
        ("Min", 1, &["m.npy"]),
    ] {
        let output = format!("a = Vi({dim})");
        let alone: Vec<String> = outs.iter().map(|out| format!("alone_{out}")).collect();
        let alone: Vec<&str> = alone.iter().map(String::as_str).collect();
        reduce(&folder, &[reduction, formula, &output], &alone, &[]);
        for (out, alone) in outs.iter().zip(&alone) {
            let [out, alone] = [out, alone].map(|name| fs::read(folder.path(name)).unwrap());
            assert!(out == alone, "{reduction}");
        }
    }
}

#[test]
fn what_several_reductions_lack_is_said() {
    let folder = Points::new().folder();
    let refused = |more: &[&str]| {
        let mut args = vec!["reduce", "LogSumExp", "-SqDist(x, y)", "a = Vi(1)"];
        args.extend(X_AND_Y);
        args.extend(more);
        let ran = folder.run(&args);
        assert!(!ran.success, "{args:?} passed");
        ran.stderr
    };
    let text = refused(&["--also", "Min_ArgMin", "--out", "a.npy", "--out", "v.npy"]);
    assert!(text.contains("LogSumExp, Min_ArgMin take 3 --out; 2 are given"), "{text}");
    let text = refused(&["--also", "KMin(x)", "--out", "a.npy", "--out", "v.npy"]);
    assert!(text.contains("`KMin(x)` is no reduction: K is a number"), "{text}");
    let text = refused(&["--also", "Max", "--out", "a.npy", "--out", "a.npy"]);
    assert!(text.contains("both results would be written to a.npy"), "{text}");
    let text = refused(&["--also", "Sum", "--out", "a.npy", "--out", "b.npy"]);
    assert!(text.contains("`Sum` and `LogSumExp` are not computed in one pass"), "{text}");
    let text = refused(&["--also", "Max", "--memory", "1", "--out", "a.npy", "--out", "b.npy"]);
    assert!(text.contains("of 1 bytes is too small"), "{text}");
    assert!(!folder.path("a.npy").exists());
}
