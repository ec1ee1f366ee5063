//! The whole language on the engines: every operation and its derivatives, short and long vectors, within the oracle's bounds.

use genred::dtype::Element;
use genred::eval::bound::{self, Bounded, Tree};
use genred::eval::{Matrix, Task};
use genred::formula::table::{self, EXAMPLE_ALIASES};
use genred::formula::{Category, typing};
use genred::{Axis, Backend, Genred, Reduction, View};

const M: usize = 3;
const N: usize = 6;

/// Numbers of both signs that are exact in float32.
fn numbers(seed: usize, count: usize) -> Vec<f64> {
    let value = |k: usize| {
        let bits = (k.wrapping_mul(2654435761) ^ seed.wrapping_mul(40503)).wrapping_mul(2246822519);
        let magnitude = ((bits >> 7) % 1000) as f64 / 1024.0 + 1.0 / 64.0;
        if bits >> 20 & 1 == 0 { magnitude } else { -magnitude }
    };
    (0..count).map(value).collect()
}

/// How many values were compared, and how many of them were bounded.
#[derive(Default)]
struct Tally {
    compared: usize,
    bounded: usize,
}

fn check<T: Element>(text: &str, aliases: &[&str], tally: &mut Tally) {
    let formula = typing::formula(text, None, aliases).unwrap_or_else(|e| panic!("{text}\n{e}"));
    let inputs: Vec<Matrix<f64>> = formula
        .variables
        .iter()
        .enumerate()
        .map(|(k, v)| {
            let rows = match v.category {
                Category::I => M,
                Category::J => N,
                Category::Param => 1,
            };
            let dim = v.dim as usize;
            let mut values = numbers(k, rows * dim);
            if v.name == "k" || v.name == "s" {
                // Knots ascend; scales are positive.
                values.iter_mut().for_each(|v| *v = v.abs());
                values.sort_by(f64::total_cmp);
            }
            Matrix::new(rows, dim, values)
        })
        .collect();
    let task = Task {
        formula: &formula,
        rows: Category::I,
        reduction: Reduction::Sum,
        float: T::DTYPE.compute(),
        inputs: &inputs,
        m: M,
        n: N,
    };
    let bounds = bound::reduce(&task, Tree::sequential(N)).values;
    let arrays: Vec<Vec<T>> =
        inputs.iter().map(|x| x.values.iter().map(|v| T::from_f64(*v)).collect()).collect();
    let views: Vec<View<'_, T>> = arrays
        .iter()
        .zip(&inputs)
        .map(|(array, x)| View::new(array, x.rows, x.dim).expect("a view"))
        .collect();
    for backend in [Backend::Clif, Backend::Avx2, Backend::Avx512] {
        let kernel = Genred::<T>::sum(text)
            .aliases(aliases.iter().copied())
            .axis(Axis::J)
            .backend(backend)
            .compile();
        let kernel = match kernel {
            Ok(kernel) => kernel,
            // Not every machine has these vectors; all have Cranelift's.
            Err(error) if error.is_device() && backend != Backend::Clif => continue,
            Err(error) => panic!("{text}, {}\n{error}", backend.name()),
        };
        let found = kernel.call(&views).unwrap_or_else(|e| panic!("{text}\n{e}"));
        assert_eq!((found.rows(), found.dim()), (bounds.rows, bounds.dim), "{text}");
        for (k, (value, bound)) in found.as_slice().iter().zip(&bounds.values).enumerate() {
            let bound: &Bounded = bound;
            assert!(
                bound.allows(value.to_f64()),
                "{text}, {}, {}: component {k} is {value:?}, but should be in {bound:?}",
                T::DTYPE,
                backend.name()
            );
            tally.compared += 1;
            tally.bounded += usize::from(!bound.is_unknown());
        }
    }
}

fn check_all(texts: &[String], aliases: &[&str]) {
    let mut tally = Tally::default();
    for text in texts {
        check::<f64>(text, aliases, &mut tally);
        check::<f32>(text, aliases, &mut tally);
    }
    let share = tally.bounded as f64 / tally.compared as f64;
    assert!(share > 0.8, "{} of {} values have bounds", tally.bounded, tally.compared);
}

/// A formula, its gradients by every variable it names, and those of their squares.
fn with_derivatives(text: &str, aliases: &[&str]) -> Vec<String> {
    let formula = typing::formula(text, None, aliases).unwrap_or_else(|e| panic!("{text}\n{e}"));
    let mut texts = vec![text.to_owned()];
    let seed = format!("Var({}, {}, 0)", formula.variables.len(), formula.root_dim(0));
    for (alias, variable) in aliases.iter().zip(&formula.variables) {
        let name = alias.split(' ').next().unwrap_or_default();
        let is_named = |c: char| !c.is_ascii_alphanumeric();
        if text.split(is_named).any(|word| word == name) {
            texts.push(format!("Grad({text}, {name}, {seed})"));
            let change = format!("Var({}, {}, 1)", formula.variables.len(), variable.dim);
            texts.push(format!("Diff({text}, {name}, {change})"));
        }
    }
    texts
}

#[test]
fn every_operation_and_its_derivatives() {
    let texts: Vec<String> = table::TABLE
        .iter()
        .flat_map(|row| with_derivatives(row.example, &EXAMPLE_ALIASES))
        .collect();
    check_all(&texts, &EXAMPLE_ALIASES);
}

const LONG: &[&str] = &[
    "x = Vi(18)",
    "y = Vj(18)",
    "s = Pm(1)",
    "w = Vi(40)",
    "z = Vj(40)",
    "c = Vi(2)",
    "d = Vj(3)",
    "k = Pm(20)",
    "e = Vj(1)",
];

/// Vectors that are too long to be written out, and operations that rearrange them.
#[test]
fn long_vectors() {
    let texts = [
        "ComplexMult(w, ComplexExp(z))",
        "ComplexAbs(ComplexMult(w, c)) + ComplexReal(z)[0:20]",
        "ComplexSum(ComplexMult(w, ComplexExp1j(ComplexReal(z))))",
        "Conj(ComplexDivide(w, c + 2))",
        "TensorProd(d, Concat(c, e))[2:9]",
        "TensorProd(x, Concat(c*s, e))",
        "TensorDot(x, TensorProd(d, z), [3, 6], [3, 4, 10], [0], [0], [2, 0, 1])",
        "TensorDot(x, y, [2, 3, 3], [3, 2, 3], [0, 2], [1, 0])",
        "TensorDot(Exp(x), TensorProd(c, Exp(y)), [2, 3, 3], [2, 3, 3, 2], [], [], [6, 0, 5, 1, 4, 2, 3])[5:30]",
        "Kron(x, c, [3, 6], [2, 1])",
        "Kron(Exp(d), y, [3, 1], [6, 3])",
        "MatVecMult(TensorProd(x, y), x*s) | y",
        "Sum(BSpline(k, e, 3)*k[3:19])",
        "SoftDTW_SqDist(x, y, s)",
        "SoftDTW_SqDist(Concat(c, c), y, s + 1)*s",
        "SoftDTW_SqDist(d, c, s)",
        "SoftDTW_SqDist(e, y, s) + SoftDTW_SqDist(x, e, s)",
        "Max(x*y)*x",
        "GradMatrix(Sum(x*y)*c, x)",
        "Laplacian(Exp(-SqDist(x, y)/8), x)",
        "Exp(-SqDist(x, y)*s/8)*z",
    ];
    let texts: Vec<String> = texts.iter().flat_map(|text| with_derivatives(text, LONG)).collect();
    check_all(&texts, LONG);
}
