//! Partial results joined in any order have the bits of one call.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use genred::{Accumulate, Backend, Element, Genred, Kernel, Partial, Reduction, View};

const ROWS: usize = 70;
const COLUMNS: usize = 21_000;

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

fn kernels<T: Element>(backend: Backend) -> Vec<Kernel<T>> {
    let reductions = [
        Reduction::Sum,
        Reduction::LogSumExp,
        Reduction::MaxSumShiftExp,
        Reduction::Min,
        Reduction::ArgMax,
        Reduction::MinArgMin,
        Reduction::KMin(3),
        Reduction::ArgKMin(5),
    ];
    let build = |reduction: Reduction, accumulate| {
        let dim = reduction.output_dim(1, None);
        Genred::<T>::reduction(reduction, "g - SqDist(x, y)")
            .backend(backend)
            .output(format!("a = Vi({dim})"))
            .aliases(["x = Vi(2)", "y = Vj(2)", "g = Pm(1)"])
            .accumulate(accumulate)
            .compile()
            .unwrap()
    };
    let mut all: Vec<_> = reductions.iter().map(|r| build(*r, Accumulate::Auto)).collect();
    all.push(build(Reduction::Sum, Accumulate::Kahan));
    all.push(build(Reduction::LogSumExp, Accumulate::Double));
    all.push(
        Genred::<T>::reduction(Reduction::SumSoftMaxWeight, "x[0] * y[1]")
            .backend(backend)
            .weight("y * g")
            .output("a = Vi(2)")
            .aliases(["x = Vi(2)", "y = Vj(2)", "g = Pm(1)"])
            .compile()
            .unwrap(),
    );
    all
}

/// The native engines of this machine.
fn engines() -> Vec<Backend> {
    let mut all = vec![Backend::Avx512, Backend::Avx2, Backend::Clif];
    all.retain(|backend| Backend::cpu_engines().contains(&backend.name()));
    all
}

struct Data<T> {
    x: Vec<T>,
    y: Vec<T>,
    g: [T; 1],
}

impl<T: Element> Data<T> {
    fn new() -> Data<T> {
        // Coarse values make ties.
        let coarse = |v: Vec<f32>| {
            v.into_iter().map(|v| T::from_f64(f64::from((v * 64.0).round() / 64.0))).collect()
        };
        let g = [T::from_f64(0.25)];
        Data { x: coarse(numbers(ROWS * 2, 1)), y: coarse(numbers(COLUMNS * 2, 2)), g }
    }

    fn args(&self, rows: usize, first: usize, end: usize) -> [View<'_, T>; 3] {
        [
            View::new(&self.x[..rows * 2], rows, 2).unwrap(),
            View::new(&self.y[first * 2..end * 2], end - first, 2).unwrap(),
            View::vector(&self.g),
        ]
    }
}

/// Pieces of one, two or more steps each, in a scrambled order.
fn pieces(step: usize) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let (mut first, mut width) = (0, 1);
    while first < COLUMNS {
        let end = COLUMNS.min(first + width * step);
        pieces.push((first, end));
        (first, width) = (end, width % 3 + 1);
    }
    let half = pieces.len() / 2;
    pieces.rotate_left(half);
    pieces.swap(0, 1);
    pieces
}

fn bits<T: Element>(values: &[T]) -> Vec<u64> {
    values.iter().map(|v| v.to_f64().to_bits()).collect()
}

#[test]
fn joined_pieces_have_the_bits_of_one_call() {
    for backend in engines() {
        joined_pieces_agree::<f32>(backend);
        joined_pieces_agree::<f64>(backend);
    }
}

fn joined_pieces_agree<T: Element>(backend: Backend) {
    let data = Data::new();
    for kernel in kernels::<T>(backend) {
        for rows in [ROWS, 3] {
            let step = kernel.column_step(rows, COLUMNS);
            assert!(step < COLUMNS / 3, "the test needs several pieces");
            let make = |(first, end): (usize, usize)| -> Partial<T> {
                kernel.partial(&data.args(rows, first, end), first, COLUMNS).unwrap()
            };
            let pieces = pieces(step);
            // ((a + b) + c) + ... against a + (b + (c + ...)).
            let mut left = make(pieces[0]);
            for piece in &pieces[1..] {
                kernel.join(&mut left, &make(*piece)).unwrap();
            }
            let mut right = make(pieces[pieces.len() - 1]);
            for piece in pieces[..pieces.len() - 1].iter().rev() {
                let mut sum = make(*piece);
                kernel.join(&mut sum, &right).unwrap();
                right = sum;
            }
            let whole = kernel.call(&data.args(rows, 0, COLUMNS)).unwrap();
            let (reduction, engine) = (kernel.reduction(), backend.name());
            let name = format!("{reduction:?}, {rows} rows, {engine} {}", T::DTYPE);
            for partial in [&left, &right] {
                let joined = kernel.finish(partial).unwrap();
                assert_eq!(bits(joined.as_slice()), bits(whole.as_slice()), "{name}");
                let bytes = kernel.partial_to_bytes(partial);
                let back = kernel.partial_from_bytes(&bytes).unwrap();
                assert_eq!(bits(kernel.finish(&back).unwrap().as_slice()), bits(whole.as_slice()));
            }
        }
    }
}

