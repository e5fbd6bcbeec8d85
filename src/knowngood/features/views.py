"""Views of an image, and the combination of their predictions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from knowngood.engines.export import blank, put_before, to_onnx
from knowngood.features.frozen import FrozenFeatures
from knowngood.recipe import ORIENTATIONS, check_orientation

VIEWED = "views/images"

MARGIN = 0.05  # share of the side by which views are moved, or cut on each side
LEAST_SHARE = 1e-6  # the least probability of a class that no view votes for, so that its logarithm is finite
LEAST_PROBABILITY = 1e-30  # the least mean probability, so that its logarithm is finite
# The cut at the top, bottom, left and right, in margins; a negative one adds instead.
Window = tuple[float, float, float, float]
WHOLE: Window = (0, 0, 0, 0)
SHIFTS: tuple[Window, ...] = ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1))
NEARER, A_LITTLE_NEARER, FARTHER = (1, 1, 1, 1), (0.5, 0.5, 0.5, 0.5), (-1, -1, -1, -1)

WINDOWS: dict[int, tuple[Window, ...]] = {
    1: (WHOLE, *SHIFTS, NEARER, A_LITTLE_NEARER, FARTHER),
    2: (WHOLE, *SHIFTS[:2], NEARER),
    4: (WHOLE,),
    8: (WHOLE,),
}
"""The windows of each symmetry by the number of symmetries, for eight views; after four come the shifts."""


def count_symmetries(orientation: str, shape: tuple[int, int]) -> int:
    """The number of orientations that a product may have in images of a shape: 1, 2, 4 or 8.

    Example:
        >>> [count_symmetries("any", shape) for shape in ((8, 8), (8, 9))]
        [8, 4]
    """
    if orientation in ("fixed", "mirrored"):
        return 1 + ORIENTATIONS.index(orientation)
    return 8 if shape[0] == shape[1] else 4


def symmetries(images: Tensor, count: int, rows: int, columns: int) -> list[Tensor]:
    """Images in `count` orientations; `rows` and `columns` are the dimensions of height and width."""
    views = [images]
    if count >= 2:
        views += [view.flip(columns) for view in views]
    if count >= 4:
        views += [view.flip(rows) for view in views]
    if count == 8:
        views += [view.transpose(rows, columns) for view in views]
    return views


class Symmetries(nn.Module):
    """The orientations that a product may have, the image as it is first.

    They are one for `fixed`, two for `mirrored` (from left to right), and for `quarter` and `any` eight of a
    square or four of another rectangle: mirrored and in quarter turns.

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
    """Eight views of an image for test-time augmentation: its `Symmetries`, completed by shifts and zooms.

    An image with four symmetries is also shifted four ways; one with two is also shifted up and down and
    enlarged; one with a single one is shifted, enlarged and reduced. The image itself comes first.

    Raises:
        RecipeError: The orientation is not one of `knowngood.recipe.ORIENTATIONS`.

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
    """Crop float images `(N, C, H, W)` to a window, or pad them by reflection, and resize that to their size.

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
    # After padding, the window's own corner is at the cut, or at 0.
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

    The mean probability has one more vote, which it divides among the classes: too little to overrule a
    majority, but enough to break a tie.

    Example:
        >>> vote(torch.tensor([[[0.0, 1.0], [0.0, 1.0], [9.0, 0.0]]])).argmax(dim=1)
        tensor([1])
    """
    classes = torch.arange(logits.shape[2], device=logits.device)
    votes = (logits.argmax(dim=2, keepdim=True) == classes).to(logits.dtype).sum(dim=1)
    shares = mean_probability(logits).exp().clamp(min=LEAST_SHARE)
    return ((votes + shares) / (int(logits.shape[1]) + 1)).log()


def seen_from(features: FrozenFeatures, views: Symmetries, shape: tuple[int, int]) -> FrozenFeatures:
    """Extend features of one view to all views of images of a shape: V rows per image, together."""
    if views.count == 1:
        return features
    flat = nn.Sequential(views, nn.Flatten(0, 1))
    graph = put_before(features.graph, to_onnx(flat, {"images": blank(shape)}, [VIEWED]))
    model = onnx.load_from_string(graph)
    onnx.helper.set_model_props(model, features.backbone)
    module = partial(_in_turn, flat, features.module)
    return FrozenFeatures(bytes(model.SerializeToString()), module, views.count)


def _in_turn(flat: nn.Module, module: Callable[[], nn.Module]) -> nn.Module:
    """Make the module of the features of all views."""
    return nn.Sequential(flat, module())
