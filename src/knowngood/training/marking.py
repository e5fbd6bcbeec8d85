"""The heads of SuperSimpleNet, which mark places and classify images, and what they learn from.

Rolih, Fucka and Skocaj, "SuperSimpleNet: Unifying Unsupervised and Supervised Learning for Fast and Reliable
Surface Defect Detection", arXiv:2408.03143.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss  # type: ignore[import-untyped]

from knowngood.data.perlin import perlin_noise
from knowngood.training.standardise import Standardise

MARGIN = 0.5
"""The map is pushed above this where a place is anomalous, and below its negative elsewhere."""

FOCUS = 4.0
"""The exponent of the focal losses (Lin et al., arXiv:1708.02002), by which what is easy counts less."""

LOW = 0.2
"""Perlin noise above which a place gets noise; that is about a third of all places."""

ADAPTOR = 0.1
"""The learning rate of the adaptor, as a share of that of the heads."""

focal = partial(sigmoid_focal_loss, alpha=-1, gamma=FOCUS, reduction="mean")


class Marking(nn.Module):
    """An adaptor, which begins as the identity, and two heads on features that are standardised per channel
    `(C,)`: one marks places, one classifies images.
    """

    def __init__(self, mean: Tensor, deviation: Tensor, *, width: int, classes: int) -> None:
        super().__init__()
        channels, narrow = len(mean), max(1, width // 4)
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
        self.classify = nn.Linear(2 * narrow + 2, classes)

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
        """The map `(N, 1, h, w)` and the logits `(N, classes)` of adapted features; the second head learns
        from the first without changing it.
        """
        maps = self.mark(adapted)
        marked = maps.detach()
        seen = self.look(torch.cat([adapted.detach(), marked], dim=1))
        pooled = [pool(of, dim=(2, 3)) for of in (seen, marked) for pool in (torch.amax, torch.mean)]
        return maps, self.classify(torch.cat(pooled, dim=1))


def draw_marks(count: int, grid: tuple[int, int]) -> Tensor:
    """Draw the places that get noise, 1 among 0, `(count, 1, h, w)`, by torch's random numbers.

    Example:
        >>> draw_marks(2, (8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """
    rng = np.random.default_rng(int(torch.randint(2**62, (1,))))
    marks = np.stack([perlin_noise(grid, rng, finest=2) > LOW for _ in range(count)])
    return torch.from_numpy(marks[:, None]).float()


def place_loss(maps: Tensor, wanted: Tensor) -> Tensor:
    """Truncated L1 and focal loss of places, 1 where they are anomalous and 0 elsewhere, of any shape."""
    loss: Tensor = truncated(maps, wanted) + focal(maps, wanted)
    return loss


def truncated(maps: Tensor, wanted: Tensor) -> Tensor:
    """How far maps are on the wrong side of the margin, on average over marked and over other places.

    Example:
        >>> truncated(torch.tensor([1.0, 0.0, -1.0]), torch.tensor([1.0, 1.0, 0.0])).item()
        0.25
    """
    missed, false = F.relu(MARGIN - maps) * wanted, F.relu(MARGIN + maps) * (1 - wanted)
    return missed.sum() / wanted.sum().clamp(min=1) + false.sum() / (1 - wanted).sum().clamp(min=1)
