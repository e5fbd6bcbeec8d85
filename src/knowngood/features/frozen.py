"""A frozen feature extractor, as a graph that an engine runs."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.engines.cache import cached
from knowngood.engines.engine import DEFAULT_ENGINE, Engine, Outputs, compile_graph
from knowngood.engines.export import blank, side_by_side, to_onnx
from knowngood.errors import InspectorError
from knowngood.features.weights import checkpoint_file

OUTPUT = "features/output"  # the name of the outputs of a feature graph, before their number
# The most that a graph's features may differ from torch's, as a share of their spread.
LARGEST_DIFFERENCE = 1e-3
_MADE_BY = ("torch", "timm", "onnx", "onnxruntime", "openvino")
_SOURCES = (".", "../engines")


@dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """A frozen network that extracts one or more tensors from images; it can be pickled.

    Args:
        graph: The serialised ONNX graph: uint8 images `(N, H, W, 3)` in, tensors out, batch first.
        module: Makes the same as a torch module, for devices other than the CPU; it can be pickled.
        views: Rows of each output per image.
        engine_name: A name in `knowngood.engines.engine.ENGINES`; 8-bit graphs differ between engines.
    """

    graph: bytes
    module: Callable[[], nn.Module]
    views: int = 1
    engine_name: str = DEFAULT_ENGINE

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the compiled graph."""
        return FrozenFeatures, (self.graph, self.module, self.views, self.engine_name)

    @property
    def backbone(self) -> dict[str, str]:
        """Name of the network, the source of its weights, and their SHA-256."""
        return {entry.key: entry.value for entry in self._model.metadata_props}

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each output without the batch, such as `(C, h, w)`."""
        return [
            tuple(d.dim_value for d in output.type.tensor_type.shape.dim[1:])
            for output in self._model.graph.output
        ]

    @cached_property
    def engine(self) -> Engine:
        """The compiled graph."""
        return compile_graph(self.graph, self.engine_name)

    @cached_property
    def _network(self) -> nn.Module:
        return self.module().eval()

    @cached_property
    def _model(self) -> onnx.ModelProto:
        return onnx.load_from_string(self.graph)

    def __call__(self, images: Tensor) -> list[Tensor]:
        """The features of uint8 images `(N, H, W, 3)`."""
        if images.device.type == "cpu":
            stream = self.engine.stream((None, image[None]) for image in images.numpy())
            rows = [[torch.from_numpy(output.copy()) for output in outputs] for _, outputs in stream]
            return [torch.cat(column) for column in zip(*rows, strict=True)]
        with torch.inference_mode():
            return list(self._network.to(images.device)(images))


def freeze(
    extractor: Callable[..., nn.Module],
    shape: tuple[int, int],
    *,
    backbone: str,
    strides: Sequence[int] | None = None,
    weights: str | None = None,
    setting: str = "backbone",
    **options: Any,
) -> FrozenFeatures:
    """Convert features of a pretrained backbone to a graph, or load the converted graph from the cache.

    The extractor is a module class that takes a `Backbone` and the options; its instance takes uint8 images
    `(N, H, W, 3)` of the shape and returns a tuple of tensors, batch first. The other arguments and errors
    are those of `knowngood.features.backbones.load_backbone`.

    Raises:
        InspectorError: The graph gives other features than torch.

    Example:
        >>> from knowngood.features.patches import PatchFeatures
        >>> lite = "tf_efficientnet_lite0"
        >>> freeze(PatchFeatures, (64, 64), backbone=lite, strides=(8,), spacing=8).shapes
        [(40, 8, 8)]
    """
    network = {"strides": strides, "weights": weights, "setting": setting}
    module = partial(_build, extractor, options, backbone, network)

    def convert() -> bytes:
        from knowngood.engines.simplify import simplify

        torch_module = module()
        noise = np.random.default_rng(0).integers(0, 256, size=(1, *shape, 3), dtype=np.uint8)
        with torch.inference_mode():
            expected = [tensor.numpy() for tensor in torch_module.eval()(torch.from_numpy(noise))]
        names = [f"{OUTPUT}{i}" for i in range(len(expected))]
        graph = simplify(to_onnx(torch_module, {"images": blank(shape)}, names))
        _check(expected, compile_graph(graph)(noise))
        model = onnx.load_from_string(graph)
        source: Any = torch_module.backbone
        about = {"name": source.name, "weights": source.weights, "weights_hash": source.weights_hash}
        onnx.helper.set_model_props(model, about)
        return bytes(model.SerializeToString())

    checkpoint = checkpoint_file(backbone, weights)
    if checkpoint is None:
        return FrozenFeatures(convert(), module)  # which weights these are is known only once they are loaded
    key = {
        "features": [extractor.__module__, extractor.__qualname__],
        "options": options,
        "shape": shape,
        "backbone": backbone,
        "strides": strides,
        "weights": [checkpoint.name, hashlib.sha256(checkpoint.read_bytes()).hexdigest()],
        "embedded": weights is None,
        "versions": {name: version(name) for name in _MADE_BY},
        "source": _source_hash(inspect.getsourcefile(extractor)),
    }
    return FrozenFeatures(cached(json.dumps(key, sort_keys=True), convert), module)


def beside(features: FrozenFeatures, others: FrozenFeatures) -> FrozenFeatures:
    """The tensors of two extractors of the same views, in turn; the first names the network."""
    count = len(features.shapes)
    names = [f"{OUTPUT}{count + number}" for number in range(len(others.shapes))]
    graph = side_by_side(features.graph, others.graph, names)
    return replace(features, graph=graph, module=partial(_Both, features.module, others.module))


class _Both(nn.Module):
    """The tensors of two extractors, which the arguments make."""

    def __init__(self, first: Callable[[], nn.Module], second: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.first, self.second = first(), second()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Tensors, batch first, of uint8 images `(N, H, W, 3)`."""
        return (*self.first(images), *self.second(images))


def _build(
    extractor: Callable[..., nn.Module], options: dict[str, Any], backbone: str, network: dict[str, Any]
) -> nn.Module:
    """Make the module that `freeze` converts."""
    # timm is imported only where nothing was cached.
    from knowngood.features.backbones import load_backbone

    return extractor(load_backbone(backbone, **network), **options)


def _check(expected: Sequence[NDArray[np.float32]], given: Outputs) -> None:
    """Refuse a graph whose features differ from torch's."""
    for ours, theirs in zip(expected, given, strict=True):
        difference = float(np.abs(ours - theirs).max()) / max(float(ours.std()), 1e-12)
        if not difference <= LARGEST_DIFFERENCE:
            raise InspectorError(
                f"the converted network's features differ from torch's by {difference:.1e} of their spread; "
                "this is a defect of the exporter or the engine: try other versions of torch and openvino"
            )


def _source_hash(of_extractor: str | None) -> str:
    """SHA-256 of the code that makes graphs: another version of it must not load what this one cached."""
    here = Path(__file__).parent
    files = sorted(file for source in _SOURCES for file in (here / source).glob("*.py"))
    files += [Path(of_extractor)] if of_extractor else []
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
