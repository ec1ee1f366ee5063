//! Platforms without *at() calls: names are joined to paths, and access control lists are left to the platform.
//!
//! It builds and is tested everywhere, also where the cache does not use it, so that it cannot rot.

use super::{Dir, Fs, Handle, Kind, Meta};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The file system as the standard library gives it.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Dir {
    fn join(&self, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.path()?.join(name))
    }

    fn path(&self) -> io::Result<&Path> {
        match &self.0 {
            Handle::Path(path) => Ok(path),
            #[cfg(unix)]
            Handle::Open(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn meta(data: &Metadata) -> Meta {
    let kind = match data.file_type() {
        t if t.is_symlink() => Kind::Link,
        t if t.is_dir() => Kind::Dir,
        t if t.is_file() => Kind::File,
        _ => Kind::Other,
    };
    Meta {
        kind,
        owner: 0,
        mode: 0o600,
        links: 1,
        size: data.len(),
        inode: 0,
        modified: data.modified().unwrap_or(UNIX_EPOCH),
    }
}

fn directory(path: PathBuf) -> io::Result<Dir> {
    match fs::symlink_metadata(&path)?.is_dir() {
        true => Ok(Dir(Handle::Path(path))),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

impl Fs for Portable {
    fn root(&self, base: &Path) -> io::Result<Dir> {
        directory(base.to_owned())
    }

    fn open_dir(&self, at: &Dir, name: &OsStr) -> io::Result<Dir> {
        directory(at.join(name)?)
    }

    fn make_dir(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        fs::create_dir(at.join(name)?)
    }

    fn list(&self, at: &Dir) -> io::Result<Vec<OsString>> {
        fs::read_dir(at.path()?)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read_link(&self, at: &Dir, name: &OsStr) -> io::Result<PathBuf> {
        fs::read_link(at.join(name)?)
    }

    fn stat_at(&self, at: &Dir, name: &OsStr) -> io::Result<Meta> {
        Ok(meta(&fs::symlink_metadata(at.join(name)?)?))
    }

    fn stat_dir(&self, dir: &Dir) -> io::Result<Meta> {
        Ok(meta(&fs::symlink_metadata(dir.path()?)?))
    }

    fn stat(&self, file: &File) -> io::Result<Meta> {
        Ok(meta(&file.metadata()?))
    }

    fn open(&self, at: &Dir, name: &OsStr) -> io::Result<File> {
        let path = at.join(name)?;
        match fs::symlink_metadata(&path)?.is_file() {
            true => File::open(path),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn create(&self, at: &Dir, name: &OsStr) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(at.join(name)?)
    }

    fn create_unnamed(&self, _at: &Dir) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn link(&self, _file: &File, _at: &Dir, _name: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, from: &Dir, old: &OsStr, to: &Dir, new: &OsStr) -> io::Result<()> {
        fs::rename(from.join(old)?, to.join(new)?)
    }

    fn unlink(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        fs::remove_file(at.join(name)?)
    }

    fn remove_dir(&self, at: &Dir, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(at.join(name)?)
    }

    fn read(&self, mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
        file.read(buffer)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn touch(&self, file: &File, time: SystemTime) -> io::Result<()> {
        file.set_times(FileTimes::new().set_modified(time))
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn user(&self) -> Option<u32> {
        None
    }

    fn privileged(&self) -> bool {
        false
    }

    fn file_size_limit(&self) -> Option<u64> {
        None
    }
}
