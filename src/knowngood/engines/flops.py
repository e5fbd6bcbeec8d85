"""How much arithmetic a graph takes."""

from __future__ import annotations

from math import prod
from typing import Any

from knowngood.engines.engine import read_for_one_image


def multiply_adds(graph: bytes) -> int:
    """Count the multiplications, each with its addition, that a graph takes for one image.

    Convolutions and matrix products are counted, all else is small beside them. The shapes come from
    OpenVINO's reader: exported graphs compute some shapes from others, further than ONNX's own shape
    inference follows.

    Args:
        graph: A serialised ONNX graph whose first dimension of the input is the batch.

    Raises:
        ValueError: OpenVINO cannot read the graph.

    Example:
        >>> from onnx import TensorProto, helper
        >>> image, score = (
        ...     helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        ...     for name, shape in (("images", ["n", 8]), ("score", ["n", 5]))
        ... )
        >>> weights = helper.make_tensor("weights", TensorProto.FLOAT, (8, 5), [1.0] * 40)
        >>> product = helper.make_node("MatMul", ["images", "weights"], ["score"])
        >>> model = helper.make_model(helper.make_graph([product], "g", [image], [score], [weights]))
        >>> multiply_adds(model.SerializeToString())
        40
    """
    return sum(map(_of_node, read_for_one_image(graph).get_ops()))


def _of_node(node: Any) -> int:
    """Multiplications that a node of the graph takes: those for each element of its output."""
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
