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
from knowngood.training.lesson import Lesson
from knowngood.types import Progress

FOLDS = 5
"""Parts into which the images are divided to answer each by a classifier that did not learn from it."""

STRENGTHS = (1.0, 10.0, 100.0)
"""Inverse strengths of the regularisation; the one with the least loss out of fold is taken."""

IMBALANCES = ("auto", "none", "class_weights", "undersampling", "logit_adjustment")

LEAST_DEVIATION = 1e-3
"""Added to standard deviations, so that a constant feature does not divide by zero."""


class Linear(nn.Module):
    """A linear classifier of standardised features.

    Each block of features has the same weight, however many it holds: a feature is divided by its standard
    deviation and by the square root of the size of its block.

    Args:
        mean: `(D,)` of the features learned from.
        scale: `(D,)` what deviations are divided by.
        weight: `(C, D)`.
        bias: `(C,)`.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        for name, tensor in (("mean", mean), ("scale", scale), ("weight", weight), ("bias", bias)):
            self.register_buffer(name, tensor.float())

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(..., C)` of features `(..., D)`."""
        return ((features - self.mean) / self.scale) @ self.weight.T + self.bias


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
        imbalance: One of `IMBALANCES`.
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
) -> tuple[Linear, Lesson]:
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
    return linear, lesson(samples, names, tried[best], linear, teaching, [note])


def lesson(
    samples: Samples,
    names: Sequence[str],
    held_out: NDArray[np.float32],
    head: nn.Module,
    teaching: Teaching,
    notes: Sequence[str],
) -> Lesson:
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
    method, why = choose(teaching.imbalance, np.bincount(samples.numbers, minlength=len(names)))
    return Lesson(
        names=list(names),
        counts=np.bincount(samples.numbers, minlength=len(names)).tolist(),
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


def choose(method: str, counts: NDArray[np.int64]) -> tuple[str, str]:
    """The method for imbalanced kinds, and why.

    Example:
        >>> choose("auto", np.array([30, 3]))[0]
        'class_weights'
    """
    if method != "auto":
        return method, "asked for"
    ratio = counts.max() / max(1, counts.min())
    size = f"the largest kind is {ratio:.1f} times the smallest"
    why = f"{size}, which weights make up for while every image is seen"
    return "class_weights", why


def kept_rows(samples: Samples, method: str, seed: int) -> NDArray[np.int64]:
    """The rows to learn from: all, or with `undersampling` of each kind as many as of the smallest."""
    if method != "undersampling":
        return np.arange(len(samples.numbers))
    rng = np.random.default_rng(seed)
    of_kind = [np.flatnonzero(samples.numbers == number) for number in np.unique(samples.numbers)]
    least = min(map(len, of_kind))
    return np.sort(np.concatenate([rng.permutation(rows)[:least] for rows in of_kind]))


def sample_weights(numbers: NDArray[np.int64], method: str) -> NDArray[np.float64]:
    """The weight of each sample, 1 on average: the same for each kind in all, or the same for each sample."""
    if method != "class_weights":
        return np.ones(len(numbers))
    counts = np.bincount(numbers)
    weights = len(numbers) / ((counts > 0).sum() * np.maximum(counts, 1))
    return np.asarray(weights[numbers], np.float64)


def prior_shift(numbers: NDArray[np.int64], classes: int, method: str) -> NDArray[np.float64]:
    """What is taken from the logits of each kind: with `logit_adjustment` its log share, else nothing.

    Menon et al., "Long-tail learning via logit adjustment", arXiv:2007.07314, section 4.1.
    """
    if method != "logit_adjustment":
        return np.zeros(classes)
    counts = np.bincount(numbers, minlength=classes)
    return np.asarray(np.log(np.maximum(counts, 1) / counts.sum()), np.float64)


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

    method, _ = choose(teaching.imbalance, np.bincount(samples.numbers, minlength=classes))
    samples = chosen(samples, kept_rows(samples, method, teaching.seed))
    rows, numbers = flat(samples, teaching)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + LEAST_DEVIATION
    scale = deviation * np.sqrt(np.repeat(samples.blocks, samples.blocks))
    # Views of an image are not independent samples: together they count as one.
    inverse = strength * len(samples.numbers) / len(rows)
    regression = LogisticRegression(C=inverse, max_iter=300, tol=1e-3)
    regression.fit((rows - mean) / scale, numbers, sample_weight=sample_weights(numbers, method))
    weight, bias = np.zeros((classes, rows.shape[1])), np.full(classes, -30.0)  # a kind that is not there
    known = regression.classes_
    if len(known) == 2:  # one row of weights for the second against the first
        weight[known[1]], bias[known] = regression.coef_[0], (0.0, regression.intercept_[0])
    else:
        weight[known], bias[known] = regression.coef_, regression.intercept_
    bias -= prior_shift(numbers, classes, method)
    return Linear(*map(torch.from_numpy, (mean, scale.astype(np.float32), weight, bias)))


def _balanced_loss(logits: NDArray[np.float32], numbers: NDArray[np.int64], temperature: float) -> float:
    """Cross-entropy with the same weight for each kind."""
    each = losses(logits, numbers, temperature)
    return float(np.mean([each[numbers == number].mean() for number in np.unique(numbers)]))
