//! Target `entry`: bytes as cache entries and as kernels, also behind a preamble and a digest that are right.

use crate::common::cache::{ANY_HOST, entry_bytes, key, seal};
use genred::cache::entry;
use genred::cpu::artifact;

/// The first byte chooses what the others are: an entry, the body of one, or changes to one that is whole.
pub fn run(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 4 {
        0 => check(rest),
        1 => check(&behind_preamble(rest)),
        2 => check(&changed(rest)),
        _ => {
            let _ = artifact::decode(rest);
        }
    }
}

/// Decoding is total, and what it gives lies within the file.
fn check(file: &[u8]) {
    let Ok(decoded) = entry::decode(file) else { return };
    assert!(decoded.code.end <= file.len() - entry::DIGEST);
    let code = &file[decoded.code.clone()];
    assert_eq!(
        entry::HEADER + code.len() + decoded.key.len() + entry::DIGEST,
        file.len(),
        "a byte belongs to no section"
    );
    let wanted = key(1);
    if entry::matches(&decoded, &wanted, ANY_HOST).is_ok() {
        assert_eq!(decoded.key, wanted.bytes(), "another key's entry matches");
    }
    let _ = entry::consistent(&decoded, &wanted.hex());
    let _ = artifact::decode(code);
}

/// Magic, version, header length, file length and digest as they must be, everything else from the bytes.
fn behind_preamble(rest: &[u8]) -> Vec<u8> {
    let mut file = entry::MAGIC.to_vec();
    file.extend(entry::VERSION.to_le_bytes());
    file.extend((entry::HEADER as u32).to_le_bytes());
    file.extend([0; 8]);
    file.extend(rest);
    file.resize(file.len().max(entry::HEADER) + entry::DIGEST, 0);
    let len = file.len() as u64;
    file[16..24].copy_from_slice(&len.to_le_bytes());
    seal(&mut file);
    file
}

/// A whole entry with a few bytes replaced and the digest made right again; unchanged, it is accepted.
fn changed(rest: &[u8]) -> Vec<u8> {
    let whole = entry_bytes(&key(1));
    let mut file = whole.clone();
    for change in rest.chunks_exact(3).take(8) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % file.len();
        file[at] = change[2];
    }
    seal(&mut file);
    if file == whole {
        let decoded = entry::decode(&file).expect("a whole entry");
        assert!(entry::matches(&decoded, &key(1), ANY_HOST).is_ok());
    }
    file
}
