//! Kernels compiled for this machine with the device language emulated, and a driver that runs them (`tests/cuda_shim`).

use genred::cuda::{Cubin, Device, Driver, Emitted};
use std::ffi::{c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory of this test binary's own.
fn scratch() -> PathBuf {
    let name = format!("cuda-shim-{}", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&path).expect("a directory below target");
    path
}

/// Where the sources of the shim are.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda_shim")
}

/// A number that this process has not given before.
fn fresh() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Compile a C++ file to a shared object.
pub fn build(from: &Path, to: &Path, options: &[&str]) {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "g++".into());
    let output = Command::new(&compiler)
        .args(["-std=c++17", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wno-unknown-pragmas"])
        .args(options)
        .arg("-I")
        .arg(sources())
        .arg(from)
        .arg("-o")
        .arg(to)
        .output()
        .unwrap_or_else(|e| {
            panic!("these tests need a C++17 compiler, CXX or g++ ({compiler:?}): {e}")
        });
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} does not compile:\n{text}", from.display());
    assert!(text.is_empty(), "{} compiles with warnings:\n{text}", from.display());
}

/// Kernels of several sources in one shared object: compiled, to be loaded by the shim's driver.
pub fn compile(sources: &[Emitted]) -> Vec<Cubin> {
    let directory = scratch();
    let stem = format!("kernels{}", fresh());
    let mut text = String::from("#include \"shim.h\"\n");
    for (k, emitted) in sources.iter().enumerate() {
        // Names of C linkage are the program's; each source gets a namespace instead.
        let source = emitted.source.replace("extern \"C\" ", "");
        text += &format!("namespace k{k} {{\n{source}\n}}\n");
        for kernel in ["param", "prepare", "pair", "merge", "finish"] {
            if source.contains(&format!("genred_{kernel}(")) {
                text += &format!("SHIM_ENTRY(k{k}, genred_{kernel})\n");
            }
        }
        let macros = source.lines().filter_map(|line| line.strip_prefix("#define "));
        for name in macros.filter_map(|line| line.split([' ', '(']).next()) {
            text += &format!("#undef {name}\n");
        }
    }
    let (from, to) = (directory.join(format!("{stem}.cpp")), directory.join(format!("{stem}.so")));
    fs::write(&from, text).expect("a writable directory");
    // Fusing products and sums is the program's business. Device functions may go unused, and what is fetched ahead only by the
    // threads that store it looks uninitialised.
    build(
        &from,
        &to,
        &[
            "-O1",
            "-mfma",
            "-ffp-contract=off",
            "-Wno-unused-function",
            "-Wno-unused-parameter",
            "-Wno-maybe-uninitialized",
        ],
    );
    let bytes = |k: usize| format!("SHIMk{k}:{}\0", to.display()).into_bytes();
    sources
        .iter()
        .enumerate()
        .map(|(k, emitted)| Cubin { bytes: bytes(k), layout: emitted.layout.clone() })
        .collect()
}

/// A driver of its own, with its own devices, memory and counters.
pub struct Shim {
    /// As the engine sees it.
    pub driver: Driver,
    library: libloading::Library,
}

impl Shim {
    /// Build and load one.
    pub fn new() -> Shim {
        let directory = scratch();
        let to = directory.join(format!("driver{}.so", fresh()));
        build(&sources().join("driver.cpp"), &to, &["-O1"]);
        let driver = Driver::open(&to).expect("the shim is a driver");
        // SAFETY: the library is loaded already; its initialisers have run.
        let library = unsafe { libloading::Library::new(&to) }.expect("the same library");
        Shim { driver, library }
    }

    /// One of its devices.
    pub fn device(&self, ordinal: usize) -> Arc<Device> {
        Device::open(&self.driver, ordinal).expect("the shim has two devices")
    }

    fn symbol<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the callers give each function the type that driver.cpp gives it.
        *unsafe { self.library.get::<F>(name) }.expect("a function of the shim")
    }

    /// How many devices there are, the newest CUDA version times 1000 that is taken, bytes of memory.
    pub fn configure(&self, devices: c_int, version: c_int, capacity: usize) {
        let configure: extern "C" fn(c_int, c_int, usize) = self.symbol("shim_configure");
        configure(devices, version, capacity);
    }

    /// Let kernels fail with a code; 0: no longer.
    pub fn fault(&self, code: c_int) {
        let fault: extern "C" fn(c_int) = self.symbol("shim_fault");
        fault(code);
    }

    /// In which order threads and blocks run.
    pub fn order(&self, order: c_int) {
        let set: extern "C" fn(c_int) = self.symbol("shim_order");
        set(order);
    }

    fn ask(&self, name: &str) -> usize {
        let ask: extern "C" fn() -> usize = self.symbol(name);
        ask()
    }

    /// Bytes of device memory in use.
    pub fn used(&self) -> usize {
        self.ask("shim_used")
    }

    /// Allocations of device memory so far.
    pub fn allocations(&self) -> usize {
        self.ask("shim_allocations")
    }

    /// Kernel launches so far.
    pub fn launches(&self) -> usize {
        self.ask("shim_launches")
    }

    /// Contexts that are still retained.
    pub fn retained(&self) -> c_int {
        let ask: extern "C" fn() -> c_int = self.symbol("shim_retained");
        ask()
    }

    /// The address of a stream of the shim's: the default one.
    pub fn default_stream() -> usize {
        std::ptr::null_mut::<c_void>() as usize
    }
}
