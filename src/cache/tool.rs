//! What the command-line tool shows and does; each method returns what it found.

use super::dir::{self, Root};
use super::entry;
use super::evict::{self, Item, Removed};
use super::key::{self, Field, Kind};
use super::load::{self, read_entry};
use super::stats::Reason;
use super::{Cache, Mode};
use crate::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// One file of the cache.
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Options};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path()));
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// sum.cache(&cache).compile()?;
/// let entries = cache.list();
/// assert!(entries[0].state.is_ok() && entries[0].path.starts_with(dir.path()));
/// assert!(entries[0].to_string().contains("Sum"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EntryInfo {
    /// The 64 digits of its key.
    pub key: String,
    /// Its file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Last use, to a day.
    pub used: SystemTime,
    /// What the file holds, or why it would not be used.
    pub state: Result<Contents, Reason>,
}

/// What an entry holds.
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Options};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path()));
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// sum.cache(&cache).compile()?;
/// let contents = cache.list()[0].state.clone().expect("it was written a moment ago");
/// assert_eq!(contents.kind, "native");
/// assert!(contents.fields.iter().any(|field| field.name == "reduction" && field.value == "Sum"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Contents {
    /// `native` or `cubin`.
    pub kind: &'static str,
    /// Bytes of code.
    pub code_bytes: usize,
    /// How long compiling took.
    pub compile_time: Duration,
    /// When it was compiled, in seconds since 1970.
    pub created: u64,
    /// What it was compiled from.
    pub fields: Vec<Field>,
}

/// Result of [`Cache::verify`].
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Options, Remove, Verified};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path()));
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// sum.cache(&cache).compile()?;
/// let Verified { checked, bad, removed, .. } = cache.verify(Remove::Bad);
/// assert!(checked == 1 && bad.is_empty() && removed == 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Entries looked at.
    pub checked: u64,
    /// Entries that would not be used.
    pub bad: Vec<(PathBuf, Reason)>,
    /// How many of them were removed.
    pub removed: u64,
}

/// What is on disk.
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Options, Disk};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path()));
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// sum.cache(&cache).compile()?;
/// let Disk { entries, bytes, max_size, .. } = cache.disk();
/// assert!(entries == 1 && bytes > 0 && bytes < max_size);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// The directory.
    pub path: Option<PathBuf>,
    /// Entries.
    pub entries: u64,
    /// Bytes that they take on disk.
    pub bytes: u64,
    /// Bytes that they may take.
    pub max_size: u64,
    /// Files on their way to become an entry, or left behind.
    pub unfinished: u64,
    /// Oldest and newest use.
    pub used: Option<(SystemTime, SystemTime)>,
}

/// Characters of a formula that a list shows.
const FORMULA_SHOWN: usize = 120;

/// One line of a list: key, size, kind, compile time, formula.
impl fmt::Display for EntryInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {:>9} B  ", &self.key[..16], self.bytes)?;
        match &self.state {
            Ok(contents) => {
                let field = |name| contents.fields.iter().find(|field| field.name == name);
                let text = |name| field(name).map_or("", |field| field.value.as_str());
                write!(f, "{:<6}  {:>8.1?}  ", contents.kind, contents.compile_time)?;
                let formula = text("formula").replace('\n', "; ");
                let shown =
                    formula.char_indices().nth(FORMULA_SHOWN).map(|(end, _)| &formula[..end]);
                write!(f, "{} {} ", text("reduction"), text("dtype"))?;
                match shown {
                    Some(begin) => write!(f, "{begin}..."),
                    None => f.write_str(&formula),
                }
            }
            Err(reason) => write!(f, "bad: {reason}"),
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<13} {}", "code bytes", self.code_bytes)?;
        writeln!(f, "{:<13} {:.1?}", "compile time", self.compile_time)?;
        write!(f, "{:<13} {}", "created", self.created)?;
        self.fields.iter().try_for_each(|field| write!(f, "\n{field}"))
    }
}

