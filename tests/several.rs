//! Several reductions of one formula in one pass: each result has the bits of a call of its own, on every engine, and is right.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a suite says what it lacks")]

use genred::cache::{Cache, Mode, Options};
use genred::{
    Accumulate, Array, Backend, Element, ErrorKind, Genred, Origin, Reduced, Reduction, Several,
    Sinks, Stage, View,
};
use rayon::ThreadPoolBuilder;
use std::sync::Arc;

use Reduction::{
    ArgKMin, ArgMax, ArgMin, KMin, KMinArgKMin, LogSumExp, Max, MaxArgMax, MaxSumShiftExp, Min,
    MinArgMin, Sum, SumSoftMaxWeight,
};

const ENGINES: [Backend; 3] = [Backend::Clif, Backend::Avx2, Backend::Avx512];
const ALIASES: [&str; 5] = ["x = Vi(3)", "y = Vj(3)", "u = Vi(20)", "v = Vj(20)", "g = Pm(1)"];

/// A request: formula, weight, condition, accumulation, and what is asked for.
struct Case {
    formula: &'static str,
    weight: Option<&'static str>,
    keep: Option<&'static str>,
    accumulate: Accumulate,
    reductions: &'static [Reduction],
}

const fn case(formula: &'static str, reductions: &'static [Reduction]) -> Case {
    Case { formula, weight: None, keep: None, accumulate: Accumulate::Auto, reductions }
}

/// Every family with every other, scalars and vectors short and long, contractions, ties, NaN.
fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("-SqDist(x, y)", &[LogSumExp, ArgMax]),
        case("-SqDist(u, v)", &[LogSumExp, ArgMax]),
        case("-SqDist(x, y)", &[ArgMin, LogSumExp]),
        case("x | y", &[MaxSumShiftExp, MinArgMin, LogSumExp, MaxArgMax]),
        case("SqDist(u, v)", &[ArgMin, Max, KMin(3), Min, ArgKMin(2)]),
        case("Floor(4*(x | y))", &[ArgMax, ArgMin]),
        case("Floor(2*(x | y))", &[LogSumExp, ArgMax, KMinArgKMin(5)]),
        case("Log(x | y)", &[Min, Max, ArgMax]),
        case("Log(x | y)", &[ArgMax, LogSumExp]),
        case("g*(x | y)", &[Sum, Max]),
        case("SqDist(u, v)", &[Sum, ArgMin, Max]),
        case("x*y", &[Sum, ArgMin, MaxArgMax]),
        case("u - v", &[Sum, ArgKMin(2), Max]),
        case("u*v", &[Min, Max]),
        case("IndexI - 2*IndexJ", &[Sum, ArgMin]),
        case("Exp(-SqDist(x, y))", &[Sum, Sum]),
        case("-SqDist(x, y)", &[LogSumExp]),
    ];
    for accumulate in [Accumulate::Direct, Accumulate::Kahan] {
        cases.push(Case { accumulate, ..case("x | y", &[LogSumExp, Max, Min]) });
        cases.push(Case { accumulate, ..case("x*y", &[Min, Sum]) });
    }
    for keep in ["IndexI != IndexJ", "IndexJ < 2*IndexI"] {
        let keep = Some(keep);
        cases.push(Case { keep, ..case("-SqDist(x, y)", &[LogSumExp, ArgMax, ArgMin]) });
        cases.push(Case { keep, ..case("g*(x | y)", &[Sum, ArgMin]) });
        cases.push(Case { keep, ..case("u - v", &[Sum, Min]) });
    }
    for weight in ["y", "v"] {
        let weight = Some(weight);
        cases.push(Case { weight, ..case("-SqDist(x, y)", &[SumSoftMaxWeight, ArgMax]) });
        let all = &[LogSumExp, MaxSumShiftExp, SumSoftMaxWeight, ArgMin];
        cases.push(Case { weight, ..case("x | y", all) });
    }
    cases
}

impl Case {
    fn genred<T: Element>(&self, reductions: &[Reduction], backend: Backend) -> Genred<T> {
        let genred = Genred::<T>::reduction(reductions[0], self.formula)
            .aliases(ALIASES)
            .axis(genred::Axis::J)
            .accumulate(self.accumulate)
            .backend(backend);
        let genred = self.keep.into_iter().fold(genred, Genred::keep);
        // On its own a selection takes no weight, and no accumulation.
        let selects =
            |r: &Reduction| ![Sum, LogSumExp, SumSoftMaxWeight, MaxSumShiftExp].contains(r);
        if reductions.iter().all(selects) {
            genred.accumulate(Accumulate::Auto)
        } else {
            self.weight.into_iter().fold(genred, Genred::weight)
        }
    }

