"""Blocks of pairs, gradients and solves against NumPy on the whole matrix."""

import genred
import numpy as np
import pytest
from genred.cluster import cluster_ranges, from_matrix, grid_cluster, sort_clusters, swap_axes
from genred.numpy import Genred, KernelSolve, Vi, Vj

RNG = np.random.default_rng(3)
X, Y, B = RNG.normal(size=(6, 2)), RNG.normal(size=(5, 2)), RNG.normal(size=(5, 2))
ROWS, COLUMNS = [[0, 2], [2, 3], [3, 6]], [[0, 1], [1, 4], [4, 5]]
KEEP = np.array([[True, False, True], [False, False, False], [True, True, False]])
MASK = np.repeat(np.repeat(KEEP, [2, 1, 3], 0), [1, 3, 1], 1)
RANGES = from_matrix(ROWS, COLUMNS, KEEP)
ALIASES = ["x = Vi(2)", "y = Vj(2)", "b = Vj(2)"]
D = ((X[:, None] - Y[None]) ** 2).sum(-1)


def close(got, wanted):
    assert got.shape == wanted.shape
    assert np.allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_sums_over_blocks():
    k = np.where(MASK, np.exp(-D), 0)
    close(Genred("Exp(-SqDist(x, y)) * b", ALIASES, axis=1)(X, Y, B, ranges=RANGES), k @ B)
    close(Genred("Exp(-SqDist(x, y)) * x", ALIASES, axis=0)(X, Y, B, ranges=RANGES), k.T @ X)
    out = np.empty((6, 2))
    assert Genred("Exp(-SqDist(x, y)) * b", ALIASES, axis=1)(X, Y, B, ranges=list(RANGES), out=out) is out
    close(out, k @ B)
    swapped = swap_axes(RANGES)
    aliases = ["x = Vj(2)", "y = Vi(2)", "b = Vi(2)"]
    close(Genred("Exp(-SqDist(x, y)) * b", aliases, axis=0)(X, Y, B, ranges=swapped), k @ B)


def test_selections_over_blocks():
    d = np.where(MASK, D, np.inf)
    value, place = Genred("SqDist(x, y)", ALIASES, "Min_ArgMin", axis=1)(X, Y, B, ranges=RANGES)
    close(value, d.min(1)[:, None])
    wanted = np.where(MASK.any(1), d.argmin(1), -1)[:, None]
    assert (place == wanted).all()
    assert (Genred("SqDist(x, y)", ALIASES, "ArgMin", axis=1)(X, Y, B, ranges=RANGES) == wanted).all()


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16"])
def test_any_integers(dtype):
    ranges = [array.astype(dtype) for array in RANGES]
    close(Genred("1", ALIASES, axis=1)(X, Y, B, ranges=ranges), MASK.sum(1, keepdims=True) * 1.0)


def test_symbolic_arrays_carry_ranges():
    d = Vi(X).sqdist(Vj(Y))
    close((-d).exp().sum(axis=1, ranges=RANGES), np.where(MASK, np.exp(-D), 0).sum(1)[:, None])
    d.ranges = RANGES
    close((-d).exp().sum(axis=1), np.where(MASK, np.exp(-D), 0).sum(1)[:, None])
    close((-d).exp().T @ X[:, 0], np.where(MASK, np.exp(-D), 0).T @ X[:, 0])


@pytest.mark.parametrize(
    "text, ranges",
    [
        ("`ranges` are six arrays", RANGES[:3]),
        ("`ranges` are six arrays", 3),
        ("`slices_i`", (RANGES[0], RANGES[2], *RANGES[2:])),
        ("array of integers", (RANGES[0] * 1.0, *RANGES[1:])),
        ("there are 5 points j", (*RANGES[:2], RANGES[2] + 3, *RANGES[3:])),
        ("others", (*RANGES[:3], *from_matrix(ROWS, COLUMNS, ~KEEP)[3:])),
    ],
)
def test_ranges_that_do_not_fit(text, ranges):
    with pytest.raises(genred.GenredError) as caught:
        Genred("SqDist(x, y)", ALIASES, axis=1)(X, Y, B, ranges=ranges)
    assert text in str(caught.value) or text == "others" and "keep" in str(caught.value)


