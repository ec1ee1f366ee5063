//! Unix: descriptors and *at() calls.

use super::{Dir, Fs, Handle, Kind, Meta};
use crate::environment;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::process::{self, Resource};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file system of Unix platforms.
#[derive(Clone, Copy, Debug)]
pub struct Unix;

/// A descriptor that only resolves names needs no right to list them: `/home` often gives none.
#[cfg(any(target_os = "linux", target_os = "android"))]
const RESOLVE: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RESOLVE: OFlags = OFlags::RDONLY;

impl Dir {
    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.0 {
            Handle::Open(fd) => Ok(fd.as_fd()),
            Handle::Path(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn open_dir(at: BorrowedFd<'_>, name: &OsStr) -> io::Result<Dir> {
    let flags = RESOLVE | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(Dir(Handle::Open(fs::openat(at, name, flags, Mode::empty())?)))
}

/// Seconds and nanoseconds to a time; far beyond what the platform holds counts as 1970.
fn time(seconds: i64, nanoseconds: u64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = match seconds {
        0.. => UNIX_EPOCH.checked_add(whole),
        _ => UNIX_EPOCH.checked_sub(whole),
    };
    base.and_then(|base| base.checked_add(Duration::from_nanos(nanoseconds))).unwrap_or(UNIX_EPOCH)
}

/// The types of these fields differ between platforms.
#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the types differ between platforms"
)]
fn meta(stat: &Stat) -> Meta {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    Meta {
        kind,
        owner: stat.st_uid,
        mode: u32::from(stat.st_mode) & 0o7777,
        links: stat.st_nlink as u64,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        inode: stat.st_ino as u64,
        modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
    }
}

impl Fs for Unix {
    fn root(&self, base: &Path) -> io::Result<Dir> {
        open_dir(fs::CWD, base.as_os_str())
    }

    fn open_dir(&self, at: &Dir, name: &OsStr) -> io::Result<Dir> {
        open_dir(at.fd()?, name)
    }

    fn make_dir(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        Ok(fs::mkdirat(at.fd()?, name, Mode::RWXU)?)
    }

    fn list(&self, at: &Dir) -> io::Result<Vec<OsString>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = fs::openat(at.fd()?, ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in fs::Dir::new(readable)? {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read_link(&self, at: &Dir, name: &OsStr) -> io::Result<PathBuf> {
        let target = fs::readlinkat(at.fd()?, name, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    fn stat_at(&self, at: &Dir, name: &OsStr) -> io::Result<Meta> {
        Ok(meta(&fs::statat(at.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn stat_dir(&self, dir: &Dir) -> io::Result<Meta> {
        Ok(meta(&fs::fstat(dir.fd()?)?))
    }

    fn stat(&self, file: &File) -> io::Result<Meta> {
        Ok(meta(&fs::fstat(file)?))
    }

    fn open(&self, at: &Dir, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = fs::openat(at.fd()?, name, flags | OFlags::NOCTTY, Mode::empty())?;
        Ok(fd.into())
    }

    fn create(&self, at: &Dir, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(fs::openat(at.fd()?, name, flags | OFlags::CLOEXEC, mode)?.into())
    }

    #[cfg(target_os = "linux")]
    fn create_unnamed(&self, at: &Dir) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        Ok(fs::openat(at.fd()?, ".", flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    #[cfg(not(target_os = "linux"))]
    fn create_unnamed(&self, _at: &Dir) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn link(&self, file: &File, at: &Dir, name: &OsStr) -> io::Result<()> {
        // Linking the descriptor itself needs a capability on older kernels; its name in /proc needs none.
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(fs::linkat(fs::CWD, source, at.fd()?, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    fn rename(&self, from: &Dir, old: &OsStr, to: &Dir, new: &OsStr) -> io::Result<()> {
        Ok(fs::renameat(from.fd()?, old, to.fd()?, new)?)
    }

    fn unlink(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(at.fd()?, name, AtFlags::empty())?)
    }

    fn remove_dir(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(at.fd()?, name, AtFlags::REMOVEDIR)?)
    }

    fn read(&self, file: &File, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(file, buffer)?)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(file, bytes)?)
    }

    fn touch(&self, file: &File, time: SystemTime) -> io::Result<()> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified = Timespec {
            tv_sec: since.as_secs().try_into().unwrap_or(0),
            tv_nsec: since.subsec_nanos().into(),
        };
        let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        Ok(fs::futimens(file, &Timestamps { last_access, last_modification: modified })?)
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn user(&self) -> Option<u32> {
        Some(process::geteuid().as_raw())
    }

    fn privileged(&self) -> bool {
        environment::privileged()
    }

    fn file_size_limit(&self) -> Option<u64> {
        process::getrlimit(Resource::Fsize).current
    }
}

impl From<OwnedFd> for Dir {
    fn from(fd: OwnedFd) -> Self {
        Dir(Handle::Open(fd))
    }
}
