//! The builder of reductions: what is asked for, checked before anything is compiled.

use crate::alias::{self, Role};
use crate::cache::{Cache, Origin, Raw};
use crate::compile::{self, Choice};
use crate::cuda::Math;
use crate::dtype::{Element, Float};
use crate::engine::Plan;
use crate::error::{Error, ErrorKind};
use crate::formula::{Category, Formula, typing};
use crate::kernel::{Inner, Kernel};
use crate::loops::build::Scheme;
use crate::reduce::{Accumulate, Family, Reduction, Weight};
use crate::schedule::Lanes;
use crate::span::Span;
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
    /// The fastest CPU engine that takes the formula; where `GENRED_CUDA=auto` is set, a CUDA device for calls that are worth the
    /// copy. [`Kernel::prepare`] says what a call would run on, and why not on a device.
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
    /// NVIDIA devices, through the CUDA driver. Not yet measured on hardware.
    Cuda,
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
    pub const ALL: [Backend; 8] = [
        Backend::Auto,
        Backend::Cpu,
        Backend::Clif,
        Backend::Wide,
        Backend::Avx2,
        Backend::Avx512,
        Backend::Cuda,
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
            Backend::Cuda => "cuda",
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
    conditions: Vec<String>,
    accumulate: Accumulate,
    backend: Backend,
    pool: Pool,
    cache: Option<Cache>,
    device_memory: Option<u64>,
    math: Math,
    /// What a text that names its own reduction was typed to.
    stated: Option<Formula>,
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
            conditions: Vec::new(),
            accumulate: Accumulate::Auto,
            backend: Backend::Auto,
            pool: Pool::Current,
            cache: None,
            device_memory: None,
            math: Math::Accurate,
            stated: None,
            element: PhantomData,
        }
    }

    /// A text that names its own reduction and axis, as KeOps writes them at its lower level: `Sum_Reduction(f, t)` with t = 0
    /// for a result row for every i and t = 1 for every j, `KMin_Reduction(f, K, t)` and the others.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let sum = Genred::<f64>::stated("Sum_Reduction(x * y, 0)", &["x = Vi(1)", "y = Vj(1)"])?.compile()?;
    /// let (x, y) = ([2.0], [1.0, 2.0]);
    /// let a = sum.call(&[View::new(&x, 1, 1)?, View::new(&y, 2, 1)?])?;
    /// assert_eq!(a.as_slice(), [6.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Syntax`, `Shape` or `Limit` with the place in the text; `Syntax` too if the text is a plain formula.
    pub fn stated(text: &str, aliases: &[&str]) -> Result<Self, Error> {
        let Some(stated) = typing::low_level(text, aliases)? else {
            let whole = Span::new(0, text.len() as u32);
            let message = "this is a formula, not a reduction of one";
            return Err(Error::at(ErrorKind::Syntax, "formula", text, whole, message)
                .help("`Genred::reduction` takes a formula"));
        };
        let reduction = Reduction::from_name(&stated.reduction, stated.k).map_err(Error::usage)?;
        let axis = if stated.rows == Category::I { Axis::J } else { Axis::I };
        let mut genred =
            Self::reduction(reduction, text).aliases(aliases.iter().copied()).axis(axis);
        genred.stated = Some(stated.formula);
        Ok(genred)
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

    /// A condition that a pair must meet to take part: comparisons of sums and multiples of `IndexI`, `IndexJ` and integers, joined by
    /// `*` (and) or `+` (or). With several calls all must be met.
    ///
    /// Other pairs are left out as if they did not exist, in every reduction and derivative, and tiles of them cost nothing.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let nearest = Genred::<f32>::argmin("SqDist(x, y)").keep("IndexI != IndexJ")
    ///     .output("k = Vi(1)").alias("x = Vi(1)").alias("y = Vj(1)").compile()?;
    /// let x = [0.0, 1.0, 5.0];
    /// let x = View::new(&x, 3, 1)?;
    /// assert_eq!(nearest.call_indices(&[x, x])?.as_slice(), [1, 0, 1]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn keep(mut self, condition: impl Into<String>) -> Self {
        self.conditions.push(condition.into());
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

    /// Let each call use at most so many bytes of each device's memory; by default most of what is free. Larger inputs are
    /// streamed in tiles of columns and panels of rows, with the same results to the bit. CPU engines take no notice.
    ///
    /// ```
    /// use genred::{Backend, Genred};
    /// let kde = Genred::<f32>::sum("Exp(-SqDist(x, y))").output("a = Vi(1)").aliases(["x = Vi(3)", "y = Vj(3)"])
    ///     .backend(Backend::Cpu).device_memory(1 << 30).compile()?;
    /// assert_eq!(kde.device_bytes(1_000, 1_000), None);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn device_memory(mut self, bytes: u64) -> Self {
        self.device_memory = Some(bytes);
        self
    }

    /// Let devices approximate functions, divisions and roots, and flush subnormal numbers. CPU engines take no notice.
    pub fn fast_math(mut self) -> Self {
        self.math = Math::Fast;
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
        let choice = Choice::of(self.backend, self.device_memory, self.math)?;
        let raw = self.raw(&choice);
        let pool = self.pool.clone();
        if let Some(inner) = cache.recall::<Inner>(&raw) {
            return Ok(Kernel::new(inner, cache, pool, Origin::Memory, start.elapsed()));
        }
        let plan = self.plan()?;
        let asked = format!("{} of {} by {choice:?}", plan.text, plan.formula.names());
        let named = compile::key(&plan, &choice, Lanes::Rows, &asked);
        let (inner, origin) = cache.once(&raw, &named, || {
            let (compiled, origin) = compile::obtain(&plan, &choice, Lanes::Rows, &cache)?;
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
            .number(u64::from(self.stated.is_some()))
            .number(self.conditions.len() as u64)
            .text(&choice.names)
            .number(choice.device as u64)
            .number(choice.device_memory.map_or(0, |bytes| bytes.saturating_add(1)))
            .number(choice.math as u64);
        for alias in self.conditions.iter().chain(&self.aliases) {
            raw = raw.text(alias);
        }
        raw
    }

    /// Parse, type and check.
    fn plan(&self) -> Result<Plan, Error> {
        let aliases: Vec<&str> = self.aliases.iter().map(String::as_str).collect();
        let formula = match &self.stated {
            Some(_) if !self.conditions.is_empty() => {
                let message = "a text that states its own reduction takes no condition";
                return Err(Error::usage(message).help("`Genred::reduction` takes a formula"));
            }
            Some(formula) => formula.clone(),
            None => {
                let conditions: Vec<&str> = self.conditions.iter().map(String::as_str).collect();
                typing::kept(&self.formula, self.weight.as_deref(), &conditions, &aliases)?
            }
        };
        let rows = self.check(&formula)?;
        let (scheme, float) = scheme(self.accumulate, self.reduction, T::DTYPE.compute())?;
        Ok(Plan {
            text: self.formula.clone(),
            formula,
            rows,
            reduction: self.reduction,
            scheme,
            float,
            stored: T::DTYPE,
        })
    }

    /// Check the reduction's demands and the declared output; gives the category of the result's rows.
    fn check(&self, formula: &Formula) -> Result<Category, Error> {
        let (name, dim) = (self.reduction.name(), formula.root_dim(0));
        let whole = |text: &str| Span::new(0, text.len() as u32);
        match (self.reduction.weight(), &self.weight) {
            _ if self.stated.is_some() => {}
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
