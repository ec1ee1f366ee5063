//! `genred reduce`: a reduction over `.npy` files.

use crate::called::{Called, Numbers, Output};
use crate::console::{Failure, print};
use crate::input::{Input, Opened, Stored};
use crate::output::{self, Pending};
use crate::problem::Problem;
use crate::streamed::{Memory, Streamed};
use crate::threads::Threads;
use genred::cache::size;
use genred::formula::{Category, Variable};
use genred::npy::{Header, Writer};
use genred::reduce::Outputs;
use genred::{DType, Origin, Reduction, Several, Stats};
use half::f16;
use std::path::PathBuf;
use std::time::Instant;

pub(crate) const EXAMPLES: &str = "\
Files are given in the order of the arguments: one --in for each alias, then one for each inline Var(k,d,c). All hold float16, \
float32 or float64 numbers of one type: (rows, dim) for Vi and Vj, (dim,) for Pm. Indices are written as int64, -1 where there is \
no such point.

Examples:
  genred reduce Sum \"Exp(-SqNorm2(x - y))\" \"a = Vi(1)\" \"x = Vi(3)\" \"y = Vj(3)\" \\
      --in x.npy --in y.npy --out a.npy
  genred reduce ArgKMin \"SqDist(x, y)\" \"a = Vi(5)\" \"x = Vi(10)\" \"y = Vj(10)\" \\
      --in x.npy --in y.npy --out a.npy
  genred reduce Min_ArgMin \"SqDist(x, y)\" \"a = Vi(1)\" \"x = Vi(3)\" \"y = Vj(3)\" \\
      --in x.npy --in y.npy --out v.npy --out k.npy
  genred reduce LogSumExp \"-SqDist(x, y)\" \"a = Vi(1)\" \"x = Vi(3)\" \"y = Vj(3)\" \\
      --also ArgMax --in x.npy --in y.npy --out a.npy --out k.npy
  genred reduce Sum \"Exp(-SqNorm2(x - y))\" \"a = Vi(1)\" \"x = Vi(3)\" \"y = Vj(3)\" \\
      --in x.npy --in y.npy --out a.npy --memory 1G";

/// Arguments of `genred reduce`.
#[derive(clap::Args)]
pub(crate) struct Reduce {
    #[command(flatten)]
    problem: Problem,

    /// Another reduction of the formula, computed in the same pass: ArgMax, "KMin(3)"; its files follow in further --out. May be
    /// repeated
    #[arg(long, value_name = "REDUCTION")]
    also: Vec<String>,

    /// The file of an argument; once for each, in order
    #[arg(long = "in", value_name = "FILE.npy")]
    inputs: Vec<PathBuf>,

    /// The file of the result; Min_ArgMin, Max_ArgMax and KMin_ArgKMin take two: values, then indices
    #[arg(long = "out", value_name = "FILE.npy", required = true)]
    outputs: Vec<PathBuf>,

    /// Number of threads [default: all processors]; results have the same bits for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Call the kernel so many times; --stats gives the median time
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    repeat: u32,

    /// Read files in pieces and use at most about so much memory; K, M and G are understood. Results have the same bits. On a
    /// terminal a bar shows how far it is; after Ctrl-C there is no output file
    #[arg(long, value_name = "SIZE", value_parser = memory, conflicts_with = "repeat")]
    memory: Option<usize>,

    /// Print how it went as one line on stdout
    #[arg(long, value_name = "FORMAT")]
    stats: Option<Format>,
}

fn memory(text: &str) -> Result<usize, String> {
    let bytes = size(text).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| "a number of bytes is needed, such as 256M".to_owned())
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Json,
}

/// How it went.
struct Report {
    rows: usize,
    columns: usize,
    dtype: DType,
    /// Of the kernel.
    stats: Stats,
    /// Seconds from strings to a callable kernel.
    made: f64,
    /// Seconds of the median call.
    run: f64,
    /// What a call under a budget took.
    memory: Option<Memory>,
}

