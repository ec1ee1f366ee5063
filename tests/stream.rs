//! Calls whose arrays are read in pieces have the bits of calls on whole arrays, whatever the budget.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use genred::npy::{Reader, Writer};
use genred::reduce::Outputs;
use genred::{
    Accumulate, Backend, Cancel, Chunks, Element, ErrorKind, Genred, Kernel, Reduction, Source,
    View,
};
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::ops::Range;

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Coarse values make ties.
        ((state >> 18) as f32) / 1024.0 - 8.0
    };
    (0..len).map(|_| next()).collect()
}

fn bits<T: Element>(values: &[T]) -> Vec<u64> {
    values.iter().map(|v| v.to_f64().to_bits()).collect()
}

/// A source that is not in memory as far as a stream can know, and what was asked of it.
struct Far<'a> {
    data: &'a [f32],
    dim: usize,
    largest: &'a Cell<usize>,
    reads: &'a RefCell<Vec<Range<usize>>>,
}

impl Source<f32> for Far<'_> {
    fn rows(&self) -> usize {
        self.data.len() / self.dim
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn read(&mut self, rows: Range<usize>, into: &mut [f32]) -> io::Result<()> {
        into.copy_from_slice(&self.data[rows.start * self.dim..rows.end * self.dim]);
        self.largest.set(self.largest.get().max(size_of_val(into)));
        self.reads.borrow_mut().push(rows);
        Ok(())
    }
}

const REDUCTIONS: [Reduction; 13] = Reduction::all(2);

fn kernel(reduction: Reduction, rows: &str, accumulate: Accumulate) -> Kernel<f32> {
    let weighted = reduction == Reduction::SumSoftMaxWeight;
    let dim = reduction.output_dim(1, weighted.then_some(2));
    let build = Genred::<f32>::reduction(reduction, "g - SqDist(x, y) / 16")
        .output(format!("a = {rows}({dim})"))
        .aliases(["x = Vi(2)", "y = Vj(2)", "g = Pm(1)"])
        .accumulate(accumulate);
    if weighted { build.weight("x * y") } else { build }.compile().unwrap()
}

