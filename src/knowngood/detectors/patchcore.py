"""PatchCore: a memory bank of patches of good images; a patch that is far from all of them is anomalous."""

# ruff: noqa: ARG002 (no network is trained, so that `run` is not used)

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, check_folds, draw_held_out
from knowngood.engines.engine import DEFAULT_ENGINE, ENGINES
from knowngood.features.coreset import StreamingCoreset, k_center
from knowngood.features.eight_bit import eight_bit
from knowngood.features.extract import extract, few
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.nearest import MemoryBank
from knowngood.features.patches import PatchFeatures, align, smooth
from knowngood.features.shelf import Shelf
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.parallel import in_parallel
from knowngood.recipe import OneOf
from knowngood.settings import BackboneName, Folds, HeldOut, InputSize, Smoothing, Strides, Weights
from knowngood.types import Progress, Scores, silent

if TYPE_CHECKING:
    from knowngood.training.run import Run

CANDIDATES = 10  # patches drawn for each one that is kept, in each fold
SAMPLE = 16  # good images that set the ranges of the 8-bit numbers
LEAST_PER_IMAGE = 32  # patches drawn from each image at each scale, however many images there are


@dataclass(frozen=True, kw_only=True)
class PatchCore(Detector):
    """Memory banks of patch features at several scales.

    Roth et al., "Towards Total Recall in Industrial Anomaly Detection", arXiv:2106.08265. Here patches have
    the grid of the coarsest map, the banks are thinned fold by fold in bounded memory, each scale's distances
    are standardised by those of held-out good images, and the most anomalous scale decides on a patch.

    Example:
        >>> PatchCore(coreset=1000).coreset
        1000
    """

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
    coreset: Annotated[int, Field(ge=1, le=100_000, description="Patches kept at each scale")] = 3000
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

        coresets = [[self._coreset(seed) for _ in fold_sizes] for _ in range(self.scales)]
        kept = Shelf()
        for index, maps in extract(features, good, device=device, progress=progress):
            fold = fold_of[index]
            take = max(LEAST_PER_IMAGE, math.ceil(CANDIDATES * self.coreset / fold_sizes[fold]))
            for of_scale, patches in zip(coresets, maps, strict=True):
                flat = patches.flatten(1)  # (D, h * w)
                drawn = torch.randperm(flat.shape[1], generator=generator)[:take]
                if good.tiles is not None:
                    drawn = torch.cat([_rarest(flat, take // 2), drawn[: -(-take // 2)]])
                of_scale[fold].add(flat.index_select(1, drawn).half().T.to(device))
            if index in to_score:
                kept[index] = [patches.half() for patches in maps]

        present = [fold for fold in range(len(fold_sizes)) if not coresets[0][fold].empty]
        check_folds(len(present), len(kept))
        banks: list[MemoryBank] = []
        distances: list[Tensor] = []  # of held-out images, (M, h, w) at each scale
        for scale, of_scale in enumerate(coresets):
            progress("choosing patches", scale + 1, self.scales)
            parts = list(in_parallel(StreamingCoreset.points, [of_scale[fold] for fold in present]))
            without = [[*parts[:left_out], *parts[left_out + 1 :]] for left_out in range(len(parts))]
            make_bank = partial(self._bank, seed=seed, eight_bit=rounds)
            everything, *others = in_parallel(make_bank, [parts, *without])
            bank_of = dict(zip(present, others, strict=True))
            held_out = [(bank_of[fold_of[index]], kept, index, scale) for index in sorted(kept)]
            # One tensor: small ones that stay among large ones that go would leave the memory in pieces.
            measured = torch.empty(len(kept), *features.shapes[scale][1:], device=device)
            for row, of_image in enumerate(in_parallel(_distances, held_out)):
                measured[row] = of_image
                done = scale * len(kept) + row + 1
                progress("scoring good images out of fold", done, self.scales * len(kept))
            distances.append(measured)
            banks.append(everything)

        standards = [(float(of_scale.mean()), float(of_scale.std())) for of_scale in distances]
        fitted = FittedPatchCore(features, banks, standards, self.smoothing)
        with torch.inference_mode():
            scores = fitted.combine(distances).image
        return Fit(fitted, scores.double().cpu().numpy(), np.array(sorted(kept)))

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

    def _coreset(self, seed: int) -> StreamingCoreset:
        """Make an empty coreset for one fold at one scale."""
        generator = torch.Generator().manual_seed(seed)
        return StreamingCoreset(self.coreset, buffer=2 * CANDIDATES * self.coreset, generator=generator)

    def _bank(self, parts: list[Tensor], *, seed: int, eight_bit: bool) -> MemoryBank:
        """Make a memory bank of a coreset of all points."""
        points = torch.cat(parts).float()
        chosen = k_center(points, self.coreset, generator=torch.Generator().manual_seed(seed))
        return MemoryBank(points[chosen], eight_bit=eight_bit)


def _rarest(patches: Tensor, count: int) -> Tensor:
    """The indices of the patches `(D, n)` of a tile that are farthest from their mean, at most `count`.

    Most tiles of a large picture may show its background alone, and chance would draw little else.
    """
    distances = (patches - patches.mean(dim=1, keepdim=True)).square().sum(dim=0)
    return distances.topk(min(count, len(distances))).indices


def _distances(bank_and_place: tuple[MemoryBank, Shelf, int, int]) -> Tensor:
    """Distances `(h, w)` of one image's patches `(D, h, w)` at a scale to a bank."""
    bank, kept, index, scale = bank_and_place
    distances: Tensor = bank(kept[index][scale][None].to(bank.points.device).float())
    return distances[0]


class FittedPatchCore(FittedOnFeatures):
    """A memory bank per scale, finest first, with mean and standard deviation of good images' distances."""

    def __init__(
        self,
        features: FrozenFeatures,
        banks: list[MemoryBank],
        standards: list[tuple[float, float]],
        smoothing: float,
    ) -> None:
        super().__init__(features)
        self.banks = nn.ModuleList(banks)
        self.standards = standards
        self.smoothing = smoothing

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their patch features, `(N, D, h, w)` for each scale."""
        return self.combine([bank(patches) for bank, patches in zip(self.banks, features, strict=True)])

    def combine(self, distances: Sequence[Tensor]) -> Scores:
        """Score images by their distances to the banks, `(N, h, w)` for each scale."""
        standardised = [
            # Constant images leave no spread to divide by.
            ((of_scale - mean) / max(spread, 1e-6))[:, None]
            for of_scale, (mean, spread) in zip(distances, self.standards, strict=True)
        ]
        combined = torch.cat(align(standardised), dim=1).amax(dim=1)
        smoothed = smooth(combined, self.smoothing)
        return Scores(smoothed.amax(dim=(1, 2)), smoothed)
