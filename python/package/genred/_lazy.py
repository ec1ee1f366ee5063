"""Symbolic arrays: formulas written with operators on arrays that stand for all pairs."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _native, _terms
from ._reduce import Reduction
from ._terms import ADD, ATOM, COMPARE, MUL, NEG, OR, POWER, Text, Variable, agreed, call, infix, named
from .errors import DTypeError, NotSupportedError, ShapeError, UsageError

__all__ = ["IndexI", "IndexJ", "LazyTensor", "Pm", "Var", "Vi", "Vj"]


def made(kind: type[LazyTensor], text: Text, *operands: LazyTensor) -> LazyTensor:
    """A symbolic array of this formula of the operands."""
    result = object.__new__(kind)
    result._text = text
    result._settle(operands)
    return result


def _unary(name: str, doc: str) -> Callable[[LazyTensor], LazyTensor]:
    def method(self: LazyTensor) -> LazyTensor:
        return self._with(call(name, self._text))

    method.__doc__ = doc
    method.__name__ = method.__qualname__ = name.lower()
    return method


def _binary(name: str, doc: str) -> Callable[[LazyTensor, Any], LazyTensor]:
    def method(self: LazyTensor, other: Any) -> LazyTensor:
        other = self._lift(other)
        return self._with(call(name, self._text, other._text), other)

    method.__doc__ = doc
    method.__name__ = method.__qualname__ = name.lower()
    return method


def _operator(sign: str, level: int) -> tuple[Callable[[LazyTensor, Any], LazyTensor], Callable[[LazyTensor, Any], LazyTensor]]:
    def forward(self: LazyTensor, other: Any) -> LazyTensor:
        other = self._lift(other)
        return self._with(infix(sign, level, self._text, other._text), other)

    def backward(self: LazyTensor, other: Any) -> LazyTensor:
        other = self._lift(other)
        return self._with(infix(sign, level, other._text, self._text), other)

    return forward, backward


class LazyTensor:
    """An array of shape (M, N, D) that is never stored: a formula of arrays over all pairs of rows i and j.

    Operators and methods write formulas; a reduction over axis 0 (over i) or axis 1 (over j) computes. Operations work on the last
    axis as those of formulas do: dims are equal, or 1.

    Parameters
    ----------
    x : array, float, int or list
        An array of shape (M, 1, D) has a row for every i, one of shape (1, N, D) a row for every j, one of shape (1, 1, D) or (D,)
        is a parameter; so are floats and lists. Integers become part of the formula. An array of shape (M, D) needs `axis`. Axes
        before these three are batch dimensions, broadcast as NumPy does; with B of them i is axis B and j is axis B + 1.
    axis : int, optional
        0 for i, 1 for j, 2 for a parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import LazyTensor
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[0.0], [1.0], [2.0]])
    >>> d = ((LazyTensor(x[:, None]) - LazyTensor(y[None])) ** 2).sum(-1)
    >>> d
    LazyTensor('Sum((v0 - v1)**2)', ['v0 = Vi(1)', 'v1 = Vj(1)'], shape=(2, 3))
    >>> d.sum(axis=1)
    array([[5.],
           [2.]])
    >>> d.argmin(axis=0)
    array([[0],
           [1],
           [1]])
    >>> (-d / 0.5).exp() @ np.ones(3)
    array([1.13567075, 1.27067057])
    """

    # NumPy's operators leave the work to the ones below.
    __array_ufunc__ = None

    def __init__(self, x: Any, axis: int | None = None):
        if isinstance(x, LazyTensor):
            self._take(x)
            return
        self._text = _leaf(x, axis)
        self._settle(())

    def _take(self, other: LazyTensor) -> None:
        self.__dict__.update(other.__dict__)

    def _settle(self, operands: Sequence[LazyTensor]) -> None:
        """Check the formula, and find the shape that it stands for."""
        texts, aliases, variables = self._loose()
        self.ni, self.nj, self.dtype, self._batch = agreed(variables)
        self.ndim: int = _native.dims_of(texts[0], aliases)[0]
        self.ranges: Any = next((o.ranges for o in operands if o.ranges is not None), None)
        self.backend: Any = next((o.backend for o in operands if o.backend is not None), None)

    def _loose(self) -> _terms.Named:
        """Names for a part of a formula, in which some places may not occur yet."""
        places = sorted({p.place for p in self._text.pieces if isinstance(p, Variable) and p.place is not None})
        renumber = {place: k for k, place in enumerate(places)}
        pieces = tuple(
            Variable(p.category, p.dim, p.source, p.value, renumber[p.place])
            if isinstance(p, Variable) and p.place is not None
            else p
            for p in self._text.pieces
        )
        return named([Text(pieces, self._text.level)])

    def _with(self, text: Text, *operands: LazyTensor) -> LazyTensor:
        return made(LazyTensor, text, self, *operands)

    def _lift(self, other: Any) -> LazyTensor:
        return other if isinstance(other, LazyTensor) else LazyTensor(other)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (*self._batch, 1 if self.ni is None else self.ni, 1 if self.nj is None else self.nj, self.ndim)

    @property
    def shape(self) -> tuple[int, ...]:
        """Batch dimensions and (M, N, D), without D if that is 1."""
        shape = self._shape
        return shape[:-1] if shape[-1] == 1 else shape

    @property
    def nbatchdims(self) -> int:
        """The number of batch dimensions."""
        return len(self._batch)

    def dim(self) -> int:
        """The number of axes: 3 and the batch dimensions."""
        return len(self._shape)

    def __repr__(self) -> str:
        texts, aliases, _ = self._loose()
        return f"{type(self).__name__}({texts[0]!r}, {list(aliases)!r}, shape={self.shape})"

    def __bool__(self) -> bool:
        raise TypeError("a symbolic array has no truth value: it stands for all pairs")

    __hash__ = object.__hash__

    # Operators.
    __add__, __radd__ = _operator("+", ADD)
    __sub__, __rsub__ = _operator("-", ADD)
    __mul__, __rmul__ = _operator("*", MUL)
    __truediv__, __rtruediv__ = _operator("/", MUL)
    __or__, __ror__ = _operator("|", OR)

    def _compare(self, sign: str, other: Any) -> LazyTensor:
        other = self._lift(other)
        # Comparisons do not chain, so both operands bind more tightly.
        pieces = (*self._text.within(OR), f" {sign} ", *other._text.within(OR))
        return self._with(Text(pieces, COMPARE), other)

    def __lt__(self, other: Any) -> LazyTensor:
        return self._compare("<", other)

    def __le__(self, other: Any) -> LazyTensor:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> LazyTensor:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> LazyTensor:
        return self._compare(">=", other)

    def __eq__(self, other: object) -> LazyTensor:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: object) -> LazyTensor:  # type: ignore[override]
        return self._compare("!=", other)

    def __neg__(self) -> LazyTensor:
        return self._with(Text(("-", *self._text.within(NEG)), NEG))

    def __pos__(self) -> LazyTensor:
        return self

    def __pow__(self, other: Any) -> LazyTensor:
        if isinstance(other, float) and other in (0.5, -0.5):
            return self.sqrt() if other > 0 else self.rsqrt()
        if isinstance(other, float) and other.is_integer() and abs(other) <= 64:
            other = int(other)
        other = self._lift(other)
        pieces = (*self._text.within(ATOM), "**", *other._text.within(ATOM))
        return self._with(Text(pieces, POWER), other)

    def __rpow__(self, other: Any) -> LazyTensor:
        return self._lift(other) ** self

    def power(self, other: Any) -> LazyTensor:
        """Each component to a power: the operator ``**``."""
        return self.__pow__(other)

    # Functions of each component.
    exp = _unary("Exp", "e to each component.")
    log = _unary("Log", "Natural logarithm of each component.")
    xlogx = _unary("XLogX", "f log f of each component, 0 at 0.")
    sin = _unary("Sin", "Sine of each component.")
    cos = _unary("Cos", "Cosine of each component.")
    sinxdivx = _unary("SinXDivX", "sin(f)/f of each component, 1 at 0.")
    asin = _unary("Asin", "Inverse sine of each component.")
    acos = _unary("Acos", "Inverse cosine of each component.")
    atan = _unary("Atan", "Inverse tangent of each component.")
    sqrt = _unary("Sqrt", "Square root of each component.")
    rsqrt = _unary("Rsqrt", "1/sqrt(f) of each component, 0 at 0.")
    square = _unary("Square", "Square of each component.")
    sign = _unary("Sign", "-1, 0 or 1 for each component.")
    step = _unary("Step", "0 for each component below 0, else 1.")
    relu = _unary("ReLU", "0 for each component below 0, else the component.")
    floor = _unary("Floor", "The largest integer not above each component.")
    inv = _unary("Inv", "1/f of each component.")
    abs = _unary("Abs", "Absolute value of each component.")
    __abs__ = abs

    def sinc(self) -> LazyTensor:
        """sin(pi f)/(pi f) of each component, 1 at 0, as `numpy.sinc`."""
        return (self * math.pi).sinxdivx()

    def round(self, other: int = 0) -> LazyTensor:
        """Each component to so many decimals, half away from zero."""
        return self._with(call("Round", self._text, _integer("decimals", other)))

    def exp1j(self) -> LazyTensor:
        """The complex numbers e^(if)."""
        from ._complex import ComplexLazyTensor

        return made(ComplexLazyTensor, call("ComplexExp1j", self._text), self)

    def real2complex(self) -> LazyTensor:
        """The complex numbers f + 0i."""
        from ._complex import ComplexLazyTensor

        return made(ComplexLazyTensor, call("Real2Complex", self._text), self)

    def imag2complex(self) -> LazyTensor:
        """The complex numbers 0 + fi."""
        from ._complex import ComplexLazyTensor

        return made(ComplexLazyTensor, call("Imag2Complex", self._text), self)

    # Norms, distances, several operands.
    atan2 = _binary("Atan2", "Angle of the point (other, self).")
    sqdist = _binary("SqDist", "Squared Euclidean distance; the result has dim 1.")
    matvecmult = _binary("MatVecMult", "Row-major matrix times vector.")
    vecmatmult = _binary("VecMatMult", "Vector times row-major matrix.")
    tensorprod = _binary("TensorProd", "All products of components, row-major.")
    concat = _binary("Concat", "The components of both, one after another.")
    sqnorm2 = _unary("SqNorm2", "Sum of squares; the result has dim 1.")
    norm2 = _unary("Norm2", "Euclidean norm; the result has dim 1.")
    normalize = _unary("Normalize", "Divided by its norm; zero stays zero.")
    auto_factorize = _unary("AutoFactorize", "The same: repeated parts are always computed once.")

    def norm(self, dim: int) -> LazyTensor:
        """Euclidean norm over the last axis: `dim` is 2 or -1."""
        if dim not in (self.nbatchdims + 2, -1):
            raise UsageError(f"norms are over the last axis, {self.nbatchdims + 2} or -1, not {dim}")
        return self.norm2()

    def weightedsqnorm(self, other: Any) -> LazyTensor:
        """Squared norm with weights: one, one for each component, or a row-major matrix, by the dim of `other`."""
        other = self._lift(other)
        return self._with(call("WeightedSqNorm", other._text, self._text), other)

    def weightedsqdist(self, g: Any, s: Any) -> LazyTensor:
        """``(self - g).weightedsqnorm(s)``."""
        g, s = self._lift(g), self._lift(s)
        return self._with(call("WeightedSqDist", s._text, self._text, g._text), g, s)

    def clamp(self, other1: Any, other2: Any) -> LazyTensor:
        """Each component between two bounds."""
        low, high = self._lift(other1), self._lift(other2)
        return self._with(call("Clamp", self._text, low._text, high._text), low, high)

    def ifelse(self, other1: Any, other2: Any) -> LazyTensor:
        """`other1` where a component is >= 0, else `other2`."""
        a, b = self._lift(other1), self._lift(other2)
        return self._with(call("IfElse", self._text, a._text, b._text), a, b)

    def mod(self, modulus: Any, offset: Any = 0) -> LazyTensor:
        """The remainder of each component, from `offset` on."""
        n, o = self._lift(modulus), self._lift(offset)
        return self._with(call("Mod", self._text, n._text, o._text), n, o)

    def softdtw_sqdist(self, other: Any, gamma: Any) -> LazyTensor:
        """Soft dynamic time warping of two series with softness `gamma`; the result has dim 1."""
        other, gamma = self._lift(other), self._lift(gamma)
        return self._with(call("SoftDTW_SqDist", self._text, other._text, gamma._text), other, gamma)

    def bspline(self, x: Any, k: int = 0) -> LazyTensor:
        """Values at `x` of the B-splines of degree `k` over these knots."""
        x = self._lift(x)
        return self._with(call("BSpline", self._text, x._text, _integer("k", k)), x)

    def keops_tensordot(
        self,
        other: Any,
        dimfa: Sequence[int],
        dimfb: Sequence[int],
        contfa: Sequence[int],
        contfb: Sequence[int],
        *permutation: int,
    ) -> LazyTensor:
        """Tensors of shapes `dimfa` and `dimfb`, row-major: axes `contfa` of one are summed against axes `contfb` of the other."""
        other = self._lift(other)
        lists = [dimfa, dimfb, contfa, contfb] + ([permutation] if permutation else [])
        return self._with(call("TensorDot", self._text, other._text, *map(_list, lists)), other)

    def keops_kron(self, other: Any, dimfself: Sequence[int], dimfother: Sequence[int]) -> LazyTensor:
        """Kronecker product of tensors of these shapes, row-major."""
        other = self._lift(other)
        return self._with(call("Kron", self._text, other._text, _list(dimfself), _list(dimfother)), other)

    # Parts.
    def elem(self, i: int) -> LazyTensor:
        """Component `i`."""
        return self._with(call("Elem", self._text, _integer("i", i)))

    def extract(self, i: int, d: int) -> LazyTensor:
        """Components `i` to `i + d - 1`."""
        return self._with(call("Extract", self._text, _integer("i", i), _integer("d", d)))

    def one_hot(self, D: int) -> LazyTensor:  # noqa: N803 - KeOps' keyword
        """1 at the component that this says, of `D`; zeros elsewhere."""
        return self._with(call("OneHot", self._text, _integer("D", D)))

    def __getitem__(self, key: Any) -> LazyTensor:
        whole = slice(None)
        if isinstance(key, tuple):
            if len(key) != self.dim() or any(part != whole for part in key[:-1]):
                raise NotSupportedError("only the last axis of a symbolic array can be indexed: x[:, :, k] or x[k]")
            key = key[-1]
        if isinstance(key, slice):
            if key.step not in (None, 1):
                raise NotSupportedError("slices of a symbolic array have step 1")
            start, stop = key.start or 0, self.ndim if key.stop is None else key.stop
            return self.extract(start, stop - start)
        return self.elem(key)

    @staticmethod
    def concatenate(tuple_of_lt: Sequence[LazyTensor], axis: int = -1) -> LazyTensor:
        """The components of all, one after another."""
        if not tuple_of_lt:
            raise UsageError("there is nothing to concatenate")
        first, *others = tuple_of_lt
        last = max(lt.nbatchdims for lt in tuple_of_lt if isinstance(lt, LazyTensor)) + 2
        if axis not in (last, -1):
            raise UsageError(f"symbolic arrays are concatenated along the last axis, {last} or -1, not {axis}")
        others = [first._lift(other) for other in others]
        if not others:
            return first
        return first._with(call("Concat", first._text, *(other._text for other in others)), *others)

    @staticmethod
    def cat(tuple_of_lt: Sequence[LazyTensor], dim: int) -> LazyTensor:
        """`concatenate` under another name."""
        return LazyTensor.concatenate(tuple_of_lt, dim)

    # Derivatives.
    def grad(self, other: LazyTensor, gradin: Any) -> LazyTensor:
        """The adjoint of the derivative by the variable `other`, applied to `gradin`."""
        gradin = self._lift(gradin)
        return self._with(call("Grad", self._text, other._text, gradin._text), other, gradin)

    def diff(self, other: LazyTensor, diffin: Any) -> LazyTensor:
        """The derivative by the variable `other` in the direction `diffin`."""
        diffin = self._lift(diffin)
        return self._with(call("Diff", self._text, other._text, diffin._text), other, diffin)

    grad_matrix = _binary("GradMatrix", "The Jacobian by a variable, row-major.")
    divergence = _binary("Divergence", "The trace of the Jacobian by a variable.")
    laplacian = _binary("Laplacian", "The Laplacian by a variable.")
    trace_operator = _binary("TraceOperator", "The trace as a linear map of a variable.")
    factorize = _binary("Factorize", "The same: repeated parts are always computed once.")

    # Reductions.
    def _reduced(
        self, reduction_op: str, axis: int | None, dim: int | None, options: dict[str, Any], weight: LazyTensor | None = None
    ) -> Any:
        axis = axis if dim is None else dim
        i, j = self.nbatchdims, self.nbatchdims + 1
        if axis not in (i, j):
            raise UsageError(f"`{reduction_op}` is over axis {i} (i) or axis {j} (j), not {axis}")
        called = options.pop("call", True)
        if self.ranges is not None:
            options.setdefault("ranges", self.ranges)
        if self.backend is not None:
            options.setdefault("backend", self.backend)
        reduction = Reduction(self._text, None if weight is None else weight._text, reduction_op, axis - i, options)
        if weight is not None:
            # Both formulas are of the same points.
            agreed([p for t in (self._text, weight._text) for p in t.pieces if isinstance(p, Variable)])
        return reduction() if called and not reduction.waits else reduction

    def _last_or(self, inside: str, reduction_op: str, axis: int | None, dim: int | None, options: dict[str, Any]) -> Any:
        axis = axis if dim is None else dim
        if axis not in (self.nbatchdims + 2, -1):
            return self._reduced(reduction_op, axis, None, options)
        return self._with(call(inside, self._text))

    def sum(self, axis: int = -1, dim: int | None = None, **options: Any) -> Any:
        """The sum over i (axis 0), j (axis 1) or the last axis (2 or -1); batch dimensions, if any, come before these.

        Parameters
        ----------
        axis, dim : int
            Two names of the same.
        **options
            Those of `Genred` and of its calls; ``call=False`` returns a `Reduction` to be called later.

        Returns
        -------
        ndarray of shape (..., N, D) or (..., M, D), or LazyTensor
        """
        return self._last_or("Sum", "Sum", axis, dim, options)

    def min(self, axis: int = -1, dim: int | None = None, **options: Any) -> Any:
        """The smallest value over an axis, as `sum`."""
        return self._last_or("Min", "Min", axis, dim, options)

    def max(self, axis: int = -1, dim: int | None = None, **options: Any) -> Any:
        """The largest value over an axis, as `sum`."""
        return self._last_or("Max", "Max", axis, dim, options)

    def argmin(self, axis: int = -1, dim: int | None = None, **options: Any) -> Any:
        """Where the smallest value over an axis is, as `sum`."""
        return self._last_or("ArgMin", "ArgMin", axis, dim, options)

    def argmax(self, axis: int = -1, dim: int | None = None, **options: Any) -> Any:
        """Where the largest value over an axis is, as `sum`."""
        return self._last_or("ArgMax", "ArgMax", axis, dim, options)

    def min_argmin(self, axis: int | None = None, dim: int | None = None, **options: Any) -> Any:
        """The smallest values over i or j, and where they are."""
        return self._reduced("Min_ArgMin", axis, dim, options)

    def max_argmax(self, axis: int | None = None, dim: int | None = None, **options: Any) -> Any:
        """The largest values over i or j, and where they are."""
        return self._reduced("Max_ArgMax", axis, dim, options)

    def Kmin(self, K: int, axis: int | None = None, dim: int | None = None, **options: Any) -> Any:  # noqa: N802, N803
        """The `K` smallest values over i or j, of shape (M, K), or (M, K, D)."""
        return self._reduced("KMin", axis, dim, options | {"opt_arg": K})

    def argKmin(self, K: int, axis: int | None = None, dim: int | None = None, **options: Any) -> Any:  # noqa: N802, N803
        """Where the `K` smallest values over i or j are."""
        return self._reduced("ArgKMin", axis, dim, options | {"opt_arg": K})

    def Kmin_argKmin(self, K: int, axis: int | None = None, dim: int | None = None, **options: Any) -> Any:  # noqa: N802, N803
        """The `K` smallest values over i or j, and where they are."""
        return self._reduced("KMin_ArgKMin", axis, dim, options | {"opt_arg": K})

    def logsumexp(
        self, axis: int | None = None, dim: int | None = None, weight: Any = None, **options: Any
    ) -> Any:
        """The logarithm of the sum of exponentials over i or j, times the weight if there is one."""
        return self._reduced("LogSumExp", axis, dim, options, None if weight is None else self._lift(weight))

    def sumsoftmaxweight(self, weight: Any, axis: int | None = None, dim: int | None = None, **options: Any) -> Any:
        """The mean of `weight` under the exponentials over i or j."""
        return self._reduced("SumSoftMaxWeight", axis, dim, options, self._lift(weight))

    def _only_reduction(method: Callable[..., Any]) -> Callable[..., Any]:  # type: ignore[misc] # noqa: N805
        def reduction(self: LazyTensor, axis: int | None = None, dim: int | None = None, **options: Any) -> Any:
            return method(self, axis=axis, dim=dim, **options)

        reduction.__doc__ = f"`{method.__name__}` over i or j."
        return reduction

    sum_reduction = _only_reduction(sum)
    min_reduction = _only_reduction(min)
    max_reduction = _only_reduction(max)
    argmin_reduction = _only_reduction(argmin)
    argmax_reduction = _only_reduction(argmax)
    min_argmin_reduction = min_argmin
    max_argmax_reduction = max_argmax
    Kmin_reduction = Kmin
    argKmin_reduction = argKmin
    Kmin_argKmin_reduction = Kmin_argKmin
    logsumexp_reduction = logsumexp
    sumsoftmaxweight_reduction = sumsoftmaxweight

    # A matrix of size M x N.
    def __matmul__(self, v: Any) -> Any:
        """The product of the M x N matrix (D = 1) with a vector of shape (N,) or a matrix of shape (N, E), or matrices (..., N, E)."""
        if self.ndim != 1:
            raise ShapeError(f"`@` needs a symbolic array of dim 1, which has shape (M, N); this one has dim {self.ndim}")
        if not isinstance(v, np.ndarray) or v.ndim == 0:
            raise DTypeError("`@` takes an array of shape (N,) or (..., N, E)")
        product = self * (Vj(v[:, None]) if v.ndim == 1 else Vj(v) if v.ndim == 2 else LazyTensor(v[..., None, :, :]))
        product = product.sum(axis=product.nbatchdims + 1)
        return product[..., 0] if v.ndim == 1 and isinstance(product, np.ndarray) else product

    def solve(self, other: Any, var: LazyTensor | None = None, alpha: float = 1e-10, **options: Any) -> Any:
        """The solution a of ``(alpha I + K) a = b``, K this symbolic array, by conjugate gradients.

        Parameters
        ----------
        other : array of shape (M, E), or LazyTensor of one
            b.
        var : LazyTensor, optional
            The variable over j that the formula is linear in, if it is not K alone: b takes its place.
        alpha : float
            What is added to the diagonal.
        **options
            Those of `KernelSolve` and its calls.

        Returns
        -------
        array of shape (M, E)
        """
        from .numpy import KernelSolve

        b = _only_variable(other).value if isinstance(other, LazyTensor) else _plain(other)
        if var is None:
            own = Vj(b)
            formula, variable = self * own, _only_variable(own)
        else:
            formula, variable = self, _only_variable(var)
        texts, aliases, variables = named([formula._text])
        keys = [v.key for v in variables]
        if variable.key not in keys or any(v.place is not None for v in variables):
            raise UsageError("`solve` needs arrays, and `var` among them")
        place = keys.index(variable.key)
        calls = {key: options.pop(key) for key in list(options) if key in {"backend", "device_id", "ranges", "eps", "max_iterations", "rank"}}
        arrays = [v.value if isinstance(v.value, np.ndarray) else np.asarray(v.value, b.dtype).reshape(-1) for v in variables]
        arrays[place] = b
        return KernelSolve(texts[0], aliases, f"v{place}", axis=1, **options)(*arrays, alpha=alpha, **calls)

    def t(self) -> LazyTensor:
        """The same with i and j exchanged: shape (N, M, D)."""
        result = made(type(self), self._text.swapped(), self)
        if self.ranges is not None:
            result.ranges = (*self.ranges[3:], *self.ranges[:3])
        return result

    @property
    def T(self) -> LazyTensor:  # noqa: N802
        """`t()`."""
        return self.t()

    def matvec(self, v: Any) -> Any:
        """``self @ v``, as SciPy's linear operators call it."""
        return self @ v

    def rmatvec(self, v: Any) -> Any:
        """``self.T @ v``."""
        return self.T @ v


