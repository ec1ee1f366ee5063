//! One kernel over a batch of arguments: as a loop over calls, bit for bit, but batch elements run in parallel.

use super::{Kernel, Over, Shape, allocate};
use crate::alias::Category;
use crate::batch::{BatchArray, BatchView, places};
use crate::dtype::Element;
use crate::error::Error;
use crate::launch::{Indices, Out};
use crate::reduce::Outputs;
use crate::view::{View, ViewMut};
use rayon::prelude::*;

/// What a batched call is over.
struct Batch<'v, 'a, T> {
    args: &'v [BatchView<'a, T>],
    /// Inner axes of each argument: 2, or 1 for a parameter.
    inner: Vec<usize>,
    /// Batch dimensions after broadcasting.
    dims: Vec<usize>,
    /// Their product.
    count: usize,
    /// The shape of each call.
    shape: Shape,
}

impl<T: Element> Kernel<T> {
    /// The result for every batch element: arguments of shape `[.., rows, dim]` (parameters `[.., dim]`), whose leading dimensions are
    /// broadcast as NumPy does, give an array of shape `[.., rows, dim]`. Indices are those within the batch element.
    ///
    /// Each batch element has the bits of a [`call`](Kernel::call) of its own.
    ///
    /// ```
    /// use genred::{BatchView, generic_sum};
    /// let kde = generic_sum::<f64>("g * x * y", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)", "g = Pm(1)"])?;
    /// let (x, y) = (BatchView::new(&[1.0, 2.0], &[2, 1, 1])?, BatchView::new(&[1.0, 3.0], &[2, 1])?);
    /// // Each of two x has a g of its own.
    /// let a = kde.call_batch(&[x, y, BatchView::new(&[1.0, 10.0], &[2, 1])?])?;
    /// assert_eq!((a.shape(), a.as_slice()), (&[2, 1, 1][..], &[4.0, 80.0][..]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if an argument has too few axes, does not fit its alias, or its batch dimensions do not fit those before it; all errors name
    /// the alias. `Range` as for `call`.
    pub fn call_batch(&self, args: &[BatchView<'_, T>]) -> Result<BatchArray<T>, Error> {
        let batch = self.batch(args)?;
        let mut data = allocate(batch.rows(), self.dim())?;
        let exact = self.reduction().outputs() == Outputs::Indices;
        if exact {
            self.check_index_range(batch.shape)?;
        }
        let outs = batch.outs(&mut data, self.dim(), |view| match exact {
            true => Out { values: None, indices: Some(Indices::InDtype(view)) },
            false => Out { values: Some(view), indices: None },
        })?;
        self.run_batch(&batch, outs)?;
        Ok(BatchArray::new(batch.result(self.dim()), data))
    }

    /// The exact indices of an index reduction for every batch element.
    ///
    /// ```
    /// use genred::{BatchView, generic_argmin};
    /// let nearest = generic_argmin::<f32>("SqDist(x, y)", "k = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// let (x, y) = ([0.0, 9.0], [8.0, 1.0]);
    /// let k = nearest.call_batch_indices(&[BatchView::new(&x, &[2, 1, 1])?, BatchView::new(&y, &[2, 1])?])?;
    /// assert_eq!(k.as_slice(), [1, 0]);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call_batch`](Kernel::call_batch); `Usage` if the reduction gives no indices.
    pub fn call_batch_indices(&self, args: &[BatchView<'_, T>]) -> Result<BatchArray<i64>, Error> {
        let batch = self.batch(args)?;
        self.check_gives_indices()?;
        let mut data = allocate(batch.rows(), self.dim())?;
        let outs = batch.outs(&mut data, self.dim(), |view| Out {
            values: None,
            indices: Some(Indices::Exact(view)),
        })?;
        self.run_batch(&batch, outs)?;
        Ok(BatchArray::new(batch.result(self.dim()), data))
    }

    /// Values and exact indices of a selection for every batch element, in one pass.
    ///
    /// ```
    /// use genred::{BatchView, Genred, Reduction};
    /// let nearest = Genred::<f32>::reduction(Reduction::MinArgMin, "SqDist(x, y)")
    ///     .output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]).compile()?;
    /// let (x, y) = ([0.0, 9.0], [8.0, 1.0]);
    /// let (values, indices) =
    ///     nearest.call_batch_both(&[BatchView::new(&x, &[2, 1, 1])?, BatchView::new(&y, &[2, 1])?])?;
    /// assert_eq!((values.as_slice(), indices.as_slice()), (&[1.0, 1.0][..], &[1, 0][..]));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call_batch`](Kernel::call_batch); `Usage` if the reduction is not a selection.
    pub fn call_batch_both(
        &self,
        args: &[BatchView<'_, T>],
    ) -> Result<(BatchArray<T>, BatchArray<i64>), Error> {
        let batch = self.batch(args)?;
        self.check_gives_both()?;
        let dim = self.dim();
        let (mut values, mut indices) =
            (allocate(batch.rows(), dim)?, allocate(batch.rows(), dim)?);
        let outs =
            batch.outs(&mut values, dim, |view| Out { values: Some(view), indices: None })?;
        let places = batch.outs(&mut indices, dim, Indices::Exact)?;
        let pairs = outs.into_iter().zip(places);
        let outs = pairs.map(|(out, places)| Out { indices: Some(places), ..out }).collect();
        self.run_batch(&batch, outs)?;
        let shape = batch.result(dim);
        Ok((BatchArray::new(shape.clone(), values), BatchArray::new(shape, indices)))
    }

    fn run_batch(&self, batch: &Batch<'_, '_, T>, outs: Vec<Out<'_, T>>) -> Result<(), Error> {
        let one = |(number, out): (usize, Out<'_, T>)| {
            let args = batch.element(number)?;
            self.run(&args, batch.shape, Over::All, out)
        };
        // How many pairs there are in all says whether several threads pay.
        let whole = Shape { rows: batch.rows(), ..batch.shape };
        self.job(&[], whole, 0).on_threads(|threads| match threads {
            1 => outs.into_iter().enumerate().try_for_each(one),
            _ => outs.into_par_iter().enumerate().try_for_each(one),
        })
    }

    /// Check arguments against the aliases and each other.
    fn batch<'v, 'a>(&self, args: &'v [BatchView<'a, T>]) -> Result<Batch<'v, 'a, T>, Error> {
        let variables = &self.plan().formula.variables;
        if args.len() != variables.len() {
            let message = format!(
                "{} arguments are given, but the formula has {}: {}",
                args.len(),
                variables.len(),
                self.plan().formula.names().replace(',', ", ")
            );
            return Err(Error::shape(message));
        }
        let mut inner = Vec::with_capacity(args.len());
        let mut dims: Vec<usize> = Vec::new();
        for (arg, variable) in args.iter().zip(variables) {
            let (axes, wanted) = match variable.category {
                Category::Param => (1, format!("[.., {}]", variable.dim)),
                _ => (2, format!("[.., rows, {}]", variable.dim)),
            };
            let name = &variable.name;
            let own = arg.batch(axes).ok_or_else(|| {
                let shape = arg.shape();
                Error::shape(format!("`{name}` has shape {shape:?}, but needs {wanted}"))
            })?;
            if own.len() > dims.len() {
                dims.splice(0..0, vec![1; own.len() - dims.len()]);
            }
            let first = dims.len() - own.len();
            for (axis, (known, n)) in dims[first..].iter_mut().zip(own).enumerate() {
                if *known == 1 {
                    *known = *n;
                } else if *n != 1 && n != known {
                    return Err(Error::shape(format!(
                        "axis {axis} of `{name}`, of shape {:?}, has length {n}, but {known} in the arguments before it",
                        arg.shape()
                    ))
                    .help("batch dimensions are aligned at the right; they are equal, or 1 to be repeated"));
                }
            }
            inner.push(axes);
        }
        let count = dims.iter().try_fold(1usize, |count, n| count.checked_mul(*n));
        let count = count.ok_or_else(|| Error::shape(format!("{dims:?} batches are too many")))?;
        let mut batch = Batch { args, inner, dims, count, shape: Shape { rows: 0, columns: 0 } };
        batch.shape = match count {
            0 => self.check_shapes_of_none(&batch)?,
            _ => self.check(&batch.element(0)?)?,
        };
        let too_many =
            || Error::shape(format!("{count} batches of {} rows are too many", batch.shape.rows));
        batch.shape.rows.checked_mul(count).ok_or_else(too_many)?;
        Ok(batch)
    }

    /// The shape of the calls of which there are none: checked on zeros.
    fn check_shapes_of_none(&self, batch: &Batch<'_, '_, T>) -> Result<Shape, Error> {
        let zeros: Vec<Vec<T>> = (batch.args.iter().zip(&batch.inner))
            .map(|(arg, inner)| {
                let axes = &arg.shape()[arg.shape().len() - inner..];
                allocate(axes[0], axes.get(1).copied().unwrap_or(1))
            })
            .collect::<Result<_, Error>>()?;
        let views: Vec<View<'_, T>> = (batch.args.iter().zip(&zeros))
            .zip(&batch.inner)
            .map(|((arg, zeros), inner)| match (inner, arg.shape()) {
                (2, [.., rows, dim]) => View::new(zeros, *rows, *dim),
                _ => Ok(View::vector(zeros)),
            })
            .collect::<Result<_, Error>>()?;
        self.check(&views)
    }
}

impl<'a, T: Element> Batch<'_, 'a, T> {
    /// Rows of all batch elements together.
    fn rows(&self) -> usize {
        self.count * self.shape.rows
    }

    /// The shape of the result.
    fn result(&self, dim: usize) -> Vec<usize> {
        self.dims.iter().copied().chain([self.shape.rows, dim]).collect()
    }

    /// The arguments of a batch element.
    fn element(&self, number: usize) -> Result<Vec<View<'a, T>>, Error> {
        let places = places(&self.dims, number);
        let of = |(arg, inner): (&BatchView<'a, T>, &usize)| {
            let own = arg.batch(*inner).unwrap_or(&[]);
            let places = &places[places.len() - own.len()..];
            let number = own
                .iter()
                .zip(places)
                .fold(0, |number, (n, place)| number * n + if *n == 1 { 0 } else { *place });
            arg.element(*inner, number)
        };
        self.args.iter().zip(&self.inner).map(of).collect()
    }

    /// Where the results of each batch element go.
    fn outs<'o, V: Copy + 'static, O>(
        &self,
        data: &'o mut [V],
        dim: usize,
        out: impl Fn(ViewMut<'o, V>) -> O,
    ) -> Result<Vec<O>, Error> {
        let rows = self.shape.rows;
        if rows * dim == 0 {
            return Ok(Vec::new());
        }
        data.chunks_mut(rows * dim).map(|part| ViewMut::new(part, rows, dim).map(&out)).collect()
    }
}
