//! Everything that users see has an example in its documentation.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Items of hidden modules that a public one gives under its own name: the file, and the types or functions of it.
const GIVEN: &[(&str, &[&str])] = &[
    ("src/cache/evict.rs", &["Removed"]),
    ("src/cache/key.rs", &["Field"]),
    ("src/cuda/device.rs", &["Device", "DeviceInfo", "available"]),
    ("src/cuda/driver.rs", &["Device", "Driver"]),
    ("src/cuda/launch/arrays.rs", &["DeviceArray", "DeviceView", "DeviceViewMut"]),
    ("src/cuda/nvrtc/mod.rs", &["Arch", "Version"]),
];

/// Public items that nobody can name, with the reason.
const UNSEEN: &[(&str, &str)] = &[
    ("Loaded", "re-exported hidden, for the tool and tests"),
    ("Miss", "re-exported hidden, for tests"),
    ("Nearest", "re-exported hidden, for the tool"),
    ("Sealed", "in a private module: it seals `Element`"),
    ("Stored", "in a private module: it seals `Number`"),
];

/// What begins an item that needs an example; fields, variants and constants are explained by those of their types.
const ITEMS: &[&str] = &["fn", "struct", "enum", "trait", "type", "union"];

#[derive(Debug, PartialEq)]
struct Item {
    /// The trait, or the type of the `impl`, that it is in; else its own name.
    owner: String,
    name: String,
    line: usize,
    hidden: bool,
    has_example: bool,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| is_word(*c)).collect()
}

/// The type that an `impl` is of: the last path before its generics, behind `for` if there is one.
fn implemented(header: &str) -> String {
    let mut depth = 0;
    let mut rest = header.strip_prefix("impl").unwrap_or(header);
    if rest.starts_with('<') {
        let end = rest.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        });
        rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
    }
    let rest = rest.trim_start();
    let of = rest.split_once(" for ").map_or(rest, |(_, of)| of).trim_start_matches('&');
    word(of.rsplit("::").next().unwrap_or(of))
}

/// The public items of a file, those that macros make included: declared once, in the macro.
fn items(text: &str) -> Vec<Item> {
    let (mut found, mut docs) = (Vec::new(), Vec::new());
    // What the lines are in, and the indent of the line that began it.
    let mut owner: Option<(String, usize, bool)> = None;
    for (k, line) in text.lines().enumerate() {
        let (code, indent) = (line.trim(), line.len() - line.trim_start().len());
        if code.starts_with("#[cfg(test)]") && indent == 0 {
            break;
        }
        if code.starts_with("///") || code.starts_with("#[") || code.starts_with("$(#[") {
            docs.push(code);
            continue;
        }
        let (mut rest, mut public) = (code, false);
        if let Some(after) = rest.strip_prefix("pub ") {
            (rest, public) = (after, true);
        }
        for modifier in ["const ", "unsafe "] {
            rest = rest.strip_prefix(modifier).unwrap_or(rest);
        }
        let in_trait = matches!(&owner, Some((_, at, true)) if indent == at + 4);
        let kind = word(rest);
        if ITEMS.contains(&kind.as_str()) && (public || in_trait && kind == "fn") {
            let name = word(rest[kind.len()..].trim_start());
            let has = |what: &str| docs.iter().any(|line| line.contains(what));
            found.push(Item {
                owner: owner.as_ref().map_or(name.clone(), |(owner, ..)| owner.clone()),
                line: k + 1,
                hidden: has("#[doc(hidden)]"),
                has_example: has("```"),
                name: name.clone(),
            });
        }
        if (code == "}" || code == ")*}") && matches!(owner, Some((_, at, _)) if at == indent) {
            owner = None;
        } else if owner.is_none() && (code.ends_with('{') || code.ends_with("{$(")) {
            let name = word(rest[kind.len()..].trim_start());
            match kind.as_str() {
                "impl" => owner = Some((implemented(rest), indent, false)),
                "trait" if public => owner = Some((name, indent, true)),
                _ => {}
            }
        }
        docs.clear();
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The modules that a file declares, with whether they are hidden.
fn modules(text: &str) -> Vec<(String, bool)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (k, line) in lines.iter().enumerate() {
        let Some(name) = line.trim_start_matches("pub ").strip_prefix("mod ") else { continue };
        let Some(name) = name.strip_suffix(';') else { continue };
        let before = |n: usize| k.checked_sub(n).map_or("", |k| lines[k]);
        let hidden = before(1) == "#[doc(hidden)]" || before(1) == "#[cfg(test)]";
        found.push((name.to_owned(), hidden));
    }
    found
}

/// The files of the library outside hidden modules, with those of `GIVEN`.
fn files() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::from([root().join("src/lib.rs")]);
    let mut open: Vec<PathBuf> = found.iter().cloned().collect();
    while let Some(file) = open.pop() {
        let text = fs::read_to_string(&file).expect("a readable source file");
        let stem = file.file_stem().map_or_else(Default::default, |stem| stem.to_owned());
        let folder = match stem.to_str() {
            Some("lib" | "mod") => file.parent().expect("files are in folders").to_owned(),
            _ => file.with_extension(""),
        };
        for (name, hidden) in modules(&text) {
            let paths = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
            let path = paths.into_iter().find(|path| path.exists());
            let path = path.unwrap_or_else(|| panic!("no file of `{name}` in {}", file.display()));
            if !hidden && found.insert(path.clone()) {
                open.push(path);
            }
        }
    }
    found.extend(GIVEN.iter().map(|(file, _)| root().join(file)));
    found
}

