"""What nodes take, read and checked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from knowngood.engines.vetting.onnx_file import MOST_SIDES
from knowngood.engines.vetting.values import Given, Value


def check(allowed: bool, reason: str) -> None:
    """Refuse what is not allowed.

    Raises:
        ValueError: With the reason.
    """
    if not allowed:
        raise ValueError(reason)


def optional(given: Given, place: int) -> Value | None:
    """An input that may be left out."""
    return given[place] if place < len(given) and given[place].dtype else None


def pair(one: Value, other: Value) -> tuple[Value, Value]:
    """Two tensors of one type."""
    check(one.dtype == other.dtype, "its inputs differ in type")
    return one, other


def together(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of tensors of these shapes taken element by element, where a side of one is repeated."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError("its inputs do not fit together") from error


def vector(value: Value) -> tuple[int, ...]:
    """A few whole numbers that are known, such as a shape."""
    known = value.exact
    if (
        known is None
        or value.dtype != "int64"
        or len(value.shape) != 1
        or not 0 < value.size <= 2 * MOST_SIDES
    ):
        raise ValueError("its shape or places are not known")
    return tuple(np.broadcast_to(known, value.shape).tolist())


def number(value: Value) -> int:
    """A whole number that is known."""
    known = value.exact
    if known is None or value.dtype != "int64" or value.size != 1:
        raise ValueError("it has a number that is not known")
    return int(known.reshape(()))


def check_number(value: Value | None, dtype: str) -> None:
    """Refuse what is not one number of a type, if it is there."""
    check(
        value is None or (value.size == 1 and value.dtype == dtype), "it has more than one number as a limit"
    )


def check_places(places: Value, size: int) -> None:
    """Refuse places that may be outside of what is taken by them.

    None may count from the end: not all engines do so.
    """
    if places.dtype != "int64" or places.bounds is None:
        raise ValueError("it takes elements by places that are not known")
    low, high = places.bounds
    check(
        bool(low.min() >= 0 and high.max() < size),
        f"it takes elements by places from {low.min()} to {high.max()}, of {size}",
    )


def sides(wanted: Iterable[int]) -> tuple[int, ...]:
    """A shape, no side of which is nothing."""
    shape = tuple(wanted)
    if len(shape) > MOST_SIDES or any(side <= 0 for side in shape):
        raise ValueError(f"it gives the shape {shape[: MOST_SIDES + 1]}")
    return shape


def along(axis: int, rank: int) -> int:
    """A side by its number, which may count from the end."""
    if not -rank <= axis < rank:
        raise ValueError(f"it names side {axis} of {rank}")
    return axis % rank


def axes(named: Iterable[int], rank: int) -> tuple[int, ...]:
    """Sides by their numbers, each once."""
    numbers = tuple(along(axis, rank) for axis in named)
    check(len(set(numbers)) == len(numbers), "it names a side twice")
    return numbers
