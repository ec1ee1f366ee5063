//! `genred cache`: the kernel cache on disk, for those who want to see it. Nobody has to.

use crate::console::{Failure, print};
use genred::cache::{Cache as Kernels, Remove, Removed, size};
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

pub(crate) const EXAMPLES: &str = "\
Nobody has to tidy the cache: it stays below its bound, and a damaged kernel is compiled again.

Examples:
  genred cache stats
  genred cache prune --to 100M --older 90
  genred cache verify --remove";

/// Subcommands of `genred cache`.
#[derive(clap::Subcommand)]
pub(crate) enum Cache {
    /// Print the directory
    Path,
    /// List the kernels, one a line
    List,
    /// Show what a kernel was compiled from
    Show {
        /// Its key, or enough digits of it
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Check every kernel
    Verify {
        /// Remove those that would not be used
        #[arg(long)]
        remove: bool,
    },
    /// Remove kernels, least recently used first
    #[command(group(clap::ArgGroup::new("limit").required(true).multiple(true)))]
    Prune {
        /// Until they take at most so many bytes on disk; K, M and G are understood
        #[arg(long, value_name = "SIZE", group = "limit", value_parser = bytes)]
        to: Option<u64>,
        /// That were not used for so many days
        #[arg(long, value_name = "DAYS", group = "limit")]
        older: Option<u32>,
    },
    /// Remove every kernel
    Clear,
    /// Print how many there are and what they take
    Stats,
}

fn bytes(text: &str) -> Result<u64, String> {
    size(text).ok_or_else(|| "a number of bytes is needed, such as 100M".to_owned())
}

impl Cache {
    /// Look at the cache, or tidy it.
    ///
    /// # Errors
    /// If there is no cache, no such kernel, or a kernel that would not be used.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let kernels = Kernels::shared();
        let Some(path) = kernels.path() else {
            let why = kernels.refused().unwrap_or("it is turned off, or was never written to");
            return Err(Failure::new(format!("there is no kernel cache on disk: {why}")));
        };
        match self {
            Cache::Path => print(&format!("{}\n", path.display())),
            Cache::List => {
                print(&kernels.list().iter().map(|entry| format!("{entry}\n")).collect::<String>())
            }
            Cache::Show { key } => {
                let entry = kernels.show(&key)?;
                let state = match &entry.state {
                    Ok(contents) => contents.to_string(),
                    Err(reason) => format!("it would not be used: {reason}"),
                };
                print(&format!("{}\n{state}\n", entry.path.display()))
            }
            Cache::Verify { remove } => verify(kernels, remove),
            Cache::Prune { to, older } => {
                let older = older.map(|days| Duration::from_secs(u64::from(days) * DAY));
                print(&removed(kernels.prune(to, older)))
            }
            Cache::Clear => print(&removed(kernels.clear())),
            Cache::Stats => {
                let disk = kernels.disk();
                let (entries, bytes, most) = (disk.entries, disk.bytes, disk.max_size);
                let path = path.display();
                print(&format!("{path}\n{entries} kernels, {bytes} bytes of at most {most}\n"))
            }
        }
    }
}

fn verify(kernels: &Kernels, remove: bool) -> Result<(), Failure> {
    let found = kernels.verify(if remove { Remove::Bad } else { Remove::Nothing });
    let bad: String =
        found.bad.iter().map(|(path, reason)| format!("{}: {reason}\n", path.display())).collect();
    let (checked, count) = (found.checked, found.bad.len() as u64);
    print(&format!("{bad}{checked} kernels checked, {count} bad, {} removed\n", found.removed))?;
    if count > found.removed {
        return Err(Failure::new(format!("{} bad kernels remain", count - found.removed)));
    }
    Ok(())
}

fn removed(what: Removed) -> String {
    let Removed { entries, bytes, others } = what;
    format!("{entries} kernels removed, {bytes} bytes; {others} other files removed\n")
}
