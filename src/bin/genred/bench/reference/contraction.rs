//! Contractions over long points, and selections of the nearest ones.

use super::kernels::{Block, Kernel, flush, minus_squares, rows};
use super::vector::{Scalar, Vector};

/// `|x - y|^2`, or the scalar product, of a tile of rows and `NR` columns.
///
/// # Safety
/// As [`Kernel::block`]; there are `NR` columns from `c` on.
#[inline(always)]
unsafe fn contraction<V: Vector, const DIFFERENCE: bool, const MR: usize, const NR: usize>(
    block: &Block<'_, V::T>,
    c: usize,
) -> [[V; MR]; NR] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut s = [[V::splat(V::T::of(0.0)); MR]; NR];
        let y = block.y.as_ptr().add(c * block.dim);
        for d in 0..block.dim {
            let mut x = [V::splat(V::T::of(0.0)); MR];
            for m in 0..MR {
                x[m] = V::load(block.x.as_ptr().add((d * MR + m) * V::LANES));
            }
            for k in 0..NR {
                let y = V::splat(*y.add(k * block.dim + d));
                for m in 0..MR {
                    s[k][m] = if DIFFERENCE {
                        let t = x[m].sub(y);
                        t.fma(t, s[k][m])
                    } else {
                        x[m].fma(y, s[k][m])
                    };
                }
            }
        }
        s
    }
}

/// Sum of scalar products.
pub(crate) struct Product<const MR: usize, const NR: usize>;

impl<const MR: usize, const NR: usize> Kernel for Product<MR, NR> {
    const MR: usize = MR;
    const START: f64 = 0.0;
    fn slots(_: usize) -> usize {
        1
    }

    #[inline(always)]
    /// # Safety
    /// See the trait.
    unsafe fn block<V: Vector>(block: &mut Block<'_, V::T>) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [V::splat(V::T::of(0.0)); MR];
            let mut c = block.columns.start;
            while c + NR <= block.columns.end {
                let s = contraction::<V, false, MR, NR>(block, c);
                for k in 0..NR {
                    for m in 0..MR {
                        sums[m] = sums[m].add(s[k][m]);
                    }
                }
                c += NR;
            }
            while c < block.columns.end {
                let s = contraction::<V, false, MR, 1>(block, c);
                for m in 0..MR {
                    sums[m] = sums[m].add(s[0][m]);
                }
                c += 1;
            }
            flush(block.state, 0, sums);
        }
    }
}

/// The smallest `|x - y|^2` of each row: slot 0 has what a value must be below to enter a list. `SHORT`: three dimensions.
pub(crate) struct Nearest<const SHORT: bool, const MR: usize, const NR: usize>;

impl<const SHORT: bool, const MR: usize, const NR: usize> Kernel for Nearest<SHORT, MR, NR> {
    const MR: usize = MR;
    const START: f64 = f64::INFINITY;
    fn slots(_: usize) -> usize {
        1
    }

    #[inline(always)]
    /// # Safety
    /// See the trait.
    unsafe fn block<V: Vector>(block: &mut Block<'_, V::T>) {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = V::splat(V::T::of(0.0));
            let x = if SHORT { rows::<V, MR>(block.x) } else { [[zero; 3]; MR] };
            let mut limits = [zero; MR];
            for m in 0..MR {
                limits[m] = V::load(block.state.as_ptr().add(m * V::LANES));
            }
            let mut c = block.columns.start;
            while c < block.columns.end {
                let many = c + NR <= block.columns.end;
                let mut s = [[V::splat(V::T::INFINITY); MR]; NR];
                if SHORT {
                    for k in 0..if many { NR } else { 1 } {
                        let q = minus_squares(&x, block.y.as_ptr().add(3 * (c + k)));
                        for m in 0..MR {
                            s[k][m] = zero.sub(q[m]);
                        }
                    }
                } else if many {
                    s = contraction::<V, true, MR, NR>(block, c);
                } else {
                    s[0] = contraction::<V, true, MR, 1>(block, c)[0];
                }
                let mut any = 0;
                for m in 0..MR {
                    let mut least = s[0][m];
                    for k in 1..NR {
                        least = least.min(s[k][m]);
                    }
                    any |= least.below(limits[m]);
                }
                if any != 0 {
                    for k in 0..NR {
                        for m in 0..MR {
                            let lanes = s[k][m].below(limits[m]);
                            if lanes != 0 {
                                s[k][m].store(block.tile.as_mut_ptr());
                                enter(block, m * V::LANES, lanes, (c + k) as u32);
                                limits[m] = V::load(block.state.as_ptr().add(m * V::LANES));
                            }
                        }
                    }
                }
                c += if many { NR } else { 1 };
            }
        }
    }
}

/// Put the values of some lanes, which stand at the front of the tile, into the lists of rows from `first` on.
#[cold]
#[inline(never)]
fn enter<T: Scalar>(block: &mut Block<'_, T>, first: usize, mut lanes: u32, column: u32) {
    let k = block.lists.len() / block.state.len();
    while lanes != 0 {
        let lane = lanes.trailing_zeros() as usize;
        lanes &= lanes - 1;
        let (row, value) = (first + lane, block.tile[lane]);
        let list = &mut block.lists[row * k..][..k];
        let mut at = k - 1;
        while at > 0 && value < list[at - 1].0 {
            list[at] = list[at - 1];
            at -= 1;
        }
        list[at] = (value, column);
        block.state[row] = list[k - 1].0;
    }
}
