"""How well an inspector detects defects: key figures, score distribution, ROC, decisions and test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from knowngood.metrics.ranking import cut
from knowngood.report.charts import Group, draw_histograms, draw_ranking, histogram_range
from knowngood.report.exhibits import Cell, Chart, Exhibit, Pictures, Section, Table
from knowngood.report.pictures import heat, panel
from knowngood.report.style import DEFECT, FAINT, GOOD
from knowngood.report.words import MISSING, count, decimal, interval, percent, score

if TYPE_CHECKING:
    from knowngood.inspector.evaluation import Evaluation

_HALF = 5.2, 3.1
"""Inches of a chart that shares the width of the page with another."""


class KeyFigure(NamedTuple):
    """One of the figures at the top of the page.

    Attributes:
        name: What was measured.
        value: As text.
        details: Lines below it.
        note: The number of the note that says why there is no value; 0 where there is one.
    """

    name: str
    value: str
    details: tuple[str, ...] = ()
    note: int = 0


def reasons(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Say of each metric that is not known why not.

    Args:
        metrics: The metrics of an evaluation.

    Returns:
        The reasons, by the name of the metric.
    """
    general = {reason for name, reason in metrics["notes"].items() if not name.startswith("pixel_")}
    return {
        # The pixel figures have no place on a page without masks: their reason must say what it is about.
        name: reason if metrics[name] is not None or reason in general else f"No pixel figures: {reason}."
        for name, reason in metrics["notes"].items()
    }


def key_figures(metrics: Mapping[str, Any]) -> list[KeyFigure]:
    """Choose the figures at the top of the page.

    Args:
        metrics: The metrics of an evaluation.
    """
    why = reasons(metrics)
    notes = list(dict.fromkeys(why.values()))

    def figure(name: str, metric: str, value: str, *details: str) -> KeyFigure:
        if metrics[metric] is not None:
            return KeyFigure(name, value, details)
        return KeyFigure(name, MISSING, note=notes.index(why[metric]) + 1 if metric in why else 0)

    rates = (("False rejects", "false_reject_rate"), ("Escapes", "escape_rate"))
    found = [
        figure(name, rate, percent(metrics[rate]), "95 % interval", interval(metrics, rate))
        for name, rate in rates
    ]
    average, best = decimal(metrics["image_ap"]), decimal(metrics["image_f1_max"])
    area = decimal(metrics["image_auroc"])
    found.append(figure("Image AUROC", "image_auroc", area, f"AP {average}", f"F1-max {best}"))
    classes = metrics.get("classifier", {})
    if len(classes.get("classes", {})) > 2:
        details = (
            f"macro F1 {decimal(classes['macro_f1'])}",
            f"balanced {percent(classes['balanced_accuracy'])}",
        )
        found.append(KeyFigure("Class accuracy", percent(classes["class_accuracy"]), details))
    if metrics["pixel_auroc"] is not None:
        average = decimal(metrics["pixel_ap"])
        found.append(figure("Pixel AUROC", "pixel_auroc", decimal(metrics["pixel_auroc"]), f"AP {average}"))
        overlap = decimal(metrics["pixel_aupro"])
        found.append(figure("AUPRO", "pixel_aupro", overlap, "false positive rate", "up to 30 %"))
    speed = f"{metrics['images_per_second']:.0f}"
    return [*found, KeyFigure("Speed", speed, ("images per second", "on this machine"))]


def detection_exhibits(evaluation: Evaluation) -> list[Exhibit]:
    """Show how scores are distributed, and what was decided.

    Args:
        evaluation: Of any inspector.

    Returns:
        Each for half of the page's width.
    """
    metrics, values = evaluation.metrics, evaluation.scores["score"].to_numpy(np.float64)
    defect = (evaluation.scores["label"] == "defect").to_numpy()
    groups = [
        Group("good", values[~defect], GOOD),
        Group("defect", values[defect], DEFECT),
        Group("held-out good", evaluation.held_out, FAINT, filled=False),
    ]
    line = metrics["threshold"]
    limits = histogram_range(np.concatenate([values, evaluation.held_out]), line)
    draw = partial(draw_histograms, panels={"": groups}, label="image score", limits=limits, threshold=line)
    found: list[Exhibit] = [Chart("Image scores", draw, size=_HALF)]
    if defect.any() and not defect.all():
        point = metrics["false_reject_rate"], 1 - metrics["escape_rate"]
        draw = partial(draw_ranking, curves={"this inspector": cut(defect, values)}, point=point)
        note = "False positive rate: share of good parts rejected. Recall: share of defects rejected."
        found.append(Chart("ROC curve", draw, note, _HALF))
    return [*found, _decisions(metrics["confusion"]), *_defect_types(metrics)]


