//! Stage goldens: one input a file in tests/golden, and the text of every stage of the compiler below it.
//!
//! A section that is present is checked, an absent one is not. `UPDATE_GOLDEN=1 cargo test --test golden` rewrites the sections in
//! place. Target and schedule come from the header, never from the host.

use genred::cache::key::{Fields, Key, Kind};
use genred::cache::{Cache, Mode, Options};
use genred::cpu::Emitter;
use genred::cpu::clif;
use genred::cpu::target::Target;
use genred::cpu::wide::{self, Avx2, Avx512};
use genred::cuda::{Math, Request};
use genred::dtype::{DType, Float};
use genred::formula::{Category, Formula, typing};
use genred::loops::build::{self, Lowered, Scheme, Source};
use genred::loops::builder::Functions;
use genred::schedule::{Lanes, Schedule};
use genred::{Accumulate, Backend, Element, Genred, Reduction, Stage, syntax};
use half::f16;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A golden file, read.
struct Golden {
    /// Everything before the first section, as it is.
    head: String,
    /// Names and texts.
    sections: Vec<(String, String)>,
}

/// What a golden file says ahead of its sections.
struct Input {
    dtype: DType,
    target: Target,
    /// Names of engines, best first.
    engines: String,
    schedule: Schedule,
    scheme: Scheme,
    reduction: Reduction,
    rows: Category,
    text: String,
    weight: Option<String>,
    output: String,
    aliases: Vec<String>,
    formula: Formula,
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files = Vec::new();
    for topic in fs::read_dir(&root).expect("the goldens") {
        for file in fs::read_dir(topic.expect("a topic").path()).expect("a topic") {
            files.push(file.expect("a golden").path());
        }
    }
    files.sort();
    files
}

impl Golden {
    fn parse(text: &str) -> Golden {
        let mut golden = Golden { head: String::new(), sections: Vec::new() };
        for line in text.split_inclusive('\n') {
            if let Some(name) = line.strip_prefix("=== ") {
                golden.sections.push((name.trim().to_owned(), String::new()));
            } else if let Some((_, body)) = golden.sections.last_mut() {
                body.push_str(line);
            } else {
                golden.head.push_str(line);
            }
        }
        golden
    }

    fn text(&self) -> String {
        let sections = self.sections.iter().map(|(name, body)| format!("=== {name}\n{body}"));
        self.head.clone() + &sections.collect::<String>()
    }
}

