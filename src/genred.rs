//! The builder, and the way down: the one file that knows every stage of the compiler, in order.

use crate::alias::{self, Role};
use crate::cache::{self, Cache, Fields, Key, Kind, Origin, Raw, key};
use crate::cpu::artifact::{self, Notes};
use crate::cpu::clif::{self, Clif};
use crate::cpu::code::Native;
use crate::cpu::launch::Launcher;
use crate::cpu::layout::Layout;
use crate::cpu::target::Target;
use crate::cpu::{Emitter, Refused};
use crate::dtype::{Element, Float};
use crate::engine::{Compiled, Engine, Plan};
use crate::error::{Error, ErrorKind};
use crate::formula::{Category, Formula, typing};
use crate::kernel::{Inner, Kernel, Stage};
use crate::loops::build::{self, Lowered, Scheme, Source};
use crate::loops::builder::Functions;
use crate::reduce::{Accumulate, Family, Reduction, Weight};
use crate::schedule::{Lanes, Schedule};
use crate::span::Span;
use crate::syntax;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

/// Which axis is reduced over, where no output alias says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Over i: the result has one row for every j. KeOps' axis 0.
    I,
    /// Over j: the result has one row for every i. KeOps' axis 1.
    J,
}

/// What evaluates the formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Backend {
    /// The fastest engine of this machine that takes the formula.
    #[default]
    Auto,
    /// The fastest CPU engine that takes the formula.
    Cpu,
    /// Cranelift's 128-bit vectors.
    Clif,
    /// The widest vectors of this x86-64 processor.
    Wide,
    /// 256-bit vectors.
    Avx2,
    /// 512-bit vectors.
    Avx512,
    /// The interpreter that defines what formulas mean: float64 inside, slow.
    Eval,
}

impl Backend {
    /// The back end of a name as the tool takes it.
    ///
    /// ```
    /// assert_eq!(genred::Backend::from_name("clif"), Some(genred::Backend::Clif));
    /// ```
    pub fn from_name(name: &str) -> Option<Backend> {
        Backend::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// Every back end.
    pub const ALL: [Backend; 7] = [
        Backend::Auto,
        Backend::Cpu,
        Backend::Clif,
        Backend::Wide,
        Backend::Avx2,
        Backend::Avx512,
        Backend::Eval,
    ];

    /// The name that the tool takes.
    ///
    /// ```
    /// assert_eq!(genred::Backend::Avx512.name(), "avx512");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Backend::Auto => "auto",
            Backend::Cpu => "cpu",
            Backend::Clif => "clif",
            Backend::Wide => "wide",
            Backend::Avx2 => "avx2",
            Backend::Avx512 => "avx512",
            Backend::Eval => "eval",
        }
    }
}

/// How many threads a kernel uses.
#[derive(Clone, Debug, Default)]
pub(crate) enum Pool {
    /// rayon's current pool.
    #[default]
    Current,
    /// The calling thread.
    One,
    /// A pool of its own.
    Own(Arc<rayon::ThreadPool>),
}

/// A reduction to be compiled: formula, aliases, options.
///
/// ```
/// use genred::{Genred, View};
/// let kde = Genred::<f64>::sum("Exp(-SqNorm2(x - y))")
///     .output("a = Vi(1)")
///     .alias("x = Vi(1)")
///     .alias("y = Vj(1)")
///     .compile()?;
/// let (x, y) = ([0.0, 1.0], [0.0, 1.0, 2.0]);
/// let a = kde.call(&[View::new(&x, 2, 1)?, View::new(&y, 3, 1)?])?;
/// assert!((a[(0, 0)] - (1.0 + (-1.0f64).exp() + (-4.0f64).exp())).abs() < 1e-15);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Genred<T> {
    formula: String,
    weight: Option<String>,
    reduction: Reduction,
    output: Option<String>,
    aliases: Vec<String>,
    axis: Option<Axis>,
    accumulate: Accumulate,
    backend: Backend,
    pool: Pool,
    cache: Option<Cache>,
    element: PhantomData<fn(T)>,
}

