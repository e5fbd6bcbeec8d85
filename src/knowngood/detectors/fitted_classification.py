"""Fitted detectors whose network classifies pixels, or the features of a frozen network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from knowngood.detectors.base import FittedDetector, FittedOnFeatures
from knowngood.detectors.confidence import Scorer
from knowngood.detectors.input_gradient import towards_confidence
from knowngood.features.frozen import FrozenFeatures
from knowngood.training.blocks import pixels
from knowngood.training.classifying import ClassifyingNetwork, apart
from knowngood.types import Scores


class Pixels(nn.Module):
    """From images to the pixels of their views, in grey (1 channel) or colour (3)."""

    def __init__(self, views: nn.Module, channels: int) -> None:
        super().__init__()
        self.views = views
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Pixels `(N, V, channels, H, W)` from 0 to 1 of images `(N, H, W, 3)`."""
        views = self.views(images)
        return apart(pixels(views.flatten(0, 1), self.channels), views.shape[1])


class FittedOnPixels(FittedDetector):
    """Scores images by a network that classifies their pixels, after a step towards the predicted class."""

    def __init__(
        self, network: ClassifyingNetwork, scorer: Scorer, temperature: float, *, step: float
    ) -> None:
        super().__init__()
        self.network = network
        self.scorer = scorer
        self.temperature = temperature
        self.step = step

    def forward(self, images: Tensor) -> Scores:
        """Score images."""
        views = self.network.views(images)
        features, logits = self.network.classify(views)
        extras = {"logits": logits, "features": features}
        if self.step:
            layers = [*self.network.trunk, self.network.head]
            flat = views.flatten(0, 1)
            moved = towards_confidence(layers, flat, step=self.step, temperature=self.temperature)
            features, logits = self.network.classify(apart(moved, views.shape[1]))
        return Scores(self.scorer(features, logits), None, extras)


class FittedOnFrozen(FittedOnFeatures):
    """Scores images by a linear classifier of the features of a frozen network."""

    def __init__(
        self, features: FrozenFeatures, network: ClassifyingNetwork, scorer: Scorer, _: float
    ) -> None:
        super().__init__(features)
        self.network = network
        self.scorer = scorer

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features `(N, V, C)`."""
        last, logits = self.network(features[0])
        return Scores(self.scorer(last, logits), None, {"logits": logits, "features": last})
