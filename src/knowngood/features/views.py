"""An image seen in several ways, and the answers to them as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.engines.export import blank, put_before, to_onnx
from knowngood.features.frozen import FrozenFeatures
from knowngood.parallel import one_thread
from knowngood.recipe import ORIENTATIONS, check_orientation

VIEWED = "views/images"

MARGIN = 0.05
"""Share of the side by which views are moved, or cut on each side."""

LEAST_SHARE = 1e-6
"""A class that no view votes for has at least this probability, so that its logarithm is finite."""

LEAST_PROBABILITY = 1e-30
"""So that the logarithm of a probability is finite."""

Window = tuple[float, float, float, float]
"""What is cut off at the top, bottom, left and right, in margins; what is negative is added instead."""

WHOLE: Window = (0, 0, 0, 0)
SHIFTS: tuple[Window, ...] = ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1))
NEARER, A_LITTLE_NEARER, FARTHER = (1, 1, 1, 1), (0.5, 0.5, 0.5, 0.5), (-1, -1, -1, -1)

WINDOWS: dict[int, tuple[Window, ...]] = {
    1: (WHOLE, *SHIFTS, NEARER, A_LITTLE_NEARER, FARTHER),
    2: (WHOLE, *SHIFTS[:2], NEARER),
    4: (WHOLE,),
    8: (WHOLE,),
}
"""What is shown in each of so many symmetries, for eight views in all; four are followed by the shifts."""


def count_symmetries(orientation: str, shape: tuple[int, int]) -> int:
    """In how many ways a product may lie, in images of a shape: 1, 2, 4 or 8.

    Example:
        >>> [count_symmetries("any", shape) for shape in ((8, 8), (8, 9))]
        [8, 4]
    """
    if orientation in ("fixed", "mirrored"):
        return 1 + ORIENTATIONS.index(orientation)
    return 8 if shape[0] == shape[1] else 4


def symmetries(images: Tensor, count: int, rows: int, columns: int) -> list[Tensor]:
    """The ways in which a product may lie, the image as it is first.

    Args:
        images: Of any layout.
        count: See `count_symmetries`.
        rows: The dimension of the height.
        columns: The dimension of the width.
    """
    views = [images]
    if count >= 2:
        views += [view.flip(columns) for view in views]
    if count >= 4:
        views += [view.flip(rows) for view in views]
    if count == 8:
        views += [view.transpose(rows, columns) for view in views]
    return views


class Symmetries(nn.Module):
    """The ways in which a product may lie: as it is, mirrored, and turned by quarters.

    Args:
        orientation: `fixed` as it is; `mirrored` also from left to right; `quarter` and `any` mirrored and
            turned by quarters: eight views of a square, four of another rectangle, whose sides differ.
        shape: Height and width of the images.

    Attributes:
        count: Number of views; the first is the image as it is.

    Example:
        >>> Symmetries("quarter", (8, 8))(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 8, 8, 8, 3])
    """

    def __init__(self, orientation: str, shape: tuple[int, int]) -> None:
        super().__init__()
        self.count = count_symmetries(orientation, shape)

    def forward(self, images: Tensor) -> Tensor:
        """Views `(N, V, H, W, 3)` of images `(N, H, W, 3)`."""
        return torch.stack(symmetries(images, self.count, 1, 2), dim=1)


class EightViews(nn.Module):
    """Eight views of an image, for test-time augmentation: its `Symmetries`, filled up by shifts and zooms.

    What may be turned is shown in its symmetries; if the image is not square these are four, and it is also
    shifted. What may be flipped is shown shifted up and down and from nearer, and so again flipped; what may
    not is shown shifted four ways, from nearer and from farther. The image itself comes first.

    Args:
        orientation: One of `knowngood.recipe.ORIENTATIONS`.

    Raises:
        RecipeError: The orientation is not known.

    Example:
        >>> EightViews("quarter")(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 8, 3, 8, 8])
    """

    def __init__(self, orientation: str) -> None:
        super().__init__()
        self.orientation = orientation
        check_orientation("EightViews", orientation)

    def forward(self, images: Tensor) -> Tensor:
        """Views `(N, 8, C, H, W)` of float images `(N, C, H, W)`."""
        count = count_symmetries(self.orientation, (int(images.shape[2]), int(images.shape[3])))
        shown = torch.stack([see(images, window) for window in WINDOWS[count]], dim=1)  # (N, V, C, H, W)
        views = symmetries(shown, count, 3, 4)
        if count == 4:
            views.append(torch.stack([see(images, window) for window in SHIFTS], dim=1))
        return torch.cat(views, dim=1)


def see(images: Tensor, window: Window) -> Tensor:
    """What is seen of images through a window, in the images' size; beyond the border they are reflected.

    Args:
        images: `(N, C, H, W)` float.
        window: Where.

    Example:
        >>> see(torch.arange(4.0).reshape(1, 1, 1, 4), (0, 0, 1, -1)).tolist()
        [[[[1.0, 2.0, 3.0, 2.0]]]]
    """
    height, width = (int(side) for side in images.shape[2:])
    sides = (height, height, width, width)
    top, bottom, left, right = (
        math.ceil(MARGIN * abs(cut) * side) * (1 if cut > 0 else -1)
        for cut, side in zip(window, sides, strict=True)
    )
    if min(top, bottom, left, right) < 0:
        added = [max(-cut, 0) for cut in (left, right, top, bottom)]
        images = F.pad(images, added, mode="reflect")
    # After padding, the window's own corner lies at what is cut off, or at 0.
    rows, columns = height - top - bottom, width - left - right
    images = images[:, :, max(top, 0) :, max(left, 0) :][:, :, :rows, :columns]
    if (rows, columns) == (height, width):
        return images
    return F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)


def mean_probability(logits: Tensor) -> Tensor:
    """The logarithm of each class's mean probability `(N, C)` over views with logits `(N, V, C)`.

    Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
    DOI 10.1145/3065386, average the softmax over ten views.

    Example:
        >>> mean_probability(torch.tensor([[[0.0, 0.0], [0.0, 0.0]]])).exp()
        tensor([[0.5000, 0.5000]])
    """
    return logits.softmax(dim=2).mean(dim=1).clamp(min=LEAST_PROBABILITY).log()


def vote(logits: Tensor) -> Tensor:
    """The logarithm of each class's share `(N, C)` of the votes of views with logits `(N, V, C)`.

    Beside the views, their mean probability has one vote, which it divides among the classes: too little to
    overrule a majority, but enough to break a tie.

    Example:
        >>> vote(torch.tensor([[[0.0, 1.0], [0.0, 1.0], [9.0, 0.0]]])).argmax(dim=1)
        tensor([1])
    """
    classes = torch.arange(logits.shape[2], device=logits.device)
    votes = (logits.argmax(dim=2, keepdim=True) == classes).to(logits.dtype).sum(dim=1)
    shares = mean_probability(logits).exp().clamp(min=LEAST_SHARE)
    return ((votes + shares) / (int(logits.shape[1]) + 1)).log()


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
    return FrozenFeatures(content, partial(_viewed, flat, features.module), views.count)


def _viewed(flat: nn.Module, module: Callable[[], nn.Module]) -> nn.Module:
    """The module of the features of all views."""
    return nn.Sequential(flat, module())


def extract_views(
    features: FrozenFeatures, images: ImageSet, *, device: str
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
    if torch.device(device).type == "cpu":
        with one_thread():
            yield from (
                (index, list(arrays))
                for index, arrays in features.engine.stream(
                    (int(b.index[0]), b.images) for b in images.batches()
                )
            )
        return
    module = features.module().eval().to(device)
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for batch in images.batches():
            seen = module(torch.from_numpy(batch.images).to(device))
            yield int(batch.index[0]), [tensor.float().cpu().numpy() for tensor in seen]
