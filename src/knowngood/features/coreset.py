"""Coresets: a few points that cover many."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

AT_ONCE = 4096  # points whose distances are computed at once
COMPONENTS = 64  # principal components in which points are compared


def k_center(points: Tensor, size: int, *, generator: torch.Generator, batch: int = 64) -> Tensor:
    """Choose points `(N, C)` so that every point is near a chosen one.

    Greedy k-center (Gonzalez, "Clustering to minimize the maximum intercluster distance",
    doi 10.1016/0304-3975(85)90224-5) takes the point that is farthest from those chosen so far. Here each
    step takes a batch of such points: the greedy choice is made among the farthest candidates, for as long as
    the next one is no nearer than the candidates left out; then one matrix product updates all distances. The
    result is the exact greedy choice up to ties.

    Returns:
        Indices of `size` points, or as many as differ, in the order of choice; the generator draws the first.

    Example:
        >>> line = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
        >>> chosen = k_center(line, 2, generator=torch.Generator().manual_seed(0))
        >>> (line[chosen] < 5).sum().item()
        1
    """
    count = len(points)
    if size >= count:
        return torch.arange(count, device=points.device)
    points = points - points.mean(dim=0)
    norms = (points**2).sum(dim=1)
    # Distances below this are rounding errors: such points cannot be distinguished.
    noise = 2 * points.shape[1] ** 0.5 * torch.finfo(norms.dtype).eps * float(norms.max())
    first = torch.randint(count, (1,), generator=generator).to(points.device)
    chosen = [first]
    taken = 1
    nearest = _squared_distances(points, norms, first)
    while taken < size:
        farthest, indices = nearest.topk(min(count, 4 * batch))
        if farthest[0] <= noise:
            break  # what is left repeats a chosen point
        floor = noise if len(indices) == count else max(noise, float(farthest[-1]))
        picked = _greedy(points[indices], farthest, most=min(batch, size - taken), floor=floor)
        new = indices[torch.tensor(picked, device=points.device)]
        chosen.append(new)
        taken += len(new)
        nearest = torch.minimum(nearest, _squared_distances(points, norms, new))
    return torch.cat(chosen)


def cover(points: Tensor, size: int, *, generator: torch.Generator) -> Tensor:
    """Keep at most `size` of points `(N, C)`, so that each is near a kept one; see `k_center`.

    They are compared in their first principal components, in which a coreset covers as well, in half of the
    time.

    Example:
        >>> cover(torch.eye(4), 2, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 4])
    """
    return points[k_center(principal(points.float()), size, generator=generator)]


def principal(points: Tensor, most: int = COMPONENTS) -> Tensor:
    """The first principal components `(N, most)` of points `(N, C)`; as they are, if they have no more.

    Example:
        >>> principal(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), 1).diff(dim=0).abs()
        tensor([[5.]])
    """
    if points.shape[1] <= most or len(points) < 2:
        return points
    centred = points - points.mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    projected: Tensor = centred @ vectors[:, -most:]
    return projected


def _squared_distances(points: Tensor, norms: Tensor, chosen: Tensor) -> Tensor:
    """Squared distances `(N,)` from all points to the nearest of the chosen ones."""
    centres, offsets = points[chosen].T, norms[chosen]
    # Some thousand at a time: their distances to all chosen points stay in the cache.
    parts = torch.split(points, AT_ONCE)
    nearest = torch.cat([torch.addmm(offsets, part, centres, alpha=-2).amin(dim=1) for part in parts])
    return (nearest + norms).clamp(min=0)


def _greedy(candidates: Tensor, nearest: Tensor, *, most: int, floor: float) -> list[int]:
    """The greedy choice among candidates, for as long as it is no nearer than `floor`."""
    # A few hundred steps on a few hundred numbers: NumPy takes a tenth of torch's time for each.
    between = torch.cdist(candidates, candidates).square().cpu().numpy()
    remaining = nearest.cpu().numpy().copy()
    picked: list[int] = []
    while len(picked) < most:
        index = int(remaining.argmax())
        if picked and remaining[index] < floor:
            break
        picked.append(index)
        np.minimum(remaining, between[index], out=remaining)
    return picked


class StreamingCoreset:
    """A coreset of points that arrive in pieces, in bounded memory.

    Points gather in a buffer; when it has more than `buffer` points it is thinned to `size` (merge and
    reduce, as in Har-Peled and Mazumdar, "On coresets for k-means and k-median clustering",
    doi 10.1145/1007352.1007400).

    Example:
        >>> coreset = StreamingCoreset(10, buffer=100, generator=torch.Generator().manual_seed(0))
        >>> coreset.add(torch.rand(160, 2))
        >>> coreset.points().shape
        torch.Size([10, 2])
    """

    def __init__(self, size: int, *, buffer: int, generator: torch.Generator) -> None:
        self.size = size
        self.buffer = buffer
        self.generator = generator
        self._pieces: list[Tensor] = []

    def add(self, points: Tensor) -> None:
        """Add points `(N, C)`."""
        self._pieces.append(points)
        if sum(len(piece) for piece in self._pieces) > self.buffer:
            self._pieces = [self.points()]

    def merge(self, other: StreamingCoreset) -> None:
        """Add the points that another coreset has kept."""
        for piece in other._pieces:
            self.add(piece)

    @property
    def empty(self) -> bool:
        """Whether no point has arrived."""
        return not self._pieces

    def points(self) -> Tensor:
        """The coreset of all points so far, at most `size` of them."""
        return cover(torch.cat(self._pieces), self.size, generator=self.generator)
