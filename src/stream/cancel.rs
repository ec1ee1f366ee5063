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
    ///
    /// ```
    /// let cancel = genred::Cancel::new();
    /// assert!(!cancel.is_cancelled());
    /// ```
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Stop everything that looks at this token, for good.
    ///
    /// ```
    /// use genred::{Cancel, View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, cancel) = (View::new(&[1.0, 2.0], 2, 1)?, Cancel::new());
    /// std::thread::scope(|scope| scope.spawn(|| cancel.cancel()).join()).expect("the thread ends");
    /// assert!(sum.stream().input(x).input(x).cancel(&cancel).call().is_err());
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the token was used.
    ///
    /// ```
    /// let cancel = genred::Cancel::new();
    /// cancel.clone().cancel();
    /// assert!(cancel.is_cancelled(), "clones are one token");
    /// ```
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
///
/// ```
/// use genred::{Progress, View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let points = vec![1.0; 2_000];
/// let x = View::new(&points, 2_000, 1)?;
/// let mut last: Option<Progress> = None;
/// sum.stream().input(x).input(x).progress(|now| last = Some(now)).call()?;
/// assert_eq!(last.map(|last| (last.pairs(), last.total())), Some((4_000_000, 4_000_000)));
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub(super) pairs: u64,
    pub(super) total: u64,
}

impl Progress {
    /// Pairs that are done.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// let mut seen = vec![0];
    /// sum.stream().input(x).input(x).progress(|now| seen.push(now.pairs())).call()?;
    /// assert!(seen.is_sorted() && seen.last() == Some(&4));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn pairs(self) -> u64 {
        self.pairs
    }

    /// Pairs of the whole computation.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// let mut part = 0.0;
    /// sum.stream().input(x).input(x).progress(|now| part = now.pairs() as f64 / now.total() as f64).call()?;
    /// assert_eq!(part, 1.0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn total(self) -> u64 {
        self.total
    }
}
