//! The transcendental functions of programs as kernels, and their true values.

use super::choices::Choices;
use astro_float::{BigFloat, Consts, RoundingMode, Sign};
use genred::Float;
use genred::cpu::stages::Stages;
use genred::dtype::Real;
use genred::loops::build::Lowered;
use genred::loops::builder::{Builder, Functions, Sharing};
use genred::loops::program::{Function, Index, Space};
use genred::schedule::{Lanes, Schedule};

/// Every function.
pub const ALL: [Function; 10] = [
    Function::Exp,
    Function::Exp2,
    Function::Log,
    Function::Sin,
    Function::Cos,
    Function::Asin,
    Function::Acos,
    Function::Atan,
    Function::Atan2,
    Function::Pow,
];

/// Whether a function takes two arguments.
pub fn is_binary(function: Function) -> bool {
    matches!(function, Function::Atan2 | Function::Pow)
}

/// The schedule of [`program`].
pub const SCHEDULE: Schedule =
    Schedule { lanes: Lanes::Rows, mr: 16, nr: 1, components: 1, chunk: 64, tile: 64 };

/// A program whose row stage computes a function of its first slots into its last.
pub fn program(function: Function, float: Float, fma: bool) -> Lowered {
    let mut b = Builder::new(float, fma, Functions::Expanded);
    let inputs = b.array("x", Space::Row, 2);
    let result = b.array("f", Space::Row, 1);
    let at = |offset| Index { offset, terms: Vec::new() };
    let mut args = vec![b.load(inputs, at(0))];
    if is_binary(function) {
        args.push(b.load(inputs, at(1)));
    }
    let value = b.call(function, args);
    b.store(result, at(0), value);
    b.program().row = b.take_block(Sharing::Fresh);
    Lowered { program: b.finish(), inputs: Vec::new(), indices: Vec::new(), keep: None }
}

/// A function of pairs of arguments, the second of which only some functions use.
pub fn evaluate<T: Real>(kernel: &dyn Stages<T>, args: &[[T; 2]]) -> Vec<T> {
    let block = kernel.layout().block();
    let mut param = vec![T::from_f64(0.0); kernel.layout().slots.param as usize];
    let aligned = |memory: &[T]| memory.as_ptr().align_offset(64);
    let mut scratch = vec![T::from_f64(0.0); kernel.layout().scratch + 16];
    let start = aligned(&scratch);
    let scratch = &mut scratch[start..][..kernel.layout().scratch];
    kernel.param(&mut param, scratch);
    let mut memory = vec![T::from_f64(0.0); 3 * block + 16];
    let start = aligned(&memory);
    let row = &mut memory[start..][..3 * block];
    let mut results = Vec::with_capacity(args.len());
    for lanes in args.chunks(block) {
        for (k, [x, y]) in lanes.iter().enumerate() {
            (row[k], row[block + k]) = (*x, *y);
        }
        kernel.row(&param, row, scratch);
        results.extend(&row[2 * block..][..lanes.len()]);
    }
    results
}