impl Cache {
    fn info(&self, root: &Root, shard: &OsStr, name: &OsStr) -> Option<EntryInfo> {
        let fs = self.fs();
        let digits = dir::entry_digits(name)?;
        let key = format!("{}{digits}", shard.to_str()?);
        let dir = root.shard(fs, shard).ok()?.ok()?;
        let meta = fs.stat_at(&dir, name).ok()?;
        let state = read_entry(fs, root, shard, name).ok()?.and_then(|file| {
            let decoded = entry::decode(&file)?;
            entry::consistent(&decoded, &key)?;
            Ok(Contents {
                kind: Kind::from_number(decoded.kind).map_or("?", Kind::name),
                code_bytes: decoded.code.len(),
                compile_time: Duration::from_nanos(decoded.compile_ns),
                created: decoded.created,
                fields: key::fields(decoded.key).ok_or(Reason::Fields)?,
            })
        });
        let path = root.path.join(dir::VERSION_DIR).join(shard).join(name);
        Some(EntryInfo { key, path, bytes: meta.size, used: meta.modified, state })
    }

    fn infos(&self, wanted: impl Fn(&OsStr, &OsStr) -> bool) -> Vec<EntryInfo> {
        let Some(root) = self.user() else { return Vec::new() };
        load::entry_names(self.fs(), &root)
            .iter()
            .filter(|(shard, name)| wanted(shard, name))
            .filter_map(|(shard, name)| self.info(&root, shard, name))
            .collect()
    }

