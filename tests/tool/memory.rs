//! `genred reduce --memory`: the bits of a call on whole files, and nothing left when it does not end well.

use crate::{Folder, npy};
use std::fs;

/// Coarse numbers, so that there are ties.
fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 54) as f64 / 128.0 - 4.0
    };
    (0..len).map(|_| next()).collect()
}

/// A folder with points in x.npy and y.npy and a parameter in p.npy.
fn folder(descr: &str, rows: usize, columns: usize) -> Folder {
    let folder = Folder::new();
    let write = |name: &str, shape: &[usize], seed| {
        let numbers = numbers(shape.iter().product(), seed);
        fs::write(folder.path(name), npy::file(descr, shape, &numbers)).unwrap();
    };
    write("x.npy", &[rows, 2], 1);
    write("y.npy", &[columns, 2], 2);
    fs::write(folder.path("p.npy"), npy::file(descr, &[1], &[0.25])).unwrap();
    folder
}

const ARGUMENTS: [&str; 9] =
    ["x = Vi(2)", "y = Vj(2)", "p = Pm(1)", "--in", "x.npy", "--in", "y.npy", "--in", "p.npy"];
/// Each thread takes some of a budget.
const THREADS: [&str; 2] = ["--threads", "2"];

/// Every reduction with its formula, output and number of files.
const REDUCTIONS: [(&str, &str, &str, usize); 13] = [
    ("Sum", "x * Exp(-p * SqDist(x, y))", "a = Vi(2)", 1),
    ("LogSumExp", "p * SqDist(x, y)", "a = Vj(1)", 1),
    ("SumSoftMaxWeight", "-p * SqDist(x, y)", "a = Vi(2)", 1),
    ("Max_SumShiftExp", "p * SqDist(x, y)", "a = Vi(2)", 1),
    ("Min", "p * SqDist(x, y)", "a = Vi(1)", 1),
    ("Max", "p * SqDist(x, y)", "a = Vj(1)", 1),
    ("ArgMin", "p * SqDist(x, y)", "a = Vi(1)", 1),
    ("ArgMax", "p * SqDist(x, y)", "a = Vj(1)", 1),
    ("Min_ArgMin", "p * SqDist(x, y)", "a = Vi(1)", 2),
    ("Max_ArgMax", "p * SqDist(x, y)", "a = Vi(1)", 2),
    ("KMin", "p * x * y", "a = Vi(6)", 1),
    ("ArgKMin", "p * SqDist(x, y)", "a = Vi(3)", 1),
    ("KMin_ArgKMin", "p * x * y", "a = Vj(4)", 2),
];

fn reduction<'a>(
    (name, formula, output, files): (&'a str, &'a str, &'a str, usize),
) -> Vec<&'a str> {
    let mut args = vec!["reduce", name, formula, output];
    args.extend(ARGUMENTS);
    args.extend(THREADS);
    args.extend(["--out", "a.npy", "--out", "b.npy"].iter().take(2 * files));
    if name == "SumSoftMaxWeight" {
        args.extend(["--weight", "y"]);
    }
    args
}

#[test]
fn every_reduction_writes_the_same_files_under_a_budget() {
    for (descr, rows, columns, memory) in
        [("<f4", 900, 5_000, "2M"), (">f8", 5_000, 700, "4M"), ("<f2", 3, 9_000, "32M")]
    {
        let folder = folder(descr, rows, columns);
        for case in REDUCTIONS {
            if descr == "<f2" && case.0.contains("SumShiftExp") {
                // Its sums leave float16, on either path.
                continue;
            }
            let args = reduction(case);
            let outs = &["a.npy", "b.npy"][..case.3];
            let files = || -> Vec<Vec<u8>> {
                outs.iter().map(|out| fs::read(folder.path(out)).unwrap()).collect()
            };
            folder.ok(&args);
            let whole = files();
            outs.iter().for_each(|out| fs::remove_file(folder.path(out)).unwrap());
            let printed =
                folder.ok(&[&args[..], &["--memory", memory, "--stats", "json"]].concat());
            assert_eq!(files(), whole, "{case:?} {descr}");
            let stats: serde_json::Value = serde_json::from_str(&printed).unwrap();
            // The least that will do does, and gives the same.
            let least = stats["memory"]["least"].to_string();
            folder.ok(&[&args[..], &["--memory", &least]].concat());
            assert_eq!(files(), whole, "{case:?} {descr} {least}");
        }
    }
}

