//! Relations between calls that hold bit by bit: the strongest oracles, because they need no tolerance.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod suite;

use genred::cache::{Mode, Options};
use genred::{Backend, Cache, Element, Genred, Kernel, Origin, Reduction, View};
use half::f16;
use std::sync::Arc;
use suite::{Argument, Call, Compiled, Found, LAYOUTS, Layout, Problem};

/// Reductions of every family over formulas that use every stage, most with ties and none with exact sums.
fn problems() -> Vec<Problem> {
    let cloud: &[&str] = &["x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "g = Pm(1)", "c = Vi(1)"];
    let kde = "Exp(-g * SqDist(x, y))";
    vec![
        Problem::new(Reduction::Sum, kde, cloud),
        Problem::new(Reduction::Sum, "Exp(-SqDist(x, y) / 3) * b * Cos(c + g)", cloud),
        Problem::new(Reduction::Sum, "Concat(x * y, Sin(b)) / (1 + Norm2(x - y))", cloud),
        Problem::new(Reduction::LogSumExp, "-g * SqDist(x, y) + b[0]", cloud),
        Problem::new(Reduction::LogSumExp, "x | y", cloud).weighted("Abs(b)"),
        Problem::new(Reduction::SumSoftMaxWeight, "5 * (x | y)", cloud).weighted("Concat(b, y)"),
        Problem::new(Reduction::MaxSumShiftExp, "Floor(4 * (x | y))", cloud),
        Problem::new(Reduction::ArgMin, "SqDist(x, y)", cloud),
        Problem::new(Reduction::MaxArgMax, "Round(x * y, 1)", cloud),
        Problem::new(Reduction::KMinArgKMin(3), "Round(Concat(x, c) * y[0], 1)", cloud),
        Problem::new(Reduction::Min, "Sum(Abs(x - y)) + b", cloud),
    ]
}

/// Rows and columns of the output side: lanes over rows, lanes over columns, both beyond what stays on one thread.
const SIZES: [(usize, usize); 4] = [(41, 70), (300, 1_100), (9, 20_000), (3, 500)];

/// Run a test for both compute types.
fn for_both(test: impl Fn(&dyn Fn(&Problem, &Change) -> Box<dyn Compiled>)) {
    fn compiled<T: Element>(problem: &Problem, change: &Change) -> Box<dyn Compiled> {
        let builder = change.apply(problem.builder::<T>());
        Box::new(builder.compile().expect("the problem compiles"))
    }
    test(&compiled::<f32>);
    test(&compiled::<f64>);
}

/// How a kernel is built differently.
enum Change {
    None,
    /// Not from memory: with buffers of its own.
    Fresh,
    OneThread,
    Threads(Arc<rayon::ThreadPool>),
    On(Backend),
}

impl Change {
    fn apply<T: Element>(&self, builder: Genred<T>) -> Genred<T> {
        match self {
            Change::None => builder,
            Change::Fresh => builder.cache(&Cache::open(Options::new().mode(Mode::Off))),
            Change::OneThread => builder.single_threaded(),
            Change::Threads(pool) => builder.pool(Arc::clone(pool)),
            Change::On(backend) => builder.backend(*backend),
        }
    }
}

fn scattered(problem: &Problem, rows: usize, columns: usize) -> Call {
    let (m, n) = if problem.axis == 1 { (rows, columns) } else { (columns, rows) };
    Call::scattered(&problem.typed().unwrap(), m, n)
}

fn run(kernel: &dyn Compiled, call: &Call) -> Found {
    kernel.run(call, Layout::Packed).unwrap()
}

/// Equal bit by bit.
#[track_caller]
fn same(a: &Found, b: &Found, what: &str) {
    assert!(a.has_bits_of(b), "{what}\n{a:?}\n{b:?}");
}

/// The rows of a result in another order or fewer.
fn rows(found: &Found, dim: usize, order: &[usize]) -> Found {
    fn pick<T: Copy>(all: &[T], dim: usize, order: &[usize]) -> Vec<T> {
        order.iter().flat_map(|row| all[row * dim..(row + 1) * dim].iter().copied()).collect()
    }
    Found {
        values: found.values.as_ref().map(|v| pick(v, dim, order)),
        indices: found.indices.as_ref().map(|v| pick(v, dim, order)),
    }
}

/// The call with the rows of its i-arguments in this order.
fn reordered(call: &Call, order: &[usize]) -> Call {
    let mut changed = call.clone();
    changed.m = order.len();
    for (matrix, variable) in changed.inputs.iter_mut().zip(&call.formula.variables) {
        if variable.category == genred::formula::Category::I {
            let values = order.iter().flat_map(|row| matrix.row(*row).to_vec()).collect();
            *matrix = genred::eval::Matrix::new(order.len(), matrix.dim, values);
        }
    }
    changed
}

/// Length of a row of the result.
fn width(problem: &Problem) -> usize {
    let formula = problem.typed().unwrap();
    let weight = (formula.roots.len() > 1).then(|| formula.root_dim(1));
    problem.reduction.output_dim(formula.root_dim(0), weight) as usize
}

#[test]
fn one_thread_is_many_threads() {
    let pools: Vec<Change> = [2, 3, 7]
        .map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap())
        .map(|pool| Change::Threads(Arc::new(pool)))
        .into();
    for_both(|compile| {
        for problem in problems() {
            let one = compile(&problem, &Change::OneThread);
            let others: Vec<_> = pools.iter().map(|pool| compile(&problem, pool)).collect();
            for (rows, columns) in SIZES {
                let call = scattered(&problem, rows, columns);
                let expected = run(&*one, &call);
                for other in &others {
                    let what = format!("{} {rows} x {columns}", problem.formula);
                    same(&expected, &run(&**other, &call), &what);
                }
            }
        }
    });
}

