"""Which patches are unlike most, as they are seen, one image after another."""

from __future__ import annotations

import torch
from torch import Tensor

RARE = 4.0
"""Squared distance from the mean of all patches from which on one is rare, as a multiple of the usual one."""


class Usual:
    """The mean of the patches that were seen so far, and their mean squared distance from it.

    Most tiles of a large picture may show its background alone: chance would draw hardly any patch of a part.

    Example:
        >>> usual = Usual()
        >>> usual.rare(torch.tensor([[1.0, 1.1, 0.9, 1.0, 1.0, 9.0]])).tolist()
        [5]
    """

    def __init__(self) -> None:
        self._images = 0
        self._total: Tensor | None = None
        self._distance = 0.0

    def rare(self, patches: Tensor) -> Tensor:
        """Add patches `(D, n)` of one image to those seen, and return the indices of the rare ones."""
        mean = patches.mean(dim=1)
        self._images += 1
        self._total = mean if self._total is None else self._total + mean
        distances = (patches - (self._total / self._images)[:, None]).square().sum(dim=0)
        self._distance += float(distances.mean())
        return torch.nonzero(distances > RARE * self._distance / self._images)[:, 0]