#[test]
fn fortran_order_and_no_rows_are_read_too() {
    let folder = folder("<f4", 700, 3_000);
    let args = reduction(REDUCTIONS[0]);
    folder.ok(&args);
    let expected = fs::read(folder.path("a.npy")).unwrap();
    let rows = numbers(3_000 * 2, 2);
    let columns: Vec<f64> = (0..2).flat_map(|c| rows.iter().skip(c).step_by(2)).copied().collect();
    let data: Vec<u8> = columns.iter().flat_map(|n| npy::bytes("<f4", *n)).collect();
    let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (3000, 2), }";
    fs::write(folder.path("y.npy"), npy::raw(header, &data)).unwrap();
    folder.ok(&[&args[..], &["--memory", "4M"]].concat());
    assert_eq!(fs::read(folder.path("a.npy")).unwrap(), expected);
    for name in ["x.npy", "y.npy"] {
        let full = fs::read(folder.path(name)).unwrap();
        fs::write(folder.path(name), npy::file("<f4", &[0, 2], &[])).unwrap();
        folder.ok(&args);
        let whole = fs::read(folder.path("a.npy")).unwrap();
        folder.ok(&[&args[..], &["--memory", "4M", "--stats", "json"]].concat());
        assert_eq!(fs::read(folder.path("a.npy")).unwrap(), whole, "no rows in {name}");
        fs::write(folder.path(name), full).unwrap();
    }
}

#[test]
fn stats_show_budget_and_pieces() {
    let folder = folder("<f4", 9_000, 20_000);
    let args = reduction(REDUCTIONS[0]);
    let stats = |more: &[&str]| -> serde_json::Value {
        let args = [&args[..], more, &["--stats", "json"]].concat();
        serde_json::from_str(&folder.ok(&args)).unwrap()
    };
    assert_eq!(stats(&[])["memory"], serde_json::Value::Null);
    let memory = stats(&["--memory", "256k"])["memory"].clone();
    let number = |name: &str| memory[name].as_u64().unwrap();
    assert_eq!(number("budget"), 256 << 10);
    assert!(number("least") <= number("bytes") && number("bytes") <= number("budget"), "{memory}");
    assert!(number("piece_rows") < 9_000 && number("piece_columns") < 20_000, "{memory}");
    assert_eq!(number("passes"), 9_000_u64.div_ceil(number("piece_rows")));
    let memory = stats(&["--memory", "1G"])["memory"].clone();
    assert_eq!(memory["budget"], 1 << 30);
    assert_eq!(memory["passes"], 1);
}

#[test]
fn numbers_of_points_are_those_of_the_whole_files() {
    let folder = folder("<f4", 900, 5_000);
    let mut args = reduction(REDUCTIONS[0]);
    args[2] = "x * IndexJ + IndexI";
    args.extend(["--keep", "4*IndexI < IndexJ"]);
    folder.ok(&args);
    let whole = fs::read(folder.path("a.npy")).unwrap();
    let stats = folder.ok(&[&args[..], &["--memory", "2M", "--stats", "json"]].concat());
    assert_eq!(fs::read(folder.path("a.npy")).unwrap(), whole);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    let least = stats["memory"]["least"].to_string();
    folder.ok(&[&args[..], &["--memory", &least]].concat());
    assert_eq!(fs::read(folder.path("a.npy")).unwrap(), whole, "{least}");
}

