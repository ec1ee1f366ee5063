//! What the README says about the code, compared with the code. Its Rust example is a doctest (src/lib.rs).
//!
//! `UPDATE_GOLDEN=1 cargo test --test readme` writes the table of operations anew.

use genred::formula::table;
use genred::{Backend, Reduction, limits};
use std::fs;
use std::path::PathBuf;

const BEGIN: &str = "<!-- begin: operations -->\n";
const END: &str = "<!-- end: operations -->\n";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

fn readme() -> String {
    fs::read_to_string(path()).expect("a README.md")
}

/// The lines of a section, heading excluded.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let begin = format!("## {heading}");
    let lines = text.lines().skip_while(|line| *line != begin).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    assert!(!lines.is_empty(), "no section `{heading}`");
    lines
}

/// Everything between backquotes in the first column of a section's tables.
fn first_column(lines: &[&str]) -> Vec<String> {
    let cells = lines.iter().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned));
    names.collect()
}

#[test]
fn operations_are_those_of_the_table() {
    let text = readme();
    let start = text.find(BEGIN).expect("the begin of the table") + BEGIN.len();
    let end = text.find(END).expect("the end of the table");
    let wanted = format!("\n{}\n", table::markdown());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let whole = format!("{}{wanted}{}", &text[..start], &text[end..]);
        // Renamed into place: other tests read the README meanwhile.
        let new = path().with_extension("md.new");
        fs::write(&new, whole)
            .and_then(|()| fs::rename(&new, path()))
            .expect("a writable README.md");
        return;
    }
    assert!(
        text[start..end] == wanted,
        "the table of operations is out of date: UPDATE_GOLDEN=1 cargo test --test readme"
    );
}

#[test]
fn reductions_are_all_of_them() {
    let named = first_column(&section(&readme(), "Reductions"));
    assert_eq!(named, Reduction::all(1).map(Reduction::name));
}

#[test]
fn engines_are_all_of_them() {
    let text = readme();
    let lines = section(&text, "Engines");
    for backend in Backend::ALL {
        let name = format!("`{}`", backend.name());
        assert!(lines.iter().any(|line| line.contains(&name)), "{name} is not explained");
    }
    for name in first_column(&lines) {
        assert!(Backend::from_name(&name).is_some(), "`{name}` is no engine");
    }
}

#[test]
fn limits_are_those_of_the_code() {
    let text = readme();
    let lines = section(&text, "Limits");
    let limits = [
        ("bytes of a formula, and of an alias", limits::FORMULA_BYTES),
        ("nested parentheses and calls", limits::NESTING),
        ("different operations of a formula", limits::NODES),
        ("aliases", limits::ALIASES),
        ("dim of an expression", limits::DIM),
        ("K", limits::K),
        ("integer exponent", limits::EXPONENT as usize),
        ("digits of a number", limits::LITERAL_DIGITS),
    ];
    for (what, limit) in limits {
        let row = format!("| {what} | {limit} |");
        assert!(lines.contains(&row.as_str()), "no line `{row}`");
    }
    let cache = format!("at most {} MiB", limits::CACHE_BYTES >> 20);
    assert!(section(&text, "The cache").iter().any(|line| line.contains(&cache)));
}

/// The message in the README is what the library says.
#[test]
fn the_error_is_the_real_one() {
    let aliases = ["x = Vi(3)", "y = Vj(2)"];
    let error = genred::generic_sum::<f32>("Exp(-SqDist(x, y))", "a = Vi(1)", &aliases);
    let shown = format!("```text\nerror: {}\n```\n", error.expect_err("dims differ"));
    assert!(readme().contains(&shown), "the README should show\n{shown}");
}