def _only_variable(tensor: LazyTensor) -> Variable:
    """The array that a symbolic array is and nothing else."""
    pieces = tensor._text.pieces
    if len(pieces) != 1 or not isinstance(pieces[0], Variable) or not isinstance(pieces[0].value, np.ndarray):
        raise UsageError("a symbolic array of one array and nothing else is needed")
    return pieces[0]


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise DTypeError(f"`{name}` is a {type(value).__name__}, not an int")
    return int(value)


def _list(items: Sequence[int]) -> str:
    return "[" + ", ".join(str(_integer("item", item)) for item in items) + "]"


def _plain(x: Any) -> np.ndarray[Any, Any]:
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "__dlpack__"):
        try:
            return np.from_dlpack(x)
        except Exception as error:
            raise DTypeError(f"a {type(x).__name__} is not lent: {error}") from error
    raise DTypeError(f"a {type(x).__name__} is neither an array nor a number")


def _leaf(x: Any, axis: int | None) -> Text:
    """A number or an array as a formula."""
    if isinstance(x, np.ndarray) and x.ndim == 0:
        x = x.item()
    if isinstance(x, numbers.Integral):
        return Text((str(int(x)),), ATOM if int(x) >= 0 else NEG)
    if isinstance(x, numbers.Real):
        return Text((Variable(2, 1, value=float(x)),), ATOM)
    if isinstance(x, (list, tuple)):
        values = [float(value) for value in x]
        return Text((Variable(2, len(values), source=values, value=values),), ATOM)
    array = _plain(x)
    if array.dtype.kind == "c":
        raise DTypeError("a complex array makes a `ComplexLazyTensor`")
    if array.ndim == 1 and axis in (None, 2):
        category, rows = 2, array
    elif array.ndim == 2 and axis in (0, 1):
        category, rows = axis, array
    elif array.ndim == 2 and axis == 2:
        if array.shape[0] != 1:
            raise ShapeError(f"a parameter has shape (D,) or (1, D), not {array.shape}")
        category, rows = 2, array
    elif array.ndim >= 3 and axis is None and 1 in array.shape[-3:-1]:
        category = 2 if array.shape[-3:-1] == (1, 1) else 0 if array.shape[-2] == 1 else 1
        rows = array[..., 0, :] if category == 0 else array[..., 0, :, :]
        if category == 2 and array.ndim > 3:
            rows = rows[..., 0, :]
    else:
        raise ShapeError(
            f"an array of shape {array.shape} stands for no rows i or j{'' if axis is None else f' with axis {axis}'}: "
            "it has shape (..., M, 1, D), (..., 1, N, D) or (..., 1, 1, D), or (M, D) with `axis` 0 or 1"
        )
    return Text((Variable(category, int(rows.shape[-1]), source=x, value=rows),), ATOM)