impl<T: Element> Genred<T> {
    /// Any reduction of a formula.
    ///
    /// ```
    /// use genred::{Genred, Reduction};
    /// let nearest = Genred::<f32>::reduction(Reduction::MinArgMin, "SqDist(x, y)")
    ///     .output("a = Vi(1)").alias("x = Vi(2)").alias("y = Vj(2)").compile()?;
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn reduction(reduction: Reduction, formula: impl Into<String>) -> Self {
        Genred {
            formula: formula.into(),
            weight: None,
            reduction,
            output: None,
            aliases: Vec::new(),
            axis: None,
            accumulate: Accumulate::Auto,
            backend: Backend::Auto,
            pool: Pool::Current,
            cache: None,
            element: PhantomData,
        }
    }

    /// The sum over the reduced axis.
    pub fn sum(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::Sum, formula)
    }

    /// The logarithm of the sum of exponentials, without overflow; `formula` has dim 1.
    pub fn logsumexp(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::LogSumExp, formula)
    }

    /// The smallest value of each component.
    pub fn min(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::Min, formula)
    }

    /// The largest value of each component.
    pub fn max(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::Max, formula)
    }

    /// The index of the smallest value of each component; the lowest of equal ones.
    pub fn argmin(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::ArgMin, formula)
    }

    /// The index of the largest value of each component; the lowest of equal ones.
    pub fn argmax(formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::ArgMax, formula)
    }

    /// The `k` smallest values of each component, ascending.
    pub fn kmin(k: u32, formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::KMin(k), formula)
    }

    /// The indices of the `k` smallest values of each component.
    pub fn argkmin(k: u32, formula: impl Into<String>) -> Self {
        Self::reduction(Reduction::ArgKMin(k), formula)
    }

    /// The weight: exponentials are multiplied by it (KeOps' `formula2`).
    ///
    /// ```
    /// let mean = genred::Genred::<f64>::reduction(genred::Reduction::SumSoftMaxWeight, "-SqDist(x, y)")
    ///     .weight("y").output("a = Vi(2)").alias("x = Vi(2)").alias("y = Vj(2)").compile()?;
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn weight(mut self, formula: impl Into<String>) -> Self {
        self.weight = Some(formula.into());
        self
    }

    /// The output, `a = Vi(1)`: its category says which axis remains, its dim is checked against the formula's.
    pub fn output(mut self, output: impl Into<String>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// One more argument of the call, `x = Vi(3)`.
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// More arguments of the call, in order.
    pub fn aliases<S: Into<String>>(mut self, aliases: impl IntoIterator<Item = S>) -> Self {
        self.aliases.extend(aliases.into_iter().map(Into::into));
        self
    }

    /// The axis that is reduced over, where there is no output alias.
    pub fn axis(mut self, axis: Axis) -> Self {
        self.axis = Some(axis);
        self
    }

    /// How sums are accumulated.
    pub fn accumulate(mut self, accumulate: Accumulate) -> Self {
        self.accumulate = accumulate;
        self
    }

    /// What evaluates the formula.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Run calls on the calling thread.
    pub fn single_threaded(mut self) -> Self {
        self.pool = Pool::One;
        self
    }

    /// Run calls on this pool instead of rayon's current one. Results have the same bits for any number of threads.
    pub fn pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.pool = Pool::Own(pool);
        self
    }

    /// Keep compiled code in this cache instead of the [shared](Cache::shared) one.
    pub fn cache(mut self, cache: &Cache) -> Self {
        self.cache = Some(cache.clone());
        self
    }

    /// Compile, or find the kernel that an equal request gave before: in this process, or in the cache on disk.
    ///
    /// # Errors
    /// `Syntax`, `Shape`, `Limit` or `Usage` with the place in the text; `Device` if no engine takes the formula.
    pub fn compile(self) -> Result<Kernel<T>, Error> {
        let start = Instant::now();
        let cache = self.cache.clone().unwrap_or_else(|| Cache::shared().clone());
        let choice = Choice::of(self.backend)?;
        let raw = self.raw(&choice);
        let pool = self.pool.clone();
        if let Some(inner) = cache.recall::<Inner>(&raw) {
            return Ok(Kernel::new(inner, cache, pool, Origin::Memory, start.elapsed()));
        }
        let plan = self.plan()?;
        let asked = format!("{} of {}", plan.text, plan.formula.names());
        let named = key(&plan, &choice, Lanes::Rows, &asked);
        let (inner, origin) = cache.once(&raw, &named, || {
            let (compiled, origin) = obtain(&plan, &choice, Lanes::Rows, &cache)?;
            let bytes = compiled.bytes;
            Ok::<_, Error>((Arc::new(Inner::new(plan, choice, compiled)), bytes, origin))
        })?;
        Ok(Kernel::new(inner, cache, pool, origin, start.elapsed()))
    }

    /// The request as it was made: equal texts and options mean an equal kernel.
    fn raw(&self, choice: &Choice) -> Raw {
        let mut raw = Raw::new()
            .text(T::DTYPE.name())
            .text(self.reduction.name())
            .number(u64::from(self.reduction.k().unwrap_or(0)))
            .text(&self.formula)
            .text(self.weight.as_deref().unwrap_or(""))
            .text(self.output.as_deref().unwrap_or(""))
            .number(self.axis.map_or(0, |axis| 1 + axis as u64))
            .number(self.accumulate as u64)
            .text(&choice.names);
        for alias in &self.aliases {
            raw = raw.text(alias);
        }
        raw
    }

    /// Parse, type and check.
    fn plan(&self) -> Result<Plan, Error> {
        let aliases: Vec<&str> = self.aliases.iter().map(String::as_str).collect();
        let formula = typing::formula(&self.formula, self.weight.as_deref(), &aliases)?;
        let rows = self.check(&formula)?;
        let (scheme, float) = scheme(self.accumulate, self.reduction, T::DTYPE.compute())?;
        Ok(Plan {
            text: self.formula.clone(),
            formula,
            rows,
            reduction: self.reduction,
            scheme,
            float,
        })
    }

    /// Check the reduction's demands and the declared output; gives the category of the result's rows.
    fn check(&self, formula: &Formula) -> Result<Category, Error> {
        let (name, dim) = (self.reduction.name(), formula.root_dim(0));
        let whole = |text: &str| Span::new(0, text.len() as u32);
        match (self.reduction.weight(), &self.weight) {
            (Weight::Required, None) => {
                return Err(Error::usage(format!("`{name}` needs a weight formula")));
            }
            (Weight::Refused, Some(weight)) => {
                let message = format!("`{name}` takes no weight formula");
                let at = whole(weight);
                return Err(Error::at(ErrorKind::Usage, "weight", weight, at, message));
            }
            _ => {}
        }
        if self.reduction.family() == Family::Exponential && dim != 1 {
            let message = format!("`{name}` needs a formula of dim 1; this one has dim {dim}");
            let at = whole(&self.formula);
            return Err(Error::at(ErrorKind::Shape, "formula", &self.formula, at, message));
        }
        if let Some(k) = self.reduction.k()
            && !(1..=crate::limits::K as u32).contains(&k)
        {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("K of `{name}` must be from 1 to {}, not {k}", crate::limits::K),
            ));
        }
        let weight = (formula.roots.len() > 1).then(|| formula.root_dim(1));
        let result = self.reduction.output_dim(dim, weight);
        let declared = self.output.as_deref().map(|text| alias::parse(text, Role::Output));
        let Some(declared) = declared.transpose()? else {
            return match self.axis {
                Some(Axis::I) => Ok(Category::J),
                Some(Axis::J) => Ok(Category::I),
                None => Err(Error::usage("neither an output nor an axis is given").help(
                    "`.output(\"a = Vi(1)\")` gives a result row for every i, `Vj` for every j",
                )),
            };
        };
        let text = self.output.as_deref().unwrap_or_default();
        if declared.dim != result {
            let message = format!(
                "the output is declared with dim {}, but {name} of this formula has dim {result}",
                declared.dim
            );
            return Err(Error::at(ErrorKind::Shape, "output", text, whole(text), message));
        }
        let rows = declared.category;
        if self.axis.is_some_and(|axis| (axis == Axis::J) != (rows == Category::I)) {
            let message =
                format!("the output has {} rows, but the axis given leaves the other", rows.text());
            return Err(Error::at(ErrorKind::Usage, "output", text, whole(text), message));
        }
        Ok(rows)
    }
}

