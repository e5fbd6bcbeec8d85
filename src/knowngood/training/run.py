"""How and where a training runs; precision and number of devices change what is learned by a little."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowngood.errors import RecipeError

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def lightning_devices(device: str, count: int = 1) -> dict[str, Any]:
    """A torch device as Lightning's trainer wants it; a number in it names the only one.

    Example:
        >>> lightning_devices("cuda:1"), lightning_devices("cpu", 2)
        ({'accelerator': 'gpu', 'devices': [1]}, {'accelerator': 'cpu', 'devices': 2})
    """
    kind, _, number = device.partition(":")
    return {
        "accelerator": "gpu" if kind == "cuda" else kind,
        "devices": [int(number)] if number else count,
    }


@dataclass(frozen=True)
class Run:
    """How and where a training runs.

    Args:
        folder: Where checkpoints, TensorBoard logs and `losses.csv` are kept. A training that was cut off
            goes on from its last checkpoint when the same folder is given again. None keeps nothing.
        precision: One of `PRECISIONS`, as Lightning calls them.
        devices: Number of processes on the CPU, or of GPUs, that share each batch.
        strategy: A strategy of Lightning's; `auto` is `ddp_spawn` where there is more than one device.
        mlflow: A tracking address of MLflow's, which then keeps the losses as well; it needs
            `pip install knowngood[mlflow]`.

    Raises:
        RecipeError: A value is out of range.

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
