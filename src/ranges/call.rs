//! Calls of kernels over blocks.

use super::{Half, Ranges};
use crate::array::Array;
use crate::cpu::launch::{Job, Pieces};
use crate::dtype::Element;
use crate::error::Error;
use crate::gradient::Gradient;
use crate::kernel::{Kernel, Over, Shape};
use crate::launch::Out;
use crate::view::{View, ViewMut};
use std::ops::Range;

/// A kernel over the blocks of some ranges: see [`Kernel::with_ranges`].
///
/// ```
/// use genred::{Ranges, View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let x = View::new(&[1.0, 2.0, 4.0], 3, 1)?;
/// let lower = Ranges::from_mask(&[false, false, true, false], &[0, 1, 3], &[0, 1, 3])?;
/// let below: genred::Ranged<'_, f64> = sum.with_ranges(&lower);
/// assert_eq!(below.call(&[x, x])?.as_slice(), [0.0, 2.0, 4.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ranged<'k, T> {
    kernel: &'k Kernel<T>,
    over: Over<'k>,
}

/// A gradient over the blocks of some ranges: see [`Gradient::with_ranges`].
///
/// ```
/// use genred::{RangedGradient, Ranges, View, generic_sum};
/// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
/// let (by_x, x) = (sum.grad("x")?, View::new(&[1.0, 2.0, 4.0], 3, 1)?);
/// let lower = Ranges::from_mask(&[false, false, true, false], &[0, 1, 3], &[0, 1, 3])?;
/// let below: RangedGradient<'_, f64> = by_x.with_ranges(&lower);
/// assert_eq!(below.call(&[x, x], View::new(&[1.0, 1.0, 10.0], 3, 1)?)?.as_slice(), [0.0, 1.0, 10.0]);
/// # Ok::<(), genred::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RangedGradient<'k, T> {
    gradient: &'k Gradient<T>,
    ranges: &'k Ranges,
}

