//! The tier in memory: kernels that this program has already, found without parsing anything, and made once.
//!
//! It is asked twice. First with the texts that the caller gave ([`recall`](Memory::recall)): equal texts mean the same kernel,
//! and nothing has to be parsed to know that. Then, with the digest of the key, [`once`](Memory::once) lets exactly one of many
//! threads make the kernel while the others wait for it.
//!
//! A child that was forked while another thread held a lock or made a kernel finds both as they were, with nobody there to let
//! go of them. It does not wait: it makes the kernel itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// Texts of a request, each ahead of its length, so that no two requests have the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Raw(Vec<u8>);

impl Raw {
    /// No texts yet.
    pub fn new() -> Self {
        Raw(Vec::with_capacity(128))
    }

    /// Add a text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Add a number.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// Add bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }
}

/// What a tier may keep alive.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Kernels.
    pub kernels: usize,
    /// Bytes of code and texts.
    pub bytes: usize,
}

/// Where [`Memory::once`] found a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was there, or another thread made it meanwhile.
    Here,
    /// It was made for this caller.
    Made,
}

type Digest = [u8; 32];

/// Texts that may lead to one kernel; one that is asked for in more ways is found by its key.
const RAWS: usize = 16;

struct Slot<V> {
    value: V,
    bytes: usize,
    used: u64,
    raws: Vec<Arc<Raw>>,
}

struct Tables<V> {
    kernels: HashMap<Digest, Slot<V>>,
    raws: HashMap<Arc<Raw>, Digest>,
    making: HashMap<Digest, Arc<Making>>,
    bytes: usize,
    clock: u64,
}

/// A kernel that a thread is making.
struct Making {
    by: u32,
    done: Mutex<bool>,
    wake: Condvar,
}

/// A bounded map from requests to kernels; `V` is a handle that is cheap to clone.
pub struct Memory<V> {
    tables: Mutex<Tables<V>>,
    bounds: Bounds,
    opened_by: u32,
}

impl<V> fmt::Debug for Memory<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

/// Ends a [`Making`] however its thread leaves.
struct Claim<'a, V> {
    memory: &'a Memory<V>,
    digest: &'a Digest,
    making: Arc<Making>,
}

impl<V> Drop for Claim<'_, V> {
    fn drop(&mut self) {
        if let Some(mut tables) = self.memory.lock()
            && let Entry::Occupied(slot) = tables.making.entry(*self.digest)
            && Arc::ptr_eq(slot.get(), &self.making)
        {
            slot.remove();
        }
        *self.making.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.making.wake.notify_all();
    }
}

/// What a caller of [`Memory::once`] has to do.
enum Turn<'a, V> {
    Have(V),
    Wait(Arc<Making>),
    Make(Option<Claim<'a, V>>),
}

impl<V> Memory<V> {
    /// An empty tier.
    pub fn new(bounds: Bounds) -> Self {
        let tables = Tables {
            kernels: HashMap::new(),
            raws: HashMap::new(),
            making: HashMap::new(),
            bytes: 0,
            clock: 0,
        };
        Memory { tables: Mutex::new(tables), bounds, opened_by: std::process::id() }
    }

    /// The tables; `None` only in a forked child that found them locked.
    fn lock(&self) -> Option<MutexGuard<'_, Tables<V>>> {
        if std::process::id() == self.opened_by {
            return Some(self.tables.lock().unwrap_or_else(PoisonError::into_inner));
        }
        // Threads of the child itself hold the lock for microseconds only.
        for _ in 0..100 {
            match self.tables.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        None
    }

    /// Forget all kernels; those that somebody has a handle of live on.
    pub fn clear(&self) {
        let Some(mut tables) = self.lock() else { return };
        let kernels = std::mem::take(&mut tables.kernels);
        tables.raws.clear();
        tables.bytes = 0;
        drop(tables);
        drop(kernels);
    }

