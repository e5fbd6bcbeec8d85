"""The ELPV solar cells, real images that install with `pip install elpv-dataset`.

Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar Cells in Electroluminescence
Imagery", doi 10.4229/35thEUPVSEC20182018-5CV.3.15; images under CC BY-NC-SA 4.0.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pandas as pd

from knowngood.data.splits import assign_split
from knowngood.data.tables import check_samples
from knowngood.errors import DataError


def load_elpv(crystal: str | None = "mono", *, seed: int = 0) -> pd.DataFrame:
    """List the solar cells that are good (defect probability 0) or defective (1) with certainty.

    All defects are of one type, and the class of each cell is its crystal.

    Args:
        crystal: `mono` or `poly` crystalline, or None for both.
        seed: Seed of the split, with 70 % of the good cells in the train split.

    Raises:
        DataError: The package is not installed.

    Example:
        >>> load_elpv("mono").groupby(["split", "label"]).size().to_dict()
        {('test', 'defect'): 313, ('test', 'good'): 176, ('train', 'good'): 412}
    """
    spec = importlib.util.find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise DataError("the solar cells are not installed; `pip install elpv-dataset`")
    folder = Path(spec.origin).parent / "data"
    cells = pd.read_csv(
        folder / "labels.csv", sep=r"\s+", header=None, names=["path", "probability", "crystal"]
    )
    sure = cells["probability"].isin([0, 1])
    cells = cells[sure if crystal is None else sure & (cells["crystal"] == crystal)]
    defective = cells["probability"] == 1
    table = pd.DataFrame(
        {
            "path": [str(folder / path) for path in cells["path"]],
            "label": defective.map({True: "defect", False: "good"}),
            "defect": defective.map({True: "defective", False: ""}),
            "class": cells["crystal"],
        }
    )
    return check_samples(assign_split(table.reset_index(drop=True), seed=seed))


if __name__ == "__main__":
    load_elpv().to_csv(sys.argv[1], index=False)
