//! What the launchers of all engines share: where results go, and what a call in pieces takes.

use crate::dtype::Element;
use crate::view::ViewMut;

/// Where indices go.
#[derive(Debug)]
pub enum Indices<'a, T> {
    /// As integers.
    Exact(ViewMut<'a, i64>),
    /// In the dtype, which the caller has checked can hold them.
    InDtype(ViewMut<'a, T>),
}

/// Where results go: arrays of the result's shape.
#[derive(Debug)]
pub struct Out<'a, T> {
    /// Values, if wanted.
    pub values: Option<ViewMut<'a, T>>,
    /// Indices, if wanted.
    pub indices: Option<Indices<'a, T>>,
}

impl<'a, T: Element> Out<'a, T> {
    /// The first `at` rows, and the others.
    pub fn split_rows(self, at: usize) -> (Out<'a, T>, Out<'a, T>) {
        let (values, other_values) = self.values.map(|view| view.split_rows(at)).unzip();
        let (indices, other_indices) = match self.indices {
            None => (None, None),
            Some(Indices::Exact(view)) => {
                let (a, b) = view.split_rows(at);
                (Some(Indices::Exact(a)), Some(Indices::Exact(b)))
            }
            Some(Indices::InDtype(view)) => {
                let (a, b) = view.split_rows(at);
                (Some(Indices::InDtype(a)), Some(Indices::InDtype(b)))
            }
        };
        (Out { values, indices }, Out { values: other_values, indices: other_indices })
    }

    pub(crate) fn set_value(&mut self, row: usize, component: usize, value: T) {
        if let Some(view) = &mut self.values {
            view.set(row, component, value).expect("the output's shape was checked");
        }
    }

    pub(crate) fn set_index(&mut self, row: usize, component: usize, index: i64) {
        let set = match &mut self.indices {
            None => Ok(()),
            Some(Indices::Exact(view)) => view.set(row, component, index),
            Some(Indices::InDtype(view)) => view.set(row, component, T::from_f64(index as f64)),
        };
        set.expect("the output's shape was checked");
    }
}

/// Bytes that a call whose columns come in pieces takes besides the caller's arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Of a row: its accumulators.
    pub row: usize,
    /// Of a column: as the engine keeps it.
    pub column: usize,
    /// Whatever the shape is.
    pub fixed: usize,
    /// Rows that are swept together.
    pub group_rows: usize,
    /// Columns of a tile.
    pub tile: usize,
    /// Most rows that are worth having at once.
    pub most_rows: usize,
    /// The most that devices let a call take.
    pub limit: usize,
}
