//! `genred demo`: the four documented examples at sizes that take seconds, a sample of each checked against the oracle.

use crate::console::{Failure, print};
use crate::random::Random;
use crate::threads::Threads;
use genred::eval::{self, Matrix, Outcome, Task};
use genred::formula::{Category, Formula, typing};
use genred::reduce::Outputs;
use genred::{Float, Genred, Kernel, Origin, Reduction, View};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Rows of each example that the oracle computes as well.
const SAMPLE: usize = 8;
/// Calls that an example is made in, for the progress bar.
const STEPS: usize = 20;
/// Fewest rows of a call, so that every call has the shape class of many rows.
const STEP_ROWS: usize = 64;
/// Fewest rows and columns of a scaled example.
const LEAST: usize = 10;
/// Largest relative error that passes: float32 sums of some thousand terms are far below.
const ALLOWED: f64 = 1e-4;

pub(crate) const EXAMPLES_OF_USE: &str = "\
Examples:
  genred demo
  genred demo --scale 0.1";

/// Arguments of `genred demo`.
#[derive(clap::Args)]
pub(crate) struct Demo {
    /// Take this part of the rows and of the columns
    #[arg(long, value_name = "FRACTION", default_value = "1", allow_negative_numbers = true, value_parser = fraction)]
    scale: f64,
}

fn fraction(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number <= 1.0);
    number.ok_or_else(|| "a number above 0 and at most 1 is needed".to_owned())
}

#[derive(Clone, Copy)]
struct Example {
    title: &'static str,
    reduction: Reduction,
    formula: &'static str,
    output: &'static str,
    aliases: &'static [&'static str],
    rows: usize,
    columns: usize,
}

const EXAMPLES: [Example; 4] = [
    Example {
        title: "Gaussian kernel density in dimension 3",
        reduction: Reduction::Sum,
        formula: "Exp(-SqNorm2(x - y))",
        output: "a = Vi(1)",
        aliases: &["x = Vi(3)", "y = Vj(3)"],
        rows: 1_000_000,
        columns: 2_000,
    },
    Example {
        title: "Log-likelihood of a Gaussian mixture in dimension 3",
        reduction: Reduction::LogSumExp,
        formula: "-(g * SqNorm2(x - y)) + b",
        output: "a = Vi(1)",
        aliases: &["x = Vi(3)", "y = Vj(3)", "g = Pm(1)", "b = Vj(1)"],
        rows: 1_000_000,
        columns: 2_000,
    },
    Example {
        title: "Nearest neighbour in dimension 100",
        reduction: Reduction::ArgMin,
        formula: "SqDist(x, y)",
        output: "a = Vi(1)",
        aliases: &["x = Vi(100)", "y = Vj(100)"],
        rows: 20_000,
        columns: 20_000,
    },
    Example {
        title: "3 nearest neighbours in dimension 100",
        reduction: Reduction::ArgKMin(3),
        formula: "SqDist(x, y)",
        output: "a = Vi(3)",
        aliases: &["x = Vi(100)", "y = Vj(100)"],
        rows: 20_000,
        columns: 20_000,
    },
];

impl Demo {
    /// Run the examples.
    ///
    /// # Errors
    /// If a result is wrong.
    pub(crate) fn run(self) -> Result<(), Failure> {
        Threads::start(None)?;
        let threads = rayon::current_num_threads();
        print(&format!("Four reductions over all pairs of rows, float32, {threads} threads.\n"))?;
        for (number, example) in EXAMPLES.iter().enumerate() {
            let example = example.scaled(self.scale);
            print(&format!("\n{}\n", example.run(number as u64)?))?;
        }
        Ok(())
    }
}

/// An argument: `rows` points of `dim` components.
struct Points {
    rows: usize,
    dim: usize,
    numbers: Vec<f32>,
}

impl Points {
    fn view(&self, first: usize, end: usize) -> Result<View<'_, f32>, Failure> {
        Ok(View::new(&self.numbers[first * self.dim..end * self.dim], end - first, self.dim)?)
    }

    /// Some of the points, as the oracle takes them.
    fn some(&self, rows: &[usize]) -> Matrix<f64> {
        let row = |row: &usize| &self.numbers[row * self.dim..(row + 1) * self.dim];
        let numbers = rows.iter().flat_map(row).map(|number| f64::from(*number)).collect();
        Matrix::new(rows.len(), self.dim, numbers)
    }
}

/// What the calls gave.
struct Computed {
    values: Vec<f32>,
    indices: Vec<i64>,
    time: Duration,
}

impl Example {
    fn scaled(&self, scale: f64) -> Example {
        let part = |number: usize| ((number as f64 * scale) as usize).max(LEAST);
        Example { rows: part(self.rows), columns: part(self.columns), ..*self }
    }

    fn run(&self, seed: u64) -> Result<String, Failure> {
        let rows = self.rows;
        let formula = typing::formula(self.formula, None, self.aliases)?;
        let points = self.points(&formula, seed);
        let kernel = Genred::<f32>::reduction(self.reduction, self.formula)
            .output(self.output)
            .aliases(self.aliases.iter().copied())
            .compile()?;
        let stats = kernel.prepare(rows, self.columns)?;
        let computed = self.compute(&kernel, &formula, &points)?;
        let (checked, error) = self.check(&formula, &points, &computed);
        let summary = self.summary(&formula, &points, kernel.dim());
        let compiled = stats.origin == Origin::Compiled;
        let made = if compiled { "compiled" } else { "found in the cache" };
        let pairs = rows as f64 * self.columns as f64;
        let text = format!(
            "{}\n{summary}\n  {made} in {:.1} ms for {}; {pairs:.1e} pairs in {:.2} s: {:.1e} pairs/s\n  {checked}",
            self.title,
            stats.build_time.as_secs_f64() * 1e3,
            stats.engine,
            computed.time.as_secs_f64(),
            pairs / computed.time.as_secs_f64(),
        );
        if error <= ALLOWED { Ok(text) } else { Err(Failure::new(text)) }
    }

