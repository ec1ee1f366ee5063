//! Reductions over the ranks of an MPI job have the bits of calls in one process; what is wrong on one rank is an error on all.
//!
//! `.ci/mpi` runs it on four ranks. With an argument one of them ends early, and the job has to end with it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test without the harness says that it passed")]

use genred::mpi::rsmpi::topology::SimpleCommunicator;
use genred::mpi::rsmpi::traits::{Communicator, CommunicatorCollectives};
use genred::mpi::{reduce, reduce_both, reduce_indices, run};
use genred::{
    Accumulate, Array, Backend, Element, Error, ErrorKind, Genred, Kernel, Reduction, View,
};
use std::ops::Range;
use std::process;

type World = SimpleCommunicator;

fn main() -> Result<(), Error> {
    let how = std::env::args().nth(1);
    let ends = |world: &World, how: &str| -> Result<(), Error> {
        let (x, kernel) = ([1.0f32], kernel(Reduction::Sum, "Vi", Accumulate::Auto));
        if world.rank() == world.size() - 1 {
            match how {
                "panic" => panic!("a rank that panics"),
                "error" => return Err(kernel.call(&[]).unwrap_err()),
                "exit" => process::exit(3),
                _ => process::abort(),
            }
        }
        // The others wait for it.
        let x = View::new(&x, 1, 1).unwrap();
        reduce(world, &kernel, &[x, x, x]).map(drop)
    };
    match how.as_deref() {
        Some(how @ ("panic" | "error" | "exit" | "abort")) => run(|world| ends(world, how)),
        _ => run(|world| {
            every_reduction(world);
            every_type_and_scheme(world);
            many_pieces(world);
            numbers_of_points(world);
            odd_arguments(world);
            errors(world);
            println!("rank {} of {}: passed", world.rank(), world.size());
            Ok::<(), Error>(())
        }),
    }
}

const REDUCTIONS: [Reduction; 13] = Reduction::all(3);

/// Coarse numbers, which make ties.
fn numbers<T: Element>(len: usize, seed: u32) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        T::from_f64(f64::from(state >> 23) / 32.0 - 8.0)
    };
    (0..len).map(|_| next()).collect()
}

fn bits<T: Element>(array: &Array<T>) -> Vec<u64> {
    array.as_slice().iter().map(|v| v.to_f64().to_bits()).collect()
}

/// How points are divided among ranks.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Even,
    /// Everything on one rank.
    Only(usize),
    /// The first ranks have few, the last ones many.
    Square,
}

impl Cut {
    fn part(self, world: &World, all: usize) -> Range<usize> {
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        let begin = |rank: usize| match self {
            Cut::Even => all * rank / size,
            Cut::Only(one) => {
                if rank <= one % size {
                    0
                } else {
                    all
                }
            }
            Cut::Square => all * rank * rank / (size * size),
        };
        begin(rank)..begin(rank + 1)
    }
}

const CUTS: [[Cut; 2]; 4] = [
    [Cut::Even, Cut::Square],
    [Cut::Square, Cut::Only(1)],
    [Cut::Only(2), Cut::Even],
    [Cut::Only(0), Cut::Only(3)],
];

fn kernel<T: Element>(reduction: Reduction, rows: &str, accumulate: Accumulate) -> Kernel<T> {
    let weighted = reduction == Reduction::SumSoftMaxWeight;
    let build = Genred::<T>::reduction(reduction, "g[0] - SqDist(x, y) / 16")
        .output(format!("a = {rows}({})", reduction.output_dim(1, weighted.then_some(2))))
        .aliases(["x = Vi(2)", "y = Vj(2)", "g = Pm(2)"])
        .accumulate(accumulate);
    if weighted { build.weight("x * y") } else { build }.compile().unwrap()
}

/// Compare what the ranks compute with one process, for all cuts. Columns of `x` and `y` are given by their dims.
fn compare<T: Element>(
    world: &World,
    kernel: &Kernel<T>,
    [m, n]: [usize; 2],
    [dx, dy]: [usize; 2],
    name: &str,
) {
    let (x, y, g) = (numbers(m * dx, 1), numbers(n * dy, 2), [T::from_f64(0.25); 2]);
    let (x, y) = (View::new(&x, m, dx).unwrap(), View::new(&y, n, dy).unwrap());
    let mut args = vec![x, y];
    args.resize(kernel.arguments(), View::vector(&g));
    let values = kernel.call(&args).unwrap();
    let by_i = kernel.shape(&args).unwrap() == (m, n);
    for [rows, columns] in CUTS {
        let (i, j) = if by_i { (rows, columns) } else { (columns, rows) };
        let (i, j) = (i.part(world, m), j.part(world, n));
        let mut own = args.clone();
        own[0] = x.rows_between(i.start, i.end).unwrap();
        own[1] = y.rows_between(j.start, j.end).unwrap();
        let rows = if by_i { i } else { j };
        let name = format!("{name}, {m} x {n}, {rows:?} on rank {}", world.rank());
        let dim = kernel.dim();
        let of_rows = |all: &[u64]| all[rows.start * dim..rows.end * dim].to_vec();

        let found = reduce(world, kernel, &own).unwrap();
        assert_eq!((found.rows(), found.dim()), (rows.len(), dim), "{name}");
        assert_eq!(bits(&found), of_rows(&bits(&values)), "{name}");
        let exact = |indices: &Array<i64>| -> Vec<u64> {
            indices.as_slice().iter().map(|k| k.cast_unsigned()).collect()
        };
        if let Ok(indices) = kernel.call_indices(&args) {
            let found = reduce_indices(world, kernel, &own).unwrap();
            assert_eq!(exact(&found), of_rows(&exact(&indices)), "{name}");
        }
        if let Ok((values, indices)) = kernel.call_both(&args) {
            let (v, k) = reduce_both(world, kernel, &own).unwrap();
            assert_eq!(bits(&v), of_rows(&bits(&values)), "{name}");
            assert_eq!(exact(&k), of_rows(&exact(&indices)), "{name}");
        }
    }
}

