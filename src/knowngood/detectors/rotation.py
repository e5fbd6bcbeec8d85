"""Rotation: a network learns by how much good images were rotated, and errs on defects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.detectors.classification import Classification, Shift
from knowngood.detectors.confidence import Scorer, within_range
from knowngood.features.pooled import OneView
from knowngood.recipe import OneOf

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone

SCORES = ("mahalanobis", "knn", "log_probability", "distance")

QUARTERS = 4


class Turned(nn.Module):
    """Rotates images by no, one, two and three quarter turns, counter-clockwise."""

    def forward(self, images: Tensor) -> Tensor:
        """Views `(N, 4, H, W, 3)` of images `(N, H, W, 3)`; quarter turns are stretched to the same shape."""
        transposed = images.transpose(1, 2)
        if images.shape[1] != images.shape[2]:
            channels_first = transposed.permute(0, 3, 1, 2).float()
            resized = F.interpolate(channels_first, size=images.shape[1:3], mode="bilinear", antialias=False)
            transposed = resized.permute(0, 2, 3, 1)
            images = images.float()
        return torch.stack([images, transposed.flip(1), images.flip(1, 2), transposed.flip(2)], dim=1)


class TurnedView(nn.Module):
    """The features of a backbone for an image in all four rotations."""

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


@dataclass(frozen=True, kw_only=True)
class Rotation(Classification):
    """A classifier of image rotations, which needs no labels; defects are classified with low confidence.

    Gidaris, Singh and Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations"
    (RotNet), arXiv:1803.07728; for detection Golan and El-Yaniv, "Deep Anomaly Detection Using Geometric
    Transformations", arXiv:1805.10917. It is trained on four fifths of the good images; the others stop the
    training and set the threshold. It gives no map.

    A part must look different when it is rotated: a disc, or the digits 0, 1 and 8, look the same upside
    down. The network then guesses on good parts too, unless something else reveals the rotation, such as a
    part that is always a little off centre: it learns that offset and nothing about the part. `shift`
    prevents it.

    Example:
        >>> Rotation(network="cnn", input_size=28).score
        'mahalanobis'
    """

    when: ClassVar[str] = (
        "You study training without labels; a rotated part must differ from one that is not."
    )
    frozen: ClassVar[type[nn.Module]] = TurnedView

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

    def classes(self, _: ImageSet) -> list[str]:
        """Name the rotations."""
        return [f"{90 * quarters}°" for quarters in range(QUARTERS)]

    def views(self) -> nn.Module:
        """Make the module that rotates images."""
        return Turned()

    def scorer_of_logits(self, temperature: float) -> Scorer:
        """Make the scorer of logits."""
        return LogProbability(temperature) if self.score == "log_probability" else CircularDistance()


class LogProbability(Scorer):
    """Minus the logarithm of the true rotation's probability, averaged over the rotations."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, _: Tensor, logits: Tensor) -> Tensor:
        """Scores `(N,)`."""
        log_probabilities = (within_range(logits) / self.temperature).log_softmax(dim=-1)
        # The diagonal of each image: an exported `diagonal` branches, which no graph of ours may.
        true = [log_probabilities[:, turn, turn] for turn in range(int(log_probabilities.shape[1]))]
        return -torch.stack(true, dim=1).mean(dim=1)


class CircularDistance(Scorer):
    """Mean circular distance of the predicted rotation from the true one, in quarter turns."""

    def forward(self, _: Tensor, logits: Tensor) -> Tensor:
        """Scores `(N,)`."""
        truth = torch.arange(QUARTERS, device=logits.device)
        apart = (logits.argmax(dim=-1) - truth).abs()
        return torch.minimum(apart, QUARTERS - apart).float().mean(dim=1)
