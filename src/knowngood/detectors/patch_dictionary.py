"""Patch dictionary: a patch that no word of a dictionary of good patches resembles is anomalous."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.detectors.patch_model import PatchModel
from knowngood.features.covariance import halfway_axes
from knowngood.features.reduced import Reduced
from knowngood.features.words import words_of


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
        mean, axes = halfway_axes(patches, self.variance)
        words, _ = words_of((patches - mean) @ axes, self.words, seed)
        return Words(mean, axes, words, neighbours=min(self.neighbours, len(words)))


class Words(nn.Module):
    """The words `(M, D)` of reduced features, and how to reduce them: a mean `(C,)` and axes `(C, D)`."""

    words: Tensor
    halves: Tensor

    def __init__(self, mean: Tensor, axes: Tensor, words: Tensor, *, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.reduce = Reduced(mean, axes)
        self.register_buffer("words", words[:, :, None, None])
        self.register_buffer("halves", words.square().sum(dim=1) / 2)

    def forward(self, maps: Tensor) -> Tensor:
        """Mean distances `(N, h, w)` from maps `(N, C, h, w)` to the nearest words, at each position."""
        reduced: Tensor = self.reduce(maps)
        # The nearest word has the largest xp - |p|² / 2.
        products = F.conv2d(reduced, self.words, -self.halves)
        nearest = products.topk(self.neighbours, dim=1).values
        squared = reduced.square().sum(dim=1, keepdim=True) - 2 * nearest
        return squared.clamp(min=0).sqrt().mean(dim=1)
