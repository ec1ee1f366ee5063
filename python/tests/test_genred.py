"""Reductions of `genred.numpy` against the same written with NumPy."""

import copy
import pickle
import threading

import numpy as np
import pytest
from genred.numpy import Genred, generic_argkmin, generic_argmin, generic_logsumexp, generic_sum

XY = ["x = Vi(3)", "y = Vj(3)"]
TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}
DTYPES = list(TOLERANCE)


def cloud(rows, dim=3, dtype="float64", seed=0):
    return np.random.default_rng(seed + rows).normal(size=(rows, dim)).astype(dtype)


def sqdist(x, y):
    x, y = x.astype("float64"), y.astype("float64")
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def close(got, wanted, dtype="float64"):
    assert got.shape == wanted.shape
    assert np.allclose(got, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_four_documented_reductions(dtype):
    x, y = cloud(7, dtype=dtype), cloud(11, dtype=dtype)
    d = sqdist(x, y)
    a = generic_sum("Exp(-SqDist(x, y))", "a = Vi(1)", *XY)(x, y)
    assert a.dtype == dtype
    close(a, np.exp(-d).sum(1, keepdims=True), dtype)
    a = generic_logsumexp("-SqDist(x, y)", "a = Vi(1)", *XY)(x, y)
    assert a.dtype == dtype
    close(a, np.log(np.exp(-d).sum(1, keepdims=True)), dtype)
    a = generic_argmin("SqDist(x, y)", "a = Vi(1)", *XY)(x, y)
    assert a.dtype == np.int64
    assert (a == d.argmin(1)[:, None]).all()
    a = generic_argkmin("SqDist(x, y)", "a = Vi(4)", *XY)(x, y)
    assert a.dtype == np.int64
    assert (a == d.argsort(1, kind="stable")[:, :4]).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_every_reduction_over_either_axis(axis):
    x, y, b = cloud(6), cloud(9), cloud(9, 2)
    f = x[:, None] - y[None]
    d = sqdist(x, y)

    def op(formula, reduction, **options):
        return Genred(formula, XY + ["b = Vj(2)"], reduction, axis=axis, **options)(x, y, b)

    over = 1 if axis == 1 else 0
    rows = np.ones((6, 9, 1)) * b[None]
    close(op("x - y", "Sum"), f.sum(over))
    close(op("x - y", "Min"), f.min(over))
    close(op("x - y", "Max"), f.max(over))
    assert (op("x - y", "ArgMin") == f.argmin(over)).all()
    assert (op("x - y", "ArgMax") == f.argmax(over)).all()
    for name, values, places in [("Min_ArgMin", f.min, f.argmin), ("Max_ArgMax", f.max, f.argmax)]:
        value, place = op("x - y", name)
        close(value, values(over))
        assert (place == places(over)).all()
    order = np.moveaxis(f.argsort(over, kind="stable"), over, 1)[:, :2]
    sort = np.moveaxis(np.sort(f, over), over, 1)[:, :2]
    close(op("x - y", "KMin", opt_arg=2), sort)
    assert (op("x - y", "ArgKMin", opt_arg=2) == order).all()
    value, place = op("x - y", "KMin_ArgKMin", opt_arg=2)
    close(value, sort)
    assert (place == order).all()
    e = np.exp(-d)
    close(op("-SqDist(x, y)", "LogSumExp"), np.log(e.sum(over))[:, None])
    weighted = (e[..., None] * rows**2).sum(over)
    close(op("-SqDist(x, y)", "LogSumExp", formula2="b**2"), np.log(weighted))
    close(op("-SqDist(x, y)", "SumSoftMaxWeight", formula2="b**2"), weighted / e.sum(over)[:, None])
    raw = op("-SqDist(x, y)", "Max_SumShiftExp")
    close(raw[:, :1] + np.log(raw[:, 1:]), np.log(e.sum(over))[:, None])


def test_keywords_default_as_in_keops():
    x, y = cloud(4), cloud(5)
    a = Genred("SqDist(x, y)", XY)(x, y, backend="CPU", device_id=-1, ranges=None, out=None)
    close(a, sqdist(x, y).sum(0)[:, None])
    a = Genred("SqDist(x, y)", XY, "Sum", 1, None, None, None, None, "auto", False, "auto", True, False, True)(x, y)
    close(a, sqdist(x, y).sum(1)[:, None])


@pytest.mark.parametrize(
    "options",
    [
        {"sum_scheme": "direct_sum"},
        {"sum_scheme": "block_sum"},
        {"sum_scheme": "kahan_scheme"},
        {"dtype_acc": "float64"},
        {"dtype_acc": "float32"},
        {"use_double_acc": True},
        {"enable_chunks": False, "rec_multVar_highdim": True, "use_fast_math": False},
    ],
)
def test_ways_to_add_up(options):
    x, y = cloud(3, 3, "float32"), cloud(700, 3, "float32")
    close(Genred("Exp(-SqDist(x, y))", XY, axis=1, **options)(x, y), np.exp(-sqdist(x, y)).sum(1)[:, None], "float32")


def test_double_accumulators_keep_what_float32_loses():
    ones = np.ones((50_000_000 // 4096, 1), "float32")
    x = np.zeros((1, 1), "float32")
    formula = "Sum(SumT(y, 4096)) * 1.0001"
    exact = len(ones) * 4096 * 1.0001
    a = Genred(formula, ["x = Vi(1)", "y = Vj(1)"], axis=1, dtype_acc="float64")(x, ones)
    assert a.dtype == np.float32
    assert abs(float(a[0, 0]) - exact) <= np.spacing(np.float32(exact))


def test_deprecated_keywords_warn():
    with pytest.warns(DeprecationWarning, match="dtype of the arrays"):
        Genred("x", ["x = Vi(1)"], axis=1, dtype="float32")


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_strides(dtype):
    x, y = cloud(8, 3, dtype), cloud(40, 3, dtype)
    op = Genred("Exp(-SqDist(x, y))", XY, axis=1)
    wanted = op(x, y)
    assert (op(np.asfortranarray(x), np.asfortranarray(y)) == wanted).all()
    wide = np.zeros((16, 9), dtype)
    wide[::2, 1::3] = x
    assert (op(wide[::2, 1::3], y) == wanted).all()
    assert (op(x[::-1, ::-1], y[:, ::-1])[::-1] == op(np.ascontiguousarray(x[:, ::-1]), np.ascontiguousarray(y[:, ::-1]))).all()
    assert (op(x[:1].repeat(8, 0), y) == op(np.broadcast_to(x[:1], (8, 3)), y)).all()
    read_only = x.copy()
    read_only.flags.writeable = False
    assert (op(read_only, y) == wanted).all()


def test_parameters_of_every_shape():
    x, y = cloud(3), cloud(4)
    op = Genred("p * SqDist(x, y)", XY + ["p = Pm(1)"], axis=1)
    wanted = 0.5 * sqdist(x, y).sum(1)[:, None]
    for p in [np.array([0.5]), np.array(0.5), np.array([[0.5]]), np.array([0.5, 7.0])[::2]]:
        close(op(x, y, p), wanted)
    op = Genred("p | (x - y)", XY + ["p = Pm(3)"], axis=1)
    p = np.array([1.0, 2.0, 3.0])
    close(op(x, y, p), ((x[:, None] - y[None]) @ p).sum(1)[:, None])


def test_degenerate_sizes():
    op = Genred("x * y", ["x = Vi(2)", "y = Vj(2)"], "Sum", axis=1)
    assert op(np.ones((0, 2)), np.ones((3, 2))).shape == (0, 2)
    assert (op(np.ones((3, 2)), np.ones((0, 2))) == 0).all()
    value, place = Genred("x * y", ["x = Vi(2)", "y = Vj(2)"], "Min_ArgMin", axis=1)(np.ones((3, 2)), np.ones((0, 2)))
    assert (value == np.inf).all() and (place == -1).all()
    place = Genred("x - y", ["x = Vi(1)", "y = Vj(1)"], "ArgKMin", axis=1, opt_arg=3)(np.zeros((1, 1)), np.ones((2, 1)))
    assert place.tolist() == [[0, 1, -1]]
    only_rows = Genred("Sum(x)", ["x = Vi(3)"], axis=1)
    close(only_rows(np.arange(6.0).reshape(2, 3)), np.array([[3.0], [12.0]]))


def test_out_is_written_and_returned():
    x, y = cloud(5), cloud(6)
    op = Genred("x - y", XY, axis=1)
    wanted = op(x, y)
    for out in [np.empty((5, 3)), np.empty((3, 5)).T, np.empty((10, 6))[::2, ::2], np.empty((5, 3))[::-1]]:
        assert op(x, y, out=out) is out
        assert (out == wanted).all()
    places = np.empty((5, 3), "int64")
    assert Genred("x - y", XY, "ArgMin", axis=1)(x, y, out=places) is places
    assert (places == (x[:, None] - y[None]).argmin(1)).all()
    kept = np.empty((5, 2, 3))
    Genred("x - y", XY, "KMin", axis=1, opt_arg=2)(x, y, out=kept)
    assert (kept == Genred("x - y", XY, "KMin", axis=1, opt_arg=2)(x, y)).all()
    pair = (np.empty((5, 3)), np.empty((5, 3), "int64"))
    assert Genred("x - y", XY, "Max_ArgMax", axis=1)(x, y, out=pair) is pair
    assert (pair[1] == (x[:, None] - y[None]).argmax(1)).all()


def test_engines_by_name_agree_bit_for_bit():
    x, y = cloud(9), cloud(300)
    op = Genred("Exp(-SqDist(x, y))", XY, axis=1)
    assert (op(x, y, backend="clif") == op(x, y)).all()
    close(op(x, y, backend="eval"), op(x, y))
    assert op.engine("float64", "clif") == "clif"
    assert "exp" in op.explain("program")


def test_threads_share_an_operation():
    x, y = cloud(50), cloud(2000)
    op = Genred("Exp(-SqDist(x, y))", XY, axis=1)
    results = [None] * 8

    def work(k):
        results[k] = op(x, y)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = op(x, y)
    assert all((result == wanted).all() for result in results)


def test_repr_and_attributes():
    op = Genred("SqDist(x, y)", XY, "LogSumExp", axis=1, formula2="y")
    assert repr(op) == "Genred('SqDist(x, y)', ['x = Vi(3)', 'y = Vj(3)'], 'LogSumExp')"
    assert (op.formula, op.formula2, op.reduction_op) == ("SqDist(x, y)", "y", "LogSumExp")


@pytest.mark.parametrize("dup", [copy.copy, copy.deepcopy, lambda op: pickle.loads(pickle.dumps(op))])
def test_copies_and_pickles_compute_the_same(dup):
    x, y = cloud(4), cloud(5)
    for op in [
        Genred("-SqDist(x, y)", XY, "LogSumExp", axis=1, formula2="y**2", use_double_acc=True),
        Genred("x - y", XY, "KMin", 0, opt_arg=2),
        generic_argkmin("x - y", "a = Vj(6)", *XY),
    ]:
        again = dup(op)
        assert type(again) is Genred and repr(again) == repr(op)
        assert (again(x, y) == op(x, y)).all()