/// The accumulation scheme of an option, and the type to compute in.
fn scheme(
    accumulate: Accumulate,
    reduction: Reduction,
    float: Float,
) -> Result<(Scheme, Float), Error> {
    if reduction.family() == Family::Selection && accumulate != Accumulate::Auto {
        let message = format!(
            "`{}` does not accumulate sums, so it takes no accumulation scheme",
            reduction.name()
        );
        return Err(Error::usage(message));
    }
    Ok(match accumulate {
        Accumulate::Auto | Accumulate::Block => (Scheme::Block, float),
        Accumulate::Direct => (Scheme::Direct, float),
        Accumulate::Kahan => (Scheme::Kahan, float),
        Accumulate::Double => (Scheme::Block, Float::F64),
    })
}

/// The engines that may run a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Names of native engines, best first, or `eval`; part of the key.
    pub(crate) names: String,
}

/// Restricts the CPU engines of this process to one: `clif`, `avx2` or `avx512`.
const FORCE: &str = "GENRED_CPU";

impl Choice {
    fn of(backend: Backend) -> Result<Choice, Error> {
        let available = |names: &[&str]| -> Vec<&'static str> {
            let all = emitters();
            let wanted = all.iter().map(|e| e.name()).filter(|name| names.contains(name));
            wanted.collect()
        };
        let forced = std::env::var(FORCE).ok().filter(|name| !name.is_empty());
        let names = match (backend, &forced) {
            (Backend::Eval, _) => vec!["eval"],
            (Backend::Auto | Backend::Cpu, Some(name)) => available(&[name]),
            (Backend::Auto | Backend::Cpu, None) => available(&["avx512", "avx2", "clif"]),
            (Backend::Wide, _) => available(&["avx512", "avx2"]),
            (Backend::Clif, _) => available(&["clif"]),
            (Backend::Avx2, _) => available(&["avx2"]),
            (Backend::Avx512, _) => available(&["avx512"]),
        };
        if names.is_empty() {
            let all: Vec<&str> = emitters().iter().map(|e| e.name()).collect();
            let wanted = forced.unwrap_or_else(|| backend.name().to_owned());
            let message = format!("this machine has no engine `{wanted}`");
            return Err(Error::new(ErrorKind::Device, message)
                .help(format!("its CPU engines are {}", all.join(", "))));
        }
        Ok(Choice { names: names.join(",") })
    }

    /// The native engines, best first.
    fn emitters(&self) -> Vec<Box<dyn Emitter>> {
        let mut all = emitters();
        all.retain(|e| self.names.split(',').any(|name| name == e.name()));
        all
    }
}

