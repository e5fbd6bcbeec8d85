"""The logarithm of a sum of exponentials, in operations that every engine runs."""

from torch import Tensor


def logsumexp(values: Tensor, dim: int) -> Tensor:
    """Compute `torch.logsumexp` of finite values, of which OpenVINO reduces all dimensions once exported.

    Example:
        >>> import torch
        >>> logsumexp(torch.tensor([[0.0, 0.0], [0.0, 300.0]]), dim=1)
        tensor([  0.6931, 300.0000])
    """
    largest = values.amax(dim=dim, keepdim=True)
    return largest.squeeze(dim) + (values - largest).exp().sum(dim=dim).log()
