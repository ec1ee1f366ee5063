"""Formula texts in pieces: names are given to variables when the whole text is known, so equal formulas have equal texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from . import _native
from .errors import DTypeError, LimitError, ShapeError, UsageError

# How tightly the outermost operation of a text binds: only looser operands need parentheses.
COMPARE, OR, ADD, MUL, NEG, POWER, ATOM = range(7)

CATEGORIES = ("Vi", "Vj", "Pm")
_LONGEST = _native.largest_formula()


class Variable:
    """An argument of the formula: an array, a number for which an array is made, or a place that a call fills."""

    __slots__ = ("category", "dim", "place", "source", "value")

    def __init__(self, category: int, dim: int, source: Any = None, value: Any = None, place: int | None = None):
        self.category = category
        self.dim = dim
        # What tells whether two variables are the same argument; it is kept, so that its identity stays its own.
        self.source = source
        # An array with the axes of the category, or a float or a list.
        self.value = value
        self.place = place

    @property
    def key(self) -> tuple[Any, ...]:
        if self.place is not None:
            return ("place", self.place, self.category, self.dim)
        if isinstance(self.value, float):
            return ("number", self.value.hex())
        return (id(self.source), self.category, self.dim)

    @property
    def rows(self) -> int | None:
        if self.category == 2 or self.place is not None:
            return None
        return int(self.value.shape[-2])

    @property
    def batch(self) -> tuple[int, ...]:
        """Batch dimensions: what comes before the rows, or before the numbers of a parameter."""
        if not isinstance(self.value, np.ndarray):
            return ()
        # One parameter is as well written as a row.
        alone = self.category == 2 and self.value.ndim == 2 and self.value.shape[0] == 1 and self.source.ndim < 4
        return () if alone else self.value.shape[: -1 if self.category == 2 else -2]

    @property
    def dtype(self) -> np.dtype[Any] | None:
        return self.value.dtype if isinstance(self.value, np.ndarray) else None

    def swapped(self) -> Variable:
        """The same with i and j exchanged."""
        category = (1, 0, 2)[self.category]
        return Variable(category, self.dim, self.source, self.value, self.place)


Piece = str | Variable


class Text(NamedTuple):
    """A formula or a part of one."""

    pieces: tuple[Piece, ...]
    level: int

    def within(self, level: int) -> tuple[Piece, ...]:
        """The pieces as an operand of an operation that binds so tightly."""
        return self.pieces if self.level >= level else ("(", *self.pieces, ")")

    def swapped(self) -> Text:
        indices: dict[Piece, Piece] = {"IndexI": "IndexJ", "IndexJ": "IndexI"}
        pieces = (p.swapped() if isinstance(p, Variable) else indices.get(p, p) for p in self.pieces)
        return Text(tuple(pieces), self.level)


def call(name: str, *arguments: Text | int | str) -> Text:
    """An operation by its name."""
    pieces: list[Piece] = [name, "("]
    for k, argument in enumerate(arguments):
        if k:
            pieces.append(", ")
        pieces.extend(argument.pieces if isinstance(argument, Text) else (str(argument),))
    return Text((*pieces, ")"), ATOM)


def infix(sign: str, level: int, left: Text, right: Text) -> Text:
    """An operation between two operands: the right one of equals is in parentheses."""
    return Text((*left.within(level), f" {sign} ", *right.within(level + 1)), level)


class Named(NamedTuple):
    """Texts with names for their variables, and the variables in the order of a call."""

    texts: list[str]
    aliases: tuple[str, ...]
    variables: list[Variable]


def named(texts: Iterable[Text]) -> Named:
    """Name the variables of texts: those that a call fills first, in their order, then the others as they come."""
    texts = list(texts)
    found: dict[tuple[Any, ...], Variable] = {}
    for text in texts:
        for piece in text.pieces:
            if isinstance(piece, Variable):
                found.setdefault(piece.key, piece)
    variables = sorted(found.values(), key=lambda v: len(found) if v.place is None else v.place)
    places = [v.place for v in variables if v.place is not None]
    if places != list(range(len(places))):
        raise UsageError(f"the symbolic variables have the places {places}: each from 0 on is needed once")
    names = {variable.key: f"v{k}" for k, variable in enumerate(variables)}
    plain = ["".join(p if isinstance(p, str) else names[p.key] for p in text.pieces) for text in texts]
    if any(len(text) > _LONGEST for text in plain):
        raise LimitError(f"the formula is longer than {_LONGEST} bytes")
    aliases = tuple(f"v{k} = {CATEGORIES[v.category]}({v.dim})" for k, v in enumerate(variables))
    return Named(plain, aliases, variables)


class Agreed(NamedTuple):
    """What all variables of a formula agree on: numbers of rows i and j, dtype, batch dimensions after broadcasting."""

    ni: int | None
    nj: int | None
    dtype: np.dtype[Any] | None
    batch: tuple[int, ...]


def agreed(variables: Iterable[Variable]) -> Agreed:
    """What all variables agree on, or an error."""
    rows: list[int | None] = [None, None]
    dtype = None
    batch: tuple[int, ...] = ()
    for variable in variables:
        try:
            batch = np.broadcast_shapes(batch, variable.batch)
        except ValueError:
            raise ShapeError(f"arrays with batch dimensions {batch} and {variable.batch} are in one formula") from None
        if variable.rows is not None:
            known = rows[variable.category]
            if known is not None and known != variable.rows:
                index = "ij"[variable.category]
                raise ShapeError(f"arrays of {known} and of {variable.rows} rows {index} are in one formula")
            rows[variable.category] = variable.rows
        if variable.dtype is not None:
            if dtype is not None and dtype != variable.dtype:
                raise DTypeError(f"arrays of {dtype} and of {variable.dtype} are in one formula")
            dtype = variable.dtype
    return Agreed(rows[0], rows[1], dtype, batch)
