//! Bad input: a message on stderr, a non-zero status, no output file and nothing left behind.

use crate::{Folder, fixture, npy};
use std::fs;

/// A folder with x (4, 3), y (5, 3), z (4, 3) in float32, w (4, 3) in float64 and p (1,) in float32.
fn folder() -> Folder {
    let folder = Folder::new();
    let write = |name: &str, descr: &str, shape: &[usize]| {
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|k: usize| k as f64).collect();
        fs::write(folder.path(name), npy::file(descr, shape, &numbers)).unwrap();
    };
    write("x.npy", "<f4", &[4, 3]);
    write("y.npy", "<f4", &[5, 3]);
    write("z.npy", "<f4", &[4, 3]);
    write("w.npy", "<f8", &[4, 3]);
    write("p.npy", "<f4", &[1]);
    folder
}

/// The tool must refuse this command line and say all of `expected`.
fn refused(folder: &Folder, args: &[&str], expected: &[&str]) -> String {
    let before = folder.names();
    let ran = folder.run(args);
    assert!(!ran.success, "{args:?} passed");
    assert_eq!(ran.stdout, "", "{args:?}");
    assert!(ran.stderr.starts_with("error: "), "{args:?}: {}", ran.stderr);
    assert!(!ran.stderr.contains('\x1b'), "colours without a terminal: {}", ran.stderr);
    for part in expected {
        assert!(ran.stderr.contains(part), "{args:?}: no `{part}` in\n{}", ran.stderr);
    }
    assert_eq!(folder.names(), before, "{args:?} left something behind");
    ran.stderr
}

const SUM: [&str; 6] = ["reduce", "Sum", "SqDist(x, y)", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)"];
const FILES: [&str; 6] = ["--in", "x.npy", "--in", "y.npy", "--out", "a.npy"];

#[test]
fn wrong_texts_are_shown_with_carets() {
    let folder = folder();
    let cases: [(&[&str], &[&str]); 11] = [
        (&["Sum", "Expp(x)", "a = Vi(3)"], &["Expp", "`Exp`", "\n           ^^^^"]),
        (&["Sum", "x +", "a = Vi(3)"], &["  formula: x +\n", "^"]),
        (&["Sum", "x * q", "a = Vi(3)"], &["  formula: x * q\n               ^\n"]),
        (&["Sum", "x", "a = Vi(2)"], &["dim 2", "dim 3", "  output: a = Vi(2)\n          ^^^^"]),
        (&["Sum", "x", "a = Pm(3)"], &["  output: a = Pm(3)\n              ^^"]),
        (&["Sum", "x", "a = Vi(3)", "--weight", "y"], &["no weight", "  weight: y\n          ^"]),
        (&["SumSoftMaxWeight", "SqDist(x, y)", "a = Vi(1)"], &["needs a weight"]),
        (&["SumSoftMaxWeight", "x", "a = Vi(3)", "--weight", "y"], &["dim 1", "^"]),
        (&["KMin", "x", "a = Vi(4)"], &["not a multiple"]),
        (&["KMin", "x", "a = Vi(3)", "--k", "2"], &["dim 3", "dim 6", "^"]),
        (&["Sum", "x[3]", "a = Vi(1)"], &["^"]),
    ];
    for (args, expected) in cases {
        let mut all = vec!["reduce"];
        all.extend(args);
        all.extend(["x = Vi(3)", "y = Vj(3)"]);
        all.extend(FILES);
        refused(&folder, &all, expected);
    }
    for alias in ["y = Vk(3)", "y = Vj()", "y", "x = Vj(3)", "Exp = Vj(3)", "y = Vj(0)"] {
        let mut all = vec!["reduce", "Sum", "x", "a = Vi(3)", "x = Vi(3)", alias];
        all.extend(FILES);
        refused(&folder, &all, &[&format!("  alias: {alias}\n"), "^"]);
    }
}

#[test]
fn wrong_options() {
    let folder = folder();
    let cases: [(&[&str], &[&str]); 10] = [
        (&["--backend", "gpu"], &["gpu", "clif"]),
        (&["--accumulate", "twice"], &["twice", "kahan"]),
        (&["--threads", "0"], &["--threads"]),
        (&["--threads", "many"], &["--threads"]),
        (&["--repeat", "0"], &["--repeat"]),
        (&["--stats", "xml"], &["xml", "json"]),
        (&["--k", "3"], &["takes no K"]),
        (&["--k", "-1"], &["--k"]),
        (&["--speed"], &["--speed"]),
        (&["--out", "b.npy"], &["one --out", "2 are given"]),
    ];
    for (more, expected) in cases {
        let args = [&SUM, &FILES, more].concat();
        refused(&folder, &args, expected);
    }
    let min = ["reduce", "Min", "SqDist(x, y)", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)"];
    let args = [&min[..], &FILES, &["--accumulate", "kahan"]].concat();
    refused(&folder, &args, &["`Min`", "accumulat"]);
    let knn = ["reduce", "KMin", "SqDist(x, y)", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)"];
    let args = [&knn[..], &FILES, &["--k", "1025"]].concat();
    refused(&folder, &args, &["1024", "1025"]);
    refused(&folder, &["reduce", "sum", "x", "a = Vi(3)", "x = Vi(3)"], &["--out"]);
    let misspelt = ["reduce", "argmin", "SqDist(x, y)", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)"];
    refused(&folder, &[&misspelt[..], &FILES].concat(), &["argmin", "did you mean `ArgMin`?"]);
    let both = ["reduce", "Min_ArgMin", "SqDist(x, y)", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)"];
    refused(&folder, &[&both[..], &FILES].concat(), &["two --out", "1 are given"]);
    let twice = [&both[..], &FILES, &["--out", "a.npy"]].concat();
    refused(&folder, &twice, &["both results", "a.npy"]);
}

