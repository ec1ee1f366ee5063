//! Many programs, other users, full disks, limits and signals: the cache as real processes meet it.
//!
//! Numbers in names are those of the table of faults in `cache-format.md`. This program runs itself again as the other
//! processes; `GENRED_TEST_ROLE` says as which one.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it did, and panics where something is not as it should be"
)]
#[cfg(unix)]
mod cache;
#[cfg(unix)]
#[path = "common/formulas.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests")]
mod formulas;
#[cfg(unix)]
mod processes;

#[cfg(unix)]
fn main() {
    if let Some(role) = std::env::var_os(processes::ROLE) {
        processes::roles::play(&role.to_string_lossy());
        return;
    }
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, processes::trials()).exit();
}

#[cfg(not(unix))]
fn main() {}
