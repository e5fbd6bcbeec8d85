"""How well a classifier distinguishes synthetic defects from real ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from knowngood.classifiers.linear import HeadSettings, Samples, fit_linear
from knowngood.data.arguments import Images
from knowngood.data.defect_patches import box_of, masked_defects, read_marked, square_at
from knowngood.data.held import sources_of
from knowngood.data.images import resize, significant_bits
from knowngood.data.splits import folds
from knowngood.data.synthetic import SyntheticDefect
from knowngood.errors import DataError
from knowngood.features.extract import look
from knowngood.features.frozen import freeze
from knowngood.features.pooled import OneView
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.metrics.paired import paired_difference

LEAST = 10
"""Real defects with masks, and synthetic ones of a type, that are needed at least."""

MOST = 500
"""Synthetic defects of a type that are compared at most: the first ones."""

FOLDS = 5
SIDE = 128  # pixels of a crop as the network sees it
STRENGTH = 10.0  # inverse strength of the regularisation

_WIDER = 1.5  # crops are so many times as wide as the median box of a real defect
_SMALLEST = 32  # pixels of the side of a crop, at least


class Crop:
    """A square about a defect, uint8 `(SIDE, SIDE, 3)`, the part that groups it, and all its sources."""

    def __init__(self, pixels: NDArray[np.uint8], group: str, sources: Iterable[str]) -> None:
        self.pixels = pixels
        self.group = group
        self.sources = frozenset(sources)


class Realism:
    """Collects synthetic defects as they pass, to compare them with real ones.

    Args:
        data: A folder or a table with real defects in its train split; their images are shrunk as those of
            the synthetic ones were.
        seed: That of the folds and of the interval.

    Raises:
        DataError: There are fewer than `LEAST` real defects with masks.

    Example::

        realism = Realism("widget.csv")
        knowngood.write_synthetic(realism.watch(knowngood.synthetic("widget.csv")), "drawn/")
        print(realism.figures)
    """

    def __init__(self, data: pd.DataFrame | Images, *, seed: int = 0) -> None:
        self.seed = seed
        self.table = masked_defects(data)
        if len(self.table) < LEAST:
            raise DataError(
                f"the realism of synthetic defects cannot be measured: at least {LEAST} real defects with "
                f"masks in the train split are needed, and there are {len(self.table)}; `knowngood split` "
                "puts some there"
            )
        self.side = 0
        self.real: list[Crop] = []
        self.synthetic: defaultdict[str, list[Crop]] = defaultdict(list)

    def watch(self, defects: Iterable[SyntheticDefect]) -> Iterator[SyntheticDefect]:
        """Hand on synthetic defects, and keep a crop of each."""
        for defect in defects:
            if not self.real:
                self._read_real(max(defect.image.shape[:2]))
            own = self.synthetic[defect.type]
            if len(own) < MOST and defect.mask.any():
                sources = [defect.name, defect.like] if defect.like else [defect.name]
                own.append(Crop(self._crop(defect.image, defect.mask), sources[-1], sources))
            yield defect

    @cached_property
    def figures(self) -> pd.DataFrame:
        """How well each type is distinguished from real defects.

        A logistic regression on the embedded network's features of crops of one size is fitted in five folds,
        each with as much of both classes. What has a source in common with a crop of a fold, be it the good
        image or the real defect that a synthetic one varies, is not learned from for that fold.

        A row for each type: `type`, `synthetic` and `real` (their numbers), `auroc` of the scores out of
        fold, from `low` to `high` (95 %, percentile bootstrap), and `words`. A type with fewer than `LEAST`
        has no figures.
        """
        if not self.real:
            raise DataError("there is no synthetic defect to compare with real ones")
        real = _look(self.real)
        rows: list[list[object]] = []
        for name, crops in self.synthetic.items():
            counts = [name, len(crops), len(self.real)]
            if len(crops) < LEAST:
                words = f"{name}: {len(crops)} synthetic defects are too few; draw at least {LEAST}"
                rows.append([*counts, np.nan, np.nan, np.nan, words])
                continue
            features = np.concatenate([real, _look(crops)])
            is_synthetic = np.arange(len(features)) >= len(self.real)
            scores = _out_of_fold([*self.real, *crops], features, is_synthetic, self.seed)
            # Constant scores have an AUROC of one half.
            found = paired_difference(is_synthetic, scores, np.zeros(len(scores)), seed=self.seed)
            auroc, low, high = (0.5 + value for value in found)
            words = (
                f"{name}: a classifier distinguishes {len(crops)} synthetic defects from {len(self.real)} "
                f"real ones with an AUROC of {auroc:.2f} (95 % interval {low:.2f} to {high:.2f}); 0.5: it "
                "cannot, 1: always"
            )
            rows.append([*counts, auroc, low, high, words])
        return pd.DataFrame(rows, columns=["type", "synthetic", "real", "auroc", "low", "high", "words"])

    def _read_real(self, side: int) -> None:
        """Read the real defects, from images shrunk to `side`, and set the size of crops by them."""
        bits = significant_bits(sources_of(self.table)) or 16
        marked = [read_marked(self.table, row, bits=bits, side=side) for row in range(len(self.table))]
        marked = [one for one in marked if one.mask.any()]
        boxes = [max(box_of(one.mask)[2:]) for one in marked]
        self.side = max(_SMALLEST, round(_WIDER * float(np.median(boxes))))
        self.real = [Crop(self._crop(one.image, one.mask), one.group, [one.name]) for one in marked]

    def _crop(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Cut out a square about the middle of what is marked."""
        return resize(np.ascontiguousarray(image[square_at(mask, self.side)]), (SIDE, SIDE))


