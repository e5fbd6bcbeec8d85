"""What studies of classifiers measure, and the tables of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from knowngood.classifiers.base import held_out_scores
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.classification import balanced_accuracy, confusion_matrix
from knowngood.metrics.ranking import auroc
from knowngood.report.supervised_slides import DOCUMENT

FIGURES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "image_auroc")
"""What is measured of good parts and defects, whatever types there are."""

HELD_OUT = "held_out_auroc"
"""How well a method ranks training images that it held out."""


def good_or_defect(evaluation: Evaluation) -> dict[str, float]:
    """`FIGURES`, with the decisions of the inspector; a defect is the positive class."""
    counted = evaluation.metrics["confusion"]
    caught, missed = counted["true_reject"], counted["escape"]
    passed, alarms = counted["true_accept"], counted["false_reject"]
    recall, precision = caught / (caught + missed), caught / max(1, caught + alarms)
    return {
        "accuracy": (caught + passed) / (caught + missed + passed + alarms),
        "balanced_accuracy": (recall + passed / (passed + alarms)) / 2,
        "precision": precision,
        "recall": recall,
        "f1": 2 * caught / (2 * caught + alarms + missed),
        "image_auroc": evaluation.metrics["image_auroc"],
    }


def of_types(evaluation: Evaluation) -> dict[str, float]:
    """How well kinds are told apart, with the decisions of the inspector."""
    told = evaluation.metrics["classifier"]
    return {"class_accuracy": told["class_accuracy"], "macro_f1": told["macro_f1"]}


def held_out(inspector: Inspector) -> dict[str, float]:
    """What held-out training images say of a method, without any test image."""
    record = inspector.classifier
    scores, defect = held_out_scores(record), record.truth > 0
    matrix = confusion_matrix(record.truth, record.logits.argmax(axis=1), len(record.names))
    return {
        HELD_OUT: float(auroc(defect, scores)),
        "held_out_classes": balanced_accuracy(matrix),
    }


def summary(runs: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean and standard deviation of each figure over the runs, one row per method, the best first.

    Args:
        runs: One row per run: `method`, `part`, and the figures.
        by: The figure of held-out images that methods are ordered, and the first one chosen, by.
    """
    grouped = runs.drop(columns="part").groupby("method", sort=False)
    mean, sd = grouped.mean(), grouped.std().add_suffix("_sd")
    table = mean.join(sd).assign(runs=grouped.size()).sort_values(by, ascending=False, kind="stable")
    return table.reset_index()


def figure_rows(table: pd.DataFrame, task: str, document: Mapping[str, float]) -> pd.DataFrame:
    """The summary as the command line shows it: `task`, `figure`, `value`, `sd`, `document`.

    Args:
        table: As `summary` gives it; the first row is the method chosen.
        task: Names the study.
        document: The document's figures by name.
    """
    rows = []
    for place, row in enumerate(table.to_dict("records")):
        for figure in [name for name in table.columns if f"{name}_sd" in table.columns]:
            chosen = " (chosen)" if place == 0 else ""
            known = document.get(figure, np.nan) if place == 0 else np.nan
            rows.append(
                {
                    "task": task,
                    "figure": f"{row['method']}{chosen}: {figure}",
                    "value": row[figure],
                    "sd": row[f"{figure}_sd"],
                    "document": known,
                }
            )
    return pd.DataFrame(rows)


def for_slides(table: pd.DataFrame, figures: Sequence[str], document: Mapping[str, float]) -> pd.DataFrame:
    """Some figures of the summary, the method chosen first and called so, the document's last.

    Args:
        table: As `summary` gives it.
        figures: Their names, the main one first.
        document: The document's figures by name; empty for none that can be compared.
    """
    spreads = [f"{figure}_sd" for figure in figures]
    shown = table[["method", *figures, *spreads]].copy()
    shown.loc[0, "method"] = f"{shown['method'].iloc[0]} (chosen)"
    if not document:
        return shown
    row = {"method": DOCUMENT, **{figure: document.get(figure, np.nan) for figure in figures}}
    return pd.concat([shown, pd.DataFrame([row])], ignore_index=True)
