//! Every form of input file, and the ways of writing a command line.

use crate::{Folder, POINTS, fixture, npy};
use std::fs;

/// Sum of `x*y` over j for the fixtures' points as x and as y: exact in every dtype used here.
fn products() -> Vec<f64> {
    let total = |c: usize| POINTS.iter().map(|y| y[c]).sum::<f64>();
    POINTS.iter().flat_map(|x| (0..3).map(move |c| x[c] * total(c))).collect()
}

#[test]
fn every_dtype_byte_order_and_memory_order_of_numpy() {
    for dtype in ["f2", "f4", "f8"] {
        let orders = ["little", "big"].iter();
        let names: Vec<String> = orders
            .flat_map(|order| ["", "_fortran"].map(|memory| format!("{order}_{dtype}{memory}.npy")))
            .collect();
        for x in &names {
            for y in &names {
                let folder = Folder::new();
                let (x, y) = (fixture(x), fixture(y));
                folder.ok(&[
                    "reduce",
                    "Sum",
                    "x*y",
                    "a = Vi(3)",
                    "x = Vi(3)",
                    "y = Vj(3)",
                    "--in",
                    &x,
                    "--in",
                    &y,
                    "--out",
                    "a.npy",
                ]);
                let a = npy::read(&folder.path("a.npy"));
                assert_eq!((a.descr.as_str(), a.shape), (&*format!("<{dtype}"), vec![4, 3]));
                assert_eq!(a.numbers, products(), "{x} {y}");
                assert_eq!(folder.names(), ["a.npy"]);
            }
        }
    }
}

#[test]
fn vectors_are_parameters_and_newer_versions_are_read() {
    for version in ["version2_f4.npy", "version3_f4.npy"] {
        let folder = Folder::new();
        folder.ok(&[
            "reduce",
            "Sum",
            "p*x",
            "a = Vi(3)",
            "x = Vi(3)",
            "p = Pm(3)",
            "--in",
            &fixture(version),
            "--in",
            &fixture("vector_f4.npy"),
            "--out",
            "a.npy",
        ]);
        let expected: Vec<f64> =
            POINTS.iter().flat_map(|x| (0..3).map(move |c| x[c] * POINTS[0][c])).collect();
        assert_eq!(npy::read(&folder.path("a.npy")).numbers, expected);
    }
}

#[test]
fn empty_axes() {
    let folder = Folder::new();
    let (empty, full) = (fixture("empty_f4.npy"), fixture("little_f4.npy"));
    let reduce = |reduction: &str, x: &str, y: &str| {
        folder.ok(&[
            "reduce",
            reduction,
            "SqDist(x, y)",
            "a = Vi(1)",
            "x = Vi(3)",
            "y = Vj(3)",
            "--in",
            x,
            "--in",
            y,
            "--out",
            "a.npy",
        ]);
        npy::read(&folder.path("a.npy"))
    };
    assert_eq!(reduce("Sum", &empty, &full).shape, [0, 1]);
    assert_eq!(reduce("Sum", &full, &empty).numbers, [0.0; 4]);
    assert_eq!(reduce("Min", &full, &empty).numbers, [f64::INFINITY; 4]);
    assert_eq!(reduce("ArgMin", &full, &empty).numbers, [-1.0; 4]);
}

