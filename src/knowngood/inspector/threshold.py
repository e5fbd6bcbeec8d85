"""Move an inspector's threshold, without fitting it again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd

from knowngood.data.samples import check_samples, fingerprint, load_samples
from knowngood.errors import RecipeError
from knowngood.inspector.inspector import Inspector
from knowngood.metrics import thresholds
from knowngood.types import Progress, silent

RULES = "f1-max, youden, even-odds, recall=0.99 or cost=1:20"


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
            that share of defects is rejected) or `cost=F:E` (the cost of a false reject and of an escape).
        validation: A folder, a table file or a table; all its labelled images are used, whatever their split.
        progress: Called during long work.

    Returns:
        The same inspector with another threshold.

    Raises:
        RecipeError: The rule is not known.
        DataError: There are no good images or no defects, or some cannot be read.
    """
    name, _, argument = rule.partition("=")
    try:
        numbers = [float(number) for number in argument.split(":")] if argument else []
    except ValueError:
        numbers = []
    if (name, len(numbers)) not in {
        ("f1-max", 0),
        ("youden", 0),
        ("even-odds", 0),
        ("recall", 1),
        ("cost", 2),
    }:
        raise RecipeError(f"rule {rule!r} is not known; take {RULES}")
    if (name == "recall" and not 0 < numbers[0] <= 1) or (name == "cost" and min(numbers) <= 0):
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
        chosen = thresholds.lowest_cost(defect, scores, *numbers)
    words = (
        f"{chosen.rule}, on {int((~defect).sum())} good and {int(defect.sum())} defective validation images"
    )
    return inspector.with_threshold(dataclasses.replace(chosen, rule=words), validation=list(digests[unseen]))
