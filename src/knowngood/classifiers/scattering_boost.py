"""Scattering and boosting: wavelets that are not learned, and gradient-boosted trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.classifiers.base import Fit, check_left
from knowngood.classifiers.frozen import FittedOnViews, OnFrozen, concluded, described
from knowngood.classifiers.linear import (
    Samples,
    choose,
    chosen,
    flat,
    kept_rows,
    lesson,
    out_of_fold,
    prior_shift,
    sample_weights,
)
from knowngood.data.labelled import Labelled
from knowngood.data.loader import Batches
from knowngood.engines.export import blank, to_onnx
from knowngood.engines.simplify import simplify
from knowngood.features.frozen import OUTPUT, FrozenFeatures
from knowngood.features.scattering import Scattering
from knowngood.features.trees import Forest, boost
from knowngood.features.views import Symmetries, seen_from
from knowngood.recipe import check_range
from knowngood.training.run import Run
from knowngood.types import Progress, silent

BOOSTER = "xgboost.json"
"""The trees in the inspector file, as XGBoost writes them; `xgboost.Booster` loads them."""


@dataclass(frozen=True)
class ScatteringBoost(OnFrozen):
    """Scattering coefficients, classified by gradient-boosted trees.

    Bruna and Mallat, "Invariant Scattering Convolution Networks", arXiv:1203.1513; Chen and Guestrin,
    "XGBoost: A Scalable Tree Boosting System", arXiv:1603.02754. Nothing comes from a pretrained network. The
    trees are kept in the inspector as XGBoost writes them, beside the graph.

    Args:
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        orientation: How the product may lie: `fixed`, `mirrored`, `quarter` or `any`; in all these ways
            images are looked at, for learning and for judging.
        agreement: How the answers to these views become one: `mean` probability or majority `vote`.
        imbalance: `auto`, `none`, `class_weights`, `undersampling` or `logit_adjustment`.
        synthetic: Fill up kinds with few images with made coefficients, of which the plausible ones are kept.
        scales: The largest wavelets are 2 to this power pixels wide.
        angles: Directions of the wavelets.
        rounds: Rounds of boosting; in each a tree for each kind.
        depth: Questions a tree asks, one after another.
        learning_rate: Share of each tree's answer that is added.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> ScatteringBoost(rounds=50).scales
        3
    """

    input_size: int = 256
    scales: int = 3
    angles: int = 8
    rounds: int = 100
    depth: int = 4
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(
            self, scales=(1, 5), angles=(2, 16), rounds=(1, 1000), depth=(1, 8), learning_rate=(1e-3, 1.0)
        )

    def fit(
        self,
        images: Batches,
        taught: Labelled,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,  # noqa: ARG002  # no network is trained
    ) -> Fit:
        """Learn the trees; see `Classifier.fit`."""
        views = Symmetries(self.orientation, images.shape)
        module = _Coefficients(Scattering(images.shape, scales=self.scales, angles=self.angles))
        graph = simplify(to_onnx(module, {"images": blank(images.shape)}, [f"{OUTPUT}0"]))
        one = FrozenFeatures(graph, lambda: module)
        features = seen_from(one, views, images.shape)
        samples = described(
            features,
            lambda arrays: arrays[0].copy(),
            images,
            taught,
            [one.shapes[0][0]],
            device=device,
            progress=progress,
        )
        check_left(samples.numbers.tolist(), taught.names, samples.groups)
        teaching, classes = self.teaching(seed), len(taught.names)

        def learn(part: Samples) -> _Trees:
            method, _ = choose(self.imbalance, np.bincount(part.numbers, minlength=classes))
            part = chosen(part, kept_rows(part, method, seed))
            rows, numbers = flat(part, teaching)
            trees = boost(
                rows,
                numbers,
                classes,
                weights=sample_weights(numbers, method).astype(np.float32),
                rounds=self.rounds,
                depth=self.depth,
                learning_rate=self.learning_rate,
                seed=seed,
            )
            return _Trees(trees, prior_shift(numbers, classes, method))

        held_out = out_of_fold(samples, classes, learn, teaching, progress)
        trees = learn(samples)
        note = f"{self.rounds} rounds of boosting, trees of depth {self.depth}"
        learned = lesson(samples, taught.names, held_out, trees, teaching, [note])
        learned = replace(learned, files={BOOSTER: trees.content})
        fitted = FittedScatteringBoost(features, trees, learned.temperature, self.agreement)
        return concluded(fitted, learned, images, taught, views)


class _Coefficients(nn.Module):
    """Scattering coefficients as one output of several."""

    def __init__(self, scattering: Scattering) -> None:
        super().__init__()
        self.scattering = scattering
        self.count = 2 * len(scattering.paths)  # means and maxima

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Coefficients `(N, D)` of images `(N, H, W, 3)`."""
        # The exporter does not see how many there are.
        return (self.scattering(images).reshape(-1, self.count),)


class _Trees(nn.Module):
    """Trees, and what is taken from their answers for kinds that are frequent.

    Args:
        content: The trees, as XGBoost's JSON.
        shift: What is taken from the logits of each kind `(C,)`.
    """

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


class FittedScatteringBoost(FittedOnViews):
    """Boosted trees of scattering coefficients.

    Args:
        features: Gives the coefficients of all views.
        trees: Classify them.
        temperature: Logits are divided by it.
        agreement: How views become one answer.
    """

    def __init__(self, features: FrozenFeatures, trees: _Trees, temperature: float, agreement: str) -> None:
        super().__init__(features, temperature, agreement)
        self.trees = trees

    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, None]:
        """See `FittedOnViews.describe`."""
        return features[0], self.trees(features[0]), None
