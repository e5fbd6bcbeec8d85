"""The detection of defects by an inspector: key figures, score distribution, ROC, decisions, test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from knowngood.inspector.evaluation import Evaluation
from knowngood.metrics.ranking import cut
from knowngood.metrics.review import ACCEPT, REJECT, REVIEW
from knowngood.report.charts import Group, draw_histograms, draw_ranking, histogram_range
from knowngood.report.exhibits import Cell, Chart, Exhibit, Table
from knowngood.report.gallery import Row
from knowngood.report.style import DEFECT, FAINT, GOOD
from knowngood.report.words import MISSING, count, decided_alone, decimal, interval, percent, pixel_figures

_FIGURES = ("false_reject_rate", "escape_rate", "image_auroc", "pixel_auroc", "pixel_aupro")
_REVIEWED = {"good parts": "good", "defects": "defect"}
_HALF = 5.2, 3.1  # inches of a chart that shares the width of the page with another


class KeyFigure(NamedTuple):
    """One of the figures at the top of the page."""

    name: str
    value: str
    details: tuple[str, ...] = ()  # lines below the value
    note: int = 0  # the number of the note that gives the reason for a missing value


def reasons(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return why metrics of an evaluation are unknown, by the name of the metric."""
    general = {reason for name, reason in metrics["notes"].items() if not name.startswith("pixel_")}
    return {
        # A page without masks has no pixel metrics: their reason must name them.
        name: f"{reason[0].upper()}{reason[1:]}"
        if metrics[name] is not None or reason in general
        else f"No pixel figures: {reason}."
        for name, reason in metrics["notes"].items()
        if name != "pixel_aupimo" or metrics["pixel_auroc"] is None  # else it is below its own table
    }


def key_figures(metrics: Mapping[str, Any]) -> list[KeyFigure]:
    """Choose the metrics of an evaluation at the top of the page."""
    why = reasons(metrics)
    notes = list(dict.fromkeys(why.values()))

    def figure(name: str, metric: str, value: str, *details: str) -> KeyFigure:
        if metrics[metric] is not None:
            return KeyFigure(name, value, details)
        return KeyFigure(name, MISSING, note=notes.index(why[metric]) + 1 if metric in why else 0)

    found = [
        figure(name, rate, percent(metrics[rate]), "95 % interval", interval(metrics, rate))
        for name, rate in (("False rejects", "false_reject_rate"), ("Escapes", "escape_rate"))
    ]
    if metrics.get("review") is not None:
        rates = {noun: percent(metrics[f"{label}_review_rate"]) for noun, label in _REVIEWED.items()}
        counted = metrics["confusion"]
        share = (counted["good_review"] + counted["defect_review"]) / max(1, sum(counted.values()))
        found.append(
            KeyFigure("Reviewed", percent(share), tuple(f"{noun} {text}" for noun, text in rates.items()))
        )
    names = ("image_auroc", "image_ap", "image_f1_max", "pixel_auroc", "pixel_ap", "pixel_aupro")
    area, average, best, pixel_area, pixel_average, overlap = (decimal(metrics[name]) for name in names)
    found.append(figure("Image AUROC", "image_auroc", area, f"AP {average}", f"F1-max {best}"))
    classes = metrics.get("classifier", {})
    if len(classes.get("classes", {})) > 2:
        f1, balanced = decimal(classes["macro_f1"]), percent(classes["balanced_accuracy"])
        details = (f"macro F1 {f1}", f"balanced {balanced}")
        found.append(KeyFigure("Class accuracy", percent(classes["class_accuracy"]), details))
    if metrics["pixel_auroc"] is not None:
        found.append(figure("Pixel AUROC", "pixel_auroc", pixel_area, f"AP {pixel_average}"))
        found.append(figure("AUPRO", "pixel_aupro", overlap, "false positive rate", "up to 30 %"))
    speed = f"{metrics['images_per_second']:.0f}"
    return [*found, KeyFigure("Speed", speed, ("images per second", "on this machine"))]


