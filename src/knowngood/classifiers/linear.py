"""Linear classifiers of features that do not change: learned in seconds, one optimum, answers out of fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.classifiers.base import agreed
from knowngood.data.splits import folds
from knowngood.metrics.classification import losses
from knowngood.metrics.reliability import fit_temperature
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.imbalance import choose, epoch_rows, log_shares, sample_weights
from knowngood.training.standardise import LEAST_DEVIATION, Standardise
from knowngood.types import Progress

FOLDS = 5
"""Parts into which the images are divided to answer each by a classifier that did not learn from it."""

STRENGTHS = (1.0, 10.0, 100.0)
"""Inverse strengths of the regularisation; the one with the least loss out of fold is taken."""


class Linear(nn.Module):
    """A linear classifier of standardised features.

    Each block of features has the same weight, however many it holds: a feature is divided by its standard
    deviation and by the square root of the size of its block.

    Args:
        standardise: Standardises features `(..., D)`.
        weight: `(C, D)`.
        bias: `(C,)`.
    """

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
    """What a linear classifier learns from.

    Attributes:
        features: Of each view of an image, float32 `(n, V, D)`.
        numbers: The kind of each image, int64 `(n,)`.
        blocks: The number of features in each block, D in all.
        groups: The group of each image; None where every image is a part by itself.
    """

    features: NDArray[np.float32]
    numbers: NDArray[np.int64]
    blocks: Sequence[int]
    groups: Sequence[Any] | None


class Teaching(NamedTuple):
    """How a classifier of frozen features is taught.

    Attributes:
        imbalance: `auto` or one of `knowngood.training.imbalance.FIXED_FEATURES`.
        agreement: How the answers to views become one.
        synthetic: Whether rare kinds are filled up with made samples, of which the plausible ones are kept.
        seed: Draws folds, samples and starts.
    """

    imbalance: str
    agreement: str
    synthetic: bool
    seed: int


def teach_linear(
    samples: Samples, names: Sequence[str], teaching: Teaching, progress: Progress
) -> tuple[Linear, ClassifierRecord]:
    """Learn a linear classifier by logistic regression, its regularisation chosen out of fold."""
    classes = len(names)

    def learner(strength: float) -> Callable[[Samples], Linear]:
        return lambda part: fit_linear(part, classes, strength, teaching)

    def progress_of(number: int) -> Progress:
        return lambda stage, done, total: progress(stage, number * total + done, len(STRENGTHS) * total)

    tried = {
        strength: out_of_fold(samples, classes, learner(strength), teaching, progress_of(number))
        for number, strength in enumerate(STRENGTHS)
    }
    loss = {
        strength: _balanced_loss(logits, samples.numbers, fit_temperature(logits, samples.numbers))
        for strength, logits in tried.items()
    }
    best = min(STRENGTHS, key=lambda strength: loss[strength])
    linear = learner(best)(samples)
    others = ", ".join(f"{strength:g}" for strength in STRENGTHS)
    note = f"regularisation: C = {best:g} (of {others} it has the least loss out of fold)"
    return linear, make_record(samples, names, tried[best], linear, teaching, [note])


def make_record(
    samples: Samples,
    names: Sequence[str],
    held_out: NDArray[np.float32],
    head: nn.Module,
    teaching: Teaching,
    notes: Sequence[str],
) -> ClassifierRecord:
    """What is kept of learning from frozen features.

    Args:
        samples: What was learned from.
        names: The kinds.
        held_out: Logits `(n, C)`, each out of fold.
        head: The final classifier.
        teaching: How it was taught.
        notes: What was chosen by itself, beside the imbalance.
    """
    with torch.inference_mode():
        said = agreed(head(torch.from_numpy(samples.features)), teaching.agreement).numpy()
    temperature = fit_temperature(held_out, samples.numbers, doubt=1 / (2 + len(held_out)))
    counts = np.bincount(samples.numbers, minlength=len(names)).tolist()
    method, why = choose(teaching.imbalance, counts, fixed=True)
    return ClassifierRecord(
        names=list(names),
        counts=counts,
        logits=held_out.astype(np.float32),
        truth=samples.numbers,
        temperature=temperature,
        train_loss=float(losses(said, samples.numbers).mean()),
        train_accuracy=float((said.argmax(axis=1) == samples.numbers).mean()),
        notes=[f"imbalance: {method} ({why})", *notes],
    )


def out_of_fold(
    samples: Samples,
    classes: int,
    learn: Callable[[Samples], nn.Module],
    teaching: Teaching,
    progress: Progress,
) -> NDArray[np.float32]:
    """The answer to each image by a classifier that did not learn from it, logits `(n, C)`."""
    count = len(samples.numbers)
    fold_of = folds(count, FOLDS, teaching.seed, samples.groups, samples.numbers.tolist())
    answers = np.zeros((count, classes), np.float32)
    for done, fold in enumerate(np.unique(fold_of), 1):
        inside, outside = fold_of != fold, fold_of == fold
        head = learn(chosen(samples, np.flatnonzero(inside)))
        with torch.inference_mode():
            views = head(torch.from_numpy(samples.features[outside]))
            answers[outside] = agreed(views, teaching.agreement).numpy()
        progress("answering out of fold", done, int(fold_of.max()) + 1)
    return answers


def chosen(samples: Samples, rows: NDArray[np.int64]) -> Samples:
    """Some of the samples."""
    groups = None if samples.groups is None else [samples.groups[row] for row in rows]
    return Samples(samples.features[rows], samples.numbers[rows], samples.blocks, groups)


class Balanced(NamedTuple):
    """What makes up for kinds of unequal size, and the samples as rows of their own.

    Attributes:
        rows: Every view of each image that is learned from, and made samples behind them, float32 `(m, D)`.
        numbers: The kind of each, int64 `(m,)`.
        weights: The weight of each, 1 on average `(m,)`.
        shift: What is taken from the logits of each kind afterwards `(C,)`.
        images: How many images there are.
    """

    rows: NDArray[np.float32]
    numbers: NDArray[np.int64]
    weights: NDArray[np.float64]
    shift: NDArray[np.float64]
    images: int


def balance(samples: Samples, classes: int, teaching: Teaching) -> Balanced:
    """Leave out, weigh or shift, as the method for imbalance says.

    With `logit_adjustment` the log share of each kind is taken from its logits (Menon et al., "Long-tail
    learning via logit adjustment", arXiv:2007.07314, section 4.1).
    """
    counts = np.bincount(samples.numbers, minlength=classes).tolist()
    method, _ = choose(teaching.imbalance, counts, fixed=True)
    rng = np.random.default_rng(teaching.seed)
    kept = np.sort(epoch_rows(method, samples.numbers, np.arange(len(samples.numbers)), rng))
    rows, numbers = flat(chosen(samples, kept), teaching)
    shift = np.zeros(classes)
    if method == "logit_adjustment":
        shift = log_shares(np.bincount(numbers, minlength=classes).tolist())
    return Balanced(rows, numbers, sample_weights(method, numbers), shift, len(kept))


def flat(samples: Samples, teaching: Teaching) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Views as samples of their own, `(m, D)`, with the kind of each; made ones behind them where wanted."""
    views = samples.features.shape[1]
    rows = samples.features.reshape(-1, samples.features.shape[2])
    numbers = np.repeat(samples.numbers, views)
    if not teaching.synthetic:
        return rows, numbers
    from knowngood.features.synthetic import synthesise

    parts = np.repeat(np.arange(len(samples.numbers)), views)
    made = synthesise(rows, numbers, seed=teaching.seed, groups=parts)
    return np.concatenate([rows, made.features]), np.concatenate([numbers, made.numbers])


def fit_linear(samples: Samples, classes: int, strength: float, teaching: Teaching) -> Linear:
    """A logistic regression of the samples."""
    from sklearn.linear_model import LogisticRegression

    rows, numbers, weights, shift, images = balance(samples, classes, teaching)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + LEAST_DEVIATION
    scale = deviation * np.sqrt(np.repeat(samples.blocks, samples.blocks))
    # Views of an image are not independent samples: together they count as one.
    inverse = strength * images / len(rows)
    regression = LogisticRegression(C=inverse, max_iter=300, tol=1e-3)
    regression.fit((rows - mean) / scale, numbers, sample_weight=weights)
    weight, bias = np.zeros((classes, rows.shape[1])), np.full(classes, -30.0)  # a kind that is not there
    known = regression.classes_
    if len(known) == 2:  # one row of weights for the second against the first
        weight[known[1]], bias[known] = regression.coef_[0], (0.0, regression.intercept_[0])
    else:
        weight[known], bias[known] = regression.coef_, regression.intercept_
    bias -= shift
    standardise = Standardise(torch.from_numpy(mean), torch.from_numpy(scale))
    return Linear(standardise, torch.from_numpy(weight), torch.from_numpy(bias))


def _balanced_loss(logits: NDArray[np.float32], numbers: NDArray[np.int64], temperature: float) -> float:
    """Cross-entropy with the same weight for each kind."""
    each = losses(logits, numbers, temperature)
    return float(np.mean([each[numbers == number].mean() for number in np.unique(numbers)]))
