"""STFPM: a student learns from images of good parts to give the teacher's features at several strides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.detectors.student_teacher import Student, StudentTeacher, Teacher, Width, plain
from knowngood.settings import BatchSize, Epochs
from knowngood.training.blocks import down
from knowngood.training.store import Store


@dataclass(frozen=True, kw_only=True)
class Stfpm(StudentTeacher):
    """A student that has learned a frozen network's features on good images, and errs on others.

    Wang et al., "Student-Teacher Feature Pyramid Matching for Anomaly Detection", arXiv:2103.04257. The
    student begins with random weights, sees the image, and learns to point the way of the teacher's features
    at each place and stride. The map is the product over strides of one minus the cosine between both, the
    score its maximum. Theirs is a ResNet-18, and so is its student. Here the teacher is the small backbone of
    the other detectors, each of its channels divided by its root mean square, and the student is smaller
    still: at each stride two convolutions, after those that halve the image.

    Example:
        >>> Stfpm(width=16).strides
        (4, 8, 16)
    """

    when: ClassVar[str] = "You study students and teachers, or want the plainest detector of that family."
    pictured: ClassVar[bool] = True

    epochs: Epochs = 30
    batch_size: BatchSize = 8
    width: Width = 32

    def make_network(self, kept: Store) -> SeeingStudent:
        """Make a student with random weights."""
        return SeeingStudent(Teacher.of(kept, before=1), width=self.width)


class SeeingStudent(Student):
    """A convolutional network from the normalised image to the teacher's maps, the finest first."""

    def __init__(self, teacher: Teacher, *, width: int) -> None:
        super().__init__(teacher)
        channels, heights, _ = zip(*teacher.maps, strict=True)
        widths = [width * heights[0] // height for height in heights]
        sides = pairwise([teacher.shapes[0][1], *heights])
        self.stages = nn.ModuleList(
            nn.Sequential(
                *halved(before, own, round(math.log2(one / other))), plain(own, own), plain(own, own)
            )
            for (one, other), (before, own) in zip(sides, pairwise([3, *widths]), strict=True)
        )
        self.heads = nn.ModuleList(nn.Conv2d(*pair, 1) for pair in zip(widths, channels, strict=True))

    def imitate(self, given: Sequence[Tensor], maps: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Give maps from the image."""
        seen, levels = given[0], []
        for stage, head in zip(self.stages, self.heads, strict=True):
            seen = stage(seen)
            levels.append(head(seen))
        return levels

    def errors(self, features: Tensor) -> Tensor:
        """The product of the distances of all strides."""
        return reduce(torch.mul, self.aligned(features).unbind(dim=1))


def halved(inputs: int, outputs: int, times: int) -> list[nn.Module]:
    """Normalised convolutions that halve maps a number of times."""
    return [down(inputs if step == 0 else outputs, outputs) for step in range(times)]
