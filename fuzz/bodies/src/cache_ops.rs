//! Target `cache_ops`: a cache on disk under faults, damage and time, against a map of what must be there.

use crate::Choices;
use crate::common::cache::{self, ANY_HOST, Faulty, code, file_of, key, options, temp};
use genred::cache::{Cache, Mode, Origin, Remove, entry};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const KEYS: u32 = 6;
const ERRORS: [Errno; 7] =
    [Errno::IO, Errno::INTR, Errno::NOSPC, Errno::MFILE, Errno::STALE, Errno::ACCESS, Errno::NOENT];

/// What the model knows of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Present,
    Absent,
    /// A fault may have prevented a store or a removal.
    Unknown,
}

struct World {
    dir: std::path::PathBuf,
    fs: Arc<Faulty>,
    /// Whether the armed fault has struck.
    struck: Arc<AtomicBool>,
    cache: Cache,
    mode: Mode,
    /// A fault has struck since the cache was opened: it may have stopped storing.
    doubtful: bool,
    known: BTreeMap<u32, Known>,
}

/// Whatever happens to the directory, every kernel is right; without faults it also comes from where it must.
pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let (_temp, dir) = temp();
    let fs = Faulty::new();
    let mut world = World {
        cache: opened(&dir, &fs, Mode::ReadWrite),
        dir,
        fs,
        struck: Arc::default(),
        mode: Mode::ReadWrite,
        doubtful: false,
        known: (0..KEYS).map(|n| (n, Known::Absent)).collect(),
    };
    for _ in 0..40 {
        if choices.is_empty() {
            break;
        }
        world.operation(&mut choices);
    }
    // Nothing is left on its way, unless a fault stopped its removal.
    if !world.doubtful {
        assert_eq!(cache::debris(&world.dir), 0, "a temporary file was left");
    }
}

fn opened(dir: &Path, fs: &Arc<Faulty>, mode: Mode) -> Cache {
    Cache::open(options(dir).fs(Arc::clone(fs) as Arc<_>).mode(mode).evict_every(1))
}

impl World {
    fn operation(&mut self, choices: &mut Choices<'_>) {
        let n = choices.below(KEYS);
        match choices.below(14) {
            0..=4 => self.obtain(n),
            5 => self.arm(choices),
            6 => self.reopen(choices),
            7 => self.damage(n, choices),
            8 => {
                let _ = std::fs::remove_file(file_of(&self.dir, &key(u64::from(n))));
                self.known.insert(n, Known::Absent);
            }
            9 => self.age(n, choices),
            10 => {
                self.cache.clear();
                self.forget(Known::Absent);
            }
            11 => {
                self.cache.prune(Some(choices.bits() % 4_096), None);
                self.forget(Known::Unknown);
            }
            12 => {
                self.cache.verify(choices.pick(&[Remove::Nothing, Remove::Bad]));
                self.settle();
            }
            _ => {
                assert!(self.cache.list().len() <= KEYS as usize);
                self.cache.disk();
                self.settle();
            }
        }
    }

    /// After a call to the cache: what a fault makes doubtful.
    fn settle(&mut self) {
        if self.struck.swap(false, Ordering::Relaxed) {
            self.doubtful = true;
            for known in self.known.values_mut() {
                *known = Known::Unknown;
            }
        }
    }

    fn forget(&mut self, known: Known) {
        // A cache that is only read keeps what is there.
        let known = if self.mode == Mode::ReadOnly { Known::Unknown } else { known };
        for other in self.known.values_mut() {
            *other = if *other == Known::Absent { Known::Absent } else { known };
        }
        self.settle();
    }

    /// The result is checked in there; here, where it came from.
    fn obtain(&mut self, n: u32) {
        let before = self.known[&n];
        let origin = cache::obtain(&self.cache, &key(u64::from(n)));
        let struck = self.struck.load(Ordering::Relaxed);
        self.settle();
        if struck {
            return;
        }
        match before {
            Known::Present if self.mode != Mode::Refresh => {
                assert_eq!(origin, Origin::Disk, "entry {n} was lost");
            }
            Known::Absent => assert_eq!(origin, Origin::Compiled, "entry {n} came from nowhere"),
            _ => {}
        }
        let stores = matches!(self.mode, Mode::ReadWrite | Mode::Refresh);
        if origin == Origin::Disk {
            self.known.insert(n, Known::Present);
        } else if stores {
            let after = if self.doubtful { Known::Unknown } else { Known::Present };
            self.known.insert(n, after);
        }
    }

    /// Fail one of the next calls.
    fn arm(&mut self, choices: &mut Choices<'_>) {
        let at = self.fs.calls() + u64::from(choices.within(1, 24));
        let error = choices.pick(&ERRORS);
        let struck = Arc::clone(&self.struck);
        self.fs.hook(move |_, call| {
            (call == at).then(|| {
                struck.store(true, Ordering::Relaxed);
                error.into()
            })
        });
    }

    fn reopen(&mut self, choices: &mut Choices<'_>) {
        self.fs.unhook();
        self.mode =
            choices.pick(&[Mode::ReadWrite, Mode::ReadWrite, Mode::ReadOnly, Mode::Refresh]);
        self.cache = opened(&self.dir, &self.fs, self.mode);
        self.struck.store(false, Ordering::Relaxed);
        self.doubtful = false;
    }

    /// Change the bytes of an entry that is there.
    fn damage(&mut self, n: u32, choices: &mut Choices<'_>) {
        let file = file_of(&self.dir, &key(u64::from(n)));
        let Ok(mut bytes) = std::fs::read(&file) else { return };
        match choices.below(4) {
            0 => bytes.truncate(choices.index(bytes.len())),
            1 => bytes.push(0),
            2 if !bytes.is_empty() => {
                let at = choices.index(bytes.len());
                bytes[at] ^= 1 << choices.below(8);
            }
            _ => bytes = code(&key(u64::from(n))),
        }
        // Damage may undo other damage.
        let whole = entry::decode(&bytes)
            .is_ok_and(|found| entry::matches(&found, &key(u64::from(n)), ANY_HOST).is_ok());
        std::fs::write(&file, bytes).expect("a file of this user");
        self.known.insert(n, if whole { Known::Present } else { Known::Absent });
    }

    /// The clock, or an entry's, goes somewhere else.
    fn age(&mut self, n: u32, choices: &mut Choices<'_>) {
        let file = file_of(&self.dir, &key(u64::from(n)));
        let long = Duration::from_secs(10 * 365 * 24 * 3_600);
        let time = choices.pick(&[
            SystemTime::UNIX_EPOCH,
            SystemTime::now() + long,
            SystemTime::now() - long,
        ]);
        if choices.chance(50) {
            if file.exists() {
                cache::set_modified(&file, time);
            }
        } else {
            self.fs.clock(time);
        }
        // What is old enough is removed with the next store.
        for known in self.known.values_mut() {
            if *known == Known::Present {
                *known = Known::Unknown;
            }
        }
    }
}
