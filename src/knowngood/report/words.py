"""Numbers as text, and the verdict and the threshold of an evaluation in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from knowngood.metrics.review import GOOD, Review
from knowngood.metrics.thresholds import BY_HAND, OWN_ODDS

MISSING = "–"

_LABELLED = " defective "  # in the rule of a threshold that was chosen on labelled images


def percent(share: float | None) -> str:
    """Write a share in percent, with one decimal or, where that would be zero, with its first digit.

    Example:
        >>> percent(0.05), percent(0.0002), percent(None)
        ('5.0 %', '0.02 %', '–')
    """
    if share is None:
        return MISSING
    return f"{100 * share:.1f} %" if share == 0 or share >= 0.0005 else f"{100 * share:.1g} %"


def decimal(value: float | None, digits: int = 4) -> str:
    """Write a metric in [0, 1], such as an AUROC, with some decimals.

    Example:
        >>> decimal(0.98765), decimal(None)
        ('0.9877', '–')
    """
    return MISSING if value is None else f"{value:.{digits}f}"


def score(value: float | None) -> str:
    """Write a number of any size, such as an image score, with four digits or as a longer whole number.

    Example:
        >>> score(3.21456), score(123456.7)
        ('3.215', '123,457')
    """
    if value is None:
        return MISSING
    return f"{value:.4g}" if abs(value) < 9999.5 else f"{value:,.0f}"


def argument(path: str, instead: str) -> str:
    """Write a path for a command line, or a word where it is not known.

    Example:
        >>> argument("my parts/", "FOLDER"), argument("", "FOLDER")
        ("'my parts/'", 'FOLDER')
    """
    return shlex.quote(path) if path else instead


def count(number: int, noun: str) -> str:
    """Write a number with its noun, given in the singular.

    Example:
        >>> count(1, "defect"), count(40, "defect")
        ('1 defect', '40 defects')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Write names as a list.

    Example:
        >>> listed(["padim"]), listed(["padim", "knn", "gaussian"])
        ('padim', 'padim, knn and gaussian')
    """
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def pixel_figures(metrics: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Write the name and the value of each figure of the pixels, by its key; empty where there are none.

    sPRO is among them where it differs from AUPRO: where masks are several, or have a saturation.

    Example:
        >>> known = dict.fromkeys(("pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_aupro"), 0.9)
        >>> known |= {"pixel_aupro_5": 0.5, "pixel_spro_5": 0.5, "pixel_f1_max_threshold": 3.2}
        >>> list(pixel_figures(known | {"pixel_aupimo": None}).values())[-3:]
        [('AUPRO to 30 %', '0.9000'), ('AUPRO to 5 %', '0.5000'), ('AUPIMO', '–')]
    """
    if metrics["pixel_auroc"] is None:
        return {}
    names = {
        "pixel_auroc": "pixel AUROC",
        "pixel_ap": "pixel AP",
        "pixel_f1_max": f"pixel F1-max (at {score(metrics['pixel_f1_max_threshold'])})",
        "pixel_aupro": "AUPRO to 30 %",
        "pixel_aupro_5": "AUPRO to 5 %",
        "pixel_spro_5": "sPRO to 5 %",
        "pixel_aupimo": "AUPIMO",
    }
    if metrics["pixel_spro_5"] == metrics["pixel_aupro_5"]:
        del names["pixel_spro_5"]
    return {key: (name, decimal(metrics[key])) for key, name in names.items()}


def interval(metrics: Mapping[str, Any], rate: str) -> str:
    """Write the 95 % interval of a rate, ``"false_reject_rate"`` or ``"escape_rate"``, in percent.

    Example:
        >>> interval({"escape_rate_low": 0.0006, "escape_rate_high": 0.1316}, "escape_rate")
        '0.1–13.2 %'
    """
    return range_of(metrics[f"{rate}_low"], metrics[f"{rate}_high"])


def range_of(low: float, high: float) -> str:
    """Write a range of shares, in percent.

    Example:
        >>> range_of(0.0006, 0.1316)
        '0.1–13.2 %'
    """
    return f"{percent(low).removesuffix(' %')}–{percent(high)}"


def verdict(metrics: Mapping[str, Any]) -> str:
    """Describe in one or a few sentences how many good parts were rejected, and how many defects escaped.

    Example:
        >>> metrics = {"counts": {"good": 0, "defect": 40, "unreadable": 0}, "escape_rate": 0.0}
        >>> metrics |= {"escape_rate_low": 0.0, "escape_rate_high": 0.0881}
        >>> verdict(metrics | {"confusion": {"false_reject": 0, "escape": 0}})
        'There were no good parts to inspect. Of 40 defects none escaped (0.0 %, 95 % interval 0.0–8.8 %).'
    """
    good, defect, unreadable = (metrics["counts"][label] for label in ("good", "defect", "unreadable"))
    rejected, escaped = (metrics["confusion"][error] for error in ("false_reject", "escape"))
    reviews = {label: _reviewed(metrics, label) for label in ("good", "defect")}
    sentences = ["There were no good parts to inspect.", "There were no defects to inspect."]
    if good:
        rejects = f"{rejected or 'none'} {_were(rejected)} rejected"
        extent = _extent(metrics, "false_reject_rate")
        sentences[0] = f"Of {count(good, 'good part')} {rejects} {extent}{reviews['good']}."
    if defect:
        extent = _extent(metrics, "escape_rate")
        sentences[1] = (
            f"Of {count(defect, 'defect')} {escaped or 'none'} escaped {extent}{reviews['defect']}."
        )
    sentences += _correct_types(metrics)
    if unreadable:
        were = _were(unreadable)
        sentences.append(f"{count(unreadable, 'image')} could not be read and {were} not inspected.")
    return " ".join(sentences)