def _variable(x_or_ind: Any, dim: int | None, category: int) -> LazyTensor:
    if dim is None:
        if isinstance(x_or_ind, numbers.Real) and category == 2:
            return LazyTensor(float(x_or_ind))
        array: Any = x_or_ind if category == 2 and isinstance(x_or_ind, list) else _plain(x_or_ind)
        if category < 2 and array.ndim != 2:
            raise ShapeError(f"`{_terms.CATEGORIES[category]}` takes an array of shape (rows, D), not {array.shape}")
        return LazyTensor(array, axis=category if isinstance(array, np.ndarray) else None)
    place, dim = _integer("ind", x_or_ind), _integer("dim", dim)
    if place < 0 or dim < 1:
        raise UsageError(f"a symbolic variable has a place from 0 and a dim from 1, not {place} and {dim}")
    return made(LazyTensor, Text((Variable(category, dim, place=place),), ATOM))


def Var(x_or_ind: Any, dim: int | None = None, cat: int | None = None) -> LazyTensor:  # noqa: N802
    """A variable: an array with its category (0 for i, 1 for j, 2 for a parameter), or a place with dim and category.

    Examples
    --------
    >>> from genred.numpy import Var
    >>> Var(0, 3, 1)
    LazyTensor('v0', ['v0 = Vj(3)'], shape=(1, 1, 3))
    """
    if cat not in (0, 1, 2):
        raise UsageError(f"the category is 0 for i, 1 for j or 2 for a parameter, not {cat}")
    return _variable(x_or_ind, dim, cat)