#[test]
fn public_items_have_examples() {
    let (mut seen, mut missing) = (BTreeSet::new(), Vec::new());
    for file in files() {
        let text = fs::read_to_string(&file).expect("a readable source file");
        let path = file.strip_prefix(root()).expect("inside the repository").to_string_lossy();
        let given = GIVEN.iter().find(|(given, _)| *given == path).map(|(_, names)| *names);
        let hidden: BTreeSet<String> =
            items(&text).into_iter().filter(|i| i.hidden).map(|i| i.name).collect();
        for item in items(&text) {
            let Item { owner, name, line, .. } = &item;
            if item.hidden || hidden.contains(owner) || UNSEEN.iter().any(|(of, _)| of == owner) {
                continue;
            }
            if given.is_none_or(|names| names.contains(&owner.as_str())) {
                seen.insert(format!("{owner}::{name}"));
                if !item.has_example {
                    missing.push(format!("{path}:{line}: `{owner}::{name}` has no example"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    for expected in ["Kernel::call", "Source::read", "Expr::$method", "DeviceArray::upload"] {
        assert!(seen.contains(expected), "`{expected}` was not recognised");
    }
    assert!(seen.len() > 250, "only {} items were recognised", seen.len());
}

/// The documentation of a public module, which stands in its file, shows one as well.
#[test]
fn public_modules_have_examples() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("a readable source file");
    let public: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|name| !lib.contains(&format!("#[doc(hidden)]\npub mod {name};")))
        .collect();
    assert!(public.len() > 15, "only {public:?} were recognised");
    for name in public {
        let paths = [format!("src/{name}.rs"), format!("src/{name}/mod.rs")];
        let text = paths.iter().find_map(|path| fs::read_to_string(root().join(path)).ok());
        let text = text.unwrap_or_else(|| panic!("no file of `{name}`"));
        let mut docs = text.lines().take_while(|line| line.starts_with("//!"));
        assert!(docs.any(|line| line.contains("```")), "module `{name}` has no example");
    }
}

#[test]
fn items_are_recognised() {
    let text = "\
/// Text.
///
/// ```
/// ```
#[derive(Clone)]
pub struct A<T> {
    /// A field.
    pub field: T,
}

impl<'a, T: Into<View<'a>>> A<T> {
    /// Text.
    pub const fn bare(&self) {}

    /// Text.
    #[doc(hidden)]
    pub fn hidden(&self) {}
    fn private(&self) {}
}

/// Text.
pub trait B {
    /// Text.
    fn method(&self) {
        fn inner() {}
    }
}

impl B for A<u8> {
    fn method(&self) {}
}

pub(crate) fn internal() {}

#[cfg(test)]
mod tests {
    pub fn no_item() {}
}
";
    let found = items(text);
    let shown: Vec<_> = found
        .iter()
        .map(|i| (&i.owner[..], &i.name[..], i.line, i.hidden, i.has_example))
        .collect();
    let wanted = [
        ("A", "A", 6, false, true),
        ("A", "bare", 13, false, false),
        ("A", "hidden", 17, true, false),
        ("B", "B", 22, false, false),
        ("B", "method", 24, false, false),
    ];
    assert_eq!(shown, wanted);
    assert_eq!(
        implemented("impl<F: Fn(u8) -> u8> Index<usize> for crate::array::Array<T> {"),
        "Array"
    );
}
