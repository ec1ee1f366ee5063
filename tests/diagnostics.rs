//! What is said about texts that are not accepted: `diagnostics/*.txt`, many cases a file.
//!
//! ```text
//! #! alias x = Vi(3)          an alias of every case of the file that gives none itself
//! --- name of the case
//! formula x +                 or "x +\n" with escapes; besides: weight, stated, output, reduction, alias
//! call name                   instead of texts: a call of `CALLS`, for errors that no text can cause
//! [syntax]
//! the whole message
//! ```
//! `UPDATE_GOLDEN=1 cargo test --test diagnostics` rewrites what follows the inputs.

use genred::alias::{self, Role};
use genred::formula::{table, typing};
use genred::{
    Backend, Cancel, Error, ErrorKind, Genred, Kernel, KernelSolve, Reduction, Source, View,
};
use half::f16;
use libtest_mimic::{Arguments, Failed, Trial};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

/// A name, and a call that fails.
type Call = (&'static str, fn() -> Result<(), Error>);

/// Calls that fail whatever the texts.
const CALLS: [Call; 6] = [
    ("indices of float16", indices_of_float16),
    ("a partial result of the interpreter", partial_of_the_interpreter),
    ("a system that is not definite", not_definite),
    ("a source that fails", a_source_that_fails),
    ("a sink that is full", a_sink_that_is_full),
    ("a token that was used", a_token_that_was_used),
];

fn indices_of_float16() -> Result<(), Error> {
    let nearest = Genred::<f16>::reduction(Reduction::ArgMin, "SqDist(x, y)");
    let nearest = nearest.output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    let y = vec![f16::ONE; 2_050];
    nearest.call(&[View::new(&y[..1], 1, 1)?, View::new(&y, 2_050, 1)?]).map(drop)
}

/// The sum over j of `x * y`.
fn product() -> Result<Kernel<f64>, Error> {
    let sum = Genred::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    sum.backend(Backend::Clif).compile()
}

fn partial_of_the_interpreter() -> Result<(), Error> {
    let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    let x = View::new(&[1.0, 2.0], 2, 1)?;
    sum.backend(Backend::Eval).compile()?.partial(&[x, x], 0, 2).map(drop)
}

fn not_definite() -> Result<(), Error> {
    let kernel = Genred::<f64>::sum("-(x == y) * b").output("a = Vi(1)");
    let kernel = kernel.aliases(["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"]).compile()?;
    let x = View::new(&[0.0, 1.0, 2.0], 3, 1)?;
    KernelSolve::new(&kernel, "b")?.call(&[x, x, x]).map(drop)
}

/// Rows that cannot be read.
struct Unreadable;

impl Source<f64> for Unreadable {
    fn rows(&self) -> usize {
        2
    }
    fn dim(&self) -> usize {
        1
    }
    fn read(&mut self, _: Range<usize>, _: &mut [f64]) -> io::Result<()> {
        Err(io::Error::other("the tape is torn"))
    }
}

fn a_source_that_fails() -> Result<(), Error> {
    let x = View::new(&[1.0, 2.0], 2, 1)?;
    product()?.stream().input(x).input(Unreadable).call().map(drop)
}

fn a_sink_that_is_full() -> Result<(), Error> {
    let x = View::new(&[1.0, 2.0], 2, 1)?;
    let mut full = |_: &[f64]| Err(io::Error::other("no room"));
    product()?.stream().input(x).input(x).call_into(&mut full)
}

fn a_token_that_was_used() -> Result<(), Error> {
    let (x, cancel) = (View::new(&[1.0, 2.0], 2, 1)?, Cancel::new());
    cancel.cancel();
    product()?.stream().input(x).input(x).cancel(&cancel).call().map(drop)
}

#[derive(Clone, Debug, Default)]
struct Case {
    name: String,
    /// Key and value as written.
    inputs: Vec<(String, String)>,
    expected: String,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// Lines before the first case.
    head: Vec<String>,
    cases: Vec<Case>,
}

const KEYS: [&str; 8] =
    ["formula", "weight", "stated", "output", "reduction", "k", "alias", "call"];

fn read(path: &Path) -> File {
    let text = fs::read_to_string(path).expect("a readable file");
    let mut file = File { path: path.to_owned(), head: Vec::new(), cases: Vec::new() };
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("--- ") {
            file.cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let Some(case) = file.cases.last_mut() else {
            file.head.push(line.to_owned());
            continue;
        };
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if case.expected.is_empty() && KEYS.contains(&key) {
            case.inputs.push((key.to_owned(), value.trim_start().to_owned()));
        } else {
            case.expected += line;
            case.expected.push('\n');
        }
    }
    for case in &mut file.cases {
        case.expected = case.expected.trim_end().to_owned();
    }
    file
}

/// A value, which is written with escapes if it is in quotes.
fn unescaped(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    inner.replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0").replace("\\\"", "\"")
}

