//! From compiled code to an entry on disk; failing to get there is never the caller's trouble.

use super::dir::{self, Missing, Root, Tier};
use super::entry::{self, Compiled};
use super::evict::{self, Limits};
use super::fs::Dir;
use super::key::Key;
use super::publish::{self, Existing, Path, Published};
use super::stats::{StoreFailure, add};
use super::{Cache, Mode};
use crate::environment;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::UNIX_EPOCH;

/// Set for reproducible builds: entries are then dated so, and compiling took no time.
const EPOCH_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// Whether a failure will not get better by itself, so that storing is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    Yes,
    No,
}

impl Cache {
    /// Store a kernel that was just compiled, if the cache may be written to.
    ///
    /// Nothing is returned because there is nothing to do about a failure; it is counted.
    #[doc(hidden)]
    pub fn store(&self, key: &Key, compiled: &Compiled) {
        if !self.writes() || self.0.stores_off.load(Relaxed) {
            return;
        }
        let Some(root) = self.user() else { return };
        let fixed = environment::var(EPOCH_VARIABLE).and_then(|text| text.parse::<u64>().ok());
        let bytes = match fixed {
            Some(created) => {
                let timeless = Compiled { code: compiled.code.clone(), compile_ns: 0 };
                entry::encode(key, &timeless, created)
            }
            None => {
                let since = self.fs().now().duration_since(UNIX_EPOCH).unwrap_or_default();
                entry::encode(key, compiled, since.as_secs())
            }
        };
        let Some(bytes) = bytes.filter(|bytes| self.fits(bytes.len() as u64)) else {
            return self.count_failure(StoreFailure::TooLarge, None, Lasts::No);
        };
        let mut result = self.publish(&root, key, &bytes);
        let mut gone_for_good = Lasts::No;
        if matches!(&result, Err(error) if publish::failure(error) == StoreFailure::Gone) {
            match self.reopen() {
                Some(root) => result = self.publish(&root, key, &bytes),
                None => gone_for_good = Lasts::Yes,
            }
        }
        match result {
            Ok(Published::New) => {
                add(&self.0.counters.stores, 1);
                tracing::debug!(target: "genred::cache", ?key, bytes = bytes.len(), "stored");
                self.evict(&dir::names(&key.hex()));
            }
            Ok(Published::Lost) => {
                add(&self.0.counters.lost_races, 1);
            }
            Err(error) => {
                let failure = publish::failure(&error);
                let lasts = match failure {
                    StoreFailure::NoSpace | StoreFailure::NotWritable => Lasts::Yes,
                    _ => gone_for_good,
                };
                self.count_failure(failure, Some(&error), lasts);
            }
        }
    }

    fn fits(&self, size: u64) -> bool {
        evict::on_disk(size) <= evict::quota(self.0.settings.max_size)
    }

    fn count_failure(&self, failure: StoreFailure, error: Option<&io::Error>, lasts: Lasts) {
        if lasts == Lasts::Yes {
            self.0.stores_off.store(true, Relaxed);
        }
        let first = self.0.counters.failed(failure);
        let error = error.map(|error| format!(": {error}")).unwrap_or_default();
        if first && lasts == Lasts::Yes {
            tracing::warn!(target: "genred::cache", "kernels are no longer stored: {failure}{error}");
        } else {
            tracing::debug!(target: "genred::cache", "not stored: {failure}{error}");
        }
    }

    fn publish(&self, root: &Root, key: &Key, bytes: &[u8]) -> io::Result<Published> {
        let fs = self.fs();
        let (shard_name, name) = dir::names(&key.hex());
        let shard: Dir = match root.make_shard(fs, &shard_name)? {
            Ok(shard) => shard,
            // Somebody made it a link or opened it to others; nothing is written there.
            Err(()) => return Err(io::ErrorKind::PermissionDenied.into()),
        };
        let unnamed = !self.0.unnamed_off.load(Relaxed);
        let mut path = if unnamed { Path::Unnamed } else { Path::Renamed };
        let existing = match self.0.settings.mode {
            Mode::Refresh => Existing::Replace,
            _ => Existing::Keep,
        };
        let result = publish::publish(fs, root, &shard, &name, bytes, existing, &mut path);
        if unnamed && path == Path::Renamed {
            self.0.unnamed_off.store(true, Relaxed);
        }
        result
    }

    /// The directory again, after somebody removed it.
    fn reopen(&self) -> Option<Arc<Root>> {
        let path = self.user()?.path.clone();
        let root = Root::open(self.fs(), &path, Tier::User, Missing::Create).ok()?;
        let root = Arc::new(root);
        *self.0.user.try_write().ok()? = Some(Arc::clone(&root));
        self.0.unnamed_off.store(self.0.settings.path == Path::Renamed, Relaxed);
        Some(root)
    }

    /// After every few stores: make room in the shard that was stored to, and sweep.
    fn evict(&self, (shard_name, name): &(std::ffi::OsString, std::ffi::OsString)) {
        let every = self.0.settings.evict_every;
        let step = |left: u32| Some(if left == 0 { every - 1 } else { left - 1 });
        if self.0.stores_until_evict.fetch_update(Relaxed, Relaxed, step) != Ok(0) {
            return;
        }
        let fs = self.fs();
        let Some(root) = self.user() else { return };
        if let Ok(Ok(shard)) = root.shard(fs, shard_name)
            && let Ok(removed) =
                evict::shard(fs, &shard, &Limits::of(self.0.settings.max_size, name))
        {
            add(&self.0.counters.evicted, removed.entries);
        }
        evict::debris(fs, &root, evict::DEBRIS);
        evict::old_versions(fs, &root);
    }

    /// Note that this format version is in use, once a day.
    pub(super) fn mark_used(&self) {
        if !self.writes() {
            return;
        }
        let Some(root) = self.user() else { return };
        let (fs, used) = (self.fs(), OsStr::new(dir::USED));
        match fs.stat_at(&root.versioned, used) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _ = publish::create(fs, &root.versioned, used, b"");
            }
            Ok(meta) => {
                let now = fs.now();
                let recent =
                    evict::age(now, meta.modified).is_some_and(|age| age < evict::REFRESH_AFTER);
                if !recent && let Ok(file) = fs.open(&root.versioned, used) {
                    let _ = fs.touch(&file, now);
                }
            }
            Err(_) => {}
        }
    }
}
