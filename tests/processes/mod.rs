//! Tests of the cache with several processes.

mod concurrent;
mod privileges;
mod resources;
pub(crate) mod roles;
mod variables;

use libtest_mimic::Trial;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Which role a process plays.
pub(crate) const ROLE: &str = "GENRED_TEST_ROLE";
/// Longest life of a process of a test; one that waits for something that never comes is killed then.
const LIFETIME: Duration = Duration::from_secs(120);
/// A user that owns nothing.
const NOBODY: u32 = 54_321;

pub(crate) fn trials() -> Vec<Trial> {
    let all = [concurrent::TESTS, privileges::TESTS, resources::TESTS, variables::TESTS].concat();
    let trial = |(name, test): (&'static str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    all.into_iter().map(trial).collect()
}

/// This program in a role, with arguments, in an environment that says nothing about caches.
fn actor(role: &str, arguments: &[&OsStr]) -> Command {
    actor_of(&std::env::current_exe().expect("this program"), role, arguments)
}

fn actor_of(program: &Path, role: &str, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env(ROLE, role).args(arguments);
    command.stdin(Stdio::null());
    command
}

struct Ended {
    status: ExitStatus,
    out: String,
}

/// Run a command to its end; killed if it does not end.
fn run(mut command: Command) -> Ended {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = loop {
        match command.spawn() {
            Ok(child) => break child,
            // A copied program is busy while a child that another thread forked still has the file open for writing.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("the process starts: {error}"),
        }
    };
    end(child)
}

/// Wait for a process, at most for its lifetime.
fn end(mut child: Child) -> Ended {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let reader = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = reader(out.map(|s| Box::new(s) as Box<dyn Read + Send>));
    let err = reader(err.map(|s| Box::new(s) as Box<dyn Read + Send>));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            break status;
        }
        if start.elapsed() > LIFETIME {
            child.kill().expect("a child of ours");
            let _ = child.wait();
            panic!("a process did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let (out, err) = (out.join().expect("read"), err.join().expect("read"));
    if !err.is_empty() {
        eprintln!("{err}");
    }
    Ended { status, out }
}

/// Run a role to its successful end; what it printed.
fn succeed(command: Command) -> String {
    let shown = format!("{command:?}");
    let Ended { status, out } = run(command);
    assert!(status.success(), "{shown}: {status}\n{out}");
    out
}

/// A copy of this program that every user can execute.
fn program_for_everybody(dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir, all.clone()).expect("our own directory");
    let copy = dir.join("program");
    std::fs::copy(std::env::current_exe().expect("this program"), &copy).expect("a copy");
    std::fs::set_permissions(&copy, all).expect("our own file");
    copy
}
