//! Preconditioned conjugate gradients for several systems that share the products with K.
//!
//! Directions are rounded to the dtype of the arrays before they are used, so that K is applied to exactly the numbers by which the solution
//! moves. When the recurrence says that a system is solved, its solution is rounded and its residual computed anew; if that is too
//! large, the iteration begins again from there, as long as this helps.

use super::factor::dot;
use super::operator::Operator;
use super::precondition::{Inverse, Inverses};
use super::solution::Solution;
use crate::array::Array;
use crate::dtype::Element;
use crate::error::{Error, ErrorKind};

/// Where a system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// The recurrence says that it is solved.
    Claimed,
    Done,
}

/// One system, its right-hand side multiplied by a power of two that brings it near 1.
struct System {
    b: Vec<f64>,
    /// Of b.
    norm: f64,
    /// b is multiplied by 2 to this.
    exponent: i32,
    x: Vec<f64>,
    r: Vec<f64>,
    z: Vec<f64>,
    p: Vec<f64>,
    /// r'z.
    product: f64,
    history: Vec<f64>,
    /// The residual when the iteration began, or began again.
    began: f64,
    phase: Phase,
}

impl System {
    fn new<T: Element>(mut b: Vec<f64>, inverse: &Inverse) -> System {
        let largest = b.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let biased = (largest.to_bits() >> 52) as i32;
        let exponent = 1023 - biased;
        b.iter_mut().for_each(|value| *value *= 2f64.powi(exponent));
        let norm = dot(&b, &b).sqrt();
        let zero = vec![0.0; b.len()];
        let solved = largest == 0.0;
        let mut system = System {
            r: b.clone(),
            b,
            norm,
            exponent,
            x: zero.clone(),
            z: zero.clone(),
            p: zero,
            product: 0.0,
            history: vec![if solved { 0.0 } else { 1.0 }],
            began: 1.0,
            phase: if solved { Phase::Done } else { Phase::Running },
        };
        if !solved {
            system.begin::<T>(inverse);
        }
        system
    }

    /// Go from the residual without a past.
    fn begin<T: Element>(&mut self, inverse: &Inverse) {
        inverse.apply(&self.r, &mut self.z);
        self.product = dot(&self.r, &self.z);
        self.p.iter_mut().zip(&self.z).for_each(|(p, z)| *p = rounded::<T>(*z));
        self.phase = Phase::Running;
    }

    /// One iteration, given `(alpha I + K) p`; `Err` is `p'(alpha I + K) p` if it is not positive.
    fn step<T: Element>(&mut self, image: &[f64], inverse: &Inverse, eps: f64) -> Result<(), f64> {
        let curvature = dot(&self.p, image);
        if !(curvature > 0.0 && curvature.is_finite()) {
            return Err(curvature);
        }
        let step = dot(&self.r, &self.p) / curvature;
        self.x.iter_mut().zip(&self.p).for_each(|(x, p)| *x += step * p);
        self.r.iter_mut().zip(image).for_each(|(r, image)| *r -= step * image);
        let residual = dot(&self.r, &self.r).sqrt() / self.norm;
        self.history.push(residual);
        if residual <= eps {
            self.phase = Phase::Claimed;
            return Ok(());
        }
        inverse.apply(&self.r, &mut self.z);
        let product = dot(&self.r, &self.z);
        let share = product / self.product;
        self.product = product;
        for (p, z) in self.p.iter_mut().zip(&self.z) {
            *p = rounded::<T>(z + share * *p);
        }
        Ok(())
    }

    /// Take the residual of the rounded solution, given `(alpha I + K) x`; begin again if that may help.
    fn verify<T: Element>(&mut self, image: &[f64], inverse: &Inverse, eps: f64) {
        for ((r, b), image) in self.r.iter_mut().zip(&self.b).zip(image) {
            *r = b - image;
        }
        let residual = dot(&self.r, &self.r).sqrt() / self.norm;
        *self.history.last_mut().expect("it is never empty") = residual;
        let better = residual <= 0.5 * self.began;
        self.began = residual;
        if self.phase == Phase::Claimed && residual > eps && better {
            self.begin::<T>(inverse);
        } else {
            self.phase = Phase::Done;
        }
    }
}

fn rounded<T: Element>(value: f64) -> f64 {
    T::from_f64(value).to_f64()
}

/// The vectors of all systems for a product with K, and the product.
struct Shared<'o, 'a, T> {
    operator: &'o Operator<'a, T>,
    vector: Vec<T>,
    product: Vec<T>,
    image: Vec<f64>,
}

impl<T: Element> Shared<'_, '_, T> {
    /// One product for the systems that `of` gives a vector for; the others get zeros.
    fn multiply<'s>(
        &mut self,
        systems: &'s [System],
        of: impl Fn(&'s System) -> Option<&'s [f64]>,
        when: impl Fn() -> String,
    ) -> Result<(), Error> {
        for (s, system) in systems.iter().enumerate() {
            let numbers = of(system);
            for k in 0..self.operator.unknowns() {
                let value = numbers.map_or(0.0, |numbers| numbers[k]);
                self.vector[self.operator.place(s, k)] = T::from_f64(value);
            }
        }
        self.operator.product(&self.vector, &mut self.product, when)
    }

