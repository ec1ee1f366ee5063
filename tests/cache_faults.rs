//! Directories and file systems that misbehave, seen from inside one program.
//!
//! Numbers in names are those of the table of faults in `cache-format.md`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it did, and panics where something is not as it should be"
)]

mod cache;

use cache::*;
use genred::cache::dir::{Missing, Root, Tier};
use genred::cache::fs::Portable;
use genred::cache::publish::Path as Publication;
use genred::cache::{Cache, Miss, Mode, Options, Origin, Reason, Remove, StoreFailure, Verify};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn key_in_shard(shard: char, salt: u64) -> genred::cache::Key {
    (0..).map(|n| key(salt + n)).find(|key| key.hex().starts_with(shard)).expect("one in sixteen")
}

#[test]
fn fault_06_leftover_temporary_files() {
    let (_temp, dir) = temp();
    let cache = Cache::open(options(&dir).publication(Publication::Renamed).evict_every(1));
    obtain(&cache, &key(0));
    let leftover = |pid: u32, random: u64| dir.join("v1/tmp").join(format!("{pid}-{random:016x}"));
    let (fresh, old) = (leftover(std::process::id(), 1), leftover(1, 2));
    let whole = entry_bytes(&key(6));
    fs::write(&fresh, &whole[..whole.len() / 2]).unwrap();
    fs::write(&old, &whole).unwrap();
    set_modified(&old, SystemTime::now() - 2 * HOUR);
    let foreign = dir.join("v1/tmp/keep-me");
    fs::write(&foreign, b"").unwrap();
    set_modified(&foreign, SystemTime::now() - 2 * HOUR);

    assert_eq!(obtain(&cache, &key(6)), Origin::Compiled);
    assert_eq!(obtain(&cache, &key(6)), Origin::Disk, "a leftover file blocks its key");
    assert!(fresh.exists(), "another program may be writing to it");
    assert!(!old.exists(), "debris of two hours ago was not swept");
    assert!(foreign.exists(), "not ours");
}

#[test]
fn fault_07_full_disk_and_short_writes() {
    for publication in [Publication::Unnamed, Publication::Renamed] {
        for error in [Errno::NOSPC, Errno::DQUOT] {
            let (_temp, dir) = temp();
            let faulty = Faulty::new();
            let cache = Cache::open(options(&dir).fs(faulty.clone()).publication(publication));
            let mut writes = 0;
            faulty.piece(50);
            faulty.hook(move |name, _| {
                writes += u64::from(name == "write");
                (name == "write" && writes == 3).then(|| error.into())
            });
            assert_eq!(obtain(&cache, &key(7)), Origin::Compiled);
            assert_eq!(cache.stats().store_failures(StoreFailure::NoSpace), 1);
            assert_eq!(debris(&dir), 0);
            faulty.unhook();
            let before = faulty.calls();
            assert_eq!(obtain(&cache, &key(8)), Origin::Compiled);
            assert!(faulty.calls() - before < 5, "storing was tried again on a full disk");
            assert_eq!(cache.stats().stores, 0);
            assert_eq!(files_below(&dir.join("v1")), [Path::new("used")]);
        }
        // Nothing is full, but every call writes and reads little.
        let (_temp, dir) = temp();
        let faulty = Faulty::new();
        faulty.piece(7);
        let cache = Cache::open(options(&dir).fs(faulty).publication(publication));
        assert_eq!(obtain(&cache, &key(7)), Origin::Compiled);
        assert_eq!(obtain(&cache, &key(7)), Origin::Disk);
    }
}

#[test]
fn fault_08_file_size_limit() {
    let (_temp, dir) = temp();
    let faulty = Faulty::new();
    let size = entry_bytes(&key(8)).len() as u64;
    faulty.limit_files(size - 1);
    let cache = Cache::open(options(&dir).fs(faulty.clone()));
    let writes = {
        let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let seen = Arc::clone(&count);
        faulty.hook(move |name, _| {
            seen.fetch_add(u64::from(name == "write"), std::sync::atomic::Ordering::Relaxed);
            None
        });
        count
    };
    assert_eq!(obtain(&cache, &key(8)), Origin::Compiled);
    assert_eq!(cache.stats().store_failures(StoreFailure::FileSizeLimit), 1);
    assert_eq!(writes.load(std::sync::atomic::Ordering::Relaxed), 0, "a write would kill us");
    faulty.limit_files(size);
    assert_eq!(obtain(&cache, &key(8)), Origin::Compiled);
    assert_eq!(obtain(&cache, &key(8)), Origin::Disk);
}

#[test]
fn fault_09_directory_deleted_or_replaced_while_open() {
    for publication in [Publication::Unnamed, Publication::Renamed] {
        let (_temp, dir) = temp();
        let cache = Cache::open(options(&dir).publication(publication));
        obtain(&cache, &key(1));
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
        assert_eq!(obtain(&cache, &key(1)), Origin::Disk, "the directory was not created again");
        // Only a shard, or only the version.
        fs::remove_dir_all(file_of(&dir, &key(1)).parent().unwrap()).unwrap();
        assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
        assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
        fs::remove_dir_all(dir.join("v1")).unwrap();
        assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
        assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
        // Replaced by a file: nothing can be done, and the file stays.
        fs::remove_dir_all(&dir).unwrap();
        fs::write(&dir, b"a file").unwrap();
        assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
        assert_eq!(obtain(&cache, &key(2)), Origin::Compiled);
        assert_eq!(cache.stats().store_failures(StoreFailure::Gone), 1);
        assert_eq!(fs::read(&dir).unwrap(), b"a file");
        let cache = Cache::open(options(&dir));
        assert!(cache.refused().is_some_and(|why| why.contains("is not a directory")));
        assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
        assert_eq!(fs::read(&dir).unwrap(), b"a file");
    }
    // A file where the version or a shard should be.
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let shard = file_of(&dir, &key(1)).parent().unwrap().to_owned();
    fs::write(&shard, b"a file").unwrap();
    assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
    assert_eq!(cache.stats().rejected(Reason::Shard), 1);
    assert_eq!(fs::read(&shard).unwrap(), b"a file");
    fs::remove_dir_all(&dir).unwrap();
    make_private_dirs(&dir);
    fs::write(dir.join("v1"), b"a file").unwrap();
    assert!(open(&dir).refused().is_some_and(|why| why.contains("v1` is not a directory")));
}

