"""Subspace: what the principal components of good patches cannot express is anomalous."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.detectors.patch_model import COVERING, PatchModel
from knowngood.features.coreset import cover
from knowngood.features.covariance import principal_axes, spreads, that_hold
from knowngood.features.reduced import Reduced
from knowngood.settings import InputSize


@dataclass(frozen=True, kw_only=True)
class Subspace(PatchModel):
    """Distance of patches to the subspace of the principal components of good ones.

    Lendering, Akdag and Bondarev, "SubspaceAD: Training-Free Few-Shot Anomaly Detection via Subspace
    Modeling", arXiv:2602.23013. Theirs are features of DINOv2, ten times as many, at 672 pixels, of images
    in many rotations. Here the components are those of patches that cover all others, so that what is rare
    but good is inside; and the distance along each axis outside is in units of the spread that they have
    along it, since what good patches hardly do there tells most.

    Example:
        >>> Subspace(variance=0.99).variance
        0.99
    """

    when: ClassVar[str] = "You have a few good images, or little memory: what it learns takes less than 1 MB."

    finest_grid: ClassVar[bool] = True

    input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 256
    scales: Annotated[
        int, Field(ge=1, le=4, description="Number of scales; each has half the resolution of the one before")
    ] = 1
    variance: Annotated[
        float, Field(ge=0.1, le=0.9999, description="Share of the variance that the subspace holds")
    ] = 0.95

    def fit_patches(self, patches: Tensor, *, seed: int) -> nn.Module:
        """Find the subspace."""
        covering = cover(patches, COVERING, generator=torch.Generator().manual_seed(seed))
        mean, axes, variances = principal_axes(covering)
        inside = min(that_hold(variances, self.variance), len(variances) - 1)
        return Outside(mean, (axes / spreads(variances))[:, inside:])


class Outside(nn.Module):
    """The length of what is left of features, less a mean `(C,)`, along axes `(C, D)`."""

    def __init__(self, mean: Tensor, axes: Tensor) -> None:
        super().__init__()
        self.reduce = Reduced(mean, axes)

    def forward(self, maps: Tensor) -> Tensor:
        """Distances `(N, h, w)` of the features of maps `(N, C, h, w)`."""
        outside: Tensor = self.reduce(maps)
        return outside.square().sum(dim=1).sqrt()
