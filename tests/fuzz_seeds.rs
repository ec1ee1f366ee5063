//! fuzz/seeds.txt has every formula of the tests, a line each: `formula; output; alias; alias`. The fuzz targets of texts begin with
//! them, and here each goes through those targets on stable.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::formulas;
use genred::formula::table;
use genred_fuzz_bodies::{compile, parse};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Files below a folder and its folders.
fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, all) } else { all.push(path) }
    }
}

/// The texts of a folder's files with an extension.
fn texts(folder: &str, extension: &str) -> Vec<String> {
    let mut all = Vec::new();
    files(&path(folder), &mut all);
    all.retain(|path| path.extension().is_some_and(|e| e == extension));
    all.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[derive(Default)]
struct Seeds(BTreeSet<String>);

impl Seeds {
    fn add<'a>(&mut self, formula: &str, output: &str, aliases: impl IntoIterator<Item = &'a str>) {
        // Diagnostics have texts in quotes.
        let formula = formula.trim_matches('"').replace("\\n", " ");
        let mut seed = format!("{formula}; {output}");
        for alias in aliases {
            seed += "; ";
            seed += alias;
        }
        self.0.insert(seed.replace(['\n', '\r'], " "));
    }

    /// Lines of `key value`, as goldens and diagnostics have them.
    fn add_lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>, defaults: &[&str]) {
        let (mut formulas, mut output, mut aliases) = (Vec::new(), "", Vec::new());
        for (key, value) in lines.into_iter().filter_map(|line| line.split_once(' ')) {
            match key {
                "formula" | "weight" | "stated" => formulas.push(value.trim()),
                "output" => output = value.trim(),
                "alias" => aliases.push(value.trim()),
                _ => {}
            }
        }
        if aliases.is_empty() {
            aliases.extend(defaults);
        }
        if formulas.is_empty() && !aliases.is_empty() {
            formulas.push("1");
        }
        for formula in formulas {
            self.add(formula, output, aliases.iter().copied());
        }
    }
}

fn seeds() -> BTreeSet<String> {
    let mut seeds = Seeds::default();
    for text in texts("tests/golden", "genred") {
        seeds.add_lines(text.lines().take_while(|line| !line.starts_with("===")), &[]);
    }
    for text in texts("tests/diagnostics", "txt") {
        let defaults: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("#! alias ")).collect();
        for case in text.split("--- ").skip(1) {
            let inputs = case.lines().skip(1).take_while(|line| !line.starts_with('['));
            seeds.add_lines(inputs, &defaults);
        }
    }
    for text in texts("tests/values", "toml") {
        let table: toml::Table = text.parse().unwrap();
        for case in table["case"].as_array().unwrap() {
            let aliases = case["aliases"].as_array().unwrap();
            let formulas = ["formula", "weight"].into_iter().filter_map(|key| case.get(key));
            for formula in formulas {
                seeds.add(
                    formula.as_str().unwrap(),
                    "",
                    aliases.iter().map(|alias| alias.as_str().unwrap()),
                );
            }
        }
    }
    for formula in formulas::FORMULAS {
        seeds.add(formula, "", formulas::ALIASES.iter().copied());
    }
    for (formula, weight) in formulas::WEIGHTED {
        for formula in [Some(*formula), *weight].into_iter().flatten() {
            seeds.add(formula, "", formulas::ALIASES.iter().copied());
        }
    }
    for row in table::TABLE {
        seeds.add(row.example, "", table::EXAMPLE_ALIASES);
    }
    seeds.0
}

#[test]
fn seeds_are_the_formulas_of_the_tests() {
    let wanted = seeds().into_iter().fold(String::new(), |text, seed| text + &seed + "\n");
    let file = path("fuzz/seeds.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &wanted).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap_or_default() == wanted,
        "UPDATE_GOLDEN=1 cargo test --test fuzz_seeds writes the file"
    );
}

#[test]
fn seeds_pass_their_targets() {
    let seeds = seeds();
    assert!(seeds.len() > 400, "{}", seeds.len());
    for (number, seed) in seeds.iter().enumerate() {
        parse::run(seed.as_bytes());
        // The first byte chooses reduction and scheme.
        for head in [b'A', number as u8] {
            compile::run(&[&[head], seed.as_bytes()].concat());
        }
    }
}