#[test]
fn wrong_files() {
    let folder = folder();
    fs::create_dir(folder.path("folder")).unwrap();
    fs::write(folder.path("text.npy"), "1 2 3\n4 5 6\n").unwrap();
    fs::write(folder.path("nothing.npy"), "").unwrap();
    let whole = fs::read(folder.path("y.npy")).unwrap();
    fs::write(folder.path("short.npy"), &whole[..whole.len() - 1]).unwrap();
    fs::write(folder.path("long.npy"), [&whole[..], b"!"].concat()).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 3), }";
    fs::write(folder.path("huge.npy"), npy::raw(header, b"")).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (400000000000000, 3), }";
    fs::write(folder.path("hollow.npy"), npy::raw(header, b"")).unwrap();
    let cases = [
        ("missing.npy", "cannot open missing.npy"),
        ("folder", "folder is a directory"),
        ("text.npy", "text.npy is not a .npy file"),
        ("nothing.npy", "nothing.npy ends within"),
        ("short.npy", "short.npy is truncated"),
        ("long.npy", "long.npy holds more than one array"),
        ("huge.npy", "larger than the address space"),
        ("hollow.npy", "hollow.npy is truncated"),
        (&fixture("int64.npy"), "dtype `<i8`"),
        (&fixture("record.npy"), "broken header"),
    ];
    for (file, expected) in cases {
        let args = [&SUM[..], &["--in", "x.npy", "--in", file, "--out", "a.npy"]].concat();
        refused(&folder, &args, &[expected, "`y = Vj(3)`"]);
    }
}

/// Every prefix of a good file is refused, whatever is cut off.
#[test]
fn truncated_files_of_every_length() {
    let folder = folder();
    let whole = fs::read(folder.path("y.npy")).unwrap();
    for len in 0..whole.len() {
        fs::write(folder.path("y.npy"), &whole[..len]).unwrap();
        refused(&folder, &[&SUM[..], &FILES].concat(), &["y.npy", "`y = Vj(3)`"]);
    }
}

