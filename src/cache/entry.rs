//! The bytes of an entry: `cache-format.md` in code. Decoding is total: any bytes give an entry or a reason, nothing else.

use super::key::{self, Key};
use super::stats::Reason;
use crate::limits;
use std::ops::Range;

/// Catches text-mode transfers (both line ends), 7-bit transfers and truncation at the first NUL.
pub const MAGIC: [u8; 8] = *b"\x89GRK\r\n\x1a\n";
/// Version of the entry format and of the directory below it.
pub const VERSION: u32 = 1;
/// Bytes ahead of the code.
pub const HEADER: usize = 128;
/// Bytes of the digest at the end.
pub const DIGEST: usize = 32;
/// The smallest file that is looked at.
pub const MIN_BYTES: u64 = (HEADER + DIGEST) as u64;
/// The largest file that is looked at.
pub const MAX_BYTES: u64 = limits::CACHE_ENTRY_BYTES;

/// A kernel that was just compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What the code section holds; no meaning here.
    pub code: Vec<u8>,
    /// How long compiling took, in nanoseconds.
    pub compile_ns: u64,
}

/// An entry whose bytes are whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// [`Kind`](key::Kind) as a number.
    pub kind: u16,
    /// ELF number of the instruction set.
    pub arch: u16,
    /// Instruction-set extensions that the code uses.
    pub features: u64,
    /// Version of the argument block.
    pub argument_abi: u32,
    /// How long compiling took.
    pub compile_ns: u64,
    /// When, in seconds since 1970.
    pub created: u64,
    /// Digest of `key`.
    pub digest: [u8; 32],
    /// Encoded key fields.
    pub key: &'a [u8],
    /// Where the code is in the file.
    pub code: Range<usize>,
}

/// The bytes of an entry, or `None` if it would be larger than a reader reads.
pub fn encode(key: &Key, compiled: &Compiled, created: u64) -> Option<Vec<u8>> {
    let (code, fields) = (compiled.code.as_slice(), key.bytes());
    let size = HEADER.checked_add(code.len())?.checked_add(fields.len())?.checked_add(DIGEST)?;
    if size as u64 > MAX_BYTES {
        return None;
    }
    let mut out = Vec::with_capacity(size);
    let key_offset = (HEADER + code.len()) as u64;
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(HEADER as u32).to_le_bytes());
    out.extend_from_slice(&(size as u64).to_le_bytes());
    out.extend_from_slice(&key.kind.to_le_bytes());
    out.extend_from_slice(&key.arch.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&key.features.to_le_bytes());
    out.extend_from_slice(&(HEADER as u64).to_le_bytes());
    out.extend_from_slice(&(code.len() as u64).to_le_bytes());
    out.extend_from_slice(&key_offset.to_le_bytes());
    out.extend_from_slice(&(fields.len() as u64).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&key.argument_abi.to_le_bytes());
    out.extend_from_slice(&compiled.compile_ns.to_le_bytes());
    out.extend_from_slice(&created.to_le_bytes());
    out.extend_from_slice(key.digest());
    debug_assert_eq!(out.len(), HEADER);
    out.extend_from_slice(code);
    out.extend_from_slice(fields);
    let digest = blake3::hash(&out);
    out.extend_from_slice(digest.as_bytes());
    debug_assert_eq!(out.len(), size);
    Some(out)
}

/// Little-endian integers of a header.
struct Header<'a>(&'a [u8]);

impl Header<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("the header has a fixed size")
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }
}

/// Check the bytes of a file, all or nothing; its key and target are [`matches`]'s business.
///
/// # Errors
/// With the first thing that is wrong.
pub fn decode(file: &[u8]) -> Result<Decoded<'_>, Reason> {
    let size = file.len() as u64;
    if !(MIN_BYTES..=MAX_BYTES).contains(&size) {
        return Err(Reason::Size);
    }
    let header = Header(&file[..HEADER]);
    if header.bytes(0) != MAGIC {
        return Err(Reason::Magic);
    }
    if header.u32(8) != VERSION {
        return Err(Reason::Version);
    }
    if header.u64(16) != size {
        return Err(Reason::Length);
    }
    let (body, digest) = file.split_at(file.len() - DIGEST);
    if blake3::hash(body).as_bytes() != digest {
        return Err(Reason::Digest);
    }
    // From here on only an entry that somebody wrote on purpose can be wrong.
    let zero = header.u32(28) == 0 && header.u32(72) == 0;
    if header.u32(12) != HEADER as u32 || !zero {
        return Err(Reason::Header);
    }
    // Sections lie back to back, so that no byte is outside of them and only one set of offsets is right.
    let end = HEADER as u64;
    let key_offset = end.checked_add(header.u64(48)).ok_or(Reason::Sections)?;
    let key_end = key_offset.checked_add(header.u64(64)).ok_or(Reason::Sections)?;
    let right = header.u64(40) == end && header.u64(56) == key_offset;
    if !right || key_end != body.len() as u64 {
        return Err(Reason::Sections);
    }
    let key_offset = usize::try_from(key_offset).map_err(|_| Reason::Sections)?;
    Ok(Decoded {
        kind: header.u16(24),
        arch: header.u16(26),
        features: header.u64(32),
        argument_abi: header.u32(76),
        compile_ns: header.u64(80),
        created: header.u64(88),
        digest: header.bytes(96),
        key: &body[key_offset..],
        code: HEADER..key_offset,
    })
}

/// Whether an entry is the one that was looked for and can run here.
///
/// # Errors
/// With the first thing that is wrong.
pub fn matches(entry: &Decoded<'_>, key: &Key, host_features: u64) -> Result<(), Reason> {
    if entry.digest != *key.digest() {
        return Err(Reason::Name);
    }
    if entry.key != key.bytes() {
        return Err(Reason::Fields);
    }
    if (entry.kind, entry.arch, entry.argument_abi) != (key.kind, key.arch, key.argument_abi)
        || entry.features != key.features
    {
        return Err(Reason::Target);
    }
    if entry.features & !host_features != 0 {
        return Err(Reason::Features);
    }
    Ok(())
}

/// Whether an entry is consistent with itself and with the name of its file, without knowing what it is for.
///
/// # Errors
/// With the first thing that is wrong.
pub fn consistent(entry: &Decoded<'_>, name: &str) -> Result<(), Reason> {
    if key::digest(entry.key) != entry.digest || key::hex(&entry.digest) != name {
        return Err(Reason::Name);
    }
    if !key::agrees(entry.key, entry.kind, entry.arch, entry.features, entry.argument_abi) {
        return Err(Reason::Target);
    }
    Ok(())
}