    /// The result of a call of one reduction alone.
    fn alone<T: Element>(
        &self,
        reduction: Reduction,
        backend: Backend,
        args: &[View<'_, T>],
    ) -> Reduced<T> {
        let kernel = self.genred::<T>(&[reduction], backend).compile().unwrap();
        match reduction {
            ArgMin | ArgMax | ArgKMin(_) => Reduced::Indices(kernel.call_indices(args).unwrap()),
            MinArgMin | MaxArgMax | KMinArgKMin(_) => {
                let (values, indices) = kernel.call_both(args).unwrap();
                Reduced::Both(values, indices)
            }
            _ => Reduced::Values(kernel.call(args).unwrap()),
        }
    }

    /// The kernel of all, its weight with the one that takes it in front; none, which is said, where this machine lacks the engine.
    fn several<T: Element>(&self, backend: Backend) -> Option<Several<T>> {
        let others = &self.reductions[1..];
        match self.genred::<T>(self.reductions, backend).compile_with(others) {
            Err(error) if error.is_device() => {
                println!("not compared on {}: {error}", backend.name());
                None
            }
            several => Some(several.unwrap()),
        }
    }
}

struct Points<T> {
    i: [Vec<T>; 2],
    j: [Vec<T>; 2],
    g: [T; 1],
}

impl<T: Element> Points<T> {
    fn new(m: usize, n: usize) -> Points<T> {
        let mut state = 7u64;
        let mut some = |len: usize| -> Vec<T> {
            (0..len)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    T::from_f64((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
                })
                .collect()
        };
        let i = [some(m * 3), some(m * 20)];
        Points { i, j: [some(n * 3), some(n * 20)], g: [T::from_f64(0.75)] }
    }

    fn views(&self, m: usize, n: usize) -> [View<'_, T>; 5] {
        [
            View::new(&self.i[0], m, 3).unwrap(),
            View::new(&self.j[0], n, 3).unwrap(),
            View::new(&self.i[1], m, 20).unwrap(),
            View::new(&self.j[1], n, 20).unwrap(),
            View::vector(&self.g),
        ]
    }
}

/// Bits, all NaN being one.
fn bits<T: Element>(array: Option<&Array<T>>) -> Option<(usize, Vec<u64>)> {
    let bits = |v: &T| if v.to_f64().is_nan() { u64::MAX } else { v.to_f64().to_bits() };
    array.map(|array| (array.dim(), array.as_slice().iter().map(bits).collect()))
}

fn assert_same<T: Element>(got: &Reduced<T>, expected: &Reduced<T>, what: &str) {
    assert_eq!(got.indices(), expected.indices(), "{what}");
    assert_eq!(bits(got.values()), bits(expected.values()), "{what}");
}

/// By rows, by columns, more than a tile, a rest; none of either.
const SHAPES: [(usize, usize); 7] =
    [(70, 1_300), (40, 4_500), (3, 5_003), (1, 256), (33, 1), (33, 0), (0, 33)];

fn bits_are_those_of_calls_of_their_own<T: Element>(backend: Backend) {
    for (m, n) in SHAPES {
        let points = Points::<T>::new(m, n);
        let args = points.views(m, n);
        for case in cases() {
            let Some(several) = case.several::<T>(backend) else { return };
            let results = several.call(&args).unwrap();
            assert_eq!(results.len(), case.reductions.len());
            for (reduction, result) in case.reductions.iter().zip(&results) {
                let Case { formula, weight, keep, accumulate, .. } = &case;
                let what = format!(
                    "{reduction:?} of {:?} of {formula} {weight:?} {keep:?} {accumulate:?}, {m} x {n}, {backend:?}",
                    case.reductions
                );
                assert_same(result, &case.alone(*reduction, backend, &args), &what);
            }
        }
    }
}

#[test]
fn bits_are_those_of_calls_of_their_own_in_float32() {
    ENGINES.into_iter().for_each(bits_are_those_of_calls_of_their_own::<f32>);
}

#[test]
fn bits_are_those_of_calls_of_their_own_in_float64() {
    ENGINES.into_iter().for_each(bits_are_those_of_calls_of_their_own::<f64>);
}

#[test]
fn bits_are_those_of_calls_of_their_own_in_float16() {
    bits_are_those_of_calls_of_their_own::<half::f16>(Backend::Cpu);
}

#[test]
fn the_oracle_gives_what_it_gives_one_by_one() {
    let points = Points::<f64>::new(5, 40);
    let args = points.views(5, 40);
    for case in cases() {
        let results = case.several::<f64>(Backend::Eval).unwrap().call(&args).unwrap();
        for (reduction, result) in case.reductions.iter().zip(&results) {
            let what = format!("{reduction:?} of {}", case.formula);
            assert_same(result, &case.alone(*reduction, Backend::Eval, &args), &what);
        }
    }
}

#[test]
fn results_are_those_of_an_obvious_loop() {
    let (m, n) = (100, 777);
    let points = Points::<f64>::new(m, n);
    let args = points.views(m, n);
    let f = |i: usize, j: usize| -> f64 {
        let (x, y) = (&points.i[0][i * 3..][..3], &points.j[0][j * 3..][..3]);
        -x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()
    };
    for backend in ENGINES {
        let case = case("-SqDist(x, y)", &[LogSumExp, ArgMax, KMinArgKMin(2)]);
        let Some(several) = case.several::<f64>(backend) else { continue };
        assert!(several.reductions().eq(case.reductions.iter().copied()));
        let results = several.call(&args).unwrap();
        let [Reduced::Values(sums), Reduced::Indices(best), Reduced::Both(low, places)] =
            &results[..]
        else {
            panic!("values, indices, both: {results:?}")
        };
        for i in 0..m {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|a, b| f(i, *a).total_cmp(&f(i, *b)));
            let sum: f64 = (0..n).map(|j| f(i, j).exp()).sum();
            assert!((sums[(i, 0)] - sum.ln()).abs() < 1e-13, "{backend:?} row {i}");
            assert_eq!(best.row(i), [order[n - 1] as i64], "{backend:?} row {i}");
            assert_eq!(places.row(i), [order[0] as i64, order[1] as i64], "{backend:?} row {i}");
            for (value, j) in low.row(i).iter().zip(&order) {
                assert!((value - f(i, *j)).abs() < 1e-13, "{backend:?} row {i}");
            }
        }
    }
}

