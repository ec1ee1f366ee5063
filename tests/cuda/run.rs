//! A kernel on the shim's devices behind the face that the value suites know.

use crate::suite::{Argument, Call, Found, Layout};
use genred::cuda::Launcher;
use genred::cuda::launch::{self, Indices, Out};
use genred::formula::Category;
use genred::{DType, Element, Error, View, ViewMut};
use half::f16;

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
    match launcher.layout().stored {
        DType::F16 => run_in::<f16>(launcher, rows, call, layout),
        DType::F32 => run_in::<f32>(launcher, rows, call, layout),
        DType::F64 => run_in::<f64>(launcher, rows, call, layout),
    }
}

fn run_in<T: Element>(
    launcher: &Launcher,
    rows: Category,
    call: &Call,
    layout: Layout,
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
    launcher.run(&launch::Call { inputs: &views, rows, columns }, out)?;
    let values = values.iter().map(|v| v.to_f64()).collect();
    Ok(Found { values: Some(values), indices: selects.then_some(indices) })
}
