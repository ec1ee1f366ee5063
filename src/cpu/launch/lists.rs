//! The smallest values of each row with their column numbers, sorted: by value, then by column.
//!
//! Selections of the largest values see negated ones. NaN is never kept. A missing value is +infinity with index -1.

use super::Selection;
use crate::dtype::Real;

/// Sorted lists of a group of rows, `dim` lists of `k` values a row.
#[derive(Debug, Default)]
pub(super) struct Lists<C> {
    values: Vec<C>,
    indices: Vec<i64>,
    k: usize,
}

impl<C: Real> Lists<C> {
    /// Empty lists for `rows` rows.
    pub(super) fn clear(&mut self, rows: usize, selection: Selection) {
        let len = rows * selection.dim * selection.k;
        self.k = selection.k;
        self.values.clear();
        self.values.resize(len, C::INFINITY);
        self.indices.clear();
        self.indices.resize(len, MISSING);
    }

    /// The largest value that could still enter a list, NaN if none could.
    pub(super) fn threshold(&self, list: usize) -> C {
        let last = (list + 1) * self.k - 1;
        if self.indices[last] == MISSING {
            return C::INFINITY;
        }
        let worst = self.values[last];
        let below = worst.below();
        // Equal values do not enter, and nothing is below -infinity.
        if below < worst { below } else { C::NAN }
    }

    /// Offer a column's value. Lists do not depend on the order of offers.
    pub(super) fn offer(&mut self, list: usize, value: C, index: i64) {
        let range = list * self.k..(list + 1) * self.k;
        let (values, indices) = (&mut self.values[range.clone()], &mut self.indices[range]);
        // Whether the offer comes before place `at`.
        let precedes = |values: &[C], indices: &[i64], at: usize| {
            indices[at] == MISSING
                || value < values[at]
                || (value == values[at] && index < indices[at])
        };
        let is_number = value.partial_cmp(&value).is_some();
        let mut at = self.k - 1;
        if !is_number || !precedes(values, indices, at) {
            return;
        }
        while at > 0 && precedes(values, indices, at - 1) {
            values[at] = values[at - 1];
            indices[at] = indices[at - 1];
            at -= 1;
        }
        values[at] = value;
        indices[at] = index;
    }

    /// Offer everything in the lists of other columns of the same rows.
    pub(super) fn join(&mut self, other: &Lists<C>) {
        for (n, (value, index)) in other.values.iter().zip(&other.indices).enumerate() {
            if *index != MISSING {
                self.offer(n / self.k, *value, *index);
            }
        }
    }

    /// Values and indices of all lists.
    pub(super) fn parts(&self) -> (&[C], &[i64]) {
        (&self.values, &self.indices)
    }

    /// Values and indices of all lists.
    pub(super) fn into_parts(self) -> (Vec<C>, Vec<i64>) {
        (self.values, self.indices)
    }

    /// Lists of such values and indices.
    pub(super) fn from_parts(values: Vec<C>, indices: Vec<i64>, selection: Selection) -> Lists<C> {
        Lists { values, indices, k: selection.k }
    }

    /// The values and indices of a list.
    pub(super) fn list(&self, list: usize) -> (&[C], &[i64]) {
        let range = list * self.k..(list + 1) * self.k;
        (&self.values[range.clone()], &self.indices[range])
    }
}

/// The index of no column.
pub(super) const MISSING: i64 = -1;
