//! The kernels: what a specialist would write for one formula, generic over the vector and the register tile only.

use super::vector::{Scalar, Vector};
use std::ops::Range;

/// A block of rows against some of the columns.
pub(crate) struct Block<'a, T> {
    /// The rows, `x[d * rows + row]`, `rows` being [`Kernel::MR`] vectors.
    pub(crate) x: &'a [T],
    /// All columns, `y[column * dim + d]`.
    pub(crate) y: &'a [T],
    /// What each column brings besides: `b[column * dim_b + k]`.
    pub(crate) b: &'a [T],
    pub(crate) dim: usize,
    pub(crate) dim_b: usize,
    pub(crate) columns: Range<usize>,
    /// Accumulators, `state[slot * rows + row]`.
    pub(crate) state: &'a mut [T],
    /// Scratch of a chunk.
    pub(crate) tile: &'a mut [T],
    /// Sorted lists of the smallest values, of K for each row.
    pub(crate) lists: &'a mut [(T, u32)],
}

/// Columns of a chunk, where a kernel works in two steps; columns are divided among tiles at multiples of it.
pub(crate) const CHUNK: usize = 64;

/// A kernel over blocks of rows.
pub(crate) trait Kernel {
    /// Vectors of rows of a block.
    const MR: usize;
    /// Accumulators of a row of `dim_b` outputs, with the value each begins with.
    fn slots(dim_b: usize) -> usize;
    /// Every accumulator's first value.
    const START: f64;

    /// # Safety
    /// The machine has the vector's instructions, and the slices are as long as [`Block`] says.
    unsafe fn block<V: Vector>(block: &mut Block<'_, V::T>);
}

/// `-|x - y|^2` of three dimensions.
///
/// # Safety
/// The machine has the vector's instructions, and `y` points to three coordinates.
#[inline(always)]
pub(super) unsafe fn minus_squares<V: Vector, const MR: usize>(
    x: &[[V; 3]; MR],
    y: *const V::T,
) -> [V; MR] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut q = [V::splat(V::T::of(0.0)); MR];
        for d in 0..3 {
            let y = V::splat(*y.add(d));
            for m in 0..MR {
                let t = x[m][d].sub(y);
                q[m] = t.fnma(t, q[m]);
            }
        }
        q
    }
}

/// The coordinates of a block in three dimensions.
///
/// # Safety
/// As [`Kernel::block`].
#[inline(always)]
pub(super) unsafe fn rows<V: Vector, const MR: usize>(x: &[V::T]) -> [[V; 3]; MR] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut rows = [[V::splat(V::T::of(0.0)); 3]; MR];
        for d in 0..3 {
            for m in 0..MR {
                rows[m][d] = V::load(x.as_ptr().add((d * MR + m) * V::LANES));
            }
        }
        rows
    }
}

/// Add sums to the accumulators from `slot` on.
///
/// # Safety
/// As [`Kernel::block`].
#[inline(always)]
pub(super) unsafe fn flush<V: Vector, const MR: usize>(
    state: &mut [V::T],
    slot: usize,
    sums: [V; MR],
) {
    // SAFETY: the caller's promise.
    unsafe {
        for m in 0..MR {
            let to = state.as_mut_ptr().add((slot * MR + m) * V::LANES);
            V::load(to).add(sums[m]).store(to);
        }
    }
}

/// What is summed, of the squared distance in three dimensions.
pub(crate) const GAUSSIAN: u8 = 0;
pub(crate) const WEIGHTED: u8 = 1;
pub(crate) const LAPLACE: u8 = 2;
pub(crate) const CAUCHY: u8 = 3;
pub(crate) const ROOT: u8 = 4;
/// The same with approximate reciprocals and roots, refined by Newton's steps.
pub(crate) const LAPLACE_FAST: u8 = 5;
pub(crate) const CAUCHY_FAST: u8 = 6;
pub(crate) const ROOT_FAST: u8 = 7;

