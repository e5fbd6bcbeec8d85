"""What reconstructions say: where the threshold stands and why, and which class is rebuilt better."""

from __future__ import annotations

import numpy as np
import pandas as pd

from knowngood.metrics.thresholds import Threshold
from knowngood.report.words import percent, score
from knowngood.training.record import TrainingRecord


def is_sum(*tables: pd.DataFrame) -> bool:
    """Whether the scores are sums of differences, so that a threshold is a line between sums.

    Example:
        >>> is_sum(pd.DataFrame({"score": [2.0], "sum_of_differences": [2.0]}))
        True
    """
    return all(np.allclose(table["score"], table["sum_of_differences"], rtol=1e-3) for table in tables)


def loss_words(record: TrainingRecord, name: str) -> tuple[str, str]:
    """Say how far the loss fell, and which weights were kept.

    Args:
        record: How the network was trained; a validation loss that is NaN is not spoken of.
        name: What in-class samples are called; empty where the held-out ones are of all kinds.

    Returns:
        The finding, and a remark.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> record = TrainingRecord([], [Epoch(1, 0.5, 0.6), Epoch(2, 0.4, 0.7)], 1, 0.001, [0])
        >>> for text in loss_words(record, "good"):
        ...     print(text)  # doctest: +NORMALIZE_WHITESPACE
        The loss came to 0.5, on held-out samples to 0.6
        2 epochs, learning rate 0.001 at the start; the weights of epoch 1 were kept, whose loss on held-out
        good samples is the smallest.
    """
    losses = record.losses.set_index("epoch")
    kept, validation = losses.loc[record.best], losses["validation"]
    finding = f"The loss came to {kept['train']:.3g}"
    if np.isfinite(kept["validation"]):
        finding += f", on held-out samples to {kept['validation']:.3g}"
    remark = (
        f"{len(losses)} epoch{'s' * (len(losses) != 1)}, learning rate {record.learning_rate:.2g} at the "
        f"start; the weights of epoch {record.best} were kept"
    )
    if kept["validation"] == validation.min():
        samples = " ".join(filter(None, ("held-out", name, "samples")))
        remark += f", whose loss on {samples} is the smallest"
    return finding, f"{remark}."


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
        '1 of 2 bent samples lie above every good sample'
    """
    if out_of_class.empty:
        return f"There is no {names[1]} sample to compare with"
    above = above_all(in_class, out_of_class)
    return f"{above:,} of {len(out_of_class):,} {names[1]} samples lie above every {names[0]} sample"


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

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [4.0, 5.0]})
        >>> line = Threshold(3.0, "false rejects at most 0.05", 0.05, 60, 0, 0.049)
        >>> for sentence in threshold_words(line, low, high, ("good", "bent")):
        ...     print(sentence)  # doctest: +NORMALIZE_WHITESPACE
        The threshold stands at 3: false rejects at most 0.05.
        It is set from 60 good samples that were not learned from, and from no bent sample: what a defect
        will look like is not known beforehand.
        It is meant to reject at most 5.0 % of good samples; with 95 % confidence it rejects at most 4.9 %.
        2 of 2 bent samples lie above it.
        0 of 2 good samples lie above it.
        Any line from 2 to below 4 would divide the two without error, but only who has seen the
        out-of-class samples could draw it there.
    """
    said = [f"The threshold stands at {score(threshold.value)}: {threshold.rule}."]
    if threshold.requested is not None:
        said.append(
            f"It is set from {threshold.held_out:,} good samples that were not learned from, and from no "
            f"{names[1]} sample: what a defect will look like is not known beforehand."
        )
        bound = threshold.upper_bound
        said.append(
            f"It is meant to reject at most {percent(threshold.requested)} of good samples"
            + ("." if bound is None else f"; with 95 % confidence it rejects at most {percent(bound)}.")
        )
    for table, name in ((out_of_class, names[1]), (in_class, names[0])):
        if len(table):
            above = int((table["score"] > threshold.value).sum())
            said.append(f"{above:,} of {len(table):,} {name} samples lie above it.")
    if len(in_class) and len(out_of_class):
        highest, lowest = in_class["score"].max(), out_of_class["score"].min()
        said.append(
            f"Any line from {score(highest)} to below {score(lowest)} would divide the two without error, "
            "but only who has seen the out-of-class samples could draw it there."
            if highest < lowest
            else f"No line divides the two without error: the highest {names[0]} sample has "
            f"{score(highest)}, the lowest {names[1]} sample {score(lowest)}."
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
        '1 of 1 reconstructions of 9 samples are nearer to some 1 sample than to their original'
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
    if not mistaken:
        return (
            f"Every reconstruction of {names[1]} samples is nearer to its own original than to any "
            f"{names[0]} sample."
        )
    return (
        f"{mistaken:,} of {len(strange):,} reconstructions of {names[1]} samples are nearer to some "
        f"{names[0]} sample than to their original: from these alone one could not tell what they were."
    )


def likeness(
    in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]
) -> tuple[str, list[str]]:
    """Say which class looks more like its original when rebuilt, by structural similarity and difference.

    Returns:
        The finding in one sentence, and the numbers behind it.

    Example:
        >>> good = pd.DataFrame({"ssim": [0.9], "mean_difference": [0.02]})
        >>> bent = pd.DataFrame({"ssim": [0.7], "mean_difference": [0.05]})
        >>> likeness(good, bent, ("good", "bent"))[0]
        'Rebuilt, good looks more like its original than bent'
    """
    numbers = [
        f"{name}: structural similarity {table['ssim'].mean():.3f} (1 is the same), mean difference "
        f"{table['mean_difference'].mean():.4f} of the full range, over {len(table):,} samples."
        for table, name in ((in_class, names[0]), (out_of_class, names[1]))
        if len(table)
    ]
    if len(numbers) < 2:
        return "There are not two classes to compare", numbers
    by_structure = _first_or_second(in_class["ssim"].mean() - out_of_class["ssim"].mean())
    by_difference = _first_or_second(
        out_of_class["mean_difference"].mean() - in_class["mean_difference"].mean()
    )
    if {by_structure, by_difference} == {0, 1}:
        return (
            f"The measures disagree: {names[by_structure]} is rebuilt better by structure, "  # type: ignore[index]
            f"{names[by_difference]} by difference",  # type: ignore[index]
            numbers,
        )
    better = by_difference if by_structure is None else by_structure
    if better is None:
        return f"Rebuilt, {names[0]} and {names[1]} look equally like their originals", numbers
    return f"Rebuilt, {names[better]} looks more like its original than {names[1 - better]}", numbers


def _first_or_second(lead: float) -> int | None:
    """0 where the first is ahead, 1 where the second is, None where neither is."""
    return 0 if lead > 0 else 1 if lead < 0 else None
