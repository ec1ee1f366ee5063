//! Where the cache is, and whether that place can be trusted.
//!
//! Loading an entry runs its bytes. What makes this a safe thing to do is checked here: only this user, or root, can have put
//! them where they are. The path is walked once, from the root, one directory at a time, and what was checked is what is used
//! ever after: a directory swapped behind our back is not even seen.

use super::fs::{Dir, Fs, Kind, Meta, again};
use super::publish;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Marks the directory for backup tools; see bford.info/cachedir.
pub const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # Compiled kernels of genred. Everything here can be removed at any time.\n";
/// The directory of this format version.
pub const VERSION_DIR: &str = "v1";
/// Where files are written before they get their name, if they cannot be written without one.
pub const TMP: &str = "tmp";
/// Its time of modification says when this version was used last.
pub const USED: &str = "used";
/// End of every entry's name.
pub const EXTENSION: &str = ".grk";
/// The shards' names, one hexadecimal digit each.
pub const SHARDS: &str = "0123456789abcdef";

/// Symbolic links on the way to the cache that are followed, as many as the platform itself follows.
const LINKS: usize = 40;
/// Group and others may write.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Whose entries a directory may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// This user's own, read and written.
    User,
    /// This user's or root's, never written.
    System,
}

/// An open and trusted cache directory.
#[derive(Debug)]
pub struct Root {
    /// The directory of this format version.
    pub versioned: Dir,
    /// The directory that holds all versions.
    pub top: Dir,
    /// As it was asked for; only ever shown.
    pub path: PathBuf,
    /// Whose entries it may hold.
    pub tier: Tier,
}

/// Why a directory is not used.
#[derive(Debug)]
pub enum Refusal {
    /// It does not exist, and was not to be created.
    Missing,
    /// Something that the user should hear about.
    Because(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Missing => f.write_str("there is no cache directory yet"),
            Refusal::Because(why) => f.write_str(why),
        }
    }
}

/// Whether missing directories are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// They are.
    Create,
    /// They are reported.
    Report,
}

/// The platform's cache directory for this crate; never one that depends on where the program was started.
pub fn location() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "genred")?;
    Some(dirs.cache_dir().to_owned()).filter(|path| path.is_absolute())
}

/// What a directory must be like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// On the way: nobody else may be able to replace what we go through.
    Ancestor,
    /// Part of the cache: nobody else may be able to add a file.
    Cache(Tier),
}

/// Why a directory with these properties cannot be trusted.
fn distrust(fs: &dyn Fs, meta: &Meta, role: Role) -> Option<String> {
    let user = fs.user()?;
    let owned = meta.owner == user || (meta.owner == 0 && role != Role::Cache(Tier::User));
    if !owned {
        return Some(format!("belongs to user {}, not to user {user}", meta.owner));
    }
    let shared = meta.mode & OTHERS_WRITE != 0;
    if shared && !(role == Role::Ancestor && meta.mode & STICKY != 0) {
        return Some(format!("can be written by others (mode {:04o}; try chmod go-w)", meta.mode));
    }
    None
}

/// A walk from the root to the cache directory.
struct Walk<'a> {
    fs: &'a dyn Fs,
    at: Dir,
    /// Where `at` is, for messages.
    shown: PathBuf,
    /// Names still to go, the next one last.
    rest: Vec<OsString>,
    links: usize,
}

impl Walk<'_> {
    fn fail(&self, name: &OsStr, why: impl fmt::Display) -> Refusal {
        Refusal::Because(format!("`{}` {why}", self.shown.join(name).display()))
    }

    /// Queue the components of a path; whether it starts from the root.
    fn queue(&mut self, path: &Path) -> Option<PathBuf> {
        let mut base = None;
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::Prefix(prefix) => base = Some(PathBuf::from(prefix.as_os_str())),
                Component::RootDir => base.get_or_insert_default().push(component),
                Component::CurDir => {}
                Component::ParentDir | Component::Normal(_) => {
                    names.push(component.as_os_str().to_owned());
                }
            }
        }
        self.rest.extend(names.into_iter().rev());
        base
    }

    /// Enter the next directory.
    fn step(&mut self, name: &OsStr, role: Role, missing: Missing) -> Result<(), Refusal> {
        let dir = match again(|| self.fs.open_dir(&self.at, name)) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if missing == Missing::Report {
                    return Err(Refusal::Missing);
                }
                match self.fs.make_dir(&self.at, name) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(self.fail(name, format_args!("cannot be created: {error}")));
                    }
                    _ => {}
                }
                self.fs.open_dir(&self.at, name).map_err(|e| self.fail(name, Opening(e)))?
            }
            Err(error) => return self.link(name, role, error),
        };
        let meta = self.fs.stat_dir(&dir).map_err(|e| self.fail(name, Opening(e)))?;
        if let Some(why) = distrust(self.fs, &meta, role) {
            return Err(self.fail(name, why));
        }
        self.at = dir;
        self.shown.push(name);
        Ok(())
    }

    /// Follow a symbolic link on the way; the cache itself is never behind one.
    fn link(&mut self, name: &OsStr, role: Role, error: io::Error) -> Result<(), Refusal> {
        let meta = match self.fs.stat_at(&self.at, name) {
            Ok(meta) if meta.kind == Kind::Link => meta,
            Ok(meta) if meta.kind != Kind::Dir => return Err(self.fail(name, "is not a directory")),
            _ => return Err(self.fail(name, Opening(error))),
        };
        if role != Role::Ancestor {
            return Err(self.fail(name, "is a symbolic link"));
        }
        if self.fs.user().is_some_and(|user| meta.owner != user && meta.owner != 0) {
            return Err(self.fail(name, format_args!("is a link of user {}", meta.owner)));
        }
        self.links += 1;
        if self.links > LINKS {
            return Err(self.fail(name, "is behind too many symbolic links"));
        }
        let target = self.fs.read_link(&self.at, name).map_err(|e| self.fail(name, Opening(e)))?;
        if let Some(base) = self.queue(&target) {
            self.at = self.fs.root(&base).map_err(|e| self.fail(base.as_os_str(), Opening(e)))?;
            self.shown = base;
        }
        Ok(())
    }
}

