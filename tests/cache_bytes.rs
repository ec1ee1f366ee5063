//! Entries that are not what was written: whatever the bytes are, the result is right and the entry is replaced.
//!
//! Numbers in names are those of the table of faults in `cache-format.md`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it did, and panics where something is not as it should be"
)]

mod cache;

use cache::*;
use genred::cache::entry::{self, decode, encode};
use genred::cache::key::{Fields, Key, Kind};
use genred::cache::{Compiled, Loaded, Miss, Origin, Reason};
use std::os::unix::fs::PermissionsExt;

/// Plant bytes, expect a rejection and a right result, and expect the entry to be replaced by a good one.
fn rejects(dir: &std::path::Path, cache: &genred::Cache, key: &Key, bytes: &[u8]) -> Reason {
    plant(dir, key, bytes);
    let before = cache.stats();
    assert_eq!(obtain(cache, key), Origin::Compiled);
    let after = cache.stats();
    let reasons: Vec<Reason> = Reason::ALL
        .iter()
        .copied()
        .filter(|reason| after.rejected(*reason) > before.rejected(*reason))
        .collect();
    let [reason] = reasons[..] else { panic!("one reason, not {reasons:?}") };
    assert_eq!(after.stores, before.stores + 1, "not replaced");
    assert_eq!(obtain(cache, key), Origin::Disk, "the new entry is no good");
    reason
}

#[test]
fn fault_01_every_bit_flipped() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let key = key(1);
    let good = entry_bytes(&key);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let reason = rejects(&dir, &cache, &key, &bad);
        let expected = match bit / 8 {
            0..8 => Reason::Magic,
            8..12 => Reason::Version,
            16..24 => Reason::Length,
            _ => Reason::Digest,
        };
        assert_eq!(reason, expected, "bit {bit}");
    }
    println!("{} flips of an entry of {} bytes: none accepted", good.len() * 8, good.len());
}

#[test]
fn fault_02_truncated_appended_concatenated() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let key = key(2);
    let good = entry_bytes(&key);
    for length in 0..good.len() {
        let reason = rejects(&dir, &cache, &key, &good[..length]);
        assert_eq!(reason, if length < 160 { Reason::Size } else { Reason::Length });
    }
    for extra in [&[0][..], &[255], &good[good.len() - 32..], &good] {
        let longer = [&good, extra].concat();
        assert_eq!(rejects(&dir, &cache, &key, &longer), Reason::Length);
    }
    println!("{} truncations: none accepted", good.len());
}

/// What [`fault_01_every_bit_flipped`] and [`fault_02_truncated_appended_concatenated`] do, with code that would run.
fn destroy_kernel(n: u64, flips: impl Fn(usize) -> bool) {
    let (_temp, dir) = temp();
    run_kernel(&open(&dir), n);
    let file = open(&dir).list().remove(0).path;
    let good = std::fs::read(&file).unwrap();
    let check = |bad: &[u8], what: &str| {
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bad).unwrap();
        let cache = open(&dir);
        assert_eq!(run_kernel(&cache, n), Origin::Compiled, "{what}");
        assert_eq!((cache.stats().rejections(), cache.stats().stores), (1, 1), "{what}");
        // Replaced by the same kernel, compiled at another time.
        let mut new = std::fs::read(&file).unwrap();
        new[80..96].copy_from_slice(&good[80..96]);
        seal(&mut new);
        assert!(new == good, "{what}: another kernel was stored");
    };
    let mut count = 0;
    for bit in (0..good.len() * 8).filter(|bit| flips(*bit)) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        check(&bad, &format!("bit {bit}"));
        count += 1;
    }
    for length in 0..good.len() {
        check(&good[..length], &format!("{length} bytes"));
    }
    println!("a kernel of {} bytes: {count} flips and {} truncations", good.len(), good.len());
    assert_eq!(run_kernel(&open(&dir), n), Origin::Disk);
}

#[test]
fn fault_01_every_bit_of_a_kernel_of_the_best_engine() {
    destroy_kernel(0, |_| true);
}

#[test]
fn fault_01_a_bit_of_every_byte_of_a_cranelift_kernel() {
    destroy_kernel(1, |bit| bit % 8 == bit / 8 % 8);
}

/// Offsets and sizes of the header's fields.
const HEADER: [(usize, usize, &str); 17] = [
    (0, 8, "magic"),
    (8, 4, "version"),
    (12, 4, "header length"),
    (16, 8, "file length"),
    (24, 2, "kind"),
    (26, 2, "arch"),
    (28, 4, "flags"),
    (32, 8, "features"),
    (40, 8, "code offset"),
    (48, 8, "code length"),
    (56, 8, "key offset"),
    (64, 8, "key length"),
    (72, 4, "reserved"),
    (76, 4, "argument abi"),
    (80, 8, "compile time"),
    (88, 8, "creation time"),
    (96, 32, "key digest"),
];

