"""From a torch module to an ONNX graph."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

OPSET = 17


def to_onnx(module: nn.Module, shape: tuple[int, int], outputs: Sequence[str]) -> bytes:
    """Export a module that takes images to an ONNX graph with a free batch size.

    The module is switched to evaluation mode. The TorchScript exporter is used because it takes a tenth of
    the dynamo exporter's time on the graphs of this project, and traces the same operations.

    Args:
        module: Takes uint8 images `(N, H, W, 3)`; returns one tensor or a tuple of tensors, batch first.
        shape: Height and width of the images, in pixels.
        outputs: A name for each returned tensor.

    Returns:
        The serialised graph, with one input named `images`.

    Example:
        >>> class Mean(nn.Module):
        ...     def forward(self, images):
        ...         return images.float().mean(dim=(1, 2, 3))
        >>> len(to_onnx(Mean(), (8, 8), ["mean"])) > 0
        True
    """
    example: Tensor = torch.zeros((1, *shape, 3), dtype=torch.uint8)
    axes = {name: {0: "n"} for name in ("images", *outputs)}
    buffer: Any = io.BytesIO()  # the exporter writes to it, though its signature asks for a path
    with torch.inference_mode(), warnings.catch_warnings():
        # The exporter announces its own deprecation, and the tracer every shape that becomes a constant:
        # both are intended here, since height and width are fixed per graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval().cpu(),
            (example,),
            buffer,
            input_names=["images"],
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    graph: bytes = buffer.getvalue()
    return graph