struct Opening(io::Error);

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot be opened: {}", self.0)
    }
}

impl Root {
    /// Open the cache at an absolute path.
    ///
    /// # Errors
    /// If it is missing and not to be created, or cannot be trusted; the message names the directory that is at fault.
    pub fn open(fs: &dyn Fs, path: &Path, tier: Tier, missing: Missing) -> Result<Root, Refusal> {
        let because = |why: String| Refusal::Because(format!("`{}` {why}", path.display()));
        if !path.is_absolute() {
            return Err(because("is not an absolute path".into()));
        }
        let base: PathBuf = path
            .components()
            .take_while(|c| matches!(c, Component::Prefix(_) | Component::RootDir))
            .collect();
        let at = fs.root(&base).map_err(|error| because(Opening(error).to_string()))?;
        let mut walk = Walk { fs, at, shown: base, rest: Vec::new(), links: 0 };
        let meta = fs.stat_dir(&walk.at).map_err(|error| because(Opening(error).to_string()))?;
        if let Some(why) = distrust(fs, &meta, Role::Ancestor) {
            return Err(walk.fail(OsStr::new(""), why));
        }
        walk.queue(path);
        if walk.rest.is_empty() {
            return Err(because("is the root of the file system".into()));
        }
        while let Some(name) = walk.rest.pop() {
            // Names that a link adds come before the rest: what is popped last is the path's own last name.
            let role = if walk.rest.is_empty() { Role::Cache(tier) } else { Role::Ancestor };
            walk.step(&name, role, missing)?;
        }
        let Walk { at: top, shown, .. } = walk;
        let versioned = OsStr::new(VERSION_DIR);
        let mut walk = Walk { fs, at: top, shown, rest: Vec::new(), links: LINKS };
        let again = fs.open_dir(&walk.at, OsStr::new("."));
        let top = again.map_err(|error| because(Opening(error).to_string()))?;
        walk.step(versioned, Role::Cache(tier), missing)?;
        if missing == Missing::Create {
            mark(fs, &top);
        }
        Ok(Root { versioned: walk.at, top, path: path.to_owned(), tier })
    }

    /// Open a shard; its directory is checked each time, so that it may come and go.
    pub fn shard(&self, fs: &dyn Fs, shard: &OsStr) -> io::Result<Result<Dir, ()>> {
        let dir = match again(|| fs.open_dir(&self.versioned, shard)) {
            Ok(dir) => dir,
            Err(error) => {
                let odd = error.kind() != io::ErrorKind::NotFound
                    && fs.stat_at(&self.versioned, shard).is_ok_and(|m| m.kind != Kind::Dir);
                return if odd { Ok(Err(())) } else { Err(error) };
            }
        };
        let meta = again(|| fs.stat_dir(&dir))?;
        Ok(if distrust(fs, &meta, Role::Cache(self.tier)).is_some() { Err(()) } else { Ok(dir) })
    }

    /// Open a shard, creating it if need be.
    pub fn make_shard(&self, fs: &dyn Fs, shard: &OsStr) -> io::Result<Result<Dir, ()>> {
        match self.shard(fs, shard) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_dir(fs, &self.versioned, shard)?;
                self.shard(fs, shard)
            }
            other => other,
        }
    }
}

/// Create a directory that may exist already.
pub(super) fn make_dir(fs: &dyn Fs, at: &Dir, name: &OsStr) -> io::Result<()> {
    match fs.make_dir(at, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Tell backup tools; a cache without the mark works as well.
fn mark(fs: &dyn Fs, top: &Dir) {
    let tag = OsStr::new(TAG);
    if fs.stat_at(top, tag).is_err() {
        let _ = publish::create(fs, top, tag, TAG_TEXT.as_bytes());
    }
}

/// Whether nobody but the owner of the tier can have written a file.
pub(super) fn owner_is_trusted(fs: &dyn Fs, tier: Tier, owner: u32) -> bool {
    fs.user().is_none_or(|user| owner == user || (owner == 0 && tier == Tier::System))
}

/// Whether others may write to a file.
pub(super) fn others_write(meta: &Meta) -> bool {
    meta.mode & OTHERS_WRITE != 0
}

/// Shard and file name of an entry from its key's 64 digits.
pub(super) fn names(hex: &str) -> (OsString, OsString) {
    let (shard, rest) = hex.split_at(1);
    (shard.into(), format!("{rest}{EXTENSION}").into())
}

/// The 63 digits of a name of ours; `None` for any other name.
pub(super) fn entry_digits(name: &OsStr) -> Option<&str> {
    let digits = name.to_str()?.strip_suffix(EXTENSION)?;
    (digits.len() == 63 && is_hex(digits)).then_some(digits)
}

/// Whether a name is that of a file on its way to become an entry.
pub(super) fn is_tmp(name: &OsStr) -> bool {
    let Some((pid, random)) = name.to_str().and_then(|name| name.split_once('-')) else {
        return false;
    };
    let decimal = !pid.is_empty() && pid.len() <= 10 && pid.bytes().all(|b| b.is_ascii_digit());
    decimal && random.len() == 16 && is_hex(random)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
