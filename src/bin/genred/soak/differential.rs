//! Well-typed formulas on every engine, against each other bit for bit and against the oracle's bounds: what `genred soak` and the
//! fuzz target `differential` do.

use super::{Choices, formula};
use genred::alias::Variable;
use genred::cache::{Cache, Mode, Options};
use genred::eval::bound::{self, Tree};
use genred::eval::{Matrix, Task};
use genred::formula::{Category, Formula, typing};
use genred::reduce::{Family, Outputs, Weight};
use genred::{
    Accumulate, Array, Axis, Backend, DType, Element, ErrorKind, Float, Genred, Kernel, Reduction,
    View,
};
use half::f16;
use std::fmt;

/// One reduction over some data. Its `Display` is the code that makes it again.
#[derive(Clone, Debug)]
pub struct Case {
    /// F.
    pub formula: String,
    /// The weight of exponential reductions.
    pub weight: Option<String>,
    /// The arguments.
    pub aliases: Vec<String>,
    /// What is done with F.
    pub reduction: Reduction,
    /// The axis that is reduced over.
    pub axis: Axis,
    /// What arrays store.
    pub dtype: DType,
    /// How sums are accumulated.
    pub accumulate: Accumulate,
    /// Points of category i.
    pub m: usize,
    /// Points of category j.
    pub n: usize,
    /// What the numbers are made from: some of them wild if it is odd.
    pub seed: u64,
}

impl Case {
    /// What its kernels compute in.
    pub fn float(&self) -> Float {
        match self.accumulate {
            Accumulate::Double => Float::F64,
            _ => self.dtype.compute(),
        }
    }

    /// The category of its results.
    pub fn rows(&self) -> Category {
        if self.axis == Axis::J { Category::I } else { Category::J }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { formula, weight, aliases, reduction, axis, dtype, accumulate, m, n, seed } =
            self;
        let weight = match weight {
            Some(weight) => format!("Some({weight:?}.into())"),
            None => "None".to_owned(),
        };
        let aliases: Vec<String> = aliases.iter().map(|a| format!("{a:?}.into()")).collect();
        write!(
            f,
            "#[test]\nfn engines_agree_on_this() {{\n    check(&Case {{\n        formula: {formula:?}.into(),\n        \
             weight: {weight},\n        aliases: vec![{}],\n        reduction: Reduction::{reduction:?},\n        \
             axis: Axis::{axis:?},\n        dtype: DType::{dtype:?},\n        \
             accumulate: Accumulate::{accumulate:?},\n        m: {m},\n        n: {n},\n        \
             seed: {seed},\n    }});\n}}",
            aliases.join(", ")
        )
    }
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The formula is refused (a division by a constant zero, a derivative that does not exist).
    Refused,
    /// Every engine agrees with every other and with the oracle.
    Agreed {
        /// Calls of kernels.
        calls: usize,
        /// Results compared.
        results: usize,
        /// Of these, results of which the oracle knows nothing.
        unknown: usize,
        /// Of the bits of the results, the same for every NaN.
        digest: u64,
    },
}

/// Around vectors, blocks of rows and chunks.
const SIZES: [usize; 20] =
    [5, 0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130, 257];
/// Around chunks and tiles of many columns.
const EDGES: [usize; 9] = [255, 256, 257, 2_047, 2_048, 2_049, 4_095, 4_096, 4_097];
/// Pairs beyond which the oracle takes too long.
const PAIRS: usize = 8_500;

/// A case from decisions, the formula last: it takes all there are.
pub fn case(choices: &mut Choices<'_>) -> Case {
    let reduction = reduction(choices);
    let accumulate = match reduction.family() {
        Family::Selection => Accumulate::Auto,
        _ => choices.pick(&[
            Accumulate::Auto,
            Accumulate::Direct,
            Accumulate::Block,
            Accumulate::Kahan,
            Accumulate::Double,
        ]),
    };
    let dtype = choices.pick(&[DType::F32, DType::F64, DType::F16]);
    let axis = choices.pick(&[Axis::J, Axis::I]);
    let (m, n) = match (sizes(choices), axis) {
        (sizes, Axis::J) => sizes,
        ((m, n), Axis::I) => (n, m),
    };
    let seed = choices.bits();
    let variables = formula::variables(choices);
    let weighted = match reduction.weight() {
        Weight::Required => true,
        Weight::Optional => choices.chance(50),
        Weight::Refused => false,
    };
    let dim = match reduction.family() {
        Family::Exponential => 1,
        _ => 1 + choices.index(4),
    };
    let formula = formula::grow(choices, &variables, dim).formula;
    let weight = weighted.then(|| {
        let dim = 1 + choices.index(3);
        formula::grow(choices, &variables, dim).formula
    });
    let aliases = variables.iter().map(formula::alias).collect();
    Case { formula, weight, aliases, reduction, axis, dtype, accumulate, m, n, seed }
}

