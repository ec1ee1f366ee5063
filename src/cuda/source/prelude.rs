//! The fixed part of every source: types, conversions between storage and compute type, and a few functions on bits.
//!
//! Nothing is included and nothing is device assembly: any C++17 compiler accepts the text once the execution-space keywords and
//! the built-in variables are defined, which is how the numerics are tested without a device.

use crate::dtype::{DType, Float};

/// Types and functions for a storage and a compute type.
pub(super) fn text(stored: DType, float: Float) -> String {
    let types = match float {
        Float::F32 => FLOAT,
        Float::F64 => DOUBLE,
    };
    let storage = match stored {
        DType::F16 => "typedef unsigned short stored;\n",
        DType::F32 => "typedef float stored;\n",
        DType::F64 => "typedef double stored;\n",
    };
    let conversions = match stored {
        DType::F16 => HALF,
        _ => PLAIN,
    };
    format!("{types}{storage}\n{BITS}{conversions}")
}

const FLOAT: &str = "\
typedef float real;
typedef int bits;
typedef unsigned int unsigned_bits;
#define AS_BITS(x) __float_as_int(x)
#define FROM_BITS(x) __int_as_float(x)
#define SIGN_BIT (-2147483647 - 1)
#define INF __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fffffff)
";

const DOUBLE: &str = "\
typedef double real;
typedef long long bits;
typedef unsigned long long unsigned_bits;
#define AS_BITS(x) __double_as_longlong(x)
#define FROM_BITS(x) __longlong_as_double(x)
#define SIGN_BIT (-9223372036854775807LL - 1)
#define INF __longlong_as_double(0x7ff0000000000000LL)
#define NOT_A_NUMBER __longlong_as_double(0x7fffffffffffffffLL)
";

const BITS: &str = "\
// Slot s of item i in an array of slots.
__device__ __forceinline__ long long at(long long s, long long stride, long long i) {
    return s * stride + i;
}

";

const PLAIN: &str = "\
__device__ __forceinline__ real widen(stored x) {
    return (real)x;
}

__device__ __forceinline__ stored narrow(real x) {
    return (stored)x;
}

";

/// Conversions of binary16 in integer arithmetic: they run once an input or output element, so they may take a few instructions.
const HALF: &str = "\
__device__ __forceinline__ real widen(stored x) {
    const int sign = (x & 0x8000) << 16, exponent = x >> 10 & 31, fraction = x & 1023;
    if (exponent == 0) {
        const float magnitude = (float)fraction * 5.9604644775390625e-8f;
        return (real)(sign == 0 ? magnitude : -magnitude);
    }
    const int biased = exponent == 31 ? 255 : exponent + 112;
    return (real)__int_as_float(sign | biased << 23 | fraction << 13);
}

// Rounds to nearest, ties to even, once: from binary64, which holds every real.
__device__ __forceinline__ stored narrow(real x) {
    const long long all = __double_as_longlong((double)x);
    const int sign = (int)(all >> 48) & 0x8000, exponent = (int)(all >> 52 & 2047) - 1023;
    const long long fraction = all & 0xfffffffffffffLL;
    if (exponent == 1024) {
        return (stored)(sign | 0x7c00 | (fraction != 0 ? 0x200 : 0));
    }
    if (exponent > 15) {
        return (stored)(sign | 0x7c00);
    }
    if (exponent < -25) {
        return (stored)sign;
    }
    const int dropped = exponent < -14 ? 28 - exponent : 42;
    const long long whole = fraction | 0x10000000000000LL;
    const long long rest = whole & ((1LL << dropped) - 1), half = 1LL << (dropped - 1);
    int kept = (int)(whole >> dropped);
    kept += rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0;
    // A carry out of the fraction is a carry into the exponent.
    return (stored)(sign | (exponent < -14 ? kept : ((exponent + 14) << 10) + kept));
}

";

/// The largest number below: what a value must reach to come before another one.
pub(super) const BELOW: &str = "\
// The next smaller number; of -infinity not a number, which nothing reaches.
__device__ __forceinline__ real below(real x) {
    const bits b = AS_BITS(x);
    return x == 0 ? FROM_BITS(SIGN_BIT + 1) : FROM_BITS(b + (b < 0 ? 1 : -1));
}

";