impl<T: Element> Kernel<T> {
    /// The reduction over the pairs in `ranges` only, for every reduction and either axis. Rows in no range give what a reduction over
    /// no column gives; indices count all columns.
    ///
    /// ```
    /// use genred::{Ranges, View, generic_argmin};
    /// let nearest = generic_argmin::<f32>("SqDist(x, y)", "k = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = ([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]);
    /// let args = [View::new(&x, 3, 1)?, View::new(&y, 3, 1)?];
    /// let ranges = Ranges::from_mask(&[false, true, false, false], &[0, 2, 3], &[0, 1, 3])?;
    /// assert_eq!(nearest.with_ranges(&ranges).call_indices(&args)?.as_slice(), [1, 1, -1]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn with_ranges<'k>(&'k self, ranges: &'k Ranges) -> Ranged<'k, T> {
        Ranged { kernel: self, over: Over::Blocks(ranges) }
    }

    /// Check arguments against the aliases and the ranges.
    pub(crate) fn check_over(&self, args: &[View<'_, T>], over: Over<'_>) -> Result<Shape, Error> {
        let shape = self.check(args)?;
        if let Over::Blocks(ranges) = over {
            ranges.check(self.plan().rows, (shape.rows, shape.columns))?;
        }
        Ok(shape)
    }

    /// Run a checked call over blocks.
    pub(crate) fn run_blocks(
        &self,
        args: &[View<'_, T>],
        shape: Shape,
        ranges: &Ranges,
        out: Out<'_, T>,
    ) -> Result<(), Error> {
        let half = ranges.half(self.plan().rows);
        let blocks = Blocks { kernel: self, args, half };
        // Clusters go to the threads on which their own calls run, too; how many pairs there are says whether that pays.
        let mean = Shape { columns: half.pairs() / shape.rows.max(1), ..shape };
        let job = self.job(args, mean, 0);
        job.on_threads(|threads| blocks.run(0..half.len(), 0..shape.rows, out, threads > 1))
    }
}

impl<T: Element> Ranged<'_, T> {
    /// As [`Kernel::call`].
    ///
    /// ```
    /// use genred::{Ranges, View, generic_sum};
    /// let sum = generic_sum::<f64>("y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let args = [View::new(&[0.0, 0.0], 2, 1)?, View::new(&[1.0, 10.0], 2, 1)?];
    /// let ranges = Ranges::from_mask(&[true, true, false, true], &[0, 1, 2], &[0, 1, 2])?;
    /// assert_eq!(sum.with_ranges(&ranges).call(&args)?.as_slice(), [11.0, 10.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there; `Shape` too if the arguments have not the numbers of points that the ranges are of.
    pub fn call(&self, args: &[View<'_, T>]) -> Result<Array<T>, Error> {
        self.kernel.values_over(args, self.over)
    }

    /// As [`Kernel::call_into`].
    ///
    /// ```
    /// use genred::{Ranges, View, ViewMut, generic_sum};
    /// let sum = generic_sum::<f64>("y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let args = [View::new(&[0.0, 0.0], 2, 1)?, View::new(&[1.0, 10.0], 2, 1)?];
    /// let ranges = Ranges::from_mask(&[true, true, false, true], &[0, 1, 2], &[0, 1, 2])?;
    /// let mut a = [0.0; 2];
    /// sum.with_ranges(&ranges).call_into(&args, ViewMut::new(&mut a, 2, 1)?)?;
    /// assert_eq!(a, [11.0, 10.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call`](Ranged::call), and if `out` has not the result's shape.
    pub fn call_into<'o>(
        &self,
        args: &[View<'_, T>],
        out: impl Into<ViewMut<'o, T>>,
    ) -> Result<(), Error> {
        self.kernel.write_over(args, out.into(), self.over)
    }

    /// As [`Kernel::call_indices`].
    ///
    /// ```
    /// use genred::{Ranges, View, generic_argmin};
    /// let nearest = generic_argmin::<f64>("SqDist(x, y)", "k = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let x = View::new(&[0.0, 1.0], 2, 1)?;
    /// // Everything but the diagonal.
    /// let others = Ranges::from_mask(&[false, true, true, false], &[0, 1, 2], &[0, 1, 2])?;
    /// assert_eq!(nearest.with_ranges(&others).call_indices(&[x, x])?.as_slice(), [1, 0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there, and as [`call`](Ranged::call).
    pub fn call_indices(&self, args: &[View<'_, T>]) -> Result<Array<i64>, Error> {
        self.kernel.indices_over(args, self.over)
    }

    /// As [`Kernel::call_both`].
    ///
    /// ```
    /// use genred::{Genred, Ranges, Reduction, View};
    /// let nearest = Genred::<f64>::reduction(Reduction::MinArgMin, "SqDist(x, y)")
    ///     .output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let x = View::new(&[0.0, 3.0], 2, 1)?;
    /// let others = Ranges::from_mask(&[false, true, true, false], &[0, 1, 2], &[0, 1, 2])?;
    /// let (distances, indices) = nearest.with_ranges(&others).call_both(&[x, x])?;
    /// assert_eq!((distances.as_slice(), indices.as_slice()), (&[9.0, 9.0][..], &[1, 0][..]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there, and as [`call`](Ranged::call).
    pub fn call_both(&self, args: &[View<'_, T>]) -> Result<(Array<T>, Array<i64>), Error> {
        self.kernel.both_over(args, self.over)
    }
}

impl<T: Element> Gradient<T> {
    /// The gradient of the reduction over the pairs in `ranges`.
    ///
    /// ```
    /// use genred::{Ranges, View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = ([1.0, 2.0], [3.0, 4.0]);
    /// let args = [View::new(&x, 2, 1)?, View::new(&y, 2, 1)?];
    /// let ranges = Ranges::from_mask(&[true, false, false, true], &[0, 1, 2], &[0, 1, 2])?;
    /// let by_y = sum.grad("y")?;
    /// let e = View::new(&[1.0, 1.0], 2, 1)?;
    /// assert_eq!(by_y.with_ranges(&ranges).call(&args, e)?.as_slice(), [1.0, 2.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn with_ranges<'k>(&'k self, ranges: &'k Ranges) -> RangedGradient<'k, T> {
        RangedGradient { gradient: self, ranges }
    }
}

impl<T: Element> RangedGradient<'_, T> {
    /// As [`Gradient::call`].
    ///
    /// ```
    /// use genred::{Ranges, View, generic_sum};
    /// let sum = generic_sum::<f64>("x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (by_x, x) = (sum.grad("x")?, View::new(&[1.0, 2.0], 2, 1)?);
    /// let diagonal = Ranges::from_mask(&[true, false, false, true], &[0, 1, 2], &[0, 1, 2])?;
    /// let ones = View::new(&[1.0, 1.0], 2, 1)?;
    /// assert_eq!(by_x.with_ranges(&diagonal).call(&[x, x], ones)?.as_slice(), [1.0, 2.0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there; `Shape` too if the arguments have not the numbers of points that the ranges are of.
    pub fn call(&self, args: &[View<'_, T>], seed: View<'_, T>) -> Result<Array<T>, Error> {
        self.gradient.call_over(args, seed, Over::Blocks(self.ranges))
    }
}

/// Clusters that are run in parallel.
#[derive(Clone, Copy)]
struct Blocks<'a, T> {
    kernel: &'a Kernel<T>,
    args: &'a [View<'a, T>],
    half: &'a Half,
}

