//! Kernels with `Backend::Cuda` and `Backend::Auto` as a program uses them, in processes of their own that are told of an emulated
//! driver: this binary runs itself again.

use crate::backend::Place;
use genred::device::DeviceArray;
use genred::{Axis, Backend, ErrorKind, Genred, Kernel, Origin, Reduction, Stage, View};

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