def decided_alone(metrics: Mapping[str, Any]) -> str:
    """Write the errors among the parts that were not left to a review.

    Example:
        >>> counts = {"true_accept": 9, "false_reject": 1, "escape": 0, "true_reject": 8}
        >>> decided_alone({"confusion": counts | {"good_review": 2, "defect_review": 1}})
        'Of the parts that were decided, 1 of 10 good parts (10.0 %) and 0 of 8 defects (0.0 %) got the wrong answer.'
    """  # noqa: E501 - what is printed is one line
    found = metrics["confusion"]
    errors = [
        f"{wrong} of {count(right + wrong, noun)} ({percent(wrong / (right + wrong))})"
        for wrong, right, noun in (
            (found["false_reject"], found["true_accept"], "good part"),
            (found["escape"], found["true_reject"], "defect"),
        )
        if right + wrong
    ]
    if not errors:
        return "No part was decided."
    return f"Of the parts that were decided, {' and '.join(errors)} got the wrong answer."


def review_basis(review: Mapping[str, Any]) -> str:
    """Describe in a sentence how the line for review was set, and its bound.

    Example:
        >>> from dataclasses import asdict
        >>> from knowngood.metrics.review import review_by_rate
        >>> print(review_basis(asdict(review_by_rate([*range(99)], 94.0, 0.1))))
        Parts above 84 are reviewed, by the rule “good parts to review at most 0.1”; from 99 held-out good parts, at 95 % confidence at most 16.5 % of good parts are reviewed.
    """  # noqa: E501 - what is printed is one line
    line = Review(**review)
    source = "held-out good part" if line.label == GOOD else "validation defect"
    rule = f"Parts above {score(line.value)} are reviewed, by the rule “{line.rule}”"
    return " ".join(filter(None, [f"{rule}; from {count(line.total, source)}, {line.promise}.", line.note]))


def basis(metrics: Mapping[str, Any], threshold: Mapping[str, Any]) -> str:
    """Describe in one or a few sentences how the threshold was set, and whether its bound held.

    Example:
        >>> threshold = {"value": 2, "rule": "given by hand", "held_out": 0, "upper_bound": None, "note": ""}
        >>> basis({"false_reject_rate_low": None}, threshold)
        'The threshold 2 was given by hand.'
    """
    rule, bound, low = threshold["rule"], threshold["upper_bound"], metrics["false_reject_rate_low"]
    images = count(threshold["held_out"], "held-out good part")
    at_most = f"with 95 % confidence it rejects at most {percent(bound)} of good parts"
    # A rule for labelled images names them and their number itself.
    labelled = _LABELLED in rule
    if rule == OWN_ODDS:
        said = f"A part is rejected where, according to the classifier, {rule}; from {images}, {at_most}."
    elif rule == BY_HAND:
        promise = f"; from {images}, {at_most}" if bound is not None else ""
        said = f"The threshold {score(threshold['value'])} was given by hand{promise}."
    else:
        source = f" from {images}" if threshold["held_out"] and not labelled else ""
        promise = f"; {at_most}" if bound is not None else ""
        if promise and labelled:
            promise += ", or somewhat more, because it was chosen on the same images"
        said = f"The threshold {score(threshold['value'])} was set{source} by the rule “{rule}”{promise}."
    sentences = [said, threshold["note"]]
    if bound is not None and low is not None and low > bound:
        besides = ": perhaps the threshold overfits the images it was chosen on" if labelled else ""
        sentences.append(f"The false-reject rate on the test images is above this bound{besides}.")
    return " ".join(filter(None, sentences))


def _correct_types(metrics: Mapping[str, Any]) -> list[str]:
    """Write how many rejected defects were assigned the correct type, if there are several types."""
    confusion = metrics.get("classifier", {}).get("confusion")
    if confusion is None or len(confusion["classes"]) <= 2:
        return []
    defects = [row[1:] for row in confusion["matrix"][1:]]
    rejected = sum(map(sum, defects))
    if not rejected:
        return []
    right = sum(row[place] for place, row in enumerate(defects))
    known = " of known types" if metrics["classifier"]["not_learned"] else ""
    assigned = f"{right or 'none'} {_were(right)} assigned the correct type ({percent(right / rejected)})"
    return [f"Of {count(rejected, 'rejected defect')}{known} {assigned}."]


def _reviewed(metrics: Mapping[str, Any], label: str) -> str:
    """Write how many good parts or defects were left to a review, where there is a line for it."""
    if metrics.get(f"{label}_review_rate") is None:
        return ""
    number = metrics["confusion"][f"{label}_review"]
    extent = _extent(metrics, f"{label}_review_rate")
    return f", and {number or 'none'} {_were(number or 1)} left to a review {extent}"


def _extent(metrics: Mapping[str, Any], rate: str) -> str:
    """Write a known rate with its interval, in brackets."""
    return f"({percent(metrics[rate])}, 95 % interval {interval(metrics, rate)})"


def _were(number: int) -> str:
    """Choose the verb that goes with a number."""
    return "was" if number == 1 else "were"
