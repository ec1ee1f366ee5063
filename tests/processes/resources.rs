//! Limits, full disks, leaks, environments.

use super::roles::language;
use super::{actor, actor_of, run, succeed};
use crate::cache::*;
use genred::cache::{Cache, Origin, Verify};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("fault_07_a_file_system_that_is_full", full_file_system),
    ("fault_08_file_size_limit_of_a_process", file_size_limit),
    ("fault_10_environments_without_a_place", environments),
    ("fault_21_no_descriptor_leaks_when_calls_fail", failing_calls),
    ("fault_24_ten_thousand_kernels", ten_thousand),
    ("fault_25_the_same_entry_everywhere", determinism),
    ("fault_28_variables_of_a_process", variables),
    ("fault_29_recompiled_and_compared", recompiled),
    ("fault_30_no_mapping_is_writable_and_executable", mappings),
];

/// A small file system of its own, for as long as this lives.
struct Mount(PathBuf);

impl Mount {
    fn new(dir: &Path, options: &str) -> Option<Mount> {
        make_private_dirs(dir);
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "genred-test"])
            .arg(dir)
            .output();
        match mount {
            Ok(done) if done.status.success() => Some(Mount(dir.to_owned())),
            Ok(done) => {
                without("a full file system", String::from_utf8_lossy(&done.stderr).trim());
                None
            }
            Err(error) => {
                without("a full file system", error);
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(done.expect("mount runs").success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a process that another test is just starting may hold a copy of a descriptor.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn full_file_system() {
    let (temp, _) = temp_on_disk();
    let Some(mount) = Mount::new(&temp.path().join("small"), "size=1m,mode=0700") else {
        // The failing-call test of the same number has run the same path.
        return;
    };
    let dir = mount.0.join("genred");
    let out = succeed(actor("fill", &[dir.as_os_str()]));
    let counts: Vec<u64> = out.split_whitespace().map(|n| n.parse().unwrap()).collect();
    println!(
        "1 MiB: {} entries stored, then {} failure and no more attempts",
        counts[0], counts[1]
    );
    assert!((10..18).contains(&counts[0]) && counts[1] == 1);
    let cache = open(&dir);
    assert_eq!(cache.list().len() as u64, counts[0]);
    assert!(cache.verify(genred::cache::Remove::Nothing).bad.is_empty());
    assert_eq!(debris(&dir), 0);
    // Room again: a new process stores again.
    cache.clear();
    assert!(succeed(actor("fill", &[dir.as_os_str()])).starts_with(&counts[0].to_string()));
    // The same file system read-only.
    open(&dir).clear();
    run_kernel(&open(&dir), 1);
    mount.remount("ro");
    let cache = open(&dir);
    assert_eq!(run_kernel(&cache, 1), Origin::Disk);
    assert_eq!(run_kernel(&cache, 2), Origin::Compiled);
    assert_eq!(cache.stats().store_failures(genred::cache::StoreFailure::NotWritable), 1);
}

fn file_size_limit() {
    let (temp, dir) = temp_on_disk();
    // This is what the limit does to a program.
    let ended = run(actor("exceed", &[temp.path().join("file").as_os_str()]));
    assert_eq!(ended.status.signal(), Some(25), "SIGXFSZ: {}", ended.out);
    for bytes in ["0", "100", "1000"] {
        let out = succeed(actor("limit", &[dir.as_os_str(), OsStr::new(bytes)]));
        assert_eq!(out.trim(), "0 1", "limit {bytes}");
    }
    let out = succeed(actor("limit", &[dir.as_os_str(), OsStr::new("100000")]));
    assert_eq!(out.trim(), "1 0");
}

/// One line of what the `kernel` role says.
fn line<'a>(out: &'a str, name: &str) -> &'a str {
    let found = out.lines().find_map(|line| line.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no line `{name}` in\n{out}")).trim()
}

fn environments() {
    let (temp, _) = temp_on_disk();
    let home = temp.path().join("home");
    make_private_dirs(&home);
    let with = |variables: &[(&str, &OsStr)]| {
        let mut command = actor("kernel", &[OsStr::new("10")]);
        command.current_dir(temp.path());
        command.envs(variables.iter().copied());
        succeed(command)
    };
    let path = |out: &str| line(out, "path ").to_owned();
    let expected = |path: PathBuf| format!("{:?}", Some(path));
    // The usual place; a relative XDG_CACHE_HOME does not count; an absolute one does.
    let out = with(&[("HOME", home.as_os_str())]);
    if cfg!(target_os = "linux") {
        assert_eq!(path(&out), expected(home.join(".cache/genred")));
        let relative = OsStr::new("relative/cache");
        let out = with(&[("HOME", home.as_os_str()), ("XDG_CACHE_HOME", relative)]);
        assert_eq!(path(&out), expected(home.join(".cache/genred")));
        assert_eq!(line(&out, "origin "), "Disk");
        let xdg = temp.path().join("xdg");
        let out = with(&[("HOME", home.as_os_str()), ("XDG_CACHE_HOME", xdg.as_os_str())]);
        assert_eq!(path(&out), expected(xdg.join("genred")));
        // Not UTF-8.
        let odd = temp.path().join(OsString::from_vec(b"\xff\xfe".to_vec()));
        let out = with(&[("HOME", home.as_os_str()), ("XDG_CACHE_HOME", odd.as_os_str())]);
        assert_eq!(path(&out), expected(odd.join("genred")));
    }
    // A home that depends on where the program was started is none.
    let out = with(&[("HOME", OsStr::new("relative"))]);
    assert_eq!((path(&out), line(&out, "origin ")), ("None".into(), "Compiled"));
    assert!(line(&out, "refused ").contains("no cache directory"));
    assert!(!temp.path().join("relative").exists());
    // A place that cannot be.
    let long = OsString::from("/".to_owned() + &"x".repeat(300));
    let out = with(&[("HOME", home.as_os_str()), ("GENRED_CACHE_DIR", &long)]);
    assert_eq!((path(&out), line(&out, "origin ")), ("None".into(), "Compiled"));
}

fn failing_calls() {
    let (_temp, dir) = temp();
    let out = succeed(actor("fail", &[dir.as_os_str()]));
    println!("{} with one failing call each: no descriptor left open", out.trim());
}

fn ten_thousand() {
    let (_temp, dir) = temp();
    print!("{}", succeed(actor("cycle", &[dir.as_os_str()])));
}

fn determinism() {
    let mut entries = Vec::new();
    for (n, locale) in ["C", "tr_TR.UTF-8", "de_DE.UTF-8"].iter().enumerate() {
        let (temp, dir) = temp_on_disk();
        let mut command = actor("language", &[dir.as_os_str()]);
        command.env("SOURCE_DATE_EPOCH", "1700000000").env("LC_ALL", locale);
        command.env("TZ", ["UTC", "Asia/Tokyo", "America/New_York"][n]);
        command.current_dir(temp.path());
        succeed(command);
        let read = |file: PathBuf| (file.clone(), std::fs::read(dir.join(file)).unwrap());
        let files =
            files_below(&dir).into_iter().filter(|f| f.extension().is_some_and(|e| e == "grk"));
        entries.push(files.map(read).collect::<Vec<_>>());
    }
    assert!(entries[0].len() > 100, "{} entries", entries[0].len());
    for other in &entries[1..] {
        assert_eq!(other.len(), entries[0].len());
        for ((name, one), (other_name, other)) in entries[0].iter().zip(other) {
            assert_eq!(name, other_name);
            assert!(one == other, "{} differs", name.display());
        }
    }
    println!("{} entries, byte for byte the same in three processes", entries[0].len());
    // Without the variable only the two times differ, and with them the digest.
    let (_temp, dir) = temp_on_disk();
    let bytes = || std::fs::read(open(&dir).list().remove(0).path).unwrap();
    run_kernel(&open(&dir), 0);
    let (one, mut other) = (bytes(), {
        open(&dir).clear();
        run_kernel(&open(&dir), 0);
        bytes()
    });
    assert_ne!(one, other);
    other[80..96].copy_from_slice(&one[80..96]);
    seal(&mut other);
    assert_eq!(one, other);
    build_directories();
}

/// The digest of the sources, which is part of every key, is the same in two build directories, and another one for other
/// sources.
fn build_directories() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (temp, _) = temp();
    let program = temp.path().join("build");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(rustc)
        .args(["--edition", "2024", "-o"])
        .arg(&program)
        .arg(root.join("build.rs"))
        .status()
        .expect("the compiler runs");
    assert!(built.success());
    let digest = |dir: &Path| {
        let out = Command::new(&program).current_dir(dir).output().expect("it runs");
        let out = String::from_utf8(out.stdout).expect("text");
        let line =
            out.lines().find_map(|l| l.strip_prefix("cargo:rustc-env=GENRED_SOURCE_DIGEST="));
        line.expect("a digest").to_owned()
    };
    let copy = |to: &Path| {
        for file in files_below(&root.join("src")) {
            let target = to.join("src").join(&file);
            make_private_dirs(target.parent().unwrap());
            std::fs::copy(root.join("src").join(file), target).unwrap();
        }
    };
    let (one, two) = (temp.path().join("one"), temp.path().join("a/second/place"));
    copy(&one);
    copy(&two);
    assert_eq!(digest(&one), genred::cache::key::SOURCE_DIGEST);
    assert_eq!(digest(&two), genred::cache::key::SOURCE_DIGEST);
    std::fs::rename(two.join("src/lib.rs"), two.join("src/lab.rs")).unwrap();
    assert_ne!(digest(&two), digest(&one));
    let text = std::fs::read_to_string(one.join("src/lib.rs")).unwrap();
    std::fs::write(one.join("src/lib.rs"), text + "\n").unwrap();
    assert_ne!(digest(&one), genred::cache::key::SOURCE_DIGEST);
}

fn variables() {
    let (temp, dir) = temp_on_disk();
    let home = temp.path().join("home");
    make_private_dirs(&home);
    let with = |variables: &[(&str, &str)]| {
        let mut command = actor("kernel", &[OsStr::new("28")]);
        command.env("HOME", &home).env("GENRED_CACHE_DIR", &dir);
        command.envs(variables.iter().copied());
        succeed(command)
    };
    let origin = |variables: &[(&str, &str)]| line(&with(variables), "origin ").to_owned();
    assert_eq!(origin(&[("GENRED_CACHE", "off")]), "Compiled");
    assert!(!dir.exists());
    assert_eq!(origin(&[("GENRED_CACHE", "ro")]), "Compiled");
    assert!(!dir.exists());
    assert_eq!(origin(&[("GENRED_CACHE_MAX_SIZE", "0")]), "Compiled");
    assert_eq!(origin(&[]), "Compiled");
    assert_eq!(origin(&[]), "Disk");
    for name in
        ["GENRED_CACHE", "GENRED_CACHE_MAX_SIZE", "GENRED_CACHE_VERIFY", "GENRED_CACHE_SYSTEM"]
    {
        for value in ["", "nonsense", "-1", "\u{7f}\n%s", "off on"] {
            assert_eq!(origin(&[(name, value)]), "Disk", "{name}={value:?}");
        }
    }
    assert_eq!(origin(&[("GENRED_CACHE", "ro")]), "Disk");
    assert_eq!(origin(&[("GENRED_CACHE", "off")]), "Compiled");
    let out = with(&[("GENRED_CACHE", "refresh")]);
    assert_eq!((line(&out, "origin "), line(&out, "stores ")), ("Compiled", "1"));
    let out = with(&[("GENRED_CACHE_VERIFY", "recompile")]);
    assert_eq!((line(&out, "origin "), line(&out, "rejected ")), ("Compiled", "[]"));
    // A directory that ships kernels.
    let system = temp.path().join("image");
    std::fs::rename(&dir, &system).unwrap();
    let system = system.to_str().unwrap();
    assert_eq!(origin(&[("GENRED_CACHE_SYSTEM", system)]), "System");
    assert_eq!(origin(&[("GENRED_CACHE_SYSTEM", system), ("GENRED_CACHE", "off")]), "Compiled");
    let mut garbage = actor_of(&std::env::current_exe().unwrap(), "kernel", &[OsStr::new("28")]);
    garbage.env("HOME", &home).env("GENRED_CACHE_DIR", OsString::from_vec(b"\xff\xfe".to_vec()));
    let out = succeed(garbage);
    assert_eq!(line(&out, "path "), format!("{:?}", Some(home.join(".cache/genred"))));
}

fn recompiled() {
    let (_temp, dir) = temp();
    let made = language(&open(&dir));
    let cache = Cache::open(options(&dir).verify(Verify::Recompile));
    assert_eq!(language(&cache), made);
    let stats = cache.stats();
    println!("{made} requests, {} entries compiled again and compared", stats.disk_hits);
    assert!(stats.disk_hits > 100 && stats.rejections() == 0 && stats.stores == 0, "{stats}");
}

fn mappings() {
    let (_temp, dir) = temp();
    print!("{}", succeed(actor("maps", &[dir.as_os_str()])));
}
