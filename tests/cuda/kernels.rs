//! Kernels with `Backend::Cuda` and `Backend::Auto` as a program uses them, in processes of their own that are told of an emulated
//! driver: this binary runs itself again.

use crate::backend::Place;
use genred::device::DeviceArray;
use genred::{
    Axis, Backend, Cancel, Chunks, ErrorKind, Genred, Kernel, Origin, Reduction, Stage, View,
};
use std::cell::Cell;

fn numbers(count: usize, step: f32) -> Vec<f32> {
    (0..count).map(|n| (n as f32 * step).sin()).collect()
}

fn builder(reduction: Reduction) -> Genred<f32> {
    let aliases = ["x = Vi(2)", "y = Vj(2)"];
    Genred::reduction(reduction, "SqDist(x, y)").axis(Axis::J).aliases(aliases)
}

fn kernel(reduction: Reduction) -> Kernel<f32> {
    builder(reduction).backend(Backend::Cuda).compile().unwrap()
}

#[test]
#[ignore = "arrays_stay_on_the_device runs it in a process of its own"]
fn arrays_stay_on_the_device_child() {
    let (x, y) = (numbers(600, 0.7), numbers(1_400, 1.3));
    let (x, y) = (View::new(&x, 300, 2).unwrap(), View::new(&y, 700, 2).unwrap());
    let sum = kernel(Reduction::Sum);
    let device = sum.device().unwrap();
    assert_eq!(device.info().name, "Shim 0");
    let upload = |view| DeviceArray::upload(&device, view).unwrap();
    let (on_x, on_y) = (upload(&x), upload(&y));
    let args = [on_x.view(), on_y.view()];

    let found = sum.call_on_device(&args).unwrap();
    assert_eq!((found.rows(), found.dim()), (300, 1));
    assert_eq!(found.download().unwrap(), sum.call(&[x, y]).unwrap().as_slice());
    // Few rows take the other kernel.
    let (few_x, few) = (upload(&x.rows_between(0, 2).unwrap()), x.rows_between(0, 2).unwrap());
    let found = sum.call_on_device(&[few_x.view(), on_y.view()]).unwrap().download().unwrap();
    assert_eq!(found, sum.call(&[few, y]).unwrap().as_slice());

    let nearest = kernel(Reduction::ArgKMin(3));
    let indices = nearest.call_indices_on_device(&args).unwrap();
    assert_eq!((indices.rows(), indices.dim()), (300, 3));
    assert_eq!(indices.download().unwrap(), nearest.call_indices(&[x, y]).unwrap().as_slice());
    let text = nearest.call_on_device(&args).unwrap_err().to_string();
    assert!(text.contains("`call_indices_on_device` returns them"), "{text}");
    assert!(sum.call_indices_on_device(&args).is_err_and(|e| e.kind() == ErrorKind::Usage));

    let mut queued = DeviceArray::<f32>::new(&device, 300, 1).unwrap();
    // SAFETY: the default stream lives as long as the context; the arrays live to the end of this function.
    unsafe { sum.queue_on_device(&args, Some(queued.view_mut()), None, 0).unwrap() };
    // Another call in the same workspace waits for it.
    let after = sum.call_on_device(&args).unwrap().download().unwrap();
    assert_eq!(queued.download().unwrap(), after);

    // Dimension 2: two differences, a square and a fused square, and the sum over j.
    let times = sum.time_on_device(&args, 4).unwrap();
    assert_eq!((times.milliseconds.as_slice(), times.ffma, times.mufu), (&[1.0; 4][..], 5, 0));
    // 4 multiprocessors of 128 lanes at 1 GHz.
    let floor = 300.0 * 700.0 * 5.0 / 128.0 / 4.0 / 1e6;
    assert!((times.floor / floor - 1.0).abs() < 1e-12, "{times:?}");

    let text =
        sum.call_on_device(&[on_y.view(), on_x.view(), on_x.view()]).unwrap_err().to_string();
    assert!(text.contains("3 arguments are given, but the formula has 2: x, y"), "{text}");
    let wide = DeviceArray::upload(&device, &View::new(&[0.0; 6], 2, 3).unwrap()).unwrap();
    let text = sum.call_on_device(&[wide.view(), on_y.view()]).unwrap_err().to_string();
    assert!(text.contains("`x` has dim 3, but the alias is `x = Vi(2)`"), "{text}");
    let cpu = builder(Reduction::Sum).backend(Backend::Cpu).compile().unwrap();
    let text = cpu.call_on_device(&args).unwrap_err().to_string();
    assert!(text.contains("not on a device") && text.contains("Backend::Cuda"), "{text}");
}

#[test]
fn arrays_stay_on_the_device() {
    Place::new().again("kernels::arrays_stay_on_the_device_child", &[]);
}

