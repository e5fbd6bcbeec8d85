"""PatchCore: remember patches of good images; a patch that is far from all of them is a defect."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from knowngood.data.loader import Batches
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedDetector, check_folds
from knowngood.detectors.recipe import check_range, check_strides
from knowngood.errors import RecipeError
from knowngood.features.backbones import DEFAULT as DEFAULT_BACKBONE
from knowngood.features.backbones import load_backbone
from knowngood.features.coreset import StreamingCoreset, k_center
from knowngood.features.extract import extract
from knowngood.features.nearest import MemoryBank
from knowngood.features.patches import PatchFeatures, align, as_points, smooth
from knowngood.types import Progress, Scores, silent

CANDIDATES = 10
"""Patches looked at for each one that is kept, in each fold."""

LEAST_PER_IMAGE = 32
"""Patches of each image and scale that are looked at, however many images there are."""


@dataclass(frozen=True)
class PatchCore(Detector):
    """Memory banks of patch features at several scales.

    Roth et al., "Towards Total Recall in Industrial Anomaly Detection", arXiv:2106.08265. Here the banks are
    thinned fold by fold in bounded memory, each scale's distances are standardised by those of good images
    that were not learned from, and a patch is as anomalous as its most anomalous scale.

    Args:
        backbone: timm's name of the network.
        weights: A local checkpoint of the network; None for the installed or downloaded one.
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        strides: Feature maps to use, by their stride in pixels, finest first.
        scales: Number of scales; each halves the image.
        neighbourhood: Side of the square over which features are averaged, in patches; odd.
        coreset: Patches kept at each scale.
        smoothing: Standard deviation of the Gaussian that blurs the map, in patches of the finest scale.
        folds: Parts into which the good images are divided to score each by the others.
        held_out: The most good images to score out of fold.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> PatchCore(coreset=1000).coreset
        1000
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    input_size: int = 512
    strides: tuple[int, ...] = (8, 16)
    scales: int = 2
    neighbourhood: int = 3
    coreset: int = 3000
    smoothing: float = 1.5
    folds: int = 5
    held_out: int = 400

    def __post_init__(self) -> None:
        check_range(
            self,
            input_size=(64, 4096),
            scales=(1, 4),
            neighbourhood=(1, 15),
            coreset=(1, 100_000),
            smoothing=(0, 10),
            folds=(2, 100),
            held_out=(2, 10_000),
        )
        check_strides(self, self.strides)
        if self.neighbourhood % 2 == 0:
            raise RecipeError(f"PatchCore: neighbourhood={self.neighbourhood} must be odd")

    def fit(self, good: Batches, *, seed: int, device: str, progress: Progress = silent) -> Fit:
        """Learn memory banks from good images; see `Detector.fit`."""
        generator = torch.Generator().manual_seed(seed)
        backbone = load_backbone(self.backbone, strides=self.strides, weights=self.weights)
        features = PatchFeatures(backbone, scales=self.scales, neighbourhood=self.neighbourhood)
        fold_of = folds(len(good), self.folds, seed, good.groups)
        fold_sizes = np.bincount(fold_of)
        chosen = np.random.default_rng(seed).permutation(len(good))[: self.held_out]
        to_score = set(chosen.tolist())

        size = self.coreset
        coresets = [
            [
                StreamingCoreset(math.ceil(size / 2), buffer=2 * CANDIDATES * size, generator=generator)
                for _ in fold_sizes
            ]
            for _ in range(self.scales)
        ]
        kept: dict[int, list[Tensor]] = {}
        stream = extract(features, good, outputs=self.scales, device=device)
        for done, (index, maps) in enumerate(stream, 1):
            fold = fold_of[index]
            take = max(LEAST_PER_IMAGE, math.ceil(CANDIDATES * size / fold_sizes[fold]))
            for scale, patches in enumerate(maps):
                flat = patches.flatten(1)  # (C, h * w)
                drawn = torch.randperm(flat.shape[1], generator=generator)[:take]
                coresets[scale][fold].add(flat[:, drawn].T.to(device))
            if index in to_score:
                kept[index] = [patches.half() for patches in maps]
            progress("looking at good images", done, len(good))

        present = [fold for fold in range(len(fold_sizes)) if not coresets[0][fold].empty]
        check_folds(len(present), len(kept))
        by_fold = {fold: [index for index in sorted(kept) if fold_of[index] == fold] for fold in present}
        banks: list[MemoryBank] = []
        distances: list[Tensor] = []  # of held-out images, (M, h, w) at each scale
        for scale in range(self.scales):
            parts = {fold: coresets[scale][fold].points() for fold in present}
            out_of_fold: list[Tensor] = []
            for fold, indices in by_fold.items():
                bank = _thinned([parts[other] for other in present if other != fold], size, generator)
                for index in indices:
                    out_of_fold.append(_distances_in_parts(bank, kept[index][scale].to(device)))
                    done = scale * len(kept) + len(out_of_fold)
                    progress("scoring good images out of fold", done, self.scales * len(kept))
            distances.append(torch.stack(out_of_fold))
            banks.append(_thinned(list(parts.values()), size, generator))

        standards = [(float(of_scale.mean()), float(of_scale.std())) for of_scale in distances]
        detector = FittedPatchCore(features, banks, standards, self.smoothing).to(device)
        with torch.inference_mode():
            held_out = detector.combine(distances).image
        return Fit(detector, held_out.double().cpu().numpy())