#[test]
fn what_cannot_be_streamed_is_refused_and_leaves_nothing() {
    let folder = folder("<f4", 900, 5_000);
    let args = reduction(REDUCTIONS[0]);
    for (args, more, says) in [
        (&args, &["--memory", "1000"][..], "of 1000 bytes is too small: this reduction needs at"),
        (&args, &["--memory", "0"], "of 0 bytes is too small"),
        (&args, &["--memory", "12Q"], "a number of bytes is needed, such as 256M"),
        (&args, &["--memory", "99999999999G"], "a number of bytes is needed, such as 256M"),
        (&args, &["--memory", "1M", "--repeat", "2"], "cannot be used with"),
        (&args, &["--memory", "1M", "--backend", "eval"], "interpreter"),
    ] {
        let ran = folder.run(&[&args[..], more].concat());
        assert!(!ran.success && ran.stderr.starts_with("error: "), "{more:?}");
        assert!(ran.stderr.contains(says), "{more:?}\n{}", ran.stderr);
        assert_eq!(folder.names(), ["p.npy", "x.npy", "y.npy"], "{more:?}");
    }
    // Arguments that do not fit are shown as without a budget.
    fs::write(folder.path("y.npy"), npy::file("<f4", &[2, 3], &[0.0; 6])).unwrap();
    let (whole, pieces) =
        (folder.run(&args), folder.run(&[&args[..], &["--memory", "1M"]].concat()));
    assert!(whole.stderr.contains("y.npy") && !pieces.success);
    assert_eq!(whole.stderr, pieces.stderr);
}