/// Add a column's values to the sums.
///
/// # Safety
/// As [`Kernel::block`]; a column has three coordinates and, if the kind takes one, a weight.
#[inline(always)]
unsafe fn add<V: Vector, const KIND: u8, const MR: usize>(
    block: &Block<'_, V::T>,
    x: &[[V; 3]; MR],
    c: usize,
    sums: &mut [V; MR],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (zero, one) = (V::splat(V::T::of(0.0)), V::splat(V::T::of(1.0)));
        let q = minus_squares(x, block.y.as_ptr().add(3 * c));
        for m in 0..MR {
            sums[m] = match KIND {
                GAUSSIAN => sums[m].add(q[m].exp2()),
                WEIGHTED => q[m].exp2().fma(V::splat(*block.b.as_ptr().add(c)), sums[m]),
                LAPLACE => sums[m].add(zero.sub(zero.sub(q[m]).sqrt()).exp2()),
                LAPLACE_FAST => sums[m].add(zero.sub(zero.sub(q[m]).root()).exp2()),
                CAUCHY => sums[m].add(one.div(one.sub(q[m]))),
                CAUCHY_FAST => sums[m].add(one.sub(q[m]).inverse()),
                ROOT => sums[m].add(zero.sub(q[m]).sqrt()),
                _ => sums[m].add(zero.sub(q[m]).root()),
            };
        }
    }
}

/// A sum over columns in three dimensions, `NR` columns at a time.
pub(crate) struct Sum<const KIND: u8, const MR: usize, const NR: usize>;

impl<const KIND: u8, const MR: usize, const NR: usize> Kernel for Sum<KIND, MR, NR> {
    const MR: usize = MR;
    const START: f64 = 0.0;
    fn slots(_: usize) -> usize {
        1
    }

    #[inline(always)]
    /// # Safety
    /// See the trait.
    unsafe fn block<V: Vector>(block: &mut Block<'_, V::T>) {
        // SAFETY: the caller's promise; a column has three coordinates and one weight.
        unsafe {
            let x = rows::<V, MR>(block.x);
            let mut sums = [V::splat(V::T::of(0.0)); MR];
            let mut c = block.columns.start;
            while c + NR <= block.columns.end {
                for k in 0..NR {
                    add::<V, KIND, MR>(block, &x, c + k, &mut sums);
                }
                c += NR;
            }
            while c < block.columns.end {
                add::<V, KIND, MR>(block, &x, c, &mut sums);
                c += 1;
            }
            flush(block.state, 0, sums);
        }
    }
}

/// Sum of `2^-|x - y|^2 b` with b of `NC` components at a time, from tiles of the kernel's values.
pub(crate) struct Vectors<const MR: usize, const NC: usize>;

impl<const MR: usize, const NC: usize> Kernel for Vectors<MR, NC> {
    const MR: usize = MR;
    const START: f64 = 0.0;
    fn slots(dim_b: usize) -> usize {
        dim_b
    }

    #[inline(always)]
    /// # Safety
    /// See the trait; b has a multiple of `NC` components.
    unsafe fn block<V: Vector>(block: &mut Block<'_, V::T>) {
        // SAFETY: the caller's promise; the tile has a chunk of values.
        unsafe {
            let x = rows::<V, MR>(block.x);
            let tile = block.tile.as_mut_ptr();
            for first in block.columns.clone().step_by(CHUNK) {
                let count = CHUNK.min(block.columns.end - first);
                for c in 0..count {
                    let q = minus_squares(&x, block.y.as_ptr().add(3 * (first + c)));
                    for m in 0..MR {
                        q[m].exp2().store(tile.add((c * MR + m) * V::LANES));
                    }
                }
                for component in (0..block.dim_b).step_by(NC) {
                    let mut sums = [[V::splat(V::T::of(0.0)); MR]; NC];
                    let b = block.b.as_ptr().add(first * block.dim_b + component);
                    for c in 0..count {
                        let mut e = [V::splat(V::T::of(0.0)); MR];
                        for m in 0..MR {
                            e[m] = V::load(tile.add((c * MR + m) * V::LANES));
                        }
                        for k in 0..NC {
                            let b = V::splat(*b.add(c * block.dim_b + k));
                            for m in 0..MR {
                                sums[k][m] = e[m].fma(b, sums[k][m]);
                            }
                        }
                    }
                    for k in 0..NC {
                        flush(block.state, component + k, sums[k]);
                    }
                }
            }
        }
    }
}

/// The same with all of b's `NC` components accumulated where the kernel's value is computed.
pub(crate) struct Direct<const MR: usize, const NC: usize>;

