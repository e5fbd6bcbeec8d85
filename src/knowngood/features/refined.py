"""A memory bank that looks twice: at all positions of a map with a few points, at some with all of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from knowngood.features.nearest import MemoryBank

SHARE = 4  # one position in so many is looked at again
MARGIN = 0.02  # of the distance from which on positions are looked at again, over which the two are blended


class RefinedBank(nn.Module):
    """Two memory banks, so that a large one costs little: which distances are large, a small one can tell.

    All positions of a map are compared with a small bank, and the quarter that is farthest from it with the
    large one. The distance of the others to the large bank is estimated as a fixed ratio of that to the
    small one. Between the two the result is continuous, so that no rounding of an engine, nor the order of
    equal distances, matters. The small bank does best as a random sample, which has many points where there
    are many patches: what is far from it is rare, and it is among rare patches that the large one has to
    tell anomalous ones from others.

    Example:
        >>> few, many = (MemoryBank(torch.rand(n, 8), eight_bit=False) for n in (10, 500))
        >>> RefinedBank(few, many, ratio=0.5)(torch.rand(1, 8, 4, 4)).shape
        torch.Size([1, 4, 4])
    """

    def __init__(self, small: MemoryBank, large: MemoryBank, *, ratio: float) -> None:
        super().__init__()
        self.small = small
        self.large = large
        self.ratio = ratio

    def forward(self, maps: Tensor) -> Tensor:
        """Distances `(N, h, w)` from maps `(N, C, h, w)` to the large bank, some of them estimated."""
        channels, height, width = (int(side) for side in maps.shape[1:])
        count = height * width
        again = max(1, count // SHARE)
        first = self.small(maps).flatten(1)  # (N, h * w)
        falling, places = first.topk(count)
        chosen = places[:, :again]
        some = maps.flatten(2).gather(2, chosen[:, None].expand(-1, channels, -1))
        second = self.large(some[..., None]).flatten(1)  # (N, again)
        estimated = falling * self.ratio
        least = falling[:, again - 1 : again]
        weight = ((falling[:, :again] - least) / (least * MARGIN).clamp(min=1e-6)).clamp(0, 1)
        blended = weight * second + (1 - weight) * estimated[:, :again]
        # The place of each position in the falling order: the order of the places themselves.
        back = places.float().topk(count, largest=False).indices
        joined = torch.cat([blended, estimated[:, again:]], dim=1).gather(1, back)
        return joined.view(-1, height, width)


def ratio_of(small: MemoryBank, large: MemoryBank, maps: Tensor) -> float:
    """The mean distance of maps `(N, C, h, w)` to a large bank, as a share of that to a small one.

    Example:
        >>> few, many = (MemoryBank(torch.rand(n, 8), eight_bit=False) for n in (10, 500))
        >>> 0 < ratio_of(few, many, torch.rand(2, 8, 4, 4)) < 1
        True
    """
    return min(float(large(maps).mean()) / max(float(small(maps).mean()), 1e-6), 1.0)
