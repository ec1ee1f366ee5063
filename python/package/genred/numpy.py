"""Reductions on NumPy arrays, called as in KeOps' module of the same name.

A formula is a string over *aliases*: ``x = Vi(3)`` is an array with a row of 3 numbers for every i, ``y = Vj(3)`` one with a row for
every j, ``p = Pm(2)`` a vector for the whole call. A reduction goes over j (``axis=1``) or over i (``axis=0``).

Arrays are float16, float32 or float64, of any strides, and are not copied. All arrays of a call have one dtype, which the result
has too; indices are int64, and -1 stands for one that does not exist. Other threads run while a call computes.
"""

from ._complex import ComplexLazyTensor
from ._lazy import LazyTensor, Pm, Var, Vi, Vj
from ._native import Operation as _Operation
from ._reduce import Reduction

__all__ = [
    "ComplexLazyTensor",
    "Genred",
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

    def __repr__(self):
        return f"Genred({self.formula!r}, {self.aliases!r}, {self.reduction_op!r})"


def _output(formula, output, aliases, reduction_op, options):
    return Genred(formula, list(aliases), reduction_op, output=output, **options)


def generic_sum(formula, output, *aliases, **options):
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


def generic_logsumexp(formula, output, *aliases, **options):
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


def generic_argmin(formula, output, *aliases, **options):
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


def generic_argkmin(formula, output, *aliases, **options):
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
