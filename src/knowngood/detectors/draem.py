"""DRAEM: one network repairs damaged images, a second one marks the damage by image and repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss  # type: ignore[import-untyped]

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.data.synthetic_defects import perlin
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.detectors.reconstruction import TrainedOnImages
from knowngood.detectors.trained import learn_each_fold, score_held_out
from knowngood.features.patches import smooth
from knowngood.settings import BatchSize, Epochs, Folds, InputSize
from knowngood.training.blocks import down, pixels, up
from knowngood.training.learner import Trainable
from knowngood.training.losses import l2, ssim
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.training.store import is_grey, store_images
from knowngood.types import Progress, Scores, silent

SIMILARITY = 2.0
"""The weight of the structural similarity of the repair, beside its squared error."""

FOCUS = 2.0
"""The exponent of the focal loss (Lin et al., arXiv:1708.02002), by which what is easy counts less."""

SPARED = 0.5
"""The share of images that are not damaged in a step."""

HALVINGS = 4


@dataclass(frozen=True, kw_only=True)
class Draem(TrainedOnImages["DraemNetwork"]):
    """Two networks: one repairs damaged images, one marks the damage by image and repair; that is the map.

    Zavrtanik, Kristan and Skocaj, "DRAEM: A Discriminatively Trained Reconstruction Embedding for Surface
    Anomaly Detection", arXiv:2108.07610. In each step half of the images are damaged anew where Perlin noise
    is high. Textures are other places of the image instead of photographs of a data set, and a defect is
    around one place. Both networks are smaller and halve the image at once, so that they train on a CPU,
    and damaged pixels, which are few, count as much as the others together. The map is the negative logarithm
    of the probability that a pixel is good, blurred by a Gaussian instead of a mean; the score is its
    maximum. Both networks are trained once for each fold of the good images, on the other folds, and score
    that fold, which sets the threshold; the map of new images is the mean of the networks' maps, see
    `knowngood.detectors.feature_model.TrainedOnFeatures`.

    Example:
        >>> Draem(input_size=64, width=8).width
        8
    """

    when: ClassVar[str] = "You study networks that learn to mark synthetic defects, and have time to train."
    multiple: ClassVar[int] = 2**HALVINGS

    input_size: Annotated[InputSize, Field(ge=32, le=1024)] = 128
    epochs: Epochs = 60
    batch_size: BatchSize = 8
    folds: Annotated[Folds, Field(ge=2, le=20)] = 3
    width: Annotated[
        int,
        Field(ge=1, le=256, description="Channels of the first convolution; each further one doubles them"),
    ] = 16
    smoothing: Annotated[
        float, Field(ge=0, le=32, description="Standard deviation of the map's Gaussian blur, in pixels")
    ] = 3.0

    def network(self, channels: int, _: Sequence[int]) -> DraemNetwork:
        """Make both networks with random weights."""
        return DraemNetwork(channels, width=self.width)

    def fitted(self, network: DraemNetwork) -> FittedDetector:
        """Make the detector of the trained networks."""
        return FittedDraem([network], smoothing=self.smoothing)

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Train the networks on stored images."""
        unlabelled = replace(good, classes=None)
        with store_images(unlabelled, seed=seed, progress=progress) as kept:
            channels = 1 if is_grey(kept.samples) else 3
            fold_of = folds(len(kept.index), self.folds, seed, unlabelled.subset(kept.index).groups)
            held_out = np.empty(len(fold_of))
            networks, records = [], []
            trainings = learn_each_fold(
                self,
                lambda _: self.network(channels, good.shape),
                kept,
                fold_of,
                seed=seed,
                device=device,
                progress=progress,
                run=run,
            )
            for part, network, record in trainings:
                self.check(network, part)
                held_out[part.validation], _ = score_held_out(self.fitted(network).eval(), part)
                networks.append(network)
                records.append(record)
            index = kept.index
        fitted = FittedDraem(networks, smoothing=self.smoothing).eval()
        return Fit(fitted, held_out, index, records=Records(records[0]))

    def fault(self, network: DraemNetwork, held_out: Tensor) -> str:
        """Say if damage is marked no more than what is good."""
        damaged, changed = damage(held_out, np.random.default_rng(0), share=1.0)
        with torch.inference_mode():
            _, logits = network(network.pixels(damaged))
        if not changed.any() or logits[changed].mean() > logits[~changed].mean():
            return ""
        return "it has collapsed, synthetic defects are marked no more than what is good; take more epochs"


