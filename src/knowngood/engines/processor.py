"""The instruction set of the processor, which decides how fast a graph runs."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

LIMIT = "ONEDNN_MAX_CPU_ISA"
"""This environment variable keeps OpenVINO and torch from newer instructions."""

SETS = {
    "AMX": "amx_int8",
    "AVX-512 VNNI": "avx512_vnni",
    "AVX-VNNI": "avx_vnni",
    "AVX-512": "avx512f",
    "AVX2": "avx2",
}
"""Instruction sets, the fastest first, and the flag by which Linux knows each."""


def instruction_set() -> str:
    """Name the fastest instruction set in use, such as `AVX2`, or the limit that the user has set.

    Outside Linux it is not known: the machine's type is given instead, such as `arm64`.
    """
    if limit := os.environ.get(LIMIT):
        return f"{limit} ({LIMIT})"
    flags = processor("flags").split()
    return next((name for name, flag in SETS.items() if flag in flags), platform.machine())


def processor(field: str = "model name") -> str:
    """A field of Linux's description of the first processor; empty on other systems."""
    with suppress(FileNotFoundError), Path("/proc/cpuinfo").open() as lines:
        # The lines of all other cores are not read.
        return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
    return ""
