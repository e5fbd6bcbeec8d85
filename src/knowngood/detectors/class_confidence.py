"""Class confidence: a network learns to tell classes of good parts apart, and is unsure of what is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from knowngood.data.classes import number_classes
from knowngood.data.loader import Batches
from knowngood.detectors.classification import Classification
from knowngood.detectors.confidence import LOGIT_SCORES, Gaussians, LogitScore, Scorer, nearest_of
from knowngood.errors import RecipeError
from knowngood.features.pooled import OneView
from knowngood.recipe import check_choice, check_range
from knowngood.training.classifying import TRUNKS

SCORES = ("mahalanobis", "knn", *LOGIT_SCORES, "odin")

ODIN_TEMPERATURE = 1000.0
"""The temperature that ODIN's authors use for all their data sets."""


@dataclass(frozen=True)
class ClassConfidence(Classification):
    """A classifier of good parts, whose classes a table gives; a defect is what it is unsure of.

    Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
    Networks", arXiv:1610.02136. It is trained on four fifths of the good images of each class; the others
    stop the training, fit the temperature and set the threshold. It gives no map.

    Args:
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        epochs: The most passes over the images.
        batch_size: Images in a step.
        learning_rate: The first epoch's; `none` finds one by trying.
        patience: Epochs without progress on the held-out images after which training stops.
        network: `small` (a course's, of three convolutions), `cnn`, or timm's name of a network, of which
            the features stay as they are and only a linear classifier is trained.
        weights: A local checkpoint of that network; None for the installed or downloaded one.
        schedule: `cosine`: the learning rate falls to nothing; or `constant`.
        label_smoothing: Share of each target that is spread over all classes.
        shift: Pixels by which images are moved at random while `small` or `cnn` learn.
        temperature: What logits are divided by; None for the one that makes held-out classes likeliest, or
            for `odin` 1000, as its authors have it.
        neighbours: For `knn`: neighbours whose distances are averaged.
        bank: For `knn`: the most images that are remembered.
        score: `mahalanobis` or `knn` on the features before the last layer; `msp` (one minus the maximum
            softmax probability) and `entropy`, both as logarithms; `max_logit`, `energy`; or `odin`, for
            `small` and `cnn`.
        epsilon: For `odin`: how far pixels from 0 to 1 are moved towards what the network takes them for.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> ClassConfidence(network="small", score="msp", temperature=1.0).label_smoothing
        0.1
    """

    needs_classes: ClassVar[bool] = True

    score: str = "mahalanobis"
    epsilon: float = 0.0014

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, score=SCORES)
        check_range(self, epsilon=(1e-6, 1.0))
        if self.score == "odin" and self.network not in TRUNKS:
            raise RecipeError(
                "ClassConfidence: score='odin' needs the gradient with respect to pixels, which frozen "
                "features do not give; take network=cnn"
            )

    @property
    def step(self) -> float:
        """See `Classification.step`."""
        return self.epsilon if self.score == "odin" else 0.0

    @property
    def known_temperature(self) -> float | None:
        """See `Classification.known_temperature`."""
        return self.temperature or (ODIN_TEMPERATURE if self.score == "odin" else None)

    def classes(self, good: Batches) -> tuple[list[str], list[int] | None]:
        """See `Classification.classes`."""
        return number_classes(good.classes, good.sources, good.groups)

    def views(self) -> nn.Module:
        """See `Classification.views`."""
        return nn.Unflatten(0, (-1, 1))

    def frozen(self) -> type[nn.Module]:
        """See `Classification.frozen`."""
        return OneView

    def scorer(self, features: Tensor, truth: Tensor, *, temperature: float, seed: int) -> Scorer:
        """See `Classification.scorer`."""
        if self.score == "mahalanobis":
            return Gaussians(features, truth)
        if self.score == "knn":
            return nearest_of(features, most=self.bank, neighbours=self.neighbours, seed=seed)
        if self.score == "odin":
            return LogitScore("msp", temperature)
        return LogitScore(self.score, temperature)
