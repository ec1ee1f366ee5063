//! `genred bench`: the documented problems beside kernels written by hand for each, in one run.

mod measure;
mod problems;
#[cfg(target_arch = "x86_64")]
mod reference;

use crate::console::{Failure, print};
use crate::threads::Threads;
use clap::builder::PossibleValuesParser;
use genred::Backend;
use measure::{Measured, Setting};
use problems::Problem;

pub(crate) const EXAMPLES: &str = "\
Points are random in the unit cube and the same in every run. Kernels and references take turns; times are medians. `ratio` is the \
speed of genred's kernel as a part of the reference's: the fastest hand-written AVX-512 kernel (AVX2 with `--engine avx2`), called \
on the same arrays with the same number of threads. `approx` is the ratio to one that takes approximate reciprocals and roots. \
`error` is the largest difference from the interpreter over some rows, relative to the largest value; of indices, the \
part that differs.

Examples:
  genred bench
  genred bench --problem P1 --problem P2 --dtype float64
  genred bench --engine avx2 --threads 2 --json";

/// Arguments of `genred bench`.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Time this problem only; may be given several times [default: all]
    #[arg(long = "problem", value_name = "ID", value_parser = PossibleValuesParser::new(problems::ALL.iter().map(|p| p.id)))]
    problems: Vec<String>,

    /// float32 or float64 [default: both]
    #[arg(long, value_parser = PossibleValuesParser::new(["float32", "float64"]))]
    dtype: Option<String>,

    /// Number of threads of kernels and references
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,

    /// What evaluates the formula
    #[arg(long, value_name = "ENGINE", default_value = "auto", value_parser = PossibleValuesParser::new(["auto", "avx512", "avx2", "clif"]))]
    engine: String,

    /// Timed calls of each kernel, after two that are not
    #[arg(long, value_name = "R", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,

    /// Take so many rows instead of the problem's
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rows: Option<u32>,

    /// Take so many columns instead of the problem's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    columns: Option<u32>,

    /// Print one JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// Measure.
    ///
    /// # Errors
    /// If this machine has no such engine, if threads or memory are refused, and if a reference computes something else.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let backend = Backend::from_name(&self.engine)
            .ok_or_else(|| Failure::new(format!("no engine `{}`", self.engine)))?;
        let setting = Setting {
            backend,
            threads: &Threads::start(Some(self.threads))?,
            number: usize::from(self.threads),
            repeat: self.repeat as usize,
        };
        if !self.json {
            print(&heading(self.threads))?;
        }
        for problem in problems::ALL {
            if !self.problems.is_empty() && !self.problems.iter().any(|id| id == problem.id) {
                continue;
            }
            let rows = self.rows.map_or(problem.rows, |rows| rows as usize);
            let columns = self.columns.map_or(problem.columns, |columns| columns as usize);
            let problem = Problem { rows, columns, ..*problem };
            let wants = |dtype: &str| self.dtype.as_deref().is_none_or(|wanted| wanted == dtype);
            if wants("float32") {
                self.show(&problem, "float32", &measure::measure::<f32>(&problem, setting)?)?;
            }
            if wants("float64") {
                self.show(&problem, "float64", &measure::measure::<f64>(&problem, setting)?)?;
            }
        }
        Ok(())
    }

    fn show(&self, problem: &Problem, dtype: &str, measured: &Measured) -> Result<(), Failure> {
        let Problem { id, rows, columns, .. } = *problem;
        let Measured { engine, seconds, hand, approximate, error } = measured;
        let a_pair = |seconds: f64| seconds / (rows as f64 * columns as f64) * 1e9;
        if self.json {
            let number =
                |value: Option<f64>| value.map_or("null".to_owned(), |v| format!("{v:.9}"));
            let of = |h: &Option<measure::Best>| number(h.as_ref().map(|h| h.seconds));
            let ratio = |h: &Option<measure::Best>| number(h.as_ref().map(|h| h.seconds / seconds));
            return print(&format!(
                "{{\"problem\": \"{id}\", \"dtype\": \"{dtype}\", \"engine\": \"{engine}\", \"rows\": {rows}, \
                 \"columns\": {columns}, \"threads\": {}, \"seconds\": {seconds:.9}, \"ns_a_pair\": {:.6}, \
                 \"hand_seconds\": {}, \"ratio\": {}, \"approximate_ratio\": {}, \"error\": {error:e}}}\n",
                self.threads,
                a_pair(*seconds),
                of(hand),
                ratio(hand),
                ratio(approximate),
            ));
        }
        let best = |h: &Option<measure::Best>| {
            h.as_ref().map_or((String::new(), String::new()), |h| {
                (
                    format!("{:.4} {}", a_pair(h.seconds), h.tile),
                    format!("{:.2}", h.seconds / seconds),
                )
            })
        };
        let ((hand, ratio), (_, fast)) = (best(hand), best(approximate));
        print(&format!(
            "{id:16} {dtype:8} {engine:7} {rows:>5} x {columns:<8} {seconds:>8.4} {:>9.4} {hand:>18} {ratio:>6} {fast:>7} {error:>9.1e}\n",
            a_pair(*seconds),
        ))
    }
}

fn heading(threads: u16) -> String {
    let s = if threads == 1 { "" } else { "s" };
    format!(
        "{:16} {:8} {:7} {:16} {:>8} {:>9} {:>18} {:>6} {:>7} {:>9}   {threads} thread{s}\n",
        "problem",
        "dtype",
        "engine",
        "M x N",
        "s",
        "ns a pair",
        "by hand, tile",
        "ratio",
        "approx",
        "error"
    )
}
