//! The kernel cache: bytes in, bytes out.
//!
//! A kernel that was compiled once is found again by later programs of the same user. What is stored is checked whole before any
//! of it runs, and whatever is wrong with it costs the time to compile again, never a wrong result and never an error. The format
//! and the protocol are written down in `cache-format.md`; this module knows nothing of formulas or instruction sets.
//!
//! # For users
//!
//! *Where it is.* In `genred` in the platform's directory for caches: `~/.cache/genred` on Linux. `GENRED_CACHE_DIR`, or
//! [`Options::dir`], puts it elsewhere. `genred cache path` prints it.
//!
//! *How big it gets.* At most 512 MiB, or `GENRED_CACHE_MAX_SIZE` (`64M`, `2G`); kernels not used for 90 days go in any case.
//!
//! *How to turn it off.* `GENRED_CACHE=off`. With `ro` nothing on disk is changed, with `refresh` everything is compiled anew and
//! replaced. Kernels of this program are found in memory in any case.
//!
//! *What happens when it is broken.* Nothing. Nobody ever has to clear it, and it may be cleared at any time.
//!
//! *Who can put kernels there.* Only this user. A directory that somebody else owns or can write to is not used: then kernels are
//! kept in memory, and [`Cache::refused`] says which directory is at fault. `GENRED_CACHE_SYSTEM` names a second one that
//! root may own as well and that is only read, for images and clusters that ship kernels.
//!
//! # For readers of the code
//!
//! ```text
//! key      fields -> Key {bytes, digest}          entry    Key, code <-> bytes of a file; decoding is total
//! dir      where, and whether it can be trusted   publish  bytes -> a name in a shard, whole or not at all
//! evict    keeps a shard within its quota         memory   kernels of this program, made once
//! options  program, environment, default          stats    counters and reasons
//! fs       the calls to the operating system      tool     list, show, verify, prune, clear
//! ```

#[doc(hidden)]
pub mod dir;
#[doc(hidden)]
pub mod entry;
#[doc(hidden)]
pub mod evict;
#[doc(hidden)]
pub mod fs;
#[doc(hidden)]
pub mod key;
mod load;
#[doc(hidden)]
pub mod memory;
mod options;
#[doc(hidden)]
pub mod publish;
mod stats;
mod store;
mod tool;

#[cfg(test)]
mod tests;

#[doc(hidden)]
pub use entry::Compiled;
pub use evict::Removed;
pub use key::Field;
#[doc(hidden)]
pub use key::{Difference, Fields, Key, Kind};
#[doc(hidden)]
pub use load::{Loaded, Miss, Nearest};
#[doc(hidden)]
pub use memory::{Found, Raw};
pub use options::{Mode, Options, Verify, size};
pub use stats::{Reason, Stats, StoreFailure};
pub use tool::{Contents, Disk, EntryInfo, Remove, Verified};

use crate::environment;
use crate::limits;
use dir::{Missing, Refusal, Root, Tier};
use memory::{Bounds, Memory};
use options::Settings;
use stats::{Counters, add};
use std::any::Any;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

/// Where a kernel came from.
///
/// ```
/// use genred::cache::{Cache, Options};
/// use genred::{Genred, Origin};
/// let dir = tempfile::tempdir()?;
/// let compile = |cache: &Cache| {
///     let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
///     sum.cache(cache).compile().map(|kernel| kernel.origin())
/// };
/// let options = Options::new().dir(dir.path());
/// assert_eq!(compile(&Cache::open(options.clone()))?, Origin::Compiled);
/// assert_eq!(compile(&Cache::open(options))?, Origin::Disk);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// It was compiled.
    Compiled,
    /// It was in memory already.
    Memory,
    /// It was read from this user's cache.
    Disk,
    /// It was read from the cache that is shared and never written.
    System,
}

impl Origin {
    /// As printed.
    ///
    /// ```
    /// assert_eq!(genred::Origin::Disk.name(), "disk");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Origin::Compiled => "compiled",
            Origin::Memory => "memory",
            Origin::Disk => "disk",
            Origin::System => "system",
        }
    }
}

