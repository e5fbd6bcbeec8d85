"""Answers to the questions of a study of reconstructions, in sentences that are computed from tables.

The tables are those of `knowngood.report.reconstruction`: the in-class, then the out-of-class samples.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from knowngood.metrics.ranking import auroc
from knowngood.metrics.thresholds import Threshold
from knowngood.report.reconstruction import Tables
from knowngood.report.words import percent, score

_RESEMBLES = ((0.99, "Nearly"), (0.8, "In part"))
"""The least image AUROC at which two histograms resemble the ideal so far."""


def above_all(in_class: pd.DataFrame, out_of_class: pd.DataFrame) -> int:
    """Count the out-of-class samples that score above every in-class sample."""
    highest = max(in_class["score"], default=-np.inf)
    return int((out_of_class["score"] > highest).sum())


def separation(tables: Tables) -> str:
    """Describe in one sentence how well the scores separate the two classes.

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [2.0, 3.0]})
        >>> separation({"good": low, "bent": high})
        '1 of 2 bent samples score above every good validation sample'
    """
    (known, in_class), (strange, out_of_class) = tables.items()
    if out_of_class.empty:
        return f"There are no {strange} samples"
    above = above_all(in_class, out_of_class)
    return f"{above:,} of {len(out_of_class):,} {strange} samples score above every {known} validation sample"


def resembling(tables: Tables) -> str:
    """Say how well the scores separate the two classes: by their best samples, and by all pairs.

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [2.0, 3.0]})
        >>> resembling({"good": low, "bent": high}).partition("; ")[2]
        'the image AUROC of these samples is 0.8750'
    """
    area = _area(tables)
    return separation(tables) + ("" if area is None else f"; the image AUROC of these samples is {area:.4f}")


def resemblance(tables: Tables) -> str:
    """Answer whether the scores resemble the ideal: all in-class samples to the left of all others.

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [4.0, 5.0]})
        >>> resemblance({"1": low, "9": high}).partition("? ")[2]
        'Yes: the highest 1 score is 2, the lowest 9 score 4.'
    """
    (known, in_class), (strange, out_of_class) = tables.items()
    area = _area(tables)
    if area is None:
        return ""
    low, high = in_class["score"].to_numpy(), out_of_class["score"].to_numpy()
    highest, lowest = low.max(), high.min()
    asked = f"Does the plot resemble the ideal, every {known} sample to the left of every {strange} sample?"
    if highest < lowest:
        ends = f"the highest {known} score is {score(highest)}, the lowest {strange} score {score(lowest)}"
        return f"{asked} Yes: {ends}."
    word = next((word for least, word in _RESEMBLES if area >= least), "No")
    right, left = int((low >= lowest).sum()), int((high <= highest).sum())
    return (
        f"{asked} {word}: the image AUROC of these samples is {area:.4f} (1 is the ideal). {right:,} of "
        f"{len(low):,} {known} samples score as high as the lowest {strange} sample or higher, and {left:,} "
        f"of {len(high):,} {strange} samples no higher than the highest {known} sample."
    )


def _area(tables: Tables) -> float | None:
    """Return the image AUROC; None where a class has no sample."""
    scores = [table["score"].to_numpy() for table in tables.values()]
    if not all(map(len, scores)):
        return None
    return float(auroc(np.repeat([False, True], list(map(len, scores))), np.concatenate(scores)))


def criterion(tables: Tables, wanted: int) -> str:
    """Say whether as many out-of-class samples score above every in-class sample as are wanted.

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [2.0, 3.0]})
        >>> criterion({"good": low, "bent": high}, 2)[-19:]
        'not met, 1 of 2 do.'
    """
    (known, in_class), (strange, out_of_class) = tables.items()
    above = above_all(in_class, out_of_class)
    return (
        f"The document asks that at least {wanted} of the {strange} samples score above every {known} "
        f"validation sample: {'met' if above >= wanted else 'not met'}, {above} of {len(out_of_class)} do."
    )


def rejections(tables: Tables, threshold: Threshold) -> str:
    """Count the samples of each class that score above the threshold, the out-of-class samples first."""
    said = []
    for name, table in reversed(list(tables.items())):
        above = int((table["score"] > threshold.value).sum())
        said.append(f"{above:,} of {len(table):,} {name} samples")
    return f"{' and '.join(said)} score above it"


def threshold_words(threshold: Threshold, tables: Tables) -> list[str]:
    """Describe a threshold on the score in sentences: its value, how it was set, and its decisions.

    Example:
        >>> line = Threshold(3.0, "given by hand", None, 0, 0, None)
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [4.0, 5.0]})
        >>> threshold_words(line, {"good": low, "bent": high})[0]
        'The threshold is 3, by the rule “given by hand”.'
    """
    (known, in_class), (strange, out_of_class) = tables.items()
    said = [f"The threshold is {score(threshold.value)}, by the rule “{threshold.rule}”."]
    if threshold.requested is not None:
        said.append(
            f"It was set from {threshold.held_out:,} held-out good samples alone, without any {strange} "
            "sample: what defects look like is not known in advance."
        )
        bound = threshold.upper_bound
        at_most = "" if bound is None else f"; with 95 % confidence it is at most {percent(bound)}"
        said.append(f"The requested false-reject rate is {percent(threshold.requested)}{at_most}.")
    if len(in_class) and len(out_of_class):
        highest, lowest = in_class["score"].max(), out_of_class["score"].min()
        said.append(
            f"Any threshold from {score(highest)} to below {score(lowest)} would separate the classes "
            "without error, but choosing it takes out-of-class samples."
            if highest < lowest
            else f"No threshold separates the classes without error: the highest {known} score is "
            f"{score(highest)}, the lowest {strange} score {score(lowest)}."
        )
    return [*said, threshold.note] if threshold.note else said


def confusable(tables: Tables) -> str:
    """Describe whether an out-of-class sample can be recognised by its reconstruction alone.

    It cannot if the reconstruction is nearer to some in-class sample than to its own original, by the mean
    absolute difference. Samples without images do not count; the text is empty if a class has none.

    Example:
        >>> black = np.zeros((1, 1, 1), np.uint8)
        >>> table = pd.DataFrame({"original": [black], "reconstruction": [black / 255]})
        >>> confusable({"1": table, "9": table})
        'Every reconstruction of 9 samples is nearer to its own original than to any 1 sample.'
    """
    known, strange = tables
    in_class, out_of_class = (table[table["original"].notna()] for table in tables.values())
    if in_class.empty or out_of_class.empty:
        return ""
    originals = np.stack([image.reshape(-1) for image in in_class["original"]]).astype(np.float32) / 255
    mistaken = 0
    for row in out_of_class.to_dict("records"):
        rebuilt = row["reconstruction"].reshape(-1)
        own = np.abs(rebuilt - row["original"].reshape(-1) / 255).mean()
        mistaken += bool((np.abs(originals - rebuilt).mean(axis=1) < own).any())
    if not mistaken:
        nearer = "is nearer to its own original than to any"
        return f"Every reconstruction of {strange} samples {nearer} {known} sample."
    return (
        f"{mistaken:,} of {len(out_of_class):,} reconstructions of {strange} samples are nearer to some "
        f"{known} sample than to their original: of these the reconstruction alone does not show what they "
        "were."
    )
