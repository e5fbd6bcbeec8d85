"""Linear probe: the mean of what a frozen network sees, and a regularised linear classifier of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from knowngood.classifiers.activation import class_activation
from knowngood.classifiers.base import Fit, check_left, log_odds
from knowngood.classifiers.frozen import FittedOnViews, OnFrozen, concluded, described
from knowngood.classifiers.linear import Linear, teach_linear
from knowngood.data.labelled import Labelled
from knowngood.data.loader import Batches
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.views import Symmetries, seen_from
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.recipe import check_strides
from knowngood.training.run import Run
from knowngood.types import Progress, silent

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone


@dataclass(frozen=True)
class LinearProbe(OnFrozen):
    """Logistic regression of what a frozen network sees: mean, spread and largest value of each feature.

    Alain and Bengio, "Understanding intermediate layers using linear classifier probes", arXiv:1610.01644; as
    transfer learning: Kornblith et al., "Do Better ImageNet Models Transfer Better?", arXiv:1805.08974. The
    classifier is linear, so each place has its share of what the means say, which the map shows (Zhou et al.,
    "Learning Deep Features for Discriminative Localization", arXiv:1512.04150); spread and largest values
    have no place.

    Args:
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        orientation: How the product may lie: `fixed`, `mirrored`, `quarter` or `any`; in all these ways
            images are looked at, for learning and for judging.
        agreement: How the answers to these views become one: `mean` probability or majority `vote`.
        imbalance: `auto`, `none`, `class_weights`, `undersampling` or `logit_adjustment`.
        synthetic: Fill up kinds with few images with made features, of which the plausible ones are kept.
        backbone: timm's name of the network.
        weights: A local checkpoint of the network; None for the installed or downloaded one.
        strides: Feature maps to use, by their stride in pixels, finest first.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> LinearProbe(orientation="quarter").strides
        (8, 16, 32)
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    strides: tuple[int, ...] = (8, 16, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strides(self, self.strides)

    def fit(
        self,
        images: Batches,
        taught: Labelled,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,  # noqa: ARG002  # nothing is trained
    ) -> Fit:
        """Learn the classifier; see `Classifier.fit`."""
        views = Symmetries(self.orientation, images.shape)
        one = freeze(
            LevelMaps, images.shape, backbone=self.backbone, strides=self.strides, weights=self.weights
        )
        features = seen_from(one, views, images.shape)
        blocks = [shape[0] for shape in one.shapes] * 3
        samples = described(
            features,
            lambda arrays: summary([torch.from_numpy(maps) for maps in arrays]).numpy(),
            images,
            taught,
            blocks,
            device=device,
            progress=progress,
        )
        check_left(samples.numbers.tolist(), taught.names, samples.groups)
        linear, lesson = teach_linear(samples, taught.names, self.teaching(seed), progress)
        fitted = FittedLinearProbe(features, linear, lesson.temperature, self.agreement)
        return concluded(fitted, lesson, images, taught, views)


class LevelMaps(nn.Module):
    """The feature maps of a backbone.

    Args:
        backbone: Gives them.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps `(N, C, h, w)` of images `(N, H, W, 3)` of 0 to 255, finest first."""
        return tuple(self.backbone(self.backbone.normalise(images)))


class FittedLinearProbe(FittedOnViews):
    """A linear classifier of mean features.

    Args:
        features: Gives the feature maps of all views.
        linear: Classifies their `summary`.
        temperature: Logits are divided by it.
        agreement: How views become one answer.
    """

    def __init__(
        self,
        features: FrozenFeatures,
        linear: Linear,
        temperature: float,
        agreement: str,
    ) -> None:
        super().__init__(features, temperature, agreement)
        self.linear = linear

    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """See `FittedOnViews.describe`."""
        seen = summary(features)
        means = seen.shape[1] // 3
        weight = (self.linear.weight / self.linear.scale)[:, :means]
        places = class_activation(features, weight, self.linear.bias - weight @ self.linear.mean[:means])
        return seen, self.linear(seen), log_odds(places, self.temperature)


def summary(maps: Sequence[Tensor]) -> Tensor:
    """Means of all features over the image, then their standard deviations, then their largest values.

    Args:
        maps: Feature maps `(N, D_i, h_i, w_i)`.

    Returns:
        `(N, 3 D)`, D the sum of all D_i.

    Example:
        >>> summary([torch.tensor([[[[1.0, 3.0]]]])]).tolist()
        [[2.0, 1.0, 3.0]]
    """
    flat = [level.flatten(2) for level in maps]
    means = [level.mean(dim=2, keepdim=True) for level in flat]
    spreads = [(level - mean).pow(2).mean(dim=2).sqrt() for level, mean in zip(flat, means, strict=True)]
    largest = [level.amax(dim=2) for level in flat]
    return torch.cat([*(mean[..., 0] for mean in means), *spreads, *largest], dim=1)
