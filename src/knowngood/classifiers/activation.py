"""Class activation maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from knowngood.features.patches import align


def class_activation(maps: Sequence[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """The logits that a linear classifier of mean features has at each position, `(N, C, h, w)`.

    Their mean over the image is the image's logits, where all maps are of one size. Zhou et al., "Learning
    Deep Features for Discriminative Localization", arXiv:1512.04150.

    Args:
        maps: Feature maps `(N, D_i, h_i, w_i)`; the result has the resolution of the first, the finest.
        weight: `(C, D)` of their means side by side, D the sum of all D_i.
        bias: `(C,)`.

    Example:
        >>> maps = [torch.tensor([[[[1.0, 3.0]]]])]
        >>> class_activation(maps, torch.tensor([[2.0]]), torch.tensor([1.0])).tolist()
        [[[[3.0, 7.0]]]]
    """
    parts = torch.split(weight, [int(level.shape[1]) for level in maps], dim=1)
    each = [torch.einsum("nchw,kc->nkhw", level, part) for level, part in zip(maps, parts, strict=True)]
    return torch.stack(align(each)).sum(dim=0) + bias[:, None, None]
