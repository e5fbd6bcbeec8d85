"""Run a frozen feature extractor over many images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.errors import DataError, RecipeError
from knowngood.features.frozen import FrozenFeatures
from knowngood.parallel import one_thread

DEVICE_BATCH = 32
"""Images in one step on a GPU."""


def extract(features: FrozenFeatures, images: ImageSet, *, device: str) -> Iterator[tuple[int, list[Tensor]]]:
    """Give the features of each image that can be read, in order, without holding more than a few of them.

    On the CPU the extractor runs as an OpenVINO graph, which takes a fraction of eager PyTorch's time; on
    other devices it runs in PyTorch.

    Args:
        features: What to extract.
        images: What to read.
        device: A torch device.

    Yields:
        The image's position in the sources, and its tensors without the batch dimension, on the CPU. They
        may be overwritten once the next are asked for: copy what is to be kept.
    """
    if torch.device(device).type == "cpu":
        pairs = ((int(batch.index[0]), batch.images) for batch in images.batches())
        with one_thread():
            for index, arrays in features.engine.stream(pairs):
                yield index, [torch.from_numpy(array[0]) for array in arrays]
    else:
        yield from _extract_in_torch(features.module(), images, device)


def _extract_in_torch(module: nn.Module, images: ImageSet, device: str) -> Iterator[tuple[int, list[Tensor]]]:
    """As `extract`, in large batches on a device of torch's."""
    # Not in bfloat16: features would be off by a fifth of their spread, against a graph in float32.
    module = module.eval().to(device).to(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for batch in images.batches(DEVICE_BATCH):
            tensors = module(torch.from_numpy(batch.images).to(device))
            on_cpu = [tensor.float().cpu() for tensor in tensors]
            for row, index in enumerate(batch.index):
                yield int(index), [tensor[row] for tensor in on_cpu]


def few(images: ImageSet, count: int, seed: int) -> NDArray[np.uint8]:
    """Draw some of the images, uint8 `(n, H, W, 3)`; those that cannot be read are passed over."""
    drawn = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])
    some = replace(images.subset(drawn), on_unreadable=lambda _: None)
    try:
        return next(some.batches(count)).images
    except DataError:  # whoever reads all images tells which cannot be read
        return np.empty((0, *images.shape, 3), np.uint8)


def resolve_device(device: str) -> str:
    """Turn `auto` into `cuda` where there is one, else `cpu`; give back any other usable device as it is.

    Raises:
        RecipeError: The device is not known, or not on this machine.

    Example:
        >>> resolve_device("cpu")
        'cpu'
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = device.partition(":")[0]
    if kind == "cpu" or (kind == "cuda" and torch.cuda.is_available()):
        return device
    if kind == "cuda":
        raise RecipeError(f"device={device!r} is not usable on this machine: torch finds no CUDA; take cpu")
    raise RecipeError(f"device={device!r} is not known; take auto, cpu or cuda")
