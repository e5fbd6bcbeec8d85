"""More defects to learn from: real ones pasted onto good parts, of which the plausible are kept."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from knowngood.classifiers.linear import Samples, Teaching, fit_linear
from knowngood.data.images import image_size, read_mask
from knowngood.data.imageset import ImageSet
from knowngood.data.paste import paste_many
from knowngood.data.reading import Reading
from knowngood.errors import DataError
from knowngood.features.extract import extract
from knowngood.features.frozen import freeze
from knowngood.features.pooled import OneView
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.training.store import Store, extended
from knowngood.types import Progress

STRENGTH = 10.0
"""Inverse strength of the regularisation of the classifier that filters."""


def with_pasted(
    kept: Store,
    images: ImageSet,
    count: int,
    *,
    orientation: str,
    seed: int,
    progress: Progress,
) -> tuple[Store, str]:
    """Add pasted defects to the samples to learn from; none comes from a held-out image.

    The data augmentation classifier of Jiang and Ge ("Data augmentation classifier for imbalanced fault
    classification", doi 10.1109/TASE.2020.2998467), with cut and paste in place of a generative network: a
    linear classifier of real samples must take a made one for its type, or it is left out.

    Args:
        kept: The real samples.
        images: Where they come from, with their classes and masks.
        count: Images to make for each defect type.
        orientation: How the product may lie.
        seed: Draws parts, places and defects.
        progress: Called during long work.

    Returns:
        The samples with the pasted ones, and what was made, in words.

    Raises:
        DataError: No defect to learn from has a mask.
    """
    good = [row for row in kept.train.tolist() if kept.labels[row] == 0]
    samples = kept.samples
    made: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for number in range(1, len(images.names)):
        defects = []
        for row in kept.train[kept.labels[kept.train] == number].tolist():
            place = int(kept.index[row])
            if images.masks and images.masks[place]:
                mask = read_mask(images.masks[place], image_size(images.sources[place])).astype(np.uint8)
                resized = cv2.resize(mask, images.shape[::-1], interpolation=cv2.INTER_NEAREST)
                defects.append((samples[row], resized.astype(np.bool_)))
        if defects:
            pasted, _ = paste_many(
                [samples[row] for row in good],
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
    plausible = _plausible(
        [samples[row] for row in kept.train], kept.labels[kept.train], made, labels, images, seed
    )
    rows = np.flatnonzero(plausible)
    words = f"pasted: of {len(made)} made images {len(rows)} were plausible and are learned from"
    return extended(kept, [made[row] for row in rows], [labels[row] for row in rows]), words


def _plausible(
    real: Sequence[NDArray[np.uint8]],
    numbers: NDArray[np.int64],
    made: Sequence[NDArray[np.uint8]],
    labels: Sequence[int],
    images: ImageSet,
    seed: int,
) -> NDArray[np.bool_]:
    """Which of the made images a linear classifier of real ones takes for what they shall be."""
    features = freeze(OneView, images.shape, backbone=DEFAULT_BACKBONE)

    def look(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        made_set = ImageSet(list(pictures), Reading(images.shape, bits=None))
        return np.stack([seen.numpy().copy() for _, [seen] in extract(features, made_set, device="cpu")])

    known = look(real)
    samples = Samples(known, numbers, [known.shape[2]], None)
    linear = fit_linear(
        samples, int(numbers.max()) + 1, STRENGTH, Teaching("class_weights", "mean", False, seed)
    )
    said = linear(torch.from_numpy(look(made)[:, 0])).argmax(dim=1).numpy()
    return np.asarray(said == np.array(labels))