/// What an attacker, or a defect of a writer, would put into a field of `size` bytes that holds `now`.
fn forgeries(now: &[u8]) -> Vec<Vec<u8>> {
    let size = now.len();
    let mut wide = [0; 16];
    wide[..size.min(16)].copy_from_slice(&now[..size.min(16)]);
    let value = u128::from_le_bytes(wide);
    let bits = 8 * size.min(16);
    let mask = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
    let mut values = vec![0, 1, mask, mask - 1, value.wrapping_add(1), value.wrapping_sub(1)];
    values.extend((0..bits).map(|bit| value ^ (1 << bit)));
    values.extend([value.wrapping_neg(), value << 1, value >> 1, mask >> 1, (mask >> 1) + 1]);
    let bytes = |value: u128| {
        let mut out = now.to_vec();
        out[..size.min(16)].copy_from_slice(&(value & mask).to_le_bytes()[..size.min(16)]);
        out
    };
    values.into_iter().map(bytes).filter(|forged| forged != now).collect()
}

/// Decoding anything must neither panic nor hand out anything beyond the file; it runs only if it is the original.
fn check_forged(key: &Key, original: &[u8], forged: &[u8]) -> bool {
    let Ok(decoded) = decode(forged) else { return false };
    assert!(forged.get(decoded.code.clone()).is_some(), "code out of the file");
    if entry::matches(&decoded, key, ANY_HOST).is_err() {
        return false;
    }
    assert_eq!(&forged[decoded.code], original, "other code would run");
    true
}

#[test]
fn fault_03_forged_headers_with_the_right_digest() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let key = key(3);
    let good = entry_bytes(&key);
    let code = code(&key);
    let mut tried = 0;
    for (at, size, name) in HEADER {
        for value in forgeries(&good[at..at + size]) {
            let mut bad = good.clone();
            bad[at..at + size].copy_from_slice(&value);
            seal(&mut bad);
            tried += 1;
            // These two are shown to people and decide nothing.
            let shown = matches!(name, "compile time" | "creation time");
            assert_eq!(check_forged(&key, &code, &bad), shown, "{name} {value:02x?}");
            plant(&dir, &key, &bad);
            assert_eq!(obtain(&cache, &key) == Origin::Disk, shown, "{name} {value:02x?}");
        }
    }
    // Pairs of fields that could make up for each other.
    let interesting: Vec<u64> = {
        let size = good.len() as u64;
        let near = [0, 1, 32, 64, 127, 128, 129, size - 33, size - 32, size - 31, size, size + 1];
        near.into_iter().chain([1 << 24, 1 << 32, u64::MAX - 128, u64::MAX - 1, u64::MAX]).collect()
    };
    let sections = [16, 40, 48, 56, 64];
    for (index, first) in sections.iter().enumerate() {
        for second in &sections[index + 1..] {
            for a in &interesting {
                for b in &interesting {
                    let mut bad = good.clone();
                    bad[*first..first + 8].copy_from_slice(&a.to_le_bytes());
                    bad[*second..second + 8].copy_from_slice(&b.to_le_bytes());
                    seal(&mut bad);
                    tried += 1;
                    check_forged(&key, &code, &bad);
                }
            }
        }
    }
    // The boundary between code and key moved, both lengths in accord.
    let (code_length, key_length) = (code.len() as u64, key.bytes().len() as u64);
    for shift in -100i64..=100 {
        let (code_length, key_length) =
            (code_length.wrapping_add_signed(shift), key_length.wrapping_add_signed(-shift));
        let mut bad = good.clone();
        bad[48..56].copy_from_slice(&code_length.to_le_bytes());
        bad[56..64].copy_from_slice(&(128 + code_length).to_le_bytes());
        bad[64..72].copy_from_slice(&key_length.to_le_bytes());
        seal(&mut bad);
        tried += 1;
        assert_eq!(check_forged(&key, &code, &bad), shift == 0);
    }
    println!("{tried} forged headers: none accepted with other code");
}

#[test]
fn fault_03_random_bytes_behind_a_good_preamble() {
    let key = key(33);
    let good = entry_bytes(&key);
    let mut noise = blake3::Hasher::new().update(b"noise").finalize_xof();
    for _ in 0..20_000 {
        let mut random = [0; 16];
        noise.fill(&mut random);
        let mut bad = good.clone();
        let start = 12 + usize::from(random[0]) % 116;
        let length = 1 + usize::from(random[1]) % 12;
        let end = (start + length).min(128);
        bad[start..end].copy_from_slice(&random[2..2 + end - start]);
        seal(&mut bad);
        check_forged(&key, &code(&key), &bad);
    }
}

