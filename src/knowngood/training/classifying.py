"""Networks that classify the views of a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from knowngood.training.blocks import halvings
from knowngood.training.learner import Trainable

WIDTH = 32
"""Channels after the first convolution of `convolutional`."""


class ClassifyingNetwork(Trainable):
    """A trunk that computes features of each view of a sample, and a linear layer that classifies them.

    Where a sample has one view, its label is its class. Where it has several, the class of each is the view's
    number, and labels are ignored.

    Args:
        views: From samples `(N, ...)` to views `(N, V, ...)`.
        trunk: From views `(N, ...)` to features `(N, D)`.
        sample: One sample `(1, ...)`, which determines the number of features.
        classes: Number of classes.
        label_smoothing: Share of each target that is spread over all classes (Szegedy et al., "Rethinking the
            Inception Architecture for Computer Vision", arXiv:1512.00567).
    """

    def __init__(
        self,
        views: nn.Module,
        trunk: nn.Sequential,
        sample: Tensor,
        *,
        classes: int,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.views = views
        self.trunk = trunk
        self.label_smoothing = label_smoothing
        with torch.no_grad():
            features = trunk.eval()(views(sample)[:, 0]).shape[1]
        self.trunk.train()
        self.head = nn.Linear(features, classes)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(N, V, D)` and logits `(N, V, C)` of samples."""
        return self.classify(self.views(samples))

    def classify(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(N, V, D)` and logits `(N, V, C)` of views `(N, V, ...)`."""
        features = apart(self.trunk(views.flatten(0, 1)), views.shape[1])
        return features, self.head(features)

    def losses(self, batch: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy and error rate; see `Trainable.losses`."""
        _, logits = self(batch)
        truth = true_classes(logits, labels).flatten()
        flat = logits.flatten(0, 1).float()
        loss = F.cross_entropy(flat, truth, label_smoothing=self.label_smoothing)
        return {"loss": loss, "error": (flat.argmax(dim=1) != truth).float().mean()}


def apart(flat: Tensor, views: int) -> Tensor:
    """From `(N * V, ...)` to `(N, V, ...)`."""
    return flat.reshape(-1, views, *flat.shape[1:])


def true_classes(logits: Tensor, labels: Tensor) -> Tensor:
    """The true class `(N, V)` of views: the label `(N,)`, or their number where there are several.

    Example:
        >>> true_classes(torch.zeros(2, 1, 3), torch.tensor([2, 0])).tolist()
        [[2], [0]]
        >>> true_classes(torch.zeros(1, 4, 4), torch.tensor([0])).tolist()
        [[0, 1, 2, 3]]
    """
    count, views = logits.shape[:2]
    return labels[:, None] if views == 1 else torch.arange(views, device=logits.device).expand(count, views)


class RandomShift(nn.Module):
    """Moves each image at random by up to `most` pixels, in training only; the border is repeated."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, images: Tensor) -> Tensor:
        """Move images `(N, C, H, W)`."""
        if not (self.training and self.most):
            return images
        count, _, height, width = images.shape
        padded = F.pad(images, (self.most,) * 4, mode="replicate").permute(0, 2, 3, 1)
        down, right = torch.randint(0, 2 * self.most + 1, (2, count, 1), device=images.device)
        rows = (down + torch.arange(height, device=images.device))[:, :, None]
        columns = (right + torch.arange(width, device=images.device))[:, None, :]
        which = torch.arange(count, device=images.device)[:, None, None]
        return padded[which, rows, columns].permute(0, 3, 1, 2)


def small(channels: int, _: Sequence[int]) -> list[nn.Module]:
    """Three convolutions that halve an image, of 2, 4 and 8 channels: 72 features of 28 by 28 pixels.

    The network of the course "Machine anomaly detection, lecture 5" (KAIST, J.-W. Choi).
    """
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, 2), (2, 4), (4, 8)):
        layers += [nn.Conv2d(inputs, outputs, 2, stride=2), nn.ReLU()]
    return [*layers, nn.Flatten()]


def convolutional(channels: int, shape: Sequence[int]) -> list[nn.Module]:
    """Pairs of normalised convolutions, as many as an image can be halved, and global average pooling."""
    layers: list[nn.Module] = []
    inputs = channels
    for step in range(halvings(shape)):
        for outputs, stride in ((WIDTH << step, 2), (WIDTH << (step + 1), 1)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            inputs = outputs
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()]


TRUNKS: dict[str, Callable[[int, Sequence[int]], list[nn.Module]]] = {"small": small, "cnn": convolutional}
"""Trunks that learn from pixels: from channels and shape of the images to layers."""