#[test]
fn fault_09_read_only() {
    let (_temp, dir) = temp();
    obtain(&open(&dir), &key(1));
    for error in [Errno::ROFS, Errno::ACCESS, Errno::PERM] {
        let faulty = Faulty::new();
        let cache = Cache::open(options(&dir).fs(faulty.clone()));
        faulty.hook(move |name, _| {
            let writes =
                ["create", "create_unnamed", "make_dir", "link", "rename", "unlink", "touch"];
            writes.contains(&name).then(|| error.into())
        });
        assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
        assert_eq!(obtain(&cache, &key(2)), Origin::Compiled);
        assert_eq!(obtain(&cache, &key(3)), Origin::Compiled);
        assert_eq!(cache.stats().store_failures(StoreFailure::NotWritable), 1);
    }
    // Asked to be: nothing changes, not even a time.
    let listing = |dir: &Path| -> Vec<_> {
        let meta = |path: &Path| path.symlink_metadata().map(|m| (m.ino(), m.mtime(), m.size()));
        files_below(dir).into_iter().map(|file| (meta(&dir.join(&file)).unwrap(), file)).collect()
    };
    plant(&dir, &key(4), b"garbage");
    set_modified(&file_of(&dir, &key(1)), SystemTime::now() - days(3));
    let before = listing(&dir);
    let cache = Cache::open(options(&dir).mode(Mode::ReadOnly));
    assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
    assert_eq!(obtain(&cache, &key(2)), Origin::Compiled);
    assert_eq!(obtain(&cache, &key(4)), Origin::Compiled);
    cache.prune(Some(0), None);
    cache.clear();
    cache.verify(Remove::Bad);
    assert_eq!(listing(&dir), before);
    // Where there is none, none is created, and nobody is warned.
    let (_temp, none) = temp();
    let cache = Cache::open(options(&none).mode(Mode::ReadOnly));
    assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
    assert!(!none.exists());
    assert_eq!(cache.refused(), None);
}

#[test]
fn fault_10_paths() {
    use std::os::unix::ffi::OsStringExt;
    // Not UTF-8: as good as any other.
    let (temp, _) = temp();
    let odd = temp.path().join(OsString::from_vec(b"k\xff\xfe\n\xc3".to_vec())).join("genred");
    let cache = open(&odd);
    obtain(&cache, &key(1));
    assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
    // A name that is too long; a path that is too long although its names are not.
    let cache = open(&temp.path().join("x".repeat(256)));
    assert!(cache.refused().is_some_and(|why| why.contains("cannot be")), "{:?}", cache.refused());
    assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
    let long = (0..40).fold(temp.path().join("long"), |path, _| path.join("y".repeat(120)));
    let cache = open(&long);
    assert_eq!(cache.refused(), None, "directories are walked one at a time");
    obtain(&cache, &key(1));
    assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
    cache.clear();
    // NUL bytes, and the root.
    let cache = open(&temp.path().join("a\0b"));
    assert!(cache.refused().is_some());
    assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
    assert!(open(Path::new("/")).refused().is_some());
    // Through the environment only an absolute path counts.
    let settle = |value: &str| {
        let value = OsString::from(value);
        Options::new().settle(&|name| (name == "GENRED_CACHE_DIR").then(|| value.clone()))
    };
    for relative in ["kernels", "./kernels", "../kernels", "~/kernels", "$HOME/kernels"] {
        let settings = settle(relative);
        assert_eq!(settings.warnings.len(), 1, "{relative}");
        assert_ne!(settings.dir, Some(relative.into()));
    }
    assert_eq!(settle("/kernels").dir, Some("/kernels".into()));
    // Each component may be relative to where a link leads, `..` included.
    let real = temp.path().join("real/inner");
    make_private_dirs(&real);
    symlink("real/inner", temp.path().join("link")).unwrap();
    let cache = open(&temp.path().join("link/../sibling"));
    obtain(&cache, &key(1));
    assert!(temp.path().join("real/sibling/v1").is_dir(), "`..` is not taken literally");
}

#[test]
fn fault_11_directories_that_others_can_write() {
    for mode in [0o777, 0o770, 0o720, 0o702, 0o1777] {
        let (_temp, dir) = temp();
        make_private_dirs(&dir);
        chmod(&dir, mode);
        let cache = open(&dir);
        let why = cache.refused().expect("refused").to_owned();
        assert!(why.contains("can be written by others"), "{why}");
        assert_eq!(obtain(&cache, &key(11)), Origin::Compiled);
        assert_eq!(obtain(&cache, &key(11)), Origin::Compiled);
        assert!(files_below(&dir).is_empty(), "something was written");
        assert_eq!(cache.path(), None);
    }
    // The version's directory, a shard, the directory of unfinished files.
    let (_temp, dir) = temp();
    let cache = open(&dir);
    obtain(&cache, &key(11));
    let shard = file_of(&dir, &key(11)).parent().unwrap().to_owned();
    chmod(&shard, 0o770);
    assert_eq!(cache.load(&key(11), ANY_HOST).unwrap_err(), Miss::Rejected(Reason::Shard));
    assert_eq!(obtain(&cache, &key(11)), Origin::Compiled);
    chmod(&shard, 0o755);
    assert_eq!(obtain(&cache, &key(11)), Origin::Disk, "reading is no harm");
    chmod(&dir.join("v1"), 0o777);
    assert!(open(&dir).refused().is_some());
    chmod(&dir.join("v1"), 0o700);
    make_private_dirs(&dir.join("v1/tmp"));
    chmod(&dir.join("v1/tmp"), 0o777);
    let cache = Cache::open(options(&dir).publication(Publication::Renamed));
    assert_eq!(obtain(&cache, &key(12)), Origin::Compiled);
    assert_eq!(debris(&dir), 0);
    assert_eq!(cache.stats().stores, 0);
    // An ancestor.
    for (mode, refused) in [(0o777, true), (0o770, true), (0o1777, false), (0o755, false)] {
        let (temp, _) = temp();
        let dir = temp.path().join("shared/mine/genred");
        make_private_dirs(dir.parent().unwrap());
        chmod(&temp.path().join("shared"), mode);
        let cache = open(&dir);
        assert_eq!(cache.refused().is_some(), refused, "{mode:o}");
        assert_eq!(dir.exists(), !refused);
        obtain(&cache, &key(11));
    }
    // Somebody else's, as far as the cache can tell.
    let (_temp, dir) = temp();
    obtain(&open(&dir), &key(11));
    let faulty = Faulty::new();
    faulty.user_is(54_321);
    let cache = Cache::open(options(&dir).fs(faulty));
    assert!(cache.refused().is_some_and(|why| why.contains("not to user 54321")));
    assert_eq!(obtain(&cache, &key(11)), Origin::Compiled);
}

