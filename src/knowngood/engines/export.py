"""From a torch module to an ONNX graph."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import onnx
import torch
from onnx import compose
from torch import Tensor, nn

from knowngood.parallel import ALONE

BATCH = "n"
"""The name of the free batch dimension."""

OPSET = 17


def to_onnx(module: nn.Module, inputs: dict[str, Tensor], outputs: Sequence[str]) -> bytes:
    """Export a module, which is switched to evaluation mode, to a serialised ONNX graph of any batch size.

    The TorchScript exporter is used because it takes a tenth of the dynamo exporter's time on the graphs of
    this project, and traces the same operations.

    Args:
        module: Returns one tensor or a tuple of tensors, batch first.
        inputs: A name and an example, batch first, for each argument of the module.
        outputs: A name for each returned tensor.

    Example:
        >>> graph = to_onnx(nn.Flatten(), {"images": blank((8, 8))}, ["pixels"])
        >>> [output.name for output in onnx.load_from_string(graph).graph.output]
        ['pixels']
    """
    axes = {name: {0: BATCH} for name in (*inputs, *outputs)}
    buffer: Any = io.BytesIO()  # the exporter writes to it, though its signature asks for a path
    with ALONE, torch.inference_mode(), warnings.catch_warnings():
        # The exporter announces its own deprecation, and the tracer every shape that becomes a constant:
        # both are intended here, since height and width are fixed per graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval().cpu(),
            tuple(inputs.values()),
            buffer,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    graph: bytes = buffer.getvalue()
    return graph


def blank(shape: tuple[int, int]) -> Tensor:
    """A black image, uint8 `(1, H, W, 3)`: an example of what a graph of images takes."""
    return torch.zeros((1, *shape, 3), dtype=torch.uint8)


def chain(graph: bytes, module: nn.Module, outputs: Sequence[str], *, rows: int = 1) -> bytes:
    """Put a module behind a serialised ONNX graph, whose outputs have so many rows per image.

    The outputs name the tensors that the module returns.
    """
    shapes = [o.type.tensor_type.shape for o in onnx.load_from_string(graph).graph.output]
    examples = {
        f"given{number}": torch.zeros([rows, *(d.dim_value for d in shape.dim[1:])])
        for number, shape in enumerate(shapes)
    }
    return put_before(to_onnx(module, examples, outputs), graph, prefix=f"{outputs[0]}/")


def put_before(graph: bytes, first: bytes, *, prefix: str = "seen/") -> bytes:
    """Let the outputs of one serialised ONNX graph, `first`, be the inputs of another, in their order.

    All names in `graph` but those of its outputs get the prefix.
    """
    before, behind = onnx.load_from_string(first), onnx.load_from_string(graph)
    behind = compose.add_prefix(behind, prefix, rename_outputs=False)
    before.ir_version = behind.ir_version = max(before.ir_version, behind.ir_version)
    joints = zip(before.graph.output, behind.graph.input, strict=True)
    merged = compose.merge_models(
        before, behind, io_map=[(given.name, taken.name) for given, taken in joints]
    )
    return bytes(merged.SerializeToString())


def side_by_side(graph: bytes, other: bytes, outputs: Sequence[str]) -> bytes:
    """One serialised ONNX graph with the outputs of two that have the same single input.

    The outputs of `other` get new names.

    Example:
        >>> graph = to_onnx(nn.Flatten(), {"images": blank((8, 8))}, ["pixels"])
        >>> both = onnx.load_from_string(side_by_side(graph, graph, ["again"])).graph
        >>> [given.name for given in both.input], [output.name for output in both.output]
        (['images'], ['pixels', 'again'])
    """
    merged, beside = onnx.load_from_string(graph), onnx.load_from_string(other)
    beside = compose.add_prefix(beside, f"{outputs[0]}/")
    new = {beside.graph.input[0].name: merged.graph.input[0].name}
    new |= {output.name: name for output, name in zip(beside.graph.output, outputs, strict=True)}
    for node in beside.graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for output in beside.graph.output:
        output.name = new[output.name]
    merged.graph.node.extend(beside.graph.node)
    merged.graph.initializer.extend(beside.graph.initializer)
    merged.graph.output.extend(beside.graph.output)
    return bytes(merged.SerializeToString())