/// Above a mebibyte files are mapped; the result must not depend on how numbers come into memory.
#[test]
fn large_files_of_every_form_give_the_same_bits() {
    let folder = Folder::new();
    let rows = 200_000;
    let numbers: Vec<f64> =
        (0..rows * 2).map(|k| f64::from((k * 7 % 1001) as u32) / 16.0).collect();
    let columns: Vec<f64> =
        (0..2).flat_map(|c| numbers.iter().skip(c).step_by(2).copied()).collect();
    let header = |descr: &str, fortran: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({rows}, 2), }}")
    };
    let data = |descr: &str, numbers: &[f64]| -> Vec<u8> {
        numbers.iter().flat_map(|number| npy::bytes(descr, *number)).collect()
    };
    fs::write(folder.path("x.npy"), npy::file("<f4", &[3, 2], X.as_flattened())).unwrap();
    let mut results = Vec::new();
    for descr in ["<f4", ">f4"] {
        for (fortran, numbers) in [("False", &numbers), ("True", &columns)] {
            let file = npy::raw(&header(descr, fortran), &data(descr, numbers));
            assert!(file.len() > 1 << 20);
            fs::write(folder.path("y.npy"), file).unwrap();
            folder.ok(&GAUSSIAN);
            results.push(fs::read(folder.path("a.npy")).unwrap());
        }
    }
    assert!(results.iter().all(|result| *result == results[0]));
    let got = npy::read(&folder.path("a.npy")).numbers;
    for (got, x) in got.iter().zip(X) {
        let pair = |y: &[f64]| (-((x[0] - y[0]).powi(2) + (x[1] - y[1]).powi(2)) / 100.0).exp();
        let expected: f64 = numbers.chunks(2).map(pair).sum();
        assert!((got - expected).abs() <= 1e-5 * expected, "{got} {expected}");
    }
    // A header beyond 64 bytes shifts the numbers to an address that is no multiple of their size.
    let mut odd = header("<f4", "False").into_bytes();
    odd.push(b'\n');
    while !(odd.len() + 10).is_multiple_of(4) || (odd.len() + 10).is_multiple_of(64) {
        odd.insert(1, b' ');
    }
    odd.insert(1, b' ');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((odd.len() as u16).to_le_bytes());
    file.extend(&odd);
    file.extend(data("<f4", &numbers));
    fs::write(folder.path("y.npy"), file).unwrap();
    folder.ok(&GAUSSIAN);
    assert_eq!(fs::read(folder.path("a.npy")).unwrap(), results[0]);
}

const X: [[f64; 2]; 3] = [[1.0, 2.0], [30.0, 40.0], [55.5, 0.25]];

const GAUSSIAN: [&str; 12] = [
    "reduce",
    "Sum",
    "Exp(-SqDist(x, y)/100)",
    "a = Vi(1)",
    "x = Vi(2)",
    "y = Vj(2)",
    "--in",
    "x.npy",
    "--in",
    "y.npy",
    "--out",
    "a.npy",
];

#[test]
fn formulas_may_begin_with_a_minus() {
    let x = fixture("little_f8.npy");
    let minus: Vec<f64> = POINTS.as_flattened().iter().map(|x| -x).collect();
    for (formula, alias) in [("-x", "x = Vi(3)"), ("-h", "h = Vi(3)"), ("---in", "in = Vi(3)")] {
        let folder = Folder::new();
        folder.ok(&["reduce", "Sum", formula, "a = Vi(3)", alias, "--in", &x, "--out", "a.npy"]);
        assert_eq!(npy::read(&folder.path("a.npy")).numbers, minus, "{formula}");
    }
    let folder = Folder::new();
    folder.ok(&[
        "reduce",
        "LogSumExp",
        "-0*x[0]",
        "a = Vi(3)",
        "x = Vi(3)",
        "--weight",
        "-Abs(x)*-1",
        "--in",
        &x,
        "--out",
        "a.npy",
    ]);
    for (got, x) in npy::read(&folder.path("a.npy")).numbers.iter().zip(POINTS.as_flattened()) {
        let expected = x.abs().ln();
        assert!(*got == expected || (got - expected).abs() < 1e-12, "{got} {expected}");
    }
}

