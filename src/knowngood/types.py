"""The few types that every room shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Scores(NamedTuple):
    """What a fitted method says of a batch of images.

    Attributes:
        image: `(N,)` raw and unbounded; higher is more anomalous.
        map: `(N, h, w)` at patch resolution, covering the whole image; None for image-only methods.
        extras: Whatever else a method gives, by name, each `(N, ...)`; see `EXTRAS`.
    """

    image: Tensor
    map: Tensor | None
    extras: Mapping[str, Tensor] = MappingProxyType({})

    @property
    def given(self) -> dict[str, Tensor]:
        """All that there is, by name."""
        maps = {} if self.map is None else {"map": self.map}
        return {"image": self.image, **maps, **self.extras}


EXTRAS = {"rebuilt": 4, "logits": 3, "features": 3}
"""The extras that there are, with the number of their dimensions.

- `rebuilt`, `(N, H, W, C)` from 0 to 1: the images as the method reconstructs them, in colour or, where it
  learned from grey images, with one channel.
- `logits`, `(N, V, C)`: what a classifier says of each of V views of an image, for each of C classes.
- `features`, `(N, V, D)`: what that classifier sees in each view.
"""

Progress = Callable[[str, int, int], None]
"""Called during long work with its stage in words, how much of it is done, and its total."""


def silent(stage: str, done: int, total: int) -> None:
    """A `Progress` that tells nobody."""
