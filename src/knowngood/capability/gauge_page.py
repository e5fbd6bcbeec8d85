"""A gauge study as a page, whose first line answers whether the line may be released, and its tables."""

from __future__ import annotations

import math
import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from knowngood.capability import gauge_agreement, gauge_scores
from knowngood.capability.gauge import INSPECTOR, Gauge, margin_in_words
from knowngood.capability.gauge_agreement import Figure
from knowngood.capability.page import Page, write_study
from knowngood.report.exhibits import Cell, Chart, Exhibit, Table, Text
from knowngood.report.words import MISSING, count, percent, score

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

PAGE = "gauge"

_SHOWN = 20  # parts in the table of risks
_KAPPAS = ("kappa", "kappa_takes")
_SHARES = ("gauge_share", "margin_share")
_GROUPS = {"good": "good parts", "defect": "defects"}


def write_gauge(study: Gauge, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a gauge study as `gauge.html`, `agreement.csv`, `components.csv`, `parts.csv` and `pictures.csv`.

    Returns:
        The path of the page.

    Raises:
        OutputError: A file cannot be written, or is not ours to replace.
        MissingExtra: The page's libraries are not installed; the tables are written.
    """
    return write_study(_page(study), tables_of(study), folder, overwrite=overwrite)


def tables_of(study: Gauge) -> dict[str, pd.DataFrame]:
    """The tables beside the page, by name."""
    return {
        "agreement": agreement_table(study),
        "components": components_table(study),
        "parts": study.parts,
        "pictures": study.pictures,
    }


def agreement_table(study: Gauge) -> pd.DataFrame:
    """All figures of decisions: `who`, `figure`, `value`, `low`, `high`, `bound`, `parts`."""
    rows = [[who, name, *found] for who, figures in study.figures.items() for name, found in figures.items()]
    rows += [[f"{INSPECTOR} and {who}", "kappa_between", *found] for who, found in study.between.items()]
    return pd.DataFrame(rows, columns=["who", "figure", "value", "low", "high", "bound", "parts"])


def components_table(study: Gauge) -> pd.DataFrame:
    """All figures of the scores, by `truth` and `figure`; infinite ones are empty."""
    rows = [
        [label, name, *(one if math.isfinite(one) else None for one in estimate), found[1]]
        for label, found in study.components.items()
        if not isinstance(found, str)
        for name, estimate in found[0].items()
    ]
    return pd.DataFrame(rows, columns=["truth", "figure", "value", "low", "high", "parts"])


def _page(study: Gauge) -> Page:
    """The study as a page."""
    pictures = study.pictures
    good = int((~study.parts["defect"]).sum())
    subtitle = (
        f"{count(len(study.parts), 'part')}, {good} of them good · {count(len(pictures), 'picture')} · "
        f"{count(pictures['station'].nunique(), 'station')} · rejected above {score(study.line)}"
    )
    exhibits = [*exhibits_of(study), Text("What this does not say", [*study.notes, *CAVEATS])]
    return Page(PAGE, "Gauge study", subtitle, study.answer, exhibits)


def exhibits_of(study: Gauge) -> list[Exhibit]:
    """The tables and charts of a study."""
    return [_limits(study), _deciders(study), _chart(study), _risks(study), _components(study)]


CAVEATS = (
    "The figures hold for parts like those of the study, and for the light, lens and position that they were "
    "taken with.",
    "The limits are conventions and settings, not those of a standard; no conformity with one is claimed.",
    "Bounds count parts: the takes of a part are not independent.",
)


def _limits(study: Gauge) -> Table:
    """The figures that have a limit."""
    figures, rows = study.figures[INSPECTOR], []
    for one in fields(study.limits):
        found, limit = figures[one.name], getattr(study.limits, one.name)
        rows.append(
            [
                gauge_agreement.FIGURES[one.name],
                _written(one.name, found.value),
                _range(one.name, found),
                _written(one.name, found.bound),
                _written(one.name, limit),
                str(found.parts),
            ]
        )
    heads = ["figure", "in this sample", "95 % interval", "one-sided 95 % bound", "limit", "parts"]
    note = "A limit is shown where the bound meets it, not where the figure does."
    return Table("Decisions against the limits", heads, rows, numbers=5, note=note)


def _deciders(study: Gauge) -> Table:
    """All figures of all who decide."""
    rows = [
        [
            name.replace("_", " "),
            *(
                f"{_written(name, one[name].value)} ({_range(name, one[name])})"
                for one in study.figures.values()
            ),
        ]
        for name in gauge_agreement.FIGURES
    ]
    heads = ["figure", *study.figures]
    words = [f"{name.replace('_', ' ')}: {text}" for name, text in gauge_agreement.FIGURES.items()]
    between = [
        f"Kappa of the inspector and {who}: {_written('kappa', found.value)} ({_range('kappa', found)})."
        for who, found in study.between.items()
    ]
    note = "; ".join(words) + ". " + " ".join(between)
    return Table("Who decides how well", heads, rows, numbers=len(heads) - 1, note=note)


def _components(study: Gauge) -> Table:
    """The spread of the scores."""
    rows, notes = [], []
    for label, found in study.components.items():
        if isinstance(found, str):
            notes.append(f"No figures of {_GROUPS[label]}: {found}.")
            continue
        figures, parts = found
        notes.append(margin_in_words(figures, _GROUPS[label]))
        for name, estimate in figures.items():
            texts = [_amount(name, value) for value in estimate]
            rows.append(
                [
                    _GROUPS[label],
                    gauge_scores.FIGURES[name],
                    texts[0],
                    f"{texts[1]} to {texts[2]}",
                    str(parts),
                ]
            )
    heads = ["of", "spread of the score (standard deviation)", "value", "95 % interval", "parts"]
    return Table("The score as a gauge", heads, rows, numbers=3, note=" ".join(notes))


def _risks(study: Gauge) -> Table:
    """The parts that are most likely decided wrong."""
    rows = []
    for row in study.parts.head(_SHOWN).to_dict("records"):
        wrong = percent(row["wrong"])
        rows.append(
            [
                str(row["part"]),
                str(row["truth"]),
                score(row["mean"]),
                Cell(wrong, "wrong") if row["wrong"] else wrong,
                percent(round(row["flip_chance"], 6)),
                percent(round(row["wrong_chance"], 6)),
            ]
        )
    heads = ["part", "truth", "mean score", "decided wrong", "chance to flip", "chance to be wrong"]
    note = (
        "Of the next picture: the chance that it is decided otherwise than the mean score, and that it is "
        "decided wrong."
    )
    return Table("Parts at risk, the riskiest first", heads, rows, numbers=4, note=note)


def _chart(study: Gauge) -> Chart:
    """The scores of all takes of each part."""

    def draw(figure: Drawing) -> None:
        from knowngood.report.style import DEFECT, GOOD, INK

        axes = figure.subplots()
        order = study.parts.sort_values("mean")
        place = {part: at for at, part in enumerate(order["part"])}
        good = ~study.pictures["defect"].to_numpy(bool)
        at = study.pictures["part"].map(place).to_numpy()
        values = study.pictures["score"].to_numpy(np.float64)
        for chosen, colour, name in ((good, GOOD, "good"), (~good, DEFECT, "defect")):
            axes.plot(at[chosen], values[chosen], "o", color=colour, markersize=4, alpha=0.7, label=name)
        axes.axhline(
            study.line, color=INK, linewidth=1.2, linestyle="--", label=f"rejected above {score(study.line)}"
        )
        axes.set(xlabel="parts, by their mean score", ylabel="score of each take")
        axes.legend(loc="upper left")

    return Chart(
        "Scores of all takes",
        draw,
        note="Takes of a part are above each other: parts that straddle the line flip.",
    )


def _written(name: str, value: float | None) -> str:
    """A figure as text."""
    if value is None:
        return MISSING
    return f"{value:.3f}" if name in _KAPPAS else percent(value)


def _range(name: str, found: Figure) -> str:
    """The interval of a figure as text."""
    if found.low is None:
        return MISSING
    return f"{_written(name, found.low)} to {_written(name, found.high)}"


def _amount(name: str, value: float) -> str:
    """A figure of the scores as text."""
    if name in _SHARES:
        return percent(value) if math.isfinite(value) else "no margin"
    return score(value) if math.isfinite(value) else "unlimited"
