"""What follows from an evaluation: how far it can be relied on, in words, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from knowngood.inspector.evaluation import Evaluation
from knowngood.report import next_steps
from knowngood.report.words import count, percent

Level = Literal["good", "doubtful", "useless"]

LEVELS: dict[Level, str] = {
    "good": "Good for these pictures",
    "doubtful": "Doubtful for these pictures",
    "useless": "Of no use for these pictures",
}
"""What is said of each level, the best first."""

HALF = 0.5  # an error rate from which an inspector is of no use
MANY = 0.1  # an error rate from which it is doubtful
UNSURE = 0.2  # the end of an interval from which too few images were inspected to know
NO_BETTER_THAN_CHANCE = 0.6  # image AUROC


class _Error(NamedTuple):
    """One of the two errors: its name in metrics, the label of the parts, and words."""

    name: str
    label: str
    part: str
    many: str
    one: str
    may: str


_ERRORS = (
    _Error("false_reject", "good", "good part", "are rejected", "is rejected", "be rejected"),
    _Error("escape", "defect", "defect", "escape", "escapes", "escape"),
)


@dataclass(frozen=True)
class Advice:
    """What follows from an evaluation.

    Args:
        level: One of `LEVELS`.
        headline: The level and the reasons for it, in one sentence.
        details: Further sentences on what was found.
        steps: What to try next, the likeliest first.
        other_product: Whether the pictures are probably not of the product that was learned, so that neither
            false rejects nor escapes mean anything.
    """

    level: Level
    headline: str
    details: list[str]
    steps: list[str]
    other_product: bool = False


def advice(evaluation: Evaluation) -> Advice:
    """Say what follows from an evaluation, from its figures and its origin alone.

    Example::

        print(advice(knowngood.evaluate(inspector, "widget/")).headline)
    """
    evidence = _of_another_product(evaluation)
    if evidence:
        data = evaluation.about.training.name
        learned = f" ({data})" if data else ""
        headline = f"these are probably not pictures of the product that it learned{learned}"
        steps = next_steps.for_another_product(evaluation.about)
        return Advice("useless", f"{LEVELS['useless']}: {headline}.", evidence, steps, other_product=True)
    findings = list(_findings(evaluation))
    level = max((level for level, _ in findings), key=list(LEVELS).index)
    *first, last = (text for own, text in findings if own == level)
    reasons = f"{', '.join(first)} and {last}" if first else last
    details = [f"{text[0].upper()}{text[1:]}." for own, text in findings if own not in (level, "good")]
    return Advice(
        level,
        f"{LEVELS[level]}: {reasons}.",
        [*details, *_escapes_by_type(evaluation.metrics)],
        next_steps.for_errors(evaluation, MANY, UNSURE),
    )


def _findings(evaluation: Evaluation) -> Iterator[tuple[Level, str]]:
    """What the figures say of good parts, of defects, and of both, each with its level."""
    for error in _ERRORS:
        yield _finding(evaluation, error)
    reviewed = evaluation.metrics.get("good_review_rate")
    if reviewed is not None:
        text = f"{_whole(reviewed)} of the good parts are left to a review"
        yield ("doubtful" if reviewed >= HALF else "good"), text
    area = evaluation.metrics["image_auroc"]
    if area is not None and area < NO_BETTER_THAN_CHANCE:
        scale = f"image AUROC {area:.2f}; chance is 0.50"
        yield "useless", f"defects score hardly higher than good parts ({scale})"


def _finding(evaluation: Evaluation, error: _Error) -> tuple[Level, str]:
    """What the rate of an error says, with its level."""
    metrics, bound = evaluation.metrics, evaluation.provenance["threshold"]["upper_bound"]
    number, value = metrics["counts"][error.label], metrics[f"{error.name}_rate"]
    if value is None:
        counts = metrics["confusion"]
        rejects_all = error.label == "good" and not counts["escape"] + counts.get("defect_review", 0)
        reason = ", and perhaps it rejects every picture" if rejects_all else ""
        return "doubtful", f"no {error.part} was inspected{reason}"
    low, high = metrics[f"{error.name}_rate_low"], metrics[f"{error.name}_rate_high"]
    text = f"{_whole(value)} of the {error.part}s {error.many}"
    if not value:
        text = f"none of the {count(number, error.part)} {error.one}"
    if value >= HALF:
        return "useless", text
    if value >= MANY:
        return "doubtful", text
    if high >= UNSURE:
        return "doubtful", f"with {count(number, error.part)} inspected, up to {_whole(high)} may {error.may}"
    if error.label == "good" and bound is not None and low > bound:
        return "doubtful", f"{text}, more than the {percent(bound)} that the threshold promised at most"
    return "good", text


def _of_another_product(evaluation: Evaluation) -> list[str]:
    """The evidence that these pictures do not show the product that was learned, in sentences; or nothing.

    Most good parts, or most images where there are no good ones, are rejected, and: most images have another
    shape than those that were learned from, or most good parts score as far above the threshold as this is
    above a typical good part, or farther, but few of those that were held out do: else the threshold is too
    low, or a classifier weak. Defects alone may be gross ones: their scores are no evidence.
    """
    metrics, scores = evaluation.metrics, evaluation.scores
    good = (scores["label"] == "good").to_numpy()
    counted = good if good.any() else np.ones(len(scores), np.bool_)
    rejected = (scores["decision"] == "reject").to_numpy()
    if not len(scores) or rejected[counted].mean() <= HALF:
        return []
    sentences = []
    other = metrics["other_shape"]
    if other > len(scores) / 2:
        sizes = evaluation.provenance["sizes"]
        learned = " to ".join(dict.fromkeys(f"{sizes[at]} x {sizes[at + 1]}" for at in (0, 2)))
        sentences.append(
            f"{other} of {len(scores)} pictures have another aspect ratio or size than those that it learned "
            f"from ({learned} pixels, height x width)."
        )
    line = 2 * metrics["threshold"] - float(np.median(evaluation.held_out))
    farther = scores["score"].to_numpy()[good] > line
    if good.any() and farther.mean() > HALF and (evaluation.held_out > line).mean() < MANY:
        sentences.append(
            f"{farther.sum()} of {count(int(good.sum()), 'good part')} score far above the threshold: "
            "at least as far as it is above a typical good part."
        )
    if sentences and metrics["confusion"]["true_reject"]:
        share = _whole(rejected[~good].mean())
        sentences.append(
            f"That {share} of the defects are rejected says nothing about defects: the inspector would "
            "reject any such picture."
        )
    return sentences


def _escapes_by_type(metrics: dict[str, Any]) -> list[str]:
    """Name the types of which most escape, where there are several types and one stands out."""
    types, rate = metrics["per_defect"], metrics["escape_rate"]
    worst = sorted(
        (name for name in types if types[name]["escape_rate"] > rate),
        key=lambda name: -types[name]["escape_rate"],
    )
    if len(types) < 2 or not worst:
        return []
    escapes = [
        f"{name} {round(found['escape_rate'] * found['count'])} of {found['count']}"
        for name, found in ((name, types[name]) for name in worst[:3])
    ]
    return [f"Defects that escape most: {', '.join(escapes)}."]


def _whole(share: float) -> str:
    """Write a share in whole percent, unless that would be none or all of something that is not."""
    return percent(share) if 0 < share < 0.01 or 0.99 < share < 1 else f"{100 * share:.0f} %"