#[test]
fn strided_arguments_are_packed_ones() {
    for_both(|compile| {
        for problem in problems() {
            let kernel = compile(&problem, &Change::None);
            for (rows, columns) in SIZES {
                let call = scattered(&problem, rows, columns);
                let expected = run(&*kernel, &call);
                for layout in LAYOUTS {
                    let what = format!("{} {layout:?} {rows} x {columns}", problem.formula);
                    same(&expected, &kernel.run(&call, layout).unwrap(), &what);
                }
            }
        }
    });
}

#[test]
fn a_row_does_not_know_the_other_rows() {
    for_both(|compile| {
        for problem in problems() {
            let kernel = compile(&problem, &Change::None);
            for (count, columns) in SIZES {
                let call = scattered(&problem, count, columns);
                let expected = run(&*kernel, &call);
                let backwards: Vec<usize> = (0..count).rev().collect();
                // Fewer and repeated rows, within the same shape class.
                let odd: Vec<usize> = (0..count).step_by(2).chain((0..count).step_by(2)).collect();
                for order in [backwards, odd] {
                    let found = run(&*kernel, &reordered(&call, &order));
                    let wanted = rows(&expected, width(&problem), &order);
                    same(&wanted, &found, &format!("{} {count} x {columns}", problem.formula));
                }
            }
        }
    });
}

#[test]
fn names_and_spaces_do_not_matter() {
    for_both(|compile| {
        for problem in problems() {
            let mut renamed = problem.clone();
            let rename = |text: &str| {
                // Single letters that stand alone are the aliases.
                let mut renamed = String::new();
                for (k, letter) in text.char_indices() {
                    let near =
                        |at: usize| text[at..].chars().next().is_some_and(|c| c.is_alphanumeric());
                    let alone = !((k > 0 && near(k - 1)) || (k + 1 < text.len() && near(k + 1)));
                    renamed.push(letter);
                    if alone && letter.is_alphabetic() {
                        renamed += "_renamed ";
                    }
                }
                renamed
            };
            renamed.formula = rename(&problem.formula);
            renamed.weight = problem.weight.as_deref().map(rename);
            renamed.aliases = problem.aliases.iter().map(|a| rename(a)).collect();
            assert!(renamed.formula.contains("x_renamed"), "{}", renamed.formula);
            let call = scattered(&problem, 41, 300);
            let (a, b) = (compile(&problem, &Change::None), compile(&renamed, &Change::None));
            same(&run(&*a, &call), &run(&*b, &call), &renamed.formula);
        }
    });
}

