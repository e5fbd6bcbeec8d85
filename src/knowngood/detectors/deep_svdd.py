"""Deep SVDD: a network that maps the features of good images into the smallest hypersphere."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.detectors.feature_model import FeatureModel, TrainedOnFeatures, moments
from knowngood.detectors.trained import over_rows
from knowngood.recipe import OneOf
from knowngood.settings import Epochs
from knowngood.training.blocks import SLOPE
from knowngood.training.standardise import Standardise
from knowngood.training.store import Store

LEAST_CENTRE = 0.1  # of each coordinate: weights of zero would reach a centre at the origin
COLLAPSED = 1e-6
"""Variance of the outputs on good images, relative to the centre's mean square and to the variance of the
standardised features, below which all are mapped to one point."""


@dataclass(frozen=True, kw_only=True)
class DeepSvdd(TrainedOnFeatures):
    """A hypersphere around the good images; the anomaly map is the squared distance from its centre.

    Ruff et al., "Deep one-class classification", ICML 2018, proceedings.mlr.press/v80/ruff18a; see also their
    "A Unifying Review of Deep and Shallow Anomaly Detection", arXiv:2009.11732. Theirs maps whole images by a
    network that is trained from the start; here the features of a frozen network are mapped at each place,
    by two layers without bias terms, as those would let all outputs be equal. The centre is the mean of the
    outputs before training. With a hard boundary the mean squared distance from it is
    minimised. With a soft one the radius is chosen anew in each batch, so that a share `nu` of all places
    is outside; what is then minimised, R² + mean(max(0, d² - R²)) / nu, is the mean of the largest squared
    distances, of that share. Weights do not decay. The score is the maximum of the map.

    Example:
        >>> DeepSvdd(boundary="hard").boundary
        'hard'
    """

    when: ClassVar[str] = "You want a small trained detector within a minute, or study one-class training."

    neighbourhood: ClassVar[int] = 3  # since each place is mapped by itself

    epochs: Epochs = 10
    boundary: Annotated[
        str,
        OneOf(("soft", "hard")),
        Field(description="Whether some places of good images may be outside of the hypersphere, or none"),
    ] = "soft"
    nu: Annotated[
        float, Field(ge=0.001, le=1, description="Share of places outside of the hypersphere, if it is soft")
    ] = 0.1
    width: Annotated[int, Field(ge=1, le=4096, description="Channels between features and outputs")] = 512
    code: Annotated[int, Field(ge=1, le=4096, description="Dimensions of the hypersphere")] = 128

    def make_network(self, kept: Store) -> SvddNetwork:
        """Make a network with random weights, and take the centre from its outputs."""
        share = self.nu if self.boundary == "soft" else 1.0
        network = SvddNetwork(*moments(kept), width=self.width, code=self.code, share=share)
        (outputs,) = over_rows(lambda batch: (network(batch.float()).mean(dim=(2, 3)),), kept, kept.train)
        centre = outputs.mean(dim=0)
        network.centre.copy_(torch.where(centre < 0, -1.0, 1.0) * centre.abs().clamp(min=LEAST_CENTRE))
        return network


class SvddNetwork(FeatureModel):
    """Two layers without bias terms; the largest distances, of a share of all places, are minimised."""

    centre: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor, *, width: int, code: int, share: float) -> None:
        super().__init__()
        self.share = share
        self.standardise = Standardise(mean.view(1, -1, 1, 1), deviation.view(1, -1, 1, 1))
        self.layers = nn.Sequential(
            nn.Conv2d(len(mean), width, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, code, 1, bias=False),
        )
        self.register_buffer("centre", torch.zeros(code))

    def forward(self, features: Tensor) -> Tensor:
        """The outputs `(N, code, h, w)` of features `(N, C, h, w)`."""
        outputs: Tensor = self.layers(self.standardise(features))
        return outputs

    def errors(self, features: Tensor) -> Tensor:
        """Mean squared distance `(N, h, w)` from the centre, over its coordinates."""
        deviations: Tensor = self(features) - self.centre.view(1, -1, 1, 1)
        return deviations.square().mean(dim=1)

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The mean of the largest errors."""
        errors = self.errors(batch.float()).flatten()
        return {"loss": errors.topk(math.ceil(self.share * len(errors))).values.mean()}

    def fault(self, features: Tensor) -> str:
        """Say if all places of good images are mapped to one point."""
        varied = self.standardise(features).var(dim=(0, 2, 3)).mean()
        outputs = self(features).var(dim=(0, 2, 3)).mean()
        if outputs >= COLLAPSED * self.centre.square().mean() * varied:
            return ""
        return "it has collapsed, all good images are mapped to one point; take a smaller learning_rate"
