//! From a key to the code that was stored for it, if all of it is right.

use super::dir::{self, Root, Tier};
use super::entry::{self, MAX_BYTES, MIN_BYTES};
use super::evict;
use super::fs::{self, Fs, Kind, Meta};
use super::key::{self, Difference, Key};
use super::stats::{Reason, add};
use super::{Cache, Mode, Origin, nanoseconds};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::time::{Instant, SystemTime};

/// Why there is nothing to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The disk is not used for loading.
    Off,
    /// There is no entry.
    Absent,
    /// There is one, and it is not used.
    Rejected(Reason),
    /// The operating system did not let us read it.
    Unreadable(io::ErrorKind),
}

/// The code of an entry; the bytes are in memory of this program and were checked there.
#[derive(Debug)]
pub struct Loaded {
    file: Vec<u8>,
    code: Range<usize>,
    /// How long compiling it took, in nanoseconds.
    pub compile_ns: u64,
    /// When it was compiled, in seconds since 1970.
    pub created: u64,
    tier: Tier,
    shard: OsString,
    name: OsString,
    stamp: Stamp,
}

impl Loaded {
    /// The code section.
    pub fn code(&self) -> &[u8] {
        &self.file[self.code.clone()]
    }

    /// Which tier it came from.
    pub fn origin(&self) -> Origin {
        match self.tier {
            Tier::User => Origin::Disk,
            Tier::System => Origin::System,
        }
    }
}

/// Tells a file from one that took its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: SystemTime,
}

impl Stamp {
    fn of(meta: &Meta) -> Stamp {
        Stamp { inode: meta.inode, size: meta.size, modified: meta.modified }
    }
}

/// How far an attempt came.
enum Attempt {
    Miss(Miss),
    /// With what to remove.
    Rejected(Reason, Option<Stamp>),
    /// With the open file.
    Hit(Box<Loaded>, File),
}

impl From<io::Error> for Attempt {
    fn from(error: io::Error) -> Attempt {
        Attempt::Miss(match error.kind() {
            io::ErrorKind::NotFound => Miss::Absent,
            kind => Miss::Unreadable(kind),
        })
    }
}

/// Whether a file may be an entry, before it is read.
fn inspect(fs: &dyn Fs, tier: Tier, meta: &Meta) -> Result<(), Reason> {
    if meta.kind != Kind::File {
        return Err(Reason::NotAFile);
    }
    if !dir::owner_is_trusted(fs, tier, meta.owner) {
        return Err(Reason::Owner);
    }
    if dir::others_write(meta) {
        return Err(Reason::Mode);
    }
    // None at all is an entry that was evicted after it was opened: nothing is wrong with it.
    if meta.links > 1 {
        return Err(Reason::Links);
    }
    if !(MIN_BYTES..=MAX_BYTES).contains(&meta.size) {
        return Err(Reason::Size);
    }
    Ok(())
}

/// Read a file that passed [`inspect`].
fn read(fs: &dyn Fs, file: &File, size: u64) -> io::Result<Vec<u8>> {
    // One byte more than there should be shows a file that grows.
    fs::read_up_to(fs, file, usize::try_from(size + 1).map_err(io::Error::other)?)
}

