"""Symbolic arrays against the same written with NumPy on the whole M x N x D array."""

import genred
import numpy as np
import pytest
from genred.numpy import ComplexLazyTensor, LazyTensor, Pm, Var, Vi, Vj

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(7, 3))
A, B = RNG.uniform(0.2, 0.9, size=(5, 1)), RNG.uniform(0.2, 0.9, size=(7, 1))
P = np.array([0.5, 2.0, 1.0])
x, y, a, b, p = X[:, None], Y[None], A[:, None], B[None], P[None, None]
I, J, K, L = Vi(X), Vj(Y), Vi(A), Vj(B)
Q = Pm(P)


def close(got, wanted):
    assert got.shape == wanted.shape
    assert np.allclose(got, wanted, rtol=1e-12, atol=1e-12)


def same(lazy, dense):
    """The formula has these values: over all pairs, reduced both ways."""
    dense = np.broadcast_to(dense, (5, 7, dense.shape[-1]))
    assert lazy.ndim == dense.shape[-1]
    # Weights tell pairs apart that plain sums would not.
    close((lazy * L + 0 * K).sum(axis=1), (dense * b).sum(1))
    close((lazy * K + 0 * L).sum(axis=0), (dense * a).sum(0))


def last(f):
    return f[..., None]


CASES = {
    "add": (I + J, x + y),
    "subtract": (I - J, x - y),
    "multiply": (I * J, x * y),
    "divide": (I / L, x / b),
    "integers": (2 * I - 3 + J / 4 + (-2) * J, 2 * x - 3 + y / 4 - 2 * y),
    "floats": (0.25 * I - 1.5 + J / 0.5, 0.25 * x - 1.5 + y / 0.5),
    "reflected": (1 / K - (2 - L), 1 / a - (2 - b)),
    "lists": (I * [1.0, 2.0, 3.0] + J, x * np.array([1.0, 2.0, 3.0]) + y),
    "arrays": (P * I + J, p * x + y),
    "numpy numbers": (np.float64(0.5) * I + np.int64(2) * J, 0.5 * x + 2 * y),
    "parentheses": ((I - (J - K)) * (L - (2 - I)), (x - (y - a)) * (b - (2 - x))),
    "quotients": (I / (K / L) / (J * K), x / (a / b) / (y * a)),
    "negative": (-(I - J) ** 2 - -J, -((x - y) ** 2) + y),
    "negative power": ((-K) ** 2 * L**-1, (-a) ** 2 / b),
    "powers": (K**3 + L**0.5 + L**-0.5 + K**1.7 + K**L, a**3 + b**0.5 + b**-0.5 + a**1.7 + a**b),
    "power of a power": ((K**2) ** L, (a**2) ** b),
    "reflected power": (2**K * L, 2**a * b),
    "scalar product": (I | J, last((x * y).sum(-1))),
    "sum": (I | (J + I) * 2, last((x * (y + x) * 2).sum(-1))),
    "less": (I < J, (x < y) * 1.0),
    "comparisons": ((I <= J) + 2 * (I > J) + (I >= 0) + (I == I) + (I != J), (x <= y) + 2.0 * (x > y) + (x >= 0) + 1 + (x != y)),
    "abs": (abs(I) + J.abs(), abs(x) + abs(y)),
    "exp log": ((I - J).exp() + K.log() + L.xlogx(), np.exp(x - y) + np.log(a) + b * np.log(b)),
    "trigonometry": (I.sin() + J.cos() + K.asin() + L.acos() + I.atan(), np.sin(x) + np.cos(y) + np.arcsin(a) + np.arccos(b) + np.arctan(x)),
    "sinc": (I.sinc() + J.sinxdivx(), np.sinc(x) + np.sin(y) / y),
    "atan2": (I.atan2(J), np.arctan2(x, y)),
    "roots": (K.sqrt() + L.rsqrt() + I.square() + K.inv(), np.sqrt(a) + 1 / np.sqrt(b) + x**2 + 1 / a),
    "steps": (I.sign() + J.step() + I.relu() + J.floor(), np.sign(x) + (y >= 0) + np.maximum(x, 0) + np.floor(y)),
    "round": (I.round() + (J * 1.0).round(2), np.round(x) + np.round(y, 2)),
    "norms": (I.sqnorm2() + J.norm2() + (I - J).norm(-1), last((x**2).sum(-1) + np.sqrt((y**2).sum(-1)) + np.sqrt(((x - y) ** 2).sum(-1)))),
    "normalize": (I.normalize() + J, x / np.sqrt((x**2).sum(-1, keepdims=True)) + y),
    "distances": (I.sqdist(J), last(((x - y) ** 2).sum(-1))),
    "one weight": (I.weightedsqdist(J, Pm(0.5)), last(0.5 * ((x - y) ** 2).sum(-1))),
    "weights": (I.weightedsqdist(J, Q) + I.weightedsqnorm(Q), last((p * (x - y) ** 2).sum(-1) + (p * x**2).sum(-1))),
    "clamp": (I.clamp(-1, 1) + J.clamp(-0.5, K), np.clip(x, -1, 1) + np.minimum(np.maximum(y, -0.5), a)),
    "ifelse": ((I - J).ifelse(I, 0), np.where(x >= y, x, 0)),
    "mod": (I.mod(2) + J.mod(1, 0.5) + I.mod(L, -1), np.mod(x, 2) + (np.mod(y - 0.5, 1) + 0.5) + np.mod(x + 1, b) - 1),
    "products": (Pm(np.arange(6.0)).matvecmult(I) * L, (x @ np.arange(6.0).reshape(2, 3).T) * b),
    "vector times matrix": (I.vecmatmult(Pm(np.arange(6.0))) * L, (x @ np.arange(6.0).reshape(3, 2)) * b),
    "tensor product": (I.tensorprod(J), (x[..., :, None] * y[..., None, :]).reshape(5, 7, 9)),
    "tensordot": (I.tensorprod(J).keops_tensordot(J, [3, 3], [3], [1], [0]), np.einsum("ijk,ijl,ijl->ijk", x + 0 * y, y + 0 * x, y + 0 * x)),
    "kron": (I.keops_kron(J, [3], [3]), (x[..., :, None] * y[..., None, :]).reshape(5, 7, 9)),
    "elements": (I[0] + J[2] + I.elem(1), last(x[..., 0] + y[..., 2] + x[..., 1])),
    "parts": (I[1:] + J[:2] + I[:, :, 0:2] + J.extract(1, 2), x[..., 1:] + y[..., :2] + x[..., :2] + y[..., 1:]),
    "concat": (I.concat(J), np.concatenate([x + 0 * y, y + 0 * x], -1)),
    "concatenate": (LazyTensor.cat([I, J, K], -1), np.concatenate([x + 0 * y, y + 0 * x, a + 0 * y[..., :1]], -1)),
    "one hot": (LazyTensor.concatenate((L.floor().one_hot(2), K)), np.concatenate([1 + 0 * (a + b), 0 * (a + b), a + 0 * b], -1)),
    "inner extrema": (I.max(-1) + J.min(2) + I.argmax() + J.argmin(), last(x.max(-1) + y.min(-1) + x.argmax(-1) + y.argmin(-1))),
    "inner sum": ((I * J).sum(-1) + I.sum(2), last((x * y).sum(-1) + x.sum(-1))),
    "grad": (I.sqdist(J).grad(I, L), 2 * (x - y) * b),
    "diff": (I.sqdist(J).diff(I, J), last((2 * (x - y) * y).sum(-1))),
    "calculus": ((I**3).divergence(I) + I.sqnorm2().laplacian(I) * L, last((3 * x**2).sum(-1)) + 6 * b),
    "jacobian": ((I * J).grad_matrix(I), (y[..., None] * np.eye(3) + 0 * x[..., None]).reshape(5, 7, 9)),
    "factorize": ((I.exp() + I.exp() * J).factorize(I.exp()).auto_factorize(), np.exp(x) * (1 + y)),
    "transposed": ((Vi(Y) - 2 * Vj(X)).T, y - 2 * x),
    "three axes": (LazyTensor(x) - LazyTensor(y) * LazyTensor(p), x - y * p),
    "two axes": (LazyTensor(X, axis=0) + LazyTensor(Y, axis=1) + Var(P, cat=2), x + y + p),
}


