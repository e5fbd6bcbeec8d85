"""What other thresholds would give on the test images, without running anything again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from knowngood.inspector.evaluation import Evaluation
from knowngood.metrics.rates import Rate
from knowngood.metrics.review import Review
from knowngood.metrics.thresholds import Threshold
from knowngood.metrics.trade_off import ALLOWED, Decided, decided, trade_off
from knowngood.report.exhibits import Cell, Table
from knowngood.report.subject import inspector_argument
from knowngood.report.words import MISSING, count, percent, range_of, score

SLIDER = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.10, 0.12, 0.15, 0.20)
"""The allowed false-reject rates among which the page's slider chooses."""

CAVEAT = (
    "Each threshold comes from held-out good images alone. Whoever picks one for its errors here has picked "
    "by the test images: its figures are then too good, and only new images show how good it is."
)


LINE_MOVES = {
    "good": "moves with the threshold, so that the share of good parts between the two stays",
    "defect": "stays, where the threshold is above it",
}
"""What happens to a line for review, by what it was set on, when the threshold moves."""


class Stop(NamedTuple):
    """A place of the slider: its allowed rate and the command, with what it gives in a sentence."""

    allowed: str
    sentence: str
    command: str


def choices(evaluation: Evaluation, allowed: Iterable[float] = ALLOWED) -> list[Decided]:
    """Count the decisions that the threshold of each allowed false-reject rate gives on the test images."""
    scores = evaluation.scores
    return trade_off(
        evaluation.held_out.tolist(),
        scores["label"] == "defect",
        scores["score"],
        allowed,
        line_of(evaluation),
    )


def line_of(evaluation: Evaluation) -> Review | None:
    """Return the line for review of the inspector, if it has three answers."""
    line = evaluation.provenance["review"]
    return None if line is None else Review(**line)


def trade_off_exhibit(evaluation: Evaluation) -> Table:
    """Compare the threshold in use with those for other false-reject rates."""
    scores = evaluation.scores
    threshold = Threshold(**evaluation.provenance["threshold"])
    line = line_of(evaluation)
    now = decided(threshold, scores["label"] == "defect", scores["score"], line)
    rows = [["in use", *_cells(now, reviewed=line is not None)]]
    rows += [
        [f"{100 * (row.threshold.requested or 0):g} %", *_cells(row, reviewed=line is not None)]
        for row in choices(evaluation)
    ]
    columns = [
        "false rejects allowed",
        "threshold",
        "at most rejected",
        "good parts rejected",
        "defects escaped",
    ]
    note = "At most rejected: the 95 % bound on the share of good parts. Rates with their 95 % intervals. "
    if line is not None:
        columns += ["good parts reviewed", "defects reviewed"]
        note += f"The line for review {LINE_MOVES[line.label]}. "
    return Table("Other thresholds", columns, rows, len(columns) - 1, note + CAVEAT)


def start(evaluation: Evaluation) -> int:
    """Return the place of the slider that is nearest to the threshold in use."""
    apart = [
        abs(row.threshold.value - evaluation.metrics["threshold"]) for row in choices(evaluation, SLIDER)
    ]
    return apart.index(min(apart))


def stops(evaluation: Evaluation) -> list[Stop]:
    """Describe each place of the slider."""
    file = inspector_argument(evaluation.about)
    return [
        Stop(
            f"{100 * (row.threshold.requested or 0):g} %",
            _sentence(row),
            f"knowngood threshold {file} --max-false-reject {row.threshold.requested:g}",
        )
        for row in choices(evaluation, SLIDER)
    ]


def _cells(row: Decided, *, reviewed: bool) -> list[str | Cell]:
    """Write the threshold, its bound, its errors and, with a line for review, what is left to it."""
    cells: list[str | Cell] = [
        score(row.threshold.value),
        percent(row.threshold.upper_bound),
        _errors(row.false_reject),
        _errors(row.escape),
    ]
    return [*cells, _errors(row.good_review), _errors(row.defect_review)] if reviewed else cells


def _errors(rate: Rate | None) -> str:
    """Write a rate with its counts and interval."""
    if rate is None:
        return MISSING
    errors = f"{rate.count} of {rate.total}: {percent(rate.value)} ({range_of(rate.low, rate.high)})"
    return errors.replace(" of ", "\u00a0of\u00a0").replace(" %", "\u00a0%")  # broken between these alone


def _sentence(row: Decided) -> str:
    """Write the threshold, its bound and its errors as a sentence."""
    parts = [f"The threshold is {score(row.threshold.value)}"]
    if row.threshold.upper_bound is not None:
        parts.append(f"rejects at most {percent(row.threshold.upper_bound)} of good parts (95 % confidence)")
    if row.false_reject:
        good = count(row.false_reject.total, "good test part")
        parts.append(f"rejects {row.false_reject.count} of {good}")
    if row.escape:
        parts.append(f"lets {row.escape.count} of {count(row.escape.total, 'defect')} escape")
    reviewed = [rate for rate in (row.good_review, row.defect_review) if rate]
    if reviewed:
        number, total = sum(rate.count for rate in reviewed), sum(rate.total for rate in reviewed)
        parts.append(f"leaves {number} of {count(total, 'test part')} to a review")
    *first, last = parts
    return f"{', '.join(first)} and {last}." if first else f"{last}."
