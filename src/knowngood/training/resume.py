"""Training folders: what was begun in one must be what goes on in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from knowngood.errors import RecipeError, TrainingError
from knowngood.output import make_folder, replacing

BEGUN = "run.json"
CHECKPOINT = "last.ckpt"


def begin(folder: Path, what: dict[str, Any]) -> None:
    """Write down what is trained in a folder, or make sure that it is what was begun there.

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
