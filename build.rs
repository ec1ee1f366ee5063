//! Digests the sources, so that kernels of one build are never taken for those of another.

use std::fs;
use std::path::Path;

/// FNV-1a with 128 bits: a few lines, the same on every host. It tells builds apart; it keeps nobody out.
struct Fnv(u128);

impl Fnv {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    fn new() -> Self {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(Self::PRIME);
        }
    }
}

/// Files below `dir`, as paths relative to `root` with forward slashes: the build directory must not matter.
fn files(root: &Path, dir: &Path, out: &mut Vec<String>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry.expect("an entry of src").path();
        if path.is_dir() {
            files(root, &path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let relative = path.strip_prefix(root).expect("below the root");
            let parts: Vec<_> = relative.iter().map(|p| p.to_string_lossy().into_owned()).collect();
            out.push(parts.join("/"));
        }
    }
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src");
    let root = Path::new("src");
    let mut names = Vec::new();
    files(root, root, &mut names);
    names.sort();
    let mut digest = Fnv::new();
    for name in names {
        let text = fs::read(root.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        for part in [name.as_bytes(), &text] {
            digest.write(&(part.len() as u64).to_le_bytes());
            digest.write(part);
        }
    }
    println!("cargo:rustc-env=GENRED_SOURCE_DIGEST={:032x}", digest.0);
}
