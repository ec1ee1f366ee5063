//! Links and paths in the documents lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document of the repository: those in folders that are built or installed are not its own.
fn documents() -> Vec<PathBuf> {
    let foreign = |name: &str| name.starts_with('.') || ["target", "shared"].contains(&name);
    let mut found = Vec::new();
    let mut open = vec![root().to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() && !foreign(&name) {
                open.push(path);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.iter().any(|path| path.ends_with("README.md")));
    found
}

/// The text without fenced blocks, whose brackets are code.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands between `open` and `close`, everywhere.
fn between<'a>(text: &'a str, open: &str, close: char) -> Vec<&'a str> {
    let parts = text.split(open).skip(1);
    parts.filter_map(|part| part.split_once(close).map(|(inside, _)| inside)).collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Whether a link of a document leads somewhere; `None` if it leaves the repository.
fn leads(document: &Path, link: &str) -> Option<bool> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, place) = link.split_once('#').map_or((link, None), |(path, a)| (path, Some(a)));
    let target = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap().join(path),
    };
    let Some(place) = place else { return Some(target.exists()) };
    let text = fs::read_to_string(target).unwrap_or_default();
    let text = prose(&text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchors = headings.map(|line| anchor(line.trim_start_matches('#').trim()));
    Some(anchors.into_iter().any(|anchor| anchor == place))
}

#[test]
fn relative_links_lead_somewhere() {
    let mut seen = 0;
    let mut broken = Vec::new();
    for document in documents() {
        let text = prose(&fs::read_to_string(&document).unwrap());
        let links = between(&text, "](", ')').into_iter().chain(between(&text, "src=\"", '"'));
        for link in links {
            match leads(&document, link) {
                None => {}
                Some(true) => seen += 1,
                Some(false) => broken.push(format!("{}: {link}", document.display())),
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(seen > 10, "only {seen} links were recognised");
}

/// Files that documents for contributors name in backquotes are there.
#[test]
fn paths_in_documents_exist() {
    let mut seen = 0;
    let mut missing = Vec::new();
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = prose(&fs::read_to_string(root().join(name)).unwrap());
        for path in text.split('`').skip(1).step_by(2) {
            let folders = ["src/", "tests/", "benches/", "fuzz/", "tools/", "python/", "examples/"];
            if !folders.iter().any(|folder| path.starts_with(folder)) || path.contains(' ') {
                continue;
            }
            seen += 1;
            let (file, test) = path.split_once("::").map_or((path, None), |(f, t)| (f, Some(t)));
            let source = || fs::read_to_string(root().join(file)).unwrap_or_default();
            // A test is a function, or the name of a trial.
            let has = |test| {
                let source = source();
                source.contains(&format!("fn {test}()")) || source.contains(&format!("\"{test}::"))
            };
            if !root().join(file).exists() || test.is_some_and(|test| !has(test)) {
                missing.push(format!("{name}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(seen > 30, "only {seen} paths were recognised");
}

/// Fuzz targets and benches that the page on security names are there.
#[test]
fn targets_in_documents_exist() {
    let text = prose(&fs::read_to_string(root().join("SECURITY.md")).unwrap());
    for (word, folder, least) in [("fuzz target", "fuzz/fuzz_targets", 8), ("bench", "benches", 2)]
    {
        let mut names = Vec::new();
        for rest in text.split(word).skip(1) {
            let list = rest.split([';', '|', '\n']).next().unwrap();
            names.extend(list.split('`').skip(1).step_by(2));
        }
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        names.retain(is_name);
        for name in &names {
            assert!(
                root().join(folder).join(name).with_extension("rs").exists(),
                "{word} `{name}`"
            );
        }
        assert!(names.len() >= least, "{word}: only {names:?}");
    }
}

#[test]
fn broken_links_are_seen() {
    let readme = root().join("README.md");
    assert_eq!(leads(&readme, "https://example.org/nothing"), None);
    assert_eq!(leads(&readme, "#operations"), Some(true));
    assert_eq!(leads(&readme, "#no-such-heading"), Some(false));
    assert_eq!(leads(&readme, "LICENSE-MIT"), Some(true));
    assert_eq!(leads(&readme, "docs/pictures/absent.png"), Some(false));
    assert_eq!(prose("a [b](c)\n```\n[d](e)\n```\nf"), "a [b](c)\nf");
}