#[test]
fn roles_swap_with_the_axis() {
    for_both(|compile| {
        for problem in problems() {
            let mut swapped = problem.clone();
            swapped.axis = 0;
            let swap = |alias: &String| match alias.contains("Vi") {
                true => alias.replace("Vi", "Vj"),
                false => alias.replace("Vj", "Vi"),
            };
            swapped.aliases = problem.aliases.iter().map(swap).collect();
            let (a, b) = (compile(&problem, &Change::None), compile(&swapped, &Change::None));
            for (rows, columns) in SIZES {
                let (there, back) =
                    (scattered(&problem, rows, columns), scattered(&swapped, rows, columns));
                let what = format!("{} {rows} x {columns}", problem.formula);
                same(&run(&*a, &there), &run(&*b, &back), &what);
            }
        }
    });
}

/// Columns that cannot matter, appended: terms 0 of sums, -inf of exponentials, and worst values of selections.
#[test]
fn columns_without_effect_have_none() {
    let aliases: &[&str] = &["x = Vi(3)", "y = Vj(3)", "w = Vj(1)"];
    let nothing = |reduction: Reduction| match reduction {
        Reduction::Sum => 0.0,
        Reduction::LogSumExp | Reduction::MaxSumShiftExp | Reduction::Max => f64::NEG_INFINITY,
        _ => f64::INFINITY,
    };
    for_both(|compile| {
        for (reduction, formula) in [
            (Reduction::Sum, "Exp(-SqDist(x, y)) * w"),
            (Reduction::LogSumExp, "(x | y) + w"),
            (Reduction::MaxSumShiftExp, "(x | y) + w"),
            (Reduction::Min, "x * y + w"),
            (Reduction::ArgMin, "SqDist(x, y) + w"),
            (Reduction::KMinArgKMin(4), "SqDist(x, y) + w"),
            (Reduction::Max, "x * y + w"),
        ] {
            let problem = Problem::new(reduction, formula, aliases);
            let kernel = compile(&problem, &Change::None);
            // Up to a tile's end, beyond it, and beyond a panel of the merge tree.
            for (rows, columns, more) in
                [(41, 70, 1), (41, 300, 5_000), (9, 4_096, 3), (9, 999, 9_000)]
            {
                let mut call = scattered(&problem, rows, columns);
                if reduction != Reduction::Sum {
                    call.inputs[2].values.fill(0.25);
                }
                let expected = run(&*kernel, &call);
                call.n += more;
                for (matrix, filler) in call.inputs[1..].iter_mut().zip([0.5, nothing(reduction)]) {
                    matrix.rows += more;
                    matrix.values.resize(matrix.rows * matrix.dim, filler);
                }
                let what = format!("{formula} {rows} x {columns} + {more}");
                same(&expected, &run(&*kernel, &call), &what);
            }
        }
    });
}

#[test]
fn calls_leave_nothing_behind() {
    for_both(|compile| {
        for problem in problems() {
            let used = compile(&problem, &Change::None);
            for (rows, columns) in [(300, 1_100), (5, 7), (9, 20_000), (0, 3), (41, 0), (33, 65)] {
                let call = scattered(&problem, rows, columns);
                let fresh = compile(&problem, &Change::Fresh);
                let what = format!("{} {rows} x {columns}", problem.formula);
                same(&run(&*fresh, &call), &run(&*used, &call), &what);
            }
        }
    });
}

#[test]
fn engines_agree() {
    let (mut backends, _) = suite::backends();
    backends.retain(|backend| *backend != Backend::Eval);
    for_both(|compile| {
        for problem in problems() {
            let kernels: Vec<_> =
                backends.iter().map(|backend| compile(&problem, &Change::On(*backend))).collect();
            for (rows, columns) in SIZES {
                let call = scattered(&problem, rows, columns);
                let expected = run(&*kernels[0], &call);
                for (kernel, backend) in kernels.iter().zip(&backends) {
                    let what = format!("{} {rows} x {columns} {}", problem.formula, backend.name());
                    same(&expected, &run(&**kernel, &call), &what);
                }
            }
        }
    });
}

