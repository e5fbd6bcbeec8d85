"""Pretrained convolutional backbones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from knowngood.errors import RecipeError, WeightsError
from knowngood.features.weights import (
    DEFAULT,
    EMBEDDED,
    checkpoint_file,
    hub_offline_without_network,
    installed,
    read_checkpoint,
)
from knowngood.parallel import drawing, without_remarks


class Backbone(nn.Module):
    """A frozen pretrained network from images to feature maps, with its normalisation inside.

    The network takes normalised images `(N, 3, H, W)` and returns a feature map for each stride, in pixels.
    Mean and standard deviation are those of the colour channels, from 0 to 1. `weights` names their source,
    and `weights_hash` is the SHA-256 of the tensors, both for the manifest.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        strides: tuple[int, ...],
        channels: tuple[int, ...],
        weights: str,
        weights_hash: str,
    ) -> None:
        super().__init__()
        self.name = name
        self.network = network.eval().requires_grad_(False)
        self.strides = strides
        self.channels = channels
        self.weights = weights
        self.weights_hash = weights_hash
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / (255 * torch.tensor(std).view(1, 3, 1, 1)))

    def normalise(self, images: Tensor) -> Tensor:
        """From images `(N, H, W, 3)` of 0 to 255 to the network's input `(N, 3, H, W)`."""
        return (images.permute(0, 3, 1, 2).float() - self.mean) * self.scale

    def forward(self, normalised: Tensor) -> list[Tensor]:
        """Feature maps `(N, C, H / stride, W / stride)` of normalised images, one for each stride."""
        features: list[Tensor] = self.network(normalised)
        return features


def load_backbone(
    name: str = DEFAULT,
    *,
    strides: Sequence[int] | None = None,
    weights: str | None = None,
    setting: str = "backbone",
) -> Backbone:
    """Load a pretrained backbone in evaluation mode, cut after the last layer that is needed.

    Args:
        name: timm's name of an architecture that has feature maps.
        strides: The feature maps wanted, by their stride in pixels; None for all.
        weights: A local checkpoint, `.safetensors` or `.pth`; None for the installed or downloaded one.
        setting: The setting that gave the name, for messages.

    Raises:
        RecipeError: timm does not know the name, or the network has no such stride.
        WeightsError: The weights are not on this machine and cannot be downloaded, or do not fit.

    Example:
        >>> load_backbone("tf_efficientnet_lite0", strides=(8, 16)).channels
        (40, 112)
    """
    import timm

    tagged = "." in name  # an architecture and the tag of its weights
    if not timm.is_model(name) or (tagged and name not in timm.list_models(pretrained=True)):
        close = timm.list_models(f"*{name.partition('.')[0]}*", pretrained=tagged)[:5]
        hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() names all"
        raise RecipeError(f"{setting}={name!r} is not a timm model; {hint}", setting=setting, value=name)
    try:
        blank = _create(name)
    except (AttributeError, NotImplementedError, AssertionError) as error:
        raise RecipeError(
            f"{setting}={name!r} gives no feature maps ({error}); choose another", setting=setting, value=name
        ) from error
    available = tuple(blank.feature_info.reduction())
    wanted = tuple(sorted(set(available if strides is None else strides)))
    if not wanted or not set(wanted) <= set(available):
        raise RecipeError(
            f"strides={wanted} asks for a stride that {name} does not have; it has {available}",
            setting="strides",
            value=wanted,
        )
    # Networks of constant resolution repeat a stride: the deepest map of each is meant.
    levels = [len(available) - 1 - available[::-1].index(stride) for stride in wanted]

    overlay, source = _weights(name, weights)
    network = _without_unused_blocks(_pretrained(name, levels, overlay, source, blank))
    config = network.pretrained_cfg if hasattr(network, "pretrained_cfg") else blank.pretrained_cfg
    embedded = EMBEDDED.get(name) if weights is None else None
    mean, std = ([embedded.mean] * 3, [embedded.std] * 3) if embedded else (config["mean"], config["std"])
    return Backbone(
        name,
        network,
        mean=mean,
        std=std,
        strides=wanted,
        channels=tuple(network.feature_info.channels()),
        weights=source,
        weights_hash=hash_tensors(network),
    )


def hash_tensors(module: nn.Module) -> str:
    """SHA-256 over the names, shapes and values of all tensors of a module, as hexadecimal digits."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _create(name: str, **options: Any) -> Any:
    """Create a feature network whose initial weights are the same at each call."""
    import timm

    with drawing(0):
        return timm.create_model(name, features_only=True, **options)


def _weights(name: str, weights: str | None) -> tuple[dict[str, Any], str]:
    """Read local weights as an overlay of timm's configuration, and name their source."""
    file = checkpoint_file(name, weights)
    if file is None:
        return {}, "timm download"
    if weights is not None:
        return {"state_dict": read_checkpoint(file)}, f"file {file.name}"
    tensors = list(read_checkpoint(file).values())
    import timm

    with drawing(0):
        keys = list(timm.create_model(name).state_dict())
    package = EMBEDDED[name].requirement
    if len(keys) != len(tensors):
        raise WeightsError(f"{package} has {len(tensors)} tensors; {name} needs {len(keys)}")
    return {"state_dict": dict(zip(keys, tensors, strict=True))}, f"package {package}"


def _pretrained(name: str, levels: list[int], overlay: dict[str, Any], source: str, blank: Any) -> Any:
    """Create the network with its weights, and refuse weights that leave a layer as in the blank network."""
    try:
        # timm lists the layers that were cut off as unexpected; what matters is checked below.
        with without_remarks("timm"), nullcontext() if overlay else hub_offline_without_network():
            network = _create(
                name, out_indices=levels, pretrained=True, pretrained_cfg_overlay=overlay or None
            )
    except Exception as error:
        if overlay:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"the weights ({source}) do not fit {name}: {reason}") from error
        # A hub failure can be any of a dozen exceptions from three libraries.
        raise WeightsError(
            f"the weights of {name} are not on this machine and could not be downloaded;"
            f" give weights=FILE with a local checkpoint. {installed()}"
        ) from error
    initial = dict(blank.named_parameters())
    unloaded = [
        key
        for key, value in network.named_parameters()
        if value.ndim > 1 and torch.equal(value, initial[key])
    ]
    if unloaded:
        raise WeightsError(
            f"the weights ({source}) do not fit {name}: "
            f"they have nothing for {unloaded[0]!r} and {len(unloaded) - 1} other tensors"
        )
    return network


def _without_unused_blocks(network: Any) -> Any:
    """Cut an EfficientNet after the last map that is wanted; timm would compute the rest and drop it."""
    from timm.models.efficientnet import EfficientNetFeatures

    last = network.feature_info.module_name()[-1].split(".")
    if isinstance(network, EfficientNetFeatures) and last[0] == "blocks":
        network.blocks = network.blocks[: int(last[1]) + 1]
    return network