def test_clusters():
    points = RNG.uniform(0, 3, (50, 2))
    labels = grid_cluster(points, 1.0)
    cells = np.floor(points)
    assert all((labels[i] == labels[j]) == (cells[i] == cells[j]).all() for i in range(50) for j in range(50))
    (moved, again), ordered = sort_clusters((points, cells), labels)
    assert (np.diff(ordered) >= 0).all() and (np.floor(moved) == again).all()
    ranges = cluster_ranges(ordered)
    assert all((ordered[a:b] == c).all() for c, (a, b) in enumerate(ranges)) and ranges[-1, 1] == 50


@pytest.mark.parametrize("ranges", [None, RANGES])
@pytest.mark.parametrize("name, category", [("x", 0), ("y", 1), ("b", 1), ("s", 2)])
def test_gradients_against_differences(name, category, ranges):
    op = Genred("Exp(-s * SqDist(x, y)) * b", ALIASES + ["s = Pm(1)"], axis=1)
    arrays = [X, Y, B, np.array([0.7])]
    seed = RNG.normal(size=(6, 2))
    k = ["x", "y", "b", "s"].index(name)
    got = op.grad(name)(*arrays, seed, ranges=ranges)
    assert got.shape == arrays[k].shape
    wanted = np.zeros_like(arrays[k])
    for place in np.ndindex(wanted.shape):
        sides = []
        for h in (1e-5, -1e-5):
            moved = [array.copy() for array in arrays]
            moved[k][place] += h
            sides.append((seed * op(*moved, ranges=ranges)).sum())
        wanted[place] = (sides[0] - sides[1]) / 2e-5
    assert np.allclose(got, wanted, rtol=1e-7, atol=1e-8)


def test_gradients_that_are_not_there():
    op = Genred("SqDist(x, y)", ALIASES, axis=1)
    with pytest.raises(genred.UsageError, match="no argument is named `z`"):
        op.grad("z")
    with pytest.raises(genred.ShapeError, match="the seed is 6 x 2"):
        op.grad("x")(X, Y, B, np.ones((6, 2)))
    with pytest.raises(genred.ShapeError, match="the seed is 5 x 1"):
        op.grad("x")(X, Y, B, np.ones((5, 1)))


def test_solves():
    points, b = np.linspace(0, 4, 30).reshape(-1, 1), RNG.normal(size=(30, 2))
    k = np.exp(-((points - points.T) ** 2))
    wanted = np.linalg.solve(k + 0.5 * np.eye(30), b)
    aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(2)"]
    solve = KernelSolve("Exp(-SqDist(x, y)) * b", aliases, "b", axis=1)
    got = solve(points, points, b, alpha=0.5, eps=1e-12)
    assert np.allclose(got, wanted, rtol=1e-9, atol=1e-9)
    assert solve.residual <= 1e-12 and solve.iterations < 40
    kernel = (-Vi(points).sqdist(Vj(points))).exp()
    assert np.allclose(kernel.solve(b, alpha=0.5, eps=1e-12), wanted, rtol=1e-9, atol=1e-9)
    assert np.allclose(kernel.solve(Vi(b), alpha=0.5, eps=1e-12, rank=5), wanted, rtol=1e-9, atol=1e-9)
    place = Vj(np.zeros((30, 2)))
    assert np.allclose((kernel * place).solve(b, var=place, alpha=0.5, eps=1e-12), wanted, rtol=1e-9, atol=1e-9)
    assert np.allclose((kernel * 0.5).solve(b, alpha=0.25, eps=1e-12), 2 * wanted, rtol=1e-9, atol=1e-9)


def test_solves_that_are_none():
    points = np.linspace(0, 4, 30).reshape(-1, 1)
    aliases = ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"]
    with pytest.raises(genred.UnsolvedError):
        KernelSolve("-Exp(-SqDist(x, y)) * b", aliases, "b", axis=1)(points, points, points)
    with pytest.raises(genred.UsageError, match="linear"):
        KernelSolve("Exp(-SqDist(x, y)) * b**2", aliases, "b", axis=1)(points, points, points)
    with pytest.raises(genred.NotSupportedError):
        KernelSolve("Exp(-SqDist(x, y)) * b", aliases, "b", axis=1)(points, points, points, ranges=RANGES)