impl<const MR: usize, const NC: usize> Kernel for Direct<MR, NC> {
    const MR: usize = MR;
    const START: f64 = 0.0;
    fn slots(dim_b: usize) -> usize {
        dim_b
    }

    #[inline(always)]
    /// # Safety
    /// See the trait; b has `NC` components.
    unsafe fn block<V: Vector>(block: &mut Block<'_, V::T>) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = rows::<V, MR>(block.x);
            let mut sums = [[V::splat(V::T::of(0.0)); MR]; NC];
            for c in block.columns.clone() {
                let mut e = minus_squares(&x, block.y.as_ptr().add(3 * c));
                for m in 0..MR {
                    e[m] = e[m].exp2();
                }
                for k in 0..NC {
                    let b = V::splat(*block.b.as_ptr().add(c * NC + k));
                    for m in 0..MR {
                        sums[k][m] = e[m].fma(b, sums[k][m]);
                    }
                }
            }
            for k in 0..NC {
                flush(block.state, k, sums[k]);
            }
        }
    }
}

/// Sum of `2^-|x - y|^2 (x - y)`.
pub(crate) struct Gradient<const MR: usize>;

impl<const MR: usize> Kernel for Gradient<MR> {
    const MR: usize = MR;
    const START: f64 = 0.0;
    fn slots(_: usize) -> usize {
        3
    }

    #[inline(always)]
    /// # Safety
    /// See the trait.
    unsafe fn block<V: Vector>(block: &mut Block<'_, V::T>) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = rows::<V, MR>(block.x);
            let mut sums = [[V::splat(V::T::of(0.0)); MR]; 3];
            for c in block.columns.clone() {
                let y = block.y.as_ptr().add(3 * c);
                let q = minus_squares(&x, y);
                for m in 0..MR {
                    let e = q[m].exp2();
                    for d in 0..3 {
                        sums[d][m] = x[m][d].sub(V::splat(*y.add(d))).fma(e, sums[d][m]);
                    }
                }
            }
            for d in 0..3 {
                flush(block.state, d, sums[d]);
            }
        }
    }
}

/// Maximum and sum of `2^(-|x - y|^2 - maximum)`: slot 0 has the maximum, 1 the sum.
pub(crate) struct LogSumExp<const MR: usize>;

impl<const MR: usize> Kernel for LogSumExp<MR> {
    const MR: usize = MR;
    const START: f64 = -1e30;
    fn slots(_: usize) -> usize {
        2
    }

    #[inline(always)]
    /// # Safety
    /// See the trait.
    unsafe fn block<V: Vector>(block: &mut Block<'_, V::T>) {
        // SAFETY: the caller's promise; the tile has a chunk of values.
        unsafe {
            let x = rows::<V, MR>(block.x);
            let (state, tile) = (block.state.as_mut_ptr(), block.tile.as_mut_ptr());
            let zero = V::splat(V::T::of(0.0));
            let (mut most, mut sums) = ([zero; MR], [zero; MR]);
            for m in 0..MR {
                most[m] = V::load(state.add(m * V::LANES));
                // Sums begin where maxima do, and are then 0.
                sums[m] = V::load(state.add((MR + m) * V::LANES)).max(zero);
            }
            for first in block.columns.clone().step_by(CHUNK) {
                let count = CHUNK.min(block.columns.end - first);
                let before = most;
                for c in 0..count {
                    let q = minus_squares(&x, block.y.as_ptr().add(3 * (first + c)));
                    for m in 0..MR {
                        q[m].store(tile.add((c * MR + m) * V::LANES));
                        most[m] = most[m].max(q[m]);
                    }
                }
                for m in 0..MR {
                    let shift = before[m].sub(most[m]).max(V::splat(V::T::of(-100.0)));
                    sums[m] = sums[m].mul(shift.exp2());
                }
                for c in 0..count {
                    for m in 0..MR {
                        let q = V::load(tile.add((c * MR + m) * V::LANES));
                        sums[m] = sums[m].add(q.sub(most[m]).exp2());
                    }
                }
            }
            for m in 0..MR {
                most[m].store(state.add(m * V::LANES));
                sums[m].store(state.add((MR + m) * V::LANES));
            }
        }
    }
}
