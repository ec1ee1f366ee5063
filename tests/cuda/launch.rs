//! Calls behind the launcher: memory and budgets, errors, arrays on the device, streams, several devices.

use crate::cases::Case;
use crate::run;
use crate::shim::{self, Shim};
use crate::suite::{Call, Found, Layout, Problem};
use genred::cuda::launch::{DeviceArray, DeviceCall, DeviceView};
use genred::cuda::{Cubin, Launcher};
use genred::eval::Matrix;
use genred::schedule::Lanes;
use genred::{DType, Reduction, View};

const ALIASES: &[&str] = &["x = Vi(3)", "y = Vj(3)", "b = Vj(2)"];

/// A sum with two components.
fn sum() -> Case {
    let problem = Problem::new(Reduction::Sum, "Exp(-SqDist(x, y)) * b", ALIASES);
    Case::new(problem, DType::F32, Lanes::Rows)
}

/// A selection with indices.
fn nearest() -> Case {
    let problem = Problem::new(Reduction::KMinArgKMin(3), "SqDist(x, y)", &ALIASES[..2]);
    Case::new(problem, DType::F64, Lanes::Rows)
}

/// Few rows: the columns are divided, and parts are merged.
fn few_rows() -> Case {
    let problem = Problem::new(Reduction::LogSumExp, "-SqDist(x, y)", &ALIASES[..2]);
    Case::new(problem, DType::F32, Lanes::Columns)
}

/// Kernels of its own for each test: tests run at once, and threads of a block are coroutines of their library.
fn compile(cases: &[Case]) -> Vec<Cubin> {
    shim::compile(&cases.iter().map(|case| case.emit().unwrap()).collect::<Vec<_>>())
}

fn launcher(shim: &Shim, cubin: &Cubin) -> Launcher {
    Launcher::new(&[shim.device(0)], cubin).unwrap()
}

fn call(case: &Case, rows: usize, columns: usize) -> Call {
    Call::scattered(&case.formula(), rows, columns)
}

fn run(launcher: &Launcher, case: &Case, call: &Call) -> Result<Found, String> {
    run::run(launcher, case.problem.rows(), call, Layout::Packed).map_err(|e| e.to_string())
}

fn assert_same(found: &Found, expected: &Found, what: &str) {
    assert_eq!(run::bits(found), run::bits(expected), "{what}");
}

