"""Problems that the figures of a study show, and what to do next about each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

import numpy as np

from knowngood.inspector.evaluation import Evaluation
from knowngood.metrics.classification import imbalance_ratio
from knowngood.metrics.rates import rate
from knowngood.report.exhibits import Table
from knowngood.report.words import count, percent

STEP = 0.02  # the step in which an accuracy may move before a problem is made of it
GAP = 0.05  # between the accuracies on training and on held-out images

_LINE = 56  # letters of a line of the table

Problem = tuple[str, str]
"""What is wrong, and what to do next."""


def problems_exhibit(evaluations: Mapping[str, Evaluation], spread: float | None) -> Table:
    """Show the problems of some methods and what to do next; the method that was chosen comes first.

    Args:
        evaluations: By the name of each method.
        spread: Standard deviation of the chosen method's accuracy over several draws of the images; None
            where it is unknown.
    """
    found = [*_in_training(evaluations), *_in_the_test(*next(iter(evaluations.items())), spread)]
    rows = [[textwrap.fill(text, _LINE) for text in problem] for problem in found]
    if not rows:
        nothing = "None of the problems that this study looks for is seen in its figures."
        rows = [[nothing, "Test on more images, taken on another day."]]
    title = f"{count(len(found), 'existing problem')} and what to do next"
    return Table(title, ["problem", "next step"], rows)


def _in_training(evaluations: Mapping[str, Evaluation]) -> Iterator[Problem]:
    """Find problems with held-out images, overfitting and imbalance."""
    gaps: dict[str, tuple[float, float]] = {}
    for method, evaluation in evaluations.items():
        record = evaluation.records.classifier
        assert record is not None
        held_out = np.bincount(record.truth, minlength=len(record.names))
        gaps[method] = record.train_accuracy, record.held_out_accuracy
        few = int(held_out.argmin())
        step = 1 / max(1, int(held_out[few]))
        if evaluation.records.training is not None and step > STEP:
            more = int(np.ceil(1 / STEP)) - int(held_out[few])
            name, number = record.names[few], count(int(held_out[few]), "image")
            yield (
                f"{method} holds out {number} of {name}: its validation accuracy, by which epochs are "
                f"compared, moves in steps of {percent(step)} there.",
                f"Hold out {more} more images of {name} for steps of {percent(STEP)}, or hold out each image "
                "once (cross-validation).",
            )
    worst = max(gaps, key=lambda method: gaps[method][0] - gaps[method][1])
    learned, held = gaps[worst]
    if learned - held > GAP:
        yield (
            f"{worst} is right on {percent(learned)} of its training images and on {percent(held)} of "
            "held-out ones: it overfits.",
            "More images; more augmentation or dropout; fewer trained layers; frozen features.",
        )


def _in_the_test(method: str, evaluation: Evaluation, spread: float | None) -> Iterator[Problem]:
    """Find problems with the errors and the size of the test of one method."""
    confusion, scores = evaluation.metrics["confusion"], evaluation.scores
    record = evaluation.records.classifier
    assert record is not None
    good, defects = (int((scores["label"] == label).sum()) for label in ("good", "defect"))
    escapes, alarms = int(confusion["escape"]), int(confusion["false_reject"])
    counts = record.counts[0], sum(record.counts[1:])
    if good and defects and imbalance_ratio(counts) >= 1.5:
        missed = {"good parts": alarms / good, "defects": escapes / defects}
        rare = "defects" if counts[1] < counts[0] else "good parts"
        other = next(name for name in missed if name != rare)
        if missed[rare] > missed[other]:
            yield (
                f"Training images are imbalanced ({counts[0]:,} good, {counts[1]:,} defective), and the "
                f"rarer class fares worse: {percent(missed[rare])} of the {rare} are misclassified, of the "
                f"{other} {percent(missed[other])}.",
                f"Collect {rare}; weigh classes otherwise (imbalance=...); move the threshold (knowngood "
                "threshold).",
            )
    if escapes:
        accepted = scores[(scores["label"] == "defect") & (scores["decision"] == "accept")]
        types = accepted["defect"].value_counts()
        name, missing = str(types.index[0]), int(types.iloc[0])
        of_type = int((scores["defect"] == name).sum())
        often = f", most often of type {name}: {missing} of {of_type}" if name and missing > 1 else ""
        yield (
            f"{method} accepts {escapes} of {count(defects, 'defect')}{often}.",
            f"Collect more images of {name or 'defects'}; try a larger input_size; look at heatmaps.",
        )
    if alarms:
        yield (
            f"{method} rejects {alarms} of {count(good, 'good part')}.",
            "Look at these parts: are their labels right? Add such parts to the training images.",
        )
    found = rate(good + defects - escapes - alarms, good + defects)
    interval = f"{percent(found.low)} to {percent(found.high)}"
    yield (
        f"The test has {count(good + defects, 'image')}: the 95 % interval of the accuracy is {interval}.",
        "Four times as many test images halve this interval.",
    )
    if spread:
        yield (
            f"The accuracy of {method} varies with the draw of the images by ±{percent(spread)}.",
            "Report a mean over several draws, as here, never a single run.",
        )