#[test]
#[ignore = "budgets_and_fast_math_make_kernels_of_their_own runs it in a process of its own"]
fn budgets_child() {
    let exact = kernel(Reduction::Sum);
    assert_eq!(exact.origin(), Origin::Compiled);
    let fast = builder(Reduction::Sum).backend(Backend::Cuda).fast_math().compile().unwrap();
    assert_eq!(fast.origin(), Origin::Compiled);
    assert!(fast.explain(Stage::Cuda).contains("--use_fast_math"));
    assert!(!exact.explain(Stage::Cuda).contains("fast"));

    let (x, y) = (numbers(600, 0.7), numbers(1_400, 1.3));
    let args = [View::new(&x, 300, 2).unwrap(), View::new(&y, 700, 2).unwrap()];
    let least = |text: &str| -> u64 {
        text.split("at least ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    let small = |bytes| {
        let genred = builder(Reduction::Sum).backend(Backend::Cuda).device_memory(bytes);
        genred.compile().unwrap()
    };
    let error = small(1).call(&args).unwrap_err();
    assert!(error.is_device(), "{error}");
    let least = least(&error.to_string());
    let all = exact.device_bytes(300, 700).unwrap();
    assert!(least < all, "{least} of {all}");
    // The code is the same, and was kept.
    let kernel = small(least);
    assert_eq!(kernel.origin(), Origin::Disk);
    assert_eq!(kernel.call(&args).unwrap(), exact.call(&args).unwrap());
}

#[test]
fn budgets_and_fast_math_make_kernels_of_their_own() {
    Place::new().again("kernels::budgets_child", &[]);
}

/// What a call of 10^8 pairs runs on, why not on a device, and its result.
fn by_auto() -> (String, String) {
    let sum = Genred::<f32>::sum("x * y").axis(Axis::J).aliases(["x = Vi(1)", "y = Vj(1)"]);
    let kernel = sum.compile().unwrap();
    let few = kernel.prepare(100, 100).unwrap();
    assert_ne!(few.engine, "cuda");
    let why = |refusals: &[(String, String)]| {
        refusals.iter().find(|(name, _)| name == "cuda").map(|(_, why)| why.clone())
    };
    assert!(why(&few.refusals).unwrap().contains("10000 pairs are not worth the copy"));

    let stats = kernel.prepare(10_000, 10_000).unwrap();
    let ones = [1.0; 10_000];
    let ones = View::new(&ones, 10_000, 1).unwrap();
    let found = kernel.call(&[ones, ones]).unwrap();
    assert!(found.as_slice().iter().all(|value| *value == 10_000.0));
    // In pieces it runs on the same.
    let streamed = kernel.stream().input(ones).input(ones).memory_budget(32 << 20).call().unwrap();
    assert_eq!(streamed, found);
    (stats.engine, why(&stats.refusals).unwrap_or_default())
}

#[test]
#[ignore = "auto_takes_a_device_where_there_is_one runs it in a process of its own"]
fn auto_child() {
    // An equal kernel that never takes a device is another one.
    let sum = Genred::<f32>::sum("x * y").axis(Axis::J).aliases(["x = Vi(1)", "y = Vj(1)"]);
    let cpu = sum.backend(Backend::Cpu).compile().unwrap();
    assert_ne!(cpu.prepare(10_000, 10_000).unwrap().engine, "cuda");
    assert_eq!(by_auto(), ("cuda".to_owned(), String::new()));
}

#[test]
fn auto_takes_a_device_where_there_is_one() {
    Place::new().again("kernels::auto_child", &[("GENRED_CUDA", "auto")]);
}

#[test]
#[ignore = "auto_says_why_it_stays_on_the_processor runs it in a process of its own"]
fn auto_without_child() {
    let (engine, why) = by_auto();
    assert_ne!(engine, "cuda");
    let expected = std::env::var("EXPECTED_REASON").unwrap();
    assert!(why.contains(&expected), "{why}");
}

#[test]
fn auto_says_why_it_stays_on_the_processor() {
    let place = Place::new();
    let missing = ("GENRED_CUDA_DRIVER", "/nowhere/libcuda.so");
    for (variable, reason) in [
        (missing, "the CUDA driver cannot be loaded from /nowhere/libcuda.so"),
        (("SHIM_DEVICES", "0"), "CUDA_VISIBLE_DEVICES"),
        (("SHIM_VERSION", "11010"), "11.2 is needed"),
        (("GENRED_NVRTC", "/nowhere"), "there is no NVRTC"),
    ] {
        let environment = [("GENRED_CUDA", "auto"), ("EXPECTED_REASON", reason), variable];
        place.again("kernels::auto_without_child", &environment);
    }
}

/// A stream of points that are not in memory, in chunks that fit nothing.
fn stream<'a>(kernel: &'a Kernel<f32>, x: &'a [f32], y: &'a [f32]) -> genred::Stream<'a, f32> {
    let far = |points: &'a [f32]| {
        let chunks = move || points.chunks(101).map(|chunk| Ok(chunk.to_vec()));
        Chunks::new(points.len() / 2, 2, chunks)
    };
    kernel.stream().input(far(x)).input(far(y))
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
#[ignore = "streams_have_the_bits_of_one_call runs it in a process of its own"]
fn streams_child() {
    for (reduction, m, n) in [
        (Reduction::Sum, 2_500, 3_100),
        (Reduction::KMinArgKMin(2), 1_030, 900),
        // Few rows take the other kernel, and columns are divided among blocks.
        (Reduction::LogSumExp, 3, 9_000),
        (Reduction::ArgMax, 700, 1),
        (Reduction::Min, 5, 0),
        (Reduction::Sum, 5, 0),
        (Reduction::Sum, 0, 5),
    ] {
        let kernel = kernel(reduction);
        let (x, y) = (numbers(2 * m, 0.7), numbers(2 * n, 1.3));
        let args = [View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap()];
        let whole = kernel.call(&args).unwrap();
        let least = stream(&kernel, &x, &y).least_budget().unwrap();
        for budget in [least, least + least / 64, 1 << 30] {
            let call = || stream(&kernel, &x, &y).memory_budget(budget);
            let pieces = call().pieces().unwrap();
            assert!(pieces.bytes() <= budget);
            let seen = Cell::new(0);
            let found = call().progress(|p| seen.set(p.pairs())).call().unwrap();
            let name = format!("{reduction:?} {m} x {n} within {budget} of {least}");
            assert_eq!(bits(found.as_slice()), bits(whole.as_slice()), "{name}");
            assert_eq!(seen.get(), (m * n) as u64, "{name}");
            if budget == least && m > 1_000 {
                assert!(pieces.columns() < n, "{name}: {pieces:?}");
            }
            if let Ok(indices) = kernel.call_indices(&args) {
                assert_eq!(call().call_indices().unwrap(), indices, "{name}");
                let (mut v, mut k) = (Vec::new(), Vec::new());
                call().call_both_into(&mut v, &mut k).unwrap();
                let (values, _) = kernel.call_both(&args).unwrap();
                assert_eq!((bits(&v), k.as_slice()), (bits(values.as_slice()), indices.as_slice()));
            }
        }
        let error = stream(&kernel, &x, &y).memory_budget(least - 1).call().unwrap_err();
        assert!(error.is_limit() && error.to_string().contains(&format!("{least}")), "{error}");
    }

    // A token stops it, and nothing of an unfinished pass is written.
    let kernel = kernel(Reduction::Sum);
    let (x, y) = (numbers(5_000, 0.7), numbers(6_200, 1.3));
    let call = || stream(&kernel, &x, &y);
    let least = call().least_budget().unwrap();
    let (cancel, mut written) = (Cancel::new(), 0);
    let stop = |p: genred::Progress| {
        if p.pairs() > 0 {
            cancel.cancel();
        }
    };
    let sink = |rows: &[f32]| {
        written += rows.len();
        Ok(())
    };
    let stopped = call().memory_budget(least).progress(stop).cancel(&cancel).call_into(sink);
    assert!(stopped.unwrap_err().is_cancelled() && written == 0);

    // What calls may take of a device bounds the pieces too.
    let small = |bytes: usize| {
        let genred = builder(Reduction::Sum).backend(Backend::Cuda).device_memory(bytes as u64);
        genred.compile().unwrap()
    };
    let bounded = small(least);
    let pieces = stream(&bounded, &x, &y).pieces().unwrap();
    assert!(pieces.bytes() <= least && pieces.columns() < 3_100, "{pieces:?}");
    let found = stream(&bounded, &x, &y).call().unwrap();
    assert_eq!(found, call().call().unwrap());
    let error = stream(&small(least - 1), &x, &y).call().unwrap_err();
    assert!(error.is_device() && error.to_string().contains("out of device memory"), "{error}");
}

#[test]
fn streams_have_the_bits_of_one_call() {
    let place = Place::new();
    place.again("kernels::streams_child", &[]);
    place.again("kernels::streams_child", &[("GENRED_CUDA_DEVICES", "all")]);
}

#[test]
#[ignore = "streams_on_a_device_that_fails_end runs it in a process of its own"]
fn failing_stream_child() {
    let kernel = kernel(Reduction::Sum);
    let (x, y) = (numbers(600, 0.7), numbers(1_400, 1.3));
    let text = stream(&kernel, &x, &y).call().unwrap_err().to_string();
    assert!(text.contains("an illegal memory access was encountered"), "{text}");
}

#[test]
fn streams_on_a_device_that_fails_end() {
    Place::new().again("kernels::failing_stream_child", &[("SHIM_FAULT", "700")]);
}
