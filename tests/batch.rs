//! Batched calls against single ones, bit for bit, and against the oracle.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use genred::eval::{self, Matrix, Task};
use genred::formula::{Category, typing};
use genred::{BatchView, Element, Float, Genred, Kernel, Reduction, View};
use std::sync::Arc;

const ALIASES: [&str; 3] = ["x = Vi(2)", "y = Vj(2)", "g = Pm(1)"];
const FORMULA: &str = "g - SqDist(x, y)";

fn numbers(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|k| ((k * 7_919 + seed * 104_729 + k * k % 31) % 33) as f32 / 16.0 - 1.0).collect()
}

fn genred<T: Element>(reduction: Reduction, rows: &str) -> Genred<T> {
    let dim = reduction.output_dim(1, None);
    Genred::reduction(reduction, FORMULA).output(format!("a = {rows}({dim})")).aliases(ALIASES)
}

/// The place of a batch element of `shape` in an argument with batch dimensions `own`, worked out axis by axis.
fn place(shape: &[usize], own: &[usize], number: usize) -> usize {
    let mut rest = number;
    let mut places = Vec::new();
    for n in shape.iter().rev() {
        places.push(rest % n);
        rest /= n;
    }
    let mut place = 0;
    for (k, n) in own.iter().enumerate() {
        let from_the_right = own.len() - 1 - k;
        place = place * n + if *n == 1 { 0 } else { places[from_the_right] };
    }
    place
}

/// Batch dimensions of x, y and g, and what they broadcast to.
const SHAPES: [([&[usize]; 3], &[usize]); 6] = [
    ([&[], &[], &[]], &[]),
    ([&[3], &[3], &[3]], &[3]),
    ([&[2, 3], &[3], &[]], &[2, 3]),
    ([&[2, 1], &[1, 3], &[2, 3]], &[2, 3]),
    ([&[1], &[4, 1, 2], &[1, 1]], &[4, 1, 2]),
    ([&[0, 2], &[2], &[1]], &[0, 2]),
];

#[test]
fn each_element_has_the_bits_of_a_call_and_the_oracles_value() {
    let (m, n) = (7, 20);
    let formula = typing::formula(FORMULA, None, &ALIASES).unwrap();
    for ([x_batch, y_batch, g_batch], batch) in SHAPES {
        let count = |dims: &[usize]| dims.iter().product::<usize>();
        let x = numbers(count(x_batch) * m * 2, 1);
        let y = numbers(count(y_batch) * n * 2, 2);
        let g = numbers(count(g_batch), 3);
        let shaped = |dims: &[usize], inner: &[usize]| [dims, inner].concat();
        let args = [
            BatchView::new(&x, &shaped(x_batch, &[m, 2])).unwrap(),
            BatchView::new(&y, &shaped(y_batch, &[n, 2])).unwrap(),
            BatchView::new(&g, &shaped(g_batch, &[1])).unwrap(),
        ];
        for (reduction, rows) in [
            (Reduction::Sum, "Vi"),
            (Reduction::LogSumExp, "Vj"),
            (Reduction::KMin(2), "Vi"),
            (Reduction::ArgKMin(3), "Vj"),
        ] {
            let kernel = genred::<f32>(reduction, rows).compile().unwrap();
            let found = kernel.call_batch(&args).unwrap();
            let own_rows = if rows == "Vi" { m } else { n };
            assert_eq!(found.shape(), [batch, &[own_rows, kernel.dim()]].concat());
            let len = own_rows * kernel.dim();
            for b in 0..count(batch) {
                let at = |own: &[usize], len: usize| place(batch, own, b) * len;
                let (xb, yb) =
                    (&x[at(x_batch, m * 2)..][..m * 2], &y[at(y_batch, n * 2)..][..n * 2]);
                let gb = &g[at(g_batch, 1)..][..1];
                let one =
                    [View::new(xb, m, 2).unwrap(), View::new(yb, n, 2).unwrap(), View::vector(gb)];
                let alone = kernel.call(&one).unwrap();
                let here = &found.as_slice()[b * len..][..len];
                assert_eq!(here, alone.as_slice(), "{reduction:?} of {batch:?}, element {b}");
                let wide = |values: &[f32], dim: usize| {
                    let values: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
                    Matrix::new(values.len() / dim, dim, values)
                };
                let inputs = [wide(xb, 2), wide(yb, 2), wide(gb, 1)];
                let category = if rows == "Vi" { Category::I } else { Category::J };
                let task = Task {
                    formula: &formula,
                    rows: category,
                    reduction,
                    float: Float::F32,
                    inputs: &inputs,
                    m,
                    n,
                };
                let outcome = eval::reduce(&task);
                let expected: Vec<f64> = match reduction {
                    Reduction::ArgKMin(_) => {
                        outcome.indices.unwrap().values.iter().map(|i| *i as f64).collect()
                    }
                    _ => outcome.values.values,
                };
                for (found, expected) in here.iter().zip(expected) {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error <= 1e-5 * expected.abs().max(1.0), "{found}, not {expected}");
                }
            }
            if reduction == Reduction::ArgKMin(3) {
                let exact = kernel.call_batch_indices(&args).unwrap();
                assert_eq!(exact.shape(), found.shape());
                let pairs = exact.as_slice().iter().zip(found.as_slice());
                pairs.for_each(|(exact, found)| assert_eq!(*exact as f32, *found));
            }
        }
    }
}

