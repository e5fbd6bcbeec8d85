"""How fine to look: accuracy and milliseconds of the three details, on whole sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cases_sets

SETS = "transistor", "screw", "magnetic-tile"
DETAILS = "fast", "normal", "fine"


def run(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Measure each set at each detail."""
    return [row for detail in DETAILS for row in cases_sets.run(seeds, SETS, detail=detail)]
