"""What reconstructions say: where the threshold stands and why, and which class is rebuilt better."""

from __future__ import annotations

import numpy as np
import pandas as pd

from knowngood.metrics.thresholds import Threshold
from knowngood.report.words import score


def is_sum(table: pd.DataFrame) -> bool:
    """Whether the scores are sums of differences, so that a threshold is a line between sums.

    Example:
        >>> is_sum(pd.DataFrame({"score": [2.0], "sum_of_differences": [2.0]}))
        True
    """
    return bool(np.allclose(table["score"], table["sum_of_differences"], rtol=1e-3))


def above_all(in_class: pd.DataFrame, out_of_class: pd.DataFrame) -> int:
    """How many out-of-class samples have a higher score than every in-class sample.

    Example:
        >>> above_all(pd.DataFrame({"score": [1, 2]}), pd.DataFrame({"score": [2, 3]}))
        1
    """
    if in_class.empty:
        return len(out_of_class)
    return int((out_of_class["score"] > in_class["score"].max()).sum())


def separation(in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]) -> str:
    """Say in one sentence how far the two classes are apart.

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [2.0, 3.0]})
        >>> separation(low, high, ("good", "bent"))
        '1 of 2 bent lie above every good sample'
    """
    if out_of_class.empty:
        return f"There is no {names[1]} sample to compare with"
    above = above_all(in_class, out_of_class)
    return f"{above} of {len(out_of_class)} {names[1]} lie above every {names[0]} sample"


def threshold_words(
    threshold: Threshold, in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]
) -> list[str]:
    """Say where the threshold stands, why it stands there, and what it does.

    Args:
        threshold: The threshold on the score.
        in_class: From `knowngood.inspector.reconstructions.reconstructions`.
        out_of_class: Likewise.
        names: What they are called.

    Returns:
        Sentences.
    """
    said = [f"The threshold stands at {score(threshold.value)}: {threshold.rule}."]
    if threshold.requested is not None:
        said.append(
            f"It is set from {threshold.held_out} good images that were not learned from, and from no "
            f"{names[1]} sample, so that about {threshold.requested:.0%} of good ones are rejected"
            + (
                f"; with 95 % confidence no more than {threshold.upper_bound:.1%}."
                if threshold.upper_bound is not None
                else "."
            )
        )
    for table, name in ((out_of_class, names[1]), (in_class, names[0])):
        if len(table):
            above = int((table["score"] > threshold.value).sum())
            said.append(f"{above} of {len(table)} {name} samples lie above it.")
    if len(in_class) and len(out_of_class):
        highest, lowest = in_class["score"].max(), out_of_class["score"].min()
        said.append(
            f"Any line from {score(highest)} to {score(lowest)} would divide the two without error, but only "
            "who has seen the out-of-class samples could draw it there."
            if highest < lowest
            else "No line divides the two without error: the highest "
            f"{names[0]} sample has {score(highest)}, the lowest {names[1]} sample {score(lowest)}."
        )
    if threshold.note:
        said.append(threshold.note)
    return said


def taken_for(in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]) -> str:
    """Say whether one could tell from its reconstruction alone what an out-of-class sample is.

    One could not where the reconstruction is nearer to some in-class sample than to what it was made from, by
    the mean absolute difference. Samples whose images were not kept do not count; an empty text without any.

    Example:
        >>> import numpy as np
        >>> image = lambda grey: np.full((1, 1, 1), grey)
        >>> ones = pd.DataFrame({"original": [image(np.uint8(250))], "reconstruction": [image(1.0)]})
        >>> nines = pd.DataFrame({"original": [image(np.uint8(0))], "reconstruction": [image(0.9)]})
        >>> taken_for(ones, nines, ("1", "9")).partition(":")[0]
        '1 of 1 reconstructions of 9 samples are nearer to some 1 than to their original'
    """
    known = in_class[in_class["original"].notna()]
    strange = out_of_class[out_of_class["original"].notna()]
    if known.empty or strange.empty:
        return ""
    originals = np.stack([image.reshape(-1) for image in known["original"]]).astype(np.float32) / 255
    mistaken = 0
    for row in strange.to_dict("records"):
        rebuilt = row["reconstruction"].reshape(-1)
        own = np.abs(rebuilt - row["original"].reshape(-1) / 255).mean()
        mistaken += bool((np.abs(originals - rebuilt).mean(axis=1) < own).any())
    return (
        f"{mistaken} of {len(strange)} reconstructions of {names[1]} samples are nearer to some {names[0]} "
        "than to their original: from them alone one could not tell what it was."
    )


def likeness(
    in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]
) -> tuple[str, list[str]]:
    """Say which class looks more like its original when rebuilt, by structural similarity and difference.

    Returns:
        The finding in one sentence, and the numbers behind it.
    """
    numbers = [
        f"{name}: structural similarity {table['ssim'].mean():.3f} (1 is the same), mean difference "
        f"{table['mean_difference'].mean():.4f} of the full range, over {len(table)} samples."
        for table, name in ((in_class, names[0]), (out_of_class, names[1]))
        if len(table)
    ]
    if in_class.empty or out_of_class.empty:
        return "There is only one class, so nothing to compare", numbers
    more_similar = in_class["ssim"].mean() > out_of_class["ssim"].mean()
    nearer = in_class["mean_difference"].mean() < out_of_class["mean_difference"].mean()
    if more_similar != nearer:
        by_ssim, by_difference = (names[0] if first else names[1] for first in (more_similar, nearer))
        return (
            f"The measures disagree: {by_ssim} is rebuilt better by structure, {by_difference} by difference",
            numbers,
        )
    better, worse = names if more_similar else names[::-1]
    return f"Rebuilt, {better} looks more like its original than {worse}", numbers
