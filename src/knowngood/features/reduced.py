"""Features of maps, reduced to some axes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Reduced(nn.Module):
    """The features of maps `(N, C, h, w)`, less a mean `(C,)`, along axes `(C, D)`: maps `(N, D, h, w)`.

    Example:
        >>> import torch
        >>> reduce = Reduced(torch.tensor([1.0, 2.0]), torch.tensor([[1.0], [0.5]]))
        >>> reduce(torch.tensor([4.0, 4.0]).view(1, 2, 1, 1)).flatten()
        tensor([4.])
    """

    project: Tensor
    shift: Tensor

    def __init__(self, mean: Tensor, axes: Tensor) -> None:
        super().__init__()
        self.register_buffer("project", axes.T[:, :, None, None].contiguous())
        self.register_buffer("shift", -(mean @ axes))

    def forward(self, maps: Tensor) -> Tensor:
        """Reduce maps."""
        return F.conv2d(maps, self.project, self.shift)