#[test]
fn files_that_do_not_fit_the_aliases() {
    let folder = folder();
    let sum = |formula, x, y, files: [&str; 2]| {
        let args = [
            "reduce",
            "Sum",
            formula,
            "a = Vi(1)",
            x,
            y,
            "--in",
            files[0],
            "--in",
            files[1],
            "--out",
            "a.npy",
        ];
        args.map(str::to_owned)
    };
    let refuse = |args: [String; 12], expected: &[&str]| {
        refused(&folder, &args.each_ref().map(String::as_str), expected);
    };
    let distance = "SqDist(x, y)";
    let (x, y) = ("x = Vi(3)", "y = Vj(3)");
    let expected = ["`y` is float64 in w.npy", "`x` is float32 in x.npy"];
    refuse(sum(distance, x, y, ["x.npy", "w.npy"]), &expected);
    let expected = ["`x = Vi(3)` needs an array of shape (rows, 3)", "p.npy has shape (1,)"];
    refuse(sum(distance, x, y, ["p.npy", "y.npy"]), &expected);
    let expected = ["`p = Pm(3)` needs an array of shape (3,)", "y.npy has shape (5, 3)"];
    refuse(sum("x | p", x, "p = Pm(3)", ["x.npy", "y.npy"]), &expected);
    let cube = fixture("cube_f4.npy");
    refuse(sum(distance, x, y, ["x.npy", &cube]), &["`y = Vj(3)`", "has shape (2, 2, 3)"]);
    let scalar = fixture("scalar_f4.npy");
    refuse(sum("x[0]*p", x, "p = Pm(1)", ["x.npy", &scalar]), &["`p = Pm(1)`", "has shape ()"]);
    let expected = ["`y` has dim 3", "`y = Vj(2)`", "(5, 3) of float32 in y.npy"];
    refuse(sum("x[0]*y[0]", x, "y = Vj(2)", ["x.npy", "y.npy"]), &expected);
    let expected = ["`x` has 4 rows, but `y` has 5", "in x.npy", "in y.npy"];
    refuse(sum(distance, x, "y = Vi(3)", ["x.npy", "y.npy"]), &expected);
    let expected = ["`p` has dim 1", "`p = Pm(2)`"];
    refuse(sum("x[0]*p[0]", x, "p = Pm(2)", ["x.npy", "p.npy"]), &expected);
    let one = ["--in", "x.npy", "--out", "a.npy"];
    let expected = ["1 --in", "2 arguments", "`x = Vi(3)`, `y = Vj(3)`"];
    refused(&folder, &[&SUM[..], &one].concat(), &expected);
    let three = [&SUM[..], &FILES, &["--in", "z.npy"]].concat();
    refused(&folder, &three, &["3 --in", "2 arguments"]);
    let list = ["--in", "x.npy", "y.npy", "--out", "a.npy"];
    refused(&folder, &[&SUM[..], &list].concat(), &["y.npy", "every file needs its own --in"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = folder();
    fs::create_dir(folder.path("folder")).unwrap();
    for (out, expected) in [
        ("folder", "folder is a directory"),
        ("nowhere/a.npy", "cannot create nowhere/a.npy"),
        ("..", "is a directory"),
    ] {
        let args = [&SUM[..], &["--in", "x.npy", "--in", "y.npy", "--out", out]].concat();
        refused(&folder, &args, &[expected]);
    }
    // The second of two outputs fails: the first is not written either.
    let both = ["reduce", "Min_ArgMin", "SqDist(x, y)", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)"];
    let args = [&both[..], &FILES, &["--out", "nowhere/k.npy"]].concat();
    refused(&folder, &args, &["cannot create nowhere/k.npy"]);
}

#[test]
fn a_failure_leaves_the_old_result() {
    let folder = folder();
    fs::write(folder.path("a.npy"), "old").unwrap();
    refused(
        &folder,
        &[&SUM[..], &["--in", "x.npy", "--in", "w.npy", "--out", "a.npy"]].concat(),
        &["float64"],
    );
    assert_eq!(fs::read(folder.path("a.npy")).unwrap(), b"old");
    folder.ok(&[&SUM[..], &FILES].concat());
    assert_eq!(npy::read(&folder.path("a.npy")).shape, [4, 1]);
}

#[test]
fn a_result_may_replace_its_input() {
    let folder = folder();
    let z = fs::read(folder.path("z.npy")).unwrap();
    folder.ok(&["reduce", "Sum", "z", "a = Vi(3)", "z = Vi(3)", "--in", "z.npy", "--out", "z.npy"]);
    assert_eq!(npy::read(&folder.path("z.npy")).numbers.len(), 12);
    assert_eq!(fs::read(folder.path("z.npy")).unwrap()[128..], z[128..]);
}

#[test]
fn index_reductions_refuse_nothing_for_the_dtype() {
    // 3000 columns: too many for indices in float16, but int64 holds them.
    let folder = Folder::new();
    let numbers: Vec<f64> = (0..3000).map(|k| f64::from(2999 - k) / 4.0).collect();
    fs::write(folder.path("y.npy"), npy::file("<f2", &[3000, 1], &numbers)).unwrap();
    fs::write(folder.path("x.npy"), npy::file("<f2", &[1, 1], &[0.0])).unwrap();
    folder.ok(&[
        "reduce",
        "ArgMin",
        "SqDist(x, y)",
        "a = Vi(1)",
        "x = Vi(1)",
        "y = Vj(1)",
        "--in",
        "x.npy",
        "--in",
        "y.npy",
        "--out",
        "a.npy",
    ]);
    assert_eq!(npy::read(&folder.path("a.npy")).numbers, [2999.0]);
}

/// Threads that the system does not give are a failure like any other.
#[cfg(target_os = "linux")]
#[test]
fn threads_that_cannot_be_started() {
    let folder = folder();
    let limited = |more: &str| {
        let reduce = "reduce Sum x 'a = Vi(3)' 'x = Vi(3)' --in x.npy --out a.npy";
        let script = format!("ulimit -v 1000000; exec \"$0\" {reduce} {more}");
        let mut command = std::process::Command::new("sh");
        command.current_dir(folder.path("")).arg("-c").arg(script);
        let command = command.arg(env!("CARGO_BIN_EXE_genred")).env("GENRED_CACHE", "off");
        crate::Ran::from(command.output().unwrap())
    };
    // On a busy machine, threads that were started find no memory for their own first steps, which ends the program at once.
    let said: Vec<String> = (0..5)
        .map(|_| {
            let ran = limited("--threads 1024");
            assert!(
                !ran.success && !folder.names().contains(&"a.npy".to_owned()),
                "{}",
                ran.stderr
            );
            ran.stderr
        })
        .collect();
    assert!(said.iter().any(|said| said.contains("cannot start the threads")), "{said:?}");
    assert!(limited("--threads 2").success);
}

#[test]
fn an_engine_that_the_machine_has_not_is_named() {
    let folder = Folder::new();
    let mut command = folder.command(["explain", "Sum", "x", "a = Vi(1)", "x = Vi(1)"]);
    let output = command.env("GENRED_CPU", "avx4096").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("this machine has no engine `avx4096`"), "{said}");
    assert!(said.contains("its CPU engines are"), "{said}");
}
