//! What the value suites share: cases, engines under test, memory layouts, and the check against the oracle's bounds.
#![allow(dead_code, reason = "each suite uses its part")]
#![allow(unreachable_pub, reason = "a module of several test crates")]

use genred::cache::{Mode, Options};
use genred::eval::bound::{self, Bounds, Tree};
use genred::eval::{Matrix, Task};
use genred::formula::{Category, Formula, typing};
use genred::reduce::{Family, Outputs};
use genred::{
    Accumulate, Axis, Backend, Cache, DType, Element, Float, Genred, Kernel, Origin, Reduction,
    View,
};
use half::f16;
use std::sync::OnceLock;

/// A reduction of a formula, as text.
#[derive(Clone, Debug)]
pub struct Problem {
    pub reduction: Reduction,
    pub formula: String,
    pub weight: Option<String>,
    pub aliases: Vec<String>,
    /// KeOps' number of the reduced axis: 1 reduces over j.
    pub axis: u8,
}

impl Problem {
    pub fn new(reduction: Reduction, formula: &str, aliases: &[&str]) -> Problem {
        let aliases = aliases.iter().map(|a| (*a).to_owned()).collect();
        Problem { reduction, formula: formula.to_owned(), weight: None, aliases, axis: 1 }
    }

    pub fn weighted(mut self, weight: &str) -> Problem {
        self.weight = Some(weight.to_owned());
        self
    }

    pub fn typed(&self) -> Result<Formula, String> {
        let aliases: Vec<&str> = self.aliases.iter().map(String::as_str).collect();
        typing::formula(&self.formula, self.weight.as_deref(), &aliases).map_err(|e| e.to_string())
    }

    /// The category of the output's rows.
    pub fn rows(&self) -> Category {
        if self.axis == 1 { Category::I } else { Category::J }
    }

    pub fn builder<T: Element>(&self) -> Genred<T> {
        let mut builder = Genred::reduction(self.reduction, self.formula.as_str())
            .cache(no_files())
            .axis(if self.axis == 1 { Axis::J } else { Axis::I })
            .aliases(self.aliases.iter().map(String::as_str));
        if let Some(weight) = &self.weight {
            builder = builder.weight(weight.as_str());
        }
        builder
    }

    pub fn task<'a>(&self, call: &'a Call, float: Float) -> Task<'a> {
        Task {
            formula: &call.formula,
            rows: self.rows(),
            reduction: self.reduction,
            float,
            inputs: &call.inputs,
            m: call.m,
            n: call.n,
        }
    }
}

/// Names a directory for the kernels of the suite.
const DIRECTORY: &str = "GENRED_SUITE_CACHE";

/// A cache that touches no file, so that a suite tests what this build compiles.
///
/// With `GENRED_SUITE_CACHE=DIR` it has some: run the suite twice, the second time with `GENRED_CACHE_VERIFY=recompile`, and
/// every kernel is compiled again and compared with the one on disk.
pub fn no_files() -> &'static Cache {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    CACHE.get_or_init(|| {
        let options = match std::env::var_os(DIRECTORY) {
            Some(dir) => Options::new().dir(dir).mode(Mode::ReadWrite),
            None => Options::new().mode(Mode::Off),
        };
        Cache::open(options)
    })
}

/// The arguments of a call.
#[derive(Clone, Debug)]
pub struct Call {
    pub formula: Formula,
    pub inputs: Vec<Matrix<f64>>,
    pub m: usize,
    pub n: usize,
}

impl Call {
    /// Arguments filled by a rule of position, row and component.
    pub fn filled(
        formula: &Formula,
        m: usize,
        n: usize,
        rule: impl Fn(usize, usize, usize) -> f64,
    ) -> Call {
        let has = |category| formula.variables.iter().any(|v| v.category == category);
        let m = if has(Category::I) { m } else { 1 };
        let n = if has(Category::J) { n } else { 1 };
        let inputs = formula.variables.iter().enumerate().map(|(k, variable)| {
            let rows = match variable.category {
                Category::I => m,
                Category::J => n,
                Category::Param => 1,
            };
            let dim = variable.dim as usize;
            let numbers = (0..rows * dim).map(|at| rule(k, at / dim, at % dim));
            Matrix::new(rows, dim, numbers.collect())
        });
        Call { formula: formula.clone(), inputs: inputs.collect(), m, n }
    }

    /// The rule of the conformance cases: exact in every dtype, never 0.
    pub fn conformance(formula: &Formula, m: usize, n: usize) -> Call {
        Call::filled(formula, m, n, |k, r, c| {
            let value = (2.0 * ((37 * k + 17 * r + 29 * c + 11) % 23) as f64 - 21.0) / 32.0;
            let variable = &formula.variables[k];
            let positive = variable.category == Category::Param || variable.name == "w";
            if positive { value.abs() } else { value }
        })
    }