/// Numbers of rows and of columns.
fn sizes(choices: &mut Choices<'_>) -> (usize, usize) {
    // Few rows against many columns are laid out in another way.
    let (mut rows, mut columns) = match choices.index(16) {
        12..=14 => (choices.index(3), 250 + choices.index(2_000)),
        15 => (choices.pick(&[1, 2, 33]), choices.pick(&EDGES)),
        _ => (choices.pick(&SIZES), choices.pick(&SIZES)),
    };
    while rows * columns > PAIRS {
        if rows > columns || rows > 2 && columns > 2_000 { rows /= 2 } else { columns /= 2 }
    }
    (rows, columns)
}

fn reduction(choices: &mut Choices<'_>) -> Reduction {
    let k = choices.within(1, 6);
    // Sums twice as often.
    choices.pick(&[&[Reduction::Sum][..], &Reduction::all(k)].concat())
}

/// Panics where engines disagree, with the case as code; every kernel is compiled.
pub fn check(case: &Case) -> Verdict {
    check_in(case, &Cache::open(Options::new().mode(Mode::Off)), 0)
}

/// The same with the kernels of a cache, each called `again` more times, which must not change a bit.
pub fn check_in(case: &Case, cache: &Cache, again: usize) -> Verdict {
    match case.dtype {
        DType::F16 => check_over::<f16>(case, cache, again),
        DType::F32 => check_over::<f32>(case, cache, again),
        DType::F64 => check_over::<f64>(case, cache, again),
    }
}

/// The native engines that a machine may have.
const ENGINES: [Backend; 3] = [Backend::Clif, Backend::Avx2, Backend::Avx512];

fn check_over<T: Element>(case: &Case, cache: &Cache, again: usize) -> Verdict {
    let aliases: Vec<&str> = case.aliases.iter().map(String::as_str).collect();
    let typed = match typing::formula(&case.formula, case.weight.as_deref(), &aliases) {
        Ok(typed) => typed,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Verdict::Refused;
        }
    };
    let data: Vec<Vec<T>> = data(case, &typed);
    let views: Vec<View<'_, T>> = data
        .iter()
        .zip(&typed.variables)
        .map(|(data, v)| View::new(data, rows(case, v), v.dim as usize).expect("whole rows"))
        .collect();
    let mut first: Option<(Backend, Result3<T>)> = None;
    let mut calls = 0;
    for engine in ENGINES {
        let Some(kernel) = compiled::<T>(case, engine, cache) else { continue };
        // Whether integers fit the compute type depends on the numbers of points: the same for every engine.
        let Some(found) = called(case, &kernel, &views) else { return Verdict::Refused };
        for _ in 0..again {
            let warm = called(case, &kernel, &views);
            let unchanged = warm.as_ref().is_some_and(|warm| same(&found, warm));
            assert!(unchanged, "{engine:?} called again:\n{found:?}\n{warm:?}\n{case}");
        }
        calls += 1 + again;
        match &first {
            None => first = Some((engine, found)),
            Some((other, expected)) => {
                assert!(
                    same(expected, &found),
                    "{engine:?} and {other:?} differ:\n{found:?}\n{expected:?}\n{case}"
                );
            }
        }
    }
    // Too large for every engine alike.
    let Some((_, found)) = first else { return Verdict::Refused };
    let (results, unknown) = compare(case, &typed, &data, &found);
    // The oracle as an engine, behind the same checks of arguments; it computes in float64, which overflows later than float32.
    if case.seed.is_multiple_of(8)
        && case.dtype == DType::F64
        && let Some(kernel) = compiled::<T>(case, Backend::Eval, cache)
        && let Some(found) = called(case, &kernel, &views)
    {
        compare(case, &typed, &data, &found);
    }
    Verdict::Agreed { calls, results, unknown, digest: digest(&found) }
}

/// What a call gives, by kind.
#[derive(Debug)]
struct Result3<T> {
    values: Option<Array<T>>,
    indices: Option<Array<i64>>,
}

fn compiled<T: Element>(case: &Case, engine: Backend, cache: &Cache) -> Option<Kernel<T>> {
    let mut builder = Genred::<T>::reduction(case.reduction, case.formula.clone())
        .aliases(case.aliases.iter().cloned())
        .axis(case.axis)
        .accumulate(case.accumulate)
        .backend(engine)
        .cache(cache)
        .single_threaded();
    if let Some(weight) = &case.weight {
        builder = builder.weight(weight.clone());
    }
    match builder.compile() {
        Ok(kernel) => Some(kernel),
        Err(error) => {
            // A machine may lack an engine, and an engine may find a program too large; nothing else.
            assert!(error.is_device() || error.is_limit(), "{error}\n{case}");
            assert!(engine != Backend::Clif || error.is_limit(), "{error}\n{case}");
            None
        }
    }
}