impl Reduce {
    /// Reduce, and write the result.
    ///
    /// # Errors
    /// For anything wrong with the texts, the files or the machine; there is no output file then.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let formula = self.problem.formula()?;
        let reduction = self.problem.reduction()?;
        self.check_outputs(reduction, &self.others()?)?;
        let opened = self.open(&formula.variables)?;
        for path in &self.outputs {
            output::probe(path)?;
        }
        let arguments: Vec<String> = opened
            .iter()
            .zip(&formula.variables)
            .map(|(opened, variable)| argument(variable, opened))
            .collect();
        let dtype = opened.first().map_or(DType::F32, |first| first.header.dtype);
        let report = match (dtype, self.memory) {
            (DType::F16, Some(budget)) => self.stream::<f16>(budget, &arguments),
            (DType::F32, Some(budget)) => self.stream::<f32>(budget, &arguments),
            (DType::F64, Some(budget)) => self.stream::<f64>(budget, &arguments),
            (DType::F16, None) => self.reduce::<f16>(opened, &arguments),
            (DType::F32, None) => self.reduce::<f32>(opened, &arguments),
            (DType::F64, None) => self.reduce::<f64>(opened, &arguments),
        }?;
        match self.stats {
            Some(Format::Json) => print(&report.json()),
            None => Ok(()),
        }
    }

    /// The reductions of `--also`.
    fn others(&self) -> Result<Vec<Reduction>, Failure> {
        let one = |text: &String| {
            let (name, k) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
                Some((name, k)) => (name, Some(k.trim().parse().map_err(|_| not_k(text))?)),
                None => (text.as_str(), None),
            };
            Reduction::from_name(name, k).map_err(Failure::new)
        };
        self.also.iter().map(one).collect()
    }

    fn check_outputs(&self, reduction: Reduction, others: &[Reduction]) -> Result<(), Failure> {
        let given = self.outputs.len();
        let all = || std::iter::once(reduction).chain(others.iter().copied());
        let files = |reduction: Reduction| match reduction.outputs() {
            Outputs::Values | Outputs::Indices => 1,
            Outputs::Both => 2,
        };
        let needed: usize = all().map(files).sum();
        if given != needed {
            let what = match reduction.outputs() {
                _ if !others.is_empty() => {
                    let names: Vec<&str> = all().map(Reduction::name).collect();
                    let names = names.join(", ");
                    let message = format!("{names} take {needed} --out; {given} are given");
                    return Err(Failure::new(message));
                }
                Outputs::Values => "one --out",
                Outputs::Indices => "one --out, for the indices",
                Outputs::Both => "two --out, for the values and for the indices",
            };
            let name = reduction.name();
            return Err(Failure::new(format!("`{name}` takes {what}; {given} are given")));
        }
        for (n, path) in self.outputs.iter().enumerate() {
            if self.outputs[..n].contains(path) {
                let path = path.display();
                return Err(Failure::new(format!("both results would be written to {path}")));
            }
        }
        Ok(())
    }

    /// Open the file of every argument and check what its header says.
    fn open(&self, variables: &[Variable]) -> Result<Vec<Opened>, Failure> {
        if variables.len() != self.inputs.len() {
            let names: Vec<String> = variables.iter().map(declared).collect();
            return Err(Failure::new(format!(
                "{} --in files are given, but the formula has {} arguments: {}",
                self.inputs.len(),
                names.len(),
                names.join(", ")
            )));
        }
        let mut opened: Vec<Opened> = Vec::with_capacity(variables.len());
        for (variable, path) in variables.iter().zip(&self.inputs) {
            let next = Opened::open(path).map_err(|failure| {
                failure.and(format!("  it is the file of {}", declared(variable)))
            })?;
            check_axes(variable, &next)?;
            if let Some(first) = opened.first()
                && first.header.dtype != next.header.dtype
            {
                return Err(Failure::new(format!(
                    "`{}` is {} in {}, but `{}` is {} in {}: all files have one dtype",
                    variable.name,
                    next.header.dtype,
                    path.display(),
                    variables[0].name,
                    first.header.dtype,
                    first.path.display()
                )));
            }
            opened.push(next);
        }
        Ok(opened)
    }

    fn reduce<T: Stored>(
        &self,
        opened: Vec<Opened>,
        arguments: &[String],
    ) -> Result<Report, Failure> {
        let inputs = opened.into_iter().map(Opened::load).collect::<Result<Vec<_>, _>>()?;
        let threads = Threads::start(self.threads)?;
        let start = Instant::now();
        let genred = threads.given_to(self.problem.genred::<T>()?);
        let kernel: Box<dyn Called<T>> = match self.others()? {
            others if others.is_empty() => Box::new(genred.compile()?),
            others => Box::new(genred.compile_with(&others)?),
        };
        let compiled = start.elapsed();

        let numbers: Vec<_> = inputs.iter().map(Input::numbers::<T>).collect();
        let views = inputs
            .iter()
            .zip(&numbers)
            .map(|(input, numbers)| input.view(numbers))
            .collect::<Result<Vec<_>, _>>()?;
        let (rows, columns) =
            kernel.shape(&views).map_err(|error| Failure::from(error).and(arguments.join("\n")))?;

        let start = Instant::now();
        let stats = kernel.prepare(rows, columns)?;
        let made = (compiled + start.elapsed()).as_secs_f64();

        let (results, run) = kernel.call(&views, rows, self.repeat)?;
        self.write(&results)?;
        Ok(Report { rows, columns, dtype: T::DTYPE, stats, made, run, memory: None })
    }

    /// Reduce under a budget of memory.
    fn stream<T: Stored>(&self, budget: usize, arguments: &[String]) -> Result<Report, Failure> {
        let threads = Threads::start(self.threads)?;
        let start = Instant::now();
        let genred = threads.given_to(self.problem.genred::<T>()?);
        let several: Several<T> = match self.others()? {
            others if others.is_empty() => genred.compile()?.into(),
            others => genred.compile_with(&others)?,
        };
        let compiled = start.elapsed();

        let streamed = Streamed::open(&several, &self.inputs, budget)?;
        let (rows, columns) =
            streamed.shape().map_err(|error| Failure::from(error).and(arguments.join("\n")))?;

        let start = Instant::now();
        let stats = several.prepare(rows, columns)?;
        let made = (compiled + start.elapsed()).as_secs_f64();

        let start = Instant::now();
        let memory = Some(streamed.write(&self.outputs)?);
        let run = start.elapsed().as_secs_f64();
        Ok(Report { rows, columns, dtype: T::DTYPE, stats, made, run, memory })
    }

    fn write<T: Stored>(&self, results: &[Output<T>]) -> Result<(), Failure> {
        let mut files = Vec::new();
        for path in &self.outputs {
            files.push(Pending::create(path)?);
        }
        for (file, Output { shape, numbers }) in files.iter_mut().zip(results) {
            match numbers {
                Numbers::Values(values) => {
                    file.fill(|file| Writer::new(file, shape)?.write(values))?;
                }
                Numbers::Indices(indices) => {
                    file.fill(|file| Writer::new(file, shape)?.write(indices))?;
                }
            }
        }
        Pending::publish(files)
    }
}

