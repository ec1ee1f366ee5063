"""Symbolic arrays of complex numbers: inside, real and imaginary parts take turns."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from ._lazy import LazyTensor, made
from ._reduce import Reduction
from ._terms import NEG, Text, call
from .errors import DTypeError, NotSupportedError, UsageError

__all__ = ["ComplexLazyTensor"]


def _parts(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The numbers as pairs of real ones, without a copy if those of a row are adjacent."""
    if array.shape[-1] != 1 and array.strides[-1] != array.itemsize:
        array = np.ascontiguousarray(array)
    real = array.view if array.flags.c_contiguous else np.ascontiguousarray(array).view
    return real({"complex64": "float32", "complex128": "float64"}[array.dtype.name])


class ComplexLazyTensor(LazyTensor):
    """A symbolic array of complex numbers.

    Parameters
    ----------
    x : array, complex or list
        As for `LazyTensor`, of complex64 or complex128.
    axis : int, optional
        As for `LazyTensor`.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import ComplexLazyTensor
    >>> x, y = np.array([[1j], [2.0 + 0j]]), np.array([[1.0 + 1j], [0j]])
    >>> z = ComplexLazyTensor(x[:, None]) * ComplexLazyTensor(y[None])
    >>> z.shape
    (2, 2)
    >>> z.sum(axis=1)
    array([[-1.+1.j],
           [ 2.+2.j]])
    >>> z.conj().imag.sum(axis=0)
    array([[-3.],
           [ 0.]])
    """

    def __init__(self, x: Any, axis: int | None = None):
        if isinstance(x, LazyTensor):
            self._take(x if isinstance(x, ComplexLazyTensor) else x.real2complex())
            return
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x.item()
        if isinstance(x, numbers.Complex):
            x = [x]
        if isinstance(x, (list, tuple)):
            values = [complex(value) for value in x]
            super().__init__([part for value in values for part in (value.real, value.imag)])
            return
        if not isinstance(x, np.ndarray) or x.dtype not in (np.complex64, np.complex128):
            raise DTypeError("a `ComplexLazyTensor` is made of an array of complex64 or complex128")
        super().__init__(_parts(x), axis)

    def _lift(self, other: Any) -> LazyTensor:
        """A complex operand."""
        if isinstance(other, LazyTensor):
            return other if isinstance(other, ComplexLazyTensor) else other.real2complex()
        if isinstance(other, numbers.Integral) and not isinstance(other, bool):
            return LazyTensor(int(other)).real2complex()
        if isinstance(other, np.ndarray) and other.dtype.kind == "f":
            return LazyTensor(other).real2complex()
        return ComplexLazyTensor(other)

    @property
    def _shape(self) -> tuple[int, ...]:
        *axes, dim = super()._shape
        return (*axes, dim // 2)

    def _complex(self, name: str, *operands: LazyTensor) -> LazyTensor:
        return made(ComplexLazyTensor, call(name, *(o._text for o in operands)), *operands)

    def __add__(self, other: Any) -> LazyTensor:
        return self._complex("ComplexAdd", self, self._lift(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> LazyTensor:
        return self._complex("ComplexSubtract", self, self._lift(other))

    def __rsub__(self, other: Any) -> LazyTensor:
        return self._complex("ComplexSubtract", self._lift(other), self)

    def __mul__(self, other: Any) -> LazyTensor:
        if type(other) is LazyTensor and other.ndim == 1:
            return self._complex("ComplexRealScal", other, self)
        return self._complex("ComplexMult", self, self._lift(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> LazyTensor:
        if type(other) is LazyTensor and other.ndim == 1:
            return self._complex("ComplexRealScal", other.inv(), self)
        return self._complex("ComplexDivide", self, self._lift(other))

    def __rtruediv__(self, other: Any) -> LazyTensor:
        return self._complex("ComplexDivide", self._lift(other), self)

    def __neg__(self) -> LazyTensor:
        return made(ComplexLazyTensor, Text(("-", *self._text.within(NEG)), NEG), self)

    def exp(self) -> LazyTensor:
        """e to each number."""
        return self._complex("ComplexExp", self)

    def conj(self) -> LazyTensor:
        """Conjugate of each number."""
        return self._complex("Conj", self)

    @property
    def real(self) -> LazyTensor:
        """Real parts."""
        return self._with(call("ComplexReal", self._text))

    @property
    def imag(self) -> LazyTensor:
        """Imaginary parts."""
        return self._with(call("ComplexImag", self._text))

    def angle(self) -> LazyTensor:
        """Argument of each number, from -pi to pi."""
        return self._with(call("ComplexAngle", self._text))

    def abs(self) -> LazyTensor:
        """Modulus of each number."""
        return self._with(call("ComplexAbs", self._text))

    __abs__ = abs

    def sum(self, axis: int = -1, dim: int | None = None, **options: Any) -> Any:
        """The sum over i (axis 0), j (axis 1) or the last axis (2 or -1); an array of sums is complex."""
        axis = axis if dim is None else dim
        if axis in (self.nbatchdims + 2, -1):
            return self._complex("ComplexSum", self)
        if options.get("out") is not None or options.get("call") is False:
            raise NotSupportedError("sums of complex numbers take neither `out` nor `call`")
        result = self._reduced("Sum", axis, None, options)
        if isinstance(result, Reduction):
            raise NotSupportedError("sums of complex numbers have no symbolic variables")
        return result.view({"float32": "complex64", "float64": "complex128"}[result.dtype.name])

    def sum_reduction(self, axis: int | None = None, dim: int | None = None, **options: Any) -> Any:
        """`sum` over i or j."""
        axis = axis if dim is None else dim
        i, j = self.nbatchdims, self.nbatchdims + 1
        if axis not in (i, j):
            raise UsageError(f"`Sum` is over axis {i} (i) or axis {j} (j), not {axis}")
        return self.sum(axis=axis, **options)


def _refused(name: str) -> Any:
    def method(self: ComplexLazyTensor, *args: Any, **options: Any) -> Any:
        raise NotSupportedError(f"`{name}` is not defined for complex numbers: take `.real`, `.imag` or `.abs()`")

    method.__doc__ = "Not defined for complex numbers."
    return method


# What is inherited would take real and imaginary parts for components.
for _name in """
    __lt__ __le__ __gt__ __ge__ __eq__ __ne__ __or__ __ror__ __pow__ __rpow__ __getitem__ __matmul__
    log xlogx sin cos sinxdivx sinc asin acos atan sqrt rsqrt square sign step relu floor inv round power
    atan2 sqdist matvecmult vecmatmult tensorprod concat sqnorm2 norm2 normalize norm weightedsqnorm weightedsqdist
    clamp ifelse mod softdtw_sqdist bspline keops_tensordot keops_kron elem extract one_hot
    exp1j real2complex imag2complex grad_matrix divergence laplacian trace_operator
    min max argmin argmax min_argmin max_argmax Kmin argKmin Kmin_argKmin logsumexp sumsoftmaxweight
    min_reduction max_reduction argmin_reduction argmax_reduction min_argmin_reduction max_argmax_reduction
    Kmin_reduction argKmin_reduction Kmin_argKmin_reduction logsumexp_reduction sumsoftmaxweight_reduction
    matvec rmatvec grad diff
""".split():
    setattr(ComplexLazyTensor, _name, _refused(_name))
ComplexLazyTensor.__hash__ = object.__hash__  # type: ignore[assignment,method-assign]