class DraemNetwork(Trainable):
    """The network that repairs grey images (1 channel) or colour (3), and the one that marks the damage."""

    def __init__(self, channels: int, *, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.repair = Hourglass(channels, channels, width=width, passes=False)
        self.mark = Hourglass(2 * channels, 1, width=width, passes=True)

    def pixels(self, images: Tensor) -> Tensor:
        """From uint8 `(N, H, W, 3)` to `(N, channels, H, W)` from 0 to 1; for grey, colours are averaged."""
        return pixels(images, self.channels)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The repaired pixels from 0 to 1, and the logits `(N, H, W)` of damage, of pixels from 0 to 1."""
        repaired = self.repair(pixels).sigmoid()
        return repaired, self.mark(torch.cat([pixels, repaired], dim=1))[:, 0]

    def objective(self, seen: Mapping[str, float]) -> float:
        """The loss on the images that are learned from, damaged anew in each epoch: those that are held out
        set the threshold, and must not choose the epoch.
        """
        return seen["train/monitored"]

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """Squared error and dissimilarity of the repair, and the focal loss of the marks."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,))))
        damaged, changed = damage(batch, rng, share=1 - SPARED)
        repaired, logits = self(self.pixels(damaged))
        with torch.autocast(batch.device.type, enabled=False):
            original, repaired, logits = self.pixels(batch), repaired.float(), logits.float()
            repair = l2(repaired, original) + SIMILARITY * ssim(repaired, original)
            marks = marking_loss(logits, changed.float())
        return {"loss": repair + marks, "repair": repair, "marks": marks}

    def show(self, batch: Tensor) -> Tensor:
        """Repair images, as uint8 `(n, H, W, 3)`."""
        repaired, _ = self(self.pixels(batch))
        colour = repaired.float().expand(-1, 3, -1, -1)
        shown: Tensor = (255 * colour).round().to(torch.uint8).permute(0, 2, 3, 1)
        return shown


def marking_loss(logits: Tensor, changed: Tensor) -> Tensor:
    """The focal loss of logits, on average over pixels that changed (1) and over those that did not (0).

    Example:
        >>> marking_loss(torch.tensor([9.0, -9.0, -9.0]), torch.tensor([1.0, 0.0, 0.0])).round().item()
        0.0
    """
    focal: Tensor = sigmoid_focal_loss(logits, changed, alpha=-1, gamma=FOCUS)
    means = [(focal * part).sum() / part.sum().clamp(min=1) for part in (changed, 1 - changed)]
    return means[0] + means[1]


class Hourglass(nn.Module):
    """Convolutions that halve maps and double them again, after U-Net (Ronneberger, Fischer and Brox,
    arXiv:1505.04597) if the maps of each size are passed on to where they are doubled.
    """

    def __init__(self, inputs: int, outputs: int, *, width: int, passes: bool) -> None:
        super().__init__()
        self.passes = passes
        widths = [width << step for step in range(HALVINGS)]
        self.down = nn.ModuleList(down(*pair) for pair in pairwise([inputs, *widths]))
        times = 1 + passes
        self.up = nn.ModuleList(
            up((times if coarse < widths[-1] else 1) * coarse, fine, odd=(0, 0))
            for fine, coarse in reversed(list(pairwise(widths)))
        )
        self.last = nn.ConvTranspose2d(times * width, outputs, 4, stride=2, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `(N, outputs, H, W)` of maps `(N, inputs, H, W)`; both sides are a multiple of 16."""
        halved = []
        for layer in self.down:
            maps = layer(maps)
            halved.append(maps)
        for layer, same in zip(self.up, reversed(halved[:-1]), strict=True):
            maps = layer(maps)
            maps = torch.cat([maps, same], dim=1) if self.passes else maps
        found: Tensor = self.last(maps)
        return found


class FittedDraem(FittedDetector):
    """Scores images by the most suspicious place of the networks' mean map, which is blurred."""

    def __init__(self, networks: Sequence[DraemNetwork], *, smoothing: float) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.smoothing = smoothing

    def forward(self, images: Tensor) -> Scores:
        """Score images."""
        each = [network(network.pixels(images)) for network in self.networks]  # type: ignore[operator]
        repaired = torch.stack([one for one, _ in each]).mean(dim=0)
        marks = torch.stack([F.softplus(logits) for _, logits in each]).mean(dim=0)
        maps = smooth(marks, self.smoothing)
        return Scores(maps.amax(dim=(1, 2)), maps, {"rebuilt": repaired.permute(0, 2, 3, 1)})


def damage(images: Tensor, rng: np.random.Generator, *, share: float) -> tuple[Tensor, Tensor]:
    """Damage a share of uint8 images `(N, H, W, 3)`, and say which pixels changed, bool `(N, H, W)`.

    Example:
        >>> damaged, changed = damage(torch.zeros(2, 32, 32, 3).byte(), np.random.default_rng(0), share=1)
        >>> damaged.shape, changed.sum(dim=(1, 2)).bool()
        (torch.Size([2, 32, 32, 3]), tensor([True, True]))
    """
    damaged, changed = images.cpu().numpy().copy(), np.zeros(images.shape[:3], np.bool_)
    for number in np.flatnonzero(rng.random(len(damaged)) < share):
        damaged[number], changed[number] = perlin(damaged[number], rng)
    return torch.from_numpy(damaged).to(images.device), torch.from_numpy(changed).to(images.device)
