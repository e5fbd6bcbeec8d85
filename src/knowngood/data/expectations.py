"""What the numbers of images let one expect of a detector or a classifier, in words.

Every sentence follows from the counts by a rule that stands beside it. The limits, such as from how many
images on a training from scratch is worth while, are rules of thumb; the arithmetic is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import expm1, log1p

GOOD = "good"

FEW = 1000
"""Fewer images are few for a network that starts from nothing."""

FEW_GOOD = 24
"""Fewer good images to learn from are few for a detector."""

FEW_OF_A_TYPE = 10
"""With fewer images of a defect type, one image more or less found moves its recall by more than 10 %."""

UNEVEN, VERY_UNEVEN = 1.5, 10.0
"""Above the first ratio accuracy misleads, above the second a loss that counts every image the same does."""

CONFIDENCE = 0.95


def of_classes(counts: Mapping[tuple[str, str], int], split: str | None = None) -> dict[str, int]:
    """Count the images of each kind in one split or in both.

    Args:
        counts: Images for each split and kind, where a kind is ``good`` or a defect type.
        split: ``train``, ``test``, or None for both.

    Returns:
        Images of each kind, in the order in which the kinds first appear.

    Example:
        >>> of_classes({("train", "good"): 20, ("test", "good"): 5, ("test", "dent"): 4})
        {'good': 25, 'dent': 4}
    """
    total: Counter[str] = Counter()
    for (where, kind), count in counts.items():
        if count and split in (None, where):
            total[kind] += count
    return dict(total)


def effective_numbers(kinds: Mapping[str, int]) -> dict[str, float]:
    """Estimate how many images of each kind tell something new: of many that are alike each tells less.

    Args:
        kinds: Images of each kind.

    Returns:
        For each kind with ``n`` images ``(1 - beta**n) / (1 - beta)``, where ``beta = (N - 1) / N`` for
        ``N`` images in all.

    References:
        Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", arXiv:1901.05555, equation 2.

    Example:
        >>> {kind: round(number, 1) for kind, number in effective_numbers({"good": 300, "dent": 10}).items()}
        {'good': 192.4, 'dent': 9.9}
    """
    total = sum(kinds.values())
    if total < 2:
        return {kind: float(count) for kind, count in kinds.items()}
    log_beta = log1p(-1 / total)
    return {kind: -expm1(count * log_beta) * total for kind, count in kinds.items()}


def balance(counts: Mapping[tuple[str, str], int]) -> list[str]:
    r"""Say how even the kinds are.

    Args:
        counts: Images for each split and kind.

    Returns:
        The ratio of good images to defects, that of the largest kind to the smallest, and the effective
        numbers; nothing where there is only one kind.

    Example:
        >>> counts = {("train", "good"): 300, ("test", "dent"): 10, ("test", "scratch"): 50}
        >>> print(*balance(counts), sep="\n")
        good to defects: 300 to 60 (5 to 1)
        largest to smallest kind: 'good' to 'dent', 300 to 10 (30 to 1)
        effective numbers of images: good 204, dent 9.88, scratch 46.7 (beta = 359/360)
    """
    kinds = of_classes(counts)
    if len(kinds) < 2:
        return []
    facts = []
    good, defects = _good_and_defects(kinds)
    if good and defects:
        facts.append(f"good to defects: {good} to {defects} ({_ratio(good, defects)})")
    largest, smallest = max(kinds, key=kinds.__getitem__), min(kinds, key=kinds.__getitem__)
    large, small = kinds[largest], kinds[smallest]
    facts.append(
        f"largest to smallest kind: {largest!r} to {smallest!r}, {large} to {small} ({_ratio(large, small)})"
    )
    numbers = ", ".join(f"{kind} {number:.3g}" for kind, number in effective_numbers(kinds).items())
    total = sum(kinds.values())
    return [*facts, f"effective numbers of images: {numbers} (beta = {total - 1}/{total})"]


def expectations(counts: Mapping[tuple[str, str], int], *, split_made: bool = False) -> list[str]:
    r"""Say what can be learned from a data set, how to measure it, and how far the result can be trusted.

    Args:
        counts: Images for each split and kind, where a kind is ``good`` or a defect type.
        split_made: Whether the split was made by `knowngood.data.splits.assign_split`, not by the data.

    Returns:
        Sentences, without a full stop.

    Example:
        >>> print(*expectations({("train", "good"): 5000}), sep="\n")
        no defects: an anomaly detector can be learned (knowngood fit), but not measured on defects
        no good image in the test split: how many are rejected cannot be measured; hold some out
    """
    kinds, train, test = of_classes(counts), of_classes(counts, "train"), of_classes(counts, "test")
    return [
        *_how_to_learn(sum(kinds.values())),
        *_which_method(kinds, train, split_made),
        *_how_to_measure(kinds, test, split_made),
        *_rare_types(kinds),
        *_how_sure(kinds, test),
    ]


def _how_to_learn(total: int) -> list[str]:
    """Say whether a network can be trained from scratch."""
    if total >= FEW:
        return []
    return [
        f"{total} images are few for training a network from scratch: expect it to learn them by heart; take "
        "frozen features (linear_probe, anomaly_features), hold images out, augment"
    ]


def _which_method(kinds: Mapping[str, int], train: Mapping[str, int], split_made: bool) -> list[str]:
    """Say whether this is for a detector or a classifier, and whether there are enough good images."""
    good, defects = _good_and_defects(kinds)
    good_train, defects_train = _good_and_defects(train)
    said = []
    if not good:
        said.append(
            "no good images: neither a detector nor a classifier can learn what is good; collect some dozens"
        )
    elif good_train < FEW_GOOD:
        said.append(
            f"good images in the train split: {good_train}, few to learn from; some dozens are better"
        )
    if good and not defects:
        said.append(
            "no defects: an anomaly detector can be learned (knowngood fit), but not measured on defects"
        )
    if good and defects and not defects_train:
        why = " that was made here" if split_made else ""
        said.append(
            f"no defects in the train split{why}: an anomaly detector (knowngood fit) is the "
            "choice; for a classifier some of each type must be learned from "
            "(knowngood.data.labelled.with_defects_to_learn), and those no longer test it"
        )
    return said


def _how_to_measure(kinds: Mapping[str, int], test: Mapping[str, int], split_made: bool) -> list[str]:
    """Say what accuracy hides: of the test split where the data have one with both labels, else of all."""
    own_test = not split_made and all(_good_and_defects(test))
    where = " in the test split" if own_test else ""
    good, defects = _good_and_defects(test if own_test else kinds)
    if not good or not defects or max(good, defects) < UNEVEN * min(good, defects):
        return []
    share = 100 * max(good, defects) / (good + defects)
    more, fewer, answer = (
        ("good", "defect", "good") if good > defects else ("defects", "good image", "defect")
    )
    each = _times(max(good, defects), min(good, defects))
    return [
        f"{each} {more} for each {fewer}{where}: accuracy alone would be {share:.0f} % for a classifier that "
        f"always says {answer}; look at recall, F1 and balanced accuracy"
    ]


def _rare_types(kinds: Mapping[str, int]) -> list[str]:
    """Say of which defect types there are too few images, and whether the kinds are very uneven."""
    types = {kind: count for kind, count in kinds.items() if kind != GOOD}
    said = [
        f"defect type {kind!r} has one image: it can be learned from or tested on, not both; collect more "
        "or count it to another type"
        for kind, count in types.items()
        if count == 1
    ]
    few = ", ".join(f"{kind!r} {count}" for kind, count in types.items() if 1 < count < FEW_OF_A_TYPE)
    if few:
        said.append(
            f"few images of a defect type ({few}): one more or less that is found moves its recall by more "
            f"than {100 // FEW_OF_A_TYPE} %"
        )
    if len(kinds) > 1 and max(kinds.values()) > VERY_UNEVEN * min(kinds.values()):
        said.append(
            f"the kinds are very uneven ({_ratio(max(kinds.values()), min(kinds.values()))}): without class "
            "weights or sampling a classifier may learn to overlook the rare ones"
        )
    return said


def _how_sure(kinds: Mapping[str, int], test: Mapping[str, int]) -> list[str]:
    """Say what the size of the test split leaves open even after a test without a single error.

    If none of n is wrong, the rate of errors lies below ``1 - 0.05**(1/n)`` with 95 % confidence.
    """
    said = []
    endings = ("good image", "rejected", "good parts may be"), ("defect", "accepted", "defects may be")
    for (noun, wrong, may), count, there in zip(
        endings, _good_and_defects(test), _good_and_defects(kinds), strict=True
    ):
        if count:
            most = 100 * (1 - (1 - CONFIDENCE) ** (1 / count))
            said.append(
                f"{count} {noun}{'s' * (count > 1)} in the test split: even if none is {wrong}, up to "
                f"{most:.{1 if most < 10 else 0}f} % of {may} (95 % confidence)"
            )
        elif there:
            said.append(
                f"no {noun} in the test split: how many are {wrong} cannot be measured; hold some out"
            )
    return said


def _good_and_defects(kinds: Mapping[str, int]) -> tuple[int, int]:
    """Count good images and defects."""
    good = kinds.get(GOOD, 0)
    return good, sum(kinds.values()) - good


def _times(large: int, small: int) -> str:
    """Write how many times a number is as large as another, with a decimal only where it matters."""
    ratio = large / small
    return f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.1f}".removesuffix(".0")


def _ratio(large: int, small: int) -> str:
    """Write a ratio with the smaller number as 1."""
    return f"{_times(large, small)} to 1" if large >= small else f"1 to {_times(small, large)}"
