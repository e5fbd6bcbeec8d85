"""Parts of a graph."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx.utils import Extractor


def tensors(graph: bytes, prefix: str) -> list[str]:
    """Name the tensors that a graph computes and whose names start with a prefix, in the graph's order.

    Args:
        graph: A serialised ONNX graph.
        prefix: What the names start with.
    """
    nodes = onnx.load_from_string(graph).graph.node
    return [name for node in nodes for name in node.output if name.startswith(prefix)]


def up_to(graph: bytes, outputs: Sequence[str]) -> bytes:
    """Cut a graph after some of its tensors, and leave out what they do not need.

    Args:
        graph: A serialised ONNX graph.
        outputs: The tensors that the part gives, by name.

    Returns:
        The part, with the same inputs.

    Raises:
        ValueError: The graph has no tensor of such a name.

    Example:
        >>> from onnx import TensorProto, helper
        >>> ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "z")]
        >>> nodes = [helper.make_node("Exp", ["x"], ["y"]), helper.make_node("Log", ["y"], ["z"])]
        >>> whole = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:])).SerializeToString()
        >>> tensors(up_to(whole, ["y"]), "")
        ['y']
    """
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph))
    inputs = [given.name for given in model.graph.input]
    part: bytes = Extractor(model).extract_model(inputs, list(outputs)).SerializeToString()
    return part