#[test]
fn streams_have_the_bits_of_one_call() {
    for (m, n) in [(600, 9_003), (3, 30_001), (33, 0), (0, 33)] {
        let points = Points::<f32>::new(m, n);
        let args = points.views(m, n);
        for case in cases() {
            let several = case.several::<f32>(Backend::Cpu).unwrap();
            let stream = || args.iter().fold(several.stream(), |stream, arg| stream.input(*arg));
            let what = format!("{:?} of {}, {m} x {n}", case.reductions, case.formula);
            let least = stream().least_budget().unwrap();
            let pieces = stream().memory_budget(least).pieces().unwrap();
            if n > 9_000 {
                assert!(pieces.columns() < n && pieces.rows() < m.max(4), "{what}: {pieces:?}");
            }
            let whole = several.call(&args).unwrap();
            for budget in [least, 2 * least] {
                let found = stream().memory_budget(budget).call().unwrap();
                assert_eq!(found.len(), whole.len());
                for (found, whole) in found.iter().zip(&whole) {
                    assert_same(found, whole, &what);
                }
            }
            let error = stream().memory_budget(least - 1).call().unwrap_err();
            assert!(error.is_limit(), "{what}: {error}");
        }
    }
    // Sinks of another kind, too few, one that fails.
    let points = Points::<f64>::new(40, 50);
    let args = points.views(40, 50);
    let case = case("-SqDist(x, y)", &[LogSumExp, ArgMax]);
    let several = case.several::<f64>(Backend::Cpu).unwrap();
    let stream = || args.iter().fold(several.stream(), |stream, arg| stream.input(*arg));
    let (mut values, mut more) = (Vec::new(), Vec::new());
    let (mut values, mut more) = (&mut values, &mut more);
    let wrong = vec![Sinks::Values(&mut values), Sinks::Values(&mut more)];
    let text = stream().call_into(wrong).unwrap_err().to_string();
    assert!(text.contains("`LogSumExp`, `ArgMax` give [Values, Indices]"), "{text}");
    assert!(stream().call_into(vec![Sinks::Values(&mut values)]).is_err());
    let mut full = |_: &[i64]| Err(std::io::Error::other("no room"));
    let sinks = vec![Sinks::Values(&mut values), Sinks::Indices(&mut full)];
    let text = stream().call_into(sinks).unwrap_err().to_string();
    assert!(text.contains("cannot be written: no room"), "{text}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (m, n) in [(3, 70_003), (33, 9_001), (700, 1_237)] {
        let points = Points::<f32>::new(m, n);
        let args = points.views(m, n);
        for case in [
            case("-SqDist(x, y)", &[LogSumExp, ArgMax, ArgMin]),
            case("Floor(4*(x | y))", &[Sum, ArgMin, Max]),
            case("u - v", &[Sum, KMin(2)]),
        ] {
            let run = |threads: usize| {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let genred = case.genred::<f32>(case.reductions, Backend::Cpu).pool(Arc::new(pool));
                genred.compile_with(&case.reductions[1..]).unwrap().call(&args).unwrap()
            };
            let one = run(1);
            for threads in [2, 3, 8] {
                for (k, (got, expected)) in run(threads).iter().zip(&one).enumerate() {
                    let what = format!("{k} of {}, {m} x {n}, {threads} threads", case.formula);
                    assert_same(got, expected, &what);
                }
            }
        }
    }
}

