//! Target `shapes`: views of any shape and stride over buffers that touch unmapped pages.

use crate::Choices;

#[cfg(unix)]
use crate::guard::{Flush, Guarded};
use genred::alias::{Category, Variable};
use genred::cache::{Cache, Mode, Options};
use genred::formula::typing;
use genred::{Backend, Element, Error, ErrorKind, Genred, Kernel, Reduction, View, ViewMut};
use half::f16;
use std::sync::OnceLock;

/// Formula, aliases, and the reductions it is compiled for.
type Spec = (&'static str, &'static [&'static str], &'static [Reduction]);

const SPECS: [Spec; 4] = [
    (
        "Exp(-g*SqNorm2(x - y))*b",
        &["x = Vi(3)", "y = Vj(3)", "g = Pm(1)", "b = Vj(2)"],
        &[Reduction::Sum, Reduction::MinArgMin],
    ),
    ("SqDist(x, y)", &["x = Vi(2)", "y = Vj(2)"], &[Reduction::ArgMin, Reduction::ArgKMin(3)]),
    ("x - y*Pm(2, 5)", &["x = Vi(5)", "y = Vj(1)"], &[Reduction::Max, Reduction::Sum]),
    ("x | y", &["x = Vi(17)", "y = Vj(17)"], &[Reduction::LogSumExp, Reduction::KMin(2)]),
];

/// Every engine; kernels are those of the machine's.
const BACKENDS: [Backend; 4] = [Backend::Clif, Backend::Avx2, Backend::Avx512, Backend::Eval];

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A view does not lie in its buffer.
    NoView,
    /// The views do not fit the kernel or each other.
    Refused,
    /// It was computed, and checked.
    Accepted {
        /// The engine that computed it.
        backend: Backend,
    },
}

/// Views are accepted or refused; an accepted call reads and writes inside of them only, and gives what packed copies give.
pub fn run(data: &[u8]) {
    check(data);
}

/// The same, and what was found.
pub fn check(data: &[u8]) -> Verdict {
    let mut choices = Choices::from_bytes(data);
    match choices.index(3) {
        0 => call::<f32>(kernels_f32(), &mut choices),
        1 => call::<f64>(kernels_f64(), &mut choices),
        _ => call::<f16>(kernels_f16(), &mut choices),
    }
}

macro_rules! kernels {
    ($name:ident, $element:ty) => {
        fn $name() -> &'static [Prepared<$element>] {
            static KERNELS: OnceLock<Vec<Prepared<$element>>> = OnceLock::new();
            KERNELS.get_or_init(compiled)
        }
    };
}
kernels!(kernels_f32, f32);
kernels!(kernels_f64, f64);
kernels!(kernels_f16, f16);

/// A kernel and what its arguments should be.
struct Prepared<T> {
    kernel: Kernel<T>,
    backend: Backend,
    variables: Vec<Variable>,
}

fn compiled<T: Element>() -> Vec<Prepared<T>> {
    let mut kernels = Vec::new();
    for (formula, aliases, reductions) in SPECS {
        let typed = typing::formula(formula, None, aliases).expect("a formula of the list");
        for (reduction, backend) in reductions.iter().flat_map(|r| BACKENDS.map(|b| (*r, b))) {
            let kernel = Genred::reduction(reduction, formula)
                .aliases(aliases.iter().copied())
                .axis(genred::Axis::J)
                .backend(backend)
                .cache(&Cache::open(Options::new().mode(Mode::Off)))
                .compile();
            match kernel {
                Ok(kernel) => {
                    kernels.push(Prepared { kernel, backend, variables: typed.variables.clone() })
                }
                // This machine lacks the engine.
                Err(error) if error.is_device() => {}
                Err(error) => panic!("{formula}: {error}"),
            }
        }
    }
    kernels
}

/// A buffer and how it is looked at.
struct Argument<T> {
    #[cfg(unix)]
    memory: Guarded<T>,
    #[cfg(not(unix))]
    memory: Vec<T>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    rows: usize,
    dim: usize,
    strides: (usize, usize),
    vector: bool,
}

impl<T: Element> Argument<T> {
    fn view(&self) -> Result<View<'_, T>, Error> {
        let Shape { rows, dim, strides, vector } = self.shape;
        let memory = self.memory.as_slice();
        if vector {
            return Ok(View::vector(memory));
        }
        View::with_strides(memory, rows, dim, strides.0, strides.1)
    }
}

fn memory<T: Element>(choices: &mut Choices<'_>, len: usize) -> Vec<T> {
    let mut numbers = Choices::from_seed(choices.word());
    (0..len).map(|_| T::from_f64(f64::from(numbers.below(33)) / 8.0 - 2.0)).collect()
}

