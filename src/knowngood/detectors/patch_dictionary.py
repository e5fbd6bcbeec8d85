"""Patch dictionary: a patch that no word of a dictionary of good patches resembles is anomalous."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.detectors.patch_model import PatchModel
from knowngood.features.coreset import k_center
from knowngood.features.covariance import halfway_axes

STEPS = 1  # of k-means: more would pull the words to where most patches are, away from the rare ones


@dataclass(frozen=True, kw_only=True)
class PatchDictionary(PatchModel):
    """Mean distance of patches to the nearest words, the centres of k-means of good patches.

    Napoletano, Piccoli and Schettini, "Anomaly Detection in Nanofibrous Materials by CNN-Based
    Self-Similarity", doi 10.3390/s18010209. Features are reduced to the principal components that hold most
    of their variance. Theirs are of ResNet-18, for crops of one texture, and each component counts as it is;
    here each is divided by the root of its spread, and k-means starts from patches that cover all others, so
    that what is rare but good has a word of its own.

    Example:
        >>> PatchDictionary(words=500).words
        500
    """

    when: ClassVar[str] = "As for `patchcore`, with a sixth of its memory."

    words: Annotated[int, Field(ge=1, le=20_000, description="Words at each scale")] = 2000
    neighbours: Annotated[
        int, Field(ge=1, le=100, description="Nearest words whose distances are averaged")
    ] = 2
    variance: Annotated[
        float, Field(ge=0.1, le=1, description="Share of the variance that the reduced features hold")
    ] = 0.99

    def fit_patches(self, patches: Tensor, *, seed: int) -> nn.Module:
        """Reduce the features, and find the words."""
        from sklearn.cluster import KMeans  # which an inspector does not need

        mean, axes = halfway_axes(patches, self.variance)
        reduced = (patches - mean) @ axes
        start = reduced[k_center(reduced, self.words, generator=torch.Generator().manual_seed(seed))]
        means = KMeans(len(start), init=start.numpy(), n_init=1, max_iter=STEPS).fit(reduced.numpy())
        words = torch.from_numpy(means.cluster_centers_)
        return Words(mean, axes, words, neighbours=min(self.neighbours, len(words)))


class Words(nn.Module):
    """The words `(M, D)` of reduced features, and how to reduce them: a mean `(C,)` and axes `(C, D)`."""

    project: Tensor
    shift: Tensor
    words: Tensor
    halves: Tensor

    def __init__(self, mean: Tensor, axes: Tensor, words: Tensor, *, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.register_buffer("project", axes.T[:, :, None, None].contiguous())
        self.register_buffer("shift", -(mean @ axes))
        self.register_buffer("words", words[:, :, None, None])
        self.register_buffer("halves", words.square().sum(dim=1) / 2)

    def forward(self, maps: Tensor) -> Tensor:
        """Mean distances `(N, h, w)` from maps `(N, C, h, w)` to the nearest words, at each position."""
        reduced = F.conv2d(maps, self.project, self.shift)
        # The nearest word has the largest xp - |p|² / 2.
        products = F.conv2d(reduced, self.words, -self.halves)
        nearest = products.topk(self.neighbours, dim=1).values
        squared = reduced.square().sum(dim=1, keepdim=True) - 2 * nearest
        return squared.clamp(min=0).sqrt().mean(dim=1)
