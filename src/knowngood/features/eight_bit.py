"""Features in 8-bit arithmetic, if they separate good from defective as well as in floating point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from knowngood.engines.quantise import quantise
from knowngood.features.frozen import FrozenFeatures
from knowngood.features.nearest import MemoryBank
from knowngood.features.patches import as_points
from knowngood.metrics.ranking import auroc

# The largest loss of the AUROC of planted defects, in the mean of the scales, that is accepted.
LARGEST_CHANGE = 0.002
_BANK = 1000
_PART = 8
_STRENGTH = 0.35


def eight_bit(features: FrozenFeatures, images: NDArray[np.uint8], *, seed: int) -> FrozenFeatures | None:
    """Convert the convolutions to 8 bits, unless that changes which patches are anomalous.

    The trial needs good images alone: patches of one half make a memory bank, and defects are planted in the
    other half. The AUROC of planted patches against the others, by the distance to the bank, is compared
    between both arithmetics at all scales.

    Args:
        features: Patch features, the finest scale first.
        images: Good images `(N, H, W, 3)`, at least 2, which set the ranges of the 8-bit numbers.
        seed: Draws the bank and the places of the planted defects.

    Returns:
        None if the AUROC would fall by more than `LARGEST_CHANGE`, or if the images are too small to try.
    """
    random = np.random.default_rng(seed)
    half = len(images) // 2
    pitch = images.shape[1] // features.shapes[-1][1]  # pixels between patches of the coarsest scale
    planted, where = plant(images[half:], max(2 * pitch, min(images.shape[1:3]) // _PART), random)
    sample = np.concatenate([images[:half], planted])
    graph, outputs = quantise(features.graph, sample)
    candidate = replace(features, graph=graph)
    lost = []
    in_float = [torch.from_numpy(np.concatenate(of_scale)) for of_scale in zip(*outputs, strict=True)]
    for exact, rounded in zip(in_float, candidate(torch.from_numpy(sample)), strict=True):
        height, width = exact.shape[2:]
        defect = np.stack([_at_patches(mask, (height, width)) for mask in where]).reshape(-1)
        if defect.all() or not defect.any():
            return None
        drawn = torch.from_numpy(random.permutation(half * height * width)[:_BANK])
        aurocs = []
        for maps, in_bits in ((exact, False), (rounded, True)):
            bank = MemoryBank(as_points(maps[:half])[drawn], eight_bit=in_bits)
            aurocs.append(auroc(defect, bank(maps[half:]).flatten().numpy()))
        lost.append(aurocs[0] - aurocs[1])
    return candidate if np.mean(lost) <= LARGEST_CHANGE else None


def plant(
    images: NDArray[np.uint8], side: int, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Plant a faint defect in each image `(N, H, W, 3)`: a square of it, blended into another place.

    After Li et al., "CutPaste: Self-Supervised Learning for Anomaly Detection and Localization",
    arXiv:2104.04015; here the square is upside down and inverted, and blended so that not all are easy.

    Returns:
        New images, and the masks of the defects, bool `(N, H, W)`.
    """
    planted, where = images.copy(), np.zeros(images.shape[:3], dtype=np.bool_)
    height, width = images.shape[1:3]
    side = min(side, height, width)
    for image, mask in zip(planted, where, strict=True):
        (top, source_top), (left, source_left) = (
            random.integers(0, limit - side + 1, size=2) for limit in (height, width)
        )
        patch = image[source_top : source_top + side, source_left : source_left + side][::-1].copy()
        area = np.s_[top : top + side, left : left + side]
        image[area] = (_STRENGTH * (255 - patch) + (1 - _STRENGTH) * image[area]).astype(np.uint8)
        mask[area] = True
    return planted, where


def _at_patches(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether the centre of each patch of a grid is inside a mask."""
    rows, columns = ((np.arange(n) + 0.5) / n * side for n, side in zip(shape, mask.shape, strict=True))
    return np.asarray(mask[rows.astype(int)[:, None], columns.astype(int)])
