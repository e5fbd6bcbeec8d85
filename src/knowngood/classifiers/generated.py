"""Defects that a generative model draws, learned from real ones with masks, and put on good images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from knowngood.data.arguments import Images
from knowngood.data.defect_patches import (
    LARGEST,
    SIDE,
    DefectPatch,
    cut_out,
    masked_defects,
    put_on,
    read_marked,
)
from knowngood.data.held import sources_of
from knowngood.data.images import significant_bits
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.data.synthetic import Variant
from knowngood.errors import DataError
from knowngood.features.extract import look
from knowngood.features.frozen import freeze
from knowngood.features.pooled import OneView
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.parallel import drawing
from knowngood.training.generator import PatchNetwork
from knowngood.training.learner import TrainingSettings
from knowngood.training.store import is_grey, store
from knowngood.training.train import train
from knowngood.types import Progress, silent

LEAST = 20
"""Real defects with masks that a generative model learns from at least."""

EPOCHS = 90
"""Epochs of the training, each of ten steps or more."""

TRIES = 8
"""Samples that are drawn for a good image, before it is passed over."""

BANDWIDTH = 0.4
"""Standard deviations of the codes by which the code of a sample differs from that of a real defect."""

FULL = 0.9
"""The largest share of a patch that a mask may cover."""

_RATE, _BATCH = 2e-3, 16


class Generator:
    """Draws defects that vary real ones, and puts them on good images.

    A code is drawn from a kernel density estimate over the codes of the real defects: that of one of them,
    plus normal noise; so it has a type, a size and a place. Ghosh et al., "From Variational to Deterministic
    Autoencoders", arXiv:1903.12436, section 4, estimate the density of codes after the training, too. A
    sample is not taken where

    - its mask is empty, or covers more than `FULL` of the patch;
    - the features of the patch (of the embedded network) are farther from the nearest real patch that was
      learned from than those of any real patch that was held out of the training;
    - the good image has no place with surroundings like those of the defect;
    - fewer than a share `knowngood.data.synthetic_defects.SEEN` of its mask change the image visibly.

    Args:
        network: The trained network.
        learned: The real patches that it learned from.
        held_out: Those that were held out.
    """

    def __init__(
        self, network: PatchNetwork, learned: Sequence[DefectPatch], held_out: Sequence[DefectPatch]
    ) -> None:
        self.network = network
        self.patches = learned
        with torch.inference_mode():
            self.codes = network.encode(torch.from_numpy(_with_masks(learned))).numpy()
        self.features = freeze(OneView, (SIDE, SIDE), backbone=DEFAULT_BACKBONE)
        self.known = look(self.features, [patch.pixels for patch in learned])[:, 0]
        self.farthest = float(self._distances([patch.pixels for patch in held_out]).max())

    def __call__(self, image: NDArray[np.uint8], rng: np.random.Generator) -> Variant | None:
        """Put a new defect on a good image `(H, W, 3)`; None where no sample of `TRIES` is taken."""
        rejected: Counter[str] = Counter()
        for sample, reason in self._samples(rng):
            damaged = None if reason else put_on(image, sample, rng)
            if damaged is not None:
                words = ", ".join(f"{why}: {times}" for why, times in rejected.items())
                return Variant(*damaged, sample.defect, sample.name, words)
            rejected[reason or "no place, or hardly visible"] += 1
        return None

    def _samples(self, rng: np.random.Generator) -> Iterator[tuple[DefectPatch, str]]:
        """Draw `TRIES` samples, each with why it is not taken, which is empty for one that may be."""
        rows = rng.integers(len(self.patches), size=TRIES)
        noise = rng.normal(size=(TRIES, self.codes.shape[1])) * self.codes.std(axis=0)
        codes = self.codes[rows] + BANDWIDTH * noise
        with torch.inference_mode():
            drawn = self.network.decode(torch.from_numpy(codes.astype(np.float32))).numpy()
        pixels = np.ascontiguousarray(drawn[..., :3])
        far = self._distances(list(pixels)) > self.farthest
        for row, image, covered, is_far in zip(rows, pixels, drawn[..., 3] > 127, far, strict=True):
            empty = not 0 < covered.mean() <= FULL
            reason = "mask empty or full" if empty else "unlike real defects" if is_far else ""
            yield self.patches[row]._replace(pixels=image, mask=covered), reason

    def _distances(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """The distance of the features of each patch from the nearest that was learned from, `(n,)`."""
        from sklearn.metrics import pairwise_distances

        return np.asarray(
            pairwise_distances(look(self.features, pictures)[:, 0], self.known).min(axis=1), np.float64
        )


def learn_generator(
    data: pd.DataFrame | Images,
    *,
    seed: int = 0,
    side: int | None = None,
    epochs: int = EPOCHS,
    progress: Progress = silent,
) -> Generator:
    """Learn from the real defects with masks of the train split; a fifth of each type is held out.

    Args:
        data: As `knowngood.synthetic` takes it.
        seed: The same seed on the same images gives the same generator.
        side: Shrink larger images first, to so many pixels on the longer side.
        epochs: Passes over the real defects.
        progress: Called during long work.

    Raises:
        DataError: There are fewer than `LEAST` real defects with masks, or one cannot be read.
    """
    patches = real_patches(data, side=side, progress=progress)
    stacked = _with_masks(patches)
    every = np.concatenate([stacked, stacked[:, :, ::-1]])  # and mirrored
    images = ImageSet(
        list(every),
        Reading((SIDE, SIDE), bits=None),
        classes=[patch.defect for patch in patches] * 2,
        groups=[patch.group for patch in patches] * 2,
    )
    with store(enumerate(every), images, seed=seed) as kept:
        with drawing(seed):
            network = PatchNetwork(1 if is_grey(stacked[..., :3]) else 3, SIDE)
        settings = TrainingSettings(epochs, _BATCH, _RATE, patience=epochs)

        def report(_: str, done: int, total: int) -> None:
            progress("learning from real defects", done, total)

        train(network, kept, settings, seed=seed, device="cpu", progress=report)
        learned, held_out = (
            [patches[row] for row in rows[rows < len(patches)]] for rows in (kept.train, kept.validation)
        )
    return Generator(network, learned, held_out)


def real_patches(
    data: pd.DataFrame | Images, *, side: int | None = None, progress: Progress = silent
) -> list[DefectPatch]:
    """Cut the real defects with masks of the train split out of their images.

    Raises:
        DataError: There are fewer than `LEAST`, or one cannot be read.
    """
    table = masked_defects(data)
    found: list[DefectPatch] = []
    if len(table) >= LEAST:
        bits = significant_bits(sources_of(table)) or 16
        for row in range(len(table)):
            patch = cut_out(read_marked(table, row, bits=bits, side=side))
            found += [patch] if patch else []
            progress("reading real defects", row + 1, len(table))
    if len(found) < LEAST:
        large = len(table) - len(found) if len(table) >= LEAST else 0
        others = f" (and {large} larger than {LARGEST:g} of the image, which are not learned from)"
        raise DataError(
            f"generated defects are learned from real ones: at least {LEAST} with masks in the train split "
            f"are needed, and there are {len(found) if large else len(table)}{others if large else ''}; "
            "`knowngood split` puts some there, or draw other types"
        )
    return found


def _with_masks(patches: Sequence[DefectPatch]) -> NDArray[np.uint8]:
    """Patches with their masks as a fourth channel, uint8 `(n, SIDE, SIDE, 4)`."""
    return np.stack(
        [np.dstack([patch.pixels, np.where(patch.mask, 255, 0).astype(np.uint8)]) for patch in patches]
    )
