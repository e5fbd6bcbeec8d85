"""What the study `kaist` found, in sentences that are computed from its table of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from knowngood.report.words import percent
from knowngood.studies.kaist_measures import (
    ACCURACY,
    ANOMALIES,
    AUROC,
    HOT,
    NORMAL_DIGITS,
    SEPARATION,
    Outputs,
    confidence_at,
)

SMALL, ROTNET, OURS = "small-", "rotnet", ("cnn", "rotation", "rotation-moved")
"""Methods: how the names of the document's begin, classifiers and RotNets, and the names of our own."""

MSP, HOT_MSP = f"{AUROC}, msp", f"{AUROC}, msp at temperature {HOT:g}"
FITTED = "fitted temperature"
ERROR, FITTED_ERROR = "calibration error, temperature 1", "calibration error, fitted temperature"


class Means:
    """The means over all seeds by method and figure, and how far seeds are apart."""

    def __init__(self, figures: pd.DataFrame) -> None:
        cases = zip(figures["task"], figures["figure"], strict=True)
        self.values = dict(zip(cases, zip(figures["value"], figures["sd"], strict=True), strict=True))

    def __call__(self, task: str, figure: str) -> float:
        """Return a mean."""
        return float(self.values[task, figure][0])

    def spread(self, task: str, figure: str) -> float:
        """Return the standard deviation over the seeds; 0 for one seed."""
        return float(np.nan_to_num(self.values[task, figure][1]))

    def written(self, task: str, figure: str, digits: int = 3) -> str:
        """Write a mean with its standard deviation, or the value of the only seed."""
        mean, sd = self.values[task, figure]
        return f"{mean:.{digits}f}" + ("" if np.isnan(sd) else f" ± {sd:.{digits}f}")

    def best(self, tasks: Sequence[str], figure: str) -> str:
        """Return the method with the largest mean."""
        return max(tasks, key=lambda task: self(task, figure))


@dataclass(frozen=True, eq=False)
class Content:
    """What the slides show: the means over the seeds, and each method's first run by its name."""

    figures: pd.DataFrame
    shown: Mapping[str, Outputs]

    @property
    def means(self) -> Means:
        """The means by method and figure."""
        return Means(self.figures)

    @property
    def compared(self) -> bool:
        """Whether there are figures of the document."""
        return bool(self.figures["document"].notna().any())

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the methods."""
        return {name: one.title for name, one in self.shown.items()}

    @property
    def shares(self) -> dict[str, float]:
        """The classifiers of the document, with the share that each smooths its labels by."""
        return {
            name: float(one.recipe["label_smoothing"])
            for name, one in self.shown.items()
            if name.startswith(SMALL)
        }

    @property
    def smoothed(self) -> str:
        """The classifier with the least smoothing above none, which the document shows temperatures of."""
        return min(self.shares, key=lambda name: (self.shares[name] == 0, self.shares[name]))

    @property
    def rotnets(self) -> list[str]:
        """The document's networks that predict rotations."""
        return [name for name in self.shown if name.startswith(ROTNET)]

    def some(self, *names: str) -> list[Outputs]:
        """Return the outputs of those methods that ran."""
        return [self.shown[name] for name in names if name in self.shown]


def direction(before: float, after: float, digits: int = 3) -> str:
    """Say how a figure changes, as far as its digits show it.

    Example:
        >>> direction(0.90, 0.85), direction(0.9001, 0.9002)
        ('falls from 0.900 to 0.850', 'stays at 0.900')
    """
    first, last = f"{before:.{digits}f}", f"{after:.{digits}f}"
    if first == last:
        return f"stays at {first}"
    return f"{'rises' if after > before else 'falls'} from {first} to {last}"


def agreement(figures: pd.DataFrame) -> str:
    """Say how many of the document's figures are within two standard deviations.

    Example:
        >>> agreement(pd.DataFrame({"document": [0.9, None], "apart": [-1.5, None]}))
        "1 of the document's 1 figures are within two standard deviations of the means here"
    """
    given = figures[figures["document"].notna()]
    within = given["apart"].abs() <= 2
    return (
        f"{int(within.sum())} of the document's {len(given)} figures are within two standard deviations of "
        "the means here"
    )


