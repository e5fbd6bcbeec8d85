"""Whether a line may be released: what was asked, what a sample supports, and what it does not show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from knowngood.capability.gauge import Gauge
from knowngood.capability.page import Answer
from knowngood.capability.pod import Pod
from knowngood.data.class_names import class_of_each
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.rates import clopper_pearson_upper, enough
from knowngood.report.advice import advice
from knowngood.report.words import count, listed, percent

GOOD = "good"

SHOWN, OPEN, MISSED = "shown", "not shown", "missed"
"""What a sample says of a limit: its bound is within it, only the rate is, or not even that."""


class Asked(NamedTuple):
    """What a line must reach: the largest share of good parts that it rejects, the largest share of the
    defects of each type that it accepts, and the confidence with which both must be shown.
    """

    max_false_reject: float
    max_escape: float
    confidence: float


def bounds_of(files: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """What the test images support, see `knowngood.capability.proof.Proof.bounds`; empty cells are None."""
    good = files["label"] == GOOD
    accepted = files["decision"] == "accept"
    units = pd.DataFrame({"what": class_of_each(files), "part": files["part"], "wrong": good ^ accepted})
    parts = units.groupby(["what", "part"], sort=False)["wrong"].any()
    types = [name for name in dict.fromkeys(units["what"]) if name != GOOD]
    rows = []
    for what in [GOOD, *(sorted(types) or ["defect"])]:
        limit = asked.max_false_reject if what == GOOD else asked.max_escape
        own = parts[parts.index.get_level_values("what") == what]
        total, errors = len(own), int(own.sum())
        rate = errors / total if total else None
        bound = clopper_pearson_upper(errors, total, asked.confidence) if total else None
        within = bound is not None and bound <= limit
        state = SHOWN if within else OPEN if rate is None or rate <= limit else MISSED
        rows.append([what, total, errors, rate, bound, limit, enough(limit, asked.confidence, errors), state])
    columns = ["what", "parts", "errors", "rate", "bound", "limit", "needed", "state"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def in_words(row: pd.Series, confidence: float) -> str:
    """A row of `Proof.bounds` as a sentence.

    Example:
        >>> row = pd.Series(["dent", 10, 0, 0.0, 0.26, 0.1, 29, OPEN],
        ...     index=["what", "parts", "errors", "rate", "bound", "limit", "needed", "state"])
        >>> print(in_words(row, 0.95))
        Not shown: 0 of 10 dent accepted (0.0 %; with 95 % confidence at most 26.0 %; limit: at most 10.0 %); 29 parts with 0 errors would show it.
    """  # noqa: E501 - what is printed is one line
    noun, verb = ("good parts", "rejected") if row["what"] == GOOD else (row["what"], "accepted")
    if not row["parts"]:
        return (
            f"Not shown: no {noun} was in the test; {row['needed']:,} parts without an error would show it."
        )
    bound = f"with {100 * confidence:g} % confidence at most {percent(row['bound'])}"
    said = (
        f"{row['state'].capitalize()}: {row['errors']} of {row['parts']} {noun} {verb} "
        f"({percent(row['rate'])}; {bound}; limit: at most {percent(row['limit'])})"
    )
    if row["state"] == OPEN:
        said += f"; {row['needed']:,} parts with {count(row['errors'], 'error')} would show it"
    return f"{said}."


class _Reason(NamedTuple):
    """Why a line may not be released, or not yet: in short, and in a sentence."""

    final: bool
    short: str
    sentence: str


def answer_of(
    bounds: pd.DataFrame,
    asked: Asked,
    evaluation: Evaluation,
    study: Gauge | None,
    files: pd.DataFrame,
    inspector: Inspector,
) -> Answer:
    """Say whether the line may be released: when nothing speaks against it."""
    reasons = [*_of_the_test(evaluation, files, inspector), *_of_limits(bounds)]
    if study is not None and study.answer.level != "good":
        final = study.answer.level == "useless"
        words = study.answer.headline.removeprefix("May the line be released? ")
        reasons.append(_Reason(final, "the gauge study", f"Of the gauge study: {words}"))
    states = [in_words(row, asked.confidence) for _, row in bounds.iterrows()]
    details = [one.sentence for one in sorted(reasons, key=lambda one: not one.final) if one.sentence]
    details += sorted(states, key=lambda text: ("Missed", "Not", "Shown").index(text.split()[0].strip(":")))
    limits = (
        f"with {100 * asked.confidence:g} % confidence at most {percent(asked.max_false_reject)} of good "
        f"parts are rejected, and at most {percent(asked.max_escape)} of the defects of each type accepted"
    )
    question = "May the line be released?"
    details = [f"Asked was that {limits}.", *details]
    for final, level, word in ((True, "useless", "No"), (False, "doubtful", "Not yet")):
        if short := list(dict.fromkeys(one.short for one in reasons if one.final == final)):
            return Answer(level, f"{question} {word}, for these reasons: {listed(short)}.", tuple(details))
    return Answer("good", f"{question} Yes: {limits}.", tuple(details[1:]))


def _of_limits(bounds: pd.DataFrame) -> Iterator[_Reason]:
    """The limits that are missed or not shown."""
    for state, word in ((MISSED, "over the limit"), (OPEN, "too few parts")):
        names = list(bounds.loc[bounds["state"] == state, "what"])
        if GOOD in names:
            yield _Reason(state == MISSED, f"false rejects ({word})", "")
        if types := [name for name in names if name != GOOD]:
            shown = types if len(types) <= 3 else [*types[:2], f"{len(types) - 2} more types"]
            yield _Reason(state == MISSED, f"escapes of {listed(shown)} ({word})", "")


def _of_the_test(evaluation: Evaluation, files: pd.DataFrame, inspector: Inspector) -> Iterator[_Reason]:
    """What is wrong with the test itself."""
    follows, manifest = advice(evaluation), inspector.manifest
    if follows.other_product:
        yield _Reason(True, "probably pictures of another product", follows.headline)
    values = files["score"].to_numpy(np.float64)
    if len(values) > 1 and np.ptp(values) == 0:
        sentence = f"All {len(values)} test images have the score {values[0]:.4g}: nothing is distinguished."
        yield _Reason(True, "all scores are the same", sentence)
    own = {digest[:16] for digest in files["sha256"]}
    for known, words in (
        (manifest.training, "learned from"),
        (manifest.validation, "used for the threshold"),
    ):
        if number := len(own & set(known)):
            sentence = f"{count(number, 'test image')} were {words}: figures of such a test flatter."
            yield _Reason(True, f"test images that were {words}", sentence)
    if evaluation.unreadable:
        sentence = f"{count(len(evaluation.unreadable), 'file')} of the test could not be read."
        yield _Reason(False, "files that cannot be read", sentence)
    if evaluation.metrics["exchangeability"]["exchangeable"] is False:
        sentence = next(text for text in evaluation.metrics["warnings"] if "good test images" in text)
        yield _Reason(False, "good test images unlike the held-out ones", sentence)
    if manifest.apart:
        yield _Reason(False, "good images of several distributions", manifest.apart[0])


def not_shown(
    bounds: pd.DataFrame,
    asked: Asked,
    evaluation: Evaluation,
    study: Gauge | None,
    sizes: Pod | str,
    files: pd.DataFrame,
) -> Iterator[str]:
    """What the sample does not show, in sentences."""
    for parts in dict.fromkeys(bounds["parts"].astype(int)):
        rows = bounds[bounds["parts"] == parts]
        types = [str(what) for what in rows["what"] if what != GOOD]
        nouns = listed(["good parts"] * (len(types) < len(rows)) + [", ".join(types)] * bool(types))
        if not parts:
            yield f"Anything about {nouns}: there were none in the test."
        else:
            least = percent(clopper_pearson_upper(0, parts, asked.confidence))
            yield f"Rates below {least} for {nouns}: {parts} of each cannot show less, even without an error."
    yield "Defects of types that are not in the test: an inspector may detect them or not."
    if study is None:
        yield (
            "Whether a part is decided alike when it is placed and taken again, and whether another station "
            "or operator decides alike: no gauge study was given (--gauge)."
        )
    else:
        yield from study.notes
    days = sorted(set(files["day"]) - {""})
    if len(days) < 2:
        known = f"all test images are of {days[0]}, by their files" if days else "no image has a date"
        yield f"Whether another day, batch or lamp changes anything: {known}."
    if isinstance(sizes, str):
        yield f"From which size on a defect is detected: {sizes}."
    if evaluation.metrics["pixel_auroc"] is None:
        reason = evaluation.metrics["notes"].get("pixel_auroc", "there are no maps or masks")
        yield f"Whether the place of a defect is found: {reason}."
    if files["part"].nunique() == len(files):
        yield "Which images show the same part: each counts as a part of its own, without a column group."
    yield "Whether labels are right: who decided what is good and what is a defect is not in the data."
