//! The crate's own rules, read from its sources: what imports what, where `unsafe` is, how long files are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may name by a `crate::` path besides itself, lowest layer first. `view` stands below the engines that
/// read through it; a module that is not listed here is refused.
const LAYERS: &[(&str, &[&str])] = &[
    ("span", &[]),
    ("limits", &[]),
    ("environment", &[]),
    ("wire", &[]),
    ("dtype", &[]),
    ("error", &["span"]),
    ("syntax", &["error", "limits", "span"]),
    ("alias", &["error", "limits", "span", "syntax"]),
    ("formula", &["alias", "dtype", "error", "limits", "span", "syntax"]),
    ("reduce", &["dtype", "formula", "limits"]),
    ("eval", &["alias", "dtype", "error", "formula", "limits", "reduce"]),
    ("schedule", &["formula", "reduce"]),
    ("loops", &["dtype", "formula", "limits", "reduce", "schedule", "span"]),
    ("view", &["dtype", "error"]),
    ("launch", &["dtype", "view"]),
    ("array", &["dtype", "error", "view"]),
    ("batch", &["dtype", "error", "view"]),
    ("cluster", &["array", "dtype", "error", "view"]),
    ("cpu", &["dtype", "limits", "loops", "launch", "reduce", "schedule", "view", "wire"]),
    (
        "cuda",
        &[
            "dtype",
            "environment",
            "error",
            "limits",
            "loops",
            "launch",
            "reduce",
            "schedule",
            "view",
            "wire",
        ],
    ),
    ("cache", &["environment", "error", "limits"]),
    (
        "engine",
        &[
            "alias", "cpu", "cuda", "dtype", "error", "eval", "formula", "loops", "launch",
            "reduce", "view",
        ],
    ),
    ("compile", &[EVERYTHING]),
    ("gradient", &[EVERYTHING]),
    ("npy", &["dtype", "error"]),
    ("stream", &[EVERYTHING]),
    ("kernel", &[EVERYTHING]),
    ("genred", &[EVERYTHING]),
    ("generic", &[EVERYTHING]),
    ("partial", &[EVERYTHING]),
    ("ranges", &[EVERYTHING]),
    ("several", &[EVERYTHING]),
    ("mpi", &[EVERYTHING]),
    ("solve", &[EVERYTHING]),
    ("expr", &[EVERYTHING]),
    ("lib", &[EVERYTHING]),
];

const EVERYTHING: &str = "*";

/// Parts of a module that some layers may not name although they may name the module.
const FORBIDDEN: &[(&str, &str)] = &[
    ("loops", "formula::typing"),
    ("cpu", "formula::typing"),
    ("cuda", "formula::typing"),
    ("eval", "formula::typing"),
];

/// Where `unsafe` may be.
const UNSAFE: &[&str] = &[
    "src/cpu/code.rs",
    "src/cpu/launch/",
    "src/view.rs",
    "src/view/",
    "src/cache/publish.rs",
    "src/cache/fs.rs",
    "src/cuda/",
    // A call that is queued on a stream of the caller's.
    "src/kernel/device.rs",
    "src/bin/genred/map.rs",
    // Kernels by std::arch, the measure of generated code; nothing but `genred bench` and the benches calls them.
    "src/bin/genred/bench/reference/",
];

/// Most lines of a source file that is not a test, and the files that may have more, with the reason.
const LONGEST: usize = 500;
const LONG: &[(&str, &str)] = &[
    ("src/formula/table.rs", "the table of operations"),
    ("src/eval/bound/elementwise.rs", "one arm an operation"),
    ("src/loops/build/stage.rs", "one arm an operation"),
    ("src/cpu/interpret.rs", "one arm an instruction"),
    ("src/cpu/clif/lower.rs", "one arm an instruction"),
    ("src/cpu/wide/select.rs", "one arm an instruction"),
    ("src/cpu/clif/stages.rs", "six stage functions over one set of cursors"),
    ("src/bin/genred/soak/formula.rs", "one arm a rule of typing"),
];

