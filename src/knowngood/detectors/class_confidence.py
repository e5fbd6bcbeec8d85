"""Class confidence: a network classifies good parts; its confidence is low for defects."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import nn

from knowngood.data.class_names import check_classes
from knowngood.data.imageset import ImageSet
from knowngood.detectors.classification import Classification
from knowngood.detectors.confidence import LOGIT_SCORES, LogitScore, Scorer
from knowngood.errors import RecipeError
from knowngood.features.pooled import OneView
from knowngood.recipe import OneOf
from knowngood.training.classifying import TRUNKS

SCORES = ("mahalanobis", "knn", *LOGIT_SCORES, "odin")

ODIN_TEMPERATURE = 1000.0  # the temperature that ODIN's authors use for all their data sets


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

    when: ClassVar[str] = "Good parts belong to several classes, given in a table (column `class`)."
    needs_classes: ClassVar[bool] = True
    frozen: ClassVar[type[nn.Module]] = OneView

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
        """The step of ODIN, or 0."""
        return self.epsilon if self.score == "odin" else 0.0

    @property
    def known_temperature(self) -> float | None:
        """The temperature as it is set; for ODIN its authors' by default."""
        return self.temperature or (ODIN_TEMPERATURE if self.score == "odin" else None)

    def classes(self, good: ImageSet) -> list[str]:
        """The classes of the images."""
        check_classes(good)
        return good.names

    def views(self) -> nn.Module:
        """Make the module that takes an image as its only view."""
        return nn.Unflatten(0, (-1, 1))

    def scorer_of_logits(self, temperature: float) -> Scorer:
        """Make the scorer of logits."""
        return LogitScore("msp" if self.score == "odin" else self.score, temperature)
