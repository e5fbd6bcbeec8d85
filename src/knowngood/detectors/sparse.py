"""Sparse: a patch that takes many atoms of good patches, or is left over by them, is anomalous."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.detectors.patch_model import PatchModel
from knowngood.features.covariance import LEAST_VARIANCE, principal_axes, spreads, whitening
from knowngood.features.reduced import Reduced

PATCHES = 5000  # of those at hand, which atoms are learned from
ROUNDS = 10  # of learning
RIDGE = 1e-3  # of the mean of the diagonal, which is added to it, where two atoms are always used together
STEPS = 6  # of the search for coefficients, which is fast but not exact


@dataclass(frozen=True, kw_only=True)
class Sparse(PatchModel):
    """How unusual the sparse code of patches is: what it leaves over, and how many coefficients it takes.

    Carrera, Manganini, Boracchi and Lanzarone, "Defect Detection in SEM Images of Nanofibrous Materials",
    doi 10.1109/TII.2016.2641472, and Boracchi, Carrera and Wohlberg, "Novelty Detection in Images by Sparse
    Representations", doi 10.1109/INTELS.2014.7008985. A dictionary of atoms is learned from good patches; the
    norm of the residual and that of the coefficients are compared with those of good patches together, by
    their Mahalanobis distance, to which only a norm above the mean adds. Theirs are patches of the picture,
    here of features of a network, and the coefficients come from a few steps of FISTA (Beck and Teboulle,
    doi 10.1137/080716542).

    Example:
        >>> Sparse(atoms=100).atoms
        100
    """

    when: ClassVar[str] = "You study sparse coding: how many atoms a place takes, and what they leave over."

    atoms: Annotated[int, Field(ge=2, le=2000, description="Atoms at each scale")] = 256
    dimensions: Annotated[
        int, Field(ge=1, le=2000, description="Principal components that features are reduced to")
    ] = 100
    penalty: Annotated[
        float, Field(ge=0.01, le=10, description="Cost of coefficients relative to that of the residual")
    ] = 3.0

    def fit_patches(self, patches: Tensor, *, seed: int) -> nn.Module:
        """Learn the atoms, and the joint statistics of residuals and coefficients."""
        mean, axes, variances = principal_axes(patches)
        reduce = (axes / spreads(variances))[:, : self.dimensions]
        reduced = (patches - mean) @ reduce
        drawn = torch.randperm(len(patches), generator=torch.Generator().manual_seed(seed))
        atoms = learn_atoms(reduced[drawn[:PATCHES]], self.atoms, self.penalty)
        codes = SparseCodes(mean, reduce, atoms, self.penalty)
        return Unusual(codes, codes(as_map(patches))[0, :, :, 0])


def as_map(points: Tensor) -> Tensor:
    """Points `(N, C)` as a map `(1, C, N, 1)`."""
    return points.T[None, :, :, None]


def learn_atoms(points: Tensor, count: int, penalty: float) -> Tensor:
    """Learn at most so many atoms `(K, D)` of length 1 from points `(N, D)`, in random order.

    Engan, Aase and Husoy, "Method of optimal directions for frame design",
    doi 10.1109/ICASSP.1999.760624: sparse codes by the atoms and atoms by least squares, in turns. An atom
    that no point uses becomes one of the points.
    """
    atoms = F.normalize(points[:count], dim=1)
    for _ in range(ROUNDS):
        codes = encode(as_map(points), atoms, penalty, step_of(atoms))[0, :, :, 0].double()  # (K, N)
        products = codes @ codes.T
        unused = products.diagonal() == 0
        products = products + RIDGE * products.diagonal().mean().clamp(min=1e-12) * torch.eye(len(atoms))
        fitted = torch.linalg.solve(products, codes @ points.double()).float()
        atoms = F.normalize(torch.where(unused[:, None], points[-len(atoms) :], fitted), dim=1)
    return atoms


def step_of(atoms: Tensor) -> float:
    """The largest step of FISTA that is sure to converge: one over the largest eigenvalue of the products."""
    return float(1 / torch.linalg.matrix_norm(atoms.double(), 2).square().clamp(min=1e-12))


def encode(maps: Tensor, atoms: Tensor, penalty: float, step: float) -> Tensor:
    """Sparse codes `(N, K, h, w)` of maps `(N, D, h, w)` by atoms `(K, D)`, after some steps of FISTA."""
    forth, back = atoms[:, :, None, None], atoms.T[:, :, None, None]
    momentum, bound = 1.0, step * penalty
    codes = reached = torch.zeros_like(F.conv2d(maps, forth))
    for _ in range(STEPS):
        moved = reached + step * F.conv2d(maps - F.conv2d(reached, back), forth)
        # What exceeds the bound, on both sides: torch's own operator is exported as a comparison.
        before, codes = codes, F.relu(moved - bound) - F.relu(-moved - bound)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        reached = codes + (momentum - 1) / following * (codes - before)
        momentum = following
    return codes


class SparseCodes(nn.Module):
    """Atoms `(K, D)` of reduced features, and how to reduce them: a mean `(C,)` and axes `(C, D)`."""

    atoms: Tensor

    def __init__(self, mean: Tensor, axes: Tensor, atoms: Tensor, penalty: float) -> None:
        super().__init__()
        self.penalty, self.step = penalty, step_of(atoms)
        self.reduce = Reduced(mean, axes)
        self.register_buffer("atoms", atoms)

    def forward(self, maps: Tensor) -> Tensor:
        """Norms `(N, 2, h, w)` of the residual and of the coefficients, of maps `(N, C, h, w)`."""
        reduced: Tensor = self.reduce(maps)
        codes = encode(reduced, self.atoms, self.penalty, self.step)
        residual = reduced - F.conv2d(codes, self.atoms.T[:, :, None, None])
        return torch.stack([residual.square().sum(dim=1).sqrt(), codes.abs().sum(dim=1)], dim=1)


class Unusual(nn.Module):
    """The Mahalanobis distance of norms to those of good patches, `(2, N)`; only what is too large counts."""

    mean: Tensor
    whiten: Tensor

    def __init__(self, codes: SparseCodes, good: Tensor) -> None:
        super().__init__()
        self.codes = codes
        self.register_buffer("mean", good.mean(dim=1)[:, None, None])
        covariance = torch.cov(good.double(), correction=0)
        self.register_buffer(
            "whiten", whitening(covariance, floor=LEAST_VARIANCE).float().T[:, :, None, None]
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Distances `(N, h, w)` of maps `(N, C, h, w)`, at each position."""
        above = (self.codes(maps) - self.mean).clamp(min=0)
        return F.conv2d(above, self.whiten).square().sum(dim=1).sqrt()
