//! What the other processes do.

use crate::cache::*;
use genred::cache::fs::Unix;
use genred::cache::publish::Path as Publication;
use genred::cache::{Cache, Compiled, Mode, Options, Origin, Raw};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Bytes of code of the entries that are killed in the middle of.
pub(crate) const BIG: usize = 1 << 20;

pub(crate) fn play(role: &str) {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let arguments: Vec<&Path> = arguments.iter().map(PathBuf::as_path).collect();
    let number = |path: &Path| path.to_string_lossy().parse().expect("a number");
    match (role, &arguments[..]) {
        ("publish", [dir, path, first]) => publish(dir, publication(path), number(first)),
        ("work", [dir, path, seed]) => work(dir, publication(path), number(seed)),
        ("prune", [dir]) => disturb(dir, |cache| cache.prune(Some(20 * 4096), None).entries),
        ("clear", [dir]) => disturb(dir, |cache| cache.clear().entries),
        ("limit", [dir, bytes]) => limit(dir, number(bytes)),
        ("exceed", [file]) => exceed(file),
        ("fill", [dir]) => fill(dir),
        ("variables", []) => super::variables::variables(),
        ("kernel", [n]) => environment(number(n)),
        ("kernel", [dir, n]) => println!("{:?}", run_kernel(&open(dir), number(n))),
        ("language", [dir]) => {
            language(&open(dir));
        }
        ("call", [dir]) => call(dir),
        ("fork", [dir]) => fork(dir),
        ("cycle", [dir]) => cycle(dir),
        ("fail", [dir]) => fail(dir),
        ("maps", [dir]) => maps(dir),
        other => panic!("no such role: {other:?}"),
    }
}

fn publication(path: &Path) -> Publication {
    match path.to_str() {
        Some("renamed") => Publication::Renamed,
        _ => Publication::Unnamed,
    }
}

fn say(text: &str) {
    println!("{text}");
    std::io::stdout().flush().expect("the test listens");
}

/// Until the test closes the other end.
fn wait_for_start() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Store one big entry after the other until killed.
fn publish(dir: &Path, path: Publication, first: u64) {
    let cache = Cache::open(options(dir).publication(path));
    say("ready");
    for n in first.. {
        let key = key(n);
        cache.store(&key, &Compiled { code: code_sized(&key, BIG), compile_ns: 1 });
        assert_eq!(cache.stats().store_failures, []);
    }
}

/// Fifty kernels in an order of one's own, all results checked.
fn work(dir: &Path, path: Publication, seed: u64) {
    let cache = Cache::open(options(dir).publication(path).evict_every(4));
    let mut order: Vec<u64> = (0..50).collect();
    order.sort_by_key(|n| blake3::hash(&[*n as u8, seed as u8]).as_bytes()[0]);
    say("ready");
    wait_for_start();
    let mut counts = [0; 3];
    for n in order {
        counts[match run_kernel(&cache, n) {
            Origin::Compiled => 0,
            Origin::Disk => 1,
            _ => 2,
        }] += 1;
    }
    let stats = cache.stats();
    let [compiled, disk, memory] = counts;
    println!(
        "{compiled} {disk} {memory} {} {} {} {} {}",
        stats.stores,
        stats.lost_races,
        stats.rejections(),
        stats.unreadable,
        stats.store_failures.iter().map(|(_, count)| count).sum::<u64>()
    );
}

/// Remove entries again and again until killed.
fn disturb(dir: &Path, remove: impl Fn(&Cache) -> u64) {
    let cache = open(dir);
    say("ready");
    wait_for_start();
    let (mut rounds, mut removed) = (0, 0);
    loop {
        removed += remove(&cache);
        rounds += 1;
        say(&format!("{rounds} {removed}"));
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn set_file_limit(bytes: u64) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: Some(bytes), maximum }).expect("a lower limit");
}

/// Live with a limit on file sizes.
fn limit(dir: &Path, bytes: u64) {
    set_file_limit(bytes);
    let cache = open(dir);
    assert_eq!(run_kernel(&cache, 8), Origin::Compiled);
    assert_eq!(run_kernel(&cache, 8), Origin::Memory);
    let stats = cache.stats();
    println!("{} {}", stats.stores, stats.store_failures.iter().map(|(_, c)| c).sum::<u64>());
}

/// What happens to those who do not ask for the limit.
fn exceed(file: &Path) {
    set_file_limit(100);
    let written = std::fs::write(file, [0; 200]);
    println!("survived: {written:?}");
}

/// Store until the disk is full, and on.
fn fill(dir: &Path) {
    let cache = open(dir);
    for n in 0..40 {
        let key = key(n);
        let compiled = Compiled { code: code_sized(&key, 60_000), compile_ns: 1 };
        let accept = |code: &[u8]| Ok::<_, std::convert::Infallible>(code.to_vec());
        let (code, _) = cache.obtain(&key, ANY_HOST, accept, || Ok(compiled)).expect("infallible");
        assert_eq!(code, code_sized(&key, 60_000));
    }
    let stats = cache.stats();
    let full = stats.store_failures(genred::cache::StoreFailure::NoSpace);
    println!("{} {full}", stats.stores);
}