#[test]
fn fault_12_symbolic_links() {
    let victim_of = |temp: &Path| {
        let victim = temp.join("victim");
        make_private_dirs(&victim);
        victim
    };
    // The cache directory itself, whole and dangling.
    let (temp_dir, dir) = temp();
    let victim = victim_of(temp_dir.path());
    for target in [victim.clone(), temp_dir.path().join("nowhere")] {
        symlink(&target, &dir).unwrap();
        let cache = open(&dir);
        assert!(cache.refused().is_some_and(|why| why.contains("is a symbolic link")));
        assert_eq!(obtain(&cache, &key(12)), Origin::Compiled);
        assert!(files_below(&victim).is_empty() && !temp_dir.path().join("nowhere").exists());
        fs::remove_file(&dir).unwrap();
    }
    // The version.
    make_private_dirs(&dir);
    symlink(&victim, dir.join("v1")).unwrap();
    let cache = open(&dir);
    assert!(cache.refused().is_some());
    obtain(&cache, &key(12));
    assert!(files_below(&victim).is_empty());
    fs::remove_file(dir.join("v1")).unwrap();
    // A shard and `tmp`.
    for publication in [Publication::Unnamed, Publication::Renamed] {
        let cache = Cache::open(options(&dir).publication(publication));
        let shard = file_of(&dir, &key(12)).parent().unwrap().to_owned();
        for target in [victim.clone(), temp_dir.path().join("nowhere")] {
            for place in [&shard, &dir.join("v1/tmp")] {
                let _ = fs::remove_dir_all(place);
                symlink(&target, place).unwrap();
                let cache = Cache::open(options(&dir).publication(publication));
                assert_eq!(obtain(&cache, &key(12)), Origin::Compiled);
                cache.clear();
                assert!(files_below(&victim).is_empty());
                assert!(!temp_dir.path().join("nowhere").exists());
                fs::remove_file(place).unwrap();
                let _ = fs::remove_file(file_of(&dir, &key(12)));
            }
        }
        // An entry: the link goes, what it leads to stays.
        let precious = victim.join("precious");
        for content in [b"precious".to_vec(), entry_bytes(&key(12))] {
            fs::write(&precious, &content).unwrap();
            make_private_dirs(&shard);
            let _ = fs::remove_file(file_of(&dir, &key(12)));
            symlink(&precious, file_of(&dir, &key(12))).unwrap();
            let before = cache.stats().rejected(Reason::NotAFile);
            assert_eq!(obtain(&cache, &key(12)), Origin::Compiled);
            assert_eq!(cache.stats().rejected(Reason::NotAFile), before + 1);
            assert_eq!(fs::read(&precious).unwrap(), content);
            assert_eq!(obtain(&cache, &key(12)), Origin::Disk);
        }
        fs::remove_file(&precious).unwrap();
        fs::remove_file(file_of(&dir, &key(12))).unwrap();
        symlink(victim.join("nothing"), file_of(&dir, &key(12))).unwrap();
        assert_eq!(obtain(&cache, &key(12)), Origin::Compiled);
        assert!(!victim.join("nothing").exists());
        assert_eq!(obtain(&cache, &key(12)), Origin::Disk);
        fs::remove_file(file_of(&dir, &key(12))).unwrap();
    }
    // On the way a link of ours is followed, a chain without end is not.
    symlink(&victim, temp_dir.path().join("way")).unwrap();
    let cache = open(&temp_dir.path().join("way/genred"));
    obtain(&cache, &key(12));
    assert_eq!(obtain(&cache, &key(12)), Origin::Disk);
    symlink("loop", temp_dir.path().join("loop")).unwrap();
    assert!(
        open(&temp_dir.path().join("loop/genred"))
            .refused()
            .is_some_and(|why| why.contains("too many symbolic links"))
    );
}

/// At every single call, swap a directory of the cache for a link to another one.
#[test]
fn fault_12_swapped_between_check_and_open() {
    let mut swaps = 0;
    for which in ["", "v1", "shard"] {
        for publication in [Publication::Unnamed, Publication::Renamed] {
            for at in 1.. {
                let (temp, dir) = temp();
                obtain(&open(&dir), &key(1));
                let place = match which {
                    "shard" => file_of(&dir, &key(1)).parent().unwrap().to_owned(),
                    "v1" => dir.join("v1"),
                    _ => dir.clone(),
                };
                let victim = temp.path().join("victim");
                // An entry of the right name that must not be found through the link.
                plant(&victim, &key(2), b"bait");
                make_private_dirs(&victim.join("v1/tmp"));
                let faulty = Faulty::new();
                let (aside, link) = (temp.path().join("aside"), victim.clone());
                let swapped = Arc::new(std::sync::atomic::AtomicBool::new(false));
                let flag = Arc::clone(&swapped);
                faulty.hook(move |_, call| {
                    if call == at {
                        fs::rename(&place, &aside).unwrap();
                        symlink(&link, &place).unwrap();
                        flag.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                    None
                });
                let before = files_below(&victim);
                let cache = Cache::open(options(&dir).fs(faulty).publication(publication));
                obtain(&cache, &key(1));
                obtain(&cache, &key(3));
                cache.prune(Some(0), None);
                assert_eq!(files_below(&victim), before, "{which} swapped at call {at}");
                if !swapped.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                swaps += 1;
            }
        }
    }
    println!("{swaps} swaps: nothing followed, nothing written elsewhere");
}

#[test]
fn fault_13_what_is_no_file_of_ours() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let key = key(13);
    let file = file_of(&dir, &key);
    let rejected = |reason| {
        let before = cache.stats().rejected(reason);
        assert_eq!(obtain(&cache, &key), Origin::Compiled);
        assert_eq!(cache.stats().rejected(reason), before + 1, "{reason}");
        assert_eq!(obtain(&cache, &key), Origin::Disk, "not replaced after {reason}");
    };
    obtain(&cache, &key);
    for mode in [0o620, 0o602, 0o666] {
        chmod(&file, mode);
        rejected(Reason::Mode);
    }
    fs::hard_link(&file, dir.join("second name")).unwrap();
    rejected(Reason::Links);
    assert!(dir.join("second name").exists());
    // A FIFO that nobody writes to must not make us wait.
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().expect("mkfifo runs");
    assert!(made.success());
    let (done, is_done) = std::sync::mpsc::channel();
    let (waiting, wanted) = (cache.clone(), key.clone());
    std::thread::spawn(move || done.send(waiting.load(&wanted, ANY_HOST).map(|_| ())));
    let loaded = is_done.recv_timeout(Duration::from_secs(20)).expect("loading waits for a writer");
    assert_eq!(loaded, Err(Miss::Rejected(Reason::NotAFile)));
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    rejected(Reason::NotAFile);
    fs::remove_file(&file).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&file);
    match socket {
        Ok(_listener) => rejected(Reason::NotAFile),
        Err(error) => without("a socket at the name", error),
    }
    let _ = fs::remove_file(&file);
    fs::create_dir(&file).unwrap();
    rejected(Reason::NotAFile);
    // One that cannot be removed costs its key the disk, and nothing else.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    fs::write(file.join("inside"), b"").unwrap();
    for _ in 0..3 {
        assert_eq!(obtain(&cache, &key), Origin::Compiled);
    }
    assert!(file.join("inside").exists());
    // Somebody else's file, as far as the cache can tell.
    let (_temp, dir) = temp();
    obtain(&open(&dir), &key);
    let faulty = Faulty::new();
    let cache = Cache::open(options(&dir).fs(faulty.clone()));
    let calls = faulty.clone();
    faulty.hook(move |name, _| {
        if name == "stat" {
            calls.user_is(54_321);
        }
        None
    });
    assert_eq!(cache.load(&key, ANY_HOST).unwrap_err(), Miss::Rejected(Reason::Owner));
}

