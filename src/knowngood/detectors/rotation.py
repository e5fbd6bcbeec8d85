"""Rotation: a network learns by how many quarters good images were turned, and errs on what is odd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from knowngood.data.loader import Batches
from knowngood.detectors.classification import Classification
from knowngood.detectors.confidence import Gaussians, Scorer, nearest_of, within_range
from knowngood.features.pooled import OneView
from knowngood.recipe import check_choice

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone

SCORES = ("mahalanobis", "knn", "log_probability", "distance")

QUARTERS = 4


@dataclass(frozen=True)
class Rotation(Classification):
    """A classifier of how far an image was turned, which needs no labels; it errs on what is odd.

    Gidaris, Singh and Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations"
    (RotNet), arXiv:1803.07728; for detection Golan and El-Yaniv, "Deep Anomaly Detection Using Geometric
    Transformations", arXiv:1805.10917. It is trained on four fifths of the good images; the others stop the
    training and set the threshold. It gives no map.

    The task has an answer only where a turned part looks turned: of a disc, or of the digits 0, 1 and 8,
    upright and upside down look alike. A network then guesses, on good parts too, unless something else
    gives the rotation away, such as a part that always lies a little beside the centre; it learns that then,
    and nothing of the part. `shift` closes this way out.

    Args:
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        epochs: The most passes over the images.
        batch_size: Images in a step, each in all four rotations.
        learning_rate: The first epoch's; `none` finds one by trying.
        patience: Epochs without progress on the held-out images after which training stops.
        network: `small` (a course's, of three convolutions), `cnn`, or timm's name of a network, of which
            the features stay as they are and only a linear classifier is trained.
        weights: A local checkpoint of that network; None for the installed or downloaded one.
        schedule: `cosine`: the learning rate falls to nothing; or `constant`.
        label_smoothing: Share of each target that is spread over all rotations.
        shift: Pixels by which images are moved at random while `small` or `cnn` learn.
        temperature: What logits are divided by; None for the one that makes held-out rotations likeliest.
        neighbours: For `knn`: neighbours whose distances are averaged.
        bank: For `knn`: the most images that are remembered.
        score: `mahalanobis` or `knn` on the features before the last layer, summed over the rotations;
            `log_probability`: minus the mean logarithm of the true rotation's; or `distance` from the
            predicted to the true rotation round the circle, in quarters, averaged.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> Rotation(network="cnn", input_size=28).score
        'mahalanobis'
    """

    shift: int = 0
    score: str = "mahalanobis"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, score=SCORES)

    @property
    def step(self) -> float:
        """See `Classification.step`."""
        return 0.0

    @property
    def known_temperature(self) -> float | None:
        """See `Classification.known_temperature`."""
        return self.temperature

    def classes(self, _: Batches) -> tuple[list[str], list[int] | None]:
        """See `Classification.classes`."""
        return [f"{90 * quarters}°" for quarters in range(QUARTERS)], None

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
        return -chances.diagonal(dim1=1, dim2=2).mean(dim=1)


class CircularDistance(Scorer):
    """How far the predicted rotation is from the true one round the circle, in quarters, averaged."""

    def forward(self, _: Tensor, logits: Tensor) -> Tensor:
        """See `Scorer.forward`."""
        truth = torch.arange(QUARTERS, device=logits.device)
        apart = (logits.argmax(dim=-1) - truth).abs()
        return torch.minimum(apart, QUARTERS - apart).float().mean(dim=1)
