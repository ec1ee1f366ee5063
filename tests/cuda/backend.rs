//! `--backend cuda` from end to end, in processes of their own: the emulated driver, and an NVRTC that is the host's compiler.

use crate::shim;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const KDE: [&str; 5] = ["Sum", "Exp(-SqDist(x, y))", "a = Vi(1)", "x = Vi(2)", "y = Vj(2)"];

/// Inputs, a cache, a driver and an NVRTC in a directory that goes with the value.
pub struct Place {
    directory: tempfile::TempDir,
    driver: PathBuf,
}

fn npy(path: &Path, rows: usize, numbers: &[f32]) {
    let head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 2), }}");
    let head = format!("{head:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.bytes());
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

fn numbers(count: usize, step: f32) -> Vec<f32> {
    (0..count).map(|n| (n as f32 * step).sin()).collect()
}

impl Place {
    /// Build them.
    pub fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let nvrtc = directory.path().join("nvrtc");
        fs::create_dir(&nvrtc).unwrap();
        shim::build(&shim::sources().join("nvrtc.cpp"), &nvrtc.join("libnvrtc.so.12"), &["-O1"]);
        fs::write(nvrtc.join("libnvrtc-builtins.so.12.4"), "").unwrap();
        let driver = directory.path().join("driver.so");
        shim::build(&shim::sources().join("driver.cpp"), &driver, &["-O1"]);
        npy(&directory.path().join("x.npy"), 300, &numbers(600, 0.7));
        npy(&directory.path().join("y.npy"), 700, &numbers(1400, 1.3));
        Place { directory, driver }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The tool, told where things are.
    fn command(&self) -> Command {
        self.told(Command::new(env!("CARGO_BIN_EXE_genred")))
    }

    /// A test of this binary that is otherwise ignored, in a process that is told the same; panics if it fails.
    pub fn again(&self, test: &str, environment: &[(&str, &str)]) {
        let mut command = self.told(Command::new(std::env::current_exe().unwrap()));
        command.args(["--exact", test, "--ignored"]).envs(environment.iter().copied());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{environment:?}\n{text}{errors}");
        assert!(text.contains("1 passed"), "no such test: {test}\n{text}");
    }

    fn told(&self, mut command: Command) -> Command {
        command
            .current_dir(self.directory.path())
            .env("GENRED_CUDA_DRIVER", &self.driver)
            .env("GENRED_NVRTC", self.path("nvrtc"))
            .env("GENRED_CACHE_DIR", self.path("cache"))
            .env("SHIM_SCRATCH", self.directory.path())
            .env("SHIM_INCLUDE", shim::sources());
        for name in ["GENRED_CUDA", "GENRED_CUDA_DEVICES", "GENRED_CPU", "GENRED_CACHE"] {
            command.env_remove(name);
        }
        command
    }

    fn reduce(&self, backend: &str, environment: &[(&str, &str)]) -> Output {
        let mut command = self.command();
        command.arg("reduce").args(KDE).args(["--in", "x.npy", "--in", "y.npy", "--out", "a.npy"]);
        command.args(["--stats", "json", "--backend", backend]);
        command.envs(environment.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success() == self.path("a.npy").exists());
        output
    }

    /// A successful run: what it printed, and the numbers of the result.
    fn ok(&self, backend: &str, environment: &[(&str, &str)]) -> (String, Vec<f32>) {
        let output = self.reduce(backend, environment);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = fs::read(self.path("a.npy")).unwrap();
        fs::remove_file(self.path("a.npy")).unwrap();
        let numbers = bytes[128..].chunks_exact(4);
        let numbers = numbers.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (String::from_utf8(output.stdout).unwrap(), numbers)
    }

    fn error(&self, environment: &[(&str, &str)]) -> String {
        let output = self.reduce("cuda", environment);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn kernels_on_disk_need_no_compiler() {
    let place = Place::new();
    let (x, y) = (numbers(600, 0.7), numbers(1400, 1.3));
    let expected: Vec<f64> = x
        .chunks(2)
        .map(|x| {
            let square = |y: &[f32]| {
                x.iter().zip(y).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum::<f64>()
            };
            y.chunks(2).map(|y| (-square(y)).exp()).sum()
        })
        .collect();
    let (stats, first) = place.ok("cuda", &[]);
    assert!(stats.contains("\"engine\": \"cuda\""), "{stats}");
    assert!(stats.contains("\"origin\": \"compiled\""), "{stats}");
    for (found, expected) in first.iter().zip(&expected) {
        assert!((f64::from(*found) / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    }

    // NVRTC is not there at all: any version's kernel is taken.
    let (stats, second) = place.ok("cuda", &[("GENRED_NVRTC", "/nowhere")]);
    assert!(stats.contains("\"origin\": \"disk\""), "{stats}");
    assert_eq!(bits(&second), bits(&first));

    // It is there by name, and loading it would fail.
    fs::write(place.path("nvrtc/libnvrtc.so.12"), "not a library").unwrap();
    let (stats, third) = place.ok("cuda", &[]);
    assert!(stats.contains("\"origin\": \"disk\""), "{stats}");
    assert_eq!(bits(&third), bits(&first));

    // Another version is installed: its kernel would be another one.
    fs::rename(
        place.path("nvrtc/libnvrtc-builtins.so.12.4"),
        place.path("nvrtc/libnvrtc-builtins.so.12.3"),
    )
    .unwrap();
    let text = place.error(&[]);
    assert!(text.contains("NVRTC, CUDA's run-time compiler, was not found"), "{text}");

    // A damaged entry is never loaded.
    let is_entry = |path: &PathBuf| path.extension().is_some_and(|e| e == "grk");
    let shards = fs::read_dir(place.path("cache/v1")).unwrap().map(|shard| shard.unwrap().path());
    let files = shards.filter(|path| path.is_dir()).flat_map(|shard| fs::read_dir(shard).unwrap());
    let entries: Vec<PathBuf> = files.map(|file| file.unwrap().path()).filter(is_entry).collect();
    assert_eq!(entries.len(), 1);
    let mut bytes = fs::read(&entries[0]).unwrap();
    bytes[200] ^= 1;
    fs::write(&entries[0], bytes).unwrap();
    let text = place.error(&[("GENRED_NVRTC", "/nowhere")]);
    assert!(text.contains("there is no NVRTC"), "{text}");
}

#[test]
fn files_are_read_in_pieces_under_a_budget() {
    let place = Place::new();
    let (_, whole) = place.ok("cuda", &[]);
    let run = |memory: &str, environment: &[(&str, &str)]| {
        let mut command = place.command();
        command.arg("reduce").args(KDE).args(["--in", "x.npy", "--in", "y.npy", "--out", "b.npy"]);
        command.args(["--backend", "cuda", "--stats", "json", "--memory", memory]);
        command.envs(environment.iter().copied()).output().unwrap()
    };
    let output = run("64M", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["engine"], "cuda");
    let least = stats["memory"]["least"].to_string();
    for (memory, environment) in
        [(&*least, &[][..]), ("64M", &[("GENRED_CUDA_DEVICES", "all")]), ("1G", &[])]
    {
        let output = run(memory, environment);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = fs::read(place.path("b.npy")).unwrap();
        let found = bytes[128..].chunks_exact(4);
        let found: Vec<f32> = found.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(bits(&found), bits(&whole), "{memory}");
        fs::remove_file(place.path("b.npy")).unwrap();
    }
    for (memory, environment, says) in [
        (
            "1000",
            &[][..],
            format!("of 1000 bytes is too small: this reduction needs at least {least}"),
        ),
        ("64M", &[("SHIM_FAULT", "700")], "an illegal memory access was encountered".to_owned()),
        ("64M", &[("SHIM_CAPACITY", "4096")], "out of device memory".to_owned()),
    ] {
        let output = run(memory, environment);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(&says), "{text}");
        assert!(!place.path("b.npy").exists());
    }
}

#[test]
fn whatever_is_missing_is_named() {
    let place = Place::new();
    let text = place.error(&[("GENRED_CUDA_DRIVER", "/nowhere/libcuda.so")]);
    assert!(text.contains("the CUDA driver cannot be loaded from /nowhere/libcuda.so"), "{text}");
    let text = place.error(&[("SHIM_DEVICES", "0")]);
    assert!(text.contains("CUDA_VISIBLE_DEVICES"), "{text}");
    let text = place.error(&[("SHIM_VERSION", "11010")]);
    assert!(text.contains("the CUDA driver takes CUDA 11.1, but 11.2 is needed"), "{text}");
    let text = place.error(&[("GENRED_NVRTC", "/nowhere")]);
    assert!(text.contains("GENRED_NVRTC is /nowhere, but there is no NVRTC"), "{text}");
    let text = place.error(&[("SHIM_VERSION", "11040")]);
    assert!(text.contains("is newer than the driver, which takes CUDA 11.4"), "{text}");
    let text = place.error(&[("SHIM_CAPACITY", "4096")]);
    assert!(text.contains("out of device memory: this reduction needs at least"), "{text}");
    let text = place.error(&[("SHIM_FAULT", "700")]);
    assert!(text.contains("an illegal memory access was encountered"), "{text}");
    let text = place.error(&[("GENRED_CUDA_DEVICES", "0,7")]);
    assert!(text.contains("there is no CUDA device 7: 2 are there"), "{text}");
    let text = place.error(&[("GENRED_CUDA_DEVICES", "first")]);
    assert!(text.contains("GENRED_CUDA_DEVICES is `first`"), "{text}");
}

#[test]
fn several_devices_give_the_same_bits() {
    let place = Place::new();
    let (_, one) = place.ok("cuda", &[]);
    let (_, two) = place.ok("cuda", &[("GENRED_CUDA_DEVICES", "all")]);
    assert_eq!(bits(&one), bits(&two));
}

#[test]
fn cuda_is_not_started_before_somebody_asks() {
    let place = Place::new();
    let path = place.path("mark");
    let mark = path.to_str().unwrap();
    for backend in ["auto", "cpu"] {
        let (stats, _) = place.ok(backend, &[("SHIM_MARK", mark)]);
        assert!(!stats.contains("\"engine\": \"cuda\"") && !path.exists(), "{stats}");
    }
    // Asked for, but 210,000 pairs are too few.
    let asked = [("SHIM_MARK", mark), ("GENRED_CUDA", "auto")];
    let (stats, _) = place.ok("auto", &asked);
    assert!(stats.contains("210000 pairs are not worth the copy") && !path.exists(), "{stats}");
    // The source needs neither driver nor compiler.
    let mut command = place.command();
    command.arg("explain").args(KDE).args(["--stage", "cuda"]).env("SHIM_MARK", mark);
    let output = command.env("GENRED_NVRTC", "/nowhere").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("__global__") && !path.exists(), "{text}");

    let doctor = place.command().arg("doctor").env("SHIM_MARK", mark).output().unwrap();
    let text = String::from_utf8(doctor.stdout).unwrap();
    assert!(text.contains("Shim 0, sm_90") && text.contains("Shim 1"), "{text}");
    assert!(text.contains("12.4 at ") && text.contains("for sm_75 sm_90"), "{text}");
    assert!(path.exists());
}

#[test]
fn bench_measures_on_a_device_or_says_why_not() {
    let place = Place::new();
    let size = ["--rows", "300", "--columns", "400", "--repeat", "3", "--dtype", "float32"];
    let bench = |more: &[&str], environment: &[(&str, &str)]| {
        let mut command = place.command();
        command.args(["bench", "--backend", "cuda"]).args(size).args(more);
        command.envs(environment.iter().copied()).output().unwrap()
    };
    let output = bench(&["--problem", "P1", "--problem", "P3", "--json"], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    // The emulated device has 4 multiprocessors at 1 GHz, of the architecture with 128 lanes and 16 of special functions; its events
    // are a millisecond apart.
    let pairs = 300.0 * 400.0;
    let close = |value: &serde_json::Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value / expected - 1.0).abs() < 1e-3, "{value} {expected}");
    };
    for (line, id, operations, mufu, clocks) in [
        // Three differences, a square and two fused ones, the change to base 2, the sum; one exponential.
        (&lines[0], "P1", 8, 1, 1.0 / 16.0),
        // A hundred differences, a square and 99 fused ones.
        (&lines[1], "P3", 200, 0, 200.0 / 128.0),
    ] {
        assert_eq!((&line["problem"], &line["engine"]), (&id.into(), &"cuda".into()));
        assert_eq!((&line["ffma"], &line["mufu"]), (&operations.into(), &mufu.into()), "{line}");
        close(&line["ms"], 1.0);
        close(&line["ns_a_pair"], 1e6 / pairs);
        close(&line["floor_ms"], pairs * clocks / 4.0 / 1e6);
        close(&line["of_floor"], pairs * clocks / 4.0 / 1e6);
        assert!(line["error"].as_f64().unwrap() < 2e-6, "{line}");
    }
    let output = bench(&["--problem", "P2"], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains("Shim 0, sm_90") && lines[1].contains("of floor"), "{text}");
    assert!(lines[2].starts_with("P2 ") && lines[2].contains("300 x 400"), "{text}");

    for (variable, why) in [
        (("GENRED_CUDA_DRIVER", "/nowhere"), "the CUDA driver cannot be loaded from /nowhere"),
        (("SHIM_DEVICES", "0"), "CUDA_VISIBLE_DEVICES"),
    ] {
        let output = bench(&[], &[variable]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
        assert!(text.contains("nothing was measured") && text.contains(why), "{text}");
    }
}
