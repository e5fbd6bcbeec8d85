"""Distance to the nearest point of a memory bank, as matrix products."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOWEST, HIGHEST = -128, 127
"""What 8 bits can hold."""

LARGEST_POINT = 63
"""Points take 7 of the 8 bits, as in `knowngood.engines.quantise.LARGEST_WEIGHT`. It leaves queries room: one
may lie twice as far out as any point before 8 bits cut it off."""


class MemoryBank(nn.Module):
    """A fixed set of points that answers how far new points are from it.

    Args:
        points: `(M, C)` the points to keep.
        eight_bit: Multiply whole numbers of 8 bits: points and queries are rounded to one step, and the
            distance between the rounded ones is exact. It takes a third of the time.

    Example:
        >>> bank = MemoryBank(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), eight_bit=False)
        >>> bank(torch.tensor([[3.0, 5.0]]))
        tensor([1.])
    """

    centre: Tensor
    points: Tensor
    norms: Tensor

    def __init__(self, points: Tensor, *, eight_bit: bool) -> None:
        super().__init__()
        # Distances come from |x|² - 2xp + |p|²; about the centre of the points little cancels.
        centre = points.mean(dim=0)
        centred = points - centre
        self.step = max(float(centred.abs().max()), 1e-6) / LARGEST_POINT if eight_bit else None
        if self.step is not None:
            centred = (centred / self.step).round()
        self.register_buffer("centre", centre)
        self.register_buffer("points", centred)  # (M, C), in steps if there are any
        self.register_buffer("norms", (centred**2).sum(dim=1))

    def forward(self, queries: Tensor) -> Tensor:
        """Euclidean distances `(Q,)` from queries `(Q, C)` to their nearest points."""
        centred = queries - self.centre
        if self.step is None:
            return _distances(centred, self.points, self.norms)
        if torch.onnx.is_in_onnx_export():
            # The engine learns from these that the numbers are whole.
            centred = torch.fake_quantize_per_tensor_affine(centred / self.step, 1.0, 0, LOWEST, HIGHEST)
            points = torch.fake_quantize_per_tensor_affine(self.points, 1.0, 0, LOWEST, HIGHEST)
            return _distances(centred, points, self.norms) * self.step
        centred = (centred / self.step).round().clamp(LOWEST, HIGHEST)
        # No public function of torch multiplies whole numbers on a CPU.
        products = torch._int_mm(centred.to(torch.int8), self.points.to(torch.int8).T)
        nearest = torch.sub(self.norms.int(), products, alpha=2).amin(dim=1)
        return (nearest + (centred**2).sum(dim=1)).sqrt() * self.step


def _distances(queries: Tensor, points: Tensor, norms: Tensor) -> Tensor:
    """Distances `(Q,)` to the nearest of points `(M, C)` whose squared lengths are given."""
    nearest = torch.addmm(norms, queries, points.T, alpha=-2).amin(dim=1)
    return (nearest + (queries**2).sum(dim=1)).clamp(min=0).sqrt()
