//! Other users, and programs with more rights than their user.

use super::{NOBODY, actor_of, program_for_everybody, run, succeed};
use crate::cache::*;
use genred::cache::{Cache, Miss, Origin, Reason};
use std::ffi::OsStr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("fault_09_directory_without_write_permission", not_writable),
    ("fault_10_a_user_without_a_home", homeless),
    ("fault_11_directories_of_others", directories_of_others),
    ("fault_11_programs_with_more_rights_than_their_user", more_rights),
    ("fault_13_entries_of_others", entries_of_others),
];

/// Whether other users can be tried; says why if not. The tests of the same number with a file system that lies about owners
/// have run either way.
pub(super) fn can_change_owner() -> bool {
    if !is_root() {
        without("files of other users", "this needs root");
    }
    is_root()
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).expect("root may do this");
}

/// A directory tree given to a user.
fn give_all(dir: &Path, user: u32) {
    give(dir, user);
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            give_all(&path, user);
        } else {
            give(&path, user);
        }
    }
}

pub(super) fn as_nobody(mut command: Command) -> Command {
    command.uid(NOBODY).gid(NOBODY);
    command
}

pub(super) fn line<'a>(out: &'a str, name: &str) -> &'a str {
    out.lines().find_map(|line| line.strip_prefix(name)).expect("the role says this").trim()
}

/// The `kernel` role of another user with a cache directory.
fn nobody(program: &Path, dir: &Path) -> String {
    let mut command = actor_of(program, "kernel", &[OsStr::new("11")]);
    command.env("GENRED_CACHE_DIR", dir).current_dir("/");
    succeed(as_nobody(command))
}

fn not_writable() {
    let (temp, dir) = temp_on_disk();
    let chmod = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    if !can_change_owner() {
        // Whoever is not root is stopped by the mode itself.
        run_kernel(&open(&dir), 11);
        let shard = open(&dir).list()[0].path.parent().unwrap().to_owned();
        for path in [&shard, &dir.join("v1"), &dir] {
            chmod(path, 0o500);
        }
        let cache = open(&dir);
        assert_eq!(run_kernel(&cache, 11), Origin::Disk);
        assert_eq!(run_kernel(&cache, 12), Origin::Compiled);
        for path in [&dir, &dir.join("v1"), &shard] {
            chmod(path, 0o700);
        }
        return;
    }
    let program = program_for_everybody(temp.path());
    make_private_dirs(&dir);
    give(&dir, NOBODY);
    assert_eq!(line(&nobody(&program, &dir), "stores "), "1");
    let shard = open_list(&dir).parent().unwrap().to_owned();
    for path in [&shard, &dir.join("v1"), &dir] {
        chmod(path, 0o500);
    }
    let out = nobody(&program, &dir);
    assert_eq!((line(&out, "origin "), line(&out, "stores ")), ("Disk", "0"));
    std::fs::remove_file(open_list(&dir)).unwrap();
    let out = nobody(&program, &dir);
    assert_eq!((line(&out, "origin "), line(&out, "stores ")), ("Compiled", "0"));
    assert!(line(&out, "failures ").contains("NotWritable, 1"), "{out}");
    // Not even readable.
    chmod(&dir, 0o000);
    let out = nobody(&program, &dir);
    assert_eq!((line(&out, "path "), line(&out, "origin ")), ("None", "Compiled"));
}

/// The one entry below a directory of another user.
fn open_list(dir: &Path) -> std::path::PathBuf {
    let entry = files_below(dir).into_iter().find(|f| f.extension().is_some_and(|e| e == "grk"));
    dir.join(entry.expect("one entry"))
}

fn homeless() {
    if !can_change_owner() {
        return;
    }
    let (temp, _) = temp_on_disk();
    let program = program_for_everybody(temp.path());
    let command = actor_of(&program, "kernel", &[OsStr::new("10")]);
    let out = succeed(as_nobody(command));
    assert_eq!((line(&out, "path "), line(&out, "origin ")), ("None", "Compiled"));
    assert!(line(&out, "refused ").contains("no cache directory"), "{out}");
}

