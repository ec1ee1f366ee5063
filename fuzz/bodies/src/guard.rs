//! Buffers between unmapped pages: a read or write one element outside of them ends the program.

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::marker::PhantomData;
use std::ptr;

/// The end of the buffer that touches an unmapped page. The other end does too if the length is a multiple of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// The first element is the first of a page.
    Front,
    /// The last element is the last of a page.
    Back,
}

impl Flush {
    /// Both.
    pub const ALL: [Flush; 2] = [Flush::Front, Flush::Back];
}

/// `len` elements in pages of their own, with an unmapped page before and behind these.
#[derive(Debug)]
pub struct Guarded<T> {
    map: *mut u8,
    bytes: usize,
    start: *mut T,
    len: usize,
    element: PhantomData<T>,
}

// SAFETY: the mapping belongs to this buffer alone.
unsafe impl<T: Send> Send for Guarded<T> {}
// SAFETY: as above; shared access only reads.
unsafe impl<T: Sync> Sync for Guarded<T> {}

impl<T: Copy> Guarded<T> {
    /// A copy of `values`.
    pub fn new(values: &[T], flush: Flush) -> Guarded<T> {
        let page = rustix::param::page_size();
        let used = size_of_val(values);
        let inner = used.next_multiple_of(page).max(page);
        let bytes = inner + 2 * page;
        // SAFETY: a fresh private mapping, of which only the inner pages are made accessible; `start` is within them, and
        // aligned because pages are and sizes are multiples of the alignment.
        unsafe {
            let map = mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), MapFlags::PRIVATE)
                .expect("address space for a buffer");
            let map = map.cast::<u8>();
            let flags = MprotectFlags::READ | MprotectFlags::WRITE;
            mprotect(map.add(page).cast(), inner, flags).expect("accessible inner pages");
            let offset = match flush {
                Flush::Front => 0,
                Flush::Back => inner - used,
            };
            let start = map.add(page + offset).cast::<T>();
            ptr::copy_nonoverlapping(values.as_ptr(), start, values.len());
            Guarded { map, bytes, start, len: values.len(), element: PhantomData }
        }
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: `new` placed and initialised them.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// The elements, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: `new` placed and initialised them; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` and nothing borrows it any more.
        let unmapped = unsafe { munmap(self.map.cast(), self.bytes) };
        debug_assert!(unmapped.is_ok());
    }
}
