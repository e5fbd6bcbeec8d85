"""Scattering and boosting: fixed wavelets and gradient-boosted trees."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.classifiers.frozen import FittedOnViews, OnFrozen, describe_images, fit_with_sheet
from knowngood.classifiers.linear import Samples, balance, out_of_fold, record_of_head
from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit
from knowngood.engines.export import blank, to_onnx
from knowngood.engines.simplify import simplify
from knowngood.features.frozen import OUTPUT, FrozenFeatures
from knowngood.features.scattering import Scattering
from knowngood.features.trees import Forest, boost
from knowngood.features.views import Symmetries, seen_from
from knowngood.training.run import Run
from knowngood.types import Progress, silent

BOOSTER = "xgboost.json"
"""The trees in the inspector file, as XGBoost writes them; `xgboost.Booster` loads them."""


@dataclass(frozen=True, kw_only=True)
class ScatteringBoost(OnFrozen):
    """Gradient-boosted trees on scattering coefficients.

    Bruna and Mallat, "Invariant Scattering Convolution Networks", arXiv:1203.1513; Chen and Guestrin,
    "XGBoost: A Scalable Tree Boosting System", arXiv:1603.02754. No pretrained network takes part.

    Example:
        >>> ScatteringBoost(rounds=50).scales
        3
    """

    scales: Annotated[
        int, Field(ge=1, le=5, description="Number of wavelet scales; the largest are 2**scales pixels wide")
    ] = 3
    angles: Annotated[int, Field(ge=2, le=16, description="Number of wavelet directions")] = 8
    rounds: Annotated[
        int, Field(ge=1, le=1000, description="Boosting rounds, each with a tree per class")
    ] = 100
    depth: Annotated[int, Field(ge=1, le=8, description="Depth of each tree")] = 4
    learning_rate: Annotated[
        float, Field(ge=1e-3, le=1, description="Factor by which each tree's output is multiplied")
    ] = 0.1

    def fit(
        self, images: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Learn the trees; see `Classifier.fit`."""
        del run  # nothing is trained
        views = Symmetries(self.orientation, images.shape)
        make = partial(_Coefficients, images.shape, self.scales, self.angles)
        graph = simplify(to_onnx(make(), {"images": blank(images.shape)}, [f"{OUTPUT}0"]))
        one = FrozenFeatures(graph, make)
        features = seen_from(one, views, images.shape)
        samples, index = describe_images(
            features,
            lambda arrays: arrays[0].copy(),
            images,
            [one.shapes[0][0]],
            device=device,
            progress=progress,
        )
        settings, classes = self.head_settings(seed), len(images.names)

        def learn(part: Samples) -> _Trees:
            rows, numbers, weights, shift, _ = balance(part, classes, settings)
            trees = boost(
                rows,
                numbers,
                classes,
                weights=weights.astype(np.float32),
                rounds=self.rounds,
                depth=self.depth,
                learning_rate=self.learning_rate,
            )
            return _Trees(trees, shift)

        held_out = out_of_fold(samples, classes, learn, settings, progress)
        trees = learn(samples)
        note = f"{self.rounds} rounds of boosting, trees of depth {self.depth}"
        record = record_of_head(samples, images.names, held_out, trees, settings, [note])
        record = replace(record, files={BOOSTER: trees.content})
        fitted = FittedOnViews(features, trees, record.temperature, self.agreement)
        return fit_with_sheet(fitted, record, images, index, views)


class _Coefficients(nn.Module):
    """Scattering coefficients as one output of several."""

    def __init__(self, shape: tuple[int, int], scales: int, angles: int) -> None:
        super().__init__()
        self.scattering = Scattering(shape, scales=scales, angles=angles)
        self.count = 2 * len(self.scattering.paths)  # means and maxima

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Coefficients `(N, D)` of images `(N, H, W, 3)`."""
        # The exporter does not see how many there are.
        return (self.scattering(images).reshape(-1, self.count),)


class _Trees(nn.Module):
    """Trees in XGBoost's JSON, and a shift `(C,)` that is subtracted from their logits."""

    shift: Tensor

    def __init__(self, content: bytes, shift: NDArray[np.float64]) -> None:
        super().__init__()
        self.content = content
        self.forest = Forest.from_json(content)
        self.register_buffer("shift", torch.from_numpy(shift).float())

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(..., C)` of coefficients `(..., D)`."""
        rows = features.reshape(-1, int(features.shape[-1]))
        logits: Tensor = self.forest(rows) - self.shift
        return logits.reshape(*features.shape[:-1], int(logits.shape[-1]))