#[test]
fn wrong_pieces_are_refused() {
    let data = Data::new();
    let all = kernels::<f32>(Backend::Auto);
    let (sum, lse) = (&all[0], &all[1]);
    let step = sum.column_step(ROWS, COLUMNS);
    let part =
        |k: &Kernel<f32>, first, end| k.partial(&data.args(ROWS, first, end), first, COLUMNS);
    assert!(part(sum, 1, step).unwrap_err().is_shape(), "begins within a tile");
    assert!(part(sum, 0, step + 1).unwrap_err().is_shape(), "ends within a tile");
    let mut first = part(sum, 0, step).unwrap();
    let before = first.clone();
    assert!(sum.finish(&first).unwrap_err().to_string().contains(&format!("column {step} of")));
    assert!(sum.join(&mut first, &before).unwrap_err().is_shape(), "the same columns twice");
    assert!(sum.join(&mut first, &part(lse, step, 2 * step).unwrap()).is_err(), "another kernel");
    assert_eq!(first, before, "a refused join changes nothing");
    let fewer = sum.partial(&data.args(50, step, 2 * step), step, COLUMNS).unwrap();
    assert!(sum.join(&mut first, &fewer).unwrap_err().is_shape(), "other rows");
}

#[test]
fn damaged_bytes_are_refused() {
    let data = Data::new();
    for kernel in [&kernels::<f32>(Backend::Auto)[0], &kernels::<f32>(Backend::Auto)[7]] {
        let step = kernel.column_step(3, COLUMNS);
        let part = kernel.partial(&data.args(3, 0, step), 0, COLUMNS).unwrap();
        let bytes = kernel.partial_to_bytes(&part);
        assert_eq!(kernel.partial_from_bytes(&bytes).unwrap(), part);
        for k in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[k] ^= 1 << (k % 8);
            assert!(kernel.partial_from_bytes(&damaged).is_err(), "byte {k}");
            assert!(kernel.partial_from_bytes(&bytes[..k]).is_err(), "length {k}");
        }
    }
}

#[test]
fn columns_beyond_a_packed_panel_give_the_bits_of_their_pieces() {
    const MANY: usize = 300_000;
    let y = numbers(MANY * 2, 3);
    let x = numbers(ROWS * 2, 4);
    let g = [0.5f32];
    let args = |first: usize, end: usize| {
        [
            View::new(&x, ROWS, 2).unwrap(),
            View::new(&y[first * 2..end * 2], end - first, 2).unwrap(),
            View::vector(&g),
        ]
    };
    for kernel in kernels::<f32>(Backend::Auto) {
        let step = kernel.column_step(ROWS, MANY);
        let cut = MANY / 3 / step * step;
        let mut joined = kernel.partial(&args(cut, MANY), cut, MANY).unwrap();
        kernel.join(&mut joined, &kernel.partial(&args(0, cut), 0, MANY).unwrap()).unwrap();
        let whole = kernel.call(&args(0, MANY)).unwrap();
        let joined = kernel.finish(&joined).unwrap();
        assert_eq!(bits(joined.as_slice()), bits(whole.as_slice()), "{:?}", kernel.reduction());
    }
    // The sum over all columns against float64.
    let sum = &kernels::<f32>(Backend::Auto)[0];
    let whole = sum.call(&args(0, MANY)).unwrap();
    for r in 0..ROWS {
        let pair = |c: usize| {
            let d = |k: usize| f64::from(x[r * 2 + k]) - f64::from(y[c * 2 + k]);
            0.5 - d(0) * d(0) - d(1) * d(1)
        };
        let exact: f64 = (0..MANY).map(pair).sum();
        assert!((f64::from(whole[(r, 0)]) - exact).abs() <= 1e-6 * MANY as f64, "row {r}");
    }
}
