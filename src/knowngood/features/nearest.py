"""Distance to the nearest point of a memory bank, as convolutions of one pixel."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS, ZERO = 256, 128  # queries take 8 bits: whole numbers from -128 to 127, kept as 0 to 255
# Points take 7 of their 8 bits, as in `knowngood.engines.quantise.LARGEST_WEIGHT`: two products then never
# overflow in 16 bits, and a query may be twice as far out as any point before 8 bits cut it off.
LARGEST_POINT = 63
# So many channels can be summed without rounding: float32 holds halves below 2**23 exactly, and a query times
# a point, less half the point's squared length, is at most 128 · 63 + 63² / 2 for each channel. Every
# processor then gives the same sum, in whatever order it adds.
EXACT_CHANNELS = 2**24 // (2 * ZERO * LARGEST_POINT + LARGEST_POINT**2)
BLOCK = 500  # comparisons with so many points stay in the cache, for a map of 28 x 28


class MemoryBank(nn.Module):
    """A fixed set of points, and the distances from each position of a map to the nearest of them.

    Args:
        points: The points, `(M, C)`.
        eight_bit: Multiply whole numbers of 8 bits: points and queries are rounded to one step, and the
            distance between the rounded ones is exact, the same on every processor. An engine needs a third
            of the time; torch multiplies the same whole numbers as float32.
        block: Points that are compared at once, so that the comparisons of a whole map stay in the cache.

    Example:
        >>> bank = MemoryBank(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), eight_bit=False)
        >>> bank(torch.tensor([3.0, 5.0]).view(1, 2, 1, 1))
        tensor([[[1.]]])
    """

    centre: Tensor
    points: Tensor
    halves: Tensor

    def __init__(self, points: Tensor, *, eight_bit: bool, block: int = BLOCK) -> None:
        super().__init__()
        self.block = block
        # Distances come from |x|² - 2xp + |p|²; about the centre of the points little cancels.
        centre = points.double().mean(dim=0).float()
        centred = points - centre
        self.step = max(float(centred.abs().max()), 1e-6) / LARGEST_POINT if eight_bit else None
        if self.step is not None:
            centred = (centred / self.step).round()
        self.channels = min(points.shape[1], EXACT_CHANNELS) if eight_bit else points.shape[1]
        halves = [(part**2).sum(dim=1) / 2 for part in torch.split(centred, self.channels, dim=1)]
        self.register_buffer("centre", centre[:, None, None])
        self.register_buffer("points", centred[:, :, None, None])  # (M, C, 1, 1), in steps if there are any
        self.register_buffer("halves", torch.stack(halves))  # (parts of the channels, M)

    def forward(self, maps: Tensor) -> Tensor:
        """Euclidean distances `(N, h, w)` from maps `(N, C, h, w)` to the nearest point, at each position."""
        queries = maps - self.centre
        if self.step is not None:
            queries = torch.fake_quantize_per_tensor_affine(queries / self.step, 1.0, ZERO, 0, LEVELS - 1)
        # The nearest point has the largest xp - |p|² / 2.
        blocks = zip(
            torch.split(self.points, self.block), torch.split(self.halves, self.block, dim=1), strict=True
        )
        nearest = reduce(torch.maximum, (self._products(queries, *block).amax(dim=1) for block in blocks))
        lengths = _sum((part**2).sum(dim=1) for part in torch.split(queries, self.channels, dim=1))
        # The root of a float32 number is off in its last bit, and on other processors for other numbers.
        distances = (lengths - 2 * nearest).clamp(min=0).double().sqrt().float()
        return distances if self.step is None else distances * self.step

    def _products(self, queries: Tensor, points: Tensor, halves: Tensor) -> Tensor:
        """Products `(N, m, h, w)` of queries with points, less half the squared lengths of these."""
        parts = zip(
            torch.split(queries, self.channels, dim=1),
            torch.split(points, self.channels, dim=1),
            halves,
            strict=True,
        )
        return _sum(F.conv2d(query, self._whole(point), -half) for query, point, half in parts)

    def _whole(self, points: Tensor) -> Tensor:
        """Mark points as whole numbers for an engine, if they are."""
        if self.step is None or not torch.onnx.is_in_onnx_export():
            return points
        return torch.fake_quantize_per_tensor_affine(points, 1.0, 0, -ZERO, ZERO - 1)


def _sum(terms: Iterable[Tensor]) -> Tensor:
    """Add tensors in their order."""
    return reduce(torch.add, terms)
