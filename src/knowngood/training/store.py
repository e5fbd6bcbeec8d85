"""Training samples on disk: read and decoded once, whatever the number of epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.errors import DataError, OutputError
from knowngood.output import temporary_folder
from knowngood.types import Progress, silent

HELD_OUT_SHARE = 5
"""One in so many good images is held out of training, to stop it in time and to set the threshold."""


@dataclass(frozen=True)
class Store:
    """Samples of one shape and type in a file, and the rows that are learned from and held out.

    It is small and can be sent to other processes, which read the samples from the file. `index` has the
    position of each sample in the sources, `labels` the number of its class, int64 `(n,)`, all 0 where there
    are no classes. If a sample joins several tensors, `parts` has their shapes.
    """

    file: Path
    shape: tuple[int, ...]
    dtype: str
    index: NDArray[np.int64]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    labels: NDArray[np.int64]
    parts: tuple[tuple[int, ...], ...] = ()

    @property
    def samples(self) -> NDArray[Any]:
        """All samples `(n, ...)`, read on access."""
        return np.memmap(self.file, self.dtype, "r", shape=(len(self.index), *self.shape))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the samples, their classes and their split."""
        digest = hashlib.sha256(self.train.tobytes() + self.validation.tobytes() + self.labels.tobytes())
        for sample in self.samples:
            digest.update(np.ascontiguousarray(sample).data)
        return digest.hexdigest()


@contextmanager
def store(samples: Iterable[tuple[int, NDArray[Any]]], images: ImageSet, *, seed: int) -> Iterator[Store]:
    """Keep samples, each with its position in the sources, on disk for as long as the context lasts.

    A fifth of each class is held out, at least one image or group; those of one group (the same part
    photographed twice) are held out together.

    Raises:
        DataError: There are fewer than two samples.
        OutputError: The disk is full.
    """
    with temporary_folder() as folder:
        path = folder / "samples"
        index: list[int] = []
        with _room_in(folder), path.open("wb") as file:
            for position, sample in samples:
                file.write(sample.tobytes())
                index.append(position)
        if len(index) < 2:
            raise DataError("one good image is too few to train on; at least 2 that can be read are needed")
        labels = images.numbers[index]
        held_out = _held_out(labels, images.subset(index).groups, seed)
        yield Store(
            path,
            sample.shape,
            str(sample.dtype),
            np.array(index),
            train=np.flatnonzero(~held_out),
            validation=np.flatnonzero(held_out),
            labels=labels,
        )


@contextmanager
def _room_in(place: object) -> Iterator[None]:
    """Raise an error while samples are written as an OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"no room for the training images in {str(place)!r}: {error.strerror}") from error


def _held_out(labels: NDArray[np.int64], groups: Sequence[object] | None, seed: int) -> NDArray[np.bool_]:
    """Which samples are held out `(n,)`: one fold, and one group of each class that has none in it."""
    fold_of = folds(len(labels), HELD_OUT_SHARE, seed, groups, labels.tolist())
    held_out: NDArray[np.bool_] = fold_of == 0
    parts = np.arange(len(labels)) if groups is None else np.array(list(map(str, groups)))
    for number in np.unique(labels):
        of_class = labels == number
        if not held_out[of_class].any() and len(np.unique(parts[of_class])) > 1:
            held_out = held_out | (parts == parts[of_class][fold_of[of_class].argmin()])
    return held_out


def extended(kept: Store, samples: Sequence[NDArray[Any]], labels: Sequence[int]) -> Store:
    """Append training samples that come from none of the sources; `kept` is not used afterwards.

    Raises:
        OutputError: The disk is full.
    """
    before, added = len(kept.index), len(samples)
    with _room_in(kept.file), kept.file.open("ab") as file:
        for sample in samples:
            file.write(np.ascontiguousarray(sample, kept.dtype).data)
    return replace(
        kept,
        index=np.concatenate([kept.index, np.full(added, -1)]),
        train=np.concatenate([kept.train, before + np.arange(added)]),
        labels=np.concatenate([kept.labels, np.array(labels, np.int64)]),
    )


@contextmanager
def store_images(images: ImageSet, *, seed: int, progress: Progress = silent) -> Iterator[Store]:
    """Keep images on disk, uint8 `(n, H, W, 3)`; see `store`."""

    def pixels() -> Iterator[tuple[int, NDArray[np.uint8]]]:
        done = 0
        for done, batch in enumerate(images.batches(), 1):
            yield int(batch.index[0]), batch.images[0]
            progress("reading images", done, len(images))
        if done < len(images):  # some could not be read
            progress("reading images", len(images), len(images))

    with store(pixels(), images, seed=seed) as kept:
        yield kept


def is_grey(images: NDArray[np.uint8]) -> bool:
    """Whether every image `(n, H, W, 3)` has three equal channels.

    Example:
        >>> is_grey(np.full((1, 2, 2, 3), 7, np.uint8))
        True
    """
    return all(bool((image == image[..., :1]).all()) for image in images)
