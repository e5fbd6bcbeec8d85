"""PatchCore: a memory bank of patches of good images; a patch that is far from all of them is anomalous."""

# ruff: noqa: ARG002 (no network is trained, so that `run` is not used)

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.at_scales import FittedAtScales, inside, rim_of
from knowngood.detectors.base import Detector, Fit, check_folds, draw_held_out
from knowngood.engines.engine import DEFAULT_ENGINE, ENGINES
from knowngood.features.coreset import StreamingCoreset, cover
from knowngood.features.eight_bit import eight_bit
from knowngood.features.extract import extract, few
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.nearest import BLOCK, MemoryBank
from knowngood.features.patches import PatchFeatures
from knowngood.features.refined import SHARE, RefinedBank, ratio_of
from knowngood.features.shelf import Shelf
from knowngood.features.usual import Usual
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.parallel import in_parallel
from knowngood.recipe import OneOf
from knowngood.settings import BackboneName, Folds, HeldOut, InputSize, Smoothing, Strides, Weights
from knowngood.types import Progress, silent

if TYPE_CHECKING:
    from knowngood.training.run import Run

CANDIDATES = 4  # patches drawn in each fold for each one that is kept in all
AT_ONCE = 12_000  # patches, of several images, that are compared at once
SMALL = 1000  # patches of the bank that is compared with all positions, where the other one is much larger
SAMPLE = 16  # good images that set the ranges of the 8-bit numbers
LEAST_PER_IMAGE = 32  # patches drawn from each image at each scale, however many images there are

Bank = MemoryBank | RefinedBank

_HeldOut = tuple[Bank, Shelf, list[int], int]
"""A bank, the features that are kept, some of the images that they are of, and the scale."""


