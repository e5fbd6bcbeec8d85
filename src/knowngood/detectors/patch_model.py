"""The base of detectors that model the patches of good images: one model of patch features at each scale."""

# ruff: noqa: ARG002 (no network is trained, so that `run` is not used)

from __future__ import annotations

import math
from abc import abstractmethod
from functools import partial
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.at_scales import FittedAtScales, inside, rim_of
from knowngood.detectors.base import Detector, Fit, check_folds, draw_held_out
from knowngood.features.extract import extract
from knowngood.features.frozen import freeze
from knowngood.features.patches import PatchFeatures
from knowngood.features.shelf import Shelf
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.parallel import in_parallel, without_remarks
from knowngood.settings import BackboneName, Folds, HeldOut, InputSize, Smoothing, Strides, Weights
from knowngood.training.run import Run
from knowngood.types import Progress, silent

NEIGHBOURHOOD = 3  # side of the square over which features are averaged, in features of each map
PATCHES = 30_000  # drawn at each scale from all images together, to fit a model to
COVERING = 4000  # of these, for models to which what is rare but good must matter as much as what is frequent


@dataclass(frozen=True, kw_only=True)
class PatchModel(Detector):
    """A recipe whose model gives a distance to each patch; scales are combined as in `patchcore`."""

    augments: ClassVar[bool] = True
    finest_grid: ClassVar[bool] = False  # whether patches have the grid of the finest map, or of the coarsest

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 448
    strides: Strides = (8, 16)
    scales: Annotated[
        int, Field(ge=1, le=4, description="Number of scales; each has half the resolution of the one before")
    ] = 2
    smoothing: Annotated[Smoothing, Field(ge=0, le=10)] = 0.75
    folds: Folds = 5
    held_out: HeldOut = 400

    @abstractmethod
    def fit_patches(self, patches: Tensor, *, seed: int) -> nn.Module:
        """Fit to patches of good images `(N, C)`: from maps `(N, C, h, w)` to distances `(N, h, w)`."""

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Fit a model at each scale to patches of all images; score images by models of the other folds."""
        features = freeze(
            PatchFeatures,
            good.shape,
            backbone=self.backbone,
            strides=self.strides,
            weights=self.weights,
            spacing=self.strides[0 if self.finest_grid else -1],
            scales=self.scales,
            neighbourhood=NEIGHBOURHOOD,
        )
        fold_of = folds(len(good), self.folds, seed, good.groups)
        to_score = draw_held_out(good, self.held_out, seed)
        generator = torch.Generator().manual_seed(seed)
        take = math.ceil(PATCHES / len(good))
        tiling = good.reading.tiling
        drawn: dict[int, list[list[Tensor]]] = {}  # of each fold, at each scale, of each image
        kept = Shelf()
        for index, maps in extract(features, good, device=device, progress=progress):
            of_fold = drawn.setdefault(int(fold_of[index]), [[] for _ in maps])
            for of_scale, patches in zip(of_fold, maps, strict=True):
                flat = inside(patches, rim_of(tiling, patches)).flatten(1)  # (C, h * w)
                some = torch.randperm(flat.shape[1], generator=generator)[:take]
                of_scale.append(flat.index_select(1, some).T.contiguous())
            if index in to_score:
                kept[index] = [patches.half() for patches in maps]
        check_folds(len(drawn), len(kept))

        # In the order of their folds, so that neighbours in the list have one model.
        order = sorted(kept, key=lambda index: (fold_of[index], index))
        models: list[nn.Module] = []
        distances: list[Tensor] = []  # of held-out images, (M, h, w) at each scale
        for scale in range(self.scales):
            progress("fitting to patches", scale + 1, self.scales)
            everything, others = self._models(drawn, scale, seed)
            held_out = [(others[int(fold_of[index])], kept, index, scale) for index in order]
            measured = torch.empty(len(order), *features.shapes[scale][1:])
            for place, of_image in enumerate(in_parallel(_distances, held_out)):
                measured[place] = of_image
                done = scale * len(order) + place + 1
                progress("scoring good images out of fold", done, self.scales * len(order))
            distances.append(measured)
            models.append(everything)

        standards = [(float(of_scale.mean()), float(of_scale.std())) for of_scale in distances]
        rim = rim_of(tiling, distances[0])
        fitted = FittedAtScales(features, models, standards, self.smoothing, rim)
        scores, maxima = fitted.score_held_out(distances)
        return Fit(fitted.to(device), scores, np.array(order), maxima)

    def _models(
        self, drawn: dict[int, list[list[Tensor]]], scale: int, seed: int
    ) -> tuple[nn.Module, dict[int, nn.Module]]:
        """The model of all patches at a scale, and for each fold that of the patches of the others."""
        parts = {fold: torch.cat(drawn[fold][scale]) for fold in sorted(drawn)}
        without = [
            torch.cat([patches for other, patches in parts.items() if other != fold]) for fold in parts
        ]
        fit_patches = partial(self.fit_patches, seed=seed)
        # A mixture or a dictionary is good enough before it has converged, which scikit-learn would remark.
        with without_remarks("sklearn"):
            everything, *others = in_parallel(fit_patches, [torch.cat(list(parts.values())), *without])
        return everything, dict(zip(parts, others, strict=True))


def _distances(held_out: tuple[nn.Module, Shelf, int, int]) -> Tensor:
    """Distances `(h, w)` of the patches of an image, which are on the shelf, by a model of one scale."""
    model, kept, index, scale = held_out
    distances: Tensor = model(kept[index][scale][None].float())[0]
    return distances
