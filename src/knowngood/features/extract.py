"""Run a frozen feature extractor over many images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from knowngood.data.loader import Batches
from knowngood.engines.engine import compile_graph
from knowngood.engines.export import to_onnx
from knowngood.errors import RecipeError

CUDA_BATCH = 16


def extract(
    module: nn.Module, images: Batches, *, outputs: int, device: str
) -> Iterator[tuple[int, list[Tensor]]]:
    """Give the features of each image that can be read, in order, without holding more than a few of them.

    On the CPU the extractor runs as an OpenVINO graph, which takes a fraction of eager PyTorch's time; on
    other devices it runs in PyTorch.

    Args:
        module: Takes uint8 images `(N, H, W, 3)`; returns a tuple of tensors, batch first.
        images: What to read.
        outputs: Number of tensors that the module returns.
        device: A torch device.

    Yields:
        The image's position in the sources, and its tensors without the batch dimension, on the CPU. They
        may be overwritten once the next are asked for: copy what is to be kept.
    """
    if torch.device(device).type == "cpu":
        engine = compile_graph(to_onnx(module, images.shape, [f"output{i}" for i in range(outputs)]))
        pairs = ((int(batch.index[0]), batch.images) for batch in replace(images, size=1))
        threads = torch.get_num_threads()
        # The engine has every core busy: torch's own threads would wait for each other, not help.
        torch.set_num_threads(1)
        try:
            for index, arrays in engine.stream(pairs):
                yield index, [torch.from_numpy(array[0]) for array in arrays]
        finally:
            torch.set_num_threads(threads)
    else:
        module = module.eval().to(device)
        with torch.inference_mode():
            for batch in replace(images, size=CUDA_BATCH):
                tensors = module(torch.from_numpy(batch.images).to(device))
                on_cpu = [tensor.float().cpu() for tensor in tensors]
                for row, index in enumerate(batch.index):
                    yield int(index), [tensor[row] for tensor in on_cpu]


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
