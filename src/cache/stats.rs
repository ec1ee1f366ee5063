//! What the cache did: counters, and the reasons that they are kept by.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Declares a fieldless enum with a name and a sentence for each variant; one of them is the example.
macro_rules! reasons {
    ($(#[$doc:meta])* $type:ident ($example:literal $word:literal $whole:literal) { $($(#[doc = $text:literal])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        ///
        /// ```
        #[doc = concat!("use genred::cache::", stringify!($type), ";")]
        #[doc = concat!("assert_eq!(", $example, ".to_string(), ", stringify!($whole), ");")]
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[doc = $text])* $variant,)*
        }

        impl $type {
            /// Every one, in order.
            pub const ALL: &[$type] = &[$($type::$variant,)*];

            /// One word for it.
            ///
            /// ```
            #[doc = concat!("use genred::cache::", stringify!($type), ";")]
            #[doc = concat!("assert_eq!(", $example, ".name(), ", stringify!($word), ");")]
            /// ```
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }

            /// A sentence on it.
            ///
            /// ```
            #[doc = concat!("use genred::cache::", stringify!($type), ";")]
            #[doc = concat!("assert_eq!(", $example, ".sentence(), ", stringify!($whole), ");")]
            /// ```
            pub fn sentence(self) -> &'static str {
                match self { $($type::$variant => concat!($($text,)*).trim_ascii(),)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.sentence())
            }
        }
    };
}

reasons! {
    /// Why an entry was not used.
    Reason ("Reason::Digest" "digest" "The bytes are not those that were written.") {
        /// The shard is not a directory that only its owner can write.
        Shard = "shard",
        /// Something else than a regular file has the entry's name.
        NotAFile = "not-a-file",
        /// The file belongs to somebody else.
        Owner = "owner",
        /// Others may write to the file.
        Mode = "mode",
        /// The file has a second name.
        Links = "links",
        /// The file is too small or too large to be an entry.
        Size = "size",
        /// The file does not begin as an entry does.
        Magic = "magic",
        /// The entry is of another format version.
        Version = "version",
        /// The file is not as long as its header says.
        Length = "length",
        /// The bytes are not those that were written.
        Digest = "digest",
        /// A reserved header field is not zero, or the header has another length.
        Header = "header",
        /// The sections do not fill the file.
        Sections = "sections",
        /// The entry is another key's.
        Name = "name",
        /// The key fields differ although their digest does not.
        Fields = "fields",
        /// Kind, instruction set or argument block are not those of the key.
        Target = "target",
        /// The code needs instructions that this machine does not have.
        Features = "features",
        /// The loader does not accept the code section.
        Contents = "contents",
        /// Compiling again gave other code.
        Recompiled = "recompiled",
    }
}

reasons! {
    /// Why a kernel was not stored.
    StoreFailure ("StoreFailure::NoSpace" "no-space" "The disk or the quota is full.") {
        /// The entry is larger than the cache allows for one.
        TooLarge = "too-large",
        /// The limit on file sizes of this program is below the entry's size.
        FileSizeLimit = "file-size-limit",
        /// The disk or the quota is full.
        NoSpace = "no-space",
        /// The file system is read-only, or the directory may not be written to.
        NotWritable = "not-writable",
        /// The directory has gone and could not be created again.
        Gone = "gone",
        /// The operating system refused for another reason.
        Io = "io",
    }
}

/// Relaxed counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) memory_hits: AtomicU64,
    pub(super) disk_hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) unreadable: AtomicU64,
    pub(super) stores: AtomicU64,
    pub(super) lost_races: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) load_ns: AtomicU64,
    pub(super) compile_ns: AtomicU64,
    pub(super) saved_ns: AtomicU64,
    rejected: [AtomicU64; Reason::ALL.len()],
    store_failures: [AtomicU64; StoreFailure::ALL.len()],
}

pub(super) fn add(counter: &AtomicU64, amount: u64) -> u64 {
    counter.fetch_add(amount, Relaxed)
}

impl Counters {
    /// Count a rejection; whether it is the first one for this reason.
    pub(super) fn rejected(&self, reason: Reason) -> bool {
        add(&self.rejected[reason as usize], 1) == 0
    }

    /// Count a failed store; whether it is the first one for this reason.
    pub(super) fn failed(&self, failure: StoreFailure) -> bool {
        add(&self.store_failures[failure as usize], 1) == 0
    }

