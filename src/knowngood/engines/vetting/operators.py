"""The operators that an inspector's graph may hold.

They are those that our own exporter gives for all methods, with the attributes that it gives and no more; a
test in `tests/contract` holds both equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from knowngood.engines.vetting import elements, layers, moves
from knowngood.engines.vetting.onnx_file import MOST_TAKEN, Node
from knowngood.engines.vetting.taken import check
from knowngood.engines.vetting.values import Given, Value

Rule = Callable[[Node, Given], Value | tuple[Value, ...]]

FLOATS = ("float32", "float64")
NUMBERS = (*FLOATS, "int64")
ALL = (*NUMBERS, "uint8", "int8", "bool")


class Operator(NamedTuple):
    """What is allowed of an operator.

    Attributes:
        rule: Works out what comes out, and refuses what an engine might not survive.
        fewest: The fewest inputs that it has; those beyond may be left out.
        most: The most.
        types: What its first input may be made of.
        attributes: What each attribute may be: of a type, when the rule checks it, or one of some values.
    """

    rule: Rule
    fewest: int
    most: int
    types: tuple[str, ...]
    attributes: Mapping[str, type | tuple[Any, ...]] = {}


Attributes = dict[str, type | tuple[Any, ...]]

_MOVED: Attributes = {"kernel_shape": tuple, "strides": tuple, "pads": tuple}
_PLAIN: Attributes = {"auto_pad": ("NOTSET",), "dilations": ((1, 1),)}
_AXIS: Attributes = {"axis": int}
_REDUCED: Attributes = {"axes": tuple, "keepdims": (0, 1)}

OPERATORS: dict[str, Operator] = {
    # Each element by itself
    "Exp": Operator(elements.same, 1, 1, FLOATS),
    "Log": Operator(elements.same, 1, 1, FLOATS),
    "Sqrt": Operator(elements.same, 1, 1, FLOATS),
    "Erf": Operator(elements.same, 1, 1, FLOATS),
    "Sigmoid": Operator(elements.same, 1, 1, FLOATS),
    "HardSigmoid": Operator(elements.same, 1, 1, FLOATS, {"alpha": float, "beta": float}),
    "Softplus": Operator(elements.same, 1, 1, FLOATS),
    "Relu": Operator(elements.same, 1, 1, FLOATS),
    "LeakyRelu": Operator(elements.same, 1, 1, FLOATS, {"alpha": float}),
    "Sign": Operator(elements.same, 1, 1, FLOATS),
    "Neg": Operator(elements.same, 1, 1, NUMBERS),
    "Abs": Operator(elements.same, 1, 1, NUMBERS),
    "Ceil": Operator(elements.ceil, 1, 1, FLOATS),
    "Clip": Operator(elements.limited, 1, 3, FLOATS),
    "Cast": Operator(elements.cast, 1, 1, ALL, {"to": (1, 7, 11)}),
    "Identity": Operator(elements.identity, 1, 1, ALL),
    # Two or three tensors, element by element
    "Add": Operator(elements.arithmetic, 2, 2, NUMBERS),
    "Sub": Operator(elements.arithmetic, 2, 2, NUMBERS),
    "Mul": Operator(elements.arithmetic, 2, 2, NUMBERS),
    "Div": Operator(elements.arithmetic, 2, 2, NUMBERS),
    "Mod": Operator(elements.arithmetic, 2, 2, ("int64",)),
    "Min": Operator(elements.arithmetic, 2, 2, NUMBERS),
    "Max": Operator(elements.arithmetic, 2, 2, NUMBERS),
    "Pow": Operator(elements.power, 2, 2, FLOATS),
    "Equal": Operator(elements.compared, 2, 2, NUMBERS),
    "Greater": Operator(elements.compared, 2, 2, NUMBERS),
    "GreaterOrEqual": Operator(elements.compared, 2, 2, NUMBERS),
    "Where": Operator(elements.chosen, 3, 3, ("bool",)),
    # Shapes, and tensors made of them
    "Shape": Operator(elements.shape_of, 1, 1, ALL),
    "Constant": Operator(elements.constant_itself, 0, 0, ALL, {"value": np.ndarray}),
    "ConstantOfShape": Operator(elements.constant_of_shape, 1, 1, ("int64",), {"value": np.ndarray}),
    "Range": Operator(elements.counted, 3, 3, ("int64",)),
    "Expand": Operator(elements.expand, 2, 2, ALL),
    # Elements in other places
    "Reshape": Operator(moves.reshape, 2, 2, ALL, {"allowzero": (0,)}),
    "Flatten": Operator(moves.flatten, 1, 1, ALL, _AXIS),
    "Unsqueeze": Operator(moves.unsqueeze, 2, 2, ALL),
    "Squeeze": Operator(moves.squeeze, 2, 2, ALL),
    "Transpose": Operator(moves.transpose, 1, 1, ALL, {"perm": tuple}),
    "Concat": Operator(moves.concat, 1, MOST_TAKEN, ALL, _AXIS),
    "Split": Operator(moves.split, 2, 2, ALL, _AXIS),
    "Slice": Operator(moves.cut, 3, 5, ALL),
    "Pad": Operator(moves.pad, 2, 3, FLOATS, {"mode": ("constant", "edge", "reflect")}),
    # Elements by their places
    "Gather": Operator(moves.gather, 2, 2, ALL, _AXIS),
    "GatherElements": Operator(moves.gather_elements, 2, 2, FLOATS, _AXIS),
    "OneHot": Operator(moves.one_hot, 3, 3, ("int64",), {"axis": (-1,)}),
    "ArgMax": Operator(
        moves.largest_place, 1, 1, FLOATS, {**_AXIS, "keepdims": (0, 1), "select_last_index": (0,)}
    ),
    "TopK": Operator(moves.largest, 2, 2, FLOATS, {**_AXIS, "largest": (0, 1), "sorted": (1,)}),
    # One number for many
    "ReduceMax": Operator(moves.reduced, 1, 1, FLOATS, _REDUCED),
    "ReduceMin": Operator(moves.reduced, 1, 1, FLOATS, {"axes": tuple, "keepdims": (0,)}),
    "ReduceMean": Operator(moves.reduced, 1, 1, FLOATS, _REDUCED),
    "ReduceSum": Operator(moves.reduced, 2, 2, FLOATS, {"keepdims": (0, 1), "noop_with_empty_axes": (0,)}),
    "Softmax": Operator(layers.over_axis, 1, 1, FLOATS, _AXIS),
    "LogSoftmax": Operator(layers.over_axis, 1, 1, FLOATS, _AXIS),
    # Layers of networks
    "Conv": Operator(layers.convolution, 2, 3, ("float32",), {**_MOVED, **_PLAIN, "group": int}),
    "ConvTranspose": Operator(
        layers.transposed_convolution,
        2,
        3,
        ("float32",),
        {**_MOVED, "dilations": ((1, 1),), "group": (1,), "output_padding": tuple},
    ),
    "AveragePool": Operator(
        layers.pooled,
        1,
        1,
        ("float32",),
        {**_MOVED, "auto_pad": ("NOTSET",), "ceil_mode": (0,), "count_include_pad": (1,)},
    ),
    "MaxPool": Operator(
        layers.pooled, 1, 1, ("float32",), {**_MOVED, **_PLAIN, "ceil_mode": (0,), "storage_order": (0,)}
    ),
    "GlobalAveragePool": Operator(layers.pooled_whole, 1, 1, ("float32",)),
    "MatMul": Operator(layers.product, 2, 2, FLOATS),
    "Gemm": Operator(layers.linear, 2, 3, FLOATS, {"alpha": (1.0,), "beta": (1.0,), "transB": (1,)}),
    "Einsum": Operator(layers.mixed, 2, 2, FLOATS, {"equation": ("nchw,kc->nkhw",)}),
    "BatchNormalization": Operator(
        layers.batch_normalised, 5, 5, FLOATS, {"epsilon": float, "momentum": float, "training_mode": (0,)}
    ),
    "LayerNormalization": Operator(
        layers.layer_normalised, 2, 3, FLOATS, {"axis": (-1,), "epsilon": float, "stash_type": (1,)}
    ),
    "Resize": Operator(
        layers.resized,
        3,
        4,
        ("float32",),
        {
            "coordinate_transformation_mode": ("half_pixel",),
            "mode": ("linear",),
            # Without a meaning where it is linear, but exported:
            "nearest_mode": ("floor",),
            "cubic_coeff_a": (-0.75,),
            "exclude_outside": (0,),
            "extrapolation_value": (0.0,),
        },
    ),
    "QuantizeLinear": Operator(layers.rounded, 3, 3, ("float32",)),
    "DequantizeLinear": Operator(layers.from_steps, 3, 3, ("uint8", "int8"), _AXIS),
}
"""What an inspector's graph may hold. An operator or attribute that is added steps the format."""

