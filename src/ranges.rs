//! Block-sparse reductions: which blocks of pairs take part.
//!
//! Rows come in clusters; each cluster is reduced over columns of its own. [`Ranges`] says which, once for every direction: a row i over
//! columns j, and a row j over columns i, so that both reductions and their gradients go over the same pairs. Everything is checked
//! when ranges are made; a call only compares the numbers of points.
//!
//! A cluster gives the bits of one call on its rows and its columns alone, laid side by side; indices count all columns. Rows of no
//! cluster give what a reduction over no column gives. The cost is that of the pairs that take part.
//!
//! ```
//! use genred::{Ranges, View, generic_sum};
//! let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let x = View::new(&[1.0, 2.0, 4.0], 3, 1)?;
//! // Points 0 and 1 are a cluster, point 2 another one: only pairs within a cluster.
//! let ranges = Ranges::from_mask(&[true, false, false, true], &[0, 2, 3], &[0, 2, 3])?;
//! assert_eq!(sum.with_ranges(&ranges).call(&[x, x])?.as_slice(), [3.0, 6.0, 16.0]);
//! # Ok::<(), genred::Error>(())
//! ```

mod arrays;
mod call;

use crate::alias::Category;
use crate::cpu::launch::Pieces;
use crate::error::Error;
use std::ops::Range;

pub use arrays::RangeArrays;
pub use call::{Ranged, RangedGradient};

/// The pairs that take part in a reduction, as blocks: clusters of rows, each with ranges of columns.
///
/// ```
/// use genred::{Ranges, View, generic_sum};
/// let sum = generic_sum::<f64>("y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (x, y) = ([0.0; 4], [1.0, 10.0, 100.0]);
/// // Rows 0..2 and 2..4, columns 0..1 and 1..3: the first rows see all columns, the others the last two.
/// let ranges = Ranges::from_mask(&[true, true, false, true], &[0, 2, 4], &[0, 1, 3])?;
/// let a = sum.with_ranges(&ranges).call(&[View::new(&x, 4, 1)?, View::new(&y, 3, 1)?])?;
/// assert_eq!(a.as_slice(), [111.0, 111.0, 110.0, 110.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Points i and j.
    points: [usize; 2],
    /// Rows i with columns j, rows j with columns i.
    halves: [Half; 2],
}

/// Clusters of rows with their columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Half {
    /// Rows of each cluster: ascending, disjoint, none empty.
    rows: Vec<Range<usize>>,
    /// Where the columns of each cluster end in `columns`.
    ends: Vec<usize>,
    /// Of each cluster ascending, neither touching nor empty.
    columns: Vec<Range<usize>>,
    /// How many columns of the same cluster come before each range.
    places: Vec<usize>,
}

impl Ranges {
    /// Keep blocks of a clustering of both sides: `keep` has one row for every cluster of i and in it one entry for every cluster of j,
    /// row after row; cluster c of i is the points `offsets_i[c] .. offsets_i[c + 1]`, of j alike.
    ///
    /// ```
    /// use genred::Ranges;
    /// // Two clusters of 10 and 20 points i, one of 5 points j; the second one of i is kept.
    /// let ranges = Ranges::from_mask(&[false, true], &[0, 10, 30], &[0, 5])?;
    /// assert_eq!(ranges.pairs(), 20 * 5);
    /// assert!(Ranges::from_mask(&[true], &[0, 10, 30], &[0, 5]).is_err());
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if the offsets do not begin at 0 and ascend, naming the place, or `keep` has not one entry for each block.
    pub fn from_mask(
        keep: &[bool],
        offsets_i: &[usize],
        offsets_j: &[usize],
    ) -> Result<Ranges, Error> {
        let points =
            [checked_offsets("offsets_i", offsets_i)?, checked_offsets("offsets_j", offsets_j)?];
        let (rows, columns) = (offsets_i.len() - 1, offsets_j.len() - 1);
        if rows.checked_mul(columns) != Some(keep.len()) {
            return Err(Error::shape(format!(
                "`keep` has {} entries, but there are {rows} x {columns} blocks",
                keep.len()
            )));
        }
        let cluster = |offsets: &[usize], c: usize| offsets[c]..offsets[c + 1];
        let (mut by_i, mut by_j) = (Half::default(), Half::default());
        for r in 0..rows {
            let kept = (0..columns).filter(|c| keep[r * columns + c]);
            by_i.push(cluster(offsets_i, r), kept.map(|c| cluster(offsets_j, c)));
        }
        for c in 0..columns {
            let kept = (0..rows).filter(|r| keep[r * columns + c]);
            by_j.push(cluster(offsets_j, c), kept.map(|r| cluster(offsets_i, r)));
        }
        Ok(Ranges { points, halves: [by_i, by_j] })
    }

