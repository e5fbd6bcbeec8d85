"""Experiments as a table: what was changed, and the resulting figures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.classifiers import CLASSIFIERS
from knowngood.classifiers.base import Classifier
from knowngood.data.geometry import Geometry
from knowngood.data.held import Labels, Masks
from knowngood.data.labelled import with_defects_to_learn
from knowngood.data.samples import Samples, load_samples
from knowngood.detectors import DETECTORS
from knowngood.errors import RecipeError, quoted
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.learn import checked_device
from knowngood.inspector.methods import Method, check_suits, learn_from, main_figures
from knowngood.metrics.classification import losses
from knowngood.notebook import followed
from knowngood.recipe import read_settings
from knowngood.registry import Registry
from knowngood.types import Progress, with_title

ORIGINAL = "original"
_KEYS = ("classifier", "detector", "settings", "experiments")


@dataclass(frozen=True)
class Experiment:
    """A method to fit: its name in the registry, and the settings that differ from its defaults.

    The name of the experiment is `original` or its number; `change` is the difference from the original.
    """

    name: str
    method: str
    settings: dict[str, Any]
    change: str
    recipe: Method


def read_grid(grid: str | Path | Mapping[str, Any]) -> list[Experiment]:
    """Read and check the experiments of a grid, the original one first.

    A grid is a YAML file, or its content: `classifier` or `detector`, its `settings`, and `experiments`, a
    list of the settings that each one changes. An experiment may name another `classifier` or `detector`,
    which then starts from its own defaults.

    Raises:
        RecipeError: The file or a setting cannot be understood.

    Example:
        >>> grid = read_grid({"classifier": "finetune", "experiments": [{"epochs": 200}]})
        >>> [(experiment.name, experiment.change) for experiment in grid]
        [('original', ''), ('1', 'epochs=10 → 200')]
    """
    values = dict(grid) if isinstance(grid, Mapping) else read_settings(Path(grid))
    name = "the grid" if isinstance(grid, Mapping) else repr(str(grid))
    unknown = [key for key in values if key not in _KEYS]
    if unknown:
        raise RecipeError(f"{name} has {quoted(unknown[0])}; it may have {', '.join(_KEYS)}")
    if "classifier" in values and "detector" in values:
        raise RecipeError(f"{name} has a classifier and a detector; it compares methods of one of the two")
    registry: Registry[Method] = DETECTORS if "detector" in values else CLASSIFIERS
    what = registry.what
    method, settings = values.get(what, registry.default), values.get("settings") or {}
    changes = values.get("experiments") or []
    if (
        not isinstance(settings, dict)
        or not isinstance(changes, list)
        or not all(isinstance(change, dict) and change for change in changes)
    ):
        raise RecipeError(
            f"{name}: settings must be names and values, and experiments a list of such, as in "
            "`experiments: [{epochs: 200}, {batch_size: 8}]`"
        )
    if not {"classifier", "detector"} & values.keys() and any("detector" in change for change in changes):
        raise RecipeError(
            f"{name} names detectors in its experiments alone; name the one to start from beside them, as in "
            "`detector: patchcore`, or say `classifier: anomaly_features` to change the detector that it has"
        )
    original = registry.make(method, settings)
    experiments = [Experiment(ORIGINAL, method, dict(settings), "", original)]
    for number, change in enumerate(changes, 1):
        changed = dict(change)
        other = changed.pop(what, method)
        if other == method:
            recipe = registry.make(method, combined := {**settings, **changed})
            words = [f"{key}={getattr(original, key)} → {getattr(recipe, key)}" for key in changed]
        else:
            recipe = registry.make(other, combined := changed)
            words = [f"{key}={getattr(recipe, key)}" for key in changed]
            words.insert(0, f"{what}={method} → {other}")
        experiments.append(Experiment(str(number), other, combined, ", ".join(words), recipe))
    return experiments


def compare(
    data: Samples,
    grid: str | Path | Mapping[str, Any],
    *,
    labels: Labels | None = None,
    masks: Masks | None = None,
    by: str = "auto",
    geometry: Geometry | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train and evaluate each experiment of a grid (see `read_grid`) on the same images with the same seed.

    Choose by the validation figures, which come from held-out training images: the test figures report what
    was chosen, and who chooses by them has no test any more. Detectors learn from good images alone and have
    no validation figures: whoever chooses among them needs other images to test the chosen one. The other
    arguments are those of `knowngood.train`.

    Returns:
        One row per experiment: `experiment`, `change`, of classifiers loss and accuracy of `train_` and
        `validation_` images, the figures of `test_` images at the inspector's threshold, and `seconds`.

    Example::

        compare("widget/", {"classifier": "finetune", "experiments": [{"batch_size": 8}]})
        compare("widget/", {"detector": "patchcore", "experiments": [{"coreset": 500}]})
    """
    progress = followed(progress)
    experiments = read_grid(grid)
    check_suits(experiments[0].recipe, by)
    for experiment in experiments:  # before the first takes its time
        checked_device(experiment.recipe, seed=seed, device=device, run=None, geometry=geometry)
    table = load_samples(data, labels=labels, masks=masks)
    if isinstance(experiments[0].recipe, Classifier):
        table = with_defects_to_learn(table)
    rows = []
    for experiment in experiments:
        title = f"experiment {experiment.name}" if experiment.change else ORIGINAL
        titled = with_title(progress, title)
        start = time.perf_counter()
        inspector = learn_from(
            table, experiment.recipe, by=by, geometry=geometry, seed=seed, device=device, progress=titled
        )
        seconds = time.perf_counter() - start
        figures = experiment_figures(inspector, evaluate(inspector, table, progress=titled))
        rows.append(
            {"experiment": experiment.name, "change": experiment.change, **figures, "seconds": seconds}
        )
    return pd.DataFrame(rows)


def experiment_figures(inspector: Inspector, evaluation: Evaluation) -> dict[str, float]:
    """The figures of `test_` images; of a classifier also those of `train_` and `validation_` images."""
    of_test = {f"test_{name}": value for name, value in main_figures(evaluation).items()}
    record = inspector.records.classifier
    if record is None:
        return of_test
    return {
        "train_loss": record.train_loss,
        "train_accuracy": record.train_accuracy,
        "validation_loss": float(losses(record.logits, record.truth).mean()),
        "validation_accuracy": record.held_out_accuracy,
        **of_test,
    }
