"""How and where a training runs; precision and number of devices change the result slightly."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowngood.errors import OutputError, RecipeError

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Run:
    """How and where a training runs.

    Args:
        folder: Where checkpoints, TensorBoard logs and `losses.csv` are kept. An interrupted training resumes
            from its last checkpoint when the same folder is given again. None keeps nothing.
        precision: One of `PRECISIONS`, as Lightning calls them.
        devices: Number of processes on the CPU, or of GPUs, that share each batch.
        strategy: A strategy of Lightning's; `auto` is `ddp_spawn` where there is more than one device.
        mlflow: A tracking address of MLflow, where losses are logged too (`pip install knowngood[mlflow]`).

    Raises:
        RecipeError: A value is out of range.
        OutputError: The name of the folder holds bytes that are no text, which TensorBoard cannot write to.

    Example:
        >>> Run(Path("runs/widget")).precision
        '32-true'
    """

    folder: Path | None = None
    precision: str = "32-true"
    devices: int = 1
    strategy: str = "auto"
    mlflow: str | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise RecipeError(f"precision={self.precision!r} is not known; take {', '.join(PRECISIONS)}")
        if self.devices < 1:
            raise RecipeError(f"devices={self.devices} must be at least 1")
        name = str(self.folder)
        if name != name.encode("utf-8", "replace").decode():
            raise OutputError(f"the run folder {name!r} has a name that is no text; name another")


def check_device(device: str) -> None:
    """Refuse a device that is not known, before torch is imported.

    Raises:
        RecipeError: The device is not known.

    Example:
        >>> check_device("cuda:1")
    """
    if device.partition(":")[0] not in ("auto", "cpu", "cuda"):
        raise RecipeError(f"device={device!r} is not known; take auto, cpu or cuda")


def lightning_devices(device: str, count: int = 1) -> dict[str, Any]:
    """Lightning's arguments for a torch device; a number in it selects that one alone.

    Example:
        >>> lightning_devices("cuda:1"), lightning_devices("cpu", 2)
        ({'accelerator': 'gpu', 'devices': [1]}, {'accelerator': 'cpu', 'devices': 2})
    """
    name, _, number = device.partition(":")
    return {"accelerator": "gpu" if name == "cuda" else name, "devices": [int(number)] if number else count}


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C, as elsewhere.

    Lightning ends the program with a SystemExit, and from then on nothing would interrupt it.
    """
    at_interrupt = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stopped:
        signal.signal(signal.SIGINT, at_interrupt)
        raise KeyboardInterrupt from stopped
