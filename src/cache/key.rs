//! What a kernel depends on, as tagged fields with a digest; all of it is stored in the entry and compared on load.
//!
//! Left out on purpose: the number of points, threads, paths, times and alias names. None of them changes the code.

use std::fmt;

/// Raise this when the same fields would give other code than before and no other field says so.
pub const CODEGEN_EPOCH: u32 = 1;
/// Version of this crate.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Digest of the sources that this build was made from: a development build never shares kernels with another.
pub const SOURCE_DIGEST: &str = env!("GENRED_SOURCE_DIGEST");
/// What is digested ahead of the fields, so that no other use of the hash can give the same digest.
pub const DOMAIN: &[u8] = b"genred kernel key 1\n";

/// Bytes of a field's tag and length.
const PREFIX: usize = 6;

/// Everything that a kernel's code depends on.
///
/// A value that does not apply is empty or zero. Texts must be canonical: equal meaning, equal text.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// [`ENGINE_VERSION`].
    pub engine: &'a str,
    /// [`CODEGEN_EPOCH`].
    pub epoch: u32,
    /// [`SOURCE_DIGEST`].
    pub source: &'a str,
    /// The code generator below the engine with its version: `cranelift 0.135.2`, `nvrtc 13.0`.
    pub generator: &'a str,
    /// The typed formula without alias names.
    pub formula: &'a str,
    /// Name of the reduction.
    pub reduction: &'a str,
    /// K of a K-reduction.
    pub k: u32,
    /// Category of the rows: `i` or `j`.
    pub rows: &'a str,
    /// Storage type of the inputs.
    pub dtype: &'a str,
    /// Type that accumulators have.
    pub accumulator: &'a str,
    /// How sums are accumulated.
    pub scheme: &'a str,
    /// How the program is laid over the machine.
    pub schedule: &'a str,
    /// The back end that emitted the code.
    pub back_end: &'a str,
    /// What the code section holds.
    pub kind: Kind,
    /// ELF number of the instruction set; see [`arch`].
    pub arch: u16,
    /// Operating system.
    pub os: &'a str,
    /// Calling convention of the code.
    pub abi: &'a str,
    /// Instruction-set extensions that the code uses, in this crate's own stable numbering.
    pub features: u64,
    /// Version of the argument block that the code takes and of the layout stored ahead of it.
    pub argument_abi: u32,
    /// Device architecture: `sm_90`.
    pub device: &'a str,
    /// Options given to the generator that change its output.
    pub options: &'a str,
}

/// What the code section of an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Kind {
    /// Position-independent code of a CPU.
    Native = 1,
    /// A CUDA binary.
    Cubin = 2,
}

impl Kind {
    /// The kind with a number.
    pub fn from_number(number: u16) -> Option<Kind> {
        [Kind::Native, Kind::Cubin].into_iter().find(|kind| *kind as u16 == number)
    }

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Native => "native",
            Kind::Cubin => "cubin",
        }
    }
}

/// ELF number of CUDA binaries.
pub const ARCH_CUDA: u16 = 190;

/// ELF number of the instruction set that this crate was built for; 0 for one without a back end.
pub fn arch() -> u16 {
    match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        "riscv64" => 243,
        "s390x" => 22,
        _ => 0,
    }
}

/// How the bytes of a field are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    U16,
    U32,
    /// 64 bits, printed in hexadecimal.
    Bits,
}

/// Tag, name and form of every field, in the order in which they are written. A tag is never given a second meaning.
const TABLE: [(u16, &str, Form); 21] = [
    (1, "engine", Form::Text),
    (2, "epoch", Form::U32),
    (3, "source", Form::Text),
    (4, "generator", Form::Text),
    (5, "formula", Form::Text),
    (6, "reduction", Form::Text),
    (7, "k", Form::U32),
    (8, "rows", Form::Text),
    (9, "dtype", Form::Text),
    (10, "accumulator", Form::Text),
    (11, "scheme", Form::Text),
    (12, "schedule", Form::Text),
    (13, "back_end", Form::Text),
    (14, "kind", Form::U16),
    (15, "arch", Form::U16),
    (16, "os", Form::Text),
    (17, "abi", Form::Text),
    (18, "features", Form::Bits),
    (19, "argument_abi", Form::U32),
    (20, "device", Form::Text),
    (21, "options", Form::Text),
];

/// One field as shown to people.
///
/// ```
/// use genred::Genred;
/// use genred::cache::{Cache, Options};
/// let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Options::new().dir(dir.path()));
/// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
/// sum.cache(&cache).compile()?;
/// let contents = cache.list()[0].state.clone().expect("it was written a moment ago");
/// let reduction = contents.fields.iter().find(|field| field.name == "reduction");
/// assert_eq!(reduction.map(|field| field.value.as_str()), Some("Sum"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Number in the file.
    pub tag: u16,
    /// Name, `?` for one that this version does not know.
    pub name: &'static str,
    /// The value as text.
    pub value: String,
}

/// The identity of a kernel: its encoded fields and their digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    bytes: Vec<u8>,
    digest: [u8; 32],
    pub(super) kind: u16,
    pub(super) arch: u16,
    pub(super) features: u64,
    pub(super) argument_abi: u32,
}

struct Writer {
    bytes: Vec<u8>,
    next: usize,
}