#[test]
fn values_and_indices_come_in_one_pass() {
    let (x, y) = (numbers(3 * 7 * 2, 1), numbers(20 * 2, 2));
    let both = genred::<f32>(Reduction::MinArgMin, "Vi").compile().unwrap();
    let (min, argmin) = (
        genred::<f32>(Reduction::Min, "Vi").compile().unwrap(),
        genred::<f32>(Reduction::ArgMin, "Vi").compile().unwrap(),
    );
    let g = [0.5];
    let args = [
        BatchView::new(&x, &[3, 7, 2]).unwrap(),
        BatchView::new(&y, &[20, 2]).unwrap(),
        BatchView::new(&g, &[1]).unwrap(),
    ];
    let (values, indices) = both.call_batch_both(&args).unwrap();
    assert_eq!(values, min.call_batch(&args).unwrap());
    assert_eq!(indices, argmin.call_batch_indices(&args).unwrap());
    assert!(min.call_batch_both(&args[..2]).is_err());
    let none: [f32; 0] = [];
    let empty = [BatchView::new(&none, &[0, 7, 2]).unwrap(), args[1].clone(), args[2].clone()];
    assert_eq!(both.call_batch_both(&empty).unwrap().1.shape(), [0, 7, 1]);
    let sum = genred::<f32>(Reduction::Sum, "Vi").compile().unwrap();
    assert!(sum.call_batch_both(&args).is_err());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (batch, m, n) = (50, 40, 300);
    let (x, y, g) = (numbers(batch * m * 2, 1), numbers(batch * n * 2, 2), [0.3]);
    let args = [
        BatchView::new(&x, &[batch, m, 2]).unwrap(),
        BatchView::new(&y, &[batch, n, 2]).unwrap(),
        View::vector(&g).into(),
    ];
    let run = |kernel: Kernel<f32>| kernel.call_batch(&args).unwrap();
    let build = || genred::<f32>(Reduction::LogSumExp, "Vi");
    let one = run(build().single_threaded().compile().unwrap());
    for threads in [2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(run(build().pool(Arc::new(pool)).compile().unwrap()), one, "{threads} threads");
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_arrays_of_any_strides_are_batches() {
    let (m, n) = (3, 5);
    let x = ndarray::ArrayD::from_shape_vec(vec![2, m, 2], numbers(2 * m * 2, 1)).unwrap();
    // Stored with the batch dimension last.
    let y = ndarray::Array3::from_shape_vec((n, 2, 2), numbers(n * 4, 2)).unwrap();
    let y = y.permuted_axes([2, 0, 1]).into_dyn();
    let g = [0.5f32];
    let sum = genred::<f32>(Reduction::Sum, "Vi").compile().unwrap();
    let found =
        sum.call_batch(&[x.view().into(), y.view().into(), View::vector(&g).into()]).unwrap();
    let (xs, ys) = (x.as_slice().unwrap(), y.as_standard_layout().into_owned());
    let ys = ys.as_slice().unwrap();
    let same = [
        BatchView::new(xs, &[2, m, 2]).unwrap(),
        BatchView::new(ys, &[2, n, 2]).unwrap(),
        BatchView::new(&g, &[1]).unwrap(),
    ];
    assert_eq!(found, sum.call_batch(&same).unwrap());
    let array: ndarray::ArrayD<f32> = found.into();
    assert_eq!(array.shape(), [2, m, 1]);
}

#[test]
fn shapes_that_do_not_fit_are_refused_by_name() {
    let sum = genred::<f32>(Reduction::Sum, "Vi").compile().unwrap();
    let data = numbers(10_000, 1);
    let of = |shape: &[usize]| BatchView::new(&data[..shape.iter().product()], shape).unwrap();
    let refused = |x: &[usize], y: &[usize], g: &[usize], says: &str| {
        let error = sum.call_batch(&[of(x), of(y), of(g)]).unwrap_err();
        assert!(error.is_shape() && error.to_string().contains(says), "{error}");
    };
    refused(&[2, 3, 2], &[3, 4, 2], &[1], "axis 0 of `y`, of shape [3, 4, 2], has length 3, but 2");
    refused(&[2, 3, 2], &[4, 2], &[3, 1], "axis 0 of `g`, of shape [3, 1], has length 3, but 2");
    refused(&[2], &[4, 2], &[1], "`x` has shape [2], but needs [.., rows, 2]");
    refused(&[2, 3, 3], &[4, 2], &[1], "`x` has dim 3");
    refused(&[0, 3, 3], &[4, 2], &[1], "`x` has dim 3");
    refused(&[3, 2], &[4, 2], &[2, 2], "`g` has dim 2");
    refused(&[3, 2], &[4, 2], &[], "`g` has shape [], but needs [.., 1]");
    assert!(sum.call_batch(&[of(&[3, 2])]).unwrap_err().is_shape());
    assert!(BatchView::new(&data, &[3, 7]).is_err());
    assert!(BatchView::new(&data, &[usize::MAX, usize::MAX]).is_err());
    assert!(sum.call_batch_indices(&[of(&[3, 2]), of(&[4, 2]), of(&[1])]).is_err());
}
