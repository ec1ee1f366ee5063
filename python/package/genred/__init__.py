"""Reductions over all pairs of points, compiled from a formula string in about a millisecond.

``a_i = Reduce_j F(x_i, y_j, p)`` for a formula F, without a compiler on the machine and without the M x N matrix of pairs.
`genred.numpy` has everything that computes; arrays are NumPy arrays, or tensors on the CPU that lend themselves by DLPack.

Examples
--------
>>> import numpy as np
>>> from genred.numpy import generic_sum
>>> density = generic_sum("Exp(-SqDist(x, y))", "a = Vi(1)", "x = Vi(2)", "y = Vj(2)")
>>> x, y = np.zeros((3, 2)), np.zeros((1000, 2))
>>> density(x, y)
array([[1000.],
       [1000.],
       [1000.]])
"""

import os

from . import _native, errors
from ._native import VERSION as __version__
from .errors import (
    DeviceError,
    DTypeError,
    FormulaError,
    GenredError,
    LimitError,
    NotSupportedError,
    ShapeError,
    UnsolvedError,
    UsageError,
)

__all__ = [
    "__version__",
    "DTypeError",
    "DeviceError",
    "FormulaError",
    "GenredError",
    "LimitError",
    "NotSupportedError",
    "ShapeError",
    "UnsolvedError",
    "UsageError",
    "errors",
    "num_threads",
    "set_num_threads",
]

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_native.after_fork)


def set_num_threads(count: int) -> None:
    """Run calls on this many threads from now on.

    Results have the same bits for any number.

    Parameters
    ----------
    count : int
        0 for as many as the machine has processors.

    Examples
    --------
    >>> import genred
    >>> genred.set_num_threads(1)
    >>> genred.num_threads()
    1
    >>> genred.set_num_threads(0)
    """
    _native.set_threads(count)


def num_threads() -> int:
    """The number of threads that calls run on.

    Returns
    -------
    int
        As many as the machine has processors, or as the environment variable ``RAYON_NUM_THREADS`` says, until
        `set_num_threads` is called.
    """
    return _native.threads()
