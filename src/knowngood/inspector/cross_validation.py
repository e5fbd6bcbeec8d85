"""Stratified cross-validation: the evaluation of a classifier where images are too few to hold some out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.classifiers.base import Classifier
from knowngood.data.labelled import classes_by
from knowngood.data.samples import load_samples
from knowngood.data.splits import SPLIT_MADE, folds
from knowngood.errors import DataError, RecipeError
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.train import train
from knowngood.types import Progress, silent

FIGURES = ("class_accuracy", "balanced_accuracy", "macro_precision", "macro_f1")
"""The figures of the classes in each fold; the image AUROC is added."""


@dataclass(frozen=True)
class CrossValidation:
    """The evaluations of each fold's classifier on the images of that fold.

    `scores` has one row per image, as in `Evaluation.scores`, with its `fold`; `folds` one row per fold with
    `fold`, `images`, and the values of `figures`.
    """

    scores: pd.DataFrame
    folds: pd.DataFrame
    evaluations: list[Evaluation]

    @property
    def figures(self) -> pd.DataFrame:
        """Mean and standard deviation of each figure over the folds: `figure`, `mean`, `sd`."""
        table = self.folds.drop(columns=["fold", "images"])
        return pd.DataFrame(
            {"figure": table.columns, "mean": table.mean().to_numpy(), "sd": table.std().to_numpy()}
        )


def cross_validate(
    data: str | Path | pd.DataFrame,
    classifier: str | Classifier = "anomaly_features",
    *,
    count: int = 5,
    by: str = "auto",
    seed: int = 0,
    device: str = "auto",
    progress: Progress = silent,
) -> CrossValidation:
    """Divide images into folds, and evaluate on each the inspector that learned from the others.

    Each class is spread over the folds as evenly as can be, and images of a group stay together. Where the
    data name a train split, its images are learned from in every fold, and those of the test split are
    divided.

    `count` is the number of folds. Fold k is learned with the seed plus k; the other arguments are those of
    `knowngood.train`.

    Raises:
        DataError: A class has fewer images than there are folds, or the data cannot be learned from.
        RecipeError: The classifier or a setting is not known, or there are fewer than two folds.

    Example::

        cross_validate("widget/", "linear_probe").figures
    """
    if count < 2:
        raise RecipeError(f"folds={count}: at least 2 are needed")
    table = load_samples(data)
    always = (table["split"] == "train") & (not table.attrs.get(SPLIT_MADE))
    divided = table[~always].reset_index(drop=True)
    if by == "auto":  # the same in every fold, wherever a defect without a type may be
        untyped = (table["label"] == "defect") & (table["defect"] == "")
        by = "label" if untyped.any() else "type"
    classes = classes_by(divided, by)
    groups = divided["group"].tolist() if "group" in divided else None
    _check_classes(classes, groups or divided["path"].tolist(), count)
    fold_of = folds(len(divided), count, seed, groups, classes.tolist())
    evaluations, scores, rows = [], [], []
    for fold in range(count):
        split = np.where(fold_of == fold, "test", "train")
        samples = pd.concat([table[always], divided.assign(split=split)], ignore_index=True)
        samples.attrs.clear()  # this split is given
        titled = with_title(progress, f"fold {fold + 1} of {count}")
        inspector = train(samples, classifier, by=by, seed=seed + fold, device=device, progress=titled)
        evaluation = evaluate(inspector, samples, progress=titled)
        evaluations.append(evaluation)
        scores.append(evaluation.scores.assign(fold=fold))
        rows.append({"fold": fold, "images": len(evaluation.scores)} | fold_figures(evaluation))
    return CrossValidation(pd.concat(scores, ignore_index=True), pd.DataFrame(rows), evaluations)


def fold_figures(evaluation: Evaluation) -> dict[str, Any]:
    """The main figures of a classifier's evaluation; NaN for one that the data cannot give."""
    of_classes, auroc = evaluation.metrics["classifier"], evaluation.metrics["image_auroc"]
    figures = {name: of_classes.get(name, np.nan) for name in FIGURES}
    return figures | {"image_auroc": np.nan if auroc is None else auroc}


def with_title(progress: Progress, title: str) -> Progress:
    """Put a title before each stage that is reported."""
    return lambda stage, done, total: progress(f"{title}: {stage}", done, total)


def _check_classes(classes: NDArray[np.str_], parts: Sequence[Any], count: int) -> None:
    """Refuse a class that would be missing from a fold; images of a group are one part."""
    images = pd.Series(parts).groupby(classes).nunique()
    for name, number in images[images < count].items():
        fewer = f"take at most {number} folds, " if number > 1 else ""
        raise DataError(
            f"{name!r} has {number} image(s), too few for {count} folds: it would be missing from a test; "
            f"{fewer}add images, or tell good parts from defects alone (by=label)"
        )
