//! The `genred` command-line tool: reductions over `.npy` files, the stages of the compiler, a demonstration.
//!
//! One file a subcommand. Results go to stdout and files, failures to stderr with a non-zero exit status; no input makes the
//! tool panic, and no failure leaves an output file behind.

mod bar;
mod bench;
mod cache;
mod console;
mod demo;
mod doctor;
mod explain;
mod input;
mod map;
mod mistakes;
mod ops;
mod output;
mod problem;
mod random;
mod reduce;
mod shell;
mod soak;
mod streamed;
mod threads;
mod warm;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "genred",
    version,
    about = "Reductions over all pairs of points, compiled from a formula",
    after_help = "Try `genred demo`, then `genred reduce --help`."
)]
struct Tool {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reduce a formula over the rows of .npy files
    #[command(disable_help_flag = true, after_help = reduce::EXAMPLES)]
    Reduce(reduce::Reduce),
    /// Show what the compiler makes of a formula, stage by stage
    #[command(disable_help_flag = true, after_help = explain::EXAMPLES)]
    Explain(explain::Explain),
    /// List the operations that a formula may use
    #[command(after_help = ops::EXAMPLES)]
    Ops(ops::Ops),
    /// Run the four documented examples and check a sample of each
    #[command(after_help = demo::EXAMPLES_OF_USE)]
    Demo(demo::Demo),
    /// Time the documented problems beside hand-written kernels
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Bench),
    /// Look at and tidy the kernel cache on disk
    #[command(subcommand, after_help = cache::EXAMPLES)]
    Cache(cache::Cache),
    /// Compile a list of reductions into a cache ahead of their use
    #[command(after_help = warm::EXAMPLES)]
    Warm(warm::Warm),
    /// Check random reductions on many threads for some minutes
    #[command(after_help = soak::EXAMPLES)]
    Soak(soak::Soak),
    /// Say what this machine offers and which engine is chosen
    #[command(after_help = doctor::EXAMPLES)]
    Doctor,
    /// Print what makes a shell complete the arguments of genred
    #[command(after_help = shell::COMPLETIONS_EXAMPLES)]
    Completions(shell::Completions),
    /// Print the manual page, of genred or of one of its subcommands
    #[command(after_help = shell::MAN_EXAMPLES)]
    Man(shell::Man),
}

fn main() -> ExitCode {
    let tool = match Tool::try_parse() {
        Ok(tool) => tool,
        Err(error) => return mistakes::end(&error, &Tool::command()),
    };
    let result = match tool.command {
        Command::Reduce(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Ops(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Cache(command) => command.run(),
        Command::Warm(command) => command.run(),
        Command::Soak(command) => command.run(),
        Command::Doctor => doctor::run(),
        Command::Completions(command) => command.run(Tool::command()),
        Command::Man(command) => command.run(Tool::command()),
    };
    console::exit(result)
}