#[test]
fn the_formula_is_evaluated_once_a_pair() {
    let count = |reductions: &'static [Reduction], formula: &'static str, what: &str| {
        let several = case(formula, reductions).several::<f32>(Backend::Clif).unwrap();
        several.explain(Stage::Program).matches(what).count()
    };
    assert_eq!(count(&[LogSumExp, ArgMax, ArgMin], "-Norm2(x - y)", "sqrt"), 1);
    assert_eq!(count(&[Sum, ArgMin, Max], "Sqrt(x | y)", "sqrt"), 1);
    assert_eq!(count(&[Sum, ArgMin, Max], "Sin(u - v)", "sin "), 1);
}

#[test]
fn kernels_in_a_cache_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Cache::open(Options::new().mode(Mode::ReadWrite).dir(folder.path()));
    let points = Points::<f32>::new(40, 300);
    let args = points.views(40, 300);
    let sets: [&'static [Reduction]; 4] =
        [&[LogSumExp, ArgMax], &[LogSumExp, ArgMin], &[LogSumExp, KMin(2)], &[LogSumExp]];
    let mut keys = Vec::new();
    for expected in [Origin::Compiled, Origin::Disk] {
        let cache = open();
        for reductions in sets {
            let case = case("-SqDist(x, y)", reductions);
            let genred = case.genred::<f32>(reductions, Backend::Cpu).cache(&cache);
            let several = genred.compile_with(&reductions[1..]).unwrap();
            assert_eq!(several.stats().origin, expected, "{reductions:?}");
            for (reduction, result) in reductions.iter().zip(several.call(&args).unwrap()) {
                assert_same(&result, &case.alone(*reduction, Backend::Cpu, &args), "from a cache");
            }
            keys.push(several.explain(Stage::Key));
        }
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), sets.len());
}

/// The message of a request that is refused.
fn refused(genred: Genred<f32>, others: &[Reduction]) -> (ErrorKind, String) {
    let error = genred.axis(genred::Axis::J).aliases(ALIASES).compile_with(others).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn what_cannot_be_had_in_one_pass_is_refused_by_name() {
    let (kind, text) = refused(Genred::logsumexp("x | y"), &[Max, Sum]);
    assert_eq!(kind, ErrorKind::Usage);
    assert!(text.contains("`Sum` and `LogSumExp` are not computed in one pass"), "{text}");

    let double = Genred::sum("x | y").accumulate(Accumulate::Double);
    let (kind, text) = refused(double, &[ArgMax]);
    assert_eq!(kind, ErrorKind::Usage);
    assert!(text.contains("`ArgMax`") && text.contains("Accumulate::Double"), "{text}");

    let (kind, text) = refused(Genred::min("x - y"), &[LogSumExp]);
    assert_eq!(kind, ErrorKind::Shape);
    assert!(text.contains("`LogSumExp` needs a formula of dim 1; this one has dim 3"), "{text}");

    let (kind, text) = refused(Genred::logsumexp("x | y"), &[SumSoftMaxWeight]);
    assert_eq!(kind, ErrorKind::Usage);
    assert!(text.contains("`SumSoftMaxWeight` needs a weight formula"), "{text}");

    let (kind, text) = refused(Genred::min("x | y").weight("y"), &[Max]);
    assert_eq!(kind, ErrorKind::Usage);
    assert!(text.contains("`Min` takes no weight formula"), "{text}");

    let (kind, text) = refused(Genred::min("x | y"), &[KMin(0)]);
    assert_eq!(kind, ErrorKind::Limit);
    assert!(text.contains("K of `KMin`"), "{text}");

    let (kind, text) = refused(Genred::min("x | y").accumulate(Accumulate::Kahan), &[Max]);
    assert_eq!(kind, ErrorKind::Usage);
    assert!(text.contains("`Min` does not accumulate sums"), "{text}");

    let stated = Genred::<f32>::stated("Sum_Reduction(x | y, 0)", &ALIASES).unwrap();
    let error = stated.compile_with(&[Max]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("states its own reduction"), "{error}");

    let (kind, text) = refused(Genred::min("x | y").backend(Backend::Cuda), &[Sum]);
    assert_eq!(kind, ErrorKind::Device);
    assert!(text.contains("one reduction in a pass, not several"), "{text}");
}

#[test]
fn arguments_are_checked_and_named() {
    let several = case("x | y", &[Sum, Max]).several::<f64>(Backend::Cpu).unwrap();
    let points = Points::<f64>::new(4, 5);
    let mut args = points.views(4, 5);
    assert_eq!(several.shape(&args).unwrap(), (4, 5));
    args[1] = View::new(&points.j[1], 5, 20).unwrap();
    let error = several.call(&args).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    assert!(error.to_string().contains("`y`"), "{error}");
}
