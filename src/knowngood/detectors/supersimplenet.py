"""SuperSimpleNet: a small network learns to find noise in the features of good images."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from knowngood.detectors.feature_model import FeatureModel, TrainedOnFeatures, moments
from knowngood.settings import Epochs, HeadChannels, InputSize, LearningRate, Noise
from knowngood.training.marking import Marking, draw_marks, focal, place_loss
from knowngood.training.store import Store


@dataclass(frozen=True, kw_only=True)
class SuperSimpleNet(TrainedOnFeatures):
    """A network that learns to tell noise in the features of good images from the features themselves.

    Rolih, Fucka and Skocaj, "SuperSimpleNet: Unifying Unsupervised and Supervised Learning for Fast and
    Reliable Surface Defect Detection", arXiv:2408.03143. A linear adaptor, a head that marks places and one
    that classifies images learn from Gaussian noise, added to features where Perlin noise is high. Here
    features are standardised, the adaptor begins as the identity, the classifying head is narrower, and its
    logit is added to the map. It learns from good images alone; the classifier of this name also learns from
    defects.

    Example:
        >>> SuperSimpleNet(noise=0.3).noise
        0.3
    """

    when: ClassVar[str] = "You study training on synthetic defects, or want a small and fast network."
    neighbourhood: ClassVar[int] = 3

    input_size: Annotated[InputSize, Field(ge=64, le=1024)] = 256
    epochs: Epochs = 20
    learning_rate: LearningRate = 2e-3
    noise: Noise = 1.0
    channels: HeadChannels = 128

    def make_network(self, kept: Store) -> SuperSimpleNetwork:
        """Make a network whose adaptor changes nothing."""
        return SuperSimpleNetwork(*moments(kept), noise=self.noise, width=self.channels)


class SuperSimpleNetwork(FeatureModel):
    """Two heads on adapted features, which are standardised per channel `(C,)`."""

    def __init__(self, mean: Tensor, deviation: Tensor, *, noise: float, width: int) -> None:
        super().__init__()
        self.noise = noise
        self.marking = Marking(mean, deviation, width=width, classes=1)

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The heads, and the adaptor at a smaller rate."""
        return self.marking.groups(learning_rate)

    def errors(self, features: Tensor) -> Tensor:
        """The map and the logit together, made positive, `(N, h, w)`."""
        maps, logits = self.marking.heads(self.marking.adapted(features))
        return F.softplus(maps[:, 0] + logits[:, :, None])

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """Truncated L1 and focal losses of the map, and the focal loss of the classification."""
        adapted = self.marking.adapted(batch.float())
        count, grid = len(adapted), (adapted.shape[2], adapted.shape[3])
        marked = draw_marks(count, grid).to(adapted.device)
        noisy = adapted + marked * self.noise * torch.randn_like(adapted)
        maps, logits = self.marking.heads(torch.cat([adapted, noisy]))
        wanted = torch.cat([torch.zeros_like(marked), marked])
        places = place_loss(maps, wanted)
        images = focal(logits, wanted.amax(dim=(2, 3)))
        return {"loss": places + images, "places": places, "images": images}