impl Input {
    fn read(head: &str) -> Input {
        let pinned = |key: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(&format!("#! {key} = \"")));
            line.map(|line| line.trim_end().trim_end_matches('"').to_owned())
        };
        let all = |key: &str| -> Vec<&str> {
            let lines = head.lines().filter_map(|line| line.split_once(char::is_whitespace));
            lines.filter(|(name, _)| *name == key).map(|(_, value)| value.trim()).collect()
        };
        let one = |key: &str| *all(key).first().unwrap_or_else(|| panic!("no `{key}` in\n{head}"));
        let dtype = pinned("dtype").expect("a pinned dtype");
        let dtype = [DType::F16, DType::F32, DType::F64].into_iter().find(|d| d.name() == dtype);
        let (name, k) = match one("reduction").split_once(" k=") {
            Some((name, k)) => (name, Some(k.parse().expect("a K"))),
            None => (one("reduction"), None),
        };
        let output = genred::alias::parse(one("output"), genred::alias::Role::Output);
        let text = one("formula").to_owned();
        let (weight, aliases) = (all("weight").first().copied(), all("alias"));
        let typed = typing::formula(&text, weight, &aliases);
        Input {
            dtype: dtype.expect("a dtype"),
            target: target(&pinned("target").expect("a pinned target")),
            engines: pinned("engines").unwrap_or_default(),
            schedule: schedule(&pinned("schedule").expect("a pinned schedule")),
            scheme: match pinned("scheme").as_deref() {
                None | Some("block") => Scheme::Block,
                Some("direct") => Scheme::Direct,
                Some("kahan") => Scheme::Kahan,
                Some(other) => panic!("no scheme `{other}`"),
            },
            reduction: Reduction::from_name(name, k).expect("a reduction"),
            rows: output.expect("an output").category,
            text,
            weight: weight.map(str::to_owned),
            output: one("output").to_owned(),
            aliases: aliases.into_iter().map(str::to_owned).collect(),
            formula: typed.expect("a formula"),
        }
    }

    fn float(&self) -> Float {
        self.dtype.compute()
    }

    fn lowered(&self, functions: Functions) -> Lowered {
        self.lowered_for(functions, self.target.fma)
    }

    fn lowered_for(&self, functions: Functions, fma: bool) -> Lowered {
        build::build(&Source {
            formula: &self.formula,
            rows: self.rows,
            reductions: &[self.reduction],
            scheme: self.scheme,
            float: self.float(),
            fma,
            functions,
        })
        .expect("a program within its limit")
    }

    /// The text of a section.
    fn section(&self, name: &str) -> String {
        match name {
            "parse" => syntax::parse(&self.text).expect("a formula").tree(),
            "typed" => self.formula.text(),
            "program" => self.lowered(Functions::Intrinsic).program.text(Some(&self.schedule)),
            "clif" => {
                let program = self.lowered(Functions::Expanded).program;
                clif::text(&program, &self.schedule).expect("clif takes the program")
            }
            "asm" => {
                let program = self.lowered(Functions::Expanded).program;
                let code = self.engine().emit(&program, &self.schedule);
                wide::disassembly(&code.expect("the engine takes the program"))
            }
            "cuda" => self.cuda(),
            "key" => match self.dtype {
                DType::F16 => self.key::<f16>(),
                DType::F32 => self.key::<f32>(),
                DType::F64 => self.key::<f64>(),
            },
            other => panic!("no section `{other}`"),
        }
    }

    /// What NVRTC is given; devices always fuse.
    fn cuda(&self) -> String {
        let request = Request {
            reduction: self.reduction,
            dim: self.formula.root_dim(0),
            stored: self.dtype,
            lanes: self.schedule.lanes,
            math: Math::Accurate,
        };
        let emitted = request.emit(&self.lowered_for(Functions::Intrinsic, true));
        let emitted = emitted.expect("the CUDA engine takes the program");
        format!("// nvrtc {}\n{}", emitted.options.join(" "), emitted.source)
    }

    /// The key that a kernel has, with what differs from build to build and from host to host pinned.
    fn key<T: Element>(&self) -> String {
        let accumulate = match self.scheme {
            Scheme::Block => Accumulate::Auto,
            Scheme::Direct => Accumulate::Direct,
            Scheme::Kahan => Accumulate::Kahan,
        };
        let engine = Backend::from_name(&self.engines).filter(|engine| {
            *engine == Backend::Eval || Backend::cpu_engines().contains(&engine.name())
        });
        let builder = Genred::<T>::reduction(self.reduction, self.text.as_str())
            .output(self.output.as_str())
            .aliases(self.aliases.iter().map(String::as_str))
            .accumulate(accumulate)
            .backend(engine.unwrap_or(Backend::Clif))
            .cache(&Cache::open(Options::new().mode(Mode::Off)));
        let weight = self.weight.as_deref();
        let kernel = weight.into_iter().fold(builder, Genred::weight).compile();
        let shown = kernel.expect("a kernel").explain(Stage::Key);
        // Its last line end is not shown.
        let formula = self.formula.canonical_text();
        let whole = ("formula", formula.as_str());
        assert_eq!(key_of(&shown, &[whole]), shown, "a key is what is shown of it");
        let features = format!("{:#x}", self.target.features);
        let mut pinned = vec![
            whole,
            ("source", "<sources>"),
            ("arch", "62"),
            ("os", "linux"),
            ("abi", "sysv64"),
            ("features", features.as_str()),
        ];
        if engine.is_none() {
            // Several, or one that this machine lacks: the key differs in the names.
            pinned.push(("back_end", self.engines.as_str()));
        }
        let key = key_of(&shown, &pinned);
        key.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// The widest engine of the pinned target.
    fn engine(&self) -> Box<dyn Emitter> {
        match (Avx512::on(self.target), Avx2::on(self.target)) {
            (Some(engine), _) => Box::new(engine),
            (None, Some(engine)) => Box::new(engine),
            (None, None) => panic!("no wide engine on the pinned target"),
        }
    }
}

