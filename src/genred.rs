//! The builder of reductions: what is asked for, checked before anything is compiled.
//!
//! ```
//! use genred::genred::{Axis, Backend, Genred};
//! use genred::{Accumulate, View};
//! let sum = Genred::<f64>::sum("x * y").aliases(["x = Vi(1)", "y = Vj(1)"]).axis(Axis::J)
//!     .accumulate(Accumulate::Kahan).backend(Backend::Cpu).single_threaded().compile()?;
//! let x = View::new(&[1.0, 2.0], 2, 1)?;
//! assert_eq!(sum.call(&[x, x])?.as_slice(), [3.0, 6.0]);
//! # Ok::<(), genred::Error>(())
//! ```

use crate::cache::{Cache, Origin, Raw};
use crate::compile::{self, Choice};
use crate::cuda::Math;
use crate::dtype::Element;
use crate::engine::Plan;
use crate::error::{Error, ErrorKind};
use crate::formula::{Category, Formula, typing};
use crate::kernel::{Inner, Kernel};
use crate::reduce::{Accumulate, Family, Reduction};
use crate::schedule::Lanes;
use crate::span::Span;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

mod backend;
mod check;
mod shorthands;

pub use backend::{Axis, Backend};

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
    pub(crate) reduction: Reduction,
    output: Option<String>,
    aliases: Vec<String>,
    axis: Option<Axis>,
    conditions: Vec<String>,
    pub(crate) accumulate: Accumulate,
    backend: Backend,
    pool: Pool,
    cache: Option<Cache>,
    device_memory: Option<u64>,
    math: Math,
    /// What a text that names its own reduction was typed to.
    pub(crate) stated: Option<Formula>,
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
    ///
    /// ```
    /// use genred::{Genred, View};
    /// // One row for every j: a sum over i.
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vj(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let a = sum.call(&[View::new(&[1.0, 2.0], 2, 1)?, View::new(&[10.0], 1, 1)?])?;
    /// assert_eq!(a.as_slice(), [30.0]);
    /// // The dim is that of the formula.
    /// let wrong = Genred::<f64>::sum("x * y").output("a = Vi(2)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile();
    /// assert!(wrong.is_err_and(|error| error.is_shape()));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn output(mut self, output: impl Into<String>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// One more argument of the call, `x = Vi(3)`.
    ///
    /// ```
    /// use genred::Genred;
    /// let scaled = Genred::<f64>::sum("g * x * y").output("a = Vi(1)").alias("x = Vi(1)").alias("y = Vj(1)").alias("g = Pm(1)");
    /// assert_eq!(scaled.compile()?.arguments(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// More arguments of the call, in order.
    ///
    /// ```
    /// use genred::Genred;
    /// let scaled = Genred::<f64>::sum("g * x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)", "g = Pm(1)"]);
    /// assert_eq!(scaled.compile()?.arguments(), 3);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn aliases<S: Into<String>>(mut self, aliases: impl IntoIterator<Item = S>) -> Self {
        self.aliases.extend(aliases.into_iter().map(Into::into));
        self
    }

    /// The axis that is reduced over, where there is no output alias.
    ///
    /// ```
    /// use genred::{Axis, Genred, View};
    /// let sum = Genred::<f64>::sum("x * y").aliases(["x = Vi(1)", "y = Vj(1)"]).axis(Axis::I).compile()?;
    /// let a = sum.call(&[View::new(&[1.0, 2.0], 2, 1)?, View::new(&[10.0], 1, 1)?])?;
    /// assert_eq!(a.as_slice(), [30.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
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
    ///
    /// ```
    /// use genred::{Accumulate, Genred, View};
    /// let sum = Genred::<f32>::sum("y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// let exact = sum.accumulate(Accumulate::Double).compile()?;
    /// // Added in float32, the first 1 would be lost.
    /// let a = exact.call(&[View::new(&[0.0], 1, 1)?, View::new(&[1.0, 1e9, -1e9], 3, 1)?])?;
    /// assert_eq!(a.as_slice(), [1.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn accumulate(mut self, accumulate: Accumulate) -> Self {
        self.accumulate = accumulate;
        self
    }

    /// What evaluates the formula.
    ///
    /// ```
    /// use genred::{Backend, Genred, View};
    /// let on = |backend| {
    ///     let kde = Genred::<f32>::sum("Exp(-SqDist(x, y))").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    ///     let x: Vec<f32> = (0..100).map(|k| k as f32 / 10.0).collect();
    ///     let x = View::new(&x, 100, 1)?;
    ///     kde.backend(backend).compile()?.call(&[x, x])
    /// };
    /// // The same bits on every engine.
    /// assert_eq!(on(Backend::Clif)?, on(Backend::Cpu)?);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Run calls on the calling thread.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let kde = Genred::<f32>::sum("Exp(-SqDist(x, y))").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// let x: Vec<f32> = (0..3_000).map(|k| k as f32 / 10.0).collect();
    /// let x = View::new(&x, 3_000, 1)?;
    /// // Slower, with the same bits.
    /// assert_eq!(kde.clone().single_threaded().compile()?.call(&[x, x])?, kde.compile()?.call(&[x, x])?);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn single_threaded(mut self) -> Self {
        self.pool = Pool::One;
        self
    }

    /// Run calls on this pool instead of rayon's current one. Results have the same bits for any number of threads.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let pool = std::sync::Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads"));
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).pool(pool).compile()?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// assert_eq!(sum.call(&[x, x])?.as_slice(), [3.0, 6.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
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
    ///
    /// ```
    /// use genred::{Backend, Genred, View};
    /// let sum = Genred::<f64>::sum("x / y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// let x = View::new(&[1.0, 3.0], 2, 1)?;
    /// let [plain, fast] = [sum.clone(), sum.fast_math()].map(|sum| sum.backend(Backend::Cpu).compile());
    /// assert_eq!(fast?.call(&[x, x])?, plain?.call(&[x, x])?);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn fast_math(mut self) -> Self {
        self.math = Math::Fast;
        self
    }

    /// Keep compiled code in this cache instead of the [shared](Cache::shared) one.
    ///
    /// ```
    /// use genred::cache::{Cache, Mode, Options};
    /// use genred::{Genred, Origin};
    /// let cache = Cache::open(Options::new().mode(Mode::Off));
    /// let sum = || Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).cache(&cache);
    /// assert_eq!(sum().compile()?.origin(), Origin::Compiled);
    /// assert_eq!(sum().compile()?.origin(), Origin::Memory);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn cache(mut self, cache: &Cache) -> Self {
        self.cache = Some(cache.clone());
        self
    }

    /// Compile, or find the kernel that an equal request gave before: in this process, or in the cache on disk.
    ///
    /// ```
    /// use genred::{Genred, View};
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let x = View::new(&[1.0, 2.0], 2, 1)?;
    /// assert_eq!(sum.call(&[x, x])?.as_slice(), [3.0, 6.0]);
    /// let wrong = Genred::<f64>::sum("x * z").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile();
    /// assert!(wrong.unwrap_err().to_string().contains("`z`"));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Syntax`, `Shape`, `Limit` or `Usage` with the place in the text; `Device` if no engine takes the formula.
    pub fn compile(self) -> Result<Kernel<T>, Error> {
        let reduction = [self.reduction];
        self.compiled(&reduction, &reduction)
    }

    /// The kernel that computes some parts in one pass, which give what is asked for.
    pub(crate) fn compiled(
        &self,
        asked: &[Reduction],
        parts: &[Reduction],
    ) -> Result<Kernel<T>, Error> {
        let start = Instant::now();
        let cache = self.cache.clone().unwrap_or_else(|| Cache::shared().clone());
        let mut choice = Choice::of(self.backend, self.device_memory, self.math)?;
        if parts.len() > 1 {
            choice = choice.without_device();
        }
        let raw = self.raw(&choice, asked, parts);
        let pool = self.pool.clone();
        if let Some(inner) = cache.recall::<Inner>(&raw) {
            return Ok(Kernel::new(inner, cache, pool, Origin::Memory, start.elapsed()));
        }
        let plan = self.plan(asked, parts)?;
        let names = format!("{} of {} by {choice:?}", plan.text, plan.formula.names());
        let named = compile::key(&plan, &choice, Lanes::Rows, &names);
        let (inner, origin) = cache.once(&raw, &named, || {
            let (compiled, origin) = compile::obtain(&plan, &choice, Lanes::Rows, &cache)?;
            let bytes = compiled.bytes;
            Ok::<_, Error>((Arc::new(Inner::new(plan, choice, compiled)), bytes, origin))
        })?;
        Ok(Kernel::new(inner, cache, pool, origin, start.elapsed()))
    }

    /// The request as it was made: equal texts and options mean an equal kernel.
    fn raw(&self, choice: &Choice, asked: &[Reduction], parts: &[Reduction]) -> Raw {
        let mut raw = Raw::new().text(T::DTYPE.name());
        for reductions in [asked, parts] {
            raw = raw.number(reductions.len() as u64);
            for reduction in reductions {
                raw = raw.text(reduction.name()).number(u64::from(reduction.k().unwrap_or(0)));
            }
        }
        raw = raw
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
    fn plan(&self, asked: &[Reduction], parts: &[Reduction]) -> Result<Plan, Error> {
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
        for reduction in asked {
            self.check_reduction(*reduction, asked, &formula)?;
        }
        let rows = self.check_output(&formula)?;
        let sum = asked.iter().find(|reduction| reduction.family() != Family::Selection);
        let summed = *sum.unwrap_or(&asked[0]);
        let (scheme, float) = check::scheme(self.accumulate, summed, T::DTYPE.compute())?;
        Ok(Plan {
            text: self.formula.clone(),
            formula,
            rows,
            reduction: parts[0],
            beside: parts[1..].to_vec(),
            scheme,
            float,
            stored: T::DTYPE,
        })
    }
}
