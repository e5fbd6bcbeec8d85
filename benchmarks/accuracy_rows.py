"""The rows that each accuracy case gives to `accuracy_cases.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def rows(
    case: str, setting: str, found: Sequence[Mapping[str, float]], seconds: float, note: str = ""
) -> list[dict[str, Any]]:
    """A row for each figure: its mean and standard deviation over seeds.

    Args:
        case: What was measured.
        setting: How.
        found: The figures of each seed, by name.
        seconds: What all seeds took; a row has those of one.
        note: What else is to be known of the figures.

    Example:
        >>> [row] = rows("screw", "defaults", [{"image_auroc": 0.99}, {"image_auroc": 0.97}], 30.0)
        >>> row["value"], row["spread"], row["seeds"], row["seconds"]
        (0.98, 0.01, 2, 15.0)
    """
    return [
        {
            "case": case,
            "setting": setting,
            "metric": metric,
            "value": round(float(values.mean()), 4),
            "spread": round(float(values.std(ddof=0)), 4),
            "seeds": len(values),
            "seconds": round(seconds / len(values), 1),
            "commit_note": note,
        }
        for metric, values in pd.DataFrame(found).items()
    ]
