"""The layers of a network as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from knowngood.training.learner import Trainable
from knowngood.training.record import Layer


def layer_table(network: Trainable, batch: Tensor, labels: Tensor) -> list[Layer]:
    """List the layers in the order in which a batch first passes them; the network stays as it was."""
    table: dict[str, Layer] = {}

    def record(name: str, layer: nn.Module, _: Any, output: Tensor) -> None:
        count = sum(parameter.numel() for parameter in layer.parameters() if parameter.requires_grad)
        table.setdefault(name, Layer(name, describe(layer), tuple(output.shape[1:]), count))

    leaves = [(name, layer) for name, layer in network.named_modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(partial(record, name)) for name, layer in leaves]
    training = network.training
    try:
        with torch.no_grad():
            network.eval().losses(batch, labels)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return list(table.values())


def multiplications(layers: Sequence[Layer]) -> int:
    """The approximate number of multiplications for one sample.

    Example:
        >>> multiplications([Layer("first", "Conv2d 1 → 2, kernel 2, stride 2", (2, 14, 14), 10)])
        1960
    """
    return sum(layer.parameters * math.prod(layer.output[1:]) for layer in layers)


def describe(layer: nn.Module) -> str:
    """The type of a layer with its main settings.

    Example:
        >>> describe(nn.Conv2d(3, 16, 4, stride=2))
        'Conv2d 3 → 16, kernel 4, stride 2'
    """
    name = type(layer).__name__
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        return f"{name} {layer.in_channels} → {layer.out_channels}, kernel {kernel}, stride {stride}"
    if isinstance(layer, nn.Linear):
        return f"{name} {layer.in_features} → {layer.out_features}"
    return name