    /// Numbers of points i and j.
    ///
    /// ```
    /// let ranges = genred::Ranges::from_mask(&[false, true], &[0, 10, 30], &[0, 5])?;
    /// assert_eq!(ranges.points(), (30, 5));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn points(&self) -> (usize, usize) {
        (self.points[0], self.points[1])
    }

    /// The number of pairs that take part.
    ///
    /// ```
    /// let ranges = genred::Ranges::from_mask(&[true, false, false, true], &[0, 1, 4], &[0, 2, 4])?;
    /// assert_eq!(ranges.pairs(), 1 * 2 + 3 * 2);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn pairs(&self) -> usize {
        self.halves[0].pairs()
    }

    /// The same blocks with i and j exchanged.
    ///
    /// ```
    /// let ranges = genred::Ranges::from_mask(&[true, false], &[0, 2], &[0, 1, 3])?;
    /// assert_eq!((ranges.pairs(), ranges.transposed().points()), (2, (3, 2)));
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn transposed(&self) -> Ranges {
        let ([m, n], [by_i, by_j]) = (self.points, self.halves.clone());
        Ranges { points: [n, m], halves: [by_j, by_i] }
    }

    /// The clusters of the rows of a reduction.
    pub(crate) fn half(&self, rows: Category) -> &Half {
        &self.halves[usize::from(rows == Category::J)]
    }

    /// Refuse arguments with other numbers of points; `rows` is the category of the result's rows.
    fn check(&self, rows: Category, shape: (usize, usize)) -> Result<(), Error> {
        let (m, n) = if rows == Category::J { (shape.1, shape.0) } else { shape };
        if self.points == [m, n] {
            return Ok(());
        }
        let [i, j] = self.points;
        Err(Error::shape(format!(
            "the ranges are of {i} points i and {j} points j, but the arguments have {m} and {n}"
        )))
    }
}

impl Half {
    /// Append a cluster of rows behind all others; its columns are ascending and disjoint, but may be empty or touch.
    fn push(&mut self, rows: Range<usize>, columns: impl Iterator<Item = Range<usize>>) {
        if rows.is_empty() {
            return;
        }
        let first = self.columns.len();
        let mut place = 0;
        for range in columns.filter(|range| !range.is_empty()) {
            let len = range.len();
            match self.columns[first..].last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => {
                    self.columns.push(range);
                    self.places.push(place);
                }
            }
            place += len;
        }
        if self.columns.len() > first {
            self.rows.push(rows);
            self.ends.push(self.columns.len());
        }
    }

    /// The number of clusters.
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn rows(&self, cluster: usize) -> Range<usize> {
        self.rows[cluster].clone()
    }

    /// The columns of a cluster.
    fn columns(&self, cluster: usize) -> &[Range<usize>] {
        &self.columns[self.range(cluster)]
    }

    fn range(&self, cluster: usize) -> Range<usize> {
        let first = cluster.checked_sub(1).map_or(0, |before| self.ends[before]);
        first..self.ends[cluster]
    }

    fn pieces(&self, cluster: usize) -> Pieces<'_> {
        Pieces::new(self.columns(cluster), &self.places[self.range(cluster)])
    }

    /// How many columns a cluster has.
    fn width(&self, cluster: usize) -> usize {
        self.columns(cluster).iter().map(Range::len).sum()
    }

    /// Pairs that take part.
    fn pairs(&self) -> usize {
        (0..self.len()).fold(0usize, |sum, c| {
            sum.saturating_add(self.rows[c].len().saturating_mul(self.width(c)))
        })
    }
}

/// The number of points of a clustering.
fn checked_offsets(name: &str, offsets: &[usize]) -> Result<usize, Error> {
    match offsets {
        [0, .., last] => match offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            None => Ok(*last),
            Some(k) => Err(Error::shape(format!(
                "`{name}[{}]` is {}, below the {} before it",
                k + 1,
                offsets[k + 1],
                offsets[k]
            ))),
        },
        [first, _, ..] => Err(Error::shape(format!("`{name}[0]` is {first}, but must be 0"))),
        _ => Err(Error::shape(format!("`{name}` needs at least the two numbers of one cluster"))),
    }
}
