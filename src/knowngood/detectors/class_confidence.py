"""Class confidence: a network learns to tell classes of good parts apart, and is unsure of what is none."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.class_names import check_classes
from knowngood.data.imageset import ImageSet
from knowngood.detectors.classification import Classification
from knowngood.detectors.confidence import LOGIT_SCORES, Gaussians, LogitScore, Scorer, nearest_of
from knowngood.errors import RecipeError
from knowngood.features.pooled import OneView
from knowngood.recipe import OneOf
from knowngood.training.classifying import TRUNKS

SCORES = ("mahalanobis", "knn", *LOGIT_SCORES, "odin")

ODIN_TEMPERATURE = 1000.0
"""The temperature that ODIN's authors use for all their data sets."""


@dataclass(frozen=True, kw_only=True)
class ClassConfidence(Classification):
    """A classifier of good parts into the classes of a table; defects are classified with low confidence.

    Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
    Networks", arXiv:1610.02136. It is trained on four fifths of the good images of each class; the others
    stop the training, fit the temperature and set the threshold. It gives no map.

    Example:
        >>> ClassConfidence(network="small", score="msp", temperature=1.0).label_smoothing
        0.1
    """

    needs_classes: ClassVar[bool] = True

    score: Annotated[
        str,
        OneOf(SCORES),
        Field(
            description="Image score: mahalanobis or knn on the last features; msp (one minus the largest"
            " probability) or entropy, as logarithms; max_logit; energy; odin, for small and cnn"
        ),
    ] = "mahalanobis"
    epsilon: Annotated[
        float,
        Field(ge=1e-6, le=1, description="Step of the input perturbation for odin; pixels are from 0 to 1"),
    ] = 0.0014

    @model_validator(mode="after")
    def _check_odin(self) -> Self:
        """Refuse ODIN where pixels have no gradient."""
        if self.score == "odin" and self.network not in TRUNKS:
            raise RecipeError(
                "ClassConfidence: score='odin' needs the gradient with respect to pixels, which frozen "
                "features do not give; take network=cnn",
                setting="score",
                value=self.score,
            )
        return self

    @property
    def step(self) -> float:
        """See `Classification.step`."""
        return self.epsilon if self.score == "odin" else 0.0

    @property
    def known_temperature(self) -> float | None:
        """See `Classification.known_temperature`."""
        return self.temperature or (ODIN_TEMPERATURE if self.score == "odin" else None)

    def classes(self, good: ImageSet) -> list[str]:
        """See `Classification.classes`."""
        check_classes(good)
        return good.names

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
