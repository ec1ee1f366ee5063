//! One problem: genred's kernel and the hand-written ones by turns on the same arrays, and the interpreter on a few rows.

use super::problems::Problem;
#[cfg(target_arch = "x86_64")]
use super::reference::{Arrays, Hand, Scalar, Set};
use crate::console::Failure;
use crate::random::Random;
use crate::threads::Threads;
use genred::eval::{self, Matrix, Outcome, Task};
use genred::formula::{Category, typing};
use genred::{Backend, Cache, Element, Genred, Kernel, View, ViewMut};
use std::time::Instant;

/// How it is measured.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) backend: Backend,
    pub(super) threads: &'a Threads,
    /// Of threads.
    pub(super) number: usize,
    /// Timed calls.
    pub(super) repeat: usize,
}

/// What was measured: medians of seconds a call.
pub(super) struct Measured {
    pub(super) engine: String,
    pub(super) seconds: f64,
    /// The fastest reference, and the fastest with approximate operations.
    pub(super) hand: Option<Best>,
    pub(super) approximate: Option<Best>,
    /// Difference from the interpreter, as `genred bench --help` says.
    pub(super) error: f64,
}

/// The fastest reference.
pub(super) struct Best {
    pub(super) tile: &'static str,
    pub(super) seconds: f64,
}

/// A float type that both sides know.
#[cfg(target_arch = "x86_64")]
pub(super) trait Number: Element + Scalar {}
#[cfg(target_arch = "x86_64")]
impl<T: Element + Scalar> Number for T {}
#[cfg(not(target_arch = "x86_64"))]
pub(super) trait Number: Element {}
#[cfg(not(target_arch = "x86_64"))]
impl<T: Element> Number for T {}

/// Pairs that the interpreter looks at, times dimensions: about a tenth of a second.
const SAMPLED: usize = 400_000;
/// Largest difference between a reference and genred's kernel, as parts of the largest value or of all indices.
const AGREEMENT: f64 = 1e-3;

/// The points of a problem.
pub(super) struct Points<T> {
    arrays: Vec<Vec<T>>,
}

impl<T: Element> Points<T> {
    pub(super) fn new(problem: &Problem) -> Points<T> {
        let mut random = Random::new(7);
        let mut points =
            |len: usize| -> Vec<T> { (0..len).map(|_| T::from_f64(random.uniform())).collect() };
        let Problem { rows, columns, dim, dim_b, .. } = *problem;
        let mut arrays = vec![points(rows * dim), points(columns * dim)];
        if dim_b > 0 {
            arrays.push(points(columns * dim_b));
        }
        Points { arrays }
    }

    pub(super) fn views(&self, problem: &Problem) -> Result<Vec<View<'_, T>>, Failure> {
        let dims = [problem.dim, problem.dim, problem.dim_b];
        let view = |(array, dim): (&'_ Vec<T>, usize)| (array.len() / dim, dim);
        let shapes: Vec<_> = self.arrays.iter().zip(dims).map(view).collect();
        let views = self.arrays.iter().zip(shapes);
        Ok(views.map(|(a, (rows, dim))| View::new(a, rows, dim)).collect::<Result<Vec<_>, _>>()?)
    }
}

/// Measure a problem.
///
/// # Errors
/// See [`Bench::run`](super::Bench::run).
pub(super) fn measure<T: Number>(
    problem: &Problem,
    setting: Setting<'_>,
) -> Result<Measured, Failure> {
    let genred = Genred::<T>::reduction(problem.reduction, problem.formula)
        .output(problem.output())
        .aliases(problem.aliases())
        .backend(setting.backend)
        .cache(&Cache::open(genred::cache::Options::new().mode(genred::cache::Mode::Off)));
    let kernel = setting.threads.given_to(genred).compile()?;
    let points = Points::<T>::new(problem);
    let views = points.views(problem)?;
    let mut out = vec![T::default(); problem.rows * problem.dim_out];
    let mut runs = Runs::default();
    let mut ours = || -> Result<(), Failure> {
        let view = ViewMut::new(&mut out, problem.rows, problem.dim_out)?;
        Ok(kernel.call_into(&views, view)?)
    };
    ours()?;
    #[cfg(target_arch = "x86_64")]
    let (hand, approximate) = {
        let arrays = Arrays {
            x: &points.arrays[0],
            y: &points.arrays[1],
            b: points.arrays.get(2).map_or(&[], Vec::as_slice),
            dim: problem.dim,
            dim_b: problem.dim_b,
        };
        let mut contest = Contest::new(problem, &arrays, setting);
        for _ in 0..setting.repeat {
            runs.time(&mut ours)?;
            contest.turn();
        }
        let got: Vec<f64> = out.iter().map(|v| v.to_f64()).collect();
        contest.check(problem, &got)?;
        contest.best()
    };
    #[cfg(not(target_arch = "x86_64"))]
    let (hand, approximate) = {
        for _ in 0..setting.repeat {
            runs.time(&mut ours)?;
        }
        (None, None)
    };
    let error = error(problem, &points, &kernel, &out)?;
    let engine = kernel.stats().engine;
    Ok(Measured { engine, seconds: runs.median(), hand, approximate, error })
}

/// Seconds of calls.
#[derive(Default)]
struct Runs {
    seconds: Vec<f64>,
}

