"""Information: a patch that costs many bits, written in the words of good patches, is anomalous."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.detectors.patch_model import PatchModel
from knowngood.features.covariance import halfway_axes
from knowngood.features.reduced import Reduced
from knowngood.features.words import words_of

SHARE = 0.99  # of the variance, that the reduced features hold
PRIOR = 20.0  # patches, that the spread of all words counts for in that of each


@dataclass(frozen=True, kw_only=True)
class Information(PatchModel):
    """How many bits patches cost in a code that is made for good ones.

    The two parts of minimum description length: Rissanen, "Modeling by shortest data description",
    doi 10.1016/0005-1098(78)90005-5. A patch is written as the word, of a dictionary of good patches, that
    makes its code shortest, and as its deviation from that word. A word costs -log2 of its share among good
    patches; a deviation costs what a Gaussian of the word's own spread gives it. Bits are counted up to a
    constant, which is the precision of the features. These are scaled as in `patch_dictionary`
    (docs/decisions/0023).

    Example:
        >>> Information(words=500).words
        500
    """

    when: ClassVar[str] = "You want to know how unusual a place is in bits, or study codes."

    words: Annotated[int, Field(ge=1, le=20_000, description="Words at each scale")] = 2000

    def fit_patches(self, patches: Tensor, *, seed: int) -> nn.Module:
        """Find the words, how often each is used, and how far patches are from it."""
        mean, axes = halfway_axes(patches, SHARE)
        reduced = (patches - mean) @ axes
        words, word_of = words_of(reduced, self.words, seed)
        squares = (reduced - words[word_of]).square().mean(dim=1).double()  # of deviations, per dimension
        uses = torch.bincount(word_of, minlength=len(words)).double()
        of_words = torch.zeros(len(words), dtype=torch.float64).index_add(0, word_of, squares)
        variance = (of_words + PRIOR * squares.mean()) / (uses + PRIOR)
        # Half a use more for each word (Krichevsky and Trofimov): none costs infinitely many bits.
        shares = (uses + 0.5) / (uses.sum() + 0.5 * len(uses))
        return CodeLength(mean, axes, words, shares, variance.clamp(min=1e-12))


class CodeLength(nn.Module):
    """The words `(K, D)` of reduced features, their shares `(K,)`, and the variance `(K,)` around each.

    Features are reduced by a mean `(C,)` and axes `(C, D)`.
    """

    weights: Tensor
    squares: Tensor
    offsets: Tensor

    def __init__(self, mean: Tensor, axes: Tensor, words: Tensor, shares: Tensor, variance: Tensor) -> None:
        super().__init__()
        halves = 1 / (2 * math.log(2) * variance)  # bits per squared deviation
        constants = words.shape[1] / 2 * (2 * math.pi * variance).log2() - shares.log2()
        self.reduce = Reduced(mean, axes)
        # halves * |x - w|² = halves |x|² - 2 halves w x + halves |w|²: a convolution of x, and one of |x|².
        self.register_buffer("weights", (-2 * halves[:, None] * words).float()[:, :, None, None])
        self.register_buffer("squares", halves.float()[:, None, None, None])
        self.register_buffer("offsets", (halves * words.square().sum(dim=1) + constants).float())

    def forward(self, maps: Tensor) -> Tensor:
        """Bits `(N, h, w)` of maps `(N, C, h, w)`, at each position."""
        reduced: Tensor = self.reduce(maps)
        lengths = reduced.square().sum(dim=1, keepdim=True)
        return (F.conv2d(reduced, self.weights, self.offsets) + F.conv2d(lengths, self.squares)).amin(dim=1)
