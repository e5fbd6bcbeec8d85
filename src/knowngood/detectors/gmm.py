"""Gaussian mixture: a patch that is improbable among good patches is anomalous."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.detectors.patch_model import COVERING, PatchModel
from knowngood.engines.logsumexp import logsumexp
from knowngood.features.coreset import cover
from knowngood.features.covariance import principal_axes, spreads

PER_COMPONENT = 400  # least patches for each Gaussian: a covariance of fewer would know them by heart
STEPS = 8  # of expectation and maximisation
FLOOR = 0.1  # added to the variances of scaled features, which are 1 in all


@dataclass(frozen=True, kw_only=True)
class Gmm(PatchModel):
    """How improbable patches are under a mixture of Gaussians of good ones.

    A mixture has one Gaussian for each type of patch, where `padim` has one for each position: see Bishop,
    "Pattern Recognition and Machine Learning", section 9.2, and on novelties Bishop, "Novelty detection and
    neural network validation", doi 10.1049/ip-vis:19941330. Features are reduced to principal components,
    each scaled to the same spread. The mixture is fitted to patches that cover all others, so that it is no
    density of good patches but of their types: what is rare but good is not improbable. The score is the
    negative logarithm of the density.

    Example:
        >>> Gmm(components=4).components
        4
    """

    when: ClassVar[str] = "Good parts show a few types of surface, in any position."

    components: Annotated[
        int, Field(ge=1, le=100, description="Most Gaussians; there are fewer where there are few patches")
    ] = 8
    dimensions: Annotated[
        int, Field(ge=1, le=2000, description="Principal components that features are reduced to")
    ] = 100

    def fit_patches(self, patches: Tensor, *, seed: int) -> nn.Module:
        """Reduce the features, and estimate the Gaussians."""
        from sklearn.mixture import GaussianMixture  # which an inspector does not need

        covering = cover(patches, COVERING, generator=torch.Generator().manual_seed(seed))
        if len(covering) == 1:  # constant images; a mixture needs two
            covering = patches
        mean, axes, variances = principal_axes(patches)
        # Always as many, since the density of more dimensions is of another size.
        reduce = (axes / spreads(variances))[:, : self.dimensions]
        mixture = GaussianMixture(
            min(self.components, max(1, len(covering) // PER_COMPONENT)),
            reg_covar=FLOOR,
            max_iter=STEPS,
            init_params="random_from_data",
            random_state=seed % 2**32,
        ).fit(((covering - mean) @ reduce).numpy())
        learned = (mixture.weights_, mixture.means_, mixture.precisions_cholesky_)
        return Mixture(mean, reduce, *(torch.from_numpy(array).double() for array in learned))


class Mixture(nn.Module):
    """A mixture of Gaussians of reduced features: weights `(K,)`, means `(K, D)`, whitening `(K, D, D)`.

    Features are reduced by a mean `(C,)` and axes `(C, D)`.
    """

    project: Tensor
    shift: Tensor
    offsets: Tensor

    def __init__(self, mean: Tensor, axes: Tensor, weights: Tensor, means: Tensor, whiten: Tensor) -> None:
        super().__init__()
        self.shape = means.shape
        # One matrix product gives (x - mean) @ axes @ whiten, less that of the Gaussian's own mean, for all.
        whole = axes.double() @ whiten  # (K, C, D)
        centres = mean.double() @ whole + (means[:, None] @ whiten)[:, 0]  # (K, D)
        determinants = whiten.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        offsets = weights.log() + determinants - means.shape[1] / 2 * math.log(2 * math.pi)
        self.register_buffer("project", whole.mT.flatten(0, 1).float()[:, :, None, None].contiguous())
        self.register_buffer("shift", -centres.flatten().float())
        self.register_buffer("offsets", offsets.float()[:, None, None])

    def forward(self, maps: Tensor) -> Tensor:
        """Negative logarithm `(N, h, w)` of the density of maps `(N, C, h, w)`, at each position."""
        height, width = (int(side) for side in maps.shape[2:])
        whitened = F.conv2d(maps, self.project, self.shift).view(-1, *self.shape, height, width)
        return -logsumexp(self.offsets - whitened.square().sum(dim=2) / 2, dim=1)
