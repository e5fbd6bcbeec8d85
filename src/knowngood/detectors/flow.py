"""Flow: a normalising flow that maps the features of good images to independent Gaussians."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.detectors.feature_model import FeatureModel, TrainedOnFeatures, moments
from knowngood.settings import Epochs
from knowngood.training.standardise import Standardise
from knowngood.training.store import Store

LARGEST = 2.0  # of the logarithms of scales: a larger one lets a single step change a feature beyond measure


@dataclass(frozen=True, kw_only=True)
class Flow(TrainedOnFeatures):
    """A normalising flow of backbone features; the anomaly map is the squared length of its latent vectors.

    Yu et al., "FastFlow: Unsupervised Anomaly Detection and Localization via 2D Normalizing Flows",
    arXiv:2111.07677. Here one flow takes the maps of all strides together, on the grid of the coarsest, and
    each step sees three by three places. The score is the maximum of the map.

    Example:
        >>> Flow(steps=4).steps
        4
    """

    when: ClassVar[str] = "Parts are aligned, and you want a density instead of a reconstruction."

    epochs: Epochs = 20
    steps: Annotated[
        int, Field(ge=2, le=32, description="Steps of the flow, each with another permutation")
    ] = 8
    width: Annotated[int, Field(ge=1, le=4096, description="Channels within the network of a step")] = 64

    def make_network(self, kept: Store) -> FlowNetwork:
        """Make a flow that begins as a permutation."""
        return FlowNetwork(*moments(kept), steps=self.steps, width=self.width)


class FlowNetwork(FeatureModel):
    """A flow of features that are standardised per channel `(C,)`."""

    def __init__(self, mean: Tensor, deviation: Tensor, *, steps: int, width: int) -> None:
        super().__init__()
        self.standardise = Standardise(mean.view(1, -1, 1, 1), deviation.view(1, -1, 1, 1))
        self.steps = nn.ModuleList(Coupling(len(mean), width) for _ in range(steps))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Latent vectors `(N, C, h, w)` of features, and the logarithm of the volume's change `(N, h, w)`."""
        latent = self.standardise(features)
        change = torch.zeros_like(latent[:, 0])
        for step in self.steps:
            latent, scale = step(latent)
            change = change + scale
        return latent, change

    def errors(self, features: Tensor) -> Tensor:
        """Half the mean square of the latent vectors `(N, h, w)`: the paper's score, without the volume."""
        latent, _ = self(features)
        lengths: Tensor = latent.square().mean(dim=1) / 2
        return lengths

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The negative logarithm of the density in nats per feature, less a constant."""
        latent, change = self(batch.float())
        return {"loss": (latent.square().sum(dim=1) / 2 - change).mean() / latent.shape[1]}


class Coupling(nn.Module):
    """An affine coupling: half of the channels say how the others are scaled and shifted.

    Dinh et al., "Density estimation using Real NVP", arXiv:1605.08803. FrEIA has this, but permutes by
    NumPy's global random numbers; zuko's couplings see no neighbours.
    """

    order: Tensor

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.sizes = [channels // 2, channels - channels // 2]
        self.register_buffer("order", torch.randperm(channels))
        last = nn.Conv2d(width, 2 * self.sizes[1], 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)  # so that a flow of many steps begins as one that changes nothing
        self.network = nn.Sequential(nn.Conv2d(self.sizes[0], width, 3, padding=1), nn.ReLU(), last)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Maps `(N, C, h, w)`, changed, and the logarithm of their volume's change `(N, h, w)`."""
        kept, changed = torch.split(maps[:, self.order], self.sizes, dim=1)
        shift, scale = self.network(kept).chunk(2, dim=1)
        scale = LARGEST * (2 * scale.sigmoid() - 1)  # an inspector has no other operator of this shape
        return torch.cat([kept, changed * scale.exp() + shift], dim=1), scale.sum(dim=1)