/// Mostly the dim and rows that are wanted, sometimes anything.
fn argument<T: Element>(choices: &mut Choices<'_>, rows: usize, dim: usize) -> Argument<T> {
    let odd = choices.chance(8);
    let (rows, dim) = if odd { (choices.index(70), choices.index(20)) } else { (rows, dim) };
    let strides = match choices.index(6) {
        0 | 1 => (dim, 1),
        2 => (1, rows),
        3 => (dim + choices.index(4), 1),
        4 => (choices.index(5), choices.index(5)),
        _ => (choices.index(4), usize::MAX - choices.index(4)),
    };
    let reach = |extent: usize, stride: usize| extent.saturating_sub(1).saturating_mul(stride);
    let wanted = reach(rows, strides.0).saturating_add(reach(dim, strides.1)).saturating_add(1);
    let len = if rows * dim == 0 { choices.index(3) } else { wanted.min(1 << 15) };
    // One element too few must be refused.
    let len = len - usize::from(choices.chance(6)).min(len);
    let values = memory(choices, len);
    let vector = choices.chance(5);
    #[cfg(unix)]
    let memory = Guarded::new(&values, Flush::ALL[choices.index(2)]);
    #[cfg(not(unix))]
    let memory = values;
    Argument { memory, shape: Shape { rows, dim, strides, vector } }
}

const ROWS: [usize; 10] = [0, 1, 2, 3, 4, 5, 17, 33, 64, 300];

fn call<T: Element>(kernels: &[Prepared<T>], choices: &mut Choices<'_>) -> Verdict {
    let Prepared { kernel, backend, variables } = &kernels[choices.index(kernels.len())];
    let (m, n) = (choices.pick(&ROWS), choices.pick(&ROWS));
    let arguments: Vec<Argument<T>> = variables
        .iter()
        .map(|variable| match variable.category {
            Category::I => argument(choices, m, variable.dim as usize),
            Category::J => argument(choices, n, variable.dim as usize),
            Category::Param => argument(choices, 1, variable.dim as usize),
        })
        .collect();
    let views: Result<Vec<View<'_, T>>, Error> = arguments.iter().map(Argument::view).collect();
    let views = match views {
        Ok(views) => views,
        Err(error) => {
            assert!(error.is_shape(), "{error}");
            return Verdict::NoView;
        }
    };
    let packed: Vec<Vec<T>> = views.iter().map(elements).collect();
    let result = match kernel.call(&views) {
        Ok(result) => result,
        Err(error) => {
            assert!(error.is_shape() || error.kind() == ErrorKind::Range, "{error}");
            return Verdict::Refused;
        }
    };
    // What was accepted has the wanted shapes, so the packed copies are accepted as well.
    let copies: Vec<View<'_, T>> = packed
        .iter()
        .zip(&views)
        .map(|(data, view)| View::new(data, view.rows(), view.dim()).expect("a packed copy"))
        .collect();
    let expected = kernel.call(&copies).expect("what is accepted strided is accepted packed");
    assert_eq!(bits(result.as_slice()), bits(expected.as_slice()), "strided is not packed");
    into(kernel, &copies, expected.as_slice(), result.rows(), choices);
    Verdict::Accepted { backend: *backend }
}

/// The same result through a strided output: all of it, and nothing beside it.
fn into<T: Element>(
    kernel: &Kernel<T>,
    views: &[View<'_, T>],
    expected: &[T],
    rows: usize,
    choices: &mut Choices<'_>,
) {
    let dim = kernel.dim();
    let strides = match choices.index(4) {
        0 => (dim, 1),
        1 => (dim + choices.index(3), 1),
        2 => (1, rows),
        _ => (choices.index(8), choices.index(8)),
    };
    let reach = rows.saturating_sub(1) * strides.0 + dim.saturating_sub(1) * strides.1 + 1;
    let untouched = T::from_f64(-77.0);
    let before = vec![untouched; reach];
    #[cfg(unix)]
    let mut memory = Guarded::new(&before, Flush::ALL[choices.index(2)]);
    #[cfg(not(unix))]
    let mut memory = before;
    let target = memory.as_mut_slice();
    let Ok(out) = ViewMut::with_strides(target, rows, dim, strides.0, strides.1) else { return };
    kernel.call_into(views, out).expect("a fitting output");
    let mut wanted = vec![untouched; reach];
    for row in 0..rows {
        for k in 0..dim {
            wanted[row * strides.0 + k * strides.1] = expected[row * dim + k];
        }
    }
    assert_eq!(bits(memory.as_slice()), bits(&wanted), "output with strides {strides:?}");
}

fn elements<T: Element>(view: &View<'_, T>) -> Vec<T> {
    let mut all = Vec::new();
    for row in 0..view.rows() {
        for k in 0..view.dim() {
            all.push(view.get(row, k).expect("inside the view"));
        }
    }
    assert!(view.get(view.rows(), 0).is_none() && view.get(0, view.dim()).is_none());
    all
}

/// Values as bits, all NaN being one.
fn bits<T: Element>(values: &[T]) -> Vec<u64> {
    let bits = |v: f64| if v.is_nan() { u64::MAX } else { v.to_bits() };
    values.iter().map(|v| bits(v.to_f64())).collect()
}