/// A key as it is printed, with some fields replaced.
fn key_of(shown: &str, replaced: &[(&str, &str)]) -> String {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in shown.lines() {
        // Names are padded to a column, which is empty where a value goes on.
        let (name, value) = line.split_at(line.len().min(14));
        match (name.trim_end(), fields.last_mut()) {
            ("", Some((_, text))) => *text += &format!("\n{value}"),
            (name, _) => fields.push((name, value.to_owned())),
        }
    }
    let text = |name: &str| {
        let field = fields.iter().find(|field| field.0 == name).expect("every key has the field");
        let replacement = replaced.iter().find(|field| field.0 == name);
        replacement.map_or(field.1.as_str(), |field| field.1)
    };
    let number = |name: &str| text(name).parse::<u32>().expect("a number");
    let small = |name: &str| u16::try_from(number(name)).expect("a small number");
    let features = text("features").strip_prefix("0x").expect("bits");
    let key = Key::new(&Fields {
        engine: text("engine"),
        epoch: number("epoch"),
        source: text("source"),
        generator: text("generator"),
        formula: text("formula"),
        reduction: text("reduction"),
        k: number("k"),
        rows: text("rows"),
        dtype: text("dtype"),
        accumulator: text("accumulator"),
        scheme: text("scheme"),
        schedule: text("schedule"),
        back_end: text("back_end"),
        kind: Kind::from_number(small("kind")).expect("a kind"),
        arch: small("arch"),
        os: text("os"),
        abi: text("abi"),
        features: u64::from_str_radix(features, 16).expect("bits"),
        argument_abi: number("argument_abi"),
        device: text("device"),
        options: text("options"),
    });
    key.to_string()
}

/// `x86_64 avx2 fma`: features by their names in [`Target::names`].
fn target(text: &str) -> Target {
    let mut words = text.split_whitespace();
    assert_eq!(words.next(), Some("x86_64"));
    let known = Target { fma: false, features: u64::MAX }.names();
    let mut features = 0;
    for word in words {
        let bit = known.iter().position(|name| *name == word);
        features |= 1u64 << bit.unwrap_or_else(|| panic!("no feature `{word}`"));
    }
    let fma = known.iter().position(|name| *name == "fma").expect("fma is known");
    Target { fma: features >> fma & 1 == 1, features }
}

/// A schedule as it is printed.
fn schedule(text: &str) -> Schedule {
    let field = |name: &str| {
        let mut words = text.split_whitespace();
        words
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_else(|| panic!("no `{name}` in `{text}`"))
    };
    let number = |name: &str| field(name).parse().expect("a number");
    let schedule = Schedule {
        lanes: if field("lanes") == "columns" { Lanes::Columns } else { Lanes::Rows },
        mr: number("mr"),
        nr: number("nr"),
        components: number("components"),
        chunk: number("chunk"),
        tile: number("tile"),
    };
    assert_eq!(schedule.to_string(), text);
    schedule
}

#[test]
fn every_stage_is_as_recorded() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).expect("a golden");
        let mut golden = Golden::parse(&text);
        let input = Input::read(&golden.head);
        for (name, recorded) in &mut golden.sections {
            let found = input.section(name);
            if update {
                *recorded = found;
            } else if *recorded != found {
                let first = recorded.lines().zip(found.lines()).position(|(a, b)| a != b);
                let line = first.unwrap_or(recorded.lines().count().min(found.lines().count()));
                let of = |text: &str| text.lines().nth(line).unwrap_or("(nothing)").to_owned();
                wrong.push(format!(
                    "{}, {name}, line {}:\n  recorded {}\n  found    {}",
                    path.display(),
                    line + 1,
                    of(recorded),
                    of(&found)
                ));
            }
        }
        if update && golden.text() != text {
            fs::write(&path, golden.text()).expect("a golden is rewritten");
        }
    }
    let wrong = wrong.join("\n");
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 rewrites what is meant to change:\n{wrong}");
}

#[test]
fn goldens_cover_every_reduction_and_stage() {
    let (mut reductions, mut formulas) = (BTreeSet::new(), BTreeSet::new());
    let mut sections: Vec<String> = Vec::new();
    let files = files();
    for path in &files {
        let golden = Golden::parse(&fs::read_to_string(path).expect("a golden"));
        let input = Input::read(&golden.head);
        reductions.insert(input.reduction.name());
        formulas.insert(input.text);
        sections.extend(golden.sections.into_iter().map(|(name, _)| name));
    }
    assert!(formulas.len() >= 25, "{} formulas", formulas.len());
    let all = [
        "Sum",
        "LogSumExp",
        "SumSoftMaxWeight",
        "Max_SumShiftExp",
        "Min",
        "Max",
        "ArgMin",
        "ArgMax",
        "Min_ArgMin",
        "Max_ArgMax",
        "KMin",
        "ArgKMin",
        "KMin_ArgKMin",
    ];
    for name in all {
        assert!(reductions.contains(name), "no golden of {name}");
    }
    let count = |name: &str| sections.iter().filter(|section| *section == name).count();
    for name in ["parse", "typed", "program"] {
        assert_eq!(count(name), files.len(), "every golden has `{name}`");
    }
    assert!((15..=25).contains(&count("clif")), "{} goldens have `clif`", count("clif"));
    for (name, least) in [("asm", 4), ("cuda", 8), ("key", 6)] {
        assert!(count(name) >= least, "{} goldens have `{name}`", count(name));
    }
}
