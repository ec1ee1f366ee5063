//! What the tests of the cache share: kernels that stand for themselves, and a file system that fails on demand.
#![allow(dead_code, reason = "each test binary uses its part")]

use genred::cache::fs::{self, Dir, Fs, Meta};
use genred::cache::key::{self, Fields, Key, Kind};
use genred::cache::{Cache, Compiled, Options, Origin};
use genred::{Backend, Genred, Kernel, View};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Every instruction set extension.
pub(crate) const ANY_HOST: u64 = u64::MAX;

/// Fields that no build and no machine changes.
pub(crate) fn fields(formula: &str) -> Fields<'_> {
    Fields {
        engine: "0.1.0",
        epoch: 1,
        source: "00112233445566778899aabbccddeeff",
        generator: "cranelift 0.135.2",
        formula,
        reduction: "Sum",
        k: 0,
        rows: "i",
        dtype: "float32",
        accumulator: "f32",
        scheme: "block",
        schedule: "lanes=rows mr=4 nr=1 tile=256 unroll=4",
        back_end: "clif",
        kind: Kind::Native,
        arch: 62,
        os: "linux",
        abi: "sysv64",
        features: 0xf,
        argument_abi: 1,
        device: "",
        options: "",
    }
}

/// The `n`-th of many keys.
pub(crate) fn key(n: u64) -> Key {
    Key::new(&fields(&format!("Exp(-SqNorm2(Var(0,3,0) - Var(1,3,1))) * {n}")))
}

/// The code of a key: bytes that only this key has, so that a kernel's result can be told from every other's.
pub(crate) fn code_sized(key: &Key, bytes: usize) -> Vec<u8> {
    let mut code = vec![0; bytes];
    let mut hash = blake3::Hasher::new();
    hash.update(b"code").update(key.digest());
    hash.finalize_xof().fill(&mut code);
    code
}

/// The code of a key, of a length that depends on the key.
pub(crate) fn code(key: &Key) -> Vec<u8> {
    code_sized(key, 200 + usize::from(key.digest()[31]))
}

pub(crate) fn compiled(key: &Key) -> Compiled {
    Compiled { code: code(key), compile_ns: 1_000_000 }
}

/// Ask for a kernel as the compiler does. The result is right, wherever it came from, or this panics.
pub(crate) fn obtain(cache: &Cache, key: &Key) -> Origin {
    let accept = |code: &[u8]| Ok::<_, std::convert::Infallible>(code.to_vec());
    let (result, origin) =
        cache.obtain(key, ANY_HOST, accept, || Ok(compiled(key))).expect("infallible");
    assert_eq!(result, code(key), "a wrong result from {origin:?}");
    origin
}

/// A cache in a directory; nothing is read from the environment that the tests run in.
pub(crate) fn options(dir: &Path) -> Options {
    use genred::cache::{Mode, Verify};
    Options::new()
        .dir(dir)
        .system(dir.join("no such directory"))
        .mode(Mode::ReadWrite)
        .verify(Verify::Digest)
        .max_size(512 << 20)
}

pub(crate) fn open(dir: &Path) -> Cache {
    Cache::open(options(dir))
}

/// A new directory with a place for a cache in it, in memory where there is such a place: these tests make a hundred thousand
/// of them, and a disk that others use as well makes that take a minute.
pub(crate) fn temp() -> (tempfile::TempDir, PathBuf) {
    let memory = Path::new("/dev/shm");
    let temp = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
    let temp = temp.expect("a temporary directory");
    let cache = temp.path().join("genred");
    (temp, cache)
}

/// A new directory with a place for a cache in it, on a disk if the platform has one for such things.
pub(crate) fn temp_on_disk() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let cache = temp.path().join("genred");
    (temp, cache)
}

/// Where the entry of a key is.
pub(crate) fn file_of(dir: &Path, key: &Key) -> PathBuf {
    let hex = key.hex();
    dir.join("v1").join(&hex[..1]).join(format!("{}.grk", &hex[1..]))
}

/// Put bytes where the entry of a key belongs.
pub(crate) fn plant(dir: &Path, key: &Key, bytes: &[u8]) {
    let file = file_of(dir, key);
    make_private_dirs(file.parent().expect("a shard"));
    // Truncating a file instead would make ext4 write it out at once, which takes a millisecond.
    let _ = std::fs::remove_file(&file);
    std::fs::write(file, bytes).expect("an entry is written");
}

pub(crate) fn make_private_dirs(path: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).expect("a directory");
}

/// The bytes that a cache writes for a key.
pub(crate) fn entry_bytes(key: &Key) -> Vec<u8> {
    genred::cache::entry::encode(key, &compiled(key), 1_700_000_000).expect("a small entry")
}

