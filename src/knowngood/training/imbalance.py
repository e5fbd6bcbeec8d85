"""Learning from classes of unequal size: how often images are drawn, and how much each counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.errors import RecipeError

AUTO = "auto"
"""Chooses a method by the sizes of the classes; see `choose`."""

WHEN: dict[str, str] = {
    "none": "Classes of about equal size, or a baseline for comparisons.",
    "class_weights": "A mild imbalance: every image is used once per pass, and an error costs more where "
    "the class is rare.",
    "weighted_sampler": "A strong imbalance and few images: all classes are drawn equally often, in passes "
    "as short as without it.",
    "oversampling": "As weighted_sampler, where every image must be used in each pass, and longer passes "
    "do not matter.",
    "undersampling": "A majority of thousands beside a minority of hundreds: short passes over equal classes "
    "that draw other images of the majority each time.",
    "focal": "Many easy images that dominate the hard ones; the sizes of classes are ignored, and confidence "
    "can be too low.",
    "logit_adjustment": "Many classes with a long tail of rare ones, where each class shall count the same: "
    "every image is used once per pass, and the loss allows for the rarity of its class.",
    "deferred_reweighting": "A long tail where weights or sampling from the start overfit the rare classes: "
    "features are learned first, and weights only refine them.",
}
"""When to use each method."""

METHODS = tuple(WHEN)

FIXED_FEATURES = ("none", "class_weights", "undersampling", "logit_adjustment")
"""The methods for features that are not trained: there, repeating an image is the same as weighting it."""

EQUAL, MILD, TAIL = 1.5, 5.0, 20.0
"""Ratios of the largest to the smallest class: below the first, classes count as equally large; below the
second, the smaller of two is in almost every batch of 32, where its weight counts; above the third, more than
two have a long tail."""

MANY, ENOUGH = 5000, 200
"""A majority of so many images can be undersampled, if a minority of so many is left to learn from."""

BETA = 0.9999
"""Of Cui et al.: about 1 / (1 - beta) images show all that there is to a class."""


class Choice(NamedTuple):
    """A method, and in a sentence why it was chosen."""

    method: str
    why: str


def choose(method: str, counts: Sequence[int], *, fixed: bool = False) -> Choice:
    """Choose a method by the sizes of the classes, unless one is asked for.

    The limits are ours; the evidence for each method is published:

    - `class_weights` for features that are not trained: a regularised linear classifier keeps to its weights.
    - `none` below a ratio of 1.5 between the largest and the smallest class: the cost of imbalance grows with
      it, and a little costs next to nothing (Buda, Maki and Mazurowski, "A systematic study of the class
      imbalance problem in convolutional neural networks", arXiv:1710.05381).
    - `class_weights` up to 5. With larger weights few images decide a step, and in networks that fit their
      images weights lose their effect (Byrd and Lipton, "What is the Effect of Importance Weighting in Deep
      Learning?", arXiv:1812.03372).
    - `logit_adjustment` for more than two classes and above 20: it is consistent for the balanced error
      (Menon et al., arXiv:2007.07314), and repeats no image of the tail.
    - `undersampling` for a majority of thousands: the rarest class gains (Chaudhuri et al., "Why does
      Throwing Away Data Improve Worst-Group Error?", arXiv:2205.11672), and unlike weights it keeps its
      effect (Byrd and Lipton).
    - `weighted_sampler` otherwise: drawing rare classes more often was best in almost all of Buda, Maki and
      Mazurowski's comparisons, and did not make networks overfit.

    Args:
        method: One of `METHODS` (of `FIXED_FEATURES`, where features are fixed), or `auto`.
        counts: Number of images of each class; classes without any are ignored.
        fixed: Whether a classifier of fixed features is fitted, not a network.

    Raises:
        RecipeError: The method is not known.

    Example:
        >>> choose("auto", [40, 400]).why
        'the largest class is 10.0 times the smallest (400 and 40 images), so each is drawn equally often'
        >>> choose("auto", [40, 400], fixed=True).method
        'class_weights'
    """
    if method != AUTO:
        _check(method, (AUTO, *(FIXED_FEATURES if fixed else METHODS)))
        return Choice(method, "asked for")
    present = [count for count in counts if count]
    if len(present) < 2:
        return Choice("none", "fewer than two classes have images")
    least, most = min(present), max(present)
    ratio = most / least
    sizes = f"the largest class is {ratio:.1f} times the smallest ({most} and {least} images)"
    if ratio < EQUAL and not fixed:
        return Choice("none", f"{sizes}, which is about equal")
    if ratio < MILD or fixed:
        return Choice("class_weights", f"{sizes}, which weights balance while every image is used")
    if len(present) > 2 and ratio > TAIL:
        return Choice("logit_adjustment", f"{sizes}, a tail too long to repeat its few images")
    if most >= MANY and least >= ENOUGH:
        return Choice("undersampling", f"{sizes}, and the smallest has enough for passes over equal classes")
    return Choice("weighted_sampler", f"{sizes}, so each is drawn equally often")


def sample_weights(method: str, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The weight of each sample `(n,)`, 1 on average: with `class_weights` all classes have the same in all.

    Example:
        >>> sample_weights("class_weights", np.array([0, 0, 0, 2])).round(3)
        array([0.667, 0.667, 0.667, 2.   ])
    """
    # Imported here: training a network does not need it.
    from sklearn.utils.class_weight import compute_sample_weight

    weights = compute_sample_weight("balanced" if method == "class_weights" else None, labels)
    return np.asarray(weights, np.float64)


def log_shares(counts: Sequence[int]) -> NDArray[np.float64]:
    """The logarithm of each class's share of the samples `(C,)`; an empty class counts as one sample.

    Example:
        >>> np.exp(log_shares([30, 10])).round(2)
        array([0.75, 0.25])
    """
    sizes = np.maximum(np.asarray(counts), 1)
    return np.asarray(np.log(sizes / sizes.sum()), np.float64)


def epoch_rows(
    method: str, labels: NDArray[np.int64], rows: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the rows of one pass, shuffled.

    `weighted_sampler` draws as many rows as there are, with replacement, each class being equally likely;
    `oversampling` takes every row, and those of smaller classes again until all are as large as the largest,
    each as often as the others but for one; `undersampling` takes as many of each class as the smallest has;
    all others take every row once.

    Args:
        method: One of `METHODS`.
        labels: The class of each sample `(n,)`.
        rows: Rows of the samples to learn from `(m,)`.
        rng: Draws them.

    Example:
        >>> labels = np.array([0, 0, 0, 1])
        >>> labels[epoch_rows("oversampling", labels, np.arange(4), np.random.default_rng(0))].mean()
        np.float64(0.5)
    """
    _check(method)
    _, which, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    if method == "weighted_sampler" and len(rows):
        return rng.choice(rows, len(rows), p=1 / (len(counts) * counts[which]))
    if method in ("oversampling", "undersampling") and len(rows):
        size = counts.max() if method == "oversampling" else counts.min()
        own = [rng.permutation(rows[which == number]) for number in range(len(counts))]
        rows = np.concatenate([np.resize(some, size) for some in own])
    return rng.permutation(rows)


class ClassLoss(nn.Module):
    """Cross-entropy that balances classes of unequal size, in float32 at any precision.

    - `class_weights`: each image weighs `total / (C * n)`, with n the size of its class; a batch's loss is
      the weighted mean (King and Zeng, "Logistic Regression in Rare Events Data",
      DOI 10.1093/oxfordjournals.pan.a004868).
    - `focal`: an image whose class has the probability p weighs `(1 - p) ** 2`, without weights for classes
      (Lin et al., "Focal Loss for Dense Object Detection", arXiv:1708.02002).
    - `logit_adjustment`: the logarithm of its share is added to each class's logit, in training only (Menon
      et al., "Long-tail learning via logit adjustment", arXiv:2007.07314).
    - `deferred_reweighting`: plain at first, then with weights (Cao et al., "Learning Imbalanced Datasets
      with Label-Distribution-Aware Margin Loss", arXiv:1906.07413), which are one over the effective number
      `(1 - beta ** n) / (1 - beta)` of images (Cui et al., "Class-Balanced Loss Based on Effective Number of
      Samples", arXiv:1901.05555).
    - All others: plain cross-entropy.

    Args:
        method: One of `METHODS`.
        counts: Number of images of each of the C classes; a class without any counts as if it had one.
        label_smoothing: Share of each target that is spread over all classes.

    Raises:
        RecipeError: The method is not known.

    Example:
        >>> ClassLoss("class_weights", [30, 10]).weights
        tensor([0.6667, 2.0000])
    """

    weights: Tensor
    log_share: Tensor

    def __init__(self, method: str, counts: Sequence[int], label_smoothing: float = 0.0) -> None:
        super().__init__()
        _check(method)
        self.method = method
        self.label_smoothing = label_smoothing
        sizes = torch.tensor(list(counts), dtype=torch.float64).clamp(min=1)
        self.register_buffer("weights", _weights(method, sizes).float())
        self.register_buffer("log_share", torch.from_numpy(log_shares(counts)).float())

    def forward(self, logits: Tensor, labels: Tensor, late: bool = False) -> Tensor:
        """The loss of logits `(N, C)` and labels `(N,)`; `deferred_reweighting` weighs classes if `late`."""
        logits = logits.float()
        if self.method == "logit_adjustment" and self.training:
            logits = logits + self.log_share
        each = F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.label_smoothing)
        if self.method == "focal":
            log_probability = logits.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
            return (torch.expm1(log_probability) ** 2 * each).mean()
        if self.method == "class_weights" or (self.method == "deferred_reweighting" and late):
            weights = self.weights[labels]
            return (weights * each).sum() / weights.sum()
        return each.mean()


def _weights(method: str, sizes: Tensor) -> Tensor:
    """The weight of an image of each class `(C,)`, from the sizes of the classes `(C,)` in float64."""
    if method == "class_weights":
        return sizes.sum() / (len(sizes) * sizes)
    if method == "deferred_reweighting":
        weights = (1 - BETA) / (1 - BETA**sizes)
        return weights * len(sizes) / weights.sum()
    return torch.ones_like(sizes)


def _check(method: str, known: Sequence[str] = METHODS) -> None:
    """Refuse a method that is not known."""
    if method not in known:
        raise RecipeError(f"method={method!r} must be one of {', '.join(known)}")