/// Values and indices of a call on whole arrays, as bits.
fn whole(kernel: &Kernel<f32>, args: &[View<'_, f32>]) -> (Vec<u64>, Option<Vec<i64>>) {
    let has_indices = kernel.reduction().outputs() != Outputs::Values;
    let indices = has_indices.then(|| kernel.call_indices(args).unwrap().into_vec());
    (bits(kernel.call(args).unwrap().as_slice()), indices)
}

#[test]
fn every_reduction_has_the_bits_of_one_call_under_any_budget() {
    let g = [0.25f32];
    let mut all: Vec<(Reduction, Accumulate)> =
        REDUCTIONS.iter().map(|r| (*r, Accumulate::Auto)).collect();
    all.push((Reduction::Sum, Accumulate::Kahan));
    all.push((Reduction::LogSumExp, Accumulate::Double));
    // Many rows and columns, few rows with lanes over columns, one column, rows that are no multiple of anything.
    for (m, n) in [(1_301, 14_001), (3, 30_001), (700, 1)] {
        let (x, y) = (numbers(m * 2, 1), numbers(n * 2, 2));
        for (reduction, accumulate) in &all {
            for axis in ["Vi", "Vj"] {
                let kernel = kernel(*reduction, axis, *accumulate);
                let (x, y) = if axis == "Vi" { (&x, &y) } else { (&y, &x) };
                let (largest, reads) = (Cell::new(0), RefCell::new(Vec::new()));
                let far = |data| Far { data, dim: 2, largest: &largest, reads: &reads };
                let stream = || {
                    let call = kernel.stream().input(far(x)).input(far(y));
                    call.input(View::vector(&g))
                };
                let args = [
                    View::new(x, x.len() / 2, 2).unwrap(),
                    View::new(y, y.len() / 2, 2).unwrap(),
                    View::vector(&g),
                ];
                let (values, indices) = whole(&kernel, &args);
                let name = format!("{reduction:?} {accumulate:?} {axis} {m} x {n}");
                assert_eq!(stream().shape().unwrap(), (m, n), "{name}");
                let least = stream().least_budget().unwrap();
                for budget in [least, least * 2, 64 << 20] {
                    largest.set(0);
                    reads.borrow_mut().clear();
                    let a = stream().memory_budget(budget).call().unwrap();
                    assert_eq!(bits(a.as_slice()), values, "{name} within {budget} of {least}");
                    assert!(largest.get() <= budget, "{name}");
                    if budget == least && n > 10_000 {
                        let count = reads.borrow().len();
                        assert!(count > 3, "{name}: {count} reads within the least budget");
                    }
                }
                if let Some(indices) = &indices {
                    let a = stream().memory_budget(least).call_indices().unwrap();
                    assert_eq!(a.as_slice(), indices, "{name}");
                    let (mut v, mut k) = (Vec::new(), Vec::new());
                    stream().memory_budget(least).call_both_into(&mut v, &mut k).unwrap();
                    let (values, indices) = kernel.call_both(&args).unwrap();
                    assert_eq!(bits(&v), bits(values.as_slice()), "{name}");
                    assert_eq!(k, indices.as_slice(), "{name}");
                }
            }
        }
    }
}

/// Points that are asked for their number only.
struct Unread {
    rows: usize,
    dim: usize,
}

impl Source<f64> for Unread {
    fn rows(&self) -> usize {
        self.rows
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn read(&mut self, _: Range<usize>, _: &mut [f64]) -> io::Result<()> {
        panic!("nothing is to be read")
    }
}

#[test]
fn the_default_budget() {
    use genred::limits;
    // More numbers than fit are divided just as under this budget.
    let sum = Genred::<f64>::sum("Exp(-SqDist(x, y))").output("a = Vi(1)");
    let sum =
        sum.aliases(["x = Vi(1000)", "y = Vj(1000)"]).backend(Backend::Clif).compile().unwrap();
    let points = || Unread { rows: 1 << 30, dim: 1_000 };
    let stream = || sum.stream().input(points()).input(points());
    let pieces = stream().pieces().unwrap();
    assert_eq!(pieces, stream().memory_budget(limits::STREAM_BYTES).pieces().unwrap());
    assert_ne!(pieces, stream().memory_budget(limits::STREAM_BYTES / 2).pieces().unwrap());
    assert!(pieces.bytes() <= limits::STREAM_BYTES, "{pieces:?}");
    // Points so wide that a few of them take as much: the most that do not take more, and one more.
    let names: Vec<String> = (0..8).map(|k| format!("y{k}")).collect();
    let wide = Genred::<f64>::sum(format!("x*(Sum({}))", names.join(")+Sum(")))
        .output("a = Vi(1)")
        .alias("x = Vi(1)")
        .aliases(names.iter().map(|name| format!("{name} = Vj({})", limits::DIM)))
        .backend(Backend::Clif)
        .compile()
        .unwrap();
    let stream = |rows: usize| {
        let call = wide.stream().input(Unread { rows: 1 << 20, dim: 1 });
        names.iter().fold(call, |call, _| call.input(Unread { rows, dim: limits::DIM }))
    };
    let within = |columns: usize| stream(columns).least_budget().unwrap() <= limits::STREAM_BYTES;
    let most = (1..1_000).find(|n| within(*n) && !within(n + 1)).expect("fewer than a tile");
    assert!(stream(most).pieces().unwrap().bytes() > limits::STREAM_BYTES / 2);
    let error = stream(most + 1).pieces().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains(&limits::STREAM_BYTES.to_string()), "{error}");
    assert!(stream(most + 1).call().is_err_and(|error| error.is_limit()));
}

#[test]
fn empty_axes_give_what_a_call_gives() {
    for reduction in REDUCTIONS {
        let kernel = kernel(reduction, "Vi", Accumulate::Auto);
        for (m, n) in [(0, 5), (5, 0), (0, 0)] {
            let (x, y, g) = (numbers(m * 2, 1), numbers(n * 2, 2), [0.5]);
            let args =
                [View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap(), View::vector(&g)];
            let mut call = kernel.stream();
            for arg in args {
                call = call.input(arg);
            }
            let got = call.call().unwrap();
            assert_eq!((got.rows(), got.dim()), (m, kernel.dim()));
            assert_eq!(bits(got.as_slice()), whole(&kernel, &args).0, "{reduction:?} {m} x {n}");
        }
    }
}

fn write_file(path: &std::path::Path, descr: &str, fortran: &str, rows: usize, bytes: &[u8]) {
    let text =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({rows}, 3)}}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((text.len() as u16).to_le_bytes());
    file.extend(text.as_bytes());
    file.extend(bytes);
    fs::write(path, file).unwrap();
}

