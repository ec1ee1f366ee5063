//! What the other subcommands print, and how the tool behaves at the end of a pipe.

use crate::{Folder, fixture};
use genred::formula::table;
use genred::{Backend, Genred, Stage};

#[test]
fn explain_shows_every_stage() {
    let folder = Folder::new();
    let kde = ["explain", "Sum", "Exp(-SqNorm2(x - y))", "a = Vi(1)", "x = Vi(3)", "y = Vj(3)"];
    let all = folder.ok(&kde);
    let headings: Vec<&str> = all.lines().filter_map(|line| line.strip_prefix("=== ")).collect();
    assert_eq!(headings, Stage::ALL.map(Stage::name));
    for stage in Stage::ALL.map(Stage::name) {
        let one = folder.ok(&[&kde[..], &["--stage", stage]].concat());
        assert!(!one.trim().is_empty(), "{stage}");
        assert!(all.contains(&format!("=== {stage}\n{one}")), "{stage}");
    }
    assert!(folder.ok(&[&kde[..], &["--stage", "typed"]].concat()).contains("Exp"));
    let clif = |dtype| folder.ok(&[&kde[..], &["--stage", "clif", "--dtype", dtype]].concat());
    assert!(clif("float32").contains("f32x4") && clif("float64").contains("f64x2"));
    assert_eq!(clif("float16"), clif("float32"), "float16 is computed in float32");
}

