"""From what was fitted to a graph that gives the same scores."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.detectors.base import Fit, FittedDetector, FittedOnFeatures
from knowngood.engines.engine import DEFAULT_ENGINE, compile_graph
from knowngood.engines.export import blank, chain, to_onnx
from knowngood.errors import InspectorError

LARGEST_DIFFERENCE = 1e-4
"""The largest relative difference allowed between a graph's scores and torch's."""

LARGEST_ROUNDED = 5e-3
"""The same for a graph in 8 bits, where a value between two levels may be rounded either way."""

_IN_SCORES = ("image", "map")


def verified_graph(fit: Fit, images: NDArray[np.uint8]) -> tuple[bytes, float, list[float]]:
    """The exported graph, how far its outputs are from torch's, and its scores of the images; an error if
    that is too far.

    Raises:
        InspectorError: It is.
    """
    typical = float(np.median(np.abs(fit.held_out)))
    graph, difference, scores = export(fit.fitted, images, typical=typical)
    if not difference <= (LARGEST_ROUNDED if b"QuantizeLinear" in graph else LARGEST_DIFFERENCE):
        raise InspectorError(
            f"what the exported graph gives differs from torch's by {difference:.1e}, relative; "
            "this is a defect of the exporter or the engine: try other versions of torch and openvino"
        )
    return graph, difference, scores


def export(
    fitted: FittedDetector, images: NDArray[np.uint8], *, typical: float
) -> tuple[bytes, float, list[float]]:
    """Export a fitted method to a graph, and measure how far its outputs are from torch's.

    Frozen features come from the engine on both sides: `freeze` has compared them with torch's.

    Args:
        fitted: It is moved to the CPU.
        images: `(N, H, W, 3)`, at the input shape of the graph.
        typical: A usual score, which the differences of smaller ones are relative to.

    Returns:
        The ONNX graph, with those parts of `Scores` that there are; and the largest relative difference: of
        each score to itself, of other outputs to their largest value. And the scores.
    """
    fitted = fitted.eval().cpu()
    with torch.inference_mode():
        in_torch = fitted(torch.from_numpy(images)).given
    outputs = ["score" if name == "image" else name for name in in_torch]
    if isinstance(fitted, FittedOnFeatures):
        graph = chain(fitted.features.graph, _Tensors(fitted), outputs, rows=fitted.features.views)
    else:
        graph = to_onnx(_Tensors(fitted), {"images": blank(images.shape[1:3])}, outputs)
    engine = fitted.features.engine_name if isinstance(fitted, FittedOnFeatures) else DEFAULT_ENGINE
    in_graph = compile_graph(graph, engine, keep=True)(images)  # the inspector will soon run it
    differences = []
    for (name, expected), given in zip(in_torch.items(), in_graph, strict=True):
        known = expected.numpy()
        size = np.abs(known) if name == "image" else np.abs(known).max()
        scale = np.maximum(size, max(typical, 1e-12) if name in _IN_SCORES else 1e-6)
        differences.append(float(np.max(np.abs(known - given) / scale)))
    return graph, max(differences), in_graph[outputs.index("score")].tolist()


class _Tensors(nn.Module):
    """A fitted method with plain tensors as outputs, as an exporter wants them."""

    def __init__(self, fitted: FittedDetector) -> None:
        super().__init__()
        self.fitted = fitted

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Score images, or features where the method is fitted on them."""
        fitted = self.fitted
        scores = fitted.score_features(inputs) if isinstance(fitted, FittedOnFeatures) else fitted(*inputs)
        return tuple(scores.given.values())
