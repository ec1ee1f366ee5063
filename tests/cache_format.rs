//! `cache-format.md` says what is true: its dumps are those of committed entries, its tables those of the code.

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
use genred::cache::key::{self, Fields, Key, Kind};
use genred::cache::{Compiled, Reason};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    fs::read_to_string(root().join("cache-format.md")).expect("the document")
}

/// A committed entry: its file name, its key, its code.
struct Sample {
    name: &'static str,
    key: Key,
    code: Vec<u8>,
}

/// The entries that version 1 of the format was released with. Their bytes never change.
fn samples() -> [Sample; 2] {
    let native = Fields {
        engine: "0.1.0",
        epoch: 1,
        source: "00112233445566778899aabbccddeeff",
        generator: "cranelift 0.135.2",
        formula: "argument 0 = Vi(3)\nargument 1 = Vj(3)\n%0 = SqDist",
        reduction: "Sum",
        k: 0,
        rows: "i",
        dtype: "f32",
        accumulator: "f32",
        scheme: "block",
        schedule: "lanes=rows",
        back_end: "clif",
        kind: Kind::Native,
        arch: 62,
        os: "linux",
        abi: "sysv64",
        features: 0x0f,
        argument_abi: 1,
        device: "",
        options: "",
    };
    let cubin = Fields {
        generator: "nvrtc 13.0",
        schedule: "rows=8 tile=128",
        back_end: "cuda",
        kind: Kind::Cubin,
        arch: key::ARCH_CUDA,
        abi: "",
        features: 0,
        argument_abi: 2,
        device: "sm_90",
        options: "--fmad=true",
        ..native
    };
    [
        // mov eax, 42; ret; and a constant.
        Sample {
            name: "native.grk",
            key: Key::new(&native),
            code: b"\xb8\x2a\x00\x00\x00\xc3\xcc\xcc\x00\x00\x28\x42".to_vec(),
        },
        Sample { name: "cubin.grk", key: Key::new(&cubin), code: b"\x7fELF\x02\x01\x01".to_vec() },
    ]
}

fn sample_path(name: &str) -> PathBuf {
    root().join("tests/cache/v1").join(name)
}

fn sample_bytes(name: &str) -> Vec<u8> {
    fs::read(sample_path(name)).expect("a committed entry")
}

const COMPILE_NS: u64 = 1_234_567;
const CREATED: u64 = 1_767_225_600;

#[test]
fn committed_entries_are_what_is_written_today() {
    for Sample { name, key, code } in samples() {
        let compiled = Compiled { code, compile_ns: COMPILE_NS };
        let bytes = encode(&key, &compiled, CREATED).expect("it is small");
        if std::env::var_os("UPDATE_GOLDEN").is_some() && !sample_path(name).exists() {
            fs::write(sample_path(name), &bytes).expect("a new sample");
        }
        assert!(sample_bytes(name) == bytes, "{name}: version 1 of the format has changed");
    }
}

/// Tags and bytes of key fields.
type Tagged = Vec<(u16, Vec<u8>)>;

/// `cache-format.md` in fifty lines that share nothing with the crate but the hash.
fn read_by_the_document(file: &[u8]) -> (BTreeMap<&'static str, u64>, Vec<u8>, Tagged) {
    let number = |at: usize, size: usize| {
        file[at..at + size].iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
    };
    let names = [
        ("version", 8, 4),
        ("header length", 12, 4),
        ("file length", 16, 8),
        ("kind", 24, 2),
        ("arch", 26, 2),
        ("flags", 28, 4),
        ("features", 32, 8),
        ("code offset", 40, 8),
        ("code length", 48, 8),
        ("key offset", 56, 8),
        ("key length", 64, 8),
        ("reserved", 72, 4),
        ("argument abi", 76, 4),
        ("compile time", 80, 8),
        ("created", 88, 8),
    ];
    let header: BTreeMap<_, _> = names.map(|(name, at, size)| (name, number(at, size))).into();
    let section = |name: [&str; 2]| {
        let start = header[name[0]] as usize;
        file[start..start + header[name[1]] as usize].to_vec()
    };
    let code = section(["code offset", "code length"]);
    let key = section(["key offset", "key length"]);
    assert_eq!(file[..8], *b"\x89GRK\r\n\x1a\n");
    assert_eq!(header["file length"], file.len() as u64);
    let (body, digest) = file.split_at(file.len() - 32);
    assert_eq!(blake3::hash(body).as_bytes(), digest);
    assert_eq!(
        blake3::hash(&[b"genred kernel key 1\n", &key[..]].concat()).as_bytes(),
        &file[96..128]
    );
    let (mut fields, mut rest) = (Vec::new(), &key[..]);
    while !rest.is_empty() {
        let tag = u16::from_le_bytes([rest[0], rest[1]]);
        let length = u32::from_le_bytes([rest[2], rest[3], rest[4], rest[5]]) as usize;
        fields.push((tag, rest[6..6 + length].to_vec()));
        rest = &rest[6 + length..];
    }
    (header, code, fields)
}

