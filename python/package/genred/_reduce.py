"""Reductions of symbolic arrays: which call they are, and that call."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ._terms import Text, agreed, named
from .errors import UsageError

if TYPE_CHECKING:
    from .numpy import Genred

_COMPILED = {"dtype_acc", "use_double_acc", "sum_scheme", "enable_chunks", "rec_multVar_highdim", "use_fast_math", "keep"}
_CALLED = {"backend", "device_id", "ranges", "out"}


@functools.lru_cache(maxsize=512)
def _operation(formula: str, aliases: tuple[str, ...], options: tuple[tuple[str, Any], ...]) -> Genred:
    from .numpy import Genred

    return Genred(formula, list(aliases), **dict(options))


def _conditions(keep: Any) -> tuple[str, ...]:
    """Texts of conditions that are given as texts or as symbolic arrays, one or several."""
    texts = []
    for condition in keep if isinstance(keep, (list, tuple)) else [keep]:
        if isinstance(condition, str):
            texts.append(condition)
            continue
        pieces = getattr(condition, "_text", Text((None,), 0)).pieces  # type: ignore[arg-type]
        if not all(isinstance(piece, str) for piece in pieces):
            raise UsageError("`keep` compares sums and multiples of `IndexI`, `IndexJ` and integers")
        texts.append("".join(map(str, pieces)))
    return tuple(texts)


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
        if options.get("keep") is not None:
            options["keep"] = _conditions(options["keep"])
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
        dtype, batch = agreed(self._variables)[2:]
        if dtype is None:
            dtypes = [array.dtype for array in arrays if isinstance(array, np.ndarray)]
            dtype = dtypes[0] if dtypes else np.dtype("float64")
        filled = list(arrays)
        for variable in self._variables[self._places :]:
            value = variable.value
            if batch and variable.category < 2 and value.ndim == 2:
                # So that the result has these axes even if all are of length 1 and of a parameter.
                value = value[(None,) * len(batch)]
            filled.append(value if isinstance(value, np.ndarray) else np.asarray(value, dtype).reshape(-1))
        return self._operation(*filled, **(self._called | options))

    def __repr__(self) -> str:
        op = self._operation
        return f"Reduction({op.formula!r}, {op.aliases!r}, {op.reduction_op!r})"
