//! `genred warm`: compile a list of reductions into a cache, for images and clusters that ship it.

use crate::console::{Failure, print};
use crate::explain::{DTYPES, dtype};
use crate::problem::Problem;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use genred::cache::{Cache, Options};
use genred::{DType, Element, Genred, Origin};
use half::f16;
use std::path::PathBuf;

pub(crate) const EXAMPLES: &str = "\
A line of FILE is what `genred explain` takes, quoted as for a shell; `#` begins a comment:
  Sum \"Exp(-SqNorm2(x - y))\" \"a = Vi(1)\" \"x = Vi(3)\" \"y = Vj(3)\" --dtype float64

Ship the directory, and let GENRED_CACHE_SYSTEM name it where the kernels are used.

Examples:
  genred warm reductions.txt
  genred warm reductions.txt --dir /usr/share/genred/kernels";

/// Arguments of `genred warm`.
#[derive(clap::Args)]
pub(crate) struct Warm {
    /// One reduction a line
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The cache to fill; by default this user's
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A line of the file.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    problem: Problem,

    #[arg(long, default_value = DType::F32.name(), value_parser = PossibleValuesParser::new(DTYPES.map(DType::name)))]
    dtype: String,
}

/// Rows and columns of the two shape classes: many rows, and few rows with many columns.
const SHAPES: [(usize, usize); 2] = [(1 << 20, 1 << 20), (1, 1 << 20)];

impl Warm {
    /// Compile every line.
    ///
    /// # Errors
    /// If the file cannot be read, a line is wrong, or the cache cannot be written; lines before it have been compiled.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let shown = self.file.display();
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| Failure::new(format!("cannot read `{shown}`: {error}")))?;
        let options = match &self.dir {
            Some(dir) => Options::new().dir(dir),
            None => Options::new(),
        };
        let cache = Cache::open(options);
        let Some(path) = cache.path() else {
            let why = cache.refused().unwrap_or("it is turned off");
            return Err(Failure::new(format!("there is no kernel cache to fill: {why}")));
        };
        let mut compiled = 0;
        let mut present = 0;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let here = |why: String| Failure::new(format!("{shown}, line {}: {why}", number + 1));
            let words = shlex::split(line).ok_or_else(|| here("a quote is never closed".into()))?;
            let line = Line::try_parse_from(words).map_err(|error| here(error.to_string()))?;
            let origins = match dtype(&line.dtype) {
                DType::F16 => line.compile::<f16>(&cache),
                DType::F32 => line.compile::<f32>(&cache),
                DType::F64 => line.compile::<f64>(&cache),
            };
            for origin in origins.map_err(|failure| here(failure.to_string()))? {
                match origin {
                    Origin::Compiled => compiled += 1,
                    _ => present += 1,
                }
            }
        }
        let failed: u64 = cache.stats().store_failures.iter().map(|(_, count)| count).sum();
        if failed > 0 {
            return Err(Failure::new(format!("{failed} kernels could not be stored")));
        }
        print(&format!(
            "{compiled} kernels compiled, {present} there already, in {}\n",
            path.display()
        ))
    }
}

impl Line {
    /// Compile for every shape class.
    fn compile<T: Element>(&self, cache: &Cache) -> Result<Vec<Origin>, Failure> {
        let genred: Genred<T> = self.problem.genred::<T>()?;
        let kernel = genred.cache(cache).compile()?;
        let prepare = |(rows, columns)| Ok(kernel.prepare(rows, columns)?.origin);
        SHAPES.into_iter().map(prepare).collect()
    }
}
