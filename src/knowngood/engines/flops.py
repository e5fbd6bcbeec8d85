"""The arithmetic that a graph takes."""

from __future__ import annotations

from math import prod
from typing import Any

from knowngood.engines.engine import read_for_one_image


def multiply_adds(graph: bytes) -> int:
    """Count the multiplications, each with its addition, that a serialised ONNX graph takes for one image.

    Convolutions and matrix products are counted, all else is small beside them. The shapes come from
    OpenVINO's reader: exported graphs compute some shapes from others, further than ONNX's own shape
    inference follows.

    Raises:
        ValueError: OpenVINO cannot read the graph.

    Example:
        >>> import torch
        >>> from knowngood.engines.export import to_onnx
        >>> multiply_adds(to_onnx(torch.nn.Linear(8, 5), {"images": torch.zeros(1, 8)}, ["score"]))
        40
    """
    return sum(map(_of_node, read_for_one_image(graph).get_ops()))


def _of_node(node: Any) -> int:
    """Multiplications of a node: those for each element of its output, times the elements."""
    match node.get_type_name():
        case "Convolution":
            _, *taps = node.input(1).get_shape()  # (out, in, height, width)
        case "GroupConvolution":
            _, _, *taps = node.input(1).get_shape()  # (groups, out, in, height, width)
        case "MatMul":
            transposed = node.get_attributes()["transpose_a"]
            taps = [node.input(0).get_shape()[-2 if transposed else -1]]
        case _:
            return 0
    count: int = prod(node.output(0).get_shape()) * prod(taps)
    return count
