//! `genred ops`: the table of operations.

use crate::console::{Failure, print};
use genred::formula::table;

pub(crate) const EXAMPLES: &str = "\
Examples:
  genred ops
  genred ops | grep -i norm";

/// Arguments of `genred ops`.
#[derive(clap::Args)]
pub(crate) struct Ops {
    /// Print it as the README shows it
    #[arg(long)]
    markdown: bool,
}

impl Ops {
    /// Print the table.
    ///
    /// # Errors
    /// If stdout cannot be written.
    pub(crate) fn run(self) -> Result<(), Failure> {
        print(&if self.markdown { table::markdown() } else { table::text() })
    }
}