impl Writer {
    /// The next field of the table; its name is given again so that the two lists cannot drift apart.
    fn field(&mut self, name: &str, value: &[u8]) {
        let (tag, expected, _) = TABLE[self.next];
        debug_assert_eq!(name, expected);
        self.next += 1;
        let length = u32::try_from(value.len()).expect("a text of less than 4 GiB");
        self.bytes.extend_from_slice(&tag.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value);
    }
}

impl Key {
    /// The key of a kernel.
    pub fn new(fields: &Fields<'_>) -> Key {
        // Every field is named and none is skipped: a new one that is not written below does not compile.
        let Fields {
            engine,
            epoch,
            source,
            generator,
            formula,
            reduction,
            k,
            rows,
            dtype,
            accumulator,
            scheme,
            schedule,
            back_end,
            kind,
            arch,
            os,
            abi,
            features,
            argument_abi,
            device,
            options,
        } = *fields;
        let mut w = Writer { bytes: Vec::with_capacity(384 + formula.len()), next: 0 };
        w.field("engine", engine.as_bytes());
        w.field("epoch", &epoch.to_le_bytes());
        w.field("source", source.as_bytes());
        w.field("generator", generator.as_bytes());
        w.field("formula", formula.as_bytes());
        w.field("reduction", reduction.as_bytes());
        w.field("k", &k.to_le_bytes());
        w.field("rows", rows.as_bytes());
        w.field("dtype", dtype.as_bytes());
        w.field("accumulator", accumulator.as_bytes());
        w.field("scheme", scheme.as_bytes());
        w.field("schedule", schedule.as_bytes());
        w.field("back_end", back_end.as_bytes());
        w.field("kind", &(kind as u16).to_le_bytes());
        w.field("arch", &arch.to_le_bytes());
        w.field("os", os.as_bytes());
        w.field("abi", abi.as_bytes());
        w.field("features", &features.to_le_bytes());
        w.field("argument_abi", &argument_abi.to_le_bytes());
        w.field("device", device.as_bytes());
        w.field("options", options.as_bytes());
        debug_assert_eq!(w.next, TABLE.len());
        let digest = digest(&w.bytes);
        Key { bytes: w.bytes, digest, kind: kind as u16, arch, features, argument_abi }
    }

    /// The encoded fields.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Digest of the encoded fields.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The digest in 64 hexadecimal digits: shard and name of the entry's file.
    pub fn hex(&self) -> String {
        hex(&self.digest)
    }

    /// The fields as text.
    pub fn fields(&self) -> Vec<Field> {
        fields(&self.bytes).expect("a key is well formed by construction")
    }
}

/// The fields, one a line, and the digest.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for field in self.fields() {
            writeln!(f, "{field}")?;
        }
        write!(f, "digest        {}", self.hex())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.hex())
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.value.lines();
        write!(f, "{:<13} {}", self.name, lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(f, "\n{:<13} {line}", ""))
    }
}

/// Digest of encoded fields.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(DOMAIN).update(bytes).finalize().as_bytes()
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Decode fields that may come from anywhere; `None` if their lengths do not add up.
pub(super) fn fields(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let tag = u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
        let length = u32::from_le_bytes(bytes.get(2..PREFIX)?.try_into().ok()?);
        let end = PREFIX.checked_add(usize::try_from(length).ok()?)?;
        let value = bytes.get(PREFIX..end)?;
        bytes = &bytes[end..];
        let row = TABLE.iter().find(|row| row.0 == tag);
        let name = row.map_or("?", |row| row.1);
        let value = row.and_then(|row| render(row.2, value)).unwrap_or_else(|| hex(value));
        out.push(Field { tag, name, value });
    }
    Some(out)
}

fn render(form: Form, value: &[u8]) -> Option<String> {
    Some(match form {
        Form::Text => printable(std::str::from_utf8(value).ok()?),
        Form::U16 => u16::from_le_bytes(value.try_into().ok()?).to_string(),
        Form::U32 => u32::from_le_bytes(value.try_into().ok()?).to_string(),
        Form::Bits => format!("{:#x}", u64::from_le_bytes(value.try_into().ok()?)),
    })
}

/// A text with everything but letters, signs and line ends escaped.
fn printable(text: &str) -> String {
    let escaped = |line: &str| line.escape_debug().to_string();
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// A field in which two keys differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name of the field.
    pub name: &'static str,
    /// Value in the key that was looked for.
    pub wanted: String,
    /// Value in the entry that was found.
    pub found: String,
}

/// The fields in which two lists differ.
pub(super) fn differences(wanted: &[Field], found: &[Field]) -> Vec<Difference> {
    let value = |list: &[Field], tag| {
        list.iter().find(|field| field.tag == tag).map_or(String::new(), |f| f.value.clone())
    };
    let extra = found.iter().filter(|field| wanted.iter().all(|other| other.tag != field.tag));
    wanted
        .iter()
        .chain(extra)
        .map(|field| Difference {
            name: field.name,
            wanted: value(wanted, field.tag),
            found: value(found, field.tag),
        })
        .filter(|difference| difference.wanted != difference.found)
        .collect()
}

/// Whether the header of an entry says the same as its key fields; `false` for fields that cannot be read.
pub(super) fn agrees(bytes: &[u8], kind: u16, arch: u16, features: u64, argument_abi: u32) -> bool {
    let Some(list) = fields(bytes) else { return false };
    let is = |name: &str, value: String| {
        list.iter().filter(|field| field.name == name).all(|field| field.value == value)
    };
    is("kind", kind.to_string())
        && is("arch", arch.to_string())
        && is("features", format!("{features:#x}"))
        && is("argument_abi", argument_abi.to_string())
}