    /// Every file that has an entry's name, sorted by key.
    ///
    /// ```
    /// use genred::Genred;
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()));
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// sum.cache(&cache).compile()?;
    /// assert_eq!(cache.list().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn list(&self) -> Vec<EntryInfo> {
        self.infos(|_, _| true)
    }

    /// The entry whose key begins with these digits.
    ///
    /// ```
    /// use genred::Genred;
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()));
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// sum.cache(&cache).compile()?;
    /// let key = cache.list()[0].key.clone();
    /// assert_eq!(cache.show(&key[..8])?.key, key);
    /// assert!(cache.show("no such digits").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is none or more than one.
    pub fn show(&self, prefix: &str) -> Result<EntryInfo, Error> {
        let begins = |shard: &OsStr, name: &OsStr| {
            let digits = dir::entry_digits(name).unwrap_or_default();
            format!("{}{digits}", shard.to_string_lossy()).starts_with(prefix)
        };
        let mut found = self.infos(begins);
        match (found.pop(), found.len()) {
            (Some(one), 0) => Ok(one),
            (Some(_), more) => {
                Err(Error::usage(format!("{} keys begin with `{prefix}`", more + 1)))
            }
            (None, _) => Err(Error::usage(format!("no key begins with `{prefix}`"))),
        }
    }

    /// Check every entry; `remove` those that would not be used.
    ///
    /// ```
    /// use genred::Genred;
    /// use genred::cache::{Cache, Options, Reason, Remove};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()));
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// sum.cache(&cache).compile()?;
    /// let path = cache.list()[0].path.clone();
    /// std::fs::write(&path, "damaged")?;
    /// let report = cache.verify(Remove::Bad);
    /// assert_eq!((report.bad, report.removed), (vec![(path, Reason::Size)], 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify(&self, remove: Remove) -> Verified {
        let mut report = Verified::default();
        let root = self.user();
        for info in self.list() {
            report.checked += 1;
            let Err(reason) = info.state else { continue };
            if remove == Remove::Bad
                && self.0.settings.mode != Mode::ReadOnly
                && let Some(root) = &root
                && self.unlink(root, &info.key)
            {
                report.removed += 1;
            }
            report.bad.push((info.path, reason));
        }
        report
    }

    fn unlink(&self, root: &Root, key: &str) -> bool {
        let (shard, name) = dir::names(key);
        let Ok(Ok(dir)) = root.shard(self.fs(), &shard) else { return false };
        self.fs().unlink(&dir, &name).or_else(|_| self.fs().remove_dir(&dir, &name)).is_ok()
    }

    /// Remove entries, least recently used first, until they take at most `to` bytes on disk; and those not used for `older`.
    ///
    /// ```
    /// use genred::Genred;
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()));
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// sum.cache(&cache).compile()?;
    /// assert_eq!(cache.prune(Some(1 << 20), None).entries, 0);
    /// assert_eq!(cache.prune(Some(0), None).entries, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prune(&self, to: Option<u64>, older: Option<Duration>) -> Removed {
        let Some(root) = self.user().filter(|_| self.writes()) else { return Removed::default() };
        let fs = self.fs();
        let now = fs.now();
        let mut items: Vec<(OsString, Item)> = Vec::new();
        for letter in dir::SHARDS.chars() {
            let shard = OsString::from(letter.to_string());
            let Ok(Ok(dir)) = root.shard(fs, &shard) else { continue };
            let found = evict::items(fs, &dir).unwrap_or_default();
            items.extend(found.into_iter().map(|item| (shard.clone(), item)));
        }
        items.sort_by_key(|(_, item)| (evict::age(now, item.used).is_some(), item.used));
        let mut total: u64 = items.iter().map(|(_, item)| item.bytes).sum();
        let mut removed = Removed::default();
        for (shard, item) in items {
            let age = evict::age(now, item.used);
            let old = older.is_some_and(|limit| age.is_some_and(|age| age > limit));
            if !old && to.is_none_or(|limit| total <= limit) {
                continue;
            }
            let Ok(Ok(dir)) = root.shard(fs, &shard) else { continue };
            if fs.unlink(&dir, &item.name).is_ok() {
                total -= item.bytes;
                removed.entries += 1;
                removed.bytes += item.bytes;
            }
        }
        removed.others = evict::debris(fs, &root, evict::DEBRIS) + evict::old_versions(fs, &root);
        removed
    }

    /// Remove every entry, and every file that was to become one and did not within a minute. Programs that use the cache meanwhile
    /// are not disturbed.
    ///
    /// ```
    /// use genred::Genred;
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()));
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// sum.cache(&cache).compile()?;
    /// assert_eq!((cache.clear().entries, cache.disk().entries), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self) -> Removed {
        let mut removed = self.prune(Some(0), None);
        if let Some(root) = self.user().filter(|_| self.writes()) {
            removed.others += evict::debris(self.fs(), &root, evict::DEBRIS_CLEARED);
        }
        removed
    }

    /// What is on disk.
    ///
    /// ```
    /// use genred::Genred;
    /// use genred::cache::{Cache, Options};
    /// let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Options::new().dir(dir.path()));
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// sum.cache(&cache).compile()?;
    /// assert_eq!((cache.disk().entries, cache.disk().path.as_deref()), (1, Some(dir.path())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn disk(&self) -> Disk {
        let mut disk = Disk { max_size: self.0.settings.max_size, ..Disk::default() };
        let Some(root) = self.user() else { return disk };
        let fs = self.fs();
        for letter in dir::SHARDS.chars() {
            let Ok(Ok(dir)) = root.shard(fs, OsStr::new(&letter.to_string())) else { continue };
            for item in evict::items(fs, &dir).unwrap_or_default() {
                disk.entries += 1;
                disk.bytes += item.bytes;
                let (first, last) = disk.used.unwrap_or((item.used, item.used));
                disk.used = Some((first.min(item.used), last.max(item.used)));
            }
        }
        if let Some(tmp) = super::publish::tmp_dir(fs, &root) {
            let names = fs.list(&tmp).unwrap_or_default();
            disk.unfinished = names.iter().filter(|name| dir::is_tmp(name)).count() as u64;
        }
        disk.path = Some(root.path.clone());
        disk
    }
}

/// What [`Cache::verify`] does with entries that would not be used.
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Options, Remove};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path()));
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// sum.cache(&cache).compile()?;
/// std::fs::write(&cache.list()[0].path, "damaged")?;
/// assert_eq!(cache.verify(Remove::Nothing).removed, 0);
/// assert_eq!(cache.verify(Remove::Bad).removed, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remove {
    /// They stay.
    Nothing,
    /// They go.
    Bad,
}