    /// Normally distributed points; for the mixture g = 0.5 and logarithms of weights that add up to 1.
    fn points(&self, formula: &Formula, seed: u64) -> Vec<Points> {
        let mut random = Random::new(seed);
        let mut points = Vec::new();
        for variable in &formula.variables {
            let dim = variable.dim as usize;
            let (rows, numbers) = match (variable.category, variable.name.as_str()) {
                (Category::Param, _) => (1, vec![0.5; dim]),
                (Category::J, "b") => {
                    let weights: Vec<f64> = (0..self.columns).map(|_| random.uniform()).collect();
                    let total: f64 = weights.iter().sum();
                    let log = |weight: &f64| (weight / total).ln() as f32;
                    (self.columns, weights.iter().map(log).collect())
                }
                (Category::J, _) => (self.columns, random.normal(self.columns * dim)),
                (Category::I, _) => (self.rows, random.normal(self.rows * dim)),
            };
            points.push(Points { rows, dim, numbers });
        }
        points
    }

    /// The reduction, a block of rows after another; a row's result does not depend on the other rows.
    fn compute(
        &self,
        kernel: &Kernel<f32>,
        formula: &Formula,
        points: &[Points],
    ) -> Result<Computed, Failure> {
        let rows = self.rows;
        let style = ProgressStyle::with_template("{msg}  {wide_bar} {percent:>3} %  {eta} left");
        let bar = ProgressBar::new(rows as u64)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_message(self.title);
        let mut computed =
            Computed { values: Vec::new(), indices: Vec::new(), time: Duration::ZERO };
        let step = rows.div_ceil(STEPS).max(STEP_ROWS);
        let mut first = 0;
        while first < rows {
            // The rest joins the last block: alone it could be of the shape class of few rows.
            let end = if first + 2 * step > rows { rows } else { first + step };
            let mut args = Vec::new();
            for (points, variable) in points.iter().zip(&formula.variables) {
                args.push(match variable.category {
                    Category::I => points.view(first, end)?,
                    Category::J | Category::Param => points.view(0, points.rows)?,
                });
            }
            let start = Instant::now();
            match self.reduction.outputs() {
                Outputs::Values => computed.values.extend(kernel.call(&args)?.into_vec()),
                _ => computed.indices.extend(kernel.call_indices(&args)?.into_vec()),
            }
            computed.time += start.elapsed();
            bar.set_position(end as u64);
            first = end;
        }
        bar.finish_and_clear();
        Ok(computed)
    }

    /// Compare some rows with the oracle: what to say, and the largest relative error.
    fn check(&self, formula: &Formula, points: &[Points], computed: &Computed) -> (String, f64) {
        let rows = self.rows;
        let sample: Vec<usize> =
            (0..SAMPLE.min(rows)).map(|k| k * rows / SAMPLE.min(rows)).collect();
        let inputs: Vec<Matrix<f64>> = points
            .iter()
            .zip(&formula.variables)
            .map(|(points, variable)| match variable.category {
                Category::I => points.some(&sample),
                _ => points.some(&(0..points.rows).collect::<Vec<_>>()),
            })
            .collect();
        let task = Task {
            formula,
            rows: Category::I,
            reduction: self.reduction,
            float: Float::F32,
            inputs: &inputs,
            m: sample.len(),
            n: self.columns,
        };
        let dim = task.output_dim();
        let Outcome { values, indices } = eval::reduce(&task);
        let mut worst = 0f64;
        let mut equal = 0;
        for (k, row) in sample.iter().enumerate() {
            for c in 0..dim {
                let at = row * dim + c;
                let (got, expected) = match &indices {
                    None => (f64::from(computed.values[at]), values.row(k)[c]),
                    Some(indices) => {
                        let (got, expected) = (computed.indices[at], indices.row(k)[c]);
                        equal += usize::from(got == expected);
                        (value_at(&task, k, got), value_at(&task, k, expected))
                    }
                };
                let error = (got - expected).abs() / expected.abs();
                // A comparison that is false for NaN would let it pass.
                worst = if error <= worst { worst } else { error };
            }
        }
        let checked = sample.len();
        let text = match indices {
            None => format!(
                "{checked} rows against the float64 oracle: largest relative error {worst:.1e}"
            ),
            Some(_) => format!(
                "{checked} rows against the float64 oracle: {equal} of {} indices equal, largest relative error of a \
                 distance {worst:.1e}",
                checked * dim
            ),
        };
        (text, if worst.is_nan() { f64::INFINITY } else { worst })
    }

    /// Formula and shapes.
    fn summary(&self, formula: &Formula, points: &[Points], dim: usize) -> String {
        let shape = |(variable, points): (&genred::formula::Variable, &Points)| {
            format!("{} {} x {}", variable.name, points.rows, points.dim)
        };
        let shapes: Vec<String> = formula.variables.iter().zip(points).map(shape).collect();
        let name = self.reduction.name();
        format!("  {name} of {}\n  {} -> a {} x {dim}", self.formula, shapes.join(", "), self.rows)
    }
}

/// F of a row of the sample and a column; NaN if there is no such column.
fn value_at(task: &Task<'_>, row: usize, column: i64) -> f64 {
    let column = usize::try_from(column).ok().filter(|column| *column < task.columns());
    column.map_or(f64::NAN, |column| eval::pair(task, row, column)[0])
}
