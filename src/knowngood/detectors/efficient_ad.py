"""EfficientAD: a student that looks closely, and an autoencoder that looks at the whole image."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.detectors.feature_model import FeatureModel
from knowngood.detectors.student_teacher import StudentTeacher, Teacher, plain, same_everywhere
from knowngood.detectors.trained import over_rows
from knowngood.features.patches import align
from knowngood.settings import BatchSize, Epochs, LearningRate, Strides
from knowngood.training.blocks import Decoder, Encoder, down
from knowngood.training.store import Store

USUAL, RARE = 0.9, 0.995
"""Quantiles of a map over held-out images whose distance is its unit, as in the paper's section 3.4."""

WHOLE = 4  # pixels, along each side, that the autoencoder sees as one
LEAST_UNIT = 1e-6  # of a map: constant images may have one that is the same everywhere


@dataclass(frozen=True, kw_only=True)
class EfficientAd(StudentTeacher):
    """A student for what is wrong at a place, and an autoencoder for what is missing or in a wrong place.

    Batzner, Heckler and König, "EfficientAD: Accurate Visual Anomaly Detection at Millisecond-Level
    Latencies", arXiv:2303.14535. A shallow student, which sees the surroundings of each place alone, learns
    the teacher's features of good images; only the places and channels where it errs most are learned from.
    An autoencoder with a short code learns the same features, and a second head of the student learns what
    the autoencoder gives. The local map is the squared difference between teacher and student, the global map
    that between autoencoder and student, each in units of the distance between two quantiles over held-out
    images; the map is their mean.

    The authors' pretrained teacher is not here: it is the backbone of the other detectors, whose features see
    more of the image. ImageNet, on which they also penalise the student, is not here either, nor do colours
    of images change for the autoencoder, since features are stored. A tenth of the differences is learned
    from instead of a thousandth, as there are hundreds of steps instead of 70,000. The score is the map's
    maximum.

    Example:
        >>> EfficientAd(hard=0.01).strides
        (8, 16)
    """

    when: ClassVar[str] = (
        "You want defects at places and of the whole arrangement in one small trained network."
    )
    pictured: ClassVar[bool] = True

    epochs: Epochs = 20
    batch_size: BatchSize = 8
    learning_rate: LearningRate = 2e-3
    strides: Strides = (8, 16)
    hard: Annotated[
        float,
        Field(
            ge=1e-4, le=1, description="Share of the differences, the largest, that the student learns from"
        ),
    ] = 0.1
    width: Annotated[
        int, Field(ge=1, le=4096, description="Channels of the student's last layers; the others have fewer")
    ] = 128
    code: Annotated[int, Field(ge=1, le=4096, description="Length of the autoencoder's code")] = 64

    def make_network(self, kept: Store) -> TwoHeadedStudent:
        """Make a student and an autoencoder with random weights."""
        teacher = Teacher.of(kept, before=1, centred=True)
        return TwoHeadedStudent(teacher, width=self.width, code=self.code, hard=self.hard)


class TwoHeadedStudent(FeatureModel):
    """A student of a teacher and of an autoencoder, both of which give C channels on the finest grid."""

    units: Tensor

    def __init__(self, teacher: Teacher, *, width: int, code: int, hard: float) -> None:
        super().__init__()
        self.teacher = teacher
        self.hard = hard
        sides, grid = teacher.shapes[0][1:], teacher.maps[0][1:]
        channels = sum(shape[0] for shape in teacher.maps)
        halvings = round(math.log2(sides[0] / grid[0]))
        widths = [max(1, width >> step) for step in reversed(range(halvings))]
        self.student = nn.Sequential(
            *(down(*pair) for pair in pairwise([3, *widths])),
            plain(width, width),
            nn.Conv2d(width, 2 * channels, 1),
        )
        narrow, half = max(1, width // 4), max(1, width // 2)
        self.autoencoder = nn.Sequential(
            nn.AvgPool2d(WHOLE),
            Encoder(3, [side // WHOLE for side in sides], code=code, width=narrow),
            Decoder(half, grid, code=code, width=narrow),
            nn.Conv2d(half, channels, 1),
        )
        self.register_buffer("units", torch.ones(2))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the teacher, the student of the teacher, the autoencoder and the student of the autoencoder
        give, `(N, C, h, w)` each, of joined features `(N, D)`.
        """
        (image,), maps = self.teacher(features)
        of_teacher, of_whole = self.student(image).chunk(2, dim=1)
        return torch.cat(align(maps), dim=1), of_teacher, self.autoencoder(image), of_whole

    def maps(self, features: Tensor) -> Tensor:
        """The local and the global map `(N, 2, h, w)`: mean squared differences over channels."""
        wanted, of_teacher, whole, of_whole = self(features)
        pairs = (wanted, of_teacher), (whole, of_whole)
        return torch.stack([(one - other).square().mean(dim=1) for one, other in pairs], dim=1)

    def errors(self, features: Tensor) -> Tensor:
        """The mean of both maps in their units."""
        return (self.maps(features) / self.units.view(1, 2, 1, 1)).mean(dim=1)

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The largest differences between teacher and student, and the means of the others."""
        wanted, of_teacher, whole, of_whole = self(batch)
        differences = (wanted - of_teacher).square().flatten()
        hardest = differences.topk(math.ceil(self.hard * len(differences)), sorted=False).values.mean()
        rebuilding, following = F.mse_loss(whole, wanted), F.mse_loss(of_whole, whole)
        return {
            "loss": hardest + rebuilding + following,
            "hardest": hardest,
            "autoencoder": rebuilding,
            "student of it": following,
        }

    def settle(self, kept: Store) -> None:
        """Take the unit of each map from held-out images."""
        (maps,) = over_rows(lambda batch: (self.maps(batch),), kept, kept.validation)
        usual, rare = np.quantile(maps.numpy(), (USUAL, RARE), axis=(0, 2, 3))
        self.units.copy_(torch.from_numpy(rare - usual).clamp(min=LEAST_UNIT))

    def fault(self, features: Tensor) -> str:
        """Say if the student gives the same at all places of good images."""
        wanted, of_teacher, *_ = (float(maps.var(dim=(0, 2, 3)).mean()) for maps in self(features))
        return same_everywhere(wanted, of_teacher)
