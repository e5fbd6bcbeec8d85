"""An image seen in several ways: turned and mirrored, as the product may lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.loader import Batches
from knowngood.engines.export import blank, put_before, to_onnx
from knowngood.features.frozen import FrozenFeatures
from knowngood.parallel import one_thread

VIEWED = "views/images"


class Symmetries(nn.Module):
    """The ways in which a product may lie: as it is, mirrored, and turned by quarters.

    Args:
        orientation: `fixed` as it is; `mirrored` also from left to right; `quarter` and `any` mirrored and
            turned by quarters: eight views of a square, four of another rectangle, whose sides differ.
        shape: Height and width of the images.

    Example:
        >>> Symmetries("quarter", (8, 8))(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 8, 8, 8, 3])
    """

    def __init__(self, orientation: str, shape: tuple[int, int]) -> None:
        super().__init__()
        self.mirrored = orientation != "fixed"
        self.turned = orientation in ("quarter", "any")
        self.square = shape[0] == shape[1]

    @property
    def count(self) -> int:
        """Number of views; the first is the image as it is."""
        return (1 + self.mirrored) * (1 + self.turned) * (1 + (self.turned and self.square))

    def forward(self, images: Tensor) -> Tensor:
        """Views `(N, V, H, W, 3)` of images `(N, H, W, 3)`."""
        views = [images]
        if self.mirrored:
            views += [view.flip(2) for view in views]
        if self.turned:
            views += [view.flip(1) for view in views]
            if self.square:
                views += [view.transpose(1, 2) for view in views]
        return torch.stack(views, dim=1)


class _Flat(nn.Module):
    """Views one after the other."""

    def __init__(self, views: Symmetries) -> None:
        super().__init__()
        self.views = views

    def forward(self, images: Tensor) -> Tensor:
        """Views `(N * V, H, W, 3)` of images `(N, H, W, 3)`."""
        views: Tensor = self.views(images)
        return views.flatten(0, 1)


def seen_from(features: FrozenFeatures, views: Symmetries, shape: tuple[int, int]) -> FrozenFeatures:
    """Features of every view of an image: V rows for each, those of an image together.

    Args:
        features: What is seen in one view.
        views: The views.
        shape: Height and width of the images.
    """
    if views.count == 1:
        return features
    flat = _Flat(views)
    graph = put_before(features.graph, to_onnx(flat, {"images": blank(shape)}, [VIEWED]))
    model = onnx.load_from_string(graph)
    onnx.helper.set_model_props(model, features.backbone)
    content = bytes(model.SerializeToString())
    return FrozenFeatures(content, lambda: nn.Sequential(flat, features.module()), views.count)


def extract_views(
    features: FrozenFeatures, images: Batches, *, device: str
) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    """Give the features of all views of each image that can be read, in order, without holding many of them.

    Args:
        features: As `seen_from` gives them.
        images: What to read.
        device: A torch device.

    Yields:
        The image's position in the sources, and its arrays `(V, ...)`, which may be overwritten once the next
        are asked for: copy what is to be kept.
    """
    singles = replace(images, size=1)
    if torch.device(device).type == "cpu":
        with one_thread():
            yield from (
                (index, list(arrays))
                for index, arrays in features.engine.stream((int(b.index[0]), b.images) for b in singles)
            )
        return
    module = features.module().eval().to(device)
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for batch in singles:
            seen = module(torch.from_numpy(batch.images).to(device))
            yield int(batch.index[0]), [tensor.float().cpu().numpy() for tensor in seen]
