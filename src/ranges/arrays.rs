//! Ranges as KeOps writes them: six arrays, three for each direction.

use super::{Half, Ranges};
use crate::error::Error;
use std::ops::Range;

/// The six arrays of KeOps' `ranges`, in its order.
///
/// For every k the rows i of `ranges_i[k]` (from, to) are reduced over the columns j of `redranges_j[l]`, for l from `slices_i[k - 1]`
/// (0 for k = 0) to below `slices_i[k]`. The last three say the same of rows j and columns i: both must keep the same pairs.
///
/// ```
/// use genred::{RangeArrays, Ranges};
/// // Rows 0 and 1 over column 2, seen from both sides.
/// let arrays = RangeArrays {
///     ranges_i: &[[0, 2]], slices_i: &[1], redranges_j: &[[2, 3]],
///     ranges_j: &[[2, 3]], slices_j: &[1], redranges_i: &[[0, 2]],
/// };
/// assert_eq!(Ranges::from_arrays(2, 3, &arrays)?.pairs(), 2);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RangeArrays<'a> {
    /// Clusters of rows i.
    pub ranges_i: &'a [[i64; 2]],
    /// Where the columns of each cluster end in `redranges_j`.
    pub slices_i: &'a [i64],
    /// Ranges of columns j.
    pub redranges_j: &'a [[i64; 2]],
    /// Clusters of rows j.
    pub ranges_j: &'a [[i64; 2]],
    /// Where the columns of each cluster end in `redranges_i`.
    pub slices_j: &'a [i64],
    /// Ranges of columns i.
    pub redranges_i: &'a [[i64; 2]],
}

impl Ranges {
    /// Ranges of `m` points i and `n` points j in KeOps' form. Clusters and column ranges may come in any order; the result does not
    /// depend on it.
    ///
    /// ```
    /// use genred::{RangeArrays, Ranges};
    /// let arrays = RangeArrays {
    ///     ranges_i: &[[0, 2], [4, 5]], slices_i: &[1, 2], redranges_j: &[[0, 3], [4, 5]],
    ///     ranges_j: &[[0, 3], [4, 5]], slices_j: &[1, 2], redranges_i: &[[0, 2], [4, 5]],
    /// };
    /// assert_eq!(Ranges::from_arrays(6, 5, &arrays)?.pairs(), 2 * 3 + 1);
    /// let error = Ranges::from_arrays(6, 4, &arrays).unwrap_err();
    /// assert!(error.to_string().contains("`redranges_j[1]` is [4, 5], but there are 4 points j"));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape`, naming the array and the place: a range beyond the points or with its end before its start, rows in two clusters, a column
    /// twice in one cluster, slices that descend or do not end at the number of ranges; or if the two halves keep different pairs.
    pub fn from_arrays(m: usize, n: usize, arrays: &RangeArrays<'_>) -> Result<Ranges, Error> {
        let by_i = Side { rows: "i", columns: "j", points: (m, n) }.half(
            arrays.ranges_i,
            arrays.slices_i,
            arrays.redranges_j,
        )?;
        let by_j = Side { rows: "j", columns: "i", points: (n, m) }.half(
            arrays.ranges_j,
            arrays.slices_j,
            arrays.redranges_i,
        )?;
        if fingerprint(&by_i, [0, 1]) != fingerprint(&by_j, [1, 0]) {
            return Err(Error::shape(format!(
                "`ranges_i`, `slices_i`, `redranges_j` keep {} pairs, but `ranges_j`, `slices_j`, `redranges_i` {}{}",
                by_i.pairs(),
                by_j.pairs(),
                if by_i.pairs() == by_j.pairs() { " others" } else { "" }
            ))
            .help("the second three are the first three with i and j exchanged"));
        }
        Ok(Ranges { points: [m, n], halves: [by_i, by_j] })
    }
}

/// The names and the numbers of points of a half.
struct Side {
    rows: &'static str,
    columns: &'static str,
    points: (usize, usize),
}

