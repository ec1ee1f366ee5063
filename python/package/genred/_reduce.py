"""Reductions of symbolic arrays: which call they are, and that call."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ._terms import Text, agreed, named
from .errors import UsageError

if TYPE_CHECKING:
    from .numpy import Genred

_COMPILED = {"dtype_acc", "use_double_acc", "sum_scheme", "enable_chunks", "rec_multVar_highdim", "use_fast_math"}
_CALLED = {"backend", "device_id", "ranges", "out"}


@functools.lru_cache(maxsize=512)
def _operation(formula: str, aliases: tuple[str, ...], options: tuple[tuple[str, Any], ...]) -> Genred:
    from .numpy import Genred

    return Genred(formula, list(aliases), **dict(options))


class Reduction:
    """A reduction of a symbolic array that was not called yet: call it with the arrays of its symbolic variables.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import Vi, Vj
    >>> energy = Vi(0, 2).sqdist(Vj(1, 2)).sum(axis=1)
    >>> energy
    Reduction('SqDist(v0, v1)', ['v0 = Vi(2)', 'v1 = Vj(2)'], 'Sum')
    >>> energy(np.zeros((1, 2)), np.ones((3, 2)))
    array([[6.]])
    """

    def __init__(self, formula: Text, weight: Text | None, reduction_op: str, axis: int, options: dict[str, Any]):
        self._called = {key: options.pop(key) for key in list(options) if key in _CALLED}
        unknown = set(options) - _COMPILED - {"opt_arg"}
        if unknown:
            raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
        texts, aliases, self._variables = named([formula] if weight is None else [formula, weight])
        if weight is not None:
            options["formula2"] = texts[1]
        options |= {"reduction_op": reduction_op, "axis": axis}
        self._operation = _operation(texts[0], aliases, tuple(sorted(options.items())))
        self._places = sum(v.place is not None for v in self._variables)

    @property
    def waits(self) -> bool:
        """Whether it has symbolic variables."""
        return self._places > 0

    def __call__(self, *arrays: Any, **options: Any) -> Any:
        if len(arrays) != self._places:
            raise UsageError(f"{len(arrays)} arrays are given for {self._places} symbolic variables")
        _, _, dtype = agreed(self._variables)
        if dtype is None:
            dtypes = [array.dtype for array in arrays if isinstance(array, np.ndarray)]
            dtype = dtypes[0] if dtypes else np.dtype("float64")
        filled = list(arrays)
        for variable in self._variables[self._places :]:
            value = variable.value
            filled.append(value if isinstance(value, np.ndarray) else np.asarray(value, dtype).reshape(-1))
        return self._operation(*filled, **(self._called | options))

    def __repr__(self) -> str:
        op = self._operation
        return f"Reduction({op.formula!r}, {op.aliases!r}, {op.reduction_op!r})"
