//! Finding the values of a chunk that reach their thresholds.

use super::lists::Lists;
use crate::dtype::Real;

/// Rows with a hit in a chunk, as a part of all, up to which each is searched alone: beyond, it is faster to search column after
/// column with all rows side by side (bench: pairwise, argkmin).
const FEW: usize = 2;
/// Rows that are looked at together.
const GROUP: usize = 8;
/// Largest k that a bound is made for.
pub(super) const MOST_K: usize = 32;

/// The values of one component of a chunk.
pub(super) struct Chunk<'a, C> {
    /// `values[c * lanes + lane]`.
    pub(super) values: &'a [C],
    pub(super) lanes: usize,
    /// Number of columns, and of the first among all.
    pub(super) count: usize,
    pub(super) first: i64,
}

impl<C: Real> Chunk<'_, C> {
    /// Offer the values of every row that has a hit.
    pub(super) fn rows(
        &self,
        limits: &mut [C],
        least: &[C],
        lists: &mut Lists<C>,
        list: impl Fn(usize) -> usize,
    ) {
        let hits = least.iter().zip(&*limits).filter(|(least, limit)| least <= limit).count();
        if hits * FEW <= limits.len() {
            let (groups, rest) = least.as_chunks::<GROUP>();
            for (g, least) in groups.iter().enumerate() {
                let first = g * GROUP;
                let now = &limits[first..first + GROUP];
                // A byte for each row, so that a whole group without a hit costs a single test.
                let mut hit =
                    u64::from_le_bytes(std::array::from_fn(|k| u8::from(least[k] <= now[k])));
                while hit != 0 {
                    let r = first + hit.trailing_zeros() as usize / 8;
                    self.row(r, &mut limits[r], lists, list(r));
                    hit &= hit - 1;
                }
            }
            for r in limits.len() - rest.len()..limits.len() {
                if least[r] <= limits[r] {
                    self.row(r, &mut limits[r], lists, list(r));
                }
            }
            return;
        }
        for (c, values) in self.values.chunks_exact(self.lanes).take(self.count).enumerate() {
            let pairs = values.iter().zip(&*limits);
            if !pairs.fold(false, |any, (value, limit)| any | (value <= limit)) {
                continue;
            }
            for (r, value) in values.iter().enumerate() {
                if *value <= limits[r] {
                    lists.offer(list(r), *value, self.first + c as i64);
                    lower(&mut limits[r], lists.threshold(list(r)));
                }
            }
        }
    }

    /// Offer the values of one row.
    pub(super) fn row(&self, lane: usize, limit: &mut C, lists: &mut Lists<C>, list: usize) {
        for (c, values) in self.values.chunks_exact(self.lanes).take(self.count).enumerate() {
            let value = values[lane];
            if value <= *limit {
                lists.offer(list, value, self.first + c as i64);
                lower(limit, lists.threshold(list));
            }
        }
    }
}

/// Lower a threshold to another one, which is NaN if nothing may reach it any more.
fn lower<C: Real>(limit: &mut C, to: C) {
    if to < *limit || to.partial_cmp(&to).is_none() {
        *limit = to;
    }
}

/// Lower the threshold of each lane to the `k`-th smallest of its minima; `k` is at most [`MOST_K`].
pub(super) fn bound<'a, C: Real>(
    limits: &mut [C],
    minima: impl Iterator<Item = &'a [C]> + Clone,
    k: usize,
) {
    for (g, limits) in limits.chunks_mut(GROUP).enumerate() {
        // The least ones of each lane so far, sorted.
        let mut least = [[C::INFINITY; GROUP]; MOST_K];
        for minima in minima.clone() {
            let mut rest = [C::INFINITY; GROUP];
            rest[..limits.len()].copy_from_slice(&minima[g * GROUP..][..limits.len()]);
            for kept in &mut least[..k] {
                for (kept, rest) in kept.iter_mut().zip(&mut rest) {
                    let (small, large) =
                        if *rest < *kept { (*rest, *kept) } else { (*kept, *rest) };
                    (*kept, *rest) = (small, large);
                }
            }
        }
        for (limit, bound) in limits.iter_mut().zip(&least[k - 1]) {
            if bound < limit {
                *limit = *bound;
            }
        }
    }
}
