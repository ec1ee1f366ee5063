//! The kernel cache as the tool uses and shows it.

use crate::{Folder, fixture};
use std::fs;
use std::path::{Path, PathBuf};

/// Reduce once; gives `origin`, `compile_s` and `load_s` of the stats.
fn reduce(folder: &Folder) -> (String, f64, f64) {
    let x = fixture("little_f4.npy");
    let line = folder.ok(&[
        "reduce",
        "Sum",
        "Square(x)",
        "a = Vi(3)",
        "x = Vi(3)",
        "--in",
        &x,
        "--out",
        "a.npy",
        "--stats",
        "json",
    ]);
    let stats: serde_json::Value = serde_json::from_str(&line).unwrap();
    let number = |name: &str| stats[name].as_f64().unwrap();
    (stats["origin"].as_str().unwrap().to_owned(), number("compile_s"), number("load_s"))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn a_second_run_finds_the_kernel_on_disk() {
    let folder = Folder::new();
    let (origin, compile, load) = reduce(&folder);
    assert_eq!(origin, "compiled");
    assert!(compile > 0.0 && load == 0.0);
    let first = fs::read(folder.path("a.npy")).unwrap();
    let (origin, compile, load) = reduce(&folder);
    assert_eq!(origin, "disk");
    assert!(compile == 0.0 && load > 0.0);
    assert_eq!(fs::read(folder.path("a.npy")).unwrap(), first);
}

#[test]
fn kernels_are_listed_shown_and_cleared() {
    let folder = Folder::new();
    reduce(&folder);
    let path = folder.ok(&["cache", "path"]);
    let real = |path: &Path| fs::canonicalize(path).unwrap();
    assert!(real(Path::new(path.trim_end())).starts_with(real(folder.cache.path())), "{path}");
    let list = folder.ok(&["cache", "list"]);
    assert_eq!(list.lines().count(), 1);
    assert!(list.contains("Square"), "{list}");
    let key = list.split_whitespace().next().unwrap();
    let shown = folder.ok(&["cache", "show", key]);
    assert!(shown.contains("Square") && shown.contains("compile time"), "{shown}");
    assert!(folder.ok(&["cache", "stats"]).contains("1 kernels, "));
    assert!(folder.ok(&["cache", "verify"]).contains("1 kernels checked, 0 bad"));
    assert!(folder.ok(&["cache", "prune", "--to", "1G", "--older", "9"]).starts_with("0 kernels"));
    assert!(folder.ok(&["cache", "clear"]).starts_with("1 kernels removed"));
    assert_eq!(folder.ok(&["cache", "list"]), "");
    for wrong in [&["show", key][..], &["prune"], &["prune", "--to", "much"], &["polish"]] {
        let ran = folder.run(&[&["cache"], wrong].concat());
        assert!(!ran.success && ran.stderr.starts_with("error: "), "{wrong:?} {}", ran.stderr);
    }
}

#[test]
fn a_damaged_kernel_is_reported_removed_and_compiled_again() {
    let folder = Folder::new();
    reduce(&folder);
    let result = fs::read(folder.path("a.npy")).unwrap();
    let largest =
        files(folder.cache.path()).into_iter().max_by_key(|path| path.metadata().unwrap().len());
    let largest = largest.unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let ran = folder.run(&["cache", "verify"]);
    assert!(!ran.success && ran.stderr.contains("1 bad kernels remain"), "{}", ran.stderr);
    assert_eq!(reduce(&folder).0, "compiled");
    assert_eq!(fs::read(folder.path("a.npy")).unwrap(), result);
    assert_eq!(reduce(&folder).0, "disk");
    fs::write(&largest, "").unwrap();
    let removed = folder.ok(&["cache", "verify", "--remove"]);
    assert!(removed.contains("1 bad, 1 removed"), "{removed}");
}

#[test]
fn without_a_cache_everything_else_works() {
    let folder = Folder::new();
    let x = fixture("little_f4.npy");
    let args = ["reduce", "Sum", "x", "a = Vi(3)", "x = Vi(3)", "--in", &x, "--out", "a.npy"];
    let output = folder.command(args).env("GENRED_CACHE", "off").output().unwrap();
    assert!(output.status.success());
    assert_eq!(files(folder.cache.path()).len(), 0);
    let output = folder.command(["cache", "path"]).env("GENRED_CACHE", "off").output().unwrap();
    assert!(!output.status.success());
    let shown = folder.command(["doctor"]).env("GENRED_CACHE", "off").output().unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains("cache       off"));
}

#[test]
fn a_warmed_folder_serves_kernels_that_nobody_compiled() {
    let folder = Folder::new();
    let list = "# the kernels of an image\n\n\
        Sum \"Square(x)\" 'a = Vi(3)' 'x = Vi(3)'\n\
        ArgMin 'SqDist(x, y)' 'a = Vi(1)' 'x = Vi(3)' 'y = Vj(3)' --dtype float64\n";
    fs::write(folder.path("list"), list).unwrap();
    let said = folder.ok(&["warm", "list", "--dir", "shipped"]);
    assert!(said.starts_with("4 kernels compiled, 0 there already"), "{said}");
    let again = folder.ok(&["warm", "list", "--dir", "shipped"]);
    assert!(again.starts_with("0 kernels compiled, 4 there already"), "{again}");
    let shipped = fs::canonicalize(folder.path("shipped")).unwrap();
    let x = fixture("little_f4.npy");
    let reduce = ["reduce", "Sum", "Square(x)", "a = Vi(3)", "x = Vi(3)", "--in", &x];
    let mut command = folder.command(reduce.iter().chain(&["--out", "a.npy", "--stats", "json"]));
    let output = command.env("GENRED_CACHE_SYSTEM", shipped).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.contains("\"origin\": \"system\""), "{line}");
}

#[test]
fn a_wrong_line_of_a_list_is_named() {
    let folder = Folder::new();
    fs::write(folder.path("list"), "\nSum \"Sqare(x)\" \"a = Vi(3)\" \"x = Vi(3)\"\n").unwrap();
    let said = folder.run(&["warm", "list", "--dir", "shipped"]);
    assert!(!said.success);
    let said = said.stderr;
    assert!(said.contains("list, line 2: unknown operation `Sqare`"), "{said}");
    assert!(said.contains("did you mean `Square`?"), "{said}");
}
