"""Advice on a data set from its counts: what can be trained on it, how to measure it, and how precisely.

The limits, such as from how many images on a training from scratch is worth while, are rules of thumb; the
arithmetic is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import expm1, log1p

from knowngood.data.labelled import DEFECT_SHARE

Counts = Mapping[tuple[str, str], int]
"""Number of images per split and class, where a class is ``good`` or a defect type."""

GOOD = "good"
FEW = 1000  # fewer images are few for a network that is trained from scratch
FEW_GOOD = 24  # fewer good images in the train split are few for a detector
FEW_OF_A_TYPE = 10  # with fewer images of a type, one more or less changes its recall by more than 10 %
UNEVEN = 1.5  # above this ratio of classes accuracy misleads
VERY_UNEVEN = 10.0  # above this ratio of classes an unweighted loss misleads
CONFIDENCE = 0.95


def of_classes(counts: Counts, split: str | None = None) -> dict[str, int]:
    """Count the images per class in one split, ``train`` or ``test``, or in both.

    Example:
        >>> of_classes({("train", "good"): 20, ("test", "good"): 5, ("test", "dent"): 4})
        {'good': 25, 'dent': 4}
    """
    total: Counter[str] = Counter()
    for (where, name), count in counts.items():
        if count and split in (None, where):
            total[name] += count
    return dict(total)


def effective_numbers(classes: Mapping[str, int]) -> dict[str, float]:
    """Estimate the effective number of images per class: the more similar images, the less each adds.

    A class with ``n`` of ``N`` images has ``(1 - beta**n) / (1 - beta)``, where ``beta = (N - 1) / N``: Cui
    et al., "Class-Balanced Loss Based on Effective Number of Samples", arXiv:1901.05555, equation 2.

    Example:
        >>> {name: round(number, 1) for name, number in effective_numbers({"good": 300, "dent": 10}).items()}
        {'good': 192.4, 'dent': 9.9}
    """
    total = sum(classes.values())
    if total < 2:
        return {name: float(count) for name, count in classes.items()}
    log_beta = log1p(-1 / total)
    return {name: -expm1(count * log_beta) * total for name, count in classes.items()}


def balance(counts: Counts) -> list[str]:
    r"""Describe the balance of the classes; return nothing where there is only one.

    Example:
        >>> counts = {("train", "good"): 300, ("test", "dent"): 10, ("test", "scratch"): 50}
        >>> print(*balance(counts), sep="\n")
        good to defects: 300 to 60 (5 to 1)
        largest to smallest class: 'good' to 'dent', 300 to 10 (30 to 1)
        effective numbers of images: good 204, dent 9.88, scratch 46.7 (beta = 359/360)
    """
    classes = of_classes(counts)
    if len(classes) < 2:
        return []
    good, defects = _good_and_defects(classes)
    total = good + defects
    largest, smallest = (extreme(classes, key=classes.__getitem__) for extreme in (max, min))
    numbers = ", ".join(f"{name} {number:.3g}" for name, number in effective_numbers(classes).items())
    facts = [
        f"largest to smallest class: {largest!r} to {smallest!r}, "
        + _ratio(classes[largest], classes[smallest]),
        f"effective numbers of images: {numbers} (beta = {total - 1}/{total})",
    ]
    return [f"good to defects: {_ratio(good, defects)}", *facts] if good and defects else facts


def expectations(counts: Counts, *, split_made: bool = False) -> list[str]:
    r"""Say what can be trained on a data set, how to measure it, and how precise the result will be.

    Args:
        counts: Number of images per split and class.
        split_made: Whether the split was made by `knowngood.data.splits.assign_split`, not by the data.

    Example:
        >>> print(*expectations({("train", "good"): 5000}), sep="\n")
        no defects: `knowngood fit` trains on the good images alone, but how many it finds cannot be measured
        no good image in the test split: `knowngood fit` gives a bound on how many are rejected
    """
    everything, train, test = (of_classes(counts, split) for split in (None, "train", "test"))
    own_test = not split_made and all(_good_and_defects(test))
    measured, where = (test, " in the test split") if own_test else (everything, "")
    return [
        *_to_train(everything, train, " that was made here" if split_made else ""),
        *_accuracy_alone(measured, where),
        *_rare_types(everything),
        *_size_of_the_test(everything, test),
    ]


def _to_train(classes: Mapping[str, int], train: Mapping[str, int], made: str) -> Iterator[str]:
    """Say whether this is for a detector or a classifier, and whether there are enough images."""
    (good, defects), (good_train, defects_train) = _good_and_defects(classes), _good_and_defects(train)
    if not good:
        yield "no good images: nothing can be trained without them; collect some dozens"
    elif good_train < FEW_GOOD:
        yield (
            f"the good images in the train split number {good_train}: few to train on; some dozens are better"
        )
    if good and not defects:
        yield (
            "no defects: `knowngood fit` trains on the good images alone, but how many it finds cannot be "
            "measured"
        )
    if good and defects and not defects_train:
        yield (
            f"no defects in the train split{made}: `knowngood fit` trains on the good images alone. "
            f"`knowngood train`, which predicts types of defects, trains on {100 * DEFECT_SHARE:.0f} % of "
            "each type, and only the others test it"
        )
    if defects and good + defects < FEW:
        yield (
            f"{good + defects} images are few to train a network from scratch: expect overfitting, and "
            "prefer frozen features, as the defaults of `knowngood fit` and `knowngood train` do"
        )


def _accuracy_alone(classes: Mapping[str, int], where: str) -> Iterator[str]:
    """Say how accurate it is to predict always the more frequent of good and defect."""
    good, defects = _good_and_defects(classes)
    most, least = max(good, defects), min(good, defects)
    if least and most >= UNEVEN * least:
        more, fewer, answer = ("good", "defect", "good") if good > defects else ("defects", "good", "defect")
        yield (
            f"{_times(most, least)} {more} per {fewer}{where}: always predicting {answer} has an accuracy of "
            f"{100 * most / (good + defects):.0f} %; look at false rejects and escapes, or at "
            "balanced accuracy"
        )


def _rare_types(classes: Mapping[str, int]) -> Iterator[str]:
    """Say which defect types have too few images, and whether the classes are very uneven."""
    types = {name: count for name, count in classes.items() if name != GOOD}
    for name in (name for name, count in types.items() if count == 1):
        yield (
            f"defect type {name!r} has one image: it can be trained on or tested on, not both; collect more "
            "or merge it with another type"
        )
    few = ", ".join(f"{name!r} {count}" for name, count in types.items() if 1 < count < FEW_OF_A_TYPE)
    if few:
        yield (
            f"few images of a defect type ({few}): one more or less that is found changes its recall by more "
            f"than {100 // FEW_OF_A_TYPE} %"
        )
    largest, smallest = (extreme(classes.values(), default=1) for extreme in (max, min))
    if largest > VERY_UNEVEN * smallest:
        yield (
            f"the classes are very uneven, {_ratio(largest, smallest)}: a classifier may overlook the rare "
            "ones; `knowngood train` chooses weights or sampling by the counts (--set imbalance=)"
        )


def _size_of_the_test(classes: Mapping[str, int], test: Mapping[str, int]) -> Iterator[str]:
    """Say how high the error rates may be even if a test shows no error."""
    labels = (
        (
            "good image",
            "rejected",
            "good parts may be",
            "`knowngood fit` gives a bound on how many are rejected",
        ),
        ("defect", "accepted", "defects may be", "how many are accepted cannot be measured; hold some out"),
    )
    counts = zip(labels, _good_and_defects(test), _good_and_defects(classes), strict=True)
    for (noun, error, may, remedy), count, in_all in counts:
        if count:
            # If none of n is wrong, the error rate is below this with 95 % confidence.
            most = 100 * (1 - (1 - CONFIDENCE) ** (1 / count))
            yield (
                f"{count} {noun}{'s' * (count > 1)} in the test split: even if none is {error}, up to "
                f"{most:.{1 if most < 10 else 0}f} % of {may} (95 % confidence)"
            )
        elif in_all:
            yield f"no {noun} in the test split: {remedy}"


def _good_and_defects(classes: Mapping[str, int]) -> tuple[int, int]:
    """Count good images and defects."""
    good = classes.get(GOOD, 0)
    return good, sum(classes.values()) - good


def _times(large: int, small: int) -> str:
    """Write how many times a number is as large as another, with a decimal only where it matters."""
    ratio = large / small
    return f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.1f}".removesuffix(".0")


def _ratio(one: int, other: int) -> str:
    """Write two numbers and their ratio, with the smaller as 1."""
    ratio = f"{_times(one, other)} to 1" if one >= other else f"1 to {_times(other, one)}"
    return f"{one} to {other} ({ratio})"
