//! What a cache is asked to be: by the program, else by the environment, else by default.

use super::dir;
use super::fs::{self, Fs};
use super::publish;
use crate::limits;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the cache on disk may be used for.
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Mode, Options};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path()).mode(Mode::ReadOnly));
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// sum.cache(&cache).compile()?;
/// assert_eq!(cache.stats().stores, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Nothing: no file is touched.
    Off,
    /// Loading only; nothing on disk changes.
    ReadOnly,
    /// Loading and storing.
    #[default]
    ReadWrite,
    /// Compiling everything anew and replacing what is there.
    Refresh,
}

/// What is done before an entry is trusted.
///
/// ```
/// use genred::cache::{Cache, Options, Verify};
/// use genred::{Genred, Origin};
/// let dir = tempfile::tempdir()?;
/// let options = Options::new().dir(dir.path()).verify(Verify::Recompile);
/// let compile = || {
///     let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
///     sum.cache(&Cache::open(options.clone())).compile().map(|kernel| kernel.origin())
/// };
/// // What is on disk is compared, and never run.
/// assert_eq!((compile()?, compile()?), (Origin::Compiled, Origin::Compiled));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verify {
    /// Its digest is compared.
    #[default]
    Digest,
    /// The kernel is compiled as well, and the code is compared.
    Recompile,
}

/// How to open a [`Cache`](super::Cache); what is not set is read from the environment, else has a default.
///
/// ```
/// use genred::cache::{Cache, Mode, Options};
/// let cache = Cache::open(Options::new().mode(Mode::Off));
/// assert_eq!(cache.path(), None);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    mode: Option<Mode>,
    dir: Option<PathBuf>,
    system: Option<PathBuf>,
    max_size: Option<u64>,
    verify: Option<Verify>,
    fs: Option<Arc<dyn Fs>>,
    evict_every: Option<u32>,
    path: Option<publish::Path>,
}

impl Options {
    /// Nothing set.
    ///
    /// ```
    /// use genred::cache::{Cache, Mode, Options};
    /// // In memory only, whatever the environment says.
    /// assert_eq!(Cache::open(Options::new().mode(Mode::Off)).path(), None);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// What the disk may be used for; `GENRED_CACHE`, else [`Mode::ReadWrite`].
    ///
    /// ```
    /// use genred::cache::{Cache, Mode, Options};
    /// let dir = tempfile::tempdir()?;
    /// let missing = dir.path().join("missing");
    /// assert_eq!(Cache::open(Options::new().dir(&missing).mode(Mode::ReadOnly)).path(), None);
    /// assert!(!missing.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The cache's directory; `GENRED_CACHE_DIR`, else `genred` in the platform's cache directory.
    ///
    /// A relative path is meant from the current directory.
    ///
    /// ```
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path().join("kernels")));
    /// assert!(cache.path().is_some_and(|path| path.ends_with("kernels")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// A second directory that is read after the first and never written, for kernels that an image or a cluster ships;
    /// `GENRED_CACHE_SYSTEM`, else none.
    ///
    /// ```
    /// use genred::cache::{Cache, Options};
    /// use genred::{Genred, Origin};
    /// let (shipped, own) = (tempfile::tempdir()?, tempfile::tempdir()?);
    /// let compile = |options| {
    ///     let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    ///     sum.cache(&Cache::open(options)).compile().map(|kernel| kernel.origin())
    /// };
    /// compile(Options::new().dir(shipped.path()))?;
    /// assert_eq!(compile(Options::new().dir(own.path()).system(shipped.path()))?, Origin::System);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn system(mut self, dir: impl Into<PathBuf>) -> Self {
        self.system = Some(dir.into());
        self
    }

    /// Bytes that the cache may take on disk; `GENRED_CACHE_MAX_SIZE`, else 512 MiB.
    ///
    /// ```
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()).max_size(64 << 20));
    /// assert_eq!(cache.disk().max_size, 64 << 20);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// What is done before an entry is trusted; `GENRED_CACHE_VERIFY`, else [`Verify::Digest`].
    ///
    /// ```
    /// use genred::cache::{Cache, Mode, Options, Verify};
    /// let options = Options::new().mode(Mode::Off).verify(Verify::Digest);
    /// assert_eq!(Cache::open(options).verify_mode(), Verify::Digest);
    /// ```
    #[must_use]
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = Some(verify);
        self
    }

    /// The calls to the operating system.
    #[doc(hidden)]
    #[must_use]
    pub fn fs(mut self, fs: Arc<dyn Fs>) -> Self {
        self.fs = Some(fs);
        self
    }

    /// Stores after which a shard is looked at.
    #[doc(hidden)]
    #[must_use]
    pub fn evict_every(mut self, stores: u32) -> Self {
        self.evict_every = Some(stores);
        self
    }

    /// How entries get their names at first.
    #[doc(hidden)]
    #[must_use]
    pub fn publication(mut self, path: publish::Path) -> Self {
        self.path = Some(path);
        self
    }
}

