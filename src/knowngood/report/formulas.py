"""Formulas with the numbers of a result put in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from matplotlib.figure import Figure

from knowngood.report.exhibits import Chart
from knowngood.report.style import FAINT
from knowngood.report.supervised_slides import Decisions


class Formula(NamedTuple):
    """A formula in matplotlib's mathematical notation, and in words what it is."""

    text: str
    words: str


def formulas_exhibit(title: str, formulas: Sequence[Formula], note: str = "") -> Chart:
    """Show formulas below each other.

    Example:
        >>> formulas_exhibit("Accuracy", [Formula("$a = 1 - e$", "e is the error rate")]).title
        'Accuracy'
    """
    return Chart(title, partial(_draw, formulas=formulas), note)


def f1_exhibit(name: str, found: Decisions) -> Chart:
    """Write out precision, recall and F1 with the decisions of a method on test images.

    Example:
        >>> f1_exhibit("linear_probe", Decisions(images=20, right=18, true=8, false=2, missed=0)).title
        'linear_probe: F1 0.889 is the harmonic mean of precision 0.800 and recall 1.000'
    """
    true, false, missed = found.true, found.false, found.missed
    precision = rf"$\mathrm{{precision}} = \frac{{TP}}{{TP + FP}} = \frac{{{true}}}{{{true} + {false}}}"
    recall = rf"$\mathrm{{recall}} = \frac{{TP}}{{TP + FN}} = \frac{{{true}}}{{{true} + {missed}}}"
    f1 = r"$F_1 = 2\cdot\frac{\mathrm{precision}\cdot\mathrm{recall}}{\mathrm{precision}+\mathrm{recall}}"
    f1 += rf" = \frac{{2\cdot {true}}}{{2\cdot {true} + {false} + {missed}}}"
    values = [
        _share(true, true + false),
        _share(true, true + missed),
        _share(2 * true, 2 * true + false + missed),
    ]
    formulas = [
        Formula(f"{text} {'$ is undefined' if value is None else f'= {value:.3f}$'}", words)
        for text, value, words in zip(
            (precision, recall, f1),
            values,
            (
                "of the parts that are rejected, the share of defects",
                "of the defects, the share that is rejected",
                "both must be high: F1 is near the lower of the two",
            ),
            strict=True,
        )
    ]
    title = f"{name}: no F1, since no defect was rejected"
    if true:
        title = (
            f"{name}: F1 {values[2]:.3f} is the harmonic mean of precision {values[0]:.3f} and recall "
            f"{values[1]:.3f}"
        )
    note = (
        f"A defect is positive. TP: {true} defects rejected; FP: {false} good parts rejected; FN: {missed} "
        "defects accepted. Good parts that are accepted do not count, so that many of them cannot hide that "
        "defects are missed, as they can in the accuracy."
    )
    return formulas_exhibit(title, formulas, note)


def _share(part: int, whole: int) -> float | None:
    """Divide, unless there is nothing to divide by."""
    return part / whole if whole else None


def _draw(figure: Figure, formulas: Sequence[Formula]) -> None:
    """Write formulas with their words, evenly from the top downwards."""
    axes = figure.subplots()
    axes.axis("off")
    for place, (text, words) in enumerate(formulas):
        height = 1 - (place + 0.3) / len(formulas)
        axes.text(0, height, text, fontsize="xx-large", va="center", parse_math=True)
        axes.text(0.62, height, words, va="center", wrap=True, color=FAINT if not text else None)