/// Replace the digest at the end by the right one.
pub(crate) fn seal(bytes: &mut [u8]) {
    let body = bytes.len() - 32;
    let digest = *blake3::hash(&bytes[..body]).as_bytes();
    bytes[body..].copy_from_slice(&digest);
}

/// All files below a directory, relative to it.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let (mut todo, mut out) = (vec![dir.to_owned()], Vec::new());
    while let Some(next) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            let meta = path.symlink_metadata().expect("what it is");
            if meta.is_dir() {
                todo.push(path);
            } else {
                out.push(path.strip_prefix(dir).expect("below").to_owned());
            }
        }
    }
    out.sort();
    out
}

/// Files that a cache left on their way.
pub(crate) fn debris(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("v1/tmp")).map_or(0, Iterator::count)
}

pub(crate) fn set_modified(path: &Path, time: SystemTime) {
    File::open(path).expect("a file").set_modified(time).expect("a new time");
}

pub(crate) fn days(n: u64) -> Duration {
    Duration::from_secs(n * 24 * 60 * 60)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Say why a part of a test cannot run here. What can run without the privilege has run.
pub(crate) fn without(what: &str, why: impl std::fmt::Display) {
    println!("NOT RUN HERE: {what}: {why}");
}

type Hook = Box<dyn FnMut(&'static str, u64) -> Option<io::Error> + Send>;

/// A file system whose calls can be watched, made to fail, and lied about.
pub(crate) struct Faulty {
    inner: Arc<dyn Fs>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: u64,
    hook: Option<Hook>,
    clock: Option<SystemTime>,
    user: Option<u32>,
    /// Bytes that a call reads or writes at most.
    piece: Option<usize>,
    file_size_limit: Option<u64>,
    no_unnamed: bool,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faulty")
    }
}

impl Faulty {
    pub(crate) fn new() -> Arc<Faulty> {
        Self::over(fs::host())
    }

    pub(crate) fn over(inner: Arc<dyn Fs>) -> Arc<Faulty> {
        Arc::new(Faulty { inner, state: Mutex::default() })
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().expect("no test panics in here"))
    }

    /// Called ahead of every call with its name and number, from 1; may fail it.
    pub(crate) fn hook(
        &self,
        hook: impl FnMut(&'static str, u64) -> Option<io::Error> + Send + 'static,
    ) {
        self.state(|s| s.hook = Some(Box::new(hook)));
    }

    pub(crate) fn unhook(&self) {
        self.state(|s| s.hook = None);
    }

    /// Fail the `n`-th call from now with an error of the operating system.
    pub(crate) fn fail_call(&self, n: u64, errno: rustix::io::Errno) {
        let start = self.calls();
        self.hook(move |_, call| (call == start + n).then(|| errno.into()));
    }

    pub(crate) fn calls(&self) -> u64 {
        self.state(|s| s.calls)
    }

    pub(crate) fn clock(&self, time: SystemTime) {
        self.state(|s| s.clock = Some(time));
    }

    pub(crate) fn user_is(&self, user: u32) {
        self.state(|s| s.user = Some(user));
    }

    pub(crate) fn piece(&self, bytes: usize) {
        self.state(|s| s.piece = Some(bytes));
    }

    pub(crate) fn limit_files(&self, bytes: u64) {
        self.state(|s| s.file_size_limit = Some(bytes));
    }

    pub(crate) fn no_unnamed(&self) {
        self.state(|s| s.no_unnamed = true);
    }

    fn call<T>(
        &self,
        name: &'static str,
        run: impl FnOnce(&dyn Fs) -> io::Result<T>,
    ) -> io::Result<T> {
        let (hook, number) = self.state(|s| {
            s.calls += 1;
            (s.hook.take(), s.calls)
        });
        // The hook may look at the file system itself, so the lock is not held.
        if let Some(mut hook) = hook {
            let failed = hook(name, number);
            self.state(|s| {
                s.hook.get_or_insert(hook);
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        run(&*self.inner)
    }
}

impl Fs for Faulty {
    fn root(&self, base: &Path) -> io::Result<Dir> {
        self.call("root", |fs| fs.root(base))
    }
    fn open_dir(&self, at: &Dir, name: &OsStr) -> io::Result<Dir> {
        self.call("open_dir", |fs| fs.open_dir(at, name))
    }
    fn make_dir(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        self.call("make_dir", |fs| fs.make_dir(at, name))
    }
    fn list(&self, at: &Dir) -> io::Result<Vec<OsString>> {
        self.call("list", |fs| fs.list(at))
    }
    fn read_link(&self, at: &Dir, name: &OsStr) -> io::Result<PathBuf> {
        self.call("read_link", |fs| fs.read_link(at, name))
    }
    fn stat_at(&self, at: &Dir, name: &OsStr) -> io::Result<Meta> {
        self.call("stat_at", |fs| fs.stat_at(at, name))
    }
    fn stat_dir(&self, dir: &Dir) -> io::Result<Meta> {
        self.call("stat_dir", |fs| fs.stat_dir(dir))
    }
    fn stat(&self, file: &File) -> io::Result<Meta> {
        self.call("stat", |fs| fs.stat(file))
    }
    fn open(&self, at: &Dir, name: &OsStr) -> io::Result<File> {
        self.call("open", |fs| fs.open(at, name))
    }
    fn create(&self, at: &Dir, name: &OsStr) -> io::Result<File> {
        self.call("create", |fs| fs.create(at, name))
    }
    fn create_unnamed(&self, at: &Dir) -> io::Result<File> {
        if self.state(|s| s.no_unnamed) {
            return Err(rustix::io::Errno::OPNOTSUPP.into());
        }
        self.call("create_unnamed", |fs| fs.create_unnamed(at))
    }
    fn link(&self, file: &File, at: &Dir, name: &OsStr) -> io::Result<()> {
        self.call("link", |fs| fs.link(file, at, name))
    }
    fn rename(&self, from: &Dir, old: &OsStr, to: &Dir, new: &OsStr) -> io::Result<()> {
        self.call("rename", |fs| fs.rename(from, old, to, new))
    }
    fn unlink(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        self.call("unlink", |fs| fs.unlink(at, name))
    }
    fn remove_dir(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        self.call("remove_dir", |fs| fs.remove_dir(at, name))
    }
    fn read(&self, file: &File, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.state(|s| s.piece).unwrap_or(usize::MAX).min(buffer.len());
        self.call("read", |fs| fs.read(file, &mut buffer[..most]))
    }
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let most = self.state(|s| s.piece).unwrap_or(usize::MAX).min(bytes.len());
        self.call("write", |fs| fs.write(file, &bytes[..most]))
    }
    fn touch(&self, file: &File, time: SystemTime) -> io::Result<()> {
        self.call("touch", |fs| fs.touch(file, time))
    }
    fn now(&self) -> SystemTime {
        self.state(|s| s.clock).unwrap_or_else(|| self.inner.now())
    }
    fn user(&self) -> Option<u32> {
        self.state(|s| s.user).or_else(|| self.inner.user())
    }
    fn privileged(&self) -> bool {
        self.inner.privileged()
    }
    fn file_size_limit(&self) -> Option<u64> {
        self.state(|s| s.file_size_limit).or_else(|| self.inner.file_size_limit())
    }
}

/// This build's own fields, as the compiler fills them in.
pub(crate) fn own_build(formula: &str) -> Fields<'_> {
    Fields {
        engine: key::ENGINE_VERSION,
        epoch: key::CODEGEN_EPOCH,
        source: key::SOURCE_DIGEST,
        arch: key::arch(),
        os: std::env::consts::OS,
        ..fields(formula)
    }
}

/// A real kernel; each `n` is another formula, and every second one is another engine's.
pub(crate) fn kernel(cache: &Cache, n: u64) -> Kernel<f64> {
    let backend = if n.is_multiple_of(2) { Backend::Auto } else { Backend::Clif };
    Genred::<f64>::sum(format!("SqDist(x, y) * {} + {n}", n + 2))
        .output("a = Vi(1)")
        .alias("x = Vi(3)")
        .alias("y = Vj(3)")
        .backend(backend)
        .single_threaded()
        .cache(cache)
        .compile()
        .expect("a formula that every engine takes")
}

/// Call the `n`-th kernel on small integers, for which every order of summation is exact; panics if the result is wrong.
pub(crate) fn check_kernel(kernel: &Kernel<f64>, n: u64) {
    let coordinates = |count: usize, seed: usize| -> Vec<i64> {
        (0..3 * count).map(|k| ((k * 7 + seed) % 11) as i64 - 5).collect()
    };
    let (x, y) = (coordinates(9, 1), coordinates(21, 4));
    let floats = |ints: &[i64]| ints.iter().map(|v| *v as f64).collect::<Vec<f64>>();
    let (xs, ys) = (floats(&x), floats(&y));
    let views = [View::new(&xs, 9, 3).expect("3 x 9"), View::new(&ys, 21, 3).expect("3 x 21")];
    let result = kernel.call(&views).expect("arguments fit");
    for (i, x) in x.chunks(3).enumerate() {
        let squares = |y: &[i64]| x.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum::<i64>();
        let n = n as i64;
        let sum: i64 = y.chunks(3).map(|y| squares(y) * (n + 2) + n).sum();
        assert_eq!(result[(i, 0)], sum as f64, "row {i} of kernel {n}: {:?}", kernel.origin());
    }
}

/// Compile or find the `n`-th kernel and check what it computes.
pub(crate) fn run_kernel(cache: &Cache, n: u64) -> Origin {
    let kernel = kernel(cache, n);
    check_kernel(&kernel, n);
    kernel.origin()
}
