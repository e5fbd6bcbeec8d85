"""Linear classifiers of features that do not change, with predictions out of fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.classifiers.base import combine_views, make_record
from knowngood.data.splits import folds
from knowngood.metrics.classification import losses
from knowngood.metrics.reliability import fit_temperature
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.imbalance import choose, epoch_rows, log_shares, sample_weights
from knowngood.training.standardise import LEAST_DEVIATION, Standardise
from knowngood.types import Progress

FOLDS = 5
"""Folds of the images; the logits of each come from a classifier that did not learn from it."""

STRENGTHS = (1.0, 10.0, 100.0)
"""Inverse strengths of the regularisation; the one with the smallest loss out of fold is selected."""

_ABSENT = -30.0
"""The logit of a class without images."""


class Linear(nn.Module):
    """A linear classifier of standardised features, with a weight `(C, D)` and a bias `(C,)`."""

    weight: Tensor
    bias: Tensor

    def __init__(self, standardise: Standardise, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.standardise = standardise
        self.register_buffer("weight", weight.float())
        self.register_buffer("bias", bias.float())

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(..., C)` of features `(..., D)`."""
        standard: Tensor = self.standardise(features)
        return standard @ self.weight.T + self.bias


class Samples(NamedTuple):
    """The training set of a classifier: the features of each view of an image, float32 `(n, V, D)`, the class
    of each image, int64 `(n,)`, the number of features in each block, and the group of each image, if known.
    """

    features: NDArray[np.float32]
    numbers: NDArray[np.int64]
    blocks: Sequence[int]
    groups: Sequence[Any] | None

    def subset(self, rows: NDArray[np.int64]) -> Samples:
        """Some of the images."""
        groups = None if self.groups is None else [self.groups[row] for row in rows]
        return Samples(self.features[rows], self.numbers[rows], self.blocks, groups)


class HeadSettings(NamedTuple):
    """How a classifier of frozen features is fitted: with a method of `FIXED_FEATURES`, or `auto`, for
    imbalance, one of `AGREEMENTS` for views, and, if asked for, synthetic features in rare classes.
    """

    imbalance: str
    agreement: str
    synthetic: bool
    seed: int


Learn = Callable[[Samples], nn.Module]
"""Fits a classifier: from features `(..., D)` to logits `(..., C)`."""


def select_linear(
    samples: Samples, names: Sequence[str], settings: HeadSettings, progress: Progress
) -> tuple[Linear, ClassifierRecord]:
    """Fit a logistic regression, its regularisation selected by the balanced loss out of fold."""
    tried: list[NDArray[np.float32]] = []
    for strength in STRENGTHS:

        def learn(part: Samples, strength: float = strength) -> Linear:
            return fit_linear(part, len(names), strength, settings)

        def report(stage: str, done: int, total: int) -> None:
            progress(stage, len(tried) * total + done, len(STRENGTHS) * total)

        tried.append(out_of_fold(samples, len(names), learn, settings, report))
    best = int(np.argmin([_balanced_loss(logits, samples.numbers) for logits in tried]))
    linear = fit_linear(samples, len(names), STRENGTHS[best], settings)
    others = ", ".join(f"{strength:g}" for strength in STRENGTHS)
    note = f"regularisation: C = {STRENGTHS[best]:g} (of {others} it has the least loss out of fold)"
    return linear, record_of_head(samples, names, tried[best], linear, settings, [note])


def record_of_head(
    samples: Samples,
    names: Sequence[str],
    held_out: NDArray[np.float32],
    head: nn.Module,
    settings: HeadSettings,
    notes: Sequence[str],
) -> ClassifierRecord:
    """The record of a classifier of frozen features, from its logits `(n, C)` out of fold."""
    with torch.inference_mode():
        learned = combine_views(head(torch.from_numpy(samples.features)), settings.agreement).numpy()
    counts = np.bincount(samples.numbers, minlength=len(names)).tolist()
    method, why = choose(settings.imbalance, counts, fixed=True)
    return make_record(
        names,
        samples.numbers,
        (held_out, samples.numbers),
        (learned, samples.numbers),
        [f"imbalance: {method} ({why})", *notes],
    )


