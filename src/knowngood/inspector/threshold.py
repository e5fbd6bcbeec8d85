"""Move an inspector's threshold, without fitting it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from knowngood.data.class_names import class_of_each
from knowngood.data.samples import check_samples, fingerprint, load_samples
from knowngood.errors import DataError, RecipeError
from knowngood.inspector.inspector import Inspector
from knowngood.metrics import thresholds
from knowngood.types import Progress, silent

RULES = "f1-max, youden, even-odds, recall=0.99, cost=1:20 or cost=1:20,TYPE:100"


def threshold_at(inspector: Inspector, max_false_reject: float) -> Inspector:
    """Set the threshold for a false-reject rate, from the good scores that the inspector carries.

    Args:
        inspector: It is not changed.
        max_false_reject: Share of good parts that may be rejected, between 0 and 1.

    Returns:
        The same inspector with another threshold.

    Raises:
        RecipeError: The rate is not between 0 and 1.
    """
    chosen = thresholds.conformal(inspector.manifest.held_out, max_false_reject)
    return inspector.with_threshold(chosen, validation=[])


def threshold_by_rule(
    inspector: Inspector, rule: str, validation: str | Path | pd.DataFrame, *, progress: Progress = silent
) -> Inspector:
    """Set the threshold from labelled images.

    Images that the inspector learned from are left out, and the others are remembered: evaluating on them
    later gives a warning.

    Args:
        inspector: It is not changed.
        rule: `f1-max`, `youden`, `even-odds` (a part is as likely good as defective), `recall=R` (at least
            that share of defects is rejected), `cost=F:E` (the cost of a false reject and of an escape) or
            `cost=F:E,TYPE:E,...` (with the cost of an escape of some defect types).
        validation: A folder, a table file or a table; all its labelled images are used, whatever their split.
        progress: Called during long work.

    Returns:
        The same inspector with another threshold.

    Raises:
        RecipeError: The rule is not known.
        DataError: There are no good images or no defects, or some cannot be read.
    """
    name, _, argument = rule.partition("=")
    argument, *of_types = argument.split(",")
    numbers = _numbers(argument.split(":") if argument else [], rule)
    if (name, len(numbers)) not in {
        ("f1-max", 0),
        ("youden", 0),
        ("even-odds", 0),
        ("recall", 1),
        ("cost", 2),
    } or (of_types and name != "cost"):
        raise RecipeError(f"rule {rule!r} is not known; take {RULES}")
    prices = {kind: _numbers([cost], rule)[0] for kind, _, cost in (one.rpartition(":") for one in of_types)}
    if (name == "recall" and not 0 < numbers[0] <= 1) or (
        name == "cost" and min(*numbers, *prices.values()) <= 0
    ):
        raise RecipeError(f"rule {rule!r} is out of range; a recall lies above 0 and up to 1, costs above 0")
    table = check_samples(validation) if isinstance(validation, pd.DataFrame) else load_samples(validation)
    digests = pd.Series(fingerprint(list(table["path"])), index=table.index)
    unseen = ~digests.isin(inspector.manifest.training)
    table = table[unseen]
    scores = []
    for verdict in inspector.stream(list(table["path"])):
        scores.append(verdict.score)
        progress("judging validation images", len(scores), len(table))
    defect = (table["label"] == "defect").to_numpy()
    if name == "f1-max":
        chosen = thresholds.f1_max(defect, scores)
    elif name == "youden":
        chosen = thresholds.youden(defect, scores)
    elif name == "even-odds":
        chosen = thresholds.even_odds(defect, scores)
    elif name == "recall":
        chosen = thresholds.recall(defect, scores, *numbers)
    else:
        kinds = class_of_each(table).to_numpy()
        if absent := sorted(prices.keys() - set(kinds)):
            raise DataError(f"no validation image is of the defect type {absent[0]!r}, which the rule names")
        of_each = np.array([prices.get(kind, numbers[1]) for kind in kinds])
        chosen = thresholds.lowest_cost(defect, scores, numbers[0], of_each)
    words = (
        f"{chosen.rule}, on {int((~defect).sum())} good and {int(defect.sum())} defective validation images"
    )
    return inspector.with_threshold(dataclasses.replace(chosen, rule=words), validation=list(digests[unseen]))


def _numbers(texts: Sequence[str], rule: str) -> list[float]:
    """The numbers in a rule."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise RecipeError(f"rule {rule!r} is not known; take {RULES}") from None