def _decisions(confusion: Mapping[str, int]) -> Table:
    """The confusion matrix of accepted and rejected parts."""

    def errors(number: int) -> str | Cell:
        return Cell(str(number), "wrong") if number else "0"

    rows: list[list[str | Cell]] = [
        [Cell("good", "good"), str(confusion["true_accept"]), errors(confusion["false_reject"])],
        [Cell("defect", "defect"), errors(confusion["escape"]), str(confusion["true_reject"])],
    ]
    note = "Rejected good parts are false rejects; accepted defects are escapes."
    return Table("Decisions", ["label", "accepted", "rejected"], rows, 2, note)


def _defect_types(metrics: Mapping[str, Any]) -> Iterator[Table]:
    """Each defect type, the most often accepted first; nothing where there are none."""
    types = sorted(
        metrics["per_defect"].items(), key=lambda item: (-item[1]["escape_rate"], item[1]["image_auroc"] or 0)
    )
    rows: list[list[str | Cell]] = []
    for name, found in types:
        rate = percent(found["escape_rate"])
        escapes: str | Cell = Cell(rate, "wrong") if found["escape_rate"] else rate
        rows.append([name, str(found["count"]), escapes, decimal(found["image_auroc"])])
    unknown = any(found["image_auroc"] is None for _, found in types)
    if rows:
        note = metrics["notes"].get("image_auroc", "") if unknown else ""
        yield Table("Defect types", ["type", "images", "escape rate", "image AUROC"], rows, 3, note)


def sample_sections(evaluation: Evaluation, most: int) -> list[Section]:
    """Choose the test images worth looking at: each kind of error, worst first, then other defect types.

    Args:
        evaluation: Of any inspector.
        most: Images in a section at most.
    """
    if not most:
        return []
    # sorted by score; the index still says which map belongs to a row
    scores = evaluation.scores.reset_index(drop=True).sort_values("score", kind="stable")
    defect, accepted = scores["label"] == "defect", scores["decision"] == "accept"
    escapes, found = scores[defect & accepted], scores[defect & ~accepted]
    rejects, passed = scores[~defect & ~accepted][::-1], scores[~defect & accepted]
    unseen = found[~found["defect"].isin(escapes["defect"][:most])].drop_duplicates("defect")
    groups = []
    if defect.any():
        groups.append(("Worst escapes", _chosen(len(escapes), most, "escape", "lowest"), escapes))
    if not defect.all():
        note = _chosen(len(rejects), most, "false reject", "highest")
        groups.append(("Worst false rejects", note, rejects))
    closest = pd.concat([passed[-1:], unseen])
    if len(closest):
        note = "Nearest to the threshold: good parts, and defect types without a picture above."
        groups.append(("Closest correct decisions", note, closest))
    return [Section(title, list(_samples(evaluation, rows[:most])), note) for title, note, rows in groups]


def _samples(evaluation: Evaluation, rows: pd.DataFrame) -> Iterator[Pictures]:
    """Make the pictures of some rows; the index of a row is the position of its map."""
    for position, row in zip(rows.index, rows.to_dict("records"), strict=True):
        warm = None
        if evaluation.maps is not None:
            warm = heat(evaluation.maps[position], *evaluation.heat_scale)
        details = [f"score {score(row['score'])}", f"p {row['p_value']:.2g}"]
        if "predicted_class" in row:
            details.insert(0, f"predicted {row['predicted_class']}")
        pictures = panel(row["path"], warm, row["mask"], bits=evaluation.provenance["bits"])
        title = f"{row['defect'] or row['label']} · {Path(row['path']).name}"
        yield Pictures(title, [pictures], note=" · ".join(details))


def _chosen(number: int, most: int, noun: str, end: str) -> str:
    """Say how many errors of one kind there are and which of them are shown."""
    if number == 0:
        return f"No {noun}s."
    shown = f"the {most} with the {end} scores" if number > most else f"{end} score first"
    return f"{count(number, noun)}, {shown}."


def facts(provenance: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Flatten the provenance to names and texts.

    Args:
        provenance: The manifest of an inspector as plain values.
        prefix: Stands before each name.

    Example:
        >>> list(facts({"seed": 7, "recipe": {"scales": [1, 2]}}))
        [('seed', '7'), ('recipe: scales', '1, 2')]
    """
    for key, value in provenance.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from facts(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, MISSING if value is None or value == "" else str(value)
