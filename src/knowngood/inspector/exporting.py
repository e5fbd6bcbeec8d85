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
"""The same for a graph in 8 bits, where a value between two levels may be rounded either way: a few places of
a map then differ by more, so that its differences are taken as the root of their mean square."""

_IN_SCORES = ("image", "map")


def verified_graph(fit: Fit, images: NDArray[np.uint8]) -> tuple[bytes, float, list[float]]:
    """The exported graph, how far its outputs are from torch's, and its scores of the images; an error if
    that is too far.

    Raises:
        InspectorError: It is.
    """
    typical = float(np.median(np.abs(fit.held_out)))
    graph, difference, scores = export(fit.fitted, images, typical=typical)
    if not difference <= (LARGEST_ROUNDED if _rounds(graph) else LARGEST_DIFFERENCE):
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
        The ONNX graph, with those parts of `Scores` that there are; the largest `relative_difference`; and
        the scores.
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
    differences = [
        relative_difference(name, expected.numpy(), output, typical=typical, rounds=_rounds(graph))
        for (name, expected), output in zip(in_torch.items(), in_graph, strict=True)
    ]
    return graph, max(differences), in_graph[outputs.index("score")].tolist()


def relative_difference(
    name: str, expected: NDArray[np.floating], given: NDArray[np.floating], *, typical: float, rounds: bool
) -> float:
    """How far an output is from what is expected: the largest difference of a score, relative to itself, of
    another output to its largest value; of a map of a graph that rounds, the root mean square.

    Example:
        >>> scores = np.float32([1, 4])
        >>> relative_difference("image", scores, scores + np.float32([0, 1]), typical=1, rounds=True)
        0.25
    """
    sizes = np.abs(expected) if name == "image" else np.abs(expected).max()
    scale = np.maximum(sizes, max(typical, 1e-12) if name in _IN_SCORES else 1e-6)
    relative = np.abs(expected - given) / scale
    return float(np.sqrt(np.mean(relative**2)) if rounds and name == "map" else np.max(relative))


def _rounds(graph: bytes) -> bool:
    """Whether a graph computes in 8 bits."""
    return b"QuantizeLinear" in graph


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