@pytest.mark.parametrize("name", CASES)
def test_formulas(name):
    same(*CASES[name])


@pytest.mark.parametrize("axis", [0, 1])
def test_reductions(axis):
    f, dense = I - 2 * J, x - 2 * y
    d, dd = I.sqdist(J), ((x - y) ** 2).sum(-1)
    close(f.sum(axis=axis), dense.sum(axis))
    close(f.sum(dim=axis), dense.sum(axis))
    for method in ["min", "max", "argmin", "argmax"]:
        close(getattr(f, method)(axis=axis), getattr(dense, method)(axis))
        close(getattr(f, method + "_reduction")(axis=axis), getattr(dense, method)(axis))
    for method, value, place in [("min_argmin", dense.min, dense.argmin), ("max_argmax", dense.max, dense.argmax)]:
        values, places = getattr(f, method)(axis=axis)
        close(values, value(axis))
        assert (places == place(axis)).all() and places.dtype == np.int64
    sort = np.moveaxis(np.sort(dd, axis), axis, 1)[:, :3]
    order = np.moveaxis(np.argsort(dd, axis, kind="stable"), axis, 1)[:, :3]
    close(d.Kmin(3, axis=axis), sort)
    assert (d.argKmin(3, dim=axis) == order).all()
    values, places = d.Kmin_argKmin(K=3, axis=axis)
    close(values, sort)
    assert (places == order).all()
    e = np.exp(-dd)
    close((-d).logsumexp(axis=axis), np.log(e.sum(axis))[:, None])
    weight, ww = (J, y) if axis == 1 else (I, x)
    ww = np.broadcast_to(ww, (5, 7, 3))
    close((-d).logsumexp(axis, weight=weight**2), np.log((last(e) * ww**2).sum(axis)))
    close((-d).sumsoftmaxweight(weight, axis=axis), (last(e) * ww).sum(axis) / last(e.sum(axis)))


