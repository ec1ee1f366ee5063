//! Output files: written under another name in the same folder and renamed when they are whole.

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
        let Some(name) = path.file_name() else {
            return Err(Failure::new(format!("{} is not a file name", path.display())));
        };
        for number in 0..NAMES {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}.tmp", std::process::id()));
            let temporary = path.with_file_name(hidden);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => {
                    let file = BufWriter::new(file);
                    return Ok(Pending { path, state: State::Unfinished(temporary), file });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(create(&error)),
            }
        }
        Err(Failure::new(format!("cannot create {}: too many unfinished files", path.display())))
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

    fn rename(&mut self) -> Result<(), Failure> {
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
