"""What comes out of the layers of networks: convolutions, pooling, products, normalisation, rounding."""

from __future__ import annotations

from math import prod

import numpy as np

from knowngood.engines.vetting.onnx_file import Node
from knowngood.engines.vetting.taken import along, check, number, optional, pair, sides, together
from knowngood.engines.vetting.values import Given, Value


def convolution(node: Node, given: Given) -> Value:
    """Maps `(N, C, H, W)` convolved with weights `(O, C / groups, h, w)`."""
    maps, weights = pair(*given[:2])
    groups = node.attributes.get("group", 1)
    check_maps(maps)
    check(len(weights.shape) == 4 and weights.fixed, "its weights are not constant")
    outputs, per_group, *kernel = weights.shape
    check(
        groups > 0 and outputs % groups == 0 and per_group * groups == maps.shape[1],
        "its weights do not fit its channels",
    )
    check_bias(optional(given, 2), outputs, maps.dtype)
    return Value(maps.dtype, sides((maps.shape[0], outputs, *window(node, maps, tuple(kernel)))))


def transposed_convolution(node: Node, given: Given) -> Value:
    """Maps `(N, C, H, W)` enlarged by weights `(C, O, h, w)`."""
    maps, weights = pair(*given[:2])
    check_maps(maps)
    check(len(weights.shape) == 4 and weights.fixed, "its weights are not constant")
    inputs, outputs, *kernel = weights.shape
    check(inputs == maps.shape[1], "its weights do not fit its channels")
    check_bias(optional(given, 2), outputs, maps.dtype)
    strides, pads, more = (
        numbers(node, "strides", 2, 1),
        numbers(node, "pads", 4, 0),
        numbers(node, "output_padding", 2, 0),
    )
    check_kernel(node, kernel)
    check(all(0 <= pads[i] < kernel[i % 2] for i in range(4)), "its border is wider than its kernel")
    check(
        all(0 <= extra < step for extra, step in zip(more, strides, strict=True)),
        "it adds more than a stride",
    )
    shape = (
        (maps.shape[2 + i] - 1) * strides[i] + kernel[i] - pads[i] - pads[2 + i] + more[i] for i in range(2)
    )
    return Value(maps.dtype, sides((maps.shape[0], outputs, *shape)))


def pooled(node: Node, given: Given) -> Value:
    """Maps with one number for all in a window."""
    maps = given[0]
    check_maps(maps)
    check("kernel_shape" in node.attributes, "it has no window")
    return Value(
        maps.dtype, sides((*maps.shape[:2], *window(node, maps, numbers(node, "kernel_shape", 2, 1))))
    )


def pooled_whole(_: Node, given: Given) -> Value:
    """Maps averaged."""
    check_maps(given[0])
    return Value(given[0].dtype, (*given[0].shape[:2], 1, 1))