struct Source {
    path: String,
    text: String,
    /// The text with comments, literals and the test module blanked, line for line.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    let mut open = vec![root().join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a readable directory");
            open.extend(entries.map(|entry| entry.expect("a readable entry").path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    assert!(files.len() > 20, "the sources were not found");
    files.iter().map(read).collect()
}

fn read(path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).expect("a readable source file");
    let path = path.strip_prefix(root()).expect("inside the repository");
    let path = path.to_string_lossy().replace('\\', "/");
    let mut code = blanked(&text);
    if is_test(&path) {
        code.retain(|c| c == '\n');
    } else if let Some(start) = code.find("#[cfg(test)]\nmod tests {") {
        code.truncate(start);
    }
    Source { path, text, code }
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The text with comments and the contents of literals replaced by spaces; line breaks stay.
fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut k = 0;
    let blank = |out: &mut String, part: &[char]| {
        out.extend(part.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
    };
    while k < chars.len() {
        let rest = &chars[k..];
        let raw = raw_string(rest, k.checked_sub(1).map(|p| chars[p]));
        let len = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => end_of(rest, 2, &['*', '/']),
            _ if raw.is_some() => raw.unwrap_or(1),
            ['"', ..] => end_of_string(rest),
            ['\'', '\\', _, '\'', ..] => 4,
            ['\'', c, '\'', ..] if *c != '\\' => 3,
            _ => 0,
        };
        if len == 0 {
            out.push(chars[k]);
            k += 1;
        } else {
            blank(&mut out, &rest[..len]);
            k += len;
        }
    }
    out
}

/// Length of the raw string that begins here, if one does.
fn raw_string(rest: &[char], before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') || rest.first() != Some(&'r') {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    let mut close = vec!['"'];
    close.extend(std::iter::repeat_n('#', hashes));
    (rest.get(1 + hashes) == Some(&'"')).then(|| end_of(rest, 2 + hashes, &close))
}

fn end_of(rest: &[char], from: usize, close: &[char]) -> usize {
    let found = (from..rest.len()).find(|k| rest[*k..].starts_with(close));
    found.map_or(rest.len(), |k| k + close.len())
}

fn end_of_string(rest: &[char]) -> usize {
    let mut k = 1;
    while k < rest.len() && rest[k] != '"' {
        k += if rest[k] == '\\' { 2 } else { 1 };
    }
    (k + 1).min(rest.len())
}

/// The module a file belongs to: the first name below `src`.
fn module(path: &str) -> Option<&str> {
    let first = path.strip_prefix("src/")?.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// Every path that begins with `crate::` in a file, as written up to two names deep; groups are opened.
fn crate_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let mut rest = &code[at + "crate::".len()..];
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let before = code[..at].chars().next_back();
        if before.is_some_and(is_word) || before == Some('$') {
            continue;
        }
        if let Some(group) = rest.strip_prefix('{') {
            let end = group.find(';').unwrap_or(group.len());
            for part in group[..end].split(',') {
                let word: String = part.trim().chars().take_while(|c| is_word(*c)).collect();
                found.push(word);
            }
            continue;
        }
        let mut path = String::new();
        for _ in 0..2 {
            let word: String = rest.chars().take_while(|c| is_word(*c)).collect();
            rest = &rest[word.len()..];
            path += &word;
            match rest.strip_prefix("::") {
                Some(after) => rest = after,
                None => break,
            }
            path += "::";
        }
        found.push(path.trim_end_matches("::").to_owned());
    }
    found.retain(|path| path.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

#[test]
fn modules_import_only_from_below() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources() {
        let Some(module) = module(&source.path).filter(|m| *m != "bin") else { continue };
        let Some(allowed) = layers.get(module) else {
            wrong.push(format!("{}: module `{module}` has no layer", source.path));
            continue;
        };
        for path in crate_paths(&source.code) {
            seen += 1;
            let target = path.split("::").next().unwrap_or_default();
            let below = target == module || allowed.contains(&target) || *allowed == [EVERYTHING];
            let forbidden =
                FORBIDDEN.iter().any(|(m, part)| *m == module && path.starts_with(part));
            if !below || forbidden {
                wrong.push(format!("{}: `{module}` may not use `crate::{path}`", source.path));
            }
        }
    }
    assert!(seen > 100, "only {seen} paths were recognised");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn layers_are_ordered() {
    for (k, (module, allowed)) in LAYERS.iter().enumerate() {
        for target in allowed.iter().filter(|t| **t != EVERYTHING) {
            let below = LAYERS[..k].iter().any(|(name, _)| name == target);
            assert!(below, "`{module}` may use `{target}`, which is not below it");
        }
    }
}

#[test]
fn unsafe_is_where_it_is_expected_and_explained() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (k, code) in source.code.lines().enumerate() {
            let is_unsafe = code
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|word| word == "unsafe");
            // A function type needs no explanation: its calls do.
            if !is_unsafe || code.contains("unsafe extern") {
                continue;
            }
            seen += 1;
            let at = format!("{}:{}", source.path, k + 1);
            if !UNSAFE.iter().any(|allowed| source.path.starts_with(allowed)) {
                wrong.push(format!("{at}: unsafe outside the files that may have it"));
            }
            let wanted = if code.contains("unsafe fn") { "# Safety" } else { "SAFETY:" };
            let above = &lines[k.saturating_sub(8)..=k];
            if !above.iter().any(|line| line.contains(wanted)) {
                wrong.push(format!("{at}: unsafe without `{wanted}` above it"));
            }
        }
    }
    assert!(seen > 5, "only {seen} unsafe lines were recognised");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What of `std::env` the library may name: no variable is read but where it is asked whose rights the program has.
