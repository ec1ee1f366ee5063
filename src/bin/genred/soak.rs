//! `genred soak`: random reductions from many threads over one cache, every result checked, for as long as is asked.
//!
//! What runs for hours in a service is what is run here: new formulas, kernels that are in memory called again and again, kernels
//! that another program stored. Memory and descriptors are looked at while no thread runs, so that two looks can be compared.

#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets, which use all of it")]
mod choices;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets, which use all of it")]
mod differential;
mod footprint;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets, which use all of it")]
mod formula;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets, which use all of it")]
mod tree;

use crate::console::{Failure, print};
use choices::Choices;
use differential::Verdict;
use footprint::Footprint;
use genred::cache::{Cache, Mode, Options, Stats};
use genred::limits;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) const EXAMPLES: &str = "\
It fails if a result is not what the oracle allows, if an entry of the cache is rejected, or if memory grows by more than 5 % or \
descriptors at all after the first quarter of the time. Memory goes up and down with the kernels of the moment: the mean of the last \
looks at it is held against that of the first ones, if the first quarter was a minute or more.

What is measured is resident memory, of which allocators keep what was freed. With glibc the program therefore starts itself again \
with MALLOC_ARENA_MAX=1, MALLOC_TRIM_THRESHOLD_=65536 and MALLOC_MMAP_THRESHOLD_=65536 where its environment has none of them: \
what is freed is given back then.

Examples:
  genred soak --minutes 20
  genred soak --minutes 0.5 --threads 8 --seed 7";

/// Arguments of `genred soak`.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// How long
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = minutes)]
    minutes: f64,

    /// Threads that compile and call; by default one for each processor
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Which random reductions
    #[arg(long, value_name = "S", default_value = "1")]
    seed: u64,

    /// The directory of the cache; by default a new one, which is removed at the end
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| *n > 0.0 && *n <= 1e6);
    number.ok_or_else(|| "a number above 0 and at most 1000000 is needed".to_owned())
}

/// Part of the time after which memory has to stay as it is.
const WARM_UP: f64 = 0.25;
/// Shortest warm-up after which memory is judged: in seconds, the tier of kernels and the allocator are still filling.
const LEAST_WARM_UP: Duration = Duration::from_secs(60);
/// Longest time between two looks at memory.
const ROUND: Duration = Duration::from_secs(60);
/// Latest reductions that are called again from memory.
const WARM: u64 = 48;
/// Latest reductions that are loaded from disk.
const STORED: u64 = 256;
/// More calls of a kernel that is in memory.
const AGAIN: usize = 40;
/// Bytes of a cache that is removed at the end: few enough for kernels to be evicted.
const CACHE_BYTES: u64 = 64 << 20;
/// Wrong results that are shown.
const SHOWN: usize = 5;

