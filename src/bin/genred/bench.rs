//! `genred bench`: the documented problems beside kernels written by hand for each, in one run.

mod device;
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

With `--backend cuda` arrays are on the first device, times are by its events, problems have 100000 points at least, and `of floor` is the \
part that the counted operations of all pairs (FFMA: sums, products, fused ones; MUFU: functions, divisions, roots) take of the time at \
the highest clock.

Examples:
  genred bench
  genred bench --problem P1 --problem P2 --dtype float64
  genred bench --engine avx2 --threads 2 --json
  genred bench --backend cuda";

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
    #[arg(long, visible_alias = "backend", value_name = "ENGINE", default_value = "auto", value_parser = PossibleValuesParser::new(["auto", "avx512", "avx2", "clif", "cuda"]))]
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
    /// If this machine has no such engine or no device, if threads or memory are refused, and if a reference computes something else.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let backend = Backend::from_name(&self.engine)
            .ok_or_else(|| Failure::new(format!("no engine `{}`", self.engine)))?;
        if backend == Backend::Cuda {
            return self.run_on_device();
        }
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
            let Some(problem) = self.wanted(*problem) else { continue };
            if self.wants("float32") {
                self.show(&problem, "float32", &measure::measure::<f32>(&problem, setting)?)?;
            }
            if self.wants("float64") {
                self.show(&problem, "float64", &measure::measure::<f64>(&problem, setting)?)?;
            }
        }
        Ok(())
    }

    fn run_on_device(&self) -> Result<(), Failure> {
        let opened = device::open()?;
        if !self.json {
            device::show_heading(&opened)?;
        }
        for problem in problems::ALL {
            let Some(problem) = self.wanted(device::enlarged(problem)) else { continue };
            if self.wants("float32") {
                device::show::<f32>(&problem, self.repeat as usize, self.json)?;
            }
            if self.wants("float64") {
                device::show::<f64>(&problem, self.repeat as usize, self.json)?;
            }
        }
        Ok(())
    }

    /// The problem in the size that is asked for, if it is one of those.
    fn wanted(&self, problem: Problem) -> Option<Problem> {
        let is_wanted = self.problems.is_empty() || self.problems.iter().any(|id| id == problem.id);
        let rows = self.rows.map_or(problem.rows, |rows| rows as usize);
        let columns = self.columns.map_or(problem.columns, |columns| columns as usize);
        is_wanted.then_some(Problem { rows, columns, ..problem })
    }

    fn wants(&self, dtype: &str) -> bool {
        self.dtype.as_deref().is_none_or(|wanted| wanted == dtype)
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