#[test]
fn committed_entries_are_read_by_the_document_alone() {
    for Sample { name, key, code } in samples() {
        let bytes = sample_bytes(name);
        let (header, read, fields) = read_by_the_document(&bytes);
        assert_eq!(read, code);
        let expected = if name == "native.grk" { [1, 62, 0x0f, 1] } else { [2, 190, 0, 2] };
        assert_eq!(["kind", "arch", "features", "argument abi"].map(|f| header[f]), expected);
        assert_eq!([header["compile time"], header["created"]], [COMPILE_NS, CREATED]);
        assert_eq!([header["flags"], header["reserved"], header["header length"]], [0, 0, 128]);
        assert_eq!(fields.len(), 21);
        let tags: Vec<u16> = fields.iter().map(|(tag, _)| *tag).collect();
        assert_eq!(tags, (1..=21).collect::<Vec<u16>>());
        assert_eq!(fields[5].1, b"Sum");
        // And by the crate.
        let decoded = decode(&bytes).expect("it is whole");
        assert_eq!(entry::matches(&decoded, &key, u64::MAX), Ok(()));
        assert_eq!(entry::consistent(&decoded, &key.hex()), Ok(()));
    }
}

/// The lines of the document's dumps, by file.
fn dumps(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut found = BTreeMap::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in text.lines() {
        match &mut open {
            None => open = line.strip_prefix("```hexdump ").map(|name| (name, Vec::new())),
            Some((_, lines)) if line != "```" => lines.push(line),
            Some(_) => found.extend(open.take()),
        }
    }
    found
}

/// As `hexdump -C` prints.
fn hexdump(bytes: &[u8]) -> Vec<String> {
    let line = |(n, chunk): (usize, &[u8])| {
        let mut line = format!("{:08x} ", n * 16);
        for k in 0..16 {
            line += if k == 8 { "  " } else { " " };
            line += &chunk.get(k).map_or("  ".into(), |byte| format!("{byte:02x}"));
        }
        let shown = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        line + "  |" + &chunk.iter().map(shown).collect::<String>() + "|"
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[test]
fn dumps_are_those_of_committed_entries() {
    let text = document();
    let dumps = dumps(&text);
    assert_eq!(dumps.keys().copied().collect::<Vec<_>>(), ["cubin.grk", "native.grk"]);
    for (name, lines) in dumps {
        let whole = hexdump(&sample_bytes(name));
        // The first one is shown whole, of the other the header.
        let shown = if name == "native.grk" { &whole[..] } else { &whole[..8] };
        assert_eq!(lines, shown, "{name}");
    }
}

/// The cells of the tables in the section with this heading.
fn table<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let start = text.find(&format!("\n## {heading}\n")).expect("the section");
    let section = &text[start + 4..];
    let section = &section[..section.find("\n## ").unwrap_or(section.len())];
    section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("|--"))
        .skip(1)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_table_of_fields_is_the_one_of_the_code() {
    let text = document();
    let rows: Vec<(String, String)> = table(&text, "Key")
        .iter()
        .map(|cells| (cells[0].to_owned(), cells[1].trim_matches('`').to_owned()))
        .collect();
    let [native, _] = samples();
    let fields = native.key.fields();
    let code: Vec<(String, String)> =
        fields.iter().map(|field| (field.tag.to_string(), field.name.to_owned())).collect();
    assert_eq!(rows, code);
}

#[test]
fn the_table_of_reasons_is_the_one_of_the_code() {
    let text = document();
    let rows: Vec<String> =
        table(&text, "Load").iter().map(|cells| cells[0].trim_matches('`').to_owned()).collect();
    let code: Vec<String> = Reason::ALL.iter().map(|reason| reason.name().to_owned()).collect();
    assert_eq!(rows, code);
}

/// Names of tests in the sources of the tests.
fn tests() -> Vec<String> {
    let mut files: Vec<PathBuf> = vec![root().join("src/cache/tests.rs")];
    for dir in ["tests", "tests/processes"] {
        for file in fs::read_dir(root().join(dir)).expect("a directory") {
            files.push(file.expect("a file").path());
        }
    }
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "rs")) {
        let text = fs::read_to_string(file).expect("a source");
        for (at, _) in text.match_indices("#[test]\nfn ") {
            let rest = &text[at + "#[test]\nfn ".len()..];
            found.push(rest[..rest.find('(').expect("a function")].to_owned());
        }
        if file.parent().is_some_and(|dir| dir.ends_with("processes")) {
            let names = text.match_indices("    (\"fault_").map(|(at, _)| &text[at + 6..]);
            found.extend(names.map(|rest| rest[..rest.find('"').expect("a name")].to_owned()));
        }
    }
    found
}

