"""Detectors and classifiers alike: chosen by name, fitted to what each learns from, and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from knowngood.classifiers import CLASSIFIERS
from knowngood.classifiers.base import Classifier
from knowngood.data.geometry import Geometry
from knowngood.detectors import DETECTORS
from knowngood.detectors.base import Detector
from knowngood.errors import RecipeError, quoted
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import CLASSIFICATION
from knowngood.inspector.train import train
from knowngood.registry import resolve
from knowngood.types import Progress

Method = Detector | Classifier

CLASS_FIGURES = ("class_accuracy", "balanced_accuracy", "macro_precision", "macro_f1")
"""The figures of the classes; the image AUROC is added."""

DETECTION_FIGURES = (
    *("image_auroc", "image_ap", "false_reject_rate", "escape_rate"),
    *("pixel_auroc", "pixel_aupro"),
)
"""The figures of a detector, at the inspector's own threshold."""


def choose(method: str | Method, settings: Mapping[str, Any]) -> Method:
    """Make a recipe from the name of a detector or a classifier, or change one that is given.

    Raises:
        RecipeError: The name or a setting is not known, or a value is out of range.

    Example:
        >>> type(choose("padim", {})).__name__, type(choose("finetune", {})).__name__
        ('Padim', 'FineTune')
    """
    if isinstance(method, Detector) or (isinstance(method, str) and method in DETECTORS):
        return resolve(DETECTORS, method, settings)
    if isinstance(method, str) and method not in CLASSIFIERS:
        raise RecipeError(
            f"method {quoted(method)} is not known; choose a detector ({', '.join(DETECTORS)}) or a "
            f"classifier ({', '.join(CLASSIFIERS)})"
        )
    return resolve(CLASSIFIERS, method, settings)


def check_suits(method: Method, by: str) -> None:
    """Refuse names of classes for a detector, which knows none.

    Raises:
        RecipeError: They were asked for.
    """
    if isinstance(method, Detector) and by != "auto":
        raise RecipeError(
            f"by={by!r} is for classifiers; {type(method).__name__} learns from good images alone"
        )


def learn_from(
    samples: pd.DataFrame,
    method: Method,
    *,
    by: str,
    geometry: Geometry | None,
    seed: int,
    device: str,
    progress: Progress,
) -> Inspector:
    """Fit a detector to the good images of the train split, or train a classifier on all of them."""
    if isinstance(method, Detector):
        return fit(samples, method, geometry=geometry, seed=seed, device=device, progress=progress)
    return train(samples, method, by=by, geometry=geometry, seed=seed, device=device, progress=progress)


def main_figures(evaluation: Evaluation) -> dict[str, float]:
    """The main figures of an evaluation; NaN for one that the data cannot give."""
    metrics = evaluation.metrics
    if evaluation.provenance["task"] != CLASSIFICATION:
        found = {name: metrics[name] for name in DETECTION_FIGURES}
    else:
        found = {name: metrics["classifier"].get(name) for name in CLASS_FIGURES}
        found["image_auroc"] = metrics["image_auroc"]
    return {name: np.nan if value is None else value for name, value in found.items()}