#[test]
fn fault_15_sixteen_threads_compile_once() {
    use std::sync::Barrier;
    let (_temp, dir) = temp();
    let cache = open(&dir);
    for n in 0..20 {
        let barrier = Barrier::new(16);
        let origins: Vec<Origin> = std::thread::scope(|scope| {
            let thread = || {
                barrier.wait();
                run_kernel(&cache, n)
            };
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(thread)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let compiled = origins.iter().filter(|origin| **origin == Origin::Compiled).count();
        let memory = origins.iter().filter(|origin| **origin == Origin::Memory).count();
        assert_eq!((compiled, memory), (1, 15), "kernel {n}");
    }
    let stats = cache.stats();
    assert_eq!((stats.stores, stats.misses, stats.lost_races), (20, 20, 0), "{stats}");
}

#[test]
fn fault_18_clocks() {
    let (_temp, dir) = temp();
    let faulty = Faulty::new();
    let now = SystemTime::now();
    let (past, future) = (SystemTime::UNIX_EPOCH, now + days(3650));
    let max = 16 * 4 * 4096;
    let cache = Cache::open(options(&dir).fs(faulty.clone()).evict_every(1).max_size(max));
    let keys: Vec<_> = (0..6).map(|n| key_in_shard('5', 1000 * n)).collect();
    let exists = |n: usize| file_of(&dir, &keys[n]).exists();
    for key in &keys[..3] {
        obtain(&cache, key);
    }
    // Unused for 90 days as far as anybody can tell: goes with the next store. From the future: stays while there is room.
    set_modified(&file_of(&dir, &keys[0]), past);
    set_modified(&file_of(&dir, &keys[1]), future);
    obtain(&cache, &keys[3]);
    assert_eq!([0, 1, 2, 3].map(exists), [false, true, true, true]);
    // When room is made, the one from the future is the first to go, before one that was used in fact.
    set_modified(&file_of(&dir, &keys[2]), now - days(10));
    obtain(&cache, &keys[4]);
    obtain(&cache, &keys[5]);
    assert_eq!([1, 2, 3, 4, 5].map(exists), [false, false, true, true, true]);
    // One from the future that is used is given a time of today.
    set_modified(&file_of(&dir, &keys[3]), future);
    assert_eq!(obtain(&cache, &keys[3]), Origin::Disk);
    let modified = |n: usize| file_of(&dir, &keys[n]).metadata().unwrap().modified().unwrap();
    assert!(modified(3) < now + days(1));
    // A hit refreshes the time once a day.
    set_modified(&file_of(&dir, &keys[4]), now - days(2));
    assert_eq!(obtain(&cache, &keys[4]), Origin::Disk);
    assert!(modified(4) > now - days(1));
    let hours_ago = now - 5 * HOUR;
    set_modified(&file_of(&dir, &keys[4]), hours_ago);
    assert_eq!(obtain(&cache, &keys[4]), Origin::Disk);
    assert_eq!(modified(4), hours_ago);
    // The clock set back to 1971: nothing is lost by that.
    let before = files_below(&dir);
    faulty.clock(past + days(365));
    for n in [3, 4, 5] {
        assert_eq!(obtain(&cache, &keys[n]), Origin::Disk);
    }
    obtain(&cache, &key_in_shard('6', 0));
    cache.prune(None, Some(days(1)));
    assert!(before.iter().all(|file| files_below(&dir).contains(file)));
    // And far ahead: what was used now is old then.
    faulty.clock(now + days(400));
    cache.prune(None, Some(days(100)));
    assert_eq!(cache.list().len(), 0);
}

/// A life of a cache: opened, filled, hit, hurt, healed, evicted, pruned.
fn life(dir: &Path, fs: Arc<dyn genred::cache::fs::Fs>, publication: Publication) {
    let cache = options(dir).fs(fs).publication(publication).evict_every(1).max_size(16 * 3 * 4096);
    let cache = Cache::open(cache);
    obtain(&cache, &key(1));
    obtain(&cache, &key(1));
    let file = file_of(dir, &key(1));
    if file.exists() {
        plant(dir, &key(1), b"garbage");
    }
    obtain(&cache, &key(1));
    for n in 0..4 {
        obtain(&cache, &key_in_shard('7', 1000 * n));
    }
    cache.prune(Some(2 * 4096), None);
    obtain(&cache, &key(1));
    cache.verify(Remove::Bad);
    let _ = cache.nearest(&key(2));
    let _ = cache.disk();
}

/// Fail one call after the other of a life of a cache; the number of lives.
fn fail_each_call(system: fn() -> Arc<Faulty>, publication: Publication, error: Errno) -> u64 {
    for n in 1.. {
        let (_temp, dir) = temp();
        let faulty = system();
        faulty.fail_call(n, error);
        life(&dir, faulty.clone(), publication);
        // With the fault gone, everything works, and nothing is left that should not be.
        let after = open(&dir);
        let what = format!("call {n} {error:?}");
        assert_eq!(after.refused(), None, "{what}");
        obtain(&after, &key(1));
        assert_eq!(obtain(&after, &key(1)), Origin::Disk, "{what}");
        let later = Faulty::new();
        later.clock(SystemTime::now() + 2 * HOUR);
        Cache::open(options(&dir).fs(later)).prune(None, None);
        assert_eq!(debris(&dir), 0, "{what}");
        let bad = after.verify(Remove::Nothing).bad;
        assert!(bad.is_empty(), "{what}: {bad:?}");
        after.clear();
        let mut left = files_below(&dir);
        left.retain(|file| ![Path::new("CACHEDIR.TAG"), Path::new("v1/used")].contains(&&**file));
        assert!(left.is_empty(), "{what}: {left:?}");
        if faulty.calls() < n {
            return n;
        }
    }
    unreachable!("a life makes a finite number of calls")
}

#[test]
fn fault_21_every_call_fails_once() {
    let errors = [
        Errno::IO,
        Errno::INTR,
        Errno::AGAIN,
        Errno::NOSPC,
        Errno::MFILE,
        Errno::STALE,
        Errno::ACCESS,
        Errno::NOENT,
    ];
    let portable = || Faulty::over(Arc::new(Portable));
    let runs: u64 = std::thread::scope(|scope| {
        let unnamed = scope.spawn(move || {
            errors.map(|error| fail_each_call(Faulty::new, Publication::Unnamed, error))
        });
        let renamed = errors.map(|error| fail_each_call(Faulty::new, Publication::Renamed, error));
        let few = [Errno::IO, Errno::INTR];
        let portable = few.map(|error| fail_each_call(portable, Publication::Renamed, error));
        let unnamed = unnamed.join().expect("no panic");
        unnamed.iter().chain(&renamed).chain(&portable).sum()
    });
    println!("{runs} lives of a cache with one failing call each: all results right");
}

#[test]
fn fault_21_interrupted_calls_are_repeated() {
    for publication in [Publication::Unnamed, Publication::Renamed] {
        for name in ["open_dir", "stat_dir", "open", "read", "create_unnamed", "create", "write"] {
            let (_temp, dir) = temp();
            let faulty = Faulty::new();
            let cache = Cache::open(options(&dir).fs(faulty.clone()).publication(publication));
            obtain(&cache, &key(1));
            // Every second call of a kind is interrupted.
            let mut calls = 0;
            faulty.hook(move |call, _| {
                calls += u32::from(call == name);
                (call == name && calls % 2 == 1).then(|| Errno::INTR.into())
            });
            assert_eq!(obtain(&cache, &key(1)), Origin::Disk, "{name}");
            assert_eq!(obtain(&cache, &key(2)), Origin::Compiled);
            assert_eq!(obtain(&cache, &key(2)), Origin::Disk, "{name}");
            assert_eq!((cache.stats().stores, cache.stats().unreadable), (2, 0), "{name}");
        }
    }
}

#[test]
fn fault_21_everything_fails() {
    for error in [Errno::IO, Errno::INTR, Errno::AGAIN, Errno::NOSPC, Errno::MFILE, Errno::STALE] {
        for from in [1, 5, 10, 15, 20, 25, 30, 40] {
            let (_temp, dir) = temp();
            let faulty = Faulty::new();
            faulty.hook(move |_, call| (call >= from).then(|| error.into()));
            life(&dir, faulty, Publication::Unnamed);
        }
    }
}

/// A cache that is told no size holds as many bytes as there may be, and makes room for one block more. Files without contents
/// stand for most of them: what counts is their size.
#[test]
fn the_default_bound_of_a_directory() {
    use genred::limits;
    let (_temp, dir) = temp();
    let untold = Options::new().dir(&dir).system(dir.join("no such directory"));
    let untold = untold.mode(Mode::ReadWrite).verify(Verify::Digest).evict_every(1);
    let cache = Cache::open(untold);
    assert_eq!(cache.disk().max_size, limits::CACHE_BYTES, "is GENRED_CACHE_MAX_SIZE set?");
    let (size, largest) = (4096, limits::CACHE_ENTRY_BYTES);
    let quota = limits::CACHE_BYTES / 16;
    assert_eq!(quota, 2 * largest);
    let shards = "0123456789abcdef";
    let old = |shard: char, n: u64| file_of(&dir, &key_in_shard(shard, 1_000 * n));
    for shard in shards.chars() {
        for (n, bytes) in [(1, largest), (2, largest - size)] {
            make_private_dirs(old(shard, n).parent().unwrap());
            fs::File::create(old(shard, n)).unwrap().set_len(bytes).unwrap();
            set_modified(&old(shard, n), SystemTime::now() - days(3 - n));
        }
        obtain(&cache, &key_in_shard(shard, 3_000));
    }
    assert_eq!((cache.disk().bytes, cache.stats().evicted), (limits::CACHE_BYTES, 0));
    for shard in shards.chars() {
        obtain(&cache, &key_in_shard(shard, 4_000));
        assert!(!old(shard, 1).exists() && old(shard, 2).exists(), "shard {shard}");
    }
    assert_eq!(cache.stats().evicted, 16);
    assert!(cache.disk().bytes < limits::CACHE_BYTES);
}

#[test]
fn fault_22_quota_and_foreign_files() {
    let size = 4096;
    let keys: Vec<_> = (0..40).map(|n| key_in_shard('3', 1000 * n)).collect();
    for every in [1u64, 8] {
        let (_temp, dir) = temp();
        let quota = 10 * size;
        let cache = Cache::open(options(&dir).max_size(16 * quota).evict_every(every as u32));
        let shard = dir.join("v1/3");
        let foreign = [
            "README",
            ".grk",
            "x.grk",
            &format!("{:063x}.grk~", 1),
            &format!("{:063X}.grk", 0xabcdu32),
            &format!("{:062x}.grk", 1),
            &format!("{:064x}.grk", 1),
            &format!("{:063x}.GRK", 1),
        ];
        make_private_dirs(&shard);
        for name in foreign {
            fs::write(shard.join(name), vec![0; 1 << 20]).unwrap();
            set_modified(&shard.join(name), SystemTime::UNIX_EPOCH);
        }
        make_private_dirs(&shard.join("directory"));
        fs::write(dir.join("v1").join("foreign"), b"").unwrap();
        let mut most = 0;
        for (n, key) in keys.iter().enumerate() {
            obtain(&cache, key);
            assert!(file_of(&dir, key).exists(), "the entry just written was evicted");
            // Entries get times in the order in which they are made.
            set_modified(
                &file_of(&dir, key),
                SystemTime::now() - days(1) + Duration::from_secs(n as u64),
            );
            let bytes = cache.disk().bytes;
            assert!(bytes <= quota + every * size, "{bytes} bytes after store {n}");
            most = most.max(bytes);
        }
        assert!(most >= quota - size, "room was made too early: {most}");
        assert!(cache.stats().evicted > 20);
        // Least recently used first: what is left are the last ones.
        let left: Vec<bool> = keys.iter().map(|key| file_of(&dir, key).exists()).collect();
        let first = left.iter().position(|left| *left).unwrap();
        assert!(left[first..].iter().all(|left| *left), "{left:?}");
        cache.prune(Some(0), None);
        cache.clear();
        for name in foreign {
            assert!(shard.join(name).exists(), "{name} was removed");
        }
        assert!(shard.join("directory").exists() && dir.join("v1/foreign").exists());
        assert_eq!(cache.list().len(), 0);
    }
    // The clock of the machine that wrote the others is ahead: the entry just written is the oldest, and stays.
    let (_temp, dir) = temp();
    let cache = Cache::open(options(&dir).max_size(16 * 4 * size).evict_every(1));
    for key in &keys[..10] {
        obtain(&cache, key);
        assert!(file_of(&dir, key).exists(), "the entry just written was evicted");
        set_modified(&file_of(&dir, key), SystemTime::now() + HOUR);
    }
    assert!(cache.stats().evicted > 5);
    // An entry larger than a shard's part is not stored at all.
    let (_temp, dir) = temp();
    let cache = Cache::open(options(&dir).max_size(16 * 4096 - 1));
    obtain(&cache, &key(1));
    assert_eq!(cache.stats().store_failures(StoreFailure::TooLarge), 1);
}

#[test]
fn fault_22_evicted_while_being_read() {
    // At every call of a load, the entry is evicted, replaced, or replaced by garbage.
    for kind in 0..3 {
        for at in 1.. {
            let (_temp, dir) = temp();
            let faulty = Faulty::new();
            let cache = Cache::open(options(&dir).fs(faulty.clone()));
            obtain(&cache, &key(22));
            let start = faulty.calls();
            let dir_of_hook = dir.clone();
            let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
            let flag = Arc::clone(&done);
            faulty.hook(move |_, call| {
                if call == start + at {
                    flag.store(true, std::sync::atomic::Ordering::Relaxed);
                    match kind {
                        0 => fs::remove_file(file_of(&dir_of_hook, &key(22))).unwrap(),
                        1 => plant(&dir_of_hook, &key(22), &entry_bytes(&key(22))),
                        _ => plant(&dir_of_hook, &key(22), b"garbage"),
                    }
                }
                None
            });
            obtain(&cache, &key(22));
            faulty.unhook();
            obtain(&cache, &key(22));
            assert_eq!(obtain(&cache, &key(22)), Origin::Disk);
            if !done.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
        }
    }
}

#[test]
fn fault_22_replaced_before_it_is_removed() {
    // Garbage is read; before it is removed, another process has put a good entry in its place.
    let (_temp, dir) = temp();
    let faulty = Faulty::new();
    let cache = Cache::open(options(&dir).fs(faulty.clone()));
    plant(&dir, &key(22), b"garbage");
    let elsewhere = dir.clone();
    let mut replaced = false;
    faulty.hook(move |name, _| {
        if name == "stat_at" && !replaced {
            replaced = true;
            plant(&elsewhere, &key(22), &entry_bytes(&key(22)));
        }
        None
    });
    assert_eq!(obtain(&cache, &key(22)), Origin::Compiled);
    faulty.unhook();
    assert_eq!(cache.stats().lost_races, 1, "the good entry was removed");
    assert_eq!(obtain(&cache, &key(22)), Origin::Disk);
}

#[test]
fn fault_23_errors_of_the_compiler_only() {
    #[derive(Debug, PartialEq)]
    struct Refused;
    let (_temp, dir) = temp();
    for mode in [Mode::Off, Mode::ReadOnly, Mode::ReadWrite, Mode::Refresh] {
        let cache = Cache::open(options(&dir).mode(mode));
        let failed = cache.obtain(&key(23), ANY_HOST, |_| Ok(()), || Err(Refused));
        assert_eq!(failed.unwrap_err(), Refused);
        assert!(!file_of(&dir, &key(23)).exists());
    }
    // Storing fails in every way there is, and the kernel is there all the same.
    for error in [Errno::NOSPC, Errno::ROFS, Errno::IO, Errno::NFILE, Errno::LOOP, Errno::NOMEM] {
        let faulty = Faulty::new();
        let (_temp, dir) = temp();
        let cache = Cache::open(options(&dir).fs(faulty.clone()));
        faulty.hook(move |name, _| {
            ["create", "create_unnamed", "make_dir"].contains(&name).then(|| error.into())
        });
        assert_eq!(obtain(&cache, &key(23)), Origin::Compiled);
        let failures: u64 = cache.stats().store_failures.iter().map(|(_, count)| count).sum();
        assert_eq!((failures, cache.stats().stores), (1, 0), "{error:?}");
    }
    // Code from disk that the loader does not accept is compiled again and replaced.
    let cache = open(&dir);
    cache.store(&key(23), &genred::cache::Compiled { code: b"odd".to_vec(), compile_ns: 1 });
    let accept = |code: &[u8]| if code == b"odd" { Err(Refused) } else { Ok(code.to_vec()) };
    let (result, origin) =
        cache.obtain(&key(23), ANY_HOST, accept, || Ok(compiled(&key(23)))).unwrap();
    assert_eq!((result, origin), (code(&key(23)), Origin::Compiled));
    assert_eq!(cache.stats().rejected(Reason::Contents), 1);
    assert_eq!(obtain(&cache, &key(23)), Origin::Disk);
}

#[test]
fn fault_26_network_file_systems() {
    for publication in [Publication::Unnamed, Publication::Renamed] {
        // A lookup that remembers that there was nothing, while somebody else has stored the entry.
        let (_temp, dir) = temp();
        obtain(&open(&dir), &key(26));
        let faulty = Faulty::new();
        let cache = Cache::open(options(&dir).fs(faulty.clone()).publication(publication));
        faulty.hook(|name, _| (name == "open" || name == "stat_at").then(|| Errno::NOENT.into()));
        assert_eq!(obtain(&cache, &key(26)), Origin::Compiled);
        faulty.unhook();
        assert_eq!(obtain(&cache, &key(26)), Origin::Disk);
        assert_eq!(debris(&dir), 0);
        // An answer that got lost: the name was made, and the second attempt says that it exists, or that it does not.
        for answer in [Errno::EXIST, Errno::NOENT, Errno::STALE] {
            let (_temp, dir) = temp();
            let faulty = Faulty::new();
            let cache = Cache::open(options(&dir).fs(faulty.clone()).publication(publication));
            let elsewhere = dir.clone();
            faulty.hook(move |name, _| {
                (name == "link" || name == "rename").then(|| {
                    plant(&elsewhere, &key(26), &entry_bytes(&key(26)));
                    answer.into()
                })
            });
            assert_eq!(obtain(&cache, &key(26)), Origin::Compiled);
            faulty.unhook();
            assert_eq!(obtain(&cache, &key(26)), Origin::Disk);
            assert_eq!(debris(&dir), 0);
        }
    }
    // Handles that went stale: of a directory, of an entry, in the middle of reading.
    for name in ["open_dir", "stat_dir", "open", "stat", "read"] {
        let (_temp, dir) = temp();
        let faulty = Faulty::new();
        let cache = Cache::open(options(&dir).fs(faulty.clone()));
        obtain(&cache, &key(26));
        let mut times = 0;
        faulty.hook(move |call, _| {
            times += u32::from(call == name);
            (call == name && times == 1).then(|| Errno::STALE.into())
        });
        assert_eq!(obtain(&cache, &key(26)), Origin::Compiled, "{name}");
        assert_eq!(cache.stats().unreadable, 1);
        assert_eq!(obtain(&cache, &key(26)), Origin::Disk, "{name}");
    }
}

#[test]
fn fault_28_garbage_in_the_environment() {
    use std::os::unix::ffi::OsStringExt;
    let names = [
        "GENRED_CACHE",
        "GENRED_CACHE_DIR",
        "GENRED_CACHE_MAX_SIZE",
        "GENRED_CACHE_VERIFY",
        "GENRED_CACHE_SYSTEM",
    ];
    let default = Options::new().settle(&|_| None);
    assert!(default.warnings.is_empty());
    let garbage: [&[u8]; 14] = [
        b" ",
        b"1",
        b"on",
        b"RW",
        b"rw ",
        b"-1",
        b"1.5G",
        b"1T",
        b"M",
        b"99999999999999999999",
        b"18446744073709551615G",
        b"\xff\xfe",
        b"../..",
        b"%s%n\n",
    ];
    for name in names {
        for value in garbage {
            // A number of bytes it is.
            if name == "GENRED_CACHE_MAX_SIZE" && value == b"1" {
                continue;
            }
            let value = OsString::from_vec(value.to_vec());
            let settings = Options::new().settle(&|asked| (asked == name).then(|| value.clone()));
            assert_eq!(settings.warnings.len(), 1, "{name}={value:?}");
            assert!(settings.warnings[0].starts_with(&format!("{name}=")));
            assert_eq!(settings.mode, default.mode);
            assert_eq!(settings.dir, default.dir);
            assert_eq!(settings.system, default.system);
            assert_eq!(settings.max_size, default.max_size);
            assert_eq!(settings.verify, default.verify);
        }
        // Empty means not set.
        let settings = Options::new().settle(&|asked| (asked == name).then(OsString::new));
        assert!(settings.warnings.is_empty());
    }
    let sets = |name: &'static str, value: &'static str| {
        Options::new().settle(&move |asked| (asked == name).then(|| value.into()))
    };
    assert_eq!(sets("GENRED_CACHE", "off").mode, Mode::Off);
    assert_eq!(sets("GENRED_CACHE", "ro").mode, Mode::ReadOnly);
    assert_eq!(sets("GENRED_CACHE", "rw").mode, Mode::ReadWrite);
    assert_eq!(sets("GENRED_CACHE", "refresh").mode, Mode::Refresh);
    assert_eq!(sets("GENRED_CACHE_MAX_SIZE", "3k").max_size, 3 << 10);
    assert_eq!(sets("GENRED_CACHE_MAX_SIZE", "0").max_size, 0);
    assert_eq!(sets("GENRED_CACHE_VERIFY", "recompile").verify, Verify::Recompile);
    assert_eq!(sets("GENRED_CACHE_SYSTEM", "/usr/share/k").system, Some("/usr/share/k".into()));
    // What the program says counts more.
    let own = Options::new().mode(Mode::ReadOnly).max_size(7).dir("/own").verify(Verify::Digest);
    let settings =
        own.settle(&|name| Some(if name == "GENRED_CACHE" { "off" } else { "/somewhere" }.into()));
    assert_eq!((settings.mode, settings.max_size), (Mode::ReadOnly, 7));
    assert_eq!((settings.dir, settings.verify), (Some("/own".into()), Verify::Digest));
}

#[test]
fn fault_28_off_and_refresh() {
    let (_temp, dir) = temp();
    let faulty = Faulty::new();
    let off = Cache::open(options(&dir).fs(faulty.clone()).mode(Mode::Off));
    assert_eq!(obtain(&off, &key(1)), Origin::Compiled);
    assert_eq!(obtain(&off, &key(1)), Origin::Compiled);
    assert_eq!(faulty.calls(), 0, "files were touched although the cache is off");
    for publication in [Publication::Unnamed, Publication::Renamed] {
        obtain(&open(&dir), &key(1));
        let inode = || file_of(&dir, &key(1)).metadata().unwrap().ino();
        let old = inode();
        // Held open, so that its number is not given away again.
        let _held = fs::File::open(file_of(&dir, &key(1))).unwrap();
        let refresh = options(&dir).mode(Mode::Refresh).publication(publication);
        let refresh = Cache::open(refresh);
        assert_eq!(obtain(&refresh, &key(1)), Origin::Compiled);
        assert_ne!(inode(), old, "not overwritten");
        assert_eq!(refresh.stats().stores, 1);
        assert_eq!(obtain(&open(&dir), &key(1)), Origin::Disk);
    }
}

#[test]
fn recompile_and_compare_finds_what_the_digest_cannot() {
    let (_temp, dir) = temp();
    let cache = Cache::open(options(&dir).verify(Verify::Recompile));
    obtain(&cache, &key(1));
    obtain(&cache, &key(1));
    assert_eq!(cache.stats().rejections(), 0);
    assert_eq!((cache.stats().stores, cache.stats().disk_hits), (1, 1));
    // A whole entry with wrong code: a defect of the compiler that wrote it, or of the key.
    let wrong = genred::cache::Compiled { code: b"wrong".to_vec(), compile_ns: 0 };
    let bytes = genred::cache::entry::encode(&key(1), &wrong, 0).unwrap();
    plant(&dir, &key(1), &bytes);
    assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
    assert_eq!(cache.stats().rejected(Reason::Recompiled), 1);
    assert_eq!(obtain(&open(&dir), &key(1)), Origin::Disk, "the right code was stored");
}

#[test]
fn the_system_tier_is_read_after_the_users_and_never_written() {
    let (temp, dir) = temp();
    let shared = temp.path().join("image");
    obtain(&open(&shared), &key(1));
    plant(&shared, &key(2), b"garbage");
    chmod(&file_of(&shared, &key(2)), 0o644);
    let before = files_below(&shared);
    let cache = Cache::open(options(&dir).system(&shared));
    assert_eq!(obtain(&cache, &key(1)), Origin::System);
    assert_eq!(obtain(&cache, &key(2)), Origin::Compiled);
    assert_eq!(obtain(&cache, &key(2)), Origin::Disk);
    cache.clear();
    assert_eq!(files_below(&shared), before);
    assert_eq!(fs::read(file_of(&shared, &key(2))).unwrap(), b"garbage");
    // Alone, without a cache of the user's own.
    let cache = Cache::open(options(Path::new("/")).system(&shared));
    assert_eq!(obtain(&cache, &key(1)), Origin::System);
    assert_eq!(obtain(&cache, &key(3)), Origin::Compiled);
    // One that others can write to is not used.
    chmod(&shared, 0o777);
    let cache = Cache::open(options(&dir).system(&shared));
    assert!(cache.refused().is_some());
    assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
}

#[test]
fn the_portable_file_system_works_here_too() {
    let (_temp, dir) = temp();
    let cache = Cache::open(options(&dir).fs(Arc::new(Portable)));
    assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
    assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
    assert_eq!(
        obtain(&open(&dir), &key(1)),
        Origin::Disk,
        "another file system's entry is as good"
    );
    plant(&dir, &key(1), b"garbage");
    assert_eq!(obtain(&cache, &key(1)), Origin::Compiled);
    assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
    set_modified(&file_of(&dir, &key(1)), SystemTime::now() - days(2));
    assert_eq!(obtain(&cache, &key(1)), Origin::Disk);
    let used = file_of(&dir, &key(1)).metadata().unwrap().modified().unwrap();
    assert!(used > SystemTime::now() - days(1));
    assert_eq!(cache.list().len(), 1);
    assert_eq!(debris(&dir), 0);
    assert_eq!(cache.clear().entries, 1);
}

#[test]
fn what_the_tool_shows() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    for n in 0..20 {
        obtain(&cache, &key(n));
    }
    let list = cache.list();
    assert_eq!(list.len(), 20);
    assert!(list.is_sorted_by(|a, b| a.key < b.key));
    for info in &list {
        let contents = info.state.as_ref().expect("all good");
        assert_eq!(contents.kind, "native");
        assert_eq!(info.bytes, info.path.metadata().unwrap().len());
        assert!(info.to_string().contains("Sum float32 Exp("), "{info}");
    }
    let one = cache.show(&key(3).hex()[..12]).unwrap();
    assert_eq!(one.key, key(3).hex());
    assert_eq!(one.state.as_ref().unwrap().fields, key(3).fields());
    assert!(one.state.unwrap().to_string().contains("schedule      lanes=rows mr=4"));
    assert!(cache.show("").unwrap_err().to_string().contains("20 keys begin with"));
    assert!(cache.show("xyz").unwrap_err().to_string().contains("no key begins with"));
    let disk = cache.disk();
    assert_eq!((disk.entries, disk.bytes, disk.unfinished), (20, 20 * 4096, 0));
    assert_eq!(disk.path, Some(dir.clone()));
    plant(&dir, &key(3), b"garbage");
    let report = cache.verify(Remove::Nothing);
    assert_eq!((report.checked, report.removed), (20, 0));
    assert_eq!(report.bad, [(file_of(&dir, &key(3)), Reason::Size)]);
    assert!(cache.show(&key(3).hex()).unwrap().to_string().contains("bad: "));
    assert_eq!(cache.verify(Remove::Bad).removed, 1);
    assert_eq!(cache.verify(Remove::Bad).bad, []);
    // The oldest go first.
    for n in 0..20 {
        if n != 3 {
            set_modified(&file_of(&dir, &key(n)), SystemTime::now() - days(100 - n));
        }
    }
    assert_eq!(cache.prune(Some(10 * 4096), None).entries, 9);
    let left = |n: u64| file_of(&dir, &key(n)).exists();
    assert!((10..20).all(left) && !(0..10).any(left));
    assert_eq!(cache.prune(None, Some(days(86))).entries, 5);
    assert_eq!(cache.prune(None, None).entries, 0);
    assert_eq!(cache.clear().entries, 5);
    assert_eq!(cache.list().len(), 0);
}

#[test]
fn a_refusal_names_the_directory_at_fault() {
    let (temp, _) = temp();
    let shared = temp.path().join("shared");
    make_private_dirs(&shared.join("mine"));
    chmod(&shared, 0o775);
    let system = genred::cache::fs::host();
    let refusal = Root::open(&*system, &shared.join("mine/genred"), Tier::User, Missing::Create);
    let text = refusal.unwrap_err().to_string();
    let expected =
        format!("`{}` can be written by others (mode 0775; try chmod go-w)", shared.display());
    assert_eq!(text, expected);
}

/// A random life: whatever is done to the cache in whatever order, and whichever calls fail meanwhile, results are right.
#[test]
fn random_operations_with_random_faults() {
    let errors = [Errno::IO, Errno::INTR, Errno::NOSPC, Errno::STALE, Errno::NOENT, Errno::EXIST];
    let (mut operations, mut hits, mut faults) = (0u64, 0u64, 0u64);
    for seed in 0..300u64 {
        let mut bits = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
        let mut random = move |below: u64| {
            let mut bytes = [0; 8];
            bits.fill(&mut bytes);
            u64::from_le_bytes(bytes) % below
        };
        let (_temp, dir) = temp();
        let faulty = Faulty::new();
        let publication = [Publication::Unnamed, Publication::Renamed][random(2) as usize];
        let limit = [16 * 4096, 16 * 3 * 4096, 1 << 30][random(3) as usize];
        let options = |fs: Arc<Faulty>| {
            options(&dir).fs(fs).publication(publication).max_size(limit).evict_every(2)
        };
        let mut cache = Cache::open(options(faulty.clone()));
        for _ in 0..40 {
            operations += 1;
            let n = random(6);
            if random(4) == 0 {
                faulty.fail_call(1 + random(12), errors[random(6) as usize]);
                faults += 1;
            }
            match random(12) {
                0 => plant(&dir, &key(n), &entry_bytes(&key(n))[..random(400) as usize]),
                1 => plant(&dir, &key(n), &entry_bytes(&key(random(6)))),
                2 => {
                    let _ = fs::remove_dir_all(dir.join("v1").join(&key(n).hex()[..1]));
                }
                3 => cache = Cache::open(options(faulty.clone())),
                4 => {
                    cache.prune(Some(random(8) * 4096), Some(days(random(3))));
                }
                5 => {
                    cache.verify(Remove::Bad);
                }
                6 => {
                    let now = SystemTime::now() + days(10);
                    faulty.clock(now - days(random(20)));
                }
                _ => hits += u64::from(obtain(&cache, &key(n)) == Origin::Disk),
            }
        }
        faulty.unhook();
        let cache = Cache::open(open_options(&dir));
        for n in 0..6 {
            obtain(&cache, &key(n));
            assert_eq!(obtain(&cache, &key(n)), Origin::Disk, "seed {seed}");
        }
        assert!(cache.verify(Remove::Nothing).bad.is_empty(), "seed {seed}");
    }
    println!("{operations} operations, {faults} faults, {hits} hits: all results right");
    assert!(hits > 500 && faults > 1000);
}

fn open_options(dir: &Path) -> Options {
    cache::options(dir)
}