/// A cache of compiled kernels: in memory, and on disk where that is possible; cheap to clone.
///
/// Opening never fails and nothing that goes wrong later is an error: [`stats`](Self::stats) and [`refused`](Self::refused) say
/// what happened.
///
/// ```
/// use genred::cache::{Cache, Options};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path().join("kernels")));
/// assert_eq!(cache.stats().stores, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    settings: Settings,
    /// Replaced if the directory is found to be gone.
    user: RwLock<Option<Arc<Root>>>,
    system: Option<Root>,
    refused: Option<String>,
    counters: Counters,
    memory: Memory<Arc<dyn Any + Send + Sync>>,
    stores_off: AtomicBool,
    unnamed_off: AtomicBool,
    stores_until_evict: AtomicU32,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("mode", &self.0.settings.mode)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl Cache {
    /// Open a cache.
    ///
    /// ```
    /// use genred::cache::{Cache, Mode, Options};
    /// let dir = tempfile::tempdir()?;
    /// assert_eq!(Cache::open(Options::new().dir(dir.path())).path().as_deref(), Some(dir.path()));
    /// assert_eq!(Cache::open(Options::new().dir(dir.path()).mode(Mode::Off)).path(), None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(options: Options) -> Cache {
        let mut settings = options.settle(&environment::var_os);
        for warning in settings.warnings.drain(..) {
            tracing::warn!(target: "genred::cache", "{warning}");
        }
        let fs = Arc::clone(&settings.fs);
        let missing = match settings.mode {
            Mode::Off | Mode::ReadOnly => Missing::Report,
            Mode::ReadWrite | Mode::Refresh => Missing::Create,
        };
        let mut refused = None;
        if settings.privileged {
            refused = Some("this program runs with more rights than its user".into());
        }
        let mut open = |path: &Path, tier, missing| match Root::open(&*fs, path, tier, missing) {
            Ok(root) => Some(root),
            Err(refusal) => {
                if matches!(refusal, Refusal::Because(_)) {
                    tracing::warn!(target: "genred::cache", "kernels are not cached: {refusal}");
                    refused.get_or_insert(refusal.to_string());
                }
                None
            }
        };
        let on = settings.mode != Mode::Off;
        let dirs = |path: &Option<_>| if on { path.clone() } else { None };
        let (user, system) = (dirs(&settings.dir), dirs(&settings.system));
        let user = user.and_then(|path| open(&path, Tier::User, missing));
        let system = system.and_then(|path| open(&path, Tier::System, Missing::Report));
        if on && settings.dir.is_none() {
            let why = "this platform or user has no cache directory";
            tracing::warn!(target: "genred::cache", "kernels are not cached: {why}");
            refused.get_or_insert(why.into());
        }
        let bounds = Bounds { kernels: limits::MEMORY_KERNELS, bytes: limits::MEMORY_BYTES };
        // A program that stores one kernel and ends must look after the cache as often as one that stores many.
        let until = publish::random() % u64::from(settings.evict_every);
        let cache = Cache(Arc::new(Inner {
            user: RwLock::new(user.map(Arc::new)),
            system,
            refused,
            counters: Counters::default(),
            memory: Memory::new(bounds),
            stores_off: AtomicBool::new(false),
            unnamed_off: AtomicBool::new(settings.path == publish::Path::Renamed),
            stores_until_evict: AtomicU32::new(until as u32),
            settings,
        }));
        cache.mark_used();
        cache
    }

    /// The cache of this program: opened at its first use with what the environment says.
    ///
    /// ```
    /// use genred::{Cache, generic_sum};
    /// let before = Cache::shared().stats();
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let again = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// assert!(Cache::shared().stats().memory_hits > before.memory_hits);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn shared() -> &'static Cache {
        static SHARED: OnceLock<Cache> = OnceLock::new();
        SHARED.get_or_init(|| Cache::open(Options::new()))
    }

    /// The directory on disk, if it is used.
    ///
    /// ```
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path().join("kernels")));
    /// assert_eq!(cache.path(), Some(dir.path().join("kernels")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn path(&self) -> Option<std::path::PathBuf> {
        self.user().map(|root| root.path.clone())
    }

    /// Why the disk is not used although it was to be.
    ///
    /// ```
    /// use genred::cache::{Cache, Options};
    /// let file = tempfile::NamedTempFile::new()?;
    /// // No directory: kernels are kept in memory only.
    /// let cache = Cache::open(Options::new().dir(file.path()));
    /// assert!(cache.path().is_none() && cache.refused().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn refused(&self) -> Option<&str> {
        self.0.refused.as_deref()
    }

    /// What was done so far.
    ///
    /// ```
    /// use genred::Genred;
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()));
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// sum.cache(&cache).compile()?;
    /// assert_eq!((cache.stats().misses, cache.stats().stores), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.0.counters.snapshot()
    }

    /// Forget the kernels in memory; those in use live on.
    ///
    /// ```
    /// use genred::cache::{Cache, Options};
    /// use genred::{Genred, Origin};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()));
    /// let compile = || Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).cache(&cache).compile();
    /// compile()?;
    /// cache.clear_memory();
    /// assert_eq!(compile()?.origin(), Origin::Disk);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_memory(&self) {
        self.0.memory.clear();
    }

    /// The kernel that the same texts gave before in this program.
    #[doc(hidden)]
    pub fn recall<V: Any + Send + Sync>(&self, raw: &Raw) -> Option<Arc<V>> {
        let value = self.0.memory.recall(raw)?.downcast().ok()?;
        add(&self.0.counters.memory_hits, 1);
        Some(value)
    }

    /// The kernel of a key: from memory, or made by `make`, which also says how many bytes it holds and where it came from.
    /// Of several threads one makes it.
    ///
    /// # Errors
    /// What `make` returns.
    #[doc(hidden)]
    pub fn once<V: Any + Send + Sync, E>(
        &self,
        raw: &Raw,
        key: &Key,
        make: impl FnOnce() -> Result<(Arc<V>, usize, Origin), E>,
    ) -> Result<(Arc<V>, Origin), E> {
        let mut origin = Origin::Memory;
        let made = |make: Result<(Arc<V>, usize, Origin), E>, origin: &mut Origin| {
            let (value, bytes, from) = make?;
            *origin = from;
            Ok((value as Arc<dyn Any + Send + Sync>, bytes))
        };
        let (value, found) = self.0.memory.once(raw, key.digest(), || made(make(), &mut origin))?;
        if found == Found::Here {
            add(&self.0.counters.memory_hits, 1);
        }
        let value = value.downcast().expect("the key says what type the kernel has");
        Ok((value, origin))
    }

    /// The kernel of a key, if it is on disk and `accept` takes it; for kernels that several keys may name. Nothing where
    /// everything is to be compiled again.
    #[doc(hidden)]
    pub fn recover<V, E>(
        &self,
        key: &Key,
        accept: impl Fn(&[u8]) -> Result<V, E>,
    ) -> Option<(V, Origin)> {
        if self.0.settings.verify == Verify::Recompile {
            return None;
        }
        let loaded = self.load(key, 0).ok()?;
        match accept(loaded.code()) {
            Ok(kernel) => Some((kernel, loaded.origin())),
            Err(_) => {
                self.reject(&loaded, Reason::Contents);
                None
            }
        }
    }

    /// The kernel of a key: read from disk, or compiled and stored.
    ///
    /// `accept` turns a code section into a kernel. If it does not accept what was on disk, that is compiled again.
    ///
    /// # Errors
    /// What `compile` returns, or `accept` for code that was just compiled.
    #[doc(hidden)]
    pub fn obtain<V, E>(
        &self,
        key: &Key,
        host_features: u64,
        accept: impl Fn(&[u8]) -> Result<V, E>,
        compile: impl FnOnce() -> Result<Compiled, E>,
    ) -> Result<(V, Origin), E> {
        let mut cached = None;
        if let Ok(loaded) = self.load(key, host_features) {
            match self.0.settings.verify {
                Verify::Recompile => cached = Some(loaded),
                Verify::Digest => match accept(loaded.code()) {
                    Ok(kernel) => return Ok((kernel, loaded.origin())),
                    Err(_) => self.reject(&loaded, Reason::Contents),
                },
            }
        }
        let compiled = compile()?;
        add(&self.0.counters.compile_ns, compiled.compile_ns);
        let kernel = accept(&compiled.code)?;
        let same = cached.as_ref().is_some_and(|loaded| loaded.code() == compiled.code);
        if let Some(loaded) = &cached
            && !same
        {
            self.reject(loaded, Reason::Recompiled);
        }
        if !same {
            self.store(key, &compiled);
        }
        Ok((kernel, Origin::Compiled))
    }

    /// What is done before an entry is trusted.
    ///
    /// ```
    /// use genred::cache::{Cache, Mode, Options, Verify};
    /// let cache = Cache::open(Options::new().mode(Mode::Off).verify(Verify::Recompile));
    /// assert_eq!(cache.verify_mode(), Verify::Recompile);
    /// ```
    pub fn verify_mode(&self) -> Verify {
        self.0.settings.verify
    }

    fn user(&self) -> Option<Arc<Root>> {
        // A forked child may find this locked for good; then it has no disk.
        let user = self.0.user.try_read().ok()?;
        user.clone()
    }

    fn fs(&self) -> &dyn fs::Fs {
        &*self.0.settings.fs
    }

    fn writes(&self) -> bool {
        matches!(self.0.settings.mode, Mode::ReadWrite | Mode::Refresh)
    }
}

/// Nanoseconds of a duration.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
