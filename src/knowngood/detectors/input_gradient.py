"""The gradient with respect to the input, in operations of a graph that has no automatic differentiation."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from knowngood.training.classifying import RandomShift


def towards_confidence(
    layers: Sequence[nn.Module], images: Tensor, *, step: float, temperature: float
) -> Tensor:
    """Move every value of images `(N, ...)` by one step that increases the confidence of the network.

    Liang, Li and Srikant, "Enhancing the Reliability of Out-of-distribution Image Detection in Neural
    Networks" (ODIN), arXiv:1706.02690. The network is given as its layers in evaluation mode, the last one
    linear; logits are divided by the temperature.
    """
    inputs = []
    values = images
    for layer in layers:
        inputs.append(values)
        values = layer(values)
    probabilities = (values / temperature).softmax(dim=1)
    # The gradient of the largest log-probability: at the logits, the prediction minus the probabilities.
    gradient = F.one_hot(values.argmax(dim=1), values.shape[1]).to(values.dtype) - probabilities
    for layer, value in zip(reversed(layers), reversed(inputs), strict=True):
        gradient = backward(layer, value, gradient)
    return images + step * gradient.sign()


def backward(layer: nn.Module, value: Tensor, gradient: Tensor) -> Tensor:
    """From the gradient with respect to a layer's output to that with respect to its input value.

    Raises:
        NotImplementedError: There is no rule for this type of layer.
    """
    match layer:
        case nn.Linear():
            return gradient @ layer.weight
        case nn.Conv2d(groups=1, dilation=(1, 1), padding_mode="zeros", padding=(int(), int()) as padding):
            # The rows and columns that a convolution with a stride leaves out at the far border.
            left = [
                int(size) - ((int(out) - 1) * stride - 2 * around + kernel)
                for size, out, stride, around, kernel in zip(
                    value.shape[2:], gradient.shape[2:], layer.stride, padding, layer.kernel_size, strict=True
                )
            ]
            return F.conv_transpose2d(
                gradient, layer.weight, stride=layer.stride, padding=padding, output_padding=left
            )
        case nn.BatchNorm2d(affine=True, running_var=Tensor() as variance):
            scale = layer.weight / (variance + layer.eps).sqrt()
            return gradient * scale.view(1, -1, 1, 1)
        case nn.ReLU():
            return gradient * (value > 0).to(gradient.dtype)
        case nn.Flatten(start_dim=1, end_dim=-1):
            return gradient.reshape(-1, *map(int, value.shape[1:]))
        case nn.AdaptiveAvgPool2d(output_size=1):
            height, width = map(int, value.shape[2:])
            return (gradient / (height * width)).expand(-1, -1, height, width)
        case nn.Identity() | RandomShift():  # the second moves nothing in evaluation
            return gradient
    raise NotImplementedError(f"no rule for the gradient of {layer}")