#[test]
fn every_fault_has_its_tests() {
    let text = document();
    let tests = tests();
    let rows = table(&text, "Fault tests");
    let numbers: Vec<String> = rows.iter().map(|cells| cells[0].to_owned()).collect();
    assert_eq!(numbers, (1..=30).map(|n| n.to_string()).collect::<Vec<_>>());
    for cells in rows {
        let mut named: Vec<&str> =
            cells[2].split(", ").map(|name| name.trim_matches('`')).collect();
        assert!(!named.is_empty());
        for name in &named {
            assert!(tests.iter().any(|test| test == name), "there is no test `{name}`");
        }
        // Every test with the number in its name is listed.
        let prefix = format!("fault_{:02}_", cells[0].parse::<u32>().expect("a number"));
        let mut with_number: Vec<&str> =
            tests.iter().map(String::as_str).filter(|test| test.starts_with(&prefix)).collect();
        named.retain(|name| name.starts_with(&prefix));
        named.sort_unstable();
        with_number.sort_unstable();
        assert_eq!(named, with_number, "fault {}", cells[0]);
    }
}

/// The code section of a kernel, read as the document says.
struct Section<'a>(&'a [u8]);

impl Section<'_> {
    fn number(&mut self, size: usize) -> u64 {
        let (head, rest) = self.0.split_at(size);
        self.0 = rest;
        head.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn text(&mut self) -> String {
        let length = self.number(4) as usize;
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8(head.to_vec()).expect("text")
    }
}

#[test]
fn the_code_section_of_a_kernel_is_as_documented() {
    let (_temp, dir) = temp();
    let cache = open(&dir);
    let stats = kernel(&cache, 1).stats();
    let file = fs::read(&cache.list()[0].path).unwrap();
    let (header, code, _) = read_by_the_document(&file);
    let mut section = Section(&code);
    assert_eq!(section.number(4), header["argument abi"]);
    assert_eq!(section.text(), stats.engine);
    assert_eq!(section.number(4), 0, "refusals");
    assert_eq!(section.number(4), 8, "bytes of the compute type");
    assert_eq!(section.number(4), 0, "lanes over rows");
    let schedule: Vec<u64> = (0..6).map(|_| section.number(4)).collect();
    assert!(schedule.iter().all(|field| *field > 0));
    let _scratch = section.number(8);
    let slots: Vec<u64> = (0..6).map(|_| section.number(4)).collect();
    assert_eq!((slots[1], slots[2], slots[4]), (3, 3, 1), "x, y and the result");
    let entries: Vec<u64> = (0..6).map(|_| section.number(4)).collect();
    let identities = section.number(4);
    assert_eq!(identities, slots[3], "one for each accumulator");
    (0..identities).for_each(|_| assert_eq!(f64::from_bits(section.number(8)), 0.0));
    let inputs: Vec<Vec<u64>> =
        (0..section.number(4)).map(|_| (0..3).map(|_| section.number(4)).collect()).collect();
    assert_eq!(inputs, [[2, 0, 3], [3, 0, 3]]);
    assert_eq!((section.number(4), section.number(4)), (0, 0), "no numbers, no condition");
    let bytes = section.number(4) as usize;
    assert_eq!(bytes, stats.code_bytes);
    let start = (code.len() - section.0.len()).next_multiple_of(64);
    assert_eq!(start + bytes, code.len());
    let inside = |entry: &&u64| **entry < bytes as u64;
    assert!(entries.iter().filter(|entry| **entry != 0xffff_ffff).all(|e| inside(&e)));
}