def out_of_fold(
    samples: Samples, classes: int, learn: Learn, settings: HeadSettings, progress: Progress
) -> NDArray[np.float32]:
    """The logits of each image by a classifier that did not learn from it, `(n, C)`."""
    count = len(samples.numbers)
    fold_of = folds(count, FOLDS, settings.seed, samples.groups, samples.numbers.tolist())
    logits = np.zeros((count, classes), np.float32)
    for done, fold in enumerate(np.unique(fold_of), 1):
        inside, outside = fold_of != fold, fold_of == fold
        head = learn(samples.subset(np.flatnonzero(inside)))
        with torch.inference_mode():
            views = head(torch.from_numpy(samples.features[outside]))
            logits[outside] = combine_views(views, settings.agreement).numpy()
        progress("answering out of fold", done, int(fold_of.max()) + 1)
    return logits


class Balanced(NamedTuple):
    """Training rows after a method for imbalance.

    Attributes:
        rows: Every view of each image that is used, then synthetic samples, float32 `(m, D)`.
        numbers: The class of each, int64 `(m,)`.
        weights: The weight of each, 1 on average `(m,)`.
        shift: Subtracted from the logits of each class afterwards `(C,)`.
        images: The number of images that are used.
    """

    rows: NDArray[np.float32]
    numbers: NDArray[np.int64]
    weights: NDArray[np.float64]
    shift: NDArray[np.float64]
    images: int


def balance(samples: Samples, classes: int, settings: HeadSettings) -> Balanced:
    """Leave out, weigh or shift samples by the method for imbalance.

    With `logit_adjustment` the log share of each class is subtracted from its logits (Menon et al.,
    "Long-tail learning via logit adjustment", arXiv:2007.07314, section 4.1).
    """
    counts = np.bincount(samples.numbers, minlength=classes).tolist()
    method, _ = choose(settings.imbalance, counts, fixed=True)
    rng = np.random.default_rng(settings.seed)
    kept = np.sort(epoch_rows(method, samples.numbers, np.arange(len(samples.numbers)), rng))
    rows, numbers = as_rows(samples.subset(kept), settings)
    shift = np.zeros(classes)
    if method == "logit_adjustment":
        shift = log_shares(np.bincount(numbers, minlength=classes).tolist())
    return Balanced(rows, numbers, sample_weights(method, numbers), shift, len(kept))


def as_rows(samples: Samples, settings: HeadSettings) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Views as samples of their own, `(m, D)`, and their classes; where wanted, synthetic ones follow."""
    views = samples.features.shape[1]
    rows = samples.features.reshape(-1, samples.features.shape[2])
    numbers = np.repeat(samples.numbers, views)
    if not settings.synthetic:
        return rows, numbers
    from knowngood.features.synthetic import synthesise

    parts = np.repeat(np.arange(len(samples.numbers)), views)
    made = synthesise(rows, numbers, seed=settings.seed, groups=parts)
    return np.concatenate([rows, made.features]), np.concatenate([numbers, made.numbers])


def fit_linear(samples: Samples, classes: int, strength: float, settings: HeadSettings) -> Linear:
    """A logistic regression of the samples.

    Each block of features has the same weight, however many it holds: a feature is divided by its standard
    deviation and by the square root of the size of its block.
    """
    from sklearn.linear_model import LogisticRegression

    rows, numbers, weights, shift, images = balance(samples, classes, settings)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + LEAST_DEVIATION
    scale = deviation * np.sqrt(np.repeat(samples.blocks, samples.blocks))
    # Views of an image are not independent samples: together they count as one.
    inverse = strength * images / len(rows)
    regression = LogisticRegression(C=inverse, max_iter=300, tol=1e-3)
    regression.fit((rows - mean) / scale, numbers, sample_weight=weights)
    weight, bias = np.zeros((classes, rows.shape[1])), np.full(classes, _ABSENT)
    known = regression.classes_
    if len(known) == 2:  # one row of weights for the second against the first
        weight[known[1]], bias[known] = regression.coef_[0], (0.0, regression.intercept_[0])
    else:
        weight[known], bias[known] = regression.coef_, regression.intercept_
    standardise = Standardise(torch.from_numpy(mean), torch.from_numpy(scale))
    return Linear(standardise, torch.from_numpy(weight), torch.from_numpy(bias - shift))


def _balanced_loss(logits: NDArray[np.float32], numbers: NDArray[np.int64]) -> float:
    """Calibrated cross-entropy with the same weight for each class."""
    each = losses(logits, numbers, fit_temperature(logits, numbers))
    return float(np.mean([each[numbers == number].mean() for number in np.unique(numbers)]))
