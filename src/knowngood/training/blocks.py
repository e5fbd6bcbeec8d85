"""Building blocks of convolutional networks that encode an image and decode it again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

SMALLEST = 7
"""Halving an image stops before its shorter side would fall below so many pixels."""

SLOPE = 0.2


def halvings(shape: Sequence[int]) -> int:
    """How often both sides can be halved: 128 is left at 8, 28 at 7.

    Example:
        >>> halvings((128, 128)), halvings((28, 28)), halvings((256, 128))
        (4, 2, 4)
    """
    return max(1, int(math.log2(min(shape) / SMALLEST)))


def down(inputs: int, outputs: int) -> nn.Sequential:
    """A normalised convolution that halves the size (DCGAN's block, arXiv:1511.06434)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)
    )


def up(inputs: int, outputs: int, *, odd: Sequence[int]) -> nn.Sequential:
    """A normalised convolution that doubles the size, plus one where the side was odd before halving."""
    return nn.Sequential(_enlarge(inputs, outputs, odd), nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE))


def _enlarge(inputs: int, outputs: int, odd: Sequence[int]) -> nn.ConvTranspose2d:
    """`up` without normalisation."""
    return nn.ConvTranspose2d(
        inputs, outputs, 4, stride=2, padding=1, output_padding=(int(odd[0]), int(odd[1]))
    )


def pixels(images: Tensor, channels: int) -> Tensor:
    """From images `(N, H, W, 3)` of 0 to 255 to `(N, channels, H, W)` of 0 to 1; grey is the mean of colours.

    Example:
        >>> import torch
        >>> pixels(torch.full((1, 2, 2, 3), 255), channels=1).shape
        torch.Size([1, 1, 2, 2])
    """
    colour = images.permute(0, 3, 1, 2).float() / 255
    return colour if channels == 3 else colour.mean(dim=1, keepdim=True)


class Encoder(nn.Module):
    """From images to codes: strided convolutions that double the channels, `width` of the first one, and one
    linear layer. Images have 1 channel if grey, or 3.
    """

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int) -> None:
        super().__init__()
        steps = halvings(shape)
        widths = [channels] + [width << step for step in range(steps)]
        self.convolutions = nn.Sequential(*(down(*pair) for pair in pairwise(widths)))
        self.to_code = nn.Linear(widths[-1] * math.prod(side >> steps for side in shape), code)

    def forward(self, images: Tensor) -> Tensor:
        """Codes `(N, code)` of images `(N, channels, H, W)`."""
        return self.to_code(self.convolutions(images).flatten(1))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """From codes to images from 0 to 1: the reverse of an `Encoder` with the same arguments."""

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int) -> None:
        super().__init__()
        steps = halvings(shape)
        self.shape = [width << (steps - 1), *(side >> steps for side in shape)]
        self.from_code = nn.Linear(code, math.prod(self.shape))
        odd = [[(side >> step) % 2 for side in shape] for step in range(steps)]
        growing = [up(width << step, width << (step - 1), odd=odd[step]) for step in range(steps - 1, 0, -1)]
        self.convolutions = nn.Sequential(
            nn.LeakyReLU(SLOPE), *growing, _enlarge(width, channels, odd[0]), nn.Sigmoid()
        )

    def forward(self, codes: Tensor) -> Tensor:
        """Images `(N, channels, H, W)` of codes `(N, code)`."""
        return self.convolutions(self.from_code(codes).unflatten(1, self.shape))  # type: ignore[no-any-return]