/// The value of a function in float64, good to about one of its units in the last place: exact as far as float32 is concerned.
pub fn double(function: Function, x: f64, y: f64) -> f64 {
    match function {
        Function::Exp => x.exp(),
        Function::Exp2 => x.exp2(),
        Function::Log => x.ln(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        Function::Asin => x.asin(),
        Function::Acos => x.acos(),
        Function::Atan => x.atan(),
        Function::Atan2 => x.atan2(y),
        Function::Pow => x.powf(y),
    }
}

/// Precision of exact values: beyond float64's by more than any cancellation.
const PRECISION: usize = 192;

/// Arbitrary-precision arithmetic.
pub struct Exact {
    constants: Consts,
}

/// A real number to far more digits than float64 has.
pub struct Number(BigFloat);

const NEAREST: RoundingMode = RoundingMode::ToEven;

impl Exact {
    pub fn new() -> Exact {
        Exact { constants: Consts::new().expect("memory for constants") }
    }

    /// The value of a function of finite arguments in its domain.
    pub fn value(&mut self, function: Function, x: f64, y: f64) -> Number {
        let (p, cc) = (PRECISION, &mut self.constants);
        let (a, b) = (exact(x), exact(y));
        Number(match function {
            Function::Exp => a.exp(p, NEAREST, cc),
            Function::Exp2 => exact(2.0).pow(&a, p, NEAREST, cc),
            Function::Log => a.ln(p, NEAREST, cc),
            Function::Sin => a.sin(p, NEAREST, cc),
            Function::Cos => a.cos(p, NEAREST, cc),
            Function::Asin => a.asin(p, NEAREST, cc),
            Function::Acos => a.acos(p, NEAREST, cc),
            Function::Atan => a.atan(p, NEAREST, cc),
            Function::Atan2 => {
                let angle = a.div(&b, p, NEAREST).atan(p, NEAREST, cc);
                let pi = cc.pi(p, NEAREST);
                match (x > 0.0, y > 0.0) {
                    (_, true) => angle,
                    (true, false) => angle.add(&pi, p, NEAREST),
                    (false, false) => angle.sub(&pi, p, NEAREST),
                }
            }
            Function::Pow => {
                let mut power = a.abs().pow(&b, p, NEAREST, cc);
                if x < 0.0 && y % 2.0 != 0.0 {
                    power.inv_sign();
                }
                power
            }
        })
    }

    /// The error of a float64 result in its units in the last place; arguments are finite and in the domain.
    pub fn error(&mut self, function: Function, x: f64, y: f64, result: f64) -> f64 {
        if x == 0.0 || function == Function::Log && x == 1.0 {
            // Exact cases, zeros with their signs.
            let truth = double(function, x, y);
            return if truth.to_bits() == result.to_bits() { 0.0 } else { f64::NAN };
        }
        let truth = self.value(function, x, y);
        error(Float::F64, truth.to_f64(), result, |result| truth.minus(result))
    }
}

/// A float64 as a number; in two steps where it is subnormal, which the conversion itself takes for a normal one.
fn exact(value: f64) -> BigFloat {
    if value.is_normal() || value == 0.0 {
        return BigFloat::from_f64(value, PRECISION);
    }
    let mut number = BigFloat::from_f64(value * 2f64.powi(128), PRECISION);
    number.set_exponent(number.exponent().expect("the value is finite") - 128);
    number
}

impl Number {
    /// The nearest float64 to 64 bits of it; enough to see its size.
    pub fn to_f64(&self) -> f64 {
        let Some((words, _, sign, exponent, _)) = self.0.as_raw_parts() else { return f64::NAN };
        let top = words.last().copied().unwrap_or(0) as f64 * 2f64.powi(-64);
        let half = exponent / 2;
        let size = top * 2f64.powi(half) * 2f64.powi(exponent - half);
        if sign == Sign::Neg { -size } else { size }
    }

    /// `self - other`, rounded to float64.
    pub fn minus(&self, other: f64) -> f64 {
        Number(self.0.sub(&exact(other), PRECISION, NEAREST)).to_f64()
    }
}

/// Spacing of the floats of a type around a number: 2^-precision of its binade, or that of subnormal numbers.
pub fn unit(float: Float, value: f64) -> f64 {
    let (precision, least) = match float {
        Float::F32 => (23, -149),
        Float::F64 => (52, -1074),
    };
    let bits = value.abs().to_bits() >> 52;
    let exponent = (bits as i32 - 1023 - precision).max(least);
    2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}

/// The error of a float32 result in its units in the last place; NaN if it should be NaN and is not, or the other way round.
pub fn error_single(truth: f64, result: f32) -> f64 {
    error(Float::F32, truth, f64::from(result), |result| truth - result)
}

fn error(float: Float, truth: f64, result: f64, minus: impl Fn(f64) -> f64) -> f64 {
    if truth.is_nan() || result.is_nan() {
        return if truth.is_nan() && result.is_nan() { 0.0 } else { f64::NAN };
    }
    if truth.is_infinite() {
        return if truth == result { 0.0 } else { f64::NAN };
    }
    // Infinity stands for the first number that is too large.
    let (most, beyond) = match float {
        Float::F32 => (f64::from(f32::MAX), 2f64.powi(128)),
        Float::F64 => (f64::MAX, f64::MAX),
    };
    let unit = unit(float, truth.abs().min(most));
    match (result.is_infinite(), truth.abs() >= beyond) {
        (true, true) if result.signum() == truth.signum() => 0.0,
        (true, _) => (beyond.copysign(result) - truth).abs() / unit,
        _ => minus(result).abs() / unit,
    }
}

/// Arguments around which something changes: overflow, underflow, branches of the algorithms.
pub fn edges(function: Function, float: Float) -> Vec<[f64; 2]> {
    let (most, least_normal, digits) = match float {
        Float::F32 => (128.0, -126.0, 23.0),
        Float::F64 => (1024.0, -1022.0, 52.0),
    };
    let ln2 = std::f64::consts::LN_2;
    let powers = [most, least_normal, least_normal - digits, least_normal - digits - 1.0];
    let centres: Vec<f64> = match function {
        Function::Exp => powers.iter().map(|p| p * ln2).chain([0.0, ln2 / 2.0]).collect(),
        Function::Exp2 => powers.into_iter().chain([0.0, 0.5]).collect(),
        Function::Log => vec![1.0, 0.5f64.sqrt(), 2f64.sqrt(), 2f64.powf(least_normal)],
        Function::Sin | Function::Cos => {
            vec![0.0, std::f64::consts::FRAC_PI_4, 131_072.0, 1_073_741_824.0, 2f64.powi(46)]
        }
        Function::Asin | Function::Acos => vec![0.0, 0.5, -0.5, 1.0, -1.0],
        Function::Atan => vec![0.0, 2f64.sqrt() - 1.0, 1.0, 2f64.sqrt() + 1.0, 2f64.powi(100)],
        Function::Atan2 | Function::Pow => Vec::new(),
    };
    let mut args = Vec::new();
    for centre in centres {
        let spacing = unit(float, centre);
        args.extend((-300..=300).map(|k| [centre + f64::from(k) * spacing, 0.0]));
    }
    if function == Function::Pow {
        // Results near overflow and underflow.
        for base in [1.5, 3.0, 1.0 + 1e-6, 0.7] {
            for power in powers {
                let y: f64 = power / f64::log2(base);
                let spacing = unit(float, y);
                args.extend((-50..=50).map(|k| [base, y + f64::from(k) * spacing]));
            }
        }
    }
    let rounded = |v: f64| match float {
        Float::F32 => f64::from(v as f32),
        Float::F64 => v,
    };
    let args = args.into_iter().map(|[x, y]| [rounded(x), rounded(y)]);
    // Arbitrary precision knows neither infinity nor NaN.
    args.filter(|[x, y]| float == Float::F32 || double(function, *x, *y).is_finite()).collect()
}

/// Arguments that functions are measured at: `count` of them, where the function has a finite value.
pub fn arguments(function: Function, float: Float, count: usize, seed: u64) -> Vec<[f64; 2]> {
    let mut choices = Choices::from_seed(seed);
    let mut next = || argument(function, float, &mut choices);
    let mut args = Vec::with_capacity(count);
    while args.len() < count {
        let [x, y] = next();
        let (x, y) = match float {
            Float::F32 => (f64::from(x as f32), f64::from(y as f32)),
            Float::F64 => (x, y),
        };
        if double(function, x, y).is_finite() && x.is_finite() && y.is_finite() {
            args.push([x, y]);
        }
    }
    args
}

fn argument(function: Function, float: Float, choices: &mut Choices<'_>) -> [f64; 2] {
    let (most, digits) = match float {
        Float::F32 => (127, 23),
        Float::F64 => (1023, 52),
    };
    let any = |choices: &mut Choices<'_>| {
        let exponent = choices.below(2 * most as u32) as i32 - most + 1;
        choices.fraction() * 2f64.powi(exponent)
    };
    let small = |choices: &mut Choices<'_>| {
        let exponent = choices.below(12) as i32 - 8;
        choices.fraction() * 2f64.powi(exponent)
    };
    let x = match function {
        Function::Exp | Function::Exp2 => match choices.below(3) {
            0 => any(choices),
            1 => small(choices),
            _ => choices.fraction() * 1.1 * f64::from(most),
        },
        Function::Log => match choices.below(3) {
            0 => any(choices).abs(),
            // Near 1, where the result is small.
            1 => 1.0 + choices.fraction() * 2f64.powi(-(choices.below(digits) as i32)),
            _ => small(choices).abs(),
        },
        Function::Sin | Function::Cos => match choices.below(4) {
            0 => any(choices),
            1 => small(choices),
            2 => choices.fraction() * 1e4,
            // Near a multiple of pi/2, where the reduction cancels.
            _ => {
                let size = choices.within(1, 20);
                let quarters = f64::from(choices.below(1 << size));
                let near = quarters * std::f64::consts::FRAC_PI_2;
                near * (1.0 + choices.fraction() * 2f64.powi(-(digits as i32)))
            }
        },
        Function::Asin | Function::Acos => match choices.below(3) {
            0 => any(choices),
            1 => choices.fraction(),
            _ => 1.0 - 2f64.powi(-(choices.below(digits + 1) as i32)) * choices.fraction().abs(),
        },
        Function::Atan => match choices.below(3) {
            0 => any(choices),
            1 => small(choices),
            _ => choices.fraction() * 3.0,
        },
        Function::Atan2 => match choices.below(3) {
            0 => any(choices),
            _ => small(choices),
        },
        Function::Pow => match choices.below(4) {
            0 => any(choices).abs(),
            1 => 1.0 + choices.fraction() * 2f64.powi(-(choices.below(digits) as i32)),
            2 => -f64::from(choices.below(100)),
            _ => small(choices).abs(),
        },
    };
    let y = match function {
        Function::Atan2 => match choices.below(3) {
            0 => any(choices),
            1 => x * (1.0 + choices.fraction() * 2f64.powi(-(choices.below(digits) as i32))),
            _ => small(choices),
        },
        Function::Pow if x < 0.0 => f64::from(choices.below(200)) - 100.0,
        // A result of any size.
        Function::Pow => match choices.below(3) {
            0 => small(choices),
            _ => choices.fraction() * 1.05 * f64::from(most) / x.log2().abs(),
        },
        _ => 0.0,
    };
    [x, y]
}
