"""The logarithm of a sum of exponentials, in operations that every engine runs."""

from __future__ import annotations

from torch import Tensor


def logsumexp(values: Tensor, dim: int) -> Tensor:
    """What `torch.logsumexp` gives for finite values.

    It is written out since OpenVINO takes an exported `torch.logsumexp` over all dimensions, whichever is
    asked for.

    Args:
        values: `(..., C, ...)`.
        dim: The dimension of C, over which the sum is taken.

    Example:
        >>> import torch
        >>> logsumexp(torch.tensor([[0.0, 0.0], [0.0, 300.0]]), dim=1)
        tensor([  0.6931, 300.0000])
    """
    largest = values.amax(dim=dim, keepdim=True)
    return largest.squeeze(dim) + (values - largest).exp().sum(dim=dim).log()
