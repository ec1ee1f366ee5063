//! What the user sees: text on stdout, failures on stderr.
//!
//! Nothing here panics when the other end of a pipe is gone: `genred ops | head -1` ends quietly.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be said on stderr.
    Message(String),
    /// The arguments are wrong.
    Usage(String),
    /// The user stopped it.
    Cancelled(String),
    /// Nobody reads stdout any more.
    Closed,
}

/// The exit status of a command that was stopped by Ctrl-C, as shells give it: 128 and the number of the signal.
pub(crate) const CANCELLED: u8 = 130;

/// The exit status of a command that was given the wrong arguments.
const MISUSED: u8 = 2;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure::Message(message.into())
    }

    /// The same failure with more said below it.
    pub(crate) fn and(self, more: impl fmt::Display) -> Failure {
        match self {
            Failure::Message(message) => Failure::Message(format!("{message}\n{more}")),
            other => other,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Message(message) | Failure::Usage(message) | Failure::Cancelled(message) => {
                f.write_str(message)
            }
            Failure::Closed => f.write_str("nobody reads the output"),
        }
    }
}

impl From<genred::Error> for Failure {
    fn from(error: genred::Error) -> Self {
        let message = error.to_string();
        if error.is_cancelled() { Failure::Cancelled(message) } else { Failure::Message(message) }
    }
}

/// Print on stdout.
///
/// # Errors
/// `Closed` if nobody reads it, which is no mistake of the user's.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(error) => Err(Failure::new(format!("cannot write to stdout: {error}"))),
    }
}

/// The exit status of a command, after saying on stderr why it failed.
pub(crate) fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(Failure::Message(message)) => {
            complain(&message);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(message)) => {
            complain(&message);
            ExitCode::from(MISUSED)
        }
        Err(Failure::Cancelled(message)) => {
            complain(&message);
            ExitCode::from(CANCELLED)
        }
    }
}

fn complain(message: &str) {
    let label = if colours() { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
    // If stderr is gone too, there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{label} {message}");
}

/// Whether stderr is a terminal that wants colours.
pub(crate) fn colours() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    io::stderr().is_terminal()
        && set("NO_COLOR").is_none()
        && set("TERM").is_none_or(|term| term != "dumb")
}