def disagreements(figures: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """Name the document's figures that are farther than two standard deviations from the means here."""
    apart = figures[figures["document"].notna() & (figures["apart"].abs() > 2)]
    named = [
        f"{titles[row['task']]}, {row['figure']}: {row['document']:.3f} there, {row['value']:.3f} ± "
        f"{row['sd']:.3f} here"
        for row in apart.to_dict("records")
    ]
    return [f"Farther apart are {'; '.join(named)}."] if named else []


def smoothing_words(means: Means, shares: Mapping[str, float]) -> list[str]:
    """Say what label smoothing changes; `shares` are the methods with the share that each smooths."""
    none, most = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    best = means.best(list(shares), MSP)
    normal, strange = (
        direction(means(none, confidence_at(1.0, images)), means(most, confidence_at(1.0, images)))
        for images in (NORMAL_DIGITS, ANOMALIES)
    )
    return [
        "Label smoothing changes the targets of the training, so each share needs a training of its own. "
        f"From {shares[none]:g} to {shares[most]:g} the mean confidence {normal} on normal digits and "
        f"{strange} on anomalies.",
        "The features are others too: the distance between class centres, over that within classes, "
        f"{direction(means(none, SEPARATION), means(most, SEPARATION), 2)}.",
        f"The image AUROC of msp is highest with smoothing {shares[best]:g}: {means.written(best, MSP)}; "
        f"with smoothing {shares[none]:g} it is {means.written(none, MSP)}.",
    ]


def temperature_words(means: Means, task: str, shares: Mapping[str, float]) -> list[str]:
    """Say what a temperature changes in a network that was trained with a share of smoothing."""
    normal, strange = (
        direction(means(task, confidence_at(1.0, images)), means(task, confidence_at(HOT, images)))
        for images in (NORMAL_DIGITS, ANOMALIES)
    )
    error = direction(means(task, ERROR), means(task, FITTED_ERROR))
    return [
        "A temperature divides the logits of a network that is already trained (smoothing "
        f"{shares[task]:g}): predictions and features stay the same. At temperature {HOT:g} the mean "
        f"confidence {normal} on normal digits and {strange} on anomalies; the image AUROC of msp "
        f"{direction(means(task, MSP), means(task, HOT_MSP))}.",
        "It can be fitted on held-out normal digits without another training: its mean over the seeds is "
        f"{means(task, FITTED):.2f}. With it the calibration error {error}.",
    ]


def most_smoothing_words(means: Means, shares: Mapping[str, float]) -> tuple[str, list[str]]:
    """Say what the largest share of smoothing shows beside the next smaller one: a title, and sentences."""
    fewer, most = sorted(shares, key=shares.__getitem__)[-2:]
    gain = means(most, MSP) - means(fewer, MSP)
    apart = max(means.spread(fewer, MSP), means.spread(most, MSP))
    verdict = "about as well as" if abs(gain) <= apart else "better than" if gain > 0 else "worse than"
    name, other = f"smoothing {shares[most]:g}", f"{shares[fewer]:g}"
    normal, strange = (confidence_at(1.0, images) for images in (NORMAL_DIGITS, ANOMALIES))
    before_gap, gap = (means(task, normal) - means(task, strange) for task in (fewer, most))
    accuracy, before = (percent(means(task, ACCURACY)) for task in (most, fewer))
    apart_by = direction(means(fewer, SEPARATION), means(most, SEPARATION), 2)
    written = [means.written(task, MSP) for task in (most, fewer)]
    over = " (mean and standard deviation over the seeds)" if "±" in written[0] else ""
    return f"{name.capitalize()} separates anomalies {verdict} {other}", [
        f"The image AUROC of msp is {written[0]} with {name} and {written[1]} with {other}{over}.",
        f"The mean confidence on normal digits {direction(means(fewer, normal), means(most, normal))}, that "
        f"on anomalies {direction(means(fewer, strange), means(most, strange))}: the gap between both "
        f"{direction(before_gap, gap)}.",
        f"The accuracy on normal test digits is {accuracy}, with {other} {before}. The distance between "
        f"class centres, over that within classes, {apart_by}.",
    ]


def rotation_words(means: Means, plain: str, moved: str) -> list[str]:
    """Compare two networks that predict rotations, the second trained on digits that were moved."""
    distance = f"{AUROC}, distance"
    right, then = (percent(means(task, ACCURACY)) for task in (plain, moved))
    return [
        f"The circular distance of RotNet's predictions reaches an image AUROC of "
        f"{means.written(plain, distance)}; trained on digits that are moved at random, "
        f"{means.written(moved, distance)}. It predicts {right} of the rotations of normal digits, then "
        f"{then}.",
    ]


def score_areas(figures: pd.DataFrame) -> pd.DataFrame:
    """Select the image AUROCs of those scores that detectors have, with the column `score`.

    Scores whose names have several words are variants of this study; one knows which images are anomalies.
    """
    named = figures.assign(score=figures["figure"].str.removeprefix(f"{AUROC}, "))
    return named[(named["score"] != named["figure"]) & ~named["score"].str.contains(" ")]


def best_words(figures: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """Name the method and the score with the highest mean AUROC."""
    best = score_areas(figures).sort_values("value").iloc[-1].to_dict()
    title = titles[best["task"]]
    return f"The highest image AUROC of all is {best['value']:.3f}: {title}, score {best['score']}."
