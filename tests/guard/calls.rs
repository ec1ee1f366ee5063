//! Calls of kernels on arrays that touch unmapped pages.

use genred::alias::Variable;
use genred::cache::{Cache, Mode, Options};
use genred::formula::{Category, typing};
use genred::reduce::Outputs;
use genred::{Accumulate, Axis, Backend, Element, Genred, Kernel, Reduction, View, ViewMut};
use genred_fuzz_bodies::guard::{Flush, Guarded};

/// Formulas with what they are reduced by: short and long vectors, parameters, every family, both layouts of sums.
const CASES: &[(&str, &[&str], Reduction)] = &[
    (
        "Exp(-g*SqNorm2(x - y))*b",
        &["x = Vi(3)", "y = Vj(3)", "g = Pm(1)", "b = Vj(1)"],
        Reduction::Sum,
    ),
    ("Exp(-SqDist(x, y))*b", &["x = Vi(2)", "y = Vj(2)", "b = Vj(11)"], Reduction::Sum),
    ("x | y", &["x = Vi(37)", "y = Vj(37)"], Reduction::LogSumExp),
    ("SqDist(x, y)", &["x = Vi(5)", "y = Vj(5)"], Reduction::ArgKMin(3)),
    ("x - y*p", &["x = Vi(3)", "y = Vj(1)", "p = Pm(3)"], Reduction::MaxArgMax),
    ("MatVecMult(m, y)", &["m = Vi(6)", "y = Vj(2)"], Reduction::Min),
];

/// Numbers of rows and columns around blocks, chunks and tiles.
const SHAPES: &[(usize, usize)] = &[
    (0, 0),
    (0, 3),
    (3, 0),
    (1, 1),
    (2, 7),
    (15, 16),
    (17, 33),
    (64, 65),
    (129, 257),
    (2, 2_049),
    (3, 4_097),
];

/// How a matrix lies in memory: strides from rows and dim, in elements.
type Strides = fn(usize, usize) -> (usize, usize);
const LAYOUTS: [Strides; 5] =
    [|_, d| (d, 1), |_, d| (d + 3, 1), |r, _| (1, r.max(1)), |_, d| (2 * d, 2), |_, _| (0, 1)];

pub(crate) fn calls<T: Element>(backend: Backend) {
    let mut count = 0;
    for (formula, aliases, reduction) in CASES {
        let typed = typing::formula(formula, None, aliases).expect("a formula of the list");
        let schemes: &[Accumulate] = match reduction {
            Reduction::Sum => &[Accumulate::Auto, Accumulate::Kahan],
            _ => &[Accumulate::Auto],
        };
        for accumulate in schemes {
            let kernel = Genred::<T>::reduction(*reduction, *formula)
                .aliases(aliases.iter().copied())
                .axis(Axis::J)
                .accumulate(*accumulate)
                .backend(backend)
                .cache(&Cache::open(Options::new().mode(Mode::Off)));
            let kernel = kernel.compile().expect("a formula of the list");
            count += on_shapes(&kernel, &typed.variables, backend);
        }
    }
    assert!(count > 400, "only {count} calls");
}

/// Calls of a kernel on every shape and layout; how many.
fn on_shapes<T: Element>(kernel: &Kernel<T>, variables: &[Variable], backend: Backend) -> usize {
    let mut count = 0;
    for (m, n) in SHAPES {
        // The interpreter takes seconds for the larger ones, and float16 does not hold every index of the widest.
        let slow = backend == Backend::Eval && m * n > 3_000;
        let wide = *n as u64 > T::DTYPE.largest_exact_index();
        if slow || (wide && matches!(kernel.reduction(), Reduction::ArgKMin(_))) {
            continue;
        }
        for layout in &LAYOUTS {
            for flush in Flush::ALL {
                let array = |v: &Variable| {
                    let rows = match v.category {
                        Category::I => *m,
                        Category::J => *n,
                        Category::Param => 1,
                    };
                    let dim = v.dim as usize;
                    Strided::new(rows, dim, layout(rows, dim), flush)
                };
                let arrays: Vec<Strided<T>> = variables.iter().map(array).collect();
                call(kernel, &arrays, *m, *layout, flush);
                count += 1;
            }
        }
    }
    count
}

/// A matrix in guarded memory.
struct Strided<T> {
    memory: Guarded<T>,
    rows: usize,
    dim: usize,
    strides: (usize, usize),
}

fn extent(rows: usize, dim: usize, strides: (usize, usize)) -> usize {
    match rows * dim {
        0 => 0,
        _ => (rows - 1) * strides.0 + (dim - 1) * strides.1 + 1,
    }
}

impl<T: Element> Strided<T> {
    fn new(rows: usize, dim: usize, strides: (usize, usize), flush: Flush) -> Self {
        let value = |k: usize| T::from_f64(((k * 37) % 64) as f64 / 32.0 - 1.0);
        let values: Vec<T> = (0..extent(rows, dim, strides)).map(value).collect();
        Strided { memory: Guarded::new(&values, flush), rows, dim, strides }
    }

    fn view(&self) -> View<'_, T> {
        let (row, column) = self.strides;
        View::with_strides(self.memory.as_slice(), self.rows, self.dim, row, column)
            .expect("the memory has just the right size")
    }

    fn packed(&self) -> Vec<T> {
        let view = self.view();
        let all = (0..self.rows).flat_map(|r| (0..self.dim).map(move |k| (r, k)));
        all.map(|(r, k)| view.get(r, k).expect("inside")).collect()
    }
}

fn call<T: Element>(
    kernel: &Kernel<T>,
    arrays: &[Strided<T>],
    rows: usize,
    layout: fn(usize, usize) -> (usize, usize),
    flush: Flush,
) {
    let views: Vec<View<'_, T>> = arrays.iter().map(Strided::view).collect();
    let packed: Vec<Vec<T>> = arrays.iter().map(Strided::packed).collect();
    let copies: Vec<View<'_, T>> = arrays
        .iter()
        .zip(&packed)
        .map(|(a, packed)| View::new(packed, a.rows, a.dim).expect("packed"))
        .collect();
    let expected = kernel.call(&copies).expect("a fitting call");
    if kernel.reduction().outputs() != Outputs::Values {
        let indices = kernel.call_indices(&views).expect("an index reduction");
        assert_eq!(indices, kernel.call_indices(&copies).expect("an index reduction"));
    }
    let dim = kernel.dim();
    let strides = match layout(rows, dim) {
        // Outputs may not overlap.
        (0, _) => (dim, 1),
        strides => strides,
    };
    let len = extent(rows, dim, strides);
    let mut out = Guarded::new(&vec![T::from_f64(0.5); len], flush);
    let target = ViewMut::with_strides(out.as_mut_slice(), rows, dim, strides.0, strides.1);
    kernel.call_into(&views, target.expect("a fitting output")).expect("a fitting call");
    let written = View::with_strides(out.as_slice(), rows, dim, strides.0, strides.1);
    let written = written.expect("a fitting output");
    for r in 0..rows {
        for k in 0..dim {
            let (a, b) = (written.get(r, k).expect("inside"), expected[(r, k)]);
            assert_eq!(a.to_f64().to_bits(), b.to_f64().to_bits(), "row {r}, component {k}");
        }
    }
}
