"""Batch dimensions, conditions on pairs and the numbers of points, against the same written with NumPy."""

import pickle

import genred
import numpy as np
import pytest
from genred.numpy import ComplexLazyTensor, Genred, IndexI, IndexJ, KernelSolve, LazyTensor, Vi, Vj

XYP = ["x = Vi(2)", "y = Vj(2)", "p = Pm(1)"]
M, N = 5, 7
# Batch dimensions of x, y and p.
SHAPES = [
    ((3,), (3,), (3,)),
    ((2, 3), (3,), ()),
    ((2, 1), (1, 3), (2, 3)),
    ((1,), (), (4,)),
    ((1,), (4, 1, 2), (1, 1)),
    ((0, 2), (2,), (1,)),
]


def arrays(shapes, dtype="float64"):
    random = np.random.default_rng(1)
    inner = [(M, 2), (N, 2), (1,)]
    return [random.normal(size=(*batch, *axes)).astype(dtype) for batch, axes in zip(shapes, inner, strict=True)]


def formula(x, y, p):
    """p * |x - y|^2 for all pairs, of shape (..., M, N)."""
    return p[..., None] * ((x[..., :, None, :] - y[..., None, :, :]) ** 2).sum(-1)


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_batch_dimensions_are_broadcast(shapes, axis):
    x, y, p = arrays(shapes)
    f = formula(x, y, p)
    over = -1 if axis == 1 else -2

    def op(reduction, **options):
        return Genred("p * SqDist(x, y)", XYP, reduction, axis=axis, **options)(x, y, p)

    def same(got, wanted):
        assert got.shape == wanted.shape
        assert np.allclose(got, wanted, rtol=1e-12)

    batch = np.broadcast_shapes(*shapes)
    assert op("Sum").shape == (*batch, M if axis == 1 else N, 1)
    same(op("Sum"), f.sum(over)[..., None])
    same(op("LogSumExp"), np.log(np.exp(f).sum(over))[..., None])
    indices = op("ArgMin")
    assert indices.dtype == np.int64
    assert (indices == f.argmin(over)[..., None]).all()
    order = np.moveaxis(f.argsort(over), over, -1)[..., :3]
    values, indices = op("KMin_ArgKMin", opt_arg=3)
    assert (indices == order).all()
    same(values, np.moveaxis(np.sort(f, over), over, -1)[..., :3])


def test_several_components_are_kept_in_batches():
    x, y, _ = arrays(((2,), (), ()))
    values, indices = Genred("x - y", XYP[:2], "KMin_ArgKMin", axis=1, opt_arg=3)(x, y)
    f = np.moveaxis(x[:, :, None] - y[None, None], 2, -1)
    assert values.shape == indices.shape == (2, M, 3, 2)
    assert np.allclose(values, np.moveaxis(np.sort(f, -1)[..., :3], -1, -2))
    assert (indices == np.moveaxis(f.argsort(-1)[..., :3], -1, -2)).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_each_element_has_the_bits_of_its_own_call(dtype):
    x, y, p = arrays(((3,), (), (3,)), dtype)
    op = Genred("Exp(-p * SqDist(x, y))", XYP, axis=1)
    whole = op(x, y, p)
    assert whole.dtype == dtype
    for k in range(3):
        assert (whole[k] == op(x[k], y, p[k])).all()


def test_batches_of_any_strides_and_into_out():
    x, y, p = arrays(((3,), (3,), ()))
    op = Genred("p * SqDist(x, y)", XYP, "Min_ArgMin", axis=1)
    values, indices = op(x, y, p)
    turned = np.asfortranarray(x)[::-1]
    assert (op(turned, y[::-1], p)[0] == values[::-1]).all()
    out = (np.empty((3, 1, M)).swapaxes(1, 2), np.empty((3, M, 1), np.int64))
    assert op(x, y, p, out=out) is out
    assert (out[0] == values).all()
    assert (out[1] == indices).all()
    with pytest.raises(genred.ShapeError, match=r"`out` has shape \(5, 1\), but the result has \(3, 5, 1\)"):
        op(x, y, p, out=(np.empty((M, 1)), out[1]))


def test_batches_that_do_not_fit():
    x, y, p = arrays(((3,), (2,), ()))
    op = Genred("p * SqDist(x, y)", XYP, axis=1)
    with pytest.raises(genred.ShapeError, match="`y`"):
        op(x, y, p)
    with pytest.raises(genred.ShapeError, match="`y`"):
        op(x, y[0, 0], p)
    seed = np.ones((3, M, 1))
    with pytest.raises(genred.NotSupportedError, match="`x` has shape .3, 5, 2.: gradients"):
        op.grad("x")(x, y[0], p, seed)
    with pytest.raises(genred.NotSupportedError, match="batch dimensions"):
        KernelSolve("Exp(-SqDist(x, y)) * y", XYP[:2], "y", axis=1)(x, x)
    with pytest.raises(genred.ShapeError, match="batch dimensions"):
        LazyTensor(x[:, :, None]) - LazyTensor(y[:, None])


def test_one_parameter_as_a_row_makes_no_batch():
    x, y, p = arrays(((), (), (1,)))
    assert Genred("p * SqDist(x, y)", XYP, axis=1)(x, y, p).shape == (M, 1)


