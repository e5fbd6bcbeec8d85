"""More training images of defects: real defects pasted onto good parts, filtered by plausibility."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from knowngood.classifiers.linear import HeadSettings, Samples, fit_linear
from knowngood.data.images import image_size, read_mask
from knowngood.data.imageset import ImageSet
from knowngood.data.paste import paste_many
from knowngood.errors import DataError
from knowngood.features.extract import look
from knowngood.features.frozen import freeze
from knowngood.features.pooled import OneView
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.training.store import Store, extended
from knowngood.types import Progress

STRENGTH = 10.0
"""Inverse strength of the regularisation of the classifier that filters."""


def with_pasted(
    kept: Store, images: ImageSet, count: int, *, orientation: str, seed: int, progress: Progress
) -> tuple[Store, str]:
    """Add pasted defects to the training samples, `count` of each type; none comes from a held-out image.

    The data augmentation classifier of Jiang and Ge ("Data augmentation classifier for imbalanced fault
    classification", doi 10.1109/TASE.2020.2998467), with cut and paste in place of a generative network: an
    image is left out unless a linear classifier of real samples predicts its defect type.

    Returns:
        The samples with the pasted ones, and a note on their number.

    Raises:
        DataError: No training image of a defect has a mask.
    """
    samples = kept.samples
    good = [samples[row] for row in kept.train if kept.labels[row] == 0]
    made: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for number in range(1, len(images.names)):
        defects = _masked_defects(kept, images, number)
        if defects:
            pasted, _ = paste_many(
                good,
                defects,
                count,
                seed=seed + number,
                turn=orientation == "any",
                mirror=orientation != "fixed",
            )
            made += list(pasted)
            labels += [number] * len(pasted)
        progress("pasting defects", number, len(images.names) - 1)
    if not made:
        raise DataError("pasted needs the masks of defects to learn from, and there are none; take pasted=0")
    predicted = _predict(kept, images, made, seed)
    rows = np.flatnonzero(predicted == np.array(labels))
    note = f"pasted: of {len(made)} made images {len(rows)} were plausible and are learned from"
    return extended(kept, [made[row] for row in rows], [labels[row] for row in rows]), note


def _masked_defects(
    kept: Store, images: ImageSet, number: int
) -> list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """The training samples of a class that have a mask, with the mask."""
    samples, defects = kept.samples, []
    for row in kept.train[kept.labels[kept.train] == number]:
        place = int(kept.index[row])
        if images.masks and len(images.masks[place]):
            source = images.sources[place]
            mask = read_mask(images.masks[place], image_size(source))
            defects.append((samples[row], images.reading.marked(source, mask)))
    return defects


def _predict(
    kept: Store, images: ImageSet, made: Sequence[NDArray[np.uint8]], seed: int
) -> NDArray[np.int64]:
    """The classes of made images, predicted by a linear classifier of the training samples."""
    features = freeze(OneView, images.shape, backbone=DEFAULT_BACKBONE)
    samples, numbers = kept.samples, kept.labels[kept.train]
    known = look(features, (samples[row] for row in kept.train))
    settings = HeadSettings("class_weights", "mean", False, seed)
    linear = fit_linear(
        Samples(known, numbers, [known.shape[2]], None), int(numbers.max()) + 1, STRENGTH, settings
    )
    return np.asarray(linear(torch.from_numpy(look(features, made)[:, 0])).argmax(dim=1).numpy())
