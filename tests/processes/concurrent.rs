//! Processes that use one cache at the same time, and processes that are killed.

use super::{actor, end, run, succeed};
use crate::cache::*;
use genred::cache::{Origin, Remove};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("fault_05_killed_while_publishing", killed_while_publishing),
    ("fault_14_64_processes", sixty_four_processes),
    ("fault_16_fork", fork),
    ("fault_17_entry_destroyed_while_its_kernel_runs", destroyed_while_running),
];

/// Start a process and wait until it says that it is ready.
fn ready(mut command: std::process::Command) -> (Child, BufReader<std::process::ChildStdout>) {
    command.stdout(Stdio::piped());
    let mut child = command.spawn().expect("the process starts");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    out.read_line(&mut line).expect("it says something");
    assert_eq!(line, "ready\n");
    (child, out)
}

fn kill(child: &mut Child) {
    child.kill().expect("a child of ours");
    let status = child.wait().expect("a child of ours");
    assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
}

fn killed_while_publishing() {
    for path in ["unnamed", "renamed"] {
        let (_temp, dir) = temp_on_disk();
        let mut random = blake3::Hasher::new().update(path.as_bytes()).finalize_xof();
        let (mut entries, mut left_behind) = (0, 0);
        for round in 0..200u64 {
            let first = (1000 * round).to_string();
            let arguments = [dir.as_os_str(), OsStr::new(path), OsStr::new(&first)];
            let (mut child, _out) = ready(actor("publish", &arguments));
            let mut bits = [0; 2];
            random.fill(&mut bits);
            let micros = u64::from(u16::from_le_bytes(bits)) % 8000;
            std::thread::sleep(Duration::from_micros(micros));
            kill(&mut child);
            let cache = open(&dir);
            let visible = cache.list();
            for info in &visible {
                assert!(info.state.is_ok(), "round {round}: {:?}", info.state);
            }
            entries += visible.len();
            // The key that was being written is not blocked by what is left of it.
            let next = key(1000 * round + visible.len() as u64);
            assert_eq!(obtain(&cache, &next), Origin::Compiled);
            assert_eq!(obtain(&cache, &next), Origin::Disk);
            cache.prune(Some(0), None);
            left_behind = debris(&dir);
        }
        println!("{path}: 200 kills, {entries} whole entries, {left_behind} unfinished files");
        let cache = open(&dir);
        assert_eq!(cache.disk().unfinished, left_behind as u64);
        if path == "unnamed" {
            assert_eq!(left_behind, 0);
        } else {
            assert!(left_behind > 20, "the kills did not hit the middle of writing");
            cache.prune(None, None);
            assert_eq!(debris(&dir), left_behind, "a file of this minute may be somebody's");
            for file in std::fs::read_dir(dir.join("v1/tmp")).expect("it is there") {
                let long_ago = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
                set_modified(&file.expect("a file").path(), long_ago);
            }
            cache.prune(None, None);
            assert_eq!(debris(&dir), 0, "debris was not swept");
        }
    }
}