fn directories_of_others() {
    if !can_change_owner() {
        return;
    }
    let (temp, dir) = temp_on_disk();
    let program = program_for_everybody(temp.path());
    // Root's, used by another user; that user's, used by root.
    run_kernel(&open(&dir), 11);
    let before = files_below(&dir);
    let out = nobody(&program, &dir);
    assert_eq!((line(&out, "path "), line(&out, "origin ")), ("None", "Compiled"));
    // Made readable: still not this user's.
    for path in [&dir, &dir.join("v1"), open_list(&dir).parent().unwrap()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(open_list(&dir), std::fs::Permissions::from_mode(0o644)).unwrap();
    let out = nobody(&program, &dir);
    assert_eq!((line(&out, "path "), line(&out, "origin ")), ("None", "Compiled"));
    assert!(line(&out, "refused ").contains("belongs to user 0, not to user 54321"), "{out}");
    assert_eq!(files_below(&dir), before);
    // As the system tier it is what root ships.
    let mut command = actor_of(&program, "kernel", &[OsStr::new("11")]);
    let own = temp.path().join("own");
    make_private_dirs(&own);
    give(&own, NOBODY);
    command.env("GENRED_CACHE_DIR", &own).env("GENRED_CACHE_SYSTEM", &dir).current_dir("/");
    let out = succeed(as_nobody(command));
    assert_eq!(line(&out, "origin "), "System");
    give_all(&dir, NOBODY);
    let cache = open(&dir);
    assert!(cache.refused().is_some_and(|why| why.contains("belongs to user 54321")));
    assert_eq!(run_kernel(&cache, 11), Origin::Compiled);
    assert_eq!(files_below(&dir), before);
    // Below a directory of another user nothing is safe, whoever owns it.
    let theirs = temp.path().join("theirs");
    let inside = theirs.join("genred");
    make_private_dirs(&inside);
    give(&theirs, NOBODY);
    std::fs::set_permissions(&theirs, std::fs::Permissions::from_mode(0o755)).unwrap();
    let cache = open(&inside);
    assert!(cache.refused().is_some_and(|why| why.contains("theirs` belongs to user 54321")));
    assert!(files_below(&inside).is_empty());
    // A link that another user put into a directory where everybody may.
    let shared = temp.path().join("shared");
    make_private_dirs(&shared);
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let target = temp.path().join("target");
    make_private_dirs(&target);
    let mut link = Command::new("ln");
    link.arg("-s").arg(&target).arg(shared.join("link"));
    assert!(run(as_nobody(link)).status.success());
    let cache = open(&shared.join("link/genred"));
    assert!(cache.refused().is_some_and(|why| why.contains("is a link of user 54321")));
    assert!(files_below(&target).is_empty());
}

fn more_rights() {
    if !can_change_owner() {
        return;
    }
    let (temp, dir) = temp_on_disk();
    let program = program_for_everybody(temp.path());
    make_private_dirs(&dir);
    give(&dir, NOBODY);
    let out = nobody(&program, &dir);
    assert_eq!(line(&out, "stores "), "1", "an ordinary program uses its cache");
    let before = files_below(&dir);
    // Set-user-id: the cache is off, and what the user's environment says is not read.
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let out = nobody(&program, &dir);
    let seen = (line(&out, "path "), line(&out, "origin "), line(&out, "stores "));
    assert_eq!(seen, ("None", "Compiled", "0"), "a set-user-id program");
    assert!(line(&out, "refused ").contains("more rights than its user"));
    assert_eq!(files_below(&dir), before);
    // A capability: the user is the same, only the kernel knows.
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(line(&nobody(&program, &dir), "origin "), "Disk");
    let capable = Command::new("setcap").arg("cap_net_raw+ep").arg(&program).output();
    match capable {
        Ok(done) if done.status.success() => {
            let out = nobody(&program, &dir);
            assert_eq!((line(&out, "path "), line(&out, "origin ")), ("None", "Compiled"));
            assert_eq!(files_below(&dir), before);
        }
        Ok(done) => without("file capabilities", String::from_utf8_lossy(&done.stderr).trim()),
        Err(error) => without("file capabilities", error),
    }
}

fn entries_of_others() {
    if !can_change_owner() {
        return;
    }
    let (_temp, dir) = temp_on_disk();
    let key = key(13);
    obtain(&open(&dir), &key);
    give(&file_of(&dir, &key), NOBODY);
    let cache = open(&dir);
    assert_eq!(cache.load(&key, ANY_HOST).unwrap_err(), Miss::Rejected(Reason::Owner));
    assert_eq!(obtain(&cache, &key), Origin::Compiled);
    assert_eq!(obtain(&cache, &key), Origin::Disk, "it was replaced by one of ours");
    // A shard of somebody else.
    give(file_of(&dir, &key).parent().unwrap(), NOBODY);
    let cache = Cache::open(options(&dir));
    assert_eq!(cache.load(&key, ANY_HOST).unwrap_err(), Miss::Rejected(Reason::Shard));
    assert_eq!(obtain(&cache, &key), Origin::Compiled);
}