    pub(super) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let time = |counter: &AtomicU64| Duration::from_nanos(counter.load(Relaxed));
        let rejected = Reason::ALL.iter().zip(&self.rejected).map(|(r, c)| (*r, read(c)));
        let failures =
            StoreFailure::ALL.iter().zip(&self.store_failures).map(|(r, c)| (*r, read(c)));
        Stats {
            memory_hits: read(&self.memory_hits),
            disk_hits: read(&self.disk_hits),
            misses: read(&self.misses),
            unreadable: read(&self.unreadable),
            rejected: rejected.filter(|(_, count)| *count > 0).collect(),
            stores: read(&self.stores),
            lost_races: read(&self.lost_races),
            store_failures: failures.filter(|(_, count)| *count > 0).collect(),
            evicted: read(&self.evicted),
            load_time: time(&self.load_ns),
            compile_time: time(&self.compile_ns),
            saved_time: time(&self.saved_ns),
        }
    }
}

/// What a cache did since it was opened, in this program.
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Mode, Options};
/// let cache = Cache::open(Options::new().mode(Mode::Off));
/// let compile = || Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).cache(&cache).compile();
/// (compile()?, compile()?);
/// let stats = cache.stats();
/// assert_eq!((stats.memory_hits, stats.disk_hits, stats.stores), (1, 0, 0));
/// assert!(stats.to_string().starts_with("memory hits     1\n"));
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Kernels found in memory.
    pub memory_hits: u64,
    /// Kernels found on disk and used.
    pub disk_hits: u64,
    /// Kernels looked for on disk and not found, or found and not used.
    pub misses: u64,
    /// Entries that the operating system did not let us read.
    pub unreadable: u64,
    /// Entries found and not used, by reason; only what occurred.
    pub rejected: Vec<(Reason, u64)>,
    /// Entries written.
    pub stores: u64,
    /// Entries not written because another one was faster.
    pub lost_races: u64,
    /// Entries that could not be written, by reason; only what occurred.
    pub store_failures: Vec<(StoreFailure, u64)>,
    /// Entries removed to keep within the limit.
    pub evicted: u64,
    /// Time spent on reading and checking entries that were used.
    pub load_time: Duration,
    /// Time spent on compiling.
    pub compile_time: Duration,
    /// What compiling the kernels found on disk had taken, less the time to load them.
    pub saved_time: Duration,
}

impl Stats {
    /// How often entries were rejected for a reason.
    ///
    /// ```
    /// use genred::cache::{Reason, Stats};
    /// let mut stats = Stats::default();
    /// stats.rejected = vec![(Reason::Digest, 2), (Reason::Owner, 1)];
    /// assert_eq!((stats.rejected(Reason::Digest), stats.rejected(Reason::Magic)), (2, 0));
    /// ```
    pub fn rejected(&self, reason: Reason) -> u64 {
        self.rejected.iter().find(|(r, _)| *r == reason).map_or(0, |(_, count)| *count)
    }

    /// How often entries were rejected.
    ///
    /// ```
    /// use genred::cache::{Reason, Stats};
    /// let mut stats = Stats::default();
    /// stats.rejected = vec![(Reason::Digest, 2), (Reason::Owner, 1)];
    /// assert_eq!(stats.rejections(), 3);
    /// ```
    pub fn rejections(&self) -> u64 {
        self.rejected.iter().map(|(_, count)| count).sum()
    }

    /// How often storing failed for a reason.
    ///
    /// ```
    /// use genred::cache::{Stats, StoreFailure};
    /// let mut stats = Stats::default();
    /// stats.store_failures = vec![(StoreFailure::NoSpace, 4)];
    /// assert_eq!(stats.store_failures(StoreFailure::NoSpace), 4);
    /// ```
    pub fn store_failures(&self, failure: StoreFailure) -> u64 {
        self.store_failures.iter().find(|(f, _)| *f == failure).map_or(0, |(_, count)| *count)
    }
}

/// One line a counter.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "memory hits     {}", self.memory_hits)?;
        writeln!(f, "disk hits       {}", self.disk_hits)?;
        writeln!(f, "misses          {}", self.misses)?;
        writeln!(f, "unreadable      {}", self.unreadable)?;
        for (reason, count) in &self.rejected {
            writeln!(f, "rejected        {count}  {} ({reason})", reason.name())?;
        }
        writeln!(f, "stores          {}", self.stores)?;
        writeln!(f, "lost races      {}", self.lost_races)?;
        for (failure, count) in &self.store_failures {
            writeln!(f, "not stored      {count}  {} ({failure})", failure.name())?;
        }
        writeln!(f, "evicted         {}", self.evicted)?;
        writeln!(f, "load time       {:.1?}", self.load_time)?;
        writeln!(f, "compile time    {:.1?}", self.compile_time)?;
        write!(f, "saved time      {:.1?}", self.saved_time)
    }
}
