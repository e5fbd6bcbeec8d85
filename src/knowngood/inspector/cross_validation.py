"""Stratified cross-validation: the evaluation of a method where images are too few to hold some out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.geometry import Geometry
from knowngood.data.held import Labels, Masks
from knowngood.data.labelled import classes_by
from knowngood.data.samples import Samples, load_samples
from knowngood.data.splits import SPLIT_MADE, folds
from knowngood.detectors.base import Detector
from knowngood.errors import DataError, RecipeError
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.methods import Method, check_suits, choose, learn_from, main_figures
from knowngood.notebook import followed
from knowngood.types import Progress, with_title


@dataclass(frozen=True)
class CrossValidation:
    """The evaluations of each fold's inspector on the images of that fold.

    `scores` has one row per image, as in `Evaluation.scores`, with its `fold`; `folds` one row per fold with
    `fold`, `images`, and the values of `figures`.
    """

    scores: pd.DataFrame
    folds: pd.DataFrame
    evaluations: list[Evaluation]

    def __repr__(self) -> str:
        found = self.figures.set_index("figure").loc["image_auroc"]
        images = f"{len(self.folds)} folds, {len(self.scores)} images"
        return f"CrossValidation({images}, image_auroc {found['mean']:.4f} ± {found['sd']:.4f})"

    def _repr_html_(self) -> str:
        return str(self.figures.to_html(index=False, float_format="{:.4f}".format))

    @property
    def figures(self) -> pd.DataFrame:
        """Mean and standard deviation of each figure over the folds: `figure`, `mean`, `sd`."""
        table = self.folds.drop(columns=["fold", "images"])
        return pd.DataFrame(
            {"figure": table.columns, "mean": table.mean().to_numpy(), "sd": table.std().to_numpy()}
        )


def cross_validate(
    data: Samples,
    method: str | Method = "anomaly_features",
    *,
    labels: Labels | None = None,
    masks: Masks | None = None,
    count: int = 5,
    by: str = "auto",
    geometry: Geometry | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
    **settings: Any,
) -> CrossValidation:
    """Divide images into folds, and evaluate on each the inspector that learned from the others.

    Each class is spread over the folds as evenly as can be, and images of a group stay together. Where the
    data name a train split, its images are learned from in every fold, and those of the test split are
    divided.

    `method` is the name of a classifier or of a detector, or a recipe. A detector learns from the good images
    of the other folds alone, and its threshold is set there too, so that false rejects and escapes are those
    of the inspector that `knowngood.fit` makes. `count` is the number of folds (a keyword `folds` is the
    setting of a detector, which divides its training images once more). Fold k is learned with the
    seed plus k; the other arguments are those of `knowngood.train`.

    Raises:
        DataError: A class has fewer images than there are folds, or the data cannot be learned from.
        RecipeError: The method or a setting is not known, there are fewer than two folds, or `by` comes with
            a detector.

    Example::

        cross_validate("widget/", "linear_probe").figures
        cross_validate(photographs, "patchcore", labels=labels, coreset=1000).figures
    """
    if count < 2:
        raise RecipeError(f"folds={count}: at least 2 are needed")
    progress = followed(progress)
    recipe = choose(method, settings)
    check_suits(recipe, by)
    detects = isinstance(recipe, Detector)
    table = load_samples(data, labels=labels, masks=masks)
    always = (table["split"] == "train") & (not table.attrs.get(SPLIT_MADE))
    divided = table[~always].reset_index(drop=True)
    if by == "auto":  # the same in every fold, wherever a defect without a type may be
        untyped = (table["label"] == "defect") & (table["defect"] == "")
        by = "label" if untyped.any() else "type"
    classes = classes_by(divided, by)
    groups = divided["group"].tolist() if "group" in divided else None
    checked = divided["label"].to_numpy(dtype=np.str_) if detects else classes
    _check_classes(checked, groups or divided["path"].tolist(), count, by_type=not detects)
    fold_of = folds(len(divided), count, seed, groups, classes.tolist())
    evaluations, scores, rows = [], [], []
    for fold in range(count):
        split = np.where(fold_of == fold, "test", "train")
        samples = pd.concat([table[always], divided.assign(split=split)], ignore_index=True)
        samples.attrs.clear()  # this split is given
        titled = with_title(progress, f"fold {fold + 1} of {count}")
        inspector = learn_from(
            samples, recipe, by=by, geometry=geometry, seed=seed + fold, device=device, progress=titled
        )
        evaluation = evaluate(inspector, samples, progress=titled)
        evaluations.append(evaluation)
        scores.append(evaluation.scores.assign(fold=fold))
        rows.append({"fold": fold, "images": len(evaluation.scores)} | main_figures(evaluation))
    return CrossValidation(pd.concat(scores, ignore_index=True), pd.DataFrame(rows), evaluations)


def _check_classes(classes: NDArray[np.str_], parts: Sequence[Any], count: int, *, by_type: bool) -> None:
    """Refuse a class that would be missing from a fold; images of a group are one part."""
    other = ", or tell good parts from defects alone (by=label)" if by_type else ""
    images = pd.Series(parts).groupby(classes).nunique()
    for name, number in images[images < count].items():
        fewer = f"take at most {number} folds, " if number > 1 else ""
        raise DataError(
            f"{name!r} has {number} image(s), too few for {count} folds: it would be missing from a test; "
            f"{fewer}add images{other}"
        )