def test_options_reach_the_reduction():
    d = I.sqdist(J)
    out = np.empty((5, 1))
    assert d.sum(axis=1, out=out, backend="eval", sum_scheme="kahan_scheme") is out
    close(out, ((x - y) ** 2).sum((1, 2))[:, None])
    later = d.sum(axis=1, call=False)
    close(later(), out)
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        d.sum(axis=1, axes=1)


def test_a_matrix_times_vectors():
    kernel, dense = (-I.sqdist(J)).exp(), np.exp(-((x - y) ** 2).sum(-1))
    v, w = RNG.normal(size=7), RNG.normal(size=(7, 2))
    close(kernel @ v, dense @ v)
    close(kernel @ w, dense @ w)
    close(kernel.t() @ X, dense.T @ X)
    close(kernel.matvec(v), dense @ v)
    close(kernel.rmatvec(X[:, 0]), dense.T @ X[:, 0])
    assert kernel.shape == (5, 7) and kernel.T.shape == (7, 5) and (I - J).shape == (5, 7, 3) and kernel.dim() == 3


def test_float32_and_numbers():
    lazy = (Vi(X.astype("float32")) - Vj(Y.astype("float32"))) * 0.5 + [1.0, 2.0, 3.0]
    got = lazy.sum(axis=1)
    assert got.dtype == np.float32
    assert np.allclose(got, ((x - y) * 0.5 + np.array([1.0, 2.0, 3.0])).sum(1), rtol=1e-5, atol=1e-5)


def test_places_are_filled_by_a_call():
    f = (-Vi(0, 3).sqdist(Vj(1, 3)) / Pm(2, 1)).exp() * L
    reduction = f.sum(axis=1)
    close(reduction(X, Y, np.array([2.0])), last((np.exp(-((x - y) ** 2).sum(-1) / 2) * b[..., 0]).sum(1)))
    with pytest.raises(genred.UsageError, match="2 arrays are given for 3"):
        reduction(X, Y)
    with pytest.raises(genred.UsageError, match="each from 0 on"):
        Vi(1, 3).sum(axis=1)


def test_equal_formulas_share_a_kernel():
    first = ((I - J) ** 2).sum(axis=1, call=False)
    second = ((Vi(X + 1) - Vj(Y)) ** 2).sum(axis=1, call=False)
    assert first._operation is second._operation
    # A number with a point is an argument, not a part of the formula.
    assert (0.5 * I).sum(axis=1, call=False)._operation is (0.75 * I).sum(axis=1, call=False)._operation
    # An array that is used twice is one argument.
    assert len((I - Vi(X)).sum(axis=1, call=False)._operation.aliases) == 1


