"""What to try after an evaluation, derived from its figures: each step is a sentence, most with a command."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knowngood.inspector.about import About
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.manifest import CLASSIFICATION
from knowngood.metrics.rates import enough
from knowngood.metrics.trade_off import ALLOWED, Decided
from knowngood.report.subject import inspector_argument
from knowngood.report.trade_off import choices
from knowngood.report.words import argument, count, percent

BEST = "patchcore"  # the default, and the most accurate detector in our measurements
LEAST_DEFECTS = 10  # of all types together, from which a classifier has something to learn
FEW_GOOD = 100  # held-out good parts below which the threshold depends on the one or two highest scores
WORTH = 0.75  # of the escapes, or of the false rejects, that another threshold may leave to be worth it
SMALLER = 0.8  # of a picture's side; a network's input below that loses detail
LARGEST_INPUT = 1024  # pixels per side that every detector accepts
_ONE_SIDED = 0.975  # the confidence of one end of a 95 % interval
_STEP = 32  # pixels to which a proposed input size is rounded
_WELL_RANKED = 0.95  # image AUROC from which the threshold is to blame for errors, not the scores


def for_another_product(about: About) -> list[str]:
    """Say what to do about pictures of another product.

    Example:
        >>> for_another_product(About())[0][:60]
        'Check that the test images show the product that the inspect'
    """
    test, inspector = about.test.name or "the test images", Path(about.inspector).name or "the inspector"
    show = "shows" if about.test.name else "show"
    learned = f" from {about.training.name}" if about.training.name else ""
    out = about.test.name.partition(".")[0] or "other"
    return [
        f"Check that {test} {show} the product that {inspector} learned{learned}, with the same camera, "
        "section and light.",
        f"For another product or camera, fit another inspector to its own good parts: "
        f"`knowngood fit {_data(about)} --out {shlex.quote(out)}.inspector`.",
    ]


def for_errors(evaluation: Evaluation, many: float, unsure: float) -> list[str]:
    """Say what may lessen the errors of an inspector, and what would make its figures surer.

    Args:
        evaluation: Of any inspector.
        many: The error rate from which something should be done.
        unsure: The end of an interval from which more images should be inspected.
    """
    metrics = evaluation.metrics
    escapes, rejects = metrics["escape_rate"] or 0.0, metrics["false_reject_rate"] or 0.0
    steps: list[str] = []
    if escapes >= many:
        of_scores = [*_more_detail(evaluation), *_learn_defects(evaluation), *_other_method(evaluation)]
        threshold = list(_lower_threshold(evaluation))
        ranked = (metrics["image_auroc"] or 0.0) >= _WELL_RANKED
        steps += [*threshold, *of_scores] if ranked else [*of_scores, *threshold]
    low, bound = metrics["false_reject_rate_low"], evaluation.provenance["threshold"]["upper_bound"]
    if low is not None and bound is not None and low > bound:
        steps.append(
            "More good parts are rejected than the threshold promised, so they differ from those that it "
            "learned from: if they are good, add some of the rejected ones to the training images and fit "
            "again; if the light or the camera changed, take new training images."
        )
    elif rejects >= many:
        steps += _higher_threshold(evaluation)
    held_out = len(evaluation.held_out)
    if max(escapes, rejects) >= many and held_out < FEW_GOOD:
        steps.append(
            f"Add good images: the threshold comes from {held_out} held-out good parts, and depends on the "
            "highest of their scores."
        )
    return [*steps, *_more_test_images(metrics, unsure)]


def _more_detail(evaluation: Evaluation) -> Iterator[str]:
    """Propose a finer look, or a larger input, where pictures or their tiles are reduced."""
    provenance = evaluation.provenance
    sizes, (height, width) = provenance["sizes"], provenance["input_shape"]
    height //= 1 + provenance["pairs"]  # which are read one below the other
    size, tiles = provenance["recipe"].get("input_size"), provenance["tiles"]
    rows, columns = tiles[:1] * 2 or provenance["cut_size"] or sizes[2:] or (0, 0)
    if size and math.sqrt(height * width) < SMALLER * math.sqrt(rows * columns):
        wanted = min(2 * size, math.sqrt(rows * columns), LARGEST_INPUT)
        wanted = max(_STEP, round(wanted / _STEP) * _STEP)
        if wanted > size:
            what, option = "tiles" if tiles else "pictures", f"`--set input_size={wanted}`"
            if provenance["task"] != CLASSIFICATION:
                option = _finer(provenance["detail"], option)
            yield (
                f"Give it more detail: {what} of {rows} x {columns} pixels are reduced to {height} x "
                f"{width}, in which small defects vanish. Fit with {option}."
            )


def _finer(asked: str, option: str) -> str:
    """The option for more detail than was asked for, in the words of a manifest, or else a larger input."""
    if asked.startswith("smallest defect"):
        return "a smaller `--smallest-defect`"
    return "`--detail normal`" if asked == "detail fast" else f"`--detail fine` or {option}"


def _other_method(evaluation: Evaluation) -> Iterator[str]:
    """Propose another detector: the best, or one for aligned parts, which have pictures of one size."""
    provenance = evaluation.provenance
    sizes = provenance["sizes"]
    if provenance["task"] == CLASSIFICATION or provenance["pairs"]:  # references are the best there is
        return
    if provenance["method"] != BEST:
        yield f"Try another detector: `{BEST}` instead of `{provenance['method']}` (`--detector {BEST}`)."
    elif sizes[:2] == sizes[2:]:
        yield (
            "Try another detector, such as `padim` where parts are always in the same position; "
            "`knowngood detectors` lists all."
        )


def _learn_defects(evaluation: Evaluation) -> Iterator[str]:
    """Propose to learn from defects, or from more of those that escape."""
    metrics = evaluation.metrics
    types, defects = metrics["per_defect"], metrics["counts"]["defect"]
    if evaluation.provenance["task"] == CLASSIFICATION:
        if types:
            name = max(types, key=lambda name: (types[name]["escape_rate"], types[name]["count"]))
            share = percent(types[name]["escape_rate"])
            yield f"Collect more defects of the type {name}, of which {share} escape, and train again."
    elif defects >= LEAST_DEFECTS:
        named = f" of {len(types)} types" if len(types) > 1 else ""
        yield (
            f"Learn from the {defects} defects{named} at hand: `knowngood train {_data(evaluation.about)} "
            "--out types.inspector` keeps some of them for its own test."
        )


def _lower_threshold(evaluation: Evaluation) -> Iterator[str]:
    """Say whether more false rejects would buy fewer escapes, by the trade-off on the test images."""
    now = evaluation.metrics["confusion"]["escape"]
    rows = [row for row in choices(evaluation) if row.threshold.value < evaluation.metrics["threshold"]]
    better = [row for row in rows if row.escape and row.escape.count <= WORTH * now]
    if better:
        yield f"{_moved(better[0], evaluation)}: {_counted(better[0])}, where {now} escaped."
    elif rows:
        yield (
            f"Another threshold alone helps little: with {100 * ALLOWED[-1]:g} % false rejects allowed, "
            f"{_counted(rows[-1])}."
        )


def _higher_threshold(evaluation: Evaluation) -> Iterator[str]:
    """Say what a higher threshold gives on the test images, where less than half of the defects escape it."""
    now = evaluation.metrics["confusion"]["false_reject"]
    rows = [row for row in choices(evaluation) if row.threshold.value > evaluation.metrics["threshold"]]
    better = [row for row in rows if row.false_reject and row.false_reject.count <= WORTH * now]
    useful = [row for row in better if not row.escape or row.escape.count < row.escape.total / 2]
    if useful:
        yield f"{_moved(useful[-1], evaluation)}: {_counted(useful[-1])}, where {now} were rejected."


def _moved(row: Decided, evaluation: Evaluation) -> str:
    """The command that moves the threshold."""
    file, rate = inspector_argument(evaluation.about), row.threshold.requested
    return f"Move the threshold (`knowngood threshold {file} --max-false-reject {rate:g}`)"


def _counted(row: Decided) -> str:
    """The errors of a row, in words."""
    parts = []
    if row.escape:
        parts.append(f"{row.escape.count} of {count(row.escape.total, 'defect')} escape")
    if row.false_reject:
        parts.append(f"{row.false_reject.count} of {count(row.false_reject.total, 'good part')} are rejected")
    return " and ".join(parts)


def _more_test_images(metrics: dict[str, Any], unsure: float) -> Iterator[str]:
    """Say how many more images would make a rate known."""
    for rate, noun, error in (
        ("false_reject_rate", "good part", "rejected"),
        ("escape_rate", "defect", "missed"),
    ):
        number, value, high = metrics["counts"][noun.split()[0]], metrics[rate], metrics[f"{rate}_high"]
        if value is None or (high >= unsure and value < unsure / 2):
            held = f"Add {noun}s to the test, which has {number or 'none'}"
            rest = f"would show that fewer than {100 * unsure / 4:g} % are {error}"
            yield f"{held}: {enough(unsure / 4, _ONE_SIDED)} without an error {rest}."


def _data(about: About) -> str:
    """Write where the test images are, for a command line."""
    return argument(about.test.path or about.test.name, "FOLDER")