fn not_k(text: &str) -> Failure {
    Failure::new(format!("`{text}` is no reduction: K is a number, as in KMin(3)"))
}

/// `x = Vi(3)`.
fn declared(variable: &Variable) -> String {
    format!("`{} = {}({})`", variable.name, variable.category.text(), variable.dim)
}

fn argument(variable: &Variable, opened: &Opened) -> String {
    let Header { dtype, .. } = opened.header;
    let shape = opened.header.shape_text();
    format!("  {} is {shape} of {dtype} in {}", declared(variable), opened.path.display())
}

fn check_axes(variable: &Variable, opened: &Opened) -> Result<(), Failure> {
    let (needed, what) = match variable.category {
        Category::Param => (1, format!("({},)", variable.dim)),
        Category::I | Category::J => (2, format!("(rows, {})", variable.dim)),
    };
    if opened.header.shape.len() == needed {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} needs an array of shape {what}, but {} has shape {}",
        declared(variable),
        opened.path.display(),
        opened.header.shape_text()
    )))
}

impl Report {
    /// One line; `compile_s` or `load_s` is 0, as `origin` says.
    fn json(&self) -> String {
        let Report { rows, columns, dtype, stats, made, run, memory } = self;
        let Stats { engine, origin, refusals, .. } = stats;
        let refusals: Vec<String> = refusals
            .iter()
            .map(|(name, why)| format!("\"{name}\": \"{}\"", escaped(why)))
            .collect();
        let refusals = refusals.join(", ");
        let (compile, load) = if *origin == Origin::Compiled { (*made, 0.0) } else { (0.0, *made) };
        let pairs = *rows as f64 * *columns as f64;
        // A clock may stand still during a tiny call; JSON has no infinity.
        let rate = if *run > 0.0 { pairs / run } else { 0.0 };
        let origin = origin.name();
        let memory = memory.as_ref().map(|memory| format!(", \"memory\": {}", memory.json(*rows)));
        let memory = memory.unwrap_or_default();
        format!(
            "{{\"rows\": {rows}, \"columns\": {columns}, \"dtype\": \"{dtype}\", \"engine\": \"{engine}\", \
             \"refusals\": {{{refusals}}}, \"origin\": \"{origin}\", \"compile_s\": {compile:.9}, \"load_s\": {load:.9}, \"run_s\": {run:.9}, \
             \"pairs_per_s\": {rate:.0}{memory}}}\n"
        )
    }
}

/// A text within quotes of JSON.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}