#[test]
fn files_of_every_order_and_iterators_give_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.npy");
    let kernel =
        genred::generic_sum::<f32>("Exp(-SqDist(x, y))", "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)"]);
    let kernel = kernel.unwrap();
    let (m, n) = (40, 70_000);
    let (x, y) = (numbers(m * 3, 3), numbers(n * 3, 4));
    let x = View::new(&x, m, 3).unwrap();
    let expected = kernel.call(&[x, View::new(&y, n, 3).unwrap()]).unwrap();
    let columns: Vec<f32> = (0..3).flat_map(|c| y.iter().skip(c).step_by(3).copied()).collect();
    for (fortran, numbers) in [("False", &y), ("True", &columns)] {
        let little: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
        let big: Vec<u8> = numbers.iter().flat_map(|v| v.to_be_bytes()).collect();
        for (descr, bytes) in [("<f4", little), (">f4", big)] {
            write_file(&path, descr, fortran, n, &bytes);
            let y = Reader::<f32>::open(&path).unwrap();
            let call = kernel.stream().input(x).input(y).memory_budget(1 << 20);
            assert_eq!(call.call().unwrap(), expected, "{descr} {fortran}");
        }
    }
    // Chunks that end within rows, over several passes of rows.
    let chunks = || Chunks::new(n, 3, || y.chunks(1_000).map(|chunk| Ok(chunk.to_vec())));
    let rows = numbers(3_000 * 3, 5);
    let rows = View::new(&rows, 3_000, 3).unwrap();
    let call = || kernel.stream().input(rows).input(chunks());
    let least = call().least_budget().unwrap();
    let expected = kernel.call(&[rows, View::new(&y, n, 3).unwrap()]).unwrap();
    assert_eq!(call().memory_budget(least).call().unwrap(), expected);
    // A file that is whole, then cut.
    let x = Reader::<f32>::open(&path).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100_000).unwrap();
    let cut = kernel.stream().input(rows).input(x).call().unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::Io);
    assert!(cut.to_string().contains("of `y` cannot be read"), "{cut}");
    let damaged = Reader::<f32>::open(&path).unwrap_err().to_string();
    assert!(damaged.contains("has 840000 bytes, but"), "{damaged}");
    assert!(Reader::<f64>::open(folder.path().join("none.npy")).is_err());
}

#[test]
fn results_go_to_a_file_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let kernel = kernel(Reduction::Sum, "Vi", Accumulate::Auto);
    let (m, n, g) = (5_000, 6_000, [1.0f32]);
    let (x, y) = (numbers(m * 2, 6), numbers(n * 2, 7));
    let args = [View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap(), View::vector(&g)];
    let mut file = Writer::new(File::create(&path).unwrap(), &[m, 1]).unwrap();
    let call = || kernel.stream().input(args[0]).input(args[1]).input(args[2]);
    let least = call().least_budget().unwrap();
    call().memory_budget(least).call_into(&mut file).unwrap();
    assert!(file.is_whole());
    let mut back = vec![0.0f32; m];
    Reader::<f32>::open(&path).unwrap().read(0..m, &mut back).unwrap();
    assert_eq!(bits(&back), whole(&kernel, &args).0);
    // A sink that fails ends the call.
    let full = |_: &[f32]| Err(io::Error::other("no room"));
    let failed = call().call_into(full).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Io);
    assert!(failed.to_string().contains("cannot be written: no room"), "{failed}");
}

