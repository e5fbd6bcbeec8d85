"""Images with their classes, groups and masks, read in batches: threads decode ahead, in bounded memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Mask, Source, listed, name_of
from knowngood.data.images import Frame, Picture
from knowngood.data.reading import Reading
from knowngood.data.threads import THREADS
from knowngood.errors import DataError, UnreadableImage

__all__ = ["Batch", "ImageSet", "Reading", "Source"]

T = TypeVar("T")

GOOD = "good"
"""The class of good parts, for a classifier of defects."""

AHEAD = 2 * THREADS  # images that are decoded, or being decoded, beyond the batch at hand

_Outcome = Picture | UnreadableImage


def good_first(names: Iterable[str]) -> list[str]:
    """Sort the names of classes: `good` first, then the others in alphabetical order.

    Example:
        >>> good_first({"dent", "good", "cut"})
        ['good', 'cut', 'dent']
    """
    return sorted(names, key=lambda name: (name != GOOD, name))


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images, ready for a model."""

    index: NDArray[np.int64]  # position of each image in the sources (n,)
    images: NDArray[np.uint8]  # RGB (n, H, W, 3)
    sizes: NDArray[np.int64]  # height and width of each image before it was resized (n, 2)
    clipped: NDArray[np.bool_]  # whether an image has values above white, which were cut (n,)
    frames: list[Frame | None]  # where the images are in those that were read, see `knowngood.data.images`
    lost: NDArray[np.bool_]  # whether a part was searched in an image, and none was found
    sources: list[Source]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images, and what is known of each.

    Args:
        sources: Files or arrays.
        reading: How they are read.
        classes: The class of each image, empty for one without; None where no classes are known. For a
            classifier of defects, `good` or the type of defect.
        groups: One value per image; the same value marks the same part photographed twice.
        masks: The mask of each image, empty for one without; None where there are no masks.
        on_unreadable: Called with each image that cannot be read, whenever it is read.
        on_read: Called with the position of each image and its pixels (H, W, 3), whenever it is read.

    Example:
        >>> photos = [np.full((16, 16), grey, np.uint8) for grey in (0, 50, 100)]
        >>> images = ImageSet(photos, Reading((8, 8)), classes=["good", "dent", "good"])
        >>> [batch.images.shape for batch in images.batches(2)]
        [(2, 8, 8, 3), (1, 8, 8, 3)]
        >>> images.names, images.numbers.tolist()
        (['good', 'dent'], [0, 1, 0])
    """

    sources: Sequence[Source]
    reading: Reading
    classes: Sequence[str] | None = None
    groups: Sequence[object] | None = None
    masks: Sequence[Mask] | None = None
    on_unreadable: Callable[[UnreadableImage], None] | None = None
    on_read: Callable[[int, NDArray[np.uint8]], None] | None = None

    def __len__(self) -> int:
        """Count the images, unreadable ones included."""
        return len(self.sources)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the images as they are read."""
        return self.reading.shape

    @cached_property
    def names(self) -> list[str]:
        """The classes: `good` first, then the others in alphabetical order; empty where none is known."""
        return good_first(set(self.classes or ()))

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """The number of each image's class among `names`, `(n,)`; all 0 where no class is known."""
        if self.classes is None:
            return np.zeros(len(self), np.int64)
        number_of = {name: number for number, name in enumerate(self.names)}
        return np.array([number_of[name] for name in self.classes], np.int64)

    @property
    def group_counts(self) -> Counter[str]:
        """How many groups each class has; where no groups are known, how many images."""
        if self.classes is None:
            return Counter()
        groups = range(len(self)) if self.groups is None else self.groups
        return Counter(name for name, _ in set(zip(self.classes, groups, strict=True)))

    def subset(self, rows: Iterable[int]) -> ImageSet:
        """Some of the images, with all that is known of them."""
        kept, notify = list(rows), self.on_read

        def of(values: Sequence[T] | None) -> list[T] | None:
            return None if values is None else [values[row] for row in kept]

        return replace(
            self,
            sources=[self.sources[row] for row in kept],
            classes=of(self.classes),
            groups=of(self.groups),
            masks=of(self.masks),
            on_read=notify and (lambda row, image: notify(kept[row], image)),
        )

    def batches(self, size: int = 1) -> Iterator[Batch]:
        """Read the images in order, some per batch; see `read_batches`."""
        for batch in read_batches(self.sources, self.reading, size, on_unreadable=self.on_unreadable):
            if self.on_read:
                for row, image in zip(batch.index.tolist(), batch.images, strict=True):
                    self.on_read(row, image)
            yield batch


def read_batches(
    sources: Iterable[Source],
    reading: Reading,
    size: int = 1,
    *,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
) -> Iterator[Batch]:
    """Read images in order, some per batch; the last batch may be smaller, none is empty.

    Of a generator, no more images are asked for than are decoded ahead.

    Raises:
        DataError: At the end, where images cannot be read; it names all of them, and from the first on
            nothing more is yielded. With ``on_unreadable``, only where none can be read.
    """
    failures: list[UnreadableImage] = []
    rows: list[tuple[int, Picture, Source]] = []
    position = -1
    with closing(_read(sources, reading)) as outcomes:
        for position, (source, outcome) in enumerate(outcomes):
            if isinstance(outcome, UnreadableImage):
                failure = UnreadableImage(name_of(source, position), outcome.reason)
                failures.append(failure)
                if on_unreadable:
                    on_unreadable(failure)
                continue
            if failures and not on_unreadable:
                continue
            if len(rows) == size:
                yield _batch(rows)
                rows = []
            rows.append((position, outcome, source))
    if failures and not (on_unreadable and rows):
        raise DataError(_complaint(failures, position + 1, replace_them=on_unreadable is not None))
    if rows:
        yield _batch(rows)


def _batch(rows: Sequence[tuple[int, Picture, Source]]) -> Batch:
    """Join the images of a batch."""
    index, pictures, sources = zip(*rows, strict=True)
    images, sizes, clipped, frames, lost = zip(*pictures, strict=True)
    return Batch(
        index=np.array(index),
        images=np.array(images),
        sizes=np.array(sizes),
        clipped=np.array(clipped),
        frames=list(frames),
        lost=np.array(lost),
        sources=list(sources),
    )


def _read(sources: Iterable[Source], reading: Reading) -> Generator[tuple[Source, _Outcome]]:
    """Read and resize each source in order, a few ahead of the one handed out."""

    def read(source: Source) -> tuple[Source, _Outcome]:
        """Read one source; an unreadable one is handed back, not raised."""
        try:
            return source, reading.read(source)
        except UnreadableImage as failure:
            return source, failure

    waiting = iter(sources)
    first = list(islice(waiting, 2))
    if len(first) == 1:
        yield read(first[0])  # a thread would cost more than it saves
        return
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="knowngood-read")
    try:
        pending: deque[Future[tuple[Source, _Outcome]]] = deque()
        pending.extend(pool.submit(read, source) for source in chain(first, islice(waiting, AHEAD - 2)))
        while pending:
            yield pending.popleft().result()
            pending.extend(pool.submit(read, source) for source in islice(waiting, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _complaint(failures: list[UnreadableImage], images: int, *, replace_them: bool) -> str:
    """Name the unreadable images and say what to do."""
    remedy = "remove them or skip them (--skip-unreadable, in Python on_unreadable)"
    if replace_them:
        remedy = "replace them"
    problem = f"{len(failures)} of {images} images cannot be read; {remedy}:"
    return "\n".join([problem, *listed(failures)])