#[test]
fn explain_takes_what_reduce_takes() {
    let folder = Folder::new();
    let weighted = [
        "explain",
        "SumSoftMaxWeight",
        "-SqDist(x, y)",
        "a = Vi(3)",
        "x = Vi(3)",
        "y = Vj(3)",
        "--weight",
        "y",
    ];
    assert!(folder.ok(&weighted).contains("=== typed"));
    let knn =
        ["explain", "ArgKMin", "SqDist(x, y)", "a = Vi(3)", "x = Vi(3)", "y = Vj(3)", "--k", "3"];
    assert!(folder.ok(&knn).contains("=== schedule"));
    for wrong in [&["--stage", "assembler"][..], &["--dtype", "int8"], &["--k", "2"]] {
        let ran = folder.run(&[&knn[..6], wrong].concat());
        assert!(!ran.success && ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
    let ran = folder.run(&["explain", "Sum", "x + z", "a = Vi(3)", "x = Vi(3)", "z = Vj(2)"]);
    assert!(!ran.success && ran.stderr.contains("  formula: x + z\n"), "{}", ran.stderr);
}

#[test]
fn ops_lists_the_table() {
    let folder = Folder::new();
    let plain = folder.ok(&["ops"]);
    for row in table::TABLE {
        let open = if row.args.is_empty() { " " } else { "(" };
        let begin = format!("  {}{open}", row.name());
        let line = plain.lines().find(|line| line.starts_with(&begin));
        assert!(line.is_some_and(|line| line.contains(row.meaning)), "{}", row.name());
    }
    assert_eq!(folder.ok(&["ops", "--markdown"]), table::markdown());
}

#[test]
fn demo_computes_and_checks_the_four_examples() {
    let folder = Folder::new();
    let shown = folder.ok(&["demo", "--scale", "0.01"]);
    for part in [
        "Sum of Exp(-SqNorm2(x - y))",
        "x 10000 x 3, y 20 x 3 -> a 10000 x 1",
        "LogSumExp of",
        "ArgMin of SqDist(x, y)",
        "8 of 8 indices equal",
        "ArgKMin of SqDist(x, y)",
        "x 200 x 100, y 200 x 100 -> a 200 x 3",
        "24 of 24 indices equal",
    ] {
        assert!(shown.contains(part), "no `{part}` in\n{shown}");
    }
    assert_eq!(shown.matches("8 rows against the float64 oracle").count(), 4);
    assert_eq!(shown.matches("pairs/s").count(), 4);
    for scale in ["0", "1.5", "-1", "nan", "x"] {
        assert!(!folder.run(&["demo", &format!("--scale={scale}")]).success, "{scale}");
    }
}

#[test]
fn doctor_names_the_engine() {
    let shown = Folder::new().ok(&["doctor"]);
    let engine = genred::generic_sum::<f32>(
        "Exp(-SqNorm2(x - y))",
        "a = Vi(1)",
        &["x = Vi(3)", "y = Vj(3)"],
    );
    let engine = engine.unwrap().stats().engine;
    assert!(shown.contains(&format!("float32     {engine} for Exp")), "{shown}");
    assert!(shown.contains(env!("CARGO_PKG_VERSION")) && shown.contains("threads"));
}

#[test]
fn doctor_says_what_is_there_and_what_is_set() {
    let folder = Folder::new();
    let doctor = |set: &[(&str, &str)]| {
        let mut command = folder.command(["doctor"]);
        for name in ["GENRED_CPU", "GENRED_CUDA", "GENRED_CUDA_DRIVER"] {
            command.env_remove(name);
        }
        command.envs(set.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = doctor(&[("GENRED_CUDA_DRIVER", "/nowhere/libcuda.so")]);
    // Engines of this machine first, then the others with a reason.
    let engines: Vec<&str> = shown.split("engines     ").nth(1).unwrap().lines().collect();
    for name in ["avx512", "avx2", "clif"] {
        let there = Genred::<f32>::sum("x").output("a = Vi(1)").aliases(["x = Vi(1)"]);
        match there.backend(Backend::from_name(name).unwrap()).compile() {
            Ok(_) => assert!(engines[0].contains(name), "{shown}"),
            Err(_) => assert!(shown.contains(&format!("            no {name}: ")), "{shown}"),
        }
    }
    assert!(engines[0].ends_with("the first that takes a formula runs it"), "{shown}");
    // The linker's own words, which name the file.
    assert!(shown.contains("cannot be loaded from /nowhere/libcuda.so: /nowhere"), "{shown}");
    let cache = folder.cache.path().display();
    assert!(shown.contains(&format!("cache       {cache}: 2 kernels, ")), "{shown}");
    assert!(shown.contains(&format!("GENRED_CACHE_DIR={cache}\n")), "{shown}");

    let forced = doctor(&[("GENRED_CPU", "clif")]);
    assert!(forced.contains("; GENRED_CPU leaves `clif`\n"), "{forced}");
    assert!(forced.contains("float32     clif for Exp"), "{forced}");
    assert!(forced.contains("GENRED_CPU=clif\n"), "{forced}");
}

/// A directory that others may write to is not used, and doctor says so.
#[cfg(unix)]
#[test]
fn doctor_tells_whether_the_cache_is_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    assert!(folder.ok(&["doctor"]).contains("\n            trusted: nobody else can put a file"));
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.cache.path(), open).unwrap();
    let shown = folder.ok(&["doctor"]);
    assert!(shown.contains("cache       not used: `"), "{shown}");
    assert!(shown.contains("can be written by others (mode 0777; try chmod go-w)"), "{shown}");
    assert!(!shown.contains("trusted"), "{shown}");
}

#[test]
fn help_and_version() {
    let folder = Folder::new();
    assert_eq!(folder.ok(&["--version"]), format!("genred {}\n", env!("CARGO_PKG_VERSION")));
    for command in ["reduce", "explain", "ops", "demo", "doctor"] {
        assert!(folder.ok(&["--help"]).contains(&format!("\n  {command} ")), "{command}");
        let help = folder.ok(&[command, "--help"]);
        assert!(help.contains(&format!("Usage: genred {command}")), "{help}");
        assert!(!help.contains('\x1b'));
    }
    assert!(folder.ok(&["reduce", "--help"]).contains("Examples:"));
    let ran = folder.run(&[]);
    assert!(!ran.success && ran.stderr.contains("Usage: genred"));
    assert!(!folder.run(&["demolish"]).success);
}

/// Commands whose reader has gone end quietly, and files are written nevertheless.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = Folder::new();
    let x = fixture("little_f4.npy");
    let reduce = [
        "reduce",
        "Sum",
        "x",
        "a = Vi(3)",
        "x = Vi(3)",
        "--in",
        &x,
        "--out",
        "a.npy",
        "--stats",
        "json",
    ];
    for args in [&["ops"][..], &["--help"], &["doctor"], &["demo", "--scale", "0.001"], &reduce] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = folder.command(args).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{args:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{args:?}");
    }
    assert_eq!(folder.names(), ["a.npy"]);
    // Nor is a closed stderr a reason to crash.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = folder
        .command(["reduce", "Sum", "x +", "a = Vi(3)", "--out", "b.npy"])
        .stderr(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}
