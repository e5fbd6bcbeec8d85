"""Dual prototype autoencoder: two encoders, the codes of each drawn to their prototype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from knowngood.detectors.reconstruction import Reconstruction, TwiceEncodingNetwork

SLOWEST = 0.01  # the least share of a batch in the running mean that is its prototype


@dataclass(frozen=True, kw_only=True)
class DualPrototype(Reconstruction):
    """Mean squared error between the code of an image and the code of its reconstruction.

    Liu et al., "Semi-supervised anomaly detection with dual prototypes autoencoder for industrial surface
    inspection", doi 10.1016/j.optlaseng.2020.106324. Codes of good images are drawn to one point, their
    prototype, for either encoder by itself; a defect stays far from both. Here a prototype is the running
    mean of the codes, and the distance between the two codes, which is the score, is trained as well.

    Example:
        >>> DualPrototype().pull
        0.01
    """

    when: ClassVar[str] = "You study methods that compare codes."

    pull: Annotated[
        float, Field(ge=0, le=1000, description="Weight of the prototype losses; the reconstruction's is 1")
    ] = 0.01

    def network(self, channels: int, shape: Sequence[int]) -> TwiceEncodingNetwork:
        """Make a network with random weights."""
        return DualPrototypeNetwork(channels, shape, code=self.code, width=self.width, pull=self.pull)


class DualPrototypeNetwork(TwiceEncodingNetwork):
    """Two encoders with a prototype each, which pulls the codes, and a decoder between them."""

    prototypes: Tensor
    batches: Tensor

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int, pull: float) -> None:
        super().__init__(channels, shape, code=code, width=width)
        self.register_buffer("prototypes", torch.zeros(2, code))
        self.register_buffer("batches", torch.zeros(()))
        self.pull = pull

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The reconstruction error, and the distances of the codes from their prototypes and each other."""
        pixels = self.pixels(batch)
        code, rebuilt, again = (tensor.float() for tensor in self.encode_twice(pixels))
        codes = torch.stack([code, again], dim=1)  # (N, 2, code)
        if self.training:
            self._move_prototypes(codes.detach().mean(dim=0))
        reconstruction = F.l1_loss(rebuilt, pixels)
        prototype = (codes - self.prototypes).square().mean()
        encoding = F.mse_loss(again, code)
        return {
            "loss": reconstruction + self.pull * (prototype + encoding),
            "reconstruction": reconstruction,
            "prototype": prototype,
            "encoding": encoding,
        }

    def _move_prototypes(self, means: Tensor) -> None:
        """Add a batch to the running means, which forget slowly since the codes still move."""
        self.batches += 1
        self.prototypes += (means - self.prototypes) * (1 / self.batches).clamp(min=SLOWEST)
