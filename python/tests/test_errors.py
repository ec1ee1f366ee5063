"""What is refused, as what, and with which words."""

import genred
import numpy as np
import pytest
from genred.numpy import Genred, Vi, generic_argkmin, generic_sum

XY = ["x = Vi(3)", "y = Vj(3)"]
X, Y = np.ones((4, 3)), np.ones((5, 3))


def refused(error, text, call, *args, **options):
    with pytest.raises(error) as caught:
        call(*args, **options)
    assert isinstance(caught.value, genred.GenredError)
    assert text in str(caught.value)


def test_mistakes_in_texts_show_their_place():
    with pytest.raises(genred.FormulaError) as caught:
        Genred("Exp(-SqDist(x, z))", XY)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == (
        "unknown name `z`\n"
        "  formula: Exp(-SqDist(x, z))\n"
        "                          ^\n"
        "  help: the aliases are x, y"
    )
    refused(genred.ShapeError, "`x` has dim 3, `y` has dim 2", Genred, "SqDist(x, y)", ["x = Vi(3)", "y = Vj(2)"])
    refused(genred.FormulaError, "Vk", Genred, "x", ["x = Vk(3)"])
    refused(genred.ShapeError, "declared with dim 2", generic_sum, "SqDist(x, y)", "a = Vi(2)", *XY)
    refused(genred.ShapeError, "not a multiple", generic_argkmin, "x - y", "a = Vi(4)", *XY)
    refused(genred.LimitError, "65536", Genred, "x" + " + x" * 30_000, ["x = Vi(1)"])
    refused(genred.FormulaError, "", Genred, "__import__('os')", XY)


@pytest.mark.parametrize(
    "text, options",
    [
        ("did you mean", {"reduction_op": "argmin"}),
        ("needs K", {"reduction_op": "KMin"}),
        ("takes no K", {"reduction_op": "Sum", "opt_arg": 3}),
        ("small positive", {"reduction_op": "KMin", "opt_arg": -1}),
        ("needs a weight", {"reduction_op": "SumSoftMaxWeight"}),
        ("needs a weight", {"reduction_op": "LogSumExpWeight"}),
        ("takes no weight", {"reduction_op": "Sum", "formula2": "x"}),
        ("`axis` is 2", {"axis": 2}),
        ("`sum_scheme` is `fast`", {"sum_scheme": "fast"}),
        ("`dtype_acc` is `double`", {"dtype_acc": "double"}),
        ("cannot both be given", {"dtype_acc": "float64", "use_double_acc": True}),
        ("adds nothing up", {"reduction_op": "Min", "use_double_acc": True}),
        ("adds nothing up", {"reduction_op": "ArgMin", "sum_scheme": "kahan_scheme"}),
    ],
)
def test_options_that_do_not_fit(text, options):
    refused(genred.UsageError, text, Genred, "SqDist(x, y)", XY, **options)


def test_what_is_not_an_array_of_the_right_kind():
    op = Genred("SqDist(x, y)", XY, axis=1)
    for wrong in [[[1.0, 2.0, 3.0]], 1.0, None, "x", np.float64(1.0)]:
        refused(genred.DTypeError, "`y` is a ", op, X, wrong)
    assert issubclass(genred.DTypeError, TypeError)
    refused(genred.DTypeError, "`y` is an array of float32, but `x` is one of float64", op, X, Y.astype("float32"))
    for dtype in ["int64", "complex128", ">f8", "bool", "object", "longdouble"]:
        refused(genred.DTypeError, "`x` is an array of", op, X.astype(dtype), Y)
    refused(genred.DTypeError, "masked", op, np.ma.masked_array(X, X > 0), Y)


