"""Which instructions the processor has for arithmetic: they decide how fast a graph runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

LIMIT = "ONEDNN_MAX_CPU_ISA"
"""The environment variable that keeps OpenVINO and torch from newer instructions."""

SETS = {
    "AMX": "amx_int8",
    "AVX-512 VNNI": "avx512_vnni",
    "AVX-VNNI": "avx_vnni",
    "AVX-512": "avx512f",
    "AVX2": "avx2",
}
"""Instruction sets, the fastest first, and the flag by which Linux knows each."""


def instruction_set() -> str:
    """Name the fastest instruction set in use, such as `AVX2`; the kind of processor where it is not told.

    Only Linux tells. What the user has set as the limit is taken at its word.

    Example:
        >>> instruction_set() != ""
        True
    """
    if limit := os.environ.get(LIMIT):
        return f"{limit} ({LIMIT})"
    flags = processor("flags").split()
    return next((name for name, flag in SETS.items() if flag in flags), platform.machine())


def processor(field: str = "model name") -> str:
    """What Linux tells about the first processor; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return ""
    with info.open() as lines:  # those of all other cores are not read
        return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
