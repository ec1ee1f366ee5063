//! The threads that kernels run on, started before anything is timed.

use crate::console::Failure;
use genred::{Element, Genred};
use rayon::ThreadPoolBuilder;
use std::sync::Arc;

/// Threads that are running.
pub(crate) enum Threads {
    /// One for each processor: rayon's own.
    All,
    /// The calling one.
    One,
    /// As many as were asked for.
    Some(Arc<rayon::ThreadPool>),
}

impl Threads {
    /// Start them; once a process.
    ///
    /// # Errors
    /// If the system does not give as many.
    pub(crate) fn start(number: Option<u16>) -> Result<Threads, Failure> {
        let cannot = |error| Failure::new(format!("cannot start the threads: {error}"));
        Ok(match number {
            None => {
                ThreadPoolBuilder::new().build_global().map_err(cannot)?;
                Threads::All
            }
            Some(1) => Threads::One,
            Some(number) => {
                let pool = ThreadPoolBuilder::new().num_threads(number.into()).build();
                Threads::Some(Arc::new(pool.map_err(cannot)?))
            }
        })
    }

    /// A kernel that will run on them.
    pub(crate) fn given_to<T: Element>(&self, genred: Genred<T>) -> Genred<T> {
        match self {
            Threads::All => genred,
            Threads::One => genred.single_threaded(),
            Threads::Some(pool) => genred.pool(Arc::clone(pool)),
        }
    }
}
