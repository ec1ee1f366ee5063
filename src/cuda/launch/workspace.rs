//! Memory of calls: device buffers, pinned memory and a stream, kept between calls so that a repeated call allocates nothing.

use super::arrays;
use crate::cuda::device::Device;
use crate::cuda::driver::{Event, Memory, Pinned, Stream};
use crate::dtype::Element;
use crate::error::Error;
use crate::view::View;
use std::sync::Arc;

/// Bytes of a piece of pinned memory: copies are made in pieces, one filled while the other is on its way.
const PIECE: usize = 4 << 20;
/// Pieces of a workspace.
const PIECES: usize = 2;
/// Bytes of pinned memory that a workspace grows to.
pub(super) const PINNED: usize = PIECES * PIECE;

/// One piece of pinned memory, and the event after which it may be filled again.
#[derive(Debug)]
struct Piece {
    memory: Pinned,
    sent: Event,
}

/// Everything that one call works in.
#[derive(Debug)]
pub(super) struct Workspace {
    device: Arc<Device>,
    pub(super) stream: Stream,
    /// After the last work that was queued on a stream of the caller's.
    pub(super) done: Event,
    pieces: Vec<Piece>,
    next: usize,
    pub(super) param: Buffer,
    pub(super) row: Buffer,
    pub(super) col: Buffer,
    pub(super) partial: Buffer,
    pub(super) partial_index: Buffer,
    pub(super) values: Buffer,
    pub(super) indices: Buffer,
    /// Copies of the caller's arrays, by position.
    pub(super) raw: Vec<Buffer>,
}

/// Device memory that grows.
#[derive(Debug, Default)]
pub(super) struct Buffer(Option<Memory>);

impl Buffer {
    /// Make room; contents are kept only if it does not grow. The workspace must be idle.
    pub(super) fn reserve(&mut self, device: &Arc<Device>, bytes: u64) -> Result<(), Error> {
        let bytes = usize::try_from(bytes).map_err(|_| {
            Error::shape(format!("{bytes} bytes are more than the address space has"))
        })?;
        if self.0.as_ref().is_none_or(|memory| memory.bytes() < bytes) {
            // What is there goes first: both might not fit.
            self.0 = None;
            if bytes > 0 {
                self.0 = Some(Memory::new(device, bytes)?);
            }
        }
        Ok(())
    }

    /// Its address on the device; 0 if there is no memory.
    pub(super) fn address(&self) -> u64 {
        self.0.as_ref().map_or(0, Memory::address)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |memory| memory.bytes() as u64)
    }
}

impl Workspace {
    pub(super) fn new(device: &Arc<Device>, inputs: usize) -> Result<Workspace, Error> {
        Ok(Workspace {
            stream: Stream::new(device)?,
            done: Event::new(device)?,
            device: Arc::clone(device),
            pieces: Vec::new(),
            next: 0,
            param: Buffer::default(),
            row: Buffer::default(),
            col: Buffer::default(),
            partial: Buffer::default(),
            partial_index: Buffer::default(),
            values: Buffer::default(),
            indices: Buffer::default(),
            raw: (0..inputs).map(|_| Buffer::default()).collect(),
        })
    }

    /// Bytes of device memory that it holds.
    pub(super) fn held(&self) -> u64 {
        let own = [
            &self.param,
            &self.row,
            &self.col,
            &self.partial,
            &self.partial_index,
            &self.values,
            &self.indices,
        ];
        own.into_iter().chain(&self.raw).map(Buffer::bytes).sum()
    }

    /// Wait for everything that uses it.
    pub(super) fn settle(&self) -> Result<(), Error> {
        self.done.synchronize()?;
        self.stream.synchronize()
    }

    /// A piece of pinned memory that is free, of at least one byte.
    fn piece(&mut self) -> Result<usize, Error> {
        if self.pieces.len() < PIECES {
            let memory = Pinned::new(&self.device, PIECE)?;
            let sent = Event::new(&self.device)?;
            self.pieces.push(Piece { memory, sent });
            return Ok(self.pieces.len() - 1);
        }
        let n = self.next;
        self.next = (n + 1) % self.pieces.len();
        self.pieces[n].sent.synchronize()?;
        Ok(n)
    }

    /// Queue a copy of rows `first .. first + count` of an array to memory of the device, row after row.
    ///
    /// # Safety
    /// `to` must be memory of the device with room for them.
    pub(super) unsafe fn upload<T: Element>(
        &mut self,
        view: &View<'_, T>,
        first: usize,
        count: usize,
        to: u64,
    ) -> Result<(), Error> {
        let (begin, all) = (first * view.dim(), count * view.dim());
        let most = PIECE / size_of::<T>();
        let mut at = 0;
        while at < all {
            let len = most.min(all - at);
            let n = self.piece()?;
            let Piece { memory, sent } = &mut self.pieces[n];
            let bytes = &mut memory.as_mut_slice()[..len * size_of::<T>()];
            arrays::gather(view, begin + at, bytes);
            // SAFETY: the piece is left alone until `sent` is reached; the caller vouches for the device's side.
            unsafe { self.stream.upload(to + (at * size_of::<T>()) as u64, bytes)? };
            sent.record(&self.stream)?;
            at += len;
        }
        Ok(())
    }

    /// Copy `count` numbers from the device, in order; all work queued before is done then.
    ///
    /// # Safety
    /// `from` must be memory of the device with so many numbers.
    pub(super) unsafe fn download<T: Copy>(
        &mut self,
        from: u64,
        count: usize,
        mut take: impl FnMut(usize, T),
    ) -> Result<(), Error> {
        let most = PIECE / size_of::<T>();
        let mut at = 0;
        while at < count {
            let len = most.min(count - at);
            let n = self.piece()?;
            let memory = &mut self.pieces[n].memory;
            let bytes = &mut memory.as_mut_slice()[..len * size_of::<T>()];
            // SAFETY: the stream is waited for before the piece is touched; the caller vouches for the device's side.
            let queued =
                unsafe { self.stream.download(bytes, from + (at * size_of::<T>()) as u64) };
            self.stream.synchronize().and(queued)?;
            for (k, number) in
                arrays::numbers(&memory.as_slice()[..len * size_of::<T>()]).enumerate()
            {
                take(at + k, number);
            }
            at += len;
        }
        Ok(())
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // Buffers are freed next, so nothing may be using them; a device that failed has stopped using them.
        let _ = self.settle();
    }
}