fn attempt(fs: &dyn Fs, root: &Root, key: &Key, host_features: u64) -> Attempt {
    let (shard_name, name) = dir::names(&key.hex());
    let rejected = Attempt::Rejected;
    let shard = match root.shard(fs, &shard_name) {
        Ok(Ok(shard)) => shard,
        Ok(Err(())) => return rejected(Reason::Shard, None),
        Err(error) => return error.into(),
    };
    let file = match fs::again(|| fs.open(&shard, &name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return error.into(),
        // Links and sockets cannot be opened at all.
        Err(error) => match fs.stat_at(&shard, &name) {
            Ok(meta) if meta.kind != Kind::File => {
                return rejected(Reason::NotAFile, Some(Stamp::of(&meta)));
            }
            _ => return error.into(),
        },
    };
    let meta = match fs.stat(&file) {
        Ok(meta) => meta,
        Err(error) => return error.into(),
    };
    let stamp = Stamp::of(&meta);
    if let Err(reason) = inspect(fs, root.tier, &meta) {
        return rejected(reason, Some(stamp));
    }
    let bytes = match read(fs, &file, meta.size) {
        Ok(bytes) => bytes,
        Err(error) => return error.into(),
    };
    let checked = entry::decode(&bytes).and_then(|decoded| {
        entry::matches(&decoded, key, host_features)?;
        Ok((decoded.code, decoded.compile_ns, decoded.created))
    });
    let (code, compile_ns, created) = match checked {
        Ok(checked) => checked,
        Err(reason) => return rejected(reason, Some(stamp)),
    };
    let tier = root.tier;
    let loaded =
        Loaded { file: bytes, code, compile_ns, created, tier, shard: shard_name, name, stamp };
    Attempt::Hit(Box::new(loaded), file)
}

impl Cache {
    /// The code stored for a key.
    ///
    /// # Errors
    /// With the reason why there is none. An entry that is not used is removed, so that it can be replaced.
    #[doc(hidden)]
    pub fn load(&self, key: &Key, host_features: u64) -> Result<Loaded, Miss> {
        if !matches!(self.0.settings.mode, Mode::ReadOnly | Mode::ReadWrite) {
            return Err(Miss::Off);
        }
        let start = Instant::now();
        let user = self.user();
        let roots = [user.as_deref(), self.0.system.as_ref()];
        let mut miss = Miss::Off;
        for root in roots.into_iter().flatten() {
            match attempt(self.fs(), root, key, host_features) {
                Attempt::Hit(mut loaded, file) => {
                    self.count_hit(key, &loaded, start);
                    self.refresh(&mut loaded, &file);
                    return Ok(*loaded);
                }
                Attempt::Miss(found) => {
                    if let Miss::Unreadable(kind) = found {
                        add(&self.0.counters.unreadable, 1);
                        tracing::debug!(target: "genred::cache", ?key, %kind, "unreadable");
                    }
                    if !matches!(miss, Miss::Rejected(_)) {
                        miss = found;
                    }
                }
                Attempt::Rejected(reason, stamp) => {
                    let (shard, name) = dir::names(&key.hex());
                    self.drop_entry(root, &shard, &name, stamp, reason);
                    miss = Miss::Rejected(reason);
                }
            }
        }
        if miss != Miss::Off {
            add(&self.0.counters.misses, 1);
            tracing::debug!(target: "genred::cache", ?key, ?miss, "miss");
        }
        Err(miss)
    }

    /// Say that a loaded entry is not used after all; it is removed.
    #[doc(hidden)]
    pub fn reject(&self, loaded: &Loaded, reason: Reason) {
        let user = self.user();
        let root = match loaded.tier {
            Tier::User => user.as_deref(),
            Tier::System => self.0.system.as_ref(),
        };
        if let Some(root) = root {
            self.drop_entry(root, &loaded.shard, &loaded.name, Some(loaded.stamp), reason);
        }
    }

    fn count_hit(&self, key: &Key, loaded: &Loaded, start: Instant) {
        let load_ns = nanoseconds(start.elapsed());
        add(&self.0.counters.disk_hits, 1);
        add(&self.0.counters.load_ns, load_ns);
        add(&self.0.counters.saved_ns, loaded.compile_ns.saturating_sub(load_ns));
        tracing::debug!(target: "genred::cache", ?key, load_ns, "hit");
    }

    /// Remember the use of an entry that was not used for a day.
    fn refresh(&self, loaded: &mut Loaded, file: &File) {
        if !self.writes() || loaded.tier == Tier::System {
            return;
        }
        let fs = self.fs();
        let now = fs.now();
        // One from the far future is given a time that somebody can have used it at.
        if evict::age(now, loaded.stamp.modified).is_some_and(|age| age < evict::REFRESH_AFTER) {
            return;
        }
        if fs.touch(file, now).is_ok()
            && let Ok(meta) = fs.stat(file)
        {
            loaded.stamp = Stamp::of(&meta);
        }
    }

    /// Count a rejection and remove the entry, unless it was replaced meanwhile or is not ours to remove.
    fn drop_entry(
        &self,
        root: &Root,
        shard: &OsStr,
        name: &OsStr,
        stamp: Option<Stamp>,
        reason: Reason,
    ) {
        let shown = root.path.join(dir::VERSION_DIR).join(shard).join(name);
        if self.0.counters.rejected(reason) {
            tracing::warn!(target: "genred::cache", file = %shown.display(), "entry not used: {reason}");
        } else {
            tracing::debug!(target: "genred::cache", file = %shown.display(), "entry not used: {reason}");
        }
        // Code for another machine is right where it is: the directory may be shared.
        let stays = reason == Reason::Features || root.tier == Tier::System || !self.writes();
        if let Some(stamp) = stamp
            && !stays
        {
            remove_unchanged(self.fs(), root, shard, name, stamp);
        }
    }
}

fn remove_unchanged(fs: &dyn Fs, root: &Root, shard: &OsStr, name: &OsStr, stamp: Stamp) {
    let Ok(Ok(shard)) = root.shard(fs, shard) else { return };
    let Ok(meta) = fs.stat_at(&shard, name) else { return };
    if Stamp::of(&meta) == stamp {
        let _ = match meta.kind {
            Kind::Dir => fs.remove_dir(&shard, name),
            _ => fs.unlink(&shard, name),
        };
    }
}

/// The entry that is most like one that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The 64 digits of its key.
    pub key: String,
    /// The fields in which it differs.
    pub differences: Vec<Difference>,
}