impl<T: Element> Blocks<'_, T> {
    /// Run some clusters and the rows around them: `rows` are all rows that `out` has.
    fn run(
        &self,
        clusters: Range<usize>,
        rows: Range<usize>,
        out: Out<'_, T>,
        parallel: bool,
    ) -> Result<(), Error> {
        match clusters.len() {
            0 => self.empty(rows, out),
            1 => {
                let own = self.half.rows(clusters.start);
                let (before, rest) = out.split_rows(own.start - rows.start);
                let (here, after) = rest.split_rows(own.len());
                self.empty(rows.start..own.start, before)?;
                self.cluster(clusters.start, here)?;
                self.empty(own.end..rows.end, after)
            }
            n => {
                let mid = clusters.start + n / 2;
                let cut = self.half.rows(mid).start;
                let (left, right) = out.split_rows(cut - rows.start);
                let (a, b) = (clusters.start..mid, mid..clusters.end);
                let (first, second) = (rows.start..cut, cut..rows.end);
                if parallel {
                    let (left, right) = rayon::join(
                        || self.run(a, first, left, true),
                        || self.run(b, second, right, true),
                    );
                    return left.and(right);
                }
                self.run(a, first, left, false)?;
                self.run(b, second, right, false)
            }
        }
    }

    /// Rows that are reduced over no column.
    fn empty(&self, rows: Range<usize>, out: Out<'_, T>) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        self.call(rows, 0, Pieces::new(&[], &[]), out)
    }

    fn cluster(&self, cluster: usize, out: Out<'_, T>) -> Result<(), Error> {
        let (rows, pieces) = (self.half.rows(cluster), self.half.pieces(cluster));
        self.call(rows, self.half.width(cluster), pieces, out)
    }

    fn call(
        &self,
        rows: Range<usize>,
        columns: usize,
        pieces: Pieces<'_>,
        out: Out<'_, T>,
    ) -> Result<(), Error> {
        let plan = self.kernel.plan();
        let mut args = self.args.to_vec();
        for (view, variable) in args.iter_mut().zip(&plan.formula.variables) {
            if variable.category == plan.rows {
                *view = view.rows_between(rows.start, rows.end)?;
            }
        }
        let shape = Shape { rows: rows.len(), columns };
        let compiled = self.kernel.compiled_for(shape)?;
        let job = self.kernel.job(&args, shape, 0);
        let job = Job { first_row: rows.start, pieces: Some(pieces), ..job };
        compiled.engine.run(plan, &job, out)
    }
}