def without_meaning(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Take from metrics the figures that mean nothing for pictures of another product, with the reason."""
    names = [name for name in _FIGURES if metrics[name] is not None]
    reason = "These pictures are probably not of the product that was learned, so this figure says nothing."
    return {**metrics, **dict.fromkeys(names), "notes": metrics["notes"] | dict.fromkeys(names, reason)}


def score_groups(evaluation: Evaluation) -> list[Group]:
    """Return the groups of scores in their histogram."""
    values = evaluation.scores["score"].to_numpy(np.float64)
    defect = (evaluation.scores["label"] == "defect").to_numpy()
    return [
        Group("good", values[~defect], GOOD),
        Group("defect", values[defect], DEFECT),
        Group("held-out good", evaluation.held_out, FAINT, filled=False),
    ]


def limits_of(groups: Sequence[Group], threshold: float) -> tuple[float, float]:
    """Return the ends of the axis of a histogram of scores."""
    return histogram_range([group.values for group in groups], threshold)


def detection_exhibits(evaluation: Evaluation) -> list[Exhibit]:
    """Show the distribution of the scores and the decisions, in exhibits of half the width of the page."""
    metrics, values = evaluation.metrics, evaluation.scores["score"].to_numpy(np.float64)
    defect = (evaluation.scores["label"] == "defect").to_numpy()
    lines = {"threshold": metrics["threshold"], "review": metrics.get("review")}
    groups = score_groups(evaluation)
    limits = limits_of(groups, metrics["threshold"])
    draw = partial(draw_histograms, panels={"": groups}, label="image score", limits=limits, **lines)
    exhibits: list[Exhibit] = [Chart("Image scores", draw, size=_HALF)]
    if defect.any() and not defect.all():
        found = {"this inspector": cut(defect, values)}
        draw = partial(draw_ranking, curves=found, points=lines_in_use(metrics))
        note = "False positive rate: share of good parts rejected. Recall: share of defects rejected."
        exhibits.append(Chart("ROC curve", draw, note, _HALF))
    return [*exhibits, _decisions(metrics), *_defect_types(metrics), *_pixel_level(metrics)]


def lines_in_use(metrics: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the false positive rate and the recall at the threshold, and at the line for review, if any.

    Example:
        >>> metrics = {"false_reject_rate": 0.1, "escape_rate": 0.25, "review": 2.0}
        >>> lines_in_use(metrics | {"good_review_rate": 0.2, "defect_review_rate": 0.25})
        {'threshold in use': (0.1, 0.5), 'line for review': (0.30000000000000004, 0.75)}
    """
    rejected, found = metrics["false_reject_rate"], 1 - metrics["escape_rate"]
    if metrics.get("review") is None:
        return {"threshold in use": (rejected, found)}
    return {
        "threshold in use": (rejected, found - metrics["defect_review_rate"]),
        "line for review": (rejected + metrics["good_review_rate"], found),
    }


def _decisions(metrics: Mapping[str, Any]) -> Table:
    """Show the confusion matrix of accepted and rejected parts, and of those for review if there are such."""
    confusion = metrics["confusion"]
    rejects, escapes = confusion["false_reject"], confusion["escape"]
    rows: list[list[str | Cell]] = [
        [Cell("good", "good"), str(confusion["true_accept"]), _marked(str(rejects), rejects)],
        [Cell("defect", "defect"), _marked(str(escapes), escapes), str(confusion["true_reject"])],
    ]
    columns = ["label", "accepted", "rejected"]
    note = "Rejected good parts are false rejects; accepted defects are escapes."
    if metrics.get("review") is not None:
        columns.insert(2, "for review")
        for row, label in zip(rows, ("good", "defect"), strict=True):
            row.insert(2, str(confusion[f"{label}_review"]))
        note += f" {decided_alone(metrics)}"
    return Table("Decisions", columns, rows, len(columns) - 1, note)


def _defect_types(metrics: Mapping[str, Any]) -> Iterator[Table]:
    """Show the defect types, the most often accepted first, if there are any."""
    types = metrics["per_defect"]
    rows: list[list[str | Cell]] = []
    for name, found in sorted(
        types.items(), key=lambda item: (-item[1]["escape_rate"], item[1]["image_auroc"] or 0)
    ):
        escapes = _marked(percent(found["escape_rate"]), found["escape_rate"])
        rows.append([name, str(found["count"]), escapes, decimal(found["image_auroc"])])
    if rows:
        unknown = any(found["image_auroc"] is None for found in types.values())
        note = metrics["notes"].get("image_auroc", "") if unknown else ""
        yield Table("Defect types", ["type", "images", "escape rate", "image AUROC"], rows, 3, note)


def _pixel_level(metrics: Mapping[str, Any]) -> Iterator[Table]:
    """Show how well the maps agree with the masks, where there are both."""
    found = pixel_figures(metrics)
    sentences = [
        "Maps are interpolated to the pixels of their image; masks are not resized.",
        "In brackets: the map value above which the best F1 is reached.",
        "AUPRO: mean share of each defect found, over the pixels rejected elsewhere from 0 to a limit.",
        "AUPIMO: the same for each image, where 0.001 to 0.01 % of the pixels of good images are rejected.",
        "sPRO: AUPRO where enough of a defect, or of the place of a missing part, counts as all of it.",
    ]
    if "pixel_spro_5" not in found:
        sentences.pop()
    if (lacking := metrics["notes"].get("pixel_aupimo")) and metrics["pixel_aupimo"] is None:
        sentences.append(f"No AUPIMO: {lacking}.")
    if found:
        yield Table("Pixel level", ["figure", "value"], list(found.values()), 1, " ".join(sentences))


def _marked(text: str, errors: float) -> str | Cell:
    """Mark a number of errors that is not zero."""
    return Cell(text, "wrong") if errors else text


class Samples(NamedTuple):
    """Test images under one heading."""

    title: str
    note: str
    rows: list[Row]


def samples(rows: Sequence[Row], most: int) -> list[Samples]:
    """Choose at most `most` test images of each error, the worst first, for review, and decided correctly.

    The last are, nearest to the threshold first, a good part and a defect of each type.

    Args:
        rows: All test images, the highest score first.
        most: Number of images under a heading.
    """
    if not most:
        return []
    escapes = [row for row in reversed(rows) if row.error == "escape"]
    rejects = [row for row in rows if row.error == "false reject"]
    reviewed = [row for row in rows if row.decision == REVIEW]
    passed = next((row for row in rows if row.label == "good" and row.decision == ACCEPT), None)
    found = {row.type: row for row in rows if row.label == "defect" and row.decision == REJECT}
    closest = [*([passed] if passed else []), *sorted(found.values(), key=lambda row: row.score)]
    groups = []
    if any(row.label == "defect" for row in rows):
        note = _chosen(len(escapes), most, "escape", "lowest")
        groups.append(Samples("Worst escapes", note, escapes[:most]))
    if any(row.label == "good" for row in rows):
        note = _chosen(len(rejects), most, "false reject", "highest")
        groups.append(Samples("Worst false rejects", note, rejects[:most]))
    if reviewed:
        note = f"{_chosen(len(reviewed), most, 'image', 'highest')} Each is above the line for review alone."
        groups.append(Samples("For review", note, reviewed[:most]))
    if closest:
        note = "Of the good parts and of each type of defect, the one nearest to the threshold."
        groups.append(Samples("Closest correct decisions", note, closest[:most]))
    return groups


def _chosen(number: int, most: int, noun: str, end: str) -> str:
    """Describe how many errors there are and which of them are shown."""
    if number == 0:
        return f"No {noun}s."
    shown = f"the {most} with the {end} scores" if number > most else f"{end} score first"
    return f"{count(number, noun)}, {shown}."


def facts(provenance: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Flatten the provenance, the manifest of an inspector as plain values, to names and texts.

    Example:
        >>> list(facts({"seed": 7, "recipe": {"scales": [1, 2]}}))
        [('seed', '7'), ('recipe: scales', '1, 2')]
    """
    for key, value in provenance.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from facts(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value)) or MISSING
        else:
            yield name, MISSING if value in (None, "") else str(value)