fn refusal(file: &File, case: &Case) -> Option<Error> {
    let all = |key: &str| -> Vec<String> {
        case.inputs.iter().filter(|(k, _)| k == key).map(|(_, v)| unescaped(v)).collect()
    };
    let one = |key: &str| all(key).into_iter().next();
    let mut aliases = all("alias");
    if aliases.is_empty() {
        let defaults = file.head.iter().filter_map(|line| line.strip_prefix("#! alias "));
        aliases = defaults.map(str::to_owned).collect();
    }
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
    if let Some(name) = one("call") {
        let call = CALLS.iter().find(|call| call.0 == name).expect("a call of the list");
        return call.1().err();
    }
    if let Some(text) = one("stated") {
        return typing::low_level(&text, &aliases).err();
    }
    let formula = one("formula").unwrap_or_else(|| "1".into());
    if let Some(name) = one("reduction") {
        let k = one("k").map(|k| k.parse().expect("a number"));
        let reduction = match Reduction::from_name(&name, k) {
            Ok(reduction) => reduction,
            Err(message) => panic!("{message}"),
        };
        let mut builder = Genred::<f32>::reduction(reduction, formula).aliases(aliases);
        if let Some(weight) = one("weight") {
            builder = builder.weight(weight);
        }
        if let Some(output) = one("output") {
            builder = builder.output(output);
        }
        return builder.compile().err();
    }
    if let Some(output) = one("output") {
        return alias::parse(&output, Role::Output).err();
    }
    typing::formula(&formula, one("weight").as_deref(), &aliases).err()
}

fn rendered(error: &Error) -> String {
    let kind = format!("{:?}", error.kind()).to_lowercase();
    let lines: Vec<String> = error.to_string().lines().map(|l| l.trim_end().to_owned()).collect();
    format!("[{kind}]\n{}", lines.join("\n"))
}

fn updated(file: &File, found: &[String]) -> String {
    let mut text = file.head.join("\n").trim_end().to_owned();
    for (case, found) in file.cases.iter().zip(found) {
        let _ = write!(text, "\n\n--- {}\n", case.name);
        for (key, value) in &case.inputs {
            let _ = writeln!(text, "{key} {value}");
        }
        text += found;
    }
    text.trim_start().to_owned() + "\n"
}

fn check(case: &Case, found: &str) -> Result<(), Failed> {
    if found == case.expected {
        return Ok(());
    }
    Err(format!("expected\n{}\nfound\n{found}", case.expected).into())
}

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    paths.sort();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut trials = Vec::new();
    let mut kinds = Vec::new();
    for path in paths {
        let file = read(&path);
        let errors: Vec<Option<Error>> =
            file.cases.iter().map(|case| refusal(&file, case)).collect();
        kinds.extend(errors.iter().flatten().map(Error::kind));
        let found: Vec<String> = errors
            .iter()
            .map(|error| error.as_ref().map_or("[accepted]".to_owned(), rendered))
            .collect();
        if update {
            fs::write(&file.path, updated(&file, &found)).expect("a writable file");
        }
        let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        for (case, found) in file.cases.into_iter().zip(found) {
            let name = format!("{stem}: {}", case.name);
            trials.push(Trial::test(name, move || {
                if found == "[accepted]" {
                    return Err("the text is accepted".into());
                }
                if update { Ok(()) } else { check(&case, &found) }
            }));
        }
    }
    trials.push(Trial::test("every kind of error has a case", move || {
        for kind in ErrorKind::ALL {
            if !kinds.contains(&kind) {
                return Err(format!("no case of {kind:?}").into());
            }
        }
        Ok(())
    }));
    trials.push(Trial::test("every operation says how it is called", move || {
        for row in table::TABLE {
            // One argument more than it can have, or none where it takes any number.
            let args = if row.variadic { 0 } else { row.args.len() + 1 };
            let text = format!("{}({})", row.name(), vec!["1"; args].join(", "));
            match typing::formula(&text, None, &[]) {
                Err(error) if error.to_string().contains(&format!("`{}` takes", row.name())) => {}
                Err(_) if row.name() == "Ind" => {}
                other => return Err(format!("{text}: {other:?}").into()),
            }
        }
        Ok(())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