    /// Number of kernels.
    pub fn len(&self) -> usize {
        self.lock().map_or(0, |tables| tables.kernels.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of code and texts.
    pub fn bytes(&self) -> usize {
        self.lock().map_or(0, |tables| tables.bytes)
    }
}

impl<V: Clone> Memory<V> {
    /// The kernel that the same texts gave before.
    pub fn recall(&self, raw: &Raw) -> Option<V> {
        let mut tables = self.lock()?;
        let digest = *tables.raws.get(raw)?;
        tables.touch(&digest)
    }

    /// The kernel of a key, made by `make` unless it is here; `make` also says how many bytes the kernel holds.
    ///
    /// Of several threads one makes it. If that one fails, the next one tries for itself.
    ///
    /// # Errors
    /// What `make` returns.
    pub fn once<E>(
        &self,
        raw: &Raw,
        digest: &Digest,
        make: impl FnOnce() -> Result<(V, usize), E>,
    ) -> Result<(V, Found), E> {
        let claim = loop {
            match self.turn(digest) {
                Turn::Have(value) => {
                    self.remember(raw, digest);
                    return Ok((value, Found::Here));
                }
                Turn::Wait(making) => {
                    let mut done = making.done.lock().unwrap_or_else(PoisonError::into_inner);
                    while !*done {
                        done = making.wake.wait(done).unwrap_or_else(PoisonError::into_inner);
                    }
                }
                Turn::Make(claim) => break claim,
            }
        };
        let (value, bytes) = make()?;
        self.insert(digest, value.clone(), bytes);
        self.remember(raw, digest);
        drop(claim);
        Ok((value, Found::Made))
    }

    fn turn<'a>(&'a self, digest: &'a Digest) -> Turn<'a, V> {
        let Some(mut tables) = self.lock() else { return Turn::Make(None) };
        if let Some(value) = tables.touch(digest) {
            return Turn::Have(value);
        }
        let by = std::process::id();
        if let Some(making) = tables.making.get(digest)
            && making.by == by
        {
            return Turn::Wait(Arc::clone(making));
        }
        let making = Arc::new(Making { by, done: Mutex::new(false), wake: Condvar::new() });
        tables.making.insert(*digest, Arc::clone(&making));
        Turn::Make(Some(Claim { memory: self, digest, making }))
    }

    fn insert(&self, digest: &Digest, value: V, bytes: usize) {
        let Some(mut tables) = self.lock() else { return };
        let used = tables.tick();
        let slot = Slot { value, bytes, used, raws: Vec::new() };
        let mut gone = Vec::new();
        gone.extend(tables.remove(digest));
        tables.bytes += bytes;
        tables.kernels.insert(*digest, slot);
        tables.shrink(self.bounds, digest, &mut gone);
        drop(tables);
        // Freeing kernels unmaps memory: not under the lock.
        drop(gone);
    }

    /// Let texts lead to a kernel that is here.
    fn remember(&self, raw: &Raw, digest: &Digest) {
        let Some(mut tables) = self.lock() else { return };
        let tables = &mut *tables;
        let Some(slot) = tables.kernels.get_mut(digest) else { return };
        if tables.raws.contains_key(raw) {
            return;
        }
        if slot.raws.len() == RAWS {
            let oldest = slot.raws.remove(0);
            tables.raws.remove(&oldest);
            slot.bytes -= oldest.0.len();
            tables.bytes -= oldest.0.len();
        }
        let raw = Arc::new(raw.clone());
        slot.bytes += raw.0.len();
        tables.bytes += raw.0.len();
        slot.raws.push(Arc::clone(&raw));
        tables.raws.insert(raw, *digest);
    }
}

impl<V> Tables<V> {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn touch(&mut self, digest: &Digest) -> Option<V>
    where
        V: Clone,
    {
        let used = self.tick();
        let slot = self.kernels.get_mut(digest)?;
        slot.used = used;
        Some(slot.value.clone())
    }

    fn remove(&mut self, digest: &Digest) -> Option<Slot<V>> {
        let slot = self.kernels.remove(digest)?;
        self.bytes -= slot.bytes;
        for raw in &slot.raws {
            self.raws.remove(raw);
        }
        Some(slot)
    }

    /// Remove what was not used for longest until the bounds are kept; the newest kernel stays in any case.
    fn shrink(&mut self, bounds: Bounds, keep: &Digest, gone: &mut Vec<Slot<V>>) {
        while self.kernels.len() > bounds.kernels || self.bytes > bounds.bytes {
            let others = self.kernels.iter().filter(|(digest, _)| *digest != keep);
            let Some(oldest) = others.min_by_key(|(_, slot)| slot.used).map(|(d, _)| *d) else {
                break;
            };
            gone.extend(self.remove(&oldest));
        }
    }
}