#[test]
fn options_may_stand_anywhere() {
    let x = fixture("little_f8.npy");
    let folder = Folder::new();
    folder.ok(&[
        "reduce",
        "--in",
        &x,
        "Sum",
        "--out=a.npy",
        "-x",
        "--threads",
        "1",
        "a = Vi(3)",
        "x = Vi(3)",
    ]);
    folder.ok(&["reduce", "Sum", "-x", "a = Vi(3)", "--in", &x, "x = Vi(3)", "--out", "b.npy"]);
    let [a, b] = ["a.npy", "b.npy"].map(|name| fs::read(folder.path(name)).unwrap());
    assert_eq!(a, b);
}

#[test]
fn inline_variables_take_further_files() {
    let folder = Folder::new();
    let points = fixture("little_f8.npy");
    fs::write(folder.path("p.npy"), npy::file("<f8", &[3], &[1.0, 2.0, 3.0])).unwrap();
    folder.ok(&[
        "reduce",
        "Sum",
        "Var(1,3,1)*x + Var(2,3,2)",
        "a = Vi(3)",
        "x = Vi(3)",
        "--in",
        &points,
        "--in",
        &points,
        "--in",
        "p.npy",
        "--out",
        "a.npy",
    ]);
    let expected: Vec<f64> =
        products().iter().enumerate().map(|(k, sum)| sum + 4.0 * (k % 3 + 1) as f64).collect();
    assert_eq!(npy::read(&folder.path("a.npy")).numbers, expected);
    folder.ok(&[
        "reduce",
        "ArgMin",
        "SqDist(Var(0,3,0), Var(1,3,1))",
        "a = Vi(1)",
        "--in",
        &points,
        "--in",
        &points,
        "--out",
        "k.npy",
    ]);
    assert_eq!(npy::read(&folder.path("k.npy")).numbers, [0.0, 1.0, 2.0, 3.0]);
}

/// Pipes work on both sides, and are not replaced by files.
#[cfg(unix)]
#[test]
fn pipes_are_read_and_written() {
    use std::os::unix::fs::FileTypeExt;
    use std::process::{Command, Stdio};
    let folder = Folder::new();
    for name in ["in", "out"] {
        assert!(Command::new("mkfifo").arg(folder.path(name)).status().unwrap().success());
    }
    let x = fixture("little_f8.npy");
    let mut writer = Command::new("sh")
        .arg("-c")
        .arg("cat \"$0\" > \"$1\"")
        .arg(&x)
        .arg(folder.path("in"))
        .spawn()
        .unwrap();
    let result = fs::File::create(folder.path("a.npy")).unwrap();
    let mut reader =
        Command::new("cat").arg(folder.path("out")).stdout(Stdio::from(result)).spawn().unwrap();
    let ran = folder.run(&[
        "reduce",
        "Sum",
        "2*x",
        "a = Vi(3)",
        "x = Vi(3)",
        "--in",
        "in",
        "--out",
        "out",
    ]);
    if !ran.success {
        // Nobody may wait for a pipe that is never opened.
        let _ = (writer.kill(), reader.kill());
    }
    assert!(ran.success, "{}", ran.stderr);
    assert!(writer.wait().unwrap().success() && reader.wait().unwrap().success());
    let expected: Vec<f64> = POINTS.as_flattened().iter().map(|x| 2.0 * x).collect();
    assert_eq!(npy::read(&folder.path("a.npy")).numbers, expected);
    assert!(fs::metadata(folder.path("out")).unwrap().file_type().is_fifo());
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let folder = Folder::new();
    fs::create_dir(folder.path("below")).unwrap();
    fs::write(folder.path("below/real.npy"), "old").unwrap();
    std::os::unix::fs::symlink("below/real.npy", folder.path("a.npy")).unwrap();
    let x = fixture("little_f8.npy");
    folder.ok(&["reduce", "Sum", "x", "a = Vi(3)", "x = Vi(3)", "--in", &x, "--out", "a.npy"]);
    assert!(fs::symlink_metadata(folder.path("a.npy")).unwrap().is_symlink());
    assert_eq!(npy::read(&folder.path("below/real.npy")).numbers, POINTS.as_flattened());
}