/// Entries that are looked at to explain a miss.
const SCANNED: usize = 4096;

impl Cache {
    /// Explain a miss: the entry of this cache that differs from `key` in the fewest fields; entries of the same formula come
    /// before others. Reads the whole cache: not for the hot path.
    #[doc(hidden)]
    pub fn nearest(&self, key: &Key) -> Option<Nearest> {
        let root = self.user()?;
        let wanted = key.fields();
        let mut best: Option<((bool, usize), Nearest)> = None;
        for (shard, name) in entry_names(self.fs(), &root).into_iter().take(SCANNED) {
            let Ok(Ok(file)) = read_entry(self.fs(), &root, &shard, &name) else { continue };
            let Ok(decoded) = entry::decode(&file) else { continue };
            let Some(found) = key::fields(decoded.key) else { continue };
            let differences = key::differences(&wanted, &found);
            let other_formula = differences.iter().any(|d| d.name == "formula");
            let rank = (other_formula, differences.len());
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, Nearest { key: key::hex(&decoded.digest), differences }));
            }
        }
        best.map(|(_, nearest)| nearest)
    }
}

/// Shard and name of every file that has an entry's name, sorted.
pub(super) fn entry_names(fs: &dyn Fs, root: &Root) -> Vec<(OsString, OsString)> {
    let mut all = Vec::new();
    for letter in dir::SHARDS.chars() {
        let name = OsString::from(letter.to_string());
        let Ok(Ok(shard)) = root.shard(fs, &name) else { continue };
        let mut names = fs.list(&shard).unwrap_or_default();
        names.retain(|name| dir::entry_digits(name).is_some());
        names.sort();
        all.extend(names.into_iter().map(|file| (name.clone(), file)));
    }
    all
}

/// The bytes of a file that may be an entry, or why it is none.
pub(super) fn read_entry(
    fs: &dyn Fs,
    root: &Root,
    shard: &OsStr,
    name: &OsStr,
) -> io::Result<Result<Vec<u8>, Reason>> {
    let Ok(shard) = root.shard(fs, shard)? else { return Ok(Err(Reason::Shard)) };
    // Not opened unless it is a file: this may be a device.
    if let Err(reason) = inspect(fs, root.tier, &fs.stat_at(&shard, name)?) {
        return Ok(Err(reason));
    }
    let file = fs.open(&shard, name)?;
    let meta = fs.stat(&file)?;
    if let Err(reason) = inspect(fs, root.tier, &meta) {
        return Ok(Err(reason));
    }
    read(fs, &file, meta.size).map(Ok)
}
