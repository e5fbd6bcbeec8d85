"""Distance to the nearest point of a memory bank, as matrix products."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """A fixed set of points that answers how far new points are from it.

    Args:
        points: `(M, C)` the points to keep.

    Example:
        >>> bank = MemoryBank(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
        >>> bank(torch.tensor([[3.0, 5.0]]))
        tensor([1.])
    """

    centre: Tensor
    points: Tensor
    offsets: Tensor

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        # Distances come from |x|² - 2xp + |p|²; about the centre of the points little cancels.
        centre = points.mean(dim=0)
        centred = points - centre
        self.register_buffer("centre", centre)
        self.register_buffer("points", -2 * centred.T.contiguous())  # (C, M)
        self.register_buffer("offsets", (centred**2).sum(dim=1))

    def forward(self, queries: Tensor) -> Tensor:
        """Euclidean distances `(Q,)` from queries `(Q, C)` to their nearest points."""
        centred = queries - self.centre
        nearest = torch.addmm(self.offsets, centred, self.points).amin(dim=1)
        return (nearest + (centred**2).sum(dim=1)).clamp(min=0).sqrt()