impl Runs {
    fn time<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = call();
        self.seconds.push(start.elapsed().as_secs_f64());
        result
    }

    fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

/// The fastest tile of each kind of reference, chosen before anything is timed.
#[cfg(target_arch = "x86_64")]
struct Contest<'a, T> {
    arrays: &'a Arrays<'a, T>,
    threads: usize,
    out: Vec<f64>,
    /// Exact ones, and those with approximate operations.
    chosen: [Option<(Hand<T>, Runs)>; 2],
}

#[cfg(target_arch = "x86_64")]
impl<'a, T: Number> Contest<'a, T> {
    fn new(problem: &Problem, arrays: &'a Arrays<'a, T>, setting: Setting<'_>) -> Self {
        let set = match setting.backend {
            Backend::Avx2 => Set::Avx2,
            _ if Set::Avx512.is_here() => Set::Avx512,
            _ => Set::Avx2,
        };
        let mut out = vec![0.0; problem.rows * problem.dim_out];
        let mut chosen: [Option<(Hand<T>, Runs)>; 2] = [None, None];
        let mut least = [f64::INFINITY; 2];
        for hand in Hand::<T>::all(set, problem.hand, problem.dim, problem.dim_b) {
            let kind = usize::from(hand.approximate);
            for _ in 0..2 {
                let mut runs = Runs::default();
                runs.time(|| hand.run(arrays, setting.number, &mut out));
                if runs.median() < least[kind] {
                    least[kind] = runs.median();
                    chosen[kind] = Some((hand, Runs::default()));
                }
            }
        }
        Contest { arrays, threads: setting.number, out, chosen }
    }

    /// Time each once. The exact one runs last, so that its results stay.
    fn turn(&mut self) {
        let Contest { arrays, threads, out, chosen } = self;
        for (hand, runs) in chosen.iter_mut().rev().flatten() {
            runs.time(|| hand.run(arrays, *threads, out));
        }
    }

    /// Whether the reference computed the same.
    fn check(&self, problem: &Problem, got: &[f64]) -> Result<(), Failure> {
        let [Some((hand, _)), _] = &self.chosen else { return Ok(()) };
        let difference = difference(problem, &self.out, got);
        if difference <= AGREEMENT {
            return Ok(());
        }
        let Problem { id, formula, .. } = problem;
        Err(Failure::new(format!(
            "{id}: the reference {} of {formula} differs from genred's kernel by {difference:e}",
            hand.tile
        )))
    }

    fn best(self) -> (Option<Best>, Option<Best>) {
        let [exact, approximate] = self.chosen.map(|chosen| {
            chosen.map(|(hand, runs)| Best { tile: hand.tile, seconds: runs.median() })
        });
        (exact, approximate)
    }
}

/// The part of indices that differ, or the largest difference of values relative to the largest value.
fn difference(problem: &Problem, expected: &[f64], got: &[f64]) -> f64 {
    let pairs = expected.iter().zip(got);
    if problem.reduction.outputs() == genred::reduce::Outputs::Indices {
        let wrong = pairs.filter(|(a, b)| a != b).count();
        return wrong as f64 / expected.len() as f64;
    }
    let largest = expected.iter().fold(0f64, |most, v| most.max(v.abs()));
    // NaN stays NaN, and is then more than anything allowed.
    pairs.fold(0f64, |most, (a, b)| {
        let error = (a - b).abs() / largest;
        if error <= most { most } else { error }
    })
}

/// The difference from the interpreter over a sample of rows.
///
/// # Errors
/// If the formula is not one.
pub(super) fn error<T: Element>(
    problem: &Problem,
    points: &Points<T>,
    kernel: &Kernel<T>,
    out: &[T],
) -> Result<f64, Failure> {
    let Problem { rows, columns, dim, dim_b, dim_out, .. } = *problem;
    let aliases = problem.aliases();
    let texts: Vec<&str> = aliases.iter().map(String::as_str).collect();
    let formula = typing::formula(problem.formula, None, &texts)?;
    let count = (SAMPLED / (columns * dim.max(dim_b))).clamp(1, rows);
    let sample: Vec<usize> = (0..count).map(|k| k * rows / count).collect();
    let wide = |values: &[T]| values.iter().map(|v| v.to_f64()).collect::<Vec<f64>>();
    let x = sample.iter().flat_map(|row| wide(&points.arrays[0][row * dim..][..dim])).collect();
    let mut args =
        vec![Matrix::new(count, dim, x), Matrix::new(columns, dim, wide(&points.arrays[1]))];
    if dim_b > 0 {
        args.push(Matrix::new(columns, dim_b, wide(&points.arrays[2])));
    }
    let task = Task {
        formula: &formula,
        rows: Category::I,
        reduction: kernel.reduction(),
        float: T::DTYPE.compute(),
        inputs: &args,
        m: count,
        n: columns,
    };
    let Outcome { values, indices } = eval::reduce(&task);
    let (mut expected, mut got) = (Vec::new(), Vec::new());
    for (k, row) in sample.iter().enumerate() {
        got.extend(wide(&out[row * dim_out..][..dim_out]));
        match &indices {
            Some(indices) => expected.extend(indices.row(k).iter().map(|index| *index as f64)),
            None => expected.extend_from_slice(values.row(k)),
        }
    }
    Ok(difference(problem, &expected, &got))
}
