"""One-class SVM: a boundary around good patches, drawn by some of them."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.detectors.patch_model import PatchModel
from knowngood.engines.logsumexp import logsumexp
from knowngood.features.coreset import k_center
from knowngood.features.covariance import halfway_axes
from knowngood.features.reduced import Reduced

SHARE = 0.99  # of the variance, which the reduced features hold


@dataclass(frozen=True, kw_only=True)
class Ocsvm(PatchModel):
    """A one-class support vector machine of patch features.

    Schölkopf et al., "Estimating the Support of a High-Dimensional Distribution",
    doi 10.1162/089976601750264965, fitted by scikit-learn to patches that cover all others, so that what is
    rare but good is inside the boundary. Features are reduced to principal components; the kernel is
    Gaussian. The score is the logarithm of how many times smaller the sum of kernels is than on the boundary:
    patches are ordered as by that sum, but far outside, where it vanishes, they still differ.

    Example:
        >>> Ocsvm(nu=0.05).nu
        0.05
    """

    when: ClassVar[str] = "As for `patchcore`, by a boundary around good patches."

    nu: Annotated[
        float,
        Field(ge=0.001, le=0.999, description="Most of the patches, as a share, outside the boundary"),
    ] = 0.1
    gamma: Annotated[
        float,
        Field(ge=0.01, le=1000, description="Narrowness of the kernel, in units of 1 / the total variance"),
    ] = 10.0
    patches: Annotated[
        int, Field(ge=1, le=20_000, description="Patches at each scale that the machine is fitted to")
    ] = 3000

    def fit_patches(self, patches: Tensor, *, seed: int) -> nn.Module:
        """Find the support vectors."""
        from sklearn.svm import OneClassSVM  # which an inspector does not need

        mean, axes = halfway_axes(patches, SHARE)
        reduced = (patches - mean) @ axes
        generator = torch.Generator().manual_seed(seed)
        covering = reduced[k_center(reduced, self.patches, generator=generator)].double()
        variance = float(reduced.square().sum(dim=1).mean())  # none where all patches are equal
        gamma = self.gamma / variance if variance > 0 else 1.0
        machine = OneClassSVM(kernel="rbf", gamma=gamma, nu=self.nu).fit(covering.numpy())
        weights = torch.from_numpy(machine.dual_coef_[0] / -machine.intercept_[0])
        support = torch.from_numpy(machine.support_vectors_)
        return Boundary(mean, axes, support.float(), weights.log().float(), gamma)


class Boundary(nn.Module):
    """Support vectors `(M, D)` of reduced features, the logarithms of their weights `(M,)`, and the kernel.

    A mean `(C,)` and axes `(C, D)` reduce the features. On the boundary, kernels times weights sum to one.
    """

    support: Tensor
    offsets: Tensor

    def __init__(self, mean: Tensor, axes: Tensor, support: Tensor, weights: Tensor, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.reduce = Reduced(mean, axes)
        # -gamma |x - p|² = 2 gamma xp - gamma |p|² - gamma |x|²: one matrix product for all pairs.
        self.register_buffer("support", 2 * gamma * support[:, :, None, None])
        self.register_buffer("offsets", weights - gamma * support.square().sum(dim=1))

    def forward(self, maps: Tensor) -> Tensor:
        """Scores `(N, h, w)` of maps `(N, C, h, w)` at each position: 0 on the boundary, larger outside."""
        reduced: Tensor = self.reduce(maps)
        lengths = reduced.square().sum(dim=1)
        return self.gamma * lengths - logsumexp(F.conv2d(reduced, self.support, self.offsets), dim=1)
