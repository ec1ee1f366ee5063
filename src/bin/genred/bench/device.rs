//! One problem on a CUDA device: times by its own events, beside the floor that its operations set.

use super::measure::{Points, error};
use super::problems::Problem;
use crate::console::{Failure, print};
use genred::cache::{Mode, Options};
use genred::device::{Device, DeviceArray};
use genred::reduce::Outputs;
use genred::{Backend, Cache, Element, Genred};
use std::sync::Arc;

/// Calls before the timed ones.
const WARM: usize = 2;
/// Fewest rows and columns: what keeps a CPU busy for a second does not fill a device.
const LEAST: usize = 100_000;

/// The device that is measured.
///
/// # Errors
/// If there is none: no driver, one that is too old, no device.
pub(super) fn open() -> Result<Arc<Device>, Failure> {
    Device::first().map_err(|error| Failure::new(format!("nothing was measured: {error}")))
}

/// A problem in a size for devices. Few rows stay few.
pub(super) fn enlarged(problem: &Problem) -> Problem {
    let larger = |points: usize| if points < 100 { points } else { points.max(LEAST) };
    Problem { rows: larger(problem.rows), columns: larger(problem.columns), ..*problem }
}

/// The device, and the head of the table.
pub(super) fn show_heading(device: &Device) -> Result<(), Failure> {
    print(&format!(
        "{}\n{:16} {:8} {:18} {:>10} {:>9} {:>10} {:>8} {:>6} {:>5} {:>9}\n",
        device.info(),
        "problem",
        "dtype",
        "M x N",
        "ms",
        "ns a pair",
        "floor ms",
        "of floor",
        "FFMA",
        "MUFU",
        "error"
    ))
}

/// Measure a problem and print its line.
///
/// # Errors
/// If the device fails, or has too little memory.
pub(super) fn show<T: Element>(
    problem: &Problem,
    repeat: usize,
    json: bool,
) -> Result<(), Failure> {
    let kernel = Genred::<T>::reduction(problem.reduction, problem.formula)
        .output(problem.output())
        .aliases(problem.aliases())
        .backend(Backend::Cuda)
        .cache(&Cache::open(Options::new().mode(Mode::Off)))
        .compile()?;
    let device = kernel.device()?;
    let points = Points::<T>::new(problem);
    let views = points.views(problem)?;
    let arrays = views.iter().map(|view| DeviceArray::upload(&device, view));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    let args: Vec<_> = arrays.iter().map(DeviceArray::view).collect();

    let out: Vec<T> = if problem.reduction.outputs() == Outputs::Indices {
        let indices = kernel.call_indices_on_device(&args)?.download()?;
        indices.into_iter().map(|index| T::from_f64(index as f64)).collect()
    } else {
        kernel.call_on_device(&args)?.download()?
    };
    let error = error(problem, &points, &kernel, &out)?;

    let times = kernel.time_on_device(&args, WARM + repeat)?;
    let mut sorted = times.milliseconds[WARM..].to_vec();
    sorted.sort_by(f32::total_cmp);
    let ms = f64::from(sorted[sorted.len() / 2]);
    let Problem { id, rows, columns, .. } = *problem;
    let ns_a_pair = ms * 1e6 / (rows as f64 * columns as f64);
    let (dtype, floor, of_floor) = (T::DTYPE, times.floor, times.floor / ms);
    let (ffma, mufu) = (times.ffma, times.mufu);
    if json {
        return print(&format!(
            "{{\"problem\": \"{id}\", \"dtype\": \"{dtype}\", \"engine\": \"cuda\", \"rows\": {rows}, \
             \"columns\": {columns}, \"ms\": {ms:.6}, \"ns_a_pair\": {ns_a_pair:.9}, \"floor_ms\": {floor:.9}, \
             \"of_floor\": {of_floor:.6}, \"ffma\": {ffma}, \"mufu\": {mufu}, \"error\": {error:e}}}\n"
        ));
    }
    let shape = format!("{rows} x {columns}");
    let dtype = dtype.to_string();
    print(&format!(
        "{id:16} {dtype:8} {shape:18} {ms:>10.4} {ns_a_pair:>9.5} {floor:>10.4} {of_floor:>8.2} {ffma:>6} {mufu:>5} {error:>9.1e}\n"
    ))
}
