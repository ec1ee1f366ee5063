//! How an entry gets its name: whole, or not at all, whatever happens to the program meanwhile.
//!
//! Nobody waits for anybody: of two writers one wins, and the other goes on with what it has. Nothing is synced to the disk
//! either: a file that a power cut tears does not match its digest any more, which makes it a miss.

use super::dir::{self, Root, TMP};
use super::fs::{self, Dir, Fs};
use super::stats::StoreFailure;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It has its name.
    New,
    /// Another one has the name already.
    Lost,
}

/// What happens to an entry that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays.
    Keep,
    /// It goes.
    Replace,
}

/// How files are given a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Written without a name, which nothing can leave behind, then linked.
    Unnamed,
    /// Written under a random name, then renamed.
    Renamed,
}

/// Times that a random name is drawn again because it is taken.
const DRAWS: usize = 8;

/// Put an entry into a shard.
///
/// The path used is written back to `path`: once the file system refused unnamed files they are not tried again.
///
/// # Errors
/// Whatever the operating system says; then nothing has changed, or a file is left in `tmp` that will be swept.
pub fn publish(
    fs: &dyn Fs,
    root: &Root,
    shard: &Dir,
    name: &OsStr,
    bytes: &[u8],
    existing: Existing,
    path: &mut Path,
) -> io::Result<Published> {
    if fs.file_size_limit().is_some_and(|limit| limit < bytes.len() as u64) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if *path == Path::Unnamed {
        match unnamed(fs, shard, name, bytes, existing) {
            Err(Unnamed::Refused) => *path = Path::Renamed,
            Err(Unnamed::Failed(error)) => return Err(error),
            Ok(published) => return Ok(published),
        }
    }
    renamed(fs, root, shard, name, bytes, existing)
}

enum Unnamed {
    /// The file system or its mounts do not allow this path.
    Refused,
    /// Neither would the other path work.
    Failed(io::Error),
}

fn unnamed(
    fs: &dyn Fs,
    shard: &Dir,
    name: &OsStr,
    bytes: &[u8],
    existing: Existing,
) -> Result<Published, Unnamed> {
    use io::ErrorKind::{AlreadyExists, InvalidInput, IsADirectory, NotFound, Unsupported};
    let file = fs::again(|| fs.create_unnamed(shard)).map_err(|error| match error.kind() {
        Unsupported | IsADirectory | InvalidInput | NotFound => Unnamed::Refused,
        _ => Unnamed::Failed(error),
    })?;
    fs::write_all(fs, &file, bytes).map_err(Unnamed::Failed)?;
    if existing == Existing::Replace {
        // There is no linking over a name; for a moment there is no entry, which is a miss.
        let _ = fs.unlink(shard, name);
    }
    match fs.link(&file, shard, name) {
        Ok(()) => Ok(Published::New),
        Err(error) if error.kind() == AlreadyExists => Ok(Published::Lost),
        // No /proc, or hard links are forbidden here: the other path needs neither.
        Err(_) => Err(Unnamed::Refused),
    }
}

fn renamed(
    fs: &dyn Fs,
    root: &Root,
    shard: &Dir,
    name: &OsStr,
    bytes: &[u8],
    existing: Existing,
) -> io::Result<Published> {
    if existing == Existing::Keep && fs.stat_at(shard, name).is_ok() {
        return Ok(Published::Lost);
    }
    let tmp_name = OsStr::new(TMP);
    let tmp = match root.make_shard(fs, tmp_name)? {
        Ok(tmp) => tmp,
        Err(()) => return Err(io::ErrorKind::PermissionDenied.into()),
    };
    let (own, file) = draw(fs, &tmp)?;
    let published = fs::write_all(fs, &file, bytes).and_then(|()| {
        drop(file);
        fs.rename(&tmp, &own, shard, name)
    });
    if published.is_err() {
        let _ = fs.unlink(&tmp, &own);
    }
    published.map(|()| Published::New)
}

/// A new file in `tmp`. Two programs never wait for one name, and what a killed one leaves behind blocks nobody.
fn draw(fs: &dyn Fs, tmp: &Dir) -> io::Result<(OsString, File)> {
    let mut draws = 0;
    loop {
        let name = OsString::from(format!("{}-{:016x}", std::process::id(), random()));
        match fs::again(|| fs.create(tmp, &name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && draws < DRAWS => {
                draws += 1;
            }
            other => return other.map(|file| (name, file)),
        }
    }
}

/// Random bits that differ between calls and programs; guessing them gains nobody anything.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Write a small file under its own name, if it does not exist.
pub(super) fn create(fs: &dyn Fs, at: &Dir, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    if fs.file_size_limit().is_some_and(|limit| limit < bytes.len() as u64) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let file = fs.create(at, name)?;
    let written = fs::write_all(fs, &file, bytes);
    if written.is_err() {
        let _ = fs.unlink(at, name);
    }
    written
}

/// The reason to count for an error.
pub(super) fn failure(error: &io::Error) -> StoreFailure {
    use io::ErrorKind::{
        FileTooLarge, NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StaleNetworkFileHandle, StorageFull,
    };
    match error.kind() {
        FileTooLarge => StoreFailure::FileSizeLimit,
        StorageFull | QuotaExceeded => StoreFailure::NoSpace,
        ReadOnlyFilesystem | PermissionDenied => StoreFailure::NotWritable,
        NotFound | NotADirectory | StaleNetworkFileHandle => StoreFailure::Gone,
        _ => StoreFailure::Io,
    }
}

/// The directory of files on their way, if there is one that can be trusted.
pub(super) fn tmp_dir(fs: &dyn Fs, root: &Root) -> Option<Dir> {
    root.shard(fs, OsStr::new(dir::TMP)).ok()?.ok()
}
