//! The fuzz targets on stable: every input that once failed, and a few seeded ones, through the same code that libFuzzer runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use genred::formula::{table, typing};
use genred::{Backend, Error, syntax};
use genred_fuzz_bodies::shapes::{self, Verdict};
use genred_fuzz_bodies::text::Text;
use genred_fuzz_bodies::{
    Choices, TARGETS, agreement, dictionary, differential, formula, program, seeded,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn regressions_stay_fixed() {
    let known: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    let mut folders = BTreeSet::new();
    for folder in files(&fuzz().join("regressions")) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let target = TARGETS.iter().find(|target| target.name == name);
        let target = target.unwrap_or_else(|| panic!("{name}: not a target ({known:?})"));
        for file in files(&folder) {
            println!("{name}: {}", file.display());
            (target.run)(&fs::read(&file).unwrap());
        }
        folders.insert(name);
    }
    assert_eq!(folders, known.iter().map(|name| (*name).to_owned()).collect(), "a folder a target");
}

#[test]
fn seeded_inputs_pass() {
    for target in TARGETS {
        for seed in 0..200 {
            let bytes = seeded(seed, 16 << (seed % 6));
            (target.run)(&bytes);
        }
    }
}

/// Targets whose inputs may be refused would pass if all were.
#[test]
fn seeded_programs_run_and_are_compared() {
    let all: Vec<_> = (0..300).map(|seed| program::check(&seeded(seed, 1 << 12))).collect();
    let count = |what: fn(&program::Outcome) -> bool| all.iter().filter(|o| what(o)).count();
    let (verified, refused) = (count(|o| o.is_verified), count(|o| !o.is_verified));
    let (ran, large) = (count(|o| o.ran > 0), count(|o| o.too_large > 0));
    let sources = count(|o| o.has_source);
    println!("{verified} verified, {refused} not; {ran} ran, {large} too large; {sources} sources");
    assert!(verified > 150 && refused > 20, "{verified} programs verified, {refused} not");
    assert!(ran > 150 && large * 10 < ran, "{ran} programs ran, {large} were too large");
    assert!(sources > 50, "{sources} CUDA sources");
}

#[test]
fn seeded_calls_are_accepted_on_every_engine() {
    let all: Vec<Verdict> = (0..2_000).map(|seed| shapes::check(&seeded(seed, 256))).collect();
    let count = |of: Verdict| all.iter().filter(|verdict| **verdict == of).count();
    let (refused, no_view) = (count(Verdict::Refused), count(Verdict::NoView));
    println!("{refused} refused, {no_view} without a view, of {}", all.len());
    assert!(refused > 50 && no_view > 50, "{refused} refused, {no_view} without a view");
    for name in Backend::cpu_engines().into_iter().chain(["eval"]) {
        let backend = Backend::from_name(name).unwrap();
        let accepted = count(Verdict::Accepted { backend });
        println!("{accepted} accepted by {name}");
        assert!(accepted > 50, "{accepted} calls accepted by {name}");
    }
}

/// A place is looked for in the text that is shown, not in whichever is long enough.
#[test]
fn places_are_those_of_the_text_shown() {
    let passes = |error: &Error, formula, alias| {
        let text = Text { formula, output: "a = Vi(1)", aliases: vec!["x = Vi(3)", alias] };
        std::panic::catch_unwind(|| text.check(error)).is_ok()
    };
    let error = syntax::parse("x +").unwrap_err();
    assert!(passes(&error, "x +", "y = Vj(3)"));
    assert!(!passes(&error, "x", "y = Vj(3)"));
    let error = typing::formula("x", None, &["x = Vi(3)", "y = Vk(3)"]).unwrap_err();
    assert!(passes(&error, "x", "y = Vk(3)"));
    assert!(!passes(&error, "x", "y = Vj(3)"));
}

/// Cases of a run: `GENRED_CASES`, from `GENRED_FIRST_CASE` on.
fn cases(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number of cases"))
    };
    let first = number("GENRED_FIRST_CASE", 0);
    first..first + number("GENRED_CASES", default)
}

#[test]
fn engines_agree_with_the_oracle() {
    let cases = cases(400);
    let (mut accepted, mut compared, mut doubtful) = (0, 0, 0);
    let total = cases.end - cases.start;
    for seed in cases {
        let case = differential::case(&mut Choices::from_seed(seed));
        match agreement::check(&case) {
            differential::Verdict::Refused => {}
            differential::Verdict::Agreed { results, unknown, .. } => {
                accepted += 1;
                compared += results;
                doubtful += unknown;
            }
        }
    }
    println!(
        "{accepted} of {total} cases accepted; {compared} results, {doubtful} of them unknown"
    );
    assert!(accepted * 100 > total * 60, "{accepted} of {total} cases accepted");
    assert!(doubtful * 10 < compared, "the oracle knows too little: {doubtful} of {compared}");
}

/// A fuzzer's first inputs are short: they must compare something.
#[test]
fn short_inputs_compare_results() {
    let total = 200;
    let compared = (0..total).filter(|seed| {
        let bytes = seeded(*seed, 4 + *seed as usize % 60);
        let case = differential::case(&mut Choices::from_bytes(&bytes));
        matches!(agreement::check(&case), differential::Verdict::Agreed { results: 1.., .. })
    });
    let compared = compared.count();
    assert!(compared * 100 > 80 * total as usize, "{compared} of {total}");
}

#[test]
fn every_target_has_a_binary() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let binaries: BTreeSet<&str> = manifest
        .split("[[bin]]\nname = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(binaries, TARGETS.iter().map(|target| target.name).collect());
}

#[test]
fn the_dictionary_lists_every_operation() {
    let path = fuzz().join("genred.dict");
    let wanted = dictionary::text();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), wanted);
}

#[test]
fn grown_formulas_are_well_typed() {
    let cases = 2_000;
    let (mut accepted, mut seen, mut refused) = (0, BTreeSet::new(), Vec::new());
    for seed in 0..cases {
        let mut choices = Choices::from_seed(seed);
        let variables = formula::variables(&mut choices);
        let dim = 1 + choices.index(formula::DIM);
        let grown = formula::grow(&mut choices, &variables, dim);
        let aliases: Vec<String> = variables.iter().map(formula::alias).collect();
        let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
        match typing::formula(&grown.formula, None, &aliases) {
            Ok(typed) => {
                accepted += 1;
                assert_eq!(typed.root_dim(0) as usize, dim, "{}", grown.formula);
                seen.extend(grown.operations);
            }
            Err(error) => refused.push(format!("{aliases:?}\n{error}")),
        }
    }
    println!("{accepted} of {cases} accepted; the first of the others:");
    for text in refused.iter().take(3) {
        println!("{text}");
    }
    assert!(accepted * 100 > cases * 60, "{accepted} of {cases} accepted");
    let all: BTreeSet<&str> = table::TABLE.iter().flat_map(|row| row.names).copied().collect();
    let missing: Vec<&&str> = all.difference(&seen).collect();
    assert!(missing.is_empty(), "never grown: {missing:?}");
}
