"""How much of a defect must be found: the file `defects_config.json` of a data set as MVTec LOCO has it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from knowngood.errors import DataError, quoted
from knowngood.inputs import LARGEST_RECIPE, read_file

CONFIG = "defects_config.json"


class Saturation(NamedTuple):
    """The number of pixels of a defect from which on more of them count no more.

    Example:
        >>> Saturation(0.5, True).of(80), Saturation(200, False).of(80)
        (40.0, 80)
    """

    threshold: float
    relative: bool  # whether the threshold is a share of the area

    def of(self, area: int) -> float:
        """The number for a defect of an area in pixels, at most the area."""
        return min(self.threshold * area if self.relative else self.threshold, area)


def read_saturations(data: str) -> dict[int, Saturation]:
    """Read the saturation of each value of the masks of a data set.

    Args:
        data: A folder, or a table beside which the file may be; empty for images in memory.

    Returns:
        The saturations by value; empty where there is no file.

    Raises:
        DataError: The file cannot be read, or is not as in MVTec LOCO.

    Example:
        >>> read_saturations("")
        {}
    """
    if not data:
        return {}
    path = (Path(data) if Path(data).is_dir() else Path(data).parent) / CONFIG
    try:
        entries = json.loads(read_file(path, LARGEST_RECIPE))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}", path=path) from error
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise DataError(
            f"{str(path)!r} must list entries with pixel_value (1 or more), saturation_threshold (above 0), "
            "relative_saturation (true or false); correct it, or rename it to do without",
            path=path,
        )
    values = [entry["pixel_value"] for entry in entries]
    if twice := {value for value in values if values.count(value) > 1}:
        raise DataError(f"{str(path)!r} names pixel_value {quoted(min(twice))} twice; keep one", path=path)
    return {
        entry["pixel_value"]: Saturation(entry["saturation_threshold"], entry["relative_saturation"])
        for entry in entries
    }


def _is_entry(entry: Any) -> bool:
    """Check one entry; `true` is no number here."""
    names = ("pixel_value", "saturation_threshold", "relative_saturation")
    value, threshold, relative = map(entry.get, names) if isinstance(entry, dict) else (None,) * 3
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return False
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold < math.inf:
        return False
    return isinstance(relative, bool)
