//! Clusters of points, for [`Ranges`](crate::Ranges): labels by a grid, points sorted by cluster, ranges and centroids.
//!
//! Block-sparse reductions are fast when points of a cluster lie side by side. So: label the points, sort them by label, decide from the
//! centroids which pairs of clusters matter, and reduce over those.
//!
//! ```
//! use genred::{Ranges, View, cluster, generic_sum};
//! let x: Vec<f64> = (0..1_000).map(|k| (k * 7 % 1_000) as f64 / 100.0).collect();
//! let x = View::new(&x, 1_000, 1)?;
//! let clusters = cluster::sort_clusters(&cluster::grid_cluster(x, 0.5)?)?;
//! let sorted = clusters.sort(x)?;
//! let centroids = clusters.centroids(x)?;
//! // The Gaussian is below 1e-15 beyond a distance of 6: keep cells whose centroids are at most 7 apart.
//! let near = |a: usize, b: usize| (centroids[(a, 0)] - centroids[(b, 0)]).abs() < 7.0;
//! let count = centroids.rows();
//! let keep: Vec<bool> = (0..count * count).map(|k| near(k / count, k % count)).collect();
//! let ranges = Ranges::from_mask(&keep, clusters.offsets(), clusters.offsets())?;
//! let kde = generic_sum::<f64>("Exp(-SqDist(x, y))", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
//! let args = [sorted.view(), sorted.view()];
//! let (all, kept) = (kde.call(&args)?, kde.with_ranges(&ranges).call(&args)?);
//! assert!(all.as_slice().iter().zip(kept.as_slice()).all(|(a, b)| (a - b).abs() < 1e-10));
//! let in_order = clusters.unsort(kept.view())?;
//! assert_eq!(in_order.rows(), 1_000);
//! # Ok::<(), genred::Error>(())
//! ```

use crate::array::Array;
use crate::dtype::Element;
use crate::error::{Error, ErrorKind};
use crate::view::View;
use std::cmp::Ordering;

/// Labels are below this: clusters without points take memory, too.
const LABELS: usize = 1 << 24;

/// The order that sorts points by cluster, and where clusters begin.
///
/// ```
/// use genred::{View, cluster};
/// let clusters = cluster::sort_clusters(&[1, 0, 1])?;
/// let x = View::new(&[5.0f32, 2.0, 7.0], 3, 1)?;
/// assert_eq!(clusters.sort(x)?.as_slice(), [2.0, 5.0, 7.0]);
/// assert_eq!(clusters.centroids(x)?.as_slice(), [2.0, 6.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters {
    /// Point `order[k]` is the k-th when sorted.
    order: Vec<usize>,
    /// Cluster c is `offsets[c] .. offsets[c + 1]` when sorted.
    offsets: Vec<usize>,
}

/// The cell of each point in a grid of cubes with sides of `size`, cells numbered from 0 in the order of their coordinates; cells
/// without a point have no number.
///
/// ```
/// let x = [0.1f32, 2.5, 0.2, -1.0];
/// let labels = genred::cluster::grid_cluster(genred::View::new(&x, 4, 1)?, 1.0)?;
/// assert_eq!(labels, [1, 2, 1, 0]);
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// `Usage` if `size` is not positive and finite; `Range` if a coordinate is not finite, naming the point.
pub fn grid_cluster<T: Element>(points: View<'_, T>, size: f64) -> Result<Vec<usize>, Error> {
    if !(size > 0.0 && size.is_finite()) {
        return Err(Error::usage(format!("the size of a cell must be positive, not {size}")));
    }
    let (rows, dim) = (points.rows(), points.dim());
    let mut cells = vec![0.0; rows * dim];
    for (n, cell) in cells.iter_mut().enumerate() {
        let (r, c) = (n / dim, n % dim);
        let coordinate = points.get(r, c).map_or(f64::NAN, T::to_f64);
        *cell = (coordinate / size).floor();
        if !cell.is_finite() {
            return Err(Error::new(
                ErrorKind::Range,
                format!("point {r} is in no cell: its coordinate {c} is {coordinate}"),
            ));
        }
    }
    let cell = |r: usize| &cells[r * dim..][..dim];
    let compared = |a: usize, b: usize| {
        let coordinates = cell(a).iter().zip(cell(b));
        coordinates.map(|(a, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal)).find(|o| o.is_ne())
    };
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|a, b| compared(*a, *b).unwrap_or(Ordering::Equal));
    let (mut labels, mut label) = (vec![0; rows], 0);
    for (k, point) in order.iter().enumerate() {
        if k > 0 && compared(order[k - 1], *point).is_some() {
            label += 1;
        }
        labels[*point] = label;
    }
    Ok(labels)
}

/// Sort points by label; points of a label keep their order. Labels without a point are empty clusters.
///
/// ```
/// let clusters = genred::cluster::sort_clusters(&[1, 0, 1, 3])?;
/// assert_eq!(clusters.order(), [1, 0, 2, 3]);
/// assert_eq!(clusters.offsets(), [0, 1, 3, 3, 4]);
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// `Limit` if a label is 2^24 or above, naming the point.
pub fn sort_clusters(labels: &[usize]) -> Result<Clusters, Error> {
    if let Some(point) = labels.iter().position(|label| *label >= LABELS) {
        let message =
            format!("point {point} has label {}; labels are below {LABELS}", labels[point]);
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|point| labels[*point]);
    let count = order.last().map_or(1, |point| labels[*point] + 1);
    let before = |label: usize| order.partition_point(|point| labels[*point] < label);
    let offsets = (0..=count).map(before).collect();
    Ok(Clusters { order, offsets })
}