@dataclass(frozen=True, kw_only=True)
class PatchCore(Detector):
    """Memory banks of patch features at several scales.

    Roth et al., "Towards Total Recall in Industrial Anomaly Detection", arXiv:2106.08265. Here patches have
    the grid of the coarsest map, and the banks are thinned fold by fold in bounded memory. A large bank is
    asked about the quarter of the patches that is farthest from a small one, see
    `knowngood.features.refined`. Each scale's distances are standardised by those of held-out good images;
    a coarser scale, whose patches blur what is small, weighs less; the most anomalous scale decides. The
    score is the maximum of the smoothed map.

    Example:
        >>> PatchCore(coreset=1000).coreset
        1000
    """

    when: ClassVar[str] = "You begin, parts have any position and orientation, or defects are small."
    augments: ClassVar[bool] = True

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 448
    strides: Strides = (8, 16)
    scales: Annotated[
        int, Field(ge=1, le=4, description="Number of scales; each has half the resolution of the one before")
    ] = 2
    neighbourhood: Annotated[
        int,
        OneOf(range(1, 16, 2)),
        Field(description="Side of the square over which features are averaged, in features of each map"),
    ] = 3
    coreset: Annotated[int, Field(ge=1, le=100_000, description="Patches kept at each scale")] = 12_000
    smoothing: Annotated[Smoothing, Field(ge=0, le=10)] = 0.75
    folds: Folds = 5
    held_out: HeldOut = 400
    eight_bit: Annotated[
        bool, Field(description="Use 8-bit arithmetic on a CPU, where a trial shows that it finds the same")
    ] = True
    engine: Annotated[
        str,
        OneOf(tuple(ENGINES)),
        Field(description="Engine that will score images: 8-bit arithmetic differs a little between engines"),
    ] = DEFAULT_ENGINE

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Fill the memory banks."""
        generator = torch.Generator().manual_seed(seed)
        features, rounds = self._features(good, seed, device)
        fold_of = folds(len(good), self.folds, seed, good.groups)
        fold_sizes = np.bincount(fold_of)
        to_score = draw_held_out(good, self.held_out, seed)
        tiling = good.reading.tiling

        of_folds = [[self._patches(len(fold_sizes), seed) for _ in fold_sizes] for _ in range(self.scales)]
        kept = Shelf()
        for index, maps in extract(features, good, device=device, progress=progress):
            fold = fold_of[index]
            take = max(LEAST_PER_IMAGE, math.ceil(CANDIDATES * self.coreset / fold_sizes[fold]))
            for of_scale, patches in zip(of_folds, maps, strict=True):
                flat = inside(patches, rim_of(tiling, patches)).flatten(1)  # (D, h * w)
                drawn = torch.randperm(flat.shape[1], generator=generator)[:take]
                if tiling is not None:
                    drawn = torch.cat([of_scale[fold].usual.rare(flat), drawn])
                points = flat.index_select(1, drawn).half().T.to(device)
                of_scale[fold].coreset.add(points)
                of_scale[fold].sample.append(points[-math.ceil(2 * SMALL / len(good)) :].clone())
            if index in to_score:
                kept[index] = [patches.half() for patches in maps]

        present = [fold for fold in range(len(fold_sizes)) if not of_folds[0][fold].coreset.empty]
        check_folds(len(present), len(kept))
        banks: list[Bank] = []
        distances: list[Tensor] = []  # of held-out images, (M, h, w) at each scale
        batches = list(
            _some_of_a_fold(sorted(kept), fold_of, max(1, AT_ONCE // math.prod(features.shapes[0][1:])))
        )
        places = np.array([index for _, some in batches for index in some])
        for scale, of_scale in enumerate(of_folds):
            progress("choosing patches", scale + 1, self.scales)
            everything, *others = self._banks([of_scale[fold] for fold in present], seed, eight_bit=rounds)
            bank_of = dict(zip(present, others, strict=True))
            held_out = [(bank_of[fold], kept, some, scale) for fold, some in batches]
            _set_ratio([everything, *others], held_out)
            # One tensor: small ones that stay among large ones that go would leave the memory in pieces.
            measured = torch.empty(len(kept), *features.shapes[scale][1:], device=device)
            done = 0
            for of_images in in_parallel(_distances, held_out):
                measured[done : done + len(of_images)] = of_images
                done += len(of_images)
                progress("scoring good images out of fold", scale * len(kept) + done, self.scales * len(kept))
            distances.append(measured)
            banks.append(everything)

        standards = [(float(of_scale.mean()), float(of_scale.std())) for of_scale in distances]
        rim = rim_of(tiling, distances[0])
        fitted = FittedAtScales(features, banks, standards, self.smoothing, rim)
        scores, maxima = fitted.score_held_out(distances)
        return Fit(fitted, scores, places, maxima)

    def _features(self, good: ImageSet, seed: int, device: str) -> tuple[FrozenFeatures, bool]:
        """Make patch features; they are in 8 bits, and True is returned, if a trial allows it."""
        features = freeze(
            PatchFeatures,
            good.shape,
            backbone=self.backbone,
            strides=self.strides,
            weights=self.weights,
            scales=self.scales,
            neighbourhood=self.neighbourhood,
        )
        if self.eight_bit and torch.device(device).type == "cpu":
            features = replace(features, engine_name=self.engine)
            sample = few(good, SAMPLE, seed)
            rounded = eight_bit(features, sample, seed=seed) if len(sample) > 1 else None
            if rounded:
                return rounded, True
        return features, False

    def _patches(self, count: int, seed: int) -> _Patches:
        """Make room for the patches of one of some folds, at one scale."""
        generator = torch.Generator().manual_seed(seed)
        size = math.ceil(self.coreset / max(count - 1, 1))  # those of all folds but one fill a bank
        buffer = math.ceil(1.25 * CANDIDATES * self.coreset)
        return _Patches(StreamingCoreset(size, buffer=buffer, generator=generator), [], Usual())

    def _banks(self, of_folds: list[_Patches], seed: int, *, eight_bit: bool) -> list[Bank]:
        """Make the memory bank of the patches of all folds, and then the bank without each of the folds."""
        parts = list(in_parallel(_thinned, of_folds))
        without = [[*parts[:left_out], *parts[left_out + 1 :]] for left_out in range(len(parts))]
        sizes = [len(points) for points, _ in parts]
        refined = min(self.coreset, sum(sizes) - max(sizes)) > 2 * SMALL
        make_bank = partial(self._bank, seed=seed, eight_bit=eight_bit, refined=refined)
        return list(in_parallel(make_bank, [parts, *without]))

    def _bank(self, parts: list[tuple[Tensor, Tensor]], *, seed: int, eight_bit: bool, refined: bool) -> Bank:
        """Make a memory bank of the patches and the samples of some folds."""
        points, sample = (torch.cat(of_folds).float() for of_folds in zip(*parts, strict=True))
        points = cover(points, self.coreset, generator=torch.Generator().manual_seed(seed))
        if not refined:
            return MemoryBank(points, eight_bit=eight_bit)
        large = MemoryBank(points, eight_bit=eight_bit, block=SHARE * BLOCK)
        drawn = torch.randperm(len(sample), generator=torch.Generator().manual_seed(seed))[:SMALL]
        return RefinedBank(MemoryBank(sample[drawn], eight_bit=eight_bit), large, ratio=1.0)


class _Patches(NamedTuple):
    """Patches of one fold at one scale: those that cover all, some that were drawn, and what is usual."""

    coreset: StreamingCoreset
    sample: list[Tensor]
    usual: Usual


def _thinned(patches: _Patches) -> tuple[Tensor, Tensor]:
    """The points of the coreset and of the sample, `(N, D)` each."""
    return patches.coreset.points(), torch.cat(patches.sample)


def _some_of_a_fold(
    images: Sequence[int], fold_of: NDArray[np.int64], most: int
) -> Iterator[tuple[int, list[int]]]:
    """Images in the order of their folds, a few at a time, each time of one fold."""
    for fold, members in groupby(sorted(images, key=lambda index: int(fold_of[index])), fold_of.__getitem__):
        while some := list(islice(members, most)):
            yield int(fold), some


def _set_ratio(banks: Sequence[Bank], held_out: Sequence[_HeldOut]) -> None:
    """Let a held-out image of each fold say how far patches are from a large bank, by the small one."""
    ratios = []
    for fold_bank, kept, (index, *_), scale in {id(one[0]): one for one in held_out}.values():
        if isinstance(fold_bank, RefinedBank):
            patches = kept[index][scale][None].to(fold_bank.large.points.device).float()
            ratios.append(ratio_of(fold_bank.small, fold_bank.large, patches))
    for bank in banks:
        if isinstance(bank, RefinedBank):
            bank.ratio = float(np.mean(ratios))


def _distances(held_out: _HeldOut) -> Tensor:
    """Distances `(N, h, w)` of the patches of N images, `(D, h, w)` each, to a bank."""
    bank, kept, some, scale = held_out
    patches = torch.stack([kept[index][scale] for index in some])
    distances: Tensor = bank(patches.to(next(bank.buffers()).device).float())
    return distances