def test_long_sums_do_not_nest():
    f = I
    for k in range(300):
        f = f + J
    close(f.sum(axis=1), (x + 300 * y).sum(1))


@pytest.mark.parametrize(
    "error, text, make",
    [
        (genred.ShapeError, "5 and of 7 rows i", lambda: I + Vi(Y)),
        (genred.DTypeError, "float64 and of float32", lambda: I + Vj(Y.astype("float32"))),
        (genred.ShapeError, "dim 3", lambda: I + Pm([1.0, 2.0])),
        (genred.ShapeError, "stands for no rows", lambda: LazyTensor(X)),
        (genred.ShapeError, "stands for no rows", lambda: LazyTensor(np.ones((2, 3, 4)))),
        (genred.ShapeError, "stands for no rows", lambda: LazyTensor(np.ones((2, 5, 4, 3)))),
        (genred.DTypeError, "neither an array nor a number", lambda: I + "x"),
        (genred.UsageError, "axis 0 (i) or axis 1 (j)", lambda: I.logsumexp()),
        (genred.UsageError, "not 3", lambda: I.sum(axis=3)),
        (genred.ShapeError, "this one has dim 3", lambda: I @ Y),
        (genred.NotSupportedError, "step 1", lambda: I[::2]),
        (genred.DTypeError, "not an int", lambda: I.elem(0.5)),
        (ValueError, "", lambda: I[3]),
        (TypeError, "truth value", lambda: bool(I == J)),
        (genred.DTypeError, "ComplexLazyTensor", lambda: Vi(X * 1j)),
        (genred.NotSupportedError, "not defined for complex", lambda: ComplexLazyTensor(X * 1j, axis=0).sin()),
        (genred.LimitError, "longer than", lambda: doubled(17)),
    ],
)
def test_mistakes(error, text, make):
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)


def doubled(times):
    f = I
    for _ in range(times):
        f = f * f
    return f


def test_complex_numbers():
    zx, zy = X[:, :2] + 1j * X[:, 1:], Y[:, :2] - 2j * Y[:, 1:]
    z, w = ComplexLazyTensor(zx, axis=0), ComplexLazyTensor(zy[None])
    cx, cy = zx[:, None], zy[None]
    assert z.shape == (5, 1, 2)
    for lazy, dense in [
        (z + w, cx + cy),
        (z - w * 2, cx - cy * 2),
        (z * w, cx * cy),
        (z / w, cx / cy),
        (1 - (z + w), 1 - cx - cy),
        (1j / z + w, 1j / cx + cy),
        (-z * w.conj(), -cx * cy.conj()),
        (z * L + w, cx * b + cy),
        (L * z / K, b * cx / a),
        ((z * w).exp(), np.exp(cx * cy)),
        (z.real.exp1j() * w, np.exp(1j * cx.real) * cy),
        (I[:2].real2complex() + J[:2].imag2complex(), x[..., :2] + 1j * y[..., :2]),
        ((z * w).sum(-1), (cx * cy).sum(-1, keepdims=True)),
    ]:
        got = lazy.sum(axis=1)
        assert got.dtype == np.complex128
        close(got, np.broadcast_to(dense, (5, 7, dense.shape[-1])).sum(1))
    for lazy, dense in [(z.real, cx.real), (z.imag, cx.imag), (abs(z), abs(cx)), (z.angle(), np.angle(cx)), (z.abs(), abs(cx))]:
        close((lazy * L).sum(axis=1), (dense * b).sum(1))
    single = (ComplexLazyTensor(zx.astype("complex64"), axis=0) * LazyTensor(B.astype("float32"), axis=1)).sum(axis=1)
    assert single.dtype == np.complex64
    # Rows that are not adjacent.
    close((ComplexLazyTensor(zx[:, ::-1], axis=0) * w).sum(axis=0), (cx[..., ::-1] * cy).sum(0))


def test_documented_example_of_nearest_neighbours():
    x_i, y_j = LazyTensor(X[:, None, :]), LazyTensor(Y[None, :, :])
    D_ij = ((x_i - y_j) ** 2).sum(dim=2)
    s_i = D_ij.argmin(dim=1)
    assert (s_i == ((x - y) ** 2).sum(-1).argmin(1)[:, None]).all()
