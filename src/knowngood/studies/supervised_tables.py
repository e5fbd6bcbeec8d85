"""The figures of classifiers of good parts and defects: of one run, and their means over the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.classification import balanced_accuracy, confusion_matrix
from knowngood.metrics.ranking import auroc
from knowngood.report.supervised_slides import DOCUMENT
from knowngood.training.classifier_record import held_out_scores

FIGURES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "image_auroc")
"""The figures of good or defective, whatever types there are."""

HELD_OUT, HELD_OUT_CLASSES = "held_out_auroc", "held_out_classes"
"""The image AUROC, and the balanced accuracy over the classes, of held-out training images."""


def binary_figures(evaluation: Evaluation) -> dict[str, float]:
    """Return `FIGURES` of the inspector's decisions; a defect is the positive class."""
    confusion = evaluation.metrics["confusion"]
    caught, missed = confusion["true_reject"], confusion["escape"]
    passed, alarms = confusion["true_accept"], confusion["false_reject"]
    recall = caught / (caught + missed)
    return {
        "accuracy": (caught + passed) / (caught + missed + passed + alarms),
        "balanced_accuracy": (recall + passed / (passed + alarms)) / 2,
        "precision": caught / max(1, caught + alarms),
        "recall": recall,
        "f1": 2 * caught / (2 * caught + alarms + missed),
        "image_auroc": evaluation.metrics["image_auroc"],
    }


def held_out_figures(inspector: Inspector) -> dict[str, float]:
    """Return `HELD_OUT` and `HELD_OUT_CLASSES` of an inspector, which take no test image."""
    record = inspector.classifier
    matrix = confusion_matrix(record.truth, record.logits.argmax(axis=1), len(record.names))
    return {
        HELD_OUT: float(auroc(record.truth > 0, held_out_scores(record))),
        HELD_OUT_CLASSES: balanced_accuracy(matrix),
    }


def summary(runs: pd.DataFrame, by: str) -> pd.DataFrame:
    """Average the figures of each method over its runs, with deviations as `<figure>_sd`; best first."""
    grouped = runs.drop(columns="part").groupby("method", sort=False)
    table = grouped.mean().join(grouped.std().add_suffix("_sd")).assign(runs=grouped.size())
    return table.sort_values(by, ascending=False, kind="stable").reset_index()


def figure_rows(means: pd.DataFrame, task: str, document: Mapping[str, float]) -> pd.DataFrame:
    """List the figures of a `summary`, those of the method chosen beside the document's."""
    rows = []
    for place, row in enumerate(means.to_dict("records")):
        method, known = (row["method"], {}) if place else (f"{row['method']} (chosen)", document)
        rows += [
            (task, f"{method}: {name}", row[name], row[f"{name}_sd"], known.get(name, np.nan))
            for name in means.columns
            if f"{name}_sd" in means.columns
        ]
    return pd.DataFrame(rows, columns=["task", "figure", "value", "sd", "document"])


def for_slides(means: pd.DataFrame, figures: Sequence[str], document: Mapping[str, float]) -> pd.DataFrame:
    """Select figures of a `summary`, and add a row of the document's, if it has any."""
    shown = means[["method", *figures, *(f"{figure}_sd" for figure in figures)]].copy()
    shown.loc[0, "method"] = f"{shown['method'].iloc[0]} (chosen)"
    if not document:
        return shown
    row = {"method": DOCUMENT, **{figure: document.get(figure, np.nan) for figure in figures}}
    return pd.concat([shown, pd.DataFrame([row])], ignore_index=True)


def detector_figures(evaluation: Evaluation) -> dict[str, float]:
    """Return the figures of a detector, at the threshold that held-out good images gave."""
    metrics = evaluation.metrics
    names = ("image_auroc", "pixel_auroc", "false_reject_rate", "escape_rate", "threshold")
    return {name: np.nan if metrics[name] is None else float(metrics[name]) for name in names}
