from collections.abc import Sequence
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self, disjoint_base

__all__ = [
    "Gradient",
    "Operation",
    "VERSION",
    "after_fork",
    "dims_of",
    "largest_formula",
    "set_threads",
    "threads",
]

VERSION: str

@disjoint_base
class Operation:
    def __new__(
        cls,
        formula: str,
        aliases: Sequence[str],
        reduction_op: str = "Sum",
        axis: Literal[0, 1] = 0,
        dtype: object = None,
        opt_arg: int | None = None,
        formula2: str | None = None,
        cuda_type: object = None,
        dtype_acc: Literal["auto", "float16", "float32", "float64"] = "auto",
        use_double_acc: bool = False,
        sum_scheme: Literal["auto", "direct_sum", "block_sum", "kahan_scheme"] = "auto",
        enable_chunks: bool = True,
        rec_multVar_highdim: bool | None = None,
        use_fast_math: bool = True,
        *,
        output: str | None = None,
        keep: str | Sequence[str] | None = None,
    ) -> Self: ...
    def __call__(
        self,
        *args: Any,
        backend: str = "auto",
        device_id: int = -1,
        ranges: Sequence[NDArray[np.integer[Any]]] | None = None,
        out: Any = None,
    ) -> Any: ...
    def grad(self, name: str) -> Gradient: ...
    def solve(
        self,
        vector: str,
        args: tuple[Any, ...],
        alpha: float,
        eps: float | None,
        max_iterations: int | None,
        rank: int | None,
    ) -> tuple[NDArray[Any], float, int]: ...
    def explain(self, stage: str = "program", dtype: str = "float32", backend: str = "auto") -> str: ...
    def engine(self, dtype: str = "float32", backend: str = "auto") -> str: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str, list[str], str, int], dict[str, Any]]: ...
    @property
    def formula(self) -> str: ...
    @property
    def formula2(self) -> str | None: ...
    @property
    def aliases(self) -> list[str]: ...
    @property
    def keep(self) -> list[str]: ...
    @property
    def reduction_op(self) -> str: ...

@final
class Gradient:
    def __call__(self, *args: Any, ranges: Sequence[NDArray[np.integer[Any]]] | None = None) -> NDArray[Any]: ...
    @property
    def name(self) -> str: ...

def dims_of(formula: str, aliases: Sequence[str], weight: str | None = None) -> list[int]: ...
def largest_formula() -> int: ...
def set_threads(count: int) -> None: ...
def threads() -> int: ...
def after_fork() -> None: ...
