//! Selections against sorting: values in every order, ties, values that are no numbers, and shapes about those of chunks and tiles.

use genred::cache::{Cache, Mode, Options};
use genred::{Axis, Backend, Genred, Kernel, Reduction, View};
use genred_fuzz_bodies::Choices;

/// Rows: one block and less, several, and few of them, where lanes run over columns.
const ROWS: [usize; 4] = [1, 33, 70, 300];
/// Columns about the sizes of chunks, of what is searched together at first, and of a packed tile.
const COLUMNS: [usize; 7] = [1, 63, 200, 640, 2_047, 2_113, 9_000];
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

/// What multiplies the values of a row, exactly.
const SCALES: [f32; 4] = [1.0, -1.0, 2.0, 0.5];

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

fn kernel(
    reduction: Reduction,
    (formula, dim): (&str, usize),
    backend: Backend,
) -> Option<Kernel<f32>> {
    let built = Genred::<f32>::reduction(reduction, formula)
        .aliases([format!("x = Vi({dim})"), format!("y = Vj({dim})")])
        .axis(Axis::J)
        .backend(backend)
        .cache(&Cache::open(Options::new().mode(Mode::Off)))
        .compile();
    match built {
        Err(error) if error.is_device() => None,
        built => Some(built.expect("a formula of the list")),
    }
}

/// Points whose first component is a value and whose others are 0.
fn points(values: &[f32], dim: usize) -> Vec<f32> {
    values
        .iter()
        .flat_map(|v| std::iter::once(*v).chain(std::iter::repeat_n(0.0, dim - 1)))
        .collect()
}

fn check(backend: Backend) {
    let mut choices = Choices::from_seed(20_261_129);
    for formula in FORMULAS {
        for k in KS {
            let Some(kernel) = kernel(Reduction::KMinArgKMin(k), formula, backend) else {
                println!("skipped {backend:?}: this machine has no such engine");
                return;
            };
            for (order, (m, n)) in ORDERS.iter().flat_map(|order| shapes().map(move |s| (order, s)))
            {
                let columns: Vec<f32> = (0..n).map(|j| order.column(&mut choices, j)).collect();
                let rows: Vec<f32> = (0..m).map(|i| SCALES[i % SCALES.len()]).collect();
                let (x, y) = (points(&rows, formula.1), points(&columns, formula.1));
                let views = [View::new(&x, m, formula.1), View::new(&y, n, formula.1)]
                    .map(|v| v.expect("points"));
                let (values, indices) = kernel.call_both(&views).expect("a fitting call");
                let expected = SCALES.map(|scale| {
                    let row: Vec<f32> = columns.iter().map(|v| scale * v).collect();
                    smallest(&row, k as usize)
                });
                for i in 0..m {
                    let (least, numbers) = &expected[i % SCALES.len()];
                    let at = format!("{backend:?} {formula:?} k={k} {order:?} {m} x {n}, row {i}");
                    assert_eq!(indices.row(i), numbers, "{at}");
                    let pairs = || values.row(i).iter().zip(least);
                    let same = pairs().all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
                    assert!(same, "{at}: {:?}, not {least:?}", values.row(i));
                }
            }
        }
    }
}

fn shapes() -> impl Iterator<Item = (usize, usize)> {
    ROWS.into_iter().flat_map(|m| COLUMNS.map(|n| (m, n)))
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
