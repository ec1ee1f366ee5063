#!/usr/bin/env python3
"""Polynomial coefficients of src/loops/math, as Rust constants.

Each polynomial interpolates its function at Chebyshev nodes, which is within a small factor of the minimax error. Needs mpmath.
Usage: python3 tools/minimax.py > src/loops/math/coefficients.rs
"""
from mpmath import mp, mpf, cos, pi, matrix, lu_solve, exp, log, sin, sqrt, atan, asin, nstr

mp.prec = 200


def fit(f, a, b, degree):
    a, b = mpf(a), mpf(b)
    nodes = [(a + b) / 2 + (b - a) / 2 * cos(pi * (2 * k + 1) / (2 * degree + 2)) for k in range(degree + 1)]
    rows = matrix(degree + 1, degree + 1)
    right = matrix(degree + 1, 1)
    for i, x in enumerate(nodes):
        for k in range(degree + 1):
            rows[i, k] = x ** k
        right[i] = f(x)
    return list(lu_solve(rows, right))


def series(f, terms):
    """f near 0 by its own series, where the closed form cancels."""
    return lambda x: sum(c * x ** k for k, c in enumerate(terms)) if abs(x) < mpf(2) ** -40 else f(x)


LN2 = log(mpf(2))
POLYNOMIALS = [
    ("EXP", "(e^r - 1)/r on |r| <= ln(2)/2", series(lambda r: (exp(r) - 1) / r, [1, mpf(1) / 2]), -LN2 / 2 - 1e-4, LN2 / 2 + 1e-4, 5, 10),
    ("EXP2", "(2^r - 1)/r on |r| <= 1/2", series(lambda r: (exp(r * LN2) - 1) / r, [LN2, LN2 ** 2 / 2]), -0.5, 0.5, 5, 10),
    ("LOG", "(log((1+s)/(1-s))/s - 2)/z, z = s*s, on z <= 0.0295", series(lambda z: (log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z, [mpf(2) / 3, mpf(2) / 5]), 0, 0.0295, 3, 6),
    ("LOG_WIDE", "(log((1+s)/(1-s))/s - 2)/z, z = s*s, on z <= 0.0295, for twice the precision", series(lambda z: (log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z, [mpf(2) / 3, mpf(2) / 5]), 0, 0.0295, 4, 9),
    ("SIN", "(sin(r)/r - 1)/z, z = r*r, on |r| <= pi/4", series(lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, [-mpf(1) / 6, mpf(1) / 120]), 0, (pi / 4) ** 2 * mpf(1.01), 3, 6),
    ("COS", "(cos(r) - 1 + z/2)/z^2, z = r*r, on |r| <= pi/4", series(lambda z: (cos(sqrt(z)) - 1 + z / 2) / z ** 2, [mpf(1) / 24, -mpf(1) / 720]), 0, (pi / 4) ** 2 * mpf(1.01), 3, 6),
    ("ATAN", "(atan(t)/t - 1)/z, z = t*t, on t <= tan(pi/8)", series(lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z, [-mpf(1) / 3, mpf(1) / 5]), 0, 0.17158, 5, 12),
    ("ASIN", "(asin(t)/t - 1)/z, z = t*t, on t <= 1/2", series(lambda z: (asin(sqrt(z)) / sqrt(z) - 1) / z, [mpf(1) / 6, mpf(3) / 40]), 0, 0.2501, 6, 14),
]


def words(x, bits, count):
    """x as a sum of `count` floats of `bits` bits each."""
    out = []
    for _ in range(count):
        mp_prec, mp.prec = mp.prec, bits
        w = +x
        mp.prec = mp_prec
        out.append(w)
        x = x - w
    return out


def head(x, bits):
    """x truncated to `bits` bits, so that products with small integers are exact."""
    e = int(mp.floor(mp.log(x, 2)))
    scale = mpf(2) ** (bits - 1 - e)
    return mp.floor(x * scale) / scale


def digits(x, bits, count):
    """x as a sum of signed integers below 2^(bits-1), the k-th times 2^(2 - bits*(k+1)), each scaled to the first one's place."""
    out = []
    mp_prec, mp.prec = mp.prec, bits * (count + 2)
    x = +x
    for k in range(count):
        unit = mpf(2) ** (2 - bits * (k + 1))
        d = mp.nint(x / unit)
        out.append(d * mpf(2) ** (2 - bits))
        x -= d * unit
    mp.prec = mp_prec
    return out


print("//! Polynomial coefficients and multi-word constants; printed by tools/minimax.py.")
print()
print("// The digits are those that the script prints; each constant is rounded once when it enters a program.")
print('#![allow(clippy::excessive_precision, clippy::approx_constant, reason = "printed by a script")]')
for name, what, f, a, b, d32, d64 in POLYNOMIALS:
    for suffix, degree in (("F32", d32), ("F64", d64)):
        c = fit(f, a, b, degree)
        print()
        print(f"/// {what}: lowest power first.")
        print(f"pub(super) const {name}_{suffix}: &[f64] = &[")
        for x in c:
            print(f"    {nstr(x, 20, min_fixed=1, max_fixed=0)},")
        print("];")
for suffix, bits, short in (("F32", 24, 12), ("F64", 53, 32)):
    h = head(LN2, short + 3)
    print()
    print("/// ln(2): a short head, whose products with exponents are exact, and the rest in two words.")
    ws = [h] + words(LN2 - h, bits, 2)
    print(f"pub(super) const LN2_{suffix}: [f64; 3] = [{', '.join(nstr(x, 25, min_fixed=1, max_fixed=0) for x in ws)}];")
    print()
    print("/// pi/2 in four words.")
    ws = words(pi / 2, bits, 4)
    print(f"pub(super) const HALF_PI_{suffix}: [f64; 4] = [{', '.join(nstr(x, 25, min_fixed=1, max_fixed=0) for x in ws)}];")
mp.prec = 2000
TWO_OVER_PI = 2 / pi
for suffix, bits, count in (("F32", 23, 9), ("F64", 52, 23)):
    print()
    print(f"/// 2/pi in signed digits of {bits} bits, each to be read at the place of the first.")
    print(f"pub(super) const TWO_OVER_PI_{suffix}: [f64; {count}] = [")
    for d in digits(TWO_OVER_PI, bits, count):
        print(f"    {nstr(d, 20, min_fixed=1, max_fixed=0)},")
    print("];")
