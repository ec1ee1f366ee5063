//! A kernel on the shim's devices behind the face that the value suites know.

use crate::suite::{Argument, Call, Found, Layout};
use genred::cuda::Launcher;
use genred::cuda::launch::{self, Indices, Out};
use genred::formula::Category;
use genred::loops::program::Space;
use genred::{DType, Element, Error, View, ViewMut};
use half::f16;

/// How many rows and tiles of columns a call works on at once.
pub type Pieces = (usize, usize);

/// Run a call on arrays of the host; `rows` is the category of the output's rows.
///
/// # Errors
/// What the launcher says.
pub fn run(
    launcher: &Launcher,
    rows: Category,
    call: &Call,
    layout: Layout,
) -> Result<Found, Error> {
    dispatch(launcher, rows, call, layout, None)
}

/// The same in pieces.
///
/// # Errors
/// As there.
pub fn run_in_pieces(
    launcher: &Launcher,
    rows: Category,
    call: &Call,
    layout: Layout,
    pieces: Pieces,
) -> Result<Found, Error> {
    dispatch(launcher, rows, call, layout, Some(pieces))
}

/// What was found as bits: -0 told apart too. All NaN are one: which of two a sum gives is the host compiler's choice, another one for
/// each row of a thread; devices have one NaN.
pub fn bits(found: &Found) -> (Vec<u64>, Option<&[i64]>) {
    let bits = |value: &f64| if value.is_nan() { u64::MAX } else { value.to_bits() };
    let values = found.values.iter().flatten().map(bits);
    (values.collect(), found.indices.as_deref())
}

fn dispatch(
    launcher: &Launcher,
    rows: Category,
    call: &Call,
    layout: Layout,
    pieces: Option<Pieces>,
) -> Result<Found, Error> {
    match launcher.layout().stored {
        DType::F16 => run_in::<f16>(launcher, rows, call, layout, pieces),
        DType::F32 => run_in::<f32>(launcher, rows, call, layout, pieces),
        DType::F64 => run_in::<f64>(launcher, rows, call, layout, pieces),
    }
}

fn run_in<T: Element>(
    launcher: &Launcher,
    rows: Category,
    call: &Call,
    layout: Layout,
    pieces: Option<Pieces>,
) -> Result<Found, Error> {
    let arguments: Vec<Argument<T>> =
        call.inputs.iter().map(|m| Argument::new(m, layout)).collect();
    let views: Vec<View<'_, T>> = arguments.iter().map(Argument::view).collect();
    let (rows, columns) = if rows == Category::I { (call.m, call.n) } else { (call.n, call.m) };
    let dim = launcher.layout().out as usize;
    let selects = launcher.layout().kept.is_some();
    let mut values = vec![T::default(); rows * dim];
    let mut indices = vec![0i64; rows * dim];
    let exact = Indices::Exact(ViewMut::new(&mut indices, rows, dim)?);
    let out = Out {
        values: Some(ViewMut::new(&mut values, rows, dim)?),
        indices: selects.then_some(exact),
    };
    let call = launch::Call { inputs: &views, rows, columns };
    match pieces {
        None => launcher.run(&call, out)?,
        Some(pieces) => stream(launcher, &call, out, pieces)?,
    }
    let values = values.iter().map(|v| v.to_f64()).collect();
    Ok(Found { values: Some(values), indices: selects.then_some(indices) })
}

/// Some rows against all columns, tiles of them at once, then the next rows: no view has more than these.
fn stream<T: Element>(
    launcher: &Launcher,
    call: &launch::Call<'_, T>,
    out: Out<'_, T>,
    (rows, tiles): Pieces,
) -> Result<(), Error> {
    let step = tiles * launcher.layout().tiling.tile as usize;
    let mut waiting = launcher.waiting(call.rows, call.columns);
    let mut rest = out;
    for first in (0..call.rows).step_by(rows) {
        let rows = first..call.rows.min(first + rows);
        let views = |columns: std::ops::Range<usize>| -> Vec<View<'_, T>> {
            let mut views = call.inputs.to_vec();
            for (view, input) in views.iter_mut().zip(&launcher.layout().inputs) {
                *view = match input.map(|input| input.space) {
                    Some(Space::Row) => view.rows_between(rows.start, rows.end).unwrap(),
                    Some(Space::Col) => view.rows_between(columns.start, columns.end).unwrap(),
                    _ => *view,
                };
            }
            views
        };
        launcher.begin(rows.len(), &mut waiting)?;
        for first in (0..call.columns).step_by(step) {
            let columns = first..call.columns.min(first + step);
            let inputs = views(columns.clone());
            let piece = launch::Call { inputs: &inputs, rows: rows.len(), columns: columns.len() };
            launcher.more(&piece, first, &mut waiting)?;
        }
        let (here, others) = rest.split_rows(rows.len());
        let inputs = views(0..0);
        let last = launch::Call { inputs: &inputs, rows: rows.len(), columns: 0 };
        launcher.finish_waiting(&last, &mut waiting, here)?;
        rest = others;
    }
    Ok(())
}
