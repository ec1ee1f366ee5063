//! Hand-written AVX2 and AVX-512 kernels: the measure of generated code.
//!
//! They are the best that is known for one formula each, in several register tiles of which the fastest counts. They cut
//! corners where the library may not: coordinates come scaled by sqrt(log2 e), so that exponents need no product; exponents are
//! not clamped, and neither infinities nor NaN nor the order of equal values is cared for.

#![allow(
    clippy::needless_range_loop,
    reason = "the loops run over vectors and columns of a register tile, and are unrolled"
)]

mod contraction;
mod few;
mod kernels;
mod vector;

use contraction::{Nearest, Product};
use kernels::{Block, CHUNK, Direct, Gradient, Kernel, LogSumExp, Sum, Vectors};
use std::f64::consts::{LN_2, LOG2_E};
use std::ops::Range;
pub(crate) use vector::Scalar;
use vector::Vector;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    Avx2,
    Avx512,
}

impl Set {
    /// Whether this machine has it.
    pub(crate) fn is_here(self) -> bool {
        match self {
            Set::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Set::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formula {
    /// Sum of `Exp(-SqNorm2(x - y))`.
    Gaussian,
    /// The same with few rows.
    FewRows,
    /// Sum of `Exp(-SqNorm2(x - y)) * b`.
    Weighted,
    /// The same, b having several components.
    Vectors,
    /// Sum of `Grad(Exp(-SqNorm2(x - y)), x, 1)`.
    Gradient,
    /// LogSumExp of `-SqNorm2(x - y)`.
    LogSumExp,
    /// ArgKMin of `SqDist(x, y)`.
    Nearest(usize),
    /// Sum of `(x | y)`.
    Product,
    /// Sum of `Exp(-Norm2(x - y))`.
    Laplace,
    /// Sum of `1 / (1 + SqDist(x, y))`.
    Cauchy,
    /// Sum of `Sqrt(SqDist(x, y))`.
    Root,
}

/// The arrays of a problem, row by row.
#[derive(Clone, Copy)]
pub(crate) struct Arrays<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) y: &'a [T],
    pub(crate) b: &'a [T],
    /// Of x and y, and of b.
    pub(crate) dim: usize,
    pub(crate) dim_b: usize,
}

/// A kernel in one register tile.
#[derive(Clone, Copy)]
pub(crate) struct Hand<T> {
    /// The register tile: vectors of rows by columns or components.
    pub(crate) tile: &'static str,
    /// Whether reciprocals and roots are approximations.
    pub(crate) approximate: bool,
    formula: Formula,
    run: Run<T>,
}

type Run<T> = fn(Formula, &Arrays<'_, T>, Range<usize>, &mut [f64]);

impl<T: Scalar> Hand<T> {
    /// All kernels of a formula over points of some dimension.
    pub(crate) fn all(set: Set, formula: Formula, dim: usize, dim_b: usize) -> Vec<Hand<T>> {
        if !set.is_here() {
            return Vec::new();
        }
        let short = dim == 3;
        let mut all = Vec::new();
        macro_rules! hands {
            ($approximate:literal, $($tile:literal $kernel:ty),*) => {{
                $(all.push(Hand {
                    tile: $tile,
                    approximate: $approximate,
                    formula,
                    run: match set {
                        Set::Avx2 => sweep_avx2::<T, $kernel>,
                        Set::Avx512 => sweep_avx512::<T, $kernel>,
                    },
                });)*
            }};
        }
        macro_rules! sums {
            ($approximate:literal, $kind:ident) => {
                hands!($approximate, "2x1" Sum<{ kernels::$kind }, 2, 1>,
                    "4x1" Sum<{ kernels::$kind }, 4, 1>, "2x4" Sum<{ kernels::$kind }, 2, 4>,
                    "4x2" Sum<{ kernels::$kind }, 4, 2>)
            };
        }
        match formula {
            Formula::FewRows => all.push(Hand {
                tile: "4x1",
                approximate: false,
                formula,
                run: match set {
                    Set::Avx2 => few_avx2::<T>,
                    Set::Avx512 => few_avx512::<T>,
                },
            }),
            Formula::Gaussian => sums!(false, GAUSSIAN),
            Formula::Weighted => sums!(false, WEIGHTED),
            Formula::Laplace => {
                sums!(false, LAPLACE);
                sums!(true, LAPLACE_FAST);
            }
            Formula::Cauchy => {
                sums!(false, CAUCHY);
                sums!(true, CAUCHY_FAST);
            }
            Formula::Root => {
                sums!(false, ROOT);
                sums!(true, ROOT_FAST);
            }
            Formula::Vectors if dim_b == 10 => hands!(false, "2x5" Vectors<2, 5>,
                "4x5" Vectors<4, 5>, "4x2" Vectors<4, 2>, "1x10 direct" Direct<1, 10>, "2x10 direct" Direct<2, 10>),
            Formula::Vectors => hands!(false, "2x4" Vectors<2, 4>, "4x4" Vectors<4, 4>),
            Formula::Gradient => {
                hands!(false, "1x1" Gradient<1>, "2x1" Gradient<2>, "4x1" Gradient<4>)
            }
            Formula::LogSumExp => hands!(false, "2x1" LogSumExp<2>, "4x1" LogSumExp<4>),
            Formula::Product => {
                hands!(false, "4x4" Product<4, 4>, "2x4" Product<2, 4>, "2x6" Product<2, 6>, "4x2" Product<4, 2>,
                "1x12" Product<1, 12>)
            }
            Formula::Nearest(_) if short => {
                hands!(false, "4x1" Nearest<true, 4, 1>, "2x2" Nearest<true, 2, 2>,
                "4x2" Nearest<true, 4, 2>, "2x4" Nearest<true, 2, 4>)
            }
            Formula::Nearest(_) => hands!(false, "4x4" Nearest<false, 4, 4>,
                "2x4" Nearest<false, 2, 4>, "2x6" Nearest<false, 2, 6>, "4x2" Nearest<false, 4, 2>,
                "1x12" Nearest<false, 1, 12>),
        }
        all
    }

    /// Run it on some threads; `out` has as many numbers as the formula, or column numbers, for each row.
    pub(crate) fn run(&self, arrays: &Arrays<'_, T>, threads: usize, out: &mut [f64]) {
        let rows = arrays.x.len() / arrays.dim;
        let scale = match self.formula {
            Formula::Laplace => LOG2_E,
            Formula::Nearest(_) | Formula::Product | Formula::Cauchy | Formula::Root => 1.0,
            _ => LOG2_E.sqrt(),
        };
        let scaled = |from: &[T]| -> Vec<T> {
            let scale = T::of(scale);
            from.iter().map(|v| T::of(v.wide() * scale.wide())).collect()
        };
        let (x, y);
        let mut arrays = *arrays;
        if scale != 1.0 {
            (x, y) = (scaled(arrays.x), scaled(arrays.y));
            (arrays.x, arrays.y) = (&x, &y);
        }
        let part = rows.div_ceil(threads).max(1);
        let width = out.len() / rows;
        if threads == 1 {
            (self.run)(self.formula, &arrays, 0..rows, out);
        } else {
            std::thread::scope(|scope| {
                for (k, out) in out.chunks_mut(part * width).enumerate() {
                    let range = k * part..k * part + out.len() / width;
                    let arrays = &arrays;
                    scope.spawn(move || (self.run)(self.formula, arrays, range, out));
                }
            });
        }
    }
}

/// Bytes of columns that all blocks of rows sweep before the next: they then come from the level-2 cache.
const TILE_BYTES: usize = 256 * 1024;

/// Rows in blocks over columns in tiles.
///
/// # Safety
/// The machine has the vector's instructions.
#[inline(always)]
unsafe fn sweep<V: Vector, K: Kernel>(
    formula: Formula,
    arrays: &Arrays<'_, V::T>,
    rows: Range<usize>,
    out: &mut [f64],
) {
    let size = K::MR * V::LANES;
    let Arrays { dim, dim_b, .. } = *arrays;
    let (slots, columns) = (K::slots(dim_b), arrays.y.len() / dim);
    let keep = if let Formula::Nearest(k) = formula { k } else { 0 };
    let blocks = rows.len().div_ceil(size);
    let mut x = vec![V::T::default(); blocks * dim * size];
    for (b, x) in x.chunks_exact_mut(dim * size).enumerate() {
        for lane in 0..size {
            let row = (rows.start + b * size + lane).min(rows.end - 1);
            for d in 0..dim {
                x[d * size + lane] = arrays.x[row * dim + d];
            }
        }
    }
    let mut state = vec![V::T::of(K::START); blocks * slots * size];
    let mut tile = vec![V::T::default(); CHUNK * size];
    let mut lists = vec![(V::T::INFINITY, 0u32); blocks * keep * size];
    let point = size_of::<V::T>() * (dim + dim_b);
    let step = (TILE_BYTES / point).next_multiple_of(CHUNK);
    for first in (0..columns).step_by(step) {
        for b in 0..blocks {
            let mut block = Block {
                x: &x[b * dim * size..][..dim * size],
                y: arrays.y,
                b: arrays.b,
                dim,
                dim_b,
                columns: first..columns.min(first + step),
                state: &mut state[b * slots * size..][..slots * size],
                tile: &mut tile,
                lists: &mut lists[b * keep * size..][..keep * size],
            };
            // SAFETY: the caller's promise, and the slices have the lengths that the block's doc names.
            unsafe { K::block::<V>(&mut block) };
        }
    }
    let width = out.len() / rows.len();
    for (r, out) in out.chunks_exact_mut(width).enumerate() {
        let (b, lane) = (r / size, r % size);
        let slot = |s: usize| state[(b * slots + s) * size + lane].wide();
        for (k, value) in out.iter_mut().enumerate() {
            *value = match formula {
                Formula::Nearest(_) => f64::from(lists[(b * size + lane) * keep + k].1),
                Formula::LogSumExp => LN_2 * (slot(0) + slot(1).log2()),
                Formula::Gradient => -2.0 / LOG2_E.sqrt() * slot(k),
                _ => slot(k),
            };
        }
    }
}

macro_rules! entries {
    ($features:literal, $vector:ident, $sweep:ident, $sweep_here:ident, $few:ident, $few_here:ident) => {
        /// # Safety
        /// The machine has the instruction set.
        #[target_feature(enable = $features)]
        unsafe fn $sweep_here<T: Scalar, K: Kernel>(
            formula: Formula,
            arrays: &Arrays<'_, T>,
            rows: Range<usize>,
            out: &mut [f64],
        ) {
            // SAFETY: the caller's promise.
            unsafe { sweep::<T::$vector, K>(formula, arrays, rows, out) }
        }

        fn $sweep<T: Scalar, K: Kernel>(
            formula: Formula,
            arrays: &Arrays<'_, T>,
            rows: Range<usize>,
            out: &mut [f64],
        ) {
            // SAFETY: `Hand::all` makes these for instruction sets that the machine has.
            unsafe { $sweep_here::<T, K>(formula, arrays, rows, out) }
        }

        /// # Safety
        /// The machine has the instruction set.
        #[target_feature(enable = $features)]
        unsafe fn $few_here<T: Scalar>(x: &[T], y: &[T], out: &mut [f64]) {
            // SAFETY: the caller's promise.
            unsafe { few::gaussian::<T::$vector>(x, y, out) }
        }

        fn $few<T: Scalar>(
            _: Formula,
            arrays: &Arrays<'_, T>,
            rows: Range<usize>,
            out: &mut [f64],
        ) {
            out.fill(0.0);
            // SAFETY: `Hand::all` makes these for instruction sets that the machine has.
            unsafe { $few_here::<T>(&arrays.x[3 * rows.start..3 * rows.end], arrays.y, out) }
        }
    };
}

entries!("avx2,fma", Avx2, sweep_avx2, sweep_avx2_here, few_avx2, few_avx2_here);
entries!(
    "avx512f,avx512dq,avx512bw,avx512vl",
    Avx512,
    sweep_avx512,
    sweep_avx512_here,
    few_avx512,
    few_avx512_here
);
