"""Random augmentation of images while a network is trained."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as v2  # type: ignore[import-untyped]

from knowngood.recipe import ORIENTATIONS, OneOf, Recipe
from knowngood.settings import Orientation

_Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Augmentation(Recipe):
    """How far images are changed in training; no change may turn an image into one of another class.

    Example:
        >>> Augmentation(orientation="any").zoom
        0.1
    """

    orientation: Annotated[Orientation, OneOf(ORIENTATIONS)] = "fixed"
    zoom: Annotated[_Share, Field(description="Random zoom in training, by a factor of up to 1 + this")] = 0.1
    shift: Annotated[
        float, Field(ge=0, le=0.5, description="Largest random shift in training, as a share of the side")
    ] = 0.05
    contrast: Annotated[
        _Share, Field(description="Random contrast in training, from 1 - this to 1 + this")
    ] = 0.2
    brightness: Annotated[
        _Share, Field(description="Random brightness in training, from 1 - this to 1 + this")
    ] = 0.2
    blur: Annotated[
        float,
        Field(ge=0, le=5, description="Largest standard deviation of Gaussian blur in training, in pixels"),
    ] = 0.5

    @classmethod
    def none(cls) -> Augmentation:
        """The augmentation that changes nothing."""
        return cls(zoom=0.0, shift=0.0, contrast=0.0, brightness=0.0, blur=0.0)


class Augment(nn.Module):
    """Changes each image by its own random numbers, in training only.

    The numbers come from torch's global generator on the CPU, so that they are the same on every device.

    Example:
        >>> images = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
        >>> Augment(Augmentation(orientation="quarter"))(images).shape
        torch.Size([2, 8, 8, 3])
    """

    def __init__(self, how: Augmentation) -> None:
        super().__init__()
        self.how = how

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Change images `(N, H, W, 3)`, uint8 or float, from 0 to 255."""
        how = self.how
        if not self.training:
            return images
        planes = orient(images.permute(0, 3, 1, 2), how.orientation)
        moves = how.orientation == "any" or how.zoom or how.shift
        if moves or how.contrast or how.brightness or how.blur:
            # In half precision the positions that images are sampled at would be off by a pixel.
            with torch.autocast(images.device.type, enabled=False):
                pixels = planes.float() / 255
                if moves:
                    pixels = self._move(pixels)
                pixels = 255 * torch.stack([self._adjust(image) for image in pixels])
            planes = (pixels if images.is_floating_point() else pixels.round()).to(images.dtype)
        return planes.permute(0, 2, 3, 1)

    def _move(self, images: Tensor) -> Tensor:
        """Turn, zoom and shift images `(N, C, H, W)`."""
        count = len(images)
        half_turns, zooms, across, down = 2 * torch.rand(4, count) - 1
        angles = math.pi * half_turns if self.how.orientation == "any" else torch.zeros(count)
        factors = (math.log1p(self.how.zoom) * zooms).exp()
        return resample(images, angles, factors, self.how.shift * torch.stack([across, down], dim=1))

    def _adjust(self, image: Tensor) -> Tensor:
        """Change brightness, contrast and sharpness of an image `(C, H, W)` from 0 to 1."""
        brightness, contrast, toss, sharp = torch.rand(4).tolist()
        if self.how.brightness:
            image = v2.adjust_brightness(image, 1 + self.how.brightness * (2 * brightness - 1))
        if self.how.contrast:
            image = v2.adjust_contrast(image, 1 + self.how.contrast * (2 * contrast - 1))
        if self.how.blur and toss < 0.5:
            # The border is reflected, which an image must be wide enough for.
            radius = min(math.ceil(3 * self.how.blur), *(side - 1 for side in image.shape[1:]))
            image = v2.gaussian_blur(image, [2 * radius + 1] * 2, [self.how.blur * (1 - sharp)] * 2)
        return image


def orient(images: Tensor, orientation: str) -> Tensor:
    """Flip each image `(N, C, H, W)` and turn it by quarters at random, without changing a pixel's value.

    Products that occur at any angle are only flipped here. Images that are not square are turned by halves.
    """
    if orientation == "fixed":
        return images
    flips = [v2.horizontal_flip]
    if orientation == "quarter":
        flips.append(v2.vertical_flip)
        if images.shape[2] == images.shape[3]:
            flips.append(lambda square: square.mT)  # each of the eight symmetries is one choice of the three
    for flip in flips:
        heads = (torch.rand(len(images), 1, 1, 1) < 0.5).to(images.device)
        images = torch.where(heads, flip(images), images)
    return images


def resample(images: Tensor, angles: Tensor, factors: Tensor, shifts: Tensor) -> Tensor:
    """Turn, zoom and shift each image by its own numbers in one interpolation; the border is reflected.

    torchvision's `affine` takes one matrix per batch, and fills the uncovered area with one colour, which no
    camera produces. Content far from the centre can get lost where images are turned by any angle.

    Args:
        images: `(N, C, H, W)` float32.
        angles: `(N,)` in radians, anticlockwise.
        factors: `(N,)`; a factor above 1 enlarges.
        shifts: `(N, 2)` to the right and down, as shares of the width and the height.

    Example:
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> quarter = torch.tensor([torch.pi / 2])
        >>> resample(image, quarter, torch.ones(1), torch.zeros(1, 2)).round().tolist()
        [[[[1.0, 3.0], [0.0, 2.0]]]]
    """
    height, width = images.shape[2:]
    cosine, sine = angles.cos() / factors, angles.sin() / factors
    # From a position in the result to the position in the image; both sides run from -1 to 1.
    turn = torch.stack([cosine, -sine * height / width, sine * width / height, cosine], dim=1)
    matrices = turn.reshape(-1, 2, 2)
    origins = -2 * (matrices @ shifts[:, :, None])
    matrices = torch.cat([matrices, origins], dim=2).to(images.device)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
