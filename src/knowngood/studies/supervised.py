"""What the studies of classifiers have in common: several methods, several seeds or folds, one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.classifiers import Classifier
from knowngood.data.expectations import expectations
from knowngood.data.images import read_resized
from knowngood.data.kinds import kind_of_each
from knowngood.data.samples import fingerprint
from knowngood.errors import DataError, InspectorError
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.train import held_out_scores, train
from knowngood.metrics.classification import balanced_accuracy, confusion_matrix
from knowngood.metrics.ranking import auroc
from knowngood.output import make_folder, replacing
from knowngood.report.supervised_slides import DOCUMENT
from knowngood.training.run import Run
from knowngood.types import Progress

FIGURES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "image_auroc")
"""What is told of good parts and defects, whatever types there are."""

HELD_OUT = "held_out_auroc"
"""What a method is chosen by: how well it ranks images that it was taught with and did not learn from."""

PICTURE = 160
"""Sides of the picture of each kind, in pixels."""


@dataclass(frozen=True)
class Method:
    """One way to learn.

    Args:
        name: Names its folder.
        title: Stands in tables.
        recipe: The classifier.
    """

    name: str
    title: str
    recipe: Classifier


@dataclass(frozen=True)
class Part:
    """What one run learns from and is tested on.

    Args:
        name: Such as `seed0` or `fold3`; names its file.
        seed: Of the learning.
        table: Samples with their split.
        validation: Samples that neither are learned from nor tested; None where there are none.
    """

    name: str
    seed: int
    table: pd.DataFrame
    validation: pd.DataFrame | None = None


def run_methods(
    methods: Sequence[Method],
    parts: Sequence[Part],
    out: Path,
    *,
    by: str,
    device: str,
    progress: Progress,
) -> tuple[pd.DataFrame, dict[str, list[Evaluation]]]:
    """Let every method learn from every part and judge its test images; what was done before is not repeated.

    Args:
        methods: The methods.
        parts: The parts.
        out: A folder for the inspectors.
        by: See `knowngood.inspector.train.train`.
        device: `auto`, `cpu` or `cuda`.
        progress: Called during long work.

    Returns:
        One row a run: `method`, `part`, `seconds`, and the figures; and the evaluations of each method.
    """
    rows: list[dict[str, Any]] = []
    evaluations: dict[str, list[Evaluation]] = {method.name: [] for method in methods}
    for method in methods:
        make_folder(out / method.name)
        for part in parts:
            title = f"{method.title}, {part.name}"

            def told(stage: str, done: int, total: int, title: str = title) -> None:
                progress(f"{title}: {stage}", done, total)

            inspector = _learned(method, part, out, by=by, device=device, progress=told)
            evaluation = evaluate(inspector, part.table, progress=told)
            evaluations[method.name].append(evaluation)
            figures = {**good_or_defect(evaluation), **of_types(evaluation), **held_out(inspector)}
            if part.validation is not None:
                validated = evaluate(inspector, part.validation.assign(split="test"), progress=told)
                figures |= {f"validation_{name}": value for name, value in good_or_defect(validated).items()}
            rows.append({"method": method.title, "part": part.name, **figures})
    return pd.DataFrame(rows), evaluations


def _learned(method: Method, part: Part, out: Path, *, by: str, device: str, progress: Progress) -> Inspector:
    """Learn, or take what was learned from the same images by the same recipe."""
    file = out / method.name / f"{part.name}.inspector"
    learned = part.table[part.table["split"] == "train"]
    if file.exists():
        try:
            kept = Inspector.load(file)
        except InspectorError:
            kept = None  # it is made anew
        if (
            kept is not None
            and kept.manifest.training == fingerprint(learned["path"].tolist())
            and kept.manifest.seed == part.seed
            and all(
                _same(kept.manifest.recipe.get(name), value) for name, value in vars(method.recipe).items()
            )
        ):
            return kept
    run = Run(file.with_suffix(".training")) if method.recipe.trains else None
    inspector = train(
        part.table, method.recipe, by=by, seed=part.seed, device=device, run=run, progress=progress
    )
    inspector.save(file)
    return inspector


def _same(kept: Any, value: Any) -> bool:
    """Whether a setting is as JSON keeps it."""
    return bool(kept == (list(value) if isinstance(value, tuple) else value))


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
    return {"kind_accuracy": told["kind_accuracy"], "macro_f1": told["macro_f1"]}


def held_out(inspector: Inspector) -> dict[str, float]:
    """What the answers to held-out images say of a method, without any test image."""
    lesson = inspector.lesson
    assert lesson is not None
    scores, defect = held_out_scores(lesson), lesson.truth > 0
    matrix = confusion_matrix(lesson.truth, lesson.logits.argmax(axis=1), len(lesson.names))
    return {
        HELD_OUT: float(auroc(defect, scores)),
        "held_out_kinds": balanced_accuracy(matrix),
    }


def summary(runs: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean and standard deviation of each figure over the parts, a row a method, the best first.

    Args:
        runs: As `run_methods` gives it.
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


def write_tables(out: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables as CSV files by name, each whole or not at all."""
    for name, table in tables.items():
        with replacing(out / f"{name}.csv") as unfinished:
            table.to_csv(unfinished, index=False)


def kinds_shown(table: pd.DataFrame) -> tuple[list[str], NDArray[np.uint8]]:
    """Each kind with its number of images, and a picture of it `(n, h, w, 3)`."""
    kinds = kind_of_each(table)
    names = ["good", *sorted(set(kinds) - {"good"})]
    first = [table["path"][kinds == name].iloc[0] for name in names]
    pictures = np.stack([read_resized(path, (PICTURE, PICTURE))[0] for path in first])
    return [f"{name} ({int((kinds == name).sum())})" for name in names], pictures


def counted(table: pd.DataFrame) -> str:
    """How many samples are good and how many defective, and of how many types, in words."""
    defects = table[table["label"] == "defect"]
    return f"{len(table) - len(defects)} good, {len(defects)} defective ({defects['defect'].nunique()} types)"


def expected(table: pd.DataFrame) -> list[str]:
    """What to expect of such data, in sentences."""
    counts: dict[tuple[str, str], int] = {}
    for key in zip(table["split"], kind_of_each(table), strict=True):
        counts[key] = counts.get(key, 0) + 1
    return expectations(counts)


def find(data: Path, *places: str) -> Path:
    """The first of the places that is there.

    Raises:
        DataError: None is.
    """
    for place in places:
        if (data / place).is_dir():
            return data / place
    raise DataError(f"{str(data)!r} holds no folder {' or '.join(places)}; put the data set there")