def Vi(x_or_ind: Any, dim: int | None = None) -> LazyTensor:  # noqa: N802
    """An array of shape (M, D) with a row for every i; or a place of a later call with its dim.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import Vi, Vj
    >>> x, y = Vi(np.zeros((2, 3))), Vj(np.ones((4, 3)))
    >>> (x - y).shape
    (2, 4, 3)
    >>> x.sqdist(y).min_argmin(axis=1)[0]
    array([[3.],
           [3.]])
    """
    return _variable(x_or_ind, dim, 0)


def Vj(x_or_ind: Any, dim: int | None = None) -> LazyTensor:  # noqa: N802
    """An array of shape (N, D) with a row for every j; or a place of a later call with its dim."""
    return _variable(x_or_ind, dim, 1)


def Pm(x_or_ind: Any, dim: int | None = None) -> LazyTensor:  # noqa: N802
    """A parameter: an array of shape (D,), a list or a number; or a place of a later call with its dim.

    Examples
    --------
    >>> import numpy as np
    >>> from genred.numpy import Pm, Vi
    >>> (Vi(np.ones((1, 2))) * Pm([1.0, 10.0]) + Pm(0.5)).sum(axis=1)
    array([[ 1.5, 10.5]])
    """
    return _variable(x_or_ind, dim, 2)


#: The number of the row i, an exact integer: for formulas, and for the option `keep` of reductions.
IndexI = made(LazyTensor, Text(("IndexI",), ATOM))
#: The number of the row j.
IndexJ = made(LazyTensor, Text(("IndexJ",), ATOM))
