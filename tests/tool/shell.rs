//! Help, completions and manual pages: all from one definition, so what one names the others name.

use crate::Folder;
use std::io::Write;
use std::process::{Command, Stdio};

/// The subcommands that `--help` lists.
fn subcommands(folder: &Folder) -> Vec<String> {
    let help = folder.ok(&["--help"]);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then(|| name.to_owned())
    });
    let names: Vec<String> = names.collect();
    assert!(names.len() >= 9, "{names:?}");
    names
}

/// The long options that the help of a subcommand lists.
fn options(help: &str) -> Vec<String> {
    let listed = help.split("Examples:").next().unwrap_or_default();
    let words = listed.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("-h, ").unwrap_or(line);
        line.strip_prefix("--")
    });
    words.filter_map(|line| line.split([' ', ',']).next()).map(str::to_owned).collect()
}

#[test]
fn every_help_has_examples() {
    let folder = Folder::new();
    for name in subcommands(&folder) {
        let help = folder.ok(&[&name, "--help"]);
        let examples = help.split("Examples:\n").nth(1).unwrap_or_else(|| panic!("{name}: {help}"));
        assert!(examples.contains(&format!("genred {name}")), "{name}: {examples}");
    }
}

/// Options of the subcommand come first, and no line is so long that it is broken where a shell would not take it.
#[test]
fn help_is_in_order() {
    let folder = Folder::new();
    for name in subcommands(&folder) {
        let help = folder.ok(&[&name, "--help"]);
        let all = options(&help);
        assert_eq!(all.last().map(String::as_str), Some("help"), "{name}: {all:?}");
        for line in help.split("Examples:\n").nth(1).unwrap_or_default().lines() {
            let begins = line.starts_with("  genred ") || line.contains("=off genred ");
            assert!(begins || line.starts_with("      "), "{name}: {line}");
        }
    }
}

#[test]
fn completions_know_every_subcommand_and_option() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.ok(&["completions", shell]);
        for name in subcommands(&folder) {
            assert!(script.contains(&name), "{shell}: {name}");
            for option in options(&folder.ok(&[&name, "--help"])) {
                assert!(script.contains(&option), "{shell}: {name} --{option}");
            }
        }
    }
    // bash at least finds no mistake in its script.
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    let script = folder.ok(&["completions", "bash"]);
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
    assert!(!folder.run(&["completions", "tcsh"]).success);
}

#[test]
fn manual_pages_name_what_the_help_names() {
    let folder = Folder::new();
    let page = folder.ok(&["man"]);
    assert!(page.contains(".TH genred 1"), "{page}");
    for name in subcommands(&folder) {
        assert!(page.contains(&format!("genred\\-{name}(1)")), "{name}");
        let own = folder.ok(&["man", &name]);
        assert!(own.contains(&format!(".TH genred-{name} 1")), "{name}: {own}");
        assert!(own.contains(".SH SYNOPSIS"));
        for option in options(&folder.ok(&[&name, "--help"])) {
            assert!(own.contains(&option.replace('-', "\\-")), "{name} --{option}");
        }
    }
    let ran = folder.run(&["man", "women"]);
    assert!(!ran.success && ran.stdout.is_empty());
    assert!(ran.stderr.starts_with("error: there is no subcommand `women`, only reduce, "));
}

#[test]
fn colours_are_off_where_no_color_says_so() {
    let folder = Folder::new();
    let help = |no_color: Option<&str>| {
        let mut command = folder.command(["--help"]);
        command.env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(help(None).contains('\x1b'), "the test would see colours");
    assert!(!help(Some("1")).contains('\x1b'));
}

/// Wrong arguments are told in the same words and marks as wrong formulas: a sentence with names in backquotes, then help.
#[test]
fn wrong_arguments_are_told_like_other_mistakes() {
    let folder = Folder::new();
    let cases: [(&[&str], &str, &str); 12] = [
        (&["reduce", "--bogus"], "there is no `--bogus` here", "reduce "),
        (
            &["bench", "--engin", "clif"],
            "there is no `--engin` here\n  help: did you mean `--engine`?",
            "bench ",
        ),
        (&["reduse"], "there is no subcommand `reduse`\n  help: did you mean `reduce`?", ""),
        (&["cache", "bogus"], "there is no subcommand `bogus`", "cache "),
        (&["explain", "Sum"], "`<FORMULA>`, `<OUTPUT>` are missing", "explain "),
        (&["soak"], "`--minutes <N>` is missing", "soak "),
        (
            &["demo", "--scale", "0"],
            "`--scale` is `0`: a number above 0 and at most 1 is needed",
            "demo ",
        ),
        (
            &["cache", "prune", "--to", "1Q"],
            "`--to` is `1Q`: a number of bytes is needed, such as 100M",
            "cache ",
        ),
        (
            &["bench", "--engine", "gpu"],
            "`--engine` is `gpu`\n  help: it is one of auto, avx512, avx2, clif, cuda",
            "bench ",
        ),
        (&["bench", "--engine"], "`--engine <ENGINE>` has no value", "bench "),
        (
            &["soak", "--minutes", "-1"],
            "`--minutes` is `-1`: a number above 0 and at most 1000000 is needed",
            "soak ",
        ),
        (&["doctor", "nobody"], "there is no `nobody` here", "doctor "),
    ];
    for (args, says, subcommand) in cases {
        let output = folder.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let help = format!("  help: `genred {subcommand}--help` lists what there is");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, format!("error: {says}\n{help}\n"), "{args:?}");
    }
}
