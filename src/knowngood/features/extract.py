"""Run a frozen feature extractor over many images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.errors import DataError, RecipeError
from knowngood.features.frozen import FrozenFeatures
from knowngood.parallel import one_thread
from knowngood.types import Progress, silent

T = TypeVar("T")

DEVICE_BATCH = 32  # images, or views of images, in one step on a GPU


def extract(
    features: FrozenFeatures, images: ImageSet, *, device: str, progress: Progress = silent
) -> Iterator[tuple[int, list[Tensor]]]:
    """Extract the features of each readable image in order, without holding more than a few of them.

    Yields:
        The image's position in the sources, and its tensors without the batch dimension, on the CPU. They
        may be overwritten once the next are asked for: copy what is to be kept.
    """
    done = 0
    for done, (index, arrays) in enumerate(extract_views(features, images, device=device), 1):
        yield index, [torch.from_numpy(array[0]) for array in arrays]
        progress("looking at good images", done, len(images))
    if done < len(images):  # some could not be read
        progress("looking at good images", len(images), len(images))


def extract_views(
    features: FrozenFeatures, images: ImageSet, *, device: str
) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    """Extract the features of all views of each readable image, as `extract` does for a single view.

    On the CPU the extractor runs as an OpenVINO graph, in a fraction of eager PyTorch's time.

    Yields:
        The image's position in the sources, and its arrays `(V, ...)`, which may be overwritten.
    """
    if torch.device(device).type != "cpu":
        yield from _extract_in_torch(features.module(), images, device, features.views)
        return
    pairs = ((int(batch.index[0]), batch.images) for batch in images.batches())
    yield from extract_pairs(features, pairs, device=device)


def extract_pairs(
    features: FrozenFeatures, pairs: Iterable[tuple[T, NDArray[np.uint8]]], *, device: str
) -> Iterator[tuple[T, list[NDArray[np.float32]]]]:
    """Extract the features of images `(1, H, W, 3)`, each with a tag, one after another.

    Yields:
        The tag, and the image's arrays `(V, ...)`, which may be overwritten.
    """
    if torch.device(device).type != "cpu":
        module = features.module().eval().to(device)
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for tag, image in pairs:
                yield (
                    tag,
                    [tensor.float().cpu().numpy() for tensor in module(torch.from_numpy(image).to(device))],
                )
        return
    with one_thread():
        for tag, arrays in features.engine.stream(pairs):
            yield tag, list(arrays)


def look(features: FrozenFeatures, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Extract the first of the features of pictures `(H, W, 3)` in memory, on the CPU, `(n, V, ...)`."""
    pairs = ((None, picture[None]) for picture in pictures)
    return np.stack([first[0].copy() for _, [first] in extract_pairs(features, pairs, device="cpu")])


def _extract_in_torch(
    module: nn.Module, images: ImageSet, device: str, views: int
) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    """Extract features of all views in large batches on a device of torch's."""
    # Not in bfloat16: features would be off by a fifth of their spread, against a graph in float32.
    module = module.eval().to(device).to(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for batch in images.batches(DEVICE_BATCH // views):
            tensors = module(torch.from_numpy(batch.images).to(device))
            arrays = [tensor.float().cpu().numpy() for tensor in tensors]
            for row, index in enumerate(batch.index):
                yield int(index), [array[row * views : (row + 1) * views] for array in arrays]


def few(images: ImageSet, count: int, seed: int) -> NDArray[np.uint8]:
    """Draw some of the images, uint8 `(n, H, W, 3)`; those that cannot be read are left out.

    Of tiles, some pictures are drawn, and of each the tile with the most contrast: it shows the part.
    """
    pictures, of_picture = np.unique(images.pictures, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(pictures))[:count]
    rows = np.flatnonzero(np.isin(of_picture, drawn))
    some = replace(images.subset(rows), on_unreadable=lambda _: None)
    try:
        if images.tiles is None:
            return next(some.batches(count)).images
        best: dict[int, tuple[float, NDArray[np.uint8]]] = {}
        for batch in some.batches():
            picture, contrast = int(some.pictures[batch.index[0]]), float(batch.images.std())
            if picture not in best or contrast > best[picture][0]:
                best[picture] = contrast, batch.images[0]
        return np.stack([image for _, image in best.values()])
    except DataError:  # whoever reads all images names those that cannot be read
        return np.empty((0, *images.shape, 3), np.uint8)


def resolve_device(device: str) -> str:
    """Turn `auto` into `cuda` where there is one, else `cpu`; return any other usable device as it is.

    Raises:
        RecipeError: The device is not on this machine.

    Example:
        >>> resolve_device("cpu")
        'cpu'
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise RecipeError(f"device={device!r} is not usable on this machine: torch finds no CUDA; take cpu")
    return device
