//! The environment, as far as it may decide anything: a program with more rights than its user does not do what that user's
//! variables say.
//!
//! # Invariant
//!
//! Nothing else in the library reads a variable; `tests/structure.rs` looks for it. Variables choose engines and directories and
//! name libraries that are loaded, so a set-user-ID program that read them would run its user's code with its own rights.

use std::ffi::OsString;

/// The value of a variable; `None` if it is not set, or if this program has more rights than its user.
pub(crate) fn var_os(name: &str) -> Option<OsString> {
    // Asked last: most variables are not set, and finding out who is trusted reads a file.
    std::env::var_os(name).filter(|_| !privileged())
}

/// The same as text; `None` as well if it is not Unicode.
pub(crate) fn var(name: &str) -> Option<String> {
    var_os(name)?.into_string().ok()
}

/// Whether the program runs with more rights than whoever started it.
#[cfg(unix)]
pub(crate) fn privileged() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    geteuid() != getuid() || getegid() != getgid() || secure_execution()
}

/// Other platforms start no program with the rights of another user.
#[cfg(not(unix))]
pub(crate) fn privileged() -> bool {
    false
}

/// Whether the kernel marked this program as one that must not trust its environment (file capabilities, for one).
#[cfg(target_os = "linux")]
fn secure_execution() -> bool {
    const AT_SECURE: u64 = 23;
    const WORD: usize = size_of::<usize>();
    match std::fs::read("/proc/self/auxv") {
        Ok(bytes) => bytes.chunks_exact(2 * WORD).any(|pair| {
            let word = |bytes: &[u8]| {
                let mut wide = [0; 8];
                // The vector is in the machine's own order.
                if cfg!(target_endian = "little") {
                    wide[..WORD].copy_from_slice(bytes);
                    u64::from_le_bytes(wide)
                } else {
                    wide[8 - WORD..].copy_from_slice(bytes);
                    u64::from_be_bytes(wide)
                }
            };
            word(&pair[..WORD]) == AT_SECURE && word(&pair[WORD..]) != 0
        }),
        // Such a program's own files in /proc belong to root; and whoever starts one can leave it too few descriptors to ask.
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn secure_execution() -> bool {
    false
}
