//! How the cache stays within its limit: one shard at a time, oldest first, and only files of our own patterns.

use super::dir::{self, Root, SHARDS, VERSION_DIR};
use super::fs::{Dir, Fs, Kind};
use super::publish;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A hit refreshes the time of an entry that was not used for this long.
pub const REFRESH_AFTER: Duration = DAY;
/// Entries not used for this long go.
pub const UNUSED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Directories of older format versions not used for this long go.
pub const OLD_VERSION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Files on their way to an entry are debris after this long.
pub const DEBRIS: Duration = Duration::from_secs(60 * 60);
/// The same when everything is to go: writing one takes milliseconds, and nobody who is about to is disturbed.
pub const DEBRIS_CLEARED: Duration = Duration::from_secs(60);
/// What a file takes on disk is a multiple of this.
const BLOCK: u64 = 4096;

/// What was removed.
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Options, Removed};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path()));
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// sum.cache(&cache).compile()?;
/// let Removed { entries, bytes, .. } = cache.clear();
/// assert!(entries == 1 && bytes >= 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Entries.
    pub entries: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// Other files: debris, and entries of older versions.
    pub others: u64,
}

/// One entry's file.
#[derive(Clone, Debug)]
pub struct Item {
    /// File name.
    pub name: OsString,
    /// Bytes on disk.
    pub bytes: u64,
    /// Last use.
    pub used: SystemTime,
}

/// Bytes on disk of a file of a size; an empty one takes room as well.
pub fn on_disk(size: u64) -> u64 {
    size.div_ceil(BLOCK).max(1).saturating_mul(BLOCK)
}

/// Time since a last use; `None` if that is in the future by more than clocks of two machines may differ.
///
/// A file from the future has a time that nobody can have used it at, so it counts as the oldest of all when room is made;
/// but it is not *known* to be unused for any time, so it does not go for that: a clock set back must not empty the cache.
pub fn age(now: SystemTime, used: SystemTime) -> Option<Duration> {
    match now.duration_since(used) {
        Ok(age) => Some(age),
        Err(ahead) => (ahead.duration() <= DAY).then_some(Duration::ZERO),
    }
}

/// The entries of a shard, oldest first.
pub fn items(fs: &dyn Fs, shard: &Dir) -> io::Result<Vec<Item>> {
    let now = fs.now();
    let mut items = Vec::new();
    for name in fs.list(shard)? {
        if dir::entry_digits(&name).is_none() {
            continue;
        }
        // Gone meanwhile, or no entry: neither is our business.
        let Ok(meta) = fs.stat_at(shard, &name) else { continue };
        if meta.kind == Kind::File {
            items.push(Item { name, bytes: on_disk(meta.size), used: meta.modified });
        }
    }
    items.sort_by(|a, b| {
        let key = |item: &Item| (age(now, item.used).is_some(), item.used);
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(items)
}

/// What to remove from a shard.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Bytes on disk above which room is made.
    pub quota: u64,
    /// Bytes on disk that are left when room is made.
    pub target: u64,
    /// Age from which entries go in any case.
    pub unused: Duration,
    /// The entry that stays.
    pub keep: Option<&'a OsStr>,
}

impl<'a> Limits<'a> {
    /// The limits of a shard of a cache of `max_size` bytes that was just given an entry.
    pub fn of(max_size: u64, keep: &'a OsStr) -> Limits<'a> {
        let quota = quota(max_size);
        // Down to three quarters, so that not every store makes room.
        Limits { quota, target: quota - quota / 4, unused: UNUSED, keep: Some(keep) }
    }
}

/// A shard's part of the cache.
pub fn quota(max_size: u64) -> u64 {
    max_size / SHARDS.len() as u64
}

/// Remove what is too old or too much.
///
/// # Errors
/// If the shard cannot be listed. An entry that cannot be removed is skipped.
pub fn shard(fs: &dyn Fs, shard: &Dir, limits: &Limits<'_>) -> io::Result<Removed> {
    let now = fs.now();
    let items = items(fs, shard)?;
    let mut total: u64 = items.iter().map(|item| item.bytes).sum();
    let over = total > limits.quota;
    let mut removed = Removed::default();
    for item in &items {
        let old = age(now, item.used).is_some_and(|age| age > limits.unused);
        let much = over && total > limits.target;
        if (old || much) && limits.keep != Some(&item.name) && fs.unlink(shard, &item.name).is_ok()
        {
            total -= item.bytes;
            removed.entries += 1;
            removed.bytes += item.bytes;
        }
    }
    Ok(removed)
}

/// Remove what killed programs left behind; how many files.
pub fn debris(fs: &dyn Fs, root: &Root, older: Duration) -> u64 {
    let Some(tmp) = publish::tmp_dir(fs, root) else { return 0 };
    let now = fs.now();
    let mut removed = 0;
    for name in fs.list(&tmp).unwrap_or_default() {
        if !dir::is_tmp(&name) {
            continue;
        }
        let Ok(meta) = fs.stat_at(&tmp, &name) else { continue };
        let old = age(now, meta.modified).is_none_or(|age| age >= older);
        if meta.kind == Kind::File && old && fs.unlink(&tmp, &name).is_ok() {
            removed += 1;
        }
    }
    removed
}

/// Remove entries of older format versions that nobody used for a month; how many files. Newer versions are left alone.
pub fn old_versions(fs: &dyn Fs, root: &Root) -> u64 {
    let this: u32 = VERSION_DIR[1..].parse().expect("`v` and a number");
    let mut removed = 0;
    for name in fs.list(&root.top).unwrap_or_default() {
        let number = name.to_str().and_then(|n| n.strip_prefix('v')).and_then(|n| n.parse().ok());
        if number.is_some_and(|number: u32| number < this && name == *format!("v{number}")) {
            removed += old_version(fs, root, &name);
        }
    }
    removed
}

fn old_version(fs: &dyn Fs, root: &Root, name: &OsStr) -> u64 {
    let Ok(old) = fs.open_dir(&root.top, name) else { return 0 };
    let used = fs.stat_at(&old, OsStr::new(dir::USED)).or_else(|_| fs.stat_dir(&old));
    let Ok(used) = used else { return 0 };
    if age(fs.now(), used.modified).is_none_or(|age| age < OLD_VERSION) {
        return 0;
    }
    let mut removed = 0;
    let tmp = OsStr::new(dir::TMP);
    let shards: Vec<OsString> = SHARDS.chars().map(|c| c.to_string().into()).collect();
    for shard in shards.iter().map(OsString::as_os_str).chain([tmp]) {
        let Ok(inner) = fs.open_dir(&old, shard) else { continue };
        for file in fs.list(&inner).unwrap_or_default() {
            let ours = dir::entry_digits(&file).is_some() || (shard == tmp && dir::is_tmp(&file));
            if ours && fs.unlink(&inner, &file).is_ok() {
                removed += 1;
            }
        }
        // Fails if anything is left that is not ours, as it should.
        let _ = fs.remove_dir(&old, shard);
    }
    let _ = fs.unlink(&old, OsStr::new(dir::USED));
    let _ = fs.remove_dir(&root.top, name);
    removed
}