impl Side {
    fn half(
        &self,
        ranges: &[[i64; 2]],
        slices: &[i64],
        redranges: &[[i64; 2]],
    ) -> Result<Half, Error> {
        let Side { rows, columns, points } = self;
        let (ranges_name, slices_name, red_name) =
            (format!("ranges_{rows}"), format!("slices_{rows}"), format!("redranges_{columns}"));
        if ranges.len() != slices.len() {
            return Err(Error::shape(format!(
                "`{ranges_name}` has {} clusters, but `{slices_name}` {} entries",
                ranges.len(),
                slices.len()
            )));
        }
        let clusters = inside(&ranges_name, ranges, points.0, rows)?;
        let reduced = inside(&red_name, redranges, points.1, columns)?;
        let mut order: Vec<usize> =
            (0..clusters.len()).filter(|k| !clusters[*k].is_empty()).collect();
        order.sort_unstable_by_key(|k| clusters[*k].start);
        for pair in order.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            if clusters[b].start < clusters[a].end {
                return Err(Error::shape(format!(
                    "row {} is in `{ranges_name}[{}]` and in `{ranges_name}[{}]`",
                    clusters[b].start,
                    a.min(b),
                    a.max(b)
                )));
            }
        }
        let slices = checked_slices(&slices_name, slices, &red_name, redranges.len())?;
        // Also of clusters without rows: their columns are checked as well.
        let mut half = Half::default();
        let mut sorted: Vec<Vec<Range<usize>>> = Vec::with_capacity(clusters.len());
        for (k, slice) in slices.iter().enumerate() {
            let mut own: Vec<usize> = slice.clone().filter(|l| !reduced[*l].is_empty()).collect();
            own.sort_unstable_by_key(|l| reduced[*l].start);
            for pair in own.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                if reduced[b].start < reduced[a].end {
                    return Err(Error::shape(format!(
                        "column {} is in `{red_name}[{}]` and in `{red_name}[{}]`, both of `{ranges_name}[{k}]`",
                        reduced[b].start,
                        a.min(b),
                        a.max(b)
                    )));
                }
            }
            sorted.push(own.into_iter().map(|l| reduced[l].clone()).collect());
        }
        for k in order {
            half.push(clusters[k].clone(), sorted[k].iter().cloned());
        }
        Ok(half)
    }
}

/// Ranges of points, all of them there.
fn inside(
    name: &str,
    ranges: &[[i64; 2]],
    points: usize,
    axis: &str,
) -> Result<Vec<Range<usize>>, Error> {
    let checked = |(k, [first, end]): (usize, &[i64; 2])| {
        let wrong = |why: &str| Error::shape(format!("`{name}[{k}]` is [{first}, {end}]{why}"));
        match (usize::try_from(*first), usize::try_from(*end)) {
            (Ok(_), Ok(_)) if first > end => Err(wrong(": it ends before it starts")),
            (Ok(first), Ok(end)) if end <= points => Ok(first..end),
            (Ok(_), Ok(_)) => Err(wrong(&format!(", but there are {points} points {axis}"))),
            _ => Err(wrong(": there are no negative points")),
        }
    };
    ranges.iter().enumerate().map(checked).collect()
}

/// The column ranges of every cluster.
fn checked_slices(
    name: &str,
    slices: &[i64],
    red_name: &str,
    ranges: usize,
) -> Result<Vec<Range<usize>>, Error> {
    let mut before = 0;
    let mut all = Vec::with_capacity(slices.len());
    for (k, end) in slices.iter().enumerate() {
        let end = usize::try_from(*end).ok().filter(|end| *end <= ranges).ok_or_else(|| {
            Error::shape(format!("`{name}[{k}]` is {end}, but `{red_name}` has {ranges} ranges"))
        })?;
        if end < before {
            return Err(Error::shape(format!(
                "`{name}[{k}]` is {end}, below the {before} before it"
            )));
        }
        all.push(before..end);
        before = end;
    }
    if before != ranges {
        return Err(Error::shape(format!(
            "`{name}` ends at {before}, but `{red_name}` has {ranges} ranges"
        )));
    }
    Ok(all)
}

/// A number that depends on the set of pairs only: the sum over all pairs of a number for the row times one for the column, modulo
/// 2^61 - 1. Different sets have different ones but for one chance in some 10^18. `axes` tells apart which of the two are the i.
fn fingerprint(half: &Half, axes: [u64; 2]) -> (usize, u64) {
    const PRIME: u64 = (1 << 61) - 1;
    let times = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64;
    let minus = |a: u64, b: u64| (a + PRIME - b) % PRIME;
    let [of_rows, of_columns] =
        axes.map(|axis| move |point: usize| mixed(axis, point as u64) % PRIME);
    let mut total = 0;
    for cluster in 0..half.len() {
        let rows = half.rows(cluster);
        // The numbers of points are differences of those of their ends, so a range's sum is known at once.
        let rows = minus(of_rows(rows.end), of_rows(rows.start));
        let columns = half.columns(cluster).iter().fold(0, |sum, range| {
            (sum + minus(of_columns(range.end), of_columns(range.start))) % PRIME
        });
        total = (total + times(rows, columns)) % PRIME;
    }
    (half.pairs(), total)
}

/// Scrambled bits of a point of an axis.
fn mixed(axis: u64, point: u64) -> u64 {
    let mut bits = point.wrapping_mul(2).wrapping_add(axis).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
