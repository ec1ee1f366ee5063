//! Well-typed formulas on every engine, against each other bit for bit and against the oracle's bounds: what `genred soak` and the
//! fuzz target `differential` do.

use super::{Choices, formula};
use genred::alias::Variable;
use genred::cache::{Cache, Mode, Options};
use genred::eval::bound::{self, Bounded, Tree};
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
    /// What the numbers are made from; wild numbers if it is odd.
    pub seed: u64,
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
            "differential::check(&Case {{\n    formula: {formula:?}.into(),\n    weight: {weight},\n    \
             aliases: vec![{}],\n    reduction: Reduction::{reduction:?},\n    axis: Axis::{axis:?},\n    \
             dtype: DType::{dtype:?},\n    accumulate: Accumulate::{accumulate:?},\n    \
             m: {m},\n    n: {n},\n    seed: {seed},\n}});",
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
    },
}

const SIZES: [usize; 20] =
    [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130, 257];
/// Pairs beyond which the oracle takes too long.
const PAIRS: usize = 6_000;

/// A case from decisions.
pub fn case(choices: &mut Choices<'_>) -> Case {
    let variables = formula::variables(choices);
    let dim = 1 + choices.index(4);
    let reduction = reduction(choices);
    let exponential = reduction.family() == Family::Exponential;
    let dim = if exponential { 1 } else { dim };
    let grown = formula::grow(choices, &variables, dim);
    let weighted = match reduction.weight() {
        Weight::Required => true,
        Weight::Optional => choices.chance(50),
        Weight::Refused => false,
    };
    let weight = weighted.then(|| {
        let dim = 1 + choices.index(3);
        formula::grow(choices, &variables, dim).formula
    });
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
    let (mut m, mut n) = (choices.pick(&SIZES), choices.pick(&SIZES));
    // Few rows against many columns are laid out in another way.
    if choices.chance(20) {
        (m, n) = (choices.index(3), 250 + choices.index(2_000));
    }
    while m * n > PAIRS {
        (m, n) = if m > n { (m / 2, n) } else { (m, n / 2) };
    }
    let axis = choices.pick(&[Axis::J, Axis::I]);
    if axis == Axis::I {
        (m, n) = (n, m);
    }
    Case {
        formula: grown.formula,
        weight,
        aliases: variables.iter().map(formula::alias).collect(),
        reduction,
        axis,
        dtype: choices.pick(&[DType::F32, DType::F64, DType::F16]),
        accumulate,
        m,
        n,
        seed: choices.bits(),
    }
}

fn reduction(choices: &mut Choices<'_>) -> Reduction {
    let k = choices.within(1, 6);
    // Sums twice as often.
    choices.pick(&[&[Reduction::Sum][..], &Reduction::all(k)].concat())
}

/// libFuzzer's entry.
pub fn run(data: &[u8]) {
    check(&case(&mut Choices::from_bytes(data)));
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
    Verdict::Agreed { calls, results, unknown }
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

fn rows(case: &Case, variable: &Variable) -> usize {
    match variable.category {
        Category::I => case.m,
        Category::J => case.n,
        Category::Param => 1,
    }
}

/// Numbers of the dtype: tame ones, or of all kinds.
fn data<T: Element>(case: &Case, typed: &Formula) -> Vec<Vec<T>> {
    let mut choices = Choices::from_seed(case.seed);
    let wild = case.seed % 2 == 1;
    let mut number = || match wild {
        true => choices.number(),
        // A low rate of values that are exactly equal, or exactly 0.
        false if choices.chance(10) => f64::from(choices.below(5)) - 2.0,
        false => 2.0 * choices.fraction(),
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
    let float = match case.accumulate {
        Accumulate::Double => Float::F64,
        _ => case.dtype.compute(),
    };
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
        rows: if case.axis == Axis::J { Category::I } else { Category::J },
        reduction: case.reduction,
        float,
        inputs: &inputs,
        m: case.m,
        n: case.n,
    };
    let bounds = bound::reduce(&task, Tree::sequential(task.columns()));
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
            let (got, bounds) = (indices.row(row), bounds.values.row(row));
            results += got.len();
            unknown += check_indices(case, &task, row, got, bounds);
        }
    }
    (results, unknown)
}

/// The values at the indices of a row are as good as the oracle's; gives the number of those of which nothing is known.
fn check_indices(
    case: &Case,
    task: &Task<'_>,
    row: usize,
    got: &[i64],
    bounds: &[Bounded],
) -> usize {
    let dim = task.formula.root_dim(0) as usize;
    let mut unknown = 0;
    for (slot, (index, wanted)) in got.iter().zip(bounds).enumerate() {
        let component = slot % dim;
        if wanted.is_unknown() {
            unknown += 1;
            continue;
        }
        let Ok(column) = usize::try_from(*index) else {
            assert_eq!(*index, -1, "{case}");
            continue;
        };
        assert!(column < task.columns(), "index {index} of row {row}\n{case}");
        let value = bound::pair(task, row, column)[component];
        let meets = value.is_unknown()
            || value.low <= wanted.high && wanted.low <= value.high
            || value.is_nan() && wanted.is_nan();
        assert!(
            meets,
            "row {row}, slot {slot}: index {index} has {value:?}, but {wanted:?} is wanted\n{case}"
        );
        let repeated = got[..slot].iter().skip(component).step_by(dim).any(|i| i == index);
        assert!(!repeated, "row {row}: index {index} twice\n{case}");
    }
    unknown
}
