//! The columns of all ranks, some at a time.

use super::ranks::Ranks;
use crate::alias::Category;
use crate::dtype::Element;
use crate::engine::Plan;
use crate::error::{Error, ErrorKind};
use crate::view::View;
use std::ops::Range;
use zerocopy::IntoBytes;

/// Bytes of a piece, about: so many that messages are efficient, so few that they stay in a cache.
const PIECE: usize = 4 << 20;

/// An argument that has a row for every column.
struct Argument<'a, T> {
    /// Its place among the arguments.
    place: usize,
    /// This rank's part.
    own: View<'a, T>,
    /// The columns of a piece, from all ranks.
    piece: Vec<T>,
}

/// The arguments of columns, and which columns each rank has.
pub(super) struct Columns<'a, T> {
    arguments: Vec<Argument<'a, T>>,
    parts: Vec<Range<usize>>,
    /// Columns of a piece: whole tiles.
    pub(super) step: usize,
}

impl<'a, T: Element> Columns<'a, T> {
    /// Pieces of whole tiles of `tile` columns.
    ///
    /// # Errors
    /// `Limit` if there is no memory for them, or one is too large for a message.
    pub(super) fn new(
        plan: &Plan,
        args: &[View<'a, T>],
        parts: Vec<Range<usize>>,
        tile: usize,
    ) -> Result<Columns<'a, T>, Error> {
        let variables = || plan.formula.variables.iter().zip(args).enumerate();
        let of_columns = |category| category != plan.rows && category != Category::Param;
        let bytes = |dim: usize| dim * size_of::<T>();
        let used = variables().filter(|(_, (variable, _))| of_columns(variable.category));
        let column: usize = used.clone().map(|(_, (_, view))| bytes(view.dim())).sum();
        let step = (PIECE / column.max(1) / tile).max(1) * tile;
        let all = parts.last().map_or(0, |part| part.end);
        let mut arguments = Vec::new();
        for (place, (variable, own)) in used {
            let (most, mut piece) = (step.min(all), Vec::new());
            let len = most.checked_mul(bytes(own.dim())).filter(|len| i32::try_from(*len).is_ok());
            let len = len.map(|len| len / size_of::<T>());
            len.filter(|len| piece.try_reserve_exact(*len).is_ok()).ok_or_else(|| {
                let message = format!("{most} columns of `{}` are too many at once", variable.name);
                Error::new(ErrorKind::Limit, message)
            })?;
            arguments.push(Argument { place, own: *own, piece });
        }
        Ok(Columns { arguments, parts, step })
    }

    /// Have these columns on every rank, instead of others. All ranks ask for the same at the same time.
    pub(super) fn pass(&mut self, ranks: &Ranks<'_>, columns: &Range<usize>) {
        let shared = |part: &Range<usize>| {
            let end = part.end.min(columns.end);
            part.start.max(columns.start).min(end)..end
        };
        let lens: Vec<usize> = self.parts.iter().map(|part| shared(part).len()).collect();
        let part = &self.parts[ranks.own()];
        let own = shared(part);
        for argument in &mut self.arguments {
            let dim = argument.own.dim();
            let len = |rows: &usize| (rows * dim * size_of::<T>()) as i32;
            let lens: Vec<i32> = lens.iter().map(len).collect();
            // A part that has nothing of the piece may end before it.
            let (first, end) = match own.len() {
                0 => (0, 0),
                _ => (own.start - part.start, own.end - part.start),
            };
            let view = argument.own.rows_between(first, end).expect("these are rows of the part");
            argument.piece.resize(columns.len() * dim, T::default());
            let all = argument.piece.as_mut_bytes();
            match view.as_slice() {
                Some(own) => ranks.gather(own.as_bytes(), &lens, all),
                None => ranks.gather(copied(&view).as_bytes(), &lens, all),
            }
        }
    }

    /// The arguments of a call on the columns that are here.
    pub(super) fn views<'s>(&'s self, args: &[View<'s, T>]) -> Vec<View<'s, T>> {
        let mut views = args.to_vec();
        for Argument { place, own, piece } in &self.arguments {
            let rows = piece.len() / own.dim();
            views[*place] = View::new(piece, rows, own.dim()).expect("whole columns are received");
        }
        views
    }
}

/// The numbers of a view, row after row.
pub(super) fn copied<T: Element>(view: &View<'_, T>) -> Vec<T> {
    let (rows, dim) = (view.rows(), view.dim());
    let number = |n: usize| view.get(n / dim, n % dim).expect("an element of the view");
    (0..rows * dim).map(number).collect()
}
