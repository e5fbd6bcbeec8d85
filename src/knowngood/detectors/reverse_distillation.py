"""Reverse distillation: a student restores the teacher's features from a narrow embedding of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.detectors.student_teacher import Student, StudentTeacher, Teacher, Width, plain
from knowngood.settings import BatchSize, Epochs
from knowngood.training.blocks import SLOPE
from knowngood.training.store import Store


@dataclass(frozen=True, kw_only=True)
class ReverseDistillation(StudentTeacher):
    """A decoder that restores a frozen network's features from an embedding; what it cannot is anomalous.

    Deng and Li, "Anomaly Detection via Reverse Distillation from One-Class Embedding", arXiv:2201.10703. The
    teacher's maps of all strides are fused, and halved once more, to an embedding that has room for what
    good images have in common. The student decodes it to all maps, the coarsest first. The map is the sum
    over strides of one minus the cosine between both, the score its maximum. The teacher here is the small
    backbone of the other detectors instead of a wide ResNet, each of its channels divided by its root mean
    square, and the decoder has two layers for each stride instead of a mirrored ResNet.

    Example:
        >>> ReverseDistillation(width=16).strides
        (4, 8, 16)
    """

    when: ClassVar[str] = "Parts are aligned, and you study what a narrow embedding of features keeps."

    epochs: Epochs = 15
    batch_size: BatchSize = 8
    width: Width = 32

    def make_network(self, kept: Store) -> RestoringStudent:
        """Make a student with random weights."""
        return RestoringStudent(Teacher.of(kept), width=self.width)


class RestoringStudent(Student):
    """Fuses the teacher's maps to one embedding, and decodes it to maps again, the coarsest first."""

    def __init__(self, teacher: Teacher, *, width: int) -> None:
        super().__init__(teacher)
        channels, heights, _ = zip(*teacher.maps, strict=True)
        widths = [width * heights[0] // height for height in heights]
        self.fuse = nn.ModuleList(
            nn.Conv2d(own, widths[-1], height // heights[-1], stride=height // heights[-1])
            for own, height in zip(channels, heights, strict=True)
        )
        # A batch of one image must have a variance, and a map of three places cannot be halved.
        halve = 2 if all(side >= 4 and side % 2 == 0 for side in teacher.maps[-1][1:]) else 1
        self.embed = nn.Sequential(
            nn.BatchNorm2d(widths[-1]),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(widths[-1], 2 * widths[-1], 3, stride=halve, padding=1, bias=False),
            nn.BatchNorm2d(2 * widths[-1]),
            nn.LeakyReLU(SLOPE),
        )
        factors = [*(one // other for one, other in pairwise(heights)), halve]
        self.grow = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=factor, mode="bilinear") if factor > 1 else nn.Identity(),
                plain(before, own),
                plain(own, own),
            )
            for factor, before, own in zip(factors, [*widths[1:], 2 * widths[-1]], widths, strict=True)
        )
        self.heads = nn.ModuleList(nn.Conv2d(*pair, 1) for pair in zip(widths, channels, strict=True))

    def imitate(self, given: Sequence[Tensor], maps: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Restore maps from their embedding."""
        fused = [fuse(level) for fuse, level in zip(self.fuse, maps, strict=True)]
        decoded = self.embed(torch.stack(fused).sum(dim=0))
        restored = []
        for grow, head in zip(reversed(self.grow), reversed(self.heads), strict=True):
            decoded = grow(decoded)
            restored.append(head(decoded))
        return restored[::-1]
