//! `genred ops`: the table of operations.

use crate::console::{Failure, print};
use genred::formula::table::{self, TABLE};

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
        if self.markdown { print(&table::markdown()) } else { print(&plain()) }
    }
}

fn plain() -> String {
    let names: Vec<String> = TABLE.iter().map(|row| row.names.join(", ")).collect();
    let width = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let wide = width(&mut names.iter().map(String::len));
    let dims = width(&mut TABLE.iter().map(|row| row.dims.len()));
    TABLE
        .iter()
        .zip(&names)
        .map(|(row, name)| format!("{name:wide$}  {:dims$}  {}\n", row.dims, row.meaning))
        .collect()
}