@pytest.mark.parametrize("shapes", SHAPES)
def test_symbolic_arrays_have_batch_dimensions(shapes):
    x, y, p = arrays(shapes)
    f = formula(x, y, p)
    batch = np.broadcast_shapes(*shapes)
    k = len(batch)
    lazy = LazyTensor(p[..., None, None, :]) * LazyTensor(x[..., :, None, :]).sqdist(LazyTensor(y[..., None, :, :]))
    assert lazy.shape == (*batch, M, N)
    assert lazy.nbatchdims == k
    assert np.allclose(lazy.sum(axis=k + 1), f.sum(-1)[..., None])
    assert np.allclose(lazy.sum(axis=k), f.sum(-2)[..., None])
    assert np.allclose(lazy.t().sum(axis=k), f.sum(-1)[..., None])
    assert lazy.sum(axis=k + 2).shape == lazy.sum(-1).shape == lazy.shape
    v, w = np.arange(N) * 1.0, np.arange(2.0 * N).reshape(N, 2)
    assert np.allclose(lazy @ v, f @ v)
    assert np.allclose(lazy @ w, f @ w)
    with pytest.raises(genred.UsageError, match="over axis"):
        lazy.argmin(axis=k + 3)


def test_a_batch_of_one_parameter_is_a_batch():
    x, y, _ = arrays(((), (), ()))
    lazy = LazyTensor(np.full((1, 1, 1, 1), 2.0)) * LazyTensor(x[:, None]).sqdist(LazyTensor(y[None]))
    assert lazy.shape == (1, M, N)
    assert np.allclose(lazy.sum(axis=2), 2 * formula(x, y, np.ones(1)).sum(-1)[None, :, None])


def test_complex_batches():
    z = np.random.default_rng(2).normal(size=(3, M, 1, 4)).view("complex128")
    w = np.random.default_rng(3).normal(size=(1, 1, N, 4)).view("complex128")
    lazy = ComplexLazyTensor(z) * ComplexLazyTensor(w)
    assert lazy.shape == (3, M, N, 2)
    assert np.allclose(lazy.sum(axis=2), (z * w).sum(2))
    assert np.allclose(lazy.abs().sum(axis=1), abs(z * w).sum(1))


PAIRS = [
    ("IndexI != IndexJ", lambda i, j: i != j, IndexI != IndexJ),
    ("IndexI < IndexJ", lambda i, j: i < j, IndexI < IndexJ),
    ("(IndexI - IndexJ <= 2) * (2*IndexJ - IndexI <= 3)", lambda i, j: (i - j <= 2) & (2 * j - i <= 3), None),
    (["IndexI >= IndexJ", "IndexJ != 1"], lambda i, j: (i >= j) & (j != 1), [IndexI >= IndexJ, IndexJ != 1]),
]


@pytest.mark.parametrize(("text", "mask", "symbolic"), PAIRS)
@pytest.mark.parametrize("axis", [0, 1])
def test_only_the_pairs_that_are_kept_take_part(text, mask, symbolic, axis):
    x, y, _ = arrays(((), (), ()))
    f = np.where(mask(*np.indices((M, N))), formula(x, y, np.ones(1)), 0)
    kept = Genred("SqDist(x, y)", XYP[:2], axis=axis, keep=text)
    assert np.allclose(kept(x, y), f.sum(axis)[:, None])
    assert kept.keep == ([text] if isinstance(text, str) else text)
    assert (pickle.loads(pickle.dumps(kept))(x, y) == kept(x, y)).all()
    for condition in (text, symbolic):
        if condition is not None:
            lazy = Vi(x).sqdist(Vj(y)).sum(axis=axis, keep=condition)
            assert (lazy == kept(x, y)).all()


def test_conditions_in_batches_are_on_the_rows_of_each_element():
    x, _, _ = arrays(((3,), (), ()))
    found = Genred("SqDist(x, y)", XYP[:2], "ArgMin", axis=1, keep="IndexI != IndexJ")(x, x)
    f = formula(x, x, np.ones(1)) + np.where(np.eye(M) == 1, np.inf, 0)
    assert (found == f.argmin(-1)[..., None]).all()


def test_numbers_of_points_in_formulas():
    x, y, _ = arrays(((), (), ()))
    i, j = np.indices((M, N))
    wanted = ((i - 2 * j)[..., None] * x[:, None]).sum(1)
    assert np.allclose(Genred("(IndexI - 2*IndexJ) * x", XYP[:2], axis=1)(x, y), wanted)
    lazy = (IndexI - 2 * IndexJ) * Vi(x) + 0 * Vj(y)
    assert np.allclose(lazy.sum(axis=1), wanted)
    assert np.allclose(lazy.t().sum(axis=0), wanted)


def test_conditions_that_are_none():
    with pytest.raises(genred.FormulaError, match="IndexI"):
        Genred("SqDist(x, y)", XYP[:2], axis=1, keep="x < y")
    with pytest.raises(genred.UsageError, match="`keep` compares"):
        Vi(np.ones((2, 1))).sum(axis=1, keep=Vi(np.ones((2, 1))) < 1)
    with pytest.raises(genred.UsageError, match="`keep` compares"):
        Vi(np.ones((2, 1))).sum(axis=1, keep=3)


def test_a_system_of_the_pairs_that_are_kept():
    x = np.linspace(0, 1, M)[:, None]
    b = np.sin(7 * x)
    solve = KernelSolve("Exp(-SqDist(x, y)) * b", ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"], "b", 1, None, None, keep="IndexI != IndexJ")
    k = np.exp(-((x - x.T) ** 2)) * (1 - np.eye(M)) + 5 * np.eye(M)
    assert np.allclose(solve(x, x, b, alpha=5, eps=1e-12), np.linalg.solve(k, b))
