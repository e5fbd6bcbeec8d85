"""A network that is trained in a second, and images for it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.training.learner import Trainable
from knowngood.training.store import Store, store_images

SIDE = 16


class Tiny(Trainable):
    """Rebuilds images from noise and eight numbers; chance plays a part, as in a variational autoencoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, SIDE)
        self.decoder = nn.ConvTranspose2d(8, 3, SIDE)

    def rebuild(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        pixels = batch.permute(0, 3, 1, 2).float() / 255
        code = self.encoder(pixels)
        if self.training:
            code = code + 0.1 * torch.randn_like(code)
        return pixels, self.decoder(code).sigmoid()

    def losses(self, batch: Tensor, labels: Tensor) -> dict[str, Tensor]:
        pixels, rebuilt = self.rebuild(batch)
        return {"loss": (rebuilt.float() - pixels).abs().mean()}

    def show(self, batch: Tensor) -> Tensor:
        return (255 * self.rebuild(batch)[1].float()).to(torch.uint8).permute(0, 2, 3, 1)


class Exploding(Tiny):
    """Its loss is infinite from the third step on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def losses(self, batch: Tensor, labels: Tensor) -> dict[str, Tensor]:
        self.steps += 1
        return {"loss": super().losses(batch, labels)["loss"] / (self.steps < 3)}


def make(kind: type[Trainable] = Tiny) -> Trainable:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind()


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    slope = np.linspace(40, 200, SIDE)[:, None, None]
    return [np.clip(slope + rng.normal(0, 9, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8) for _ in range(30)]


@pytest.fixture
def store(images: list[np.ndarray]) -> Iterator[Store]:
    with store_images(ImageSet(images, Reading((SIDE, SIDE))), seed=0) as kept:
        yield kept
