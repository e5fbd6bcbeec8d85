"""Stratified cross-validation: how good a classifier is, where there are too few images to put some aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.classifiers import Classifier
from knowngood.data.labelled import classes_by
from knowngood.data.samples import check_samples, load_samples
from knowngood.data.splits import SPLIT_MADE, folds
from knowngood.errors import DataError, RecipeError
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.train import train
from knowngood.types import Progress, silent

FIGURES = ("class_accuracy", "balanced_accuracy", "macro_precision", "macro_f1")
"""What is told of the kinds in each fold; beside these the image AUROC."""


@dataclass(frozen=True)
class CrossValidation:
    """What classifiers say of images that they did not learn from, each image once.

    Args:
        scores: One row an image, as in `Evaluation.scores`, with its `fold`.
        folds: The figures of each fold, a row each: `fold`, `images` and those of `figures`.
        evaluations: The evaluation of each fold.
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
    """Divide images into folds, and let each be judged by an inspector that learned from the others.

    Each kind is spread over the folds as evenly as can be, and images of a group stay together. Where the
    data name a train split, its images are learned from in every fold, and those of the test split take
    turns.

    Args:
        data: A folder or a table, as `knowngood.data.samples.load_samples` takes it, or the table itself.
        classifier: A name in `knowngood.classifiers.CLASSIFIERS`, or a recipe.
        count: Number of folds.
        by: See `knowngood.inspector.train.train`.
        seed: Divides the images; fold k is learned with the seed plus k.
        device: `auto`, `cpu`, `cuda` or another torch device.
        progress: Called during long work.

    Raises:
        DataError: A kind has fewer images than there are folds, or the data cannot be learned from.
        RecipeError: The classifier or a setting is not known, or there are fewer than two folds.

    Example::

        found = cross_validate("widget/", "linear_probe")
        print(found.figures)
    """
    if count < 2:
        raise RecipeError(f"folds={count}: at least 2 are needed")
    table = check_samples(data) if isinstance(data, pd.DataFrame) else load_samples(data)
    always = pd.Series(False, index=table.index)
    if not table.attrs.get(SPLIT_MADE):
        always = table["split"] == "train"
    turns = table[~always].reset_index(drop=True)
    if by == "auto":  # the same in every fold, wherever a defect without a type may be
        untyped = (table["label"] == "defect") & (table["defect"] == "")
        by = "label" if untyped.any() else "type"
    kinds = classes_by(turns, by)
    groups = turns["group"].tolist() if "group" in turns else None
    _check_kinds(kinds, groups or turns["path"].tolist(), count)
    fold_of = folds(len(turns), count, seed, groups, kinds.tolist())
    evaluations, scores, rows = [], [], []
    for fold in range(count):
        split = np.where(fold_of == fold, "test", "train")
        part = pd.concat([table[always], turns.assign(split=split)], ignore_index=True)
        part.attrs.clear()  # this split is given

        def told(stage: str, done: int, total: int, fold: int = fold) -> None:
            progress(f"fold {fold + 1} of {count}: {stage}", done, total)

        inspector = train(part, classifier, by=by, seed=seed + fold, device=device, progress=told)
        evaluation = evaluate(inspector, part, progress=told)
        evaluations.append(evaluation)
        scores.append(evaluation.scores.assign(fold=fold))
        rows.append({"fold": fold, "images": len(evaluation.scores)} | fold_figures(evaluation))
    return CrossValidation(pd.concat(scores, ignore_index=True), pd.DataFrame(rows), evaluations)


def fold_figures(evaluation: Evaluation) -> dict[str, Any]:
    """The main figures of a classifier's evaluation; NaN for one that the data cannot give."""
    told = evaluation.metrics["classifier"]
    found = {name: told.get(name, np.nan) for name in FIGURES}
    auroc = evaluation.metrics["image_auroc"]
    return found | {"image_auroc": np.nan if auroc is None else auroc}


def _check_kinds(kinds: NDArray[np.str_], parts: Sequence[Any], count: int) -> None:
    """Refuse a kind that would be missing from a fold; images of a group are one part."""
    for kind in np.unique(kinds):
        images = len({part for part, own in zip(parts, kinds, strict=True) if own == kind})
        if images < count:
            fewer = f"take at most {images} folds, " if images > 1 else ""
            raise DataError(
                f"{str(kind)!r} has {images} image(s), too few for {count} folds: it would be missing from a "
                f"test; {fewer}add images, or tell good parts from defects alone (by=label)"
            )
