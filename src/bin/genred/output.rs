//! Output files: they get their name when they are whole.
//!
//! Until then they have none, where the file system knows such files (Linux, O_TMPFILE): however this program ends, nothing is left.
//! Elsewhere they have another name in the same folder.

use crate::console::Failure;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Names that are tried for a file that is not finished.
const NAMES: u32 = 1000;

/// A file that is being written; removed again unless it is [published](Pending::publish).
pub(crate) struct Pending {
    /// Where the file will be.
    path: PathBuf,
    state: State,
    file: BufWriter<File>,
}

enum State {
    /// No regular file but a device or a pipe, written directly.
    Direct,
    /// Without a name until it is whole.
    #[cfg(target_os = "linux")]
    Nameless,
    /// Under this name until it is whole.
    Unfinished(PathBuf),
    /// Where it belongs.
    Published,
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}: {error}", path.display()))
}

impl Pending {
    /// Begin a file.
    ///
    /// # Errors
    /// If its folder does not exist or may not be written.
    pub(crate) fn create(path: &Path) -> Result<Pending, Failure> {
        // A link stays a link: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let create = |error: &io::Error| cannot("create", &path, error);
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                return Err(Failure::new(format!("{} is a directory", path.display())));
            }
            Ok(meta) if !meta.is_file() => {
                let file = OpenOptions::new().write(true).open(&path);
                let file = BufWriter::new(file.map_err(|error| create(&error))?);
                return Ok(Pending { path, state: State::Direct, file });
            }
            _ => {}
        }
        if path.file_name().is_none() {
            return Err(Failure::new(format!("{} is not a file name", path.display())));
        }
        #[cfg(target_os = "linux")]
        if let Some(file) = nameless::create(&path) {
            return Ok(Pending { path, state: State::Nameless, file: BufWriter::new(file) });
        }
        let open = |name: &Path| OpenOptions::new().write(true).create_new(true).open(name);
        let (file, temporary) = under_another_name(&path, open).map_err(|error| create(&error))?;
        Ok(Pending { path, state: State::Unfinished(temporary), file: BufWriter::new(file) })
    }

    /// Write the file's content, whole.
    ///
    /// # Errors
    /// Of writing.
    pub(crate) fn fill(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let written = write(&mut self.file).and_then(|()| self.file.flush());
        written.map_err(|error| cannot("write", &self.path, &error))
    }

    /// The file, to be written in pieces; at its end [`fill`](Pending::fill) it with nothing more.
    pub(crate) fn file(&mut self) -> &mut BufWriter<File> {
        &mut self.file
    }

    fn rename(&mut self) -> Result<(), Failure> {
        #[cfg(target_os = "linux")]
        if matches!(self.state, State::Nameless) {
            let create = |error: io::Error| cannot("create", &self.path, &error);
            let file = self.file.get_ref();
            match nameless::link(file, &self.path) {
                Ok(()) => self.state = State::Published,
                // A link replaces nothing; a second name does.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let link = |name: &Path| nameless::link(file, name);
                    let ((), name) = under_another_name(&self.path, link).map_err(create)?;
                    self.state = State::Unfinished(name);
                }
                Err(error) => return Err(create(error)),
            }
        }
        if let State::Unfinished(temporary) = &self.state {
            fs::rename(temporary, &self.path)
                .map_err(|error| cannot("create", &self.path, &error))?;
            self.state = State::Published;
        }
        Ok(())
    }

    /// Give files their names: all of them, or none.
    ///
    /// # Errors
    /// Of renaming.
    pub(crate) fn publish(mut all: Vec<Pending>) -> Result<(), Failure> {
        for k in 0..all.len() {
            let renamed = all[k].rename();
            if renamed.is_err() {
                for done in all.iter().filter(|file| matches!(file.state, State::Published)) {
                    let _ = fs::remove_file(&done.path);
                }
                return renamed;
            }
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let State::Unfinished(temporary) = &self.state {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Make something under a hidden name beside `path` that nothing has yet.
fn under_another_name<T>(
    path: &Path,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(T, PathBuf)> {
    for number in 0..NAMES {
        let mut hidden = OsString::from(".");
        hidden.push(path.file_name().unwrap_or_default());
        hidden.push(format!(".{}-{number}.tmp", std::process::id()));
        let name = path.with_file_name(hidden);
        match make(&name) {
            Ok(made) => return Ok((made, name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many unfinished files"))
}

/// Files without a name.
#[cfg(target_os = "linux")]
mod nameless {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
    use std::fs::{self, File};
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::path::{Path, PathBuf};

    /// A file that can be given a name in the folder of `path` later; `None` where there are none.
    pub(super) fn create(path: &Path) -> Option<File> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file: OwnedFd = open(folder, flags, Mode::from_raw_mode(0o666)).ok()?;
        let file = File::from(file);
        // Without /proc it could never be named.
        fs::metadata(place(&file)).is_ok().then_some(file)
    }

    fn place(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }

    /// Give a file a name that nothing has yet.
    pub(super) fn link(file: &File, name: &Path) -> io::Result<()> {
        Ok(linkat(CWD, place(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
    }
}

/// Find out before a long computation whether a file can be written.
///
/// # Errors
/// As [`Pending::create`].
pub(crate) fn probe(path: &Path) -> Result<(), Failure> {
    // Opening a pipe would already be noticed at its other end.
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        return Ok(());
    }
    Pending::create(path).map(drop)
}