_MAY_BE_LEFT_OUT = ("Resize", "Clip", "Slice")
"""Operators of which an input may be left out though one behind it is there."""

_MAY_BE_EMPTY = ("Concat", "Resize")
"""Operators that may take an input of no elements."""


def infer(node: Node, given: Given) -> tuple[Value, ...]:
    """Work out what a node gives for one image.

    Args:
        node: The node.
        given: What it takes.

    Raises:
        ValueError: It is not allowed, or what it gives cannot be worked out before it runs.
    """
    operator = OPERATORS.get(node.op)
    if operator is None:
        raise ValueError("no inspector has this operator")
    for name, value in node.attributes.items():
        allowed = operator.attributes.get(name, ())
        if isinstance(allowed, type):
            within = isinstance(value, allowed)
        else:
            within = any(type(value) is type(one) and value == one for one in allowed)
        if not within:
            shown = " ".join(str(value).split())[:40]
            raise ValueError(f"no inspector has its attribute {name[:40]!r} as {shown}")
    check(operator.fewest <= len(given) <= operator.most, f"it has {len(given)} inputs, of another number")
    left_out = [place for place, value in enumerate(given) if not value.dtype]
    check(not left_out or (left_out[0] > 0 and node.op in _MAY_BE_LEFT_OUT), "an input of it is left out")
    check(node.op in _MAY_BE_EMPTY or all(value.size for value in given), "an input of it is empty")
    if given:
        check(given[0].dtype in operator.types, f"it takes numbers of type {given[0].dtype}")
    found = operator.rule(node, given)
    values = (found,) if isinstance(found, Value) else found
    check(len(values) == len(node.outputs), f"it gives {len(values)} outputs, not {len(node.outputs)}")
    fixed = node.op == "Shape" or all(value.fixed or not value.dtype for value in given)
    return tuple(value._replace(fixed=fixed) for value in values)