/// The number after some words.
fn number_after(text: &str, words: &str) -> u64 {
    let (_, rest) = text.split_once(words).unwrap_or_else(|| panic!("no `{words}` in {text}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn small_budgets_stream_in_panels_with_the_same_bits() {
    let cases = [(sum(), 2_500, 1_300), (nearest(), 1_100, 2_000), (few_rows(), 3, 9_000)];
    let cubins = compile(&cases.each_ref().map(|(case, ..)| case.clone()));
    for ((case, rows, columns), cubin) in cases.iter().zip(&cubins) {
        let shim = Shim::new();
        let call = call(case, *rows, *columns);
        let whole = run(&launcher(&shim, cubin), case, &call).unwrap();
        case.check(&call, &whole).unwrap();
        let at_once = shim.launches();

        let text = run(&launcher(&shim, cubin).with_budget(1), case, &call).unwrap_err();
        let least = number_after(&text, "needs at least ");
        for budget in [least, least + least / 2, 3 * least] {
            let launcher = launcher(&shim, cubin).with_budget(budget);
            let before = shim.launches();
            let found = run(&launcher, case, &call).unwrap();
            assert_same(&found, &whole, &format!("{} within {budget} bytes", case.name()));
            assert!(shim.used() as u64 <= budget, "{} of {budget} bytes", shim.used());
            let launches = shim.launches() - before;
            assert!(budget > least || launches > at_once, "{launches} beside {at_once}");
        }
        let text = run(&launcher(&shim, cubin).with_budget(least - 1), case, &call).unwrap_err();
        assert!(text.contains(&format!("the budget is {}", least - 1)), "{text}");
    }
}

#[test]
fn a_call_uses_what_it_announces_and_the_next_ones_allocate_nothing() {
    let case = sum();
    let cubin = compile(std::slice::from_ref(&case)).remove(0);
    let shim = Shim::new();
    let launcher = launcher(&shim, &cubin);
    let (large, small) = (call(&case, 300, 400), call(&case, 20, 30));
    let first = run(&launcher, &case, &large).unwrap();
    assert_eq!(shim.used() as u64, launcher.workspace_bytes(300, 400));
    let allocations = shim.allocations();
    for k in 0..500 {
        let call = if k % 2 == 0 { &small } else { &large };
        let found = run(&launcher, &case, call).unwrap();
        assert!(k % 2 == 0 || found == first, "call {k}");
    }
    assert_eq!(shim.allocations(), allocations);
    drop(launcher);
    assert_eq!((shim.used(), shim.retained()), (0, 0));
}

#[test]
fn failures_of_the_device_are_errors_and_leave_nothing_behind() {
    let case = sum();
    let cubin = compile(std::slice::from_ref(&case)).remove(0);
    let shim = Shim::new();
    let launcher = launcher(&shim, &cubin).with_budget(1 << 40);
    let call = call(&case, 200, 300);
    let expected = run(&launcher, &case, &call).unwrap();
    let used = shim.used();

    // A kernel that goes wrong.
    shim.fault(700);
    let text = run(&launcher, &case, &call).unwrap_err();
    assert!(text.contains("CUDA failed while running a kernel"), "{text}");
    assert!(text.contains("an illegal memory access was encountered"), "{text}");
    assert_eq!(shim.used(), 0);
    shim.fault(0);
    assert_same(&run(&launcher, &case, &call).unwrap(), &expected, "after a fault");
    assert_eq!(shim.used(), used);

    // The budget allows what the device does not have.
    drop(launcher);
    let launcher = Launcher::new(&[shim.device(0)], &cubin).unwrap().with_budget(1 << 40);
    shim.configure(2, 12_040, used / 2);
    let text = run(&launcher, &case, &call).unwrap_err();
    assert!(text.contains("out of memory (CUDA_ERROR_OUT_OF_MEMORY)"), "{text}");
    assert!(text.contains("a smaller memory budget makes calls work"), "{text}");
    assert_eq!(shim.used(), 0);
    shim.configure(2, 12_040, 1 << 40);
    assert_same(&run(&launcher, &case, &call).unwrap(), &expected, "with more memory");

    // A binary that is none.
    let broken = Cubin { bytes: b"damaged\0".to_vec(), layout: cubin.layout.clone() };
    let error = Launcher::new(&[shim.device(0)], &broken).unwrap_err();
    assert!(error.is_device() && error.to_string().contains("loading a kernel"), "{error}");
}

#[test]
fn several_devices_share_the_rows() {
    let cases = [sum(), nearest()];
    let cubins = compile(&cases);
    for (case, cubin) in cases.iter().zip(&cubins) {
        let shim = Shim::new();
        let call = call(case, 2_500, 100);
        let one = Launcher::new(&[shim.device(0)], cubin).unwrap();
        let expected = run(&one, case, &call).unwrap();
        let used = shim.used();
        drop(one);
        let both = Launcher::new(&[shim.device(0), shim.device(1)], cubin).unwrap();
        let found = run(&both, case, &call).unwrap();
        assert_same(&found, &expected, &case.name());
        for rows in [1, 1_500, 2_500] {
            let rows = (rows, 1);
            let category = case.problem.rows();
            let found = run::run_in_pieces(&both, category, &call, Layout::Packed, rows).unwrap();
            assert_same(&found, &expected, &case.name());
        }
        assert_eq!(shim.retained(), 2);
        // Each has some of the rows, and all of the columns.
        assert!(shim.used() > used / 2 && shim.used() < 2 * used, "{} of {used}", shim.used());
    }
    let error = Launcher::new(&[], &cubins[0]).unwrap_err();
    assert!(error.to_string().contains("no device is given"), "{error}");
}

/// The arrays of a call on a device.
fn upload(shim: &Shim, device: usize, inputs: &[Matrix<f64>]) -> Vec<DeviceArray<f32>> {
    let device = shim.device(device);
    let upload = |matrix: &Matrix<f64>| {
        let numbers: Vec<f32> = matrix.values.iter().map(|value| *value as f32).collect();
        let view = View::new(&numbers, matrix.rows, matrix.dim).unwrap();
        DeviceArray::upload(&device, &view).unwrap()
    };
    inputs.iter().map(upload).collect()
}

fn wide(numbers: &[f32]) -> Found {
    Found { values: Some(numbers.iter().map(|v| f64::from(*v)).collect()), indices: None }
}

#[test]
fn arrays_on_the_device_are_used_where_they_are() {
    let case = sum();
    let cubin = compile(std::slice::from_ref(&case)).remove(0);
    let shim = Shim::new();
    let launcher = launcher(&shim, &cubin);
    let (rows, columns) = (1_050, 300);
    let call = call(&case, rows, columns);
    let expected = run(&launcher, &case, &call).unwrap();
    let arrays = upload(&shim, 0, &call.inputs);
    let views: Vec<DeviceView<'_, f32>> = arrays.iter().map(DeviceArray::view).collect();
    let mut out = DeviceArray::<f32>::new(&shim.device(0), rows, 2).unwrap();
    let values = Some(out.view_mut());
    launcher
        .run_on_device(&DeviceCall { inputs: &views, rows, columns, values, indices: None })
        .unwrap();
    assert_same(&wide(&out.download().unwrap()), &expected, "on the device");

    // In panels, within a budget.
    let mut unused = DeviceArray::<f32>::new(&shim.device(0), rows, 2).unwrap();
    let values = Some(unused.view_mut());
    let refused = DeviceCall { inputs: &views, rows, columns, values, indices: None };
    let tiny = Launcher::new(&[shim.device(0)], &cubin).unwrap().with_budget(1);
    let text = tiny.run_on_device(&refused).unwrap_err().to_string();
    let small = tiny.with_budget(number_after(&text, "needs at least "));
    let mut out = DeviceArray::<f32>::new(&shim.device(0), rows, 2).unwrap();
    let values = Some(out.view_mut());
    small
        .run_on_device(&DeviceCall { inputs: &views, rows, columns, values, indices: None })
        .unwrap();
    assert_same(&wide(&out.download().unwrap()), &expected, "in panels");

    // Column after column: other strides over the same memory.
    let x = &call.inputs[0];
    let turned: Vec<f32> =
        (0..3).flat_map(|c| (0..rows).map(move |r| x.row(r)[c] as f32)).collect();
    let turned =
        DeviceArray::upload(&shim.device(0), &View::new(&turned, 3, rows).unwrap()).unwrap();
    // SAFETY: the array has 3 * rows elements, and outlives the call.
    let turned = unsafe { DeviceView::from_raw(turned.address(), rows, 3, 1, rows as isize) };
    let mut out = DeviceArray::<f32>::new(&shim.device(0), rows, 2).unwrap();
    let (values, inputs) = (Some(out.view_mut()), [turned, views[1], views[2]]);
    launcher
        .run_on_device(&DeviceCall { inputs: &inputs, rows, columns, values, indices: None })
        .unwrap();
    assert_same(&wide(&out.download().unwrap()), &expected, "with other strides");

    // What does not fit is refused before anything is queued.
    let launches = shim.launches();
    let wrong = |inputs: &[DeviceView<'_, f32>], rows, dim| {
        let mut out = DeviceArray::<f32>::new(&shim.device(0), rows, dim).unwrap();
        let values = Some(out.view_mut());
        let call = DeviceCall { inputs, rows, columns, values, indices: None };
        launcher.run_on_device(&call).unwrap_err().to_string()
    };
    let text = wrong(&views, rows + 1, 2);
    assert!(text.contains("argument 0 is 1050 x 3, but the kernel takes 1051 x 3"), "{text}");
    let text = wrong(&views, rows, 3);
    assert!(text.contains("the output array is 1050 x 3, but the result is 1050 x 2"), "{text}");
    let others = upload(&shim, 1, &call.inputs);
    let text = wrong(&[views[0], others[1].view(), views[2]], rows, 2);
    assert!(text.contains("argument 1 is on device 1, but the kernel runs on device 0"), "{text}");
    let call = DeviceCall { inputs: &views, rows, columns, values: None, indices: None };
    let text = launcher.run_on_device(&call).unwrap_err().to_string();
    assert!(text.contains("no array for them is given"), "{text}");
    assert_eq!(shim.launches(), launches);
}

#[test]
fn work_is_queued_on_the_callers_stream() {
    let case = sum();
    let cubin = compile(std::slice::from_ref(&case)).remove(0);
    let shim = Shim::new();
    let launcher = launcher(&shim, &cubin);
    let (rows, columns) = (100, 200);
    let call = call(&case, rows, columns);
    let expected = run(&launcher, &case, &call).unwrap();
    let arrays = upload(&shim, 0, &call.inputs);
    let views: Vec<DeviceView<'_, f32>> = arrays.iter().map(DeviceArray::view).collect();
    let mut first = DeviceArray::<f32>::new(&shim.device(0), rows, 2).unwrap();
    let values = Some(first.view_mut());
    let queued = DeviceCall { inputs: &views, rows, columns, values, indices: None };
    // SAFETY: the default stream lives as long as the context; the arrays live to the end of the test.
    unsafe { launcher.queue(&queued, Shim::default_stream()).unwrap() };
    // Nobody has waited for that stream, so nothing has run.
    assert!(first.download().unwrap().iter().all(|value| value.is_nan()));

    // The next call works in the same memory, so it waits for the first.
    let allocations = shim.allocations();
    let mut second = DeviceArray::<f32>::new(&shim.device(0), rows, 2).unwrap();
    let values = Some(second.view_mut());
    launcher
        .run_on_device(&DeviceCall { inputs: &views, rows, columns, values, indices: None })
        .unwrap();
    assert_eq!(shim.allocations(), allocations + 1);
    for array in [&first, &second] {
        assert_same(&wide(&array.download().unwrap()), &expected, "queued");
    }

    let mut third = DeviceArray::<f32>::new(&shim.device(0), rows, 2).unwrap();
    let values = Some(third.view_mut());
    let timed = DeviceCall { inputs: &views, rows, columns, values, indices: None };
    // The emulated driver's events are a millisecond apart.
    assert_eq!(launcher.time_on_device(&timed, 3).unwrap(), [1.0; 3]);
    assert_same(&wide(&third.download().unwrap()), &expected, "timed");

    // A fault shows where the work is waited for.
    shim.fault(700);
    let values = Some(third.view_mut());
    let wrong = DeviceCall { inputs: &views, rows, columns, values, indices: None };
    let text = launcher.run_on_device(&wrong).unwrap_err().to_string();
    assert!(text.contains("an illegal memory access was encountered"), "{text}");
}
