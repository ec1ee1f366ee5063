//! Mistakes in the arguments, told as all others are: one sentence, then what helps.

use crate::console::{Failure, exit};
use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::error::Error as _;
use std::process::ExitCode;

/// Say what is wrong with the arguments, or print the help or the version that they ask for.
pub(crate) fn end(error: &Error, tool: &Command) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let subcommand = std::env::args().nth(1).filter(|name| tool.find_subcommand(name).is_some());
    let asked = match subcommand {
        Some(name) => format!("genred {name} --help"),
        None => "genred --help".to_owned(),
    };
    let message = format!("{}\n  help: `{asked}` lists what there is", sentence(error));
    exit(Err(Failure::Usage(message)))
}

/// What is wrong, without the label.
fn sentence(error: &Error) -> String {
    let text = |kind| texts(error.get(kind)).into_iter().next().unwrap_or_default();
    let argument = text(ContextKind::InvalidArg);
    // `--stage <STAGE>` is what a user writes as `--stage`.
    let name = argument.split(' ').next().unwrap_or_default();
    let value = text(ContextKind::InvalidValue);
    let suggested = |kind| match text(kind).as_str() {
        "" => String::new(),
        near => format!("\n  help: did you mean `{near}`?"),
    };
    match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => format!("`{argument}` has no value"),
        ErrorKind::InvalidValue => {
            let known = texts(error.get(ContextKind::ValidValue));
            let known = match known.is_empty() {
                true => String::new(),
                false => format!("\n  help: it is one of {}", known.join(", ")),
            };
            format!("`{name}` is `{value}`{known}")
        }
        ErrorKind::ValueValidation => match error.source() {
            Some(why) => format!("`{name}` is `{value}`: {why}"),
            None => format!("`{name}` is `{value}`"),
        },
        ErrorKind::UnknownArgument => {
            format!("there is no `{argument}` here{}", suggested(ContextKind::SuggestedArg))
        }
        ErrorKind::InvalidSubcommand => {
            let wrong = text(ContextKind::InvalidSubcommand);
            let near = suggested(ContextKind::SuggestedSubcommand);
            format!("there is no subcommand `{wrong}`{near}")
        }
        ErrorKind::MissingRequiredArgument => {
            let missing: Vec<String> = texts(error.get(ContextKind::InvalidArg));
            let missing: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
            let verb = if missing.len() == 1 { "is" } else { "are" };
            format!("{} {verb} missing", missing.join(", "))
        }
        // Rare ones in the words of the library that reads the arguments.
        _ => {
            let all = error.to_string();
            let first = all.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").replace('\'', "`")
        }
    }
}

/// The texts of a part of an error.
fn texts(value: Option<&ContextValue>) -> Vec<String> {
    match value {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