/// A kernel with what the environment says.
fn environment(n: u64) {
    let cache = Cache::open(Options::new());
    let origin = run_kernel(&cache, n);
    println!("path {:?}", cache.path());
    println!("refused {:?}", cache.refused());
    println!("origin {origin:?}");
    println!("stores {}", cache.stats().stores);
    println!("rejected {:?}", cache.stats().rejected);
    println!("failures {:?}", cache.stats().store_failures);
}

/// Compile or find a kernel of every formula of the test suite; how many.
pub(crate) fn language(cache: &Cache) -> u64 {
    use crate::formulas::{ALIASES, FORMULAS};
    use genred::{Axis, Backend, Genred, Reduction};
    fn one<T: genred::Element>(
        cache: &Cache,
        formula: &str,
        reduction: Reduction,
        b: Backend,
    ) -> u64 {
        let request = Genred::<T>::reduction(reduction, formula).aliases(ALIASES.iter().copied());
        let made = request.axis(Axis::J).backend(b).cache(cache).compile();
        u64::from(made.is_ok())
    }
    let mut made = 0;
    for formula in FORMULAS {
        made += one::<f32>(cache, formula, Reduction::Sum, Backend::Auto);
        made += one::<f32>(cache, formula, Reduction::Sum, Backend::Clif);
        made += one::<f64>(cache, formula, Reduction::ArgKMin(3), Backend::Auto);
    }
    made
}

/// Call a kernel from disk over and over until the test closes the other end.
fn call(dir: &Path) {
    let kernel = kernel(&open(dir), 17);
    assert_eq!(kernel.origin(), Origin::Disk);
    check_kernel(&kernel, 17);
    say("ready");
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    std::thread::spawn(move || {
        wait_for_start();
        flag.store(true, Relaxed);
    });
    let mut calls = 0u64;
    while !stop.load(Relaxed) {
        check_kernel(&kernel, 17);
        calls += 1;
    }
    println!("{calls} calls");
}

/// Run something in a forked child of this process, which then becomes `true`.
fn in_child(run: impl Fn() + Send + Sync + 'static) {
    let mut command = std::process::Command::new("true");
    // SAFETY: the child is a copy of this process, in which other threads may have held locks. That the cache copes with
    // that is what is tested; the allocator of the platform does as well.
    unsafe {
        command.pre_exec(move || {
            run();
            Ok(())
        });
    }
    let status = command.status().expect("the child could do its work");
    assert!(status.success());
}

/// Children of a process that has loaded kernels, is just making some, and is just publishing.
fn fork(dir: &Path) {
    let cache = open(dir);
    run_kernel(&cache, 1);
    run_kernel(&open(dir), 2);
    let parent = kernel(&cache, 1);
    {
        let cache = cache.clone();
        in_child(move || {
            check_kernel(&parent, 1);
            assert_eq!(run_kernel(&cache, 1), Origin::Memory);
            assert_eq!(run_kernel(&cache, 2), Origin::Disk);
            assert_eq!(run_kernel(&cache, 3), Origin::Compiled);
        });
    }
    assert_eq!(run_kernel(&open(dir), 3), Origin::Disk, "what the child stored");
    // A thread is in the middle of making a kernel that the child wants as well.
    let (raw, wanted) = (Raw::new().text("slow"), key(4));
    let (started, has_started) = std::sync::mpsc::channel();
    let (finish, may_finish) = std::sync::mpsc::channel::<()>();
    let slow = {
        let (cache, raw, wanted) = (cache.clone(), raw.clone(), wanted.clone());
        std::thread::spawn(move || {
            let made = cache.once(&raw, &wanted, || {
                started.send(()).expect("the main thread waits");
                may_finish.recv().expect("the main thread sends");
                Ok::<_, ()>((Arc::new(1u32), 1, Origin::Compiled))
            });
            *made.expect("made").0
        })
    };
    has_started.recv().expect("the thread runs");
    {
        let (cache, raw, wanted) = (cache.clone(), raw.clone(), wanted.clone());
        in_child(move || {
            let make = || Ok::<_, ()>((Arc::new(2u32), 1, Origin::Compiled));
            assert_eq!(*cache.once(&raw, &wanted, make).expect("made").0, 2);
        });
    }
    finish.send(()).expect("the thread waits");
    assert_eq!(slow.join().expect("no panic"), 1);
    let again = cache.once(&raw, &wanted, || Err::<(Arc<u32>, usize, Origin), ()>(()));
    assert_eq!(*again.expect("it is in memory").0, 1);
    // Threads publish and use the memory all the time; some forks hit the middle of it.
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..3u64)
        .map(|t| {
            let (cache, stop) = (cache.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut n = 1000 * (t + 1);
                while !stop.load(Relaxed) {
                    n += 1;
                    obtain(&cache, &key(n));
                    let raw = Raw::new().number(n);
                    let make = || Ok::<_, ()>((Arc::new(n), 100, Origin::Compiled));
                    assert_eq!(*cache.once(&raw, &key(n), make).expect("made").0, n);
                    if n.is_multiple_of(16) {
                        cache.clear_memory();
                    }
                }
            })
        })
        .collect();
    for round in 0..100u64 {
        let cache = cache.clone();
        in_child(move || {
            let n = 1_000_000 + round;
            assert_eq!(obtain(&cache, &key(n)), Origin::Compiled);
            assert_eq!(obtain(&cache, &key(n)), Origin::Disk);
            let make = || Ok::<_, ()>((Arc::new(n), 100, Origin::Compiled));
            let raw = Raw::new().number(n);
            assert_eq!(*cache.once(&raw, &key(n), make).expect("made").0, n);
            run_kernel(&cache, 1);
        });
    }
    stop.store(true, Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    println!("102 forks");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count()
}