fn every_reduction(world: &World) {
    // Many rows and columns, few rows with lanes over columns, one column, nothing.
    for shape in [[401, 5_003], [3, 30_001], [70, 1], [0, 5], [5, 0], [0, 0]] {
        for reduction in REDUCTIONS {
            for axis in ["Vi", "Vj"] {
                let kernel = kernel::<f32>(reduction, axis, Accumulate::Auto);
                let shape = if axis == "Vi" { shape } else { [shape[1], shape[0]] };
                compare(world, &kernel, shape, [2, 2], &format!("{reduction:?} {axis}"));
            }
        }
    }
}

fn every_type_and_scheme(world: &World) {
    let schemes = [Accumulate::Direct, Accumulate::Block, Accumulate::Kahan, Accumulate::Double];
    for scheme in schemes {
        let sum = kernel::<f32>(Reduction::Sum, "Vi", scheme);
        compare(world, &sum, [300, 4_001], [2, 2], &format!("{scheme:?}"));
    }
    let sum = kernel::<f64>(Reduction::LogSumExp, "Vi", Accumulate::Auto);
    compare(world, &sum, [300, 4_001], [2, 2], "f64");
    let nearest = kernel::<half::f16>(Reduction::KMinArgKMin(2), "Vi", Accumulate::Auto);
    compare(world, &nearest, [300, 2_001], [2, 2], "f16");
}

/// More columns than a piece has, and results that are vectors.
fn many_pieces(world: &World) {
    let build = |formula: &str, reduction| {
        let build = Genred::<f32>::reduction(reduction, formula).output("a = Vi(8)");
        build.aliases(["x = Vi(8)", "y = Vj(8)"]).compile().unwrap()
    };
    let shape = [40, 300_001];
    compare(
        world,
        &build("Exp(-SqDist(x, y) / 256) * y", Reduction::Sum),
        shape,
        [8, 8],
        "vectors",
    );
    compare(world, &build("(x - y) ** 2", Reduction::ArgMin), shape, [8, 8], "vectors");
}

/// `IndexI` and `IndexJ` count the points of all ranks.
fn numbers_of_points(world: &World) {
    let build = |formula: &str, reduction, axis: &str| {
        let build = Genred::<f32>::reduction(reduction, formula).output(format!("a = {axis}(1)"));
        build.aliases(["x = Vi(2)", "y = Vj(2)"])
    };
    for axis in ["Vi", "Vj"] {
        for shape in [[401, 3_003], [5, 3_003]] {
            let shape = if axis == "Vi" { shape } else { [shape[1], shape[0]] };
            let sum = build("IfElse(IndexI - 2 * IndexJ, x[0], y[1])", Reduction::Sum, axis);
            compare(world, &sum.compile().unwrap(), shape, [2, 2], "indices");
            for condition in ["IndexI != IndexJ", "IndexI < IndexJ", "IndexJ - IndexI >= 900"] {
                for reduction in [Reduction::Sum, Reduction::ArgMin, Reduction::LogSumExp] {
                    let kept = build("SqDist(x, y)", reduction, axis).keep(condition);
                    compare(world, &kept.compile().unwrap(), shape, [2, 2], condition);
                }
            }
        }
    }
}

