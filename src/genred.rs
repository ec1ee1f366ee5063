//! The builder, and the way down: the one file that knows every stage of the compiler, in order.

use crate::alias::{self, Role};
use crate::cpu::clif::{self, Clif};
use crate::cpu::code::Native;
use crate::cpu::launch::Launcher;
use crate::cpu::layout::Layout;
use crate::cpu::target::Target;
use crate::cpu::{Emitter, Refused};
use crate::dtype::{Element, Float, Real};
use crate::error::{Error, ErrorKind};
use crate::formula::{Category, Formula, typing};
use crate::kernel::{Compiled, Engine, Kernel, Origin, Plan, Stage};
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
}

impl Backend {
    /// The back end of a name as the tool takes it.
    ///
    /// ```
    /// assert_eq!(genred::Backend::from_name("clif"), Some(genred::Backend::Clif));
    /// ```
    pub fn from_name(name: &str) -> Option<Backend> {
        match name {
            "auto" => Some(Backend::Auto),
            "cpu" => Some(Backend::Cpu),
            "clif" => Some(Backend::Clif),
            _ => None,
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

    /// Compile.
    ///
    /// # Errors
    /// `Syntax`, `Shape`, `Limit` or `Usage` with the place in the text; `Device` if no engine takes the formula.
    pub fn compile(self) -> Result<Kernel<T>, Error> {
        let start = Instant::now();
        let aliases: Vec<&str> = self.aliases.iter().map(String::as_str).collect();
        let formula = typing::formula(&self.formula, self.weight.as_deref(), &aliases)?;
        let rows = self.check(&formula)?;
        let (scheme, float) = scheme(self.accumulate, self.reduction, T::DTYPE.compute())?;
        let plan = Plan {
            text: self.formula,
            formula,
            rows,
            reduction: self.reduction,
            scheme,
            float,
            backend: self.backend,
        };
        let compiled = compile(&plan, Lanes::Rows, start)?;
        Ok(Kernel::new(plan, compiled, self.pool))
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

/// The engines to try, best first.
fn emitters(backend: Backend) -> Vec<Box<dyn Emitter>> {
    match backend {
        Backend::Auto | Backend::Cpu | Backend::Clif => vec![Box::new(Clif)],
    }
}

/// The way down from a typed formula to callable code, for one shape class.
pub(crate) fn compile(plan: &Plan, lanes: Lanes, start: Instant) -> Result<Compiled, Error> {
    let lowered = lower(plan, Functions::Expanded);
    let mut refusals = Vec::new();
    for emitter in emitters(plan.backend) {
        let cost = lowered.program.cost(plan.reduction.family());
        let schedule = Schedule::choose(cost, emitter.registers(plan.float), lanes);
        match emitter.emit(&lowered.program, &schedule) {
            Ok(code) => {
                let layout = Layout::of(&lowered, schedule, &code);
                let bytes = code.bytes.len();
                let engine = match plan.float {
                    Float::F32 => load::<f32>(&code, layout).map(Engine::F32),
                    Float::F64 => load::<f64>(&code, layout).map(Engine::F64),
                };
                match engine {
                    Ok(engine) => {
                        return Ok(Compiled {
                            engine,
                            name: emitter.name(),
                            refusals,
                            origin: Origin::Compiled,
                            seconds: start.elapsed().as_secs_f64(),
                            bytes,
                        });
                    }
                    Err(Refused(why)) => refusals.push((emitter.name(), why)),
                }
            }
            Err(Refused(why)) => refusals.push((emitter.name(), why)),
        }
    }
    let reasons: Vec<String> =
        refusals.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let message = format!("no engine takes this formula ({})", reasons.join("; "));
    Err(Error::new(ErrorKind::Device, message))
}

/// The text of a stage.
pub(crate) fn explain(plan: &Plan, compiled: &Compiled, stage: Stage) -> String {
    let schedule = compiled.engine.layout().schedule;
    match stage {
        Stage::Parse => match syntax::parse(&plan.text) {
            Ok(ast) => ast.tree(),
            Err(error) => error.to_string(),
        },
        Stage::Typed => plan.formula.text(),
        Stage::Program => lower(plan, Functions::Intrinsic).program.text(Some(&schedule)),
        Stage::Schedule => format!("{} {schedule}\n", compiled.name),
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

fn load<C: Real>(code: &crate::cpu::Code, layout: Layout) -> Result<Launcher<C>, Refused> {
    Ok(Launcher::new(Box::new(Native::<C>::load(code, layout)?)))
}
