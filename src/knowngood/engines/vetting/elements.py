"""What comes out of operators that work element by element, and of those that make tensors."""

from __future__ import annotations

from math import prod

import numpy as np

from knowngood.engines.vetting.onnx_file import TYPES, Node
from knowngood.engines.vetting.taken import (
    check,
    check_number,
    number,
    optional,
    pair,
    sides,
    together,
    vector,
)
from knowngood.engines.vetting.values import (
    FOLLOWED,
    Given,
    Value,
    between,
    coarse,
    computed,
    constant,
    exactly,
)


def same(_: Node, given: Given) -> Value:
    """Each element by itself, of numbers that are not followed."""
    return Value(given[0].dtype, given[0].shape)


def identity(_: Node, given: Given) -> Value:
    """The same."""
    return given[0]


def ceil(_: Node, given: Given) -> Value:
    """The next whole numbers."""
    value = given[0]
    return value if value.exact is None else exactly(value.dtype, np.ceil(value.exact), value.shape)


def limited(_: Node, given: Given) -> Value:
    """Numbers cut off at a least and a largest one."""
    value = given[0]
    elements = value.exact
    for limit, keep in ((optional(given, 1), np.maximum), (optional(given, 2), np.minimum)):
        check_number(limit, value.dtype)
        if limit is not None and elements is not None:
            elements = None if limit.exact is None else keep(elements, limit.exact.reshape(()))
    return (
        Value(value.dtype, value.shape) if elements is None else exactly(value.dtype, elements, value.shape)
    )


def cast(node: Node, given: Given) -> Value:
    """Numbers of another type; fractions are cut off."""
    check("to" in node.attributes, "it names no type")
    value, dtype = given[0], TYPES[node.attributes["to"]]
    limit = 2**31 if dtype == "int64" else 2**24
    if (
        value.bounds is None
        or not all((np.abs(end, dtype=np.float64) < limit).all() for end in value.bounds)
        or (value.exact is None and dtype != "int64")
    ):
        return Value(dtype, value.shape)
    low = value.bounds[0].astype(dtype)
    return Value(dtype, value.shape, (low, low if value.exact is not None else value.bounds[1].astype(dtype)))


def arithmetic(node: Node, given: Given) -> Value:
    """Two tensors, element by element."""
    one, other = pair(*given)
    if node.op in ("Div", "Mod") and one.dtype == "int64":
        positive = other.exact is not None and other.exact.min() > 0
        check(bool(positive), "it divides whole numbers by what may not be positive")
    return computed(node.op, one, other, together(one.shape, other.shape))


def power(_: Node, given: Given) -> Value:
    """One number raised to another."""
    one, other = pair(*given)
    return Value(one.dtype, together(one.shape, other.shape))


def compared(node: Node, given: Given) -> Value:
    """Whether elements are equal, or greater."""
    one, other = pair(*given)
    shape = together(one.shape, other.shape)
    if node.op == "Equal" and one.exact is not None and other.exact is not None and prod(shape) <= FOLLOWED:
        return exactly("bool", one.exact == other.exact, shape)
    return between("bool", shape, 0, 1)


def chosen(_: Node, given: Given) -> Value:
    """Elements of one tensor or of another."""
    condition = given[0]
    one, other = pair(*given[1:])
    shape = together(condition.shape, one.shape, other.shape)
    if (
        condition.exact is not None
        and one.exact is not None
        and other.exact is not None
        and prod(shape) <= FOLLOWED
    ):
        return exactly(one.dtype, np.where(condition.exact, one.exact, other.exact), shape)
    one, other = coarse(one, other)
    if one.bounds is None or other.bounds is None:
        return Value(one.dtype, shape)
    (low, high), (other_low, other_high) = one.bounds, other.bounds
    return Value(one.dtype, shape, (np.minimum(low, other_low), np.maximum(high, other_high)))


def shape_of(_: Node, given: Given) -> Value:
    """The sides of a tensor."""
    return exactly("int64", given[0].shape)


def constant_itself(node: Node, _: Given) -> Value:
    """A constant."""
    check("value" in node.attributes, "it has no value")
    return constant(node.attributes["value"])


def constant_of_shape(node: Node, given: Given) -> Value:
    """A tensor full of one number."""
    filled = node.attributes.get("value", np.zeros(1, np.float32))
    check(filled.size == 1, "it is filled with more than one number")
    return exactly(filled.dtype.name, filled.reshape(()), sides(vector(given[0])))


def counted(_: Node, given: Given) -> Value:
    """Whole numbers from one to another."""
    start, stop, step = map(number, given)
    check(step != 0 and 0 < len(range(start, stop, step)) <= FOLLOWED, "it counts too far")
    return exactly("int64", range(start, stop, step))


def expand(_: Node, given: Given) -> Value:
    """A tensor repeated along its sides."""
    return given[0]._replace(shape=together(given[0].shape, sides(vector(given[1]))))