class FittedPatchCore(FittedDetector):
    """Memory banks, one a scale, and how far good patches are from them.

    Args:
        features: Gives the patch features.
        banks: A memory bank for each scale, finest first.
        standards: Mean and standard deviation of good images' distances, for each scale.
        smoothing: Standard deviation of the blur, in patches of the finest scale.
    """

    def __init__(
        self,
        features: PatchFeatures,
        banks: list[MemoryBank],
        standards: list[tuple[float, float]],
        smoothing: float,
    ) -> None:
        super().__init__()
        self.features = features
        self.banks = nn.ModuleList(banks)
        self.standards = standards
        self.smoothing = smoothing

    def forward(self, images: Tensor) -> Scores:
        """Score images; see `FittedDetector.forward`."""
        maps = self.features(images)
        return self.combine(
            [_distances(bank, patches) for bank, patches in zip(self.banks, maps, strict=True)]
        )

    def combine(self, distances: list[Tensor] | tuple[Tensor, ...]) -> Scores:
        """From distances `(N, h, w)` at each scale to scores."""
        standardised = [
            # Constant images leave no spread to divide by.
            ((of_scale - mean) / max(spread, 1e-6))[:, None]
            for of_scale, (mean, spread) in zip(distances, self.standards, strict=True)
        ]
        combined = torch.cat(align(standardised), dim=1).amax(dim=1)
        smoothed = smooth(combined, self.smoothing)
        return Scores(smoothed.amax(dim=(1, 2)), smoothed)


def _distances(bank: nn.Module, patches: Tensor) -> Tensor:
    """Distance of each patch of `(N, C, h, w)` to its nearest in the bank, `(N, h, w)`."""
    count, _, height, width = patches.shape
    distances: Tensor = bank(as_points(patches))
    return distances.view(count, height, width)


def _distances_in_parts(bank: MemoryBank, patches: Tensor) -> Tensor:
    """As `_distances` for one image `(C, h, w)`, in parts that stay in the cache: half the time."""
    rows = torch.split(as_points(patches[None].float()), 1024)
    return torch.cat([bank(part) for part in rows]).view(patches.shape[1:])


def _thinned(parts: list[Tensor], size: int, generator: torch.Generator) -> MemoryBank:
    """A memory bank of the coreset of all points."""
    points = torch.cat(parts)
    return MemoryBank(points[k_center(points, size, generator=generator)])
