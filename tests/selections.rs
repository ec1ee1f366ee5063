//! Selections against sorting: values in every order, ties, values that are no numbers, and shapes about those of chunks and tiles.

#![allow(clippy::print_stdout, reason = "a skipped engine is said to be")]

use genred::cache::{Cache, Mode, Options};
use genred::{Axis, Backend, Genred, Kernel, Reduction, View};
use genred_fuzz_bodies::Choices;

/// Rows: one, where lanes run over columns, and some blocks with and without a rest.
const ROWS: [usize; 4] = [1, 33, 70, 300];
/// Columns about the sizes of chunks (64, 96), of what is searched together at first (32 chunks), and of a packed tile (4,096).
const COLUMNS: [usize; 10] = [1, 63, 65, 97, 200, 640, 2_047, 2_113, 4_097, 9_000];
const KS: [u32; 6] = [1, 2, 3, 10, 32, 40];

/// How the values of a row follow each other.
#[derive(Clone, Copy, Debug)]
enum Order {
    Random,
    Falling,
    Rising,
    Equal,
    /// Few distinct values.
    Ties,
    /// Most are NaN, some infinite.
    NoNumbers,
}

const ORDERS: [Order; 6] =
    [Order::Random, Order::Falling, Order::Rising, Order::Equal, Order::Ties, Order::NoNumbers];

impl Order {
    fn column(self, choices: &mut Choices<'_>, j: usize) -> f32 {
        let random = choices.fraction() as f32;
        match self {
            Order::Random => random,
            Order::Falling => -(j as f32),
            Order::Rising => j as f32,
            Order::Equal => 1.0,
            Order::Ties => (8.0 * random).floor(),
            Order::NoNumbers if random < 0.7 => f32::NAN,
            Order::NoNumbers if random < 0.72 => f32::INFINITY,
            Order::NoNumbers if random < 0.74 => f32::NEG_INFINITY,
            Order::NoNumbers => random,
        }
    }
}

/// What multiplies the values of a row, exactly; the first leaves no number.
const SCALES: [f32; 5] = [f32::NAN, 1.0, -1.0, 2.0, 0.5];

/// The values and numbers of the `k` smallest of a row: by value, then by number. NaN is never among them; missing ones are
/// infinite, of columns without a number NaN.
fn smallest(values: &[f32], k: usize) -> (Vec<f32>, Vec<i64>) {
    let mut all: Vec<(f32, i64)> =
        values.iter().copied().zip(0..).filter(|v| !v.0.is_nan()).collect();
    all.sort_by(|(a, i), (b, j)| a.total_cmp(b).then(i.cmp(j)));
    let nothing = if all.is_empty() { f32::NAN } else { f32::INFINITY };
    let filler = |n: usize| if n < values.len() { nothing } else { f32::INFINITY };
    let all = (0..k).map(|n| all.get(n).copied().unwrap_or((filler(n), -1)));
    all.unzip()
}

/// Formulas of the value, and how many components its points have: short ones, and long ones, which are evaluated otherwise.
const FORMULAS: [(&str, usize); 2] = [("x * y", 1), ("(x | y)", 16)];

fn kernel(reduction: Reduction, (formula, dim): (&str, usize), backend: Backend) -> Kernel<f32> {
    Genred::<f32>::reduction(reduction, formula)
        .aliases([format!("x = Vi({dim})"), format!("y = Vj({dim})")])
        .axis(Axis::J)
        .backend(backend)
        .cache(&Cache::open(Options::new().mode(Mode::Off)))
        .compile()
        .expect("a formula of the list")
}

/// Points whose first component is a value and whose others are 0.
fn points(values: &[f32], dim: usize) -> Vec<f32> {
    values
        .iter()
        .flat_map(|v| std::iter::once(*v).chain(std::iter::repeat_n(0.0, dim - 1)))
        .collect()
}

fn check(backend: Backend) {
    let name = backend.name();
    if !Backend::cpu_engines().contains(&name) {
        println!("skipped {name}: this processor lacks its vectors");
        return;
    }
    for formula in FORMULAS {
        for k in KS {
            let kernel = kernel(Reduction::KMinArgKMin(k), formula, backend);
            for (m, n) in ROWS.into_iter().flat_map(|m| COLUMNS.map(|n| (m, n))) {
                ORDERS.iter().for_each(|order| compare(&kernel, formula, k, *order, (m, n)));
            }
        }
    }
    // Chunks of long points have fewer columns.
    for formula in [("SqDist(x, y)", 700), ("SqDist(x, y)", 1_400)] {
        for k in [1, 2, 5] {
            let kernel = kernel(Reduction::KMinArgKMin(k), formula, backend);
            for order in [Order::Random, Order::Falling, Order::Ties] {
                compare(&kernel, formula, k, order, (70, 300));
            }
        }
    }
}

/// The kernel's result beside sorting.
fn compare(
    kernel: &Kernel<f32>,
    (formula, dim): (&str, usize),
    k: u32,
    order: Order,
    (m, n): (usize, usize),
) {
    let mut choices = Choices::from_seed(20_261_129);
    let columns: Vec<f32> = (0..n).map(|j| order.column(&mut choices, j)).collect();
    let rows: Vec<f32> = (0..m).map(|i| SCALES[i % SCALES.len()]).collect();
    let (x, y) = (points(&rows, dim), points(&columns, dim));
    let views = [View::new(&x, m, dim), View::new(&y, n, dim)].map(|v| v.expect("points"));
    let (values, indices) = kernel.call_both(&views).expect("a fitting call");
    let expected = SCALES.map(|scale| {
        let value =
            |y: &f32| if formula == "SqDist(x, y)" { (scale - y) * (scale - y) } else { scale * y };
        smallest(&columns.iter().map(value).collect::<Vec<_>>(), k as usize)
    });
    for i in 0..m {
        let (least, numbers) = &expected[i % SCALES.len()];
        let at = format!("{formula} of dim {dim}, k={k} {order:?} {m} x {n}, row {i}");
        assert_eq!(indices.row(i), numbers, "{at}");
        let pairs = || values.row(i).iter().zip(least);
        let same = pairs().all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
        assert!(same, "{at}: {:?}, not {least:?}", values.row(i));
    }
}

#[test]
fn cranelift_selects_what_sorting_does() {
    check(Backend::Clif);
}

#[test]
fn avx2_selects_what_sorting_does() {
    check(Backend::Avx2);
}

#[test]
fn avx512_selects_what_sorting_does() {
    check(Backend::Avx512);
}
