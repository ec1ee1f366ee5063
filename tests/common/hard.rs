//! Arguments as near to a multiple of pi/2 as floats come: where the reduction of sine and cosine cancels most.

use astro_float::{Consts, RoundingMode};
use num_bigint::BigInt;
use num_traits::{One, ToPrimitive, Zero};

/// Bits of 2/pi below the point that decide everything.
const BITS: usize = 2_300;

/// `2^BITS * pi`, rounded.
fn pi() -> BigInt {
    let mut constants = Consts::new().expect("memory for constants");
    let pi = constants.pi(BITS + 64, RoundingMode::ToEven);
    let (words, _, _, exponent, _) = pi.as_raw_parts().expect("pi is a number");
    let digits: Vec<u32> = words.iter().flat_map(|w| [*w as u32, (w >> 32) as u32]).collect();
    let shift = digits.len() as i64 * 32 - i64::from(exponent) - BITS as i64;
    BigInt::from_slice(num_bigint::Sign::Plus, &digits) >> shift
}

/// For each exponent e the floats M*2^e, M of `precision` bits, that lie nearest to a multiple of pi/2, as float64.
///
/// M*2^e*(2/pi) is nearest to an integer where M is the denominator of a convergent of 2^(e+1)/pi, or a multiple of one.
pub fn arguments(precision: u32, exponents: std::ops::Range<i32>) -> Vec<f64> {
    let pi = pi();
    let (least, beyond) = (BigInt::one() << (precision - 1), BigInt::one() << precision);
    let mut found = Vec::new();
    for e in exponents {
        let (mut p, mut q) = (BigInt::one() << (BITS as i32 + 1 + e), pi.clone());
        let (mut before, mut denominator) = (BigInt::zero(), BigInt::one());
        // Denominators of the convergents: the first one is 1 for the integer part.
        let mut is_first = true;
        while !q.is_zero() {
            let digit = &p / &q;
            (p, q) = (q.clone(), p - &digit * &q);
            if is_first {
                is_first = false;
                continue;
            }
            (before, denominator) = (denominator.clone(), digit * &denominator + before);
            if denominator >= beyond {
                break;
            }
        }
        for convergent in [denominator, before] {
            if convergent >= beyond || convergent.is_zero() {
                continue;
            }
            let multiple: BigInt = (&beyond - 1) / &convergent;
            let m: BigInt = convergent * multiple;
            if m >= least {
                let m = m.to_f64().expect("at most 53 bits");
                found.push(m * 2f64.powi(e / 2) * 2f64.powi(e - e / 2));
            }
        }
    }
    found
}