const ENVIRONMENT: (&str, &[&str]) = ("src/environment.rs", &["consts", "split_paths"]);

#[test]
fn variables_are_read_in_one_place() {
    let (reader, harmless) = ENVIRONMENT;
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources().iter().filter(|source| module(&source.path) != Some("bin")) {
        for (k, line) in source.code.lines().enumerate() {
            for name in environment_names(line) {
                seen += 1;
                if source.path != reader && !harmless.contains(&name) {
                    wrong.push(format!("{}:{}: `env::{name}`", source.path, k + 1));
                }
            }
        }
    }
    assert!(seen > 3, "only {seen} names were recognised");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a line names of the module `env`; an import of all of it is the empty name.
fn environment_names(line: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, _) in line.match_indices("env") {
        let (before, after) = (&line[..at], &line[at + "env".len()..]);
        let is_path = before.ends_with("::") || after.starts_with("::");
        if is_path && !before.ends_with(is_word) && !after.starts_with(is_word) {
            let name = after.strip_prefix("::").unwrap_or_default();
            names.push(name.split(|c| !is_word(c)).next().unwrap_or_default());
        }
    }
    names
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<usize> = Vec::new();
    let mut wrong = Vec::new();
    for source in sources() {
        if is_test(&source.path) {
            continue;
        }
        let lines = source.text.lines().count();
        lengths.push(lines);
        let listed = LONG.iter().any(|(path, _)| *path == source.path);
        if lines > LONGEST && !listed {
            wrong.push(format!("{}: {lines} lines, at most {LONGEST}", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 250, "the median file has {median} lines");
    let p90 = lengths[lengths.len() * 9 / 10];
    assert!(p90 <= LONGEST, "one file in ten has more than {LONGEST} lines ({p90})");
}

#[test]
fn failures_are_explained_and_nothing_is_left_undone() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (k, code) in source.code.lines().enumerate() {
            for banned in [".unwrap()", ".unwrap_err()", "todo!(", "unimplemented!("] {
                if code.contains(banned) {
                    wrong.push(format!("{}:{}: `{banned}`", source.path, k + 1));
                }
            }
        }
        for (k, line) in source.text.lines().enumerate() {
            for banned in ["TODO", "FIXME", "XXX", "HACK"] {
                if line.contains(banned) {
                    wrong.push(format!("{}:{}: `{banned}`", source.path, k + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn blanking_keeps_code_and_lines() {
    let text = "let a = \"unsafe \\\" { // }\"; // unsafe\nlet b = r#\"unsafe \" \"#; /* unsafe\n */ let c = '\"'; x()";
    let code = blanked(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(!code.contains("unsafe"), "{code}");
    assert!(code.contains("let b =") && code.contains("let c =") && code.ends_with("x()"));
    assert_eq!(
        crate_paths("use crate::{a, b::c};\nlet x = crate::d::e::f(1) + crate::g;"),
        ["a", "b", "d::e", "g"]
    );
    let lines = [
        "std::env::var(x)",
        "f(env::var_os)",
        "use std::env;",
        "use std::env::{var};",
        "env.value(environment::var(env))",
    ];
    let names: Vec<&str> = lines.iter().flat_map(|line| environment_names(line)).collect();
    assert_eq!(names, ["var", "var_os", "", ""]);
}
