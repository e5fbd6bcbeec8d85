"""The program, a fitted inspector, and pictures of parts that were taken again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ..cli.conftest import fitted, run  # noqa: F401 - fixtures
from ..support.parts import part, scratch


@pytest.fixture(scope="session")
def repeats(tmp_path_factory) -> Path:
    """The table of 6 good and 4 scratched parts, three takes each at two stations."""
    folder, rng, rows = tmp_path_factory.mktemp("repeats"), np.random.default_rng(5), []
    for number in range(10):
        still = part(rng).astype(float)
        if number >= 6:
            still[scratch(rng)] = 235
        for station in "AB":
            for take in (1, 2, 3):
                noisy = still * rng.normal(1, 0.01) + rng.normal(0, 2, still.shape)
                name = f"{number}{station}{take}.png"
                Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / name)
                truth = "scratch" if number >= 6 else "good"
                rows.append([name, number, take, station, truth, "reject" if number >= 5 else "accept"])
    table = pd.DataFrame(rows, columns=["path", "part", "take", "operator", "truth", "Anna"])
    table.to_csv(folder / "study.csv", index=False)
    return folder / "study.csv"
