"""What comes out of operators that put elements in other places, or take them by their places."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from knowngood.engines.vetting.onnx_file import Node
from knowngood.engines.vetting.taken import (
    along,
    axes,
    check,
    check_number,
    check_places,
    number,
    optional,
    sides,
    vector,
)
from knowngood.engines.vetting.values import FOLLOWED, Given, Value, between, coarser, moved


def reshape(_: Node, given: Given) -> Value:
    """The same elements in another shape."""
    wanted, own = list(vector(given[1])), given[0].shape
    for axis, side in enumerate(wanted):
        if side == 0:
            check(axis < len(own), "it keeps a side that there is not")
            wanted[axis] = own[axis]
    if wanted.count(-1) == 1:
        rest = prod(side for side in wanted if side != -1)
        check(rest > 0 and given[0].size % rest == 0, "its elements do not fill the shape")
        wanted[wanted.index(-1)] = given[0].size // rest
    return _reshaped(given[0], wanted)


def _reshaped(value: Value, wanted: Iterable[int]) -> Value:
    """The elements of a tensor in another shape, which they fill."""
    shape = sides(wanted)
    check(prod(shape) == value.size, "its elements do not fill the shape")
    return moved([value], shape, lambda array: array.reshape(shape))


def flatten(node: Node, given: Given) -> Value:
    """A table."""
    shape = given[0].shape
    axis = along(node.attributes.get("axis", 1), len(shape) + 1)
    return _reshaped(given[0], (prod(shape[:axis]), prod(shape[axis:])))


def unsqueeze(_: Node, given: Given) -> Value:
    """A tensor with more sides of one."""
    named = vector(given[1])
    rank = len(given[0].shape) + len(named)
    added, rest = axes(named, rank), iter(given[0].shape)
    return _reshaped(given[0], [1 if axis in added else next(rest) for axis in range(rank)])


def squeeze(_: Node, given: Given) -> Value:
    """A tensor without some sides of one."""
    left_out = axes(vector(given[1]), len(given[0].shape))
    return _reshaped(given[0], [side for axis, side in enumerate(given[0].shape) if axis not in left_out])


def transpose(node: Node, given: Given) -> Value:
    """A tensor with its sides in another order."""
    order = node.attributes.get("perm", ())
    check(sorted(order) == list(range(len(given[0].shape))), "it does not name each side once")
    shape = tuple(given[0].shape[axis] for axis in order)
    return moved([given[0]], shape, lambda array: array.transpose(order))


def concat(node: Node, given: Given) -> Value:
    """Tensors one behind the other."""
    first = given[0]
    check("axis" in node.attributes, "it names no side")
    alike = {(value.dtype, len(value.shape)) for value in given} == {(first.dtype, len(first.shape))}
    check(alike, "its inputs differ in type or number of sides")
    axis = along(node.attributes["axis"], len(first.shape))
    others = {(*value.shape[:axis], 0, *value.shape[axis + 1 :]) for value in given}
    check(len(others) == 1, "its inputs do not fit together")
    shape = (*first.shape[:axis], sum(value.shape[axis] for value in given), *first.shape[axis + 1 :])
    return moved(given, shape, lambda *arrays: np.concatenate(arrays, axis=axis))


def split(node: Node, given: Given) -> tuple[Value, ...]:
    """A tensor in parts."""
    value = given[0]
    axis = along(node.attributes.get("axis", 0), len(value.shape))
    parts = given[1].exact
    if parts is None or given[1].dtype != "int64" or parts.ndim != 1 or parts.shape != given[1].shape:
        raise ValueError("its parts are not known")
    sizes = parts.tolist()
    check(min(sizes) > 0 and sum(sizes) == value.shape[axis], "its parts are not the whole")
    stops = np.cumsum(sizes).tolist()
    return tuple(
        _part(value, axis, slice(stop - size, stop)) for stop, size in zip(stops, sizes, strict=True)
    )


def cut(_: Node, given: Given) -> Value:
    """A part of a tensor."""
    value = given[0]
    starts, stops = vector(given[1]), vector(given[2])
    named, strides = optional(given, 3), optional(given, 4)
    over = axes(range(len(starts)) if named is None else vector(named), len(value.shape))
    steps = (1,) * len(starts) if strides is None else vector(strides)
    check(len(starts) == len(stops) == len(over) == len(steps), "it has not one start, end and step a side")
    check(0 not in steps, "it has a step of nothing")
    for axis, start, stop, step in zip(over, starts, stops, steps, strict=True):
        value = _part(value, axis, slice(start, stop, step))
    return value


def _part(value: Value, axis: int, part: slice) -> Value:
    """A part along one side."""
    places = range(*part.indices(value.shape[axis]))
    shape = (*value.shape[:axis], len(places), *value.shape[axis + 1 :])
    # No sides of a shape is what comes out where a shape is cut at its end; it is then put before others.
    shape = shape if shape == (0,) and value.exact is not None else sides(shape)
    return moved([value], shape, lambda array: array.take(np.array(places, np.int64), axis=axis))


def pad(node: Node, given: Given) -> Value:
    """A tensor with a border."""
    value, border = given[0], vector(given[1])
    rank = len(value.shape)
    check(len(border) == 2 * rank and min(border) >= 0, "its border is not wholly around the tensor")
    check_number(optional(given, 2), value.dtype)
    if node.attributes.get("mode") == "reflect":
        narrow = all(width < value.shape[place % rank] for place, width in enumerate(border))
        check(narrow, "its border is wider than what it mirrors")
    whole = (side + border[axis] + border[axis + rank] for axis, side in enumerate(value.shape))
    return Value(value.dtype, sides(whole))


def gather(node: Node, given: Given) -> Value:
    """Parts of a tensor, taken by their places along one side."""
    value, places = given
    axis = along(node.attributes.get("axis", 0), len(value.shape))
    check_places(places, value.shape[axis])
    shape = sides((*value.shape[:axis], *places.shape, *value.shape[axis + 1 :]))
    if places.exact is None or places.size > FOLLOWED:
        return coarser(value)._replace(shape=shape)
    where = np.broadcast_to(places.exact, places.shape)
    return moved([value], shape, lambda array: np.asarray(np.take(array, where, axis=axis)))


def gather_elements(node: Node, given: Given) -> Value:
    """Elements of a tensor, taken by their places along one side."""
    value, places = given
    axis = along(node.attributes.get("axis", 0), len(value.shape))
    beside = (*value.shape[:axis], *places.shape[axis : axis + 1], *value.shape[axis + 1 :])
    check(places.shape == beside, "its places are not beside what they are taken from")
    check_places(places, value.shape[axis])
    return coarser(value)._replace(shape=places.shape)


def one_hot(_: Node, given: Given) -> Value:
    """A row for each place, of one number but for that place, which has another."""
    places, depth, numbers = given
    length = number(depth)
    check(numbers.shape == (2,), "it has not two numbers")
    check_places(places, length)
    return coarser(numbers)._replace(shape=sides((*places.shape, length)))


def largest_place(node: Node, given: Given) -> Value:
    """Where the largest element along a side is."""
    shape = given[0].shape
    axis = along(node.attributes.get("axis", 0), len(shape))
    left = (1,) if node.attributes.get("keepdims", 1) else ()
    return between("int64", (*shape[:axis], *left, *shape[axis + 1 :]), 0, shape[axis] - 1)


def largest(node: Node, given: Given) -> tuple[Value, Value]:
    """The largest elements along a side, and their places."""
    value, count = given[0], number(given[1])
    axis = along(node.attributes.get("axis", -1), len(value.shape))
    check(1 <= count <= value.shape[axis], "it takes more elements than there are")
    shape = (*value.shape[:axis], count, *value.shape[axis + 1 :])
    return Value(value.dtype, shape), between("int64", shape, 0, value.shape[axis] - 1)


def reduced(node: Node, given: Given) -> Value:
    """One element for all along some sides."""
    value, named = given[0], optional(given, 1)
    over = axes(node.attributes.get("axes", ()) if named is None else vector(named), len(value.shape))
    check(bool(over), "it names no side")
    kept = dict.fromkeys(over, 1) if node.attributes.get("keepdims", 1) else {}
    left = [kept.get(a, side) for a, side in enumerate(value.shape) if a in kept or a not in over]
    return Value(value.dtype, tuple(left))
