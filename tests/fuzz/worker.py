"""One process that runs cases, one after another: `sort seed` on a line in, what was found as JSON out."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import resource
import shutil
import sys
import traceback
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

from .case import Finding

MEMORY = 2 << 30
"""Bytes that a process may hold."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_PATHS = {
    **dict.fromkeys(("open", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"), slice(1)),
    **dict.fromkeys(("os.rename", "os.link"), slice(2)),
    "os.symlink": slice(1, 2),
}
"""The events of Python by which files change, and which of their arguments are the paths that do."""


def watch_changes(call: Callable[[str], None]) -> None:
    """Call a function before each change of a file from Python, with the file's path, for ever."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in _PATHS and (event != "open" or (arguments[2] or 0) & _WRITING):
            for path in arguments[_PATHS[event]]:
                if isinstance(path, str | bytes | os.PathLike):
                    call(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100

    sys.addaudithook(hook)


def run(sort: str, seed: int, root: Path, base: Path, outside: list[str]) -> str:
    """Run one case in an empty folder, and return what it found."""
    case = getattr(import_module(f".{sort}", __package__), sort)
    folder, home, temporary = root / "case", root / "home", root / "tmp"
    for one in (folder, home, temporary):
        shutil.rmtree(os.fsencode(one), ignore_errors=True)
        one.mkdir()
    os.chdir(folder)
    outside.clear()
    Path("/proc/self/clear_refs").write_text("5")  # the largest memory counts from here
    try:
        case(np.random.default_rng([zlib.crc32(sort.encode()), seed]), folder, base)
    except Finding as finding:
        return str(finding)
    except BaseException as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}\n" + "".join(traceback.format_exception(error)[-12:])
    finally:
        os.chdir(root)
    used = largest_memory()
    if used > MEMORY:
        return f"took {used >> 20} MB"
    left = [*map(str, home.iterdir()), *map(str, temporary.iterdir()), *outside]
    return f"wrote outside of its outputs: {left[:3]}" if left else ""


def largest_memory() -> int:
    """The most bytes that this process has held since `clear_refs`."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) << 10


def serve(root: Path, base: Path) -> None:
    """Run the cases that are asked for until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    outside: list[str] = []

    def note(path: str) -> None:
        if not path.startswith((f"{root}/", "/dev/", "/proc/self/")):
            outside.append(path)

    watch_changes(note)
    for line in sys.stdin:
        sort, seed = line.split()
        print(json.dumps(run(sort, int(seed), root, base, outside)), file=answers, flush=True)
        gc.collect()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
