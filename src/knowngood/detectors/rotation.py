"""Rotation: a network learns by how many quarters good images were turned, and errs on what is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.detectors.classification import Classification, Shift
from knowngood.detectors.confidence import Gaussians, Scorer, nearest_of, within_range
from knowngood.features.pooled import OneView
from knowngood.recipe import OneOf

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone

SCORES = ("mahalanobis", "knn", "log_probability", "distance")

QUARTERS = 4


@dataclass(frozen=True, kw_only=True)
class Rotation(Classification):
    """A classifier of image rotations, which needs no labels; defects are classified with low confidence.

    Gidaris, Singh and Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations"
    (RotNet), arXiv:1803.07728; for detection Golan and El-Yaniv, "Deep Anomaly Detection Using Geometric
    Transformations", arXiv:1805.10917. It is trained on four fifths of the good images; the others stop the
    training and set the threshold. It gives no map.

    A part must look different when it is turned: a disc, or the digits 0, 1 and 8, look the same upside
    down. The network then guesses on good parts too, unless something else reveals the rotation, such as a
    part that is always a little off centre: it learns that offset and nothing about the part. `shift`
    prevents it.

    Example:
        >>> Rotation(network="cnn", input_size=28).score
        'mahalanobis'
    """

    shift: Shift = 0
    score: Annotated[
        str,
        OneOf(SCORES),
        Field(
            description="Image score: mahalanobis or knn on the last features, summed over rotations;"
            " log_probability, the mean negative logarithm of the true rotation's probability;"
            " distance, the mean circular distance from the true rotation, in quarter turns"
        ),
    ] = "mahalanobis"

    @property
    def step(self) -> float:
        """See `Classification.step`."""
        return 0.0

    @property
    def known_temperature(self) -> float | None:
        """See `Classification.known_temperature`."""
        return self.temperature

    def classes(self, _: ImageSet) -> list[str]:
        """See `Classification.classes`."""
        return [f"{90 * quarters}°" for quarters in range(QUARTERS)]

    def views(self) -> nn.Module:
        """See `Classification.views`."""
        return Turned()

    def frozen(self) -> type[nn.Module]:
        """See `Classification.frozen`."""
        return TurnedView

    def scorer(self, features: Tensor, truth: Tensor, *, temperature: float, seed: int) -> Scorer:
        """See `Classification.scorer`."""
        if self.score == "mahalanobis":
            return Gaussians(features, truth)
        if self.score == "knn":
            return nearest_of(features, most=self.bank, neighbours=self.neighbours, seed=seed)
        return LogProbability(temperature) if self.score == "log_probability" else CircularDistance()


class Turned(nn.Module):
    """Turns images by no, one, two and three quarters, against the clock."""

    def forward(self, images: Tensor) -> Tensor:
        """Views `(N, 4, H, W, 3)` of images `(N, H, W, 3)`; those that lie are stretched to one shape."""
        lying = images.transpose(1, 2)
        if images.shape[1] != images.shape[2]:
            resized = F.interpolate(
                lying.permute(0, 3, 1, 2).float(), size=images.shape[1:3], mode="bilinear", antialias=False
            )
            lying = resized.permute(0, 2, 3, 1)
            images = images.float()
        return torch.stack([images, lying.flip(1), images.flip(1, 2), lying.flip(2)], dim=1)


class TurnedView(nn.Module):
    """What a network sees of an image in all four rotations.

    Args:
        backbone: Gives the feature maps.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.turned = Turned()
        self.view = OneView(backbone)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Features `(N, 4, C)` of uint8 images `(N, H, W, 3)`."""
        views = self.turned(images)
        (features,) = self.view(views.flatten(0, 1))
        return (features.reshape(-1, QUARTERS, features.shape[-1]),)


class LogProbability(Scorer):
    """Minus the logarithm of the true rotation's probability, averaged over the rotations.

    Args:
        temperature: Logits are divided by it.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, _: Tensor, logits: Tensor) -> Tensor:
        """See `Scorer.forward`."""
        chances = (within_range(logits) / self.temperature).log_softmax(dim=-1)
        # The diagonal of each image; an exported `diagonal` branches, which no graph of ours may.
        true = [chances[:, turn, turn] for turn in range(int(chances.shape[1]))]
        return -torch.stack(true, dim=1).mean(dim=1)


class CircularDistance(Scorer):
    """How far the predicted rotation is from the true one round the circle, in quarters, averaged."""

    def forward(self, _: Tensor, logits: Tensor) -> Tensor:
        """See `Scorer.forward`."""
        truth = torch.arange(QUARTERS, device=logits.device)
        apart = (logits.argmax(dim=-1) - truth).abs()
        return torch.minimum(apart, QUARTERS - apart).float().mean(dim=1)
