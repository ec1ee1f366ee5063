//! `genred completions` and `genred man`: what shells and `man` want to know, made from the definitions that --help shows.

use crate::console::{Failure, print};
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man as Page;

pub(crate) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  genred completions bash > ~/.local/share/bash-completion/completions/genred
  genred completions zsh > ~/.zfunc/_genred
  genred completions fish > ~/.config/fish/completions/genred.fish";

pub(crate) const MAN_EXAMPLES: &str = "\
Examples:
  genred man | man -l -
  genred man reduce > genred-reduce.1";

/// Arguments of `genred completions`.
#[derive(clap::Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// Print the script.
    ///
    /// # Errors
    /// If stdout cannot be written.
    pub(crate) fn run(self, mut tool: Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut tool, "genred", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}

/// Arguments of `genred man`.
#[derive(clap::Args)]
pub(crate) struct Man {
    /// A subcommand; without it the page is of genred itself
    #[arg(value_name = "SUBCOMMAND")]
    subcommand: Option<String>,
}

impl Man {
    /// Print the page.
    ///
    /// # Errors
    /// If there is no such subcommand, or stdout cannot be written.
    pub(crate) fn run(self, mut tool: Command) -> Result<(), Failure> {
        // Options that every subcommand has, and full names, are filled in.
        tool.build();
        let command = match &self.subcommand {
            None => tool,
            Some(name) => tool.find_subcommand(name).cloned().ok_or_else(|| {
                let names = tool.get_subcommands().map(Command::get_name);
                let known: Vec<&str> = names.filter(|name| *name != "help").collect();
                Failure::new(format!("there is no subcommand `{name}`, only {}", known.join(", ")))
            })?,
        };
        let mut page = Vec::new();
        Page::new(command)
            .source(concat!("genred ", env!("CARGO_PKG_VERSION")))
            .render(&mut page)
            .map_err(|error| Failure::new(format!("cannot make the page: {error}")))?;
        print(&String::from_utf8_lossy(&page))
    }
}
