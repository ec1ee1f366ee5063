//! How a long computation is watched and stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A token that stops a [`Stream`](super::Stream) from elsewhere: another thread, or a signal. Clones are one token.
///
/// ```
/// use genred::{Cancel, View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, cancel) = ([1.0, 2.0], Cancel::new());
/// let x = View::new(&x, 2, 1)?;
/// cancel.cancel();
/// let stopped = sum.stream().input(x).input(x).cancel(&cancel).call();
/// assert!(stopped.unwrap_err().is_cancelled());
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A token that is not used yet.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Stop everything that looks at this token, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the token was used.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

impl From<Arc<AtomicBool>> for Cancel {
    /// A token that is used when the flag becomes true: what crates for signals set.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Cancel(flag)
    }
}

/// How far a computation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub(super) pairs: u64,
    pub(super) total: u64,
}

impl Progress {
    /// Pairs that are done.
    pub fn pairs(self) -> u64 {
        self.pairs
    }

    /// Pairs of the whole computation.
    pub fn total(self) -> u64 {
        self.total
    }
}