    /// Numbers without a period, rounded to float32: uniform in [-1, 1), positive for parameters.
    pub fn scattered(formula: &Formula, m: usize, n: usize) -> Call {
        Call::seeded(formula, m, n, 1)
    }

    /// The same, others for every seed.
    pub fn seeded(formula: &Formula, m: usize, n: usize, seed: u64) -> Call {
        Call::filled(formula, m, n, |k, r, c| {
            let value = uniform(seed, k as u64, ((r as u64) << 20) | c as u64);
            let positive = formula.variables[k].category == Category::Param;
            if positive { value.abs() + 0.1f32 } else { value }.into()
        })
    }

    /// Whether a type has these very numbers.
    pub fn fits(&self, dtype: DType) -> bool {
        self.inputs.iter().all(|matrix| matrix.values.iter().all(|v| holds(dtype, *v)))
    }
}

fn holds(dtype: DType, number: f64) -> bool {
    rounded(dtype, number) == number || number.is_nan()
}

/// A number as a type stores it.
pub fn rounded(dtype: DType, number: f64) -> f64 {
    match dtype {
        DType::F16 => f16::from_f64(number).to_f64(),
        DType::F32 => f64::from(number as f32),
        DType::F64 => number,
    }
}

/// A number in [-1, 1) that depends on all three, by splitmix64.
pub fn uniform(seed: u64, stream: u64, at: u64) -> f32 {
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(stream.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for (shift, factor) in [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)] {
        z = (z ^ (z >> shift)).wrapping_mul(factor);
    }
    ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// How arguments lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row after row.
    Packed,
    /// Gaps between rows.
    Rows,
    /// Column after column.
    Columns,
    /// Gaps between components, and more between rows.
    Spread,
}

pub const LAYOUTS: [Layout; 4] = [Layout::Packed, Layout::Rows, Layout::Columns, Layout::Spread];

/// An argument in memory; what lies in gaps is NaN, so that reading it shows.
pub struct Argument<T> {
    data: Vec<T>,
    rows: usize,
    dim: usize,
    strides: (usize, usize),
}

impl<T: Element> Argument<T> {
    pub fn new(matrix: &Matrix<f64>, layout: Layout) -> Self {
        let (rows, dim) = (matrix.rows, matrix.dim);
        let strides = match layout {
            Layout::Packed => (dim, 1),
            Layout::Rows => (dim + 3, 1),
            Layout::Columns => (1, rows.max(1)),
            Layout::Spread => (2 * dim + 5, 2),
        };
        let len = match rows {
            0 => 0,
            _ => (rows - 1) * strides.0 + (dim - 1) * strides.1 + 1,
        };
        let mut data = vec![T::from_f64(f64::NAN); len];
        for r in 0..rows {
            for c in 0..dim {
                data[r * strides.0 + c * strides.1] = T::from_f64(matrix.row(r)[c]);
            }
        }
        Self { data, rows, dim, strides }
    }

    pub fn view(&self) -> View<'_, T> {
        View::with_strides(&self.data, self.rows, self.dim, self.strides.0, self.strides.1)
            .expect("the argument is as long as its strides say")
    }
}

/// What an engine found: values of everything but index reductions on engines that give none.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub values: Option<Vec<f64>>,
    pub indices: Option<Vec<i64>>,
}

