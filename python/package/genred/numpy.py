"""Reductions on NumPy arrays, called as in KeOps' module of the same name.

A formula is a string over *aliases*: ``x = Vi(3)`` is an array with a row of 3 numbers for every i, ``y = Vj(3)`` one with a row for
every j, ``p = Pm(2)`` a vector for the whole call. A reduction goes over j (``axis=1``) or over i (``axis=0``).

Arrays are float16, float32 or float64, of any strides, and are not copied. All arrays of a call have one dtype, which the result
has too; indices are int64, and -1 stands for one that does not exist. Other threads run while a call computes.

Axes before the last two (of parameters, before the last) are batch dimensions: aligned at the right and broadcast as NumPy does.
A parameter alone makes no batch: give another array an axis of length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ._complex import ComplexLazyTensor
from ._lazy import IndexI, IndexJ, LazyTensor, Pm, Var, Vi, Vj
from ._native import Operation as _Operation
from ._reduce import Reduction

from .errors import NotSupportedError

__all__ = [
    "ComplexLazyTensor",
    "Genred",
    "IndexI",
    "IndexJ",
    "KernelSolve",
    "LazyTensor",
    "Pm",
    "Reduction",
    "Var",
    "Vi",
    "Vj",
    "generic_argkmin",
    "generic_argmin",
    "generic_logsumexp",
    "generic_sum",
]


class Genred(_Operation):
    """A reduction of a formula, called on arrays.

    The texts are checked here; code is compiled, or found in the cache, when it is first called with arrays of a dtype.

    Parameters
    ----------
    formula : str
        F, in the language of KeOps: ``"Exp(-SqDist(x, y) / s) * b"``.
    aliases : list of str
        The arguments of a call in order: ``["x = Vi(3)", "y = Vj(3)", "s = Pm(1)", "b = Vj(2)"]``.
    reduction_op : str
        ``Sum``, ``LogSumExp``, ``SumSoftMaxWeight``, ``Max_SumShiftExp``, ``Min``, ``Max``, ``ArgMin``, ``ArgMax``, ``Min_ArgMin``,
        ``Max_ArgMax``, ``KMin``, ``ArgKMin`` or ``KMin_ArgKMin``.
    axis : int
        1 reduces over j and leaves a row for every i; 0, the default, reduces over i.
    dtype, cuda_type : optional
        Ignored, with a warning: the arrays have the dtype.
    opt_arg : int, optional
        K, for the reductions that keep K values.
    formula2 : str, optional
        The weight, for ``LogSumExp`` and ``SumSoftMaxWeight``.
    dtype_acc : str
        ``"auto"``, or the dtype that sums are computed in if it is a wider one: ``"float32"``, ``"float64"``.
    use_double_acc : bool
        The same as ``dtype_acc="float64"``.
    sum_scheme : str
        ``"auto"``, ``"block_sum"``, ``"direct_sum"`` or ``"kahan_scheme"``.
    enable_chunks, rec_multVar_highdim, use_fast_math : bool
        They tune KeOps' code for GPUs and do nothing here.

    output : str, optional
        ``"a = Vi(D)"``: says instead of `axis` what the result has rows for, and how many numbers a row.
    keep : str or list of str, optional
        Conditions that a pair must meet to take part: comparisons of sums and multiples of ``IndexI``, ``IndexJ`` and integers,
        joined by ``*`` (and) or ``+`` (or). Blocks of other pairs cost nothing.

    A call takes the arrays, and the options ``backend`` ("auto", "CPU" or the name of an engine), ``device_id`` (ignored), ``ranges``
    (the pairs that take part, see `genred.cluster`) and ``out`` (where to write the result; for indices an int64 array, for values and
    indices a tuple of two arrays).

    Examples
    --------
    The two nearest columns of every row, and how far they are:

    >>> import numpy as np
    >>> from genred.numpy import Genred
    >>> nearest = Genred(
    ...     "SqDist(x, y)", ["x = Vi(1)", "y = Vj(1)"], reduction_op="KMin_ArgKMin", axis=1, opt_arg=2
    ... )
    >>> x = np.array([[0.0], [9.0]])
    >>> y = np.array([[1.0], [5.0], [10.0]])
    >>> values, indices = nearest(x, y)
    >>> values
    array([[ 1., 25.],
           [ 1., 16.]])
    >>> indices
    array([[0, 1],
           [2, 1]])

    The nearest other point, for two clouds at once:

    >>> other = Genred("SqDist(x, y)", ["x = Vi(1)", "y = Vj(1)"], "ArgMin", axis=1, keep="IndexI != IndexJ")
    >>> x = np.array([[[0.0], [1.0], [9.0]], [[5.0], [0.0], [4.0]]])
    >>> other(x, x)[..., 0]
    array([[1, 0, 1],
           [2, 2, 0]])

    A mistake is shown where it is:

    >>> Genred("SqDist(x, z)", ["x = Vi(1)", "y = Vj(1)"])
    Traceback (most recent call last):
    ...
    genred.errors.FormulaError: unknown name `z`
      formula: SqDist(x, z)
                         ^
      help: the aliases are x, y
    """

    __slots__ = ()

    def grad(self, name: str) -> Any:
        """The gradient of the reduction by the argument of this name.

        Parameters
        ----------
        name : str
            An alias.

        Returns
        -------
        callable
            Called with the arrays of the reduction and a seed shaped like its result (M rows of all its numbers), it returns the
            gradient of ``(seed * result).sum()``, shaped like the argument.

        Examples
        --------
        >>> import numpy as np
        >>> from genred.numpy import Genred
        >>> energy = Genred("SqDist(x, y)", ["x = Vi(1)", "y = Vj(1)"], axis=1)
        >>> x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [5.0]])
        >>> energy.grad("x")(x, y, np.ones((2, 1)))
        array([[-6.],
               [-2.]])
        """
        return super().grad(name)

    def __repr__(self) -> str:
        return f"Genred({self.formula!r}, {self.aliases!r}, {self.reduction_op!r})"


class KernelSolve:
    """The solution a of ``(alpha I + K) a = b`` by conjugate gradients, where ``K b`` is a sum that is linear in one argument.

    Parameters
    ----------
    formula : str
        F, linear in the argument `varinvalias`.
    aliases : list of str
        The arguments in order.
    varinvalias : str
        The alias of b, which is summed over.
    axis : int
        As for `Genred`.
    dtype, opt_arg, dtype_acc, use_double_acc, sum_scheme, enable_chunks, rec_multVar_highdim, use_fast_math, keep
        As for `Genred`, of a sum.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import Genred, KernelSolve
    >>> formula, aliases = "Exp(-SqDist(x, y)) * b", ["x = Vi(1)", "y = Vj(1)", "b = Vj(2)"]
    >>> x = np.linspace(0, 5, 20).reshape(-1, 1)
    >>> b = np.concatenate([np.sin(x), np.cos(x)], axis=1)
    >>> solve = KernelSolve(formula, aliases, "b", axis=1)
    >>> a = solve(x, x, b, alpha=0.1)
    >>> back = Genred(formula, aliases, axis=1)(x, x, a) + 0.1 * a
    >>> bool(abs(back - b).max() < 1e-5)
    True
    >>> solve.iterations < 20
    True
    """

    def __init__(
        self,
        formula: str,
        aliases: Sequence[str],
        varinvalias: str,
        axis: Literal[0, 1] = 0,
        dtype: object = None,
        opt_arg: int | None = None,
        dtype_acc: Literal["auto", "float16", "float32", "float64"] = "auto",
        use_double_acc: bool = False,
        sum_scheme: Literal["auto", "direct_sum", "block_sum", "kahan_scheme"] = "auto",
        enable_chunks: bool = True,
        rec_multVar_highdim: bool | None = None,  # noqa: N803 - KeOps' keyword
        use_fast_math: bool = True,
        *,
        keep: str | Sequence[str] | None = None,
    ):
        self._operation = Genred(
            formula,
            list(aliases),
            axis=axis,
            dtype=dtype,
            opt_arg=opt_arg,
            dtype_acc=dtype_acc,
            use_double_acc=use_double_acc,
            sum_scheme=sum_scheme,
            keep=None if keep is None else [keep] if isinstance(keep, str) else list(keep),
        )
        self._vector = varinvalias.replace(" ", "")
        #: The largest norm of ``b - (alpha I + K) a`` relative to that of b in the last call.
        self.residual: float | None = None
        #: Iterations of the last call.
        self.iterations: int | None = None

    def __call__(
        self,
        *args: Any,
        backend: str = "auto",
        device_id: int = -1,
        alpha: float = 1e-10,
        eps: float | None = None,
        ranges: Any = None,
        max_iterations: int | None = None,
        rank: int | None = None,
    ) -> Any:
        """Solve for the arrays of the formula, with b in its place.

        Parameters
        ----------
        *args : array
            The arguments of the formula in order.
        alpha : float
            What is added to the diagonal of K.
        eps : float, optional
            How small the norm of the residual must be relative to that of b: 1e-6, or 1e-4 for float32.
        max_iterations : int, optional
            1000.
        rank : int, optional
            The rank of an approximation of K that preconditions: it saves most iterations for smooth kernels.

        Returns
        -------
        array shaped like b

        Raises
        ------
        UnsolvedError
            If K is not positive definite or `eps` was not reached.
        """
        if ranges is not None:
            raise NotSupportedError("`KernelSolve` does not take ranges yet")
        if backend not in ("auto", "CPU", "cpu"):
            raise NotSupportedError("`KernelSolve` runs on the CPU: `backend` is \"auto\" or \"CPU\"")
        solution, self.residual, self.iterations = self._operation.solve(self._vector, args, alpha, eps, max_iterations, rank)
        return solution


def _output(formula: str, output: str, aliases: Sequence[str], reduction_op: str, options: dict[str, Any]) -> Genred:
    return Genred(formula, list(aliases), reduction_op, output=output, **options)


def generic_sum(formula: str, output: str, *aliases: str, **options: Any) -> Genred:
    """``a_i = sum_j F(x_i, y_j, p)``, or over i if the output is ``Vj``.

    Parameters
    ----------
    formula : str
        F.
    output : str
        ``"a = Vi(D)"``: a row for every i, of as many numbers as F has.
    *aliases : str
        The arguments of a call in order.
    **options
        Those of `Genred`.

    Returns
    -------
    Genred
        Called on arrays, it returns one of shape (M, D).

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import generic_sum
    >>> smooth = generic_sum("Exp(-SqDist(x, y)) * b", "a = Vi(2)", "x = Vi(3)", "y = Vj(3)", "b = Vj(2)")
    >>> x, y, b = np.ones((4, 3)), np.ones((5, 3)), np.arange(10.0).reshape(5, 2)
    >>> smooth(x, y, b)[0]
    array([20., 25.])
    """
    return _output(formula, output, aliases, "Sum", options)


def generic_logsumexp(formula: str, output: str, *aliases: str, **options: Any) -> Genred:
    """``a_i = log sum_j exp F(x_i, y_j, p)``, without overflow; F has dim 1.

    Parameters
    ----------
    formula, output, *aliases, **options
        See `generic_sum`; with the option ``formula2`` the exponentials are multiplied by that weight.

    Returns
    -------
    Genred
        Called on arrays, it returns one of shape (M, 1), or (M, dim of the weight).

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import generic_logsumexp
    >>> lse = generic_logsumexp("x - y", "a = Vi(1)", "x = Vi(1)", "y = Vj(1)")
    >>> lse(np.array([[1000.0]]), np.zeros((2, 1)))
    array([[1000.69314718]])
    """
    return _output(formula, output, aliases, "LogSumExp", options)


def generic_argmin(formula: str, output: str, *aliases: str, **options: Any) -> Genred:
    """``a_i = argmin_j F(x_i, y_j, p)``, the lowest index of equal ones.

    Parameters
    ----------
    formula, output, *aliases, **options
        See `generic_sum`.

    Returns
    -------
    Genred
        Called on arrays, it returns int64 indices of shape (M, D).

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import generic_argmin
    >>> nearest = generic_argmin("SqDist(x, y)", "a = Vi(1)", "x = Vi(1)", "y = Vj(1)")
    >>> nearest(np.array([[0.9], [0.1]]), np.array([[0.0], [1.0], [1.0]]))
    array([[1],
           [0]])
    """
    return _output(formula, output, aliases, "ArgMin", options)


def generic_argkmin(formula: str, output: str, *aliases: str, **options: Any) -> Genred:
    """The indices of the K smallest ``F(x_i, y_j, p)`` over j, ascending by value.

    Parameters
    ----------
    formula, output, *aliases, **options
        See `generic_sum`; the output ``"a = Vi(K)"`` says how many, K times the dim of F.

    Returns
    -------
    Genred
        Called on arrays, it returns int64 indices of shape (M, K), or (M, K, D) if F has dim D > 1.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import generic_argkmin
    >>> nearest = generic_argkmin("SqDist(x, y)", "a = Vi(2)", "x = Vi(1)", "y = Vj(1)")
    >>> nearest(np.array([[0.9]]), np.array([[5.0], [1.0], [0.0]]))
    array([[1, 2]])
    """
    return Genred(formula, list(aliases), "ArgKMin", output=output, **options)
