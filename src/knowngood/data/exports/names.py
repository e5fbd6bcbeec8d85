"""Names of files and folders that are safe on every system, whatever the images and classes are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 100
"""Bytes of a name; with an ending and `-2` it fits into the 255 that file systems allow."""

_DEVICES = {"aux", "con", "nul", "prn", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))}
"""Names that Windows keeps for devices."""


def safe_name(text: str) -> str:
    r"""Return a name of letters, digits, `_`, `-` and `.` inside, for one file or folder without its ending.

    Example:
        >>> [safe_name(text) for text in ("../../etc", "a\nb c", "Schraube.1", "..", "nul")]
        ['etc', 'a_b_c', 'Schraube.1', 'unnamed', 'file_nul']
    """
    name = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip("._-")
    name = name.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore").strip("._-") or "unnamed"
    return f"file_{name}" if name.partition(".")[0].lower() in _DEVICES else name


def unique_names(texts: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Return a safe name for each text, no two the same in any capitals; what comes again gets a number.

    Example:
        >>> unique_names(["000", "dent/000", "A", "a"])
        ['000', 'dent_000', 'A', 'a-2']
    """
    used = {name.lower() for name in taken}
    times: dict[str, int] = {}
    names = []
    for text in texts:
        name = base = safe_name(text)
        while name.lower() in used:
            times[base] = times.get(base, 1) + 1
            name = f"{base}-{times[base]}"
        used.add(name.lower())
        names.append(name)
    return names