    /// `(alpha I + K)` times the vector of a system.
    fn image(&mut self, system: usize) -> &[f64] {
        let alpha = self.operator.solve().alpha;
        self.image.clear();
        for k in 0..self.operator.unknowns() {
            let place = self.operator.place(system, k);
            self.image.push(self.product[place].to_f64() + alpha * self.vector[place].to_f64());
        }
        &self.image
    }
}

/// Solve all systems.
pub(super) fn solve<T: Element>(
    operator: &Operator<'_, T>,
    inverses: &Inverses,
) -> Result<Solution<T>, Error> {
    let (eps, most) = (operator.solve().eps, operator.solve().max_iterations);
    let b = operator.right_hand_side()?;
    let mut systems: Vec<System> = (0..operator.systems())
        .map(|s| {
            let own = (0..operator.unknowns()).map(|k| b[operator.place(s, k)]).collect();
            System::new::<T>(own, inverses.of(s))
        })
        .collect();
    let zeros = || vec![T::default(); operator.len()];
    let (vector, product) = (zeros(), zeros());
    let mut shared = Shared { operator, vector, product, image: Vec::new() };
    let mut iteration = 0;
    while systems.iter().any(|system| system.phase != Phase::Done) {
        while iteration < most && systems.iter().any(|s| s.phase == Phase::Running) {
            iteration += 1;
            let running = |system: &'_ System| (system.phase == Phase::Running).then_some(());
            shared.multiply(
                &systems,
                |system| running(system).map(|()| &system.p[..]),
                || format!("iteration {iteration}"),
            )?;
            for (s, system) in systems.iter_mut().enumerate() {
                if running(system).is_some() {
                    system
                        .step::<T>(shared.image(s), inverses.of(s), eps)
                        .map_err(|value| indefinite(operator, iteration, s, value))?;
                }
            }
        }
        shared.multiply(&systems, |system| Some(&system.x), || "the residual".into())?;
        for (s, system) in systems.iter_mut().enumerate() {
            if system.phase != Phase::Done {
                system.verify::<T>(shared.image(s), inverses.of(s), eps);
                (0..operator.unknowns()).for_each(|k| system.x[k] = rounded::<T>(system.x[k]));
            }
        }
    }
    let mut values = zeros();
    for (s, system) in systems.iter().enumerate() {
        for (k, x) in system.x.iter().enumerate() {
            let place = operator.place(s, k);
            values[place] = T::from_f64(x * 2f64.powi(-system.exponent));
        }
    }
    if let Some(place) = values.iter().position(|value| !value.to_f64().is_finite()) {
        let message = format!("the solution in {} is beyond {}", operator.named(place), T::DTYPE);
        return Err(Error::new(ErrorKind::Unsolved, message));
    }
    let (rows, dim) = operator.shape();
    let histories = systems.into_iter().map(|system| system.history).collect();
    Ok(Solution { values: Array::from_vec(rows, dim, values)?, histories, eps })
}

/// How messages name a system: nothing if there is but one.
fn named<T: Element>(operator: &Operator<'_, T>, system: usize) -> String {
    match operator.systems() {
        1 => String::new(),
        _ => format!(" of component {system}"),
    }
}

/// The error of a system that cannot be positive definite.
fn indefinite<T: Element>(
    operator: &Operator<'_, T>,
    iteration: usize,
    system: usize,
    curvature: f64,
) -> Error {
    let alpha = operator.solve().alpha;
    not_symmetric(operator).unwrap_or_else(|| {
        let of = named(operator, system);
        Error::new(
            ErrorKind::Unsolved,
            format!(
                "alpha I + K is not positive definite: p'(alpha I + K)p is {curvature:e} in iteration {iteration}{of}"
            ),
        )
        .help(format!("alpha is {alpha}; one that is large enough makes every symmetric K positive definite"))
    })
}

/// The error of a system whose residual is too large in the end.
pub(super) fn unsolved<T: Element>(
    operator: &Operator<'_, T>,
    solution: &Solution<T>,
    system: usize,
) -> Error {
    not_symmetric(operator).unwrap_or_else(|| {
        let history = solution.history(system);
        let (residual, iterations) = (history.last().copied().unwrap_or(1.0), history.len() - 1);
        let of = named(operator, system);
        let eps = solution.eps;
        let message = format!(
            "the residual{of} is {residual:e} of the right-hand side after {iterations} iterations, more than eps = {eps:e}"
        );
        let help = if iterations < operator.solve().max_iterations {
            format!("{} resolves no more of this system: a larger alpha or eps, or float64, helps", T::DTYPE)
        } else {
            "a preconditioner, a larger alpha or more iterations help; `attempt` returns what was reached".into()
        };
        Error::new(ErrorKind::Unsolved, message).help(help)
    })
}

/// The error of a system that failed because K is not symmetric.
fn not_symmetric<T: Element>(operator: &Operator<'_, T>) -> Option<Error> {
    let (u_kv, v_ku) = operator.asymmetry().ok()??;
    let message =
        format!("K is not symmetric: u'Kv is {u_kv:e}, but v'Ku is {v_ku:e} for two vectors u, v");
    Some(
        Error::new(ErrorKind::Unsolved, message)
            .help("conjugate gradients need a symmetric K: the same points for i and for j"),
    )
}