impl Found {
    /// Whether all is equal bit by bit, but for the payload of NaN.
    pub fn has_bits_of(&self, other: &Found) -> bool {
        let values = match (&self.values, &other.values) {
            (Some(a), Some(b)) => same_bits(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        values && self.indices == other.indices
    }
}

/// A kernel of some dtype behind one face.
pub trait Compiled {
    fn run(&self, call: &Call, layout: Layout) -> Result<Found, String>;
    fn origin(&self) -> Origin;
}

impl<T: Element> Compiled for Kernel<T> {
    fn run(&self, call: &Call, layout: Layout) -> Result<Found, String> {
        let arguments: Vec<Argument<T>> =
            call.inputs.iter().map(|m| Argument::new(m, layout)).collect();
        let views: Vec<View<'_, T>> = arguments.iter().map(Argument::view).collect();
        let wide = |values: &[T]| values.iter().map(|v| v.to_f64()).collect();
        if self.reduction().family() != Family::Selection {
            let values = self.call(&views).map_err(|e| e.to_string())?;
            return Ok(Found { values: Some(wide(values.as_slice())), indices: None });
        }
        let (values, indices) = self.call_both(&views).map_err(|e| e.to_string())?;
        let found =
            Found { values: Some(wide(values.as_slice())), indices: Some(indices.into_vec()) };
        // The other ways to ask must agree.
        let called = wide(self.call(&views).map_err(|e| e.to_string())?.as_slice());
        let outputs = self.reduction().outputs();
        let expected: Vec<f64> = match (&found.values, &found.indices) {
            (_, Some(indices)) if outputs == Outputs::Indices => {
                indices.iter().map(|k| *k as f64).collect()
            }
            (Some(values), _) => values.clone(),
            _ => unreachable!("selections have values and indices"),
        };
        if !same_bits(&called, &expected) {
            return Err(format!("`call` gives {called:?}, `call_both` {expected:?}"));
        }
        if outputs != Outputs::Values {
            let exact = self.call_indices(&views).map_err(|e| e.to_string())?.into_vec();
            if Some(&exact) != found.indices.as_ref() {
                return Err(format!("`call_indices` gives {exact:?}, `call_both` {found:?}"));
            }
        }
        Ok(found)
    }

    fn origin(&self) -> Origin {
        Kernel::origin(self)
    }
}

/// An engine under test in some dtype.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    pub backend: Backend,
    pub dtype: DType,
}

/// Every back end there is.
const BACKENDS: [Backend; 4] = [Backend::Clif, Backend::Avx2, Backend::Avx512, Backend::Eval];

/// The back ends of this machine, and the names of those that it lacks.
pub fn backends() -> (Vec<Backend>, Vec<&'static str>) {
    let lacks = |backend: &Backend| {
        let sum = Problem::new(Reduction::Sum, "x", &["x = Vi(1)"]);
        sum.builder::<f32>().backend(*backend).compile().is_err_and(|e| e.is_device())
    };
    let (lacking, there): (Vec<_>, Vec<_>) = BACKENDS.into_iter().partition(lacks);
    (there, lacking.iter().map(|backend| backend.name()).collect())
}

/// The engines of this machine that compute in `float`, over every type that they store.
pub fn engines(float: Float) -> Vec<Engine> {
    let dtypes: &[DType] = match float {
        Float::F32 => &[DType::F32, DType::F16],
        Float::F64 => &[DType::F64],
    };
    let (backends, _) = backends();
    let of = |dtype: DType| backends.iter().map(move |backend| Engine { backend: *backend, dtype });
    dtypes.iter().flat_map(|dtype| of(*dtype)).collect()
}

impl Engine {
    pub fn name(&self) -> String {
        format!("{} {}", self.backend.name(), self.dtype)
    }

    pub fn compile(&self, problem: &Problem) -> Result<Box<dyn Compiled>, String> {
        self.compile_with(problem, no_files())
    }

    pub fn compile_with(
        &self,
        problem: &Problem,
        cache: &Cache,
    ) -> Result<Box<dyn Compiled>, String> {
        fn boxed<T: Element>(builder: Genred<T>) -> Result<Box<dyn Compiled>, genred::Error> {
            Ok(Box::new(builder.compile()?))
        }
        let backend = self.backend;
        match self.dtype {
            DType::F16 => boxed::<f16>(problem.builder().backend(backend).cache(cache)),
            DType::F32 => boxed::<f32>(problem.builder().backend(backend).cache(cache)),
            DType::F64 => boxed::<f64>(problem.builder().backend(backend).cache(cache)),
        }
        .map_err(|e| format!("{}: {e}", self.name()))
    }
}

/// Bounds of a call on every engine that computes in `float`.
pub fn bounds(problem: &Problem, call: &Call, float: Float) -> Bounds {
    let task = problem.task(call, float);
    bound::reduce(&task, Tree::of(Accumulate::Auto, task.columns()))
}

/// How many components were compared, and how many could not be because nothing is known of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub checked: usize,
    pub unknown: usize,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.checked += other.checked;
        self.unknown += other.unknown;
    }
}

/// Check what an engine found against the oracle's bounds.
pub fn check(
    problem: &Problem,
    call: &Call,
    dtype: DType,
    bounds: &Bounds,
    found: &Found,
) -> Result<Tally, String> {
    let float = dtype.compute();
    let task = problem.task(call, float);
    let dim = bounds.values.dim;
    let mut tally = Tally::default();
    let bounded = &bounds.values.values;
    if let Some(values) = &found.values {
        if values.len() != bounded.len() {
            return Err(format!("{} values instead of {}", values.len(), bounded.len()));
        }
        for (at, (value, bounded)) in values.iter().zip(bounded).enumerate() {
            let stored = bounded.stored(dtype);
            if stored.is_unknown() {
                tally.unknown += 1;
                continue;
            }
            tally.checked += 1;
            if !stored.allows(*value) {
                let (row, k) = (at / dim, at % dim);
                return Err(format!("row {row} component {k}: {value:e} is not in {stored:?}"));
            }
        }
    }
    if let Some(indices) = &found.indices {
        for row in 0..bounds.values.rows {
            let indices = &indices[row * dim..(row + 1) * dim];
            let unknown = bound::check_indices(&task, bounds, row, indices)?;
            tally.add(Tally { checked: dim - unknown, unknown });
        }
    }
    Ok(tally)
}

/// Equal bit by bit, but for the payload of NaN.
pub fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
}