#[test]
fn fault_04_another_name_and_a_collision() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let (wanted, other) = (key(4), key(44));
    assert_eq!(rejects(&dir, &cache, &wanted, &entry_bytes(&other)), Reason::Name);

    // Two keys with one digest: only the stored fields tell them apart.
    let good = entry_bytes(&wanted);
    let start = 128 + code(&wanted).len();
    for at in start..good.len() - 32 {
        let mut bad = good.clone();
        bad[at] ^= 1;
        seal(&mut bad);
        assert_eq!(rejects(&dir, &cache, &wanted, &bad), Reason::Fields, "byte {at}");
    }
}

#[test]
fn every_field_is_part_of_the_key() {
    let base = fields("x");
    let variants: [Fields<'_>; 21] = [
        Fields { engine: "0.1.1", ..base },
        Fields { epoch: 2, ..base },
        Fields { source: "00", ..base },
        Fields { generator: "cranelift 0.136.0", ..base },
        Fields { formula: "y", ..base },
        Fields { reduction: "Min", ..base },
        Fields { k: 3, ..base },
        Fields { rows: "j", ..base },
        Fields { dtype: "float64", ..base },
        Fields { accumulator: "f64", ..base },
        Fields { scheme: "kahan", ..base },
        Fields { schedule: "lanes=rows mr=2", ..base },
        Fields { back_end: "wide", ..base },
        Fields { kind: Kind::Cubin, ..base },
        Fields { arch: 183, ..base },
        Fields { os: "macos", ..base },
        Fields { abi: "aapcs64", ..base },
        Fields { features: 0x1f, ..base },
        Fields { argument_abi: 2, ..base },
        Fields { device: "sm_90", ..base },
        Fields { options: "--fmad=false", ..base },
    ];
    let mut seen = std::collections::HashSet::from([Key::new(&base).hex()]);
    for variant in &variants {
        let key = Key::new(variant);
        assert!(seen.insert(key.hex()), "{variant:?} has the key of another");
        let names = |key: &Key| key.fields().iter().map(|f| f.name).collect::<Vec<_>>();
        assert_eq!(names(&key), names(&Key::new(&base)));
    }
    // Bytes that move from one text to its neighbour must not give the same key.
    let split = |os: &'static str, abi: &'static str| Key::new(&Fields { os, abi, ..base }).hex();
    assert_ne!(split("ab", "c"), split("a", "bc"));
}

#[test]
fn a_miss_is_explained_by_the_nearest_entry() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let with = |formula, dtype, k| Key::new(&Fields { dtype, k, ..fields(formula) });
    for stored in [with("f", "float64", 3), with("g", "float32", 0), with("f", "float64", 0)] {
        obtain(&cache, &stored);
    }
    let wanted = with("f", "float32", 0);
    let nearest = cache.nearest(&wanted).expect("three entries to choose from");
    assert_eq!(nearest.key, with("f", "float64", 0).hex());
    let [difference] = &nearest.differences[..] else { panic!("{nearest:?}") };
    assert_eq!(
        (difference.name, difference.wanted.as_str(), difference.found.as_str()),
        ("dtype", "float32", "float64")
    );
}

#[test]
fn fault_19_other_versions() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let key = key(19);
    let good = entry_bytes(&key);
    for (at, size, value, reason) in [
        (8, 4, 0u64, Reason::Version),
        (8, 4, 2, Reason::Version),
        (8, 4, u64::from(u32::MAX), Reason::Version),
        (12, 4, 64, Reason::Header),
        (12, 4, 192, Reason::Header),
        (28, 4, 1, Reason::Header),
        (28, 4, 1 << 31, Reason::Header),
        (72, 4, 16, Reason::Header),
    ] {
        let mut bad = good.clone();
        bad[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        seal(&mut bad);
        assert_eq!(rejects(&dir, &cache, &key, &bad), reason, "{value} at {at}");
    }

    // A newer version's directory is not touched; an older one goes when it was not used for a month.
    let old = std::time::SystemTime::now() - days(31);
    for version in ["v0", "v2", "v10", "v01", "w0"] {
        let shard = dir.join(version).join("a");
        make_private_dirs(&shard);
        std::fs::write(shard.join(format!("{:063x}.grk", 7)), b"of another version").unwrap();
        std::fs::write(dir.join(version).join("used"), b"").unwrap();
        set_modified(&dir.join(version).join("used"), old);
    }
    std::fs::write(dir.join("v0/a/notes.txt"), b"not ours").unwrap();
    cache.prune(None, None);
    let left = files_below(&dir);
    let entry = format!("a/{:063x}.grk", 7);
    let has = |name: String| left.contains(&name.clone().into());
    assert!(!has(format!("v0/{entry}")), "an old version stayed");
    assert!(has("v0/a/notes.txt".into()), "a foreign file went");
    for version in ["v2", "v10", "v01", "w0"] {
        assert!(has(format!("{version}/{entry}")), "{version} was touched");
    }
    // Younger than a month: stays.
    make_private_dirs(&dir.join("v0/b"));
    std::fs::write(dir.join("v0/b").join(format!("{:063x}.grk", 8)), b"in use").unwrap();
    std::fs::write(dir.join("v0/used"), b"").unwrap();
    set_modified(&dir.join("v0/used"), std::time::SystemTime::now() - days(29));
    cache.prune(None, None);
    assert!(files_below(&dir).contains(&format!("v0/b/{:063x}.grk", 8).into()));
    assert_eq!(obtain(&cache, &key), Origin::Disk);
}

