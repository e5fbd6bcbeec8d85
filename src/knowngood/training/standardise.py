"""Standardisation of features to mean 0 and standard deviation 1 over the training samples."""

from __future__ import annotations

from torch import Tensor, nn

LEAST_DEVIATION = 1e-3
"""Added to standard deviations, so that a constant feature does not divide by zero."""


class Standardise(nn.Module):
    """Subtracts a mean `(D,)` from each feature and divides by a scale, a standard deviation plus
    `LEAST_DEVIATION`; both may have another shape that broadcasts with the features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", scale.float())

    @classmethod
    def over(cls, samples: Tensor) -> Standardise:
        """Take mean and standard deviation of samples `(..., D)`.

        Example:
            >>> import torch
            >>> Standardise.over(torch.tensor([[1.0, 5.0], [3.0, 9.0]])).scale
            tensor([1.0010, 2.0010])
        """
        rows = samples.double().flatten(0, -2)
        return cls(rows.mean(dim=0), rows.std(dim=0, correction=0).float() + LEAST_DEVIATION)

    def forward(self, features: Tensor) -> Tensor:
        """Features `(..., D)`, standardised."""
        return (features - self.mean) / self.scale
