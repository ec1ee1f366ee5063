"""The public package pykeops beside this one: the same calls on the same arrays.

``python compare_pykeops.py`` needs pykeops and a C++ compiler; KeOps compiles for seconds a formula, so the first run takes minutes. It
prints a line for each call and ends with status 1 if one differs. pytest does not collect it.

KeOps rounds constants to float32 and computes powers in it, whatever the arrays are: such formulas are compared more loosely.
"""

import os
import sys

# KeOps' OpenMP threads and this package's own need not fight.
os.environ.setdefault("OMP_NUM_THREADS", "2")

import genred.numpy as ours  # noqa: E402
import numpy as np  # noqa: E402
import pykeops  # noqa: E402

pykeops.verbose = False

import pykeops.numpy as theirs  # noqa: E402

RNG = np.random.default_rng(2026)
M, N = 23, 31
EXACT, SINGLE = 1e-10, 2e-6


def array(alias):
    """An array for `name = Vi(dim)`: its numbers depend on the alias, not on where it is used."""
    name, rest = (part.strip() for part in alias.split("="))
    category, dim = rest[:2], int(rest[3:-1])
    rng = np.random.default_rng(sum(map(ord, alias)))
    shape = {"Vi": (M, dim), "Vj": (N, dim), "Pm": (dim,)}[category]
    # Away from 0, where roots and quotients would differ by their rounding only.
    return rng.uniform(0.2, 1.7, shape) * (1 if name.islower() else rng.choice([-1.0, 1.0], shape))


XY = ["X = Vi(3)", "Y = Vj(3)"]
B1, B2, S, XS, YS = "b = Vj(1)", "B = Vj(2)", "s = Pm(1)", "x = Vi(3)", "y = Vj(3)"

# (formula, aliases, reduction, options, tolerance)
CALLS = []


def call(formula, aliases, reduction="Sum", tolerance=EXACT, **options):
    CALLS.append((formula, aliases, reduction, options, tolerance))


for axis in (0, 1):
    call("Exp(-SqNorm2(X - Y))", XY, axis=axis)
    call("SqDist(X, Y)", XY, "LogSumExp", axis=axis)
    call("SqDist(X, Y)", XY, "ArgMin", axis=axis)
    call("SqDist(X, Y)", XY, "ArgKMin", axis=axis, opt_arg=4)
    call("X * Y", XY, "Min", axis=axis)
    call("X * Y", XY, "Max", axis=axis)
    call("X - Y", XY, "ArgMax", axis=axis)
    call("X - Y", XY, "Min_ArgMin", axis=axis)
    call("X - Y", XY, "Max_ArgMax", axis=axis)
    call("X - Y", XY, "KMin", axis=axis, opt_arg=3)
    call("SqDist(X, Y)", XY, "KMin_ArgKMin", axis=axis, opt_arg=3)
call("-SqDist(X, Y)", XY + [B2], "LogSumExp", axis=1, formula2="Square(B)")
call("-SqDist(X, Y)", XY + [B2], "SumSoftMaxWeight", axis=1, formula2="B")
for formula in [
    "Exp(-s * SqDist(X, Y)) * B",
    "Exp(-Norm2(X - Y)) * b",
    "Sqrt(SqDist(X, Y))",
    "Inv(IntCst(1) + SqDist(X, Y)) * B",
    "(X | Y) * b",
    "Square(X | Y)",
    "Exp(X | Y) * B",
    "Sin(X) * Cos(Y) + Atan(X - Y)",
    "Abs(X - Y) + Sign(X) * Step(Y) + ReLU(X * Y)",
    "X * Y - X / Y",
    "-X**2 * -Y",
    "X**3 + Y**-1",
    "Normalize(X) - Normalize(Y)",
    "Clamp(X, s, Y)",
    "IfElse(X - Y, X, Y)",
    "Mod(X, y3, s)",
    "Floor(X) + Round(Y, 2)",
    "(X < Y) + (X >= Y)",
    "Concat(X, Y)",
    "Extract(X, 1, 2) * Extract(Y, 0, 2)",
    "Elem(X, 0) * Elem(Y, 2)",
    "TensorProd(X, Y)",
    "MatVecMult(m, Y) + X",
    "VecMatMult(X, m) * Y",
    "WeightedSqDist(s, X, Y)",
    "WeightedSqNorm(m, X - Y)",
    "Max(X) * Min(Y) + ArgMax(X) - ArgMin(Y)",
    "OneHot(ArgMax(X + Y), 3)",
    "ComplexMult(z, w)",
    "ComplexDivide(z, w)",
    "ComplexExp(ComplexMult(z, w))",
    "ComplexAbs(z) * ComplexAngle(w)",
    "Grad(Exp(-s * SqDist(X, Y)) * B, X, e)",
    "Grad(Exp(-SqDist(X, Y)), Y, f)",
    "Grad(Norm2(X - Y), X, f)",
    "Grad(Grad(Exp(-SqDist(X, Y)), X, f), X, g)",
    "Laplacian(Exp(-SqDist(X, Y)), X)",
    "Divergence(SqDist(X, Y) * X, X)",
    "TensorDot(X, Y, [3], [3], [0], [0])",
    "Kron(X, Y, [3], [3])",
    "IntCst(2)",
]:
    every = XY + [B1, B2, S, "y3 = Vj(3)", "m = Pm(9)", "z = Vi(2)", "w = Vj(2)", "e = Vi(2)", "f = Vi(1)", "g = Vi(3)"]
    # Those that the formula names, and one for either axis.
    words = set("".join(c if c.isalnum() else " " for c in formula).split())
    aliases = [alias for alias in every if alias.split(" ")[0] in words or alias in XY]
    call(formula, aliases, axis=1)
