"""The few types that every room shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Scores(NamedTuple):
    """What a fitted detector says of a batch of images.

    Attributes:
        image: `(N,)` raw and unbounded; higher is more anomalous.
        map: `(N, h, w)` at patch resolution, covering the whole image; None for image-only methods.
        rebuilt: `(N, H, W, C)` from 0 to 1, the images as the detector rebuilds them, in colour or, where it
            learned from grey images, with one channel; None for methods that rebuild no image.
        logits: `(N, V, C)` what the detector's classifier says of each of V views of an image, for each of C
            classes; None for methods that do not classify.
        features: `(N, V, D)` what that classifier sees in each view; None likewise.
    """

    image: Tensor
    map: Tensor | None
    rebuilt: Tensor | None = None
    logits: Tensor | None = None
    features: Tensor | None = None

    @property
    def given(self) -> dict[str, Tensor]:
        """Those that there are, by name."""
        return {name: tensor for name, tensor in self._asdict().items() if tensor is not None}


Progress = Callable[[str, int, int], None]
"""Called during long work with its stage in words, how much of it is done, and its total."""


def silent(stage: str, done: int, total: int) -> None:
    """A `Progress` that tells nobody."""