/// Number of mappings and bytes mapped.
fn mapped() -> (usize, u64) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmSize:")).expect("a size");
    let size = line.split_whitespace().nth(1).expect("a number");
    (maps.lines().count(), size.parse::<u64>().expect("a number") * 1024)
}

/// Ten thousand kernels made and dropped.
fn cycle(dir: &Path) {
    let round = |cache: &Cache, n: u64| {
        run_kernel(cache, n % 4);
        cache.clear_memory();
    };
    let cache = open(dir);
    (0..200).for_each(|n| round(&cache, n));
    let before = (descriptors(), mapped());
    let (mut most_maps, mut most_bytes) = (0, 0);
    for n in 0..10_000 {
        if n % 10 == 0 {
            round(&open(dir), n);
        }
        round(&cache, n);
        if n % 100 == 0 {
            let (maps, bytes) = mapped();
            most_maps = most_maps.max(maps);
            most_bytes = most_bytes.max(bytes);
        }
    }
    let after = (descriptors(), mapped());
    println!("descriptors {} -> {}", before.0, after.0);
    println!("mappings {} -> {}, at most {most_maps}", before.1.0, after.1.0);
    println!(
        "mapped KiB {} -> {}, at most {}",
        before.1.1 >> 10,
        after.1.1 >> 10,
        most_bytes >> 10
    );
    assert_eq!(before.0, after.0, "descriptors leak");
    assert!(after.1.0 <= before.1.0 + 8, "mappings leak");
    assert!(most_bytes <= before.1.1 + (4 << 20), "memory leaks");
    assert!(cache.stats().disk_hits > 9_000);
}

/// Descriptors after lives of a cache with failing calls; no other thread may open files meanwhile.
fn fail(dir: &Path) {
    use rustix::io::Errno;
    let mut lives = 0;
    let before = descriptors();
    for error in [Errno::IO, Errno::INTR, Errno::NOSPC, Errno::MFILE, Errno::STALE] {
        for publication in [Publication::Unnamed, Publication::Renamed] {
            for n in 1.. {
                let dir = dir.join(lives.to_string());
                let faulty = Faulty::over(Arc::new(Unix));
                faulty.fail_call(n, error);
                let cache = options(&dir).fs(faulty.clone()).publication(publication);
                let cache = Cache::open(cache.evict_every(1));
                obtain(&cache, &key(1));
                obtain(&cache, &key(1));
                obtain(&cache, &key(2));
                cache.clear();
                drop(cache);
                assert_eq!(descriptors(), before, "call {n} {error:?}");
                lives += 1;
                if faulty.calls() < n {
                    break;
                }
            }
        }
    }
    println!("{lives} lives");
}

/// No mapping is ever writable and executable: looked at all the time while kernels are made, found, called and dropped.
fn maps(dir: &Path) {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let watcher = std::thread::spawn(move || {
        let (mut looks, mut executable) = (0u64, 0u64);
        while !flag.load(Relaxed) {
            let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
            for line in maps.lines() {
                let rights = line.split_whitespace().nth(1).expect("rights");
                assert!(!(rights.contains('w') && rights.contains('x')), "{line}");
                // A kernel: executable memory that is no file's.
                let anonymous = line.split_whitespace().count() == 5;
                executable += u64::from(anonymous && rights.contains('x'));
            }
            looks += 1;
        }
        (looks, executable)
    });
    let start = Instant::now();
    let mut n = 0;
    while start.elapsed() < Duration::from_secs(2) {
        let cache = if n % 2 == 0 { open(dir) } else { Cache::open(options(dir).mode(Mode::Off)) };
        run_kernel(&cache, n % 20);
        n += 1;
    }
    stop.store(true, Relaxed);
    let (looks, executable) = watcher.join().expect("no mapping was writable and executable");
    println!("{looks} looks at {n} kernels, {executable} executable mappings seen");
    assert!(looks > 100 && executable > 100);
}