/// Strided arrays, several arguments of columns, an axis without arguments.
fn odd_arguments(world: &World) {
    let build = |formula: &str, aliases: &[&str]| {
        Genred::<f64>::sum(formula)
            .output("a = Vi(1)")
            .aliases(aliases.iter().copied())
            .compile()
            .unwrap()
    };
    let (m, n) = (50, 3_000);
    let (x, y, b) = (numbers::<f64>(m, 3), numbers::<f64>(n * 3, 4), numbers::<f64>(n, 5));
    let (i, j) = (Cut::Square.part(world, m), Cut::Square.part(world, n));
    let x = View::new(&x, m, 1).unwrap();
    let y = View::with_strides(&y, n, 2, 1, n).unwrap();
    let b = View::new(&b, n, 1).unwrap();
    let part = |view: View<'_, f64>, part: &Range<usize>| {
        let rows = part.clone().flat_map(|r| (0..view.dim()).map(move |c| view.get(r, c).unwrap()));
        rows.collect::<Vec<f64>>()
    };
    let own_x = x.rows_between(i.start, i.end).unwrap();
    let own_y = y.rows_between(j.start, j.end).unwrap();
    let own_b = b.rows_between(j.start, j.end).unwrap();

    let weighted = build("Exp(-SqDist(x, y)) * b", &["b = Vj(1)", "x = Vi(1)", "y = Vj(2)"]);
    let all = weighted.call(&[b, x, y]).unwrap();
    let found = reduce(world, &weighted, &[own_b, own_x, own_y]).unwrap();
    assert_eq!(found.as_slice(), part(all.view(), &i));

    let total = build("y[0] * b", &["y = Vj(2)", "b = Vj(1)"]);
    let found = reduce(world, &total, &[own_y, own_b]).unwrap();
    assert_eq!(found, total.call(&[y, b]).unwrap(), "one row, on every rank");

    let alone = build("x * g", &["x = Vi(1)", "g = Pm(1)"]);
    let found = reduce(world, &alone, &[own_x, View::vector(&[3.0])]).unwrap();
    let all = alone.call(&[x, View::vector(&[3.0])]).unwrap();
    assert_eq!(found.as_slice(), part(all.view(), &i), "one column, of no rank");
}

fn errors(world: &World) {
    let (rank, size) = (world.rank() as usize, world.size() as usize);
    let last = size - 1;
    let (data, g) = (numbers::<f32>(6, 6), [1.0f32, 2.0]);
    let x = View::new(&data, 3, 2).unwrap();
    let sum = kernel::<f32>(Reduction::Sum, "Vi", Accumulate::Auto);
    let same = [x, x, View::vector(&g)];
    let refused = |found: Result<Array<f32>, Error>, kind: ErrorKind, text: &str| {
        let error = found.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text), "on rank {rank}");
        // Nobody waits for anybody: the next reduction is a good one.
        assert_eq!(reduce(world, &sum, &same).unwrap().rows(), 3);
        world.barrier();
    };

    let wide = View::new(&data, 2, 3).unwrap();
    let mut args = same;
    if rank == last {
        args[1] = wide;
    }
    let text = format!("rank {last} of {size}: `y` has dim 3, but the alias is `y = Vj(2)`");
    refused(reduce(world, &sum, &args), ErrorKind::Shape, &text);

    // Two ranks are wrong: the first of them is named.
    let given = if rank == 0 || rank == last { &same[..2] } else { &same[..] };
    let text = format!("rank 0 of {size}: 2 arguments are given, but the formula has 3: x, y, g");
    refused(reduce(world, &sum, given), ErrorKind::Shape, &text);

    let text = format!("rank 0 of {size}: `Sum` gives values, not indices");
    let found =
        reduce_indices(world, &sum, &same).map(|_| Array::from_vec(0, 0, Vec::new()).unwrap());
    refused(found, ErrorKind::Usage, &text);

    let eval = Genred::<f32>::sum("x * y").output("a = Vi(2)").aliases(["x = Vi(2)", "y = Vj(2)"]);
    let eval = eval.backend(Backend::Eval).compile().unwrap();
    let text = format!(
        "rank 0 of {size}: the interpreter (backend eval) has no native code and no partial results"
    );
    refused(reduce(world, &eval, &same[..2]), ErrorKind::Device, &text);

    if size == 1 {
        return;
    }
    let mut args = same;
    let other = [1.0, 2.5];
    if rank == 1 {
        args[2] = View::vector(&other);
    }
    let text = format!(
        "rank 1 of {size} has [1, 2.5] as parameter `g`, but rank 0 has [1, 2] as parameter `g`"
    );
    refused(reduce(world, &sum, &args), ErrorKind::Usage, &text);

    let largest = kernel::<f32>(Reduction::Max, "Vi", Accumulate::Auto);
    let mine = if rank == last { &largest } else { &sum };
    let of = "of `g[0] - SqDist(x, y) / 16` of float32, `x = Vi(2)`, `y = Vj(2)`, `g = Pm(2)`";
    let text = format!(
        "rank {last} of {size} has values of `Max` {of}, but rank 0 has values of `Sum` {of}"
    );
    refused(reduce(world, mine, &same), ErrorKind::Usage, &text);

    // Columns that no rank has alone.
    let f16 = kernel::<half::f16>(Reduction::ArgMin, "Vi", Accumulate::Auto);
    let (y, g) = (numbers::<half::f16>(2 * 2_000, 7), [half::f16::ONE; 2]);
    let y = View::new(&y, 2_000, 2).unwrap();
    let args = [y.rows_between(0, 1).unwrap(), y, View::vector(&g)];
    let error = reduce(world, &f16, &args).unwrap_err();
    let says = format!("float16 cannot hold every index of {} columns exactly", 2_000 * size);
    assert!(error.kind() == ErrorKind::Range && error.to_string().contains(&says), "{error}");
    assert_eq!(reduce_indices(world, &f16, &args).unwrap().rows(), 1);
}