fn called<T: Element>(
    case: &Case,
    kernel: &Kernel<T>,
    views: &[View<'_, T>],
) -> Option<Result3<T>> {
    let found = match case.reduction.outputs() {
        Outputs::Values => {
            kernel.call(views).map(|values| Result3 { values: Some(values), indices: None })
        }
        Outputs::Indices => { kernel.call_indices(views) }
            .map(|indices| Result3 { values: None, indices: Some(indices) }),
        Outputs::Both => { kernel.call_both(views) }
            .map(|(values, indices)| Result3 { values: Some(values), indices: Some(indices) }),
    };
    match found {
        Ok(found) => Some(found),
        Err(error) if error.kind() == ErrorKind::Range => None,
        Err(error) => panic!("{error}\n{case}"),
    }
}

fn same<T: Element>(a: &Result3<T>, b: &Result3<T>) -> bool {
    let indices = |found: &Result3<T>| found.indices.as_ref().map(|i| i.as_slice().to_vec());
    same_bits(&a.values, &b.values) && indices(a) == indices(b)
}

/// Equal bits, NaN equal to NaN.
fn same_bits<T: Element>(a: &Option<Array<T>>, b: &Option<Array<T>>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return a.is_none() && b.is_none() };
    let pairs = a.as_slice().iter().zip(b.as_slice());
    a.rows() == b.rows() && a.dim() == b.dim() && { pairs }.all(|(a, b)| {
        let (a, b) = (a.to_f64(), b.to_f64());
        a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
    })
}

/// A hash of everything that was found.
fn digest<T: Element>(found: &Result3<T>) -> u64 {
    let bits = |value: &T| match value.to_f64() {
        nan if nan.is_nan() => f64::NAN.to_bits(),
        number => number.to_bits(),
    };
    let values = found.values.iter().flat_map(|values| values.as_slice().iter().map(bits));
    let indices = found.indices.iter().flat_map(|indices| indices.as_slice());
    values.chain(indices.map(|index| *index as u64)).fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
    })
}

fn rows(case: &Case, variable: &Variable) -> usize {
    match variable.category {
        Category::I => case.m,
        Category::J => case.n,
        Category::Param => 1,
    }
}

/// Numbers of the dtype: ordinary ones, or of some magnitude with a few of all kinds among them.
fn data<T: Element>(case: &Case, typed: &Formula) -> Vec<Vec<T>> {
    let mut choices = Choices::from_seed(case.seed);
    let (mut rate, mut scale) = (0, 2.0);
    if case.seed % 2 == 1 {
        // In a hundred: with one the sum of a row is a number, with a hundred hardly ever.
        rate = choices.pick(&[1, 1, 4, 100]);
        scale = match T::DTYPE {
            DType::F16 => choices.pick(&[2.0, 100.0, 1e-6]),
            _ => choices.pick(&[2.0, 100.0, 1e30, 1e-30, 1e-41]),
        };
    }
    let mut number = || match choices.chance(rate) {
        true => choices.number(),
        // A low rate of values that are exactly equal, or exactly 0.
        false if choices.chance(10) => scale * (f64::from(choices.below(5)) - 2.0),
        false => scale * choices.fraction(),
    };
    let variables = typed.variables.iter();
    variables
        .map(|v| (0..rows(case, v) * v.dim as usize).map(|_| T::from_f64(number())).collect())
        .collect()
}

/// The first native engine's results against the oracle's bounds: how many, and of how many the oracle knows nothing.
fn compare<T: Element>(
    case: &Case,
    typed: &Formula,
    data: &[Vec<T>],
    found: &Result3<T>,
) -> (usize, usize) {
    let inputs: Vec<Matrix<f64>> = data
        .iter()
        .zip(&typed.variables)
        .map(|(data, v)| {
            let values = data.iter().map(|x| x.to_f64()).collect();
            Matrix::new(rows(case, v), v.dim as usize, values)
        })
        .collect();
    let task = Task {
        formula: typed,
        rows: case.rows(),
        reduction: case.reduction,
        float: case.float(),
        inputs: &inputs,
        m: case.m,
        n: case.n,
    };
    let bounds = bound::reduce(&task, Tree::of(case.accumulate, task.columns()));
    let (mut results, mut unknown) = (0, 0);
    if let Some(values) = &found.values {
        assert_eq!(
            (values.rows(), values.dim()),
            (bounds.values.rows, bounds.values.dim),
            "{case}"
        );
        for (at, (got, bound)) in values.as_slice().iter().zip(&bounds.values.values).enumerate() {
            let bound = bound.stored(case.dtype);
            results += 1;
            unknown += usize::from(bound.is_unknown());
            assert!(
                bound.allows(got.to_f64()),
                "result {at} is {got:?}, which is not in {bound:?}\n{case}"
            );
        }
    }
    if let Some(indices) = &found.indices {
        for row in 0..indices.rows() {
            results += indices.dim();
            unknown += bound::check_indices(&task, &bounds, row, indices.row(row))
                .unwrap_or_else(|why| panic!("{why}\n{case}"));
        }
    }
    (results, unknown)
}
