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

from knowngood.engines.simplify import BATCH

OPSET = 17


def to_onnx(module: nn.Module, inputs: dict[str, Tensor], outputs: Sequence[str]) -> bytes:
    """Export a module to an ONNX graph with a free batch size.

    The module is switched to evaluation mode. The TorchScript exporter is used because it takes a tenth of
    the dynamo exporter's time on the graphs of this project, and traces the same operations.

    Args:
        module: Returns one tensor or a tuple of tensors, batch first.
        inputs: A name and an example, batch first, for each argument of the module.
        outputs: A name for each returned tensor.

    Returns:
        The serialised graph.

    Example:
        >>> class Mean(nn.Module):
        ...     def forward(self, images):
        ...         return images.float().mean(dim=(1, 2, 3))
        >>> len(to_onnx(Mean(), {"images": blank((8, 8))}, ["mean"])) > 0
        True
    """
    axes = {name: {0: BATCH} for name in (*inputs, *outputs)}
    buffer: Any = io.BytesIO()  # the exporter writes to it, though its signature asks for a path
    with torch.inference_mode(), warnings.catch_warnings():
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
    """An example of what a graph of images takes: one black image, uint8 `(1, H, W, 3)`."""
    return torch.zeros((1, *shape, 3), dtype=torch.uint8)


def chain(graph: bytes, module: nn.Module, outputs: Sequence[str], *, rows: int = 1) -> bytes:
    """Put a module behind a graph.

    Args:
        graph: A serialised ONNX graph.
        module: Takes the graph's outputs, in their order.
        outputs: A name for each tensor that the module returns.
        rows: Rows of each of the graph's outputs for an image.

    Returns:
        One serialised graph, from the first one's inputs to the module's outputs.
    """
    first = onnx.load_from_string(graph)
    examples = {
        output.name: torch.zeros([rows, *(d.dim_value for d in output.type.tensor_type.shape.dim[1:])])
        for output in first.graph.output
    }
    second = onnx.load_from_string(to_onnx(module, examples, outputs))
    second = compose.add_prefix(second, f"{outputs[0]}/", rename_inputs=False, rename_outputs=False)
    second.ir_version = first.ir_version
    merged = compose.merge_models(first, second, io_map=[(name, name) for name in examples])
    return bytes(merged.SerializeToString())


def put_before(graph: bytes, first: bytes) -> bytes:
    """Let what one graph gives be the images of another.

    Args:
        graph: A serialised ONNX graph that takes `images`.
        first: A serialised ONNX graph that takes `images` and gives one tensor.

    Returns:
        One serialised graph, from the first one's input to the other one's outputs.
    """
    second, model = onnx.load_from_string(graph), onnx.load_from_string(first)
    (given,), (taken,) = model.graph.output, second.graph.input
    second = compose.add_prefix(second, "seen/", rename_outputs=False)
    model.ir_version = second.ir_version
    merged = compose.merge_models(model, second, io_map=[(given.name, f"seen/{taken.name}")])
    return bytes(merged.SerializeToString())