/// The native engines of this machine, best first.
fn emitters() -> Vec<Box<dyn Emitter>> {
    vec![Box::new(Clif)]
}

/// What identifies the code of a plan for one shape class; `asked` is what only messages depend on.
fn key(plan: &Plan, choice: &Choice, lanes: Lanes, asked: &str) -> Key {
    let formula = plan.formula.canonical_text();
    let generator = format!("cranelift {}", cranelift_codegen::VERSION);
    Key::new(&Fields {
        engine: key::ENGINE_VERSION,
        epoch: key::CODEGEN_EPOCH,
        source: key::SOURCE_DIGEST,
        generator: &generator,
        formula: &formula,
        reduction: plan.reduction.name(),
        k: plan.reduction.k().unwrap_or(0),
        rows: if plan.rows == Category::I { "i" } else { "j" },
        dtype: plan.float.name(),
        accumulator: plan.float.name(),
        scheme: plan.scheme.name(),
        schedule: match lanes {
            Lanes::Rows => "lanes=rows",
            Lanes::Columns => "lanes=columns",
        },
        back_end: &choice.names,
        kind: Kind::Native,
        arch: key::arch(),
        os: std::env::consts::OS,
        abi: "sysv64",
        features: Target::host().features,
        argument_abi: crate::cpu::ARGS_ABI,
        device: "",
        options: asked,
    })
}