#[test]
fn compiled_remembered_and_loaded_kernels_agree() {
    fn agree<T: Element>(sizes: &[(usize, usize)]) {
        let folder = tempfile::tempdir().unwrap();
        let open = || Cache::open(Options::new().mode(Mode::ReadWrite).dir(folder.path()));
        for problem in problems() {
            let compiled = |cache: &Cache| -> Kernel<T> {
                problem.builder::<T>().cache(cache).compile().unwrap()
            };
            let cache = open();
            let kernels = [compiled(&cache), compiled(&cache), compiled(&open())];
            let what = format!("{} {}", problem.formula, T::DTYPE);
            let origins = kernels.each_ref().map(Kernel::origin);
            assert_eq!(origins, [Origin::Compiled, Origin::Memory, Origin::Disk], "{what}");
            for (rows, columns) in sizes {
                let call = scattered(&problem, *rows, *columns);
                let [a, b, c] = kernels.each_ref().map(|kernel| run(kernel, &call));
                same(&a, &b, &what);
                same(&a, &c, &what);
            }
        }
    }
    agree::<f32>(&SIZES);
    agree::<f64>(&SIZES);
    // In float16 no index beyond 2,048 is exact.
    agree::<f16>(&SIZES.map(|(rows, columns)| (rows, columns.min(2_048))));
}

#[test]
fn results_go_where_they_are_told() {
    let problem = &problems()[2];
    let kernel: Kernel<f64> = problem.builder().compile().unwrap();
    let call = scattered(problem, 41, 70);
    let arguments: Vec<Argument<f64>> =
        call.inputs.iter().map(|matrix| Argument::new(matrix, Layout::Packed)).collect();
    let views: Vec<View<'_, f64>> = arguments.iter().map(Argument::view).collect();
    let expected = kernel.call(&views).unwrap();
    let (dim, stride) = (width(problem), width(problem) + 3);
    let mut padded = vec![-7.0; 41 * stride];
    kernel
        .call_into(&views, genred::ViewMut::strided(&mut padded, 41, dim, stride).unwrap())
        .unwrap();
    for (row, padded) in padded.chunks(stride).enumerate() {
        assert_eq!(padded[..dim], *expected.row(row));
        assert_eq!(padded[dim..], [-7.0; 3], "what lies between rows is not touched");
    }
}

#[test]
fn small_powers_of_two_are_exact_factors_of_sums() {
    let cloud: &[&str] = &["x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "g = Pm(1)", "c = Vi(1)"];
    let terms = ["Exp(-g * SqDist(x, y))", "Exp(-SqDist(x, y)) * (x - y)", "Concat(x - y, b * c)"];
    // Some within products, and two that are not taken out.
    let factors = [
        (-1.0, "-(F)"),
        (2.0, "2 * F"),
        (-4.0, "F * -4"),
        (8.0, "-2 * (F * -4)"),
        (64.0, "8 * (8 * F)"),
        (0.5, "F * 0.5"),
    ];
    for_both(|compile| {
        for term in terms {
            let plain = compile(&Problem::new(Reduction::Sum, term, cloud), &Change::None);
            for (factor, form) in factors {
                let text = form.replace('F', term);
                let problem = Problem::new(Reduction::Sum, &text, cloud);
                let kernel = compile(&problem, &Change::None);
                for (rows, columns) in SIZES.into_iter().chain([(5, 0)]) {
                    let call = scattered(&problem, rows, columns);
                    let mut expected = run(&*plain, &call);
                    for value in expected.values.iter_mut().flatten() {
                        // A sum of nothing is 0 whatever its factor.
                        *value = *value * factor + 0.0;
                    }
                    same(&expected, &run(&*kernel, &call), &format!("{text} {rows} x {columns}"));
                }
            }
        }
    });
}
