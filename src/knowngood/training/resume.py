"""Training folders and checkpoints: only the training that was begun in a folder is resumed there."""

from __future__ import annotations

import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch

from knowngood.errors import RecipeError, TrainingError
from knowngood.output import make_folder, replacing
from knowngood.training.journal import Journal

BEGUN = "run.json"
CHECKPOINT = "last.ckpt"


def begin(folder: Path, what: dict[str, Any]) -> None:
    """Record what is trained in a folder, or verify that it is what was begun there.

    Args:
        folder: It is made if need be.
        what: Everything that decides the result, by name, as JSON has it.

    Raises:
        RecipeError: Something else was begun there; the first field that differs is named.
        TrainingError: The folder holds a damaged file.
        OutputError: The folder cannot be written.
    """
    make_folder(folder)
    file = folder / BEGUN
    if not file.exists():
        with replacing(file) as unfinished:
            unfinished.write_text(json.dumps(what, indent=1), encoding="utf-8")
        return
    try:
        before = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{str(file)!r} is damaged; delete {str(folder)!r} or name another") from error
    now = json.loads(json.dumps(what))
    for name in [*now, *(before.keys() - now.keys())]:
        if before.get(name) != now.get(name):
            raise RecipeError(
                f"{str(folder)!r} holds a training with {name}={before.get(name)!r}, not "
                f"{now.get(name)!r}; name another folder to train anew, or give {name} as it was"
            )


class Checkpoint(NamedTuple):
    """The part of a checkpoint that is read outside Lightning: the state of its `Journal`, and the rate."""

    journal: dict[str, Any]
    learning_rate: float


def load_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint without running code that is in it.

    Raises:
        TrainingError: It cannot be read.
    """
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True)
        journal = saved["callbacks"][Journal.__qualname__]
        _ = journal["done"]
        return Checkpoint(journal, saved["lr_schedulers"][0]["base_lrs"][0])
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, UnpicklingError, TypeError) as error:
        raise TrainingError(f"{str(file)!r} cannot be read; delete it to train anew") from error
