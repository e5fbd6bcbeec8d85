"""Images in batches: threads decode ahead, order and memory are kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import THREADS, Source, name_of
from knowngood.data.images import read_resized
from knowngood.errors import DataError, UnreadableImage

__all__ = ["Batch", "Batches", "Source"]

AHEAD = 2 * THREADS
"""Images that are decoded, or being decoded, beyond the batch at hand."""

NAMED = 10
"""Unreadable files that an error names before it only counts them."""

_Outcome = tuple[NDArray[np.uint8], tuple[int, int]] | UnreadableImage


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images, ready for a model.

    Args:
        index: Position of each image in the sources, int (n,).
        images: Pixels, RGB, uint8 (n, H, W, 3).
        sizes: Height and width of each image before it was resized, int (n, 2).
    """

    index: NDArray[np.int64]
    images: NDArray[np.uint8]
    sizes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batches:
    """Images to be read in batches, as often as one likes.

    Iteration raises a DataError at its end that names every unreadable image; from the first of them on
    nothing more is yielded, though all are tried. With ``on_unreadable`` they are left out and told to it,
    and only a set without any readable image is an error. An array is named by its position, as in ``[3]``.

    Args:
        sources: Files or arrays.
        shape: Height and width of the images handed out.
        size: Images in a batch; the last batch may be smaller, none is empty.
        bits: Bits that 16-bit pixels really use; None to refuse images that have any.
        groups: One value an image; the same value marks the same part photographed twice.
        classes: The class of each image, empty for one without; None where nothing is known of classes.
        on_unreadable: Called with each image that cannot be read, at every iteration.

    Example:
        >>> photos = [np.full((16, 16), grey, np.uint8) for grey in (0, 50, 100)]
        >>> [batch.images.shape for batch in Batches(photos, shape=(8, 8), size=2)]
        [(2, 8, 8, 3), (1, 8, 8, 3)]
    """

    sources: Sequence[Source]
    shape: tuple[int, int]
    size: int = 8
    bits: int | None = 16
    groups: Sequence[object] | None = None
    classes: Sequence[str] | None = None
    on_unreadable: Callable[[UnreadableImage], None] | None = None

    def __len__(self) -> int:
        """Count the images, unreadable ones included."""
        return len(self.sources)

    def __iter__(self) -> Iterator[Batch]:
        """Read the images in order."""
        failures: list[UnreadableImage] = []
        index: list[int] = []
        images: list[NDArray[np.uint8]] = []
        sizes: list[tuple[int, int]] = []
        with closing(self._read()) as outcomes:
            for position, outcome in enumerate(outcomes):
                if isinstance(outcome, UnreadableImage):
                    failure = UnreadableImage(name_of(self.sources[position], position), outcome.reason)
                    failures.append(failure)
                    if self.on_unreadable:
                        self.on_unreadable(failure)
                    continue
                if failures and not self.on_unreadable:
                    continue
                if len(index) == self.size:
                    yield Batch(np.array(index), np.stack(images), np.array(sizes))
                    index, images, sizes = [], [], []
                image, size = outcome
                index.append(position)
                images.append(image)
                sizes.append(size)
        if failures and not (self.on_unreadable and index):
            raise DataError(self._complaint(failures))
        if index:
            yield Batch(np.array(index), np.stack(images), np.array(sizes))

    def _read(self) -> Generator[_Outcome]:
        """Read and resize each source in order, a few ahead of the one handed out."""
        if len(self.sources) == 1:
            yield self._read_one(self.sources[0])  # a thread would cost more than it saves
            return
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="knowngood-read")
        try:
            pending: deque[Future[_Outcome]] = deque()
            waiting = iter(self.sources)
            pending.extend(pool.submit(self._read_one, source) for source in islice(waiting, AHEAD))
            while pending:
                yield pending.popleft().result()
                pending.extend(pool.submit(self._read_one, source) for source in islice(waiting, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _read_one(self, source: Source) -> _Outcome:
        """Read one source; an unreadable one is handed back, not raised."""
        try:
            return read_resized(source, self.shape, bits=self.bits)
        except UnreadableImage as failure:
            return failure

    def _complaint(self, failures: list[UnreadableImage]) -> str:
        """Name the unreadable images and say what to do."""
        named = "".join(f"\n  {failure}" for failure in failures[:NAMED])
        more = f"\n  and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
        remedy = (
            "replace them"
            if self.on_unreadable
            else "remove them or skip them (--skip-unreadable, in Python on_unreadable)"
        )
        return f"{len(failures)} of {len(self)} images cannot be read; {remedy}:{named}{more}"
