"""Gaussians over features: principal axes, a covariance that can be inverted, the Mahalanobis distance."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-6  # added to variances, so that a feature that never varies does not divide by zero
LEAST_SHARE = 1e-3  # of the mean variance, which is added to those along principal axes


def ledoit_wolf(points: Tensor) -> Tensor:
    """Estimate a covariance `(C, C)` from few points `(N, C)`, shrunk towards a multiple of the identity.

    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    doi 10.1016/S0047-259X(03)00096-4.

    Example:
        >>> ledoit_wolf(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        tensor([[1., 0.],
                [0., 0.]])
    """
    count, dimensions = points.shape
    centred = points - points.mean(dim=0)
    empirical = centred.T @ centred / count
    variance = empirical.trace() / dimensions
    squares = (empirical**2).sum()
    # Both are per dimension: how far the estimate is from the target, and how much of that is noise.
    distance = squares / dimensions - variance**2
    fourth = ((centred**2).sum(dim=1) ** 2).sum() / count
    noise = (fourth - squares) / (count * dimensions)
    shrinkage = (noise.clamp(min=0) / distance).clamp(max=1) if distance > 0 else torch.ones(())
    target = variance * torch.eye(dimensions, dtype=points.dtype)
    return (1 - shrinkage) * empirical + shrinkage * target


def whitening(covariance: Tensor, *, floor: float) -> Tensor:
    """The matrix `(..., C, C)` for which `deviation @ whitening` has the Mahalanobis distance as its length.

    The floor is added to the diagonal of the covariance `(..., C, C)`, so that a feature that never varies
    does not divide by zero.

    Example:
        >>> whitening(torch.diag(torch.tensor([4.0, 16.0])), floor=0.0)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    # In single precision a covariance of few points with large values would not factorise.
    identity = torch.eye(covariance.shape[-1], dtype=torch.float64)
    lower = torch.linalg.cholesky(covariance + floor * identity)
    inverse: Tensor = torch.linalg.solve_triangular(lower, identity.expand_as(lower), upper=False)
    return inverse.mT.to(covariance.dtype).contiguous()


def principal_axes(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean `(C,)` of points `(N, C)`, their principal axes `(C, C)`, and the variance `(C,)` along each.

    Axes are the columns, that of the largest variance first.

    Example:
        >>> mean, axes, variances = principal_axes(torch.tensor([[1.0, 1.0], [1.0, 5.0]]))
        >>> mean, axes[:, 0].abs(), variances
        (tensor([1., 3.]), tensor([0., 1.]), tensor([4., 0.]))
    """
    mean = points.double().mean(dim=0)
    centred = points - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(points))  # ascending
    found = (mean, axes.flip(1).contiguous(), variances.flip(0).clamp(min=0))
    mean, axes, variances = (tensor.to(points.dtype) for tensor in found)
    return mean, axes, variances


def that_hold(variances: Tensor, share: float) -> int:
    """How many of variances `(C,)`, the largest first, hold a share of their sum; one, if all are zero.

    Example:
        >>> that_hold(torch.tensor([6.0, 3.0, 1.0]), 0.9)
        2
    """
    held = variances.double().cumsum(dim=0)
    return int((held < share * held[-1] * (1 - 1e-9)).sum()) + 1


def spreads(variances: Tensor) -> Tensor:
    """The standard deviations of variances `(C,)`, raised a little, as those of few points are too small.

    Example:
        >>> spreads(torch.tensor([4.0, 0.0]))
        tensor([2.0005, 0.0447])
    """
    # Constant images leave no spread to divide by.
    return (variances + LEAST_SHARE * variances.mean()).sqrt().clamp(min=1e-6)


def halfway_axes(points: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The mean `(C,)` of points `(N, C)`, and axes `(C, D)` along which a share of their variance is held.

    Each is divided by the root of the points' spread along it: distances of reduced points are halfway
    between Euclidean ones, which hardly see what varies little, and Mahalanobis ones, which hear its noise.

    Example:
        >>> mean, axes = halfway_axes(torch.tensor([[0.0, 0.0], [16.0, 0.0]]), 0.9)
        >>> mean, (torch.tensor([16.0, 3.0]) - mean) @ axes.abs()
        (tensor([8., 0.]), tensor([2.8281]))
    """
    mean, axes, variances = principal_axes(points)
    held = that_hold(variances, share)
    return mean, axes[:, :held] / spreads(variances)[:held].sqrt()
