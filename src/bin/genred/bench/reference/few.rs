//! Few rows: lanes over columns.

use super::kernels::CHUNK;
use super::vector::{Scalar, Vector};

/// Columns that are brought into vectors at once and used for every row.
const COLUMNS: usize = 4 * CHUNK;

/// Sum of `2^-|x - y|^2` of each row, in three dimensions.
///
/// # Safety
/// The machine has the vector's instructions.
#[inline(always)]
pub(super) unsafe fn gaussian<V: Vector>(x: &[V::T], y: &[V::T], sums: &mut [f64]) {
    let mut turned = [[V::T::default(); COLUMNS]; 3];
    let mut lanes = [V::T::default(); 16];
    // SAFETY: the caller's promise; every vector that is loaded is within a row of `turned`.
    unsafe {
        for columns in y.chunks(3 * COLUMNS) {
            let count = columns.len() / 3;
            for (c, point) in columns.chunks_exact(3).enumerate() {
                for d in 0..3 {
                    turned[d][c] = point[d];
                }
            }
            let whole = count / (4 * V::LANES) * (4 * V::LANES);
            for (row, sum) in x.chunks_exact(3).zip(&mut *sums) {
                let mut totals = [V::splat(V::T::of(0.0)); 4];
                for first in (0..whole).step_by(4 * V::LANES) {
                    let mut q = [V::splat(V::T::of(0.0)); 4];
                    for d in 0..3 {
                        let x = V::splat(row[d]);
                        for m in 0..4 {
                            let from = turned[d].as_ptr().add(first + m * V::LANES);
                            let t = x.sub(V::load(from));
                            q[m] = t.fnma(t, q[m]);
                        }
                    }
                    for m in 0..4 {
                        totals[m] = totals[m].add(q[m].exp2());
                    }
                }
                let total = totals[0].add(totals[1]).add(totals[2].add(totals[3]));
                total.store(lanes.as_mut_ptr());
                *sum += lanes[..V::LANES].iter().map(|v| v.wide()).sum::<f64>();
                for c in whole..count {
                    let square = |d: usize| (row[d].wide() - turned[d][c].wide()).powi(2);
                    *sum += (-(square(0) + square(1) + square(2))).exp2();
                }
            }
        }
    }
}
