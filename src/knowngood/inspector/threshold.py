"""Move an inspector's threshold, without fitting it again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each
from knowngood.data.held import Labels, sources_of
from knowngood.data.meanings import is_for_tests
from knowngood.data.samples import Samples, fingerprint, load_samples
from knowngood.data.seen import Seen
from knowngood.data.splits import SPLIT_MADE
from knowngood.errors import DataError, RecipeError, quoted
from knowngood.inspector.checked_graph import PIXELS
from knowngood.inspector.file import check_loaded
from knowngood.inspector.held_out import rows_by_part
from knowngood.inspector.inspector import Inspector
from knowngood.metrics import thresholds
from knowngood.notebook import followed
from knowngood.types import Progress

RULES = "f1-max, youden, even-odds, recall=0.99, cost=1:20 or cost=1:20,TYPE:100"

_RULES: dict[str, tuple[int, Callable[..., thresholds.Threshold]]] = {
    "f1-max": (0, thresholds.f1_max),
    "youden": (0, thresholds.youden),
    "even-odds": (0, thresholds.even_odds),
    "recall": (1, thresholds.recall),
    "cost": (2, thresholds.lowest_cost),
}
"""Each rule, with the number of numbers that it takes."""


def threshold_at(inspector: Inspector, max_false_reject: float) -> Inspector:
    """A copy of the inspector with the threshold for a false-reject rate, from its held-out scores.

    Raises:
        RecipeError: The rate is not between 0 and 1.
    """
    check_loaded(inspector)
    chosen = thresholds.conformal(inspector.manifest.held_out, max_false_reject)
    return inspector.with_threshold(chosen, validation=[])


def threshold_by_value(inspector: Inspector, value: float) -> Inspector:
    """A copy of the inspector with a given threshold; its bound comes from the held-out scores.

    Raises:
        RecipeError: The value is not a finite number.
    """
    check_loaded(inspector)
    return inspector.with_threshold(thresholds.given(inspector.manifest.held_out, value), validation=[])


def threshold_by_rule(
    inspector: Inspector,
    rule: str,
    validation: Samples,
    labels: Labels | None = None,
    *,
    anyway: bool = False,
    progress: Progress | None = None,
) -> Inspector:
    """A copy of the inspector with the threshold that a rule gives on labelled images.

    Images that the inspector learned from are left out, and the others are remembered: evaluating on them
    later gives a warning. Test images are refused, unless `anyway`: those of a test split, those in a folder
    of that name, and the rest of a data set whose split was made when the inspector was fitted to it. Of
    several photographs of a good part, which have one `group` in the table or look like copies, that with the
    highest score counts. The rules are `f1-max`, `youden`, `even-odds` (a part is as likely good as
    defective), `recall=R` (at least that share of defects is rejected), `cost=F:E` (the cost of a false
    reject and of an escape) and `cost=F:E,TYPE:E,...` (with the cost of an escape of some defect types).
    `validation` is a folder or a table, or images with their `labels`; see `knowngood.load_samples`.

    Raises:
        RecipeError: The rule is not known.
        DataError: There are no good images or no defects, some cannot be read, or are test images.
    """
    check_loaded(inspector)
    name, numbers, prices = _parsed(rule)
    progress = followed(progress)
    table = load_samples(validation, labels=labels)
    digests = pd.Series(fingerprint(sources_of(table), progress=progress), index=table.index)
    unseen = ~digests.isin([*inspector.manifest.training, *inspector.manifest.left_out.values()])
    if not unseen.any():
        raise DataError(
            "the inspector learned from all of these images; name others, with good and defective parts"
        )
    if not anyway:
        _check_no_test(table, unseen)
    table, scores, several = _one_per_good_part(inspector, table[unseen].reset_index(drop=True), progress)
    defect = (table["label"] == "defect").to_numpy()
    arguments: list[object] = list(numbers)
    if name == "cost":
        classes = class_of_each(table)
        if absent := sorted(prices.keys() - set(classes)):
            raise DataError(
                f"no validation image is of the defect type {quoted(absent[0])}, which the rule names"
            )
        arguments[1] = np.array([prices.get(defect_type, numbers[1]) for defect_type in classes])
    chosen = _RULES[name][1](defect, scores, *arguments)
    good = f"{int((~defect).sum())} good" + (" parts, each by its highest score," if several else "")
    rule = f"{chosen.rule}, on {good} and {int(defect.sum())} defective validation images"
    return inspector.with_threshold(dataclasses.replace(chosen, rule=rule), validation=list(digests[unseen]))


def _check_no_test(table: pd.DataFrame, unseen: pd.Series[bool]) -> None:
    """Refuse to choose a threshold on test images, among those that the inspector did not learn from."""
    if not table.attrs.get(SPLIT_MADE):
        is_test = table["split"] == "test"
        reason = "are of the test split"
    elif unseen.all():
        sources = sources_of(table)
        in_tests = [isinstance(one, str) and is_for_tests(Path(one).absolute()) for one in sources]
        is_test = pd.Series(in_tests, index=table.index)
        reason = "are in a folder of test images"
    else:
        is_test = unseen
        reason = "are the test images of the data set that the inspector was fitted to"
    if count := int((is_test & unseen).sum()):
        raise DataError(
            f"{count} of the {int(unseen.sum())} validation images {reason}: evaluating on them afterwards "
            "would flatter the inspector. Name other labelled images, or add --anyway (in Python anyway=True)"
        )


def _one_per_good_part(
    inspector: Inspector, table: pd.DataFrame, progress: Progress
) -> tuple[pd.DataFrame, NDArray[np.float64], bool]:
    """The samples that count, their scores, and whether some good parts have several."""
    seen, scores = Seen(len(table)), np.zeros(len(table))
    for verdict in inspector.stream(sources_of(table), extras=[PIXELS]):
        scores[verdict.index] = verdict.score
        seen(verdict.index, verdict.extras[PIXELS])
        progress("inspecting validation images", verdict.index + 1, len(table))
    good = np.flatnonzero(table["label"] == "good")
    parts = (table["group"] if "group" in table else pd.Series(seen.parts(good))).to_numpy()
    highest = [good[rows[0]] for rows in rows_by_part(scores[good], parts[good].tolist())]
    kept = np.sort(np.array([*highest, *np.flatnonzero(table["label"] == "defect")], np.int64))
    return table.iloc[kept].reset_index(drop=True), scores[kept], len(highest) < len(good)


def _parsed(rule: str) -> tuple[str, list[float], dict[str, float]]:
    """The name of a rule, its numbers, and the costs of an escape by defect type."""
    unknown = RecipeError(f"rule {quoted(rule)} is not known; take {RULES}")
    if not isinstance(rule, str):  # the images, where their order is mistaken
        raise unknown
    name, _, argument = rule.partition("=")
    argument, *types = argument.split(",")
    try:
        numbers = [float(text) for text in argument.split(":") if argument]
        prices = {
            defect_type: float(cost) for defect_type, _, cost in (text.rpartition(":") for text in types)
        }
    except ValueError:
        raise unknown from None
    if name not in _RULES or len(numbers) != _RULES[name][0] or (types and name != "cost"):
        raise unknown
    highest = 1 if name == "recall" else math.inf
    if not all(0 < number <= highest for number in (*numbers, *prices.values())):
        raise RecipeError(
            f"rule {quoted(rule)} is out of range; a recall is above 0 and at most 1, costs above 0"
        )
    return name, numbers, prices
