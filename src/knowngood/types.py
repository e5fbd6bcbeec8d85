"""The few types that every room shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Scores(NamedTuple):
    """The outputs of a fitted method for a batch of images.

    Attributes:
        image: `(N,)` raw and unbounded; higher is more anomalous.
        map: `(N, h, w)` at patch resolution, covering the whole image; None for image-only methods.
        extras: Further outputs by name, each `(N, ...)`; see `EXTRAS`.
    """

    image: Tensor
    map: Tensor | None
    extras: Mapping[str, Tensor] = MappingProxyType({})

    @property
    def given(self) -> dict[str, Tensor]:
        """All outputs that there are, by name."""
        maps = {} if self.map is None else {"map": self.map}
        return {"image": self.image, **maps, **self.extras}


EXTRAS = {"rebuilt": 4, "logits": 3, "features": 3}
"""All further outputs, with the number of their dimensions.

- `rebuilt`, `(N, H, W, C)` from 0 to 1: the reconstructions of the images, in colour or, by a method that
  learned from grey images, with one channel.
- `logits`, `(N, V, C)`: the logits of a classifier for each of V views of an image and each of C classes.
- `features`, `(N, V, D)`: the features from which that classifier computes them.
"""

Progress = Callable[[str, int, int], None]
"""Called during long work with its stage in words, how much of it is done, and its total."""


def silent(stage: str, done: int, total: int) -> None:
    """Ignore the progress."""


def with_title(progress: Progress, title: str) -> Progress:
    """Put a title before each stage that is reported."""
    return lambda stage, done, total: progress(f"{title}: {stage}", done, total)