#[test]
fn wrong_calls_are_refused() {
    let kernel = kernel(Reduction::Sum, "Vi", Accumulate::Auto);
    let (x, y, g) = (numbers(200, 1), numbers(20_000, 2), [1.0f32]);
    let (x, y) = (View::new(&x, 100, 2).unwrap(), View::new(&y, 10_000, 2).unwrap());
    let call = || kernel.stream().input(x).input(y).input(View::vector(&g));
    let least = call().least_budget().unwrap();
    let small = call().memory_budget(least - 1).call().unwrap_err();
    assert!(
        small.is_limit() && small.to_string().contains(&format!("at least {least}")),
        "{small}"
    );
    let missing = kernel.stream().input(x).input(y).call().unwrap_err();
    assert!(missing.to_string().contains("2 arguments are given"), "{missing}");
    let indices = call().call_indices().unwrap_err();
    assert_eq!(indices.kind(), ErrorKind::Usage);
    let vector = kernel.stream().input(View::vector(&g)).input(y).input(x).call().unwrap_err();
    assert!(vector.is_shape() && vector.to_string().contains("`x`"), "{vector}");
    let slow = Genred::<f32>::sum("x + y")
        .output("a = Vi(2)")
        .aliases(["x = Vi(2)", "y = Vj(2)"])
        .backend(Backend::Eval)
        .compile()
        .unwrap();
    assert!(slow.stream().input(x).input(y).call().unwrap_err().is_device());
    let ends = Chunks::new(10_000, 2, || [Ok(vec![1.0f32; 8_000])].into_iter());
    let ended = kernel.stream().input(x).input(ends).input(View::vector(&g)).call().unwrap_err();
    assert!(ended.to_string().contains("`y` cannot be read: the chunks end"), "{ended}");
}

#[test]
fn progress_counts_every_pair_and_a_token_stops() {
    let kernel = kernel(Reduction::Sum, "Vi", Accumulate::Auto);
    let (m, n, g) = (3_000, 20_000, [1.0f32]);
    let (x, y) = (numbers(m * 2, 1), numbers(n * 2, 2));
    let (x, y) = (View::new(&x, m, 2).unwrap(), View::new(&y, n, 2).unwrap());
    let call = || kernel.stream().input(x).input(y).input(View::vector(&g));
    let least = call().least_budget().unwrap();
    let mut seen = Vec::new();
    call().memory_budget(least).progress(|p| seen.push((p.pairs(), p.total()))).call().unwrap();
    let total = (m * n) as u64;
    assert_eq!(seen.first(), Some(&(0, total)));
    assert_eq!(seen.last(), Some(&(total, total)));
    assert!(seen.len() > 3 && seen.is_sorted_by(|a, b| a.0 < b.0), "{seen:?}");
    // Stopped in the middle: no row of an unfinished pass is written.
    let cancel = Cancel::new();
    let mut written = 0;
    let stopped = call()
        .memory_budget(least)
        .cancel(&cancel)
        .progress(|p| {
            if p.pairs() > total / 2 {
                cancel.cancel();
            }
        })
        .call_into(|rows: &[f32]| {
            written += rows.len();
            Ok(())
        })
        .unwrap_err();
    assert!(stopped.is_cancelled() && stopped.to_string().contains("cancelled after"), "{stopped}");
    assert!(0 < written && written < m, "{written}");
}