call("Powf(x, s) * Powf(y, s)", [XS, YS, S], axis=1, tolerance=SINGLE)
call("x / 3 - 1 / (2 * y)", [XS, YS], axis=1, tolerance=SINGLE)
call("Log(x) * XLogX(y) + SinXDivX(x)", [XS, YS], axis=1)
call("Rsqrt(x) + Atan2(x, y)", [XS, YS], axis=1)
for dtype_options in [{"use_double_acc": True}, {"sum_scheme": "kahan_scheme"}, {"sum_scheme": "direct_sum"}, {"dtype_acc": "float64"}]:
    call("Exp(-SqDist(X, Y)) * B", XY + [B2], axis=1, **dtype_options)


def symbolic(package):
    """Calls of symbolic arrays, each with a name."""
    X, Y, b = array(XY[0]), array(XY[1]), array(B1)
    x, y = package.Vi(X), package.Vj(Y)
    wide, tall = package.LazyTensor(X[:, None, :]), package.LazyTensor(Y[None, :, :])
    k = (-x.sqdist(y)).exp()
    yield "sqdist argKmin", x.sqdist(y).argKmin(3, axis=1)
    yield "square sum argmin", ((wide - tall) ** 2).sum(dim=2).argmin(dim=1)
    yield "K @ b", k @ b
    yield "K.T @ v", k.T @ X[:, :1]
    yield "logsumexp", (-x.sqdist(y)).logsumexp(axis=1)
    yield "sumsoftmaxweight", (-x.sqdist(y)).sumsoftmaxweight(y, axis=1)
    yield "powers", ((x * x + 1) ** 3 + (y * y) ** 0.5).sum(axis=1)
    yield "scalar product", ((x | y) * x[0]).sum(axis=0)
    yield "min_argmin", x.sqdist(y).min_argmin(axis=0)
    yield "slices", (x[1:] * y[:2]).max(axis=1)
    yield "clamp", (x - y).clamp(-1, 1).sum(axis=1)
    yield "concat", x.concat(y).sum(axis=0)
    yield "parameter", (x * package.Pm(np.array([1.0, 2.0, 3.0])) - y).norm2().sum(axis=1)
    yield "ifelse", (x - y).ifelse(x, y).sum(axis=1)
    z, w = package.ComplexLazyTensor(X + 1j * X[:, ::-1], axis=0), package.ComplexLazyTensor(Y - 2j * Y, axis=1)
    yield "complex", (z * w).sum(axis=1)
    yield "complex parts", ((z - w).real * (z + w).imag).sum(axis=0)


def equal(a, b, tolerance):
    if isinstance(a, tuple):
        return len(a) == len(b) and all(equal(p, q, tolerance) for p, q in zip(a, b))
    if a.shape != b.shape:
        return f"shapes {a.shape} and {b.shape}"
    if a.dtype != b.dtype:
        return f"dtypes {a.dtype} and {b.dtype}"
    if a.dtype.kind == "i":
        return bool((a == b).all())
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))


def main():
    worst, count = 0, 0
    for formula, aliases, reduction, options, tolerance in CALLS:
        arrays = [array(alias) for alias in aliases]
        wanted = theirs.Genred(formula, list(aliases), reduction_op=reduction, **options)(*arrays)
        got = ours.Genred(formula, list(aliases), reduction_op=reduction, **options)(*arrays)
        same = equal(got, wanted, tolerance)
        count += 1
        worst += same is not True
        print(f"{'same' if same is True else 'DIFFERS ' + str(same)}: {reduction} {formula} {options}", flush=True)
    for (name, got), (_, wanted) in zip(symbolic(ours), symbolic(theirs)):
        same = equal(got, wanted, EXACT)
        count += 1
        worst += same is not True
        print(f"{'same' if same is True else 'DIFFERS ' + str(same)}: symbolic {name}", flush=True)
    print(f"{count} calls, {worst} differ; pykeops {pykeops.__version__}, genred {__import__('genred').__version__}")
    return worst > 0


if __name__ == "__main__":
    sys.exit(main())