impl Soak {
    /// Run it.
    ///
    /// # Errors
    /// If a result was wrong, or memory or descriptors grew.
    pub(crate) fn run(self) -> Result<(), Failure> {
        footprint::give_memory_back();
        let folder = Folder::of(self.cache.as_deref())?;
        let cache = folder.open();
        if cache.path().is_none() {
            let why = cache.refused().unwrap_or("it is turned off");
            return Err(Failure::new(format!("the cache cannot be used: {why}")));
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let work = Work {
            threads: self.threads.map_or(processors, usize::from),
            seed: self.seed,
            folder: &folder,
            cache: &cache,
            counts: Counts::default(),
            wrong: Mutex::new(Vec::new()),
        };
        // What is wrong is shown at the end, with the reduction as code.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let ran = work.run(Duration::from_secs_f64(self.minutes * 60.0));
        std::panic::set_hook(hook);
        let complaints = ran?;
        match complaints.is_empty() {
            true => print("no wrong result\n"),
            false => Err(Failure::new(complaints.join("\n"))),
        }
    }
}

/// Where the cache is.
struct Folder {
    path: PathBuf,
    /// Whether it goes at the end.
    own: bool,
}

impl Folder {
    fn of(given: Option<&Path>) -> Result<Folder, Failure> {
        if let Some(path) = given {
            return Ok(Folder { path: path.to_owned(), own: false });
        }
        let path = std::env::temp_dir().join(format!("genred-soak-{}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(Folder { path, own: true }),
            Err(error) => Err(Failure::new(format!("cannot make `{}`: {error}", path.display()))),
        }
    }

    /// A cache that knows nothing of other handles on the folder, as in another program.
    fn open(&self) -> Cache {
        let options = Options::new().mode(Mode::ReadWrite).dir(&self.path);
        Cache::open(if self.own { options.max_size(CACHE_BYTES) } else { options })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.own {
            // Left over if somebody else put things there: nothing is lost by that.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[derive(Default)]
struct Counts {
    reductions: AtomicU64,
    refused: AtomicU64,
    calls: AtomicU64,
    results: AtomicU64,
    unknown: AtomicU64,
    errors: AtomicU64,
    /// Of handles that were opened anew.
    loaded: AtomicU64,
    compiled: AtomicU64,
    rejected: AtomicU64,
}

/// What a thread does next.
enum Task {
    /// A new reduction.
    New,
    /// One of the latest, whose kernels are in memory, called many times.
    Warm(u64),
    /// One of the latest, by a cache that has nothing in memory.
    Stored(u64),
}

struct Work<'a> {
    threads: usize,
    seed: u64,
    folder: &'a Folder,
    cache: &'a Cache,
    counts: Counts,
    wrong: Mutex<Vec<String>>,
}

impl Work<'_> {
    /// Work for some time; what there is to complain about.
    fn run(&self, time: Duration) -> Result<Vec<String>, Failure> {
        let start = Instant::now();
        print(&format!("at the start: {}\n", Footprint::now()))?;
        let warm_up = time.mul_f64(WARM_UP);
        self.until(start + warm_up);
        let warm = Footprint::now();
        // Until it is full, the memory tier grows.
        let judged = warm_up >= LEAST_WARM_UP && self.made() >= limits::MEMORY_KERNELS as u64;
        print(&format!("{}\nafter warm-up: {warm}\n", self.line(start)))?;
        let (mut looks, mut end) = (vec![warm], warm);
        while start.elapsed() < time {
            self.until((Instant::now() + ROUND).min(start + time));
            end = Footprint::now();
            looks.push(end);
            print(&format!("{}; {end}\n", self.line(start)))?;
        }
        print(&format!("at the end: {end}\n"))?;
        let mut complaints = Vec::new();
        let errors = self.counts.errors.load(Relaxed);
        if errors > 0 {
            let shown = self.wrong.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
            complaints.push(format!("{errors} reductions with wrong results:\n{shown}"));
        }
        let stats = self.cache.stats();
        let rejected = stats.rejections() + self.counts.rejected.load(Relaxed);
        if rejected > 0 {
            complaints.push(format!("{rejected} entries of the cache were rejected\n{stats}"));
        }
        complaints.extend(end.descriptors_grown(&warm));
        if judged {
            complaints.extend(Footprint::memory_grown(&looks));
        } else {
            print("too short for a judgement on memory: it was still filling\n")?;
        }
        Ok(complaints)
    }

    /// Kernels that were made for the shared cache.
    fn made(&self) -> u64 {
        let Stats { misses, disk_hits, .. } = self.cache.stats();
        misses + disk_hits
    }

    /// What was done so far.
    fn line(&self, start: Instant) -> String {
        let of = |count: &AtomicU64| count.load(Relaxed);
        let (stats, counts) = (self.cache.stats(), &self.counts);
        format!(
            "{} s: {} reductions ({} refused), {} calls, {} results ({} of them unknown to the oracle), \
             {} kernels compiled, {} from disk, {} from memory, {} evicted, {} errors",
            start.elapsed().as_secs(),
            of(&counts.reductions),
            of(&counts.refused),
            of(&counts.calls),
            of(&counts.results),
            of(&counts.unknown),
            stats.misses + of(&counts.compiled),
            stats.disk_hits + of(&counts.loaded),
            stats.memory_hits,
            stats.evicted,
            of(&counts.errors),
        )
    }

    /// All threads work until a point in time.
    fn until(&self, end: Instant) {
        std::thread::scope(|scope| {
            for thread in 0..self.threads {
                scope.spawn(move || {
                    let started = self.counts.reductions.load(Relaxed);
                    let seed = self.seed ^ started << 16 ^ (thread as u64) << 48;
                    let mut choices = Choices::from_seed(seed);
                    while Instant::now() < end {
                        self.one(&mut choices);
                    }
                });
            }
        });
    }

    fn one(&self, choices: &mut Choices<'_>) {
        let latest = self.counts.reductions.load(Relaxed);
        let kind = choices.below(4);
        let mut recent = |most: u64| latest - 1 - choices.bits() % most.min(latest);
        let task = match kind {
            _ if latest == 0 => Task::New,
            0 => Task::New,
            1 => Task::Stored(recent(STORED)),
            _ => Task::Warm(recent(WARM)),
        };
        match task {
            Task::New => {
                let number = self.counts.reductions.fetch_add(1, Relaxed);
                if self.check(number, self.cache, 0) == Some(Verdict::Refused) {
                    self.counts.refused.fetch_add(1, Relaxed);
                }
            }
            Task::Warm(number) => {
                self.check(number, self.cache, AGAIN);
            }
            Task::Stored(number) => {
                let cache = self.folder.open();
                self.check(number, &cache, 0);
                let stats = cache.stats();
                self.counts.loaded.fetch_add(stats.disk_hits, Relaxed);
                self.counts.compiled.fetch_add(stats.misses, Relaxed);
                self.counts.rejected.fetch_add(stats.rejections(), Relaxed);
            }
        }
    }

    /// Check a reduction; `None` if something about it is wrong.
    fn check(&self, number: u64, cache: &Cache, again: usize) -> Option<Verdict> {
        let case = differential::case(&mut Choices::from_seed(self.seed << 32 ^ number));
        let checked = || differential::check_in(&case, cache, again);
        match catch_unwind(AssertUnwindSafe(checked)) {
            Ok(verdict) => {
                if let Verdict::Agreed { calls, results, unknown, .. } = verdict {
                    self.counts.calls.fetch_add(calls as u64, Relaxed);
                    self.counts.results.fetch_add(results as u64, Relaxed);
                    self.counts.unknown.fetch_add(unknown as u64, Relaxed);
                }
                Some(verdict)
            }
            Err(panic) => {
                self.counts.errors.fetch_add(1, Relaxed);
                let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
                if wrong.len() < SHOWN {
                    wrong.push(format!("reduction {number}: {}", said(&*panic)));
                }
                None
            }
        }
    }
}

/// The message of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}
