"""The report page: what an evaluation found, in words, numbers and pictures, in one file."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.errors import RecipeError
from knowngood.output import replacing
from knowngood.report import figures, words
from knowngood.report.drawings import classified_drawings, rebuilt_drawings, training_drawings
from knowngood.report.panels import HEAT, Picture, heat, panel

if TYPE_CHECKING:
    from knowngood.inspector.evaluation import Evaluation

_CLOSEST = "Judged rightly, but nearest to the threshold: good parts, and defect types not pictured above."


class Part(NamedTuple):
    """One judged part as the page shows it.

    ``kind`` is its defect type, or what its label says; ``said`` is what a classifier takes it for.
    """

    path: str
    name: str
    label: str
    kind: str
    score: float
    p_value: float
    pictures: list[Picture]
    said: str = ""


class Section(NamedTuple):
    """One group of pictures; ``remark`` says how they were chosen, or that there are none."""

    title: str
    remark: str
    parts: list[Part]


def write_report(evaluation: Evaluation, path: str | os.PathLike[str], *, examples: int = 12) -> None:
    """Write the report of an evaluation as one HTML file that needs nothing else.

    Args:
        evaluation: What the inspector said about the test images.
        path: The file to write; an existing one is replaced, whole or not at all.
        examples: How many parts each section of pictures shows at most, 0 or more.

    Raises:
        OutputError: The file could not be written.
        RecipeError: ``examples`` is negative.

    Example::

        write_report(evaluation, "report.html")
    """
    if examples < 0:
        raise RecipeError(f"examples must be 0 or more; got {examples}")
    # a file name may hold bytes that are no text: they are spelled out
    page = _render(evaluation, examples).encode("utf-8", errors="backslashreplace")
    with replacing(path) as unfinished:
        unfinished.write_bytes(page)


def _render(evaluation: Evaluation, examples: int) -> str:
    """Fill the template."""
    metrics = evaluation.metrics
    general = {reason for name, reason in metrics["notes"].items() if not name.startswith("pixel_")}
    notes = {
        # The pixel figures have no place on a page without masks: their reason must say what it is about.
        name: reason if metrics[name] is not None or reason in general else f"No pixel figures: {reason}."
        for name, reason in metrics["notes"].items()
    }
    reasons = list(dict.fromkeys(notes.values()))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("knowngood.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": words.percent, "decimal": words.decimal, "score": words.score}
    return environment.get_template("template.html.jinja").render(
        verdict=words.verdict(metrics),
        basis=words.basis(metrics, evaluation.provenance["threshold"]),
        metrics=metrics,
        kinds=_kinds(metrics),
        interval=words.interval,
        reasons=reasons,
        footnotes={name: reasons.index(reason) + 1 for name, reason in notes.items()},
        figures=_figures(evaluation),
        training=training_drawings(evaluation),
        rebuilt=rebuilt_drawings(evaluation),
        classified=classified_drawings(evaluation),
        defect_types=_worst_first(metrics["per_defect"]),
        has_maps=evaluation.maps is not None,
        heat_colours=[f"rgb({red}, {green}, {blue})" for red, green, blue in HEAT],
        sections=_sections(evaluation, examples),
        provenance=evaluation.provenance,
        facts=list(_facts(evaluation.provenance)),
    )


def _kinds(metrics: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How well a classifier tells kinds apart; None where there is none, or it knows good and bad alone."""
    found: Mapping[str, Any] = metrics.get("classifier", {})
    return found if len(found.get("kinds", {})) > 2 else None


def _figures(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Draw the histogram and, if there are both kinds, the ROC: title, data URI, alternative text."""
    metrics, scores = evaluation.metrics, evaluation.scores["score"].to_numpy(np.float64)
    defect = (evaluation.scores["label"] == "defect").to_numpy()
    drawn = [
        (
            "Image scores",
            figures.score_histogram(
                scores[~defect], scores[defect], evaluation.held_out, metrics["threshold"]
            ),
            "Histogram of the image scores of good parts and defects, with the threshold",
        )
    ]
    if defect.any() and not defect.all():
        operating_point = metrics["false_reject_rate"], 1 - metrics["escape_rate"]
        drawn.append(
            (
                "ROC",
                figures.roc(defect, scores, operating_point),
                "ROC curve: share of defects found against share of good parts rejected",
            )
        )
    return [
        (title, "data:image/svg+xml;base64," + b64encode(svg).decode("ascii"), text)
        for title, svg, text in drawn
    ]


def _worst_first(per_defect: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Order defect types by escape rate, then by how poorly they are told from good parts."""
    return sorted(per_defect.items(), key=lambda item: (-item[1]["escape_rate"], item[1]["image_auroc"] or 0))


def _sections(evaluation: Evaluation, examples: int) -> list[Section]:
    """Choose the parts worth looking at: each kind of error, worst first, then the types that made none."""
    if not examples:
        return []
    # sorted by score; the index still says which map belongs to a row
    scores = evaluation.scores.reset_index(drop=True).sort_values("score", kind="stable")
    defect, accepted = scores["label"] == "defect", scores["decision"] == "accept"
    maps = evaluation.maps
    heat_maps = None if maps is None else heat(maps, *evaluation.heat_scale)
    misses, found = scores[defect & accepted], scores[defect & ~accepted]
    alarms, passed = scores[~defect & ~accepted][::-1], scores[~defect & accepted]
    unseen = found[~found["defect"].isin(misses["defect"][:examples])].drop_duplicates("defect")
    closest = pd.concat([passed[-1:], unseen])
    groups = []
    if defect.any():
        groups.append(("Worst misses", _remark(len(misses), examples, "defect", "escaped", "lowest"), misses))
    if not defect.all():
        groups.append(
            ("False alarms", _remark(len(alarms), examples, "good part", "was rejected", "highest"), alarms)
        )
    if len(closest):
        groups.append(("Closest calls", _CLOSEST, closest))
    bits = evaluation.provenance["bits"]
    return [
        Section(title, remark, _parts(rows[:examples], heat_maps, bits)) for title, remark, rows in groups
    ]


def _parts(rows: pd.DataFrame, heat_maps: NDArray[np.float32] | None, bits: int | None) -> list[Part]:
    """Make the pictures of some rows; the index of a row is the position of its map."""
    return [
        Part(
            path=row["path"],
            name=Path(row["path"]).name,
            label=row["label"],
            kind=row["defect"] or row["label"],
            score=row["score"],
            p_value=row["p_value"],
            pictures=panel(
                row["path"], None if heat_maps is None else heat_maps[position], row["mask"], bits=bits
            ),
            said=f"taken for {row['kind']}" if "kind" in row else "",
        )
        for position, row in zip(rows.index, rows.to_dict("records"), strict=True)
    ]


def _remark(count: int, examples: int, noun: str, verb: str, end: str) -> str:
    """Say how many there are of one kind of error and which of them are shown."""
    if count == 0:
        return f"No {noun} {verb}."
    shown = f"the {examples} with the {end} scores" if count > examples else f"{end} score first"
    return f"{words.count(count, noun)}, {shown}."


def _facts(provenance: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Flatten the provenance to names and texts."""
    for key, value in provenance.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _facts(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, words.MISSING if value is None or value == "" else str(value)
