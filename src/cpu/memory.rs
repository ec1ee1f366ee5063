//! Memory of calls: aligned buffers that a kernel keeps between calls, so that a repeated call allocates nothing.

use crate::dtype::Real;
use std::sync::{Mutex, PoisonError};

/// Alignment of every buffer, in bytes: a cache line, and the widest vector.
const ALIGNMENT: usize = 64;

/// A growable buffer whose first element is aligned for any vector.
#[derive(Debug, Default)]
pub(super) struct Buffer<C> {
    memory: Vec<C>,
    start: usize,
    len: usize,
}

impl<C: Real> Buffer<C> {
    /// Make it `len` elements long; contents are kept only if it does not grow.
    pub(super) fn resize(&mut self, len: usize) {
        let padding = ALIGNMENT / size_of::<C>();
        if len + padding > self.memory.len() {
            self.memory = vec![C::default(); len + padding];
            self.start = self.memory.as_ptr().align_offset(ALIGNMENT).min(padding);
        }
        self.len = len;
    }

    pub(super) fn as_slice(&self) -> &[C] {
        &self.memory[self.start..][..self.len]
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [C] {
        &mut self.memory[self.start..][..self.len]
    }
}

/// Objects that are expensive to make, handed out and taken back.
#[derive(Debug)]
pub(super) struct Pool<W>(Mutex<Vec<W>>);

impl<W: Default> Pool<W> {
    pub(super) const fn new() -> Self {
        Pool(Mutex::new(Vec::new()))
    }

    /// One of the pool, or a new one.
    pub(super) fn take(&self) -> W {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Free what nobody uses now.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(idle);
    }

    /// Give it back for the next taker.
    pub(super) fn give(&self, item: W) {
        let mut items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if items.len() < KEPT {
            items.push(item);
        }
    }
}

/// Most objects a pool keeps.
const KEPT: usize = 512;

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn a_pool_gives_what_it_was_given_until_it_is_cleared() {
        let pool = Pool::<Vec<u8>>::new();
        pool.give(vec![1]);
        assert_eq!(pool.take(), [1]);
        pool.give(vec![2]);
        pool.clear();
        assert!(pool.take().is_empty());
    }
}