/// The code of a plan for one shape class: from memory, from disk, or compiled.
pub(crate) fn obtain(
    plan: &Plan,
    choice: &Choice,
    lanes: Lanes,
    cache: &Cache,
) -> Result<(Arc<Compiled>, Origin), Error> {
    if choice.names == "eval" {
        let notes = Notes { engine: "eval".into(), refusals: Vec::new() };
        let compiled = Compiled { engine: Engine::Eval, notes, bytes: 0 };
        return Ok((Arc::new(compiled), Origin::Compiled));
    }
    let key = key(plan, choice, lanes, "");
    let raw = Raw::new().bytes(key.digest());
    cache.once(&raw, &key, || {
        let features = Target::host().features;
        let (compiled, origin) = cache.obtain(&key, features, load, || {
            let start = Instant::now();
            let code = compile(plan, choice, lanes)?;
            let compile_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            Ok::<_, Error>(cache::Compiled { code, compile_ns })
        })?;
        let bytes = compiled.bytes;
        Ok((Arc::new(compiled), bytes, origin))
    })
}

/// The way down from a typed formula to code, for one shape class.
fn compile(plan: &Plan, choice: &Choice, lanes: Lanes) -> Result<Vec<u8>, Error> {
    let lowered = lower(plan, Functions::Expanded);
    let cost = lowered.program.cost(plan.reduction.family());
    let mut refusals: Vec<(String, String)> = Vec::new();
    for emitter in choice.emitters() {
        let schedule = Schedule::choose(cost, emitter.registers(plan.float), lanes);
        match emitter.emit(&lowered.program, &schedule) {
            Ok(code) => {
                let layout = Layout::of(&lowered, schedule, &code);
                let notes = Notes { engine: emitter.name().into(), refusals };
                return Ok(artifact::encode(&code, &layout, &notes));
            }
            Err(Refused(why)) => refusals.push((emitter.name().into(), why)),
        }
    }
    let reasons: Vec<String> =
        refusals.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let message = format!("no engine takes this formula ({})", reasons.join("; "));
    Err(Error::new(ErrorKind::Device, message))
}

/// Callable code of an artifact.
fn load(bytes: &[u8]) -> Result<Compiled, Error> {
    let refused = |why: String| Error::new(ErrorKind::Device, why);
    let (code, layout, notes) =
        artifact::decode(bytes).ok_or_else(|| refused("this is not a kernel".into()))?;
    let engine = match layout.float {
        Float::F32 => Native::<f32>::load(&code, layout)
            .map(|native| Engine::F32(Launcher::new(Box::new(native)))),
        Float::F64 => Native::<f64>::load(&code, layout)
            .map(|native| Engine::F64(Launcher::new(Box::new(native)))),
    };
    let engine = engine.map_err(|Refused(why)| refused(why))?;
    Ok(Compiled { engine, notes, bytes: code.bytes.len() })
}

/// The text of a stage.
pub(crate) fn explain(plan: &Plan, compiled: &Compiled, stage: Stage) -> String {
    let schedule = match compiled.engine.layout() {
        Ok(layout) => layout.schedule,
        Err(error) if matches!(stage, Stage::Schedule | Stage::Clif) => {
            return format!("{error}\n");
        }
        Err(_) => Schedule::choose(
            lower(plan, Functions::Expanded).program.cost(plan.reduction.family()),
            Clif.registers(plan.float),
            Lanes::Rows,
        ),
    };
    match stage {
        Stage::Parse => match syntax::parse(&plan.text) {
            Ok(ast) => ast.tree(),
            Err(error) => error.to_string(),
        },
        Stage::Typed => plan.formula.text(),
        Stage::Program => format!("{:#?}\n", lower(plan, Functions::Intrinsic).program),
        Stage::Schedule => format!("{} {schedule}\n", compiled.notes.engine),
        Stage::Clif => {
            let program = lower(plan, Functions::Expanded).program;
            clif::text(&program, &schedule)
                .unwrap_or_else(|Refused(why)| format!("refused: {why}\n"))
        }
    }
}

/// The staged program of a plan.
pub(crate) fn lower(plan: &Plan, functions: Functions) -> Lowered {
    build::build(&Source {
        formula: &plan.formula,
        rows: plan.rows,
        reduction: plan.reduction,
        scheme: plan.scheme,
        float: plan.float,
        fma: Target::host().fma,
        functions,
    })
}
