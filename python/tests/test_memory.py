"""Nothing is copied, tensors are lent, and children of a fork compute."""

import os
import subprocess
import sys

import genred
import numpy as np
import pytest
from genred.numpy import Genred, Vi, Vj

XY = ["x = Vi(3)", "y = Vj(3)"]

PEAK = """
import resource, sys
import numpy as np
from genred.numpy import Genred
layout = sys.argv[1]
y = np.ones((3, 20_000_000), "float32") if layout == "F" else np.ones((20_000_000, 3), "float32")
y = y.T if layout == "F" else y
x = np.zeros((20, 3), "float32")
op = Genred("SqDist(x, y)", ["x = Vi(3)", "y = Vj(3)"], "Min", axis=1)
op(x, y[:100_000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert (op(x, y) == 3).all()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, y.nbytes)
"""


@pytest.mark.parametrize("layout", ["C", "F"])
def test_inputs_are_not_copied(layout):
    out = subprocess.run([sys.executable, "-c", PEAK, layout], check=True, capture_output=True, text=True).stdout
    grown, size = map(int, out.split())
    assert size == 240_000_000
    assert grown < size / 20


class Tensor:
    """What is no array, but lends one: as tensors of other libraries do."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_tensors_are_lent():
    x, y = np.random.default_rng(1).normal(size=(4, 3)), np.ones((3, 5)).T
    op = Genred("SqDist(x, y)", XY, axis=1)
    assert (op(Tensor(x), Tensor(y)) == op(x, y)).all()


def test_tensors_of_another_library_are_lent():
    """The smallest one that speaks DLPack: its tensors are no arrays, and cannot be converted by NumPy's own protocol."""
    tvm_ffi = pytest.importorskip("tvm_ffi")
    x, y = np.random.default_rng(1).normal(size=(4, 3)), np.random.default_rng(2).normal(size=(5, 3))
    tensors = [tvm_ffi.from_dlpack(array) for array in (x, y)]
    assert not any(isinstance(tensor, np.ndarray) or hasattr(tensor, "__array__") for tensor in tensors)
    wanted = ((x[:, None] - y) ** 2).sum((1, 2))[:, None]
    op = Genred("SqDist(x, y)", XY, axis=1)
    assert np.allclose(op(*tensors), wanted, rtol=1e-14)
    # What is read is the library's own memory.
    x *= 2
    wanted = ((x[:, None] - y) ** 2).sum((1, 2))[:, None]
    assert np.allclose(op(*tensors), wanted, rtol=1e-14)
    assert np.allclose(Vi(tensors[0]).sqdist(Vj(tensors[1])).sum(axis=1), wanted, rtol=1e-14)


def test_tensors_of_pytorch_are_lent():
    """Runs where PyTorch is installed: a CPU is enough, but it is too large to be required."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(1)
    op = Genred("SqDist(x, y)", XY, axis=1)
    for dtype, tolerance in ((torch.float64, 1e-14), (torch.float32, 1e-6), (torch.float16, 1e-3)):
        x, y = (torch.from_numpy(rng.normal(size=(n, 3))).to(dtype) for n in (4, 5))
        wanted = ((x[:, None].double() - y.double()) ** 2).sum((1, 2))[:, None].numpy()
        assert np.allclose(op(x, y), wanted, rtol=tolerance)
    # Of any strides, and where they are: a change shows.
    x, y = torch.ones(3, 4, dtype=torch.float64).T, torch.zeros(10, 3, dtype=torch.float64)[::2]
    assert (op(x, y) == 15).all()
    x *= 2
    assert (op(x, y) == 60).all()
    assert (Vi(x).sqdist(Vj(y)).sum(axis=1) == 60).all()
    for tensor, why in ((x.clone().requires_grad_(), "detach"), (x.bfloat16(), "dtype"), (x.to("meta"), "meta")):
        with pytest.raises(genred.DTypeError, match=f"`x` is a Tensor that is not lent: .*{why}"):
            op(tensor, y)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_child_of_fork_computes():
    code = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from genred.numpy import Genred
op = Genred("SqDist(x, y)", ["x = Vi(3)", "y = Vj(3)"], axis=1)
x = np.ones((5000, 3)); y = np.zeros((5000, 3))
wanted = op(x, y)
child = os.fork()
if child == 0:
    os._exit(0 if (op(x, y) == wanted).all() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
