//! The `genred` tool as users and scripts run it: the real binary on real files.

#![allow(clippy::unwrap_used, reason = "every function here belongs to a test")]

mod bench;
mod cache;
mod errors;
mod forms;
mod memory;
mod npy;
mod reductions;
mod shell;
mod shown;
mod soak;
#[cfg(target_os = "linux")]
mod terminal;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that the tool runs in, and a kernel cache of its own.
struct Folder {
    files: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Folder {
    fn new() -> Folder {
        Folder { files: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The tool in this folder.
    fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_genred"));
        command.current_dir(self.files.path()).args(args);
        let cache = "GENRED_CACHE";
        for name in ["", "_SYSTEM", "_MAX_SIZE", "_VERIFY"] {
            command.env_remove(format!("{cache}{name}"));
        }
        command.env("GENRED_CACHE_DIR", self.cache.path());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// Run and expect success.
    fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert!(ran.success, "{args:?}\n{}", ran.stderr);
        assert_eq!(ran.stderr, "", "{args:?}");
        ran.stdout
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.files.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

struct Ran {
    success: bool,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ran { success: output.status.success(), stdout, stderr }
    }
}

/// A file that NumPy wrote.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npy").join(name);
    assert!(path.is_file(), "{}", path.display());
    path.into_os_string().into_string().unwrap()
}

/// The numbers in the files of tests/npy, as in tools/npy_fixtures.py.
const POINTS: [[f64; 3]; 4] =
    [[0.5, -1.25, 2.0], [3.0, 0.0, -0.75], [-2.5, 1.5, 0.125], [8.0, -4.0, 1.0]];
