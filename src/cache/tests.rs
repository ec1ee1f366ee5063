//! Unit tests of the memory tier; the disk is tested from outside, in `tests/cache_*.rs`.

use super::memory::{Bounds, Found, Memory, Raw};
use super::{Cache, Mode, Options};
use crate::limits;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};

const WIDE: Bounds = Bounds { kernels: 100, bytes: 1 << 20 };

fn digest(n: u64) -> [u8; 32] {
    *blake3::hash(&n.to_le_bytes()).as_bytes()
}

fn raw(n: u64) -> Raw {
    Raw::new().text("formula").number(n)
}

/// Counts how many are alive.
#[derive(Debug)]
struct Alive<'a>(&'a AtomicUsize);

impl<'a> Alive<'a> {
    fn new(count: &'a AtomicUsize) -> Arc<Alive<'a>> {
        count.fetch_add(1, Relaxed);
        Arc::new(Alive(count))
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn put<V: Clone>(memory: &Memory<V>, n: u64, value: V, bytes: usize) -> Found {
    memory.once(&raw(n), &digest(n), || Ok::<_, ()>((value, bytes))).unwrap().1
}

#[test]
fn texts_lead_to_what_they_gave_before() {
    let memory = Memory::new(WIDE);
    assert_eq!(memory.recall(&raw(1)), None);
    assert_eq!(put(&memory, 1, 10, 0), Found::Made);
    assert_eq!(memory.recall(&raw(1)), Some(10));
    assert_eq!(put(&memory, 1, 11, 0), Found::Here);
    assert_eq!(memory.recall(&raw(1)), Some(10));
    // Other texts with the same key.
    let other = Raw::new().text("the same");
    assert_eq!(memory.once(&other, &digest(1), || Err("no")), Ok((10, Found::Here)));
    assert_eq!(memory.recall(&other), Some(10));
    assert_eq!(memory.len(), 1);
    memory.clear();
    assert!(memory.is_empty() && memory.bytes() == 0);
    assert_eq!((memory.recall(&raw(1)), memory.recall(&other)), (None, None));
}

#[test]
fn texts_do_not_run_into_each_other() {
    let texts = |parts: &[&str]| parts.iter().fold(Raw::new(), |raw, part| raw.text(part));
    assert_ne!(texts(&["ab", "c"]), texts(&["a", "bc"]));
    assert_ne!(texts(&["a", ""]), texts(&["", "a"]));
    assert_ne!(texts(&["a"]), texts(&["a", ""]));
    assert_ne!(Raw::new().number(0), Raw::new());
}

#[test]
fn the_least_recently_used_go_and_are_freed() {
    let alive = AtomicUsize::new(0);
    let memory = Memory::new(Bounds { kernels: 3, bytes: 1000 });
    for n in 0..3 {
        put(&memory, n, Alive::new(&alive), 10);
    }
    let held = memory.recall(&raw(0)).unwrap();
    put(&memory, 3, Alive::new(&alive), 10);
    assert!(memory.recall(&raw(1)).is_none(), "the least recently used one stayed");
    assert!([0, 2, 3].iter().all(|n| memory.recall(&raw(*n)).is_some()));
    assert_eq!(alive.load(Relaxed), 3);
    // By bytes: a large one displaces all others, and stays itself however large it is.
    put(&memory, 4, Alive::new(&alive), 5000);
    assert_eq!(memory.len(), 1);
    assert_eq!(alive.load(Relaxed), 2, "one is held, one is in memory");
    drop(held);
    assert_eq!(alive.load(Relaxed), 1);
    put(&memory, 5, Alive::new(&alive), 10);
    assert_eq!((memory.len(), alive.load(Relaxed)), (1, 1));
    drop(memory);
    assert_eq!(alive.load(Relaxed), 0);
}

#[test]
fn what_is_kept_unless_asked_is_what_limits_say() {
    let cache = Cache::open(Options::new().mode(Mode::Off));
    assert_eq!(cache.0.settings.max_size, limits::CACHE_BYTES);
    let bounds = Bounds { kernels: limits::MEMORY_KERNELS, bytes: limits::MEMORY_BYTES };
    let shown = format!("{:?}", cache.0.memory);
    assert!(shown.contains(&format!("{bounds:?}")), "{shown}");
    let memory = Memory::new(bounds);
    let most = bounds.kernels as u64;
    for n in 0..most {
        put(&memory, n, (), 0);
    }
    assert_eq!(memory.len(), bounds.kernels);
    put(&memory, most, (), 0);
    assert_eq!(memory.len(), bounds.kernels, "one more takes the place of another");
    memory.clear();
    // Two halves, as many bytes as there may be with their texts; and one more.
    let texts = {
        put(&memory, 0, (), 0);
        memory.bytes()
    };
    memory.clear();
    put(&memory, 0, (), bounds.bytes / 2 - texts);
    put(&memory, 1, (), bounds.bytes / 2 - texts);
    assert_eq!((memory.len(), memory.bytes()), (2, bounds.bytes));
    put(&memory, 2, (), 1);
    assert_eq!(memory.len(), 2, "the oldest made room");
}

#[test]
fn bytes_are_counted_exactly() {
    let memory = Memory::new(Bounds { kernels: 8, bytes: usize::MAX });
    let sum = |range: std::ops::Range<u64>| range.map(|n| 100 + n as usize).sum::<usize>();
    // Two numbers, each with its length; only the last 16 texts of a kernel are kept.
    let texts = 16 * 32;
    for n in 0..50 {
        put(&memory, n, (), 100 + n as usize);
        for more in 0..40 {
            let raw = Raw::new().number(n).number(more);
            memory.once(&raw, &digest(n), || Err::<((), usize), ()>(())).unwrap();
        }
        let first = n.saturating_sub(7);
        assert_eq!(memory.bytes(), sum(first..n + 1) + (n + 1 - first) as usize * texts);
    }
    assert_eq!(memory.len(), 8);
    memory.clear();
    assert_eq!(memory.bytes(), 0);
}

#[test]
fn one_of_many_threads_makes_a_kernel() {
    let memory = Memory::new(WIDE);
    for n in 0..50 {
        let (made, barrier) = (AtomicUsize::new(0), Barrier::new(16));
        std::thread::scope(|scope| {
            for thread in 0..16u64 {
                let (memory, made, barrier) = (&memory, &made, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let make = || {
                        made.fetch_add(1, Relaxed);
                        std::thread::yield_now();
                        Ok::<_, ()>((n, 1))
                    };
                    let own_text = Raw::new().number(n).number(thread);
                    assert_eq!(memory.once(&own_text, &digest(n), make).unwrap().0, n);
                });
            }
        });
        assert_eq!(made.load(Relaxed), 1);
    }
}

#[test]
fn a_maker_that_fails_or_panics_blocks_nobody() {
    let memory = Memory::new(WIDE);
    for n in 0..20 {
        let (tries, barrier) = (AtomicUsize::new(0), Barrier::new(8));
        let results: Vec<Result<Result<u32, u32>, ()>> = std::thread::scope(|scope| {
            let thread = || {
                barrier.wait();
                let make = || match tries.fetch_add(1, Relaxed) {
                    0 => Err(1),
                    1 => panic!("a defect of the compiler"),
                    _ => Ok((7, 1)),
                };
                memory.once(&raw(n), &digest(n), make).map(|(value, _)| value)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(thread)).collect();
            threads.into_iter().map(|thread| thread.join().map_err(|_| ())).collect()
        });
        let count = |wanted| results.iter().filter(|result| **result == wanted).count();
        assert_eq!((count(Ok(Err(1))), count(Err(())), count(Ok(Ok(7)))), (1, 1, 6));
        assert_eq!(tries.load(Relaxed), 3);
    }
}
