//! The calls to the operating system that the cache makes, behind one trait so that a test can fail any one of them.
//!
//! Every name is relative to an open directory: a path is walked once, when the cache is opened, and what it leads to later does
//! not matter. Nothing here follows a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

mod portable;
#[cfg(unix)]
mod unix;

pub use portable::Portable;
#[cfg(unix)]
pub use unix::Unix;

/// An open directory.
#[derive(Debug)]
pub struct Dir(Handle);

#[derive(Debug)]
enum Handle {
    #[cfg(unix)]
    Open(std::os::fd::OwnedFd),
    /// Where names cannot be resolved relative to a handle.
    Path(PathBuf),
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A FIFO, socket or device.
    Other,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// What it is.
    pub kind: Kind,
    /// Owner; meaningless where [`Fs::user`] is `None`.
    pub owner: u32,
    /// Permission bits, sticky bit included.
    pub mode: u32,
    /// Names that the file has.
    pub links: u64,
    /// Bytes.
    pub size: u64,
    /// File number; 0 where there is none.
    pub inode: u64,
    /// Last modification.
    pub modified: SystemTime,
}

/// The operating system, as far as the cache is concerned.
pub trait Fs: Send + Sync + fmt::Debug {
    /// Open the root that absolute paths start from.
    fn root(&self, base: &Path) -> io::Result<Dir>;
    /// Open a directory to resolve names in.
    fn open_dir(&self, at: &Dir, name: &OsStr) -> io::Result<Dir>;
    /// Create a directory for its owner only.
    fn make_dir(&self, at: &Dir, name: &OsStr) -> io::Result<()>;
    /// The names in a directory, in no order.
    fn list(&self, at: &Dir) -> io::Result<Vec<OsString>>;
    /// Where a symbolic link leads.
    fn read_link(&self, at: &Dir, name: &OsStr) -> io::Result<PathBuf>;
    /// What a name leads to.
    fn stat_at(&self, at: &Dir, name: &OsStr) -> io::Result<Meta>;
    /// What an open directory is.
    fn stat_dir(&self, dir: &Dir) -> io::Result<Meta>;
    /// What an open file is.
    fn stat(&self, file: &File) -> io::Result<Meta>;
    /// Open for reading, without waiting for the other end of a FIFO.
    fn open(&self, at: &Dir, name: &OsStr) -> io::Result<File>;
    /// Create a file that must not exist, for its owner only.
    fn create(&self, at: &Dir, name: &OsStr) -> io::Result<File>;
    /// Create a file that has no name yet and vanishes with its descriptor; not every file system can.
    fn create_unnamed(&self, at: &Dir) -> io::Result<File>;
    /// Give a file of [`create_unnamed`](Self::create_unnamed) a name that must not exist.
    fn link(&self, file: &File, at: &Dir, name: &OsStr) -> io::Result<()>;
    /// Move a file over whatever has the new name.
    fn rename(&self, from: &Dir, old: &OsStr, to: &Dir, new: &OsStr) -> io::Result<()>;
    /// Remove a name that is not a directory.
    fn unlink(&self, at: &Dir, name: &OsStr) -> io::Result<()>;
    /// Remove an empty directory.
    fn remove_dir(&self, at: &Dir, name: &OsStr) -> io::Result<()>;
    /// Read up to `buffer.len()` bytes.
    fn read(&self, file: &File, buffer: &mut [u8]) -> io::Result<usize>;
    /// Write up to `bytes.len()` bytes.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// Set the time of last modification.
    fn touch(&self, file: &File, time: SystemTime) -> io::Result<()>;
    /// The wall clock.
    fn now(&self) -> SystemTime;
    /// Whom files must belong to; `None` where files have no such owner.
    fn user(&self) -> Option<u32>;
    /// Whether the program runs with more rights than whoever started it.
    fn privileged(&self) -> bool;
    /// Size beyond which writing to a file kills the program.
    fn file_size_limit(&self) -> Option<u64>;
}

/// The file system of this platform.
pub fn host() -> std::sync::Arc<dyn Fs> {
    #[cfg(unix)]
    return std::sync::Arc::new(Unix);
    #[cfg(not(unix))]
    std::sync::Arc::new(Portable)
}

/// How often an interrupted call is repeated before the interruption counts as a failure.
const REPEATS: usize = 16;

/// Repeat a call that a signal interrupted.
pub(super) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..REPEATS {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
    call()
}

/// Write all bytes, however few a call takes.
pub(super) fn write_all(fs: &dyn Fs, file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = again(|| fs.write(file, bytes))?;
        if written == 0 || written > bytes.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Read exactly `size` bytes; fewer if the file ends, never more.
pub(super) fn read_up_to(fs: &dyn Fs, file: &File, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while filled < size {
        let count = again(|| fs.read(file, &mut bytes[filled..]))?;
        if count == 0 {
            break;
        }
        filled = (filled + count).min(size);
    }
    bytes.truncate(filled);
    Ok(bytes)
}
