"""Cases with every fault that the runner must find: a seed each."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from .case import Random, check

FAULTS = ("crash", "hang", "memory", "traceback", "outside", "check", "nothing")


def faulty(random: Random, folder: Path, base: Path) -> None:
    """Do what no case may, by the number that `random` was made from."""
    fault = (folder.parent / "fault").read_text()
    if fault == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    while fault == "hang":
        pass
    if fault == "memory":
        np.ones(2200 << 20, np.uint8)
    if fault == "outside":
        (Path.home() / "file").touch()
    check(fault != "check", "a check fails")
    assert fault != "traceback"
