//! Files mapped into memory: the tool's one use of `unsafe`.

use memmap2::Mmap;
use std::fs::File;
use std::io;

/// Map a whole file for reading.
///
/// # Errors
/// Of the operating system.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private to this call's result and never written through. What memory mapping cannot exclude is
    // that another program changes the file meanwhile: then numbers of the result may be wrong, or, if the file was
    // shortened, the system ends this program. The bytes are used as floating-point numbers only, for which every
    // bit pattern is valid, and lengths and offsets are read before, from the header, and never again.
    unsafe { Mmap::map(file) }
}