/// Options with nothing left open; for tests.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Settings {
    /// What the disk may be used for.
    pub mode: Mode,
    /// The directory; `None` if the platform names none.
    pub dir: Option<PathBuf>,
    /// The directory that is never written.
    pub system: Option<PathBuf>,
    /// Bytes that the cache may take on disk.
    pub max_size: u64,
    /// What is done before an entry is trusted.
    pub verify: Verify,
    /// The calls to the operating system.
    pub fs: Arc<dyn Fs>,
    /// Stores after which a shard is looked at.
    pub evict_every: u32,
    /// How entries get their names at first.
    pub path: publish::Path,
    /// What in the environment was not understood.
    pub warnings: Vec<String>,
    /// Whether the program runs with more rights than its user, for which reason the cache is off.
    pub privileged: bool,
}

/// Stores after which a shard is looked at: listing one costs about as much as compiling a kernel.
const EVICT_EVERY: u32 = 8;

/// A variable's value, with a warning if it is not one of those that are understood.
struct Environment<'a> {
    read: &'a dyn Fn(&str) -> Option<OsString>,
    warnings: Vec<String>,
}

impl Environment<'_> {
    fn value<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&OsStr) -> Option<T>,
        want: &str,
    ) -> Option<T> {
        let text = (self.read)(name).filter(|text| !text.is_empty())?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.warnings.push(format!("{name}={} is ignored: {want}", text.display()));
        }
        parsed
    }
}

impl Options {
    /// Fill in what is open.
    #[doc(hidden)]
    pub fn settle(self, read: &dyn Fn(&str) -> Option<OsString>) -> Settings {
        let fs = self.fs.unwrap_or_else(fs::host);
        // A program that runs with more rights than its user must not do what the user's environment says.
        let nothing = |_: &str| None;
        let trusted = !fs.privileged();
        let read: &dyn Fn(&str) -> Option<OsString> = if trusted { read } else { &nothing };
        let mut env = Environment { read, warnings: Vec::new() };
        let absolute = |text: &OsStr| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
        let want_path = "an absolute path is needed";

        let mode = env.value("GENRED_CACHE", mode, "off, ro, rw or refresh is needed");
        let dir = env.value("GENRED_CACHE_DIR", absolute, want_path);
        let system = env.value("GENRED_CACHE_SYSTEM", absolute, want_path);
        let want_size = "a number of bytes is needed, or one with K, M or G behind it";
        let max_size = env.value("GENRED_CACHE_MAX_SIZE", |text| size(text.to_str()?), want_size);
        let verify = env.value("GENRED_CACHE_VERIFY", verify, "digest or recompile is needed");
        let anchored = |path: &Path| std::path::absolute(path).ok();
        Settings {
            mode: if trusted { self.mode.or(mode).unwrap_or_default() } else { Mode::Off },
            dir: match self.dir {
                Some(dir) => anchored(&dir),
                None => dir.or_else(|| if trusted { dir::location() } else { None }),
            },
            system: match self.system {
                Some(dir) => anchored(&dir),
                None => system,
            },
            max_size: self.max_size.or(max_size).unwrap_or(limits::CACHE_BYTES),
            verify: self.verify.or(verify).unwrap_or_default(),
            fs,
            evict_every: self.evict_every.unwrap_or(EVICT_EVERY).max(1),
            path: self.path.unwrap_or(publish::Path::Unnamed),
            warnings: env.warnings,
            privileged: !trusted,
        }
    }
}

fn mode(text: &OsStr) -> Option<Mode> {
    match text.to_str()? {
        "off" => Some(Mode::Off),
        "ro" => Some(Mode::ReadOnly),
        "rw" => Some(Mode::ReadWrite),
        "refresh" => Some(Mode::Refresh),
        _ => None,
    }
}

fn verify(text: &OsStr) -> Option<Verify> {
    match text.to_str()? {
        "digest" => Some(Verify::Digest),
        "recompile" => Some(Verify::Recompile),
        _ => None,
    }
}

/// A number of bytes: digits, then nothing or one of K, M, G (powers of 1024).
///
/// ```
/// use genred::cache::size;
/// assert_eq!(size("512M"), Some(512 << 20));
/// assert_eq!(size("1.5G"), None);
/// ```
pub fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