#[test]
fn fault_20_another_machine() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let avx512 = Key::new(&Fields { features: 0x1f, ..fields("wide") });
    obtain(&cache, &avx512);
    let load = |key: &Key, host| cache.load(key, host).as_ref().map(Loaded::origin).map_err(|e| *e);
    assert_eq!(load(&avx512, 0x0f), Err(Miss::Rejected(Reason::Features)));
    // The directory may be shared with the machine that can run it.
    assert_eq!(load(&avx512, 0x1f), Ok(Origin::Disk));
    assert_eq!(load(&avx512, ANY_HOST), Ok(Origin::Disk));

    // Under the name of a kernel of this machine.
    let arm = Key::new(&Fields { arch: 183, features: 32, ..fields("wide") });
    let here = Key::new(&Fields { features: 0x0f, ..fields("wide") });
    assert_eq!(rejects(&dir, &cache, &here, &entry_bytes(&arm)), Reason::Name);
    let cubin = |device| Key::new(&Fields { kind: Kind::Cubin, device, ..fields("wide") });
    let (hopper, ampere) = (cubin("sm_90"), cubin("sm_80"));
    assert_eq!(rejects(&dir, &cache, &ampere, &entry_bytes(&hopper)), Reason::Name);

    // A header that tells another story than the key fields.
    for (at, size, value) in [(24, 2, 2u64), (26, 2, 183), (32, 8, 0x7), (76, 4, 2)] {
        let mut bad = entry_bytes(&here);
        bad[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        seal(&mut bad);
        assert_eq!(rejects(&dir, &cache, &here, &bad), Reason::Target);
        plant(&dir, &here, &bad);
        let info = cache.show(&here.hex()).expect("it has an entry's name");
        assert_eq!(info.state.err(), Some(Reason::Target));
        assert_eq!(obtain(&cache, &here), Origin::Compiled);
    }
}

#[test]
fn fault_27_a_huge_sparse_file() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let key = key(27);
    for size in [2 << 30, (16 << 20) + 1, 1 << 40] {
        plant(&dir, &key, b"");
        let file = std::fs::File::options().write(true).open(file_of(&dir, &key)).unwrap();
        file.set_len(size).unwrap();
        drop(file);
        let before = cache.stats().rejected(Reason::Size);
        assert_eq!(obtain(&cache, &key), Origin::Compiled);
        assert_eq!(cache.stats().rejected(Reason::Size), before + 1);
        assert_eq!(obtain(&cache, &key), Origin::Disk);
    }
}

#[test]
fn the_largest_entry_is_stored_and_one_byte_more_is_not() {
    let key = key(28);
    let most = genred::limits::CACHE_ENTRY_BYTES as usize;
    let room = most - 160 - key.bytes().len();
    let largest = Compiled { code: code_sized(&key, room), compile_ns: 0 };
    let larger = Compiled { code: code_sized(&key, room + 1), compile_ns: 0 };
    let bytes = encode(&key, &largest, 0).expect("it just fits");
    assert_eq!(bytes.len(), most);
    assert_eq!(bytes[decode(&bytes).expect("it is good").code], largest.code);
    assert!(encode(&key, &larger, 0).is_none());

    let (_temp, dir) = temp();
    let cache = open(&dir);
    cache.store(&key, &larger);
    assert_eq!(cache.stats().store_failures(genred::cache::StoreFailure::TooLarge), 1);
    cache.store(&key, &largest);
    assert_eq!(cache.load(&key, ANY_HOST).expect("stored").code(), largest.code);
}

#[test]
fn entries_and_directories_are_private_whatever_the_umask_allows() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let key = key(29);
    obtain(&cache, &key);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&file_of(&dir, &key)), 0o600);
    assert_eq!(mode(file_of(&dir, &key).parent().unwrap()), 0o700);
    assert_eq!(mode(&dir.join("v1")), 0o700);
    assert_eq!(mode(&dir), 0o700);
    let tag = std::fs::read_to_string(dir.join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
}
