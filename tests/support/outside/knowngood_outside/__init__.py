"""A package that is none of knowngood's, with a detector: what others would install."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

from knowngood.detectors.base import Detector, Fit, FittedDetector
from knowngood.settings import InputSize
from knowngood.types import Scores


@dataclass(frozen=True, kw_only=True)
class Brightness(Detector):
    """Distance of each place to its mean brightness in good images, in standard deviations."""

    input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 64
    places: Annotated[int, Field(ge=1, le=64, description="Places per side")] = 8

    def fit(self, good, *, seed, device, progress=None, run=None):
        """Fit to all good images, and score each of them by a fit to the others."""
        index, rows = [], []
        for batch in good.batches():
            index.extend(batch.index.tolist())
            rows.append(shrunk(torch.from_numpy(batch.images), self.places))
        small, held_out = torch.cat(rows), []
        for place in range(len(small)):
            others = torch.cat([small[:place], small[place + 1 :]])
            held_out += FittedBrightness(others, self.places).scored(small[[place]]).image.tolist()
        return Fit(FittedBrightness(small, self.places), np.array(held_out), np.array(index))


def shrunk(images, places):
    """The mean brightness of images `(N, H, W, 3)` at each place, `(N, places, places)`."""
    _, height, width, _ = images.shape
    grey = images.float().mean(dim=3)
    return grey.reshape(-1, places, height // places, places, width // places).mean(dim=(2, 4))


class FittedBrightness(FittedDetector):
    """The mean and the spread at each place."""

    def __init__(self, small, places):
        super().__init__()
        self.places = places
        self.register_buffer("mean", small.mean(dim=0))
        self.register_buffer("spread", small.std(dim=0, correction=0) + 1)

    def forward(self, images):
        """Score images."""
        return self.scored(shrunk(images, self.places))

    def scored(self, small):
        """Score what `shrunk` gives."""
        away = ((small - self.mean) / self.spread).abs()
        return Scores(away.amax(dim=(1, 2)), away)