/// The clusters of points with these labels, and the mean of each.
///
/// ```
/// let x = [1.0f64, 5.0, 3.0];
/// let x = genred::View::new(&x, 3, 1)?;
/// let (clusters, centroids) = genred::cluster::cluster_ranges_centroids(x, &[0, 1, 0])?;
/// assert_eq!((clusters.offsets(), centroids.as_slice()), (&[0, 2, 3][..], &[2.0, 5.0][..]));
/// # Ok::<(), genred::Error>(())
/// ```
///
/// # Errors
/// `Shape` if there is not one label for each point; `Limit` as [`sort_clusters`].
pub fn cluster_ranges_centroids<T: Element>(
    points: View<'_, T>,
    labels: &[usize],
) -> Result<(Clusters, Array<T>), Error> {
    let clusters = sort_clusters(labels)?;
    let centroids = clusters.centroids(points)?;
    Ok((clusters, centroids))
}

impl Clusters {
    /// Point `order()[k]` is the k-th of the sorted ones.
    ///
    /// ```
    /// let clusters = genred::cluster::sort_clusters(&[1, 0, 1])?;
    /// assert_eq!(clusters.order(), [1, 0, 2]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Cluster c is the sorted points `offsets()[c] .. offsets()[c + 1]`.
    ///
    /// ```
    /// let clusters = genred::cluster::sort_clusters(&[1, 0, 1])?;
    /// assert_eq!(clusters.offsets(), [0, 1, 3]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Any array of the points (coordinates, weights), its rows sorted by cluster.
    ///
    /// ```
    /// use genred::{View, cluster};
    /// let clusters = cluster::sort_clusters(&[1, 0, 1])?;
    /// let weights = [0.1f32, 0.2, 0.3];
    /// assert_eq!(clusters.sort(View::new(&weights, 3, 1)?)?.as_slice(), [0.2, 0.1, 0.3]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if there is not one row for each point.
    pub fn sort<T: Element>(&self, rows: View<'_, T>) -> Result<Array<T>, Error> {
        self.check(rows.rows())?;
        let components = |r: &usize| row(rows, *r);
        Array::from_vec(rows.rows(), rows.dim(), self.order.iter().flat_map(components).collect())
    }

    /// A result for the sorted points, its rows put back into the order that the points had.
    ///
    /// ```
    /// let clusters = genred::cluster::sort_clusters(&[2, 0, 1])?;
    /// let x = [10.0f32, 20.0, 30.0];
    /// let sorted = clusters.sort(genred::View::new(&x, 3, 1)?)?;
    /// assert_eq!(sorted.as_slice(), [20.0, 30.0, 10.0]);
    /// assert_eq!(clusters.unsort(sorted.view())?.as_slice(), x);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if there is not one row for each point.
    pub fn unsort<T: Element>(&self, rows: View<'_, T>) -> Result<Array<T>, Error> {
        self.check(rows.rows())?;
        let mut place = vec![0; self.order.len()];
        for (k, point) in self.order.iter().enumerate() {
            place[*point] = k;
        }
        let components = |k: &usize| row(rows, *k);
        Array::from_vec(rows.rows(), rows.dim(), place.iter().flat_map(components).collect())
    }

    /// The mean of the points of each cluster, of points in their first order; NaN for a cluster without points.
    ///
    /// ```
    /// use genred::{View, cluster};
    /// let clusters = cluster::sort_clusters(&[1, 0, 1])?;
    /// let x = [5.0f32, 2.0, 7.0];
    /// assert_eq!(clusters.centroids(View::new(&x, 3, 1)?)?.as_slice(), [2.0, 6.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if there is not one row for each point.
    pub fn centroids<T: Element>(&self, points: View<'_, T>) -> Result<Array<T>, Error> {
        self.check(points.rows())?;
        let mut means = Vec::new();
        for bounds in self.offsets.windows(2) {
            let members = &self.order[bounds[0]..bounds[1]];
            for c in 0..points.dim() {
                let of = |r: &usize| points.get(*r, c).map_or(f64::NAN, T::to_f64);
                let sum: f64 = members.iter().map(of).sum();
                means.push(T::from_f64(sum / members.len() as f64));
            }
        }
        Array::from_vec(self.offsets.len() - 1, points.dim(), means)
    }

    fn check(&self, rows: usize) -> Result<(), Error> {
        let points = self.order.len();
        if rows == points {
            return Ok(());
        }
        Err(Error::shape(format!(
            "an array of {rows} rows, but the clusters are of {points} points"
        )))
    }
}

/// The components of a row that is there.
fn row<T: Element>(view: View<'_, T>, r: usize) -> impl Iterator<Item = T> {
    (0..view.dim()).map(move |c| view.get(r, c).expect("the rows were counted"))
}
