"""What is known of a tensor before a graph is run: its type, its shape, and bounds of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FOLLOWED = 1 << 14
"""The elements of larger tensors are not followed one by one: their whole numbers have common bounds. What
has to be followed is small: shapes, and a place in each tree of a forest."""

_LARGEST = 2**31 - 1  # engines reckon with 32 bits: of what may be beyond nothing is known
_WHOLE = 2**24  # float32 holds all whole numbers up to here

Bounds = tuple[NDArray[Any], NDArray[Any]]
"""What each element is at least and at most: arrays that broadcast to the tensor's shape, twice the same one
where the elements are known."""


class Value(NamedTuple):
    """What is known of a tensor.

    Attributes:
        dtype: NumPy's name of its type; empty for an input that is left out.
        shape: Its shape, for one image.
        bounds: Between which numbers its elements are; None where that is not known.
        fixed: Whether it is made of constants and shapes alone.
    """

    dtype: str
    shape: tuple[int, ...]
    bounds: Bounds | None = None
    fixed: bool = False

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return self.size * np.dtype(self.dtype).itemsize

    @property
    def exact(self) -> NDArray[Any] | None:
        """The elements where they are known, as an array that broadcasts to the shape."""
        return self.bounds[0] if self.bounds and self.bounds[0] is self.bounds[1] else None


ABSENT = Value("", ())
"""An input that is left out."""

Given = tuple[Value, ...]
"""What a node takes."""


def exactly(dtype: str, elements: ArrayLike, shape: tuple[int, ...] | None = None) -> Value:
    """A tensor whose elements are known; a shape is given where they are repeated."""
    array = np.asarray(elements, dtype=dtype)
    return Value(dtype, array.shape if shape is None else shape, (array, array))


def between(dtype: str, shape: tuple[int, ...], low: int, high: int) -> Value:
    """A tensor of whole numbers with common bounds."""
    return Value(dtype, shape, (np.asarray(low), np.asarray(high)))


def constant(array: NDArray[Any]) -> Value:
    """What is known of a constant.

    Example:
        >>> constant(np.array([3, 5])).exact
        array([3, 5])
    """
    value = exactly(array.dtype.name, array)._replace(fixed=True)
    return value if value.size <= FOLLOWED else coarser(value)


def coarser(value: Value) -> Value:
    """A tensor with common bounds for all its elements; of numbers that are not whole nothing is known."""
    if value.bounds is None or value.dtype.startswith("float"):
        return value._replace(bounds=None)
    low, high = value.bounds
    return value._replace(bounds=(np.asarray(low.min()), np.asarray(high.max())))


def coarse(one: Value, other: Value) -> tuple[Value, Value]:
    """Two tensors that are taken together, with common bounds if these would be too many to follow."""
    if one.bounds and other.bounds:
        sides = (reversed(value.bounds[0].shape) for value in (one, other) if value.bounds)
        if prod(max(pair) for pair in zip_longest(*sides, fillvalue=1)) > FOLLOWED:
            return coarser(one), coarser(other)
    return one, other


def moved(values: Sequence[Value], shape: tuple[int, ...], how: Callable[..., NDArray[Any]]) -> Value:
    """A tensor of the elements of others, all of one type, in other places.

    Args:
        values: The others.
        shape: The shape of what comes out.
        how: Does it to arrays of their shapes.
    """
    nothing = Value(values[0].dtype, shape)
    if max(prod(shape), *(value.size for value in values)) > FOLLOWED:
        values = [coarser(value) for value in values]
        known = [value.bounds for value in values if value.bounds]
        if len(known) < len(values):
            return nothing
        lows, highs = zip(*known, strict=True)
        return nothing._replace(bounds=(np.asarray(min(lows)), np.asarray(max(highs))))
    known = [value.bounds for value in values if value.bounds]
    if len(known) < len(values):
        return nothing
    low, high = (
        how(*(np.broadcast_to(end, value.shape) for end, value in zip(ends, values, strict=True)))
        for ends in zip(*known, strict=True)
    )
    return nothing._replace(bounds=(low, low if all(a is b for a, b in known) else high))


def computed(op: str, one: Value, other: Value, shape: tuple[int, ...]) -> Value:
    """Work out the bounds of a sum, difference, product, quotient or remainder, or of the lesser or larger.

    Whole numbers have bounds. Others are worked out only where they are known and the result is exact, so
    that every engine finds the same.
    """
    one, other = coarse(one, other)
    value = Value(one.dtype, shape)
    if one.bounds is None or other.bounds is None:
        return value
    # Of negative numbers, engines round quotients up or down.
    rounds_alike = op not in ("Div", "Mod") or one.dtype != "int64" or bool(one.bounds[0].min() >= 0)
    exact = one.exact is not None and other.exact is not None and rounds_alike
    limit = _LARGEST if one.dtype == "int64" else _WHOLE
    if not _within((*one.bounds, *other.bounds), limit):
        return value
    if one.dtype == "int64":
        low, high = _reckoned(op, *one.bounds, *other.bounds)
    elif exact:
        low, high = _exactly(op, one.bounds[0], other.bounds[0], value.dtype)
    else:
        return value
    if not _within((low, high), limit):
        return value
    return value._replace(bounds=(low, low if exact else high))


def _within(arrays: Sequence[NDArray[Any]], limit: int) -> bool:
    """Whether all numbers are of a size that can be reckoned with; NaN is not."""
    return all(bool((np.abs(array, dtype=np.float64) <= limit).all()) for array in arrays)


def _reckoned(
    op: str, low: NDArray[Any], high: NDArray[Any], other_low: NDArray[Any], other_high: NDArray[Any]
) -> Bounds:
    """The bounds of whole numbers; those that are divided by are known and positive."""
    match op:
        case "Add":
            return np.asarray(low + other_low), np.asarray(high + other_high)
        case "Sub":
            return np.asarray(low - other_high), np.asarray(high - other_low)
        case "Mul":
            products = [one * other for one in (low, high) for other in (other_low, other_high)]
            return np.minimum.reduce(products), np.maximum.reduce(products)
        case "Div":  # down, and up
            return np.asarray(low // other_low), np.asarray(-(-high // other_low))
        case "Min":
            return np.minimum(low, other_low), np.minimum(high, other_high)
        case "Max":
            return np.maximum(low, other_low), np.maximum(high, other_high)
        case "Mod" if low is high and low.min() >= 0:
            return np.asarray(low % other_low), np.asarray(high % other_low)
    return np.asarray(1 - other_low), np.asarray(other_low - 1)


def _exactly(op: str, a: NDArray[Any], b: NDArray[Any], dtype: str) -> Bounds:
    """Numbers that are known, worked out; NaN where a rounding of float32 or a division comes in."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    if op == "Div":
        # By powers of two alone: engines may multiply with the inverse.
        halves = np.frexp(b)[0] == 0.5
        result = np.where(halves, a / np.where(halves, b, 1), np.nan)
    else:
        functions = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Min": np.minimum}
        result = functions.get(op, np.maximum)(a, b)
    rounded = result.astype(np.float32)
    known = np.where(rounded == result, rounded, np.nan).astype(dtype)
    return known, known
