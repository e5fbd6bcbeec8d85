"""Settings that several methods share, each described once.

A recipe adds what differs from one method to the next, such as
`input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 448`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _finest_first(strides: tuple[int, ...]) -> tuple[int, ...]:
    if not strides or list(strides) != sorted(set(strides)):
        raise ValueError("must name at least one stride, each once, finest first")
    return strides


InputSize = Annotated[
    int,
    Field(description="Side of the network's input in pixels; if not square, of the square of equal area"),
]
BackboneName = Annotated[str, Field(description="Name of a pretrained network in timm")]
Weights = Annotated[
    str | None,
    Field(
        description="File with the network's weights, or folder of files named after networks; none for "
        "those installed or downloaded"
    ),
]
Strides = Annotated[
    tuple[int, ...],
    AfterValidator(_finest_first),
    Field(description="Feature maps of the network to use, by their stride in pixels, finest first"),
]
Folds = Annotated[
    int,
    Field(ge=2, le=100, description="Number of folds; images of each are scored by the other folds' model"),
]
Smoothing = Annotated[
    float, Field(ge=0, description="Standard deviation of the map's Gaussian blur, in patches")
]
HeldOut = Annotated[int, Field(ge=2, description="Most good images that are scored out of fold")]

Epochs = Annotated[int, Field(ge=1, description="Most passes over the training images")]
BatchSize = Annotated[int, Field(ge=1, le=4096, description="Images per training step")]
LearningRate = Annotated[
    float | None,
    Field(ge=1e-8, le=1, description="Largest learning rate; none to find one with a range test"),
]
Patience = Annotated[
    int, Field(ge=1, description="Epochs without improvement on held-out images before training stops")
]
Schedule = Annotated[str, Field(description="How the learning rate changes during training")]
LabelSmoothing = Annotated[
    float, Field(ge=0, le=0.99, description="Share of each target that is spread over all classes")
]

Orientation = Annotated[
    str,
    Field(description="Orientation of a product: always the same, mirrored, in quarter turns, at any angle"),
]
Agreement = Annotated[
    str,
    Field(description="How predictions for several views of an image are combined: mean probability or vote"),
]
Imbalance = Annotated[str, Field(description="What is done about classes with few images")]

Noise = Annotated[
    float, Field(ge=0.01, le=10, description="Standard deviation of the noise, in those of the features")
]
HeadChannels = Annotated[int, Field(ge=1, le=4096, description="Channels within the head that marks places")]