def window(node: Node, maps: Value, kernel: tuple[int, ...]) -> tuple[int, ...]:
    """Height and width of what a window moved over maps gives."""
    strides, pads = numbers(node, "strides", 2, 1), numbers(node, "pads", 4, 0)
    check_kernel(node, kernel)
    check(all(0 <= pads[i] < kernel[i % 2] for i in range(4)), "its border is wider than its window")
    return tuple((maps.shape[2 + i] + pads[i] + pads[2 + i] - kernel[i]) // strides[i] + 1 for i in range(2))


def check_kernel(node: Node, kernel: tuple[int, ...] | list[int]) -> None:
    """Refuse a window that is not the weights'."""
    check(
        node.attributes.get("kernel_shape", tuple(kernel)) == tuple(kernel), "its window is not its weights'"
    )
    check(min(kernel) > 0, "its window is empty")
    check(min(numbers(node, "strides", 2, 1)) > 0, "it does not move")


def numbers(node: Node, name: str, count: int, default: int) -> tuple[int, ...]:
    """An attribute of so many whole numbers."""
    values: tuple[int, ...] = node.attributes.get(name, (default,) * count)
    check(len(values) == count, f"its attribute {name!r} has not {count} numbers")
    return values


def check_maps(maps: Value) -> None:
    """Refuse what is not maps `(N, C, H, W)`."""
    check(len(maps.shape) == 4, f"it has an input of shape {maps.shape}, not of maps")


def check_bias(bias: Value | None, size: int, dtype: str) -> None:
    """Refuse what is not one number for each channel, if it is there."""
    check(
        bias is None or (bias.shape == (size,) and bias.dtype == dtype),
        "it has not one number for each channel",
    )


def product(_: Node, given: Given) -> Value:
    """Matrices multiplied."""
    one, other = pair(*given)
    check(min(len(one.shape), len(other.shape)) > 0, "it multiplies what is no matrix")
    # A vector is a matrix of one row or column, which is left out of what comes out.
    rows = one.shape if len(one.shape) > 1 else (1, *one.shape)
    columns = other.shape if len(other.shape) > 1 else (*other.shape, 1)
    check(rows[-1] == columns[-2], f"it multiplies {one.shape} by {other.shape}")
    leading = together(rows[:-2], columns[:-2])
    return Value(
        one.dtype, (*leading, *rows[-2:-1][: len(one.shape) - 1], *columns[-1:][: len(other.shape) - 1])
    )


def linear(node: Node, given: Given) -> Value:
    """Rows multiplied with weights, and a bias added."""
    rows, weights = pair(*given[:2])
    check(len(rows.shape) == len(weights.shape) == 2, "it multiplies what is no matrix")
    turned = weights.shape[::-1] if node.attributes.get("transB", 0) else weights.shape
    check(rows.shape[1] == turned[0], f"it multiplies {rows.shape} by {turned}")
    check_bias(optional(given, 2), turned[1], rows.dtype)
    return Value(rows.dtype, (rows.shape[0], turned[1]))


def mixed(_: Node, given: Given) -> Value:
    """Channels of maps `(N, C, H, W)` mixed by weights `(K, C)`, `(N, K, H, W)`."""
    maps, weights = pair(*given)
    check_maps(maps)
    check(weights.shape[1:] == maps.shape[1:2], "its weights do not fit its channels")
    return Value(maps.dtype, (maps.shape[0], weights.shape[0], *maps.shape[2:]))


def batch_normalised(_: Node, given: Given) -> Value:
    """Each channel by itself."""
    check(len(given[0].shape) >= 2, "it has no channels")
    for place in range(1, 5):
        check_bias(given[place], given[0].shape[1], given[0].dtype)
    return Value(given[0].dtype, given[0].shape)


def layer_normalised(_: Node, given: Given) -> Value:
    """The numbers along the last side, by their mean and spread."""
    check(len(given[0].shape) >= 1, "it has no side")
    for place in (1, 2):
        check_bias(optional(given, place), given[0].shape[-1], given[0].dtype)
    return Value(given[0].dtype, given[0].shape)


def over_axis(node: Node, given: Given) -> Value:
    """The numbers along a side, as shares of a whole."""
    along(node.attributes.get("axis", -1), len(given[0].shape))
    return Value(given[0].dtype, given[0].shape)


def resized(_: Node, given: Given) -> Value:
    """Maps enlarged or made smaller, by factors or to sizes."""
    maps, region, factors, sizes = given[0], optional(given, 1), optional(given, 2), optional(given, 3)
    check_maps(maps)
    check(region is None or region.shape == (0,), "it enlarges only a part")
    check(sizes is None or factors is None or factors.shape == (0,), "it has factors and sizes")
    by = factors if sizes is None else sizes
    known = None if by is None or by.shape != (4,) else by.exact
    if known is None or by is None or by.dtype != ("float32" if sizes is None else "int64"):
        raise ValueError("its sizes are not known")
    wanted = known.astype(np.float64) * (maps.shape if sizes is None else 1)
    whole = bool((np.abs(wanted) < 2**31).all() and (wanted == np.rint(wanted)).all())
    check(whole, "its sizes are not whole numbers")
    shape = sides(int(side) for side in wanted)
    check(shape[:2] == maps.shape[:2], "it enlarges more than height and width")
    return Value(maps.dtype, shape)


def rounded(_: Node, given: Given) -> Value:
    """Numbers as whole steps of 8 bits."""
    check_steps(given, 1)
    return Value(given[2].dtype, given[0].shape)


def from_steps(node: Node, given: Given) -> Value:
    """Numbers from whole steps of 8 bits."""
    value = given[0]
    check(value.dtype == given[2].dtype, "its steps differ in type")
    channels = value.shape[along(node.attributes.get("axis", 1), len(value.shape))] if given[1].shape else 1
    check_steps(given, channels)
    return Value("float32", value.shape)


def check_steps(given: Given, channels: int) -> None:
    """Refuse steps that are not constant, finite and positive, one for all or one for each channel."""
    step, zero = given[1], given[2]
    check(step.dtype == "float32" and zero.dtype in ("uint8", "int8"), "its steps are not of 8 bits")
    check(
        step.shape == zero.shape and step.shape in ((), (channels,)), "it has not one step for each channel"
    )
    known = step.exact
    check(
        known is not None and bool((np.isfinite(known) & (known > 0)).all()),
        "its steps are not positive numbers",
    )


def multiplications(node: Node, given: Given, outputs: tuple[Value, ...]) -> int:
    """About how much a node reckons: multiplications, and numbers that are looked at."""
    seen = sum(value.size for value in (*given, *outputs))
    match node.op:
        case "Conv":
            seen += outputs[0].size * prod(given[1].shape[1:])
        case "ConvTranspose":
            seen += given[0].size * prod(given[1].shape[1:])
        case "MatMul" | "Gemm":
            seen += outputs[0].size * given[0].shape[-1]
        case "Einsum":
            seen += outputs[0].size * given[1].shape[1]
        case "AveragePool" | "MaxPool":
            seen += outputs[0].size * prod(node.attributes["kernel_shape"])
        case "TopK":  # by comparing each with those that were found
            seen += given[0].size * number(given[1])
    return seen