fn sixty_four_processes() {
    for disturbed in [false, true] {
        let (_temp, dir) = temp_on_disk();
        run_kernel(&open(&dir), 1000);
        let (barrier, gate) = std::io::pipe().expect("a pipe");
        let start = |role: &str, more: &[&OsStr]| {
            let mut arguments = vec![dir.as_os_str()];
            arguments.extend(more);
            let mut command = actor(role, &arguments);
            command.stdin(barrier.try_clone().expect("a descriptor"));
            ready(command)
        };
        let disturbers = if disturbed { &["prune", "clear"][..] } else { &[] };
        let disturbers: Vec<_> = disturbers.iter().map(|role| start(role, &[])).collect();
        let workers: Vec<_> = (0..64)
            .map(|n| {
                let path = if n % 2 == 0 { "unnamed" } else { "renamed" };
                start("work", &[OsStr::new(path), OsStr::new(&n.to_string())])
            })
            .collect();
        // All of them read from the same pipe; this is its last writing end.
        drop(gate);
        let mut sum = [0u64; 8];
        for (child, mut out) in workers {
            let mut line = String::new();
            out.read_line(&mut line).expect("counts");
            let ended = end(child);
            assert!(ended.status.success(), "{}", ended.status);
            for (sum, count) in sum.iter_mut().zip(line.split_whitespace()) {
                *sum += count.parse::<u64>().expect("a count");
            }
        }
        let mut removed = Vec::new();
        for (mut child, out) in disturbers {
            kill(&mut child);
            let last = out.lines().map_while(Result::ok).last().unwrap_or_default();
            removed.push(last);
        }
        let [compiled, disk, memory, stores, lost, rejected, unreadable, failed] = sum;
        let cache = open(&dir);
        let left = cache.list().len();
        println!(
            "64 processes x 50 kernels{}: all results right; {compiled} compiled, {disk} from disk, \
             {memory} from memory, {stores} stored, {lost} lost races, {rejected} rejected, \
             {unreadable} unreadable, {failed} failed stores; {left} entries left",
            if disturbed { ", pruned and cleared meanwhile" } else { "" }
        );
        for (role, counts) in ["pruner", "clearer"].iter().zip(&removed) {
            println!("  {role}: rounds and entries removed: {counts}");
        }
        assert_eq!(compiled + disk + memory, 64 * 50);
        assert_eq!([rejected, unreadable], [0, 0]);
        assert!(cache.verify(Remove::Nothing).bad.is_empty());
        if disturbed {
            assert!(removed.iter().all(|counts| !counts.is_empty()));
            assert!(compiled >= 50);
        } else {
            assert_eq!(left, 51);
            assert!(disk > 0);
        }
        assert_eq!(failed, 0);
        assert_eq!(stores + lost, compiled);
        cache.prune(None, None);
        assert_eq!(debris(&dir), 0, "unfinished files");
        for n in 0..50 {
            run_kernel(&cache, n);
        }
    }
}

fn fork() {
    let (_temp, dir) = temp_on_disk();
    print!("{}", succeed(actor("fork", &[dir.as_os_str()])));
    let bad = open(&dir).verify(Remove::Nothing).bad;
    assert!(bad.is_empty(), "{bad:?}");
}

fn destroyed_while_running() {
    type Destroy = fn(&Path);
    let destroy: [(&str, Destroy); 6] = [
        ("truncated", |file| {
            std::fs::File::options().write(true).open(file).unwrap().set_len(0).unwrap();
        }),
        ("truncated by half", |file| {
            let file = std::fs::File::options().write(true).open(file).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("overwritten", |file| {
            let size = file.metadata().unwrap().len() as usize;
            let mut open = std::fs::File::options().write(true).open(file).unwrap();
            open.write_all(&vec![0xcc; size]).unwrap();
        }),
        ("grown", |file| {
            let mut open = std::fs::File::options().append(true).open(file).unwrap();
            open.write_all(&[0x90; 4096]).unwrap();
        }),
        ("removed", |file| std::fs::remove_file(file).unwrap()),
        ("the whole cache removed", |file| {
            let v1 = file.parent().unwrap().parent().unwrap();
            std::fs::remove_dir_all(v1.parent().unwrap()).unwrap();
        }),
    ];
    for (what, destroy) in destroy {
        let (_temp, dir) = temp_on_disk();
        run_kernel(&open(&dir), 17);
        let file = open(&dir).list()[0].path.clone();
        let (barrier, gate) = std::io::pipe().expect("a pipe");
        let mut command = actor("call", &[dir.as_os_str()]);
        command.stdin(barrier);
        let (child, mut out) = ready(command);
        std::thread::sleep(Duration::from_millis(20));
        destroy(&file);
        std::thread::sleep(Duration::from_millis(50));
        drop(gate);
        let mut line = String::new();
        out.read_line(&mut line).expect("a count");
        let ended = end(child);
        assert!(ended.status.success(), "{what}: {}", ended.status);
        println!("{what} during {}", line.trim());
        // Others are not disturbed either.
        assert_eq!(run_kernel(&open(&dir), 17), Origin::Compiled, "{what}");
        assert_eq!(run_kernel(&open(&dir), 17), Origin::Disk, "{what}");
    }
    // Nothing is mapped from the file in the first place: this would have been a SIGBUS.
    let (_temp, dir) = temp_on_disk();
    run_kernel(&open(&dir), 17);
    let ended = run(actor("kernel", &[dir.as_os_str(), OsStr::new("17")]));
    assert_eq!(ended.out.trim(), "Disk");
}
