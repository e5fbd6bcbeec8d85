"""The base of detectors whose student network learns to give the features of a frozen one, its teacher."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.detectors.feature_model import FeatureModel, TrainedOnFeatures, moments
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.patches import align
from knowngood.features.pyramid import Pyramid, apart
from knowngood.settings import Strides
from knowngood.training.blocks import SLOPE
from knowngood.training.standardise import Standardise
from knowngood.training.store import Store

LEAST_LENGTH = 1e-6  # of a feature vector that is scaled to length one; black images may have shorter ones
COLLAPSED = 1e-6
"""Variance of a student's unit vectors, relative to that of its teacher's, below which all are the same."""

Width = Annotated[
    int, Field(ge=1, le=512, description="Channels at the finest stride; each coarser one has twice as many")
]


@dataclass(frozen=True, kw_only=True)
class StudentTeacher(TrainedOnFeatures):
    """A recipe of a student that is compared with its teacher at several strides, each on its own grid."""

    pictured: ClassVar[bool] = False  # whether the student is given the image, or the teacher's features

    strides: Strides = (4, 8, 16)

    def extractor(self, shape: tuple[int, int]) -> FrozenFeatures:
        """The teacher's feature maps and, for a student that is given it, the image."""
        return freeze(
            Pyramid,
            shape,
            backbone=self.backbone,
            strides=self.strides,
            weights=self.weights,
            pictured=self.pictured,
        )


class Teacher(nn.Module):
    """The teacher's maps in joined features, of which `before` tensors are not the teacher's; each channel is
    divided by its root mean square over the training images, so that none outweighs the others.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], scale: Sequence[nn.Module], *, before: int) -> None:
        super().__init__()
        self.shapes = shapes
        self.before = before
        self.scale = nn.ModuleList(scale)

    @classmethod
    def of(cls, kept: Store, *, before: int = 0, centred: bool = False) -> Teacher:
        """The teacher whose maps a store holds; if `centred`, they are standardised instead."""
        scale = []
        for mean, deviation in (moments(kept, part) for part in range(before, len(kept.parts))):
            size = deviation if centred else (mean.square() + deviation.square()).sqrt()
            scale.append(Standardise(centred * mean.view(1, -1, 1, 1), size.view(1, -1, 1, 1)))
        return cls(kept.parts, scale, before=before)

    @property
    def maps(self) -> Sequence[tuple[int, ...]]:
        """The shapes `(C, h, w)` of the maps."""
        return self.shapes[self.before :]

    def forward(self, features: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The tensors that come before, and the maps `(N, C, h, w)`, of joined features `(N, D)`."""
        tensors = apart(features.float(), self.shapes)
        maps = [scale(level) for scale, level in zip(self.scale, tensors[self.before :], strict=True)]
        return tensors[: self.before], maps


class Student(FeatureModel):
    """A network whose maps point the way of the teacher's at each place and stride, if the image is good."""

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.teacher = teacher

    @abstractmethod
    def imitate(self, given: Sequence[Tensor], maps: Sequence[Tensor]) -> Sequence[Tensor]:
        """Give the teacher's maps again, from these or from what comes before them."""

    def vectors(self, features: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The unit vectors `(N, C, h, w)` of the teacher and of the student, for each stride."""
        given, maps = self.teacher(features)
        return [unit(level) for level in maps], [unit(level) for level in self.imitate(given, maps)]

    def distances(self, features: Tensor) -> list[Tensor]:
        """One minus the cosine between teacher and student `(N, h, w)`, for each stride."""
        pairs = zip(*self.vectors(features), strict=True)
        return [(wanted - given).square().sum(dim=1) / 2 for wanted, given in pairs]

    def aligned(self, features: Tensor) -> Tensor:
        """The distances of all L strides, on the finest grid, `(N, L, h, w)`."""
        return torch.cat(align([level[:, None] for level in self.distances(features)]), dim=1)

    def errors(self, features: Tensor) -> Tensor:
        """The sum of the distances of all strides."""
        return self.aligned(features).sum(dim=1)

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The sum over strides of the mean distances."""
        return {"loss": torch.stack([level.mean() for level in self.distances(batch)]).sum()}

    def fault(self, features: Tensor) -> str:
        """Say if the student gives the same features for all places of good images."""
        wanted, given = (
            sum(float(level.var(dim=(0, 2, 3)).sum()) for level in levels)
            for levels in self.vectors(features)
        )
        return same_everywhere(wanted, given)


def same_everywhere(wanted: float, given: float) -> str:
    """Say if what a student gives varies next to nothing beside what it should give, by both variances.

    Example:
        >>> same_everywhere(1.0, 0.9)
        ''
    """
    if given >= COLLAPSED * wanted:
        return ""
    return "it has collapsed, the student gives the same at all places; take a smaller learning_rate"


def unit(maps: Tensor) -> Tensor:
    """Scale the vectors of maps `(N, C, h, w)` to length one at each place.

    Example:
        >>> unit(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)).flatten()
        tensor([0.6000, 0.8000])
    """
    maps = maps.float()  # in bfloat16 a length is off by a hundredth
    return maps / (maps.square().sum(dim=1, keepdim=True) + LEAST_LENGTH**2).sqrt()


def plain(inputs: int, outputs: int) -> nn.Sequential:
    """A normalised convolution of three by three places."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)
    )
