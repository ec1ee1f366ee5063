//! How many threads calls use, and a pool of one's own where the shared one cannot be used.
//!
//! A child of `fork` has none of its parent's threads, so a call on the shared pool would wait for ever there. `after_fork` makes
//! the child's first call start a new pool.

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether calls run on `POOL`: asked on every call, so not behind the lock.
static OWN: AtomicBool = AtomicBool::new(false);
static POOL: Mutex<Option<Arc<ThreadPool>>> = Mutex::new(None);

fn pool() -> MutexGuard<'static, Option<Arc<ThreadPool>>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many threads as the machine has, or as many as asked for.
fn new(threads: usize) -> Result<Arc<ThreadPool>, String> {
    let built = ThreadPoolBuilder::new().num_threads(threads).build();
    built.map(Arc::new).map_err(|e| e.to_string())
}

/// Run on the pool that calls use now.
pub(crate) fn run<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if !OWN.load(Ordering::Acquire) {
        return work();
    }
    let own = {
        let mut pool = pool();
        if pool.is_none() {
            *pool = new(0).ok();
        }
        pool.clone()
    };
    match own {
        Some(own) => own.install(work),
        None => work(),
    }
}

/// Run calls on `count` threads from now on; 0 for as many as the machine has.
#[pyfunction]
pub(crate) fn set_threads(py: Python<'_>, count: usize) -> PyResult<()> {
    let built = py.detach(|| new(count));
    let built = built.map_err(pyo3::exceptions::PyRuntimeError::new_err)?;
    *pool() = Some(built);
    OWN.store(true, Ordering::Release);
    Ok(())
}

/// How many threads calls run on.
#[pyfunction]
pub(crate) fn threads(py: Python<'_>) -> usize {
    py.detach(|| run(rayon::current_num_threads))
}

/// In a new child process: no pool of the parent's can be used.
#[pyfunction]
pub(crate) fn after_fork() {
    // The threads of a pool are gone, so nothing can join them: it is left, not dropped.
    std::mem::forget(pool().take());
    OWN.store(true, Ordering::Release);
}