def test_shapes_that_do_not_fit():
    op = Genred("SqDist(x, y) * b", XY + ["b = Vj(1)"], axis=1)
    b = np.ones((5, 1))
    refused(genred.ShapeError, "2 arrays are given, but the formula has 3", op, X, Y)
    refused(genred.ShapeError, "`x` has dim 2", op, X[:, :2], Y, b)
    refused(genred.ShapeError, "`b` has 4", op, X, Y, b[:4])
    refused(genred.ShapeError, "`b` has shape (5,)", op, X, Y, b[:, 0])
    op = Genred("p * x", ["x = Vi(3)", "p = Pm(3)"], axis=1)
    refused(genred.ShapeError, "`p` has dim 2", op, X, np.ones(2))
    refused(genred.ShapeError, "`p` has 4 rows", op, X, X)


def test_numbers_that_are_not_aligned():
    raw = np.zeros(4 * 24 + 1, "uint8")
    crooked = raw[1:].view("float64").reshape(4, 3)
    assert not crooked.flags.aligned
    refused(genred.ShapeError, "multiples of their size", Genred("SqDist(x, y)", XY), crooked, Y)
    records = np.zeros(4, [("a", "f8"), ("b", "f4")])
    assert records["a"].strides == (12,)
    refused(genred.ShapeError, "multiples of their size", Genred("x", ["x = Vi(1)"]), records["a"].reshape(4, 1))


def test_out_that_does_not_fit():
    op = Genred("x - y", XY, axis=1)
    refused(genred.ShapeError, "`out` has shape (4, 1)", op, X, Y, out=np.empty((4, 1)))
    refused(genred.DTypeError, "`out` is an array of float32", op, X, Y, out=np.empty((4, 3), "float32"))
    refused(genred.DTypeError, "`out` is a list", op, X, Y, out=[])
    read_only = np.empty((4, 3))
    read_only.flags.writeable = False
    refused(genred.UsageError, "not writeable", op, X, Y, out=read_only)
    refused(genred.UsageError, "shares memory", op, X, Y, out=X)
    twice = np.lib.stride_tricks.as_strided(np.empty(12), (4, 3), (8, 8))
    refused(genred.ShapeError, "share addresses", op, X, Y, out=twice)
    op = Genred("x - y", XY, "Min_ArgMin", axis=1)
    refused(genred.UsageError, "tuple of two", op, X, Y, out=np.empty((4, 3)))
    op = Genred("x - y", XY, "ArgMin", axis=1)
    refused(genred.DTypeError, "array of int64", op, X, Y, out=np.empty((4, 3)))


@pytest.mark.parametrize("batch", [(), (2,)])
def test_no_out_is_written_before_all_are_checked(batch):
    op = Genred("x - y", XY, "Min_ArgMin", axis=1)
    x = np.ones((*batch, 4, 3))

    def untouched(error, text, first, second):
        first[...], second[...] = 7, 7
        before = first.copy(), second.copy()
        refused(error, text, op, x, Y, out=(first, second))
        assert (first == before[0]).all()
        assert (second == before[1]).all()

    values, indices = np.empty(x.shape), np.empty(x.shape, np.int64)
    untouched(genred.DTypeError, "array of int64", values, np.empty(x.shape))
    untouched(genred.ShapeError, "`out` has shape", values, indices[..., :1])
    untouched(genred.ShapeError, "`out` has shape", values[..., :1], indices)
    untouched(genred.UsageError, "shares memory", values, values.view(np.int64))


def test_what_is_not_there():
    op = Genred("x - y", XY, axis=1)
    refused(genred.DeviceError, "KeOps' ways to run on a device", op, X, Y, backend="GPU_1D")
    refused(genred.UsageError, "`backend` is `tpu`", op, X, Y, backend="tpu")
    refused(genred.UsageError, "sums would lose", Genred("x", ["x = Vi(3)"], dtype_acc="float32"), X)


def test_tensors_that_are_not_lent_are_named():
    class Tensor:
        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, **options):
            raise BufferError("it is needed elsewhere")

    op = Genred("SqDist(x, y)", XY, axis=1)
    refused(genred.DTypeError, "`y` is a Tensor that is not lent: it is needed elsewhere\n  help:", op, X, Tensor())
    refused(genred.DTypeError, "a Tensor is not lent: it is needed elsewhere", Vi, Tensor())