def realism(
    defects: Iterable[SyntheticDefect], data: pd.DataFrame | Images, *, seed: int = 0
) -> pd.DataFrame:
    """Measure how well a classifier distinguishes synthetic defects from the real ones of the train split.

    Args:
        defects: What `knowngood.synthetic` draws.
        data: A folder or a table with real defects and their masks.
        seed: That of the folds and of the interval.

    Returns:
        A row for each type; see `Realism.figures`.

    Raises:
        DataError: There are fewer than `LEAST` real defects with masks in the train split.

    Example::

        table = knowngood.split("widget/", defect_share=0.7)
        print(knowngood.realism(knowngood.synthetic(table, count=100), table)[["type", "auroc"]])
    """
    found = Realism(data, seed=seed)
    for _ in found.watch(defects):
        pass
    return found.figures


def _look(crops: list[Crop]) -> NDArray[np.float32]:
    """The features of crops, `(n, D)`."""
    features = freeze(OneView, (SIDE, SIDE), backbone=DEFAULT_BACKBONE)
    return look(features, (crop.pixels for crop in crops))[:, 0]


def _out_of_fold(
    crops: list[Crop], features: NDArray[np.float32], is_synthetic: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """The log odds that each crop is synthetic, by a classifier that has seen none of its sources, `(n,)`."""
    groups, numbers = [crop.group for crop in crops], is_synthetic.astype(np.int64)
    fold_of = folds(len(crops), FOLDS, seed, groups, numbers.tolist())
    settings = HeadSettings("class_weights", "mean", False, seed)
    scores = np.zeros(len(crops))
    for fold in np.unique(fold_of):
        tested = np.flatnonzero(fold_of == fold)
        sources = frozenset().union(*(crops[row].sources for row in tested))
        learned = np.array(
            [row for row in np.flatnonzero(fold_of != fold) if not sources & crops[row].sources], np.int64
        )
        if len(np.unique(numbers[learned])) < 2:
            continue  # all have a source in common: nothing is known of these
        samples = Samples(features[learned][:, None], numbers[learned], [features.shape[1]], None)
        logits = fit_linear(samples, 2, STRENGTH, settings)(torch.from_numpy(features[tested])).numpy()
        scores[tested] = logits[:, 1] - logits[:, 0]
    return scores
