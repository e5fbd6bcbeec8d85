"""SuperSimpleNet: a small network learns to find noise in the features of good images."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss  # type: ignore[import-untyped]

from knowngood.data.perlin import perlin_noise
from knowngood.detectors.feature_model import FeatureModel, TrainedOnFeatures, moments
from knowngood.settings import Epochs, InputSize, LearningRate
from knowngood.training.standardise import Standardise
from knowngood.training.store import Store

MARGIN = 0.5
"""The map is pushed above this where there is noise, and below its negative elsewhere."""

FOCUS = 4.0
"""The exponent of the focal losses (Lin et al., arXiv:1708.02002), by which what is easy counts less."""

LOW = 0.2
"""Perlin noise above which a place gets noise; that is about a third of all places."""

ADAPTOR = 0.1
"""The learning rate of the adaptor, as a share of that of the heads."""


@dataclass(frozen=True, kw_only=True)
class SuperSimpleNet(TrainedOnFeatures):
    """A network that learns to tell noise in the features of good images from the features themselves.

    Rolih, Fucka and Skocaj, "SuperSimpleNet: Unifying Unsupervised and Supervised Learning for Fast and
    Reliable Surface Defect Detection", arXiv:2408.03143. A linear adaptor, a head that marks places and one
    that classifies images learn from Gaussian noise, added to features where Perlin noise is high. Here
    features are standardised, the adaptor begins as the identity, the classifying head is narrower, and its
    logit is added to the map. It learns from good images alone; the variant that also learns from labelled
    defects is not here.

    Example:
        >>> SuperSimpleNet(noise=0.3).noise
        0.3
    """

    when: ClassVar[str] = "You study training on synthetic defects, or want a small and fast network."
    neighbourhood: ClassVar[int] = 3

    input_size: Annotated[InputSize, Field(ge=64, le=1024)] = 256
    epochs: Epochs = 20
    learning_rate: LearningRate = 2e-3
    noise: Annotated[
        float,
        Field(ge=0.01, le=10, description="Standard deviation of the noise, in those of the features"),
    ] = 1.0
    channels: Annotated[
        int, Field(ge=1, le=4096, description="Channels within the head that marks places")
    ] = 128

    def make_network(self, kept: Store) -> SuperSimpleNetwork:
        """Make a network whose adaptor changes nothing."""
        return SuperSimpleNetwork(*moments(kept), noise=self.noise, width=self.channels)


class SuperSimpleNetwork(FeatureModel):
    """Two heads on adapted features, which are standardised per channel `(C,)`."""

    def __init__(self, mean: Tensor, deviation: Tensor, *, noise: float, width: int) -> None:
        super().__init__()
        channels, narrow = len(mean), max(1, width // 4)
        self.noise = noise
        self.standardise = Standardise(mean.view(1, -1, 1, 1), deviation.view(1, -1, 1, 1))
        self.adaptor = nn.Conv2d(channels, channels, 1)
        nn.init.dirac_(self.adaptor.weight)
        nn.init.zeros_(self.adaptor.bias)  # type: ignore[arg-type]  # it has one
        self.mark = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1, bias=False),
        )
        self.look = nn.Sequential(
            nn.Conv2d(channels + 1, narrow, 3, padding=1), nn.BatchNorm2d(narrow), nn.ReLU()
        )
        self.classify = nn.Linear(2 * narrow + 2, 1)

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The heads, and the adaptor at a smaller rate."""
        heads = [*self.mark.parameters(), *self.look.parameters(), *self.classify.parameters()]
        adaptor = list(self.adaptor.parameters())
        return [{"params": heads, "lr": learning_rate}, {"params": adaptor, "lr": ADAPTOR * learning_rate}]

    def adapted(self, features: Tensor) -> Tensor:
        """Adapted features `(N, C, h, w)`."""
        adapted: Tensor = self.adaptor(self.standardise(features))
        return adapted

    def heads(self, adapted: Tensor) -> tuple[Tensor, Tensor]:
        """The map `(N, 1, h, w)` and the logit `(N, 1)` of adapted features; the second head learns from the
        first without changing it.
        """
        maps = self.mark(adapted)
        marked = maps.detach()
        seen = self.look(torch.cat([adapted.detach(), marked], dim=1))
        pooled = [pool(of, dim=(2, 3)) for of in (seen, marked) for pool in (torch.amax, torch.mean)]
        return maps, self.classify(torch.cat(pooled, dim=1))

    def errors(self, features: Tensor) -> Tensor:
        """The map and the logit together, made positive, `(N, h, w)`."""
        maps, logits = self.heads(self.adapted(features))
        return F.softplus(maps[:, 0] + logits[:, :, None])

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """Truncated L1 and focal losses of the map, and the focal loss of the classification."""
        adapted = self.adapted(batch.float())
        count, grid = len(adapted), (adapted.shape[2], adapted.shape[3])
        marked = draw_marks(count, grid).to(adapted.device)
        noisy = adapted + marked * self.noise * torch.randn_like(adapted)
        maps, logits = self.heads(torch.cat([adapted, noisy]))
        wanted = torch.cat([torch.zeros_like(marked), marked])
        focal = partial(sigmoid_focal_loss, alpha=-1, gamma=FOCUS, reduction="mean")
        places = truncated(maps, wanted) + focal(maps, wanted)
        images = focal(logits, wanted.amax(dim=(2, 3)))
        return {"loss": places + images, "places": places, "images": images}


def draw_marks(count: int, grid: tuple[int, int]) -> Tensor:
    """Draw the places that get noise, 1 among 0, `(count, 1, h, w)`, by torch's random numbers.

    Example:
        >>> draw_marks(2, (8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """
    rng = np.random.default_rng(int(torch.randint(2**62, (1,))))
    marks = np.stack([perlin_noise(grid, rng, finest=2) > LOW for _ in range(count)])
    return torch.from_numpy(marks[:, None]).float()


def truncated(maps: Tensor, wanted: Tensor) -> Tensor:
    """How far maps are on the wrong side of the margin, on average over marked and over other places.

    Example:
        >>> truncated(torch.tensor([1.0, 0.0, -1.0]), torch.tensor([1.0, 1.0, 0.0])).item()
        0.25
    """
    missed, false = F.relu(MARGIN - maps) * wanted, F.relu(MARGIN + maps) * (1 - wanted)
    return missed.sum() / wanted.sum().clamp(min=1) + false.sum() / (1 - wanted).sum().clamp(min=1)
