"""What this package raises: each class is a `GenredError` and the built-in exception that fits."""

__all__ = [
    "GenredError",
    "FormulaError",
    "ShapeError",
    "DTypeError",
    "UsageError",
    "LimitError",
    "DeviceError",
    "NotSupportedError",
    "UnsolvedError",
]


class GenredError(Exception):
    """Any failure of this package; the text shows the place in the formula where there is one."""


class FormulaError(GenredError, ValueError):
    """A formula, alias or output that is not in the language."""


class ShapeError(GenredError, ValueError):
    """Dims, rows or strides that do not fit together."""


class DTypeError(GenredError, TypeError):
    """An argument that is not an array of the right dtype."""


class UsageError(GenredError, ValueError):
    """Options that contradict each other or the reduction."""


class LimitError(GenredError, ValueError):
    """A bound of the package that was exceeded."""


class DeviceError(GenredError, RuntimeError):
    """An engine or device that cannot do what was asked for."""


class NotSupportedError(GenredError, NotImplementedError):
    """Something that this version cannot do yet."""


class UnsolvedError(GenredError, RuntimeError):
    """A linear system that is not positive definite, or whose solution was not reached."""
