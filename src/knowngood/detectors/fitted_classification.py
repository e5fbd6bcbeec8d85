"""How images are judged by a network that classifies, on pixels or on what a frozen network sees."""

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
    """From images to the pixels of their views.

    Args:
        views: From images `(N, H, W, 3)` to views `(N, V, H, W, 3)`.
        channels: 1 to look at grey images, 3 at colour.
    """

    def __init__(self, views: nn.Module, channels: int) -> None:
        super().__init__()
        self.views = views
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Pixels `(N, V, channels, H, W)` from 0 to 1."""
        views = self.views(images)
        return apart(pixels(views.flatten(0, 1), self.channels), views.shape[1])


class FittedOnPixels(FittedDetector):
    """Judges images by a network that has learned from pixels.

    Args:
        network: Classifies.
        scorer: Scores.
        step: How far pixels are moved towards what the network takes them for, before it judges; 0 for not.
        temperature: At which it takes them for that.
    """

    def __init__(
        self, network: ClassifyingNetwork, scorer: Scorer, *, step: float, temperature: float
    ) -> None:
        super().__init__()
        self.network = network
        self.scorer = scorer
        self.step = step
        self.temperature = temperature

    def forward(self, images: Tensor) -> Scores:
        """Score images; see `FittedDetector.forward`."""
        views = self.network.views(images)
        answer = self.network.classify(views)
        judged = answer
        if self.step:
            layers = [*self.network.trunk, self.network.head]
            flat = views.flatten(0, 1)
            moved = towards_confidence(layers, flat, step=self.step, temperature=self.temperature)
            judged = self.network.classify(apart(moved, views.shape[1]))
        return Scores(self.scorer(*judged), None, {"logits": answer[1], "features": answer[0]})


class FittedOnFrozen(FittedOnFeatures):
    """Judges images by a linear classifier of what a frozen network sees.

    Args:
        features: Gives the features.
        network: Classifies them.
        scorer: Scores.
    """

    def __init__(self, features: FrozenFeatures, network: ClassifyingNetwork, scorer: Scorer) -> None:
        super().__init__(features)
        self.network = network
        self.scorer = scorer

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """From features `(N, V, C)` to scores."""
        seen, logits = self.network(features[0])
        return Scores(self.scorer(seen, logits), None, {"logits": logits, "features": seen})
