"""Linear probe: statistics of a frozen network's features, and a regularised linear classifier of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.classifiers.base import class_activation, log_odds
from knowngood.classifiers.frozen import FittedOnViews, OnFrozen, describe_images, fit_with_sheet, summary
from knowngood.classifiers.linear import Linear, select_linear
from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit
from knowngood.features.frozen import freeze
from knowngood.features.views import Symmetries, seen_from
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Strides, Weights
from knowngood.training.run import Run
from knowngood.types import Progress, silent

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone


@dataclass(frozen=True, kw_only=True)
class LinearProbe(OnFrozen):
    """Logistic regression on each feature's mean, standard deviation and maximum, of a frozen network.

    Alain and Bengio, "Understanding intermediate layers using linear classifier probes", arXiv:1610.01644; as
    transfer learning: Kornblith et al., "Do Better ImageNet Models Transfer Better?", arXiv:1805.08974. The
    classifier is linear, so the map shows each position's share of what the means contribute (Zhou et al.,
    "Learning Deep Features for Discriminative Localization", arXiv:1512.04150). Standard deviations and
    maxima have no position.

    Example:
        >>> LinearProbe(orientation="quarter").strides
        (8, 16, 32)
    """

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    strides: Strides = (8, 16, 32)

    def fit(
        self, images: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Learn the classifier; see `Classifier.fit`."""
        del run  # nothing is trained
        views = Symmetries(self.orientation, images.shape)
        one = freeze(
            LevelMaps, images.shape, backbone=self.backbone, strides=self.strides, weights=self.weights
        )
        features = seen_from(one, views, images.shape)
        samples, index = describe_images(
            features,
            lambda arrays: summary([torch.from_numpy(maps) for maps in arrays]).numpy(),
            images,
            [shape[0] for shape in one.shapes] * 3,
            device=device,
            progress=progress,
        )
        linear, record = select_linear(samples, images.names, self.head_settings(seed), progress)
        fitted = FittedLinearProbe(features, linear, record.temperature, self.agreement)
        return fit_with_sheet(fitted, record, images, index, views)


class LevelMaps(nn.Module):
    """The feature maps of a backbone."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps `(N, C, h, w)` of images `(N, H, W, 3)` of 0 to 255, finest first."""
        return tuple(self.backbone(self.backbone.normalise(images)))


class FittedLinearProbe(FittedOnViews):
    """A linear classifier of the `summary` of feature maps; its map is the class activation of the means."""

    head: Linear

    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """See `FittedOnViews.describe`."""
        vectors = summary(features)
        means = vectors.shape[1] // 3
        standardise = self.head.standardise
        weight = (self.head.weight / standardise.scale)[:, :means]
        logits = class_activation(features, weight, self.head.bias - weight @ standardise.mean[:means])
        return vectors, self.head(vectors), log_odds(logits, self.temperature)