#[cfg(unix)]
#[test]
fn a_pipe_cannot_be_read_in_pieces_but_written_in_them() {
    let folder = folder("<f4", 50, 60);
    let args = reduction(REDUCTIONS[0]);
    folder.ok(&[&args[..], &["--memory", "1M"]].concat());
    let expected = fs::read(folder.path("a.npy")).unwrap();
    let to = args.iter().map(|arg| if *arg == "a.npy" { "/dev/stdout" } else { arg });
    let output = folder.command(to).args(["--memory", "1M"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, expected);
}

/// Runs that are stopped.
#[cfg(target_os = "linux")]
mod stopped {
    use super::{ARGUMENTS, THREADS, folder};
    use crate::Folder;
    use rustix::process::{Pid, Signal, kill_process};
    use std::fs;
    use std::process::{Child, Output, Stdio};
    use std::time::{Duration, Instant};

    /// A run of some minutes, when it is past its beginning: its output is open and signals are watched.
    fn begun(folder: &Folder) -> Child {
        let (formula, output) = ("x * Exp(-p * SqDist(x, y))", "a = Vi(2)");
        let mut command = folder.command(["reduce", "Sum", formula, output]);
        command.args(ARGUMENTS).args(THREADS).args(["--out", "a.npy", "--memory", "8M"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while !is_begun(&child, folder) {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not begin");
            std::thread::sleep(Duration::from_millis(2));
        }
        child
    }

    fn is_begun(child: &Child, folder: &Folder) -> bool {
        let of = |name: &str| format!("/proc/{}/{name}", child.id());
        let status = fs::read_to_string(of("status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        let place = fs::canonicalize(folder.files.path()).unwrap();
        let files = fs::read_dir(of("fd")).unwrap().flatten();
        let mut files = files.filter_map(|file| fs::read_link(file.path()).ok());
        let inputs = ["x.npy", "y.npy", "p.npy"].map(|name| place.join(name));
        caught & 2 != 0 && files.any(|file| file.starts_with(&place) && !inputs.contains(&file))
    }

    fn send(child: &Child, signal: Signal) {
        kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
    }

    fn end(child: Child) -> (Output, String) {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        (output, said)
    }

    #[test]
    fn ctrl_c_ends_it_with_a_message_and_without_a_file() {
        let folder = folder("<f4", 500_000, 500_000);
        let child = begun(&folder);
        send(&child, Signal::INT);
        let (output, said) = end(child);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.starts_with("error: cancelled after "), "{said}");
        assert!(said.ends_with(" of 250000000000 pairs\n"), "{said}");
        assert_eq!(folder.names(), ["p.npy", "x.npy", "y.npy"]);
    }

    #[test]
    fn a_killed_run_leaves_nothing_and_replaces_nothing() {
        let folder = folder("<f4", 500_000, 500_000);
        fs::write(folder.path("a.npy"), "as it was").unwrap();
        let child = begun(&folder);
        send(&child, Signal::KILL);
        let (output, _) = end(child);
        assert_eq!(output.status.code(), None);
        let hidden = rustix::fs::open(
            folder.files.path(),
            rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::WRONLY,
            rustix::fs::Mode::RUSR,
        );
        let mut names = folder.names();
        if hidden.is_err() {
            // This file system knows no files without names.
            names.retain(|name| !name.starts_with(".a.npy."));
        }
        assert_eq!(names, ["a.npy", "p.npy", "x.npy", "y.npy"]);
        assert_eq!(fs::read(folder.path("a.npy")).unwrap(), b"as it was");
    }
}

/// The bar on a terminal.
#[cfg(target_os = "linux")]
mod terminal {
    use super::{REDUCTIONS, folder, reduction};
    use crate::Folder;

    /// What a run of about a second shows on a terminal of 100 columns.
    fn shown(folder: &Folder, colours: bool) -> String {
        let mut command = folder.command(reduction(REDUCTIONS[0]));
        command.args(["--memory", "1M"]);
        let (success, text) =
            crate::terminal::shown(command, if colours { None } else { Some("1") });
        assert!(success, "{text}");
        text
    }

    #[test]
    fn a_bar_tells_rate_and_time_left() {
        let folder = folder("<f4", 60_000, 100_000);
        let plain = shown(&folder, false);
        for part in [" %  ", "pairs/s  ", "s left"] {
            assert!(plain.contains(part), "{part} {plain}");
        }
        assert!(!plain.contains("\x1b[3"), "{plain}");
        assert!(plain.ends_with("\x1b[2K"), "it is gone at the end: {plain:?}");
        assert!(shown(&folder, true).contains("\x1b[32m"));
    }
}

/// Memory as the system counts it.
#[cfg(target_os = "linux")]
mod resident {
    use super::{THREADS, npy};
    use crate::Folder;
    use std::fs;
    use std::time::Duration;

    /// Bytes that a run has had in memory at most: looked at until it ends.
    fn peak(folder: &Folder, args: &[&str]) -> u64 {
        let mut child = folder.command(args).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
            most = most.max(kib.map_or(0, |kib| kib.trim().parse().unwrap()) << 10);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(child.wait().unwrap().success());
        most
    }

    #[test]
    fn large_files_are_reduced_in_little_memory() {
        const ROWS: usize = 1 << 22;
        let folder = Folder::new();
        let numbers: Vec<u8> = (0..ROWS * 4)
            .flat_map(|k| {
                ((k.wrapping_mul(2_654_435_761) >> 8 & 0xffff) as f32 / 65536.0).to_le_bytes()
            })
            .collect();
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({ROWS}, 4), }}");
        fs::write(folder.path("large.npy"), npy::raw(&header, &numbers)).unwrap();
        drop(numbers);
        let few: Vec<f64> = (0..40).map(|k| f64::from(k) / 64.0).collect();
        fs::write(folder.path("few.npy"), npy::file("<f4", &[10, 4], &few)).unwrap();
        // Many rows, then many columns.
        for (x, y) in [("large.npy", "few.npy"), ("few.npy", "large.npy")] {
            let formula = ["reduce", "Sum", "Exp(-SqDist(x, y))", "a = Vi(1)"];
            let args = ["x = Vi(4)", "y = Vj(4)", "--in", x, "--in", y, "--out"];
            let args = [&formula[..], &THREADS, &args].concat();
            let whole = peak(&folder, &[&args[..], &["a.npy"]].concat());
            let pieces = peak(&folder, &[&args[..], &["b.npy", "--memory", "8M"]].concat());
            let read = |name: &str| fs::read(folder.path(name)).unwrap();
            assert!(read("a.npy") == read("b.npy"), "{x}");
            // The file alone has 64 MiB; the program itself takes some beside its budget.
            assert!(whole > 64 << 20, "{x}: {whole}");
            assert!(pieces < 40 << 20, "{x}: {pieces}");
        }
    }
}
